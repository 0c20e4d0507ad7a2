package web_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// TestOperatorsActs plays what an operator does on the pages, by forms alone.
func TestOperatorsActs(t *testing.T) {
	w := newWorld(t)
	op := w.as("operator")

	// Keys: made once, shown once, ended.
	made := op.post("/works/keys", "role", "member", "member", "other", "name", "laptop", "days", "30", "read_only", "1")
	sound(t, made)
	if made.status != http.StatusCreated || strings.Count(made.body, mailroom.KeyPrefix) != 1 {
		t.Fatalf("%d, the key stands %d times", made.status, strings.Count(made.body, mailroom.KeyPrefix))
	}
	key := text(made.body)[strings.Index(text(made.body), mailroom.KeyPrefix):]
	w.keys["made"], _, _ = strings.Cut(key, " ")
	other := w.as("made")
	list := op.get("/works/keys")
	if got := text(list.body); !strings.Contains(got, "laptop") || !strings.Contains(got, "only reads") || strings.Contains(got, mailroom.KeyPrefix+"0") {
		t.Errorf("the list of keys: %s", got)
	}
	if a := op.post("/works/keys", "role", "member", "member", "nobody.here"); a.status != http.StatusNotFound && a.status != http.StatusUnprocessableEntity {
		t.Errorf("a key for nobody: %d", a.status)
	}
	if a := op.post("/works/keys", "role", "member", "member", "other", "days", "soon"); a.status != http.StatusUnprocessableEntity || !strings.Contains(text(a.body), "number of days") {
		t.Errorf("a key that ends soon: %d", a.status)
	}
	found, err := w.svc.Authenticate(t.Context(), w.keys["made"])
	if err != nil {
		t.Fatal(err)
	}
	if a := op.follow(op.post("/works/keys/delete", "id", found.ID)); !strings.Contains(text(a.body), "The key has ended") || other.get("/inbox").status != http.StatusSeeOther {
		t.Errorf("ended: %s", text(a.body))
	}

	// What an operator asks for is in the audit (R70), what a member does is not.
	op.get("/works/people?member=other")
	op.get("/works/people?member=other")
	w.as("seller").get("/sent")
	acts, err := w.svc.Audit(t.Context(), mailroom.AuditFilter{Kind: mailroom.DecidedAct}, mailroom.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var calls []string
	for _, e := range acts {
		call, _ := mailroom.CallOf(e)
		calls = append(calls, call+" "+string(e.Sender))
	}
	if want := []string{"GET /works/people other", "POST /works/keys/delete ", "POST /works/keys other", "POST /works/keys ", "POST /works/keys other"}; !slices.Equal(calls, want) {
		t.Errorf("acts %q, want %q", calls, want)
	}
	if a := op.get("/works/audit?kind=acts"); !strings.Contains(text(a.body), "acted: GET /works/people 2 times until") {
		t.Errorf("the audit: %s", text(a.body))
	}

	// The banned list.
	op.follow(op.post("/works/banned", "kind", "company", "value", "Nordlicht", "reason", "contract"))
	if a := w.as("seller").post("/new/check", "to", "reader"); !strings.Contains(text(a.body), "cannot be reached by InMail") {
		t.Errorf("a banned company: %s", text(a.body))
	}
	if a := op.get("/works/banned"); !strings.Contains(text(a.body), "Nordlicht company contract") {
		t.Errorf("the banned list: %s", text(a.body))
	}
	if a := op.post("/works/banned", "kind", "planet", "value", "x"); a.status != http.StatusUnprocessableEntity {
		t.Errorf("an unknown kind: %d", a.status)
	}
	op.follow(op.post("/works/banned/delete", "kind", "company", "value", "Nordlicht"))
	if a := op.get("/works/banned"); !strings.Contains(text(a.body), "Nobody is banned") {
		t.Errorf("the empty list: %s", text(a.body))
	}

	// Restricted by a burst, found, undone.
	for i := range 12 {
		w.put(domain.NewMember(domain.MemberID(fmt.Sprintf("b%02d", i)), "B"))
		_, _ = one{w.svc}.Accept(t.Context(), mailroom.Send{From: "seller", To: domain.MemberID(fmt.Sprintf("b%02d", i)), Subject: fmt.Sprint("Letter ", i), Body: fmt.Sprint("Hi, words of letter ", i*i)})
		w.clock.advance(time.Duration(i*131) * time.Millisecond)
	}
	if a := op.get("/works/people"); !strings.Contains(a.body, "/works/people?member=seller") {
		t.Errorf("restricted now: %s", text(a.body))
	}
	person := op.get("/works/people?member=seller")
	sound(t, person)
	if got := text(person.body); !strings.Contains(got, "11 sent within a minute; the limit is 10") || !strings.Contains(got, "Lena Hart") {
		t.Errorf("the restricted: %s", got)
	}
	if got := text(w.as("seller").get("/me").body); !strings.Contains(got, "Sending is paused for you until") {
		t.Errorf("the seller's own page: %s", got)
	}
	undo := []string{"id", inputValue(t, person.body, "id"), "member", "seller", "reason"}
	if a := op.post("/works/people/undo", append(undo, " ")...); a.status != http.StatusBadRequest || !strings.Contains(text(a.body), "An undo has a reason") {
		t.Errorf("undone without a reason: %d", a.status)
	}
	if a := op.follow(op.post("/works/people/undo", append(undo, "one <b>event</b>")...)); !strings.Contains(text(a.body), "None is in force") || !strings.Contains(text(a.body), "undone one <b>event</b>") {
		t.Errorf("undone: %s", text(a.body))
	}
	if got := text(op.get("/works/audit?sender=seller").body); !strings.Contains(got, "11 sent within a minute; the limit is 10.") || !strings.Contains(got, "undid a restriction") || !strings.Contains(got, "one <b>event</b>") {
		t.Errorf("the audit: %s", got)
	}
	if a := op.get("/works/people?member=no+one"); !strings.Contains(text(a.body), "no member with this id or name") {
		t.Errorf("nobody: %s", text(a.body))
	}

	// Another plan, and all data as a file.
	if a := op.follow(op.post("/works/people/plan", "member", "other", "plan", "sales_navigator_team_25")); !strings.Contains(text(a.body), "25 InMails left") {
		t.Errorf("another plan: %s", text(a.body))
	}
	if a := op.post("/works/people/plan", "member", "other", "plan", "gold"); a.status != http.StatusBadRequest {
		t.Errorf("a plan that there is not: %d", a.status)
	}
	if a := op.get("/works/people/export?member=other"); a.status != http.StatusOK || a.header.Get("Content-Disposition") != "attachment; filename=member-other.json" || a.body != `"Olga Other"` {
		t.Errorf("the export: %d, %s, %s", a.status, a.header.Get("Content-Disposition"), a.body)
	}
	if a := op.get("/works/people/export?member=nobody"); a.status != http.StatusNotFound {
		t.Errorf("an export of nobody: %d", a.status)
	}

	// Erased in two steps.
	if a := op.post("/works/people/erase", "member", "other", "confirm", "othr"); a.status != http.StatusUnprocessableEntity {
		t.Errorf("an erasure without its id: %d", a.status)
	}
	if _, err := w.svc.Member(t.Context(), "other"); err != nil {
		t.Errorf("a slip has erased: %v", err)
	}
	op.follow(op.post("/works/people/erase", "member", "other", "confirm", "other"))
	if a := op.get("/works/people?member=other"); !strings.Contains(text(a.body), "no member with this id or name") {
		t.Errorf("after the erasure: %s", text(a.body))
	}

	// The job queue.
	if got := text(op.get("/works/queue").body); !strings.Contains(got, "inmail:send unavailable 1 of 4") {
		t.Errorf("the queue: %s", got)
	}
	op.follow(op.post("/works/queue/retry", "id", "t1"))
	op.follow(op.post("/works/queue/retry"))
	if !slices.Equal(w.jobs.retried, []string{"t1", ""}) {
		t.Errorf("retried %q", w.jobs.retried)
	}
	if got := text(op.get("/works/crm").body); !strings.Contains(got, "No CRM is connected") {
		t.Errorf("the CRM: %s", got)
	}
	if got := text(op.get("/works").body); !strings.Contains(got, "failed and will be tried again") {
		t.Errorf("the works: %s", got)
	}
}

// TestCampaign judges a list and writes to each who can be reached, one after the other.
func TestCampaign(t *testing.T) {
	w := newWorld(t)
	w.put(domain.NewMember("second", "Sam Second"))
	hidden := domain.NewMember("hidden", "Hanna Hale")
	hidden.AcceptsInMail = false
	w.put(hidden)
	b := w.as("seller")
	list := "Name;id\r\nPetra;reader\r\nSam;second\r\nPetra again;reader\r\nHanna;hidden\r\nX;no such\r\n"
	a := b.post("/campaign", "list", list, "subject", "A word, {first}", "body", "Hi {first},\r\n\r\nyour work at {company} stayed with me.")
	sound(t, a)
	got := text(a.body)
	for _, want := range []string{"readers 4", "now 2", "not 2", "It takes 2 credits, and you have 25.", "Write to 2 one by one", "cannot be reached by InMail"} {
		if !strings.Contains(got, want) && !strings.Contains(strings.ReplaceAll(got, "  ", " "), want) {
			t.Errorf("it does not say %q: %s", want, got)
		}
	}
	letter := b.post("/campaign/letters", "ready", inputValue(t, a.body, "ready"), "subject", "A word, {first}", "body", "Hi {first},\r\n\r\nyour work at {company} stayed with me.")
	for i, want := range []string{"Petra", "Sam"} {
		sound(t, letter)
		if !strings.Contains(letter.body, "A word, "+want) || !strings.Contains(letter.body, "Hi "+want+",") {
			t.Fatalf("letter %d is not to %s: %s", i, want, text(letter.body))
		}
		letter = b.post("/new", "to", inputValue(t, letter.body, "to"), "subject", inputValue(t, letter.body, "subject"), "body", "Hi "+want+", quite personal: "+want,
			"key", inputValue(t, letter.body, "key"), "rest", inputValue(t, letter.body, "rest"), "pattern_subject", inputValue(t, letter.body, "pattern_subject"), "pattern_body", inputValue(t, letter.body, "pattern_body"))
	}
	if end := b.follow(letter); !strings.Contains(text(end.body), "last letter of the campaign") || strings.Count(end.body, `href="/sent/0`) != 2 {
		t.Errorf("at the end: %s", text(end.body))
	}
	for _, list := range []string{"", "  \n ", "\"unclosed"} {
		if a := b.post("/campaign", "list", list); a.status != http.StatusUnprocessableEntity && a.status != http.StatusOK {
			t.Errorf("the list %q: %d", list, a.status)
		}
	}
}

func TestCuts(t *testing.T) {
	w := newWorld(t)
	for i := range 6 {
		id := domain.MemberID(fmt.Sprintf("c%d", i))
		w.put(domain.NewMember(id, "C"))
		body := fmt.Sprintf("Hi, letter %d for you.", i)
		if i%2 == 0 {
			body = strings.Repeat("a longer letter for you ", 30)
		}
		a, err := one{w.svc}.Accept(t.Context(), mailroom.Send{From: "seller", To: id, Subject: fmt.Sprint("Letter ", i), Body: fmt.Sprint(i, body), Tags: []string{"=fair", "spring"}})
		if err != nil || a.Err != nil {
			t.Fatal(err, a.Err)
		}
		w.deliver()
		if i%2 == 0 {
			if _, err := w.svc.Open(t.Context(), mailroom.Viewer{Member: id}, a.ID); err != nil {
				t.Fatal(err)
			}
		}
		w.clock.advance(20*time.Minute + time.Duration(i)*time.Second)
	}
	w.clock.advance(30 * 24 * time.Hour)
	seller, op := w.as("seller"), w.as("operator")
	a := seller.get("/figures/length?a=100_and_more&b=under_100")
	sound(t, a)
	if got := text(a.body); !strings.Contains(got, "Of “100 words and more” 100 points more are opened than of “under 100 words”") || !strings.Contains(got, "Chance alone may explain it.") { // three InMails a side
		t.Errorf("compared: %s", got)
	}
	for _, cut := range []string{"tag", "category", "sender"} {
		for _, path := range []string{"/figures/" + cut, "/figures/" + cut + "/csv"} {
			if a := w.as("reader").get(path); a.status != http.StatusOK || strings.Contains(a.body, "seller") || strings.Contains(a.body, "spring") {
				t.Errorf("R69: who sent nothing asks for %s: %d %s", path, a.status, text(a.body))
			}
		}
	}
	if a := seller.get("/figures/tag"); !strings.Contains(text(a.body), "spring") {
		t.Errorf("R69: a sender's own tags: %s", text(a.body))
	}
	if a := seller.get("/figures/planet"); a.status != http.StatusNotFound {
		t.Errorf("figures by planet: %d", a.status)
	}
	if got := text(op.get("/figures/tag").body); !strings.Contains(got, "spring") {
		t.Errorf("the operator's tags: %s", got)
	}
	file := op.get("/figures/tag/csv")
	if !strings.HasPrefix(file.body, "tag,delivered,opened,") || !strings.Contains(file.body, "\nspring,6,3,0,0,0,") || !strings.Contains(file.body, "\n'=fair,6,") {
		t.Errorf("CSV:\n%s", file.body)
	}
	if got := file.header.Get("Content-Disposition"); got != `attachment; filename="inmail-tag.csv"` {
		t.Errorf("it is saved as %s", got)
	}
	if week := op.get("/figures/week/csv"); !strings.Contains(week.body, "\n2026-W48,6,3,") {
		t.Errorf("CSV by week:\n%s", week.body)
	}
}

// TestWebhooks adds, tests, replays and removes an end point on the page of the operator.
func TestWebhooks(t *testing.T) {
	w := newWorld(t)
	op := w.as("operator")
	made := op.post("/works/webhooks", "url", "https://hooks.example.com/inmail", "kinds", "inmail.*, member.restricted", "name", "warehouse")
	if made.status != http.StatusCreated || !strings.Contains(made.body, "whsec_") {
		t.Fatalf("status %d: %s", made.status, text(made.body))
	}
	page := op.get("/works/webhooks")
	if got := text(page.body); !strings.Contains(got, "warehouse") || !strings.Contains(got, "takes its events") || strings.Contains(page.body, "whsec_") {
		t.Errorf("the page says %s", got)
	}
	_, rest, _ := strings.Cut(page.body, "/works/webhooks?id=")
	id, _, _ := strings.Cut(rest, `"`)
	if got := text(op.follow(op.post("/works/webhooks/test", "id", id)).body); !strings.Contains(got, "webhook.test") || !strings.Contains(got, "A test is on its way") {
		t.Errorf("after a test the page says %s", got)
	}
	op.follow(op.post("/works/webhooks/replay", "id", id, "hours", "24"))
	op.follow(op.post("/works/webhooks/enable", "id", id))
	for _, a := range []answer{op.post("/works/webhooks/replay", "id", id, "hours", "x"), op.post("/works/webhooks", "url", "x", "kinds", "*"),
		op.post("/works/webhooks", "url", "https://hooks.example.com/", "kinds", "none")} {
		if a.status != http.StatusUnprocessableEntity {
			t.Errorf("status %d", a.status)
		}
	}
	op.follow(op.post("/works/webhooks/delete", "id", id))
	if got := text(op.get("/works/webhooks").body); !strings.Contains(got, "No program gets events") {
		t.Errorf("the page says %s", got)
	}
}
