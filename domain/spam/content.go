package spam

import "strings"

const refusePoints = 8

type Reason struct {
	Code   string
	Points int
	Text   string
	Words  string
}

type coldRead struct {
	points  int
	reasons []Reason
}

func cold(raw, folded string, links []link) coldRead {
	var c coldRead
	text := withoutLinks(folded, links)
	byClass := map[*class]int{}
	for _, h := range findPhrases(words(text), unmask(text)) {
		pts := h.phrase.class.points
		if byClass[h.phrase.class] > 0 { pts = (pts + 1) / 2 }
		if byClass[h.phrase.class] >= 2*h.phrase.class.points { pts = 0 }
		byClass[h.phrase.class] += pts
		if h.masked { pts += 4 }
		c.points += pts
		c.reasons = append(c.reasons, Reason{h.phrase.class.code, pts, h.phrase.class.says, strings.Join(h.phrase.words, " ")})
	}
	for _, s := range structure(raw, folded, links) {
		c.points += s.Points
		c.reasons = append(c.reasons, s)
	}
	return c
}

func withoutLinks(folded string, links []link) string {
	if len(links) == 0 { return folded }
	var b strings.Builder
	at := 0
	for _, l := range links {
		b.WriteString(folded[at:l.start]); b.WriteString(" . ")
		at = l.end
	}
	b.WriteString(folded[at:])
	return b.String()
}
