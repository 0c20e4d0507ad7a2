package web

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// crmPage is how the sync of each CRM is doing.
type crmPage struct {
	CRMs    []crmView
	CanTest bool // there is a check
}

type crmView struct {
	Name     domain.CRM
	Title    string
	Card     card
	Paused   bool
	Oldest   *moment
	Called   *moment // when calls were last made
	Used     int     // of the calls that we may make, 0..100
	Budget   string
	Drift    []countView
	DriftAt  *moment
	Groups   []failureGroup
	Failures []failureView
	Runs     []runView
}

// failureGroup are the failures of one object and class that the CRM answered alike.
type failureGroup struct {
	Object, Class, Words, Detail, Remedy string
	N                                    int
}

type failureView struct {
	InMail       domain.ID
	Class, Words string
	Attempts     int
	At           moment
	Dead         bool
}

type runView struct {
	Kind, State string
	At          moment
}

// shownFailures is how many failures a page lists; the groups count up to a page of the record.
const shownFailures = 20

func (v *visit) showCRM() error {
	all, err := v.site.Service.CRMs(v.ctx)
	if err != nil {
		return err
	}
	page := crmPage{CanTest: v.site.Check != nil}
	for _, s := range all {
		failures, err := v.site.Service.CRMFailures(v.ctx, s.CRM, mailroom.Page{Limit: mailroom.MaxPage})
		if err != nil {
			return err
		}
		page.CRMs = append(page.CRMs, crmViewOf(s, v.site.Service.CRMTitle(s.CRM), failures, v.site.Remedies, v.now()))
	}
	return v.show(http.StatusOK, say("CRM"), page)
}

func crmViewOf(s mailroom.CRMStatus, title string, failures []domain.Link, remedies map[domain.FailureClass]string,
	now time.Time) crmView {
	view := crmView{Name: s.CRM, Title: title, Card: crmCard(s, title, now), Paused: s.Pause != nil,
		Budget: budgetWords(s.Budget)}
	view.Card.Sign = look(signs[view.Card.State])
	if allowed := float64(s.Budget.Max) * s.Budget.Share; allowed > 0 {
		view.Used = min(100, int(100*float64(s.Budget.Ours)/allowed))
	}
	view.Oldest = momentOrNil(s.OldestUnsynced, now)
	view.Called = momentOrNil(s.Budget.At, now)
	view.DriftAt = momentOrNil(s.Drift.At, now)
	for _, kind := range sortedKeys(s.Drift.Kinds) {
		view.Drift = append(view.Drift, countView{spaced(kind), s.Drift.Kinds[kind]})
	}
	view.Groups = groupsOf(failures, remedies)
	for _, l := range failures[:min(len(failures), shownFailures)] {
		view.Failures = append(view.Failures, failureView{l.InMail, string(l.Class), classWords(l.Class), l.Attempts,
			momentOf(l.FailedAt, now), l.Dead})
	}
	for kind, run := range s.Runs {
		view.Runs = append(view.Runs, runOf(kind, run, now))
	}
	slices.SortFunc(view.Runs, func(a, b runView) int { return strings.Compare(a.Kind, b.Kind) })
	return view
}

func momentOrNil(t, now time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	m := momentOf(t, now)
	return &m
}

func budgetWords(b mailroom.Budget) string {
	if b.Max == 0 {
		return say("How many calls the org allows is not known before the first one.")
	}
	return say("%s calls in 24 h are ours, of %s that we may make; the org counts %s of %s for everybody.",
		thousands(b.Ours), thousands(int(float64(b.Max)*b.Share)), thousands(b.Used), thousands(b.Max))
}

// groupsOf counts failures by object, class and what the CRM answered, the most first. A link may lack
// several parts.
func groupsOf(failures []domain.Link, remedies map[domain.FailureClass]string) []failureGroup {
	type key struct {
		object string
		class  domain.FailureClass
		detail string
	}
	counts := map[key]int{}
	for _, l := range failures {
		for _, part := range l.Parts() {
			f := l.Failures[part]
			counts[key{f.Object, f.Class, f.Detail}]++
		}
		if len(l.Failures) == 0 {
			counts[key{"", l.Class, l.Detail}]++
		}
	}
	groups := make([]failureGroup, 0, len(counts))
	for k, n := range counts {
		groups = append(groups, failureGroup{Object: k.object, Class: string(k.class), Words: classWords(k.class), Detail: k.detail,
			Remedy: sentence(remedies[k.class]), N: n})
	}
	slices.SortFunc(groups, func(a, b failureGroup) int {
		return cmp.Or(b.N-a.N, strings.Compare(a.Object+a.Class+a.Detail, b.Object+b.Class+b.Detail))
	})
	return groups
}

func classWords(c domain.FailureClass) string {
	switch c {
	case domain.Locked:
		return say("a lock or a passing fault")
	case domain.LimitReached:
		return say("the daily calls are used up")
	case domain.SessionEnded:
		return say("the session ended")
	case domain.LoginFailed:
		return say("the login fails")
	case domain.LostReference:
		return say("its record of a person is gone")
	case domain.BadData:
		return say("the CRM refuses this record")
	case domain.Configuration:
		return say("a field or permission is missing")
	}
	return spaced(string(c))
}

func runOf(kind mailroom.RunKind, run mailroom.Run, now time.Time) runView {
	view := runView{Kind: strings.TrimSuffix(sentence(spaced(string(kind))), "."), At: momentOf(cmp.Or(run.EndedAt, run.MovedAt, run.AskedAt), now)}
	switch {
	case !run.EndedAt.IsZero():
		view.State = say("done")
	case run.Fault != "":
		view.State = say("stopped: %s", spaced(run.Fault))
	case now.Before(run.WaitsUntil):
		view.State = say("waits until %s", dayAndTime(run.WaitsUntil, now))
	case run.StartedAt.IsZero():
		view.State = say("asked for")
	default:
		view.State = say("under way")
	}
	return view
}

// crm reads which CRM a form is about.
func (v *visit) crm() (domain.CRM, error) {
	return v.site.Service.WhichCRM(v.ctx, v.r.PostForm.Get("crm"))
}

// retryCRM pushes failed InMails again: one, those of a class, or all.
func (v *visit) retryCRM() error {
	crm, err := v.crm()
	if err != nil {
		return err
	}
	f := v.r.PostForm
	_, err = v.site.Service.RetryCRM(v.ctx, crm, domain.ID(f.Get("inmail")), domain.FailureClass(f.Get("class")))
	if err != nil {
		return err
	}
	return v.goTo("/works/crm?done=retried")
}

// runCRM asks the workers to compare the CRM with the record; dry, nothing is repaired.
func (v *visit) runCRM() error {
	crm, err := v.crm()
	if err != nil {
		return err
	}
	kind := mailroom.ReconcileDry
	if v.r.PostForm.Get("repair") != "" {
		kind = mailroom.Reconcile
	}
	if _, err := v.site.Service.AskRun(v.ctx, crm, kind); err != nil {
		return err
	}
	return v.goTo("/works/crm?done=asked")
}

func (v *visit) pauseCRM() error {
	crm, err := v.crm()
	if err != nil {
		return err
	}
	if err := v.site.Service.PauseCRM(v.ctx, crm, "operator", time.Time{}); err != nil {
		return err
	}
	return v.goTo("/works/crm?done=paused")
}

func (v *visit) resumeCRM() error {
	crm, err := v.crm()
	if err != nil {
		return err
	}
	if err := v.site.Service.ResumeCRM(v.ctx, crm); err != nil {
		return err
	}
	return v.goTo("/works/crm?done=resumed")
}

// checkPage is what the check of a CRM found.
type checkPage struct {
	Title    string
	Findings []Finding
	Failed   int
}

func (v *visit) checkCRM() error {
	crm, err := v.crm()
	if err != nil {
		return err
	}
	if v.site.Check == nil {
		return refuse(domain.NotFound, say("There is no check for this CRM here."))
	}
	found, err := v.site.Check(v.ctx, crm)
	if err != nil {
		return err
	}
	page := checkPage{Title: v.site.Service.CRMTitle(crm), Findings: found}
	for _, f := range found {
		if !f.OK {
			page.Failed++
		}
	}
	return v.show(http.StatusOK, say("Check"), page)
}

func sortedKeys(counts map[string]int) []string { return slices.Sorted(maps.Keys(counts)) }
