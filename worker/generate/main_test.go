package main

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/domain/mailroom"
)

// TestReadmeIsThatOfTheTable compares the README in the tree with the table of the program.
func TestReadmeIsThatOfTheTable(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	want, err := written(string(readme), table(mailroom.TaskKinds()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(readme)); diff != "" {
		t.Errorf("worker/README.md is out of date; go generate ./worker (-want +got):\n%s", diff)
	}
}

func TestTable(t *testing.T) {
	kinds := []mailroom.TaskKind{
		{Type: "a:b", Queue: "sends", Timeout: 90 * time.Second, Retries: 5, AskedBy: "a person", Does: "one thing"},
		{Type: "c:d", Queue: "crm", Every: 24 * time.Hour, Setting: "push_every",
			Timeout: 1500 * time.Millisecond, AskedBy: "a person", Does: "another"},
	}
	want := "| Task | Queue | Asked for by | Does | Time-out | Retries |\n|---|---|---|---|---|---|\n" +
		"| `a:b` | `sends` | a person | one thing | 90 s | 5 |\n" +
		"| `c:d` | `crm` | the schedule, every 24 h or `INMAIL_PUSH_EVERY`; a person " +
		"| another | 1.5s | the next slot |\n"
	if diff := cmp.Diff(want, table(kinds)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := written("# The jobs\n", want); err == nil {
		t.Error("a README without marks was written")
	}
}
