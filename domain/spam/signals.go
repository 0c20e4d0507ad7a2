package spam

import (
	"slices"
	"time"
)

// Signals is what was seen of one sender until now, and all that a decision of R41
// looks at. Times are UTC to the millisecond.
type Signals struct {
	Sends      []time.Time `json:"sends"`                // accepted, in SendsWindow, newest first; at most Limits.SendsNeeded
	Strikes    []time.Time `json:"strikes"`              // messages refused as spam, in RecordWindow, newest first
	Reporters  int         `json:"reporters"`            // who reported the sender, each once, in RecordWindow
	ReportedAt time.Time   `json:"reported_at,omitzero"` // of each reporter's newest report the oldest; only for Nearness.EasesAt
	Deliveries int         `json:"deliveries"`           // in RecordWindow
	Similar    int         `json:"similar"`              // accepted bodies near-identical to the one at hand, in SimilarWindow
	SimilarAt  time.Time   `json:"similar_at,omitzero"`  // the oldest of them; only for Nearness.EasesAt
	Undone     Undone      `json:"undone,omitzero"`      // what operators have set aside, and what is in none of the above
}

// WithSend returns s after one more accepted send.
func (s Signals) WithSend(at time.Time) Signals {
	s.Sends = slices.Insert(slices.Clone(s.Sends), 0, at)
	return s
}

// WithStrike returns s after one more strike.
func (s Signals) WithStrike(at time.Time) Signals {
	s.Strikes = slices.Insert(slices.Clone(s.Strikes), 0, at)
	return s
}

// within returns those of times, newest first, that are in the window that ends now.
func within(now time.Time, window time.Duration, times []time.Time) []time.Time {
	since := now.Add(-window)
	for i, at := range times {
		if !at.After(since) {
			return times[:i]
		}
	}
	return times
}
