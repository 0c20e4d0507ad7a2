package record_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"inmail/connectors/record"
	"inmail/connectors/record/recordtest"
	"inmail/domain/mailroom"
)

// copyFile copies a file as cp does: over the bytes of a file that is there.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// copyFolder copies the files of a data folder into another, as cp -r does.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		copyFile(t, filepath.Join(from, f.Name()), filepath.Join(to, f.Name()))
	}
}

// works checks that a record is not held and can be written.
func works(t *testing.T, rec *record.Record) {
	t.Helper()
	if err := errors.Join(rec.Held(), rec.Ping(t.Context())); err != nil {
		t.Errorf("it is held: %v", err)
	}
}

// held checks that a record is held for a reason that contains want, is read and not written.
func held(t *testing.T, rec *record.Record, want string) {
	t.Helper()
	err := rec.Held()
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "inmail resume --after-restore") {
		t.Errorf("held is %v, want %q and the remedy", err, want)
	}
	for what, err := range map[string]error{"probe": rec.Ping(t.Context()),
		"update": rec.Update(t.Context(), func(tx mailroom.Tx) error { return tx.SetState("a", []byte("b")) })} {
		if !errors.Is(err, mailroom.ErrUnavailable) || mailroom.CauseOf(err) != mailroom.CauseHeld {
			t.Errorf("%s: %v, want held", what, err)
		}
	}
	if err := rec.View(t.Context(), func(tx mailroom.Tx) error { _, err := tx.State("a"); return err }); err != nil {
		t.Errorf("it cannot be read: %v", err)
	}
}

// resumed checks that Unhold ends a hold, here and for whoever opens the record next.
func resumed(t *testing.T, rec *record.Record, cfg record.Config) {
	t.Helper()
	if err := rec.Unhold(t.Context()); err != nil {
		t.Fatal(err)
	}
	works(t, rec)
	works(t, open(t, cfg))
}

// TestCopies checks which records are held as copies, and which are not (R61).
func TestCopies(t *testing.T) {
	t.Run("R61_sqlite", sqliteCopies)
	t.Run("R61_postgres", postgresCopies)
}

func sqliteCopies(t *testing.T) {
	started := func(t *testing.T) (record.Config, *record.Record) {
		cfg := sqliteConfig(t)
		cfg.Data = filepath.Join(cfg.Data, "data")
		return cfg, open(t, cfg)
	}
	t.Run("the folder by itself", func(t *testing.T) {
		cfg, rec := started(t)
		for range 3 {
			if err := rec.Beat(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		rec.Close()
		works(t, open(t, cfg))
	})
	t.Run("moved to another path", func(t *testing.T) {
		cfg, rec := started(t)
		rec.Close()
		moved := cfg
		moved.Data += "-moved"
		if err := os.Rename(cfg.Data, moved.Data); err != nil {
			t.Fatal(err)
		}
		works(t, open(t, moved))
	})
	t.Run("killed between the commit of a beat and its file", func(t *testing.T) {
		cfg, rec := started(t)
		rec.Close()
		if _, err := direct(t, cfg).Exec("UPDATE instance SET beat = beat + 1"); err != nil {
			t.Fatal(err)
		}
		works(t, open(t, cfg))
	})
	t.Run("of the version before", func(t *testing.T) {
		cfg := sqliteConfig(t)
		db, err := record.MigrateTo(t.Context(), cfg, 4)
		if err != nil {
			t.Fatal(err)
		}
		db.Close()
		works(t, open(t, cfg))
		works(t, open(t, cfg))
	})
	t.Run("copied while it is open", func(t *testing.T) {
		cfg, rec := started(t)
		twin := cfg
		twin.Data += "-copy"
		copyFolder(t, cfg.Data, twin.Data)
		copied := open(t, twin)
		held(t, copied, "its file is a copy")
		if err := copied.Beat(t.Context()); err != nil {
			t.Error(err)
		}
		held(t, copied, "its file is a copy")
		works(t, rec)
		resumed(t, copied, twin)
		works(t, rec)
	})
	t.Run("put back over the younger one", func(t *testing.T) {
		cfg, rec := started(t)
		rec.Close()
		backup := cfg.Data + "-backup"
		copyFolder(t, cfg.Data, backup)
		rec = open(t, cfg)
		if err := rec.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		rec.Close()
		copyFolder(t, backup, cfg.Data) // the files of the folder stay what they are, with older content
		rec = open(t, cfg)
		held(t, rec, "it is older than what was here before")
		resumed(t, rec, cfg)
	})
	t.Run("put back under the running program", func(t *testing.T) {
		cfg, rec := started(t)
		if err := os.Rename(cfg.File(), cfg.File()+".old"); err != nil {
			t.Fatal(err)
		}
		copyFile(t, cfg.File()+".old", cfg.File())
		if err := rec.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		held(t, rec, "its file is a copy")
	})
	t.Run("held by an operator", func(t *testing.T) {
		cfg, rec := started(t)
		if err := rec.HoldNext(t.Context()); err != nil {
			t.Fatal(err)
		}
		held(t, rec, "an operator held it")
		rec.Close()
		rec = open(t, cfg)
		held(t, rec, "an operator held it")
		resumed(t, rec, cfg)
	})
}

func postgresCopies(t *testing.T) {
	started := func(t *testing.T) (record.Config, *record.Record) {
		cfg := recordtest.Patient()
		cfg.URL = recordtest.EmptyDatabase(t, "")
		return cfg, open(t, cfg)
	}
	set := func(t *testing.T, cfg record.Config, key string, value any, age time.Duration) {
		t.Helper()
		execute(t, cfg.URL, fmt.Sprintf(`UPDATE instance SET place = jsonb_set(place::jsonb, '{%s}', to_jsonb('%v'::text))::text, beat_at = beat_at - %d`,
			key, value, age.Milliseconds()))
	}
	t.Run("the database by itself", func(t *testing.T) {
		cfg, rec := started(t)
		second := open(t, cfg)
		for range 2 {
			if err := errors.Join(rec.Beat(t.Context()), second.Beat(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		execute(t, cfg.URL, "VACUUM FULL instance")
		execute(t, cfg.URL, "REINDEX TABLE instance")
		works(t, open(t, cfg))
	})
	t.Run("after a failover", func(t *testing.T) {
		cfg, rec := started(t)
		if err := rec.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		set(t, cfg, "timeline", "0000FFFF", 30*time.Second) // the standby lacked the last half minute
		works(t, open(t, cfg))
		set(t, cfg, "timeline", "0000FFFF", 0)
		if err := rec.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		works(t, rec)
	})
	t.Run("a base backup that was restored", func(t *testing.T) {
		cfg, rec := started(t)
		rec.Close()
		set(t, cfg, "timeline", "0000FFFF", time.Hour)
		rec = open(t, cfg)
		held(t, rec, "timeline")
		other := open(t, cfg)
		resumed(t, rec, cfg)
		if err := other.Beat(t.Context()); err != nil { // the other process finds it
			t.Fatal(err)
		}
		works(t, other)
	})
	t.Run("put back under the running program", func(t *testing.T) {
		cfg, rec := started(t)
		if err := rec.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		execute(t, cfg.URL, "UPDATE instance SET beat_at = beat_at - 3600000")
		if err := rec.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		held(t, rec, "it went back to")
	})
	t.Run("put back while nobody ran, and known elsewhere", func(t *testing.T) {
		cfg, rec := started(t)
		if err := rec.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		key, at := rec.LastBeat()
		if key == "" || at.IsZero() {
			t.Errorf("the beat is %q, %s", key, at)
		}
		rec.Close()
		rec = open(t, cfg)
		rec.KnowBeat(at)
		if err := rec.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		works(t, rec)
		rec.Close()
		execute(t, cfg.URL, "UPDATE instance SET beat_at = beat_at - 120000")
		rec = open(t, cfg)
		works(t, rec)
		rec.KnowBeat(at)
		if err := rec.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		held(t, rec, "it went back to")
		resumed(t, rec, cfg)
	})
	t.Run("the server's clock is set back by an hour", func(t *testing.T) {
		cfg, rec := started(t)
		other := open(t, cfg)
		execute(t, cfg.URL, "UPDATE instance SET beat_at = beat_at + 3600000") // as both stored it before
		for range 2 {
			if err := errors.Join(rec.Beat(t.Context()), other.Beat(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		works(t, rec)
		works(t, other)
	})
	t.Run("copied by createdb", func(t *testing.T) {
		cfg, rec := started(t)
		rec.Close()
		u, _ := url.Parse(cfg.URL)
		twin := cfg
		twin.URL = recordtest.EmptyDatabase(t, "TEMPLATE "+strings.TrimPrefix(u.Path, "/"))
		copied := open(t, twin)
		held(t, copied, "another database")
		resumed(t, copied, twin)
		works(t, open(t, cfg))
	})
	t.Run("a dump that was restored", func(t *testing.T) {
		cfg, _ := started(t)
		dump := filepath.Join(t.TempDir(), "inmail.dump")
		command(t, "pg_dump", "--format=custom", "--file="+dump, "--dbname="+cfg.URL)
		twin := cfg
		twin.URL = recordtest.EmptyDatabase(t, "")
		command(t, "pg_restore", "--no-owner", "--exit-on-error", "--dbname="+twin.URL, dump)
		copied := open(t, twin)
		held(t, copied, "another database")
		resumed(t, copied, twin)
		// Over the original: PostgreSQL cannot drop the constraint of a partition, says so, and goes on.
		out, _ := exec.Command(recordtest.Program(t, "pg_restore"), "--no-owner", "--clean", "--dbname="+cfg.URL, dump).CombinedOutput()
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "ERROR") && !strings.Contains(line, "cannot drop inherited constraint") {
				t.Errorf("pg_restore --clean: %s", out)
			}
		}
		held(t, open(t, cfg), "tables were made anew")
	})
}

// command runs a program of PostgreSQL.
func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(recordtest.Program(t, name), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// TestLostFiles checks that a file that was lost or damaged is never taken for new (R61).
func TestLostFiles(t *testing.T) {
	for name, row := range map[string]struct {
		damage func(t *testing.T, cfg record.Config) error
		want   []string
	}{
		"R61_empty":   {func(_ *testing.T, cfg record.Config) error { return os.Truncate(cfg.File(), 0) }, []string{"is empty", "inmail restore"}},
		"R61_missing": {func(_ *testing.T, cfg record.Config) error { return os.Remove(cfg.File()) }, []string{"is missing", "instance.", "inmail restore"}},
		"R61_missing_beside_its_log": {func(_ *testing.T, cfg record.Config) error {
			files, _ := filepath.Glob(filepath.Join(cfg.Data, "instance.*"))
			return errors.Join(os.Remove(files[0]), os.Remove(cfg.File()), os.WriteFile(cfg.File()+"-wal", []byte("log"), 0o600))
		}, []string{"is missing", "-wal"}},
		"R61_cut_in_its_header": {func(_ *testing.T, cfg record.Config) error { return os.Truncate(cfg.File(), 10) }, []string{"not a record of InMail, or is damaged"}},
		"R61_cut_in_a_page":     {func(_ *testing.T, cfg record.Config) error { return os.Truncate(cfg.File(), 4096*3+17) }, []string{"damaged", "restore the last backup"}},
		"R61_cut_to_one_page":   {func(_ *testing.T, cfg record.Config) error { return os.Truncate(cfg.File(), 4096) }, []string{"damaged", "restore the last backup"}},
		"R61_cut_to_its_header": {func(_ *testing.T, cfg record.Config) error { return os.Truncate(cfg.File(), 100) }, []string{"damaged", "restore the last backup"}},
		"R61_zeros": {func(_ *testing.T, cfg record.Config) error {
			return os.WriteFile(cfg.File(), make([]byte, 8192), 0o600)
		}, []string{"not a record of InMail, or is damaged"}},
		"R61_another_programs_database": {func(t *testing.T, cfg record.Config) error {
			db, err := sql.Open("sqlite", cfg.File()+".other")
			if err != nil {
				return err
			}
			_, err = db.Exec("CREATE TABLE diary (day TEXT)")
			return errors.Join(err, db.Close(), os.Rename(cfg.File()+".other", cfg.File()))
		}, []string{"another program's database"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := sqliteConfig(t)
			open(t, cfg).Close()
			if err := row.damage(t, cfg); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(cfg.File())
			refused(t, cfg, row.want...)
			if after, _ := os.ReadFile(cfg.File()); string(after) != string(before) {
				t.Error("the file was changed")
			}
		})
	}
}

// TestFullDiskAtTheStart starts on a disk without room: the disk is named, not the user's rights.
func TestFullDiskAtTheStart(t *testing.T) {
	folder := t.TempDir()
	if err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=20", "tmpfs", folder).Run(); err != nil {
		// Only root may mount a small disk; for others the words for its error are held.
		if got := record.UnlessFull(&os.PathError{Op: "open", Path: "x", Err: syscall.ENOSPC}, "other"); !strings.Contains(got, "make room") {
			t.Errorf("a full disk has the remedy %q", got)
		}
		return
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", folder).Run() })
	fill, err := os.Create(filepath.Join(folder, "fill"))
	if err != nil {
		t.Fatal(err)
	}
	_, full := io.Copy(fill, strings.NewReader(strings.Repeat("x", 1<<20)))
	fill.Close()
	if full == nil {
		t.Fatal("the disk is not full")
	}
	cfg := sqliteConfig(t)
	cfg.Data = filepath.Join(folder, "data")
	refused(t, cfg, "full", "make room")
	for i := 0; err == nil; i++ { // no file can be made any more
		err = os.WriteFile(filepath.Join(folder, fmt.Sprint(i)), nil, 0o600)
	}
	refused(t, cfg, "full", "make room")
	cfg.Data = folder
	refused(t, cfg, "full", "make room")
}

// TestDiskTurnsReadOnly holds what is said of a write that failed, by what the disk answers to a new file.
func TestDiskTurnsReadOnly(t *testing.T) {
	for name, row := range map[string]struct {
		disk error
		want mailroom.Cause
		says string
	}{
		"turned read-only": {syscall.EROFS, mailroom.CauseReadOnly, "mount it for writing"},
		"without rights":   {syscall.EACCES, mailroom.CauseReadOnly, "mount it for writing"},
		"full":             {syscall.ENOSPC, mailroom.CauseFull, "make room"},
		"over its quota":   {syscall.EDQUOT, mailroom.CauseFull, "make room"},
		"failed":           {syscall.EIO, mailroom.CauseDamaged, "check the disk"},
	} {
		t.Run(name, func(t *testing.T) {
			err := record.DiskFault(sqlite3.SQLITE_IOERR_WRITE, &os.PathError{Op: "open", Path: "x", Err: row.disk})
			if got := mailroom.CauseOf(err); got != row.want || !strings.Contains(err.Error(), row.says) {
				t.Errorf("%v has the cause %q, want %q and %q in it", err, got, row.want, row.says)
			}
		})
	}
}
