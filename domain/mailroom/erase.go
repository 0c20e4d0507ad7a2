package mailroom

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"inmail/domain"
)

// The names under which the record keeps what is left to do of erasures.
const (
	// stateErasing holds the ids of members whose erasure has begun and is not done: the one place that knows them
	// still, for the seconds that it takes.
	stateErasing = "erasing"
	// stateForgetting holds whom a CRM has not forgotten yet, without saying whom.
	stateForgetting = "forgetting"
	// stateScrub is there while files may hold bytes of what was deleted. Every erasure writes it before it reads
	// anything, so that two that run at once wait for each other; the value says whether one came after a scrub began.
	stateScrub = "scrub_due"
)

// eraseBatch is how many InMails of a member one transaction erases.
const eraseBatch = 500

// forgetTimeout is how long an erasure waits for the CRMs, all at once, with the id in its hand. Longer, and it would stand in the
// record for more than the 5 s of R60: then its digest is kept instead.
const forgetTimeout = 1500 * time.Millisecond

// digest tells an erased id when it is met again, and cannot be read back: it is keyed by a secret of its own.
type digest struct {
	Salt []byte `json:"salt"`
	Sum  []byte `json:"sum"`
}

func (d digest) is(id domain.MemberID) bool { return hmac.Equal(d.Sum, digestOf(d.Salt, id)) }

func digestOf(salt []byte, id domain.MemberID) []byte {
	sum := hmac.New(sha256.New, salt)
	sum.Write([]byte(id))
	return sum.Sum(nil)
}

// Erase makes a member unknown at once, with its keys, and asks the workers to take every name, id and text of it out of the
// record and of every CRM (R60). The counts stay.
func (svc *Service) Erase(ctx context.Context, v Viewer, id domain.MemberID) error {
	err := svc.record.Update(ctx, func(tx Tx) error {
		if err := svc.beginErasing(tx, id); err != nil {
			return err
		}
		if err := tx.LockMembers([]domain.MemberID{id}); err != nil {
			return err
		}
		if err := exists(tx, id); err != nil {
			return err
		}
		if err := tx.AppendAudit([]AuditEntry{{ID: string(svc.ids.NewID()), At: tx.Now(), Kind: DecidedErase, By: v.KeyID}}); err != nil {
			return err
		}
		touched, _, err := tx.EraseMember(id, eraseBatch)
		if err != nil {
			return err
		}
		return tx.Resync("", touched)
	})
	if err != nil {
		return wrap("erase a member", err)
	}
	svc.askErase(ctx)
	return nil
}

// askErase asks the workers to carry erasures on, and to tell the CRMs; else redrive and the schedule do.
func (svc *Service) askErase(ctx context.Context) {
	tasks := []Task{{Type: TaskErase}}
	for _, crm := range svc.crms {
		tasks = append(tasks, pushTask(crm.Name()))
	}
	_ = svc.queue.Enqueue(ctx, tasks...)
}

// beginErasing notes members whose traces are to be taken out, and that the files are to be scrubbed.
func (svc *Service) beginErasing(tx Tx, ids ...domain.MemberID) error {
	if err := tx.SetState(stateScrub, []byte(svc.ids.NewID())); err != nil {
		return err
	}
	pending, err := erasing(tx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !slices.Contains(pending, id) {
			pending = append(pending, id)
		}
	}
	return setState(tx, stateErasing, pending)
}

// erasing lists the members whose erasure is under way.
func erasing(tx Tx) ([]domain.MemberID, error) {
	pending, err := state[[]domain.MemberID](tx, stateErasing)
	if err != nil || pending == nil {
		return nil, err
	}
	return *pending, nil
}

// FinishErasures carries on what Erase began until nothing is left, in the record, in the CRMs and in the files. It returns how
// many members were finished. It may run twice at once, and be cut off at any point: the next one goes on there.
func (svc *Service) FinishErasures(ctx context.Context) (finished int, err error) {
	for {
		id, err := svc.firstErasing(ctx)
		if err != nil {
			return finished, wrap("finish an erasure", err)
		}
		if id == "" {
			break
		}
		if err := svc.finishErasure(ctx, id); err != nil {
			return finished, wrap("finish an erasure", err)
		}
		finished++
	}
	return finished, svc.scrubIfDue(ctx)
}

func (svc *Service) firstErasing(ctx context.Context) (id domain.MemberID, err error) {
	err = svc.record.View(ctx, func(tx Tx) error {
		id = ""
		pending, err := erasing(tx)
		if len(pending) > 0 {
			id = pending[0]
		}
		return err
	})
	return id, err
}

// finishErasure takes one member out of everything.
func (svc *Service) finishErasure(ctx context.Context, id domain.MemberID) error {
	for done := false; !done; {
		var err error
		if done, err = svc.eraseSome(ctx, id); err != nil {
			return err
		}
	}
	svc.askErase(ctx) // what was emptied is due for the CRMs at once
	forgetful, err := svc.forget(ctx, id)
	if err != nil {
		return err
	}
	return svc.record.Update(ctx, func(tx Tx) error {
		if err := svc.beginErasing(tx); err != nil { // its turn: the list may have grown
			return err
		}
		pending, err := erasing(tx)
		if err != nil {
			return err
		}
		at := slices.Index(pending, id)
		if at < 0 {
			return nil // another worker was faster
		}
		for _, crm := range forgetful {
			if err := svc.rememberToForget(tx, crm, id); err != nil {
				return err
			}
		}
		if pending = slices.Delete(pending, at, at+1); len(pending) == 0 {
			return tx.SetState(stateErasing, nil)
		}
		return setState(tx, stateErasing, pending)
	})
}

// forget asks every CRM that the record serves to forget a member, all at once, and returns those that may still hold its id: they
// did not answer in time, or are reached by other processes alone.
func (svc *Service) forget(ctx context.Context, id domain.MemberID) (left []domain.CRM, err error) {
	connected, err := svc.connected(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, forgetTimeout)
	defer cancel()
	forgot := make([]bool, len(connected))
	var wg sync.WaitGroup
	for i, name := range connected {
		if crm := svc.Connector(name); crm != nil && crm.Configured() {
			wg.Go(func() { forgot[i] = crm.Forget(ctx, []domain.MemberID{id}) == nil })
		}
	}
	wg.Wait()
	for i, name := range connected {
		if !forgot[i] {
			left = append(left, name)
		}
	}
	return left, nil
}

// eraseSome erases one batch of a member. It is done when a whole pass found nothing more: what others wrote while an earlier one
// waited for their locks is found by the next.
func (svc *Service) eraseSome(ctx context.Context, id domain.MemberID) (done bool, err error) {
	err = svc.record.Update(ctx, func(tx Tx) error {
		if err := tx.SetState(stateScrub, []byte(svc.ids.NewID())); err != nil {
			return err
		}
		touched, finished, err := tx.EraseMember(id, eraseBatch)
		if err != nil {
			return err
		}
		done = finished && len(touched) == 0
		return tx.Resync("", touched)
	})
	return done, err
}

// rememberToForget keeps the digest of an id that a CRM may still hold.
func (svc *Service) rememberToForget(tx Tx, crm domain.CRM, id domain.MemberID) error {
	due, err := state[[]digest](tx, crmState(crm, stateForgetting))
	if err != nil {
		return err
	}
	if due == nil {
		due = &[]digest{}
	}
	salt := svc.ids.NewSecret()
	return setState(tx, crmState(crm, stateForgetting), append(*due, digest{Salt: salt[:], Sum: digestOf(salt[:], id)}))
}

// ForgetInCRM takes out of a CRM the ids of members whom it could not forget when they were erased. It does nothing while
// its sync is paused or parked, and asks for nothing when nothing is due.
func (svc *Service) ForgetInCRM(ctx context.Context, crm domain.CRM) error {
	var due []digest
	err := svc.record.View(ctx, func(tx Tx) error {
		due = nil
		found, err := state[[]digest](tx, crmState(crm, stateForgetting))
		if err != nil || found == nil || len(*found) == 0 {
			return err
		}
		suspended, err := syncSuspended(tx, crm)
		if err == nil && !suspended {
			due = *found
		}
		return err
	})
	if err != nil || len(due) == 0 {
		return wrap("look whom a CRM is to forget", err)
	}
	c := svc.Connector(crm)
	if c == nil {
		return svc.unknownCRM()
	}
	if err := c.ForgetThose(ctx, anyOf(due)); err != nil {
		return wrap("let a CRM forget members", err)
	}
	err = svc.record.Update(ctx, func(tx Tx) error {
		if err := tx.SetState(stateScrub, []byte(svc.ids.NewID())); err != nil {
			return err
		}
		found, err := state[[]digest](tx, crmState(crm, stateForgetting))
		if err != nil || found == nil {
			return err
		}
		left := slices.DeleteFunc(*found, func(d digest) bool {
			return slices.ContainsFunc(due, func(done digest) bool { return hmac.Equal(done.Sum, d.Sum) })
		})
		if len(left) == 0 {
			return tx.SetState(crmState(crm, stateForgetting), nil)
		}
		return setState(tx, crmState(crm, stateForgetting), left)
	})
	return wrap("note what a CRM forgot", err)
}

func anyOf(due []digest) func(domain.MemberID) bool {
	return func(id domain.MemberID) bool {
		return slices.ContainsFunc(due, func(d digest) bool { return d.is(id) })
	}
}

// scrubIfDue empties the unused parts of the record's files, if something was erased since that was last done.
func (svc *Service) scrubIfDue(ctx context.Context) error {
	due, err := svc.scrubDue(ctx)
	if err != nil || due == "" {
		return wrap("look whether to scrub", err)
	}
	if err := svc.record.Scrub(ctx); err != nil {
		return wrap("scrub the record", err)
	}
	err = svc.record.Update(ctx, func(tx Tx) error {
		now, err := tx.State(stateScrub)
		if err != nil || string(now) != due {
			return err // more was erased meanwhile
		}
		return tx.SetState(stateScrub, nil)
	})
	return wrap("note that the record is scrubbed", err)
}

func (svc *Service) scrubDue(ctx context.Context) (due string, err error) {
	err = svc.record.View(ctx, func(tx Tx) error {
		value, err := tx.State(stateScrub)
		due = string(value)
		return err
	})
	return due, err
}

// Erasing says whether an erasure waits to be finished, its files included.
func (svc *Service) Erasing(ctx context.Context) (waits bool, err error) {
	id, err := svc.firstErasing(ctx)
	if err != nil || id != "" {
		return id != "", wrap("look for erasures", err)
	}
	due, err := svc.scrubDue(ctx)
	return due != "", wrap("look for erasures", err)
}

// DropTexts empties texts that are older than the policy retain_days, up to limit, and returns how many. What is left of such an
// InMail is as it was, but for subject, preview and body: it opens with empty texts, and every count stays.
func (svc *Service) DropTexts(ctx context.Context, limit int) (n int, err error) {
	if svc.policy.RetainDays == 0 {
		return 0, nil
	}
	err = svc.record.Update(ctx, func(tx Tx) (err error) {
		n, err = tx.DropTexts(tx.Now().Add(-time.Duration(svc.policy.RetainDays)*24*time.Hour), limit)
		if err != nil || n == 0 {
			return err
		}
		return tx.SetState(stateScrub, []byte(svc.ids.NewID()))
	})
	return n, wrap("drop old texts", err)
}

// Scrub empties the unused parts of the record's files, if something was erased or dropped since that was last done.
func (svc *Service) Scrub(ctx context.Context) error { return svc.scrubIfDue(ctx) }
