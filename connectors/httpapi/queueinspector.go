package httpapi

import (
	"context"
	"net/http"
	"time"

	"inmail/domain"
)

// QueueInspector lets an operator inspect the job queue and retry its tasks.
type QueueInspector interface {
	// Status counts the tasks by queue and state.
	Status(ctx context.Context) (QueueStatus, error)
	// Failures lists up to limit tasks that failed, those that failed last first.
	Failures(ctx context.Context, limit int) ([]QueueFailure, error)
	// Retry runs failed tasks now and returns how many: those with the ids, or all when no ids are given. An
	// unknown id is not_found.
	Retry(ctx context.Context, ids []string) (int, error)
}

// QueueStatus is what the queue holds now.
type QueueStatus struct {
	Where    string       `json:"where" doc:"without passwords" example:"redis://127.0.0.1:6379/0"`
	Servers  int          `json:"servers" doc:"groups of workers, of all processes" example:"3"`
	Queues   []QueueCount `json:"queues"`
	Warnings []string     `json:"warnings"`
}

// QueueCount counts the tasks of one queue by state.
type QueueCount struct {
	Queue     string `json:"queue" example:"sends"`
	Paused    bool   `json:"paused"`
	Waiting   int    `json:"waiting"`
	Running   int    `json:"running"`
	Retry     int    `json:"retry" doc:"failed, to be tried again"`
	Archived  int    `json:"archived" doc:"failed and given up"`
	Kept      int    `json:"kept" doc:"done, and kept by an older version"`
	Oldest    int64  `json:"oldest" doc:"how long the first has waited, nanoseconds"`
	Processed int    `json:"processed_today"`
	Failed    int    `json:"failed_today"`
}

// QueueFailure is a task that failed.
type QueueFailure struct {
	ID       string   `json:"id"`
	Queue    string   `json:"queue" example:"crm"`
	Type     string   `json:"type" example:"crm:push"`
	State    string   `json:"state" enum:"retry,archived" example:"retry"`
	Class    string   `json:"class" doc:"of the error; never its text"`
	IDs      []string `json:"ids"`
	Attempts int      `json:"attempts" example:"1"`
	Limit    int      `json:"limit" doc:"attempts it gets in all" example:"4"`
	At       stamp    `json:"at" doc:"of the last failure"`
	Next     *stamp   `json:"next" doc:"when it is tried again; null when archived"`
}

// NewQueueFailure sets the times of a QueueFailure; next is zero when the task was given up.
func NewQueueFailure(f QueueFailure, at, next time.Time) QueueFailure {
	f.At, f.Next = stamp(at), stampOrNull(next)
	return f
}

// queueFailureLimit is how many failed tasks are listed.
const queueFailureLimit = 200

func (a *API) queueEndpoints() []endpoint {
	if a.QueueInspector == nil {
		return nil
	}
	return []endpoint{
		gives(endpoint{method: "GET", path: "/v1/queue/status", name: "queueStatus", group: "Operators",
			access: operatorOnly, status: http.StatusOK,
			does: "Count the tasks of the job queue by queue and state",
			more: "Waiting, running, failed and given-up tasks of each queue, how long the oldest waits, and how many " +
				"groups of workers there are."}, (*call).queueStatus),
		gives(endpoint{method: "GET", path: "/v1/queue/failures", name: "listQueueFailures", group: "Operators",
			access: operatorOnly, status: http.StatusOK,
			does: "List tasks that failed, those that failed last first", more: "At most 200, as a plain array."},
			(*call).queueFailures),
		takes(endpoint{method: "POST", path: "/v1/queue/retry", name: "retryQueue", group: "Operators",
			access: operatorOnly, status: http.StatusOK, bodyOptional: true,
			does: "Run failed tasks now, those named or all",
			more: "Without ids, all that failed or were given up. The answer says how many run again.", refuses: []domain.Code{domain.NotFound}},
			(*call).retryQueue),
	}
}

func (c *call) queueStatus() (QueueStatus, error) { return c.api.QueueInspector.Status(c.ctx) }

func (c *call) queueFailures() ([]QueueFailure, error) {
	return c.api.QueueInspector.Failures(c.ctx, queueFailureLimit)
}

type retryQueueBody struct {
	IDs []string `json:"ids,omitempty" doc:"of tasks; none: all that failed"`
}

type retriedAnswer struct {
	Retried int `json:"retried" example:"2"`
}

func (c *call) retryQueue(in *retryQueueBody) (retriedAnswer, error) {
	n, err := c.api.QueueInspector.Retry(c.ctx, in.IDs)
	return retriedAnswer{n}, err
}
