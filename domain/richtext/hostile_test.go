package richtext

import (
	"runtime"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/text/unicode/norm"
)

// hostile are pieces that make markup parsers slow when repeated: deep nesting, markers without partners,
// brackets and parentheses without an end, accents separated from their letters by markup.
var hostile = []string{
	"*", "**", "*a", "a*", "**a ", "*a **a ", "a**b", "* ", "*~~", "~~a", "~~a *", "*a~~ ", "~~a* ", "a**b*c* ", "a***b**c ", "***a ", "**a*", "_", "`", "<", "&", "\\",
	"[", "]", "[]", "[[", "](", "[a](", "[a](b ", "[a]( ", "[a](b\n", "[a](javascript:", "[a](https://x ", "[a](https://x/(",
	"[a](%25", "[a](&amp;", "![", "![a](", "![a]", "(", ")", "[a](x)", "[a](https://x.example)", "**[a](https://x.example)", "[*a",
	"*\u0301", "a*\u0301*", "\u0301", "**\u0301**\u0302", "\u1112*\u1161*", "\n", "\r\n", "a\n", "- a\n", "1. a\n", "1. ", "- ", "    ",
	" \n", "*\n", "<img", "data:imag", "d", "\xff", "\u202e", "é", "漢*", "**a**", "~~a~~ *b* ",
}

// maxSteps is the highest number of steps for each byte: "[a](" repeated reads schemeWindow bytes for every
// four.
const maxSteps = 40

// The work on a hostile source must grow linearly with its length. It is counted, not timed: the steps of the
// loops that look back or ahead, and the allocated bytes, which show copying.
func TestHostileSourceCostsLinearWork(t *testing.T) {
	const n = 3000
	tails := []string{"", ")", " b)", "*", "]", "](x)"}
	for _, piece := range hostile {
		for _, tail := range tails {
			short := sized(piece, tail, n)
			long := sized(piece, tail, 4*n)
			if len(long) < 3*n {
				t.Fatalf("%q…%q: source of %d bytes is too short to judge", piece, tail, len(long))
			}
			s1, b1 := cost(short)
			s4, b4 := cost(long)
			if s4 > 5*s1+200 {
				t.Errorf("%q…%q: %d steps for %d bytes, %d for %d", piece, tail, s1, len(short), s4, len(long))
			}
			if s4 > maxSteps*len(long) {
				t.Errorf("%q…%q: %d steps for %d bytes", piece, tail, s4, len(long))
			}
			if b4 > 6*b1+65536 {
				t.Errorf("%q…%q: %d bytes allocated for a source of %d, %d for %d", piece, tail, b1, len(short), b4, len(long))
			}
		}
	}
}

// sized returns about n bytes: the piece repeated, then as many tails.
func sized(piece, tail string, n int) string {
	k := n / (len(piece) + len(tail))
	return strings.Repeat(piece, k) + strings.Repeat(tail, k)
}

// cost returns the work of all methods on a source.
func cost(source string) (steps int, allocated uint64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	d, steps := parse(source)
	d.HTML()
	d.Preview(MaxPreview)
	d.Runs()
	d.Links()
	d.Paragraphs()
	runtime.ReadMemStats(&after)
	return steps, after.TotalAlloc - before.TotalAlloc
}

// FuzzParse runs check on any source.
func FuzzParse(f *testing.F) {
	for _, row := range formatting {
		f.Add(row.source)
	}
	for _, s := range asTyped {
		f.Add(s)
	}
	for _, piece := range hostile {
		f.Add(sized(piece, ")", 200))
		f.Add(sized(piece, "*", 200))
	}
	f.Add("[t](\x01JaVa&Tab;script%3Aalert(1)) <img src=x onerror=alert(1)> a\r\nb\rc\u2028d")
	f.Add(strings.Repeat("\u0301", 100) + "*" + strings.Repeat("\u0323", 100) + "*")
	f.Fuzz(func(t *testing.T, source string) { check(t, source) })
}

func check(t *testing.T, source string) {
	d, steps := parse(source)
	text := d.Text()

	// Text and length (R23).
	if !utf8.ValidString(text) || !norm.NFC.IsNormalString(text) {
		t.Errorf("text is not valid UTF-8 in NFC: %q", text)
	}
	if strings.ContainsAny(text, "\r\v\f\u0085\u2028\u2029\x00\x1b") {
		t.Errorf("the text contains a foreign line break or a control character: %q", text)
	}
	if d.Length() != utf8.RuneCountInString(text) {
		t.Errorf("length %d, but %d code points", d.Length(), utf8.RuneCountInString(text))
	}
	cleaned := normalize(source)
	if got, want := strings.Count(text, "\n"), strings.Count(cleaned, "\n"); got != want {
		t.Errorf("%d line breaks in the text, %d in the source", got, want)
	}
	lf := strings.ReplaceAll(source, "\r\n", "\n")
	if got := Parse(lf); got.Text() != text || got.HTML() != d.HTML() {
		t.Errorf("CRLF changes %q to %q", got.Text(), text)
	}
	if got := Parse(cleaned); got.Text() != text {
		t.Errorf("cleaning again changes %q to %q", text, got.Text())
	}

	// HTML (R24, R25).
	if got := sanitizer.Sanitize(d.unsanitized()); got != d.unsanitized() {
		t.Errorf("the sanitizer had to change the HTML\nfrom %s\nto   %s", d.unsanitized(), got)
	}
	shown := strings.Join(textOf(t, d.HTML()), "\n")
	if want := strings.Join(d.Paragraphs(), "\n"); shown != want {
		t.Errorf("the HTML shows %q, the text is %q", shown, want)
	}
	allowed := map[string]bool{}
	for _, l := range d.Links() {
		if l.Allowed() {
			allowed[l.href] = true
		}
	}
	for _, href := range hrefs(d.HTML()) {
		if !allowed[href] {
			t.Errorf("the HTML links to %q, which is no allowed link of the source", href)
		}
	}

	// Preview (R30) and subject (R22).
	for _, limit := range []int{0, 1, 2, 7, MaxPreview} {
		p := d.Preview(limit)
		if utf8.RuneCountInString(p) > limit || !utf8.ValidString(p) {
			t.Errorf("preview of at most %d: %q", limit, p)
		}
		if strings.TrimSpace(p) != p || strings.ContainsFunc(p, func(r rune) bool { return lineBreak(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\t' }) {
			t.Errorf("preview is not one line: %q", p)
		}
	}
	s := Subject(source)
	if !utf8.ValidString(s) || !norm.NFC.IsNormalString(s) || strings.TrimSpace(s) != s || strings.ContainsFunc(s, lineBreak) {
		t.Errorf("subject %q", s)
	}
	if Subject(s) != s {
		t.Errorf("subject %q changes when read again: %q", s, Subject(s))
	}

	// Runs (R51).
	sum := 0
	for _, r := range d.Runs() {
		sum += r.Length
		if !strings.Contains(text, r.Text) {
			t.Errorf("run %q is not in the text", r.Text)
		}
	}
	if sum > d.Length() {
		t.Errorf("runs of %d characters in a text of %d", sum, d.Length())
	}

	if steps > maxSteps*(len(cleaned)+1) {
		t.Errorf("%d steps for %d bytes", steps, len(cleaned))
	}
}

// textOf parses HTML like a browser and returns the text of its paragraphs and items, with \n for br. It
// fails the test on elements and attributes that a body must not have, and on unbalanced ones.
func textOf(t *testing.T, page string) []string {
	t.Helper()
	var texts []string
	var open []string
	afterLink := ""
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("%v left open in %s", open, page)
			}
			kept := texts[:0]
			for _, s := range texts {
				if s != "\n" { // an empty paragraph stands for a blank line
					kept = append(kept, s)
				}
			}
			return kept
		case html.TextToken:
			if len(open) > 0 && open[len(open)-1] == "bdi" {
				continue // the host that stands beside a link
			}
			if len(texts) == 0 || len(open) == 0 {
				t.Errorf("text outside of a paragraph in %s", page)
				return nil
			}
			texts[len(texts)-1] += string(z.Text())
			if got := z.Token(); strings.Contains(got.Data, "\x00") {
				t.Errorf("NUL in %s", page)
			}
		case html.StartTagToken:
			token := z.Token()
			checkElement(t, token)
			switch token.Data {
			case "br":
				texts[len(texts)-1] += "\n"
				continue
			case "p", "li":
				texts = append(texts, "")
			case "bdi":
				last := &texts[len(texts)-1]
				if *last != afterLink+" " {
					t.Errorf("a host that does not stand beside a link in %s", page)
				}
				*last = strings.TrimSuffix(*last, " ")
			}
			open = append(open, token.Data)
		case html.EndTagToken:
			name := z.Token().Data
			if len(open) == 0 || open[len(open)-1] != name {
				t.Errorf("</%s> where %v is open in %s", name, open, page)
				return nil
			}
			open = open[:len(open)-1]
			if name == "a" {
				afterLink = texts[len(texts)-1]
			}
		default:
			t.Errorf("a %v in %s", kind, page)
		}
	}
}

func checkElement(t *testing.T, token html.Token) {
	t.Helper()
	switch token.Data {
	case "p", "br", "ul", "ol", "li", "strong", "em", "del", "a", "bdi":
	default:
		t.Errorf("element %s", token.Data)
	}
	for _, a := range token.Attr {
		switch {
		case token.Data == "a" && a.Key == "rel" && a.Val == rel:
		case token.Data == "ol" && a.Key == "start":
		case token.Data == "a" && a.Key == "href" && (strings.HasPrefix(a.Val, "http://") ||
			strings.HasPrefix(a.Val, "https://") || strings.HasPrefix(a.Val, "mailto:")):
		default:
			t.Errorf("attribute %s=%q on %s", a.Key, a.Val, token.Data)
		}
	}
	if token.Data == "a" && len(token.Attr) != 2 {
		t.Errorf("a link with attributes %v", token.Attr)
	}
}

func hrefs(page string) []string {
	var found []string
	z := html.NewTokenizer(strings.NewReader(page))
	for kind := z.Next(); kind != html.ErrorToken; kind = z.Next() {
		if kind != html.StartTagToken {
			continue
		}
		for _, a := range z.Token().Attr {
			if a.Key == "href" {
				found = append(found, a.Val)
			}
		}
	}
	return found
}
