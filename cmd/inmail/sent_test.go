package main

import (
	"fmt"
	"testing"
	"time"

	"inmail/domain"
)

func TestSent(t *testing.T) {
	r := newRunning(t)
	r.people()
	screen(t, "nothing here\n", must(t, exitDone, "sent", "--member", "lena.hart"))
	opened := r.delivered("r1", "A first question about Tuesday", "--tag", "fair")
	must(t, exitDone, "open", opened, "--member", "r1")
	r.pass(time.Hour)
	retracted := r.delivered("r2", "A second question about Tuesday")
	must(t, exitDone, "retract", retracted, "--member", "lena.hart", "--yes")
	r.pass(time.Hour)
	r.delivered("r3", "A third question about Tuesday", "--tag", "fair", "--tag", "Q4 Pipeline")
	r.pass(time.Hour)
	r.send("r4", "A fourth question about Tuesday")

	t.Run("newest first", func(t *testing.T) {
		head, expires, none := expiring(2 * time.Hour)
		screen(t, fmt.Sprintf(`
ID                                    TO           STATUS             SENT               %[1]s  TAGS               SUBJECT
id..................................  Kim Moss     queued                                %[3]s                     A fourth question about Tuesday
id..................................  Ada Park     sent               23 Nov 2026 11:00  %[2]s  fair, q4 pipeline  A third question about Tuesday
id..................................  Jonas Weiß   retracted, unread  23 Nov 2026 10:00  %[3]s                     A second question about Tuesday
id..................................  Maria López  opened             23 Nov 2026 09:00  %[3]s  fair               A first question about Tuesday
`, head, expires, none), must(t, exitDone, "sent", "--member", "lena.hart"))
	})
	t.Run("by tag, status and end", func(t *testing.T) {
		for subject, args := range map[string][]string{
			"A third question about Tuesday": {"--tag", " Q4  PIPELINE"},
			"A first question about Tuesday": {"--status", "opened", "--tag", "fair"},
		} {
			got := read[sentAnswer](t, must(t, exitDone, append([]string{"sent", "--member", "lena.hart", "--json"}, args...)...))
			if len(got.Items) != 1 || got.Items[0].Subject != subject {
				t.Errorf("%v: %+v", args, got.Items)
			}
		}
		due := monday.Add(domain.Window)
		for before, want := range map[string]int{due.AddDate(0, 0, 1).Format(time.DateOnly): 1, due.Format(time.DateOnly): 0} {
			got := read[sentAnswer](t, must(t, exitDone, "sent", "--member", "lena.hart", "--json", "--expires-before", before))
			if len(got.Items) != want {
				t.Errorf("before %s: %+v", before, got.Items)
			}
		}
	})
	t.Run("by pages", func(t *testing.T) {
		screen(t, `
ID                                    TO        STATUS  SENT  EXPIRES  TAGS  SUBJECT
id..................................  Kim Moss  queued                       A fourth question about Tuesday

more: --cursor CURSOR, or --all
`, must(t, exitDone, "sent", "--member", "lena.hart", "--limit", "1"))
		all := read[sentAnswer](t, must(t, exitDone, "sent", "--member", "lena.hart", "--limit", "1", "--all", "--json"))
		if len(all.Items) != 4 || all.NextCursor != nil {
			t.Errorf("all is %+v", all)
		}
	})
	t.Run("JSON is the API's", func(t *testing.T) {
		sameJSON(t, r.api("GET", "/v1/sent", "lena.hart"), must(t, exitDone, "sent", "--member", "lena.hart", "--json"))
	})
}
