package spam

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Limits are the numbers of R41. A send is judged as the one after those already
// accepted: what a limit names still passes, the next one triggers.
type Limits struct {
	VolumeHour  int `json:"volume_hour"`  // sends in 1 h; 1..1,000,000
	VolumeDay   int `json:"volume_day"`   // sends in 24 h; 1..1,000,000
	Strikes     int `json:"strikes"`      // messages refused as spam in 30 days, this many restrict; 1..1,000
	SimilarDay  int `json:"similar_day"`  // near-identical bodies in 24 h; 1..1,000,000
	RegularGaps int `json:"regular_gaps"` // gaps in a row within 1 s of each other, this many restrict; 2..1,000,000
	BurstMinute int `json:"burst_minute"` // sends in 60 s; 1..1,000,000

	ReportersMin int     `json:"reporters_min"` // distinct reporters in 30 days, this many restrict if ReportShare is reached too; 1..1,000
	ReportShare  float64 `json:"report_share"`  // of deliveries in 30 days that distinct reporters reported; 0..1
}

// DefaultLimits returns the numbers that R41 names.
func DefaultLimits() Limits {
	return Limits{
		VolumeHour: 20, VolumeDay: 40, Strikes: 3, SimilarDay: 12, RegularGaps: 10, BurstMinute: 10,
		ReportersMin: 3, ReportShare: 0.02,
	}
}

// Validate reports all numbers that are out of bounds, each with its setting, value
// and bounds.
func (l Limits) Validate() error {
	var faults []error
	within := func(setting string, got, low, high int) {
		if got < low || got > high {
			faults = append(faults, fmt.Errorf("%s: %d is outside %d..%d", setting, got, low, high))
		}
	}
	within("volume_hour", l.VolumeHour, 1, 1_000_000)
	within("volume_day", l.VolumeDay, 1, 1_000_000)
	within("strikes", l.Strikes, 1, 1000)
	within("similar_day", l.SimilarDay, 1, 1_000_000)
	within("regular_gaps", l.RegularGaps, 2, 1_000_000)
	within("burst_minute", l.BurstMinute, 1, 1_000_000)
	within("reporters_min", l.ReportersMin, 1, 1000)
	if !(l.ReportShare >= 0 && l.ReportShare <= 1) { // not a number is neither
		faults = append(faults, fmt.Errorf("report_share: %g is outside 0..1", l.ReportShare))
	}
	return errors.Join(faults...)
}

// SendsNeeded is how many of a sender's newest accepted sends decide: of more the
// limits see nothing.
func (l Limits) SendsNeeded() int {
	return max(l.VolumeHour, l.VolumeDay, l.BurstMinute, l.RegularGaps, warningGaps+1)
}

// reportersNeeded returns how many distinct reporters restrict: at least
// ReportersMin, and at least ReportShare of the deliveries.
func (l Limits) reportersNeeded(deliveries int) int {
	const rounding = 1e-9 // 0.07 * 100 is a little more than 7
	return max(l.ReportersMin, int(math.Ceil(l.ReportShare*float64(deliveries)-rounding)))
}

// Windows of R41. A window is open at its old end: a send that is exactly 1 h old
// has left the hour. What is newer than now (a clock that was set back) counts.
const (
	MinuteWindow  = time.Minute
	HourWindow    = time.Hour
	DayWindow     = 24 * time.Hour
	SimilarWindow = 24 * time.Hour      // for fingerprints
	RecordWindow  = 30 * 24 * time.Hour // for strikes, reports and deliveries
	SendsWindow   = RecordWindow        // for Signals.Sends: a cadence is regular over days, too
)
