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
	attempts, refused := day("job:inmail_send_attempts:increase1d"), day("job_reason:inmail_sends_refused:increase1d")
	byReason := "sum by (reason) (job_reason:inmail_sends_refused:increase1d{" + recorded + "})"
	counts := "(" + byReason + " and on () sum(" + byReason + ") > 0) or on () sum by (reason) (" +
		selector("inmail_sends_refused_total") + " @ end())"
	because := func(reason string) string {
		return "sum(job_reason:inmail_sends_refused:increase1d{" + recorded + `, reason="` + reason + `"})`
	}

	b := newBoard("reputation", "Reputation",
		"Whether recipients are being bothered: restricted senders by trigger, reports of abuse, and what the "+
			"rules refuse.", anyPage).
		Time("now-7d", "now").
		WithRow(dashboard.NewRowBuilder("Are recipients being bothered?")).
		WithPanel(number("Restricted senders",
			"How many senders are restricted now, for whatever reason? It lifts by itself. Who: GET /v1/restrictions.",
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
			latest(over(refused, attempts), "")).Decimals(1).
			Links(linkTo("delivery", "What is delivered"))).
		WithPanel(note("Who is restricted, and why", "No figure names a member. `GET /v1/restrictions` lists, as operator, the "+
			"restrictions that hold now, with the evidence; `?member=ID` those of one member, ended ones too, as "+
			"`inmail restriction list ID` does. The page `/works/people` shows one member.")).
		WithRow(dashboard.NewRowBuilder("Restrictions")).
		WithPanel(paint(stacked("Restricted senders by trigger",
			"What gets senders restricted: volume, spam strikes, reports or signs of a machine? One trigger rising "+
				"alone points at one tool or one campaign.",
			units.Short, series("sum by (trigger) ("+restricted+")", "{{trigger}}")).Span(12), "trigger")).
		WithPanel(paint(lines("Spam and restricted sends",
			"Are spam attempts rising, and do restricted senders keep trying? Counts of the day before each moment.",
			units.Short, series(because("spam_content"), "Spam content"),
			series(because("restricted"), "While restricted")).Span(12),
			"Spam content", "While restricted")).
		WithRow(dashboard.NewRowBuilder("Reports")).
		WithPanel(paint(lines("Reports in a day", "Do recipients report more InMails? Counts of the day before each moment.",
			units.Short, series(day("job:inmail_reports:increase1d"), "Reports")).Span(12), "Reports")).
		WithPanel(paint(limited(lines("Reports per delivery",
			"Is the share of reported InMails of a day rising? The line is where InMailAbuseReportsHigh asks "+
				"somebody to look.",
			units.PercentUnit, series(reported, "Reported share")).AxisSoftMax(2*reportsLimit).Span(12),
			limits(reportsLimit/2, reportsLimit)), "Reported share")).
		WithRow(dashboard.NewRowBuilder("Refusals")).
		WithPanel(paint(bars("Rules that refuse",
			"Which rules refuse most? Counts of the last day, or of all since the processes started where there were none in it. "+
				"Many no_credits: senders outgrow their plan; many opted_out or connected: lists are not cleaned.",
			units.Short,
			latest("sort_desc("+folded(named, "sum", "reason", counts, "("+counts+") > 0")+")", "{{reason}}")), "reason")).
		WithPanel(paint(stacked("Refusals by reason",
			"When did a reason for refusals begin or jump? Counts of the hour before each moment.",
			units.Short, series(refusals(), "{{reason}}")), "reason")).
		WithPanel(paint(lines("Refused share of attempts",
			"Do the rules refuse more of what is tried than usual? Shares of the day before each moment.",
			units.PercentUnit, series(over(refused, attempts), "Refused share")).AxisSoftMax(1), "Refused share"))
	return finish(b)
}
