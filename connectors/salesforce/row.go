package salesforce

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"inmail/domain"
)

// The objects and keys that rows go to.
const (
	inMailObject = "InMail__c"
	inMailKey    = "InMail_Id__c"
	taskObject   = "Task"
	taskKey      = "InMail_Event_Id__c"
)

// statusNames are the values of Status__c.
var statusNames = map[domain.Status]string{
	domain.Queued: "Queued", domain.Sent: "Sent", domain.Opened: "Opened", domain.Replied: "Replied",
	domain.Expired: "Expired", domain.Retracted: "Retracted", domain.Refused: "Refused", domain.Failed: "Failed",
}

// Lengths of fields, in UTF-16 units, as the package makes them.
const (
	subjectLength  = 200
	previewLength  = 140
	bodyLength     = 32768
	reasonLength   = 80
	nameLength     = 120
	memberLength   = 64
	categoryLength = 40
	taskSubject    = 255
)

// fieldsOf maps an InMail to its record, but for its parents. What is empty is sent as null: what people changed there
// is overwritten, and what was erased goes (R60). Never an e-mail address (R01).
func fieldsOf(p *domain.Push, policy domain.CRMText) map[string]any {
	m := &p.InMail
	row := map[string]any{
		inMailKey:             string(m.ID),
		"Status__c":           statusNames[m.Status],
		"Status_Sequence__c":  m.Seq,
		"Subject__c":          nil,
		"Preview__c":          nil,
		"Body__c":             nil,
		"Refused_Reason__c":   orNull(string(m.Reason), reasonLength),
		"Replies__c":          m.Replies,
		"Tags__c":             orNull(tags(m.Tags), 0),
		"Category__c":         orNull(m.Category, categoryLength),
		"Sender_Member__c":    member(m.Sender),
		"Sender_Name__c":      nil,
		"Recipient_Member__c": member(m.Recipient),
		"Recipient_Name__c":   nil,
	}
	if m.Sender != domain.Erased {
		row["Sender_Name__c"] = orNull(withoutAddress(p.SenderName), nameLength)
	}
	if m.Recipient != domain.Erased {
		row["Recipient_Name__c"] = orNull(withoutAddress(p.RecipientName), nameLength)
	}
	if policy != domain.CRMTextNone {
		row["Subject__c"] = orNull(m.Subject, subjectLength)
		row["Preview__c"] = orNull(m.Preview, previewLength)
	}
	if policy == domain.CRMTextFull {
		row["Body__c"] = orNull(m.Body, bodyLength)
	}
	var expired, retracted time.Time
	switch m.Status {
	case domain.Expired:
		expired = m.EndedAt
	case domain.Retracted:
		retracted = m.EndedAt
	}
	for name, at := range map[string]time.Time{"Sent_At__c": m.SentAt, "Expires_At__c": m.ExpiresAt, "Opened_At__c": m.OpenedAt,
		"Replied_At__c": repliedAt(m), "Expired_At__c": expired, "Retracted_At__c": retracted} {
		row[name] = datetime(at)
	}
	row["Open_Rate_Cohort__c"] = nil
	if !m.SentAt.IsZero() {
		row["Open_Rate_Cohort__c"] = string(domain.CohortOf(m.SentAt))
	}
	return row
}

// setParents puts what an InMail hangs on into its record.
func setParents(row map[string]any, at parents) {
	row["Match__c"] = orNull(string(at.Match), 0)
	row["Lead__c"] = orNull(at.LeadID, 0)
	row["Contact__c"] = orNull(at.ContactID, 0)
	row["Account__c"] = orNull(at.AccountID, 0)
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
