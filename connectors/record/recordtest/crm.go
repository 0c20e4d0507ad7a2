package recordtest

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"inmail/domain"
	"inmail/domain/mailroom"
)

const leaseFor = time.Minute

func claim(w *world, n int) []domain.Push {
	w.t.Helper()
	return claimFor(w, crm, n)
}

func claimFor(w *world, crm domain.CRM, n int) (pushes []domain.Push) {
	w.t.Helper()
	w.update(func(tx mailroom.Tx) (err error) {
		pushes, err = tx.ClaimUnsynced(crm, n, leaseFor)
		return err
	})
	return pushes
}

// taken returns the answer to a push that the org accepted.
func taken(p domain.Push) domain.PushAnswer {
	l := p.Link
	l.RecordID, l.PushedVersion, l.PushedSeq = "a01000000000001AAA", p.InMail.Version, p.InMail.Seq
	return domain.PushAnswer{Link: l}
}

func failed(p domain.Push, class domain.FailureClass, at time.Time, dead bool) domain.PushAnswer {
	l := p.Link
	l.Attempts++
	l.Class, l.Detail, l.FailedAt, l.Dead = class, "SOME_CODE: Field__c", at, dead
	return domain.PushAnswer{Link: l, Class: class}
}

func store(w *world, retryAt time.Time, answers ...domain.PushAnswer) {
	w.t.Helper()
	storeFor(w, crm, retryAt, answers...)
}

func storeFor(w *world, crm domain.CRM, retryAt time.Time, answers ...domain.PushAnswer) {
	w.t.Helper()
	times := make([]time.Time, len(answers))
	for i := range times {
		times[i] = retryAt
	}
	w.update(func(tx mailroom.Tx) error { return tx.StoreAnswers(crm, answers, times) })
}

func backlog(w *world) mailroom.Backlog {
	w.t.Helper()
	return backlogOf(w, crm)
}

func backlogOf(w *world, crm domain.CRM) mailroom.Backlog {
	w.t.Helper()
	return read(w, func(tx mailroom.Tx) (mailroom.Backlog, error) { return tx.Backlog(crm) })
}

func link(w *world, id domain.ID) domain.Link {
	w.t.Helper()
	return links(w, id)[crm]
}

func links(w *world, id domain.ID) map[domain.CRM]domain.Link {
	w.t.Helper()
	return read(w, func(tx mailroom.Tx) (map[domain.ID]map[domain.CRM]domain.Link, error) {
		return tx.Links([]domain.ID{id})
	})[id]
}

func leaseRace(t *testing.T, w *world) {
	w.members("ada", "bob")
	const n = 60
	for range n {
		w.queued("ada", "bob", 1)
		w.advance(time.Millisecond)
	}
	claimed := make([][]domain.Push, 4)
	errs := race(len(claimed), func(i int) error {
		for {
			var some []domain.Push
			err := w.rec.Update(t.Context(), func(tx mailroom.Tx) (err error) {
				some, err = tx.ClaimUnsynced(crm, 7, leaseFor)
				return err
			})
			if err != nil || len(some) == 0 {
				return err
			}
			claimed[i] = append(claimed[i], some...)
		}
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("a claimer failed: %v", err)
	}
	by := map[domain.ID]int{}
	for _, pushes := range claimed {
		for _, p := range pushes {
			by[p.InMail.ID]++
		}
	}
	for id, times := range by {
		if times != 1 {
			t.Errorf("%s was leased to %d", id, times)
		}
	}
	// A claimer that meets rows locked by another gets nothing and leaves; the next claim must find them.
	by = map[domain.ID]int{}
	for len(claim(w, 7)) > 0 {
	}
	w.advance(leaseFor)
	for {
		some := claim(w, 7)
		if len(some) == 0 {
			break
		}
		for _, p := range some {
			by[p.InMail.ID]++
		}
	}
	if len(by) != n {
		t.Errorf("after the leases %d are claimed again, want all %d", len(by), n)
	}
}

func syncedAtPushedVersion(t *testing.T, w *world) {
	w.update(func(tx mailroom.Tx) error {
		ada, bob := domain.NewMember("ada", "Ada"), domain.NewMember("bob", "Bob")
		ada.Email, ada.Team, bob.Email = "ada@example.com", "emea", "bob@example.com"
		bob.Company, bob.Headline = "Acme", "VP Sales"
		return tx.PutMembers([]*domain.Member{&ada, &bob}, 1, plan(10))
	})
	id := w.queued("ada", "bob", 1)[0].ID
	if diff := cmp.Diff(mailroom.Backlog{Unsynced: 1, OldestUnsynced: start}, backlog(w), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("an accepted InMail waits (-want +got):\n%s", diff)
	}
	pushes := claim(w, 10)
	if len(pushes) != 1 {
		t.Fatalf("claimed %d, want 1", len(pushes))
	}
	want := domain.Push{InMail: *w.inmail(id), Link: domain.Link{InMail: id, CRM: crm}, SenderName: "Ada", RecipientName: "Bob", Email: "bob@example.com",
		SenderEmail: "ada@example.com", SenderTeam: "emea", Company: "Acme", Headline: "VP Sales"}
	if diff := cmp.Diff(want, pushes[0]); diff != "" {
		t.Errorf("push (-want +got):\n%s", diff)
	}
	if again := claim(w, 10); len(again) != 0 {
		t.Errorf("%d were claimed within the lease", len(again))
	}
	w.advance(time.Second)
	w.apply(id, domain.EventDeliver) // while the push is under way
	store(w, time.Time{}, taken(pushes[0]))
	if b := backlog(w); b.Unsynced != 1 || !b.OldestUnsynced.Equal(start) {
		t.Errorf("it changed while it was pushed and still waits, got %+v", b)
	}
	pushes = claim(w, 10)
	if len(pushes) != 1 || pushes[0].InMail.Status != domain.Sent || pushes[0].Link.PushedVersion != 1 || pushes[0].Link.RecordID == "" {
		t.Fatalf("the second push: %+v", pushes)
	}
	store(w, time.Time{}, taken(pushes[0]))
	if b := backlog(w); b.Unsynced != 0 || !b.OldestUnsynced.IsZero() {
		t.Errorf("in sync, and the backlog is %+v", b)
	}
	w.advance(time.Hour)
	if again := claim(w, 10); len(again) != 0 {
		t.Errorf("%d are claimed that are in sync", len(again))
	}
	w.apply(id, domain.EventOpen)
	if b := backlog(w); b.Unsynced != 1 || !b.OldestUnsynced.Equal(w.Now()) {
		t.Errorf("opened: %+v", b)
	}
}

// heldBack counts InMails that a CRM has no record of, because it does not know their recipients.
func heldBack(t *testing.T, w *world) {
	w.members("ada", "bob")
	w.queued("ada", "bob", 5)
	pushes := claim(w, 10)
	hold := func(p domain.Push, match domain.Match) domain.PushAnswer {
		a := taken(p)
		a.Link.RecordID, a.Link.Match = "", match
		return a
	}
	with := taken(pushes[4]) // without a person there, and yet with a record
	with.Link.Match = domain.Unmatched
	store(w, time.Time{}, hold(pushes[0], domain.Unmatched), hold(pushes[1], domain.Unmatched), hold(pushes[2], domain.Ambiguous),
		hold(pushes[3], domain.NoMatch), with)
	want := mailroom.Backlog{Held: map[domain.Match]int{domain.Unmatched: 2, domain.Ambiguous: 1}}
	if diff := cmp.Diff(want, backlog(w), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.apply(pushes[0].InMail.ID, domain.EventDeliver) // it waits to be pushed again
	if b := backlog(w); b.Held[domain.Unmatched] != 1 || b.Unsynced != 1 {
		t.Errorf("%+v", b)
	}
}

func neverBack(t *testing.T, w *world) {
	w.members("ada", "bob")
	id := w.queued("ada", "bob", 1)[0].ID
	slow := claim(w, 1)[0] // a worker that hangs past its lease
	w.advance(leaseFor)
	w.apply(id, domain.EventDeliver)
	quick := claim(w, 1)[0]
	store(w, time.Time{}, taken(quick))
	store(w, time.Time{}, taken(slow))
	if l := link(w, id); l.PushedSeq != 2 || l.PushedVersion != 2 {
		t.Errorf("the org holds number %d, version %d; want 2, 2", l.PushedSeq, l.PushedVersion)
	}
	if b := backlog(w); b.Unsynced != 0 {
		t.Errorf("the late answer made it unsynced: %+v", b)
	}
}

// failedParts checks that the parts of an InMail keep their failures apart (F05): each is read as it was
// stored, is found by its own class, and goes when its push succeeds, when the link is reset, and when a
// member is erased.
func failedParts(t *testing.T, w *world) {
	w.members("ada", "bob")
	id := w.queued("ada", "bob", 1)[0].ID
	at := w.Now()
	parts := map[string]domain.Failure{
		domain.RecordPart: {Object: "Thing", Class: domain.Locked, Detail: "LOCKED (A)", Attempts: 2, FailedAt: at.Add(-time.Second)},
		"note":            {Object: "Note", Class: domain.BadData, Detail: "MISSING (B, C)", Attempts: 1, FailedAt: at, Dead: true},
	}
	fail := func() {
		t.Helper()
		a := taken(claim(w, 1)[0])
		a.Class, a.Link.Failures = domain.Locked, parts
		a.Link.Summarize()
		store(w, time.Time{}, a)
	}
	fail()
	links := read(w, func(tx mailroom.Tx) ([]domain.Link, error) { return tx.Failures(crm, page(10)) })
	want := []domain.Link{{InMail: id, CRM: crm, RecordID: "a01000000000001AAA", PushedVersion: 1, PushedSeq: 1, Failures: parts,
		Attempts: 1, Class: domain.BadData, Detail: "MISSING (B, C)", FailedAt: at, Dead: true}}
	if diff := cmp.Diff(want, links); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	retry := func(class domain.FailureClass) (n int) {
		w.update(func(tx mailroom.Tx) (err error) {
			n, err = tx.RetryDead(crm, "", class)
			return err
		})
		return n
	}
	if n := retry(domain.Configuration); n != 0 {
		t.Errorf("retried %d of a class that no part has", n)
	}
	if n := retry(domain.Locked); n != 1 {
		t.Errorf("retried %d of the class of the second part", n)
	}
	waits := taken(claim(w, 1)[0])
	waits.Class, waits.Link.Failures = domain.Locked, map[string]domain.Failure{"note": {Class: domain.Configuration, FailedAt: at}}
	waits.Link.Summarize()
	store(w, w.Now().Add(time.Hour), waits)
	w.update(func(tx mailroom.Tx) error { return tx.RetryWaiting(other) })
	if got := claim(w, 1); len(got) != 0 {
		t.Errorf("a resume of another CRM made it due: %+v", got)
	}
	w.update(func(tx mailroom.Tx) error { return tx.RetryWaiting(crm) })
	fail()
	w.update(func(tx mailroom.Tx) error { return tx.Resync(crm, []domain.ID{id}) })
	pushes := claim(w, 1)
	if len(pushes) != 1 || pushes[0].Link.Failures != nil {
		t.Fatalf("after a reset: %+v", pushes)
	}
	// A link that was in sync is due again when one of its parts fails.
	store(w, time.Time{}, taken(pushes[0]))
	a := taken(pushes[0])
	a.Class, a.Link.Failures = domain.Locked, parts
	a.Link.Summarize()
	store(w, w.Now(), a)
	if b := backlog(w); b.Unsynced != 1 || b.OldestUnsynced != w.Now() {
		t.Errorf("%+v", b)
	}
	w.update(func(tx mailroom.Tx) error {
		_, _, err := tx.EraseMember("bob", 10)
		return err
	})
	erased := read(w, func(tx mailroom.Tx) (map[domain.ID]map[domain.CRM]domain.Link, error) {
		return tx.Links([]domain.ID{id})
	})
	if l := erased[id][crm]; l.Failures != nil || l.Detail != "" {
		t.Errorf("after the erasure: %+v", l)
	}
}

// failedPushes checks what happens to pushes that fail.
func failedPushes(t *testing.T, w *world) {
	w.members("ada", "bob")
	id := w.queued("ada", "bob", 1)[0].ID

	again := w.Now().Add(5 * time.Minute)
	store(w, again, failed(claim(w, 1)[0], domain.Locked, w.Now(), false))
	w.set(again.Add(-time.Millisecond))
	if got := claim(w, 1); len(got) != 0 {
		t.Error("claimed before its time")
	}
	w.set(again)
	pushes := claim(w, 1)
	if len(pushes) != 1 || pushes[0].Link.Attempts != 1 || pushes[0].Link.Class != domain.Locked {
		t.Fatalf("claimed at its time: %+v", pushes)
	}

	died := w.Now()
	store(w, time.Time{}, failed(pushes[0], domain.BadData, died, true))
	w.advance(24 * time.Hour)
	if got := claim(w, 1); len(got) != 0 {
		t.Error("a dead letter went by itself")
	}
	if diff := cmp.Diff(mailroom.Backlog{Dead: map[domain.FailureClass]int{domain.BadData: 1}}, backlog(w)); diff != "" {
		t.Errorf("a dead letter does not wait (-want +got):\n%s", diff)
	}
	failures := read(w, func(tx mailroom.Tx) ([]domain.Link, error) { return tx.Failures(crm, page(10)) })
	want := []domain.Link{{InMail: id, CRM: crm, Attempts: 2, Class: domain.BadData, Detail: "SOME_CODE: Field__c", FailedAt: died, Dead: true}}
	if diff := cmp.Diff(want, failures); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}

	retry := func(id domain.ID, class domain.FailureClass) (n int) {
		w.update(func(tx mailroom.Tx) (err error) {
			n, err = tx.RetryDead(crm, id, class)
			return err
		})
		return n
	}
	if n := retry("", domain.Configuration) + retry(newID(), ""); n != 0 {
		t.Errorf("retried %d of another class and of an unknown id", n)
	}
	if n := retry("", domain.BadData); n != 1 || len(backlog(w).Dead) != 0 {
		t.Errorf("retried %d of the class, dead %v", n, backlog(w).Dead)
	}
	store(w, time.Time{}, failed(claim(w, 1)[0], domain.BadData, w.Now(), true))
	if n := retry(id, ""); n != 1 {
		t.Errorf("retried %d by id", n)
	}
	store(w, time.Time{}, failed(claim(w, 1)[0], domain.BadData, w.Now(), true))
	if n := retry("", ""); n != 1 {
		t.Errorf("retried %d of all", n)
	}

	pushes = claim(w, 1)
	w.apply(id, domain.EventDeliver) // a change while the push that dies is under way
	store(w, time.Time{}, failed(pushes[0], domain.BadData, w.Now(), true))
	if pushes = claim(w, 1); len(pushes) != 1 || pushes[0].InMail.Status != domain.Sent {
		t.Fatalf("the change did not revive it: %+v", pushes)
	}
	store(w, time.Time{}, failed(pushes[0], domain.BadData, w.Now(), true))
	w.apply(id, domain.EventOpen) // and a change of a dead letter
	if pushes = claim(w, 1); len(pushes) != 1 || pushes[0].Link.Dead {
		t.Fatalf("the change did not revive the dead letter: %+v", pushes)
	}
	ok := taken(pushes[0])
	ok.Link.Attempts, ok.Link.Class, ok.Link.Detail, ok.Link.FailedAt = 0, "", "", time.Time{}
	store(w, time.Time{}, ok)
	if got := read(w, func(tx mailroom.Tx) ([]domain.Link, error) { return tx.Failures(crm, page(10)) }); len(got) != 0 {
		t.Errorf("failures after it went through: %+v", got)
	}

	w.update(func(tx mailroom.Tx) error { return tx.Resync(crm, []domain.ID{id, newID()}) })
	pushes = claim(w, 1)
	if len(pushes) != 1 {
		t.Fatalf("from scratch: %+v", pushes)
	}
	if diff := cmp.Diff(domain.Link{InMail: id, CRM: crm}, pushes[0].Link); diff != "" {
		t.Errorf("from scratch (-want +got):\n%s", diff)
	}
}

// pagePushes pages through all InMails by id.
func pagePushes(t *testing.T, w *world) {
	w.members("ada", "bob")
	all := append(w.queued("ada", "bob", 5), w.sent("ada", "bob", 4)...)
	claim(w, 3)
	var got []domain.ID
	var after domain.ID
	for {
		some := read(w, func(tx mailroom.Tx) ([]domain.Push, error) { return tx.PushesAfter(crm, after, 2) })
		if len(some) == 0 {
			break
		}
		for _, p := range some {
			if p.SenderName == "" || p.RecipientName == "" || p.Link.InMail != p.InMail.ID {
				t.Errorf("push without names or link: %+v", p)
			}
			got = append(got, p.InMail.ID)
		}
		after = got[len(got)-1]
	}
	less := cmpopts.SortSlices(func(a, b domain.ID) bool { return a < b })
	if diff := cmp.Diff(idsOf(all), got, less); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
	for i := 1; i < len(got); i++ {
		if got[i-1] >= got[i] {
			t.Errorf("out of order at %d", i)
		}
	}
}

// pageErased pages through the InMails of erased members by id, each once, whichever side is erased.
func pageErased(t *testing.T, w *world) {
	w.members("ada", "bob", "cleo", "dan")
	want := append(idsOf(w.queued("ada", "bob", 3)), append(idsOf(w.sent("bob", "ada", 2)), idsOf(w.sent("ada", "cleo", 2))...)...)
	w.queued("dan", "cleo", 2)
	for _, id := range []domain.MemberID{"ada", "bob"} {
		w.update(func(tx mailroom.Tx) error { _, _, err := tx.EraseMember(id, 100); return err })
	}
	var got []domain.ID
	var after domain.ID
	for {
		some := read(w, func(tx mailroom.Tx) ([]domain.Push, error) { return tx.ErasedAfter(crm, after, 3) })
		if len(some) == 0 {
			break
		}
		for _, p := range some {
			if p.InMail.Sender != domain.Erased && p.InMail.Recipient != domain.Erased || p.Link.InMail != p.InMail.ID {
				t.Errorf("not erased, or without its link: %+v", p)
			}
			got = append(got, p.InMail.ID)
		}
		after = got[len(got)-1]
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ids in order (-want +got):\n%s", diff)
	}
}

// extendedLeases checks that a heartbeat extends the leases of pushes under way and revives none that was
// ended, and that FreeLeases frees all leases, as a process does that runs alone.
func extendedLeases(t *testing.T, w *world) {
	w.members("ada", "bob")
	ids := idsOf(w.queued("ada", "bob", 2))
	pushes := claim(w, 2)
	w.advance(leaseFor - time.Second)
	store(w, time.Time{}, failed(pushes[0], domain.Locked, w.Now(), false), failed(pushes[1], domain.Locked, w.Now(), false))
	w.update(func(tx mailroom.Tx) error { return tx.ExtendLeases(crm, append(ids, newID()), leaseFor) })
	w.update(func(tx mailroom.Tx) error { _, err := tx.RetryDead(crm, ids[0], ""); return err })
	if got := claim(w, 2); len(got) != 1 || got[0].InMail.ID != ids[0] {
		t.Fatalf("a lease that had ended was extended: claimed %d", len(got))
	}
	w.advance(leaseFor - time.Second)
	w.update(func(tx mailroom.Tx) error { return tx.ExtendLeases(crm, ids[:1], leaseFor) })
	w.advance(leaseFor - time.Millisecond)
	if got := claim(w, 2); len(got) != 0 {
		t.Error("claimed although a heartbeat had extended the lease")
	}
	w.update(func(tx mailroom.Tx) error { return tx.FreeLeases() })
	if got := claim(w, 2); len(got) != 1 {
		t.Errorf("claimed %d after the leases were freed, want 1", len(got))
	}
	w.advance(leaseFor)
	if got := claim(w, 2); len(got) != 1 {
		t.Errorf("claimed %d after the lease ended, want 1", len(got))
	}
}

// eachItsOwn: what is due, leased, failed, dead or in sync is so for one CRM and says nothing of another; a
// change makes an InMail due for both (R67).
func eachItsOwn(t *testing.T, w *world) {
	w.connect(other)
	w.members("ada", "bob")
	ids := idsOf(w.queued("ada", "bob", 3))
	for _, c := range []domain.CRM{crm, other} {
		if b := backlogOf(w, c); b.Unsynced != 3 || !b.OldestUnsynced.Equal(start) {
			t.Errorf("%s: accepted InMails wait: %+v", c, b)
		}
	}
	first, second := claim(w, 3), claimFor(w, other, 3)
	if len(first) != 3 || len(second) != 3 || first[0].Link.CRM != crm || second[0].Link.CRM != other {
		t.Fatalf("claimed %d of the first and %d of the second", len(first), len(second))
	}

	died := w.Now()
	store(w, time.Time{}, failed(first[0], domain.BadData, died, true), failed(first[1], domain.BadData, died, true), failed(first[2], domain.BadData, died, true))
	if b := backlog(w); b.Unsynced != 0 || b.Dead[domain.BadData] != 3 {
		t.Errorf("the first: %+v", b)
	}
	if b := backlogOf(w, other); b.Unsynced != 3 || len(b.Dead) != 0 {
		t.Errorf("the second is touched by it: %+v", b)
	}
	w.update(func(tx mailroom.Tx) error { return tx.ExtendLeases(crm, ids, 10*leaseFor) })
	w.advance(leaseFor) // the second's worker died; what was held for the first is not held for it
	if second = claimFor(w, other, 10); len(second) != 3 {
		t.Fatalf("claimed %d of the second after its lease", len(second))
	}
	slices.SortFunc(second, func(a, b domain.Push) int { return strings.Compare(string(a.InMail.ID), string(b.InMail.ID)) }) // due at the same moment
	answer := taken(second[0])
	answer.Link.Parents, answer.Link.Notes = domain.ForeignIDs{"company": "1"}, map[string]string{"made": "2"}
	storeFor(w, other, time.Time{}, answer, taken(second[1]))
	storeFor(w, other, w.Now().Add(time.Minute), failed(second[2], domain.Locked, w.Now(), false))
	both := links(w, ids[0])
	if l := both[other]; l.RecordID == "" || l.Parents["company"] != "1" || l.Notes["made"] != "2" || l.Dead {
		t.Errorf("the second's link: %+v", l)
	}
	if l := both[crm]; l.RecordID != "" || l.Parents != nil || l.Notes != nil || !l.Dead {
		t.Errorf("the first's link: %+v", l)
	}
	failures := func(c domain.CRM) int {
		return len(read(w, func(tx mailroom.Tx) ([]domain.Link, error) { return tx.Failures(c, page(10)) }))
	}
	if f, s := failures(crm), failures(other); f != 3 || s != 1 {
		t.Errorf("%d failures of the first and %d of the second, want 3 and 1", f, s)
	}
	retry := func(c domain.CRM, id domain.ID, class domain.FailureClass) (n int) {
		w.update(func(tx mailroom.Tx) (err error) {
			n, err = tx.RetryDead(c, id, class)
			return err
		})
		return n
	}
	if n := retry(other, "", domain.BadData) + retry(other, ids[0], "") + retry(other, "", ""); n != 0 {
		t.Errorf("retried %d of the second that are the first's", n)
	}
	if n := retry(crm, "", ""); n != 3 || backlogOf(w, other).Unsynced != 1 {
		t.Errorf("retried %d of the first, and of the second wait %+v", n, backlogOf(w, other))
	}

	store(w, time.Time{}, taken(first[0]), taken(first[1]), taken(first[2])) // late, and in sync now
	w.advance(time.Minute)
	w.apply(ids[0], domain.EventDeliver)
	for c, want := range map[domain.CRM]int{crm: 1, other: 2} {
		if b := backlogOf(w, c); b.Unsynced != want {
			t.Errorf("%s: %d wait after a change, want %d", c, b.Unsynced, want)
		}
	}
	w.update(func(tx mailroom.Tx) error { return tx.Resync(other, ids[1:2]) })
	if both := links(w, ids[1]); both[crm].RecordID == "" || both[other].RecordID != "" {
		t.Errorf("from scratch for the second alone: %+v", both)
	}
	w.update(func(tx mailroom.Tx) error { return tx.Resync("", ids) })
	for _, c := range []domain.CRM{crm, other} {
		if b := backlogOf(w, c); b.Unsynced != 3 || len(b.Dead) != 0 {
			t.Errorf("%s: from scratch for all: %+v", c, b)
		}
	}

	held, given := claim(w, 3), claimFor(w, other, 3)
	w.update(func(tx mailroom.Tx) error { return tx.FreeLeases() })
	if len(held) != 3 || len(given) != 3 || len(claim(w, 3)) != 3 || len(claimFor(w, other, 3)) != 3 {
		t.Error("a process that is alone frees the leases of every CRM")
	}
	w.advance(leaseFor)
	later := w.Now().Add(time.Hour)
	w.update(func(tx mailroom.Tx) error {
		if _, err := tx.ClaimUnsynced(crm, 3, leaseFor); err != nil {
			return err
		}
		return tx.Postpone(crm, ids, later)
	})
	if n := len(claimFor(w, other, 3)); n != 3 || failures(crm) != 0 {
		t.Errorf("put off for the first, the second has %d, the first %d failures", n, failures(crm))
	}
	w.set(later)
	if n := len(claim(w, 3)); n != 3 {
		t.Errorf("claimed %d at the time that they were put off to", n)
	}
}

// linkedLater: a CRM that is connected when there are InMails is linked to them in steps, each of which may
// be the last for a while.
func linkedLater(t *testing.T, w *world) {
	w.members("ada", "bob")
	old := idsOf(w.queued("ada", "bob", 5))
	pushes := claim(w, 5)
	store(w, time.Time{}, taken(pushes[0]), taken(pushes[1]))
	link := func() (more bool) {
		w.update(func(tx mailroom.Tx) (err error) {
			more, err = tx.LinkInMails(other, 2)
			return err
		})
		return more
	}
	if link() || len(claimFor(w, other, 10)) != 0 {
		t.Error("a CRM that is not connected has links")
	}
	w.advance(time.Hour)
	w.update(func(tx mailroom.Tx) error { return tx.ConnectCRM(other) })
	w.update(func(tx mailroom.Tx) error { return tx.ConnectCRM(other) }) // another process
	crms := func() []mailroom.ConnectedCRM {
		return read(w, func(tx mailroom.Tx) ([]mailroom.ConnectedCRM, error) { return tx.CRMs() })
	}
	want := []mailroom.ConnectedCRM{{Name: crm, Since: start, Linked: true}, {Name: other, Since: w.Now()}}
	if diff := cmp.Diff(want, crms()); diff != "" {
		t.Errorf("connected (-want +got):\n%s", diff)
	}
	young := idsOf(w.queued("ada", "bob", 1))
	if b := backlogOf(w, other); b.Unsynced != 1 {
		t.Errorf("%d wait before any step, want what was accepted since", b.Unsynced)
	}
	if !link() || backlogOf(w, other).Unsynced != 3 {
		t.Errorf("after the first step %d wait", backlogOf(w, other).Unsynced)
	}
	w.apply(old[4], domain.EventDeliver) // has no link yet
	w.rec.Close()
	w.reopen()
	for steps := 1; link(); steps++ {
		if steps > 3 {
			t.Fatal("the steps have no end")
		}
	}
	if all := crms(); !all[1].Linked || backlogOf(w, other).Unsynced != 6 || !backlogOf(w, other).OldestUnsynced.Equal(w.Now()) {
		t.Errorf("%+v, %+v", all, backlogOf(w, other))
	}
	if b := backlog(w); b.Unsynced != 4 { // three of five, and the new one
		t.Errorf("the first has %d waiting", b.Unsynced)
	}
	got := map[domain.ID]int64{}
	for _, p := range claimFor(w, other, 10) {
		got[p.InMail.ID] = p.InMail.Version
	}
	if len(got) != 6 || got[old[4]] != 2 || got[young[0]] != 1 {
		t.Errorf("claimed %v", got)
	}
	if link() {
		t.Error("there is more when all are linked")
	}
}

// connectedUnderLoad: whoever accepts while a CRM is connected makes the link, or the steps do: no InMail is
// without.
func connectedUnderLoad(t *testing.T, w *world) {
	w.members("ada", "bob")
	const writers, each = 4, 15
	var mu sync.Mutex
	var all []domain.ID
	errs := race(writers+1, func(i int) error {
		if i == writers {
			if err := w.rec.Update(t.Context(), func(tx mailroom.Tx) error { return tx.ConnectCRM(other) }); err != nil {
				return err
			}
			for more := true; more; {
				err := w.rec.Update(t.Context(), func(tx mailroom.Tx) (err error) {
					more, err = tx.LinkInMails(other, 3)
					return err
				})
				if err != nil {
					return err
				}
			}
			return nil
		}
		for range each {
			m, receipt := domain.New(domain.InMail{ID: newID(), Sender: "ada", Recipient: "bob", AccountType: domain.Recruiter}, w.Now())
			if err := w.rec.Update(t.Context(), func(tx mailroom.Tx) error { return tx.Insert([]*domain.InMail{m}, []domain.Receipt{receipt}) }); err != nil {
				return err
			}
			mu.Lock()
			all = append(all, m.ID)
			mu.Unlock()
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, id := range all {
		if both := links(w, id); len(both) != 2 {
			t.Errorf("%s has the links %+v", id, both)
		}
	}
	if b := backlogOf(w, other); b.Unsynced != writers*each {
		t.Errorf("%d wait, want %d", b.Unsynced, writers*each)
	}
}

// pushesKnowTheRecipient checks what a push says of its recipient beyond its InMail: what reached the
// recipient, what it wrote last, and whom a person chose for it in the CRM. What was chosen survives a reset,
// and goes with an erased recipient.
func pushesKnowTheRecipient(t *testing.T, w *world) {
	w.members("ada", "bob", "cy")
	ids := []domain.ID{w.sent("ada", "bob", 1)[0].ID}
	w.advance(time.Hour)
	ids = append(ids, w.sent("cy", "bob", 1)[0].ID, w.sent("ada", "cy", 1)[0].ID)
	w.advance(time.Hour)
	w.apply(ids[0], domain.EventReply)
	replied := w.Now()
	w.update(func(tx mailroom.Tx) error {
		return tx.InsertReplies([]*domain.Reply{
			{ID: newID(), InMail: ids[0], From: "bob", To: "ada", Body: "yes", At: replied},
			{ID: newID(), InMail: ids[0], From: "bob", To: "ada", Body: "on Monday", At: replied.Add(time.Second)},
			{ID: newID(), InMail: ids[0], From: "bob", To: "ada", Body: "I am away", At: replied.Add(2 * time.Second), Automatic: true},
			{ID: newID(), InMail: ids[0], From: "ada", To: "bob", Body: "thank you", At: replied.Add(3 * time.Second)}})
	})
	byID := func(pushes []domain.Push) map[domain.ID]domain.Push {
		by := map[domain.ID]domain.Push{}
		for _, p := range pushes {
			by[p.InMail.ID] = p
		}
		return by
	}
	pages := func() map[domain.ID]domain.Push {
		return byID(read(w, func(tx mailroom.Tx) ([]domain.Push, error) { return tx.PushesAfter(crm, "", 10) }))
	}
	claimed := byID(claim(w, 10))
	bob := domain.Correspondence{Sent: 2, LastSentAt: claimed[ids[1]].InMail.SentAt, LastStatus: domain.Sent, LastReplyAt: replied}
	cy := domain.Correspondence{Sent: 1, LastSentAt: claimed[ids[2]].InMail.SentAt, LastStatus: domain.Sent}
	for _, got := range []map[domain.ID]domain.Push{claimed, pages()} {
		for i, want := range []domain.Correspondence{bob, bob, cy} {
			if diff := cmp.Diff(want, got[ids[i]].Correspondence); diff != "" {
				t.Errorf("%d (-want +got):\n%s", i, diff)
			}
		}
		if got[ids[0]].Answer != "on Monday" || got[ids[1]].Answer != "" {
			t.Errorf("answers %q and %q", got[ids[0]].Answer, got[ids[1]].Answer)
		}
	}

	chosen := taken(claimed[ids[0]])
	chosen.Link.Chosen, chosen.Link.Match, chosen.Link.Parents = true, domain.Matched, domain.ForeignIDs{"lead_id": "L"}
	store(w, time.Time{}, chosen)
	w.update(func(tx mailroom.Tx) error { return tx.Resync(crm, ids) })
	w.advance(leaseFor)
	for _, got := range []map[domain.ID]domain.Push{pages(), byID(claim(w, 10))} {
		if l := got[ids[0]].Link; !l.Chosen || l.Match != domain.NoMatch || got[ids[1]].Link.Chosen {
			t.Errorf("after a reset: %+v, %+v", l, got[ids[1]].Link)
		}
		for i, want := range []domain.ForeignIDs{{"lead_id": "L"}, {"lead_id": "L"}, nil} {
			if diff := cmp.Diff(want, got[ids[i]].Chosen); diff != "" {
				t.Errorf("%d (-want +got):\n%s", i, diff)
			}
		}
	}
	w.update(func(tx mailroom.Tx) error {
		touched, _, err := tx.EraseMember("bob", 10)
		return errors.Join(err, tx.Resync("", touched))
	})
	if p := pages()[ids[0]]; p.Link.Chosen || p.Link.Parents != nil || p.Chosen != nil || p.Answer != "" || p.Correspondence != (domain.Correspondence{}) {
		t.Errorf("of an erased recipient: %+v", p)
	}
}
