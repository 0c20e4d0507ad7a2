package record_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"inmail/connectors/record"
	"inmail/connectors/record/recordtest"
	"inmail/domain/mailroom"
)

func TestRules(t *testing.T) { recordtest.Rules(t, engines()) }

func TestRecord(t *testing.T) { recordtest.Exercise(t, engines()) }

func engines() recordtest.Engines {
	return recordtest.Engines{"sqlite": newSQLite, "postgres": newPostgres}
}

// place opens what cfg names.
func place(cfg record.Config) recordtest.Place {
	return func(ctx context.Context, clock mailroom.Clock) (recordtest.Record, error) {
		r, err := record.Open(ctx, cfg, clock)
		if err != nil {
			return nil, err
		}
		return r, nil
	}
}

func newSQLite(t *testing.T) recordtest.Place { return place(sqliteConfig(t)) }

func newPostgres(t *testing.T) recordtest.Place { return place(postgresConfig(t)) }

// patient are the settings of a test: how long anything takes on a busy machine says nothing.
func patient() record.Config {
	cfg := record.Default()
	cfg.ConnectTimeout, cfg.LockTimeout, cfg.Timeout = time.Minute, 10*time.Minute, time.Hour
	return cfg
}

func sqliteConfig(t testing.TB) record.Config {
	cfg := patient()
	cfg.Data = t.TempDir()
	return cfg
}

// postgresConfig names a database of the test's own, with the schema in it.
func postgresConfig(t testing.TB) record.Config {
	cfg := patient()
	cfg.URL = createDatabase(t, "TEMPLATE "+template(t))
	return cfg
}

// serverURL is where the tests' PostgreSQL is.
func serverURL(t testing.TB) string {
	server := os.Getenv("INMAIL_TEST_POSTGRES_URL")
	if server == "" {
		t.Fatal("INMAIL_TEST_POSTGRES_URL is not set: run the tests with make test, or start a PostgreSQL and let it name a superuser's URL")
	}
	return server
}

// createDatabase makes a database and returns its URL. TestMain drops it: each drop waits for a checkpoint, and many at
// once for the same one.
func createDatabase(t testing.TB, options string) string {
	t.Helper()
	name := "inmail_" + uuid.NewString()[:8]
	admin(t, fmt.Sprintf("CREATE DATABASE %s %s", name, options))
	created.Lock()
	defer created.Unlock()
	created.names = append(created.names, name)
	return databaseURL(t, name)
}

func databaseURL(t testing.TB, name string) string {
	u, err := url.Parse(serverURL(t))
	if err != nil {
		t.Fatal("INMAIL_TEST_POSTGRES_URL is not a URL")
	}
	u.Path = "/" + name
	return u.String()
}

func admin(t testing.TB, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, serverURL(t))
	if err != nil {
		t.Fatalf("the PostgreSQL of INMAIL_TEST_POSTGRES_URL cannot be reached; start it, or run make test: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

var created struct {
	sync.Mutex
	names []string
}

var (
	templateOnce sync.Once
	templateName string
)

// template returns the name of a migrated database that others are copied from.
func template(t testing.TB) string {
	templateOnce.Do(func() {
		cfg := patient()
		cfg.URL = createDatabase(t, "")
		if err := record.Migrate(t.Context(), cfg, wall{}); err != nil {
			t.Fatalf("migrate the template database: %v", err)
		}
		templateName = created.names[len(created.names)-1]
	})
	if templateName == "" {
		t.Fatal("the template database could not be made")
	}
	return templateName
}

func TestMain(m *testing.M) {
	code := m.Run()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var dropped sync.WaitGroup
	for _, name := range created.names {
		dropped.Go(func() {
			if conn, err := pgx.Connect(ctx, os.Getenv("INMAIL_TEST_POSTGRES_URL")); err == nil {
				_, _ = conn.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
				_ = conn.Close(ctx)
			}
		})
	}
	dropped.Wait()
	os.Exit(code)
}

// wall is the real clock.
type wall struct{}

func (wall) Now() time.Time { return time.Now() }
