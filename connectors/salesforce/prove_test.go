package salesforce

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// prove asks for an erased member and for erased InMails, and returns what is left, by object and place.
func (o *org) prove(id domain.MemberID, erased ...domain.Push) (left []mailroom.Remain, places map[string]string) {
	o.t.Helper()
	of, err := o.crm.LeftOf(o.t.Context(), id)
	if err != nil {
		o.t.Fatal(err)
	}
	in, err := o.crm.LeftIn(o.t.Context(), erased)
	if err != nil {
		o.t.Fatal(err)
	}
	left, places = append(of, in...), map[string]string{}
	for _, l := range left {
		places[l.Object+" "+l.Where] += l.Fields + ": " + l.Why
		if l.Record == "" || l.Why == "" || l.Fields == "" {
			o.t.Errorf("incomplete: %+v", l)
		}
	}
	return left, places
}

// testProved checks that a proof finds every place in which the org has something of an erased member, says
// why, and finds nothing when nothing is left.
func testProved(t *testing.T) {
	full := func(s *sandbox.Options, _ *Config, d *Deps) {
		d.Text, s.SessionLife = domain.CRMTextFull, 1e6*time.Hour
	}
	t.Run("before, between and after", func(t *testing.T) {
		o := newOrg(t, full)
		o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin-mark"})
		p := marked(0)
		other := sent(1, "somebody")
		a := o.push(p, other)
		other.Link = a[1].Link
		o.clock.move(400 * 24 * time.Hour) // the Tasks are archived
		p = erase(p)
		_, places := o.prove("robin-mark", p)
		for place, say := range map[string]string{"Lead live": "InMail_Member_Id__c: " + whyPerson, "InMail__c live": whyWaits, "Task archive": whyWaits} {
			if !strings.Contains(places[place], say) {
				t.Errorf("%s: %q", place, places[place])
			}
		}
		for _, field := range []string{"Subject__c", "Preview__c", "Body__c", "Recipient_Member__c", "Recipient_Name__c", "Lead__c"} {
			if !strings.Contains(places["InMail__c live"], field) || strings.Contains(places["InMail__c live"], "Sender_Member__c") {
				t.Errorf("%s is not among %q, or the sender is", field, places["InMail__c live"])
			}
		}
		if err := o.crm.Forget(t.Context(), []domain.MemberID{"robin-mark"}); err != nil {
			t.Fatal(err)
		}
		p.Link = o.push(p)[0].Link
		n := o.calls(func() {
			if left, _ := o.prove("robin-mark", p); left != nil {
				t.Errorf("after: %+v", left)
			}
		})
		if n > 2 {
			t.Errorf("it takes %d calls", n)
		}
		if left, _ := o.prove("somebody-else"); left != nil {
			t.Errorf("of somebody else: %+v", left)
		}
	})
	t.Run("where InMail cannot reach", func(t *testing.T) {
		o := newOrg(t, full, func(s *sandbox.Options, _ *Config, _ *Deps) { s.PeopleSetUnassigned = true })
		lead := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin-mark"})
		twin := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin-mark"})
		p := marked(0)
		p.InMail.Recipient = "robin-mark"
		p.Link.Match, p.Link.Parents = domain.Matched, map[string]string{leadID: lead}
		record := o.push(p)[0].Link.RecordID
		for _, task := range o.Records(taskObject) {
			if err := o.Delete(task["Id"].(string)); err != nil {
				t.Fatal(err)
			}
		}
		if err := o.Delete(record); err != nil {
			t.Fatal(err)
		}
		if _, err := o.Convert(twin, sandbox.Conversion{}); err != nil {
			t.Fatal(err)
		}
		p = erase(p)
		p.Link = o.push(p)[0].Link
		if err := o.crm.Forget(t.Context(), []domain.MemberID{"robin-mark"}); err != nil {
			t.Fatal(err)
		}
		left, places := o.prove("robin-mark", p)
		for place, say := range map[string]string{"Lead live": whyConverted, "InMail__c recycle_bin": whyBin, "Task recycle_bin": whyBin} {
			if !strings.Contains(places[place], say) {
				t.Errorf("%s: %q in %+v", place, places[place], left)
			}
		}
		if !strings.Contains(places["Lead live"], whyPerson) {
			t.Errorf("the Lead that may not be edited: %q", places["Lead live"])
		}
	})
	t.Run("what belongs to the User of an erased sender", func(t *testing.T) {
		o := newOrg(t, full, func(s *sandbox.Options, _ *Config, _ *Deps) {
			s.Credentials.Users = append(s.Credentials.Users, sandbox.User{Username: "sally@example.com", Email: "sally@example.com", LastName: "Sender"})
		})
		var sally string
		for _, u := range o.Records("User") {
			if u["Username"] == "sally@example.com" {
				sally = u["Id"].(string)
			}
		}
		p := marked(0)
		p.InMail.Sender, p.SenderName = domain.Erased, ""
		p.InMail.Subject, p.InMail.Preview, p.InMail.Body = "", "", ""
		p.Link = o.push(p)[0].Link
		if left, _ := o.prove("sally", p); left != nil {
			t.Errorf("of the integration user: %+v", left)
		}
		if err := o.Edit(p.Link.RecordID, sandbox.Fields{"OwnerId": sally}); err != nil {
			t.Fatal(err)
		}
		if left, _ := o.prove("sally", p); len(left) != 1 || left[0].Fields != ownerColumn || left[0].Record != p.Link.RecordID {
			t.Errorf("of somebody else: %+v", left)
		}
	})
	t.Run("what somebody put back", func(t *testing.T) {
		o := newOrg(t, full)
		p := erase(marked(0))
		p.Link = o.push(p)[0].Link
		if err := o.Edit(p.Link.RecordID, sandbox.Fields{"Recipient_Member__c": "robin-mark"}); err != nil {
			t.Fatal(err)
		}
		left, _ := o.prove("robin-mark", p)
		want := mailroom.Remain{Object: inMailObject, Record: p.Link.RecordID, Fields: "Recipient_Member__c", Where: mailroom.PlaceLive, Why: whyDiffers}
		if diff := cmp.Diff([]mailroom.Remain{want, want}, left); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("not while the org does not answer", func(t *testing.T) {
		o := newOrg(t)
		o.inject(sandbox.Fault{Kind: sandbox.UnavailableHTML, Resource: "composite", Next: 2})
		if _, err := o.crm.LeftOf(t.Context(), "robin-mark"); err == nil {
			t.Error("no answer counts as nothing left")
		}
		if _, err := o.crm.LeftIn(t.Context(), []domain.Push{erase(marked(0))}); err == nil {
			t.Error("no answer counts as nothing left")
		}
	})
}
