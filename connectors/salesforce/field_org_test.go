package salesforce

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
)

// testArchived checks that the texts of a Task leave the org when its members are erased long after, although
// no ordinary query shows the Task any more, and that one in the recycle bin is logged by its id.
func testArchived(t *testing.T) {
	var logged bytes.Buffer
	o := newOrg(t, func(_ *sandbox.Options, _ *Config, d *Deps) { d.Log = slog.New(slog.NewTextHandler(&logged, nil)) })
	pushes := o.several(2)
	answers := o.push(pushes...)
	var ids [2]string
	for i := range pushes {
		ids[i] = o.tasks()[eventID(pushes[i].InMail.ID, sentEvent)]["Id"].(string)
	}
	if err := o.Delete(ids[1]); err != nil {
		t.Fatal(err)
	}
	o.clock.move(400 * 24 * time.Hour)
	for i := range pushes {
		p := &pushes[i]
		p.InMail.Sender, p.InMail.Recipient, p.Email = domain.Erased, domain.Erased, ""
		p.InMail.Subject, p.InMail.Preview, p.InMail.Body = "", "", ""
		p.InMail.Version++
		p.Link = domain.Link{InMail: p.InMail.ID, RecordID: answers[i].Link.RecordID}
	}
	for _, a := range o.push(pushes...) {
		if a.Class != domain.Taken {
			t.Errorf("%+v", a)
		}
	}
	task, _ := o.Record(ids[0])
	if task["Subject"] != sentSubject || task["Description"] != nil || task["IsArchived"] != true {
		t.Errorf("%v, %v, archived %v", task["Subject"], task["Description"], task["IsArchived"])
	}
	if !strings.Contains(logged.String(), ids[1]) || strings.Contains(logged.String(), ids[0]) {
		t.Errorf("the log does not name the Task in the bin alone: %s", &logged)
	}
}

// testWays checks that people are still found by what the org answers, when it answers by other ways no more.
func testWays(t *testing.T) {
	hide := map[string]func(o *org) error{
		"encrypted": func(o *org) error { return o.EncryptField("Contact", "Email", true) },
		"hidden":    func(o *org) error { return o.ShowField("Contact", "Email", false) },
	}
	for name, close := range hide {
		t.Run(name, func(t *testing.T) {
			var logged bytes.Buffer
			o := newOrg(t, func(_ *sandbox.Options, _ *Config, d *Deps) { d.Log = slog.New(slog.NewTextHandler(&logged, nil)) })
			o.contact(sandbox.Fields{"Email": "byaddress@example.com"})
			byMember := o.contact(sandbox.Fields{"InMail_Member_Id__c": "bymember", "Email": "bymember@example.com"})
			byLead := o.lead(sandbox.Fields{"Email": "bylead@example.com"})
			byID := o.contact(nil)
			if err := close(o); err != nil {
				t.Fatal(err)
			}
			pushes := []domain.Push{sent(0, "byaddress"), sent(1, "bymember"), sent(2, "bylead"), sent(3, "byid")}
			pushes[3].InMail.CRM = named(parents{ContactID: byID})
			want := []parents{{Match: domain.Unmatched}, {Match: domain.Matched, ContactID: byMember},
				{Match: domain.Matched, LeadID: byLead}, {Match: domain.Matched, ContactID: byID}}
			for i, a := range o.push(pushes...) {
				if a.Class != domain.Taken || parentsOf(a.Link) != want[i] {
					t.Errorf("%d: %+v", i, a)
				}
			}
			if n := strings.Count(logged.String(), "Contact.Email"); n != 1 {
				t.Errorf("reported %d times: %s", n, &logged)
			}
			more := sent(4, "byaddress")
			if calls := o.calls(func() { o.push(more) }); calls != 2 {
				t.Errorf("%d calls for the next", calls)
			}
			found := o.crm.Check(t.Context())
			named := false
			for _, f := range found {
				named = named || f.What == "Contact.Email" && !f.OK && f.Remedy != ""
			}
			if !named {
				t.Errorf("the check does not name it: %+v", found)
			}
			_ = o.EncryptField("Contact", "Email", false)
			_ = o.ShowField("Contact", "Email", true)
			if name == "hidden" {
				o.clock.move(wayRest)
			} else if err := o.crm.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			if a := o.push(sent(5, "byaddress"))[0]; a.Link.Match != domain.Matched {
				t.Errorf("asked again: %+v", a)
			}
		})
	}
	t.Run("none_is_answered", func(t *testing.T) {
		o := newOrg(t)
		o.AssignPermissionSet(false)
		if a := o.push(sent(0, "robin"))[0]; a.Class != domain.Configuration {
			t.Errorf("%+v", a)
		}
	})
}

// testComesBack checks that a record which somebody deleted comes back whole with the next state of its
// InMail.
func testComesBack(t *testing.T) {
	o := newOrg(t)
	p := o.several(1)[0]
	a := o.push(p)[0]
	if err := o.Delete(a.Link.RecordID); err != nil {
		t.Fatal(err)
	}
	p = o.event(p, a, domain.EventOpen)
	next := o.push(p)[0]
	r := o.inmails()[p.InMail.ID]
	if next.Class != domain.Taken || next.Link.RecordID == a.Link.RecordID || r["Lead__c"] != a.Link.Parents[leadID] || r["Match__c"] != "Matched" || r["Status__c"] != "Opened" {
		t.Errorf("%+v: %v, %v, %v", next, r["Lead__c"], r["Match__c"], r["Status__c"])
	}
}

// testDuplicateTask checks that a Task whose answer was lost is asked for once and counts as done, when the
// org's refusal of a second one does not say of what it is a duplicate.
func testDuplicateTask(t *testing.T) {
	o := newOrg(t)
	p := o.several(1)[0]
	a := o.push(p)[0]
	p.Link = a.Link
	p.Link.Notes = nil // the answer was lost
	o.inject(sandbox.Fault{Kind: sandbox.RowRefused, Object: taskObject, Code: "DUPLICATE_VALUE",
		Message: "duplicate value found: <unknown> duplicates value on record with id: <unknown>"})
	o.through(rowErrors("c0", "DUPLICATE_VALUE", "duplicate value found: <unknown> duplicates value on record with id: <unknown>"))
	calls := o.calls(func() { a = o.push(p)[0] })
	if calls != 2 || a.Class != domain.Taken || !logged(a.Link, sentEvent) {
		t.Errorf("%d calls, %+v", calls, a)
	}
	other := o.several(2)[1] // its Task is not there
	if a := o.push(other)[0]; a.Class != domain.Locked {
		t.Errorf("%+v", a)
	}
}

// testRefusedOwner checks that a Task goes to the integration user when the org refuses its owner without
// naming the field.
func testRefusedOwner(t *testing.T) {
	const user = "005000000000001AAA"
	var logged bytes.Buffer
	o := newOrg(t, func(_ *sandbox.Options, c *Config, d *Deps) {
		c.Owners = []string{"sally=" + user}
		d.Log = slog.New(slog.NewTextHandler(&logged, nil))
	})
	owner := o.Records("User")[0]["Id"].(string)
	o.crm = o.connect(func(c *Config, _ *Deps) { c.Owners = []string{"sally=" + owner} })
	o.inject(sandbox.Fault{Kind: sandbox.RowRefused, Object: taskObject, Code: "TRANSFER_REQUIRES_READ",
		Message: "The new owner must have read permission", Next: 2})
	for _, a := range o.push(o.several(2)...) {
		if a.Class != domain.Taken {
			t.Errorf("%+v", a)
		}
	}
	if len(o.tasks()) != 2 || strings.Count(logged.String(), owner) != 1 {
		t.Errorf("%d Tasks; %s", len(o.tasks()), &logged)
	}
}

// testSameValue checks that a text which would empty its field in a bulk job has one value by either way, so
// that a reconcile finds no difference.
func testSameValue(t *testing.T) {
	o := newOrg(t)
	l := newLedger()
	o.record = l
	for i := range 4 {
		p := sent(i, "robin")
		p.InMail.Subject, p.InMail.Preview, p.SenderName = nullCell, nullCell, " "+nullCell+" "
		p.InMail.Tags, p.InMail.Category = []string{nullCell}, nullCell
		l.put(p)
	}
	o.crm.bulkAbove = 2
	if _, err := o.crm.Backfill(context.Background(), l, nil); err != nil {
		t.Fatal(err)
	}
	p := sent(9, "robin")
	p.InMail.Subject, p.InMail.Preview, p.SenderName, p.InMail.Category, p.InMail.Tags = nullCell, nullCell, nullCell, nullCell, []string{nullCell}
	l.put(p)
	l.sync(o, o.crm, 3)
	for _, field := range []string{"Subject__c", "Preview__c", "Sender_Name__c", "Category__c", "Tags__c"} {
		byBulk, byPush := o.inmails()[newID(0)][field], o.inmails()[newID(9)][field]
		if byBulk != byPush || byBulk == nil {
			t.Errorf("%s is %v by bulk and %v by push", field, byBulk, byPush)
		}
	}
	if found := o.reconcile(); found.Drift[edited]+found.Drift[stale]+found.Drift[missing] != 0 {
		t.Errorf("%+v", found)
	}
}

// testHosts checks that an address is found whether its host is written in ASCII or as people write it, here
// or in the org.
func testHosts(t *testing.T) {
	o := newOrg(t)
	unicode := o.contact(sandbox.Fields{"Email": "info@straße.example"})
	ascii := o.lead(sandbox.Fields{"Email": "Info@xn--bcher-kva.example"})
	for i, row := range []struct {
		email string
		want  parents
	}{
		{"info@xn--strae-oqa.example", parents{Match: domain.Matched, ContactID: unicode}},
		{"INFO@Straße.example", parents{Match: domain.Matched, ContactID: unicode}},
		{"info@bücher.example", parents{Match: domain.Matched, LeadID: ascii}},
		{"info@xn--bcher-kva.example", parents{Match: domain.Matched, LeadID: ascii}},
		{"info@strasse.example", parents{Match: domain.Unmatched}},
	} {
		p := sent(i, domain.MemberID(fmt.Sprint("member", i)))
		p.Email = domain.Email(row.email)
		if a := o.push(p)[0]; parentsOf(a.Link) != row.want {
			t.Errorf("%s: %+v", row.email, a)
		}
	}
	both := o.contact(sandbox.Fields{"Email": "info@xn--strae-oqa.example"})
	p := sent(20, "two")
	p.Email = "info@straße.example"
	if a := o.push(p)[0]; a.Link.Match != domain.Ambiguous {
		t.Errorf("the same mailbox twice, %s and %s: %+v", unicode, both, a)
	}
}

// testAhead checks that a record whose sequence number was raised in the org is a dead letter by name, at the
// next push and at the next reconcile, and that it is repaired by replacing it.
func testAhead(t *testing.T) {
	o := newOrg(t)
	l := newLedger(o.several(2)...)
	o.record = l
	l.sync(o, o.crm, 1)
	for i := range 2 {
		if err := o.Edit(l.get(newID(i)).Link.RecordID, sandbox.Fields{"Status_Sequence__c": 999999}); err != nil {
			t.Fatal(err)
		}
	}
	l.change(newID(0), func(p *domain.Push) { apply(&p.InMail, domain.EventOpen, testNow) })
	l.sync(o, o.crm, 1)
	for i := range 2 {
		if i == 1 {
			o.reconcile()
		}
		f := l.get(newID(i)).Link.Failures[domain.RecordPart]
		if f.Class != domain.BadData || f.Detail != sequenceAhead+" (Status_Sequence__c)" || f.Object != inMailObject {
			t.Errorf("%d: %+v", i, l.get(newID(i)).Link)
		}
	}
	if f := l.get(newID(1)).Link.Failures[domain.RecordPart]; !f.Dead {
		t.Errorf("it goes by itself: %+v", f)
	}
	var links []domain.Link
	for i := range 2 {
		links = append(links, l.get(newID(i)).Link)
	}
	ids, err := o.crm.Replace(t.Context(), links)
	if err != nil || len(ids) != 2 {
		t.Fatalf("%v, %v", ids, err)
	}
	if err := l.Resync(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	l.sync(o, o.crm, 2)
	for i := range 2 {
		p := l.get(newID(i))
		if r := o.inmails()[p.InMail.ID]; p.Link.Failures != nil || r["Status_Sequence__c"] != float64(p.InMail.Seq) || r["Lead__c"] == nil {
			t.Errorf("%d: %v, %+v", i, r["Status_Sequence__c"], p.Link)
		}
	}
	if len(o.tasks()) != 2 {
		t.Errorf("%d Tasks", len(o.tasks()))
	}
	if found := o.reconcile(); found.Drift[edited] != 0 {
		t.Errorf("%+v", found)
	}
}

// testAdopted checks that a Lead or Contact which a person chose for an unmatched or ambiguous record is
// kept, and that its Tasks follow.
func testAdopted(t *testing.T) {
	o := newOrg(t)
	l := newLedger(sent(0, "nobody"), sent(1, "twice"), sent(2, "firm"))
	o.record = l
	for range 2 {
		o.lead(sandbox.Fields{"InMail_Member_Id__c": "twice"})
	}
	account := o.make("Account", sandbox.Fields{"Name": "Acme"})
	contact := o.contact(sandbox.Fields{"AccountId": account})
	chosen := o.lead(nil)
	l.sync(o, o.crm, 1)
	for i, fields := range []sandbox.Fields{{"Lead__c": chosen}, {"Contact__c": contact}, {"Account__c": account}} {
		if err := o.Edit(l.get(newID(i)).Link.RecordID, fields); err != nil {
			t.Fatal(err)
		}
	}
	l.change(newID(0), func(p *domain.Push) { apply(&p.InMail, domain.EventOpen, testNow) })
	l.sync(o, o.crm, 1) // a push keeps what was chosen
	if found := o.reconcile(); found.Adopted != 3 || found.Drift[edited] != 0 {
		t.Errorf("%+v", found)
	}
	want := []parents{{Match: domain.Matched, LeadID: chosen}, {Match: domain.Matched, ContactID: contact, AccountID: account},
		{Match: domain.Matched, AccountID: account}}
	for i := range want {
		p := l.get(newID(i))
		r := o.inmails()[p.InMail.ID]
		if parentsOf(p.Link) != want[i] || p.Link.Notes["match"] != byHand || r["Match__c"] != "Matched" {
			t.Errorf("%d: %+v, %v", i, p.Link, r["Match__c"])
		}
	}
	if len(o.tasks()) != 2 {
		t.Errorf("%d Tasks", len(o.tasks()))
	}
	if found := o.reconcile(); found.Adopted != 0 || found.Drift[edited]+found.Drift[stale] != 0 {
		t.Errorf("the next night: %+v", found)
	}
}
