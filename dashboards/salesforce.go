package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// Salesforce shows whether every InMail is in each connected CRM, Salesforce or another, with its current
// state (R53, R67), what the calls cost, and which records need a person. A number is that of the worst CRM
// or the sum of all CRMs; lines show each CRM.
func Salesforce() (Dashboard, error) {
	const oldest = "inmail_crm_oldest_unsynced_timestamp_seconds"
	lag := "max(time() - (" + once(oldest) + " > 0)) or 0 * max(" + once(oldest) + ")"
	lags := "max by (crm) (time() - (" + once(oldest) + " > 0)) or 0 * max by (crm) (" + once(oldest) + ")"
	const since = "inmail_crm_unreachable_since_timestamp_seconds"
	silence := "max(time() - (" + once(since) + " > 0)) or 0 * max(" + once(since) + ")"
	unsynced := "sum(" + once("inmail_crm_unsynced_records") + ")"
	waiting := "sum by (crm) (" + once("inmail_crm_unsynced_records") + ")"
	budget := "max(" + once("inmail_crm_api_budget_used_ratio") + ")"
	budgets := "max by (crm) (" + once("inmail_crm_api_budget_used_ratio") + ")"
	// dead is 0 until the first dead letter makes a series.
	dead := orZero("sum by (class) ("+once("inmail_crm_dead_letters")+")", "class", "none",
		once("inmail_crm_unsynced_records"))
	drift := orZero("sum by (kind) ("+once("inmail_crm_drift_records")+")", "kind", "none",
		once("inmail_crm_unsynced_records"))
	pushed := "inmail_crm_push_records_total"
	rejected := orZero(perSecond("result", pushed, `result!~"created|updated|unchanged"`), "result", "none",
		"rate("+selector(pushed)+"[$__rate_interval])")
	calls := perSecond("crm", "inmail_crm_api_calls_total")

	b := newBoard("salesforce", "Salesforce sync", "Whether every InMail is in Salesforce with its current state, "+
		"what that costs, and which records need a person.", anyPage).
		WithRow(dashboard.NewRowBuilder("Is Salesforce up to date?")).
		WithPanel(number("Oldest waiting",
			"How long has the oldest change waited to reach Salesforce? "+
				"The objective is 15 minutes; 0 means nothing waits.",
			units.Seconds, latest(lag, "")).Span(6).
			Thresholds(limits(SalesforceObjective.Within/3, SalesforceObjective.Within))).
		WithPanel(number("Not reached for",
			"Since when does a CRM not answer at all? 0 means that every CRM answers.",
			units.Seconds, latest(silence, "")).Span(3).Thresholds(limits(1, unreachableLimit))).
		WithPanel(number("Records waiting", "How many InMails are not yet in Salesforce with their current state?",
			units.Short, latest(unsynced, "")).Span(3)).
		WithPanel(number("Budget used",
			"How much of our share of the org's daily API calls is used? "+
				"When all is, the sync waits until the limit eases.",
			units.PercentUnit, latest(budget, "")).Span(3).Thresholds(limits(budgetLimit*3/4, budgetLimit))).
		WithPanel(number("Dead letters", "How many records will not be tried again before a person repairs something?",
			units.Short, latest("sum("+dead+")", "")).Span(3).Thresholds(limits(1, deadLetterLimit))).
		WithPanel(number("Drift",
			"How many records differed from Salesforce when reconcile last looked? "+
				"It repairs what it finds; what stays needs a person.",
			units.Short, latest("sum("+drift+")", "")).Span(3).Thresholds(limits(1, driftLimit))).
		WithPanel(number("Age of these figures",
			"How old are the figures of this page? Past 45 s the snapshot job is late, and everything here with it.",
			units.Seconds, latest("time() - min("+once("inmail_snapshot_timestamp_seconds")+")", "")).Span(3).
			Thresholds(limits(30, snapshotLimit.Seconds())).Links(linkTo("delivery", "Are jobs running?"))).
		WithRow(dashboard.NewRowBuilder("Lag")).
		WithPanel(limited(lines("Lag",
			"Since when is each CRM behind, and is it catching up? The line is the objective's 15 minutes.",
			units.Seconds, series(lags, "{{crm}}")), limits(SalesforceObjective.Within/3, SalesforceObjective.Within))).
		WithPanel(lines("Unsynced records", "Is a backlog growing, or is one old record holding the lag up?",
			units.Short, series(waiting, "{{crm}}"))).
		WithPanel(burning(SalesforceObjective, "Time behind",
			"What share of the time was Salesforce more than 15 minutes behind? "+
				"Above the lower line the month's allowance is used too fast, "+
				"above the upper one somebody is called.")).
		WithRow(dashboard.NewRowBuilder("Calls")).
		WithPanel(limited(lines("API budget",
			"Will each CRM's budget last? It is shared by all workers and counted by the CRM itself.",
			units.PercentUnit, series(budgets, "{{crm}}")).AxisSoftMax(1), limits(budgetLimit*3/4, budgetLimit))).
		WithPanel(stacked("Calls by resource",
			"What are calls spent on? "+
				"Composite calls have up to a thousand records; queries, logins and limits cost a call each.",
			units.RequestsPerSecond,
			series(perSecond("crm, resource", "inmail_crm_api_calls_total"), "{{crm}} {{resource}}"))).
		WithPanel(lines("Records a call",
			"Is batching working? Near 1 under load means that each record costs a call; 0 means that nothing is sent.",
			units.Short, series(over(perSecond("crm", pushed), calls), "{{crm}}"))).
		WithPanel(lines("Call duration, p95",
			"How slow is the org? Calls of 20 s and more are limited in number by Salesforce.",
			units.Seconds, series("histogram_quantile(0.95, "+
				perSecond("le, crm, resource", "inmail_crm_push_duration_seconds_bucket")+")",
				"{{crm}} {{resource}}")).Span(24)).
		WithRow(dashboard.NewRowBuilder("What became of the records")).
		WithPanel(stacked("Records pushed", "What kinds of record reach each CRM?",
			units.CountsPerSecond, series(perSecond("crm, object", pushed), "{{crm}} {{object}}"))).
		WithPanel(stacked("Records by result", "How does Salesforce answer, record by record?",
			units.CountsPerSecond, series(perSecond("crm, result", pushed), "{{crm}} {{result}}"))).
		WithPanel(lines("Errors by class",
			"Which class of error do records run into? "+
				"Locked and limited ones come again by themselves; invalid data and configuration become dead letters.",
			units.CountsPerSecond, series(rejected, "{{result}}"))).
		WithRow(dashboard.NewRowBuilder("What needs a person")).
		WithPanel(stacked("Dead letters by class",
			"What has to be repaired, and how many records wait for it? inmail crm failures lists them.",
			units.Short, series(dead, "{{class}}")).Span(12)).
		WithPanel(stacked("Drift by kind",
			"In what way did Salesforce differ when reconcile last looked: missing there, extra, "+
				"stale or edited by others?",
			units.Short, series(drift, "{{kind}}")).Span(12))
	return finish(b)
}
