package record

import (
	"context"
	"errors"
	"fmt"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// engine is one of the two databases.
type engine interface {
	begin(ctx context.Context, write bool) (session, error)
	// alive asks the database for an answer, outside all transactions; a refusal is an answer too.
	alive(ctx context.Context) error
	migrate(ctx context.Context, apply bool) error
	// space returns a fault when less than spareSpace is left, as far as this process can know.
	space(ctx context.Context) error
	// diagnose completes the fault of a transaction from outside of the database, where that knows more.
	diagnose(err error)
	scrub(ctx context.Context) error
	partition(ctx context.Context, u upkeep) (advice string, err error)
	settled(ctx context.Context) (position int64, err error)
	close()
	// ownTime says that the process's clock is the record's; readTime is the statement that reads the time.
	ownTime() bool
	readTime() string
	// place returns where the record is, and what the server's clock shows in milliseconds, outside all
	// transactions. outside returns the latest beat that is known outside of the record, 0 when none is;
	// noteOutside stores one there.
	place(ctx context.Context) (is place, now int64, err error)
	outside() int64
	noteOutside(beat int64) error
	// shard says which shard of a count a transaction moves, so that two at once seldom wait for each other.
	shard(s session) int
	// trips returns how many round trips all transactions have taken; 0 where the engine has none.
	trips() int64
}

// session is one open transaction. Statements are written for PostgreSQL (dialect.go).
type session interface {
	exec(ctx context.Context, sql string, args []any) (int64, error)
	query(ctx context.Context, sql string, args []any, each func(row) error) error
	// run runs steps one after the other, in as few round trips as the engine needs. On an error, failed is
	// the index of the step that failed; no step after it ran.
	run(ctx context.Context, steps []step) (failed int, err error)
	// execRows runs a statement whose last parameters are unnest's columns, for all rows at once.
	execRows(ctx context.Context, sql string, args []any, rows [][]any) (int64, error)
	queryRows(ctx context.Context, sql string, args []any, rows [][]any, each func(row) error) error
	// commit runs steps as run does and commits, in the same round trip where the engine has round trips. On
	// an error nothing is committed, unless the answer was lost; the commit's own failed is len(steps).
	commit(ctx context.Context, steps []step) (failed int, err error)
	rollback()
}

// step is one statement of a transaction.
type step struct {
	what string // is tried, for errors
	sql  string
	args []any
	rows [][]any             // what unnest's columns are made of; nil: there are none
	each func(row) error     // of a query
	done func(n int64) error // gets how many rows a statement without answer changed; may be nil
	want int                 // how many rows a statement without answer must change; 0: any number

	unique bool // a row that is there already is a conflict, not a fault
}

// meaning returns ErrConflict in place of the error of a step that makes it out.
func (st step) meaning(err error) error {
	if st.unique && isDuplicate(err) {
		return mailroom.ErrConflict
	}
	return err
}

// conflicts returns ErrConflict when the step changed another number of rows than it must.
func (st step) conflicts(changed int64) error {
	if st.want > 0 && changed != int64(st.want) {
		return mailroom.ErrConflict
	}
	return nil
}

// row is one line of an answer.
type row interface{ Scan(dest ...any) error }

// tries is how often Update runs its function at most, when the database ends the
// transaction for another one.
const tries = 4

// Update runs fn in one transaction and commits it. When PostgreSQL ends the transaction because of another
// one (a deadlock, a serialisation failure), nothing was stored and fn is run again, at most three times. A
// commit whose answer was lost is never repeated. When a statement failed, nothing is committed and its error
// is returned, even when fn returns none. While the record is held it fails at once (Held).
func (r *Record) Update(ctx context.Context, fn func(tx mailroom.Tx) error) error {
	if err := r.Held(); err != nil {
		return err
	}
	return r.UpdateHeld(ctx, fn)
}

// UpdateHeld is Update also while the record is held: for what an operator does about that.
func (r *Record) UpdateHeld(ctx context.Context, fn func(tx mailroom.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	for try := 1; ; try++ {
		err := r.once(ctx, true, fn)
		if err == nil || try == tries || !wasEndedForAnother(err) || ctx.Err() != nil {
			return err
		}
	}
}

// View runs fn in one transaction that only reads, in one snapshot: it does not read
// what is committed meanwhile.
func (r *Record) View(ctx context.Context, fn func(tx mailroom.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	return r.once(ctx, false, fn)
}

// once runs fn in one transaction. It fails at once while the database hangs (circuit). When the circuit
// opens meanwhile, it gives up with the fault of the circuit.
func (r *Record) once(ctx context.Context, write bool, fn func(tx mailroom.Tx) error) error {
	if r.closed.Load() {
		return explain("begin a transaction", errClosed)
	}
	ctx, leave, err := r.circuit.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	err = r.run(ctx, write, fn)
	var fault *Fault
	if err != nil && errors.As(context.Cause(ctx), &fault) {
		return fault
	}
	r.engine.diagnose(err)
	r.noteDamage(err)
	return err
}

func (r *Record) run(ctx context.Context, write bool, fn func(tx mailroom.Tx) error) error {
	s, err := r.engine.begin(ctx, write)
	if err != nil {
		return explain("begin a transaction", err)
	}
	committed := false
	defer func() { // also after a panic of fn the transaction must end
		if !committed {
			s.rollback()
		}
	}()
	t := &tx{ctx: ctx, r: r, s: s, write: write, shard: r.engine.shard(s)}
	if err := fn(t); err != nil {
		return err
	}
	if err := errors.Join(t.storeCounts(), t.storeEvents(), t.keepMark()); err != nil {
		return err
	}
	if t.failed != nil {
		return t.failed
	}
	if err := ctx.Err(); err != nil {
		return explain("commit", err)
	}
	if failed, err := s.commit(ctx, t.pending); err != nil {
		if failed < len(t.pending) {
			return explain(t.pending[failed].what, t.pending[failed].meaning(err))
		}
		return explain("commit", err)
	}
	committed = true
	return nil
}

// RoundTrips returns how many round trips to the database the record's transactions have taken; 0 for SQLite,
// which has none.
func (r *Record) RoundTrips() int64 { return r.engine.trips() }

// tx is one transaction as the use cases see it.
type tx struct {
	ctx    context.Context
	r      *Record
	s      session
	now    time.Time // zero: it was not read yet
	asked  bool      // it is read with the next statement, or was
	mark   mark      // as it was read
	marks  bool      // the mark is kept
	write  bool
	shard  int
	failed error // the error of the first statement that failed; nil: none did. Nothing is committed after it
	counts map[cell]int64
	events []mailroom.Event // to be stored with the commit

	outdated batch // for dropAnswers: the answers that FirstAnswers left out as too old

	pending   []step // statements that wait for the next round trip
	gathering bool   // together gathers queries
}

var _ mailroom.Tx = (*tx)(nil)

// batch is what a statement over many rows is run with: scalars first, then the columns of each row.
type batch struct {
	args []any
	rows [][]any
}

func (b *batch) add(columns ...any) { b.rows = append(b.rows, columns) }

func (t *tx) exec(what, sql string, args ...any) (n int64, err error) {
	err = t.do(step{what: what, sql: sql, args: args, done: func(touched int64) error { n = touched; return nil }})
	return n, err
}

func (t *tx) query(what, sql string, each func(row) error, args ...any) error {
	return t.do(step{what: what, sql: sql, args: args, each: each})
}

// change is a query that writes.
func (t *tx) change(what, sql string, each func(row) error, args ...any) error {
	if !t.write {
		return t.fail(what, errNotWritable)
	}
	return t.query(what, sql, each, args...)
}

func (t *tx) execBatch(what, sql string, b *batch) (n int64, err error) {
	if len(b.rows) == 0 {
		return 0, nil
	}
	err = t.do(step{what: what, sql: sql, args: b.args, rows: b.rows,
		done: func(touched int64) error { n = touched; return nil }})
	return n, err
}

func (t *tx) queryBatch(what, sql string, b *batch, each func(row) error) error {
	if len(b.rows) == 0 {
		return nil
	}
	return t.do(step{what: what, sql: sql, args: b.args, rows: b.rows, each: each})
}

// anyNumber stands for a statement that may change any number of rows.
const anyNumber = 0

// later runs a statement in the round trip of the next query, at the latest in that of the commit.
// Queries after it read what it stored. When it changes another number of rows than want, the
// transaction fails with ErrConflict.
func (t *tx) later(what, sql string, b *batch, want int) error {
	if !t.write {
		return t.fail(what, errNotWritable)
	}
	t.pending = append(t.pending, step{what: what, sql: sql, args: b.args, rows: b.rows, want: want})
	return nil
}

// laterBatch is later for a statement over rows; without rows it does nothing.
func (t *tx) laterBatch(what, sql string, b *batch, want int) error {
	if len(b.rows) == 0 {
		return nil
	}
	return t.later(what, sql, b, want)
}

// together runs all queries of ask in one round trip where the engine has round trips. Their answers are
// there when together returns and not before, so ask must not use them.
func (t *tx) together(ask func() error) error {
	t.gathering = true
	err := ask()
	t.gathering = false
	if err != nil {
		return err
	}
	return t.flush()
}

// do runs a step and what waits before it. A View reads the time with its first.
func (t *tx) do(s step) error {
	if !t.write {
		t.askTime()
	}
	t.pending = append(t.pending, s)
	if t.gathering {
		return nil
	}
	return t.flush()
}

// lock runs a query that locks. The time is read behind it, unless it is known already.
func (t *tx) lock(what, sql string, each func(row) error, args ...any) error {
	t.pending = append(t.pending, step{what: what, sql: sql, args: args, each: each})
	t.askTime()
	if t.gathering {
		return nil
	}
	return t.flush()
}

func (t *tx) flush() error {
	if len(t.pending) == 0 {
		return nil
	}
	steps := t.pending
	t.pending = nil
	failed, err := t.s.run(t.ctx, steps)
	if err != nil {
		return t.fail(steps[failed].what, steps[failed].meaning(err))
	}
	return nil
}

// fail keeps an error, so that the transaction cannot be committed, and returns it with what was tried.
func (t *tx) fail(what string, err error) error {
	if err == nil {
		return nil
	}
	err = explain(what, err)
	if t.failed == nil {
		t.failed = err
	}
	return err
}

// conflict fails the transaction with ErrConflict: a guard did not hold.
func (t *tx) conflict(what string) error {
	return t.fail(what, mailroom.ErrConflict)
}

// millis returns the stored form of a time: milliseconds since 1970, and 0, which statements turn
// into NULL, for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// instant returns the time that millis stored.
func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// blob returns an empty value for nil, which would be stored as NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// conditions builds the WHERE clause of a list with its arguments.
type conditions struct {
	sql  string
	args []any
}

// arg adds an argument and returns its name in SQL.
func (c *conditions) arg(v any) string {
	c.args = append(c.args, v)
	return fmt.Sprintf("$%d", len(c.args))
}

func (c *conditions) and(sql string) {
	if c.sql != "" {
		c.sql += " AND "
	}
	c.sql += sql
}

// after adds the condition that a row comes after a cursor, in a list that is sorted newest first by (at,
// id). The first half bounds the index. The second half compares rows of the same time, in a form for which
// no planner chooses another index.
func (c *conditions) after(at, id string, cursor mailroom.Cursor, cursorID any) {
	if cursor == (mailroom.Cursor{}) {
		return
	}
	last := c.arg(millis(cursor.At))
	c.and(fmt.Sprintf("%s <= %s AND NOT (%s = %s AND %s >= %s)", at, last, at, last, id, c.arg(cursorID)))
}

// newest sorts the newest rows first by at, and ends the list after n of them. On PostgreSQL there may be
// more of the last millisecond, in no order: no index holds those of one millisecond sorted by id, and
// PostgreSQL would rather sort a whole list than them alone. Who reads the list sorts it by (at, id), and
// cuts it.
func (c *conditions) newest(at, id string, n int) string {
	limit := c.arg(n)
	return " ORDER BY " + at + " DESC /*sqlite , " + id + " DESC LIMIT " + limit + "*/ /*postgres FETCH FIRST " + limit +
		" ROWS WITH TIES*/"
}

// limit returns how many rows a page may have: 1 to maxPage.
func limit(p mailroom.Page) int { return min(max(p.Limit, 1), maxPage) }

// maxPage is the longest page, and one more row for callers who check whether there is a next page.
const maxPage = mailroom.MaxPage + 1

// one returns a function that scans one row into dest; found becomes true when there was a row.
func one(dest ...any) (each func(row) error, found *bool) {
	found = new(bool)
	return func(r row) error { *found = true; return r.Scan(dest...) }, found
}

// errNotWritable is the error of a statement that writes inside View: a fault of the use case.
var errNotWritable = own("a View does not write; use Update")

// errClosed is the error of every call after Close.
var errClosed = own("the record is closed")

func distinct(ids []domain.MemberID) []domain.MemberID {
	visited := make(map[domain.MemberID]bool, len(ids))
	out := make([]domain.MemberID, 0, len(ids))
	for _, id := range ids {
		if !visited[id] {
			visited[id] = true
			out = append(out, id)
		}
	}
	return out
}
