package queue

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"inmail/connectors/porttest"
	"inmail/domain/mailroom"
)

// TestOtherProcessesWakeTheWorkers checks that workers which would ask for tasks once an hour get those that
// another process adds at once, also after they lost their connection.
func TestOtherProcessesWakeTheWorkers(t *testing.T) {
	address := porttest.Address(t)
	shared := miniredis.NewMiniRedis()
	if err := shared.StartAddr(address); err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	open := func() *Broker {
		t.Helper()
		cfg := Default()
		cfg.URL = "redis://" + address
		b, err := Open(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return b
	}
	working, asking := open(), open()
	for _, w := range working.wakes.queues {
		w.rests, w.rest = rests{alone: time.Hour, notified: time.Hour}, time.Hour
	}
	handled := make(chan string, 100)
	handlers := map[string]Handler{}
	for _, kind := range mailroom.TaskKinds() {
		handlers[kind.Type] = func(context.Context, []string) error {
			handled <- kind.Type
			return nil
		}
	}
	s, err := working.Start(handlers, nil)
	if err != nil {
		t.Fatal(err)
	}
	ask := func() {
		t.Helper()
		for _, kind := range []string{mailroom.TaskSend, mailroom.TaskCRMPush, mailroom.TaskExpire} {
			for err := asking.Enqueue(t.Context(), mailroom.Task{Type: kind}); err != nil; {
				if t.Context().Err() != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Millisecond) // until this process has a connection again
				err = asking.Enqueue(t.Context(), mailroom.Task{Type: kind})
			}
			if got := <-handled; got != kind {
				t.Fatalf("handled %s, want %s", got, kind)
			}
		}
	}
	for range 10 {
		ask()
	}
	shared.Close()
	if err := shared.Restart(); err != nil {
		t.Fatal(err)
	}
	ask()
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestPollWithoutMessages checks how long workers rest: as long as without messages until a subscription
// stands, and again after it is lost.
func TestPollWithoutMessages(t *testing.T) {
	ws := newWakes(map[string]rests{mailroom.QueueSends: {alone: time.Millisecond, notified: time.Hour}})
	w := ws.queues[pendingKey(mailroom.QueueSends)]
	polls := func() {
		t.Helper()
		for range 3 { // none is held back for an hour
			w.wait(t.Context())(true)
		}
	}
	polls()
	ws.setNotified(true)
	w.wait(t.Context())(true) // it was touched
	resting := make(chan struct{})
	go func() {
		w.wait(t.Context())
		close(resting)
	}()
	select {
	case <-resting:
		t.Error("workers that are notified of tasks poll")
	case <-time.After(20 * time.Millisecond):
	}
	ws.setNotified(false)
	<-resting
	polls()
}

// TestOneMessageForManyTasks checks that tasks which come while a message is on its way share the next, and
// that a process does not wake its own workers by it.
func TestOneMessageForManyTasks(t *testing.T) {
	n := newNotifier(nil, 3, time.Second)
	n.sending = true // nobody sends: the test takes the messages
	for _, queue := range []string{"sends", "crm", "sends"} {
		n.notify(queue)
	}
	message := n.due()
	if message != n.sender+" crm sends" {
		t.Errorf("message %q", message)
	}
	if again := n.due(); again != "" || n.sending {
		t.Errorf("message %q although nothing is due, sending %v", again, n.sending)
	}
	if n.channel != "inmail:tasks:3" {
		t.Errorf("channel %s", n.channel)
	}
	b := &Broker{notifier: n, wakes: newWakes(map[string]rests{"sends": {}, "crm": {}})}
	b.notified(message)
	b.notified("another upkeep crm")
	for name, want := range map[string]uint64{"sends": 0, "crm": 1} {
		if got := b.wakes.queues[pendingKey(name)].touched; got != want {
			t.Errorf("%s touched %d times, want %d", name, got, want)
		}
	}
}
