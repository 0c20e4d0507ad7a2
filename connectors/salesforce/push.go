package salesforce

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// Bounds of a push.
const (
	collection   = 200             // rows in one (SALESFORCE.md 2.2)
	pushTimeout  = 4 * time.Minute // for all calls of a push; shorter than its task may take, so that its answers are stored
	isolations   = 16              // calls that may be spent on finding rows that spoil their collection
	lostTries    = 3               // after so many lost references a row goes without parents
	unclearTries = 8               // after so many answers that say nothing a row is for a person to look at
)

// work is one InMail on its way through a push.
type work struct {
	push *domain.Push
	link domain.Link // as it will be answered
	want parents     // what it is to hang on

	row     *Fault // why its record was not written
	task    *Fault // why a Task was not written
	sent    bool   // a call carried it: a failure counts as an attempt
	settled bool   // nothing is to be sent
	instead *work  // the same InMail in a newer state goes in its place
}

func (w *work) erased() bool {
	return w.push.InMail.Sender == domain.Erased || w.push.InMail.Recipient == domain.Erased
}

// Push brings InMails to the org in as few calls as it can. answers[i] is for pushes[i]; each row's fault is in its answer. What was
// sent twice, late or in another order changes nothing: the record is found by the InMail's id, the org refuses a lower
// sequence number, and a Task's event id is unique (R53).
func (c *Connector) Push(ctx context.Context, pushes []domain.Push) ([]domain.PushAnswer, error) {
	if !c.Configured() {
		return nil, mailroom.ErrNotConfigured
	}
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	works := c.newest(pushes)
	return c.carry(ctx, works, c.findParents(ctx, works)), nil
}

// carry writes works whose parents were looked for, and answers each. err is why they could not be.
func (c *Connector) carry(ctx context.Context, works []*work, err error) []domain.PushAnswer {
	if err != nil {
		f, n := asFault(err), 0
		for _, w := range works {
			if !w.settled {
				w.row, w.sent = f, true
				n++
			}
		}
		c.refused(inMailObject, f, n)
	} else {
		c.write(ctx, works)
	}
	now := c.clock.Now()
	answers := make([]domain.PushAnswer, len(works))
	for i, w := range works {
		if w.instead != nil {
			w = w.instead
		}
		answers[i] = c.answer(w, now)
	}
	return answers
}

// newest prepares the works. An InMail that comes twice is sent once, in its newest state; one that is older than what the org is
// known to hold is not sent.
func (c *Connector) newest(pushes []domain.Push) []*work {
	works := make([]*work, len(pushes))
	best := map[domain.ID]*work{}
	for i := range pushes {
		p := &pushes[i]
		w := &work{push: p, link: p.Link, want: parentsOf(p.Link)}
		w.link.InMail = p.InMail.ID
		works[i] = w
		if p.InMail.Seq < p.Link.PushedSeq {
			w.settled, w.row = true, &Fault{Class: domain.Stale}
			continue
		}
		if other := best[p.InMail.ID]; other == nil || p.InMail.Version > other.push.InMail.Version {
			best[p.InMail.ID] = w
		}
	}
	for _, w := range works {
		if b := best[w.push.InMail.ID]; !w.settled && b != w {
			w.settled, w.instead = true, b
		}
	}
	return works
}

// findParents matches those works whose parents are not known.
func (c *Connector) findParents(ctx context.Context, works []*work) error {
	var unknown []*work
	for _, w := range works {
		l := w.push.Link
		switch {
		case w.settled:
		case w.push.InMail.Recipient == domain.Erased: // hangs on nobody any more (R60)
			w.want = parents{Match: domain.Unmatched}
		case l.Class == domain.LostReference && l.Attempts >= lostTries:
			w.want = parents{Match: domain.Unmatched} // better without parents than not at all; reconcile looks again
		case c.mustMatch(w.push):
			unknown = append(unknown, w)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return c.match(ctx, unknown)
}

// item is one row on its way into a collection.
type item struct {
	work  *work
	event string // of a Task; empty: the record
	row   map[string]any
}

// batch is a collection of rows of one object.
type batch struct {
	object string
	items  []item
	halved bool // it holds rows that spoiled a larger one
}

// write sends records, then Tasks: five collections a call, sorted by account, then Lead or Contact, so that rows which might wait
// for each other's parents stand together (SALESFORCE.md 2.6).
func (c *Connector) write(ctx context.Context, works []*work) {
	order := slices.Clone(works)
	slices.SortStableFunc(order, func(a, b *work) int {
		return cmp.Or(strings.Compare(a.want.AccountID, b.want.AccountID), strings.Compare(a.want.ContactID, b.want.ContactID),
			strings.Compare(a.want.LeadID, b.want.LeadID), strings.Compare(string(a.push.InMail.ID), string(b.push.InMail.ID)))
	})
	c.eraseTasks(ctx, order)
	var records, tasks []item
	for _, w := range order {
		if w.settled || w.row != nil {
			continue
		}
		if row := c.recordRow(w); row != nil {
			records = append(records, item{work: w, row: row})
		} else {
			c.observer.Pushed(inMailObject, "unchanged", 1)
		}
		tasks = append(tasks, c.taskItems(w)...)
	}
	c.send(ctx, append(collections(inMailObject, records), collections(taskObject, tasks)...))
}

// recordRow is the record of an InMail as it is to be written; nil when the org holds it already. Parents are sent only when they
// change: a converted Lead refuses even to be named again (SALESFORCE.md 3.3).
func (c *Connector) recordRow(w *work) map[string]any {
	l := w.push.Link
	move := l.RecordID == "" || w.want != parentsOf(l)
	if !move && l.PushedVersion == w.push.InMail.Version {
		return nil
	}
	row := fieldsOf(w.push, c.text)
	if move {
		setParents(row, w.want)
	}
	return row
}

// taskItems are the Tasks that an InMail lacks: one for the sending, one for the first reply, only where it has a person.
func (c *Connector) taskItems(w *work) (items []item) {
	m := &w.push.InMail
	if !c.config.Tasks || w.want.Match != domain.Matched || w.want.LeadID == "" && w.want.ContactID == "" || w.erased() {
		return nil
	}
	owner := c.owners[m.Sender]
	if c.ownersAlone.has(owner, c.clock.Now()) {
		owner = ""
	}
	add := func(event string) {
		items = append(items, item{work: w, event: event, row: taskOf(w.push, w.want, event, c.text, c.config.TaskType, owner)})
	}
	if !m.SentAt.IsZero() && !logged(w.link, sentEvent) {
		add(sentEvent)
	}
	if !m.RepliedAt.IsZero() && !logged(w.link, repliedEvent) {
		add(repliedEvent)
	}
	return items
}

func collections(object string, items []item) (out []batch) {
	for part := range slices.Chunk(items, collection) {
		out = append(out, batch{object: object, items: part})
	}
	return out
}

// subrequest is the collection as a step of a Composite call. Records are upserted by their key. Tasks are inserted: one that is there
// already is refused by its unique event id and so is never touched again, where an upsert would write it anew.
func (b batch) subrequest(root, ref string) subrequest {
	records := make([]any, len(b.items))
	for i, it := range b.items {
		it.row["attributes"] = map[string]string{"type": b.object}
		records[i] = it.row
	}
	s := subrequest{Ref: ref, Body: map[string]any{"allOrNone": false, "records": records},
		Header: map[string]string{"Sforce-Duplicate-Rule-Header": "allowSave=true"}}
	if b.object == taskObject {
		s.Method, s.URL = http.MethodPost, root+"composite/sobjects"
	} else {
		s.Method, s.URL = http.MethodPatch, root+"composite/sobjects/"+inMailObject+"/"+inMailKey
	}
	return s
}

// send brings collections to the org, five a call, and notes each row's own answer. A collection that is refused as a whole
// for what it holds is halved, until the rows that spoil it stand alone or enough was spent on them.
func (c *Connector) send(ctx context.Context, batches []batch) {
	tries := isolations
	for len(batches) > 0 {
		n := min(maxHeavy, len(batches))
		now, later := batches[:n], slices.Clone(batches[n:])
		more, stop := c.sendSome(ctx, now)
		for _, b := range more {
			if b.halved {
				tries--
				break
			}
		}
		if tries < 0 {
			c.refusedAll(more, &Fault{Class: domain.Locked, Errors: []orgError{{Code: "NOT_ISOLATED"}}})
			more, tries = nil, 0
		}
		if stop != nil { // the next calls would fare no better
			c.noteAll(later, stop, false)
			c.noteAll(more, stop, false)
			return
		}
		batches = append(later, more...)
	}
}

// sendSome makes one call. It returns the collections that are to be sent again, and the fault that forbids further calls.
func (c *Connector) sendSome(ctx context.Context, batches []batch) (more []batch, stop *Fault) {
	subs := make([]subrequest, len(batches))
	for i, b := range batches {
		subs[i] = b.subrequest(c.root(), fmt.Sprintf("c%d", i))
	}
	answers, err := c.composite(ctx, subs)
	if err != nil {
		f := asFault(err)
		if f.Split || f.Class == domain.BadData {
			for _, b := range batches {
				more = append(more, c.halve(b, f)...)
			}
			return more, nil
		}
		c.refusedAll(batches, f)
		return nil, f
	}
	for i, a := range answers {
		again, f := c.take(batches[i], a)
		more = append(more, again...)
		if f != nil && (f.Class == domain.LimitReached || f.Class == domain.Configuration) {
			stop = f
		}
	}
	return more, stop
}

// halve parts a collection that was refused as a whole; a row that stands alone gets the fault.
func (c *Connector) halve(b batch, f *Fault) []batch {
	if len(b.items) < 2 {
		own := *f // what the call was refused for is in this row
		own.OfCall = false
		if f.Split {
			own.Class, own.Split = domain.BadData, false
		}
		c.refusedAll([]batch{b}, &own)
		return nil
	}
	half := len(b.items) / 2
	return []batch{{b.object, b.items[:half], true}, {b.object, b.items[half:], true}}
}

// refused tells the observer of rows that a call did not bring to the org, by the class of its fault. Rows for which none left the
// process, because the budget is spent, are not told: they wait.
func (c *Connector) refused(object string, f *Fault, n int) {
	if p := (*Parked)(nil); n > 0 && !errors.As(f.cause, &p) {
		c.observer.Pushed(object, string(f.Class), n)
	}
}

// refusedAll gives each row of collections that a call carried the fault of all of them.
func (c *Connector) refusedAll(batches []batch, f *Fault) {
	for _, b := range batches {
		c.refused(b.object, f, len(b.items))
	}
	c.noteAll(batches, f, true)
}

// noteAll gives each row of collections the same fault. sent says that a call carried them.
func (c *Connector) noteAll(batches []batch, f *Fault, sent bool) {
	for _, b := range batches {
		for _, it := range b.items {
			it.note(f, sent)
		}
	}
}

// note keeps the fault of one row; the first of two Tasks that failed is kept.
func (it item) note(f *Fault, sent bool) {
	w := it.work
	w.sent = w.sent || sent
	if it.event == "" {
		w.row = f
	} else if w.task == nil {
		w.task = f
	}
}

// rowResult is the org's answer to one row.
type rowResult struct {
	ID      string            `json:"id"`
	Success bool              `json:"success"`
	Created bool              `json:"created"`
	Errors  []json.RawMessage `json:"errors"`
}

// take reads the answers to the rows of a collection. Each counts for its row alone.
func (c *Connector) take(b batch, a subanswer) (more []batch, whole *Fault) {
	if f := a.fault; f != nil {
		if f.Split || f.Class == domain.BadData {
			return c.halve(b, f), nil
		}
		c.refusedAll([]batch{b}, f)
		return nil, f
	}
	var results []rowResult
	if err := json.Unmarshal(a.body, &results); err != nil || len(results) != len(b.items) {
		f := unanswered(http.StatusOK, errors.New("a collection has not one answer a row"))
		c.refusedAll([]batch{b}, f)
		return nil, nil
	}
	var ownerless []item
	counts := map[string]int{}
	for i, r := range results {
		it := b.items[i]
		it.work.sent = true
		if r.Success {
			counts[it.taken(r, b.object)]++
			continue
		}
		f := rowFault(r)
		switch {
		case it.event != "" && f.alreadyLogged():
			it.logged()
			counts["unchanged"]++
			continue
		case it.event != "" && f.ownerAtFault() && it.row["OwnerId"] != nil:
			c.ownersAlone.add(it.row["OwnerId"].(string), c.clock.Now())
			delete(it.row, "OwnerId")
			ownerless = append(ownerless, it)
			continue
		case f.Class == domain.Stale:
			counts["unchanged"]++
		default:
			counts[string(f.Class)]++
		}
		if f.Class == domain.LimitReached {
			c.budget.park(context.Background(), f.Class, c.clock.Now().Add(f.Rest))
		}
		it.note(f, true)
	}
	for result, n := range counts {
		c.observer.Pushed(b.object, result, n)
	}
	if ownerless != nil {
		more = []batch{{object: b.object, items: ownerless}}
	}
	return more, nil
}

// taken notes a row that the org took, and says whether it was made or changed.
func (it item) taken(r rowResult, object string) string {
	if it.event != "" {
		it.logged()
		return "created"
	}
	w := it.work
	w.link.RecordID = r.ID
	w.link.PushedVersion = max(w.link.PushedVersion, w.push.InMail.Version)
	w.link.PushedSeq = max(w.link.PushedSeq, w.push.InMail.Seq)
	w.want.keep(&w.link)
	if r.Created {
		return "created"
	}
	return "updated"
}

func (it item) logged() {
	noteLogged(&it.work.link, it.event)
}

// A link notes for each event that its Task is in the org.
const there = "there"

func noteOf(event string) string { return event + "_task" }

func logged(l domain.Link, event string) bool { return l.Notes[noteOf(event)] == there }

func noteLogged(l *domain.Link, events ...string) {
	notes := maps.Clone(l.Notes)
	for _, event := range events {
		if notes == nil {
			notes = map[string]string{}
		}
		notes[noteOf(event)] = there
	}
	l.Notes = notes
}

// rowFault judges the errors of one row.
func rowFault(r rowResult) *Fault {
	var errs []orgError
	for _, raw := range r.Errors {
		if e, ok := parseError(raw); ok {
			errs = append(errs, e)
		}
	}
	if errs == nil {
		return &Fault{Class: domain.Locked, Status: http.StatusOK, Errors: []orgError{{Code: "NO_ERROR_GIVEN"}}}
	}
	return newFault(http.StatusOK, errs, ofRow)
}

// alreadyLogged says that a Task with this event id is there: what was to be done is done.
func (f *Fault) alreadyLogged() bool {
	for _, e := range f.Errors {
		if e.Code == "DUPLICATE_VALUE" && (slices.Contains(e.Fields, taskKey) || strings.Contains(e.message, taskKey)) {
			return true
		}
	}
	return false
}

// ownerAtFault says that a row was refused for the User it was to belong to.
func (f *Fault) ownerAtFault() bool {
	for _, e := range f.Errors {
		if e.Code == "INACTIVE_OWNER_OR_USER" || slices.Contains(e.Fields, "OwnerId") || strings.Contains(e.message, "OwnerId") {
			return true
		}
	}
	return false
}

// ownersAlone are Users to whom the org gave no Task lately: inactive, gone, or without access.
type ownersAlone struct {
	mu    sync.Mutex
	until map[string]time.Time
}

const ownerRest = time.Hour

func (o *ownersAlone) add(user string, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.until == nil {
		o.until = map[string]time.Time{}
	}
	o.until[user] = now.Add(ownerRest)
}

func (o *ownersAlone) has(user string, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return now.Before(o.until[user])
}

// answer is what became of one InMail. Its record's fault comes before that of a Task.
func (c *Connector) answer(w *work, now time.Time) domain.PushAnswer {
	l := w.link
	f := w.row
	if f == nil {
		f = w.task
	}
	if f != nil && f.Class == domain.Stale { // the org knows more: this state is done with, and its Tasks count
		l.PushedVersion = max(l.PushedVersion, w.push.InMail.Version)
		l.PushedSeq = max(l.PushedSeq, w.push.InMail.Seq)
		if l.Match == domain.NoMatch { // found a moment ago, as by whoever wrote the newer state
			w.want.keep(&l)
		}
		if f = w.task; f == nil {
			return domain.PushAnswer{Link: through(l), Class: domain.Stale}
		}
	}
	if f == nil {
		return domain.PushAnswer{Link: through(l), Class: domain.Taken}
	}
	a := domain.PushAnswer{Class: f.Class, OfCall: f.OfCall}
	if w.sent && f.Class != domain.LimitReached { // that is no fault of the row
		// What ends as a dead letter when it stays is counted from its own first time: outages and locks before it were passing.
		if f.Class == domain.LostReference && l.Class != domain.LostReference || f.saysNothing() && l.Detail != f.Detail() {
			l.Attempts = 0
		}
		l.Attempts++
	}
	if f.Class == domain.Locked && l.Attempts >= unclearTries && f.saysNothing() {
		a.Class = domain.BadData
	}
	if f.Class == domain.LimitReached {
		a.Until = c.parkedUntil(f, now)
	}
	l.Class, l.Detail, l.FailedAt = a.Class, f.Detail(), now
	if l.RecordID == "" && f.Class != domain.LostReference {
		// Not there yet: what was found need not be looked for again.
		w.want.keep(&l)
	}
	a.Link = l
	return a
}

// through takes the failure out of a link that went through.
func through(l domain.Link) domain.Link {
	l.Attempts, l.Class, l.Detail, l.FailedAt, l.Dead = 0, domain.Taken, "", time.Time{}, false
	return l
}

// saysNothing says that the org refuses a row with an answer that a passing fault gives too.
func (f *Fault) saysNothing() bool {
	return len(f.Errors) > 0 && (f.Errors[0].Code == "UNKNOWN_EXCEPTION" || f.Errors[0].Code == "DUPLICATE_VALUE") && f.Status == http.StatusOK
}

// parkedUntil is when a row that met a limit may go again.
func (c *Connector) parkedUntil(f *Fault, now time.Time) time.Time {
	if p := (*Parked)(nil); errors.As(f.cause, &p) {
		return p.Until
	}
	return now.Add(f.Rest)
}
