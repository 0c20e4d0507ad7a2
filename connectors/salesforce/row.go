package salesforce

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/richtext"
)

// These are the objects to which rows are written, and their keys.
const (
	inMailObject = "InMail__c"
	inMailKey    = "InMail_Id__c"
	taskObject   = "Task"
	taskKey      = "InMail_Event_Id__c"
)

// statusNames are the values of Status__c: the statuses, each with a capital letter.
var statusNames = func() map[domain.Status]string {
	names := map[domain.Status]string{}
	for _, status := range domain.Statuses() {
		names[status] = strings.ToUpper(string(status[:1])) + string(status[1:])
	}
	return names
}()

// These are the lengths of fields in UTF-16 units, as the package defines them. Where a rule bounds the text,
// its constant is taken.
const (
	subjectLength    = domain.MaxSubject
	previewLength    = richtext.MaxPreview
	bodyLength       = 32768
	reasonLength     = 80
	nameLength       = 120
	memberLength     = domain.MaxMemberID
	categoryLength   = mailroom.MaxCategory
	taskSubject      = 255
	linkLength       = 255
	personLength     = 255
	candidatesLength = 4000
	candidates       = 20 // of an ambiguous match, at most so many are named
)

// These fields say who a record belongs to. OwnerId is written apart from the columns, because people may
// give a record to another owner in the org.
const (
	ownerColumn = "OwnerId"
	userColumn  = "Sender_User__c"
)

// about is an InMail with what the columns say of it.
type about struct {
	*domain.Push
	text domain.CRMText // the policy crm_text
	user string         // the User who stands for the sender; empty: none
	// campaign is the Campaign of the first tag that has one; empty: none.
	campaign string
	// open says that nobody is certain to be the recipient, so a person has to find them.
	open  bool
	pages pages
}

// about returns what the columns say of an InMail with its parents in its link.
func (c *Connector) about(p *domain.Push) about {
	is := about{Push: p, text: c.text, user: c.senderUser(p.InMail.Sender), pages: c.pages}
	if of := c.campaignsOf(&p.InMail); of != nil {
		is.campaign = of[0]
	}
	return is.under(parentsOf(p.Link))
}

// under returns what the columns say of an InMail with other parents.
func (p about) under(at parents) about {
	p.open = (at.Match == domain.Unmatched || at.Match == domain.Ambiguous) && p.InMail.Recipient != domain.Erased
	return p
}

// pages are the addresses to which records and Tasks lead: ours, those of members' profiles, and the org.
type pages struct{ address, profiles, org string }

// record returns the address of an InMail's record in the org; null before the org has it.
func (p about) record() any {
	if p.Link.RecordID == "" || p.pages.org == "" {
		return nil
	}
	return p.pages.org + "/" + p.Link.RecordID
}

// link returns the address of the page of an InMail, for its sender; null where there is none.
func (p about) link() any {
	if p.pages.address == "" || p.InMail.Sender == domain.Erased {
		return nil
	}
	return orNull(p.pages.address+"/sent/"+string(p.InMail.ID), linkLength)
}

// profile returns the address at which a recipient is found whom matching did not find; else null.
func (p about) profile() any {
	member := url.QueryEscape(string(p.InMail.Recipient))
	switch {
	case !p.open:
		return nil
	case p.pages.profiles != "":
		return orNull(strings.ReplaceAll(p.pages.profiles, "{member}", member), linkLength)
	case p.pages.address != "":
		return orNull(p.pages.address+"/new?to="+member, linkLength)
	}
	return nil
}

// ifOpen returns a line about a recipient whom matching did not find, without e-mail addresses (R01); else
// null.
func (p about) ifOpen(line string) any {
	if !p.open {
		return nil
	}
	return lineOrNull(withoutAddress(line), personLength)
}

// answer returns what the recipient wrote last: its first line, or all of it where whole texts leave.
func (p about) answer() any {
	if p.text == domain.CRMTextFull {
		return orNull(p.Answer, bodyLength)
	}
	return lineOrNull(richtext.Parse(p.Answer).Preview(richtext.MaxPreview), previewLength)
}

// column is a field of InMail__c that the connector writes.
type column struct {
	name  string
	value func(p about) any // the value to send; nil empties the field
	// from is the first policy crm_text that lets the value leave: preview or full. It is empty for a value
	// without words of the InMail, which leaves with every policy.
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

// columns are the fields of InMail__c that describe an InMail. Pushes, the sheets of a backfill and both
// sides of a reconcile are made from this list and from parentColumns. Tests compare the two lists with the
// package's fields.
var columns = []column{
	{name: inMailKey, value: func(p about) any { return string(p.InMail.ID) }},
	{name: "Status__c", value: func(p about) any { return statusNames[p.InMail.Status] }},
	{name: "Status_Sequence__c", value: func(p about) any { return p.InMail.Seq }},
	{name: "Subject__c", from: domain.CRMTextPreview,
		value: func(p about) any { return lineOrNull(p.InMail.Subject, subjectLength) }},
	{name: "Preview__c", from: domain.CRMTextPreview,
		value: func(p about) any { return lineOrNull(p.InMail.Preview, previewLength) }},
	{name: "Body__c", from: domain.CRMTextFull,
		value: func(p about) any { return orNull(p.InMail.Body, bodyLength) }},
	{name: "Refused_Reason__c",
		value: func(p about) any { return orNull(string(p.InMail.Reason), reasonLength) }},
	{name: "Replies__c", value: func(p about) any { return p.InMail.Replies }},
	{name: "Tags__c", value: func(p about) any { return orNull(tags(p.InMail.Tags), 0) }},
	{name: "Category__c", value: func(p about) any { return lineOrNull(p.InMail.Category, categoryLength) }},
	{name: "Sender_Member__c", value: func(p about) any { return member(p.InMail.Sender) }},
	{name: "Sender_Name__c", value: func(p about) any { return nameOf(p.InMail.Sender, p.SenderName) }},
	{name: "Recipient_Member__c", value: func(p about) any { return member(p.InMail.Recipient) }},
	{name: "Recipient_Name__c", value: func(p about) any { return nameOf(p.InMail.Recipient, p.RecipientName) }},
	{name: "Sent_At__c", value: func(p about) any { return datetime(p.InMail.SentAt) }},
	{name: "Expires_At__c", value: func(p about) any { return datetime(p.InMail.ExpiresAt) }},
	{name: "Opened_At__c", value: func(p about) any { return datetime(p.InMail.OpenedAt) }},
	{name: "Replied_At__c", value: func(p about) any { return datetime(repliedAt(&p.InMail)) }},
	{name: "Declined_At__c", value: func(p about) any { return datetime(p.InMail.DeclinedAt) }},
	{name: "Expired_At__c", value: func(p about) any { return endedAs(p, domain.Expired) }},
	{name: "Retracted_At__c", value: func(p about) any { return endedAs(p, domain.Retracted) }},
	{name: userColumn, value: func(p about) any { return orNull(p.user, 0) }},
	{name: "Link__c", value: about.link},
	{name: "Answer__c", from: domain.CRMTextPreview, value: about.answer},
	{name: "Company__c", value: func(p about) any { return p.ifOpen(p.Company) }},
	{name: "Headline__c", value: func(p about) any { return p.ifOpen(p.Headline) }},
	{name: "Profile_Link__c", value: about.profile},
	{name: "Open_Rate_Cohort__c", value: func(p about) any { return cohortOf(p.InMail.SentAt) }},
	{name: campaignColumn, value: func(p about) any { return orNull(p.campaign, 0) }},
	{name: "Cohort_Monday__c", value: func(p about) any { return mondayOf(p.InMail.SentAt) }},
}

// parentColumns are the fields of InMail__c that refer to the parents. They are written only when the parents
// change.
var parentColumns = []struct {
	name  string
	value func(at parents) any
}{
	{"Match__c", func(at parents) any { return orNull(string(at.Match), 0) }},
	{"Lead__c", func(at parents) any { return orNull(at.LeadID, 0) }},
	{"Contact__c", func(at parents) any { return orNull(at.ContactID, 0) }},
	{"Account__c", func(at parents) any { return orNull(at.AccountID, 0) }},
	{candidatesColumn, func(at parents) any { return orNull(at.named(), candidatesLength) }},
}

// candidatesColumn names those among whom an ambiguous match could not decide.
const candidatesColumn = "Candidates__c"

// columnNames returns the names of the written fields of InMail__c: the columns that keep accepts (nil: all),
// and the parents.
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

// fields returns the record of an InMail without its parents. An empty value is sent as null, so that
// changes which people made in the org are overwritten and erased values are removed (R60). The record never
// has an e-mail address (R01).
func (p about) fields() map[string]any {
	row := make(map[string]any, len(columns)+len(parentColumns)+1)
	for _, c := range columns {
		row[c.name] = nil
		if c.leaves(p.text) {
			row[c.name] = c.value(p)
		}
	}
	return row
}

// setParents writes an InMail's parents into its record.
func setParents(row map[string]any, at parents) {
	for _, c := range parentColumns {
		row[c.name] = c.value(at)
	}
}

// nameOf returns a member's name, and null for an erased member (R60).
func nameOf(id domain.MemberID, name string) any {
	if id == domain.Erased {
		return nil
	}
	return lineOrNull(withoutAddress(name), nameLength)
}

// endedAs returns when an InMail ended in a status, and null when it did not end in that status.
func endedAs(p about, status domain.Status) any {
	if p.InMail.Status != status {
		return nil
	}
	return datetime(p.InMail.EndedAt)
}

// mondayOf returns the first day of the week of T0 (R57), and null while the InMail is not sent.
func mondayOf(sentAt time.Time) any {
	if sentAt.IsZero() {
		return nil
	}
	day := sentAt.UTC()
	return day.AddDate(0, 0, -(int(day.Weekday())+6)%7).Format(time.DateOnly)
}

// cohortOf returns the week of T0 (R57), and null while the InMail is not sent.
func cohortOf(sentAt time.Time) any {
	if sentAt.IsZero() {
		return nil
	}
	return string(domain.CohortOf(sentAt))
}

// repliedAt returns the first reply's time for an org, which cuts off the fraction of a second. The time is a
// second later where cutting would make the time between T0 and the reply shorter than it was. So a reply is
// within a number of days in the org exactly when it is here, to the millisecond (R58, R59).
func repliedAt(m *domain.InMail) time.Time {
	sent, replied := m.SentAt.Truncate(time.Second), m.RepliedAt.Truncate(time.Second)
	if m.RepliedAt.Sub(m.SentAt) > replied.Sub(sent) {
		return replied.Add(time.Second)
	}
	return m.RepliedAt
}

// datetime returns a time in the org's format, and null for the zero time.
func datetime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// orNull returns a text that the org may store, cut to a length (0: no limit), and null for an empty text.
func orNull(text string, length int) any {
	if text = clean(text); text == "" {
		return nil
	}
	if length > 0 {
		text = cut(text, length)
	}
	// A value is the same by a bulk job and by a push.
	return cmp.Or(plainNull(text), text)
}

// lineOrNull returns a text of one line like orNull, without what turns or hides what follows (F38).
func lineOrNull(text string, length int) any { return orNull(richtext.Line(text), length) }

// clean removes what the org refuses: characters that XML forbids and bytes that are not UTF-8. It also
// splits "@{", which begins a reference to another step's answer in a Composite call.
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

// cut shortens a text to length UTF-16 units and marks a cut with "…". Of the ways in which an org may count,
// UTF-16 units are the strictest.
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

// member returns a member's id, and null for an erased member (R60).
func member(id domain.MemberID) any {
	if id == domain.Erased {
		return nil
	}
	return orNull(string(id), memberLength)
}

// tags joins tags into the value of a multi-select picklist. A semicolon in a tag would separate values, so
// it becomes a comma.
func tags(list []string) string {
	var kept []string
	for _, t := range list {
		if t = strings.ReplaceAll(clean(richtext.Line(t)), ";", ","); t != "" && !slices.Contains(kept, t) {
			kept = append(kept, t)
		}
	}
	return strings.Join(kept, ";")
}

var addressForm = regexp.MustCompile(`[^\s<>()"',;:]+@[^\s<>()"',;:]+`)

// withoutAddress removes what looks like an e-mail address from a name, because some people use theirs as a
// name (R01).
func withoutAddress(name string) string {
	return strings.TrimSpace(addressForm.ReplaceAllString(name, ""))
}

// These are the two events that are logged as Tasks.
const (
	sentEvent    = "sent"
	repliedEvent = "replied"
)

// These are the subjects of Tasks that have no text of the InMail.
const (
	sentSubject    = "InMail sent"
	repliedSubject = "InMail replied to"
)

// plainTask returns the fields of a Task that may have texts of an InMail, without any.
func plainTask(event string) map[string]any {
	subject := sentSubject
	if event == repliedEvent {
		subject = repliedSubject
	}
	return map[string]any{"Subject": subject, "Description": nil}
}

// isPlain says that a Task with these fields has no text of an InMail.
func isPlain(event string, subject, description any) bool {
	plain := plainTask(event)
	return subject == plain["Subject"] && description == plain["Description"]
}

// eventOf returns the event of a Task's key.
func eventOf(key string) string { return key[strings.LastIndex(key, ":")+1:] }

// eventID returns the key of a Task, by which an event is logged once.
func eventID(id domain.ID, event string) string { return string(id) + ":" + event }

// taskText returns the description of a Task: who wrote to whom, the first line of what they wrote, and where
// to read on: the page of the InMail, and its record, which the Task of a sending mostly comes along with.
// Names have no address in them (R01).
func taskText(p about, event string) string {
	from, to, text := nameOf(p.InMail.Sender, p.SenderName), nameOf(p.InMail.Recipient, p.RecipientName), p.InMail.Preview
	if event == repliedEvent {
		from, to, text = to, from, richtext.Parse(p.Answer).Preview(richtext.MaxPreview)
	}
	var lines []string
	if from != nil && to != nil {
		lines = append(lines, fmt.Sprintf("%s to %s", from, to))
	}
	for _, line := range []any{lineOrNull(text, previewLength), p.link(), p.record()} {
		if line != nil {
			lines = append(lines, line.(string))
		}
	}
	return strings.Join(lines, "\n")
}

// taskOf returns the Task of an event of an InMail. The Task is completed from the start, because an open,
// dated Task locks its Account and a completed one locks nothing (SALESFORCE.md 2.6). A Lead's Task may have
// no WhatId. An empty owner leaves the Task to the integration user. Its day is that of the event in the
// zone.
func taskOf(
	p about, at parents, event string, how Config, owner string, zone *time.Location,
) map[string]any {
	m := &p.InMail
	when, subject := m.SentAt, sentSubject
	if event == repliedEvent {
		when, subject = m.RepliedAt, repliedSubject
	}
	row := map[string]any{
		taskKey:        eventID(m.ID, event),
		"Status":       how.TaskStatus,
		"ActivityDate": when.In(zone).Format(time.DateOnly),
	}
	if p.text != domain.CRMTextNone {
		if text := clean(richtext.Line(m.Subject)); text != "" {
			subject += ": " + text
		}
		if text := taskText(p, event); text != "" {
			row["Description"] = text
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
	if how.TaskType != "" {
		row["Type"] = how.TaskType
	}
	if owner != "" {
		row["OwnerId"] = owner
	}
	return row
}
