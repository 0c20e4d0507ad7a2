package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"inmail/domain"
)

func TestOpen(t *testing.T) {
	r := newRunning(t)
	r.people()
	sent := r.must(exitDone, "send", "--json", "--member", "lena.hart", "--to", "r1", "--subject", "Our talk\u009b2J at the fair",
		"--body", "Hello Maria,\n\n- one\x1b]0;title\x07\n- two")
	id := read[idAnswer](t, sent).ID
	r.deliver(id)

	t.Run("as its sender opens nothing", func(t *testing.T) {
		_, expires, _ := expiring(0)
		screen(t, fmt.Sprintf(`
To       Maria López (r1)
Subject  Our talk�2J at the fair
Status   sent
Expires  %s UTC

   RECEIPT  AT                 REASON
1  queued   23 Nov 2026 09:00
2  sent     23 Nov 2026 09:00
`, expires), must(t, exitDone, "open", id, "--member", "lena.hart"))
		got := read[map[string]json.RawMessage](t, must(t, exitDone, "open", id, "--member", "lena.hart", "--json"))
		if string(got["status"]) != `"sent"` || string(got["replies"]) != "[]" || got["receipts"] == nil {
			t.Errorf("JSON is %s", got)
		}
	})
	t.Run("as its recipient", func(t *testing.T) {
		r.pass(time.Hour)
		screen(t, `
From     Lena Hart (lena.hart)
Subject  Our talk�2J at the fair
Opened   23 Nov 2026 10:00 UTC

Hello Maria,

- one]0;title
- two
`, must(t, exitDone, "open", id, "--member", "r1"))
		sameJSON(t, r.api("POST", "/v1/inmails/"+id+"/open", "r1"), must(t, exitDone, "open", id, "--member", "r1", "--json"))
	})
	t.Run("with its conversation", func(t *testing.T) {
		must(t, exitDone, "reply", id, "--member", "r1", "--body", "Tuesday\nat ten?")
		r.pass(time.Hour)
		must(t, exitDone, "reply", id, "--member", "lena.hart", "--body", "Yes.")
		conversation := "\nMaria López (r1), 23 Nov 2026 10:00 UTC\nTuesday\nat ten?\n\nLena Hart (lena.hart), 23 Nov 2026 11:00 UTC\nYes.\n"
		for _, member := range []string{"r1", "lena.hart", ""} {
			if got := must(t, exitDone, "open", id, "--member", member); !strings.HasSuffix(got.out, conversation) {
				t.Errorf("member %q sees\n%s", member, got.out)
			}
		}
		var shown shownInMail = read[shownInMail](t, must(t, exitDone, "open", id, "--member", "lena.hart", "--json"))
		if len(shown.Replies) != 2 || shown.Status != "replied" {
			t.Errorf("JSON is %+v", shown)
		}
	})
	t.Run("by somebody else", func(t *testing.T) {
		got := must(t, exitFailed, "open", id, "--member", "r2")
		if !strings.HasPrefix(got.err, "inmail: not_found: ") {
			t.Errorf("said %q", got.err)
		}
		must(t, exitFailed, "open", "../credits", "--member", "r2")
	})
	t.Run("too late", func(t *testing.T) {
		late := r.delivered("r2", "A question about Tuesday")
		r.pass(domain.Window)
		if got := must(t, exitRefused, "open", late, "--member", "r2"); !strings.HasPrefix(got.err, "inmail: expired: ") {
			t.Errorf("said %q", got.err)
		}
		if got := must(t, exitDone, "open", late, "--member", "lena.hart"); !strings.Contains(got.out, "Status   expired\n") {
			t.Errorf("the sender sees\n%s", got.out)
		}
	})
}
