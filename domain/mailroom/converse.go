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
	// Automatic says that it is an automatic reply, which changed nothing of the InMail (R64).
	Automatic bool
	At        time.Time
}

// Message is what a member adds to a conversation.
type Message struct {
	Body      string
	Automatic bool // it says of itself that it is an automatic reply (R64)
}

// Reply adds a message to the conversation of an InMail that does not say of itself that it is automatic.
func (svc *Service) Reply(ctx context.Context, v Viewer, id domain.ID, body string) (domain.ID, error) {
	return svc.ReplyWith(ctx, v, id, Message{Body: body})
}

// ReplyWith adds a message to the conversation of an InMail. The first is by the recipient of a live InMail;
// it opens the InMail and costs nothing (R39). After that both sides write as much as they want (R40). An
// automatic reply is kept, and changes nothing of the InMail (R64). A block stops replies too (R16).
func (svc *Service) ReplyWith(ctx context.Context, v Viewer, id domain.ID, message Message) (domain.ID, error) {
	if err := CheckText(message.Body); err != nil {
		return "", err
	}
	text := domain.ReadText("", message.Body, false)
	reply := &domain.Reply{ID: svc.ids.NewID(), InMail: id, From: v.Member, Body: message.Body,
		Automatic: svc.isAutomatic(message.Automatic, text)}
	var m *domain.InMail
	var receipts []domain.Receipt
	err := svc.record.Update(ctx, func(tx Tx) (err error) {
		receipts = nil
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
		if refusals := domain.CheckBody(message.Body, text.Body); len(refusals) > 0 {
			return refusals[0]
		}
		if err := tx.InsertReplies([]*domain.Reply{reply}); err != nil {
			return err
		}
		receipts, err = svc.addReply(tx, m, reply, recipient)
		return err
	})
	if err != nil {
		return "", wrap("reply", err)
	}
	if reply.Automatic {
		svc.observer.Notify(AutomaticReply{})
	}
	svc.notify(m, receipts)
	return reply.ID, nil
}

// addReply changes the InMail that a new reply belongs to.
func (svc *Service) addReply(tx Tx, m *domain.InMail, reply *domain.Reply, recipient bool) ([]domain.Receipt, error) {
	change := Change{InMail: m, FromStatus: m.Status, FromVersion: m.Version}
	before := m.Outcome()
	event := Event{Kind: InMailReply, InMail: m.ID, Seq: m.Seq, About: string(reply.ID)}
	if reply.Automatic {
		m.Automatic++ // for the record alone: the CRMs get nothing, so the version stays
		return nil, save(tx, []Change{change}, event)
	}
	if recipient {
		var err error
		if change.Receipts, err = m.Apply(domain.EventReply, tx.Now(), ""); err != nil {
			return nil, err
		}
	}
	m.Replies++
	m.Version++
	event.Seq = m.Seq
	first := replied(change.Receipts)
	if first {
		if err := svc.creditReply(tx, m); err != nil {
			return nil, err
		}
	}
	if err := svc.move(tx, change, before, event); err != nil || !first {
		return change.Receipts, err
	}
	if err := tx.Count(domain.RepliedInTimeCounts(m, false, m.InTime(svc.responseWindow()))); err != nil {
		return nil, err
	}
	return change.Receipts, tx.AppendLessons([]Lesson{{InMail: m.ID, Spam: false}})
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

// creditReply returns the credit of m when its first reply came within the days of the policy, and takes it
// back when it has no such reply any more (R11, R64). The caller stores m.
func (svc *Service) creditReply(tx Tx, m *domain.InMail) error {
	due := !m.RepliedAt.IsZero() && domain.ReturnsCredit(m.SentAt, m.RepliedAt, svc.policy.CreditBackOnReplyDays)
	switch {
	case due && m.CreditedAt.IsZero():
		return svc.giveBack(tx, m)
	case !due && !m.CreditedAt.IsZero():
		return svc.takeBack(tx, m)
	}
	return nil
}

// giveBack returns the credit of m to the period that paid for it, or to the current one when that is over
// (R11). The caller stores m.
func (svc *Service) giveBack(tx Tx, m *domain.InMail) error {
	m.CreditedAt = tx.Now()
	return svc.moveCredit(tx, m, 1)
}

// takeBack undoes giveBack, in the period to which that returned the credit.
func (svc *Service) takeBack(tx Tx, m *domain.InMail) error {
	err := svc.moveCredit(tx, m, -1)
	m.CreditedAt = time.Time{}
	return err
}

// moveCredit returns n credits at the time at which the credit of m came back.
func (svc *Service) moveCredit(tx Tx, m *domain.InMail, n int) error {
	accounts, err := tx.Accounts([]domain.MemberID{m.Sender}, svc.policy.AnchorDay, false, svc.allowance)
	if err != nil {
		return err
	}
	a, ok := accounts[m.Sender]
	if !ok {
		return nil // the sender is erased
	}
	period := domain.PeriodStart(m.CreditedAt, a.AnchorDay)
	move := CreditMove{Member: m.Sender, PeriodStart: period, Returned: n}
	if domain.PeriodStart(m.SentAt, a.AnchorDay).Equal(period) {
		move.Used, move.Returned = -n, 0
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
			Automatic: reply.Automatic,
			BodyHTML:  domain.ReadText("", reply.Body, false).Body.HTML()}
	}
	return views, nil
}
