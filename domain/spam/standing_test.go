package spam

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestStandingForetellsDecisions compares the standing with the decisions that follow: without headroom the
// next send is refused, with headroom it is not, and no limit eases before its EasesAt.
func TestStandingForetellsDecisions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, s := anyLimits(t), anySignals(t, t0)
		rows := StandingOf(t0, s, l, nil).Triggers
		if len(rows) != 7 {
			t.Fatalf("%d rows", len(rows))
		}
		for i, r := range rows {
			if r.Headroom < 0 || r.Headroom > r.Limit || r.Value < 0 || r.Limit < 1 {
				t.Errorf("%+v", r)
			}
			if (r.Value == 0) != r.EasesAt.IsZero() {
				t.Errorf("value and time to ease: %+v", r)
			}
			if r.EasesAt.IsZero() {
				continue
			}
			if !r.EasesAt.After(t0) {
				t.Errorf("it eased in the past: %+v", r)
			}
			if r.Trigger == Reports || r.Trigger == SimilarDay { // counted by the caller for its own now
				continue
			}
			before := StandingOf(r.EasesAt.Add(-ms), s, l, nil).Triggers[i]
			after := StandingOf(r.EasesAt, s, l, nil).Triggers[i]
			if before.Headroom > r.Headroom {
				t.Errorf("headroom grew before: %+v, then %+v", r, before)
			}
			if after.Value >= r.Value || r.Headroom == 0 && r.Trigger != Strikes && r.Trigger != RegularGaps && after.Headroom == 0 {
				t.Errorf("it did not ease: %+v, then %+v", r, after)
			}
		}
		if r := rows[0]; (r.Headroom == 0) != (name(Decide(t0, s, l)) == VolumeHour) {
			t.Errorf("%+v, and Decide says %+v", r, Decide(t0, s, l))
		}
		only := Limits{VolumeHour: 99, VolumeDay: 99, SimilarDay: 99, RegularGaps: l.RegularGaps, BurstMinute: 99}
		if d := Decide(t0, s, only); d != nil && rows[5].Headroom != 0 {
			t.Errorf("%+v, and Decide says %+v", rows[5], d)
		}
		only = Limits{VolumeHour: 99, VolumeDay: l.VolumeDay, SimilarDay: 99, RegularGaps: 99, BurstMinute: 99}
		if d := Decide(t0, s, only); (d != nil) != (rows[1].Headroom == 0) {
			t.Errorf("%+v, and Decide says %+v", rows[1], d)
		}
		only = Limits{VolumeHour: 99, VolumeDay: 99, SimilarDay: 99, RegularGaps: 99, BurstMinute: l.BurstMinute}
		if d := Decide(t0, s, only); (d != nil) != (rows[6].Headroom == 0) {
			t.Errorf("%+v, and Decide says %+v", rows[6], d)
		}
	})
}

func TestWarningLooksAtTwentyGaps(t *testing.T) {
	steady := func(jitter time.Duration) []time.Time {
		times := []time.Time{t0}
		for i := range 20 {
			gap := 100 * time.Second
			if i%2 == 0 {
				gap += jitter
			} else {
				gap -= jitter
			}
			times = append(times, times[i].Add(-gap))
		}
		return times
	}
	for jitter, want := range map[time.Duration]bool{0: true, 24900 * ms: true, 25100 * ms: false, 60 * time.Second: false} {
		if got := tooEven(steady(jitter)); got != want {
			t.Errorf("coefficient of variation %g: %t", jitter.Seconds()/100, got)
		}
	}
	if !tooEven(make([]time.Time, 21)) {
		t.Error("twenty-one sends at the same instant are no person's")
	}
}
