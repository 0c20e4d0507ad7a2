package mailroom

import (
	"context"

	"inmail/domain"
)

// Decline lets the recipient of a live, unanswered InMail decline it, with a reason that only the sender and
// operators see; it may be empty. Declining opens, and is final. Declining again changes nothing (R63).
func (svc *Service) Decline(ctx context.Context, v Viewer, id domain.ID, reason string) error {
	if err := CheckText(reason); err != nil {
		return err
	}
	reason, err := domain.DeclineReason(reason)
	if err != nil {
		return err
	}
	var m *domain.InMail
	var receipts []domain.Receipt
	err = svc.record.Update(ctx, func(tx Tx) (err error) {
		if m, err = one(tx.LockInMails, id); err != nil {
			return err
		}
		if err := v.asRecipient(m); err != nil {
			return err
		}
		change := Change{InMail: m, FromStatus: m.Status, FromVersion: m.Version}
		before := m.Outcome()
		if change.Receipts, err = m.Apply(domain.EventDecline, tx.Now(), ""); err != nil {
			return err
		}
		if receipts = change.Receipts; len(receipts) == 0 {
			return nil
		}
		m.DeclineReason = reason
		if svc.policy.CreditBackOnDecline {
			if err := svc.giveBack(tx, m); err != nil {
				return err
			}
		}
		return svc.move(tx, change, before)
	})
	if err != nil {
		return wrap("decline", err)
	}
	svc.notify(m, receipts)
	return nil
}

// notify sends the observer notices of the receipts of one InMail.
func (svc *Service) notify(m *domain.InMail, receipts []domain.Receipt) {
	for _, receipt := range receipts {
		switch receipt.Status {
		case domain.Opened:
			svc.observer.Notify(Opened{m.OpenedAt.Sub(m.SentAt)})
		case domain.Replied:
			svc.observer.Notify(Replied{m.RepliedAt.Sub(m.SentAt)})
		case domain.Declined:
			svc.observer.Notify(Declined{m.DeclinedAt.Sub(m.SentAt)})
		}
	}
}
