package worker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/worker"
)

var limits = worker.GroupLimits{Batch: 100, Waiting: 1000, Parallel: 1, Timeout: time.Minute}

// store keeps the batches of a group and lets none end before the test says so.
type store struct {
	batches [][]int
	release chan struct{} // one value lets one batch end; closed: all end at once
	fault   error
}

func (s *store) run(_ context.Context, items []int) ([]int, error) {
	s.batches = append(s.batches, items)
	<-s.release
	if s.fault != nil {
		return nil, s.fault
	}
	doubled := make([]int, len(items))
	for i, n := range items {
		doubled[i] = 2 * n
	}
	return doubled, nil
}

func (s *store) sizes() (sizes []int) {
	for _, b := range s.batches {
		sizes = append(sizes, len(b))
	}
	return sizes
}

// caller is one call of Do.
type caller struct {
	item, got int
	err       error
	returned  bool
}

func call(ctx context.Context, g *worker.Group[int, int], items ...int) []*caller {
	callers := make([]*caller, len(items))
	for i, n := range items {
		callers[i] = &caller{item: n}
		go func() {
			callers[i].got, callers[i].err = g.Do(ctx, n)
			callers[i].returned = true
		}()
		synctest.Wait() // in this order
	}
	return callers
}

func TestGroup(t *testing.T) {
	test := func(name string, f func(t *testing.T)) {
		t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
	}
	test("alone_waits_for_nobody", func(t *testing.T) {
		s := &store{release: make(chan struct{})}
		close(s.release)
		began := time.Now()
		got, err := worker.NewGroup(limits, s.run).Do(t.Context(), 21)
		if got != 42 || err != nil {
			t.Errorf("got %d, %v; want 42", got, err)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("it waited %v", waited)
		}
	})
	test("who_comes_during_a_run_shares_the_next", func(t *testing.T) {
		s := &store{release: make(chan struct{})}
		callers := call(t.Context(), worker.NewGroup(limits, s.run), 1, 2, 3, 4)
		close(s.release)
		synctest.Wait()
		if diff := cmp.Diff([][]int{{1}, {2, 3, 4}}, s.batches); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
		for _, c := range callers {
			if c.got != 2*c.item || c.err != nil {
				t.Errorf("caller %d got %d, %v: not its own answer", c.item, c.got, c.err)
			}
		}
	})
	test("a_batch_is_no_larger_than_its_limit", func(t *testing.T) {
		s := &store{release: make(chan struct{})}
		small := limits
		small.Batch = 2
		call(t.Context(), worker.NewGroup(small, s.run), 1, 2, 3, 4, 5, 6)
		close(s.release)
		synctest.Wait()
		if diff := cmp.Diff([]int{1, 2, 2, 1}, s.sizes()); diff != "" {
			t.Errorf("sizes of batches (-want +got):\n%s", diff)
		}
	})
	test("a_batch_counts_the_sizes_of_its_items", func(t *testing.T) {
		s := &store{release: make(chan struct{})}
		large := limits
		large.Batch, large.Parallel = 10, 2
		g := worker.NewSizedGroup(large, func(n int) int { return n }, s.run)
		call(t.Context(), g, 1, 4, 5, 30, 6, 3)
		if diff := cmp.Diff([][]int{{1}, {4, 5}}, s.batches); diff != "" {
			t.Errorf("a whole batch waits, under way (-want +got):\n%s", diff)
		}
		close(s.release)
		synctest.Wait()
		if diff := cmp.Diff([][]int{{1}, {4, 5}, {30}, {6, 3}}, s.batches); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
	})
	test("whole_batches_run_beside_each_other_up_to_the_limit", func(t *testing.T) {
		s := &store{release: make(chan struct{})}
		two := limits
		two.Batch, two.Parallel = 2, 2
		g := worker.NewGroup(two, s.run)
		call(t.Context(), g, 1, 2)
		if diff := cmp.Diff([][]int{{1}}, s.batches); diff != "" {
			t.Errorf("half a batch waits, under way (-want +got):\n%s", diff)
		}
		call(t.Context(), g, 3, 4, 5, 6)
		if diff := cmp.Diff([][]int{{1}, {2, 3}}, s.batches); diff != "" {
			t.Errorf("whole batches wait, under way (-want +got):\n%s", diff)
		}
		s.release <- struct{}{} // one of the two ends, and takes the next whole batch
		synctest.Wait()
		if diff := cmp.Diff([][]int{{1}, {2, 3}, {4, 5}}, s.batches); diff != "" {
			t.Errorf("after the first, under way (-want +got):\n%s", diff)
		}
		s.release <- struct{}{} // half a batch is left: it waits for the other
		synctest.Wait()
		if len(s.batches) != 3 {
			t.Errorf("batches %v: half a batch ran beside another", s.batches)
		}
		close(s.release)
		synctest.Wait()
		if diff := cmp.Diff([][]int{{1}, {2, 3}, {4, 5}, {6}}, s.batches); diff != "" {
			t.Errorf("batches in the end (-want +got):\n%s", diff)
		}
	})
	test("who_finds_too_many_waiting_is_told_at_once", func(t *testing.T) {
		s := &store{release: make(chan struct{})}
		narrow := limits
		narrow.Waiting = 2
		callers := call(t.Context(), worker.NewGroup(narrow, s.run), 1, 2, 3, 4) // 1 runs, 2 and 3 wait
		if late := callers[3]; !late.returned || !errors.Is(late.err, worker.ErrBusy) {
			t.Errorf("the fourth: returned %v, %v; want ErrBusy at once", late.returned, late.err)
		}
		close(s.release)
		synctest.Wait()
		if diff := cmp.Diff([][]int{{1}, {2, 3}}, s.batches); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
	})
	test("an_error_is_everybodys_and_ends_nobody_else", func(t *testing.T) {
		s := &store{release: make(chan struct{}), fault: errors.New("disk full")}
		g := worker.NewGroup(limits, s.run)
		callers := call(t.Context(), g, 1, 2, 3)
		close(s.release)
		synctest.Wait()
		for _, c := range callers {
			if !errors.Is(c.err, s.fault) {
				t.Errorf("caller %d: %v; want %v", c.item, c.err, s.fault)
			}
		}
		s.fault = nil
		if got, err := g.Do(t.Context(), 4); got != 8 || err != nil {
			t.Errorf("the next: %d, %v", got, err)
		}
	})
	test("a_panic_is_everybodys_error_and_ends_nobody_else", func(t *testing.T) {
		fails := true
		g := worker.NewGroup(limits, func(_ context.Context, items []int) ([]int, error) {
			if fails {
				panic("broken")
			}
			return items, nil
		})
		if _, err := g.Do(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "panicked") {
			t.Errorf("err = %v; want the panic", err)
		}
		fails = false
		if got, err := g.Do(t.Context(), 2); got != 2 || err != nil {
			t.Errorf("the next: %d, %v", got, err)
		}
	})
	test("a_short_answer_is_an_error", func(t *testing.T) {
		g := worker.NewGroup(limits, func(context.Context, []int) ([]int, error) { return nil, nil })
		if _, err := g.Do(t.Context(), 1); err == nil {
			t.Error("no error")
		}
	})
	test("who_leaves_takes_nobody_along", func(t *testing.T) {
		s := &store{release: make(chan struct{})}
		g := worker.NewGroup(limits, s.run)
		first := call(t.Context(), g, 1)
		leaving, leave := context.WithCancel(t.Context())
		left := call(leaving, g, 2)
		stayed := call(t.Context(), g, 3)
		leave()
		synctest.Wait()
		if !left[0].returned || !errors.Is(left[0].err, context.Canceled) {
			t.Errorf("who left: returned %v, %v", left[0].returned, left[0].err)
		}
		close(s.release)
		synctest.Wait()
		if first[0].got != 2 || stayed[0].got != 6 {
			t.Errorf("the others got %d and %d; want 2 and 6", first[0].got, stayed[0].got)
		}
	})
	test("a_run_has_a_time_limit", func(t *testing.T) {
		g := worker.NewGroup(limits, func(ctx context.Context, _ []int) ([]int, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		began := time.Now()
		if _, err := g.Do(t.Context(), 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v", err)
		}
		if took := time.Since(began); took != limits.Timeout {
			t.Errorf("it took %v; the limit is %v", took, limits.Timeout)
		}
	})
}
