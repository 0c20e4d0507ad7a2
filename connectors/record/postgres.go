package record

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"inmail/domain/mailroom"
)

// shards is the number of rows of one count in PostgreSQL: enough that two transactions
// seldom change the same one.
const shards = 8

// idleInTransaction is how many times the patience a transaction may be open without a statement: 8 s by
// default. Between two statements of ours are milliseconds, as nothing outside is waited for inside a
// transaction (STYLE H11).
const idleInTransaction = 4

// endWithin is how long a rollback or a commit may take, also when the caller has given up.
const endWithin = 10 * time.Second

// postgres is the record in PostgreSQL, through pgx. Statements are prepared once for each connection, and a
// batch is sent as one array for each column.
type postgres struct {
	pool     *pgxpool.Pool
	cfg      Config
	taken    atomic.Int64 // round trips of transactions
	settling settling
}

func openPostgres(ctx context.Context, cfg Config) (*postgres, error) {
	pc, err := pgxpool.ParseConfig(cfg.dsn())
	if err != nil {
		return nil, ownf("database_url: %s cannot be read; write postgres://user:password@host:5432/database",
			cfg.Masked())
	}
	pc.MaxConns = int32(cfg.Connections)
	pc.MinConns = int32(min(2, cfg.Connections))
	pc.ConnConfig.ConnectTimeout = cfg.ConnectTimeout
	pc.MaxConnIdleTime = 5 * time.Minute
	for name, value := range map[string]string{
		"application_name":  "inmail",
		"timezone":          "UTC",
		"lock_timeout":      milliseconds(cfg.LockTimeout),
		"statement_timeout": milliseconds(cfg.Timeout),
		// The locks of a process that stops inside a transaction end after this time.
		"idle_in_transaction_session_timeout": milliseconds(min(idleInTransaction*cfg.Patience, 2*cfg.Timeout)),
		// Every statement reads a short part of an index in its order. A bitmap would read all rows of
		// a member to sort them for one page. A scan or a hash of a table is fast while the table is
		// small, but a prepared statement keeps its plan until the next statistics. Compiling (jit)
		// takes longer than any statement. With these switches there is one good plan for all
		// parameters, so none is planned again for those of one execution: planning took a fifth of
		// the server's time for a send.
		"enable_bitmapscan": "off",
		"enable_seqscan":    "off",
		"enable_hashjoin":   "off",
		"enable_mergejoin":  "off",
		"random_page_cost":  "1.1",
		"jit":               "off",
		"plan_cache_mode":   "force_generic_plan",
	} {
		if _, given := pc.ConnConfig.RuntimeParams[name]; !given { // the URL's own wins
			pc.ConnConfig.RuntimeParams[name] = value
		}
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, err
	}
	p := &postgres{pool: pool, cfg: cfg}
	within, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	err = pool.Ping(within)
	if err == nil {
		return p, nil
	}
	pool.Close()
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		f := &Fault{Tried: "connect"}
		f.ofConnecting(err)
		return nil, f
	}
	return nil, err
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// space knows nothing of the server's disk: a PostgreSQL whose disk is full refuses the row of a probe.
func (p *postgres) space(context.Context) error { return nil }

// diagnose leaves every error as it is: a server names the cause itself.
func (p *postgres) diagnose(error) {}

// alive asks on a connection of its own, so that a full pool does not make a slow database look dead.
func (p *postgres) alive(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, p.pool.Config().ConnConfig)
	if err == nil {
		defer conn.Close(context.WithoutCancel(ctx))
		err = conn.Ping(ctx)
	}
	if answer := (*pgconn.PgError)(nil); errors.As(err, &answer) {
		return nil // a database that refuses is alive
	}
	return err
}

// close waits for the transactions under way, at most endWithin; the end of the program ends the rest.
func (p *postgres) close() {
	closed := make(chan struct{})
	go func() {
		p.pool.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(endWithin):
	}
}

// beginWrite begins a transaction that reads what others commit and locks rows; beginRead
// begins one with a snapshot.
const (
	beginWrite = "begin isolation level read committed"
	beginRead  = "begin isolation level repeatable read read only"
)

// begin takes a connection. The transaction begins on the server with its first
// statement, in the same round trip.
func (p *postgres) begin(ctx context.Context, write bool) (session, error) {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	s := &postgresSession{conn: conn, begin: beginRead, taken: &p.taken}
	if write {
		s.begin = beginWrite
	}
	return s, nil
}

func (p *postgres) trips() int64     { return p.taken.Load() }
func (p *postgres) ownTime() bool    { return false }
func (p *postgres) readTime() string { return readTimePostgres }

// placeOfDatabase reads the place of the record. A standby has no position in the log of its own.
const placeOfDatabase = `SELECT (SELECT system_identifier::text FROM pg_control_system()),
	(SELECT oid FROM pg_database WHERE datname = current_database()), 'instance'::regclass::oid,
	CASE WHEN pg_is_in_recovery() THEN '' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END,
	floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint`

// placeWithoutRights is placeOfDatabase where the server keeps its control data to itself.
const placeWithoutRights = `SELECT '', (SELECT oid FROM pg_database WHERE datname = current_database()),
	'instance'::regclass::oid, '', floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint`

func (p *postgres) place(ctx context.Context) (is place, now int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	for _, sql := range []string{placeOfDatabase, placeWithoutRights} {
		err = p.pool.QueryRow(ctx, sql).Scan(&is.System, &is.Database, &is.Table, &is.Timeline, &now)
		if refused := (*pgconn.PgError)(nil); !errors.As(err, &refused) {
			break
		}
	}
	return is, now, err
}

// outside is nothing: a server is no place for a file of ours.
func (p *postgres) outside() int64          { return 0 }
func (p *postgres) noteOutside(int64) error { return nil }

func (p *postgres) shard(s session) int {
	return int(s.(*postgresSession).conn.Conn().PgConn().PID()) % shards
}

type postgresSession struct {
	conn  *pgxpool.Conn
	begin string // is sent before the first statement; "" after that
	taken *atomic.Int64
}

// run sends all steps at once; the server runs them in their order.
func (s *postgresSession) run(ctx context.Context, steps []step) (failed int, err error) {
	return s.send(ctx, steps, "")
}

// send sends all steps and then end, unless that is empty, at once. The server runs them in their order, and
// none after one that failed.
func (s *postgresSession) send(ctx context.Context, steps []step, end string) (failed int, err error) {
	var b pgx.Batch
	if s.begin != "" {
		b.Queue(s.begin)
	}
	for i, st := range steps {
		sql, args := postgresMoments(st.sql, st.args), postgresArgs(st.args)
		if st.rows != nil {
			columns, err := postgresColumns(st.rows)
			if err != nil {
				return i, err
			}
			args = append(args, columns...)
		}
		if st.guarded() {
			sql, args = guarded(sql, len(args)+1), append(args, st.want)
		}
		b.Queue(sql, args...)
	}
	if end != "" {
		b.Queue(end)
	}
	s.taken.Add(1)
	answers := s.conn.SendBatch(ctx, &b)
	defer func() {
		if closing := answers.Close(); err == nil && closing != nil {
			failed, err = len(steps)-1, closing
		}
	}()
	if s.begin != "" {
		if _, err := answers.Exec(); err != nil {
			return 0, err
		}
		s.begin = ""
	}
	for i, st := range steps {
		if err := st.read(answers); err != nil {
			return i, err
		}
	}
	if end == "" {
		return 0, nil
	}
	tag, err := answers.Exec()
	if err == nil && tag.String() != "COMMIT" {
		err = pgx.ErrTxCommitRollback
	}
	return len(steps), err
}

// guarded reports whether the server must compare the number of rows with want. An INSERT of given rows
// stores all of them or fails.
func (st step) guarded() bool {
	return st.want > 0 && (st.rows == nil || !strings.HasPrefix(st.sql, "INSERT"))
}

// guarded returns a statement that fails, with divisionByZero, when it changes another number of rows than
// its last parameter says. The server must notice by itself, because the commit may travel with the
// statement.
func guarded(sql string, parameters int) string {
	return "WITH changed AS (" + sql + " RETURNING 1) SELECT 1 / (count(*) = $" + strconv.Itoa(parameters) +
		"::bigint)::int FROM changed"
}

// divisionByZero is the SQLSTATE with which a guarded statement fails. No other statement of ours divides.
const divisionByZero = "22012"

// read reads the answer to a step.
func (st step) read(answers pgx.BatchResults) error {
	if st.each == nil {
		tag, err := answers.Exec()
		var refused *pgconn.PgError
		switch {
		case st.guarded() && errors.As(err, &refused) && refused.Code == divisionByZero:
			return mailroom.ErrConflict
		case err == nil && !st.guarded():
			err = st.conflicts(tag.RowsAffected())
		}
		if err == nil && st.done != nil {
			err = st.done(tag.RowsAffected())
		}
		return err
	}
	rows, err := answers.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := st.each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *postgresSession) exec(ctx context.Context, sql string, args []any) (int64, error) {
	return s.execRows(ctx, sql, args, nil)
}

func (s *postgresSession) query(ctx context.Context, sql string, args []any, each func(row) error) error {
	return s.queryRows(ctx, sql, args, nil, each)
}

func (s *postgresSession) execRows(ctx context.Context, sql string, args []any, rows [][]any) (n int64, err error) {
	_, err = s.run(ctx, []step{
		{sql: sql, args: args, rows: rows, done: func(touched int64) error { n = touched; return nil }}})
	return n, err
}

func (s *postgresSession) queryRows(ctx context.Context, sql string, args []any, rows [][]any,
	each func(row) error) error {
	_, err := s.run(ctx, []step{{sql: sql, args: args, rows: rows, each: each}})
	return err
}

// commit goes on when the caller gives up, for endWithin at most: once it is sent, only its answer shows
// whether it was done.
func (s *postgresSession) commit(ctx context.Context, steps []step) (failed int, err error) {
	if s.begin != "" && len(steps) == 0 { // no statement was ever sent
		s.release()
		return 0, nil
	}
	sent, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(endWithin, cancel) })()
	if failed, err = s.send(sent, steps, "commit"); err == nil {
		s.release()
	}
	return failed, err
}

// rollback ends the transaction. When it fails, it closes the connection, which ends the transaction too.
func (s *postgresSession) rollback() {
	if s.conn == nil {
		return
	}
	defer s.release()
	if s.begin != "" || s.conn.Conn().IsClosed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	s.taken.Add(1)
	if _, err := s.conn.Exec(ctx, "rollback"); err != nil {
		_ = s.conn.Conn().Close(ctx)
	}
}

func (s *postgresSession) release() {
	s.conn.Release()
	s.conn = nil
}

func postgresArgs(args []any) []any {
	out := make([]any, len(args), len(args)+16)
	for i, a := range args {
		out[i] = postgresArg(a)
	}
	return out
}

// migrate brings the schema up to date. Programs that start together wait for each other by an advisory lock.
func (p *postgres) migrate(ctx context.Context, apply bool) error {
	if err := p.checkOurs(ctx); err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return err
	}
	connect := p.pool.Config().ConnConfig
	connect.RuntimeParams["statement_timeout"] = "0" // a new index over a large table may take hours
	db := stdlib.OpenDB(*connect)
	defer db.Close()
	return up(ctx, goose.DialectPostgres, db, forPostgres, apply, goose.WithSessionLocker(locker))
}

// checkOurs refuses a schema that another program uses.
func (p *postgres) checkOurs(ctx context.Context) error {
	var ours, members bool
	var encoding string
	err := p.pool.QueryRow(ctx,
		`SELECT to_regclass($1) IS NOT NULL, to_regclass('members') IS NOT NULL, current_setting('server_encoding')`,
		versions).Scan(&ours, &members, &encoding)
	switch {
	case err != nil:
		return err
	case encoding != "UTF8":
		return ownf("the database has the encoding %s; create one with UTF8: createdb --template=template0 "+
			"--encoding=UTF8 NAME", encoding)
	case members && !ours:
		return ownf("the database holds another program's tables; use an empty one")
	}
	return nil
}
