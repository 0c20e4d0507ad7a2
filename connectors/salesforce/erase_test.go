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

// marked returns an InMail in which every text and every name of the member "robin" can be recognized.
func marked(n int) domain.Push {
	p := sent(n, "robin-mark")
	p.InMail.Subject, p.InMail.Preview, p.InMail.Body = "subject MARK", "preview MARK", "body MARK"
	p.RecipientName = "Robin MARK"
	apply(&p.InMail, domain.EventReply, testNow)
	return p
}

// erase changes an InMail as the record does when a member is erased.
func erase(p domain.Push) domain.Push {
	p.InMail.Recipient, p.RecipientName, p.Email = domain.Erased, "", ""
	p.InMail.Subject, p.InMail.Preview, p.InMail.Body = "", "", ""
	p.InMail.Version++
	p.Link = domain.Link{InMail: p.InMail.ID}
	return p
}

// findMark returns the places outside Leads, Contacts and the recycle bin where the org still has a marked
// text.
func (o *org) findMark() (places []string) {
	for _, object := range []string{inMailObject, taskObject} {
		for _, r := range o.Records(object) {
			if r["IsDeleted"] == true {
				continue
			}
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
		if a := o.push(p)[0]; parentsOf(a.Link).LeadID != lead || len(o.findMark()) == 0 {
			t.Fatalf("%+v", a)
		}
		a := o.push(erase(p))[0]
		if a.Class != domain.Taken || !logged(a.Link, sentEvent) || !logged(a.Link, repliedEvent) {
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
	t.Run("of a record that the org need not have any more", func(t *testing.T) {
		log := &bytes.Buffer{}
		o := newOrg(t, full, func(s *sandbox.Options, _ *Config, d *Deps) {
			d.KeepDays, s.SessionLife, d.Log = 100, 1e6*time.Hour, slog.New(slog.NewTextHandler(log, nil))
		})
		o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin-mark"})
		p := marked(0)
		record := o.push(p)[0].Link.RecordID
		o.clock.move(400 * 24 * time.Hour)
		if err := o.Delete(record); err != nil {
			t.Fatal(err)
		}
		p = erase(p)
		o.inject(sandbox.Fault{Kind: sandbox.UnavailableHTML, Next: 1, Skip: 1}) // the second call looks for its Tasks
		if a := o.push(p)[0]; a.Class != domain.Unreachable {
			t.Errorf("while the org does not answer: %+v", a)
		}
		if a := o.push(p)[0]; a.Class != domain.Taken || a.Link.RecordID != "" {
			t.Errorf("%+v", a)
		}
		if places := o.findMark(); places != nil || len(o.inmails()) != 0 {
			t.Errorf("marks are left in %v, in %d records", places, len(o.inmails()))
		}
		if said := log.String(); !strings.Contains(said, "recycle bin") || !strings.Contains(said, record) {
			t.Errorf("the log names no record in the bin: %s", said)
		}
	})
	t.Run("from the recycle bin, where the integration put it", func(t *testing.T) {
		log := &bytes.Buffer{}
		o := newOrg(t, full, func(_ *sandbox.Options, _ *Config, d *Deps) { d.Log = slog.New(slog.NewTextHandler(log, nil)) })
		o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin-mark"})
		p, other := marked(0), marked(1)
		a := o.push(p, other)
		p.Link, other.Link = a[0].Link, a[1].Link
		if err := o.Edit(p.Link.RecordID, sandbox.Fields{"Status_Sequence__c": 999}); err != nil {
			t.Fatal(err)
		}
		apply(&p.InMail, domain.EventReply, testNow)
		p.InMail.Version++
		p.Link = o.push(p)[0].Link
		if gone, err := o.crm.Replace(t.Context(), []domain.Link{p.Link}); err != nil || len(gone) != 1 {
			t.Fatalf("replaced %v, %v", gone, err)
		}
		if err := o.Delete(other.Link.RecordID); err != nil { // by an administrator
			t.Fatal(err)
		}
		binned := func() (ids []string) {
			for _, r := range o.Records(inMailObject) {
				if r["IsDeleted"] == true {
					ids = append(ids, r["Id"].(string))
				}
			}
			return ids
		}
		if len(binned()) != 2 {
			t.Fatalf("in the bin are %v", binned())
		}
		o.push(erase(p), erase(other))
		if left := binned(); len(left) != 1 || left[0] != other.Link.RecordID {
			t.Errorf("in the bin are %v, want %s", left, other.Link.RecordID)
		}
		if said := log.String(); !strings.Contains(said, "recycle bin") || !strings.Contains(said, other.Link.RecordID) {
			t.Errorf("the log says %q", said)
		}
		o.inject(sandbox.Fault{Kind: sandbox.UnavailableHTML, Resource: "soap", Next: 1})
		if a := o.push(erase(other))[0]; a.Class != domain.Taken { // the bin is asked once more, and does not answer
			t.Errorf("%+v", a)
		}
	})
	t.Run("one that was never pushed leaves no Task", func(t *testing.T) {
		o := newOrg(t)
		if a := o.push(erase(marked(0)))[0]; a.Class != domain.Taken || len(o.tasks()) != 0 || len(o.inmails()) != 1 {
			t.Errorf("%+v, %d Tasks", a, len(o.tasks()))
		}
	})
	t.Run("from the people who have its id", func(t *testing.T) {
		for name, forget := range map[string]func(*Connector) error{
			"known by its id": func(c *Connector) error {
				return c.Forget(context.Background(), []domain.MemberID{"robin-mark", "nobody"})
			},
			"known by a test of the id": func(c *Connector) error {
				return c.ForgetThose(context.Background(), func(id domain.MemberID) bool { return id == "robin-mark" })
			},
		} {
			t.Run(name, func(t *testing.T) {
				o := newOrg(t)
				lead := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin-mark"})
				twin := o.contact(sandbox.Fields{"InMail_Member_Id__c": "robin-mark"})
				other := o.contact(sandbox.Fields{"InMail_Member_Id__c": "ROBIN-MARK"}) // another member
				// The second call must change nothing.
				for range 2 {
					if err := forget(o.crm); err != nil {
						t.Fatal(err)
					}
					for id, want := range map[string]any{lead: nil, twin: nil, other: "ROBIN-MARK"} {
						if r, _ := o.Record(id); r["InMail_Member_Id__c"] != want {
							t.Errorf("%s has %v, want %v", id, r["InMail_Member_Id__c"], want)
						}
					}
				}
			})
		}
	})
	t.Run("over more than a page", func(t *testing.T) {
		o := newOrg(t)
		var last string
		for i := range peoplePage + 1 {
			last = o.lead(sandbox.Fields{"InMail_Member_Id__c": fmt.Sprintf("other-%d", i)})
		}
		gone := domain.MemberID(fmt.Sprintf("other-%d", peoplePage))
		if err := o.crm.ForgetThose(context.Background(), func(id domain.MemberID) bool { return id == gone }); err != nil {
			t.Fatal(err)
		}
		if r, _ := o.Record(last); r["InMail_Member_Id__c"] != nil {
			t.Errorf("the last of %d has %v", peoplePage+1, r["InMail_Member_Id__c"])
		}
	})
	t.Run("not where the org says no", func(t *testing.T) {
		log := &bytes.Buffer{}
		o := newOrg(t, func(_ *sandbox.Options, _ *Config, d *Deps) { d.Log = slog.New(slog.NewTextHandler(log, nil)) })
		lead := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin-mark"})
		if _, err := o.Convert(lead, sandbox.Conversion{}); err != nil { // a converted Lead cannot be edited
			t.Fatal(err)
		}
		if err := o.crm.Forget(context.Background(), []domain.MemberID{"robin-mark"}); err != nil {
			t.Fatal(err)
		}
		if said := log.String(); !strings.Contains(said, lead) || strings.Contains(said, "robin-mark") {
			t.Errorf("the log says %q", said)
		}
	})
	t.Run("not where the permission is withheld", func(t *testing.T) {
		log := &bytes.Buffer{}
		o := newOrg(t, func(s *sandbox.Options, _ *Config, d *Deps) {
			s.PeopleSetUnassigned, d.Log = true, slog.New(slog.NewTextHandler(log, nil))
		})
		lead := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin-mark"})
		if a := o.push(sent(0, "robin-mark"))[0]; parentsOf(a.Link).LeadID != lead {
			t.Errorf("nobody is found: %+v", a)
		}
		if err := o.crm.Forget(context.Background(), []domain.MemberID{"robin-mark"}); err != nil {
			t.Fatal(err)
		}
		if said := log.String(); !strings.Contains(said, lead) || strings.Contains(said, "robin-mark") {
			t.Errorf("the log says %q", said)
		}
	})
	t.Run("not where the org says not now", func(t *testing.T) {
		o := newOrg(t)
		o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin-mark"})
		o.inject(sandbox.Fault{Kind: sandbox.RowLock, Next: 1})
		if err := o.crm.Forget(context.Background(), []domain.MemberID{"robin-mark"}); err == nil {
			t.Error("a locked Lead counts as forgotten")
		}
	})
}
