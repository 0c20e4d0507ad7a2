package domain

import "time"

// Reply is one message of the conversation that follows an InMail (R39, R40). Replies never expire and cost
// no credit.
type Reply struct {
	ID        ID
	InMail    ID
	From      MemberID
	To        MemberID
	Body      string
	Automatic bool // it is an automatic reply, which changes nothing of the InMail (R64)
	At        time.Time
	ReadAt    time.Time // when its recipient first read it; zero: unread
}

// MayReply judges whether from may reply to m at now. Before the first reply only the recipient of a live
// InMail may; after it both write freely (R39, R40). After a decline nobody adds anything (R63). CheckBody
// judges the body, and the caller judges blocks (R16).
func (m *InMail) MayReply(from MemberID, now time.Time) error {
	if !m.RepliedAt.IsZero() {
		return nil // a conversation goes on, retracted or not (R37, R40)
	}
	if m.Status == Declined {
		return Refuse(Conflict, "this InMail was declined at %s; nothing can be added to it", m.DeclinedAt.Format(time.RFC3339))
	}
	if from == m.Sender {
		return Refuse(Conflict, "the recipient has not replied yet; until then nothing can be added")
	}
	return m.Gone(now)
}

// Correct changes m after a person has said which replies are automatic (R64). first is the time of the
// recipient's first reply that is not; zero: there is none. A reply that counts from now on makes m opened
// and replied at its time; an InMail that has expired, was retracted or declined refuses it. When none counts
// any more, what was opened stays opened. It returns the receipts of the change.
func (m *InMail) Correct(first, now time.Time) ([]Receipt, error) {
	switch {
	case first.Equal(m.RepliedAt):
		return nil, nil
	case first.IsZero():
		return m.withoutReply(now), nil
	case !m.RepliedAt.IsZero():
		m.RepliedAt = first // another reply is the first
		m.Version++
		return nil, nil
	}
	if err := m.Gone(now); err != nil {
		return nil, err
	}
	if m.Status == Declined {
		return nil, Refuse(Conflict, "this InMail was declined at %s, which is final", m.DeclinedAt.Format(time.RFC3339))
	}
	var receipts []Receipt
	if m.Status == Sent {
		m.OpenedAt = first
		receipts = m.reach(first, "", Opened)
	}
	m.RepliedAt = first
	return append(receipts, m.reach(first, "", Replied)...), nil
}

// withoutReply takes the reply back that m counted as. One that was retracted stays so.
func (m *InMail) withoutReply(now time.Time) []Receipt {
	m.RepliedAt = time.Time{}
	if m.Status == Replied {
		return m.reach(now, "", Opened)
	}
	m.Version++
	return nil
}
