package salesforce

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
)

// testAutomaticReply checks that the record follows when a reply is marked as automatic and back again, that
// no Task is written twice, and that nothing drifts (R64).
func testAutomaticReply(t *testing.T) {
	p := sent(0, "robin")
	o, l := withLedger(t, []domain.Push{p})
	o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin"})
	id := p.InMail.ID
	l.sync(o, o.crm, 1)
	l.change(id, func(p *domain.Push) { apply(&p.InMail, domain.EventReply, testNow) })
	l.sync(o, o.crm, 1)
	for _, step := range []struct {
		first   time.Time // of the true replies; zero: there is none
		status  string
		inTime  float64
		replied bool
	}{{time.Time{}, "Opened", 0, false}, {testNow, "Replied", 1, true}} {
		l.change(id, func(p *domain.Push) {
			if _, err := p.InMail.Correct(step.first, testNow.Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		})
		l.sync(o, o.crm, 1)
		r := o.inmails()[id]
		if r["Status__c"] != step.status || r["Replied_In_Time__c"] != step.inTime || (r["Replied_At__c"] != nil) != step.replied || r["Opened__c"] != 1.0 {
			t.Errorf("%v, replied at %v, in time %v, opened %v", r["Status__c"], r["Replied_At__c"], r["Replied_In_Time__c"], r["Opened__c"])
		}
		if found := o.reconcile(); !cmp.Equal(found.Drift, drift(nil)) {
			t.Errorf("%s: drift %v", step.status, found.Drift)
		}
		if len(o.tasks()) != 2 {
			t.Errorf("%s: %d Tasks, want 2", step.status, len(o.tasks()))
		}
	}
}
