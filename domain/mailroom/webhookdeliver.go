package mailroom

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"inmail/domain"
)

// The bounds of a batch of deliveries to one end point. Only one worker has the lease of an end point, and a
// batch ends in it, so an end point that hangs holds one worker for a bounded time.
const (
	WebhookTry   = 20 * time.Second // the longest that one try may take
	WebhookSpell = 12 * time.Second // a batch starts no further try after that
	// WebhookLease is how long a batch may take, with the time to store how it ended.
	WebhookLease = WebhookSpell + WebhookTry + 8*time.Second
	webhookPage  = 200 // events of one batch, and waiting deliveries of one batch
)

// WebhookWorkers is how many workers deliver to end points at once, so that each end point has one of its own
// beside the one that looks what is due: however many of them hang, the others wait for none of them (R68).
const WebhookWorkers = MaxWebhooks + 1

// WebhookBatch is what one worker delivers to one end point next.
type WebhookBatch struct {
	Webhook Webhook
	Due     []DueDelivery // by position; those of one InMail come in its order
	Passed  int64         // the position of the end point when all of it is stored
	Probe   bool          // the end point is down: this shows whether it still is
}

// DueDelivery is one event that is due, with how its delivery ended.
type DueDelivery struct {
	Event Event
	Body  []byte
	Row   Delivery // what the record has of it; without Position: nothing

	Tried  bool // it was sent; else the worker gave up before, or an earlier one of its InMail failed
	Behind bool // an earlier one of its InMail failed
	Answer WebhookAnswer
	Spread float64 // 0..1, spreads the next try
}

// Message returns what is sent for a due delivery.
func (b *WebhookBatch) Message(d DueDelivery) WebhookMessage {
	m := WebhookMessage{URL: b.Webhook.URL, ID: d.Event.ID(), Body: d.Body, Secrets: [][]byte{b.Webhook.Secret}}
	if len(b.Webhook.EarlierSecret) > 0 {
		m.Secrets = append(m.Secrets, b.Webhook.EarlierSecret)
	}
	return m
}

// DueWebhooks returns the end points that have something due and that no worker delivers to.
func (svc *Service) DueWebhooks(ctx context.Context) (ids []string, err error) {
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		ids, err = tx.DueWebhooks()
		return err
	})
	return ids, wrap("look for end points that are due", err)
}

// AskDeliveries asks for a delivery to each of these end points.
func (svc *Service) AskDeliveries(ctx context.Context, ids []string) error {
	tasks := make([]Task, len(ids))
	for i, id := range ids {
		tasks[i] = Task{Type: TaskWebhookDeliver, IDs: []string{id}}
	}
	if len(tasks) == 0 {
		return nil
	}
	return svc.queue.Enqueue(ctx, tasks...)
}

// ClaimDeliveries leases an end point to holder and returns what is due there; nil when nothing is, or when
// another worker has the lease.
func (svc *Service) ClaimDeliveries(ctx context.Context, id string, holder domain.ID) (batch *WebhookBatch, err error) {
	settled, err := svc.record.Settled(ctx)
	if err != nil {
		return nil, wrap("claim deliveries", err)
	}
	err = svc.record.Update(ctx, func(tx Tx) error {
		batch = nil
		w, err := tx.LockWebhook(id)
		if err != nil || w == nil {
			return err
		}
		now := tx.Now()
		if w.Holder != holder && now.Before(w.LeasedUntil) && w.LeasedUntil.Sub(now) <= WebhookLease {
			return nil
		}
		b := &WebhookBatch{Webhook: *w, Passed: w.Position}
		if err := svc.fill(tx, b, settled); err != nil {
			return err
		}
		w.Holder, w.LeasedUntil = holder, now.Add(WebhookLease)
		if w.Position = b.Webhook.Position; len(b.Due) == 0 {
			if w.Position = b.Passed; b.Webhook.Holder == "" && b.Passed == b.Webhook.Position {
				return nil // nothing to store
			}
			w.Holder, w.LeasedUntil = "", time.Time{}
			return tx.PutWebhook(*w)
		}
		if !now.Before(w.EarlierUntil) {
			w.EarlierSecret, b.Webhook.EarlierSecret = nil, nil
		}
		batch = b
		return tx.PutWebhook(*w)
	})
	return batch, wrap("claim deliveries", err)
}

// fill puts into a batch what is due: tests always; of an end point that is on the deliveries that wait and
// are due, with those behind them, and the next events; of one that is down the oldest alone.
func (svc *Service) fill(tx Tx, b *WebhookBatch, settled int64) error {
	w, now := b.Webhook, tx.Now()
	rows, err := tx.DueDeliveries(w.ID, webhookPage, w.OffAt.IsZero() && w.DownSince.IsZero())
	if err != nil {
		return err
	}
	var fresh []Event
	switch {
	case !w.OffAt.IsZero() || now.Before(w.RetryAt):
	case !w.DownSince.IsZero():
		b.Probe = true
		oldest, err := tx.OldestWaiting(w.ID)
		if err != nil {
			return err
		}
		if rows = append(rows, oldest...); len(oldest) == 0 {
			if fresh, b.Passed, err = svc.nextEvents(tx, w, settled, 1); err != nil {
				return err
			}
		}
	case len(rows) < webhookPage:
		if fresh, b.Passed, err = svc.nextEvents(tx, w, settled, webhookPage); err != nil {
			return err
		}
	}
	return svc.due(tx, b, rows, fresh)
}

// nextEvents returns up to limit events behind the position of an end point that it asks for, and the
// position up to which events were read.
func (svc *Service) nextEvents(tx Tx, w Webhook, settled int64, limit int) (wanted []Event, passed int64, err error) {
	passed = w.Position
	for scanned := 0; scanned < feedScan && len(wanted) < limit; {
		events, err := tx.Events(passed, settled, MaxPage)
		if err != nil {
			return nil, 0, err
		}
		for _, e := range events {
			if len(wanted) == limit {
				break
			}
			if passed = e.Position; w.Wants(e.Kind) {
				wanted = append(wanted, e)
			}
		}
		if scanned += len(events); len(events) < MaxPage {
			break
		}
	}
	return wanted, passed, nil
}

// due makes the deliveries of a batch from those that wait and from fresh events.
func (svc *Service) due(tx Tx, b *WebhookBatch, rows []Delivery, fresh []Event) error {
	var inmails []domain.ID
	for _, e := range fresh {
		if e.InMail != "" {
			inmails = append(inmails, e.InMail)
		}
	}
	waiting, err := tx.WaitingInMails(b.Webhook.ID, inmails)
	if err != nil {
		return err
	}
	claimed := map[domain.ID]bool{}
	var positions []int64
	byPosition := map[int64]Delivery{}
	var events []Event
	for _, d := range rows {
		claimed[d.InMail] = true
		if byPosition[d.Position] = d; d.Position < 0 {
			events = append(events, testEvent(b.Webhook.ID, time.UnixMilli(-d.Position).UTC()))
			continue
		}
		positions = append(positions, d.Position)
	}
	old, err := tx.EventsAt(positions)
	if err != nil {
		return err
	}
	events = append(append(events, old...), fresh...)
	text := svc.policy.WebhookText
	if b.Webhook.Text != "" {
		text = b.Webhook.Text.AtMost(text)
	}
	views, err := svc.eventViews(tx, events, text)
	if err != nil {
		return err
	}
	bodies := make(map[int64][]byte, len(views))
	for _, v := range views {
		if bodies[v.Position], err = json.Marshal(v); err != nil {
			return fmt.Errorf("write the event %s: %w", v.ID(), err)
		}
	}
	for _, e := range events {
		d := DueDelivery{Event: e, Body: bodies[e.Position], Row: byPosition[e.Position]}
		// A fresh event goes behind those of its InMail that wait, and are not all claimed.
		d.Behind = d.Row.Position == 0 && e.InMail != "" && waiting[e.InMail]
		if d.Body == nil { // what it is about is gone: nobody can be sent it any more
			d.Tried = true
		}
		b.Due = append(b.Due, d)
	}
	return nil
}

// StoreDeliveries stores how the deliveries of a batch ended, and gives the lease back. It switches the end
// point off when it answered 410, or fails for WebhookGiveUp. A batch whose lease was lost stores nothing: it
// is delivered again.
func (svc *Service) StoreDeliveries(ctx context.Context, b *WebhookBatch, holder domain.ID) (off string, err error) {
	var tried, delivered int
	err = svc.record.Update(ctx, func(tx Tx) error {
		off, tried, delivered = "", 0, 0
		w, err := tx.LockWebhook(b.Webhook.ID)
		if err != nil || w == nil || w.Holder != holder {
			return err
		}
		now := tx.Now()
		w.Holder, w.LeasedUntil = "", time.Time{}
		if w.Position == b.Webhook.Position { // no replay came in between
			w.Position = b.Passed
		}
		var rows []Delivery
		var moved []domain.ID
		oldest := now
		for _, d := range b.Due {
			row, changed := d.ended(w.ID, now)
			if changed {
				rows = append(rows, row)
			}
			if d.Event.InMail != "" {
				moved = append(moved, d.Event.InMail)
			}
			if !d.Tried || d.Body == nil {
				continue
			}
			if tried++; d.Answer.Reason == "" {
				delivered++
			} else if row.Position > 0 && row.FirstAt.Before(oldest) {
				oldest = row.FirstAt
			}
			w.LastAt, w.LastStatus, w.LastReason = now, d.Answer.Status, d.Answer.Reason
			if d.Answer.Status == 410 && off == "" {
				off = OffGone
			}
		}
		if err := tx.PutDeliveries(rows); err != nil {
			return err
		}
		if err := tx.FreeFollowers(w.ID, moved); err != nil {
			return err
		}
		wasDown := !w.DownSince.IsZero()
		switch {
		case delivered > 0:
			w.DownSince, w.Tries, w.RetryAt = time.Time{}, 0, time.Time{}
		case b.failed() >= WebhookDownAfter || b.Probe && b.failed() > 0:
			if !wasDown {
				w.DownSince = now
			}
			w.Tries++
			w.RetryAt = now.Add(WebhookRetry(w.Tries, b.Due[0].Spread))
			if w.DownSince.Before(oldest) {
				oldest = w.DownSince
			}
		}
		if wasDown && delivered > 0 {
			if err := tx.RetryDeliveries(w.ID); err != nil {
				return err
			}
		}
		if off == "" && now.Sub(oldest) >= WebhookGiveUp {
			off = OffTooLong
		}
		if !w.OffAt.IsZero() { // it was off already, and this was a test
			off = ""
		}
		if off != "" {
			if err := svc.switchOff(tx, w, off, ""); err != nil {
				return err
			}
		}
		return tx.PutWebhook(*w)
	})
	if err != nil {
		return "", wrap("store deliveries", err)
	}
	for i := range tried {
		svc.observer.Notify(WebhookTried{Delivered: i < delivered})
	}
	if off != "" {
		svc.observer.Notify(WebhookOff{})
	}
	return off, nil
}

// WebhookDownAfter is how many tries must fail, and none succeed, for an end point to count as down: then the
// others are not tried, and stay where they are in the record.
const WebhookDownAfter = 5

// failed returns how many events were tried in vain, tests left out.
func (b *WebhookBatch) failed() (n int) {
	for _, d := range b.Due {
		if d.Tried && d.Answer.Reason != "" && d.Event.Position > 0 {
			n++
		}
	}
	return n
}

// ended returns what the record keeps of a delivery after its batch; changed is false where it keeps nothing
// new.
func (d DueDelivery) ended(webhook string, now time.Time) (row Delivery, changed bool) {
	row = d.Row
	fresh := row.Position == 0
	row.Webhook, row.Position, row.InMail = webhook, d.Event.Position, d.Event.InMail
	if !d.Tried {
		if fresh && !d.Behind {
			row.NextAt = now // the worker gave up before
		}
		return row, fresh
	}
	if row.Tries++; row.FirstAt.IsZero() {
		row.FirstAt = now
	}
	row.LastAt, row.LastStatus, row.LastReason, row.NextAt = now, d.Answer.Status, d.Answer.Reason, time.Time{}
	switch {
	case d.Answer.Reason == "":
		row.DeliveredAt = now
		return row, !fresh
	case row.Position > 0:
		row.NextAt = now.Add(WebhookRetry(row.Tries, d.Spread))
	}
	return row, true
}

// FreeDeliveries ends all leases of end points, which an earlier process left. Only a process that is alone
// on the record may call it.
func (svc *Service) FreeDeliveries(ctx context.Context) error {
	return wrap("end leases of end points", svc.record.Update(ctx, func(tx Tx) error { return tx.FreeWebhooks() }))
}
