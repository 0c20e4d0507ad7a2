// Package paneltest runs every query of the committed boards and rules against a real Prometheus, and
// reports which of them show nothing. A test starts a Prometheus with Prometheus, lets it scrape the
// program, and checks with Await.
package paneltest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"inmail/dashboards"
)

// Values are the values of the boards' variables, by name without the $.
type Values map[string]string

// Everything selects all jobs and instances, as a board does when it is opened. The rate interval is for a
// Prometheus that scrapes every second.
func Everything() Values {
	return Values{"job": ".+", "instance": ".+", "__rate_interval": "30s"}
}

// Fault is a query that shows nothing, or not what its panel says.
type Fault struct {
	Where   string // the board, panel and letter, or the rule
	Query   string // with the variables replaced
	Problem string
}

func (f Fault) String() string { return fmt.Sprintf("%s: %s\n\t%s", f.Where, f.Problem, f.Query) }

// Await checks repeatedly until there is no fault, at most for limit, and then fails tb with the faults
// that are left. The program must go on working in the meantime: a rate needs two scrapes.
func Await(tb testing.TB, base string, values Values, limit time.Duration) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), limit)
	defer cancel()
	again := time.NewTicker(time.Second)
	defer again.Stop()
	var last []Fault
	for {
		faults, err := Check(ctx, base, values)
		if err == nil && len(faults) == 0 {
			return
		}
		if err == nil {
			last = faults
		} else if ctx.Err() == nil {
			tb.Fatalf("ask prometheus: %v", err)
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			for _, f := range last {
				tb.Errorf("after %s: %s", limit, f)
			}
			if len(last) == 0 {
				tb.Errorf("after %s: prometheus never answered in time: %v", limit, err)
			}
			return
		}
	}
}

// Check queries the Prometheus at base once. Every query of a panel must answer with a number, every metric
// in it must exist, and every label in its legend must have a value. The expression of a recording rule and
// the series that it records must answer, with the labels that its name says. The parts of an alert must
// exist; the alert itself is empty on a good day. Every variable must have a choice. The error means that
// Prometheus could not be queried.
func Check(ctx context.Context, base string, values Values) ([]Fault, error) {
	sheets, err := dashboards.Sheets()
	if err != nil {
		return nil, err
	}
	files, err := dashboards.RuleFiles()
	if err != nil {
		return nil, err
	}
	c := &checker{server{base: strings.TrimSuffix(base, "/")}, values, map[string]int{}, nil}
	for _, sheet := range sheets {
		if err := c.sheet(ctx, sheet); err != nil {
			return nil, err
		}
	}
	for _, file := range files {
		for _, group := range file.Groups {
			for _, rule := range group.Rules {
				if err := c.rule(ctx, rule); err != nil {
					return nil, err
				}
			}
		}
	}
	return c.faults, nil
}

type checker struct {
	server
	values Values
	counts map[string]int // rows by selector: many panels have the same one
	faults []Fault
}

func (c *checker) fault(where, query, problem string, args ...any) {
	c.faults = append(c.faults, Fault{Where: where, Query: query, Problem: fmt.Sprintf(problem, args...)})
}

func (c *checker) sheet(ctx context.Context, sheet dashboards.Sheet) error {
	for _, v := range sheet.Templating.List {
		if v.Type != "query" {
			continue
		}
		where := sheet.Title + " / $" + v.Name
		query, _ := v.Query.(string)
		match := labelValues.FindStringSubmatch(c.values.substitute(query))
		if match == nil {
			c.fault(where, query, "is not label_values(selector, label)")
			continue
		}
		choices, err := c.labelValues(ctx, match[1], match[2])
		if err != nil {
			return err
		}
		if len(choices) == 0 {
			c.fault(where, query, "offers nothing to choose")
		}
	}
	for _, panel := range sheet.Panels {
		for _, target := range panel.Targets {
			where := fmt.Sprintf("%s / %s / %s", sheet.Title, panel.Title, target.RefID)
			if err := c.panelQuery(ctx, where, c.values.substitute(target.Expr), target.LegendFormat); err != nil {
				return err
			}
		}
	}
	for _, a := range sheet.Annotations.List {
		if a.Expr == "" {
			continue
		}
		if err := c.parts(ctx, sheet.Title+" / "+a.Name, c.values.substitute(a.Expr)); err != nil {
			return err
		}
	}
	return nil
}

var (
	labelValues = regexp.MustCompile(`^label_values\((.+), *(\w+)\)$`)
	legendLabel = regexp.MustCompile(`\{\{ *(\w+) *\}\}`)
)

func (c *checker) panelQuery(ctx context.Context, where, expr, legend string) error {
	rows, problem, err := c.query(ctx, expr)
	if err != nil {
		return err
	}
	if problem == "" {
		problem = emptyReason(rows)
	}
	if problem != "" {
		c.fault(where, expr, "%s", problem)
	}
	for _, label := range legendLabel.FindAllStringSubmatch(legend, -1) {
		if slices.ContainsFunc(rows, func(r row) bool { return r.Metric[label[1]] == "" && label[1] != "le" }) {
			c.fault(where, expr, "a series has no %s for its legend", label[1])
		}
	}
	return c.parts(ctx, where, expr)
}

func (c *checker) rule(ctx context.Context, rule dashboards.Rule) error {
	if rule.Alert != "" {
		_, problem, err := c.query(ctx, rule.Expr)
		if err != nil {
			return err
		}
		if problem != "" {
			c.fault(rule.Alert, rule.Expr, "%s", problem)
		}
		return c.parts(ctx, rule.Alert, rule.Expr)
	}
	if mayBeAbsent(rule.Record + " " + rule.Expr) {
		return c.parts(ctx, rule.Record, rule.Expr)
	}
	for _, expr := range []string{rule.Expr, rule.Record} {
		rows, problem, err := c.query(ctx, expr)
		if err != nil {
			return err
		}
		if problem == "" {
			problem = emptyReason(rows)
		}
		if problem != "" {
			c.fault(rule.Record, expr, "%s", problem)
			continue
		}
		if level, _, _ := strings.Cut(rule.Record, ":"); !madeOf(level, rows[0].Metric) {
			c.fault(rule.Record, expr, "its labels are not those of its name: %v", rows[0].Metric)
		}
	}
	return c.parts(ctx, rule.Record, rule.Expr)
}

// parts queries every metric that expr reads, and the histogram bucket where it names one.
func (c *checker) parts(ctx context.Context, where, expr string) error {
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		c.fault(where, expr, "does not parse: %v", err)
		return nil
	}
	for _, part := range parser.ExtractSelectors(parsed) {
		var kept []string
		for _, m := range part {
			if slices.Contains([]string{model.MetricNameLabel, "le", "job", "instance"}, m.Name) {
				kept = append(kept, m.String())
			}
		}
		found := "{" + strings.Join(kept, ",") + "}"
		if mayBeAbsent(found) {
			continue
		}
		if _, asked := c.counts[found]; !asked {
			rows, problem, err := c.query(ctx, found)
			if err != nil {
				return err
			}
			if problem != "" {
				c.fault(where, found, "%s", problem)
			}
			c.counts[found] = len(rows)
		}
		if c.counts[found] == 0 {
			c.fault(where, found, "no such series")
		}
	}
	return nil
}

// mayBeAbsent reports whether expr reads a metric that has no sample while all is well, or the alerts.
func mayBeAbsent(expr string) bool {
	return strings.Contains(expr, ":alerts_calling:") || strings.Contains(expr, "ALERTS") ||
		slices.ContainsFunc(dashboards.Metrics, func(m dashboards.Metric) bool {
			return m.Absent && strings.Contains(expr, m.Name)
		})
}

// madeOf reports whether level, the first part of a recorded name, consists of labels of metric.
func madeOf(level string, metric map[string]string) bool {
	names := make([]string, 0, len(metric))
	for name := range metric {
		if name != model.MetricNameLabel {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) })
	for _, name := range names {
		if !strings.Contains(level, name) {
			return false
		}
		level = strings.Replace(level, name, "", 1)
	}
	return strings.Trim(level, "_") == ""
}

// emptyReason returns why rows show nothing: there are none, or none has a number; empty: they show
// something.
func emptyReason(rows []row) string {
	if len(rows) == 0 {
		return "no rows"
	}
	for _, r := range rows {
		if text, ok := r.Value[1].(string); ok && text != "NaN" {
			if _, err := strconv.ParseFloat(text, 64); err == nil {
				return ""
			}
		}
	}
	return "no row is a number"
}

// substitute replaces the variables in expr, the longest name first, so that $job does not replace the
// start of $jobs.
func (v Values) substitute(expr string) string {
	names := make([]string, 0, len(v))
	for name := range v {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) })
	for _, name := range names {
		expr = strings.ReplaceAll(strings.ReplaceAll(expr, "${"+name+"}", v[name]), "$"+name, v[name])
	}
	return expr
}

// server is the part of Prometheus' HTTP API that is used here.
type server struct{ base string }

// row is one series of an answer: its labels, and the time and value.
type row struct {
	Metric map[string]string
	Value  [2]any
}

var client = &http.Client{Timeout: 30 * time.Second}

// query returns the value of expr now. When Prometheus refuses the query that is a problem, not an error.
func (s server) query(ctx context.Context, expr string) (rows []row, problem string, err error) {
	var answer struct {
		Status, Error string
		Data          struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := s.post(ctx, "/api/v1/query", url.Values{"query": {expr}}, &answer); err != nil {
		return nil, "", err
	}
	if answer.Status != "success" {
		return nil, answer.Error, nil
	}
	if answer.Data.ResultType != "vector" {
		return nil, "answers a " + answer.Data.ResultType + ", not series", nil
	}
	if err := json.Unmarshal(answer.Data.Result, &rows); err != nil {
		return nil, "", fmt.Errorf("read the answer to %s: %w", expr, err)
	}
	return rows, "", nil
}

func (s server) labelValues(ctx context.Context, selector, label string) ([]string, error) {
	var answer struct{ Data []map[string]string }
	if err := s.post(ctx, "/api/v1/series", url.Values{"match[]": {selector}}, &answer); err != nil {
		return nil, err
	}
	var values []string
	for _, series := range answer.Data {
		if value := series[label]; value != "" && !slices.Contains(values, value) {
			values = append(values, value)
		}
	}
	return values, nil
}

func (s server) post(ctx context.Context, path string, form url.Values, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("ask %s: %w", path, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask %s: %w", path, err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, pageLimit)).Decode(into); err != nil {
		return fmt.Errorf("read the answer of %s: %w", path, err)
	}
	return nil
}
