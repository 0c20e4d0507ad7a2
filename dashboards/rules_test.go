package dashboards_test

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"inmail/dashboards"
	"inmail/dashboards/paneltest"
)

func eachRule(t *testing.T, do func(dashboards.Rule)) {
	t.Helper()
	files, err := dashboards.RuleFiles()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		for _, group := range file.Groups {
			for _, rule := range group.Rules {
				do(rule)
			}
		}
	}
}

// promtool runs Prometheus' own checker. A missing binary is a failure.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	binary, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is not on the PATH; apt-get install -y --no-install-recommends prometheus")
	}
	if out, err := exec.Command(binary, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// What is published of a week, and when, as Prometheus computes it.
func TestRules(t *testing.T) {
	t.Run("R57_open_rate_of_complete_weeks", func(t *testing.T) { promtool(t, "test", "rules", "rules/open-rate.test.yml") })
	t.Run("R58_response_rate_of_complete_weeks", func(t *testing.T) { promtool(t, "test", "rules", "rules/response-rate.test.yml") })
	t.Run("R59_two_replicas_tell_one_figure", func(t *testing.T) { promtool(t, "test", "rules", "rules/replicas.test.yml") })
}

func TestRuleFilesAreSound(t *testing.T) {
	files, err := dashboards.RuleFiles()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.File)
	}
	promtool(t, append([]string{"check", "rules", "--lint-fatal"}, names...)...)
	promtool(t, "check", "config", "prometheus.yml")

	text, err := os.ReadFile("prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		RuleFiles []string `yaml:"rule_files"`
		Jobs      []struct {
			Name string `yaml:"job_name"`
			Path string `yaml:"metrics_path"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	slices.Sort(config.RuleFiles)
	if diff := cmp.Diff(names, config.RuleFiles); diff != "" {
		t.Errorf("rule_files of prometheus.yml (-want +got):\n%s", diff)
	}
	paths := map[string]string{}
	for _, j := range config.Jobs {
		paths[j.Name] = j.Path
	}
	if diff := cmp.Diff(map[string]string{"inmail": "", "inmail-domain": "/metrics/domain"}, paths); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
}

func TestRuleTestsPass(t *testing.T) {
	files, err := filepath.Glob("rules/*.test.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests of the rules: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			promtool(t, "test", "rules", file)
		})
	}
}

var heading = regexp.MustCompile(`(?m)^#+ (.+)$`)

func TestAlertsSayWhatToDo(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]string{}
	for _, h := range heading.FindAllStringSubmatch(string(readme), -1) {
		anchors[strings.ToLower(strings.ReplaceAll(h[1], " ", "-"))] = h[1]
	}
	visited := map[string]bool{}
	eachRule(t, func(r dashboards.Rule) {
		if r.Alert == "" {
			return
		}
		visited[r.Alert] = true
		if s := r.Labels["severity"]; s != "page" && s != "ticket" && r.Alert != dashboards.Recovering {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		if r.For == "" || r.Annotations["summary"] == "" {
			t.Errorf("%s: for %q, summary %q", r.Alert, r.For, r.Annotations["summary"])
		}
		if !regexp.MustCompile(`\$value \| humanize`).MatchString(r.Annotations["description"]) {
			t.Errorf("%s: the description does not contain the value in words: %q", r.Alert, r.Annotations["description"])
		}
		url := r.Annotations["runbook_url"]
		if _, anchor, _ := strings.Cut(url, "#"); url != dashboards.RunbookURL(r.Alert) || anchors[anchor] != r.Alert {
			t.Errorf("%s: runbook_url %q leads to no heading of its own", r.Alert, url)
		}
	})
	for _, name := range anchors {
		if strings.HasPrefix(name, "InMail") && !strings.Contains(name, " ") && !visited[name] {
			t.Errorf("the runbook explains %s, which is no alert", name)
		}
	}
}

// A runbook that names a missing panel costs minutes during an incident.
func TestRunbookNamesPanelsThatExist(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	titles, boards := map[string]bool{}, map[string]bool{}
	for _, s := range sheets(t) {
		boards[strings.TrimPrefix(s.Title, "InMail / ")] = true
		for _, p := range s.Panels {
			titles[p.Title] = true
		}
	}
	_, runbook, _ := strings.Cut(string(readme), "\n## Runbook\n")
	words := []string{"Calls after", "Means", "Urgent", "Over"}
	for _, bold := range regexp.MustCompile(`\*\*([^*]+)\*\*`).FindAllStringSubmatch(runbook, -1) {
		if !titles[bold[1]] && !slices.Contains(words, bold[1]) {
			t.Errorf("the runbook points at %q, which is no panel", bold[1])
		}
	}
	for _, board := range regexp.MustCompile(`[^*]\*([^*]+)\* → \*\*`).FindAllStringSubmatch(runbook, -1) {
		if !boards[board[1]] {
			t.Errorf("the runbook points at %q, which is no board", board[1])
		}
	}
	for _, section := range strings.Split(runbook, "\n### ")[1:] {
		for _, word := range words {
			if !strings.Contains(section, "**"+word+"**") {
				name, _, _ := strings.Cut(section, "\n")
				t.Errorf("%s: does not say %s", name, word)
			}
		}
	}
}

// The delay that the runbook states is the sum of what the alert's rule waits for: ranges and numbers of
// seconds in the expression, and last its for. A part may also be a share of a recorded window, in whole
// minutes: the time in which that share is used up when nothing works at all.
func TestRunbookStatesHowSoonAlertsCall(t *testing.T) {
	stated, err := dashboards.Delays()
	if err != nil {
		t.Fatal(err)
	}
	recorded := map[string]string{}
	eachRule(t, func(r dashboards.Rule) { recorded[r.Record] = r.Expr })
	// spans lists the durations in expr and, with deep, in the series from which it is recorded.
	var spans func(expr string, deep bool) []time.Duration
	spans = func(expr string, deep bool) (all []time.Duration) {
		if _, err := paneltest.Retimed(expr, func(d time.Duration) time.Duration { all = append(all, d); return d }); err != nil {
			t.Fatal(err)
		}
		for _, name := range series.FindAllString(expr, -1) {
			if deep && recorded[name] != "" {
				all = append(all, spans(recorded[name], true)...)
			}
		}
		return all
	}
	eachRule(t, func(r dashboards.Rule) {
		if r.Alert == "" {
			return
		}
		d, ok := stated[r.Alert]
		if !ok {
			t.Errorf("the runbook does not say after how long %s calls", r.Alert)
			return
		}
		forClause, err := model.ParseDuration(r.For)
		if err != nil {
			t.Fatal(err)
		}
		last := len(d.Parts) - 1
		if d.Parts[last] != time.Duration(forClause) {
			t.Errorf("%s: the runbook says that it waits for %s, the rule %s", r.Alert, d.Parts[last], r.For)
		}
		var total time.Duration
		for _, part := range d.Parts {
			total += part
		}
		if total != d.Total {
			t.Errorf("%s: the runbook says %s, and its parts are %s", r.Alert, d.Total, total)
		}
		known := spans(r.Expr, true)
		for _, share := range shares.FindAllStringSubmatch(r.Expr, -1) {
			window, err := model.ParseDuration(share[1])
			if err != nil {
				t.Fatal(err)
			}
			used, err := strconv.ParseFloat(share[2], 64)
			if err != nil {
				t.Fatal(err)
			}
			known = append(known, time.Duration(math.Ceil(used*time.Duration(window).Minutes()))*time.Minute)
		}
		for _, part := range d.Parts[:last] {
			if !slices.Contains(known, part) {
				t.Errorf("%s: %s of the runbook is nothing that the rule waits for: %v", r.Alert, part, known)
			}
		}
		// The range of an offset and the window of a guard (3600 * a rate, or max_over_time) are not waited
		// for.
		for _, wait := range spans(harmless.ReplaceAllString(r.Expr, ""), false) {
			if !slices.Contains(d.Parts[:last], wait) && !strings.Contains(r.Expr, "max_over_time(") {
				t.Errorf("%s waits for %s, of which the runbook says nothing", r.Alert, wait)
			}
		}
	})
}

// Each alert has commands in its runbook, as TestRunbook of the program runs them; what they show while the
// alert is right stands behind them.
func TestRunbookHasCommands(t *testing.T) {
	blocks, err := dashboards.Runbook()
	if err != nil {
		t.Fatal(err)
	}
	eachRule(t, func(r dashboards.Rule) {
		if r.Alert != "" && len(blocks[r.Alert]) == 0 {
			t.Errorf("the runbook has no command for %s", r.Alert)
		}
	})
	shown, ended := 0, 0
	for _, all := range blocks {
		for _, c := range slices.Concat(all...) {
			shown += len(c.Shows)
			if c.Exits != 0 {
				ended++
			}
		}
	}
	if shown < 20 || ended < 4 {
		t.Errorf("%d of the commands say what they show, %d how they end", shown, ended)
	}
	want := dashboards.Command{Text: `curl -s "$INMAIL_URL/readyz"   # exits with 7, or shows "queue":"down", and "record"`,
		Shows: []string{`queue":"down`, "record"}, Exits: 7}
	readme := "\n## Runbook\n\n### A\n\n```sh\n" + want.Text + "\n```\n"
	got, err := dashboards.ReadRunbook(readme)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][][]dashboards.Command{"": nil, "A": {{want}}}, got); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	if _, err := dashboards.ReadRunbook("\n## Runbook\n\n### A\n\n```yaml\na: b\n```\n"); err == nil {
		t.Error("a block that no shell reads is taken for commands")
	}
}

var (
	series   = regexp.MustCompile(`[a-z_]+:[a-z_]+:[a-z0-9_]+`)
	shares   = regexp.MustCompile(`ratio_(?:rate|avg)(\d+[smhd]) > (0\.\d+)`)
	harmless = regexp.MustCompile(` offset \w+|\d+ \* `)
)

// Each alert is tested firing, and not firing just below its limit; an alert on a ratio or with a guard
// also below its volume.
func TestAlertsAreTried(t *testing.T) {
	files, err := filepath.Glob("rules/*.test.yml")
	if err != nil {
		t.Fatal(err)
	}
	type tried struct{ fires, quiet bool }
	cases := map[string]*tried{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var tests struct {
			Tests []struct {
				Name   string
				Alerts []struct {
					Name     string `yaml:"alertname"`
					Expected []any  `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			}
		}
		if err := yaml.Unmarshal(text, &tests); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, test := range tests.Tests {
			alert, what, named := strings.Cut(test.Name, ": ")
			for _, a := range test.Alerts {
				if !named || a.Name != alert {
					continue
				}
				c := cases[alert+": "+what]
				if c == nil {
					c = &tried{}
					cases[alert+": "+what] = c
				}
				c.fires = c.fires || len(a.Expected) > 0
				c.quiet = c.quiet || len(a.Expected) == 0
			}
		}
	}
	eachRule(t, func(r dashboards.Rule) {
		if r.Alert == "" {
			return
		}
		if c := cases[r.Alert+": fires"]; c == nil || !c.fires {
			t.Errorf("%s: no test in which it fires", r.Alert)
		}
		wanted := []string{"just below"}
		if strings.Contains(r.Expr, "ratio_") || strings.Contains(r.Expr, " / ") {
			wanted = append(wanted, "under its volume")
		}
		for _, what := range wanted {
			if c := cases[r.Alert+": "+what]; c == nil || c.fires || !c.quiet {
				t.Errorf("%s: no test %q in which it does not fire", r.Alert, what)
			}
		}
	})
}

// The red lines of the boards are the thresholds of the alerts.
func TestLimitsOfBoardsAndAlertsAgree(t *testing.T) {
	red := func(board, panel string) float64 {
		for _, s := range sheets(t) {
			for _, p := range s.Panels {
				if steps := p.FieldConfig.Defaults.Thresholds.Steps; s.UID == board && p.Title == panel && len(steps) == 3 {
					return *steps[2].Value
				}
			}
		}
		t.Fatalf("%s / %s has no red line", board, panel)
		return 0
	}
	for _, row := range []struct {
		alert, board, panel, compares string
	}{
		{"InMailSendsWaiting", "inmail-delivery", "Oldest task waiting", `> ([\d.]+)$`},
		{"InMailSendsWaiting", "inmail-delivery", "Oldest send waiting", `> ([\d.]+)$`},
		{"InMailScheduleStandsStill", "inmail-delivery", "Schedule", `>= ([\d.]+)$`},
		{"InMailClockApart", "inmail-delivery", "Clocks", `> ([\d.]+)$`},
		{"InMailJobsFail", "inmail-delivery", "Jobs that fail", `ratio_rate30m > ([\d.]+)`},
		{"InMailWrongKeys", "inmail-delivery", "Wrong keys", `> ([\d.]+)$`},
		{"InMailSalesforceBudgetLow", "inmail-salesforce", "API budget", `> ([\d.]+)$`},
		{"InMailSalesforceDeadLetters", "inmail-salesforce", "Dead letters", `>= ([\d.]+)`},
		{"InMailSalesforceDrift", "inmail-salesforce", "Drift", `> ([\d.]+)`},
		{"InMailAbuseReportsHigh", "inmail-reputation", "Reports per delivery", `\) > ([\d.]+)`},
		{"InMailWebhooksBehind", "inmail-delivery", "Oldest undelivered event", `> ([\d.]+)$`},
		{"InMailFiguresOld", "inmail-salesforce", "Age of these figures", `> ([\d.]+)$`},
		{"InMailFiguresOld", "inmail-outreach", "Age of these figures", `> ([\d.]+)$`},
		{"InMailDeliveryLate", "inmail-delivery", "Delivered late", `ratio_rate1h > ([\d.]+)`},
		{"InMailExpiryLate", "inmail-delivery", "Expired late", `ratio_rate1h > ([\d.]+)`},
		{"InMailHTTPErrors", "inmail-delivery", "HTTP failures", `ratio_rate1h > ([\d.]+)`},
		{"InMailSalesforceLate", "inmail-salesforce", "Time behind", `ratio_avg1h > ([\d.]+)`},
	} {
		eachRule(t, func(r dashboards.Rule) {
			if r.Alert != row.alert {
				return
			}
			limit := regexp.MustCompile(row.compares).FindStringSubmatch(strings.TrimSpace(r.Expr))
			if limit == nil {
				t.Errorf("%s compares with nothing like %s:\n%s", r.Alert, row.compares, r.Expr)
				return
			}
			if diff := cmp.Diff(limit[1], strconv.FormatFloat(red(row.board, row.panel), 'f', -1, 64)); diff != "" {
				t.Errorf("%s and the red line of %s (-alert +line):\n%s", row.alert, row.panel, diff)
			}
		})
	}
}

// Provisioning and scrape configuration agree on the interval of samples.
func TestRateIntervalFitsTheScrapes(t *testing.T) {
	var scrapes struct {
		Global struct {
			Interval string `yaml:"scrape_interval"`
		}
	}
	var source struct {
		Datasources []struct {
			Type string
			JSON struct {
				Interval string `yaml:"timeInterval"`
			} `yaml:"jsonData"`
		}
	}
	for file, into := range map[string]any{"prometheus.yml": &scrapes, "grafana/provisioning/datasources/prometheus.yaml": &source} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(text, into); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	if len(source.Datasources) != 1 || source.Datasources[0].JSON.Interval != scrapes.Global.Interval {
		t.Errorf("scraped every %s, but the data source says %+v", scrapes.Global.Interval, source.Datasources)
	}
}
