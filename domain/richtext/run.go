package richtext

// Run is a piece of text that is bold or italic or both (R51).
type Run struct {
	Text   string
	Length int // code points
}

// Runs returns the pieces of text that are bold or italic, in order. A piece that changes from bold to
// italics is one run, because the reader sees one emphasis. A run ends with its paragraph or list item.
func (d Document) Runs() []Run {
	var runs []Run
	at, length := 0, 0 // the end of the last span in the text, and the length of the run that ends there
	for _, b := range d.blocks {
		for i, s := range b.spans {
			at += len(s.text)
			if s.style&(bold|italic) != 0 {
				length += len(s.text)
			}
			if last := i == len(b.spans)-1; length > 0 && (last || b.spans[i+1].style&(bold|italic) == 0) {
				text := d.text[at-length : at]
				runs = append(runs, Run{Text: text, Length: Length(text)})
				length = 0
			}
		}
		at++ // the line break
	}
	return runs
}
