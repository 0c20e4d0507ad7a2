package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"golang.org/x/sync/errgroup"

	"inmail/domain/mailroom"
)

const (
	// enqueueAtOnce is how many tasks of one Enqueue are on their way at once: Asynq has no call for many.
	enqueueAtOnce = 16
	// downFor is how long nobody asks Redis again after it did not answer. Callers that wait for it in turn would make the
	// whole API wait.
	downFor = time.Second
)

// ErrDown says that Redis did not answer just now, so nothing was asked of it. What could not be enqueued is found in the record.
var ErrDown = errors.New("the queue is down")

// Enqueue asks workers to look at the tasks. A periodic task (with an ID) that was asked for already, waits, runs or ran within
// its slot is left alone, which is no error. All tasks are tried: the error says how many failed and why the first did, the rest was enqueued.
// It takes no longer than queue_enqueue_timeout, and no time at all for a second after Redis did not answer (ErrDown).
func (b *Broker) Enqueue(ctx context.Context, tasks ...mailroom.Task) error {
	var messages []message
	for _, task := range tasks {
		more, err := b.messages(task)
		if err != nil {
			return fmt.Errorf("enqueue: %w", err)
		}
		messages = append(messages, more...)
	}
	if len(messages) == 0 {
		return nil
	}
	if b.down() {
		return fmt.Errorf("enqueue %d tasks: %w", len(messages), ErrDown)
	}
	limited, cancel := context.WithTimeout(ctx, b.config.EnqueueTimeout)
	defer cancel()
	errs := make([]error, len(messages))
	var group errgroup.Group
	group.SetLimit(enqueueAtOnce)
	for i, m := range messages[1:] {
		group.Go(func() error {
			errs[i+1] = b.enqueue(limited, m)
			return nil
		})
	}
	errs[0] = b.enqueue(limited, messages[0]) // alone, it needs no goroutine
	group.Wait()
	var failed []error
	for _, err := range errs {
		if err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	b.noteDown(ctx)
	return fmt.Errorf("enqueue: %d of %d tasks: %w", len(failed), len(messages), b.explain(failed[0])) // the others fail alike
}

// enqueue asks for one. That its id is there already is what was wanted: of a periodic task because it was asked for before, of
// any other because the first try of the same call did arrive.
func (b *Broker) enqueue(ctx context.Context, m message) error {
	_, err := b.client.EnqueueContext(ctx, m.task, m.options...)
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return err
}

// down says whether Redis did not answer less than downFor ago.
func (b *Broker) down() bool { return time.Now().UnixNano() < b.downUntil.Load() }

// noteDown notes that Redis did not answer a call under ctx, unless it was the caller who gave up.
func (b *Broker) noteDown(ctx context.Context) {
	if ctx.Err() == nil {
		b.downUntil.Store(time.Now().Add(downFor).UnixNano())
	}
}
