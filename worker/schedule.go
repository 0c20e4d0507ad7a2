package worker

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"inmail/domain/mailroom"
)

// Periodic is a task that is asked for again and again. Several schedulers ask for the same slot under the same
// id, so it runs once (DESIGN, When things die).
type Periodic struct {
	Type  string
	Queue string
	Every time.Duration
}

// Schedule returns what runs by itself. Intervals are real time, whatever clock decides.
func Schedule(pushEvery, snapshotEvery time.Duration) []Periodic {
	return []Periodic{
		{mailroom.TaskExpire, mailroom.QueueUpkeep, time.Second},
		{mailroom.TaskRedrive, mailroom.QueueUpkeep, 3 * time.Second},
		{mailroom.TaskCRMPush, mailroom.QueueCRM, pushEvery},
		{mailroom.TaskSnapshot, mailroom.QueueUpkeep, snapshotEvery},
		{mailroom.TaskRetain, mailroom.QueueUpkeep, time.Hour},
		{mailroom.TaskCRMReconcile, mailroom.QueueCRM, 24 * time.Hour},
	}
}

// Run asks for every periodic task at the beginning of each of its slots, and once at the start, until ctx ends.
func Run(ctx context.Context, queue mailroom.Queue, periodic []Periodic, log *slog.Logger) {
	var wg sync.WaitGroup
	for _, p := range periodic {
		wg.Go(func() { p.run(ctx, queue, log) })
	}
	wg.Wait()
}

func (p Periodic) run(ctx context.Context, queue mailroom.Queue, log *slog.Logger) {
	failing := false
	for {
		now := time.Now()
		err := queue.Enqueue(ctx, p.task(now))
		if ctx.Err() != nil {
			return
		}
		if (err != nil) != failing { // said when it begins and when it ends, not every second
			failing = err != nil
			if failing {
				log.ErrorContext(ctx, "cannot ask for a periodic task", "type", p.Type, "error", err)
			} else {
				log.InfoContext(ctx, "periodic tasks are asked for again", "type", p.Type)
			}
		}
		next := time.NewTimer(now.Truncate(p.Every).Add(p.Every).Sub(now))
		select {
		case <-next.C:
		case <-ctx.Done():
			next.Stop()
			return
		}
	}
}

// task is the task of the slot that holds now.
func (p Periodic) task(now time.Time) mailroom.Task {
	return mailroom.Task{Type: p.Type, Queue: p.Queue, ID: fmt.Sprintf("%s:%d", p.Type, now.UnixMilli()/p.Every.Milliseconds())}
}
