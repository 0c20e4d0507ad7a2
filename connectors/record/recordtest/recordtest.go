// Package recordtest tests every implementation of mailroom.Record by the same suite. Rules are the tests of
// the rules that the record decides or guards; Exercise are the tests of what the port promises besides. Both
// run on every engine that they are given, and no test depends on which one it is.
package recordtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// Engines are the implementations by name. Each makes an empty place for one test, and removes it when the
// test ends.
type Engines map[string]func(t *testing.T) Place

// Place opens the record. Each call opens the same record again, as a restarted program does.
type Place func(ctx context.Context, clock mailroom.Clock) (Record, error)

// Record is the tested implementation.
type Record interface {
	mailroom.Record
	Close()
}

// each runs a test on every engine.
func (e Engines) each(t *testing.T, name string, test func(t *testing.T, w *world)) {
	t.Run(name, func(t *testing.T) {
		for _, engine := range slices.Sorted(maps.Keys(e)) {
			t.Run(engine, func(t *testing.T) { test(t, open(t, e[engine](t))) })
		}
	})
}

// start is the time at which every test begins.
var start = time.Date(2026, 11, 18, 9, 30, 0, 0, time.UTC)

// clock is a clock that moves only when a test sets it.
type clock struct {
	sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.Lock()
	defer c.Unlock()
	return c.now
}

func (c *clock) set(now time.Time) {
	c.Lock()
	defer c.Unlock()
	c.now = now
}

func (c *clock) advance(d time.Duration) { c.set(c.Now().Add(d)) }

// world is an open record with a clock, and the vocabulary of the tests.
type world struct {
	t     *testing.T
	place Place
	rec   Record
	*clock
}

func open(t *testing.T, place Place) *world {
	t.Helper()
	w := &world{t: t, place: place, clock: &clock{now: start}}
	w.reopen()
	t.Cleanup(func() { w.rec.Close() })
	w.connect(crm)
	return w
}

// crm is the CRM that every world is connected to, and other one that a test may connect beside it.
const (
	crm   domain.CRM = "first"
	other domain.CRM = "second"
)

// connect connects a CRM and links to it what there is.
func (w *world) connect(crm domain.CRM) {
	w.t.Helper()
	w.update(func(tx mailroom.Tx) error { return tx.ConnectCRM(crm) })
	for more := true; more; {
		w.update(func(tx mailroom.Tx) (err error) {
			more, err = tx.LinkInMails(crm, 2)
			return err
		})
	}
}

func (w *world) reopen() {
	w.t.Helper()
	rec, err := w.place(w.t.Context(), w.clock)
	if err != nil {
		w.t.Fatalf("open the record: %v", err)
	}
	w.rec = rec
}

// update runs fn in a transaction that must succeed.
func (w *world) update(fn func(tx mailroom.Tx) error) {
	w.t.Helper()
	if err := w.rec.Update(w.t.Context(), fn); err != nil {
		w.t.Fatalf("update: %v", err)
	}
}

// view runs fn in a snapshot.
func (w *world) view(fn func(tx mailroom.Tx) error) {
	w.t.Helper()
	if err := w.rec.View(w.t.Context(), fn); err != nil {
		w.t.Fatalf("view: %v", err)
	}
}

// read returns what fn returns in a snapshot.
func read[T any](w *world, fn func(tx mailroom.Tx) (T, error)) (answer T) {
	w.t.Helper()
	w.view(func(tx mailroom.Tx) (err error) {
		answer, err = fn(tx)
		return err
	})
	return answer
}

func newID() domain.ID { return domain.ID(uuid.Must(uuid.NewV7()).String()) }

// plan returns a function that gives every plan the allowance n.
func plan(n int) func(string) int { return func(string) int { return n } }

// members creates members with these ids.
func (w *world) members(ids ...domain.MemberID) {
	w.t.Helper()
	w.update(func(tx mailroom.Tx) error {
		var ms []*domain.Member
		for _, id := range ids {
			m := domain.NewMember(id, "Name of "+string(id))
			ms = append(ms, &m)
		}
		return tx.PutMembers(ms, 1, plan(10))
	})
}

// queued creates n InMails that are accepted now and not delivered.
func (w *world) queued(from, to domain.MemberID, n int) []*domain.InMail {
	w.t.Helper()
	var ms []*domain.InMail
	var receipts []domain.Receipt
	for i := range n {
		m, receipt := domain.New(domain.InMail{
			ID: newID(), Sender: from, Recipient: to, Subject: fmt.Sprintf("Subject %d", i), Body: "Body", Preview: "Preview",
			AccountType: domain.Recruiter,
		}, w.Now())
		ms, receipts = append(ms, m), append(receipts, receipt)
	}
	w.update(func(tx mailroom.Tx) error { return tx.Insert(ms, receipts) })
	return ms
}

// sent creates n InMails that are delivered now.
func (w *world) sent(from, to domain.MemberID, n int) []*domain.InMail {
	w.t.Helper()
	ms := w.queued(from, to, n)
	for _, m := range ms {
		w.apply(m.ID, domain.EventDeliver)
	}
	return w.load(ms)
}

func (w *world) sentOne(from, to domain.MemberID) domain.ID {
	w.t.Helper()
	return w.sent(from, to, 1)[0].ID
}

// apply applies an event, which must be legal, to an InMail.
func (w *world) apply(id domain.ID, e domain.Event) {
	w.t.Helper()
	if err := w.try(id, e); err != nil {
		w.t.Fatalf("%s: %v", e, err)
	}
}

// try applies an event to an InMail as the use cases do: lock, apply, save. It returns errNothing for an
// event that changes nothing.
func (w *world) try(id domain.ID, e domain.Event) error {
	return w.rec.Update(w.t.Context(), func(tx mailroom.Tx) error {
		ms, err := tx.LockInMails([]domain.ID{id})
		if err != nil {
			return err
		}
		return move(tx, ms[id], e)
	})
}

// errNothing is returned for an event that was legal and changed nothing.
var errNothing = fmt.Errorf("nothing changed")

func move(tx mailroom.Tx, m *domain.InMail, e domain.Event) error {
	change := mailroom.Change{InMail: m, FromStatus: m.Status, FromVersion: m.Version}
	from := m.Outcome()
	receipts, err := m.Apply(e, tx.Now(), reason(e))
	if err != nil {
		return err
	}
	if len(receipts) == 0 {
		return errNothing
	}
	change.Receipts = receipts
	if e == domain.EventDecline {
		m.DeclineReason = "zq-mark-text decline"
	}
	if err := tx.Count(domain.CountsFor(m, from, m.Outcome())); err != nil {
		return err
	}
	return tx.Save([]mailroom.Change{change})
}

func reason(e domain.Event) domain.Code {
	switch e {
	case domain.EventRefuse:
		return domain.Blocked
	case domain.EventFail:
		return domain.TooOld
	}
	return ""
}

func (w *world) load(ms []*domain.InMail) []*domain.InMail {
	w.t.Helper()
	loaded := make([]*domain.InMail, len(ms))
	for i, m := range ms {
		loaded[i] = w.inmail(m.ID)
	}
	return loaded
}

func (w *world) inmail(id domain.ID) *domain.InMail {
	w.t.Helper()
	m := read(w, func(tx mailroom.Tx) (map[domain.ID]*domain.InMail, error) { return tx.InMails([]domain.ID{id}) })[id]
	if m == nil {
		w.t.Fatalf("InMail %s is not there", id)
	}
	return m
}

// race runs n calls at the same time and returns their errors by index.
func race(n int, run func(i int) error) []error {
	errs := make([]error, n)
	gun := make(chan struct{})
	var done sync.WaitGroup
	for i := range n {
		done.Go(func() {
			<-gun
			errs[i] = run(i)
		})
	}
	close(gun)
	done.Wait()
	return errs
}

// won returns how many calls succeeded.
func won(errs []error) (n int) {
	for _, err := range errs {
		if err == nil {
			n++
		}
	}
	return n
}

func page(n int) mailroom.Page { return mailroom.Page{Limit: n} }

func inbox(w *world, id domain.MemberID, f mailroom.Filter) []mailroom.Entry {
	w.t.Helper()
	return read(w, func(tx mailroom.Tx) ([]mailroom.Entry, error) { return tx.InboxOf(id, f, page(200)) })
}

func sentBy(w *world, id domain.MemberID, f mailroom.Filter) []*domain.InMail {
	w.t.Helper()
	return read(w, func(tx mailroom.Tx) ([]*domain.InMail, error) { return tx.SentBy(id, f, page(200)) })
}

func unread(w *world, id domain.MemberID) int {
	w.t.Helper()
	return read(w, func(tx mailroom.Tx) (int, error) { return tx.Unread(id) })
}

// idsOf returns the ids of InMails in their order.
func idsOf(ms []*domain.InMail) []domain.ID {
	ids := make([]domain.ID, len(ms))
	for i, m := range ms {
		ids[i] = m.ID
	}
	return ids
}

// sum adds up the counts of a dimension over all cohorts, by "key/outcome".
func sum(w *world, d domain.Dimension) map[string]int {
	w.t.Helper()
	sums := map[string]int{}
	for _, c := range read(w, func(tx mailroom.Tx) ([]domain.Count, error) { return tx.Counts(d, "", "") }) {
		sums[c.Key+"/"+string(c.Outcome)] += c.N
	}
	return sums
}
