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

// The names under which the record keeps the unfinished work of erasures.
const (
	// stateErasing keeps the ids of members whose erasure has begun and is not done. It is the only place
	// that still has these ids, for the seconds that an erasure takes.
	stateErasing = "erasing"
	// stateForgetting keeps digests of the ids that a CRM may still have; the ids cannot be read from them.
	stateForgetting = "forgetting"
	// stateScrub exists while files may have bytes of deleted data. Every erasure writes it before it reads
	// anything, so that two which run at once wait for each other. Its value is new each time, so that a
	// scrub can see whether another erasure came after it began.
	stateScrub = "scrub_due"
)

// eraseBatch is how many InMails of a member one transaction erases.
const eraseBatch = 500

// forgetTimeout is how long an erasure waits for all CRMs, called at once, while the record still has the id.
// After that it stores a digest of the id instead, because the id must leave the record within 5 s (R60).
const forgetTimeout = 1500 * time.Millisecond

// digest recognises an erased id. The id cannot be read from it, because it is keyed by a secret of its own.
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

// Erase makes a member and its keys unknown at once, and asks the workers to remove every name, id and text
// of it from the record and from every CRM (R60). The counts stay.
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
		entry := AuditEntry{ID: string(svc.ids.NewID()), At: tx.Now(), Kind: DecidedErase, By: v.KeyID}
		if err := tx.AppendAudit([]AuditEntry{entry}); err != nil {
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

// askErase asks the workers to continue erasures and to push to the CRMs. Redrive and the schedule do so too,
// later, when this fails.
func (svc *Service) askErase(ctx context.Context) {
	tasks := []Task{{Type: TaskErase}}
	for _, crm := range svc.crms {
		tasks = append(tasks, pushTask(crm.Name()))
	}
	_ = svc.queue.Enqueue(ctx, tasks...)
}

// beginErasing stores that members are to be erased and that the files are to be scrubbed.
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

// FinishErasures finishes all erasures that Erase began, in the record, in the CRMs and in the files, and
// returns of how many members. It may run twice at once and be interrupted at any point; the next call
// continues there.
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

// finishErasure erases one member from the record and from the CRMs.
func (svc *Service) finishErasure(ctx context.Context, id domain.MemberID) error {
	for done := false; !done; {
		var err error
		if done, err = svc.eraseSome(ctx, id); err != nil {
			return err
		}
	}
	svc.askErase(ctx) // the erased InMails are due for the CRMs at once
	remaining, err := svc.forget(ctx, id)
	if err != nil {
		return err
	}
	return svc.record.Update(ctx, func(tx Tx) error {
		// Waits for other erasures, which may have extended the list.
		if err := svc.beginErasing(tx); err != nil {
			return err
		}
		pending, err := erasing(tx)
		if err != nil {
			return err
		}
		at := slices.Index(pending, id)
		if at < 0 {
			return nil // another worker has finished it
		}
		for _, crm := range remaining {
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

// forget asks all CRMs that the record serves, at once, to forget a member. It returns those that may still
// have the id, because they did not answer in time or this process does not reach them.
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

// eraseSome erases one batch of a member. It is done when a whole pass found nothing more, because others may
// have written something while an earlier pass waited for their locks.
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

// rememberToForget stores the digest of an id that a CRM may still have.
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

// ForgetInCRM removes from a CRM the ids of members that it could not forget when they were erased. It does
// nothing while the sync is paused or parked, and makes no call when nothing is due.
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
		return wrap("read whom a CRM is to forget", err)
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
	return wrap("store what a CRM forgot", err)
}

func anyOf(due []digest) func(domain.MemberID) bool {
	return func(id domain.MemberID) bool {
		return slices.ContainsFunc(due, func(d digest) bool { return d.is(id) })
	}
}

// ErasureProof is what a CRM was found to have of an erased member.
type ErasureProof struct {
	Known   bool     // the member is known here, so it was not erased, or has come back
	Waits   string   // what of the erasure is still to be done here; empty: nothing
	InMails int      // erased InMails of this page that were compared
	Left    []Remain // what the CRM still has
	Next    domain.ID
}

// provePage is how many erased InMails one page of a proof compares.
const provePage = 1000

// ProveErased asks a CRM what it has of an erased member, and of one page of the InMails of erased members
// after an id (R60). The record knows no more whose these were, so all of them are compared. Next is the id
// after which the next page begins; it is empty after the last one. It changes nothing.
func (svc *Service) ProveErased(ctx context.Context, crm domain.CRM, id domain.MemberID, after domain.ID) (proof ErasureProof, err error) {
	if err := id.Validate(); err != nil {
		return proof, err
	}
	c := svc.Connector(crm)
	if c == nil {
		return proof, svc.unknownCRM()
	}
	prover, ok := c.(Prover)
	if !ok || !c.Configured() {
		return proof, refuse(domain.NotFound, "this server has no connection to %s that could be asked", crm)
	}
	var pushes []domain.Push
	err = svc.record.View(ctx, func(tx Tx) error {
		proof = ErasureProof{}
		members, err := tx.Members([]domain.MemberID{id})
		if err != nil {
			return err
		}
		_, proof.Known = members[id]
		if proof.Waits, err = erasureWaits(tx, crm, id); err != nil {
			return err
		}
		pushes, err = tx.ErasedAfter(crm, after, provePage)
		return err
	})
	if err != nil {
		return proof, wrap("read what was erased", err)
	}
	proof.InMails = len(pushes)
	if len(pushes) == provePage {
		proof.Next = pushes[len(pushes)-1].InMail.ID
	}
	if after == "" {
		if proof.Left, err = prover.LeftOf(ctx, id); err != nil {
			return proof, wrap("ask a CRM for an erased member", err)
		}
	}
	left, err := prover.LeftIn(ctx, pushes)
	proof.Left = append(proof.Left, left...)
	return proof, wrap("ask a CRM for erased InMails", err)
}

// erasureWaits says what of a member's erasure is still to be done.
func erasureWaits(tx Tx, crm domain.CRM, id domain.MemberID) (string, error) {
	pending, err := erasing(tx)
	if err != nil || slices.Contains(pending, id) {
		return "the erasure is under way here; ask again in a minute", err
	}
	due, err := state[[]digest](tx, crmState(crm, stateForgetting))
	if err != nil || due == nil || !anyOf(*due)(id) {
		return "", err
	}
	return "the id is still to be emptied on Leads and Contacts, with the next push that the org takes; inmail crm status", nil
}

// scrubIfDue empties the unused parts of the record's files, if something was erased since the last time.
func (svc *Service) scrubIfDue(ctx context.Context) error {
	due, err := svc.scrubDue(ctx)
	if err != nil || due == "" {
		return wrap("read whether a scrub is due", err)
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
	return wrap("store that the record is scrubbed", err)
}

func (svc *Service) scrubDue(ctx context.Context) (due string, err error) {
	err = svc.record.View(ctx, func(tx Tx) error {
		value, err := tx.State(stateScrub)
		due = string(value)
		return err
	})
	return due, err
}

// Erasing reports whether an erasure is unfinished, the scrub of the files included.
func (svc *Service) Erasing(ctx context.Context) (waits bool, err error) {
	id, err := svc.firstErasing(ctx)
	if err != nil || id != "" {
		return id != "", wrap("look for erasures", err)
	}
	due, err := svc.scrubDue(ctx)
	return due != "", wrap("look for erasures", err)
}

// DropTexts empties up to limit texts that are older than the policy retain_days, and returns how many; 0
// days keep all. Only the texts of such an InMail change, its replies and the reason of a decline: it opens
// with empty texts, and every count stays.
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

// Partition keeps the partitions of the record's texts: it makes those of the months to come, and drops those
// whose texts are all older than the policy retain_days. advice says what an operator should do.
func (svc *Service) Partition(ctx context.Context) (advice string, err error) {
	var now, before time.Time
	err = svc.record.View(ctx, func(tx Tx) error {
		now = tx.Now()
		return nil
	})
	if err != nil {
		return "", wrap("read the record's time", err)
	}
	if svc.policy.RetainDays > 0 {
		before = now.Add(-time.Duration(svc.policy.RetainDays) * 24 * time.Hour)
	}
	advice, err = svc.record.Partition(ctx, now, before)
	return advice, wrap("keep the partitions of the record", err)
}

// Scrub empties the unused parts of the record's files, if something was erased or dropped since the last
// time.
func (svc *Service) Scrub(ctx context.Context) error { return svc.scrubIfDue(ctx) }
