package mailroom_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"inmail/connectors/queue"
	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/worker"
)

// receiver is the end points of a test by URL: what each took, and how it answers.
type receiver struct {
	mu     sync.Mutex
	took   map[string][]string // URL → "inmail seq", as they were taken
	ids    map[string]int      // message id → how often it was taken
	bodies []string
	answer func(m mailroom.WebhookMessage) mailroom.WebhookAnswer // nil: 204
	tries  int
}

func (r *receiver) Judge(u *url.URL) error {
	if u.Scheme != "https" {
		return domain.Refuse(domain.BadRequest, "url: it must begin with https://")
	}
	return nil
}

func (r *receiver) Send(_ context.Context, m mailroom.WebhookMessage) mailroom.WebhookAnswer {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries++
	if r.answer != nil {
		if a := r.answer(m); a.Reason != "" {
			return a
		}
	}
	var e struct {
		Type string
		Data struct {
			ID  string
			Seq int
		}
	}
	if err := json.Unmarshal(m.Body, &e); err != nil {
		return mailroom.WebhookAnswer{Status: 400, Reason: "status"}
	}
	r.took[m.URL] = append(r.took[m.URL], fmt.Sprint(e.Data.ID, " ", e.Data.Seq, " ", e.Type))
	r.ids[m.ID]++
	r.bodies = append(r.bodies, string(m.Body))
	return mailroom.WebhookAnswer{Status: 204}
}

// hanging is end points of which all but the quick one take no event until they are released.
type hanging struct {
	mu      sync.Mutex
	inside  map[string]int // URL → tries
	quick   int            // events that the quick one took
	release chan struct{}
}

func (h *hanging) Judge(*url.URL) error { return nil }

func (h *hanging) Send(_ context.Context, m mailroom.WebhookMessage) mailroom.WebhookAnswer {
	h.mu.Lock()
	if m.URL == hookURL+"quick" {
		h.quick++
		h.mu.Unlock()
		return mailroom.WebhookAnswer{Status: 204}
	}
	h.inside[m.URL]++
	h.mu.Unlock()
	<-h.release
	return mailroom.WebhookAnswer{Reason: "time_out"}
}

// workers starts the workers that ship, on a queue of their own. The function that it returns asks for what
// is due, as the schedule does, until a condition holds.
func (w *world) workers(h *hanging) func(what string, until func() bool) {
	w.t.Helper()
	log := slog.New(slog.DiscardHandler)
	broker, err := queue.Open(queue.Default(), log)
	w.ok(err)
	w.t.Cleanup(func() { _ = broker.Close() })
	jobs := &worker.Jobs{Service: w.svc, Webhooks: h, Log: log}
	handlers := map[string]queue.Handler{}
	for kind, handler := range jobs.Handlers() {
		handlers[kind] = handler
	}
	server, err := broker.Start(handlers, nil)
	w.ok(err)
	w.t.Cleanup(func() {
		close(h.release)
		w.ok(server.Stop(w.ctx))
	})
	return func(what string, until func() bool) {
		w.t.Helper()
		for range 1200 {
			h.mu.Lock()
			done := until()
			h.mu.Unlock()
			if done {
				return
			}
			due, err := w.svc.DueWebhooks(w.ctx)
			w.ok(err)
			for _, id := range due {
				w.ok(broker.Enqueue(w.ctx, mailroom.Task{Type: mailroom.TaskWebhookDeliver, IDs: []string{id}}))
			}
			time.Sleep(50 * time.Millisecond)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		w.t.Fatalf("waited too long until %s: %d hang, the quick one took %d", what, len(h.inside), h.quick)
	}
}

func busy(mailroom.WebhookMessage) mailroom.WebhookAnswer {
	return mailroom.WebhookAnswer{Status: 503, Reason: "status"}
}

// hooks gives the world a receiver and the worker's handler of deliveries.
func (w *world) hooks() (*receiver, func()) {
	w.t.Helper()
	r := &receiver{took: map[string][]string{}, ids: map[string]int{}}
	w.receiver = r
	w.serve()
	jobs := &worker.Jobs{Service: w.svc, Webhooks: r, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	deliver := jobs.Handlers()[mailroom.TaskWebhookDeliver]
	return r, func() {
		w.t.Helper()
		due, err := w.svc.DueWebhooks(w.ctx)
		w.ok(err)
		for _, id := range due {
			w.ok(deliver(w.ctx, []string{id}))
		}
	}
}

// hook makes an end point.
func (w *world) hook(url string, kinds ...string) mailroom.Webhook {
	w.t.Helper()
	made, secret, err := w.svc.CreateWebhook(w.ctx, operator, mailroom.WebhookChange{URL: &url, Kinds: kinds})
	w.ok(err)
	if !strings.HasPrefix(secret, "whsec_") {
		w.t.Errorf("the secret is %q", secret)
	}
	return made
}

// settle delivers until n events were taken at a URL; PostgreSQL may hold the newest back for a moment.
func (w *world) settle(r *receiver, deliver func(), url string, n int) {
	w.t.Helper()
	for until := time.Now().Add(15 * time.Minute); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if deliver(); len(r.took[url]) >= n {
			return
		}
	}
	w.t.Fatalf("%s took %d events, want %d", url, len(r.took[url]), n)
}

const hookURL = "https://hooks.example.com/"

// webhookRules prove how end points get events (R68).
func webhookRules(t *testing.T) {
	on(t, "R68_webhooks_get_what_they_ask_for", func(w *world) {
		r, deliver := w.hooks()
		w.member("a", "recruiter_50")
		w.members(3)
		w.sent("a", "r0") // before there is an end point
		w.feed(operator, 50)
		all := w.hook(hookURL, "*")
		w.hook(hookURL+"opened", "inmail.opened", "member.*")
		id := w.sent("a", "r1")
		_, err := w.svc.Open(w.ctx, as("r1"), id)
		w.ok(err)
		w.settle(r, deliver, hookURL+"opened", 1)
		w.settle(r, deliver, hookURL, 2)
		if want := []string{string(id) + " 2 inmail.sent", string(id) + " 3 inmail.opened"}; !slices.Equal(r.took[hookURL], want) ||
			!slices.Equal(r.took[hookURL+"opened"], want[1:]) {
			w.t.Errorf("taken were %v", r.took)
		}
		deliver()
		if r.tries != 3 {
			w.t.Errorf("%d tries for 3 events", r.tries)
		}
		list, err := w.svc.Deliveries(w.ctx, all.ID, mailroom.Page{Limit: 10})
		w.ok(err)
		if len(list) != 2 || list[0].Kind != mailroom.InMailOpened || list[1].State != mailroom.DeliveryDelivered {
			w.t.Errorf("the deliveries are %+v", list)
		}
		for _, url := range []string{"", "x", "http://hooks.example.com/", "https://", "https://user:pass@hooks.example.com/", "https://hooks.example.com/#x", "https://hooks.example.com/" + strings.Repeat("x", 2048)} {
			_, _, err := w.svc.CreateWebhook(w.ctx, operator, mailroom.WebhookChange{URL: &url, Kinds: []string{"*"}})
			w.want(err, domain.BadRequest)
		}
		full := domain.WebhookTextFull
		for _, c := range []mailroom.WebhookChange{{}, {Kinds: []string{"inmail.none"}}, {Kinds: []string{"webhook.test"}}, {Kinds: []string{"*"}, Text: &full}} {
			c.URL = &all.URL
			_, _, err := w.svc.CreateWebhook(w.ctx, operator, c)
			w.want(err, domain.BadRequest)
		}
	})
	on(t, "R68_in_order_for_one_InMail_while_others_go_on", func(w *world) {
		r, deliver := w.hooks()
		w.member("a", "recruiter_50")
		w.members(3)
		hook := w.hook(hookURL, "inmail.*")
		failing, good := w.sent("a", "r0"), w.sent("a", "r1")
		r.answer = func(m mailroom.WebhookMessage) mailroom.WebhookAnswer {
			if strings.Contains(string(m.Body), string(failing)) {
				return busy(m)
			}
			return mailroom.WebhookAnswer{Status: 200}
		}
		w.settle(r, deliver, hookURL, 1)
		for _, id := range []domain.ID{failing, good} {
			_, err := w.svc.Open(w.ctx, as(w.inmail(id).Recipient), id)
			w.ok(err)
			_, err = w.svc.Reply(w.ctx, as(w.inmail(id).Recipient), id, "Gladly.")
			w.ok(err)
		}
		w.settle(r, deliver, hookURL, 4) // sent, opened, replied and reply of the good one
		for _, pause := range []time.Duration{4 * time.Second, 2 * time.Second, 26 * time.Second, 8 * time.Second} {
			w.clock.advance(pause)
			deliver()
		}
		list, err := w.svc.Deliveries(w.ctx, hook.ID, mailroom.Page{Limit: 20})
		w.ok(err)
		var states []string
		for _, d := range list {
			if d.Event.InMail == failing {
				states = append(states, fmt.Sprint(d.Kind, " ", d.State, " ", d.Tries))
			}
		}
		if want := []string{"inmail.reply waiting 0", "inmail.replied waiting 0", "inmail.opened waiting 0", "inmail.sent waiting 3"}; !slices.Equal(states, want) {
			w.t.Errorf("the deliveries of the one that fails are %v, want %v", states, want)
		}
		r.answer = nil
		w.clock.advance(3 * time.Minute)
		w.settle(r, deliver, hookURL, 8)
		var order []string
		for _, taken := range r.took[hookURL] {
			if strings.HasPrefix(taken, string(failing)) {
				order = append(order, taken[len(failing)+1:])
			}
		}
		if want := []string{"2 inmail.sent", "3 inmail.opened", "4 inmail.replied", "4 inmail.reply"}; !slices.Equal(order, want) {
			w.t.Errorf("it got %v, want %v", order, want)
		}
		for id, n := range r.ids {
			if n != 1 {
				w.t.Errorf("%s was taken %d times", id, n)
			}
		}
	})
	on(t, "R68_down_for_days", func(w *world) {
		r, deliver := w.hooks()
		w.member("a", "recruiter_50")
		w.members(20)
		hook := w.hook(hookURL, "inmail.sent")
		r.answer = busy
		for i := range 20 {
			w.sent("a", recipient(i))
		}
		w.feed(operator, 50)
		w.settle(r, deliver, hookURL, 0)
		tries := r.tries
		if now, err := w.svc.Webhook(w.ctx, hook.ID); err != nil || now.State() != mailroom.WebhookDown || tries < mailroom.WebhookDownAfter || tries > 15 {
			w.t.Fatalf("%s after %d tries: %v", now.State(), tries, err)
		}
		at := w.clock.Now()
		var pauses []time.Duration
		for w.clock.Now().Before(t0.Add(6 * 24 * time.Hour)) {
			w.clock.advance(time.Second)
			if w.clock.Now().Sub(at) > 4*time.Hour {
				w.clock.advance(10 * time.Minute)
			}
			before := r.tries
			if deliver(); r.tries > before {
				pauses, at = append(pauses, w.clock.Now().Sub(at)), w.clock.Now()
				if r.tries > before+1 {
					w.t.Errorf("%d tries at once at an end point that is down", r.tries-before)
				}
			} else if next, _ := w.svc.Webhook(w.ctx, hook.ID); next.State() == mailroom.WebhookIsOff {
				break
			} else if wait := next.RetryAt.Sub(w.clock.Now()); wait > 2*time.Second {
				w.clock.advance(wait - time.Second)
			}
		}
		for i, want := range []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 12 * time.Hour} {
			if got := pauses[i]; got < want*9/10 || got > want*11/10+10*time.Minute {
				w.t.Errorf("pause %d is %s, want %s and a tenth", i+1, got, want)
			}
		}
		now, err := w.svc.Webhook(w.ctx, hook.ID)
		if w.ok(err); now.OffReason != mailroom.OffTooLong || now.OffAt.Sub(t0) < mailroom.WebhookGiveUp || now.OffAt.Sub(t0) > mailroom.WebhookGiveUp+14*time.Hour {
			w.t.Errorf("off since %s for %q, it began at %s", now.OffAt, now.OffReason, t0)
		}
		entries, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{}, mailroom.Page{Limit: 50})
		w.ok(err)
		if !slices.ContainsFunc(entries, func(e mailroom.AuditEntry) bool {
			return e.Kind == mailroom.DecidedWebhookOff && strings.Contains(string(e.Detail), hook.ID)
		}) {
			w.t.Error("the audit has no entry")
		}
		tries = r.tries
		w.clock.advance(24 * time.Hour)
		if deliver(); r.tries != tries {
			w.t.Error("an end point that is off was tried")
		}
		r.answer = nil
		w.ok(w.svc.EnableWebhook(w.ctx, hook.ID))
		w.settle(r, deliver, hookURL, 20)
		if now, err := w.svc.Webhook(w.ctx, hook.ID); err != nil || now.State() != mailroom.WebhookOn || !now.OldestWaiting.IsZero() {
			w.t.Errorf("%s, the oldest waits since %s: %v", now.State(), now.OldestWaiting, err)
		}
	})
	on(t, "R68_gone_is_switched_off_at_once", func(w *world) {
		r, deliver := w.hooks()
		w.member("a", "recruiter_50")
		w.members(1)
		hook := w.hook(hookURL, "*")
		r.answer = func(mailroom.WebhookMessage) mailroom.WebhookAnswer {
			return mailroom.WebhookAnswer{Status: 410, Reason: "status"}
		}
		w.sent("a", "r0")
		w.feed(operator, 50)
		for r.tries == 0 {
			deliver()
		}
		if now, err := w.svc.Webhook(w.ctx, hook.ID); err != nil || now.OffReason != mailroom.OffGone {
			w.t.Errorf("off for %q: %v", now.OffReason, err)
		}
	})
	on(t, "R68_test_rotate_replay_delete", func(w *world) {
		r, deliver := w.hooks()
		w.member("a", "recruiter_50")
		w.members(2)
		hook := w.hook(hookURL, "inmail.*")
		off := false
		_, err := w.svc.ChangeWebhook(w.ctx, operator, hook.ID, mailroom.WebhookChange{Active: &off})
		w.ok(err)
		event, err := w.svc.TestWebhook(w.ctx, hook.ID)
		w.ok(err)
		w.settle(r, deliver, hookURL, 1)
		list, err := w.svc.Deliveries(w.ctx, hook.ID, mailroom.Page{Limit: 10})
		if w.ok(err); len(list) != 1 || list[0].ID() != event || list[0].State != mailroom.DeliveryDelivered || list[0].LastStatus != 204 {
			w.t.Errorf("after a test the deliveries are %+v", list)
		}
		r.answer = busy
		w.clock.advance(time.Second)
		_, err = w.svc.TestWebhook(w.ctx, hook.ID)
		w.ok(err)
		deliver()
		if list, err = w.svc.Deliveries(w.ctx, hook.ID, mailroom.Page{Limit: 1}); err != nil || list[0].State != mailroom.DeliveryFailed {
			w.t.Errorf("after a test that failed the deliveries are %+v, %v", list, err)
		}
		r.answer = nil
		w.ok(w.svc.EnableWebhook(w.ctx, hook.ID))
		var secrets [][]byte
		r.answer = func(m mailroom.WebhookMessage) mailroom.WebhookAnswer {
			secrets = m.Secrets
			return mailroom.WebhookAnswer{Status: 200}
		}
		first, until, err := w.svc.RotateWebhook(w.ctx, hook.ID)
		w.ok(err)
		w.sent("a", "r0")
		w.settle(r, deliver, hookURL, 2)
		if len(secrets) != 2 || mailroom.ShowSecret(secrets[0]) != first || !until.Equal(w.clock.Now().Add(24*time.Hour)) {
			w.t.Errorf("%d secrets sign until %s", len(secrets), until)
		}
		w.clock.set(until)
		from := w.clock.Now()
		w.sent("a", "r1")
		w.settle(r, deliver, hookURL, 3)
		if len(secrets) != 1 {
			w.t.Errorf("%d secrets sign a day later", len(secrets))
		}
		w.ok(w.svc.ReplayWebhook(w.ctx, hook.ID, from))
		w.settle(r, deliver, hookURL, 4)
		w.ok(w.svc.ReplayWebhook(w.ctx, hook.ID, t0))
		w.settle(r, deliver, hookURL, 6)
		w.want(w.svc.ReplayWebhook(w.ctx, hook.ID, w.clock.Now().Add(time.Hour)), domain.BadRequest)
		w.ok(w.svc.DeleteWebhook(w.ctx, hook.ID))
		w.want(w.svc.DeleteWebhook(w.ctx, hook.ID), domain.NotFound)
		_, err = w.svc.TestWebhook(w.ctx, hook.ID)
		w.want(err, domain.NotFound)
	})
	with(t, "R68_texts_by_policy", func(p *domain.Policy) { p.WebhookText = domain.WebhookTextPreview }, func(w *world) {
		r, deliver := w.hooks()
		w.member("a", "recruiter_50", func(m *domain.Member) { m.Email = "a@example.com" })
		w.members(1)
		none, url := domain.WebhookTextNone, hookURL+"none"
		_, _, err := w.svc.CreateWebhook(w.ctx, operator, mailroom.WebhookChange{URL: &url, Kinds: []string{"*"}, Text: &none})
		w.ok(err)
		w.hook(hookURL, "*")
		w.sent("a", "r0")
		w.settle(r, deliver, hookURL, 1)
		w.settle(r, deliver, url, 1)
		with := 0
		for _, body := range r.bodies {
			if strings.Contains(body, "Your talk on r0") {
				with++
			}
			if strings.Contains(body, "@") || strings.Contains(body, `"body"`) {
				w.t.Errorf("an event shows too much: %s", body)
			}
		}
		if len(r.bodies) != 2 || with != 1 {
			w.t.Errorf("%d of %d events have the subject", with, len(r.bodies))
		}
	})
	on(t, "R68_end_points_that_hang_delay_no_other", func(w *world) {
		h := &hanging{inside: map[string]int{}, release: make(chan struct{})}
		w.receiver = h
		w.serve()
		ask := w.workers(h)
		w.member("a", "recruiter_50")
		w.members(1)
		for i := range mailroom.MaxWebhooks - 1 { // 99, more than 40
			w.hook(fmt.Sprint(hookURL, "hang/", i), "*")
		}
		id := w.sent("a", "r0")
		ask("all but one hang", func() bool { return len(h.inside) == mailroom.MaxWebhooks-1 })
		quick := w.hook(hookURL+"quick", "*")
		_, err := w.svc.Open(w.ctx, as("r0"), id)
		w.ok(err)
		ask("the quick one has its event", func() bool { return h.quick == 1 })
		_, err = w.svc.Reply(w.ctx, as("r0"), id, "Gladly.")
		w.ok(err)
		ask("the quick one has those of the reply", func() bool { return h.quick == 3 })
		if now, err := w.svc.Webhook(w.ctx, quick.ID); err != nil || now.Tries > 0 {
			w.t.Errorf("the quick one failed %d times: %v", now.Tries, err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		for url, n := range h.inside {
			if n != 1 {
				w.t.Errorf("%s was tried %d times while its first try hung", url, n)
			}
		}
	})
	on(t, "R68_two_workers_and_a_slow_end_point", func(w *world) {
		w.hooks()
		w.member("a", "recruiter_50")
		w.members(1)
		w.hook(hookURL, "*")
		slow := w.hook(hookURL+"slow", "*")
		w.sent("a", "r0")
		w.feed(operator, 50)
		batch, err := w.svc.ClaimDeliveries(w.ctx, slow.ID, "one") // its worker is busy with it
		if err != nil || batch == nil || len(batch.Due) != 1 {
			w.t.Fatalf("claimed %+v: %v", batch, err)
		}
		if again, err := w.svc.ClaimDeliveries(w.ctx, slow.ID, "two"); again != nil || err != nil {
			w.t.Errorf("claimed twice: %+v, %v", again, err)
		}
		due, err := w.svc.DueWebhooks(w.ctx)
		if w.ok(err); len(due) != 1 || due[0] == slow.ID {
			w.t.Errorf("due are %v", due)
		}
		w.clock.advance(mailroom.WebhookLease) // it died
		if again, err := w.svc.ClaimDeliveries(w.ctx, slow.ID, "two"); again == nil || err != nil {
			w.t.Errorf("not claimed after the lease: %v", err)
		}
		batch.Due[0].Tried = true
		if _, err := w.svc.StoreDeliveries(w.ctx, batch, "one"); err != nil {
			w.t.Error(err)
		}
		if now, err := w.svc.Webhook(w.ctx, slow.ID); err != nil || now.OldestWaiting.IsZero() {
			w.t.Errorf("a worker that had lost its lease stored its batch: %v", err)
		}
	})
}
