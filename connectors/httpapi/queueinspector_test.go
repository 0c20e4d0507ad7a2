package httpapi

import (
	"context"
	"testing"
	"time"

	"inmail/connectors/httpapi/contracttest"
	"inmail/domain"
)

// fakeInspector is a queue with one failed task.
type fakeInspector struct{ fakeService *fakeService }

func inspectorOf(r *fakeService) fakeInspector { return fakeInspector{r} }

func (d fakeInspector) Status(context.Context) (QueueStatus, error) {
	leave, err := d.fakeService.enter()
	defer leave()
	return QueueStatus{Where: "inside the process", Servers: 3, Queues: []QueueCount{{Queue: "crm", Retry: 1, Oldest: int64(time.Second)}}, Warnings: []string{}}, err
}

func (d fakeInspector) Failures(context.Context, int) ([]QueueFailure, error) {
	leave, err := d.fakeService.enter()
	defer leave()
	at := d.fakeService.now
	return []QueueFailure{
		NewQueueFailure(QueueFailure{ID: "t1", Queue: "crm", Type: "crm:push", State: "retry", Class: "timeout", IDs: []string{}, Attempts: 1, Limit: 4}, at, at.Add(time.Minute)),
		NewQueueFailure(QueueFailure{ID: "t2", Queue: "crm", Type: "crm:push", State: "archived", IDs: []string{}, Attempts: 4, Limit: 4}, at, time.Time{}),
	}, err
}

func (d fakeInspector) Retry(_ context.Context, ids []string) (int, error) {
	leave, err := d.fakeService.enter()
	defer leave()
	if err == nil && len(ids) > 0 && ids[0] != "t1" {
		err = domain.Refuse(domain.NotFound, "no failed task has this id")
	}
	return 1, err
}

func TestQueueInspector(t *testing.T) {
	w := newWorld(t)
	w.ask(w.operator, "GET", "/v1/queue/status", nil).want(200, "").has("where", "inside the process", "queues.0.retry", 1)
	w.ask(w.operator, "GET", "/v1/queue/failures", nil).want(200, "")
	w.ask(w.operator, "POST", "/v1/queue/retry", nil).want(200, "").has("retried", 1)
	w.ask(w.operator, "POST", "/v1/queue/retry", `{"ids":["t1"]}`).want(200, "").has("retried", 1)
	w.ask(w.operator, "POST", "/v1/queue/retry", `{"ids":["nope"]}`).want(404, "not_found")
	w.ask(w.sender, "GET", "/v1/queue/status", nil).want(403, "forbidden")
}

func TestQueueInspectorIsThereOnlyWithAQueue(t *testing.T) {
	w := newWorld(t, func(p *Parts) { p.QueueInspector = nil })
	w.document = func() *contracttest.Document { return documentOf(w.api) }
	w.ask(w.operator, "GET", "/v1/queue/status", nil).want(404, "not_found")
}
