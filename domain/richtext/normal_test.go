package richtext

import (
	"strings"
	"testing"
	"unicode"
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

// TestIsFormat checks the quick answer for most letters against the category, and Length against counting.
func TestIsFormat(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if got, want := isFormat(r), unicode.Is(unicode.Cf, r); got != want {
			t.Fatalf("U+%04X is a format character: %v, want %v", r, got, want)
		}
		if s := strings.Repeat(string(r), 5) + "end"; Length(s) != 8 {
			t.Fatalf("%q has the length %d", s, Length(s))
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

// TestLongSubjects checks that a subject which is long as it was sent is read like any other, and that one
// which is not brought into NFC is longer than R22 allows in NFC, too.
func TestLongSubjects(t *testing.T) {
	const most = 200 // code points, R22
	pad := func(s string) string { return strings.Repeat(s, mostComposed/len(s)+1) }
	for name, s := range map[string]string{
		"breaks":         "a" + pad("\n") + "e\u0301",
		"blanks_around":  pad(" \u2000") + "e\u0301" + pad("\t\u2001"),
		"controls":       "\x00e\u0301" + pad("\r\n") + "\xff",
		"invisible":      pad("\u200b"),
		"marks":          "a" + pad("\u0301"),
		"marks_in_order": pad("\u0315\u0300\u05ae\u0301"),
		"letters":        pad("e\u0301"),
		"of_four":        pad("\u03b1\u0313\u0300\u0345"), // U+1F82, the most that NFC makes one of
		"hangul":         pad("\u1112\u1161\u11ab"),
		"just_too_long":  pad("e\u0301")[:mostComposed+1],
	} {
		t.Run(name, func(t *testing.T) {
			got, want := Subject(s), oneLine(normalizeAll(s))
			if utf8.RuneCountInString(got) > most && utf8.RuneCountInString(want) > most {
				return
			}
			if got != want {
				t.Errorf("%d code points %.20q, want %d %.20q", utf8.RuneCountInString(got), got, utf8.RuneCountInString(want), want)
			}
		})
	}
}
