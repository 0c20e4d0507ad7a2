package recordtest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"inmail/domain"
	"inmail/domain/mailroom"
)

const leaseFor = time.Minute

func claim(w *world, n int) (pushes []domain.Push) {
	w.t.Helper()
	w.update(func(tx mailroom.Tx) (err error) {
		pushes, err = tx.ClaimUnsynced(n, leaseFor)
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
	times := make([]time.Time, len(answers))
	for i := range times {
		times[i] = retryAt
	}
	w.update(func(tx mailroom.Tx) error { return tx.StoreAnswers(answers, times) })
}

func backlog(w *world) mailroom.Backlog {
	w.t.Helper()
	return read(w, func(tx mailroom.Tx) (mailroom.Backlog, error) { return tx.Backlog() })
}

func link(w *world, id domain.ID) domain.Link {
	w.t.Helper()
	return read(w, func(tx mailroom.Tx) (map[domain.ID]domain.Link, error) { return tx.Links([]domain.ID{id}) })[id]
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
				some, err = tx.ClaimUnsynced(7, leaseFor)
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
		bob.Email = "bob@example.com"
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
	want := domain.Push{InMail: *w.inmail(id), Link: domain.Link{InMail: id}, SenderName: "Ada", RecipientName: "Bob", Email: "bob@example.com"}
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
	failures := read(w, func(tx mailroom.Tx) ([]domain.Link, error) { return tx.Failures(page(10)) })
	want := []domain.Link{{InMail: id, Attempts: 2, Class: domain.BadData, Detail: "SOME_CODE: Field__c", FailedAt: died, Dead: true}}
	if diff := cmp.Diff(want, failures); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}

	retry := func(id domain.ID, class domain.FailureClass) (n int) {
		w.update(func(tx mailroom.Tx) (err error) {
			n, err = tx.RetryDead(id, class)
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
	if got := read(w, func(tx mailroom.Tx) ([]domain.Link, error) { return tx.Failures(page(10)) }); len(got) != 0 {
		t.Errorf("failures after it went through: %+v", got)
	}

	w.update(func(tx mailroom.Tx) error { return tx.Resync([]domain.ID{id, newID()}) })
	pushes = claim(w, 1)
	if len(pushes) != 1 || pushes[0].Link != (domain.Link{InMail: id}) {
		t.Errorf("from scratch: %+v", pushes)
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
		some := read(w, func(tx mailroom.Tx) ([]domain.Push, error) { return tx.PushesAfter(after, 2) })
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

// extendedLeases checks that a heartbeat extends the leases of pushes under way and revives none that was
// ended, and that FreeLeases frees all leases, as a process does that runs alone.
func extendedLeases(t *testing.T, w *world) {
	w.members("ada", "bob")
	ids := idsOf(w.queued("ada", "bob", 2))
	pushes := claim(w, 2)
	w.advance(leaseFor - time.Second)
	store(w, time.Time{}, failed(pushes[0], domain.Locked, w.Now(), false), failed(pushes[1], domain.Locked, w.Now(), false))
	w.update(func(tx mailroom.Tx) error { return tx.ExtendLeases(append(ids, newID()), leaseFor) })
	w.update(func(tx mailroom.Tx) error { _, err := tx.RetryDead(ids[0], ""); return err })
	if got := claim(w, 2); len(got) != 1 || got[0].InMail.ID != ids[0] {
		t.Fatalf("a lease that had ended was extended: claimed %d", len(got))
	}
	w.advance(leaseFor - time.Second)
	w.update(func(tx mailroom.Tx) error { return tx.ExtendLeases(ids[:1], leaseFor) })
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
