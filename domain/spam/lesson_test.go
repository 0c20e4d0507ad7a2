package spam

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// letter returns the fingerprint of a body of 50 words. Variants of one family are near-identical: they
// differ in two words at most. Bodies of two families share no word.
func letter(family, variant int) Fingerprint {
	words := make([]string, 50)
	for i := range words {
		words[i] = fmt.Sprintf("f%dw%d", family, i)
	}
	words[variant%50] = fmt.Sprintf("v%d", variant)
	return NewFingerprint(strings.Join(words, " "))
}

func TestTeach(t *testing.T) {
	l := DefaultLimits()
	by := func(reporters ...string) (reports []ReportedBody) {
		for i, r := range reporters {
			reports = append(reports, ReportedBody{Print: letter(1, i), Sender: "s", Reporter: r})
		}
		return reports
	}
	few, many := map[string]int{"s": 10}, map[string]int{"s": 200, "z": 200}
	taught := by("a", "b", "c", "d")
	for i := range 3 {
		taught[i].Taught = true
	}
	other := by("a", "b", "c")
	other[2].Print = letter(2, 0)
	two := by("a", "b", "c", "d", "e")
	two[4].Sender = "z"
	for name, c := range map[string]struct {
		reports    []ReportedBody
		deliveries map[string]int
		want       []int
	}{
		"none":                                {nil, few, nil},
		"two readers, five times":             {by("a", "b", "a", "b", "a"), few, nil},
		"three readers":                       {by("a", "b", "c"), few, []int{0, 1, 2}},
		"three of four hundred":               {by("a", "b", "c"), map[string]int{"s": 400}, nil},
		"four of two hundred":                 {by("a", "b", "c", "d"), many, []int{0, 1, 2, 3}},
		"the deliveries of all senders count": {two, many, nil},
		"reports of another body":             {other, few, nil},
		"reports trained on before count":     {taught, few, []int{3}},
	} {
		if diff := cmp.Diff(c.want, Teach(c.reports, c.deliveries, l)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestTwoReadersTeachNothing draws any number of reports of any bodies by the same two readers.
func TestTwoReadersTeachNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reports := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ReportedBody {
			return ReportedBody{Print: letter(rapid.IntRange(1, 2).Draw(t, "family"), rapid.IntRange(0, 9).Draw(t, "variant")),
				Sender: rapid.SampledFrom([]string{"s", "z"}).Draw(t, "sender"), Reporter: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "reporter")}
		}), 0, 40).Draw(t, "reports")
		if got := Teach(reports, map[string]int{"s": rapid.IntRange(0, 50).Draw(t, "delivered")}, DefaultLimits()); got != nil {
			t.Fatalf("two readers taught %v", got)
		}
		// A third reporter makes the body that all three reported qualify, and none of another family.
		third := ReportedBody{Print: letter(1, 0), Sender: "s", Reporter: "c"}
		both := map[string]bool{}
		for _, r := range reports {
			if Similar(r.Print, third.Print) {
				both[r.Reporter] = true
			}
		}
		got := Teach(append(slices.Clone(reports), third), nil, DefaultLimits())
		if (len(both) == 2) != slices.Contains(got, len(reports)) {
			t.Fatalf("reported before by %d others: taught %v", len(both), got)
		}
		for _, i := range got {
			if !Similar(letter(1, 0), letter(1, 1)) || Similar(reports[min(i, len(reports)-1)].Print, letter(2, 0)) && i < len(reports) {
				t.Fatalf("%d is of the other family", i)
			}
		}
	})
}

// TestLessonsFade checks that three decays halve what was learned, and that after five years without training
// nothing is left.
func TestLessonsFade(t *testing.T) {
	m := trained(Sample(10))
	quiet := slices.DeleteFunc(Sample(11), func(e Example) bool {
		return !e.Spam || Judge(nil, e.Subject, e.Body).Spam || !Judge(m, e.Subject, e.Body).Spam
	})
	if len(quiet) < 20 {
		t.Fatalf("only %d are found by what was learned", len(quiet))
	}
	logit := func(e Example) float64 {
		msg := Read(e.Subject, e.Body)
		reasons, _ := msg.coldReasons()
		return m.logit(msg.features(reasons))
	}
	before := make([]float64, len(quiet))
	for i, e := range quiet {
		before[i] = logit(e)
	}
	spam, good := m.Examples()
	for range 3 {
		m.Fade()
	}
	for i, e := range quiet {
		if share := logit(e) / before[i]; math.Abs(share-0.5) > 1e-4 {
			t.Errorf("after 90 days a lesson weighs %.2f of what it did", share)
		}
	}
	if s, g := m.Examples(); math.Abs(float64(s)-float64(spam)/2) > 3 || math.Abs(float64(g)-float64(good)/2) > 3 {
		t.Errorf("after 90 days %d and %d count as learned, of %d and %d", s, g, spam, good)
	}
	for range 60 {
		m.Fade()
	}
	for _, e := range quiet {
		if v := Judge(m, e.Subject, e.Body); v.Spam || v.Score != v.Cold {
			t.Errorf("after five years it still weighs: %+v", v)
		}
	}
	if s, g := m.Examples(); s != 0 || g != 0 {
		t.Errorf("after five years %d and %d count as learned", s, g)
	}
}
