package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// crmLag is for how long the oldest change has waited to reach a CRM, by labels; 0 where nothing waits.
func crmLag(by string) string {
	const oldest = "inmail_crm_oldest_unsynced_timestamp_seconds"
	return "max" + by + "(time() - (" + once(oldest) + " > 0)) or 0 * max" + by + "(" + once(oldest) + ")"
}

// perCRM folds a figure of each CRM to the seven with the highest value of a gauge or counter.
func perCRM(op, expr, metric string) string {
	return folded(named, op, "crm", expr, "max by (crm) ("+selector(metric, `crm!="other"`)+" @ end())")
}

// Salesforce shows whether every InMail is in each connected CRM, Salesforce, HubSpot or another, with its
// current state (R53, R67), what the calls cost, and which records need a person. A number is that of the
// worst CRM or the sum of all CRMs; lines show each CRM.
func Salesforce() (Dashboard, error) {
	const since = "inmail_crm_unreachable_since_timestamp_seconds"
	const unsynced, budget = "inmail_crm_unsynced_records", "inmail_crm_api_budget_used_ratio"
	const pushed, calls, took = "inmail_crm_push_records_total", "inmail_crm_api_calls_total", "inmail_crm_push_duration_seconds"
	silence := "max(time() - (" + once(since) + " > 0)) or 0 * max(" + once(since) + ")"
	// dead is 0 until the first dead letter makes a series.
	dead := "sum by (class) (" + once("inmail_crm_dead_letters") + ")"
	drift := orZero("sum by (kind) ("+once("inmail_crm_drift_records")+")", "kind", "none", once(unsynced))
	const failed = `result!~"created|updated|unchanged"`
	latency := "sum by (le, of) (" + pairOf("rate("+selector(took+"_bucket")+"[$__rate_interval])", "crm", "resource") + ")"

	b := newBoard("salesforce", "CRM sync", "Whether every InMail is in each CRM, Salesforce or HubSpot, with its current state, "+
		"what that costs, and which records need a person. A number is that of the worst CRM, or of all together.", anyPage).
		WithRow(dashboard.NewRowBuilder("Are the CRMs up to date?")).
		WithPanel(number("Oldest waiting",
			"How long has the oldest change waited to reach its CRM? "+
				"The objective is 15 minutes; 0 means nothing waits.",
			units.Seconds, latest(crmLag(""), "")).Span(6).
			Thresholds(limits(SalesforceObjective.Within/3, SalesforceObjective.Within))).
		WithPanel(number("Not reached for",
			"Since when does a CRM not answer at all? 0 means that every CRM answers.",
			units.Seconds, latest(silence, "")).Span(3).Thresholds(limits(1, unreachableLimit))).
		WithPanel(number("Records waiting", "How many InMails are not yet in a CRM with their current state?",
			units.Short, latest("sum("+once(unsynced)+")", "")).Span(3)).
		WithPanel(number("Budget used",
			"How much of our share of a CRM's daily API calls is used? "+
				"When all is, the sync waits until the limit eases.",
			units.PercentUnit, latest("max("+once(budget)+")", "")).Span(3).Thresholds(limits(budgetLimit*3/4, budgetLimit))).
		WithPanel(number("Dead letters", "How many records will not be tried again before a person repairs something?",
			units.Short, latest("sum("+dead+") or 0 * sum("+once(unsynced)+")", "")).Span(3).Thresholds(limits(1, deadLetterLimit))).
		WithPanel(number("Drift",
			"How many records differed from their CRM when reconcile last looked? "+
				"It repairs what it finds; what stays needs a person.",
			units.Short, latest("sum("+drift+")", "")).Span(3).Thresholds(limits(1, driftLimit))).
		WithPanel(number("Age of these figures",
			"How old are the figures of this page? Past 45 s the snapshot job is late, and everything here with it.",
			units.Seconds, latest("time() - min("+once("inmail_snapshot_timestamp_seconds")+")", "")).Span(3).
			Thresholds(limits(30, snapshotLimit.Seconds())).Links(linkTo("delivery", "Are jobs running?"))).
		WithRow(dashboard.NewRowBuilder("Lag")).
		WithPanel(limited(lines("Lag",
			"Since when is each CRM behind, and is it catching up? The line is the objective's 15 minutes.",
			units.Seconds, series(perCRM("max", crmLag(" by (crm) "), unsynced), "{{crm}}")),
			limits(SalesforceObjective.Within/3, SalesforceObjective.Within))).
		WithPanel(lines("Unsynced records", "Is a backlog growing, or is one old record holding the lag up?",
			units.Short, series(perCRM("sum", "sum by (crm) ("+once(unsynced)+")", unsynced), "{{crm}}"))).
		WithPanel(burning(SalesforceObjective, "Time behind",
			"What share of the time was the worst CRM more than 15 minutes behind? "+
				"Above the lower line the month's allowance is used too fast, "+
				"above the upper one somebody is called.")).
		WithRow(dashboard.NewRowBuilder("Calls")).
		WithPanel(limited(lines("API budget",
			"Will each CRM's budget last? It is shared by all workers and counted by the CRM itself.",
			units.PercentUnit, series(perCRM("max", "max by (crm) ("+once(budget)+")", budget), "{{crm}}")).AxisSoftMax(1),
			limits(budgetLimit*3/4, budgetLimit))).
		WithPanel(stacked("Calls by resource",
			"What are calls spent on? Counts of the hour before each moment. "+
				"Salesforce takes up to a thousand records a call, HubSpot a hundred; queries, logins and limits cost a call each.",
			units.Short, series(byPair(calls, "crm", "resource"), "{{of}}"))).
		WithPanel(lines("Records a call",
			"Is batching working? Near 1 under load means that each record costs a call; 0 means that nothing was sent in "+
				"the hour before.",
			units.Short, series(perCRM("max", over(inHour("crm", pushed), inHour("crm", calls)), budget), "{{crm}}"))).
		WithPanel(lines("Call duration, p95",
			"How slow is each CRM? 0 where nothing was called. Salesforce limits the number of calls of 20 s and more.",
			units.Seconds, series(orZero(quantile("0.95", foldedBuckets("of", latency,
				pairOf(most("crm, resource", calls), "crm", "resource"))), "of", "other", selector(took+"_count")),
				"{{of}}")).Span(24)).
		WithRow(dashboard.NewRowBuilder("What became of the records")).
		WithPanel(stacked("Records pushed", "What kinds of record reach each CRM? Counts of the hour before each moment.",
			units.Short, series(byPair(pushed, "crm", "object"), "{{of}}"))).
		WithPanel(stacked("Records by result", "How does each CRM answer, record by record? Counts of the hour before each moment.",
			units.Short, series(byPair(pushed, "crm", "result"), "{{of}}"))).
		WithPanel(lines("Errors by class",
			"Which class of error do records run into? Counts of the hour before each moment. "+
				"Locked and limited ones come again by themselves; invalid data and configuration become dead letters.",
			units.Short, series(orZero(folded(named, "sum", "result", inHour("result", pushed, failed),
				most("result", pushed, failed)), "result", "other", selector(calls)), "{{result}}"))).
		WithRow(dashboard.NewRowBuilder("What needs a person")).
		WithPanel(stacked("Dead letters by class",
			"What has to be repaired, and how many records wait for it? inmail crm failures lists them.",
			units.Short, series(orZero(folded(named-1, "sum", "class", dead,
				"max by (class) ("+selector("inmail_crm_dead_letters", `class!="other"`)+" @ end())"),
				"class", "none", once(unsynced)), "{{class}}")).Span(12)).
		WithPanel(stacked("Drift by kind",
			"In what way did the CRMs differ when reconcile last looked: missing there, extra, "+
				"stale or edited by others?",
			units.Short, series(drift, "{{kind}}")).Span(12))
	return finish(b)
}
