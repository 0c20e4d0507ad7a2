package worker

import (
	"context"
	"errors"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// The bounds of a delivery. One commit costs as much as deciding dozens of InMails, so waiting tasks share
// it.
const (
	deliverBatch   = 200              // ids that share one transaction; a task with more has one of its own
	deliverWaiting = 1000             // tasks that may wait; the concurrency of the queue allows fewer
	deliverTimeout = 20 * time.Second // how long one transaction may take; less than the time-out of a task
)

// send returns the handler of TaskSend: it delivers the InMails of a task (R10, R29) and leaves alone those
// that were decided before. Tasks that come while a delivery is under way share the next; when they have a
// whole batch of ids, they do not wait for it.
func (j *Jobs) send() Handler {
	limits := GroupLimits{
		Batch: deliverBatch, Waiting: deliverWaiting, Parallel: max(j.Writers, 1), Timeout: deliverTimeout,
	}
	group := NewSizedGroup(limits, func(ids []string) int { return len(ids) }, j.deliverTasks)
	return func(ctx context.Context, ids []string) error {
		own, err := group.Do(ctx, ids)
		return errors.Join(own, err)
	}
}

// deliverTasks delivers tasks in one transaction. When that fails, each is tried alone, so that none fails
// because of another.
func (j *Jobs) deliverTasks(ctx context.Context, tasks [][]string) ([]error, error) {
	var all []string
	for _, ids := range tasks {
		all = append(all, ids...)
	}
	err := j.deliver(ctx, all)
	errs := make([]error, len(tasks))
	if err == nil || len(tasks) == 1 || errors.Is(err, mailroom.ErrUnavailable) {
		return errs, err
	}
	for i, ids := range tasks {
		errs[i] = j.deliver(ctx, ids)
	}
	return errs, nil
}

// The waiting for InMails that another transaction has locked. A push locks what it claims for milliseconds;
// redrive would come only after RedriveAge.
const (
	lockedPause = 5 * time.Millisecond // before the first further try; each next pause is four times as long
	lockedTries = 4                    // further tries
)

// deliver delivers ids. Those that another transaction has locked are tried again a little later.
func (j *Jobs) deliver(ctx context.Context, ids []string) (err error) {
	inmails := make([]domain.ID, len(ids))
	for i, id := range ids {
		inmails[i] = domain.ID(id)
	}
	ctx, end := j.trace(ctx, "deliver", inmails)
	defer func() { end(err) }()
	for pause, tries := lockedPause, 0; ; pause, tries = 4*pause, tries+1 {
		outcomes, err := j.Service.Deliver(ctx, inmails)
		if err != nil {
			return err
		}
		inmails = inmails[:0]
		for _, o := range outcomes {
			if o.Locked {
				inmails = append(inmails, o.ID)
			}
		}
		if len(inmails) == 0 || tries == lockedTries {
			return nil // redrive enqueues the rest again
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return ctx.Err()
		}
	}
}
