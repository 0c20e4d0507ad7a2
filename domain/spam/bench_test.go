package spam

import (
	"strings"
	"testing"
	"time"
)

// oneInMail is a body of 60 words, a usual length.
const oneInMail = "Hi Anna, I saw your talk about data pipelines in Berlin and liked how you handled late events. " +
	"We are building a team for exactly that at Northwind, and I would love to hear what you think about it. " +
	"It pays up to €95k, with two days at home, and we would help with the move. Free for a call on Tuesday? Best, Tom"

func BenchmarkJudge(b *testing.B) {
	m := trained(Sample(1))
	for name, body := range map[string]string{"60_words": oneInMail, "3000_characters": strings.Repeat(oneInMail+" ", 10)[:3000],
		"cyrillic": strings.Repeat("Здравствуйте, Алексей! Ищем ведущего разработчика на Go в команду платежей, удалённо. ", 4)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Judge(m, "Free for a call on Tuesday?", body)
			}
		})
	}
}

func BenchmarkObserve(b *testing.B) {
	m := trained(Sample(1))
	for i := 0; b.Loop(); i++ {
		m.Observe("Free for a call on Tuesday?", oneInMail, i%4 == 0)
	}
}

func BenchmarkNewFingerprint(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		NewFingerprint(oneInMail, "Anna Schmidt", "Head of Data at Northwind", "Northwind", "SQL", "Go")
	}
}

// BenchmarkSimilar compares a body with 2,000 others of its sender.
func BenchmarkSimilar(b *testing.B) {
	var others []Fingerprint
	for i := range 2000 {
		others = append(others, NewFingerprint(Sample(uint64(i / 800))[i%800].Body))
	}
	mine := NewFingerprint(oneInMail)
	for b.Loop() {
		for _, o := range others {
			if Similar(mine, o) {
				b.Fatal("unrelated bodies are alike")
			}
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	l := DefaultLimits()
	s := Signals{Sends: scattered(t0, l.SendsNeeded(), 10*24*time.Hour)}
	for b.Loop() {
		if Decide(t0, s, l) != nil {
			b.Fatal("triggered")
		}
	}
}
