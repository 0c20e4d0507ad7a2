package main

import (
	"strings"
	"testing"

	"inmail/domain"
)

func TestRetract(t *testing.T) {
	r := newRunning(t)
	r.people()
	t.Setenv("INMAIL_MEMBER", "lena.hart")
	status := func(id string) string {
		t.Helper()
		return read[sentView](t, must(t, exitDone, "open", id, "--json")).state()
	}
	first := r.delivered("r1", "A first question about Tuesday")

	t.Run("shows what it would do, and does nothing where nobody can be asked", func(t *testing.T) {
		got := must(t, exitUsage, "retract", first)
		screen(t, `
To Maria López (r1): A first question about Tuesday
Nobody has read it: it will be gone from the recipient's inbox. The credit is not given back.
`, got)
		if !strings.Contains(got.err, "--yes") || status(first) != "sent" {
			t.Errorf("said %q, and it is %s", got.err, status(first))
		}
	})
	t.Run("takes it back", func(t *testing.T) {
		got := must(t, exitDone, "retract", first, "--yes")
		if !strings.HasSuffix(got.out, "\nretracted; nobody had read it\n") || status(first) != "retracted, unread" {
			t.Errorf("it is %s: %s", status(first), got.out)
		}
		if got := must(t, exitRefused, "open", first, "--member", "r1"); !strings.HasPrefix(got.err, "inmail: retracted: ") {
			t.Errorf("the recipient: %q", got.err)
		}
	})
	t.Run("what was opened", func(t *testing.T) {
		opened := r.delivered("r2", "A second question about Tuesday")
		must(t, exitDone, "open", opened, "--member", "r2")
		screen(t, `
To Jonas Weiß (r2): A second question about Tuesday
It was opened: it leaves the recipient's inbox and does not open again; what was read stays read, and a conversation goes on. The credit is not given back.
retracted; it had been read
`, must(t, exitDone, "retract", opened, "--yes"))
	})
	t.Run("in two steps of JSON", func(t *testing.T) {
		id := r.delivered("r3", "A third question about Tuesday")
		offer := read[map[string]any](t, must(t, exitDone, "retract", id, "--json"))
		if offer["undone_if_confirmed_now"] != true || offer["expires_at"] != "2026-11-23T09:15:00.000Z" || status(id) != "sent" {
			t.Fatalf("the offer is %v, and it is %s", offer, status(id))
		}
		must(t, exitRefused, "retract", id, "--confirm", "a-wrong-token")
		token := offer["confirm"].(string)
		for range 2 {
			got := must(t, exitDone, "retract", id, "--json", "--confirm", token)
			if answer := read[map[string]any](t, got); answer["status"] != "retracted" || answer["undone"] != true {
				t.Errorf("answered %v", answer)
			}
		}
	})
	t.Run("by JSON without asking", func(t *testing.T) {
		id := r.delivered("r4", "A fourth question about Tuesday")
		if got := read[map[string]any](t, must(t, exitDone, "retract", id, "--json", "--yes")); got["undone"] != true {
			t.Errorf("answered %v", got)
		}
	})
	t.Run("too late, not mine, not there", func(t *testing.T) {
		id := r.delivered("r5", "A fifth question about Tuesday")
		must(t, exitFailed, "retract", id, "--yes", "--member", "r5")
		must(t, exitFailed, "retract", "nothing", "--yes")
		r.pass(domain.Window)
		if got := must(t, exitRefused, "retract", id, "--yes"); !strings.HasPrefix(got.err, "inmail: too_late: ") {
			t.Errorf("said %q", got.err)
		}
	})
}
