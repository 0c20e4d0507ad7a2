// Package crmtest is the suite of the port to a CRM (mailroom.CRM): every connector runs it against its
// own double. It checks what the rules demand of each CRM that is connected (R53 to R56, R60, R67): every
// InMail once and with its current state, nothing twice and nothing backwards, whatever fails on the way.
package crmtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// Record is what the CRM has of an InMail.
type Record struct {
	Status domain.Status
	Order  int64  // the number by which states are ordered there
	Words  string // all texts and names of the record and of what is beside it
}

// Write is one write of a record, in the order in which the CRM carried them out.
type Write struct {
	InMail domain.ID
	Order  int64
}

// World is a CRM with its double, as the suite sees it.
type World struct {
	Clock *Clock
	// Connect returns a connector like that of another process. wrap changes its transport; nil: it does
	// not.
	Connect func(wrap func(http.RoundTripper) http.RoundTripper) mailroom.CRM
	// Person makes somebody with the id of a member in the CRM, and Move merges or converts one so that
	// the id leads to another record. MemberOf returns the member's id that the person has now.
	Person   func(member domain.MemberID) (id string)
	Move     func(person string)
	MemberOf func(person string) string
	// Records returns what is there by InMails. It fails the test when one is there twice.
	Records func() map[domain.ID]Record
	Writes  func() []Write
	// Edit changes the status of a record, as a person does there, and Remove removes the record.
	Edit, Remove func(id domain.ID)
	// Break makes a share of all calls fail, in every way that the double knows, and Clear ends that.
	Break func(rate float64)
	Clear func()
	// Limit makes the CRM take no calls until it is cleared.
	Limit func()
	// Order is the order number of an InMail's state.
	Order func(m *domain.InMail) int64
	// Expects says whether the CRM is to have an InMail at all.
	Expects func(p domain.Push) bool
	// Remakes says that a reconcile makes a record anew that a person removed.
	Remakes bool
	// Late is how many writes at most the CRM carried out late, after they were given up: they alone may
	// have gone back for a while.
	Late func() int
}

// Long selects the long form of the suite, as make storm does.
var Long = os.Getenv("INMAIL_TEST_LONG") == "1"

func sized(short, long int) int {
	if Long {
		return long
	}
	return short
}

// start is the time at which a world's clock should start.
var start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// Start returns the time at which a world's clock starts.
func Start() time.Time { return start }

// suite runs one test in one world.
type suite struct {
	*World
	t      testing.TB
	ledger *ledger
	crm    mailroom.CRM
	random *rand.Rand
	people map[domain.MemberID]string
}

func newSuite(t testing.TB, w *World) *suite {
	return &suite{World: w, t: t, ledger: newLedger(w.Clock), crm: w.Connect(nil), random: rand.New(rand.NewPCG(1, 2)),
		people: map[domain.MemberID]string{}}
}

// Run runs the suite. open makes a new world for each test.
func Run(t *testing.T, open func(t testing.TB) *World) {
	for name, test := range map[string]func(*suite){
		"R53_a_storm_of_changes_faults_and_kills": (*suite).storm,
		"R53_a_backfill_that_is_killed":           (*suite).backfill,
		"R53_what_differs_is_found_and_repaired":  (*suite).drift,
		"R53_a_limit_delays_and_loses_nothing":    (*suite).limit,
		"R55_a_moved_person_is_followed":          (*suite).moved,
		"R55_who_was_unknown_is_found_later":      (*suite).later,
		"R60_an_erased_member_leaves_no_word":     (*suite).erased,
	} {
		t.Run(name, func(t *testing.T) { test(newSuite(t, open(t))) })
	}
}

func newID(n int) domain.ID {
	return domain.ID(fmt.Sprintf("01935b00-%04x-7000-8000-%012x", n>>16&0xffff, n))
}

func member(n int) domain.MemberID { return domain.MemberID(fmt.Sprintf("member%d", n)) }

// words is in every text of an InMail of the suite.
const words = "spring plan"

// inmail returns the push of an InMail that was delivered to a member an hour ago.
func inmail(n int, to domain.MemberID) domain.Push {
	accepted := start.Add(-time.Hour)
	m, _ := domain.New(domain.InMail{ID: newID(n), Sender: "sally", Recipient: to, Subject: "A " + words, Body: "The " + words + ".",
		Preview: "The " + words + ".", Category: "intro", Tags: []string{"demo"}}, accepted)
	if _, err := m.Apply(domain.EventDeliver, accepted.Add(time.Duration(n)*time.Millisecond), ""); err != nil {
		panic(err)
	}
	return domain.Push{InMail: *m, SenderName: "Sally Sender", RecipientName: "Robin " + string(to),
		Email: domain.Email(strings.ToLower(string(to)) + "@example.com")}
}

// fill adds n InMails to people of whom the CRM knows those below known.
func (s *suite) fill(n, people, known int) {
	for i := range known {
		s.people[member(i)] = s.Person(member(i))
	}
	for i := range n {
		s.ledger.put(inmail(i, member(i%people)))
	}
}

// push pushes what is due once, and reports whether anything was.
func (s *suite) push(crm mailroom.CRM, limit int) bool {
	s.t.Helper()
	s.ledger.alone.Lock()
	defer s.ledger.alone.Unlock()
	pushes := s.ledger.claim(limit)
	if len(pushes) == 0 {
		return false
	}
	answers, err := crm.Push(context.Background(), pushes)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(answers) != len(pushes) {
		s.t.Fatalf("%d answers to %d pushes", len(answers), len(pushes))
	}
	s.ledger.store(answers, nil)
	return true
}

// settle pushes until nothing is due, moving the clock to what waits.
func (s *suite) settle() {
	s.t.Helper()
	for range 5000 {
		if s.push(s.crm, 1000) {
			continue
		}
		at, waits := s.ledger.next()
		if !waits {
			return
		}
		s.Clock.Move(max(at.Sub(s.Clock.Now()), time.Second))
	}
	due := s.ledger.claim(1)
	s.t.Fatalf("pushes do not come to an end; one of those due: %+v", due)
}

// reconcile compares and repairs until the CRM allows it to end.
func (s *suite) reconcile() mailroom.Comparison {
	s.t.Helper()
	for range 100 {
		found, err := s.crm.Compare(context.Background(), s.ledger, true, nil)
		var waits *mailroom.Waits
		if errors.As(err, &waits) {
			s.Clock.Move(max(waits.Until.Sub(s.Clock.Now()), time.Second))
			continue
		}
		if err != nil {
			s.t.Fatal(err)
		}
		return found
	}
	s.t.Fatal("a reconcile does not come to an end")
	return mailroom.Comparison{}
}

// undrifted fails the test when a reconcile finds a difference.
func (s *suite) undrifted() {
	s.t.Helper()
	for kind, n := range s.reconcile().Drift {
		if n > 0 {
			s.t.Errorf("%d are %s", n, kind)
		}
	}
}

// check compares the CRM with the record: every InMail once, in its newest state.
func (s *suite) check() {
	s.t.Helper()
	there := s.Records()
	for _, id := range s.ledger.ids() {
		p := s.ledger.get(id)
		r, ok := there[id]
		delete(there, id)
		switch want := s.Expects(p); {
		case ok != want:
			s.t.Errorf("%s to %s (%s, %s): there %v, want %v; %+v", id, p.InMail.Recipient, p.InMail.Status, p.Link.Match, ok, want, p.Link)
		case ok && (r.Status != p.InMail.Status || r.Order != s.Order(&p.InMail)):
			s.t.Errorf("%s is %s %d there, and %s %d here; %+v", id, r.Status, r.Order, p.InMail.Status, s.Order(&p.InMail), p.Link)
		}
	}
	for id := range there {
		s.t.Errorf("%s is there and unknown here", id)
	}
	last, back := map[domain.ID]int64{}, 0
	for _, w := range s.Writes() {
		if w.Order < last[w.InMail] {
			back++
		}
		last[w.InMail] = w.Order
	}
	s.t.Logf("%d writes of %d InMails; %d went back, %d were carried out late", len(s.Writes()), len(last), back, s.Late())
	if late := s.Late(); back > late {
		s.t.Errorf("%d writes went back, and %d were carried out late", back, late)
	}
}

// events are what can still happen to an InMail that was sent.
var events = []domain.Event{domain.EventOpen, domain.EventReply, domain.EventDecline, domain.EventRetract}

// mutate changes a random InMail, if it can take the event.
func (s *suite) mutate(n int) {
	s.ledger.change(newID(s.random.IntN(n)), func(p *domain.Push) {
		if s.random.IntN(6) == 0 {
			p.InMail.Tags = []string{"demo", fmt.Sprintf("tag%d", s.random.IntN(30))}
			p.InMail.Version++
			return
		}
		_, _ = p.InMail.Apply(events[s.random.IntN(len(events))], s.Clock.Now(), "") // an illegal event changes nothing
	})
}

// errKilled is what a process sees of a call in which it dies: nothing.
var errKilled = errors.New("the process is killed")

// dying is a transport that dies at one of its calls: before it is sent, or when the answer has come.
type dying struct {
	next  http.RoundTripper
	calls atomic.Int64 // left until it dies
	after bool
}

func (d *dying) RoundTrip(r *http.Request) (*http.Response, error) {
	left := d.calls.Add(-1)
	if left < 0 || left == 0 && !d.after {
		return nil, errKilled
	}
	resp, err := d.next.RoundTrip(r)
	if left == 0 && err == nil {
		_ = resp.Body.Close()
		return nil, errKilled
	}
	return resp, err
}

// killed pushes by a process that dies at a call, so that no answer is stored.
func (s *suite) killed() {
	s.ledger.alone.Lock()
	defer s.ledger.alone.Unlock()
	d := &dying{after: s.random.IntN(2) == 0}
	crm := s.Connect(func(next http.RoundTripper) http.RoundTripper {
		d.next = next
		return d
	})
	d.calls.Store(1000)
	_, _ = crm.Push(context.Background(), nil) // what it asks first is behind it
	d.calls.Store(int64(1 + s.random.IntN(8)))
	if pushes := s.ledger.claim(200); len(pushes) > 0 {
		_, _ = crm.Push(context.Background(), pushes)
	}
}

// storm pushes InMails while they change, three of ten calls fail before or after the commit, processes are
// killed in the middle of their calls, and people are merged or converted.
func (s *suite) storm() {
	inmails, changes := sized(150, 2000), sized(500, 10_000)
	people := inmails * 2 / 3
	known := people * 4 / 5
	s.fill(inmails, people, known)
	s.Break(0.3)
	for done := 0; done < changes; {
		for range 1 + s.random.IntN(4) {
			s.mutate(inmails)
			done++
		}
		switch s.random.IntN(10) {
		case 0:
			s.killed()
		case 1:
			if m := member(s.random.IntN(known)); s.people[m] != "" {
				s.Move(s.people[m])
				s.people[m] = ""
			}
		}
		s.push(s.crm, 200)
		s.Clock.Move(time.Duration(s.random.IntN(5000)) * time.Millisecond)
	}
	s.settle() // while calls still fail
	s.Clear()
	s.Clock.Move(10 * time.Minute)
	s.reconcile() // what a process that was killed left behind is repaired
	s.settle()
	s.undrifted()
	if dead := s.ledger.dead(); len(dead) > 0 {
		s.t.Errorf("%d dead letters; the first: %+v", len(dead), s.ledger.get(dead[0]).Link)
	}
	s.check()
}

// backfill brings InMails of which a part is there already, while calls fail and the process is killed.
func (s *suite) backfill() {
	inmails := sized(400, 50_000)
	s.fill(inmails, inmails/4, inmails/5)
	for range 1 + inmails/10_000 { // a part is there already
		s.push(s.crm, inmails/8)
	}
	s.Break(0.04) // a page takes some fifty calls
	for i := 0; ; i++ {
		if i == 3000 {
			s.t.Fatal("a backfill does not come to an end")
		}
		crm := s.crm
		if i%5 == 0 {
			crm = s.Connect(func(next http.RoundTripper) http.RoundTripper {
				d := &dying{next: next, after: i%2 == 0}
				d.calls.Store(int64(5 + s.random.IntN(60)))
				return d
			})
		}
		done, err := crm.Backfill(context.Background(), s.ledger, nil)
		var waits *mailroom.Waits
		if errors.As(err, &waits) {
			s.Clock.Move(max(waits.Until.Sub(s.Clock.Now()), time.Second))
		}
		if err == nil && done.Done {
			if done.Total != inmails || done.InMails != inmails {
				s.t.Errorf("%+v of %d", done, inmails)
			}
			break
		}
	}
	s.Clear()
	s.settle()
	s.Clock.Move(10 * time.Minute)
	s.settle()
	s.check()
	s.undrifted()
}

// drift has people edit and remove records.
func (s *suite) drift() {
	s.fill(60, 30, 30)
	s.settle()
	s.undrifted()
	for i := range 5 {
		s.Edit(newID(i))
		s.Remove(newID(i + 10))
	}
	found, err := s.crm.Compare(context.Background(), s.ledger, false, nil)
	if err != nil || found.Drift["edited"] != 5 || found.Drift["missing"] != 5 || found.Resynced > 10 {
		s.t.Errorf("a dry run found %+v, %v", found, err)
	}
	if found := s.reconcile(); found.Drift["edited"] != 5 || found.Drift["missing"] != 5 {
		s.t.Errorf("found %+v", found)
	}
	if s.ledger.drift.Kinds["edited"] != 5 {
		s.t.Errorf("stored %+v", s.ledger.drift)
	}
	s.settle()
	s.undrifted()
	there := s.Records()
	for i := range 5 {
		p := s.ledger.get(newID(i))
		if there[p.InMail.ID].Status != p.InMail.Status {
			s.t.Errorf("%s is still %s", p.InMail.ID, there[p.InMail.ID].Status)
		}
		if _, again := there[newID(i+10)]; again != s.Remakes {
			s.t.Errorf("%s was removed and is there: %v", newID(i+10), again)
		}
	}
	// A removed one stays away also when its InMail changes.
	for i := range 15 {
		s.ledger.change(newID(i), func(p *domain.Push) { _, _ = p.InMail.Apply(domain.EventOpen, s.Clock.Now(), "") })
	}
	s.settle()
	if _, again := s.Records()[newID(10)]; again != s.Remakes {
		s.t.Errorf("a removed one is there after a change: %v", again)
	}
}

// limit lets the CRM take no calls for a while.
func (s *suite) limit() {
	s.fill(40, 40, 40)
	s.push(s.crm, 20)
	s.Limit()
	answers, err := s.crm.Push(context.Background(), s.ledger.claim(20))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, a := range answers {
		if a.Class != domain.LimitReached || !a.Until.After(s.Clock.Now()) {
			s.t.Fatalf("%s until %s: %+v", a.Class, a.Until, a.Link)
		}
		if a.Link.Attempts > 0 {
			s.t.Errorf("a limit costs an attempt: %+v", a.Link)
		}
	}
	if b := s.crm.Budget(); !b.ParkedUntil.After(s.Clock.Now()) {
		s.t.Errorf("not parked: %+v", b)
	}
	s.ledger.store(answers, nil)
	s.Clear()
	s.settle()
	s.check()
}

// moved merges or converts people, before and after they get InMails.
func (s *suite) moved() {
	s.fill(20, 10, 10)
	s.settle()
	for i := range 5 {
		s.Move(s.people[member(i)])
	}
	for i := 20; i < 40; i++ {
		s.ledger.put(inmail(i, member(i%10)))
	}
	for i := range 20 {
		s.ledger.change(newID(i), func(p *domain.Push) { _, _ = p.InMail.Apply(domain.EventOpen, s.Clock.Now(), "") })
	}
	s.settle()
	s.reconcile()
	s.settle()
	s.check()
	s.undrifted()
	for _, id := range s.ledger.ids() {
		if p := s.ledger.get(id); p.Link.Match != domain.Matched {
			s.t.Errorf("%s to %s is %s", id, p.InMail.Recipient, p.Link.Match)
		}
	}
}

// later makes people whom the CRM did not know when they got their InMails.
func (s *suite) later() {
	s.fill(10, 10, 0)
	s.settle()
	for _, id := range s.ledger.ids() {
		if p := s.ledger.get(id); p.Link.Match != domain.Unmatched {
			s.t.Errorf("%s is %q", id, p.Link.Match)
		}
	}
	s.check()
	for i := range 10 {
		s.Person(member(i))
	}
	if found := s.reconcile(); found.Retried != 10 || found.Matched != 10 {
		s.t.Errorf("%+v", found)
	}
	s.settle()
	for _, id := range s.ledger.ids() {
		if p := s.ledger.get(id); p.Link.Match != domain.Matched {
			s.t.Errorf("%s is still %q", id, p.Link.Match)
		}
	}
	s.check()
	s.undrifted()
}

// erased erases members, with links that begin anew, as the record does.
func (s *suite) erased() {
	s.fill(30, 10, 10)
	s.settle()
	for i := range 30 {
		s.ledger.change(newID(i), func(p *domain.Push) { _, _ = p.InMail.Apply(domain.EventReply, s.Clock.Now(), "") })
	}
	s.settle()
	var ids []domain.ID
	for _, id := range s.ledger.ids() {
		if s.ledger.get(id).InMail.Recipient != member(3) {
			continue
		}
		ids = append(ids, id)
		s.ledger.change(id, func(p *domain.Push) {
			p.InMail.Recipient, p.RecipientName, p.Email = domain.Erased, "", ""
			p.InMail.Subject, p.InMail.Body, p.InMail.Preview, p.InMail.Tags = "", "", "", nil
			p.InMail.Version++
			p.Link = domain.Link{InMail: id}
		})
	}
	s.settle()
	if err := s.crm.Forget(context.Background(), []domain.MemberID{member(3)}); err != nil {
		s.t.Fatal(err)
	}
	if err := s.crm.ForgetThose(context.Background(), func(id domain.MemberID) bool { return id == member(4) }); err != nil {
		s.t.Fatal(err)
	}
	there := s.Records()
	for _, id := range ids {
		if r := there[id]; strings.Contains(r.Words, words) || strings.Contains(r.Words, string(member(3))) {
			s.t.Errorf("%s still has %q", id, r.Words)
		}
	}
	for i := range 10 {
		want := string(member(i))
		if i == 3 || i == 4 {
			want = ""
		}
		if got := s.MemberOf(s.people[member(i)]); got != want {
			s.t.Errorf("the person of %s has the member id %q", member(i), got)
		}
	}
	if len(ids) != 3 {
		s.t.Errorf("%d InMails of an erased member", len(ids))
	}
}
