package record

const putState = `INSERT INTO state (name, value) VALUES ($1, $2) ON CONFLICT (name)
	DO UPDATE SET value = excluded.value`

const selectState = `SELECT value FROM state WHERE name = $1`

// State returns a small value by its name; nil when there is none.
func (t *tx) State(name string) (value []byte, err error) {
	each, _ := one(&value)
	err = t.query("read a state", selectState, each, name)
	return value, err
}

// SetState stores a small value under a name; a nil value removes it.
func (t *tx) SetState(name string, value []byte) error {
	if value == nil {
		_, err := t.exec("remove a state", `DELETE FROM state WHERE name = $1`, name)
		return err
	}
	_, err := t.exec("keep a state", putState, name, value)
	return err
}
