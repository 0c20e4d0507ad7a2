package web_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"inmail/connectors/record"
	"inmail/connectors/record/recordtest"
	"inmail/connectors/web"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// t0 is a Monday, at nine.
var t0 = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

type testClock struct{ now atomic.Int64 }

func (c *testClock) Now() time.Time          { return time.UnixMilli(c.now.Load()).UTC() }
func (c *testClock) advance(d time.Duration) { c.now.Add(d.Milliseconds()) }

// testQueue keeps the ids that were enqueued, for the test to deliver.
type testQueue struct {
	mu  sync.Mutex
	ids []domain.ID
}

func (q *testQueue) Enqueue(_ context.Context, tasks ...mailroom.Task) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range tasks {
		for _, id := range t.IDs {
			q.ids = append(q.ids, domain.ID(id))
		}
	}
	return nil
}

type randomIDs struct{}

func (randomIDs) NewID() domain.ID { return domain.ID(uuid.Must(uuid.NewV7()).String()) }
func (randomIDs) NewSecret() (s [32]byte) {
	a, b := uuid.New(), uuid.New()
	copy(s[:], a[:])
	copy(s[16:], b[:])
	return s
}

type ignored struct{}

func (ignored) Notify(mailroom.Notice) {}

// one accepts a send on its own, as the group commit does for many.
type one struct{ *mailroom.Service }

func (o one) Accept(ctx context.Context, s mailroom.Send) (mailroom.Accepted, error) {
	answers, err := o.Service.Accept(ctx, []mailroom.Send{s})
	if err != nil {
		return mailroom.Accepted{}, err
	}
	return answers[0], nil
}

// fakeJobs is a job queue with one failed task.
type fakeJobs struct{ retried []string }

func (*fakeJobs) Status(context.Context) (web.Jobs, error) {
	return web.Jobs{Waiting: 3, Servers: 1, Retry: 1, Queues: []web.JobQueue{{Name: "sends", Waiting: 3, Retry: 1}}}, nil
}

func (*fakeJobs) Failures(context.Context, int) ([]web.FailedTask, error) {
	return []web.FailedTask{{ID: "t1", Queue: "sends", Type: "inmail:send", Class: "unavailable", Attempts: 1, Limit: 4, At: t0, Next: t0.Add(time.Minute)}}, nil
}

func (j *fakeJobs) Retry(_ context.Context, id string) error {
	j.retried = append(j.retried, id)
	return nil
}

// world is the pages over real use cases and a real record.
type world struct {
	t     *testing.T
	svc   *mailroom.Service
	clock *testClock
	queue *testQueue
	site  *web.Site
	jobs  fakeJobs
	still error             // why the schedule stands still; nil: it does not
	keys  map[string]string // by role or member
}

func TestMain(m *testing.M) {
	code := m.Run()
	recordtest.DropDatabases()
	os.Exit(code)
}

// newWorld has a seller, a reader, somebody else and an operator.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: &testClock{}, queue: &testQueue{}, keys: map[string]string{}}
	w.clock.now.Store(t0.UnixMilli())
	rec, err := record.Open(t.Context(), recordtest.SQLite(t), w.clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rec.Close)
	w.svc, err = mailroom.New(t.Context(), mailroom.Config{Plans: domain.ShippedPlans(), Policy: domain.DefaultPolicy()},
		rec, w.queue, w.clock, randomIDs{}, ignored{})
	if err != nil {
		t.Fatal(err)
	}
	w.site, err = web.New(web.Parts{Service: w.svc, Sender: one{w.svc}, Queue: &w.jobs, Log: slog.New(slog.DiscardHandler),
		Beat: func() time.Duration { return time.Second }, Probes: []web.Probe{{Name: "schedule", Check: func(context.Context) error { return w.still }}},
		Export: func(e mailroom.Export) ([]byte, error) { return json.Marshal(e.Member.Name) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct{ id, name, plan string }{
		{"seller", "Lena Hart", "sales_navigator_team_25"}, {"reader", "Petra Park", "basic_0"}, {"other", "Olga Other", "basic_0"}} {
		member := domain.NewMember(domain.MemberID(m.id), m.name)
		member.Headline, member.Company, member.Email = "Head of "+m.id, "Nordlicht", domain.Email(m.id+"@hidden.example")
		member.Plan, member.AccountType = m.plan, domain.ShippedPlans()[m.plan].AccountType
		w.put(member)
		w.key(m.id, mailroom.RoleMember, domain.MemberID(m.id))
	}
	w.key("operator", mailroom.RoleOperator, "")
	return w
}

func (w *world) put(m domain.Member) {
	w.t.Helper()
	errs, err := w.svc.PutMembers(w.t.Context(), []domain.Member{m})
	if err != nil || errs[0] != nil {
		w.t.Fatal(err, errs)
	}
}

func (w *world) key(name string, role mailroom.Role, member domain.MemberID) (id string) {
	w.t.Helper()
	id, key, err := w.svc.CreateKey(w.t.Context(), mailroom.Viewer{}, mailroom.NewKey{Role: role, Member: member})
	if err != nil {
		w.t.Fatal(err)
	}
	w.keys[name] = key
	return id
}

// deliver delivers what waits.
func (w *world) deliver() {
	w.t.Helper()
	w.queue.mu.Lock()
	ids := w.queue.ids
	w.queue.ids = nil
	w.queue.mu.Unlock()
	if _, err := w.svc.Deliver(w.t.Context(), ids); err != nil {
		w.t.Fatal(err)
	}
}

// sent sends an InMail from the seller to the reader and delivers it.
func (w *world) sent(subject, body string) domain.ID {
	w.t.Helper()
	a, err := one{w.svc}.Accept(w.t.Context(), mailroom.Send{From: "seller", To: "reader", Subject: subject, Body: body, Key: rand()})
	if err != nil || a.Err != nil {
		w.t.Fatal(err, a.Err)
	}
	w.deliver()
	return a.ID
}

func rand() string { return uuid.NewString() }

// browser is somebody who looks at the pages without script, and keeps cookies as a browser does.
type browser struct {
	w      *world
	cookie *http.Cookie
	head   http.Header // beside what every request has
}

// as returns a browser that is signed in by a key of the world.
func (w *world) as(name string) *browser {
	w.t.Helper()
	b := &browser{w: w}
	if a := b.post("/sign-in", "key", w.keys[name]); a.status != http.StatusSeeOther {
		w.t.Fatalf("sign in as %s: %d", name, a.status)
	}
	return b
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) to() string { return a.header.Get("Location") }

func (b *browser) get(path string) answer {
	return b.do(httptest.NewRequest(http.MethodGet, path, nil))
}

// post sends a form of names and values.
func (b *browser) post(path string, pairs ...string) answer {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

func (b *browser) do(r *http.Request) answer {
	b.w.t.Helper()
	r.Header.Set("Accept", "text/html,application/xhtml+xml")
	for name, values := range b.head {
		r.Header[name] = values
	}
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	if b.w.site.Route(r) == "" {
		b.w.t.Fatalf("%s %s is no page", r.Method, r.URL.Path)
	}
	rec := httptest.NewRecorder()
	b.w.site.ServeHTTP(rec, r)
	res := rec.Result()
	for _, c := range res.Cookies() {
		if b.cookie = c; c.MaxAge < 0 {
			b.cookie = nil
		}
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

// follow follows where a form has led to.
func (b *browser) follow(a answer) answer {
	b.w.t.Helper()
	if a.status != http.StatusSeeOther {
		b.w.t.Fatalf("the form answered %d, want 303:\n%s", a.status, text(a.body))
	}
	path, _, _ := strings.Cut(a.to(), "#")
	return b.get(path)
}
