package web

import (
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// facts is what the operator's glance knows of the parts.
type facts struct {
	faults   map[string]error // of the probes, by name
	jobs     *Jobs            // nil: not known
	snapshot *mailroom.Snapshot
	crms     []crmFacts
	now      time.Time
}

// crmFacts is what it knows of one CRM.
type crmFacts struct {
	mailroom.CRMStatus
	Title   string
	NewDead int // dead letters of the last hour
}

// alertView is an alert of the dashboards that would call if what the page sees stays so.
type alertView struct {
	Name     string
	Page     bool // it wakes somebody; else it waits for the working day
	Text     string
	Link     string // where the first step is; empty: it is not a page
	LinkText string
}

// alert is one alert that can be judged by what is known now. Those that look back over rates are known to
// Prometheus alone.
type alert struct {
	name  string
	page  bool
	limit float64 // as the rule has it; 0: it has none
	link  string
	text  string // of the link
	judge func(f facts, limit float64) []string
}

// judgedAlerts are in the order of the runbook. A test holds names and limits against the rules.
var judgedAlerts = []alert{
	{"InMailRecordHeld", true, 1, "", "", func(f facts, _ float64) []string {
		return when(f.faults["record"] != nil && mailroom.CauseOf(f.faults["record"]) == mailroom.CauseHeld,
			say("The record is held: it is a copy, or was restored. Look at it, then say inmail resume --after-restore."))
	}},
	{"InMailQueueUnseen", true, 0, "", "", func(f facts, _ float64) []string {
		return when(f.faults["queue"] != nil, say("Nobody sees the queue. See that Redis runs and that this process reaches it."))
	}},
	{"InMailSendsWaiting", true, 60, "/works/queue", mark("See the queue"), func(f facts, limit float64) []string {
		longest := time.Duration(0)
		if f.jobs != nil {
			for _, q := range f.jobs.Queues {
				if strings.HasPrefix(q.Name, "sends") {
					longest = max(longest, q.Oldest)
				}
			}
		}
		return when(longest.Seconds() > limit, say("A send has waited %s; %s is the limit. See that a worker runs.", span(longest), secondsOf(limit)))
	}},
	{"InMailScheduleStandsStill", false, 10, "", "", func(f facts, limit float64) []string {
		return when(f.faults["schedule"] != nil,
			say("The schedule has not beaten for more than %s. Start a process with the role scheduler.", secondsOf(limit)))
	}},
	{"InMailClockApart", false, 2, "", "", func(f facts, limit float64) []string {
		return when(f.faults["clock"] != nil, say("This machine's clock is more than %s away from the record's time. Set the clock.", secondsOf(limit)))
	}},
	{"InMailFiguresMissing", true, 0, "", "", func(f facts, _ float64) []string {
		return when(f.snapshot == nil, say("No figures were ever computed. See that a worker and a scheduler run."))
	}},
	{"InMailFiguresOld", false, 45, "", "", func(f facts, limit float64) []string {
		if f.snapshot == nil {
			return nil
		}
		age := f.now.Sub(f.snapshot.At)
		return when(age.Seconds() > limit, say("The figures are %s old; %s is the limit. See that a worker runs.", span(age), secondsOf(limit)))
	}},
	{"InMailSalesforceLate", true, 900, "/works/crm", mark("See the sync"), eachCRM(func(c crmFacts, f facts, limit float64) string {
		waits := f.now.Sub(c.OldestUnsynced)
		if c.OldestUnsynced.IsZero() || waits.Seconds() <= limit || c.Unsynced < 20 {
			return ""
		}
		return say("%s is behind: %s wait, the oldest for %s; %s is the limit.", c.Title, many(c.Unsynced, say("InMail"), say("InMails")), span(waits), secondsOf(limit))
	})},
	{"InMailSalesforceBudgetLow", false, 0.8, "/works/crm", mark("See the sync"), eachCRM(func(c crmFacts, _ facts, limit float64) string {
		allowed := float64(c.Budget.Max) * c.Budget.Share
		if allowed <= 0 || float64(c.Budget.Ours) <= limit*allowed {
			return ""
		}
		return say("%s of %s calls of the day to %s are used; %.0f %% is the limit.", thousands(c.Budget.Ours), thousands(int(allowed)), c.Title, 100*limit)
	})},
	{"InMailSalesforceUnreachable", false, 0, "/works/crm", mark("See the sync"), eachCRM(func(c crmFacts, f facts, _ float64) string {
		if c.UnreachableSince.IsZero() {
			return ""
		}
		return say("%s has not answered for %s. See its status page and the network.", c.Title, span(max(f.now.Sub(c.UnreachableSince), 0)))
	})},
	{"InMailSalesforceDeadLetters", false, 10, "/works/crm", mark("See the failures"), eachCRM(func(c crmFacts, _ facts, limit float64) string {
		if float64(c.NewDead) < limit {
			return ""
		}
		return say("%s given up by %s within the hour; %.0f is the limit. Repair the cause and retry them.", many(c.NewDead, say("InMail was"), say("InMails were")), c.Title, limit)
	})},
	{"InMailSalesforceDrift", false, 10, "/works/crm", mark("See the differences"), eachCRM(func(c crmFacts, _ facts, limit float64) string {
		for _, kind := range sortedKeys(c.Drift.Kinds) {
			if n := c.Drift.Kinds[kind]; float64(n) > limit {
				return say("%s in %s differ (%s); %.0f is the limit. Compare and repair.", many(n, say("record"), say("records")), c.Title, spaced(kind), limit)
			}
		}
		return ""
	})},
	{"InMailWebhooksBehind", false, 3600, "/works/webhooks", mark("See the webhooks"), func(f facts, limit float64) []string {
		if f.snapshot == nil || f.snapshot.OldestUndelivered.IsZero() {
			return nil
		}
		waits := f.now.Sub(f.snapshot.OldestUndelivered)
		return when(waits.Seconds() > limit, say("An event has waited %s for an end point; %s is the limit. After five days the end point is switched off.", span(waits), secondsOf(limit)))
	}},
	{"InMailWebhookSwitchedOff", false, 0, "/works/webhooks", mark("See the webhooks"), func(f facts, _ float64) []string {
		if f.snapshot == nil {
			return nil
		}
		return when(f.snapshot.WebhooksOff > 0, say("%s switched off and gets no events. Repair it and enable it.", many(f.snapshot.WebhooksOff, say("end point is"), say("end points are"))))
	}},
}

// eachCRM judges every CRM; an empty answer is none.
func eachCRM(judge func(c crmFacts, f facts, limit float64) string) func(facts, float64) []string {
	return func(f facts, limit float64) (all []string) {
		for _, c := range f.crms {
			if text := judge(c, f, limit); text != "" {
				all = append(all, text)
			}
		}
		return all
	}
}

func when(holds bool, text string) []string {
	if !holds {
		return nil
	}
	return []string{text}
}

func secondsOf(seconds float64) string { return span(time.Duration(seconds * float64(time.Second))) }

// alertsOf returns the alerts that would call, those that wake somebody first.
func alertsOf(f facts) (calls []alertView) {
	for _, wakes := range []bool{true, false} {
		for _, a := range judgedAlerts {
			if a.page != wakes {
				continue
			}
			for _, text := range a.judge(f, a.limit) {
				calls = append(calls, alertView{Name: a.name, Page: a.page, Text: text, Link: a.link, LinkText: look(a.text)})
			}
		}
	}
	return calls
}

// Alert is an alert that the operator's page judges.
type Alert struct {
	Name  string
	Page  bool
	Limit float64 // 0: its rule has none
}

// Alerts returns the alerts that the operator's page judges by what it knows at the moment. Others look back
// over rates, which Prometheus alone keeps.
func Alerts() []Alert {
	all := make([]Alert, len(judgedAlerts))
	for i, a := range judgedAlerts {
		all[i] = Alert{a.name, a.page, a.limit}
	}
	return all
}

// deadWithin counts the dead letters that failed since a time, of a list that is newest first.
func deadWithin(failures []domain.Link, since time.Time) (n int) {
	for _, l := range failures {
		if l.Dead && l.FailedAt.After(since) {
			n++
		}
	}
	return n
}
