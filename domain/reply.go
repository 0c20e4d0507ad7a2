package domain

import "time"

// Reply is one message of the conversation that follows an InMail (R39, R40). Replies never expire and cost
// no credit.
type Reply struct {
	ID     ID
	InMail ID
	From   MemberID
	To     MemberID
	Body   string
	At     time.Time
	ReadAt time.Time // when its recipient first read it; zero: unread
}

// MayReply judges whether from may reply to m at now. Before the first reply only the recipient of a live
// InMail may; after it both write freely (R39, R40). CheckBody judges the body, and the caller judges blocks
// (R16).
func (m *InMail) MayReply(from MemberID, now time.Time) error {
	if m.RepliedAt.IsZero() {
		if from == m.Sender {
			return Refuse(Conflict, "the recipient has not replied yet; until then nothing can be added")
		}
		return m.Gone(now)
	}
	return nil // a conversation goes on, retracted or not (R37, R40)
}
