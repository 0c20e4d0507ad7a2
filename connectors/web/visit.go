package web

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// A visit is one request for a page, with whoever makes it.
type visit struct {
	site    *Site
	w       http.ResponseWriter
	r       *http.Request
	ctx     context.Context
	route   route
	session mailroom.Session // of admit; zero: nobody is signed in
}

// pageTimeout is how long a page may take.
const pageTimeout = 25 * time.Second

// maxForm is the longest form, in bytes: a body of 12,000 bytes may be three times as long in a form.
const maxForm = 128 << 10

// serve answers one request: who, what, then the handler of the page.
func (s *Site) serve(w http.ResponseWriter, r *http.Request, route route) {
	ctx, cancel := context.WithTimeout(r.Context(), pageTimeout)
	defer cancel()
	v := &visit{site: s, w: w, r: r, ctx: ctx, route: route}
	v.headers()
	err := v.readForm()
	if err == nil {
		err = v.admit(route.who)
	}
	if err == nil {
		err = v.noteAct()
	}
	if err == nil {
		err = route.serve(v)
	}
	if err != nil {
		v.fail(err)
	}
}

// headers sets what every answer carries. The pages load nothing from elsewhere and nothing that is written
// into them runs or styles them.
func (v *visit) headers() {
	h := v.w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Cache-Control", "no-store")
}

// readForm refuses a form that another site sends, and reads it.
func (v *visit) readForm() error {
	if err := v.site.guard.Check(v.r); err != nil {
		return refuse(domain.Forbidden, say("This form came from another site, so nothing was done. Open the page here and try again."))
	}
	if v.r.Method != http.MethodPost {
		return nil
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	if err := v.r.ParseForm(); err != nil {
		return refuse(domain.BadRequest, say("The form did not arrive whole or is too long; shorten it and send it again."))
	}
	return nil
}

// me is the member whom this person acts as.
func (v *visit) me() domain.MemberID { return v.session.Viewer.Member }

// id reads the id of an InMail from the path.
func (v *visit) id() domain.ID { return domain.ID(v.r.PathValue("id")) }

// now is the record's time.
func (v *visit) now() time.Time { return v.site.Service.Now() }

// goTo leads the browser to another page of ours after a form was accepted.
func (v *visit) goTo(path string) error {
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
	return nil
}

// show renders the template of the page, or the part of it that the script asks for.
func (v *visit) show(status int, title string, view any) error {
	p := page{Title: title, View: view, Path: v.r.URL.Path, Now: v.now()}
	if v.session.Viewer != (mailroom.Viewer{}) {
		if err := v.greet(&p); err != nil {
			return err
		}
	}
	p.Done = done(v.r.URL.Query().Get("done"))
	name := "layout"
	if part := v.r.Header.Get("Inmail-Part"); part != "" && v.site.pages[v.route.page].Lookup("part-"+part) != nil {
		name = "part-" + part
	}
	return v.render(status, v.route.page, name, p)
}

// render writes a template whole or not at all.
func (v *visit) render(status int, file, name string, p page) error {
	var b bytes.Buffer
	if err := v.site.pages[file].ExecuteTemplate(&b, name, p); err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	v.w.WriteHeader(status)
	_, _ = v.w.Write(b.Bytes())
	return nil
}

// page is what the layout is rendered from.
type page struct {
	Title  string
	Path   string
	Now    time.Time
	Name   string // of whoever is signed in; empty: nobody is
	Nav    []navItem
	Unread int
	Done   string // what the last form did; empty: nothing
	View   any
}

// navItem is one entry of the navigation.
type navItem struct {
	Path, Text, Key string
	Here            bool // the page that is open is below it
	Main            bool // the act that this person comes for
	Count           int  // beside the text; 0: none
}

// greet fills in who is signed in and where it may go.
func (v *visit) greet(p *page) error {
	if v.session.Viewer.Operator {
		p.Name = say("Operator")
		p.Nav = []navItem{{Path: "/works", Text: say("Works"), Key: "w"}, {Path: "/figures", Text: say("Figures"), Key: "f"}}
	} else {
		m, credits, err := v.site.Service.Credits(v.ctx, v.me())
		if err != nil {
			return err
		}
		if p.Unread, err = v.site.Service.Unread(v.ctx, v.me()); err != nil {
			return err
		}
		p.Name, p.Nav = m.Name, memberNav(credits, p.Unread)
	}
	for i := range p.Nav {
		n := &p.Nav[i]
		n.Here = p.Path == n.Path || len(p.Path) > len(n.Path) && p.Path[:len(n.Path)+1] == n.Path+"/"
	}
	return nil
}

func memberNav(c domain.Credits, unread int) []navItem {
	nav := []navItem{{Path: "/inbox", Text: say("Inbox"), Key: "i", Count: unread}}
	if c.Allowance > 0 || c.Used > 0 {
		nav = append(nav, navItem{Path: "/sent", Text: say("Sent"), Key: "s"},
			navItem{Path: "/figures", Text: say("Figures"), Key: "f"},
			navItem{Path: "/new", Text: say("Write"), Key: "c", Main: true})
	}
	return append(nav, navItem{Path: "/me", Text: say("Me"), Key: "m"})
}

// problem is a page that says what went wrong.
type problem struct {
	Heading, Text, Code string
	Back                string // where to go from here
}

// fail answers with an error in words. A fault of the server is logged, and the person gets nothing of it.
func (v *visit) fail(err error) {
	if errors.Is(err, errSignIn) {
		to := "/sign-in"
		if v.r.Method == http.MethodGet && v.r.URL.Path != "/" {
			to += "?to=" + queryEscape(v.r.URL.RequestURI())
		}
		_ = v.goTo(to)
		return
	}
	status, p := problemOf(err, v.now())
	if status >= http.StatusInternalServerError {
		v.site.Log.ErrorContext(v.r.Context(), "page failed", "route", v.route.pattern, "key", v.session.Viewer.KeyID,
			"error", err.Error())
	}
	v.r.Header.Del("Inmail-Part") // the script reads the status and leaves the page as it is
	layout := page{Title: p.Heading, Path: v.r.URL.Path, View: p, Now: v.now()}
	if v.session.Viewer != (mailroom.Viewer{}) {
		_ = v.greet(&layout) // without it the page only lacks its navigation
	}
	if err := v.render(status, "problem", "layout", layout); err != nil {
		http.Error(v.w, p.Text, status)
	}
}

// refusalOf returns the refusal in err, which a page shows beside the form that caused it; nil for any other
// error, and where the thing is not there or not this person's.
func refusalOf(err error) *domain.Refusal {
	r := domainRefusal(err)
	if r != nil && (r.Code == domain.NotFound || r.Code == domain.Forbidden) {
		return nil
	}
	return r
}

// domainRefusal returns the refusal in err; nil for any other error.
func domainRefusal(err error) *domain.Refusal {
	var r *domain.Refusal
	if !errors.As(err, &r) {
		return nil
	}
	return r
}
