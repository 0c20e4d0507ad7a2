package record

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
)

// CopyFile copies a database of SQLite that other processes may be working on, as one consistent state, to a
// path where no file is yet. Nobody waits for it.
func CopyFile(ctx context.Context, from, to string) error {
	if _, err := os.Stat(from); err != nil {
		return ownf("the file %s cannot be read (%v)", from, pathless(err))
	}
	db, err := openFile(from, "mode=rw")
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", to); err != nil {
		return explain("copy "+from, err)
	}
	return nil
}

// CheckFile reads a whole record that nobody works on, and fails when it is damaged or another program's.
func CheckFile(ctx context.Context, path string) error {
	db, err := openFile(path, "mode=ro&immutable=1")
	if err != nil {
		return err
	}
	defer db.Close()
	var id int64
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return explain("check "+path, err)
	}
	if id != applicationID {
		return ownf("the file %s is not a record of InMail", path)
	}
	var first string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&first); err != nil {
		return explain("check "+path, err)
	}
	if first != "ok" {
		return ownf("the record in %s is damaged; take another backup", path)
	}
	return nil
}

func openFile(path, mode string) (*sql.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: mode + "&_pragma=busy_timeout(10000)"}).String())
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}
