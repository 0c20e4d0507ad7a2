package web_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"inmail/connectors/web"
	"inmail/connectors/web/oidc"
	"inmail/connectors/web/oidc/oidctest"
	"inmail/domain/mailroom"
)

// ssoWorld is the world with pages at a real address and a provider beside them.
type ssoWorld struct {
	*world
	provider *oidctest.Provider
	config   oidc.Config
	address  string // of the pages
	log      *lines
	site     http.Handler // which answers at address
}

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newSSO(t *testing.T, change func(*oidc.Config)) *ssoWorld {
	t.Helper()
	w := &ssoWorld{world: newWorld(t), log: &lines{}}
	w.provider = oidctest.New(t, w.clock.Now)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.site.ServeHTTP(rw, r) }))
	t.Cleanup(server.Close)
	w.address = server.URL
	w.provider.Change(func(s *oidctest.State) {
		s.Redirect, s.Logouts = w.address+oidc.CallbackPath, w.address+oidc.AfterLogoutPath
	})
	w.config = oidc.Default()
	w.config.Issuer, w.config.ClientID, w.config.ClientSecret = w.provider.URL, oidctest.ClientID, oidctest.ClientSecret
	w.config.Name, w.config.Timeout = "Nordlicht", 20*time.Second
	if change != nil {
		change(&w.config)
	}
	w.site = w.process()
	return w
}

// withRoles makes groups the role claim.
func withRoles(c *oidc.Config) {
	c.RoleClaim, c.Roles = "groups", []string{"admins=operator", "cn=auditors,ou=it=operator_read_only", "sales=member"}
}

// process returns the pages of one more process over the same record.
func (w *ssoWorld) process() *web.Site {
	w.t.Helper()
	log := slog.New(slog.NewTextHandler(w.log, nil))
	sso, err := oidc.New(w.config, w.address, w.clock.Now, log)
	if err != nil {
		w.t.Fatal(err)
	}
	site, err := web.New(web.Parts{Service: w.svc, Sender: one{w.svc}, Queue: &w.jobs, Log: log, SSO: sso})
	if err != nil {
		w.t.Fatal(err)
	}
	return site
}

// person makes somebody the one whom the provider signs in.
func (w *ssoWorld) person(claims map[string]any) {
	w.provider.Change(func(s *oidctest.State) { s.Person = claims })
}

// surfer is a browser with a jar of cookies that follows nothing by itself.
type surfer struct {
	w      *ssoWorld
	client http.Client
}

func (w *ssoWorld) surfer() *surfer {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &surfer{w, http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// visited is an answer with its cookies.
type visited struct {
	answer
	cookies []*http.Cookie
}

func (s *surfer) get(address string) visited {
	s.w.t.Helper()
	return s.do(http.MethodGet, address, nil)
}

func (s *surfer) do(method, address string, form url.Values) visited {
	s.w.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = s.w.address + address
	}
	r, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	if err != nil {
		s.w.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	resp, err := s.client.Do(r)
	if err != nil {
		s.w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.w.t.Fatal(err)
	}
	a := visited{answer{resp.StatusCode, resp.Header, string(body)}, resp.Cookies()}
	if strings.HasPrefix(address, s.w.address) {
		sound(s.w.t, a.answer)
	}
	return a
}

// begin goes to the provider and returns the address with which it sends people back.
func (s *surfer) begin(to string) string {
	s.w.t.Helper()
	a := s.get(oidc.BeginPath + "?to=" + url.QueryEscape(to))
	if a.status != http.StatusSeeOther || !strings.HasPrefix(a.to(), s.w.provider.URL) {
		s.w.t.Fatalf("it leads to %q (%d): %s", a.to(), a.status, text(a.body))
	}
	back := s.get(a.to())
	if back.status != http.StatusSeeOther || !strings.HasPrefix(back.to(), s.w.address+oidc.CallbackPath) {
		s.w.t.Fatalf("the provider answers %d: %s", back.status, back.body)
	}
	return back.to()
}

// signIn signs in by the provider and returns the last answer.
func (s *surfer) signIn(to string) visited {
	s.w.t.Helper()
	return s.get(s.begin(to))
}

// led is where an answer leads by itself.
func (v visited) led() string { return strings.TrimPrefix(v.header.Get("Refresh"), "0;url=") }

// session returns the session's cookie of an answer; nil: it has none.
func (v visited) session() *http.Cookie {
	for _, c := range v.cookies {
		if strings.HasSuffix(c.Name, "inmail") && c.MaxAge > 0 {
			return c
		}
	}
	return nil
}

// refused checks that nobody was signed in, for a reason.
func (s *surfer) refused(v visited, status int, reason oidc.Reason) {
	s.w.t.Helper()
	if v.status != status || !strings.Contains(v.body, `title="`+string(reason)+`"`) {
		s.w.t.Errorf("%d, want %d %s: %s", v.status, status, reason, text(v.body))
	}
	if v.session() != nil {
		s.w.t.Error("somebody was signed in")
	}
	if a := s.get("/inbox"); a.status != http.StatusSeeOther {
		s.w.t.Errorf("afterwards the inbox answers %d", a.status)
	}
}

func TestSingleSignOn(t *testing.T) {
	t.Run("a member signs in", func(t *testing.T) {
		w := newSSO(t, nil)
		s := w.surfer()
		page := s.get("/sign-in?to=/me")
		if got := text(page.body); !strings.Contains(got, "Sign in with Nordlicht") || !strings.Contains(got, "Your key") {
			t.Errorf("the sign-in page: %s", got)
		}
		if !strings.Contains(page.body, `href="/sign-in/oidc?to=%2Fme"`) {
			t.Errorf("no link in %s", page.body)
		}
		a := s.signIn("/me")
		if a.status != http.StatusOK || a.led() != "/me" {
			t.Fatalf("%d to %q: %s", a.status, a.led(), text(a.body))
		}
		if c := a.session(); c == nil || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.MaxAge != 12*3600 || c.Path != "/" {
			t.Errorf("session cookie %+v", c)
		}
		if me := s.get("/me"); me.status != http.StatusOK || !strings.Contains(text(me.body), "Petra Park") {
			t.Errorf("/me: %d %s", me.status, text(me.body))
		}
		if a := s.get("/works"); a.status != http.StatusForbidden {
			t.Errorf("the operator's page: %d", a.status)
		}
		if faults := w.provider.Faults(); len(faults) > 0 {
			t.Errorf("the provider found %v", faults)
		}
	})
	t.Run("cookie flags under TLS", func(t *testing.T) {
		w := newSSO(t, nil)
		b := &browser{w: w.world, head: http.Header{"X-Forwarded-Proto": {"https"}}}
		w.world.site = w.process()
		b.get(oidc.BeginPath)
		if c := b.cookie; c == nil || c.Name != "__Host-inmail-oidc" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" ||
			c.SameSite != http.SameSiteLaxMode || c.MaxAge != 600 {
			t.Errorf("flow cookie %+v", c)
		}
	})
	t.Run("roles by claim", func(t *testing.T) {
		w := newSSO(t, withRoles)
		for name, row := range map[string]struct {
			groups any
			path   string // where / leads; empty: nobody is signed in
		}{
			"operator":            {[]any{"staff", "admins"}, "/works"},
			"the highest counts":  {[]any{"sales", "admins", "cn=auditors,ou=it"}, "/works"},
			"as one text":         {"admins", "/works"},
			"only reads":          {[]any{"cn=auditors,ou=it"}, "/works"},
			"member":              {[]any{"sales"}, "/inbox"},
			"none":                {[]any{"staff"}, ""},
			"no claim":            {nil, ""},
			"a part of the value": {[]any{"admin", "adminss"}, ""},
			"another type":        {map[string]any{"admins": true}, ""},
			"a list in a list":    {[]any{[]any{"admins"}}, ""},
		} {
			t.Run(name, func(t *testing.T) {
				w.t = t
				claims := map[string]any{"sub": "reader"}
				if row.groups != nil {
					claims["groups"] = row.groups
				}
				w.person(claims)
				s := w.surfer()
				a := s.signIn("/")
				if row.path == "" {
					s.refused(a, http.StatusForbidden, oidc.NoRole)
					if got := text(a.body); !strings.Contains(got, "Ask the administrator") || !strings.Contains(got, oidc.PersonID(w.provider.URL, "reader")) {
						t.Errorf("the page says: %s", got)
					}
					return
				}
				if root := s.get("/"); root.to() != row.path {
					t.Errorf("it leads to %q, want %q", root.to(), row.path)
				}
			})
		}
	})
	t.Run("roles of operators alone leave members as they are", func(t *testing.T) {
		w := newSSO(t, func(c *oidc.Config) { c.RoleClaim, c.Roles = "realm_access.roles", []string{"admins=operator"} })
		w.person(map[string]any{"sub": "reader", "realm_access": map[string]any{"roles": []any{"x"}}})
		s := w.surfer()
		s.signIn("/")
		if a := s.get("/"); a.to() != "/inbox" {
			t.Errorf("a member is led to %q", a.to())
		}
		w.person(map[string]any{"sub": "reader", "realm_access": map[string]any{"roles": []any{"admins"}}})
		s = w.surfer()
		s.signIn("/")
		if a := s.get("/"); a.to() != "/works" {
			t.Errorf("an operator is led to %q", a.to())
		}
	})
	t.Run("who only reads changes nothing", func(t *testing.T) {
		w := newSSO(t, withRoles)
		w.person(map[string]any{"sub": "an.auditor", "groups": []any{"cn=auditors,ou=it"}})
		s := w.surfer()
		s.signIn("/works")
		if a := s.get("/works/keys"); a.status != http.StatusOK {
			t.Errorf("reading: %d", a.status)
		}
		if a := s.do(http.MethodPost, "/works/keys", url.Values{"role": {"operator"}}); a.status != http.StatusForbidden {
			t.Errorf("making a key: %d", a.status)
		}
	})
	t.Run("a person who is no member here is refused", func(t *testing.T) {
		w := newSSO(t, func(c *oidc.Config) { c.MemberClaim = "inmail_id" })
		for name, claims := range map[string]map[string]any{
			"unknown":        {"sub": "s1", "inmail_id": "nobody.here"},
			"missing claim":  {"sub": "s1"},
			"no member id":   {"sub": "s1", "inmail_id": "lena@example.org"},
			"not a text":     {"sub": "s1", "inmail_id": 7},
			"two of them":    {"sub": "s1", "inmail_id": []any{"reader", "seller"}},
			"kept for erase": {"sub": "s1", "inmail_id": "erased"},
		} {
			t.Run(name, func(t *testing.T) {
				w.t = t
				w.person(claims)
				s := w.surfer()
				a := s.signIn("/")
				s.refused(a, http.StatusForbidden, oidc.NoMember)
				if !strings.Contains(text(a.body), "Ask an operator of InMail to add you as a member") || strings.Contains(a.body, "@example.org") {
					t.Errorf("the page says: %s", text(a.body))
				}
			})
		}
	})
	t.Run("claims of the userinfo endpoint", func(t *testing.T) {
		w := newSSO(t, withRoles)
		w.provider.Change(func(s *oidctest.State) {
			s.UserInfo = map[string]any{"sub": "reader", "groups": []any{"admins"}}
		})
		s := w.surfer()
		s.signIn("/")
		if a := s.get("/"); a.to() != "/works" {
			t.Errorf("it leads to %q", a.to())
		}
		w.provider.Change(func(s *oidctest.State) { s.UserInfo["sub"] = "somebody.else" })
		other := w.surfer()
		other.refused(other.signIn("/"), http.StatusBadRequest, oidc.TokenInvalid)
	})
	t.Run("the session ends with its member", func(t *testing.T) {
		w := newSSO(t, nil)
		s := w.surfer()
		s.signIn("/inbox")
		if a := s.get("/inbox"); a.status != http.StatusOK {
			t.Fatalf("before: %d", a.status)
		}
		if err := w.svc.Erase(t.Context(), mailroom.Viewer{Operator: true}, "reader"); err != nil {
			t.Fatal(err)
		}
		if a := s.get("/inbox"); a.status != http.StatusSeeOther {
			t.Errorf("after the erasure: %d", a.status)
		}
		again := w.surfer()
		again.refused(again.signIn("/"), http.StatusForbidden, oidc.NoMember)
	})
	t.Run("the session ends at its limit", func(t *testing.T) {
		w := newSSO(t, func(c *oidc.Config) { c.Session = time.Hour })
		s := w.surfer()
		if a := s.signIn("/inbox"); a.session().MaxAge != 3600 {
			t.Errorf("cookie %+v", a.session())
		}
		w.clock.advance(time.Hour - time.Millisecond)
		if a := s.get("/inbox"); a.status != http.StatusOK {
			t.Errorf("1 ms before: %d", a.status)
		}
		w.clock.advance(time.Millisecond)
		if a := s.get("/inbox"); a.status != http.StatusSeeOther {
			t.Errorf("after an hour: %d", a.status)
		}
	})
	t.Run("another process finishes what one has begun", func(t *testing.T) {
		w := newSSO(t, nil)
		s := w.surfer()
		back := s.begin("/me")
		w.site = w.process()
		if a := s.get(back); a.status != http.StatusOK || a.led() != "/me" {
			t.Errorf("%d: %s", a.status, text(a.body))
		}
	})
	t.Run("a provider that wants the secret in the form", func(t *testing.T) {
		w := newSSO(t, nil)
		w.provider.Change(func(s *oidctest.State) { s.InParams = true })
		if a := w.surfer().signIn("/"); a.session() == nil {
			t.Errorf("%d: %s", a.status, text(a.body))
		}
	})
	t.Run("where keys sign nobody in", func(t *testing.T) {
		w := newSSO(t, func(c *oidc.Config) { c.Only = true })
		s := w.surfer()
		if a := s.get("/sign-in"); strings.Contains(a.body, `name="key"`) || !strings.Contains(text(a.body), "Sign in with Nordlicht") {
			t.Errorf("the sign-in page: %s", text(a.body))
		}
		if a := s.do(http.MethodPost, "/sign-in", url.Values{"key": {w.keys["seller"]}}); a.status != http.StatusForbidden || a.session() != nil {
			t.Errorf("a key: %d", a.status)
		}
		if a := s.signIn("/"); a.session() == nil {
			t.Errorf("single sign-on: %d", a.status)
		}
	})
	t.Run("without it both addresses lead to the sign-in", func(t *testing.T) {
		w := newWorld(t)
		for _, path := range []string{oidc.BeginPath, oidc.CallbackPath + "?code=x&state=y"} {
			if a := (&browser{w: w}).get(path); a.to() != "/sign-in" {
				t.Errorf("%s leads to %q", path, a.to())
			}
		}
	})
	t.Run("signing out", func(t *testing.T) {
		w := newSSO(t, nil)
		s := w.surfer()
		kept := s.signIn("/").session()
		a := s.do(http.MethodPost, "/sign-out", url.Values{})
		if a.status != http.StatusOK || !strings.HasPrefix(a.led(), w.provider.URL+"/logout?") {
			t.Fatalf("%d leads to %q", a.status, a.led())
		}
		if back := s.get(a.led()); back.to() != w.address+"/sign-in" {
			t.Errorf("the provider answers %d %s", back.status, back.body)
		}
		as := &browser{w: w.world, cookie: kept}
		if a := as.get("/inbox"); a.status != http.StatusSeeOther {
			t.Errorf("the session afterwards: %d", a.status)
		}
	})
	t.Run("signing out where the provider has no page for it", func(t *testing.T) {
		w := newSSO(t, nil)
		w.provider.Change(func(s *oidctest.State) { s.NoLogout = true })
		s := w.surfer()
		s.signIn("/")
		if a := s.do(http.MethodPost, "/sign-out", url.Values{}); a.to() != "/sign-in?done=signed-out" {
			t.Errorf("it leads to %q", a.to())
		}
	})
	t.Run("signing out of a session by a key stays here", func(t *testing.T) {
		w := newSSO(t, nil)
		s := w.surfer()
		s.do(http.MethodPost, "/sign-in", url.Values{"key": {w.keys["seller"]}})
		if a := s.do(http.MethodPost, "/sign-out", url.Values{}); a.to() != "/sign-in?done=signed-out" {
			t.Errorf("it leads to %q", a.to())
		}
	})
}

// TestSingleSignOnAttacks changes what comes back from the provider, and what the browser brings back.
func TestSingleSignOnAttacks(t *testing.T) {
	rows := map[string]struct {
		tamper func(*oidctest.Token)
		says   string // in the log
	}{
		"other nonce":    {func(k *oidctest.Token) { k.Claims["nonce"] = "another" }, "its nonce differs"},
		"no nonce":       {func(k *oidctest.Token) { delete(k.Claims, "nonce") }, "its nonce differs"},
		"other audience": {func(k *oidctest.Token) { k.Claims["aud"] = "another" }, "not signed by the issuer"},
		"no audience":    {func(k *oidctest.Token) { delete(k.Claims, "aud") }, "not signed by the issuer"},
		"two audiences":  {func(k *oidctest.Token) { k.Claims["aud"] = []string{oidctest.ClientID, "x"} }, "issued to another program"},
		"issued to another": {func(k *oidctest.Token) {
			k.Claims["aud"], k.Claims["azp"] = []string{oidctest.ClientID, "x"}, "x"
		}, "issued to another program"},
		"other issuer":        {func(k *oidctest.Token) { k.Claims["iss"] = "https://evil.example" }, "not signed by the issuer"},
		"issuer with a slash": {func(k *oidctest.Token) { k.Claims["iss"] = k.Claims["iss"].(string) + "/" }, "not signed by the issuer"},
		"alg none": {func(k *oidctest.Token) {
			k.Method, k.Key = jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType
		}, "not signed by the issuer"},
		"HS256 with the client id":     {func(k *oidctest.Token) { k.Method, k.Key = jwt.SigningMethodHS256, []byte(oidctest.ClientID) }, "not signed by the issuer"},
		"HS256 with the client secret": {func(k *oidctest.Token) { k.Method, k.Key = jwt.SigningMethodHS256, []byte(oidctest.ClientSecret) }, "not signed by the issuer"},
		"expired":                      {func(k *oidctest.Token) { k.Claims["exp"] = t0.Add(-time.Second).Unix() }, "has expired"},
		"no expiry":                    {func(k *oidctest.Token) { delete(k.Claims, "exp") }, "has expired"},
		"not yet":                      {func(k *oidctest.Token) { k.Claims["nbf"] = t0.Add(time.Hour).Unix() }, "not signed by the issuer"},
		"no sub":                       {func(k *oidctest.Token) { delete(k.Claims, "sub") }, "no sub"},
		"key of nobody":                {func(k *oidctest.Token) { k.KeyID = "unknown" }, "not signed by the issuer"},
	}
	w := newSSO(t, nil)
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			w.provider.Change(func(s *oidctest.State) { s.Tamper = row.tamper })
			s := w.surfer()
			w.t = t
			before := len(w.log.String())
			s.refused(s.signIn("/inbox"), http.StatusBadRequest, oidc.TokenInvalid)
			if said := w.log.String()[before:]; !strings.Contains(said, row.says) {
				t.Errorf("the log says %s, want %q", said, row.says)
			}
		})
	}
	w.t = t
	w.provider.Change(func(s *oidctest.State) { s.Tamper = nil })
	if a := w.surfer().signIn("/inbox"); a.session() == nil {
		t.Fatalf("untampered: %d %s", a.status, text(a.body))
	}

	t.Run("signed by a key that was withdrawn", func(t *testing.T) {
		w := newSSO(t, nil)
		w.surfer().signIn("/") // the first key is known now
		id, key := w.provider.Rotate(t)
		if a := w.surfer().signIn("/"); a.session() == nil {
			t.Errorf("a new key: %d %s", a.status, text(a.body))
		}
		w.provider.Change(func(s *oidctest.State) {
			s.Tamper = func(k *oidctest.Token) { k.Key, k.KeyID = key, id }
		})
		s := w.surfer()
		s.refused(s.signIn("/"), http.StatusBadRequest, oidc.TokenInvalid)
	})
	t.Run("withdrawn without another in use", func(t *testing.T) {
		w := newSSO(t, nil)
		w.surfer().signIn("/")
		id, key := w.provider.Rotate(t)
		w.provider.Change(func(s *oidctest.State) {
			s.Tamper = func(k *oidctest.Token) { k.Key, k.KeyID = key, id }
		})
		w.clock.advance(time.Hour) // the keys are read anew
		s := w.surfer()
		s.refused(s.signIn("/"), http.StatusBadRequest, oidc.TokenInvalid)
	})
	t.Run("no ID token", func(t *testing.T) {
		w := newSSO(t, nil)
		w.provider.Change(func(s *oidctest.State) { s.NoIDToken = true })
		s := w.surfer()
		s.refused(s.signIn("/"), http.StatusBadRequest, oidc.TokenInvalid)
	})

	change := func(address, name, value string) string {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if q.Set(name, value); value == "" {
			q.Del(name)
		}
		u.RawQuery = q.Encode()
		return u.String()
	}
	for name, row := range map[string]struct {
		param, value string
		status       int
		reason       oidc.Reason
	}{
		"wrong state":                  {"state", "AAAAAAAAAAAAAAAAAAAAAAAAAA", 400, oidc.OtherBrowser},
		"no state":                     {"state", "", 400, oidc.OtherBrowser},
		"wrong code":                   {"code", "AAAAAAAAAAAAAAAAAAAAAAAAAA", 400, oidc.CodeRefused},
		"no code":                      {"code", "", 400, oidc.CodeRefused},
		"sent by another issuer":       {"iss", "https://evil.example", 400, oidc.TokenInvalid},
		"denied":                       {"error", "access_denied", 403, oidc.Denied},
		"denied in words of an attack": {"error", `"><script>alert(1)</script>`, 403, oidc.Denied},
		"busy":                         {"error", "temporarily_unavailable", 503, oidc.Unavailable},
		"unknown client":               {"error", "unauthorized_client", 503, oidc.ClientFault},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			s := w.surfer()
			a := s.get(change(s.begin("/inbox"), row.param, row.value))
			s.refused(a, row.status, row.reason)
			if strings.Contains(a.body, "alert(1)") {
				t.Error("the page repeats what it was sent")
			}
		})
	}
	w.t = t
	t.Run("an error without a sign-in under way", func(t *testing.T) {
		s := w.surfer()
		s.refused(s.get(oidc.CallbackPath+"?error=access_denied&state=x"), http.StatusBadRequest, oidc.OtherBrowser)
	})
	t.Run("the code of another browser", func(t *testing.T) {
		attacker, victim := w.surfer(), w.surfer()
		back := attacker.begin("/inbox")
		victim.refused(victim.get(back), http.StatusBadRequest, oidc.OtherBrowser) // without any
		victim.begin("/inbox")
		victim.refused(victim.get(back), http.StatusBadRequest, oidc.OtherBrowser) // in one of its own
	})
	t.Run("a code is used once", func(t *testing.T) {
		s := w.surfer()
		back := s.begin("/inbox")
		address, err := url.Parse(w.address)
		if err != nil {
			t.Fatal(err)
		}
		kept := s.client.Jar.Cookies(address)
		if a := s.get(back); a.session() == nil {
			t.Fatalf("at first: %d", a.status)
		}
		if left := s.client.Jar.Cookies(address); slices.ContainsFunc(left, func(c *http.Cookie) bool { return c.Name == "inmail-oidc" }) {
			t.Errorf("the cookie of the sign-in is still there: %v", left)
		}
		again := w.surfer() // with the cookie, as somebody who has copied it
		again.client.Jar.SetCookies(address, kept)
		again.refused(again.get(back), http.StatusBadRequest, oidc.CodeRefused)
	})
	t.Run("a code is used within ten minutes", func(t *testing.T) {
		w := newSSO(t, nil)
		s := w.surfer()
		back := s.begin("/inbox")
		w.clock.advance(oidc.FlowFor)
		s.refused(s.get(back), http.StatusBadRequest, oidc.OtherBrowser)
	})
	t.Run("another cookie of ours is no sign-in under way", func(t *testing.T) {
		w := newSSO(t, nil)
		s := w.surfer()
		var hint string
		for _, c := range s.signIn("/").cookies {
			if c.Name == "inmail-hint" {
				hint = c.Value
				if c.Path != "/sign-out" || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode {
					t.Errorf("cookie %+v", c)
				}
			}
		}
		other := w.surfer()
		back := other.begin("/")
		address, err := url.Parse(w.address)
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{hint, "", "AAAA", strings.Repeat("A", 200), "%%%"} {
			other.client.Jar.SetCookies(address, []*http.Cookie{{Name: "inmail-oidc", Value: value, Path: "/"}})
			other.refused(other.get(back), http.StatusBadRequest, oidc.OtherBrowser)
		}
		if hint == "" {
			t.Error("there was no such cookie")
		}
	})
	t.Run("a cookie of another secret", func(t *testing.T) {
		w := newSSO(t, nil)
		s := w.surfer()
		back := s.begin("/")
		w.config.ClientSecret = "rotated meanwhile"
		w.site = w.process()
		s.refused(s.get(back), http.StatusBadRequest, oidc.OtherBrowser)
	})
	t.Run("the wrong secret", func(t *testing.T) {
		w := newSSO(t, func(c *oidc.Config) { c.ClientSecret = "not the secret" })
		s := w.surfer()
		s.refused(s.signIn("/"), http.StatusServiceUnavailable, oidc.ClientFault)
		if !strings.Contains(w.log.String(), "oidc.client_secret") {
			t.Errorf("the log says %s", w.log)
		}
	})
	t.Run("it leads nowhere else", func(t *testing.T) {
		for to, want := range map[string]string{
			"/me": "/me", "/sent?status=opened": "/sent?status=opened", "": "/", "https://evil.example": "/", "//evil.example": "/", "/\\evil.example": "/",
			"/\t/evil.example": "/", "javascript:alert(1)": "/", "/no-such-page": "/", "/inbox?x=" + strings.Repeat("x", 1100): "/",
		} {
			w.t = t
			if a := w.surfer().signIn(to); a.led() != want {
				t.Errorf("to %q it leads to %q, want %q", to, a.led(), want)
			}
		}
		w.t = t
	})
	t.Run("a session that was planted is not taken over", func(t *testing.T) {
		w := newSSO(t, nil)
		attacker := w.surfer()
		attacker.do(http.MethodPost, "/sign-in", url.Values{"key": {w.keys["seller"]}})
		address, err := url.Parse(w.address)
		if err != nil {
			t.Fatal(err)
		}
		planted := attacker.client.Jar.Cookies(address)
		victim := w.surfer()
		victim.client.Jar.SetCookies(address, planted)
		back := victim.begin("/me")
		// A browser that comes from another site sends no strict cookie.
		victim.client.Jar.SetCookies(address, []*http.Cookie{{Name: "inmail", MaxAge: -1, Path: "/"}})
		fresh := victim.get(back).session()
		if fresh == nil || fresh.Value == planted[0].Value {
			t.Fatalf("the session is %+v", fresh)
		}
		if a := attacker.get("/sent"); a.status != http.StatusSeeOther {
			t.Errorf("the planted session: %d", a.status)
		}
		if a := victim.get("/me"); !strings.Contains(text(a.body), "Petra Park") {
			t.Errorf("the new session: %s", text(a.body))
		}
	})
}

func TestSingleSignOnWithoutItsProvider(t *testing.T) {
	w := newSSO(t, nil)
	w.provider.Change(func(s *oidctest.State) { s.Down = true })
	s := w.surfer()
	a := s.get(oidc.BeginPath)
	s.refused(a, http.StatusServiceUnavailable, oidc.Unavailable)
	if got := text(a.body); !strings.Contains(got, "Nordlicht does not answer just now") || !strings.Contains(got, "A key signs you in meanwhile") {
		t.Errorf("the page says: %s", got)
	}
	if got := text(s.get("/sign-in").body); !strings.Contains(got, "It did not answer a moment ago") {
		t.Errorf("the sign-in page says: %s", got)
	}
	if got := w.log.String(); !strings.Contains(got, "level=WARN") || !strings.Contains(got, "the provider is not available") {
		t.Errorf("the log says: %s", got)
	}
	s.get(oidc.BeginPath)
	if n := w.provider.Asked("/.well-known/openid-configuration"); n > 2 { // a lost connection may be tried once more
		t.Errorf("it was asked %d times within two seconds", n)
	}
	byKey := w.surfer()
	if a := byKey.do(http.MethodPost, "/sign-in", url.Values{"key": {w.keys["reader"]}}); a.to() != "/" {
		t.Errorf("a key: %d", a.status)
	}

	w.clock.advance(2 * time.Second)
	w.provider.Change(func(s *oidctest.State) { s.Down, s.Status = false, http.StatusBadGateway })
	s.refused(s.get(oidc.BeginPath), http.StatusServiceUnavailable, oidc.Unavailable)

	w.clock.advance(2 * time.Second)
	w.provider.Change(func(s *oidctest.State) { s.Status = 0 })
	if a := s.signIn("/inbox"); a.session() == nil {
		t.Errorf("when it is there again: %d %s", a.status, text(a.body))
	}
	if got := w.log.String(); !strings.Contains(got, "single sign-on works") || strings.Contains(got, "foreign text") {
		t.Errorf("the log says: %s", got)
	}

	// What was discovered holds while a later discovery fails; what the code is exchanged for then says so.
	w.clock.advance(time.Hour)
	other := w.surfer()
	back := other.begin("/inbox")
	w.clock.advance(5 * time.Minute)
	w.provider.Change(func(s *oidctest.State) { s.Down = true })
	other.refused(other.get(back), http.StatusServiceUnavailable, oidc.Unavailable)
}

// TestSingleSignOnKeepsSecrets looks for what no log and no audit may hold.
func TestSingleSignOnKeepsSecrets(t *testing.T) {
	w := newSSO(t, withRoles)
	const mail = "olga.operator@hidden.example"
	w.person(map[string]any{"sub": mail, "email": mail, "groups": []any{"admins"}})
	var secrets []string
	signIn := func(s *surfer) {
		back := s.begin("/works")
		u, err := url.Parse(back)
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, u.Query().Get("code"), u.Query().Get("state"))
		for _, c := range s.get(back).cookies {
			if c.Value != "" {
				secrets = append(secrets, c.Value)
			}
		}
	}
	op := w.surfer()
	signIn(op)
	if a := op.do(http.MethodPost, "/works/banned", url.Values{"kind": {"company"}, "value": {"Quiet Ltd"}, "reason": {"legal hold"}}); a.status != http.StatusSeeOther {
		t.Fatalf("a ban: %d %s", a.status, text(a.body))
	}
	for name, tamper := range map[string]func(*oidctest.Token){
		"issuer":   func(k *oidctest.Token) { k.Claims["iss"] = "https://" + mail },
		"audience": func(k *oidctest.Token) { k.Claims["aud"] = mail },
		"nonce":    func(k *oidctest.Token) { k.Claims["nonce"] = mail },
		"groups":   func(k *oidctest.Token) { k.Claims["groups"] = []string{mail} },
	} {
		w.provider.Change(func(s *oidctest.State) { s.Tamper = tamper })
		signIn(w.surfer())
		if !strings.Contains(w.log.String(), "nobody was signed in") {
			t.Errorf("%s: the log has no line", name)
		}
	}
	secrets = append(secrets, mail, oidctest.ClientSecret, "Quiet Ltd")
	for _, secret := range secrets {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}

	// R70: the audit names who acted by an id that is no address.
	entries, err := w.svc.Audit(t.Context(), mailroom.AuditFilter{}, mailroom.Page{Limit: 20})
	if err != nil {
		t.Fatal(err)
	}
	id := oidc.PersonID(w.provider.URL, mail)
	kinds := map[string]bool{}
	for _, e := range entries {
		written, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(written, []byte(mail)) {
			t.Errorf("the audit has the address: %s", written)
		}
		if e.By == id && (e.Kind != mailroom.DecidedAct || bytes.Contains(e.Detail, []byte(`"key_name":"Nordlicht"`))) {
			kinds[e.Kind] = true
		}
	}
	if want := []string{mailroom.DecidedAct, mailroom.DecidedBan}; !slices.Equal(slices.Sorted(maps.Keys(kinds)), want) {
		t.Errorf("by %s stand %v in the audit, want %v", id, kinds, want)
	}
	if page := op.get("/works/audit?kind=all"); !strings.Contains(text(page.body), id) {
		t.Errorf("the page of the audit: %s", text(page.body))
	}
}
