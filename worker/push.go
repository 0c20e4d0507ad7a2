package worker

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// named returns the CRM that a task names by the first of its ids; nil where this process does not reach it.
// Tasks of versions with a single CRM name none and are dropped: the schedule or redrive asks again.
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

// pusherOf returns the pusher of a CRM. Each CRM has its own, so that one which hangs delays no other (R67).
func (j *Jobs) pusherOf(crm domain.CRM) *pusher {
	p, _ := j.pushers.LoadOrStore(crm, &pusher{})
	return p.(*pusher)
}

// pusher lets one push to a CRM run in this process, or wait for the write lease. That lease keeps processes
// from writing children of one parent at once.
type pusher struct {
	sync.Mutex
	again  atomic.Bool // another push was asked for while one ran: it runs at once, not in the next slot
	silent int         // pushes in a row without any answer, because every call failed

	unreachable bool      // as this process stored it last
	notedAt     time.Time // when it did
}

// noteSilence counts a push that got no answer to any row; an answer sets the count to 0.
func (p *pusher) noteSilence(answers []domain.PushAnswer) {
	p.silent++
	if slices.ContainsFunc(answers, func(a domain.PushAnswer) bool { return !a.OfCall }) {
		p.silent = 0
	}
}

// The bounds of a push.
const (
	PushBatch = 1000             // InMails of one claim: five collections of 200, one Composite call
	PushLease = 30 * time.Second // how long a claim lasts; a worker prolongs it until its push has ended
	pushLimit = 50               // claims of one run
	pushTask  = 2 * time.Minute  // a task claims no further batch after that: it has ended well within its time-out
)

// crmPush pushes to the CRM that its task names all InMails that are due there. Each batch is claimed, pushed
// with no transaction open, and its answers are stored (STYLE H11).
func (j *Jobs) crmPush(ctx context.Context, ids []string) error {
	crm := j.named(ids)
	if crm == nil {
		return nil
	}
	p := j.pusherOf(crm.Name())
	p.again.Store(true)
	until := time.Now().Add(pushTask)
	for p.again.Load() && time.Now().Before(until) && p.TryLock() {
		p.again.Store(false)
		err := j.pushDue(ctx, crm, p, until)
		p.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// pushDue pushes what is due to a CRM, and claims nothing more after until.
func (j *Jobs) pushDue(ctx context.Context, crm mailroom.CRM, p *pusher, until time.Time) error {
	if err := j.Service.LinkCRM(ctx, crm.Name()); err != nil {
		return err
	}
	holder := j.Service.NewHolder()
	err := j.withLease(ctx, mailroom.WriteLease(crm.Name()), holder, func() error {
		return pushBatches(until, func() (bool, error) { return j.pushOnce(ctx, crm, p, holder) })
	})
	if errors.Is(err, mailroom.ErrLeaseTaken) { // its holder pushes what is due
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

// pushBatches repeats once until nothing more is due, the time is over or the bound of a run is reached:
// while InMails become due as fast as they are pushed, the task ends and the next slot goes on.
func pushBatches(until time.Time, once func() (more bool, err error)) error {
	for range pushLimit {
		more, err := once()
		if err != nil || !more || !time.Now().Before(until) {
			return err
		}
	}
	return nil
}

// pushOnce claims and pushes one batch, and reports whether more InMails may be due.
func (j *Jobs) pushOnce(ctx context.Context, crm mailroom.CRM, p *pusher, holder domain.ID) (more bool, err error) {
	name := crm.Name()
	claim, err := j.Service.ClaimPushes(ctx, name, holder, PushBatch, PushLease)
	if err != nil || len(claim.Pushes) == 0 {
		return claim.More, err
	}
	pushes := claim.Pushes
	leased, release := keepAlive(ctx, j.Log, leaseBeat, func(ctx context.Context) error {
		if err := j.Service.TakeLease(ctx, mailroom.WriteLease(name), holder, PushLease); err != nil {
			return err
		}
		return j.Service.KeepPushes(ctx, name, pushes, PushLease)
	})
	leased, end := j.trace(leased, "push to "+string(name), idsOf(pushes))
	answers, err := crm.Push(leased, pushes)
	end(err)
	release()
	if err != nil {
		answers = unknown(pushes, j.Service.Now())
		j.Log.ErrorContext(ctx, "push to a CRM", "crm", name, "inmails", len(pushes), "error", err)
	}
	p.noteSilence(answers)
	if err := j.noteReach(ctx, name, p, answers); err != nil {
		return false, err
	}
	now, budget := j.Service.Now(), crm.Budget()
	retryAt := make([]time.Time, len(answers))
	var pause domain.FailureClass
	for i := range answers {
		what := settle(&answers[i], now, p.silent)
		retryAt[i] = what.again
		if answers[i].Class == domain.LimitReached && now.Before(budget.ParkedUntil) {
			// Claims stop while the sync is parked; after a resume the row is pushed too.
			retryAt[i] = now.Add(time.Second)
		}
		if what.pause {
			pause = answers[i].Class
		}
	}
	j.logDead(ctx, name, answers)
	// The answers are stored even when the task's time is over, because they say what the CRM has.
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

// reachNoted is how long a process takes for granted what it stored, because another process may store
// otherwise.
const reachNoted = time.Minute

// noteReach stores since when a CRM does not answer at all, and that it answers again. A change of it is
// logged.
func (j *Jobs) noteReach(ctx context.Context, crm domain.CRM, p *pusher, answers []domain.PushAnswer) error {
	silent := p.silent > 0 && slices.ContainsFunc(answers, func(a domain.PushAnswer) bool {
		return a.Class == domain.Unreachable
	})
	now := j.Service.Now()
	if silent == p.unreachable && now.Sub(p.notedAt) < reachNoted && !now.Before(p.notedAt) {
		return nil
	}
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	changed, err := j.Service.NoteReach(keep, crm, !silent)
	if err != nil {
		return err
	}
	p.unreachable, p.notedAt = silent, now
	switch {
	case changed && silent:
		j.Log.WarnContext(ctx, "a CRM does not answer", "crm", crm, "class", domain.Unreachable)
	case changed:
		j.Log.InfoContext(ctx, "a CRM answers again", "crm", crm)
	}
	return nil
}

// unknown returns the answers to a push whose outcome is not known. The rows are pushed again; the CRM finds
// them by their external id, so none is doubled (R53).
func unknown(pushes []domain.Push, now time.Time) []domain.PushAnswer {
	answers := make([]domain.PushAnswer, len(pushes))
	for i, p := range pushes {
		answers[i] = domain.PushAnswer{Link: p.Link, Class: domain.Unreachable, OfCall: true}
		answers[i].Link.InMail = p.InMail.ID
		failures := maps.Clone(p.Link.Failures)
		if failures == nil {
			failures = map[string]domain.Failure{}
		}
		f := failures[domain.RecordPart]
		f.Class, f.Detail, f.Attempts, f.FailedAt, f.OfCall = domain.Unreachable, "no answer", f.Attempts+1, now, true
		failures[domain.RecordPart] = f
		answers[i].Link.Failures = failures
		answers[i].Link.Summarize()
	}
	return answers
}

// settle decides what follows from the failures of each part of one InMail, and marks dead letters. The
// InMail is pushed again when the first of its parts is. An answer without parts is judged by its class.
func settle(a *domain.PushAnswer, now time.Time, silent int) consequence {
	if len(a.Link.Failures) == 0 {
		what := consequenceOf(*a, now, silent)
		a.Link.Dead = what.dead
		return what
	}
	var all consequence
	failures := maps.Clone(a.Link.Failures)
	for part, f := range failures {
		what := consequenceOf(domain.PushAnswer{Link: domain.Link{Attempts: f.Attempts}, Class: f.Class, Until: f.Until,
			OfCall: f.OfCall}, now, silent)
		if what.pause && f.Until.After(now) { // only the object of this part rests
			what = consequence{again: f.Until}
		}
		f.Dead = what.dead
		failures[part] = f
		all.dead = all.dead || what.dead
		all.pause = all.pause || what.pause
		if !what.again.IsZero() && (all.again.IsZero() || what.again.Before(all.again)) {
			all.again = what.again
		}
	}
	a.Link.Failures = failures
	a.Link.Summarize()
	return all
}

// logDead logs once a push what the CRM will not take by itself, by object and answer.
func (j *Jobs) logDead(ctx context.Context, crm domain.CRM, answers []domain.PushAnswer) {
	type refusal struct{ object, detail string }
	counts := map[refusal]int{}
	for _, a := range answers {
		for _, f := range a.Link.Failures {
			if f.Dead {
				counts[refusal{f.Object, f.Detail}]++
			}
		}
	}
	for r, n := range counts {
		j.Log.WarnContext(ctx, "a CRM refuses rows for good", "crm", crm, "object", r.object, "answer", r.detail, "rows", n)
	}
}

// pauseFor is how long the sync pauses after a fault that more tries would make worse. An operator who has
// repaired the cause can resume it sooner.
const pauseFor = 15 * time.Minute

// consequence is what follows from the answer to one row.
type consequence struct {
	again time.Time // when the row is pushed again; zero: not by itself
	dead  bool      // the row becomes a dead letter
	pause bool      // the whole sync of the CRM pauses
}

// lostTries is how often the parents of a row are matched again before it becomes a dead letter.
const lostTries = 5

// answeredTries bounds the tries that the backoff counts for a row whose whole call failed while the CRM
// answers other calls: it waits half a minute at most. That is long enough for rows that failed in one call
// to be pushed again in different ones.
const answeredTries = 6

// consequenceOf is the one table from the class of a failure to what follows (SALESFORCE.md 2.5). silent is
// the number of pushes in a row that got no answer at all.
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
		// Claims stop while the sync is paused; after a resume the row is pushed too.
		return consequence{again: now.Add(time.Second), pause: true}
	case domain.LostReference:
		if a.Link.Attempts >= lostTries {
			return consequence{dead: true}
		}
		return consequence{again: now.Add(backoff(a.Link.Attempts))}
	case domain.BadData:
		return consequence{dead: true}
	}
	if a.Until.After(now) { // the connector knows when
		return consequence{again: a.Until}
	}
	tries := a.Link.Attempts
	if a.OfCall {
		tries = min(tries, answeredTries+max(silent-1, 0))
	}
	return consequence{again: now.Add(backoff(tries))}
}

// backoff doubles from one second to five minutes, less a random part of up to half, so that rows which met
// one lock are not pushed again together.
func backoff(attempts int) time.Duration {
	d := min(time.Second<<min(max(attempts-1, 0), 9), 5*time.Minute)
	return d/2 + rand.N(d/2+1)
}

func idsOf(pushes []domain.Push) []domain.ID {
	ids := make([]domain.ID, len(pushes))
	for i, p := range pushes {
		ids[i] = p.InMail.ID
	}
	return ids
}
