package spam

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Fold returns text as the phrases and the model read it: in lower case, without accents and zero-width
// marks, without apostrophes and emphasis inside words, with confusable letters replaced by the Latin ones
// that they look like (Cyrillic а, full-width ａ, bold 𝐚), and with runs of blanks as one space. Digits and
// signs in place of letters (fr33) stay, because their meaning shows only when compared with the phrases (see
// unmaskedWords).
//
// Fold is idempotent and linear in the length of text. Bytes that are not UTF-8 become U+FFFD.
func Fold(text string) string {
	if ascii(text) {
		return joinWords(foldASCII(text))
	}
	// NFKD turns compatibility forms into plain letters and accents into separate marks.
	decomposed := norm.NFKD.String(strings.ToValidUTF8(text, "\uFFFD"))
	var out strings.Builder
	out.Grow(len(decomposed))
	blank := false  // a space is due before the next character
	accents := true // a mark after the last letter is an accent, not a vowel
	for _, r := range decomposed {
		if ' ' < r && r < 0x7F {
			if blank {
				out.WriteByte(' ')
				blank = false
			}
			accents = true
			if 'A' <= r && r <= 'Z' {
				r += 'a' - 'A'
			}
			out.WriteByte(byte(r))
			continue
		}
		switch {
		case invisible(r), accents && unicode.IsMark(r):
			continue
		case unicode.IsSpace(r), unicode.IsControl(r):
			blank = out.Len() > 0
			continue
		}
		if blank {
			out.WriteByte(' ')
			blank = false
		}
		accents = !unicode.IsLetter(r) || unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic)
		foldLetter(&out, unicode.ToLower(r))
	}
	return norm.NFC.String(joinWords(out.String()))
}

func ascii(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// foldASCII is the fast path of Fold for ASCII texts, before joinWords.
func foldASCII(text string) string {
	out := make([]byte, 0, len(text))
	blank := false
	for i := range len(text) {
		b := text[i]
		if b <= ' ' || b == 0x7F {
			blank = len(out) > 0
			continue
		}
		if blank {
			out = append(out, ' ')
			blank = false
		}
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		out = append(out, b)
	}
	return string(out)
}

// joinWords removes apostrophes and emphasis marks inside words: don't becomes dont, fr**ee becomes free.
func joinWords(folded string) string {
	if !strings.ContainsAny(folded, wordJoiners) {
		return folded
	}
	var out strings.Builder
	out.Grow(len(folded))
	for folded != "" {
		at := strings.IndexAny(folded, wordJoiners)
		if at < 0 {
			break
		}
		after := strings.TrimLeft(folded[at:], wordJoiners)
		last, _ := utf8.DecodeLastRuneInString(folded[:at])
		next, _ := utf8.DecodeRuneInString(after)
		if wordRune(last) && unicode.IsLetter(next) {
			out.WriteString(folded[:at])
		} else {
			out.WriteString(folded[:len(folded)-len(after)])
		}
		folded = after
	}
	out.WriteString(folded)
	return out.String()
}

const wordJoiners = "'*~"

// invisible reports whether r is not drawn: zero-width and direction marks, soft hyphens, variation
// selectors, tags and fillers.
func invisible(r rune) bool {
	switch r {
	case '\u034F', '\u115F', '\u1160', '\u17B4', '\u17B5', '\u3164', '\uFFA0':
		return true
	}
	return unicode.In(r, unicode.Cf, unicode.Variation_Selector)
}

// foldLetter writes the Latin letters that r, in lower case, looks like or is typed as, or r if there are
// none.
func foldLetter(out *strings.Builder, r rune) {
	switch as := confusables[r]; {
	case as != "":
		out.WriteString(as)
	case '🅐' <= r && r < '🅐'+26:
		out.WriteRune('a' + r - '🅐')
	case '🅰' <= r && r < '🅰'+26:
		out.WriteRune('a' + r - '🅰')
	default:
		out.WriteRune(r)
	}
}

// confusables maps lower-case letters of other scripts to the Latin letter that they or their capital look
// like, and Latin letters without a decomposition to the letters that are typed for them. It applies to every
// word whatever its script: a Russian word becomes unreadable, but always the same.
var confusables = letterMap(map[string]string{
	// Cyrillic
	"а": "a", "в": "b", "с": "c", "ԁ": "d", "е": "e", "һ": "h", "н": "h", "і": "i", "ј": "j", "к": "k", "ӏ": "l",
	"м": "m", "о": "o", "р": "p", "ԛ": "q", "ѕ": "s", "т": "t", "ѵ": "v", "ԝ": "w", "х": "x", "у": "y", "ү": "y",
	// Greek
	"α": "a", "β": "b", "ϲ": "c", "ς": "c", "ε": "e", "ι": "i", "ϳ": "j", "κ": "k", "μ": "m", "η": "n", "ο": "o",
	"σ": "o", "ρ": "p", "τ": "t", "υ": "u", "ν": "v", "ω": "w", "χ": "x", "γ": "y", "ζ": "z",
	// Armenian
	"ց": "g", "հ": "h", "ո": "n", "օ": "o", "զ": "q", "ս": "u",
	// Latin
	"ß": "ss", "æ": "ae", "œ": "oe", "þ": "th", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ł": "l", "ŧ": "t",
	"ɑ": "a", "ɡ": "g", "ɩ": "i", "ᴀ": "a", "ʙ": "b", "ᴄ": "c", "ᴅ": "d", "ᴇ": "e", "ꜰ": "f", "ɢ": "g", "ʜ": "h",
	"ɪ": "i", "ᴊ": "j", "ᴋ": "k", "ʟ": "l", "ᴍ": "m", "ɴ": "n", "ᴏ": "o", "ᴘ": "p", "ʀ": "r", "ꜱ": "s", "ᴛ": "t",
	"ᴜ": "u", "ᴠ": "v", "ᴡ": "w", "ʏ": "y", "ᴢ": "z",
	// Signs
	"’": "'", "‘": "'",
})

func letterMap(letters map[string]string) map[rune]string {
	byRune := make(map[rune]string, len(letters))
	for from, to := range letters {
		r, _ := utf8.DecodeRuneInString(from)
		byRune[r] = to
	}
	return byRune
}
