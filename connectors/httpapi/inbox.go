package httpapi

import (
	"net/http"

	"inmail/domain"
	"inmail/domain/mailroom"
)

func (a *API) inboxEndpoints() []endpoint {
	return []endpoint{
		gives(endpoint{
			method: "GET", path: "/v1/inbox", name: "listInbox", group: "Inbox", access: memberOnly,
			status: http.StatusOK,
			does:   "List what is in a member's inbox, newest first", query: filterParameters(),
			more:    "Listing opens nothing (R30); what has expired or was retracted is gone (R32, R36).",
			refuses: []domain.Code{domain.NotFound},
		}, (*call).inbox),
		gives(endpoint{
			method: "POST", path: "/v1/inmails/{id}/open", name: "openInMail", group: "Inbox", access: memberOnly,
			status: http.StatusOK,
			does:   "Open an InMail, as its recipient", more: withLimits("Sets opened_at once; only the recipient " +
				"opens (R31). The first {MaxRepliesWithOpen} replies come with it."),
			refuses: []domain.Code{domain.NotFound, domain.Forbidden, domain.ExpiredCode, domain.RetractedCode},
		}, (*call).open),
		takes(endpoint{
			method: "POST", path: "/v1/inmails/{id}/report", name: "reportInMail", group: "Inbox", access: memberOnly,
			status: http.StatusNoContent,
			does:   "Report an InMail as abuse, as its recipient, once (R44)",
			more: "A second report of the same InMail is a conflict. The reason is for operators; the sender gets " +
				"neither it nor who reported.",
			refuses: []domain.Code{domain.NotFound, domain.Forbidden, domain.Conflict},
		}, (*call).report),
	}
}

// inboxEntry is one line of an inbox.
type inboxEntry struct {
	ID        domain.ID     `json:"id" doc:"of a reply: its own" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	Kind      string        `json:"kind" enum:"inmail,reply" example:"inmail"`
	InMailID  domain.ID     `json:"inmail_id,omitempty" doc:"of a reply: the InMail that it belongs to"`
	From      person        `json:"from"`
	Subject   string        `json:"subject" example:"Our talk at the fair in Hamburg"`
	Preview   string        `json:"preview" doc:"one line of at most {MaxPreview} characters (R30)" example:"Hello Maria, thank you for your time at the fair."`
	Unread    bool          `json:"unread"`
	Automatic bool          `json:"automatic,omitempty" doc:"of a reply: it is automatic (R64)"`
	Status    domain.Status `json:"status" doc:"of the InMail" example:"sent"`
	SentAt    stamp         `json:"sent_at"`
	ExpiresAt *stamp        `json:"expires_at" doc:"null for replies and once opened: these never expire"`
}

func inboxEntryOf(i mailroom.InboxItem) inboxEntry {
	e := inboxEntry{ID: i.ID, Kind: i.Kind, From: personOf(i.From), Subject: i.Subject, Preview: i.Preview,
		Unread: i.Unread, Automatic: i.Automatic, Status: i.Status, SentAt: stamp(i.SentAt), ExpiresAt: stampOrNull(i.ExpiresAt)}
	if i.Kind == mailroom.KindReply {
		e.InMailID = i.InMail
	}
	return e
}

type inboxAnswer struct {
	Items       []inboxEntry `json:"items"`
	NextCursor  *string      `json:"next_cursor"`
	UnreadCount int          `json:"unread_count" example:"1"`
}

func (c *call) inbox() (inboxAnswer, error) {
	p, err := inboxList.page(c.query)
	if err != nil {
		return inboxAnswer{}, err
	}
	f, err := filterIn(c.query)
	if err != nil {
		return inboxAnswer{}, err
	}
	page, err := c.api.Service.Inbox(c.ctx, c.viewer.Member, f, p)
	if err != nil {
		return inboxAnswer{}, err
	}
	answer := inboxAnswer{Items: make([]inboxEntry, 0, len(page.Items)), UnreadCount: page.Unread}
	for _, i := range page.Items {
		answer.Items = append(answer.Items, inboxEntryOf(i))
	}
	if page.More {
		last := page.Items[len(page.Items)-1]
		next := inboxList.encode(mailroom.Cursor{At: last.SentAt, ID: string(last.ID)})
		answer.NextCursor = &next
	}
	return answer, nil
}

type openAnswer struct {
	ID       domain.ID   `json:"id"`
	Subject  string      `json:"subject" example:"Our talk at the fair in Hamburg"`
	Body     string      `json:"body" doc:"as it was sent" example:"Would **Tuesday** suit you?"`
	BodyHTML string      `json:"body_html" doc:"the same, safe to show; beside a link whose text names another host stands the one to which it leads" example:"<p>Would <strong>Tuesday</strong> suit you?</p>"`
	From     person      `json:"from"`
	OpenedAt stamp       `json:"opened_at"`
	Replies  []replyView `json:"replies" doc:"the first {MaxRepliesWithOpen}, oldest first"`
}

func (c *call) open() (openAnswer, error) {
	id, err := c.inmail()
	if err != nil {
		return openAnswer{}, err
	}
	m, err := c.api.Service.Open(c.ctx, c.viewer, id)
	if err != nil {
		return openAnswer{}, err
	}
	replies := make([]replyView, 0, len(m.Replies))
	for _, r := range m.Replies {
		replies = append(replies, replyViewOf(r))
	}
	return openAnswer{ID: m.ID, Subject: m.Subject, Body: m.Body, BodyHTML: m.BodyHTML, From: personOf(m.From),
		OpenedAt: stamp(m.OpenedAt), Replies: replies}, nil
}

type reportBody struct {
	Reason string `json:"reason" doc:"at most 1000 bytes; the sender never gets it" example:"asks for my bank account"`
}

func (c *call) report(in *reportBody) (nothing, error) {
	id, err := c.inmail()
	if err != nil {
		return nothing{}, err
	}
	return nothing{}, c.api.Service.Report(c.ctx, c.viewer, id, in.Reason)
}
