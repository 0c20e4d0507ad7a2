package richtext

import (
	"html"
	"regexp"
	"strconv"
	"strings"

	"github.com/microcosm-cc/bluemonday"

	"inmail/domain/hosts"
)

// rel is the attribute of every link: the linked page gets neither the referrer nor the window nor search
// rank.
const rel = "nofollow noopener noreferrer"

// sanitizer is the last check of the HTML. It changes nothing of what unsanitized writes, which the fuzz test
// checks, so it only protects against faults in unsanitized.
var sanitizer = func() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "ul", "ol", "li", "strong", "em", "del", "bdi")
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

// HTML returns the body as safe HTML (R24): p, br, ul, ol, li, strong, em, del and a with an http, https or
// mailto address, nothing else. What was typed as HTML is shown as typed. A line break inside a paragraph is
// a br; the first blank line between two paragraphs is the gap between them, and each further one is an empty
// paragraph. It contains no \n, so that a page may keep blanks by white-space: pre-wrap. After a link whose
// text is not honest about its target stands the host to which it leads, in a bdi (F41).
func (d Document) HTML() string { return sanitizer.Sanitize(d.unsanitized()) }

func (d Document) unsanitized() string {
	var w strings.Builder
	w.Grow(len(d.text) + len(d.text)/4 + 32)
	list := paragraph // the kind of the open list; paragraph: no list is open
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

// tags are the elements of the styles in the order of their bits, outermost first; a link encloses them all.
var tags = [3]string{"strong", "em", "del"}

// writeSpans writes spans; between two of them it closes and opens only the elements that change.
func writeSpans(w *strings.Builder, spans []span) {
	var now style
	href := ""
	var shown strings.Builder // the text of the open link
	closeTags := func(keep int) {
		for i := len(tags) - 1; i >= keep; i-- {
			if now&(1<<i) != 0 {
				w.WriteString("</" + tags[i] + ">")
				now &^= 1 << i
			}
		}
	}
	closeLink := func() {
		closeTags(0)
		if href == "" {
			return
		}
		w.WriteString("</a>")
		if host := hostBeside(shown.String(), href); host != "" {
			w.WriteString(" <bdi>(" + html.EscapeString(host) + ")</bdi>")
		}
		shown.Reset()
	}
	for _, s := range spans {
		if s.href != href {
			closeLink()
			if href = s.href; href != "" {
				w.WriteString(`<a href="` + html.EscapeString(href) + `" rel="` + rel + `">`)
			}
		}
		for i := range tags {
			if (now^s.style)&(1<<i) != 0 {
				closeTags(i)
				break
			}
		}
		for i := range tags {
			if s.style&^now&(1<<i) != 0 {
				w.WriteString("<" + tags[i] + ">")
				now |= 1 << i
			}
		}
		if href != "" {
			shown.WriteString(s.text)
		}
		w.WriteString(strings.ReplaceAll(html.EscapeString(s.text), "\n", "<br>"))
	}
	closeLink()
}

// hostBeside returns the host that is shown beside a link: the one to which it leads, if the text of the link
// names another or the host itself looks like another (F41); else none. A reader who is not misled is spared
// it. The bdi around it keeps direction marks in the text from reversing it.
func hostBeside(text, href string) string {
	if hosts.Compare(text, href) < hosts.Other && !hosts.Deceptive(hosts.Of(href)) {
		return ""
	}
	return hosts.Shown(text, href)
}
