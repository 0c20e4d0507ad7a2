package sandbox

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const jsforceFolder = "testdata/jsforce"

// installJsforce makes sure that the packages of the lock file, and no others, are installed.
func installJsforce(t *testing.T) {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is missing: install Node.js 20 or newer, which includes node and npm", program)
		}
	}
	lock, err := os.ReadFile(filepath.Join(jsforceFolder, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	marker := filepath.Join(jsforceFolder, "node_modules", ".installed")
	if installed, err := os.ReadFile(marker); err == nil && bytes.Equal(installed, lock) {
		return
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = jsforceFolder
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci in %s: %v\n%s", jsforceFolder, err, out)
	}
	if err := os.WriteFile(marker, lock, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestJsforce(t *testing.T) {
	installJsforce(t)
	g := newOrg(t)
	cmd := exec.Command("node", "calls.cjs", g.server.URL)
	cmd.Dir = jsforceFolder
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node calls.cjs: %v\n%s", err, stderr.Bytes())
	}
	var got map[string]any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("its output: %v\n%s", err, out)
	}
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
