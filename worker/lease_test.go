package worker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"inmail/connectors/record"
	"inmail/connectors/record/recordtest"
	"inmail/connectors/salesforce"
	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/worker"
)

// company is several worker processes over one record and one org.
type company struct {
	*office
	org     *sandbox.Sandbox
	config  salesforce.Config
	wall    *wall
	writes  *writes
	refused chan struct{} // one value for each claim that found the lease taken
}

// wall is the clock of all processes.
type wall struct{ at atomic.Int64 }

func (w *wall) Now() time.Time        { return time.UnixMilli(w.at.Load()).UTC() }
func (w *wall) pass(d time.Duration)  { w.at.Add(d.Milliseconds()) }
func (w *wall) since(t time.Time) int { return int(w.Now().Sub(t).Milliseconds()) }

// writes observes all calls to the org. It lets the first call that writes wait until the test releases it,
// and reports parents whose children two calls write at once.
type writes struct {
	next    http.RoundTripper
	blocked chan struct{} // closed when the first call waits
	release chan struct{}
	met     chan string // parents of which two calls wrote children at once
	once    sync.Once

	mu       sync.Mutex
	inFlight map[string]int
}

func (w *writes) RoundTrip(req *http.Request) (*http.Response, error) {
	parents := parentsIn(req)
	w.mu.Lock()
	for _, p := range parents {
		if w.inFlight[p]++; w.inFlight[p] > 1 {
			w.met <- p
		}
	}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, p := range parents {
			w.inFlight[p]--
		}
	}()
	if len(parents) > 0 {
		w.once.Do(func() { close(w.blocked); <-w.release })
	}
	return w.next.RoundTrip(req)
}

// parentsIn are the Leads, Contacts and Accounts whose children a call writes.
func parentsIn(req *http.Request) (parents []string) {
	if req.Method != http.MethodPost || !strings.HasSuffix(req.URL.Path, "/composite") {
		return nil
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(err)
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	var in struct {
		Steps []struct {
			Method string
			Body   struct{ Records []map[string]any }
		} `json:"compositeRequest"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		panic(err)
	}
	visited := map[string]bool{}
	for _, s := range in.Steps {
		for _, r := range s.Body.Records {
			for _, field := range []string{"Lead__c", "Contact__c", "Account__c", "WhoId", "WhatId"} {
				if id, _ := r[field].(string); id != "" && !visited[id] {
					visited[id] = true
					parents = append(parents, id)
				}
			}
		}
	}
	return parents
}

func newCompany(t *testing.T) *company {
	t.Helper()
	c := &company{wall: &wall{}, refused: make(chan struct{}, 1000),
		writes: &writes{next: http.DefaultTransport, blocked: make(chan struct{}), release: make(chan struct{}), met: make(chan string, 100), inFlight: map[string]int{}}}
	c.wall.at.Store(time.Date(2026, 11, 18, 9, 0, 0, 0, time.UTC).UnixMilli())
	rec, err := record.Open(t.Context(), recordtest.SQLite(t), c.wall)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rec.Close)
	c.office = &office{t: t, record: &counted{Record: rec, claims: make(chan int, 100)}, queue: &asked{}}
	c.org, err = sandbox.New(sandbox.Options{Clock: c.wall.Now, DailyLimit: 100_000, Credentials: sandbox.Credentials{ClientID: "app", ClientSecret: "secret of the app",
		Users: []sandbox.User{{Username: "inmail@sandbox.invalid", FirstName: "InMail", LastName: "Integration", Integration: true}}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(c.org.Handler())
	t.Cleanup(server.Close)
	c.config = salesforce.Default()
	c.config.URL, c.config.ClientID, c.config.ClientSecret = server.URL, "app", "secret of the app"
	c.svc = c.connected().Service
	return c
}

// refusedRecord reports the claims that found the lease taken.
type refusedRecord struct {
	mailroom.Record
	notify chan struct{}
}

func (r refusedRecord) Update(ctx context.Context, fn func(mailroom.Tx) error) error {
	err := r.Record.Update(ctx, fn)
	if errors.Is(err, mailroom.ErrLeaseTaken) {
		r.notify <- struct{}{}
	}
	return err
}

// process is one more worker process, with these CRMs.
func (c *company) process(crms ...mailroom.CRM) *worker.Jobs {
	c.t.Helper()
	svc, err := mailroom.New(c.t.Context(), mailroom.Config{Plans: domain.ShippedPlans(), Policy: domain.DefaultPolicy(), CRMs: crms},
		refusedRecord{c.record, c.refused}, c.queue, c.wall, uuids{}, nobody{})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := svc.ConnectCRMs(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	return &worker.Jobs{Service: svc, Log: slog.New(slog.DiscardHandler), Depth: func(context.Context, string) (int, error) { return 0, nil }}
}

// connected is a process with a connector of its own.
func (c *company) connected() *worker.Jobs {
	c.t.Helper()
	return c.process(c.connector(c.config))
}

func (c *company) connector(config salesforce.Config) *salesforce.Connector {
	c.t.Helper()
	crm, err := salesforce.New(config, salesforce.Deps{Clock: c.wall, Transport: c.writes,
		Wait: func(ctx context.Context, d time.Duration) error { c.wall.pass(d); return ctx.Err() }})
	if err != nil {
		c.t.Fatal(err)
	}
	return crm
}

// toSalesforce is what a periodic task of the sync with Salesforce carries.
var toSalesforce = []string{string(salesforce.Name)}

// children makes n InMails that hang on one Lead of the org, and returns the ids of the InMails.
func (c *company) children(lead string, n int) []string {
	c.t.Helper()
	ids := c.accept(n)
	for _, id := range ids {
		if _, err := c.svc.SetCRM(c.t.Context(), mailroom.Viewer{Operator: true}, domain.ID(id), domain.CRMIDs{salesforce.Name: {"lead_id": lead}}); err != nil {
			c.t.Fatal(err)
		}
	}
	return ids
}

func (c *company) lead() string {
	c.t.Helper()
	id, err := c.org.Insert("Lead", sandbox.Fields{"LastName": "Lead", "Company": "Acme"})
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// hanging counts the records that hang on a Lead.
func (c *company) hanging(lead string) (n int) {
	for _, r := range c.org.Records("InMail__c") {
		if r["Lead__c"] == lead {
			n++
		}
	}
	return n
}

// patience ends a test that hangs: nothing here takes a hundredth of it.
const patience = 10 * time.Minute

// soon waits for a channel, and fails the test when nothing comes.
func soon[V any](t *testing.T, what string, from <-chan V) (v V) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatalf("%s: nothing for %v", what, patience)
	}
	return v
}

// TestWritersOfOneParent checks that children of one Lead, Contact or Account are written by one process at a
// time.
func TestWritersOfOneParent(t *testing.T) {
	push := func(j *worker.Jobs) chan error {
		done := make(chan error, 1)
		go func() { done <- j.Handlers()[mailroom.TaskCRMPush](t.Context(), toSalesforce) }()
		return done
	}
	run := func(t *testing.T, c *company, lead string, first, second func() chan error, due func()) {
		one := first()
		soon(t, "the first write", c.writes.blocked)
		due()
		two := second()
		select {
		case <-c.refused: // it waits for the lease
		case parent := <-c.writes.met:
			t.Errorf("two processes write children of %s at once", parent)
		case <-time.After(patience):
			t.Error("the second neither writes nor waits")
		}
		close(c.writes.release)
		for _, done := range []chan error{one, two} {
			if err := soon(t, "the end of a task", done); err != nil {
				t.Error(err)
			}
		}
		if len(c.writes.met) > 0 {
			t.Errorf("met at %s", <-c.writes.met)
		}
	}
	t.Run("two_pushes", func(t *testing.T) {
		c := newCompany(t)
		lead := c.lead()
		c.children(lead, 1)
		run(t, c, lead, func() chan error { return push(c.connected()) }, func() chan error { return push(c.connected()) }, func() {
			c.more(lead, 2)
		})
		if n := c.hanging(lead); n != 3 {
			t.Errorf("%d records hang on the Lead, want 3", n)
		}
	})
	t.Run("a_push_and_a_reconcile", func(t *testing.T) {
		c := newCompany(t)
		lead := c.lead()
		c.children(lead, 1)
		done := c.connected()
		c.writes.once.Do(func() {}) // the first push need not wait
		if err := soon(t, "the first push", push(done)); err != nil {
			t.Fatal(err)
		}
		other := c.lead()
		// Somebody moved it to another parent: reconcile moves it back.
		for _, r := range c.org.Records("InMail__c") {
			if err := c.org.Edit(r["Id"].(string), sandbox.Fields{"Lead__c": other}); err != nil {
				t.Fatal(err)
			}
		}
		c.writes.once = sync.Once{}
		c.more(lead, 1)
		run(t, c, lead, func() chan error { return push(c.connected()) }, func() chan error {
			ended := make(chan error, 1)
			go func() { ended <- c.connected().Handlers()[mailroom.TaskCRMReconcile](t.Context(), toSalesforce) }()
			return ended
		}, func() {})
		if n := c.hanging(lead); n != 2 {
			t.Errorf("%d records hang on the Lead, want 2", n)
		}
	})
	t.Run("one_that_was_killed_delays_the_others_by_a_lease", func(t *testing.T) {
		c := newCompany(t)
		lead := c.lead()
		c.children(lead, 2)
		killedAt := c.wall.Now()
		dead := c.connected().Service
		if claim, err := dead.ClaimPushes(t.Context(), salesforce.Name, dead.NewHolder(), 1, worker.PushLease); err != nil || len(claim.Pushes) != 1 {
			t.Fatalf("%+v, %v", claim, err)
		}
		c.writes.once.Do(func() {})
		done := push(c.connected())
		soon(t, "the first look", c.refused)
		c.wall.pass(worker.PushLease - time.Millisecond)
		for range 2 { // the second look is certainly made at the new time
			soon(t, "a look before the lease has ended", c.refused)
		}
		if n := c.hanging(lead); n != 0 {
			t.Errorf("%d were pushed %d ms after the kill", n, c.wall.since(killedAt))
		}
		c.wall.pass(time.Millisecond)
		if err := soon(t, "the push after the lease", done); err != nil {
			t.Fatal(err)
		}
		if n := c.hanging(lead); n != 2 {
			t.Errorf("%d were pushed %d ms after the kill, want 2", n, c.wall.since(killedAt))
		}
	})
}

// more makes n further InMails that hang on a Lead.
func (c *company) more(lead string, n int) {
	c.t.Helper()
	var sends []mailroom.Send
	var members []domain.Member
	for i := range n {
		to := domain.NewMember(domain.MemberID("late"+string(rune('a'+i))), "Recipient")
		members = append(members, to)
		sends = append(sends, mailroom.Send{From: "s", To: to.ID, Subject: "One more question", Body: "May I ask you, too, what you think of this idea?", CRM: domain.CRMIDs{salesforce.Name: {"lead_id": lead}}})
	}
	errs, err := c.svc.PutMembers(c.t.Context(), members)
	if err := errors.Join(append(errs, err)...); err != nil {
		c.t.Fatal(err)
	}
	answers, err := c.svc.Accept(c.t.Context(), sends)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, a := range answers {
		if a.Err != nil {
			c.t.Fatal(a.Err)
		}
	}
}
