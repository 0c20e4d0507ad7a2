package hubspot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"inmail/domain"
	"inmail/domain/crmcall"
	"inmail/domain/mailroom"
)

// backfill is the state of a running backfill, which is stored between runs.
type backfill struct {
	SoFar mailroom.BackfillProgress `json:"so"`
}

// Backfill brings every InMail of the record to the portal, whatever the links say about it: a page at a
// time, in batches of a hundred, while no push writes. What is there is found by its key and written
// again; what a person removed there stays away. A backfill that was killed at any step goes on with the
// page that it was in. It stops with a *mailroom.Waits when the budget is spent.
func (c *Connector) Backfill(ctx context.Context, record mailroom.CRMRecord,
	progress func(mailroom.BackfillProgress)) (mailroom.BackfillProgress, error) {
	if !c.Configured() {
		return mailroom.BackfillProgress{}, mailroom.ErrNotConfigured
	}
	if !c.backfilling.TryLock() {
		return mailroom.BackfillProgress{}, errors.New("a backfill is under way in this process")
	}
	defer c.backfilling.Unlock()
	ctx, made := crmcall.Count(crmcall.Background(ctx))
	b := &backfill{}
	notify := func() {
		b.SoFar.Calls += made.Take()
		if progress != nil {
			progress(b.SoFar)
		}
	}
	err := c.resumeBackfill(ctx, record, b)
	notify()
	for err == nil && !b.SoFar.Done {
		err = c.fillPage(ctx, record, b)
		notify()
	}
	if err != nil {
		return b.SoFar, c.waits(fmt.Errorf("backfill HubSpot: %w", err))
	}
	return b.SoFar, nil
}

func (c *Connector) resumeBackfill(ctx context.Context, record mailroom.CRMRecord, b *backfill) error {
	blob, err := record.State(ctx, backfillState)
	if err != nil {
		return fmt.Errorf("read how far the backfill came: %w", err)
	}
	if blob == nil || json.Unmarshal(blob, b) != nil || b.SoFar.Done {
		*b = backfill{mailroom.BackfillProgress{StartedAt: c.clock.Now(), Bulk: true}}
		plan, err := countInMails(ctx, record)
		if err != nil {
			return err
		}
		b.SoFar.Total = plan.InMails
	}
	return keepBackfill(ctx, record, b)
}

func keepBackfill(ctx context.Context, record mailroom.CRMRecord, b *backfill) error {
	var blob []byte
	if !b.SoFar.Done {
		blob, _ = json.Marshal(b) // texts, numbers and times cannot fail to encode
	}
	if err := record.SetState(ctx, backfillState, blob); err != nil {
		return fmt.Errorf("keep how far the backfill came: %w", err)
	}
	return nil
}

// fillPage brings the next page to the portal and stores the result.
func (c *Connector) fillPage(ctx context.Context, record mailroom.CRMRecord, b *backfill) error {
	var read int
	var last domain.ID
	err := record.Alone(ctx, func(ctx context.Context) error {
		pushes, err := record.PushesAfter(ctx, b.SoFar.After, pageSize)
		if err != nil {
			return fmt.Errorf("read the record: %w", err)
		}
		if read = len(pushes); read == 0 {
			return nil
		}
		last = pushes[read-1].InMail.ID
		works := c.newWorks(pushes)
		for _, w := range works {
			w.fromScratch()
		}
		answers := c.bring(ctx, works)
		if f := silence(works, answers); f != nil { // the page is gone through again
			return f
		}
		if err := c.keep(ctx, record, answers); err != nil {
			return err
		}
		for _, a := range answers {
			switch {
			case a.Class != domain.Taken && a.Class != domain.Stale:
				b.SoFar.Failed++
				b.SoFar.Pushed++
			case a.Link.RecordID != "":
				b.SoFar.Records++
			}
			if id := a.Link.Notes[repliedNote]; id != "" && id != removed {
				b.SoFar.Beside++
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.SoFar.InMails += read
	b.SoFar.Prepared = b.SoFar.InMails
	if last != "" {
		b.SoFar.After = last
	}
	b.SoFar.Done = read < pageSize
	return keepBackfill(ctx, record, b)
}

// silence returns the fault for which nothing of a page was brought, if a call without an answer was it.
func silence(works []*work, answers []domain.PushAnswer) *Fault {
	var f *Fault
	for i, a := range answers {
		switch {
		case !works[i].settled && !a.OfCall:
			return nil
		case !works[i].settled && f == nil:
			if f = works[i].faults[searchPart]; f == nil {
				f = works[i].faults[domain.RecordPart]
			}
		}
	}
	if f == nil || f.Class != domain.Unreachable && f.Class != domain.Locked {
		return nil
	}
	return f
}

// fromScratch forgets what a link says, so that the records are looked for by their keys. What was removed
// in HubSpot stays noted.
func (w *work) fromScratch() {
	l := w.link
	w.link = domain.Link{InMail: l.InMail, CRM: l.CRM, PushedVersion: l.PushedVersion, PushedSeq: l.PushedSeq}
	for _, name := range []string{portalNote, sentNote, repliedNote} {
		if v := l.Notes[name]; name == portalNote && v != "" || v == removed {
			w.setNote(name, v)
		}
	}
	w.find = l.RecordID != "" || len(l.Notes) > 0
	w.want, w.force = parents{}, true
}

// countInMails counts the InMails of the record, and the replies that have a communication of their own.
func countInMails(ctx context.Context, record mailroom.CRMRecord) (p mailroom.BackfillPlan, err error) {
	var after domain.ID
	for {
		pushes, err := record.PushesAfter(ctx, after, pageSize)
		if err != nil {
			return p, fmt.Errorf("read the record: %w", err)
		}
		p.InMails += len(pushes)
		for i := range pushes {
			if !pushes[i].InMail.RepliedAt.IsZero() {
				p.Beside++
			}
		}
		if len(pushes) < pageSize {
			return p, nil
		}
		after = pushes[len(pushes)-1].InMail.ID
	}
}

// PlanBackfill counts what a backfill would take. It makes no call.
func (c *Connector) PlanBackfill(ctx context.Context, record mailroom.CRMRecord) (mailroom.BackfillPlan, error) {
	if !c.Configured() {
		return mailroom.BackfillPlan{}, mailroom.ErrNotConfigured
	}
	p, err := countInMails(ctx, record)
	hundreds := func(n int) int { return (n + maxBatch - 1) / maxBatch }
	// The member ids and addresses of those whom the ids do not find, the keys, the records and the
	// contacts.
	p.Calls = 5*hundreds(p.InMails) + hundreds(p.Beside) + (p.InMails+maxLinkedRead-1)/maxLinkedRead
	return p, err
}
