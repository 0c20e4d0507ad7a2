package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// newTerminal opens a pseudo-terminal: the terminal itself, and the end at which a person types and reads.
func newTerminal(t *testing.T) (person, terminal *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetUint32(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return person, terminal
}

func TestRetractAsksAtATerminal(t *testing.T) {
	r := newRunning(t)
	r.people()
	id := r.delivered("r1", "A question about Tuesday")
	for _, row := range []struct {
		typed, status string
		code          int
	}{
		{"\n", "sent", exitFailed}, {"n\n", "sent", exitFailed}, {"yess\n", "sent", exitFailed}, {"\x04", "sent", exitFailed},
		{"Y\n", "retracted", exitDone},
	} {
		t.Run(fmt.Sprintf("%q", row.typed), func(t *testing.T) {
			person, terminal := newTerminal(t)
			if _, err := person.WriteString(row.typed); err != nil {
				t.Fatal(err)
			}
			got := inmailReading(t, terminal, "retract", id, "--member", "lena.hart")
			if got.code != row.code || !strings.Contains(got.out, "Retract it? [y/N] ") {
				t.Errorf("exit code %d: %s%s", got.code, got.out, got.err)
			}
			if done := strings.HasSuffix(got.out, "retracted; nobody had read it\n"); done != (row.code == exitDone) {
				t.Errorf("printed %s", got.out)
			}
			if v := read[sentView](t, must(t, exitDone, "open", id, "--json")); v.Status != row.status {
				t.Errorf("it is %s, want %s", v.Status, row.status)
			}
		})
	}
}

// TestImportShowsItsProgress checks that the import draws a bar on a terminal, and nothing when its output
// goes elsewhere.
func TestImportShowsItsProgress(t *testing.T) {
	newRunning(t)
	path := filepath.Join(t.TempDir(), "people.ndjson")
	lines := `{"member":{"id":"a","name":"A"}}` + strings.Repeat("\n", 200_000) // more than is read at once
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	person, terminal := newTerminal(t)
	var out bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetErr(terminal)
	root.SetArgs([]string{"import", path})
	code := run(t.Context(), root)
	terminal.Close()
	drawn, err := io.ReadAll(person) // ends with an error when the terminal is closed
	if code != exitDone || !strings.Contains(string(drawn), "importing") || !strings.Contains(string(drawn), "% |") {
		t.Errorf("exit code %d, %v, drew %q", code, err, drawn)
	}
	if got, want := out.String(), "200000 lines, 1 accepted, 0 rejected\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}
