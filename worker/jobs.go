// Package worker contains the handlers of all task types, the schedule and the group commit. It knows the
// use cases and their ports, not the connectors. Every handler reads the record and does what is due. It may
// run twice, late or never: redrive finds what is still due and enqueues it again.
package worker

//go:generate go run ./generate -readme README.md

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// Handler does the work of a task with these ids. After an error the queue tries the task again.
type Handler func(ctx context.Context, ids []string) error

// Jobs has the handlers of all task types over one mailroom.Service.
type Jobs struct {
	Service  *mailroom.Service                                    // with the CRMs
	Depth    func(ctx context.Context, queue string) (int, error) // tasks that wait in a queue
	Log      *slog.Logger
	Trace    Trace                           // nil: no traces are made
	Snapshot func(ctx context.Context) error // computes and stores the figures
	Writers  int                             // transactions at once of deliveries and of sweeps; 0 is 1
	Webhooks mailroom.WebhookSender          // nil: this process delivers to no end point
	pushers  sync.Map                        // domain.CRM → *pusher
	expiry   alarm                           // when something expires before the next slot
}

// Handlers returns the handler of each task type. The queue refuses to start unless these are exactly the
// types of mailroom.TaskKinds.
func (j *Jobs) Handlers() map[string]Handler {
	return map[string]Handler{
		mailroom.TaskSend:           j.send(),
		mailroom.TaskExpire:         j.expire,
		mailroom.TaskRedrive:        j.redrive,
		mailroom.TaskCRMPush:        j.crmPush,
		mailroom.TaskCRMReconcile:   j.crmReconcile,
		mailroom.TaskCRMBackfill:    j.crmBackfill,
		mailroom.TaskSnapshot:       j.snapshot,
		mailroom.TaskErase:          j.erase,
		mailroom.TaskRetain:         j.retain,
		mailroom.TaskPartitions:     j.partitions,
		mailroom.TaskWebhookDeliver: j.webhookDeliver,
	}
}

// The bounds of a sweep. The next task does what one leaves.
const (
	sweepBatch = 1000 // rows of one transaction
	sweepLimit = 200  // transactions of one task
)

// ExpiryPause is the least time from one sweep to the next. Under load each sweeps what expired meanwhile.
const ExpiryPause = 200 * time.Millisecond

// expire stores the expiry of InMails that the clock has expired (R33), and announces those that soon will be
// (R68). What expires before the next slot is swept when it is due.
func (j *Jobs) expire(ctx context.Context, _ []string) error {
	next, wait, err := j.Service.NextExpiry(ctx)
	if err == nil && !next.IsZero() && wait <= 0 {
		err = j.sweepAtOnce(ctx, func() (int, error) { return j.Service.Expire(ctx, sweepBatch) })
		if err == nil {
			next, wait, err = j.Service.NextExpiry(ctx)
		}
	}
	if err != nil {
		return err
	}
	if !next.IsZero() && wait < expirySlot() {
		j.expiry.set(max(wait, ExpiryPause), func(ctx context.Context) {
			if err := j.Service.AskExpiry(ctx, next); err != nil {
				j.Log.InfoContext(ctx, "what expires waits for the next slot", "error", err)
			}
		})
	}
	return sweep(ctx, func() (int, error) { return j.Service.AnnounceExpiring(ctx, sweepBatch) })
}

// expirySlot is how long a slot of TaskExpire is.
func expirySlot() time.Duration {
	kind, _ := mailroom.TaskKindOf(mailroom.TaskExpire)
	return kind.Every
}

// Close ends what the handlers have left to be done later. The next slots do it.
func (j *Jobs) Close() { j.expiry.end() }

// retain drops old idempotency keys, events and entries of the audit, empties old texts, and then removes
// their bytes from the files of the record.
func (j *Jobs) retain(ctx context.Context, _ []string) error {
	if err := sweep(ctx, func() (int, error) { return j.Service.DropKeys(ctx, sweepBatch) }); err != nil {
		return err
	}
	if err := sweep(ctx, func() (int, error) { return j.Service.DropTexts(ctx, sweepBatch) }); err != nil {
		return err
	}
	if err := sweep(ctx, func() (int, error) { return j.Service.DropEvents(ctx, sweepBatch) }); err != nil {
		return err
	}
	if err := sweep(ctx, func() (int, error) { return j.Service.DropAudit(ctx, sweepBatch) }); err != nil {
		return err
	}
	return j.Service.Scrub(ctx)
}

// partitions keeps the partitions of the record, and warns when an operator has to.
func (j *Jobs) partitions(ctx context.Context, _ []string) error {
	advice, err := j.Service.Partition(ctx)
	if advice != "" {
		j.Log.WarnContext(ctx, advice)
	}
	return err
}

// sweep repeats batch until one handles fewer than sweepBatch rows, sweepLimit times at most.
func sweep(ctx context.Context, batch func() (int, error)) error {
	for range sweepLimit {
		n, err := batch()
		if err != nil || n < sweepBatch {
			return err
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	return nil
}

// sweepAtOnce is sweep for a batch that skips the rows of another: when one batch was not all, as many go on
// at once as the record has writers.
func (j *Jobs) sweepAtOnce(ctx context.Context, batch func() (int, error)) error {
	n, err := batch()
	if err != nil || n < sweepBatch {
		return err
	}
	var group errgroup.Group
	for range max(j.Writers, 1) {
		group.Go(func() error { return sweep(ctx, batch) })
	}
	return group.Wait()
}

// RedriveAge is how long an InMail may be queued before redrive enqueues it again. An idle system delivers
// sooner, and after a crash everything is delivered within 10 s.
const RedriveAge = 3 * time.Second

// redriveLimit is how many InMails one redrive enqueues at most.
const redriveLimit = 20_000

// redrive enqueues InMails again whose tasks were lost (DESIGN, When things die), and finishes erasures.
// While sends wait in the queue it enqueues none: no task was lost, the workers are only behind.
func (j *Jobs) redrive(ctx context.Context, _ []string) error {
	waiting, err := j.Depth(ctx, mailroom.QueueSends)
	if err != nil {
		return fmt.Errorf("count the sends that wait in the queue: %w", err)
	}
	if waiting == 0 {
		n, err := j.Service.Redrive(ctx, RedriveAge, redriveLimit)
		if err != nil {
			return err
		}
		if n > 0 {
			j.Log.InfoContext(ctx, "enqueued again the InMails that were still queued", "inmails", n)
		}
	}
	erasing, err := j.Service.Erasing(ctx)
	if err != nil || !erasing {
		return err
	}
	return j.erase(ctx, nil)
}

// erase finishes the erasures that were begun (R60).
func (j *Jobs) erase(ctx context.Context, _ []string) error {
	_, err := j.Service.FinishErasures(ctx)
	return err
}

// learnLimit is how many lessons the filter learns from in one snapshot.
const learnLimit = 500

// snapshot lets the filter learn from the reports and replies since the last snapshot, and then stores the
// figures that /metrics/domain and the analytics read.
func (j *Jobs) snapshot(ctx context.Context, _ []string) error {
	if _, err := j.Service.Learn(ctx, learnLimit); err != nil {
		return err
	}
	return j.Snapshot(ctx)
}

// Trace begins a span of work on InMails and returns what ends it.
type Trace func(ctx context.Context, name string, inmails []domain.ID) (context.Context, func(error))

func (j *Jobs) trace(ctx context.Context, name string, inmails []domain.ID) (context.Context, func(error)) {
	if j.Trace == nil {
		return ctx, func(error) {}
	}
	return j.Trace(ctx, name, inmails)
}
