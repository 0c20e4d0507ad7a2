package record

import (
	"inmail/domain/mailroom"
)

const (
	dropEndedSessions = `DELETE FROM sessions WHERE ends_at <= $1`
	putSession        = `INSERT INTO sessions (hash, link, key_hash, member, ends_at, person, person_name, read_only)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	sessionByHash = `SELECT link, key_hash, member, ends_at, person, person_name, read_only FROM sessions WHERE hash = $1`
)

// PutSession stores a session or a link, and deletes those that have ended.
func (t *tx) PutSession(s mailroom.SessionRow) error {
	if _, err := t.exec("delete ended sessions", dropEndedSessions, millis(t.Now())); err != nil {
		return err
	}
	_, err := t.exec("store a session", putSession, s.Hash[:], s.Link, s.KeyHash[:], s.Member, millis(s.EndsAt),
		s.Person, s.PersonName, s.ReadOnly)
	return err
}

// SessionByHash returns the session or link with a hash; nil when there is none.
func (t *tx) SessionByHash(hash [32]byte) (found *mailroom.SessionRow, err error) {
	err = t.query("look up a session", sessionByHash, func(r row) error {
		s := mailroom.SessionRow{Hash: hash}
		var key []byte
		var ends int64
		if err := r.Scan(&s.Link, &key, (*string)(&s.Member), &ends, &s.Person, &s.PersonName, &s.ReadOnly); err != nil {
			return err
		}
		if copy(s.KeyHash[:], key) != len(s.KeyHash) {
			return ownf("the key's hash of a session has %d bytes", len(key))
		}
		s.EndsAt = instant(ends)
		found = &s
		return nil
	}, hash[:])
	return found, err
}

// DeleteSession deletes a session or link and returns whether there was one.
func (t *tx) DeleteSession(hash [32]byte) (bool, error) {
	n, err := t.exec("delete a session", `DELETE FROM sessions WHERE hash = $1`, hash[:])
	return n > 0, err
}

// DeleteSessionsOf deletes the sessions of a person and returns whether there was one.
func (t *tx) DeleteSessionsOf(person string) (bool, error) {
	n, err := t.exec("delete the sessions of a person", `DELETE FROM sessions WHERE person = $1 AND person <> ''`, person)
	return n > 0, err
}
