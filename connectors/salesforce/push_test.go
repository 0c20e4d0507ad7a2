package salesforce

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
)

// TestCallsOfAThousand checks that 1,000 delivered InMails, with the Users who own them and the fields of
// their Leads, cost at most 3 API calls without Tasks and 4 with them, and 1,000 changed states 2. The Tasks
// of 1,000 replies are one call more (DESIGN.md, How fast).
func TestCallsOfAThousand(t *testing.T) {
	for _, tasks := range []bool{false, true} {
		t.Run(fmt.Sprintf("tasks_%v", tasks), func(t *testing.T) {
			o := newOrg(t, func(_ *sandbox.Options, c *Config, _ *Deps) { c.Tasks = tasks },
				finding, reps(sandbox.User{Username: "sally@crm.example", Federation: "sally"}))
			var pushes []domain.Push
			for i := range 1000 {
				id := domain.MemberID(fmt.Sprintf("member-%032d", i))
				o.lead(sandbox.Fields{"InMail_Member_Id__c": string(id)})
				pushes = append(pushes, reached(sent(i, id)))
			}
			most := 3
			if tasks {
				most = 4
			}
			change := func(e domain.Event, answers []domain.PushAnswer) {
				for i, a := range answers {
					if a.Class != domain.Taken || parentsOf(a.Link).LeadID == "" || a.Link.RecordID == "" || a.Link.Notes[ownerNote] == "" ||
						logged(a.Link, sentEvent) != tasks {
						t.Fatalf("answer %d: %+v", i, a)
					}
					pushes[i] = reached(o.event(pushes[i], a, e))
				}
			}
			var answers []domain.PushAnswer
			created := o.calls(func() { answers = o.push(pushes...) })
			change(domain.EventOpen, answers)
			opened := o.calls(func() { answers = o.push(pushes...) })
			change(domain.EventReply, answers)
			replied := o.calls(func() { answers = o.push(pushes...) })
			t.Logf("1,000 new: %d calls; 1,000 opened: %d calls; 1,000 replied to: %d calls", created, opened, replied)
			if created > most || opened > 2 || replied > most-1 {
				t.Errorf("%d calls for new ones, at most %d; %d for opened ones, at most 2; %d for replies, at most %d", created, most,
					opened, replied, most-1)
			}
			for _, r := range o.Records("Lead") {
				if r["InMail_Last_Status__c"] != "Replied" || r["InMails_Sent__c"] != 1.0 {
					t.Fatalf("a Lead has %v, %v", r["InMail_Last_Status__c"], r["InMails_Sent__c"])
				}
			}
			if n := len(o.inmails()); n != 1000 {
				t.Errorf("%d records", n)
			}
			want := 0
			if tasks {
				want = 2000
			}
			if n := len(o.tasks()); n != want {
				t.Errorf("%d Tasks, want %d", n, want)
			}
		})
	}
}

// written stores the rows that reached the org in the steps of Composite calls, in their order.
func (o *org) written(rows *[]map[string]any) *tamper {
	return o.through(&tamper{before: func(req *http.Request) *http.Response {
		if !isComposite(req) {
			return nil
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			panic(err)
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		var in struct {
			Steps []struct {
				Body struct {
					Records []map[string]any `json:"records"`
				} `json:"body"`
			} `json:"compositeRequest"`
		}
		if err := json.Unmarshal(body, &in); err != nil {
			panic(err)
		}
		for _, s := range in.Steps {
			*rows = append(*rows, s.Body.Records...)
		}
		return nil
	}})
}

// TestRowsAreSortedByParent checks that the rows of one account, and of one Lead, are next to each other, so
// that no two collections wait for a lock on the same parent.
func TestRowsAreSortedByParent(t *testing.T) {
	o := newOrg(t, func(_ *sandbox.Options, c *Config, _ *Deps) { c.Tasks = false })
	var pushes []domain.Push
	for i := range 40 {
		member := fmt.Sprint("robin", i%8)
		if i < 8 {
			if i%2 == 0 {
				o.lead(sandbox.Fields{"InMail_Member_Id__c": member})
			} else {
				o.contact(sandbox.Fields{"InMail_Member_Id__c": member, "AccountId": o.make("Account", sandbox.Fields{"Name": "A"})})
			}
		}
		pushes = append(pushes, sent(i, domain.MemberID(member)))
	}
	var rows []map[string]any
	o.written(&rows)
	o.push(pushes...)
	var keys []string
	for _, r := range rows {
		keys = append(keys, fmt.Sprint(r["Account__c"], r["Contact__c"], r["Lead__c"]))
	}
	if len(keys) != 40 {
		t.Fatalf("%d rows", len(keys))
	}
	if groups := len(slices.Compact(slices.Clone(keys))); groups != 8 {
		t.Errorf("the rows of eight parents stand in %d groups", groups)
	}
}

// TestParentsAreSentOnlyWhenTheyChange checks that parents are sent only when they change.
func TestParentsAreSentOnlyWhenTheyChange(t *testing.T) {
	o := newOrg(t)
	o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin"})
	p := sent(0, "robin")
	a := o.push(p)[0]
	p = o.event(p, a, domain.EventOpen)
	var rows []map[string]any
	o.written(&rows)
	o.push(p)
	if len(rows) != 1 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, name := range []string{"Lead__c", "Contact__c", "Account__c", "Match__c"} {
		if _, there := rows[0][name]; there {
			t.Errorf("%s is named again", name)
		}
	}
}

// TestCallsOfOne checks that one InMail with its Task costs one call, and an unchanged one none.
func TestCallsOfOne(t *testing.T) {
	o := newOrg(t)
	lead := o.lead(nil)
	p := sent(0, "robin")
	p.Link = linked(domain.Link{}, parents{Match: domain.Matched, LeadID: lead})
	var a domain.PushAnswer
	if n := o.calls(func() { a = o.push(p)[0] }); n != 1 || !logged(a.Link, sentEvent) {
		t.Errorf("%d calls, %+v", n, a)
	}
	p.Link = a.Link
	if n := o.calls(func() { a = o.push(p)[0] }); n != 0 || a.Class != domain.Taken {
		t.Errorf("%d calls, %+v", n, a)
	}
	if n := o.calls(func() { o.push() }); n != 0 {
		t.Errorf("%d calls for nothing", n)
	}
}

// TestTextsAreNoReferences checks that a text cannot refer to another step of its call.
func TestTextsAreNoReferences(t *testing.T) {
	o := newOrg(t)
	lead := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin", "Email": "secret@example.com"})
	p := sent(0, "robin")
	p.InMail.Subject = "Hello @{c0[0].id} and @{c0.x}"
	p.InMail.Preview = "@@{{c0[0].id}}"
	a := o.push(p)[0]
	r, _ := o.Record(a.Link.RecordID)
	if a.Class != domain.Taken || parentsOf(a.Link).LeadID != lead || r["Subject__c"] != "Hello @ {c0[0].id} and @ {c0.x}" || r["Preview__c"] != "@@ {{c0[0].id}}" {
		t.Errorf("%+v: %v, %v", a, r["Subject__c"], r["Preview__c"])
	}
}

// TestPushEndsWithItsContext checks that each push has an answer, and that a push ends when its context does.
func TestPushEndsWithItsContext(t *testing.T) {
	o := newOrg(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	answers, err := o.crm.Push(ctx, []domain.Push{plain(0), sent(1, "robin")})
	if err != nil || len(answers) != 2 || answers[0].Class != domain.Unreachable || answers[1].Class != domain.Unreachable {
		t.Errorf("%+v, %v", answers, err)
	}
	if n := o.Calls()["composite"]; n != 0 {
		t.Errorf("%d calls", n)
	}
}

// TestSlowCallIsGivenUp checks that a call which takes too long is given up, and that the next try finds what
// it did.
func TestSlowCallIsGivenUp(t *testing.T) {
	t.Parallel() // most of its time is waiting
	answered := make(chan struct{})
	var slow atomic.Bool
	o := newOrg(t, func(s *sandbox.Options, _ *Config, _ *Deps) {
		// The org works on without its client.
		s.Sleep = func(context.Context, time.Duration) error { slow.Store(true); <-answered; return nil }
	})
	t.Cleanup(func() { close(answered) })
	o.push(plain(0))
	o.inject(sandbox.Fault{Kind: sandbox.SlowAfter, Delay: time.Minute, Next: 1})
	p, patient := plain(1), o.crm
	o.crm = o.connect(func(c *Config, _ *Deps) { c.Timeout = time.Second })
	for !slow.Load() { // on a slow machine a call before the slow one may take too long
		a := o.push(p)[0]
		if a.Class != domain.Unreachable || a.Link.Detail != "no answer" {
			t.Fatalf("%+v", a)
		}
		p.Link = a.Link
	}
	o.crm = patient
	if a := o.push(p)[0]; a.Class != domain.Taken || len(o.inmails()) != 2 {
		t.Errorf("%+v", a)
	}
	checkHistory(t, o)
}

// TestParentsOfAFailedWriteAreSentAgain checks that the next write sends the parents that a failed one did
// not bring to the org.
func TestParentsOfAFailedWriteAreSentAgain(t *testing.T) {
	o := newOrg(t)
	first, second := o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin"}), o.lead(nil)
	p := sent(0, "robin")
	a := o.push(p)[0]
	if parentsOf(a.Link).LeadID != first {
		t.Fatalf("%+v", a)
	}
	p.Link, p.InMail.CRM = a.Link, named(parents{LeadID: second})
	p.InMail.Version++
	o.inject(sandbox.Fault{Kind: sandbox.RowLock, Next: 1})
	if a = o.push(p)[0]; a.Class != domain.Locked {
		t.Fatalf("%+v", a)
	}
	p.Link = a.Link
	a = o.push(p)[0]
	if got := o.where(a); got.LeadID != second {
		t.Errorf("%+v", got)
	}
}

// TestNoTaskForTheErased checks that no Task is made for an erased member, even when the old Tasks cannot be
// queried.
func TestNoTaskForTheErased(t *testing.T) {
	o := newOrg(t)
	o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin"})
	p := sent(0, "robin")
	p.InMail.Sender, p.SenderName = domain.Erased, ""
	o.push(plain(1)) // logs in
	o.inject(sandbox.Fault{Kind: sandbox.QueryTimeout, Resource: "composite", Skip: 1, Next: 1})
	a := o.push(p)[0]
	if len(o.tasks()) != 0 || logged(a.Link, sentEvent) || a.Class != domain.Locked {
		t.Errorf("%d Tasks, %+v", len(o.tasks()), a)
	}
	p.Link = a.Link
	if a = o.push(p)[0]; a.Class != domain.Taken || len(o.tasks()) != 0 {
		t.Errorf("%d Tasks, %+v", len(o.tasks()), a)
	}
}
