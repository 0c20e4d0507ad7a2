package record

import (
	"database/sql"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/pressly/goose/v3"
)

// TestMigrateFromTheFirstVersion checks that a record of the first version is brought up
// to date and keeps its rows.
func TestMigrateFromTheFirstVersion(t *testing.T) {
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "inmail.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	files, err := fs.Sub(migrations, "migrate")
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, translated{files, forSQLiteDDL},
		goose.WithTableName(versions), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	const id = "019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"
	if _, err := db.Exec(`INSERT INTO reports (inmail, sender, reporter, at, reason) VALUES (?, 's', 'r', 1, '')`, id); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`INSERT INTO audit (id, at, kind, sender, recipient, refusals, made_by, detail) VALUES ('a', 5, 'send', 's', 'r', 'self', '', '')`); err != nil {
		t.Fatal(err)
	}
	if err := up(t.Context(), goose.DialectSQLite3, db, forSQLiteDDL, false); err == nil {
		t.Error("opening an old schema without the right to migrate is no error")
	}
	if err := up(t.Context(), goose.DialectSQLite3, db, forSQLiteDDL, true); err != nil {
		t.Fatal(err)
	}
	// A migration that is older than the newest that was applied is not left out.
	for _, sql := range []string{"DROP TABLE waiting", "DELETE FROM " + versions + " WHERE version_id = 20",
		"CREATE INDEX inmails_queued ON inmails (id)"} { // as before it
		if _, err := db.Exec(sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := up(t.Context(), goose.DialectSQLite3, db, forSQLiteDDL, true); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("SELECT id FROM waiting"); err != nil {
		t.Errorf("the table of an older migration: %v", err)
	}
	var count, last int64
	if err := db.QueryRow(`SELECT count, max(at, last_at) FROM audit WHERE id = 'a'`).Scan(&count, &last); err != nil || count != 1 || last != 5 {
		t.Errorf("an entry of the first version stands for %d until %d: %v", count, last, err)
	}
	var taught bool
	if err := db.QueryRow(`SELECT taught FROM reports WHERE inmail = ?`, id).Scan(&taught); err != nil || !taught {
		t.Errorf("a report of the first version has taught: %v, %v", taught, err)
	}
}
