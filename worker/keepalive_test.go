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

// TestWaitingForATurnHasAnEnd: a task that waits for its turn gives its worker back some day.
func TestWaitingForALeaseHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := (&Jobs{}).withLease(t.Context(), mailroom.WriteLease("crm"), "", func() error { return mailroom.ErrLeaseTaken })
		if took := time.Since(began); !errors.Is(err, mailroom.ErrLeaseTaken) || took != leaseWait {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// TestHold holds that work under a lease ends before anybody else may have it.
func TestKeepAlive(t *testing.T) {
	const lease = 3 * time.Second
	beat := lease / 3
	quiet := slog.New(slog.DiscardHandler)
	refused := errors.New("the record is down")
	// last is when the work's context ended after the last prolonging that went through; under way at most for 20 s.
	last := func(t *testing.T, prolong func(ctx context.Context, n int) error) time.Duration {
		t.Helper()
		n, good := 0, time.Now()
		held, release := keepAlive(t.Context(), quiet, beat, func(ctx context.Context) error {
			n++
			asked := time.Now()
			err := prolong(ctx, n)
			if err == nil {
				good = asked
			}
			return err
		})
		select {
		case <-held.Done():
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
