package worker

import (
	"context"
	"sync"
	"time"

	"inmail/domain"
)

// The bounds of announcing.
const (
	announcedIDs     = 500             // ids of one task
	announceWaiting  = 100_000         // ids that may wait; redrive finds those beyond
	announceTimeout  = 5 * time.Second // how long enqueueing one task may take
	announceAtTheEnd = 5 * time.Second // how long Stop waits for all ids that still wait
)

// Announcer enqueues accepted InMails in the background, so that neither callers nor commits wait for the
// queue. InMails that are accepted while a task is being enqueued share the next task. Nothing is lost when
// the queue cannot be reached: the record has the InMails, and redrive enqueues them again.
type Announcer struct {
	ask func(ctx context.Context, ids []domain.ID) error

	mu      sync.Mutex
	waiting []domain.ID
	idle    chan struct{} // closed when nothing waits any more; nil: nothing was ever announced
	asking  bool          // askAll runs
}

// NewAnnouncer returns an Announcer over ask, which puts one task into the queue.
func NewAnnouncer(ask func(ctx context.Context, ids []domain.ID) error) *Announcer {
	return &Announcer{ask: ask}
}

// Announce takes ids to be enqueued and returns at once.
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

// askAll enqueues tasks until no id waits.
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

// one enqueues one task. Its error is dropped, because redrive finds InMails that are still queued.
func (a *Announcer) one(ids []domain.ID) {
	ctx, cancel := context.WithTimeout(context.Background(), announceTimeout)
	defer cancel()
	_ = a.ask(ctx, ids)
}

// Stop waits until every announced id was enqueued, for announceAtTheEnd at most. Redrive finds the rest.
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
