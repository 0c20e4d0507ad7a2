package domain_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"inmail/domain"
)

// TestCreditsAheadAsTheyCome spends credits as CreditsAhead plans it, and checks at each time that CreditsAt
// gives the credit, and that there was none a millisecond before.
func TestCreditsAheadAsTheyCome(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
		rollover := rapid.IntRange(0, 3).Draw(t, "rollover")
		a := domain.Account{CreatedAt: now.AddDate(0, -rapid.IntRange(0, 5).Draw(t, "months"), 0), AnchorDay: rapid.IntRange(1, 31).Draw(t, "anchor day"),
			Allowance: rapid.IntRange(0, 6).Draw(t, "allowance"), InFlight: rapid.IntRange(0, 2).Draw(t, "in flight")}
		a.Usage = []domain.Usage{{PeriodStart: domain.PeriodStart(now, a.AnchorDay), Used: rapid.IntRange(0, 6).Draw(t, "used"), Returned: rapid.IntRange(0, 2).Draw(t, "returned")}}
		ahead := domain.NewCreditsAhead(now, a, rollover)
		a.Usage[0].Used += a.InFlight // they are delivered at once
		a.InFlight = 0
		left := func(at time.Time) int { return domain.CreditsAt(at, a, rollover).Available() }
		at := now
		for range 25 {
			next, ever := ahead.Next(at)
			if !ever {
				if a.Allowance > 0 || left(at) > 0 {
					t.Fatalf("never again, with an allowance of %d and %d left", a.Allowance, left(at))
				}
				return
			}
			if left(next) < 1 {
				t.Fatalf("planned for %s, when none is left", next)
			}
			if next.After(at) && left(next.Add(-time.Millisecond)) > 0 {
				t.Fatalf("planned for %s and not for a millisecond before, when %d are left", next, left(next.Add(-time.Millisecond)))
			}
			at = next.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "days")) * 24 * time.Hour)
			if next, ever = ahead.Next(at); !ever { // what was left has lapsed since
				if a.Allowance > 0 || left(at) > 0 {
					t.Fatalf("later there is none, with an allowance of %d and %d left", a.Allowance, left(at))
				}
				return
			}
			if at = next; left(at) < 1 {
				t.Fatalf("later planned for %s, when none is left", at)
			}
			ahead.Spend()
			start := domain.PeriodStart(at, a.AnchorDay)
			if last := &a.Usage[len(a.Usage)-1]; last.PeriodStart.Equal(start) {
				last.Used++
			} else {
				a.Usage = append(a.Usage, domain.Usage{PeriodStart: start, Used: 1})
			}
		}
	})
}
