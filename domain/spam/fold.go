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
	var space [1024]byte
	return string(appendFold(space[:0], text))
}

// appendFold appends Fold(text) to all.
func appendFold(all []byte, text string) []byte {
	if quick, ok := appendQuickFold(all, text); ok {
		return quick
	}
	return append(all, foldAny(text)...)
}

// appendQuickFold is appendFold for texts of frequent characters: those of which foldAny makes the same
// whatever stands beside them. ok is false for any other text.
func appendQuickFold(all []byte, text string) (folded []byte, ok bool) {
	start := len(all)
	blank := false // a space is due before the next character
	word := false  // the last character is part of a word
	joiners := 0   // how many of wordJoiners, behind a word, are the last characters
	for _, r := range text {
		if r <= ' ' || r == 0x7F || r == '\u00a0' {
			blank = len(all) > start
			continue
		}
		if blank {
			all = append(all, ' ')
			blank, word, joiners = false, false, 0
		}
		if '！' <= r && r <= '～' {
			r += '!' - '！'
		}
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
			all = append(all[:len(all)-joiners], byte(r|' '))
			word, joiners = true, 0
		case r == '\'' || r == '*' || r == '~' || r == '’' || r == '‘':
			if r > '~' {
				r = '\''
			}
			all = append(all, byte(r))
			if word || joiners > 0 {
				joiners++
			}
			word = false
		case r < utf8.RuneSelf:
			all = append(all, byte(r))
			word, joiners = '0' <= r && r <= '9', 0
		case firstQuick <= r && r <= lastQuick && quickLetters[r-firstQuick] != "":
			all = append(all[:len(all)-joiners], quickLetters[r-firstQuick]...)
			word, joiners = true, 0
		case unchangedLetter(r):
			all = utf8.AppendRune(all[:len(all)-joiners], r)
			word, joiners = true, 0
		case unchangedSign(r):
			all = utf8.AppendRune(all, r)
			word, joiners = false, 0
		default:
			return all[:start], false
		}
	}
	return all, true
}

// quickLetters are what foldAny makes of the Latin, Greek and Cyrillic letters from firstQuick to lastQuick;
// "": not the same beside every other.
var quickLetters = func() (all [lastQuick - firstQuick + 1]string) {
	for r := rune(firstQuick); r <= lastQuick; r++ {
		if unicode.IsLetter(r) && unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic) {
			folded := foldAny(string(r))
			if !strings.ContainsFunc(folded, func(r rune) bool { return !unicode.IsLetter(r) }) {
				all[r-firstQuick] = folded
			}
		}
	}
	return all
}()

const firstQuick, lastQuick = 0xc0, 0x45f

// unchangedLetter reports, for the letters of some scripts, that foldAny leaves a text of them as it is.
func unchangedLetter(r rune) bool {
	switch {
	case 0x4e00 <= r && r <= 0x9fff, 0xac00 <= r && r <= 0xd7a3: // Han, Hangul
	case 0x3041 <= r && r <= 0x3096, 0x30a1 <= r && r <= 0x30fa: // Hiragana, Katakana
	case 0x5d0 <= r && r <= 0x5ea, 0x621 <= r && r <= 0x63a, 0x641 <= r && r <= 0x64a: // Hebrew, Arabic
	default:
		return false
	}
	return true
}

// unchangedSign reports, for some signs, that foldAny leaves a text of them as it is.
func unchangedSign(r rune) bool {
	switch r {
	case '€', '£', '“', '”', '„', '«', '»', '–', '—', '•', '·', '¡', '¿', '°', '§', '、', '。', '「', '」', '《', '》':
		return true
	}
	return 0x1f300 <= r && r <= 0x1faff // pictures
}

// foldAny is Fold for all texts.
func foldAny(text string) string {
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
	if r < 0xad || 0xad < r && r < 0x600 || 0x3000 <= r && r < 0xfe00 { // most letters
		return false
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
