package richtext

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line returns a text as it is shown in one line, beside other texts (F38): a subject or a name in a list, a
// tag, a column, a row on a terminal. Line breaks and tabs become blanks. What turns or hides what follows
// is left out: direction marks, control characters, and characters of no width, save those that join emoji
// or the letters of a script that needs them. A text that is quoted whole is shown as it was typed instead.
// Line is idempotent.
func Line(s string) string {
	if printableASCII(s) {
		return s
	}
	if strings.ContainsFunc(s, func(r rune) bool { return neverDrawn(r) || joins(r) || tagged(r) }) {
		var out strings.Builder
		out.Grow(len(s))
		for r := range drawn(s) {
			out.WriteRune(r)
		}
		s = out.String()
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) && r != '\u00a0' && r != '\u202f' && r != '\u3000' {
			return ' '
		}
		return r
	}, s)
}

func printableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// drawn returns the characters of s without those that Line leaves out; line breaks and tabs stay.
func drawn(s string) iter.Seq[rune] {
	return func(yield func(rune) bool) {
		before, flag := ' ', ' ' // the last character; the same when what is left out as a joiner counts
		joiner := rune(-1)       // left out unless the next character is joinable
		for _, r := range s {
			if neverDrawn(r) || tagged(r) && flag != '🏴' && !tagged(flag) {
				continue
			}
			flag = r
			if joiner >= 0 && joinable(r) && !yield(joiner) {
				return
			}
			joiner = -1
			switch {
			case !joins(r):
				if !yield(r) {
					return
				}
				before = r
			case joinable(before):
				joiner = r
			}
		}
	}
}

// neverDrawn reports whether r only acts on its neighbours, or on the terminal that shows it.
func neverDrawn(r rune) bool {
	if unicode.IsControl(r) {
		return !unicode.IsSpace(r)
	}
	return isFormat(r) && !joins(r) && !tagged(r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// isFormat reports whether r is a format character (Cf), of which most letters are far away.
func isFormat(r rune) bool {
	if r < 0xad || 0xad < r && r < 0x600 || 0x3000 <= r && r < 0xfe00 {
		return false
	}
	return unicode.Is(unicode.Cf, r)
}

// joins reports whether r is the zero-width joiner or non-joiner, which emoji and some scripts need.
func joins(r rune) bool { return r == '\u200c' || r == '\u200d' }

// joinable reports whether a joiner means something beside r: beside blanks and Latin letters it only hides.
func joinable(r rune) bool {
	return r >= utf8.RuneSelf && !joins(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Latin, r)
}

// tagged reports whether r is one of the tag characters, which are drawn as a part of some flags only.
func tagged(r rune) bool { return '\U000E0020' <= r && r <= '\U000E007F' }
