package rates

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
)

// trial simulates two sides of true rates that send some InMails a day, and looks at them each day for 13
// weeks. Each day is a stratum of its own, which is a harder test than complete weeks: there are seven times
// as many looks with something new. It returns the first verdict that is not CannotTell, and by naive the
// first that the 95 % interval of a single look would have given.
func trial(r *rand.Rand, p [2]float64, perDay float64) (verdict, naive Verdict) {
	verdict, naive = CannotTell, CannotTell
	var strata []stratum
	for range 13 * 7 {
		var s stratum
		for side := range 2 {
			s.of[side] = poisson(r, perDay)
			for range s.of[side] {
				if r.Float64() < p[side] {
					s.hits[side]++
				}
			}
		}
		strata = append(strata, s)
		d := difference(strata)
		if d == nil {
			continue
		}
		if verdict == CannotTell {
			verdict = d.Verdict()
		}
		if naive == CannotTell {
			naive = single(d)
		}
		if verdict != CannotTell && naive != CannotTell {
			break
		}
	}
	return verdict, naive
}

// single returns the verdict of the usual test of two proportions, as if nobody had looked before.
func single(d *Difference) Verdict {
	n0, n1 := float64(d.Of[0]), float64(d.Of[1])
	p := float64(d.Hits[0]+d.Hits[1]) / (n0 + n1)
	score := (float64(d.Hits[0])/n0 - float64(d.Hits[1])/n1) / math.Sqrt(p*(1-p)*(1/n0+1/n1))
	switch {
	case score > z:
		return Higher
	case score < -z:
		return Lower
	}
	return CannotTell
}

func poisson(r *rand.Rand, mean float64) (n int) {
	for t := r.ExpFloat64(); t < mean; t += r.ExpFloat64() {
		n++
	}
	return n
}

// TestEqualTagsHaveFewWinners looks at pairs of equal tags each day for 13 weeks. At most 5 % of the pairs
// may ever have a winner.
func TestEqualTagsHaveFewWinners(t *testing.T) {
	pairs := 1000
	if os.Getenv("INMAIL_TEST_LONG") != "" {
		pairs = 20_000
	}
	for _, p := range []float64{0.03, 0.1, 0.25, 0.5, 0.9} {
		for _, perDay := range []float64{0.3, 2, 10} {
			r := rand.New(rand.NewPCG(uint64(1000*p), uint64(10*perDay)))
			winners, peeked := 0, 0
			for range pairs {
				verdict, naive := trial(r, [2]float64{p, p}, perDay)
				if verdict != CannotTell {
					winners++
				}
				if naive != CannotTell {
					peeked++
				}
			}
			share := float64(winners) / float64(pairs)
			t.Logf("rate %.2f, %4.1f a day: winners %.2f %%; by single looks %.1f %%", p, perDay, 100*share, 100*float64(peeked)/float64(pairs))
			if share > 0.05 {
				t.Errorf("rate %g, %g a day: %d of %d pairs of equal tags had a winner", p, perDay, winners, pairs)
			}
		}
	}
}

// TestTrueDifferencesAreFound measures how many pairs of different tags have the right winner within 13
// weeks, and that hardly any has the wrong one.
func TestTrueDifferencesAreFound(t *testing.T) {
	pairs := 200
	if os.Getenv("INMAIL_TEST_LONG") != "" {
		pairs = 5000
	}
	for _, row := range []struct {
		p      [2]float64
		perDay float64
		least  float64 // the share that must be found
	}{
		{[2]float64{0.60, 0.40}, 2, 0.6},
		{[2]float64{0.60, 0.40}, 10, 0.99},
		{[2]float64{0.55, 0.45}, 10, 0.8},
		{[2]float64{0.25, 0.15}, 2, 0.1},
		{[2]float64{0.25, 0.15}, 10, 0.95},
		{[2]float64{0.12, 0.08}, 10, 0.2},
		{[2]float64{0.52, 0.48}, 10, 0},
	} {
		r := rand.New(rand.NewPCG(uint64(1000*row.p[0]), uint64(10*row.perDay)))
		right, wrong := 0, 0
		for range pairs {
			switch verdict, _ := trial(r, row.p, row.perDay); verdict {
			case Higher:
				right++
			case Lower:
				wrong++
			}
		}
		found := float64(right) / float64(pairs)
		t.Logf("%.2f against %.2f, %g a day: found %.1f %%, wrong %.2f %%", row.p[0], row.p[1], row.perDay, 100*found, 100*float64(wrong)/float64(pairs))
		if found < row.least || float64(wrong) > 0.025*float64(pairs) {
			t.Errorf("%v, %g a day: %.3f found, want %g; %d wrong", row.p, row.perDay, found, row.least, wrong)
		}
	}
}

// side returns the counts of one side in weeks from the one of 2026-09-07 on: opened and delivered in each.
func side(key string, weeks ...[2]int) (counts []domain.Count) {
	for i, w := range weeks {
		cohort := domain.CohortOf(time.Date(2026, 9, 7+7*i, 0, 0, 0, 0, time.UTC))
		counts = append(counts,
			domain.Count{Key: key, Cohort: cohort, Outcome: domain.OutcomeReplied, N: w[0]},
			domain.Count{Key: key, Cohort: cohort, Outcome: domain.RepliedInTime, N: w[0]},
			domain.Count{Key: key, Cohort: cohort, Outcome: domain.ExpiredUnopened, N: w[1] - w[0]})
	}
	return counts
}

func TestCompare(t *testing.T) {
	start := time.Date(2026, 9, 7, 0, 0, 0, 0, time.UTC)
	const complete = time.Duration(OpenCompleteDays) * day
	a, b := side("a", [2]int{80, 100}, [2]int{70, 100}, [2]int{0, 0}), side("b", [2]int{40, 100}, [2]int{30, 100}, [2]int{99, 100})

	t.Run("R62_over_complete_weeks", func(t *testing.T) {
		for _, row := range []struct {
			now            time.Time
			open, response [2]int // the deliveries that are compared; 0: nothing yet
		}{
			{start.Add(complete - time.Millisecond), [2]int{}, [2]int{}},
			{start.Add(complete), [2]int{100, 100}, [2]int{}},
			{start.Add(complete + oneWeek), [2]int{200, 200}, [2]int{}},
			{start.Add(oneWeek + 30*day), [2]int{200, 200}, [2]int{100, 100}},
			{start.Add(100 * day), [2]int{200, 200}, [2]int{200, 200}}, // the third week has one side only
		} {
			d, err := Compare(a, b, row.now, 30)
			if err != nil {
				t.Fatal(err)
			}
			for name, got := range map[string]struct {
				d    *Difference
				want [2]int
			}{"open": {d.Open, row.open}, "response": {d.Response, row.response}} {
				switch {
				case got.want == [2]int{}:
					if got.d != nil || got.d.Verdict() != CannotTell {
						t.Errorf("%s at %s: %+v", name, row.now, got.d)
					}
				case got.d == nil || got.d.Of != got.want || math.Abs(got.d.Value-0.4) > 1e-12 || got.d.Verdict() != Higher:
					t.Errorf("%s at %s: %+v, want 40 points over %v", name, row.now, got.d, got.want)
				}
			}
		}
	})

	t.Run("R62_the_other_way_about", func(t *testing.T) {
		d, _ := Compare(a, b, start.Add(100*day), 30)
		e, _ := Compare(b, a, start.Add(100*day), 30)
		if e.Open.Value != -d.Open.Value || e.Open.Low != -d.Open.High || e.Open.Verdict() != Lower {
			t.Errorf("%+v and %+v", d.Open, e.Open)
		}
	})

	t.Run("R62_a_few_say_nothing", func(t *testing.T) {
		for n := 1; n <= 4; n++ {
			d, _ := Compare(side("a", [2]int{n, n}), side("b", [2]int{0, n}), start.Add(100*day), 30)
			if d.Open.Verdict() != CannotTell || d.Open.Value != 1 || d.Open.High != 1 {
				t.Errorf("%d against %d: %+v", n, n, d.Open)
			}
		}
	})

	t.Run("R62_to_those_without", func(t *testing.T) {
		all := append(side("", [2]int{80, 100}), side("", [2]int{40, 200})...)
		got, err := ToOthers(append(side("with", [2]int{80, 100}), side("both", [2]int{120, 300})...), all, start.Add(100*day), 30)
		if err != nil {
			t.Fatal(err)
		}
		if d := got["with"].Open; d == nil || math.Abs(d.Value-0.6) > 1e-12 || d.Of != [2]int{100, 200} || d.Hits != [2]int{80, 40} {
			t.Errorf("with: %+v", d)
		}
		if diff := cmp.Diff(Differences{}, got["both"]); diff != "" {
			t.Errorf("a key that all have (-want +got):\n%s", diff)
		}
	})

	t.Run("R62_weeks_of_their_own_are_not_mixed", func(t *testing.T) {
		// The first side is no better in either week; it only sent more in the better one.
		d, _ := Compare(side("a", [2]int{900, 1000}, [2]int{10, 100}), side("b", [2]int{90, 100}, [2]int{100, 1000}), start.Add(100*day), 30)
		if math.Abs(d.Open.Value) > 1e-12 || d.Open.Verdict() != CannotTell {
			t.Errorf("%+v", d.Open)
		}
	})

	if _, err := Compare([]domain.Count{{Cohort: "x", Outcome: domain.OutcomeOpened, N: 1}}, []domain.Count{{Cohort: "x", Outcome: domain.OutcomeOpened, N: 1}}, start, 30); err == nil {
		t.Error("a cohort that is no week is no error")
	}
	if got := fmt.Sprint(Verdicts()); got != "[higher lower cannot_tell]" {
		t.Error(got)
	}
}
