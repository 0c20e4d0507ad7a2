package paneltest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"inmail/dashboards"
)

// exporter serves plausible values of every metric of the contract, on both pages, rising from scrape to
// scrape, as the program does on a busy day.
type exporter struct {
	without string // a metric that is left out
	shifted string // a histogram with other buckets
	many    bool   // labels have more values than a legend can name
	only    string // the metrics of this prefix alone, and what the process is
	scrapes atomic.Int64
}

// start serves e and returns its host and port.
func (e *exporter) start(tb testing.TB) string {
	pages := http.NewServeMux()
	for path, domain := range map[string]bool{"/metrics": false, "/metrics/domain": true} {
		registry := prometheus.NewRegistry()
		registry.MustRegister(page{e, domain})
		pages.Handle("GET "+path, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	}
	server := httptest.NewServer(pages)
	tb.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

type page struct {
	*exporter
	domain bool
}

// Describe sends nothing, which makes page an unchecked collector.
func (p page) Describe(chan<- *prometheus.Desc) {}

func (p page) Collect(samples chan<- prometheus.Metric) {
	scrape := p.scrapes.Add(1)
	for _, m := range dashboards.Metrics {
		if (m.Page == dashboards.Domain) != p.domain || m.Name == p.without {
			continue
		}
		if p.only != "" && !strings.HasPrefix(m.Name, p.only) && m.Name != "inmail_build_info" {
			continue
		}
		desc := prometheus.NewDesc(m.Name, "A metric of the contract.", m.Labels, nil)
		for i, values := range p.combinations(m.Labels) {
			weight := float64(i%7 + 1)
			switch m.Kind {
			case dashboards.Counter:
				samples <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, weight*float64(scrape), values...)
			case dashboards.Gauge:
				samples <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, p.gauge(m.Name, weight, values), values...)
			case dashboards.Histogram:
				buckets, sum, each := map[float64]uint64{}, 0.0, uint64(weight)*uint64(scrape)
				for n, bound := range m.Buckets {
					if m.Name == p.shifted {
						bound *= 1.1
					}
					buckets[bound] = uint64(n+1) * each
					sum += bound * float64(each)
				}
				samples <- prometheus.MustNewConstHistogram(desc, uint64(len(m.Buckets)+1)*each, sum, buckets, values...)
			}
		}
	}
}

func (p page) gauge(name string, weight float64, values []string) float64 {
	now := time.Now()
	switch name {
	case "inmail_cohort_open_complete_timestamp_seconds":
		return float64(monday(values[0]).Add(14 * 24 * time.Hour).Unix())
	case "inmail_cohort_reply_complete_timestamp_seconds":
		return float64(monday(values[0]).Add(37 * 24 * time.Hour).Unix())
	case "inmail_snapshot_timestamp_seconds":
		return float64(now.Add(-5 * time.Second).Unix())
	case "inmail_crm_oldest_unsynced_timestamp_seconds", "inmail_webhook_oldest_undelivered_timestamp_seconds":
		return float64(now.Add(-2 * time.Minute).Unix())
	case "inmail_crm_api_budget_used_ratio":
		return 0.31
	}
	return 10 * weight
}

// combinations lists the label values of one metric, one combination for each series.
func (e *exporter) combinations(names []string) [][]string {
	all := [][]string{nil}
	for _, name := range names {
		var longer [][]string
		for _, values := range all {
			for _, value := range e.labelled(name, len(names)) {
				longer = append(longer, append(append([]string{}, values...), value))
			}
		}
		all = longer
	}
	return all
}

// labelled lists the values of a label of a metric with so many labels.
func (e *exporter) labelled(name string, of int) []string {
	switch closed := []string{"opened", "method", "within", "account_type", "outcome", "cohort_week", "state", "trigger"}; {
	case !e.many || slices.Contains(closed, name):
	case name == "code":
		return []string{"200", "201", "303", "400", "401", "404", "422", "500", "503"}
	case name == "kind":
		return []string{"missing", "extra", "stale", "edited"}
	case name == "queue": // split on a cluster
		var parts []string
		for _, queue := range dashboards.Known["queue"] {
			for i := range 5 {
				parts = append(parts, fmt.Sprintf("%s:%d", queue, i))
			}
		}
		return parts
	case name == "result" && of == 1: // of an end point's event
		return []string{"delivered", "failed", "switched_off"}
	default:
		many := append(slices.Clone(dashboards.Known[name]), "other")
		if name == "crm" {
			many = many[:0]
		}
		if name == "result" {
			many = append(many, "created", "done", "failed")
		}
		for i := range 12 {
			many = append(many, fmt.Sprintf("%s %d", name, i))
			if name == "route" {
				many[len(many)-1] = fmt.Sprintf("/page%d/{id}", i)
			}
		}
		return many
	}
	if known, ok := dashboards.Known[name]; ok {
		return known
	}
	switch name {
	case "cohort_week":
		var weeks []string
		for back := range 13 {
			year, week := time.Now().UTC().AddDate(0, 0, -7*back).ISOWeek()
			weeks = append(weeks, fmt.Sprintf("%d-W%02d", year, week))
		}
		return weeks
	case "opened":
		return []string{"true", "false"}
	case "crm":
		return []string{"salesforce", "hubspot"}
	case "object":
		return []string{"InMail__c", "Task"}
	case "result": // of a pushed row, and of a job
		return []string{"created", "done", "failed", "delivered"}
	case "resource":
		return []string{"composite", "query"}
	case "route":
		return []string{"/v1/inmails", "/v1/inbox", "/readyz", "/metrics"}
	case "method":
		return []string{"GET", "POST"}
	case "code":
		return []string{"200", "422", "503"}
	case "type":
		return []string{"inmail:send", "crm:push", "analytics:snapshot"}
	case "tag":
		return []string{"launch", "hiring", "other"}
	case "within":
		return []string{"1h", "6h", "24h"}
	case "version", "commit", "go":
		return []string{"v1.0.0"}
	case "kind":
		return []string{"missing"}
	case "class":
		return []string{"bad_data"}
	}
	panic("no sample values for the label " + name)
}

// monday returns the start of the ISO week with this name.
func monday(week string) time.Time {
	var year, number int
	if _, err := fmt.Sscanf(week, "%d-W%d", &year, &number); err != nil {
		panic(err)
	}
	fourth := time.Date(year, 1, 4, 0, 0, 0, 0, time.UTC) // always in the first week
	return fourth.AddDate(0, 0, -(int(fourth.Weekday())+6)%7+7*(number-1))
}
