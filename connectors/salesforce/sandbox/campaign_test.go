package sandbox

import (
	"strings"
	"testing"
)

// TestCampaignMembers checks that a person is in a campaign once, with one of its statuses, and goes along
// when a lead is converted.
func TestCampaignMembers(t *testing.T) {
	g := newOrg(t)
	fair := g.insert("Campaign", Fields{"Name": "Fair"})
	lead := g.insert("Lead", Fields{"LastName": "Doe", "Company": "ACME"})
	contact := g.insert("Contact", Fields{"LastName": "Roe"})
	member := g.insert("CampaignMember", Fields{"CampaignId": fair, "LeadId": lead})
	if g.value(member, "Status") != "Sent" || g.value(member, "HasResponded") != false {
		t.Errorf("a new member is %v, responded %v", g.value(member, "Status"), g.value(member, "HasResponded"))
	}
	if statuses := g.query("SELECT Label, HasResponded, IsDefault FROM CampaignMemberStatus ORDER BY Label"); len(statuses) != 2 || statuses[0]["Label"] != "Responded" || statuses[1]["IsDefault"] != true {
		t.Errorf("statuses are %v", statuses)
	}
	g.insert("CampaignMember", Fields{"CampaignId": fair, "ContactId": contact, "Status": "Responded"})
	for code, fields := range map[string]Fields{
		"DUPLICATE_VALUE":        {"CampaignId": fair, "LeadId": lead},
		"INVALID_STATUS":         {"CampaignId": fair, "LeadId": g.insert("Lead", Fields{"LastName": "Moe", "Company": "ACME"}), "Status": "Planned"},
		"REQUIRED_FIELD_MISSING": {"CampaignId": fair},
	} {
		if _, err := g.Insert("CampaignMember", fields); err == nil || !strings.Contains(err.Error(), code) {
			t.Errorf("want %s, got %v", code, err)
		}
	}
	if err := g.Edit(member, Fields{"Status": "Responded"}); err != nil {
		t.Fatal(err)
	}
	if g.value(member, "HasResponded") != true || g.value(member, "FirstRespondedDate") == nil {
		t.Errorf("it has responded: %v, on %v", g.value(member, "HasResponded"), g.value(member, "FirstRespondedDate"))
	}
	to, err := g.Convert(lead, Conversion{})
	if err != nil {
		t.Fatal(err)
	}
	if g.value(member, "ContactId") != to.ContactID || g.value(member, "LeadId") != nil {
		t.Errorf("after the conversion it is %v, %v", g.value(member, "ContactId"), g.value(member, "LeadId"))
	}
}
