package hubspot

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"inmail/domain"
	"inmail/domain/crmcall"
	"inmail/domain/mailroom"
)

// These constants bound a push.
const (
	pushTimeout = 4 * time.Minute // for all calls of a push; its task may run longer, to store answers
	isolations  = 16              // calls that a push may spend to find faulty rows of batches
	failedCalls = 3               // calls without an answer after which a push sends no more
	lostTries   = 3               // lost references after which an InMail is held back until a reconcile
)

// serverTime is the longest time after which HubSpot may still carry out a call that was given up.
const serverTime = 2 * time.Minute

// These are the parts of an InMail that fail apart from each other, beside domain.RecordPart.
const (
	searchPart  = "link"    // the search for its parents
	repliedPart = "replied" // the communication of the reply
	contactPart = "contact" // the last status on the contact
	latePart    = "late"    // a call that was given up may still be carried out
)

// These are the notes of a link, and removed is the value of those of a communication that was removed in
// HubSpot: it is never made again.
const (
	portalNote  = "portal"  // the id of the portal in which the records of the link are
	sentNote    = "sent"    // removed
	repliedNote = "replied" // the id of the communication of the reply, or removed
	lateNote    = "late"    // until when a call that was given up may still be carried out
	unsureNote  = "unsure"  // when a creation was given up, so that the records may be there

	removed = "removed"
)

// work is the state of one InMail during a push.
type work struct {
	push   *domain.Push
	link   domain.Link // the link of the answer
	want   parents     // the parents that its records should have
	was    parents     // the parents that they have, when moved is set
	leads  []string    // the open leads of its contact, where they are needed
	person *person     // its contact, as it was read in this push; nil: it was not

	faults     map[string]*Fault // why parts were not written
	sent       map[string]bool   // parts that a call contained, so that their failure counts as an attempt
	settled    bool              // nothing is to be sent
	stale      bool              // HubSpot is known to have a newer state
	find       bool              // its records may be there: they are looked for by their keys
	force      bool              // its record is written although its version is there
	moved      bool              // its associations are to be changed
	upToDate   bool              // its record was read and has the state already
	wrote      bool              // its record was written or found up to date
	checked    bool              // the time after a given-up call is over
	replacedBy *work             // the same InMail in a newer state, whose answer counts for both; nil: none
}

func failureOf(l domain.Link, part string) domain.Failure {
	if l.Failures == nil && part == domain.RecordPart {
		return domain.Failure{Class: l.Class, Detail: l.Detail, Attempts: l.Attempts, FailedAt: l.FailedAt, Dead: l.Dead}
	}
	return l.Failures[part]
}

// note stores the fault of a part. sent says that a call contained it.
func (w *work) note(part string, f *Fault, sent bool) {
	if w.faults == nil {
		w.faults, w.sent = map[string]*Fault{}, map[string]bool{}
	}
	w.faults[part] = f
	w.sent[part] = w.sent[part] || sent
}

// setNote sets a note of the link; an empty value removes it.
func (w *work) setNote(name, value string) {
	notes := maps.Clone(w.link.Notes)
	if notes == nil {
		notes = map[string]string{}
	}
	if notes[name] = value; value == "" {
		delete(notes, name)
	}
	w.link.Notes = notes
}

// timeNote returns the time of a note; zero: there is none.
func (w *work) timeNote(name string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, w.link.Notes[name]) // an empty note is the zero time
	return t
}

// erased says that one of the two members was erased (R60).
func (w *work) erased() bool {
	return w.push.InMail.Sender == domain.Erased || w.push.InMail.Recipient == domain.Erased
}

// done settles a work: HubSpot needs nothing of this state.
func (w *work) done() {
	w.settled = true
	w.link.PushedVersion = max(w.link.PushedVersion, w.push.InMail.Version)
	w.link.PushedSeq = max(w.link.PushedSeq, w.push.InMail.Seq)
}

// Push brings InMails to the portal in as few calls as possible. answers[i] belongs to pushes[i] and
// contains the fault of its row. An InMail that never left, or whose recipient the portal does not know,
// is held back: its answer is Taken, without a record (R67).
func (c *Connector) Push(ctx context.Context, pushes []domain.Push) ([]domain.PushAnswer, error) {
	if !c.Configured() {
		return nil, mailroom.ErrNotConfigured
	}
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	return c.bring(ctx, c.newWorks(pushes)), nil
}

// newWorks returns a work for each push. An InMail that comes twice is sent once, in its latest state. A
// state that is older than the one that the portal is known to have is not sent (R53).
func (c *Connector) newWorks(pushes []domain.Push) []*work {
	works := make([]*work, len(pushes))
	best := map[domain.ID]*work{}
	for i := range pushes {
		p := &pushes[i]
		w := &work{push: p, link: p.Link, want: parentsOf(p.Link)}
		w.link.InMail = p.InMail.ID
		works[i] = w
		if p.InMail.Version < p.Link.PushedVersion || p.InMail.Seq < p.Link.PushedSeq {
			w.settled, w.stale = true, true
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

// bring matches and writes works, and answers each.
func (c *Connector) bring(ctx context.Context, works []*work) []domain.PushAnswer {
	p, err := c.learn(ctx)
	if err == nil {
		c.begin(p, works)
		err = c.findParents(ctx, p, works)
	}
	if err == nil {
		err = c.findRecords(ctx, p, works)
	}
	if err == nil {
		err = c.readBack(ctx, p, works)
	}
	if err == nil {
		err = c.findLeads(ctx, p, unsettled(works))
	}
	if err == nil {
		err = c.offerTags(ctx, p, unsettled(works))
	}
	if err == nil {
		c.write(ctx, p, works)
		c.moveLeads(ctx, p, works)
		c.moveAssociations(ctx, works)
		c.detach(ctx, works)
		c.writeContacts(ctx, p, works)
	} else {
		f, n := asFault(err), 0
		for _, w := range unsettled(works) {
			w.note(searchPart, f, true)
			n++
		}
		c.refused(communications, f, n)
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

func unsettled(works []*work) []*work {
	return slices.DeleteFunc(slices.Clone(works), func(w *work) bool { return w.settled })
}

// begin settles the works of which the portal needs nothing: those that never left, and those whose record
// was removed there or need not be there any more. A link to another portal begins anew.
func (c *Connector) begin(p *portal, works []*work) {
	for _, w := range unsettled(works) {
		if other := w.link.Notes[portalNote]; other != "" && other != p.name() {
			w.link = domain.Link{InMail: w.link.InMail, CRM: w.link.CRM, PushedVersion: w.link.PushedVersion, PushedSeq: w.link.PushedSeq}
			w.want, w.force = parents{}, true
		}
		m := &w.push.InMail
		switch {
		case m.SentAt.IsZero(), w.link.Notes[sentNote] == removed, w.link.RecordID == "" && c.droppable(m):
			w.done()
			continue
		case w.link.RecordID == "" && (w.erased() || !p.keyed || w.link.Notes[unsureNote] != ""):
			w.find = true
		case !p.keyed && !m.RepliedAt.IsZero() && w.link.Notes[repliedNote] == "":
			w.find = true // the reply may be there
		}
		if at := w.timeNote(unsureNote); !p.keyed && !at.IsZero() && c.clock.Now().Before(at.Add(serverTime)) {
			// Without a unique key a creation that comes late would make a second record, so it is waited
			// for.
			w.settled = true
			w.note(domain.RecordPart, &Fault{Class: domain.Locked, Code: "CREATION_MAY_COME_LATE", until: at.Add(serverTime)}, false)
		}
	}
}

// droppable says that the portal need not have an InMail any more (policy crm_keep_days): it is over, and
// nothing has happened to it for so long. It is neither made again nor missed.
func (c *Connector) droppable(m *domain.InMail) bool {
	if c.keepFor == 0 || m.Status == domain.Queued {
		return false
	}
	last := m.AcceptedAt
	for _, at := range []time.Time{m.SentAt, m.ExpiresAt, m.OpenedAt, m.RepliedAt, m.DeclinedAt, m.EndedAt} {
		if at.After(last) {
			last = at
		}
	}
	return c.clock.Now().Sub(last) > c.keepFor
}

// findParents matches the works whose parents are not known, and holds back those without any.
func (c *Connector) findParents(ctx context.Context, p *portal, works []*work) error {
	var unknown []*work
	for _, w := range unsettled(works) {
		switch last := failureOf(w.push.Link, domain.RecordPart); {
		case w.push.InMail.Recipient == domain.Erased: // an erased recipient has no contact (R60)
			w.want = parents{Match: domain.Unmatched}
		case last.Class == domain.LostReference && last.Attempts >= lostTries:
			w.want = parents{Match: domain.Unmatched} // a reconcile looks for them again
		case c.mustMatch(w):
			unknown = append(unknown, w)
		}
	}
	if len(unknown) > 0 {
		if err := c.match(ctx, p, unknown); err != nil {
			return err
		}
	}
	for _, w := range unsettled(works) {
		switch at := parentsOf(w.link); {
		case w.link.RecordID != "" && w.want.Match != domain.Matched:
			w.want = at // a record keeps the parents that it has
		case w.link.RecordID != "" && w.want != at:
			w.moved, w.was = true, at
		case w.link.RecordID == "" && w.want.Match != domain.Matched && !w.find:
			w.hold()
		}
	}
	return nil
}

// hold settles a work whose InMail is held back, because nobody or several are there for it.
func (w *work) hold() {
	w.want.keep(&w.link)
	w.done()
}

// findRecords looks for the records of works that may have some: those whose creation got no answer, those
// of erased members, whose links begin anew, and all in a portal without unique keys. An erased InMail
// that is not there stays away.
func (c *Connector) findRecords(ctx context.Context, p *portal, works []*work) error {
	var wanted []*work
	for _, w := range unsettled(works) {
		if w.find {
			wanted = append(wanted, w)
		}
	}
	if err := c.adopt(ctx, p, wanted); err != nil {
		return err
	}
	for _, w := range wanted {
		w.setNote(unsureNote, "")
		if w.link.RecordID == "" && (w.erased() || w.want.Match != domain.Matched) {
			w.hold()
		}
	}
	return nil
}

// adopt gives works the records that are there under their keys. It reads the store, never the index of the
// search, which shows late what was written; only what an erasure left without any id in a portal without
// unique keys is searched.
func (c *Connector) adopt(ctx context.Context, p *portal, works []*work) error {
	if len(works) == 0 {
		return nil
	}
	byKey := map[string]*work{}
	var keys []string
	for _, w := range works {
		events := []string{sentEvent}
		if !w.push.InMail.RepliedAt.IsZero() {
			events = append(events, repliedEvent)
		}
		for _, event := range events {
			k := eventID(w.push.InMail.ID, event)
			byKey[k] = w
			keys = append(keys, k)
		}
	}
	var found []result
	var err error
	if p.keyed {
		found, err = c.read(ctx, communications, eventKey, keys, p.keyProperty())
	} else {
		found, err = c.readOfContacts(ctx, p, works)
	}
	if err != nil {
		return err
	}
	for _, r := range found {
		w := byKey[p.keyOf(r)]
		if w == nil {
			continue
		}
		w.setNote(portalNote, p.name())
		if p.keyOf(r) == eventID(w.push.InMail.ID, repliedEvent) {
			w.setNote(repliedNote, r.ID)
			continue
		}
		w.link.RecordID, w.force = r.ID, true
		w.want.keep(&w.link)
	}
	return nil
}

// readOfContacts reads the communications of the contacts of works, and searches for those without a
// contact. Those whose key is in their text are not found by a search: all are listed.
func (c *Connector) readOfContacts(ctx context.Context, p *portal, works []*work) ([]result, error) {
	var people, alone []string
	for _, w := range works {
		if w.want.ContactID != "" {
			people = append(people, w.want.ContactID)
		} else if w.erased() {
			alone = append(alone, eventID(w.push.InMail.ID, sentEvent), eventID(w.push.InMail.ID, repliedEvent))
		}
	}
	slices.Sort(people)
	of, err := c.linked(ctx, contacts, communications, slices.Compact(people))
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, list := range of {
		for _, each := range list {
			ids = append(ids, string(each.ID))
		}
	}
	slices.Sort(ids)
	found, err := c.read(ctx, communications, "", slices.Compact(ids), p.keyProperty())
	if err != nil {
		return nil, err
	}
	if p.marked && alone != nil {
		for after := ""; ; {
			page, next, err := c.listPage(ctx, communications, after, p.keyProperty())
			if err != nil {
				return nil, err
			}
			found = append(found, page...)
			if after = next; after == "" {
				return found, nil
			}
		}
	}
	for part := range slices.Chunk(alone, searchKeys) {
		more, err := c.searchKeys(ctx, part)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

// searchKeys is how many keys a search may have: its body is short.
const searchKeys = 40

// searchKeys searches for communications by their keys.
func (c *Connector) searchKeys(ctx context.Context, keys []string) ([]result, error) {
	type filter struct {
		Property string   `json:"propertyName"`
		Operator string   `json:"operator"`
		Values   []string `json:"values"`
	}
	type group struct {
		Filters []filter `json:"filters"`
	}
	in := struct {
		Groups     []group  `json:"filterGroups"`
		Properties []string `json:"properties"`
		Limit      int      `json:"limit"`
	}{[]group{{[]filter{{eventKey, "IN", keys}}}}, []string{eventKey}, 2 * searchKeys}
	var out batch
	err := c.call(ctx, searching, http.MethodPost, c.path("objects", communications, "search"), in, &out)
	return out.Results, err
}

// readBack reads the sequence numbers of works after a write that was given up. One that has arrived is not
// written again; one that may still come late is looked at once more when its time is over.
func (c *Connector) readBack(ctx context.Context, p *portal, works []*work) error {
	byRecord := map[string]*work{}
	var ids []string
	for _, w := range unsettled(works) {
		if w.link.Notes[lateNote] == "" || w.link.RecordID == "" {
			continue
		}
		byRecord[w.link.RecordID] = w
		ids = append(ids, w.link.RecordID)
		if !c.clock.Now().Before(w.timeNote(lateNote)) {
			w.checked = true
		}
	}
	found, missing, err := c.readMissing(ctx, communications, "", ids, p.sequenceProperty())
	if err != nil {
		return err
	}
	for _, r := range found {
		w := byRecord[r.ID]
		if w != nil && p.sequenceOf(r) >= w.push.InMail.Version {
			w.upToDate = !w.force
		}
	}
	for id, w := range byRecord {
		if missing[id] { // HubSpot says so; an answer that leaves a record out says nothing of it
			w.wasRemoved(sentEvent)
		}
	}
	return nil
}

// wasRemoved notes that the communication of an event is not in HubSpot any more: a person removed it, or
// its contact was deleted for ever. It is never made again.
func (w *work) wasRemoved(event string) {
	if event == repliedEvent {
		w.setNote(repliedNote, removed)
		return
	}
	w.setNote(sentNote, removed)
	w.setNote(lateNote, "")
	w.link.RecordID = ""
	w.done()
}

// needsRecord says whether the record of the sending is to be written. A push that is repeated for another
// part leaves it alone.
func (w *work) needsRecord() bool {
	l := w.push.Link
	if w.upToDate {
		return false
	}
	if w.force || l.RecordID == "" || l.PushedVersion < w.push.InMail.Version || len(l.Failures) == 0 || w.checked {
		return true
	}
	_, failed := l.Failures[domain.RecordPart]
	_, searched := l.Failures[searchPart]
	_, late := l.Failures[latePart]
	return failed || searched || late
}

// parkedUntil returns when a row that met a limit may be sent again.
func (c *Connector) parkedUntil(f *Fault, now time.Time) time.Time {
	if f.until.After(now) {
		return f.until
	}
	return now.Add(max(f.Rest, time.Second))
}

// refused counts rows that a call did not bring to the portal, by the class of its fault. Rows that did not
// leave the process because the budget is spent are not counted, because they only wait.
func (c *Connector) refused(object string, f *Fault, n int) {
	if p := (*crmcall.Parked)(nil); n > 0 && !errors.As(f.cause, &p) {
		c.observer.Pushed(object, string(f.Class), n)
	}
}

// objectOf returns the object to which a part belongs.
func objectOf(part string) string {
	switch part {
	case searchPart, contactPart:
		return contacts
	}
	return communications
}

// answer returns the answer for one InMail: what became of each of its parts. The class of the whole is
// that of the search, else of the record, else of another part.
func (c *Connector) answer(w *work, now time.Time) domain.PushAnswer {
	l := w.link
	if w.stale {
		l.Failures = nil
		l.Summarize()
		l.PushedVersion = max(l.PushedVersion, w.push.InMail.Version)
		return domain.PushAnswer{Link: l, Class: domain.Stale}
	}
	if late := w.timeNote(lateNote); !late.IsZero() && w.faults[domain.RecordPart] == nil && w.faults[searchPart] == nil {
		w.note(latePart, &Fault{Class: domain.Locked, Code: "GIVEN_UP_CALL_MAY_COME_LATE", until: late}, false)
		l = w.link
	}
	failures := map[string]domain.Failure{}
	var worst *Fault
	for _, part := range []string{searchPart, domain.RecordPart, repliedPart, contactPart, latePart} {
		f := w.faults[part]
		if f == nil {
			continue
		}
		if worst == nil {
			worst = f
		}
		failures[part] = c.failure(failureOf(w.push.Link, part), objectOf(part), f, w.sent[part], now)
	}
	if worst == nil {
		l.Failures = nil
		l.Summarize()
		return domain.PushAnswer{Link: l, Class: domain.Taken}
	}
	if w.faults[searchPart] != nil { // nothing was sent, so the other parts are as they were
		for part, f := range w.push.Link.Failures {
			if _, there := failures[part]; !there {
				failures[part] = f
			}
		}
	}
	if l.RecordID == "" && w.faults[searchPart] == nil && worst.Class != domain.LostReference && w.want.Match == domain.Matched {
		w.want.keep(&l) // the parents that were found are kept for the next try
	}
	l.Failures = failures
	l.Summarize()
	a := domain.PushAnswer{Link: l, Class: worst.Class, OfCall: worst.OfCall && (w.faults[searchPart] != nil || w.faults[domain.RecordPart] != nil)}
	if worst.Class == domain.LimitReached {
		a.Until = c.parkedUntil(worst, now)
	} else {
		a.Until = worst.until
	}
	return a
}

// failure returns the failure of a part: its last one, after one more push.
func (c *Connector) failure(last domain.Failure, object string, f *Fault, sent bool, now time.Time) domain.Failure {
	is := domain.Failure{Object: object, Class: f.Class, Detail: f.Detail(), Attempts: last.Attempts, FailedAt: now,
		Until: f.until, OfCall: f.OfCall}
	if sent && f.Class != domain.LimitReached { // a limit is no fault of the row
		if f.Class == domain.LostReference && last.Class != domain.LostReference {
			is.Attempts = 0
		}
		is.Attempts++
	}
	switch f.Class {
	case domain.LimitReached:
		is.Until = c.parkedUntil(f, now)
	case domain.Locked:
		if is.Until.IsZero() && f.Rest > 0 {
			is.Until = now.Add(f.Rest)
		}
	}
	return is
}
