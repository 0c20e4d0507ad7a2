package sandbox

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
)

// applicationID marks a file as an org of the sandbox, in the header that SQLite keeps: "INSB".
const applicationID = 0x494e5342

const (
	databasePage = 4096
	readerCount  = 3
)

func init() {
	sqlite.MustRegisterDeterministicScalarFunction("fold", 1,
		func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
			if text, ok := args[0].(string); ok {
				return strings.ToLower(text), nil
			}
			return args[0], nil
		})
}

// store contains the org's data, in an SQLite database. Its memory is the page caches of a few connections,
// however large the org is. One connection writes; others read at the same time, each in its own snapshot.
// An org without a file has one connection for both.
type store struct {
	schema          *schema
	tables          map[*object]*table
	path            string // empty: a temporary database, which SQLite keeps in a file without a name
	folder          string // folder for large results; empty: the system's temporary folder
	log             *slog.Logger
	writer, readers *sql.DB
	readLock        sync.RWMutex // locked for reading by readers, for writing while the log is emptied
	scrubPending    atomic.Bool  // a text was overwritten and is not scrubbed yet
	granted         func() error // called after a commit that assigned permission sets, or removed them; nil: nobody
}

func openStore(s *schema, path string, log *slog.Logger) (*store, error) {
	st := &store{schema: s, tables: map[*object]*table{}, path: path, log: log}
	for _, o := range s.objects {
		st.tables[o] = newTable(o)
	}
	if err := st.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox: open the org %s: %w; if it is not one, or a journal of a "+
			"version before the first release, move it away", path, err), st.close())
	}
	return st, nil
}

func (st *store) open() (err error) {
	source, pragmas := "file:",
		[]string{"busy_timeout(20)", fmt.Sprintf("page_size(%d)", databasePage), "temp_store(MEMORY)",
			"secure_delete(ON)", "synchronous(NORMAL)"}
	if st.path != "" {
		path, err := filepath.Abs(st.path)
		if err != nil {
			return err
		}
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // SQLite would make a file that others can read
		if err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
		st.folder, source = filepath.Dir(path), (&url.URL{Scheme: "file", Path: path}).String()
		pragmas = append(pragmas, "journal_mode(WAL)", "wal_autocheckpoint(0)") // see scrub.go
	}
	pool := func(size int, lock string, cacheKiB int) (*sql.DB, error) {
		q := url.Values{"_txlock": {lock}, "_pragma": append(pragmas, fmt.Sprintf("cache_size(-%d)", cacheKiB))}
		db, err := sql.Open("sqlite", source+"?"+q.Encode())
		if err == nil {
			db.SetMaxOpenConns(size)
			db.SetMaxIdleConns(size)
		}
		return db, err
	}
	if st.writer, err = pool(1, "immediate", 8192); err != nil {
		return err
	}
	st.readers = st.writer
	if err := st.migrate(); err != nil || st.path == "" {
		return err
	}
	if st.readers, err = pool(readerCount, "deferred", 1024); err != nil {
		return err
	}
	return st.scrub() // a process that was killed may have left overwritten text
}

// migrate creates what is missing in the database.
func (st *store) migrate() error {
	tx, err := st.writer.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // unless it was committed
	var id, others int
	if err := tx.QueryRow("SELECT application_id, (SELECT count(*) FROM sqlite_master) FROM "+
		"pragma_application_id").Scan(&id, &others); err != nil {
		return err
	}
	if id != applicationID && (id != 0 || others > 0) {
		return errors.New("it is the database of another program")
	}
	for _, text := range []string{
		fmt.Sprintf("PRAGMA application_id = %d", applicationID),
		"CREATE TABLE IF NOT EXISTS counters (object TEXT PRIMARY KEY, last_id INTEGER NOT NULL, last_no INTEGER " +
			"NOT NULL)",
		createHistory,
	} {
		if _, err := tx.Exec(text); err != nil {
			return err
		}
	}
	for _, t := range st.tables {
		if err := t.migrate(tx); err != nil {
			return fmt.Errorf("%s: %w", t.object.name, err)
		}
	}
	return tx.Commit()
}

func (st *store) close() (err error) {
	for _, db := range []*sql.DB{st.readers, st.writer} {
		if db != nil {
			err = errors.Join(err, db.Close())
		}
	}
	return err
}

// view is one consistent state of the org: a reader's snapshot, or the state within a transaction. After a
// failure of the database all reads return nothing; the caller must check err at the end.
type view struct {
	*store
	sql    *sql.Tx
	stmts  map[string]*sql.Stmt
	cached map[string]*record // records read or stored in this view by id, at most maxCached
	err    error
}

// maxCached bounds the records that a view caches: a page of a query, or the rows of a large composite.
const maxCached = 2000

func (st *store) view(db *sql.DB) view {
	v := view{store: st, stmts: map[string]*sql.Stmt{}, cached: map[string]*record{}}
	v.sql, v.err = db.BeginTx(context.Background(), nil)
	return v
}

// snapshot runs a function on a snapshot of the org.
func (st *store) snapshot(do func(*view)) error {
	st.readLock.RLock()
	defer st.readLock.RUnlock()
	v := st.view(st.readers)
	if v.err != nil {
		return v.err
	}
	defer v.sql.Rollback() //nolint:errcheck // nothing was written
	do(&v)
	return v.err
}

// prepare prepares a statement, or returns it if this view has prepared it before.
func (v *view) prepare(text string) *sql.Stmt {
	s := v.stmts[text]
	if s == nil && v.err == nil {
		s, v.err = v.sql.Prepare(text)
		v.stmts[text] = s
	}
	return s
}

func (v *view) exec(text string, args ...any) {
	if s := v.prepare(text); v.err == nil {
		_, v.err = s.Exec(args...)
	}
}

// rows calls do with the cells of each row of the result, until it returns false.
func (v *view) rows(do func(cells []any) bool, text string, args ...any) {
	s := v.prepare(text)
	if v.err != nil {
		return
	}
	rows, err := s.Query(args...)
	if v.err = err; err != nil {
		return
	}
	defer rows.Close()
	columns, err := rows.Columns()
	cells, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range cells {
		into[i] = &cells[i]
	}
	for err == nil && rows.Next() {
		if err = rows.Scan(into...); err == nil && (!do(cells) || v.err != nil) {
			return
		}
	}
	v.err = errors.Join(err, rows.Err())
}

// query calls do with each record that a SELECT on a table finds, until it returns false.
func (v *view) query(t *table, do func(*record) bool, text string, args ...any) {
	v.rows(func(cells []any) bool {
		var r *record
		if r, v.err = t.record(cells); v.err != nil {
			return false
		}
		return do(r)
	}, text, args...)
}

// scalar reads one number.
func (v *view) scalar(text string) (n int64) {
	v.rows(func(cells []any) bool { n, _ = cells[0].(int64); return false }, text)
	return n
}

// remember caches a record. If the view has a newer version it returns that instead.
func (v *view) remember(r *record) *record {
	if at := v.cached[r.id()]; at != nil {
		return at
	}
	if len(v.cached) < maxCached {
		v.cached[r.id()] = r
	}
	return r
}

// find returns the record with an 18-character id, deleted or not; nil: there is none.
func (v *view) find(id string) (found *record) {
	if r := v.cached[id]; r != nil {
		return r
	}
	o := v.schema.objectOf(id)
	n, ok := idNumber(id)
	if o == nil || !ok || newID(o.prefix, n) != id {
		return nil
	}
	t := v.tables[o]
	v.query(t, func(r *record) bool { found = v.remember(r); return false }, t.all+" WHERE n = ?", n)
	return found
}

// live returns the record with an id; nil: there is none, or it is deleted.
func (v *view) live(id string) *record {
	r := v.find(id)
	if r == nil || r.deleted() {
		return nil
	}
	return r
}

// findBy returns the records that are not deleted and whose indexed field has the value, in the order of
// their creation.
func (v *view) findBy(o *object, f *field, value any) (found []*record) {
	t, key := v.tables[o], stored(value)
	if text, ok := key.(string); ok {
		key = f.key(text)
	}
	v.query(t, func(r *record) bool { found = append(found, v.remember(r)); return true },
		t.all+" WHERE gone IS NULL AND "+f.sqlKey()+" = ? ORDER BY n", key)
	return found
}

// txn is a write transaction; there is one at a time. It can be rolled back completely or to a mark.
type txn struct {
	view
	at    time.Time // UTC, in whole seconds: the value of the audit fields
	who   caller
	steps []change
	rows  rowFault // the faults of the request
	chunk int      // rows of the request that a trigger gets together
}

// change is one step of a transaction.
type change struct{ old, now *record } // nil: the row was not there, or was purged

// begin starts a transaction for a caller. It reads the clock after it has the write lock, so that times
// rise with the commits. When the transaction could not begin, commit returns the error.
func (st *store) begin(clock func() time.Time, who caller) *txn {
	tx := &txn{view: st.view(st.writer), who: who}
	tx.at = clock().UTC().Truncate(time.Second)
	return tx
}

// put stores a new version of a record in place of the current one. A nil old is an insert, a nil now is a
// purge.
func (tx *txn) put(old, now *record) {
	tx.steps = append(tx.steps, change{old, now})
	tx.write(old, now)
}

func (tx *txn) write(old, now *record) {
	either := now
	if now == nil {
		either = old
	}
	if text, args := tx.tables[either.object].change(old, now); text != "" {
		tx.exec(text, args...)
	}
	delete(tx.cached, either.id())
	if now != nil {
		tx.remember(now)
	}
}

// mark returns a point to which the transaction can be rolled back.
func (tx *txn) mark() int { return len(tx.steps) }

// rollbackTo restores the versions before the mark. Savepoints would need two more statements for each row
// that is not rolled back; the steps are recorded for the history anyway.
func (tx *txn) rollbackTo(mark int) {
	for i := len(tx.steps) - 1; i >= mark; i-- {
		tx.write(tx.steps[i].now, tx.steps[i].old)
	}
	tx.steps = tx.steps[:mark]
}

// rollback undoes everything and ends the transaction, unless it has ended.
func (tx *txn) rollback() {
	if tx.sql != nil {
		_ = tx.sql.Rollback() // when that fails nothing was stored either
	}
}

// commit ends the transaction and scrubs the text that it has overwritten.
func (tx *txn) commit() error {
	err := tx.finish()
	tx.scrubDue()
	if err == nil && tx.granted != nil && slices.ContainsFunc(tx.steps, change.grants) {
		err = tx.granted()
	}
	return err
}

// finish writes the history and the counters and commits. After an error nothing of the transaction is
// stored.
func (tx *txn) finish() error {
	defer tx.rollback()
	if tx.err == nil && len(tx.steps) == 0 {
		return nil
	}
	tx.appendHistory()
	for _, t := range tx.tables {
		if t.raised { // a number that is not stored here was used by no stored record
			tx.exec("UPDATE counters SET last_id = ?, last_no = ? WHERE object = ?", t.lastID, t.lastNo, t.object.name)
			t.raised = false
		}
	}
	if tx.err == nil {
		tx.err = tx.sql.Commit()
	}
	if tx.err != nil {
		return fmt.Errorf("sandbox: store a transaction: %w", tx.err)
	}
	if slices.ContainsFunc(tx.steps, change.losesText) {
		tx.scrubPending.Store(true)
	}
	return nil
}
