package main

import (
	"os"
	"testing"
)

// TestProcessesAreRead checks that the processor time of a process is found where Linux keeps it.
func TestProcessesAreRead(t *testing.T) {
	own, err := readStat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if own.parent != os.Getppid() || own.name == "" {
		t.Errorf("read parent %d and name %q, want %d and a name", own.parent, own.name, os.Getppid())
	}
}
