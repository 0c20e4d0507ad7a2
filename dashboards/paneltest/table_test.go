package paneltest_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"inmail/dashboards"
	"inmail/dashboards/paneltest"
)

// TestLegendsStayShort has a Prometheus scrape a dozen processes whose labels have a dozen values and more:
// no panel names more than eight series, and what is together under other is not lost.
func TestLegendsStayShort(t *testing.T) {
	t.Parallel() // it mostly waits
	source := &exporter{many: true}
	targets := []string{source.start(t)}
	for range 11 {
		targets = append(targets, (&exporter{only: "process_"}).start(t), (&exporter{only: "go_"}).start(t))
	}
	base := paneltest.Fresh(t, targets...)
	first, at := paneltest.AwaitScrapes(t, base, 2, time.Time{})
	values := paneltest.Everything()
	values["__rate_interval"] = "1m"
	shown, err := paneltest.Table(t.Context(), base, values, first, at)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(paneltest.String(shown))
	folded := 0
	for _, p := range shown {
		if problem := p.Problem(); problem != "" {
			t.Errorf("%s / %s: %s", p.Board, p.Panel, problem)
		}
		if p.Series == paneltest.MostSeries {
			folded++
		}
	}
	if folded < 15 {
		t.Errorf("%d panels are full: the labels have too few values to try it", folded)
	}
	for panel, all := range map[string]string{
		"Requests by route": `60 * sum(rate(inmail_http_request_duration_seconds_count[1m]))`,
		"Jobs":              `60 * sum(rate(inmail_job_duration_seconds_count[1m]))`,
		"Refused":           `sum(increase(inmail_sends_refused_total[1h]))`,
		"Calls by resource": `sum(increase(inmail_crm_api_calls_total[1h]))`,
		"Records by result": `sum(increase(inmail_crm_push_records_total[1h]))`,
		"Versions":          `count(inmail_build_info)`,
		"Unsynced records":  `sum(max without (instance, pod) (inmail_crm_unsynced_records))`,
	} {
		want := total(t, base, all, at)
		if got := total(t, base, "sum("+expression(t, panel, values)+")", at); math.Abs(got-want) > 1e-6*want || want == 0 {
			t.Errorf("%s: all lines together are %v, want %v", panel, got, want)
		}
	}
}

// expression returns the query of a panel.
func expression(t *testing.T, panel string, values paneltest.Values) string {
	t.Helper()
	sheets, err := dashboards.Sheets()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sheets {
		for _, p := range s.Panels {
			if p.Title == panel {
				return strings.NewReplacer("$job", ".+", "$instance", ".+", "$__rate_interval", values["__rate_interval"]).Replace(p.Targets[0].Expr)
			}
		}
	}
	t.Fatalf("there is no panel %s", panel)
	return ""
}

// total returns the single value of expr at a moment.
func total(t *testing.T, base, expr string, at time.Time) float64 {
	t.Helper()
	value, err := paneltest.Value(t.Context(), base, expr, at)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// TestProblems checks what is found wrong with a panel.
func TestProblems(t *testing.T) {
	for _, row := range []struct {
		shown paneltest.Shown
		wrong bool
	}{
		{paneltest.Shown{Type: "timeseries", Series: 8}, false},
		{paneltest.Shown{Type: "timeseries", Series: 9}, true},
		{paneltest.Shown{Type: "table", Series: 21}, false},
		{paneltest.Shown{Type: "heatmap", Series: 16}, false},
		{paneltest.Shown{Type: "table", Series: 21, NaN: 1}, true},
		{paneltest.Shown{Type: "stat", Empty: []string{"A"}}, true},
	} {
		if (row.shown.Problem() != "") != row.wrong {
			t.Error(fmt.Sprintf("%+v", row.shown), row.shown.Problem())
		}
	}
}
