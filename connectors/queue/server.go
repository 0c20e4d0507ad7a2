package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/hibiken/asynq"

	"inmail/domain/mailroom"
)

// Handler works on the things with these ids. It may be called twice for the same task. It must return when
// ctx ends: after the type's time limit the task is tried again, whether the handler has returned or not.
// After an error the task is tried again later; when the error has a method RetryAfter() time.Duration it
// is tried after that time, and no attempt is counted.
type Handler = func(ctx context.Context, ids []string) error

// Observer is called after each run of a handler. result is "ok", "error" or "panic". It must not block.
type Observer func(taskType, result string, took time.Duration)

// Server runs handlers for the tasks of all queues until it is stopped. Each queue has its own workers, so
// that a slow Salesforce never takes those that deliver.
type Server struct {
	broker   *Broker
	handlers map[string]Handler
	observe  Observer
	servers  []*asynq.Server
	quit     func() // ends listen
	stop     sync.Once
	stopped  chan struct{}
}

const (
	// restCheckInterval is the poll interval of an empty crm, hooks or upkeep, while no messages about new
	// tasks come: the longest that one waits there.
	restCheckInterval = 100 * time.Millisecond
	// retryCheckInterval is how often failed tasks whose time has come are put back into their queue.
	retryCheckInterval = 2 * time.Second
	// healthInterval is how often Redis is pinged, for the log.
	healthInterval = 15 * time.Second
)

// Start works on all queues, with a handler for each task type; observe may be nil. The error names every
// task type without a handler and every handler without a task type; then nothing was started. Start does
// not wait for Redis: while Redis is down there are no tasks, and when it is back work goes on.
func (b *Broker) Start(handlers map[string]Handler, observe Observer) (*Server, error) {
	if err := checkHandlers(handlers); err != nil {
		return nil, fmt.Errorf("start the queue's workers: %w", err)
	}
	if observe == nil {
		observe = func(string, string, time.Duration) {}
	}
	s := &Server{broker: b, handlers: handlers, observe: observe, quit: func() {}, stopped: make(chan struct{})}
	for _, queue := range mailroom.Queues() {
		pullers, concurrency, checkInterval, err := b.config.workers(queue)
		if err != nil {
			return nil, fmt.Errorf("start the queue's workers: %w", err)
		}
		if b.wakes.woken(b.names[queue][0]) {
			checkInterval = pollPause
		}
		for range pullers {
			s.add(b.names[queue], share(concurrency, pullers), checkInterval)
		}
	}
	for _, server := range s.servers {
		if err := server.Start(asynq.HandlerFunc(s.process)); err != nil {
			s.Stop(context.Background())
			return nil, fmt.Errorf("start the queue's workers: %w", err)
		}
	}
	go s.watch()
	if b.notifier != nil {
		ctx, quit := context.WithCancel(context.Background())
		s.quit = quit
		go s.listen(ctx)
	}
	return s, nil
}

// checkHandlers compares the handlers with the table of task types.
func checkHandlers(handlers map[string]Handler) error {
	var faults []error
	for _, kind := range mailroom.TaskKinds() {
		if handlers[kind.Type] == nil {
			faults = append(faults, fmt.Errorf("the task type %s has no handler", kind.Type))
		}
	}
	for _, taskType := range slices.Sorted(maps.Keys(handlers)) {
		if _, known := mailroom.TaskKindOf(taskType); !known {
			faults = append(faults, fmt.Errorf("the handler of %s has no task type", taskType))
		}
	}
	return errors.Join(faults...)
}

// workers returns how a process works on a queue of API.md: the number of pullers that take tasks off it,
// the number of tasks that run at once, and the poll interval while it is empty.
func (c Config) workers(queue string) (pullers, concurrency int, checkInterval time.Duration, err error) {
	switch queue {
	case mailroom.QueueSends:
		return c.Pullers, c.Concurrency, c.CheckInterval, nil
	case mailroom.QueueCRM:
		return 1, c.CRMConcurrency, restCheckInterval, nil
	case mailroom.QueueHooks:
		return 1, c.HooksConcurrency, restCheckInterval, nil
	case mailroom.QueueUpkeep:
		return 1, c.UpkeepConcurrency, restCheckInterval, nil
	}
	return 0, 0, 0, fmt.Errorf("no setting says how many workers the queue %s has", queue)
}

// share is the concurrency of one puller, rounded up.
func share(concurrency, pullers int) int { return (concurrency + pullers - 1) / pullers }

func (s *Server) add(queues []string, concurrency int, checkInterval time.Duration) {
	priorities := map[string]int{}
	for _, name := range queues {
		priorities[name] = 1
	}
	level := asynq.WarnLevel
	if s.broker.log.Enabled(context.Background(), slog.LevelDebug) {
		level = asynq.InfoLevel
	}
	s.servers = append(s.servers, asynq.NewServerFromRedisClient(s.broker.redis, asynq.Config{
		Concurrency:              concurrency,
		Queues:                   priorities,
		TaskCheckInterval:        checkInterval,
		DelayedTaskCheckInterval: retryCheckInterval,
		RetryDelayFunc:           retryDelay,
		IsFailure:                costsAttempt,
		ErrorHandler:             asynq.ErrorHandlerFunc(s.failed),
		Logger:                   newAsynqLog(s.broker.log),
		LogLevel:                 level,
		ShutdownTimeout:          max(s.broker.config.Grace, time.Millisecond), // Asynq would replace 0 by 8 s
	}))
}

// watch logs when Redis goes away and when it is back, announces the queues again after a flush, and warns
// of a Redis that may drop tasks.
func (s *Server) watch() {
	ticker := time.NewTicker(healthInterval)
	defer ticker.Stop()
	down, warned, dropped := false, false, false
	for {
		ctx, cancel := context.WithTimeout(context.Background(), healthInterval)
		err := s.broker.announce(ctx)
		if !warned && err == nil {
			if warnings, err := s.broker.Warnings(ctx); err == nil {
				warned = true
				for _, warning := range warnings {
					s.broker.log.Warn("the queue is not safe", "detail", warning)
				}
			}
		}
		if !dropped && err == nil {
			n, err := s.broker.dropMissed(ctx)
			if dropped = err == nil; n > 0 {
				s.broker.log.Info("deleted archived tasks of types that are not archived any more", "tasks", n)
			}
		}
		cancel()
		if (err != nil) != down {
			down = err != nil
			if down {
				s.broker.log.Error("the queue is down; due work is found in the record when it is back", "error", err)
			} else {
				s.broker.log.Info("the queue is back")
			}
		}
		select {
		case <-ticker.C:
		case <-s.stopped:
			return
		}
	}
}

// Stop takes no new tasks and waits for running ones, at most queue_grace; those that are not done by then
// return to the queue. It returns an error when ctx ends first. A second Stop waits for the first.
func (s *Server) Stop(ctx context.Context) error {
	s.stop.Do(func() {
		go func() {
			defer close(s.stopped)
			defer s.broker.wakes.end()()
			s.quit()
			var all sync.WaitGroup
			for _, server := range s.servers {
				server.Stop()
			}
			for _, server := range s.servers {
				all.Go(server.Shutdown)
			}
			all.Wait()
		}()
	})
	select {
	case <-s.stopped:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop the queue's workers: %w", ctx.Err())
	}
}

// process runs the handler of a task. Whatever the error, Redis stores a class and no text (R01, R27).
func (s *Server) process(ctx context.Context, task *asynq.Task) (err error) {
	var p payload
	if err := json.Unmarshal(task.Payload(), &p); err != nil {
		return &failure{class: "unreadable", err: fmt.Errorf("%w: %w", err, asynq.SkipRetry)}
	}
	handler := s.handlers[task.Type()]
	if handler == nil { // enqueued by a newer process, which will handle it
		return &failure{class: "no_handler", err: fmt.Errorf("no handler for %s", task.Type())}
	}
	began := time.Now()
	result := "panic"
	defer func() {
		if value := recover(); value != nil {
			// The value of the panic may be a text. The log gets its type and the stack, which contains no
			// text.
			s.broker.log.ErrorContext(ctx, "a job panicked", "type", task.Type(), "value", fmt.Sprintf("%T", value),
				"stack", string(debug.Stack()))
			err = &failure{class: "panic", err: given(task.Type(), fmt.Errorf("panic of type %T", value))}
		}
		s.observe(task.Type(), result, time.Since(began))
	}()
	if err := handler(ctx, p.IDs); err != nil {
		result = "error"
		return &failure{class: classOf(err), err: given(task.Type(), err)}
	}
	result = "ok"
	return nil
}

// given returns the error that Asynq is given for a task's. A type without retries is neither tried again nor
// archived: its next slot does the work.
func given(taskType string, err error) error {
	if kind, known := mailroom.TaskKindOf(taskType); known && kind.Retries == 0 {
		return &missed{err}
	}
	return err
}

// missed is the error of a slot that failed.
type missed struct{ err error }

func (m *missed) Error() string   { return m.err.Error() }
func (m *missed) Unwrap() []error { return []error{m.err, asynq.RevokeTask} }

// idsInLog is how many ids of a failed task are logged.
const idsInLog = 5

// failed logs a failed task once, where the error stops: ids, class and the handler's error.
func (s *Server) failed(ctx context.Context, task *asynq.Task, err error) {
	var p payload
	_ = json.Unmarshal(task.Payload(), &p) // an unreadable payload has no ids
	id, _ := asynq.GetTaskID(ctx)
	retried, _ := asynq.GetRetryCount(ctx)
	most, _ := asynq.GetMaxRetry(ctx)
	cause := err
	var f *failure
	if errors.As(err, &f) {
		cause = f.err
	}
	level := slog.LevelWarn
	switch {
	case errors.Is(err, asynq.RevokeTask): // the next slot does it
	case !costsAttempt(err):
		level = slog.LevelInfo
	case retried >= most || errors.Is(err, asynq.SkipRetry):
		level = slog.LevelError
	}
	s.broker.log.LogAttrs(ctx, level, "a job failed",
		slog.String("type", task.Type()), slog.String("task", id), slog.Int("attempt", retried+1),
		slog.Int("attempts", most+1),
		slog.String("class", classOf(err)), slog.Any("error", cause),
		slog.Int("count", len(p.IDs)), slog.Any("ids", p.IDs[:min(len(p.IDs), idsInLog)]))
}

const (
	firstRetry = time.Second
	lastRetry  = 10 * time.Minute
)

// retryDelay is how long a task that failed retried times before waits for its next attempt. It is the time
// that the error gives, else twice the previous time, half of it random so that tasks which failed together
// do not return together.
func retryDelay(retried int, err error, _ *asynq.Task) time.Duration {
	if after, given := retryAfter(err); given {
		return max(after, 0)
	}
	delay := lastRetry
	if retried < 20 {
		delay = min(firstRetry<<max(retried, 0), lastRetry)
	}
	return delay/2 + rand.N(delay/2)
}

// costsAttempt reports whether an error counts against a task's attempts.
func costsAttempt(err error) bool {
	_, given := retryAfter(err)
	return !given
}

func retryAfter(err error) (time.Duration, bool) {
	var waits interface{ RetryAfter() time.Duration }
	if errors.As(err, &waits) {
		return waits.RetryAfter(), true
	}
	return 0, false
}
