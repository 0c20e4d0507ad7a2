package mailroom

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/richtext"
)

// EventView is an event as subscribers and the feed get it. Its JSON is the body of a webhook in the form of
// Standard Webhooks: type, timestamp, data (R68).
type EventView struct {
	Event
	Timestamp time.Time // when it happened; of an expiry, when the clock decided it (R33)
	Data      any       // an EventInMail, an EventRestriction or an EventTest

	member domain.MemberID // the member key that may see it; empty: none may
}

// eventBody is the JSON of an EventView.
type eventBody struct {
	Type      EventKind `json:"type"`
	Timestamp Stamp     `json:"timestamp"`
	Data      any       `json:"data"`
}

// MarshalJSON writes the body of the webhook.
func (e EventView) MarshalJSON() ([]byte, error) {
	return json.Marshal(eventBody{e.Kind, Stamp(e.Timestamp), e.Data})
}

// Stamp is a time as JSON has it: RFC 3339 in UTC with milliseconds.
type Stamp time.Time

// MarshalJSON writes 2026-11-23T09:00:00.000Z.
func (s Stamp) MarshalJSON() ([]byte, error) {
	return []byte(time.Time(s).UTC().Format(`"2006-01-02T15:04:05.000Z"`)), nil
}

func stampOf(t time.Time) *Stamp {
	if t.IsZero() {
		return nil
	}
	return (*Stamp)(&t)
}

// EventPerson is the part of a member that others get: never an e-mail address (R01).
type EventPerson struct {
	ID       domain.MemberID `json:"id" example:"maria-lopez"`
	Name     string          `json:"name" example:"Maria López"`
	PhotoURL string          `json:"photo_url" example:"https://example.com/maria.jpg"`
}

// CRMView is what CRMs have of an InMail: the ids that the sender gave, else those that matching found, with
// the state of matching and the id of the InMail's own record. Those of the first CRM stand in the object
// itself, those of each other under its name.
type CRMView map[string]any

// EventInMail is what events about an InMail say: the InMail as its sender sees it, read when the event is
// sent, with the status and the number of the receipt that the event is about.
type EventInMail struct {
	ID            domain.ID        `json:"id" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	Seq           int              `json:"seq" doc:"number of the last receipt when it happened; rises with the events of one InMail" example:"2"`
	Status        domain.Status    `json:"status" doc:"that the event brought; of an event that brought none, as it is now" example:"sent"`
	Reason        domain.Code      `json:"reason,omitempty" doc:"of refused and failed, as the sender may know it (R18)"`
	Undone        *bool            `json:"undone,omitempty" doc:"of retracted: nobody had read it (R36)"`
	From          EventPerson      `json:"from"`
	To            EventPerson      `json:"to"`
	Subject       string           `json:"subject,omitempty" doc:"by the policy webhook_text and the text of the end point: preview, full"`
	Preview       string           `json:"preview,omitempty" doc:"likewise"`
	Body          string           `json:"body,omitempty" doc:"full only"`
	DeclineReason string           `json:"decline_reason,omitempty" doc:"the recipient's own words: preview, full (R63)"`
	Tags          []string         `json:"tags" example:"[\"hamburg fair\"]"`
	Category      string           `json:"category" example:"follow_up"`
	CRM           CRMView          `json:"crm"`
	AcceptedAt    Stamp            `json:"accepted_at"`
	SentAt        *Stamp           `json:"sent_at"`
	ExpiresAt     *Stamp           `json:"expires_at"`
	Reply         *EventReply      `json:"reply,omitempty" doc:"of inmail.reply"`
	DeadLetter    *EventDeadLetter `json:"dead_letter,omitempty" doc:"of crm.dead_letter"`
}

// EventReply is one message of the conversation.
type EventReply struct {
	ID        domain.ID       `json:"id"`
	From      domain.MemberID `json:"from" doc:"the sender or the recipient of the InMail" example:"maria-lopez"`
	At        Stamp           `json:"at"`
	Automatic bool            `json:"automatic" doc:"such as a notice of absence (R64)"`
}

// EventDeadLetter says which CRM refuses an InMail for good, and how.
type EventDeadLetter struct {
	CRM   domain.CRM          `json:"crm" example:"salesforce"`
	Class domain.FailureClass `json:"class" example:"bad_data"`
}

// EventRestriction is what member.restricted says.
type EventRestriction struct {
	Member  EventPerson `json:"member"`
	Trigger string      `json:"trigger" list:"trigger" example:"volume_hour"`
	Value   float64     `json:"value" example:"21"`
	Limit   float64     `json:"limit" example:"20"`
	Step    int         `json:"step" doc:"1 is the shortest restriction, 3 the longest (R42)" example:"1"`
	From    Stamp       `json:"from"`
	Until   Stamp       `json:"until"`
}

// EventTest is what webhook.test says.
type EventTest struct {
	Webhook string `json:"webhook" doc:"the end point's id" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e22"`
}

// EventSample returns an empty value of the data of a kind, for the API's document.
func (k EventKind) EventSample() any {
	switch k {
	case MemberRestricted:
		return EventRestriction{}
	case WebhookTest:
		return EventTest{}
	}
	return EventInMail{}
}

// eventViews adds to events what subscribers get of them, with no more texts than text. An event whose
// subject is gone is left out.
func (svc *Service) eventViews(tx Tx, events []Event, text domain.WebhookText) ([]EventView, error) {
	var ids []domain.ID
	for _, e := range events {
		if e.InMail != "" {
			ids = append(ids, e.InMail)
		}
	}
	slices.Sort(ids)
	found, err := tx.InMails(slices.Compact(ids))
	if err != nil {
		return nil, err
	}
	shown, err := svc.views(tx, slices.Collect(maps.Values(found)), Viewer{})
	if err != nil {
		return nil, err
	}
	byID := make(map[domain.ID]View, len(shown))
	for _, v := range shown {
		byID[v.InMail.ID] = v
	}
	views := make([]EventView, 0, len(events))
	for _, e := range events {
		view, there := EventView{Event: e, Timestamp: e.At}, true
		switch {
		case e.InMail != "":
			var inmail View
			if inmail, there = byID[e.InMail]; there {
				there, err = svc.viewInMail(tx, &view, inmail, text)
			}
		case e.Kind == MemberRestricted:
			there, err = svc.viewRestriction(tx, &view)
		default:
			view.Data = EventTest{Webhook: e.About}
		}
		if err != nil {
			return nil, err
		}
		if there {
			views = append(views, view)
		}
	}
	return views, nil
}

// viewInMail sets what an event about an InMail says.
func (svc *Service) viewInMail(tx Tx, e *EventView, v View, text domain.WebhookText) (there bool, err error) {
	m := v.InMail
	d := EventInMail{ID: m.ID, Seq: e.Seq, Status: cmp.Or(e.Kind.status(), v.Status),
		From: EventPerson(v.From), To: EventPerson(v.To), Tags: append([]string{}, m.Tags...), Category: m.Category,
		CRM: ShowCRMs(svc.crms, m.CRM, v.Links), AcceptedAt: Stamp(m.AcceptedAt), SentAt: stampOf(m.SentAt),
		ExpiresAt: stampOf(m.ExpiresAt)}
	switch d.Status {
	case domain.Refused, domain.Failed:
		d.Reason = v.Reason
	case domain.Retracted:
		d.Undone = &m.Undone
	}
	if text != domain.WebhookTextNone {
		d.Subject, d.Preview = richtext.Line(m.Subject), richtext.Line(m.Preview)
		if d.Status == domain.Declined {
			d.DeclineReason = m.DeclineReason
		}
	}
	if text == domain.WebhookTextFull {
		d.Body = m.Body
	}
	e.member = m.Sender
	if ms, err := strconv.ParseInt(e.About, 10, 64); err == nil && e.Kind.status() != "" {
		e.Timestamp = time.UnixMilli(ms).UTC()
	}
	switch e.Kind {
	case InMailExpired:
		e.Timestamp = m.ExpiresAt
	case InMailReply:
		reply, err := tx.Reply(m.ID, domain.ID(e.About))
		if err != nil || reply == nil {
			return false, err
		}
		d.Reply = &EventReply{ID: reply.ID, From: reply.From, At: Stamp(reply.At), Automatic: reply.Automatic}
	case CRMDeadLetter:
		crm, class, _ := strings.Cut(e.About, ":")
		d.DeadLetter = &EventDeadLetter{CRM: domain.CRM(crm), Class: domain.FailureClass(class)}
		e.member = "" // the operators' own
	}
	e.Data = d
	return true, nil
}

// viewRestriction sets what an event about a restriction says.
func (svc *Service) viewRestriction(tx Tx, e *EventView) (there bool, err error) {
	r, err := tx.Restriction(e.About)
	if err != nil || r == nil {
		return false, err
	}
	people, err := svc.people(tx, []domain.MemberID{r.Member})
	if err != nil {
		return false, err
	}
	e.member = r.Member
	e.Data = EventRestriction{Member: EventPerson(people[r.Member]), Trigger: r.Trigger, Value: r.Value,
		Limit: r.Limit, Step: r.Step, From: Stamp(r.StartedAt), Until: Stamp(r.Until)}
	return true, nil
}

// ShowCRMs returns what the CRMs have of an InMail, from the ids that its sender gave and its links.
func ShowCRMs(crms []CRM, given domain.CRMIDs, links map[domain.CRM]domain.Link) CRMView {
	view := CRMView{}
	for i, crm := range crms {
		link, fields := links[crm.Name()], map[string]any{}
		show := func(name, value string) {
			if value != "" {
				fields[name] = value
			}
		}
		for _, id := range crm.IDs() {
			show(id.Name, cmp.Or(given[crm.Name()][id.Name], link.Parents[id.Name]))
		}
		show("match", strings.ToLower(string(link.Match)))
		show("record_id", link.RecordID)
		switch {
		case i == 0:
			maps.Copy(view, fields)
		case len(fields) > 0:
			view[string(crm.Name())] = fields
		}
	}
	return view
}
