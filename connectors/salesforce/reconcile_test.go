package salesforce

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// withLedger returns an org and a record whose InMails are already in the org.
func withLedger(t testing.TB, pushes []domain.Push, sets ...set) (*org, *ledger) {
	t.Helper()
	l := newLedger(pushes...)
	o := newOrg(t, sets...)
	o.record = l
	return o, l
}

// reconcile compares and repairs, and fails the test when that returns an error.
func (o *org) reconcile() Comparison {
	o.t.Helper()
	found, err := o.crm.Compare(context.Background(), o.record, true, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	return found
}

func drift(kinds map[string]int) map[string]int {
	all := map[string]int{missing: 0, extra: 0, stale: 0, edited: 0}
	maps.Copy(all, kinds)
	return all
}

func TestReconcileFindsEveryKindAndRepairs(t *testing.T) {
	var pushes []domain.Push
	for i := range 12 {
		pushes = append(pushes, sent(i, domain.MemberID(fmt.Sprint("robin", i))))
	}
	o, l := withLedger(t, pushes)
	leads := map[int]string{}
	for i := range 12 {
		leads[i] = o.lead(sandbox.Fields{"InMail_Member_Id__c": fmt.Sprint("robin", i)})
	}
	l.sync(o, o.crm, 1)
	if found := o.reconcile(); !cmp.Equal(found.Drift, drift(nil)) || found.Compared != 12 {
		t.Fatalf("nothing differs yet: %+v", found)
	}
	record := func(i int) string { return l.get(newID(i)).Link.RecordID }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(o.Delete(record(0)))
	must(o.Edit(record(1), sandbox.Fields{"Subject__c": "somebody else's words"}))
	must(o.Edit(record(2), sandbox.Fields{"Tags__c": "other"}))
	must(o.Edit(record(3), sandbox.Fields{"Opened_At__c": testNow}))
	must(o.Edit(record(4), sandbox.Fields{"Lead__c": leads[5]}))
	_, err := o.Convert(leads[6], sandbox.Conversion{})
	must(err)
	must(o.Merge(leads[8], leads[7]))
	must(o.Delete(leads[9]))
	o.make(inMailObject, sandbox.Fields{inMailKey: "of nobody's", "Status__c": "Sent", "Status_Sequence__c": 2})
	o.make(inMailObject, sandbox.Fields{inMailKey: "ffffffff-ffff-7fff-8fff-ffffffffffff", "Status__c": "Sent", "Status_Sequence__c": 2})
	// The org restored a backup, and a record has an older state than the one that was pushed.
	l.change(newID(10), func(p *domain.Push) { apply(&p.InMail, domain.EventOpen, testNow) })
	l.sync(o, o.crm, 1)
	must(o.Delete(record(10)))
	must(o.Purge(record(10)))
	o.make(inMailObject, sandbox.Fields{inMailKey: string(newID(10)), "Status__c": "Sent", "Status_Sequence__c": 2})
	// An InMail that waits for its push is no drift.
	l.change(newID(11), func(p *domain.Push) { apply(&p.InMail, domain.EventOpen, testNow) })
	l.put(sent(12, "nobody"))

	want := drift(map[string]int{missing: 1, edited: 3 + 1 + 2, stale: 1 + 1, extra: 2})
	l.drift.At = time.Time{}
	var dry Comparison
	calls := o.calls(func() { dry, err = o.crm.Compare(context.Background(), o.record, false, nil) })
	if err != nil || !cmp.Equal(dry.Drift, want) || dry.Resynced != 5 || dry.Moved != 4 || dry.Waiting != 2 || dry.Calls != calls || dry.RepairCalls != 6 || !dry.Done {
		t.Errorf("dry: %+v, %v, want %v", dry, err, want)
	}
	if r, _ := o.Record(record(1)); r["Subject__c"] != "somebody else's words" || l.drift.At != (time.Time{}) {
		t.Error("a dry run changed something")
	}
	found := o.reconcile()
	if diff := cmp.Diff(want, found.Drift); diff != "" || found.Resynced != 5 || found.Moved != 4 {
		t.Errorf("%+v (-want +got):\n%s", found, diff)
	}
	if !cmp.Equal(l.drift.Kinds, want) || l.drift.At != testNow || l.state[reconcileState] != nil {
		t.Errorf("kept: %+v, and a comparison %s", l.drift, l.state[reconcileState])
	}
	l.sync(o, o.crm, 3)
	after := o.reconcile()
	if diff := cmp.Diff(drift(map[string]int{extra: 2}), after.Drift); diff != "" || after.Waiting != 0 {
		t.Errorf("after healing: %+v (-want +got):\n%s", after, diff)
	}
	if p := l.get(newID(6)); parentsOf(p.Link).ContactID == "" || parentsOf(p.Link).LeadID != "" {
		t.Errorf("of the converted Lead: %+v", p.Link)
	}
	if p := l.get(newID(7)); parentsOf(p.Link).LeadID != leads[8] {
		t.Errorf("of the merged Lead: %+v", p.Link)
	}
	if p := l.get(newID(9)); p.Link.Match != domain.Unmatched {
		t.Errorf("of the deleted Lead: %+v", p.Link)
	}
	if p := l.get(newID(4)); parentsOf(p.Link).LeadID != leads[4] {
		t.Errorf("moved by hand: %+v", p.Link)
	}
	// The Task of the deleted Lead was deleted with it, and no other person is found.
	if len(o.tasks()) != 11 {
		t.Errorf("%d Tasks", len(o.tasks()))
	}
}

// TestReconcileLeavesWhatIsAhead checks that a sequence number which somebody raised by hand is reported and
// left, because the org takes no lower one.
func TestReconcileLeavesWhatIsAhead(t *testing.T) {
	o, l := withLedger(t, []domain.Push{sent(0, "robin")})
	l.sync(o, o.crm, 1)
	if err := o.Edit(l.get(newID(0)).Link.RecordID, sandbox.Fields{"Status_Sequence__c": 99}); err != nil {
		t.Fatal(err)
	}
	if found := o.reconcile(); found.Drift[edited] != 1 || found.Resynced != 0 {
		t.Errorf("%+v", found)
	}
}

// TestReconcileTakesMissingTexts checks that texts which an earlier policy did not let leave are no drift,
// because a policy that lets more leave counts from its change on.
func TestReconcileTakesMissingTexts(t *testing.T) {
	o, l := withLedger(t, []domain.Push{sent(0, "robin")}, func(_ *sandbox.Options, _ *Config, d *Deps) { d.Text = domain.CRMTextNone })
	l.sync(o, o.crm, 1)
	o.crm = o.connect(func(_ *Config, d *Deps) { d.Text = domain.CRMTextFull })
	if found := o.reconcile(); !cmp.Equal(found.Drift, drift(nil)) {
		t.Errorf("%+v", found)
	}
}

// TestReconcileFollowsTheTextPolicy checks that a policy which lets fewer texts leave reaches what is in the
// org: records, Tasks, archived Tasks, and the Tasks of records that were let go. It costs one look.
func TestReconcileFollowsTheTextPolicy(t *testing.T) {
	o := newOrg(t, func(s *sandbox.Options, _ *Config, d *Deps) {
		d.Text, d.KeepDays, s.SessionLife = domain.CRMTextFull, 100, 1e6*time.Hour
	})
	var pushes []domain.Push
	for i := range 4 {
		o.lead(sandbox.Fields{"InMail_Member_Id__c": fmt.Sprint("robin", i)})
		p := sent(i, domain.MemberID(fmt.Sprint("robin", i)))
		p.InMail.Subject, p.InMail.Preview, p.InMail.Body = "subject MARK", "preview MARK", "body MARK"
		pushes = append(pushes, p)
	}
	pushes[3].InMail.Status = domain.Queued // nothing was sent, so it is not over either
	pushes[3].InMail.SentAt = time.Time{}
	l := newLedger(pushes...)
	o.record = l
	l.sync(o, o.crm, 1)
	if n := len(o.findMark()); n != 4*3+3*2 {
		t.Fatalf("%d texts at the start", n)
	}
	o.clock.move(400 * 24 * time.Hour) // the Tasks are archived
	if err := o.Delete(l.get(newID(1)).Link.RecordID); err != nil {
		t.Fatal(err)
	}

	o.crm = o.connect(func(_ *Config, d *Deps) { d.Text = domain.CRMTextPreview })
	if found := o.reconcile(); found.Drift[stale] != 3 || found.Resynced != 3 {
		t.Errorf("from full to preview: %+v", found)
	}
	if places := o.findMark(); len(places) != 3*2+3*2 || slices.Contains(places, "InMail__c.Body__c") {
		t.Errorf("from full to preview: left are %v", places)
	}

	o.crm = o.connect(func(_ *Config, d *Deps) { d.Text = domain.CRMTextNone })
	if found, err := o.crm.Compare(t.Context(), l, false, nil); err != nil || found.Drift[stale] != 4 || len(o.findMark()) == 0 {
		t.Errorf("a dry run: %+v, %v", found, err)
	}
	if found := o.reconcile(); found.Drift[stale] != 4 || found.Drift[missing] != 0 {
		t.Errorf("from preview to none: %+v", found)
	}
	if places := o.findMark(); places != nil || len(o.inmails()) != 3 {
		t.Errorf("from preview to none: left are %v, in %d records", places, len(o.inmails()))
	}
	changes := len(o.History())
	if found := o.reconcile(); !cmp.Equal(found.Drift, drift(nil)) || len(o.History()) != changes || found.Calls > 1 {
		t.Errorf("the next one: %+v, and %d changes", found, len(o.History())-changes)
	}

	// What is written from now on has no text, so nothing need be asked about it.
	l.change(newID(3), func(p *domain.Push) { apply(&p.InMail, domain.EventDeliver, o.clock.Now()) })
	l.sync(o, o.crm, 1)
	if l.get(newID(3)).Link.Notes[textsNote] != droppedTexts || len(o.findMark()) != 0 {
		t.Errorf("a new Task: %+v", l.get(newID(3)).Link)
	}
	// A Task with texts, after the policy lets more leave again, is not taken for one without.
	o.crm = o.connect(func(_ *Config, d *Deps) { d.Text = domain.CRMTextPreview })
	l.change(newID(3), func(p *domain.Push) {
		apply(&p.InMail, domain.EventOpen, o.clock.Now())
		apply(&p.InMail, domain.EventReply, o.clock.Now())
	})
	l.sync(o, o.crm, 1)
	o.crm = o.connect(func(_ *Config, d *Deps) { d.Text = domain.CRMTextNone })
	o.reconcile()
	if places := o.findMark(); places != nil {
		t.Errorf("up and down: left are %v", places)
	}
}

// TestReconcileLooksAgainForPeople checks that the parents of unmatched InMails are looked for again, and
// that only InMails with a new match are written.
func TestReconcileLooksAgainForPeople(t *testing.T) {
	var pushes []domain.Push
	for i := range 10 {
		pushes = append(pushes, sent(i, domain.MemberID(fmt.Sprint("robin", i))))
	}
	erased := erase(sent(10, "gone"))
	o, l := withLedger(t, append(pushes, erased))
	twice := o.contact(sandbox.Fields{"InMail_Member_Id__c": "robin0"})
	o.contact(sandbox.Fields{"InMail_Member_Id__c": "robin0"})
	l.sync(o, o.crm, 1)
	if p := l.get(newID(0)); p.Link.Match != domain.Ambiguous {
		t.Fatalf("%+v", p.Link)
	}
	if err := o.Delete(twice); err != nil {
		t.Fatal(err)
	}
	lead := o.lead(sandbox.Fields{"Email": "robin3@example.com"})
	before := len(o.History())
	found := o.reconcile()
	if found.Retried != 10 || found.Matched != 2 || !cmp.Equal(found.Drift, drift(nil)) {
		t.Errorf("%+v", found)
	}
	if p := l.get(newID(3)); p.Link.Match != domain.Matched || parentsOf(p.Link).LeadID != lead || !logged(p.Link, sentEvent) {
		t.Errorf("%+v", p.Link)
	}
	if p := l.get(newID(0)); p.Link.Match != domain.Matched || parentsOf(p.Link).ContactID == "" {
		t.Errorf("%+v", p.Link)
	}
	if n := len(o.History()) - before; n != 4 { // the changes of two records and their Tasks
		t.Errorf("%d changes in the org", n)
	}
}

// TestReconcileGoesOnWhereItStopped stops a reconcile over many pages at each step. It must go on there and
// count nothing twice.
func TestReconcileGoesOnWhereItStopped(t *testing.T) {
	const n = 12_300
	var pushes []domain.Push
	for i := range n {
		p := plain(i)
		p.Link = domain.Link{InMail: p.InMail.ID, RecordID: "a0X", Match: domain.Unmatched, PushedVersion: p.InMail.Version, PushedSeq: p.InMail.Seq}
		p.InMail.Recipient = domain.Erased // no person is looked for
		pushes = append(pushes, p)
	}
	o, l := withLedger(t, pushes)
	steps := 0
	stop := errors.New("stopped")
	l.fail = func(call string) error {
		if call == "PushesAfter" {
			if steps++; steps%23 == 0 {
				return stop
			}
		}
		return nil
	}
	var found Comparison
	var err error
	for range 20 {
		if found, err = o.crm.Compare(context.Background(), o.record, true, nil); err == nil {
			break
		}
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
	}
	if err != nil || found.Compared != n || found.Drift[missing] != n {
		t.Errorf("%+v, %v", found, err)
	}
	if n := o.Calls()["composite"]; n > 12 { // three steps with two queries each, and one repeated step
		t.Errorf("%d calls", n)
	}
}

// TestReconcileLooksTwice checks that a change between the two checks is no drift.
func TestReconcileLooksTwice(t *testing.T) {
	o, l := withLedger(t, []domain.Push{sent(0, "robin"), sent(1, "robin")})
	l.sync(o, o.crm, 1)
	first := l.get(newID(0))
	if err := o.Edit(first.Link.RecordID, sandbox.Fields{"Subject__c": "for a moment"}); err != nil {
		t.Fatal(err)
	}
	looks := 0
	l.fail = func(call string) error {
		if call == "PushesAfter" {
			if looks++; looks == 2 { // the InMail changes and is pushed before the record is read again
				p := l.pushes[newID(0)]
				p.InMail.Version++
				p.Link.PushedVersion++
			}
		}
		return nil
	}
	if found := o.reconcile(); !cmp.Equal(found.Drift, drift(nil)) || found.Waiting != 1 {
		t.Errorf("%+v", found)
	}
}

// TestNotConfigured checks that a connector without an org returns an error for each request to it, and that
// it still judges ids.
func TestNotConfigured(t *testing.T) {
	c, err := New(Default(), Deps{})
	if err != nil || c.Configured() {
		t.Fatalf("%v, %v", c.Configured(), err)
	}
	ctx := context.Background()
	_, pushed := c.Push(ctx, nil)
	_, compared := c.Compare(ctx, newLedger(), true, nil)
	_, filled := c.Backfill(ctx, newLedger(), nil)
	_, planned := c.PlanBackfill(ctx, newLedger())
	forgot, those := c.Forget(ctx, nil), c.ForgetThose(ctx, nil)
	for i, err := range []error{pushed, compared, filled, planned, forgot, those, c.Resume(ctx)} {
		if !errors.Is(err, mailroom.ErrNotConfigured) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if b := c.Budget(); !reflect.DeepEqual(b, mailroom.Budget{}) {
		t.Errorf("%+v", b)
	}
	for _, good := range []domain.ForeignIDs{nil, {leadID: "00Q5g00000AbCdEEAV"}, {leadID: "00Q5g00000AbCdE", contactID: "0035g00000AbCdEAAV", accountID: "0015g00000AbCdE"}} {
		if err := c.Judge(good); err != nil {
			t.Errorf("%v: %v", good, err)
		}
	}
	for _, refused := range []domain.ForeignIDs{{leadID: "short"}, {leadID: "00Q5g00000AbCdE!"}, {contactID: "00Q5g00000AbCdEEA"}, {accountID: "00Q5g00000AbCdé"}} {
		if err := c.Judge(refused); !errors.Is(err, domain.BadRequest) {
			t.Errorf("%v: %v", refused, err)
		}
	}
}
