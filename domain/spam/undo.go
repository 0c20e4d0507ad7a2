package spam

import (
	"slices"
	"time"
)

// Undone contains, for each kind of evidence against a sender, the time of the last decision on it that an
// operator has undone; zero: none. Evidence up to and including that time no longer counts for any trigger of
// its kind, so that the next send, strike or report is not judged by what an operator found to be in order;
// counting starts again at 0. Sends are one kind whichever of their limits was passed, because one burst may
// pass several.
type Undone struct {
	Sends   time.Time `json:"sends,omitzero"`
	Strikes time.Time `json:"strikes,omitzero"`
	Reports time.Time `json:"reports,omitzero"`
}

// Undo returns u after an operator undid the restriction by trigger that began at startedAt: the evidence of
// that decision, which is all until then, is set aside (R43).
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

// After returns s without the sends and strikes that u sets aside. Reports are left out where they are
// counted.
func (s Signals) After(u Undone) Signals {
	s.Undone = u
	s.Sends, s.Strikes = later(s.Sends, u.Sends), later(s.Strikes, u.Strikes)
	return s
}

// PrintsAfter returns the prints that u does not set aside. It reuses the slice.
func PrintsAfter(prints []SentPrint, u Undone) []SentPrint {
	return slices.DeleteFunc(prints, func(p SentPrint) bool { return !p.At.After(u.Sends) })
}

// later returns the times, newest first, that are after t.
func later(times []time.Time, t time.Time) []time.Time {
	for i, at := range times {
		if !at.After(t) {
			return times[:i:i]
		}
	}
	return times
}
