package mailroom

import (
	"context"
	"time"

	"inmail/domain"
)

// Comparison is what a reconcile found and did so far.
type Comparison struct {
	Compared int            `json:"compared"` // InMails of the record that were compared
	Waiting  int            `json:"waiting"`  // of these, InMails that are due to be pushed: not compared
	Drift    map[string]int `json:"drift"`    // by kind: missing, extra, stale, edited
	Resynced int            `json:"resynced"` // made due to be pushed again
	Moved    int            `json:"moved"`    // moved to other parents in the CRM
	Retried  int            `json:"retried"`  // unmatched and ambiguous InMails that were matched again
	Matched  int            `json:"matched"`  // of these, InMails that now have a person
	Adopted  int            `json:"adopted"`  // unmatched and ambiguous InMails whose person was chosen in the CRM
	Owned    int            `json:"owned"`    // records given to the User of their sender, who was found or changed
	Calls    int            `json:"calls"`    // API calls so far, of comparing and of repairs made at once
	// RepairCalls estimates the further calls that pushing the resynced InMails takes; of a dry run, all
	// calls that the repair would take.
	RepairCalls int  `json:"repair_calls"`
	Done        bool `json:"done"` // the run reached the end
}

// BackfillProgress is how far a backfill is.
type BackfillProgress struct {
	After     domain.ID `json:"after"` // all InMails up to this one are done
	StartedAt time.Time `json:"started_at"`
	Total     int       `json:"total"`    // InMails in the record at the start
	Bulk      bool      `json:"bulk"`     // the InMails are brought by bulk jobs
	Prepared  int       `json:"prepared"` // matched and put into a job
	InMails   int       `json:"inmails"`  // done so far
	Records   int       `json:"records"`  // records that the CRM stored
	Beside    int       `json:"tasks"`    // what the CRM stored, or had already, beside the records
	Pushed    int       `json:"pushed"`   // left to ordinary pushes: too few for a job, or failed in one
	Failed    int       `json:"failed"`   // of these, InMails that a job refused or did not reach
	Jobs      int       `json:"jobs"`
	Calls     int       `json:"calls"` // API calls so far
	Done      bool      `json:"done"`
}

// covers reports whether a backfill is about to bring an InMail: the backfill runs in bulk and has not
// reached the InMail, which the CRM never had and which was accepted before the backfill began.
func (b *BackfillProgress) covers(p domain.Push) bool {
	return b.Bulk && !b.Done && p.Link.RecordID == "" &&
		p.InMail.ID > b.After && p.InMail.AcceptedAt.Before(b.StartedAt)
}

// BackfillPlan is what a backfill would cost.
type BackfillPlan struct {
	InMails int `json:"inmails"`
	Beside  int `json:"tasks"` // rows beside the records, at most: only matched InMails have any
	Bytes   int `json:"bytes"` // to upload
	Jobs    int `json:"jobs"`
	Calls   int `json:"calls"` // an estimate: matching, jobs with their results, and polling
}

// Waits is the error of a run that stopped because the CRM allows no more calls for now. It may continue at
// Until.
type Waits struct {
	Until time.Time
	Err   error
}

func (w *Waits) Error() string {
	return "waits until " + w.Until.UTC().Format(time.RFC3339) + ": " + w.Err.Error()
}

// Unwrap returns the error that stopped the run.
func (w *Waits) Unwrap() error { return w.Err }

// RunKind is a kind of run over the whole record.
type RunKind string

// NotConfigured is the fault of a run of a CRM that its worker does not reach.
const NotConfigured = "not_configured"

// The kinds of run. A dry run counts and changes nothing anywhere.
const (
	Reconcile    RunKind = "reconcile" // compares the CRM with the record and repairs what differs
	ReconcileDry RunKind = "reconcile_dry_run"
	Backfill     RunKind = "backfill" // brings all InMails to the CRM
	BackfillDry  RunKind = "backfill_dry_run"
)

var runKinds = []RunKind{Reconcile, ReconcileDry, Backfill, BackfillDry}

// Lease returns the lease of this kind of run: one worker of all processes works at it at a time.
func (k RunKind) Lease(crm domain.CRM) Lease { return Lease{crm, string(k)} }

func (k RunKind) taskType() string {
	if k == Backfill || k == BackfillDry {
		return TaskCRMBackfill
	}
	return TaskCRMReconcile
}

func (k RunKind) state(crm domain.CRM) string { return crmState(crm, "run_"+string(k)) }

// task returns the task that works at the run of a CRM with this id.
func (k RunKind) task(crm domain.CRM, id domain.ID) Task {
	return Task{Type: k.taskType(), IDs: []string{string(crm), string(k), string(id)}}
}

// Run is the last run of a kind.
type Run struct {
	ID         domain.ID `json:"id"`
	AskedAt    time.Time `json:"asked_at"`
	StartedAt  time.Time `json:"started_at"`  // zero: no worker has begun it
	MovedAt    time.Time `json:"moved_at"`    // when it last made progress, or was asked for again
	WaitsUntil time.Time `json:"waits_until"` // when the CRM allows calls again; zero: it does not wait
	EndedAt    time.Time `json:"ended_at"`    // zero: it is unfinished
	Fault      string    `json:"fault"`       // why it last stopped: a failure class, or fault; empty: none

	Compared   *Comparison       `json:"compared,omitempty"`   // of a reconcile
	Backfilled *BackfillProgress `json:"backfilled,omitempty"` // of a backfill
	Plan       *BackfillPlan     `json:"plan,omitempty"`       // of a dry backfill
}

// How long a run makes no progress before a push asks for it again.
const (
	retryAfter      = 2 * time.Minute
	retryFaultAfter = 15 * time.Minute
)

// needsPerson reports whether a run was stopped by a fault that a person must repair. It continues when
// somebody asks for it again.
func (r *Run) needsPerson() bool {
	switch domain.FailureClass(r.Fault) {
	case domain.LoginFailed, domain.Configuration, domain.BadData:
		return true
	}
	return false
}

// unfinished reports whether there is a run and it has not ended.
func (r *Run) unfinished() bool { return r != nil && r.EndedAt.IsZero() }

// lastMoved returns when a run last made progress, or when it is to continue by itself, whichever is later.
func (r *Run) lastMoved() time.Time {
	last := r.AskedAt
	for _, t := range []time.Time{r.MovedAt, r.WaitsUntil} {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// AskRun asks the workers for a run and returns its id. While one of the kind is unfinished, that is its id.
func (svc *Service) AskRun(ctx context.Context, crm domain.CRM, kind RunKind) (id domain.ID, err error) {
	err = svc.record.Update(ctx, func(tx Tx) error {
		run, err := state[Run](tx, kind.state(crm))
		if err != nil {
			return err
		}
		switch {
		case !run.unfinished():
			run = &Run{ID: svc.ids.NewID(), AskedAt: tx.Now()}
		case run.needsPerson(): // whoever asks has repaired the cause
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

// BeginRun stores that a worker begins or continues a run; left reports whether anything is left to do. With
// an empty id, as tasks of the schedule have, it continues the unfinished run or begins a new one.
func (svc *Service) BeginRun(ctx context.Context, crm domain.CRM, kind RunKind,
	id domain.ID) (run Run, left bool, err error) {
	err = svc.record.Update(ctx, func(tx Tx) error {
		last, err := state[Run](tx, kind.state(crm))
		if err != nil {
			return err
		}
		switch {
		case id == "" && !last.unfinished():
			last = &Run{ID: svc.ids.NewID(), AskedAt: tx.Now()}
		case id == "":
		case last == nil || last.ID < id: // it was asked for, but the record has lost it
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

// NoteRun stores the progress of a run, unless another of its kind has begun since. When the run has ended,
// it asks for a push of the InMails that the run made due.
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
		_ = svc.queue.Enqueue(ctx, pushTask(crm)) // when it fails, the next slot pushes them
	}
	return wrap("store the progress of a "+string(kind), err)
}

// RedriveRuns asks again for stalled runs, whose worker died or whose task was lost.
func (svc *Service) RedriveRuns(ctx context.Context, crm domain.CRM) error {
	var due []Task
	if err := svc.record.View(ctx, func(tx Tx) (err error) {
		due, err = stalledRuns(tx, crm)
		return err
	}); err != nil || len(due) == 0 {
		return wrap("look for stalled runs", err)
	}
	err := svc.record.Update(ctx, func(tx Tx) (err error) {
		if due, err = stalledRuns(tx, crm); err != nil {
			return err
		}
		for _, t := range due { // so that the next look does not find them stalled
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
	return wrap("ask again for stalled runs", err)
}

// stalledRuns returns the tasks of runs that make no progress although the sync is not suspended.
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

// runs returns the last run of each kind; a kind that never ran is absent.
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
