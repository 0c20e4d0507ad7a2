package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"inmail/connectors/porttest/nodetest"
	"inmail/domain"
)

// TestGeneratedClients lets oapi-codegen and @hey-api/openapi-ts make clients of the document that a running
// program serves. The clients compile as strictly as their languages allow, and each does a week of work: an
// error has the type of its status, an answer the type of its call.
func TestGeneratedClients(t *testing.T) {
	t.Parallel()
	s := newServer(t, []string{"--data", t.TempDir()}, append(calmEnv, "INMAIL_TIME_TRAVEL=1")...)
	s.Start()
	document := filepath.Join(t.TempDir(), "openapi.json")
	if err := os.WriteFile(document, []byte(s.page("/openapi.json")), 0o600); err != nil {
		t.Fatal(err)
	}
	clients, err := filepath.Abs("../../.ci/clients")
	if err != nil {
		t.Fatal(err)
	}
	var want any
	if err := json.Unmarshal([]byte(`{"refused":"unknown_recipient","unknown":"unauthorized","preflight":[true,false],"inbox":1,
		"reply":"Tuesday at ten suits me.","second_time":"conflict","undone":true,"expired":"expired",
		"statuses":{"replied":1,"retracted":1,"expired":2},"delivered":4,"opened":1,"replied":1,"retracted":1,
		"events":{"inmail.sent":4,"inmail.replied":1,"inmail.retracted":1},"events_about":6}`), &want); err != nil {
		t.Fatal(err)
	}
	week := func(t *testing.T, folder string, command ...string) {
		var got any
		out := runIn(t, folder, append(command, s.url, operatorKey, "of-"+filepath.Base(folder)+"-", (domain.Window+time.Hour).String())...)
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("the week (-want +got):\n%s", diff)
		}
	}
	t.Run("go", func(t *testing.T) {
		folder := filepath.Join(clients, "go")
		runIn(t, folder, "go", "tool", "oapi-codegen", "-config", "oapi-codegen.yaml", document)
		runIn(t, folder, "go", "vet", "./...")
		week(t, folder, "go", "run", ".")
	})
	t.Run("typescript", func(t *testing.T) {
		folder := filepath.Join(clients, "typescript")
		nodetest.Install(t, folder)
		runIn(t, folder, "node_modules/.bin/openapi-ts", "-i", document, "-o", "inmail", "-c", "@hey-api/client-fetch", "--silent")
		runIn(t, folder, "node_modules/.bin/tsc", "-p", ".")
		week(t, folder, "node", "build/week.js")
	})
}

// runIn runs a command in a folder and returns what it prints.
func runIn(t *testing.T, folder string, command ...string) []byte {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q in %s: %v\n%s%s", command, folder, err, out, tail(errs.String(), 4000))
	}
	return out
}
