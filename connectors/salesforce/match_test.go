package salesforce

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
)

// where returns the parents of an InMail's record in the org, and checks that its answer has the same.
func (o *org) where(a domain.PushAnswer) parents {
	o.t.Helper()
	r, ok := o.Record(a.Link.RecordID)
	if !ok {
		o.t.Fatalf("no record %q; %+v", a.Link.RecordID, a)
	}
	text := func(name string) string { s, _ := r[name].(string); return s }
	there := parents{Match: domain.Match(text("Match__c")), LeadID: text("Lead__c"), ContactID: text("Contact__c"), AccountID: text("Account__c")}
	there.Candidates = strings.NewReplacer("Lead: ", "", "Contact: ", "", "\n", " ").Replace(text(candidatesColumn))
	if diff := cmp.Diff(there, parentsOf(a.Link)); diff != "" {
		o.t.Errorf("the link differs from the org (-org +link):\n%s", diff)
	}
	return there
}

func TestRules(t *testing.T) {
	t.Run("R55_levels_of_matching", testLevels)
	t.Run("R55_an_explicit_id_wins", testExplicit)
	t.Run("R55_never_a_guess", testNeverAGuess)
	t.Run("R55_a_converted_lead_moves_to_contact_and_account", testConverted)
	t.Run("R55_a_merged_record_moves_to_the_winner", testMerged)
	t.Run("R55_a_deleted_lead_is_looked_for_again", testDeletedLead)
	t.Run("R55_matched_once", testMatchedOnce)
	t.Run("R01_no_address_leaves", testNoAddress)
	t.Run("R53_once_whatever_is_lost", testOnce)
	t.Run("R53_never_backwards", testNeverBackwards)
	t.Run("R54_states", testStates)
	t.Run("R56_tags", testTags)
	t.Run("R56_campaigns", testCampaigns)
	t.Run("R59_cohort", testCohort)
	t.Run("R60_erased", testErased)
	t.Run("R60_erased_owner", testErasedOwner)
	t.Run("R60_proved", testProved)
	t.Run("R60_erased_fields_of_people", testErasedPersonFields)
	t.Run("R64_a_reply_that_was_automatic", testAutomaticReply)
}

// testLevels checks the order of the levels: member id on Contact and on Lead, e-mail on Contact and on Lead.
// The first level that has a hit decides.
func testLevels(t *testing.T) {
	o := newOrg(t)
	account := o.make("Account", sandbox.Fields{"Name": "Acme"})
	// Each member is found at its own level and at all later ones.
	ids := map[string]string{}
	for level := range 4 {
		member := fmt.Sprintf("level%d", level)
		email := member + "@example.com"
		if level <= 0 {
			ids[member+"0"] = o.contact(sandbox.Fields{"InMail_Member_Id__c": member, "AccountId": account})
		}
		if level <= 1 {
			ids[member+"1"] = o.lead(sandbox.Fields{"InMail_Member_Id__c": member})
		}
		if level <= 2 {
			ids[member+"2"] = o.contact(sandbox.Fields{"Email": strings.ToUpper(email[:1]) + email[1:]})
		}
		ids[member+"3"] = o.lead(sandbox.Fields{"Email": email})
	}
	answers := o.push(sent(0, "level0"), sent(1, "level1"), sent(2, "level2"), sent(3, "level3"), sent(4, "nobody"))
	want := []parents{
		{Match: domain.Matched, ContactID: ids["level00"], AccountID: account},
		{Match: domain.Matched, LeadID: ids["level11"]},
		{Match: domain.Matched, ContactID: ids["level22"]},
		{Match: domain.Matched, LeadID: ids["level33"]},
		{Match: domain.Unmatched},
	}
	for i, a := range answers {
		if diff := cmp.Diff(want[i], o.where(a)); diff != "" {
			t.Errorf("level %d (-want +got):\n%s", i, diff)
		}
	}
	if n := len(o.tasks()); n != 4 {
		t.Errorf("%d Tasks of four matched InMails and one without", n)
	}
}

func testExplicit(t *testing.T) {
	o := newOrg(t)
	account := o.make("Account", sandbox.Fields{"Name": "Acme"})
	other := o.make("Account", sandbox.Fields{"Name": "Other"})
	contact := o.contact(sandbox.Fields{"AccountId": account})
	lead := o.lead(nil)
	byMember := o.contact(sandbox.Fields{"InMail_Member_Id__c": "robin"})
	given := func(n int, ids domain.CRMIDs) domain.Push {
		p := sent(n, "robin")
		p.InMail.CRM = ids
		return p
	}
	for _, row := range []struct {
		name string
		ids  domain.CRMIDs
		want parents
	}{
		{"contact", named(parents{ContactID: contact}), parents{Match: domain.Matched, ContactID: contact, AccountID: account}},
		{"lead", named(parents{LeadID: lead}), parents{Match: domain.Matched, LeadID: lead}},
		{"of 15 characters", named(parents{LeadID: lead[:15]}), parents{Match: domain.Matched, LeadID: lead}},
		{"account with the contact", named(parents{ContactID: contact, AccountID: other}), parents{Match: domain.Matched, ContactID: contact, AccountID: other}},
		{"account alone", named(parents{AccountID: other}), parents{Match: domain.Matched, ContactID: byMember, AccountID: other}},
		{"one that is not there", named(parents{LeadID: "00Q000000000999"}), parents{Match: domain.Matched, ContactID: byMember}},
		{"no id at all", named(parents{LeadID: "x'y", ContactID: contact[:3]}), parents{Match: domain.Matched, ContactID: byMember}},
		{"of another object", named(parents{LeadID: contact}), parents{Match: domain.Matched, ContactID: byMember}},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := o.push(given(len(o.inmails()), row.ids))[0]
			if diff := cmp.Diff(row.want, o.where(a)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	t.Run("changed later", func(t *testing.T) {
		p := given(100, nil)
		a := o.push(p)[0]
		p.Link = a.Link
		p.InMail.CRM = named(parents{LeadID: lead})
		p.InMail.Version++
		a = o.push(p)[0]
		if diff := cmp.Diff(parents{Match: domain.Matched, LeadID: lead}, o.where(a)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func testNeverAGuess(t *testing.T) {
	o := newOrg(t)
	// Two Contacts have the same member id, and one Lead has the address.
	o.contact(sandbox.Fields{"InMail_Member_Id__c": "twice"})
	o.contact(sandbox.Fields{"InMail_Member_Id__c": "twice"})
	o.lead(sandbox.Fields{"Email": "twice@example.com"})
	// Member ids differ by case, which the org ignores when it compares.
	o.contact(sandbox.Fields{"InMail_Member_Id__c": "Case"})
	upper := o.contact(sandbox.Fields{"InMail_Member_Id__c": "CASE"})
	a := o.push(sent(0, "twice"), sent(1, "CASE"), sent(2, "case"))
	want := []parents{{Match: domain.Ambiguous}, {Match: domain.Matched, ContactID: upper}, {Match: domain.Unmatched}}
	for i := range a {
		got := o.where(a[i])
		if named := len(strings.Fields(got.Candidates)); named != map[domain.Match]int{domain.Ambiguous: 2}[got.Match] {
			t.Errorf("%d: %d candidates", i, named)
		}
		got.Candidates = ""
		if diff := cmp.Diff(want[i], got); diff != "" {
			t.Errorf("%d (-want +got):\n%s", i, diff)
		}
	}
}

func testConverted(t *testing.T) {
	t.Run("before the first push, by an explicit id", func(t *testing.T) {
		o := newOrg(t)
		lead := o.lead(nil)
		to, err := o.Convert(lead, sandbox.Conversion{})
		if err != nil {
			t.Fatal(err)
		}
		p := sent(0, "robin")
		p.InMail.CRM = named(parents{LeadID: lead})
		a := o.push(p)[0]
		want := parents{Match: domain.Matched, ContactID: to.ContactID, AccountID: to.AccountID}
		if diff := cmp.Diff(want, o.where(a)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		// A known conversion costs no second query.
		p = o.event(p, a, domain.EventOpen)
		if n := o.calls(func() { a = o.push(p)[0] }); n != 1 || a.Class != domain.Taken {
			t.Errorf("%d calls, %+v", n, a)
		}
	})
	t.Run("between pushes", func(t *testing.T) {
		o := newOrg(t)
		lead := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin", "Email": "other@example.com"})
		p := sent(0, "robin")
		a := o.push(p)[0]
		to, err := o.Convert(lead, sandbox.Conversion{})
		if err != nil {
			t.Fatal(err)
		}
		p = o.event(p, a, domain.EventReply)
		a = o.push(p)[0]
		// The state was written because the Lead was not named again. Its Task failed.
		if a.Class != domain.LostReference || a.Link.PushedSeq != p.InMail.Seq || logged(a.Link, repliedEvent) {
			t.Fatalf("%+v", a)
		}
		p.Link = a.Link
		a = o.push(p)[0]
		want := parents{Match: domain.Matched, ContactID: to.ContactID, AccountID: to.AccountID}
		if diff := cmp.Diff(want, o.where(a)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		task := o.tasks()[eventID(p.InMail.ID, repliedEvent)]
		if task["WhoId"] != to.ContactID || task["WhatId"] != to.AccountID {
			t.Errorf("the Task has the parents %v and %v", task["WhoId"], task["WhatId"])
		}
	})
}

func testMerged(t *testing.T) {
	t.Run("what is known of a merge is not asked again", func(t *testing.T) {
		o := newOrg(t)
		two := func(object string, fields sandbox.Fields) (winner, loser string) {
			winner, loser = o.make(object, fields), o.make(object, fields)
			if err := o.Merge(winner, loser); err != nil {
				t.Fatal(err)
			}
			return winner, loser
		}
		lead, oldLead := two("Lead", sandbox.Fields{"LastName": "L", "Company": "Acme"})
		contact, oldContact := two("Contact", sandbox.Fields{"LastName": "C"})
		account, oldAccount := two("Account", sandbox.Fields{"Name": "Acme"})
		for i, row := range []struct {
			given domain.CRMIDs
			want  parents
		}{
			{named(parents{LeadID: oldLead}), parents{Match: domain.Matched, LeadID: lead}},
			{named(parents{ContactID: oldContact, AccountID: oldAccount}), parents{Match: domain.Matched, ContactID: contact, AccountID: account}},
		} {
			p := sent(i, "robin")
			p.InMail.CRM = row.given
			a := o.push(p)[0]
			if diff := cmp.Diff(row.want, o.where(a)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			p = o.event(p, a, domain.EventOpen)
			if n := o.calls(func() { a = o.push(p)[0] }); n != 1 || a.Class != domain.Taken {
				t.Errorf("%d calls, %+v", n, a)
			}
		}
	})
	for _, object := range []string{"Lead", "Contact"} {
		t.Run(object, func(t *testing.T) {
			o := newOrg(t)
			fields := sandbox.Fields{"InMail_Member_Id__c": "robin"}
			loser, winner := "", ""
			if object == "Lead" {
				loser, winner = o.lead(fields), o.lead(nil)
			} else {
				loser, winner = o.contact(fields), o.contact(nil)
			}
			p := sent(0, "robin")
			a := o.push(p)[0]
			if err := o.Merge(winner, loser); err != nil {
				t.Fatal(err)
			}
			// The Task of the reply names the record that lost the merge and is deleted.
			p = o.event(p, a, domain.EventReply)
			a = o.push(p)[0]
			if a.Class != domain.LostReference {
				t.Fatalf("%+v", a)
			}
			p.Link = a.Link
			a = o.push(p)[0]
			want := parents{Match: domain.Matched, LeadID: winner}
			if object == "Contact" {
				want = parents{Match: domain.Matched, ContactID: winner}
			}
			if diff := cmp.Diff(want, o.where(a)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if who := o.tasks()[eventID(p.InMail.ID, repliedEvent)]["WhoId"]; who != winner {
				t.Errorf("the Task has the parent %v, want %s", who, winner)
			}
		})
	}
}

func testDeletedLead(t *testing.T) {
	o := newOrg(t)
	lead := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin"})
	p := sent(0, "robin")
	a := o.push(p)[0]
	if err := o.Delete(lead); err != nil {
		t.Fatal(err)
	}
	contact := o.contact(sandbox.Fields{"Email": "robin@example.com"})
	p = o.event(p, a, domain.EventReply)
	a = o.push(p)[0]
	if a.Class != domain.LostReference {
		t.Fatalf("%+v", a)
	}
	p.Link = a.Link
	a = o.push(p)[0]
	if diff := cmp.Diff(parents{Match: domain.Matched, ContactID: contact}, o.where(a)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	t.Run("and let go in the end", func(t *testing.T) {
		p := sent(1, "stranger")
		p.InMail.CRM = named(parents{LeadID: lead}) // the Lead is deleted and nobody else is found
		p.Link = linked(domain.Link{Class: domain.LostReference, Attempts: lostTries}, parents{Match: domain.Matched, LeadID: lead})
		a := o.push(p)[0]
		if diff := cmp.Diff(parents{Match: domain.Unmatched}, o.where(a)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// testMatchedOnce checks that a matched InMail is not matched again, even when another record would match
// better now.
func testMatchedOnce(t *testing.T) {
	o := newOrg(t)
	lead := o.lead(sandbox.Fields{"Email": "robin@example.com"})
	p := sent(0, "robin")
	a := o.push(p)[0]
	o.contact(sandbox.Fields{"InMail_Member_Id__c": "robin"})
	p = o.event(p, a, domain.EventOpen)
	if n := o.calls(func() { a = o.push(p)[0] }); n != 1 {
		t.Errorf("%d calls", n)
	}
	if diff := cmp.Diff(parents{Match: domain.Matched, LeadID: lead}, o.where(a)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMatchManyWithOddAddresses checks that thousands of addresses with characters that are special in SOQL
// and in URLs find their people, and that the queries stay within the org's limits.
func TestMatchManyWithOddAddresses(t *testing.T) {
	o := newOrg(t, func(_ *sandbox.Options, c *Config, _ *Deps) { c.Tasks = false })
	var pushes []domain.Push
	want := map[domain.ID]string{}
	for i := range 3000 {
		member := domain.MemberID(strings.Repeat("m", 50) + fmt.Sprintf(":%06d._-", i))
		p := sent(i, member)
		email := fmt.Sprintf("o'neil+%d%%&=#@long-%s.example.com", i, strings.Repeat("x", 20))
		p.Email = domain.Email(email)
		pushes = append(pushes, p)
		if i%3 == 0 {
			want[p.InMail.ID] = o.lead(sandbox.Fields{"Email": email})
		}
	}
	for i := 0; i < len(pushes); i += 1000 {
		n := o.calls(func() {
			for _, a := range o.push(pushes[i : i+1000]...) {
				if a.Class != domain.Taken || parentsOf(a.Link).LeadID != want[a.Link.InMail] {
					t.Fatalf("%+v, want the Lead %q", a, want[a.Link.InMail])
				}
			}
		})
		if n > 3 {
			t.Errorf("%d calls for a thousand", n)
		}
	}
}

// TestShorterQueriesWhereTheOrgWantsThem checks that an org which refuses long queries inside a Composite
// call gets shorter ones, now and later.
func TestShorterQueriesWhereTheOrgWantsThem(t *testing.T) {
	o := newOrg(t, func(_ *sandbox.Options, c *Config, _ *Deps) { c.Tasks = false })
	var pushes []domain.Push
	for i := range 1000 {
		pushes = append(pushes, sent(i, domain.MemberID(fmt.Sprintf("member-%040d", i))))
	}
	lead := o.lead(sandbox.Fields{"InMail_Member_Id__c": string(pushes[999].InMail.Recipient)})
	refused := 0
	o.through(longQueries(16_384, &refused))
	answers := o.push(pushes...)
	if a := answers[999]; a.Class != domain.Taken || parentsOf(a.Link).LeadID != lead {
		t.Fatalf("%+v", a)
	}
	if refused == 0 {
		t.Fatal("nothing was refused: the test tests nothing")
	}
	before := refused
	for i := range pushes {
		pushes[i] = sent(1000+i, pushes[i].InMail.Recipient)
	}
	o.push(pushes...)
	if refused != before {
		t.Errorf("it was tried again: %d refusals, then %d", before, refused)
	}
}

func TestAskFollowsEveryPage(t *testing.T) {
	o := newOrg(t)
	for i := range 2500 {
		o.lead(sandbox.Fields{"Email": fmt.Sprintf("lead%d@example.com", i)})
	}
	records := 0
	q := &query{n: 1, soql: func([]int) string { return "SELECT Id FROM Lead" }, read: func([]byte) error { records++; return nil }}
	if err := o.crm.ask(context.Background(), q); err != nil || records != 2500 {
		t.Errorf("%d records, %v", records, err)
	}
}
