package oidc

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"inmail/connectors/trace"
)

// The waits of discovery: how long what was found is used before it is asked for anew, and after a failure
// the first and the longest wait for the next try.
const (
	foundFor  = time.Hour
	retryMin  = 5 * time.Second
	retryMax  = 5 * time.Minute
	askAnew   = 2 * time.Second // a failure is the answer to whoever signs in so soon after it
	maxAnswer = 1 << 20         // bytes of one answer of the provider
)

// found is what discovery has found: the endpoints and the keys of the provider. A key that the provider has
// taken back is known no longer than foundFor.
type found struct {
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier
	oauth    oauth2.Config
	logout   string // end_session_endpoint; empty: it has none
	at       time.Time
}

// metadata is what is read of the discovery document beside that which the library reads.
type metadata struct {
	Logout  string   `json:"end_session_endpoint"`
	Auth    string   `json:"authorization_endpoint"`
	Token   string   `json:"token_endpoint"`
	Keys    string   `json:"jwks_uri"`
	User    string   `json:"userinfo_endpoint"`
	Methods []string `json:"token_endpoint_auth_methods_supported"`
}

// find returns what discovery has found, and discovers when nothing is, or nothing recent. Several who ask at
// once ask the provider once. Where a later discovery fails, what was found before goes on.
func (p *Provider) find(ctx context.Context) (*found, error) {
	now := p.now()
	p.mu.Lock()
	f, failed, failedAt := p.found, p.failed, p.failedAt
	p.mu.Unlock()
	if f != nil && now.Sub(f.at) < foundFor {
		return f, nil
	}
	if failed != nil && now.Sub(failedAt) < askAnew {
		if f != nil {
			return f, nil
		}
		return nil, failed
	}
	answer := p.once.DoChan("", func() (any, error) { return p.discover(context.WithoutCancel(ctx)) })
	select {
	case a := <-answer:
		if a.Err == nil {
			return a.Val.(*found), nil
		}
		if f != nil {
			return f, nil
		}
		return nil, a.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// discover asks the provider for its endpoints, within the time-out, and says in the log when it is away and
// when it is there again.
func (p *Provider) discover(ctx context.Context) (*found, error) {
	f, failure := p.read(ctx)
	p.mu.Lock()
	before := p.failed
	p.failed, p.failedAt = failure, p.now()
	if failure == nil {
		p.found = f
	}
	p.mu.Unlock()
	if failure != nil {
		if before == nil || before.Detail != failure.Detail {
			p.log.WarnContext(ctx, "single sign-on does not work: the provider is not available; it is asked again",
				"issuer", p.config.Issuer, "error", failure.Detail)
		}
		return nil, failure
	}
	if before != nil {
		p.log.InfoContext(ctx, "single sign-on works", "issuer", p.config.Issuer)
	}
	return f, nil
}

// read reads the discovery document.
func (p *Provider) read(ctx context.Context) (*found, *Failure) {
	strict := *p.client
	strict.Transport = only200{p.client.Transport}
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, &strict), p.config.Issuer)
	if err != nil {
		return nil, discoveryFailure(err)
	}
	var m metadata
	if err := provider.Claims(&m); err != nil {
		return nil, discoveryFailure(err)
	}
	if failure := m.check(p.config.Issuer); failure != nil {
		return nil, failure
	}
	f := &found{provider: provider, logout: m.Logout, at: p.now()}
	f.verifier = provider.VerifierContext(oidc.ClientContext(context.Background(), p.client),
		&oidc.Config{ClientID: p.config.ClientID, Now: p.now})
	f.oauth = oauth2.Config{ClientID: p.config.ClientID, ClientSecret: p.config.ClientSecret, Endpoint: provider.Endpoint(),
		RedirectURL: p.address + CallbackPath, Scopes: p.config.Scopes}
	f.oauth.Endpoint.AuthStyle = m.style()
	return f, nil
}

// check refuses a document without the endpoints that are needed, or with one over plain http where the
// issuer has https.
func (m metadata) check(issuer string) *Failure {
	for name, address := range map[string]string{"authorization_endpoint": m.Auth, "token_endpoint": m.Token, "jwks_uri": m.Keys,
		"userinfo_endpoint": m.User, "end_session_endpoint": m.Logout} {
		needed := name != "userinfo_endpoint" && name != "end_session_endpoint"
		if address == "" && !needed {
			continue
		}
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || strings.HasPrefix(issuer, "https:")) {
			return fail(Unavailable, "its discovery document has no %s over https", name)
		}
	}
	return nil
}

// style is how the provider wants the secret. It is read, not tried, as a try may use up the code.
func (m metadata) style() oauth2.AuthStyle {
	basic, post := len(m.Methods) == 0, false
	for _, method := range m.Methods {
		basic = basic || method == "client_secret_basic"
		post = post || method == "client_secret_post"
	}
	if post && !basic {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

// Watch discovers the provider, again and again while it fails, until ctx ends: so the log says at the start
// when single sign-on does not work, and the start does not wait for it.
func (p *Provider) Watch(ctx context.Context) {
	wait := p.retryMin
	for ctx.Err() == nil {
		next := foundFor
		if _, err := p.discover(ctx); err != nil {
			next, wait = wait, min(2*wait, retryMax)
		} else {
			wait = p.retryMin
		}
		timer := time.NewTimer(next)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// newClient returns the client of all requests to the provider. Each has a time-out, its answer a limit, and
// it follows no redirect, so that a code and the secret go to no other host.
func newClient(timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: limited{trace.Transport("oidc", &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: timeout}).DialContext,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: timeout,
			IdleConnTimeout:     90 * time.Second,
			MaxIdleConnsPerHost: 2,
			ForceAttemptHTTP2:   true,
		})},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// limited ends answers that are too long.
type limited struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	}
	return resp, err
}

// only200 makes an error of every other answer, whose text would otherwise be part of the error.
type only200 struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (o only200) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := o.next.RoundTrip(r)
	if err != nil || resp.StatusCode == http.StatusOK {
		return resp, err
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 4096)
	return nil, errors.Join(statusError(resp.StatusCode), resp.Body.Close())
}
