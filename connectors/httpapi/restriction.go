package httpapi

import (
	"context"
	"net/http"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// restrictionBook is what was decided against senders (R42), for operators.
type restrictionBook interface {
	Restrictions(ctx context.Context, member domain.MemberID) ([]mailroom.RestrictionRow, error)
	UndoRestriction(ctx context.Context, v mailroom.Viewer, id string) error
}

func (a *API) restrictionEndpoints() []endpoint {
	return []endpoint{
		gives(endpoint{method: "GET", path: "/v1/restrictions", name: "listRestrictions", group: "Operators", access: operatorOnly, status: http.StatusOK,
			does: "List the restrictions of a member, newest first (R42, R43)", more: "All of them; next_cursor is always null.",
			query: []parameter{{name: "member", doc: "whose restrictions", schema: memberIDSchema(), required: true}}}, (*call).restrictions),
		gives(endpoint{method: "POST", path: "/v1/restrictions/{id}/undo", name: "undoRestriction", group: "Operators", access: operatorOnly, status: http.StatusNoContent,
			does: "Take a restriction back; it no longer counts when the next is measured", refuses: []domain.Code{domain.NotFound}}, (*call).undoRestriction),
	}
}

type restrictionView struct {
	ID        string  `json:"id"`
	Trigger   string  `json:"trigger" example:"volume_hour"`
	Value     float64 `json:"value" example:"21"`
	Limit     float64 `json:"limit" example:"20"`
	Step      int     `json:"step" doc:"1: 24 h, 2: 72 h, 3: 7 d" example:"1"`
	StartedAt stamp   `json:"started_at"`
	Until     stamp   `json:"until"`
	UndoneAt  *stamp  `json:"undone_at"`
}

func restrictionViewOf(r mailroom.RestrictionRow) restrictionView {
	return restrictionView{ID: r.ID, Trigger: r.Trigger, Value: r.Value, Limit: r.Limit, Step: r.Step,
		StartedAt: stamp(r.StartedAt), Until: stamp(r.Until), UndoneAt: stampOrNull(r.UndoneAt)}
}

func (c *call) restrictions() (items[restrictionView], error) {
	member := domain.MemberID(c.query.Get("member"))
	if err := member.Validate(); err != nil {
		return items[restrictionView]{}, under("member", err)
	}
	rows, err := c.api.Room.Restrictions(c.ctx, member)
	if err != nil {
		return items[restrictionView]{}, err
	}
	answer := items[restrictionView]{Items: make([]restrictionView, 0, len(rows))}
	for _, r := range rows {
		answer.Items = append(answer.Items, restrictionViewOf(r))
	}
	return answer, nil
}

func (c *call) undoRestriction() (nothing, error) {
	id := c.r.PathValue("id")
	if mailroom.CheckText(id) != nil {
		return nothing{}, domain.Refuse(domain.NotFound, "there is no such restriction in force")
	}
	return nothing{}, c.api.Room.UndoRestriction(c.ctx, c.viewer, id)
}
