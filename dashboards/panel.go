package dashboards

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/barchart"
	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// once writes the domain's figure called metric as one replica tells it: told alike by all, so the
// greatest stands for all, and a sum would count it once a replica.
func once(metric string, matchers ...string) string {
	return "max without (instance, pod) (" + selector(metric, matchers...) + ")"
}

// perSecond writes how fast a counter of each process grows, added up over the processes by labels.
func perSecond(by, metric string, matchers ...string) string {
	return sumBy(by) + "(rate(" + selector(metric, matchers...) + "[$__rate_interval]))"
}

// perHour is perSecond for what is too rare to be read by the second.
func perHour(by, metric string, matchers ...string) string {
	return "3600 * " + perSecond(by, metric, matchers...)
}

// ours keeps of expr what comes from our own processes. Every program in Go tells the same of itself,
// and a board that shows all jobs shows all there are in that Prometheus.
func ours(expr string) string {
	return expr + " and on (job, instance) rate(" + selector("inmail_previewed_total") + "[$__rate_interval])"
}

func selector(metric string, matchers ...string) string {
	all := here
	for _, m := range matchers {
		all += ", " + m
	}
	return metric + "{" + all + "}"
}

func sumBy(labels string) string {
	if labels == "" {
		return "sum "
	}
	return "sum by (" + labels + ") "
}

// orZero answers 0 under label=value as long as expr has no series, if only other has any: a panel
// says "none", and is not empty.
func orZero(expr, label, value, other string) string {
	return fmt.Sprintf(`%s or on () label_replace(0 * sum(%s), %q, %q, "", "")`, expr, other, label, value)
}

// over divides by all only where there is something to divide by, and is 0 where there is nothing.
func over(part, all string) string { return fmt.Sprintf("(%s) / (%s > 0) or (%s) * 0", part, all, all) }

// quantiles are three lines of one histogram that is told by each process.
func quantiles(metric string) []*prometheus.DataqueryBuilder {
	return quantilesOf(perSecond("le", metric+"_bucket"))
}

// quantilesOf are three lines of the buckets that expr gives by le.
func quantilesOf(expr string) []*prometheus.DataqueryBuilder {
	var lines []*prometheus.DataqueryBuilder
	for _, q := range []struct{ of, name string }{{"0.5", "p50"}, {"0.95", "p95"}, {"0.99", "p99"}} {
		lines = append(lines, series(fmt.Sprintf("histogram_quantile(%s, %s)", q.of, expr), q.name))
	}
	return lines
}

// series asks for a line over the time shown.
func series(expr, legend string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Datasource(source).Expr(expr).LegendFormat(legend).Range()
}

// latest asks for the value of now.
func latest(expr, legend string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Datasource(source).Expr(expr).LegendFormat(legend).Instant()
}

// column asks for the value of now as rows of a table, called name.
type column struct{ name, expr string }

// refs gives each query of a panel a letter of its own.
func refs(queries []*prometheus.DataqueryBuilder) []cog.Builder[variants.Dataquery] {
	var all []cog.Builder[variants.Dataquery]
	for i, q := range queries {
		all = append(all, q.RefId(string(rune('A'+i))))
	}
	return all
}

// lines is a chart over time. Its description is the question that it answers.
func lines(title, question, unit string, queries ...*prometheus.DataqueryBuilder) *timeseries.PanelBuilder {
	return timeseries.NewPanelBuilder().Title(title).Description(question).Datasource(source).
		Unit(unit).Min(0).Span(8).Height(8).Targets(refs(queries)).
		ColorScheme(byName()).LineWidth(1).FillOpacity(8).ShowPoints(common.VisibilityModeNever).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeTable).
			Placement(common.LegendPlacementBottom).Calcs([]string{"lastNotNull", "max"})).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
}

// stacked is a chart over time whose lines add up to something.
func stacked(title, question, unit string, queries ...*prometheus.DataqueryBuilder) *timeseries.PanelBuilder {
	return lines(title, question, unit, queries...).FillOpacity(40).
		Stacking(common.NewStackingConfigBuilder().Group("A").Mode(common.StackingModeNormal))
}

// limited draws the limits of steps into a chart: where the line passes one, somebody should act.
func limited(panel *timeseries.PanelBuilder, steps cog.Builder[dashboard.ThresholdsConfig]) *timeseries.PanelBuilder {
	return panel.Thresholds(steps).
		ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed))
}

// number is one figure of now for each series; it takes its colour from the limits, if it has any.
func number(title, question, unit string, queries ...*prometheus.DataqueryBuilder) *stat.PanelBuilder {
	return stat.NewPanelBuilder().Title(title).Description(question).Datasource(source).
		Unit(unit).NoValue("none yet").Span(6).Height(4).Targets(refs(queries)).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdThresholds)).
		Thresholds(calm()).ColorMode(common.BigValueColorModeValue).GraphMode(common.BigValueGraphModeNone).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}))
}

// bars is one bar of now for each series, longest value to the right.
func bars(title, question, unit string, queries ...*prometheus.DataqueryBuilder) *bargauge.PanelBuilder {
	return bargauge.NewPanelBuilder().Title(title).Description(question).Datasource(source).
		Unit(unit).Min(0).NoValue("none yet").Span(8).Height(8).Targets(refs(queries)).
		ColorScheme(byName()).Thresholds(calm()).Orientation(common.VizOrientationHorizontal).
		DisplayMode(common.BarGaugeDisplayModeBasic).ValueMode(common.BarGaugeValueModeText).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}))
}

// byWeek is a bar for each cohort week and column, stacked. A week is a label, not a time: a cohort's
// figure goes on changing for weeks after its last send. Every column must answer for some week, if
// only with 0: Grafana names the values of a lone answer differently.
func byWeek(title, question, unit string, columns ...column) *barchart.PanelBuilder {
	panel := barchart.NewPanelBuilder().Title(title).Description(question).Datasource(source).
		Unit(unit).Min(0).NoValue("–").Span(12).Height(9).Targets(tableQueries(columns)).
		ColorScheme(byName()).XField("Week").Stacking(common.StackingModeNormal).
		XTickLabelSpacing(60).ShowValue(common.VisibilityModeNever).FillOpacity(80).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).
			Placement(common.LegendPlacementBottom).Calcs([]string{})).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderNone).HideZeros(true))
	for _, t := range joined("cohort_week", "Week", columns) {
		panel = panel.WithTransformation(t)
	}
	var shown []string
	for _, c := range columns {
		shown = append(shown, c.name)
	}
	return paint(panel.WithTransformation(sorted("Week", false)), shown...)
}

// grid is a table: a row for each value of key, called heading, and a column for each query.
func grid(title, question, key, heading string, columns ...column) *table.PanelBuilder {
	panel := table.NewPanelBuilder().Title(title).Description(question).Datasource(source).
		Unit(units.Short).NoValue("–").Span(24).Height(9).Targets(tableQueries(columns)).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdThresholds)).
		Thresholds(calm()).CellHeight(common.TableCellHeightSm)
	for _, t := range joined(key, heading, columns) {
		panel = panel.WithTransformation(t)
	}
	return panel
}

// heat shows how values spread over the buckets of a histogram as time goes on.
func heat(title, question, metric string) *heatmap.PanelBuilder {
	expr := "sum by (le) (increase(" + selector(metric+"_bucket") + "[$__rate_interval]))"
	return heatmap.NewPanelBuilder().Title(title).Description(question).Datasource(source).
		Unit(units.Short).Span(8).Height(8).
		Targets(refs([]*prometheus.DataqueryBuilder{series(expr, "{{le}}").Format(prometheus.PromQueryFormatHeatmap)})).
		Calculate(false).YAxis(heatmap.NewYAxisConfigBuilder().Unit(units.Seconds)).
		Color(heatmap.NewHeatmapColorOptionsBuilder().Mode(heatmap.HeatmapColorModeScheme).Scheme("Blues").Steps(32)).
		CellGap(1).HideLegend()
}

func tableQueries(columns []column) []cog.Builder[variants.Dataquery] {
	var queries []*prometheus.DataqueryBuilder
	for _, c := range columns {
		queries = append(queries, latest(c.expr, c.name).Format(prometheus.PromQueryFormatTable))
	}
	return refs(queries)
}

// joined puts the columns' answers side by side, by key, under their names. Grafana calls the values
// of several queries "Value #A", "Value #B", and that of a single one "Value".
func joined(key, heading string, columns []column) []dashboard.DataTransformerConfig {
	order, rename := map[string]int{key: 0}, map[string]string{key: heading}
	for i, c := range columns {
		value := fmt.Sprintf("Value #%c", 'A'+i)
		if len(columns) == 1 {
			value = "Value"
		}
		order[value], rename[value] = i+1, c.name
	}
	return []dashboard.DataTransformerConfig{
		{Id: "merge", Options: map[string]any{}},
		{Id: "organize", Options: map[string]any{
			"excludeByName": map[string]bool{"Time": true}, "indexByName": order, "renameByName": rename,
		}},
	}
}

func sorted(field string, descending bool) dashboard.DataTransformerConfig {
	return dashboard.DataTransformerConfig{Id: "sortBy", Options: map[string]any{
		"sort": []map[string]any{{"field": field, "desc": descending}},
	}}
}

func byName() cog.Builder[dashboard.FieldColor] {
	return dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdPaletteClassicByName)
}

// calm has one colour: the figure asks nobody to do anything.
func calm() cog.Builder[dashboard.ThresholdsConfig] {
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).
		Steps([]dashboard.Threshold{{Color: "text"}})
}

// limits has green, from look on yellow (look at it in the day) and from act on red (act).
func limits(look, act float64) cog.Builder[dashboard.ThresholdsConfig] {
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).
		Steps([]dashboard.Threshold{{Color: "green"}, {Value: &look, Color: "yellow"}, {Value: &act, Color: "red"}})
}

// unit is an override's unit for one column of a table.
func unit(name string) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{{Id: "unit", Value: name}}
}

// linkTo is a link from a panel to another board, with the time and the choices of this one.
func linkTo(file, title string) []cog.Builder[dashboard.DashboardLink] {
	return []cog.Builder[dashboard.DashboardLink]{
		dashboard.NewDashboardLinkBuilder(title).Type(dashboard.DashboardLinkTypeLink).
			Url("/d/inmail-" + file + "?${__url_time_range}&${datasource:queryparam}&${job:queryparam}&${instance:queryparam}"),
	}
}
