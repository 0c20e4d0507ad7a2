package httpapi

import (
	"context"
	"net/http"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// bannedService keeps the platform's list of members and companies that nobody may write to (R17).
type bannedService interface {
	Ban(ctx context.Context, v mailroom.Viewer, b domain.Ban) error
	Unban(ctx context.Context, v mailroom.Viewer, kind domain.BanKind, value string) error
	Bans(ctx context.Context, p mailroom.Page) ([]domain.Ban, error)
}

func (a *API) bannedEndpoints() []endpoint {
	const entry = "/v1/banned/{kind}/{value}"
	return []endpoint{
		takes(endpoint{method: "PUT", path: entry, name: "ban", group: "Operators", access: operatorOnly,
			status: http.StatusNoContent,
			does:   "Keep everybody from sending InMail to a member or a company (R17)",
			more:   "kind is member or company; companies are compared without regard to case."}, (*call).ban),
		gives(endpoint{method: "DELETE", path: entry, name: "unban", group: "Operators", access: operatorOnly,
			status: http.StatusNoContent,
			does:   "Take an entry off the banned list",
			more:   "What was refused meanwhile stays refused; what is sent from now on passes this rule.", refuses: []domain.Code{domain.NotFound}}, (*call).unban),
		gives(endpoint{method: "GET", path: "/v1/banned", name: "listBanned", group: "Operators",
			access: operatorOnly, status: http.StatusOK,
			does: "List the banned, newest first", more: "For operators alone: a sender does not learn who is banned " +
				"(R18).", query: pageParameters()}, (*call).bans),
	}
}

type banBody struct {
	Reason string `json:"reason" doc:"at most {MaxBan} bytes" example:"legal hold 2026-118"`
}

type banView struct {
	Kind   string `json:"kind" list:"ban_kind" example:"company"`
	Value  string `json:"value" example:"Nordhafen Logistik"`
	Reason string `json:"reason" example:"legal hold 2026-118"`
	By     string `json:"by" doc:"the id of the key that made it"`
	At     stamp  `json:"at"`
}

func banViewOf(b domain.Ban) banView {
	return banView{Kind: string(b.Kind), Value: b.Value, Reason: b.Reason, By: b.By, At: stamp(b.At)}
}

func (c *call) ban(in *banBody) (nothing, error) {
	return nothing{}, c.api.Service.Ban(c.ctx, c.viewer,
		domain.Ban{Kind: domain.BanKind(c.r.PathValue("kind")), Value: c.r.PathValue("value"), Reason: in.Reason})
}

func (c *call) unban() (nothing, error) {
	return nothing{}, c.api.Service.Unban(c.ctx, c.viewer, domain.BanKind(c.r.PathValue("kind")),
		c.r.PathValue("value"))
}

func (c *call) bans() (items[banView], error) {
	p, err := banList.page(c.query)
	if err != nil {
		return items[banView]{}, err
	}
	found, err := c.api.Service.Bans(c.ctx, oneMore(p))
	if err != nil {
		return items[banView]{}, err
	}
	return listOf(banList, p, found, banViewOf, func(b domain.Ban) mailroom.Cursor {
		return mailroom.Cursor{At: b.At, ID: string(b.Kind) + ":" + b.Value}
	}), nil
}
