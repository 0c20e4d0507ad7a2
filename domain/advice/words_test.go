package advice

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestLower checks that words of frequent letters are folded like any other.
func TestLower(t *testing.T) {
	check := func(t rapid.TB, s string) {
		if got, want := lower(s), lowerAny(s); got != want {
			t.Fatalf("%q becomes %q, want %q", s, got, want)
		}
	}
	for r := rune(0); r < 0x20000; r++ {
		check(t, "aE"+string(r)+"É"+string(r)+string(r))
	}
	pieces := rapid.SliceOf(rapid.SampledFrom([]string{"a", "B", "7", "'", "’", "é", "ß", "Ж", "й", "ς", "ǆ", "ŉ", "İ", "文", "각", "が", "ש", "آ", "क", "€",
		"“", "\u0301", "\u0308", "\u3099", "\u11a8", "\u200b", "\xff", "…"}))
	rapid.Check(t, func(t *rapid.T) { check(t, strings.Join(pieces.Draw(t, "text"), "")) })
}
