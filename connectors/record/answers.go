package record

import (
	"inmail/domain"
	"inmail/domain/mailroom"
)

const firstAnswers = `SELECT r.n, a.digest, a.inmail, a.body, a.at
	FROM unnest($1::int[], $2::text[], $3::text[]) AS r(n, sender, key)
	JOIN answers a ON a.sender = r.sender AND a.key = r.key`

// FirstAnswers returns for each idempotency key the answer that was given first under
// it; nil for a new key (R28).
func (t *tx) FirstAnswers(keys []mailroom.AnswerKey) ([]*mailroom.Answer, error) {
	answers := make([]*mailroom.Answer, len(keys))
	var asked batch
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
	FROM unnest($1::text[], $2::text[], $3::bytea[], $4::uuid[], $5::bytea[], $6::bigint[])
		AS r(sender, key, digest, inmail, body, at)
	WHERE TRUE ON CONFLICT (sender, key) DO NOTHING`

// PutAnswers stores first answers. A key that has an answer already fails the transaction with ErrConflict:
// lock the sender and ask FirstAnswers before (R28).
func (t *tx) PutAnswers(answers []mailroom.Answer) error {
	var rows batch
	for _, a := range answers {
		rows.add(a.Sender, a.Key, a.Digest[:], a.InMail, blob(a.Body), millis(a.At))
	}
	return t.laterBatch("keep first answers", putAnswers, &rows, len(answers))
}
