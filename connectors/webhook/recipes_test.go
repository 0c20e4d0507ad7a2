package webhook

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"inmail/connectors/porttest"
	"inmail/domain/mailroom"
)

// TestRecipes runs the recipes of the README against receivers of their own.
func TestRecipes(t *testing.T) {
	t.Run("Slack", slackRecipe)
	t.Run("Warehouse", warehouseRecipe)
}

// slackRecipe plays Slack, which refuses everything but {"text"}.
func slackRecipe(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	status := http.StatusOK
	slack := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var message struct{ Text string }
		if err := json.NewDecoder(r.Body).Decode(&message); err != nil || message.Text == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, message.Text)
		w.WriteHeader(status)
	}))
	defer slack.Close()
	port := strconv.Itoa(porttest.Port(t))
	secret := []byte("the secret of the relay")
	cmd := exec.Command("node", "recipes/slack.mjs")
	cmd.Env = append(os.Environ(), "PORT="+port, "SLACK_URL="+slack.URL, "INMAIL_WEBHOOK_SECRET="+mailroom.ShowSecret(secret))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("it says %q: %v", line, err)
	}
	send := func(secret []byte, body string) mailroom.WebhookAnswer {
		return open().Send(t.Context(), mailroom.WebhookMessage{URL: "http://127.0.0.1:" + port + "/", ID: "evt_1", Body: []byte(body), Secrets: [][]byte{secret}})
	}
	const replied = `{"type":"inmail.replied","timestamp":"2026-11-23T09:00:00.000Z","data":{"from":{"name":"Lena Hart"},"to":{"name":"María López"}}}`
	if a := send(secret, replied); a.Status != http.StatusNoContent {
		t.Errorf("%+v", a)
	}
	if a := send([]byte("another"), replied); a.Status != http.StatusUnauthorized {
		t.Errorf("another secret: %+v", a)
	}
	if a := send(secret, `{"type":"member.restricted","data":{"member":{"name":"Jo"},"until":"2026-11-24T09:00:00.000Z","trigger":"volume_hour"}}`); a.Status != http.StatusNoContent {
		t.Errorf("%+v", a)
	}
	mu.Lock()
	status = http.StatusServiceUnavailable
	mu.Unlock()
	if a := send(secret, replied); a.Status != http.StatusBadGateway {
		t.Errorf("while Slack is down: %+v", a)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := "María López answered Lena Hart's InMail\nJo is restricted until 2026-11-24T09:00:00.000Z (volume_hour)"; strings.Join(lines[:min(2, len(lines))], "\n") != want {
		t.Errorf("Slack got %q", lines)
	}
}

// warehouseRecipe plays the feed, of three pages in two runs.
func warehouseRecipe(t *testing.T) {
	pages := map[string]string{
		"":   `{"items":[{"id":"e1"},{"id":"e2"}],"after":"e2","more":true}`,
		"e2": `{"items":[{"id":"e3"}],"after":"e3","more":false}`,
		"e3": `{"items":[],"after":"e3","more":false}`,
	}
	var mu sync.Mutex
	feed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/events" || r.Header.Get("Authorization") != "Bearer inm_key" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.WriteString(w, pages[r.URL.Query().Get("after")])
	}))
	defer feed.Close()
	folder := t.TempDir()
	run := func() string {
		cmd := exec.Command("recipes/warehouse.sh", folder)
		cmd.Env = append(os.Environ(), "INMAIL_URL="+feed.URL, "INMAIL_KEY=inm_key")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s\ninstall curl and jq", err, out)
		}
		text, err := os.ReadFile(filepath.Join(folder, "events.ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", " ")
	}
	const want = `{"id":"e1"} {"id":"e2"} {"id":"e3"}`
	if got := run(); got != want {
		t.Errorf("the first run wrote %s", got)
	}
	if got := run(); got != want {
		t.Errorf("a run without news wrote %s", got)
	}
	mu.Lock()
	pages["e3"] = `{"items":[{"id":"e4"}],"after":"e4","more":false}`
	mu.Unlock()
	if got := run(); got != want+` {"id":"e4"}` {
		t.Errorf("the third run wrote %s", got)
	}
}
