package salesforce

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
)

// testNoAddress checks that no record, Task or field of the org has an e-mail address, even when a member's
// name is one.
func testNoAddress(t *testing.T) {
	const address = "robin.reader@private.example"
	o := newOrg(t, func(_ *sandbox.Options, _ *Config, d *Deps) { d.Text = domain.CRMTextFull })
	p := sent(0, "robin")
	p.Email, p.SenderEmail, p.RecipientName = address, "sally@private.example", "Robin "+address
	p.Answer, p.Company, p.Headline = "Yes", "Acme "+address, "Robin, "+address
	p.SenderName = "sally@private.example"
	a := o.push(p)[0]
	r, _ := o.Record(a.Link.RecordID)
	for _, fields := range append(o.Records("Task"), r) {
		for name, v := range fields {
			if text, _ := v.(string); strings.Contains(text, "@private") {
				t.Errorf("%s has %q", name, text)
			}
		}
	}
	if r["Recipient_Name__c"] != "Robin" || r["Sender_Name__c"] != nil {
		t.Errorf("names %v, %v", r["Recipient_Name__c"], r["Sender_Name__c"])
	}
}

// testOnce checks that retries after a lost answer leave one record and one Task of each event, which is
// never written again.
func testOnce(t *testing.T) {
	for _, kind := range []sandbox.FaultKind{sandbox.DropAfter, sandbox.TruncatedBody, sandbox.EmptyBody, sandbox.TimeoutAfter, sandbox.DropBefore, sandbox.EmptyErrorList} {
		t.Run(string(kind), func(t *testing.T) {
			o := newOrg(t)
			o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin"})
			p := sent(0, "robin")
			apply(&p.InMail, domain.EventReply, testNow)
			o.inject(sandbox.Fault{Kind: kind, Resource: "composite", Next: 1})
			a := o.push(p)[0]
			if a.Class != domain.Locked && a.Class != domain.Unreachable || a.Link.Attempts != 1 || a.Link.FailedAt.IsZero() {
				t.Fatalf("%+v", a)
			}
			p.Link = a.Link
			for range 3 { // repeated pushes change nothing
				a = o.push(p)[0]
				if a.Class != domain.Taken || !logged(a.Link, sentEvent) || !logged(a.Link, repliedEvent) {
					t.Fatalf("%+v", a)
				}
			}
			if len(o.inmails()) != 1 || len(o.tasks()) != 2 {
				t.Errorf("%d records, %d Tasks", len(o.inmails()), len(o.tasks()))
			}
			for _, change := range o.History() {
				if change.Object == "Task" && change.Kind != "insert" {
					t.Errorf("a Task had the change %s", change.Kind)
				}
			}
		})
	}
}

func testNeverBackwards(t *testing.T) {
	o := newOrg(t)
	old := sent(0, "robin")
	later := o.event(old, domain.PushAnswer{}, domain.EventOpen)
	later = o.event(later, domain.PushAnswer{}, domain.EventReply)
	if a := o.push(later)[0]; a.Class != domain.Taken {
		t.Fatalf("%+v", a)
	}
	t.Run("refused by the org's rule", func(t *testing.T) {
		a := o.push(old)[0] // this worker does not know the newer state
		if a.Class != domain.BadData || a.Link.PushedVersion != 0 || !strings.HasPrefix(a.Link.Detail, sequenceAhead) {
			t.Errorf("%+v", a)
		}
		again := later // the InMail is due in its newest state, whose push ends the failure
		again.Link = a.Link
		if a := o.push(again)[0]; a.Class != domain.Taken || a.Link.Failures != nil {
			t.Errorf("%+v", a)
		}
	})
	t.Run("not even sent when it is known", func(t *testing.T) {
		old.Link = domain.Link{PushedSeq: later.InMail.Seq, PushedVersion: later.InMail.Version, RecordID: "x", Match: domain.Unmatched}
		var a domain.PushAnswer
		if n := o.calls(func() { a = o.push(old)[0] }); n != 0 || a.Class != domain.Stale || a.Link.PushedSeq != later.InMail.Seq {
			t.Errorf("%d calls, %+v", n, a)
		}
	})
	t.Run("the latest of two in one batch", func(t *testing.T) {
		first := sent(1, "robin")
		second := o.event(first, domain.PushAnswer{}, domain.EventOpen)
		for _, both := range [][]domain.Push{{first, second}, {second, first}} {
			answers := o.push(both...)
			if diff := cmp.Diff([]domain.FailureClass{domain.Taken, domain.Taken}, classes(answers)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !cmp.Equal(answers[0].Link, answers[1].Link) || answers[0].Link.PushedVersion != second.InMail.Version {
				t.Errorf("%+v and %+v", answers[0].Link, answers[1].Link)
			}
		}
		if r := o.inmails()[first.InMail.ID]; r["Status__c"] != "Opened" {
			t.Errorf("%v", r["Status__c"])
		}
	})
	checkHistory(t, o)
}

// checkHistory checks R53 with the org's own history: no state went back, and no Task was made twice or
// changed.
//
// moved are the keys of Tasks that the conversion of their Lead may have moved to its Contact.
func checkHistory(t *testing.T, o *org, moved ...string) {
	t.Helper()
	inserted := map[string]bool{}
	for _, h := range o.History() {
		switch {
		case h.Object == "Task" && h.Kind == "update" && slices.Contains(moved, h.Key):
			// A Task may move once.
			moved = slices.Delete(moved, slices.Index(moved, h.Key), slices.Index(moved, h.Key)+1)
		case h.Object == "Task" && h.Kind != "insert":
			t.Errorf("Task %s had the change %s", h.Key, h.Kind)
		case h.Kind == "insert" && inserted[h.Object+h.Key]:
			t.Errorf("%s %s was made twice", h.Object, h.Key)
		case h.Object == "InMail__c" && h.OldSequence != nil && h.NewSequence != nil && *h.NewSequence < *h.OldSequence:
			t.Errorf("%s went from %v (%v) back to %v (%v)", h.Key, h.OldStatus, *h.OldSequence, h.NewStatus, *h.NewSequence)
		}
		if h.Kind == "insert" {
			inserted[h.Object+h.Key] = true
		}
	}
}

// testStates checks that every status has its name, sequence number and times in the org.
func testStates(t *testing.T) {
	o := newOrg(t)
	accepted := testNow.Add(-200 * time.Hour)
	begin := func(n int) *domain.InMail {
		m, _ := domain.New(domain.InMail{ID: newID(n), Sender: "sally", Recipient: "robin", Subject: "s", Body: "b", Preview: "b"}, accepted)
		return m
	}
	deliver := func(n int, events ...domain.Event) *domain.InMail {
		m := begin(n)
		apply(m, domain.EventDeliver, accepted)
		for i, e := range events {
			at := accepted.Add(time.Duration(i+1) * time.Hour)
			if e == domain.EventExpire {
				at = accepted.Add(domain.Window)
			}
			apply(m, e, at)
		}
		return m
	}
	refused, failed := begin(1), begin(2)
	if _, err := refused.Apply(domain.EventRefuse, accepted, domain.NoCredits); err != nil {
		t.Fatal(err)
	}
	if _, err := failed.Apply(domain.EventFail, accepted, domain.TooOld); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		m      *domain.InMail
		status string
		seq    float64
		times  []string
		reason any
		tasks  int
	}{
		{begin(0), "Queued", 1, nil, nil, 0},
		{refused, "Refused", 2, nil, "no_credits", 0},
		{failed, "Failed", 2, nil, "too_old", 0},
		{deliver(3), "Sent", 2, []string{"Sent_At__c", "Expires_At__c"}, nil, 1},
		{deliver(4, domain.EventOpen), "Opened", 3, []string{"Sent_At__c", "Expires_At__c", "Opened_At__c"}, nil, 1},
		{deliver(5, domain.EventReply), "Replied", 4, []string{"Sent_At__c", "Expires_At__c", "Opened_At__c", "Replied_At__c"}, nil, 2},
		{deliver(6, domain.EventExpire), "Expired", 3, []string{"Sent_At__c", "Expires_At__c", "Expired_At__c"}, nil, 1},
		{deliver(7, domain.EventRetract), "Retracted", 3, []string{"Sent_At__c", "Expires_At__c", "Retracted_At__c"}, nil, 1},
		{deliver(8, domain.EventReply, domain.EventRetract), "Retracted", 5, []string{"Sent_At__c", "Expires_At__c", "Opened_At__c", "Replied_At__c", "Retracted_At__c"}, nil, 2},
		{deliver(9, domain.EventDecline), "Declined", 4, []string{"Sent_At__c", "Expires_At__c", "Opened_At__c", "Declined_At__c"}, nil, 1},
		{deliver(10, domain.EventDecline, domain.EventRetract), "Retracted", 5, []string{"Sent_At__c", "Expires_At__c", "Opened_At__c", "Declined_At__c", "Retracted_At__c"}, nil, 1},
	} {
		t.Run(row.status, func(t *testing.T) {
			if o.lead(sandbox.Fields{"InMail_Member_Id__c": fmt.Sprint("robin", row.m.ID)}); true {
				row.m.Recipient = domain.MemberID(fmt.Sprint("robin", row.m.ID))
			}
			a := o.push(domain.Push{InMail: *row.m})[0]
			if a.Class != domain.Taken {
				t.Fatalf("%+v", a)
			}
			r, _ := o.Record(a.Link.RecordID)
			if r["Status__c"] != row.status || r["Status_Sequence__c"] != row.seq || r["Refused_Reason__c"] != row.reason {
				t.Errorf("%v %v %v", r["Status__c"], r["Status_Sequence__c"], r["Refused_Reason__c"])
			}
			for _, name := range []string{"Sent_At__c", "Expires_At__c", "Opened_At__c", "Replied_At__c", "Declined_At__c", "Expired_At__c", "Retracted_At__c"} {
				if (r[name] != nil) != slices.Contains(row.times, name) {
					t.Errorf("%s is %v", name, r[name])
				}
			}
			tasks := 0
			for event, task := range o.tasks() {
				if strings.HasPrefix(event, string(row.m.ID)) {
					tasks++
					if task["Status"] != "Completed" || task["IsClosed"] != true || task["WhatId"] != nil {
						t.Errorf("the Task %s: %v, related to %v", event, task["Status"], task["WhatId"])
					}
				}
			}
			if tasks != row.tasks {
				t.Errorf("%d Tasks, want %d", tasks, row.tasks)
			}
		})
	}
}

func testTags(t *testing.T) {
	o := newOrg(t)
	p := sent(0, "robin")
	p.InMail.Tags = []string{"a;b", "a,b", "demo", "q4 follow-up"}
	a := o.push(p)[0]
	r, _ := o.Record(a.Link.RecordID)
	if r["Tags__c"] != "a,b;demo;q4 follow-up" {
		t.Errorf("tags %v", r["Tags__c"])
	}
	p.Link = a.Link
	p.InMail.Tags, p.InMail.Category = nil, ""
	p.InMail.Version++
	o.push(p)
	if r, _ := o.Record(a.Link.RecordID); r["Tags__c"] != nil || r["Category__c"] != nil {
		t.Errorf("tags %v and category %v are still there", r["Tags__c"], r["Category__c"])
	}
}

func testCohort(t *testing.T) {
	o := newOrg(t)
	a := o.push(sent(0, "robin"))[0]
	r, _ := o.Record(a.Link.RecordID)
	if r["Open_Rate_Cohort__c"] != "2026-W48" || r["Delivered__c"] != 1.0 {
		t.Errorf("cohort %v, delivered %v", r["Open_Rate_Cohort__c"], r["Delivered__c"])
	}
}
