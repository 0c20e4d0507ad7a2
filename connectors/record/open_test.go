package record_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"inmail/connectors/porttest"
	"inmail/connectors/record"
	"inmail/connectors/record/recordtest"
	"inmail/domain"
	"inmail/domain/mailroom"
)

func TestConfig(t *testing.T) {
	if err := record.Default().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for name, test := range map[string]struct {
		change func(c *record.Config)
		want   []string
	}{
		"no folder":           {func(c *record.Config) { c.Data = " " }, []string{"data", "name the folder"}},
		"another scheme":      {func(c *record.Config) { c.URL = "mysql://ada:hunter2@db/x" }, []string{"mysql://ada@db/x", "postgres://"}},
		"no database":         {func(c *record.Config) { c.URL = "postgres://ada:hunter2@db:5432/" }, []string{"postgres://ada@db:5432/", "names no database"}},
		"no URL":              {func(c *record.Config) { c.URL = "://hunter2" }, []string{"database_url", "postgres://"}},
		"secret in the query": {func(c *record.Config) { c.URL = "mysql://db/x?password=hunter2" }, []string{"mysql://db/x"}},
		"several": {func(c *record.Config) {
			c.Connections, c.Readers, c.Timeout, c.LockTimeout, c.MaxBytes = 0, 101, 0, time.Hour, 1
		},
			[]string{"database_connections: 0 is outside 1..1000", "database_readers: 101", "database_timeout: 0s", "database_lock_timeout: 1h0m0s", "database_max_bytes: 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := record.Default()
			test.change(&c)
			err := c.Validate()
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q has the password", err)
			}
		})
	}
}

// refused opens a record that must fail, and checks that the error is one line that contains all of want.
func refused(t *testing.T, cfg record.Config, want ...string) error {
	t.Helper()
	p := recordtest.Patient()
	cfg.ConnectTimeout, cfg.LockTimeout, cfg.Timeout = p.ConnectTimeout, p.LockTimeout, p.Timeout
	return refusedInTime(t, cfg, want...)
}

// refusedInTime is refused with the time limits of cfg, for a failure that is such a limit.
func refusedInTime(t *testing.T, cfg record.Config, want ...string) error {
	t.Helper()
	rec, err := record.Open(t.Context(), cfg, wall{})
	if err == nil {
		rec.Close()
		t.Fatal("opened")
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%q is not one line without a password", err)
	}
	return err
}

func TestOpenSQLiteRefuses(t *testing.T) {
	t.Run("a folder that cannot be made", func(t *testing.T) {
		cfg := sqliteConfig(t)
		file := filepath.Join(cfg.Data, "file")
		write(t, file, "")
		cfg.Data = filepath.Join(file, "data")
		refused(t, cfg, cfg.Data, "cannot be made", "name another")
	})
	t.Run("a folder in place of the file", func(t *testing.T) {
		cfg := sqliteConfig(t)
		if err := os.Mkdir(cfg.File(), 0o700); err != nil {
			t.Fatal(err)
		}
		refused(t, cfg, cfg.File(), "cannot be written")
	})
	t.Run("a file of another kind", func(t *testing.T) {
		cfg := sqliteConfig(t)
		write(t, cfg.File(), "dear diary")
		refused(t, cfg, cfg.File(), "not a record of InMail", "move it away")
		if left, err := os.ReadFile(cfg.File()); err != nil || string(left) != "dear diary" {
			t.Errorf("the file was changed to %q, %v", left, err)
		}
		if names, _ := filepath.Glob(filepath.Join(cfg.Data, "*")); len(names) != 1 {
			t.Errorf("left behind: %v", names)
		}
	})
	t.Run("another program's database", func(t *testing.T) {
		cfg := sqliteConfig(t)
		db := direct(t, cfg)
		if _, err := db.Exec("CREATE TABLE diary (day TEXT)"); err != nil {
			t.Fatal(err)
		}
		refused(t, cfg, cfg.File(), "another program's database")
		var n int
		if err := db.QueryRow("SELECT count(*) FROM sqlite_master").Scan(&n); err != nil || n != 1 {
			t.Errorf("it has %d tables now, %v", n, err)
		}
	})
	t.Run("a damaged file", func(t *testing.T) {
		cfg := sqliteConfig(t)
		write(t, cfg.File(), "SQLite format 3\x00"+strings.Repeat("\xff", 8192))
		refused(t, cfg, cfg.File(), "not a record of InMail")
	})
	t.Run("a file that another process holds", func(t *testing.T) {
		cfg := sqliteConfig(t)
		open(t, cfg).Close()
		db := direct(t, cfg)
		for _, sql := range []string{"PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE", "DELETE FROM state"} {
			if _, err := db.Exec(sql); err != nil {
				t.Fatal(err)
			}
		}
		cfg.ConnectTimeout, cfg.LockTimeout = 500*time.Millisecond, 100*time.Millisecond
		if err := refusedInTime(t, cfg, cfg.File(), "another process holds the file", "one inmail at a time"); !errors.Is(err, mailroom.ErrUnavailable) {
			t.Errorf("%v is not ErrUnavailable", err)
		}
	})
	t.Run("a schema of a newer program", func(t *testing.T) {
		cfg := sqliteConfig(t)
		open(t, cfg).Close()
		if _, err := direct(t, cfg).Exec("INSERT INTO schema_versions (version_id, is_applied) VALUES (999, 1)"); err != nil {
			t.Fatal(err)
		}
		refused(t, cfg, cfg.File(), "schema has version 999", "newer program")
	})
	t.Run("a schema that is missing, when it may not migrate", func(t *testing.T) {
		cfg := sqliteConfig(t)
		cfg.Migrate = false
		refused(t, cfg, cfg.File(), "schema has version 0", "inmail migrate")
		cfg.Migrate = true
		if err := record.Migrate(t.Context(), cfg, wall{}); err != nil {
			t.Fatal(err)
		}
		cfg.Migrate = false
		open(t, cfg)
	})
}

func TestOpenPostgresRefuses(t *testing.T) {
	config := func(change func(u *url.URL)) record.Config {
		u, err := url.Parse(recordtest.Server(t).String())
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		cfg := record.Default()
		cfg.URL = u.String()
		return cfg
	}
	t.Run("a server that is not there", func(t *testing.T) {
		address := porttest.Address(t)
		cfg := config(func(u *url.URL) { u.Host, u.User = address, url.UserPassword("ada", "hunter2") })
		if err := refused(t, cfg, "postgres://ada@"+address, "nothing listens", "start PostgreSQL there"); !errors.Is(err, mailroom.ErrUnavailable) {
			t.Errorf("%v is not ErrUnavailable", err)
		}
	})
	t.Run("a server that does not answer", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections and never answers
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		cfg := config(func(u *url.URL) { u.Host = listener.Addr().String() })
		cfg.ConnectTimeout = 2 * time.Second
		refusedInTime(t, cfg, listener.Addr().String(), "does not answer")
	})
	t.Run("a user who is not known", func(t *testing.T) {
		cfg := config(func(u *url.URL) { u.User = url.UserPassword("nobody_"+uuid.NewString()[:8], "hunter2") })
		refused(t, cfg, "refused the user or the password", "SQLSTATE 28")
	})
	t.Run("a wrong password", func(t *testing.T) {
		address := answersWrongPassword(t)
		cfg := config(func(u *url.URL) { u.Host, u.User = address, url.UserPassword("ada", "hunter2") })
		refused(t, cfg, "refused the user or the password", "28P01")
	})
	t.Run("a database that does not exist", func(t *testing.T) {
		refused(t, config(func(u *url.URL) { u.Path = "/nowhere" }), "/nowhere", "does not exist", "createdb")
	})
	t.Run("another encoding", func(t *testing.T) {
		cfg := record.Default()
		cfg.URL = recordtest.EmptyDatabase(t, "TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
		refused(t, cfg, "SQL_ASCII", "UTF8")
	})
	t.Run("another program's tables", func(t *testing.T) {
		cfg := record.Default()
		cfg.URL = recordtest.EmptyDatabase(t, "")
		execute(t, cfg.URL, "CREATE TABLE members (name text)")
		refused(t, cfg, "another program's tables", "empty one")
	})
	t.Run("a role without rights", func(t *testing.T) {
		cfg := record.Default()
		cfg.URL = recordtest.EmptyDatabase(t, "")
		role := "weak_" + uuid.NewString()[:8]
		execute(t, cfg.URL, "CREATE ROLE "+role+" LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
		t.Cleanup(func() { recordtest.Admin(t, "DROP ROLE "+role) })
		u, _ := url.Parse(cfg.URL)
		u.User = url.User(role)
		cfg.URL = u.String()
		refused(t, cfg, "no right", "README")
	})
	t.Run("a schema of a newer program", func(t *testing.T) {
		cfg := record.Default()
		cfg.URL = recordtest.EmptyDatabase(t, "")
		if err := record.Migrate(t.Context(), cfg, wall{}); err != nil {
			t.Fatal(err)
		}
		execute(t, cfg.URL, "INSERT INTO schema_versions (version_id, is_applied) VALUES (999, true)")
		refused(t, cfg, "schema has version 999", "newer program")
	})
	t.Run("a schema that is missing, when it may not migrate", func(t *testing.T) {
		cfg := record.Default()
		cfg.URL, cfg.Migrate = recordtest.EmptyDatabase(t, ""), false
		refused(t, cfg, "schema has version 0", "inmail migrate")
	})
}

// answersWrongPassword starts a server that refuses every password with PostgreSQL's message.
func answersWrongPassword(t *testing.T) (address string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(10 * time.Minute))
				buffer := make([]byte, 1024)
				if _, err := conn.Read(buffer); err != nil {
					return
				}
				body := "SFATAL\x00VFATAL\x00C28P01\x00Mpassword authentication failed for user \"ada\"\x00\x00"
				_, _ = conn.Write(append([]byte{'E', 0, 0, 0, byte(len(body) + 4)}, body...))
			}()
		}
	}()
	return listener.Addr().String()
}

// TestOpenTogether checks that programs that start together migrate once and that all of them open.
func TestOpenTogether(t *testing.T) {
	empty := recordtest.Patient()
	empty.URL = recordtest.EmptyDatabase(t, "")
	for name, cfg := range map[string]record.Config{"postgres": empty, "sqlite": sqliteConfig(t)} {
		t.Run(name, func(t *testing.T) {
			const n = 3
			errs := make(chan error, n)
			gun := make(chan struct{})
			for range n {
				go func() {
					<-gun
					rec, err := record.Open(t.Context(), cfg, wall{})
					if err == nil {
						err = rec.Ping(t.Context())
						rec.Close()
					}
					errs <- err
				}()
			}
			close(gun)
			for range n {
				if err := <-errs; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestDiskFull checks that a full record refuses a transaction, stores nothing of it, names the cause, and
// works again when there is space.
func TestDiskFull(t *testing.T) {
	cfg := sqliteConfig(t)
	cfg.MaxBytes = 2 << 20
	rec := open(t, cfg)
	insert := func(rec *record.Record, n int) ([]domain.ID, error) {
		var ms []*domain.InMail
		var receipts []domain.Receipt
		var ids []domain.ID
		for range n {
			id := domain.ID(uuid.Must(uuid.NewV7()).String())
			m, receipt := domain.New(domain.InMail{ID: id, Sender: "ada", Recipient: "bob", Body: strings.Repeat("x", 3000)}, time.Now())
			ms, receipts, ids = append(ms, m), append(receipts, receipt), append(ids, id)
		}
		return ids, rec.Update(t.Context(), func(tx mailroom.Tx) error { return tx.Insert(ms, receipts) })
	}
	stored := 0
	var ids []domain.ID
	var err error
	for range 100 {
		if ids, err = insert(rec, 20); err != nil {
			break
		}
		stored += len(ids)
	}
	if !errors.Is(err, mailroom.ErrUnavailable) || !strings.Contains(err.Error(), "full") || !strings.Contains(err.Error(), "make room") {
		t.Fatalf("a full disk answers %v", err)
	}
	count := func(rec *record.Record) (n int) {
		if err := rec.View(t.Context(), func(tx mailroom.Tx) error {
			found, err := tx.InMails(ids)
			if len(found) != 0 {
				t.Errorf("%d of the batch that did not fit are there", len(found))
			}
			flights, err2 := tx.InFlight([]domain.MemberID{"ada"})
			n = flights["ada"]
			return errors.Join(err, err2)
		}); err != nil {
			t.Errorf("reading from a full record: %v", err)
		}
		return n
	}
	if n := count(rec); n != stored {
		t.Errorf("%d are stored, want %d", n, stored)
	}
	rec.Close()
	cfg.MaxBytes = 0
	rec = open(t, cfg)
	if _, err := insert(rec, 20); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if n := count(rec); n != stored+20 {
		t.Errorf("%d are stored, want %d", n, stored+20)
	}
}

// TestWaitingForTheWriter checks that a transaction that waits for the one writer ends with its own context,
// and that the writer works on.
func TestWaitingForTheWriter(t *testing.T) {
	rec := open(t, sqliteConfig(t))
	inside, leave := make(chan struct{}), make(chan struct{})
	first := make(chan error)
	go func() {
		first <- rec.Update(t.Context(), func(tx mailroom.Tx) error {
			close(inside)
			<-leave
			return tx.SetState("s", []byte("first"))
		})
	}()
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := rec.Update(ctx, func(tx mailroom.Tx) error { return tx.SetState("s", []byte("second")) })
	if !errors.Is(err, mailroom.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the second answers %v", err)
	}
	close(leave)
	if err := <-first; err != nil {
		t.Errorf("the first: %v", err)
	}
}

// TestErrorsQuoteNoValue checks that no error quotes a value that was to be stored, also
// not the driver's part (R27).
func TestErrorsQuoteNoValue(t *testing.T) {
	for name, cfg := range map[string]record.Config{"sqlite": sqliteConfig(t), "postgres": postgresConfig(t)} {
		rec := open(t, cfg)
		marked := func(body string) *domain.InMail {
			return &domain.InMail{ID: domain.ID(uuid.Must(uuid.NewV7()).String()), Sender: "zq-mark", Recipient: "zq-mark", Subject: "zq-mark", Body: body}
		}
		once := marked("zq-mark")
		for what, ms := range map[string][]*domain.InMail{
			"an id twice":                  {once, once},
			"an id that is none":           {{ID: "zq-mark", Sender: "zq-mark", Body: "zq-mark"}},
			"a byte that no text may hold": {marked("zq-mark\x00"), marked("zq-mark\xff")},
			"a number that is too large":   {{ID: once.ID, Body: "zq-mark", Words: 1 << 40}},
		} {
			err := rec.Update(t.Context(), func(tx mailroom.Tx) error { return tx.Insert(ms, nil) })
			if err != nil && strings.Contains(err.Error(), "zq-mark") {
				t.Errorf("%s, %s: %v", name, what, err)
			}
			if what == "an id twice" && err == nil {
				t.Errorf("%s: %s is accepted", name, what)
			}
		}
	}
}

// TestSchemasAreTheSame checks that both engines have the same tables with the same columns.
func TestSchemasAreTheSame(t *testing.T) {
	lite, server := sqliteConfig(t), postgresConfig(t)
	open(t, lite)
	columns := func(rows interface {
		Next() bool
		Scan(...any) error
		Err() error
	}, err error) (names []string) {
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var table, column string
			if err := rows.Scan(&table, &column); err != nil {
				t.Fatal(err)
			}
			names = append(names, table+"."+column)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return names
	}
	ofSQLite := columns(direct(t, lite).Query(`SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c
		WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> 'schema_versions' ORDER BY 1, 2`))
	conn, err := pgx.Connect(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	ofPostgres := columns(conn.Query(t.Context(), `SELECT table_name::text COLLATE "C", column_name::text COLLATE "C" FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name <> 'schema_versions' AND table_name NOT LIKE 'texts\_%' ORDER BY 1, 2`))
	if diff := cmp.Diff(ofSQLite, ofPostgres); diff != "" || len(ofSQLite) < 100 {
		t.Errorf("%d columns (-sqlite +postgres):\n%s", len(ofSQLite), diff)
	}
}

func open(t *testing.T, cfg record.Config) *record.Record {
	t.Helper()
	rec, err := record.Open(t.Context(), cfg, wall{})
	if err != nil {
		t.Fatalf("open %+v: %v", cfg.Masked(), err)
	}
	t.Cleanup(rec.Close)
	return rec
}

// direct opens a connection to SQLite's file beside the record.
func direct(t testing.TB, cfg record.Config) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", cfg.File())
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func execute(t testing.TB, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(fmt.Errorf("write %s: %w", file, err))
	}
}

// TestRolesOfTheReadme checks the two roles of the README: one owns the schema, the other works
// in it and cannot change it.
func TestRolesOfTheReadme(t *testing.T) {
	owner, worker := "owner_"+uuid.NewString()[:8], "worker_"+uuid.NewString()[:8]
	recordtest.Admin(t, fmt.Sprintf("CREATE ROLE %s LOGIN; CREATE ROLE %s LOGIN", owner, worker))
	database := recordtest.EmptyDatabase(t, "OWNER "+owner+" TEMPLATE template0 ENCODING 'UTF8'")
	execute(t, database, fmt.Sprintf(`ALTER DEFAULT PRIVILEGES FOR ROLE %s GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %s;
		GRANT USAGE ON SCHEMA public TO %[2]s`, owner, worker))
	t.Cleanup(func() { // the database goes first: its tables are the owner's
		u, _ := url.Parse(database)
		recordtest.Admin(t, "DROP DATABASE "+strings.Trim(u.Path, "/")+" WITH (FORCE)")
		recordtest.Admin(t, fmt.Sprintf("DROP ROLE %s; DROP ROLE %s", owner, worker))
	})
	as := func(role string) record.Config {
		u, _ := url.Parse(database)
		u.User = url.User(role)
		cfg := recordtest.Patient()
		cfg.URL = u.String()
		return cfg
	}
	if err := record.Migrate(t.Context(), as(owner), wall{}); err != nil {
		t.Fatalf("migrate as the owner: %v", err)
	}
	cfg := as(worker)
	cfg.Migrate = false
	rec := open(t, cfg)
	marks := recordtest.Populate(t, rec, time.Date(2026, 11, 18, 9, 0, 0, 0, time.UTC))
	recordtest.Erase(t, rec, marks.Member)
	if err := rec.Scrub(t.Context()); err != nil {
		t.Errorf("scrub: %v", err)
	}
	conn, err := pgx.Connect(t.Context(), cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "DROP TABLE receipts"); err == nil {
		t.Error("the worker may drop tables")
	}
}
