package worker

import (
	"errors"
	"testing"
	"time"
)

// TestPushEnds checks that a push to a CRM ends while more is due: after its time, so that it is not taken
// for one that failed, or after its bound; and at once when nothing more is due or a batch fails.
func TestPushEnds(t *testing.T) {
	fault := errors.New("fault")
	for _, row := range []struct {
		name  string
		until time.Duration // from now
		due   int           // batches, of which the last says that nothing more is due
		fails int           // the batch that fails; 0: none
		want  int
	}{
		{"its_time_is_over", 0, 100, 0, 1},
		{"its_bound_is_reached", time.Hour, 100, 0, pushLimit},
		{"nothing_more_is_due", time.Hour, 3, 0, 3},
		{"a_batch_fails", time.Hour, 100, 2, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := 0
			err := pushBatches(time.Now().Add(row.until), func() (bool, error) {
				if n++; n == row.fails {
					return true, fault
				}
				return n < row.due, nil
			})
			if n != row.want || (err != nil) != (row.fails > 0) {
				t.Errorf("%d batches, %v; want %d", n, err, row.want)
			}
		})
	}
}
