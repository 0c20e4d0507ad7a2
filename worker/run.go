package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// later says that a task is to come again, and costs none of its attempts.
type later struct {
	after time.Duration
	err   error
}

func (l *later) Error() string             { return l.err.Error() }
func (l *later) Unwrap() error             { return l.err }
func (l *later) RetryAfter() time.Duration { return l.after }
func (l *later) Class() string             { return "waits" }

// crmReconcile compares the org with the record and mends what differs.
func (j *Jobs) crmReconcile(ctx context.Context, ids []string) error {
	return j.run(ctx, mailroom.Reconcile, ids, func(ctx context.Context, crm mailroom.CRM, kind mailroom.RunKind, notify func(func(*mailroom.Run))) error {
		note := func(so mailroom.Comparison) { notify(func(r *mailroom.Run) { r.Compared = &so }) }
		so, err := crm.Compare(ctx, j.recordOf(crm.Name()), kind == mailroom.Reconcile, note)
		note(so)
		return err
	})
}

// crmBackfill brings everything to the org in bulk.
func (j *Jobs) crmBackfill(ctx context.Context, ids []string) error {
	return j.run(ctx, mailroom.Backfill, ids, func(ctx context.Context, crm mailroom.CRM, kind mailroom.RunKind, notify func(func(*mailroom.Run))) error {
		if kind == mailroom.BackfillDry {
			plan, err := crm.PlanBackfill(ctx, j.recordOf(crm.Name()))
			if err == nil {
				notify(func(r *mailroom.Run) { r.Plan = &plan })
			}
			return err
		}
		note := func(so mailroom.BackfillProgress) { notify(func(r *mailroom.Run) { r.Backfilled = &so }) }
		so, err := crm.Backfill(ctx, j.recordOf(crm.Name()), note)
		note(so)
		return err
	})
}

// run works at a walk of the kind that its task names, of usual where it names none: the schedule asks so. One worker of all works
// at one. What stops it is kept with it, and it goes on where it stopped.
func (j *Jobs) run(ctx context.Context, usual mailroom.RunKind, ids []string,
	work func(ctx context.Context, crm mailroom.CRM, kind mailroom.RunKind, notify func(func(*mailroom.Run))) error) error {
	kind, id := usual, domain.ID("")
	if len(ids) == 3 {
		kind, id = mailroom.RunKind(ids[1]), domain.ID(ids[2])
	}
	if len(ids) == 0 || id == "" && j.named(ids) == nil {
		return nil
	}
	crm := j.Service.Connector(domain.CRM(ids[0]))
	if crm == nil {
		return nil
	}
	name := crm.Name()
	if err := j.Service.LinkCRM(ctx, name); err != nil { // a run stores what it learns with the links
		return err
	}
	once := func(ctx context.Context) error {
		run, left, err := j.Service.BeginRun(ctx, name, kind, id)
		if err != nil || !left {
			return err
		}
		notify := func(change func(*mailroom.Run)) {
			change(&run)
			if err := j.Service.NoteRun(ctx, name, kind, run); err != nil && ctx.Err() == nil {
				j.Log.WarnContext(ctx, "cannot note how far a walk is", "crm", name, "kind", kind, "run", run.ID, "error", err)
			}
		}
		err = work(ctx, crm, kind, notify)
		again := j.ended(&run, err)
		// Also when the task's time is over: whoever waits for the end is to see it.
		keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseBeat)
		defer cancel()
		if err := j.Service.NoteRun(keep, name, kind, run); err != nil {
			return errors.Join(err, again)
		}
		if again != nil {
			return fmt.Errorf("%s: %w", kind, again)
		}
		return nil
	}
	holder := j.Service.NewHolder()
	err := j.holdLease(ctx, kind.Lease(name), holder, once)
	if errors.Is(err, mailroom.ErrLeaseTaken) { // whoever has it works at the same walk, or has died and holds it no longer than its lease
		return &later{after: PushLease, err: err}
	}
	j.endLease(ctx, kind.Lease(name), holder)
	return err
}

// ended notes in a run how its walk ended, and returns why it is to come again; nil when there is nothing left of it.
func (j *Jobs) ended(run *mailroom.Run, err error) error {
	now := j.Service.Now()
	var waits *mailroom.Waits
	var classed interface{ ClassName() string }
	switch {
	case err == nil:
		run.EndedAt = now
		return nil
	case errors.Is(err, mailroom.ErrNotConfigured):
		run.EndedAt, run.Fault = now, mailroom.NotConfigured
		return nil
	case errors.As(err, &waits):
		run.WaitsUntil, run.Fault = waits.Until, string(domain.LimitReached)
		return &later{after: max(waits.Until.Sub(now), time.Second), err: err}
	case errors.As(err, &classed):
		run.Fault = classed.ClassName()
	default:
		run.Fault = "fault"
	}
	return err
}
