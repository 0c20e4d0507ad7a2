package worker

import (
	"context"
	"errors"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// The bounds of a delivery: one commit costs as much as deciding dozens of InMails, so tasks that wait for each other share it.
const (
	sharedTasks    = 32               // that go in one transaction
	sharedIDs      = 64               // a task with more is worth a transaction of its own
	deliverWaiting = 1000             // tasks in hand; the queue's concurrency is the bound that counts
	deliverTimeout = 20 * time.Second // of one transaction, less than the lease of a task
)

// send returns the handler of TaskSend: it delivers the InMails of a task (R10, R29). Who was decided already is left
// alone. Small tasks that come while a delivery is under way go together in the next.
func (j *Jobs) send() Handler {
	limits := GroupLimits{Batch: sharedTasks, Waiting: deliverWaiting, Parallel: max(j.Deliveries, 1), Timeout: deliverTimeout}
	group := NewGroup(limits, j.deliverTasks)
	return func(ctx context.Context, ids []string) error {
		if len(ids) > sharedIDs {
			return j.deliver(ctx, ids)
		}
		own, err := group.Do(ctx, ids)
		return errors.Join(own, err)
	}
}

// deliverTasks delivers tasks in one transaction. When that fails each goes alone, so that none fails for its neighbours.
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

// What another transaction holds is looked at again after so long, each time four times as long, so often: a push holds what it
// claims for milliseconds, and redrive would come only after RedriveAge.
const (
	lockedPause = 5 * time.Millisecond
	lockedTries = 4
)

// deliver delivers ids, and those that another transaction held a little later.
func (j *Jobs) deliver(ctx context.Context, ids []string) error {
	inmails := make([]domain.ID, len(ids))
	for i, id := range ids {
		inmails[i] = domain.ID(id)
	}
	for pause, looks := lockedPause, 0; ; pause, looks = 4*pause, looks+1 {
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
		if len(inmails) == 0 || looks == lockedTries {
			return nil // redrive comes for the rest
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
