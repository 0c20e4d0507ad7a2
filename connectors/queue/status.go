package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/hibiken/asynq"

	"inmail/domain/mailroom"
)

// Status is the state of the queues.
type Status struct {
	Where    string        `json:"where"`   // without passwords
	Servers  int           `json:"servers"` // Asynq servers of all processes
	Queues   []QueueStatus `json:"queues"`
	Warnings []string      `json:"warnings"`
}

// QueueStatus counts the tasks of a queue by state.
type QueueStatus struct {
	Queue     string        `json:"queue"`
	Paused    bool          `json:"paused"`
	Waiting   int           `json:"waiting"`
	Running   int           `json:"running"`
	Retry     int           `json:"retry"`    // failed, waiting for another attempt
	Archived  int           `json:"archived"` // failed for good
	Kept      int           `json:"kept"`     // done, and kept by an older version
	Oldest    time.Duration `json:"oldest"`   // how long the oldest task has waited, in nanoseconds
	Processed int           `json:"processed_today"`
	Failed    int           `json:"failed_today"`
}

// Status reads the state of all queues. A Redis that is full can be read: that it is full is a warning.
func (b *Broker) Status(ctx context.Context) (*Status, error) {
	unwritten := b.announce(ctx)
	warnings, err := b.Warnings(ctx)
	if err != nil {
		return nil, err
	}
	switch why := mailroom.CauseOf(unwritten); {
	case unwritten == nil:
	case why == mailroom.CauseFull:
		warnings = append(warnings, fmt.Sprintf("the queue %s: %v", why, unwritten))
	default:
		return nil, unwritten
	}
	servers, err := b.inspector.Servers()
	if err != nil {
		return nil, fmt.Errorf("look at the queue's servers: %w", b.explain(err))
	}
	status := &Status{Where: b.Where(), Servers: len(servers), Warnings: append([]string{}, warnings...)}
	for _, name := range b.queues {
		info, err := b.inspector.GetQueueInfo(name)
		if err != nil {
			return nil, fmt.Errorf("look at queue %s: %w", name, b.explain(err))
		}
		status.Queues = append(status.Queues, newQueueStatus(info))
	}
	return status, nil
}

func newQueueStatus(info *asynq.QueueInfo) QueueStatus {
	return QueueStatus{
		Queue: info.Queue, Paused: info.Paused, Waiting: info.Pending, Running: info.Active, Retry: info.Retry,
		Archived: info.Archived, Kept: info.Completed, Oldest: info.Latency, Processed: info.Processed,
		Failed: info.Failed,
	}
}

// Depth returns how many tasks of a queue of API.md are waiting, not counting running ones.
func (b *Broker) Depth(ctx context.Context, queue string) (int, error) {
	names, err := b.redisNames(queue)
	if err != nil {
		return 0, err
	}
	depth := 0
	for _, name := range names {
		n, err := b.redis.LLen(ctx, "asynq:{"+name+"}:pending").Result() // the list from which Asynq takes tasks
		if err != nil {
			return 0, fmt.Errorf("look how many tasks wait in %s: %w", name, b.explain(err))
		}
		depth += int(n)
	}
	return depth, nil
}
