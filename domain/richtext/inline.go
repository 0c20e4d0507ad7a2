package richtext

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// inline parses the markup inside one paragraph or list item after the other: links first, then emphasis
// inside the text of each link and around the links. It reuses its buffers.
type inline struct {
	links []Link // of all paragraphs so far, in order of appearance
	steps int    // the work of loops that look back or ahead

	s      string // the current paragraph
	found  []linkAt
	tokens []token
	runs   []delimiter

	all []span // of all paragraphs so far

	brackets  []int32 // scratch: the positions of open brackets
	parens    []int32 // by position of a "(": the position of its ")", 0 for none
	nextBlank []int32 // by position: the position of the next blank
}

// token is a piece of markup, which the reader does not see: a delimiter run, or the start or end of a link.
type token struct {
	start, end int
	run        int    // index into runs; -1 for a link
	href       string // of a link that starts here; empty where one ends
}

// delimiter is a delimiter run (CommonMark 6.2): any number of `*`, or exactly two `~`.
type delimiter struct {
	char              byte
	n, unused         int // length, and how many of its markers are not paired yet
	canOpen, canClose bool
	prev, next        int // neighbours in the same scope, -1 for none
	// opens and closes are how often it opens and closes each style: bold, italics, strikethrough.
	opens, closes [3]int
}

// parse returns the spans of s, which is normalized, and appends its links to in.links.
func (in *inline) parse(s string) []span {
	if strings.IndexByte(s, '*') < 0 && strings.IndexByte(s, '~') < 0 && strings.IndexByte(s, ']') < 0 {
		return in.plain(s)
	}
	in.s, in.tokens, in.runs, in.found = s, in.tokens[:0], in.runs[:0], in.found[:0]
	in.findLinks()

	outer, at := scope{first: -1, last: -1}, 0
	for _, l := range in.found {
		in.scan(at, l.start, &outer)
		at = l.end
		if l.href == "" {
			continue // a refused link (R25) is shown as typed
		}
		in.tokens = append(in.tokens, token{start: l.start, end: l.textStart, run: -1, href: l.href})
		inner := scope{first: -1, last: -1}
		in.scan(l.textStart, l.textEnd, &inner)
		in.pair(inner)
		in.tokens = append(in.tokens, token{start: l.textEnd, end: l.end, run: -1})
	}
	in.scan(at, len(s), &outer)
	in.pair(outer)
	return in.compose(in.spans())
}

// plain returns the one span of a text without markup.
func (in *inline) plain(text string) []span {
	if text == "" {
		return nil
	}
	n := len(in.all)
	in.all = append(in.all, span{text: text})
	return in.all[n : n+1 : n+1]
}

// scope is a list of the delimiter runs that may pair with each other: those in the text of one link, or
// those outside of all links. -1 is the end of the list.
type scope struct{ first, last int }

// scan appends the delimiter runs in s[from:to] to the scope.
func (in *inline) scan(from, to int, sc *scope) {
	for i := from; i < to; {
		c := in.s[i]
		if c != '*' && c != '~' {
			i++
			continue
		}
		end := i + 1
		for end < to && in.s[end] == c {
			end++
		}
		if n := end - i; c == '*' || n == 2 {
			d := delimiter{char: c, n: n, unused: n, prev: sc.last, next: -1}
			d.canOpen, d.canClose = canPair(in.s, i, end)
			k := len(in.runs)
			if sc.last >= 0 {
				in.runs[sc.last].next = k
			} else {
				sc.first = k
			}
			sc.last = k
			in.runs = append(in.runs, d)
			in.tokens = append(in.tokens, token{start: i, end: end, run: k})
		}
		i = end
	}
}

// canPair reports whether the delimiter run s[start:end] may open and may close a style, by the characters
// next to it (CommonMark 6.2, left- and right-flanking). A run followed by a blank opens nothing and one
// after a blank closes nothing, so "2 * 3 * 4" stays as typed. Unlike in CommonMark, a letter of a script
// without blanks between words counts as punctuation beside punctuation: "**「重要」**です" is bold.
func canPair(s string, start, end int) (canOpen, canClose bool) {
	before, after := ' ', ' '
	if start > 0 {
		before, _ = utf8.DecodeLastRuneInString(s[:start])
	}
	if end < len(s) {
		after, _ = utf8.DecodeRuneInString(s[end:])
	}
	canOpen = !unicode.IsSpace(after) && (!punctuation(after) || atWordEdge(before))
	canClose = !unicode.IsSpace(before) && (!punctuation(before) || atWordEdge(after))
	return canOpen, canClose
}

func punctuation(r rune) bool { return unicode.IsPunct(r) || unicode.IsSymbol(r) }

// atWordEdge reports whether r may stand between a delimiter run and the rest of the text where punctuation
// follows on its other side.
func atWordEdge(r rune) bool {
	return unicode.IsSpace(r) || punctuation(r) ||
		unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai)
}

// pair matches openers and closers of a scope (CommonMark's "process emphasis"). openersBottom contains for
// each class of closers the run at or before which there is no opener for it. It bounds the search backwards
// to a constant number of visits for each run.
func (in *inline) pair(sc scope) {
	var openersBottom [7]int
	for i := range openersBottom {
		openersBottom[i] = -1
	}
	for c := sc.first; c >= 0; {
		in.steps++
		closer := &in.runs[c]
		if !closer.canClose {
			c = closer.next
			continue
		}
		o := closer.prev
		for o > openersBottom[closer.closerClass()] && !in.runs[o].opensFor(closer) {
			in.steps++
			o = in.runs[o].prev
		}
		if o <= openersBottom[closer.closerClass()] {
			openersBottom[closer.closerClass()] = closer.prev
			next := closer.next
			if !closer.canOpen {
				in.unlink(c)
			}
			c = next
			continue
		}
		opener := &in.runs[o]
		opener.next, closer.prev = c, o // the runs in between stay plain text
		i, use := 1, 1
		switch {
		case closer.char == '~':
			i, use = 2, 2
		case opener.unused >= 2 && closer.unused >= 2:
			i, use = 0, 2
		}
		opener.opens[i]++
		closer.closes[i]++
		opener.unused -= use
		closer.unused -= use
		if opener.unused == 0 {
			in.unlink(o)
		}
		if closer.unused == 0 {
			next := closer.next
			in.unlink(c)
			c = next
		}
	}
}

// closerClass returns the class of a closer; closers of one class match the same openers.
func (d *delimiter) closerClass() int {
	switch {
	case d.char == '~':
		return 6
	case d.canOpen:
		return 3 + d.n%3
	}
	return d.n % 3
}

// opensFor reports whether d may open what closer closes. If one of them can both open and close, they do not
// pair when their lengths add up to a multiple of three, unless both are multiples (CommonMark 6.2, rules 9
// and 10).
func (d *delimiter) opensFor(closer *delimiter) bool {
	if d.char != closer.char || !d.canOpen {
		return false
	}
	if d.char == '*' && (d.canClose || closer.canOpen) && (d.n+closer.n)%3 == 0 {
		return d.n%3 == 0 && closer.n%3 == 0
	}
	return true
}

func (in *inline) unlink(i int) {
	d := in.runs[i]
	if d.prev >= 0 {
		in.runs[d.prev].next = d.next
	}
	if d.next >= 0 {
		in.runs[d.next].prev = d.prev
	}
}

// spans cuts the paragraph at its tokens. The unpaired markers of a run are text, which stands after the
// styles that it closes and before those that it opens.
func (in *inline) spans() []span {
	start := len(in.all)
	var depth [3]int
	href, at := "", 0
	emit := func(text string) {
		if text == "" {
			return
		}
		var st style
		for i, n := range depth {
			if n > 0 {
				st |= 1 << i
			}
		}
		in.all = append(in.all, span{text: text, style: st, href: href})
	}
	for _, t := range in.tokens {
		if t.run >= 0 && in.runs[t.run].unused == in.runs[t.run].n {
			continue // none of its markers is paired, so it is text
		}
		emit(in.s[at:t.start])
		at = t.end
		if t.run < 0 {
			href = t.href
			continue
		}
		d := &in.runs[t.run]
		for i := range depth {
			depth[i] -= d.closes[i]
		}
		emit(in.s[t.start : t.start+d.unused])
		for i := range depth {
			depth[i] += d.opens[i]
		}
	}
	emit(in.s[at:])
	return in.all[start:len(in.all):len(in.all)]
}

// compose makes the joined text of the spans NFC. The source is NFC, but markup may have separated a letter
// from its accent; the accent then moves to the letter and takes its style.
func (in *inline) compose(spans []span) []span {
	if !slices.ContainsFunc(spans, beginsWithAccent) {
		return spans
	}
	kept := make([]span, 0, len(spans))
	for _, s := range spans {
		if len(kept) > 0 && beginsWithAccent(s) {
			accents := norm.NFC.FirstBoundaryInString(s.text)
			if accents < 0 {
				accents = len(s.text)
			}
			// Only the text from the letter on is composed again, so that a long text before it is not copied
			// for every accent.
			prev := kept[len(kept)-1]
			letter := len(prev.text)
			for starts := false; letter > 0 && !starts; {
				_, size := utf8.DecodeLastRuneInString(prev.text[:letter])
				letter -= size
				starts = norm.NFC.PropertiesString(prev.text[letter:]).BoundaryBefore()
			}
			in.steps += len(prev.text) - letter + accents
			kept[len(kept)-1].text = prev.text[:letter]
			if letter == 0 {
				kept = kept[:len(kept)-1]
			}
			prev.text = norm.NFC.String(prev.text[letter:] + s.text[:accents])
			kept = append(kept, prev)
			s.text = s.text[accents:]
		}
		if s.text != "" {
			kept = append(kept, s)
		}
	}
	return kept
}

// beginsWithAccent reports whether the first character of a span may be composed with the one before it.
func beginsWithAccent(s span) bool {
	return s.text[0] >= utf8.RuneSelf && !norm.NFC.PropertiesString(s.text).BoundaryBefore()
}
