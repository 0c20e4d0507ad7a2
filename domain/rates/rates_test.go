package rates

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"inmail/domain"
)

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t
}

func week(c domain.Cohort, o domain.Outcome, n int) domain.Count {
	return domain.Count{Cohort: c, Dimension: domain.ByAll, Outcome: o, N: n}
}

// TestRules proves R57 to R59 and R62.
func TestRules(t *testing.T) {
	counts := []domain.Count{
		week("2026-W45", domain.OutcomeOpened, 3), week("2026-W45", domain.OutcomeReplied, 2), week("2026-W45", domain.RepliedInTime, 1),
		week("2026-W45", domain.ExpiredUnopened, 4), week("2026-W45", domain.RetractedUnopened, 1),
		week("2026-W46", domain.OutcomeOpened, 1), week("2026-W46", domain.PendingUnopened, 1),
	}
	t.Run("R57_published_when_the_week_is_over", func(t *testing.T) {
		// W46 begins on 2026-11-09; it is complete 14 days later, not a millisecond earlier.
		for _, c := range []struct {
			now      string
			complete bool
		}{{"2026-11-22T23:59:59.999Z", false}, {"2026-11-23T00:00:00.000Z", true}} {
			rows, err := ByWeek(counts, at(c.now), 30)
			if err != nil {
				t.Fatal(err)
			}
			if rows[1].Complete != c.complete || (rows[1].Open != nil) != c.complete {
				t.Errorf("at %s: complete %v with rate %v, want %v", c.now, rows[1].Complete, rows[1].Open, c.complete)
			}
			if rows[1].Delivered != 2 || rows[1].Opened != 1 {
				t.Errorf("at %s: the count so far is %d of %d, want 1 of 2", c.now, rows[1].Opened, rows[1].Delivered)
			}
		}
	})
	t.Run("R57_retracted_and_expired_stay_below_the_line", func(t *testing.T) {
		rows, err := ByWeek(counts, at("2026-11-23T00:00:00Z"), 30)
		if err != nil {
			t.Fatal(err)
		}
		want := Row{Key: "2026-W45", Delivered: 10, Opened: 5, Replied: 2, InTime: 1, Expired: 4, Retracted: 1, Complete: true,
			Open: &Rate{Value: 0.5, Low: 0.236593, High: 0.763407}, OpenOf: 10}
		if diff := cmp.Diff(want, rows[0], cmpopts.EquateApprox(0, 1e-6)); diff != "" {
			t.Errorf("row (-want +got):\n%s", diff)
		}
	})
	t.Run("R58_published_when_the_window_is_over", func(t *testing.T) {
		// W45 ends on 2026-11-09 00:00; 30 days later is 2026-12-09.
		for _, c := range []struct {
			now      string
			complete bool
		}{{"2026-12-08T23:59:59.999Z", false}, {"2026-12-09T00:00:00.000Z", true}} {
			rows, err := ByWeek(counts, at(c.now), 30)
			if err != nil {
				t.Fatal(err)
			}
			if rows[0].ResponseComplete != c.complete || (rows[0].Response != nil) != c.complete {
				t.Errorf("at %s: complete %v with rate %v, want %v", c.now, rows[0].ResponseComplete, rows[0].Response, c.complete)
			}
			if c.complete && rows[0].Response.Value != 0.1 {
				t.Errorf("response rate %v, want 0.1: replies after the window do not count", rows[0].Response.Value)
			}
		}
	})
	t.Run("R59_other_cuts_are_over_the_complete_weeks", func(t *testing.T) {
		byTag := []domain.Count{
			{Cohort: "2026-W45", Dimension: domain.ByTag, Key: "a", Outcome: domain.OutcomeOpened, N: 1},
			{Cohort: "2026-W45", Dimension: domain.ByTag, Key: "a", Outcome: domain.ExpiredUnopened, N: 1},
			{Cohort: "2026-W47", Dimension: domain.ByTag, Key: "a", Outcome: domain.OutcomeOpened, N: 8},
		}
		rows, err := ByKey(byTag, at("2026-11-23T00:00:00Z"), 30)
		if err != nil {
			t.Fatal(err)
		}
		if rows[0].Delivered != 10 || rows[0].Open.Value != 0.5 || rows[0].OpenOf != 2 || rows[0].Complete {
			t.Errorf("got %+v with rate %+v, want 10 delivered, rate 0.5 of 2, incomplete", rows[0], rows[0].Open)
		}
	})
	t.Run("R62_length_and_advice_are_cuts", func(t *testing.T) {
		m := &domain.InMail{SentAt: at("2026-11-23T09:00:00Z"), ExpiresAt: at("2026-11-30T09:00:00Z"), Words: 100, Advice: []string{"no_name"}}
		var found []string
		for _, c := range domain.CountsFor(m, "", domain.PendingUnopened) {
			if c.Dimension == domain.ByLength || c.Dimension == domain.ByAdvice {
				found = append(found, string(c.Dimension)+"="+c.Key)
			}
		}
		if diff := cmp.Diff([]string{"length=100_and_more", "advice=no_name"}, found); diff != "" {
			t.Errorf("cuts (-want +got):\n%s", diff)
		}
	})
}

func TestMondayIsTheInverseOfCohort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		day := at("1990-01-01T00:00:00Z").AddDate(0, 0, rapid.IntRange(0, 36500).Draw(t, "day"))
		monday, err := Monday(domain.CohortOf(day))
		if err != nil {
			t.Fatal(err)
		}
		if monday.Weekday() != time.Monday || day.Before(monday) || !day.Before(monday.AddDate(0, 0, 7)) {
			t.Fatalf("%s is not in the week of %s", day, monday)
		}
	})
}

func TestMondayRefusesWhatIsNoWeek(t *testing.T) {
	for _, c := range []domain.Cohort{"", "2026", "2026-W00", "2026-W54", "2025-W53", "x-Wy"} {
		if m, err := Monday(c); err == nil {
			t.Errorf("%q: got %s, want an error", c, m)
		}
	}
}

func TestWilsonIntervalHoldsTheRate(t *testing.T) {
	if Of(0, 0) != nil {
		t.Error("a rate of nothing, want none")
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 100_000).Draw(t, "n")
		r := Of(rapid.IntRange(0, n).Draw(t, "hits"), n)
		if !(0 <= r.Low && r.Low <= r.Value+1e-12 && r.Value <= r.High+1e-12 && r.High <= 1) || math.IsNaN(r.Low+r.High) {
			t.Fatalf("%+v is no interval around its rate", *r)
		}
	})
}
