package advice

import (
	"runtime"
	"strings"
	"testing"

	"inmail/domain/richtext"
)

// A message four times as long must cost about four times as much, whatever it says. The test counts
// allocated bytes, which show code that copies the rest of a text for each of its words.
func TestHostileMessageCostsLinearWork(t *testing.T) {
	for _, piece := range []string{
		"will ", "Will, ", "hi ", "a-", "-", "a'", "n't", "call ", "a call ", "our meeting. ", "i hope you ", "you ", "I ", "?", ". ", "“", "Dr. ",
		"\n", "- a\n", "**a** ", "*a*b", "潮", "e\u0301", "tidal works ", "T.", "so ", "\u0301", "1. x\n", "Hi Will\n",
	} {
		cost := func(n int) uint64 {
			m := Message{
				Subject: strings.Repeat(piece, n/len(piece)), Body: richtext.Parse(strings.Repeat(piece, n/len(piece))),
				Recipient: will, CommonConnections: []string{"Will Hope", "Anna Will"},
			}
			m.Recipient.Headline = "tidal works tidal works of the sea"
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			Advise(m, 50)
			runtime.ReadMemStats(&after)
			return after.TotalAlloc - before.TotalAlloc
		}
		const n = 3000
		if short, long := cost(n), cost(4*n); long > 8*short+65536 {
			t.Errorf("%q: %d bytes allocated for a message of %d, %d for %d", piece, short, n, long, 4*n)
		}
	}
}

// A message as people write it.
func BenchmarkAdvise(b *testing.B) {
	in := corpus[2]
	m := Message{in.subject, richtext.Parse(in.body), in.category, in.to, in.common}
	b.ReportAllocs()
	for b.Loop() {
		Advise(m, 50)
	}
}
