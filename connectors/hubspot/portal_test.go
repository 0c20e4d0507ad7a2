package hubspot

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"inmail/connectors/hubspot/sandbox"
	"inmail/connectors/porttest/crmtest"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// testNow is the time at which the tests' clock starts.
var testNow = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// testClock stands still until it is moved.
type testClock struct {
	mu     sync.Mutex
	now    time.Time
	follow *crmtest.Clock // the clock that gives the time instead; nil: none
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.follow != nil {
		return c.follow.Now()
	}
	return c.now
}

func (c *testClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.follow != nil {
		c.follow.Move(d)
	}
	c.now = c.now.Add(d)
}

// tally counts the events of the observer.
type tally struct {
	mu     sync.Mutex
	calls  map[string]int
	pushed map[string]int
	ratio  float64
}

func (t *tally) Called(resource string, _ time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls[resource]++
}

func (t *tally) Pushed(object, result string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pushed[object+" "+result] += n
}

func (t *tally) BudgetUsed(ratio float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ratio = ratio
}

// world is a portal of the sandbox with a connector to it.
type world struct {
	*sandbox.Sandbox
	t      testing.TB
	clock  *testClock
	config Config
	deps   Deps
	crm    *Connector
	tally  *tally
}

// newWorld makes a portal that is set up, unless bare is among the changes.
func newWorld(t testing.TB, sets ...func(*sandbox.Options, *Config, *Deps)) *world {
	t.Helper()
	w := newBareWorld(t, sets...)
	if _, err := w.crm.Setup(context.Background(), true); err != nil {
		t.Fatal(err)
	}
	return w
}

// newBareWorld makes a portal that nobody has set up.
func newBareWorld(t testing.TB, sets ...func(*sandbox.Options, *Config, *Deps)) *world {
	t.Helper()
	w := &world{t: t, clock: &testClock{now: testNow}, config: Default(), tally: &tally{calls: map[string]int{}, pushed: map[string]int{}}}
	options := sandbox.Options{Token: "pat-na1-test", Clock: w.clock.Now, Seed: 1}
	w.config.Token, w.config.Budget, w.config.Timeout = "pat-na1-test", 1, maxTimeout
	w.deps = Deps{Observer: w.tally, Clock: w.clock, Log: slog.New(slog.DiscardHandler),
		Wait: func(ctx context.Context, d time.Duration) error { w.clock.move(d); return ctx.Err() }}
	for _, set := range sets {
		set(&options, &w.config, &w.deps)
	}
	box, err := sandbox.New(options)
	if err != nil {
		t.Fatal(err)
	}
	w.Sandbox = box
	server := httptest.NewUnstartedServer(box.Handler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the tests drop connections on purpose
	server.Start()
	t.Cleanup(server.Close)
	w.config.URL = server.URL
	w.crm = w.connect()
	return w
}

// connect returns another connector to the portal, like that of another worker.
func (w *world) connect(changes ...func(*Config, *Deps)) *Connector {
	w.t.Helper()
	config, deps := w.config, w.deps
	for _, change := range changes {
		change(&config, &deps)
	}
	c, err := New(config, deps)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// make makes a record, as a user of the portal does, and returns its id.
func (w *world) make(object string, properties map[string]string) string {
	w.t.Helper()
	id, err := w.Make(object, properties)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// contact makes a contact with the id of a member.
func (w *world) contact(member domain.MemberID) string {
	return w.make(contacts, map[string]string{"lastname": string(member), memberProperty: string(member)})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// messages returns the communications that are not archived, by their keys. One that is there twice fails
// the test.
func (w *world) messages() map[string]sandbox.Record {
	w.t.Helper()
	all := map[string]sandbox.Record{}
	for _, r := range w.Records(communications) {
		key := r.Properties[eventKey]
		if w.config.KeyIn == keyInBody {
			key, _ = markIn(r.Properties[bodyProperty])
		}
		if r.Archived || key == "" {
			continue
		}
		if _, twice := all[key]; twice {
			w.t.Errorf("%s is there twice", key)
		}
		all[key] = r
	}
	return all
}

// push calls Push, and fails the test when it returns an error.
func (w *world) push(pushes ...domain.Push) []domain.PushAnswer {
	w.t.Helper()
	return pushBy(w.t, w.crm, pushes...)
}

func pushBy(t testing.TB, c mailroom.CRM, pushes ...domain.Push) []domain.PushAnswer {
	t.Helper()
	answers, err := c.Push(context.Background(), pushes)
	if err != nil {
		t.Fatal(err)
	}
	if len(answers) != len(pushes) {
		t.Fatalf("%d answers to %d pushes", len(answers), len(pushes))
	}
	return answers
}

// calls returns how many calls fn makes.
func (w *world) calls(fn func()) int {
	count := func() (n int) {
		for _, calls := range w.Calls() {
			n += calls
		}
		return n
	}
	before := count()
	fn()
	return count() - before
}

// newID returns an id that sorts by n.
func newID(n int) domain.ID {
	return domain.ID(fmt.Sprintf("01935b00-%04x-7000-8000-%012x", n>>16&0xffff, n))
}

// sent returns the push of an InMail that was delivered to a member some time ago.
func sent(n int, recipient domain.MemberID) domain.Push {
	accepted := testNow.Add(-time.Hour)
	m, _ := domain.New(domain.InMail{ID: newID(n), Sender: "sally", Recipient: recipient, Subject: "A plan for the spring",
		Body: "Dear reader, **this** is the body.", Preview: "Dear reader, this is the body.", Category: "intro", Tags: []string{"demo"}}, accepted)
	apply(m, domain.EventDeliver, accepted.Add(time.Second))
	return domain.Push{InMail: *m, SenderName: "Sally Sender", RecipientName: "Robin Reader", Email: domain.Email(strings.ToLower(string(recipient)) + "@example.com")}
}

// apply applies an event to an InMail.
func apply(m *domain.InMail, e domain.Event, at time.Time) {
	if _, err := m.Apply(e, at, ""); err != nil {
		panic(err)
	}
}

// then applies events to the InMail of a push, and takes the link of its last answer.
func then(p domain.Push, a domain.PushAnswer, events ...domain.Event) domain.Push {
	for i, e := range events {
		apply(&p.InMail, e, testNow.Add(time.Duration(i)*time.Minute))
	}
	p.Link = a.Link
	return p
}
