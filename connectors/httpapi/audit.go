package httpapi

import (
	"context"
	"encoding/json"
	"net/http"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// auditBook is the append-only list of decisions.
type auditBook interface {
	Audit(ctx context.Context, p mailroom.Page) ([]mailroom.AuditEntry, error)
}

func (a *API) auditEndpoints() []endpoint {
	return []endpoint{gives(endpoint{
		method: "GET", path: "/v1/audit", name: "listAudit", group: "Operators", access: operatorOnly, status: http.StatusOK,
		does: "List the decisions, newest first, with all true codes of each attempt in R21's order (R18, R43)", query: pageParameters(),
	}, (*call).audit)}
}

type auditEntry struct {
	ID        string          `json:"id" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	At        stamp           `json:"at"`
	Kind      string          `json:"kind" doc:"send, deliver, restrict, undo, ban, unban or erase" example:"send"`
	InMail    domain.ID       `json:"inmail,omitempty" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	Sender    domain.MemberID `json:"sender,omitempty" example:"jo-berg"`
	Recipient domain.MemberID `json:"recipient,omitempty" example:"maria-lopez"`
	Refusals  []domain.Code   `json:"refusals" example:"[\"opted_out\"]"`
	By        string          `json:"by,omitempty" doc:"the key of the operator who acted"`
	Detail    json.RawMessage `json:"detail,omitempty" doc:"trigger, value, limit, version (R43)"`
}

func (c *call) audit() (items[auditEntry], error) {
	p, err := auditList.page(c.query)
	if err != nil {
		return items[auditEntry]{}, err
	}
	found, err := c.api.Room.Audit(c.ctx, beyond(p))
	if err != nil {
		return items[auditEntry]{}, err
	}
	return listOf(auditList, p, found, func(e mailroom.AuditEntry) auditEntry {
		shown := auditEntry{ID: e.ID, At: stamp(e.At), Kind: e.Kind, InMail: e.InMail, Sender: e.Sender, Recipient: e.Recipient,
			Refusals: e.Refusals, By: e.By, Detail: e.Detail}
		if shown.Refusals == nil {
			shown.Refusals = []domain.Code{}
		}
		return shown
	}, func(e mailroom.AuditEntry) mailroom.Cursor { return mailroom.Cursor{At: e.At, ID: e.ID} }), nil
}
