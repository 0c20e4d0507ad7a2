package salesforce

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// ledger is a record in memory with what the sync needs: InMails with their links, the ids that are due, and
// small values.
type ledger struct {
	mu     sync.Mutex
	pushes map[domain.ID]*domain.Push
	due    map[domain.ID]bool
	sorted []domain.ID // the ids of pushes; nil: to be sorted again
	state  map[string][]byte
	drift  mailroom.Drift
	fail   func(call string) error // returns the error of a call by its name; nil: no call fails
}

func newLedger(pushes ...domain.Push) *ledger {
	l := &ledger{pushes: map[domain.ID]*domain.Push{}, due: map[domain.ID]bool{}, state: map[string][]byte{}}
	for _, p := range pushes {
		l.put(p)
	}
	return l
}

// put adds an InMail that is due.
func (l *ledger) put(p domain.Push) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.Link.InMail = p.InMail.ID
	l.pushes[p.InMail.ID], l.sorted = &p, nil
	l.due[p.InMail.ID] = true
}

// change changes an InMail and makes it due.
func (l *ledger) change(id domain.ID, change func(*domain.Push)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l.pushes[id])
	l.due[id] = true
}

func (l *ledger) get(id domain.ID) domain.Push {
	l.mu.Lock()
	defer l.mu.Unlock()
	return *l.pushes[id]
}

// claim returns up to limit InMails that are due.
func (l *ledger) claim(limit int) []domain.Push {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []domain.Push
	for _, id := range l.ids() {
		if l.due[id] && len(out) < limit {
			out = append(out, *l.pushes[id])
		}
	}
	return out
}

func (l *ledger) ids() []domain.ID {
	if l.sorted == nil {
		l.sorted = slices.Sorted(maps.Keys(l.pushes))
	}
	return l.sorted
}

func (l *ledger) failing(call string) error {
	if l.fail == nil {
		return nil
	}
	return l.fail(call)
}

func (l *ledger) PushesAfter(ctx context.Context, after domain.ID, limit int) ([]domain.Push, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.failing("PushesAfter"); err != nil {
		return nil, err
	}
	var out []domain.Push
	for _, id := range l.ids() {
		if id > after && len(out) < limit {
			out = append(out, *l.pushes[id])
		}
	}
	return out, ctx.Err()
}

func (l *ledger) Resync(_ context.Context, ids []domain.ID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.failing("Resync"); err != nil {
		return err
	}
	for _, id := range ids {
		l.pushes[id].Link = domain.Link{InMail: id}
		l.due[id] = true
	}
	return nil
}

func (l *ledger) StorePushes(_ context.Context, answers []domain.PushAnswer, _ []time.Time, _ mailroom.Budget) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.failing("StorePushes"); err != nil {
		return err
	}
	for _, a := range answers {
		p := l.pushes[a.Link.InMail]
		version, seq := p.Link.PushedVersion, p.Link.PushedSeq
		p.Link = a.Link
		p.Link.PushedVersion, p.Link.PushedSeq = max(version, a.Link.PushedVersion), max(seq, a.Link.PushedSeq)
		if (a.Class == domain.Taken || a.Class == domain.Stale) && p.InMail.Version == a.Link.PushedVersion {
			l.due[a.Link.InMail] = false
		}
	}
	return nil
}

func (l *ledger) SetDrift(_ context.Context, d mailroom.Drift) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drift = d
	return l.failing("SetDrift")
}

func (l *ledger) State(_ context.Context, name string) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state[name], l.failing("State")
}

func (l *ledger) SetState(_ context.Context, name string, value []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.failing("SetState " + name); err != nil {
		return err
	}
	l.state[name] = slices.Clone(value)
	return nil
}

func (l *ledger) Alone(ctx context.Context, write func(context.Context) error) error {
	return write(ctx)
}

// sync pushes due InMails until none is due, or for at most rounds rounds.
func (l *ledger) sync(o *org, c *Connector, rounds int) {
	o.t.Helper()
	for range rounds {
		pushes := l.claim(1000)
		if len(pushes) == 0 {
			return
		}
		answers := pushBy(o.t, c, pushes...)
		if err := l.StorePushes(context.Background(), answers, nil, mailroom.Budget{}); err != nil {
			o.t.Fatal(err)
		}
	}
}
