// Package hosts reads the hosts of web addresses as a browser does and compares them as a reader does: by how
// they look (F33). It decides whether the text of a link is honest about where the link leads (F41). It is
// pure, and imports nothing of ours.
package hosts

import (
	"iter"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
	"golang.org/x/text/unicode/norm"
)

// An Address is a web or e-mail address that a text names.
type Address struct {
	Start, End int    // the address is text[Start:End]
	Host       string // as written, without user, port and www.
	User       bool   // text and an @ stand before the host, as in https://user@host
}

// addressEnds are the characters that end an address in a text.
const addressEnds = " \t\r\n<>\"'()[]{}|"

var endsAddress = func() (ends [utf8.RuneSelf]bool) {
	for _, c := range []byte(addressEnds) {
		ends[c] = true
	}
	return ends
}()

// Find returns the addresses of a text in lower case, in their order: those with a scheme, with www., and
// bare names whose top-level domain bare accepts. E-mail addresses do not count.
func Find(text string, bare func(domain string) bool) []Address {
	if !strings.Contains(text, ".") && !strings.Contains(text, "://") {
		return nil
	}
	var all []Address
	for start := 0; start < len(text); {
		if start = nextPiece(text, start); start == len(text) {
			break
		}
		end := start + pieceEnd(text[start:])
		if a, ok := findIn(text[start:end], bare); ok {
			a.Start, a.End = start+a.Start, end
			all = append(all, a)
		}
		start = max(end, start+1)
	}
	return all
}

// nextPiece skips the pieces of a text from start on that are of ASCII characters without . and :, which no
// address lacks, and returns where the next one begins.
func nextPiece(text string, start int) int {
	for i := start; i < len(text); i++ {
		switch c := text[i]; {
		case c >= utf8.RuneSelf || c == '.' || c == ':':
			return start
		case endsAddress[c]:
			start = i + 1
		}
	}
	return len(text)
}

// pieceEnd returns the length of the piece at the start of text that may hold an address: it ends before one
// of addressEnds, and where letters without blanks between words meet ASCII ones, as in 点击bit.ly/x领取.
func pieceEnd(text string) int {
	before := rune(-1)
	for i, r := range text {
		switch {
		case r < utf8.RuneSelf && endsAddress[r]:
			return i
		case r < utf8.RuneSelf && before < utf8.RuneSelf:
		case unspaced(r) && before < utf8.RuneSelf && wordRune(before), unspaced(before) && r < utf8.RuneSelf && wordRune(r):
			return i
		}
		before = r
	}
	return len(text)
}

// unspaced reports whether r belongs to a script that is written without blanks between words.
func unspaced(r rune) bool {
	return r >= utf8.RuneSelf && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai)
}

func wordRune(r rune) bool {
	return r >= 0 && r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r))
}

// findIn finds the address at the end of a piece of text without addressEnds.
func findIn(piece string, bare func(domain string) bool) (a Address, ok bool) {
	if !strings.Contains(piece, ".") && !strings.Contains(piece, "://") {
		return a, false
	}
	for _, opening := range []string{"https://", "http://", "www."} {
		if at := strings.Index(piece, opening); at >= 0 && !endsInWord(piece[:at]) {
			host, user := authority(piece[at:])
			return Address{Start: at, Host: host, User: user}, host != ""
		}
	}
	if !strings.Contains(piece, ".") || strings.Contains(piece, "@") {
		return a, false
	}
	from := strings.LastIndexAny(piece, ":;,") + 1
	if from == len(piece) || '0' <= piece[from] && piece[from] <= '9' { // the address ends in punctuation or a port
		from = 0
	}
	host, _ := authority(piece[from:])
	if !isName(host, bare) {
		return a, false
	}
	return Address{Start: from, Host: host}, true
}

// isName reports whether a host has two labels or more of letters, digits and hyphens, the last of which bare
// accepts.
func isName(host string, bare func(domain string) bool) bool {
	dot := strings.LastIndexByte(host, '.')
	if dot < 1 || !bare(host[dot+1:]) {
		return false
	}
	before := '.'
	for _, r := range host {
		switch {
		case r == '.' && before == '.':
			return false
		case r != '.' && r != '-' && !wordRune(r):
			return false
		}
		before = r
	}
	return true
}

func endsInWord(text string) bool {
	r, size := utf8.DecodeLastRuneInString(text)
	return size > 0 && wordRune(r) && !unspaced(r)
}

// authority returns the host of a web address in lower case, without user, port and www., and whether a user
// stands before it.
func authority(address string) (host string, user bool) {
	if _, rest, ok := strings.Cut(address, "://"); ok {
		address = rest
	}
	if end := strings.IndexAny(address, "/?#\\"); end >= 0 {
		address = address[:end]
	}
	at := strings.LastIndexByte(address, '@')
	address = address[at+1:]
	if end := strings.IndexByte(address, ']'); strings.HasPrefix(address, "[") && end > 0 {
		return address[1:end], at > 0 // IPv6
	}
	if colon := strings.LastIndexByte(address, ':'); colon >= 0 {
		address = address[:colon]
	}
	return strings.Trim(strings.TrimPrefix(address, "www."), ".,;!*~_"), at > 0
}

// Of returns the host to which a web or mailto address leads, as Read returns it; empty: none.
func Of(address string) string {
	host, _ := target(address)
	return host
}

// target also reports whether a web address names a user, whom a hasty reader takes for the host.
func target(address string) (host string, user bool) {
	address = strings.Trim(address, "<> ")
	if rest, ok := cutFold(address, "mailto:"); ok {
		rest, _, _ = strings.Cut(rest, "?")
		return Read(rest[strings.LastIndexByte(rest, '@')+1:]), false
	}
	host, user = authority(strings.ToLower(address))
	if decoded, err := url.PathUnescape(host); err == nil {
		host = decoded
	}
	return Read(host), user
}

func cutFold(s, prefix string) (rest string, found bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// mapped is how browsers look a host up (UTS 46, not transitional): what cannot be mapped stays as it is.
var mapped = idna.New(idna.MapForLookup(), idna.StrictDomainName(false), idna.Transitional(false))

// Read returns a host in the form in which hosts are compared: in Unicode (ToUnicode of UTS 46), lower case,
// without www. and a final dot.
func Read(host string) string {
	unicodeHost, _ := mapped.ToUnicode(host) // what it cannot map it leaves
	return strings.TrimPrefix(strings.TrimSuffix(unicodeHost, "."), "www.")
}

// Named returns the hosts that a text names to its reader, as Read returns them: of web addresses, bare names
// and e-mail addresses. Characters that are not drawn and marks of emphasis are left out; characters that
// differ in form only are one.
func Named(text string) []string {
	var named []string
	for _, c := range claims(text) {
		named = append(named, c.Host)
	}
	return named
}

// claims returns the addresses that a text names; only Host and User are set.
func claims(text string) []Address {
	if !strings.ContainsAny(text, dots) && !strings.Contains(text, "://") {
		return nil
	}
	text = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(dots, r):
			return '.'
		case r == '*', r == '~', r >= utf8.RuneSelf && unicode.In(r, unicode.Cf, unicode.Variation_Selector):
			return -1
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, text)
	text = strings.ToLower(norm.NFKC.String(text))
	var all []Address
	for piece := range pieces(text) {
		if at := strings.LastIndexByte(piece, '@'); at > 0 && !strings.Contains(piece, "://") {
			if host, _ := authority(strings.TrimRight(piece[at+1:], ".,;:!?*~")); isName(host, known) {
				all = append(all, Address{Host: Read(host)})
			}
			continue
		}
		if a, ok := findIn(strings.TrimRight(piece, ".,;:!?*~…"), known); ok {
			all = append(all, Address{Host: Read(a.Host), User: a.User})
		}
	}
	return all
}

// pieces returns the pieces of text that may hold an address.
func pieces(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for text != "" {
			end := pieceEnd(text)
			if end > 0 && !yield(text[:end]) {
				return
			}
			text = text[max(end, 1):]
		}
	}
}

// dots are the full stop and the characters that browsers read as one, or that look like one.
const dots = ".。．｡․"

// known reports whether a bare name that ends in this top-level domain is an address: those that are
// registered, and those that are reserved for examples (RFC 2606). Those that are rather the ending of a file
// are none.
func known(domain string) bool {
	switch domain {
	case "example", "test", "invalid":
		return true
	case "md", "sh", "py", "rs", "pl", "ps", "cc", "so", "zip", "mov":
		return false
	}
	ascii, err := mapped.ToASCII(domain)
	if err != nil {
		return false
	}
	_, listed := publicsuffix.PublicSuffix(ascii)
	return listed
}

// A Verdict says what the text of a link says of where the link leads.
type Verdict int

const (
	Silent    Verdict = iota // the text names no address
	Honest                   // it names the host of the target, or one of the same owner
	Other                    // it names another host
	LookAlike                // it names another host that looks the same (UTS 39)
)

// Compare returns what the text of a link says of the host of its target (F33). A target with a user before
// its host is never honest: https://bank.example@evil.example leads to evil.example.
func Compare(text, address string) Verdict {
	to, user := target(address)
	verdict := Silent
	if user {
		verdict = Other
	}
	for _, claim := range claims(text) {
		verdict = max(verdict, compare(claim.Host, to))
		if claim.User {
			verdict = max(verdict, Other)
		}
	}
	return verdict
}

// compare compares a host that is named with the one to which a link leads, both as Read returns them. Hosts
// of one registered domain have one owner.
func compare(named, to string) Verdict {
	mine, theirs := registered(named), registered(to)
	switch {
	case named == to, strings.HasSuffix(to, "."+named), strings.HasSuffix(named, "."+to), mine == theirs:
		return Honest
	case Look(mine) == Look(theirs):
		return LookAlike
	}
	return Other
}

// registered returns the part of a host that was registered: example.co.uk of jobs.example.co.uk. A host
// without one is returned whole.
func registered(host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return host
	}
	ascii, err := mapped.ToASCII(host)
	if err != nil {
		return host
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(ascii)
	if err != nil {
		return host
	}
	return Read(domain)
}

// Shown returns the host of an address for a reader: in Unicode, or in ASCII (Punycode) where it looks like
// another or like the one that the text of the link names. Empty: the address has no host.
func Shown(text, address string) string {
	host := Of(address)
	if !Deceptive(host) && Compare(text, address) != LookAlike && printable(host) {
		return host
	}
	ascii, err := idna.Punycode.ToASCII(host)
	if err != nil || !printable(ascii) {
		return strings.Map(func(r rune) rune {
			if r < '!' || r > '~' {
				return '?'
			}
			return r
		}, host)
	}
	return ascii
}

func printable(host string) bool {
	return !strings.ContainsFunc(host, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) })
}
