package paneltest

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"inmail/dashboards"
)

// How long a Prometheus may take to come up and to go down. Neither is judged, both are bounded.
const (
	startLimit = time.Minute
	stopLimit  = 20 * time.Second
)

// Prometheus starts a real one until tb ends, with the committed prometheus.yml and rules, and returns
// its base URL. It scrapes target (host:port) in place of the default address, and scrapes and
// evaluates every second. A missing binary is a failure.
func Prometheus(tb testing.TB, target string) string {
	tb.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		tb.Fatal("prometheus is not on the PATH; apt-get install -y --no-install-recommends prometheus")
	}
	folder := tb.TempDir()
	if err := layOut(folder, target); err != nil {
		tb.Fatal(err)
	}
	address, err := freeAddress()
	if err != nil {
		tb.Fatal(err)
	}
	said := &output{}
	run := exec.Command(binary,
		"--config.file="+filepath.Join(folder, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(folder, "data"),
		"--web.listen-address="+address, "--log.level=warn")
	run.Stdout, run.Stderr = said, said
	if err := run.Start(); err != nil {
		tb.Fatalf("start prometheus: %v", err)
	}
	ended := make(chan struct{})
	go func() { _ = run.Wait(); close(ended) }()
	tb.Cleanup(func() { stop(run.Process, ended) })

	base := "http://" + address
	if err := awaitReady(base, ended); err != nil {
		tb.Fatalf("prometheus at %s: %v\n%s", base, err, said)
	}
	return base
}

// layOut writes the committed configuration and rules to folder, with target and a second's pace.
func layOut(folder, target string) error {
	for _, dir := range []string{"rules", "data"} {
		if err := os.MkdirAll(filepath.Join(folder, dir), 0o755); err != nil {
			return fmt.Errorf("make a folder for prometheus: %w", err)
		}
	}
	rules, err := fs.Glob(dashboards.Committed, "rules/*.yml")
	if err != nil {
		return fmt.Errorf("list the rules: %w", err)
	}
	for _, name := range rules {
		text, err := dashboards.Committed.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	text, err := dashboards.Committed.ReadFile("prometheus.yml")
	if err != nil {
		return fmt.Errorf("read prometheus.yml: %w", err)
	}
	if text, err = aimed(text, target); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "prometheus.yml"), text, 0o644); err != nil {
		return fmt.Errorf("write prometheus.yml: %w", err)
	}
	return nil
}

// aimed is the configuration in text with every job's target replaced and a pace of one second.
func aimed(text []byte, target string) ([]byte, error) {
	var config map[string]any
	if err := yaml.Unmarshal(text, &config); err != nil {
		return nil, fmt.Errorf("read prometheus.yml: %w", err)
	}
	config["global"] = map[string]any{"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
	jobs, ok := config["scrape_configs"].([]any)
	if !ok {
		return nil, fmt.Errorf("prometheus.yml has no list of scrape_configs")
	}
	for _, job := range jobs {
		job.(map[string]any)["static_configs"] = []any{map[string]any{"targets": []string{target}}}
	}
	return yaml.Marshal(config)
}

// freeAddress is a loopback address that nobody listened on a moment ago.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

func awaitReady(base string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/-/ready", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-again.C:
		case <-ended:
			return fmt.Errorf("it ended before it was ready")
		case <-ctx.Done():
			return fmt.Errorf("it was not ready within %s", startLimit)
		}
	}
}

func stop(process *os.Process, ended <-chan struct{}) {
	_ = process.Signal(os.Interrupt)
	select {
	case <-ended:
	case <-time.After(stopLimit):
		_ = process.Kill()
		<-ended
	}
}

// output keeps what a process says, for when it fails.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimSpace(o.text.String())
}
