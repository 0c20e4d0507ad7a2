package spam

import (
	"math"
	"time"
)

// gapTolerance is the largest difference between the longest and the shortest gap of a regular run (R41 d); a
// difference of exactly 1 s is still regular.
const gapTolerance = time.Second

// regularRun returns how many gaps in a row, counted back from the gap that a send now would make, lie within
// gapTolerance of each other. n sends make n-1 gaps: with a limit of 10 gaps the 11th send of an even cadence
// triggers. sends are newest first.
func regularRun(now time.Time, sends []time.Time) int {
	var shortest, longest time.Duration
	later := now
	for i, at := range sends {
		gap := later.Sub(at)
		if i == 0 {
			shortest, longest = gap, gap
		}
		shortest, longest = min(shortest, gap), max(longest, gap)
		if longest-shortest > gapTolerance {
			return i
		}
		later = at
	}
	return len(sends)
}

// pendingRun returns the length of the regular run between the newest sends that a next send, now or later,
// could still lengthen, and until when it could (R43): from that instant on the run is shorter.
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
		// Times are whole milliseconds, so the run breaks one millisecond after the last gap within the
		// tolerance.
		broken := sends[0].Add(shortest + gapTolerance + time.Millisecond)
		if longest-shortest > gapTolerance || !now.Before(broken) {
			break
		}
		run, until = i+1, broken
	}
	return run, until
}

// The warning that precedes regular_gaps reads the newest warningGaps gaps. A coefficient of variation below
// warningVariation makes a machine likely; that of people is above 0.6.
const (
	warningGaps      = 20
	warningVariation = 0.25
)

// tooEven reports whether the newest 20 gaps vary as little as those of a machine. With fewer gaps it is
// false.
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
