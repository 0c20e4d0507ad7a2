package worker

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// Periodic is a task that is enqueued once in each of its slots. Several schedulers enqueue the task of a
// slot under the same id, so it runs once (DESIGN, When things die).
type Periodic struct {
	Type    string
	Every   time.Duration // how long a slot is
	AtStart bool          // also enqueued when the schedule starts, in the middle of a slot
	CRM     domain.CRM    // the CRM that the task is for; empty when it is not for one CRM
}

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
			periodic = append(periodic, Periodic{Type: kind.Type, Every: slot, AtStart: kind.AtStart})
			continue
		}
		for _, crm := range crms {
			periodic = append(periodic, Periodic{Type: kind.Type, Every: slot, AtStart: kind.AtStart, CRM: crm})
		}
	}
	return periodic
}

// Run enqueues every periodic task at the beginning of each of its slots, until ctx ends.
func Run(ctx context.Context, queue mailroom.Queue, periodic []Periodic, log *slog.Logger) {
	var wg sync.WaitGroup
	for _, p := range periodic {
		wg.Go(func() { p.run(ctx, queue, log) })
	}
	wg.Wait()
}

func (p Periodic) run(ctx context.Context, queue mailroom.Queue, log *slog.Logger) {
	failing := false
	if !p.AtStart && !p.rest(ctx, time.Now()) {
		return
	}
	for {
		now := time.Now()
		err := queue.Enqueue(ctx, p.task(now))
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
		if !p.rest(ctx, now) {
			return
		}
	}
}

// rest waits from now until the next slot begins. It returns false when ctx ended before.
func (p Periodic) rest(ctx context.Context, now time.Time) bool {
	next := time.NewTimer(now.Truncate(p.Every).Add(p.Every).Sub(now))
	defer next.Stop()
	select {
	case <-next.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// task returns the task of the slot that contains now.
func (p Periodic) task(now time.Time) mailroom.Task {
	slot := now.UnixMilli() / p.Every.Milliseconds()
	if p.CRM != "" {
		id := fmt.Sprintf("%s:%s:%d", p.Type, p.CRM, slot)
		return mailroom.Task{Type: p.Type, IDs: []string{string(p.CRM)}, ID: id}
	}
	return mailroom.Task{Type: p.Type, ID: fmt.Sprintf("%s:%d", p.Type, slot)}
}
