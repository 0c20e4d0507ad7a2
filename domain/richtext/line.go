package richtext

import (
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
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) && r != '\u00a0' && r != '\u202f' && r != '\u3000' {
			return ' '
		}
		return r
	}, drawn(s))
}

func printableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// drawn returns s without the characters that Line leaves out; line breaks and tabs stay.
func drawn(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return neverDrawn(r) || joins(r) || tagged(r) }) {
		return s
	}
	kept := make([]rune, 0, len(s))
	for _, r := range s {
		flag := tagged(r) && len(kept) > 0 && (kept[len(kept)-1] == '🏴' || tagged(kept[len(kept)-1]))
		if !neverDrawn(r) && (!tagged(r) || flag) {
			kept = append(kept, r)
		}
	}
	var out strings.Builder
	out.Grow(len(s))
	before := ' '
	for i, r := range kept {
		if joins(r) && !(joinable(before) && i+1 < len(kept) && joinable(kept[i+1])) {
			continue
		}
		out.WriteRune(r)
		before = r
	}
	return out.String()
}

// neverDrawn reports whether r only acts on its neighbours, or on the terminal that shows it.
func neverDrawn(r rune) bool {
	if unicode.IsControl(r) {
		return !unicode.IsSpace(r)
	}
	return unicode.Is(unicode.Cf, r) && !joins(r) && !tagged(r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// joins reports whether r is the zero-width joiner or non-joiner, which emoji and some scripts need.
func joins(r rune) bool { return r == '\u200c' || r == '\u200d' }

// joinable reports whether a joiner means something beside r: beside blanks and Latin letters it only hides.
func joinable(r rune) bool {
	return r >= utf8.RuneSelf && !joins(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Latin, r)
}

// tagged reports whether r is one of the tag characters, which are drawn as a part of some flags only.
func tagged(r rune) bool { return '\U000E0020' <= r && r <= '\U000E007F' }
