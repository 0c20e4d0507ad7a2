package salesforce

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// TestStorm lets sixteen workers push a few hundred InMails while these change. The org ends sessions,
// converts Leads, fails three of ten calls in every way it knows, before and after the commit, and has
// triggers and sharing that refuse single rows and large collections of Tasks. Records and Tasks belong to
// the Users of their senders, of whom one is inactive, and are private; a tenth of the Tasks is archived as
// soon as it is written. Meanwhile the org moves to another address, encrypts the addresses of people, and
// for a while requires a field of Tasks and lacks their status. In the end the org has every InMail once,
// in its last state and with its Tasks, its history never went back, and what the org refuses for ever has
// a failure of its own. The short form has fewer InMails and rounds.
func TestStorm(t *testing.T) {
	inmails, workers, rounds := sized(120, 300), 16, sized(10, 25)
	l := newLedger()
	senders := []domain.MemberID{"kim", "lee", "max", "sally"}
	o := newOrg(t, func(s *sandbox.Options, c *Config, _ *Deps) {
		c.Concurrency, s.LongCalls, c.FindOwners = 8, 100, true
		for i, id := range senders[:3] {
			s.Credentials.Users = append(s.Credentials.Users, sandbox.User{Username: string(id) + "@crm.example", Federation: string(id),
				Standard: true, Role: []string{"CEO/West", "CEO/East", ""}[i], Inactive: id == "max"})
		}
	})
	for _, object := range []string{inMailObject, taskObject} {
		if err := o.ShareByDefault(object, sandbox.Private); err != nil {
			t.Fatal(err)
		}
	}
	o.record = l
	var leads []string
	for i := range inmails {
		member := domain.MemberID(fmt.Sprintf("member%d", i%200))
		if i < 150 {
			leads = append(leads, o.lead(sandbox.Fields{"InMail_Member_Id__c": string(member)}))
		}
		p := sent(i, member)
		p.InMail.Sender = senders[i%len(senders)]
		if i%10 == 9 {
			p.InMail.SentAt = p.InMail.SentAt.AddDate(-2, 0, 0)
		}
		l.put(p)
	}
	// The org refuses these for ever, beside the record whose number is raised below.
	const refusedRecord, refusedTask, raised = 5, 100, 11
	lasting := []sandbox.Fault{
		{Kind: sandbox.RowRefused, Object: inMailObject, Code: "FIELD_CUSTOM_VALIDATION_EXCEPTION", Where: map[string]string{inMailKey: string(newID(refusedRecord))}},
		{Kind: sandbox.RowRefused, Object: taskObject, Code: "FIELD_CUSTOM_VALIDATION_EXCEPTION", Where: map[string]string{"WhoId": leads[refusedTask]}},
	}
	o.inject(lasting...)
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
	o.inject(sandbox.Fault{Kind: sandbox.LoginRefused, Resource: "token", Code: "unknown_error", Message: "retry your request", Rate: 0.1})

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
		setUp := func(err error) {
			if err != nil {
				t.Error(err)
			}
		}
		setUp(o.EncryptField("Lead", "Email", true))
		setUp(o.EncryptField("Contact", "Email", true))
		setUp(o.MoveInstance(strings.Replace(o.url, "127.0.0.1", "localhost", 1)))
		setUp(o.RequireField(taskObject, "CallDisposition", true))
		setUp(o.ChangeValues(taskObject, "Status", "Not Started", "Done"))
		for _, lead := range leads[:converted] {
			// The conversion keeps the member id. Otherwise a worker without a lease could find nobody and
			// remove the parents that another worker wrote.
			if _, err := o.Convert(lead, sandbox.Conversion{MapMemberID: true}); err != nil {
				t.Error(err)
			}
		}
		setUp(o.RequireField(taskObject, "CallDisposition", false))
		setUp(o.ChangeValues(taskObject, "Status", "Not Started", "In Progress", "Completed"))
	})
	wg.Wait()
	o.ClearFaults()
	o.inject(lasting...)
	o.clock.move(time.Hour) // what rests goes on
	l.sync(o, o.crm, 10)
	record, _ := o.inmails()[newID(raised)]["Id"].(string)
	if err := o.Edit(record, sandbox.Fields{"Status_Sequence__c": 999999}); err != nil {
		t.Fatal(err)
	}
	l.change(newID(raised), func(p *domain.Push) { p.InMail.Version++; p.InMail.Seq++ })
	l.sync(o, o.crm, 3)
	// A worker without a lease may store an older answer over a newer one. A reconcile repairs such links.
	if found := o.reconcile(); found.Drift[missing]+found.Drift[extra] > 0 {
		t.Errorf("%+v", found)
	}
	l.sync(o, o.crm, 10)
	if found := o.reconcile(); found.Drift[missing]+found.Drift[extra]+found.Drift[stale]+found.Drift[edited] > 0 {
		t.Errorf("not repaired: %+v", found)
	}

	// What the org refuses for ever has a failure of its own, and nothing else has any.
	want := map[domain.ID]string{newID(refusedRecord): "record: " + inMailObject + ": FIELD_CUSTOM_VALIDATION_EXCEPTION",
		newID(refusedTask): noteOf(sentEvent) + ": " + taskObject + ": FIELD_CUSTOM_VALIDATION_EXCEPTION", newID(raised): "record: " + inMailObject + ": " + sequenceAhead + " (Status_Sequence__c)"}
	got := map[domain.ID]string{}
	for _, p := range l.claim(inmails) {
		for _, part := range p.Link.Parts() {
			f := p.Link.Failures[part]
			if part == noteOf(repliedEvent) && p.InMail.ID == newID(refusedTask) {
				continue // it is refused for the same reason, when it was replied to
			}
			got[p.InMail.ID] += part + ": " + f.Object + ": " + f.Detail
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("refused for ever (-want +got):\n%s", diff)
	}
	checkHistory(t, o, moved...)
	there, tasks := o.inmails(), o.tasks()
	if len(there) != inmails-1 {
		t.Errorf("%d records of %d InMails", len(there), inmails)
	}
	owners := map[any]int{}
	for i := range inmails {
		if i == refusedRecord || i == refusedTask || i == raised {
			continue
		}
		p := l.get(newID(i))
		r := there[p.InMail.ID]
		if r["Status__c"] != statusNames[p.InMail.Status] || r["Status_Sequence__c"] != float64(p.InMail.Seq) {
			t.Errorf("%s is %v %v in the org and %s %d here", p.InMail.ID, r["Status__c"], r["Status_Sequence__c"], p.InMail.Status, p.InMail.Seq)
		}
		owners[r["OwnerId"]]++
		matched := p.Link.Match == domain.Matched
		if (tasks[eventID(p.InMail.ID, sentEvent)] != nil) != matched || (tasks[eventID(p.InMail.ID, repliedEvent)] != nil) != (matched && !p.InMail.RepliedAt.IsZero()) {
			t.Errorf("%s: %s, with the Tasks sent %v and replied %v", p.InMail.ID, p.Link.Match, logged(p.Link, sentEvent), logged(p.Link, repliedEvent))
		}
	}
	if len(owners) != 3 { // kim, lee, and the integration user for the inactive one and for her who has none
		t.Errorf("owners: %v", owners)
	}
	t.Logf("%d changes in the org; %v; %v", len(o.History()), o.Calls(), o.Struck())
}
