package paneltest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"inmail/connectors/porttest"
	"inmail/dashboards"
)

// Alertmanager starts an Alertmanager until tb ends, with the committed alertmanager.yml, and returns its
// base URL. Its webhooks go to receiver, a base URL, and it groups faster by the factor times. Its
// notifications are repeated as seldom as committed. A missing binary is a failure.
func Alertmanager(tb testing.TB, times int, receiver string) string {
	tb.Helper()
	binary, err := exec.LookPath("prometheus-alertmanager") // Debian's name
	if err != nil {
		binary, err = exec.LookPath("alertmanager")
	}
	if err != nil {
		tb.Fatal("alertmanager is not on the PATH; apt-get install -y --no-install-recommends prometheus-alertmanager")
	}
	text, err := dashboards.Committed.ReadFile("alertmanager.yml")
	if err != nil {
		tb.Fatal(err)
	}
	if text, err = notifying(text, times, receiver); err != nil {
		tb.Fatal(err)
	}
	folder := tb.TempDir()
	file := filepath.Join(folder, "alertmanager.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		tb.Fatal(err)
	}
	server := porttest.Start(tb, func(port int) *exec.Cmd {
		return exec.Command(binary, "--config.file="+file, "--storage.path="+filepath.Join(folder, "data"),
			fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port), "--cluster.listen-address=", "--log.level=warn")
	})
	tb.Cleanup(func() { server.Stop(os.Interrupt) })
	base := "http://" + server.Address()
	if err := awaitReady(base, server.Ended); err != nil {
		tb.Fatalf("alertmanager at %s: %v\n%s", base, err, server.Output())
	}
	return base
}

// notifying returns a configuration whose webhooks go to receiver and whose groups wait shorter by times.
func notifying(text []byte, times int, receiver string) ([]byte, error) {
	var config map[string]any
	if err := yaml.Unmarshal(text, &config); err != nil {
		return nil, fmt.Errorf("read alertmanager.yml: %w", err)
	}
	route, _ := config["route"].(map[string]any)
	for _, field := range []string{"group_wait", "group_interval"} {
		text, _ := route[field].(string)
		d, err := model.ParseDuration(text)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", field, err)
		}
		route[field] = model.Duration(time.Duration(d) / time.Duration(times)).String()
	}
	to, err := url.Parse(receiver)
	if err != nil {
		return nil, err
	}
	receivers, _ := config["receivers"].([]any)
	for _, r := range receivers {
		hooks, _ := r.(map[string]any)["webhook_configs"].([]any)
		for _, h := range hooks {
			hook := h.(map[string]any)
			address, err := url.Parse(hook["url"].(string))
			if err != nil {
				return nil, err
			}
			address.Host = to.Host
			hook["url"] = address.String()
		}
	}
	return yaml.Marshal(config)
}

// Notification is what an Alertmanager sends to a webhook: alerts of one group.
type Notification struct {
	Receiver string
	Status   string // firing or resolved
	Alerts   []NotifiedAlert
}

// NotifiedAlert is one alert of a notification.
type NotifiedAlert struct {
	Status      string
	Labels      map[string]string
	Annotations map[string]string
}

// Receiver keeps the notifications that it gets.
type Receiver struct {
	URL string

	mu  sync.Mutex
	all []Notification
}

// NewReceiver starts a receiver of notifications until tb ends.
func NewReceiver(tb testing.TB) *Receiver {
	tb.Helper()
	r := &Receiver{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var n Notification
		if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, pageLimit)).Decode(&n); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.all = append(r.all, n)
	}))
	tb.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

// Notifications returns what was received so far, in order.
func (r *Receiver) Notifications() []Notification {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Notification(nil), r.all...)
}
