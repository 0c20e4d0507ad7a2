package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"inmail/connectors/web/webtest"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// hostile puts hostile texts and names on the pages that list and show them: nothing runs, and nothing is
// wider than the window, on a phone and on a wide screen.
func (f *front) hostile(t *testing.T) {
	service, ctx := f.app.service, t.Context()
	cut := func(text string, n int) string { return strings.ToValidUTF8(text[:min(n, len(text))], "") }
	people := []domain.Member{domain.NewMember("target", "Tara Target")}
	var sends []mailroom.Send
	for i, text := range webtest.Hostile {
		m := domain.NewMember(domain.MemberID(fmt.Sprintf("hostile%d", i)), cut(text, 190))
		m.Headline, m.Company, m.AccountType, m.Plan = cut(text, 190), cut(text, 190), domain.Recruiter, "recruiter_50"
		people = append(people, m)
		sends = append(sends, mailroom.Send{From: m.ID, To: "target", Subject: text, Body: "Hi.\n\n" + text, Tags: []string{cut(text, 30)}})
	}
	if _, err := service.PutMembers(ctx, people); err != nil { // a name that a rule refuses leaves the others
		t.Fatal(err)
	}
	answers, err := service.Accept(ctx, sends)
	if err != nil {
		t.Fatal(err)
	}
	const long = domain.MemberID("hostile38") // a name and a subject of 190 times W
	var ids []domain.ID
	var wide domain.ID
	for i, a := range answers {
		if a.Err == nil {
			ids = append(ids, a.ID)
			if sends[i].From == long {
				wide = a.ID
			}
		}
	}
	if len(ids) < 25 || wide == "" {
		t.Fatalf("%d of %d hostile letters were accepted, that of %s: %q", len(ids), len(sends), long, wide)
	}
	if _, err := service.Deliver(ctx, ids); err != nil {
		t.Fatal(err)
	}
	operator := mailroom.Viewer{Operator: true, KeyID: "test"}
	for _, text := range webtest.Hostile {
		_ = service.Ban(ctx, operator, domain.Ban{Kind: domain.BanCompany, Value: cut(text, 190), Reason: text}) // some are refused
	}
	for member, paths := range map[domain.MemberID][]string{
		"target": {"/inbox", "/inbox/" + string(wide), "/inbox/" + string(ids[0]), "/inbox/" + string(ids[len(ids)-1])},
		long:     {"/sent", "/sent/" + string(wide), "/me", "/new?to=target"},
		"": {"/works/people?member=" + string(long), "/works/people?member=hostile", "/works/banned", "/works/audit", "/figures/tag",
			"/works/people/erase?member=" + string(long)},
	} {
		w := f.as(t, member, byPointer)
		for _, path := range paths {
			w.open(path)
			for _, width := range []int64{360, 1600} {
				w.keep(fmt.Sprintf("hostile%s-%d", strings.NewReplacer("/", "-", "?", "-", "=", "-", string(wide), "wide", string(ids[0]), "first").Replace(path), width),
					w.look(path, width, "light"))
			}
		}
	}
}

// frame lets a page of another site put ours into a frame, where it must not appear.
func (f *front) frame(t *testing.T) {
	w := f.as(t, "lena.hart", byPointer)
	other := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(rw, `<!doctype html><title>x</title><main><iframe src="%s/sent" width="600" height="300"></iframe></main>`, w.site)
	}))
	defer other.Close()
	w.do("open the other site", chromedp.Navigate(other.URL))
	refused := func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, fault := range w.faults {
			if strings.Contains(fault, "frame-ancestors") || strings.Contains(fault, "X-Frame-Options") {
				return true
			}
		}
		return false
	}
	for !refused() { // the browser notes why the frame stays empty
		w.do("wait for the browser's refusal", chromedp.Sleep(20*time.Millisecond))
	}
	w.do("look into the frame", chromedp.ActionFunc(func(ctx context.Context) error {
		tree, err := page.GetFrameTree().Do(ctx)
		if err == nil {
			for _, child := range tree.ChildFrames {
				if strings.HasPrefix(child.Frame.URL, w.site) {
					t.Errorf("another site has %s in a frame", child.Frame.URL)
				}
			}
		}
		return err
	}))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = nil // the other site was asked for
}

// queuePage opens the page of the queue's library, which loads nothing from elsewhere.
func (f *front) queuePage(t *testing.T) {
	w := f.window(t, "the queue", byPointer)
	password := base64.StdEncoding.EncodeToString([]byte("x:" + f.app.operatorKey))
	w.do("open the queue", network.SetExtraHTTPHeaders(network.Headers{"Authorization": "Basic " + password}), chromedp.Navigate(w.site+"/queues"))
	w.until("the queues", `document.body.innerText.includes("upkeep")`)
}
