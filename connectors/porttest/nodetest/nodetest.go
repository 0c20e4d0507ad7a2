// Package nodetest installs packages of npm for tests.
package nodetest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Install makes sure that the packages of a folder's package-lock.json, and no others, are installed in it.
// Options are further ones of npm ci. The test fails when Node.js or npm is missing.
func Install(tb testing.TB, folder string, options ...string) {
	tb.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			tb.Fatalf("%s is missing: install Node.js 20 or newer, which includes node and npm", program)
		}
	}
	lock, err := os.ReadFile(filepath.Join(folder, "package-lock.json"))
	if err != nil {
		tb.Fatal(err)
	}
	marker := filepath.Join(folder, "node_modules", ".installed")
	if installed, err := os.ReadFile(marker); err == nil && bytes.Equal(installed, lock) {
		return
	}
	cmd := exec.Command("npm", append([]string{"ci", "--ignore-scripts", "--no-audit", "--no-fund"}, options...)...)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("npm ci in %s: %v\n%s", folder, err, out)
	}
	if err := os.WriteFile(marker, lock, 0o644); err != nil {
		tb.Fatal(err)
	}
}
