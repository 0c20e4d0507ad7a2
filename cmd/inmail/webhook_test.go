package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"inmail/config"
	"inmail/connectors/webhook"
)

// TestWebhooksAtTheTerminal makes, tests, lists, rotates, replays and removes an end point from the command
// line, with workers that run, and listens to a running server (R68).
func TestWebhooksAtTheTerminal(t *testing.T) {
	r := newRunningAs(t, []config.Role{config.RoleAPI, config.RoleWorker, config.RoleScheduler},
		map[string]string{"webhook_allow_private": "true"})
	r.people()
	var answer atomic.Int64
	answer.Store(http.StatusServiceUnavailable)
	var taken atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		taken.Add(1)
		w.WriteHeader(int(answer.Load()))
	}))
	defer server.Close()
	made := read[newWebhookAnswer](t, must(t, exitDone, "webhook", "add", server.URL, "--events", "inmail.sent,member.*", "--name", "warehouse", "--json"))
	if _, err := webhook.ReadSecret(made.Secret); err != nil {
		t.Fatalf("made %+v", made)
	}
	must(t, exitFailed, "webhook", "test", made.ID)
	answer.Store(http.StatusNoContent)
	if out := must(t, exitDone, "webhook", "test", made.ID).out; !strings.Contains(out, "delivered 204") {
		t.Errorf("a test says %s", out)
	}
	listed := must(t, exitDone, "webhook", "list").out
	for _, part := range []string{made.ID, "warehouse", "inmail.sent,member.*", "on", server.URL} {
		if !strings.Contains(listed, part) {
			t.Errorf("the list has no %q:\n%s", part, listed)
		}
	}
	if out := must(t, exitDone, "webhook", "deliveries", made.ID).out; strings.Count(out, "webhook.test") != 2 || !strings.Contains(out, "failed") {
		t.Errorf("the deliveries are\n%s", out)
	}
	if out := must(t, exitDone, "webhook", "rotate", made.ID).out; !strings.HasPrefix(out, "whsec_") || strings.Contains(out, made.Secret) {
		t.Errorf("a rotation says %s", out)
	}
	must(t, exitDone, "webhook", "enable", made.ID)
	must(t, exitDone, "webhook", "replay", made.ID, "--from", monday.Format("2006-01-02T15:04:05Z"))
	must(t, exitUsage, "webhook", "replay", made.ID)
	must(t, exitDone, "webhook", "remove", made.ID)
	must(t, exitFailed, "webhook", "remove", made.ID)
	must(t, exitUsage, "webhook", "add", "ftp://hooks.example.com/")

	// listen prints what is sent while it runs.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		root := newRoot()
		root.SetOut(&out)
		root.SetErr(&bytes.Buffer{})
		root.SetArgs([]string{"webhook", "listen", "--count", "1", "--events", "inmail.sent"})
		ended <- run(ctx, root)
	}()
	eventually(t, "listen has its end point", func() error {
		if list := must(t, exitDone, "webhook", "list").out; !strings.Contains(list, "inmail webhook listen") {
			return fmt.Errorf("the list is %s", list)
		}
		return nil
	})
	must(t, exitDone, "send", "--member", "lena.hart", "--to", "r1", "--subject", "Your talk on planning", "--body",
		"What you said about planning stayed with me. May I ask how you test yours?")
	if code := <-ended; code != exitDone {
		t.Fatalf("listen ended with %d", code)
	}
	var line struct {
		ID    string
		Event struct {
			Type string
			Data struct{ Status string }
		}
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Event.Type != "inmail.sent" || line.Event.Data.Status != "sent" || !strings.HasPrefix(line.ID, "evt_") {
		t.Errorf("it printed %s: %v", out.String(), err)
	}
	if list := must(t, exitDone, "webhook", "list").out; !strings.Contains(list, "no end points") {
		t.Errorf("listen left its end point: %s", list)
	}
}
