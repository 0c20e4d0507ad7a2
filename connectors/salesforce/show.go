package salesforce

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// showRows is how many activities and InMails of a record are shown, the newest ones.
const showRows = 50

// shown says how a Lead, Contact or Account is shown: the fields beside its name, and where its activities
// and InMails refer to it.
type shown struct {
	object, prefix string
	fields         []shownField
	activity       string // the field of Task
	related        string // the field of InMail__c
}

// shownField is a field with its label. A path, such as Account.Name, leads over a lookup.
type shownField struct{ path, label string }

// shownObjects are the pages by the name of the id.
var shownObjects = map[string]shown{
	leadID: {leadObject, leadPrefix, append([]shownField{{"Company", "Company"}, {"Status", "Lead Status"}, {"Owner.Name", "Owner"}},
		personFields...), "WhoId", "Lead__c"},
	contactID: {contactObject, contactPrefix, append([]shownField{{"Account.Name", "Account"}, {"Owner.Name", "Owner"}},
		personFields...), "WhoId", "Contact__c"},
	accountID: {"Account", accountPrefix, []shownField{{"Owner.Name", "Owner"}}, "AccountId", "Account__c"},
}

// personFields are the fields of InMail on Lead and Contact with their labels.
var personFields = []shownField{{"InMail_Last_At__c", "Last InMail"}, {"InMail_Last_Status__c", "Last InMail Status"},
	{"InMails_Sent__c", "InMails Sent"}, {"InMail_Answered_At__c", "Last InMail Answer"}, {"InMail_Member_Id__c", "InMail Member ID"}}

var _ mailroom.Shower = (*Connector)(nil)

// Show returns a Lead, Contact or Account as its page shows it. The org is asked once. there is false when it
// has no such record.
func (c *Connector) Show(ctx context.Context, kind, id string) (page mailroom.CRMPage, there bool, err error) {
	if !c.Configured() {
		return page, false, mailroom.ErrNotConfigured
	}
	as, known := shownObjects[kind]
	full, ok := canonicalID(id, as.prefix)
	if !known || !ok {
		return page, false, domain.Refuse(domain.BadRequest, "%s is no id of a %s; such an id begins with %s and has 15 or 18 letters and digits",
			kind, cmp.Or(as.object, "record"), as.prefix)
	}
	page.Object = as.object
	paths := make([]string, len(as.fields))
	for i, f := range as.fields {
		paths[i] = f.path
	}
	ask := func(soql string, read func(orgRow)) *query {
		return &query{n: 1, soql: func([]int) string { return soql }, read: func(record []byte) error {
			var r orgRow
			err := json.Unmarshal(record, &r)
			if err == nil {
				read(r)
			}
			return err
		}}
	}
	err = c.ask(ctx,
		ask(fmt.Sprintf("SELECT Id, Name, %s FROM %s WHERE Id = %s", strings.Join(paths, ", "), as.object, quote(full)), func(r orgRow) {
			there, page.Record, page.Name = true, r.text("Id"), r.text("Name")
			for _, f := range as.fields {
				page.Fields = append(page.Fields, mailroom.CRMField{Name: f.path, Label: f.label, Value: r.path(f.path)})
			}
		}),
		ask(fmt.Sprintf("SELECT Id, ActivityDate, Status, Subject, Description, Owner.Name FROM Task WHERE %s = %s "+
			"ORDER BY ActivityDate DESC, Id DESC LIMIT %d", as.activity, quote(full), showRows), func(r orgRow) {
			page.Activities = append(page.Activities, mailroom.CRMActivity{Record: r.text("Id"), Day: r.text("ActivityDate"),
				Status: r.text("Status"), Subject: r.text("Subject"), Text: r.text("Description"), Owner: r.path("Owner.Name")})
		}),
		ask(fmt.Sprintf("SELECT Id, Name, InMail_Id__c, Subject__c, Sender_Name__c, Sender_User__r.Name, Owner.Name, Status__c, Sent_At__c, "+
			"Expires_At__c, Opened_At__c, Replied_At__c, Answer__c, Link__c FROM InMail__c WHERE %s = %s ORDER BY Sent_At__c DESC, Id DESC LIMIT %d",
			as.related, quote(full), showRows), func(r orgRow) {
			page.InMails = append(page.InMails, mailroom.CRMInMail{Record: r.text("Id"), Number: r.text("Name"), InMail: domain.ID(r.text(inMailKey)),
				Subject: r.text("Subject__c"), Sender: r.text("Sender_Name__c"), User: r.path("Sender_User__r.Name"), Owner: r.path("Owner.Name"),
				Status: r.text("Status__c"), SentAt: r.time("Sent_At__c"), ExpiresAt: r.time("Expires_At__c"), OpenedAt: r.time("Opened_At__c"),
				RepliedAt: r.time("Replied_At__c"), Answer: r.text("Answer__c"), Link: r.text("Link__c")})
		}))
	if err != nil {
		c.log.WarnContext(ctx, "the org does not show a record", "object", as.object, "answer", asFault(err).Detail())
		return page, false, fmt.Errorf("show a record of Salesforce: %w", err)
	}
	return page, there, nil
}

// orgTime is the form of times in the org's answers.
const orgTime = "2006-01-02T15:04:05.000-0700"

// time returns a time of the record in UTC; the zero time when it has none.
func (r orgRow) time(name string) time.Time {
	at, err := time.Parse(orgTime, r.text(name))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

// path returns a value over lookups as text. Times are in UTC, and numbers have no point.
func (r orgRow) path(path string) string {
	name, rest, deeper := strings.Cut(path, ".")
	if deeper {
		next, _ := r[name].(map[string]any)
		return orgRow(next).path(rest)
	}
	switch v := r[name].(type) {
	case string:
		if at := r.time(name); !at.IsZero() {
			return at.Format(time.RFC3339)
		}
		return v
	case float64:
		return fmt.Sprintf("%.0f", v)
	case bool:
		return fmt.Sprint(v)
	}
	return ""
}
