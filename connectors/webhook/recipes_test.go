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
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"inmail/connectors/porttest"
	"inmail/domain/mailroom"
)

// TestRecipes runs the recipes of the README, by its words, against receivers of their own.
func TestRecipes(t *testing.T) {
	t.Run("Slack", slackRecipe)
	t.Run("Warehouse", warehouseRecipe)
	t.Run("N8N", n8nRecipe)
	t.Run("Zapier", zapierRecipe)
	t.Run("AskForEventsThatThereAre", eventsOfRecipes)
}

// lines are those of the code blocks under "Recipes" in the README.
func lines(t *testing.T) (all []string) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, recipes, found := strings.Cut(string(text), "\n## Recipes\n")
	if !found {
		t.Fatal("the README has no recipes")
	}
	for i, part := range strings.Split(recipes, "```") {
		if i%2 == 1 {
			all = append(all, strings.Split(strings.TrimSpace(part), "\n")...)
		}
	}
	return all
}

// line returns the one line of the recipes that has a word, with values in the place of its examples.
func line(t *testing.T, word string, values ...string) string {
	t.Helper()
	var found []string
	for _, each := range lines(t) {
		if strings.Contains(each, word) {
			found = append(found, each)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d lines of the recipes have %s", len(found), word)
	}
	for i := 0; i < len(values); i += 2 {
		if !strings.Contains(found[0], values[i]) {
			t.Fatalf("%s is not in %s", values[i], found[0])
		}
		found[0] = strings.ReplaceAll(found[0], values[i], values[i+1])
	}
	return found[0]
}

// start runs a command until the test ends, when it has said that it is ready, and returns its further lines.
func start(t *testing.T, cmd *exec.Cmd) *bufio.Reader {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	said := bufio.NewReader(out)
	if text, err := said.ReadString('\n'); err != nil || text != "ready\n" {
		t.Fatalf("it says %q: %v", text, err)
	}
	return said
}

// withSecret copies a recipe to a folder, with the secret put in as the README says.
func withSecret(t *testing.T, recipe string, secret []byte) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("recipes", recipe))
	if err != nil || strings.Count(string(text), "whsec_…") != 1 {
		t.Fatalf("%s has no place for the secret: %v", recipe, err)
	}
	file := filepath.Join(t.TempDir(), recipe)
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "whsec_…", mailroom.ShowSecret(secret), 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const replied = `{"type":"inmail.replied","timestamp":"2026-11-23T09:00:00.000Z","data":{"id":"01935b00-0000-7000-8000-000000000001","from":{"name":"Lena Hart"},"to":{"name":"María López"}}}`

// n8nRecipe runs the workflow by the contract of n8n's nodes.
func n8nRecipe(t *testing.T) {
	secret := []byte("the secret of n8n")
	address := line(t, "https://n8n.example.com/webhook/")
	_, path, _ := strings.Cut(strings.Fields(address)[3], "https://n8n.example.com")
	_, recipe, _ := strings.Cut(line(t, "n8n import:workflow"), "--input=")
	port := strconv.Itoa(porttest.Port(t))
	said := start(t, exec.Command("node", "testdata/n8n/run.mjs", withSecret(t, recipe, secret), port))
	send := func(secret []byte, path, body string) int {
		return open().Send(t.Context(), mailroom.WebhookMessage{URL: "http://127.0.0.1:" + port + path, ID: "evt_1", Body: []byte(body),
			Secrets: [][]byte{[]byte("an earlier one"), secret}}).Status
	}
	for what, row := range map[string]struct{ got, want int }{
		"a signed event": {send(secret, path, replied), http.StatusOK},
		"another secret": {send([]byte("another"), path, replied), http.StatusInternalServerError},
		"another path":   {send(secret, path+"x", replied), http.StatusNotFound},
	} {
		if row.got != row.want {
			t.Errorf("%s: %d, want %d", what, row.got, row.want)
		}
	}
	var item struct{ ID, Type string }
	text, err := said.ReadString('\n')
	if err != nil || json.Unmarshal([]byte(text), &item) != nil || item.ID != "evt_1" || item.Type != "inmail.replied" {
		t.Errorf("the workflow has %q: %v", text, err)
	}
}

// zapierRecipe plays a raw hook of Zapier, which answers at once, and runs the code step with what it caught.
func zapierRecipe(t *testing.T) {
	address := strings.Fields(line(t, "https://hooks.zapier.com/"))[3]
	secret := []byte("the secret of Zapier")
	caught := make(chan map[string]string, 1)
	zapier := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.HasSuffix(address, r.URL.Path) || r.Method != http.MethodPost {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		caught <- map[string]string{"id": r.Header.Get("webhook-id"), "timestamp": r.Header.Get("webhook-timestamp"),
			"signature": r.Header.Get("webhook-signature"), "body": string(body)}
		_, _ = io.WriteString(w, `{"attempt":"1","id":"1","status":"success"}`)
	}))
	defer zapier.Close()
	_, path, _ := strings.Cut(address, "https://hooks.zapier.com")
	step := withSecret(t, "zapier.js", secret)
	for _, row := range []struct {
		secret []byte
		want   string
	}{
		{secret, `{"id":"evt_1","type":"inmail.replied","from":"Lena Hart","to":"María López","inmail":"01935b00-0000-7000-8000-000000000001"}`},
		{[]byte("another"), ""},
	} {
		a := open().Send(t.Context(), mailroom.WebhookMessage{URL: zapier.URL + path, ID: "evt_1", Body: []byte(replied), Secrets: [][]byte{row.secret}})
		if a.Status != http.StatusOK {
			t.Fatalf("%+v", a)
		}
		given, _ := json.Marshal(<-caught)
		cmd := exec.Command("node", "testdata/zapier/step.mjs", step)
		cmd.Stdin = strings.NewReader(string(given))
		out, err := cmd.Output()
		if got := strings.TrimSpace(string(out)); got != row.want || (err != nil) != (row.want == "") {
			t.Errorf("the step gives on %q, %v, want %q", got, err, row.want)
		}
	}
}

// eventsOfRecipes checks the kinds of events that the recipes ask for.
func eventsOfRecipes(t *testing.T) {
	n := 0
	for _, each := range lines(t) {
		_, kinds, found := strings.Cut(each, "--events ")
		if !found {
			continue
		}
		n++
		for kind := range strings.SplitSeq(strings.Trim(kinds, "'"), ",") {
			if !slices.Contains(mailroom.WebhookKinds(), kind) {
				t.Errorf("there is no event %s", kind)
			}
		}
	}
	if n != 3 {
		t.Errorf("%d recipes ask for events", n)
	}
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
	cmd := exec.Command("sh", "-c", "exec env "+line(t, "node slack.mjs", "whsec_…", mailroom.ShowSecret(secret),
		"https://hooks.slack.com/services/…", slack.URL, "8081", port))
	cmd.Dir = "recipes"
	start(t, cmd)
	send := func(secret []byte, body string) mailroom.WebhookAnswer {
		return open().Send(t.Context(), mailroom.WebhookMessage{URL: "http://127.0.0.1:" + port + "/", ID: "evt_1", Body: []byte(body), Secrets: [][]byte{secret}})
	}
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
		cmd := exec.Command("sh", "-c", line(t, "./warehouse.sh", "https://inmail.example.com", feed.URL, "inm_…", "inm_key", "/var/lib/warehouse", folder))
		cmd.Dir = "recipes"
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
