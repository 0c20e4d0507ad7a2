package spam

import (
	"cmp"
	"slices"
	"time"
)

// A Restriction is the time in which a sender's sends are refused restricted (R42):
// from StartedAt on until just before Until. Reading, replying and retracting go on.
type Restriction struct {
	Trigger   string    `json:"trigger"`
	Value     float64   `json:"value"` // as measured
	Limit     float64   `json:"limit"`
	Step      int       `json:"step"` // 1: 24 h, 2: 72 h, 3: 7 d
	StartedAt time.Time `json:"started_at"`
	Until     time.Time `json:"until"`
}

// Holds reports whether sends are refused now. It lifts by itself: at Until the next
// send passes.
func (r Restriction) Holds(now time.Time) bool {
	return !now.Before(r.StartedAt) && now.Before(r.Until)
}

// steps of the ladder (R42).
var steps = [...]time.Duration{24 * time.Hour, 72 * time.Hour, 7 * 24 * time.Hour}

// cleanTime without a restriction, from the end of the last one, leads a step down.
const cleanTime = 90 * 24 * time.Hour

// Restrict returns the restriction that t leads to (R42). previous are the sender's
// earlier ones in any order, without those that an operator has undone: each leads
// one step up, to the third at most, and each clean 90 days one step down.
func Restrict(now time.Time, t Trigger, previous []Restriction) Restriction {
	step := nextStep(now, previous)
	return Restriction{
		Trigger: t.Name, Value: t.Value, Limit: t.Limit,
		Step: step, StartedAt: now, Until: now.Add(steps[step-1]),
	}
}

// nextStep walks the ladder from the first restriction to now.
func nextStep(now time.Time, previous []Restriction) int {
	previous = slices.SortedFunc(slices.Values(previous), func(a, b Restriction) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), a.Until.Compare(b.Until))
	})
	next := 1
	var free time.Time // when the last of them ended
	for _, r := range previous {
		next = min(stepDown(next, free, r.StartedAt)+1, len(steps))
		if r.Until.After(free) {
			free = r.Until
		}
	}
	return stepDown(next, free, now)
}

func stepDown(step int, free, until time.Time) int {
	if free.IsZero() || until.Before(free) {
		return step
	}
	return max(1, step-int(min(until.Sub(free)/cleanTime, time.Duration(len(steps)))))
}
