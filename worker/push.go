package worker

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// named returns the CRM that a task names, which is the first of its ids; nil where this process does not reach it. A task of the
// version before there were several names none: it comes again by the schedule or by redrive.
func (j *Jobs) named(ids []string) mailroom.CRM {
	if len(ids) == 0 {
		return nil
	}
	crm := j.Service.Connector(domain.CRM(ids[0]))
	if crm == nil || !crm.Configured() {
		return nil
	}
	return crm
}

// pusherOf returns the pusher of a CRM: each has its own, so that one which does not answer delays no other (R67).
func (j *Jobs) pusherOf(crm domain.CRM) *pusher {
	p, _ := j.pushers.LoadOrStore(crm, &pusher{})
	return p.(*pusher)
}

// pusher lets one push of this process to a CRM run or wait for the turn to write; the turn is what keeps those of all processes from writing
// children of one parent at once. again says that one was asked for meanwhile: what became due behind the running one's back is not left
// to the next slot.
type pusher struct {
	sync.Mutex
	again  atomic.Bool
	silent int // pushes in a row of which every call failed: the org answers nobody
}

// heard notes whether a push brought an answer to any row.
func (p *pusher) noteSilence(answers []domain.PushAnswer) {
	p.silent++
	if slices.ContainsFunc(answers, func(a domain.PushAnswer) bool { return !a.OfCall }) {
		p.silent = 0
	}
}

// The bounds of a push.
const (
	PushBatch = 1000             // InMails a claim: five collections of 200, one Composite call
	PushLease = 30 * time.Second // how long what a dead worker claimed waits; a living one holds it on
	pushLimit = 50               // claims a task
)

// crmPush brings to the CRM that it names what that lacks: claim, push with no transaction open, store the answers (STYLE H11).
func (j *Jobs) crmPush(ctx context.Context, ids []string) error {
	crm := j.named(ids)
	if crm == nil {
		return nil
	}
	p := j.pusherOf(crm.Name())
	p.again.Store(true)
	for p.again.Load() && p.TryLock() {
		p.again.Store(false)
		err := j.pushDue(ctx, crm, p)
		p.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

func (j *Jobs) pushDue(ctx context.Context, crm mailroom.CRM, p *pusher) error {
	if err := j.Service.LinkCRM(ctx, crm.Name()); err != nil {
		return err
	}
	holder := j.Service.NewHolder()
	err := j.withLease(ctx, mailroom.WriteLease(crm.Name()), holder, func() error {
		for range pushLimit {
			more, err := j.pushOnce(ctx, crm, p, holder)
			if err != nil || !more {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, mailroom.ErrLeaseTaken) { // whoever has it pushes what is due, and the next slot looks again
		return nil
	}
	if err != nil {
		return err
	}
	if err := j.Service.ForgetInCRM(ctx, crm.Name()); err != nil {
		return err
	}
	return j.Service.RedriveRuns(ctx, crm.Name())
}

// pushOnce pushes one claim, and says whether more may be due.
func (j *Jobs) pushOnce(ctx context.Context, crm mailroom.CRM, p *pusher, holder domain.ID) (more bool, err error) {
	name := crm.Name()
	claim, err := j.Service.ClaimPushes(ctx, name, holder, PushBatch, PushLease)
	if err != nil || len(claim.Pushes) == 0 {
		return claim.More, err
	}
	pushes := claim.Pushes
	held, release := keepAlive(ctx, j.Log, leaseBeat, func(ctx context.Context) error {
		if err := j.Service.TakeLease(ctx, mailroom.WriteLease(name), holder, PushLease); err != nil {
			return err
		}
		return j.Service.KeepPushes(ctx, name, pushes, PushLease)
	})
	answers, err := crm.Push(held, pushes)
	release()
	if err != nil {
		answers = unknown(pushes)
		j.Log.ErrorContext(ctx, "push to a CRM", "crm", name, "inmails", len(pushes), "error", err)
	}
	p.noteSilence(answers)
	now, budget := j.Service.Now(), crm.Budget()
	retryAt := make([]time.Time, len(answers))
	var pause domain.FailureClass
	for i := range answers {
		what := consequenceOf(answers[i], now, p.silent)
		retryAt[i] = what.again
		if answers[i].Class == domain.LimitReached && now.Before(budget.ParkedUntil) {
			retryAt[i] = now.Add(time.Second) // the parked sync holds it, and who resumes means it too
		}
		answers[i].Link.Dead = what.dead
		if what.pause {
			pause = answers[i].Class
		}
	}
	// The answers must be kept even when the task's time is over: they say what the org holds.
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if pause != "" {
		if err := j.Service.PauseCRM(keep, name, string(pause), now.Add(pauseFor)); err != nil {
			return false, err
		}
		j.Log.WarnContext(ctx, "the sync is paused", "crm", name, "class", pause, "for", pauseFor)
	}
	if err := j.Service.StorePushes(keep, name, answers, retryAt, budget); err != nil {
		return false, err
	}
	return claim.More, nil
}

// unknown answers for a push of which nothing is known: the rows go again, and the org's external id keeps them from
// being doubled (R53).
func unknown(pushes []domain.Push) []domain.PushAnswer {
	answers := make([]domain.PushAnswer, len(pushes))
	for i, p := range pushes {
		answers[i] = domain.PushAnswer{Link: p.Link, Class: domain.Locked, OfCall: true}
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

// heardSoon bounds the tries that count for the pause of a row whose call failed as a whole, while the org answers others: half a minute.
// It is long enough for rows that fail together for what they hold together to come back apart.
const answeredTries = 6

// after is the one table from the class of a failure to what follows (SALESFORCE.md 2.5). silent is how many pushes in a row the org has
// answered nothing at all.
func consequenceOf(a domain.PushAnswer, now time.Time, silent int) consequence {
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
		return consequence{again: now.Add(time.Second), pause: true} // the paused sync holds it until then, and who resumes means it too
	case domain.LostReference:
		if a.Link.Attempts >= lostTries {
			return consequence{dead: true}
		}
		return consequence{again: now.Add(backoff(a.Link.Attempts))}
	case domain.BadData:
		return consequence{dead: true}
	}
	tries := a.Link.Attempts
	if a.OfCall {
		tries = min(tries, answeredTries+max(silent-1, 0))
	}
	return consequence{again: now.Add(backoff(tries))}
}

// backoff doubles from one second to five minutes, less up to half of it, so that rows that met a lock
// together do not come back together.
func backoff(attempts int) time.Duration {
	d := min(time.Second<<min(max(attempts-1, 0), 9), 5*time.Minute)
	return d/2 + rand.N(d/2+1)
}
