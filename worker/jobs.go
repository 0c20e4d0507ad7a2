// Package worker is the jobs: a file a task type, the schedule, and the group commit. It knows the use
// cases and their ports, not the connectors. Every handler reads the record, does what is due, and may
// run twice, late or never: redrive finds what is due and asks again.
package worker

//go:generate go run ./generate -readme README.md

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"inmail/domain/mailroom"
)

// Handler does what a task asks for. ids are the task's; an error lets the queue try again.
type Handler func(ctx context.Context, ids []string) error

// Jobs are the handlers of all task types over one room.
type Jobs struct {
	Service    *mailroom.Service                                    // with the CRMs
	Depth      func(ctx context.Context, queue string) (int, error) // tasks that wait in a queue
	Log        *slog.Logger
	Snapshot   func(ctx context.Context) error // computes and stores the figures
	Deliveries int                             // transactions of deliveries at once: 1, also for 0, where the record has one writer
	pushers    sync.Map                        // by CRM
}

// Handlers returns the handler of each task type. The queue does not start while its table
// (mailroom.TaskKinds) has others.
func (j *Jobs) Handlers() map[string]Handler {
	return map[string]Handler{
		mailroom.TaskSend:         j.send(),
		mailroom.TaskExpire:       j.expire,
		mailroom.TaskRedrive:      j.redrive,
		mailroom.TaskCRMPush:      j.crmPush,
		mailroom.TaskCRMReconcile: j.crmReconcile,
		mailroom.TaskCRMBackfill:  j.crmBackfill,
		mailroom.TaskSnapshot:     j.snapshot,
		mailroom.TaskErase:        j.erase,
		mailroom.TaskRetain:       j.retain,
	}
}

// The bounds of a sweep: one transaction's worth, and how many of those a task does before it leaves the rest to
// the next.
const (
	sweepBatch = 1000
	sweepLimit = 200
)

// expire persists what the clock has expired (R33).
func (j *Jobs) expire(ctx context.Context, _ []string) error {
	return sweep(ctx, func() (int, error) { return j.Service.Expire(ctx, sweepBatch) })
}

// retain drops texts by age, then their bytes from the files.
func (j *Jobs) retain(ctx context.Context, _ []string) error {
	if err := sweep(ctx, func() (int, error) { return j.Service.DropTexts(ctx, sweepBatch) }); err != nil {
		return err
	}
	return j.Service.Scrub(ctx)
}

// sweep repeats a batch until it comes back short.
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

// RedriveAge is how long an InMail may stand queued before redrive asks for it again: longer than an idle
// system needs, short enough for 10 s after a crash.
const RedriveAge = 3 * time.Second

// redriveLimit is how many InMails one redrive asks for.
const redriveLimit = 20_000

// redrive asks the queue again for what it forgot (DESIGN, When things die). While sends wait in the queue the
// workers are behind, not forgetful: asking again would only make the queue longer.
func (j *Jobs) redrive(ctx context.Context, _ []string) error {
	waiting, err := j.Depth(ctx, mailroom.QueueSends)
	if err != nil {
		return fmt.Errorf("look how many sends wait: %w", err)
	}
	if waiting == 0 {
		n, err := j.Service.Redrive(ctx, RedriveAge, redriveLimit)
		if err != nil {
			return err
		}
		if n > 0 {
			j.Log.InfoContext(ctx, "asked again for what was still queued", "inmails", n)
		}
	}
	erasing, err := j.Service.Erasing(ctx)
	if err != nil || !erasing {
		return err
	}
	return j.erase(ctx, nil)
}

// erase carries erasures to their end (R60).
func (j *Jobs) erase(ctx context.Context, _ []string) error {
	_, err := j.Service.FinishErasures(ctx)
	return err
}

// learnLimit is how many lessons one snapshot folds into the filter.
const learnLimit = 500

// snapshot stores the figures that /metrics/domain and the analytics read, and teaches the filter what was
// reported and answered since.
func (j *Jobs) snapshot(ctx context.Context, _ []string) error {
	if _, err := j.Service.Learn(ctx, learnLimit); err != nil {
		return err
	}
	return j.Snapshot(ctx)
}
