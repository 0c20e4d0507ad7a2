package httpapi

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// proxies are the addresses whose word on where a request came from is taken.
type proxies []netip.Prefix

// parseProxies reads addresses and networks: 10.0.0.0/8, 192.0.2.7, fd00::/8.
func parseProxies(texts []string) (proxies, error) {
	var ps proxies
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			var one netip.Addr
			if one, err = netip.ParseAddr(text); err == nil {
				prefix = netip.PrefixFrom(one, one.BitLen())
			}
		}
		if err != nil {
			return nil, fmt.Errorf("trusted_proxies: %q is neither an address nor a network; for instance 10.0.0.0/8", text)
		}
		ps = append(ps, prefix.Masked())
	}
	return ps, nil
}

func (ps proxies) trust(a netip.Addr) bool {
	for _, p := range ps {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// client returns the address that a request came from: the peer's, or, where that is a trusted proxy, the
// last address of X-Forwarded-For that is none. What stands before it, anybody could have written.
func (ps proxies) client(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	address := peer.Addr().Unmap().WithZone("")
	if !ps.trust(address) {
		return address
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && ps.trust(address); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		address = hop.Unmap().WithZone("")
	}
	return address
}

// network returns what stands for a client in a limit: its IPv4 address, or the /64 of its IPv6 address, of
// which one client has all.
func network(a netip.Addr) string {
	if a.Is6() {
		prefix, _ := a.Prefix(64)
		return prefix.String()
	}
	return a.String()
}

// requestHeader carries the id of a request, from a client or proxy to the log and back.
const requestHeader = "X-Request-Id"

// maxRequestID is the longest id that is taken from a request, in bytes.
const maxRequestID = 64

// requestID returns the id that the request brings, or a new one when it brings none that may stand in a log
// line.
func requestID(r *http.Request) string {
	given := r.Header.Get(requestHeader)
	plain := func(c rune) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-_.:/+=", c)
	}
	if given == "" || len(given) > maxRequestID || strings.ContainsFunc(given, func(c rune) bool { return !plain(c) }) {
		return rand.Text()
	}
	return given
}
