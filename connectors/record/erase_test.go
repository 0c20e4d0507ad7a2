package record_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"inmail/connectors/record"
	"inmail/connectors/record/recordtest"
)

// TestErasureLeavesNoByte checks that after an erasure and a scrub no byte of the member is left in any file
// of the data folder, while the record is open and in use, and after it was closed (R60).
func TestErasureLeavesNoByte(t *testing.T) {
	cfg := sqliteConfig(t)
	rec := open(t, cfg)
	marks := recordtest.Populate(t, rec, time.Date(2026, 11, 18, 9, 0, 0, 0, time.UTC))
	if files := filesWith(t, cfg.Data, marks); len(files) == 0 {
		t.Fatal("the marks were never written: this test looks for nothing")
	}
	recordtest.Erase(t, rec, marks.Member)
	if err := rec.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	if files := filesWith(t, cfg.Data, marks); len(files) > 0 {
		t.Errorf("left in %v", files)
	}
	rec.Close()
	if files := filesWith(t, cfg.Data, marks); len(files) > 0 {
		t.Errorf("left in %v after closing", files)
	}
	open(t, cfg)
}

func filesWith(t *testing.T, folder string, marks recordtest.Marks) (files []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, mark := range append(marks.Texts, string(marks.Member)) {
			if bytes.Contains(content, []byte(mark)) {
				files = append(files, filepath.Base(path)+": "+mark)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestErasureLeavesNoRow checks that after an erasure no row of any table has the member. It reads every
// column of every table, so that none is forgotten (R60).
func TestErasureLeavesNoRow(t *testing.T) {
	cfg := postgresConfig(t)
	rec := open(t, cfg)
	marks := recordtest.Populate(t, rec, time.Date(2026, 11, 18, 9, 0, 0, 0, time.UTC))
	tables := tablesWith(t, cfg, marks)
	if len(tables) < 15 {
		t.Fatalf("marks in %v only: this test looks for too little", tables)
	}
	recordtest.Erase(t, rec, marks.Member)
	if tables := tablesWith(t, cfg, marks); len(tables) > 0 {
		t.Errorf("left in %v", tables)
	}
}

// tablesWith lists the tables that have a mark in any column, as text or as bytes.
func tablesWith(t *testing.T, cfg record.Config, marks recordtest.Marks) (found []string) {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(ctx, "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		rows, err := conn.Query(ctx, "SELECT t::text FROM "+pgx.Identifier{table}.Sanitize()+" t")
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		all := strings.Join(lines, "\n")
		for _, mark := range append(marks.Texts, string(marks.Member)) {
			if strings.Contains(all, mark) || strings.Contains(all, hex.EncodeToString([]byte(mark))) {
				found = append(found, table)
				break
			}
		}
	}
	return found
}
