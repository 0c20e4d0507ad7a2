package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// Salesforce is the other side of the sync as the jobs see it.
type Salesforce interface {
	mailroom.CRM
	mailroom.Forgetter
	// Reconcile walks the org by key, compares it with the record and makes due what differs.
	Reconcile(ctx context.Context) error
	// Backfill brings everything to the org in bulk; it goes on where it stopped.
	Backfill(ctx context.Context) error
}

// NoSalesforce is the other side where none is configured: nothing is claimed, and what is unsynced waits.
type NoSalesforce struct{}

// Push is never asked.
func (NoSalesforce) Push(context.Context, []domain.Push) ([]domain.PushAnswer, error) {
	return nil, errors.New("no Salesforce is configured; set INMAIL_SALESFORCE_URL")
}

// Forget has nobody to forget.
func (NoSalesforce) Forget(context.Context, []domain.MemberID) error { return nil }

// ForgetThose has nobody to forget.
func (NoSalesforce) ForgetThose(context.Context, func(domain.MemberID) bool) error { return nil }

// Budget is empty.
func (NoSalesforce) Budget() mailroom.Budget { return mailroom.Budget{} }

// Reconcile has nothing to compare.
func (NoSalesforce) Reconcile(context.Context) error { return nil }

// Backfill has nowhere to bring things.
func (NoSalesforce) Backfill(context.Context) error { return nil }

// pusher lets one push run at a time in a process: two would write children of one parent at once and lock each other. again says
// that one was asked for meanwhile: what became due behind the running one's back is not left to the next slot.
type pusher struct {
	sync.Mutex
	again atomic.Bool
}

// The bounds of a push.
const (
	PushBatch = 1000             // InMails a claim: five collections of 200, one Composite call
	PushLease = 30 * time.Second // how long what a dead worker claimed waits; a living one holds it on
	pushLimit = 50               // claims a task
)

// crmPush brings to Salesforce what it lacks: claim, push with no transaction open, store the answers (STYLE H11).
func (j *Jobs) crmPush(ctx context.Context, _ []string) error {
	if _, none := j.CRM.(NoSalesforce); none {
		return nil
	}
	j.push.again.Store(true)
	for j.push.again.Load() && j.push.TryLock() {
		j.push.again.Store(false)
		err := j.pushDue(ctx)
		j.push.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

func (j *Jobs) pushDue(ctx context.Context) error {
	for range pushLimit {
		n, err := j.pushOnce(ctx)
		if err != nil {
			return err
		}
		if n < PushBatch {
			break
		}
	}
	return j.Room.ForgetInCRM(ctx, j.CRM)
}

func (j *Jobs) pushOnce(ctx context.Context) (int, error) {
	pushes, err := j.Room.ClaimPushes(ctx, PushBatch, PushLease)
	if err != nil || len(pushes) == 0 {
		return 0, err
	}
	release := j.hold(ctx, pushes)
	answers, err := j.CRM.Push(ctx, pushes)
	release()
	if err != nil {
		answers = unknown(pushes)
		j.Log.ErrorContext(ctx, "push to Salesforce", "inmails", len(pushes), "error", err)
	}
	now := j.Room.Now()
	retryAt := make([]time.Time, len(answers))
	var pause domain.FailureClass
	for i := range answers {
		what := after(answers[i], now)
		retryAt[i] = what.again
		answers[i].Link.Dead = what.dead
		if what.pause {
			pause = answers[i].Class
		}
	}
	// The answers must be kept even when the task's time is over: they say what the org holds.
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if pause != "" {
		if err := j.Room.PauseCRM(keep, string(pause), now.Add(pauseFor)); err != nil {
			return 0, err
		}
		j.Log.WarnContext(ctx, "the sync is paused", "class", pause, "for", pauseFor)
	}
	if err := j.Room.StorePushes(keep, answers, retryAt, j.CRM.Budget()); err != nil {
		return 0, err
	}
	return len(pushes), nil
}

// hold keeps the leases of pushes alive until the function that it returns is called.
func (j *Jobs) hold(ctx context.Context, pushes []domain.Push) (release func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		beat := time.NewTicker(PushLease / 3)
		defer beat.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-beat.C:
				if err := j.Room.KeepPushes(ctx, pushes, PushLease); err != nil && ctx.Err() == nil {
					j.Log.WarnContext(ctx, "cannot hold what is being pushed", "error", err)
				}
			}
		}
	}()
	return func() { cancel(); <-done }
}

// unknown answers for a push of which nothing is known: the rows go again, and the org's external id keeps them from
// being doubled (R53).
func unknown(pushes []domain.Push) []domain.PushAnswer {
	answers := make([]domain.PushAnswer, len(pushes))
	for i, p := range pushes {
		answers[i] = domain.PushAnswer{Link: p.Link, Class: domain.Locked}
		answers[i].Link.InMail = p.InMail.ID
		answers[i].Link.Attempts++
		answers[i].Link.Class, answers[i].Link.Detail = domain.Locked, "no answer"
	}
	return answers
}

// pauseFor is how long the sync rests after a fault that more tries would make worse; a person who has mended it
// resumes it sooner.
const pauseFor = 15 * time.Minute

// consequence is what follows for one row: when it goes again (zero: not by itself), whether it is a dead
// letter, whether the whole sync rests.
type consequence struct {
	again time.Time
	dead  bool
	pause bool
}

// lostTries is how often a row looks for its Lead or Contact again before a person must look.
const lostTries = 5

// after is the one table from the class of a failure to what follows (SALESFORCE.md 2.5).
func after(a domain.PushAnswer, now time.Time) consequence {
	switch a.Class {
	case domain.Taken, domain.Stale:
		return consequence{}
	case domain.SessionEnded:
		return consequence{again: now.Add(time.Second)}
	case domain.LimitReached:
		if a.Until.After(now) {
			return consequence{again: a.Until}
		}
		return consequence{again: now.Add(time.Hour)}
	case domain.LoginFailed, domain.Configuration:
		return consequence{again: now.Add(pauseFor), pause: true}
	case domain.LostReference:
		if a.Link.Attempts >= lostTries {
			return consequence{dead: true}
		}
		return consequence{again: now.Add(backoff(a.Link.Attempts))}
	case domain.BadData:
		return consequence{dead: true}
	}
	return consequence{again: now.Add(backoff(a.Link.Attempts))}
}

// backoff doubles from one second to five minutes, less up to half of it, so that rows that met a lock
// together do not come back together.
func backoff(attempts int) time.Duration {
	d := min(time.Second<<min(max(attempts-1, 0), 9), 5*time.Minute)
	return d/2 + rand.N(d/2+1)
}

// crmReconcile compares the org with the record and makes due what differs.
func (j *Jobs) crmReconcile(ctx context.Context, _ []string) error {
	if err := j.CRM.Reconcile(ctx); err != nil {
		return fmt.Errorf("reconcile with Salesforce: %w", err)
	}
	return nil
}

// crmBackfill brings everything to the org in bulk.
func (j *Jobs) crmBackfill(ctx context.Context, _ []string) error {
	if err := j.CRM.Backfill(ctx); err != nil {
		return fmt.Errorf("backfill Salesforce: %w", err)
	}
	return nil
}
