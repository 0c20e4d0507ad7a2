package rates

import (
	"math"
	"slices"
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

// windowDays is the response window without configuration (R58).
var windowDays = domain.DefaultPolicy().ResponseWindowDays

// TestRules proves R57 to R59 and R62.
func TestRules(t *testing.T) {
	counts := []domain.Count{
		week("2026-W45", domain.OutcomeOpened, 3), week("2026-W45", domain.OutcomeReplied, 2), week("2026-W45", domain.RepliedInTime, 1),
		week("2026-W45", domain.ExpiredUnopened, 4), week("2026-W45", domain.RetractedUnopened, 1),
		week("2026-W46", domain.OutcomeOpened, 1), week("2026-W46", domain.PendingUnopened, 1),
	}
	t.Run("R57_published_when_the_week_is_over", func(t *testing.T) {
		// W46 begins on 2026-11-09. It is complete when the Window of its last InMail is over, not a
		// millisecond earlier.
		published := at("2026-11-16T00:00:00Z").Add(domain.Window)
		for _, c := range []struct {
			now      time.Time
			complete bool
		}{{published.Add(-time.Millisecond), false}, {published, true}} {
			rows, err := ByWeek(counts, c.now, windowDays)
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
		rows, err := ByWeek(counts, at("2026-11-09T00:00:00Z").Add(domain.Window), windowDays)
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
		published := at("2026-11-09T00:00:00Z").AddDate(0, 0, windowDays) // W45 ends on that day
		for _, c := range []struct {
			now      time.Time
			complete bool
		}{{published.Add(-time.Millisecond), false}, {published, true}} {
			rows, err := ByWeek(counts, c.now, windowDays)
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

// TestNothingIsPublishedBeforeItIsFinal sends at any time of a week. When the open rate of the week is
// complete, the Window of the InMail must be over, and when the response rate is, its response window. For
// the last InMail of a week both end at the same millisecond.
func TestNothingIsPublishedBeforeItIsFinal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent := at("2020-01-01T00:00:00Z").Add(time.Duration(rapid.Int64Range(0, 20*365*24*3600*1000).Draw(t, "sent")) * time.Millisecond)
		days := rapid.IntRange(1, 365).Draw(t, "days")
		monday, err := Monday(domain.CohortOf(sent))
		if err != nil {
			t.Fatal(err)
		}
		last := monday.AddDate(0, 0, 7).Add(-time.Millisecond)
		for _, c := range []struct {
			complete time.Time
			window   time.Duration
		}{{OpenComplete(monday), domain.Window}, {ResponseComplete(monday, days), time.Duration(days) * 24 * time.Hour}} {
			if c.complete.Before(sent.Add(c.window)) || c.complete.Sub(last.Add(c.window)) != time.Millisecond {
				t.Fatalf("sent %s with %s to go: complete at %s", sent, c.window, c.complete)
			}
		}
		if ages := AgesToOpen(); ages[len(ages)-1] != domain.Window.Seconds() || !slices.IsSorted(ages) {
			t.Fatalf("openings are counted up to %v", ages)
		}
		if ages := AgesToReply(); ages[len(ages)-1] != float64(windowDays*24*3600) || !slices.IsSorted(ages) {
			t.Fatalf("replies are counted up to %v", ages)
		}
	})
}

// Every outcome counts as what happened to the InMail, and the rows of a report add them up so.
func TestOutcomesCountAsWhatHappened(t *testing.T) {
	for _, o := range domain.Outcomes() {
		if o.Replied() && !o.Opened() {
			t.Errorf("%s was answered and not opened", o)
		}
		rows, err := ByWeek([]domain.Count{week("2026-W45", o, 2)}, at("2027-01-01T00:00:00Z"), windowDays)
		if err != nil || len(rows) != 1 {
			t.Fatalf("%s: %v, %v", o, rows, err)
		}
		two := map[bool]int{true: 2}
		if r := rows[0]; r.Delivered != 2 || r.Opened != two[o.Opened()] || r.Replied != two[o.Replied()] || r.Retracted != two[o.Retracted()] {
			t.Errorf("%s: %+v", o, r)
		}
	}
}
