package mailroom

import (
	"context"
	"time"

	"inmail/domain"
)

// Comparison is what a reconcile found and did.
type Comparison struct {
	Compared    int            `json:"compared"`     // InMails of the record
	Waiting     int            `json:"waiting"`      // of them on their way to the org: not compared further
	Drift       map[string]int `json:"drift"`        // by kind: missing, extra, stale, edited
	Resynced    int            `json:"resynced"`     // made due to be pushed again
	Moved       int            `json:"moved"`        // hung on other records there
	Retried     int            `json:"retried"`      // unmatched and ambiguous ones that were looked for again
	Matched     int            `json:"matched"`      // of them those that now have a person
	Calls       int            `json:"calls"`        // API calls so far, of comparing and of what was mended at once
	RepairCalls int            `json:"repair_calls"` // about how many more it takes to push what was made due; of a dry run all that mending would take
	Done        bool           `json:"done"`         // the walk reached the end
}

// BackfillProgress is how far a backfill is.
type BackfillProgress struct {
	After     domain.ID `json:"after"` // all InMails up to this one are done
	StartedAt time.Time `json:"started_at"`
	Total     int       `json:"total"`    // InMails that there were at the start
	Bulk      bool      `json:"bulk"`     // they are brought by bulk jobs
	Prepared  int       `json:"prepared"` // matched and put into a job
	InMails   int       `json:"inmails"`  // gone through
	Records   int       `json:"records"`  // records the org took
	Beside    int       `json:"tasks"`    // what the CRM took or had beside the records
	Pushed    int       `json:"pushed"`   // left to ordinary pushes: too few for a job, or refused by one
	Failed    int       `json:"failed"`   // of them those that a job refused or did not reach
	Jobs      int       `json:"jobs"`
	Calls     int       `json:"calls"` // API calls so far
	Done      bool      `json:"done"`
}

// brings says whether a backfill is about to bring an InMail: it runs in bulk, the org never had the InMail, and it was there
// when the backfill began and has not been gone through.
func (b *BackfillProgress) covers(p domain.Push) bool {
	return b.Bulk && !b.Done && p.Link.RecordID == "" && p.InMail.ID > b.After && p.InMail.AcceptedAt.Before(b.StartedAt)
}

// BackfillPlan is what a backfill would take.
type BackfillPlan struct {
	InMails int `json:"inmails"`
	Beside  int `json:"tasks"` // rows beside the records, at most: only matched ones have some
	Bytes   int `json:"bytes"` // to upload
	Jobs    int `json:"jobs"`
	Calls   int `json:"calls"` // about: matching, jobs with their results, and the waiting
}

// Waits says that a walk stopped because the org takes no more for now, and until when.
type Waits struct {
	Until time.Time
	Err   error
}

func (w *Waits) Error() string {
	return "waits until " + w.Until.UTC().Format(time.RFC3339) + ": " + w.Err.Error()
}

// Unwrap returns what it waits for.
func (w *Waits) Unwrap() error { return w.Err }

// RunKind is a walk over the whole record that can be asked for.
type RunKind string

// NotConfigured is the fault of a run of a CRM that its worker does not reach.
const NotConfigured = "not_configured"

// The walks. A dry one counts, and changes nothing anywhere.
const (
	Reconcile    RunKind = "reconcile" // compares the org with the record and mends what differs
	ReconcileDry RunKind = "reconcile_dry_run"
	Backfill     RunKind = "backfill" // brings everything to the org
	BackfillDry  RunKind = "backfill_dry_run"
)

var runKinds = []RunKind{Reconcile, ReconcileDry, Backfill, BackfillDry}

// Lease is that of runs of a kind: one worker of all works at one.
func (k RunKind) Lease(crm domain.CRM) Lease { return Lease{crm, string(k)} }

func (k RunKind) taskType() string {
	if k == Backfill || k == BackfillDry {
		return TaskCRMBackfill
	}
	return TaskCRMReconcile
}

func (k RunKind) state(crm domain.CRM) string { return crmState(crm, "run_"+string(k)) }

// task asks the workers for a run of a CRM by its id.
func (k RunKind) task(crm domain.CRM, id domain.ID) Task {
	return Task{Type: k.taskType(), IDs: []string{string(crm), string(k), string(id)}}
}

// Run is the last walk of a kind.
type Run struct {
	ID         domain.ID `json:"id"`
	AskedAt    time.Time `json:"asked_at"`
	StartedAt  time.Time `json:"started_at"`  // zero: no worker has come to it
	MovedAt    time.Time `json:"moved_at"`    // when it last went on
	WaitsUntil time.Time `json:"waits_until"` // zero: it does not wait for the org's calls
	EndedAt    time.Time `json:"ended_at"`    // zero: it goes on
	Fault      string    `json:"fault"`       // why the last try stopped: a class of failure, or fault; empty: it did not

	Compared   *Comparison       `json:"compared,omitempty"`   // of a reconcile
	Backfilled *BackfillProgress `json:"backfilled,omitempty"` // of a backfill
	Plan       *BackfillPlan     `json:"plan,omitempty"`       // of a dry backfill
}

// How long a walk stands still before it is asked for again: where a worker may have died, and where the org refused it, so that
// it is not asked all the time.
const (
	retryAfter      = 2 * time.Minute
	retryFaultAfter = 15 * time.Minute
)

// needsPerson says whether a walk stopped for what more tries do not mend: it goes on when somebody asks again.
func (r *Run) needsPerson() bool {
	switch domain.FailureClass(r.Fault) {
	case domain.LoginFailed, domain.Configuration, domain.BadData:
		return true
	}
	return false
}

// goesOn says whether a walk is still to end.
func (r *Run) unfinished() bool { return r != nil && r.EndedAt.IsZero() }

// stoodStill is when a walk last moved, or is to move by itself.
func (r *Run) lastMoved() time.Time {
	last := r.AskedAt
	for _, t := range []time.Time{r.MovedAt, r.WaitsUntil} {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// AskRun asks the workers for a walk and returns its id: that of the one which goes on already, where there is one.
func (svc *Service) AskRun(ctx context.Context, crm domain.CRM, kind RunKind) (id domain.ID, err error) {
	err = svc.record.Update(ctx, func(tx Tx) error {
		run, err := state[Run](tx, kind.state(crm))
		if err != nil {
			return err
		}
		switch {
		case !run.unfinished():
			run = &Run{ID: svc.ids.NewID(), AskedAt: tx.Now()}
		case run.needsPerson(): // who asks has mended it
			run.AskedAt, run.Fault = tx.Now(), ""
		default:
			id = run.ID
			return nil
		}
		id = run.ID
		return setState(tx, kind.state(crm), run)
	})
	if err == nil {
		err = svc.queue.Enqueue(ctx, kind.task(crm, id))
	}
	return id, wrap("ask for a "+string(kind), err)
}

// BeginRun notes that a worker has come to a walk, and says whether there is anything left of it. Without an id a new one begins,
// unless one goes on: the schedule asks so.
func (svc *Service) BeginRun(ctx context.Context, crm domain.CRM, kind RunKind, id domain.ID) (run Run, left bool, err error) {
	err = svc.record.Update(ctx, func(tx Tx) error {
		last, err := state[Run](tx, kind.state(crm))
		if err != nil {
			return err
		}
		switch {
		case id == "" && !last.unfinished():
			last = &Run{ID: svc.ids.NewID(), AskedAt: tx.Now()}
		case id == "":
		case last == nil || last.ID < id: // asked for, and lost by the record
			last = &Run{ID: id, AskedAt: tx.Now()}
		}
		if run, left = *last, last.EndedAt.IsZero() && (id == "" || last.ID == id); !left {
			return nil
		}
		if run.StartedAt.IsZero() {
			run.StartedAt = tx.Now()
		}
		run.MovedAt, run.WaitsUntil, run.Fault = tx.Now(), time.Time{}, ""
		return setState(tx, kind.state(crm), run)
	})
	return run, left, wrap("begin a "+string(kind), err)
}

// NoteRun keeps how far a walk is, unless another of its kind has begun since. What one that ended made due is pushed at once.
func (svc *Service) NoteRun(ctx context.Context, crm domain.CRM, kind RunKind, run Run) error {
	err := svc.record.Update(ctx, func(tx Tx) error {
		last, err := state[Run](tx, kind.state(crm))
		if err != nil || last != nil && last.ID != run.ID {
			return err
		}
		run.MovedAt = tx.Now()
		return setState(tx, kind.state(crm), run)
	})
	if err == nil && !run.EndedAt.IsZero() && (kind == Reconcile || kind == Backfill) {
		_ = svc.queue.Enqueue(ctx, pushTask(crm)) // for what it made due; else the schedule comes by
	}
	return wrap("note how far a "+string(kind)+" is", err)
}

// RedriveRuns asks again for walks that stand still: their worker died, or the queue forgot them.
func (svc *Service) RedriveRuns(ctx context.Context, crm domain.CRM) error {
	var due []Task
	if err := svc.record.View(ctx, func(tx Tx) (err error) {
		due, err = stalledRuns(tx, crm)
		return err
	}); err != nil || len(due) == 0 {
		return wrap("look for walks that stand still", err)
	}
	err := svc.record.Update(ctx, func(tx Tx) (err error) {
		if due, err = stalledRuns(tx, crm); err != nil {
			return err
		}
		for _, t := range due { // the next look finds them moving
			kind := RunKind(t.IDs[1])
			run, err := state[Run](tx, kind.state(crm))
			if err != nil || run == nil {
				return err
			}
			run.MovedAt = tx.Now()
			if err := setState(tx, kind.state(crm), run); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && len(due) > 0 {
		err = svc.queue.Enqueue(ctx, due...)
	}
	return wrap("ask again for walks that stand still", err)
}

// standing are the tasks of walks that stand still although the sync does not rest.
func stalledRuns(tx Tx, crm domain.CRM) (due []Task, err error) {
	suspended, err := syncSuspended(tx, crm)
	if err != nil || suspended {
		return nil, err
	}
	for _, kind := range runKinds {
		run, err := state[Run](tx, kind.state(crm))
		if err != nil {
			return nil, err
		}
		rest := retryAfter
		if run != nil && run.Fault != "" {
			rest = retryFaultAfter
		}
		if !run.unfinished() || run.needsPerson() || tx.Now().Before(run.lastMoved().Add(rest)) {
			continue
		}
		worker, err := state[leaseHolder](tx, kind.Lease(crm).state())
		if err != nil {
			return nil, err
		}
		if !worker.active(tx.Now()) {
			due = append(due, kind.task(crm, run.ID))
		}
	}
	return due, nil
}

// runs returns the last walk of each kind that there was.
func runs(tx Tx, crm domain.CRM) (map[RunKind]Run, error) {
	runs := map[RunKind]Run{}
	for _, kind := range runKinds {
		run, err := state[Run](tx, kind.state(crm))
		if err != nil {
			return nil, err
		}
		if run != nil {
			runs[kind] = *run
		}
	}
	return runs, nil
}
