package richtext

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxPreview is the length limit of a preview in the inbox, in code points (R30).
const MaxPreview = 140

// PlainPreview is Preview for a text that is not parsed: what looks like formatting is shown as it is.
func PlainPreview(text string, limit int) string { return Document{text: text}.Preview(limit) }

// Preview returns the text in one line of at most limit code points (R30): without formatting and list
// markers, with one space for each run of blanks and line breaks. A longer text is cut after a word and ends
// with an ellipsis, which counts; where no blank is near the limit it is cut between two grapheme clusters.
// What Line leaves out is left out, so that the preview cannot reverse or hide what follows it on the page
// (F38).
func (d Document) Preview(limit int) string {
	var space [256]byte
	p := preview{line: space[:0], limit: limit}
	i := 0
	for ; i < len(d.text) && !p.full(); i++ {
		c := rune(d.text[i])
		if c >= utf8.RuneSelf || neverDrawn(c) {
			break
		}
		p.add(c)
	}
	if !p.full() {
		for r := range drawn(d.text[i:]) {
			if p.add(r); p.full() {
				break
			}
		}
	}
	if !p.full() {
		return string(p.line)
	}
	if limit <= 0 {
		return ""
	}
	return truncate(string(p.line), p.cut, limit-1) + "…"
}

// preview is the beginning of a text in one line.
type preview struct {
	line     []byte
	n, limit int  // code points of line, and how many there may be
	cut      int  // where the character of line begins in place of which an ellipsis may stand
	gap      bool // a space is due
}

// full reports whether the text is too long: line contains all that truncate needs.
func (p *preview) full() bool { return p.n > p.limit }

func (p *preview) add(r rune) {
	if unicode.IsSpace(r) {
		p.gap = p.n > 0
		return
	}
	if p.gap {
		p.gap = false
		p.write(' ')
		if p.full() {
			return
		}
	}
	p.write(r)
}

func (p *preview) write(r rune) {
	if p.n == p.limit-1 {
		p.cut = len(p.line)
	}
	p.line = utf8.AppendRune(p.line, r)
	p.n++
}

// truncate returns the beginning of line, at most limit characters, which are line[:at], cut after a word and
// without opening or separating punctuation at the end.
func truncate(line string, at, limit int) string {
	end := strings.LastIndexByte(line[:at+1], ' ')
	if end <= 0 || Length(line[:end]) < limit/2 { // a long word, or a script without blanks
		end = at
		for end > 0 {
			before, size := utf8.DecodeLastRuneInString(line[:end])
			after, _ := utf8.DecodeRuneInString(line[end:])
			if !sameGrapheme(before, after) {
				break
			}
			end -= size
		}
		if end == 0 {
			end = at
		}
	}
	return strings.TrimRightFunc(line[:end], func(r rune) bool {
		return r == ' ' || strings.ContainsRune(",;:-–—([{…", r)
	})
}

// sameGrapheme reports whether a and b belong to one grapheme cluster: a letter and its accent, the parts of
// an emoji, the two letters of a flag.
func sameGrapheme(a, b rune) bool {
	const joiner = '\u200d'
	return a == joiner || b == joiner || unicode.Is(unicode.M, b) ||
		'\U0001F3FB' <= b && b <= '\U0001F3FF' || // skin tones
		unicode.Is(unicode.Regional_Indicator, a) && unicode.Is(unicode.Regional_Indicator, b)
}
