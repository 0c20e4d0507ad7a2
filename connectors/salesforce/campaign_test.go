package salesforce

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
)

// withCampaign returns an org in which the tag "demo" has a Campaign, and the Campaign's id.
func withCampaign(t testing.TB, sets ...set) (*org, string) {
	t.Helper()
	o := newOrg(t, append(sets, func(s *sandbox.Options, _ *Config, _ *Deps) { s.CampaignsSetAssigned = true })...)
	id := o.make("Campaign", sandbox.Fields{"Name": "Demo"})
	o.crm = o.connect(func(c *Config, _ *Deps) { c.Campaigns = []string{"Demo=" + id} })
	return o, id
}

// members returns the statuses of the members of Campaigns, by their Lead or Contact.
func (o *org) members() map[string]string {
	statuses := map[string]string{}
	for _, r := range o.Records(memberObject) {
		if r["IsDeleted"] == true {
			continue
		}
		person := fmt.Sprint(r["LeadId"])
		if r["LeadId"] == nil {
			person = fmt.Sprint(r["ContactId"])
		}
		if statuses[person] != "" {
			o.t.Errorf("%s is a member twice", person)
		}
		statuses[person] = fmt.Sprint(r["Status"])
	}
	return statuses
}

func (o *org) wantMembers(when string, want map[string]string) {
	o.t.Helper()
	if diff := cmp.Diff(want, o.members()); diff != "" {
		o.t.Errorf("%s: members (-want +got):\n%s", when, diff)
	}
}

// testCampaigns checks that the person of an InMail with a mapped tag is a member of the Campaign, once, with
// the status of what happened, through every way in which InMails reach the org.
func testCampaigns(t *testing.T) {
	t.Run("sent and responded", func(t *testing.T) {
		o, campaign := withCampaign(t)
		lead, contact := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin"}), o.contact(sandbox.Fields{"InMail_Member_Id__c": "kim"})
		o.lead(sandbox.Fields{"InMail_Member_Id__c": "jo"})
		first, second, other := sent(0, "robin"), sent(1, "robin"), sent(3, "jo")
		other.InMail.Tags = []string{"another"}
		pushes := []domain.Push{first, second, sent(2, "kim"), other, sent(4, "nobody")}
		for i, a := range o.push(pushes...) {
			if a.Class != domain.Taken {
				t.Fatalf("%+v", a)
			}
			pushes[i].Link = a.Link
		}
		o.wantMembers("sent", map[string]string{lead: memberSent, contact: memberSent})
		if r := o.inmails()[newID(0)]; r[campaignColumn] != campaign || o.inmails()[newID(3)][campaignColumn] != nil {
			t.Errorf("the records refer to %v and %v", r[campaignColumn], o.inmails()[newID(3)][campaignColumn])
		}
		before := len(o.History())
		o.push(pushes...)
		if n := len(o.History()) - before; n != 0 {
			t.Errorf("%d changes when nothing is new", n)
		}
		pushes[0] = o.event(pushes[0], domain.PushAnswer{Link: pushes[0].Link}, domain.EventOpen, domain.EventReply)
		pushes[0].Link = o.push(pushes[0])[0].Link
		o.wantMembers("replied", map[string]string{lead: memberResponded, contact: memberSent})
		pushes[1] = o.event(pushes[1], domain.PushAnswer{Link: pushes[1].Link}, domain.EventOpen)
		o.push(pushes[0], pushes[1])
		o.wantMembers("another one is opened", map[string]string{lead: memberResponded, contact: memberSent})

		// Who was removed by hand is not added again.
		for _, r := range o.Records(memberObject) {
			if err := o.Delete(r["Id"].(string)); err != nil {
				t.Fatal(err)
			}
		}
		o.push(pushes...)
		o.wantMembers("removed by hand", map[string]string{})
	})
	t.Run("who is a member already", func(t *testing.T) {
		o, campaign := withCampaign(t)
		lead, done := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin"}), o.lead(sandbox.Fields{"InMail_Member_Id__c": "kim"})
		o.make(memberObject, sandbox.Fields{"CampaignId": campaign, "LeadId": lead})
		o.make(memberObject, sandbox.Fields{"CampaignId": campaign, "LeadId": done, "Status": memberResponded})
		pushes := []domain.Push{sent(0, "robin"), sent(1, "kim")}
		for i, a := range o.push(pushes...) {
			if a.Class != domain.Taken || a.Link.Failures != nil {
				t.Errorf("%+v", a)
			}
			pushes[i] = o.event(pushes[i], a, domain.EventOpen, domain.EventReply)
		}
		o.wantMembers("sent", map[string]string{lead: memberSent, done: memberResponded})
		n := o.calls(func() { o.push(pushes...) })
		o.wantMembers("replied", map[string]string{lead: memberResponded, done: memberResponded})
		if n > 1 {
			t.Errorf("it takes %d calls to change a member whose id is known", n)
		}
		late := sent(2, "robin") // known as replied before it is pushed at all, and the answer to the insert is "there"
		late = o.event(late, domain.PushAnswer{}, domain.EventOpen, domain.EventReply)
		if a := o.push(late)[0]; a.Class != domain.Taken || !strings.HasSuffix(a.Link.Notes[memberPart+campaign], ":"+memberResponded) {
			t.Errorf("%+v", a)
		}
	})
	t.Run("refused by the org", func(t *testing.T) {
		o, campaign := withCampaign(t)
		o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin"})
		o.inject(sandbox.Fault{Kind: sandbox.RowRefused, Object: memberObject, Code: "FIELD_CUSTOM_VALIDATION_EXCEPTION", Next: 1})
		p := sent(0, "robin")
		a := o.push(p)[0]
		if f := a.Link.Failures[memberPart+campaign]; f.Class != domain.BadData || f.Object != memberObject || a.Link.RecordID == "" || len(o.tasks()) != 1 {
			t.Errorf("%+v, %d Tasks", a, len(o.tasks()))
		}
		p.Link = a.Link
		if a = o.push(p)[0]; a.Class != domain.Taken || len(o.members()) != 1 {
			t.Errorf("the next push: %+v", a)
		}
	})
	t.Run("a campaign that is gone", func(t *testing.T) {
		o, campaign := withCampaign(t)
		o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin"})
		if err := o.Delete(campaign); err != nil {
			t.Fatal(err)
		}
		o.push(sent(0, "robin"))
		if r := o.inmails()[newID(0)]; r == nil || r[campaignColumn] != nil || r["Lead__c"] == nil || len(o.tasks()) != 1 {
			t.Errorf("the record is %v, with %d Tasks", r, len(o.tasks()))
		}
		if f := faultsOf(o.crm.Check(t.Context()))["campaigns"]; !strings.Contains(f.Detail, campaign+" is not there") || f.Remedy == "" {
			t.Errorf("the check: %+v", f)
		}
	})
	t.Run("without the permission", func(t *testing.T) {
		o := newOrg(t)
		id := o.make("Campaign", sandbox.Fields{"Name": "Demo"})
		o.crm = o.connect(func(c *Config, _ *Deps) { c.Campaigns = []string{"demo=" + id} })
		if f := faultsOf(o.crm.Check(t.Context()))["campaigns"]; !strings.Contains(f.Remedy, "InMail_Campaigns") {
			t.Errorf("the check: %+v", f)
		}
		o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin"})
		a := o.push(sent(0, "robin"))[0]
		if a.Link.RecordID == "" || len(o.tasks()) != 1 || a.Link.Failures[memberPart+id].Object != memberObject {
			t.Errorf("%+v, %d Tasks", a, len(o.tasks()))
		}
	})
	t.Run("a map that comes later, by a reconcile", func(t *testing.T) {
		o := newOrg(t, func(s *sandbox.Options, _ *Config, _ *Deps) { s.CampaignsSetAssigned = true })
		lead := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin"})
		p := sent(0, "robin")
		l := newLedger(p)
		o.record = l
		l.sync(o, o.crm, 1)
		id := o.make("Campaign", sandbox.Fields{"Name": "Demo"})
		o.crm = o.connect(func(c *Config, _ *Deps) { c.Campaigns = []string{"demo=" + id} })
		o.reconcile()
		o.wantMembers("reconciled", map[string]string{lead: memberSent})
		if found := o.reconcile(); !cmp.Equal(found.Drift, drift(nil)) || o.inmails()[newID(0)][campaignColumn] != id {
			t.Errorf("the next one: %+v, %v", found, o.inmails()[newID(0)][campaignColumn])
		}
	})
	t.Run("by a backfill", func(t *testing.T) {
		o, _ := withCampaign(t)
		want := map[string]string{}
		var pushes []domain.Push
		for i := range 5 {
			want[o.lead(sandbox.Fields{"InMail_Member_Id__c": fmt.Sprint("robin", i)})] = memberSent
			pushes = append(pushes, sent(i, domain.MemberID(fmt.Sprint("robin", i))))
		}
		l := newLedger(pushes...)
		o.record = l
		o.crm.bulkAbove = 1
		if _, err := o.crm.Backfill(t.Context(), l, nil); err != nil {
			t.Fatal(err)
		}
		l.sync(o, o.crm, 2)
		o.wantMembers("filled", want)
		if len(o.inmails()) != 5 || len(o.tasks()) != 5 {
			t.Errorf("%d records, %d Tasks", len(o.inmails()), len(o.tasks()))
		}
	})
	t.Run("until the recipient is erased", func(t *testing.T) {
		o, campaign := withCampaign(t)
		other := o.make("Campaign", sandbox.Fields{"Name": "Another"})
		lead, kim := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin-mark"}), o.lead(sandbox.Fields{"InMail_Member_Id__c": "kim"})
		o.make(memberObject, sandbox.Fields{"CampaignId": other, "LeadId": lead})
		p := marked(0)
		o.push(p, sent(1, "kim"))
		p = erase(p)
		p.Link.Notes = nil
		if a := o.push(p)[0]; a.Class != domain.Taken {
			t.Errorf("%+v", a)
		}
		o.wantMembers("erased", map[string]string{kim: memberSent, lead: memberSent})
		for _, r := range o.Records(memberObject) {
			if r["IsDeleted"] != true && r["LeadId"] == lead && r["CampaignId"] == campaign {
				t.Error("the erased is still a member of the Campaign of the tag")
			}
		}
	})
}

// TestCampaignsCostNothingWithoutAMap counts the calls of 1,000 new InMails with Tasks, without and with a
// map of Campaigns.
func TestCampaignsCostNothingWithoutAMap(t *testing.T) {
	for mapped, bar := range map[bool]int{false: 4, true: 5} {
		o := newOrg(t)
		if mapped {
			o, _ = withCampaign(t)
		}
		pushes := o.several(1000)
		o.push(plain(2000)) // logs in
		n := o.calls(func() { o.push(pushes...) })
		if n > bar || len(o.tasks()) != 1000 || mapped != (len(o.members()) == 1000) {
			t.Errorf("mapped %v: %d calls, %d Tasks, %d members", mapped, n, len(o.tasks()), len(o.members()))
		}
		t.Logf("mapped %v: %d calls for 1,000 InMails, Tasks and the fields of their people", mapped, n)
	}
}

func TestParseCampaigns(t *testing.T) {
	got, err := parseCampaigns([]string{"Fair 2026=701SB0000000001", " spring = 701SB0000000002YAA"})
	if err != nil || len(got) != 2 || len(got["fair 2026"]) != 18 || got["spring"] == "" {
		t.Errorf("%v, %v", got, err)
	}
	for _, invalid := range []string{"fair", "=701SB0000000001", "fair=00QSB0000000001", "fair="} {
		if _, err := parseCampaigns([]string{invalid}); err == nil {
			t.Errorf("%q is taken", invalid)
		}
	}
	if _, err := parseCampaigns([]string{"a=701SB0000000001", "A=701SB0000000002"}); err == nil {
		t.Error("a tag that comes twice is taken")
	}
}
