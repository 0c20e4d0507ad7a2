package mailroom

import (
	"context"

	"inmail/domain"
	"inmail/domain/autoreply"
)

// isAutomatic reports whether a reply is automatic: its request says so, or its text is a notice of absence
// or of failed delivery, as far as the policy detect_automatic asks (R64).
func (svc *Service) isAutomatic(asked bool, text domain.Text) bool {
	if asked || !svc.policy.DetectAutomatic {
		return asked
	}
	found, _ := autoreply.Detect(text.Body.Text())
	return found
}

// MarkAutomatic lets the sender, or an operator, say whether a reply is automatic (R64). A reply of the
// recipient that is not makes the InMail opened and replied at the reply's time, unless the InMail has
// expired, was retracted or declined; when none is left, what was opened stays opened. The figures and the
// credit follow in the same transaction (R11, R57–R59).
func (svc *Service) MarkAutomatic(ctx context.Context, v Viewer, id, reply domain.ID, automatic bool) error {
	var m *domain.InMail
	var receipts []domain.Receipt
	changed := false
	err := svc.record.Update(ctx, func(tx Tx) (err error) {
		receipts, changed = nil, false
		if m, err = one(tx.LockInMails, id); err != nil {
			return err
		}
		_, recipient, err := v.side(m)
		if err != nil {
			return err
		}
		r, err := tx.Reply(id, reply)
		if err != nil {
			return err
		}
		if r == nil {
			return refuse(domain.NotFound, "this InMail has no such reply")
		}
		if recipient {
			return refuse(domain.Forbidden, "only the sender of this InMail or an operator may do this")
		}
		if r.Automatic == automatic {
			return nil
		}
		changed = true
		if err := tx.MarkAutomatic(reply, automatic); err != nil {
			return err
		}
		receipts, err = svc.correct(tx, m, automatic)
		return err
	})
	if err != nil {
		return wrap("mark a reply", err)
	}
	if changed && automatic {
		svc.observer.Notify(AutomaticReply{})
	}
	if changed && !automatic {
		svc.notify(m, receipts)
	}
	return nil
}

// correct changes an InMail after one of its replies was marked, with all that follows from its first reply.
func (svc *Service) correct(tx Tx, m *domain.InMail, automatic bool) ([]domain.Receipt, error) {
	first, err := tx.FirstReply(m.ID, m.Recipient)
	if err != nil {
		return nil, err
	}
	change := Change{InMail: m, FromStatus: m.Status, FromVersion: m.Version}
	before, inTime := m.Outcome(), m.InTime(svc.responseWindow())
	if change.Receipts, err = m.Correct(first, tx.Now()); err != nil {
		return nil, err
	}
	if automatic {
		m.Replies, m.Automatic = m.Replies-1, m.Automatic+1
	} else {
		m.Replies, m.Automatic = m.Replies+1, m.Automatic-1
	}
	if m.Version == change.FromVersion {
		m.Version++ // the number of replies changes
	}
	if err := svc.creditReply(tx, m); err != nil {
		return nil, err
	}
	if err := svc.move(tx, change, before); err != nil {
		return nil, err
	}
	return change.Receipts, tx.Count(domain.RepliedInTimeCounts(m, inTime, m.InTime(svc.responseWindow())))
}
