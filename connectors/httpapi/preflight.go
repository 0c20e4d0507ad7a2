package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/spam"
	"inmail/domain/strictjson"
)

// preflighter checks an InMail by all rules without sending it.
type preflighter interface {
	Preflight(ctx context.Context, from domain.MemberID, to []domain.MemberID,
		text *mailroom.Send) (mailroom.Campaign, error)
}

func preflightEndpoint() endpoint {
	return takes(endpoint{
		method: "POST", path: "/v1/preflight", name: "preflight", group: "InMails", access: memberOnly,
		status: http.StatusOK, message: true,
		does: withLimits("Judge an InMail, or up to {MaxPreflight} recipients, without sending"),
		more: "Stores nothing and spends nothing. All that refuses is listed in R21's order. With a list in " +
			"`to`, subject and body may be left out together; each InMail is then taken to have a text of its " +
			"own. A list is judged as a sequence (R66): as if all were sent now, one after another. An item " +
			"that is ok passes; one that waits for credits or for the limits on behaviour says in `at` when it " +
			"passes, if those before it are sent by the timetable. The answers stand in the order asked, a " +
			"double once; a line that is no member id is an item refused bad_request, with its place, and " +
			"spoils no other.",
		refuses: []domain.Code{domain.AttachmentUnsupported},
	}, (*call).preflight)
}

// preflightBody is an InMail, or a list of recipients with or without one.
type preflightBody struct {
	To          recipients `json:"to" doc:"one member, or a list of up to {MaxPreflight}"`
	Subject     *string    `json:"subject,omitempty" example:"Our talk at the fair in Hamburg"`
	Body        *string    `json:"body,omitempty" example:"Hello Maria, thank you for your time at the fair."`
	Tags        []string   `json:"tags,omitempty" example:"[\"hamburg fair\"]"`
	Category    string     `json:"category,omitempty" example:"follow_up"`
	CRM         *crmIDs    `json:"crm,omitempty"`
	Attachment  anything   `json:"attachment,omitempty" doc:"always refused (R26)"`
	Attachments anything   `json:"attachments,omitempty" doc:"always refused (R26)"`
}

// recipients is one member id or a list of lines that should be some.
type recipients struct {
	ids  []domain.MemberID
	many bool
}

// ReadJSON reads one id or a list of texts. What is no id in a list is answered in its item.
func (t *recipients) ReadJSON(r *strictjson.Reader) error {
	text := func() (domain.MemberID, error) {
		s, err := r.Text()
		t.ids = append(t.ids, domain.MemberID(s))
		return domain.MemberID(s), err
	}
	if r.Peek() != '[' {
		id, err := text()
		if err != nil {
			return err
		}
		return id.Validate()
	}
	t.many = true
	return r.List(func(i int) error {
		if i >= mailroom.MaxPreflight {
			return &domain.Refusal{Code: domain.BadRequest, Got: i + 1, Limit: mailroom.MaxPreflight,
				Detail: fmt.Sprintf("at most %d recipients; ask in parts", mailroom.MaxPreflight)}
		}
		_, err := text()
		return err
	})
}

func (recipients) schema(c *components) schema {
	c.schemas["OneRecipient"] = memberIDSchema()
	c.schemas["ManyRecipients"] = schema{"type": "array", "items": schema{"type": "string"}, "maxItems": mailroom.MaxPreflight}
	ref := c.union("Recipients", schema{"$ref": "#/components/schemas/OneRecipient"}, schema{"$ref": "#/components/schemas/ManyRecipients"})
	ref["examples"] = []any{"maria-lopez"}
	return ref
}

// text returns the text to be judged; nil when only the recipients are asked about.
func (in *preflightBody) text() (*mailroom.Send, error) {
	switch {
	case in.Subject == nil && in.Body == nil && in.To.many:
		return nil, nil
	case in.Subject == nil:
		return nil, domain.Refuse(domain.BadRequest, "subject: required")
	case in.Body == nil:
		return nil, domain.Refuse(domain.BadRequest, "body: required")
	}
	return &mailroom.Send{Subject: *in.Subject, Body: *in.Body, Attachments: bool(in.Attachment || in.Attachments),
		Category: in.Category, Tags: in.Tags, CRM: in.CRM.ids()}, nil
}

// verdict is the result of a preflight for one recipient. The fields about a place and a time are in lists
// alone.
type verdict struct {
	To       string      `json:"to,omitempty" doc:"as it was asked; a long text that is no member id is cut" example:"maria-lopez"`
	Place    int         `json:"place,omitempty" doc:"in the list, from 1" example:"1"`
	OK       bool        `json:"ok" doc:"in a list: it passes now, after those before it"`
	Refusals []refusal   `json:"refusals" doc:"all that refuses, in R21's order"`
	At       *stamp      `json:"at,omitempty" doc:"when it passes, if those before it are sent by the timetable; absent: now, or never by itself"`
	Limit    string      `json:"limit,omitempty" list:"pace" doc:"what it waits for until then" example:"volume_hour"`
	Advice   []adviceHit `json:"advice"`
	Credits  *credits    `json:"credits" doc:"of the sender now; null when the sender is not known"`
}

type refusal struct {
	Code   string `json:"code" example:"recipient_unavailable"`
	Detail string `json:"detail" example:"this member cannot be reached by InMail; try another member or another way"`
	Until  *stamp `json:"until,omitempty" doc:"restricted: when it ends (R42), or would end if it were sent now"`
	Got    *int   `json:"got,omitempty"`
	Limit  *int   `json:"limit,omitempty"`
}

func refusalsOf(rs []*domain.Refusal) []refusal {
	shown := make([]refusal, 0, len(rs))
	for _, r := range rs {
		p := problemOf(r)
		shown = append(shown, refusal{Code: p.Code, Detail: p.Detail, Until: p.Until, Got: p.Got, Limit: p.Limit})
	}
	return shown
}

func verdictOf(c mailroom.Check) verdict {
	v := verdict{To: cut(string(c.To)), Place: c.Place, OK: c.OK, Refusals: refusalsOf(c.Refusals),
		At: stampOrNull(c.At), Limit: c.Limit, Advice: adviceOf(c.Advice)}
	if !c.Credits.PeriodStart.IsZero() {
		v.Credits = creditsOf(c.Credits)
	}
	return v
}

// cut returns a text that should be a member id, so short that it can be answered.
func cut(s string) string {
	n := 0
	for i := range s {
		if n++; n > domain.MaxMemberID {
			return s[:i] + "…"
		}
	}
	return strings.ToValidUTF8(s, "�")
}

type verdicts struct {
	Items  []verdict `json:"items"`
	Totals totals    `json:"totals"`
}

// totals sums up a preflight of many recipients; a recipient who is listed twice counts once.
type totals struct {
	Recipients int            `json:"recipients" doc:"different lines" example:"3"`
	Doubles    int            `json:"doubles" doc:"lines that repeat one before" example:"0"`
	OK         int            `json:"ok" doc:"whom nothing refuses, each as if it alone were sent now" example:"2"`
	OKNow      int            `json:"ok_now" doc:"of those: how many pass when all are sent now, one after another (R66)" example:"1"`
	Refused    map[string]int `json:"refused" doc:"the others than ok, by the first code of each alone"`
	Credits    needs          `json:"credits"`
	Timetable  []departure    `json:"timetable" doc:"of those who wait for credits, the end of a restriction or a limit on behaviour, oldest first"`
}

// needs is how many credits it takes to reach all recipients, and how many there are.
type needs struct {
	Needed    int    `json:"needed" doc:"one for each whom nothing refuses, or only the sender's own credits or restriction" example:"2"`
	Available int    `json:"available" doc:"now; what is on its way is taken off" example:"1"`
	Missing   int    `json:"missing" example:"1"`
	EnoughAt  *stamp `json:"enough_at" doc:"when there will have been as many with this plan, if they are spent as they come: now, or the start of a later period; null: never"`
}

// departure is one line of the timetable.
type departure struct {
	At         stamp  `json:"at"`
	Recipients int    `json:"recipients" doc:"the next of the list that wait: all pass when they are sent one after another within {PaceSlack} s from then on" example:"10"`
	Limit      string `json:"limit" list:"pace" doc:"what the first of them waits for until then" example:"volume_hour"`
}

// paceLimits are the values of limit: what an InMail can wait for.
func paceLimits() []string {
	return append([]string{string(domain.Restricted), string(domain.NoCredits)}, spam.Triggers()...)
}

func totalsOf(t mailroom.Totals) totals {
	v := totals{Recipients: t.Recipients, Doubles: t.Doubles, OK: t.OK, OKNow: t.OKNow,
		Refused: make(map[string]int, len(t.Refused)), Timetable: make([]departure, len(t.Timetable)),
		Credits: needs{Needed: t.Needed, Available: t.Available, Missing: max(0, t.Needed-t.Available),
			EnoughAt: stampOrNull(t.EnoughAt)}}
	for code, n := range t.Refused {
		v.Refused[string(code)] = n
	}
	for i, d := range t.Timetable {
		v.Timetable[i] = departure{stamp(d.At), d.Recipients, d.Limit}
	}
	return v
}

func (c *call) preflight(in *preflightBody) (either[verdict, verdicts], error) {
	var none either[verdict, verdicts]
	text, err := in.text()
	if err != nil {
		return none, err
	}
	if len(in.To.ids) >= mailroom.LargePreflight {
		if err := c.enterLarge(); err != nil {
			return none, err
		}
	}
	campaign, err := c.api.Service.Preflight(c.ctx, c.viewer.Member, in.To.ids, text)
	if err != nil {
		return none, err
	}
	if !in.To.many {
		v := verdictOf(campaign.Checks[0])
		v.To, v.Place, v.At, v.Limit = "", 0, nil, ""
		return first[verdict, verdicts](v), nil
	}
	found := make([]verdict, 0, len(campaign.Checks))
	for _, check := range campaign.Checks {
		found = append(found, verdictOf(check))
	}
	return second[verdict](verdicts{found, totalsOf(campaign.Totals)}), nil
}
