package record

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"inmail/domain/mailroom"
)

// tester makes a circuit whose rounds of look wait for a tick of the test.
func tester(alive func(context.Context) error) (c *circuit, tick func()) {
	ticks := make(chan time.Time)
	c = &circuit{alive: alive, patience: 2 * time.Second, pause: func(time.Duration) <-chan time.Time { return ticks }}
	return c, func() { ticks <- time.Time{} }
}

// TestCircuit checks that the circuit opens for a database that does not answer, and
// closes with its first answer.
func TestCircuit(t *testing.T) {
	silent := &Fault{Tried: "look whether the database lives", Text: "took too long", why: mailroom.CauseSilent, kind: mailroom.ErrUnavailable}
	var lives atomic.Bool
	var asked atomic.Int32
	c, tick := tester(func(context.Context) error {
		asked.Add(1)
		if lives.Load() {
			return nil
		}
		return silent
	})
	notified := make(chan error, 4)
	c.changed = func(open error) { notified <- open }

	ctx, leave, err := c.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tick()
	tick() // the first round of look is over when the second begins
	if asked.Load() != 0 || ctx.Err() != nil {
		t.Fatalf("a young transaction made it ask %d times: %v", asked.Load(), ctx.Err())
	}
	c.mu.Lock()
	for w := range c.waiting {
		w.since = w.since.Add(-c.patience)
	}
	c.mu.Unlock()
	tick()
	if open := <-notified; !errors.Is(open, mailroom.ErrUnavailable) {
		t.Fatalf("it opened for %v", open)
	}
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, mailroom.ErrUnavailable) || mailroom.CauseOf(cause) != mailroom.CauseSilent {
		t.Errorf("who waited is given up for %v", cause)
	}
	leave()
	if _, _, err := c.enter(t.Context()); mailroom.CauseOf(err) != mailroom.CauseSilent {
		t.Errorf("an open circuit lets in, or says %v", err)
	}
	lives.Store(true)
	tick()
	if open := <-notified; open != nil {
		t.Fatalf("it stays open for %v", open)
	}
	_, leave, err = c.enter(t.Context())
	if err != nil {
		t.Errorf("a closed circuit refuses: %v", err)
	}
	leave()
	tick() // no transaction waits, so look ends
	c.close()
}

// TestCircuitOfASlowDatabase checks that the circuit stays closed when transactions take long
// and the database answers.
func TestCircuitOfASlowDatabase(t *testing.T) {
	asked := make(chan struct{}, 2)
	c, tick := tester(func(context.Context) error { asked <- struct{}{}; return nil })
	ctx, leave, _ := c.enter(t.Context())
	c.mu.Lock()
	for w := range c.waiting {
		w.since = w.since.Add(-time.Minute)
	}
	c.mu.Unlock()
	tick()
	<-asked
	tick()
	<-asked
	if ctx.Err() != nil {
		t.Errorf("a slow transaction was given up: %v", context.Cause(ctx))
	}
	leave()
}
