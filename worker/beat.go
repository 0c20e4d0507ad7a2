package worker

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"inmail/domain/mailroom"
)

const (
	// StandsStill is the age of the schedule's last beat from which on it stands still.
	StandsStill = 10 * time.Second
	// beatLook is how often a process reads the beat.
	beatLook = 2 * time.Second
)

// beatTask is the periodic task whose slots are the beat: the one that recurs most often.
var beatTask = mailroom.Task{Type: mailroom.TaskExpire}

// Beat watches the schedule of all processes: a slot that was not there before is a beat. It measures by the
// clock of its process that is never set, so it knows a schedule that stands still whatever the clocks of
// machines do. Make it with NewBeat.
type Beat struct {
	queue Beats

	mu   sync.Mutex
	slot int64
	at   time.Time // when slot was read first; the start, before any
}

// Beats is the queue as a Beat needs it.
type Beats interface {
	NewestSlot(ctx context.Context, task mailroom.Task) (int64, error)
	Ping(ctx context.Context) error // an error when tasks cannot be enqueued
}

// NewBeat returns a Beat of the schedule that enqueues into a queue.
func NewBeat(queue Beats) *Beat { return &Beat{queue: queue, at: time.Now()} }

// Watch reads the beat until ctx ends. It logs when the schedule stands still and when it goes on.
func (b *Beat) Watch(ctx context.Context, log *slog.Logger) {
	still := false
	for {
		b.look(ctx)
		if err := b.Check(ctx); (err != nil) != still && ctx.Err() == nil {
			if still = err != nil; still {
				log.WarnContext(ctx, "the schedule stands still", "error", err)
			} else {
				log.InfoContext(ctx, "the schedule goes on")
			}
		}
		if !pause(ctx, beatLook) {
			return
		}
	}
}

func (b *Beat) look(ctx context.Context) {
	slot, err := b.queue.NewestSlot(ctx, beatTask)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil && slot != b.slot {
		b.slot, b.at = slot, time.Now()
	}
}

// Age returns how long ago the schedule beat last, as far as this process knows.
func (b *Beat) Age() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Since(b.at)
}

// Check returns an error when the schedule stands still. Its cause is that of the queue when nothing can be
// enqueued.
func (b *Beat) Check(ctx context.Context) error {
	age := b.Age().Round(time.Second)
	if age < StandsStill {
		return nil
	}
	if err := b.queue.Ping(ctx); err != nil {
		return fmt.Errorf("no beat of the schedule for %s: %w", age, err)
	}
	return mailroom.Because(mailroom.CauseStill, fmt.Errorf("no beat of the schedule for %s; "+
		"start a process with the role scheduler, or see the log of the one that runs", age))
}
