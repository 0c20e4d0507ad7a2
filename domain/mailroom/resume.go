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

// resumeBatch is how many queued InMails Resume fails in one transaction.
const resumeBatch = 500

// Resumed is what Resume did.
type Resumed struct {
	WasHeld bool // false: nothing was done
	Failed  int  // InMails that were queued and are not sent
	Queued  int  // InMails that were queued and are sent now, as the operator asked
}

// Queued says what becomes of the queued InMails of a held record.
type Queued string

// The values of Queued; the empty one is QueuedFail.
const (
	QueuedFail Queued = "fail"
	QueuedSend Queued = "send"
)

// Resume lets a held record go on (R61). What is queued in it was accepted before the copy or the backup was
// made, and its original may have sent it since, which nothing here shows. So each of them becomes failed,
// reason restored, and spends nothing; with QueuedSend they are sent, which is right only when nobody has
// worked on the original since, as after a move. A record that is not held is left as it is.
func (svc *Service) Resume(ctx context.Context, v Viewer, queued Queued) (Resumed, error) {
	var done Resumed
	if svc.record.Held() == nil {
		return done, nil
	}
	done.WasHeld = true
	for more := queued != QueuedSend; more; {
		n, err := svc.failQueued(ctx)
		if err != nil {
			return done, fmt.Errorf("resume: %w", err)
		}
		done.Failed += n
		more = n > 0
	}
	err := svc.record.UpdateHeld(ctx, func(tx Tx) error {
		queued, err := tx.QueuedBefore(tx.Now().Add(time.Millisecond), redriveAtResume)
		if err != nil {
			return err
		}
		done.Queued = len(queued)
		detail, err := json.Marshal(map[string]int{"failed": done.Failed, "queued": done.Queued})
		if err != nil {
			return err
		}
		return tx.AppendAudit([]AuditEntry{
			{ID: string(svc.ids.NewID()), At: tx.Now(), Kind: DecidedResume, By: v.KeyID, Detail: detail}})
	})
	if err != nil {
		return done, fmt.Errorf("resume: %w", err)
	}
	if err := svc.record.Unhold(ctx); err != nil {
		return done, fmt.Errorf("resume: %w", err)
	}
	return done, wrap("store the anchor day", svc.noteAnchorDay(ctx))
}

// redriveAtResume is up to how many InMails Resume counts as queued.
const redriveAtResume = 1_000_000

// errStillQueued is the error when queued InMails cannot be claimed.
var errStillQueued = errors.New("queued InMails are locked by another process; end it, and resume again")

// failQueued fails up to resumeBatch queued InMails and returns how many.
func (svc *Service) failQueued(ctx context.Context) (failed int, err error) {
	err = svc.record.UpdateHeld(ctx, func(tx Tx) error {
		failed = 0
		ids, err := tx.QueuedBefore(tx.Now().Add(time.Millisecond), resumeBatch)
		if err != nil || len(ids) == 0 {
			return err
		}
		queued, err := tx.ClaimQueued(ids)
		if err != nil {
			return err
		}
		if len(queued) == 0 {
			return errStillQueued
		}
		pairs := make([]Pair, 0, len(queued))
		changes := make([]Change, 0, len(queued))
		for _, m := range queued {
			pairs = append(pairs, Pair{m.Sender, m.Recipient})
			change := Change{InMail: m, FromStatus: m.Status, FromVersion: m.Version}
			if change.Receipts, err = m.Apply(domain.EventFail, tx.Now(), domain.Restored); err != nil {
				return fmt.Errorf("InMail %s: %w", m.ID, err)
			}
			changes = append(changes, change)
		}
		failed = len(changes)
		return errors.Join(save(tx, changes), svc.eraseGone(tx, pairs))
	})
	return failed, err
}

// eraseGone begins to erase what InMails still have of members who were erased while these were accepted, as
// a delivery does (R60).
func (svc *Service) eraseGone(tx Tx, pairs []Pair) error {
	sides := sidesOf(pairs)
	there, err := tx.Members(sides)
	if err != nil {
		return err
	}
	gone := slices.DeleteFunc(sides, func(id domain.MemberID) bool { return id == domain.Erased || there[id] != nil })
	if len(gone) == 0 {
		return nil
	}
	return svc.beginErasing(tx, gone...)
}
