package worker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
	"inmail/worker"
)

// slowQueue takes a task only when the test lets it.
type slowQueue struct {
	began chan struct{}
	let   chan error
	mu    sync.Mutex
	tasks [][]domain.ID
}

func (q *slowQueue) ask(_ context.Context, ids []domain.ID) error {
	q.began <- struct{}{}
	err := <-q.let
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tasks = append(q.tasks, ids)
	return err
}

func TestAnnouncer(t *testing.T) {
	t.Run("gathers what comes while it asks", func(t *testing.T) {
		q := &slowQueue{began: make(chan struct{}), let: make(chan error)}
		a := worker.NewAnnouncer(q.ask)
		a.Announce([]domain.ID{"1"})
		<-q.began
		a.Announce([]domain.ID{"2"}) // returns at once, though the queue does not answer
		a.Announce([]domain.ID{"3", "4"})
		a.Announce(nil)
		q.let <- errors.New("the queue is away") // only this task is lost
		<-q.began
		q.let <- nil
		if err := a.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([][]domain.ID{{"1"}, {"2", "3", "4"}}, q.tasks); diff != "" {
			t.Errorf("tasks (-want +got):\n%s", diff)
		}
	})
	t.Run("asks for every id once, in tasks of a bounded size", func(t *testing.T) {
		var mu sync.Mutex
		var asked []domain.ID
		a := worker.NewAnnouncer(func(_ context.Context, ids []domain.ID) error {
			mu.Lock()
			defer mu.Unlock()
			if len(ids) > 500 {
				t.Errorf("a task of %d ids", len(ids))
			}
			asked = append(asked, ids...)
			return nil
		})
		var want []domain.ID
		var announced sync.WaitGroup
		for i := range 20 {
			ids := make([]domain.ID, 77*i)
			for k := range ids {
				ids[k] = domain.ID(fmt.Sprintf("%d-%d", i, k))
			}
			want = append(want, ids...)
			announced.Go(func() { a.Announce(ids) })
		}
		announced.Wait()
		if err := a.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(want)
		slices.Sort(asked)
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Errorf("asked for (-want +got):\n%s", diff)
		}
	})
	t.Run("stops at once when it never began", func(t *testing.T) {
		if err := worker.NewAnnouncer(nil).Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("waits for a queue that never answers no longer than its context", func(t *testing.T) {
		q := &slowQueue{began: make(chan struct{}), let: make(chan error, 1)}
		a := worker.NewAnnouncer(q.ask)
		a.Announce([]domain.ID{"1"})
		<-q.began
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := a.Stop(ended); err != nil {
			t.Fatal(err)
		}
		q.let <- nil
	})
}
