package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// crmDesk is the sync with Salesforce, as operators handle it.
type crmDesk interface {
	Now() time.Time
	CRMStatus(ctx context.Context) (mailroom.CRMStatus, error)
	CRMFailures(ctx context.Context, p mailroom.Page) ([]domain.Link, error)
	RetryCRM(ctx context.Context, id domain.ID, class domain.FailureClass) (int, error)
	AskReconcile(ctx context.Context) error
	AskBackfill(ctx context.Context) error
	PauseCRM(ctx context.Context, why string, until time.Time) error
	ResumeCRM(ctx context.Context) error
}

func (a *API) crmEndpoints() []endpoint {
	op := func(method, path, name, does string, status int) endpoint {
		return endpoint{method: method, path: path, name: name, does: does, group: "Salesforce", access: operatorOnly, status: status}
	}
	failures := op("GET", "/v1/crm/failures", "listCRMFailures", "List InMails whose last push failed, newest first", http.StatusOK)
	failures.query = append([]parameter{{name: "class", doc: "only of this class of failure", schema: schema{"type": "string", "enum": classNames}}}, pageParameters()...)
	retry := op("POST", "/v1/crm/failures/{inmail}/retry", "retryCRMFailure", "Push one InMail again", http.StatusAccepted)
	retry.refuses = []domain.Code{domain.NotFound}
	retryMany := op("POST", "/v1/crm/failures/retry", "retryCRMFailures", "Push dead letters again, all or those of a class", http.StatusAccepted)
	retryMany.bodyOptional = true
	pause := op("POST", "/v1/crm/pause", "pauseCRM", "Stop the sync until it is resumed, or for a while", http.StatusOK)
	pause.bodyOptional = true
	return []endpoint{
		gives(op("GET", "/v1/crm/status", "getCRMStatus", "Tell how far Salesforce is behind, and why", http.StatusOK), (*call).crmStatus),
		gives(failures, (*call).crmFailures),
		gives(retry, (*call).retryOne),
		takes(retryMany, (*call).retryMany),
		gives(op("POST", "/v1/crm/reconcile", "reconcile", "Ask the workers to compare the org with the record", http.StatusAccepted), (*call).reconcile),
		gives(op("POST", "/v1/crm/backfill", "backfill", "Ask the workers to bring everything to the org", http.StatusAccepted), (*call).backfill),
		takes(pause, (*call).pauseCRM),
		gives(op("POST", "/v1/crm/resume", "resumeCRM", "Let the sync go on", http.StatusOK), (*call).resumeCRM),
	}
}

// classNames are the classes of failure that a stored link can have.
var classNames = []string{string(domain.Locked), string(domain.LimitReached), string(domain.SessionEnded), string(domain.LoginFailed),
	string(domain.LostReference), string(domain.BadData), string(domain.Configuration)}

type crmStatus struct {
	Unsynced         int            `json:"unsynced" doc:"InMails whose newest state is not in Salesforce" example:"0"`
	OldestUnsyncedAt *stamp         `json:"oldest_unsynced_at"`
	LagSeconds       float64        `json:"lag_seconds" doc:"since then; 0 when nothing waits" example:"0"`
	DeadLetters      map[string]int `json:"dead_letters" doc:"by class"`
	Paused           *crmPause      `json:"paused"`
	Budget           crmBudget      `json:"budget"`
	Drift            crmDrift       `json:"drift"`
}

type crmPause struct {
	Why   string `json:"why" doc:"operator, login or configuration" example:"operator"`
	Since stamp  `json:"since"`
	Until *stamp `json:"until" doc:"null: until it is resumed"`
}

type crmBudget struct {
	Used        int     `json:"used" doc:"API calls of the last 24 h by everybody, as the org counts" example:"1200"`
	Max         int     `json:"max" doc:"0: not known yet" example:"15000"`
	Share       float64 `json:"share" doc:"the part that may be ours" example:"0.5"`
	Ours        int     `json:"ours" doc:"our calls of the last 24 h" example:"300"`
	ParkedUntil *stamp  `json:"parked_until" doc:"the share is spent; null: it is not"`
	Why         string  `json:"why,omitempty" doc:"of parked"`
}

type crmDrift struct {
	At    *stamp         `json:"at" doc:"of the last reconcile; null: there was none"`
	Kinds map[string]int `json:"kinds" doc:"what it found: missing, extra, stale, edited"`
}

func (c *call) crmStatus() (crmStatus, error) {
	s, err := c.api.Room.CRMStatus(c.ctx)
	if err != nil {
		return crmStatus{}, err
	}
	answer := crmStatus{Unsynced: s.Unsynced, OldestUnsyncedAt: stampOrNull(s.OldestUnsynced), DeadLetters: map[string]int{},
		Budget: crmBudget{Used: s.Budget.Used, Max: s.Budget.Max, Share: s.Budget.Share, Ours: s.Budget.Ours,
			ParkedUntil: stampOrNull(s.Budget.ParkedUntil), Why: s.Budget.Why},
		Drift: crmDrift{At: stampOrNull(s.Drift.At), Kinds: map[string]int{}}}
	if !s.OldestUnsynced.IsZero() {
		answer.LagSeconds = max(0, c.api.Room.Now().Sub(s.OldestUnsynced).Seconds())
	}
	for class, n := range s.Dead {
		answer.DeadLetters[string(class)] = n
	}
	for kind, n := range s.Drift.Kinds {
		answer.Drift.Kinds[kind] = n
	}
	if s.Pause != nil {
		answer.Paused = &crmPause{Why: s.Pause.Why, Since: stamp(s.Pause.Since), Until: stampOrNull(s.Pause.Until)}
	}
	return answer, nil
}

type crmFailure struct {
	InMail   domain.ID `json:"inmail" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	Class    string    `json:"class" example:"bad_data"`
	Detail   string    `json:"detail" doc:"the org's code and field names, never a text of ours" example:"FIELD_CUSTOM_VALIDATION_EXCEPTION"`
	Attempts int       `json:"attempts" example:"3"`
	At       stamp     `json:"at"`
	Dead     bool      `json:"dead" doc:"waits for a retry or for the next change"`
}

func failurePlace(l domain.Link) mailroom.Cursor {
	return mailroom.Cursor{At: l.FailedAt, ID: string(l.InMail)}
}

func (c *call) crmFailures() (items[crmFailure], error) {
	p, err := failureList.page(c.query)
	if err != nil {
		return items[crmFailure]{}, err
	}
	class := domain.FailureClass(c.query.Get("class"))
	if c.query.Has("class") && !slices.Contains(classNames, string(class)) {
		return items[crmFailure]{}, domain.Refuse(domain.BadRequest, "class: not a class of failure")
	}
	found, err := c.failuresOf(class, p)
	if err != nil {
		return items[crmFailure]{}, err
	}
	return listOf(failureList, p, found, func(l domain.Link) crmFailure {
		return crmFailure{InMail: l.InMail, Class: string(l.Class), Detail: l.Detail, Attempts: l.Attempts, At: stamp(l.FailedAt), Dead: l.Dead}
	}, failurePlace), nil
}

// failuresOf gathers a page, and one more, of one class of failure; all of them for "".
func (c *call) failuresOf(class domain.FailureClass, p mailroom.Page) ([]domain.Link, error) {
	if class == "" {
		return c.api.Room.CRMFailures(c.ctx, beyond(p))
	}
	var found []domain.Link
	for after := p.After; ; {
		links, err := c.api.Room.CRMFailures(c.ctx, mailroom.Page{Limit: maxLimit, After: after})
		if err != nil {
			return nil, err
		}
		for _, l := range links {
			if l.Class == class {
				found = append(found, l)
			}
		}
		if len(links) < maxLimit || len(found) > p.Limit {
			return found, nil
		}
		after = failurePlace(links[len(links)-1])
	}
}

type retryAnswer struct {
	Retried int `json:"retried" doc:"how many are due again" example:"1"`
}

func (c *call) retryOne() (retryAnswer, error) {
	id, ok := uuidOf(c.r.PathValue("inmail"))
	if !ok {
		return retryAnswer{}, domain.Refuse(domain.NotFound, "there is no such InMail")
	}
	n, err := c.api.Room.RetryCRM(c.ctx, id, "")
	return retryAnswer{n}, err
}

type retryBody struct {
	Class *string `json:"class,omitempty" enum:"locked,limit,session,login,lost_reference,bad_data,configuration" example:"bad_data"`
}

func (c *call) retryMany(in *retryBody) (retryAnswer, error) {
	var class domain.FailureClass
	set(&class, (*domain.FailureClass)(in.Class))
	n, err := c.api.Room.RetryCRM(c.ctx, "", class)
	return retryAnswer{n}, err
}

// asked says that the workers will come to it.
type asked struct {
	Status string `json:"status" enum:"asked" example:"asked"`
}

func (c *call) reconcile() (asked, error) { return asked{"asked"}, c.api.Room.AskReconcile(c.ctx) }
func (c *call) backfill() (asked, error)  { return asked{"asked"}, c.api.Room.AskBackfill(c.ctx) }

type pauseBody struct {
	For *duration `json:"for,omitempty" doc:"a Go duration; left out: until it is resumed" example:"2h"`
}

type pauseAnswer struct {
	Status string `json:"status" enum:"paused,running" example:"paused"`
}

func (c *call) pauseCRM(in *pauseBody) (pauseAnswer, error) {
	var until time.Time
	if in.For != nil {
		until = c.api.Room.Now().Add(in.For.length())
	}
	return pauseAnswer{"paused"}, c.api.Room.PauseCRM(c.ctx, "operator", until)
}

func (c *call) resumeCRM() (pauseAnswer, error) {
	return pauseAnswer{"running"}, c.api.Room.ResumeCRM(c.ctx)
}
