package mailroom

import (
	"context"
	"errors"
	"time"

	"inmail/domain"
)

// ReplyView is one message of a conversation.
type ReplyView struct {
	ID       domain.ID
	From     Person
	Body     string
	BodyHTML string
	At       time.Time
}

// Reply adds a message to the conversation of an InMail. The first is by the recipient of a live InMail; it
// opens the InMail and costs nothing (R39). After that both sides write as much as they want (R40). A block
// stops replies too (R16).
func (svc *Service) Reply(ctx context.Context, v Viewer, id domain.ID, body string) (domain.ID, error) {
	if err := CheckText(body); err != nil {
		return "", err
	}
	text := domain.ReadText("", body, false)
	reply := &domain.Reply{ID: svc.ids.NewID(), InMail: id, From: v.Member, Body: body}
	var m *domain.InMail
	var receipts []domain.Receipt
	err := svc.record.Update(ctx, func(tx Tx) (err error) {
		if m, err = one(tx.LockInMails, id); err != nil {
			return err
		}
		_, recipient, err := v.side(m)
		if err != nil {
			return err
		}
		if err := m.MayReply(v.Member, tx.Now()); err != nil {
			return err
		}
		reply.At, reply.To = tx.Now(), m.Sender
		if !recipient {
			reply.To = m.Recipient
		}
		if err := svc.mayWrite(tx, reply); err != nil {
			return err
		}
		if refusals := domain.CheckBody(body, text.Body); len(refusals) > 0 {
			return refusals[0]
		}
		change := Change{InMail: m, FromStatus: m.Status, FromVersion: m.Version}
		before := m.Outcome()
		if recipient {
			if change.Receipts, err = m.Apply(domain.EventReply, tx.Now(), ""); err != nil {
				return err
			}
		}
		receipts = change.Receipts
		m.Replies++
		m.Version++
		if err := svc.move(tx, change, before); err != nil {
			return err
		}
		if err := tx.InsertReplies([]*domain.Reply{reply}); err != nil {
			return err
		}
		if replied(receipts) {
			return svc.firstReply(tx, m)
		}
		return nil
	})
	if err != nil {
		return "", wrap("reply", err)
	}
	for _, receipt := range receipts {
		switch receipt.Status {
		case domain.Opened:
			svc.observer.Notify(Opened{m.OpenedAt.Sub(m.SentAt)})
		case domain.Replied:
			svc.observer.Notify(Replied{m.RepliedAt.Sub(m.SentAt)})
		}
	}
	return reply.ID, nil
}

func replied(receipts []domain.Receipt) bool {
	return len(receipts) > 0 && receipts[len(receipts)-1].Status == domain.Replied
}

// mayWrite refuses a message when either member has blocked the other or is erased. The writer gets
// recipient_unavailable (R16, R18).
func (svc *Service) mayWrite(tx Tx, reply *domain.Reply) error {
	between, err := tx.Pairs([]Pair{{reply.From, reply.To}})
	if err != nil {
		return err
	}
	other, err := tx.Members([]domain.MemberID{reply.To})
	if err != nil {
		return err
	}
	if between[0].Blocked || other[reply.To] == nil {
		return domain.Refuse(domain.Blocked, "one of the two has blocked the other").ForSender()
	}
	return nil
}

// firstReply does, once, what follows from the first reply: it counts a reply in time (R58), returns the
// credit where the policy says so (R11), and stores a lesson for the filter.
func (svc *Service) firstReply(tx Tx, m *domain.InMail) error {
	if m.InTime(svc.responseWindow()) {
		if err := tx.Count(domain.RepliedInTimeCounts(m)); err != nil {
			return err
		}
	}
	if domain.ReturnsCredit(m.SentAt, m.RepliedAt, svc.policy.CreditBackOnReplyDays) {
		if err := svc.giveBack(tx, m); err != nil {
			return err
		}
	}
	return tx.AppendLessons([]Lesson{{InMail: m.ID, Spam: false}})
}

// giveBack returns the credit of m to the period that paid for it, or to the current one when that is over
// (R11).
func (svc *Service) giveBack(tx Tx, m *domain.InMail) error {
	accounts, err := tx.Accounts([]domain.MemberID{m.Sender}, svc.policy.AnchorDay, false, svc.allowance)
	if err != nil {
		return err
	}
	a, ok := accounts[m.Sender]
	if !ok {
		return nil // the sender is erased
	}
	current := domain.PeriodStart(tx.Now(), a.AnchorDay)
	move := CreditMove{Member: m.Sender, PeriodStart: current, Returned: 1}
	if domain.PeriodStart(m.SentAt, a.AnchorDay).Equal(current) {
		move.Used, move.Returned = -1, 0
	}
	return tx.Spend([]CreditMove{move})
}

func (svc *Service) responseWindow() time.Duration {
	return time.Duration(svc.policy.ResponseWindowDays) * 24 * time.Hour
}

// Replies lists a conversation for either side, oldest first by (At, ID), and marks the other side's messages
// as read.
func (svc *Service) Replies(ctx context.Context, v Viewer, id domain.ID, p Page) ([]ReplyView, error) {
	var views []ReplyView
	list := func(reader domain.MemberID) func(tx Tx) error {
		return func(tx Tx) error {
			m, err := one(tx.InMails, id)
			if err != nil {
				return err
			}
			if _, _, err := v.side(m); err != nil {
				return err
			}
			views, err = svc.conversation(tx, m, reader, p)
			return err
		}
	}
	err := svc.record.Update(ctx, list(v.Member))
	if errors.Is(err, ErrUnavailable) { // the record can be read but not written: they stay unread
		err = svc.record.View(ctx, list(""))
	}
	return views, wrap("list replies", err)
}

// conversation returns replies and marks those to reader as read. A bare operator marks nothing.
func (svc *Service) conversation(tx Tx, m *domain.InMail, reader domain.MemberID, p Page) ([]ReplyView, error) {
	replies, err := tx.Replies(m.ID, p)
	if err != nil {
		return nil, err
	}
	if reader != "" {
		if err := tx.MarkRead(m.ID, reader); err != nil {
			return nil, err
		}
	}
	people, err := svc.people(tx, []domain.MemberID{m.Sender, m.Recipient})
	if err != nil {
		return nil, err
	}
	views := make([]ReplyView, len(replies))
	for i, reply := range replies {
		views[i] = ReplyView{ID: reply.ID, From: people[reply.From], Body: reply.Body, At: reply.At,
			BodyHTML: domain.ReadText("", reply.Body, false).Body.HTML()}
	}
	return views, nil
}
