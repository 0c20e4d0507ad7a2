package richtext

import (
	"strings"
	"testing"
)

// The bodies are one as people write it, and the most expensive ones of 12,000 bytes.
func BenchmarkParse(b *testing.B) {
	typical := "Hi Anna,\n\nyour talk on **tidal power** in Porto made me think about our turbine tests. " +
		"Two questions:\n\n- how do you keep the blades clean?\n- would *you* talk to our team?\n\n" +
		"[The programme](https://example.com/programme) is short.\n\nRegards\nBen"
	for name, source := range map[string]string{"typical": typical, "worst": strings.Repeat("[a](", 3000)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Parse(source)
			}
		})
	}
	b.Run("html", func(b *testing.B) {
		d := Parse(typical)
		b.ReportAllocs()
		for b.Loop() {
			d.HTML()
		}
	})
}
