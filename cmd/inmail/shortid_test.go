package main

import (
	"strings"
	"testing"
)

func TestShortIDs(t *testing.T) {
	r := newRunning(t)
	r.people()
	first, second := r.delivered("r1", "A question about Tuesday"), r.delivered("r2", "Another one on queues")
	for _, end := range []string{first[len(first)-8:], first[len(first)-12:], strings.ToUpper(first[10:])} {
		for _, member := range []string{"lena.hart", "r1"} {
			if got := r.must(exitDone, "open", end, "--member", member); !strings.Contains(got.out, "A question about Tuesday") {
				t.Errorf("%s for %s is %s", end, member, got.out)
			}
		}
	}
	r.must(exitDone, "reply", first[len(first)-8:], "--member", "r1", "--body", "Yes")
	r.must(exitDone, "retract", second[len(second)-8:], "--member", "lena.hart", "--yes")

	// Nobody else finds it, and an operator who acts for nobody has no boxes.
	for _, member := range []string{"r3", "basic.bo"} {
		if got := r.must(exitUsage, "open", first[len(first)-8:], "--member", member); !strings.Contains(got.err, "write the whole id") {
			t.Errorf("for %s: %s", member, got.err)
		}
	}
	if got := r.must(exitUsage, "open", first[len(first)-8:]); !strings.Contains(got.err, "--member") {
		t.Errorf("for nobody: %s", got.err)
	}
	r.must(exitFailed, "open", "1234567", "--member", "lena.hart") // too short to be one
}

// TestShortIDOfSeveral lets a server list two InMails whose ids end alike.
func TestShortIDOfSeveral(t *testing.T) {
	answering(t, 200, "application/json", `{"items":[{"id":"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21","subject":"One\u202e"},
		{"id":"019abf60-0000-7a31-9c55-0d6a3f6b7e21","subject":"Two"},{"id":"x","inmail_id":"019abf60-0000-7a31-9c55-0d6a3f6b7e21","subject":"Two"}],"next_cursor":null}`)
	got := must(t, exitUsage, "open", "3f6b7e21", "--member", "jo")
	want := "inmail: several ids end in 3f6b7e21: 019abf5e-8c00-7a31-9c55-0d6a3f6b7e21 (One); " +
		"019abf60-0000-7a31-9c55-0d6a3f6b7e21 (Two); write more of the one\n"
	if got.err != want {
		t.Errorf("it said %q, want %q", got.err, want)
	}
}
