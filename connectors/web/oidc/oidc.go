// Package oidc signs people in to the pages by OpenID Connect: the authorization code flow with PKCE (S256),
// as a confidential client of one provider. What a sign-in under way needs is kept in a sealed cookie of the
// browser, so any process of the program can finish what another has begun.
package oidc

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// The paths of the pages that take part. The provider knows the addresses of CallbackPath, to which it sends
// people back, and of AfterLogoutPath.
const (
	BeginPath       = "/sign-in/oidc"
	CallbackPath    = "/sign-in/oidc/callback"
	AfterLogoutPath = "/sign-in"
)

// FlowFor is how long a sign-in may be under way.
const FlowFor = 10 * time.Minute

// maxTo is the longest path to go to then, in bytes: a cookie has 4,096.
const maxTo = 1000

// Provider is the provider of single sign-on.
type Provider struct {
	config   Config
	address  string // where people reach the pages
	roles    map[string]Role
	now      func() time.Time
	log      *slog.Logger
	client   *http.Client
	seal     seal
	once     singleflight.Group
	retryMin time.Duration // after a first failure

	mu       sync.Mutex
	found    *found   // nil: not discovered yet
	failed   *Failure // of the last discovery; nil: it succeeded
	failedAt time.Time
}

// New returns the provider of valid settings. The pages are reached at address; now is the record's time. It
// asks the provider nothing yet.
func New(c Config, address string, now func() time.Time, log *slog.Logger) (*Provider, error) {
	if err := c.Validate(address); err != nil {
		return nil, err
	}
	byValue, err := c.roles()
	if err != nil {
		return nil, err
	}
	s, err := newSeal(c)
	if err != nil {
		return nil, err
	}
	return &Provider{config: c, address: address, roles: byValue, now: now, log: log, client: newClient(c.Timeout), seal: s,
		retryMin: retryMin}, nil
}

// Name is what people call the provider.
func (p *Provider) Name() string { return p.config.Name }

// Only reports whether the pages take no keys.
func (p *Provider) Only() bool { return p.config.Only }

// Address is where people reach the pages.
func (p *Provider) Address() string { return p.address }

// Down reports whether the provider was not available when it was last asked.
func (p *Provider) Down() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed != nil && p.found == nil
}

// flow is a sign-in under way, as the cookie of the browser keeps it.
type flow struct {
	State    string    `json:"s"`
	Nonce    string    `json:"n"`
	Verifier string    `json:"v"` // of PKCE
	To       string    `json:"t"` // where to go then
	Earlier  string    `json:"e"` // the session that the browser had, which ends then
	Until    time.Time `json:"u"`
}

// Begin returns where the browser goes to sign in, and the cookie that it needs to come back with. It goes to
// the page to then, when its session earlier has ended.
func (p *Provider) Begin(ctx context.Context, to, earlier string) (address, cookie string, err error) {
	f, err := p.find(ctx)
	if err != nil {
		return "", "", err
	}
	if len(to) > maxTo {
		to = "/"
	}
	begun := flow{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), To: to, Earlier: earlier,
		Until: p.now().Add(FlowFor)}
	if cookie, err = p.seal.seal("flow", begun); err != nil {
		return "", "", err
	}
	return f.oauth.AuthCodeURL(begun.State, oidc.Nonce(begun.Nonce), oauth2.S256ChallengeOption(begun.Verifier)), cookie, nil
}

// Arrival is somebody whom the provider has identified.
type Arrival struct {
	Person  mailroom.Identity
	To      string // where to go now
	Earlier string // the session that the browser had, which ends now
	Hint    string // the cookie with which Logout ends the session at the provider
}

// Finish ends a sign-in that Begin began in the same browser, by what the provider sent the browser back
// with. The error is a Failure when nobody is to be signed in.
func (p *Provider) Finish(ctx context.Context, cookie string, sent url.Values) (Arrival, error) {
	var begun flow
	if p.seal.open("flow", cookie, &begun) != nil || !p.now().Before(begun.Until) ||
		subtle.ConstantTimeCompare([]byte(begun.State), []byte(sent.Get("state"))) != 1 {
		return Arrival{}, fail(OtherBrowser, "no sign-in under way in this browser has this state")
	}
	if issuer := sent.Get("iss"); issuer != "" && issuer != p.config.Issuer { // RFC 9207
		return Arrival{}, fail(TokenInvalid, "another issuer has sent the code")
	}
	switch sent.Get("error") {
	case "":
	case "server_error", "temporarily_unavailable":
		return Arrival{}, fail(Unavailable, "it answers %s", sent.Get("error"))
	case "invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope":
		return Arrival{}, fail(ClientFault, "it answers %s", sent.Get("error"))
	default: // access_denied, and what it asks of the person
		return Arrival{}, fail(Denied, "it did not sign the person in")
	}
	f, err := p.find(ctx)
	if err != nil {
		return Arrival{}, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := f.oauth.Exchange(ctx, sent.Get("code"), oauth2.VerifierOption(begun.Verifier))
	if err != nil {
		return Arrival{}, exchangeFailure(err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := p.verify(ctx, f, raw, begun.Nonce)
	if err != nil {
		return Arrival{}, err
	}
	said, err := p.claims(ctx, f, id, token)
	if err != nil {
		return Arrival{}, err
	}
	person, err := p.person(id, said)
	if err != nil {
		return Arrival{}, err
	}
	hint, err := p.seal.seal("hint", raw)
	if err != nil {
		return Arrival{}, err
	}
	return Arrival{Person: person, To: begun.To, Earlier: begun.Earlier, Hint: hint}, nil
}

// verify returns the ID token when the provider signed it, for this program, in answer to this sign-in.
func (p *Provider) verify(ctx context.Context, f *found, raw, nonce string) (*oidc.IDToken, error) {
	if raw == "" {
		return nil, fail(TokenInvalid, "the token endpoint's answer has no ID token")
	}
	id, err := f.verifier.Verify(ctx, raw)
	var expired *oidc.TokenExpiredError
	var broken *url.Error
	switch {
	case errors.As(err, &expired):
		return nil, fail(TokenInvalid, "the ID token has expired; if it is new, the clocks differ")
	case errors.As(err, &broken):
		return nil, fail(Unavailable, "its keys: %s", broken.Err)
	case err != nil:
		return nil, fail(TokenInvalid, "the ID token is not signed by the issuer's keys, or not of the issuer for oidc.client_id")
	}
	var also struct {
		Party string `json:"azp"`
	}
	if err := id.Claims(&also); err != nil {
		return nil, fail(TokenInvalid, "the claims of the ID token cannot be read")
	}
	if also.Party != "" && also.Party != p.config.ClientID || also.Party == "" && len(id.Audience) > 1 {
		return nil, fail(TokenInvalid, "the ID token was issued to another program")
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1 {
		return nil, fail(TokenInvalid, "the ID token answers another sign-in: its nonce differs")
	}
	if id.Subject == "" {
		return nil, fail(TokenInvalid, "the ID token has no sub")
	}
	return id, nil
}

// claims returns what the provider says of the person: the ID token, and where that lacks a claim that is
// needed, the answer of the userinfo endpoint.
func (p *Provider) claims(ctx context.Context, f *found, id *oidc.IDToken, token *oauth2.Token) (claims, error) {
	said := claims{}
	if err := id.Claims(&said); err != nil {
		return nil, fail(TokenInvalid, "the claims of the ID token cannot be read")
	}
	lacks := func(name string) bool { return name != "" && said.get(name) == nil }
	if !lacks(p.config.MemberClaim) && !lacks(p.config.RoleClaim) || f.provider.UserInfoEndpoint() == "" {
		return said, nil
	}
	info, err := f.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	var broken *url.Error
	if errors.As(err, &broken) {
		return nil, fail(Unavailable, "its userinfo endpoint: %s", broken.Err)
	}
	if err != nil {
		return said, nil // without its answer the claim is lacking, which the page says
	}
	more := claims{}
	if info.Subject != id.Subject || info.Claims(&more) != nil {
		return nil, fail(TokenInvalid, "the userinfo endpoint speaks of somebody else than the ID token")
	}
	for name, value := range more {
		if _, has := said[name]; !has {
			said[name] = value
		}
	}
	return said, nil
}

// person returns who signs in, by the role claim and the member claim. Of several roles the first in the
// order of roles counts.
func (p *Provider) person(id *oidc.IDToken, said claims) (mailroom.Identity, error) {
	person := mailroom.Identity{ID: PersonID(p.config.Issuer, id.Subject), Name: p.config.Name, For: p.config.Session}
	role := Member
	if p.config.RoleClaim != "" {
		role = p.role(said.texts(p.config.RoleClaim))
	}
	switch role {
	case Operator, OperatorReadOnly:
		person.ReadOnly = role == OperatorReadOnly
		return person, nil
	case Member:
	default:
		f := fail(NoRole, "no value of oidc.role_claim has a role in oidc.roles")
		f.Person = person.ID
		return person, f
	}
	values := said.texts(p.config.MemberClaim)
	if len(values) == 1 {
		person.Member = domain.MemberID(values[0])
	}
	if len(values) != 1 || person.Member.Validate() != nil {
		f := fail(NoMember, "the value of oidc.member_claim is no member id")
		f.Person = person.ID
		return person, f
	}
	return person, nil
}

// role returns the role of somebody whose role claim has values; empty: none. Where no value makes a member,
// everybody may be one, and only the roles of operators are given by the claim.
func (p *Provider) role(values []string) Role {
	none, has := Member, map[Role]bool{}
	for value, role := range p.roles {
		if role == Member {
			none = ""
		}
		if slices.Contains(values, value) {
			has[role] = true
		}
	}
	for _, role := range roles {
		if has[role] {
			return role
		}
	}
	return none
}

// PersonID returns the id that a person has in the audit: a hash, for a provider may have e-mail addresses as
// subjects (R70).
func PersonID(issuer, subject string) string {
	sum := sha256.Sum256([]byte(issuer + "\n" + subject))
	return mailroom.PersonPrefix + hex.EncodeToString(sum[:8])
}

// Logout returns where the browser goes to end the session at the provider, by the cookie that Finish made;
// empty when the provider has no such page, or is not known now.
func (p *Provider) Logout(ctx context.Context, hint string) string {
	f, err := p.find(ctx)
	if err != nil || f.logout == "" {
		return ""
	}
	u, err := url.Parse(f.logout)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("client_id", p.config.ClientID)
	q.Set("post_logout_redirect_uri", p.address+AfterLogoutPath)
	var raw string
	if p.seal.open("hint", hint, &raw) == nil {
		q.Set("id_token_hint", raw)
	}
	u.RawQuery = q.Encode()
	return u.String()
}
