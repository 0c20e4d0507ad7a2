package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"inmail/connectors/web/webtest"
	"inmail/domain"
)

// newWeek starts the program on an empty record, with those who are in the week.
func (b *browser) newWeek(t *testing.T, database string) *front {
	t.Helper()
	s := patient(t, map[string]string{"data": t.TempDir(), "listen": "127.0.0.1:0"})
	s.Record.URL, s.Program.OperatorKey, s.Program.CRMPushEvery = database, operatorKey, time.Second
	a, err := build(t.Context(), s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	a.ownSandbox = true
	t.Cleanup(func() { _ = a.Stop(context.Background()) })
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var members []domain.Member
	for _, m := range []struct{ id, name, plan string }{{"lena", "Lena Hart", "recruiter_50"}, {"sofia", "Sofia Lind", "recruiter_50"}, {"petra", "Petra Park", "basic_0"},
		{"carl", "Carl Carlsen", "basic_0"}, {"lea", "Lea Lead", "premium_business_10"}} {
		member := domain.NewMember(domain.MemberID(m.id), m.name)
		member.Headline, member.Company = "Planning at Nordlicht", "Nordlicht"
		member.Plan, member.AccountType = m.plan, domain.ShippedPlans()[m.plan].AccountType
		members = append(members, member)
	}
	if errs, err := a.service.PutMembers(t.Context(), members); err != nil || errs[0] != nil {
		t.Fatal(errs, err)
	}
	return &front{b, a}
}

// week is the week of four people on the pages alone: a seller writes and is refused for each reason, the
// recipient opens, answers, declines, reports and blocks, the lead reads the figures, and the operator undoes
// a restriction, retries a dead letter, and keeps members, keys and the banned list.
func (b *browser) week(t *testing.T, database string, by way) {
	f := b.newWeek(t, database)
	f.refusals(t, by)
	id := f.letters(t, by)
	f.deadLetter(t, by)
	f.operator(t, by)
	lead := f.as(t, "lea", by)
	lead.open("/figures")
	lead.reads("Are InMails opened?")
	lead.open("/figures/length")
	lead.reads("under 100 words")
	lead.submit("form.who button")
	lead.reads("You are signed out.")
	lead.open("/sent/" + id)
	lead.reads("Your key")
}

// refusals brings about each refusal of the rules that a page can meet.
func (f *front) refusals(t *testing.T, by way) {
	f.app.clock.Pin(f.app.record.Now()) // a burst is eleven letters within a minute, however long the browser takes
	defer f.app.clock.Unpin()
	if err := webtest.PrepareRefusals(t.Context(), f.app.service); err != nil {
		t.Fatal(err)
	}
	writers := map[domain.MemberID]*window{}
	for _, id := range []domain.MemberID{"writer", "eager", "broke"} {
		writers[id] = f.as(t, id, by)
	}
	cases := webtest.Refusals()
	for _, code := range domain.RefusalCodes() {
		if code == webtest.SignedOut {
			continue
		}
		c, ok := cases[code]
		if !ok {
			t.Errorf("no letter is refused with %s", code)
			continue
		}
		w := writers[c.From]
		w.open("/new")
		w.put("#to", string(c.To))
		w.put("#subject", c.Subject)
		w.put("#body", c.Body)
		alert := fmt.Sprintf(`.refused[title="%s"]`, code.ForSender())
		if c.Attached {
			w.do("paste a file", chromedp.Evaluate(`{const d = new DataTransfer(); d.items.add(new File(["x"], "x.pdf"));
				document.querySelector("#body").dispatchEvent(new ClipboardEvent("paste", {clipboardData: d, bubbles: true, cancelable: true}))}`, nil))
		} else {
			w.submit(".composer .primary")
			alert += "[role=alert]"
		}
		w.until(string(code), fmt.Sprintf("!!document.querySelector(%q)", alert))
		var said string
		w.do("read why", chromedp.Evaluate(fmt.Sprintf(`document.querySelector(%q).innerText`, alert), &said))
		if said = strings.TrimSpace(strings.TrimPrefix(said, "✕")); !regexp.MustCompile(c.Words).MatchString(said) {
			t.Errorf("%s: the page says %q, want %s", code, said, c.Words)
		}
		if code == domain.BodyTooLong && by == byPointer {
			w.accessible("a refusal")
		}
	}
}

// renew asks for what is new in a list, as the page itself does every few seconds.
const renew = `(fill(document.querySelector("[data-part=list]"), location.href).catch(() => {}), true) && `

// letters is what a seller and a recipient do. It returns the id of an InMail that Salesforce has.
func (f *front) letters(t *testing.T, by way) (id string) {
	seller, reader := f.as(t, "lena", by), f.as(t, "petra", by)
	reader.open("/inbox")
	reader.reads("Nothing here yet")

	// A letter, with what is said beside it while it is written.
	seller.open("/new")
	seller.enter("#to", "petra")
	seller.enter("#subject", "Your talk on planning")
	seller.reads("Can be reached now.")
	seller.enter("#body", "Hi Petra, what you said about ")
	if by == byPointer {
		seller.press(`[data-wrap="**"]`)
		seller.do("type", chromedp.SendKeys("#body", "planning", chromedp.ByQuery))
		var typed string
		seller.do("read what was typed", chromedp.Value("#body", &typed, chromedp.ByQuery))
		if typed != "Hi Petra, what you said about **planning**" {
			t.Errorf("the button for bold made %q", typed)
		}
		seller.accessible("a letter with advice")
		seller.do("try to leave", click(".brand"))
		seller.until("the question whether to leave", `location.pathname === "/new"`)
		for seller.warned = false; !seller.asked(); {
			seller.do("try to leave", chromedp.Evaluate(`location.href = "/me"; 0`, nil), chromedp.Sleep(20*time.Millisecond))
		}
	} else {
		seller.do("type", chromedp.KeyEvent("planning"))
	}
	seller.submit(".composer .primary")
	seller.reads("Your InMail is on its way")

	// It arrives by itself, and is opened and answered.
	reader.until("the letter", renew+`document.body.innerText.includes("Your talk on planning")`)
	reader.submit(".item a")
	reader.reads("what you said about")
	if by == byPointer {
		reader.accessible("a conversation")
	}
	reader.enter("#reply", "Tuesday at ten suits me.")
	reader.submit(".reply .primary")
	reader.reads("Your reply was sent.")
	seller.open("/inbox")
	seller.reads("Tuesday at ten suits me.")
	seller.submit(".item a")
	seller.reads("Answered")
	seller.enter("#tags", "planning fair")
	seller.submit(`form[action$="/tags"] button`)
	seller.reads("The tags were saved.")
	seller.submit(`a[href$="/retract"]`)
	seller.reads("Take it back?")
	if by == byPointer {
		seller.accessible("a retraction")
	}
	seller.submit(".danger")
	seller.reads("what was read stays read")

	// Another is declined with a word, reported, and its sender blocked.
	second := f.as(t, "sofia", by)
	second.open("/new?to=petra")
	second.enter("#subject", "A role that needs planning")
	second.enter("#body", "Hi Petra, your path is what a team of eight looks for. More?")
	second.submit(".composer .primary")
	reader.await("/inbox", "A role that needs planning")
	reader.submit(".item a")
	reader.enter("#word", "Not this year")
	reader.submit(".decline button")
	reader.reads("You declined this InMail")
	reader.press(".others summary")
	reader.submit(`form[action$="/report"] button`)
	reader.reads("the report was received")
	reader.press(".others summary")
	reader.submit(`form[action$="/block"] button`)
	reader.reads("can no longer write to you")
	second.open("/sent?status=declined")
	second.submit(".what a")
	second.reads("Not this year")
	second.open("/new?to=petra")
	second.reads("This person cannot be reached by InMail.")

	// The record in Salesforce is a link away.
	second.await("/sent", "in Salesforce")
	var link, at string
	second.do("read the link", chromedp.Evaluate(`document.querySelector(".crm a").href`, &link), chromedp.Evaluate(`document.querySelector(".what a").pathname`, &at))
	if want := "http://" + f.app.sandboxAddress + "/a"; !strings.HasPrefix(link, want) {
		t.Errorf("the link to the record leads to %s, want %s…", link, want)
	}
	return strings.TrimPrefix(at, "/sent/")
}

// asked reports whether the page has asked whether to leave it.
func (w *window) asked() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.warned
}

// deadLetter lets Salesforce refuse a record for good, and retries it after the cause was repaired.
func (f *front) deadLetter(t *testing.T, by way) {
	f.field(t, 30)
	seller := f.as(t, "lena", by)
	seller.open("/new?to=carl")
	seller.enter("#subject", "A subject longer than thirty letters")
	seller.enter("#body", "Hi Carl, would you tell me how you plan?")
	seller.submit(".composer .primary")
	operator := f.as(t, "", by)
	operator.await("/works/crm", "the CRM refuses this record")
	operator.reads("InMail__c")
	if by == byPointer {
		operator.accessible("a dead letter")
	}
	operator.open("/works")
	operator.reads("did not get there")
	f.field(t, 200)
	operator.open("/works/crm")
	operator.submit(`form[action="/works/crm/retry"] button`)
	operator.reads("They are tried again now.")
	operator.await("/works/crm", "It has everything that it should have.")
}

// field sets how many characters Salesforce takes for a subject.
func (f *front) field(t *testing.T, length int) {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"object": "InMail__c", "field": "Subject__c", "length": length})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPut, "http://"+f.app.sandboxAddress+"/sandbox/field", bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+operatorKey)
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", resp.StatusCode, answer)
	}
}

// operator is what an operator does beside the sync.
func (f *front) operator(t *testing.T, by way) {
	w := f.as(t, "", by)
	w.open("/works/people")
	w.submit(`a[href="/works/people?member=eager"]`)
	w.reads("sent within a minute; the limit is")
	if by == byPointer {
		w.accessible("a restricted member")
	}
	w.enter("#undo-reason", "agreed with the readers")
	w.submit(`form[action="/works/people/undo"] button`)
	w.reads("The restriction was undone")
	w.reads("agreed with the readers")
	var document string
	w.do("save all data", chromedp.Evaluate(`fetch(document.querySelector("a[download]").href).then(r => r.text())`, &document, awaited))
	if !strings.Contains(document, `"name": "Eager Example"`) || !json.Valid([]byte(document)) {
		t.Errorf("the export: %.300s", document)
	}
	w.open("/works/audit")
	w.reads("undid a restriction")

	w.open("/works/crm")
	w.submit(`form[action="/works/crm/pause"] button`)
	w.reads("The sync is paused")
	if by == byPointer {
		w.accessible("a paused sync")
	}
	w.submit(`form[action="/works/crm/resume"] button`)
	w.reads("The sync goes on.")
	w.submit(`form[action="/works/crm/check"] button`)
	w.reads("Check of Salesforce")

	w.open("/works/banned")
	w.enter("#value", "carl")
	w.enter("#why", "asked for it")
	w.submit(".card .danger")
	w.reads("Nobody can send an InMail there any more.")
	w.submit(`form[action="/works/banned/delete"]:has([value=carl]) button`)
	w.reads("InMails can be sent there again.")

	// A key is made, signs somebody in, and ends in the middle of the session.
	w.open("/works/keys")
	w.enter("#member", "lea")
	w.submit(".card .primary")
	var key string
	w.do("read the key", chromedp.Text(".secret", &key, chromedp.ByQuery))
	lead := f.window(t, "lea", by)
	lead.open("/sent")
	lead.enter("#key", "inm_wrong")
	lead.submit("main button")
	lead.reads("This key is not known.")
	lead.enter("#key", key)
	lead.submit("main button")
	lead.reads("Nothing sent yet.")
	lead.open("/inbox")
	w.open("/works/keys")
	w.submit(`tr:has(td:first-child b) form[action="/works/keys/delete"] button`)
	w.reads("The key has ended")
	lead.until("the sign-in", `location.pathname === "/sign-in" || `+renew+`false`)

	// Erased in two steps, with the id typed.
	w.open("/works/people?member=carl")
	w.submit(".button.danger")
	w.enter("#confirm", "carl")
	w.submit("main .danger")
	w.reads("The erasure has begun")
}

// withoutScript reads, opens, answers, sends, declines and takes back where no script runs.
func (f *front) withoutScript(t *testing.T) {
	seller, reader := f.as(t, "lena.hart", noScript), f.as(t, "patient.park", noScript)
	send := func(subject string) {
		seller.open("/new?to=patient.park")
		seller.reads("Can be reached now.")
		seller.enter("#subject", subject)
		seller.enter("#body", "Hi Petra, what you said about planning stayed with me.")
		seller.submit("[data-plain]")
		seller.reads("In their inbox")
		seller.submit(".composer .primary")
		seller.reads("Your InMail is on its way")
		reader.await("/inbox", subject)
		reader.submit(".item a")
		reader.reads("stayed with me")
	}
	send("Plain, and answered")
	reader.enter("#reply", "Tuesday suits me.")
	reader.submit(".reply .primary")
	reader.reads("Your reply was sent.")
	seller.open("/inbox")
	seller.submit(".item a")
	seller.reads("Tuesday suits me.")
	seller.submit(`a[href$="/retract"]`)
	seller.submit(".danger")
	seller.reads("what was read stays read")
	send("Plain, and declined")
	reader.enter("#word", "Not now")
	reader.submit(".decline button")
	reader.reads("You declined this InMail")
	seller.open("/sent?status=declined")
	seller.reads("Plain, and declined")
}
