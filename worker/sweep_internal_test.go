package worker

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestSweepAtOnce checks that a sweep that is not over with its first batch uses all writers, leaves nothing,
// and says why one of them failed.
func TestSweepAtOnce(t *testing.T) {
	for name, test := range map[string]struct{ rows, writers, atOnce, batches int64 }{
		"one batch is all":               {rows: 700, writers: 4, atOnce: 1, batches: 1},
		"several writers share the rest": {rows: 9*sweepBatch + 1, writers: 4, atOnce: 4, batches: 13},
		"one writer":                     {rows: 2 * sweepBatch, writers: 1, atOnce: 1, batches: 3},
		"no number of writers":           {rows: 2 * sweepBatch, writers: 0, atOnce: 1, batches: 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var active, most, batches int64
				left := test.rows
				j := &Jobs{Writers: int(test.writers)}
				err := j.sweepAtOnce(t.Context(), func() (int, error) {
					mu.Lock()
					batches++
					active++
					most = max(most, active)
					taken := min(sweepBatch, left)
					left -= taken
					mu.Unlock()
					time.Sleep(time.Second) // of the bubble: all who may run at once do
					mu.Lock()
					defer mu.Unlock()
					active--
					return int(taken), nil
				})
				if err != nil || left > 0 || most != test.atOnce || batches != test.batches {
					t.Errorf("%v, %d rows left, %d at once, %d batches; want none, %d, %d",
						err, left, most, batches, test.atOnce, test.batches)
				}
			})
		})
	}
	fault, calls := errors.New("no"), 0
	j := &Jobs{Writers: 1}
	err := j.sweepAtOnce(t.Context(), func() (int, error) {
		if calls++; calls == 3 {
			return 0, fault
		}
		return sweepBatch, nil
	})
	if !errors.Is(err, fault) {
		t.Errorf("the fault of a later batch is lost: %v", err)
	}
}
