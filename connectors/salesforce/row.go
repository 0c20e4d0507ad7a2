package salesforce

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/richtext"
)

// The objects and keys that rows go to.
const (
	inMailObject = "InMail__c"
	inMailKey    = "InMail_Id__c"
	taskObject   = "Task"
	taskKey      = "InMail_Event_Id__c"
)

// statusNames are the values of Status__c: the statuses, each with a capital.
var statusNames = func() map[domain.Status]string {
	names := map[domain.Status]string{}
	for _, status := range domain.Statuses() {
		names[status] = strings.ToUpper(string(status[:1])) + string(status[1:])
	}
	return names
}()

// Lengths of fields, in UTF-16 units, as the package makes them: the rules' own where one bounds the text.
const (
	subjectLength  = domain.MaxSubject
	previewLength  = richtext.MaxPreview
	bodyLength     = 32768
	reasonLength   = 80
	nameLength     = 120
	memberLength   = domain.MaxMemberID
	categoryLength = mailroom.MaxCategory
	taskSubject    = 255
)

// column is a field of InMail__c that the connector writes.
type column struct {
	name  string
	value func(p *domain.Push) any // as the org is sent it; nil empties the field
	// from is the first policy crm_text with which the value leaves: preview or full; empty: with every policy, for it
	// holds no words of the InMail.
	from domain.CRMText
}

// leaves says whether a column's value may go to the org under a policy.
func (c column) leaves(policy domain.CRMText) bool {
	switch c.from {
	case domain.CRMTextPreview:
		return policy != domain.CRMTextNone
	case domain.CRMTextFull:
		return policy == domain.CRMTextFull
	}
	return true
}

// columns are the fields of InMail__c that say what an InMail is. Pushes, the sheets of a backfill and both sides
// of a reconcile are made from this list and from parentColumns; the tests hold the package's fields against the two.
var columns = []column{
	{name: inMailKey, value: func(p *domain.Push) any { return string(p.InMail.ID) }},
	{name: "Status__c", value: func(p *domain.Push) any { return statusNames[p.InMail.Status] }},
	{name: "Status_Sequence__c", value: func(p *domain.Push) any { return p.InMail.Seq }},
	{name: "Subject__c", from: domain.CRMTextPreview,
		value: func(p *domain.Push) any { return orNull(p.InMail.Subject, subjectLength) }},
	{name: "Preview__c", from: domain.CRMTextPreview,
		value: func(p *domain.Push) any { return orNull(p.InMail.Preview, previewLength) }},
	{name: "Body__c", from: domain.CRMTextFull,
		value: func(p *domain.Push) any { return orNull(p.InMail.Body, bodyLength) }},
	{name: "Refused_Reason__c", value: func(p *domain.Push) any { return orNull(string(p.InMail.Reason), reasonLength) }},
	{name: "Replies__c", value: func(p *domain.Push) any { return p.InMail.Replies }},
	{name: "Tags__c", value: func(p *domain.Push) any { return orNull(tags(p.InMail.Tags), 0) }},
	{name: "Category__c", value: func(p *domain.Push) any { return orNull(p.InMail.Category, categoryLength) }},
	{name: "Sender_Member__c", value: func(p *domain.Push) any { return member(p.InMail.Sender) }},
	{name: "Sender_Name__c", value: func(p *domain.Push) any { return nameOf(p.InMail.Sender, p.SenderName) }},
	{name: "Recipient_Member__c", value: func(p *domain.Push) any { return member(p.InMail.Recipient) }},
	{name: "Recipient_Name__c", value: func(p *domain.Push) any { return nameOf(p.InMail.Recipient, p.RecipientName) }},
	{name: "Sent_At__c", value: func(p *domain.Push) any { return datetime(p.InMail.SentAt) }},
	{name: "Expires_At__c", value: func(p *domain.Push) any { return datetime(p.InMail.ExpiresAt) }},
	{name: "Opened_At__c", value: func(p *domain.Push) any { return datetime(p.InMail.OpenedAt) }},
	{name: "Replied_At__c", value: func(p *domain.Push) any { return datetime(repliedAt(&p.InMail)) }},
	{name: "Expired_At__c", value: func(p *domain.Push) any { return endedAs(p, domain.Expired) }},
	{name: "Retracted_At__c", value: func(p *domain.Push) any { return endedAs(p, domain.Retracted) }},
	{name: "Open_Rate_Cohort__c", value: func(p *domain.Push) any { return cohortOf(p.InMail.SentAt) }},
}

// parentColumns are the fields of InMail__c that say what an InMail hangs on. They are written only when that changes.
var parentColumns = []struct {
	name  string
	value func(at parents) any
}{
	{"Match__c", func(at parents) any { return orNull(string(at.Match), 0) }},
	{"Lead__c", func(at parents) any { return orNull(at.LeadID, 0) }},
	{"Contact__c", func(at parents) any { return orNull(at.ContactID, 0) }},
	{"Account__c", func(at parents) any { return orNull(at.AccountID, 0) }},
}

// columnNames are the names of the fields of InMail__c that are written: of the columns those that keep wants (nil:
// all), and of the parents.
func columnNames(keep func(column) bool) (names []string) {
	for _, c := range columns {
		if keep == nil || keep(c) {
			names = append(names, c.name)
		}
	}
	for _, c := range parentColumns {
		names = append(names, c.name)
	}
	return names
}

// fieldsOf maps an InMail to its record, but for its parents. What is empty is sent as null: what people changed there
// is overwritten, and what was erased goes (R60). Never an e-mail address (R01).
func fieldsOf(p *domain.Push, policy domain.CRMText) map[string]any {
	row := make(map[string]any, len(columns)+len(parentColumns))
	for _, c := range columns {
		row[c.name] = nil
		if c.leaves(policy) {
			row[c.name] = c.value(p)
		}
	}
	return row
}

// setParents puts what an InMail hangs on into its record.
func setParents(row map[string]any, at parents) {
	for _, c := range parentColumns {
		row[c.name] = c.value(at)
	}
}

// nameOf is a member's name; of an erased one null (R60).
func nameOf(id domain.MemberID, name string) any {
	if id == domain.Erased {
		return nil
	}
	return orNull(withoutAddress(name), nameLength)
}

// endedAs is when an InMail ended, where it ended in that status; else null.
func endedAs(p *domain.Push, status domain.Status) any {
	if p.InMail.Status != status {
		return nil
	}
	return datetime(p.InMail.EndedAt)
}

// cohortOf is the week of T0 (R57); null while the InMail is not sent.
func cohortOf(sentAt time.Time) any {
	if sentAt.IsZero() {
		return nil
	}
	return string(domain.CohortOf(sentAt))
}

// repliedAt is the first reply's time for an org that keeps whole seconds, cut off: a part of a second later, where the reply came
// later in its second than T0 in its own, so that what the org computes between the two is never less than it was. A reply
// is within so many days there when it is here, to the millisecond (R58, R59).
func repliedAt(m *domain.InMail) time.Time {
	sent, replied := m.SentAt.Truncate(time.Second), m.RepliedAt.Truncate(time.Second)
	if m.RepliedAt.Sub(m.SentAt) > replied.Sub(sent) {
		return replied.Add(time.Second)
	}
	return m.RepliedAt
}

// datetime is how the org takes times; one that has not come is null.
func datetime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// orNull is a text as the org may store it, cut to a length (0: any), or null.
func orNull(text string, length int) any {
	if text = clean(text); text == "" {
		return nil
	}
	if length > 0 {
		text = cut(text, length)
	}
	return text
}

// clean takes out what the org refuses: characters that no XML document may hold, and bytes that are no UTF-8. It also
// parts "@{": inside a Composite call that would begin a reference to another step's answer.
func clean(text string) string {
	text = strings.ToValidUTF8(text, "")
	text = strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\n' && r != '\t' && r != '\r' || r == 0xFFFE || r == 0xFFFF || r == 0xFFFD {
			return -1
		}
		return r
	}, text)
	for strings.Contains(text, "@{") {
		text = strings.ReplaceAll(text, "@{", "@ {")
	}
	return strings.TrimSpace(text)
}

// cut shortens a text to so many UTF-16 units, which is the stricter way in which an org may count, and marks that it did.
func cut(text string, length int) string {
	units, last := 0, 0
	for i, r := range text {
		size := 1
		if r > 0xFFFF {
			size = 2
		}
		if units+size > length {
			return strings.TrimRight(text[:last], " \t\r\n") + "…"
		}
		if units += size; units <= length-1 {
			last = i + len(string(r))
		}
	}
	return text
}

// member is a member's id; of an erased one null (R60).
func member(id domain.MemberID) any {
	if id == domain.Erased {
		return nil
	}
	return orNull(string(id), memberLength)
}

// tags joins tags as a multi-select picklist has them. A semicolon in a tag would part it, so it becomes a comma.
func tags(list []string) string {
	var kept []string
	for _, t := range list {
		if t = strings.ReplaceAll(clean(t), ";", ","); t != "" && !slices.Contains(kept, t) {
			kept = append(kept, t)
		}
	}
	return strings.Join(kept, ";")
}

var addressForm = regexp.MustCompile(`[^\s<>()"',;:]+@[^\s<>()"',;:]+`)

// withoutAddress cuts out what looks like an e-mail address: some people's name is theirs (R01).
func withoutAddress(name string) string {
	return strings.TrimSpace(addressForm.ReplaceAllString(name, ""))
}

// The two events that are logged as Tasks.
const (
	sentEvent    = "sent"
	repliedEvent = "replied"
)

// What a Task says without any text of the InMail.
const (
	sentSubject    = "InMail sent"
	repliedSubject = "InMail replied to"
)

// eventID is the key of a Task: one event is logged once.
func eventID(id domain.ID, event string) string { return string(id) + ":" + event }

// taskOf maps an event of an InMail to its Task, already completed: an open, dated Task locks its Account, a completed one
// nothing (SALESFORCE.md 2.6). A Lead's Task may have no WhatId. owner is empty for the integration user.
func taskOf(p *domain.Push, at parents, event string, policy domain.CRMText, taskType, owner string) map[string]any {
	m := &p.InMail
	when, subject := m.SentAt, sentSubject
	if event == repliedEvent {
		when, subject = m.RepliedAt, repliedSubject
	}
	row := map[string]any{
		taskKey:        eventID(m.ID, event),
		"Status":       "Completed",
		"ActivityDate": when.UTC().Format(time.DateOnly),
	}
	if policy != domain.CRMTextNone {
		if text := clean(m.Subject); text != "" {
			subject += ": " + text
		}
		if preview := orNull(m.Preview, previewLength); preview != nil && event == sentEvent {
			row["Description"] = preview
		}
	}
	row["Subject"] = cut(subject, taskSubject)
	if at.ContactID != "" {
		row["WhoId"] = at.ContactID
		if at.AccountID != "" {
			row["WhatId"] = at.AccountID
		}
	} else {
		row["WhoId"] = at.LeadID
	}
	if taskType != "" {
		row["Type"] = taskType
	}
	if owner != "" {
		row["OwnerId"] = owner
	}
	return row
}
