package paneltest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"inmail/dashboards"
)

// MostSeries is how many series the legend of a panel may name.
const MostSeries = 8

// Fresh starts a Prometheus as Prometheus does, with the intervals of the committed configuration: beside a
// program that runs already, as people do. It scrapes all targets (host:port).
func Fresh(tb testing.TB, targets ...string) string {
	tb.Helper()
	return start(tb, layout{times: 1, installations: map[string][]string{"inmail": targets}})
}

// Shown is what a panel shows at one moment.
type Shown struct {
	Board, Row, Panel, Type, Unit string
	Series                        int      // in its legend; of a table the rows of its longest column
	NaN                           int      // series with a value that is no number
	Empty                         []string // the letters of queries without any value
}

// Problem returns what is wrong with the panel; empty: nothing.
func (s Shown) Problem() string {
	switch {
	case len(s.Empty) > 0:
		return "empty: " + strings.Join(s.Empty, ", ")
	case s.NaN > 0:
		return fmt.Sprintf("%d are no number", s.NaN)
	case s.Series > MostSeries && s.Type != "table" && s.Type != "heatmap":
		return fmt.Sprintf("a legend of more than %d", MostSeries)
	}
	return ""
}

// Table queries every panel of every board, as Grafana does when it shows the time from since to at: charts
// over that time, numbers and tables at its end.
func Table(ctx context.Context, base string, values Values, since, at time.Time) ([]Shown, error) {
	sheets, err := dashboards.Sheets()
	if err != nil {
		return nil, err
	}
	prometheus := server{base: strings.TrimSuffix(base, "/")}
	var all []Shown
	for _, sheet := range sheets {
		for _, panel := range sheet.Panels {
			if len(panel.Targets) == 0 {
				continue
			}
			s := Shown{Board: sheet.Title, Row: panel.Row, Panel: panel.Title, Type: panel.Type,
				Unit: panel.FieldConfig.Defaults.Unit}
			for _, target := range panel.Targets {
				from := at
				if target.Range {
					from = since
				}
				series, err := prometheus.series(ctx, values.substitute(target.Expr), from, at)
				if err != nil {
					return nil, fmt.Errorf("%s / %s / %s: %w", sheet.Title, panel.Title, target.RefID, err)
				}
				s.add(target.RefID, series, at)
			}
			all = append(all, s)
		}
	}
	return all, nil
}

// add counts the answer to one query of the panel.
func (s *Shown) add(letter string, answer []line, at time.Time) {
	now := 0
	for _, l := range answer {
		if slices.ContainsFunc(l.points, func(p point) bool { return p.text == "NaN" }) {
			s.NaN++
		}
		if slices.ContainsFunc(l.points, func(p point) bool { return p.at.Equal(at) }) {
			now++
		}
	}
	if now == 0 {
		s.Empty = append(s.Empty, letter)
	}
	switch s.Type {
	case "table":
		s.Series = max(s.Series, len(answer))
	case "barchart": // a bar for each row, and one colour for each query
		s.Series++
	default:
		s.Series += len(answer)
	}
}

// Value returns the single value of expr at a moment.
func Value(ctx context.Context, base, expr string, at time.Time) (float64, error) {
	lines, err := server{base: strings.TrimSuffix(base, "/")}.series(ctx, expr, at, at)
	if err != nil {
		return 0, err
	}
	if len(lines) != 1 {
		return 0, fmt.Errorf("%d series, not one\n\t%s", len(lines), expr)
	}
	return strconv.ParseFloat(lines[0].points[0].text, 64)
}

// line is one series over time.
type line struct{ points []point }

type point struct {
	at   time.Time
	text string
}

// step is the distance of the points of a chart.
const step = 15 * time.Second

// series returns the values of expr from since to at, the last exactly at at.
func (s server) series(ctx context.Context, expr string, since, at time.Time) ([]line, error) {
	start := at.Add(-at.Sub(since).Truncate(step))
	form := url.Values{"query": {expr}, "start": {stamp(start)}, "end": {stamp(at)}, "step": {step.String()}}
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct{ Values [][2]json.RawMessage }
		}
	}
	if err := s.post(ctx, "/api/v1/query_range", form, &answer); err != nil {
		return nil, err
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s\n\t%s", answer.Error, expr)
	}
	var all []line
	for _, r := range answer.Data.Result {
		var l line
		for _, v := range r.Values {
			var p point
			when, err := parseStamp(v[0])
			if err == nil {
				err = json.Unmarshal(v[1], &p.text)
			}
			if err != nil {
				return nil, fmt.Errorf("read a value of %s: %w", expr, err)
			}
			p.at = when
			l.points = append(l.points, p)
		}
		all = append(all, l)
	}
	return all, nil
}

// stamp writes a time as Prometheus has it: in seconds, to the millisecond.
func stamp(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

func parseStamp(text []byte) (time.Time, error) {
	seconds, err := strconv.ParseFloat(string(text), 64)
	return time.UnixMilli(int64(seconds*1000 + 0.5)).UTC(), err
}

// AwaitScrapes waits until the Prometheus has scraped every target n times and evaluated every rule after
// that. It returns when it had: at is the first such moment and first that of the first scrape.
func AwaitScrapes(tb testing.TB, base string, n int, after time.Time) (first, at time.Time) {
	tb.Helper()
	prometheus := server{base: strings.TrimSuffix(base, "/")}
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for {
		first, at, missing, err := prometheus.settled(tb.Context(), n, after)
		if err == nil && missing == "" {
			return first, at
		}
		select {
		case <-again.C:
		case <-tb.Context().Done():
			tb.Fatalf("prometheus has nothing of %s: %v", missing, err)
		}
	}
}

// settled returns the first moment at which every target was scraped n times after a time and every
// recording rule was evaluated after these scrapes; missing names what was not yet.
func (s server) settled(ctx context.Context, n int, after time.Time) (first, at time.Time, missing string, err error) {
	scrapes, err := s.times(ctx, `up{job=~"inmail.*"} == 1`, after)
	if err != nil || len(scrapes) == 0 {
		return first, at, "up", err
	}
	for _, times := range scrapes {
		if len(times) < n {
			return first, at, "scrapes", nil
		}
		if first.IsZero() || times[0].Before(first) {
			first = times[0]
		}
		at = latest(at, times[n-1])
	}
	files, err := dashboards.RuleFiles()
	if err != nil {
		return first, at, "", err
	}
	scraped := at
	for _, file := range files {
		for _, group := range file.Groups {
			for _, rule := range group.Rules {
				if rule.Record == "" || mayBeAbsent(rule.Record+" "+rule.Expr) {
					continue
				}
				evaluated, err := s.times(ctx, rule.Record, scraped)
				if err != nil || len(evaluated) == 0 {
					return first, at, rule.Record, err
				}
				for _, times := range evaluated {
					at = latest(at, times[0])
				}
			}
		}
	}
	return first, at, "", nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// times returns when each series of a selector, or of a comparison of one, had samples from after on.
func (s server) times(ctx context.Context, expr string, after time.Time) ([][]time.Time, error) {
	selector, condition, _ := strings.Cut(expr, " == ")
	var answer struct {
		Data struct {
			Result []struct{ Values [][2]json.RawMessage }
		}
	}
	if err := s.post(ctx, "/api/v1/query", url.Values{"query": {selector + "[1h]"}}, &answer); err != nil {
		return nil, err
	}
	all := make([][]time.Time, len(answer.Data.Result))
	for i, r := range answer.Data.Result {
		for _, v := range r.Values {
			when, err := parseStamp(v[0])
			if err != nil {
				return nil, fmt.Errorf("read a time of %s: %w", expr, err)
			}
			if !when.Before(after) && (condition == "" || string(v[1]) == strconv.Quote(condition)) {
				all[i] = append(all[i], when)
			}
		}
		if len(all[i]) == 0 {
			return nil, nil
		}
	}
	return all, nil
}

// String writes the table of what the panels show.
func String(all []Shown) string {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "board\trow\tpanel\ttype\tunit\tseries\tNaN\tproblem")
	for _, s := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", s.Board, s.Row, s.Panel, s.Type, s.Unit,
			s.Series, s.NaN, s.Problem())
	}
	table.Flush()
	return out.String()
}
