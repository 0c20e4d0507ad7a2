package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// letters is how many InMails one seller sends, and one reader gets, in every record.
const letters = 45

// correspond lets a seller and a reader send and get as many InMails in every record, the small and the
// large.
func (s *stand) correspond(t *testing.T) {
	t.Helper()
	a, stop := s.start(t)
	defer stop()
	seller, reader := domain.NewMember("seller", "Lena Hart"), domain.NewMember("reader", "Petra Park")
	seller.AccountType, seller.Plan = domain.Recruiter, "recruiter_50"
	members := []domain.Member{seller, reader}
	var sends []mailroom.Send
	for i := range letters {
		m := domain.NewMember(domain.MemberID(fmt.Sprintf("writer%d", i)), fmt.Sprintf("Writer %d", i))
		m.AccountType, m.Plan = domain.Recruiter, "recruiter_50"
		members = append(members, m)
		for _, send := range []mailroom.Send{{From: "seller", To: m.ID}, {From: m.ID, To: "reader"}} {
			send.Subject, send.Body = "A question about queues", "What you wrote on queues stayed with me. How do you test yours?"
			sends = append(sends, send)
		}
	}
	errs, err := a.service.PutMembers(t.Context(), members)
	if err := errors.Join(append(errs, err)...); err != nil {
		t.Fatal(err)
	}
	answers, err := a.service.Accept(t.Context(), sends)
	if err != nil {
		t.Fatal(err)
	}
	var ids []domain.ID
	for _, answer := range answers {
		if answer.Err != nil {
			t.Fatal(answer.Err)
		}
		ids = append(ids, answer.ID)
	}
	if _, err := a.service.Deliver(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	first := mailroom.Page{Limit: letters} // the first listing stores that it was
	if _, err := a.service.Inbox(t.Context(), "reader", mailroom.Filter{}, first); err != nil {
		t.Fatal(err)
	}
	if err := a.service.FreePushes(t.Context()); err != nil { // the lease of who brought the others
		t.Fatal(err)
	}
	bringToSalesforce(t, a)
}

// visitor signs in the member whose page a path is, and returns what asks for the page once.
func visitor(t *testing.T, a *app, path string) func() {
	t.Helper()
	key, err := a.service.Authenticate(t.Context(), operatorKey)
	if err != nil {
		t.Fatal(err)
	}
	member := map[string]domain.MemberID{"/inbox": "reader", "/sent": "seller"}[path]
	link, _, err := a.service.MakeSignInLink(t.Context(), key, member)
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	site, person := "http://"+a.apiAddress, &http.Client{Jar: jar, Timeout: patience}
	ask := func(do func() (*http.Response, error)) string {
		resp, err := do()
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		page, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %v", path, resp.StatusCode, err)
		}
		return string(page)
	}
	signIn := func() (*http.Response, error) {
		return person.PostForm(site+"/sign-in/"+link, url.Values{"to": {path}})
	}
	ask(signIn)
	return func() {
		page := ask(func() (*http.Response, error) { return person.Get(site + path) })
		if n := strings.Count(page, "A question about queues"); n != 40 {
			t.Fatalf("the page %s lists %d InMails, want 40", path, n)
		}
	}
}

// figuresOnce computes the figures and lets them be scraped.
func figuresOnce(t *testing.T, a *app) {
	t.Helper()
	if err := a.snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	scrape(t, a)
}

// pagesOnce signs in a reader and a seller and asks for the pages that they begin at.
func pagesOnce(t *testing.T, a *app) {
	t.Helper()
	visitor(t, a, "/inbox")()
	visitor(t, a, "/sent")()
}
