package hubspot

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/richtext"
)

// These are the objects of HubSpot that are read or written.
const (
	communications = "communications"
	contacts       = "contacts"
	companies      = "companies"
)

// These are the types of the associations from a communication (HUBSPOT.md 7), and of a contact's primary
// company.
const (
	toContact      = 81
	toCompany      = 87
	primaryCompany = 1
)

// These are properties that are named in several places.
const (
	eventKey           = "inmail_event_id"
	sequenceProperty   = "inmail_sequence"
	statusProperty     = "inmail_status"
	tagsProperty       = "inmail_tags"
	memberProperty     = "inmail_member_id"
	lastStatusProperty = "inmail_last_status"
	lastSentProperty   = "inmail_last_sent_at"
	ownerProperty      = "hubspot_owner_id"
	bodyProperty       = "hs_communication_body"
	mergedProperty     = "hs_merged_object_ids"
	moreEmails         = "hs_additional_emails"
)

// These are the two events that have a communication each.
const (
	sentEvent    = "sent"
	repliedEvent = "replied"
)

// eventID returns the key of a communication, by which an event is there once.
func eventID(id domain.ID, event string) string { return string(id) + ":" + event }

// These are the lengths of texts, in UTF-16 units.
const (
	subjectLength = domain.MaxSubject
	nameLength    = 120
	textLength    = 65_536
)

// shownStatuses are the statuses that a communication may have: all that follow the sending.
func shownStatuses() (shown []string) {
	for _, s := range domain.Statuses() {
		if s != domain.Queued {
			shown = append(shown, string(s))
		}
	}
	return shown
}

// modelProperty is a property that the set-up makes and the connector writes.
type modelProperty struct {
	object, name, label, kind, field string

	unique  bool
	small   bool // it is among the nine that a Free portal can hold
	needed  bool // without it nothing is pushed
	options []string
	// value returns what is written of an InMail for an event; empty empties the property. Nil: it is
	// written elsewhere.
	value func(p *domain.Push, event string) string
	from  domain.CRMText // the first policy crm_text that lets it leave; empty: every one
}

// model lists our properties (HUBSPOT.md, "Our model in the portal"). The set-up, the check, both sides of
// a reconcile and every write are made from it.
var model = []modelProperty{
	{object: communications, name: eventKey, label: "InMail event", kind: "string", field: "text", unique: true, small: true, needed: true,
		value: func(p *domain.Push, event string) string { return eventID(p.InMail.ID, event) }},
	{object: communications, name: "inmail_id", label: "InMail id", kind: "string", field: "text",
		value: func(p *domain.Push, _ string) string { return string(p.InMail.ID) }},
	{object: communications, name: "inmail_event", label: "InMail event type", kind: "enumeration", field: "select",
		options: []string{sentEvent, repliedEvent}, value: func(_ *domain.Push, event string) string { return event }},
	{object: communications, name: statusProperty, label: "InMail status", kind: "enumeration", field: "select", small: true, needed: true,
		options: shownStatuses(), value: func(p *domain.Push, event string) string {
			if event == repliedEvent {
				return string(domain.Replied)
			}
			return string(p.InMail.Status)
		}},
	{object: communications, name: sequenceProperty, label: "InMail sequence", kind: "number", field: "number", small: true, needed: true,
		value: func(p *domain.Push, _ string) string { return strconv.FormatInt(p.InMail.Version, 10) }},
	{object: communications, name: "inmail_subject", label: "InMail subject", kind: "string", field: "text", from: domain.CRMTextPreview,
		value: onSent(func(p *domain.Push) string { return line(p.InMail.Subject, subjectLength) })},
	{object: communications, name: "inmail_expires_at", label: "InMail expires at", kind: "datetime", field: "date",
		value: onSent(func(p *domain.Push) string { return datetime(p.InMail.ExpiresAt) })},
	{object: communications, name: "inmail_opened_at", label: "InMail opened at", kind: "datetime", field: "date",
		value: onSent(func(p *domain.Push) string { return datetime(p.InMail.OpenedAt) })},
	{object: communications, name: "inmail_replied_at", label: "InMail replied at", kind: "datetime", field: "date",
		value: onSent(func(p *domain.Push) string { return datetime(p.InMail.RepliedAt) })},
	{object: communications, name: "inmail_declined_at", label: "InMail declined at", kind: "datetime", field: "date",
		value: onSent(func(p *domain.Push) string { return datetime(p.InMail.DeclinedAt) })},
	{object: communications, name: "inmail_expired_at", label: "InMail expired at", kind: "datetime", field: "date",
		value: onSent(func(p *domain.Push) string { return endedAs(p, domain.Expired) })},
	{object: communications, name: "inmail_retracted_at", label: "InMail retracted at", kind: "datetime", field: "date",
		value: onSent(func(p *domain.Push) string { return endedAs(p, domain.Retracted) })},
	{object: communications, name: "inmail_reason", label: "InMail reason", kind: "string", field: "text",
		value: onSent(func(p *domain.Push) string { return string(p.InMail.Reason) })},
	{object: communications, name: "inmail_category", label: "InMail category", kind: "string", field: "text",
		value: onSent(func(p *domain.Push) string { return line(p.InMail.Category, mailroom.MaxCategory) })},
	{object: communications, name: "inmail_replies", label: "InMail replies", kind: "number", field: "number",
		value: onSent(func(p *domain.Push) string { return strconv.Itoa(p.InMail.Replies) })},
	{object: communications, name: tagsProperty, label: "InMail tags", kind: "enumeration", field: "checkbox", small: true,
		options: []string{"inmail"}},
	{object: communications, name: "inmail_sender_member", label: "InMail sender", kind: "string", field: "text",
		value: func(p *domain.Push, _ string) string { return member(p.InMail.Sender) }},
	{object: communications, name: "inmail_sender_name", label: "InMail sender name", kind: "string", field: "text",
		value: func(p *domain.Push, _ string) string { return nameOf(p.InMail.Sender, p.SenderName) }},
	{object: communications, name: "inmail_recipient_member", label: "InMail recipient", kind: "string", field: "text",
		value: func(p *domain.Push, _ string) string { return member(p.InMail.Recipient) }},
	{object: communications, name: "inmail_recipient_name", label: "InMail recipient name", kind: "string", field: "text",
		value: func(p *domain.Push, _ string) string { return nameOf(p.InMail.Recipient, p.RecipientName) }},
	{object: communications, name: "inmail_cohort", label: "InMail week", kind: "string", field: "text",
		value: func(p *domain.Push, _ string) string { return string(domain.CohortOf(p.InMail.SentAt)) }},
	{object: communications, name: "inmail_opened", label: "InMail opened", kind: "number", field: "number", small: true,
		value: onSent(func(p *domain.Push) string { return one(!p.InMail.OpenedAt.IsZero()) })},
	{object: communications, name: "inmail_responded", label: "InMail responded", kind: "number", field: "number", small: true,
		value: onSent(func(p *domain.Push) string { return one(!p.InMail.RepliedAt.IsZero()) })},
	{object: contacts, name: memberProperty, label: "InMail member", kind: "string", field: "text", unique: true, small: true},
	{object: contacts, name: lastStatusProperty, label: "Last InMail status", kind: "enumeration", field: "select", small: true,
		options: shownStatuses()},
	{object: contacts, name: lastSentProperty, label: "Last InMail sent at", kind: "datetime", field: "date", small: true},
}

// onSent is a value that only the communication of the sending has: it carries the state.
func onSent(value func(*domain.Push) string) func(*domain.Push, string) string {
	return func(p *domain.Push, event string) string {
		if event != sentEvent {
			return ""
		}
		return value(p)
	}
}

func one(is bool) string {
	if is {
		return "1"
	}
	return "0"
}

// leaves says whether a property's value may go to the portal under a policy.
func (m modelProperty) leaves(policy domain.CRMText) bool {
	return m.from == "" || policy != domain.CRMTextNone
}

// fields returns the whole state of an event of an InMail as properties of its communication. Every write
// has all of them, an empty one too, so that what people changed is overwritten and what was erased goes
// (R60). No property ever has an e-mail address (R01).
func (c *Connector) fields(p *portal, push *domain.Push, event string) map[string]string {
	m := &push.InMail
	at := m.SentAt
	if event == repliedEvent {
		at = m.RepliedAt
	}
	row := map[string]string{
		"hs_communication_channel_type": "LINKEDIN_MESSAGE",
		"hs_communication_logged_from":  "CRM",
		"hs_timestamp":                  datetime(at),
		bodyProperty:                    c.body(push, event) + p.mark(push, event),
	}
	for _, each := range model {
		if each.object != communications || each.value == nil || !p.has[each.name] {
			continue
		}
		if row[each.name] = ""; each.leaves(c.text) {
			row[each.name] = each.value(push, event)
		}
	}
	if p.has[tagsProperty] && event == sentEvent {
		var offered []string
		for _, t := range tagsOf(m.Tags) {
			if p.offers(t) {
				offered = append(offered, t)
			}
		}
		row[tagsProperty] = strings.Join(offered, ";")
	}
	if owner := c.ownerOf(p, push); owner != "" {
		row[ownerProperty] = owner
	}
	return row
}

// body returns the text of a communication. Its first line has the receipts, because the card on the
// timeline shows nothing else of them. The markup is what a note of HubSpot may have: p, b and br.
func (c *Connector) body(p *domain.Push, event string) string {
	m := &p.InMail
	if event == repliedEvent {
		first := "<p><b>InMail reply</b>"
		if name := nameOf(m.Recipient, p.RecipientName); name != "" {
			first += " from " + html.EscapeString(name)
		}
		return first + "</p>"
	}
	var parts []string
	first := "<b>InMail</b>"
	if name := nameOf(m.Recipient, p.RecipientName); name != "" {
		first += " to " + html.EscapeString(name)
	}
	parts = append(parts, first, "<b>"+strings.ToUpper(string(m.Status[:1]))+string(m.Status[1:])+"</b> "+
		reachedAt(m).UTC().Format("2 Jan 2006 15:04 UTC"))
	switch {
	case m.Replies == 1:
		parts = append(parts, "1 reply")
	case m.Replies > 1:
		parts = append(parts, fmt.Sprintf("%d replies", m.Replies))
	}
	if tags := tagsOf(m.Tags); len(tags) > 0 {
		parts = append(parts, "tags: "+html.EscapeString(strings.Join(tags, ", ")))
	}
	body := "<p>" + strings.Join(parts, " · ") + "</p>"
	if c.text == domain.CRMTextNone {
		return body
	}
	if subject := line(m.Subject, subjectLength); subject != "" {
		body += "<p><b>" + html.EscapeString(subject) + "</b></p>"
	}
	text := line(m.Preview, 2*richtext.MaxPreview)
	if c.text == domain.CRMTextFull {
		text = clean(m.Body)
	}
	if text == "" {
		return body
	}
	rest := "<p>" + strings.ReplaceAll(html.EscapeString(text), "\n", "<br>") + "</p>"
	if len(body)+len(rest)+markLength > textLength { // bytes are never fewer than UTF-16 units
		return body
	}
	return body + rest
}

// reachedAt returns when an InMail reached its status.
func reachedAt(m *domain.InMail) time.Time {
	switch m.Status {
	case domain.Opened:
		return m.OpenedAt
	case domain.Replied:
		return m.RepliedAt
	case domain.Declined:
		return m.DeclinedAt
	case domain.Expired, domain.Retracted, domain.Refused, domain.Failed:
		return m.EndedAt
	}
	return m.SentAt
}

// nameOf returns a member's name, and nothing for an erased member (R60).
func nameOf(id domain.MemberID, name string) string {
	if id == domain.Erased {
		return ""
	}
	return line(withoutAddress(name), nameLength)
}

// member returns a member's id, and nothing for an erased member (R60).
func member(id domain.MemberID) string {
	if id == domain.Erased {
		return ""
	}
	return string(id)
}

// endedAs returns when an InMail ended in a status, and nothing when it did not end in that status.
func endedAs(p *domain.Push, status domain.Status) string {
	if p.InMail.Status != status {
		return ""
	}
	return datetime(p.InMail.EndedAt)
}

// datetime writes a time as HubSpot reads it, and nothing for the zero time.
func datetime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// line returns a text of one line, without what would hide or reverse what follows (F38), cut to a length.
func line(text string, length int) string { return cut(clean(richtext.Line(text)), length) }

// clean removes bytes that are not UTF-8 and characters that no property can hold.
func clean(text string) string {
	text = strings.ToValidUTF8(text, "")
	text = strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\n' && r != '\t' || r == 0x7F || r == 0xFFFE || r == 0xFFFF || r == 0xFFFD {
			return -1
		}
		return r
	}, text)
	return strings.TrimSpace(text)
}

// cut shortens a text to length UTF-16 units and marks a cut with "…".
func cut(text string, length int) string {
	units, last := 0, 0
	for i, r := range text {
		size := 1
		if r > 0xFFFF {
			size = 2
		}
		if units+size > length {
			return strings.TrimRight(text[:last], " \t\n") + "…"
		}
		if units += size; units <= length-1 {
			last = i + len(string(r))
		}
	}
	return text
}

// tagsOf returns tags as options of HubSpot. A semicolon would separate values, so it becomes a comma.
func tagsOf(tags []string) (kept []string) {
	for _, t := range tags {
		if t = strings.ReplaceAll(clean(richtext.Line(t)), ";", ","); t != "" && !slices.Contains(kept, t) {
			kept = append(kept, t)
		}
	}
	return kept
}

var addressForm = regexp.MustCompile(`[^\s<>()"',;:]+@[^\s<>()"',;:]+`)

// withoutAddress removes what looks like an e-mail address from a name, because some people use theirs as a
// name (R01).
func withoutAddress(name string) string {
	return strings.TrimSpace(addressForm.ReplaceAllString(name, ""))
}
