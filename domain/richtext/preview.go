package richtext

import (
	"strings"
	"unicode"
)

// MaxPreview is the limit of a preview in the inbox, in code points (R30).
const MaxPreview = 140

// Preview is the text in one line (R30): formatting and list markers stripped, every stretch of
// blanks and line breaks one space, at most limit code points. A longer text ends after a whole
// word with an ellipsis, which is inside the limit; a text without blanks near the limit is cut
// between two characters as the reader sees them, never inside one. Characters that turn the
// direction of the rest of a line are left out: what follows the preview is not theirs.
func (d Document) Preview(limit int) string {
	var line strings.Builder
	n, gap := 0, false
	for _, r := range d.text {
		if unicode.IsSpace(r) {
			gap = n > 0
			continue
		}
		if turnsLine(r) {
			continue
		}
		if gap {
			line.WriteByte(' ')
			n++
			gap = false
		}
		if n > limit { // enough to know that it is too long, and where it may end
			break
		}
		line.WriteRune(r)
		n++
	}
	if n <= limit {
		return line.String()
	}
	if limit <= 0 {
		return ""
	}
	return cut([]rune(line.String()), limit-1) + "…"
}

// cut returns the first runes of line, at most limit, ending politely.
func cut(line []rune, limit int) string {
	end := limit
	for end > 0 && line[end] != ' ' {
		end--
	}
	if end == 0 || end < limit/2 { // one long word, or a script without blanks
		for end = limit; end > 0 && joined(line[end-1], line[end]); {
			end--
		}
		if end == 0 {
			end = limit
		}
	}
	return strings.TrimRightFunc(string(line[:end]), func(r rune) bool {
		return r == ' ' || strings.ContainsRune(",;:-–—([{…", r)
	})
}

// joined reports whether a and b belong to one character as the reader sees it: a letter and its
// accent, the parts of an emoji, a flag's two letters.
func joined(a, b rune) bool {
	const joiner = '\u200d'
	return a == joiner || b == joiner || unicode.Is(unicode.M, b) ||
		'\U0001F3FB' <= b && b <= '\U0001F3FF' || // skin tones
		unicode.Is(unicode.Regional_Indicator, a) && unicode.Is(unicode.Regional_Indicator, b)
}

// turnsLine reports whether r embeds, overrides or isolates the direction of what follows.
func turnsLine(r rune) bool {
	return '\u202a' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069'
}
