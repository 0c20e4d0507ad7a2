package spam

import (
	"slices"
	"time"
)

// PaceSlack is how much later than foreseen a send may happen: the sends after it still pass, because Pace
// counts it in its windows until then. A person or a program takes some seconds for ten sends.
const PaceSlack = time.Minute

// Pace foresees when the next sends of one sender pass the limits on volume, cadence and similar bodies, if
// those before them are sent as foreseen (R41, R66). It decides nothing and has no clock of its own. Make it
// with NewPace.
type Pace struct {
	limits Limits
	sends  []pacedSend  // oldest first
	prints []pacedPrint // oldest first
}

// pacedSend is a send that happened or is planned.
type pacedSend struct {
	at     time.Time
	latest time.Time // it may happen as late: its windows count from here
}

type pacedPrint struct {
	latest time.Time
	print  Fingerprint
}

// NewPace foresees the sends that follow those of s. prints are the sender's fingerprints in SimilarWindow,
// in any order, without those that s sets aside.
func NewPace(s Signals, prints []SentPrint, l Limits) *Pace {
	p := &Pace{limits: l}
	for _, at := range slices.Backward(s.Sends) {
		p.sends = append(p.sends, pacedSend{at, at})
	}
	for _, print := range prints {
		p.prints = append(p.prints, pacedPrint{print.At, print.Fingerprint})
	}
	slices.SortStableFunc(p.prints, func(a, b pacedPrint) int { return a.latest.Compare(b.latest) })
	return p
}

// step is the unit to whose beginning a send that waits is put off, so that a timetable has few lines which
// leave room for many: an hour, or PaceSlack where the limits allow more sends a day than so many lines have
// room for.
func (p *Pace) step() time.Duration {
	if 24*min(p.limits.BurstMinute, p.limits.RegularGaps) >= p.limits.VolumeDay {
		return time.Hour
	}
	return PaceSlack
}

// Next returns the earliest time from a time on at which the next send passes every limit, and the limit that
// it waits for until then, up to the beginning of an hour (step); an empty one: it passes at from. Without a
// fingerprint (nil) its similarity to others is not judged.
func (p *Pace) Next(from time.Time, print *Fingerprint) (at time.Time, limit string) {
	at = from
	wait := func(name string, until time.Time) {
		if until.After(at) {
			at, limit = until, name
		}
	}
	step := p.step()
	for _, w := range []struct {
		name   string
		window time.Duration
		limit  int
	}{
		{VolumeHour, HourWindow, p.limits.VolumeHour},
		{VolumeDay, DayWindow, p.limits.VolumeDay},
		{BurstMinute, MinuteWindow, p.limits.BurstMinute},
	} {
		if n := len(p.sends) - w.limit; n >= 0 { // with this one in its window, the next is one too many
			wait(w.name, p.sends[n].latest.Add(w.window))
		}
	}
	if print != nil {
		wait(SimilarDay, p.dissimilar(at, *print))
	}
	if limit != "" {
		at = at.Add(step - 1).Truncate(step)
	}
	if until := p.irregular(at); until.After(at) {
		at, limit = until.Add(step-1).Truncate(step), RegularGaps
	}
	return at, limit
}

// dissimilar returns when fewer near-identical bodies than the limit are in the window; from, when they are
// then.
func (p *Pace) dissimilar(from time.Time, print Fingerprint) time.Time {
	if len(p.prints) < p.limits.SimilarDay {
		return from
	}
	similar := 0
	for _, sent := range slices.Backward(p.prints) {
		leaves := sent.latest.Add(SimilarWindow)
		if !leaves.After(from) {
			break
		}
		if Similar(print, sent.print) {
			if similar++; similar == p.limits.SimilarDay {
				return leaves
			}
		}
	}
	return from
}

// irregular returns the earliest time from a time on at which a send continues no regular run of the limit's
// length (regularRun).
func (p *Pace) irregular(from time.Time) time.Time {
	first := len(p.sends) - p.limits.RegularGaps
	if first < 0 {
		return from
	}
	recent := p.sends[first:]
	last := recent[len(recent)-1].at
	var shortest, longest time.Duration
	for i := range len(recent) - 1 {
		gap := recent[i+1].at.Sub(recent[i].at)
		if i == 0 {
			shortest, longest = gap, gap
		}
		shortest, longest = min(shortest, gap), max(longest, gap)
		if longest-shortest > gapTolerance {
			return from
		}
	}
	if gap := from.Sub(last); gap < longest-gapTolerance || gap > shortest+gapTolerance {
		return from
	}
	return last.Add(shortest + gapTolerance + time.Millisecond) // times are whole milliseconds
}

// Add notes that the next send is planned for a time, which Next returned; it may happen up to PaceSlack
// later.
func (p *Pace) Add(at time.Time, print *Fingerprint) {
	latest := at.Add(PaceSlack)
	p.sends = append(p.sends, pacedSend{at, latest})
	if print != nil {
		p.prints = append(p.prints, pacedPrint{latest, *print})
	}
}
