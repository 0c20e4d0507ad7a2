package recordtest

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// Program returns the path of a program, one of PostgreSQL's also where Debian installs them. The test fails
// when there is none.
func Program(tb testing.TB, name string) string {
	tb.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name) // the pattern is sound
		if len(found) == 0 {
			tb.Fatalf("%s is not installed", name)
		}
		path = found[len(found)-1]
	}
	return path
}
