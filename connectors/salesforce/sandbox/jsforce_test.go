package sandbox

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"inmail/connectors/porttest/nodetest"

	"github.com/google/go-cmp/cmp"
)

const jsforceFolder = "testdata/jsforce"

// runJsforce runs a script of the folder against an org and returns what it prints.
func runJsforce(t *testing.T, script, url string) (got map[string]any) {
	t.Helper()
	nodetest.Install(t, jsforceFolder)
	cmd := exec.Command("node", script, url)
	cmd.Dir = jsforceFolder
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node %s: %v\n%s", script, err, stderr.Bytes())
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("its output: %v\n%s", err, out)
	}
	return got
}

// TestJsforceNormal makes the 52 calls of a normal jsforce client. All but those named here work.
func TestJsforceNormal(t *testing.T) {
	missing := map[string]string{
		"search":       "SOSL",
		"toolingQuery": "the Tooling API",
		"bulk1Load":    "Bulk API 1",
		"quickActions": "quick actions",
	}
	got := runJsforce(t, "normal.cjs", newOrg(t).server.URL)
	if len(got) != 52 {
		t.Errorf("%d calls, not 52", len(got))
	}
	for name, outcome := range got {
		if works := outcome == true; works == (missing[name] != "") {
			t.Errorf("%s: %v (missing: %q)", name, outcome, missing[name])
		}
	}
}

func TestJsforce(t *testing.T) {
	got := runJsforce(t, "calls.cjs", newOrg(t).server.URL)
	data, err := os.ReadFile(filepath.Join(jsforceFolder, "want.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	for name := range want {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want[name], got[name]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is made by calls.cjs and not in want.json", name)
		}
	}
}
