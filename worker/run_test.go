package worker_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/connectors/salesforce"
	"inmail/connectors/salesforce/sandbox"
	"inmail/domain/mailroom"
	"inmail/worker"
)

// do runs the task of the last ask, as the queue does.
func (c *company) do(j *worker.Jobs) error {
	c.t.Helper()
	task := c.queue.tasks[len(c.queue.tasks)-1]
	return j.Handlers()[task.Type](c.t.Context(), task.IDs)
}

func (c *company) ask(kind mailroom.RunKind) {
	c.t.Helper()
	if _, err := c.svc.AskRun(c.t.Context(), salesforce.Name, kind); err != nil {
		c.t.Fatal(err)
	}
}

func (c *company) status() mailroom.CRMStatus {
	c.t.Helper()
	s, err := c.svc.CRMStatus(c.t.Context(), salesforce.Name)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// again returns after how long a failed task runs again without using up a retry; 0 when it uses one up.
func again(err error) time.Duration {
	var waits interface{ RetryAfter() time.Duration }
	if errors.As(err, &waits) {
		return waits.RetryAfter()
	}
	return 0
}

// TestRuns checks what becomes of a reconcile or backfill that was asked for.
func TestRuns(t *testing.T) {
	// open is a company with InMails in the org, one of them edited there and one deleted.
	open := func(t *testing.T) (*company, *worker.Jobs) {
		c := newCompany(t)
		c.writes.once.Do(func() {})
		c.children(c.lead(), 3)
		j := c.connected()
		if err := j.Handlers()[mailroom.TaskCRMPush](t.Context(), toSalesforce); err != nil {
			t.Fatal(err)
		}
		there := c.org.Records("InMail__c")
		if err := errors.Join(c.org.Edit(there[0]["Id"].(string), sandbox.Fields{"Category__c": "theirs"}), c.org.Delete(there[1]["Id"].(string))); err != nil {
			t.Fatal(err)
		}
		return c, j
	}
	t.Run("a_dry_reconcile_counts_and_changes_nothing", func(t *testing.T) {
		c, j := open(t)
		before, unsynced := len(c.org.History()), c.status().Unsynced
		c.ask(mailroom.ReconcileDry)
		if err := c.do(j); err != nil {
			t.Fatal(err)
		}
		s := c.status()
		run := s.Runs[mailroom.ReconcileDry]
		if run.EndedAt.IsZero() || run.Compared == nil {
			t.Fatalf("%+v", run)
		}
		if diff := cmp.Diff(map[string]int{"missing": 1, "extra": 0, "stale": 0, "edited": 1}, run.Compared.Drift); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if run.Compared.Resynced != 2 || run.Compared.RepairCalls != 3 || run.Compared.Calls != 2 || !run.Compared.Done {
			t.Errorf("%+v", run.Compared)
		}
		if len(c.org.History()) != before || s.Unsynced != unsynced || !s.Drift.At.IsZero() {
			t.Errorf("it changed something: %+v", s)
		}
		c.ask(mailroom.Reconcile)
		if err := c.do(j); err != nil {
			t.Fatal(err)
		}
		if s := c.status(); s.Unsynced != unsynced+2 || s.Drift.Kinds["missing"] != 1 || s.Runs[mailroom.Reconcile].Compared.Resynced != 2 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("a_dry_backfill_calls_nobody", func(t *testing.T) {
		c, j := open(t)
		calls := c.org.Calls()
		c.ask(mailroom.BackfillDry)
		if err := c.do(j); err != nil {
			t.Fatal(err)
		}
		if run := c.status().Runs[mailroom.BackfillDry]; run.Plan == nil || run.Plan.InMails != 3 || run.Plan.Calls != 3 || run.EndedAt.IsZero() {
			t.Errorf("%+v", run)
		}
		if diff := cmp.Diff(calls, c.org.Calls()); diff != "" {
			t.Errorf("calls (-before +after):\n%s", diff)
		}
	})
	t.Run("a_task_that_comes_twice_does_it_once", func(t *testing.T) {
		c, j := open(t)
		c.ask(mailroom.Backfill)
		if err := c.do(j); err != nil {
			t.Fatal(err)
		}
		run := c.status().Runs[mailroom.Backfill]
		if run.Backfilled == nil || run.Backfilled.InMails != 3 || run.Backfilled.Pushed != 3 || !run.Backfilled.Done || run.EndedAt.IsZero() {
			t.Fatalf("%+v", run)
		}
		c.wall.pass(time.Minute)
		if err := c.do(j); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(run, c.status().Runs[mailroom.Backfill]); diff != "" {
			t.Errorf("the second task (-first +second):\n%s", diff)
		}
	})
	t.Run("one_works_at_it_and_the_others_come_later", func(t *testing.T) {
		c, j := open(t)
		c.ask(mailroom.Backfill)
		other := c.svc.NewHolder()
		if err := c.svc.TakeLease(t.Context(), mailroom.Backfill.Lease(salesforce.Name), other, worker.PushLease); err != nil {
			t.Fatal(err)
		}
		if err := c.do(j); again(err) != worker.PushLease {
			t.Errorf("%v, again after %v", err, again(err))
		}
		c.wall.pass(worker.PushLease) // the other was killed
		if err := c.do(j); err != nil {
			t.Error(err)
		}
		if run := c.status().Runs[mailroom.Backfill]; run.EndedAt.IsZero() {
			t.Errorf("%+v", run)
		}
	})
	t.Run("a_spent_budget_lets_it_wait_and_go_on", func(t *testing.T) {
		c, _ := open(t)
		c.config.Budget = 0.00001 // one call of 100,000
		j := c.connected()
		c.ask(mailroom.Reconcile)
		err := c.do(j)
		if err == nil { // the limit is known after the first call
			c.ask(mailroom.Reconcile)
			err = c.do(j)
		}
		run := c.status().Runs[mailroom.Reconcile]
		if wait := again(err); wait <= 0 || run.WaitsUntil.Sub(c.wall.Now()) != wait || run.Fault != "limit" || !run.EndedAt.IsZero() {
			t.Fatalf("%v, again after %v: %+v", err, again(err), run)
		}
		c.wall.pass(again(err))
		c.config.Budget = 1
		if err := c.do(c.connected()); err != nil {
			t.Fatal(err)
		}
		if run := c.status().Runs[mailroom.Reconcile]; run.EndedAt.IsZero() || run.Fault != "" || !run.WaitsUntil.IsZero() {
			t.Errorf("%+v", run)
		}
	})
	t.Run("a_fault_is_reported_and_tried_again", func(t *testing.T) {
		c, j := open(t)
		if err := c.org.Inject(sandbox.Fault{Kind: sandbox.UnavailableHTML}); err != nil {
			t.Fatal(err)
		}
		c.ask(mailroom.Reconcile)
		if err := c.do(j); err == nil || again(err) != 0 {
			t.Errorf("%v", err)
		}
		if run := c.status().Runs[mailroom.Reconcile]; run.Fault != "unreachable" || !run.EndedAt.IsZero() {
			t.Errorf("%+v", run)
		}
		c.org.ClearFaults()
		if err := c.do(j); err != nil {
			t.Error(err)
		}
	})
	t.Run("where_the_CRM_is_not_configured_it_says_so", func(t *testing.T) {
		c := newCompany(t)
		j := c.process(c.connector(salesforce.Default()))
		c.ask(mailroom.Reconcile)
		if err := c.do(j); err != nil {
			t.Fatal(err)
		}
		if run := c.status().Runs[mailroom.Reconcile]; run.EndedAt.IsZero() || run.Fault != mailroom.NotConfigured {
			t.Errorf("%+v", run)
		}
		// The schedule asks every day.
		if err := j.Handlers()[mailroom.TaskCRMReconcile](t.Context(), toSalesforce); err != nil {
			t.Error(err)
		}
	})
}
