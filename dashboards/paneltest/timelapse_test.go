package paneltest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"inmail/dashboards"
	"inmail/dashboards/paneltest"
)

func TestRetimed(t *testing.T) {
	for expr, want := range map[string]string{
		`sum by (job) (increase(x_total[10m])) > 5`:                      `sum by (job) (increase(x_total[10s])) > 5`,
		`max by (job) (asynq_queue_latency_seconds{queue="sends"}) > 60`: `max by (job) (asynq_queue_latency_seconds{queue="sends"}) > 1`,
		`time() - (max by (job) (x_timestamp_seconds) > 0) > 45`:         `time() - (max by (job) (x_timestamp_seconds) > 0) > 0.75`,
		`max by (job) (time() - (x_timestamp_seconds > 0) > bool 900)`:   `max by (job) (time() - (x_timestamp_seconds > 0) > bool 15)`,
		`x:y:max - (x:y:max offset 1h or 0 * x:y:max) >= 10`:             `x:y:max - (x:y:max offset 1m or 0 * x:y:max) >= 10`,
		`3600 * job:x:rate1h > 100`:                                      `60 * job:x:rate1h > 100`, // the name stays; its window is 60 s now
		`1800 * job:x:rate1h > 100`:                                      `1800 * job:x:rate1h > 100`,
		`job:x:ratio_rate6h > 0.006 and up == 0`:                         `job:x:ratio_rate6h > 0.006 and up == 0`,
		`max_over_time(rate(x_total[5m])[6h:1m] offset 1d)`:              `max_over_time(rate(x_total[5s])[6m:1s] offset 24m)`,
		`rate(x_seconds_bucket{le=~"60(\\.0)?"}[30m])`:                   `rate(x_seconds_bucket{le=~"60(\\.0)?"}[30s])`, // a label
		`x_seconds_count > 60`:                                           `x_seconds_count > 60`,
		`max by (week) (x_timestamp_seconds) <= bool time()`:             `max by (week) (x_timestamp_seconds) <= bool time()`,
	} {
		got, err := paneltest.Retimed(expr, func(d time.Duration) time.Duration { return d / 60 })
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", expr, diff)
		}
	}
	if _, err := paneltest.Retimed(`rate(x[`, nil); err == nil {
		t.Error("an expression that is none is retimed")
	}
}

// number matches a number or a duration in an expression that is not part of a name.
var number = regexp.MustCompile(`\b\d+(\.\d+)?((ms|[smhdw])(\d+(ms|[smhdw]))*)?\b`)

// TestFaster makes the committed rules sixty times as fast. Prometheus must accept them, each duration must
// be a sixtieth, and nothing else may change. Numbers that look like seconds and stay are counts listed
// here, or bounds of buckets.
func TestFaster(t *testing.T) {
	const times = 60
	counts := []string{"100", "500"}
	bound := regexp.MustCompile(`le=~"[^"]*"`)
	committed, shorter := 0, 0
	for _, name := range ruleFiles(t) {
		text, err := dashboards.Committed.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		same, err := paneltest.Faster(text, 1)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		fast, err := paneltest.Faster(text, times)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		path := filepath.Join(t.TempDir(), "rules.yml")
		if err := os.WriteFile(path, fast, 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("promtool", "check", "rules", "--lint-fatal", path).CombinedOutput(); err != nil {
			t.Errorf("promtool check rules, of %s: %v\n%s", name, err, out)
		}
		is := rulesOf(t, fast)
		for i, was := range rulesOf(t, same) {
			committed++
			if was.For != "" {
				if got, want := seconds(t, is[i].For), seconds(t, was.For)/times; got != want {
					t.Errorf("%s: for is %v s, want %v", was.Alert, got, want)
				}
				is[i].For = was.For
			}
			was.Expr, is[i].Expr = bound.ReplaceAllLiteralString(was.Expr, "le"), bound.ReplaceAllLiteralString(is[i].Expr, "le")
			before, after := number.FindAllString(was.Expr, -1), number.FindAllString(is[i].Expr, -1)
			if len(before) != len(after) {
				t.Errorf("%s%s: %q became %q", was.Record, was.Alert, before, after)
				continue
			}
			for k := range before {
				switch {
				case before[k] == after[k]:
					if seconds(t, before[k]) >= 30 && !slices.Contains(counts, before[k]) {
						t.Errorf("%s%s: %s stays; is it a time?", was.Record, was.Alert, before[k])
					}
				case seconds(t, before[k]) != times*seconds(t, after[k]):
					t.Errorf("%s%s: %s became %s", was.Record, was.Alert, before[k], after[k])
				default:
					shorter++
				}
			}
			was.Expr, is[i].Expr = number.ReplaceAllString(was.Expr, "N"), number.ReplaceAllString(is[i].Expr, "N")
			if diff := cmp.Diff(was, is[i]); diff != "" {
				t.Errorf("more than the durations is changed (-was +is):\n%s", diff)
			}
		}
	}
	if committed < 100 || shorter < 80 {
		t.Errorf("of %d rules %d durations are shorter", committed, shorter)
	}
}

func ruleFiles(t *testing.T) (names []string) {
	t.Helper()
	files, err := dashboards.RuleFiles()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.File)
	}
	return names
}

// rulesOf returns the rules in text, with their expressions in Prometheus' own format.
func rulesOf(t *testing.T, text []byte) (rules []dashboards.Rule) {
	t.Helper()
	var file dashboards.RuleFile
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		rules = append(rules, g.Rules...)
	}
	return rules
}

// seconds parses a number of seconds, or a duration with a unit.
func seconds(t *testing.T, text string) float64 {
	t.Helper()
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		return n
	}
	d, err := model.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(d).Seconds()
}
