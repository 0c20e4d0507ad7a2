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
	inProcessRest = 2 * time.Second
)

// wakes makes the workers of this process wait for tasks instead of polling. It watches the commands to
// Redis: when a poll of a queue found nothing, the next is held back until some command of this process
// changes the queue's list of pending tasks, or another process notifies this one, at most for the queue's
// rest. Nothing depends on it: a task of which a worker is not notified is found after the rest.
type wakes struct {
	queues map[string]*wake // by the key of the list of pending tasks
	ending atomic.Int32     // servers that stop: nobody waits
}

// wake is what is known of one queue.
type wake struct {
	rests

	mu      sync.Mutex
	rest    time.Duration // the one of rests that applies
	touched uint64        // how often something touched the list
	empty   uint64        // touched when a poll began that found nothing, plus one; 0: the last found a task
	waiting chan struct{} // closed at the next touch; nil: nobody waits
}

// rests is how long the workers of a queue wait at most.
type rests struct {
	alone    time.Duration // while other processes do not notify this one
	notified time.Duration // while they do
}

// newWakes returns the wakes of queues by their names in Redis, with the rests of each.
func newWakes(queues map[string]rests) *wakes {
	ws := &wakes{queues: make(map[string]*wake, len(queues))}
	for name, r := range queues {
		ws.queues[pendingKey(name)] = &wake{rests: r, rest: r.alone}
	}
	return ws
}

// pendingKey is the key of Asynq's list of pending tasks of a queue.
func pendingKey(name string) string { return "asynq:{" + name + "}:pending" }

// woken reports whether the workers of a queue wait here.
func (ws *wakes) woken(name string) bool { return ws.queues[pendingKey(name)] != nil }

// touch wakes the workers of a queue; other names are ignored.
func (ws *wakes) touch(name string) {
	if w := ws.queues[pendingKey(name)]; w != nil {
		w.touch()
	}
}

// setNotified notes whether other processes notify this one, and wakes all workers: until now messages may
// have been lost, and from now on another rest applies.
func (ws *wakes) setNotified(notified bool) {
	for _, w := range ws.queues {
		w.mu.Lock()
		if w.rest = w.alone; notified {
			w.rest = w.notified
		}
		w.mu.Unlock()
		w.touch()
	}
}

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
		rest := time.NewTimer(w.rest)
		w.mu.Unlock()
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
			err := next(ctx, command)
			if !changedNothing(command) {
				w.touch()
			}
			return err
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

// changedNothing reports whether a script says that it moved no task: each script of Asynq that adds to a
// list of pending tasks answers how many it moved, or with something else than a number.
func changedNothing(command redis.Cmder) bool {
	answer, ok := command.(*redis.Cmd)
	if !ok {
		return false
	}
	moved, ok := answer.Val().(int64)
	return ok && moved == 0
}
