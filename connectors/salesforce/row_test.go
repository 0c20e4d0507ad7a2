package salesforce

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	sfpackage "inmail/connectors/salesforce/package"
	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
)

// anyText draws texts that may break rows: emoji, quotes, control characters, broken UTF-8, references, long
// texts.
func anyText(longest int) *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.StringN(0, 20, -1),
		rapid.SampledFrom([]string{"@{c0.id}", "@@{{", "@{", "😀", "#N/A", ";", "\x00", "\ufffe", "\xff", "\u2028", "\r\n", "  ", "'", `\`, `"`, "<b>&amp;", "=1+1", ",", "\t"}),
		rapid.Custom(func(t *rapid.T) string { return strings.Repeat("長", rapid.IntRange(0, longest).Draw(t, "n")) }),
	)
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(piece, 0, 4).Draw(t, "pieces"), "")
	})
}

// anyInMail draws an InMail after a series of legal events.
func anyInMail(t *rapid.T, id domain.ID) domain.Push {
	at := testNow.Add(-time.Duration(rapid.Int64Range(0, int64(400*time.Hour)).Draw(t, "age")))
	m, _ := domain.New(domain.InMail{ID: id, Sender: "sally", Recipient: "robin",
		Subject: anyText(300).Draw(t, "subject"), Body: anyText(12_000).Draw(t, "body"), Preview: anyText(200).Draw(t, "preview"),
		Category: anyText(60).Draw(t, "category"), Tags: rapid.SliceOfN(anyText(50), 0, 10).Draw(t, "tags"), Replies: rapid.IntRange(0, 5).Draw(t, "replies")}, at)
	first := rapid.SampledFrom([]domain.Event{"", domain.EventDeliver, domain.EventDeliver, domain.EventRefuse, domain.EventFail}).Draw(t, "first")
	if first != "" {
		if _, err := m.Apply(first, at, domain.Code(anyText(100).Draw(t, "reason"))); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range rapid.SliceOfN(rapid.SampledFrom([]domain.Event{domain.EventOpen, domain.EventReply, domain.EventDecline, domain.EventRetract, domain.EventExpire}), 0, 3).Draw(t, "events") {
		at = at.Add(time.Duration(rapid.Int64Range(0, int64(100*time.Hour)).Draw(t, "later")))
		_, _ = m.Apply(e, at, "") // an illegal event changes nothing
	}
	if rapid.IntRange(0, 9).Draw(t, "erased") == 0 {
		m.Sender = domain.Erased
	}
	return domain.Push{InMail: *m, SenderName: anyText(200).Draw(t, "sender"), RecipientName: anyText(200).Draw(t, "recipient"), Email: "robin@example.com"}
}

// TestColumnsAreTheFieldsOfThePackage compares the list of columns with the package's list of stored fields,
// so that no field is forgotten in either. Pushes, the sheets of a backfill and both sides of a reconcile
// must take the whole list.
func TestColumnsAreTheFieldsOfThePackage(t *testing.T) {
	model, err := sfpackage.Load()
	if err != nil {
		t.Fatal(err)
	}
	object, _ := model.Object(inMailObject)
	var stored []string
	for _, f := range object.Fields {
		if !f.Computed() {
			stored = append(stored, f.Name)
		}
	}
	listed := columnNames(nil)
	slices.Sort(listed)
	slices.Sort(stored)
	if diff := cmp.Diff(stored, listed); diff != "" {
		t.Errorf("stored fields of the package (-) and columns (+):\n%s", diff)
	}
	p := sent(0, "robin")
	row := about{Push: &p, text: domain.CRMTextFull}.fields()
	setParents(row, parents{})
	if diff := cmp.Diff(listed, slices.Sorted(maps.Keys(row))); diff != "" {
		t.Errorf("columns (-) and what is pushed (+):\n%s", diff)
	}
	o := newOrg(t, func(_ *sandbox.Options, _ *Config, d *Deps) { d.Text = domain.CRMTextFull })
	asked := strings.Split(comparedFields(), ", ")
	for _, name := range listed {
		if !slices.Contains(asked, name) {
			t.Errorf("a reconcile does not ask for %s", name)
		}
	}
	// A different value of any column in the org is drift.
	p.InMail.Status, p.InMail.Seq, p.Link = domain.Sent, 2, domain.Link{RecordID: "a", PushedSeq: 2, PushedVersion: p.InMail.Version}
	row = about{Push: &p, text: domain.CRMTextFull}.fields()
	setParents(row, parentsOf(p.Link))
	for _, name := range listed {
		if name == inMailKey {
			continue
		}
		other := answeredRow(t, row)
		if other[name] = "edited"; name == "Status_Sequence__c" {
			other[name] = 9
		}
		if d, differs := o.crm.judge(p, answeredRow(t, sandbox.Fields(other)), true); !differs || d.kind != edited {
			t.Errorf("%s edited in the org: %v, %s", name, differs, d.kind)
		}
	}
}

// TestRowsFitThePackage checks that every field that is sent exists in the package and has a legal type and
// length.
func TestRowsFitThePackage(t *testing.T) {
	model, err := sfpackage.Load()
	if err != nil {
		t.Fatal(err)
	}
	object, _ := model.Object(inMailObject)
	rapid.Check(t, func(t *rapid.T) {
		p := anyInMail(t, newID(1))
		policy := rapid.SampledFrom([]domain.CRMText{domain.CRMTextNone, domain.CRMTextPreview, domain.CRMTextFull}).Draw(t, "policy")
		row := about{Push: &p, text: policy}.fields()
		setParents(row, parents{Match: domain.Matched, LeadID: "00Q000000000001AAA"})
		for name, v := range row {
			f, ok := object.Field(name)
			if !ok || f.Computed() {
				t.Fatalf("%s is no field to write", name)
			}
			text, isText := v.(string)
			switch {
			case v == nil && f.Required:
				t.Errorf("%s is required and null", name)
			case v == nil:
			case f.Type == sfpackage.Number:
				if _, ok := v.(int); !ok {
					t.Errorf("%s is a %T", name, v)
				}
			case !isText:
				t.Errorf("%s is a %T", name, v)
			case f.Type == sfpackage.DateTime:
				if _, err := time.Parse(time.RFC3339, text); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			case f.Restricted && !slices.Contains(f.Values, text):
				t.Errorf("%s is %q", name, text)
			case f.Length > 0 && len(utf16.Encode([]rune(text))) > f.Length:
				t.Errorf("%s has %d units of %d", name, len(utf16.Encode([]rune(text))), f.Length)
			case !utf8.ValidString(text), strings.Contains(text, "@{"), strings.ContainsRune(text, 0), text != strings.TrimSpace(text):
				t.Errorf("%s is %q", name, text)
			}
		}
		for _, tag := range strings.Split(fmt.Sprint(row["Tags__c"]), ";") {
			if row["Tags__c"] != nil && tag == "" {
				t.Errorf("tags %q", row["Tags__c"])
			}
		}
		if policy == domain.CRMTextNone && (row["Subject__c"] != nil || row["Preview__c"] != nil || row["Body__c"] != nil) {
			t.Error("a text leaves against the policy")
		}
		if policy != domain.CRMTextFull && row["Body__c"] != nil {
			t.Error("the body leaves against the policy")
		}
		if p.InMail.Sender == domain.Erased && (row["Sender_Member__c"] != nil || row["Sender_Name__c"] != nil) {
			t.Error("an erased sender is named")
		}
	})
}

// TestOrgTakesEveryRow checks that the org takes every row and stores what a reconcile expects there.
func TestOrgTakesEveryRow(t *testing.T) {
	o := newOrg(t, func(_ *sandbox.Options, _ *Config, d *Deps) { d.Text = domain.CRMTextFull })
	lead := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin"})
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		p := anyInMail(t, newID(n))
		a := o.push(p)[0]
		if a.Class != domain.Taken || parentsOf(a.Link).LeadID != lead {
			t.Fatalf("%+v", a)
		}
		p.Link = a.Link
		r, _ := o.Record(a.Link.RecordID)
		answered := answeredRow(t, r)
		if d, differs := o.crm.judge(p, answered, true); differs {
			t.Fatalf("a reconcile would call it %s: %v", d.kind, answered)
		}
	})
}

// answeredRow returns a record as a query answers it.
func answeredRow(t rapid.TB, fields sandbox.Fields) orgRow {
	out := orgRow{}
	for name, v := range fields {
		if at, ok := v.(time.Time); ok {
			v = at.Format("2006-01-02T15:04:05.000-0700")
		}
		out[name] = v
	}
	// The record is encoded and decoded, because the org answers in JSON.
	data, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	out = orgRow{}
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTasks(t *testing.T) {
	t.Run("on a Contact with its Account", func(t *testing.T) {
		o := newOrg(t, func(_ *sandbox.Options, c *Config, _ *Deps) { c.TaskType = "InMail" })
		account := o.make("Account", sandbox.Fields{"Name": "Acme"})
		contact := o.contact(sandbox.Fields{"InMail_Member_Id__c": "robin", "AccountId": account})
		p := sent(0, "robin")
		apply(&p.InMail, domain.EventReply, testNow)
		o.push(p)
		for event, want := range map[string]string{sentEvent: "InMail sent: A plan for the spring", repliedEvent: "InMail replied to: A plan for the spring"} {
			task := o.tasks()[eventID(p.InMail.ID, event)]
			if task["Subject"] != want || task["WhoId"] != contact || task["WhatId"] != account || task["Type"] != "InMail" || task["Status"] != "Completed" || task["ActivityDate"] != "2026-11-23" {
				t.Errorf("%s: %v", event, task)
			}
		}
		for event, want := range map[string]string{
			sentEvent: "Sally Sender to Robin Reader\nDear reader, this is the body.", repliedEvent: "Robin Reader to Sally Sender"} {
			if d := o.tasks()[eventID(p.InMail.ID, event)]["Description"]; d != want {
				t.Errorf("the Task %s says %q", event, d)
			}
		}
	})
	t.Run("without texts where none may leave", func(t *testing.T) {
		o := newOrg(t, func(_ *sandbox.Options, _ *Config, d *Deps) { d.Text = domain.CRMTextNone })
		o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin"})
		o.push(marked(0))
		if places := o.findMark(); len(places) > 0 && !slices.Equal(places, []string{"InMail__c.Recipient_Member__c"}) {
			for _, place := range places {
				if strings.Contains(place, "Task") || strings.Contains(place, "Subject") || strings.Contains(place, "Preview") || strings.Contains(place, "Body") {
					t.Errorf("a text is in %s", place)
				}
			}
		}
	})
	t.Run("switched off", func(t *testing.T) {
		o := newOrg(t, func(_ *sandbox.Options, c *Config, _ *Deps) { c.Tasks = false })
		o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin"})
		if a := o.push(sent(0, "robin"))[0]; logged(a.Link, sentEvent) || len(o.tasks()) != 0 {
			t.Errorf("%+v", a)
		}
	})
	t.Run("by owner, and by the integration user where that is inactive", func(t *testing.T) {
		var owners []string
		o := newOrg(t, func(s *sandbox.Options, c *Config, _ *Deps) {
			s.Credentials.Users = append(s.Credentials.Users, sandbox.User{Username: "active@example.com"}, sandbox.User{Username: "gone@example.com", Inactive: true})
			owners = []string{"sally=005SB0000000002", "peter=005SB0000000003"}
			c.Owners = owners
		})
		users := o.Records("User")
		if users[1]["Id"] != "005SB0000000002YAA" || users[2]["IsActive"] != false {
			t.Fatalf("the users are %v", users)
		}
		o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin"})
		mine, his := sent(0, "robin"), sent(1, "robin")
		his.InMail.Sender = "peter"
		calls := o.calls(func() {
			for _, a := range o.push(mine, his) {
				if a.Class != domain.Taken || !logged(a.Link, sentEvent) {
					t.Errorf("%+v", a)
				}
			}
		})
		if calls != 2 {
			t.Errorf("%d calls: matching with the question for the Users, and writing", calls)
		}
		tasks := o.tasks()
		if got := tasks[eventID(mine.InMail.ID, sentEvent)]["OwnerId"]; got != users[1]["Id"] {
			t.Errorf("owner %v", got)
		}
		if got := tasks[eventID(his.InMail.ID, sentEvent)]["OwnerId"]; got != users[0]["Id"] {
			t.Errorf("owner %v", got)
		}
		third := sent(2, "robin")
		third.InMail.Sender = "peter"
		if calls := o.calls(func() { o.push(third) }); calls != 2 {
			t.Errorf("%d calls: the inactive owner was tried again", calls)
		}
	})
	t.Run("only when somebody was found", func(t *testing.T) {
		o := newOrg(t)
		account := o.make("Account", sandbox.Fields{"Name": "Acme"})
		p := sent(0, "nobody")
		p.InMail.CRM = named(parents{AccountID: account})
		a := o.push(p)[0]
		if a.Class != domain.Taken || a.Link.Match != domain.Matched || parentsOf(a.Link).AccountID != account || len(o.tasks()) != 0 {
			t.Errorf("%+v", a)
		}
	})
}

// TestReplyInWholeSeconds compares what the org computes from two times in whole seconds with the record's
// milliseconds, at the end of the response window (R58, R59).
func TestReplyInWholeSeconds(t *testing.T) {
	const window = 30 * 24 * time.Hour
	for _, sent := range []time.Duration{0, time.Millisecond, 500 * time.Millisecond, 999 * time.Millisecond} {
		for _, off := range []time.Duration{-time.Second, -999 * time.Millisecond, -time.Millisecond, 0, time.Millisecond, 500 * time.Millisecond, 999 * time.Millisecond, time.Second} {
			m := &domain.InMail{Status: domain.Replied, SentAt: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC).Add(sent)}
			m.RepliedAt = m.SentAt.Add(window + off)
			row := about{Push: &domain.Push{InMail: *m}, text: domain.CRMTextNone}.fields()
			stored := func(name string) time.Time {
				at, err := time.Parse(time.RFC3339Nano, row[name].(string))
				if err != nil {
					t.Fatal(err)
				}
				return at.Truncate(time.Second)
			}
			if got := stored("Replied_At__c").Sub(stored("Sent_At__c")) <= window; got != m.InTime(window) {
				t.Errorf("sent %v into a second, answered %v after the window: in time %v in the org, %v here", sent, off, got, m.InTime(window))
			}
		}
	}
}
