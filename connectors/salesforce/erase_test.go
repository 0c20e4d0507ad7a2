package salesforce

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
)

// marked is an InMail whose every text and name of the member "robin" can be found again.
func marked(n int) domain.Push {
	p := sent(n, "robin-mark")
	p.InMail.Subject, p.InMail.Preview, p.InMail.Body = "subject MARK", "preview MARK", "body MARK"
	p.RecipientName = "Robin MARK"
	apply(&p.InMail, domain.EventReply, testNow)
	return p
}

// erase is what the record does to an InMail of an erased member.
func erase(p domain.Push) domain.Push {
	p.InMail.Recipient, p.RecipientName, p.Email = domain.Erased, "", ""
	p.InMail.Subject, p.InMail.Preview, p.InMail.Body = "", "", ""
	p.InMail.Version++
	p.Link = domain.Link{InMail: p.InMail.ID}
	return p
}

// findMark lists where the org still holds something marked, Leads and Contacts aside.
func (o *org) findMark() (places []string) {
	for _, object := range []string{inMailObject, taskObject} {
		for _, r := range o.Records(object) {
			for name, v := range r {
				if text, _ := v.(string); strings.Contains(strings.ToLower(text), "mark") {
					places = append(places, fmt.Sprintf("%s.%s", object, name))
				}
			}
		}
	}
	return places
}

func testErased(t *testing.T) {
	full := func(_ *sandbox.Options, _ *Config, d *Deps) { d.Text = domain.CRMTextFull }
	t.Run("by the next push", func(t *testing.T) {
		o := newOrg(t, full)
		lead := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin-mark"})
		p := marked(0)
		if a := o.push(p)[0]; a.Link.LeadID != lead || len(o.findMark()) == 0 {
			t.Fatalf("%+v", a)
		}
		a := o.push(erase(p))[0]
		if a.Class != domain.Taken || !a.Link.SentTask || !a.Link.RepliedTask {
			t.Errorf("%+v", a)
		}
		if places := o.findMark(); places != nil {
			t.Errorf("marks are left in %v", places)
		}
		r, _ := o.Record(a.Link.RecordID)
		if r["Status__c"] != "Replied" || r["Sent_At__c"] == nil || r["Lead__c"] != nil || r["Sender_Member__c"] != "sally" {
			t.Errorf("the record is %v, sent %v, on %v, by %v", r["Status__c"], r["Sent_At__c"], r["Lead__c"], r["Sender_Member__c"])
		}
		for event, task := range o.tasks() {
			if !strings.HasPrefix(task["Subject"].(string), "InMail ") || task["Description"] != nil {
				t.Errorf("the Task %s says %v, %v", event, task["Subject"], task["Description"])
			}
		}
	})
	t.Run("one that was never pushed leaves no Task", func(t *testing.T) {
		o := newOrg(t)
		if a := o.push(erase(marked(0)))[0]; a.Class != domain.Taken || len(o.tasks()) != 0 || len(o.inmails()) != 1 {
			t.Errorf("%+v, %d Tasks", a, len(o.tasks()))
		}
	})
	t.Run("at once", func(t *testing.T) {
		// The package lets the integration user edit no Lead or Contact; an administrator may.
		for _, admin := range []bool{true, false} {
			o := newOrg(t, full, func(s *sandbox.Options, _ *Config, _ *Deps) { s.Credentials.Users[0].Integration = !admin })
			lead := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin-mark"})
			contact := o.contact(sandbox.Fields{"InMail_Member_Id__c": "ROBIN-MARK"}) // another member
			var ids []domain.ID
			var pushes []domain.Push
			for i := range 450 {
				p := marked(i)
				p.InMail.CRM.LeadID = lead
				pushes, ids = append(pushes, p), append(ids, p.InMail.ID)
			}
			o.push(pushes...)
			ids = append(ids, newID(10_000)) // one that the org does not have
			var got Erased
			var err error
			calls := o.calls(func() { got, err = o.crm.Erase(context.Background(), "robin-mark", ids) })
			if err != nil || got.Records != 450 || got.Tasks != 900 {
				t.Fatalf("%+v, %v", got, err)
			}
			if places := o.findMark(); places != nil {
				t.Errorf("marks are left in %d places", len(places))
			}
			if n := len(o.inmails()); n != 450 {
				t.Errorf("%d records", n)
			}
			l, _ := o.Record(lead)
			c, _ := o.Record(contact)
			if c["InMail_Member_Id__c"] != "ROBIN-MARK" {
				t.Error("another member's id was emptied")
			}
			switch {
			case admin && (got.People != 1 || got.Left != nil || l["InMail_Member_Id__c"] != nil):
				t.Errorf("%+v, the Lead holds %v", got, l["InMail_Member_Id__c"])
			case !admin && (got.People != 0 || len(got.Left) != 1 || got.Left[0].ID != lead):
				t.Errorf("%+v", got)
			}
			if calls > 7 { // the records and Tasks of 450, and the people
				t.Errorf("%d calls", calls)
			}
			again, err := o.crm.Erase(context.Background(), "robin-mark", ids)
			if err != nil || again.Records != 450 {
				t.Errorf("again: %+v, %v", again, err)
			}
		}
	})
}
