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
		if parentsOf(p.Link) != want[i] || !p.Link.Chosen || r["Match__c"] != "Matched" {
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

// testZones checks that a Task has the day of its event where the sender is: in the zone of the sender's
// User, else of the setting, else of the org, by push and by bulk job.
func testZones(t *testing.T) {
	at := time.Date(2026, 11, 30, 3, 30, 0, 0, time.UTC)
	users := func(s *sandbox.Options, _ *Config, d *Deps) {
		s.TimeZone, s.SessionLife = "America/Los_Angeles", 1000*time.Hour
		d.Wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
		s.Credentials.Users = append(s.Credentials.Users, sandbox.User{Username: "tokyo@example.com", TimeZone: "Asia/Tokyo"})
	}
	tokyo := func(o *org) string {
		for _, r := range o.Records("User") {
			if r["Username"] == "tokyo@example.com" {
				return r["Id"].(string)
			}
		}
		return ""
	}
	for name, row := range map[string]struct {
		zone  string // the setting
		owned bool   // the sender is a User in Tokyo
		want  string
	}{
		"of_the_org":                {"", false, "2026-11-29"},
		"of_the_setting":            {"Pacific/Auckland", false, "2026-11-30"},
		"of_the_user":               {"America/Los_Angeles", true, "2026-11-30"},
		"of_a_setting_of_the_coast": {"America/New_York", false, "2026-11-29"},
	} {
		for _, bulk := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s_bulk_%v", name, bulk), func(t *testing.T) {
				o := newOrg(t, users)
				o.crm = o.connect(func(c *Config, _ *Deps) {
					c.TimeZone = row.zone
					if row.owned {
						c.Owners = []string{"sally=" + tokyo(o)}
					}
				})
				p := o.several(1)[0]
				p.InMail.SentAt = at
				if !bulk {
					o.push(p)
				} else {
					o.crm.bulkAbove = 0
					if _, err := o.crm.Backfill(t.Context(), newLedger(p), nil); err != nil {
						t.Fatal(err)
					}
				}
				if task := o.tasks()[eventID(p.InMail.ID, sentEvent)]; task["ActivityDate"] != row.want {
					t.Errorf("the day is %v, want %s", task["ActivityDate"], row.want)
				}
			})
		}
	}
	t.Run("asked_once_a_day", func(t *testing.T) {
		o := newOrg(t, users)
		o.crm = o.connect(func(c *Config, _ *Deps) { c.TimeZone = "" })
		pushes := o.several(3)
		o.push(pushes[0])
		if calls := o.calls(func() { o.push(pushes[1]) }); calls != 2 {
			t.Errorf("%d calls", calls)
		}
		o.clock.move(zoneKept)
		if calls := o.calls(func() { o.push(pushes[2]) }); calls != 2 {
			t.Errorf("%d calls a day later", calls)
		}
	})
}

// testRequired checks that the check of the org names what it requires of a Task, before anything is sent,
// that a refused Task is reported by object, code and field, and that the settings answer both.
func testRequired(t *testing.T) {
	o := newOrg(t)
	if err := o.RequireField(taskObject, "CallDisposition", true); err != nil {
		t.Fatal(err)
	}
	if err := o.ChangeValues(taskObject, "Status", "Open", "Done"); err != nil {
		t.Fatal(err)
	}
	failed := func(c *Connector) string {
		var out []string
		for _, f := range c.Check(t.Context()) {
			if !f.OK {
				out = append(out, f.What+": "+f.Detail+" => "+f.Remedy)
			}
		}
		return strings.Join(out, "\n")
	}
	found := failed(o.crm)
	for _, want := range []string{"Task.Status: has no active value Completed => set salesforce.task_status to a closed one of: Open, Done", "Task: write"} {
		if !strings.Contains(found, want) {
			t.Errorf("the check does not say %q: %s", want, found)
		}
	}
	right := o.connect(func(c *Config, _ *Deps) { c.TaskStatus = "Done" })
	if found := failed(right); !strings.HasPrefix(found, "Task: write: a Task cannot be written: REQUIRED_FIELD_MISSING (CallDisposition) => ") || !strings.Contains(found, "salesforce.task_defaults") {
		t.Errorf("%s", found)
	}
	p := o.several(1)[0]
	a := pushBy(t, right, p)[0]
	if f := a.Link.Failures[noteOf(sentEvent)]; f.Object != taskObject || f.Detail != "REQUIRED_FIELD_MISSING (CallDisposition)" || f.Class != domain.BadData || len(o.inmails()) != 1 {
		t.Errorf("%+v", a)
	}
	whole := o.connect(func(c *Config, _ *Deps) {
		c.TaskStatus, c.TaskDefaults = "Done", []string{"CallDisposition=InMail"}
	})
	if found := failed(whole); found != "" {
		t.Errorf("%s", found)
	}
	p.Link = a.Link
	a = pushBy(t, whole, p)[0]
	task := o.tasks()[eventID(p.InMail.ID, sentEvent)]
	if a.Class != domain.Taken || task["Status"] != "Done" || task["CallDisposition"] != "InMail" {
		t.Errorf("%+v: %v, %v", a, task["Status"], task["CallDisposition"])
	}
	if n := len(o.inmails()) + len(o.tasks()); n != 2 {
		t.Errorf("the checks left %d records and Tasks", n)
	}
	for _, wrong := range []string{"Subject=x", "no pair", "A__c=", "A__c=1,A__c=2", "1=2"} {
		c := Default()
		c.TaskDefaults = strings.Split(wrong, ",")
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "salesforce.task_defaults") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	c := Default()
	c.TimeZone, c.TaskStatus = "Mars/Olympus", ""
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "salesforce.time_zone") || !strings.Contains(err.Error(), "salesforce.task_status") {
		t.Errorf("%v", err)
	}
}

// testCopies checks that texts which were dropped by age leave records and Tasks, and that the records of
// InMails which are long over may go from the org: they are neither missed nor pushed again, while those that
// are there stay true.
func testCopies(t *testing.T) {
	o := newOrg(t, func(s *sandbox.Options, _ *Config, d *Deps) { d.KeepDays, s.SessionLife = 100, 1e6*time.Hour })
	l := newLedger(o.several(3)...)
	o.record = l
	l.sync(o, o.crm, 1)
	drop := func(ids ...int) {
		for _, i := range ids {
			l.change(newID(i), func(p *domain.Push) {
				p.InMail.Subject, p.InMail.Preview, p.InMail.Body = "", "", ""
				p.InMail.Version++
			})
		}
	}
	drop(0)
	l.sync(o, o.crm, 1)
	r, task := o.inmails()[newID(0)], o.tasks()[eventID(newID(0), sentEvent)]
	if r["Subject__c"] != nil || r["Preview__c"] != nil || r["Lead__c"] == nil || task["Subject"] != sentSubject || task["Description"] != nil {
		t.Errorf("left: %v, %v; %v, %v", r["Subject__c"], r["Preview__c"], task["Subject"], task["Description"])
	}
	if other := o.tasks()[eventID(newID(1), sentEvent)]; other["Description"] == nil {
		t.Error("the Task of another lost its text")
	}
	l.change(newID(0), func(p *domain.Push) { apply(&p.InMail, domain.EventOpen, testNow) })
	updates := len(o.History())
	l.sync(o, o.crm, 1)
	if n := len(o.History()) - updates; n != 1 {
		t.Errorf("%d changes for the next state: the Task is emptied again", n)
	}

	gone := func(i int) {
		if err := o.Delete(l.get(newID(i)).Link.RecordID); err != nil {
			t.Fatal(err)
		}
	}
	gone(1)
	o.clock.move(120 * 24 * time.Hour)
	if found := o.reconcile(); found.Drift[missing] != 0 || found.Resynced != 0 {
		t.Errorf("missed: %+v", found)
	}
	drop(1, 2)
	l.sync(o, o.crm, 2)
	if due := l.claim(10); len(due) != 0 {
		t.Errorf("still due: %+v", due)
	}
	if task := o.tasks()[eventID(newID(1), sentEvent)]; task["Subject"] != sentSubject || task["Description"] != nil {
		t.Errorf("the Task of a record that went keeps %v, %v", task["Subject"], task["Description"])
	}
	if there := o.inmails(); len(there) != 2 || there[newID(1)] != nil || there[newID(2)]["Subject__c"] != nil {
		t.Errorf("%d records; %v", len(there), there[newID(2)]["Subject__c"])
	}
	if _, err := o.crm.Backfill(t.Context(), l, nil); err != nil || len(l.claim(10)) != 0 {
		t.Errorf("%v, and a backfill brings %d again", err, len(l.claim(10)))
	}
}
