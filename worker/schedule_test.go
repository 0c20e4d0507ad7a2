package worker_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/worker"
)

// asked is a queue that keeps its tasks and when each was enqueued, and counts slots.
type asked struct {
	mu      sync.Mutex
	tasks   []mailroom.Task
	times   []time.Time
	fault   error
	waiting int
	slots   map[string]*slotCount
}

// slotCount counts the slots of a task.
type slotCount struct {
	number int64
	until  time.Time
}

func (q *asked) Enqueue(_ context.Context, tasks ...mailroom.Task) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for range tasks {
		q.times = append(q.times, time.Now())
	}
	q.tasks = append(q.tasks, tasks...)
	return q.fault
}

// asked returns the tasks that were enqueued.
func (q *asked) asked() []mailroom.Task {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.tasks)
}

func (q *asked) Depth(context.Context, string) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting, q.fault
}

// TakeSlot counts slots as the queue does.
func (q *asked) TakeSlot(_ context.Context, task mailroom.Task, every time.Duration, known int64) (mailroom.Slot, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	name := strings.Join(append([]string{task.Type}, task.IDs...), ":")
	if q.slots == nil {
		q.slots = map[string]*slotCount{}
	}
	if q.slots[name] == nil {
		q.slots[name] = &slotCount{}
	}
	c := q.slots[name]
	left := time.Until(c.until)
	if c.number != 0 && c.number != known && (known != 0 || left > 0) {
		return mailroom.Slot{Number: c.number, Left: max(left, 0)}, nil
	}
	c.number, c.until = c.number+1, time.Now().Add(every)
	return mailroom.Slot{Number: c.number, Taken: true, Left: every}, nil
}

func (q *asked) NewestSlot(_ context.Context, task mailroom.Task) (int64, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c := q.slots[task.Type]; c != nil {
		return c.number, q.fault
	}
	return 0, q.fault
}

func (q *asked) Ping(context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.fault
}

func (q *asked) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.fault = err
}

func (q *asked) ids() (ids []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, task := range q.tasks {
		ids = append(ids, task.ID)
	}
	return ids
}

// pass advances the clock of the synctest bubble; the test does not wait.
func pass(d time.Duration) { <-time.After(d) }

func TestSchedule(t *testing.T) {
	start := func(ctx context.Context, q worker.Slots, p worker.Periodic, log *slog.Logger) (ended chan struct{}) {
		ended = make(chan struct{})
		go func() { worker.Run(ctx, q, []worker.Periodic{p}, log); close(ended) }()
		return ended
	}
	run := func(ctx context.Context, q worker.Slots, log *slog.Logger) (ended chan struct{}) {
		return start(ctx, q, worker.Periodic{Type: mailroom.TaskExpire, Every: time.Second}, log)
	}
	quiet := slog.New(slog.DiscardHandler)
	t.Run("at_once_and_then_once_a_slot", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			pass(1300 * time.Millisecond)
			ctx, cancel := context.WithCancel(t.Context())
			var q asked
			began := time.Now()
			ended := run(ctx, &q, quiet)
			pass(2500 * time.Millisecond)
			cancel()
			<-ended
			var offsets []time.Duration
			for _, at := range q.times {
				offsets = append(offsets, at.Sub(began))
			}
			if diff := cmp.Diff([]time.Duration{0, time.Second, 2 * time.Second}, offsets); diff != "" {
				t.Errorf("asked at (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"inmail:expire:1", "inmail:expire:2", "inmail:expire:3"}, q.ids()); diff != "" {
				t.Errorf("ids (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("every_row_with_slots_and_no_other", func(t *testing.T) {
		var want []worker.Periodic
		for _, kind := range mailroom.TaskKinds() {
			switch {
			case kind.Type == mailroom.TaskSnapshot:
				want = append(want, worker.Periodic{Type: kind.Type, Every: time.Minute})
			case kind.Every > 0 && kind.PerCRM:
				want = append(want, worker.Periodic{Type: kind.Type, Every: kind.Every, CRM: "one"},
					worker.Periodic{Type: kind.Type, Every: kind.Every, CRM: "two"})
			case kind.Every > 0:
				want = append(want, worker.Periodic{Type: kind.Type, Every: kind.Every})
			}
		}
		got := worker.Schedule(map[string]time.Duration{mailroom.TaskSnapshot: time.Minute}, []domain.CRM{"one", "two"})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the schedule (-want +got):\n%s", diff)
		}
	})
	t.Run("each_CRM_has_slots_of_its_own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var q asked
			first := start(ctx, &q, worker.Periodic{Type: mailroom.TaskCRMPush, Every: time.Second, CRM: "one"}, quiet)
			pass(time.Second / 4)
			second := start(ctx, &q, worker.Periodic{Type: mailroom.TaskCRMPush, Every: time.Second, CRM: "two"}, quiet)
			pass(time.Second / 4)
			cancel()
			<-first
			<-second
			want := []mailroom.Task{{Type: mailroom.TaskCRMPush, IDs: []string{"one"}, ID: "crm:push:one:1"},
				{Type: mailroom.TaskCRMPush, IDs: []string{"two"}, ID: "crm:push:two:1"}}
			if diff := cmp.Diff(want, q.tasks); diff != "" {
				t.Errorf("tasks (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("two_schedulers_enqueue_one_task_for_a_slot", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			both, cancel := context.WithCancel(t.Context())
			one, leave := context.WithCancel(both)
			var q asked
			first := run(one, &q, quiet)
			pass(300 * time.Millisecond) // later, in the same slot
			second := run(both, &q, quiet)
			pass(3 * time.Second)
			if ids := q.ids(); len(ids) != 4 {
				t.Errorf("in the slots at 0 to 3 s: %v", ids)
			}
			leave() // the other goes on
			<-first
			pass(3 * time.Second)
			cancel()
			<-second
			want := []string{"inmail:expire:1", "inmail:expire:2", "inmail:expire:3", "inmail:expire:4", "inmail:expire:5", "inmail:expire:6", "inmail:expire:7"}
			if diff := cmp.Diff(want, q.ids()); diff != "" {
				t.Errorf("ids (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("a_schedule_that_starts_again_goes_on_with_the_slot", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			daily := worker.Periodic{Type: mailroom.TaskCRMReconcile, Every: 24 * time.Hour, CRM: "one"}
			var q asked
			for range 5 { // starts, 4 h apart
				ctx, cancel := context.WithCancel(t.Context())
				ended := start(ctx, &q, daily, quiet)
				pass(4 * time.Hour)
				cancel()
				<-ended
			}
			if ids := q.ids(); len(ids) != 1 {
				t.Errorf("in 20 h, and five starts: %v", ids)
			}
			pass(5 * time.Hour) // the slot ended while no schedule ran
			ctx, cancel := context.WithCancel(t.Context())
			ended := start(ctx, &q, daily, quiet)
			pass(time.Second)
			cancel()
			<-ended
			if ids := q.ids(); len(ids) != 2 {
				t.Errorf("after 25 h: %v", ids)
			}
		})
	})
	t.Run("a_queue_that_is_down_is_asked_again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			said := &lines{}
			q := asked{fault: errors.New("down")}
			ended := start(ctx, &q, worker.Periodic{Type: mailroom.TaskRetain, Every: time.Hour}, slog.New(said))
			pass(12 * time.Second) // the slot is taken, and its task is tried every 5 s
			q.fail(nil)
			pass(30 * time.Minute)
			cancel()
			<-ended
			want := []string{"record:retain:1", "record:retain:1", "record:retain:1", "record:retain:1"}
			if diff := cmp.Diff(want, q.ids()); diff != "" {
				t.Errorf("ids (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]slog.Level{slog.LevelError, slog.LevelInfo}, said.levels); diff != "" {
				t.Errorf("said when it begins and when it ends (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("a_queue_that_nobody_works_on_gets_no_more", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			q := asked{waiting: 1000}
			often := run(ctx, &q, quiet)
			rare := start(ctx, &q, worker.Periodic{Type: mailroom.TaskRetain, Every: time.Hour}, quiet)
			pass(10500 * time.Millisecond)
			beat, _ := q.NewestSlot(ctx, mailroom.Task{Type: mailroom.TaskExpire})
			q.mu.Lock()
			q.waiting = 0
			q.mu.Unlock()
			pass(time.Second)
			cancel()
			<-often
			<-rare
			if diff := cmp.Diff([]string{"record:retain:1", "inmail:expire:12"}, q.ids()); diff != "" || beat != 11 {
				t.Errorf("the slots went on to %d; ids (-want +got):\n%s", beat, diff)
			}
		})
	})
}

// TestSlotsHaveNoTimeOfDay looks for what makes a time of day of a time: what is left of it is only good for
// measuring how long something takes, by a clock that is never set (F43).
func TestSlotsHaveNoTimeOfDay(t *testing.T) {
	timeOfDay := regexp.MustCompile(`\.(Unix\w*|Truncate|UTC|Local|In|Format|Date|Clock)\(`)
	for _, file := range []string{"schedule.go", "beat.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := timeOfDay.FindAllString(string(text), -1); len(found) > 0 || !strings.Contains(string(text), "time.Since(") {
			t.Errorf("%s reads the time of day: %q", file, found)
		}
	}
}

// TestBeat checks when the schedule is found to stand still.
func TestBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var q asked
		b := worker.NewBeat(&q)
		watched := make(chan struct{})
		said := &lines{}
		go func() { b.Watch(ctx, slog.New(said)); close(watched) }()
		is := func(when string, want mailroom.Cause) {
			t.Helper()
			if err := b.Check(ctx); (err == nil) != (want == "") || err != nil && mailroom.CauseOf(err) != want {
				t.Errorf("%s: %v, want %q", when, err, want)
			}
		}
		schedule := func() (stop func()) {
			ctx, cancel := context.WithCancel(ctx)
			ended := make(chan struct{})
			go func() { worker.Run(ctx, &q, worker.Schedule(nil, nil), slog.New(slog.DiscardHandler)); close(ended) }()
			return func() { cancel(); <-ended }
		}
		is("at the start", "")
		pass(worker.StandsStill + time.Second)
		is("no schedule ever ran", mailroom.CauseStill)
		stop := schedule()
		pass(3 * time.Second)
		is("it runs", "")
		pass(time.Hour)
		is("it runs for an hour", "")
		stop()
		pass(worker.StandsStill / 2)
		is("just after it ended", "")
		pass(10 * time.Second)
		is("15 s after it ended", mailroom.CauseStill)
		if age := b.Age(); age < worker.StandsStill {
			t.Errorf("its age is %s", age)
		}
		stop = schedule()
		pass(3 * time.Second)
		is("it runs again", "")
		q.fail(mailroom.Because(mailroom.CauseFull, errors.New("down")))
		pass(15 * time.Second)
		is("the queue is full", mailroom.CauseFull)
		q.fail(nil)
		pass(3 * time.Second)
		is("the queue is back", "")
		stop()
		cancel()
		<-watched
		want := []slog.Level{slog.LevelWarn, slog.LevelInfo, slog.LevelWarn, slog.LevelInfo, slog.LevelWarn, slog.LevelInfo}
		if diff := cmp.Diff(want, said.levels); diff != "" {
			t.Errorf("said when it stands still and when it goes on (-want +got):\n%s", diff)
		}
	})
}

// lines is a log that keeps the levels.
type lines struct{ levels []slog.Level }

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }
func (l *lines) Handle(_ context.Context, r slog.Record) error {
	l.levels = append(l.levels, r.Level)
	return nil
}
func (l *lines) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l *lines) WithGroup(string) slog.Handler      { return l }
