package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// The times of a turn. Its lease is that of a claim: PushLease.
const (
	leaseBeat = PushLease / 3           // how often a lease is prolonged
	leasePoll = 200 * time.Millisecond  // how often one who waits looks whether the turn is free
	leaseWait = PushLease + time.Minute // how long one waits; then the next task does
)

// recordOf is the record as a reconcile or backfill of a CRM sees it. What it writes there outside of a push, it writes while no push
// does, in any process.
func (j *Jobs) recordOf(crm domain.CRM) mailroom.CRMRecord {
	return j.Service.RecordOf(crm, func(ctx context.Context, write func(context.Context) error) error {
		holder, lease := j.Service.NewHolder(), mailroom.WriteLease(crm)
		return j.withLease(ctx, lease, holder, func() error { return j.holdLease(ctx, lease, holder, write) })
	})
}

// inTurn runs do, which begins by taking a turn, and again as long as another has that; then it ends the turn.
func (j *Jobs) withLease(ctx context.Context, t mailroom.Lease, holder domain.ID, do func() error) error {
	waited, cancel := context.WithTimeout(ctx, leaseWait)
	defer cancel()
	for {
		err := do()
		if !errors.Is(err, mailroom.ErrLeaseTaken) {
			j.endLease(ctx, t, holder)
			return err
		}
		look := time.NewTimer(leasePoll)
		select {
		case <-look.C:
		case <-waited.Done():
			look.Stop()
			return fmt.Errorf("wait for the turn: %w", err)
		}
	}
}

// endTurn ends a turn, also when the task's time is over: the others need not wait for the lease.
func (j *Jobs) endLease(ctx context.Context, t mailroom.Lease, holder domain.ID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseBeat)
	defer cancel()
	if err := j.Service.EndLease(ctx, t, holder); err != nil {
		j.Log.WarnContext(ctx, "the turn ends with its lease", "turn", t.String(), "error", err)
	}
}

// holding takes a turn, and runs do with a context that ends when the turn is lost.
func (j *Jobs) holdLease(ctx context.Context, t mailroom.Lease, holder domain.ID, do func(context.Context) error) error {
	if err := j.Service.TakeLease(ctx, t, holder, PushLease); err != nil {
		return err
	}
	held, release := keepAlive(ctx, j.Log, leaseBeat, func(ctx context.Context) error { return j.Service.TakeLease(ctx, t, holder, PushLease) })
	defer release()
	return do(held)
}

// hold prolongs a lease, beat by beat of which it has three, until the function that it returns is called. The context that it
// returns ends as soon as another holds the lease, and before the lease ends because it could not be prolonged: what is under way must not
// meet the next holder's work.
func keepAlive(ctx context.Context, log *slog.Logger, beat time.Duration, prolong func(context.Context) error) (held context.Context, release func()) {
	held, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		ticker := time.NewTicker(beat)
		defer ticker.Stop()
		safe := time.Now().Add(2 * beat)
		for {
			select {
			case <-held.Done():
				return
			case <-ticker.C:
			}
			asked := time.Now()
			try, stop := context.WithDeadline(held, safe.Add(beat/2))
			err := prolong(try)
			stop()
			switch {
			case err == nil:
				safe = asked.Add(2 * beat)
			case held.Err() != nil:
				return
			case errors.Is(err, mailroom.ErrLeaseTaken) || !time.Now().Before(safe):
				log.WarnContext(ctx, "lost the lease of what is under way", "error", err)
				return
			default:
				log.WarnContext(ctx, "cannot prolong the lease of what is under way", "error", err)
			}
		}
	}()
	return held, func() { cancel(); <-done }
}
