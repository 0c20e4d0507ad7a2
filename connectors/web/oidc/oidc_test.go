package oidc_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"inmail/connectors/web/oidc"
	"inmail/connectors/web/oidc/oidctest"
)

const pages = "https://inmail.example.com"

func settings(change func(*oidc.Config)) oidc.Config {
	c := oidc.Default()
	c.Issuer, c.ClientID, c.ClientSecret, c.Timeout = "https://id.example.com", "inmail", "secret", 20*time.Second
	if change != nil {
		change(&c)
	}
	return c
}

func TestValidate(t *testing.T) {
	for name, row := range map[string]struct {
		change  func(*oidc.Config)
		address string
		want    string // the setting at fault; empty: none
	}{
		"sound":                  {nil, pages, ""},
		"off":                    {func(c *oidc.Config) { *c = oidc.Default() }, "", ""},
		"all but the issuer":     {func(c *oidc.Config) { c.Issuer = "" }, pages, "oidc.issuer"},
		"http":                   {func(c *oidc.Config) { c.Issuer = "http://id.example.com" }, pages, "oidc.issuer"},
		"http on loopback":       {func(c *oidc.Config) { c.Issuer = "http://127.0.0.1:9000/realms/x" }, pages, ""},
		"http on localhost":      {func(c *oidc.Config) { c.Issuer = "http://localhost:9000" }, pages, ""},
		"http near localhost":    {func(c *oidc.Config) { c.Issuer = "http://localhost.example.com" }, pages, "oidc.issuer"},
		"no address":             {func(c *oidc.Config) { c.Issuer = "id.example.com" }, pages, "oidc.issuer"},
		"a query":                {func(c *oidc.Config) { c.Issuer += "?x=1" }, pages, "oidc.issuer"},
		"a password":             {func(c *oidc.Config) { c.Issuer = "https://a:b@id.example.com" }, pages, "oidc.issuer"},
		"no public_url":          {nil, "", "public_url"},
		"no client":              {func(c *oidc.Config) { c.ClientID = "" }, pages, "oidc.client_id"},
		"no secret":              {func(c *oidc.Config) { c.ClientSecret = "" }, pages, "oidc.client_secret"},
		"scopes without openid":  {func(c *oidc.Config) { c.Scopes = []string{"profile"} }, pages, "oidc.scopes"},
		"members by e-mail":      {func(c *oidc.Config) { c.MemberClaim = "email" }, pages, "oidc.member_claim"},
		"no member claim":        {func(c *oidc.Config) { c.MemberClaim = "" }, pages, "oidc.member_claim"},
		"no name":                {func(c *oidc.Config) { c.Name = "" }, pages, "oidc.name"},
		"a name of two lines":    {func(c *oidc.Config) { c.Name = "a\nb" }, pages, "oidc.name"},
		"too long a session":     {func(c *oidc.Config) { c.Session = 13 * time.Hour }, pages, "oidc.session"},
		"no session":             {func(c *oidc.Config) { c.Session = 0 }, pages, "oidc.session"},
		"no time-out":            {func(c *oidc.Config) { c.Timeout = 0 }, pages, "oidc.timeout"},
		"a claim without roles":  {func(c *oidc.Config) { c.RoleClaim = "groups" }, pages, "oidc.role_claim"},
		"roles without a claim":  {func(c *oidc.Config) { c.Roles = []string{"a=member"} }, pages, "oidc.role_claim"},
		"an unknown role":        {func(c *oidc.Config) { c.RoleClaim, c.Roles = "groups", []string{"a=admin"} }, pages, "oidc.roles"},
		"a role without a value": {func(c *oidc.Config) { c.RoleClaim, c.Roles = "groups", []string{"=operator"} }, pages, "oidc.roles"},
		"a value of LDAP":        {func(c *oidc.Config) { c.RoleClaim, c.Roles = "groups", []string{"cn=a,ou=b=operator"} }, pages, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := settings(row.change).Validate(row.address)
			if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want+": ") && !strings.Contains(err.Error(), row.want+",")) {
				t.Errorf("got %v, want a fault of %q", err, row.want)
			}
		})
	}
}

// TestDiscoveryRefuses gives out discovery documents that cannot be worked with.
func TestDiscoveryRefuses(t *testing.T) {
	var document string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if document == "" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(strings.ReplaceAll(document, "ISSUER", "https://"+r.Host)))
	}))
	t.Cleanup(server.Close)
	const whole = `{"issuer":"ISSUER","authorization_endpoint":"ISSUER/a","token_endpoint":"ISSUER/t","jwks_uri":"ISSUER/k"}`
	for name, row := range map[string]struct{ document, want string }{
		"sound":                      {whole, ""},
		"another issuer":             {strings.Replace(whole, "ISSUER", "https://evil.example", 1), "spelt otherwise"},
		"a slash more":               {strings.Replace(whole, `ISSUER"`, `ISSUER/"`, 1), "spelt otherwise"},
		"a token endpoint in plain":  {strings.Replace(whole, "ISSUER/t", "http://id.example/t", 1), "no token_endpoint over https"},
		"no keys":                    {strings.Replace(whole, "ISSUER/k", "", 1), "no jwks_uri over https"},
		"a sign-in that is a script": {strings.Replace(whole, "ISSUER/a", "javascript:alert(1)", 1), "no authorization_endpoint over https"},
		"no JSON":                    {"a page", "no discovery document"},
		"too long":                   {`{"issuer":"` + strings.Repeat("x", 2<<20) + `"}`, "no discovery document"},
		"leads elsewhere":            {"", "it answers 302"},
	} {
		t.Run(name, func(t *testing.T) {
			document = row.document
			p, err := oidc.New(settings(func(c *oidc.Config) { c.Issuer = server.URL }), pages, time.Now, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			p.TrustForTest(server.Client())
			_, _, err = p.Begin(t.Context(), "/", "")
			if row.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var f *oidc.Failure
			if !errors.As(err, &f) || f.Reason != oidc.Unavailable || !strings.Contains(f.Detail, row.want) {
				t.Errorf("got %v, want %q", err, row.want)
			}
			if !p.Down() {
				t.Error("it counts as there")
			}
		})
	}
}

// warned hands on the messages of a log.
type warned struct {
	slog.Handler
	messages chan string
}

func (w warned) Handle(_ context.Context, r slog.Record) error {
	w.messages <- r.Level.String() + " " + r.Message
	return nil
}

// TestWatch starts without the provider, which comes later.
func TestWatch(t *testing.T) {
	provider := oidctest.New(t, time.Now)
	provider.Change(func(s *oidctest.State) { s.Down = true })
	log := warned{slog.NewTextHandler(nil, nil), make(chan string, 10)}
	p, err := oidc.New(settings(func(c *oidc.Config) { c.Issuer = provider.URL }), pages, time.Now, slog.New(log))
	if err != nil {
		t.Fatal(err)
	}
	p.RetryForTest(time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { p.Watch(ctx); close(ended) }()
	if got := <-log.messages; got != "WARN single sign-on does not work: the provider is not available; it is asked again" {
		t.Errorf("the log says %q", got)
	}
	provider.Change(func(s *oidctest.State) { s.Down = false })
	for got := range log.messages { // a try that was under way may end in another way
		if got == "INFO single sign-on works" {
			break
		}
	}
	if p.Down() {
		t.Error("it counts as away")
	}
	cancel()
	<-ended
}
