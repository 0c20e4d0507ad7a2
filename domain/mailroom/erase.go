package mailroom

import (
	"context"
	"slices"
	"time"

	"inmail/domain"
)

// stateErasing holds the ids of members whose erasure has begun and is not done; it is empty again
// when they are.
const stateErasing = "erasing"

// eraseBatch is how many InMails of a member one transaction erases.
const eraseBatch = 500

// Erase makes a member unknown at once, with its keys, and asks the workers to take every name, id and text of it out of the
// record (R60). The counts stay.
func (r *Room) Erase(ctx context.Context, v Viewer, id domain.MemberID) error {
	err := r.record.Update(ctx, func(tx Tx) error {
		if err := exists(tx, id); err != nil {
			return err
		}
		pending, err := state[[]domain.MemberID](tx, stateErasing)
		if err != nil {
			return err
		}
		if pending == nil {
			pending = &[]domain.MemberID{}
		}
		if err := tx.AppendAudit([]AuditEntry{{ID: string(r.ids.NewID()), At: tx.Now(), Kind: "erase", By: v.KeyID}}); err != nil {
			return err
		}
		if err := setState(tx, stateErasing, append(*pending, id)); err != nil {
			return err
		}
		touched, _, err := tx.EraseMember(id, eraseBatch)
		if err != nil {
			return err
		}
		return tx.Resync(touched)
	})
	if err != nil {
		return wrap("erase a member", err)
	}
	_ = r.queue.Enqueue(ctx, Task{Type: TaskErase, Queue: QueueUpkeep}) // else redrive asks
	return nil
}

// FinishErasures carries on what Erase began until nothing is left, then scrubs the files. It returns how many
// members were finished.
func (r *Room) FinishErasures(ctx context.Context) (int, error) {
	finished := 0
	for {
		more, done, err := r.eraseSome(ctx)
		if err != nil {
			return finished, wrap("finish an erasure", err)
		}
		finished += done
		if !more {
			break
		}
	}
	if finished == 0 {
		return 0, nil
	}
	return finished, wrap("scrub the record", r.record.Scrub(ctx))
}

// eraseSome erases one batch of the first member in the list.
func (r *Room) eraseSome(ctx context.Context) (more bool, done int, err error) {
	err = r.record.Update(ctx, func(tx Tx) error {
		more, done = false, 0
		pending, err := state[[]domain.MemberID](tx, stateErasing)
		if err != nil || pending == nil || len(*pending) == 0 {
			return err
		}
		id := (*pending)[0]
		touched, finished, err := tx.EraseMember(id, eraseBatch)
		if err != nil {
			return err
		}
		if err := tx.Resync(touched); err != nil {
			return err
		}
		more = true
		if !finished {
			return nil
		}
		done = 1
		return setState(tx, stateErasing, slices.Delete(*pending, 0, 1))
	})
	return more, done, err
}

// Erasing says whether an erasure waits to be finished.
func (r *Room) Erasing(ctx context.Context) (waits bool, err error) {
	err = r.record.View(ctx, func(tx Tx) error {
		pending, err := state[[]domain.MemberID](tx, stateErasing)
		waits = pending != nil && len(*pending) > 0
		return err
	})
	return waits, wrap("look for erasures", err)
}

// DropTexts empties texts that are older than the policy retain_days, up to limit, and returns how many. Counts stay.
func (r *Room) DropTexts(ctx context.Context, limit int) (n int, err error) {
	if r.policy.RetainDays == 0 {
		return 0, nil
	}
	err = r.record.Update(ctx, func(tx Tx) (err error) {
		n, err = tx.DropTexts(tx.Now().Add(-time.Duration(r.policy.RetainDays)*24*time.Hour), limit)
		return err
	})
	return n, wrap("drop old texts", err)
}
