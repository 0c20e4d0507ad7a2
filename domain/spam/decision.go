package spam

import "time"

// BehaviourVersion names the rules of Decide, Struck, Reported, Restrict and Undo in this build.
const BehaviourVersion = "behaviour/2"

// A Decision is what is stored when a limit was passed (R43): the measured value and its limit, the time, the
// version, and the signals and limits that were read. It contains no text and names nobody.
type Decision struct {
	Trigger Trigger   `json:"trigger"`
	At      time.Time `json:"at"`
	Version string    `json:"version"`
	Signals Signals   `json:"signals"`
	Limits  Limits    `json:"limits"` // in force at that time
}

// NewDecision returns the record of t, which was decided now from s under l.
func NewDecision(now time.Time, t Trigger, s Signals, l Limits) Decision {
	return Decision{Trigger: t, At: now, Version: BehaviourVersion, Signals: s, Limits: l}
}

// Replay repeats the decision under other limits: nil if the send would have passed. Under the same limits it
// returns d.Trigger. It reads the stored sends only, at most Limits.SendsNeeded by the limits of that time;
// Complete reports whether they are enough.
func (d Decision) Replay(l Limits) *Trigger {
	switch d.Trigger.Name {
	case Strikes:
		return Struck(d.At, d.Signals, l)
	case Reports:
		return Reported(d.At, d.Signals, l)
	}
	return Decide(d.At, d.Signals, l)
}

// Complete reports whether d contains all the signals that a replay under l reads. It does not when l counts
// more sends than were stored and more may have been made; a replay that passes then proves only that the
// stored sends would have passed.
func (d Decision) Complete(l Limits) bool {
	if d.Trigger.Name == Strikes || d.Trigger.Name == Reports {
		return true
	}
	kept := len(d.Signals.Sends)
	return kept < d.Limits.SendsNeeded() || kept >= l.SendsNeeded()
}

// A ContentDecision is what is stored of a message that was refused as spam: its score, the threshold, and
// the reasons without a word of the message (R27, R43).
type ContentDecision struct {
	Verdict   Verdict   `json:"verdict"`
	At        time.Time `json:"at"`
	Threshold float64   `json:"bar"` // RefuseScore of that time; the key is the one in stored decisions
}

// NewContentDecision returns the record of v, which refused a message now.
func NewContentDecision(now time.Time, v Verdict) ContentDecision {
	return ContentDecision{Verdict: v, At: now, Threshold: RefuseScore}
}

// Replay reports whether the message would have been refused with another threshold. The message itself is
// not stored, so it cannot be judged again by other rules.
func (d ContentDecision) Replay(threshold float64) bool { return d.Verdict.Score >= threshold }
