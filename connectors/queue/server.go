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

// Handler looks at the things with these ids. It may be called twice for the same task, and must end when ctx does: after the
// type's time limit the task is tried again, whether the handler has returned or not. An error makes the task come again later;
// one with a method RetryAfter() time.Duration says when, and costs no attempt.
type Handler = func(ctx context.Context, ids []string) error

// Observer is told how each run of a handler ended: "ok", "error" or "panic". It must not block.
type Observer func(taskType, result string, took time.Duration)

// Server hands the tasks of all queues to handlers until it is stopped. Each queue has workers of its own, so that a slow
// Salesforce never takes those that deliver.
type Server struct {
	broker   *Broker
	handlers map[string]Handler
	observe  Observer
	servers  []*asynq.Server
	stop     sync.Once
	stopped  chan struct{}
}

const (
	// restCheckInterval is how often an empty crm or upkeep is looked at: what waits there may wait this long.
	restCheckInterval = 100 * time.Millisecond
	// retryCheckInterval is how often tasks whose time to be tried again has come are looked for.
	retryCheckInterval = time.Second
	// healthInterval is how often Redis is asked whether it is there, for the log.
	healthInterval = 15 * time.Second
)

// Start begins to work on all queues with a handler for each task type; observe may be nil. The error names
// every task type that has no handler and every handler that has no task type: nothing was started then. It
// does not wait for Redis: while that is down nothing comes, and when it is back work goes on.
func (b *Broker) Start(handlers map[string]Handler, observe Observer) (*Server, error) {
	if err := checkHandlers(handlers); err != nil {
		return nil, fmt.Errorf("start the queue's workers: %w", err)
	}
	if observe == nil {
		observe = func(string, string, time.Duration) {}
	}
	s := &Server{broker: b, handlers: handlers, observe: observe, stopped: make(chan struct{})}
	for _, queue := range mailroom.Queues() {
		pullers, concurrency, checkInterval, err := b.config.workers(queue)
		if err != nil {
			return nil, fmt.Errorf("start the queue's workers: %w", err)
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
	return s, nil
}

// checkHandlers holds handlers against the table of task types.
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

// workers returns how a process works on a queue of API.md: how many pullers take tasks off it, how many
// tasks are in hand at once, and how often it is looked at while it is empty.
func (c Config) workers(queue string) (pullers, concurrency int, checkInterval time.Duration, err error) {
	switch queue {
	case mailroom.QueueSends:
		return c.Pullers, c.Concurrency, c.CheckInterval, nil
	case mailroom.QueueCRM:
		return 1, c.CRMConcurrency, restCheckInterval, nil
	case mailroom.QueueUpkeep:
		return 1, c.UpkeepConcurrency, restCheckInterval, nil
	}
	return 0, 0, 0, fmt.Errorf("no setting says how many workers the queue %s has", queue)
}

// share is one puller's part of the concurrency, rounded up.
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
		ShutdownTimeout:          max(s.broker.config.Grace, time.Millisecond), // Asynq takes 0 for its own 8 s
	}))
}

// watch says when Redis goes away and when it is back, announces the queues again after a flush, and warns of a Redis that may
// drop tasks.
func (s *Server) watch() {
	ticker := time.NewTicker(healthInterval)
	defer ticker.Stop()
	down, warned := false, false
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
		cancel()
		if (err != nil) != down {
			down = err != nil
			if down {
				s.broker.log.Error("the queue is down; what is due is found in the record when it is back", "error", err)
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

// Stop takes no more tasks, waits for those in hand as long as queue_grace says, and gives back what is not done by then. It
// returns an error when ctx ends first. A second Stop waits for the first.
func (s *Server) Stop(ctx context.Context) error {
	s.stop.Do(func() {
		go func() {
			defer close(s.stopped)
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

// process runs the handler of a task. Whatever it answers, what goes to Redis is a class and no text (R01, R27).
func (s *Server) process(ctx context.Context, task *asynq.Task) (err error) {
	var p payload
	if err := json.Unmarshal(task.Payload(), &p); err != nil {
		return &failure{class: "unreadable", err: fmt.Errorf("%w: %w", err, asynq.SkipRetry)}
	}
	handler := s.handlers[task.Type()]
	if handler == nil { // a newer process made it; one of those will take it
		return &failure{class: "no_handler", err: fmt.Errorf("no handler for %s", task.Type())}
	}
	began := time.Now()
	result := "panic"
	defer func() {
		if value := recover(); value != nil {
			// What was thrown may hold a text: the log gets its type and the stack, which holds none.
			s.broker.log.ErrorContext(ctx, "a job panicked", "type", task.Type(), "value", fmt.Sprintf("%T", value), "stack", string(debug.Stack()))
			err = &failure{class: "panic", err: fmt.Errorf("panic of type %T", value)}
		}
		s.observe(task.Type(), result, time.Since(began))
	}()
	if err := handler(ctx, p.IDs); err != nil {
		result = "error"
		return &failure{class: classOf(err), err: err}
	}
	result = "ok"
	return nil
}

// idsInLog is how many ids of a failed task the log names.
const idsInLog = 5

// failed logs a task that failed, once, where the error stops: ids, class and the handler's error.
func (s *Server) failed(ctx context.Context, task *asynq.Task, err error) {
	var p payload
	_ = json.Unmarshal(task.Payload(), &p) // unreadable has no ids to name
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
	case !costsAttempt(err):
		level = slog.LevelInfo
	case retried >= most || errors.Is(err, asynq.SkipRetry):
		level = slog.LevelError
	}
	s.broker.log.LogAttrs(ctx, level, "a job failed",
		slog.String("type", task.Type()), slog.String("task", id), slog.Int("attempt", retried+1), slog.Int("attempts", most+1),
		slog.String("class", classOf(err)), slog.Any("error", cause),
		slog.Int("count", len(p.IDs)), slog.Any("ids", p.IDs[:min(len(p.IDs), idsInLog)]))
}

const (
	firstRetry = time.Second
	lastRetry  = 10 * time.Minute
)

// retryDelay is how long a task that failed retried times before waits until it is tried again: when its error says so, else
// twice as long as the time before, half of it by chance so that what failed together does not come together.
func retryDelay(retried int, err error, _ *asynq.Task) time.Duration {
	if after, says := retryAfter(err); says {
		return max(after, 0)
	}
	delay := lastRetry
	if retried < 20 {
		delay = min(firstRetry<<max(retried, 0), lastRetry)
	}
	return delay/2 + rand.N(delay/2)
}

// costsAttempt says whether an error counts against a task's attempts.
func costsAttempt(err error) bool {
	_, says := retryAfter(err)
	return !says
}

func retryAfter(err error) (time.Duration, bool) {
	var waits interface{ RetryAfter() time.Duration }
	if errors.As(err, &waits) {
		return waits.RetryAfter(), true
	}
	return 0, false
}
