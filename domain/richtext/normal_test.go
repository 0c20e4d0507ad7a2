package richtext

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// TestComposes checks the table of letters of which a text is NFC: each stays as it is, and joins none before
// it.
func TestComposes(t *testing.T) {
	for r := rune(0xa0); r <= utf8.MaxRune; r++ {
		if !composes(r) {
			continue
		}
		s := string(r)
		if p := norm.NFC.PropertiesString(s); !p.BoundaryBefore() || norm.NFC.String(s) != s {
			t.Fatalf("U+%04X is not NFC by itself", r)
		}
	}
}

// TestNormalizedIsLeftAlone checks that a text that counts as normalized is what normalizing it gives.
func TestNormalizedIsLeftAlone(t *testing.T) {
	pieces := rapid.SliceOf(rapid.SampledFrom([]string{"a", "plain words ", "\n", "\t", "\r", "\x7f", "\x00", "é", "e", "\u0301", "\u0085", "\u2028",
		"ж", "文", "각", "ᄀ", "ᅡ", "\u0374", "\u2000", "ア", "\u3099", "🎉", "\xff", "\xe6\x96", "�"}))
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(pieces.Draw(t, "text"), "")
		if isNormalized(s) && normalizeAll(s) != s {
			t.Fatalf("%q counts as normalized and becomes %q", s, normalizeAll(s))
		}
		if got, want := normalize(s), normalizeAll(s); got != want {
			t.Fatalf("%q becomes %q, want %q", s, got, want)
		}
	})
}
