// Package domain holds the rules of an InMail: pure functions and the types that they speak of. It
// asks no clock, stores nothing and knows no driver; now is passed in, UTC, cut to milliseconds.
// The rules are cited by their numbers; README.md beside this file lists each with the file that
// decides it and the tests that prove it.
package domain

import (
	"slices"
	"time"
)

// ID names an InMail or a reply: a UUIDv7 in lower case.
type ID string

// Window is how long an unopened InMail lives, and how long it can be retracted (R32, R34). It is a number of whole
// days, for people and Salesforce count in them. WindowHours is the same for texts.
const (
	Window      = 168 * time.Hour
	WindowHours = int(Window / time.Hour)
)

// Status is where an InMail stands.
type Status string

// The states of an InMail (R54).
const (
	Queued    Status = "queued"
	Refused   Status = "refused"
	Sent      Status = "sent"
	Opened    Status = "opened"
	Replied   Status = "replied"
	Expired   Status = "expired"
	Retracted Status = "retracted"
	Failed    Status = "failed"
)

// Statuses returns all of them.
func Statuses() []Status {
	return []Status{Queued, Refused, Sent, Opened, Replied, Expired, Retracted, Failed}
}

// InMail is one message from one member to exactly one other (R19), with all that its state is
// judged by. Times are UTC; the zero time means "not yet".
type InMail struct {
	ID        ID
	Sender    MemberID
	Recipient MemberID
	Subject   string
	Body      string // the source, as it was sent (R24)
	Preview   string // R30
	Category  string
	Tags      []string // normalised, sorted (R56)
	Status    Status
	Seq       int   // sequence number of the last receipt: 1 is queued (R54)
	Version   int64 // rises with every change that CRMs are to learn of (R53)
	Reason    Code  // of refused and failed: the true reason
	Undone    bool  // of retracted: nobody had read it (R36)
	Replies   int

	AcceptedAt  time.Time
	SentAt      time.Time // T0
	ExpiresAt   time.Time // T0 + Window
	PreviewedAt time.Time
	OpenedAt    time.Time
	RepliedAt   time.Time // of the first reply
	EndedAt     time.Time // when it was refused, failed, expired or retracted

	// What the figures are cut by, kept at T0 so that later changes do not move them (R59, R62).
	AccountType AccountType
	Words       int
	Advice      []string

	CRM CRMIDs // as given on the send or later; an explicit id wins over matching (R55)
}

// Event is what can happen to an InMail.
type Event string

// The events. Each is legal only in the states that Apply names.
const (
	EventDeliver Event = "deliver"
	EventRefuse  Event = "refuse"
	EventFail    Event = "fail"
	EventOpen    Event = "open"
	EventReply   Event = "reply"
	EventExpire  Event = "expire"
	EventRetract Event = "retract"
)

// Receipt says that an InMail reached a status (R54). Seq starts at 1 and rises by one.
type Receipt struct {
	InMail ID
	Seq    int
	Status Status
	At     time.Time
	Reason Code // of refused and failed: the true one; a sender is told Reason.Tell() (R18)
}

// Live says whether the recipient can see the InMail at now: delivered, not expired by the clock
// (R33), not retracted.
func (m *InMail) Live(now time.Time) bool {
	switch m.StatusAt(now) {
	case Sent, Opened, Replied:
		return true
	}
	return false
}

// StatusAt is the status that the clock gives: an unopened InMail is expired from T0 + Window on,
// whether or not a job has persisted it (R32, R33).
func (m *InMail) StatusAt(now time.Time) Status {
	if m.Status == Sent && !now.Before(m.ExpiresAt) {
		return Expired
	}
	return m.Status
}

// Gone returns why the recipient can no longer open the InMail at now: expired (R32) or retracted
// (R36, R37); nil while it is live. Queued, refused and failed ones never arrived: not_found.
func (m *InMail) Gone(now time.Time) error {
	switch m.StatusAt(now) {
	case Sent, Opened, Replied:
		return nil
	case Expired:
		return Refuse(ExpiredCode, "nobody opened this InMail within %d hours; it expired at %s", WindowHours, m.ExpiresAt.Format(time.RFC3339))
	case Retracted:
		return Refuse(RetractedCode, "the sender retracted this InMail at %s", m.EndedAt.Format(time.RFC3339))
	}
	return Refuse(NotFound, "there is no such InMail")
}

// Apply is the one way in which an InMail changes its state: it judges whether e is legal at now,
// changes m and returns the receipts that follow, numbered on from m.Seq. An event that changes
// nothing (a second open, a second retract) returns no receipts and no error; one that is not
// legal returns a Refusal and leaves m as it was. The SQL that persists a change repeats the
// state it started from as a guard, so a race has one winner (R38).
func (m *InMail) Apply(e Event, now time.Time, reason Code) ([]Receipt, error) {
	at := now
	switch e {
	case EventDeliver:
		if m.Status != Queued {
			return nil, m.illegal(e)
		}
		m.SentAt, m.ExpiresAt = now, now.Add(Window)
		return m.reach(at, "", Sent), nil
	case EventRefuse:
		if m.Status != Queued {
			return nil, m.illegal(e)
		}
		m.Reason, m.EndedAt = reason, now
		return m.reach(at, reason, Refused), nil
	case EventFail:
		if m.Status != Queued {
			return nil, m.illegal(e)
		}
		m.Reason, m.EndedAt = reason, now
		return m.reach(at, reason, Failed), nil
	case EventOpen:
		if err := m.Gone(now); err != nil {
			return nil, err
		}
		if m.Status != Sent {
			return nil, nil // opened once, for ever (R31)
		}
		m.OpenedAt = now
		return m.reach(at, "", Opened), nil
	case EventReply:
		if m.Status == Retracted && !m.RepliedAt.IsZero() {
			return nil, nil // a conversation goes on (R37)
		}
		if err := m.Gone(now); err != nil {
			return nil, err
		}
		var receipts []Receipt
		if m.Status == Sent { // replying opens (R39)
			m.OpenedAt = now
			receipts = m.reach(at, "", Opened)
		}
		if m.Status == Opened {
			m.RepliedAt = now
			receipts = append(receipts, m.reach(at, "", Replied)...)
		}
		return receipts, nil
	case EventExpire:
		if m.Status != Sent || now.Before(m.ExpiresAt) {
			return nil, m.illegal(e)
		}
		m.EndedAt = m.ExpiresAt // what the clock decided, not when the job came by (R33)
		return m.reach(m.ExpiresAt, "", Expired), nil
	case EventRetract:
		if m.Status == Retracted {
			return nil, nil
		}
		if err := m.retractable(now); err != nil {
			return nil, err
		}
		m.Undone = m.Status == Sent
		m.EndedAt = now
		return m.reach(at, "", Retracted), nil
	}
	return nil, m.illegal(e)
}

// reach moves m to a status and returns its receipt.
func (m *InMail) reach(at time.Time, reason Code, s Status) []Receipt {
	m.Status = s
	m.Seq++
	m.Version++
	return []Receipt{{InMail: m.ID, Seq: m.Seq, Status: s, At: at, Reason: reason}}
}

func (m *InMail) illegal(e Event) error {
	return Refuse(Conflict, "an InMail that is %s cannot take the event %s", m.Status, e)
}

// New returns a queued InMail with its first receipt; seq and version start at 1.
func New(m InMail, now time.Time) (*InMail, Receipt) {
	m.Status, m.Seq, m.Version, m.AcceptedAt = Queued, 1, 1, now
	slices.Sort(m.Tags)
	return &m, Receipt{InMail: m.ID, Seq: 1, Status: Queued, At: now}
}

// Path returns the receipts as they are at now: a clock that has expired the InMail has written its
// receipt, even before the job persists it (R33).
func (m *InMail) Path(receipts []Receipt, now time.Time) []Receipt {
	if m.StatusAt(now) == Expired && m.Status == Sent {
		return append(slices.Clip(receipts), Receipt{InMail: m.ID, Seq: m.Seq + 1, Status: Expired, At: m.ExpiresAt})
	}
	return receipts
}
