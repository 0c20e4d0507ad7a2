package dashboards_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/grafana/grafana-foundation-sdk/go/units"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"inmail/connectors/metrics"
	"inmail/dashboards"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// rateInterval replaces $__rate_interval where a query is parsed: a range that occurs nowhere else.
const rateInterval = 4*time.Minute + 13*time.Second

func parse(t *testing.T, where, expr string) parser.Expr {
	t.Helper()
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(strings.ReplaceAll(expr, "$__rate_interval", rateInterval.String()))
	if err != nil {
		t.Fatalf("%s: %v\n%s", where, err, expr)
	}
	return parsed
}

func sheets(t *testing.T) []dashboards.Sheet {
	t.Helper()
	all, err := dashboards.Sheets()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(dashboards.All()) {
		t.Fatalf("%d boards are committed, %d are built", len(all), len(dashboards.All()))
	}
	return all
}

// eachQuery calls do with every query of every panel and annotation, and its location.
func eachQuery(t *testing.T, do func(where, expr string)) {
	t.Helper()
	for _, s := range sheets(t) {
		for _, p := range s.Panels {
			for _, q := range p.Targets {
				do(fmt.Sprintf("%s / %s / %s", s.Title, p.Title, q.RefID), q.Expr)
			}
		}
		for _, a := range s.Annotations.List {
			if a.Expr != "" {
				do(s.Title+" / "+a.Name, a.Expr)
			}
		}
	}
}

func TestCommittedIsWhatTheCodeMakes(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := dashboards.Generated(string(readme))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		committed, err := os.ReadFile(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(files[name], string(committed)); diff != "" {
			t.Errorf("%s is out of date; go run ./dashboards/generate (-want +got):\n%s", name, diff)
		}
	}
}

func TestDataSource(t *testing.T) {
	ours := dashboards.Source{Type: "prometheus", UID: "$datasource"}
	check := func(where string, source *dashboards.Source) {
		if source == nil || *source != ours {
			t.Errorf("%s: data source %+v, not %+v", where, source, ours)
		}
	}
	for _, s := range sheets(t) {
		first := s.Templating.List[0]
		if first.Name != "datasource" || first.Type != "datasource" || first.Label != "Data source" || first.Query != "prometheus" {
			t.Errorf("%s: first variable %+v", s.Title, first)
		}
		for _, v := range s.Templating.List[1:] {
			check(s.Title+" / $"+v.Name, v.Datasource)
		}
		for _, a := range s.Annotations.List {
			if a.Expr != "" {
				check(s.Title+" / "+a.Name, a.Datasource)
			}
		}
		for _, p := range s.Panels {
			if p.Type == "row" || p.Type == "text" {
				continue
			}
			check(s.Title+" / "+p.Title, p.Datasource)
			for _, q := range p.Targets {
				check(s.Title+" / "+p.Title+" / "+q.RefID, q.Datasource)
			}
		}
	}
}

func TestVariables(t *testing.T) {
	for _, s := range sheets(t) {
		found := map[string]string{}
		for _, v := range s.Templating.List {
			if v.Type != "query" {
				continue
			}
			found[v.Name] = v.Label
			if !v.Multi || !v.IncludeAll || v.AllValue != ".+" || v.Refresh != 2 {
				t.Errorf("%s / $%s: multi %t, all %t %q, refresh %d", s.Title, v.Name, v.Multi, v.IncludeAll, v.AllValue, v.Refresh)
			}
		}
		if diff := cmp.Diff(map[string]string{"job": "Job", "instance": "Instance"}, found); diff != "" {
			t.Errorf("%s: variables (-want +got):\n%s", s.Title, diff)
		}
	}
}

func TestSelectorsFollowTheVariables(t *testing.T) {
	eachQuery(t, func(where, expr string) {
		for _, selector := range parser.ExtractSelectors(parse(t, where, expr)) {
			has := func(name string) bool {
				return slices.ContainsFunc(selector, func(m *labels.Matcher) bool {
					return m.Name == name && m.Type == labels.MatchRegexp && m.Value == "$"+name
				})
			}
			recorded := strings.Contains(nameOf(selector), ":")
			if !has("job") || has("instance") == recorded {
				t.Errorf("%s: %v", where, selector)
			}
		}
	})
}

// Ranges are $__rate_interval, or an hour of what people do, of which the description says so.
func TestRangesAndCounters(t *testing.T) {
	says := map[string]string{}
	for _, s := range sheets(t) {
		for _, p := range s.Panels {
			says[s.Title+" / "+p.Title] = p.Description
		}
	}
	eachQuery(t, func(where, expr string) {
		panel := where[:strings.LastIndex(where, " / ")]
		parser.Inspect(parse(t, where, expr), func(node parser.Node, path []parser.Node) error {
			switch n := node.(type) {
			case *parser.MatrixSelector:
				if n.Range != rateInterval && (n.Range != time.Hour || !strings.Contains(says[panel], "the hour before")) {
					t.Errorf("%s: the range %s is not $__rate_interval, or the description does not say it", where, n.Range)
				}
			case *parser.SubqueryExpr:
				t.Errorf("%s: a subquery has a step of its own; record it", where)
			case *parser.VectorSelector:
				// A rank looks at all that was counted; 0 times a counter stands for a rate to come.
				rated := within(path, "rate", "irate", "increase") || n.StartOrEnd == parser.END || timesZero(path)
				m, _ := dashboards.Find(n.Name)
				switch {
				case strings.HasSuffix(n.Name, "_total") && !rated:
					t.Errorf("%s: %s outside rate, irate or increase", where, n.Name)
				case m.Kind == dashboards.Gauge && within(path, "rate", "irate", "increase"):
					t.Errorf("%s: %s is a gauge, and each fall of it would count as a restart", where, n.Name)
				}
			}
			return nil
		})
	})
}

// Figures that every replica exports alike must not be added up over replicas: not by sum, count or avg
// before max has reduced them to one.
func TestSharedFiguresAreTakenOnce(t *testing.T) {
	check := func(where, expr string) {
		parser.Inspect(parse(t, where, expr), func(node parser.Node, path []parser.Node) error {
			selector, ok := node.(*parser.VectorSelector)
			if !ok {
				return nil
			}
			m, _ := dashboards.Find(selector.Name)
			if m.Page != dashboards.Domain && m.Page != dashboards.Shared {
				return nil
			}
			for i := len(path) - 1; i >= 0; i-- {
				aggregate, ok := path[i].(*parser.AggregateExpr)
				if !ok {
					continue
				}
				if op := aggregate.Op.String(); op != "max" && op != "min" && !(op == "count" && m.Name == "asynq_queue_size") {
					t.Errorf("%s: %s is exported by every replica, and %s counts it once for each", where, m.Name, op)
				}
				return nil
			}
			if within(path, "absent") {
				return nil
			}
			t.Errorf("%s: %s is exported by every replica; take max without (instance, pod)", where, m.Name)
			return nil
		})
	}
	eachQuery(t, func(where, expr string) {
		if !strings.HasSuffix(where, "/ Restarts") {
			check(where, expr)
		}
	})
	eachRule(t, func(r dashboards.Rule) { check(r.Record+r.Alert, r.Expr) })
}

// Metrics that every Go program exports are shown for our own processes only, though All selects any job.
func TestProcessesAreOurs(t *testing.T) {
	eachQuery(t, func(where, expr string) {
		runtime, ours := false, strings.Contains(expr, " and on (job, instance) inmail_build_info{")
		for _, selector := range parser.ExtractSelectors(parse(t, where, expr)) {
			m, _ := dashboards.Find(nameOf(selector))
			runtime = runtime || m.Page == dashboards.Runtime
		}
		if runtime && !ours {
			t.Errorf("%s shows the processes of others: %s", where, expr)
		}
	})
}

// Every metric in a query is in the contract, and so is every label by which it is matched or grouped.
func TestQueriesKeepToTheContract(t *testing.T) {
	recorded := map[string]bool{}
	eachRule(t, func(r dashboards.Rule) { recorded[r.Record] = true })
	used := map[string]bool{}
	check := func(where, expr string) {
		parser.Inspect(parse(t, where, expr), func(node parser.Node, _ []parser.Node) error {
			selector, ok := node.(*parser.VectorSelector)
			if !ok || selector.Name == "up" || selector.Name == "ALERTS" { // metrics of Prometheus itself
				return nil
			}
			m, known := dashboards.Find(selector.Name)
			used[m.Name] = true
			if !known && !recorded[selector.Name] {
				t.Errorf("%s: %s is neither a metric of the contract nor recorded", where, selector.Name)
			}
			for _, matcher := range selector.LabelMatchers {
				base := []string{model.MetricNameLabel, "job", "instance", "le"}
				ofLevel := !known && strings.Contains(strings.SplitN(selector.Name, ":", 2)[0], matcher.Name)
				if !slices.Contains(base, matcher.Name) && !slices.Contains(m.Labels, matcher.Name) && !ofLevel {
					t.Errorf("%s: %s has no label %s", where, selector.Name, matcher.Name)
				}
				if values := dashboards.Known[matcher.Name]; values != nil && matcher.Type == labels.MatchEqual && !slices.Contains(values, matcher.Value) {
					t.Errorf("%s: %s is never %q", where, matcher.Name, matcher.Value)
				}
			}
			return nil
		})
	}
	eachQuery(t, check)
	eachRule(t, func(r dashboards.Rule) { check(r.Record+r.Alert, r.Expr) })
	for _, m := range dashboards.Metrics {
		if !used[m.Name] {
			t.Errorf("no panel and no rule uses %s", m.Name)
		}
	}
}

// The contract is what the program exports: each metric of ours with its name, kind, labels and buckets. The
// metrics of HTTP, the queue and the runtime are tested elsewhere, on the pages of a running program.
func TestContractIsWhatTheProgramExports(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(metrics.BuildInfo("v1", "c", "go1"), metrics.ClockOffset(func() time.Duration { return 0 }))
	registry.MustRegister(metrics.ScheduleBeat(func() time.Duration { return 0 }))
	registry.MustRegister(metrics.RecordHeld(func() bool { return false }))
	process := metrics.NewProcess(registry)
	process.Ran("inmail:send", time.Second, true)
	process.CRM("salesforce", []string{"InMail__c"}, []string{"query"})
	week := mailroom.WeekFigures{Cohort: "2026-W47"}
	snapshot := &mailroom.Snapshot{Weeks: []mailroom.WeekFigures{week}, Tags: map[string]map[domain.Outcome]int{"a": {}},
		CRMs: map[domain.CRM]mailroom.CRMFigures{"salesforce": {Drift: map[string]int{"edited": 1}, Dead: map[domain.FailureClass]int{domain.BadData: 1}}}}
	registry.MustRegister(metrics.NewDomain(func(context.Context) (*mailroom.Snapshot, error) { return snapshot, nil }, "salesforce", slog.New(slog.DiscardHandler)))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	exported := map[string]dashboards.Metric{}
	for _, f := range families {
		m := dashboards.Metric{Name: f.GetName(), Kind: dashboards.Kind(strings.ToLower(f.GetType().String()))}
		for _, label := range f.Metric[0].Label {
			m.Labels = append(m.Labels, label.GetName())
		}
		for _, b := range f.Metric[0].GetHistogram().GetBucket() {
			m.Buckets = append(m.Buckets, b.GetUpperBound())
		}
		exported[m.Name] = m
	}
	agreed := map[string]dashboards.Metric{}
	for _, m := range dashboards.Metrics {
		if strings.HasPrefix(m.Name, "inmail_") && !strings.HasPrefix(m.Name, "inmail_http_") {
			m.Page, m.Absent, m.Labels = 0, false, slices.Sorted(slices.Values(m.Labels))
			agreed[m.Name] = m
		}
	}
	if diff := cmp.Diff(agreed, exported, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("metrics (-contract +program):\n%s", diff)
	}
}

// knownUnits are the units of Grafana that a panel may have.
var knownUnits = []string{units.Short, units.PercentUnit, units.Seconds, units.BytesIEC,
	units.OpsPerMinute, units.RequestsPerMinute, units.RequestsPerSecond, units.DatetimeISO}

func TestPanelsSayWhatTheyShow(t *testing.T) {
	for _, s := range sheets(t) {
		if s.Description == "" {
			t.Errorf("%s has no description", s.Title)
		}
		for _, p := range s.Panels {
			where := s.Title + " / " + p.Title
			if p.Type == "row" || p.Type == "text" {
				continue
			}
			if p.Title == "" || !strings.Contains(p.Description, "?") {
				t.Errorf("%s: the description %q asks no question", where, p.Description)
			}
			if !slices.Contains(knownUnits, p.FieldConfig.Defaults.Unit) {
				t.Errorf("%s: unit %q", where, p.FieldConfig.Defaults.Unit)
			}
			for _, o := range p.FieldConfig.Overrides {
				for _, property := range o.Properties {
					if unit, ok := property.Value.(string); property.ID == "unit" && !(ok && slices.Contains(knownUnits, unit)) {
						t.Errorf("%s: unit %v for %s", where, property.Value, o.Matcher.Options)
					}
				}
			}
			if len(p.Targets) == 0 {
				t.Errorf("%s asks for nothing", where)
			}
		}
	}
}

func TestBoardsHaveTheirOwnPlaces(t *testing.T) {
	uids, titles := map[string]bool{}, map[string]bool{}
	for _, s := range sheets(t) {
		if s.Editable == nil || *s.Editable {
			t.Errorf("%s can be edited in Grafana, and would part from the code", s.Title)
		}
		if len(s.UID) < 8 || len(s.UID) > 40 || uids[s.UID] || titles[s.Title] {
			t.Errorf("%s: uid %q or title not of its own", s.Title, s.UID)
		}
		uids[s.UID], titles[s.Title] = true, true
		ids, panels := map[uint32]bool{}, map[string]bool{}
		for i, p := range s.Panels {
			where := s.Title + " / " + p.Title
			if p.ID == 0 || ids[p.ID] || panels[p.Type+p.Title] {
				t.Errorf("%s: id %d or title not of its own", where, p.ID)
			}
			ids[p.ID], panels[p.Type+p.Title] = true, true
			refs := map[string]bool{}
			for _, q := range p.Targets {
				if q.RefID == "" || refs[q.RefID] {
					t.Errorf("%s: refId %q not of its own", where, q.RefID)
				}
				refs[q.RefID] = true
			}
			if p.Folded != (len(p.Panels) > 0) {
				t.Errorf("%s: folded %t, and holds %d panels", where, p.Folded, len(p.Panels))
			}
			g := p.GridPos
			if g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
				t.Errorf("%s: lies at %+v, outside 24 columns", where, g)
			}
			for _, o := range s.Panels[:i] {
				if a := o.GridPos; g.X < a.X+a.W && a.X < g.X+g.W && g.Y < a.Y+a.H && a.Y < g.Y+g.H {
					t.Errorf("%s lies on %s", where, o.Title)
				}
			}
		}
	}
}

func TestBoardsLinkToEachOther(t *testing.T) {
	uids := map[string]bool{}
	for _, s := range sheets(t) {
		uids[s.UID] = true
	}
	for _, s := range sheets(t) {
		if len(s.Links) == 0 {
			t.Errorf("%s links nowhere", s.Title)
		}
		for _, l := range s.Links {
			if l.Type != "dashboards" || !slices.Equal(l.Tags, s.Tags) || !l.IncludeVars || !l.KeepTime || l.Placement != "" {
				t.Errorf("%s: link %+v", s.Title, l)
			}
		}
		for _, p := range s.Panels {
			for _, l := range p.Links {
				uid, _, _ := strings.Cut(strings.TrimPrefix(l.URL, "/d/"), "?")
				if !uids[uid] {
					t.Errorf("%s / %s links to %s, which is no board", s.Title, p.Title, l.URL)
				}
			}
		}
	}
}

// Delivery opens with one row of what to look at first; three more unfold.
func TestDeliveryFolds(t *testing.T) {
	var folded []bool
	open := 0
	for _, s := range sheets(t) {
		if s.UID != "inmail-delivery" {
			continue
		}
		for _, p := range s.Panels {
			if p.Type == "row" {
				folded = append(folded, p.Folded)
			} else if len(folded) == 1 {
				open++
			}
		}
	}
	if diff := cmp.Diff([]bool{false, true, true, true}, folded); diff != "" {
		t.Errorf("folded rows (-want +got):\n%s", diff)
	}
	if open < 6 || open > 12 {
		t.Errorf("%d panels are open: no more than an eye takes in", open)
	}
}

var legendLabel = regexp.MustCompile(`\{\{(\w+)\}\}`)

// A series has the same colour and unit on every panel.
func TestSeriesLookTheSameEverywhere(t *testing.T) {
	type look struct{ where, colour, unit string }
	colours, unitOf := map[string]look{}, map[string]look{}
	for _, s := range sheets(t) {
		for _, p := range s.Panels {
			where := s.Title + " / " + p.Title
			painted, columnUnit := map[string]string{}, map[string]string{}
			for _, o := range p.FieldConfig.Overrides {
				for _, property := range o.Properties {
					switch property.ID {
					case "color":
						name := property.Value.(map[string]any)["fixedColor"].(string)
						if name == "" {
							t.Errorf("%s: %s is painted in no colour", where, o.Matcher.Options)
						}
						painted[o.Matcher.Options] = name
						if before, ok := colours[o.Matcher.Options]; ok && before.colour != name {
							t.Errorf("%s is %s in %s and %s in %s", o.Matcher.Options, before.colour, before.where, name, where)
						}
						colours[o.Matcher.Options] = look{where: where, colour: name}
					case "unit":
						columnUnit[o.Matcher.Options] = property.Value.(string)
					}
				}
			}
			for _, q := range p.Targets {
				if of := legendLabel.FindStringSubmatch(q.LegendFormat); of != nil {
					for _, value := range dashboards.Known[of[1]] {
						name := strings.Replace(q.LegendFormat, of[0], value, 1)
						if painted[name] == "" {
							t.Errorf("%s: %s has no colour of its own", where, name)
						}
					}
					continue
				}
				if q.LegendFormat == "" || p.Type == "heatmap" {
					continue
				}
				unit := p.FieldConfig.Defaults.Unit
				for pattern, other := range columnUnit {
					if regexp.MustCompile(pattern).MatchString(q.LegendFormat) {
						unit = other
					}
				}
				if before, ok := unitOf[q.LegendFormat]; ok && before.unit != unit {
					t.Errorf("%s is in %s in %s and in %s in %s", q.LegendFormat, before.unit, before.where, unit, where)
				}
				unitOf[q.LegendFormat] = look{where: where, unit: unit}
				if p.Type != "table" && painted[q.LegendFormat] == "" && len(p.Targets) > 1 {
					t.Errorf("%s: %s has no colour of its own", where, q.LegendFormat)
				}
			}
		}
	}
}

// timesZero reports whether the node is multiplied by 0.
func timesZero(path []parser.Node) bool {
	return slices.ContainsFunc(path, func(n parser.Node) bool {
		product, ok := n.(*parser.BinaryExpr)
		if !ok || product.Op != parser.MUL {
			return false
		}
		number, ok := product.LHS.(*parser.NumberLiteral)
		return ok && number.Val == 0
	})
}

// within reports whether the nearest call around the node is one of these functions.
func within(path []parser.Node, functions ...string) bool {
	for i := len(path) - 1; i >= 0; i-- {
		if call, ok := path[i].(*parser.Call); ok {
			return slices.Contains(functions, call.Func.Name)
		}
	}
	return false
}

func nameOf(selector []*labels.Matcher) string {
	for _, m := range selector {
		if m.Name == model.MetricNameLabel {
			return m.Value
		}
	}
	return ""
}
