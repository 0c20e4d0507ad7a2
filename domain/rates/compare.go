package rates

import (
	"math"
	"time"

	"inmail/domain"
)

// A Difference is how much higher a rate is on one side than on another, -1..1, with an interval that holds
// however often it is looked at: the probability that it ever misses the true difference is 5 % at most.
// README.md says how it is computed, and how well.
type Difference struct {
	Value, Low, High float64
	// Hits and Of count the two sides: hits among the deliveries of the complete weeks in which both sides
	// sent.
	Hits, Of [2]int
}

// A Verdict is what a difference says.
type Verdict string

// The verdicts.
const (
	Higher     Verdict = "higher"      // the first side's rate is higher
	Lower      Verdict = "lower"       // it is lower
	CannotTell Verdict = "cannot_tell" // with so many InMails the two cannot be told apart
)

// Verdicts returns all verdicts.
func Verdicts() []Verdict { return []Verdict{Higher, Lower, CannotTell} }

// Verdict returns what the difference says; a nil one cannot tell.
func (d *Difference) Verdict() Verdict {
	switch {
	case d == nil:
		return CannotTell
	case d.Low > 0:
		return Higher
	case d.High < 0:
		return Lower
	}
	return CannotTell
}

// Differences are those of the two rates; nil: in no complete week did both sides send.
type Differences struct {
	Open, Response *Difference
}

// A stratum counts both sides in one week, in which they met the same readers, holidays and news.
type stratum struct {
	hits, of [2]int
}

// The constants of the interval.
const (
	alpha = 0.05 // the probability that the interval ever misses the true difference
	// tightestAt is the standard error of the difference at which the interval is tightest: four points of a
	// hundred, as after some 250 InMails a side.
	tightestAt = 0.04
)

// mixture is the precision of the normal mixture, in units of the information 1 / variance, that makes the
// interval tightest at tightestAt. The divisor is -W(-alpha²/e) - 1 with the lower branch of Lambert's W
// (Howard et al., 2021, proposition 3).
const mixture = 1 / (tightestAt * tightestAt) / 8.21

// difference computes the difference of the first side to the second over strata; nil if no stratum has both.
func difference(strata []stratum) *Difference {
	d := &Difference{}
	var sum, weights float64
	for _, s := range strata {
		if s.of[0] <= 0 || s.of[1] <= 0 {
			continue
		}
		n0, n1 := float64(s.of[0]), float64(s.of[1])
		weight := n0 * n1 / (n0 + n1)
		sum += weight * (float64(s.hits[0])/n0 - float64(s.hits[1])/n1)
		weights += weight
		for side := range 2 {
			d.Hits[side] += s.hits[side]
			d.Of[side] += s.of[side]
		}
	}
	if weights == 0 {
		return nil
	}
	// The variance is that of the rates over all strata, with a hit and a miss added to each side, so that a
	// rate of 0 or 1 after a few InMails is no certainty.
	var spread [2]float64
	for side := range 2 {
		p := (float64(d.Hits[side]) + 1) / (float64(d.Of[side]) + 2)
		spread[side] = p * (1 - p)
	}
	variance := 0.0
	for _, s := range strata {
		if s.of[0] <= 0 || s.of[1] <= 0 {
			continue
		}
		n0, n1 := float64(s.of[0]), float64(s.of[1])
		weight := n0 * n1 / (n0 + n1) / weights
		variance += weight * weight * (spread[0]/n0 + spread[1]/n1)
	}
	information := 1 / variance
	half := math.Sqrt((information+mixture)*math.Log((information+mixture)/(mixture*alpha*alpha))) / information
	d.Value = sum / weights
	d.Low, d.High = max(-1, d.Value-half), min(1, d.Value+half)
	return d
}

// Compare returns the differences of the first side's rates to the second's, over their complete weeks.
func Compare(first, second []domain.Count, now time.Time, windowDays int) (Differences, error) {
	sides := [2]map[domain.Cohort]tally{talliesByWeek(first), talliesByWeek(second)}
	return differences(sides, now, windowDays)
}

// ToOthers returns, for each key of counts, the differences of its rates to those of all other InMails, which
// are the ones of all without the key's (R62).
func ToOthers(counts, all []domain.Count, now time.Time, windowDays int) (map[string]Differences, error) {
	total, byKey := talliesByWeek(all), map[string][]domain.Count{}
	for _, c := range counts {
		byKey[c.Key] = append(byKey[c.Key], c)
	}
	out := make(map[string]Differences, len(byKey))
	for key, own := range byKey {
		with := talliesByWeek(own)
		without := make(map[domain.Cohort]tally, len(total))
		for week, t := range total {
			rest := tally{}
			for outcome, n := range t {
				rest[outcome] = n - with[week][outcome]
			}
			without[week] = rest
		}
		var err error
		if out[key], err = differences([2]map[domain.Cohort]tally{with, without}, now, windowDays); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func talliesByWeek(counts []domain.Count) map[domain.Cohort]tally {
	tallies := map[domain.Cohort]tally{}
	for _, c := range counts {
		if tallies[c.Cohort] == nil {
			tallies[c.Cohort] = tally{}
		}
		tallies[c.Cohort][c.Outcome] += c.N
	}
	return tallies
}

func differences(sides [2]map[domain.Cohort]tally, now time.Time, windowDays int) (Differences, error) {
	var open, response []stratum
	for week, first := range sides[0] {
		second := sides[1][week]
		of := [2]int{first.delivered(), second.delivered()}
		if of[0] == 0 || of[1] == 0 {
			continue
		}
		monday, err := Monday(week)
		if err != nil {
			return Differences{}, err
		}
		if !now.Before(OpenComplete(monday)) {
			open = append(open, stratum{[2]int{first.opened(), second.opened()}, of})
		}
		if !now.Before(ResponseComplete(monday, windowDays)) {
			response = append(response, stratum{[2]int{first[domain.RepliedInTime], second[domain.RepliedInTime]}, of})
		}
	}
	return Differences{Open: difference(open), Response: difference(response)}, nil
}
