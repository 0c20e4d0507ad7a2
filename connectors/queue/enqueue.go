package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"inmail/domain/mailroom"
)

const (
	// enqueueAtOnce is how many tasks of one Enqueue are sent concurrently: Asynq has no batch call.
	enqueueAtOnce = 16
	// downPause is how long Redis is not asked after it did not answer. Otherwise callers that wait for it
	// one after another would block the API.
	downPause = time.Second
)

// ErrDown means that Redis did not answer within the last second, so it was not asked. Work that could not
// be enqueued is found in the record.
var ErrDown = errors.New("the queue is down")

// Enqueue asks workers to look at the tasks. A periodic task (one with an ID) is not added again while it
// waits or runs; that is no error. All tasks are tried: the error says how many
// failed, and why the first did; the others were enqueued. Enqueue takes no longer than
// queue_enqueue_timeout, and fails at once with ErrDown within a second after Redis did not answer.
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
	if err := b.down(); err != nil {
		return fmt.Errorf("enqueue %d tasks: %w", len(messages), err)
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
	errs[0] = b.enqueue(limited, messages[0]) // a single task needs no goroutine
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
	return fmt.Errorf("enqueue: %d of %d tasks: %w", len(failed), len(messages), b.markDown(ctx, failed[0]))
}

// enqueue adds one task. A conflict of its id is success: a periodic task was enqueued before, and any
// other task by the first attempt of the same call.
func (b *Broker) enqueue(ctx context.Context, m message) error {
	info, err := b.client.EnqueueContext(ctx, m.task, m.options...)
	switch {
	case errors.Is(err, asynq.ErrTaskIDConflict):
		return nil
	case err != nil:
		return err
	}
	b.notifier.notify(info.Queue)
	return nil
}

// do makes one call to Redis within queue_enqueue_timeout, and none while Redis is known to be down.
func (b *Broker) do(ctx context.Context, what string,
	call func(ctx context.Context, r redis.UniversalClient) error) error {
	if err := b.down(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	limited, cancel := context.WithTimeout(ctx, b.config.EnqueueTimeout)
	defer cancel()
	if err := call(limited, b.redis); err != nil {
		return fmt.Errorf("%s: %w", what, b.markDown(ctx, err))
	}
	return nil
}

// down returns ErrDown, with its cause, when Redis did not answer less than downPause ago.
func (b *Broker) down() error {
	if until := b.downUntil.Load(); until == nil || !time.Now().Before(*until) {
		return nil
	}
	why, _ := b.downWhy.Load().(mailroom.Cause)
	return mailroom.Because(why, ErrDown)
}

// markDown records that Redis did not answer, unless the caller canceled ctx. It returns the explained error.
func (b *Broker) markDown(ctx context.Context, err error) error {
	err = b.explain(err)
	if ctx.Err() == nil {
		b.downWhy.Store(mailroom.CauseOf(err))
		until := time.Now().Add(downPause)
		b.downUntil.Store(&until)
	}
	return err
}
