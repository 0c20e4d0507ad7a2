package web_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"inmail/connectors/web/webtest"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// TestEveryRefusal is refused by form with each code of the rules, and reads what, limit, value and what to
// do.
func TestEveryRefusal(t *testing.T) {
	w := newWorld(t)
	if err := webtest.PrepareRefusals(t.Context(), w.svc); err != nil {
		t.Fatal(err)
	}
	people := map[domain.MemberID]*browser{}
	for _, id := range []domain.MemberID{"writer", "eager", "broke"} {
		w.key(string(id), mailroom.RoleMember, id)
		people[id] = w.as(string(id))
	}
	cases := webtest.Refusals()
	for _, code := range domain.RefusalCodes() {
		if code == webtest.SignedOut {
			continue
		}
		t.Run(string(code), func(t *testing.T) {
			c, ok := cases[code]
			if !ok {
				t.Fatal("no page was ever refused with it: add a letter to webtest.Refusals")
			}
			form := []string{"to", string(c.To), "subject", c.Subject, "body", c.Body, "key", "k-" + string(code)}
			if c.Attached {
				form = append(form, "attached", "1")
			}
			a := people[c.From].post("/new", form...)
			sound(t, a)
			if a.status != http.StatusUnprocessableEntity {
				t.Fatalf("%d: %s", a.status, text(a.body))
			}
			if c.Body != " " && !strings.Contains(text(a.body), strings.TrimSpace(c.Body[:20])) {
				t.Error("what was typed is lost")
			}
			for _, n := range nodes(t, a.body, "p") {
				if attr(n, "role") == "alert" && attr(n, "title") == string(code.ForSender()) {
					said := strings.TrimSpace(strings.TrimPrefix(textOf(n), "✕"))
					if !regexp.MustCompile(c.Words).MatchString(said) {
						t.Errorf("it says %q, want %s", said, c.Words)
					}
					return
				}
			}
			t.Errorf("no alert with the code %s: %s", code.ForSender(), text(a.body))
		})
	}
}
