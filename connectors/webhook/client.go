package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// Config has the settings of webhooks.
type Config struct {
	AllowPrivate bool          `koanf:"webhook_allow_private"` // http, and addresses that are not public
	Timeout      time.Duration `koanf:"webhook_timeout"`       // of one try; 100ms..mailroom.WebhookTry
}

// Default returns the settings that apply where nothing is set.
func Default() Config { return Config{Timeout: 10 * time.Second} }

// Validate reports all invalid settings.
func (c Config) Validate() error {
	if c.Timeout < 100*time.Millisecond || c.Timeout > mailroom.WebhookTry {
		return fmt.Errorf("webhook_timeout: %s is outside 100ms..%s", c.Timeout, mailroom.WebhookTry)
	}
	return nil
}

// maxAnswer is how much of an answer is read, in bytes, so that its connection can be used again.
const maxAnswer = 64 << 10

// Client sends webhooks. Make it with New.
type Client struct {
	cfg  Config
	http *http.Client
}

var _ mailroom.WebhookSender = (*Client)(nil)

// New makes a client. It uses no proxy, as that would choose the address in its place. The connections to a
// host are not limited, because many end points may have the same one, and the worker of each limits its own.
func New(cfg Config) *Client {
	dialer := &net.Dialer{Timeout: cfg.Timeout}
	if !cfg.AllowPrivate {
		dialer.Control = func(_, address string, _ syscall.RawConn) error { return checkAddress(address) }
	}
	return &Client{cfg: cfg, http: &http.Client{
		Timeout:       cfg.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: cfg.Timeout,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, MaxResponseHeaderBytes: maxAnswer,
			MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second,
		},
	}}
}

// errPrivate is the error of a connection to an address that is not public.
var errPrivate = errors.New("the address is not public")

// checkAddress refuses a connection to an address that is not public. It is asked for the address that the
// name was found to have, so a name that resolves to another one later changes nothing.
func checkAddress(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !public(at.Addr()) {
		return errPrivate
	}
	return nil
}

// reserved are networks that no public server is in, beside those that netip knows: this network, shared
// address space, protocol assignments, documentation, benchmarks, reserved, and IPv6 forms that carry an IPv4
// address or are not routed.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("3fff::/20"), netip.MustParsePrefix("fec0::/10"),
}

// public reports whether an address is one of the public internet.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// Judge refuses a URL that Send would never reach: another scheme than https, or an address that is not
// public.
func (c *Client) Judge(u *url.URL) error {
	if u.Scheme != "https" && (u.Scheme != "http" || !c.cfg.AllowPrivate) {
		return domain.Refuse(domain.BadRequest, "url: it must begin with https://")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && !c.cfg.AllowPrivate && !public(a) {
		return domain.Refuse(domain.BadRequest,
			"url: %s is no public address; INMAIL_WEBHOOK_ALLOW_PRIVATE=1 allows it", u.Hostname())
	}
	return nil
}

// Send tries once to deliver a message. Any 2xx is success; a redirect is not followed.
func (c *Client) Send(ctx context.Context, m mailroom.WebhookMessage) mailroom.WebhookAnswer {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, bytes.NewReader(m.Body))
	if err != nil || c.Judge(req.URL) != nil {
		return mailroom.WebhookAnswer{Reason: "private_address"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "InMail-Webhook/1")
	Sign(req.Header, m.Secrets, m.ID, time.Now(), m.Body)
	resp, err := c.http.Do(req)
	if err != nil {
		return mailroom.WebhookAnswer{Reason: reasonOf(err)}
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	answer := mailroom.WebhookAnswer{Status: resp.StatusCode}
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		answer.Reason = "redirect"
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		answer.Reason = "status"
	}
	return answer
}

// reasonOf says in one of our words why there was no answer.
func reasonOf(err error) string {
	var late net.Error
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var host x509.HostnameError
	switch {
	case errors.Is(err, errPrivate):
		return "private_address"
	case errors.As(err, &certificate), errors.As(err, &record), errors.As(err, &alert), errors.As(err, &host):
		return "tls"
	case errors.As(err, &late) && late.Timeout():
		return "time_out"
	case errors.As(err, &name):
		return "unknown_host"
	}
	return "unreachable"
}
