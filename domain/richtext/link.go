package richtext

import (
	"html"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Link is one link of a source (R24, R25).
type Link struct {
	Text   string // as typed between the brackets, including markup
	URL    string // as typed between the parentheses, without blanks around it
	Scheme string // in lower case, decoded by schemeOf; empty if there is none
	href   string // the address as an attribute's value; empty if the link is refused
}

// Allowed reports whether the link may be sent: its address begins, as typed, with http://, https:// or
// mailto: in any case, and is complete (R25). Everything else is refused: another scheme, a relative address,
// "//host", and a scheme written with entities, percent signs, control or invisible characters.
func (l Link) Allowed() bool { return l.href != "" }

// Links returns all links of the source in order of appearance, including those that R25 refuses (see
// Allowed). It also returns text that is not a link but resembles one, such as "[t](javascript:f(1, 2))" with
// its blank, if it names a scheme that runs code or reads files. A refused link is shown as typed.
func (d Document) Links() []Link { return append([]Link(nil), d.links...) }

// linkAt is the position of a link in a paragraph.
type linkAt struct {
	start, textStart, textEnd, end int
	href                           string // empty: refused, or text that resembles a link
}

// findLinks fills in.found with the links of the paragraph, which do not overlap. Brackets pair as in
// CommonMark: innermost first, and no link inside another. `![` is not a link (R26).
func (in *inline) findLinks() {
	if !strings.Contains(in.s, "](") {
		return
	}
	in.matchParens()
	open := in.brackets[:0]
	for i := 0; i < len(in.s); i++ {
		switch in.s[i] {
		case '[':
			open = append(open, int32(i))
		case ']':
			if len(open) == 0 {
				continue
			}
			start := int(open[len(open)-1])
			open = open[:len(open)-1]
			if i+1 >= len(in.s) || in.s[i+1] != '(' || start > 0 && in.s[start-1] == '!' {
				continue
			}
			l, end, ok := in.readLink(start, i)
			if !ok {
				continue
			}
			in.links = append(in.links, l)
			at := linkAt{start: start, textStart: start + 1, textEnd: i, end: end, href: l.href}
			if invisible(l.Text) {
				at.href = "" // a link without visible text is shown as typed
			}
			in.found = append(in.found, at)
			i = end - 1
			open = open[:0]
		}
	}
	in.brackets = open
}

// matchParens fills in.parens and in.nextBlank for the paragraph.
func (in *inline) matchParens() {
	n := len(in.s)
	in.parens = append(in.parens[:0], make([]int32, n)...)
	in.nextBlank = append(in.nextBlank[:0], make([]int32, n+1)...)
	open := in.brackets[:0]
	for i := 0; i < n; i++ {
		switch in.s[i] {
		case '(':
			open = append(open, int32(i))
		case ')':
			if k := len(open); k > 0 {
				in.parens[open[k-1]] = int32(i)
				open = open[:k-1]
			}
		}
	}
	in.brackets = open
	next := int32(n)
	in.nextBlank[n] = next
	for i := n - 1; i >= 0; i-- {
		if c := in.s[i]; c == ' ' || c == '\t' || c == '\n' { // blanks
			next = int32(i)
		}
		in.nextBlank[i] = next
	}
}

// readLink reads the link whose text is s[start+1:textEnd]. end is the end of the link or, for text that only
// resembles a link, the end of its text and bracket.
func (in *inline) readLink(start, textEnd int) (l Link, end int, ok bool) {
	open := textEnd + 1
	closing := int(in.parens[open])
	inside := in.s[open+1:]
	if closing > 0 {
		inside = in.s[open+1 : closing]
	}
	from := len(in.s) - len(strings.TrimLeft(in.s[open+1:], blanks))
	inside = strings.Trim(inside, blanks)
	if inside == "" {
		return l, 0, false // "[t]()": nowhere to go
	}
	l.Text = in.s[start+1 : textEnd]
	if closing > 0 && int(in.nextBlank[from]) >= from+len(inside) {
		in.steps += len(inside)
		l.URL, l.Scheme, l.href = inside, schemeOf(inside), hrefOf(inside)
		return l, closing + 1, true
	}

	// An address with a blank inside or without an end is text. If it names a scheme that runs code or reads
	// files it still counts as a link that R25 refuses, because another program may read it as a link.
	l.URL = inside[:min(len(inside), schemeWindow)]
	l.Scheme = schemeOf(l.URL)
	in.steps += len(l.URL)
	switch l.Scheme {
	case "javascript", "vbscript", "livescript", "data", "blob", "file":
		return l, textEnd + 1, true
	}
	return l, 0, false
}

// blanks are the characters that may surround an address but not occur inside.
const blanks = " \t\n"

// schemeWindow is how many bytes of an address are searched for its scheme; it bounds the work on hostile
// input.
const schemeWindow = 128

// schemeOf returns the scheme that some program might read in an address: with entities and percent signs
// decoded, without blanks, control and invisible characters, in lower case. It is empty if there is none.
func schemeOf(address string) string {
	if len(address) > schemeWindow {
		address = address[:schemeWindow]
	}
	for range 3 { // encodings may be nested
		decoded := unescapePercent(html.UnescapeString(address))
		if decoded == address {
			break
		}
		address = decoded
	}
	var scheme strings.Builder
	for _, r := range address {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r), isFormat(r), r == utf8.RuneError:
		case r == '<' && scheme.Len() == 0:
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
			scheme.WriteRune(unicode.ToLower(r))
		case ('0' <= r && r <= '9' || r == '+' || r == '-' || r == '.') && scheme.Len() > 0:
			scheme.WriteRune(r)
		case r == ':':
			return scheme.String()
		default:
			return ""
		}
	}
	return ""
}

func unescapePercent(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var t strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			t.WriteByte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
			continue
		}
		t.WriteByte(s[i])
	}
	return t.String()
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// hrefOf returns the address as an attribute's value, or "" if R25 refuses it.
func hrefOf(address string) string {
	if inner, ok := strings.CutPrefix(address, "<"); ok && strings.HasSuffix(inner, ">") {
		address = inner[:len(inner)-1]
	}
	head := strings.ToLower(address[:min(len(address), len("https://"))])
	web := strings.HasPrefix(head, "http://") || strings.HasPrefix(head, "https://")
	if !web && !strings.HasPrefix(head, "mailto:") {
		return ""
	}
	u, err := url.Parse(escapeStrayPercent(address))
	if err != nil || web && u.Hostname() == "" || !web && u.Opaque == "" && u.RawQuery == "" {
		return ""
	}
	return u.String()
}

// escapeStrayPercent replaces a percent sign that begins no escape by %25: browsers accept "https://x/100%",
// package url does not.
func escapeStrayPercent(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var t strings.Builder
	for i := 0; i < len(s); i++ {
		t.WriteByte(s[i])
		if s[i] == '%' && (i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2])) {
			t.WriteString("25")
		}
	}
	return t.String()
}
