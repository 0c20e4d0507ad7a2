package spam

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// paceRules proves that Pace foresees what Decide decides.
func paceRules(t *testing.T) {
	const never = 1_000_000
	t.Run("R66_foreseen_as_decided", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			l, s := anyLimits(t), anySignals(t, t0)
			print := NewFingerprint("You wrote that your team tests its queues by killing workers. Would you show me how?")
			var prints []SentPrint // the newest sends had this text
			for _, at := range s.Sends[:rapid.IntRange(0, len(s.Sends)).Draw(t, "alike")] {
				if t0.Sub(at) < SimilarWindow {
					prints = append(prints, SentPrint{at, print})
				}
			}
			alike := &print
			if rapid.Bool().Draw(t, "personal") {
				alike, prints = nil, nil
			}
			judge := func(now time.Time) *Trigger {
				s := s
				s.Similar = 0
				for _, p := range prints {
					if p.At.After(now.Add(-SimilarWindow)) {
						s.Similar++
					}
				}
				return Decide(now, s, l)
			}
			pace := NewPace(s, prints, l)
			at, limit := pace.Next(t0, alike)
			if (limit == "") != (judge(t0) == nil) || (limit == "") != at.Equal(t0) {
				t.Fatalf("foreseen: %q at %s, decided: %+v", limit, at, judge(t0))
			}
			before := at.Add(-pace.step())
			if before.Before(t0) {
				before = t0
			}
			if limit != "" && limit != RegularGaps && judge(before) == nil {
				t.Fatalf("%s eases at %s and not at %s, when nothing refuses", limit, at, before)
			}
			late := time.Duration(rapid.Int64Range(0, PaceSlack.Milliseconds()).Draw(t, "late")) * time.Millisecond
			if late > 0 {
				l.RegularGaps = never // a cadence is the sender's own
				pace.limits = l
			}
			step := time.Time{}
			for range 30 {
				at, _ = pace.Next(at, alike)
				pace.Add(at, alike)
				now := at.Add(late * time.Duration(at.Unix()/60%3) / 2) // each step is late by another time
				if now.Before(step) {
					now = step
				}
				step = now
				if found := judge(now); found != nil {
					t.Fatalf("foreseen at %s, sent at %s: %+v", at, now, found)
				}
				s = s.WithSend(now)
				if alike != nil {
					prints = append(prints, SentPrint{now, print})
				}
			}
		})
	})
}
