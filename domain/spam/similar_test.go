package spam

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// body returns n words of a vocabulary of 3,000.
func body(random *rand.Rand, n int) []string {
	words := make([]string, n)
	for i := range words {
		words[i] = fmt.Sprintf("w%d", random.IntN(3000))
	}
	return words
}

// TestNearIdenticalBodiesAreFound changes one word in ten, anywhere: all pairs must be similar. With one in
// five changed none may be.
func TestNearIdenticalBodiesAreFound(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		n := 10 + random.IntN(140)
		words := body(random, n)
		changed := append([]string{}, words...)
		for _, at := range random.Perm(n)[:n/10] {
			changed[at] = "changed" + fmt.Sprint(random.IntN(1000000))
		}
		if !Similar(NewFingerprint(strings.Join(words, " ")), NewFingerprint(strings.Join(changed, " "))) {
			t.Errorf("%d words, %d changed: not found", n, n/10)
		}
		for _, at := range random.Perm(n)[:n/5] {
			words[at] = "other" + fmt.Sprint(random.IntN(1000000))
		}
		if Similar(NewFingerprint(strings.Join(words, " ")), NewFingerprint(strings.Join(changed, " "))) {
			t.Errorf("%d words, %d changed: found", n, n/5)
		}
	}
}

func TestDifferentInMailsAreNotAlike(t *testing.T) {
	var prints []Fingerprint
	all := inmails(t)
	for _, e := range all {
		prints = append(prints, NewFingerprint(e.Body))
	}
	for i := range prints {
		for j := range i {
			if Similar(prints[i], prints[j]) {
				t.Errorf("alike: %s\n%s", all[i].Body, all[j].Body)
			}
		}
	}
}

func TestBodiesWithoutWords(t *testing.T) {
	for _, row := range []struct {
		a, b  Fingerprint
		alike bool
	}{
		{NewFingerprint("👍👍"), NewFingerprint("👍👍"), true},
		{NewFingerprint("👍👍"), NewFingerprint("!!!"), false},
		{NewFingerprint("Ann"), NewFingerprint("Ann"), true},
		{NewFingerprint("Ann", "Ann Lee"), NewFingerprint("Bob!", "Bob"), true}, // the name and nothing else
		{NewFingerprint("Ann", "Ann Lee"), NewFingerprint("Call me"), false},
		{NewFingerprint("求人のご案内です、佐藤様", "佐藤"), NewFingerprint("求人のご案内です、鈴木様", "鈴木"), true},
	} {
		if got := Similar(row.a, row.b); got != row.alike {
			t.Errorf("%v %v: %t", row.a.words, row.b.words, got)
		}
	}
}

func TestSimilarIsSymmetric(t *testing.T) {
	word := rapid.SampledFrom([]string{"we", "help", "teams", "like", "yours", "sell", "more", "data", "and", "ann"})
	text := rapid.SliceOfN(word, 0, 15)
	rapid.Check(t, func(t *rapid.T) {
		a := NewFingerprint(strings.Join(text.Draw(t, "a"), " "), strings.Join(text.Draw(t, "own of a"), " "))
		b := NewFingerprint(strings.Join(text.Draw(t, "b"), " "), strings.Join(text.Draw(t, "own of b"), " "))
		if Similar(a, b) != Similar(b, a) {
			t.Error("it depends on the order")
		}
		if !Similar(a, a) {
			t.Error("a body is not like itself")
		}
	})
}

func TestMostAlike(t *testing.T) {
	if n, at := MostAlike(nil); n != 0 || !at.IsZero() {
		t.Errorf("of none: %d, %s", n, at)
	}
	texts := []string{"one two three four five", "quite another thing to say", "one two three four five", "one two three four five", "quite another thing to say"}
	var prints []SentPrint
	for i, text := range texts {
		prints = append(prints, SentPrint{t0.Add(-time.Duration(i) * time.Hour), NewFingerprint(text)})
	}
	if n, at := MostAlike(prints); n != 3 || !at.Equal(t0.Add(-3*time.Hour)) {
		t.Errorf("%d, the oldest at %s", n, at)
	}
	if n, at := MostAlike(prints[1:2]); n != 1 || !at.Equal(t0.Add(-time.Hour)) {
		t.Errorf("of one: %d, the oldest at %s", n, at)
	}
}
