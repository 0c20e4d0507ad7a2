package dashboards

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Limits that panels draw as a line and alerts use as thresholds. A test checks that the alerts use the
// same.
const (
	snapshotLimit = 45 * time.Second // three times the default INMAIL_SNAPSHOT_EVERY
	waitingLimit  = 60 * time.Second // an idle machine sends within 1 s, and redrive asks again within seconds

	stillLimit = 10 * time.Second // worker.StandsStill: the schedule takes a slot a second
	apartLimit = 2 * time.Second  // record.MaxOffset

	jobsLimit        = 0.1  // share of one kind of job that fails
	wrongKeysLimit   = 0.5  // wrong keys a second
	budgetLimit      = 0.8  // share of our API calls of the day
	deadLetterLimit  = 10   // more than an hour ago
	webhookLimit     = 3600 // seconds that the oldest event waits for an end point
	driftLimit       = 10   // records that differ, in two nightly runs
	unreachableLimit = 60   // seconds without any answer of a CRM
	reportsLimit     = 0.01 // share of a day's deliveries that is reported
)

// Objective is a promise over 30 days. Its recorded series, its two alerts and its line in README.md are
// made from it.
type Objective struct {
	Name   string  // names the recorded series of misses: job:<Name>:…
	Events string  // names the recorded series of all events
	Alert  string  // name of the fast alert; the slow one has the suffix Slowly
	Text   string  // the promise, in words
	Target float64 // the promised share, 0..1
	Within float64 // bound in seconds; 0 when the objective is not about time

	// The expressions that are counted: events of a histogram or counter, or, when Total is empty, the
	// share of time in which Late is not 0.
	Total  string // rate of all events in [%s], by job
	Good   string // rate of good events in [%s], by job; for histograms, whose buckets always exist
	Failed string // instead of Good: rate of failed events in [%s], by job; may have no series yet
	Late   string // 1 while the promise is broken, else 0, by job
	Guard  string // traffic below which there is no alert, with the long window as %s
	Level  float64

	Fast, Slow string // severity of the two alerts
	Summary    string
	Missed     string // the text after the alert's value: "… of the InMails …"
}

// The requests of the API without probes and metrics pages.
const (
	httpRequests = "inmail_http_request_duration_seconds_count"
	ownRoutes    = `route!~"/(livez|readyz|metrics.*)"`
)

// The four promises. README.md says why each has its numbers.
var (
	DeliveryObjective = Objective{
		Name: "inmail_deliveries_late", Events: "inmail_deliveries", Alert: "InMailDeliveryLate", Target: 0.999,
		Within: 5,
		Text:   "99.9 % of the delivered InMails are in the inbox within 5 s of being accepted",
		Total:  `sum by (job) (rate(inmail_delivery_lag_seconds_count[%s]))`,
		Good:   `sum by (job) (rate(inmail_delivery_lag_seconds_bucket{le=~"5(\\.0)?"}[%s]))`,
		Level:  100, Fast: "page", Slow: "ticket",
		Summary: "InMails reach the inbox late",
		Missed:  "of the InMails delivered took longer than 5 s from being accepted",
	}
	ExpiryObjective = Objective{
		Name: "inmail_expiries_late", Events: "inmail_expiries", Alert: "InMailExpiryLate", Target: 0.999, Within: 60,
		Text:  "99.9 % of the expiries are persisted within 60 s of the end of their time",
		Total: `sum by (job) (rate(inmail_expiry_lag_seconds_count[%s]))`,
		Good:  `sum by (job) (rate(inmail_expiry_lag_seconds_bucket{le=~"60(\\.0)?"}[%s]))`,
		Level: 100, Fast: "ticket", Slow: "ticket",
		Summary: "Expiries are persisted late",
		Missed:  "of the expiries were persisted more than 60 s after their time",
	}
	HTTPObjective = Objective{
		Name: "inmail_http_errors", Events: "inmail_http_requests", Alert: "InMailHTTPErrors", Target: 0.999,
		Text:   "99.9 % of the HTTP answers, probes and metrics left out, are not a failure of ours (5xx)",
		Total:  `sum by (job) (rate(` + httpRequests + `{` + ownRoutes + `}[%s]))`,
		Failed: `sum by (job) (rate(` + httpRequests + `{` + ownRoutes + `, code=~"5.*"}[%s]))`,
		Level:  100, Fast: "page", Slow: "ticket",
		Summary: "The API fails callers", Missed: "of the HTTP answers were failures (5xx)",
	}
	SalesforceObjective = Objective{
		Name: "inmail_salesforce_late", Alert: "InMailSalesforceLate", Target: 0.99, Within: 900,
		Text: "For 99 % of the time no change waits longer than 15 minutes to reach a CRM",
		Late: `max by (job, crm) (time() - (max by (job, crm) (inmail_crm_oldest_unsynced_timestamp_seconds) > 0) > bool 900)
or 0 * max by (job, crm) (inmail_crm_oldest_unsynced_timestamp_seconds)`,
		Guard: `max_over_time(job_crm:inmail_crm_unsynced_records:max[%s])`, Level: 20, Fast: "page", Slow: "ticket",
		Summary: "A CRM is behind",
		Missed:  "of the time a change has waited longer than 15 minutes to reach a CRM",
	}
)

// Objectives returns the promises in the order of README.md.
func Objectives() []Objective {
	return []Objective{DeliveryObjective, ExpiryObjective, HTTPObjective, SalesforceObjective}
}

// windows are the windows of the alerts, with their seconds and with words for people.
var windows = []struct {
	name    string
	seconds int
	words   string
}{
	{"5m", 300, "5 minutes"}, {"30m", 1800, "30 minutes"}, {"1h", 3600, "hour"}, {"2h", 7200, "2 hours"},
	{"6h", 21600, "6 hours"}, {"1d", 86400, "day"}, {"3d", 259200, "3 days"},
}

// pair is two windows of one alert, which must both exceed the limit: the long one shows that the trouble
// matters, the short one ends the alert soon. times is the factor by which the allowance of 30 days is used
// too fast.
type pair struct {
	times       float64
	long, short string
}

var (
	fastPairs = []pair{{14.4, "1h", "5m"}, {6, "6h", "30m"}}
	slowPairs = []pair{{3, "1d", "2h"}, {1, "3d", "6h"}}
)

// burn returns the share of misses at which the allowance is used times too fast.
func (o Objective) burn(times float64) float64 {
	exact := times * (1 - o.Target)
	short, _ := strconv.ParseFloat(strconv.FormatFloat(exact, 'g', 9, 64), 64)
	return short
}

// ratio names the recorded share of misses in window.
func (o Objective) ratio(window string) string {
	if o.Total == "" {
		return "job_crm:" + o.Name + ":ratio_avg" + window
	}
	return "job:" + o.Name + ":ratio_rate" + window
}

// total names the recorded rate of all events in window.
func (o Objective) total(window string) string { return "job:" + o.Events + ":rate" + window }

// missed names the recorded rate of misses in window.
func (o Objective) missed(window string) string { return "job:" + o.Name + ":rate" + window }

// Rules returns the recorded series and the alerts of all objectives as a Prometheus rule file.
func Rules() string {
	var out strings.Builder
	out.WriteString("# Code generated by dashboards/generate from objective.go. DO NOT EDIT.\n\ngroups:\n")
	for _, o := range Objectives() {
		fmt.Fprintf(&out, "\n  # %s.\n  - name: %s\n    rules:\n", o.Text, strings.ReplaceAll(o.Name, "_", "-"))
		if o.Total != "" {
			o.recordEvents(&out)
		} else {
			o.recordTime(&out)
		}
		o.alert(&out, o.Alert, o.Fast, "2m", o.Summary, fastPairs)
		o.alert(&out, o.Alert+"Slowly", o.Slow, "15m", o.Summary+", a little for a long time", slowPairs)
	}
	return out.String()
}

// recordEvents records sums first and ratios of these sums: an average of ratios would count a quiet hour
// like a busy one. Without events the ratio is 0, so that a panel on it is never empty.
func (o Objective) recordEvents(out *strings.Builder) {
	for _, w := range windows {
		total, missed := o.total(w.name), o.missed(w.name)
		record(out, total, fmt.Sprintf(o.Total, w.name)+"\nor 0 * "+counterOf.ReplaceAllString(o.Total, "$1"))
		if o.Good != "" {
			record(out, missed, fmt.Sprintf("%s\n- %s", total, fmt.Sprintf(o.Good, w.name)))
		} else {
			record(out, missed, fmt.Sprintf("%s\nor 0 * %s", fmt.Sprintf(o.Failed, w.name), total))
		}
		record(out, o.ratio(w.name), fmt.Sprintf("%s / (%s > 0)\nor 0 * %s", missed, total, total))
	}
}

// counterOf matches the rate in Total: a counter that was scraped once has no rate, and counts as 0.
var counterOf = regexp.MustCompile(`rate\((.+)\[%s\]\)`)

// recordTime records whether the promise is broken at each evaluation, and for which share of each window.
func (o Objective) recordTime(out *strings.Builder) {
	late := "job_crm:" + o.Name + ":bool"
	record(out, "job_crm:inmail_crm_unsynced_records:max", "max by (job, crm) (inmail_crm_unsynced_records)")
	record(out, late, o.Late)
	for _, w := range windows {
		record(out, o.ratio(w.name), fmt.Sprintf("avg_over_time(%s[%s])", late, w.name))
	}
}

func record(out *strings.Builder, name, expr string) {
	fmt.Fprintf(out, "      - record: %s\n        expr: |\n%s", name, indented(expr, 10))
}

func (o Objective) alert(out *strings.Builder, name, severity, forClause, summary string, pairs []pair) {
	var either []string
	for _, p := range pairs {
		guard := fmt.Sprintf("%d * %s > %g", seconds(p.long), o.total(p.long), o.Level)
		if o.Guard != "" {
			guard = fmt.Sprintf(o.Guard, p.long) + fmt.Sprintf(" >= %g", o.Level)
		}
		either = append(either, fmt.Sprintf("(\n  %s > %g\n  and %s > %g\n  and %s\n)",
			o.ratio(p.long), o.burn(p.times), o.ratio(p.short), o.burn(p.times), guard))
	}
	of := "{{ $labels.job }}"
	if o.Total == "" { // each CRM keeps the promise, or breaks it, by itself
		of = "{{ $labels.crm }}, " + of
	}
	description := fmt.Sprintf("{{ $value | humanizePercentage }} %s, over the last %s or %s (%s). "+
		"Promised: %s.",
		o.Missed, words(pairs[0].long), words(pairs[1].long), of, o.Text)
	fmt.Fprintf(out, "      - alert: %s\n        expr: |\n%s        for: %s\n", name,
		indented(strings.Join(either, "\nor\n"), 10), forClause)
	fmt.Fprintf(out,
		"        labels: {severity: %s}\n        annotations:\n          summary: %q\n          description: %q\n  "+
			"        runbook_url: %q\n",
		severity, summary, description, RunbookURL(name))
}

// RunbookURL returns the template of the address of the section of README.md about an alert. The external
// label runbooks of Prometheus is the address of the page; without it the address is relative to the
// repository.
func RunbookURL(alert string) string {
	return "{{ with $externalLabels.runbooks }}{{ . }}{{ else }}" + runbookPage + "{{ end }}#" + strings.ToLower(alert)
}

// runbookPage is where the runbook is in the repository.
const runbookPage = "dashboards/README.md"

func seconds(window string) int {
	for _, w := range windows {
		if w.name == window {
			return w.seconds
		}
	}
	return 0
}

func words(window string) string {
	for _, w := range windows {
		if w.name == window {
			return w.words
		}
	}
	return window
}

func indented(text string, by int) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString(strings.Repeat(" ", by) + strings.TrimRight(line, "\n") + "\n")
	}
	return out.String()
}
