package spam

import "time"

// BehaviourVersion names the rules of Decide, Struck, Reported and Restrict in this
// build.
const BehaviourVersion = "behaviour/1"

// A Decision is all that is kept of a trigger (R43): what was measured against which
// limit, when and by which version, and what was seen. It holds no text and names
// nobody.
type Decision struct {
	Trigger Trigger   `json:"trigger"`
	At      time.Time `json:"at"`
	Version string    `json:"version"`
	Signals Signals   `json:"signals"`
}

// NewDecision records t, which was decided now from s.
func NewDecision(now time.Time, t Trigger, s Signals) Decision {
	return Decision{Trigger: t, At: now, Version: BehaviourVersion, Signals: s}
}

// Replay decides again what d decided, under other limits: nil if it would have
// passed. Under the same limits it returns d.Trigger. It knows only what was stored,
// at most Limits.SendsNeeded sends of that time: under larger limits it may find
// fewer than there were.
func (d Decision) Replay(l Limits) *Trigger {
	switch d.Trigger.Name {
	case Strikes:
		return Struck(d.At, d.Signals, l)
	case Reports:
		return Reported(d.At, d.Signals, l)
	}
	return Decide(d.At, d.Signals, l)
}
