package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/crmcall"
	"inmail/domain/mailroom"
)

// These are the kinds of drift.
const (
	missing = "missing" // the org had the record and has it no more
	extra   = "extra"   // the org has a record of an unknown InMail
	stale   = "stale"   // the org has an older state, or the record refers to a converted Lead
	edited  = "edited"  // somebody changed the record in the org
	adopted = "adopted" // somebody chose the parents of an unmatched or ambiguous record, which is no drift
	owned   = "owned"   // the User of the sender was found or changed since the record was written, which is no drift
)

// Comparison is the result of a reconcile.
type Comparison = mailroom.Comparison

// comparison is the state of a running reconcile, which is stored between runs.
type comparison struct {
	After     domain.ID  `json:"after"`
	StartedAt time.Time  `json:"started_at"`
	SoFar     Comparison `json:"so"`
	record    mailroom.CRMRecord
}

// These constants bound a reconcile.
const (
	pageSize       = 1000           // InMails in a query; a call has five queries
	comparisonLife = 24 * time.Hour // a comparison that began earlier starts anew
	repairBatch    = 500
)

const reconcileState = "reconcile"

// Compare reads the org by key and compares it with the record. With repairs it repairs the differences: a
// missing, stale or edited record is made due for a push, a record whose parent was converted, merged or
// deleted is moved to the parent's successor, and the parents of unmatched and ambiguous InMails are looked
// for again. An unknown record of the org is counted and left. It goes on where the last run stopped, and
// stops with a *mailroom.Waits when its budget is spent. Without repairs it changes nothing anywhere and
// starts from the beginning. progress may be nil; otherwise it is called after each step.
func (c *Connector) Compare(
	ctx context.Context, record mailroom.CRMRecord, repairs bool, progress func(Comparison),
) (Comparison, error) {
	if !c.Configured() {
		return Comparison{}, mailroom.ErrNotConfigured
	}
	ctx, calls := crmcall.Count(crmcall.Background(ctx))
	w := &comparison{StartedAt: c.clock.Now(), record: record}
	if repairs {
		if err := c.resumeComparison(ctx, w); err != nil {
			return w.SoFar, err
		}
	}
	if w.SoFar.Drift == nil {
		w.SoFar.Drift = map[string]int{missing: 0, extra: 0, stale: 0, edited: 0}
	}
	for !w.SoFar.Done {
		err := c.step(ctx, w, repairs)
		w.SoFar.Calls += calls.Take()
		if err != nil {
			return w.SoFar, c.waits(fmt.Errorf("compare the org with the record: %w", err))
		}
		if repairs {
			if err := c.keepComparison(ctx, w); err != nil {
				return w.SoFar, err
			}
		}
		if progress != nil {
			so := w.SoFar
			so.Drift = maps.Clone(so.Drift)
			progress(so)
		}
	}
	return w.SoFar, nil
}

// waits returns the error of a spent limit as a *mailroom.Waits with the time of the next try, and any other
// error unchanged.
func (c *Connector) waits(err error) error {
	if f := (*Fault)(nil); errors.As(err, &f) && f.Class == domain.LimitReached {
		return &mailroom.Waits{Until: c.parkedUntil(f, c.clock.Now()), Err: err}
	}
	return err
}

func (c *Connector) resumeComparison(ctx context.Context, w *comparison) error {
	blob, err := w.record.State(ctx, reconcileState)
	if err != nil {
		return fmt.Errorf("read how far the last reconcile came: %w", err)
	}
	var old comparison
	if json.Unmarshal(blob, &old) == nil && !old.SoFar.Done && w.StartedAt.Sub(old.StartedAt) < comparisonLife {
		old.record = w.record
		*w = old
	}
	return nil
}

// keepComparison stores how far the comparison has come, and at its end the drift that it found.
func (c *Connector) keepComparison(ctx context.Context, w *comparison) error {
	var blob []byte
	if !w.SoFar.Done {
		blob, _ = json.Marshal(w) // texts, numbers and times cannot fail to encode
	} else if err := w.record.SetDrift(ctx, mailroom.Drift{At: c.clock.Now(), Kinds: w.SoFar.Drift}); err != nil {
		return fmt.Errorf("keep what the reconcile found: %w", err)
	}
	if err := w.record.SetState(ctx, reconcileState, blob); err != nil {
		return fmt.Errorf("keep how far the reconcile came: %w", err)
	}
	return nil
}

// span is a range of ids: a page of the record, and the org's records in the same range.
type span struct {
	after, to domain.ID // the span is above after and up to to; an empty to means no upper end
	pushes    []domain.Push
	rows      map[domain.ID]orgRow
}

// orgRow is a record of InMail__c as a query returns it.
type orgRow map[string]any

func (r orgRow) text(name string) string { s, _ := r[name].(string); return s }
func (r orgRow) number(name string) int  { n, _ := r[name].(float64); return int(n) }

// read loads up to five pages of the record.
func (w *comparison) read(ctx context.Context) (spans []span, err error) {
	after := w.After
	for range maxHeavy {
		s := span{after: after, rows: map[domain.ID]orgRow{}}
		if s.pushes, err = w.record.PushesAfter(ctx, after, pageSize); err != nil {
			return nil, fmt.Errorf("read the record: %w", err)
		}
		if len(s.pushes) < pageSize {
			return append(spans, s), nil
		}
		after = s.pushes[len(s.pushes)-1].InMail.ID
		s.to = after
		spans = append(spans, s)
	}
	return spans, nil
}

// comparedFields returns the fields that a reconcile compares. The body is among them under every policy: the
// org has none of it, or one that must go.
func comparedFields() string {
	return strings.Join(append(columnNames(nil), "Lead__r.IsConverted"), ", ")
}

// query returns the query for the org's records in the span. The spans together cover every key, whatever
// order the org uses.
func (s *span) query(fields string) *query {
	var bounds []string
	if s.after != "" {
		bounds = append(bounds, inMailKey+" > "+quote(string(s.after)))
	}
	if s.to != "" {
		bounds = append(bounds, inMailKey+" <= "+quote(string(s.to)))
	}
	if bounds == nil {
		bounds = []string{inMailKey + " != null"}
	}
	soql := "SELECT " + fields + " FROM " + inMailObject +
		" WHERE " + strings.Join(bounds, " AND ") + " ORDER BY " + inMailKey
	return &query{n: 1, soql: func([]int) string { return soql }, read: s.note}
}

func (s *span) note(record []byte) error {
	var r orgRow
	if err := json.Unmarshal(record, &r); err != nil {
		return err
	}
	s.rows[domain.ID(r.text(inMailKey))] = r
	return nil
}

// step compares up to five pages and repairs the differences.
func (c *Connector) step(ctx context.Context, w *comparison, repairs bool) error {
	spans, err := w.read(ctx)
	if err != nil {
		return err
	}
	fields := comparedFields()
	var queries []*query
	var pushes []*domain.Push
	for i := range spans {
		queries = append(queries, spans[i].query(fields))
		for k := range spans[i].pushes {
			pushes = append(pushes, &spans[i].pushes[k])
		}
	}
	beside, learn := c.beside(pushes)
	if err := c.ask(ctx, append(queries, beside...)...); err != nil {
		return err
	}
	learn(ctx)
	found := &findings{}
	for _, s := range spans {
		c.compare(s, found)
		w.SoFar.Compared += len(s.pushes)
	}
	if found, err = c.confirm(ctx, w, spans, found, fields); err != nil {
		return err
	}
	w.SoFar.Waiting += found.waiting
	for kind, n := range found.kinds() {
		w.SoFar.Drift[kind] += n
	}
	if err := c.repair(ctx, w, found, repairs); err != nil {
		return err
	}
	last := spans[len(spans)-1]
	w.After, w.SoFar.Done = last.to, last.to == ""
	return nil
}

// difference is one InMail whose record in the org is not as it should be.
type difference struct {
	push   domain.Push
	kind   string
	resync bool // push the InMail from scratch
	moved  bool // look for the parents again
	again  bool // write the record again as it is
	texts  bool // remove texts that may not leave any more
	gone   bool // the org need not have the record and has it no more

	ahead   bool    // the org's sequence number is above that of the InMail
	adopted parents // what a person chose in the org, where matching had found none or several; zero: nobody did
}

// findings is the result of comparing some spans.
type findings struct {
	differences []difference
	extra       []domain.ID
	unmatched   []domain.Push // InMails whose parents are to be looked for again
	waiting     int
}

func (f *findings) kinds() map[string]int {
	kinds := map[string]int{}
	if len(f.extra) > 0 {
		kinds[extra] = len(f.extra)
	}
	for _, d := range f.differences {
		if d.kind != adopted && d.kind != owned {
			kinds[d.kind]++
		}
	}
	return kinds
}

// compare judges every InMail of a span, and lists the records that only the org has.
func (c *Connector) compare(s span, found *findings) {
	known := make(map[domain.ID]bool, len(s.pushes))
	for _, p := range s.pushes {
		known[p.InMail.ID] = true
		r, there := s.rows[p.InMail.ID]
		d, ok := c.judge(p, r, there)
		switch {
		case ok:
			found.differences = append(found.differences, d)
		case p.Link.PushedVersion < p.InMail.Version:
			found.waiting++
		case !there: // the org need not have it any more
		case (p.Link.Match == domain.Unmatched || p.Link.Match == domain.Ambiguous) &&
			p.InMail.Recipient != domain.Erased:
			found.unmatched = append(found.unmatched, p)
		}
	}
	for id := range s.rows {
		if !known[id] {
			found.extra = append(found.extra, id)
		}
	}
	slices.Sort(found.extra)
}

// judge says whether an InMail's record in the org differs from what was pushed. An InMail that waits for a
// push differs only when its record is missing or has a lower sequence number than the one that was pushed.
func (c *Connector) judge(p domain.Push, r orgRow, there bool) (d difference, ok bool) {
	l := p.Link
	d.push = p
	switch seq := r.number("Status_Sequence__c"); {
	case !there && c.droppable(&p.InMail):
		d.kind, d.texts, d.gone = stale, true, true
		return d, l.PushedVersion == p.InMail.Version && c.tasksKeepTexts(&p)
	case !there:
		d.kind, d.resync = missing, true
		return d, l.RecordID != ""
	case seq < l.PushedSeq:
		d.kind, d.resync = stale, true
		return d, true
	case l.PushedVersion < p.InMail.Version:
		return d, false
	case seq > p.InMail.Seq: // the org refuses a lower number
		d.kind, d.ahead = edited, true
		return d, true
	case adoptable(l, r):
		d.kind, d.adopted = adopted, adoptedParents(r)
		return d, true
	case c.mayJoin(&p):
		d.kind, d.again = stale, true
		return d, true
	case c.textsLeft(r) || c.tasksKeepTexts(&p):
		d.kind, d.texts = stale, true
		return d, true
	case c.userKnown(p.InMail.Sender) && c.userChanged(&p, r):
		d.kind, d.again = owned, true
		return d, true
	case c.fieldsDiffer(p, r):
		d.kind, d.resync = edited, true
		return d, true
	case converted(r):
		d.kind, d.moved = stale, true
		return d, true
	case parentsDiffer(l, r):
		d.kind, d.moved = edited, true
		return d, true
	}
	return d, false
}

func converted(r orgRow) bool {
	lead, _ := r["Lead__r"].(map[string]any)
	return lead["IsConverted"] == true
}

// parentsDiffer says whether a record in the org has other parents than its link.
func parentsDiffer(l domain.Link, r orgRow) bool {
	for _, c := range parentColumns {
		if !sameValue(c.name, c.value(parentsOf(l)), r[c.name]) {
			return true
		}
	}
	return false
}

// mayJoin says that the person of an InMail lacks a Campaign that the org did not refuse.
func (c *Connector) mayJoin(p *domain.Push) bool {
	return slices.ContainsFunc(c.lackedCampaigns(p, p.Link, parentsOf(p.Link)), func(id string) bool {
		return !failureOf(p.Link, memberPart+id).Dead
	})
}

// textsLeft says that a record in the org has a text of an earlier policy, which lets it leave no more.
func (c *Connector) textsLeft(r orgRow) bool {
	return slices.ContainsFunc(columns, func(field column) bool { return !field.leaves(c.text) && r[field.name] != nil })
}

// fieldsDiffer says whether a record in the org has other values than those that are written. A text may be
// missing, because a policy that lets more leave counts from its change on.
func (c *Connector) fieldsDiffer(p domain.Push, r orgRow) bool {
	is, known := c.about(&p), c.userKnown(p.InMail.Sender)
	for _, field := range columns {
		got := r[field.name]
		if field.from != "" && got == nil || field.name == userColumn && !known {
			continue
		}
		if !field.same(is, got) {
			return true
		}
	}
	return false
}

// same compares the org's value of a column with those that may have been written. A text may be that of an
// earlier policy.
func (field column) same(is about, got any) bool {
	if sameValue(field.name, field.value(is), got) {
		return true
	}
	if field.from == "" {
		return false
	}
	is.text = domain.CRMTextFull
	if sameValue(field.name, field.value(is), got) {
		return true
	}
	is.text = domain.CRMTextPreview
	return sameValue(field.name, field.value(is), got)
}

// sameValue compares a value that we send with the org's answer. Numbers come back as doubles, times in whole
// seconds, and tags in the picklist's order.
func sameValue(name string, want, got any) bool {
	switch w := want.(type) {
	case nil:
		return got == nil
	case int:
		n, ok := got.(float64)
		return ok && n == float64(w)
	case string:
		g, ok := got.(string)
		if !ok {
			return false
		}
		switch {
		case strings.HasSuffix(name, "_At__c"):
			a, errA := time.Parse(time.RFC3339Nano, w)
			b, errB := time.Parse("2006-01-02T15:04:05.000-0700", g)
			return errA == nil && errB == nil && a.Truncate(time.Second).Equal(b.Truncate(time.Second))
		case name == "Tags__c":
			return slices.Equal(tagSet(w), tagSet(g))
		case name == candidatesColumn: // people may add to it
			return slices.Equal(idForm.FindAllString(w, -1), idForm.FindAllString(g, -1))
		}
		return strings.ReplaceAll(w, "\r\n", "\n") == strings.ReplaceAll(g, "\r\n", "\n")
	}
	return false
}

// idForm matches an id with its 18 characters.
var idForm = regexp.MustCompile(`\b[0-9A-Za-z]{18}\b`)

func tagSet(joined string) []string {
	set := strings.Split(strings.ToLower(joined), ";")
	slices.Sort(set)
	return set
}

// confirm checks the differences a second time. What changed between the two checks is no drift.
func (c *Connector) confirm(
	ctx context.Context, w *comparison, spans []span, first *findings, fields string,
) (*findings, error) {
	if len(first.differences)+len(first.extra) == 0 {
		return first, nil
	}
	differing := map[domain.ID]domain.Push{}
	var ids []string
	for _, d := range first.differences {
		differing[d.push.InMail.ID] = d.push
		ids = append(ids, string(d.push.InMail.ID))
	}
	for _, id := range first.extra {
		ids = append(ids, string(id))
	}
	again := span{rows: map[domain.ID]orgRow{}}
	q := &query{n: len(ids), read: again.note, soql: func(part []int) string {
		return "SELECT " + fields + " FROM " + inMailObject + " WHERE " + inMailKey + " IN " + in(pick(ids, part))
	}}
	if err := c.ask(ctx, q); err != nil {
		return nil, err
	}
	second := &findings{unmatched: first.unmatched, waiting: first.waiting}
	known := map[domain.ID]bool{}
	for _, s := range spans {
		pushes, err := w.record.PushesAfter(ctx, s.after, len(s.pushes)+1)
		if err != nil {
			return nil, fmt.Errorf("read the record again: %w", err)
		}
		for _, p := range pushes {
			if s.to != "" && p.InMail.ID > s.to {
				break // the rest belongs to the next span
			}
			known[p.InMail.ID] = true
			before, differed := differing[p.InMail.ID]
			if !differed {
				continue
			}
			if p.InMail.Version != before.InMail.Version || p.Link.PushedVersion != before.Link.PushedVersion {
				second.waiting++
				continue
			}
			r, there := again.rows[p.InMail.ID]
			if d, ok := c.judge(p, r, there); ok {
				second.differences = append(second.differences, d)
			}
		}
	}
	for _, id := range first.extra {
		if _, there := again.rows[id]; there && !known[id] {
			second.extra = append(second.extra, id)
		}
	}
	return second, nil
}

// repair makes records due that are to be pushed from scratch, moves records to their right parents, and
// looks again for the parents of unmatched InMails. Without repairs it only counts.
func (c *Connector) repair(ctx context.Context, w *comparison, found *findings, repairs bool) error {
	var resync []domain.ID
	var moved, again []domain.Push
	var ahead []domain.PushAnswer
	var chosen, texts []difference
	for _, d := range found.differences {
		switch {
		case d.texts:
			texts = append(texts, d)
		case d.ahead:
			ahead = append(ahead, c.aheadAnswer(d.push))
		case d.adopted != (parents{}):
			chosen = append(chosen, d)
		case d.resync:
			resync = append(resync, d.push.InMail.ID)
		case d.moved:
			moved = append(moved, d.push)
		case d.again:
			again = append(again, d.push)
		}
	}
	w.SoFar.Resynced += len(resync) + len(texts)
	w.SoFar.Adopted += len(chosen)
	w.SoFar.Owned += len(again)
	w.SoFar.Retried += len(found.unmatched)
	w.SoFar.RepairCalls += callsOf(len(resync) + len(texts))
	if !repairs {
		w.SoFar.Moved += len(moved)
		w.SoFar.RepairCalls += callsOf(len(moved)) + callsOf(len(again)) + (len(found.unmatched)+pageSize-1)/pageSize
		return nil
	}
	if len(ahead) > 0 {
		if err := w.record.StorePushes(ctx, ahead, make([]time.Time, len(ahead)), c.Budget()); err != nil {
			return fmt.Errorf("store which records are ahead of their InMails: %w", err)
		}
	}
	if err := c.adopt(ctx, w, chosen); err != nil {
		return err
	}
	for part := range slices.Chunk(texts, pageSize) {
		if err := c.removeTexts(ctx, w, part); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(resync, repairBatch) {
		if err := w.record.Resync(ctx, part); err != nil {
			return fmt.Errorf("make drifted InMails due: %w", err)
		}
	}
	for part := range slices.Chunk(moved, pageSize) {
		works := c.newWorks(part)
		for _, work := range works {
			work.moved = true // looks for the parents again and writes them
		}
		n, err := c.writeExclusively(ctx, w, works, c.findParents(ctx, works))
		w.SoFar.Moved += n
		if err != nil {
			return err
		}
	}
	for part := range slices.Chunk(again, pageSize) {
		works := c.newWorks(part)
		for _, work := range works {
			work.again = true
		}
		if _, err := c.writeExclusively(ctx, w, works, nil); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(found.unmatched, pageSize) {
		n, err := c.rematch(ctx, w, part)
		w.SoFar.Matched += n
		if err != nil {
			return err
		}
	}
	return nil
}

// removeTexts removes the texts that may not leave any more from records and Tasks, whose links stay as they
// are otherwise.
func (c *Connector) removeTexts(ctx context.Context, w *comparison, part []difference) error {
	pushes := make([]domain.Push, len(part))
	for i, d := range part {
		pushes[i] = d.push
	}
	works := c.newWorks(pushes)
	for i, work := range works {
		if work.again = true; part[i].gone {
			work.leave()
		}
	}
	_, err := c.writeExclusively(ctx, w, works, nil)
	return err
}

// aheadAnswer says that the org will refuse every state of an InMail, because its record there has a higher
// sequence number. The link waits for a person, who has the record replaced.
func (c *Connector) aheadAnswer(p domain.Push) domain.PushAnswer {
	w := c.newWorks([]domain.Push{p})[0]
	w.row = aheadFault()
	w.noteSent(domain.RecordPart)
	a := c.answer(w, c.clock.Now())
	f := a.Link.Failures[domain.RecordPart]
	f.Dead = true
	a.Link.Failures[domain.RecordPart] = f
	a.Link.Summarize()
	return a
}

// adoptable says that somebody gave a record in the org a parent, while matching had found none or several: a
// person's answer to a question that was left open.
func adoptable(l domain.Link, r orgRow) bool {
	return (l.Match == domain.Unmatched || l.Match == domain.Ambiguous) && adoptedParents(r) != (parents{})
}

func adoptedParents(r orgRow) parents {
	at := parents{LeadID: r.text("Lead__c"), ContactID: r.text("Contact__c"), AccountID: r.text("Account__c")}
	if at != (parents{}) {
		at.Match = domain.Matched
	}
	return at
}

// adopt takes over the parents that people chose, and writes the match and the Tasks that follow from it. A
// Lead that is converted meanwhile is followed.
func (c *Connector) adopt(ctx context.Context, w *comparison, chosen []difference) error {
	for part := range slices.Chunk(chosen, pageSize) {
		pushes := make([]domain.Push, len(part))
		for i, d := range part {
			pushes[i] = d.push
			d.adopted.keep(&pushes[i].Link)
		}
		works := c.newWorks(pushes)
		for i, work := range works {
			work.moved = true
			work.want = part[i].adopted
			work.link.Chosen = true
		}
		var people []*work
		for _, work := range works {
			if work.want.LeadID != "" || work.want.ContactID != "" {
				people = append(people, work)
			}
		}
		err := c.match(ctx, people)
		for i, work := range works {
			if id := part[i].adopted.AccountID; id != "" {
				work.want.AccountID = id
			}
		}
		n, err := c.writeExclusively(ctx, w, works, err)
		if n > 0 {
			c.log.InfoContext(ctx, "took over parents that were chosen in the org", "records", n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// callsOf is about how many API calls a push of n InMails takes: for matching, records and Tasks.
func callsOf(n int) int { return 3 * ((n + pageSize - 1) / pageSize) }

// rematch looks again for the parents of InMails that had none, and writes those whose match has changed.
func (c *Connector) rematch(ctx context.Context, w *comparison, pushes []domain.Push) (matched int, err error) {
	works := c.newWorks(pushes)
	if err := c.match(ctx, works); err != nil {
		return 0, err
	}
	works = slices.DeleteFunc(works, func(w *work) bool { return w.settled || w.want == parentsOf(w.push.Link) })
	if len(works) == 0 {
		return 0, nil
	}
	return c.writeExclusively(ctx, w, works, nil)
}

// writeExclusively writes works while no push of any process writes, and stores the answers that succeeded.
func (c *Connector) writeExclusively(
	ctx context.Context, w *comparison, works []*work, found error,
) (n int, err error) {
	err = w.record.Alone(ctx, func(ctx context.Context) (err error) {
		n, err = c.keep(ctx, w, c.writeAndAnswer(ctx, works, found))
		return err
	})
	return n, err
}

// keep stores what each row answered, and returns how many succeeded. Rows that failed are due at once, so
// that an ordinary push gives them what follows. Answers that say nothing of their rows are not stored: the
// next reconcile finds their InMails again.
func (c *Connector) keep(ctx context.Context, w *comparison, answers []domain.PushAnswer) (n int, err error) {
	var limit *Fault
	var known []domain.PushAnswer
	var retryAt []time.Time
	for _, a := range answers {
		switch {
		case a.Class == domain.LimitReached:
			limit = &Fault{Class: a.Class, cause: &crmcall.Parked{Until: a.Until}}
		case a.Class == domain.Taken:
			known, retryAt = append(known, a), append(retryAt, time.Time{})
			n++
		case !a.OfCall && a.Class != domain.Stale:
			known, retryAt = append(known, a), append(retryAt, c.clock.Now())
		}
	}
	if len(known) > 0 {
		if err := w.record.StorePushes(ctx, known, retryAt, c.Budget()); err != nil {
			return 0, fmt.Errorf("store the new parents of InMails: %w", err)
		}
	}
	if limit != nil {
		return n, limit
	}
	return n, nil
}
