package httpapi

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// crmService lets operators watch and steer the sync with each CRM.
type crmService interface {
	Now() time.Time
	Connectors() []mailroom.CRM
	WhichCRM(ctx context.Context, name string) (domain.CRM, error)
	CRMs(ctx context.Context) ([]mailroom.CRMStatus, error)
	CRMStatus(ctx context.Context, crm domain.CRM) (mailroom.CRMStatus, error)
	CRMFailures(ctx context.Context, crm domain.CRM, p mailroom.Page) ([]domain.Link, error)
	RetryCRM(ctx context.Context, crm domain.CRM, id domain.ID, class domain.FailureClass) (int, error)
	AskRun(ctx context.Context, crm domain.CRM, kind mailroom.RunKind) (domain.ID, error)
	PauseCRM(ctx context.Context, crm domain.CRM, why string, until time.Time) error
	ResumeCRM(ctx context.Context, crm domain.CRM) error
	RepairCRM(ctx context.Context, crm domain.CRM, apply bool) ([]domain.ID, error)
	CheckCRM(ctx context.Context, crm domain.CRM) (mailroom.CRMCheck, error)
	ShowCRM(ctx context.Context, crm domain.CRM, kind, id string) (mailroom.CRMPage, error)
	ProveErased(ctx context.Context, crm domain.CRM, id domain.MemberID, after domain.ID) (mailroom.ErasureProof, error)
	PrepareCRM(ctx context.Context, crm domain.CRM, p mailroom.Preparation) (mailroom.CRMPreparation, error)
}

func (a *API) crmEndpoints() []endpoint {
	var names []string
	for _, crm := range a.Service.Connectors() {
		names = append(names, string(crm.Name()))
	}
	which := parameter{name: "crm", doc: "which CRM; left out: the first that is connected",
		schema: schema{"type": "string", "enum": names}}
	op := func(method, path, name, does string, status int) endpoint {
		return endpoint{method: method, path: path, name: name, does: does, more: crmMore[name], group: "CRM",
			access: operatorOnly, status: status, query: []parameter{which}}
	}
	all := op("GET", "/v1/crms", "listCRMs", "List the CRMs that are connected, and how each stands", http.StatusOK)
	all.query = nil
	failures := op("GET", "/v1/crm/failures", "listCRMFailures", "List InMails whose last push failed, newest first",
		http.StatusOK)
	failures.query = append(
		[]parameter{which, {name: "class", doc: "only of this class of failure",
			schema: schema{"$ref": "#/components/schemas/FailureClass"}}}, pageParameters()...)
	retry := op("POST", "/v1/crm/failures/{inmail}/retry", "retryCRMFailure", "Push one InMail again",
		http.StatusAccepted)
	retry.refuses = []domain.Code{domain.NotFound}
	retryMany := op("POST", "/v1/crm/failures/retry", "retryCRMFailures",
		"Push dead letters again, all or those of a class", http.StatusAccepted)
	retryMany.bodyOptional = true
	reconcile := op("POST", "/v1/crm/reconcile", "reconcile",
		"Ask the workers to compare the CRM with the record and to repair what differs; getCRMStatus shows how far "+
			"they are", http.StatusAccepted)
	reconcile.bodyOptional = true
	backfill := op("POST", "/v1/crm/backfill", "backfill", "Ask the workers to bring everything to the CRM; "+
		"getCRMStatus shows how far they are", http.StatusAccepted)
	backfill.bodyOptional = true
	repair := op("POST", "/v1/crm/repair", "repairCRM", "List InMails whose record the CRM refuses to change for ever, "+
		"because its sequence number there was raised; with apply, delete those records there and push the InMails anew",
		http.StatusOK)
	repair.bodyOptional = true
	check := op("POST", "/v1/crm/check", "checkCRM", "Log in to the org that the server uses, and list which fields, "+
		"permissions or calls are missing; stores nothing there", http.StatusOK)
	check.refuses = []domain.Code{domain.NotFound}
	show := op("GET", "/v1/crm/page", "showCRMPage", "Show a record of the CRM as its page shows it: its fields, its activities and "+
		"its InMails, the newest 50 of each", http.StatusOK)
	show.held = true
	show.query = []parameter{which, {name: "kind", doc: "which kind of record, by the name of its id", schema: schema{"type": "string", "enum": idNames(a.Service.Connectors())}},
		{name: "id", doc: "its id in the CRM", schema: schema{"type": "string"}}}
	show.refuses, show.held = []domain.Code{domain.NotFound}, true
	erased := op("POST", "/v1/crm/erased", "proveErased", "Ask the CRM, archive and recycle bin included, what it still has of "+
		"an erased member and of the InMails of erased members; changes nothing", http.StatusOK)
	erased.refuses = []domain.Code{domain.NotFound}
	setup := op("POST", "/v1/crm/setup", "setUpCRM", "List what the org of the CRM lacks: package, permission sets, "+
		"related lists; with apply, make it and check the org; with undo, put layouts back as they were", http.StatusOK)
	setup.bodyOptional = true
	setup.refuses = []domain.Code{domain.NotFound}
	pause := op("POST", "/v1/crm/pause", "pauseCRM", "Stop the sync until it is resumed, or for a while", http.StatusOK)
	pause.bodyOptional = true
	return []endpoint{
		gives(all, (*call).crms),
		gives(op("GET", "/v1/crm/status", "getCRMStatus", "Show how far the CRM is behind, and why", http.StatusOK),
			(*call).crmStatus),
		gives(failures, (*call).crmFailures),
		gives(retry, (*call).retryOne),
		takes(retryMany, (*call).retryMany),
		takes(reconcile, (*call).reconcile),
		takes(backfill, (*call).backfill),
		takes(repair, (*call).repairCRM),
		gives(check, (*call).checkCRM),
		gives(show, (*call).showCRM),
		takes(erased, (*call).proveErased),
		takes(setup, (*call).setUpCRM),
		takes(pause, (*call).pauseCRM),
		gives(op("POST", "/v1/crm/resume", "resumeCRM", "Resume the sync after a pause", http.StatusOK),
			(*call).resumeCRM),
	}
}

// crmMore are the descriptions of the calls, by their names.
var crmMore = map[string]string{
	"listCRMs": "Running, paused, parked, unreachable or connecting, with what waits to be pushed and the dead letters by " +
		"class.",
	"listCRMFailures": "Dead letters wait for a retry or for the next change of their InMail; the others are tried again by " +
		"themselves. No text of an InMail is shown.",
	"retryCRMFailure":  "The InMail and all that belongs to it becomes due at once. 404: the CRM was never given it.",
	"retryCRMFailures": "With class, those of that class of failure alone. The answer counts what became due.",
	"reconcile": "With dry_run only the differences are counted, and nothing is changed. Asked for while one runs, it " +
		"answers the id of that run.",
	"backfill": "Begins at the first InMail and goes on after a restart. With dry_run it answers what it would take, and " +
		"brings nothing.",
	"repairCRM":   "Without apply nothing is changed. The InMails themselves, here, are never touched.",
	"checkCRM":    "Each finding says what was looked for, whether it is there and what to do about it.",
	"showCRMPage": "What the CRM has of the InMails there is held on members, so an operator's call is noted.",
	"proveErased": "In parts: where the answer has after, go on from it. What is left there is listed with the record it " +
		"stands on.",
	"setUpCRM":  "Without apply nothing is changed. It can be asked for again at any time: what is there already stays.",
	"pauseCRM":  "Sends, opens and replies go on and wait; none is lost. With for it resumes by itself.",
	"resumeCRM": "What waited meanwhile is pushed at once.",
	"getCRMStatus": "What waits and since when, dead letters, what is held back, the pause, the budget of calls, and the last " +
		"runs.",
}

// classNames are the classes of failure that a stored link can have.
var classNames = lists["failure_class"]

// crm is the CRM that ?crm= names.
func (c *call) crm() (domain.CRM, error) {
	name := c.query.Get("crm")
	if c.query.Has("crm") && name == "" {
		name = " " // no CRM has this name, so WhichCRM refuses it and lists the names that there are
	}
	return c.api.Service.WhichCRM(c.ctx, name)
}

// crmEntry is one CRM of the list.
type crmEntry struct {
	CRM              domain.CRM     `json:"crm" example:"salesforce"`
	State            string         `json:"state" enum:"running,paused,parked,unreachable,connecting" doc:"parked: until the CRM takes more calls; unreachable: it does not answer; connecting: what was there before it was connected is still being made due" example:"running"`
	Unsynced         int            `json:"unsynced" doc:"as of getCRMStatus" example:"0"`
	OldestUnsyncedAt *stamp         `json:"oldest_unsynced_at"`
	DeadLetters      map[string]int `json:"dead_letters" doc:"by class of failure"`
	Paused           *crmPause      `json:"paused"`
}

func (c *call) crms() (items[crmEntry], error) {
	all, err := c.api.Service.CRMs(c.ctx)
	answer := items[crmEntry]{Items: make([]crmEntry, 0, len(all))}
	for _, s := range all {
		answer.Items = append(answer.Items,
			crmEntry{CRM: s.CRM, State: s.State(c.api.Service.Now()), Unsynced: s.Unsynced,
				OldestUnsyncedAt: stampOrNull(s.OldestUnsynced), DeadLetters: deadLetters(s), Paused: pauseOf(s)})
	}
	return answer, err
}

func deadLetters(s mailroom.CRMStatus) map[string]int {
	dead := map[string]int{}
	for class, n := range s.Dead {
		dead[string(class)] = n
	}
	return dead
}

func pauseOf(s mailroom.CRMStatus) *crmPause {
	if s.Pause == nil {
		return nil
	}
	return &crmPause{Why: s.Pause.Why, Since: stamp(s.Pause.Since), Until: stampOrNull(s.Pause.Until)}
}

type crmStatus struct {
	CRM              domain.CRM     `json:"crm" example:"salesforce"`
	Unsynced         int            `json:"unsynced" doc:"InMails that wait to be pushed: their newest state is not in the CRM, and goes there by itself. Dead letters, which do not, are left out" example:"0"`
	OldestUnsyncedAt *stamp         `json:"oldest_unsynced_at"`
	LagSeconds       float64        `json:"lag_seconds" doc:"since then; 0 when nothing waits" example:"0"`
	DeadLetters      map[string]int `json:"dead_letters" doc:"InMails that the CRM lacks and that do not go by themselves, by class of failure; not part of unsynced"`
	HeldBack         map[string]int `json:"held_back" doc:"InMails that have no record in the CRM because nobody (Unmatched) or several (Ambiguous) there match; they are looked for again. Salesforce holds none back"`
	Paused           *crmPause      `json:"paused"`
	UnreachableSince *stamp         `json:"unreachable_since" doc:"since when the CRM does not answer at all; null: it answers"`
	Budget           crmBudget      `json:"budget"`
	Drift            crmDrift       `json:"drift"`
	Runs             crmRuns        `json:"runs" doc:"the last runs over the whole record; null: there was none"`
}

type crmRuns struct {
	Reconcile    *crmRun `json:"reconcile"`
	ReconcileDry *crmRun `json:"reconcile_dry_run"`
	Backfill     *crmRun `json:"backfill"`
	BackfillDry  *crmRun `json:"backfill_dry_run"`
}

type crmRun struct {
	ID         domain.ID    `json:"id" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	State      string       `json:"state" enum:"asked,running,waiting,stopped,done" doc:"waiting: until the org takes more calls; stopped: by a fault; it goes on by itself, but after login, configuration and bad_data only when it is asked for again" example:"done"`
	AskedAt    stamp        `json:"asked_at"`
	StartedAt  *stamp       `json:"started_at"`
	MovedAt    *stamp       `json:"moved_at" doc:"when it last went on"`
	WaitsUntil *stamp       `json:"waits_until"`
	EndedAt    *stamp       `json:"ended_at"`
	Fault      string       `json:"fault" doc:"what stopped the last try: a class of failure, not_configured or fault; empty: nothing" example:""`
	Compared   *crmCompared `json:"compared,omitempty"`
	Backfilled *crmFilled   `json:"backfilled,omitempty"`
	Plan       *crmPlan     `json:"plan,omitempty"`
}

type crmCompared struct {
	InMails     int            `json:"inmails" doc:"compared so far" example:"5300"`
	Waiting     int            `json:"waiting" doc:"of them on their way to the org" example:"0"`
	Drift       map[string]int `json:"drift" doc:"missing, extra, stale, edited"`
	Resynced    int            `json:"resynced" doc:"made due to be pushed again; of a dry run: would be" example:"0"`
	Moved       int            `json:"moved" doc:"hung on other records there; of a dry run: would be" example:"0"`
	Retried     int            `json:"retried" doc:"unmatched and ambiguous ones that were looked for again; of a dry run: would be" example:"0"`
	Matched     int            `json:"matched" doc:"of them those that now have a person" example:"0"`
	Adopted     int            `json:"adopted" doc:"unmatched and ambiguous ones whose person somebody chose in the CRM: taken over; of a dry run: would be" example:"0"`
	Owned       int            `json:"owned" doc:"records given to the account of their sender in the CRM, which was found or changed since; of a dry run: would be" example:"0"`
	Calls       int            `json:"calls" doc:"API calls made" example:"4"`
	RepairCalls int            `json:"repair_calls" doc:"about how many more it takes to push what was made due; of a dry run: all that the repair would take" example:"0"`
}

type crmFilled struct {
	Total    int `json:"total" doc:"InMails that there were at the start" example:"5300"`
	Prepared int `json:"prepared" doc:"matched and put into a job" example:"5300"`
	InMails  int `json:"inmails" doc:"gone through" example:"5300"`
	Records  int `json:"records" doc:"records that the org took" example:"5300"`
	Tasks    int `json:"tasks" doc:"rows beside the records, such as Tasks, that the org took or had" example:"2650"`
	Pushed   int `json:"pushed" doc:"left to ordinary pushes" example:"0"`
	Failed   int `json:"failed" doc:"of them those that a job refused or did not reach" example:"0"`
	Jobs     int `json:"jobs" example:"2"`
	Calls    int `json:"calls" doc:"API calls made" example:"20"`
}

type crmPlan struct {
	InMails int `json:"inmails" example:"5300"`
	Tasks   int `json:"tasks" doc:"at most: only matched InMails have some" example:"7950"`
	Bytes   int `json:"bytes" doc:"to upload" example:"2100000"`
	Jobs    int `json:"jobs" doc:"0: so few go by ordinary pushes" example:"2"`
	Calls   int `json:"calls" doc:"about" example:"30"`
}

type crmPause struct {
	Why   string `json:"why" doc:"operator, login or configuration" example:"operator"`
	Since stamp  `json:"since"`
	Until *stamp `json:"until" doc:"null: until it is resumed"`
}

type crmBudget struct {
	Used        int     `json:"used" doc:"API calls of the last 24 h by everybody, as the org counts" example:"1200"`
	Max         int     `json:"max" doc:"0: not known yet" example:"15000"`
	Share       float64 `json:"share" doc:"the part that may be ours" example:"0.5"`
	Ours        int     `json:"ours" doc:"our calls of the last 24 h" example:"300"`
	ParkedUntil *stamp  `json:"parked_until" doc:"the share is spent; null: it is not"`
	Why         string  `json:"why,omitempty" doc:"of parked"`
}

type crmDrift struct {
	At    *stamp         `json:"at" doc:"of the last reconcile; null: there was none"`
	Kinds map[string]int `json:"kinds" doc:"what it found: missing, extra, stale, edited"`
}

func (c *call) crmStatus() (crmStatus, error) {
	crm, err := c.crm()
	if err != nil {
		return crmStatus{}, err
	}
	s, err := c.api.Service.CRMStatus(c.ctx, crm)
	if err != nil {
		return crmStatus{}, err
	}
	answer := crmStatus{CRM: crm, HeldBack: map[string]int{}, Unsynced: s.Unsynced, OldestUnsyncedAt: stampOrNull(s.OldestUnsynced),
		DeadLetters: deadLetters(s), Paused: pauseOf(s), UnreachableSince: stampOrNull(s.UnreachableSince),
		Budget: crmBudget{Used: s.Budget.Used, Max: s.Budget.Max, Share: s.Budget.Share, Ours: s.Budget.Ours,
			ParkedUntil: stampOrNull(s.Budget.ParkedUntil), Why: s.Budget.Why},
		Drift: crmDrift{At: stampOrNull(s.Drift.At), Kinds: map[string]int{}}}
	if !s.OldestUnsynced.IsZero() {
		answer.LagSeconds = max(0, c.api.Service.Now().Sub(s.OldestUnsynced).Seconds())
	}
	for match, n := range s.Held {
		answer.HeldBack[string(match)] = n
	}
	for kind, n := range s.Drift.Kinds {
		answer.Drift.Kinds[kind] = n
	}
	now := c.api.Service.Now()
	answer.Runs = crmRuns{Reconcile: runOf(s, mailroom.Reconcile, now),
		ReconcileDry: runOf(s, mailroom.ReconcileDry, now), Backfill: runOf(s, mailroom.Backfill, now),
		BackfillDry: runOf(s, mailroom.BackfillDry, now)}
	return answer, nil
}

func runOf(s mailroom.CRMStatus, kind mailroom.RunKind, now time.Time) *crmRun {
	r, ok := s.Runs[kind]
	if !ok {
		return nil
	}
	run := &crmRun{ID: r.ID, AskedAt: stamp(r.AskedAt), StartedAt: stampOrNull(r.StartedAt),
		MovedAt: stampOrNull(r.MovedAt), WaitsUntil: stampOrNull(r.WaitsUntil), EndedAt: stampOrNull(r.EndedAt),
		Fault: r.Fault}
	switch {
	case !r.EndedAt.IsZero():
		run.State = "done"
	case now.Before(r.WaitsUntil):
		run.State = "waiting"
	case r.Fault != "":
		run.State = "stopped"
	case r.StartedAt.IsZero():
		run.State = "asked"
	default:
		run.State = "running"
	}
	if f := r.Compared; f != nil {
		drift := map[string]int{}
		maps.Copy(drift, f.Drift)
		run.Compared = &crmCompared{InMails: f.Compared, Waiting: f.Waiting, Drift: drift, Resynced: f.Resynced,
			Moved: f.Moved, Retried: f.Retried, Matched: f.Matched, Adopted: f.Adopted, Owned: f.Owned, Calls: f.Calls, RepairCalls: f.RepairCalls}
	}
	if b := r.Backfilled; b != nil {
		run.Backfilled = &crmFilled{Total: b.Total, Prepared: b.Prepared, InMails: b.InMails, Records: b.Records,
			Tasks: b.Beside, Pushed: b.Pushed, Failed: b.Failed, Jobs: b.Jobs, Calls: b.Calls}
	}
	if p := r.Plan; p != nil {
		run.Plan = &crmPlan{InMails: p.InMails, Tasks: p.Beside, Bytes: p.Bytes, Jobs: p.Jobs, Calls: p.Calls}
	}
	return run
}

type crmFailure struct {
	InMail   domain.ID `json:"inmail" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	Class    string    `json:"class" list:"failure_class" example:"bad_data"`
	Detail   string    `json:"detail" doc:"the org's code and field names, never a text of ours" example:"FIELD_CUSTOM_VALIDATION_EXCEPTION"`
	Attempts int       `json:"attempts" example:"3"`
	At       stamp     `json:"at"`
	Dead     bool      `json:"dead" doc:"waits for a retry or for the next change"`
	Parts    []crmPart `json:"parts" doc:"each part of the InMail that failed, dead letters first; the fields beside are those of the first"`
}

// crmPart is one part of an InMail that a CRM lacks.
type crmPart struct {
	Part     string `json:"part" doc:"record: the InMail's own record; link: the search for its person; others by the name that the connector gives, such as sent_task" example:"sent_task"`
	Object   string `json:"object" doc:"the org's object; empty: none was written to" example:"Task"`
	Class    string `json:"class" list:"failure_class" example:"bad_data"`
	Detail   string `json:"detail" doc:"the org's code and field names, never a text of ours" example:"REQUIRED_FIELD_MISSING (Outcome__c)"`
	Attempts int    `json:"attempts" example:"1"`
	At       stamp  `json:"at"`
	Dead     bool   `json:"dead" doc:"waits for a retry or for the next change"`
}

func partsOf(l domain.Link) []crmPart {
	if l.Failures == nil { // of a connector whose InMails have one part
		return []crmPart{{Part: domain.RecordPart, Class: string(l.Class), Detail: l.Detail, Attempts: l.Attempts,
			At: stamp(l.FailedAt), Dead: l.Dead}}
	}
	parts := make([]crmPart, 0, len(l.Failures))
	for _, name := range l.Parts() {
		f := l.Failures[name]
		parts = append(parts, crmPart{Part: name, Object: f.Object, Class: string(f.Class), Detail: f.Detail,
			Attempts: f.Attempts, At: stamp(f.FailedAt), Dead: f.Dead})
	}
	return parts
}

// failedBy says that a part of the link failed with a class.
func failedBy(l domain.Link, class domain.FailureClass) bool {
	for _, f := range l.Failures {
		if f.Class == class {
			return true
		}
	}
	return l.Class == class
}

func failurePlace(l domain.Link) mailroom.Cursor {
	return mailroom.Cursor{At: l.FailedAt, ID: string(l.InMail)}
}

func (c *call) crmFailures() (items[crmFailure], error) {
	p, err := failureList.page(c.query)
	if err != nil {
		return items[crmFailure]{}, err
	}
	class := domain.FailureClass(c.query.Get("class"))
	if c.query.Has("class") && !slices.Contains(classNames, string(class)) {
		return items[crmFailure]{}, domain.Refuse(domain.BadRequest, "class: not a class of failure")
	}
	crm, err := c.crm()
	if err != nil {
		return items[crmFailure]{}, err
	}
	found, err := c.failuresOf(crm, class, p)
	if err != nil {
		return items[crmFailure]{}, err
	}
	return listOf(failureList, p, found, func(l domain.Link) crmFailure {
		return crmFailure{InMail: l.InMail, Class: string(l.Class), Detail: l.Detail, Attempts: l.Attempts,
			At: stamp(l.FailedAt), Dead: l.Dead, Parts: partsOf(l)}
	}, failurePlace), nil
}

// failuresOf returns a page of failures of one class, and one item more where there is one; "" is every
// class. The record does not filter by class, so it reads on until the page is full.
func (c *call) failuresOf(crm domain.CRM, class domain.FailureClass, p mailroom.Page) ([]domain.Link, error) {
	if class == "" {
		return c.api.Service.CRMFailures(c.ctx, crm, oneMore(p))
	}
	var found []domain.Link
	for after := p.After; ; {
		links, err := c.api.Service.CRMFailures(c.ctx, crm, mailroom.Page{Limit: maxLimit, After: after})
		if err != nil {
			return nil, err
		}
		for _, l := range links {
			if failedBy(l, class) {
				found = append(found, l)
			}
		}
		if len(links) < maxLimit || len(found) > p.Limit {
			return found, nil
		}
		after = failurePlace(links[len(links)-1])
	}
}

type retryAnswer struct {
	Retried int `json:"retried" doc:"how many are due again" example:"1"`
}

func (c *call) retryOne() (retryAnswer, error) {
	crm, err := c.crm()
	if err != nil {
		return retryAnswer{}, err
	}
	id, ok := domain.ParseID(c.r.PathValue("inmail"))
	if !ok {
		return retryAnswer{}, domain.Refuse(domain.NotFound, "there is no such InMail")
	}
	n, err := c.api.Service.RetryCRM(c.ctx, crm, id, "")
	return retryAnswer{n}, err
}

type retryBody struct {
	Class *string `json:"class,omitempty" list:"failure_class" example:"bad_data"`
}

func (c *call) retryMany(in *retryBody) (retryAnswer, error) {
	crm, err := c.crm()
	if err != nil {
		return retryAnswer{}, err
	}
	var class domain.FailureClass
	set(&class, (*domain.FailureClass)(in.Class))
	n, err := c.api.Service.RetryCRM(c.ctx, crm, "", class)
	return retryAnswer{n}, err
}

type runBody struct {
	DryRun *bool `json:"dry_run,omitempty" doc:"true: count what it would do and the calls that it would take, and change nothing" example:"true"`
}

// asked is the answer to a request for a run: the workers will do it.
type asked struct {
	Status string    `json:"status" enum:"asked" example:"asked"`
	Run    domain.ID `json:"run" doc:"its id in getCRMStatus; that of the one which goes on already, where there is one" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
}

func (c *call) reconcile(in *runBody) (asked, error) {
	return c.askRun(in, mailroom.Reconcile, mailroom.ReconcileDry)
}

func (c *call) backfill(in *runBody) (asked, error) {
	return c.askRun(in, mailroom.Backfill, mailroom.BackfillDry)
}

func (c *call) askRun(in *runBody, kind, dry mailroom.RunKind) (asked, error) {
	if in.DryRun != nil && *in.DryRun {
		kind = dry
	}
	crm, err := c.crm()
	if err != nil {
		return asked{}, err
	}
	id, err := c.api.Service.AskRun(c.ctx, crm, kind)
	return asked{"asked", id}, err
}

type repairBody struct {
	Apply *bool `json:"apply,omitempty" doc:"true: replace the records; left out: only list their InMails" example:"true"`
}

type repairAnswer struct {
	Applied bool        `json:"applied" doc:"the records were replaced" example:"false"`
	InMails []domain.ID `json:"inmails"`
}

func (c *call) repairCRM(in *repairBody) (repairAnswer, error) {
	crm, err := c.crm()
	if err != nil {
		return repairAnswer{}, err
	}
	apply := in.Apply != nil && *in.Apply
	ids, err := c.api.Service.RepairCRM(c.ctx, crm, apply)
	if errors.Is(err, mailroom.ErrLeaseTaken) {
		return repairAnswer{}, domain.Refuse(unavailable,
			"a push or a run writes to the CRM at the moment; %d records were replaced: ask again in a minute", len(ids))
	}
	return repairAnswer{apply, append([]domain.ID{}, ids...)}, err
}

type checkAnswer struct {
	CRM      domain.CRM     `json:"crm" example:"salesforce"`
	Org      string         `json:"org" doc:"the address that was checked; empty: the server has none" example:"https://acme.my.salesforce.com"`
	OK       bool           `json:"ok" doc:"nothing is missing" example:"true"`
	Failed   int            `json:"failed" doc:"findings that are not ok" example:"0"`
	Findings []checkFinding `json:"findings"`
}

type checkFinding struct {
	What   string `json:"what" example:"InMail__c.Status__c"`
	OK     bool   `json:"ok" example:"true"`
	Detail string `json:"detail" doc:"what was found; never a secret" example:"as in the package"`
	Remedy string `json:"remedy,omitempty" doc:"what to do; absent: nothing"`
}

func (c *call) checkCRM() (checkAnswer, error) {
	crm, err := c.crm()
	if err != nil {
		return checkAnswer{}, err
	}
	check, err := c.api.Service.CheckCRM(c.ctx, crm)
	answer := checkAnswer{CRM: crm, Org: check.Address, Findings: make([]checkFinding, 0, len(check.Findings))}
	for _, f := range check.Findings {
		if !f.OK {
			answer.Failed++
		}
		answer.Findings = append(answer.Findings, checkFinding{f.What, f.OK, f.Detail, f.Remedy})
	}
	answer.OK = answer.Failed == 0
	return answer, err
}

// idNames returns the names of the ids of all CRMs, each once.
func idNames(crms []mailroom.CRM) (names []string) {
	for _, crm := range crms {
		for _, id := range crm.IDs() {
			if !slices.Contains(names, id.Name) {
				names = append(names, id.Name)
			}
		}
	}
	return names
}

type crmPage struct {
	CRM        domain.CRM    `json:"crm" example:"salesforce"`
	Object     string        `json:"object" example:"Lead"`
	Record     string        `json:"record" example:"00Q5g00000AbCdEEAV"`
	Name       string        `json:"name" example:"Maria Lopez"`
	Fields     []crmField    `json:"fields"`
	Activities []crmActivity `json:"activities" doc:"the newest first"`
	InMails    []crmInMail   `json:"inmails" doc:"the related list, the newest first"`
}

type crmField struct {
	Name  string `json:"name" example:"InMails_Sent__c"`
	Label string `json:"label" example:"InMails Sent"`
	Value string `json:"value" doc:"empty: none" example:"3"`
}

type crmActivity struct {
	Record  string `json:"record" example:"00T5g00000AbCdEEAV"`
	Day     string `json:"day" example:"2026-11-23"`
	Status  string `json:"status" example:"Completed"`
	Subject string `json:"subject" example:"InMail sent: A plan for the spring"`
	Text    string `json:"text"`
	Owner   string `json:"owner" example:"Lena Hart"`
}

type crmInMail struct {
	Record    string    `json:"record" example:"a015g00000AbCdEEAV"`
	Number    string    `json:"number" example:"IM-0000001"`
	InMail    domain.ID `json:"inmail" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	Subject   string    `json:"subject"`
	Sender    string    `json:"sender" example:"Lena Hart"`
	User      string    `json:"user" doc:"the user of the CRM who is the sender; empty: nobody" example:"Lena Hart"`
	Owner     string    `json:"owner" example:"Lena Hart"`
	Status    string    `json:"status" example:"Replied"`
	SentAt    *stamp    `json:"sent_at"`
	ExpiresAt *stamp    `json:"expires_at"`
	OpenedAt  *stamp    `json:"opened_at"`
	RepliedAt *stamp    `json:"replied_at"`
	Answer    string    `json:"answer" doc:"as far as the policy lets texts leave for the CRM"`
	Link      string    `json:"link" doc:"the page of the InMail; empty: none"`
}

func (c *call) showCRM() (crmPage, error) {
	crm, err := c.crm()
	if err != nil {
		return crmPage{}, err
	}
	kind, id := c.query.Get("kind"), c.query.Get("id")
	if names := idNames(c.api.Service.Connectors()); id == "" || !slices.Contains(names, kind) {
		return crmPage{}, domain.Refuse(domain.BadRequest, "name the record by kind, one of %s, and id", domain.OneOf(names))
	}
	page, err := c.api.Service.ShowCRM(c.ctx, crm, kind, id)
	if refusal := (*domain.Refusal)(nil); err != nil && !errors.As(err, &refusal) && c.ctx.Err() == nil {
		err = domain.Refuse(unavailable, "the CRM did not answer as it should; inmail crm check says why")
	}
	answer := crmPage{CRM: crm, Object: page.Object, Record: page.Record, Name: page.Name,
		Fields: []crmField{}, Activities: []crmActivity{}, InMails: []crmInMail{}}
	for _, f := range page.Fields {
		answer.Fields = append(answer.Fields, crmField(f))
	}
	for _, a := range page.Activities {
		answer.Activities = append(answer.Activities, crmActivity(a))
	}
	for _, m := range page.InMails {
		answer.InMails = append(answer.InMails, crmInMail{Record: m.Record, Number: m.Number, InMail: m.InMail, Subject: m.Subject,
			Sender: m.Sender, User: m.User, Owner: m.Owner, Status: m.Status, SentAt: stampOrNull(m.SentAt), ExpiresAt: stampOrNull(m.ExpiresAt),
			OpenedAt: stampOrNull(m.OpenedAt), RepliedAt: stampOrNull(m.RepliedAt), Answer: m.Answer, Link: m.Link})
	}
	return answer, err
}

type provedBody struct {
	Member domain.MemberID `json:"member" doc:"the id that the member had" example:"maria"`
	After  domain.ID       `json:"after,omitempty" doc:"the next of the page before; left out: the first page" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
}

type provedAnswer struct {
	CRM     domain.CRM `json:"crm" example:"salesforce"`
	Known   bool       `json:"known" doc:"the member is known here: it was not erased, or has come back" example:"false"`
	Waits   string     `json:"waits" doc:"what of the erasure is still to be done here; empty: nothing"`
	InMails int        `json:"inmails" doc:"InMails of erased members that this page compared" example:"12"`
	Left    []remain   `json:"left" doc:"what the CRM still has"`
	Next    domain.ID  `json:"next,omitempty" doc:"ask again with this as after; absent: this was the last page" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
}

type remain struct {
	Object string `json:"object" example:"Task"`
	Record string `json:"record" example:"00T5g00000AbCdEEAV"`
	Fields string `json:"fields" doc:"that hold it" example:"Subject, Description"`
	Where  string `json:"where" list:"place" example:"recycle_bin"`
	Why    string `json:"why" doc:"why it is still there, and what to do"`
}

func (c *call) proveErased(in *provedBody) (provedAnswer, error) {
	crm, err := c.crm()
	if err != nil {
		return provedAnswer{}, err
	}
	proof, err := c.api.Service.ProveErased(c.ctx, crm, in.Member, in.After)
	answer := provedAnswer{CRM: crm, Known: proof.Known, Waits: proof.Waits, InMails: proof.InMails, Left: make([]remain, 0, len(proof.Left)),
		Next: proof.Next}
	for _, l := range proof.Left {
		answer.Left = append(answer.Left, remain(l))
	}
	return answer, err
}

type setupBody struct {
	Apply   *bool   `json:"apply,omitempty" doc:"make what is missing; left out: false" example:"true"`
	Session *string `json:"session,omitempty" doc:"access token of an administrator of the org, which is kept nowhere; left out: the user of the sync, who may see little"`
	Undo    *string `json:"undo,omitempty" doc:"undo of an earlier answer, in base64: it is put back, and nothing else is done"`
	Waiting *string `json:"waiting,omitempty" doc:"waiting of an earlier answer, to go on with that"`
}

type setupAnswer struct {
	CRM      domain.CRM     `json:"crm" example:"salesforce"`
	Org      string         `json:"org" doc:"the address of the org" example:"https://acme.my.salesforce.com"`
	OK       bool           `json:"ok" doc:"no step failed, and the check found nothing missing" example:"true"`
	Missing  int            `json:"missing" doc:"steps that apply would make" example:"0"`
	Steps    []setupStep    `json:"steps"`
	Findings []checkFinding `json:"findings" doc:"of the check, when nothing is left to be made; as of checkCRM"`
	Waiting  string         `json:"waiting,omitempty" doc:"a deployment that the org is still at: repeat the call with it; absent: none"`
	Undo     *string        `json:"undo,omitempty" doc:"puts the layouts back as they were, in base64: a zip for the Metadata API; absent: none was changed"`
}

type setupStep struct {
	What   string `json:"what" example:"layout Lead-Lead Layout"`
	State  string `json:"state" doc:"missing: apply would make it; failed: the org does not let it be looked at or made" enum:"there,missing,made,failed" example:"made"`
	Detail string `json:"detail" doc:"what was found or made; never a secret" example:"shows InMails now"`
	Remedy string `json:"remedy,omitempty" doc:"what to do; absent: nothing"`
}

func (c *call) setUpCRM(in *setupBody) (setupAnswer, error) {
	crm, err := c.crm()
	if err != nil {
		return setupAnswer{}, err
	}
	p := mailroom.Preparation{Apply: in.Apply != nil && *in.Apply}
	if in.Session != nil {
		p.Session = strings.TrimSpace(*in.Session)
	}
	if in.Waiting != nil {
		p.Waiting = *in.Waiting
	}
	if in.Undo != nil {
		if p.Undo, err = base64.StdEncoding.DecodeString(*in.Undo); err != nil || len(p.Undo) == 0 {
			return setupAnswer{}, domain.Refuse(domain.BadRequest, "undo: is not base64; give what an earlier answer had")
		}
	}
	done, err := c.api.Service.PrepareCRM(c.ctx, crm, p)
	answer := setupAnswer{CRM: crm, Org: done.Address, OK: true, Waiting: done.Waiting, Steps: make([]setupStep, 0, len(done.Steps)),
		Findings: make([]checkFinding, 0, len(done.Findings))}
	for _, s := range done.Steps {
		switch s.State {
		case mailroom.StepMissing:
			answer.Missing++
		case mailroom.StepFailed:
			answer.OK = false
		}
		answer.Steps = append(answer.Steps, setupStep{s.What, s.State, s.Detail, s.Remedy})
	}
	for _, f := range done.Findings {
		answer.OK = answer.OK && f.OK
		answer.Findings = append(answer.Findings, checkFinding{f.What, f.OK, f.Detail, f.Remedy})
	}
	if done.Undo != nil {
		text := base64.StdEncoding.EncodeToString(done.Undo)
		answer.Undo = &text
	}
	return answer, err
}

type pauseBody struct {
	For *duration `json:"for,omitempty" doc:"a Go duration; left out: until it is resumed" example:"2h"`
}

type pauseAnswer struct {
	Status string `json:"status" enum:"paused,running" example:"paused"`
}

func (c *call) pauseCRM(in *pauseBody) (pauseAnswer, error) {
	crm, err := c.crm()
	if err != nil {
		return pauseAnswer{}, err
	}
	var until time.Time
	if in.For != nil {
		until = c.api.Service.Now().Add(in.For.length())
	}
	return pauseAnswer{"paused"}, c.api.Service.PauseCRM(c.ctx, crm, "operator", until)
}

func (c *call) resumeCRM() (pauseAnswer, error) {
	crm, err := c.crm()
	if err != nil {
		return pauseAnswer{}, err
	}
	return pauseAnswer{"running"}, c.api.Service.ResumeCRM(c.ctx, crm)
}
