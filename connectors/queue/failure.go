package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hibiken/asynq"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// failure is a handler's error as Redis stores it: its text is the class.
type failure struct {
	class string
	err   error
}

func (f *failure) Error() string { return f.class }
func (f *failure) Unwrap() error { return f.err }

// class matches what may be stored of an error and shown to an operator: a word or two of a closed
// alphabet.
var class = regexp.MustCompile(`^[A-Za-z0-9_.:* -]{1,60}$`)

// classOf returns the kind of an error in a word: its own Class, a refusal's code, timeout, canceled,
// network, a database's SQLSTATE, else the Go type of its root. It never returns the text, which may come
// from another system (R01).
func classOf(err error) string {
	var (
		failed   *failure
		classed  interface{ Class() string }
		refusal  *domain.Refusal
		database interface{ SQLState() string }
		network  net.Error
	)
	word := ""
	switch {
	case errors.As(err, &failed):
		return failed.class
	case errors.As(err, &classed):
		word = classed.Class()
	case errors.As(err, &refusal):
		word = string(refusal.Code)
	case errors.Is(err, asynq.ErrLeaseExpired):
		word = "worker_lost"
	case errors.Is(err, context.DeadlineExceeded):
		word = "timeout"
	case errors.Is(err, context.Canceled):
		word = "canceled"
	case errors.As(err, &database):
		word = "sqlstate " + database.SQLState()
	case errors.As(err, &network):
		word = "network"
	default:
		word = rootType(err)
	}
	if !class.MatchString(word) {
		return "other"
	}
	return word
}

// rootType returns the Go type of the innermost error; "error" if that is only a text.
func rootType(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	switch name := reflect.TypeOf(err).String(); name {
	case "*errors.errorString", "*fmt.wrapError", "*fmt.wrapErrors", "*errors.joinError":
		return "error"
	default:
		return name
	}
}

// storedClass returns the class of a text that was stored in Redis, by us or by Asynq itself.
func storedClass(text string) string {
	switch text {
	case context.DeadlineExceeded.Error():
		return "timeout"
	case context.Canceled.Error():
		return "canceled"
	case asynq.ErrLeaseExpired.Error():
		return "worker_lost"
	}
	if !class.MatchString(text) {
		return "other"
	}
	return text
}

// Failure is a task that failed. It waits to be tried again, or was archived.
type Failure struct {
	ID       string     `json:"id"`
	Queue    string     `json:"queue"`
	Type     string     `json:"type"`
	State    string     `json:"state"` // retry or archived
	Class    string     `json:"class"`
	IDs      []string   `json:"ids"`
	Attempts int        `json:"attempts"`
	Limit    int        `json:"limit"` // attempts in all
	At       time.Time  `json:"at"`    // of the last failure, UTC
	Next     *time.Time `json:"next"`  // next attempt, UTC; null when archived
}

// Failures returns up to limit failed tasks, the latest failure first.
func (b *Broker) Failures(ctx context.Context, limit int) ([]Failure, error) {
	if err := b.announce(ctx); err != nil {
		return nil, err
	}
	failures := []Failure{}
	for _, queue := range b.queues {
		type lister func(string, ...asynq.ListOption) ([]*asynq.TaskInfo, error)
		for _, list := range []lister{b.inspector.ListRetryTasks, b.inspector.ListArchivedTasks} {
			tasks, err := list(queue, asynq.PageSize(limit))
			if err != nil {
				return nil, fmt.Errorf("list the failed tasks of %s: %w", queue, b.explain(err))
			}
			for _, task := range tasks {
				failures = append(failures, newFailure(task))
			}
		}
	}
	slices.SortStableFunc(failures, func(x, y Failure) int { return y.At.Compare(x.At) })
	return failures[:min(len(failures), limit)], nil
}

func newFailure(task *asynq.TaskInfo) Failure {
	var p payload
	_ = json.Unmarshal(task.Payload, &p) // an unreadable payload has no ids
	f := Failure{
		ID: task.ID, Queue: task.Queue, Type: task.Type, State: task.State.String(), Class: storedClass(task.LastErr),
		IDs: p.IDs, Attempts: task.Retried, Limit: task.MaxRetry + 1, At: task.LastFailedAt.UTC(),
	}
	if task.State == asynq.TaskStateRetry {
		next := task.NextProcessAt.UTC()
		f.Next = &next
	} else {
		f.Attempts++ // Asynq does not count the first attempt
	}
	return f
}

// dropMissed deletes archived tasks of types without retries, which an older version archived or on which
// several workers died. It returns their number.
func (b *Broker) dropMissed(ctx context.Context) (dropped int, err error) {
	const pageSize = 1000
	for _, queue := range b.queues {
		var ids []string
		for page := 1; ; page++ {
			tasks, err := b.inspector.ListArchivedTasks(queue, asynq.PageSize(pageSize), asynq.Page(page))
			if err != nil {
				return dropped, fmt.Errorf("list the archived tasks of %s: %w", queue, b.explain(err))
			}
			for _, task := range tasks {
				if kind, known := mailroom.TaskKindOf(task.Type); known && kind.Retries == 0 {
					ids = append(ids, task.ID)
				}
			}
			if len(tasks) < pageSize {
				break
			}
		}
		for _, id := range ids {
			err := b.inspector.DeleteTask(queue, id)
			if err == nil {
				dropped++
			} else if !errors.Is(err, asynq.ErrTaskNotFound) { // another process may do the same
				return dropped, fmt.Errorf("delete an archived task of %s: %w", queue, b.explain(err))
			}
			if ctx.Err() != nil {
				return dropped, fmt.Errorf("delete archived tasks: %w", ctx.Err())
			}
		}
	}
	return dropped, nil
}

// ErrNoTask means that no failed task has the id.
var ErrNoTask = errors.New("no failed task has this id")

// Retry runs failed tasks now: those with the ids, or all when none is given. It returns their number. An
// id that belongs to no failed task is ErrNoTask.
func (b *Broker) Retry(ctx context.Context, ids ...string) (int, error) {
	if err := b.announce(ctx); err != nil {
		return 0, err
	}
	if len(ids) == 0 {
		return b.retryAll()
	}
	for n, id := range ids {
		if err := b.retryOne(id); err != nil {
			return n, fmt.Errorf("retry %s: %w", strings.ToValidUTF8(id, ""), err)
		}
	}
	return len(ids), nil
}

func (b *Broker) retryAll() (int, error) {
	retried := 0
	for _, queue := range b.queues {
		for _, run := range []func(string) (int, error){b.inspector.RunAllRetryTasks, b.inspector.RunAllArchivedTasks} {
			n, err := run(queue)
			if err != nil {
				return retried, fmt.Errorf("retry the failed tasks of %s: %w", queue, b.explain(err))
			}
			retried += n
			b.notifier.notify(queue)
		}
	}
	return retried, nil
}

func (b *Broker) retryOne(id string) error {
	for _, queue := range b.queues {
		task, err := b.inspector.GetTaskInfo(queue, id)
		if errors.Is(err, asynq.ErrTaskNotFound) {
			continue
		}
		if err != nil {
			return b.explain(err)
		}
		if task.State != asynq.TaskStateRetry && task.State != asynq.TaskStateArchived {
			continue
		}
		err = b.inspector.RunTask(queue, id)
		if errors.Is(err, asynq.ErrTaskNotFound) {
			return nil // it has started in the meantime
		}
		if err != nil {
			return b.explain(err)
		}
		b.notifier.notify(queue)
		return nil
	}
	return ErrNoTask
}
