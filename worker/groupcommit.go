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

// Group makes callers share transactions: those that arrive while a commit is under way wait for the next one and
// go together. Alone, a caller waits for nobody. Load grows the batch, not the number of commits: only when a whole
// batch waits does another run begin beside those under way.
type Group[T, R any] struct {
	run    func(ctx context.Context, items []T) ([]R, error)
	limits GroupLimits

	mu      sync.Mutex
	waiting []call[T, R]
	active  int
}

// GroupLimits bounds a Group.
type GroupLimits struct {
	Batch    int           // items that share one run
	Waiting  int           // callers that may wait; more get ErrBusy
	Parallel int           // runs at once, when whole batches wait: 1 for a store with one writer
	Timeout  time.Duration // of one run
}

type call[T, R any] struct {
	item T
	done chan answer[R]
}

type answer[R any] struct {
	result R
	err    error
}

// NewGroup returns a Group over run, which answers results[i] for items[i]; its error is every caller's.
func NewGroup[T, R any](limits GroupLimits, run func(ctx context.Context, items []T) ([]R, error)) *Group[T, R] {
	return &Group[T, R]{run: run, limits: limits}
}

// Do hands one item in and waits for its result. When ctx ends first the item may still be done: the
// caller cannot know, and asks again under the same key (R28).
func (g *Group[T, R]) Do(ctx context.Context, item T) (R, error) {
	c := call[T, R]{item: item, done: make(chan answer[R], 1)}
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
	if g.active == 0 || g.active < g.limits.Parallel && len(g.waiting) >= g.limits.Batch {
		g.active++
		go g.drain()
	}
	return nil
}

// drain runs batches until nobody waits; beside another drain, only whole ones.
func (g *Group[T, R]) drain() {
	for {
		g.mu.Lock()
		n := min(len(g.waiting), g.limits.Batch)
		if n == 0 || n < g.limits.Batch && g.active > 1 {
			g.active--
			g.mu.Unlock()
			return
		}
		batch := g.waiting[:n:n]
		g.waiting = g.waiting[n:]
		g.mu.Unlock()
		g.commit(batch)
	}
}

// commit runs one batch and answers its callers. The run belongs to all of them, so no single caller's
// context ends it.
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

// contained runs a batch; a panic or a short answer is every caller's error, and ends nobody else.
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
