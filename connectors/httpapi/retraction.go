package httpapi

import (
	"context"
	"net/http"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// retraction takes an InMail back in two steps (R35).
type retraction interface {
	AskRetraction(ctx context.Context, v mailroom.Viewer,
		id domain.ID) (token string, expires time.Time, undone bool, err error)
	ConfirmRetraction(ctx context.Context, v mailroom.Viewer, id domain.ID, token string) (undone bool, err error)
}

func (a *API) retractionEndpoints() []endpoint {
	return []endpoint{takes(endpoint{
		method: "POST", path: "/v1/inmails/{id}/retract", name: "retractInMail", group: "InMails", access: memberOnly,
		status: http.StatusOK, bodyOptional: true,
		does: "Take an InMail back, in two steps",
		more: "Without `confirm` it gives a token that is valid for 15 minutes and changes nothing; with it, it " +
			"retracts. Both steps may be repeated (R34 to R37).",
		refuses: []domain.Code{domain.NotFound, domain.Forbidden, domain.TooLate, domain.AlreadyOpened,
			domain.Conflict},
	}, (*call).retract)}
}

type retractBody struct {
	Confirm *string `json:"confirm,omitempty" doc:"the token of the first step"`
}

type retractOffer struct {
	Confirm              string `json:"confirm" doc:"send it back to retract"`
	ExpiresAt            stamp  `json:"expires_at" doc:"of the token"`
	UndoneIfConfirmedNow bool   `json:"undone_if_confirmed_now" doc:"nobody has read it so far"`
}

type retracted struct {
	Status string `json:"status" enum:"retracted" example:"retracted"`
	Undone bool   `json:"undone" doc:"nobody had read it (R36)"`
}

func (c *call) retract(in *retractBody) (either[retractOffer, retracted], error) {
	var none either[retractOffer, retracted]
	id, err := c.inmail()
	if err != nil {
		return none, err
	}
	if in.Confirm == nil {
		token, expires, undone, err := c.api.Service.AskRetraction(c.ctx, c.viewer, id)
		if err != nil {
			return none, err
		}
		return first[retractOffer, retracted](
			retractOffer{Confirm: token, ExpiresAt: stamp(expires), UndoneIfConfirmedNow: undone}), nil
	}
	undone, err := c.api.Service.ConfirmRetraction(c.ctx, c.viewer, id, *in.Confirm)
	if err != nil {
		return none, err
	}
	return second[retractOffer](retracted{Status: string(domain.Retracted), Undone: undone}), nil
}
