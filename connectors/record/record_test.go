package record_test

import (
	"context"
	"os"
	"testing"
	"time"

	"inmail/connectors/record"
	"inmail/connectors/record/recordtest"
	"inmail/domain/mailroom"
)

func TestRules(t *testing.T) {
	recordtest.Rules(t, engines())
	t.Run("R60_old_months_are_dropped", func(t *testing.T) { t.Run("postgres", dropPartitions) })
}

func TestRecord(t *testing.T) { recordtest.Exercise(t, engines()) }

func engines() recordtest.Engines {
	return recordtest.Engines{"sqlite": newSQLite, "postgres": newPostgres}
}

// place returns a function that opens the record of cfg.
func place(cfg record.Config) recordtest.Place {
	return func(ctx context.Context, clock mailroom.Clock) (recordtest.Record, error) {
		r, err := record.Open(ctx, cfg, clock)
		if err != nil {
			return nil, err
		}
		return r, nil
	}
}

func newSQLite(t *testing.T) recordtest.Place { return place(recordtest.SQLite(t)) }

func newPostgres(t *testing.T) recordtest.Place { return place(postgresConfig(t)) }

func sqliteConfig(t testing.TB) record.Config {
	cfg := recordtest.Patient()
	cfg.Data = t.TempDir()
	return cfg
}

// postgresConfig returns the settings of a database of the test's own, with the schema in it.
func postgresConfig(t testing.TB) record.Config {
	cfg := recordtest.Patient()
	cfg.URL = recordtest.Database(t)
	return cfg
}

func TestMain(m *testing.M) {
	code := m.Run()
	recordtest.DropDatabases()
	os.Exit(code)
}

// wall is the real clock.
type wall struct{}

func (wall) Now() time.Time { return time.Now() }
