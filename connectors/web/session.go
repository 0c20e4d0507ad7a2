package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"inmail/connectors/web/oidc"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// cookieName is the session's cookie. Under TLS it has the prefix with which browsers accept it from this
// host alone.
func (v *visit) cookieName() string {
	if v.secure() {
		return "__Host-inmail"
	}
	return "inmail"
}

// secure reports whether the browser speaks TLS, to us or to a proxy in front of us. A browser that claims so
// falsely only keeps its own cookie off plain connections.
func (v *visit) secure() bool {
	return v.r.TLS != nil || strings.EqualFold(v.r.Header.Get("X-Forwarded-Proto"), "https")
}

// findSession finds the session of the cookie; mailroom.ErrNoKey when there is none.
func (v *visit) findSession() (err error) {
	c, err := v.r.Cookie(v.cookieName())
	if err != nil {
		return mailroom.ErrNoKey
	}
	v.session, err = v.site.Service.SessionOf(v.ctx, c.Value)
	return err
}

func (v *visit) setCookie(token string, ends time.Time) {
	c := &http.Cookie{Name: v.cookieName(), Value: token, Path: "/", HttpOnly: true, Secure: v.secure(),
		SameSite: http.SameSiteStrictMode, MaxAge: int(ends.Sub(v.now()).Seconds())}
	if token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(v.w, c)
}

// signInView is the page that asks for a key, leads to single sign-on, or both.
type signInView struct {
	To    string // where to go then
	Keys  bool   // it takes keys
	SSO   *ssoLink
	Error string
}

// ssoLink leads to single sign-on.
type ssoLink struct {
	Path, Label string
	Down        bool // the provider did not answer when it was last asked
}

func (v *visit) signInView(to, fault string) signInView {
	view := signInView{To: to, Keys: true, Error: fault}
	if sso := v.site.SSO; sso != nil {
		view.Keys = !sso.Only()
		view.SSO = &ssoLink{Path: oidc.BeginPath + "?to=" + queryEscape(to), Label: say("Sign in with %s", sso.Name()), Down: sso.Down()}
	}
	return view
}

func (v *visit) showSignIn() error {
	to := v.site.ownPath(v.r.URL.Query().Get("to"))
	if v.findSession() == nil {
		return v.goTo(to)
	}
	return v.show(http.StatusOK, say("Sign in"), v.signInView(to, ""))
}

// signIn begins a session by a key. A session that the browser had before ends, so that nobody can choose the
// next one for it.
func (v *visit) signIn() error {
	to := v.site.ownPath(v.r.PostForm.Get("to"))
	if v.site.SSO != nil && v.site.SSO.Only() {
		return v.show(http.StatusForbidden, say("Sign in"), v.signInView(to, say("Keys sign nobody in here; they are for programs.")))
	}
	token, s, err := v.site.Service.SignIn(v.ctx, strings.TrimSpace(v.r.PostForm.Get("key")))
	if errors.Is(err, mailroom.ErrNoKey) {
		return v.show(http.StatusUnauthorized, say("Sign in"), v.signInView(to,
			say("This key is not known. It may have been mistyped, or it has ended; ask an operator for a new one.")))
	}
	if err != nil {
		return err
	}
	return v.begin(token, s, to)
}

func (v *visit) begin(token string, s mailroom.Session, to string) error {
	if err := v.endEarlier(""); err != nil {
		return err
	}
	v.setCookie(token, s.EndsAt)
	return v.goTo(to)
}

// endEarlier ends the session that the browser had, by its cookie and, where it cannot have sent that, by its
// secret.
func (v *visit) endEarlier(secret string) error {
	if secret != "" {
		if err := v.site.Service.SignOut(v.ctx, secret); err != nil {
			return err
		}
	}
	if c, err := v.r.Cookie(v.cookieName()); err == nil && c.Value != secret {
		return v.site.Service.SignOut(v.ctx, c.Value)
	}
	return nil
}

// linkView is the page of a one-time link. It asks for a click, so that a program that looks at links does
// not use it up.
type linkView struct {
	Name string // whom it signs in
	To   string
}

func (v *visit) showLink() error {
	s, err := v.site.Service.LinkOf(v.ctx, v.r.PathValue("link"))
	if errors.Is(err, mailroom.ErrNoKey) {
		return usedLink()
	}
	if err != nil {
		return err
	}
	view := linkView{Name: say("the operator"), To: v.site.ownPath(v.r.URL.Query().Get("to"))}
	if id := s.Viewer.Member; id != "" {
		m, err := v.site.Service.Member(v.ctx, id)
		if err != nil {
			return err
		}
		view.Name = m.Name
	}
	return v.show(http.StatusOK, say("Sign in"), view)
}

func usedLink() error {
	return refuse(domain.Conflict, say("This link was used already or is older than a day. Ask for a new one, or sign in with a key."))
}

func (v *visit) followLink() error {
	token, s, err := v.site.Service.FollowLink(v.ctx, v.r.PathValue("link"))
	if errors.Is(err, mailroom.ErrNoKey) {
		return usedLink()
	}
	if err != nil {
		return err
	}
	return v.begin(token, s, v.site.ownPath(v.r.PostForm.Get("to")))
}

func (v *visit) signOut() error {
	session, err := mailroom.Session{}, error(nil)
	if c, none := v.r.Cookie(v.cookieName()); none == nil {
		if session, err = v.site.Service.SessionOf(v.ctx, c.Value); err != nil && !errors.Is(err, mailroom.ErrNoKey) {
			return err
		}
		if err := v.site.Service.SignOut(v.ctx, c.Value); err != nil {
			return err
		}
	}
	v.setCookie("", time.Time{})
	if led, err := v.leadOut(session); led || err != nil {
		return err
	}
	return v.goTo("/sign-in?done=signed-out")
}

func queryEscape(s string) string { return url.QueryEscape(s) }
