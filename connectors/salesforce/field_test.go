package salesforce

import (
	"fmt"
	"slices"
	"testing"

	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
)

// TestField checks cases that people reported of other integrations, by the number of the case.
func TestField(t *testing.T) {
	t.Run("F01_a_refusal_is_judged_by_its_place", testPlace)
	t.Run("F01_tasks_rest_while_records_go_on", testTasksRest)
	t.Run("F05_a_task_changes_nothing_of_its_record", testTaskApart)
	t.Run("F38_columns_leave_out_what_turns_or_hides", testLines)
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
	row := fieldsOf(&p, domain.CRMTextFull)
	for name, want := range map[string]any{"Sender_Name__c": "Nora Eve", "Recipient_Name__c": "Robin", "Subject__c": "A plan",
		"Preview__c": "Hello Robin", "Tags__c": "ab", "Category__c": "cd", "Body__c": "Hello \u202eRobin"} {
		if row[name] != want {
			t.Errorf("%s = %q, want %q", name, row[name], want)
		}
	}
	task := taskOf(&p, parents{LeadID: "00Q"}, sentEvent, domain.CRMTextFull, "", "")
	if task["Subject"] != "InMail sent: A plan" || task["Description"] != "Hello Robin" {
		t.Errorf("task %q", task)
	}
}
