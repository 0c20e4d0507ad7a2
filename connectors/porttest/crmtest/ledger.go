package crmtest

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// Clock stands still until it is moved. Record, connector and double share it.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock at a time.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now implements mailroom.Clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Move moves the clock forward.
func (c *Clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Wait moves the clock forward instead of waiting.
func (c *Clock) Wait(ctx context.Context, d time.Duration) error {
	c.Move(d)
	return ctx.Err()
}

// ledger is a record in memory with what the sync needs. It follows the answers as the worker does: a taken
// InMail is due again with its next change, a failed one after a while, and a dead letter not by itself.
type ledger struct {
	clock *Clock
	alone sync.Mutex // the write lease of the CRM

	mu     sync.Mutex
	pushes map[domain.ID]*domain.Push
	due    map[domain.ID]time.Time // when an InMail is due; absent: it is in sync, or a dead letter
	sorted []domain.ID
	state  map[string][]byte
	drift  mailroom.Drift
	random *rand.Rand
}

var _ mailroom.CRMRecord = (*ledger)(nil)

func newLedger(clock *Clock) *ledger {
	return &ledger{clock: clock, pushes: map[domain.ID]*domain.Push{}, due: map[domain.ID]time.Time{}, state: map[string][]byte{},
		random: rand.New(rand.NewPCG(7, 7))}
}

// put adds an InMail that is due.
func (l *ledger) put(p domain.Push) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.Link.InMail = p.InMail.ID
	l.pushes[p.InMail.ID], l.sorted = &p, nil
	l.due[p.InMail.ID] = l.clock.Now()
}

// change changes an InMail, and makes it due when its version rose.
func (l *ledger) change(id domain.ID, change func(*domain.Push)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.pushes[id]
	before := p.InMail.Version
	change(p)
	if p.InMail.Version != before {
		l.due[id] = l.clock.Now()
	}
}

func (l *ledger) get(id domain.ID) domain.Push {
	l.mu.Lock()
	defer l.mu.Unlock()
	return *l.pushes[id]
}

func (l *ledger) ids() []domain.ID {
	if l.sorted == nil {
		l.sorted = slices.Sorted(maps.Keys(l.pushes))
	}
	return l.sorted
}

// claim returns up to limit InMails that are due, in no order.
func (l *ledger) claim(limit int) (out []domain.Push) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	for _, id := range l.ids() {
		if at, ok := l.due[id]; ok && !at.After(now) {
			out = append(out, *l.pushes[id])
		}
	}
	l.random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out[:min(limit, len(out))]
}

// next returns when the next InMail is due; ok is false when none is.
func (l *ledger) next() (at time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, each := range l.due {
		if !ok || each.Before(at) {
			at, ok = each, true
		}
	}
	return at, ok
}

// dead returns the InMails whose last push failed for good.
func (l *ledger) dead() (ids []domain.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range l.ids() {
		if _, due := l.due[id]; !due && len(l.pushes[id].Link.Failures) > 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// store stores answers as the record and the worker do together.
func (l *ledger) store(answers []domain.PushAnswer, retryAt []time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	for i, a := range answers {
		p := l.pushes[a.Link.InMail]
		if a.Link.PushedVersion < p.Link.PushedVersion {
			continue
		}
		seq := max(p.Link.PushedSeq, a.Link.PushedSeq)
		p.Link = a.Link
		p.Link.PushedSeq = seq
		switch {
		case (a.Class == domain.Taken || a.Class == domain.Stale) && p.InMail.Version == a.Link.PushedVersion:
			delete(l.due, a.Link.InMail)
		case a.Class == domain.Taken || a.Class == domain.Stale:
			l.due[a.Link.InMail] = now
		case a.Class == domain.BadData && (retryAt == nil || retryAt[i].IsZero()):
			delete(l.due, a.Link.InMail)
		default:
			l.due[a.Link.InMail] = l.retry(a, now)
		}
	}
}

// retry returns when a failed push is tried again: at the time that the connector names, else later each
// time.
func (l *ledger) retry(a domain.PushAnswer, now time.Time) time.Time {
	if a.Until.After(now) {
		return a.Until
	}
	if a.Class == domain.LimitReached {
		return now.Add(time.Hour)
	}
	d := min(time.Second<<min(max(a.Link.Attempts-1, 0), 9), 5*time.Minute)
	return now.Add(d/2 + time.Duration(l.random.Int64N(int64(d/2)+1)))
}

// PushesAfter implements mailroom.CRMRecord.
func (l *ledger) PushesAfter(ctx context.Context, after domain.ID, limit int) (out []domain.Push, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := l.ids()
	at, found := slices.BinarySearch(ids, after)
	if found {
		at++
	}
	for _, id := range ids[at:min(at+limit, len(ids))] {
		out = append(out, *l.pushes[id])
	}
	return out, ctx.Err()
}

// Resync implements mailroom.CRMRecord.
func (l *ledger) Resync(_ context.Context, ids []domain.ID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		l.pushes[id].Link = domain.Link{InMail: id}
		l.due[id] = l.clock.Now()
	}
	return nil
}

// StorePushes implements mailroom.CRMRecord.
func (l *ledger) StorePushes(_ context.Context, answers []domain.PushAnswer, retryAt []time.Time, _ mailroom.Budget) error {
	l.store(answers, retryAt)
	return nil
}

// SetDrift implements mailroom.CRMRecord.
func (l *ledger) SetDrift(_ context.Context, d mailroom.Drift) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drift = d
	return nil
}

// State implements mailroom.CRMRecord.
func (l *ledger) State(_ context.Context, name string) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state[name], nil
}

// SetState implements mailroom.CRMRecord.
func (l *ledger) SetState(_ context.Context, name string, value []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state[name] = slices.Clone(value)
	return nil
}

// Alone implements mailroom.CRMRecord.
func (l *ledger) Alone(ctx context.Context, write func(context.Context) error) error {
	l.alone.Lock()
	defer l.alone.Unlock()
	return write(ctx)
}
