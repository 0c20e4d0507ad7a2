package worker

import (
	"context"
	"errors"
	"fmt"
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
	newest func(ctx context.Context, task mailroom.Task) (int64, error)

	mu   sync.Mutex
	slot int64
	at   time.Time // when slot was read first; the start, before any
	err  error     // of the last read; nil: the queue answered
}

// NewBeat returns a Beat over newest, which reads the number of a task's newest slot.
func NewBeat(newest func(ctx context.Context, task mailroom.Task) (int64, error)) *Beat {
	return &Beat{newest: newest, at: time.Now()}
}

// Watch reads the beat until ctx ends.
func (b *Beat) Watch(ctx context.Context) {
	for {
		b.look(ctx)
		if !pause(ctx, beatLook) {
			return
		}
	}
}

func (b *Beat) look(ctx context.Context) {
	slot, err := b.newest(ctx, beatTask)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err = err; err == nil && slot != b.slot {
		b.slot, b.at = slot, time.Now()
	}
}

// Age returns how long ago the schedule beat last, as far as this process knows.
func (b *Beat) Age() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Since(b.at)
}

// Check returns an error when the schedule stands still. Its cause is that of the queue when that does not
// answer: then no process can enqueue anything.
func (b *Beat) Check(context.Context) error {
	age := b.Age()
	if age < StandsStill {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return fmt.Errorf("no beat of the schedule for %s: %w", age.Round(time.Second), b.err)
	}
	return mailroom.Because(mailroom.CauseStill, errors.New("no beat of the schedule for "+age.Round(time.Second).String()+
		"; start a process with the role scheduler, or see the log of the one that runs"))
}
