package main

import (
	"context"
	"errors"
	"time"

	"inmail/connectors/httpapi"
	"inmail/connectors/queue"
	"inmail/domain"
)

// queueInspector lets the API inspect the queue.
type queueInspector struct{ broker *queue.Broker }

// Status implements httpapi.QueueInspector.
func (d queueInspector) Status(ctx context.Context) (httpapi.QueueStatus, error) {
	s, err := d.broker.Status(ctx)
	if err != nil {
		return httpapi.QueueStatus{}, err
	}
	out := httpapi.QueueStatus{Where: s.Where, Servers: s.Servers, Warnings: s.Warnings, Queues: []httpapi.QueueCount{}}
	for _, q := range s.Queues {
		out.Queues = append(out.Queues, httpapi.QueueCount{Queue: q.Queue, Paused: q.Paused, Waiting: q.Waiting,
			Running: q.Running, Retry: q.Retry,
			Archived: q.Archived, Kept: q.Kept, Oldest: int64(q.Oldest), Processed: q.Processed, Failed: q.Failed})
	}
	return out, nil
}

// Failures implements httpapi.QueueInspector.
func (d queueInspector) Failures(ctx context.Context, limit int) ([]httpapi.QueueFailure, error) {
	failures, err := d.broker.Failures(ctx, limit)
	out := make([]httpapi.QueueFailure, 0, len(failures))
	for _, f := range failures {
		var next time.Time
		if f.Next != nil {
			next = *f.Next
		}
		out = append(out, httpapi.NewQueueFailure(httpapi.QueueFailure{ID: f.ID, Queue: f.Queue, Type: f.Type,
			State: f.State, Class: f.Class,
			IDs: append([]string{}, f.IDs...), Attempts: f.Attempts, Limit: f.Limit}, f.At, next))
	}
	return out, err
}

// Retry implements httpapi.QueueInspector.
func (d queueInspector) Retry(ctx context.Context, ids []string) (int, error) {
	n, err := d.broker.Retry(ctx, ids...)
	if errors.Is(err, queue.ErrNoTask) {
		return n, domain.Refuse(domain.NotFound,
			"no failed task has one of these ids; inmail queue failures lists them")
	}
	return n, err
}
