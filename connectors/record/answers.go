package record

import (
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

const firstAnswers = `SELECT r.n, a.digest, a.inmail, a.body, a.at
	FROM unnest($2::int[], $3::text[], $4::text[]) AS r(n, sender, key)
	JOIN answers a ON a.sender = r.sender AND a.key = r.key AND a.at > $1`

// FirstAnswers returns for each idempotency key the answer that was stored under it less than keep ago; nil
// for a key without one (R28).
func (t *tx) FirstAnswers(keys []mailroom.AnswerKey, keep time.Duration) ([]*mailroom.Answer, error) {
	answers := make([]*mailroom.Answer, len(keys))
	asked := batch{args: []any{t.at(-keep)}}
	for i, k := range keys {
		asked.add(i, k.Sender, k.Key)
	}
	err := t.queryBatch("look for a first answer", firstAnswers, &asked, func(r row) error {
		var n int
		var digest []byte
		var inmail *string
		var at int64
		var a mailroom.Answer
		if err := r.Scan(&n, &digest, &inmail, &a.Body, &at); err != nil {
			return err
		}
		if copy(a.Digest[:], digest) != len(a.Digest) {
			return ownf("the digest of a first answer has %d bytes", len(digest))
		}
		if inmail != nil {
			a.InMail = domain.ID(*inmail)
		}
		a.AnswerKey, a.At = keys[n], instant(at)
		answers[n] = &a
		return nil
	})
	return answers, err
}

const putAnswers = `INSERT INTO answers (sender, key, digest, inmail, body, at)
	SELECT r.sender, r.key, r.digest, r.inmail, r.body, r.at
	FROM unnest($2::text[], $3::text[], $4::bytea[], $5::uuid[], $6::bytea[], $7::bigint[])
		AS r(sender, key, digest, inmail, body, at)
	WHERE TRUE ON CONFLICT (sender, key) DO UPDATE SET digest = excluded.digest, inmail = excluded.inmail,
		body = excluded.body, at = excluded.at
		WHERE answers.at <= $1`

// PutAnswers stores answers, in place of those that are older than keep. A key that has a younger one fails
// the transaction with ErrConflict: lock the sender and ask FirstAnswers before (R28).
func (t *tx) PutAnswers(answers []mailroom.Answer, keep time.Duration) error {
	rows := batch{args: []any{t.at(-keep)}}
	for _, a := range answers {
		rows.add(a.Sender, a.Key, a.Digest[:], a.InMail, blob(a.Body), millis(a.At))
	}
	return t.laterBatch("keep first answers", putAnswers, &rows, len(answers))
}

const dropAnswers = `DELETE FROM answers WHERE (sender, key) IN (SELECT a.sender, a.key FROM answers a WHERE a.at <= $1
	ORDER BY a.at LIMIT $2)`

// DropAnswers deletes up to limit answers that are older than keep, the oldest first, and returns how many
// (R28).
func (t *tx) DropAnswers(keep time.Duration, limit int) (int, error) {
	if limit <= 0 {
		return 0, nil
	}
	n, err := t.exec("drop old answers", dropAnswers, t.at(-keep), limit)
	return int(n), err
}
