package hubspot

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"inmail/domain"
)

// item is a communication that is to be written.
type item struct {
	work  *work
	event string
	row   map[string]string
}

func (it item) key() string { return eventID(it.work.push.InMail.ID, it.event) }

// part returns the part of the InMail that the communication is.
func (it item) part() string {
	if it.event == repliedEvent {
		return repliedPart
	}
	return domain.RecordPart
}

func (it item) note(f *Fault) { it.work.note(it.part(), f, true) }

// sending is the state of the writes of one push.
type sending struct {
	c       *Connector
	p       *portal
	failed  int    // calls without an answer
	split   int    // calls that look for faulty rows
	stop    *Fault // the fault for which nothing more is sent; nil: none
	updates []item // records that a conflict showed to be there already
}

// write creates the communications that are missing and updates the others, a hundred in a call.
func (c *Connector) write(ctx context.Context, p *portal, works []*work) {
	s := &sending{c: c, p: p}
	var creates, updates []item
	for _, w := range unsettled(works) {
		sent := item{work: w, event: sentEvent}
		switch {
		case w.link.RecordID == "":
			creates = append(creates, sent)
		case w.needsRecord():
			updates = append(updates, sent)
		default:
			w.written()
		}
		if w.push.InMail.RepliedAt.IsZero() {
			continue
		}
		replied := item{work: w, event: repliedEvent}
		switch id := w.link.Notes[repliedNote]; {
		case id == "" && !w.erased() && (w.want.ContactID != "" || w.want.CompanyID != ""):
			creates = append(creates, replied)
		case id != "" && id != removed && w.erased(): // its names go (R60)
			updates = append(updates, replied)
		}
	}
	for part := range slices.Chunk(creates, maxBatch) {
		s.create(ctx, part)
	}
	for part := range slices.Chunk(append(updates, s.updates...), maxBatch) {
		s.update(ctx, part)
	}
}

// written notes that the portal has the record in its newest state.
func (w *work) written() {
	w.wrote = true
	w.link.PushedVersion = max(w.link.PushedVersion, w.push.InMail.Version)
	w.link.PushedSeq = max(w.link.PushedSeq, w.push.InMail.Seq)
	if w.checked {
		w.setNote(lateNote, "")
	}
}

// associationType is a type of association, and association one that a record is created with.
type (
	associationType struct {
		Category string `json:"associationCategory"`
		ID       int    `json:"associationTypeId"`
	}
	association struct {
		To    key               `json:"to"`
		Types []associationType `json:"types"`
	}
)

func typed(id int) []associationType { return []associationType{{"HUBSPOT_DEFINED", id}} }

// associationsOf returns the associations of a communication under its parents and the open leads.
func associationsOf(at parents, leads []string, leadType int) []association {
	all := []association{} // HubSpot wants a list, be it empty
	if at.ContactID != "" {
		all = append(all, association{key{at.ContactID}, typed(toContact)})
	}
	if at.CompanyID != "" {
		all = append(all, association{key{at.CompanyID}, typed(toCompany)})
	}
	for _, id := range leads {
		all = append(all, association{key{id}, typed(leadType)})
	}
	return all
}

type createInput struct {
	Associations []association     `json:"associations"`
	Trace        string            `json:"objectWriteTraceId"`
	Properties   map[string]string `json:"properties"`
}

type updateInput struct {
	ID         string            `json:"id"`
	Trace      string            `json:"objectWriteTraceId"`
	Properties map[string]string `json:"properties"`
}

type inputs[T any] struct {
	Inputs []T `json:"inputs"`
}

// create makes communications with their associations in one call. Each has a trace id, so that a faulty
// one fails alone.
func (s *sending) create(ctx context.Context, items []item) {
	if len(items) == 0 || s.stopped(items) {
		return
	}
	var in inputs[createInput]
	for i := range items {
		items[i].row = s.c.fields(s.p, items[i].work.push, items[i].event)
		in.Inputs = append(in.Inputs, createInput{associationsOf(items[i].work.want, items[i].work.leads, s.p.leadsBy()),
			items[i].key(), items[i].row})
	}
	var out batch
	err := s.c.call(ctx, creating, http.MethodPost, s.c.path("objects", communications, "batch", "create"), in, &out)
	if err != nil {
		s.createFailed(ctx, items, asFault(err))
		return
	}
	byKey := map[string]item{}
	for _, it := range items {
		byKey[it.key()] = it
	}
	n := 0
	for _, r := range out.Results {
		if it, ok := byKey[s.p.keyOf(r)]; ok {
			delete(byKey, it.key())
			it.created(s.p, r.ID)
			n++
		}
	}
	s.c.observe(communications, "created", n)
	var again, conflicts []item
	for _, e := range out.Errors {
		f := rowFault(e)
		for _, trace := range e.Context["objectWriteTraceId"] {
			it, ok := byKey[trace]
			if !ok {
				continue
			}
			delete(byKey, trace)
			switch {
			case f.conflict:
				conflicts = append(conflicts, it)
			case s.repairs(it, f):
				again = append(again, it)
			default:
				s.c.refused(communications, f, 1)
				it.note(f)
			}
		}
	}
	for _, it := range byKey { // neither a result nor an error
		it.unknown(s.c.clock.Now(), unanswered(http.StatusOK, nil))
	}
	s.resolve(ctx, conflicts)
	s.create(ctx, again)
}

// stopped gives items the fault for which nothing more is sent, if there is one.
func (s *sending) stopped(items []item) bool {
	if s.stop == nil {
		return false
	}
	for _, it := range items {
		it.work.note(it.part(), s.stop, false)
	}
	return true
}

// createFailed judges a creation that failed as a whole.
func (s *sending) createFailed(ctx context.Context, items []item, f *Fault) {
	switch {
	case f.conflict:
		s.resolve(ctx, items)
	case f.split && len(items) > 1 && f.Class != domain.Configuration:
		s.halve(ctx, items, f, s.create)
	case f.split && len(items) == 1 && s.repairs(items[0], f), s.withoutLeads(items, f):
		s.create(ctx, items)
	case f.unknown:
		s.failedCall(f)
		s.c.refused(communications, f, len(items))
		for _, it := range items {
			it.unknown(s.c.clock.Now(), f)
		}
	default:
		s.refuse(items, f)
	}
}

// failedCall counts a call without an answer. After a few of them nothing more is sent.
func (s *sending) failedCall(f *Fault) {
	if s.failed++; s.failed >= failedCalls || f.Status == 0 && f.cause != nil {
		s.stop = f
	}
}

// halve sends both halves of items, one row of which spoils the others.
func (s *sending) halve(ctx context.Context, items []item, f *Fault, send func(context.Context, []item)) {
	if s.split += 2; s.split > 2*isolations {
		for _, it := range items { // the rest waits for the next push
			it.work.note(it.part(), &Fault{Class: domain.Locked, Code: f.Code, OfCall: true}, false)
		}
		return
	}
	half := len(items) / 2
	send(ctx, items[:half])
	send(ctx, items[half:])
}

// refuse gives items the fault of their call. One that concerns more than a row ends the push.
func (s *sending) refuse(items []item, f *Fault) {
	own := *f
	if len(items) == 1 && own.Class == domain.BadData {
		own.OfCall = false
	}
	s.c.refused(communications, &own, len(items))
	for _, it := range items {
		it.note(&own)
	}
	switch f.Class {
	case domain.LimitReached, domain.LoginFailed, domain.Configuration:
		s.stop = f
	}
	if f.Class == domain.Configuration {
		s.c.forgetPortal() // it is asked again when the cause is removed
	}
}

// repairs changes a row so that HubSpot may take it, and reports whether it is to be sent again. An owner
// that HubSpot refuses is passed over.
func (s *sending) repairs(it item, f *Fault) bool {
	if slices.Contains(f.Names, ownerProperty) && it.row[ownerProperty] != "" {
		s.p.refuse(it.row[ownerProperty])
		s.c.log.Warn("HubSpot refuses an owner, who is passed over for a day", "owner", it.row[ownerProperty], "answer", f.Detail())
		return true
	}
	if slices.Contains(f.Names, tagsProperty) { // an administrator removed an option
		s.c.forgetPortal()
		f.Class = domain.Locked
	}
	return false
}

// unknown notes that a creation got no answer: before the next try its record is looked for.
func (it item) unknown(now time.Time, f *Fault) {
	it.work.setNote(unsureNote, now.UTC().Format(time.RFC3339Nano))
	it.note(f)
}

// created notes that a communication was made.
func (it item) created(p *portal, id string) {
	w := it.work
	w.setNote(portalNote, p.name())
	if it.event == repliedEvent {
		w.setNote(repliedNote, id)
		return
	}
	w.link.RecordID = id
	w.want.keep(&w.link)
	w.written()
}

// resolve finds out what a conflict means: the key of a row is there already. The record may be an earlier
// one of ours, whose answer was lost; it is taken over and updated. Or it lies in the recycle bin, because
// a person removed it; then it stays there. The others are sent again.
func (s *sending) resolve(ctx context.Context, items []item) {
	if len(items) == 0 {
		return
	}
	var works []*work
	for _, it := range items {
		if !slices.Contains(works, it.work) {
			works = append(works, it.work)
		}
	}
	err := s.c.adopt(ctx, s.p, works)
	var rest []item
	for _, it := range items {
		switch {
		case err != nil:
			it.note(asFault(err))
		case it.event == sentEvent && it.work.link.RecordID != "":
			s.updates = append(s.updates, it)
		case it.event == repliedEvent && it.work.link.Notes[repliedNote] != "":
		default:
			rest = append(rest, it)
		}
	}
	if len(rest) == 0 || err != nil {
		return
	}
	binned, err := s.c.binned(ctx, s.p, rest)
	var again []item
	for _, it := range rest {
		switch {
		case err != nil:
			it.note(asFault(err))
		case binned[it.key()]:
			it.work.wasRemoved(it.event)
		default:
			again = append(again, it)
		}
	}
	switch {
	case len(again) == 0:
	case len(again) < len(items):
		s.create(ctx, again)
	case len(again) == 1: // nothing explains it
		again[0].note(&Fault{Class: domain.Locked, Code: "CONFLICT"})
	default:
		s.halve(ctx, again, &Fault{Code: "CONFLICT"}, s.create)
	}
}

// binned returns which of items lie in the recycle bin. Without a unique key nothing is found there.
func (c *Connector) binned(ctx context.Context, p *portal, items []item) (map[string]bool, error) {
	if !p.keyed {
		return nil, nil
	}
	in := readInput{Properties: []string{eventKey}, PropertiesWithHistory: []string{}, IDProperty: eventKey}
	for _, it := range items {
		in.Inputs = append(in.Inputs, key{it.key()})
	}
	var out batch
	path := c.path("objects", communications, "batch", "read") + "?archived=true"
	if err := c.call(ctx, reading, http.MethodPost, path, in, &out); err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, r := range out.Results {
		found[r.text(eventKey)] = true
	}
	return found, nil
}

// update writes the newest state of communications, by the ids of their records and never by their keys: an
// upsert would bring back what a person removed.
func (s *sending) update(ctx context.Context, items []item) {
	if len(items) == 0 || s.stopped(items) {
		return
	}
	var in inputs[updateInput]
	byID := map[string]item{}
	for i := range items {
		it := &items[i]
		it.row = s.c.fields(s.p, it.work.push, it.event)
		id := it.work.link.RecordID
		if it.event == repliedEvent {
			id = it.work.link.Notes[repliedNote]
		}
		in.Inputs = append(in.Inputs, updateInput{id, it.key(), withoutKey(it.row)})
		byID[id] = *it
	}
	var out batch
	err := s.c.call(ctx, updating, http.MethodPost, s.c.path("objects", communications, "batch", "update"), in, &out)
	if err != nil {
		s.updateFailed(ctx, items, asFault(err))
		return
	}
	n := 0
	for _, r := range out.Results {
		if it, ok := byID[r.ID]; ok {
			delete(byID, r.ID)
			if it.event == sentEvent {
				it.work.written()
			}
			n++
		}
	}
	s.c.observe(communications, "updated", n)
	for _, e := range out.Errors {
		f := rowFault(e)
		for _, id := range slices.Concat(e.Context["ids"], e.Context["id"]) {
			if it, ok := byID[id]; ok && f.gone {
				delete(byID, id)
				it.work.wasRemoved(it.event)
			}
		}
		for _, trace := range e.Context["objectWriteTraceId"] {
			for id, it := range byID {
				if it.key() == trace {
					delete(byID, id)
					s.c.refused(communications, f, 1)
					it.note(f)
				}
			}
		}
	}
	for _, it := range byID {
		s.givenUp(it, unanswered(http.StatusOK, nil))
	}
}

// withoutKey returns a row without its key, which no update changes.
func withoutKey(row map[string]string) map[string]string {
	delete(row, eventKey)
	return row
}

// givenUp notes that an update got no answer: it may still be carried out, after the next one.
func (s *sending) givenUp(it item, f *Fault) {
	it.work.setNote(lateNote, s.c.clock.Now().Add(serverTime).UTC().Format(time.RFC3339Nano))
	it.work.checked = false
	it.note(f)
}

// updateFailed judges an update that failed as a whole.
func (s *sending) updateFailed(ctx context.Context, items []item, f *Fault) {
	switch {
	case f.split && len(items) > 1 && f.Class != domain.Configuration:
		s.halve(ctx, items, f, s.update)
	case f.split && len(items) == 1 && s.repairs(items[0], f):
		s.update(ctx, items)
	case f.gone && len(items) == 1:
		items[0].work.wasRemoved(items[0].event)
	case f.unknown:
		s.failedCall(f)
		s.c.refused(communications, f, len(items))
		for _, it := range items {
			s.givenUp(it, f)
		}
	default:
		s.refuse(items, f)
	}
}

// observe counts rows, where there are any.
func (c *Connector) observe(object, result string, n int) {
	if n > 0 {
		c.observer.Pushed(object, result, n)
	}
}

// moveAssociations gives records their new parents, where another id was given, or a contact was lost.
func (c *Connector) moveAssociations(ctx context.Context, works []*work) {
	for _, side := range []struct {
		object string
		typeID int
		of     func(parents) string
	}{
		{contacts, toContact, func(at parents) string { return at.ContactID }},
		{companies, toCompany, func(at parents) string { return at.CompanyID }},
	} {
		var add inputs[pairOf]
		var drop inputs[endOf]
		var moved []*work
		for _, w := range unsettled(works) {
			old, now := side.of(w.was), side.of(w.want)
			if !w.moved || w.link.RecordID == "" || old == now {
				continue
			}
			moved = append(moved, w)
			for _, id := range []string{w.link.RecordID, w.link.Notes[repliedNote]} {
				if id == "" || id == removed {
					continue
				}
				if now != "" {
					add.Inputs = append(add.Inputs, pairOf{key{id}, key{now}, typed(side.typeID)})
				}
				if old != "" {
					drop.Inputs = append(drop.Inputs, endOf{key{id}, []key{{old}}})
				}
			}
		}
		err := c.associate(ctx, side.object, add.Inputs, drop.Inputs)
		for _, w := range moved {
			if err != nil {
				w.note(domain.RecordPart, asFault(err), true)
			} else {
				w.want.keep(&w.link)
			}
		}
	}
}

// pairOf is an association to be made, and endOf are some to be ended.
type (
	pairOf struct {
		From  key               `json:"from"`
		To    key               `json:"to"`
		Types []associationType `json:"types"`
	}
	endOf struct {
		From key   `json:"from"`
		To   []key `json:"to"`
	}
)

// maxPairs is how many associations a call makes.
const maxPairs = 2000

// associate makes and ends associations of communications with records of another object.
func (c *Connector) associate(ctx context.Context, object string, add []pairOf, drop []endOf) error {
	for part := range slices.Chunk(add, maxPairs) {
		path := c.path("associations", communications, object, "batch", "create")
		if err := c.call(ctx, associations, http.MethodPost, path, inputs[pairOf]{part}, nil); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(drop, maxBatch) {
		path := c.path("associations", communications, object, "batch", "archive")
		if err := c.call(ctx, associations, http.MethodPost, path, inputs[endOf]{part}, nil); err != nil {
			return err
		}
	}
	return nil
}

// group is what is known of one contact during a push.
type group struct {
	works []*work
	last  *domain.InMail // the newest of the InMails of this push to the contact
}

// writeContacts keeps status and time of the last InMail on each contact whose InMails were written. A
// contact that has a newer one keeps it; one that is gone is left alone; one that was merged is followed.
func (c *Connector) writeContacts(ctx context.Context, p *portal, works []*work) {
	if !c.keepsContacts(p) {
		return
	}
	groups := map[string]*group{}
	known := map[string]*person{}
	var unread []string
	for _, w := range unsettled(works) {
		_, failed := w.push.Link.Failures[contactPart]
		id := parentsOf(w.link).ContactID
		if id == "" || w.erased() || !w.wrote && !failed {
			continue
		}
		g := groups[id]
		if g == nil {
			g = &group{}
			groups[id] = g
		}
		if w.person != nil && w.person.id == id {
			known[id] = w.person
		}
		g.works = append(g.works, w)
		if m := &w.push.InMail; g.last == nil || m.SentAt.After(g.last.SentAt) || m.SentAt.Equal(g.last.SentAt) && m.ID > g.last.ID {
			g.last = m
		}
	}
	for id := range groups {
		if known[id] == nil {
			unread = append(unread, id)
		}
	}
	slices.Sort(unread)
	found, err := c.readMerged(ctx, contacts, &c.contactMoves, unread, lastSentProperty, lastStatusProperty)
	if err != nil {
		for _, id := range unread {
			groups[id].fail(asFault(err))
			delete(groups, id)
		}
	}
	for id, r := range found {
		if groups[id] != nil {
			known[id] = personOf(r)
		}
	}
	c.updateContacts(ctx, groups, known)
}

func (g *group) fail(f *Fault) {
	for _, w := range g.works {
		w.note(contactPart, f, true)
	}
}

// updateContacts writes the groups whose contact is known and has an older InMail.
func (c *Connector) updateContacts(ctx context.Context, groups map[string]*group, known map[string]*person) {
	var rows []updateInput
	byID := map[string]*group{}
	for _, id := range sortedKeys(groups) {
		g, person := groups[id], known[id]
		if person == nil {
			continue
		}
		for _, w := range g.works { // it was merged into another
			if at := parentsOf(w.link); at.ContactID != person.id {
				at.ContactID = person.id
				at.keep(&w.link)
			}
		}
		status, sentAt := string(g.last.Status), datetime(g.last.SentAt)
		there, err := time.Parse(time.RFC3339, person.lastSent)
		if err == nil && there.After(g.last.SentAt.Truncate(time.Millisecond)) || err == nil && person.lastStatus == status &&
			there.Equal(g.last.SentAt.Truncate(time.Millisecond)) || byID[person.id] != nil {
			continue
		}
		byID[person.id] = g
		rows = append(rows, updateInput{person.id, person.id, map[string]string{lastStatusProperty: status, lastSentProperty: sentAt}})
	}
	for part := range slices.Chunk(rows, maxBatch) {
		for i, f := range c.updateSomeContacts(ctx, part, isolations) {
			if f == nil {
				continue
			}
			g := byID[part[i].ID]
			if g.fail(f); !f.unknown {
				continue
			}
			for _, w := range g.works { // it may come late, and show an older state
				w.setNote(lateNote, c.clock.Now().Add(serverTime).UTC().Format(time.RFC3339Nano))
			}
		}
	}
}

// updateSomeContacts writes one batch, and returns the fault of each row; nil: it was written, or its contact
// is gone. A batch that is refused as a whole is halved until the faulty row is alone.
func (c *Connector) updateSomeContacts(ctx context.Context, rows []updateInput, tries int) []*Fault {
	faults := make([]*Fault, len(rows))
	var out batch
	err := c.call(ctx, updating, http.MethodPost, c.path("objects", contacts, "batch", "update"), inputs[updateInput]{rows}, &out)
	if err == nil {
		c.observe(contacts, "updated", len(out.Results))
		return faults
	}
	f := asFault(err)
	if f.split && len(rows) > 1 && tries > 1 {
		half := len(rows) / 2
		return slices.Concat(c.updateSomeContacts(ctx, rows[:half], tries/2), c.updateSomeContacts(ctx, rows[half:], tries/2))
	}
	c.refused(contacts, f, len(rows))
	for i := range faults {
		faults[i] = f
	}
	return faults
}

// sortedKeys returns the keys of a map in their order.
func sortedKeys[T any](of map[string]T) []string { return slices.Sorted(maps.Keys(of)) }
