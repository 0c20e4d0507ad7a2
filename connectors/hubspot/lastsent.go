package hubspot

import (
	"context"
	"slices"
	"time"

	"inmail/domain"
)

// latest is the newest of a contact's InMails, as far as a reconcile has come. Several may have been sent in
// the same millisecond; then the contact may have the status of any of them.
type latest struct {
	At       time.Time `json:"at"`
	ID       domain.ID `json:"id"` // the last of those sent then
	Status   string    `json:"status"`
	Statuses []string  `json:"statuses"`
	Any      bool      `json:"any"`  // one of them was removed in HubSpot: its status is not kept true
	Busy     bool      `json:"busy"` // one of them is to be pushed, which writes the contact
	Shown    time.Time `json:"-"`    // what the contact shows, where that is later
}

// merge adds what is known of other InMails to the same contact.
func (l *latest) merge(other *latest) {
	l.Busy = l.Busy || other.Busy
	switch {
	case other.At.After(l.At):
		l.At, l.ID, l.Status, l.Statuses, l.Any = other.At, other.ID, other.Status, other.Statuses, other.Any
	case other.At.Equal(l.At):
		l.Statuses, l.Any = append(l.Statuses, other.Statuses...), l.Any || other.Any
		if other.ID > l.ID {
			l.ID, l.Status = other.ID, other.Status
		}
	}
}

// wrong returns the kind of drift of a contact's properties; empty: they are right. later says that the
// contact has a later InMail than l, which is right if there is one.
func (l *latest) wrong(is *person) (kind string, later bool) {
	there, err := time.Parse(time.RFC3339, is.lastSent)
	switch {
	case l.Busy:
		return "", false
	case err != nil || there.Before(l.At):
		return stale, false
	case there.After(l.At):
		return "", true
	case !l.Any && !slices.Contains(l.Statuses, is.lastStatus):
		return edited, false
	}
	return "", false
}

// latestOf returns the newest of the InMails of a page to each contact, by the id of the contact.
func (c *Connector) latestOf(p *portal, pushes []domain.Push) map[string]*latest {
	all := map[string]*latest{}
	for i := range pushes {
		m, l := &pushes[i].InMail, pushes[i].Link
		gone := l.Notes[sentNote] == removed
		contact := parentsOf(l).ContactID
		if contact == "" || m.SentAt.IsZero() || m.Recipient == domain.Erased || l.Notes[portalNote] != p.name() ||
			l.RecordID == "" && !gone {
			continue
		}
		one := &latest{At: m.SentAt.Truncate(time.Millisecond), ID: m.ID, Status: string(m.Status), Statuses: []string{string(m.Status)},
			Any: gone, Busy: l.PushedVersion < m.Version || len(l.Failures) > 0}
		if all[contact] == nil {
			all[contact] = one
		} else {
			all[contact].merge(one)
		}
	}
	return all
}

// wrongContact is a contact that shows another InMail than its last one, or another status of it.
type wrongContact struct {
	kind string
	last *latest
}

// wrongContacts reads contacts and returns those whose properties are wrong, and those that have a later
// InMail than the newest one that is known. A merged contact has the InMails of both. Those that are read
// are open no more.
func (c *Connector) wrongContacts(ctx context.Context, of, open map[string]*latest) (wrong map[string]wrongContact,
	later map[string]*latest, err error) {
	found, err := c.readMerged(ctx, contacts, &c.contactMoves, sortedKeys(of), lastSentProperty, lastStatusProperty)
	if err != nil {
		return nil, nil, err
	}
	people, lasts := map[string]*person{}, map[string]*latest{}
	for id, r := range found {
		last := of[id]
		if last == nil {
			continue
		}
		if people[r.ID] = personOf(r); lasts[r.ID] == nil {
			if lasts[r.ID] = open[r.ID]; lasts[r.ID] == nil {
				lasts[r.ID] = &latest{}
			}
			delete(open, r.ID)
		}
		lasts[r.ID].merge(last)
	}
	wrong, later = map[string]wrongContact{}, map[string]*latest{}
	for id, last := range lasts {
		kind, isLater := last.wrong(people[id])
		if kind != "" {
			wrong[id] = wrongContact{kind, last}
		}
		if isLater {
			last.Shown, _ = time.Parse(time.RFC3339, people[id].lastSent)
			later[id] = last
		}
	}
	return wrong, later, nil
}

// keepsContacts says whether the last InMail is kept on the contacts of a portal.
func (c *Connector) keepsContacts(p *portal) bool {
	return c.config.ContactStatus == on && p.contact[lastStatusProperty] && p.contact[lastSentProperty]
}

// maxOpen is how many contacts may be open at the same time, before those that are wrong are repaired early.
const maxOpen = 1000

// comparePeople judges the contacts of a page of the record. One that is not right stays open until the end
// of the record, because a later page may have its last InMail.
func (c *Connector) comparePeople(ctx context.Context, p *portal, w *comparison, pushes []domain.Push, repairs bool) error {
	if !c.keepsContacts(p) {
		return nil
	}
	wrong, later, err := c.wrongContacts(ctx, c.latestOf(p, pushes), w.Open)
	if err != nil {
		return err
	}
	if w.Open == nil {
		w.Open = map[string]*latest{}
	}
	for id, each := range wrong {
		w.Open[id] = each.last
	}
	for id, last := range later {
		w.Open[id] = last
	}
	if len(w.Open) <= maxOpen {
		return nil
	}
	err = c.settlePeople(ctx, p, w, repairs, false)
	for id := range w.Open { // those whose last InMail has yet to come are taken to be right beyond the bound
		if len(w.Open) > maxOpen {
			delete(w.Open, id)
		}
	}
	return err
}

// settlePeople judges the contacts that are open by what the record has now, and repairs those that are
// wrong. At the end of the record one is wrong too that has a later InMail than all of its own, unless that
// was sent since the reconcile began.
func (c *Connector) settlePeople(ctx context.Context, p *portal, w *comparison, repairs, end bool) error {
	if len(w.Open) == 0 {
		return nil
	}
	find := func(ctx context.Context) (map[string]wrongContact, error) {
		of, err := c.anew(ctx, p, w)
		if err != nil {
			return nil, err
		}
		wrong, later, err := c.wrongContacts(ctx, of, nil)
		for id, last := range later {
			if end && (last.Shown.Before(w.StartedAt) || last.Shown.After(c.clock.Now())) {
				wrong[id] = wrongContact{edited, last}
			}
		}
		return wrong, err
	}
	settle := func(ctx context.Context) error {
		wrong, err := find(ctx)
		if err != nil {
			return err
		}
		var rows []updateInput
		for _, id := range sortedKeys(wrong) {
			last := wrong[id].last
			w.SoFar.Drift[wrong[id].kind]++
			rows = append(rows, updateInput{id, id, map[string]string{lastStatusProperty: last.Status, lastSentProperty: datetime(last.At)}})
			delete(w.Open, id)
		}
		if !repairs {
			w.SoFar.RepairCalls += (len(rows) + maxBatch - 1) / maxBatch
			return nil
		}
		w.SoFar.Resynced += len(rows)
		for part := range slices.Chunk(rows, maxBatch) {
			for _, f := range c.updateSomeContacts(ctx, part, isolations) {
				if f != nil && f.OfCall {
					return f
				}
			}
		}
		return nil
	}
	if repairs {
		return w.record.Alone(ctx, settle)
	}
	return settle(ctx)
}

// anew returns the open contacts with their last InMails as the record has them now.
func (c *Connector) anew(ctx context.Context, p *portal, w *comparison) (map[string]*latest, error) {
	ids := map[domain.ID]bool{}
	for _, last := range w.Open {
		ids[last.ID] = true
	}
	pushes, err := pushesOf(ctx, w.record, ids)
	if err != nil {
		return nil, err
	}
	of := map[string]*latest{}
	for contact, last := range w.Open {
		push := pushes[last.ID]
		if push == nil {
			continue
		}
		for _, now := range c.latestOf(p, []domain.Push{*push}) {
			now.merge(&latest{At: last.At, Statuses: last.Statuses, Any: last.Any})
			of[contact] = now
		}
	}
	return of, nil
}
