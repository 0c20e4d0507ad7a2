package spam

import (
	"net/netip"
	"regexp"
	"strings"
)

// A link is a web address in folded text; the text between start and end is it.
type link struct {
	start, end int
	host       string // without www.
}

var (
	webAddress = regexp.MustCompile(`https?://[^\s<>"'()\[\]]+|www\.[^\s<>"'()\[\]]+|` +
		`(?:[a-z0-9-]{1,63}\.)+(?:com|net|org|info|biz|io|co|me|ly|gl|gd|gy|cc|tv|ws|to|ru|cn|tk|ml|xyz|top|click|link|shop|site|online|app|dev|uk|de|fr|eu)\b(?:/[^\s<>"'()\[\]]*)?`)
	mailAddress = regexp.MustCompile(`[a-z0-9._%+-]+@(?:[a-z0-9-]{1,63}\.)+[a-z]{2,}`)
	titledLink  = regexp.MustCompile(`\[([^\[\]]{1,300})\]\(\s*([^\s()]+)`)
)

// findLinks returns the web addresses of folded text in their order; mail
// addresses are none.
func findLinks(folded string) []link {
	if !strings.ContainsRune(folded, '.') && !strings.Contains(folded, "://") {
		return nil
	}
	var all []link
	mails := mailAddress.FindAllStringIndex(folded, -1)
	for _, at := range webAddress.FindAllStringIndex(folded, -1) {
		for len(mails) > 0 && mails[0][1] <= at[0] {
			mails = mails[1:]
		}
		if len(mails) > 0 && mails[0][0] <= at[0] && at[0] < mails[0][1] {
			continue
		}
		if at[0] > 0 && wordByte(folded[at[0]-1]) {
			continue
		}
		all = append(all, link{at[0], at[1], hostOf(folded[at[0]:at[1]])})
	}
	return all
}

func wordByte(b byte) bool { return b >= 0x80 || 'a' <= b && b <= 'z' || '0' <= b && b <= '9' }

// hostOf returns the host of a folded web address, without port, user and www.
func hostOf(address string) string {
	if _, rest, ok := strings.Cut(address, "://"); ok {
		address = rest
	}
	if end := strings.IndexAny(address, "/?#\\"); end >= 0 {
		address = address[:end]
	}
	if at := strings.LastIndexByte(address, '@'); at >= 0 {
		address = address[at+1:]
	}
	if colon := strings.LastIndexByte(address, ':'); colon >= 0 {
		address = address[:colon]
	}
	return strings.Trim(strings.TrimPrefix(address, "www."), ".,;!?")
}

// shortened reports whether the host hides where its links lead.
func (l link) shortened() bool { return shorteners[l.host] }

var shorteners = set("bit.ly", "tinyurl.com", "t.co", "goo.gl", "ow.ly", "is.gd", "v.gd", "buff.ly", "rebrand.ly",
	"cutt.ly", "shorturl.at", "rb.gy", "t.ly", "tiny.cc", "bl.ink", "lnkd.in", "adf.ly", "bit.do", "s.id", "qr.ae", "clck.ru")

// odd reports whether the host is a bare number or is written in punycode,
// as look-alikes of well-known names are.
func (l link) odd() bool {
	if _, err := netip.ParseAddr(l.host); err == nil {
		return true
	}
	return strings.HasPrefix(l.host, "xn--") || strings.Contains(l.host, ".xn--")
}

// misleading reports whether folded text has a titled link whose title is an
// address of another host than the one that it leads to.
func misleading(folded string) bool {
	for _, m := range titledLink.FindAllStringSubmatch(folded, -1) {
		title := findLinks(m[1])
		if len(title) != 1 {
			continue
		}
		from, to := title[0].host, hostOf(m[2])
		if from != to && !strings.HasSuffix(to, "."+from) && !strings.HasSuffix(from, "."+to) {
			return true
		}
	}
	return false
}

func set(members ...string) map[string]bool {
	all := make(map[string]bool, len(members))
	for _, m := range members {
		all[m] = true
	}
	return all
}
