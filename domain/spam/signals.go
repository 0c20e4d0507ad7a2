package spam

import (
	"slices"
	"time"
)

// Signals are the counters and times of one sender until now: all the input of a decision of R41. Times are
// UTC to the millisecond.
type Signals struct {
	// Sends are the times of the accepted sends in SendsWindow, newest first, at most Limits.SendsNeeded.
	Sends []time.Time `json:"sends"`
	// Strikes are the times of the messages refused as spam in RecordWindow, newest first. Of more than
	// MaxStrikes the oldest may be missing.
	Strikes []time.Time `json:"strikes"`
	// Reporters is how many distinct members reported the sender in RecordWindow.
	Reporters int `json:"reporters"`
	// ReportedAt is the oldest of the reporters' newest reports, zero without any; only Nearness.EasesAt
	// needs it.
	ReportedAt time.Time `json:"reported_at,omitzero"`
	// Deliveries is how many InMails of the sender were delivered in RecordWindow.
	Deliveries int `json:"deliveries"`
	// Similar is how many accepted bodies in SimilarWindow are near-identical to the one being judged.
	Similar int `json:"similar"`
	// SimilarAt is the time of the oldest of them, zero without any; only Nearness.EasesAt needs it.
	SimilarAt time.Time `json:"similar_at,omitzero"`
	// Undone is the evidence that operators have set aside; the fields above do not contain it.
	Undone Undone `json:"undone,omitzero"`
}

// WithSend returns s after one more accepted send.
func (s Signals) WithSend(at time.Time) Signals {
	s.Sends = slices.Insert(slices.Clone(s.Sends), 0, at)
	return s
}

// WithStrike returns s after one more strike, with the newest MaxStrikes.
func (s Signals) WithStrike(at time.Time) Signals {
	s.Strikes = slices.Insert(slices.Clone(s.Strikes[:min(len(s.Strikes), MaxStrikes-1)]), 0, at)
	return s
}

// within returns the times, newest first, that lie in the window that ends now.
func within(now time.Time, window time.Duration, times []time.Time) []time.Time {
	since := now.Add(-window)
	for i, at := range times {
		if !at.After(since) {
			return times[:i]
		}
	}
	return times
}
