package dashboards

import (
	"fmt"
	"strings"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/units"

	"inmail/domain"
	"inmail/domain/rates"
)

// The outcomes that count as opened and as replied, whatever happened later (R57, R58).
var (
	openedOutcomes    = outcomesThat(domain.Outcome.Opened)
	repliedOutcomes   = outcomesThat(domain.Outcome.Replied)
	retractedOutcomes = outcomesThat(domain.Outcome.Retracted)
	declinedOutcomes  = outcomesThat(domain.Outcome.Declined)
)

// outcomesThat returns a matcher of the outcomes for which count is true.
func outcomesThat(count func(domain.Outcome) bool) string {
	return `outcome=~"` + strings.Join(texts(domain.OutcomesThat(count)), "|") + `"`
}

// only returns a matcher of one outcome.
func only(o domain.Outcome) string { return `outcome="` + string(o) + `"` }

// replyDays is the default response window in days: a first reply within it, counted from T0, counts for
// the response rate (R58).
var replyDays = domain.DefaultPolicy().ResponseWindowDays

// anyPage selects the jobs of both metrics pages, for boards that show figures of both.
const anyPage = `{__name__=~"inmail_pending_unopened|inmail_delivered_total"}`

// Outreach shows the outcomes of InMails: rates by week of sending with incomplete weeks marked (R57, R58),
// the funnel, and the same figures by account type and tag (R56, R62).
func Outreach() (Dashboard, error) {
	week := func(series string) string { return "max by (cohort_week) (" + series + "{" + recorded + "})" }
	rate := func(ratio, complete, is string) string {
		return "max by (cohort_week) (" + ratio + "{" + recorded + "} and on (job, cohort_week) (" + complete + "{" +
			recorded + "} == " + is + "))"
	}
	open := func(is string) string {
		return rate("job_cohort_week:inmail_cohort_open:ratio", "job_cohort_week:inmail_cohort_open_complete:bool", is)
	}
	response := func(is string) string {
		return rate("job_cohort_week:inmail_cohort_reply:ratio", "job_cohort_week:inmail_cohort_reply_complete:bool",
			is)
	}
	none := " or 0 * " + week("job_cohort_week:inmail_cohort_messages:sum") // a bar of height 0
	became := func(matcher string) string {
		all := "job_cohort_week_outcome:inmail_cohort_messages:max{" + recorded
		return "sum by (cohort_week) (" + all + ", " + matcher + "}) or 0 * sum by (cohort_week) (" + all + "})"
	}
	thirteen := func(series string) string { return "sum(" + series + "{" + recorded + "})" }
	cut := func(metric, by, matcher string) string {
		return "sum by (" + by + ") (" + once(metric, matcher) + ") or 0 * sum by (" + by + ") (" + once(metric) + ")"
	}
	share := func(metric, by, matcher string) string {
		return "sum by (" + by + ") (" + once(metric, matcher) + ") / (sum by (" + by + ") (" + once(metric) +
			") > 0) or 0 * sum by (" + by + ") (" + once(metric) + ")"
	}
	lasting := func(metric string) []*prometheus.DataqueryBuilder {
		return quantilesOf(metric, "sum by (le) (job_le:"+metric+"_bucket:rate1d{"+recorded+"})",
			"sum by (le) ("+selector(metric+"_bucket")+")")
	}

	b := newBoard("outreach", "Outreach",
		"What came of the InMails that were sent: how many were opened and answered, by week of sending, account "+
			"type and tag.", anyPage).
		Time("now-7d", "now").
		WithRow(dashboard.NewRowBuilder("Where we stand")).
		WithPanel(number("Open rate of the last complete week",
			fmt.Sprintf("Of the InMails sent in the last week that is over for everybody (%d days after its "+
				"Monday), what share was opened?", rates.OpenCompleteDays),
			units.PercentUnit,
			latest(`max by (cohort_week) (job_cohort_week:inmail_cohort_open:latest_ratio{`+recorded+`})`,
				"{{cohort_week}}")).
			TextMode(common.BigValueTextModeValueAndName)).
		WithPanel(number("Response rate of the last complete week",
			fmt.Sprintf("Of the InMails sent in the last week whose %d days for an answer are over for everybody, "+
				"what share was answered in writing?", replyDays),
			units.PercentUnit,
			latest(`max by (cohort_week) (job_cohort_week:inmail_cohort_reply:latest_ratio{`+recorded+`})`,
				"{{cohort_week}}")).
			TextMode(common.BigValueTextModeValueAndName)).
		WithPanel(number("Waiting to be opened",
			"How many delivered InMails are neither opened, expired nor retracted now?",
			units.Short, latest("sum("+once("inmail_pending_unopened")+")", ""))).
		WithPanel(number("Expiring soon",
			"How many of the unopened expire within each of these times, and are worth a reminder outside InMail now?",
			units.Short, latest("sum by (within) ("+once("inmail_expiring_soon")+")", "{{within}}")).
			TextMode(common.BigValueTextModeValueAndName)).
		WithRow(dashboard.NewRowBuilder("By week of sending")).
		WithPanel(byWeek("Open rate by week",
			"Is the open rate rising or falling? Complete weeks do not change any more; the weeks marked “so far” "+
				"still wait for openings and are lower than they will be.",
			units.PercentUnit, column{"Complete", open("1") + none}, column{"So far", open("0") + none}).Max(1)).
		WithPanel(byWeek("Response rate by week",
			fmt.Sprintf("Is the response rate rising or falling? A week is complete %d days after its end; until "+
				"then “so far”.", replyDays),
			units.PercentUnit, column{"Complete", response("1") + none},
			column{"So far", response("0") + none}).Max(1)).
		WithPanel(byWeek("What became of each week",
			"How many InMails were delivered in each week, and what state is each in now? The parts add up to what "+
				"was delivered.",
			units.Short,
			column{"Replied", became(only(domain.OutcomeReplied))},
			column{"Declined", became(only(domain.OutcomeDeclined))},
			column{"Opened", became(only(domain.OutcomeOpened))},
			column{"Unopened", became(only(domain.PendingUnopened))},
			column{"Expired", became(only(domain.ExpiredUnopened))},
			column{"Retracted", became(retractedOutcomes)}).Span(24)).
		WithPanel(grid("The weeks in figures",
			"What are the exact figures of a week, which of its rates are final, and when do the others become "+
				"final? Opened, replied and declined count every InMail that ever was, so that they overlap with "+
				"retracted; the response rate counts replies in time.",
			"cohort_week", "Week",
			column{"Delivered", week("job_cohort_week:inmail_cohort_messages:sum")},
			column{"Opened", week("job_cohort_week:inmail_cohort_opened:sum")},
			column{"Replied", week("job_cohort_week:inmail_cohort_replied:sum")},
			column{"Replied in time", week("job_cohort_week:inmail_cohort_replied_in_time_messages:max")},
			column{"Declined", became(declinedOutcomes)},
			column{"Expired", became(only(domain.ExpiredUnopened))},
			column{"Retracted", became(retractedOutcomes)},
			column{"Open rate", open("1")}, column{"Opened so far", open("0")},
			column{"Response rate", response("1")}, column{"Replied so far", response("0")},
			column{"Open rate final at",
				"1000 * max by (cohort_week) (" + selector("inmail_cohort_open_complete_timestamp_seconds") + ")"},
			column{"Response rate final at",
				"1000 * max by (cohort_week) (" + selector("inmail_cohort_reply_complete_timestamp_seconds") + ")"}).
			OverrideByRegexp("^(Open rate|Opened so far|Response rate|Replied so far)$", unit(units.PercentUnit)).
			OverrideByRegexp("final at$", unit(units.DatetimeISO)).
			WithTransformation(sorted("Week", true))).
		WithRow(dashboard.NewRowBuilder("Funnel")).
		WithPanel(paint(bars("Funnel of the last 13 weeks",
			"Where do we lose people between delivery and an answer? Young weeks are in it, so the lower steps are "+
				"still growing.",
			units.Short, latest(thirteen("job_cohort_week:inmail_cohort_messages:sum"), "Delivered"),
			latest(thirteen("job_cohort_week:inmail_cohort_opened:sum"), "Opened"),
			latest(thirteen("job_cohort_week:inmail_cohort_replied:sum"), "Replied")), "Delivered", "Opened",
			"Replied")).
		WithPanel(paint(lines("Steps in a day",
			"How many InMails are delivered, previewed, opened, answered, declined, expired and retracted? Counts of the day "+
				"before each moment. Automatic replies are no answers.",
			units.Short,
			series(inDay("inmail_delivered"), "Deliveries"), series(inDay("inmail_previewed"), "Previews"),
			series(inDay("inmail_opened"), "Openings"), series(inDay("inmail_replied"), "Replies"),
			series(inDay("inmail_declined"), "Declines"), series(inDay("inmail_automatic_replies"), "Automatic replies"),
			series(inDay("inmail_expired"), "Expiries"), series(inDay("inmail_retracted"), "Retractions")).Span(16),
			"Deliveries", "Previews", "Openings", "Replies", "Declines", "Automatic replies",
			"Expiries", "Retractions")).
		WithRow(dashboard.NewRowBuilder("Who sends, and about what")).
		WithPanel(grid("By account type",
			fmt.Sprintf("Do some kinds of account reach people better than others? InMails of this week and the "+
				"three before; those sent in the last %d days still wait for openings.", domain.WindowHours/24),
			"account_type", "Account type",
			column{"Delivered", "sum by (account_type) (" + once("inmail_recent_messages") + ")"},
			column{"Opened", cut("inmail_recent_messages", "account_type", openedOutcomes)},
			column{"Replied", cut("inmail_recent_messages", "account_type", repliedOutcomes)},
			column{"Opened so far", share("inmail_recent_messages", "account_type", openedOutcomes)},
			column{"Replied so far", share("inmail_recent_messages", "account_type", repliedOutcomes)}).
			OverrideByRegexp("so far$", unit(units.PercentUnit)).Span(12)).
		WithPanel(grid("By tag",
			"Which subjects and campaigns do people open and answer? InMails of the last 13 weeks, young ones "+
				"included; the twenty tags that most have are named, others are together under other; one InMail "+
				"counts under each of its tags.",
			"tag", "Tag",
			column{"Delivered", "sum by (tag) (" + once("inmail_tag_messages") + ")"},
			column{"Opened", cut("inmail_tag_messages", "tag", openedOutcomes)},
			column{"Replied", cut("inmail_tag_messages", "tag", repliedOutcomes)},
			column{"Opened so far", share("inmail_tag_messages", "tag", openedOutcomes)},
			column{"Replied so far", share("inmail_tag_messages", "tag", repliedOutcomes)}).
			OverrideByRegexp("so far$", unit(units.PercentUnit)).Span(12).
			WithTransformation(sorted("Delivered", true))).
		WithRow(dashboard.NewRowBuilder("How fast people answer")).
		WithPanel(paint(lines("Time to open",
			fmt.Sprintf("How long does an InMail lie unopened? Quantiles of those opened in the last day, or of all since the "+
				"processes started where there were none; nobody opens after %d days.", domain.WindowHours/24),
			units.Seconds, lasting("inmail_time_to_open_seconds")...), "p50", "p95", "p99")).
		WithPanel(paint(lines("Time to reply",
			fmt.Sprintf("How long does the first answer take? Quantiles of those answered in the last day, or of all since the "+
				"processes started where there were none; past %d days the histogram ends.", replyDays),
			units.Seconds, lasting("inmail_time_to_reply_seconds")...), "p50", "p95", "p99")).
		WithPanel(paint(bars("Opened within",
			"At what age are InMails opened: at once, or days later? Shares of all that were opened since the processes started.",
			units.PercentUnit, openedWithin()...).Max(1),
			"In 15 minutes", "In an hour", "In 6 hours", "In a day", "In 3 days")).
		WithRow(dashboard.NewRowBuilder("What is about to be lost, and how fresh this is")).
		WithPanel(lines("Expiring",
			"How many unopened InMails run out within each of these times, and is it becoming more?",
			units.Short, series("sum by (within) ("+once("inmail_expiring_soon")+")", "{{within}}")).Span(12)).
		WithPanel(number("Tags under other",
			"How many different tags are counted together under other? INMAIL_METRICS_TAGS lists tags that are named "+
				"before those that most InMails have.",
			units.Short, latest("sum("+once("inmail_tags_folded")+")", "")).Span(4).Height(8)).
		WithPanel(number("Time to make these figures",
			"How long does the snapshot of the record take? Near its interval of 15 s the figures grow old.",
			units.Seconds,
			latest("max("+once("inmail_snapshot_duration_seconds")+")",
				"")).Span(4).Height(8).Thresholds(limits(5, 15))).
		WithPanel(number("Age of these figures",
			"How old are the figures of this page? Past 45 s the snapshot job is late, and everything here with it.",
			units.Seconds, latest("time() - min("+once("inmail_snapshot_timestamp_seconds")+")", "")).Span(4).Height(8).
			Thresholds(limits(30, snapshotLimit.Seconds())))
	return finish(b)
}

// inDay returns how many events of a counter there were in the day before each moment, from its recorded
// series; metric has no _total.
func inDay(metric string) string { return "sum(job:" + metric + ":increase1d{" + recorded + "})" }

// openedWithin returns the shares of the InMails that were opened within some of the histogram's bounds.
func openedWithin() []*prometheus.DataqueryBuilder {
	const opened = "inmail_time_to_open_seconds"
	var shares []*prometheus.DataqueryBuilder
	for _, bound := range []struct {
		name string
		is   time.Duration
	}{{"In 15 minutes", 15 * time.Minute}, {"In an hour", time.Hour}, {"In 6 hours", 6 * time.Hour},
		{"In a day", domain.Window / 7}, {"In 3 days", domain.Window * 3 / 7}} {
		part := "sum(" + selector(opened+"_bucket", fmt.Sprintf(`le=~"%g(\\.0)?"`, bound.is.Seconds())) + ")"
		shares = append(shares, latest(over(part, "sum("+selector(opened+"_count")+")"), bound.name))
	}
	return shares
}
