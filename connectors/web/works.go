package web

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"inmail/domain/mailroom"
)

// worksView is the operator's glance: a card for each part, those that need somebody first.
type worksView struct {
	Cards  []card
	Alerts []alertView // that would call
	Well   bool        // nothing needs anybody
	At     moment
}

// card says of one part whether it is well, in a sentence with a figure.
type card struct {
	Name     string
	State    string // well, wait or fault
	Sign     string // the state as a word
	Figure   string // the number that matters
	Unit     string
	Sentence string
	Link     string // where to do something about it; empty: nowhere
	LinkText string
}

// The states of a card.
const (
	isWell  = "well"
	isWait  = "wait"
	isFault = "fault"
)

var signs = map[string]string{isWell: mark("well"), isWait: mark("wait"), isFault: mark("act")}

// probeTimeout is how long a part may take to answer.
const probeTimeout = 2 * time.Second

func (v *visit) showWorks() error {
	f, err := v.facts()
	if err != nil {
		return err
	}
	cards := []card{recordCard(f.faults), v.queueCard(f), v.scheduleCard(f.faults), clockCard(f.faults),
		figuresCard(f.snapshot, f.now), peopleCard(f.snapshot)}
	for _, c := range f.crms {
		cards = append(cards, crmCard(c.CRMStatus, c.Title, f.now))
	}
	view := worksOf(cards, f.now)
	view.Alerts = alertsOf(f)
	view.Well = view.Well && len(view.Alerts) == 0
	return v.show(http.StatusOK, say("Works"), view)
}

// facts asks all parts.
func (v *visit) facts() (f facts, err error) {
	f.faults = v.probe()
	if v.site.Queue != nil && f.faults["queue"] == nil {
		if jobs, err := v.site.Queue.Status(v.ctx); err == nil {
			f.jobs = &jobs
		}
	}
	if f.snapshot, err = v.site.Service.StoredSnapshot(v.ctx); err != nil {
		return f, err
	}
	crms, err := v.site.Service.CRMs(v.ctx)
	if err != nil {
		return f, err
	}
	f.now = v.now()
	for _, s := range crms {
		c := crmFacts{CRMStatus: s, Title: v.site.Service.CRMTitle(s.CRM)}
		if deadOf(s) > 0 {
			failures, err := v.site.Service.CRMFailures(v.ctx, s.CRM, mailroom.Page{Limit: mailroom.MaxPage})
			if err != nil {
				return f, err
			}
			c.NewDead = deadWithin(failures, f.now.Add(-time.Hour))
		}
		f.crms = append(f.crms, c)
	}
	return f, nil
}

// probe asks all parts at once and returns the errors of those that are down, by name.
func (v *visit) probe() map[string]error {
	ctx, cancel := context.WithTimeout(v.ctx, probeTimeout)
	defer cancel()
	errs := make([]error, len(v.site.Probes))
	var all sync.WaitGroup
	for i, p := range v.site.Probes {
		all.Go(func() { errs[i] = p.Check(ctx) })
	}
	all.Wait()
	faults := map[string]error{}
	for i, p := range v.site.Probes {
		if errs[i] != nil {
			faults[p.Name] = errs[i]
		}
	}
	return faults
}

// worksOf puts the cards that need somebody first.
func worksOf(cards []card, now time.Time) worksView {
	rank := map[string]int{isFault: 0, isWait: 1, isWell: 2}
	view := worksView{At: momentOf(now, now), Well: true}
	for _, c := range cards {
		c.Sign = look(signs[c.State])
		view.Well = view.Well && c.State == isWell
		view.Cards = append(view.Cards, c)
	}
	slices.SortStableFunc(view.Cards, func(a, b card) int { return rank[a.State] - rank[b.State] })
	return view
}

func recordCard(faults map[string]error) card {
	c := card{Name: say("Record"), State: isWell, Sentence: say("It takes and keeps everything that is accepted.")}
	if err := faults["record"]; err != nil {
		c.State, c.Sentence = isFault, say("The record %s. Nothing can be accepted until it works again.", mailroom.CauseOf(err))
	}
	return c
}

func (v *visit) queueCard(f facts) card {
	c := card{Name: say("Queue"), State: isWell, Sentence: say("Nothing waits longer than it should.")}
	if err := f.faults["queue"]; err != nil {
		c.State = isFault
		c.Sentence = say("The queue %s. InMails are accepted and wait until it works again.", mailroom.CauseOf(err))
		return c
	}
	if v.site.Queue == nil {
		return c
	}
	if f.jobs == nil {
		c.State, c.Sentence = isWait, say("How much waits is not known just now.")
		return c
	}
	return jobsCard(c, *f.jobs)
}

// scheduleCard says whether the periodic work goes on: expiries, figures and pushes.
func (v *visit) scheduleCard(faults map[string]error) card {
	c := card{Name: say("Schedule"), State: isWell, Sentence: say("Expiries, figures and pushes are asked for in their time.")}
	if v.site.Beat != nil {
		c.Figure, c.Unit = span(v.site.Beat()), say("since the last beat")
	}
	if err := faults["schedule"]; err != nil {
		c.State = isFault
		c.Sentence = say("The schedule %s. Start a process with the role scheduler: inmail serve --roles scheduler.", mailroom.CauseOf(err))
	}
	return c
}

func jobsCard(c card, jobs Jobs) card {
	c.Figure, c.Unit, c.Link, c.LinkText = thousands(jobs.Waiting), say("waiting"), "/works/queue", say("See the queue")
	switch {
	case jobs.Servers == 0:
		c.State, c.Sentence = isFault, say("No worker runs, so nothing is delivered. Start one: inmail serve --roles worker.")
	case jobs.GivenUp > 0:
		c.State, c.Sentence = isFault, say("%s given up. Look at them, repair the cause, and retry them.", many(jobs.GivenUp, say("task was"), say("tasks were")))
	case jobs.Retry > 0:
		c.State, c.Sentence = isWait, say("%s failed and will be tried again by itself.", many(jobs.Retry, say("task"), say("tasks")))
	case jobs.Oldest > time.Minute:
		c.State, c.Sentence = isWait, say("The first has waited %s. More workers would help.", span(jobs.Oldest))
	}
	return c
}

func clockCard(faults map[string]error) card {
	c := card{Name: say("Clock"), State: isWell, Sentence: say("This machine and the record agree on the time.")}
	if err := faults["clock"]; err != nil {
		c.State, c.Sentence = isWait, say("This machine's clock %s. The record's decides; set the clock.", mailroom.CauseOf(err))
	}
	return c
}

// staleAfter is the age from which the figures count as not kept up.
const staleAfter = 5 * time.Minute

func figuresCard(s *mailroom.Snapshot, now time.Time) card {
	c := card{Name: say("Figures"), State: isWell, Link: "/figures", LinkText: say("See the figures")}
	if s == nil {
		c.State, c.Sentence = isWait, say("None were computed yet. The schedule computes them every few seconds.")
		return c
	}
	age := now.Sub(s.At)
	c.Figure, c.Unit = thousands(s.Pending), say("unopened")
	c.Sentence = say("Computed %s ago; %s lapse within a day.", span(max(age, 0)), thousands(s.ExpiringSoon["24h"]))
	if age > staleAfter {
		c.State = isFault
		c.Sentence = say("Last computed %s ago: the schedule or the workers stand still. See that one of each runs.", span(age))
	}
	return c
}

func peopleCard(s *mailroom.Snapshot) card {
	c := card{Name: say("People"), State: isWell, Sentence: say("Nobody is restricted."), Link: "/works/people",
		LinkText: say("Find somebody")}
	if s == nil {
		return c
	}
	n := 0
	for _, k := range s.Restricted {
		n += k
	}
	c.Figure, c.Unit = thousands(n), say("restricted")
	if n > 0 {
		c.Sentence = say("Each can read and reply, and sends again when the time is over.")
	}
	return c
}

func crmCard(s mailroom.CRMStatus, title string, now time.Time) card {
	c := card{Name: title, State: isWell, Figure: thousands(s.Unsynced), Unit: say("to push"),
		Link: "/works/crm", LinkText: say("See the sync"),
		Sentence: say("It has everything that it should have.")}
	dead := deadOf(s)
	switch state := s.State(now); {
	case state == mailroom.SyncPaused:
		c.State, c.Sentence = isFault, say("The sync is paused (%s). Resume it when the cause is repaired.", spaced(s.Pause.Why))
	case state == mailroom.SyncSilent:
		c.State, c.Sentence = isFault, say("It has not answered for %s. InMails wait and lose nothing.", span(max(now.Sub(s.UnreachableSince), 0)))
	case dead > 0:
		c.State, c.Sentence = isFault, say("%s did not get there and will not by themselves. Repair the cause and retry them.", many(dead, say("InMail"), say("InMails")))
	case state == mailroom.SyncParked:
		c.State, c.Sentence = isWait, say("It takes more calls from %s on; until then InMails wait.", dayAndTime(s.Budget.ParkedUntil, now))
	case state == mailroom.SyncLinking:
		c.State, c.Sentence = isWait, say("Older InMails are still being made due.")
	case s.Unsynced > 0:
		c.Sentence = say("The oldest has waited %s.", span(max(now.Sub(s.OldestUnsynced), 0)))
		if now.Sub(s.OldestUnsynced) > 15*time.Minute {
			c.State = isWait
		}
	}
	if drift := driftOf(s.Drift); drift > 0 && c.State == isWell {
		c.State, c.Sentence = isWait, say("The last comparison found %s that differ.", many(drift, say("record"), say("records")))
	}
	return c
}

func deadOf(s mailroom.CRMStatus) (n int) {
	for _, k := range s.Dead {
		n += k
	}
	return n
}

func driftOf(d mailroom.Drift) (n int) {
	for _, k := range d.Kinds {
		n += k
	}
	return n
}
