package richtext

import (
	"strings"
	"unicode/utf8"
)

// Run is a piece of text that is bold or italic or both (R51).
type Run struct {
	Text   string
	Length int // code points
}

// Runs returns the pieces of text that are bold or italic, in order. A piece that changes from bold to
// italics is one run, because the reader sees one emphasis. A run ends with its paragraph or list item.
func (d Document) Runs() []Run {
	var runs []Run
	for _, b := range d.blocks {
		var text strings.Builder
		for i, s := range b.spans {
			if s.style&(bold|italic) != 0 {
				text.WriteString(s.text)
			}
			if last := i == len(b.spans)-1; text.Len() > 0 && (last || b.spans[i+1].style&(bold|italic) == 0) {
				runs = append(runs, Run{Text: text.String(), Length: utf8.RuneCountInString(text.String())})
				text.Reset()
			}
		}
	}
	return runs
}
