package domain

import "time"

// PeaceWindow is the time in which the InMails to one member are counted (R65).
const PeaceWindow = 7 * 24 * time.Hour

// MaxWeek is the highest number that the policy recipient_week and a member may set (R65).
const MaxWeek = 1000

// WeekLimit returns how many InMails may be delivered to a member in 7 days: the lower of the policy
// recipient_week and the member's own number. 0 is no limit, of the two and of the result (R65).
func WeekLimit(policy, own int) int {
	if policy == 0 || own > 0 && own < policy {
		return own
	}
	return policy
}

// Received is what reached a member within the PeaceWindow, from all senders (R65).
type Received struct {
	// At are the times of delivery, newest first. As many as the limit are enough.
	At       []time.Time
	OnItsWay int // InMails to the member that are queued
}

// Next returns when a further InMail may go to a member with this limit: now, or when so many of those that
// were delivered are older than the PeaceWindow that there is room. What is on its way counts as delivered
// now. With the limit 0 it is always now (R65).
func (r Received) Next(now time.Time, limit int) time.Time {
	if limit <= 0 {
		return now
	}
	// A place is free while fewer than limit are in the window. Those on their way leave it last.
	blocking := limit - r.OnItsWay // the one, counted from the newest, that must have left the window
	if blocking <= 0 {
		return now.Add(PeaceWindow)
	}
	if len(r.At) < blocking {
		return now
	}
	if free := r.At[blocking-1].Add(PeaceWindow); free.After(now) {
		return free
	}
	return now
}

// Count returns how many InMails of the PeaceWindow there are at now, those on their way included.
func (r Received) Count(now time.Time) int {
	n := r.OnItsWay
	for _, at := range r.At {
		if at.Add(PeaceWindow).After(now) {
			n++
		}
	}
	return n
}

// Deliver returns r after one of those on their way was delivered at now.
func (r Received) Deliver(now time.Time) Received {
	return Received{At: append([]time.Time{now}, r.At...), OnItsWay: max(0, r.OnItsWay-1)}
}

// busy refuses an InMail to a member who has received as many as the limit allows; nil lets it pass (R65).
func busy(now time.Time, r Received, limit int) *Refusal {
	free := r.Next(now, limit)
	if !free.After(now) {
		return nil
	}
	got := r.Count(now)
	refusal := Refuse(RecipientBusy, "this member has received %d InMails in 7 days, of at most %d; there is room from %s on",
		got, limit, free.Format(time.RFC3339))
	refusal.Got, refusal.Limit, refusal.Until = got, limit, free
	return refusal
}
