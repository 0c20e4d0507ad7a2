package paneltest

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"inmail/connectors/porttest"
	"inmail/dashboards"
)

// startLimit bounds the time in which a Prometheus starts. The duration itself is not tested.
const startLimit = 10 * time.Minute

// Prometheus starts a Prometheus until tb ends, with the committed prometheus.yml and rules, and returns
// its base URL. It scrapes target (host:port) instead of the default address, and scrapes and evaluates
// every second. A missing binary is a failure.
func Prometheus(tb testing.TB, target string) string {
	tb.Helper()
	return start(tb, layout{times: 1, every: time.Second, installations: map[string][]string{"inmail": {target}}})
}

// TimeLapse starts a Prometheus in which time runs faster by the factor times: the rules are changed by
// Faster, and the intervals of scrapes and evaluations and the lookback are divided by times. It scrapes
// several installations: the keys are the prefixes of their pairs of job names, the values all of their
// processes (host:port). It notifies the Alertmanager at a base URL; an empty one is none.
func TimeLapse(tb testing.TB, times int, alertmanager string, installations map[string][]string) string {
	tb.Helper()
	return start(tb,
		layout{times: times, installations: installations, alertmanager: strings.TrimPrefix(alertmanager, "http://")},
		"--query.lookback-delta="+model.Duration(lookback/time.Duration(times)).String())
}

// lookback is how long Prometheus uses the last sample of a series when nothing else is set.
const lookback = 5 * time.Minute

func start(tb testing.TB, l layout, flags ...string) string {
	tb.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		tb.Fatal("prometheus is not on the PATH; apt-get install -y --no-install-recommends prometheus")
	}
	folder := tb.TempDir()
	if err := l.write(folder); err != nil {
		tb.Fatal(err)
	}
	server := porttest.Start(tb, func(port int) *exec.Cmd {
		return exec.Command(binary, append([]string{
			"--config.file=" + filepath.Join(folder, "prometheus.yml"),
			"--storage.tsdb.path=" + filepath.Join(folder, "data"),
			fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port), "--log.level=warn"}, flags...)...)
	})
	tb.Cleanup(func() { server.Stop(os.Interrupt) })

	base := "http://" + server.Address()
	if err := awaitReady(base, server.Ended); err != nil {
		tb.Fatalf("prometheus at %s: %v\n%s", base, err, server.Output())
	}
	return base
}

// layout is the configuration of a Prometheus besides the committed files.
type layout struct {
	times         int                 // factor by which time runs faster
	every         time.Duration       // interval of scrapes and evaluations; 0: the committed one divided by times
	installations map[string][]string // processes (host:port) by prefix of the job names
	alertmanager  string              // host:port; empty: none is notified
}

// write writes the committed configuration and rules to folder, with the changes of l.
func (l layout) write(folder string) error {
	for _, dir := range []string{"rules", "data"} {
		if err := os.MkdirAll(filepath.Join(folder, dir), 0o755); err != nil {
			return fmt.Errorf("make a folder for prometheus: %w", err)
		}
	}
	rules, err := dashboards.RuleFiles()
	if err != nil {
		return err
	}
	for _, file := range rules {
		text, err := dashboards.Committed.ReadFile(file.File)
		if err != nil {
			return fmt.Errorf("read %s: %w", file.File, err)
		}
		if l.times != 1 {
			if text, err = Faster(text, l.times); err != nil {
				return fmt.Errorf("%s: %w", file.File, err)
			}
		}
		if err := os.WriteFile(filepath.Join(folder, file.File), text, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", file.File, err)
		}
	}
	text, err := dashboards.Committed.ReadFile("prometheus.yml")
	if err != nil {
		return fmt.Errorf("read prometheus.yml: %w", err)
	}
	if text, err = l.scrapeConfig(text); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "prometheus.yml"), text, 0o644); err != nil {
		return fmt.Errorf("write prometheus.yml: %w", err)
	}
	return nil
}

// scrapeConfig returns the committed configuration with its jobs repeated for each installation.
func (l layout) scrapeConfig(text []byte) ([]byte, error) {
	var config struct {
		Global struct {
			Scrape string `yaml:"scrape_interval"`
		}
		Files []string         `yaml:"rule_files"`
		Jobs  []map[string]any `yaml:"scrape_configs"`
		Alert map[string]any   `yaml:"alerting"`
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		return nil, fmt.Errorf("read prometheus.yml: %w", err)
	}
	every := l.every
	if every == 0 {
		committed, err := model.ParseDuration(config.Global.Scrape)
		if err != nil {
			return nil, fmt.Errorf("read scrape_interval: %w", err)
		}
		every = time.Duration(committed) / time.Duration(l.times)
	}
	var jobs []map[string]any
	for name, processes := range l.installations {
		for _, committed := range config.Jobs {
			job := maps.Clone(committed)
			page, ok := strings.CutPrefix(job["job_name"].(string), "inmail")
			if !ok {
				return nil, fmt.Errorf("the job %s is not called inmail…", job["job_name"])
			}
			job["job_name"] = name + page
			job["static_configs"] = []any{map[string]any{"targets": processes}}
			jobs = append(jobs, job)
		}
	}
	pace := model.Duration(every).String()
	alerting := map[string]any{}
	if l.alertmanager != "" {
		alerting = maps.Clone(config.Alert)
		target := map[string]any{"targets": []string{l.alertmanager}}
		alerting["alertmanagers"] = []any{map[string]any{"static_configs": []any{target}}}
	}
	return yaml.Marshal(map[string]any{
		"alerting":   alerting,
		"global":     map[string]any{"scrape_interval": pace, "scrape_timeout": pace, "evaluation_interval": pace},
		"rule_files": config.Files, "scrape_configs": jobs,
	})
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
