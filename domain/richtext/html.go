package richtext

import (
	"html"
	"regexp"
	"strconv"
	"strings"

	"github.com/microcosm-cc/bluemonday"
)

// rel stands on every link: the page behind it learns nothing of us and gains nothing by us.
const rel = "nofollow noopener noreferrer"

// gate is the last check on the HTML. The writer below makes nothing that the gate would change
// (the fuzz target holds this), so it guards against mistakes of ours only.
var gate = func() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "ul", "ol", "li", "strong", "em", "del")
	p.AllowAttrs("start").Matching(regexp.MustCompile(`^[0-9]{1,9}$`)).OnElements("ol")
	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("rel").Matching(regexp.MustCompile("^" + rel + "$")).OnElements("a")
	p.AllowURLSchemes("http", "https", "mailto")
	p.RequireParseableURLs(true)
	p.AllowRelativeURLs(false)
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	return p
}()

// HTML is the body as safe HTML (R24): p, br, ul, ol, li, strong, em, del and a with an http,
// https or mailto address, nothing else. What was typed as HTML is shown as typed. A line break
// inside a paragraph is a br; the first blank line between two paragraphs is the gap between
// them, each further one an empty paragraph. It holds no \n: pages that want blanks kept may set
// white-space: pre-wrap.
func (d Document) HTML() string { return gate.Sanitize(d.ungated()) }

func (d Document) ungated() string {
	var w strings.Builder
	w.Grow(len(d.text) + len(d.text)/4 + 32)
	list := paragraph // the kind of list that is open; paragraph: none
	gap, last := 0, 0
	closeList := func() {
		switch list {
		case bullet:
			w.WriteString("</ul>")
		case numbered:
			w.WriteString("</ol>")
		}
		list = paragraph
	}
	for _, b := range d.blocks {
		if b.kind == blank {
			gap++
			continue
		}
		if gap > 0 || b.kind != list || b.kind == numbered && b.number != last+1 {
			closeList()
		}
		for ; gap > 1 && w.Len() > 0; gap-- {
			w.WriteString("<p><br></p>")
		}
		gap = 0
		switch b.kind {
		case paragraph:
			w.WriteString("<p>")
			writeSpans(&w, b.spans)
			w.WriteString("</p>")
			continue
		case bullet:
			if list != bullet {
				w.WriteString("<ul>")
			}
		case numbered:
			if list != numbered {
				w.WriteString("<ol")
				if b.number != 1 {
					w.WriteString(` start="` + strconv.Itoa(b.number) + `"`)
				}
				w.WriteString(">")
			}
			last = b.number
		}
		list = b.kind
		w.WriteString("<li>")
		writeSpans(&w, b.spans)
		w.WriteString("</li>")
	}
	closeList()
	return w.String()
}

// tags are the elements of the styles, outermost first; a link stands outside of them.
var tags = [3]string{"strong", "em", "del"}

// writeSpans closes and opens only what changes between two spans.
func writeSpans(w *strings.Builder, spans []span) {
	var now style
	href := ""
	shut := func(keep int) {
		for i := len(tags) - 1; i >= keep; i-- {
			if now&(1<<i) != 0 {
				w.WriteString("</" + tags[i] + ">")
				now &^= 1 << i
			}
		}
	}
	for _, s := range spans {
		if s.href != href {
			shut(0)
			if href != "" {
				w.WriteString("</a>")
			}
			if href = s.href; href != "" {
				w.WriteString(`<a href="` + html.EscapeString(href) + `" rel="` + rel + `">`)
			}
		}
		for i := range tags {
			if (now^s.style)&(1<<i) != 0 {
				shut(i)
				break
			}
		}
		for i := range tags {
			if s.style&^now&(1<<i) != 0 {
				w.WriteString("<" + tags[i] + ">")
				now |= 1 << i
			}
		}
		w.WriteString(strings.ReplaceAll(html.EscapeString(s.text), "\n", "<br>"))
	}
	shut(0)
	if href != "" {
		w.WriteString("</a>")
	}
}
