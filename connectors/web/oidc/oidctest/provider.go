// Package oidctest is a small provider of OpenID Connect for tests: discovery, keys that rotate, the
// authorization code flow with PKCE, userinfo and logout. It refuses whatever a provider must refuse, and
// lies in its tokens when a test asks it to.
package oidctest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The client that every provider knows.
const (
	ClientID     = "inmail-test"
	ClientSecret = "a secret: with %, + and blanks"
)

// Token is an ID token before it is signed.
type Token struct {
	Method jwt.SigningMethod
	Key    any // of Method
	KeyID  string
	Claims jwt.MapClaims
}

// Provider is a provider on loopback. Its fields may be changed between requests by Change.
type Provider struct {
	URL string // the issuer

	mu     sync.Mutex
	state  State
	keys   []signingKey
	codes  map[string]grant
	asked  map[string]int // by path
	faults []string
}

// State is what a test may change.
type State struct {
	Redirect  string         // the one address that codes go to
	Logouts   string         // the one address after a logout
	Person    map[string]any // the claims of whoever signs in, sub among them
	UserInfo  map[string]any // the claims of the userinfo endpoint alone; nil: it has none
	Deny      string         // the error with which it sends people back; empty: it signs them in
	Asks      bool           // it shows a page with a button first, as a person sees it
	Down      bool           // it ends every connection
	Status    int            // it answers all with this; 0: it does not
	InParams  bool           // it takes the secret in the form alone
	NoLogout  bool           // it has no end_session_endpoint
	NoIDToken bool           // its token endpoint answers without one
	Tamper    func(*Token)   // how an ID token is changed before it is signed; nil: it is not
	Sends     url.Values     // what it sends people back with beside code and state
}

type signingKey struct {
	id  string
	key *rsa.PrivateKey
}

// grant is what a code stands for.
type grant struct {
	challenge, redirect, nonce string
	used                       bool
}

// New starts a provider, whose tokens are issued at now. Its host is localhost, another site than 127.0.0.1.
func New(t *testing.T, now func() time.Time) *Provider {
	t.Helper()
	p := &Provider{codes: map[string]grant{}, asked: map[string]int{}}
	p.state.Person = map[string]any{"sub": "reader"}
	p.Rotate(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /keys", p.publicKeys)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /authorize", p.authorize)
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) { p.token(w, r, now()) })
	mux.HandleFunc("GET /userinfo", p.userInfo)
	mux.HandleFunc("GET /logout", p.logout)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := p.State()
		p.mu.Lock()
		p.asked[r.URL.Path]++
		p.mu.Unlock()
		switch {
		case s.Down:
			panic(http.ErrAbortHandler)
		case s.Status != 0:
			http.Error(w, "a foreign text that no log may quote", s.Status)
		default:
			mux.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	p.URL = "http://localhost:" + port
	return p
}

// State returns what holds now.
func (p *Provider) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// Change changes what holds.
func (p *Provider) Change(change func(*State)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.state)
}

// Asked returns how many requests a path has had.
func (p *Provider) Asked(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

// Faults returns what was wrong in requests of the client, in the provider's eyes.
func (p *Provider) Faults() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.faults)
}

// keyPair returns two keys, between which all providers of a test program rotate: to make one takes long.
var keyPair = sync.OnceValues(func() (pair [2]*rsa.PrivateKey, err error) {
	for i := range pair {
		if pair[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return pair, err
		}
	}
	return pair, nil
})

// Rotate signs with a new key from now on, and withdraws the earlier one. It returns the earlier one's id and
// key, with which a test may still sign.
func (p *Provider) Rotate(t *testing.T) (id string, key *rsa.PrivateKey) {
	t.Helper()
	pair, err := keyPair()
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fresh := pair[0]
	if len(p.keys) > 0 {
		id, key = p.keys[0].id, p.keys[0].key
		if key == fresh {
			fresh = pair[1]
		}
	}
	p.keys = []signingKey{{rand.Text(), fresh}}
	return id, key
}

func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	s := p.State()
	d := map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"}, "code_challenge_methods_supported": []string{"S256"},
	}
	if s.InParams {
		d["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"}
	}
	if s.UserInfo != nil {
		d["userinfo_endpoint"] = p.URL + "/userinfo"
	}
	if !s.NoLogout {
		d["end_session_endpoint"] = p.URL + "/logout"
	}
	answer(w, http.StatusOK, d)
}

func (p *Provider) publicKeys(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var keys []map[string]string
	for _, k := range p.keys {
		keys = append(keys, map[string]string{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": k.id,
			"n": base64.RawURLEncoding.EncodeToString(k.key.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.key.E)).Bytes())})
	}
	answer(w, http.StatusOK, map[string]any{"keys": keys})
}

// authorize signs the person in and sends the browser back with a code.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	s, q := p.State(), r.URL.Query()
	challenge, err := base64.RawURLEncoding.DecodeString(q.Get("code_challenge"))
	switch {
	case q.Get("client_id") != ClientID || q.Get("redirect_uri") != s.Redirect:
		p.refuse(w, "invalid_request", "authorize: the client or its address is unknown")
	case q.Get("response_type") != "code" || !slices.Contains(strings.Fields(q.Get("scope")), "openid"):
		p.refuse(w, "invalid_request", "authorize: no code flow of OpenID Connect")
	case q.Get("code_challenge_method") != "S256" || err != nil || len(challenge) != sha256.Size:
		p.refuse(w, "invalid_request", "authorize: no PKCE by S256")
	case len(q.Get("state")) < 20 || len(q.Get("nonce")) < 20 || q.Get("state") == q.Get("nonce"):
		p.refuse(w, "invalid_request", "authorize: state or nonce can be guessed")
	case s.Asks && r.Method == http.MethodGet:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprint(w, `<!doctype html><title>Provider</title><form method="post"><button id="agree">Agree</button></form>`)
	default:
		p.sendBack(w, r, s)
	}
}

func (p *Provider) sendBack(w http.ResponseWriter, r *http.Request, s State) {
	q, back := r.URL.Query(), url.Values{}
	maps.Copy(back, s.Sends)
	back.Set("state", q.Get("state"))
	if s.Deny != "" {
		back.Set("error", s.Deny)
		back.Set("error_description", "a foreign text that no page may quote")
	} else {
		code := rand.Text()
		p.mu.Lock()
		p.codes[code] = grant{challenge: q.Get("code_challenge"), redirect: q.Get("redirect_uri"), nonce: q.Get("nonce")}
		p.mu.Unlock()
		back.Set("code", code)
	}
	http.Redirect(w, r, s.Redirect+"?"+back.Encode(), http.StatusSeeOther)
}

// token gives the ID token for a code, once, to the client that can prove to have begun.
func (p *Provider) token(w http.ResponseWriter, r *http.Request, now time.Time) {
	s := p.State()
	id, secret, basic := r.BasicAuth()
	if basic { // RFC 6749, 2.3.1: both are encoded as in a form
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	if basic == s.InParams || id != ClientID || subtle.ConstantTimeCompare([]byte(secret), []byte(ClientSecret)) != 1 {
		answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	p.mu.Lock()
	g, known := p.codes[r.PostFormValue("code")]
	used := g.used
	g.used = true
	if known {
		p.codes[r.PostFormValue("code")] = g
	}
	signer := p.keys[0]
	p.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	switch {
	case r.PostFormValue("grant_type") != "authorization_code" || !known || used:
		p.refuse(w, "invalid_grant", "token: the code is unknown or used")
		return
	case r.PostFormValue("redirect_uri") != g.redirect:
		p.refuse(w, "invalid_grant", "token: another address than that of the code")
		return
	case base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge:
		p.refuse(w, "invalid_grant", "token: the verifier is not that of the challenge")
		return
	}
	t := Token{Method: jwt.SigningMethodRS256, Key: signer.key, KeyID: signer.id, Claims: jwt.MapClaims{"iss": p.URL, "aud": ClientID,
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "nonce": g.nonce}}
	maps.Copy(t.Claims, s.Person)
	if s.Tamper != nil {
		s.Tamper(&t)
	}
	made := jwt.NewWithClaims(t.Method, t.Claims)
	made.Header["kid"] = t.KeyID
	raw, err := made.SignedString(t.Key)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	out := map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 300}
	if !s.NoIDToken {
		out["id_token"] = raw
	}
	answer(w, http.StatusOK, out)
}

func (p *Provider) userInfo(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	answer(w, http.StatusOK, p.State().UserInfo)
}

// logout ends the session and sends the browser back, where the address is known and the hint is a token of
// this provider.
func (p *Provider) logout(w http.ResponseWriter, r *http.Request) {
	s, q := p.State(), r.URL.Query()
	_, err := jwt.Parse(q.Get("id_token_hint"), func(*jwt.Token) (any, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return &p.keys[0].key.PublicKey, nil
	}, jwt.WithoutClaimsValidation())
	if err != nil || q.Get("client_id") != ClientID || q.Get("post_logout_redirect_uri") != s.Logouts {
		p.refuse(w, "invalid_request", "logout: no hint, or an address that is unknown")
		return
	}
	http.Redirect(w, r, s.Logouts, http.StatusSeeOther)
}

func (p *Provider) refuse(w http.ResponseWriter, code, why string) {
	p.mu.Lock()
	p.faults = append(p.faults, why)
	p.mu.Unlock()
	answer(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": why})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
