package record_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"inmail/connectors/record"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// machine is a machine's clock that the test sets.
type machine struct {
	mu    sync.Mutex
	now   time.Time
	moved time.Duration
}

func (m *machine) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now.Add(m.moved)
}

func (m *machine) Ahead() (time.Duration, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.moved, true
}

func (m *machine) pass(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
}

// timeline is a record that runs by a machine's clock which the test sets: its own on SQLite, and on
// PostgreSQL the server's.
type timeline struct {
	t   *testing.T
	cfg record.Config
	*machine
	rec *record.Record
}

// noon is when a timeline begins.
var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// onTimelines runs a test on both engines.
func onTimelines(t *testing.T, name string, test func(l *timeline)) {
	t.Run(name, func(t *testing.T) {
		for engine, config := range map[string]func(t testing.TB) record.Config{"sqlite": sqliteConfig, "postgres": postgresConfig} {
			t.Run(engine, func(t *testing.T) {
				l := &timeline{t: t, cfg: config(t), machine: &machine{now: noon}}
				l.start()
				t.Cleanup(func() { l.rec.Close() })
				test(l)
			})
		}
	})
}

// start opens the record, as a process does that starts.
func (l *timeline) start() {
	l.t.Helper()
	rec, err := record.Open(l.t.Context(), l.cfg, l.machine)
	if err != nil {
		l.t.Fatal(err)
	}
	record.LetServerShow(rec)
	l.rec = rec
}

// another is a second process over the same record, whose clock is the same. SQLite has one process.
func (l *timeline) another() *timeline {
	l.t.Helper()
	if !l.cfg.Postgres() {
		return l
	}
	other := *l
	other.start()
	l.t.Cleanup(other.rec.Close)
	return &other
}

// stamp is the time of a transaction that stores it.
func (l *timeline) stamp() (now time.Time) {
	l.t.Helper()
	err := l.rec.Update(l.t.Context(), func(tx mailroom.Tx) error {
		now = tx.Now()
		return tx.SetState("stamp", []byte(now.String()))
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return now
}

// readTime is the time of a transaction that only reads.
func (l *timeline) readTime() (now time.Time) {
	l.t.Helper()
	err := l.rec.View(l.t.Context(), func(tx mailroom.Tx) error { now = tx.Now(); return nil })
	if err != nil {
		l.t.Fatal(err)
	}
	return now
}

func (l *timeline) want(what string, got, want time.Time) {
	l.t.Helper()
	if !got.Equal(want) {
		l.t.Errorf("%s: %s, want %s", what, got.Format(time.StampMilli), want.Format(time.StampMilli))
	}
}

// mark is how far the mark of a record that stored something now lies ahead.
const mark = 3 * time.Second

func TestClock(t *testing.T) {
	onTimelines(t, "R08_the_record_has_the_time_that_its_clock_shows", func(l *timeline) {
		other := l.another()
		for _, d := range []time.Duration{0, time.Millisecond, 700 * time.Millisecond, 700 * time.Millisecond, time.Hour, 365 * 24 * time.Hour} {
			l.pass(d)
			l.want("stored", l.stamp(), l.now)
			l.want("read", other.readTime(), l.now)
			l.want("stored by another", other.stamp(), l.now)
		}
	})
	onTimelines(t, "F43_time_runs_on_at_nine_tenths_where_the_clock_was_set_back", func(l *timeline) {
		other := l.another()
		newest := l.stamp()
		l.pass(-time.Hour)
		went := newest.Add(mark) // no later stamp can have been given out
		l.want("read right after", other.readTime(), went)
		l.want("stored right after", other.stamp(), went)
		for _, p := range []*timeline{l, other} {
			l.pass(10 * time.Second)
			went = went.Add(9 * time.Second)
			l.want("10 s later", p.stamp(), went)
			l.want("10 s later, read", p.readTime(), went)
		}
		if ahead := other.rec.ClockOffset(); ahead != went.Sub(l.now) {
			l.t.Errorf("it is %s ahead, want %s", ahead, went.Sub(l.now))
		}
		l.pass(10*went.Sub(l.now) - time.Second) // they meet after ten times as long as they are apart
		l.want("just before they meet", l.stamp().Truncate(time.Second), l.now.Truncate(time.Second))
		l.pass(2 * time.Second)
		l.want("they have met", l.stamp(), l.now)
		l.pass(time.Hour)
		l.want("an hour later", other.stamp(), l.now)
		if ahead := other.rec.ClockOffset(); ahead != 0 {
			l.t.Errorf("it is %s ahead, want 0", ahead)
		}
	})
	onTimelines(t, "F43_a_restart_with_the_clock_set_back_goes_on_behind_the_newest_stamp", func(l *timeline) {
		l.stamp()
		l.pass(900 * time.Millisecond)
		newest := l.stamp() // the mark is not moved on for it
		l.rec.Close()
		l.pass(-time.Hour)
		l.start()
		if now := l.stamp(); now.Before(newest) || now.After(newest.Add(mark)) {
			l.t.Errorf("after the restart it is %s, the newest stamp was %s", now, newest)
		}
	})
	onTimelines(t, "F43_a_step_back_within_the_mark_is_noticed_by_who_read_the_time", func(l *timeline) {
		l.stamp()
		l.pass(800 * time.Millisecond)
		newest := l.stamp()
		l.pass(-500 * time.Millisecond)
		if now := l.stamp(); now.Before(newest) {
			l.t.Errorf("it is %s after %s", now, newest)
		}
	})
	onTimelines(t, "R33_time_travel_moves_the_time_and_not_the_mark", func(l *timeline) {
		l.stamp()
		l.mu.Lock()
		l.moved = 168 * time.Hour
		l.mu.Unlock()
		l.want("moved", l.stamp(), noon.Add(168*time.Hour))
		l.want("moved, outside a transaction", l.rec.Now(), noon.Add(168*time.Hour))
		l.mu.Lock()
		l.moved = 0
		l.mu.Unlock()
		l.want("a process that was not moved", l.another().stamp(), noon)
	})
	t.Run("R10_the_time_is_read_behind_the_lock/postgres", func(t *testing.T) {
		cfg := postgresConfig(t)
		rec, err := record.Open(t.Context(), cfg, &machine{now: noon}) // the server's clock, not this machine's
		if err != nil {
			t.Fatal(err)
		}
		defer rec.Close()
		store := func(fn func(tx mailroom.Tx) error) error { return rec.Update(t.Context(), fn) }
		lock := func(tx mailroom.Tx) error { return tx.LockMembers([]domain.MemberID{"ada"}) }
		m := domain.NewMember("ada", "Ada")
		if err := store(func(tx mailroom.Tx) error {
			return tx.PutMembers([]*domain.Member{&m}, 1, func(string) int { return 10 })
		}); err != nil {
			t.Fatal(err)
		}
		var first, second time.Time
		waits := make(chan error, 1)
		err = store(func(tx mailroom.Tx) error {
			if err := lock(tx); err != nil {
				return err
			}
			go func() {
				waits <- store(func(tx mailroom.Tx) error {
					err := lock(tx)
					second = tx.Now()
					return err
				})
			}()
			awaitLock(t, cfg.URL)
			return rec.View(t.Context(), func(tx mailroom.Tx) error { first = tx.Now(); return nil }) // later than the other began to wait
		})
		if err := errors.Join(err, <-waits); err != nil {
			t.Fatal(err)
		}
		if second.Before(first) {
			t.Errorf("who waited has the time %s, and had not got the lock at %s", second, first)
		}
		if offset := rec.ClockOffset(); offset.Abs() < time.Hour == (time.Since(noon).Abs() > 2*time.Hour) {
			t.Errorf("this machine's clock is set to %s, and the record finds it %s apart", noon, offset)
		}
	})
	onTimelines(t, "F30_a_clock_that_is_apart_is_told_once", func(l *timeline) {
		var notices []bool
		l.rec.WatchClock(func(_ time.Duration, apart bool) { notices = append(notices, apart) })
		l.stamp()
		l.pass(-time.Hour)
		l.stamp()
		l.stamp()
		l.pass(11 * time.Hour)
		l.stamp()
		l.stamp()
		if len(notices) != 2 || !notices[0] || notices[1] {
			l.t.Errorf("notices %v, want once that it is apart and once that it is not", notices)
		}
	})
}

// awaitLock waits until somebody waits for a lock in a database.
func awaitLock(t *testing.T, url string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for waiting := 0; waiting == 0; {
		const look = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
		if err := conn.QueryRow(t.Context(), look).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMigrateToOneRestriction opens a record in which two processes restricted a member twice at once: the
// one that ends last holds, and what somebody has undone does not.
func TestMigrateToOneRestriction(t *testing.T) {
	onOld(t, func(t *testing.T, o *old) {
		for _, row := range []string{
			"'short', 'ada', 8000, 10000, NULL", "'long', 'ada', 8001, 30000, NULL", "'gone', 'ada', 8000, 50000, 8500",
			"'twin', 'bob', 8000, 10000, NULL", "'twine', 'bob', 8000, 10000, NULL",
		} {
			o.put("INSERT INTO restrictions (id, member, started_at, until, undone_at, step, trigger_name, value, bound) VALUES (" + row + ", 1, 'burst_minute', 11, 10)")
		}
		err := o.open().View(t.Context(), func(tx mailroom.Tx) error {
			active, err := tx.Restricted([]domain.MemberID{"ada", "bob"})
			if len(active) != 2 || active["ada"].Until.UnixMilli() != 30000 || active["bob"].Until.UnixMilli() != 10000 {
				t.Errorf("restricted: %+v", active)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}
