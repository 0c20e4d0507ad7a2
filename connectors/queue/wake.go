package queue

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// pollPause is Asynq's pause between two polls of a queue whose workers are woken: they wait in wakes.
	pollPause = time.Millisecond
	// inProcessRest is how long workers of the broker inside the process wait for a task at most. Whatever
	// adds a task is in this process and wakes them.
	inProcessRest = time.Second
)

// wakes makes the workers of this process wait for its own tasks instead of polling. It watches the commands
// to Redis: when a poll of a queue found nothing, the next is held back until some command of this process
// touches the queue's list of pending tasks, at most for the queue's rest. Nothing depends on it: a task that
// another process adds, or that comes by itself, is found after the rest.
type wakes struct {
	queues map[string]*wake // by the key of the list of pending tasks
	ending atomic.Int32     // servers that stop: nobody waits
}

// wake is what is known of one queue.
type wake struct {
	rest time.Duration

	mu      sync.Mutex
	touched uint64        // how often something touched the list
	empty   uint64        // touched when a poll began that found nothing, plus one; 0: the last found a task
	waiting chan struct{} // closed at the next touch; nil: nobody waits
}

// newWakes returns the wakes of queues by their names in Redis, with the rest of each.
func newWakes(rests map[string]time.Duration) *wakes {
	ws := &wakes{queues: make(map[string]*wake, len(rests))}
	for name, rest := range rests {
		ws.queues[pendingKey(name)] = &wake{rest: rest}
	}
	return ws
}

// pendingKey is the key of Asynq's list of pending tasks of a queue.
func pendingKey(name string) string { return "asynq:{" + name + "}:pending" }

// woken reports whether the workers of a queue wait here.
func (ws *wakes) woken(name string) bool { return ws.queues[pendingKey(name)] != nil }

// end lets nobody wait until ended is called.
func (ws *wakes) end() (ended func()) {
	ws.ending.Add(1)
	for _, w := range ws.queues {
		w.touch()
	}
	return func() { ws.ending.Add(-1) }
}

// touch wakes all who wait.
func (w *wake) touch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.touched++
	if w.waiting != nil {
		close(w.waiting)
		w.waiting = nil
	}
}

// wait returns when a poll is worth while: at once unless the last found nothing and nothing touched the list
// since. polled is to be called with what the poll found.
func (w *wake) wait(ctx context.Context) (polled func(nothing bool)) {
	w.mu.Lock()
	if w.empty == w.touched+1 {
		if w.waiting == nil {
			w.waiting = make(chan struct{})
		}
		touched := w.waiting
		w.mu.Unlock()
		rest := time.NewTimer(w.rest)
		select {
		case <-touched:
		case <-rest.C:
		case <-ctx.Done():
		}
		rest.Stop()
		w.mu.Lock()
	}
	began := w.touched
	w.mu.Unlock()
	return func(nothing bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.empty = 0; nothing {
			w.empty = began + 1
		}
	}
}

var _ redis.Hook = (*wakes)(nil)

// DialHook implements redis.Hook.
func (ws *wakes) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return next(ctx, network, address)
	}
}

// ProcessPipelineHook implements redis.Hook.
func (ws *wakes) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error { return next(ctx, commands) }
}

// ProcessHook implements redis.Hook.
func (ws *wakes) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		w, poll := ws.of(command)
		switch {
		case w == nil:
			return next(ctx, command)
		case !poll:
			defer w.touch()
			return next(ctx, command)
		case ws.ending.Load() > 0:
			return next(ctx, command)
		}
		polled := w.wait(ctx)
		err := next(ctx, command)
		polled(errors.Is(err, redis.Nil))
		return err
	}
}

// of returns the queue whose list of pending tasks a script of Asynq touches, and whether it polls it: that
// script alone begins with the list and whether the queue is paused.
func (ws *wakes) of(command redis.Cmder) (w *wake, poll bool) {
	if name := command.Name(); name != "evalsha" && name != "eval" {
		return nil, false
	}
	args := command.Args() // the name, the script, the number of keys, the keys, other arguments
	for i := 3; i < len(args); i++ {
		key, ok := args[i].(string)
		if !ok || !strings.HasSuffix(key, ":pending") {
			continue
		}
		if w := ws.queues[key]; w != nil {
			paused := ""
			if i == 3 && len(args) > 4 {
				paused, _ = args[4].(string)
			}
			return w, strings.HasSuffix(paused, ":paused")
		}
	}
	return nil, false
}
