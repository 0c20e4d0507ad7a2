package mailroom

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"inmail/domain"
)

// CRM is what the sync needs of Salesforce. It makes one try; waiting is the queue's (STYLE H12).
type CRM interface {
	// Push brings InMails to the org in as few calls as it can; answers[i] is for pushes[i]. A row's fault is in
	// its answer; an error is of the connector itself, and then nothing is known of any row.
	Push(ctx context.Context, pushes []domain.Push) (answers []domain.PushAnswer, err error)
	// Budget tells what was spent of the org's daily calls.
	Budget() Budget
}

// Budget is what is known of the org's daily API calls.
type Budget struct {
	Used        int       `json:"used"`         // by everybody, as the org counts
	Max         int       `json:"max"`          // 0: not known yet
	Share       float64   `json:"share"`        // the part that may be ours
	Ours        int       `json:"ours"`         // our calls of the last 24 h
	ParkedUntil time.Time `json:"parked_until"` // zero: not parked
	Why         string    `json:"why"`          // of parked: the class
}

// Pause says that the sync was stopped by hand, or by a fault that more tries would make worse.
type Pause struct {
	Why   string    `json:"why"` // operator, login or configuration
	Since time.Time `json:"since"`
	Until time.Time `json:"until"` // zero: until somebody resumes it
}

// Drift is what the last reconcile found, by kind.
type Drift struct {
	At    time.Time      `json:"at"`
	Kinds map[string]int `json:"kinds"` // missing, extra, stale, edited
}

// CRMStatus is what /v1/crm/status tells.
type CRMStatus struct {
	Backlog
	Pause  *Pause
	Budget Budget
	Drift  Drift
	Runs   map[RunKind]Run // the last of each kind that there was
}

// The names under which the sync keeps its state, so that a restart remembers it.
const (
	stateCRMPause  = "crm_pause"
	stateCRMBudget = "crm_budget"
	stateCRMDrift  = "crm_drift"
)

// Claim is what a worker is to push.
type Claim struct {
	Pushes []domain.Push
	More   bool // more may be due
}

// putOff is how long an InMail that a backfill is about to bring stays out of the pushes' way.
const putOff = 5 * time.Minute

// ClaimPushes takes up to limit unsynced InMails for holder alone until the lease ends, and with them the turn to write; nothing while
// the sync is paused or parked, ErrTurnTaken while another writes. What a backfill in bulk is about to bring is left to it: calls go
// to what the org has already, and to what is newer.
func (svc *Service) ClaimPushes(ctx context.Context, holder domain.ID, limit int, lease time.Duration) (claim Claim, err error) {
	err = svc.record.Update(ctx, func(tx Tx) error {
		claim = Claim{}
		rests, err := syncRests(tx)
		if err != nil || rests {
			return err
		}
		if err := leaseFree(tx, LeaseWrite, holder); err != nil {
			return err
		}
		claimed, err := tx.ClaimUnsynced(limit, lease)
		if err != nil || len(claimed) == 0 {
			return err
		}
		claim.More = len(claimed) == limit
		if claim.Pushes, err = leaveToBackfill(tx, claimed); err != nil || len(claim.Pushes) == 0 {
			return err
		}
		return takeLease(tx, LeaseWrite, holder, lease)
	})
	if err != nil {
		return Claim{}, wrap("claim unsynced links", err)
	}
	return claim, nil
}

// leaveToBackfill gives back what a backfill that is alive is about to bring, and returns the others.
func leaveToBackfill(tx Tx, claimed []domain.Push) ([]domain.Push, error) {
	run, err := state[Run](tx, Backfill.state())
	if err != nil || run == nil || run.Backfilled == nil || !run.EndedAt.IsZero() {
		return claimed, err
	}
	worker, err := state[leaseHolder](tx, Backfill.Lease().state())
	if err != nil || !worker.lives(tx.Now()) && !tx.Now().Before(run.WaitsUntil) {
		return claimed, err
	}
	var own []domain.Push
	var back []domain.PushAnswer
	for _, p := range claimed {
		if run.Backfilled.brings(p) {
			p.Link.InMail = p.InMail.ID
			back = append(back, domain.PushAnswer{Link: p.Link, Class: domain.LimitReached})
		} else {
			own = append(own, p)
		}
	}
	again := make([]time.Time, len(back))
	for i := range again {
		again[i] = tx.Now().Add(putOff)
	}
	return own, tx.StoreAnswers(back, again)
}

// syncRests says whether the sync is paused, or parked until the org takes more.
func syncRests(tx Tx) (bool, error) {
	pause, err := state[Pause](tx, stateCRMPause)
	if err != nil || pause.holds(tx.Now()) {
		return true, err
	}
	budget, err := state[Budget](tx, stateCRMBudget)
	return budget != nil && tx.Now().Before(budget.ParkedUntil), err
}

// KeepPushes holds what this worker claimed while it is still pushing. A worker that dies holds nothing for longer than a lease.
func (svc *Service) KeepPushes(ctx context.Context, pushes []domain.Push, lease time.Duration) error {
	ids := make([]domain.ID, len(pushes))
	for i, p := range pushes {
		ids[i] = p.InMail.ID
	}
	return wrap("hold claimed links", svc.record.Update(ctx, func(tx Tx) error { return tx.ExtendLeases(ids, lease) }))
}

// FreePushes ends the claims and turns that an earlier process left, for a process that is alone on the record.
func (svc *Service) FreePushes(ctx context.Context) error {
	return wrap("end claims", svc.record.Update(ctx, func(tx Tx) error {
		leases := []Lease{LeaseWrite}
		for _, kind := range runKinds {
			leases = append(leases, kind.Lease())
		}
		for _, t := range leases {
			if err := tx.SetState(t.state(), nil); err != nil {
				return err
			}
		}
		return tx.FreeLeases()
	}))
}

func (p *Pause) holds(now time.Time) bool {
	return p != nil && (p.Until.IsZero() || now.Before(p.Until))
}

// StorePushes stores what became of pushes, and when the failed ones go again (zero: not by themselves).
func (svc *Service) StorePushes(ctx context.Context, answers []domain.PushAnswer, retryAt []time.Time, budget Budget) error {
	err := svc.record.Update(ctx, func(tx Tx) error {
		if err := setState(tx, stateCRMBudget, budget); err != nil {
			return err
		}
		return tx.StoreAnswers(answers, retryAt)
	})
	return wrap("store Salesforce's answers", err)
}

// PauseCRM stops the sync until somebody resumes it, or until a time; a restart remembers it.
func (svc *Service) PauseCRM(ctx context.Context, why string, until time.Time) error {
	err := svc.record.Update(ctx, func(tx Tx) error {
		return setState(tx, stateCRMPause, Pause{Why: why, Since: tx.Now(), Until: until})
	})
	return wrap("pause the sync", err)
}

// ResumeCRM lets the sync go on, by hand; parked ones too.
func (svc *Service) ResumeCRM(ctx context.Context) error {
	err := svc.record.Update(ctx, func(tx Tx) error {
		if err := tx.SetState(stateCRMPause, nil); err != nil {
			return err
		}
		return tx.SetState(stateCRMBudget, nil)
	})
	return wrap("resume the sync", err)
}

// CRMStatus tells how far Salesforce is behind and why.
func (svc *Service) CRMStatus(ctx context.Context) (s CRMStatus, err error) {
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		if s.Backlog, err = tx.Backlog(); err != nil {
			return err
		}
		if s.Pause, err = state[Pause](tx, stateCRMPause); err != nil {
			return err
		}
		if !s.Pause.holds(tx.Now()) {
			s.Pause = nil
		}
		budget, err := state[Budget](tx, stateCRMBudget)
		if err != nil {
			return err
		}
		if budget != nil {
			s.Budget = *budget
		}
		drift, err := state[Drift](tx, stateCRMDrift)
		if drift != nil {
			s.Drift = *drift
		}
		if err == nil {
			s.Runs, err = runs(tx)
		}
		return err
	})
	return s, wrap("read the state of the sync", err)
}

// CRMFailures lists links whose last push failed, newest first by (FailedAt, InMail).
func (svc *Service) CRMFailures(ctx context.Context, p Page) (links []domain.Link, err error) {
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		links, err = tx.Failures(p)
		return err
	})
	return links, wrap("list failed pushes", err)
}

// RetryCRM makes failed pushes due again: one InMail, a class, or all when both are empty. It returns how many.
func (svc *Service) RetryCRM(ctx context.Context, id domain.ID, class domain.FailureClass) (n int, err error) {
	err = svc.record.Update(ctx, func(tx Tx) error {
		if id != "" {
			links, err := tx.Links([]domain.ID{id})
			if err != nil {
				return err
			}
			if _, ok := links[id]; !ok {
				return notFound()
			}
		}
		n, err = tx.RetryDead(id, class)
		return err
	})
	if err != nil {
		return 0, wrap("retry failed pushes", err)
	}
	_ = svc.queue.Enqueue(ctx, Task{Type: TaskCRMPush}) // else the schedule comes by
	return n, nil
}

// state reads a named value; nil when it is not there.
func state[T any](tx Tx, name string) (*T, error) {
	blob, err := tx.State(name)
	if err != nil || len(blob) == 0 {
		return nil, err
	}
	v := new(T)
	if err := json.Unmarshal(blob, v); err != nil {
		return nil, fmt.Errorf("read the state %s: %w", name, err)
	}
	return v, nil
}

func setState(tx Tx, name string, v any) error {
	blob, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("keep the state %s: %w", name, err)
	}
	return tx.SetState(name, blob)
}

// PushesAfter walks all InMails by id, with names and links: up to limit after an id.
func (svc *Service) PushesAfter(ctx context.Context, after domain.ID, limit int) (pushes []domain.Push, err error) {
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		pushes, err = tx.PushesAfter(after, limit)
		return err
	})
	return pushes, wrap("walk the InMails", err)
}

// Resync makes InMails due to be pushed from scratch, as reconcile found them missing or different.
func (svc *Service) Resync(ctx context.Context, ids []domain.ID) error {
	return wrap("make InMails due again", svc.record.Update(ctx, func(tx Tx) error { return tx.Resync(ids) }))
}

// SetDrift keeps what a reconcile found.
func (svc *Service) SetDrift(ctx context.Context, found Drift) error {
	return wrap("keep the drift", svc.record.Update(ctx, func(tx Tx) error { return setState(tx, stateCRMDrift, found) }))
}

// State returns a small named value of the sync, nil when there is none.
func (svc *Service) State(ctx context.Context, name string) (value []byte, err error) {
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		value, err = tx.State(name)
		return err
	})
	return value, wrap("read a state", err)
}

// SetState keeps a small named value of the sync; nil takes it away.
func (svc *Service) SetState(ctx context.Context, name string, value []byte) error {
	return wrap("keep a state", svc.record.Update(ctx, func(tx Tx) error { return tx.SetState(name, value) }))
}
