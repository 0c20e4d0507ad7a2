package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// later is an error that lets the queue run a task again after a time, without using up one of its retries.
type later struct {
	after time.Duration
	err   error
}

func (l *later) Error() string             { return l.err.Error() }
func (l *later) Unwrap() error             { return l.err }
func (l *later) RetryAfter() time.Duration { return l.after }
func (l *later) Class() string             { return "waits" }

// progress changes a run as its work goes on, and stores it.
type progress func(change func(*mailroom.Run))

// crmReconcile compares a CRM with the record and repairs what differs.
func (j *Jobs) crmReconcile(ctx context.Context, ids []string) error {
	return j.run(ctx, mailroom.Reconcile, ids,
		func(ctx context.Context, crm mailroom.CRM, kind mailroom.RunKind, note progress) error {
			store := func(c mailroom.Comparison) { note(func(r *mailroom.Run) { r.Compared = &c }) }
			compared, err := crm.Compare(ctx, j.recordOf(crm.Name()), kind == mailroom.Reconcile, store)
			store(compared)
			return err
		})
}

// crmBackfill brings all InMails to a CRM in bulk.
func (j *Jobs) crmBackfill(ctx context.Context, ids []string) error {
	return j.run(ctx, mailroom.Backfill, ids,
		func(ctx context.Context, crm mailroom.CRM, kind mailroom.RunKind, note progress) error {
			if kind == mailroom.BackfillDry {
				plan, err := crm.PlanBackfill(ctx, j.recordOf(crm.Name()))
				if err == nil {
					note(func(r *mailroom.Run) { r.Plan = &plan })
				}
				return err
			}
			store := func(p mailroom.BackfillProgress) { note(func(r *mailroom.Run) { r.Backfilled = &p }) }
			backfilled, err := crm.Backfill(ctx, j.recordOf(crm.Name()), store)
			store(backfilled)
			return err
		})
}

// run works at the run that its task names by CRM, kind and id. Tasks of the schedule name only the CRM;
// their kind is usual. One worker of all processes works at a run at a time. A run that stops is stored with
// the cause, and continues from there in a later task.
func (j *Jobs) run(ctx context.Context, usual mailroom.RunKind, ids []string,
	work func(ctx context.Context, crm mailroom.CRM, kind mailroom.RunKind, note progress) error) error {
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
	if err := j.Service.LinkCRM(ctx, name); err != nil { // a run stores its results with the links
		return err
	}
	once := func(ctx context.Context) error {
		run, left, err := j.Service.BeginRun(ctx, name, kind, id)
		if err != nil || !left {
			return err
		}
		note := func(change func(*mailroom.Run)) {
			change(&run)
			if err := j.Service.NoteRun(ctx, name, kind, run); err != nil && ctx.Err() == nil {
				j.Log.WarnContext(ctx, "cannot store the progress of a run",
					"crm", name, "kind", kind, "run", run.ID, "error", err)
			}
		}
		err = work(ctx, crm, kind, note)
		again := j.ended(&run, err)
		// The end is stored even when the task's time is over, because somebody may wait for it.
		keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseBeat)
		defer cancel()
		err = errors.Join(j.Service.NoteRun(keep, name, kind, run), j.Service.KeepBudget(keep, name, crm.Budget()))
		if err != nil {
			return errors.Join(err, again)
		}
		if again != nil {
			return fmt.Errorf("%s: %w", kind, again)
		}
		return nil
	}
	holder := j.Service.NewHolder()
	err := j.underLease(ctx, kind.Lease(name), holder, once)
	if errors.Is(err, mailroom.ErrLeaseTaken) { // its holder works at the run, or has died
		return &later{after: PushLease, err: err}
	}
	j.endLease(ctx, kind.Lease(name), holder)
	return err
}

// ended notes in a run how its work ended. The error that it returns makes the queue run the task again; it
// is nil when the run is finished.
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
