package record

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pressly/goose/v3"
	"golang.org/x/sys/unix"
	sqlitedriver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// applicationID marks the file as ours, in the header that SQLite keeps for it: "INML".
const applicationID = 0x494e4d4c

// pageSize of SQLite's file in bytes.
const pageSize = 4096

// sqlite is the record in one file. One connection writes, and a pool of others reads, each in its own
// snapshot (WAL). A commit is on the disk when it returns (synchronous=FULL). Deleted data is
// overwritten (secure_delete).
type sqlite struct {
	cfg     Config
	db      *sql.DB
	writer  chan *sqliteConn // has the one connection that writes, unless it is in use
	readers chan *sqliteConn
	rest    rest
}

// sqliteConn is one connection with its prepared statements; conn is nil until it is first used.
type sqliteConn struct {
	setup string // a statement that is run when the connection opens
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func openSQLite(ctx context.Context, cfg Config) (*sqlite, error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, ownf("data: the folder %s cannot be made (%v); %s", cfg.Data, pathless(err),
			unlessFull(err, "make it, or name another"))
	}
	if err := checkWritable(cfg); err != nil {
		return nil, err
	}
	if err := checkOurs(cfg); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn(cfg))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(cfg.Readers + 2) // with the writer, and one that asks whether the file answers
	db.SetMaxIdleConns(cfg.Readers + 2)
	s := &sqlite{cfg: cfg, db: db, writer: make(chan *sqliteConn, 1), readers: make(chan *sqliteConn, cfg.Readers)}
	s.writer <- &sqliteConn{setup: "PRAGMA cache_size = -16384"} // KiB; it changes every index
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

// claimPatiently tries to claim the file until ctx ends. When programs create a file together, one of
// them turns on its write-ahead log, and meanwhile SQLite answers the others at once that the file is
// locked, without busy_timeout.
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

// dsn returns the URL of the file with the settings of every connection.
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

// checkWritable checks that folder and file can be written, because SQLite's own errors for it say little.
func checkWritable(cfg Config) error {
	f, err := os.CreateTemp(cfg.Data, ".writable-*")
	if err != nil {
		return ownf("data: the folder %s cannot be written (%v); %s", cfg.Data, pathless(err),
			unlessFull(err, "give this user the right to write there, or name another folder"))
	}
	_ = f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return ownf("data: a file in the folder %s cannot be removed (%v)", cfg.Data, pathless(err))
	}
	if f, err := os.OpenFile(cfg.File(), os.O_RDWR, 0); err == nil {
		return f.Close()
	} else if !errors.Is(err, os.ErrNotExist) {
		return ownf("data: the file %s cannot be written (%v); give this user the right to read and write it",
			cfg.File(), pathless(err))
	}
	return nil
}

// unlessFull returns a remedy, or another one where err says that a disk is full.
func unlessFull(err error, remedy string) string {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return "the disk is full: make room on it"
	}
	return remedy
}

// checkOurs refuses a file that SQLite did not write, before anything touches it. Where there is no file it
// makes one, unless the folder had a record: what is lost or damaged is never taken for new.
func checkOurs(cfg Config) error {
	file := cfg.File()
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return newFile(cfg)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	header := make([]byte, 100)
	n, err := io.ReadFull(f, header)
	logged, _ := os.Stat(file + "-wal")
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return ownf("data: the file %s is empty, which a record of InMail never is: it was lost; restore the last "+
			"backup (inmail restore), or name another folder", file)
	case n == len(header) && string(header[:16]) == sqliteMagic && string(header[21:24]) == "\x40\x20\x20" &&
		(logged == nil || logged.Size() == 0) && // else the first page may be there
		binary.BigEndian.Uint32(header[68:]) != applicationID && binary.BigEndian.Uint32(header[28:]) > 1:
		return anothers(file)
	case string(header[:min(n, 16)]) == sqliteMagic:
		return nil
	}
	return ownf("data: the file %s is not a record of InMail, or is damaged; move it away, restore the last backup "+
		"(inmail restore), or name another folder", file)
}

// sqliteMagic begins every file of SQLite.
const sqliteMagic = "SQLite format 3\x00"

func anothers(file string) error {
	return ownf("data: the file %s is another program's database; move it away, or name another folder", file)
}

// newFile makes the file of a new record. It gets its name when it is whole, so that a process that dies
// leaves no empty one.
func newFile(cfg Config) error {
	if paths, _ := beatFiles(cfg.Data); len(paths) > 0 {
		return ownf("data: the file %s is missing, but the folder had a record (%s); put it back, or restore the last "+
			"backup (inmail restore); for a new record name another folder", cfg.File(), filepath.Base(paths[0]))
	}
	if info, err := os.Stat(cfg.File() + "-wal"); err == nil && info.Size() > 0 {
		return ownf("data: the file %s is missing, but its log (-wal) is there; put it back, or restore the last "+
			"backup (inmail restore); for a new record name another folder", cfg.File())
	}
	folder, err := os.MkdirTemp(cfg.Data, ".new-*")
	if err != nil {
		return ownf("data: the folder %s cannot be written (%v)", cfg.Data, pathless(err))
	}
	defer os.RemoveAll(folder)
	draft := cfg
	draft.Data = folder
	db, err := sql.Open("sqlite", dsn(draft))
	if err != nil {
		return err
	}
	_, err = db.Exec(fmt.Sprintf("PRAGMA application_id = %d", applicationID))
	if err := errors.Join(err, db.Close()); err != nil { // the close empties the log into the file
		return err
	}
	err = os.Link(draft.File(), cfg.File())
	if err == nil || errors.Is(err, os.ErrExist) { // another program was quicker
		return nil
	}
	if err := os.Rename(draft.File(), cfg.File()); err != nil { // not every filesystem has links
		return ownf("data: the file %s cannot be made (%v); %s", cfg.File(), pathless(err),
			unlessFull(err, "give this user the right to write in its folder"))
	}
	return nil
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
		return anothers(s.cfg.File())
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

// spareSpace is how many bytes must be left, of the disk and of database_max_bytes. A row that is written
// over needs none, so the row of a probe alone would not notice that an InMail has no place.
const spareSpace = 16 * pageSize

func (s *sqlite) space(ctx context.Context) error {
	full := &Fault{Tried: "look for space"}
	full.take(sqliteCodes[sqlite3.SQLITE_FULL])
	var disk unix.Statfs_t
	if err := unix.Statfs(s.cfg.Data, &disk); err == nil && int64(disk.Bavail)*int64(disk.Bsize) < spareSpace {
		return full
	}
	if s.cfg.MaxBytes == 0 {
		return nil
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	var used, free int64
	if err := conn.QueryRowContext(ctx, "PRAGMA page_count").Scan(&used); err != nil {
		return err
	}
	if err := conn.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&free); err != nil {
		return err
	}
	if s.cfg.MaxBytes-(used-free)*pageSize < spareSpace {
		return full
	}
	return nil
}

// diagnose finds out about a failed disk what SQLite does not say: whether it is full, or read-only by now.
// Other errors are left alone.
func (s *sqlite) diagnose(err error) {
	var f *Fault
	if !errors.As(err, &f) || !f.disk {
		return
	}
	probe, err := os.CreateTemp(s.cfg.Data, ".writable-*")
	if err == nil {
		_ = probe.Close()
		_ = os.Remove(probe.Name())
		return
	}
	f.ofDisk(err)
}

// close waits for the transactions under way, at most endWithin.
func (s *sqlite) close() {
	s.rest.end()
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
	session := &sqliteSession{conn: c, pool: pool, write: write}
	if write {
		session.wrote = func() { s.rest.begin(s.emptyLog) }
	}
	return session, nil
}

func (s *sqlite) place(context.Context) (is place, now int64, err error) {
	if is, err = placeOfFile(s.cfg.File()); err != nil {
		err = ownf("its file %s cannot be found (%v)", s.cfg.File(), pathless(err))
	}
	return is, 0, err
}

// beatFile is the name, without its number, of the file beside the record that has the latest beat in its
// name. A folder that a copy was put over keeps its own: then it has two.
const beatFile = "instance."

// beatFiles returns the paths of the files that have a beat in their names, and the latest beat.
func beatFiles(folder string) (paths []string, latest int64) {
	paths, _ = filepath.Glob(filepath.Join(folder, beatFile+"*"))
	paths = slices.DeleteFunc(paths, func(path string) bool {
		n, err := strconv.ParseInt(strings.TrimPrefix(filepath.Base(path), beatFile), 10, 64)
		latest = max(latest, n)
		return err != nil
	})
	return paths, latest
}

func (s *sqlite) outside() int64 {
	_, latest := beatFiles(s.cfg.Data)
	return latest
}

// noteOutside stores a beat that was committed. A file's name changes at once or not at all, and never before
// the commit, so a process or machine that dies leaves no later beat than the record has.
func (s *sqlite) noteOutside(beat int64) error {
	name := filepath.Join(s.cfg.Data, beatFile+strconv.FormatInt(beat, 10))
	paths, _ := beatFiles(s.cfg.Data)
	var err error
	if len(paths) > 0 {
		err = os.Rename(paths[0], name)
	} else {
		err = os.WriteFile(name, nil, 0o600)
	}
	for _, path := range paths[min(1, len(paths)):] {
		if path != name {
			err = errors.Join(err, os.Remove(path))
		}
	}
	if err != nil {
		return ownf("the file %s cannot be kept (%v)", name, pathless(err))
	}
	return nil
}

func (s *sqlite) shard(session) int { return 0 }

func (s *sqlite) trips() int64     { return 0 }
func (s *sqlite) ownTime() bool    { return true }
func (s *sqlite) readTime() string { return readTimeSQLite }

type sqliteSession struct {
	conn  *sqliteConn
	pool  chan *sqliteConn
	write bool
	wrote func() // is called after a commit that wrote; nil: it only reads
}

// run runs each step by itself: SQLite has no round trips to save.
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
			if n, err = s.execRows(ctx, st.sql, st.args, rows); err == nil {
				err = st.conflicts(n)
			}
			if err == nil && st.done != nil {
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

// singleRow returns the context for the runs of a statement that runs once for each row. For several rows it
// is one that never ends, and ctx is checked between rows: a row takes microseconds, and watching ctx during
// each would double that. For one row it is ctx, as the statement may be a sweep over many rows.
func singleRow(ctx context.Context, rows [][]any) context.Context {
	if len(rows) == 1 {
		return ctx
	}
	return context.Background()
}

// execRows runs the statement once for each row.
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

func (s *sqliteSession) queryRows(ctx context.Context, sql string, args []any, rows [][]any,
	each func(row) error) error {
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

// commit goes on when the caller gives up, as it takes only one fsync. When it fails, the transaction stays
// open, and rollback ends it.
func (s *sqliteSession) commit(ctx context.Context, steps []step) (failed int, err error) {
	if failed, err := s.run(ctx, steps); err != nil {
		return failed, err
	}
	if err := ctx.Err(); err != nil {
		return len(steps), err
	}
	stmt, err := s.conn.prepare("COMMIT")
	if err != nil {
		return len(steps), err
	}
	if _, err := stmt.ExecContext(context.Background()); err != nil {
		return len(steps), err
	}
	s.pool <- s.conn
	s.conn = nil
	if s.wrote != nil {
		s.wrote()
	}
	return 0, nil
}

// rollback ends the transaction. SQLite may have ended it itself (an interrupted write, a full disk). When
// the rollback fails, the connection is closed, which ends the transaction too.
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

// migrate brings the schema up to date. Its transactions lock the file from their beginning on, so that
// programs that start together wait for each other.
func (s *sqlite) migrate(ctx context.Context, apply bool) error {
	db, err := sql.Open("sqlite", dsn(s.cfg)+"&_txlock=immediate")
	if err != nil {
		return err
	}
	defer db.Close()
	return up(ctx, goose.DialectSQLite3, db, forSQLiteDDL, apply)
}
