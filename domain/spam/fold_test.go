package spam

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestFold(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		"  Hello,\r\n\tWorld  ":         "hello, world",
		"fr33":                          "fr33",
		"f\u200cree":                    "free",
		"mоnеy":                         "money",
		"ＦＲＥＥ １０":                       "free 10",
		"Ünïcödé":                       "unicode",
		"Straße, Łódź, Ærø":             "strasse, lodz, aero",
		"don't, don’t, 'quoted'":        "dont, dont, 'quoted'",
		"fr**ee**, 2 * 3, *so* ~~not~~": "free**, 2 * 3, *so* ~~not~~",
		"ﬁrst №1 ½":                     "first no1 1⁄2",
		"한국어":                           "한국어",
		"हिन्दी":                        "हिन्दी",
		"a\xffb":                        "a\uFFFDb",
	} {
		if got := Fold(text); got != want {
			t.Errorf("Fold(%q) = %q, want %q", text, got, want)
		}
	}
}

func FuzzFold(f *testing.F) {
	for _, e := range inmails(f) {
		f.Add(e.Body)
	}
	f.Add("a'*~'b \u0301\u200d𝐚ﷺ")
	f.Fuzz(func(t *testing.T, text string) {
		folded := Fold(text)
		if again := Fold(folded); again != folded {
			t.Errorf("Fold(%q) = %q, folded again %q", text, folded, again)
		}
		if !utf8.ValidString(folded) || strings.ContainsFunc(folded, func(r rune) bool { return invisible(r) || unicode.IsControl(r) }) {
			t.Errorf("Fold(%q) = %q", text, folded)
		}
		if ascii(text) && strings.ToLower(strings.Join(strings.Fields(text), " ")) == "" && folded != "" && !strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("Fold(%q) = %q", text, folded)
		}
		// Judge and NewFingerprint accept any text.
		v := Judge(nil, "", text)
		if v.Score < 0 || v.Score > 1 || v.Spam != (v.Score >= RefuseScore) {
			t.Errorf("%+v", v)
		}
		if p := NewFingerprint(text); !Similar(p, p) {
			t.Errorf("%q is not like itself", text)
		}
	})
}

// TestQuickFold checks that texts of frequent characters are folded like any other.
func TestQuickFold(t *testing.T) {
	check := func(t rapid.TB, s string) {
		if got, want := Fold(s), foldAny(s); got != want {
			t.Fatalf("%q becomes %q, want %q", s, got, want)
		}
	}
	for r := rune(0); r < 0x20000; r++ {
		check(t, "a'"+string(r)+"*b "+string(r)+string(r))
	}
	pieces := rapid.SliceOf(rapid.SampledFrom([]string{"a", "B", "7", "'", "*", "~", "’", " ", "\n", "\u00a0", "é", "ß", "Ж", "й", "ς", "ǆ", "ŉ", "Ａ", "＇",
		"！", "文", "각", "が", "ש", "آ", "€", "“", "·", "🎉", "\u0301", "\u200b", "\xff", "…"}))
	rapid.Check(t, func(t *rapid.T) { check(t, strings.Join(pieces.Draw(t, "text"), "")) })
}
