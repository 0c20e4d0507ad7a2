package worker_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"inmail/connectors/salesforce"
	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/worker"
)

// plainCRM is a CRM of the tests. It takes every push, hangs, or answers as the test says.
type plainCRM struct {
	mailroom.CRM // the methods that these tests do not call
	name         domain.CRM
	answer       func(domain.Push) domain.PushAnswer // nil: takes everything
	hung         chan struct{}                       // closed when a push hangs; nil: none does
	release      chan struct{}

	mu   sync.Mutex
	has  map[domain.ID]int64 // InMail → version
	runs int
}

func (c *plainCRM) Name() domain.CRM        { return c.name }
func (c *plainCRM) Configured() bool        { return true }
func (c *plainCRM) Budget() mailroom.Budget { return mailroom.Budget{} }

func (c *plainCRM) Push(_ context.Context, pushes []domain.Push) (answers []domain.PushAnswer, err error) {
	if c.hung != nil {
		close(c.hung)
		<-c.release
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range pushes {
		if c.answer != nil {
			answers = append(answers, c.answer(p))
			continue
		}
		c.has[p.InMail.ID] = p.InMail.Version
		l := p.Link
		l.RecordID, l.PushedVersion, l.PushedSeq = "1", p.InMail.Version, p.InMail.Seq
		answers = append(answers, domain.PushAnswer{Link: l})
	}
	return answers, nil
}

func (c *plainCRM) Compare(context.Context, mailroom.CRMRecord, bool, func(mailroom.Comparison)) (mailroom.Comparison, error) {
	c.runs++
	return mailroom.Comparison{Done: true}, nil
}

func (c *plainCRM) holds() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.has)
}

func (c *company) waiting(crm domain.CRM) mailroom.CRMStatus {
	c.t.Helper()
	s, err := c.svc.CRMStatus(c.t.Context(), crm)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// TestRules proves what the jobs promise of several CRMs.
func TestRules(t *testing.T) {
	two := func(t *testing.T) (*company, *worker.Jobs, *plainCRM, *plainCRM) {
		c := newCompany(t)
		slow, well := &plainCRM{name: "slow", has: map[domain.ID]int64{}}, &plainCRM{name: "well", has: map[domain.ID]int64{}}
		j := c.process(c.connector(salesforce.Default()), slow, well)
		c.svc = j.Service
		c.accept(5)
		return c, j, slow, well
	}
	push := func(j *worker.Jobs, crm domain.CRM) chan error {
		done := make(chan error, 1)
		go func() { done <- j.Handlers()[mailroom.TaskCRMPush](t.Context(), []string{string(crm)}) }()
		return done
	}
	t.Run("R67_one_that_hangs_delays_no_other", func(t *testing.T) {
		c, j, slow, well := two(t)
		slow.hung, slow.release = make(chan struct{}), make(chan struct{})
		hangs := push(j, "slow")
		soon(t, "the push that hangs", slow.hung)
		if err := soon(t, "the push to the other", push(j, "well")); err != nil {
			t.Fatal(err)
		}
		if well.holds() != 5 || c.waiting("well").Unsynced != 0 || c.waiting("slow").Unsynced != 5 {
			t.Errorf("the other holds %d; %+v", well.holds(), c.waiting("well"))
		}
		// The other CRM is reconciled meanwhile as if it were alone.
		if err := soon(t, "a run of the other", func() chan error {
			done := make(chan error, 1)
			go func() { done <- j.Handlers()[mailroom.TaskCRMReconcile](t.Context(), []string{"well"}) }()
			return done
		}()); err != nil || well.runs != 1 {
			t.Errorf("%v after %d runs", err, well.runs)
		}
		// It takes no second worker.
		if err := soon(t, "a second task to the one that hangs", push(j, "slow")); err != nil {
			t.Error(err)
		}
		slow.hung = nil
		close(slow.release)
		if err := soon(t, "the end of what hung", hangs); err != nil || slow.holds() != 5 {
			t.Errorf("%v, and it holds %d", err, slow.holds())
		}
	})
	t.Run("R67_one_that_does_not_answer_is_unreachable_alone", func(t *testing.T) {
		c, j, slow, _ := two(t)
		slow.answer = func(p domain.Push) domain.PushAnswer {
			l := p.Link
			l.Failures = map[string]domain.Failure{domain.RecordPart: {Class: domain.Unreachable, Attempts: 1, FailedAt: c.wall.Now(), OfCall: true}}
			l.Summarize()
			return domain.PushAnswer{Link: l, Class: domain.Unreachable, OfCall: true}
		}
		for _, crm := range []domain.CRM{"slow", "well"} {
			if err := soon(t, "a push", push(j, crm)); err != nil {
				t.Fatal(err)
			}
		}
		if since := c.waiting("slow").UnreachableSince; since != c.wall.Now() || !c.waiting("well").UnreachableSince.IsZero() {
			t.Errorf("unreachable since %v, the other %v", since, c.waiting("well").UnreachableSince)
		}
		slow.answer = nil
		c.wall.pass(time.Minute)
		if err := soon(t, "the next push", push(j, "slow")); err != nil || !c.waiting("slow").UnreachableSince.IsZero() {
			t.Errorf("%v, and it is unreachable since %v", err, c.waiting("slow").UnreachableSince)
		}
	})
	for name, class := range map[string]domain.FailureClass{"refuses_the_login": domain.LoginFailed, "is_parked": domain.LimitReached,
		"is_down": domain.Locked, "refuses_all": domain.BadData} {
		t.Run("R67_one_that_"+name+"_delays_no_other", func(t *testing.T) {
			c, j, slow, well := two(t)
			slow.answer = func(p domain.Push) domain.PushAnswer {
				l := p.Link
				l.Attempts, l.Class, l.Detail, l.FailedAt = 1, class, "NO", c.wall.Now()
				return domain.PushAnswer{Link: l, Class: class, Until: c.wall.Now().Add(time.Hour)}
			}
			for _, crm := range []domain.CRM{"slow", "well"} {
				if err := soon(t, "a push", push(j, crm)); err != nil {
					t.Fatal(err)
				}
			}
			failing, good := c.waiting("slow"), c.waiting("well")
			if (failing.Pause != nil) != (class == domain.LoginFailed) || (failing.Dead[domain.BadData] == 5) != (class == domain.BadData) {
				t.Errorf("the first: %+v", failing)
			}
			if well.holds() != 5 || good.Unsynced != 0 || good.Pause != nil || len(good.Dead) != 0 {
				t.Errorf("the other holds %d: %+v", well.holds(), good)
			}
			failures, err := c.svc.CRMFailures(t.Context(), "well", mailroom.Page{Limit: 10})
			if err != nil || len(failures) != 0 {
				t.Errorf("failures of the other: %+v, %v", failures, err)
			}
			slow.answer = nil // it is repaired: both converge
			if err := errors.Join(c.svc.ResumeCRM(t.Context(), "well"), retryAll(c, "slow")); err != nil {
				t.Fatal(err)
			}
			c.wall.pass(2 * time.Hour)
			if err := soon(t, "the push after it was repaired", push(j, "slow")); err != nil || slow.holds() != 5 {
				t.Errorf("%v, and it holds %d", err, slow.holds())
			}
		})
	}
	testBothCRMs(t)
	t.Run("R67_a_task_that_names_no_CRM_or_an_unknown_one_does_nothing", func(t *testing.T) {
		c, j, slow, well := two(t)
		// The last is of an older version.
		for _, ids := range [][]string{nil, {"third"}, {"backfill", "019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"}} {
			for _, task := range []string{mailroom.TaskCRMPush, mailroom.TaskCRMReconcile, mailroom.TaskCRMBackfill} {
				if err := j.Handlers()[task](t.Context(), ids); err != nil {
					t.Errorf("%s %v: %v", task, ids, err)
				}
			}
		}
		if slow.holds()+well.holds() != 0 || c.waiting("slow").Runs[mailroom.Backfill].ID != "" {
			t.Error("something was done")
		}
	})
}

func (c *plainCRM) Resume(context.Context) error { return nil }

// retryAll retries all failed pushes to a CRM and resumes its sync, as an operator does.
func retryAll(c *company, crm domain.CRM) error {
	_, err := c.svc.RetryCRM(c.t.Context(), crm, "", "")
	if err != nil {
		return fmt.Errorf("retry: %w", err)
	}
	return c.svc.ResumeCRM(c.t.Context(), crm)
}
