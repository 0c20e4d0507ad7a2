package spam

import (
	"math"
	"time"
)

// sameGap is how far apart the longest and the shortest gap of a regular run may
// be (R41 d); exactly that still is.
const sameGap = time.Second

// regularRun returns how many gaps in a row, counted from the one that a send now
// would make, lie within sameGap of each other. n sends make n-1 gaps: with a limit
// of 10 gaps the 11th send of an even cadence triggers.
func regularRun(now time.Time, sends []time.Time) int {
	var shortest, longest time.Duration
	later := now
	for i, at := range sends {
		gap := later.Sub(at)
		if i == 0 {
			shortest, longest = gap, gap
		}
		shortest, longest = min(shortest, gap), max(longest, gap)
		if longest-shortest > sameGap {
			return i
		}
		later = at
	}
	return len(sends)
}

// pendingRun returns how many gaps between the newest sends a next send could still
// make one longer, now or later, and until when (R43): from that instant on the run
// is shorter.
func pendingRun(now time.Time, sends []time.Time) (run int, until time.Time) {
	if len(sends) < 2 {
		return 0, time.Time{}
	}
	var shortest, longest time.Duration
	for i := range len(sends) - 1 {
		gap := sends[i].Sub(sends[i+1])
		if i == 0 {
			shortest, longest = gap, gap
		}
		shortest, longest = min(shortest, gap), max(longest, gap)
		// Times are whole milliseconds: one after the last that fits is too late.
		broken := sends[0].Add(shortest + sameGap + time.Millisecond)
		if longest-shortest > sameGap || !now.Before(broken) {
			break
		}
		run, until = i+1, broken
	}
	return run, until
}

// warningGaps are looked at for the warning before regular_gaps, and below
// warningVariation of them a machine is likely: the gaps of people vary by more than
// 0.6 (coefficient of variation).
const (
	warningGaps      = 20
	warningVariation = 0.25
)

// tooEven reports whether the newest 20 gaps vary as little as a machine's do.
func tooEven(sends []time.Time) bool {
	if len(sends) <= warningGaps {
		return false
	}
	sends = sends[:warningGaps+1]
	mean := sends[0].Sub(sends[warningGaps]).Seconds() / warningGaps
	squares := 0.0
	for i := range warningGaps {
		off := sends[i].Sub(sends[i+1]).Seconds() - mean
		squares += off * off
	}
	return math.Sqrt(squares/warningGaps) < warningVariation*mean || mean == 0
}
