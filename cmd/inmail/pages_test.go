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
	"regexp"
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
	"github.com/chromedp/chromedp/kb"

	"inmail/config"
	"inmail/connectors/porttest/nodetest"
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
	nodetest.Install(t, folder)
	source, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// browser is one Chromium, in which each window has cookies of its own.
type browser struct {
	ctx context.Context
	axe string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {})) // it reports what is newer than itself
	t.Cleanup(cancel)
	if err := chromedp.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return &browser{ctx: ctx, axe: axeSource(t)}
}

// front is a running program with the browser in front of it.
type front struct {
	*browser
	app *app
}

// sample starts the program with its sample.
func (b *browser) sample(t *testing.T) *front {
	t.Helper()
	return b.serve(t, config.Sources{Flags: map[string]string{"data": t.TempDir(), "listen": "127.0.0.1:0"}},
		func(a *app) error { return a.loadSample(t.Context(), new(bytes.Buffer)) })
}

// serve starts the program with settings, after what is to be done before.
func (b *browser) serve(t *testing.T, from config.Sources, before ...func(*app) error) *front {
	t.Helper()
	noSettings(t)
	s, err := config.Load(from)
	if err != nil {
		t.Fatal(err)
	}
	a, err := build(t.Context(), s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Stop(context.Background()) })
	for _, do := range append(before, func(a *app) error { return a.Start(t.Context()) }) {
		if err := do(a); err != nil {
			t.Fatal(err)
		}
	}
	return &front{b, a}
}

// way is how somebody uses a page.
type way int

const (
	byPointer way = iota
	byKeys        // no pointer at all
	noScript      // a pointer, and no script
)

// window is somebody in a window of their own, with cookies of their own. It notes everything that a page
// complains about, and every request to another host.
type window struct {
	t    *testing.T
	site string
	also string // a host beside the site that it may ask
	ctx  context.Context
	axe  string
	by   way

	mu     sync.Mutex
	faults []string
	warned bool // a page has asked whether to leave it
}

// window opens a window of somebody who is not signed in.
func (f *front) window(t *testing.T, who string, by way) *window {
	t.Helper()
	ctx, cancel := chromedp.NewContext(f.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, browserPatience)
	t.Cleanup(cancel)
	w := &window{t: t, site: "http://" + f.app.apiAddress, ctx: ctx, axe: f.axe, by: by}
	chromedp.ListenTarget(ctx, w.note)
	w.do("open a window", log.Enable(), network.Enable())
	if by == noScript {
		w.do("do without script", emulation.SetScriptExecutionDisabled(true))
	}
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, fault := range w.faults {
			t.Errorf("%s: %s", who, fault)
		}
	})
	return w
}

// link makes a one-time link for somebody; no member is the operator.
func (f *front) link(t *testing.T, member domain.MemberID) string {
	t.Helper()
	key, err := f.app.service.Authenticate(t.Context(), f.app.operatorKey)
	if err != nil {
		t.Fatal(err)
	}
	link, _, err := f.app.service.MakeSignInLink(t.Context(), key, member)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// as opens a window in which somebody follows a one-time link; no member is the operator.
func (f *front) as(t *testing.T, member domain.MemberID, by way) *window {
	t.Helper()
	w := f.window(t, string(member), by)
	w.open("/sign-in/" + f.link(t, member))
	w.submit("main button")
	w.do("be signed in", chromedp.WaitVisible(".who", chromedp.ByQuery))
	return w
}

// refusedStatus is what the browser logs of a page whose form was refused, or that is not there.
var refusedStatus = regexp.MustCompile(`status of (400|401|403|404|422) `)

func (w *window) note(event any) {
	fault := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		fault = "exception: " + e.ExceptionDetails.Error()
	case *runtime.EventConsoleAPICalled:
		fault = "console: " + string(e.Type)
	case *log.EventEntryAdded: // violations of the policy among them; the status of a refusal is none
		if (e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning) && !refusedStatus.MatchString(e.Entry.Text) {
			fault = "log: " + e.Entry.Text
		}
	case *page.EventJavascriptDialogOpening:
		if e.Type != page.DialogTypeBeforeunload {
			fault = "dialog: " + e.Message
		}
		w.mu.Lock()
		w.warned = true
		w.mu.Unlock()
		go func() { _ = chromedp.Run(w.ctx, page.HandleJavaScriptDialog(false)) }() // it stays
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || u.Scheme != "data" && u.Host != strings.TrimPrefix(w.site, "http://") && (w.also == "" || u.Host != w.also) {
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

// press uses a button or a link, by pointer or by keys.
func (w *window) press(selector string) {
	w.t.Helper()
	if w.by != byKeys {
		w.do("click "+selector, click(selector))
		return
	}
	w.tabTo(selector)
	w.do("press "+selector, chromedp.KeyEvent(kb.Enter))
}

// tabTo moves the focus by the tab key alone to what the selector finds first. Where it arrives, the focus
// can be seen.
func (w *window) tabTo(selector string) {
	w.t.Helper()
	var at string
	condition := fmt.Sprintf(`(wanted => wanted && wanted === document.activeElement ? getComputedStyle(wanted).outlineStyle : "")(document.querySelector(%q))`, selector)
	for range 300 {
		w.do("tab to "+selector, chromedp.KeyEvent(kb.Tab), chromedp.Evaluate(condition, &at))
		if at == "none" {
			w.t.Errorf("the focus on %s cannot be seen", selector)
		}
		if at != "" {
			return
		}
	}
	w.do("tab to "+selector, chromedp.ActionFunc(func(context.Context) error { return errors.New("the tab key does not lead there") }))
}

// enter types a text into a field.
func (w *window) enter(selector, text string) {
	w.t.Helper()
	if w.by == byKeys {
		w.tabTo(selector)
		w.do("type into "+selector, chromedp.KeyEvent(text))
		return
	}
	w.do("type into "+selector, chromedp.SendKeys(selector, text, chromedp.ByQuery))
}

// put sets a field at once, for texts that nobody would type.
func (w *window) put(selector, text string) {
	w.t.Helper()
	w.do("fill in "+selector, chromedp.Evaluate(fmt.Sprintf(`document.querySelector(%q).value = %q`, selector, text), nil))
}

// submit presses a button and waits for the page that follows.
func (w *window) submit(button string) {
	w.t.Helper()
	w.do("mark the page", chromedp.Evaluate(`window.before = true`, nil))
	w.press(button)
	w.until("the page after "+button, `!window.before && document.readyState === "complete"`)
}

// await opens a page again until it says something: what the workers do takes a moment.
func (w *window) await(path, words string) {
	w.t.Helper()
	for {
		w.open(path)
		said := false
		w.do("read "+path, chromedp.Evaluate(fmt.Sprintf("document.body.innerText.includes(%q)", words), &said))
		if said {
			return
		}
		w.do("wait for "+words, chromedp.Sleep(100*time.Millisecond))
	}
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

// awaited lets an expression be a promise.
func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// accessible runs axe-core on the page that is open.
func (w *window) accessible(name string) {
	w.t.Helper()
	var found []struct {
		ID, Help string
		Nodes    []struct{ HTML string }
	}
	w.do("axe on "+name, chromedp.Evaluate(w.axe+"; void 0", nil),
		chromedp.Evaluate(`axe.run(document, {runOnly: ["wcag2a","wcag2aa","wcag21a","wcag21aa","wcag22aa","best-practice"]}).then(r => r.violations)`, &found, awaited))
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

// keep stores a picture in the folder that INMAIL_TEST_PICTURES names, if any.
func (w *window) keep(name string, picture []byte) {
	w.t.Helper()
	if folder := os.Getenv("INMAIL_TEST_PICTURES"); folder != "" {
		if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
}

// TestPagesInABrowser plays on the pages of the running program in real Chromium, and looks at every page.
func TestPagesInABrowser(t *testing.T) {
	b := newBrowser(t)
	t.Run("a week by keys, sqlite", func(t *testing.T) { b.week(t, "", byKeys) })
	t.Run("a week by pointer, postgres", func(t *testing.T) { b.week(t, database(t), byPointer) })
	t.Run("single sign-on", b.singleSignOn)
	sample := b.sample(t)
	t.Run("keys", sample.keys)
	t.Run("every page", sample.everyPage)
	t.Run("without script", sample.withoutScript)
	t.Run("the page of the queue", sample.queuePage)
	t.Run("no frame around it", sample.frame)
	t.Run("hostile texts", sample.hostile)
}

// keys uses no pointer.
func (f *front) keys(t *testing.T) {
	seller := f.as(t, "tomas.reyes", byKeys)
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

// readable finds texts whose lines have far more than 80 characters.
func (w *window) readable(name string) {
	w.t.Helper()
	var long []string
	w.do("measure the lines of "+name, chromedp.Evaluate(`[...document.querySelectorAll("main p, main li, main dd")].filter(e => !e.querySelector("p, li, a, form, .vh")).flatMap(e => {
		const r = document.createRange();
		r.selectNodeContents(e);
		const lines = new Set([...r.getClientRects()].map(b => Math.round(b.bottom / 8))).size, text = e.innerText.trim();
		return text.length / Math.max(lines, 1) > 88 ? [Math.round(text.length / lines) + " a line: " + text] : [];
	})`, &long))
	for _, text := range long {
		w.t.Errorf("%s: %.200s", name, text)
	}
}

// everyPage looks at every page at three widths, light and dark, and runs axe-core on each.
func (f *front) everyPage(t *testing.T) {
	recipient := config.NewSample(time.Now().UTC()).Recipient(time.Now().UTC())
	service := f.app.service
	inbox, err := service.Inbox(t.Context(), recipient, mailroom.Filter{}, mailroom.Page{Limit: 10})
	if err != nil || len(inbox.Items) == 0 {
		t.Fatalf("the recipient of the sample has %d InMails, %v", len(inbox.Items), err)
	}
	sent, err := service.Sent(t.Context(), "lena.hart", mailroom.Filter{Status: domain.Replied}, mailroom.Page{Limit: 1})
	if err != nil || len(sent) == 0 {
		t.Fatal("the seller of the sample has nothing that was answered", err)
	}
	for _, visit := range []struct {
		member domain.MemberID
		pages  map[string]string
	}{
		{recipient, map[string]string{"inbox": "/inbox", "conversation": "/inbox/" + string(inbox.Items[len(inbox.Items)-1].InMail), "settings": "/me", "problem": "/sent/019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"}},
		{"lena.hart", map[string]string{"sent": "/sent", "letter": "/sent/" + string(sent[0].InMail.ID), "new": "/new?to=patient.park", "campaign": "/campaign", "me": "/me", "figures": "/figures", "length": "/figures/length", "own-tags": "/figures/tag", "nothing": "/sent?tag=no-such-tag"}},
		{"", map[string]string{"works": "/works", "crm": "/works/crm", "queue": "/works/queue", "people": "/works/people?member=max.loud", "held": "/works/people", "banned": "/works/banned",
			"keys-of-the-api": "/works/keys", "audit": "/works/audit", "acts": "/works/audit?kind=acts", "webhooks": "/works/webhooks", "erase": "/works/people/erase?member=max.loud", "tags": "/figures/tag"}},
	} {
		w := f.as(t, visit.member, byPointer)
		for name, path := range visit.pages {
			w.open(path)
			w.accessible(name)
			for _, width := range []int64{360, 800, 1600} {
				for _, scheme := range []string{"light", "dark"} {
					w.keep(fmt.Sprintf("%s-%d-%s", name, width, scheme), w.look(name, width, scheme))
					if width == 1600 && scheme == "light" {
						w.readable(name)
					}
				}
			}
		}
	}
}
