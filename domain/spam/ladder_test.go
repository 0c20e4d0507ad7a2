package spam

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestLadder draws restrictions after any clean times. The step never rises by more than one, stays in 1..3,
// and does not depend on the order of the rows.
func TestLadder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var previous []Restriction // oldest first
		now := t0
		for range rapid.IntRange(1, 12).Draw(t, "restrictions") {
			clean := time.Duration(rapid.IntRange(0, 400*24).Draw(t, "clean hours")) * time.Hour
			now = now.Add(clean)
			r := Restrict(now, Trigger{Name: Strikes, Value: 3, Limit: 3}, previous)
			reversed := slices.Clone(previous)
			slices.Reverse(reversed)
			if diff := cmp.Diff(r, Restrict(now, Trigger{Name: Strikes, Value: 3, Limit: 3}, reversed)); diff != "" {
				t.Fatalf("by the order of the rows (-oldest first +newest first):\n%s", diff)
			}
			if r.Until.Sub(r.StartedAt) != map[int]time.Duration{1: 24 * time.Hour, 2: 72 * time.Hour, 3: 168 * time.Hour}[r.Step] {
				t.Fatalf("%+v", r)
			}
			if n := len(previous); n > 0 {
				want := min(3, previous[n-1].Step+1)
				for ; clean >= 90*24*time.Hour && want > 1; clean -= 90 * 24 * time.Hour {
					want--
				}
				if r.Step != want {
					t.Fatalf("step %d after %+v, want %d", r.Step, previous[n-1], want)
				}
			} else if r.Step != 1 {
				t.Fatalf("the first: step %d", r.Step)
			}
			previous = append(previous, r)
			now = r.Until
		}
	})
}

func TestLadderOfOverlappingRestrictions(t *testing.T) {
	long := Restriction{Step: 3, StartedAt: t0, Until: t0.Add(168 * time.Hour)}
	short := Restriction{Step: 1, StartedAt: t0.Add(time.Hour), Until: t0.Add(25 * time.Hour)}
	if got := Restrict(t0.Add(2*time.Hour), Trigger{}, []Restriction{short, long}); got.Step != 3 {
		t.Errorf("inside of two: step %d", got.Step)
	}
	// The clean time begins when the last of them ends.
	if got := Restrict(long.Until.Add(90*24*time.Hour-ms), Trigger{}, []Restriction{short, long}); got.Step != 3 {
		t.Errorf("89.9 days after the longer one: step %d", got.Step)
	}
}

// TestLadderTime checks that a restriction of the longest step raises the next one until LadderTime, and no
// longer.
func TestLadderTime(t *testing.T) {
	var previous []Restriction
	now := t0
	for range numberOfSteps {
		previous = append(previous, Restrict(now, Trigger{}, previous))
		now = previous[len(previous)-1].Until
	}
	last := previous[numberOfSteps-1]
	before := Restrict(last.StartedAt.Add(LadderTime-ms), Trigger{}, previous)
	after := Restrict(last.StartedAt.Add(LadderTime), Trigger{}, previous)
	if last.Step != numberOfSteps || before.Step != 2 || after.Step != 1 {
		t.Errorf("after step %d: step %d until LadderTime, then %d", last.Step, before.Step, after.Step)
	}
}
