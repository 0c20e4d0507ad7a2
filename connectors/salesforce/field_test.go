package salesforce

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
)

// TestField checks cases that people reported of other integrations, by the number of the case.
func TestField(t *testing.T) {
	t.Run("F01_a_refusal_is_judged_by_its_place", testPlace)
	t.Run("F01_tasks_rest_while_records_go_on", testTasksRest)
	t.Run("F02_a_limit_of_the_transaction_halves_the_chunk", testChunks)
	t.Run("F03_archived_tasks_are_erased", testArchived)
	t.Run("F04_a_way_that_cannot_be_asked_is_left_out", testWays)
	t.Run("F05_a_task_changes_nothing_of_its_record", testTaskApart)
	t.Run("F38_columns_leave_out_what_turns_or_hides", testLines)
	t.Run("F06_a_login_that_failed_for_now_is_tried_again", testPassingLogins)
	t.Run("F07_a_login_fault_has_its_own_remedy", testLoginRemedies)
	t.Run("F08_a_lock_inside_another_message_is_a_lock", testInnerLocks)
	t.Run("F09_a_task_has_the_day_of_its_zone", testZones)
	t.Run("F10_what_the_org_requires_of_a_task", testRequired)
	t.Run("F11_a_moved_instance_costs_one_login", testMovedInstance)
	t.Run("F12_a_record_that_comes_back_has_its_parents", testComesBack)
	t.Run("F13_a_task_that_is_there_is_asked_for_once", testDuplicateTask)
	t.Run("F14_a_refused_owner_is_passed_over", testRefusedOwner)
	t.Run("F14_owners_in_their_order", testOwnersInOrder)
	t.Run("F15_bulk_and_push_write_the_same_value", testSameValue)
	t.Run("F16_hosts_are_compared_in_one_form", testHosts)
	t.Run("F17_what_is_refused_for_ever_is_reported", testAhead)
	t.Run("F18_a_choice_by_hand_is_taken_over", testAdopted)
	t.Run("F18_candidates_and_what_a_choice_teaches", testCandidates)
	t.Run("F19_copies_follow_the_policy", testCopies)
	t.Run("F20_a_restart_forgets_no_calls", testRemembered)
}

// several returns pushes to n members with a Lead each.
func (o *org) several(n int) (pushes []domain.Push) {
	for i := range n {
		member := domain.MemberID(fmt.Sprintf("several%d", i))
		o.lead(sandbox.Fields{"InMail_Member_Id__c": string(member)})
		pushes = append(pushes, sent(i, member))
	}
	return pushes
}

// testPlace checks that one row which is refused for what may be the whole object's fault is its own fault
// where other rows of the object were taken in the same call.
func testPlace(t *testing.T) {
	for _, code := range []string{"INSUFFICIENT_ACCESS_OR_READONLY", "INSUFFICIENT_ACCESS", "INACTIVE_OWNER_OR_USER",
		"INVALID_FIELD_FOR_INSERT_UPDATE", "INVALID_FIELD", "FUNCTIONALITY_NOT_ENABLED", "TXN_SECURITY_NO_ACCESS"} {
		for _, object := range []string{inMailObject, taskObject} {
			t.Run(code+"_"+object, func(t *testing.T) {
				o := newOrg(t)
				pushes := o.several(4)
				o.inject(sandbox.Fault{Kind: sandbox.RowRefused, Object: object, Code: code, Fields: []string{"Subject__c"}, Skip: 2, Next: 1})
				var refused []domain.PushAnswer
				for i, a := range o.push(pushes...) {
					pushes[i].Link = a.Link
					if a.Class != domain.Taken {
						refused = append(refused, a)
					}
				}
				if len(refused) != 1 {
					t.Fatalf("%d of 4 refused: %+v", len(refused), refused)
				}
				part := domain.RecordPart
				if object == taskObject {
					part = noteOf(sentEvent)
				}
				l := refused[0].Link
				f := l.Failures[part]
				if refused[0].Class != domain.BadData || len(l.Failures) != 1 || f.Class != domain.BadData || f.Object != object ||
					f.Detail != code+" (Subject__c)" || f.Attempts != 1 {
					t.Errorf("%+v", refused[0])
				}
				records, tasks := 4, 3
				if object == inMailObject {
					records, tasks = 3, 4
				}
				if len(o.inmails()) != records || len(o.tasks()) != tasks {
					t.Errorf("%d records, %d Tasks", len(o.inmails()), len(o.tasks()))
				}
				for _, a := range o.push(pushes...) { // nothing rests, so the next push has the rest
					if a.Class != domain.Taken || a.Link.Failures != nil {
						t.Errorf("the next push: %+v", a)
					}
				}
				if len(o.inmails()) != 4 || len(o.tasks()) != 4 {
					t.Errorf("after the next push %d records, %d Tasks", len(o.inmails()), len(o.tasks()))
				}
			})
		}
	}
}

// testTasksRest checks that Tasks rest when every one of them was refused, that records go on meanwhile, and
// that the Tasks follow after a resume or when their rest is over.
func testTasksRest(t *testing.T) {
	o := newOrg(t)
	pushes := o.several(6)
	o.inject(sandbox.Fault{Kind: sandbox.RowRefused, Object: taskObject, Code: "INVALID_FIELD_FOR_INSERT_UPDATE", Fields: []string{"Type"}})
	check := func(answers []domain.PushAnswer) {
		t.Helper()
		for i, a := range answers {
			f := a.Link.Failures[noteOf(sentEvent)]
			if a.Class != domain.Configuration || a.OfCall || f.Until != o.clock.Now().Add(objectRest) || f.Detail != "INVALID_FIELD_FOR_INSERT_UPDATE (Type)" {
				t.Errorf("%d: %+v", i, a)
			}
			if len(a.Link.Failures) != 1 || a.Link.RecordID == "" || a.Link.PushedVersion == 0 {
				t.Errorf("%d: the record is not taken: %+v", i, a.Link)
			}
		}
	}
	check(o.push(pushes[:4]...))
	o.ClearFaults()
	for _, by := range []*Connector{o.crm, o.connect(func(_ *Config, d *Deps) { d.Shared = o.crm.shared })} {
		if calls := o.calls(func() { check(pushBy(t, by, pushes[4:]...)) }); calls > 2 {
			t.Errorf("%d calls while Tasks rest", calls)
		}
	}
	if len(o.inmails()) != 6 || len(o.tasks()) != 0 {
		t.Errorf("%d records, %d Tasks", len(o.inmails()), len(o.tasks()))
	}
	if err := o.crm.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.push(pushes[:4]...)
	if len(o.tasks()) != 4 {
		t.Errorf("%d Tasks after a resume", len(o.tasks()))
	}
	o.inject(sandbox.Fault{Kind: sandbox.RowRefused, Object: taskObject, Code: "INVALID_FIELD", Next: 2})
	check2 := o.push(pushes[4:]...)
	if slices.ContainsFunc(check2, func(a domain.PushAnswer) bool { return a.Class != domain.Configuration }) {
		t.Errorf("%+v", check2)
	}
	o.clock.move(objectRest)
	o.push(pushes[4:]...)
	if len(o.tasks()) != 6 {
		t.Errorf("%d Tasks after their rest", len(o.tasks()))
	}
}

// testTaskApart checks that a Task whose parent the integration user may not refer to is a dead letter of its
// own: the record keeps its parents, and reconciles find no drift.
func testTaskApart(t *testing.T) {
	for _, code := range []string{"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "INVALID_CROSS_REFERENCE_KEY"} {
		t.Run(code, func(t *testing.T) {
			o := newOrg(t)
			account := o.make("Account", sandbox.Fields{"Name": "Acme"})
			contact := o.contact(sandbox.Fields{"InMail_Member_Id__c": "robin", "AccountId": account})
			l := newLedger(sent(0, "robin"))
			o.record = l
			o.inject(sandbox.Fault{Kind: sandbox.RowRefused, Object: taskObject, Code: code, Fields: []string{"WhoId"}})
			want := parents{Match: domain.Matched, ContactID: contact, AccountID: account}
			for i := range 7 {
				l.sync(o, o.crm, 1)
				p := l.get(newID(0))
				if got := parentsOf(p.Link); got != want {
					t.Fatalf("after push %d its link has %+v", i+1, got)
				}
				f := p.Link.Failures[noteOf(sentEvent)]
				if len(p.Link.Failures) != 1 || f.Attempts != i+1 || f.Object != taskObject {
					t.Fatalf("after push %d: %+v", i+1, p.Link)
				}
			}
			for range 2 {
				if found := o.reconcile(); found.Drift[missing]+found.Drift[extra]+found.Drift[stale]+found.Drift[edited] > 0 || found.Moved > 0 {
					t.Errorf("%+v", found)
				}
			}
			r := o.inmails()[newID(0)]
			if r["Contact__c"] != contact || r["Account__c"] != account || r["Match__c"] != "Matched" {
				t.Errorf("the record has %v, %v, %v", r["Match__c"], r["Contact__c"], r["Account__c"])
			}
			o.ClearFaults()
			l.sync(o, o.crm, 2)
			if p := l.get(newID(0)); p.Link.Failures != nil || len(o.tasks()) != 1 {
				t.Errorf("%+v, %d Tasks", p.Link, len(o.tasks()))
			}
		})
	}
}

// testLines checks that a column of one line leaves out what turns or hides what follows, and that a body,
// which is quoted whole, is as it was typed.
func testLines(t *testing.T) {
	p := sent(0, "robin")
	p.SenderName, p.RecipientName = "Nora\u202e Eve", "Ro\u200bbin\x1b"
	p.InMail.Subject, p.InMail.Preview, p.InMail.Body = "A \u202eplan\u2066", "Hello \u202eRobin", "Hello \u202eRobin"
	p.InMail.Tags, p.InMail.Category = []string{"a\u202eb"}, "c\u2067d"
	row := about{Push: &p, text: domain.CRMTextFull}.fields()
	for name, want := range map[string]any{"Sender_Name__c": "Nora Eve", "Recipient_Name__c": "Robin", "Subject__c": "A plan",
		"Preview__c": "Hello Robin", "Tags__c": "ab", "Category__c": "cd", "Body__c": "Hello \u202eRobin"} {
		if row[name] != want {
			t.Errorf("%s = %q, want %q", name, row[name], want)
		}
	}
	task := taskOf(about{Push: &p, text: domain.CRMTextFull}, parents{LeadID: "00Q"}, sentEvent, Default(), "", time.UTC)
	if task["Subject"] != "InMail sent: A plan" || task["Description"] != "Nora Eve to Robin\nHello Robin" {
		t.Errorf("task %q", task)
	}
}

const limitOfTrigger = "TaskTrigger: execution of AfterInsert\n\ncaused by: System.LimitException: Apex CPU time limit exceeded"

// testChunks checks that a collection which meets a limit of the org's trigger is halved, that the size which
// passed is kept and grows again after a day, and that a row which falls alone is a dead letter.
func testChunks(t *testing.T) {
	for _, object := range []string{taskObject, inMailObject} {
		t.Run(object, func(t *testing.T) {
			o := newOrg(t)
			pushes := o.several(240)
			o.inject(sandbox.Fault{Kind: sandbox.RowRefused, Object: object, Code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", Message: limitOfTrigger, Above: 50})
			all := func(answers []domain.PushAnswer) {
				t.Helper()
				for i, a := range answers {
					if a.Class != domain.Taken {
						t.Fatalf("%d: %+v", i, a)
					}
				}
			}
			if calls := o.calls(func() { all(o.push(pushes[:120]...)) }); calls > 2+8 {
				t.Errorf("%d calls for 120", calls)
			}
			if rows := o.crm.chunks.rows(object, testNow); rows > 50 || rows < 25 {
				t.Errorf("a collection has %d rows from now on", rows)
			}
			struck := o.Struck()[sandbox.RowRefused]
			if calls := o.calls(func() { all(o.push(pushes[120:]...)) }); calls > 3 || o.Struck()[sandbox.RowRefused] != struck {
				t.Errorf("%d calls for the next 120, which met the limit %d times", calls, o.Struck()[sandbox.RowRefused]-struck)
			}
			if len(o.inmails()) != 240 || len(o.tasks()) != 240 {
				t.Errorf("%d records, %d Tasks", len(o.inmails()), len(o.tasks()))
			}
		})
	}
	t.Run("one_row_that_falls_alone", func(t *testing.T) {
		o := newOrg(t)
		o.through(rowErrors("c1", "CANNOT_EXECUTE_FLOW_TRIGGER", limitOfTrigger))
		pushes := o.several(1)
		a := o.push(pushes[0])[0]
		if f := a.Link.Failures[noteOf(sentEvent)]; a.Class != domain.BadData || f.Class != domain.BadData || len(a.Link.Failures) != 1 {
			t.Errorf("%+v", a)
		}
		if rows := o.crm.chunks.rows(taskObject, testNow); rows != collection {
			t.Errorf("a collection has %d rows from now on", rows)
		}
	})
	t.Run("growth", func(t *testing.T) {
		var cs chunks
		cs.passed(taskObject, 100, testNow)
		cs.passed(taskObject, 150, testNow) // a smaller size is known to be needed
		for i, want := range []int{100, 125, 156, 195, collection, collection} {
			if got := cs.rows(taskObject, testNow.Add(time.Duration(i)*chunkGrowth)); got != want {
				t.Errorf("after %d days %d rows, want %d", i, got, want)
			}
		}
	})
	t.Run("an_erasure", func(t *testing.T) {
		o := newOrg(t)
		for i := range 130 {
			o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin", "FirstName": fmt.Sprint(i)})
		}
		o.inject(sandbox.Fault{Kind: sandbox.RowRefused, Object: "Lead", Code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", Message: limitOfTrigger, Above: 50})
		if err := o.crm.Forget(t.Context(), []domain.MemberID{"robin"}); err != nil {
			t.Fatal(err)
		}
		for _, r := range o.Records("Lead") {
			if r["InMail_Member_Id__c"] != nil {
				t.Fatalf("left: %v", r)
			}
		}
	})
}

// testInnerLocks checks that a row whose refusal names a lock or a time-out inside another code's message is
// written at the next try.
func testInnerLocks(t *testing.T) {
	for code, message := range map[string]string{
		"CANNOT_EXECUTE_FLOW_TRIGGER":          "We can't save this record because the “Roll up” process failed. UNABLE_TO_LOCK_ROW: unable to obtain exclusive access",
		"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": "TheirTrigger: execution of AfterInsert caused by: Record Currently Unavailable: The record you are attempting to edit",
		"FIELD_CUSTOM_VALIDATION_EXCEPTION":    "TheirTrigger: System.QueryException: QUERY_TIMEOUT: Your query request was running for too long",
	} {
		t.Run(code, func(t *testing.T) {
			o := newOrg(t)
			p := o.several(1)[0]
			o.inject(sandbox.Fault{Kind: sandbox.RowRefused, Object: inMailObject, Code: code, Message: message, Next: 1},
				sandbox.Fault{Kind: sandbox.RowRefused, Object: taskObject, Code: code, Message: message, Next: 1})
			a := o.push(p)[0]
			if a.Class != domain.Locked || len(a.Link.Failures) != 2 {
				t.Fatalf("%+v", a)
			}
			p.Link = a.Link
			if a = o.push(p)[0]; a.Class != domain.Taken || a.Link.Failures != nil || len(o.tasks()) != 1 {
				t.Errorf("%+v", a)
			}
		})
	}
}

// testPassingLogins checks that a login which failed for now neither pauses the sync nor is remembered as
// failed.
func testPassingLogins(t *testing.T) {
	for name, fault := range map[string]sandbox.Fault{
		"unknown_error":           {Kind: sandbox.LoginRefused, Code: "unknown_error", Message: "retry your request"},
		"retry":                   {Kind: sandbox.LoginRefused, Code: "invalid_grant", Message: "Retry your request"},
		"server_error":            {Kind: sandbox.LoginRefused, Code: "server_error", Message: "internal"},
		"temporarily_unavailable": {Kind: sandbox.LoginRefused, Code: "temporarily_unavailable"},
		"login_rate":              {Kind: sandbox.LoginRefused, Code: "invalid_grant", Message: "login rate exceeded"},
		"500":                     {Kind: sandbox.ServerError},
		"503_with_a_page":         {Kind: sandbox.UnavailableHTML},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrg(t)
			p := o.several(1)[0]
			fault.Resource, fault.Next = "token", 1
			o.inject(fault)
			a := o.push(p)[0]
			if a.Class != domain.Locked && a.Class != domain.Unreachable {
				t.Fatalf("%+v", a)
			}
			if a = o.push(p)[0]; a.Class != domain.Taken {
				t.Errorf("the next push: %+v", a)
			}
		})
	}
	o := newOrg(t)
	p := o.several(1)[0]
	o.inject(sandbox.Fault{Kind: sandbox.LoginRefused, Resource: "token", Code: "invalid_grant", Message: "ip restricted", Next: 1})
	for range 2 {
		if a := o.push(p)[0]; a.Class != domain.LoginFailed || a.Link.Detail != "invalid_grant (ip_restricted)" {
			t.Errorf("one that is wrong: %+v", a)
		}
	}
}

// testLoginRemedies checks that the check of the org names the fault of a login and its own remedy.
func testLoginRemedies(t *testing.T) {
	remedies := map[string]string{}
	for _, row := range []struct{ code, description, name, remedy string }{
		{"invalid_grant", "ip restricted", "ip_restricted", "IP ranges"},
		{"invalid_grant", "inactive user", "inactive_user", "activate"},
		{"invalid_grant", "no client credentials user enabled", "no_run_as_user", "Run As"},
		{"invalid_grant", "login rate exceeded", "login_rate_exceeded", "wait an hour"},
		{"invalid_grant", "request not supported on this domain", "wrong_domain", "My Domain"},
		{"invalid_app_access", "user is not admin approved to access this app", "app_not_approved", "app's policies"},
		{"invalid_grant", "org is locked", "org_locked", "Support"},
		{"invalid_grant", "audience is invalid", "audience_invalid", "salesforce.audience"},
		{"invalid_grant", "user hasn't approved this consumer", "not_approved", "pre-authorize"},
	} {
		o := newOrg(t)
		o.inject(sandbox.Fault{Kind: sandbox.LoginRefused, Resource: "token", Code: row.code, Message: row.description})
		found := o.crm.Check(t.Context())
		login := found[len(found)-1]
		if login.What != "login" || login.OK || !strings.HasSuffix(login.Detail, row.code+" ("+row.name+")") || !strings.Contains(login.Remedy, row.remedy) {
			t.Errorf("%s: %+v", row.description, login)
		}
		if other := remedies[login.Remedy]; other != "" {
			t.Errorf("%q has the remedy of %q", row.description, other)
		}
		remedies[login.Remedy] = row.description
	}
}

// testMovedInstance checks that workers which find the org moved log in once, together, and go on there.
func testMovedInstance(t *testing.T) {
	o := newOrg(t)
	pushes := o.several(8)
	shared := NewMemory(o.clock)
	var workers []*Connector
	for range 2 {
		workers = append(workers, o.connect(func(_ *Config, d *Deps) { d.Shared = shared }))
	}
	for i, w := range workers {
		pushBy(t, w, pushes[i])
	}
	for step := range 2 {
		there := []string{strings.Replace(o.url, "127.0.0.1", "localhost", 1), o.url}[step]
		if err := o.MoveInstance(there); err != nil {
			t.Fatal(err)
		}
		o.clock.move(2 * movedLook)
		before := o.Calls()["token"]
		for i, w := range workers { // the first gets a redirect, the second a page
			if a := pushBy(t, w, pushes[2+2*step+i])[0]; a.Class != domain.Taken {
				t.Errorf("step %d, worker %d: %+v", step, i, a)
			}
		}
		if logins := o.Calls()["token"] - before; logins != 1 {
			t.Errorf("step %d: %d logins", step, logins)
		}
	}
	t.Run("silence_costs_a_login_a_minute", func(t *testing.T) {
		o.through(&tamper{before: func(req *http.Request) *http.Response {
			if strings.HasPrefix(req.URL.Path, "/services/data/") {
				return respond(http.StatusNotFound, "<html>URL No Longer Exists</html>")
			}
			return nil
		}})
		before := o.Calls()["token"]
		for range 5 {
			if a := o.push(pushes[6])[0]; a.Class != domain.Unreachable || !a.OfCall {
				t.Errorf("%+v", a)
			}
		}
		if logins := o.Calls()["token"] - before; logins != 2 {
			t.Errorf("%d logins", logins)
		}
	})
	t.Run("resume_forgets_the_session", func(t *testing.T) {
		before := o.Calls()["token"]
		if err := workers[0].Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		pushBy(t, workers[0], pushes[7])
		if logins := o.Calls()["token"] - before; logins != 1 {
			t.Errorf("%d logins", logins)
		}
	})
}

// testRemembered checks that a restart without a store of the workers forgets neither the calls of the last
// day nor how many rows the org takes.
func testRemembered(t *testing.T) {
	o := newOrg(t, func(_ *sandbox.Options, c *Config, _ *Deps) { c.Budget = 0.5 })
	o.SetDailyLimit(20)
	push := func(crm *Connector, n int) domain.PushAnswer { return pushBy(t, crm, plain(n))[0] }
	push(o.crm, 0)
	o.clock.move(3 * time.Hour)
	for i := range 4 {
		push(o.crm, i+1)
	}
	o.crm.chunks.passed(taskObject, 30, o.clock.Now())
	before := o.crm.Budget()
	next := o.connect(func(_ *Config, d *Deps) { d.Shared = NewMemory(o.clock) })
	for range 2 { // a second time counts nothing twice
		if err := next.Remember(t.Context(), before.Kept); err != nil {
			t.Fatal(err)
		}
	}
	if got := next.Budget().Ours; got != before.Ours || got < 5 {
		t.Errorf("%d calls are remembered of %d", got, before.Ours)
	}
	if rows := next.chunks.rows(taskObject, o.clock.Now()); rows != 30 {
		t.Errorf("%d rows", rows)
	}
	for i := 0; next.Budget().ParkedUntil.IsZero(); i++ {
		if push(next, 10+i); i > 10 {
			t.Fatal("the share is never spent")
		}
	}
	if ours := next.Budget().Ours; ours != 10 {
		t.Errorf("%d calls were made of the 10 that may be ours", ours)
	}
	o.clock.move(22 * time.Hour) // the first hour is over, and so is what is remembered of it
	last := o.connect(func(_ *Config, d *Deps) { d.Shared = NewMemory(o.clock) })
	if err := last.Remember(t.Context(), next.Budget().Kept); err != nil {
		t.Fatal(err)
	}
	if got := last.Budget().Ours; got >= 10 {
		t.Errorf("%d calls after the first hour left the window", got)
	}
	if err := last.Remember(t.Context(), []byte("no")); err == nil {
		t.Error("what cannot be read is no error")
	}
}
