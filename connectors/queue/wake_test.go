package queue

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"inmail/domain/mailroom"
)

// TestTasksOfThisProcessWakeItsWorkers checks that workers which would ask for tasks once an hour get each
// task of their process at once, also one that failed and comes again, and that they do not hold up the end.
func TestTasksOfThisProcessWakeItsWorkers(t *testing.T) {
	b, err := Open(Default(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, w := range b.wakes.queues {
		w.rest = time.Hour
	}
	handled := make(chan string, 100)
	failed := false
	handlers := map[string]Handler{}
	for _, kind := range mailroom.TaskKinds() {
		handlers[kind.Type] = func(_ context.Context, ids []string) error {
			if len(ids) > 0 && ids[0] == "fails-once" && !failed {
				failed = true
				return context.DeadlineExceeded
			}
			handled <- kind.Type
			return nil
		}
	}
	s, err := b.Start(handlers, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		for _, kind := range []string{mailroom.TaskSend, mailroom.TaskCRMPush, mailroom.TaskExpire} {
			if err := b.Enqueue(t.Context(), mailroom.Task{Type: kind}); err != nil {
				t.Fatal(err)
			}
			if got := <-handled; got != kind {
				t.Fatalf("handled %s, want %s", got, kind)
			}
		}
	}
	if err := b.Enqueue(t.Context(), mailroom.Task{Type: mailroom.TaskSend, IDs: []string{"fails-once"}}); err != nil {
		t.Fatal(err)
	}
	if got := <-handled; got != mailroom.TaskSend {
		t.Fatalf("handled %s, want the task that had failed", got)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestRestEnds checks that a poll that found nothing holds the next back until the list is touched or the
// rest is over, and that one which found a task, or was overtaken by a touch, does not.
func TestRestEnds(t *testing.T) {
	w := &wake{rest: time.Millisecond}
	w.wait(t.Context())(true)
	polled := w.wait(t.Context()) // ends with the rest
	w.rest = time.Hour
	w.touch() // while it polls: the next may find something
	polled(true)
	w.wait(t.Context())(false)
	polled = w.wait(t.Context())
	polled(true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.wait(ctx)(true)
	woken := make(chan struct{})
	go func() {
		w.wait(t.Context())
		close(woken)
	}()
	select {
	case <-woken:
		t.Error("a poll is not held back after one that found nothing")
	case <-time.After(10 * time.Millisecond):
	}
	w.touch()
	<-woken
}
