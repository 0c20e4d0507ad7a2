package web_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"inmail/connectors/web"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// nodes returns the elements of a page with a name; all when it is empty.
func nodes(t *testing.T, page, name string) (found []*html.Node) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && (name == "" || n.Data == name) {
			found = append(found, n)
		}
	}
	return found
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// textOf returns what a reader sees of an element, in one line.
func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// text returns what a reader sees of a page, in one line.
func text(page string) string {
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return page
	}
	var b strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
			b.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// sound checks what holds for every page: its headers, and that nothing in it runs, styles itself, or loads
// anything from elsewhere.
func sound(t *testing.T, a answer) {
	t.Helper()
	for name, want := range map[string]string{"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "same-origin", "Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("header %s: %q, want %q", name, got, want)
		}
	}
	policy := a.header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy lacks %s: %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("policy: %s", policy)
	}
	if a.status == http.StatusSeeOther || a.header.Get("Content-Type") != "text/html; charset=utf-8" {
		return
	}
	if h1 := nodes(t, a.body, "h1"); len(h1) != 1 {
		t.Errorf("%d headings of the first level, want 1", len(h1))
	}
	ids := map[string]bool{}
	for _, n := range nodes(t, a.body, "") {
		if id := attr(n, "id"); id != "" && ids[id] {
			t.Errorf("two elements have the id %s", id)
		} else {
			ids[id] = true
		}
		for _, at := range n.Attr {
			if strings.HasPrefix(at.Key, "on") || at.Key == "style" || at.Key == "srcdoc" {
				t.Errorf("<%s> has the attribute %s", n.Data, at.Key)
			}
		}
		switch n.Data {
		case "script":
			if n.FirstChild != nil || !strings.HasPrefix(attr(n, "src"), "/assets/") {
				t.Error("a script of its own stands in the page")
			}
		case "style", "iframe", "object", "embed", "base", "img":
			t.Errorf("<%s> stands in the page", n.Data)
		case "link":
			if !strings.HasPrefix(attr(n, "href"), "/assets/") {
				t.Errorf("it loads %s", attr(n, "href"))
			}
		case "form":
			if act := attr(n, "action"); act != "" && !strings.HasPrefix(act, "/") {
				t.Errorf("a form goes to %s", act)
			}
		}
	}
	for _, kind := range []string{"input", "textarea"} {
		for _, n := range nodes(t, a.body, kind) {
			if slices.Contains([]string{"hidden", "checkbox", "radio"}, attr(n, "type")) {
				continue
			}
			if !strings.Contains(a.body, `for="`+attr(n, "id")+`"`) {
				t.Errorf("%s %s has no label", kind, attr(n, "name"))
			}
		}
	}
}

// TestEveryPageByRole asks for every page as nobody, a recipient, a sender and an operator.
func TestEveryPageByRole(t *testing.T) {
	w := newWorld(t)
	id := w.sent("Your talk in Hamburg", "Hi Petra, **well done**. Would you have a minute?")
	people := map[string]*browser{"nobody": {w: w}, "reader": w.as("reader"), "seller": w.as("seller"), "operator": w.as("operator")}
	for _, route := range web.RoutesForTest() {
		method, path, _ := strings.Cut(route.Pattern, " ")
		if method != http.MethodGet || strings.HasPrefix(path, "/assets/") {
			continue
		}
		path = strings.NewReplacer("{$}", "", "{id}", string(id), "{link}", "no-such-link", "{cut}", "length", "/erase", "/erase?member=other", "/export", "/export?member=other").Replace(path)
		for who, b := range people {
			t.Run(who+strings.NewReplacer("/", "_", "?", "_").Replace(path), func(t *testing.T) {
				a := b.get(path)
				sound(t, a)
				want := []int{http.StatusOK, http.StatusSeeOther}
				switch {
				case strings.HasSuffix(path, "no-such-link"):
					want = []int{http.StatusConflict}
				case route.Who == "anyone":
				case who == "nobody":
					want = []int{http.StatusSeeOther}
					if path != "/" && a.to() != "/sign-in?to="+url.QueryEscape(path) {
						t.Errorf("it leads to %s", a.to())
					}
				case route.Who == "member" && who == "operator", route.Who == "operator" && who != "operator":
					want = []int{http.StatusForbidden}
				case strings.HasSuffix(path, "/retract") && who == "reader":
					want = []int{http.StatusForbidden}
				}
				if !slices.Contains(want, a.status) {
					t.Errorf("status %d, want one of %v: %s", a.status, want, text(a.body))
				}
				if strings.Contains(a.body, "hidden.example") {
					t.Error("the page has an e-mail address")
				}
			})
		}
	}
}

// TestFormsOfOtherSitesAreRefused sends every form of the list as another site would.
func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	w := newWorld(t)
	id := w.sent("Your talk in Hamburg", "Hi Petra, well done.")
	b := w.as("seller")
	for _, route := range web.RoutesForTest() {
		method, path, _ := strings.Cut(route.Pattern, " ")
		if method != http.MethodPost {
			continue
		}
		path = strings.NewReplacer("{id}", string(id), "{link}", "x").Replace(path)
		for _, head := range []http.Header{{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}},
			{"Sec-Fetch-Site": nil, "Origin": {"https://evil.example"}}, {"Sec-Fetch-Site": nil, "Origin": {"null"}}} {
			b.head = head
			if a := b.post(path); a.status != http.StatusForbidden {
				t.Errorf("%s with %v: %d, want 403", path, head, a.status)
			}
		}
		b.head = nil
	}
	if a := b.get("/sent"); a.status != http.StatusOK {
		t.Errorf("afterwards the seller is not signed in: %d", a.status)
	}
}

func TestSession(t *testing.T) {
	t.Run("the cookie is out of reach", func(t *testing.T) {
		w := newWorld(t)
		b := w.as("reader")
		if c := b.cookie; !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.Path != "/" || c.Name != "inmail" || c.MaxAge != 12*3600 {
			t.Errorf("cookie %+v", c)
		}
		b = &browser{w: w, head: http.Header{"X-Forwarded-Proto": {"https"}}}
		b.post("/sign-in", "key", w.keys["reader"])
		if c := b.cookie; c == nil || !c.Secure || c.Name != "__Host-inmail" {
			t.Errorf("behind TLS: cookie %+v", c)
		}
		if a := b.get("/inbox"); a.status != http.StatusOK {
			t.Errorf("behind TLS: %d", a.status)
		}
	})
	t.Run("a wrong key is refused and not shown again", func(t *testing.T) {
		w := newWorld(t)
		b := &browser{w: w}
		a := b.post("/sign-in", "key", "inm_wrong")
		if a.status != http.StatusUnauthorized || b.cookie != nil || strings.Contains(a.body, "inm_wrong") {
			t.Errorf("%d, cookie %v", a.status, b.cookie)
		}
		sound(t, a)
	})
	t.Run("signing in makes a new session and ends the old one", func(t *testing.T) {
		w := newWorld(t)
		b := w.as("reader")
		planted := *b.cookie
		b.post("/sign-in", "key", w.keys["seller"])
		if b.cookie.Value == planted.Value {
			t.Error("the session is the same")
		}
		if a := (&browser{w: w, cookie: &planted}).get("/inbox"); a.status != http.StatusSeeOther {
			t.Errorf("the old session: %d", a.status)
		}
		forged := &browser{w: w, cookie: &http.Cookie{Name: "inmail", Value: strings.Repeat("a", 64)}}
		if a := forged.get("/inbox"); a.status != http.StatusSeeOther {
			t.Errorf("a session that nobody made: %d", a.status)
		}
	})
	t.Run("signing out ends it", func(t *testing.T) {
		w := newWorld(t)
		b := w.as("reader")
		kept := *b.cookie
		if a := b.follow(b.post("/sign-out")); b.cookie != nil || !strings.Contains(text(a.body), "signed out") {
			t.Errorf("%d: %s", a.status, text(a.body))
		}
		if a := (&browser{w: w, cookie: &kept}).get("/inbox"); a.status != http.StatusSeeOther {
			t.Errorf("afterwards: %d", a.status)
		}
	})
	t.Run("it ends after twelve hours", func(t *testing.T) {
		w := newWorld(t)
		b := w.as("reader")
		w.clock.advance(12*time.Hour - time.Millisecond)
		if a := b.get("/inbox"); a.status != http.StatusOK {
			t.Errorf("1 ms before: %d", a.status)
		}
		w.clock.advance(time.Millisecond)
		if a := b.get("/inbox"); a.status != http.StatusSeeOther {
			t.Errorf("after 12 h: %d", a.status)
		}
	})
	t.Run("it ends with its key", func(t *testing.T) {
		w := newWorld(t)
		id := w.key("second", mailroom.RoleMember, "reader")
		b, first := w.as("second"), w.as("reader")
		if err := w.svc.DeleteKey(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if a := b.get("/inbox"); a.status != http.StatusSeeOther {
			t.Errorf("after its key: %d", a.status)
		}
		if a := first.get("/inbox"); a.status != http.StatusOK {
			t.Errorf("the session of another key: %d", a.status)
		}
	})
	t.Run("it ends when its key expires", func(t *testing.T) {
		w := newWorld(t)
		_, key, err := w.svc.CreateKey(t.Context(), mailroom.Viewer{}, mailroom.NewKey{Role: mailroom.RoleMember, Member: "reader", ExpiresAt: t0.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		w.keys["short"] = key
		b := w.as("short")
		w.clock.advance(time.Hour)
		if a := b.get("/inbox"); a.status != http.StatusSeeOther {
			t.Errorf("after its key's end: %d", a.status)
		}
	})
	t.Run("a key that only reads changes nothing", func(t *testing.T) {
		w := newWorld(t)
		_, key, err := w.svc.CreateKey(t.Context(), mailroom.Viewer{}, mailroom.NewKey{Role: mailroom.RoleMember, Member: "reader", ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		w.keys["reads"] = key
		b := w.as("reads")
		if a := b.post("/me"); a.status != http.StatusForbidden || !strings.Contains(text(a.body), "only reads") {
			t.Errorf("settings: %d", a.status)
		}
		if a := b.post("/new/check", "to", "other"); a.status != http.StatusOK {
			t.Errorf("a check: %d", a.status)
		}
		b.post("/sign-out")
		if b.cookie != nil {
			t.Error("it cannot sign out")
		}
	})
	t.Run("it ends with its member", func(t *testing.T) {
		w := newWorld(t)
		key, err := w.svc.Authenticate(t.Context(), w.keys["operator"])
		if err != nil {
			t.Fatal(err)
		}
		link, _, err := w.svc.MakeSignInLink(t.Context(), key, "other")
		if err != nil {
			t.Fatal(err)
		}
		b := &browser{w: w}
		b.post("/sign-in/" + link)
		if err := w.svc.Erase(t.Context(), mailroom.Viewer{Operator: true}, "other"); err != nil {
			t.Fatal(err)
		}
		if a := b.get("/inbox"); a.status != http.StatusSeeOther {
			t.Errorf("after the erasure: %d", a.status)
		}
	})
}

func TestSignInLink(t *testing.T) {
	w := newWorld(t)
	key, err := w.svc.Authenticate(t.Context(), w.keys["operator"])
	if err != nil {
		t.Fatal(err)
	}
	link := func(member domain.MemberID) string {
		token, _, err := w.svc.MakeSignInLink(t.Context(), key, member)
		if err != nil {
			t.Fatal(err)
		}
		return "/sign-in/" + token
	}
	path := link("reader")
	b := &browser{w: w}
	for range 2 { // looking at it uses nothing up
		if a := b.get(path + "?to=/me"); a.status != http.StatusOK || !strings.Contains(text(a.body), "Petra Park") || b.cookie != nil {
			t.Fatalf("%d: %s", a.status, text(a.body))
		}
	}
	if a := b.post(path, "to", "/me"); a.to() != "/me" || b.cookie == nil {
		t.Errorf("it leads to %q", a.to())
	}
	if a := b.get("/me"); !strings.Contains(text(a.body), "Petra Park") {
		t.Errorf("signed in: %s", text(a.body))
	}
	second := &browser{w: w}
	if a := second.post(path); a.status != http.StatusConflict || second.cookie != nil {
		t.Errorf("a second time: %d", a.status)
	}
	old := link("reader")
	w.clock.advance(mailroom.LinkFor)
	if a := second.post(old); a.status != http.StatusConflict || second.cookie != nil {
		t.Errorf("after its day: %d", a.status)
	}
	operator := &browser{w: w}
	operator.post(link(""))
	if a := operator.get("/works"); a.status != http.StatusOK {
		t.Errorf("the operator's link: %d", a.status)
	}
	own, err := w.svc.Authenticate(t.Context(), w.keys["reader"])
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range []domain.MemberID{"seller", ""} {
		if _, _, err := w.svc.MakeSignInLink(t.Context(), own, member); err == nil {
			t.Errorf("a member key made a link for %q", member)
		}
	}
	// A session's secret is no link, and a link's is no session.
	if a := second.post("/sign-in/" + b.cookie.Value); a.status != http.StatusConflict {
		t.Errorf("a session as a link: %d", a.status)
	}
	unused := link("reader")
	as := &browser{w: w, cookie: &http.Cookie{Name: "inmail", Value: strings.TrimPrefix(unused, "/sign-in/")}}
	if a := as.get("/inbox"); a.status != http.StatusSeeOther {
		t.Errorf("a link as a session: %d", a.status)
	}
}

func TestSignInLeadsNowhereElse(t *testing.T) {
	w := newWorld(t)
	for to, want := range map[string]string{
		"/inbox": "/inbox", "/sent?status=opened": "/sent?status=opened", "": "/", "/": "/",
		"https://evil.example": "/", "//evil.example": "/", "/\\evil.example": "/", "/\t/evil.example": "/", "javascript:alert(1)": "/",
		"/no-such-page": "/", "http:/inbox": "/", "/%09/evil.example": "/", "\\\\evil.example": "/", "/v1/inmails": "/",
	} {
		b := &browser{w: w}
		if a := b.post("/sign-in", "key", w.keys["seller"], "to", to); a.to() != want {
			t.Errorf("to %q it leads to %q, want %q", to, a.to(), want)
		}
	}
}

// TestRootIsForBrowsers checks that programs still get what the API answers at /.
func TestRootIsForBrowsers(t *testing.T) {
	w := newWorld(t)
	for accept, want := range map[string]string{"": "", "application/json": "", "*/*": "", "text/html,*/*;q=0.8": "/"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept", accept)
		if got := w.site.Route(r); got != want {
			t.Errorf("Accept %q: %q, want %q", accept, got, want)
		}
	}
	for _, path := range []string{"/v1/inmails", "/queues", "/nowhere", "/inbox/a/b", "/livez"} {
		if got := w.site.Route(httptest.NewRequest(http.MethodGet, path, nil)); got != "" {
			t.Errorf("%s is the page %s", path, got)
		}
	}
	for who, want := range map[string]string{"seller": "/sent", "reader": "/inbox", "operator": "/works"} {
		if a := w.as(who).get("/"); a.to() != want {
			t.Errorf("%s begins at %s, want %s", who, a.to(), want)
		}
	}
}

func TestAssets(t *testing.T) {
	w := newWorld(t)
	b := &browser{w: w}
	page := b.get("/sign-in")
	total := len(page.body)
	for _, n := range append(nodes(t, page.body, "link"), nodes(t, page.body, "script")...) {
		path := attr(n, "href") + attr(n, "src")
		a := b.get(path)
		if a.status != http.StatusOK || !strings.Contains(a.header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d, %s", path, a.status, a.header.Get("Cache-Control"))
		}
		total += len(a.body)
		zipped := (&browser{w: w, head: http.Header{"Accept-Encoding": {"gzip, br"}}}).get(path)
		z, err := gzip.NewReader(strings.NewReader(zipped.body))
		if err != nil || zipped.header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("%s, compressed: %v", path, err)
		}
		if plain, err := io.ReadAll(z); err != nil || string(plain) != a.body {
			t.Errorf("%s is another when it is compressed: %v", path, err)
		}
	}
	if total > 100_000 {
		t.Errorf("the first page has %d bytes, want 100,000 at most", total)
	}
	if a := b.get("/assets/0000000000000000/style.css"); a.status != http.StatusNotFound {
		t.Errorf("an asset of another version: %d", a.status)
	}
}

// TestAWeekWithoutScript plays the main acts of a sender and a reader by forms alone.
func TestAWeekWithoutScript(t *testing.T) {
	w := newWorld(t)
	seller, reader := w.as("seller"), w.as("reader")
	form := seller.get("/new?to=reader")
	sound(t, form)
	if !strings.Contains(text(form.body), "Petra Park") || !strings.Contains(text(form.body), "Can be reached now") {
		t.Errorf("it does not say who the reader is: %s", text(form.body))
	}
	key := inputValue(t, form.body, "key")
	letter := []string{"to", "reader", "subject", "Your talk in Hamburg", "body", "Hi Petra,\r\n\r\nwhat you said about **planning** stayed with me.", "tags", "Fair, hamburg", "key", key}
	checked := seller.post("/new/check", letter...)
	if checked.status != http.StatusOK || !strings.Contains(checked.body, "<strong>planning</strong>") || inputValue(t, checked.body, "key") != key {
		t.Errorf("the check: %d", checked.status)
	}
	sound(t, checked)
	sent := seller.post("/new", letter...)
	if again := seller.post("/new", letter...); again.to() != sent.to() {
		t.Errorf("a second click leads to %q, the first to %q", again.to(), sent.to())
	}
	path := strings.TrimSuffix(sent.to(), "?done=sent")
	w.deliver()
	if list := seller.get("/sent"); strings.Count(list.body, `href="/sent/0`) != 1 || !strings.Contains(text(list.body), fmt.Sprintf("lapses in %d days", domain.WindowHours/24)) || !strings.Contains(text(list.body), "fair") {
		t.Errorf("the sent list: %s", text(list.body))
	}
	w.clock.advance(time.Hour)

	list := reader.get("/inbox")
	if got := text(list.body); !strings.Contains(got, "Unread:") || !strings.Contains(got, "what you said about planning stayed with me.") {
		t.Errorf("the inbox: %s", got)
	}
	if got := seller.get(path).body; !strings.Contains(got, "<strong>planning</strong>") {
		t.Error("the sender does not read the letter")
	}
	if got := text(seller.get(path).body); strings.Contains(got, "Opened") {
		t.Error("listing it has opened it")
	}
	read := strings.Replace(path, "/sent/", "/inbox/", 1)
	beside := &browser{w: w, cookie: reader.cookie, head: http.Header{"Inmail-Part": {"list"}}} // renews the list beside a letter
	if a := beside.get(read); a.status != http.StatusOK || !strings.Contains(a.body, "Your talk in Hamburg") || strings.Contains(text(seller.get(path).body), "Opened") {
		t.Errorf("the list beside the letter: %d %s", a.status, text(a.body))
	}
	prefetch := &browser{w: w, cookie: reader.cookie, head: http.Header{"Sec-Purpose": {"prefetch"}}}
	if a := prefetch.get(read); a.status != http.StatusBadRequest || strings.Contains(text(seller.get(path).body), "Opened") {
		t.Errorf("fetching it in advance: %d", a.status)
	}
	if a := reader.get(read); a.status != http.StatusOK || !strings.Contains(a.body, "<strong>planning</strong>") || strings.Contains(text(a.body), "Unread:") {
		t.Errorf("opened: %d %s", a.status, text(a.body))
	}
	if got := text(seller.get(path).body); !strings.Contains(got, "Opened") {
		t.Errorf("the sender does not see that it was opened: %s", got)
	}
	if a := seller.get(read); a.to() != path {
		t.Errorf("the sender is led to %q, want %q", a.to(), path)
	}
	long := strings.Repeat("too long ", 400)
	if a := reader.post(read+"/reply", "body", long); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, long) || !strings.Contains(text(a.body), "may have 3000") {
		t.Errorf("a reply that is too long: %d", a.status)
	}
	if a := reader.follow(reader.post(read+"/reply", "body", "Tuesday suits me.")); !strings.Contains(text(a.body), "Your reply was sent") || !strings.Contains(text(a.body), "Tuesday suits me.") {
		t.Errorf("replied: %s", text(a.body))
	}
	if got := text(seller.get("/inbox").body); !strings.Contains(got, "Tuesday suits me.") || !strings.Contains(got, "1 unread") {
		t.Errorf("the sender's inbox: %s", got)
	}
	if a := seller.follow(seller.post(path+"/reply", "body", "Then Tuesday it is.")); !strings.Contains(text(a.body), "Then Tuesday it is.") {
		t.Errorf("answered: %s", text(a.body))
	}
	if a := seller.follow(seller.post(path+"/tags", "tags", "won")); !strings.Contains(text(a.body), "tags were saved") || inputValue(t, a.body, "tags") != "won" {
		t.Errorf("tagged: %s", text(a.body))
	}
	if a := seller.post(path+"/tags", "tags", strings.Repeat("x", 41)); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a tag that is too long: %d", a.status)
	}
	ask := seller.get(path + "/retract")
	if !strings.Contains(text(ask.body), "The recipient has read it") || reader.get(read).status != http.StatusOK {
		t.Errorf("asking for a retraction: %s", text(ask.body))
	}
	if a := seller.follow(seller.post(path+"/retract", "confirm", inputValue(t, ask.body, "confirm"))); !strings.Contains(text(a.body), "what was read stays read") {
		t.Errorf("retracted: %s", text(a.body))
	}
	if a := reader.get(read); a.status != http.StatusGone || !strings.Contains(text(a.body), "taken this InMail back") {
		t.Errorf("the reader after it was taken back: %d", a.status)
	}
	if a := beside.get(read); a.status != http.StatusOK || !strings.Contains(a.body, "Then Tuesday it is.") {
		t.Errorf("the list after it was taken back: %d %s", a.status, text(a.body))
	}
}

func inputValue(t *testing.T, page, name string) string {
	t.Helper()
	for _, n := range nodes(t, page, "input") {
		if attr(n, "name") == name {
			return attr(n, "value")
		}
	}
	t.Fatalf("there is no input %s", name)
	return ""
}

// TestFindByName finds a reader by name, without script, and shows the public part of visible profiles alone.
func TestFindByName(t *testing.T) {
	w := newWorld(t)
	hidden := domain.NewMember("hidden", "Petra Hidden")
	hidden.ProfileVisible = false
	w.put(hidden)
	seller := w.as("seller")
	a := seller.post("/new/check", "to", "petra", "subject", "Kept as typed", "body", "x")
	sound(t, a)
	if got := text(a.body); !strings.Contains(got, "Petra Park") || strings.Contains(got, "Petra Hidden") {
		t.Fatalf("found: %s", got)
	}
	a = seller.post("/new/check", "to", "petra", "pick", "reader", "subject", "Kept as typed", "body", "x")
	if inputValue(t, a.body, "to") != "reader" || inputValue(t, a.body, "subject") != "Kept as typed" {
		t.Errorf("picked: %s", text(a.body))
	}
	if got := text(seller.post("/new/check", "to", "nobody at all").body); !strings.Contains(got, "no member with this name") {
		t.Errorf("nobody: %s", got)
	}
	found := w.as("operator").get("/works/people?member=petra")
	sound(t, found)
	if got := text(found.body); !strings.Contains(got, "Petra Park") || !strings.Contains(got, "Petra Hidden") {
		t.Errorf("an operator finds: %s", got)
	}
}

// TestDecline says no thanks with a word, which the sender reads.
func TestDecline(t *testing.T) {
	w := newWorld(t)
	id := w.sent("Your talk in Hamburg", "Hi Petra, well done.")
	reader, seller := w.as("reader"), w.as("seller")
	path := "/inbox/" + string(id)
	if a := seller.post(path + "/decline"); a.status != http.StatusForbidden {
		t.Errorf("the sender declines: %d", a.status)
	}
	reader.get(path)
	a := reader.follow(reader.post(path+"/decline", "reason", "We <b>are</b> happy with what we have"))
	if got := text(a.body); !strings.Contains(got, "You declined this InMail") || strings.Contains(a.body, `name="body"`) || strings.Contains(a.body, "/decline") {
		t.Errorf("declined: %s", got)
	}
	sent := seller.get("/sent/" + string(id))
	if got := text(sent.body); !strings.Contains(got, "declined") || !strings.Contains(got, "We <b>are</b> happy with what we have") || !strings.Contains(got, "no thanks") {
		t.Errorf("the sender reads: %s", got)
	}
	sound(t, sent)
	if got := text(seller.get("/sent?status=declined").body); !strings.Contains(got, "Your talk in Hamburg") {
		t.Errorf("the filter: %s", got)
	}
	if got := text(seller.post("/new/check", "to", "reader").body); !strings.Contains(got, "cannot be reached by InMail") {
		t.Errorf("a new one: %s", got)
	}
}

// TestAutomaticReply marks an absence notice, and lets the sender say that it is none (R64).
func TestAutomaticReply(t *testing.T) {
	w := newWorld(t)
	id := w.sent("Your talk in Hamburg", "Hi Petra, well done.")
	reader, seller := w.as("reader"), w.as("seller")
	reader.follow(reader.post("/inbox/"+string(id)+"/reply", "body", "I am out of the office until Monday and will answer when I am back."))
	letter := seller.get("/sent/" + string(id))
	sound(t, letter)
	if got := text(letter.body); !strings.Contains(got, "automatic reply") || strings.Contains(got, "Send reply") {
		t.Fatalf("the absence notice: %s", got)
	}
	marked := seller.follow(seller.post("/sent/"+string(id)+"/automatic", "reply", inputValue(t, letter.body, "reply")))
	if got := text(marked.body); !strings.Contains(got, "Answered") || !strings.Contains(got, "Send reply") {
		t.Errorf("a true reply: %s", got)
	}
}

func TestReportAndBlock(t *testing.T) {
	w := newWorld(t)
	id := w.sent("Your talk in Hamburg", "Hi Petra, well done.")
	reader, seller := w.as("reader"), w.as("seller")
	path := "/inbox/" + string(id)
	if a := seller.post(path + "/block"); a.status != http.StatusForbidden {
		t.Errorf("the sender blocks by it: %d", a.status)
	}
	if a := w.as("other").post(path + "/block"); a.status != http.StatusNotFound {
		t.Errorf("somebody else blocks by it: %d", a.status)
	}
	if a := reader.follow(reader.post(path+"/report", "reason", "an advertisement")); !strings.Contains(text(a.body), "report was received") {
		t.Errorf("reported: %s", text(a.body))
	}
	if a := reader.post(path + "/report"); a.status != http.StatusConflict {
		t.Errorf("reported twice: %d", a.status)
	}
	if a := reader.follow(reader.post(path + "/block")); !strings.Contains(text(a.body), "can no longer write to you") {
		t.Errorf("blocked: %s", text(a.body))
	}
	refused := seller.post("/new", "to", "reader", "subject", "Once more", "body", "Hi Petra, may I?", "key", "k")
	got := text(refused.body)
	if refused.status != http.StatusUnprocessableEntity || !strings.Contains(got, "cannot be reached by InMail") || strings.Contains(got, "block") {
		t.Errorf("R18: %d %s", refused.status, got)
	}
	if !strings.Contains(refused.body, "Hi Petra, may I?") {
		t.Error("what was typed is lost")
	}
}

func TestLapsed(t *testing.T) {
	w := newWorld(t)
	id := w.sent("Your talk in Hamburg", "Hi Petra, well done.")
	w.clock.advance(domain.Window)
	reader := w.as("reader")
	if a := reader.get("/inbox/" + string(id)); a.status != http.StatusGone || !strings.Contains(text(a.body), "lapsed") {
		t.Errorf("%d %s", a.status, text(a.body))
	}
	if a := reader.get("/inbox"); !strings.Contains(text(a.body), "Nothing here yet") {
		t.Errorf("the inbox: %s", text(a.body))
	}
}

func TestSettings(t *testing.T) {
	w := newWorld(t)
	reader := w.as("reader")
	reader.follow(reader.post("/me", "visible", "1", "max_week", "3"))
	if a := reader.post("/me", "visible", "1", "accepts", "1", "max_week", "few"); a.status != http.StatusBadRequest {
		t.Errorf("few a week: %d", a.status)
	}
	m, err := w.svc.Member(t.Context(), "reader")
	if err != nil || m.AcceptsInMail || !m.ProfileVisible || m.MaxWeek != 3 {
		t.Errorf("accepts %v, visible %v, %v", m.AcceptsInMail, m.ProfileVisible, err)
	}
	if m.Name != "Petra Park" || m.Plan != "basic_0" {
		t.Errorf("more than the settings changed: %+v", m)
	}
}

func TestPagesOfTheList(t *testing.T) {
	w := newWorld(t)
	for i := range 85 {
		w.put(domain.NewMember(domain.MemberID(fmt.Sprintf("m%02d", i)), "M"))
	}
	listed := map[string]bool{}
	m, err := w.svc.Member(t.Context(), "seller")
	if err != nil {
		t.Fatal(err)
	}
	m.AccountType, m.Plan = domain.Recruiter, "recruiter_50"
	w.put(m)
	for i := range 45 {
		a, err := one{w.svc}.Accept(t.Context(), mailroom.Send{From: "seller", To: domain.MemberID(fmt.Sprintf("m%02d", i)), Subject: fmt.Sprint("Letter ", i), Body: fmt.Sprint(strings.Repeat("word ", i), "Hi ", i)})
		if err != nil || a.Err != nil {
			t.Fatal(i, err, a.Err)
		}
		w.clock.advance(time.Hour + time.Duration(i)*time.Second)
	}
	b := w.as("seller")
	path, pages := "/sent", 0
	for path != "" {
		a := b.get(path)
		for _, found := range regexp.MustCompile(`href="(/sent/[0-9a-f-]+)"`).FindAllStringSubmatch(a.body, -1) {
			if listed[found[1]] {
				t.Errorf("%s is on two pages", found[1])
			}
			listed[found[1]] = true
		}
		path = ""
		for _, n := range nodes(t, a.body, "a") {
			if strings.Contains(attr(n, "href"), "/sent?at=") {
				path = attr(n, "href")
			}
		}
		pages++
	}
	if len(listed) != 45 || pages != 2 {
		t.Errorf("%d letters on %d pages, want 45 on 2", len(listed), pages)
	}
}
