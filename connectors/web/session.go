package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

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
		SameSite: http.SameSiteStrictMode, MaxAge: int(mailroom.SessionFor.Seconds())}
	if token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(v.w, c)
}

// signInView is the page that asks for a key.
type signInView struct {
	To    string // where to go then
	Error string
}

func (v *visit) showSignIn() error {
	to := v.site.ownPath(v.r.URL.Query().Get("to"))
	if v.findSession() == nil {
		return v.goTo(to)
	}
	return v.show(http.StatusOK, say("Sign in"), signInView{To: to})
}

// signIn begins a session by a key. A session that the browser had before ends, so that nobody can choose the
// next one for it.
func (v *visit) signIn() error {
	to := v.site.ownPath(v.r.PostForm.Get("to"))
	token, s, err := v.site.Service.SignIn(v.ctx, strings.TrimSpace(v.r.PostForm.Get("key")))
	if errors.Is(err, mailroom.ErrNoKey) {
		return v.show(http.StatusUnauthorized, say("Sign in"), signInView{To: to,
			Error: say("This key is not known. It may have been mistyped, or it has ended; ask an operator for a new one.")})
	}
	if err != nil {
		return err
	}
	return v.begin(token, s, to)
}

func (v *visit) begin(token string, s mailroom.Session, to string) error {
	if c, err := v.r.Cookie(v.cookieName()); err == nil {
		if err := v.site.Service.SignOut(v.ctx, c.Value); err != nil {
			return err
		}
	}
	v.setCookie(token, s.EndsAt)
	return v.goTo(to)
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
	if c, err := v.r.Cookie(v.cookieName()); err == nil {
		if err := v.site.Service.SignOut(v.ctx, c.Value); err != nil {
			return err
		}
	}
	v.setCookie("", time.Time{})
	return v.goTo("/sign-in?done=signed-out")
}

func queryEscape(s string) string { return url.QueryEscape(s) }
