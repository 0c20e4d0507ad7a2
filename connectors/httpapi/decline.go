package httpapi

import (
	"context"
	"net/http"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/strictjson"
)

// declining lets the recipient decline an InMail (R63).
type declining interface {
	Decline(ctx context.Context, v mailroom.Viewer, id domain.ID, reason string) error
}

// automaticReplies adds replies that may be automatic, and corrects which are (R64).
type automaticReplies interface {
	ReplyWith(ctx context.Context, v mailroom.Viewer, id domain.ID, message mailroom.Message) (domain.ID, error)
	MarkAutomatic(ctx context.Context, v mailroom.Viewer, id, reply domain.ID, automatic bool) error
}

func (a *API) declineEndpoints() []endpoint {
	return []endpoint{
		takes(endpoint{
			method: "POST", path: "/v1/inmails/{id}/decline", name: "declineInMail", group: "Inbox", access: memberOnly,
			status: http.StatusOK, bodyOptional: true,
			does: "Decline an InMail, as its recipient (R63)",
			more: "Declining opens and is final, like a reply, and is no response. Declining again changes nothing. " +
				"The reason is for the sender and operators.",
			refuses: []domain.Code{domain.NotFound, domain.Forbidden, domain.Conflict, domain.ExpiredCode,
				domain.RetractedCode},
		}, (*call).decline),
		takes(endpoint{
			method: "PATCH", path: "/v1/inmails/{id}/replies/{reply}", name: "markReply", group: "InMails",
			access: anyKey, status: http.StatusOK,
			does: "Say whether a reply is automatic, as the sender or an operator (R64)",
			more: "A reply that is not automatic makes the InMail opened and replied at the reply's time, unless it has " +
				"expired, was retracted or declined. When none is left, what was opened stays opened. Figures and " +
				"credit follow.",
			refuses: []domain.Code{domain.NotFound, domain.Forbidden, domain.Conflict, domain.ExpiredCode,
				domain.RetractedCode},
		}, (*call).markReply),
	}
}

type declineBody struct {
	Reason string `json:"reason,omitempty" doc:"at most {MaxDeclineReason} characters, for the sender and operators" example:"We have chosen a supplier already."`
}

type declined struct {
	Status string `json:"status" enum:"declined" example:"declined"`
}

func (c *call) decline(in *declineBody) (declined, error) {
	if _, err := domain.DeclineReason(in.Reason); err != nil {
		return declined{}, strictjson.Under("reason", err) // a fault of the body comes before a 404
	}
	id, err := c.inmail()
	if err != nil {
		return declined{}, err
	}
	err = c.api.Service.Decline(c.ctx, c.viewer, id, in.Reason)
	return declined{string(domain.Declined)}, err
}

type replyMark struct {
	Automatic bool `json:"automatic" example:"true"`
}

func (c *call) markReply(in *replyMark) (replyMark, error) {
	id, err := c.inmail()
	if err != nil {
		return replyMark{}, err
	}
	reply, ok := domain.ParseID(c.r.PathValue("reply"))
	if !ok {
		return replyMark{}, domain.Refuse(domain.NotFound, "this InMail has no such reply")
	}
	err = c.api.Service.MarkAutomatic(c.ctx, c.viewer, id, reply, in.Automatic)
	return *in, err
}
