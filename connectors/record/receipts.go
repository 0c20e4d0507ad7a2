package record

import (
	"errors"

	"inmail/domain"
)

const insertReceipts = `INSERT INTO receipts (inmail, seq, status, at, reason)
	SELECT r.inmail, r.seq, r.status, r.at, r.reason
	FROM unnest($1::uuid[], $2::int[], $3::text[], $4::bigint[], $5::text[]) AS r(inmail, seq, status, at, reason)`

// appendReceipts adds receipts that their InMails do not imply. A sequence number that exists already fails
// the transaction, even when no guard of an InMail did (R54).
func (t *tx) appendReceipts(receipts []domain.Receipt) error {
	var rows batch
	for _, r := range receipts {
		rows.add(r.InMail, r.Seq, string(r.Status), millis(r.At), string(r.Reason))
	}
	return t.laterBatch("append receipts", insertReceipts, &rows, len(receipts))
}

const (
	selectReceipts = `SELECT seq, status, at, reason FROM receipts WHERE inmail = $1 ORDER BY seq`
	selectStates   = `SELECT ` + inmailColumns + withoutTexts + ` FROM inmails i ` + ofIDs
	selectQueued   = `SELECT ` + waitingColumns + withoutTexts + ` FROM waiting i ` + ofIDs
)

// Receipts returns the receipts of an InMail by sequence number, the stored ones and those that its row
// implies (R54).
func (t *tx) Receipts(id domain.ID) ([]domain.Receipt, error) {
	var stored []domain.Receipt
	found := map[domain.ID]*domain.InMail{}
	err := t.together(func() error {
		err := t.query("read receipts", selectReceipts, func(r row) error {
			receipt := domain.Receipt{InMail: id}
			var at int64
			err := r.Scan(&receipt.Seq, (*string)(&receipt.Status), &at, (*string)(&receipt.Reason))
			receipt.At = instant(at)
			stored = append(stored, receipt)
			return err
		}, id)
		return errors.Join(err, t.query("read the state of an InMail", selectQueued, into(found), []domain.ID{id}),
			t.query("read the state of an InMail", selectStates, into(found), []domain.ID{id}))
	})
	if err != nil || found[id] == nil {
		return nil, err
	}
	return found[id].Receipts(stored), nil
}
