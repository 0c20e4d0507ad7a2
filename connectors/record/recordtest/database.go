package recordtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"inmail/connectors/record"
)

// databases are the databases that this process created.
var databases struct {
	sync.Mutex
	names    []string
	template sync.Once
	migrated string
	free     []string // URLs of emptied databases whose test has ended
}

// Patient returns settings with time limits that a busy machine does not reach.
func Patient() record.Config {
	cfg := record.Default()
	cfg.ConnectTimeout, cfg.LockTimeout, cfg.Timeout, cfg.Patience = time.Minute, 10*time.Minute, time.Hour, 10*time.Minute
	return cfg
}

// migratedFile is the file of a record that has the schema and no rows. It is made once in each process.
var migratedFile struct {
	sync.Once
	content []byte
}

// SQLite returns settings of a data folder for this test alone. Its record has the schema and no rows: the
// schema is migrated once in each process and then copied, for nobody has worked on it. A test that needs an
// empty folder sets Data itself.
func SQLite(t testing.TB) record.Config {
	t.Helper()
	cfg := Patient()
	cfg.Data = t.TempDir()
	SQLiteAt(t, cfg.Data)
	return cfg
}

// SQLiteAt puts a record that has the schema and no rows into an empty data folder.
func SQLiteAt(t testing.TB, folder string) {
	t.Helper()
	migratedFile.Do(func() {
		cfg := Patient()
		cfg.Data = t.TempDir()
		if err := record.Migrate(t.Context(), cfg, &clock{now: start}); err != nil {
			t.Fatalf("migrate the template: %v", err)
		}
		content, err := os.ReadFile(cfg.File())
		if err != nil {
			t.Fatal(err)
		}
		migratedFile.content = content
	})
	if migratedFile.content == nil {
		t.Fatal("the template could not be made")
	}
	cfg := record.Config{Data: folder}
	file, err := os.OpenFile(cfg.File(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.Write(migratedFile.content)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
}

// Database returns the URL of a PostgreSQL database for this test alone, with the schema and no rows. The
// schema is migrated once in each process and then copied; a database whose test has ended is emptied and
// given to the next test. A test that changes the schema uses EmptyDatabase instead. DropDatabases drops all
// of them.
func Database(t testing.TB) string {
	t.Helper()
	databases.template.Do(func() {
		cfg := Patient()
		var name string
		name, cfg.URL = create(t, "")
		if err := record.Migrate(t.Context(), cfg, &clock{now: start}); err != nil {
			t.Fatalf("migrate the template database: %v", err)
		}
		databases.migrated = name
	})
	if databases.migrated == "" {
		t.Fatal("the template database could not be made")
	}
	at, found := takeFree()
	if !found {
		at = EmptyDatabase(t, "TEMPLATE "+databases.migrated)
	}
	t.Cleanup(func() { giveBack(at) })
	return at
}

func takeFree() (at string, found bool) {
	databases.Lock()
	defer databases.Unlock()
	last := len(databases.free) - 1
	if last < 0 {
		return "", false
	}
	at, databases.free = databases.free[last], databases.free[:last]
	return at, true
}

// emptyAll ends all other connections and empties every table but the one of schema versions.
const emptyAll = `DO $$
	DECLARE t text;
	BEGIN
		SET LOCAL lock_timeout = '5s';
		PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
		FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN ('schema_versions', 'clock') LOOP
			EXECUTE format('DELETE FROM %I', t);
		END LOOP;
		IF to_regclass('clock') IS NOT NULL THEN
			UPDATE clock SET seen = 0, reserved = 0, set_back_at = 0, went_on_from = 0;
		END IF;
	END $$`

// giveBack empties a database for the next test. A database that cannot be emptied is not used again.
func giveBack(at string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, at)
	if err != nil {
		return
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, emptyAll); err != nil {
		return
	}
	databases.Lock()
	defer databases.Unlock()
	databases.free = append(databases.free, at)
}

// EmptyDatabase creates a database with options of CREATE DATABASE and returns its URL. DropDatabases drops
// it.
func EmptyDatabase(t testing.TB, options string) string {
	t.Helper()
	_, u := create(t, options)
	return u
}

// Server returns the URL of the tests' PostgreSQL.
func Server(t testing.TB) *url.URL {
	t.Helper()
	server := os.Getenv("INMAIL_TEST_POSTGRES_URL")
	if server == "" {
		t.Fatal("INMAIL_TEST_POSTGRES_URL is not set: run the tests with make test, or start a PostgreSQL and let it name a superuser's URL")
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("INMAIL_TEST_POSTGRES_URL is not a URL")
	}
	return u
}

func create(t testing.TB, options string) (name, at string) {
	t.Helper()
	u := Server(t)
	name = "inmail_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	Admin(t, fmt.Sprintf("CREATE DATABASE %s %s", name, options))
	databases.Lock()
	defer databases.Unlock()
	databases.names = append(databases.names, name)
	u.Path = "/" + name
	return name, u.String()
}

// Admin runs a statement on the tests' PostgreSQL as its superuser.
func Admin(t testing.TB, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute) // when it hangs
	defer cancel()
	conn, err := pgx.Connect(ctx, Server(t).String())
	if err != nil {
		t.Fatalf("the PostgreSQL of INMAIL_TEST_POSTGRES_URL cannot be reached; start it, or run make test: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// DropDatabases drops the databases that this process created; TestMain calls it last. Each drop waits for a
// checkpoint; drops that run at the same time share one.
func DropDatabases() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var dropped sync.WaitGroup
	atOnce := make(chan struct{}, 16) // connections
	for _, name := range databases.names {
		dropped.Go(func() {
			atOnce <- struct{}{}
			defer func() { <-atOnce }()
			if conn, err := pgx.Connect(ctx, os.Getenv("INMAIL_TEST_POSTGRES_URL")); err == nil {
				_, _ = conn.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
				_ = conn.Close(ctx)
			}
		})
	}
	dropped.Wait()
}
