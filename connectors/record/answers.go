package record

import (
	"sync"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

const firstAnswers = `SELECT r.n, a.digest, a.inmail, a.body, a.at, a.at > $1
	FROM unnest($2::int[], $3::text[], $4::bytea[]) AS r(n, sender, key)
	JOIN answers a ON a.sender = r.sender AND a.key = r.key`

// FirstAnswers returns for each idempotency key the answer that was stored under it less than keep ago; nil
// for a key without one (R28). What is older is noted for PutAnswers.
func (t *tx) FirstAnswers(keys []mailroom.AnswerKey, keep time.Duration) ([]*mailroom.Answer, error) {
	answers := make([]*mailroom.Answer, len(keys))
	asked := batch{args: []any{t.at(-keep)}}
	for i, k := range keys {
		asked.add(i, k.Sender, k.Key[:])
	}
	err := t.queryBatch("look for a first answer", firstAnswers, &asked, func(r row) error {
		var n int
		var digest []byte
		var inmail *string
		var at int64
		var young bool
		var a mailroom.Answer
		if err := r.Scan(&n, &digest, &inmail, &a.Body, &at, &young); err != nil {
			return err
		}
		if !young {
			t.outdated.args = asked.args
			t.outdated.add(keys[n].Sender, keys[n].Key[:])
			return nil
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

const putAnswers = `INSERT INTO answers (at, inmail, sender, key, digest, body)
	SELECT r.at, r.inmail, r.sender, r.key, r.digest, r.body
	FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::bytea[], $5::bytea[], $6::bytea[])
		AS r(at, inmail, sender, key, digest, body)`

// PutAnswers stores answers, in place of those that FirstAnswers left out as too old. A key that has another
// fails the transaction with ErrConflict: lock the sender and ask FirstAnswers before (R28).
func (t *tx) PutAnswers(answers []mailroom.Answer) error {
	if len(answers) == 0 {
		return nil
	}
	if !t.write {
		return t.fail("keep first answers", errNotWritable)
	}
	var rows batch
	for _, a := range answers {
		rows.add(millis(a.At), a.InMail, a.Sender, a.Key[:], a.Digest[:], blob(a.Body))
	}
	if err := t.laterBatch("drop old answers", dropAnswers, &t.outdated, anyNumber); err != nil {
		return err
	}
	t.outdated = batch{}
	t.pending = append(t.pending, step{what: "keep first answers", sql: putAnswers, rows: rows.rows, unique: true})
	return nil
}

const dropAnswers = `DELETE FROM answers WHERE (sender, key) IN (SELECT r.sender, r.key
	FROM unnest($2::text[], $3::bytea[]) AS r(sender, key)) AND at <= $1`

// answersPass is how far DropAnswers is. A process that starts begins anew.
type answersPass struct {
	sync.Mutex
	after mailroom.AnswerKey // the last one that was read; zero: the next call begins a pass
	began time.Time
}

// passesEach is how many passes DropAnswers makes in the time for which answers are kept, at most.
const passesEach = 30

const nextAnswers = `SELECT a.sender, a.key, a.at <= $1 FROM answers a WHERE (a.sender, a.key) > ($2, $3)
	ORDER BY a.sender, a.key LIMIT $4`

// DropAnswers reads the next limit answers in the order of their keys, deletes those that are older than
// keep, and returns how many it read (R28). An index of their times would cost more: each send would make an
// entry. Behind the last answer it returns 0, until it is time for another pass.
func (t *tx) DropAnswers(keep time.Duration, limit int) (int, error) {
	pass := &t.r.answersPass
	pass.Lock()
	defer pass.Unlock()
	start := pass.after == mailroom.AnswerKey{}
	if now := t.Now(); start && !now.Before(pass.began) && now.Sub(pass.began) < keep/passesEach || limit <= 0 {
		return 0, nil
	} else if start {
		pass.began = now
	}
	var n int
	var last mailroom.AnswerKey
	old := batch{args: []any{t.at(-keep)}}
	err := t.query("look for old answers", nextAnswers, func(r row) error {
		var key []byte
		var over bool
		if err := r.Scan((*string)(&last.Sender), &key, &over); err != nil {
			return err
		}
		copy(last.Key[:], key)
		if n++; over {
			old.add(last.Sender, key)
		}
		return nil
	}, t.at(-keep), pass.after.Sender, pass.after.Key[:], limit)
	if err != nil {
		return 0, err
	}
	if n < limit {
		last = mailroom.AnswerKey{}
	}
	pass.after = last
	return n, t.laterBatch("drop old answers", dropAnswers, &old, anyNumber)
}
