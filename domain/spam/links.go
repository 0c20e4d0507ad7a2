package spam

import (
	"net/netip"
	"slices"
	"strings"

	"inmail/domain/hosts"
)

// findLinks returns the web addresses of folded text in their order: those with a scheme, with www. and bare
// names (bit.ly/x). E-mail addresses do not count.
func findLinks(folded string) []hosts.Address {
	return hosts.Find(folded, func(domain string) bool { return bareDomains[domain] })
}

// bareDomains are the top-level domains in which a bare name, without scheme and www., counts as an address.
var bareDomains = set("com", "net", "org", "info", "biz", "io", "co", "me", "ly", "gl", "gd", "gy", "cc", "tv", "ws",
	"to", "ru", "cn", "tk", "ml", "at", "xyz", "top", "click", "link", "shop", "site", "online", "app", "dev",
	"uk", "de", "fr", "eu", "id")

// shortened reports whether the host is a link shortener, which hides the target.
func shortened(host string) bool { return shorteners[host] }

var shorteners = set("bit.ly", "tinyurl.com", "t.co", "goo.gl", "ow.ly", "is.gd", "v.gd", "buff.ly", "rebrand.ly",
	"t.cn", "url.cn", "dwz.cn", "suo.im", "reurl.cc", "lihi.cc", "pse.is", "ppt.cc", "surl.li", "n9.cl", "goo.su", "u.to", "kutt.it",
	"shorturl.gg", "soo.gd", "vk.cc", "cutt.ly", "shorturl.at", "rb.gy", "t.ly", "tiny.cc", "bl.ink", "lnkd.in", "adf.ly", "bit.do", "s.id", "clck.ru")

// bareNumber reports whether the host is an IP address.
func bareNumber(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// namesDeceptiveHost reports whether a text as it was written names a host that looks like another. Folded
// text does not show it, and a host in Punycode alone is no sign (F33).
func (t *Message) namesDeceptiveHost() bool {
	if t.ascii && !strings.Contains(t.subject, "--") && !strings.Contains(t.body, "--") {
		return false
	}
	raw := t.raw()
	if t.ascii && !strings.Contains(strings.ToLower(raw), "xn--") {
		return false
	}
	return slices.ContainsFunc(hosts.Named(raw), hosts.Deceptive)
}

// misleading reports whether a message has a link, [title](address), whose title names another host than that
// of its target, and whether one of them looks the same as its target's (F33).
func (t *Message) misleading() (misleads, looksAlike bool) {
	for _, l := range t.titledLinks() {
		verdict := hosts.Compare(l.Text, l.URL)
		misleads = misleads || verdict >= hosts.Other
		looksAlike = looksAlike || verdict == hosts.LookAlike
	}
	return misleads, looksAlike
}

func set(members ...string) map[string]bool {
	all := make(map[string]bool, len(members))
	for _, m := range members {
		all[m] = true
	}
	return all
}
