package web

import (
	"errors"
	"net/http"

	"inmail/connectors/web/oidc"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// who is who may see a page.
type who int

const (
	anyone   who = iota // also those who are not signed in
	signedIn            // a member or an operator
	member              // who acts as a member
	operator            // who acts as an operator
)

// A route is one row of the list of pages.
type route struct {
	pattern string // of http.ServeMux
	who     who
	page    string // the template that it renders; empty: it renders none
	serve   func(*visit) error
}

// routes is the list of all pages.
var routes = []route{
	{"GET /{$}", signedIn, "", (*visit).start},
	{"GET /assets/{sum}/{name}", anyone, "", (*visit).asset},

	// Signing in and out.
	{"GET /sign-in", anyone, "signin", (*visit).showSignIn},
	{"POST /sign-in", anyone, "signin", (*visit).signIn},
	{"GET /sign-in/{link}", anyone, "link", (*visit).showLink},
	{"POST /sign-in/{link}", anyone, "link", (*visit).followLink},
	{"GET " + oidc.BeginPath, anyone, "sso", (*visit).beginSSO},
	{"GET " + oidc.CallbackPath, anyone, "sso", (*visit).finishSSO},
	{"POST /sign-out", anyone, "sso", (*visit).signOut},

	// The mailbox.
	{"GET /inbox", member, "inbox", (*visit).showInbox},
	{"GET /inbox/{id}", member, "inbox", (*visit).showConversation},
	{"POST /inbox/{id}/reply", member, "inbox", (*visit).reply},
	{"POST /inbox/{id}/decline", member, "inbox", (*visit).decline},
	{"POST /inbox/{id}/report", member, "inbox", (*visit).report},
	{"POST /inbox/{id}/block", member, "inbox", (*visit).block},

	// Writing and what became of it.
	{"GET /new", member, "new", (*visit).showNew},
	{"POST /new", member, "new", (*visit).send},
	{"POST /new/check", member, "new", (*visit).checkNew},
	{"GET /campaign", member, "campaign", (*visit).showCampaign},
	{"POST /campaign", member, "campaign", (*visit).judgeCampaign},
	{"POST /campaign/letters", member, "new", (*visit).beginCampaign},
	{"GET /sent", member, "sent", (*visit).showSent},
	{"GET /sent/{id}", member, "letter", (*visit).showLetter},
	{"POST /sent/{id}/reply", member, "letter", (*visit).replyAsSender},
	{"POST /sent/{id}/automatic", member, "letter", (*visit).markAutomatic},
	{"POST /sent/{id}/tags", member, "letter", (*visit).tag},
	{"GET /sent/{id}/retract", member, "retract", (*visit).askRetraction},
	{"POST /sent/{id}/retract", member, "retract", (*visit).confirmRetraction},

	{"GET /me", member, "me", (*visit).showMe},
	{"POST /me", member, "me", (*visit).changeMe},

	// The figures and the works.
	{"GET /figures", signedIn, "figures", (*visit).showFigures},
	{"GET /figures/{cut}", signedIn, "cut", (*visit).showCut},
	{"GET /figures/{cut}/csv", signedIn, "", (*visit).cutCSV},
	{"GET /works", operator, "works", (*visit).showWorks},
	{"GET /works/crm", operator, "crm", (*visit).showCRM},
	{"POST /works/crm/retry", operator, "crm", (*visit).retryCRM},
	{"POST /works/crm/run", operator, "crm", (*visit).runCRM},
	{"POST /works/crm/pause", operator, "crm", (*visit).pauseCRM},
	{"POST /works/crm/resume", operator, "crm", (*visit).resumeCRM},
	{"POST /works/crm/check", operator, "check", (*visit).checkCRM},
	{"GET /works/people", operator, "people", (*visit).showPeople},
	{"POST /works/people/undo", operator, "people", (*visit).undoRestriction},
	{"POST /works/people/plan", operator, "people", (*visit).changePlan},
	{"GET /works/people/export", operator, "", (*visit).exportMember},
	{"GET /works/people/erase", operator, "erase", (*visit).askErasure},
	{"POST /works/people/erase", operator, "erase", (*visit).erase},
	{"GET /works/keys", operator, "keys", (*visit).showKeys},
	{"POST /works/keys", operator, "keys", (*visit).createKey},
	{"POST /works/keys/delete", operator, "keys", (*visit).deleteKey},
	{"GET /works/webhooks", operator, "webhooks", (*visit).showWebhooks},
	{"POST /works/webhooks", operator, "webhooks", (*visit).createWebhook},
	{"POST /works/webhooks/test", operator, "", (*visit).testWebhook},
	{"POST /works/webhooks/enable", operator, "", (*visit).enableWebhook},
	{"POST /works/webhooks/replay", operator, "webhooks", (*visit).replayWebhook},
	{"POST /works/webhooks/delete", operator, "", (*visit).deleteWebhook},
	{"GET /works/banned", operator, "banned", (*visit).showBanned},
	{"POST /works/banned", operator, "banned", (*visit).ban},
	{"POST /works/banned/delete", operator, "banned", (*visit).unban},
	{"GET /works/audit", operator, "audit", (*visit).showAudit},
	{"GET /works/queue", operator, "queue", (*visit).showQueue},
	{"POST /works/queue/retry", operator, "queue", (*visit).retryTasks},
}

// start leads to the first page of whoever is signed in: the operator's view, what a sender sent, or the
// inbox.
func (v *visit) start() error {
	if v.session.Viewer.Operator {
		return v.goTo("/works")
	}
	_, credits, err := v.site.Service.Credits(v.ctx, v.me())
	if err != nil {
		return err
	}
	if credits.Allowance > 0 {
		return v.goTo("/sent")
	}
	return v.goTo("/inbox")
}

// admit refuses whoever may not see a page. A person who is not signed in is led to the sign-in and from
// there back; errSignIn says so.
func (v *visit) admit(w who) error {
	if w == anyone {
		return nil
	}
	if err := v.findSession(); err != nil {
		if errors.Is(err, mailroom.ErrNoKey) {
			return errSignIn
		}
		return err
	}
	switch {
	case v.session.ReadOnly && v.r.Method == http.MethodPost && !v.onlyLooks():
		return refuse(domain.Forbidden, say("Your key only reads, so nothing was changed. Sign in with another key."))
	case w == member && v.session.Viewer.Member == "":
		return refuse(domain.Forbidden, say("This page is for members, and you are signed in as an operator. Sign in as the member whom you want to act for."))
	case w == operator && !v.session.Viewer.Operator:
		return refuse(domain.Forbidden, say("This page is for operators. Sign in with an operator key to see it."))
	}
	return nil
}

// onlyLooks reports whether a form changes nothing, as the API's preflight.
func (v *visit) onlyLooks() bool { return v.r.URL.Path == "/new/check" }

// errSignIn says that a page is for those who are signed in.
var errSignIn = errors.New("sign in first")

// ownPath returns a path of one of our own pages as it was given, and / for anything else, so that no link to
// the sign-in leads elsewhere.
func (s *Site) ownPath(given string) string {
	r, err := http.NewRequest(http.MethodGet, given, nil)
	if err != nil || len(given) < 2 || given[0] != '/' || given[1] == '/' || given[1] == '\\' || r.URL.Host != "" ||
		s.Route(r) == "" {
		return "/"
	}
	return r.URL.RequestURI()
}
