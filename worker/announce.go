package worker

import (
	"context"
	"sync"
	"time"

	"inmail/domain"
)

// The bounds of announcing.
const (
	announcedIDs     = 500             // of one task
	announceWaiting  = 100_000         // ids that wait while the queue is slow; what is more, redrive finds
	announceTimeout  = 5 * time.Second // of one task
	announceAtTheEnd = 5 * time.Second // of all that wait, when the program ends
)

// Announcer asks the queue for what was accepted, beside the commits: no caller waits for the queue, and no commit does.
// What is accepted while it asks goes together in its next task. A queue that is away loses nothing: the record has the
// InMails, and redrive asks again.
type Announcer struct {
	ask func(ctx context.Context, ids []domain.ID) error

	mu      sync.Mutex
	waiting []domain.ID
	idle    chan struct{} // closed when nobody asks; nil: nobody has yet
	asking  bool
}

// NewAnnouncer returns an Announcer over ask, which puts one task into the queue.
func NewAnnouncer(ask func(ctx context.Context, ids []domain.ID) error) *Announcer {
	return &Announcer{ask: ask}
}

// Announce hands ids in and returns at once.
func (a *Announcer) Announce(ids []domain.ID) {
	if len(ids) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = append(a.waiting, ids[:min(len(ids), max(announceWaiting-len(a.waiting), 0))]...)
	if !a.asking && len(a.waiting) > 0 {
		a.asking, a.idle = true, make(chan struct{})
		go a.askAll()
	}
}

// askAll asks until nothing waits.
func (a *Announcer) askAll() {
	for {
		a.mu.Lock()
		n := min(len(a.waiting), announcedIDs)
		if n == 0 {
			a.waiting, a.asking = nil, false
			close(a.idle)
			a.mu.Unlock()
			return
		}
		ids := a.waiting[:n:n]
		a.waiting = a.waiting[n:]
		a.mu.Unlock()
		a.one(ids)
	}
}

// one asks for a task's worth. That it failed is known to redrive by what is still queued.
func (a *Announcer) one(ids []domain.ID) {
	ctx, cancel := context.WithTimeout(context.Background(), announceTimeout)
	defer cancel()
	_ = a.ask(ctx, ids)
}

// Stop waits until everything that was announced has been asked for, at most a few seconds: the rest is redrive's.
func (a *Announcer) Stop(ctx context.Context) error {
	a.mu.Lock()
	idle := a.idle
	a.mu.Unlock()
	if idle == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, announceAtTheEnd)
	defer cancel()
	select {
	case <-idle:
	case <-ctx.Done():
	}
	return nil
}
