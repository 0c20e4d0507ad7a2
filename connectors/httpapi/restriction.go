package httpapi

import (
	"context"
	"net/http"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/spam"
	"inmail/domain/strictjson"
)

// restrictionService lists the restrictions of senders (R42) and takes them back, for operators.
type restrictionService interface {
	Restrictions(ctx context.Context, member domain.MemberID) ([]mailroom.DecidedRestriction, error)
	HoldingRestrictions(ctx context.Context, p mailroom.Page) ([]mailroom.DecidedRestriction, error)
	UndoRestriction(ctx context.Context, v mailroom.Viewer, id, reason string) error
}

func (a *API) restrictionEndpoints() []endpoint {
	return []endpoint{
		gives(endpoint{method: "GET", path: "/v1/restrictions", name: "listRestrictions", held: true, group: "Operators",
			access: operatorOnly, status: http.StatusOK,
			does: "List the restrictions that hold now, by their end (R42, R43)",
			more: "With member: all of that member, newest first, on one page. What a decision was made from stands " +
				"under decision; POST /v1/audit/{id}/replay takes the same id.",
			query: append(pageParameters(), parameter{name: "member", doc: "whose restrictions, those that ended too",
				schema: memberIDSchema()})}, (*call).restrictions),
		takes(endpoint{method: "POST", path: "/v1/restrictions/{id}/undo", name: "undoRestriction",
			group: "Operators", access: operatorOnly, status: http.StatusNoContent, bodyOptional: true,
			does: "Take a restriction back (R42, R43)",
			more: "It ends at once and no longer counts on the ladder. What it was decided from no longer counts " +
				"either: a restriction by volume, near-identical bodies, cadence or a burst sets aside all sends " +
				"until it began, one by strikes all strikes, one by reports all reports. What comes later counts " +
				"from none. The audit keeps who did it, and why.",
			refuses: []domain.Code{domain.NotFound}}, (*call).undoRestriction),
	}
}

// decisionView is what a restriction was decided from (R43). It has no names and no text.
type decisionView struct {
	Version        string  `json:"version" doc:"of the rules that decided" example:"behaviour/2"`
	Sends          int     `json:"sends" doc:"accepted sends that were looked at" example:"20"`
	Strikes        int     `json:"strikes" doc:"in {RecordDays} days" example:"0"`
	Reporters      int     `json:"reporters" doc:"distinct, in {RecordDays} days" example:"1"`
	Deliveries     int     `json:"deliveries" doc:"in {RecordDays} days; counted only for who was reported" example:"64"`
	ReportShareLow float64 `json:"report_share_low" doc:"lower end of the 95 % Wilson interval of reporters / deliveries" example:"0.0028"`
	Similar        int     `json:"similar" doc:"near-identical bodies in {SimilarHours} h, beside the one at hand" example:"0"`
}

type restrictionView struct {
	ID        string          `json:"id"`
	Member    domain.MemberID `json:"member,omitempty" doc:"not in an export" example:"jo-smith"`
	Trigger   string          `json:"trigger" list:"trigger" example:"volume_hour"`
	Value     float64         `json:"value" example:"21"`
	Limit     float64         `json:"limit" example:"20"`
	Step      int             `json:"step" doc:"1 is the shortest restriction, 3 the longest (R42)" example:"1"`
	StartedAt stamp           `json:"started_at"`
	From      stamp           `json:"from" doc:"the same as started_at"`
	Until     stamp           `json:"until"`
	UndoneAt  *stamp          `json:"undone_at"`
	Decision  *decisionView   `json:"decision,omitempty" doc:"not in an export, nor where it is kept no more"`
	Undo      *undoView       `json:"undo,omitempty" doc:"not in an export, nor where it is kept no more"`
}

// undoBody says why a restriction is taken back.
type undoBody struct {
	Reason string `json:"reason,omitempty" doc:"at most {MaxDeclineReason} characters, for operators" example:"An invitation to one event, agreed with the recipients."`
}

// undoView is who took a restriction back, and why.
type undoView struct {
	By     string `json:"by" doc:"the id of the key"`
	Reason string `json:"reason,omitempty" example:"An invitation to one event, agreed with the recipients."`
}

// decisionViewOf returns the signals of d as numbers; nil for a nil d.
func decisionViewOf(d *spam.Decision) *decisionView {
	if d == nil {
		return nil
	}
	s := d.Signals
	return &decisionView{Version: d.Version, Sends: len(s.Sends), Strikes: len(s.Strikes), Reporters: s.Reporters,
		Deliveries: s.Deliveries, ReportShareLow: spam.ReportShareLow(s.Reporters, s.Deliveries), Similar: s.Similar}
}

func restrictionViewOf(r mailroom.RestrictionRow) restrictionView {
	return restrictionView{ID: r.ID, Trigger: r.Trigger, Value: r.Value, Limit: r.Limit, Step: r.Step,
		StartedAt: stamp(r.StartedAt), From: stamp(r.StartedAt), Until: stamp(r.Until), UndoneAt: stampOrNull(r.UndoneAt)}
}

func (c *call) restrictions() (items[restrictionView], error) {
	p, err := restrictionList.page(c.query)
	if err != nil {
		return items[restrictionView]{}, err
	}
	var found []mailroom.DecidedRestriction
	if c.query.Has("member") {
		member := domain.MemberID(c.query.Get("member"))
		if err := member.Validate(); err != nil {
			return items[restrictionView]{}, strictjson.Under("member", err)
		}
		if found, err = c.api.Service.Restrictions(c.ctx, member); err != nil {
			return items[restrictionView]{}, err
		}
		p.Limit = len(found)
	} else if found, err = c.api.Service.HoldingRestrictions(c.ctx, oneMore(p)); err != nil {
		return items[restrictionView]{}, err
	}
	return listOf(restrictionList, p, found, func(r mailroom.DecidedRestriction) restrictionView {
		view := restrictionViewOf(r.RestrictionRow)
		view.Member, view.Decision = r.Member, decisionViewOf(r.Decision)
		if r.Undo != nil {
			view.Undo = &undoView{By: r.Undo.By, Reason: r.Undo.Reason}
		}
		return view
	}, func(r mailroom.DecidedRestriction) mailroom.Cursor { return mailroom.Cursor{At: r.Until, ID: r.ID} }), nil
}

func (c *call) undoRestriction(in *undoBody) (nothing, error) {
	if _, err := domain.DeclineReason(in.Reason); err != nil {
		return nothing{}, strictjson.Under("reason", err) // a fault of the body comes before a 404
	}
	id := c.r.PathValue("id")
	if mailroom.CheckText(id) != nil {
		return nothing{}, domain.Refuse(domain.NotFound, "there is no such restriction, or it is undone already")
	}
	return nothing{}, c.api.Service.UndoRestriction(c.ctx, c.viewer, id, in.Reason)
}
