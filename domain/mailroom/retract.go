package mailroom

import (
	"context"
	"time"

	"inmail/domain"
)

// AskRetraction is the first of two steps. It returns a token that confirms the retraction within 15 minutes,
// and whether confirming now would undo the InMail. It changes nothing (R34, R35).
func (svc *Service) AskRetraction(ctx context.Context, v Viewer,
	id domain.ID) (token string, expires time.Time, undone bool, err error) {
	err = svc.record.View(ctx, func(tx Tx) error {
		m, err := one(tx.InMails, id)
		if err != nil {
			return err
		}
		if err := v.asSender(m); err != nil {
			return err
		}
		if undone, err = m.AskRetraction(tx.Now(), svc.policy.RetractOpened); err != nil {
			return err
		}
		expires = tx.Now().Add(domain.ConfirmFor)
		token = domain.ConfirmToken(svc.confirm, id, expires)
		return nil
	})
	return token, expires, undone, wrap("ask for a retraction", err)
}

// ConfirmRetraction is the second step. It retracts once, judged by the current state and window (R34–R38).
// Confirming again with a token that is still valid returns the same answer.
func (svc *Service) ConfirmRetraction(ctx context.Context, v Viewer, id domain.ID,
	token string) (undone bool, err error) {
	var m *domain.InMail
	var first bool
	err = svc.record.Update(ctx, func(tx Tx) (err error) {
		if m, err = one(tx.LockInMails, id); err != nil {
			return err
		}
		if err := v.asSender(m); err != nil {
			return err
		}
		// The window is judged before the token, which may end sooner, so that a sender who is too late is
		// not asked to get a new token.
		if _, err := m.AskRetraction(tx.Now(), svc.policy.RetractOpened); err != nil {
			return err
		}
		if err := domain.CheckToken(svc.confirm, id, token, tx.Now()); err != nil {
			return err
		}
		change := Change{InMail: m, FromStatus: m.Status, FromVersion: m.Version}
		before := m.Outcome()
		if change.Receipts, err = m.Apply(domain.EventRetract, tx.Now(), ""); err != nil {
			return err
		}
		if first = len(change.Receipts) > 0; !first {
			return nil
		}
		return svc.move(tx, change, before)
	})
	if err != nil {
		return false, wrap("retract", err)
	}
	if first {
		svc.observer.Notify(Retracted{WasOpened: !m.Undone})
	}
	return m.Undone, nil
}
