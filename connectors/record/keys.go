package record

import (
	"time"

	"inmail/domain/mailroom"
)

const putKey = `INSERT INTO keys (id, hash, role, member, created_at, name, expires_at, read_only, created_by,
		last_used_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
	ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, role = excluded.role, member = excluded.member,
		created_at = excluded.created_at, name = excluded.name, expires_at = excluded.expires_at,
		read_only = excluded.read_only, created_by = excluded.created_by, last_used_at = excluded.last_used_at`

// PutKey stores an API key by its hash alone, and replaces one with the same id.
func (t *tx) PutKey(k mailroom.Key) error {
	_, err := t.exec("store a key", putKey, k.ID, k.Hash[:], string(k.Role), k.Member, millis(k.CreatedAt), k.Name,
		millis(k.ExpiresAt), k.ReadOnly, k.CreatedBy, millis(k.LastUsedAt))
	return err
}

const keyColumns = `SELECT id, hash, role, member, created_at, name, expires_at, read_only, created_by, last_used_at
	FROM keys `

func scanKey(r row) (k mailroom.Key, err error) {
	var hash []byte
	var created, expires, used int64
	if err := r.Scan(&k.ID, &hash, (*string)(&k.Role), (*string)(&k.Member), &created, &k.Name, &expires, &k.ReadOnly,
		&k.CreatedBy, &used); err != nil {
		return k, err
	}
	if copy(k.Hash[:], hash) != len(k.Hash) {
		return k, ownf("the hash of key %s has %d bytes", k.ID, len(hash))
	}
	k.CreatedAt, k.ExpiresAt, k.LastUsedAt = instant(created), instant(expires), instant(used)
	return k, nil
}

// KeyByHash returns the key with a hash; nil when there is none.
func (t *tx) KeyByHash(hash [32]byte) (key *mailroom.Key, err error) {
	err = t.query("look up a key", keyColumns+`WHERE hash = $1`, func(r row) error {
		k, err := scanKey(r)
		key = &k
		return err
	}, hash[:])
	return key, err
}

// ListKeys lists keys, newest first by (CreatedAt, ID).
func (t *tx) ListKeys(page mailroom.Page) (keys []mailroom.Key, err error) {
	var c conditions
	c.and("TRUE")
	c.after("created_at", "id", page.After, page.After.ID)
	sql := keyColumns + `WHERE ` + c.sql + ` ORDER BY created_at DESC, id DESC LIMIT ` + c.arg(limit(page))
	err = t.query("list keys", sql, func(r row) error {
		k, err := scanKey(r)
		keys = append(keys, k)
		return err
	}, c.args...)
	return keys, err
}

const lockOperatorKeys = `SELECT id, expires_at FROM keys WHERE role = 'operator' AND read_only = FALSE ORDER BY id
	FOR UPDATE`

// LockOperatorKeys locks the operator keys that may change something and hold at Now, and returns their ids.
func (t *tx) LockOperatorKeys() (ids []string, err error) {
	now := t.Now()
	err = t.query("lock operator keys", lockOperatorKeys, func(r row) error {
		var id string
		var expires int64
		err := r.Scan(&id, &expires)
		if expires == 0 || now.Before(instant(expires)) {
			ids = append(ids, id)
		}
		return err
	})
	return ids, err
}

const useKey = `UPDATE keys SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2`

// UseKey notes when a key was last used; a key that is gone, and an earlier time, change nothing.
func (t *tx) UseKey(id string, at time.Time) error {
	_, err := t.exec("note the use of a key", useKey, id, millis(at))
	return err
}

// DeleteKey deletes a key and returns whether there was one.
func (t *tx) DeleteKey(id string) (bool, error) {
	n, err := t.exec("delete a key", `DELETE FROM keys WHERE id = $1`, id)
	return n > 0, err
}
