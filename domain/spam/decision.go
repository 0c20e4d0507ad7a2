package spam

import "time"

// BehaviourVersion names the rules of Decide, Struck, Reported, Restrict and Undo in
// this build.
const BehaviourVersion = "behaviour/2"

// A Decision is all that is kept of a trigger (R43): what was measured against which
// limit, when and by which version, and what was seen. It holds no text and names
// nobody.
type Decision struct {
	Trigger Trigger   `json:"trigger"`
	At      time.Time `json:"at"`
	Version string    `json:"version"`
	Signals Signals   `json:"signals"`
	Limits  Limits    `json:"limits"` // that were in force
}

// NewDecision records t, which was decided now from s under l.
func NewDecision(now time.Time, t Trigger, s Signals, l Limits) Decision {
	return Decision{Trigger: t, At: now, Version: BehaviourVersion, Signals: s, Limits: l}
}

// Replay decides again what d decided, under other limits: nil if it would have
// passed. Under the same limits it returns d.Trigger. It knows only what was stored,
// at most Limits.SendsNeeded sends of that time: Whole says whether that is enough.
func (d Decision) Replay(l Limits) *Trigger {
	switch d.Trigger.Name {
	case Strikes:
		return Struck(d.At, d.Signals, l)
	case Reports:
		return Reported(d.At, d.Signals, l)
	}
	return Decide(d.At, d.Signals, l)
}

// Whole reports whether d holds all that a replay under l looks at. It does not if l
// counts more sends than were kept and there may have been more: then a replay that
// passes says only that what was kept would have passed.
func (d Decision) Whole(l Limits) bool {
	if d.Trigger.Name == Strikes || d.Trigger.Name == Reports {
		return true
	}
	kept := len(d.Signals.Sends)
	return kept < d.Limits.SendsNeeded() || kept >= l.SendsNeeded()
}

// A ContentDecision is all that is kept of a message that was refused as spam: what it
// scored against which bar, and its reasons without a word of the message (R27, R43).
type ContentDecision struct {
	Verdict Verdict   `json:"verdict"`
	At      time.Time `json:"at"`
	Bar     float64   `json:"bar"` // RefuseScore of that time
}

// NewContentDecision records v, which refused a message now.
func NewContentDecision(now time.Time, v Verdict) ContentDecision {
	return ContentDecision{Verdict: v, At: now, Bar: RefuseScore}
}

// Replay reports whether the message would have been refused from another score on. The
// message itself is stored nowhere, so it cannot be read again by other rules.
func (d ContentDecision) Replay(bar float64) bool { return d.Verdict.Score >= bar }
