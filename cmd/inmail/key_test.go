package main

import (
	"strings"
	"testing"
)

func TestKeysAtTheTerminal(t *testing.T) {
	r := newRunning(t)
	r.people()
	made := read[struct{ ID, Key string }](t, must(t, exitDone, "key", "create", "--member", "lena.hart", "--name", "laptop",
		"--read-only", "--expires", "24h", "--json"))
	if !strings.HasPrefix(made.Key, "inm_") {
		t.Fatalf("made %+v", made)
	}
	listed := must(t, exitDone, "key", "list").out
	for _, part := range []string{made.ID, "member, reads only", "lena.hart", "laptop", "INMAIL_OPERATOR_KEY"} {
		if !strings.Contains(listed, part) {
			t.Errorf("the list has no %q:\n%s", part, listed)
		}
	}
	if strings.Contains(listed, made.Key) {
		t.Error("the list shows the key")
	}
	must(t, exitDone, "key", "revoke", made.ID)
	must(t, exitFailed, "key", "revoke", made.ID)
	must(t, exitRefused, "key", "revoke", "operator") // the last that may change something
	must(t, exitUsage, "key", "create", "--expires", "-1h")
	must(t, exitFailed, "key", "create", "--member", "nobody")
}
