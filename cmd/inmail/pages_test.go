package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"inmail/config"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// browserPatience is when something hangs in the browser.
const browserPatience = 5 * time.Minute

// chromium returns the browser of the machine.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium-headless-shell", "chromium", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("there is no Chromium: .ci/services install, or apt-get install chromium-headless-shell")
	return ""
}

// axeSource installs axe-core as its lock file says, and returns its script.
func axeSource(t *testing.T) string {
	t.Helper()
	const folder = "testdata/axe"
	script := filepath.Join(folder, "node_modules", "axe-core", "axe.min.js")
	if _, err := os.Stat(script); err != nil {
		cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		cmd.Dir = folder
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("npm ci in %s: %v\n%s", folder, err, out)
		}
	}
	source, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// pagesOfTheSample is the program with its sample, and a browser in front of it.
type pagesOfTheSample struct {
	t   *testing.T
	app *app
	all context.Context // of the browser
	axe string
}

// newPages starts the program with its sample, and a browser.
func newPages(t *testing.T) *pagesOfTheSample {
	t.Helper()
	noSettings(t)
	s, err := config.Load(config.Sources{Flags: map[string]string{"data": t.TempDir(), "listen": "127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := build(t.Context(), s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Stop(context.Background()) })
	if err := a.loadSample(t.Context(), new(bytes.Buffer)); err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {})) // it reports what is newer than itself
	t.Cleanup(cancel)
	if err := chromedp.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return &pagesOfTheSample{t: t, app: a, all: ctx, axe: axeSource(t)}
}

// window is somebody in a window of their own, with cookies of their own. It notes everything that a page
// complains about, and every request to another host.
type window struct {
	t    *testing.T
	site string
	ctx  context.Context
	axe  string

	mu     sync.Mutex
	faults []string
}

// as opens a window in which somebody follows a one-time link; no member is the operator.
func (p *pagesOfTheSample) as(t *testing.T, member domain.MemberID) *window {
	t.Helper()
	ctx, cancel := chromedp.NewContext(p.all, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, browserPatience)
	t.Cleanup(cancel)
	w := &window{t: t, site: "http://" + p.app.apiAddress, ctx: ctx, axe: p.axe}
	chromedp.ListenTarget(ctx, w.note)
	key, err := p.app.service.Authenticate(t.Context(), p.app.operatorKey)
	if err != nil {
		t.Fatal(err)
	}
	link, _, err := p.app.service.MakeSignInLink(t.Context(), key, member)
	if err != nil {
		t.Fatal(err)
	}
	w.do("sign in", log.Enable(), network.Enable(), chromedp.Navigate(w.site+"/sign-in/"+link), chromedp.Click("main button", chromedp.ByQuery),
		chromedp.WaitVisible(".who", chromedp.ByQuery))
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, f := range w.faults {
			t.Errorf("%s: %s", member, f)
		}
	})
	return w
}

func (w *window) note(event any) {
	fault := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		fault = "exception: " + e.ExceptionDetails.Error()
	case *runtime.EventConsoleAPICalled:
		fault = "console: " + string(e.Type)
	case *log.EventEntryAdded: // violations of the policy among them
		if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
			fault = "log: " + e.Entry.Text
		}
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || u.Scheme != "data" && u.Host != strings.TrimPrefix(w.site, "http://") {
			fault = "request to " + e.Request.URL
		}
	}
	if fault != "" {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.faults = append(w.faults, fault)
	}
}

// do runs actions; one that hangs fails the test.
func (w *window) do(what string, actions ...chromedp.Action) {
	w.t.Helper()
	if err := chromedp.Run(w.ctx, actions...); err != nil {
		var at, body string
		_ = chromedp.Run(w.ctx, chromedp.Location(&at), chromedp.Text("main", &body, chromedp.ByQuery))
		w.t.Fatalf("%s: %v\nat %s: %.1500s", what, err, at, body)
	}
}

func (w *window) open(path string) {
	w.t.Helper()
	w.do("open "+path, chromedp.Navigate(w.site+path), chromedp.WaitReady("main", chromedp.ByQuery))
}

// click clicks what the selector finds. A part of the page that renews itself at this moment has another in
// its place, which is found anew.
func click(selector string) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		for {
			err := chromedp.Click(selector, chromedp.ByQuery).Do(ctx)
			var gone *cdproto.Error
			if !errors.As(err, &gone) || gone.Code != -32000 || ctx.Err() != nil {
				return err
			}
		}
	})
}

// submit clicks a button and waits for the page that follows.
func (w *window) submit(button string) {
	w.t.Helper()
	w.do("submit "+button, chromedp.Evaluate(`window.before = true`, nil), click(button))
	w.until("the page after "+button, `!window.before && document.readyState === "complete"`)
}

// reads waits until the page says something.
func (w *window) reads(words string) {
	w.t.Helper()
	w.until(words, fmt.Sprintf("document.body.innerText.includes(%q)", words))
}

// until waits for a condition. The policy of the pages forbids what chromedp.Poll does.
func (w *window) until(what, condition string) {
	w.t.Helper()
	for range 1200 {
		holds := false
		if err := chromedp.Run(w.ctx, chromedp.Evaluate(condition, &holds)); err == nil && holds {
			return
		} else if w.ctx.Err() != nil {
			break
		}
		_ = chromedp.Run(w.ctx, chromedp.Sleep(25*time.Millisecond)) // the page may be changing
	}
	w.do("wait for "+what, chromedp.ActionFunc(func(context.Context) error { return errors.New("it does not come") }))
}

// accessible runs axe-core on the page that is open.
func (w *window) accessible(name string) {
	w.t.Helper()
	var found []struct {
		ID, Help string
		Nodes    []struct{ HTML string }
	}
	await := func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
	w.do("axe on "+name, chromedp.Evaluate(w.axe+"; void 0", nil),
		chromedp.Evaluate(`axe.run(document, {runOnly: ["wcag2a","wcag2aa","wcag21a","wcag21aa","wcag22aa","best-practice"]}).then(r => r.violations)`, &found, await))
	for _, v := range found {
		w.t.Errorf("%s: axe: %s (%s), %d times: %.300s", name, v.ID, v.Help, len(v.Nodes), v.Nodes[0].HTML)
	}
}

// look sets the width and the colours, and takes a picture. Nothing may stand wider than the window.
func (w *window) look(name string, width int64, scheme string) []byte {
	w.t.Helper()
	var wide int64
	var picture []byte
	w.do("look at "+name, emulation.SetDeviceMetricsOverride(width, 900, 1, width < 500),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
		chromedp.Evaluate("document.documentElement.scrollWidth", &wide),
		chromedp.ActionFunc(func(ctx context.Context) (err error) {
			picture, err = page.CaptureScreenshot().Do(ctx)
			return err
		}))
	if wide > width {
		w.t.Errorf("%s at %d pixels is %d wide", name, width, wide)
	}
	return picture
}

// TestPagesInABrowser plays on the pages of the running program in real Chromium, and looks at every page.
func TestPagesInABrowser(t *testing.T) {
	p := newPages(t)
	t.Run("a week", p.week)
	t.Run("keys", p.keys)
	t.Run("every page", p.everyPage)
}

// renew asks for what is new in a list, as the page itself does every few seconds.
const renew = `fill(document.querySelector("[data-part=list]"), location.href); `

// week is four people: a seller writes and is refused, the reader opens and answers or declines, the seller
// takes back, the operator looks on.
func (p *pagesOfTheSample) week(t *testing.T) {
	p.t = t
	seller, reader := p.as(t, "lena.hart"), p.as(t, "patient.park")
	reader.open("/inbox")
	reader.reads("Inbox")

	// Refused while it is written, with the reason beside it.
	seller.open("/new")
	seller.do("to a connection", chromedp.SendKeys("#to", "friend.finch", chromedp.ByQuery))
	seller.reads("You are connected already")
	seller.do("to the reader", chromedp.Evaluate(`document.querySelector("#to").value = ""`, nil), chromedp.SendKeys("#to", "patient.park", chromedp.ByQuery),
		chromedp.SendKeys("#subject", "Your talk on planning", chromedp.ByQuery),
		chromedp.SendKeys("#body", "Hi Petra, what you said about ", chromedp.ByQuery), click(`[data-wrap="**"]`),
		chromedp.SendKeys("#body", "planning", chromedp.ByQuery))
	seller.reads("Petra Park")
	seller.reads("Can be reached now.")
	var typed string
	seller.do("read what was typed", chromedp.Value("#body", &typed, chromedp.ByQuery))
	if typed != "Hi Petra, what you said about **planning**" {
		t.Errorf("the button for bold made %q", typed)
	}
	seller.accessible("a letter with advice")
	seller.submit(".composer .primary")
	seller.reads("Your InMail is on its way")

	// It arrives by itself, and is opened and answered.
	reader.until("the letter", renew+`document.body.innerText.includes("Your talk on planning")`)
	reader.submit(".item a")
	reader.reads("what you said about planning")
	reader.accessible("a conversation")
	reader.do("answer", chromedp.SendKeys("#reply", "Tuesday at ten suits me.", chromedp.ByQuery))
	reader.submit(".reply .primary")
	reader.reads("Your reply was sent.")
	seller.open("/inbox")
	seller.reads("Tuesday at ten suits me.")
	seller.submit(".item a")
	seller.reads("Answered")
	seller.do("open the retraction", click(`a[href$="/retract"]`), chromedp.WaitVisible(".danger", chromedp.ByQuery))
	seller.accessible("a retraction")
	seller.submit(".danger")
	seller.reads("what was read stays read")

	// Another is declined, reported, and its sender blocked.
	recruiter := p.as(t, "sofia.lind")
	recruiter.open("/new?to=patient.park")
	recruiter.do("write", chromedp.SendKeys("#subject", "A role that needs planning", chromedp.ByQuery),
		chromedp.SendKeys("#body", "Hi Petra, your path to procurement is what a team of eight looks for. Would you like to hear more?", chromedp.ByQuery))
	recruiter.submit(".composer .primary")
	reader.open("/inbox")
	reader.until("the second letter", renew+`document.body.innerText.includes("A role that needs planning")`)
	reader.submit(".item a")
	reader.do("a word", chromedp.SendKeys("#word", "Not this year", chromedp.ByQuery))
	reader.submit(".decline button")
	reader.reads("You declined this InMail")
	reader.do("open what else there is", click(".others summary"))
	reader.submit(`form[action$="/report"] button`)
	reader.reads("the report was received")
	reader.do("open what else there is", click(".others summary"))
	reader.submit(`form[action$="/block"] button`)
	reader.reads("can no longer write to you")
	recruiter.open("/sent")
	recruiter.reads("declined")
	recruiter.submit(".what a")
	recruiter.reads("Not this year")

	operator := p.as(t, "")
	operator.open("/works/audit")
	operator.reads("refused")
	operator.open("/works/crm")
	operator.submit(`form[action="/works/crm/pause"] button`)
	operator.reads("The sync is paused")
	operator.accessible("a paused sync")
	operator.submit(`form[action="/works/crm/resume"] button`)
	operator.reads("The sync goes on.")
}

// keys uses no pointer.
func (p *pagesOfTheSample) keys(t *testing.T) {
	p.t = t
	seller := p.as(t, "tomas.reyes")
	seller.open("/sent")
	seller.do("next, next, previous, open", chromedp.KeyEvent("j"), chromedp.KeyEvent("j"), chromedp.KeyEvent("k"))
	var first, focused string
	seller.do("read the focus", chromedp.Evaluate(`document.querySelector("[data-steps] a").href`, &first), chromedp.Evaluate(`document.activeElement.href`, &focused))
	if focused != first {
		t.Errorf("j, j, k focuses %s, want %s", focused, first)
	}
	seller.do("open", chromedp.KeyEvent("e"))
	seller.reads("What became of it")
	seller.do("write", chromedp.KeyEvent("c"))
	seller.reads("Write an InMail")
	seller.open("/sent")
	seller.do("list of keys", chromedp.KeyEvent("?"), chromedp.WaitVisible("#keys", chromedp.ByQuery))
	seller.accessible("the list of keys")
}

// everyPage looks at every page at three widths, light and dark, and runs axe-core on each.
func (p *pagesOfTheSample) everyPage(t *testing.T) {
	p.t = t
	recipient := config.NewSample(time.Now().UTC()).Recipient(time.Now().UTC())
	service := p.app.service
	inbox, err := service.Inbox(t.Context(), recipient, mailroom.Filter{}, mailroom.Page{Limit: 10})
	if err != nil || len(inbox.Items) == 0 {
		t.Fatalf("the recipient of the sample has %d InMails, %v", len(inbox.Items), err)
	}
	sent, err := service.Sent(t.Context(), "lena.hart", mailroom.Filter{Status: domain.Replied}, mailroom.Page{Limit: 1})
	if err != nil || len(sent) == 0 {
		t.Fatal("the seller of the sample has nothing that was answered", err)
	}
	folder := os.Getenv("INMAIL_TEST_PICTURES") // where to keep the pictures; empty: nowhere
	for _, visit := range []struct {
		member domain.MemberID
		pages  map[string]string
	}{
		{recipient, map[string]string{"inbox": "/inbox", "conversation": "/inbox/" + string(inbox.Items[len(inbox.Items)-1].InMail), "settings": "/me", "problem": "/sent/019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"}},
		{"lena.hart", map[string]string{"sent": "/sent", "letter": "/sent/" + string(sent[0].InMail.ID), "new": "/new?to=patient.park", "campaign": "/campaign", "me": "/me", "figures": "/figures", "length": "/figures/length"}},
		{"", map[string]string{"works": "/works", "crm": "/works/crm", "queue": "/works/queue", "people": "/works/people?member=max.loud", "held": "/works/people", "banned": "/works/banned",
			"keys-of-the-api": "/works/keys", "audit": "/works/audit", "erase": "/works/people/erase?member=max.loud", "tags": "/figures/tag"}},
	} {
		w := p.as(t, visit.member)
		for name, path := range visit.pages {
			w.open(path)
			w.accessible(name)
			for _, width := range []int64{360, 800, 1600} {
				for _, scheme := range []string{"light", "dark"} {
					picture := w.look(name, width, scheme)
					if folder != "" {
						if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), picture, 0o644); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		}
		if w.mu.Lock(); visit.member == recipient { // the browser itself notes the 404 of the problem
			w.faults = nil
		}
		w.mu.Unlock()
	}
}
