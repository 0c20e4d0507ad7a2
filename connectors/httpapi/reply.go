package httpapi

import (
	"context"
	"net/http"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// conversation is the recipient's side of an InMail and the replies of both sides.
type conversation interface {
	Open(ctx context.Context, v mailroom.Viewer, id domain.ID) (mailroom.OpenedInMail, error)
	Replies(ctx context.Context, v mailroom.Viewer, id domain.ID, p mailroom.Page) ([]mailroom.ReplyView, error)
	Report(ctx context.Context, v mailroom.Viewer, id domain.ID, reason string) error
}

func (a *API) replyEndpoints() []endpoint {
	return []endpoint{
		takes(endpoint{
			method: "POST", path: "/v1/inmails/{id}/replies", name: "reply", group: "Inbox", access: memberOnly,
			status: http.StatusCreated, message: true,
			does: "Reply to an InMail", more: "The first reply is the recipient's, opens the InMail and costs " +
				"nothing (R39); after it both sides write (R40). An automatic reply is kept and shown, marked, and " +
				"changes nothing of the InMail (R64).",
			refuses: []domain.Code{domain.NotFound, domain.Conflict, domain.ExpiredCode, domain.RetractedCode,
				domain.RecipientUnavailable, domain.BodyRequired, domain.BodyTooLong, domain.LinkNotAllowed,
				domain.ImageNotSupported, domain.AttachmentUnsupported},
		}, (*call).reply),
		gives(endpoint{
			method: "GET", path: "/v1/inmails/{id}/replies", name: "listReplies", held: true, group: "Inbox", access: anyKey,
			status: http.StatusOK,
			does:   "List the conversation of an InMail, oldest first, for both sides",
			more: "The other side's replies are read from then on; an operator who acts for nobody reads without a " +
				"trace.",
			query: pageParameters(), refuses: []domain.Code{domain.NotFound},
		}, (*call).replies),
	}
}

type replyBody struct {
	Body        string   `json:"body" doc:"R23 to R26 apply" example:"Tuesday at ten suits me."`
	Automatic   bool     `json:"automatic,omitempty" doc:"it is an automatic reply; a common absence or delivery notice is found to be one without it (R64)" example:"false"`
	Attachment  anything `json:"attachment,omitempty" doc:"always refused (R26)"`
	Attachments anything `json:"attachments,omitempty" doc:"always refused (R26)"`
}

type idAnswer struct {
	ID domain.ID `json:"id" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
}

func (c *call) reply(in *replyBody) (idAnswer, error) {
	id, err := c.inmail()
	if err != nil {
		return idAnswer{}, err
	}
	if in.Attachment || in.Attachments {
		// An InMail that is not there (404), or not for this member (403), is reported before the attachment.
		if _, err := c.api.Service.View(c.ctx, c.viewer, id); err != nil {
			return idAnswer{}, err
		}
		return idAnswer{}, domain.Refuse(domain.AttachmentUnsupported,
			"InMails carry no attachments; send a link instead")
	}
	reply, err := c.api.Service.ReplyWith(c.ctx, c.viewer, id, mailroom.Message{Body: in.Body, Automatic: in.Automatic})
	return idAnswer{reply}, err
}

type replyView struct {
	ID        domain.ID `json:"id" example:"019abf60-0000-7a31-9c55-0d6a3f6b7e21"`
	From      person    `json:"from"`
	Body      string    `json:"body" example:"Tuesday at ten suits me."`
	BodyHTML  string    `json:"body_html" example:"<p>Tuesday at ten suits me.</p>"`
	Automatic bool      `json:"automatic" doc:"an automatic reply, which changed nothing of the InMail (R64)" example:"false"`
	At        stamp     `json:"at"`
}

func replyViewOf(r mailroom.ReplyView) replyView {
	return replyView{ID: r.ID, From: personOf(r.From), Body: r.Body, BodyHTML: r.BodyHTML, Automatic: r.Automatic,
		At: stamp(r.At)}
}

func (c *call) replies() (items[replyView], error) {
	p, err := replyList.page(c.query)
	if err != nil {
		return items[replyView]{}, err
	}
	id, err := c.inmail()
	if err != nil {
		return items[replyView]{}, err
	}
	found, err := c.api.Service.Replies(c.ctx, c.viewer, id, oneMore(p))
	if err != nil {
		return items[replyView]{}, err
	}
	return listOf(replyList, p, found, replyViewOf, func(r mailroom.ReplyView) mailroom.Cursor {
		return mailroom.Cursor{At: r.At, ID: string(r.ID)}
	}), nil
}
