package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// The kinds of drift.
const (
	missing = "missing" // the org lost a record that it had
	extra   = "extra"   // the org holds one of an InMail that nobody knows
	stale   = "stale"   // the org holds an older state, or hangs it on a Lead that was converted
	edited  = "edited"  // somebody changed it there
)

// Comparison is what a reconcile found and did.
type Comparison = mailroom.Comparison

// walk is a reconcile on its way, as it is kept between runs.
type comparison struct {
	After     domain.ID  `json:"after"`
	StartedAt time.Time  `json:"started_at"`
	So        Comparison `json:"so"`
	record    mailroom.CRMRecord
}

// Bounds of a walk.
const (
	pageSize    = 1000           // InMails a query; five queries a call
	walkLife    = 24 * time.Hour // an older one begins anew
	repairBatch = 500
)

const reconcileState = "reconcile"

// Compare walks the org by key and compares it with the record. With heal it mends what differs: what is missing, stale or edited is
// made due to be pushed again; what hangs on a converted, merged or deleted parent is hung where that went; what is unmatched
// or ambiguous is looked for again. An unknown record of the org is counted and left. It goes on where it stopped, and stops with a
// *mailroom.Waits when the budget for it is spent. Without heal it changes nothing anywhere and goes from the beginning. progress, if
// any, is told after each step.
func (c *Connector) Compare(ctx context.Context, record mailroom.CRMRecord, repairs bool, progress func(Comparison)) (Comparison, error) {
	if !c.Configured() {
		return Comparison{}, mailroom.ErrNotConfigured
	}
	ctx, calls := countCalls(withUrgency(ctx, background))
	w := &comparison{StartedAt: c.clock.Now(), record: record}
	if repairs {
		if err := c.resumeComparison(ctx, w); err != nil {
			return w.So, err
		}
	}
	if w.So.Drift == nil {
		w.So.Drift = map[string]int{missing: 0, extra: 0, stale: 0, edited: 0}
	}
	for !w.So.Done {
		err := c.step(ctx, w, repairs)
		w.So.Calls += calls.take()
		if err != nil {
			return w.So, c.waits(fmt.Errorf("compare the org with the record: %w", err))
		}
		if repairs {
			if err := c.keepComparison(ctx, w); err != nil {
				return w.So, err
			}
		}
		if progress != nil {
			so := w.So
			so.Drift = maps.Clone(so.Drift)
			progress(so)
		}
	}
	return w.So, nil
}

// waits marks an error that says that nothing more goes for now, with the time until then.
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
	if json.Unmarshal(blob, &old) == nil && !old.So.Done && w.StartedAt.Sub(old.StartedAt) < walkLife {
		old.record = w.record
		*w = old
	}
	return nil
}

// keepWalk keeps how far the walk has come; at its end what it found.
func (c *Connector) keepComparison(ctx context.Context, w *comparison) error {
	var blob []byte
	if !w.So.Done {
		blob, _ = json.Marshal(w) // of texts, numbers and times: cannot fail
	} else if err := w.record.SetDrift(ctx, mailroom.Drift{At: c.clock.Now(), Kinds: w.So.Drift}); err != nil {
		return fmt.Errorf("keep what the reconcile found: %w", err)
	}
	if err := w.record.SetState(ctx, reconcileState, blob); err != nil {
		return fmt.Errorf("keep how far the reconcile came: %w", err)
	}
	return nil
}

// span is a range of ids: those of one page of the record, and what the org holds between them.
type span struct {
	after, to domain.ID // to is empty for the open end
	pushes    []domain.Push
	rows      map[domain.ID]orgRow
}

// orgRow is a record of InMail__c as a query answers it.
type orgRow map[string]any

func (r orgRow) text(name string) string { s, _ := r[name].(string); return s }
func (r orgRow) number(name string) int  { n, _ := r[name].(float64); return int(n) }

// read loads up to five pages of the record.
func (w *comparison) read(ctx context.Context) (spans []span, err error) {
	after := w.After
	for range maxHeavy {
		s := span{after: after, rows: map[domain.ID]orgRow{}}
		if s.pushes, err = w.record.PushesAfter(ctx, after, pageSize); err != nil {
			return nil, fmt.Errorf("walk the record: %w", err)
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

// comparedFields are the fields that a reconcile looks at. A body is asked for only where it is sent.
func (c *Connector) comparedFields() string {
	names := columnNames(func(field column) bool { return field.from != domain.CRMTextFull || field.leaves(c.text) })
	return strings.Join(append(names, "Lead__r.IsConverted"), ", ")
}

// query asks for the org's records in the span. The ranges of all spans together leave no key out, however the
// org orders them.
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
	soql := "SELECT " + fields + " FROM " + inMailObject + " WHERE " + strings.Join(bounds, " AND ") + " ORDER BY " + inMailKey
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

// step compares up to five pages and mends what differs.
func (c *Connector) step(ctx context.Context, w *comparison, repairs bool) error {
	spans, err := w.read(ctx)
	if err != nil {
		return err
	}
	fields := c.comparedFields()
	var queries []*query
	for i := range spans {
		queries = append(queries, spans[i].query(fields))
	}
	if err := c.ask(ctx, queries...); err != nil {
		return err
	}
	found := &findings{}
	for _, s := range spans {
		c.compare(s, found)
		w.So.Compared += len(s.pushes)
	}
	if found, err = c.confirm(ctx, w, spans, found, fields); err != nil {
		return err
	}
	w.So.Waiting += found.waiting
	for kind, n := range found.kinds() {
		w.So.Drift[kind] += n
	}
	if err := c.repair(ctx, w, found, repairs); err != nil {
		return err
	}
	last := spans[len(spans)-1]
	w.After, w.So.Done = last.to, last.to == ""
	return nil
}

// difference is one InMail that is not in the org as it should be.
type difference struct {
	push   domain.Push
	kind   string
	resync bool // push it from scratch
	moved  bool // its parents are to be found anew
}

// findings is what comparing some spans gave.
type findings struct {
	differences []difference
	extra       []domain.ID
	unmatched   []domain.Push // to be looked for again
	waiting     int
}

func (f *findings) kinds() map[string]int {
	kinds := map[string]int{}
	if len(f.extra) > 0 {
		kinds[extra] = len(f.extra)
	}
	for _, d := range f.differences {
		kinds[d.kind]++
	}
	return kinds
}

// compare judges every InMail of a span, and what the org holds beside.
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
		case (p.Link.Match == domain.Unmatched || p.Link.Match == domain.Ambiguous) && p.InMail.Recipient != domain.Erased:
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

// judge says whether an InMail differs in the org from what was pushed. One that waits to be pushed is only told when the org holds less
// than it is known to have held.
func (c *Connector) judge(p domain.Push, r orgRow, there bool) (d difference, ok bool) {
	l := p.Link
	d.push = p
	switch seq := r.number("Status_Sequence__c"); {
	case !there:
		d.kind, d.resync = missing, true
		return d, l.RecordID != ""
	case seq < l.PushedSeq:
		d.kind, d.resync = stale, true
		return d, true
	case l.PushedVersion < p.InMail.Version:
		return d, false
	case seq > p.InMail.Seq: // no lower number is taken any more: a person must set it right
		d.kind = edited
		return d, true
	case c.fieldsDiffer(p, r):
		d.kind, d.resync = edited, true
		return d, true
	case converted(r):
		d.kind, d.moved = stale, true
		return d, true
	case hangsElsewhere(l, r):
		d.kind, d.moved = edited, true
		return d, true
	}
	return d, false
}

func converted(r orgRow) bool {
	lead, _ := r["Lead__r"].(map[string]any)
	return lead["IsConverted"] == true
}

// hangsElsewhere compares what an InMail hangs on with what stands there.
func hangsElsewhere(l domain.Link, r orgRow) bool {
	for _, c := range parentColumns {
		if !sameValue(c.name, c.value(parentsOf(l)), r[c.name]) {
			return true
		}
	}
	return false
}

// fieldsDiffer compares what is written with what stands there. A text may be missing, or be there from a time of another policy:
// a policy counts from its change on.
func (c *Connector) fieldsDiffer(p domain.Push, r orgRow) bool {
	for _, field := range columns {
		got, asked := r[field.name]
		if !asked || field.from != "" && got == nil {
			continue
		}
		if !sameValue(field.name, field.value(&p), got) {
			return true
		}
	}
	return false
}

// sameValue compares what we send with what the org answers: numbers come as doubles, times in whole seconds, tags in
// the picklist's order.
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
		}
		return strings.ReplaceAll(w, "\r\n", "\n") == strings.ReplaceAll(g, "\r\n", "\n")
	}
	return false
}

func tagSet(joined string) []string {
	set := strings.Split(strings.ToLower(joined), ";")
	slices.Sort(set)
	return set
}

// confirm looks a second time at what differed: what was on its way between the two looks is no drift.
func (c *Connector) confirm(ctx context.Context, w *comparison, spans []span, first *findings, fields string) (*findings, error) {
	if len(first.differences)+len(first.extra) == 0 {
		return first, nil
	}
	seen := map[domain.ID]domain.Push{}
	var ids []string
	for _, d := range first.differences {
		seen[d.push.InMail.ID] = d.push
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
			return nil, fmt.Errorf("walk the record again: %w", err)
		}
		for _, p := range pushes {
			if s.to != "" && p.InMail.ID > s.to {
				break // the next span's
			}
			known[p.InMail.ID] = true
			before, differed := seen[p.InMail.ID]
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

// mend makes due what is to be pushed from scratch, moves what hangs wrong, and looks again for whom nobody was found.
func (c *Connector) repair(ctx context.Context, w *comparison, found *findings, repairs bool) error {
	var resync []domain.ID
	var moved []domain.Push
	for _, d := range found.differences {
		switch {
		case d.resync:
			resync = append(resync, d.push.InMail.ID)
		case d.moved:
			p := d.push
			p.Link.Class, p.Link.Attempts = domain.LostReference, 0
			p.Link.RecordID = "" // parents are written, whatever is known of them
			moved = append(moved, p)
		}
	}
	w.So.Resynced += len(resync)
	w.So.Retried += len(found.unmatched)
	w.So.RepairCalls += callsOf(len(resync))
	if !repairs {
		w.So.Moved += len(moved)
		w.So.RepairCalls += callsOf(len(moved)) + (len(found.unmatched)+pageSize-1)/pageSize
		return nil
	}
	for part := range slices.Chunk(resync, repairBatch) {
		if err := w.record.Resync(ctx, part); err != nil {
			return fmt.Errorf("make due what drifted: %w", err)
		}
	}
	for part := range slices.Chunk(moved, pageSize) {
		works := c.newest(part)
		n, err := c.carryAlone(ctx, w, works, c.findParents(ctx, works))
		w.So.Moved += n
		if err != nil {
			return err
		}
	}
	for part := range slices.Chunk(found.unmatched, pageSize) {
		n, err := c.rematch(ctx, w, part)
		w.So.Matched += n
		if err != nil {
			return err
		}
	}
	return nil
}

// callsOf is about how many API calls it takes to push so many InMails: matching, records, Tasks.
func callsOf(n int) int { return 3 * ((n + pageSize - 1) / pageSize) }

// rematch looks again for the people of InMails that had none, and writes those whose answer is another one now.
func (c *Connector) rematch(ctx context.Context, w *comparison, pushes []domain.Push) (matched int, err error) {
	works := c.newest(pushes)
	if err := c.match(ctx, works); err != nil {
		return 0, err
	}
	works = slices.DeleteFunc(works, func(w *work) bool { return w.settled || w.want == parentsOf(w.push.Link) })
	if len(works) == 0 {
		return 0, nil
	}
	return c.carryAlone(ctx, w, works, nil)
}

// carryAlone writes works while no push does, in any process, and stores what went through.
func (c *Connector) carryAlone(ctx context.Context, w *comparison, works []*work, found error) (n int, err error) {
	err = w.record.Alone(ctx, func(ctx context.Context) (err error) {
		n, err = c.keep(ctx, w, c.carry(ctx, works, found))
		return err
	})
	return n, err
}

// keep stores the answers that went through. The others stay as they were: the next walk finds them again.
func (c *Connector) keep(ctx context.Context, w *comparison, answers []domain.PushAnswer) (n int, err error) {
	var limit *Fault
	through := slices.DeleteFunc(answers, func(a domain.PushAnswer) bool {
		if a.Class == domain.LimitReached {
			limit = &Fault{Class: a.Class, cause: &Parked{Until: a.Until}}
		}
		return a.Class != domain.Taken
	})
	if len(through) > 0 {
		if err := w.record.StorePushes(ctx, through, make([]time.Time, len(through)), c.Budget()); err != nil {
			return 0, fmt.Errorf("keep where InMails hang now: %w", err)
		}
	}
	if limit != nil {
		return len(through), limit
	}
	return len(through), nil
}
