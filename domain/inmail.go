// Package domain contains the rules of an InMail as pure functions, and their types. It reads no clock,
// stores nothing and knows no driver; now is passed in, in UTC and whole milliseconds. Comments cite the
// rules by number; README.md in this folder lists each rule with the file that decides it and the tests that
// prove it.
package domain

import (
	"slices"
	"strings"
	"time"
)

// ID identifies an InMail or a reply: a UUIDv7 in lower case.
type ID string

// Window is how long after delivery an InMail can be opened and retracted (R32, R34). It must be whole days,
// because people and CRMs count in days. WindowHours is the same in hours, for texts.
const (
	Window      = 168 * time.Hour
	WindowHours = int(Window / time.Hour)
)

// Status is the state of an InMail.
type Status string

// The states of an InMail (R54).
const (
	Queued    Status = "queued"
	Refused   Status = "refused"
	Sent      Status = "sent"
	Opened    Status = "opened"
	Replied   Status = "replied"
	Declined  Status = "declined" // R63
	Expired   Status = "expired"
	Retracted Status = "retracted"
	Failed    Status = "failed"
)

// Statuses returns all states.
func Statuses() []Status {
	return []Status{Queued, Refused, Sent, Opened, Replied, Declined, Expired, Retracted, Failed}
}

// InMail is one message from one member to exactly one other (R19), with all that decides its state. Times
// are UTC; the zero time means "not yet".
type InMail struct {
	ID        ID
	Sender    MemberID
	Recipient MemberID
	Subject   string
	Body      string // the source as it was sent (R24)
	Preview   string // R30
	Category  string
	Tags      []string // normalised, sorted (R56)
	Status    Status
	Seq       int   // sequence number of the last receipt; 1: queued (R54)
	Version   int64 // rises with every change that must reach the CRMs (R53)
	Reason    Code  // the true reason of refused and failed; else ""
	Undone    bool  // it was retracted before anybody read it (R36)
	Replies   int   // messages of the conversation, without automatic ones (R40)
	Automatic int   // automatic replies, which change nothing else of the InMail (R64)

	AcceptedAt  time.Time
	SentAt      time.Time // T0
	ExpiresAt   time.Time // T0 + Window
	PreviewedAt time.Time
	OpenedAt    time.Time
	RepliedAt   time.Time // of the first reply that is not automatic
	DeclinedAt  time.Time // R63
	CreditedAt  time.Time // when its credit came back; zero: it did not (R11)
	EndedAt     time.Time // when it was refused, failed, expired or retracted

	// AccountType, Words and Advice are dimensions of the figures. They are fixed at T0, so that later
	// changes of the member do not move the InMail between counts (R59, R62).
	AccountType AccountType
	Words       int
	Advice      []string

	DeclineReason string // the recipient's own words, for the sender and operators; may be empty (R63)

	CRM CRMIDs // as given with the send or later; a given id takes precedence over matching (R55)
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
	EventDecline Event = "decline"
	EventExpire  Event = "expire"
	EventRetract Event = "retract"
)

// Receipt records that an InMail reached a status (R54). Seq starts at 1 and rises by one.
type Receipt struct {
	InMail ID
	Seq    int
	Status Status
	At     time.Time
	Reason Code // the true reason of refused and failed; a sender is shown Reason.ForSender() (R18)
}

// Live reports whether the recipient can see the InMail at now: it is delivered, not expired by the clock
// (R33), and not retracted.
func (m *InMail) Live(now time.Time) bool {
	switch m.StatusAt(now) {
	case Sent, Opened, Replied, Declined:
		return true
	}
	return false
}

// StatusAt returns the status at now: an unopened InMail is expired from T0 + Window on, whether or not a job
// has persisted it (R32, R33).
func (m *InMail) StatusAt(now time.Time) Status {
	if m.Status == Sent && !now.Before(m.ExpiresAt) {
		return Expired
	}
	return m.Status
}

// Gone returns why the recipient cannot open the InMail at now: expired (R32), retracted (R36, R37) or, if it
// never arrived (queued, refused, failed), not_found. It is nil while the InMail is live.
func (m *InMail) Gone(now time.Time) error {
	switch m.StatusAt(now) {
	case Sent, Opened, Replied, Declined:
		return nil
	case Expired:
		return Refuse(ExpiredCode, "nobody opened this InMail within %d hours; it expired at %s", WindowHours, m.ExpiresAt.Format(time.RFC3339))
	case Retracted:
		return Refuse(RetractedCode, "the sender retracted this InMail at %s", m.EndedAt.Format(time.RFC3339))
	}
	return Refuse(NotFound, "there is no such InMail")
}

// Apply is the only function that changes the state of an InMail. It judges whether e is legal at now,
// changes m and returns the receipts, numbered from m.Seq+1 on. An event that changes nothing (a second open,
// a second retract) returns no receipts and no error. An illegal event returns a Refusal and does not change
// m. The SQL that persists a change has the state before it as a guard, so that one of several racing events
// wins (R38).
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
			return nil, nil // an InMail is opened once (R31)
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
		if m.Status == Declined {
			return nil, m.illegal(e) // a decline is final (R63)
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
	case EventDecline:
		return m.decline(now)
	case EventExpire:
		if m.Status != Sent || now.Before(m.ExpiresAt) {
			return nil, m.illegal(e)
		}
		m.EndedAt = m.ExpiresAt // the time that the clock decided, not the time of the job (R33)
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

// reach moves m to status s and returns the receipt.
func (m *InMail) reach(at time.Time, reason Code, s Status) []Receipt {
	m.Status = s
	m.Seq++
	m.Version++
	return []Receipt{{InMail: m.ID, Seq: m.Seq, Status: s, At: at, Reason: reason}}
}

func (m *InMail) illegal(e Event) error {
	return Refuse(Conflict, "an InMail that is %s cannot take the event %s", m.Status, e)
}

// New returns m as a queued InMail with its first receipt; Seq and Version start at 1.
func New(m InMail, now time.Time) (*InMail, Receipt) {
	m.Status, m.Seq, m.Version, m.AcceptedAt = Queued, 1, 1, now
	slices.Sort(m.Tags)
	return &m, Receipt{InMail: m.ID, Seq: 1, Status: Queued, At: now}
}

// Path returns the receipts at now, which include the one of an expiry that no job has persisted yet (R33).
func (m *InMail) Path(receipts []Receipt, now time.Time) []Receipt {
	if m.StatusAt(now) == Expired && m.Status == Sent {
		return append(slices.Clip(receipts), Receipt{InMail: m.ID, Seq: m.Seq + 1, Status: Expired, At: m.ExpiresAt})
	}
	return receipts
}

// ParseID returns a UUID in lower case, the form in which ids are stored; ok is false for any other text.
func ParseID(s string) (id ID, ok bool) {
	if len(s) != 36 {
		return "", false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return "", false
			}
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
		default:
			return "", false
		}
	}
	return ID(strings.ToLower(s)), true
}
