package mailroom_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
	"inmail/domain/mailroom"
)

const lease = 30 * time.Second

// TestLeases checks that one worker of all processes does the work of a lease at a time.
func TestLeases(t *testing.T) {
	on(t, "one_of_twenty_gets_it", func(w *world) {
		for range 5 {
			var tries []func() error
			holders := make([]domain.ID, 20)
			for i := range holders {
				holders[i] = w.svc.NewHolder()
				tries = append(tries, func() error { return w.svc.TakeLease(w.ctx, mailroom.WriteLease(firstCRM), holders[i], lease) })
			}
			errs := together(tries...)
			if n := winners(errs); n != 1 {
				w.t.Fatalf("%d have the lease: %v", n, errs)
			}
			won := slices.Index(errs, nil)
			for i, err := range errs {
				if i != won && !errors.Is(err, mailroom.ErrLeaseTaken) {
					w.t.Errorf("a loser gets %v", err)
				}
			}
			w.ok(w.svc.EndLease(w.ctx, mailroom.WriteLease(firstCRM), holders[won]))
		}
	})
	on(t, "a_dead_holder_delays_the_next_by_a_lease", func(w *world) {
		dead, next := w.svc.NewHolder(), w.svc.NewHolder()
		w.ok(w.svc.TakeLease(w.ctx, mailroom.WriteLease(firstCRM), dead, lease))
		w.clock.set(t0.Add(lease / 2))
		// It prolongs for the last time.
		w.ok(w.svc.TakeLease(w.ctx, mailroom.WriteLease(firstCRM), dead, lease))
		w.clock.set(t0.Add(lease/2 + lease - time.Millisecond))
		if err := w.svc.TakeLease(w.ctx, mailroom.WriteLease(firstCRM), next, lease); !errors.Is(err, mailroom.ErrLeaseTaken) {
			w.t.Errorf("before the lease has ended: %v", err)
		}
		w.clock.set(t0.Add(lease/2 + lease))
		w.ok(w.svc.TakeLease(w.ctx, mailroom.WriteLease(firstCRM), next, lease))
		if err := w.svc.TakeLease(w.ctx, mailroom.WriteLease(firstCRM), dead, lease); !errors.Is(err, mailroom.ErrLeaseTaken) {
			w.t.Errorf("who comes late takes it back: %v", err)
		}
		w.ok(w.svc.EndLease(w.ctx, mailroom.WriteLease(firstCRM), dead)) // nor does it end the other's
		if err := w.svc.TakeLease(w.ctx, mailroom.WriteLease(firstCRM), dead, lease); !errors.Is(err, mailroom.ErrLeaseTaken) {
			w.t.Errorf("it ended the lease of another: %v", err)
		}
		w.ok(w.svc.EndLease(w.ctx, mailroom.WriteLease(firstCRM), next))
		w.ok(w.svc.TakeLease(w.ctx, mailroom.WriteLease(firstCRM), dead, lease))
	})
	on(t, "a_clock_that_was_far_ahead_holds_nobody", func(w *world) {
		w.clock.set(t0.Add(domain.Window))
		w.ok(w.svc.TakeLease(w.ctx, mailroom.WriteLease(firstCRM), w.svc.NewHolder(), lease))
		w.clock.set(t0)
		w.ok(w.svc.TakeLease(w.ctx, mailroom.WriteLease(firstCRM), w.svc.NewHolder(), lease))
	})
	on(t, "turns_do_not_meet", func(w *world) {
		w.ok(w.svc.TakeLease(w.ctx, mailroom.WriteLease(firstCRM), w.svc.NewHolder(), lease))
		w.ok(w.svc.TakeLease(w.ctx, mailroom.Backfill.Lease(firstCRM), w.svc.NewHolder(), lease))
		w.ok(w.svc.FreePushes(w.ctx)) // a process that is alone on the record begins
		w.ok(w.svc.TakeLease(w.ctx, mailroom.WriteLease(firstCRM), w.svc.NewHolder(), lease))
	})
}

// unsynced makes n InMails that the CRMs lack.
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

// claims claims InMails as holder and returns their ids, sorted.
func (w *world) claims(holder domain.ID) (ids []domain.ID) {
	w.t.Helper()
	claim, err := w.svc.ClaimPushes(w.ctx, firstCRM, holder, 1000, lease)
	w.ok(err)
	for _, p := range claim.Pushes {
		ids = append(ids, p.InMail.ID)
	}
	slices.Sort(ids)
	return ids
}

// TestClaims checks who may push, and which InMails.
func TestClaims(t *testing.T) {
	on(t, "one_pushes_at_a_time", func(w *world) {
		ids := w.unsynced(40)
		var tries []func() error
		got := make([]mailroom.Claim, 8)
		for i := range got {
			holder := w.svc.NewHolder()
			tries = append(tries, func() (err error) { got[i], err = w.svc.ClaimPushes(w.ctx, firstCRM, holder, 20, lease); return err })
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
				w.t.Errorf("a claim that got nothing answers %v", errs[i])
			}
		}
		if won != 1 {
			w.t.Fatalf("%d claimed: %v", won, errs)
		}
		// The losers claimed nothing: all InMails are there when the winner's lease has ended.
		w.clock.set(t0.Add(lease))
		if diff := cmp.Diff(ids, w.claims(w.svc.NewHolder())); diff != "" {
			w.t.Errorf("(-want +got):\n%s", diff)
		}
	})
	on(t, "what_a_backfill_is_about_to_bring_is_left_to_it", func(w *world) {
		ids := w.unsynced(6)
		// It is in the CRM already, and has changed since.
		store := func(id domain.ID, class domain.FailureClass) {
			w.ok(w.svc.StorePushes(w.ctx, firstCRM, []domain.PushAnswer{{Link: domain.Link{InMail: id, RecordID: "a0X000000000001AAA"}, Class: class}}, []time.Time{t0}, mailroom.Budget{}))
		}
		if got := w.claims(w.svc.NewHolder()); len(got) != 6 {
			w.t.Fatalf("claimed %v", got)
		}
		store(ids[4], domain.Locked)
		w.clock.set(t0.Add(time.Minute)) // the claims are over
		run, left, err := w.svc.BeginRun(w.ctx, firstCRM, mailroom.Backfill, "")
		w.ok(err)
		if !left {
			w.t.Fatal("nothing is left of a new run")
		}
		run.Backfilled = &mailroom.BackfillProgress{Total: 6, Bulk: true, StartedAt: t0.Add(30 * time.Second), After: ids[1]}
		w.ok(w.svc.NoteRun(w.ctx, firstCRM, mailroom.Backfill, run))
		worker := w.svc.NewHolder()
		w.ok(w.svc.TakeLease(w.ctx, mailroom.Backfill.Lease(firstCRM), worker, lease))
		w.member("late", "basic_0")
		newer := w.queued("s", "late")
		// Reached by the backfill, in the CRM already, and accepted since it began.
		want := []domain.ID{ids[0], ids[1], ids[4], newer}
		slices.Sort(want)
		holder := w.svc.NewHolder()
		if diff := cmp.Diff(want, w.claims(holder)); diff != "" {
			w.t.Errorf("beside the backfill (-want +got):\n%s", diff)
		}
		if got := w.claims(holder); got != nil {
			w.t.Errorf("the rest is claimed too: %v", got)
		}
		if s, err := w.svc.CRMStatus(w.ctx, firstCRM); err != nil || s.Unsynced != 7 || len(s.Dead) != 0 || s.Runs[mailroom.Backfill].ID != run.ID {
			w.t.Errorf("%+v, %v", s, err)
		}
		if failures, err := w.svc.CRMFailures(w.ctx, firstCRM, mailroom.Page{Limit: 10}); err != nil || len(failures) != 0 {
			w.t.Errorf("what waits counts as failed: %+v, %v", failures, err)
		}
		w.ok(w.svc.EndLease(w.ctx, mailroom.WriteLease(firstCRM), holder))

		// The backfill dies: what it would have brought is pushed when its postponement ends, and not before.
		w.clock.set(t0.Add(5 * time.Minute))
		w.ok(w.svc.EndLease(w.ctx, mailroom.WriteLease(firstCRM), holder))
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
			run, _, err := w.svc.BeginRun(w.ctx, firstCRM, mailroom.Backfill, "")
			w.ok(err)
			run.Backfilled = &mailroom.BackfillProgress{Bulk: true, StartedAt: t0.Add(time.Minute)}
			change(&run)
			w.ok(w.svc.NoteRun(w.ctx, firstCRM, mailroom.Backfill, run))
			w.ok(w.svc.TakeLease(w.ctx, mailroom.Backfill.Lease(firstCRM), w.svc.NewHolder(), lease))
			if diff := cmp.Diff(ids, w.claims(w.svc.NewHolder())); diff != "" {
				w.t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	on(t, "one_that_waits_for_the_budget_keeps_its_share_for_receipts", func(w *world) {
		ids := w.unsynced(2)
		run, _, err := w.svc.BeginRun(w.ctx, firstCRM, mailroom.Backfill, "")
		w.ok(err)
		run.Backfilled = &mailroom.BackfillProgress{Bulk: true, StartedAt: t0.Add(time.Minute)}
		run.WaitsUntil = t0.Add(3 * time.Hour)
		w.ok(w.svc.NoteRun(w.ctx, firstCRM, mailroom.Backfill, run))
		w.clock.set(t0.Add(3*time.Hour - time.Minute))
		if got := w.claims(w.svc.NewHolder()); got != nil {
			w.t.Errorf("claimed %v", got)
		}
		w.clock.set(t0.Add(3*time.Hour + 5*time.Minute)) // nobody continues it
		if diff := cmp.Diff(ids, w.claims(w.svc.NewHolder())); diff != "" {
			w.t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestRuns checks that a run that was asked for ends once.
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
		first, err := w.svc.AskRun(w.ctx, firstCRM, mailroom.Backfill)
		w.ok(err)
		second, err := w.svc.AskRun(w.ctx, firstCRM, mailroom.Backfill)
		w.ok(err)
		dry, err := w.svc.AskRun(w.ctx, firstCRM, mailroom.BackfillDry)
		w.ok(err)
		if second != first || dry == first {
			w.t.Errorf("%s, %s, dry %s", first, second, dry)
		}
		task := fmt.Sprintf("crm:backfill[first backfill %s]", first)
		if diff := cmp.Diff([]string{task, task, fmt.Sprintf("crm:backfill[first backfill_dry_run %s]", dry)}, asked(w)); diff != "" {
			w.t.Errorf("(-want +got):\n%s", diff)
		}
		run, left, err := w.svc.BeginRun(w.ctx, firstCRM, mailroom.Backfill, first)
		w.ok(err)
		if !left || run.StartedAt != t0 {
			w.t.Errorf("%+v, %v", run, left)
		}
		run.EndedAt = t0
		w.ok(w.svc.NoteRun(w.ctx, firstCRM, mailroom.Backfill, run))
		if _, left, err := w.svc.BeginRun(w.ctx, firstCRM, mailroom.Backfill, first); err != nil || left {
			w.t.Errorf("a task that came twice begins anew: %v, %v", left, err)
		}
		if third, err := w.svc.AskRun(w.ctx, firstCRM, mailroom.Backfill); err != nil || third == first {
			w.t.Errorf("%s again, %v", third, err)
		}
	})
	on(t, "one_whose_worker_died_is_asked_for_again", func(w *world) {
		id, err := w.svc.AskRun(w.ctx, firstCRM, mailroom.Reconcile)
		w.ok(err)
		again := []string{fmt.Sprintf("crm:reconcile[first reconcile %s]", id)}
		asked(w)
		look := func(at time.Duration, want []string) {
			w.t.Helper()
			w.clock.set(t0.Add(at))
			w.ok(w.svc.RedriveRuns(w.ctx, firstCRM))
			if diff := cmp.Diff(want, asked(w)); diff != "" {
				w.t.Errorf("after %v (-want +got):\n%s", at, diff)
			}
		}
		look(2*time.Minute-time.Millisecond, nil)
		look(2*time.Minute, again)
		look(2*time.Minute, nil)
		run, _, err := w.svc.BeginRun(w.ctx, firstCRM, mailroom.Reconcile, id)
		w.ok(err)
		w.ok(w.svc.TakeLease(w.ctx, mailroom.Reconcile.Lease(firstCRM), w.svc.NewHolder(), 5*time.Minute))
		look(6*time.Minute, nil) // somebody works at it
		look(7*time.Minute, again)
		run.Fault = "login" // a person must repair that
		w.ok(w.svc.NoteRun(w.ctx, firstCRM, mailroom.Reconcile, run))
		look(7*time.Minute+100*time.Hour, nil)
		if same, err := w.svc.AskRun(w.ctx, firstCRM, mailroom.Reconcile); err != nil || same != id {
			w.t.Errorf("who asks again gets %s, %v", same, err)
		}
		if s, err := w.svc.CRMStatus(w.ctx, firstCRM); err != nil || s.Runs[mailroom.Reconcile].Fault != "" {
			w.t.Errorf("asked again it is %+v, %v", s.Runs[mailroom.Reconcile], err)
		}
		asked(w)
		w.clock.set(t0.Add(7 * time.Minute))
		run.Fault = "locked" // after a fault it waits longer
		w.ok(w.svc.NoteRun(w.ctx, firstCRM, mailroom.Reconcile, run))
		look(7*time.Minute+15*time.Minute-time.Millisecond, nil)
		look(7*time.Minute+15*time.Minute, again)
		run.Fault, run.WaitsUntil = "limit", w.clock.Now().Add(6*time.Hour)
		w.ok(w.svc.NoteRun(w.ctx, firstCRM, mailroom.Reconcile, run))
		look(6*time.Hour, nil)
		w.ok(w.svc.PauseCRM(w.ctx, firstCRM, "operator", time.Time{}))
		look(100*time.Hour, nil)
		w.ok(w.svc.ResumeCRM(w.ctx, firstCRM))
		look(100*time.Hour, again)
		run.EndedAt = w.clock.Now()
		w.ok(w.svc.NoteRun(w.ctx, firstCRM, mailroom.Reconcile, run))
		if diff := cmp.Diff([]string{"crm:push[first]"}, asked(w)); diff != "" {
			w.t.Errorf("what it made due is to be pushed (-want +got):\n%s", diff)
		}
		look(200*time.Hour, nil)
	})
	on(t, "the_schedule_begins_one_of_its_own", func(w *world) {
		first, left, err := w.svc.BeginRun(w.ctx, firstCRM, mailroom.Reconcile, "")
		w.ok(err)
		same, leftOfIt, err := w.svc.BeginRun(w.ctx, firstCRM, mailroom.Reconcile, "") // after a kill
		w.ok(err)
		if !left || !leftOfIt || same.ID != first.ID {
			w.t.Errorf("%+v, %+v", first, same)
		}
		first.EndedAt = t0
		w.ok(w.svc.NoteRun(w.ctx, firstCRM, mailroom.Reconcile, first))
		next, left, err := w.svc.BeginRun(w.ctx, firstCRM, mailroom.Reconcile, "")
		w.ok(err)
		if !left || next.ID == first.ID {
			w.t.Errorf("%+v", next)
		}
		w.ok(w.svc.NoteRun(w.ctx, firstCRM, mailroom.Reconcile, first)) // a late worker changes nothing
		if s, err := w.svc.CRMStatus(w.ctx, firstCRM); err != nil || s.Runs[mailroom.Reconcile].ID != next.ID {
			w.t.Errorf("%+v, %v", s.Runs, err)
		}
	})
}

// TestSeveralCRMs checks that CRMs share no state, and that every InMail is for all of them.
func TestSeveralCRMs(t *testing.T) {
	both := func(w *world) {
		w.t.Helper()
		w.second.absent = false
		w.ok(w.svc.ConnectCRMs(w.ctx))
		w.ok(w.svc.LinkCRM(w.ctx, secondCRM))
	}
	claimed := func(w *world, crm domain.CRM) int {
		w.t.Helper()
		claim, err := w.svc.ClaimPushes(w.ctx, crm, w.svc.NewHolder(), 1000, lease)
		w.ok(err)
		return len(claim.Pushes)
	}
	on(t, "one_that_is_paused_parked_or_being_written_delays_no_other", func(w *world) {
		both(w)
		w.unsynced(3)
		w.ok(w.svc.PauseCRM(w.ctx, firstCRM, "login", time.Time{}))
		if a, b := claimed(w, firstCRM), claimed(w, secondCRM); a != 0 || b != 3 {
			w.t.Errorf("the first is paused: claimed %d and %d", a, b)
		}
		w.ok(w.svc.ResumeCRM(w.ctx, firstCRM))
		if w.first.resumed != 1 || w.second.resumed != 0 {
			w.t.Errorf("resumed %d and %d", w.first.resumed, w.second.resumed)
		}
		w.clock.advance(lease)
		parked := mailroom.Budget{Max: 10, Used: 10, ParkedUntil: w.clock.Now().Add(time.Hour)}
		w.ok(w.svc.StorePushes(w.ctx, secondCRM, nil, nil, parked))
		if a, b := claimed(w, firstCRM), claimed(w, secondCRM); a != 3 || b != 0 {
			w.t.Errorf("the second is parked: claimed %d and %d", a, b)
		}
		w.ok(w.svc.ResumeCRM(w.ctx, secondCRM))
		// While another writes to the first.
		w.ok(w.svc.TakeLease(w.ctx, mailroom.WriteLease(secondCRM), w.svc.NewHolder(), lease))
		all, err := w.svc.CRMs(w.ctx)
		w.ok(err)
		if len(all) != 2 || all[0].CRM != firstCRM || !all[1].Budget.ParkedUntil.IsZero() || all[1].Budget.Used != 10 { // what was used is not given back
			w.t.Errorf("%+v", all)
		}
	})
	on(t, "runs_are_each_their_own", func(w *world) {
		both(w)
		one, err := w.svc.AskRun(w.ctx, firstCRM, mailroom.Backfill)
		w.ok(err)
		two, err := w.svc.AskRun(w.ctx, secondCRM, mailroom.Backfill)
		w.ok(err)
		if one == two {
			w.t.Error("who asks for another CRM's joins")
		}
		run, _, err := w.svc.BeginRun(w.ctx, firstCRM, mailroom.Backfill, one)
		w.ok(err)
		run.Backfilled = &mailroom.BackfillProgress{Bulk: true, StartedAt: t0.Add(time.Minute)}
		w.ok(w.svc.NoteRun(w.ctx, firstCRM, mailroom.Backfill, run))
		w.ok(w.svc.TakeLease(w.ctx, mailroom.Backfill.Lease(firstCRM), w.svc.NewHolder(), lease))
		w.unsynced(2)
		if a, b := claimed(w, firstCRM), claimed(w, secondCRM); a != 0 || b != 2 {
			w.t.Errorf("beside the first's backfill: claimed %d and %d", a, b)
		}
		s, err := w.svc.CRMStatus(w.ctx, secondCRM)
		w.ok(err)
		if s.Runs[mailroom.Backfill].ID != two || !s.Runs[mailroom.Backfill].StartedAt.IsZero() {
			w.t.Errorf("%+v", s.Runs)
		}
		found := mailroom.Drift{At: t0, Kinds: map[string]int{"extra": 4}}
		record := w.svc.RecordOf(secondCRM, nil)
		w.ok(record.SetDrift(w.ctx, found))
		w.ok(record.SetState(w.ctx, "place", []byte("here")))
		if place, err := w.svc.RecordOf(firstCRM, nil).State(w.ctx, "place"); err != nil || place != nil {
			w.t.Errorf("the first has the second's state %q, %v", place, err)
		}
		w.ok(w.svc.TakeSnapshot(w.ctx, nil, func() time.Duration { return 0 }))
		snapshot, err := w.svc.StoredSnapshot(w.ctx)
		w.ok(err)
		if diff := cmp.Diff(map[domain.CRM]mailroom.CRMFigures{
			firstCRM:  {Unsynced: 2, OldestUnsynced: t0, Dead: map[domain.FailureClass]int{}},
			secondCRM: {Unsynced: 2, OldestUnsynced: t0, Dead: map[domain.FailureClass]int{}, Drift: map[string]int{"extra": 4}},
		}, snapshot.CRMs); diff != "" {
			w.t.Errorf("figures (-want +got):\n%s", diff)
		}
	})
	on(t, "one_that_is_connected_later_is_due_for_everything", func(w *world) {
		ids := w.unsynced(3)
		if _, err := w.svc.ClaimPushes(w.ctx, secondCRM, w.svc.NewHolder(), 10, lease); err != nil {
			w.t.Fatal(err)
		}
		both(w)
		if n := claimed(w, secondCRM); n != len(ids) {
			w.t.Errorf("claimed %d", n)
		}
		w.ok(w.svc.ConnectCRMs(w.ctx)) // connecting again changes nothing
		if view, err := w.svc.View(w.ctx, operator, ids[0]); err != nil || len(view.Links) != 2 {
			w.t.Errorf("%+v, %v", view.Links, err)
		}
	})
	on(t, "each_judges_its_own_ids", func(w *world) {
		w.member("s", "recruiter_50")
		w.members(1)
		send := text("s", recipient(0))
		for name, invalid := range map[string]domain.CRMIDs{
			"another's form":  {firstCRM: {"lead_id": "second-1"}},
			"an unknown name": {"": {"lead": "first-1"}},
			"an unknown CRM":  {"third": {"lead_id": "third-1"}},
			"twice":           {"": {"lead_id": "first-1"}, firstCRM: {"contact_id": "first-2"}},
		} {
			send.CRM = invalid
			if _, err := w.accept(send); !errors.Is(err, domain.BadRequest) {
				w.t.Errorf("%s: %v", name, err)
			}
		}
		send.CRM = domain.CRMIDs{"": {"lead_id": "first-1", "contact_id": ""}, secondCRM: {"contact_id": "second-2"}}
		send.Key = "k"
		id, err := w.accept(send) // the second is not reached by this process, and judges all the same
		w.ok(err)
		want := domain.CRMIDs{firstCRM: {"lead_id": "first-1"}, secondCRM: {"contact_id": "second-2"}}
		if diff := cmp.Diff(want, w.inmail(id).CRM); diff != "" {
			w.t.Errorf("(-want +got):\n%s", diff)
		}
		if again, err := w.accept(send); err != nil || again != id {
			w.t.Errorf("again under its key: %s, %v", again, err)
		}
		send.CRM = domain.CRMIDs{firstCRM: {"lead_id": "first-1"}, secondCRM: {"contact_id": "second-3"}}
		_, err = w.accept(send)
		w.want(err, domain.IdempotencyConflict)
		set, err := w.svc.SetCRM(w.ctx, as("s"), id, domain.CRMIDs{secondCRM: {"contact_id": "second-4"}})
		w.ok(err)
		if diff := cmp.Diff(domain.CRMIDs{secondCRM: {"contact_id": "second-4"}}, set); diff != "" || !w.inmail(id).CRM.Equal(set) {
			w.t.Errorf("set (-want +got):\n%s", diff)
		}
		version := w.inmail(id).Version
		if _, err = w.svc.SetCRM(w.ctx, as("s"), id, set); err != nil || w.inmail(id).Version != version {
			w.t.Errorf("the same ids again are a change: %v", err)
		}
	})
	on(t, "who_names_none_means_the_first_that_is_connected", func(w *world) {
		which := func(name string) domain.CRM {
			w.t.Helper()
			crm, err := w.svc.WhichCRM(w.ctx, name)
			w.ok(err)
			return crm
		}
		if got := which(""); got != firstCRM {
			w.t.Errorf("got %s", got)
		}
		if got := which("second"); got != secondCRM {
			w.t.Errorf("got %s", got)
		}
		_, err := w.svc.WhichCRM(w.ctx, "third")
		w.want(err, domain.BadRequest)
		if err == nil || !strings.Contains(err.Error(), "first, second") {
			w.t.Errorf("it does not name the known ones: %v", err)
		}
	})
}

// TestDigestOfCRMIDs checks that a send under a key is the same request as in versions with a single CRM.
// TestCheckCRM checks that the check is of the org that this process uses, and says so when it uses none.
func TestCheckCRM(t *testing.T) {
	on(t, "of_each_crm", func(w *world) {
		check, err := w.svc.CheckCRM(w.ctx, firstCRM)
		w.ok(err)
		want := mailroom.CRMCheck{Address: "https://" + string(firstCRM) + ".example", Findings: []mailroom.Finding{{What: "login", OK: true, Detail: "by password"}}}
		if diff := cmp.Diff(want, check); diff != "" {
			w.t.Errorf("connected (-want +got):\n%s", diff)
		}
		check, err = w.svc.CheckCRM(w.ctx, secondCRM)
		w.ok(err)
		if len(check.Findings) != 1 || check.Findings[0].OK || check.Findings[0].Remedy == "" || check.Address != "" {
			w.t.Errorf("not configured: %+v", check)
		}
		if _, err := w.svc.CheckCRM(w.ctx, "nobody"); !errors.Is(err, domain.BadRequest) {
			w.t.Errorf("of an unknown CRM: %v", err)
		}
	})
}

// TestProveErased checks that a proof compares the InMails of erased members page by page, and says what of
// the erasure still waits here (R60).
func TestProveErased(t *testing.T) {
	on(t, "of_a_member", func(w *world) {
		w.member("a", "recruiter_50")
		w.member("gone", "recruiter_50")
		w.sent("gone", "a")
		w.first.people = map[domain.MemberID]bool{"gone": true}
		prove := func(id domain.MemberID, after domain.ID) mailroom.ErasureProof {
			proof, err := w.svc.ProveErased(w.ctx, firstCRM, id, after)
			w.ok(err)
			return proof
		}
		if proof := prove("gone", ""); !proof.Known || proof.Waits != "" || proof.InMails != 0 || len(proof.Left) != 1 {
			w.t.Errorf("before: %+v", proof)
		}
		w.first.down = true
		w.ok(w.svc.Erase(w.ctx, operator, "gone"))
		w.first.down = false
		if proof := prove("gone", ""); proof.Known || !strings.Contains(proof.Waits, "under way") || proof.InMails != 1 || len(proof.Left) != 2 {
			w.t.Errorf("under way: %+v", proof)
		}
		w.first.down = true
		w.finish()
		if _, err := w.svc.ProveErased(w.ctx, firstCRM, "gone", ""); !errors.Is(err, errDown) {
			w.t.Errorf("while the CRM is down: %v", err)
		}
		w.first.down = false
		proof := prove("gone", "")
		if !strings.Contains(proof.Waits, "still to be emptied") || len(proof.Left) != 2 || proof.Next != "" {
			w.t.Errorf("while the CRM has not forgotten: %+v", proof)
		}
		w.ok(w.svc.ForgetInCRM(w.ctx, firstCRM))
		claim, err := w.svc.ClaimPushes(w.ctx, firstCRM, w.svc.NewHolder(), 10, lease)
		w.ok(err)
		answers, err := w.first.Push(w.ctx, claim.Pushes)
		w.ok(err)
		w.ok(w.svc.StorePushes(w.ctx, firstCRM, answers, make([]time.Time, len(answers)), mailroom.Budget{}))
		if proof := prove("gone", ""); proof.Known || proof.Waits != "" || proof.InMails != 1 || proof.Left != nil {
			w.t.Errorf("after: %+v", proof)
		}
		if proof := prove("gone", claim.Pushes[0].InMail.ID); proof.InMails != 0 || proof.Left != nil {
			w.t.Errorf("the page after the last: %+v", proof)
		}
		if _, err := w.svc.ProveErased(w.ctx, secondCRM, "gone", ""); !errors.Is(err, domain.NotFound) {
			w.t.Errorf("of a CRM without a connection: %v", err)
		}
	})
}

// TestPrepareCRM checks that the org of this process is prepared, and words where there is none.
func TestPrepareCRM(t *testing.T) {
	on(t, "of_each_crm", func(w *world) {
		got, err := w.svc.PrepareCRM(w.ctx, firstCRM, mailroom.Preparation{Session: "token", Undo: []byte("zip")})
		w.ok(err)
		want := mailroom.CRMPreparation{Address: "https://" + string(firstCRM) + ".example", Prepared: mailroom.Prepared{
			Steps: []mailroom.SetupStep{{What: "package", State: mailroom.StepThere, Detail: "token"}}, Undo: []byte("zip")}}
		if diff := cmp.Diff(want, got); diff != "" {
			w.t.Errorf("connected (-want +got):\n%s", diff)
		}
		for _, crm := range []domain.CRM{secondCRM, "nobody"} {
			if _, err := w.svc.PrepareCRM(w.ctx, crm, mailroom.Preparation{}); !errors.Is(err, domain.BadRequest) {
				w.t.Errorf("%s: %v", crm, err)
			}
		}
	})
}

func TestDigestOfCRMIDs(t *testing.T) {
	on(t, "as_the_first_version_wrote_it", func(w *world) {
		w.member("s", "recruiter_50")
		w.members(2)
		named := []string{`{"LeadID":"","ContactID":""}`, `{"LeadID":"first-1","ContactID":""}`}
		for i, ids := range []domain.CRMIDs{nil, {firstCRM: {"lead_id": "first-1"}}} {
			send := text("s", recipient(i))
			send.CRM, send.Key = ids, fmt.Sprint("key", i)
			w.ok(w.record.Update(w.ctx, func(tx mailroom.Tx) error {
				before := sha256.Sum256(fmt.Appendf(nil, `[%q,%q,%q,false,[],"",%s]`, send.To, send.Subject, send.Body, named[i]))
				return tx.PutAnswers([]mailroom.Answer{{AnswerKey: mailroom.NewAnswerKey("s", send.Key), Digest: mailroom.Digest(before[:]),
					InMail: "019abf5e-8c00-7a31-9c55-0d6a3f6b7e21", Body: []byte("{}"), At: t0}})
			}))
			if id, err := w.accept(send); err != nil || id != "019abf5e-8c00-7a31-9c55-0d6a3f6b7e21" {
				w.t.Errorf("%v: %s, %v", ids, id, err)
			}
		}
	})
}

// crmFields are the cases of FIELD.md about the state of a sync.
func crmFields(t *testing.T) {
	on(t, "F11_a_crm_that_does_not_answer_is_unreachable", func(w *world) {
		note := func(answers, changes bool) {
			w.t.Helper()
			changed, err := w.svc.NoteReach(w.ctx, firstCRM, answers)
			w.ok(err)
			if changed != changes {
				w.t.Errorf("changed is %v", changed)
			}
		}
		check := func(since time.Time, state string) {
			w.t.Helper()
			s, err := w.svc.CRMStatus(w.ctx, firstCRM)
			w.ok(err)
			if s.UnreachableSince != since || s.State(w.clock.Now()) != state {
				w.t.Errorf("unreachable since %v, %s", s.UnreachableSince, s.State(w.clock.Now()))
			}
			w.ok(w.svc.TakeSnapshot(w.ctx, nil, func() time.Duration { return 0 }))
			snapshot, err := w.svc.StoredSnapshot(w.ctx)
			w.ok(err)
			if got := snapshot.CRMs[firstCRM].Unreachable; got != since {
				w.t.Errorf("the snapshot has %v", got)
			}
		}
		w.ok(w.svc.LinkCRM(w.ctx, firstCRM))
		note(true, false)
		check(time.Time{}, mailroom.SyncRunning)
		note(false, true)
		w.clock.set(t0.Add(time.Minute))
		note(false, false)
		check(t0, mailroom.SyncSilent)
		note(true, true)
		check(time.Time{}, mailroom.SyncRunning)
	})
	on(t, "F17_what_is_refused_for_ever_is_replaced_by_hand", repairFields)
	on(t, "F20_what_a_connector_keeps_survives_a_restart", func(w *world) {
		w.ok(w.svc.KeepBudget(w.ctx, firstCRM, mailroom.Budget{Ours: 3, ParkedUntil: t0.Add(time.Hour), Why: "limit", Kept: []byte(`{"calls":3}`)}))
		w.ok(w.svc.ResumeCRM(w.ctx, firstCRM))
		s, err := w.svc.CRMStatus(w.ctx, firstCRM)
		w.ok(err)
		if !s.Budget.ParkedUntil.IsZero() || s.Budget.Why != "" || s.Budget.Ours != 3 {
			w.t.Errorf("%+v", s.Budget)
		}
		w.serve()
		w.ok(w.svc.ConnectCRMs(w.ctx))
		if w.first.kept != `{"calls":3}` || w.second.kept != "" {
			w.t.Errorf("the first is reminded of %q, the second of %q", w.first.kept, w.second.kept)
		}
	})
}

// repairFields checks that records which a CRM refuses for ever are replaced when an operator says so (F17).
func repairFields(w *world) {
	ids := w.unsynced(3)
	w.claims(w.svc.NewHolder())
	var answers []domain.PushAnswer
	for i, id := range ids {
		l := domain.Link{InMail: id, RecordID: "r", PushedVersion: 1, Class: domain.BadData, Detail: "AHEAD", FailedAt: t0, Dead: true}
		if i == 2 {
			l.Detail = "ANOTHER"
		}
		answers = append(answers, domain.PushAnswer{Link: l, Class: domain.BadData})
	}
	w.ok(w.svc.StorePushes(w.ctx, firstCRM, answers, make([]time.Time, 3), mailroom.Budget{}))
	repair := func(apply bool) []domain.ID {
		w.t.Helper()
		got, err := w.svc.RepairCRM(w.ctx, firstCRM, apply)
		w.ok(err)
		slices.Sort(got)
		return got
	}
	w.clock.set(t0.Add(time.Hour)) // the claims are over
	if diff := cmp.Diff(ids[:2], repair(false)); diff != "" || w.first.broken != nil {
		w.t.Errorf("(-want +got):\n%s\nreplaced %v", diff, w.first.broken)
	}
	writer := w.svc.NewHolder()
	w.ok(w.svc.TakeLease(w.ctx, mailroom.WriteLease(firstCRM), writer, lease))
	if _, err := w.svc.RepairCRM(w.ctx, firstCRM, true); !errors.Is(err, mailroom.ErrLeaseTaken) {
		w.t.Errorf("beside a push: %v", err)
	}
	w.ok(w.svc.EndLease(w.ctx, mailroom.WriteLease(firstCRM), writer))
	if diff := cmp.Diff(ids[:2], repair(true)); diff != "" {
		w.t.Errorf("(-want +got):\n%s", diff)
	}
	if got := repair(false); got != nil {
		w.t.Errorf("left: %v", got)
	}
	if diff := cmp.Diff(ids[:2], w.claims(w.svc.NewHolder())); diff != "" {
		w.t.Errorf("due again (-want +got):\n%s", diff)
	}
}
