package worker

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"inmail/domain/mailroom"
)

// TestWaitingForALeaseHasAnEnd checks that a task which waits for a lease gives up after leaseWait.
func TestWaitingForALeaseHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := (&Jobs{}).withLease(t.Context(), mailroom.WriteLease("crm"), "", func() error { return mailroom.ErrLeaseTaken })
		if took := time.Since(began); !errors.Is(err, mailroom.ErrLeaseTaken) || took != leaseWait {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// TestKeepAlive checks that work under a lease ends before another holder may take the lease.
func TestKeepAlive(t *testing.T) {
	const lease = 3 * time.Second
	beat := lease / 3
	quiet := slog.New(slog.DiscardHandler)
	refused := errors.New("the record is down")
	// last returns how long after the last successful prolonging the context of the work ended; 20 s at most.
	last := func(t *testing.T, prolong func(ctx context.Context, n int) error) time.Duration {
		t.Helper()
		n, good := 0, time.Now()
		leased, release := keepAlive(t.Context(), quiet, beat, func(ctx context.Context) error {
			n++
			asked := time.Now()
			err := prolong(ctx, n)
			if err == nil {
				good = asked
			}
			return err
		})
		select {
		case <-leased.Done():
		case <-time.After(20 * time.Second):
		}
		ended := time.Now()
		release()
		return ended.Sub(good)
	}
	t.Run("prolonged_it_goes_on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			if d := last(t, func(context.Context, int) error { return nil }); d > beat {
				t.Errorf("ended %v after it was prolonged", d)
			}
		})
	})
	t.Run("lost_it_ends_at_once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := last(t, func(_ context.Context, n int) error {
				if n < 3 {
					return nil
				}
				return mailroom.ErrLeaseTaken
			})
			if d != beat {
				t.Errorf("ended %v after it was last prolonged, want %v", d, beat)
			}
		})
	})
	t.Run("not_prolonged_it_ends_before_the_lease", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := last(t, func(_ context.Context, n int) error {
				if n < 3 {
					return nil
				}
				return refused
			})
			if d >= lease || d < beat {
				t.Errorf("ended %v after it was last prolonged, the lease is %v", d, lease)
			}
		})
	})
	t.Run("nor_does_it_wait_for_an_answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := last(t, func(ctx context.Context, n int) error {
				if n < 3 {
					return nil
				}
				<-ctx.Done()
				return ctx.Err()
			})
			if d >= lease {
				t.Errorf("ended %v after it was last prolonged, the lease is %v", d, lease)
			}
		})
	})
	t.Run("one_answer_that_fails_ends_nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := last(t, func(_ context.Context, n int) error {
				if n%2 == 0 {
					return refused
				}
				return nil
			})
			if d > 2*beat {
				t.Errorf("ended %v after it was last prolonged", d)
			}
		})
	})
}
