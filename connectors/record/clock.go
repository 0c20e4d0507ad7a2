package record

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"inmail/domain/mailroom"
)

// MachineClock is the clock of a program: it runs with its machine's. PostgreSQL's own takes its place for
// every time that a transaction decides by. A clock that is none, as those of tests are, gives the time
// itself.
type MachineClock interface {
	mailroom.Clock
	// Ahead returns how far Now was moved ahead of the machine's clock (time travel), and whether it runs;
	// one that stands gives the time itself as well.
	Ahead() (moved time.Duration, runs bool)
}

const (
	// MaxOffset is how far the clock of a machine may be from the record's before somebody should set it.
	MaxOffset = 2 * time.Second

	markEvery  = time.Second     // how often a transaction that writes moves the mark on
	markAhead  = 3 * time.Second // how far ahead of the time it is moved
	slowTenths = 9               // the pace of a record whose clock was set back, until it is met again
)

// times is what a process knows of the record's time.
type times struct {
	clock  mailroom.Clock
	latest atomic.Int64 // the newest time that was read, milliseconds, without time travel: the next is no earlier
	offset atomic.Int64 // how far the record's time was from this machine's clock when it was last read, nanoseconds

	mu    sync.Mutex
	apart bool                                   // by more than MaxOffset
	watch func(offset time.Duration, apart bool) // nil: nobody listens
}

// own returns the time of the process without time travel, how far that has moved it, and whether the record
// is asked for its time.
func (c *times) own() (now time.Time, moved time.Duration, asks bool) {
	m, ok := c.clock.(MachineClock)
	if !ok {
		return c.clock.Now(), 0, false
	}
	moved, asks = m.Ahead()
	for {
		now = c.clock.Now()
		again, runs := m.Ahead()
		if again == moved && runs == asks {
			return now.Add(-moved), moved, asks
		}
		moved, asks = again, runs // it was moved in between
	}
}

// Now returns the record's time as far as this process knows it without asking: what waits outside a
// transaction waits by it.
func (r *Record) Now() time.Time {
	now, moved, asks := r.times.own()
	if !asks {
		return now.UTC().Truncate(time.Millisecond)
	}
	return now.Add(moved + time.Duration(r.times.offset.Load())).UTC().Truncate(time.Millisecond)
}

// ClockOffset returns how far the record's time is ahead of this machine's clock, as the last transaction
// found it; negative: behind.
func (r *Record) ClockOffset() time.Duration { return time.Duration(r.times.offset.Load()) }

// WatchClock calls watch when the two are found more than MaxOffset apart, and when that has ended.
func (r *Record) WatchClock(watch func(offset time.Duration, apart bool)) {
	r.times.mu.Lock()
	defer r.times.mu.Unlock()
	r.times.watch = watch
}

// compare notes that the record's time was now at some instant between two of the machine's clock. Where it
// lies between them nothing is known to be wrong: the answer may have waited for a lock.
func (c *times) compare(now, before, after time.Time) {
	offset := max(now.Sub(after), 0)
	if now.Before(before) {
		offset = now.Sub(before)
	}
	c.offset.Store(int64(offset))
	c.mu.Lock()
	defer c.mu.Unlock()
	if apart := offset.Abs() > MaxOffset; apart != c.apart {
		c.apart = apart
		if c.watch != nil {
			c.watch(offset, apart)
		}
	}
}

// saw notes a time that was read.
func (c *times) saw(ms int64) {
	for latest := c.latest.Load(); ms > latest && !c.latest.CompareAndSwap(latest, ms); latest = c.latest.Load() {
	}
}

// readTime reads the time of a transaction, from what the source shows and the clock's row. The source's
// course is what it shows, or while it is behind one that runs on from where it was set back at nine tenths
// of the pace. When that is earlier than a time that was given out, by any process (highest) or by this one
// ($2), the source was set back: the time goes on from the latest that can have been given out. $1 is the
// process's own time, $3 time travel; $4: the process's own time counts as it is.
func readTime(source, keep string) string {
	return `SELECT ` + keep + ` n.shown, n.course, n.time, n.seen, n.set_back_at, n.went_on_from
	FROM (SELECT m.*, CASE WHEN $4::bool THEN m.shown
			WHEN m.course < greatest(m.seen, $2::bigint) THEN greatest(m.reserved, $2::bigint)
			ELSE m.course END AS time
		FROM (SELECT s.shown, k.seen, k.reserved, k.set_back_at, k.went_on_from,
				greatest(s.shown, k.went_on_from
					+ (s.shown - k.set_back_at) * ` + fmt.Sprint(slowTenths) + ` / 10) AS course
			FROM clock k CROSS JOIN (SELECT ` + source + ` AS shown) AS s WHERE k.id = 1) AS m) AS n`
}

// The time is read on PostgreSQL behind whatever was locked in the same round trip, and stands for the rest
// of the transaction in a setting: statements that travel with it compare with it there (timeThere).
var (
	readTimeSQLite   = readTime(`$1`, `$3,`)
	readTimePostgres = readTime(
		`CASE WHEN $1::bigint = 0 THEN floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint ELSE $1::bigint END`,
		`set_config('inmail.now', (n.time + $3::bigint)::text, TRUE),`)
)

// timeThere is the transaction's time inside PostgreSQL.
const timeThere = `current_setting('inmail.now')::bigint`

// moveMark moves the mark on, unless another transaction has, or is about to: nobody waits for it.
const moveMark = `UPDATE clock SET seen = $1, reserved = $2, set_back_at = $3, went_on_from = $4
	WHERE id IN (SELECT k.id FROM clock k WHERE k.id = 1 AND k.seen = $5 FOR UPDATE SKIP LOCKED)`

// mark is the clock's row as a transaction read it, with what the source showed and the time that followed.
type mark struct {
	shown, course, time, highest, setBackAt, wentOnFrom int64
}

// moved returns the row as it should be from now on; false: as it is.
func (m mark) moved() (mark, bool) {
	switch {
	case m.time > m.course: // the source was set back
		m.setBackAt, m.wentOnFrom = m.shown, m.time
	case m.time-m.highest < markEvery.Milliseconds():
		return m, false
	}
	return m, true
}

// errNoTime is what a record answers whose table clock is empty.
var errNoTime = own("its table clock has no row; put it back: INSERT INTO clock VALUES (1, 0, 0, 0, 0)")

// moment is the transaction's time and a while, as an argument of a statement that may travel before the time
// is known.
type moment struct {
	t   *tx
	add time.Duration
}

func (m moment) millis() int64 { return millis(m.t.now.Add(m.add)) }

// at is the transaction's time and a while, as an argument.
func (t *tx) at(add time.Duration) any {
	t.askTime()
	if t.now.IsZero() {
		return moment{t, add}
	}
	return millis(t.now.Add(add))
}

// Now is the time of the whole transaction. It is read with the first statement that needs it, or behind the
// first that locks.
func (t *tx) Now() time.Time {
	if t.now.IsZero() {
		t.askTime()
		_ = t.flush() // the transaction fails with it
	}
	if t.now.IsZero() { // it could not be read, or its row is not there
		_ = t.fail("read the time", errNoTime)
		return t.r.Now()
	}
	return t.now
}

// askTime lets the time be read with the next statement, once.
func (t *tx) askTime() {
	if t.asked {
		return
	}
	t.asked = true
	before, moved, asks := t.r.times.own()
	given := int64(0)
	if !asks || t.r.engine.ownTime() {
		given = before.UnixMilli()
	}
	var kept any
	t.pending = append(t.pending, step{what: "read the time", sql: t.r.engine.readTime(),
		args: []any{given, t.r.times.latest.Load(), moved.Milliseconds(), !asks},
		each: func(r row) error {
			m := &t.mark
			if err := r.Scan(&kept, &m.shown, &m.course, &m.time, &m.highest, &m.setBackAt, &m.wentOnFrom); err != nil {
				return err
			}
			t.now = time.UnixMilli(m.time).Add(moved).UTC()
			if t.marks = asks && t.write; asks {
				after, _, _ := t.r.times.own()
				t.r.times.saw(m.time)
				t.r.times.compare(time.UnixMilli(m.time), before.Truncate(time.Millisecond), after)
			}
			return nil
		}})
}

// keepMark moves the mark on when it is due, with the last of what the transaction stores.
func (t *tx) keepMark() error {
	if !t.marks {
		return nil
	}
	m, due := t.mark.moved()
	if !due {
		return nil
	}
	args := []any{m.time, m.time + markAhead.Milliseconds(), m.setBackAt, m.wentOnFrom, m.highest}
	return t.later("move the clock's mark on", moveMark, &batch{args: args}, anyNumber)
}
