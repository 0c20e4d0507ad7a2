package mailroom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"inmail/domain"
)

// Budget says how many calls a CRM allows and how many were used.
type Budget struct {
	Used        int       `json:"used"`         // calls of all clients, as the CRM counts them
	Max         int       `json:"max"`          // 0: not known yet
	Share       float64   `json:"share"`        // the part that this program may use, 0..1
	Ours        int       `json:"ours"`         // calls of this program in the last 24 h
	ParkedUntil time.Time `json:"parked_until"` // zero: not parked
	Why         string    `json:"why"`          // why it is parked: the class of failure
	At          time.Time `json:"at"`           // when it was stored last, after calls; set by the use cases
	// Kept is what the connector wants to know after a restart, such as the calls of the last day. It is
	// opaque to everybody else.
	Kept json.RawMessage `json:"kept,omitempty"`
}

// ConnectCRMs replaces connectors that were given to New by those of the same name. It stores in the record
// every CRM that this process reaches, so that every process makes the InMails that it accepts due there. It
// must be called before anything runs, and again without crms when a held record was resumed: while it is
// held, nothing is stored.
func (svc *Service) ConnectCRMs(ctx context.Context, crms ...CRM) error {
	for _, crm := range crms {
		at := slices.IndexFunc(svc.crms, func(known CRM) bool { return known.Name() == crm.Name() })
		if at < 0 {
			return fmt.Errorf("connect %s: it is not among the CRMs of this program", crm.Name())
		}
		svc.crms[at] = crm
	}
	if svc.record.Held() != nil {
		return nil
	}
	err := svc.record.Update(ctx, func(tx Tx) error {
		there, err := tx.CRMs()
		if err != nil {
			return err
		}
		for _, crm := range svc.crms {
			sameName := func(c ConnectedCRM) bool { return c.Name == crm.Name() }
			if !crm.Configured() || slices.ContainsFunc(there, sameName) {
				continue
			}
			if err := tx.ConnectCRM(crm.Name()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return wrap("store which CRMs are connected", err)
	}
	return svc.remindCRMs(ctx)
}

// remindCRMs gives connectors what they kept in the record before the process ended.
func (svc *Service) remindCRMs(ctx context.Context) error {
	for _, crm := range svc.crms {
		r, ok := crm.(Rememberer)
		if !ok || !crm.Configured() {
			continue
		}
		var budget *Budget
		err := svc.record.View(ctx, func(tx Tx) (err error) {
			budget, err = state[Budget](tx, crmState(crm.Name(), stateBudget))
			return err
		})
		if err == nil && budget != nil && budget.Kept != nil {
			err = r.Remember(ctx, budget.Kept)
		}
		if err != nil {
			return wrap("remind a CRM's connector", err)
		}
	}
	return nil
}

// KeepBudget stores what is known of a CRM's calls.
func (svc *Service) KeepBudget(ctx context.Context, crm domain.CRM, budget Budget) error {
	return wrap("store the budget of a CRM", svc.record.Update(ctx, func(tx Tx) error {
		budget.At = tx.Now()
		return setState(tx, crmState(crm, stateBudget), budget)
	}))
}

// Connectors returns the CRMs of this program, configured or not. The first is the default where none is
// named.
func (svc *Service) Connectors() []CRM { return slices.Clone(svc.crms) }

// Connector returns the connector of a CRM; nil when this program has none of that name.
func (svc *Service) Connector(name domain.CRM) CRM {
	for _, crm := range svc.crms {
		if crm.Name() == name {
			return crm
		}
	}
	return nil
}

// CRMTitle returns the name of a CRM as people know it; its own name where its connector gives none.
func (svc *Service) CRMTitle(name domain.CRM) string {
	if t, ok := svc.Connector(name).(Titler); ok {
		return t.Title()
	}
	return string(name)
}

// RecordURL returns the address at which people see the record of an InMail in a CRM; empty where there is
// none.
func (svc *Service) RecordURL(link domain.Link) string {
	crm, ok := svc.Connector(link.CRM).(Linker)
	if !ok || link.RecordID == "" {
		return ""
	}
	return crm.RecordURL(link)
}

// WhichCRM returns the CRM that a caller means by name. An empty name means the first CRM that is connected,
// or the first of the program where none is. An unknown name is refused with bad_request.
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

// connected returns the CRMs that the record serves, in the order in which they were connected.
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

// linkBatch is how many older InMails one transaction links to a new CRM.
const linkBatch = 1000

// LinkCRM makes every InMail that was accepted before a CRM was connected due there, in batches. After an
// interruption it continues where it stopped. It is called before pushes and runs, and makes one query when
// nothing is left.
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

// Pause says that the sync is stopped, by hand or after a fault that more tries would make worse.
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

// CRMStatus is what /v1/crm/status shows of a CRM.
type CRMStatus struct {
	CRM    domain.CRM
	Linked bool // InMails that are older than the connection are due there, too
	Backlog
	Pause *Pause
	// UnreachableSince is when the CRM ceased to answer; zero: it answers, or nothing was pushed yet.
	UnreachableSince time.Time
	Budget           Budget
	Drift            Drift
	Runs             map[RunKind]Run // the last run of each kind; absent: there was none
}

// The states of a sync, as /v1/crms shows them.
const (
	SyncRunning = "running"
	SyncPaused  = "paused"
	SyncParked  = "parked"      // until the CRM takes more calls
	SyncSilent  = "unreachable" // the CRM does not answer
	SyncLinking = "connecting"  // older InMails are still being made due
)

// State returns the state of a sync at now.
func (s CRMStatus) State(now time.Time) string {
	switch {
	case s.Pause != nil:
		return SyncPaused
	case now.Before(s.Budget.ParkedUntil):
		return SyncParked
	case !s.UnreachableSince.IsZero():
		return SyncSilent
	case !s.Linked:
		return SyncLinking
	}
	return SyncRunning
}

// The names under which the record keeps the state of each sync, so that it survives a restart.
const (
	statePause  = "pause"
	stateBudget = "budget"
	stateDrift  = "drift"
	stateReach  = "unreachable"
)

// crmState returns the name of a state that belongs to one CRM.
func crmState(crm domain.CRM, name string) string { return "crm:" + string(crm) + ":" + name }

// Claim is the InMails that a worker is to push.
type Claim struct {
	Pushes []domain.Push
	More   bool // more InMails may be due
}

// postponeFor is how long pushes leave an InMail to a backfill before they look at it again.
const postponeFor = 5 * time.Minute

// ClaimPushes claims up to limit InMails that a CRM lacks until lease from now, and takes the write lease of
// the CRM for holder. It claims nothing while the sync is paused or parked, and returns ErrLeaseTaken while
// another writes. InMails that a backfill in bulk is about to bring are left to it, so that calls are spent
// on what the CRM has already and on what is newer.
func (svc *Service) ClaimPushes(ctx context.Context, crm domain.CRM, holder domain.ID,
	limit int, lease time.Duration) (claim Claim, err error) {
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

// leaveToBackfill postpones the claimed InMails that a live backfill is about to bring, and returns the
// others.
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

// syncSuspended reports whether the sync of a CRM is paused, or parked until the CRM allows more calls.
func syncSuspended(tx Tx, crm domain.CRM) (bool, error) {
	pause, err := state[Pause](tx, crmState(crm, statePause))
	if err != nil || pause.inForce(tx.Now()) {
		return true, err
	}
	budget, err := state[Budget](tx, crmState(crm, stateBudget))
	return budget != nil && tx.Now().Before(budget.ParkedUntil), err
}

// KeepPushes prolongs the claims of a worker that is still pushing. The claims of a worker that dies end by
// themselves.
func (svc *Service) KeepPushes(ctx context.Context, crm domain.CRM, pushes []domain.Push, lease time.Duration) error {
	ids := make([]domain.ID, len(pushes))
	for i, p := range pushes {
		ids[i] = p.InMail.ID
	}
	return wrap("prolong claims", svc.record.Update(ctx, func(tx Tx) error {
		return tx.ExtendLeases(crm, ids, lease)
	}))
}

// FreePushes ends all claims and leases, which an earlier process left. Only a process that is alone on the
// record may call it.
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

func (p *Pause) inForce(now time.Time) bool {
	return p != nil && (p.Until.IsZero() || now.Before(p.Until))
}

// StorePushes stores the results of pushes. retryAt[i] is when a failed one is pushed again; zero: not by
// itself.
func (svc *Service) StorePushes(ctx context.Context, crm domain.CRM, answers []domain.PushAnswer,
	retryAt []time.Time, budget Budget) error {
	err := svc.record.Update(ctx, func(tx Tx) error {
		budget.At = tx.Now()
		if err := setState(tx, crmState(crm, stateBudget), budget); err != nil {
			return err
		}
		if err := tx.StoreAnswers(crm, answers, retryAt); err != nil {
			return err
		}
		return tx.AppendEvents(deadLetters(crm, answers))
	})
	return wrap("store the answers of a CRM", err)
}

// deadLetters returns an event for each answer that makes its InMail a dead letter.
func deadLetters(crm domain.CRM, answers []domain.PushAnswer) (events []Event) {
	for _, a := range answers {
		if a.Link.Dead {
			events = append(events, Event{Kind: CRMDeadLetter, InMail: a.Link.InMail, Seq: a.Link.PushedSeq,
				About: string(crm) + ":" + string(a.Link.Class)})
		}
	}
	return events
}

// PauseCRM pauses the sync of a CRM until a time; zero: until somebody resumes it. The pause survives a
// restart.
func (svc *Service) PauseCRM(ctx context.Context, crm domain.CRM, why string, until time.Time) error {
	err := svc.record.Update(ctx, func(tx Tx) error {
		return setState(tx, crmState(crm, statePause), Pause{Why: why, Since: tx.Now(), Until: until})
	})
	return wrap("pause the sync", err)
}

// ResumeCRM lets a paused or parked sync of a CRM continue, by hand. Its connector then tries again what the
// CRM refused before, and failed pushes that wait for their time are due at once.
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
		budget, err := state[Budget](tx, crmState(crm, stateBudget))
		if err != nil {
			return err
		}
		if budget != nil {
			budget.ParkedUntil, budget.Why = time.Time{}, ""
			if err := setState(tx, crmState(crm, stateBudget), budget); err != nil {
				return err
			}
		}
		return tx.RetryWaiting(crm)
	})
	return wrap("resume the sync", err)
}

// NoteReach stores whether a CRM answers at all, and reports whether that has changed.
func (svc *Service) NoteReach(ctx context.Context, crm domain.CRM, answers bool) (changed bool, err error) {
	err = svc.record.Update(ctx, func(tx Tx) error {
		since, err := state[time.Time](tx, crmState(crm, stateReach))
		if changed = (since == nil) != answers; err != nil || !changed {
			return err
		}
		if answers {
			return tx.SetState(crmState(crm, stateReach), nil)
		}
		return setState(tx, crmState(crm, stateReach), tx.Now())
	})
	return changed, wrap("store whether a CRM answers", err)
}

// CRMStatus reports how far a CRM is behind and why.
func (svc *Service) CRMStatus(ctx context.Context, crm domain.CRM) (s CRMStatus, err error) {
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		s, err = statusOf(tx, crm)
		return err
	})
	return s, wrap("read the state of the sync", err)
}

// CRMs returns the status of every CRM that the record serves, in the order of Connectors.
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
	if !s.Pause.inForce(tx.Now()) {
		s.Pause = nil
	}
	since, err := state[time.Time](tx, crmState(crm, stateReach))
	if err != nil {
		return s, err
	}
	if since != nil {
		s.UnreachableSince = *since
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

// CRMFailures lists the links whose last push failed, newest first by (FailedAt, InMail).
func (svc *Service) CRMFailures(ctx context.Context, crm domain.CRM, p Page) (links []domain.Link, err error) {
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		links, err = tx.Failures(crm, p)
		return err
	})
	return links, wrap("list failed pushes", err)
}

// RetryCRM makes failed pushes due again, of one InMail or one class, or all when both are empty. It returns
// how many.
func (svc *Service) RetryCRM(ctx context.Context, crm domain.CRM, id domain.ID,
	class domain.FailureClass) (n int, err error) {
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
	_ = svc.queue.Enqueue(ctx, pushTask(crm)) // when it fails, the next slot pushes them
	return n, nil
}

// CRMCheck is what the check of a CRM found.
type CRMCheck struct {
	Address  string // of the org that this process uses; empty: none is configured
	Findings []Finding
}

// ShowCRM returns a record of a CRM as its page shows it. It is refused with not_found when there is none, or
// when this server has no connection to the CRM.
func (svc *Service) ShowCRM(ctx context.Context, crm domain.CRM, kind, id string) (CRMPage, error) {
	c := svc.Connector(crm)
	if c == nil {
		return CRMPage{}, svc.unknownCRM()
	}
	shower, ok := c.(Shower)
	if !ok || !c.Configured() {
		return CRMPage{}, refuse(domain.NotFound, "this server has no connection to %s that could be asked", crm)
	}
	page, there, err := shower.Show(ctx, kind, id)
	if err == nil && !there {
		err = refuse(domain.NotFound, "%s shows this server no such record", crm)
	}
	return page, wrap("show a record of a CRM", err)
}

// CheckCRM compares the org of a CRM, as this process is connected to it, with what the sync needs. It stores
// nothing there. A CRM that has no check is refused with not_found.
func (svc *Service) CheckCRM(ctx context.Context, crm domain.CRM) (CRMCheck, error) {
	c := svc.Connector(crm)
	if c == nil {
		return CRMCheck{}, svc.unknownCRM()
	}
	checker, ok := c.(Checker)
	if !ok {
		return CRMCheck{}, refuse(domain.NotFound, "the sync with %s has no check", crm)
	}
	if !c.Configured() {
		return CRMCheck{Findings: []Finding{{What: "connection", Detail: "the server is configured with no org of " + string(crm),
			Remedy: "set the org's address and a login in the settings of the server, and start it again"}}}, nil
	}
	return CRMCheck{Address: checker.Address(), Findings: checker.Check(ctx)}, nil
}

// CRMPreparation is what the preparation of a CRM found or made.
type CRMPreparation struct {
	Address string // of the org that this process uses
	Prepared
}

// PrepareCRM lists what the org of a CRM lacks, makes it, or puts back what an earlier call changed. A CRM
// that cannot be prepared so is refused with not_found, one without an org with bad_request.
func (svc *Service) PrepareCRM(ctx context.Context, crm domain.CRM, p Preparation) (CRMPreparation, error) {
	c := svc.Connector(crm)
	if c == nil {
		return CRMPreparation{}, svc.unknownCRM()
	}
	preparer, ok := c.(Preparer)
	installer, simple := c.(Installer)
	if !ok && !simple {
		return CRMPreparation{}, refuse(domain.NotFound, "the org of %s cannot be prepared from here", crm)
	}
	if !c.Configured() {
		return CRMPreparation{}, refuse(domain.BadRequest,
			"the server is configured with no org of %s: set the org's address and a login, and start it again", crm)
	}
	var out CRMPreparation
	if checker, ok := c.(Checker); ok {
		out.Address = checker.Address()
	}
	var err error
	if ok {
		out.Prepared, err = preparer.Prepare(ctx, svc.RecordOf(crm, nil), p)
	} else if p.Undo != nil {
		err = refuse(domain.BadRequest, "nothing that a set-up of %s makes is put back from here", crm)
	} else {
		out.Steps, err = installer.Setup(ctx, p.Apply)
	}
	return out, wrap("prepare the org", err)
}

// replaceBatch is how many records are replaced at once.
const replaceBatch = 200

// replaceLease is how long a batch may take.
const replaceLease = 2 * time.Minute

// RepairCRM makes records of a CRM anew that it refuses to change for ever, or with apply unset only returns
// their InMails. It returns ErrLeaseTaken while another writes to the CRM; what was replaced until then is
// returned.
func (svc *Service) RepairCRM(ctx context.Context, crm domain.CRM, apply bool) (ids []domain.ID, err error) {
	r, ok := svc.Connector(crm).(Replacer)
	if !ok {
		return nil, nil
	}
	var found []domain.Link
	for page := (Page{Limit: MaxPage}); ; {
		links, err := svc.CRMFailures(ctx, crm, page)
		if err != nil {
			return nil, err
		}
		for _, l := range links {
			if r.Replaceable(l) {
				found = append(found, l)
			}
		}
		if len(links) < MaxPage {
			break
		}
		last := links[len(links)-1]
		page.After = Cursor{At: last.FailedAt, ID: string(last.InMail)}
	}
	if !apply {
		for _, l := range found {
			ids = append(ids, l.InMail)
		}
		return ids, nil
	}
	holder := svc.NewHolder()
	for part := range slices.Chunk(found, replaceBatch) {
		if err := svc.TakeLease(ctx, WriteLease(crm), holder, replaceLease); err != nil {
			return ids, err
		}
		done, err := r.Replace(ctx, part)
		if len(done) > 0 {
			err = errors.Join(svc.record.Update(ctx, func(tx Tx) error { return tx.Resync(crm, done) }), err)
		}
		err = errors.Join(err, svc.EndLease(ctx, WriteLease(crm), holder))
		ids = append(ids, done...)
		if err != nil {
			return ids, wrap("replace records of a CRM", err)
		}
	}
	_ = svc.queue.Enqueue(ctx, pushTask(crm)) // when it fails, the next slot pushes them
	return ids, nil
}

// pushTask returns the task of a push to a CRM.
func pushTask(crm domain.CRM) Task {
	return Task{Type: TaskCRMPush, IDs: []string{string(crm)}}
}

// state reads a named value; nil when there is none.
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

// RecordOf returns the record as the reconcile and the backfill of a CRM see it. alone must run write while
// nobody else writes to the CRM, as CRMRecord.Alone says.
func (svc *Service) RecordOf(crm domain.CRM,
	alone func(ctx context.Context, write func(context.Context) error) error) CRMRecord {
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
	return pushes, wrap("read a page of InMails", err)
}

func (r crmRecord) Resync(ctx context.Context, ids []domain.ID) error {
	return wrap("make InMails due again", r.svc.record.Update(ctx, func(tx Tx) error { return tx.Resync(r.crm, ids) }))
}

func (r crmRecord) StorePushes(ctx context.Context, answers []domain.PushAnswer,
	retryAt []time.Time, budget Budget) error {
	return r.svc.StorePushes(ctx, r.crm, answers, retryAt, budget)
}

func (r crmRecord) SetDrift(ctx context.Context, found Drift) error {
	return wrap("store the drift", r.svc.record.Update(ctx, func(tx Tx) error {
		return setState(tx, crmState(r.crm, stateDrift), found)
	}))
}

func (r crmRecord) State(ctx context.Context, name string) (value []byte, err error) {
	err = r.svc.record.View(ctx, func(tx Tx) (err error) {
		value, err = tx.State(crmState(r.crm, "own_"+name))
		return err
	})
	return value, wrap("read a state", err)
}

func (r crmRecord) SetState(ctx context.Context, name string, value []byte) error {
	return wrap("store a state", r.svc.record.Update(ctx, func(tx Tx) error {
		return tx.SetState(crmState(r.crm, "own_"+name), value)
	}))
}

func (r crmRecord) Alone(ctx context.Context, write func(context.Context) error) error {
	return r.alone(ctx, write)
}
