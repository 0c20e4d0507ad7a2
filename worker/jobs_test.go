package worker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"inmail/connectors/record"
	"inmail/connectors/record/recordtest"
	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/worker"
)

// office is the jobs over a service with a real record.
type office struct {
	t       *testing.T
	svc     *mailroom.Service
	record  *counted
	queue   *asked
	clock   *hands
	waiting int
	jobs    *worker.Jobs
}

// hands is a clock that the test moves.
type hands struct{ now time.Time }

func (h *hands) Now() time.Time { return h.now }

type uuids struct{}

func (uuids) NewID() domain.ID    { return domain.ID(uuid.Must(uuid.NewV7()).String()) }
func (uuids) NewSecret() [32]byte { return [32]byte{1} }

// counted is a record that reports each delivery, waits until the test lets it end, and can fail those of one
// InMail.
type counted struct {
	mailroom.Record
	claims  chan int          // how many InMails each transaction claims
	release chan struct{}     // one value lets one transaction end; nil: all end at once
	poison  domain.ID         // a transaction that claims it fails
	locked  map[domain.ID]int // how many further claims find the InMail locked
}

var errPoison = errors.New("cannot be delivered")

func (c *counted) Update(ctx context.Context, fn func(mailroom.Tx) error) error {
	return c.Record.Update(ctx, func(tx mailroom.Tx) error { return fn(&watchedTx{Tx: tx, record: c}) })
}

type watchedTx struct {
	mailroom.Tx
	record *counted
}

func (w *watchedTx) ClaimQueued(ids []domain.ID) ([]*domain.InMail, error) {
	w.record.claims <- len(ids)
	if w.record.release != nil {
		<-w.record.release
	}
	for _, id := range ids {
		if id == w.record.poison {
			return nil, errPoison
		}
	}
	free := slices.DeleteFunc(slices.Clone(ids), func(id domain.ID) bool {
		w.record.locked[id]--
		return w.record.locked[id] >= 0
	})
	return w.Tx.ClaimQueued(free)
}

type nobody struct{}

func (nobody) Notify(mailroom.Notice) {}

func newOffice(t *testing.T) *office {
	o := &office{t: t, queue: &asked{}, clock: &hands{now: time.Date(2026, 11, 18, 9, 0, 0, 0, time.UTC)}}
	rec, err := record.Open(t.Context(), recordtest.SQLite(t), o.clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rec.Close)
	o.record = &counted{Record: rec, claims: make(chan int, 100), locked: map[domain.ID]int{}}
	o.svc, err = mailroom.New(t.Context(), mailroom.Config{Plans: domain.ShippedPlans(), Policy: domain.DefaultPolicy()}, o.record, o.queue, o.clock, uuids{}, nobody{})
	if err != nil {
		t.Fatal(err)
	}
	o.jobs = &worker.Jobs{Service: o.svc, Log: slog.New(slog.DiscardHandler),
		Depth: func(context.Context, string) (int, error) { return o.waiting, nil }}
	return o
}

// accept makes a sender and n queued InMails.
func (o *office) accept(n int) (ids []string) {
	o.t.Helper()
	sender := domain.NewMember("s", "Sender")
	sender.AccountType, sender.Plan = domain.Recruiter, "recruiter_50"
	members := []domain.Member{sender}
	var sends []mailroom.Send
	for i := range n {
		to := domain.NewMember(domain.MemberID(fmt.Sprintf("r%d", i)), "Recipient")
		members = append(members, to)
		sends = append(sends, mailroom.Send{From: "s", To: to.ID, Subject: "A question", Body: fmt.Sprintf("What do you think of idea %d?", i)})
	}
	errs, err := o.svc.PutMembers(o.t.Context(), members)
	if err := errors.Join(append(errs, err)...); err != nil {
		o.t.Fatal(err)
	}
	answers, err := o.svc.Accept(o.t.Context(), sends)
	if err != nil {
		o.t.Fatal(err)
	}
	for _, a := range answers {
		if a.Err != nil {
			o.t.Fatal(a.Err)
		}
		ids = append(ids, string(a.ID))
	}
	o.queue.tasks = nil
	return ids
}

// queued returns how many InMails are still queued.
func (o *office) queued() (n int) {
	err := o.record.View(o.t.Context(), func(tx mailroom.Tx) error {
		ids, err := tx.QueuedBefore(o.clock.now.Add(time.Hour), 1000)
		n = len(ids)
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return n
}

// TestHandlers checks that every task type has a handler and every handler a task type.
func TestHandlers(t *testing.T) {
	var want []string
	for _, kind := range mailroom.TaskKinds() {
		want = append(want, kind.Type)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys((&worker.Jobs{}).Handlers()))); diff != "" {
		t.Errorf("handlers (-task types +handlers):\n%s", diff)
	}
}

// expire runs the task that sweeps what has expired.
func (o *office) expire() {
	o.t.Helper()
	if err := o.jobs.Handlers()[mailroom.TaskExpire](o.t.Context(), nil); err != nil {
		o.t.Fatal(err)
	}
}

func TestExpire(t *testing.T) {
	// sent is an office with an InMail that expires after a time.
	sent := func(t *testing.T, after time.Duration) (*office, domain.ID) {
		o := newOffice(t)
		id := domain.ID(o.accept(1)[0])
		if _, err := o.svc.Deliver(t.Context(), []domain.ID{id}); err != nil {
			t.Fatal(err)
		}
		o.clock.now = o.clock.now.Add(domain.Window - after)
		t.Cleanup(o.jobs.Close)
		return o, id
	}
	status := func(o *office, id domain.ID) (s domain.Status) {
		err := o.record.View(t.Context(), func(tx mailroom.Tx) error {
			found, err := tx.InMails([]domain.ID{id})
			s = found[id].Status
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	t.Run("R33_what_expires_before_the_next_slot_is_swept_when_it_is_due", func(t *testing.T) {
		o, id := sent(t, 10*time.Millisecond)
		due := o.clock.now.Add(10 * time.Millisecond)
		o.expire()
		if s := status(o, id); s != domain.Sent {
			t.Fatalf("%s before it is due", s)
		}
		want := []mailroom.Task{{Type: mailroom.TaskExpire, ID: fmt.Sprintf("inmail:expire:due:%d", due.UnixMilli())}}
		for len(o.queue.asked()) == 0 {
			time.Sleep(time.Millisecond)
		}
		if diff := cmp.Diff(want, o.queue.asked()); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
		o.clock.now = due
		o.expire()
		if s := status(o, id); s != domain.Expired {
			t.Errorf("%s when it is due", s)
		}
	})
	t.Run("what_expires_later_is_left_to_the_slots", func(t *testing.T) {
		o, id := sent(t, time.Second)
		o.expire()
		time.Sleep(2 * worker.ExpiryPause)
		if asked := o.queue.asked(); len(asked) > 0 || status(o, id) != domain.Sent {
			t.Errorf("asked %v", asked)
		}
	})
	t.Run("nothing_is_asked_after_the_end", func(t *testing.T) {
		o, _ := sent(t, 10*time.Millisecond)
		o.expire()
		o.jobs.Close()
		o.expire()
		time.Sleep(2 * worker.ExpiryPause)
		if asked := o.queue.asked(); len(asked) > 0 {
			t.Errorf("asked %v", asked)
		}
	})
}

func TestRedrive(t *testing.T) {
	t.Run("R29_what_the_queue_forgot_is_asked_for_again", func(t *testing.T) {
		o := newOffice(t)
		ids := o.accept(2)
		o.clock.now = o.clock.now.Add(worker.RedriveAge + time.Millisecond)
		if err := o.jobs.Handlers()[mailroom.TaskRedrive](t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		want := []mailroom.Task{{Type: mailroom.TaskSend, IDs: ids}}
		if diff := cmp.Diff(want, o.queue.tasks); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
	})
	t.Run("while_sends_wait_nothing_is_asked_twice", func(t *testing.T) {
		o := newOffice(t)
		o.accept(2)
		o.clock.now = o.clock.now.Add(time.Minute)
		o.waiting = 1
		if err := o.jobs.Handlers()[mailroom.TaskRedrive](t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if len(o.queue.tasks) != 0 {
			t.Errorf("asked %v although sends wait", o.queue.tasks)
		}
	})
	t.Run("what_was_just_accepted_is_left_alone", func(t *testing.T) {
		o := newOffice(t)
		o.accept(1)
		o.clock.now = o.clock.now.Add(worker.RedriveAge)
		if err := o.jobs.Handlers()[mailroom.TaskRedrive](t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if len(o.queue.tasks) != 0 {
			t.Errorf("asked %v", o.queue.tasks)
		}
	})
}

func TestSend(t *testing.T) {
	// work runs a task for each of ids at once; the first occupies the record until the others wait for it.
	work := func(t *testing.T, o *office, ids []string) (errs []error) {
		send := o.jobs.Handlers()[mailroom.TaskSend]
		o.record.release = make(chan struct{})
		errs = make([]error, len(ids))
		var tasks sync.WaitGroup
		tasks.Go(func() { errs[0] = send(t.Context(), ids[:1]) })
		<-o.record.claims
		var entered sync.WaitGroup
		for i, id := range ids[1:] {
			entered.Add(1)
			tasks.Go(func() { entered.Done(); errs[i+1] = send(t.Context(), []string{id}) })
		}
		entered.Wait()
		close(o.record.release)
		tasks.Wait()
		return errs
	}
	t.Run("R10_tasks_that_come_at_once_all_deliver", func(t *testing.T) {
		o := newOffice(t)
		for i, err := range work(t, o, o.accept(10)) {
			if err != nil {
				t.Errorf("task %d: %v", i, err)
			}
		}
		if n := o.queued(); n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
	t.Run("R29_what_a_push_holds_is_delivered_a_moment_later", func(t *testing.T) {
		o := newOffice(t)
		ids := o.accept(3)
		o.record.locked[domain.ID(ids[1])] = 2
		if err := o.jobs.Handlers()[mailroom.TaskSend](t.Context(), ids); err != nil {
			t.Fatal(err)
		}
		if n := o.queued(); n != 0 {
			t.Errorf("%d are left to redrive", n)
		}
		if a, b, c := <-o.record.claims, <-o.record.claims, <-o.record.claims; a != 3 || b != 1 || c != 1 {
			t.Errorf("claimed %d, %d, %d", a, b, c)
		}
		if err := o.jobs.Handlers()[mailroom.TaskSend](t.Context(), ids); err != nil || len(o.record.claims) != 1 {
			t.Errorf("who is decided already was asked for %d times (%v)", len(o.record.claims), err)
		}
	})
	t.Run("a_task_that_fails_fails_alone", func(t *testing.T) {
		o := newOffice(t)
		ids := o.accept(10)
		o.record.poison = domain.ID(ids[4])
		for i, err := range work(t, o, ids) {
			if got := errors.Is(err, errPoison); got != (i == 4) {
				t.Errorf("task %d: %v", i, err)
			}
		}
		if n := o.queued(); n != 1 {
			t.Errorf("%d still wait; want the one that fails", n)
		}
	})
}
