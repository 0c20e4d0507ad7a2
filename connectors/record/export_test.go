package record

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/pressly/goose/v3"

	"inmail/domain/mailroom"
)

// Plans runs fn in a transaction, rolls it back and returns the plan of each of its statements, one line for
// each step. PostgreSQL is asked twice: for the plan with these arguments, and for the generic plan.
func Plans(ctx context.Context, r *Record, fn func(tx mailroom.Tx) error) (map[string][]string, error) {
	s, statements, err := watch(ctx, r, fn)
	if err != nil {
		return nil, err
	}
	defer s.rollback()
	plans := map[string][]string{}
	for _, statement := range statements {
		var lines []string
		each := func(r row) error {
			var line string
			err := r.Scan(&line)
			lines = append(lines, line)
			return err
		}
		if _, ok := r.engine.(*sqlite); ok {
			var id, parent, unused int
			each = func(r row) error {
				var line string
				err := r.Scan(&id, &parent, &unused, &line)
				lines = append(lines, line)
				return err
			}
			err = s.queryRows(ctx, "EXPLAIN QUERY PLAN "+statement.sql, statement.args, statement.rows[:1], each)
			plans[statement.sql] = lines
		} else {
			if statement.rows[0] == nil {
				err = s.query(ctx, "EXPLAIN "+statement.sql, statement.args, each)
			} else {
				err = s.queryRows(ctx, "EXPLAIN "+statement.sql, statement.args, statement.rows, each)
			}
			plans[statement.sql] = lines
			if err == nil {
				lines = nil
				err = generic(ctx, s.(*postgresSession), fmt.Sprintf("plan%d", prepared.Add(1)), statement, each)
				plans["generic: "+statement.sql] = lines
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", statement.sql, err)
		}
	}
	return plans, nil
}

// UnlessFull is unlessFull.
var UnlessFull = unlessFull

// DiskFault is the fault of a write that failed with code, on a disk that answers err when a file is made
// there.
func DiskFault(code int, err error) error {
	f := &Fault{Tried: "write", disk: true}
	f.take(sqliteCodes[code&0xff])
	f.ofDisk(err)
	return f
}

// prepared numbers prepared statements, which outlive the transaction in which they were prepared.
var prepared atomic.Int64

func generic(ctx context.Context, s *postgresSession, name string, st statement, each func(row) error) error {
	arguments := strings.TrimSuffix(strings.Repeat("NULL,", len(st.args)+len(st.rows[0])), ",")
	if arguments != "" {
		arguments = "(" + arguments + ")"
	}
	direct := s.conn.Conn().PgConn()
	if err := direct.Exec(ctx, "SET LOCAL plan_cache_mode = force_generic_plan; PREPARE "+name+" AS "+postgresMoments(st.sql, st.args)).Close(); err != nil {
		return err
	}
	results, err := direct.Exec(ctx, "EXPLAIN EXECUTE "+name+arguments).ReadAll()
	if err != nil {
		return err
	}
	for _, line := range results[0].Rows {
		if err := each(scanned(line[0])); err != nil {
			return err
		}
	}
	return nil
}

type scanned string

func (s scanned) Scan(dest ...any) error { *dest[0].(*string) = string(s); return nil }

// watched is a session that records the statements that go through it.
type watched struct {
	session
	statements []statement
}

type statement struct {
	sql  string
	args []any
	rows [][]any
}

// watch runs fn in a transaction that stays open, and returns it with the statements that went through it.
func watch(ctx context.Context, r *Record, fn func(tx mailroom.Tx) error) (session, []statement, error) {
	s, err := r.engine.begin(ctx, true)
	if err != nil {
		return nil, nil, err
	}
	visited := &watched{session: s}
	t := &tx{ctx: ctx, r: r, s: visited, write: true}
	if err := fn(t); err != nil {
		s.rollback()
		return nil, nil, err
	}
	if err := errors.Join(t.storeCounts(), t.flush()); err != nil {
		s.rollback()
		return nil, nil, err
	}
	return s, visited.statements, nil
}

func (w *watched) note(sql string, args []any, rows [][]any) {
	w.statements = append(w.statements, statement{sql, args, rows})
}

func (w *watched) run(ctx context.Context, steps []step) (int, error) {
	for _, st := range steps {
		if st.rows == nil {
			w.note(st.sql, st.args, [][]any{nil})
		} else {
			w.note(st.sql, st.args, st.rows)
		}
	}
	return w.session.run(ctx, steps)
}

// MigrateTo makes a new record with the schema of an earlier version, and returns its database.
func MigrateTo(ctx context.Context, cfg Config, version int64) (*sql.DB, error) {
	dialect, translate := goose.DialectPostgres, forPostgres
	db, err := sql.Open("pgx", cfg.URL)
	if !cfg.Postgres() {
		dialect, translate = goose.DialectSQLite3, forSQLiteDDL
		db, err = sql.Open("sqlite", dsn(cfg)+fmt.Sprintf("&_pragma=application_id(%d)", applicationID))
	}
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(migrations, "migrate")
	if err != nil {
		return nil, err
	}
	p, err := goose.NewProvider(dialect, db, translated{files, translate},
		goose.WithTableName(versions), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, err
	}
	_, err = p.UpTo(ctx, version)
	return db, err
}

// LetServerShow lets the database's clock show what the clock of the process shows, so that a test can set
// it.
func LetServerShow(r *Record) {
	if p, ok := r.engine.(*postgres); ok {
		r.engine = shown{p}
	}
}

type shown struct{ *postgres }

func (shown) ownTime() bool { return true }

// Upkeep is what a test lets be done about partitions.
type Upkeep struct {
	Now, Before time.Time
	Months      int
	Small       int64 // bytes of a DEFAULT partition that is read under a lock
	Large       bool  // a larger one is converted
}

// Run keeps the partitions of a record.
func (u Upkeep) Run(ctx context.Context, r *Record) (advice string, err error) {
	return r.engine.partition(ctx, upkeep{now: u.Now, months: u.Months, small: u.Small, large: u.Large, before: u.Before})
}

// Executed runs fn in a transaction and returns, for each of its statements that reads texts, the steps of
// its generic plan that read them and were executed, one line each.
func Executed(ctx context.Context, r *Record, fn func(tx mailroom.Tx) error) (map[string][]string, error) {
	s, statements, err := watch(ctx, r, fn)
	if err != nil {
		return nil, err
	}
	defer s.rollback()
	direct := s.(*postgresSession).conn.Conn().PgConn()
	executed := map[string][]string{}
	for _, st := range statements {
		if !strings.Contains(st.sql, "texts") || strings.HasPrefix(st.sql, "INSERT") {
			continue
		}
		args := postgresArgs(st.args)
		if st.rows[0] != nil {
			columns, err := postgresColumns(st.rows)
			if err != nil {
				return nil, err
			}
			args = append(args, columns...)
		}
		literals := make([]string, len(args))
		for i, a := range args {
			literals[i] = literal(a)
		}
		name := fmt.Sprintf("plan%d", prepared.Add(1))
		sql := fmt.Sprintf("SET LOCAL plan_cache_mode = force_generic_plan; PREPARE %s AS %s; EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE %[1]s",
			name, postgresMoments(st.sql, st.args))
		if len(literals) > 0 {
			sql += "(" + strings.Join(literals, ", ") + ")"
		}
		results, err := direct.Exec(ctx, "SAVEPOINT explained; "+sql+"; ROLLBACK TO explained").ReadAll()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", sql, err)
		}
		executed[st.sql] = []string{}
		for _, result := range results {
			for _, line := range result.Rows {
				if l := string(line[0]); strings.Contains(l, "Scan") && strings.Contains(l, " on texts") && !strings.Contains(l, "never executed") {
					executed[st.sql] = append(executed[st.sql], l)
				}
			}
		}
	}
	return executed, nil
}

// literal returns an argument of a statement in SQL.
func literal(arg any) string {
	quoted := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	switch v := arg.(type) {
	case string:
		return quoted(v)
	case []string:
		return "ARRAY[" + quoted(strings.Join(v, "','")) + "]"
	case pgtype.UUID:
		return quoted(v.String())
	case []pgtype.UUID:
		texts := make([]string, len(v))
		for i, u := range v {
			texts[i] = u.String()
		}
		return "'{" + strings.Join(texts, ",") + "}'"
	}
	return fmt.Sprint(arg)
}
