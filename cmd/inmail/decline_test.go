package main

import (
	"strings"
	"testing"
)

func TestDecline(t *testing.T) {
	r := newRunning(t)
	r.people()
	id := r.delivered("r1", "A question about Tuesday")
	must(t, exitFailed, "decline", id, "--member", "r2")
	must(t, exitUsage, "decline", id, "--member", "r1", "--reason", strings.Repeat("x", 201))
	screen(t, "declined\n", must(t, exitDone, "decline", id, "--member", "r1", "--reason", "We have a supplier."))
	if got := read[map[string]any](t, must(t, exitDone, "decline", id, "--member", "r1", "--json")); got["status"] != "declined" {
		t.Errorf("again: %v", got)
	}
	shown := must(t, exitDone, "open", id, "--member", "lena.hart")
	if !strings.Contains(shown.out, "We have a supplier.") || !strings.Contains(shown.out, "4  declined") {
		t.Errorf("the sender reads %s", shown.out)
	}
	got := must(t, exitRefused, "reply", id, "--member", "lena.hart", "--body", "And now?")
	if !strings.HasPrefix(got.err, "inmail: conflict: ") {
		t.Errorf("the sender after it: %q", got.err)
	}
}
