package mailroom_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"inmail/connectors/record/recordtest"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// feed reads all events that a viewer may see, in pages of some length, when they are settled.
func (w *world) feed(v mailroom.Viewer, limit int) (events []mailroom.EventView) {
	w.t.Helper()
	recordtest.Settle(w.t, w.record)
	for after := ""; ; {
		page, err := w.svc.Feed(w.ctx, v, after, limit)
		w.ok(err)
		if len(page.Items) > limit {
			w.t.Errorf("%d items on a page of %d", len(page.Items), limit)
		}
		events = append(events, page.Items...)
		if page.Last != nil {
			after = page.Last.ID()
		}
		if !page.More {
			return events
		}
	}
}

// kinds returns the kinds of events, with blanks between.
func kinds(events []mailroom.EventView) string {
	var kinds []string
	for _, e := range events {
		kinds = append(kinds, strings.TrimPrefix(string(e.Kind), "inmail."))
	}
	return strings.Join(kinds, " ")
}

// feedIsReceipts compares the events with the receipts of all InMails: each but queued has its event, with
// number, status and time, in the order of the numbers.
func (w *world) feedIsReceipts(ids []domain.ID) error {
	byID := map[domain.ID][]string{}
	visited := map[string]bool{}
	last := int64(0)
	for _, e := range w.feed(operator, 7) {
		if visited[e.ID()] || e.Position <= last {
			return fmt.Errorf("event %s at %d comes after %d", e.ID(), e.Position, last)
		}
		visited[e.ID()], last = true, e.Position
		d, ok := e.Data.(mailroom.EventInMail)
		if !ok || !slices.Contains([]domain.Status{"sent", "opened", "replied", "declined", "expired", "retracted", "refused", "failed"},
			domain.Status(strings.TrimPrefix(string(e.Kind), "inmail."))) {
			continue
		}
		byID[d.ID] = append(byID[d.ID], fmt.Sprint(d.Seq, d.Status, e.Timestamp.UnixMilli()))
	}
	for _, id := range ids {
		view, err := w.svc.View(w.ctx, operator, id)
		if err != nil {
			return err
		}
		var want []string
		for _, r := range view.Receipts[1:] {
			if r.Status == domain.Expired && view.InMail.Status == domain.Sent {
				continue // the clock has decided it, and no job has stored it yet
			}
			want = append(want, fmt.Sprint(r.Seq, r.Status, r.At.UnixMilli()))
		}
		if got := byID[id]; !slices.Equal(got, want) {
			return fmt.Errorf("InMail %s: the events are %v, the receipts %v", id, got, want)
		}
	}
	return nil
}

// eventRules prove what happens to become an event (R68).
func eventRules(t *testing.T) {
	on(t, "R68_every_receipt_is_an_event", func(w *world) {
		w.member("a", "recruiter_50")
		w.members(8)
		ids := make([]domain.ID, 8)
		for i := range ids[:7] {
			ids[i] = w.sent("a", recipient(i))
		}
		open := func(i int) { _, err := w.svc.Open(w.ctx, as(recipient(i)), ids[i]); w.ok(err) }
		open(1)
		w.ok(errors.Join(
			func() error { _, err := w.svc.Reply(w.ctx, as("r2"), ids[2], "Gladly."); return err }(),
			func() error { _, err := w.svc.Reply(w.ctx, as("a"), ids[2], "Tuesday?"); return err }(),
			w.svc.Decline(w.ctx, as("r3"), ids[3], "No need."),
			func() error { _, err := w.retract(ids[4], "a"); return err }(),
			func() error { _, err := w.svc.Tag(w.ctx, as("a"), ids[5], []string{"fair"}); return err }(),
			func() error { _, err := w.svc.Tag(w.ctx, as("a"), ids[5], []string{"Fair "}); return err }(), // the same
		))
		ids[7] = w.queued("a", "r7")
		w.member("r7", "basic_0", func(m *domain.Member) { m.AcceptsInMail = false })
		w.work()
		w.clock.advance(domain.Window)
		if n, err := w.svc.Expire(w.ctx, 100); n != 3 || err != nil {
			w.t.Fatalf("%d expired: %v", n, err)
		}
		w.ok(w.feedIsReceipts(ids))
		want := "sent sent sent sent sent sent sent opened opened replied reply reply opened declined retracted tagged refused expired expired expired"
		events := w.feed(operator, 3)
		if got := kinds(events); got != want && got != strings.Replace(want, "opened declined", "declined", 1) {
			w.t.Errorf("the events are\n%s, want\n%s", got, want)
		}
		for _, e := range events {
			body, err := json.Marshal(e)
			w.ok(err)
			if strings.Contains(string(body), "queues") || strings.Contains(string(body), "@") || strings.Contains(string(body), "need") {
				w.t.Errorf("an event shows a text or an address: %s", body)
			}
			if e.Kind == mailroom.InMailRefused && !strings.Contains(string(body), `"reason":"recipient_unavailable"`) {
				w.t.Errorf("a refusal shows its true reason, or none: %s", body)
			}
			position, at, ok := mailroom.ParseEventID(e.ID())
			if !ok || position != e.Position || !at.Equal(e.At) {
				w.t.Errorf("the id %s is read as %d, %s, %t", e.ID(), position, at, ok)
			}
		}
		if got := kinds(w.feed(as("a"), 2)); got != kinds(events) {
			w.t.Errorf("the sender gets %s", got)
		}
		if got := w.feed(as("r2"), 2); len(got) != 0 {
			w.t.Errorf("a recipient gets %s", kinds(got))
		}
	})
	on(t, "R68_a_restriction_is_an_event", func(w *world) {
		w.policy.VolumeHour = 3
		w.serve()
		w.member("a", "recruiter_50")
		w.members(5)
		for i := range 3 {
			w.sent("a", recipient(i))
		}
		_, err := w.accept(text("a", "r4"))
		w.want(err, domain.Restricted)
		events := w.feed(operator, 50)
		last := events[len(events)-1]
		d, ok := last.Data.(mailroom.EventRestriction)
		if !ok || last.Kind != mailroom.MemberRestricted || d.Member.ID != "a" || d.Trigger != "volume_hour" ||
			time.Time(d.Until).Sub(w.clock.Now()) != 24*time.Hour {
			w.t.Errorf("the last event is %s %+v", last.Kind, last.Data)
		}
		if n := len(w.feed(as("a"), 50)); n != len(events) {
			w.t.Errorf("the member gets %d of %d", n, len(events))
		}
	})
	on(t, "R68_a_dead_letter_is_an_event", func(w *world) {
		w.member("a", "recruiter_50")
		w.members(1)
		id := w.sent("a", "r0")
		answer := domain.PushAnswer{Link: domain.Link{InMail: id, CRM: firstCRM, Dead: true, Class: domain.BadData, Attempts: 1, FailedAt: t0}, Class: domain.BadData}
		w.ok(w.svc.StorePushes(w.ctx, firstCRM, []domain.PushAnswer{answer}, make([]time.Time, 1), mailroom.Budget{}))
		events := w.feed(operator, 50)
		d, _ := events[len(events)-1].Data.(mailroom.EventInMail)
		if d.DeadLetter == nil || d.DeadLetter.CRM != firstCRM || d.DeadLetter.Class != domain.BadData {
			w.t.Errorf("the last event is %s %+v", events[len(events)-1].Kind, d)
		}
		if got := kinds(w.feed(as("a"), 50)); got != "sent" {
			w.t.Errorf("the sender gets %s", got)
		}
	})
	on(t, "R68_announced_a_day_before_it_expires", func(w *world) {
		w.member("a", "recruiter_50")
		w.members(4)
		for i := range 4 {
			w.sent("a", recipient(i))
		}
		_, err := w.svc.Open(w.ctx, as("r3"), w.sentTo("r3"))
		w.ok(err)
		for _, step := range []struct {
			to   time.Duration
			want int
		}{{domain.Window - mailroom.ExpiringBefore - time.Millisecond, 0}, {domain.Window - mailroom.ExpiringBefore, 3}, {domain.Window - time.Hour, 3}} {
			w.clock.set(t0.Add(step.to))
			for range 3 {
				_, err := w.svc.AnnounceExpiring(w.ctx, 2)
				w.ok(err)
			}
			if got := strings.Count(kinds(w.feed(operator, 50)), "expiring"); got != step.want {
				w.t.Errorf("%s after it was sent %d are announced, want %d", step.to, got, step.want)
			}
		}
		w.member("late", "basic_0")
		late := w.sent("a", "late")
		w.clock.advance(domain.Window) // nobody looked in time
		_, err = w.svc.AnnounceExpiring(w.ctx, 10)
		w.ok(err)
		if got := strings.Count(kinds(w.feed(operator, 50)), "expiring"); got != 3 {
			w.t.Errorf("InMail %s was announced when it had expired", late)
		}
	})
	on(t, "R68_kept_for_thirty_days", func(w *world) {
		w.member("a", "recruiter_50")
		w.members(3)
		w.sent("a", "r0")
		w.sent("a", "r1")
		first := w.feed(operator, 50)
		w.clock.advance(29 * 24 * time.Hour)
		w.sent("a", "r2")
		w.clock.advance(2 * 24 * time.Hour)
		n, err := w.svc.DropEvents(w.ctx, 1)
		if n2, err2 := w.svc.DropEvents(w.ctx, 10); n != 1 || n2 != 1 || err != nil || err2 != nil {
			w.t.Fatalf("%d and %d dropped: %v, %v", n, n2, err, err2)
		}
		if got := kinds(w.feed(operator, 50)); got != "sent" {
			w.t.Errorf("left are %s", got)
		}
		_, err = w.svc.Feed(w.ctx, operator, first[0].ID(), 10)
		w.want(err, domain.ExpiredCode)
		page, err := w.svc.Feed(w.ctx, operator, first[1].ID(), 10)
		if err != nil || len(page.Items) != 1 {
			w.t.Errorf("after the last that was dropped: %d items, %v", len(page.Items), err)
		}
		w.clock.advance(60 * 24 * time.Hour)
		if n, err := w.svc.DropEvents(w.ctx, 10); n != 0 || err != nil {
			w.t.Errorf("%d dropped, %v: the newest stays", n, err)
		}
		for _, id := range []string{"x", "evt_1_2", mailroom.Event{Position: 1 << 40, At: t0}.ID(), mailroom.Event{Position: page.Items[0].Position, At: t0}.ID()} {
			_, err = w.svc.Feed(w.ctx, operator, id, 10)
			w.want(err, domain.BadRequest)
		}
	})
	on(t, "R68_an_erased_member_is_in_no_event", func(w *world) {
		w.member("zq-gone", "recruiter_50")
		w.members(1)
		w.sent("zq-gone", "r0")
		w.ok(w.svc.Erase(w.ctx, operator, "zq-gone"))
		_, err := w.svc.FinishErasures(w.ctx)
		w.ok(err)
		body, err := json.Marshal(w.feed(operator, 50))
		w.ok(err)
		if strings.Contains(strings.ToLower(string(body)), "zq-gone") || !strings.Contains(string(body), `"id":"erased"`) {
			w.t.Errorf("the events show who was erased: %s", body)
		}
	})
	on(t, "R68_nothing_comes_in_behind_a_reader", func(w *world) {
		const writers, each = 8, 15
		w.members(writers * each)
		for n := range writers {
			w.member(domain.MemberID(fmt.Sprint("a", n)), "recruiter_50")
		}
		ids := make([]domain.ID, 0, writers*each)
		for i := range writers * each {
			ids = append(ids, w.queued(domain.MemberID(fmt.Sprint("a", i%writers)), recipient(i)))
		}
		w.queue.take()
		var wg sync.WaitGroup
		for n := range writers {
			wg.Go(func() {
				for i := n * each; i < (n+1)*each; i++ {
					_, err := w.svc.Deliver(w.ctx, []domain.ID{ids[i], ids[(i*7)%len(ids)]})
					_, err2 := w.svc.Open(w.ctx, as(recipient(i)), ids[i])
					if err != nil || err2 != nil && !errors.Is(err2, domain.NotFound) {
						w.t.Errorf("deliver: %v, open: %v", err, err2)
					}
				}
			})
		}
		go func() {
			wg.Wait()
			if _, err := w.svc.Tag(w.ctx, operator, ids[0], []string{"last"}); err != nil {
				w.t.Error(err)
			}
		}()
		var read []string
		for after, ended := "", false; !ended; {
			page, err := w.svc.Feed(w.ctx, operator, after, 20)
			w.ok(err)
			for _, e := range page.Items {
				read, ended = append(read, e.ID()), e.Kind == mailroom.InMailTagged
			}
			if page.Last != nil {
				after = page.Last.ID()
			}
		}
		var all []string
		for _, e := range w.feed(operator, 200) {
			all = append(all, e.ID())
		}
		if !slices.Equal(read, all) {
			w.t.Errorf("who read along got %d events, who came later %d", len(read), len(all))
		}
		w.ok(w.feedIsReceipts(ids))
	})
}

// sentTo returns the InMail in the inbox of a member.
func (w *world) sentTo(id domain.MemberID) domain.ID {
	w.t.Helper()
	items, _ := w.inbox(id)
	return items[0].ID
}
