package worker_test

import (
	"context"
	"errors"
	"log/slog"
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

// asked is a queue that keeps its tasks and when each was enqueued.
type asked struct {
	mu    sync.Mutex
	tasks []mailroom.Task
	times []time.Time
	fault error
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

// pass advances the clock of the synctest bubble; the test does not wait.
func pass(d time.Duration) { <-time.After(d) }

func TestSchedule(t *testing.T) {
	start := func(ctx context.Context, q mailroom.Queue, p worker.Periodic, log *slog.Logger) (ended chan struct{}) {
		ended = make(chan struct{})
		go func() { worker.Run(ctx, q, []worker.Periodic{p}, log); close(ended) }()
		return ended
	}
	run := func(ctx context.Context, q mailroom.Queue, log *slog.Logger) (ended chan struct{}) {
		return start(ctx, q, worker.Periodic{Type: mailroom.TaskExpire, Every: time.Second, AtStart: true}, log)
	}
	t.Run("at_once_and_then_at_the_beginning_of_each_slot", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			pass(1300 * time.Millisecond) // into the middle of a slot
			ctx, cancel := context.WithCancel(t.Context())
			var q asked
			began := time.Now()
			ended := run(ctx, &q, slog.New(slog.DiscardHandler))
			pass(2 * time.Second)
			cancel()
			<-ended
			var offsets []time.Duration
			ids := map[string]bool{}
			for i, at := range q.times {
				offsets = append(offsets, at.Sub(began))
				ids[q.tasks[i].ID] = true
			}
			if diff := cmp.Diff([]time.Duration{0, 700 * time.Millisecond, 1700 * time.Millisecond}, offsets); diff != "" {
				t.Errorf("asked at (-want +got):\n%s", diff)
			}
			if len(ids) != 3 {
				t.Errorf("ids %v: not one for each slot", ids)
			}
		})
	})
	t.Run("only_at_the_beginning_of_each_slot", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			pass(1300 * time.Millisecond)
			ctx, cancel := context.WithCancel(t.Context())
			var q asked
			began := time.Now()
			later := worker.Periodic{Type: mailroom.TaskExpire, Every: time.Second}
			ended := start(ctx, &q, later, slog.New(slog.DiscardHandler))
			pass(2 * time.Second)
			cancel()
			<-ended
			var offsets []time.Duration
			for _, at := range q.times {
				offsets = append(offsets, at.Sub(began))
			}
			if diff := cmp.Diff([]time.Duration{700 * time.Millisecond, 1700 * time.Millisecond}, offsets); diff != "" {
				t.Errorf("asked at (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("every_row_with_slots_and_no_other", func(t *testing.T) {
		var want []worker.Periodic
		for _, kind := range mailroom.TaskKinds() {
			switch {
			case kind.Type == mailroom.TaskSnapshot:
				want = append(want, worker.Periodic{Type: kind.Type, Every: time.Minute, AtStart: true})
			case kind.Every > 0 && kind.PerCRM:
				want = append(want, worker.Periodic{Type: kind.Type, Every: kind.Every, AtStart: kind.AtStart, CRM: "one"},
					worker.Periodic{Type: kind.Type, Every: kind.Every, AtStart: kind.AtStart, CRM: "two"})
			case kind.Every > 0:
				want = append(want, worker.Periodic{Type: kind.Type, Every: kind.Every, AtStart: kind.AtStart})
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
			var one, two asked
			push := worker.Periodic{Type: mailroom.TaskCRMPush, Every: time.Second, AtStart: true, CRM: "one"}
			first := start(ctx, &one, push, slog.New(slog.DiscardHandler))
			push.CRM = "two"
			second := start(ctx, &two, push, slog.New(slog.DiscardHandler))
			pass(time.Second / 2)
			cancel()
			<-first
			<-second
			a, b := one.tasks[0], two.tasks[0]
			if a.ID == b.ID || !strings.HasPrefix(a.ID, "crm:push:one:") || a.IDs[0] != "one" || b.IDs[0] != "two" {
				t.Errorf("%+v and %+v", a, b)
			}
		})
	})
	t.Run("two_schedulers_ask_for_a_slot_under_one_id", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var one, other asked
			first := run(ctx, &one, slog.New(slog.DiscardHandler))
			pass(300 * time.Millisecond) // later, in the same slot
			second := run(ctx, &other, slog.New(slog.DiscardHandler))
			pass(3 * time.Second)
			cancel()
			<-first
			<-second
			if diff := cmp.Diff(one.tasks, other.tasks); diff != "" {
				t.Errorf("the tasks of the two (-one +other):\n%s", diff)
			}
		})
	})
	t.Run("a_queue_that_is_down_is_asked_again_in_the_next_slot", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			said := &lines{}
			q := asked{fault: errors.New("down")}
			ended := run(ctx, &q, slog.New(said))
			pass(2500 * time.Millisecond)
			q.mu.Lock()
			q.fault = nil
			q.mu.Unlock()
			pass(2 * time.Second)
			cancel()
			<-ended
			if len(q.tasks) != 5 {
				t.Errorf("asked %d times in five slots", len(q.tasks))
			}
			if diff := cmp.Diff([]slog.Level{slog.LevelError, slog.LevelInfo}, said.levels); diff != "" {
				t.Errorf("said when it begins and when it ends (-want +got):\n%s", diff)
			}
		})
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
