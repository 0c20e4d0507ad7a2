package record

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/pressly/goose/v3"
	sqlitedriver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// applicationID marks the file as ours, in the header that SQLite keeps for it: "INML".
const applicationID = 0x494e4d4c

// pageSize of SQLite's file in bytes.
const pageSize = 4096

// sqlite is the record in one file: one connection writes, a pool of them reads, each reader in its own
// snapshot (WAL). A commit is on the disk when it returns (synchronous=FULL); what is deleted is overwritten
// (secure_delete).
type sqlite struct {
	cfg     Config
	db      *sql.DB
	writer  chan *sqliteConn // holds the one that writes while nobody does
	readers chan *sqliteConn
}

// sqliteConn is one connection with its prepared statements; conn is nil until it is first used.
type sqliteConn struct {
	setup string // run when it opens
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func openSQLite(ctx context.Context, cfg Config) (*sqlite, error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, ownf("data: the folder %s cannot be made (%v); make it, or name another", cfg.Data, pathless(err))
	}
	if err := checkWritable(cfg); err != nil {
		return nil, err
	}
	if err := checkOurs(cfg.File()); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn(cfg))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(cfg.Readers + 2) // with the writer, and one that asks whether the file answers
	db.SetMaxIdleConns(cfg.Readers + 2)
	s := &sqlite{cfg: cfg, db: db, writer: make(chan *sqliteConn, 1), readers: make(chan *sqliteConn, cfg.Readers)}
	s.writer <- &sqliteConn{setup: "PRAGMA cache_size = -16384"} // KiB; it touches every index, a reader one or two
	for range cfg.Readers {
		s.readers <- &sqliteConn{}
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.LockTimeout+cfg.ConnectTimeout)
	defer cancel()
	if err := s.claimPatiently(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// claimPatiently claims the file until ctx ends. Of programs that make a file together one turns its log on, and SQLite tells the others
// at once that it is locked, however long they would wait for a lock.
func (s *sqlite) claimPatiently(ctx context.Context) error {
	err := s.claimFile(ctx)
	for busy(err) {
		select {
		case <-time.After(busyPause):
		case <-ctx.Done():
			return err
		}
		if again := s.claimFile(ctx); ctx.Err() == nil {
			err = again
		}
	}
	return err
}

const busyPause = 10 * time.Millisecond

func busy(err error) bool {
	var e *sqlitedriver.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// dsn names the file with what every connection sets.
func dsn(cfg Config) string {
	path, err := filepath.Abs(cfg.File())
	if err != nil {
		path = cfg.File()
	}
	q := url.Values{"_pragma": {
		"busy_timeout(" + milliseconds(cfg.LockTimeout) + ")",
		"page_size(" + strconv.Itoa(pageSize) + ")",
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"secure_delete(ON)",
		"temp_store(MEMORY)",
		"cache_size(-2048)",
		"wal_autocheckpoint(4096)",
		"journal_size_limit(33554432)",
	}}
	if cfg.MaxBytes > 0 {
		q.Add("_pragma", "max_page_count("+strconv.FormatInt(cfg.MaxBytes/pageSize, 10)+")")
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// checkWritable finds out before SQLite does, whose words for it are few.
func checkWritable(cfg Config) error {
	f, err := os.CreateTemp(cfg.Data, ".writable-*")
	if err != nil {
		return ownf("data: the folder %s cannot be written (%v); give this user the right to write there, or name another folder", cfg.Data, pathless(err))
	}
	_ = f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return ownf("data: a file in the folder %s cannot be removed (%v)", cfg.Data, pathless(err))
	}
	if f, err := os.OpenFile(cfg.File(), os.O_RDWR, 0); err == nil {
		return f.Close()
	} else if !errors.Is(err, os.ErrNotExist) {
		return ownf("data: the file %s cannot be written (%v); give this user the right to read and write it", cfg.File(), pathless(err))
	}
	return nil
}

// checkOurs refuses a file that SQLite did not write, before anything touches it.
func checkOurs(file string) error {
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	header := make([]byte, 16)
	n, _ := f.Read(header)
	if n == 0 || string(header[:n]) == "SQLite format 3\x00" {
		return nil
	}
	return ownf("data: the file %s is not a record of InMail; move it away, or name another folder", file)
}

// claimFile refuses the database of another program and marks a new one as ours.
func (s *sqlite) claimFile(ctx context.Context) error {
	var id, tables int64
	if err := s.db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	if err := s.db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return err
	}
	switch {
	case id == applicationID:
		return nil
	case id != 0 || tables > 0:
		return ownf("data: the file %s is another program's database; move it away, or name another folder", s.cfg.File())
	}
	_, err := s.db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID))
	return err
}

func (s *sqlite) alive(ctx context.Context) error {
	conn, err := s.db.Conn(ctx) // of its own: all readers may be busy
	if err != nil {
		return err
	}
	defer conn.Close()
	var n int
	return conn.QueryRowContext(ctx, "SELECT count(*) FROM snapshots").Scan(&n)
}

// close waits for the transactions under way, at most so long.
func (s *sqlite) close() {
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	for _, pool := range []chan *sqliteConn{s.readers, s.writer} {
		for range cap(pool) {
			if c, err := take(ctx, pool); err == nil {
				c.close()
			}
		}
	}
	_ = s.db.Close()
}

func take(ctx context.Context, pool chan *sqliteConn) (*sqliteConn, error) {
	select {
	case c := <-pool:
		return c, nil
	default:
	}
	select {
	case c := <-pool:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *sqliteConn) open(ctx context.Context, db *sql.DB) error {
	if c.conn != nil {
		return nil
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, c.setup); err != nil {
		_ = conn.Close()
		return err
	}
	c.conn, c.stmts = conn, make(map[string]*sql.Stmt)
	return nil
}

func (c *sqliteConn) close() {
	if c.conn == nil {
		return
	}
	for _, stmt := range c.stmts {
		_ = stmt.Close()
	}
	_ = c.conn.Raw(func(any) error { return driver.ErrBadConn }) // never back into database/sql's pool
	_ = c.conn.Close()
	c.conn, c.stmts = nil, nil
}

func (c *sqliteConn) prepare(sql string) (*sql.Stmt, error) {
	if stmt, ok := c.stmts[sql]; ok {
		return stmt, nil
	}
	stmt, err := c.conn.PrepareContext(context.Background(), forSQLite(sql))
	if err != nil {
		return nil, err
	}
	c.stmts[sql] = stmt
	return stmt, nil
}

func (s *sqlite) begin(ctx context.Context, write bool) (session, error) {
	pool, begin := s.readers, "BEGIN"
	if write {
		pool, begin = s.writer, "BEGIN IMMEDIATE"
	}
	c, err := take(ctx, pool)
	if err != nil {
		return nil, err
	}
	if err := c.open(ctx, s.db); err != nil {
		pool <- c
		return nil, err
	}
	stmt, err := c.prepare(begin)
	if err == nil {
		_, err = stmt.ExecContext(ctx)
	}
	if err != nil {
		c.close()
		pool <- c
		return nil, err
	}
	return &sqliteSession{conn: c, pool: pool, write: write}, nil
}

func (s *sqlite) shard(session) int { return 0 }

func (s *sqlite) ownTime() bool    { return true }
func (s *sqlite) readTime() string { return readTimeSQLite }

type sqliteSession struct {
	conn  *sqliteConn
	pool  chan *sqliteConn
	write bool
}

// run has no round trip to save.
func (s *sqliteSession) run(ctx context.Context, steps []step) (failed int, err error) {
	for i, st := range steps {
		rows := st.rows
		if rows == nil {
			rows = [][]any{nil}
		}
		if st.each != nil {
			err = s.queryRows(ctx, st.sql, st.args, rows, st.each)
		} else {
			var n int64
			if n, err = s.execRows(ctx, st.sql, st.args, rows); err == nil && st.done != nil {
				err = st.done(n)
			}
		}
		if err != nil {
			return i, err
		}
	}
	return 0, nil
}

func (s *sqliteSession) exec(ctx context.Context, sql string, args []any) (int64, error) {
	return s.execRows(ctx, sql, args, [][]any{nil})
}

func (s *sqliteSession) query(ctx context.Context, sql string, args []any, each func(row) error) error {
	return s.queryRows(ctx, sql, args, [][]any{nil}, each)
}

// singleRow is the context of each row's run of a statement. It is asked between rows: a row takes microseconds, and
// watching it for each would take as long again. A single run may be a sweep over many rows, and is watched.
func singleRow(ctx context.Context, rows [][]any) context.Context {
	if len(rows) == 1 {
		return ctx
	}
	return context.Background()
}

// execRows runs the statement once a row.
func (s *sqliteSession) execRows(ctx context.Context, sql string, args []any, rows [][]any) (int64, error) {
	if !s.write {
		return 0, errNotWritable
	}
	stmt, err := s.conn.prepare(sql)
	if err != nil {
		return 0, err
	}
	single := singleRow(ctx, rows)
	var affected int64
	values := make([]any, 0, 40)
	for _, row := range rows {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		values = sqliteValues(values[:0], args, row)
		result, err := stmt.ExecContext(single, values...)
		if err != nil {
			return 0, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return 0, err
		}
		affected += n
	}
	return affected, nil
}

func (s *sqliteSession) queryRows(ctx context.Context, sql string, args []any, rows [][]any, each func(row) error) error {
	stmt, err := s.conn.prepare(sql)
	if err != nil {
		return err
	}
	single := singleRow(ctx, rows)
	values := make([]any, 0, 40)
	for _, row := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		values = sqliteValues(values[:0], args, row)
		if err := answerRows(single, stmt, values, each); err != nil {
			return err
		}
	}
	return nil
}

func answerRows(ctx context.Context, stmt *sql.Stmt, values []any, each func(row) error) (err error) {
	rows, err := stmt.QueryContext(ctx, values...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// commit is not given up when the caller does: it is a matter of one fsync. One that fails leaves the
// transaction open, for rollback to end.
func (s *sqliteSession) commit(context.Context) error {
	stmt, err := s.conn.prepare("COMMIT")
	if err != nil {
		return err
	}
	if _, err := stmt.ExecContext(context.Background()); err != nil {
		return err
	}
	s.pool <- s.conn
	s.conn = nil
	return nil
}

// rollback ends the transaction. SQLite may have done so itself (an interrupted write, a full disk); a
// connection of which that is not certain is closed, which does it too.
func (s *sqliteSession) rollback() {
	if s.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	if _, err := s.conn.conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		s.conn.close()
	}
	s.pool <- s.conn
	s.conn = nil
}

func sqliteValues(values, args, row []any) []any {
	for _, a := range args {
		values = append(values, sqliteArg(a))
	}
	for _, a := range row {
		values = append(values, sqliteArg(a))
	}
	return values
}

// migrate brings the schema up to date. Its transactions write from their beginning on: of programs that start together one waits
// for the other.
func (s *sqlite) migrate(ctx context.Context, apply bool) error {
	db, err := sql.Open("sqlite", dsn(s.cfg)+"&_txlock=immediate")
	if err != nil {
		return err
	}
	defer db.Close()
	return up(ctx, goose.DialectSQLite3, db, forSQLiteDDL, apply)
}
