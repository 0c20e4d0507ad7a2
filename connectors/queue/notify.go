package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// notifiedRest is how long workers that are notified of new tasks wait at most. Messages of Redis may be
	// lost, so this is how late a task can be.
	notifiedRest = 2 * time.Second
	// notifyPause is the least time between two messages of a process. Under load one stands for many tasks.
	notifyPause = 5 * time.Millisecond
	// listenPing is how long a subscription may be silent before it is checked.
	listenPing = 5 * time.Second
	// listenAgain is the pause before a lost subscription is made again.
	listenAgain = time.Second
)

// notifier sends messages to the workers of all processes when this one has added tasks. A message that is
// lost costs time only: workers ask for tasks by themselves, too.
type notifier struct {
	redis   redis.UniversalClient
	channel string
	timeout time.Duration // of one message
	sender  string        // this process, whose own workers need no message

	mu      sync.Mutex
	queues  map[string]bool // those of which no message was sent yet, by their names in Redis
	sending bool
}

// newNotifier returns the notifier of an installation. Channels of Redis know no database numbers, by which
// installations that share one are told apart: the channel's name has it.
func newNotifier(r redis.UniversalClient, database int, timeout time.Duration) *notifier {
	return &notifier{redis: r, channel: fmt.Sprintf("inmail:tasks:%d", database), timeout: timeout,
		sender: rand.Text(), queues: map[string]bool{}}
}

// notify lets a message about new tasks of a queue be sent, and does not wait for it. A nil notifier sends
// nothing.
func (n *notifier) notify(queue string) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.queues[queue] = true
	if !n.sending {
		n.sending = true
		go n.send()
	}
}

// send sends messages until none is due.
func (n *notifier) send() {
	for {
		message := n.due()
		if message == "" {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), n.timeout)
		_ = n.redis.Publish(ctx, n.channel, message).Err() // then they are late: notifiedRest
		cancel()
		time.Sleep(notifyPause)
	}
}

// due returns the message that is due: its sender and the queues. When it is empty, the caller ends.
func (n *notifier) due() (message string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sending = len(n.queues) > 0; !n.sending {
		return ""
	}
	names := slices.Sorted(maps.Keys(n.queues))
	clear(n.queues)
	return n.sender + " " + strings.Join(names, " ")
}

// listen wakes the workers of this process when another notifies them, until ctx ends. While there is no
// subscription, they poll.
func (s *Server) listen(ctx context.Context) {
	warned := false
	for {
		err := s.subscribed(ctx)
		s.broker.wakes.setNotified(false)
		var refusal redis.Error
		if errors.As(err, &refusal) && !warned && ctx.Err() == nil {
			warned = true
			s.broker.log.Warn("Redis refuses messages about new tasks, so that workers poll; let its user use the "+
				"channel", "channel", s.broker.notifier.channel, "error", err)
		}
		select {
		case <-time.After(listenAgain):
		case <-ctx.Done():
			return
		}
	}
}

// subscribed wakes workers by the messages of one subscription, until it is lost.
func (s *Server) subscribed(ctx context.Context) error {
	sub := s.broker.redis.Subscribe(ctx, s.broker.notifier.channel)
	defer sub.Close()
	defer context.AfterFunc(ctx, func() { sub.Close() })()
	for silent := false; ; {
		message, err := sub.ReceiveTimeout(ctx, listenPing)
		var network net.Error
		switch {
		case errors.As(err, &network) && network.Timeout() && !silent:
			silent = true
			if err := sub.Ping(ctx); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		silent = false
		switch message := message.(type) {
		case *redis.Subscription: // also after the client has connected again: messages may have been lost
			s.broker.wakes.setNotified(true)
		case *redis.Message:
			s.broker.notified(message.Payload)
		}
	}
}

// notified wakes the workers of the queues that a message of another process names.
func (b *Broker) notified(message string) {
	sender, queues, _ := strings.Cut(message, " ")
	if sender == b.notifier.sender {
		return
	}
	for name := range strings.SplitSeq(queues, " ") {
		b.wakes.touch(name)
	}
}
