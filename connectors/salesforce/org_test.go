package salesforce

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"inmail/connectors/porttest/crmtest"
	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// long selects the long form of the tests, as make storm does. The short form makes the same assertions with
// fewer InMails.
var long = os.Getenv("INMAIL_TEST_LONG") == "1"

// sized returns the size of a test: short in the short form, inFull in the long one.
func sized[T any](short, inFull T) T {
	if long {
		return inFull
	}
	return short
}

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

func newTally() *tally { return &tally{calls: map[string]int{}, pushed: map[string]int{}} }

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

// org is a sandbox with a connector to it.
type org struct {
	*sandbox.Sandbox
	t      testing.TB
	url    string
	clock  *testClock
	config Config
	deps   Deps
	crm    *Connector
	record mailroom.CRMRecord // used by reconcile and backfill
	tally  *tally
}

// set changes the settings with which an org is made.
type set func(*sandbox.Options, *Config, *Deps)

const (
	testSecret   = "app secret & more"
	testUsername = "integration@example.com"
)

func newOrg(t testing.TB, sets ...set) *org {
	t.Helper()
	o := &org{t: t, clock: &testClock{now: testNow}, config: Default(), tally: newTally()}
	options := sandbox.Options{
		Credentials: sandbox.Credentials{ClientID: "app", ClientSecret: testSecret,
			Users: []sandbox.User{{Username: testUsername, Password: "pass<word>", Token: "to&ken", FirstName: "Integration", Integration: true}}},
		Clock: o.clock.Now, DailyLimit: 1_000_000, Seed: 1,
		Sleep: func(ctx context.Context, d time.Duration) error { o.clock.move(d); return ctx.Err() },
	}
	o.config.ClientID, o.config.ClientSecret = "app", testSecret
	o.config.Timeout = maxTimeout
	o.config.TimeZone = "UTC"   // so that nobody asks the org for its own
	o.config.FindOwners = false // so that nobody asks it for Users
	o.deps = Deps{Observer: o.tally, Clock: o.clock, Log: slog.New(slog.DiscardHandler), Wait: options.Sleep}
	for _, s := range sets {
		s(&options, &o.config, &o.deps)
	}
	box, err := sandbox.New(options)
	if err != nil {
		t.Fatal(err)
	}
	o.Sandbox = box
	server := httptest.NewUnstartedServer(box.Handler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the tests drop connections on purpose
	server.Start()
	t.Cleanup(server.Close)
	o.url = server.URL
	o.config.URL = server.URL
	o.crm = o.connect()
	return o
}

// connect returns another connector to the org, like that of another worker.
func (o *org) connect(changes ...func(*Config, *Deps)) *Connector {
	o.t.Helper()
	config, deps := o.config, o.deps
	for _, change := range changes {
		change(&config, &deps)
	}
	c, err := New(config, deps)
	if err != nil {
		o.t.Fatal(err)
	}
	return c
}

// inject makes the sandbox answer with faults.
func (o *org) inject(faults ...sandbox.Fault) {
	o.t.Helper()
	if err := o.Inject(faults...); err != nil {
		o.t.Fatal(err)
	}
}

// make inserts a record, as a user of the org does, and returns its id.
func (o *org) make(object string, fields sandbox.Fields) string {
	o.t.Helper()
	id, err := o.Insert(object, fields)
	if err != nil {
		o.t.Fatal(err)
	}
	return id
}

func (o *org) lead(fields sandbox.Fields) string {
	all := sandbox.Fields{"LastName": "Lead", "Company": "Acme"}
	maps.Copy(all, fields)
	return o.make("Lead", all)
}

func (o *org) contact(fields sandbox.Fields) string {
	all := sandbox.Fields{"LastName": "Contact"}
	maps.Copy(all, fields)
	return o.make("Contact", all)
}

// inmails returns the existing records of InMails by the ids of their InMails.
func (o *org) inmails() map[domain.ID]sandbox.Fields {
	out := map[domain.ID]sandbox.Fields{}
	for _, r := range o.Records("InMail__c") {
		if r["IsDeleted"] != true {
			out[domain.ID(r["InMail_Id__c"].(string))] = r
		}
	}
	return out
}

// tasks returns the existing Tasks by their event ids.
func (o *org) tasks() map[string]sandbox.Fields {
	out := map[string]sandbox.Fields{}
	for _, r := range o.Records("Task") {
		if event, _ := r["InMail_Event_Id__c"].(string); event != "" && r["IsDeleted"] != true {
			if _, twice := out[event]; twice {
				o.t.Errorf("the Task %s is there twice", event)
			}
			out[event] = r
		}
	}
	return out
}

// calls returns how many API calls fn makes, without logins.
func (o *org) calls(fn func()) int {
	count := func() (n int) {
		for resource, calls := range o.Calls() {
			if resource != "token" && resource != "soap" {
				n += calls
			}
		}
		return n
	}
	before := count()
	fn()
	return count() - before
}

// push calls Push, and fails the test when it returns an error.
func (o *org) push(pushes ...domain.Push) []domain.PushAnswer {
	o.t.Helper()
	return pushBy(o.t, o.crm, pushes...)
}

func pushBy(t testing.TB, c *Connector, pushes ...domain.Push) []domain.PushAnswer {
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

// event applies events to the InMail of a push, and takes the link of its last answer.
func (o *org) event(p domain.Push, a domain.PushAnswer, events ...domain.Event) domain.Push {
	for i, e := range events {
		apply(&p.InMail, e, testNow.Add(time.Duration(i)*time.Minute))
	}
	p.Link = a.Link
	return p
}

// classes returns the classes of answers.
func classes(answers []domain.PushAnswer) []domain.FailureClass {
	out := make([]domain.FailureClass, len(answers))
	for i, a := range answers {
		out[i] = a.Class
	}
	return out
}

// named returns ids as a sender gives them.
func named(ids parents) domain.CRMIDs {
	var l domain.Link
	ids.keep(&l)
	return domain.CRMIDs{Name: l.Parents}
}

// linked returns a link with parents.
func linked(l domain.Link, at parents) domain.Link {
	at.keep(&l)
	return l
}
