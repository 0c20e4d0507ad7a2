package record

import "time"

const putSnapshot = `INSERT INTO snapshots (id, at, figures) VALUES (1, $1, $2)
	ON CONFLICT (id) DO UPDATE SET at = excluded.at, figures = excluded.figures`

// PutSnapshot replaces the last computed figures.
func (t *tx) PutSnapshot(figures []byte) error {
	_, err := t.exec("store the snapshot", putSnapshot, t.at(0), blob(figures))
	return err
}

// Snapshot returns the last computed figures and the time at which they were stored; nil when there are none.
func (t *tx) Snapshot() (figures []byte, at time.Time, err error) {
	var ms int64
	each, _ := one(&figures, &ms)
	err = t.query("read the snapshot", `SELECT figures, at FROM snapshots WHERE id = 1`, each)
	return figures, instant(ms), err
}
