package salesforce

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	sfpackage "inmail/connectors/salesforce/package"
	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
)

// figuresOf returns the fields of InMail of a Lead or Contact.
func (o *org) figuresOf(id string) [4]any {
	r, _ := o.Record(id)
	text := func(v any) any {
		if at, ok := v.(time.Time); ok {
			return at.UTC().Format(time.RFC3339)
		}
		return v
	}
	return [4]any{text(r["InMail_Last_At__c"]), r["InMail_Last_Status__c"], r["InMails_Sent__c"], text(r["InMail_Answered_At__c"])}
}

// reached returns what reached a member whose only InMail is that of a push.
func reached(p domain.Push) domain.Push {
	m := &p.InMail
	p.Correspondence = domain.Correspondence{Sent: 1, LastSentAt: m.SentAt, LastStatus: m.Status, LastReplyAt: m.RepliedAt}
	return p
}

// TestPersonColumnsAreTheFieldsOfThePackage compares the columns of people with the package.
func TestPersonColumnsAreTheFieldsOfThePackage(t *testing.T) {
	model, err := sfpackage.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{leadObject, contactObject} {
		object, _ := model.Object(name)
		var fields, columns []string
		for _, f := range object.Fields {
			if f.Name != "InMail_Member_Id__c" {
				fields = append(fields, f.Name)
			}
		}
		for _, c := range personColumns {
			columns = append(columns, c.name)
		}
		slices.Sort(columns)
		if !slices.Equal(fields, columns) {
			t.Errorf("%s has %v; columns %v", name, fields, columns)
		}
	}
}

// TestPersonFields checks that Leads and Contacts show the InMails to them, by pushes and by a backfill in
// bulk.
func TestPersonFields(t *testing.T) {
	for _, bulk := range []bool{false, true} {
		t.Run(fmt.Sprintf("bulk_%v", bulk), func(t *testing.T) {
			o := newOrg(t, finding)
			lead := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin"})
			contact := o.contact(sandbox.Fields{"InMail_Member_Id__c": "kim"})
			answered := sent(1, "kim")
			apply(&answered.InMail, domain.EventReply, testNow)
			other := sent(2, "kim-too") // another member who is the same Contact
			other.InMail.CRM = named(parents{ContactID: contact})
			queued := plain(3)
			pushes := []domain.Push{reached(sent(0, "robin")), reached(answered), reached(other), queued}
			pushes[0].Correspondence.Sent = 3
			pushes[2].Correspondence.Sent, pushes[2].Correspondence.LastSentAt = 2, testNow.Add(-48*time.Hour)
			if bulk {
				o.crm.bulkAbove = 0
				l := newLedger(pushes...)
				if _, err := o.crm.Backfill(t.Context(), l, nil); err != nil {
					t.Fatal(err)
				}
			} else {
				for _, a := range o.push(pushes...) {
					if a.Class != domain.Taken {
						t.Fatalf("%+v", a)
					}
				}
			}
			if got, want := o.figuresOf(lead), ([4]any{"2026-11-23T08:00:01Z", "Sent", 3.0, nil}); got != want {
				t.Errorf("the Lead has %v, want %v", got, want)
			}
			if got, want := o.figuresOf(contact), ([4]any{"2026-11-23T08:00:01Z", "Replied", 3.0, "2026-11-23T09:00:00Z"}); got != want {
				t.Errorf("the Contact has %v, want %v", got, want)
			}
		})
	}
	t.Run("switched off", func(t *testing.T) {
		o := newOrg(t, func(_ *sandbox.Options, c *Config, _ *Deps) { c.PersonFields = false })
		lead := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin"})
		if a := o.push(reached(sent(0, "robin")))[0]; a.Class != domain.Taken || o.figuresOf(lead) != ([4]any{}) {
			t.Errorf("%+v, %v", a, o.figuresOf(lead))
		}
	})
	t.Run("a Lead that the org locks is tried again alone", func(t *testing.T) {
		o := newOrg(t)
		lead := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin"})
		p := reached(sent(0, "robin"))
		o.inject(sandbox.Fault{Kind: sandbox.RowRefused, Object: "Lead", Code: "UNABLE_TO_LOCK_ROW", Next: 1})
		a := o.push(p)[0]
		f := a.Link.Failures[personPart]
		if a.Class != domain.Locked || len(a.Link.Failures) != 1 || f.Object != leadObject || a.Link.RecordID == "" {
			t.Fatalf("%+v", a)
		}
		p.Link = a.Link
		var rows []map[string]any
		o.written(&rows)
		if a = o.push(p)[0]; a.Class != domain.Taken || a.Link.Failures != nil || len(rows) != 1 || o.figuresOf(lead)[1] != "Sent" {
			t.Errorf("%+v, %d rows, %v", a, len(rows), o.figuresOf(lead))
		}
	})
	t.Run("an org that lets nobody change Leads", func(t *testing.T) {
		var logged bytes.Buffer
		o := newOrg(t, func(s *sandbox.Options, _ *Config, d *Deps) {
			s.PeopleSetUnassigned = true
			d.Log = slog.New(slog.NewTextHandler(&logged, nil))
		})
		var pushes []domain.Push
		for _, p := range o.several(3) {
			pushes = append(pushes, reached(p))
		}
		for range 2 {
			for _, a := range o.push(pushes...) {
				if a.Class != domain.Taken || a.Link.Failures != nil {
					t.Errorf("%+v", a)
				}
			}
		}
		if len(o.inmails()) != 3 || len(o.tasks()) != 3 || strings.Count(logged.String(), "object=Lead") != 1 {
			t.Errorf("%d records, %d Tasks; %s", len(o.inmails()), len(o.tasks()), &logged)
		}
	})
}

// testErasedPersonFields checks that nothing of an erased recipient is left on its Lead, whether that was
// found by its member id or by its address, and that the InMail waits when the org does not answer.
func testErasedPersonFields(t *testing.T) {
	o := newOrg(t)
	lead := o.lead(sandbox.Fields{"Email": "robin-mark@example.com"})
	byID := o.lead(sandbox.Fields{"InMail_Member_Id__c": "kim"})
	p := reached(marked(0))
	o.push(p, reached(sent(1, "kim")))
	if o.figuresOf(lead)[2] != 1.0 || o.figuresOf(byID)[2] != 1.0 {
		t.Fatalf("%v, %v", o.figuresOf(lead), o.figuresOf(byID))
	}
	gone := erase(p)
	gone.Correspondence = domain.Correspondence{}
	o.inject(sandbox.Fault{Kind: sandbox.RowRefused, Object: "Lead", Code: "UNABLE_TO_LOCK_ROW", Next: 1})
	a := o.push(gone)[0]
	if r := o.inmails()[p.InMail.ID]; a.Class != domain.Locked || r["Lead__c"] != lead {
		t.Errorf("%+v, on %v", a, r["Lead__c"])
	}
	gone.Link = a.Link
	a = o.push(gone)[0]
	if r := o.inmails()[p.InMail.ID]; a.Class != domain.Taken || r["Lead__c"] != nil || o.figuresOf(lead) != ([4]any{}) {
		t.Errorf("%+v, on %v, %v", a, r["Lead__c"], o.figuresOf(lead))
	}
	if err := o.crm.Forget(t.Context(), []domain.MemberID{"kim"}); err != nil || o.figuresOf(byID) != ([4]any{}) {
		t.Errorf("%v, %v", err, o.figuresOf(byID))
	}
}

// TestWhatARecordSays checks the fields by which a person reads on: the link to the pages, the answer as far
// as the policy lets texts leave, and what helps to find a recipient whom matching did not find.
func TestWhatARecordSays(t *testing.T) {
	p := sent(0, "robin")
	p.Answer = "Yes, *please*.\n\nCall me on Monday."
	p.Company, p.Headline = "Acme", "VP Sales, robin@example.com"
	for _, row := range []struct {
		policy domain.CRMText
		answer any
	}{{domain.CRMTextNone, nil}, {domain.CRMTextPreview, "Yes, please. Call me on Monday."}, {domain.CRMTextFull, p.Answer}} {
		is := about{Push: &p, text: row.policy, pages: pages{address: "https://inmail.example", profiles: "https://net.example/in/{member}"}}
		matched := is.under(parents{Match: domain.Matched, LeadID: "00Q000000000001AAA"}).fields()
		if matched["Answer__c"] != row.answer || matched["Link__c"] != "https://inmail.example/sent/"+string(p.InMail.ID) {
			t.Errorf("%s: %v, %v", row.policy, matched["Answer__c"], matched["Link__c"])
		}
		if matched["Company__c"] != nil || matched["Headline__c"] != nil || matched["Profile_Link__c"] != nil {
			t.Errorf("a matched record holds %v, %v, %v", matched["Company__c"], matched["Headline__c"], matched["Profile_Link__c"])
		}
		for _, match := range []domain.Match{domain.Unmatched, domain.Ambiguous} {
			open := is.under(parents{Match: match}).fields()
			if open["Company__c"] != "Acme" || open["Headline__c"] != "VP Sales," || open["Profile_Link__c"] != "https://net.example/in/robin" {
				t.Errorf("%s: %v, %v, %v", match, open["Company__c"], open["Headline__c"], open["Profile_Link__c"])
			}
		}
	}
	is := about{Push: &p, text: domain.CRMTextPreview, pages: pages{address: "https://inmail.example", org: "https://acme.my.salesforce.com"}}
	is.Link.RecordID = "a00000000000001AAA"
	want := "Robin Reader to Sally Sender\nYes, please. Call me on Monday.\nhttps://inmail.example/sent/" + string(p.InMail.ID) +
		"\nhttps://acme.my.salesforce.com/a00000000000001AAA"
	if got := taskText(is, repliedEvent); got != want {
		t.Errorf("the Task says %q, want %q", got, want)
	}
	gone := p
	gone.InMail.Sender, gone.InMail.Recipient = domain.Erased, domain.Erased
	erased := about{Push: &gone, pages: pages{address: "https://inmail.example"}}.under(parents{Match: domain.Unmatched}).fields()
	for _, name := range []string{"Link__c", "Company__c", "Headline__c", "Profile_Link__c"} {
		if erased[name] != nil {
			t.Errorf("%s of an erased InMail is %v", name, erased[name])
		}
	}
}

// testCandidates checks that an ambiguous record names those among whom matching could not decide, that a
// reconcile takes that as no drift, and that what a person chose holds for the next InMail to the member too.
func testCandidates(t *testing.T) {
	o := newOrg(t)
	first, second := o.lead(sandbox.Fields{"InMail_Member_Id__c": "twice"}), o.lead(sandbox.Fields{"InMail_Member_Id__c": "twice"})
	l := newLedger(sent(0, "twice"))
	o.record = l
	l.sync(o, o.crm, 1)
	want := "Lead: " + o.url + "/" + first + "\nLead: " + o.url + "/" + second
	r := o.inmails()[newID(0)]
	if r["Match__c"] != "Ambiguous" || r[candidatesColumn] != want {
		t.Fatalf("%v, %q", r["Match__c"], r[candidatesColumn])
	}
	if found := o.reconcile(); found.Drift[edited] != 0 || found.Matched != 0 {
		t.Errorf("%+v", found)
	}
	if err := o.Edit(l.get(newID(0)).Link.RecordID, sandbox.Fields{"Lead__c": second}); err != nil {
		t.Fatal(err)
	}
	if found := o.reconcile(); found.Adopted != 1 {
		t.Errorf("%+v", found)
	}
	p := l.get(newID(0))
	if r = o.inmails()[newID(0)]; !p.Link.Chosen || r["Match__c"] != "Matched" || r[candidatesColumn] != nil || p.Link.Notes[candidatesNote] != "" {
		t.Errorf("%+v, %v", p.Link, r[candidatesColumn])
	}
	next := sent(1, "twice")
	next.Chosen = p.Link.Parents
	a := o.push(next)[0]
	if got := parentsOf(a.Link); got != (parents{Match: domain.Matched, LeadID: second}) || a.Link.Chosen {
		t.Errorf("the next InMail: %+v", a.Link)
	}
	again := p // pushed from scratch
	again.Link = domain.Link{InMail: p.InMail.ID, Chosen: true, Parents: p.Link.Parents}
	again.Chosen = p.Link.Parents
	if a := o.push(again)[0]; parentsOf(a.Link).LeadID != second || !a.Link.Chosen {
		t.Errorf("from scratch: %+v", a.Link)
	}
	if err := o.Delete(second); err != nil {
		t.Fatal(err)
	}
	if a := o.push(again)[0]; parentsOf(a.Link).LeadID != first || a.Link.Chosen {
		t.Errorf("whom a person chose is gone: %+v", a.Link)
	}
}
