package salesforce

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// TestStorm lets sixteen workers push a few hundred InMails while these change. The org ends sessions,
// converts Leads, fails three of ten calls in every way it knows, before and after the commit, and has
// triggers and sharing that refuse single rows and large collections of Tasks. In the end the org has every
// InMail once, in its last state and with its Tasks, and its history never went back. The short form has
// fewer InMails and rounds.
func TestStorm(t *testing.T) {
	inmails, workers, rounds := sized(120, 300), 16, sized(10, 25)
	l := newLedger()
	o := newOrg(t, func(s *sandbox.Options, c *Config, _ *Deps) { c.Concurrency, s.LongCalls = 8, 100 })
	o.record = l
	var leads []string
	for i := range inmails {
		member := domain.MemberID(fmt.Sprintf("member%d", i%200))
		if i < 150 {
			leads = append(leads, o.lead(sandbox.Fields{"InMail_Member_Id__c": string(member)}))
		}
		l.put(sent(i, member))
	}
	var faults []sandbox.Fault
	for _, kind := range []sandbox.FaultKind{sandbox.DropBefore, sandbox.DropAfter, sandbox.TruncatedBody, sandbox.EmptyBody, sandbox.TimeoutAfter,
		sandbox.UnavailableHTML, sandbox.ServerError, sandbox.EmptyErrorList, sandbox.LimitConcurrent, sandbox.SessionExpired} {
		faults = append(faults, sandbox.Fault{Kind: kind, Rate: 0.03})
	}
	faults = append(faults, sandbox.Fault{Kind: sandbox.RowLock, Rate: 0.02}, sandbox.Fault{Kind: sandbox.RowDuplicate, Rate: 0.01})
	for _, f := range []sandbox.Fault{
		{Object: inMailObject, Code: "INSUFFICIENT_ACCESS_OR_READONLY", Rate: 0.01},
		{Object: inMailObject, Code: "CANNOT_EXECUTE_FLOW_TRIGGER", Message: "Roll up: UNABLE_TO_LOCK_ROW", Rate: 0.01},
		{Object: taskObject, Code: "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", Rate: 0.01},
		{Object: taskObject, Code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", Message: limitOfTrigger, Above: 12},
	} {
		f.Kind = sandbox.RowRefused
		faults = append(faults, f)
	}
	o.inject(faults...)

	shared := NewMemory(o.clock)
	ctx := context.Background()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			crm := o.connect(func(_ *Config, d *Deps) { d.Shared = shared })
			random := rand.New(rand.NewPCG(uint64(w), 7))
			for range rounds {
				pushes := l.claim(inmails)
				random.Shuffle(len(pushes), func(i, j int) { pushes[i], pushes[j] = pushes[j], pushes[i] })
				pushes = pushes[:min(len(pushes), 40)]
				for range 3 { // InMails change meanwhile, so that some pushes are already old
					l.change(newID(random.IntN(inmails)), func(p *domain.Push) {
						_, _ = p.InMail.Apply([]domain.Event{domain.EventOpen, domain.EventReply, domain.EventDecline, domain.EventRetract}[random.IntN(4)], testNow, "")
					})
				}
				answers, err := crm.Push(ctx, pushes)
				if err != nil {
					t.Error(err)
					return
				}
				if err := l.StorePushes(ctx, answers, nil, mailroom.Budget{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	const converted = 40
	var moved []string
	for i := range inmails {
		if i%200 < converted {
			moved = append(moved, eventID(newID(i), sentEvent), eventID(newID(i), repliedEvent))
		}
	}
	wg.Go(func() {
		for _, lead := range leads[:converted] {
			// The conversion keeps the member id. Otherwise a worker without a lease could find nobody and
			// remove the parents that another worker wrote.
			if _, err := o.Convert(lead, sandbox.Conversion{MapMemberID: true}); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	o.ClearFaults()
	l.sync(o, o.crm, 10)
	// A worker without a lease may store an older answer over a newer one. A reconcile repairs such links.
	if found := o.reconcile(); found.Drift[missing]+found.Drift[extra] > 0 {
		t.Errorf("%+v", found)
	}
	l.sync(o, o.crm, 10)
	if found := o.reconcile(); found.Drift[missing]+found.Drift[extra]+found.Drift[stale]+found.Drift[edited] > 0 {
		t.Errorf("not repaired: %+v", found)
	}

	if due := l.claim(inmails); len(due) > 0 {
		t.Errorf("%d are still due; the first: %+v", len(due), due[0].Link)
	}
	checkHistory(t, o, moved...)
	there, tasks := o.inmails(), o.tasks()
	if len(there) != inmails {
		t.Errorf("%d records of %d InMails", len(there), inmails)
	}
	for i := range inmails {
		p := l.get(newID(i))
		r := there[p.InMail.ID]
		if r["Status__c"] != statusNames[p.InMail.Status] || r["Status_Sequence__c"] != float64(p.InMail.Seq) {
			t.Errorf("%s is %v %v in the org and %s %d here", p.InMail.ID, r["Status__c"], r["Status_Sequence__c"], p.InMail.Status, p.InMail.Seq)
		}
		matched := p.Link.Match == domain.Matched
		if (tasks[eventID(p.InMail.ID, sentEvent)] != nil) != matched || (tasks[eventID(p.InMail.ID, repliedEvent)] != nil) != (matched && !p.InMail.RepliedAt.IsZero()) {
			t.Errorf("%s: %s, with the Tasks sent %v and replied %v", p.InMail.ID, p.Link.Match, logged(p.Link, sentEvent), logged(p.Link, repliedEvent))
		}
	}
	t.Logf("%d changes in the org; %v", len(o.History()), o.Calls())
}
