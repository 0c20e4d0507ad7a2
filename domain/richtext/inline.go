package richtext

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// inline reads the markup inside paragraphs and list items, one after the other: links first,
// then emphasis inside each link's text and around the links. Its buffers are used again.
type inline struct {
	links []Link // of all paragraphs so far, in order of appearance
	steps int    // work done in loops that look back or ahead

	s     string // the paragraph
	found []linkAt
	toks  []token
	runs  []delimiter

	brackets  []int // scratch: what is open
	parens    []int // by position of a "(": where its ")" stands, 0 for none
	nextBlank []int // by position: where the next blank stands
}

// token is a piece of markup that the reader does not see: a run of markers or an edge of a link.
type token struct {
	start, end int
	run        int    // index into runs; -1 for an edge of a link
	href       string // of a link that begins here; empty where one ends
}

// delimiter is a run of equal markers: any number of `*`, or exactly two `~`.
type delimiter struct {
	char       byte
	n, left    int // length, and how much of it is not yet used
	open, shut bool
	prev, next int // neighbours in the same scope, -1 for none
	// what it opens and closes, by style: bold, italics, strikethrough
	opens, closes [3]int
}

// parse returns the spans of s, which is clean, and appends its links to in.links.
func (in *inline) parse(s string) []span {
	if !strings.ContainsAny(s, "*~]") {
		return plain(s)
	}
	in.s, in.toks, in.runs, in.found = s, in.toks[:0], in.runs[:0], in.found[:0]
	in.findLinks()

	outer, at := scope{first: -1, last: -1}, 0
	for _, l := range in.found {
		in.scan(at, l.start, &outer)
		at = l.end
		if l.href == "" {
			continue // refused (R25), so shown as typed
		}
		in.toks = append(in.toks, token{start: l.start, end: l.textStart, run: -1, href: l.href})
		inner := scope{first: -1, last: -1}
		in.scan(l.textStart, l.textEnd, &inner)
		in.pair(inner)
		in.toks = append(in.toks, token{start: l.textEnd, end: l.end, run: -1})
	}
	in.scan(at, len(s), &outer)
	in.pair(outer)
	return in.compose(in.spans())
}

// scope holds the markers that may pair with each other: those of one link's text, or those
// outside of all links.
type scope struct{ first, last int }

// scan collects the runs of markers in s[from:to].
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
			d := delimiter{char: c, n: n, left: n, prev: sc.last, next: -1}
			d.open, d.shut = canPair(in.s, i, end)
			k := len(in.runs)
			if sc.last >= 0 {
				in.runs[sc.last].next = k
			} else {
				sc.first = k
			}
			sc.last = k
			in.runs = append(in.runs, d)
			in.toks = append(in.toks, token{start: i, end: end, run: k})
		}
		i = end
	}
}

// canPair says whether the markers s[start:end] may open and may close a style, by what stands
// next to them (CommonMark 6.2, left- and right-flanking): a marker beside a blank does not
// point there, so "2 * 3 * 4" stays as it is. Unlike CommonMark, a letter of a script without
// blanks between words counts as punctuation beside punctuation: "**「重要」**です" is bold.
func canPair(s string, start, end int) (open, shut bool) {
	before, after := ' ', ' '
	if start > 0 {
		before, _ = utf8.DecodeLastRuneInString(s[:start])
	}
	if end < len(s) {
		after, _ = utf8.DecodeRuneInString(s[end:])
	}
	open = !unicode.IsSpace(after) && (!punctuation(after) || edge(before))
	shut = !unicode.IsSpace(before) && (!punctuation(before) || edge(after))
	return open, shut
}

func punctuation(r rune) bool { return unicode.IsPunct(r) || unicode.IsSymbol(r) }

func edge(r rune) bool {
	return unicode.IsSpace(r) || punctuation(r) ||
		unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai)
}

// pair matches openers and closers of a scope (CommonMark's "process emphasis"). bottom holds,
// for each sort of closer, the run at or below which no opener for it is left; that bounds the
// looking back to a constant number of visits a run.
func (in *inline) pair(sc scope) {
	var bottom [7]int
	for i := range bottom {
		bottom[i] = -1
	}
	for c := sc.first; c >= 0; {
		in.steps++
		shut := &in.runs[c]
		if !shut.shut {
			c = shut.next
			continue
		}
		o := shut.prev
		for o > bottom[shut.sort()] && !in.runs[o].pairs(shut) {
			in.steps++
			o = in.runs[o].prev
		}
		if o <= bottom[shut.sort()] {
			bottom[shut.sort()] = shut.prev
			next := shut.next
			if !shut.open {
				in.unlink(c)
			}
			c = next
			continue
		}
		open := &in.runs[o]
		open.next, shut.prev = c, o // what stands between stays plain text
		i, use := 1, 1
		switch {
		case shut.char == '~':
			i, use = 2, 2
		case open.left >= 2 && shut.left >= 2:
			i, use = 0, 2
		}
		open.opens[i]++
		shut.closes[i]++
		open.left -= use
		shut.left -= use
		if open.left == 0 {
			in.unlink(o)
		}
		if shut.left == 0 {
			next := shut.next
			in.unlink(c)
			c = next
		}
	}
}

// sort tells closers apart that look for different openers.
func (d *delimiter) sort() int {
	switch {
	case d.char == '~':
		return 6
	case d.open:
		return 3 + d.n%3
	}
	return d.n % 3
}

// pairs reports whether d may open what shut closes. A run of stars that could do both does not
// pair if the lengths sum up to a multiple of three (CommonMark 6.2, rules 9 and 10).
func (d *delimiter) pairs(shut *delimiter) bool {
	if d.char != shut.char || !d.open {
		return false
	}
	if d.char == '*' && (d.shut || shut.open) && (d.n+shut.n)%3 == 0 {
		return d.n%3 == 0 && shut.n%3 == 0
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

// spans cuts the paragraph at its tokens. Of a run of markers the reader sees what found no
// partner: after what it closed, before what it opens.
func (in *inline) spans() []span {
	var spans []span
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
		spans = append(spans, span{text: text, style: st, href: href})
	}
	for _, t := range in.toks {
		if t.run >= 0 && in.runs[t.run].left == in.runs[t.run].n {
			continue // nothing of it is markup
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
		emit(in.s[t.start : t.start+d.left])
		for i := range depth {
			depth[i] += d.opens[i]
		}
	}
	emit(in.s[at:])
	return spans
}

// compose makes the text of the spans together NFC. The source is, but markup may have stood
// between a letter and its accent; the accent then moves to the letter and takes its style.
func (in *inline) compose(spans []span) []span {
	kept := make([]span, 0, len(spans))
	for _, s := range spans {
		if len(kept) > 0 && s.text[0] >= utf8.RuneSelf && !norm.NFC.PropertiesString(s.text).BoundaryBefore() {
			accents := norm.NFC.FirstBoundaryInString(s.text)
			if accents < 0 {
				accents = len(s.text)
			}
			// Only what follows the letter's start is written anew; a long text before it is not
			// copied for every accent.
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
