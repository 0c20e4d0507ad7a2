package main

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"inmail/config"
	"inmail/connectors/porttest"
	"inmail/connectors/web/oidc"
	"inmail/connectors/web/oidc/oidctest"
)

// singleSignOn signs in at a provider that is another site to the browser: so it keeps strict cookies back on
// the way from there, and holds forms against the policy of the pages on every redirect.
func (b *browser) singleSignOn(t *testing.T) {
	provider := oidctest.New(t, time.Now)
	address := porttest.Address(t)
	provider.Change(func(s *oidctest.State) {
		s.Redirect, s.Logouts = "http://"+address+oidc.CallbackPath, "http://"+address+oidc.AfterLogoutPath
		s.Asks = true
		s.Person = map[string]any{"sub": "u1", "groups": []string{"inmail-admins"}}
	})
	f := b.serve(t, config.Sources{Flags: map[string]string{"data": t.TempDir(), "listen": address}, Environment: []string{
		"INMAIL_PUBLIC_URL=http://" + address, "INMAIL_OIDC_ISSUER=" + provider.URL, "INMAIL_OIDC_CLIENT_ID=" + oidctest.ClientID,
		"INMAIL_OIDC_CLIENT_SECRET=" + oidctest.ClientSecret, "INMAIL_OIDC_ROLE_CLAIM=groups", "INMAIL_OIDC_ROLES=inmail-admins=operator",
		"INMAIL_OIDC_NAME=Nordlicht", "INMAIL_OIDC_TIMEOUT=20s"}})

	w := f.window(t, "who signs in", byPointer)
	w.also = strings.TrimPrefix(provider.URL, "http://")
	w.open("/works/audit")
	w.reads("Sign in with Nordlicht")
	w.accessible("the sign-in page")
	w.press(`a[href^="/sign-in/oidc"]`)
	w.do("agree at the provider", chromedp.WaitVisible("#agree", chromedp.ByQuery))
	w.press("#agree")
	w.until("the page that was asked for", `location.pathname === "/works/audit"`)
	w.reads("Audit")

	w.press(".who button") // it leads to the provider and back
	w.until("the sign-in page after signing out", `location.pathname === "/sign-in" && document.readyState === "complete"`)
	if n := provider.Asked("/logout"); n != 1 {
		t.Errorf("the provider was asked %d times to sign out, want 1", n)
	}
	w.open("/works")
	w.reads("Sign in with Nordlicht")

	provider.Change(func(s *oidctest.State) { s.Person = map[string]any{"sub": "nobody.here"} })
	w.press(`a[href^="/sign-in/oidc"]`)
	w.do("agree at the provider", chromedp.WaitVisible("#agree", chromedp.ByQuery))
	w.press("#agree")
	w.reads("you are no member here")
	w.accessible("the page of somebody unknown")
	for _, width := range []int64{360, 1600} {
		w.keep("sso-refused", w.look("the page of somebody unknown", width, "light"))
	}
	if faults := provider.Faults(); len(faults) > 0 {
		t.Errorf("the provider found %v", faults)
	}
}
