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
	"inmail/domain/crmcall"
	"inmail/domain/mailroom"
)

// These constants bound a push.
const (
	collection   = 200             // rows in one collection (SALESFORCE.md 2.2)
	pushTimeout  = 4 * time.Minute // for all calls of a push; its task may run longer, to store answers
	isolations   = 16              // calls that a push may spend to find faulty rows of collections
	lostTries    = 3               // lost references after which a row is written without parents
	unclearTries = 8               // unclear answers after which a row needs a person
)

// work is the state of one InMail during a push.
type work struct {
	push *domain.Push
	link domain.Link // the link of the answer
	want parents     // the parents that its record should have

	search     *Fault            // why its parents could not be looked for
	row        *Fault            // why its record was not written
	tasks      map[string]*Fault // why Tasks were not written, by part
	sent       map[string]bool   // parts that a call contained, so that their failure counts as an attempt
	moved      bool              // the org says that its parents are no longer what they were
	again      bool              // its record is written although the org has its newest state
	settled    bool              // no row is to be sent
	dropped    bool              // settled, because the org need not have the record and has it no more
	replacedBy *work             // the same InMail in a newer state, whose answer counts for both; nil: none
}

// These are the parts of an InMail that fail apart from each other, beside domain.RecordPart. The part of a
// Task is noteOf its event.
const (
	searchPart = "link"   // the search for its parents
	erasePart  = "tasks"  // the Tasks whose texts are to be emptied
	personPart = "person" // the fields of the Lead or Contact
)

// failureOf returns the last failure of a part; its class is Taken when there is none. A link that was stored
// without parts has one failure, the record's.
func failureOf(l domain.Link, part string) domain.Failure {
	if l.Failures == nil && part == domain.RecordPart {
		return domain.Failure{Class: l.Class, Detail: l.Detail, Attempts: l.Attempts, FailedAt: l.FailedAt, Dead: l.Dead}
	}
	return l.Failures[part]
}

// lost says that the org refused a part because a Lead, Contact or Account has changed.
func lost(l domain.Link, part string) bool { return failureOf(l, part).Class == domain.LostReference }

// note stores the fault of a part. sent says that a call contained it.
func (w *work) note(part string, f *Fault, sent bool) {
	if sent {
		w.noteSent(part)
	}
	switch part {
	case searchPart:
		w.search = f
	case domain.RecordPart:
		w.row = f
	default:
		if w.tasks == nil {
			w.tasks = map[string]*Fault{}
		}
		w.tasks[part] = f
	}
}

func (w *work) noteSent(part string) {
	if w.sent == nil {
		w.sent = map[string]bool{}
	}
	w.sent[part] = true
}

func (w *work) erased() bool {
	return w.push.InMail.Sender == domain.Erased || w.push.InMail.Recipient == domain.Erased
}

// Push brings InMails to the org in as few calls as possible. answers[i] belongs to pushes[i] and contains
// the fault of its row. A push that comes twice, late or out of order changes nothing: the record is found by
// the InMail's id, the org refuses a lower sequence number, and a Task's event id is unique (R53).
func (c *Connector) Push(ctx context.Context, pushes []domain.Push) ([]domain.PushAnswer, error) {
	if !c.Configured() {
		return nil, mailroom.ErrNotConfigured
	}
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	works := c.newWorks(pushes)
	err := c.leaveDropped(ctx, works)
	if err == nil {
		err = c.findParents(ctx, works)
	}
	return c.writeAndAnswer(ctx, works, err), nil
}

// writeAndAnswer writes works whose parents were looked for, and answers each. err is the error of that
// search, or nil.
func (c *Connector) writeAndAnswer(ctx context.Context, works []*work, err error) []domain.PushAnswer {
	if err != nil {
		f, n := asFault(err), 0
		for _, w := range works {
			if !w.settled || w.dropped && c.mustEmptyTasks(w) {
				w.note(searchPart, f, true)
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
		if w.replacedBy != nil {
			w = w.replacedBy
		}
		answers[i] = c.answer(w, now)
	}
	return answers
}

// newWorks returns a work for each push. An InMail that comes twice is sent once, in its latest state. An
// InMail whose state is older than the one that the org is known to have is not sent.
func (c *Connector) newWorks(pushes []domain.Push) []*work {
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
			w.settled, w.replacedBy = true, b
		}
	}
	return works
}

// findParents matches the works whose parents are not known.
func (c *Connector) findParents(ctx context.Context, works []*work) error {
	var unknown []*work
	for _, w := range works {
		l := w.push.Link
		switch {
		case w.settled:
		case w.push.InMail.Recipient == domain.Erased: // an erased recipient has no Lead or Contact (R60)
			w.want = parents{Match: domain.Unmatched}
		case lost(l, domain.RecordPart) && failureOf(l, domain.RecordPart).Attempts >= lostTries:
			// The record is written without parents, and reconcile looks for them again.
			w.want = parents{Match: domain.Unmatched}
		case w.moved || c.mustMatch(w.push) || w.taskLost():
			unknown = append(unknown, w)
		}
	}
	pushes := pushesOf(works)
	if len(unknown) == 0 {
		return c.learnBeside(ctx, pushes)
	}
	queries, learn := c.beside(pushes)
	if err := c.match(ctx, unknown, queries...); err != nil {
		return err
	}
	learn(ctx)
	return nil
}

// pushesOf returns the pushes of the works that are not settled.
func pushesOf(works []*work) (pushes []*domain.Push) {
	for _, w := range works {
		if !w.settled {
			pushes = append(pushes, w.push)
		}
	}
	return pushes
}

// taskLost says that a Task, or the fields of a person, were refused because of the parents, while the record
// has none to complain of. Such parents are followed to where the org says they went. Nobody else is looked
// for, and the record keeps them when they are still there.
func (w *work) taskLost() bool {
	l := w.push.Link
	return !lost(l, domain.RecordPart) &&
		slices.ContainsFunc(slices.Collect(maps.Keys(l.Failures)),
			func(part string) bool { return part != searchPart && lost(l, part) })
}

// item is one row of a collection.
type item struct {
	work  *work
	event string // the event of a Task; empty: the row is the record's, or a person's
	// person says that the row is that of a Lead or Contact.
	person bool
	// campaign is the Campaign of a member; also are other works with the same person and Campaign.
	campaign string
	also     []*work
	row      map[string]any
}

// batch is a collection of rows of one object.
type batch struct {
	object string
	items  []item
	halved bool // it is a half of a collection that was refused
	tight  bool // the collection met a limit of the org's automation, which this part of it may not meet
}

// write sends records and then Tasks, five collections in a call. The rows are sorted by account and then by
// Lead or Contact, so that rows which lock the same parent are in the same collection (SALESFORCE.md 2.6).
func (c *Connector) write(ctx context.Context, works []*work) {
	order := slices.Clone(works)
	slices.SortStableFunc(order, func(a, b *work) int {
		return cmp.Or(strings.Compare(a.want.AccountID, b.want.AccountID),
			strings.Compare(a.want.ContactID, b.want.ContactID),
			strings.Compare(a.want.LeadID, b.want.LeadID),
			strings.Compare(string(a.push.InMail.ID), string(b.push.InMail.ID)))
	})
	c.eraseTasks(ctx, order)
	c.erasePersonFields(ctx, order)
	c.eraseMembers(ctx, order)
	var records, tasks []item
	var changed []*work
	for _, w := range order {
		if w.settled {
			continue
		}
		row := c.recordRow(w)
		if row != nil {
			records = append(records, item{work: w, row: row})
		} else {
			c.observer.Pushed(inMailObject, "unchanged", 1)
		}
		if _, failed := w.push.Link.Failures[personPart]; row != nil || failed {
			changed = append(changed, w)
		}
		tasks = append(tasks, c.taskItems(w)...)
	}
	batches := c.collections(inMailObject, records)
	beside := map[string][]item{taskObject: tasks}
	for _, it := range c.personItems(changed) {
		object := objectOf(it.row["id"].(string))
		beside[object] = append(beside[object], it)
	}
	added, known := c.memberItems(order)
	beside[memberObject] = added
	for _, object := range besideObjects {
		some := c.collections(object, beside[object])
		if object == memberObject {
			some = append(some, c.collections(object, known)...)
		}
		if f := c.restOf(ctx, object); f != nil {
			c.rested(some, f)
		} else {
			batches = append(batches, some...)
		}
	}
	c.send(ctx, batches)
	c.lookAtDuplicates(ctx, works)
	c.lookAtMembers(ctx, works)
	c.lookAtStale(ctx, works)
}

// lookAtDuplicates asks by event id for the Tasks that the org refused as duplicates without saying of what.
// One that is there is done: its first answer was lost.
func (c *Connector) lookAtDuplicates(ctx context.Context, works []*work) {
	var events []string
	asked := map[string]func(){}
	for _, w := range works {
		for _, event := range []string{sentEvent, repliedEvent} {
			f := w.tasks[noteOf(event)]
			if f == nil || !f.has("DUPLICATE_VALUE") {
				continue
			}
			id := eventID(w.push.InMail.ID, event)
			events = append(events, id)
			asked[id] = func() {
				delete(w.tasks, noteOf(event))
				noteLogged(&w.link, event)
			}
		}
	}
	if len(events) == 0 {
		return
	}
	err := c.ask(ctx, &query{deleted: true, n: len(events), soql: func(part []int) string {
		return "SELECT InMail_Event_Id__c FROM Task WHERE IsDeleted = false AND InMail_Event_Id__c IN " + in(pick(events, part))
	}, read: func(record []byte) error {
		var r struct {
			Event string `json:"InMail_Event_Id__c"`
		}
		err := json.Unmarshal(record, &r)
		if done := asked[r.Event]; done != nil {
			done()
		}
		return err
	}})
	if err != nil { // the next push asks again
		c.log.WarnContext(ctx, "ask for Tasks that are there already", "answer", asFault(err).Detail())
	}
}

// sequenceAhead is the code of a record whose sequence number somebody raised in the org above that of its
// InMail. The org's rule refuses every state of such an InMail, until the record is replaced.
const sequenceAhead = "STATUS_SEQUENCE_AHEAD"

// lookAtStale asks for the sequence numbers of records whose state the org refused as older. A number above
// that of the InMail is a lasting refusal. When it is there because of a newer state that this worker does
// not know, the InMail is due in that state, and its push ends the failure.
func (c *Connector) lookAtStale(ctx context.Context, works []*work) {
	stale := map[string]*work{}
	var ids []string
	for _, w := range works {
		if !w.settled && w.row != nil && w.row.Class == domain.Stale {
			ids = append(ids, string(w.push.InMail.ID))
			stale[ids[len(ids)-1]] = w
		}
	}
	if len(ids) == 0 {
		return
	}
	err := c.ask(ctx, &query{n: len(ids), soql: func(part []int) string {
		return "SELECT InMail_Id__c, Status_Sequence__c FROM InMail__c WHERE InMail_Id__c IN " + in(pick(ids, part))
	}, read: func(record []byte) error {
		var r orgRow
		if err := json.Unmarshal(record, &r); err != nil {
			return err
		}
		if w := stale[r.text(inMailKey)]; w != nil && r.number("Status_Sequence__c") > w.push.InMail.Seq {
			w.row = aheadFault()
		}
		return nil
	}})
	if err != nil { // a reconcile looks at every record
		c.log.WarnContext(ctx, "ask for sequence numbers", "answer", asFault(err).Detail())
	}
}

var _ mailroom.Replacer = (*Connector)(nil)

// Replaceable says that the org refuses every state of an InMail until its record there is made anew.
func (c *Connector) Replaceable(l domain.Link) bool {
	return l.RecordID != "" && strings.HasPrefix(failureOf(l, domain.RecordPart).Detail, sequenceAhead)
}

// Replace deletes the records of InMails that the org refuses for ever, because their sequence number there
// is above that of the InMail, so that the next push makes them anew. It returns the InMails whose record is
// gone.
func (c *Connector) Replace(ctx context.Context, links []domain.Link) (replaced []domain.ID, err error) {
	if !c.Configured() {
		return nil, mailroom.ErrNotConfigured
	}
	links = slices.DeleteFunc(slices.Clone(links), func(l domain.Link) bool { return !c.Replaceable(l) })
	for part := range slices.Chunk(links, collection) {
		ids := make([]string, len(part))
		for i, l := range part {
			ids[i] = l.RecordID
		}
		a, err := c.do(ctx, call{method: http.MethodDelete, path: "composite/sobjects?allOrNone=false&ids=" + strings.Join(ids, ",")})
		if err != nil {
			return replaced, fmt.Errorf("delete records of Salesforce: %w", err)
		}
		var results []rowResult
		if err := json.Unmarshal(a.body, &results); err != nil || len(results) != len(part) {
			return replaced, unanswered(a.status, errors.New("a deletion has not one answer a row"))
		}
		for i, r := range results {
			if !r.Success && !rowFault(r).has("ENTITY_IS_DELETED") {
				c.log.WarnContext(ctx, "the org does not delete a record", "object", inMailObject, "record", part[i].RecordID,
					"answer", rowFault(r).Detail())
				continue
			}
			replaced = append(replaced, part[i].InMail)
		}
	}
	return replaced, nil
}

func aheadFault() *Fault {
	return &Fault{Class: domain.BadData, Status: http.StatusOK, Known: true,
		Errors: []orgError{{Code: sequenceAhead, Fields: []string{"Status_Sequence__c"}}}}
}

// has says that one of the errors has a code.
func (f *Fault) has(code string) bool {
	return slices.ContainsFunc(f.Errors, func(e orgError) bool { return e.Code == code })
}

// recordRow returns the record of an InMail as it is to be written, or nil when the org already has it.
// Parents are sent only when they change, because a converted Lead refuses a write that merely names it again
// (SALESFORCE.md 3.3).
func (c *Connector) recordRow(w *work) map[string]any {
	l := w.push.Link
	move := w.moved || l.RecordID == "" || w.want != parentsOf(l)
	if !move && !w.again && l.PushedVersion == w.push.InMail.Version {
		return nil
	}
	row := c.about(w.push).under(w.want).fields()
	if move {
		setParents(row, w.want)
	}
	if owner := c.ownerFor(w); owner != "" {
		row[ownerColumn] = owner
	}
	return row
}

// taskItems returns the Tasks that an InMail lacks: one for its sending and one for its first reply. An
// InMail without a Lead or Contact gets none.
func (c *Connector) taskItems(w *work) (items []item) {
	m := &w.push.InMail
	if !c.config.Tasks || w.erased() ||
		w.want.Match != domain.Matched || w.want.LeadID == "" && w.want.ContactID == "" {
		return nil
	}
	owner := c.firstOwner(w.push, taskObject)
	add := func(event string) {
		row := taskOf(c.about(w.push), w.want, event, c.config, owner, c.zoneFor(m.Sender))
		for _, d := range c.defaults {
			row[d.field] = d.value
		}
		items = append(items, item{work: w, event: event, row: row})
	}
	if !m.SentAt.IsZero() && !logged(w.link, sentEvent) {
		add(sentEvent)
	}
	if !m.RepliedAt.IsZero() && !logged(w.link, repliedEvent) {
		add(repliedEvent)
	}
	return items
}

func (c *Connector) collections(object string, items []item) (out []batch) {
	for part := range slices.Chunk(items, c.chunks.rows(object, c.clock.Now())) {
		out = append(out, batch{object: object, items: part})
	}
	return out
}

// subrequest returns the collection as a step of a Composite call. Records are upserted by their key. Tasks
// are inserted: an upsert would rewrite an existing Task, but an insert is refused because of the unique
// event id.
func (b batch) subrequest(root, ref string) subrequest {
	records := make([]any, len(b.items))
	for i, it := range b.items {
		it.row["attributes"] = map[string]string{"type": b.object}
		records[i] = it.row
	}
	s := subrequest{Ref: ref, Body: map[string]any{"allOrNone": false, "records": records},
		Header: map[string]string{"Sforce-Duplicate-Rule-Header": "allowSave=true"}}
	switch b.object {
	case taskObject:
		s.Method, s.URL = http.MethodPost, root+"composite/sobjects"
	case memberObject: // a collection has new ones, or changes of those whose id is known
		s.Method, s.URL = http.MethodPost, root+"composite/sobjects"
		if b.items[0].row["id"] != nil {
			s.Method = http.MethodPatch
		}
	case leadObject, contactObject:
		s.Method, s.URL = http.MethodPatch, root+"composite/sobjects"
		s.Header["Sforce-Auto-Assign"] = "FALSE" // the Lead keeps its owner
	default:
		s.Method, s.URL = http.MethodPatch, root+"composite/sobjects/"+inMailObject+"/"+inMailKey
	}
	return s
}

// send brings collections to the org, five in a call, and notes the answer of each row. A collection that is
// refused because of its rows is halved until the faulty rows are alone, or until isolations calls were
// spent.
func (c *Connector) send(ctx context.Context, batches []batch) {
	tries := isolations
	passed := map[string]int{} // by object, the largest part of a tight collection that the org took
	defer func() {
		for object, rows := range passed {
			c.chunks.passed(object, rows, c.clock.Now())
		}
	}()
	for len(batches) > 0 {
		n := min(maxHeavy, len(batches))
		now, later := batches[:n], slices.Clone(batches[n:])
		more, stop := c.sendSome(ctx, now, passed)
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
		if stop != nil { // the next calls would fail in the same way
			c.noteAll(later, stop, false)
			c.noteAll(more, stop, false)
			return
		}
		batches = append(later, more...)
		for _, object := range besideObjects { // an object rests, and records go on
			if !slices.ContainsFunc(batches, func(b batch) bool { return b.object == object }) {
				continue
			}
			if f := c.restOf(ctx, object); f != nil {
				var rest []batch
				batches, rest = split(batches, func(b batch) bool { return b.object != object })
				c.rested(rest, f)
			}
		}
	}
}

// rested notes that rows were left out because their object rests. A Lead or Contact that the org lets nobody
// change is no failure of an InMail.
func (c *Connector) rested(batches []batch, f *Fault) {
	for _, b := range batches {
		if b.object == taskObject {
			c.noteAll([]batch{b}, f, false)
		}
	}
}

// split returns the batches that keep accepts, and the others.
func split(batches []batch, keep func(batch) bool) (kept, others []batch) {
	for _, b := range batches {
		if keep(b) {
			kept = append(kept, b)
		} else {
			others = append(others, b)
		}
	}
	return kept, others
}

// sendSome makes one call. It returns the collections that are to be sent again, and the fault that forbids
// further calls, if any. passed gets the sizes that the org took after a limit.
func (c *Connector) sendSome(ctx context.Context, batches []batch, passed map[string]int) (more []batch, stop *Fault) {
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
	places := map[string]*place{}
	for i, a := range answers {
		at := places[batches[i].object]
		if at == nil {
			at = &place{}
			places[batches[i].object] = at
		}
		again, f := c.take(batches[i], a, at)
		more = append(more, again...)
		if f != nil && f.Class == domain.LimitReached {
			stop = f
		}
	}
	for object, at := range places {
		if at.passed > 0 {
			passed[object] = max(passed[object], at.passed)
		}
		if f := c.decide(ctx, object, at); f != nil && object == inMailObject {
			stop = f
		}
	}
	return more, stop
}

// place is what the rows of one object got in one call. A refusal that may concern the object or a single row
// is judged by what its neighbours got.
type place struct {
	refused []refusedRow // the rows that were refused so
	whole   *Fault       // the fault for which a whole collection of the object was refused so
	others  bool         // a row got another answer
	passed  int          // the largest part of a tight collection that the org took
}

type refusedRow struct {
	item  item
	fault *Fault
}

// byPlace says that a refusal concerns the object when all of its rows get it, and otherwise a single row.
func (f *Fault) byPlace() bool {
	return f.Class == domain.Configuration || f.Class == domain.LoginFailed
}

// decide gives the rows of a place their fault. When a row of the same object got another answer in the same
// call, each refusal is the row's own. When every row fell so, the object rests: without records nothing goes
// on, and Tasks rest alone. It returns the fault for which the object rests, if it does.
func (c *Connector) decide(ctx context.Context, object string, at *place) *Fault {
	if len(at.refused) == 0 && at.whole == nil {
		return nil
	}
	if at.others {
		for _, r := range at.refused {
			own := *r.fault
			own.Class = domain.BadData
			c.refused(object, &own, 1)
			r.item.note(&own, true)
		}
		return nil
	}
	f := at.whole
	if f == nil {
		f = at.refused[0].fault
	}
	if object != inMailObject {
		f = c.restObject(ctx, object, f)
	}
	for _, r := range at.refused {
		own := *r.fault
		own.Class, own.until = f.Class, f.until
		c.refused(object, &own, 1)
		if !r.item.person {
			r.item.note(&own, true)
		}
	}
	return f
}

// halve splits a collection that was refused as a whole. A row that is alone gets the fault.
func (c *Connector) halve(b batch, f *Fault) []batch {
	if len(b.items) < 2 {
		own := *f // this row is the cause of the refusal
		own.OfCall = false
		if f.Split {
			own.Class, own.Split = domain.BadData, false
		}
		c.refusedAll([]batch{b}, &own)
		return nil
	}
	half := len(b.items) / 2
	return []batch{{b.object, b.items[:half], true, b.tight}, {b.object, b.items[half:], true, b.tight}}
}

// refused counts rows that a call did not bring to the org, by the class of its fault. Rows that did not
// leave the process because the budget is spent are not counted, because they only wait.
func (c *Connector) refused(object string, f *Fault, n int) {
	if p := (*crmcall.Parked)(nil); n > 0 && !errors.As(f.cause, &p) {
		c.observer.Pushed(object, string(f.Class), n)
	}
}

// refusedAll counts the rows of collections that a call contained, and gives each row the fault of the call.
func (c *Connector) refusedAll(batches []batch, f *Fault) {
	for _, b := range batches {
		c.refused(b.object, f, len(b.items))
	}
	c.noteAll(batches, f, true)
}

// noteAll gives each row of collections the same fault. sent says that a call contained them.
func (c *Connector) noteAll(batches []batch, f *Fault, sent bool) {
	for _, b := range batches {
		for _, it := range b.items {
			it.note(f, sent)
		}
	}
}

// part returns the part of the InMail that the row is.
func (it item) part() string {
	switch {
	case it.person:
		return personPart
	case it.campaign != "":
		return memberPart + it.campaign
	case it.event == "":
		return domain.RecordPart
	}
	return noteOf(it.event)
}

// note stores the fault of one row.
func (it item) note(f *Fault, sent bool) { it.work.note(it.part(), f, sent) }

// rowResult is the org's answer to one row.
type rowResult struct {
	ID      string            `json:"id"`
	Success bool              `json:"success"`
	Created bool              `json:"created"`
	Errors  []json.RawMessage `json:"errors"`
}

// take reads the answers to the rows of a collection. Each answer counts for its own row. more are
// collections to send again, and whole is the fault for which all rows were refused.
// at collects the rows whose refusal is judged by what their neighbours got.
func (c *Connector) take(b batch, a subanswer, at *place) (more []batch, whole *Fault) {
	if f := a.fault; f != nil {
		if f.Split || f.Class == domain.BadData {
			return c.halve(b, f), nil
		}
		if f.byPlace() && b.object != inMailObject {
			at.whole = f
			for _, it := range b.items {
				at.refused = append(at.refused, refusedRow{it, f})
			}
			return nil, f
		}
		c.refusedAll([]batch{b}, f)
		if f.byPlace() {
			at.whole = f
		}
		return nil, f
	}
	var results []rowResult
	if err := json.Unmarshal(a.body, &results); err != nil || len(results) != len(b.items) {
		f := unanswered(http.StatusOK, errors.New("a collection has not one answer a row"))
		c.refusedAll([]batch{b}, f)
		return nil, nil
	}
	var ownerless, tight, again []item
	counts := map[string]int{}
	for i, r := range results {
		it := b.items[i]
		it.work.noteSent(it.part())
		if r.Success {
			at.others = true
			counts[it.taken(r, b.object)]++
			if it.surprises(r) {
				setParents(it.row, it.work.want)
				again = append(again, it)
			}
			continue
		}
		f := rowFault(r).at(b.object)
		at.others = at.others || !f.byPlace()
		switch {
		case it.event != "" && f.alreadyLogged():
			noteLogged(&it.work.link, it.event)
			counts["unchanged"]++
			continue
		case f.ownerAtFault() && it.row[ownerColumn] != nil:
			c.passOver(it, b.object, f)
			ownerless = append(ownerless, it)
			at.others = true // it is not known yet what it gets
			continue
		case f.Class == domain.LostReference && it.row[campaignColumn] != nil:
			c.log.Warn("the org refuses a Campaign, and the record goes without",
				"campaign", it.row[campaignColumn], "answer", f.Detail())
			it.row[campaignColumn] = nil
			ownerless = append(ownerless, it)
			at.others = true
			continue
		case f.Chunk && len(b.items) > 1:
			tight = append(tight, it)
			continue
		case f.byPlace():
			at.refused = append(at.refused, refusedRow{it, f})
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
	if tight != nil {
		half := max(1, len(b.items)/2)
		for part := range slices.Chunk(tight, half) {
			more = append(more, batch{object: b.object, items: part, halved: true, tight: true})
		}
	} else if b.tight && counts["created"]+counts["updated"]+counts["unchanged"] > 0 {
		at.passed = max(at.passed, len(b.items))
	}
	if again != nil {
		more = append(more, batch{object: b.object, items: again})
	}
	if ownerless != nil {
		more = append(more, batch{object: b.object, items: ownerless, tight: b.tight})
	}
	return more, nil
}

// passOver gives a row to the next owner in the order, after the org refused its first one.
func (c *Connector) passOver(it item, object string, f *Fault) {
	owner := it.row[ownerColumn].(string)
	if !c.refusedOwners.has(object+owner, c.clock.Now()) {
		c.log.Warn("the org refuses an owner, and for an hour the next in the order gets what is theirs",
			"object", object, "user", owner, "answer", f.Detail())
	}
	c.refusedOwners.add(object+owner, c.clock.Now())
	delete(it.row, ownerColumn)
	if next := c.firstOwner(it.work.push, object); next != "" {
		it.row[ownerColumn] = next
	}
}

// taken notes a row that the org took, and returns whether it was created or updated.
func (it item) taken(r rowResult, object string) string {
	if it.event != "" {
		it.logged()
		return "created"
	}
	if it.person {
		return "updated"
	}
	if it.campaign != "" {
		id, status := r.ID, it.row["Status"].(string)
		if id == "" {
			id, _ = it.row["id"].(string)
		}
		it.joined(id, status)
		if it.row["id"] != nil {
			return "updated"
		}
		return "created"
	}
	w := it.work
	w.link.RecordID = r.ID
	noteOwner(&w.link, it.row)
	w.link.PushedVersion = max(w.link.PushedVersion, w.push.InMail.Version)
	w.link.PushedSeq = max(w.link.PushedSeq, w.push.InMail.Seq)
	w.want.keep(&w.link)
	if r.Created {
		return "created"
	}
	return "updated"
}

// surprises says that the org created a record which it had before. Somebody has deleted it there, and the
// new one lacks what is only written when it changes.
func (it item) surprises(r rowResult) bool {
	_, complete := it.row["Match__c"]
	return it.event == "" && !it.person && it.campaign == "" && r.Created && it.work.push.Link.RecordID != "" && !complete
}

// logged notes that the Task of an item was written, and whether the Tasks of the InMail have texts.
func (it item) logged() {
	l := &it.work.link
	first := !logged(*l, sentEvent) && !logged(*l, repliedEvent)
	noteLogged(l, it.event)
	m := &it.work.push.InMail
	anyText := m.Subject+m.Preview+m.Body+it.work.push.Answer != "" // without it, a Task has names at most
	switch {
	case anyText && !isPlain(it.event, it.row["Subject"], it.row["Description"]):
		delete(l.Notes, textsNote)
	case first:
		l.Notes[textsNote] = droppedTexts
	}
}

// there is the note of a link which says that the Task of an event is in the org.
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

// rowFault returns the fault that the errors of one row mean.
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

// at judges the fault of a row by the object that the row belongs to. A Task whose parent the integration
// user may not see is the Task's own fault: the record has this parent.
func (f *Fault) at(object string) *Fault {
	if object != taskObject || f.Class != domain.LostReference {
		return f
	}
	for _, e := range f.Errors {
		if e.Code == "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY" {
			f.Class = domain.BadData
		}
	}
	return f
}

// alreadyLogged says that a Task with this event id exists, so nothing is left to do.
func (f *Fault) alreadyLogged() bool {
	for _, e := range f.Errors {
		if e.Code == "DUPLICATE_VALUE" && (slices.Contains(e.Fields, taskKey) || strings.Contains(e.message, taskKey)) {
			return true
		}
	}
	return false
}

// ownerAtFault says that a row was refused because of the User that was to own it.
func (f *Fault) ownerAtFault() bool {
	for _, e := range f.Errors {
		if e.Code == "INACTIVE_OWNER_OR_USER" || e.Code == "TRANSFER_REQUIRES_READ" || slices.Contains(e.Fields, "OwnerId") ||
			strings.Contains(e.message, "OwnerId") {
			return true
		}
	}
	return false
}

// refusedOwners are Users whom the org refused as owners less than ownerRest ago, because they are inactive,
// deleted or without access.
type refusedOwners struct {
	mu    sync.Mutex
	until map[string]time.Time // by object and User
}

const ownerRest = time.Hour

func (o *refusedOwners) add(which string, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.until == nil {
		o.until = map[string]time.Time{}
	}
	o.until[which] = now.Add(ownerRest)
}

func (o *refusedOwners) has(which string, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return now.Before(o.until[which])
}

// answer returns the answer for one InMail: what became of each of its parts. The class of the whole is that
// of the search, else of the record, else of a Task.
func (c *Connector) answer(w *work, now time.Time) domain.PushAnswer {
	l := w.link
	if w.row != nil && w.row.Class == domain.Stale { // the org has a newer state, so only the Tasks count
		l.PushedVersion = max(l.PushedVersion, w.push.InMail.Version)
		l.PushedSeq = max(l.PushedSeq, w.push.InMail.Seq)
		if l.Match == domain.NoMatch { // the writer of the newer state found the same parents
			w.want.keep(&l)
		}
	}
	failures := map[string]domain.Failure{}
	var worst *Fault
	add := func(part, object string, f *Fault) {
		if f == nil || f.Class == domain.Stale {
			return
		}
		if worst == nil {
			worst = f
		}
		failures[part] = c.failure(failureOf(w.push.Link, part), object, f, w.sent[part], now)
	}
	add(searchPart, "", w.search)
	add(domain.RecordPart, inMailObject, w.row)
	for _, part := range slices.Sorted(maps.Keys(w.tasks)) {
		add(part, w.objectOf(part), w.tasks[part])
	}
	if w.search != nil { // nothing was sent, so the other parts are as they were
		for part, f := range w.push.Link.Failures {
			if _, there := failures[part]; !there {
				failures[part] = f
			}
		}
	}
	if worst == nil {
		l = withoutFailure(l)
		if w.row != nil {
			return domain.PushAnswer{Link: l, Class: domain.Stale}
		}
		return domain.PushAnswer{Link: l, Class: domain.Taken}
	}
	if l.RecordID == "" && w.search == nil && !(w.row != nil && w.row.Class == domain.LostReference) {
		// The record does not exist yet, so the parents that were found are kept for the next try.
		w.want.keep(&l)
	}
	l.Failures = failures
	l.Summarize()
	a := domain.PushAnswer{Class: worst.Class, OfCall: worst.OfCall && (w.search != nil || w.row != nil)}
	if a.Class == domain.Locked { // a part may have become a dead letter
		for _, f := range failures {
			if f.Class == domain.BadData {
				a.Class = f.Class
			}
		}
	}
	if worst.Class == domain.LimitReached {
		a.Until = c.parkedUntil(worst, now)
	}
	a.Link = l
	return a
}

// failure returns the failure of a part: its last one, after one more push.
func (c *Connector) failure(last domain.Failure, object string, f *Fault, sent bool, now time.Time) domain.Failure {
	is := domain.Failure{Object: object, Class: f.Class, Detail: f.Detail(), Attempts: last.Attempts, FailedAt: now,
		Until: f.until, OfCall: f.OfCall}
	if sent && f.Class != domain.LimitReached { // a limit is no fault of the row
		// Attempts of a class that may end as a dead letter are counted from its first failure, because the
		// outages and locks before it were temporary.
		if f.Class == domain.LostReference && last.Class != domain.LostReference ||
			f.saysNothing() && last.Detail != is.Detail {
			is.Attempts = 0
		}
		is.Attempts++
	}
	if f.Class == domain.Locked && is.Attempts >= unclearTries && f.saysNothing() {
		is.Class = domain.BadData
	}
	if f.Class == domain.LimitReached {
		is.Until = c.parkedUntil(f, now)
	}
	return is
}

// withoutFailure returns a link without its last failure.
func withoutFailure(l domain.Link) domain.Link {
	l.Failures = nil
	l.Summarize()
	return l
}

// saysNothing says that the org refused a row with a code that temporary faults have too.
func (f *Fault) saysNothing() bool {
	return f.Status == http.StatusOK && len(f.Errors) > 0 &&
		(f.Errors[0].Code == "UNKNOWN_EXCEPTION" || f.Errors[0].Code == "DUPLICATE_VALUE")
}

// parkedUntil returns when a row that met a limit may be sent again.
func (c *Connector) parkedUntil(f *Fault, now time.Time) time.Time {
	if p := (*crmcall.Parked)(nil); errors.As(f.cause, &p) {
		return p.Until
	}
	return now.Add(f.Rest)
}
