package spam

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestLimitsNameAllFaultsAtOnce(t *testing.T) {
	if err := DefaultLimits().Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	err := Limits{VolumeHour: 0, VolumeDay: 1_000_001, Strikes: -1, SimilarDay: 0, RegularGaps: 1, BurstMinute: 0, ReportersMin: 1001, ReportShare: 1.5}.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		"volume_hour: 0 is outside 1..1000000",
		"volume_day: 1000001 is outside 1..1000000",
		"strikes: -1 is outside 1..1000",
		"similar_day: 0 is outside 1..1000000",
		"regular_gaps: 1 is outside 2..1000000",
		"burst_minute: 0 is outside 1..1000000",
		"reporters_min: 1001 is outside 1..1000",
		"report_share: 1.5 is outside 0..1",
	}
	if got := err.Error(); got != strings.Join(want, "\n") {
		t.Errorf("got:\n%s", got)
	}
	nan := DefaultLimits()
	nan.ReportShare = math.NaN()
	if nan.Validate() == nil {
		t.Error("a share that is not a number passes")
	}
}

func TestReportersNeeded(t *testing.T) {
	l := DefaultLimits()
	for deliveries := range 5000 {
		want := max(3, (deliveries*2+99)/100) // 2 %, rounded up, in whole numbers
		if got := l.reportersNeeded(deliveries); got != want {
			t.Fatalf("%d deliveries: %d, want %d", deliveries, got, want)
		}
	}
}

// anyLimits draws limits that are small enough for drawn sequences to reach them.
func anyLimits(t *rapid.T) Limits {
	return Limits{
		VolumeHour:   rapid.IntRange(1, 12).Draw(t, "volume_hour"),
		VolumeDay:    rapid.IntRange(1, 15).Draw(t, "volume_day"),
		Strikes:      rapid.IntRange(1, 5).Draw(t, "strikes"),
		SimilarDay:   rapid.IntRange(1, 5).Draw(t, "similar_day"),
		RegularGaps:  rapid.IntRange(2, 6).Draw(t, "regular_gaps"),
		BurstMinute:  rapid.IntRange(1, 6).Draw(t, "burst_minute"),
		ReportersMin: rapid.IntRange(1, 5).Draw(t, "reporters_min"),
		ReportShare:  float64(rapid.IntRange(0, 20).Draw(t, "report_share")) / 100,
	}
}

// anyGap draws a gap at or around the length of a window.
func anyGap(t *rapid.T) time.Duration {
	edge := rapid.SampledFrom([]time.Duration{0, time.Second, 20 * time.Second, time.Minute, 7 * time.Minute, time.Hour, 5 * time.Hour, 24 * time.Hour}).Draw(t, "gap")
	return max(0, edge+time.Duration(rapid.IntRange(-1100, 1100).Draw(t, "off"))*ms)
}

// anySignals draws the signals of a sender.
func anySignals(t *rapid.T, now time.Time) Signals {
	var s Signals
	at := now
	for range rapid.IntRange(0, 30).Draw(t, "sends") {
		at = at.Add(-anyGap(t))
		s.Sends = append(s.Sends, at)
	}
	at = now
	for range rapid.IntRange(0, 6).Draw(t, "strikes") {
		at = at.Add(-time.Duration(rapid.IntRange(0, 12*24).Draw(t, "hours")) * time.Hour)
		s.Strikes = append(s.Strikes, at)
	}
	s.Reporters = rapid.IntRange(0, 8).Draw(t, "reporters")
	s.Deliveries = rapid.IntRange(s.Reporters, 300).Draw(t, "deliveries")
	s.Similar = rapid.IntRange(0, 8).Draw(t, "similar")
	if s.Reporters > 0 {
		s.ReportedAt = now.Add(-time.Duration(rapid.IntRange(0, 30*24*3600-1).Draw(t, "reported")) * time.Second)
	}
	if s.Similar > 0 {
		s.SimilarAt = now.Add(-time.Duration(rapid.IntRange(0, 24*3600-1).Draw(t, "like")) * time.Second)
	}
	return s
}

// TestDecideMatchesAllSends draws sends at any gaps. Decide, which reads the newest sends only, must return
// what counting all earlier sends gives.
func TestDecideMatchesAllSends(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := anyLimits(t)
		now := t0
		var history []time.Time // of accepted sends, oldest first
		var s Signals
		for range rapid.IntRange(1, 60).Draw(t, "sends") {
			now = now.Add(anyGap(t))
			got := Decide(now, s, l)

			count := func(window time.Duration) (n int) {
				for _, at := range history {
					if now.Sub(at) < window {
						n++
					}
				}
				return n
			}
			want := ""
			switch {
			case count(time.Hour) >= l.VolumeHour:
				want = VolumeHour
			case count(24*time.Hour) >= l.VolumeDay:
				want = VolumeDay
			case count(time.Minute) >= l.BurstMinute:
				want = BurstMinute
			case even(append(history[:len(history):len(history)], now), l.RegularGaps):
				want = RegularGaps
			}
			if name(got) != want {
				t.Fatalf("%+v, want %q; sends %v, now %v", got, want, history, now)
			}
			if got != nil {
				continue // refused: it is not counted
			}
			history = append(history, now)
			if s = s.WithSend(now); len(s.Sends) > l.SendsNeeded() {
				s.Sends = s.Sends[:l.SendsNeeded()]
			}
		}
	})
}

// even reports whether the last gaps lie within 1 s of each other, by comparing each with each.
func even(times []time.Time, gaps int) bool {
	if len(times) <= gaps {
		return false
	}
	times = times[len(times)-gaps-1:]
	for i := range gaps {
		for j := range gaps {
			if d := times[i+1].Sub(times[i]) - times[j+1].Sub(times[j]); d > time.Second || d < -time.Second {
				return false
			}
		}
	}
	return true
}

// TestHigherLimitsNeverTriggerMore checks that what passed also passes under milder limits, and that more
// sends, strikes or reports never make pass what did not.
func TestHigherLimitsNeverTriggerMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, s := anyLimits(t), anySignals(t, t0)
		milder := Limits{
			VolumeHour:   l.VolumeHour + rapid.IntRange(0, 3).Draw(t, "more"),
			VolumeDay:    l.VolumeDay + rapid.IntRange(0, 3).Draw(t, "more"),
			Strikes:      l.Strikes + rapid.IntRange(0, 3).Draw(t, "more"),
			SimilarDay:   l.SimilarDay + rapid.IntRange(0, 3).Draw(t, "more"),
			RegularGaps:  l.RegularGaps + rapid.IntRange(0, 3).Draw(t, "more"),
			BurstMinute:  l.BurstMinute + rapid.IntRange(0, 3).Draw(t, "more"),
			ReportersMin: l.ReportersMin + rapid.IntRange(0, 3).Draw(t, "more"),
			ReportShare:  l.ReportShare + 0.01,
		}
		for what, judge := range map[string]func(time.Time, Signals, Limits) *Trigger{"Decide": Decide, "Struck": Struck, "Reported": Reported} {
			if judge(t0, s, l) == nil && judge(t0, s, milder) != nil {
				t.Errorf("%s: milder limits trigger %+v", what, judge(t0, s, milder))
			}
		}
		more := s
		more.Strikes = append([]time.Time{t0}, s.Strikes...)
		more.Reporters++
		more.Similar++
		for what, judge := range map[string]func(time.Time, Signals, Limits) *Trigger{"Struck": Struck, "Reported": Reported, "Decide": Decide} {
			if judge(t0, s, l) != nil && judge(t0, more, l) == nil {
				t.Errorf("%s: with more against the sender it passes", what)
			}
		}
		// What a volume limit refuses is also refused after one more send.
		if d := Decide(t0, s, l); d != nil && d.Name != RegularGaps && d.Name != SimilarDay && Decide(t0, s.WithSend(t0), l) == nil {
			t.Errorf("after one more send it passes: %+v", d)
		}
	})
}

func TestSignalsAreNotShared(t *testing.T) {
	sends := make([]time.Time, 1, 8)
	sends[0] = t0
	s := Signals{Sends: sends, Strikes: sends[:0:8]}
	a, b := s.WithSend(t0.Add(ms)), s.WithSend(t0.Add(2*ms))
	if !a.Sends[0].Equal(t0.Add(ms)) || !b.Sends[0].Equal(t0.Add(2*ms)) || !s.Sends[0].Equal(t0) || len(a.Sends) != 2 {
		t.Errorf("%v %v %v", s.Sends, a.Sends, b.Sends)
	}
	s.WithStrike(t0.Add(ms))
	if !sends[0].Equal(t0) {
		t.Error("a strike was written over a send")
	}
}
