// Package richtext reads the text of an InMail: its body with the formatting of R24, its
// length as the reader sees it (R23), its links (R25), forbidden images (R26), its preview
// (R30) and its subject (R22). It is pure: no clock, no I/O.
//
// # What is formatting
//
//	**b**           bold          within one paragraph
//	*i*             italics       within one paragraph
//	~~s~~           strikethrough within one paragraph
//	- x             a bullet      a line of its own
//	1. x            a numbered item, a line of its own
//	[t](https://…)  a link; also http and mailto
//
// Everything else is plain text and is shown as typed: headings, code, quotes, tables, HTML, entities (&amp;
// stays five characters), backslashes, underscores, bare addresses, reference links, and markers without a
// partner.
//
// # Why a parser of our own
//
// A CommonMark parser (goldmark was compared with R23 and R24) recognises more markup than R24 allows, and
// this cannot be turned off: its core resolves backslash escapes and entities, `*`, `+` and `1)` open lists,
// four blanks open code, and a single tilde strikes through. It also changes the lines: it joins "- a" and a
// following "Regards" into one item, and drops blank lines after the first and blanks at the ends of lines,
// so the number of line breaks that R23 counts cannot be recovered from its tree. Here a line of the source
// is always a line of the text. Only the rule for pairing emphasis markers is CommonMark's (section 6.2, with
// the relaxation for Chinese and Japanese that canPair explains).
//
// # Work
//
// All work is linear in the source: 12,000 stars or brackets cost as much as 12,000 letters, within a small
// factor. Styles do not nest (a character is bold or it is not), so the deepest nesting is link, bold,
// italics, strikethrough.
package richtext

import (
	"math/bits"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Document is a parsed body. It is immutable, so it may be shared. The zero value is the document of an empty
// source.
type Document struct {
	text   string // as the reader sees it, in NFC, with \n as line break
	length int    // code points of text
	blocks []block
	links  []Link
	images bool
}

// block is one paragraph, one list item or one blank line. The text of a document is the text of its blocks,
// joined by \n; a paragraph contains its own line breaks.
type block struct {
	kind   kind
	number int // of a numbered item as the reader sees it; else 0
	spans  []span
}

type kind uint8

const (
	paragraph kind = iota
	bullet
	numbered
	blank // an empty line, or a line of blanks only
)

// span is a piece of text with one style and one link.
type span struct {
	text  string
	style style
	href  string // an allowed address as an attribute's value; empty: no link
}

type style uint8

const (
	bold style = 1 << iota
	italic
	strike
)

// Parse reads the source of a body (R24). It never fails: what is not formatting is plain text. Bytes that
// are not UTF-8 and control characters other than tab become U+FFFD.
func Parse(source string) Document {
	d, _ := parse(source)
	return d
}

// parse also returns the work done, which a test checks to be linear: the steps of all loops that do more
// than iterate over the source once.
func parse(source string) (Document, int) {
	s := normalize(source)
	d := Document{images: hasImage(source) || s != source && hasImage(s)}
	lines := strings.Count(s, "\n") + 1
	d.blocks = make([]block, 0, lines)
	in := inline{all: make([]span, 0, lines+min(strings.Count(s, "*")/2, lines))}
	var list numbering
	for start, done := 0, false; !done; {
		line, next, last := cutLine(s, start)
		done = last
		switch k, number, content := list.read(line); {
		case k == paragraph:
			end := start + len(line)
			for !done {
				line, after, last := cutLine(s, next)
				if k, _, _ := list.peek(line); k != paragraph {
					break
				}
				end, next, done = next+len(line), after, last
			}
			d.blocks = append(d.blocks, block{kind: paragraph, spans: in.parse(s[start:end])})
		case k == blank:
			d.blocks = append(d.blocks, block{kind: blank, spans: in.plain(line)})
		default:
			d.blocks = append(d.blocks, block{kind: k, number: number, spans: in.parse(content)})
		}
		start = next
	}
	d.links = in.links
	d.text = joinBlocks(d.blocks, len(s))
	d.length = Length(d.text)
	return d, in.steps
}

// Text returns what the reader sees: without markup and list markers, in NFC, with one \n for each line break
// of the source, and blanks as typed (R23).
func (d Document) Text() string { return d.text }

// Length returns the number of code points of Text, which R23 limits to 3,000.
func (d Document) Length() int { return d.length }

// Empty reports whether the reader sees nothing: the text is only blanks, line breaks and invisible
// characters (R23, body_required).
func (d Document) Empty() bool { return invisible(d.text) }

// Paragraphs returns the texts of the paragraphs and list items in their order, without blank lines. A
// paragraph ends at a blank line or a list item, not at a single line break: the reader sees one piece of
// text (R47).
func (d Document) Paragraphs() []string {
	n := 0
	for _, b := range d.blocks {
		if b.kind != blank {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	texts := make([]string, 0, n)
	at := 0 // the start of the block in the text
	for _, b := range d.blocks {
		end := at + b.size()
		if b.kind != blank {
			texts = append(texts, d.text[at:end])
		}
		at = end + 1
	}
	return texts
}

// size returns the length of the text of a block, in bytes.
func (b block) size() (n int) {
	for _, s := range b.spans {
		n += len(s.text)
	}
	return n
}

func joinBlocks(blocks []block, size int) string {
	if len(blocks) == 1 && len(blocks[0].spans) == 1 {
		return blocks[0].spans[0].text
	}
	var t strings.Builder
	t.Grow(size)
	for i, b := range blocks {
		if i > 0 {
			t.WriteByte('\n')
		}
		for _, s := range b.spans {
			t.WriteString(s.text)
		}
	}
	return t.String()
}

// cutLine returns the line of s that begins at start, the start of the next line, and whether it is the last
// line.
func cutLine(s string, start int) (line string, next int, last bool) {
	if n := strings.IndexByte(s[start:], '\n'); n >= 0 {
		return s[start : start+n], start + n + 1, false
	}
	return s[start:], len(s), true
}

// normalize returns s as valid UTF-8 in NFC without control characters other than tab and \n. Each CRLF, CR
// and other line break of Unicode (VT, FF, NEL, LS, PS) becomes one \n.
func normalize(s string) string {
	if isNormalized(s) {
		return s
	}
	return normalizeAll(s)
}

func normalizeAll(s string) string { return norm.NFC.String(replaceControls(s)) }

// replaceControls is normalize without NFC.
func replaceControls(s string) string {
	var t strings.Builder
	t.Grow(len(s))
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case r == '\r':
			if strings.HasPrefix(s[i:], "\n") {
				i++
			}
			t.WriteByte('\n')
		case lineBreak(r):
			t.WriteByte('\n')
		case r != '\t' && unicode.IsControl(r):
			t.WriteRune(utf8.RuneError)
		default:
			t.WriteRune(r) // U+FFFD for a byte that is not UTF-8
		}
	}
	return t.String()
}

// isNormalized reports whether normalize would change nothing.
func isNormalized(s string) bool {
	clean, composed := scan(s)
	return clean && (composed || norm.NFC.IsNormalString(s))
}

// scan reports whether replaceControls would change nothing, and whether s, if so, is NFC by its letters
// alone.
func scan(s string) (clean, composed bool) {
	i := plainASCII(s)
	composed = true
	for i < len(s) {
		c := s[i]
		switch {
		case ' ' <= c && c < 0x7f:
			i++
			continue
		case c == '\n' || c == '\t':
			i++
			i += plainASCII(s[i:])
			continue
		case c < utf8.RuneSelf:
			return false, false
		}
		r, size := rune(c&0x1f)<<6, 2
		if 0xc2 <= c && c < 0xe0 && i+1 < len(s) && s[i+1]&0xc0 == 0x80 {
			r |= rune(s[i+1] & 0x3f)
		} else {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		if r < 0xa0 || lineBreak(r) || r == utf8.RuneError && size == 1 {
			return false, false
		}
		composed = composed && composes(r)
		i += size
	}
	return true, composed
}

// Length returns the number of code points of a text, which must be valid UTF-8.
func Length(text string) int {
	const high = 0x8080808080808080
	n, i := len(text), 0
	for ; len(text)-i >= 8; i += 8 {
		w := eightBytes(text[i : i+8])
		n -= bits.OnesCount64(w &^ (w << 1) & high) // the bytes that begin with the bits 10 continue a code point
	}
	for ; i < len(text); i++ {
		if text[i]&0xc0 == 0x80 {
			n--
		}
	}
	return n
}

func eightBytes(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// composes reports, for frequent letters and signs, that a text of them alone is NFC: none decomposes, and
// none joins the one before it. It is false for any other.
func composes(r rune) bool {
	switch {
	case r < 0x300: // Latin
	case 0x400 <= r && r <= 0x482, 0x5d0 <= r && r <= 0x5ea: // Cyrillic, Hebrew
	case 0x2010 <= r && r <= 0x2027, 0x20a0 <= r && r <= 0x20bf: // punctuation, currencies
	case 0x3040 < r && r <= 0x3096, 0x30a0 < r && r <= 0x30fa: // Hiragana, Katakana
	case 0x4e00 <= r && r <= 0x9fff, 0xac00 <= r && r <= 0xd7a3: // Han, Hangul
	case 0x1f300 <= r && r <= 0x1faff: // pictures
	default:
		return false
	}
	return true
}

// plainASCII returns the length of a beginning of s that has only ASCII characters and no control character;
// there may be more of them behind it.
func plainASCII(s string) (n int) {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; len(s)-n >= 8; n += 8 {
		w := eightBytes(s[n : n+8])
		// The high bit of a byte: of the byte itself, of one below a blank, and of 0x7f plus one.
		if (w|(w-' '*ones)|(w+ones))&high != 0 {
			return n
		}
	}
	return n
}

func lineBreak(r rune) bool {
	switch r {
	case '\n', '\v', '\f', '\r', '\u0085', '\u2028', '\u2029':
		return true
	}
	return false
}

// invisible reports whether s shows nothing: it consists of blanks, format characters such as the zero-width
// space, and letters that fonts draw empty.
func invisible(s string) bool {
	for _, r := range s {
		switch {
		case unicode.IsSpace(r), isFormat(r), unicode.Is(unicode.Variation_Selector, r):
		case r == '\u115f', r == '\u1160', r == '\u3164', r == '\uffa0', r == '\u2800', r == '\u034f':
		default:
			return false
		}
	}
	return true
}
