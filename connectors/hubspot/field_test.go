package hubspot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/connectors/hubspot/sandbox"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// TestMatch checks who is found for an InMail, level by level (R55).
func TestMatch(t *testing.T) {
	t.Run("levels", func(t *testing.T) {
		w := newWorld(t)
		byMember := w.contact("robin")
		byMail := w.make(contacts, map[string]string{"email": "kim@example.com"})
		more := w.make(contacts, map[string]string{"email": "lee@other.example"})
		w.must(w.AddEmail(more, "lee@example.com"))
		named := w.make(contacts, map[string]string{"lastname": "Named"})
		firm := w.make(companies, map[string]string{"name": "Given"})
		explicit := sent(4, "robin")
		explicit.InMail.CRM = domain.CRMIDs{Name: {contactID: named, companyID: firm}}
		company := sent(5, "nobody")
		company.InMail.CRM = domain.CRMIDs{Name: {companyID: firm}}
		gone := sent(6, "kim")
		gone.InMail.CRM = domain.CRMIDs{Name: {contactID: "999999"}}
		var got []domain.ForeignIDs
		for _, a := range w.push(sent(1, "robin"), sent(2, "kim"), sent(3, "Lee"), explicit, company, gone, sent(7, "Robin")) {
			got = append(got, a.Link.Parents)
		}
		want := []domain.ForeignIDs{{contactID: byMember}, {contactID: byMail}, {contactID: more}, {contactID: named, companyID: firm},
			{companyID: firm}, {contactID: byMail}, nil} // a member id in another case is another member
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("the_primary_company_or_the_only_one", func(t *testing.T) {
		w := newWorld(t)
		var firms []string
		for _, name := range []string{"A", "B", "C"} {
			firms = append(firms, w.make(companies, map[string]string{"name": name}))
		}
		several, only, none := w.contact("several"), w.contact("only"), w.contact("none")
		w.must(w.Associate(several, firms[0], false))
		w.must(w.Associate(several, firms[1], true))
		w.must(w.Associate(only, firms[2], false))
		w.must(w.Associate(none, firms[0], false))
		w.must(w.Associate(none, firms[2], false))
		var got []string
		for _, a := range w.push(sent(1, "several"), sent(2, "only"), sent(3, "none")) {
			got = append(got, a.Link.Parents[companyID])
		}
		if diff := cmp.Diff([]string{firms[1], firms[2], ""}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("another_id_later_moves_it", func(t *testing.T) {
		w := newWorld(t)
		first, second := w.contact("robin"), w.make(contacts, map[string]string{"lastname": "Second"})
		p := sent(1, "robin")
		p = then(p, w.push(p)[0], domain.EventReply)
		a := w.push(p)[0]
		p = then(p, a)
		p.InMail.CRM, p.InMail.Version = domain.CRMIDs{Name: {contactID: second}}, p.InMail.Version+1
		if a := w.push(p)[0]; a.Class != domain.Taken || a.Link.Parents[contactID] != second {
			t.Fatalf("%+v", a)
		}
		for key, r := range w.messages() {
			if diff := cmp.Diff([]string{second}, r.Linked[contacts]); diff != "" {
				t.Errorf("%s, first of %s (-want +got):\n%s", key, first, diff)
			}
		}
	})
	t.Run("an_address_that_is_none_spoils_no_other", func(t *testing.T) {
		w := newWorld(t)
		var pushes []domain.Push
		for i := range 20 {
			member := domain.MemberID(fmt.Sprint("m", i))
			w.make(contacts, map[string]string{"email": fmt.Sprintf("m%d@example.com", i)})
			pushes = append(pushes, sent(i, member))
		}
		pushes[7].Email = "jürgen@example.com"
		for i, a := range w.push(pushes...) {
			if want := map[bool]domain.Match{true: domain.Matched, false: domain.Unmatched}[i != 7]; a.Link.Match != want {
				t.Errorf("%d is %s", i, a.Link.Match)
			}
		}
	})
	t.Run("a_merged_contact_is_followed_also_where_nothing_lists_it", func(t *testing.T) {
		w := newWorld(t, func(o *sandbox.Options, _ *Config, _ *Deps) { o.HideMerged = true })
		first, second := w.make(contacts, map[string]string{"lastname": "A"}), w.make(contacts, map[string]string{"lastname": "B"})
		named := func(n int) domain.Push {
			p := sent(n, "nobody")
			p.InMail.CRM = domain.CRMIDs{Name: {contactID: first}}
			return p
		}
		p := named(1)
		a := w.push(p)[0]
		won, err := w.Merge(contacts, first, second)
		w.must(err)
		p = then(p, a, domain.EventOpen)
		answers := w.push(named(2), p)
		for _, a := range answers {
			if a.Class != domain.Taken || a.Link.Parents[contactID] != won {
				t.Errorf("%+v", a)
			}
		}
		p = then(p, answers[1], domain.EventReply)
		if n := w.calls(func() { w.push(p) }); n != 4 { // what is known of a merge is not asked again
			t.Errorf("%d calls", n)
		}
	})
	t.Run("judge", func(t *testing.T) {
		w := newWorld(t)
		if err := w.crm.Judge(domain.ForeignIDs{contactID: "51234", companyID: "1"}); err != nil {
			t.Error(err)
		}
		for _, id := range []string{"0", "12a", "-1", "12345678901234567890", "003Ak000001XyZz"} {
			if err := w.crm.Judge(domain.ForeignIDs{contactID: id}); !errors.Is(err, domain.BadRequest) {
				t.Errorf("%s: %v", id, err)
			}
		}
	})
}

// TestFailures checks the class and the detail of each way in which HubSpot refuses, and what follows.
func TestFailures(t *testing.T) {
	for name, row := range map[string]struct {
		harm   func(*world)
		class  domain.FailureClass
		detail string
		dead   bool
	}{
		"burst":   {func(w *world) { w.Inject(sandbox.Fault{Kind: sandbox.BurstLimit, Times: 1}) }, domain.LimitReached, "RATE_LIMIT_TEN_SECONDLY_ROLLING", false},
		"daily":   {func(w *world) { w.Inject(sandbox.Fault{Kind: sandbox.DailyLimit, Times: 1}) }, domain.LimitReached, "RATE_LIMIT_DAILY", false},
		"moving":  {func(w *world) { w.Inject(sandbox.Fault{Kind: sandbox.Moving, Times: 1, Delay: 3 * time.Hour}) }, domain.LimitReached, "PORTAL_MOVES", false},
		"locked":  {func(w *world) { w.Inject(sandbox.Fault{Kind: sandbox.LockedFor2s, Times: 1}) }, domain.Locked, "LOCKED", false},
		"revoked": {func(w *world) { w.Inject(sandbox.Fault{Kind: sandbox.Revoked, Times: 1}) }, domain.LoginFailed, "INVALID_AUTHENTICATION", false},
		"gateway": {func(w *world) { w.Inject(sandbox.Fault{Kind: sandbox.BadGateway, Times: 1}) }, domain.Unreachable, "HTTP 502", false},
		"cut":     {func(w *world) { w.Inject(sandbox.Fault{Kind: sandbox.DropBefore}) }, domain.Unreachable, "no answer", false},
		"refused_row": {func(w *world) {
			w.Inject(sandbox.Fault{Kind: sandbox.RowRefused, Code: "INVALID_OPTION", Property: "inmail_category"})
		}, domain.BadData, "INVALID_OPTION (inmail_category)", true},
		"no_property":  {func(w *world) { w.RemoveProperty(communications, statusProperty) }, domain.Configuration, "PROPERTY_DOESNT_EXIST (inmail_status)", false},
		"other_portal": {func(w *world) { w.crm = w.connect(func(c *Config, _ *Deps) { c.Portal = 12 }) }, domain.Configuration, "PORTAL_IS_ANOTHER (hubspot.portal)", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.contact("robin")
			w.crm = w.connect()
			row.harm(w)
			p := sent(1, "robin")
			a := w.push(p)[0]
			if a.Class != row.class || a.Link.Detail != row.detail {
				t.Fatalf("%s: %s; %+v", a.Class, a.Link.Detail, a.Link)
			}
			switch f := a.Link.Failures[a.Link.Parts()[0]]; {
			case row.class == domain.LimitReached && (f.Attempts != 0 || !a.Until.After(w.clock.Now())):
				t.Errorf("%+v until %s", f, a.Until)
			case row.class != domain.LimitReached && f.Attempts != 1:
				t.Errorf("%+v", f)
			case name == "locked" && f.Until.Sub(w.clock.Now()) != 2*time.Second,
				name == "moving" && a.Until.Sub(w.clock.Now()) != 3*time.Hour,
				name == "daily" && !a.Until.Equal(time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)),
				name == "burst" && a.Until.Sub(w.clock.Now()) != 10*time.Second:
				t.Errorf("until %s, %s", a.Until, f.Until)
			}
			if name == "no_property" || name == "other_portal" {
				return
			}
			w.ClearFaults()
			w.must(w.crm.Resume(context.Background()))
			w.clock.move(5 * time.Minute)
			if a := w.push(then(p, a))[0]; a.Class != domain.Taken || len(a.Link.Failures) != 0 {
				t.Errorf("after that: %s %+v", a.Class, a.Link)
			}
			if n := len(w.messages()); n != 1 {
				t.Errorf("%d messages", n)
			}
		})
	}
	t.Run("a_scope_that_lacks_is_named", func(t *testing.T) {
		w := newBareWorld(t, func(o *sandbox.Options, _ *Config, _ *Deps) { o.Scopes = []string{"crm.objects.contacts.read"} })
		if a := w.push(sent(1, "robin"))[0]; a.Class != domain.Configuration {
			t.Errorf("%+v", a)
		}
		_, err := w.crm.Setup(context.Background(), true)
		if f := asFault(err); f.Detail() != "MISSING_SCOPES (crm.schemas.contacts.write)" {
			t.Errorf("%v", err)
		}
	})
	t.Run("one_bad_row_spoils_no_other", func(t *testing.T) {
		w := newWorld(t)
		var pushes []domain.Push
		for i := range 60 {
			member := domain.MemberID(fmt.Sprint("m", i))
			w.contact(member)
			pushes = append(pushes, sent(i, member))
		}
		w.push(pushes[0]) // learns of the portal
		w.Inject(sandbox.Fault{Kind: sandbox.RowRefused, Code: "INVALID_OPTION", Property: "inmail_category", Times: 1})
		for i, a := range w.push(pushes[1:]...) { // a creation with trace ids: the row fails alone
			pushes[i+1] = then(pushes[i+1], a, domain.EventOpen)
		}
		if n := len(w.messages()); n != 59 {
			t.Errorf("%d of 60", n)
		}
		w.ClearFaults()
		w.Inject(sandbox.Fault{Kind: sandbox.RowRefused, Code: "INVALID_OPTION", Property: "inmail_category", Times: 1})
		classes := map[domain.FailureClass]int{}
		for _, a := range w.push(pushes[1:]...) { // an update fails as a whole: its halves pass
			classes[a.Class]++
		}
		if classes[domain.BadData] > 1 || classes[domain.Taken] < 58 {
			t.Errorf("%v", classes)
		}
	})
	t.Run("an_owner_who_left_is_passed_over", func(t *testing.T) {
		w := newWorld(t, func(_ *sandbox.Options, c *Config, _ *Deps) { c.Owners = []string{"sally=77", "bob=bob@acme.example"} })
		w.AddOwner(sandbox.Owner{ID: "77", Email: "sally@acme.example"})
		w.AddOwner(sandbox.Owner{ID: "78", Email: "bob@acme.example"})
		w.AddOwner(sandbox.Owner{ID: "79", Email: "carol@acme.example"})
		w.contact("robin")
		byBob, byCarol := sent(2, "robin"), sent(3, "robin")
		byBob.InMail.Sender = "bob"
		byCarol.InMail.Sender, byCarol.SenderEmail = "carol", "Carol@acme.example"
		w.push(sent(1, "robin"), byBob, byCarol)
		var got []string
		for i := range 3 {
			got = append(got, w.messages()[eventID(newID(i+1), sentEvent)].Properties[ownerProperty])
		}
		if diff := cmp.Diff([]string{"77", "78", "79"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		w.ArchiveOwner("77")
		if a := w.push(sent(4, "robin"), byBob)[0]; a.Class != domain.Taken || a.Link.RecordID == "" {
			t.Errorf("%+v", a)
		}
	})
}

// TestLost checks that a creation whose answer is lost, in every way, makes one record (R53).
func TestLost(t *testing.T) {
	for _, kind := range []sandbox.FaultKind{sandbox.DropAfter, sandbox.ErrorAfter, sandbox.Truncated, sandbox.DropBefore, sandbox.CommitLate} {
		for _, conflicts := range []bool{false, true} {
			t.Run(fmt.Sprint(kind, "/by_row_", conflicts), func(t *testing.T) {
				w := newWorld(t, func(o *sandbox.Options, _ *Config, _ *Deps) { o.RowConflict = conflicts })
				w.contact("robin")
				w.push(sent(9, "robin"))
				p := sent(1, "robin")
				w.Inject(sandbox.Fault{Kind: kind, Times: 1, Path: "communications/batch/create", Delay: 30 * time.Second})
				a := w.push(p)[0]
				if a.Class != domain.Unreachable || a.Link.Notes[unsureNote] == "" {
					t.Fatalf("%+v", a)
				}
				fresh := then(p, a, domain.EventOpen)
				if kind == sandbox.DropAfter { // its process was killed: nothing is known of the call
					fresh.Link = p.Link
				}
				a = w.push(fresh)[0]
				if a.Class != domain.Taken || a.Link.RecordID == "" || a.Link.Notes[unsureNote] != "" {
					t.Fatalf("%+v", a)
				}
				w.clock.move(time.Minute)
				w.CommitLate()
				all := w.messages()
				if r := all[eventID(p.InMail.ID, sentEvent)]; len(all) != 2 || r.Properties[statusProperty] != "opened" {
					t.Errorf("%d messages; %v", len(all), r.Properties)
				}
			})
		}
	}
	for _, kind := range []sandbox.FaultKind{sandbox.DropAfter, sandbox.DropBefore, sandbox.CommitLate} {
		for _, killed := range []bool{false, true} {
			if killed && kind == sandbox.CommitLate {
				continue // a killed process leaves nothing that would make the next one wait: the weaker guarantee
			}
			t.Run(fmt.Sprint("without_unique_keys/", kind, "/killed_", killed), func(t *testing.T) {
				w := newWorld(t, func(o *sandbox.Options, _ *Config, _ *Deps) { o.PlainKeys = true })
				w.contact("robin")
				w.push(sent(9, "robin"))
				p := sent(1, "robin")
				want := 2 // with the first
				if !killed {
					apply(&p.InMail, domain.EventReply, testNow)
					want = 3
				}
				w.Inject(sandbox.Fault{Kind: kind, Times: 1, Path: "communications/batch/create", Delay: time.Minute})
				a := w.push(p)[0]
				if a.Class != domain.Unreachable {
					t.Fatalf("%+v", a)
				}
				if !killed {
					p.Link = a.Link
					if a = w.push(p)[0]; a.Class != domain.Locked || a.Link.Detail != "CREATION_MAY_COME_LATE" {
						t.Fatalf("%+v", a)
					}
					p.Link = a.Link
					w.clock.move(serverTime)
				}
				if a = w.push(p)[0]; a.Class != domain.Taken || a.Link.RecordID == "" {
					t.Fatalf("%+v", a)
				}
				if n := len(w.messages()); n != want {
					t.Errorf("%d messages, not %d", n, want)
				}
			})
		}
	}
	t.Run("an_update_that_comes_late_is_written_over", func(t *testing.T) {
		w := newWorld(t)
		w.contact("robin")
		p := sent(1, "robin")
		p = then(p, w.push(p)[0], domain.EventOpen)
		w.Inject(sandbox.Fault{Kind: sandbox.CommitLate, Times: 1, Path: "communications/batch/update", Delay: 100 * time.Second})
		a := w.push(p)[0]
		if a.Class != domain.Unreachable || a.Link.Notes[lateNote] == "" {
			t.Fatalf("%+v", a)
		}
		p = then(p, a, domain.EventReply)
		a = w.push(p)[0]
		late := a.Link.Failures[latePart]
		if late.Class != domain.Locked || a.Link.PushedVersion != p.InMail.Version || late.Until.Sub(w.clock.Now()) != serverTime {
			t.Fatalf("%+v", a)
		}
		status := func() string { return w.messages()[eventID(p.InMail.ID, sentEvent)].Properties[statusProperty] }
		if status() != "replied" {
			t.Errorf("%s", status())
		}
		w.clock.move(serverTime)
		w.CommitLate()
		if status() != "opened" {
			t.Fatalf("the update did not come late: %s", status())
		}
		p.Link = a.Link
		if a := w.push(p)[0]; a.Class != domain.Taken || a.Link.Notes[lateNote] != "" || status() != "replied" {
			t.Errorf("%s: %+v", status(), a)
		}
	})
}

// TestRemoved checks that what is gone in HubSpot stays gone, whatever happens to its InMail.
func TestRemoved(t *testing.T) {
	for name, remove := range map[string]func(w *world, contact, record string){
		"by_a_person": func(w *world, _, record string) { w.must(w.Delete(communications, record)) },
		"with_its_contact": func(w *world, contact, _ string) {
			if err := w.crm.call(context.Background(), updating, "POST", w.crm.path("objects", contacts, "gdpr-delete"), map[string]string{"objectId": contact}, nil); err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			contact := w.contact("robin")
			p := sent(1, "robin")
			a := w.push(p)[0]
			remove(w, contact, a.Link.RecordID)
			for _, e := range []domain.Event{domain.EventOpen, domain.EventReply} {
				p = then(p, a, e)
				a = w.push(p)[0]
				if a.Class != domain.Taken || a.Link.Notes[sentNote] != removed || a.Link.RecordID != "" || a.Link.PushedVersion != p.InMail.Version {
					t.Errorf("%s: %+v", e, a)
				}
			}
			if name == "by_a_person" { // an erasure forgets the note; the key in the recycle bin says it
				p.Link = domain.Link{}
				if a := w.push(p)[0]; a.Class != domain.Taken || a.Link.Notes[sentNote] != removed {
					t.Errorf("%+v", a)
				}
			}
			if n := len(w.messages()); n > 1 {
				t.Errorf("%d messages", n)
			}
			if _, again := w.messages()[eventID(p.InMail.ID, sentEvent)]; again {
				t.Error("it is there again")
			}
		})
	}
}

// TestPortal checks what is known of the portal: another one is refused, and a link to another begins anew.
func TestPortal(t *testing.T) {
	w, other := newWorld(t), newWorld(t, func(o *sandbox.Options, _ *Config, _ *Deps) { o.Portal = 12 })
	w.contact("robin")
	other.contact("robin")
	p := sent(1, "robin")
	a := w.push(p)[0]
	var k kept
	if err := json.Unmarshal(w.crm.Budget().Kept, &k); err != nil || k.Portal != 4711 || k.Calls == 0 {
		t.Fatalf("%+v, %v", k, err)
	}
	w.must(other.crm.Remember(context.Background(), w.crm.Budget().Kept))
	other.crm.forgetPortal()
	if a := other.push(p)[0]; a.Class != domain.Configuration || a.Link.Detail != "PORTAL_CHANGED (hubspot.portal)" {
		t.Fatalf("%+v", a)
	}
	meant := other.connect(func(c *Config, _ *Deps) { c.Portal = 12 })
	w.must(meant.Remember(context.Background(), w.crm.Budget().Kept))
	if b := pushBy(t, meant, then(p, a))[0]; b.Class != domain.Taken || b.Link.Notes[portalNote] != "12" || len(other.messages()) != 1 {
		t.Errorf("%+v", b)
	}
	real := a.Link
	c, err := New(Default(), Deps{Clock: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	want := "https://app.hubspot.com/contacts/4711/record/0-1/" + real.Parents[contactID] + "/?engagement=" + real.RecordID
	if got := c.RecordURL(real); got != want || w.crm.RecordURL(real) != "" {
		t.Errorf("%s, and of the sandbox %q", got, w.crm.RecordURL(real))
	}
}

// TestSetup checks what the set-up shows and makes.
func TestSetup(t *testing.T) {
	ctx := context.Background()
	states := func(steps []mailroom.SetupStep) map[string]int {
		n := map[string]int{}
		for _, s := range steps {
			n[s.State]++
		}
		return n
	}
	t.Run("shown_then_made_then_there", func(t *testing.T) {
		w := newBareWorld(t)
		shown, err := w.crm.Setup(ctx, false)
		if n := states(shown); err != nil || n[mailroom.StepMissing] != len(model)+2 || n[mailroom.StepMade] != 0 {
			t.Errorf("shown: %v, %v", n, err)
		}
		made, err := w.crm.Setup(ctx, true)
		if n := states(made); err != nil || n[mailroom.StepMade] != len(model)+2 || n[mailroom.StepFailed] != 0 {
			t.Errorf("made: %v, %v\n%+v", n, err, made)
		}
		again, err := w.crm.Setup(ctx, true)
		if n := states(again); err != nil || n[mailroom.StepThere] != len(again) {
			t.Errorf("again: %v, %v\n%+v", n, err, again)
		}
		for _, f := range w.crm.Check(ctx) {
			if !f.OK {
				t.Errorf("%+v", f)
			}
		}
	})
	t.Run("a_free_portal_holds_the_small_model", func(t *testing.T) {
		w := newWorld(t, func(o *sandbox.Options, _ *Config, _ *Deps) { o.Tier = sandbox.Free })
		steps, err := w.crm.Setup(ctx, true)
		if n := states(steps); err != nil || n[mailroom.StepThere] != len(steps) {
			t.Fatalf("%v\n%+v", err, steps)
		}
		w.contact("robin")
		p := sent(1, "robin")
		p = then(p, w.push(p)[0], domain.EventReply)
		w.push(p)
		all := w.messages()
		r := all[eventID(p.InMail.ID, sentEvent)]
		if len(all) != 2 || r.Properties[statusProperty] != "replied" || r.Properties["inmail_responded"] != "1" || r.Properties["inmail_subject"] != "" {
			t.Errorf("%d; %v", len(all), r.Properties)
		}
	})
	t.Run("a_taken_name_is_a_failure_and_a_missing_option_is_added", func(t *testing.T) {
		w := newBareWorld(t)
		w.must(w.AddProperty(communications, sandbox.Property{Name: "inmail_replies", Label: "x", Type: "string", FieldType: "text"}))
		w.must(w.AddProperty(communications, sandbox.Property{Name: statusProperty, Label: "y", Type: "enumeration", FieldType: "select",
			Options: []sandbox.Option{{Label: "Sent", Value: "sent"}}}))
		steps, err := w.crm.Setup(ctx, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range steps {
			if s.What == "communications.inmail_replies" && (s.State != mailroom.StepFailed || s.Remedy == "") ||
				s.What == "communications."+statusProperty && s.State != mailroom.StepMade {
				t.Errorf("%+v", s)
			}
		}
	})
	t.Run("plain_keys_are_said", func(t *testing.T) {
		w := newBareWorld(t, func(o *sandbox.Options, _ *Config, _ *Deps) { o.PlainKeys = true })
		steps, err := w.crm.Setup(ctx, true)
		last := steps[len(steps)-1]
		if err != nil || last.What != "unique key" || !strings.Contains(last.Detail, "weaker") {
			t.Errorf("%+v, %v", last, err)
		}
	})
}

// TestBudget checks that our share of both limits is kept, before a call leaves.
func TestBudget(t *testing.T) {
	t.Run("burst", func(t *testing.T) {
		w := newWorld(t, func(o *sandbox.Options, _ *Config, _ *Deps) { o.Leads = true })
		w.contact("robin")
		crm := w.connect(func(c *Config, _ *Deps) { c.Budget = 0.05 }) // 9 of 190 in ten seconds
		made := w.calls(func() {
			for i := range 5 {
				pushBy(t, crm, sent(i, "robin"))
			}
		})
		if made != 10 { // the first call learns the limit
			t.Errorf("%d calls", made)
		}
		a := pushBy(t, crm, sent(7, "robin"))[0]
		if a.Class != domain.LimitReached || a.Until.Sub(w.clock.Now()) > 10*time.Second {
			t.Fatalf("%+v", a)
		}
		w.clock.move(10 * time.Second)
		if a := pushBy(t, crm, sent(7, "robin"))[0]; a.Class != domain.Taken {
			t.Errorf("%+v", a)
		}
	})
	t.Run("daily_until_midnight_of_the_portal", func(t *testing.T) {
		w := newWorld(t, func(o *sandbox.Options, _ *Config, _ *Deps) { o.Daily, o.TimeZone = 1000, "America/New_York" })
		w.contact("robin")
		crm := w.connect(func(c *Config, _ *Deps) { c.Budget = 0.05 }) // 50 a day
		var last domain.PushAnswer
		for i := range 60 {
			last = pushBy(t, crm, sent(i, "robin"))[0]
			w.clock.move(20 * time.Second)
		}
		want := time.Date(2026, 11, 24, 5, 0, 0, 0, time.UTC)
		if last.Class != domain.LimitReached || !last.Until.Equal(want) {
			t.Errorf("%s until %s", last.Class, last.Until)
		}
		if b := crm.Budget(); b.Ours != 50 || b.Max != 1000 || !b.ParkedUntil.Equal(want) {
			t.Errorf("%+v", b)
		}
		again := w.connect(func(c *Config, _ *Deps) { c.Budget = 0.05 }) // a restart goes on with the count
		w.must(again.Remember(context.Background(), crm.Budget().Kept))
		if b := again.Budget(); b.Ours != 50 {
			t.Errorf("after a restart: %+v", b)
		}
		w.clock.move(want.Sub(w.clock.Now()))
		if a := pushBy(t, crm, sent(70, "robin"))[0]; a.Class != domain.Taken {
			t.Errorf("on the next day: %+v", a)
		}
	})
}

// TestField checks what leaves, and what is kept of it.
func TestField(t *testing.T) {
	t.Run("the_version_2026-09_says_errors_in_a_200", func(t *testing.T) {
		w := newWorld(t, func(_ *sandbox.Options, c *Config, _ *Deps) { c.APIVersion = "2026-09" })
		w.contact("robin")
		p, q := sent(1, "robin"), sent(2, "robin")
		answers := w.push(p, q)
		w.must(w.Delete(communications, answers[0].Link.RecordID))
		answers = w.push(then(p, answers[0], domain.EventOpen), then(q, answers[1], domain.EventOpen))
		if answers[0].Link.Notes[sentNote] != removed || answers[1].Class != domain.Taken || answers[1].Link.RecordID == "" {
			t.Errorf("%+v", answers)
		}
	})
	t.Run("texts_by_the_policy", func(t *testing.T) {
		for policy, want := range map[domain.CRMText][3]bool{domain.CRMTextNone: {}, domain.CRMTextPreview: {true, true, false}, domain.CRMTextFull: {true, false, true}} {
			w := newWorld(t, func(_ *sandbox.Options, _ *Config, d *Deps) { d.Text = policy })
			w.contact("robin")
			p := sent(1, "robin")
			p.InMail.Subject, p.InMail.Preview, p.InMail.Body = "a <b>subject", "the preview & more", "the whole\n<script> body"
			w.push(p)
			body := w.messages()[eventID(p.InMail.ID, sentEvent)].Properties[bodyProperty]
			got := [3]bool{strings.Contains(body, "a &lt;b&gt;subject"), strings.Contains(body, "the preview &amp; more"), strings.Contains(body, "the whole<br>&lt;script&gt; body")}
			if got != want {
				t.Errorf("%s: %v; %s", policy, got, body)
			}
		}
	})
	t.Run("an_older_one_never_covers_the_last_on_the_contact", func(t *testing.T) {
		w := newWorld(t)
		w.contact("robin")
		older, newer := sent(1, "robin"), sent(2, "robin")
		newer.InMail.SentAt = newer.InMail.SentAt.Add(time.Minute)
		answers := w.push(older, newer)
		older = then(older, answers[0], domain.EventOpen)
		w.push(older)
		last := func() string { return w.Records(contacts)[0].Properties[lastStatusProperty] }
		if last() != "sent" {
			t.Errorf("the contact is %s", last())
		}
		w.push(then(newer, answers[1], domain.EventDecline))
		if last() != "declined" {
			t.Errorf("the contact is %s", last())
		}
	})
	t.Run("kept_no_longer_than_the_policy", func(t *testing.T) {
		w := newWorld(t, func(_ *sandbox.Options, _ *Config, d *Deps) { d.KeepDays = 30 })
		w.contact("robin")
		p := sent(1, "robin")
		there := w.push(sent(2, "robin"))[0]
		w.clock.move(60 * 24 * time.Hour)
		if a := w.push(p)[0]; a.Class != domain.Taken || a.Link.RecordID != "" {
			t.Errorf("made although it is over for long: %+v", a)
		}
		q := then(sent(2, "robin"), there)
		q.InMail.Subject, q.InMail.Version = "", q.InMail.Version+1 // its text is dropped
		if a := w.push(q)[0]; a.Class != domain.Taken || a.Link.RecordID == "" {
			t.Errorf("what is there is kept true: %+v", a)
		}
	})
	t.Run("no_word_in_the_log_and_no_address_anywhere", func(t *testing.T) {
		var log bytes.Buffer
		w := newWorld(t, func(_ *sandbox.Options, _ *Config, d *Deps) {
			d.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		w.Record()
		w.make(contacts, map[string]string{"email": "marked@example.com"})
		p := sent(1, "marked")
		p.InMail.Subject, p.InMail.Body, p.RecipientName = "MARKED subject", "MARKED body", "marked@example.com"
		for _, kind := range sandbox.FaultKinds() {
			w.Inject(sandbox.Fault{Kind: kind, Times: 1, Writes: true})
		}
		w.Inject(sandbox.Fault{Kind: sandbox.RowRefused, Code: "INVALID_OPTION", Property: "inmail_category", Times: 1})
		for range 20 {
			a := w.push(p)[0]
			if strings.Contains(fmt.Sprintf("%+v", a.Link), "MARKED") {
				t.Errorf("%+v", a.Link)
			}
			p.Link = a.Link
			w.clock.move(time.Minute)
		}
		if text := log.String(); strings.Contains(text, "MARKED") || strings.Contains(text, "marked@") || strings.Contains(text, "pat-na1") {
			t.Errorf("the log has %s", text)
		}
		for _, x := range w.Exchanges() {
			if strings.Contains(x.Request, "marked@") && !strings.Contains(x.Path, "contacts/batch/read") {
				t.Errorf("%s has an address: %s", x.Path, x.Request)
			}
		}
	})
	t.Run("settings", func(t *testing.T) {
		c := Default()
		if err := c.Validate(); err != nil {
			t.Errorf("the defaults: %v", err)
		}
		c.Token, c.URL, c.APIVersion, c.Budget, c.Portal = "pat secret\n", "http://api.example", "v3", 2, -1
		c.Timeout, c.ContactStatus, c.KeyIn, c.Owners = time.Second, "maybe", "the sand", []string{"alice"}
		err := c.Validate()
		for _, name := range []string{"token", "url", "api_version", "budget", "portal", "timeout", "contact_status", "key_in", "owners"} {
			if err == nil || !strings.Contains(err.Error(), "hubspot."+name) {
				t.Errorf("%s is not named in %v", name, err)
			}
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the token is in %v", err)
		}
		if crm, err := New(Default(), Deps{Clock: &testClock{}}); err != nil || crm.Configured() {
			t.Errorf("without a token: %v", err)
		} else if _, err := crm.Push(context.Background(), nil); !errors.Is(err, mailroom.ErrNotConfigured) {
			t.Errorf("%v", err)
		}
	})
}
