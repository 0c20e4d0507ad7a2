package dashboards

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"

	"inmail/domain/spam"
)

// Reputation shows whether recipients are bothered: who is restricted and why (R41–R43), what recipients
// report (R44), and what the rules refuse.
func Reputation() (Dashboard, error) {
	restricted := once("inmail_restricted_senders")
	day := func(series string) string { return "sum(" + series + "{" + recorded + "})" }
	reported := over(day("job:inmail_reports:increase1d"), day("job:inmail_delivered:increase1d"))
	attempts := perSecond("", "inmail_send_attempts_total")
	refused := perSecond("", "inmail_sends_refused_total")
	because := func(reason string) string {
		return perSecond("", "inmail_sends_refused_total", `reason="`+reason+`"`) + " or 0 * " + refused
	}

	b := newBoard("reputation", "Reputation",
		"Whether recipients are being bothered: restricted senders by trigger, reports of abuse, and what the "+
			"rules refuse.", anyPage).
		Time("now-7d", "now").
		WithRow(dashboard.NewRowBuilder("Are recipients being bothered?")).
		WithPanel(number("Restricted senders",
			"How many senders are restricted now, for whatever reason? It lifts by itself.",
			units.Short, latest("sum("+restricted+")", ""))).
		WithPanel(number("Reports, last day", "How many InMails were reported as abuse in the last 24 hours?",
			units.Short, latest(day("job:inmail_reports:increase1d"), "")).Decimals(0)).
		WithPanel(number("Reports per delivery, last day",
			fmt.Sprintf("What share of a day's deliveries is reported? A sender is restricted from %g %%; all "+
				"senders together at %g %% is a campaign gone wrong.",
				100*spam.DefaultLimits().ReportShare, 100*reportsLimit),
			units.PercentUnit, latest(reported, "")).Decimals(2).Thresholds(limits(reportsLimit/2, reportsLimit))).
		WithPanel(number("Refused, last day", "What share of a day's attempts do the rules refuse?",
			units.PercentUnit,
			latest(over(day("job_reason:inmail_sends_refused:increase1d"),
				day("job:inmail_send_attempts:increase1d")), "")).Decimals(1).
			Links(linkTo("delivery", "What is delivered"))).
		WithRow(dashboard.NewRowBuilder("Restrictions")).
		WithPanel(paint(stacked("Restricted senders by trigger",
			"What gets senders restricted: volume, spam strikes, reports or signs of a machine? One trigger rising "+
				"alone points at one tool or one campaign.",
			units.Short, series("sum by (trigger) ("+restricted+")", "{{trigger}}")).Span(12), "trigger")).
		WithPanel(paint(lines("Spam and restricted sends",
			"Are spam attempts rising, and do restricted senders keep trying?",
			units.CountsPerSecond, series(because("spam_content"), "Spam content"),
			series(because("restricted"), "While restricted")).Span(12),
			"Spam content", "While restricted")).
		WithRow(dashboard.NewRowBuilder("Reports")).
		WithPanel(paint(lines("Reports per hour", "When do recipients report InMails, and is it becoming more?",
			units.Short, series(perHour("", "inmail_reports_total"), "Reports")).Span(12), "Reports")).
		WithPanel(paint(limited(lines("Reports per delivery",
			"Is the share of reported InMails of a day rising? The line is where InMailAbuseReportsHigh asks "+
				"somebody to look.",
			units.PercentUnit, series(reported, "Reported share")).AxisSoftMax(2*reportsLimit).Span(12),
			limits(reportsLimit/2, reportsLimit)), "Reported share")).
		WithRow(dashboard.NewRowBuilder("Refusals")).
		WithPanel(paint(bars("Refusals by reason, last day",
			"Which rules refuse most? Many no_credits: senders outgrow their plan; many opted_out or connected: "+
				"lists are not cleaned.",
			units.Short,
			latest("sort_desc(sum by (reason) (job_reason:inmail_sends_refused:increase1d{"+recorded+"}))",
				"{{reason}}")), "reason")).
		WithPanel(paint(stacked("Refusals by reason", "When did a reason for refusals begin or jump?",
			units.CountsPerSecond, series(perSecond("reason", "inmail_sends_refused_total"), "{{reason}}")), "reason")).
		WithPanel(paint(lines("Refused share of attempts", "Do the rules refuse more of what is tried than usual?",
			units.PercentUnit, series(over(refused, attempts), "Refused share")).AxisSoftMax(1), "Refused share"))
	return finish(b)
}
