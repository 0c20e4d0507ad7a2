package salesforce

import (
	"strings"
	"testing"

	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// TestShow checks that a Lead, a Contact and an Account are shown with their fields, Tasks and InMails, in
// one call each, and without e-mail addresses (R01).
func TestShow(t *testing.T) {
	o := newOrg(t, finding, reps(sandbox.User{Username: "sally@crm.example", Federation: "sally", FirstName: "Sally", LastName: "Rep"}),
		func(_ *sandbox.Options, _ *Config, d *Deps) { d.Address = "https://inmail.example" })
	account := o.make("Account", sandbox.Fields{"Name": "Acme"})
	contact := o.contact(sandbox.Fields{"InMail_Member_Id__c": "kim", "AccountId": account, "FirstName": "Kim", "Email": "kim@example.com"})
	lead := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin", "Email": "robin@example.com"})
	answered := sent(1, "robin")
	apply(&answered.InMail, domain.EventReply, testNow)
	answered.Answer = "Yes, *please*"
	o.push(reached(sent(0, "kim")), reached(answered))
	show := func(kind, id string) mailroom.CRMPage {
		t.Helper()
		var page mailroom.CRMPage
		var there bool
		var err error
		if calls := o.calls(func() { page, there, err = o.crm.Show(t.Context(), kind, id) }); err != nil || !there || calls != 1 {
			t.Fatalf("%s: %v, there %v, %d calls", kind, err, there, calls)
		}
		return page
	}
	page := show(leadID, lead[:15])
	fields := map[string]string{}
	for _, f := range page.Fields {
		fields[f.Label] = f.Value
		if strings.Contains(f.Value, "@") {
			t.Errorf("%s is %q", f.Label, f.Value)
		}
	}
	if page.Object != "Lead" || page.Record != lead || fields["Company"] != "Acme" || fields["InMails Sent"] != "1" ||
		fields["Last InMail Status"] != "Replied" || fields["Last InMail Answer"] != "2026-11-23T09:00:00Z" {
		t.Errorf("%+v", page)
	}
	if len(page.Activities) != 2 || page.Activities[0].Owner != "Sally Rep" || !strings.Contains(page.Activities[1].Text, "Sally Sender") &&
		!strings.Contains(page.Activities[0].Text, "Sally Sender") {
		t.Errorf("%+v", page.Activities)
	}
	if len(page.InMails) != 1 {
		t.Fatalf("%+v", page.InMails)
	}
	m := page.InMails[0]
	if m.Sender != "Sally Sender" || m.User != "Sally Rep" || m.Owner != "Sally Rep" || m.Status != "Replied" || m.Answer != "Yes, please" ||
		m.Link != "https://inmail.example/sent/"+string(answered.InMail.ID) || m.ExpiresAt.IsZero() || !m.RepliedAt.Equal(testNow) {
		t.Errorf("%+v", m)
	}
	if page := show(contactID, contact); page.Name != "Kim Contact" || len(page.InMails) != 1 || len(page.Activities) != 1 || page.Fields[0].Value != "Acme" {
		t.Errorf("%+v", page)
	}
	if page := show(accountID, account); page.Name != "Acme" || len(page.InMails) != 1 || len(page.Activities) != 1 {
		t.Errorf("%+v", page)
	}
	if _, there, err := o.crm.Show(t.Context(), leadID, "00Q000000000009"); there || err != nil {
		t.Errorf("a Lead that is not there: %v, %v", there, err)
	}
	for kind, id := range map[string]string{leadID: contact, contactID: "nonsense", "deal_id": lead} {
		if _, _, err := o.crm.Show(t.Context(), kind, id); err == nil || !strings.Contains(err.Error(), kind) {
			t.Errorf("%s %s: %v", kind, id, err)
		}
	}
}

// TestPrivateDefault checks that the sync works in an org where everything is private: the rep owns the
// record, the team's others do not see it, and the integration user keeps it true. The fields of a Lead that
// is not shared with the integration user are a failure of their own.
func TestPrivateDefault(t *testing.T) {
	rep := func(name, role string) sandbox.User {
		return sandbox.User{Username: name + "@crm.example", Federation: name, FirstName: name, Password: "pass", Standard: true, Role: role}
	}
	o := newOrg(t, finding, reps(rep("sally", "CEO/Sales/West"), rep("peter", "CEO/Sales/East"), rep("boss", "CEO/Sales")))
	for _, object := range []string{inMailObject, taskObject, leadObject, contactObject} {
		if err := o.ShareByDefault(object, sandbox.Private); err != nil {
			t.Fatal(err)
		}
	}
	sally, peter := o.userNamed("sally@crm.example"), o.userNamed("peter@crm.example")
	mine := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin", "OwnerId": sally})
	ours := o.lead(sandbox.Fields{"InMail_Member_Id__c": "kim", "OwnerId": o.userNamed(testUsername)})
	p, his := reached(sent(0, "robin")), reached(sent(1, "kim"))
	his.InMail.Sender = "peter"
	answers := o.push(p, his)
	if f := answers[0].Link.Failures; len(f) != 1 || f[personPart].Class != domain.BadData || f[personPart].Object != leadObject ||
		answers[1].Class != domain.Taken || o.figuresOf(ours)[1] != "Sent" || o.figuresOf(mine)[1] != nil {
		t.Errorf("%+v", answers)
	}
	p = o.event(p, answers[0], domain.EventReply)
	if a := o.push(p)[0]; a.Link.PushedSeq != p.InMail.Seq || o.inmails()[p.InMail.ID]["Status__c"] != "Replied" {
		t.Errorf("%+v", a)
	}
	if r := o.inmails(); r[p.InMail.ID]["OwnerId"] != sally || r[his.InMail.ID]["OwnerId"] != peter || len(o.tasks()) != 3 {
		t.Errorf("%v, %v, %d Tasks", r[p.InMail.ID]["OwnerId"], r[his.InMail.ID]["OwnerId"], len(o.tasks()))
	}
	for name, want := range map[string]int{"sally": 1, "peter": 1, "boss": 2} {
		if got := o.visibleTo(name+"@crm.example", inMailObject); got != want {
			t.Errorf("%s sees %d InMails, want %d", name, got, want)
		}
	}
}

// visibleTo returns how many records of an object a User sees.
func (o *org) visibleTo(username, object string) int {
	o.t.Helper()
	c := o.connect(func(config *Config, deps *Deps) {
		config.ClientSecret, config.ClientID = "", ""
		config.Username, config.Password = username, "pass"
		deps.Shared = NewMemory(o.clock)
	})
	n := 0
	err := c.ask(o.t.Context(), &query{n: 1, soql: func([]int) string { return "SELECT Id FROM " + object }, read: func([]byte) error { n++; return nil }})
	if err != nil {
		o.t.Fatal(err)
	}
	return n
}
