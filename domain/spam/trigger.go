package spam

import "time"

// The names of the triggers, one for each limit, in the order of R41.
const (
	VolumeHour  = "volume_hour"
	VolumeDay   = "volume_day"
	Strikes     = "strikes"
	Reports     = "reports"
	SimilarDay  = "similar_day"
	RegularGaps = "regular_gaps"
	BurstMinute = "burst_minute"
)

// triggers lists the triggers in the order of R41, each with whether it is about the volume and cadence of
// sends.
var triggers = []struct {
	name      string
	behaviour bool
}{
	{VolumeHour, true}, {VolumeDay, true}, {Strikes, false}, {Reports, false}, {SimilarDay, true},
	{RegularGaps, true}, {BurstMinute, true},
}

// Triggers returns the names of all triggers, in the order of R41.
func Triggers() []string {
	var names []string
	for _, t := range triggers {
		names = append(names, t.name)
	}
	return names
}

// ByBehaviour reports whether a trigger is about the volume and cadence of sends (R41 a, d), and not about
// strikes or reports (R41 b, c).
func ByBehaviour(trigger string) bool {
	for _, t := range triggers {
		if t.name == trigger {
			return t.behaviour
		}
	}
	return false
}

// A Trigger says which limit of R41 was passed, when, and by which value.
type Trigger struct {
	Name  string    `json:"name"`
	Value float64   `json:"value"` // as measured, including the event that triggered
	Limit float64   `json:"limit"`
	At    time.Time `json:"at"`
}

// Decide judges a send that would be accepted now, after those in s. Nil: it passes; else it is refused and
// its sender restricted (R41 a, d). If it passes several limits, the trigger is the first of volume_hour,
// volume_day, similar_day, burst_minute and regular_gaps: a burst is regular too, so burst_minute comes
// before regular_gaps.
func Decide(now time.Time, s Signals, l Limits) *Trigger {
	for _, d := range []struct {
		name         string
		value, limit int
	}{
		{VolumeHour, len(within(now, HourWindow, s.Sends)) + 1, l.VolumeHour},
		{VolumeDay, len(within(now, DayWindow, s.Sends)) + 1, l.VolumeDay},
		{SimilarDay, s.Similar + 1, l.SimilarDay},
		{BurstMinute, len(within(now, MinuteWindow, s.Sends)) + 1, l.BurstMinute},
	} {
		if d.value > d.limit {
			return &Trigger{Name: d.name, Value: float64(d.value), Limit: float64(d.limit), At: now}
		}
	}
	if run := regularRun(now, s.Sends); run >= l.RegularGaps {
		return &Trigger{Name: RegularGaps, Value: float64(run), Limit: float64(l.RegularGaps), At: now}
	}
	return nil
}

// Struck judges a sender right after a strike, which s already contains: the Limits.Strikes-th strike in 30
// days restricts (R41 b). It is called only then, so that strikes which already led to a restriction do not
// restrict the sender again after it has ended.
func Struck(now time.Time, s Signals, l Limits) *Trigger {
	if n := len(within(now, RecordWindow, s.Strikes)); n >= l.Strikes {
		return &Trigger{Name: Strikes, Value: float64(n), Limit: float64(l.Strikes), At: now}
	}
	return nil
}

// Reported judges a sender right after a report, which s already contains: enough distinct reporters
// restrict, if they are a large enough share of the deliveries (R41 c). The trigger's limit is how many
// reporters both conditions ask for. Like Struck it is not called on sends.
func Reported(now time.Time, s Signals, l Limits) *Trigger {
	if needed := l.reportersNeeded(s.Deliveries); s.Reporters >= needed {
		return &Trigger{Name: Reports, Value: float64(s.Reporters), Limit: float64(needed), At: now}
	}
	return nil
}
