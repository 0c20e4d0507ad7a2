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

// The times of a lease. It lasts as long as a claim: PushLease.
const (
	leaseBeat = PushLease / 3           // how often a lease is prolonged
	leasePoll = 200 * time.Millisecond  // how often a worker that waits looks whether the lease is free
	leaseWait = PushLease + time.Minute // how long a task waits for a lease before it gives up
)

// recordOf returns the record as a reconcile or backfill of a CRM sees it. Alone takes the write lease of the
// CRM, so that no push writes meanwhile, in any process.
func (j *Jobs) recordOf(crm domain.CRM) mailroom.CRMRecord {
	return j.Service.RecordOf(crm, func(ctx context.Context, write func(context.Context) error) error {
		holder, lease := j.Service.NewHolder(), mailroom.WriteLease(crm)
		return j.withLease(ctx, lease, holder, func() error { return j.underLease(ctx, lease, holder, write) })
	})
}

// withLease runs do, which begins by taking the lease l, and repeats it while another holder has the lease.
// Then it ends the lease.
func (j *Jobs) withLease(ctx context.Context, l mailroom.Lease, holder domain.ID, do func() error) error {
	waited, cancel := context.WithTimeout(ctx, leaseWait)
	defer cancel()
	for {
		err := do()
		if !errors.Is(err, mailroom.ErrLeaseTaken) {
			j.endLease(ctx, l, holder)
			return err
		}
		look := time.NewTimer(leasePoll)
		select {
		case <-look.C:
		case <-waited.Done():
			look.Stop()
			return fmt.Errorf("wait for the lease: %w", err)
		}
	}
}

// endLease ends a lease, so that others need not wait for its end. It does so even when ctx has ended.
func (j *Jobs) endLease(ctx context.Context, l mailroom.Lease, holder domain.ID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseBeat)
	defer cancel()
	if err := j.Service.EndLease(ctx, l, holder); err != nil {
		j.Log.WarnContext(ctx, "cannot end a lease; it ends by itself", "lease", l.String(), "error", err)
	}
}

// underLease takes a lease and runs do with a context that ends when the lease is lost.
func (j *Jobs) underLease(ctx context.Context, l mailroom.Lease, holder domain.ID,
	do func(context.Context) error) error {
	prolong := func(ctx context.Context) error { return j.Service.TakeLease(ctx, l, holder, PushLease) }
	if err := prolong(ctx); err != nil {
		return err
	}
	leased, release := keepAlive(ctx, j.Log, leaseBeat, prolong)
	defer release()
	return do(leased)
}

// keepAlive prolongs a lease of three beats once a beat, until release is called. The context leased ends as
// soon as another holder has the lease. It also ends before the lease does, where that could not be
// prolonged: work that is under way must not overlap with that of the next holder.
func keepAlive(ctx context.Context, log *slog.Logger, beat time.Duration,
	prolong func(context.Context) error) (leased context.Context, release func()) {
	leased, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		ticker := time.NewTicker(beat)
		defer ticker.Stop()
		safe := time.Now().Add(2 * beat)
		for {
			select {
			case <-leased.Done():
				return
			case <-ticker.C:
			}
			asked := time.Now()
			try, stop := context.WithDeadline(leased, safe.Add(beat/2))
			err := prolong(try)
			stop()
			switch {
			case err == nil:
				safe = asked.Add(2 * beat)
			case leased.Err() != nil:
				return
			case errors.Is(err, mailroom.ErrLeaseTaken) || !time.Now().Before(safe):
				log.WarnContext(ctx, "lost the lease; the work under it is given up", "error", err)
				return
			default:
				log.WarnContext(ctx, "cannot prolong the lease yet", "error", err)
			}
		}
	}()
	return leased, func() { cancel(); <-done }
}
