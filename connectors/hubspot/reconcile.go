package hubspot

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/crmcall"
	"inmail/domain/mailroom"
)

// These are the kinds of drift.
const (
	missing = "missing" // HubSpot had the record and has it no more
	extra   = "extra"   // HubSpot has a record of an unknown InMail, or a second one of an InMail
	stale   = "stale"   // HubSpot has an older state
	edited  = "edited"  // somebody changed the record in HubSpot
)

// comparison is the state of a running reconcile, which is stored between runs.
type comparison struct {
	After     domain.ID           `json:"after"`
	StartedAt time.Time           `json:"started_at"`
	SoFar     mailroom.Comparison `json:"so"`
	Open      map[string]*latest  `json:"open,omitempty"`   // contacts that are not right so far
	Listing   bool                `json:"listing"`          // the record is compared; the portal's records are listed
	Listed    string              `json:"listed,omitempty"` // the cursor of the list
	record    mailroom.CRMRecord
}

// These constants bound a reconcile.
const (
	pageSize       = 1000           // InMails of a step
	comparisonLife = 24 * time.Hour // a comparison that began earlier starts anew
	reconcileState = "reconcile"
	backfillState  = "backfill"
)

// Compare reads the records of the portal by their ids and compares them with the record. With repairs it
// writes again what differs, notes what was removed, follows contacts that were merged, and looks again for
// the persons of InMails that are held back. Then it lists the communications of the portal for records that
// the record does not know. It goes on where the last run stopped, and stops with a *mailroom.Waits when its
// budget is spent. Without repairs it changes nothing anywhere.
func (c *Connector) Compare(ctx context.Context, record mailroom.CRMRecord, repairs bool,
	progress func(mailroom.Comparison)) (mailroom.Comparison, error) {
	if !c.Configured() {
		return mailroom.Comparison{}, mailroom.ErrNotConfigured
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
			return w.SoFar, c.waits(fmt.Errorf("compare the portal with the record: %w", err))
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

// findings are what a step found: for each InMail that differs, its kind, and those whose person is looked
// for again.
type findings struct {
	kinds   map[domain.ID]string
	moved   map[domain.ID]string // the contact to which a record was moved in HubSpot
	alone   map[domain.ID]bool   // records that lost their contact
	held    map[domain.ID]bool
	waiting int
}

// step compares one page of the record with the portal, and repairs the differences.
func (c *Connector) step(ctx context.Context, w *comparison, repairs bool) error {
	p, err := c.learn(ctx)
	if err != nil {
		return err
	}
	if w.Listing {
		return c.listExtra(ctx, p, w, repairs)
	}
	pushes, err := w.record.PushesAfter(ctx, w.After, pageSize)
	if err != nil {
		return fmt.Errorf("read the record: %w", err)
	}
	found, err := c.compare(ctx, p, pushes)
	if err != nil {
		return err
	}
	w.SoFar.Compared += len(pushes)
	w.SoFar.Waiting += found.waiting
	w.SoFar.Retried += len(found.held)
	if !repairs {
		for _, kind := range found.kinds {
			w.SoFar.Drift[kind]++
		}
		w.SoFar.Moved += len(found.moved) + len(found.alone)
		n := len(found.kinds) + len(found.held) + len(found.alone)
		w.SoFar.RepairCalls += 3 * ((n + maxBatch - 1) / maxBatch)
	} else if len(found.kinds)+len(found.held)+len(found.moved)+len(found.alone) > 0 {
		if err := c.repair(ctx, p, w, len(pushes), found); err != nil {
			return err
		}
	}
	if err := c.comparePeople(ctx, p, w, pushes, repairs); err != nil {
		return err
	}
	if len(pushes) == pageSize {
		w.After = pushes[len(pushes)-1].InMail.ID
		return nil
	}
	w.Listing = true
	return c.settlePeople(ctx, p, w, repairs, true)
}

// compare judges every InMail of a page.
func (c *Connector) compare(ctx context.Context, p *portal, pushes []domain.Push) (*findings, error) {
	found := &findings{kinds: map[domain.ID]string{}, moved: map[domain.ID]string{}, alone: map[domain.ID]bool{}, held: map[domain.ID]bool{}}
	byRecord := map[string]*domain.Push{}
	var ids []string
	for i := range pushes {
		l := pushes[i].Link
		switch {
		case l.RecordID != "" && l.Notes[portalNote] == p.name():
			byRecord[l.RecordID] = &pushes[i]
			ids = append(ids, l.RecordID)
		case l.PushedVersion < pushes[i].InMail.Version:
			found.waiting++
		case (l.Match == domain.Unmatched || l.Match == domain.Ambiguous) && !pushes[i].InMail.SentAt.IsZero() &&
			pushes[i].InMail.Recipient != domain.Erased && l.Notes[sentNote] != removed && !c.droppable(&pushes[i].InMail):
			found.held[pushes[i].InMail.ID] = true
		}
	}
	var names []string
	for _, m := range model {
		if m.object == communications && p.has[m.name] && m.name != sequenceProperty {
			names = append(names, m.name)
		}
	}
	records, gone, err := c.readMissing(ctx, communications, "", ids, append(names, "hs_timestamp", p.sequenceProperty())...)
	if err != nil {
		return nil, err
	}
	people, err := c.linked(ctx, communications, contacts, ids)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		push := byRecord[r.ID]
		if push == nil {
			continue
		}
		delete(byRecord, r.ID)
		c.judge(p, push, r, people[r.ID], found)
	}
	for id, push := range byRecord {
		if gone[id] {
			found.kinds[push.InMail.ID] = missing
		} else { // an answer that leaves a record out says nothing of it
			found.waiting++
		}
	}
	return found, nil
}

// judge compares one record with its InMail. One that waits to be pushed differs only when its record has
// an older state than the one that was pushed.
func (c *Connector) judge(p *portal, push *domain.Push, r result, people []linkedTo, found *findings) {
	id, l := push.InMail.ID, push.Link
	switch seq := p.sequenceOf(r); {
	case seq < l.PushedVersion:
		found.kinds[id] = stale
	case l.PushedVersion < push.InMail.Version:
		found.waiting++
		return
	case c.differs(p, push, r):
		found.kinds[id] = edited
	}
	contact := parentsOf(l).ContactID
	if contact == "" || slices.ContainsFunc(people, func(t linkedTo) bool { return string(t.ID) == contact }) {
		return
	}
	if len(people) == 1 { // merged there, or moved by hand
		found.moved[id] = string(people[0].ID)
	} else if len(people) == 0 && push.InMail.Recipient != domain.Erased {
		found.alone[id] = true
	}
}

// differs says whether a record has other values than those that are written. The body and the owner are
// not compared: HubSpot rewrites the one, and people may change the other. A text may be missing, or be
// left from an earlier policy, because a policy counts from its change on.
func (c *Connector) differs(p *portal, push *domain.Push, r result) bool {
	want := c.fields(p, push, sentEvent)
	for _, m := range model {
		if m.object != communications || !p.has[m.name] || m.from != "" && (r.text(m.name) == "" || !m.leaves(c.text)) {
			continue
		}
		if !sameValue(m.kind, m.field, want[m.name], r.text(m.name)) {
			return true
		}
	}
	return !sameValue("datetime", "date", want["hs_timestamp"], r.text("hs_timestamp"))
}

// sameValue compares a value that we send with HubSpot's.
func sameValue(kind, field, want, got string) bool {
	switch {
	case want == got:
		return true
	case kind == "number":
		a, errA := strconv.ParseFloat(want, 64)
		b, errB := strconv.ParseFloat(got, 64)
		return errA == nil && errB == nil && a == b
	case kind == "datetime":
		a, errA := time.Parse(time.RFC3339, want)
		b, errB := time.Parse(time.RFC3339, got)
		if ms, err := strconv.ParseInt(got, 10, 64); err == nil {
			b, errB = time.UnixMilli(ms), nil
		}
		return errA == nil && errB == nil && a.Equal(b)
	case field == "checkbox":
		a, b := strings.Split(want, ";"), strings.Split(got, ";")
		slices.Sort(a)
		slices.Sort(b)
		return slices.Equal(a, b)
	}
	return strings.TrimSpace(want) == strings.TrimSpace(got)
}

// repair writes again what differs, while no push of any process writes. It reads the page anew, so that
// what was pushed meanwhile is no drift.
func (c *Connector) repair(ctx context.Context, p *portal, w *comparison, n int, first *findings) error {
	return w.record.Alone(ctx, func(ctx context.Context) error {
		pushes, err := w.record.PushesAfter(ctx, w.After, n)
		if err != nil {
			return fmt.Errorf("read the record again: %w", err)
		}
		pushes = slices.DeleteFunc(pushes, func(p domain.Push) bool {
			id := p.InMail.ID
			return first.kinds[id] == "" && first.moved[id] == "" && !first.alone[id] && !first.held[id]
		})
		found, err := c.compare(ctx, p, pushes)
		if err != nil {
			return err
		}
		for _, kind := range found.kinds {
			w.SoFar.Drift[kind]++
		}
		works := c.newWorks(pushes)
		works = slices.DeleteFunc(works, func(each *work) bool {
			id := each.push.InMail.ID
			kind, moved := found.kinds[id], found.moved[id]
			switch {
			case kind == missing:
				each.setNote(sentNote, removed)
				each.link.RecordID = ""
			case kind != "":
				each.force = true
				w.SoFar.Resynced++
			}
			if moved != "" {
				at := parentsOf(each.link)
				at.ContactID = moved
				at.keep(&each.link)
				each.want = at
				w.SoFar.Moved++
			}
			if found.alone[id] {
				each.link.Match, each.link.Parents = domain.NoMatch, nil
				w.SoFar.Moved++
			}
			return kind == "" && moved == "" && !found.alone[id] && !found.held[id]
		})
		held := map[domain.ID]bool{}
		maps.Copy(held, found.held)
		answers := c.bring(ctx, works)
		for _, a := range answers {
			if held[a.Link.InMail] && a.Link.Match == domain.Matched && a.Class == domain.Taken {
				w.SoFar.Matched++
			}
		}
		return c.keep(ctx, w.record, answers)
	})
}

// keep stores what each row answered. A row that failed is due at once, so that an ordinary push gives it
// what follows. Answers that say nothing of their rows are not stored: the next run finds their InMails
// again.
func (c *Connector) keep(ctx context.Context, record mailroom.CRMRecord, answers []domain.PushAnswer) error {
	var limit *Fault
	var known []domain.PushAnswer
	var retryAt []time.Time
	now := c.clock.Now()
	for _, a := range answers {
		switch a.Class {
		case domain.LimitReached:
			if limit == nil {
				limit = &Fault{Class: a.Class, until: a.Until, OfCall: true}
			}
			continue
		case domain.Taken:
			known, retryAt = append(known, a), append(retryAt, time.Time{})
		case domain.Stale:
		default:
			at := now
			if a.Until.After(now) {
				at = a.Until
			}
			known, retryAt = append(known, a), append(retryAt, at)
		}
	}
	for start := 0; start < len(known); start += pageSize {
		end := min(start+pageSize, len(known))
		if err := record.StorePushes(ctx, known[start:end], retryAt[start:end], c.Budget()); err != nil {
			return fmt.Errorf("store what the portal has: %w", err)
		}
	}
	if limit != nil {
		return limit
	}
	return nil
}
