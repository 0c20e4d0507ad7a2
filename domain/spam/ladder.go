package spam

import (
	"cmp"
	"slices"
	"time"
)

// A Restriction is a period, from StartedAt until just before Until, in which all sends of a member are
// refused with the code restricted (R42). Reading, replying and retracting stay possible.
type Restriction struct {
	Trigger   string    `json:"trigger"`
	Value     float64   `json:"value"` // as measured
	Limit     float64   `json:"limit"`
	Step      int       `json:"step"` // 1: 24 h, 2: 72 h, 3: 7 d
	StartedAt time.Time `json:"started_at"`
	Until     time.Time `json:"until"`
}

// Active reports whether the restriction, which was decided already, refuses sends now. It ends by itself: a
// send at Until passes. A StartedAt later than now does not delay it: the clock was set back since it was
// decided.
func (r Restriction) Active(now time.Time) bool { return now.Before(r.Until) }

// steps are the lengths of the restrictions by their step, 1 to 3 (R42).
var steps = [numberOfSteps]time.Duration{24 * time.Hour, 72 * time.Hour, longest}

const (
	numberOfSteps = 3
	longest       = 7 * 24 * time.Hour
)

// cleanTime is how long a sender must go without a restriction, from the end of the last one, to fall one
// step.
const cleanTime = 90 * 24 * time.Hour

// LadderTime is how long after its beginning a restriction raises the step of the next one, at most.
const LadderTime = longest + (numberOfSteps-1)*cleanTime

// Restrict returns the restriction that follows from t (R42). previous are the sender's earlier restrictions
// in any order, without those that an operator has undone: each raises the next one by a step, up to the
// third, and each cleanTime lowers it by one.
func Restrict(now time.Time, t Trigger, previous []Restriction) Restriction {
	step := nextStep(now, previous)
	return Restriction{
		Trigger: t.Name, Value: t.Value, Limit: t.Limit,
		Step: step, StartedAt: now, Until: now.Add(steps[step-1]),
	}
}

// nextStep computes the step of a restriction that starts now by replaying the previous ones, oldest first.
func nextStep(now time.Time, previous []Restriction) int {
	previous = slices.SortedFunc(slices.Values(previous), func(a, b Restriction) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), a.Until.Compare(b.Until))
	})
	next := 1
	var cleanSince time.Time // the latest end so far; zero: no restriction yet
	for _, r := range previous {
		next = min(stepDown(next, cleanSince, r.StartedAt)+1, len(steps))
		if r.Until.After(cleanSince) {
			cleanSince = r.Until
		}
	}
	return stepDown(next, cleanSince, now)
}

// stepDown lowers step by one for each cleanTime between cleanSince and until, down to 1.
func stepDown(step int, cleanSince, until time.Time) int {
	if cleanSince.IsZero() || until.Before(cleanSince) {
		return step
	}
	return max(1, step-int(min(until.Sub(cleanSince)/cleanTime, time.Duration(len(steps)))))
}
