package record

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3"

	"inmail/domain/mailroom"
)

// Record is an open record. It is safe for concurrent use.
type Record struct {
	cfg    Config
	engine engine
	times  times
	closed atomic.Bool

	circuit circuit
	probe   probe

	answersPass answersPass

	held  atomic.Pointer[Fault] // nil: it is not held
	beats sync.Mutex            // of Beat
	here  place                 // as the record was opened
	last  instance              // as this process stored it last
	known int64                 // the latest beat that is known elsewhere, milliseconds; 0: none is
}

var _ mailroom.Record = (*Record)(nil)

// Open opens the record that cfg names, and brings its schema up to date when cfg.Migrate says so. It fails,
// naming the thing and the remedy in one line, when the settings are wrong, the database cannot be reached or
// written, the file or schema is another program's, or the schema is newer or older than this program;
// nothing is left half done. clock is the process's: see MachineClock. A record that is a copy, or was
// restored from a backup, opens and is held: see Held.
func Open(ctx context.Context, cfg Config, clock mailroom.Clock) (*Record, error) {
	r, err := open(ctx, cfg, clock)
	if err != nil {
		return nil, err
	}
	if err := r.look(ctx); err != nil {
		r.Close()
		return nil, fmt.Errorf("the record %s: %w", r.Where(), explain("see whether it is a copy", err))
	}
	if cfg.Migrate && r.Held() == nil {
		// What fails here or takes long is left to the job.
		_, _ = r.engine.partition(ctx, upkeep{now: r.Now(), months: monthsAhead, small: smallPartition})
	}
	return r, nil
}

// open is Open without the question whether the record is a copy.
func open(ctx context.Context, cfg Config, clock mailroom.Clock) (*Record, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("settings of the record: %w", err)
	}
	r := &Record{cfg: cfg}
	r.times.clock = clock
	var err error
	if cfg.Postgres() {
		r.engine, err = orNil(openPostgres(ctx, cfg))
	} else {
		r.engine, err = orNil(openSQLite(ctx, cfg))
	}
	if err != nil {
		return nil, fmt.Errorf("the record %s: %w", r.Where(), explain("open", err))
	}
	if err := r.engine.migrate(ctx, cfg.Migrate); err != nil {
		r.engine.close()
		return nil, fmt.Errorf("the record %s: %w", r.Where(), explain("open", err))
	}
	r.circuit.patience = cfg.Patience
	r.circuit.alive = func(ctx context.Context) error {
		return explain("look whether the database lives", r.engine.alive(ctx))
	}
	return r, nil
}

func orNil[E engine](e E, err error) (engine, error) {
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Migrate brings the schema of the record up to date, whatever cfg.Migrate says, makes the partitions of a
// year, and closes it.
func Migrate(ctx context.Context, cfg Config, clock mailroom.Clock) error {
	cfg.Migrate = true
	r, err := open(ctx, cfg, clock)
	if err != nil {
		return err
	}
	defer r.Close()
	u := upkeep{now: r.Now(), months: monthsAheadMigrated, small: smallPartition, large: true}
	if _, err := r.engine.partition(ctx, u); err != nil {
		return fmt.Errorf("the record %s: %w", r.Where(), explain("make the partitions of the next months", err))
	}
	return nil
}

// Where returns the place of the record for messages, without password.
func (r *Record) Where() string {
	if r.cfg.Postgres() {
		return r.cfg.Masked()
	}
	return r.cfg.File()
}

// Close waits for the transactions under way, at most ten seconds, and closes the record.
func (r *Record) Close() {
	if !r.closed.Swap(true) {
		r.circuit.close()
		r.engine.close()
	}
}

//go:embed migrate/*.sql
var migrations embed.FS

// knownVersions are the versions of the schema that this program knows, with commas between; 0 is an empty
// database.
var knownVersions = func() string {
	files, err := migrations.ReadDir("migrate")
	if err != nil {
		panic(err) // they are in the program
	}
	known := []string{"0"}
	for _, f := range files {
		number, _, _ := strings.Cut(f.Name(), "_")
		known = append(known, strings.TrimLeft(number, "0"))
	}
	return strings.Join(known, ", ")
}()

// versions is the table in which the versions of the schema are kept.
const versions = "schema_versions"

// up applies the migrations that a database lacks, each in one transaction. With apply
// false it fails when some lack.
func up(ctx context.Context, dialect goose.Dialect, db *sql.DB, translate func(string) string, apply bool,
	options ...goose.ProviderOption) error {
	files, err := fs.Sub(migrations, "migrate")
	if err != nil {
		return err
	}
	options = append(options, goose.WithTableName(versions), goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()), goose.WithAllowOutofOrder(true))
	p, err := goose.NewProvider(dialect, db, translated{files, translate}, options...)
	if err != nil {
		return err
	}
	for before, locked := int64(-1), 0; ; {
		has, wants, err := p.GetVersions(ctx)
		if err != nil {
			return err
		}
		var newer int64 // it may be lower than has: numbers need not come in their order
		if err := db.QueryRowContext(ctx, selectNewer).Scan(&newer); err != nil {
			return err
		}
		if newer > 0 {
			return ownf("its schema has version %d, and this program knows versions up to %d; use the newer "+
				"program that made it", newer, wants)
		}
		lacks, err := p.HasPending(ctx) // also one that is older than the newest
		switch {
		case err != nil:
			return err
		case !lacks:
			return nil
		case !apply:
			return ownf("its schema has version %d, and this program needs %d; run: inmail migrate", has, wants)
		}
		_, err = p.Up(ctx)
		if err != nil && has == before { // else another program was quicker: read the version again
			var partial *goose.PartialError
			if errors.As(err, &partial) {
				if gotNoLock(partial.Err) && locked < lockTries {
					locked++
					time.Sleep(lockPause)
					continue
				}
				return fmt.Errorf("migration %s: %w", partial.Failed.Source.Path, explain("migrate", partial.Err))
			}
			return err
		}
		before = has
	}
}

// translated is the migrations in the SQL of one engine.
type translated struct {
	fs.FS
	translate func(string) string
}

// Open reads a file and translates it.
func (t translated) Open(name string) (fs.File, error) {
	f, err := t.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".sql") {
		return f, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	return &translatedFile{strings.NewReader(t.translate(string(text))), info}, nil
}

type translatedFile struct {
	*strings.Reader
	info fs.FileInfo
}

func (f *translatedFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *translatedFile) Close() error               { return nil }
