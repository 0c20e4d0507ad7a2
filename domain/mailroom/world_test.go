package mailroom_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"inmail/connectors/record"
	"inmail/connectors/record/recordtest"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// world is a service over a real record, with a clock that the test sets and a queue that the test works off.
type world struct {
	t        *testing.T
	ctx      context.Context
	svc      *mailroom.Service
	record   *record.Record
	config   record.Config
	policy   domain.Policy
	clock    *testClock
	queue    *testQueue
	observer *counter
	first    *fakeCRM               // connected
	second   *fakeCRM               // connected by tests that say so
	receiver mailroom.WebhookSender // of webhooks; nil: none
}

// t0 is a Monday, at nine.
var t0 = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

type testClock struct{ now atomic.Int64 }

func (c *testClock) Now() time.Time          { return time.UnixMilli(c.now.Load()).UTC() }
func (c *testClock) set(t time.Time)         { c.now.Store(t.UnixMilli()) }
func (c *testClock) advance(d time.Duration) { c.now.Add(d.Milliseconds()) }

// testQueue keeps the tasks that were enqueued. A queue that is down refuses them.
type testQueue struct {
	mu    sync.Mutex
	tasks []mailroom.Task
	down  bool
}

func (q *testQueue) Enqueue(_ context.Context, tasks ...mailroom.Task) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.down {
		return errors.New("the queue is down")
	}
	q.tasks = append(q.tasks, tasks...)
	return nil
}

func (q *testQueue) take() []mailroom.Task {
	q.mu.Lock()
	defer q.mu.Unlock()
	tasks := q.tasks
	q.tasks = nil
	return tasks
}

type uuids struct{}

func (uuids) NewID() domain.ID    { return domain.ID(uuid.Must(uuid.NewV7()).String()) }
func (uuids) NewSecret() [32]byte { return [32]byte{1} }

// slowSecrets makes secrets that differ, so slowly that others who look for one meanwhile find none.
type slowSecrets struct{ uuids }

func (slowSecrets) NewSecret() (secret [32]byte) {
	time.Sleep(100 * time.Millisecond)
	id := uuid.New()
	copy(secret[:], id[:])
	return secret
}

// counter is an observer that counts notices.
type counter struct {
	mu                            sync.Mutex
	delivered, previewed, expired int
	refused                       map[domain.Code]int
}

// Notify counts the notices that tests ask for.
func (c *counter) Notify(n mailroom.Notice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch n := n.(type) {
	case mailroom.SendRefused:
		c.refused[n.Code]++
	case mailroom.Delivered:
		c.delivered++
	case mailroom.Previewed:
		c.previewed += n.N
	case mailroom.Expired:
		c.expired++
	}
}

// engines are the records that every rule is proved on.
var engines = []struct {
	name   string
	config func(t *testing.T) record.Config
}{{"sqlite", sqliteConfig}, {"postgres", postgresConfig}}

func sqliteConfig(t *testing.T) record.Config { return recordtest.SQLite(t) }

// postgresConfig names a database of the test's own.
func postgresConfig(t *testing.T) record.Config {
	c := recordtest.Patient()
	c.URL = recordtest.Database(t)
	return c
}

// on runs the test of one rule on every engine, each in a world of its own.
func on(t *testing.T, rule string, test func(w *world)) {
	with(t, rule, func(*domain.Policy) {}, test)
}

// with is on, under other policies.
func with(t *testing.T, rule string, change func(*domain.Policy), test func(w *world)) {
	t.Run(rule, func(t *testing.T) {
		for _, e := range engines {
			t.Run(e.name, func(t *testing.T) {
				policy := calm()
				change(&policy)
				test(newWorld(t, e.config(t), policy))
			})
		}
	})
}

// calm returns the default policy with triggers that never fire; other tests prove the rules of spam.
func calm() domain.Policy {
	p := domain.DefaultPolicy()
	p.VolumeHour, p.VolumeDay, p.SimilarDay, p.RegularGaps, p.BurstMinute = 100_000, 100_000, 100_000, 100_000, 100_000
	return p
}

func newWorld(t *testing.T, c record.Config, p domain.Policy) *world {
	t.Helper()
	w := &world{t: t, ctx: context.Background(), config: c, policy: p, clock: &testClock{}, queue: &testQueue{}, observer: &counter{refused: map[domain.Code]int{}},
		first: &fakeCRM{name: firstCRM}, second: &fakeCRM{name: secondCRM, absent: true}}
	w.clock.set(t0)
	var err error
	if w.record, err = record.Open(w.ctx, c, w.clock); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.record.Close)
	w.serve()
	w.ok(w.svc.ConnectCRMs(w.ctx))
	return w
}

// serve makes a service over the record.
func (w *world) serve() {
	w.t.Helper()
	w.svc = w.service(w.record)
}

// service makes a service over a record.
func (w *world) service(over *record.Record) *mailroom.Service {
	w.t.Helper()
	svc, err := mailroom.New(w.ctx, mailroom.Config{Plans: domain.ShippedPlans(), Policy: w.policy, CRMs: []mailroom.CRM{w.first, w.second}, Webhooks: w.receiver}, over, w.queue, w.clock, uuids{}, w.observer)
	w.ok(err)
	return svc
}

// The CRMs of the tests.
const (
	firstCRM  domain.CRM = "first"
	secondCRM domain.CRM = "second"
)

// fakeCRM is a CRM that takes everything at once and knows members by their ids.
type fakeCRM struct {
	name    domain.CRM
	absent  bool // this process does not reach it
	down    bool
	people  map[domain.MemberID]bool
	during  func() // called while it forgets
	resumed int
	kept    string      // what it was reminded of
	broken  []domain.ID // what it has to make anew
}

func (c *fakeCRM) Replaceable(l domain.Link) bool { return l.Detail == "AHEAD" }

func (c *fakeCRM) Replace(_ context.Context, links []domain.Link) (ids []domain.ID, err error) {
	for _, l := range links {
		c.broken = append(c.broken, l.InMail)
	}
	return c.broken, nil
}

func (c *fakeCRM) Remember(_ context.Context, kept json.RawMessage) error {
	c.kept += string(kept)
	return nil
}

var errDown = errors.New("the CRM is down")

// LeftOf says that the CRM has an id while it has not forgotten it.
func (c *fakeCRM) LeftOf(_ context.Context, id domain.MemberID) (left []mailroom.Remain, err error) {
	if c.down {
		return nil, errDown
	}
	if c.people[id] {
		left = append(left, mailroom.Remain{Object: "person", Record: "1", Fields: "member", Where: mailroom.PlaceLive, Why: "not forgotten"})
	}
	return left, nil
}

// LeftIn says that every InMail whose link was not pushed is left.
func (c *fakeCRM) LeftIn(_ context.Context, erased []domain.Push) (left []mailroom.Remain, err error) {
	for _, p := range erased {
		if p.Link.PushedVersion < p.InMail.Version {
			left = append(left, mailroom.Remain{Object: "inmail", Record: string(p.InMail.ID), Fields: "text", Where: mailroom.PlaceLive, Why: "not pushed"})
		}
	}
	return left, nil
}

func (c *fakeCRM) Address() string { return "https://" + string(c.name) + ".example" }

func (c *fakeCRM) Check(context.Context) []mailroom.Finding {
	return []mailroom.Finding{{What: "login", OK: true, Detail: "by password"}}
}

// Prepare gives what it was asked for as its only step.
func (c *fakeCRM) Prepare(_ context.Context, _ mailroom.CRMRecord, p mailroom.Preparation) (mailroom.Prepared, error) {
	return mailroom.Prepared{Steps: []mailroom.SetupStep{{What: "package", State: mailroom.StepThere, Detail: p.Session}}, Undo: p.Undo}, nil
}

func (c *fakeCRM) Name() domain.CRM { return c.name }
func (c *fakeCRM) Configured() bool { return !c.absent }
func (c *fakeCRM) IDs() []mailroom.ForeignID {
	return []mailroom.ForeignID{{Name: "lead_id"}, {Name: "contact_id"}}
}

// Judge takes ids that begin with the CRM's name.
func (c *fakeCRM) Judge(ids domain.ForeignIDs) error {
	for name, id := range ids {
		if !strings.HasPrefix(id, string(c.name)) {
			return domain.Refuse(domain.BadRequest, "%s is none of %s", name, c.name)
		}
	}
	return nil
}

func (c *fakeCRM) Push(_ context.Context, pushes []domain.Push) (answers []domain.PushAnswer, err error) {
	for _, p := range pushes {
		l := p.Link
		l.RecordID, l.PushedVersion, l.PushedSeq = "1", p.InMail.Version, p.InMail.Seq
		answers = append(answers, domain.PushAnswer{Link: l})
	}
	return answers, nil
}

func (c *fakeCRM) Forget(_ context.Context, ids []domain.MemberID) error {
	if c.during != nil {
		c.during()
	}
	return c.ForgetThose(context.Background(), func(id domain.MemberID) bool { return slices.Contains(ids, id) })
}

func (c *fakeCRM) ForgetThose(_ context.Context, gone func(domain.MemberID) bool) error {
	if c.down {
		return errDown
	}
	maps.DeleteFunc(c.people, func(id domain.MemberID, _ bool) bool { return gone(id) })
	return nil
}

func (c *fakeCRM) Compare(context.Context, mailroom.CRMRecord, bool, func(mailroom.Comparison)) (mailroom.Comparison, error) {
	return mailroom.Comparison{Done: true}, nil
}

func (c *fakeCRM) Backfill(context.Context, mailroom.CRMRecord, func(mailroom.BackfillProgress)) (mailroom.BackfillProgress, error) {
	return mailroom.BackfillProgress{Done: true}, nil
}

func (c *fakeCRM) PlanBackfill(context.Context, mailroom.CRMRecord) (mailroom.BackfillPlan, error) {
	return mailroom.BackfillPlan{}, nil
}

func (c *fakeCRM) Budget() mailroom.Budget { return mailroom.Budget{} }

func (c *fakeCRM) Resume(context.Context) error { c.resumed++; return nil }

// member makes a member with a plan; change may alter it.
func (w *world) member(id domain.MemberID, plan string, change ...func(*domain.Member)) {
	w.t.Helper()
	m := domain.NewMember(id, "Member "+strings.ToUpper(string(id)))
	m.Plan = plan
	m.AccountType = domain.ShippedPlans()[plan].AccountType
	for _, c := range change {
		c(&m)
	}
	errs, err := w.svc.PutMembers(w.ctx, []domain.Member{m})
	w.ok(errors.Join(append(errs, err)...))
}

// members makes n basic members: r0, r1 and so on.
func (w *world) members(n int) {
	w.t.Helper()
	ms := make([]domain.Member, n)
	for i := range ms {
		ms[i] = domain.NewMember(recipient(i), fmt.Sprintf("Member %d", i))
	}
	errs, err := w.svc.PutMembers(w.ctx, ms)
	w.ok(errors.Join(append(errs, err)...))
}

func recipient(i int) domain.MemberID { return domain.MemberID(fmt.Sprintf("r%d", i)) }

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// want fails unless err carries code.
func (w *world) want(err error, code domain.Code) {
	w.t.Helper()
	if !errors.Is(err, code) {
		w.t.Errorf("got %v, want %s", err, code)
	}
}

// text returns an InMail between two members that no rule refuses.
func text(from, to domain.MemberID) mailroom.Send {
	return mailroom.Send{From: from, To: to, Subject: "Your talk on " + string(to), Body: "I liked what you said about queues, " + string(to) + ". May I ask how you test yours?"}
}

// accept hands one send in.
func (w *world) accept(s mailroom.Send) (domain.ID, error) {
	w.t.Helper()
	answers, err := w.svc.Accept(w.ctx, []mailroom.Send{s})
	w.ok(err)
	return answers[0].ID, answers[0].Err
}

// queued hands in a send that must be accepted.
func (w *world) queued(from, to domain.MemberID) domain.ID {
	w.t.Helper()
	id, err := w.accept(text(from, to))
	w.ok(err)
	return id
}

// sent hands in a send and delivers it.
func (w *world) sent(from, to domain.MemberID) domain.ID {
	w.t.Helper()
	id := w.queued(from, to)
	w.work()
	if m := w.inmail(id); m.Status != domain.Sent {
		w.t.Fatalf("the InMail is %s, reason %q", m.Status, m.Reason)
	}
	return id
}

// work does what the queue asks for.
func (w *world) work() {
	w.t.Helper()
	for _, task := range w.queue.take() {
		if task.Type == mailroom.TaskSend {
			ids := make([]domain.ID, len(task.IDs))
			for i, id := range task.IDs {
				ids[i] = domain.ID(id)
			}
			_, err := w.svc.Deliver(w.ctx, ids)
			w.ok(err)
		}
	}
}

// inmail reads an InMail as it is stored.
func (w *world) inmail(id domain.ID) *domain.InMail {
	w.t.Helper()
	view, err := w.svc.View(w.ctx, mailroom.Viewer{Operator: true}, id)
	w.ok(err)
	return view.InMail
}

// path returns the statuses of an InMail's receipts, as a viewer sees them.
func (w *world) path(v mailroom.Viewer, id domain.ID) string {
	w.t.Helper()
	view, err := w.svc.View(w.ctx, v, id)
	w.ok(err)
	var path []string
	for i, r := range view.Receipts {
		if r.Seq != i+1 {
			w.t.Errorf("receipt %d has the number %d", i+1, r.Seq)
		}
		step := string(r.Status)
		if r.Reason != "" {
			step += "(" + string(r.Reason) + ")"
		}
		path = append(path, step)
	}
	return strings.Join(path, " ")
}

// inbox lists what a member has.
func (w *world) inbox(id domain.MemberID) (items []mailroom.InboxItem, unread int) {
	w.t.Helper()
	page, err := w.svc.Inbox(w.ctx, id, mailroom.Filter{}, mailroom.Page{Limit: 200})
	w.ok(err)
	return page.Items, page.Unread
}

// left returns how many credits a member has left.
func (w *world) left(id domain.MemberID) int {
	w.t.Helper()
	_, c, err := w.svc.Credits(w.ctx, id)
	w.ok(err)
	return c.Remaining
}

func as(id domain.MemberID) mailroom.Viewer { return mailroom.Viewer{Member: id} }

var operator = mailroom.Viewer{Operator: true}

// retract takes an InMail back in its two steps.
func (w *world) retract(id domain.ID, by domain.MemberID) (undone bool, err error) {
	w.t.Helper()
	token, _, _, err := w.svc.AskRetraction(w.ctx, as(by), id)
	if err != nil {
		return false, err
	}
	return w.svc.ConfirmRetraction(w.ctx, as(by), id, token)
}

// outcomes sums the counts of a dimension by outcome.
func (w *world) outcomes(d domain.Dimension) map[string]int {
	w.t.Helper()
	sums := map[string]int{}
	w.ok(w.record.View(w.ctx, func(tx mailroom.Tx) error {
		counts, err := tx.Counts(d, "", "")
		for _, c := range counts {
			if c.N != 0 {
				sums[strings.TrimPrefix(c.Key+" "+string(c.Outcome), " ")] += c.N
			}
		}
		return err
	}))
	return sums
}

// together starts functions at the same moment and returns their errors.
func together(fs ...func() error) []error {
	gun := make(chan struct{})
	errs := make([]error, len(fs))
	var wg sync.WaitGroup
	for i, f := range fs {
		wg.Go(func() {
			<-gun
			errs[i] = f()
		})
	}
	close(gun)
	wg.Wait()
	return errs
}

// winners counts the errors that are nil.
func winners(errs []error) int {
	n := 0
	for _, err := range errs {
		if err == nil {
			n++
		}
	}
	return n
}
