package mailroom

import (
	"context"
	"time"

	"inmail/domain"
)

// AskRetraction is the first of two steps: it gives a token that confirms within 15 minutes, says what confirming now
// would do, and changes nothing (R34, R35).
func (svc *Service) AskRetraction(ctx context.Context, v Viewer, id domain.ID) (token string, expires time.Time, undone bool, err error) {
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

// ConfirmRetraction is the second step: it retracts, once, judged by the state and the window of this moment
// (R34–R38). Confirming again with a token that still holds gives the same answer.
func (svc *Service) ConfirmRetraction(ctx context.Context, v Viewer, id domain.ID, token string) (undone bool, err error) {
	var m *domain.InMail
	var first bool
	err = svc.record.Update(ctx, func(tx Tx) (err error) {
		if m, err = one(tx.LockInMails, id); err != nil {
			return err
		}
		if err := v.asSender(m); err != nil {
			return err
		}
		// The window is judged before the token, which ends sooner: who comes too late is not told to ask for a new one.
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
