package record

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// shards of a count in PostgreSQL: enough that transactions on different connections seldom meet.
const shards = 8

// idleInTransaction is how long a transaction may be open with nothing asked of the server. Between two statements of ours lie
// milliseconds: nothing outside is waited for (STYLE H11).
const idleInTransaction = 8 * time.Second

// endWithin is how long a rollback or a commit that was sent may take, whatever became of the caller.
const endWithin = 10 * time.Second

// postgres is the record in PostgreSQL, through pgx: statements are prepared once a connection, batches
// travel as one array a column.
type postgres struct {
	pool *pgxpool.Pool
	cfg  Config
}

func openPostgres(ctx context.Context, cfg Config) (*postgres, error) {
	pc, err := pgxpool.ParseConfig(cfg.dsn())
	if err != nil {
		return nil, ownf("database_url: %s cannot be read; write postgres://user:password@host:5432/database", cfg.Masked())
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
		// A process that stops inside a transaction holds what it locked for no longer than this.
		"idle_in_transaction_session_timeout": milliseconds(min(idleInTransaction, 2*cfg.Timeout)),
		// Every statement is a short walk along an index in its order, from each row to the next. A bitmap reads all that a member
		// has to sort it for one page. A scan or a hash of a table is fast while it is small, but a prepared statement keeps the
		// plan until the statistics are next taken. And compiling takes longer than any of them.
		"enable_bitmapscan": "off",
		"enable_seqscan":    "off",
		"enable_hashjoin":   "off",
		"enable_mergejoin":  "off",
		"random_page_cost":  "1.1",
		"jit":               "off",
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

// alive asks on a connection of its own, so that a pool which waits for a slow database is not taken for a dead one.
func (p *postgres) alive(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, p.pool.Config().ConnConfig)
	if err == nil {
		defer conn.Close(context.WithoutCancel(ctx))
		err = conn.Ping(ctx)
	}
	if answer := (*pgconn.PgError)(nil); errors.As(err, &answer) {
		return nil // a refusal is a sign of life
	}
	return err
}

// close waits for the transactions under way, at most so long; what is left is cut off when the program ends.
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

// What a transaction begins with: one that writes sees what others commit and locks rows, one that reads has a snapshot.
const (
	beginWrite = "begin isolation level read committed"
	beginRead  = "begin isolation level repeatable read read only"
)

// begin takes a connection. The transaction begins on the server with its first statement, in the same round trip.
func (p *postgres) begin(ctx context.Context, write bool) (session, error) {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	s := &postgresSession{conn: conn, begin: beginRead}
	if write {
		s.begin = beginWrite
	}
	return s, nil
}

func (p *postgres) ownTime() bool    { return false }
func (p *postgres) readTime() string { return readTimePostgres }

func (p *postgres) shard(s session) int {
	return int(s.(*postgresSession).conn.Conn().PgConn().PID()) % shards
}

type postgresSession struct {
	conn  *pgxpool.Conn
	begin string // what is still to be said before the first statement; "" once it was
}

// run sends all steps at once; the server runs them in their order.
func (s *postgresSession) run(ctx context.Context, steps []step) (failed int, err error) {
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
		b.Queue(sql, args...)
	}
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
	return 0, nil
}

// read reads what a step was answered.
func (st step) read(answers pgx.BatchResults) error {
	if st.each == nil {
		tag, err := answers.Exec()
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
	_, err = s.run(ctx, []step{{sql: sql, args: args, rows: rows, done: func(touched int64) error { n = touched; return nil }}})
	return n, err
}

func (s *postgresSession) queryRows(ctx context.Context, sql string, args []any, rows [][]any, each func(row) error) error {
	_, err := s.run(ctx, []step{{sql: sql, args: args, rows: rows, each: each}})
	return err
}

// commit is not given up when the caller does: once it is sent, only its answer tells what happened.
func (s *postgresSession) commit(ctx context.Context) error {
	defer s.release()
	if s.begin != "" { // nothing was ever asked
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	tag, err := s.conn.Exec(ctx, "commit")
	if err == nil && tag.String() != "COMMIT" {
		err = pgx.ErrTxCommitRollback
	}
	return err
}

// rollback ends the transaction. A connection of which that is not certain is closed by the pool.
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

// migrate brings the schema up to date; programs that start together wait for each other.
func (p *postgres) migrate(ctx context.Context, apply bool) error {
	if err := p.checkOurs(ctx); err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return err
	}
	connect := p.pool.Config().ConnConfig
	connect.RuntimeParams["statement_timeout"] = "0" // a new index over a large table takes as long as it takes
	db := stdlib.OpenDB(*connect)
	defer db.Close()
	return up(ctx, goose.DialectPostgres, db, forPostgres, apply, goose.WithSessionLocker(locker))
}

// checkOurs refuses a schema that another program uses.
func (p *postgres) checkOurs(ctx context.Context) error {
	var ours, members bool
	var encoding string
	err := p.pool.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL, to_regclass('members') IS NOT NULL, current_setting('server_encoding')`,
		versions).Scan(&ours, &members, &encoding)
	switch {
	case err != nil:
		return err
	case encoding != "UTF8":
		return ownf("the database has the encoding %s; create one with UTF8: createdb --template=template0 --encoding=UTF8 NAME", encoding)
	case members && !ours:
		return ownf("the database holds another program's tables; use an empty one")
	}
	return nil
}
