package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"inmail/connectors/web/webtest"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// TestHostileTexts puts each text into every place that a person fills, and asks for every page that shows
// it.
func TestHostileTexts(t *testing.T) {
	if len(webtest.Hostile) < 50 {
		t.Fatalf("%d texts, want 50", len(webtest.Hostile))
	}
	w := newWorld(t)
	reader, seller, op := w.as("reader"), w.as("seller"), w.as("operator")
	allowed := map[string]bool{}
	for _, page := range []answer{op.get("/works"), op.get("/works/people?member=seller"), op.get("/works/banned"), op.get("/works/keys"), op.get("/works/crm"), op.get("/works/queue"),
		seller.get("/campaign"), op.get("/figures"), reader.get("/inbox"), seller.get("/sent"), seller.get("/new?to=reader"), reader.get("/me"), seller.get("/me"),
		seller.get("/figures"), seller.post("/new/check", "to", "reader", "subject", "Plain words here", "body", "Plain **words**, *here* and ~~there~~.\n\n- a\n1. b\n\n[x](https://a.example)")} {
		for _, n := range nodes(t, page.body, "") {
			allowed[n.Data] = true
		}
	}
	for _, more := range []string{"article", "header", "details", "summary", "b", "ol", "li", "textarea", "strong", "em", "del", "small", "table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "br", "code", "small", "h3", "ul", "input", "article", "nav", "dl", "dt", "dd"} {
		allowed[more] = true
	}
	look := func(name string, a answer) {
		t.Helper()
		sound(t, a)
		if a.status == http.StatusSeeOther {
			return
		}
		for _, n := range nodes(t, a.body, "") {
			if !allowed[n.Data] {
				t.Errorf("%s has an element <%s> that is none of ours", name, n.Data)
			}
		}
		if got := nodes(t, a.body, "title"); len(got) < 1 {
			t.Errorf("%s has no title", name)
		}
		if got := len(nodes(t, a.body, "main")); got != 1 {
			t.Errorf("%s has %d main parts", name, got)
		}
	}
	for i, nasty := range webtest.Hostile {
		id := domain.MemberID(fmt.Sprintf("h%d", i))
		m := domain.NewMember(id, limited(nasty, 190))
		m.Headline, m.Company, m.Plan, m.AccountType = limited(nasty, 900), limited(nasty, 900), "recruiter_50", domain.Recruiter
		w.put(m)
		w.key(string(id), mailroom.RoleMember, id)
		b := w.as(string(id))
		name := fmt.Sprintf("text %d", i)
		look(name+", me", b.get("/me"))
		look(name+", person", op.get("/works/people?member="+string(id)))
		look(name+", found", op.get("/works/people?member="+url.QueryEscape(nasty)))
		look(name+", banned", op.post("/works/banned", "kind", "company", "value", nasty, "reason", nasty))
		look(name+", banned list", op.get("/works/banned"))
		look(name+", key", op.post("/works/keys", "role", "member", "member", string(id), "name", nasty, "days", nasty))
		look(name+", keys", op.get("/works/keys"))
		look(name+", erase", op.get("/works/people/erase?member="+string(id)))
		look(name+", erased", op.post("/works/people/erase", "member", string(id), "confirm", nasty))
		look(name+", plan", op.post("/works/people/plan", "member", nasty, "plan", nasty))
		look(name+", undo", op.post("/works/people/undo", "id", nasty, "member", nasty, "reason", nasty))
		look(name+", audit", op.get("/works/audit?sender="+url.QueryEscape(nasty)))
		look(name+", campaign", seller.post("/campaign", "list", nasty+"\n"+string(id), "subject", nasty, "body", nasty))
		look(name+", letters", seller.post("/campaign/letters", "ready", string(id), "subject", nasty, "body", nasty))
		look(name+", sign in", (&browser{w: w}).get("/sign-in?to="+url.QueryEscape(nasty)))
		look(name+", cut", op.get("/figures/tag?a="+url.QueryEscape(nasty)+"&b="+url.QueryEscape(nasty)))
		look(name+", sent tag", seller.get("/sent?tag="+url.QueryEscape(nasty)+"&status="+url.QueryEscape(nasty)+"&at="+url.QueryEscape(nasty)))
		look(name+", write", b.post("/new/check", "to", "reader", "subject", nasty, "body", nasty, "tags", nasty, "key", nasty))
		look(name+", to", b.post("/new/check", "to", nasty, "subject", nasty, "body", nasty))
		look(name+", new", seller.get("/new?to="+string(id)))
		look(name+", filter", seller.post("/new", "to", nasty, "subject", nasty, "body", nasty, "tags", nasty))
		a, err := one{w.svc}.Accept(t.Context(), mailroom.Send{From: id, To: "reader", Subject: nasty, Body: "Hi.\n\n" + nasty, Tags: []string{limited(nasty, 30)}})
		if err != nil {
			t.Fatal(err)
		}
		if a.Err != nil {
			continue // a rule refuses it
		}
		w.deliver()
		look(name+", tags", op.get("/figures/tag"))
		look(name+", decisions", op.get("/works/audit"))
		look(name+", inbox", reader.get("/inbox"))
		look(name+", opened", reader.get("/inbox/"+string(a.ID)))
		if again := reader.post("/inbox/"+string(a.ID)+"/reply", "body", nasty); again.status != 303 && again.status != 422 {
			t.Errorf("%s, reply: %d", name, again.status)
		}
		look(name+", conversation", reader.get("/inbox/"+string(a.ID)))
		look(name+", sent", b.get("/sent"))
		look(name+", letter", b.get("/sent/"+string(a.ID)))
	}
}

// limited cuts a text to n bytes, between characters.
func limited(s string, n int) string {
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}
