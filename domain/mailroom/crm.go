package mailroom

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"inmail/domain"
)

// Budget is what is known of the calls that a CRM allows.
type Budget struct {
	Used        int       `json:"used"`         // by everybody, as the CRM counts
	Max         int       `json:"max"`          // 0: not known yet
	Share       float64   `json:"share"`        // the part that may be ours
	Ours        int       `json:"ours"`         // our calls of the last 24 h
	ParkedUntil time.Time `json:"parked_until"` // zero: not parked
	Why         string    `json:"why"`          // of parked: the class
}

// ConnectCRMs puts connectors in the places of those of their names that New was told of, and notes in the record every CRM
// that this process reaches, so that whoever accepts an InMail makes it due for it. It is called before anything runs.
func (svc *Service) ConnectCRMs(ctx context.Context, crms ...CRM) error {
	for _, crm := range crms {
		at := slices.IndexFunc(svc.crms, func(known CRM) bool { return known.Name() == crm.Name() })
		if at < 0 {
			return fmt.Errorf("connect %s: it is not among the CRMs of this program", crm.Name())
		}
		svc.crms[at] = crm
	}
	err := svc.record.Update(ctx, func(tx Tx) error {
		there, err := tx.CRMs()
		if err != nil {
			return err
		}
		for _, crm := range svc.crms {
			if !crm.Configured() || slices.ContainsFunc(there, func(c ConnectedCRM) bool { return c.Name == crm.Name() }) {
				continue
			}
			if err := tx.ConnectCRM(crm.Name()); err != nil {
				return err
			}
		}
		return nil
	})
	return wrap("note which CRMs are connected", err)
}

// Connectors returns the CRMs that this program knows, configured or not; the first is meant where none is named.
func (svc *Service) Connectors() []CRM { return slices.Clone(svc.crms) }

// Connector returns the connector of a CRM; nil when this program knows none of that name.
func (svc *Service) Connector(name domain.CRM) CRM {
	for _, crm := range svc.crms {
		if crm.Name() == name {
			return crm
		}
	}
	return nil
}

// WhichCRM reads how a caller names a CRM: "" is the first that is connected, or where none is the first known. An unknown one is
// bad_request.
func (svc *Service) WhichCRM(ctx context.Context, name string) (domain.CRM, error) {
	if name != "" {
		if svc.Connector(domain.CRM(name)) == nil {
			return "", svc.unknownCRM()
		}
		return domain.CRM(name), nil
	}
	connected, err := svc.connected(ctx)
	if err != nil || len(svc.crms) == 0 {
		return "", err
	}
	for _, crm := range svc.crms {
		if slices.Contains(connected, crm.Name()) {
			return crm.Name(), nil
		}
	}
	return svc.crms[0].Name(), nil
}

// connected names the CRMs that the record serves, the earliest first.
func (svc *Service) connected(ctx context.Context) (names []domain.CRM, err error) {
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		names, err = connectedIn(tx)
		return err
	})
	return names, wrap("read which CRMs are connected", err)
}

func connectedIn(tx Tx) (names []domain.CRM, err error) {
	there, err := tx.CRMs()
	for _, c := range there {
		names = append(names, c.Name)
	}
	return names, err
}

// linkBatch is how many InMails one transaction links to a CRM that was connected after them.
const linkBatch = 1000

// LinkCRM makes every InMail that was accepted before a CRM was connected due for it, in batches; one that was cut off
// goes on. It is called before pushes and runs, and asks one question when nothing is left.
func (svc *Service) LinkCRM(ctx context.Context, crm domain.CRM) error {
	for more := true; more; {
		linked := false
		err := svc.record.View(ctx, func(tx Tx) error {
			there, err := tx.CRMs()
			linked = !slices.ContainsFunc(there, func(c ConnectedCRM) bool { return c.Name == crm && !c.Linked })
			return err
		})
		if err == nil && !linked {
			err = svc.record.Update(ctx, func(tx Tx) (err error) {
				more, err = tx.LinkInMails(crm, linkBatch)
				return err
			})
		}
		if err != nil || linked {
			return wrap("link InMails to a CRM", err)
		}
	}
	return nil
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
	CRM    domain.CRM
	Linked bool // what was there before it was connected is due for it, too
	Backlog
	Pause  *Pause
	Budget Budget
	Drift  Drift
	Runs   map[RunKind]Run // the last of each kind that there was
}

// The states of a sync, as /v1/crms tells them.
const (
	SyncRunning = "running"
	SyncPaused  = "paused"
	SyncParked  = "parked"     // until the CRM takes more calls
	SyncLinking = "connecting" // what was there before it was connected is still being made due
)

// State says in a word how a sync stands at now.
func (s CRMStatus) State(now time.Time) string {
	switch {
	case s.Pause != nil:
		return SyncPaused
	case now.Before(s.Budget.ParkedUntil):
		return SyncParked
	case !s.Linked:
		return SyncLinking
	}
	return SyncRunning
}

// The names under which each sync keeps its state, so that a restart remembers it.
const (
	statePause  = "pause"
	stateBudget = "budget"
	stateDrift  = "drift"
)

// crmState is the name of a state that is of one CRM alone.
func crmState(crm domain.CRM, name string) string { return "crm:" + string(crm) + ":" + name }

// Claim is what a worker is to push.
type Claim struct {
	Pushes []domain.Push
	More   bool // more may be due
}

// putOff is how long an InMail that a backfill is about to bring stays out of the pushes' way.
const postponeFor = 5 * time.Minute

// ClaimPushes takes up to limit InMails that a CRM lacks for holder alone until the lease ends, and with them the lease to write there;
// nothing while the sync is paused or parked, ErrLeaseTaken while another writes. What a backfill in bulk is about to bring is left to
// it: calls go to what the CRM has already, and to what is newer.
func (svc *Service) ClaimPushes(ctx context.Context, crm domain.CRM, holder domain.ID, limit int, lease time.Duration) (claim Claim, err error) {
	err = svc.record.Update(ctx, func(tx Tx) error {
		claim = Claim{}
		suspended, err := syncSuspended(tx, crm)
		if err != nil || suspended {
			return err
		}
		if err := leaseFree(tx, WriteLease(crm), holder); err != nil {
			return err
		}
		claimed, err := tx.ClaimUnsynced(crm, limit, lease)
		if err != nil || len(claimed) == 0 {
			return err
		}
		claim.More = len(claimed) == limit
		if claim.Pushes, err = leaveToBackfill(tx, crm, claimed); err != nil || len(claim.Pushes) == 0 {
			return err
		}
		return takeLease(tx, WriteLease(crm), holder, lease)
	})
	if err != nil {
		return Claim{}, wrap("claim unsynced links", err)
	}
	return claim, nil
}

// leaveToBackfill gives back what a backfill that is alive is about to bring, and returns the others.
func leaveToBackfill(tx Tx, crm domain.CRM, claimed []domain.Push) ([]domain.Push, error) {
	run, err := state[Run](tx, Backfill.state(crm))
	if err != nil || run == nil || run.Backfilled == nil || !run.EndedAt.IsZero() {
		return claimed, err
	}
	worker, err := state[leaseHolder](tx, Backfill.Lease(crm).state())
	if err != nil || !worker.active(tx.Now()) && !tx.Now().Before(run.WaitsUntil) {
		return claimed, err
	}
	var own []domain.Push
	var back []domain.ID
	for _, p := range claimed {
		if run.Backfilled.covers(p) {
			back = append(back, p.InMail.ID)
		} else {
			own = append(own, p)
		}
	}
	return own, tx.Postpone(crm, back, tx.Now().Add(postponeFor))
}

// syncRests says whether the sync of a CRM is paused, or parked until that takes more.
func syncSuspended(tx Tx, crm domain.CRM) (bool, error) {
	pause, err := state[Pause](tx, crmState(crm, statePause))
	if err != nil || pause.holds(tx.Now()) {
		return true, err
	}
	budget, err := state[Budget](tx, crmState(crm, stateBudget))
	return budget != nil && tx.Now().Before(budget.ParkedUntil), err
}

// KeepPushes holds what this worker claimed while it is still pushing. A worker that dies holds nothing for longer than a lease.
func (svc *Service) KeepPushes(ctx context.Context, crm domain.CRM, pushes []domain.Push, lease time.Duration) error {
	ids := make([]domain.ID, len(pushes))
	for i, p := range pushes {
		ids[i] = p.InMail.ID
	}
	return wrap("hold claimed links", svc.record.Update(ctx, func(tx Tx) error { return tx.ExtendLeases(crm, ids, lease) }))
}

// FreePushes ends the claims and leases that an earlier process left, for a process that is alone on the record.
func (svc *Service) FreePushes(ctx context.Context) error {
	return wrap("end claims", svc.record.Update(ctx, func(tx Tx) error {
		crms, err := connectedIn(tx)
		if err != nil {
			return err
		}
		for _, crm := range crms {
			leases := []Lease{WriteLease(crm)}
			for _, kind := range runKinds {
				leases = append(leases, kind.Lease(crm))
			}
			for _, l := range leases {
				if err := tx.SetState(l.state(), nil); err != nil {
					return err
				}
			}
		}
		return tx.FreeLeases()
	}))
}

func (p *Pause) holds(now time.Time) bool {
	return p != nil && (p.Until.IsZero() || now.Before(p.Until))
}

// StorePushes stores what became of pushes, and when the failed ones go again (zero: not by themselves).
func (svc *Service) StorePushes(ctx context.Context, crm domain.CRM, answers []domain.PushAnswer, retryAt []time.Time, budget Budget) error {
	err := svc.record.Update(ctx, func(tx Tx) error {
		if err := setState(tx, crmState(crm, stateBudget), budget); err != nil {
			return err
		}
		return tx.StoreAnswers(crm, answers, retryAt)
	})
	return wrap("store the answers of a CRM", err)
}

// PauseCRM stops the sync of a CRM until somebody resumes it, or until a time; a restart remembers it.
func (svc *Service) PauseCRM(ctx context.Context, crm domain.CRM, why string, until time.Time) error {
	err := svc.record.Update(ctx, func(tx Tx) error {
		return setState(tx, crmState(crm, statePause), Pause{Why: why, Since: tx.Now(), Until: until})
	})
	return wrap("pause the sync", err)
}

// ResumeCRM lets the sync of a CRM go on, by hand; a parked one too. Its connector forgets what the CRM refused a while ago.
func (svc *Service) ResumeCRM(ctx context.Context, crm domain.CRM) error {
	if c := svc.Connector(crm); c != nil && c.Configured() {
		if err := c.Resume(ctx); err != nil {
			return wrap("resume the sync", err)
		}
	}
	err := svc.record.Update(ctx, func(tx Tx) error {
		if err := tx.SetState(crmState(crm, statePause), nil); err != nil {
			return err
		}
		return tx.SetState(crmState(crm, stateBudget), nil)
	})
	return wrap("resume the sync", err)
}

// CRMStatus tells how far a CRM is behind and why.
func (svc *Service) CRMStatus(ctx context.Context, crm domain.CRM) (s CRMStatus, err error) {
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		s, err = statusOf(tx, crm)
		return err
	})
	return s, wrap("read the state of the sync", err)
}

// CRMs tells how every CRM stands that the record serves, in the order in which this program knows them.
func (svc *Service) CRMs(ctx context.Context) (all []CRMStatus, err error) {
	err = svc.record.View(ctx, func(tx Tx) error {
		all = nil
		connected, err := connectedIn(tx)
		if err != nil {
			return err
		}
		for _, crm := range svc.crms {
			if !slices.Contains(connected, crm.Name()) {
				continue
			}
			s, err := statusOf(tx, crm.Name())
			if err != nil {
				return err
			}
			all = append(all, s)
		}
		return nil
	})
	return all, wrap("read the state of all syncs", err)
}

func statusOf(tx Tx, crm domain.CRM) (s CRMStatus, err error) {
	s.CRM, s.Linked = crm, true
	there, err := tx.CRMs()
	if err != nil {
		return s, err
	}
	for _, c := range there {
		s.Linked = s.Linked && (c.Linked || c.Name != crm)
	}
	if s.Backlog, err = tx.Backlog(crm); err != nil {
		return s, err
	}
	if s.Pause, err = state[Pause](tx, crmState(crm, statePause)); err != nil {
		return s, err
	}
	if !s.Pause.holds(tx.Now()) {
		s.Pause = nil
	}
	budget, err := state[Budget](tx, crmState(crm, stateBudget))
	if err != nil {
		return s, err
	}
	if budget != nil {
		s.Budget = *budget
	}
	drift, err := state[Drift](tx, crmState(crm, stateDrift))
	if drift != nil {
		s.Drift = *drift
	}
	if err == nil {
		s.Runs, err = runs(tx, crm)
	}
	return s, err
}

// CRMFailures lists links whose last push failed, newest first by (FailedAt, InMail).
func (svc *Service) CRMFailures(ctx context.Context, crm domain.CRM, p Page) (links []domain.Link, err error) {
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		links, err = tx.Failures(crm, p)
		return err
	})
	return links, wrap("list failed pushes", err)
}

// RetryCRM makes failed pushes due again: one InMail, a class, or all when both are empty. It returns how many.
func (svc *Service) RetryCRM(ctx context.Context, crm domain.CRM, id domain.ID, class domain.FailureClass) (n int, err error) {
	err = svc.record.Update(ctx, func(tx Tx) error {
		if id != "" {
			links, err := tx.Links([]domain.ID{id})
			if err != nil {
				return err
			}
			if _, ok := links[id][crm]; !ok {
				return notFound()
			}
		}
		n, err = tx.RetryDead(crm, id, class)
		return err
	})
	if err != nil {
		return 0, wrap("retry failed pushes", err)
	}
	_ = svc.queue.Enqueue(ctx, pushTask(crm)) // else the schedule comes by
	return n, nil
}

// pushTask asks for a push to a CRM.
func pushTask(crm domain.CRM) Task {
	return Task{Type: TaskCRMPush, IDs: []string{string(crm)}}
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

// RecordOf returns the record as the reconcile and the backfill of a CRM see it. alone is how to write while nobody else does.
func (svc *Service) RecordOf(crm domain.CRM, alone func(ctx context.Context, write func(context.Context) error) error) CRMRecord {
	return crmRecord{svc, crm, alone}
}

type crmRecord struct {
	svc   *Service
	crm   domain.CRM
	alone func(ctx context.Context, write func(context.Context) error) error
}

func (r crmRecord) PushesAfter(ctx context.Context, after domain.ID, limit int) (pushes []domain.Push, err error) {
	err = r.svc.record.View(ctx, func(tx Tx) (err error) {
		pushes, err = tx.PushesAfter(r.crm, after, limit)
		return err
	})
	return pushes, wrap("walk the InMails", err)
}

func (r crmRecord) Resync(ctx context.Context, ids []domain.ID) error {
	return wrap("make InMails due again", r.svc.record.Update(ctx, func(tx Tx) error { return tx.Resync(r.crm, ids) }))
}

func (r crmRecord) StorePushes(ctx context.Context, answers []domain.PushAnswer, retryAt []time.Time, budget Budget) error {
	return r.svc.StorePushes(ctx, r.crm, answers, retryAt, budget)
}

func (r crmRecord) SetDrift(ctx context.Context, found Drift) error {
	return wrap("keep the drift", r.svc.record.Update(ctx, func(tx Tx) error { return setState(tx, crmState(r.crm, stateDrift), found) }))
}

func (r crmRecord) State(ctx context.Context, name string) (value []byte, err error) {
	err = r.svc.record.View(ctx, func(tx Tx) (err error) {
		value, err = tx.State(crmState(r.crm, "own_"+name))
		return err
	})
	return value, wrap("read a state", err)
}

func (r crmRecord) SetState(ctx context.Context, name string, value []byte) error {
	return wrap("keep a state", r.svc.record.Update(ctx, func(tx Tx) error { return tx.SetState(crmState(r.crm, "own_"+name), value) }))
}

func (r crmRecord) Alone(ctx context.Context, write func(context.Context) error) error {
	return r.alone(ctx, write)
}
