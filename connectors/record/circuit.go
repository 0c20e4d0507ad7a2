package record

import (
	"context"
	"sync"
	"time"
)

// circuitPause lies between two rounds of look.
const circuitPause = 250 * time.Millisecond

// circuit is a circuit breaker: it refuses transactions at once while the database hangs. It does not count
// errors. When a transaction takes longer than patience, it probes the database (alive), and it opens when
// there is no answer within half of that. While it is open it goes on probing, and it closes with the first
// answer. The zero value is closed; its fields alive and patience must be set before use.
type circuit struct {
	alive    func(ctx context.Context) error
	patience time.Duration
	pause    func(d time.Duration) <-chan time.Time // nil: time.After

	mu      sync.Mutex
	waiting map[*waiter]struct{} // transactions under way
	open    error                // nil: the circuit is closed
	looking bool                 // the goroutine look runs
	closed  bool                 // the record is closed, and look ends
	changed func(open error)     // is called when the circuit opens, and with nil when it closes; may be nil
}

// waiter is one transaction under way.
type waiter struct {
	since  time.Time
	giveUp context.CancelCauseFunc
}

// enter begins a transaction; it fails at once while the circuit is open. The returned context ends when the
// circuit opens, with the fault as its cause. leave must be called when the transaction has ended.
func (c *circuit) enter(ctx context.Context) (waited context.Context, leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open != nil {
		return nil, nil, c.open
	}
	waited, giveUp := context.WithCancelCause(ctx)
	w := &waiter{since: time.Now(), giveUp: giveUp}
	if c.waiting == nil {
		c.waiting = map[*waiter]struct{}{}
	}
	c.waiting[w] = struct{}{}
	if !c.looking {
		c.looking = true
		go c.look()
	}
	return waited, func() {
		c.mu.Lock()
		delete(c.waiting, w)
		c.mu.Unlock()
		giveUp(nil)
	}, nil
}

// look watches the transactions under way and probes the database. It ends when there are none
// and the circuit is closed.
func (c *circuit) look() {
	after := c.pause
	if after == nil {
		after = time.After
	}
	for {
		<-after(circuitPause)
		c.mu.Lock()
		if c.closed || c.open == nil && len(c.waiting) == 0 {
			c.looking = false
			c.mu.Unlock()
			return
		}
		ask := c.open != nil
		for w := range c.waiting {
			ask = ask || time.Since(w.since) >= c.patience
		}
		c.mu.Unlock()
		if ask {
			c.set(c.ask())
		}
	}
}

// close ends the watch over transactions.
func (c *circuit) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

// ask probes the database; nil when it answers.
func (c *circuit) ask() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.patience/2)
	defer cancel()
	return c.alive(ctx)
}

// set opens the circuit for a fault, or closes it for nil. When it opens, the transactions under way give up:
// nothing of them is committed, except where the commit was sent already, and then its answer is waited for.
func (c *circuit) set(fault error) {
	c.mu.Lock()
	changed := (fault == nil) != (c.open == nil)
	c.open = fault
	if fault != nil {
		for w := range c.waiting {
			w.giveUp(fault)
		}
	}
	notify := c.changed
	c.mu.Unlock()
	if changed && notify != nil {
		notify(fault)
	}
}
