package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestInbox(t *testing.T) {
	r := newRunning(t)
	r.people()
	screen(t, "nothing here\n", must(t, exitDone, "inbox", "--member", "r1"))
	first := r.delivered("r1", "A first question about Tuesday")
	r.pass(time.Hour)
	must(t, exitDone, "reply", first, "--member", "r1", "--body", "Tuesday suits me.\nAt ten.")
	r.pass(time.Hour)
	second := r.delivered("r1", strings.Repeat("Long ", 20)+"subject")

	t.Run("of the recipient", func(t *testing.T) {
		head, expires, none := expiring(2 * time.Hour)
		screen(t, fmt.Sprintf(`
   ID                                    FROM       SENT               %[1]s  SUBJECT                                       PREVIEW
*  id..................................  Lena Hart  23 Nov 2026 11:00  %[2]s  Long Long Long Long Long Long Long Long Lon…  What you wrote on queues stayed with me. How do you test yo…
   id..................................  Lena Hart  23 Nov 2026 09:00  %[3]s  A first question about Tuesday                What you wrote on queues stayed with me. How do you test yo…

1 unread
`, head, expires, none), must(t, exitDone, "inbox", "--member", "r1"))
	})
	t.Run("of the sender, with the reply under the id of its InMail", func(t *testing.T) {
		got := must(t, exitDone, "inbox", "--member", "lena.hart")
		if !strings.Contains(got.out, "*  "+first+"  Maria López  23 Nov 2026 10:00           Re: A first question about Tuesday  Tuesday suits me. At ten.") {
			t.Errorf("printed\n%s", got.out)
		}
	})
	t.Run("JSON is the API's", func(t *testing.T) {
		sameJSON(t, r.api("GET", "/v1/inbox", "r1"), must(t, exitDone, "inbox", "--member", "r1", "--json"))
		sameJSON(t, r.api("GET", "/v1/inbox?status=sent&limit=1", "r1"), must(t, exitDone, "inbox", "--member", "r1", "--json", "--status", "sent", "--limit", "1"))
	})
	t.Run("by pages", func(t *testing.T) {
		page := must(t, exitDone, "inbox", "--member", "r1", "--limit", "1")
		if !strings.Contains(page.out, second) || strings.Contains(page.out, first) || !strings.Contains(page.out, "\nmore: --cursor ") {
			t.Fatalf("printed\n%s", page.out)
		}
		_, rest, _ := strings.Cut(page.out, "--cursor ")
		cursor, _, _ := strings.Cut(rest, ",")
		if next := must(t, exitDone, "inbox", "--member", "r1", "--limit", "1", "--cursor", cursor); !strings.Contains(next.out, first) || strings.Contains(next.out, second) {
			t.Errorf("the next page is\n%s", next.out)
		}
	})
	t.Run("all of them as one", func(t *testing.T) {
		all := read[inboxAnswer](t, must(t, exitDone, "inbox", "--member", "r1", "--json", "--all", "--limit", "1"))
		if len(all.Items) != 2 || all.Items[0].ID != second || all.Items[1].ID != first || all.NextCursor != nil || all.UnreadCount != 1 {
			t.Errorf("all is %+v", all)
		}
		if got := must(t, exitDone, "inbox", "--member", "r1", "--all", "--limit", "1"); strings.Contains(got.out, "more:") || strings.Count(got.out, "Lena Hart") != 2 {
			t.Errorf("printed\n%s", got.out)
		}
		none := read[map[string]json.RawMessage](t, must(t, exitDone, "inbox", "--member", "r4", "--json", "--all"))
		if string(none["items"]) != "[]" || string(none["next_cursor"]) != "null" {
			t.Errorf("an empty list is %s", none)
		}
	})
	t.Run("wrong filter or cursor", func(t *testing.T) {
		for _, args := range [][]string{{"--status", "lost"}, {"--limit", "201"}, {"--limit", "-1"}, {"--cursor", "abc"}} {
			must(t, exitUsage, append([]string{"inbox", "--member", "r1"}, args...)...)
		}
	})
}
