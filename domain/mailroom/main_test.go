package mailroom_test

import (
	"flag"
	"os"
	"testing"

	"inmail/connectors/record/recordtest"
)

// TestMain plays fewer random lives than rapid would: each has a record of its own on disk, and a hundred of
// them take minutes under the race detector. -rapid.checks says otherwise.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "20"); err != nil {
		panic(err)
	}
	flag.Parse() // the command line takes precedence
	code := m.Run()
	recordtest.DropDatabases()
	os.Exit(code)
}
