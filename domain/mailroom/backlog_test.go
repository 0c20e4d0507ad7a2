package mailroom_test

import (
	"os"
	"runtime"
	"testing"
	"time"

	"inmail/domain/mailroom"
)

// TestWebhookBacklog lets 20,000 events wait for an end point that is down, in the long form 1,000,000. A
// look at what is due, a claim, the list of end points, the snapshot and its scrape cost the memory that they
// cost with 1,000 of them (R68).
func TestWebhookBacklog(t *testing.T) {
	few, many := 1_000, 20_000
	if os.Getenv("INMAIL_TEST_LONG") != "" {
		many = 1_000_000
	}
	w := newWorld(t, sqliteConfig(t), calm())
	r, deliver := w.hooks()
	w.member("a", "recruiter_50")
	w.members(1)
	hook := w.hook(hookURL, "*")
	r.answer = busy
	id := w.sent("a", "r0")
	fill := func(n int) {
		for range n / 1000 {
			events := make([]mailroom.Event, 1000)
			for i := range events {
				events[i] = mailroom.Event{Kind: mailroom.InMailTagged, InMail: id, Seq: 2}
			}
			w.ok(w.record.Update(w.ctx, func(tx mailroom.Tx) error { return tx.AppendEvents(events) }))
		}
	}
	measure := func() uint64 {
		t.Helper()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 20 {
			w.clock.advance(mailroom.WebhookRetry(100, 1)) // each time it is tried again
			deliver()
			_, err := w.svc.Webhooks(w.ctx)
			w.ok(err)
			_, err = w.svc.Deliveries(w.ctx, hook.ID, mailroom.Page{Limit: 50})
			w.ok(err)
			w.ok(w.svc.TakeSnapshot(w.ctx, nil, func() time.Duration { return 0 }))
			_, err = w.svc.StoredSnapshot(w.ctx)
			w.ok(err)
			w.ok(w.svc.EnableWebhook(w.ctx, hook.ID))
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	fill(few)
	measure() // statements are prepared
	small := measure()
	fill(many - few)
	large := measure()
	t.Logf("%d bytes with %d events, %d with %d", small/20, few, large/20, many)
	if large > 2*small {
		t.Errorf("%d bytes with %d events that wait, %d with %d: it grows with them", small/20, few, large/20, many)
	}
	s, err := w.svc.StoredSnapshot(w.ctx)
	if w.ok(err); s.OldestUndelivered.IsZero() {
		t.Error("the snapshot says that nothing waits")
	}
}
