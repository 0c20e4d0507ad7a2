package spam

import (
	"fmt"
	"time"
)

// Standing is the report on its limits that a sender can read (R43).
type Standing struct {
	Restricted *Restriction `json:"restricted"` // the one in force now; nil: none
	Triggers   []Nearness   `json:"triggers"`   // one for each limit, in the order of R41
	Warnings   []Warning    `json:"warnings"`   // of behaviour that no limit restricts yet
}

// Nearness is how near one limit is.
type Nearness struct {
	Trigger  string  `json:"trigger"`
	Value    float64 `json:"value"` // the count now
	Limit    float64 `json:"limit"`
	Headroom float64 `json:"headroom"` // at least so many more pass before one triggers
	// EasesAt is when, without further events, Headroom next grows or, where there is headroom, Value next
	// falls. Zero: Value is 0, or the signals do not contain the time.
	EasesAt time.Time `json:"eases_at,omitzero"`
}

// A Warning shows a sender what looks like a machine, before a limit restricts it.
type Warning struct {
	Code string `json:"code"` // even_cadence, similar_bodies
	Text string `json:"text"`
}

// StandingOf returns how near each limit is (R43). restriction is the sender's latest one, or nil; one that
// has ended by now is ignored.
func StandingOf(now time.Time, s Signals, l Limits, restriction *Restriction) Standing {
	st := Standing{
		Triggers: []Nearness{
			sendsNearness(VolumeHour, now, HourWindow, s.Sends, l.VolumeHour),
			sendsNearness(VolumeDay, now, DayWindow, s.Sends, l.VolumeDay),
			strikesNearness(now, s.Strikes, l.Strikes),
			reportsNearness(now, s, l),
			similarNearness(now, s, l.SimilarDay),
			regularNearness(now, s.Sends, l.RegularGaps),
			sendsNearness(BurstMinute, now, MinuteWindow, s.Sends, l.BurstMinute),
		},
		Warnings: []Warning{},
	}
	if restriction != nil && restriction.Active(now) {
		st.Restricted = restriction
	}
	if NearSimilar(s.Similar, l.SimilarDay) {
		st.Warnings = append(st.Warnings, Warning{Code: "similar_bodies", Text: fmt.Sprintf("%d of your bodies of the "+
			"last 24 hours are almost the same and %d may be: %d more like them pass; vary the sentences that they share",
			s.Similar, l.SimilarDay, l.SimilarDay-s.Similar)})
	}
	if tooEven(s.Sends) {
		st.Warnings = append(st.Warnings, Warning{Code: "even_cadence",
			Text: "your last 20 gaps between sends are as even as a machine's"})
	}
	return st
}

// nearness computes the headroom of a value: passing is the highest value that does not trigger.
func nearness(trigger string, value, limit, passing int, easesAt time.Time) Nearness {
	return Nearness{Trigger: trigger, Value: float64(value), Limit: float64(limit),
		Headroom: float64(max(0, passing-value)), EasesAt: easesAt}
}

// sendsNearness counts the sends in a window. It eases when the limit-th newest send leaves the window or,
// with fewer sends, when the oldest does.
func sendsNearness(trigger string, now time.Time, window time.Duration, sends []time.Time, limit int) Nearness {
	counted := within(now, window, sends)
	var eases time.Time
	if len(counted) > 0 {
		eases = counted[min(len(counted), limit)-1].Add(window)
	}
	return nearness(trigger, len(counted), limit, limit, eases)
}

func strikesNearness(now time.Time, strikes []time.Time, limit int) Nearness {
	counted := within(now, RecordWindow, strikes)
	var eases time.Time
	if len(counted) > 0 {
		eases = counted[min(len(counted), limit)-1].Add(RecordWindow)
	}
	return nearness(Strikes, len(counted), limit, limit-1, eases)
}

func reportsNearness(now time.Time, s Signals, l Limits) Nearness {
	needed := l.reportersNeeded(s.Deliveries)
	return nearness(Reports, s.Reporters, needed, needed-1, leaves(now, s.Reporters, s.ReportedAt, RecordWindow))
}

func similarNearness(now time.Time, s Signals, limit int) Nearness {
	return nearness(SimilarDay, s.Similar, limit, limit, leaves(now, s.Similar, s.SimilarAt, SimilarWindow))
}

// leaves returns when the oldest of count events leaves its window; zero if there is none in it.
func leaves(now time.Time, count int, oldest time.Time, window time.Duration) time.Time {
	if count == 0 || oldest.IsZero() || !oldest.Add(window).After(now) {
		return time.Time{}
	}
	return oldest.Add(window)
}

// regularNearness counts the gaps of the run that the next send may still make longer.
func regularNearness(now time.Time, sends []time.Time, limit int) Nearness {
	run, until := pendingRun(now, sends)
	return nearness(RegularGaps, run, limit, limit-1, until)
}
