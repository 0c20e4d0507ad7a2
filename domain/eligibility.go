package domain

import "time"

// Case is all the input of the rules that judge one send: the sender and the recipient, their relation, the
// credits, and the refusals of the text. It is judged when the InMail is accepted, and again when it is
// delivered (R21).
type Case struct {
	Now          time.Time
	From, To     MemberID
	Sender       *Member   // nil: unknown or closed (R13)
	Recipient    *Member   // nil: unknown (R13)
	Left         int       // credits that this send may use: Available at accept, Remaining at delivery (R10)
	Credits      Credits   // only for the text of the refusal
	Restricted   time.Time // when the sender's restriction ends; zero: none (R42)
	Why          string    // the trigger of that restriction
	Connected    bool      // they are 1st-degree connections (R12)
	Blocked      bool      // one of them has blocked the other (R16)
	Banned       bool      // the recipient or its company is on the banned list (R17)
	Awaiting     bool      // an earlier InMail of the pair is queued, or live and unanswered (R20)
	AllowTwice   bool      // the policy allow_second_inmail (R20)
	DeclinedAt   time.Time // when the recipient last declined an InMail of the sender; zero: never (R63)
	DeclinedDays int       // the policy declined_days (R63)
	Received     Received  // what reached the recipient, from all senders (R65)
	WeekLimit    int       // of the recipient; 0: none (R65)
	Content      []*Refusal
}

// Refusals judges a case by every rule and returns all refusals in the order of R21: the first is reported,
// all are recorded. Without refusals the InMail may be sent. An unknown sender has no account to judge, so it
// gets that one refusal only.
func (c Case) Refusals() []*Refusal {
	if c.Sender == nil {
		return []*Refusal{Refuse(UnknownSender, "the sender is not a member; create the member first")}
	}
	var rs []*Refusal
	if c.Now.Before(c.Restricted) {
		r := Refuse(Restricted, "sending is restricted until %s because of %s; reading, replying and retracting go on",
			c.Restricted.Format(time.RFC3339), c.Why)
		r.Until = c.Restricted
		rs = append(rs, r)
	}
	if c.Left < 1 {
		rs = append(rs, noCredits(c.Credits))
	}
	rs = append(rs, c.reach()...)
	return append(rs, c.Content...)
}

// reach judges whether the sender may write to this recipient at all (R12–R17, R20, R63, R65).
func (c Case) reach() []*Refusal {
	var rs []*Refusal
	if c.From == c.To {
		rs = append(rs, Refuse(Self, "an InMail goes to somebody else; choose another recipient"))
	}
	if c.Recipient == nil {
		return append(rs, Refuse(UnknownRecipient, "there is no member with this id; check the recipient"))
	}
	if c.Connected {
		rs = append(rs, Refuse(Connected, "you are connected with this member; use regular messaging, which costs no credit"))
	}
	if !c.Recipient.ProfileShared || !c.Recipient.ProfileVisible {
		rs = append(rs, Refuse(ProfileNotVisible, "this member's profile is not visible to you; only visible profiles can be reached by InMail"))
	}
	if !c.Recipient.AcceptsInMail {
		rs = append(rs, Refuse(OptedOut, "this member does not accept InMail"))
	}
	if c.Blocked {
		rs = append(rs, Refuse(Blocked, "one of the two has blocked the other"))
	}
	if c.Banned {
		rs = append(rs, Refuse(Banned, "this member or company is on the platform's list of whom nobody may InMail"))
	}
	if r := declined(c.Now, c.DeclinedAt, c.DeclinedDays); r != nil {
		rs = append(rs, r)
	}
	if r := busy(c.Now, c.Received, c.WeekLimit); r != nil {
		rs = append(rs, r)
	}
	if c.Awaiting && !c.AllowTwice {
		rs = append(rs, Refuse(AwaitingReply, "an earlier InMail to this member is not answered yet; wait for the reply, or until it expires or is retracted"))
	}
	return rs
}
