package dashboards

import (
	"fmt"
	"slices"
	"strings"
)

// Severities of alerts. Nobody is called by an alert of severity none: it only inhibits others.
const (
	page   = "page"
	ticket = "ticket"
	none   = "none"
)

// Recovering is the name of the alert that calls nobody and fires while a page was a cause and for an hour
// after: what looks back over that time is a consequence of it.
const Recovering = "InMailRecovering"

// installation is the label that both jobs of an installation have in common. prometheus.yml adds it to
// alerts.
const installation = "installation"

// Inhibition is a cause and its symptoms. While the cause fires, its symptoms in the same installation call
// nobody. Every notification is of a cause, so that one dead process is one page.
type Inhibition struct {
	Cause    string
	Source   string   // a further matcher of the cause; empty: none
	Symptoms []string // names of alerts
	Target   string   // a further matcher of the symptoms; empty: none
	Equal    []string // labels that must be equal besides the installation
	Why      string
}

// The matchers of the two jobs of an installation.
const (
	ownJob    = `job!~".*-domain"`
	domainJob = `job=~".*-domain"`
)

// Inhibitions returns the causes and their symptoms. Its tests hold that no cause is inhibited by what
// follows from it, and that no ticket takes a page away.
func Inhibitions() []Inhibition {
	idle := []string{"InMailDeliveryStalled", "InMailDeliveryLate", "InMailQueueGrows", "InMailJobsFail",
		"InMailFiguresOld", "InMailExpiryLate", "InMailSalesforceLate"}
	failing := append(slices.Clone(idle), "InMailSendsWaiting")
	unqueued := append(slices.Clone(failing), "InMailScheduleStandsStill", "InMailFiguresMissing")
	held := append(slices.Clone(unqueued), "InMailHTTPErrors")
	everything := append(slices.Clone(held), "InMailQueueUnseen", "InMailRecordHeld", "InMailClockApart",
		"InMailWrongKeys", "InMailWebhooksBehind", "InMailWebhookSwitchedOff", "InMailSalesforceUnreachable",
		"InMailSalesforceDeadLetters", "InMailSalesforceBudgetLow")
	all := []Inhibition{
		{Cause: "InMailDown", Source: ownJob, Symptoms: everything,
			Why: "Nothing runs: whatever else is observed of the installation follows from it."},
		{Cause: "InMailDown", Source: ownJob, Symptoms: []string{"InMailDown"}, Target: domainJob,
			Why: "A dead process gives neither of its metrics pages."},
		{Cause: "InMailDown", Symptoms: []string{"InMailProcessDown", "InMailFiguresMissing", "InMailFiguresOld"},
			Why: "Where no process gives a page, each single one does not, and its figures are missing."},
		{Cause: "InMailProcessDown", Source: ownJob, Symptoms: []string{"InMailProcessDown"}, Target: domainJob,
			Equal: []string{"instance"}, Why: "A dead process gives neither of its metrics pages."},
		{Cause: "InMailRecordHeld", Symptoms: held,
			Why: "A held record only reads: nothing is accepted, sent or pushed."},
		{Cause: "InMailQueueUnseen", Symptoms: unqueued,
			Why: "Without Redis no task is taken: no send, no expiry, no snapshot, no push."},
		{Cause: "InMailHTTPErrors", Symptoms: failing,
			Why: "A record that does not answer fails callers and jobs alike."},
		{Cause: "InMailSendsWaiting", Symptoms: idle,
			Why: "No worker, or too few: the other queues wait as well."},
		{Cause: "InMailDeliveryStalled", Symptoms: []string{"InMailDeliveryLate"},
			Why: "What is not delivered is late when it is."},
		{Cause: "InMailDeliveryStalled", Symptoms: []string{"InMailJobsFail"}, Target: `type=~"inmail:send.*"`,
			Why: "Sends that fail are not decided."},
		{Cause: "InMailScheduleStandsStill",
			Symptoms: []string{"InMailFiguresOld", "InMailExpiryLate", "InMailExpiryLateSlowly"},
			Why:      "Snapshots and expiries are asked for by the schedule."},
		{Cause: "InMailFiguresMissing", Symptoms: []string{"InMailFiguresOld"}, Why: "What is missing has no age."},
		{Cause: "InMailSalesforceUnreachable", Equal: []string{"crm"},
			Symptoms: []string{"InMailSalesforceLateSlowly", "InMailSalesforceDrift"},
			Why:      "A CRM that does not answer takes no change. InMailSalesforceLate still calls: it is a page."},
		{Cause: "InMailSalesforceUnreachable", Symptoms: []string{"InMailJobsFail"}, Target: `type=~"crm:.*"`,
			Why: "Jobs that call a CRM fail while it does not answer."},
		{Cause: "InMailSalesforceUnreachable", Symptoms: []string{"InMailQueueGrows"}, Target: `queue=~"crm.*"`,
			Why: "Jobs that wait for an answer hold up those behind them."},
		{Cause: "InMailSalesforceLate", Symptoms: []string{"InMailJobsFail"}, Target: `type=~"crm:.*"`,
			Why: "The page says that a CRM is behind; its runbook looks at the jobs."},
	}
	for _, o := range Objectives() {
		i := Inhibition{Cause: o.Alert, Symptoms: []string{o.Alert + "Slowly"}, Why: "The fast alert says more than the slow one."}
		if o.Total == "" { // kept or broken by each CRM
			i.Equal = []string{"crm"}
		}
		all = append(all, i)
	}
	return append(all, Inhibition{Cause: Recovering, Symptoms: lookBack,
		Why: "For an hour after a page these still count what was late because of it."})
}

// recoversFrom are the pages after which the alerts of lookBack are still consequences.
var (
	recoversFrom = []string{"InMailDown", "InMailRecordHeld", "InMailQueueUnseen", "InMailHTTPErrors",
		"InMailSendsWaiting", "InMailDeliveryStalled"}
	lookBack = []string{"InMailDeliveryLate", "InMailExpiryLate", "InMailSalesforceLate"}
)

// RecoversFrom returns the alerts while which, and for an hour after, InMailRecovering fires.
func RecoversFrom() []string { return slices.Clone(recoversFrom) }

// recoveringRules returns the rule file of InMailRecovering.
func recoveringRules() string {
	return `# Code generated by dashboards/generate from inhibition.go. DO NOT EDIT.

# What keeps alerts that look back over an hour from calling again after the page that they follow from.
groups:
  - name: inmail-recovering
    rules:
      - alert: ` + Recovering + `
        expr: |
          max by (job) (max_over_time(
            ALERTS{alertstate="firing", alertname=~"` + strings.Join(recoversFrom, "|") + `"}[1h]
          ))
        for: 0s
        labels: {severity: ` + none + `}
        annotations:
          summary: A page is not yet an hour old
          description: "{{ $labels.job }} recovers from a page (value {{ $value | humanize }}). ` +
		`What is late because of it calls nobody."
          runbook_url: ` + fmt.Sprintf("%q", RunbookURL(Recovering)) + `
`
}

// Alertmanager returns the example configuration of an Alertmanager, with the inhibition rules made from
// Inhibitions.
func Alertmanager() string {
	var out strings.Builder
	out.WriteString(`# Code generated by dashboards/generate from inhibition.go. Copy it and set the receivers.
#
# A page wakes somebody, a ticket waits for the working day, and severity none calls nobody. A cause inhibits
# what follows from it, so that a dead process is one page. That works with the label installation, which
# prometheus.yml beside this file adds to alerts; without it nothing is inhibited.
route:
  receiver: ticket
  group_by: [alertname, installation, crm] # several instances of one process are one notification
  group_wait: 30s # two scrapes: a cause that is observed a little later than its symptom still inhibits it
  group_interval: 5m
  repeat_interval: 24h
  routes:
    - {matchers: ['severity="none"'], receiver: nobody}
    - {matchers: ['severity="page"'], receiver: page, repeat_interval: 4h}

receivers:
  - name: page
    webhook_configs: [{url: 'http://127.0.0.1:5001/page', send_resolved: true}]
  - name: ticket
    webhook_configs: [{url: 'http://127.0.0.1:5001/ticket', send_resolved: true}]
  - name: nobody

inhibit_rules:
`)
	for _, i := range Inhibitions() {
		fmt.Fprintf(&out, "  # %s\n  - source_matchers: [%s]\n    target_matchers: [%s]\n    equal: [%s]\n", i.Why,
			matchers(`alertname="`+i.Cause+`"`, i.Source, installation+`!=""`),
			matchers(`alertname=~"`+strings.Join(i.Symptoms, "|")+`"`, i.Target),
			strings.Join(append([]string{installation}, i.Equal...), ", "))
	}
	return out.String()
}

// matchers returns the matchers that are not empty as elements of a YAML list.
func matchers(all ...string) string {
	var quoted []string
	for _, m := range all {
		if m != "" {
			quoted = append(quoted, "'"+m+"'")
		}
	}
	return strings.Join(quoted, ", ")
}
