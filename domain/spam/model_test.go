package spam

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
)

func toJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// trained returns a model that was trained on examples.
func trained(examples []Example) *Model {
	m := NewModel()
	for _, e := range examples {
		m.Observe(e.Subject, e.Body, e.Spam)
	}
	return m
}

func stored(t testing.TB, m *Model) []byte {
	t.Helper()
	b, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestModelIsTheSameOnEveryMachine fixes the bytes of a model trained on sample 1, the same on every
// architecture. A change that alters them needs a new ContentVersion.
func TestModelIsTheSameOnEveryMachine(t *testing.T) {
	const want = "deffc170de6b90db"
	m := trained(Sample(1))
	if got := fmt.Sprintf("%x", sha256.Sum256(stored(t, m)))[:16]; got != want {
		t.Errorf("after the lessons of sample 1 the model is %s, want %s", got, want)
	}
}

func TestFreshModelDecidesByColdSignalsAlone(t *testing.T) {
	onlyGood, onlySpam := NewModel(), NewModel()
	for _, e := range Sample(2) {
		if e.Spam {
			onlySpam.Observe(e.Subject, e.Body, true)
		} else {
			onlyGood.Observe(e.Subject, e.Body, false)
		}
	}
	for _, e := range Sample(3) {
		cold := Judge(nil, e.Subject, e.Body)
		if cold.Score != cold.Cold || cold.Learned != 0.5 {
			t.Fatalf("without a model: %+v", cold)
		}
		for what, m := range map[string]*Model{"a fresh model": NewModel(), "one that has learned good ones only": onlyGood, "one that has learned spam only": onlySpam} {
			if got := Judge(m, e.Subject, e.Body); got.Score != cold.Score || got.Spam != cold.Spam {
				t.Fatalf("%s: score %g, cold %g", what, got.Score, cold.Score)
			}
		}
	}
}

func TestConfidenceGrowsWithBothKinds(t *testing.T) {
	for _, row := range []struct {
		spam, good uint64
		want       float64
	}{{0, 0, 0}, {1000, 0, 0}, {0, 1000, 0}, {20, 20, 0.5}, {20, 9000, 0.5}, {9000, 20, 0.5}, {180, 180, 0.9}} {
		if got := (&Model{spam: row.spam, good: row.good}).confidence(); math.Abs(got-row.want) > 1e-12 {
			t.Errorf("%d spam, %d good: %g, want %g", row.spam, row.good, got, row.want)
		}
	}
}

// TestOneReportDoesNotRefuseTheNextLikeIt checks that one report of a good message does not make the same
// message refused, and that six do.
func TestOneReportDoesNotRefuseTheNextLikeIt(t *testing.T) {
	taught := stored(t, trained(Sample(4)))
	for _, e := range inmails(t) {
		if e.Spam {
			continue
		}
		m := NewModel()
		if err := m.UnmarshalBinary(taught); err != nil {
			t.Fatal(err)
		}
		before := Judge(m, "", e.Body)
		m.Observe("", e.Body, true)
		if after := Judge(m, "", e.Body); after.Spam && before.Score < 0.27 {
			t.Errorf("score %g, before %g: %s", after.Score, before.Score, e.Body)
		}
		for range 5 {
			m.Observe("", e.Body, true)
		}
		if after := Judge(m, "", e.Body); !after.Spam {
			t.Errorf("score %g after six reports: %s", after.Score, e.Body)
		}
	}
}

func TestRepliesOutweighAColdSign(t *testing.T) {
	const subject, body = "Online casino", "Hi Ben, our casino bonus team, free spins and sure bets, is hiring. Register and get to know us: play now and learn."
	m := trained(Sample(5))
	if v := Judge(m, subject, body); !v.Spam {
		t.Fatalf("%+v", v)
	}
	for range 30 {
		m.Observe(subject, body, false)
	}
	if v := Judge(m, subject, body); v.Spam {
		t.Errorf("answered thirty times: %+v", v)
	}
}

func TestModelSurvivesStoring(t *testing.T) {
	m := trained(Sample(6))
	again := trained(Sample(7)) // another model, to be replaced
	if err := again.UnmarshalBinary(stored(t, m)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stored(t, m), stored(t, again)) {
		t.Error("stored twice it differs")
	}
	// Trained further, both models stay the same.
	for _, e := range Sample(8) {
		m.Observe(e.Subject, e.Body, e.Spam)
		again.Observe(e.Subject, e.Body, e.Spam)
		if a, b := Judge(m, e.Subject, e.Body), Judge(again, e.Subject, e.Body); a.Score != b.Score {
			t.Fatalf("scores %g and %g", a.Score, b.Score)
		}
	}
	if spam, good := again.Examples(); spam != 400 || good != 1200 {
		t.Errorf("%d and %d examples", spam, good)
	}
	if n := len(stored(t, m)); n > 320<<10+modelHeader+modelFooter {
		t.Errorf("%d bytes", n)
	}
}

func TestDamagedModelIsRefused(t *testing.T) {
	m := trained(Sample(9)[:40])
	good := stored(t, m)
	for i := 0; i < len(good); i += 1 + i/50 { // each of the first bytes, then fewer
		damaged := slices.Clone(good)
		damaged[i] ^= 0x10
		if err := NewModel().UnmarshalBinary(damaged); !errors.Is(err, ErrModel) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	for _, n := range []int{0, 1, modelHeader, modelHeader + modelFooter, len(good) - 1} {
		if err := NewModel().UnmarshalBinary(good[:n]); !errors.Is(err, ErrModel) {
			t.Errorf("%d bytes of it: %v", n, err)
		}
	}
	if err := NewModel().UnmarshalBinary(append(slices.Clone(good), 0)); !errors.Is(err, ErrModel) {
		t.Errorf("a byte more: %v", err)
	}
	// Values that cannot be sums are refused behind a correct checksum, too.
	for what, damage := range map[string]func(m *Model){
		"not a number":     func(m *Model) { m.z[3] = float32(math.NaN()) },
		"infinite":         func(m *Model) { m.n[3] = float32(math.Inf(1)) },
		"negative squares": func(m *Model) { m.n[3] = -1 },
		"beyond all sums":  func(m *Model) { m.z[3] = 1e30 },
	} {
		damaged := trained(Sample(9)[:40])
		damage(damaged)
		kept := trained(Sample(9)[:2])
		before := stored(t, kept)
		if err := kept.UnmarshalBinary(stored(t, damaged)); !errors.Is(err, ErrModel) {
			t.Errorf("%s: %v", what, err)
		}
		if !bytes.Equal(before, stored(t, kept)) {
			t.Errorf("%s: the model was changed by an error", what)
		}
	}
}

func FuzzModel(f *testing.F) {
	for _, m := range []*Model{NewModel(), trained(Sample(1)[:3])} {
		f.Add(stored(f, m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := NewModel()
		if err := m.UnmarshalBinary(b); err != nil {
			if !errors.Is(err, ErrModel) {
				t.Errorf("%v", err)
			}
			// Fuzz the code behind the checksum as well.
			if len(b) < modelFooter {
				return
			}
			b = withChecksum(b[:len(b)-modelFooter])
			if m.UnmarshalBinary(b) != nil {
				return
			}
		}
		again, err := m.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if n := NewModel(); n.UnmarshalBinary(again) != nil || !bytes.Equal(again, stored(t, n)) {
			t.Error("stored again it differs")
		}
		m.Observe("A subject", "You have won something, and the body says so", true)
		if v := Judge(m, "A subject", "You have won something, and the body says so"); math.IsNaN(v.Score) || v.Score < 0 || v.Score > 1 {
			t.Errorf("score %g", v.Score)
		}
	})
}

func TestLogistic(t *testing.T) {
	for x := -40.0; x <= 40; x += 0.37 {
		want := 1 / (1 + math.Exp(-max(-36, min(36, x))))
		if got := logistic(x); math.Abs(got-want) > 1e-12*want {
			t.Errorf("logistic(%g) = %g, want %g", x, got, want)
		}
	}
	if got := logistic(0); got != 0.5 {
		t.Errorf("logistic(0) = %g: what refuses must refuse exactly", got)
	}
}
