package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCRMSetup sets up the org of embedded mode, which has the package, but not our related list on its
// layouts.
func TestCRMSetup(t *testing.T) {
	r := newRunning(t)
	token, err := r.sandbox.OpenSession("")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	session, undo := filepath.Join(folder, "token.txt"), filepath.Join(folder, "undo.zip")
	if err := os.WriteFile(session, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused := must(t, exitFailed, "crm", "setup")
	if !strings.Contains(refused.out, "the integration user may not look into the org's set-up") || !strings.Contains(refused.out, "--session") || !strings.Contains(refused.err, "1 step of the set-up failed") {
		t.Errorf("without a session: %q %q", refused.out, refused.err)
	}
	looked := must(t, exitFailed, "crm", "setup", "--session", session)
	if !strings.Contains(looked.out, "The server at ") || strings.Count(looked.out, "without the related list InMails") != 4 || !strings.Contains(looked.err, "4 things missing: --apply") {
		t.Errorf("looked: %q %q", looked.out, looked.err)
	}
	made := must(t, exitDone, "crm", "setup", "--session", session, "--apply", "--keep", undo)
	if strings.Count(made.out, "shows InMails now") != 4 || !strings.Contains(made.out, " are as needed") || !strings.Contains(made.out, "--undo "+undo) || strings.Contains(made.out+looked.out+refused.out, token) {
		t.Errorf("made: %s", made.out)
	}
	if got := must(t, exitUsage, "crm", "setup", "--apply", "--keep", undo); !strings.Contains(got.err, "is there already") {
		t.Errorf("a file that is there: %q", got.err)
	}
	if got := read[setupAnswer](t, must(t, exitDone, "crm", "setup", "--session", session, "--json")); !got.OK || got.Missing != 0 || got.Undo != nil || len(got.Findings) < 10 {
		t.Errorf("again: %+v", got)
	}
	if got := must(t, exitDone, "crm", "setup", "--session", session, "--undo", undo); !strings.Contains(got.out, "4 as they were") {
		t.Errorf("undo: %s", got.out)
	}
	must(t, exitFailed, "crm", "setup", "--session", session)
	must(t, exitUsage, "crm", "setup", "--session", session, "--undo", undo, "--apply")
	must(t, exitFailed, "crm", "setup", "--session", filepath.Join(folder, "none"))
	must(t, exitFailed, "crm", "setup", "--undo", filepath.Join(folder, "none"))
}
