package httpapi

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/advice"
	"inmail/domain/mailroom"
	"inmail/domain/strictjson"
)

// reading returns InMails and lists of them, for their sender, their recipient or an operator.
type reading interface {
	View(ctx context.Context, v mailroom.Viewer, id domain.ID) (mailroom.View, error)
	Sent(ctx context.Context, member domain.MemberID, f mailroom.Filter, p mailroom.Page) ([]mailroom.View, error)
	Inbox(ctx context.Context, member domain.MemberID, f mailroom.Filter, p mailroom.Page) (mailroom.InboxPage, error)
}

// labels changes the tags and the ids of CRMs that a sender put on an InMail.
type labels interface {
	Tag(ctx context.Context, v mailroom.Viewer, id domain.ID, tags []string) ([]string, error)
	SetCRM(ctx context.Context, v mailroom.Viewer, id domain.ID, ids domain.CRMIDs) (domain.CRMIDs, error)
}

func (a *API) inmailEndpoints() []endpoint {
	return []endpoint{
		takes(endpoint{
			method: "POST", path: sendPath, name: "sendInMail", group: "InMails", access: memberOnly,
			status: http.StatusAccepted, message: true,
			does: "Send one InMail to one member",
			more: "Checks what can be checked now, in R21's order, and answers 202 when the InMail is queued; it " +
				"is checked again when it is delivered. There are no drafts (R27). The same Idempotency-Key gives " +
				"the answer of an accepted send again and sends nothing; a refusal binds no key (R28).",
			headers: []parameter{{name: "Idempotency-Key", doc: withLimits("1 to {MaxKey} printable ASCII " +
				"characters; the same key of the same sender is the same InMail (R28)"),
				schema: schema{"type": "string", "minLength": 1, "maxLength": mailroom.MaxKey, "pattern": "^[ -~]+$",
					"examples": []any{"order-4711"}}}},
			refuses: append(sendRefusals(), domain.IdempotencyConflict),
		}, (*call).sendInMail),
		preflightEndpoint(),
		gives(endpoint{
			method: "GET", path: "/v1/inmails/{id}", name: "viewInMail", held: true, group: "InMails", access: anyKey,
			status: http.StatusOK,
			does:   "Show an InMail without opening it",
			more: "The sender gets it with receipts and text, an operator with true reasons as well (R18), the recipient " +
				"its inbox entry; to anyone else it is not there. Nothing is opened by it (R31).",
			refuses: []domain.Code{domain.NotFound, domain.ExpiredCode, domain.RetractedCode},
		}, (*call).viewInMail),
		gives(endpoint{
			method: "GET", path: "/v1/sent", name: "listSent", held: true, group: "InMails", access: memberOnly,
			status: http.StatusOK,
			does:   "List what a member sent, newest first",
			more:   "What is given in the query is joined by and. The texts are left out; viewInMail has them.", query: append(filterParameters(), byTag, expiresBefore),
			refuses: []domain.Code{domain.NotFound},
		}, (*call).sent),
		takes(endpoint{
			method: "PUT", path: "/v1/inmails/{id}/tags", name: "tagInMail", group: "InMails", access: anyKey,
			status: http.StatusOK,
			does:   "Replace the tags of an InMail (R56)",
			more:   "An empty list takes all tags away. The answer has the tags in the form in which they are kept.", refuses: []domain.Code{domain.NotFound, domain.Forbidden},
		}, (*call).tag),
		takes(endpoint{
			method: "PUT", path: "/v1/inmails/{id}/crm", name: "setCRM", group: "InMails", access: anyKey,
			status:  http.StatusOK,
			does:    "Replace the ids of CRMs that an InMail names; what is left out is cleared (R55)",
			more:    "Ids that are given win over those that matching finds. An empty text counts as left out.",
			refuses: []domain.Code{domain.NotFound, domain.Forbidden},
		}, (*call).setCRM),
	}
}

// sendRefusals are the codes that a sender can get (R18, R21).
func sendRefusals() []domain.Code {
	codes := domain.RefusalCodes()
	for i, c := range codes {
		codes[i] = c.ForSender()
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// sendBody is one whole InMail. Subject and body have no bounds here: the rules refuse an empty or a long
// text, in their order (R21).
type sendBody struct {
	To          domain.MemberID `json:"to" doc:"exactly one recipient (R19)" example:"maria-lopez"`
	Subject     string          `json:"subject" doc:"one line, 1 to {MaxSubject} characters after trimming (R22)" example:"Our talk at the fair in Hamburg"`
	Body        string          `json:"body" doc:"1 to {MaxBody} characters as read (R23), formatted as R24 allows" example:"Hello Maria, thank you for your time at the fair. Would **Tuesday** suit you?"`
	Tags        []string        `json:"tags,omitempty" doc:"0 to {MaxTags} of 1 to {MaxTag} characters; kept in their one form (R56)" example:"[\"hamburg fair\"]"`
	Category    string          `json:"category,omitempty" doc:"at most {MaxCategory} characters; rates are reported by it (R52)" example:"follow_up"`
	CRM         *crmIDs         `json:"crm,omitempty" doc:"explicit ids win over matching (R55)"`
	Attachment  anything        `json:"attachment,omitempty" doc:"always refused, attachment_not_supported (R26)"`
	Attachments anything        `json:"attachments,omitempty" doc:"always refused, attachment_not_supported (R26)"`
}

// anything is true when a field was given, with any value.
type anything = strictjson.Anything

// adviceHit is one piece of advice (R45–R52).
type adviceHit struct {
	Code   string `json:"code" list:"advice" example:"weak_subject"`
	Detail string `json:"detail" example:"the subject has 2 words; say in 3 or more what it is about"`
}

func adviceOf(hits []advice.Hit) []adviceHit {
	shown := make([]adviceHit, 0, len(hits))
	for _, h := range hits {
		shown = append(shown, adviceHit{Code: h.Code, Detail: h.Detail})
	}
	return shown
}

type sendAnswer struct {
	ID     domain.ID   `json:"id" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	Status string      `json:"status" enum:"queued" example:"queued"`
	Advice []adviceHit `json:"advice" doc:"never a refusal (R45-R52)"`
}

// sendPath is the path of a send.
const sendPath = "/v1/inmails"

func (c *call) sendInMail(in *sendBody) (sendAnswer, error) {
	key, err := c.idempotencyKey()
	if err != nil {
		return sendAnswer{}, err
	}
	accepted, err := c.api.Sender.Accept(c.ctx, mailroom.Send{ID: c.newID,
		From: c.viewer.Member, To: in.To, Subject: in.Subject, Body: in.Body,
		Attachments: bool(in.Attachment || in.Attachments),
		Tags:        in.Tags, Category: in.Category, CRM: in.CRM.ids(), Key: key,
	})
	if err := cmp.Or(err, accepted.Err); err != nil {
		return sendAnswer{}, err
	}
	return sendAnswer{ID: accepted.ID, Status: string(domain.Queued), Advice: adviceOf(accepted.Advice)}, nil
}

// person is the part of a member that others get: never an e-mail address (R01).
type person struct {
	ID       domain.MemberID `json:"id" example:"maria-lopez"`
	Name     string          `json:"name" example:"Maria López"`
	PhotoURL string          `json:"photo_url" example:"https://example.com/maria.jpg"`
}

func personOf(p mailroom.Person) person { return person(p) }

type receipt struct {
	Seq    int           `json:"seq" example:"2"`
	Status domain.Status `json:"status" example:"sent"`
	At     stamp         `json:"at"`
	Reason domain.Code   `json:"reason,omitempty" doc:"of refused and failed; the true one for operators alone (R18)" example:"no_credits"`
}

// sentView is an InMail as its sender gets it; an operator gets the true reasons and from as well.
type sentView struct {
	ID            domain.ID     `json:"id" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	From          *person       `json:"from,omitempty" doc:"for operators"`
	To            person        `json:"to"`
	Subject       string        `json:"subject" example:"Our talk at the fair in Hamburg"`
	Status        domain.Status `json:"status" example:"sent"`
	Reason        domain.Code   `json:"reason,omitempty" doc:"of refused and failed" example:"no_credits"`
	Undone        *bool         `json:"undone,omitempty" doc:"of retracted: nobody had read it (R36)"`
	DeclineReason string        `json:"decline_reason,omitempty" doc:"why the recipient declined, in its own words (R63)" example:"We have chosen a supplier already."`
	Body          *string       `json:"body,omitempty" doc:"as it was sent; for its sender, not in lists" example:"Hello Maria, would **Tuesday** suit you?"`
	BodyHTML      *string       `json:"body_html,omitempty" doc:"the same, safe to show" example:"<p>Hello Maria, would <strong>Tuesday</strong> suit you?</p>"`
	Receipts      *[]receipt    `json:"receipts,omitempty" doc:"not in lists"`
	Tags          []string      `json:"tags" example:"[\"hamburg fair\"]"`
	Category      string        `json:"category" example:"follow_up"`
	CRM           crmView       `json:"crm"`
	AcceptedAt    stamp         `json:"accepted_at"`
	SentAt        *stamp        `json:"sent_at" doc:"null until it is delivered"`
	ExpiresAt     *stamp        `json:"expires_at" doc:"{WindowHours} h after sent_at (R32); null until it is delivered"`
}

func (c *call) sentViewOf(v mailroom.View) sentView {
	m := v.InMail
	s := sentView{ID: m.ID, To: personOf(v.To), Subject: m.Subject, Status: v.Status, Reason: v.Reason,
		DeclineReason: m.DeclineReason, Tags: m.Tags,
		Category: m.Category, CRM: c.crmViewOf(m.CRM, v.Links), AcceptedAt: stamp(m.AcceptedAt),
		SentAt: stampOrNull(m.SentAt), ExpiresAt: stampOrNull(m.ExpiresAt)}
	if s.Tags == nil {
		s.Tags = []string{}
	}
	if v.Status == domain.Retracted {
		s.Undone = &m.Undone
	}
	return s
}

func (c *call) viewInMail() (either[sentView, inboxEntry], error) {
	var none either[sentView, inboxEntry]
	id, err := c.inmail()
	if err != nil {
		return none, err
	}
	v, err := c.api.Service.View(c.ctx, c.viewer, id)
	if err != nil {
		return none, err
	}
	if v.Entry != nil {
		return second[sentView](inboxEntryOf(*v.Entry)), nil
	}
	s := c.sentViewOf(v)
	receipts := make([]receipt, 0, len(v.Receipts))
	for _, r := range v.Receipts {
		receipts = append(receipts, receipt{Seq: r.Seq, Status: r.Status, At: stamp(r.At), Reason: r.Reason})
	}
	s.Receipts = &receipts
	if c.viewer.Operator {
		from := personOf(v.From)
		s.From = &from
	} else {
		s.Body, s.BodyHTML = &v.InMail.Body, &v.BodyHTML
	}
	return first[sentView, inboxEntry](s), nil
}

func (c *call) sent() (items[sentView], error) {
	p, err := sentList.page(c.query)
	if err != nil {
		return items[sentView]{}, err
	}
	f, err := filterIn(c.query)
	if err != nil {
		return items[sentView]{}, err
	}
	found, err := c.api.Service.Sent(c.ctx, c.viewer.Member, f, oneMore(p))
	if err != nil {
		return items[sentView]{}, err
	}
	return listOf(sentList, p, found, c.sentViewOf, func(v mailroom.View) mailroom.Cursor {
		return mailroom.Cursor{At: v.InMail.AcceptedAt, ID: string(v.InMail.ID)}
	}), nil
}

// expiresBefore narrows the sent list to unopened InMails that expire before a time.
var expiresBefore = parameter{name: "expires_before", doc: "unopened ones that expire before this time: RFC 3339 " +
	"or a date",
	schema: schema{"type": "string", "examples": []any{"2026-11-30T09:00:00Z"}}}

// filterParameters are the query parameters that narrow a list of InMails and page it.
func filterParameters() []parameter {
	return append([]parameter{
		{name: "status", doc: "as the clock gives it (R33)", schema: schema{"$ref": "#/components/schemas/Status"}},
	}, pageParameters()...)
}

// byTag narrows the sent list to those with a tag. An inbox has no such filter: tags are the senders' own
// (R69).
var byTag = parameter{name: "tag", doc: "in any form (R56)",
	schema: schema{"type": "string", "examples": []any{"hamburg fair"}}}

func pageParameters() []parameter {
	return []parameter{
		{name: "limit", doc: "how many at most",
			schema: schema{"type": "integer", "minimum": 1, "maximum": maxLimit, "default": defaultLimit}},
		{name: "cursor", doc: "next_cursor of the last answer",
			schema: schema{"type": "string", "maxLength": maxCursor}},
	}
}

func statusNames() []string { return texts(domain.Statuses()) }

// filterIn reads ?status=, ?tag= and ?expires_before=.
func filterIn(q url.Values) (f mailroom.Filter, err error) {
	if q.Has("status") {
		f.Status = domain.Status(q.Get("status"))
		if !slices.Contains(domain.Statuses(), f.Status) {
			return f, domain.Refuse(domain.BadRequest, "status: one of %s", strings.Join(statusNames(), ", "))
		}
	}
	if q.Has("tag") {
		if f.Tag, err = domain.NormalTag(q.Get("tag")); err != nil {
			return f, strictjson.Under("tag", err)
		}
	}
	f.ExpiresBefore, err = timeIn(q, "expires_before")
	return f, err
}

// timeIn reads a time, or a date as its 00:00 UTC, from the query; the zero time
// when the parameter is absent.
func timeIn(q url.Values, name string) (time.Time, error) {
	if !q.Has(name) {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, q.Get(name)); err == nil && t.Year() >= 1 {
			return t.UTC(), nil
		}
	}
	return time.Time{}, domain.Refuse(domain.BadRequest, "%s: a time as 2026-11-23T09:00:00Z, or a date as "+
		"2026-11-23", name)
}

type tagsBody struct {
	Tags []string `json:"tags" doc:"0 to {MaxTags} of 1 to {MaxTag} characters" example:"[\"hamburg fair\"]"`
}

func (c *call) tag(in *tagsBody) (tagsBody, error) {
	if _, err := domain.NormalTags(in.Tags); err != nil {
		return tagsBody{}, strictjson.Under("tags", err) // a fault of the body comes before a 404
	}
	id, err := c.inmail()
	if err != nil {
		return tagsBody{}, err
	}
	tags, err := c.api.Service.Tag(c.ctx, c.viewer, id, in.Tags)
	if tags == nil {
		tags = []string{}
	}
	return tagsBody{tags}, err
}

func (c *call) setCRM(in *crmIDs) (crmIDs, error) {
	id, err := c.inmail()
	if err != nil {
		return crmIDs{}, err
	}
	ids, err := c.api.Service.SetCRM(c.ctx, c.viewer, id, in.ids())
	return c.crmIDsOf(ids), err
}
