package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// ErrBusy says that more callers wait for a commit than are let in; the caller may come again.
var ErrBusy = errors.New("too many requests wait for the record")

// Group makes callers share transactions: callers that arrive while a commit is under way wait and share the
// next commit. A caller that is alone does not wait. Under load the batches grow, not the number of commits:
// another run begins beside those under way only when a whole batch waits.
type Group[T, R any] struct {
	run    func(ctx context.Context, items []T) ([]R, error)
	size   func(item T) int
	limits GroupLimits

	mu      sync.Mutex
	waiting []call[T, R]
	sizes   int // of all that wait
	active  int // runs under way
}

// GroupLimits bounds a Group.
type GroupLimits struct {
	Batch    int           // the size of the items that share one run; an item that is larger runs alone
	Waiting  int           // callers that may wait; more get ErrBusy
	Parallel int           // runs at once, when whole batches wait: 1 for a store with one writer
	Timeout  time.Duration // how long one run may take
}

type call[T, R any] struct {
	item T
	size int
	done chan answer[R]
}

type answer[R any] struct {
	result R
	err    error
}

// NewGroup returns a Group over run, which answers results[i] for items[i]; its error is every caller's. Each
// item has the size 1.
func NewGroup[T, R any](limits GroupLimits, run func(ctx context.Context, items []T) ([]R, error)) *Group[T, R] {
	return NewSizedGroup(limits, func(T) int { return 1 }, run)
}

// NewSizedGroup returns a Group whose items have the sizes that size returns.
func NewSizedGroup[T, R any](limits GroupLimits, size func(item T) int,
	run func(ctx context.Context, items []T) ([]R, error)) *Group[T, R] {
	return &Group[T, R]{run: run, size: size, limits: limits}
}

// Do hands one item in and waits for its result. When ctx ends first, the item may still be stored: the
// caller cannot know, and tries again under the same idempotency key (R28).
func (g *Group[T, R]) Do(ctx context.Context, item T) (R, error) {
	c := call[T, R]{item: item, size: g.size(item), done: make(chan answer[R], 1)}
	var none R
	if err := g.join(c); err != nil {
		return none, err
	}
	select {
	case a := <-c.done:
		return a.result, a.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

func (g *Group[T, R]) join(c call[T, R]) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) >= g.limits.Waiting {
		return ErrBusy
	}
	g.waiting = append(g.waiting, c)
	g.sizes += c.size
	if g.active == 0 || g.active < g.limits.Parallel && g.sizes >= g.limits.Batch {
		g.active++
		go g.drain()
	}
	return nil
}

// drain runs batches until nobody waits. Beside another drain it runs whole batches only.
func (g *Group[T, R]) drain() {
	for {
		g.mu.Lock()
		if len(g.waiting) == 0 || g.sizes < g.limits.Batch && g.active > 1 {
			g.active--
			g.mu.Unlock()
			return
		}
		batch := g.take()
		g.mu.Unlock()
		g.commit(batch)
	}
}

// take removes one batch from what waits, the first item at least.
func (g *Group[T, R]) take() []call[T, R] {
	n, size := 1, g.waiting[0].size
	for n < len(g.waiting) && size+g.waiting[n].size <= g.limits.Batch {
		size += g.waiting[n].size
		n++
	}
	batch := g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	g.sizes -= size
	return batch
}

// commit runs one batch and answers its callers. The context of one caller does not end the run, because
// the run serves all of them.
func (g *Group[T, R]) commit(batch []call[T, R]) {
	items := make([]T, len(batch))
	for i, c := range batch {
		items[i] = c.item
	}
	ctx, cancel := context.WithTimeout(context.Background(), g.limits.Timeout)
	defer cancel()
	results, err := g.contained(ctx, items)
	for i, c := range batch {
		a := answer[R]{err: err}
		if err == nil {
			a.result = results[i]
		}
		c.done <- a
	}
}

// contained runs one batch. A panic, or fewer results than items, becomes the error of all its callers.
func (g *Group[T, R]) contained(ctx context.Context, items []T) (results []R, err error) {
	defer func() {
		if p := recover(); p != nil {
			results, err = nil, fmt.Errorf("a group commit panicked: %v\n%s", p, debug.Stack())
		}
	}()
	results, err = g.run(ctx, items)
	if err == nil && len(results) != len(items) {
		return nil, fmt.Errorf("a group commit answered %d of %d items", len(results), len(items))
	}
	return results, err
}
