package mailroom

import (
	"time"

	"inmail/domain"
)

// Observer gets a notice of what happened, after it was committed. It must not block.
type Observer interface{ Notify(n Notice) }

// Notice says that something happened. It is one of the types of this file and carries no text and no id. A
// new type needs a line in Notices; observers of other notices need not change.
type Notice interface{ notice() }

// SendAttempted says that a send was judged by the rules.
type SendAttempted struct{ AccountType domain.AccountType }

// SendRefused says that a rule refused a send, when it was accepted or delivered. Code is the true one.
type SendRefused struct{ Code domain.Code }

// Delivered says that an InMail was delivered. Lag is the time since it was accepted.
type Delivered struct {
	AccountType domain.AccountType
	Lag         time.Duration
}

// Previewed says that N InMails were listed in an inbox for the first time.
type Previewed struct{ N int }

// Opened says that an InMail was opened for the first time. After is the time since T0.
type Opened struct{ After time.Duration }

// Replied says that an InMail got its first reply. After is the time since T0.
type Replied struct{ After time.Duration }

// Declined says that an InMail was declined. After is the time since T0 (R63).
type Declined struct{ After time.Duration }

// AutomaticReply says that a reply was found to be automatic, or was marked so (R64).
type AutomaticReply struct{}

// Expired says that an expiry was persisted. Lag is the time since the window ended (R33).
type Expired struct{ Lag time.Duration }

// Retracted says that an InMail was retracted.
type Retracted struct{ WasOpened bool }

// Reported says that somebody reported an InMail as abuse.
type Reported struct{}

func (SendAttempted) notice()  {}
func (SendRefused) notice()    {}
func (Delivered) notice()      {}
func (Previewed) notice()      {}
func (Opened) notice()         {}
func (Replied) notice()        {}
func (Declined) notice()       {}
func (AutomaticReply) notice() {}
func (Expired) notice()        {}
func (Retracted) notice()      {}
func (Reported) notice()       {}

// Notices returns an empty notice of each type, for code and tests that go through all types.
func Notices() []Notice {
	return []Notice{
		SendAttempted{}, SendRefused{}, Delivered{}, Previewed{}, Opened{}, Replied{}, Expired{}, Retracted{},
		Reported{}, Declined{}, AutomaticReply{}, WebhookTried{}, WebhookOff{},
	}
}
