package web

import (
	"strings"
	"testing"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// TestAlerts brings about each alert that the page judges, at its limit and one step before.
func TestAlerts(t *testing.T) {
	down := mailroom.Because(mailroom.CauseHeld, mailroom.ErrUnavailable)
	well := func() facts {
		return facts{now: noon, faults: map[string]error{}, jobs: &Jobs{Servers: 1}, snapshot: &mailroom.Snapshot{At: noon},
			crms: []crmFacts{{Title: "Salesforce", CRMStatus: mailroom.CRMStatus{CRM: "salesforce", Linked: true}}}}
	}
	if calls := alertsOf(well()); len(calls) != 0 {
		t.Fatalf("all is well, and these call: %+v", calls)
	}
	cases := map[string]struct{ before, at func(*facts) }{
		"InMailRecordHeld":  {func(f *facts) { f.faults["record"] = mailroom.ErrUnavailable }, func(f *facts) { f.faults["record"] = down }},
		"InMailQueueUnseen": {nil, func(f *facts) { f.faults["queue"] = mailroom.ErrUnavailable }},
		"InMailSendsWaiting": {func(f *facts) {
			f.jobs.Queues = []JobQueue{{Name: "sends", Oldest: time.Minute}, {Name: "crm", Oldest: time.Hour}}
		},
			func(f *facts) { f.jobs.Queues = []JobQueue{{Name: "sends_2", Oldest: time.Minute + time.Second}} }},
		"InMailScheduleStandsStill": {nil, func(f *facts) { f.faults["schedule"] = mailroom.ErrUnavailable }},
		"InMailClockApart":          {nil, func(f *facts) { f.faults["clock"] = mailroom.ErrUnavailable }},
		"InMailFiguresMissing":      {nil, func(f *facts) { f.snapshot = nil }},
		"InMailFiguresOld":          {func(f *facts) { f.snapshot.At = noon.Add(-45 * time.Second) }, func(f *facts) { f.snapshot.At = noon.Add(-46 * time.Second) }},
		"InMailSalesforceLate": {func(f *facts) { f.crms[0].OldestUnsynced, f.crms[0].Unsynced = noon.Add(-time.Hour), 19 },
			func(f *facts) {
				f.crms[0].OldestUnsynced, f.crms[0].Unsynced = noon.Add(-15*time.Minute-time.Second), 20
			}},
		"InMailSalesforceBudgetLow": {func(f *facts) { f.crms[0].Budget = mailroom.Budget{Max: 1000, Share: 0.5, Ours: 400} },
			func(f *facts) { f.crms[0].Budget = mailroom.Budget{Max: 1000, Share: 0.5, Ours: 401} }},
		"InMailSalesforceUnreachable": {nil, func(f *facts) { f.crms[0].UnreachableSince = noon.Add(-time.Second) }},
		"InMailSalesforceDeadLetters": {func(f *facts) { f.crms[0].NewDead = 9 }, func(f *facts) { f.crms[0].NewDead = 10 }},
		"InMailSalesforceDrift": {func(f *facts) { f.crms[0].Drift.Kinds = map[string]int{"stale": 10, "extra": 10} },
			func(f *facts) { f.crms[0].Drift.Kinds = map[string]int{"stale": 11} }},
		"InMailWebhooksBehind": {func(f *facts) { f.snapshot.OldestUndelivered = noon.Add(-time.Hour) },
			func(f *facts) { f.snapshot.OldestUndelivered = noon.Add(-time.Hour - time.Second) }},
		"InMailWebhookSwitchedOff": {nil, func(f *facts) { f.snapshot.WebhooksOff = 1 }},
	}
	for _, a := range Alerts() {
		c, ok := cases[a.Name]
		if !ok {
			t.Errorf("nothing brings %s about", a.Name)
			continue
		}
		if c.before != nil {
			f := well()
			c.before(&f)
			for _, call := range alertsOf(f) {
				if call.Name == a.Name {
					t.Errorf("%s calls at the limit already: %s", a.Name, call.Text)
				}
			}
		}
		f := well()
		c.at(&f)
		if calls := alertsOf(f); len(calls) != 1 || calls[0].Name != a.Name || !strings.HasSuffix(calls[0].Text, ".") {
			t.Errorf("%s: these call: %+v", a.Name, calls)
		}
	}
	f := well()
	f.faults["clock"], f.snapshot = mailroom.ErrUnavailable, nil
	if calls := alertsOf(f); len(calls) != 2 || !calls[0].Page || calls[1].Page {
		t.Errorf("those that wake somebody are not first: %+v", calls)
	}
	if n := deadWithin([]domain.Link{{Dead: true, FailedAt: noon}, {FailedAt: noon}, {Dead: true, FailedAt: noon.Add(-time.Hour)}}, noon.Add(-time.Hour)); n != 1 {
		t.Errorf("%d dead letters are new, want 1", n)
	}
}
