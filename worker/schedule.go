package worker

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// Periodic is a task that is enqueued once in each of its slots.
type Periodic struct {
	Type  string
	Every time.Duration // how long a slot is
	CRM   domain.CRM    // the CRM that the task is for; empty when it is not for one CRM
}

// Slots is the queue as schedulers need it. It counts the slots of each periodic task for all of them.
type Slots interface {
	mailroom.Queue
	// TakeSlot takes the next slot of a task for its caller while known, a slot that the caller has waited
	// out, is the newest. Otherwise it returns the newest, which another scheduler took.
	TakeSlot(ctx context.Context, task mailroom.Task, every time.Duration, known int64) (mailroom.Slot, error)
	Depth(ctx context.Context, queue string) (int, error) // tasks that wait in a queue
}

const (
	// scheduleRetry is how long a scheduler waits, at most, when the queue did not answer.
	scheduleRetry = 5 * time.Second
	// crowded is how many tasks wait in a queue before slots that recur soon are left out: workers that are
	// away or behind find one of each kind, and not those of every second in which they were.
	crowded = 1000
)

// Schedule returns the periodic tasks: all rows of the task table that have slots. every overrides intervals
// of the table by task type, as settings say. Intervals are real time, even where a test sets the clock of
// the rules. A task type that is per CRM has one periodic task for each of crms.
func Schedule(every map[string]time.Duration, crms []domain.CRM) (periodic []Periodic) {
	for _, kind := range mailroom.TaskKinds() {
		if kind.Every == 0 {
			continue
		}
		slot := cmp.Or(every[kind.Type], kind.Every)
		if !kind.PerCRM {
			periodic = append(periodic, Periodic{Type: kind.Type, Every: slot})
			continue
		}
		for _, crm := range crms {
			periodic = append(periodic, Periodic{Type: kind.Type, Every: slot, CRM: crm})
		}
	}
	return periodic
}

// Run enqueues every periodic task once in each of its slots, until ctx ends. Several processes may run a
// schedule: the one that takes a slot first enqueues its task. A slot begins when the one before has lasted
// its time, as measured by whoever takes it; no clock that can be set has a say.
func Run(ctx context.Context, queue Slots, periodic []Periodic, log *slog.Logger) {
	var wg sync.WaitGroup
	for _, p := range periodic {
		wg.Go(func() { p.run(ctx, queue, log) })
	}
	wg.Wait()
}

func (p Periodic) run(ctx context.Context, queue Slots, log *slog.Logger) {
	s := slots{Periodic: p, queue: queue}
	failing := false
	for {
		began := time.Now()
		wait, err := s.next(ctx)
		if ctx.Err() != nil {
			return
		}
		if (err != nil) != failing { // logged when it begins and when it ends, not every second
			failing = err != nil
			if failing {
				log.ErrorContext(ctx, "cannot enqueue a periodic task", "type", p.Type, "error", err)
			} else {
				log.InfoContext(ctx, "a periodic task can be enqueued again", "type", p.Type)
			}
		}
		if !pause(ctx, wait-time.Since(began)) {
			return
		}
	}
}

// slots is what one scheduler knows of the slots of a periodic task.
type slots struct {
	Periodic
	queue Slots
	known int64  // the newest slot; 0: none
	due   string // the id of a task whose slot was taken, and that is not enqueued yet; empty: none
}

// next takes the next slot and enqueues its task, unless another scheduler took it. It returns how long to
// wait, from when it was called, before it is called again.
func (s *slots) next(ctx context.Context) (wait time.Duration, err error) {
	task := s.task()
	if s.due == "" {
		slot, err := s.queue.TakeSlot(ctx, task, s.Every, s.known)
		if err != nil {
			return min(s.Every, scheduleRetry), err
		}
		if s.known = slot.Number; !slot.Taken {
			return slot.Left, nil
		}
		if s.leftOut(ctx) {
			return s.Every, nil
		}
		s.due = fmt.Sprintf("%s:%d", strings.Join(append([]string{task.Type}, task.IDs...), ":"), slot.Number)
	}
	task.ID = s.due
	if err := s.queue.Enqueue(ctx, task); err != nil {
		return min(s.Every, scheduleRetry), err
	}
	s.due = ""
	return s.Every, nil
}

// leftOut reports whether the slot's task is not enqueued because too many wait already.
func (s *slots) leftOut(ctx context.Context) bool {
	kind, _ := mailroom.TaskKindOf(s.Type)
	if kind.Retries > 0 {
		return false
	}
	waiting, err := s.queue.Depth(ctx, kind.Queue)
	return err == nil && waiting >= crowded
}

// task returns the periodic task without the id of a slot.
func (p Periodic) task() mailroom.Task {
	if p.CRM == "" {
		return mailroom.Task{Type: p.Type}
	}
	return mailroom.Task{Type: p.Type, IDs: []string{string(p.CRM)}}
}

// pause waits for d. It returns false when ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
