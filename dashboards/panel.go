package dashboards

import (
	"fmt"
	"strings"

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
	"github.com/grafana/grafana-foundation-sdk/go/text"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// once returns the query of a figure of the domain. Every replica exports it alike, so that max takes it
// once where a sum would count it once for each replica.
func once(metric string, matchers ...string) string {
	return "max without (instance, pod) (" + selector(metric, matchers...) + ")"
}

// perSecond returns the rate of a counter per second, summed over processes by labels.
func perSecond(by, metric string, matchers ...string) string {
	return counted(by, "rate", metric, "$__rate_interval", matchers...)
}

// perMinute returns the rate per minute, for what machines do.
func perMinute(by, metric string, matchers ...string) string {
	return "60 * (" + perSecond(by, metric, matchers...) + ")"
}

// inHour returns how many events there were in the hour before each moment, for what people do: a rate of
// twenty a day is no number that anybody reads.
func inHour(by, metric string, matchers ...string) string {
	return counted(by, "increase", metric, "1h", matchers...)
}

// counted returns a function of a counter's range, and 0 for a counter that was scraped only once: it has no
// rate yet.
func counted(by, function, metric, within string, matchers ...string) string {
	sel := selector(metric, matchers...)
	return fmt.Sprintf("%s(%s(%s[%s])) or 0 * %s(%s)", sumBy(by), function, sel, within, sumBy(by), sel)
}

// ours restricts expr to our own processes. Every Go program exports the same metrics, and a board that
// shows all jobs would show all programs in that Prometheus.
func ours(expr string) string {
	return "(" + expr + ") and on (job, instance) " + selector("inmail_build_info")
}

// named is how many series a chart shows by name. The others are together in one more: nobody can tell more
// than eight colours from each other.
const named = 7

// most ranks the values of by by a counter, over all that the processes have counted, at the end of the time
// shown. What was never counted has no rank, and so no name in the legend.
func most(by, metric string, matchers ...string) string {
	for _, label := range strings.Split(by, ", ") {
		matchers = append(matchers, label+`!="other"`)
	}
	return sumBy(by) + "(" + selector(metric, matchers...) + " @ end()) > 0"
}

// folded shows the n series of expr that rank highest by label, and the others in one with the value "other":
// their sum or their max, as op says. The rank is that of one moment, so that over the whole time shown the
// same series have names; it must not rank "other" itself.
func folded(n int, op, label, expr, rank string) string {
	top := fmt.Sprintf("on (%s) topk(%d, %s)", label, n, rank)
	return fmt.Sprintf(`(%s) and %s or label_replace(%s((%s) unless %s), %q, "other", "", "")`,
		expr, top, op, expr, top, label)
}

// pairOf joins two labels to one with the name "of", so that folded can rank their pairs.
func pairOf(expr, one, two string) string {
	return fmt.Sprintf(`label_join(%s, "of", " ", %q, %q)`, expr, one, two)
}

// byPair sums a counter's events of the last hour by two labels, and folds their pairs.
func byPair(metric, one, two string) string {
	by := one + ", " + two
	return folded(named, "sum", "of", pairOf(inHour(by, metric), one, two), pairOf(most(by, metric), one, two))
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

// orZero returns a query that is 0 under label=value while expr has no series but other has: the panel then
// shows "none" and is not empty.
func orZero(expr, label, value, other string) string {
	return fmt.Sprintf(`%s or on () label_replace(0 * sum(%s), %q, %q, "", "")`, expr, other, label, value)
}

// over returns part / all, and 0 where all is 0.
func over(part, all string) string {
	return fmt.Sprintf("(%s) / ((%s) > 0) or 0 * (%s)", part, all, all)
}

// quantile returns a quantile of buckets, without those that have none: of no event it is not a number.
func quantile(of, buckets string) string {
	return fmt.Sprintf("histogram_quantile(%s, %s) >= 0", of, buckets)
}

// quantiles are three lines of one histogram of the processes; 0 where nothing happened.
func quantiles(metric string) []*prometheus.DataqueryBuilder {
	return quantilesOf(metric, "sum by (le) (rate("+selector(metric+"_bucket")+"[$__rate_interval]))")
}

// quantilesOf are three lines of a histogram: of the first of the given buckets, by le, in which something
// happened, else 0.
func quantilesOf(metric string, buckets ...string) []*prometheus.DataqueryBuilder {
	var lines []*prometheus.DataqueryBuilder
	for _, q := range []struct{ of, name string }{{"0.5", "p50"}, {"0.95", "p95"}, {"0.99", "p99"}} {
		var expr string
		for _, b := range buckets {
			expr += quantile(q.of, b) + " or "
		}
		lines = append(lines, series(expr+"0 * sum("+selector(metric+"_count")+")", q.name))
	}
	return lines
}

// series is a query over the time shown.
func series(expr, legend string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Datasource(source).Expr(expr).LegendFormat(legend).Range()
}

// latest is a query for the current value.
func latest(expr, legend string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Datasource(source).Expr(expr).LegendFormat(legend).Instant()
}

// column is a query for current values as a column of a table, with its name.
type column struct{ name, expr string }

// refs assigns a letter to each query of a panel.
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
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).
			Sort(common.SortOrderDescending))
}

// stacked is a chart over time whose lines add up to a total.
func stacked(title, question, unit string, queries ...*prometheus.DataqueryBuilder) *timeseries.PanelBuilder {
	return lines(title, question, unit, queries...).FillOpacity(40).
		Stacking(common.NewStackingConfigBuilder().Group("A").Mode(common.StackingModeNormal))
}

// limited draws the limits of steps into a chart. A line beyond a limit needs somebody to act.
func limited(panel *timeseries.PanelBuilder, steps cog.Builder[dashboard.ThresholdsConfig]) *timeseries.PanelBuilder {
	return panel.Thresholds(steps).
		ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed))
}

// number shows the current value of each series, coloured by the limits if there are any.
func number(title, question, unit string, queries ...*prometheus.DataqueryBuilder) *stat.PanelBuilder {
	return stat.NewPanelBuilder().Title(title).Description(question).Datasource(source).
		Unit(unit).NoValue("none yet").Span(6).Height(4).Targets(refs(queries)).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdThresholds)).
		Thresholds(calm()).ColorMode(common.BigValueColorModeValue).GraphMode(common.BigValueGraphModeNone).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}))
}

// bars shows the current value of each series as a bar.
func bars(title, question, unit string, queries ...*prometheus.DataqueryBuilder) *bargauge.PanelBuilder {
	return bargauge.NewPanelBuilder().Title(title).Description(question).Datasource(source).
		Unit(unit).Min(0).NoValue("none yet").Span(8).Height(8).Targets(refs(queries)).
		ColorScheme(byName()).Thresholds(calm()).Orientation(common.VizOrientationHorizontal).
		DisplayMode(common.BarGaugeDisplayModeBasic).ValueMode(common.BarGaugeValueModeText).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}))
}

// byWeek is a stacked bar chart with a bar for each cohort week and column. A week is a label, not a time,
// because the figures of a cohort change for weeks after its last send. Every column must have a value for
// some week, if only 0: Grafana names the values of a single answer differently.
func byWeek(title, question, unit string, columns ...column) *barchart.PanelBuilder {
	panel := barchart.NewPanelBuilder().Title(title).Description(question).Datasource(source).
		Unit(unit).Min(0).NoValue("–").Span(12).Height(9).Targets(tableQueries(columns)).
		ColorScheme(byName()).XField("Week").Stacking(common.StackingModeNormal).
		XTickLabelSpacing(60).ShowValue(common.VisibilityModeNever).FillOpacity(80).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).
			Placement(common.LegendPlacementBottom).Calcs([]string{})).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).
			Sort(common.SortOrderNone).HideZeros(true))
	for _, t := range joined("cohort_week", "Week", columns) {
		panel = panel.WithTransformation(t)
	}
	var shown []string
	for _, c := range columns {
		shown = append(shown, c.name)
	}
	return paint(panel.WithTransformation(sorted("Week", false)), shown...)
}

// grid is a table with a row for each value of key, under the title heading, and a column for each query.
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

// heat shows how values spread over the buckets of a histogram over time.
func heat(title, question, metric string) *heatmap.PanelBuilder {
	expr := counted("le", "increase", metric+"_bucket", "$__rate_interval")
	return heatmap.NewPanelBuilder().Title(title).Description(question).Datasource(source).
		Unit(units.Short).Span(8).Height(8).
		Targets(refs([]*prometheus.DataqueryBuilder{series(expr, "{{le}}").Format(prometheus.PromQueryFormatHeatmap)})).
		Calculate(false).YAxis(heatmap.NewYAxisConfigBuilder().Unit(units.Seconds)).
		Color(heatmap.NewHeatmapColorOptionsBuilder().Mode(heatmap.HeatmapColorModeScheme).Scheme("Blues").Steps(32)).
		CellGap(1).HideLegend()
}

// note is text that is read without a question.
func note(title, markdown string) *text.PanelBuilder {
	return text.NewPanelBuilder().Title(title).Mode(text.TextModeMarkdown).Content(markdown).Span(24).Height(3)
}

func tableQueries(columns []column) []cog.Builder[variants.Dataquery] {
	var queries []*prometheus.DataqueryBuilder
	for _, c := range columns {
		queries = append(queries, latest(c.expr, c.name).Format(prometheus.PromQueryFormatTable))
	}
	return refs(queries)
}

// joined joins the columns' answers by key and names them. Grafana calls the values of several queries
// "Value #A", "Value #B", and those of a single one "Value".
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

// calm has one colour, for figures on which nobody has to act.
func calm() cog.Builder[dashboard.ThresholdsConfig] {
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).
		Steps([]dashboard.Threshold{{Color: "text"}})
}

// limits is green, from look on yellow (look at it during the day) and from act on red (act now).
func limits(look, act float64) cog.Builder[dashboard.ThresholdsConfig] {
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).
		Steps([]dashboard.Threshold{{Color: "green"}, {Value: &look, Color: "yellow"}, {Value: &act, Color: "red"}})
}

// unit is an override of the unit of one column.
func unit(name string) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{{Id: "unit", Value: name}}
}

// linkTo is a link from a panel to another board that keeps the time and the selection.
func linkTo(file, title string) []cog.Builder[dashboard.DashboardLink] {
	return []cog.Builder[dashboard.DashboardLink]{
		dashboard.NewDashboardLinkBuilder(title).Type(dashboard.DashboardLinkTypeLink).
			Url("/d/inmail-" + file +
				"?${__url_time_range}&${datasource:queryparam}&${job:queryparam}&${instance:queryparam}"),
	}
}
