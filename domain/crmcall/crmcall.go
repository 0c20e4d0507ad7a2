// Package crmcall has what the connectors of all CRMs say and count of their calls: how urgent one is, how
// many a piece of work makes, and the error of one that waits.
package crmcall

import (
	"context"
	"sync/atomic"
	"time"
)

// BackgroundShare is the part of the budget up to which background calls may be made. The rest is kept for
// the current state of InMails.
const BackgroundShare = 0.8

type (
	backgroundKey struct{}
	counterKey    struct{}
)

// Background marks the calls of a context as those of a reconcile, a backfill or a check, which leave a part
// of the budget to receipts.
func Background(ctx context.Context) context.Context {
	return context.WithValue(ctx, backgroundKey{}, true)
}

// InBackground reports whether the calls of a context leave a part of the budget to receipts.
func InBackground(ctx context.Context) bool {
	is, _ := ctx.Value(backgroundKey{}).(bool)
	return is
}

// Counter counts the calls of a context, logins included. Several goroutines may use it at once.
type Counter struct{ n atomic.Int64 }

// Count returns a context whose calls are counted.
func Count(ctx context.Context) (context.Context, *Counter) {
	c := &Counter{}
	return context.WithValue(ctx, counterKey{}, c), c
}

// Made counts a call in the counter of its context, if there is one.
func Made(ctx context.Context) {
	if c, ok := ctx.Value(counterKey{}).(*Counter); ok {
		c.n.Add(1)
	}
}

// Take returns how many calls were made since the last Take.
func (c *Counter) Take() int { return int(c.n.Swap(0)) }

// Parked says that a call did not leave the process, because our share of the calls or the CRM's own limit is
// spent. The call waits and nothing is lost (R53).
type Parked struct{ Until time.Time }

func (p *Parked) Error() string {
	return "the budget of API calls is spent until " + p.Until.UTC().Format(time.RFC3339)
}

// Wait waits for d, or until the context ends.
func Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// NoObserver is a mailroom.CRMObserver that ignores every event.
type NoObserver struct{}

// Called ignores a call.
func (NoObserver) Called(string, time.Duration) {}

// Pushed ignores rows.
func (NoObserver) Pushed(string, string, int) {}

// BudgetUsed ignores the use of the budget.
func (NoObserver) BudgetUsed(float64) {}
