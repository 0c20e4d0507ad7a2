package web

import (
	"errors"
	"net/http"
	"time"

	"inmail/connectors/web/oidc"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// ssoView is a page on the way to or from the provider of single sign-on: it leads on, or says why nobody was
// signed in.
type ssoView struct {
	Heading string
	Text    []string
	Code    string // the reason in one word; empty: it leads on
	Person  string // the id of somebody who may do nothing here
	To      string // where to go from here
	Label   string // of the link there
}

// beginSSO leads the browser to the provider. It is a link and no form: the policy of the pages lets forms go
// to ourselves alone, and a provider may lead to other sites.
func (v *visit) beginSSO() error {
	if v.site.SSO == nil {
		return v.goTo("/sign-in")
	}
	var earlier string
	if c, err := v.r.Cookie(v.cookieName()); err == nil {
		earlier = c.Value
	}
	address, cookie, err := v.site.SSO.Begin(v.ctx, v.site.ownPath(v.r.URL.Query().Get("to")), earlier)
	if err != nil {
		return v.refuseSSO(err)
	}
	http.SetCookie(v.w, v.flowCookie(cookie, oidc.FlowFor))
	return v.goTo(address)
}

// finishSSO signs in whom the provider has identified, in a new session. The browser comes from another site,
// with which it sends no strict cookie on, so an answer of our own leads to the page.
func (v *visit) finishSSO() error {
	if v.site.SSO == nil {
		return v.goTo("/sign-in")
	}
	c, err := v.r.Cookie(v.flowCookie("", 0).Name)
	if err != nil {
		c = &http.Cookie{}
	}
	http.SetCookie(v.w, v.flowCookie("", -1))
	arrival, err := v.site.SSO.Finish(v.ctx, c.Value, v.r.URL.Query())
	if err != nil {
		return v.refuseSSO(err)
	}
	token, s, err := v.site.Service.SignInPerson(v.ctx, arrival.Person)
	if r := domainRefusal(err); r != nil && r.Code == domain.NotFound {
		return v.refuseSSO(&oidc.Failure{Reason: oidc.NoMember, Detail: "there is no such member", Person: arrival.Person.ID})
	}
	if err != nil {
		return err
	}
	if err := v.endEarlier(arrival.Earlier); err != nil {
		return err
	}
	v.setCookie(token, s.EndsAt)
	if len(arrival.Hint) <= maxHint {
		http.SetCookie(v.w, v.hintCookie(arrival.Hint, s.EndsAt.Sub(v.now())))
	}
	v.site.Log.InfoContext(v.ctx, "signed in by single sign-on", "key", s.Viewer.KeyID, "operator", s.Viewer.Operator,
		"request_id", mailroom.OriginOf(v.ctx).Request)
	return v.lead(arrival.To, ssoView{Heading: say("You are signed in"), Label: say("Go on")})
}

// maxHint is the longest cookie that browsers keep, less its name and attributes.
const maxHint = 3900

// lead shows a page that goes on to another by itself.
func (v *visit) lead(to string, view ssoView) error {
	view.To = to
	v.w.Header().Set("Refresh", "0;url="+to)
	return v.show(http.StatusOK, view.Heading, view)
}

// leadOut ends the session at the provider too, when it is one by single sign-on and the provider has a page
// for it, and reports whether it does.
func (v *visit) leadOut(s mailroom.Session) (led bool, err error) {
	if v.site.SSO == nil || !s.BySSO {
		return false, nil
	}
	c, err := v.r.Cookie(v.hintCookie("", 0).Name)
	if err != nil {
		c = &http.Cookie{}
	}
	http.SetCookie(v.w, v.hintCookie("", -1))
	address := v.site.SSO.Logout(v.ctx, c.Value)
	if address == "" {
		return false, nil
	}
	return true, v.lead(address, ssoView{Heading: say("You are signed out"), Label: say("Go on")})
}

// flowCookie keeps a sign-in that is under way. The browser comes back from another site with it, so it is
// lax.
func (v *visit) flowCookie(value string, lasts time.Duration) *http.Cookie {
	c := v.ownCookie("inmail-oidc", value, lasts)
	c.SameSite = http.SameSiteLaxMode
	if c.Secure {
		c.Name = "__Host-" + c.Name
	}
	return c
}

// hintCookie keeps what signing out at the provider needs, for that form alone.
func (v *visit) hintCookie(value string, lasts time.Duration) *http.Cookie {
	c := v.ownCookie("inmail-hint", value, lasts)
	c.Path = "/sign-out"
	if c.Secure {
		c.Name = "__Secure-" + c.Name
	}
	return c
}

// ownCookie is a cookie that no script and no other site gets; it is deleted when it lasts less than nothing.
func (v *visit) ownCookie(name, value string, lasts time.Duration) *http.Cookie {
	c := &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: v.secure(), SameSite: http.SameSiteStrictMode,
		MaxAge: int(lasts.Seconds())}
	if lasts < 0 {
		c.MaxAge = -1
	}
	return c
}

// refuseSSO says why nobody was signed in, and what to do. The log has the reason, with nothing of what the
// provider said of the person.
func (v *visit) refuseSSO(err error) error {
	var f *oidc.Failure
	if !errors.As(err, &f) {
		return err
	}
	v.site.Log.WarnContext(v.ctx, "nobody was signed in by single sign-on", "reason", string(f.Reason), "error", f.Detail,
		"key", f.Person, "request_id", mailroom.OriginOf(v.ctx).Request)
	name := v.site.SSO.Name()
	view := ssoView{Code: string(f.Reason), Person: f.Person, To: "/sign-in", Label: say("Back to the sign-in"),
		Heading: say("You are not signed in")}
	status := http.StatusBadRequest
	switch f.Reason {
	case oidc.Unavailable:
		status = http.StatusServiceUnavailable
		view.Text = []string{say("%s does not answer just now. Try again in a moment.", name)}
		if !v.site.SSO.Only() {
			view.Text = append(view.Text, say("A key signs you in meanwhile."))
		}
	case oidc.ClientFault:
		status = http.StatusServiceUnavailable
		view.Text = []string{say("%s does not know InMail by its settings. Ask an operator to look at the log; nothing that you do helps.", name)}
	case oidc.Denied:
		status = http.StatusForbidden
		view.Text = []string{say("%s did not sign you in. Try again, or ask the administrator of %s whether you may use InMail.", name, name)}
	case oidc.NoRole:
		status = http.StatusForbidden
		view.Text = []string{say("%s knows you, but nothing there says what you may do here.", name),
			say("Ask the administrator of %s to give you a role of InMail, then sign in again.", name)}
	case oidc.NoMember:
		status = http.StatusForbidden
		view.Text = []string{say("%s knows you, but you are no member here.", name),
			say("Ask an operator of InMail to add you as a member, under the id that %s has for you; then sign in again.", name)}
	case oidc.OtherBrowser:
		view.Text = []string{say("This sign-in was not begun in this browser, or longer than 10 minutes ago. Begin it again at %s.", v.site.SSO.Address())}
	case oidc.CodeRefused:
		view.Text = []string{say("This sign-in was used already or took too long. Begin it again.")}
	default:
		view.Text = []string{say("What %s said could not be trusted, so nobody was signed in. Begin it again; if it stays, ask an operator.", name)}
	}
	return v.show(status, view.Heading, view)
}
