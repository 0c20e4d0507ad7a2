package spam

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Limits are the numbers of R41. For volumes and similar bodies the limit is the highest count that passes,
// and the next send triggers; for strikes, gaps and reporters the limit itself triggers.
type Limits struct {
	VolumeHour  int `json:"volume_hour"`  // highest number of sends in 1 h; 1..1,000,000
	VolumeDay   int `json:"volume_day"`   // highest number of sends in 24 h; 1..1,000,000
	Strikes     int `json:"strikes"`      // so many messages refused as spam in 30 days trigger; 1..1,000
	SimilarDay  int `json:"similar_day"`  // highest number of near-identical bodies in 24 h; 1..1,000,000
	RegularGaps int `json:"regular_gaps"` // so many gaps in a row within 1 s of each other trigger; 2..1,000,000
	BurstMinute int `json:"burst_minute"` // highest number of sends in 60 s; 1..1,000,000

	// ReportersMin distinct reporters in 30 days trigger if they also are ReportShare of the deliveries;
	// 1..1,000.
	ReportersMin int `json:"reporters_min"`
	// ReportShare is the share of the deliveries of 30 days that distinct reporters must have reported; 0..1.
	ReportShare float64 `json:"report_share"`
}

// MaxStrikes is the highest Limits.Strikes. A sender's older strikes decide nothing, and are not kept.
const MaxStrikes = 1000

// DefaultLimits returns the numbers that R41 names.
func DefaultLimits() Limits {
	return Limits{
		VolumeHour: 20, VolumeDay: 40, Strikes: 3, SimilarDay: 12, RegularGaps: 10, BurstMinute: 10,
		ReportersMin: 3, ReportShare: 0.02,
	}
}

// Validate reports all numbers that are out of bounds, each with its setting, value and bounds.
func (l Limits) Validate() error {
	var faults []error
	within := func(setting string, got, low, high int) {
		if got < low || got > high {
			faults = append(faults, fmt.Errorf("%s: %d is outside %d..%d", setting, got, low, high))
		}
	}
	within("volume_hour", l.VolumeHour, 1, 1_000_000)
	within("volume_day", l.VolumeDay, 1, 1_000_000)
	within("strikes", l.Strikes, 1, MaxStrikes)
	within("similar_day", l.SimilarDay, 1, 1_000_000)
	within("regular_gaps", l.RegularGaps, 2, 1_000_000)
	within("burst_minute", l.BurstMinute, 1, 1_000_000)
	within("reporters_min", l.ReportersMin, 1, 1000)
	if !(l.ReportShare >= 0 && l.ReportShare <= 1) { // also true for NaN
		faults = append(faults, fmt.Errorf("report_share: %g is outside 0..1", l.ReportShare))
	}
	return errors.Join(faults...)
}

// SendsNeeded returns how many of a sender's newest accepted sends the limits and the warning read at most.
func (l Limits) SendsNeeded() int {
	return max(l.VolumeHour, l.VolumeDay, l.BurstMinute, l.RegularGaps, warningGaps+1)
}

// reportersNeeded returns how many distinct reporters restrict a sender: at least ReportersMin, and at least
// ReportShare of the deliveries.
func (l Limits) reportersNeeded(deliveries int) int {
	const rounding = 1e-9 // in floating point 0.07 * 100 is a little more than 7
	return max(l.ReportersMin, int(math.Ceil(l.ReportShare*float64(deliveries)-rounding)))
}

// The windows of R41 exclude their old end: a send that is exactly 1 h old has left the hour. A send that is
// newer than now, because the clock was set back, counts.
const (
	MinuteWindow  = time.Minute
	HourWindow    = time.Hour
	DayWindow     = 24 * time.Hour
	SimilarWindow = 24 * time.Hour      // of fingerprints
	RecordWindow  = 30 * 24 * time.Hour // of strikes, reports and deliveries
	SendsWindow   = RecordWindow        // of Signals.Sends, because a regular cadence may stretch over days
)
