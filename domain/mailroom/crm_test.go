package mailroom_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
	"inmail/domain/mailroom"
)

const lease = 30 * time.Second

// TestTurns holds what lets one worker of all processes do something at a time.
func TestLeases(t *testing.T) {
	on(t, "one_of_twenty_gets_it", func(w *world) {
		for range 5 {
			var tries []func() error
			holders := make([]domain.ID, 20)
			for i := range holders {
				holders[i] = w.svc.NewHolder()
				tries = append(tries, func() error { return w.svc.TakeLease(w.ctx, mailroom.LeaseWrite, holders[i], lease) })
			}
			errs := together(tries...)
			if n := winners(errs); n != 1 {
				w.t.Fatalf("%d have the turn: %v", n, errs)
			}
			won := slices.Index(errs, nil)
			for i, err := range errs {
				if i != won && !errors.Is(err, mailroom.ErrLeaseTaken) {
					w.t.Errorf("a loser is told %v", err)
				}
			}
			w.ok(w.svc.EndLease(w.ctx, mailroom.LeaseWrite, holders[won]))
		}
	})
	on(t, "a_dead_holder_delays_the_next_by_a_lease", func(w *world) {
		dead, next := w.svc.NewHolder(), w.svc.NewHolder()
		w.ok(w.svc.TakeLease(w.ctx, mailroom.LeaseWrite, dead, lease))
		w.clock.set(t0.Add(lease / 2))
		w.ok(w.svc.TakeLease(w.ctx, mailroom.LeaseWrite, dead, lease)) // its last sign of life
		w.clock.set(t0.Add(lease/2 + lease - time.Millisecond))
		if err := w.svc.TakeLease(w.ctx, mailroom.LeaseWrite, next, lease); !errors.Is(err, mailroom.ErrLeaseTaken) {
			w.t.Errorf("before the lease has ended: %v", err)
		}
		w.clock.set(t0.Add(lease/2 + lease))
		w.ok(w.svc.TakeLease(w.ctx, mailroom.LeaseWrite, next, lease))
		if err := w.svc.TakeLease(w.ctx, mailroom.LeaseWrite, dead, lease); !errors.Is(err, mailroom.ErrLeaseTaken) {
			w.t.Errorf("who comes late takes it back: %v", err)
		}
		w.ok(w.svc.EndLease(w.ctx, mailroom.LeaseWrite, dead)) // nor does it end the other's
		if err := w.svc.TakeLease(w.ctx, mailroom.LeaseWrite, dead, lease); !errors.Is(err, mailroom.ErrLeaseTaken) {
			w.t.Errorf("it ended another's turn: %v", err)
		}
		w.ok(w.svc.EndLease(w.ctx, mailroom.LeaseWrite, next))
		w.ok(w.svc.TakeLease(w.ctx, mailroom.LeaseWrite, dead, lease))
	})
	on(t, "a_clock_that_was_far_ahead_holds_nobody", func(w *world) {
		w.clock.set(t0.Add(domain.Window))
		w.ok(w.svc.TakeLease(w.ctx, mailroom.LeaseWrite, w.svc.NewHolder(), lease))
		w.clock.set(t0)
		w.ok(w.svc.TakeLease(w.ctx, mailroom.LeaseWrite, w.svc.NewHolder(), lease))
	})
	on(t, "turns_do_not_meet", func(w *world) {
		w.ok(w.svc.TakeLease(w.ctx, mailroom.LeaseWrite, w.svc.NewHolder(), lease))
		w.ok(w.svc.TakeLease(w.ctx, mailroom.Backfill.Lease(), w.svc.NewHolder(), lease))
		w.ok(w.svc.FreePushes(w.ctx)) // a process that is alone on the record begins
		w.ok(w.svc.TakeLease(w.ctx, mailroom.LeaseWrite, w.svc.NewHolder(), lease))
	})
}

// unsynced makes n InMails that Salesforce lacks.
func (w *world) unsynced(n int) (ids []domain.ID) {
	w.t.Helper()
	w.member("s", "recruiter_50")
	w.members(n)
	for i := range n {
		ids = append(ids, w.queued("s", recipient(i)))
	}
	slices.Sort(ids)
	return ids
}

// claims claims as holder and returns what it got, by id.
func (w *world) claims(holder domain.ID) (ids []domain.ID) {
	w.t.Helper()
	claim, err := w.svc.ClaimPushes(w.ctx, holder, 1000, lease)
	w.ok(err)
	for _, p := range claim.Pushes {
		ids = append(ids, p.InMail.ID)
	}
	slices.Sort(ids)
	return ids
}

// TestClaims holds who may push, and what.
func TestClaims(t *testing.T) {
	on(t, "one_pushes_at_a_time", func(w *world) {
		ids := w.unsynced(40)
		var tries []func() error
		got := make([]mailroom.Claim, 8)
		for i := range got {
			holder := w.svc.NewHolder()
			tries = append(tries, func() (err error) { got[i], err = w.svc.ClaimPushes(w.ctx, holder, 20, lease); return err })
		}
		errs := together(tries...)
		won := 0
		for i, claim := range got {
			if len(claim.Pushes) > 0 {
				won++
				if len(claim.Pushes) != 20 || !claim.More || errs[i] != nil {
					w.t.Errorf("claimed %d, more: %v, %v", len(claim.Pushes), claim.More, errs[i])
				}
			} else if errs[i] != nil && !errors.Is(errs[i], mailroom.ErrLeaseTaken) {
				w.t.Errorf("who got nothing is told %v", errs[i])
			}
		}
		if won != 1 {
			w.t.Fatalf("%d claimed: %v", won, errs)
		}
		// Those who lost took nothing with them: all is there when the winner is found dead.
		w.clock.set(t0.Add(lease))
		if diff := cmp.Diff(ids, w.claims(w.svc.NewHolder())); diff != "" {
			w.t.Errorf("(-want +got):\n%s", diff)
		}
	})
	on(t, "what_a_backfill_is_about_to_bring_is_left_to_it", func(w *world) {
		ids := w.unsynced(6)
		store := func(id domain.ID, class domain.FailureClass) { // it is in the org already, and has changed since
			w.ok(w.svc.StorePushes(w.ctx, []domain.PushAnswer{{Link: domain.Link{InMail: id, RecordID: "a0X000000000001AAA"}, Class: class}}, []time.Time{t0}, mailroom.Budget{}))
		}
		if got := w.claims(w.svc.NewHolder()); len(got) != 6 {
			w.t.Fatalf("claimed %v", got)
		}
		store(ids[4], domain.Locked)
		w.clock.set(t0.Add(time.Minute)) // the claims are over
		run, left, err := w.svc.BeginRun(w.ctx, mailroom.Backfill, "")
		w.ok(err)
		if !left {
			w.t.Fatal("nothing is left of a new run")
		}
		run.Backfilled = &mailroom.BackfillProgress{Total: 6, Bulk: true, StartedAt: t0.Add(30 * time.Second), After: ids[1]}
		w.ok(w.svc.NoteRun(w.ctx, mailroom.Backfill, run))
		worker := w.svc.NewHolder()
		w.ok(w.svc.TakeLease(w.ctx, mailroom.Backfill.Lease(), worker, lease))
		w.member("late", "basic_0")
		newer := w.queued("s", "late")
		want := []domain.ID{ids[0], ids[1], ids[4], newer} // gone through, there already, and accepted since it began
		slices.Sort(want)
		holder := w.svc.NewHolder()
		if diff := cmp.Diff(want, w.claims(holder)); diff != "" {
			w.t.Errorf("beside the backfill (-want +got):\n%s", diff)
		}
		if got := w.claims(holder); got != nil {
			w.t.Errorf("the rest is claimed too: %v", got)
		}
		if s, err := w.svc.CRMStatus(w.ctx); err != nil || s.Unsynced != 7 || len(s.Dead) != 0 || s.Runs[mailroom.Backfill].ID != run.ID {
			w.t.Errorf("%+v, %v", s, err)
		}
		if failures, err := w.svc.CRMFailures(w.ctx, mailroom.Page{Limit: 10}); err != nil || len(failures) != 0 {
			w.t.Errorf("what waits counts as failed: %+v, %v", failures, err)
		}
		w.ok(w.svc.EndLease(w.ctx, mailroom.LeaseWrite, holder))

		// The backfill dies: what it would have brought is pushed when it was put off for, and not before.
		w.clock.set(t0.Add(5 * time.Minute))
		w.ok(w.svc.EndLease(w.ctx, mailroom.LeaseWrite, holder))
		if got := w.claims(holder); slices.Contains(got, ids[2]) {
			w.t.Errorf("claimed before its time: %v", got)
		}
		w.clock.set(t0.Add(6 * time.Minute))
		if got := w.claims(holder); !slices.Contains(got, ids[2]) || !slices.Contains(got, ids[3]) || !slices.Contains(got, ids[5]) {
			w.t.Errorf("claimed %v", got)
		}
	})
	for name, change := range map[string]func(*mailroom.Run){
		"few":   func(r *mailroom.Run) { r.Backfilled.Bulk = false },
		"ended": func(r *mailroom.Run) { r.EndedAt = t0 },
	} {
		on(t, "a_backfill_that_brings_nothing_keeps_nothing_back/"+name, func(w *world) {
			ids := w.unsynced(2)
			run, _, err := w.svc.BeginRun(w.ctx, mailroom.Backfill, "")
			w.ok(err)
			run.Backfilled = &mailroom.BackfillProgress{Bulk: true, StartedAt: t0.Add(time.Minute)}
			change(&run)
			w.ok(w.svc.NoteRun(w.ctx, mailroom.Backfill, run))
			w.ok(w.svc.TakeLease(w.ctx, mailroom.Backfill.Lease(), w.svc.NewHolder(), lease))
			if diff := cmp.Diff(ids, w.claims(w.svc.NewHolder())); diff != "" {
				w.t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	on(t, "one_that_waits_for_the_budget_keeps_its_share_for_receipts", func(w *world) {
		ids := w.unsynced(2)
		run, _, err := w.svc.BeginRun(w.ctx, mailroom.Backfill, "")
		w.ok(err)
		run.Backfilled = &mailroom.BackfillProgress{Bulk: true, StartedAt: t0.Add(time.Minute)}
		run.WaitsUntil = t0.Add(3 * time.Hour)
		w.ok(w.svc.NoteRun(w.ctx, mailroom.Backfill, run))
		w.clock.set(t0.Add(3*time.Hour - time.Minute))
		if got := w.claims(w.svc.NewHolder()); got != nil {
			w.t.Errorf("claimed %v", got)
		}
		w.clock.set(t0.Add(3*time.Hour + 5*time.Minute)) // nobody goes on with it
		if diff := cmp.Diff(ids, w.claims(w.svc.NewHolder())); diff != "" {
			w.t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestRuns holds that a walk that is asked for comes to its end once.
func TestRuns(t *testing.T) {
	asked := func(w *world) (tasks []string) {
		for _, task := range w.queue.take() {
			if kind, _ := mailroom.TaskKindOf(task.Type); kind.Queue == mailroom.QueueCRM {
				tasks = append(tasks, fmt.Sprint(task.Type, task.IDs))
			}
		}
		return tasks
	}
	on(t, "who_asks_again_joins", func(w *world) {
		first, err := w.svc.AskRun(w.ctx, mailroom.Backfill)
		w.ok(err)
		second, err := w.svc.AskRun(w.ctx, mailroom.Backfill)
		w.ok(err)
		dry, err := w.svc.AskRun(w.ctx, mailroom.BackfillDry)
		w.ok(err)
		if second != first || dry == first {
			w.t.Errorf("%s, %s, dry %s", first, second, dry)
		}
		task := fmt.Sprintf("crm:backfill[backfill %s]", first)
		if diff := cmp.Diff([]string{task, task, fmt.Sprintf("crm:backfill[backfill_dry_run %s]", dry)}, asked(w)); diff != "" {
			w.t.Errorf("(-want +got):\n%s", diff)
		}
		run, left, err := w.svc.BeginRun(w.ctx, mailroom.Backfill, first)
		w.ok(err)
		if !left || run.StartedAt != t0 {
			w.t.Errorf("%+v, %v", run, left)
		}
		run.EndedAt = t0
		w.ok(w.svc.NoteRun(w.ctx, mailroom.Backfill, run))
		if _, left, err := w.svc.BeginRun(w.ctx, mailroom.Backfill, first); err != nil || left {
			w.t.Errorf("a task that came twice begins anew: %v, %v", left, err)
		}
		if third, err := w.svc.AskRun(w.ctx, mailroom.Backfill); err != nil || third == first {
			w.t.Errorf("%s again, %v", third, err)
		}
	})
	on(t, "one_whose_worker_died_is_asked_for_again", func(w *world) {
		id, err := w.svc.AskRun(w.ctx, mailroom.Reconcile)
		w.ok(err)
		again := []string{fmt.Sprintf("crm:reconcile[reconcile %s]", id)}
		asked(w)
		look := func(at time.Duration, want []string) {
			w.t.Helper()
			w.clock.set(t0.Add(at))
			w.ok(w.svc.RedriveRuns(w.ctx))
			if diff := cmp.Diff(want, asked(w)); diff != "" {
				w.t.Errorf("after %v (-want +got):\n%s", at, diff)
			}
		}
		look(2*time.Minute-time.Millisecond, nil)
		look(2*time.Minute, again)
		look(2*time.Minute, nil)
		run, _, err := w.svc.BeginRun(w.ctx, mailroom.Reconcile, id)
		w.ok(err)
		w.ok(w.svc.TakeLease(w.ctx, mailroom.Reconcile.Lease(), w.svc.NewHolder(), 5*time.Minute))
		look(6*time.Minute, nil) // somebody works at it
		look(7*time.Minute, again)
		run.Fault = "login" // a person must mend that
		w.ok(w.svc.NoteRun(w.ctx, mailroom.Reconcile, run))
		look(7*time.Minute+100*time.Hour, nil)
		if same, err := w.svc.AskRun(w.ctx, mailroom.Reconcile); err != nil || same != id {
			w.t.Errorf("who asks again gets %s, %v", same, err)
		}
		if s, err := w.svc.CRMStatus(w.ctx); err != nil || s.Runs[mailroom.Reconcile].Fault != "" {
			w.t.Errorf("asked again it is %+v, %v", s.Runs[mailroom.Reconcile], err)
		}
		asked(w)
		w.clock.set(t0.Add(7 * time.Minute))
		run.Fault = "locked" // asked for in vain, it rests longer
		w.ok(w.svc.NoteRun(w.ctx, mailroom.Reconcile, run))
		look(7*time.Minute+15*time.Minute-time.Millisecond, nil)
		look(7*time.Minute+15*time.Minute, again)
		run.Fault, run.WaitsUntil = "limit", w.clock.Now().Add(6*time.Hour)
		w.ok(w.svc.NoteRun(w.ctx, mailroom.Reconcile, run))
		look(6*time.Hour, nil)
		w.ok(w.svc.PauseCRM(w.ctx, "operator", time.Time{}))
		look(100*time.Hour, nil)
		w.ok(w.svc.ResumeCRM(w.ctx))
		look(100*time.Hour, again)
		run.EndedAt = w.clock.Now()
		w.ok(w.svc.NoteRun(w.ctx, mailroom.Reconcile, run))
		if diff := cmp.Diff([]string{"crm:push[]"}, asked(w)); diff != "" {
			w.t.Errorf("what it made due is to be pushed (-want +got):\n%s", diff)
		}
		look(200*time.Hour, nil)
	})
	on(t, "the_schedule_begins_one_of_its_own", func(w *world) {
		first, left, err := w.svc.BeginRun(w.ctx, mailroom.Reconcile, "")
		w.ok(err)
		same, leftOfIt, err := w.svc.BeginRun(w.ctx, mailroom.Reconcile, "") // after a kill
		w.ok(err)
		if !left || !leftOfIt || same.ID != first.ID {
			w.t.Errorf("%+v, %+v", first, same)
		}
		first.EndedAt = t0
		w.ok(w.svc.NoteRun(w.ctx, mailroom.Reconcile, first))
		next, left, err := w.svc.BeginRun(w.ctx, mailroom.Reconcile, "")
		w.ok(err)
		if !left || next.ID == first.ID {
			w.t.Errorf("%+v", next)
		}
		w.ok(w.svc.NoteRun(w.ctx, mailroom.Reconcile, first)) // who comes late changes nothing
		if s, err := w.svc.CRMStatus(w.ctx); err != nil || s.Runs[mailroom.Reconcile].ID != next.ID {
			w.t.Errorf("%+v, %v", s.Runs, err)
		}
	})
}
