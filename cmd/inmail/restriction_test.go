package main

import (
	"strings"
	"testing"
	"time"

	"inmail/domain/spam"
)

func TestRestriction(t *testing.T) {
	r := newRunning(t)
	r.people()
	screen(t, "never restricted\n", must(t, exitDone, "restriction", "list", "lena.hart"))
	screen(t, "no decisions\n", must(t, exitDone, "restriction", "decisions", "lena.hart"))

	letter := []string{"send", "--member", "lena.hart", "--to", "r3", "--subject", "You have WON a prize", "--body",
		"Congratulations, you have won a cash prize! Act now, limited time offer, 100% risk free: make money fast, click here to claim your free gift."}
	for range 3 {
		must(t, exitRefused, letter...)
	}
	type list struct {
		Items []struct {
			ID       string
			Kind     string
			Refusals []string
		}
	}
	ids := read[list](t, must(t, exitDone, "restriction", "list", "lena.hart", "--json"))
	id := ids.Items[0].ID

	t.Run("list", func(t *testing.T) {
		screen(t, `
ID                                    BEGAN              UNTIL              STEP  TRIGGER  MEASURED  LIMIT  UNDONE  EVIDENCE
id..................................  23 Nov 2026 09:00  24 Nov 2026 09:00  1     strikes  3         3              3 strikes, behaviour/2
`, must(t, exitDone, "restriction", "list", "lena.hart"))
		sameJSON(t, r.api("GET", "/v1/restrictions?member=lena.hart", ""), must(t, exitDone, "restriction", "list", "lena.hart", "--json"))
	})
	t.Run("decisions", func(t *testing.T) {
		got := must(t, exitDone, "restriction", "decisions", "lena.hart")
		for _, part := range []string{"restrict", "strikes is 3, limit 3", "spam_content", "bar 0.5: ", "prize", spam.ContentVersion} {
			if !strings.Contains(got.out, part) {
				t.Errorf("no %q in\n%s", part, got.out)
			}
		}
		if strings.Contains(got.out, "cash") || strings.Contains(must(t, exitDone, "restriction", "decisions", "lena.hart", "--json").out, "cash") {
			t.Error("the words of a refused text are shown")
		}
		sameJSON(t, r.api("GET", "/v1/audit?kind=decided&sender=lena.hart&limit=2", ""), must(t, exitDone, "restriction", "decisions", "lena.hart", "--limit", "2", "--json"))
	})
	t.Run("replay a restriction", func(t *testing.T) {
		screen(t, `
decided   23 Nov 2026 09:00, restrict of lena.hart, behaviour/2
was       strikes, 3 of at most 3
would be  it would have passed
`, must(t, exitDone, "restriction", "replay", id, "--set", "strikes=4"))
		if got := must(t, exitDone, "restriction", "replay", id, "--set", "strikes=2,volume_hour=30"); !strings.HasSuffix(got.out, "would be  strikes, 3 of at most 2\n") {
			t.Errorf("printed\n%s", got.out)
		}
		must(t, exitUsage, "restriction", "replay", id, "--set", "strikes=many")
		must(t, exitUsage, "restriction", "replay", id, "--set", "strokes=4")
		must(t, exitUsage, "restriction", "replay", id, "--set", "strikes=0")
		must(t, exitUsage, "restriction", "replay", id, "--set", "refuse_score=0.9")
		must(t, exitFailed, "restriction", "replay", "nothing")
	})
	t.Run("replay a refused text", func(t *testing.T) {
		for _, e := range read[list](t, must(t, exitDone, "restriction", "decisions", "lena.hart", "--json")).Items {
			if e.Kind != "send" {
				continue
			}
			if got := must(t, exitDone, "restriction", "replay", e.ID, "--set", "refuse_score=1"); !strings.Contains(got.out, "was       spam_content, ") ||
				!strings.HasSuffix(got.out, "would be  it would have passed\n") {
				t.Errorf("printed\n%s", got.out)
			}
			if got := must(t, exitDone, "restriction", "replay", e.ID); strings.Contains(got.out, "passed") {
				t.Errorf("under what was in force:\n%s", got.out)
			}
		}
	})
	t.Run("undo", func(t *testing.T) {
		screen(t, "undone; the sender may send again\n", must(t, exitDone, "restriction", "undo", id))
		must(t, exitFailed, "restriction", "undo", id)
		r.pass(time.Millisecond)
		r.delivered("r1", "A question about Tuesday")
		must(t, exitRefused, letter...) // one strike after the undo of three does not restrict
		r.delivered("r2", "A question about Wednesday")
		if got := must(t, exitDone, "restriction", "list", "lena.hart"); strings.Count(got.out, "\n") != 2 || !strings.Contains(got.out, "3      23 Nov 2026 09:00  3 strikes") {
			t.Errorf("printed\n%s", got.out)
		}
	})
	must(t, exitUsage, "restriction", "list")
	must(t, exitUsage, "restriction", "forgive")
}
