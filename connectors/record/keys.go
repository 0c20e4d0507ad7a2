package record

import (
	"inmail/domain/mailroom"
)

const putKey = `INSERT INTO keys (id, hash, role, member, created_at) VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, role = excluded.role, member = excluded.member,
		created_at = excluded.created_at`

// PutKey stores an API key by its hash alone, and replaces one with the same id.
func (t *tx) PutKey(k mailroom.Key) error {
	_, err := t.exec("store a key", putKey, k.ID, k.Hash[:], string(k.Role), k.Member, millis(k.CreatedAt))
	return err
}

const keyColumns = `SELECT id, hash, role, member, created_at FROM keys `

func scanKey(r row) (k mailroom.Key, err error) {
	var hash []byte
	var created int64
	if err := r.Scan(&k.ID, &hash, (*string)(&k.Role), (*string)(&k.Member), &created); err != nil {
		return k, err
	}
	if copy(k.Hash[:], hash) != len(k.Hash) {
		return k, ownf("the hash of key %s has %d bytes", k.ID, len(hash))
	}
	k.CreatedAt = instant(created)
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

// DeleteKey deletes a key and returns whether there was one.
func (t *tx) DeleteKey(id string) (bool, error) {
	n, err := t.exec("delete a key", `DELETE FROM keys WHERE id = $1`, id)
	return n > 0, err
}
