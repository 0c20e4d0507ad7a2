package spam

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// A link is a web address in folded text.
type link struct {
	start, end int    // the address is folded[start:end]
	host       string // without www.
}

// findLinks returns the web addresses of folded text in their order: those with a scheme, with www. and bare
// names (bit.ly/x). E-mail addresses do not count.
func findLinks(folded string) []link {
	if !strings.Contains(folded, ".") && !strings.Contains(folded, "://") {
		return nil
	}
	var all []link
	for start := 0; start < len(folded); {
		end := start
		for end < len(folded) && strings.IndexByte(linkEnds, folded[end]) < 0 {
			end++
		}
		if from, host, ok := linkIn(folded[start:end]); ok {
			all = append(all, link{start + from, end, host})
		}
		start = end + 1
	}
	return all
}

// linkEnds are the characters that end an address.
const linkEnds = " <>\"'()[]{}|"

// linkIn finds the address at the end of a piece of text without linkEnds.
func linkIn(piece string) (from int, host string, ok bool) {
	for _, opening := range []string{"https://", "http://", "www."} {
		if at := strings.Index(piece, opening); at >= 0 && !endsInWord(piece[:at]) {
			host = hostOf(piece[at:])
			return at, host, host != ""
		}
	}
	if !strings.Contains(piece, ".") || strings.Contains(piece, "@") {
		return 0, "", false
	}
	from = strings.LastIndexAny(piece, ":;,") + 1
	if from == len(piece) || '0' <= piece[from] && piece[from] <= '9' { // the address ends in punctuation or a port
		from = 0
	}
	host = hostOf(piece[from:])
	dot := strings.LastIndexByte(host, '.')
	if dot < 1 || !bareDomains[host[dot+1:]] {
		return 0, "", false
	}
	for i := range len(host) {
		b := host[i]
		if !('a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '-' || b == '.' && i > 0 && host[i-1] != '.') {
			return 0, "", false
		}
	}
	return from, host, true
}

func endsInWord(text string) bool {
	r, size := utf8.DecodeLastRuneInString(text)
	return size > 0 && wordRune(r)
}

// bareDomains are the top-level domains in which a bare name, without scheme and www., counts as an address.
var bareDomains = set("com", "net", "org", "info", "biz", "io", "co", "me", "ly", "gl", "gd", "gy", "cc", "tv", "ws",
	"to", "ru", "cn", "tk", "ml", "at", "xyz", "top", "click", "link", "shop", "site", "online", "app", "dev",
	"uk", "de", "fr", "eu", "id")

// hostOf returns the host of a folded web address, without user, port and www.
func hostOf(address string) string {
	if _, rest, ok := strings.Cut(address, "://"); ok {
		address = rest
	}
	if end := strings.IndexAny(address, "/?#\\"); end >= 0 {
		address = address[:end]
	}
	address = address[strings.LastIndexByte(address, '@')+1:]
	if colon := strings.LastIndexByte(address, ':'); colon >= 0 {
		address = address[:colon]
	}
	return strings.Trim(strings.TrimPrefix(address, "www."), ".,;!*~_")
}

// shortened reports whether the host is a link shortener, which hides the target.
func (l link) shortened() bool { return shorteners[l.host] }

var shorteners = set("bit.ly", "tinyurl.com", "t.co", "goo.gl", "ow.ly", "is.gd", "v.gd", "buff.ly", "rebrand.ly",
	"cutt.ly", "shorturl.at", "rb.gy", "t.ly", "tiny.cc", "bl.ink", "lnkd.in", "adf.ly", "bit.do", "s.id", "clck.ru")

// odd reports whether the host is an IP address or in punycode, as look-alikes of well-known names are.
func (l link) odd() bool {
	if _, err := netip.ParseAddr(l.host); err == nil {
		return true
	}
	return strings.HasPrefix(l.host, "xn--") || strings.Contains(l.host, ".xn--")
}

// misleading reports whether folded text has a link, [title](address), whose title is an address with another
// host than its target. A subdomain of the other counts as the same host.
func misleading(folded string) bool {
	for {
		before, after, found := strings.Cut(folded, "](")
		if !found {
			return false
		}
		title := findLinks(before[strings.LastIndexAny(before, "[]")+1:])
		if len(title) == 1 {
			address := strings.TrimLeft(after, " ")
			if end := strings.IndexAny(address, " ()"); end >= 0 {
				address = address[:end]
			}
			from, to := title[0].host, hostOf(address)
			if from != to && !strings.HasSuffix(to, "."+from) && !strings.HasSuffix(from, "."+to) {
				return true
			}
		}
		folded = after
	}
}

func set(members ...string) map[string]bool {
	all := make(map[string]bool, len(members))
	for _, m := range members {
		all[m] = true
	}
	return all
}
