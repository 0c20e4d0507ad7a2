package spam

import (
	"slices"
	"time"
)

// Undone is what operators have set aside of a sender by taking restrictions back: each
// kind of evidence up to the last decision on it that was undone. What was seen until
// then counts for no trigger of that kind any more, so that the next send, strike or
// report is not judged by what an operator has found to be in order; what comes after
// counts from none. A burst is also regular and also many: sends are one kind, whichever
// of their limits was passed.
type Undone struct {
	Sends   time.Time `json:"sends,omitzero"`
	Strikes time.Time `json:"strikes,omitzero"`
	Reports time.Time `json:"reports,omitzero"`
}

// Undo returns u after the restriction by a trigger that began at startedAt was undone:
// what that decision had seen, all until then, is set aside (R43).
func (u Undone) Undo(trigger string, startedAt time.Time) Undone {
	kind := &u.Sends
	switch trigger {
	case Strikes:
		kind = &u.Strikes
	case Reports:
		kind = &u.Reports
	}
	if startedAt.After(*kind) {
		*kind = startedAt
	}
	return u
}

// After returns s without the sends and strikes that u sets aside, which stand at the
// end of their lists; reports are set aside where they are counted.
func (s Signals) After(u Undone) Signals {
	s.Undone = u
	s.Sends, s.Strikes = later(s.Sends, u.Sends), later(s.Strikes, u.Strikes)
	return s
}

// PrintsAfter returns those of prints that u does not set aside.
func PrintsAfter(prints []SentPrint, u Undone) []SentPrint {
	return slices.DeleteFunc(prints, func(p SentPrint) bool { return !p.At.After(u.Sends) })
}

// later returns those of times, newest first, that are after t.
func later(times []time.Time, t time.Time) []time.Time {
	for i, at := range times {
		if !at.After(t) {
			return times[:i:i]
		}
	}
	return times
}
