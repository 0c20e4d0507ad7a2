package mailroom_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"inmail/connectors/record"
	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/spam"
)

// testAudit is the part of TestRules about what the audit keeps, and for how long (R21, R43, R70).
func testAudit(t *testing.T) {
	on(t, "R43_a_flood_of_refusals_is_a_bounded_record", func(w *world) {
		total, batch := 1000, 100
		if os.Getenv("INMAIL_TEST_LONG") != "" {
			total = 100_000
		}
		w.member("a", "recruiter_50")
		w.members(batch)
		long := strings.Repeat("s", domain.MaxSubject+1)
		var keys []mailroom.AnswerKey
		for done := 0; done < total; done += batch {
			sends := make([]mailroom.Send, batch)
			for i := range sends {
				sends[i] = mailroom.Send{From: "a", To: "a", Subject: "To myself", Body: "A note.", Key: fmt.Sprint(done + i)}
				if i%2 == 0 {
					sends[i].To, sends[i].Subject = recipient(i), long
				}
			}
			answers, err := w.svc.Accept(w.ctx, sends)
			w.ok(err)
			for i, a := range answers {
				var r *domain.Refusal
				if !errors.As(a.Err, &r) || i%2 == 0 && (r.Code != domain.SubjectTooLong || r.Got != len(long) || r.Limit != domain.MaxSubject) ||
					i%2 == 1 && r.Code != domain.Self {
					w.t.Fatalf("refused with %+v", a.Err)
				}
			}
			keys = append(keys, mailroom.NewAnswerKey("a", sends[0].Key))
			w.clock.advance(time.Millisecond)
		}
		entries, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{}, mailroom.Page{Limit: mailroom.MaxPage})
		w.ok(err)
		counted := map[domain.Code]int{}
		for _, e := range entries {
			counted[e.Refusals[0]] += e.Count
			if len(e.Refusals) != 1 || e.Sender != "a" || e.LastAt.Before(e.At) || e.LastAt.Sub(e.At) >= time.Minute {
				w.t.Errorf("%+v", e)
			}
			if first := recipient(0); e.Refusals[0] == domain.SubjectTooLong && e.At.Equal(t0) && e.Recipient != first {
				w.t.Errorf("the first of them was to %q, and the entry names %q", first, e.Recipient)
			}
		}
		if slots := 1 + total/batch/60_000; len(entries) > 2*(slots+1) {
			w.t.Errorf("%d refusals are %d entries", total, len(entries))
		}
		for _, code := range []domain.Code{domain.Self, domain.SubjectTooLong} {
			if counted[code] != total/2 || w.observer.refused[code] != total/2 {
				w.t.Errorf("of %d refusals %s the audit counts %d, the metrics %d", total/2, code, counted[code], w.observer.refused[code])
			}
		}
		w.ok(w.record.View(w.ctx, func(tx mailroom.Tx) error {
			answers, err := tx.FirstAnswers(keys, 24*time.Hour)
			for _, a := range answers {
				if a != nil {
					w.t.Errorf("an answer is kept of a refused send: %+v", a)
				}
			}
			return err
		}))
	})
	on(t, "R43_refusals_that_differ_are_entries_of_their_own", func(w *world) {
		w.member("a", "recruiter_50")
		w.member("b", "recruiter_50")
		refused := func(from, to domain.MemberID, subject, body string, code domain.Code) {
			w.t.Helper()
			_, err := w.accept(mailroom.Send{From: from, To: to, Subject: subject, Body: body})
			w.want(err, code)
		}
		refused("a", "a", "Note", "Body.", domain.Self)
		refused("a", "a", "Note", "", domain.Self) // and a body is missing
		refused("b", "b", "Note", "Body.", domain.Self)
		w.clock.advance(time.Minute - time.Millisecond) // the slots of a minute are those of the clock
		refused("a", "a", "Note", "Body.", domain.Self)
		w.clock.advance(time.Millisecond)
		refused("a", "a", "Note", "Body.", domain.Self)
		refused("a", "a", "Note", "Body.", domain.Self)
		entries, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{}, mailroom.Page{Limit: 10})
		w.ok(err)
		var got []string
		for _, e := range entries {
			got = append(got, fmt.Sprintf("%s %v %d %s", e.Sender, e.Refusals, e.Count, e.LastAt.Sub(e.At)))
		}
		want := []string{"a [self] 2 0s", "b [self] 1 0s", "a [self body_required] 1 0s", "a [self] 2 59.999s"}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			w.t.Errorf("got %q, want %q", got, want)
		}
	})
	on(t, "R43_refused_texts_of_one_verdict_are_one_entry", func(w *world) {
		w.member("a", "recruiter_50")
		w.members(4)
		for i := range 3 {
			_, err := w.accept(mailroom.Send{From: "a", To: recipient(i), Subject: spamSubject, Body: spamBody})
			w.want(err, domain.SpamContent)
		}
		_, err := w.accept(mailroom.Send{From: "a", To: recipient(3), Subject: spamSubject, Body: spamBody})
		w.want(err, domain.Restricted)
		entries, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{Sender: "a"}, mailroom.Page{Limit: 10})
		w.ok(err)
		var got []string
		for _, e := range entries {
			got = append(got, fmt.Sprintf("%s %v %d", e.Kind, e.Refusals, e.Count))
		}
		want := []string{"send [restricted spam_content] 1", "restrict [restricted] 1", "send [spam_content] 3"}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			w.t.Errorf("got %q, want %q", got, want)
		}
		replayed, err := w.svc.Replay(w.ctx, entries[2].ID, mailroom.OtherSettings{})
		w.ok(err)
		if replayed.Would == nil || replayed.Count != 3 {
			w.t.Errorf("replayed: %+v", replayed)
		}
	})
	on(t, "R42_a_flood_of_spam_is_a_bounded_record", func(w *world) {
		const batch = 100
		w.member("a", "recruiter_50")
		w.members(batch)
		for sent := 0; sent <= spam.MaxStrikes; sent += batch {
			sends := make([]mailroom.Send, batch)
			for i := range sends {
				sends[i] = mailroom.Send{From: "a", To: recipient(i), Subject: spamSubject, Body: spamBody}
			}
			answers, err := w.svc.Accept(w.ctx, sends)
			w.ok(err)
			for i, a := range answers {
				code := domain.Restricted
				if sent == 0 && i < w.policy.Strikes {
					code = domain.SpamContent
				}
				w.want(a.Err, code)
			}
			w.clock.advance(time.Millisecond)
		}
		strikes := func() int {
			w.t.Helper()
			n := 0
			w.ok(w.record.View(w.ctx, func(tx mailroom.Tx) error {
				signals, err := tx.Signals([]domain.MemberID{"a"}, spam.DefaultLimits())
				n = len(signals["a"].Strikes)
				return err
			}))
			return n
		}
		if n := strikes(); n != spam.MaxStrikes {
			w.t.Errorf("%d strikes are kept, want %d", n, spam.MaxStrikes)
		}
		entries, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{Sender: "a"}, mailroom.Page{Limit: 10})
		w.ok(err)
		if len(entries) != 3 { // the refusals before the restriction and during it, and the restriction
			w.t.Errorf("%d entries: %+v", len(entries), entries)
		}
		w.clock.advance(24 * time.Hour)
		_, err = w.accept(mailroom.Send{From: "a", To: recipient(0), Subject: spamSubject, Body: spamBody})
		w.want(err, domain.SpamContent)
		_, err = w.accept(text("a", recipient(1)))
		w.want(err, domain.Restricted)
	})
	t.Run("R43_two_servers_refuse_at_once", func(t *testing.T) {
		t.Run("postgres", func(t *testing.T) {
			w := newWorld(t, postgresConfig(t), calm())
			w.member("a", "recruiter_50")
			second, err := record.Open(w.ctx, w.config, w.clock)
			w.ok(err)
			t.Cleanup(second.Close)
			services := []*mailroom.Service{w.svc, w.service(second)}
			const callers, rounds = 6, 10
			var group sync.WaitGroup
			for c := range callers {
				svc, unknown := services[c%2], domain.MemberID(fmt.Sprint("unknown-", c)) // who share an entry and no lock
				group.Go(func() {
					for range rounds {
						answers, err := svc.Accept(w.ctx, []mailroom.Send{text("a", "a"), text(unknown, "a"), text(unknown, "a")})
						if err != nil || len(answers) != 3 || answers[0].Err == nil || answers[1].Err == nil {
							t.Errorf("refused with %+v, %v", answers, err)
						}
						read := mailroom.Act{By: mailroom.Viewer{ByOperator: true, KeyID: "k"}, Call: "GET /v1/events", Reads: true}
						if err := svc.NoteAct(w.ctx, read); err != nil {
							t.Error(err)
						}
					}
				})
			}
			group.Wait()
			entries, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{}, mailroom.Page{Limit: 10})
			w.ok(err)
			counts := map[string]int{}
			for _, e := range entries {
				counts[e.Kind+" "+string(e.Sender)] += e.Count
			}
			want := map[string]int{"send a": callers * rounds, "send ": 2 * callers * rounds, "act ": callers * rounds}
			if fmt.Sprint(counts) != fmt.Sprint(want) || len(entries) != len(want) {
				t.Errorf("%d entries count %v, want %v", len(entries), counts, want)
			}
		})
	})
	on(t, "R10_refused_deliveries_are_entries_of_their_own", func(w *world) {
		w.member("a", "recruiter_50")
		w.members(3)
		for i := range 3 {
			w.queued("a", recipient(i))
			_, err := w.svc.Connect(w.ctx, []mailroom.Pair{{From: "a", To: recipient(i)}})
			w.ok(err)
		}
		w.work()
		entries, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{Kind: mailroom.DecidedDelivery}, mailroom.Page{Limit: 10})
		w.ok(err)
		if len(entries) != 3 || entries[0].Count*entries[1].Count*entries[2].Count != 1 || entries[0].InMail == entries[1].InMail {
			w.t.Errorf("%+v", entries)
		}
	})
	with(t, "R70_entries_are_kept_audit_days", func(p *domain.Policy) { p.AuditDays = 30 }, func(w *world) {
		w.member("a", "recruiter_50")
		for range 5 {
			_, err := w.accept(mailroom.Send{From: "a", To: "a", Subject: "Note", Body: "Body."})
			w.want(err, domain.Self)
			w.clock.advance(time.Minute)
		}
		w.clock.set(t0.Add(30 * 24 * time.Hour))
		left := func(want int) {
			w.t.Helper()
			entries, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{}, mailroom.Page{Limit: 10})
			w.ok(err)
			if len(entries) != want {
				w.t.Errorf("%d entries are left, want %d", len(entries), want)
			}
		}
		drop := func(limit, want int) {
			w.t.Helper()
			n, err := w.svc.DropAudit(w.ctx, limit)
			w.ok(err)
			if n != want {
				w.t.Errorf("dropped %d, want %d", n, want)
			}
		}
		drop(10, 0)
		w.clock.advance(3*time.Minute + time.Millisecond)
		drop(3, 3) // a batch, and what it left
		left(2)
		drop(3, 1)
		left(1)
		drop(3, 0)
	})
	with(t, "R42_a_decision_is_kept_while_it_counts", func(p *domain.Policy) { p.AuditDays = 1 }, func(w *world) {
		w.member("a", "recruiter_50")
		w.members(3)
		for i := range 3 {
			_, err := w.accept(mailroom.Send{From: "a", To: recipient(i), Subject: spamSubject, Body: spamBody})
			w.want(err, domain.SpamContent)
		}
		w.clock.set(t0.Add(spam.LadderTime))
		decided := func() *spam.Decision {
			w.t.Helper()
			n, err := w.svc.DropAudit(w.ctx, 10)
			w.ok(err)
			if n != 1 {
				w.t.Errorf("dropped %d entries, want 1", n)
			}
			list, err := w.svc.Restrictions(w.ctx, "a")
			w.ok(err)
			if len(list) != 1 {
				w.t.Fatalf("%d restrictions, want 1", len(list))
			}
			return list[0].Decision
		}
		if decided() == nil { // the refusals went
			w.t.Error("the decision on a restriction went while that may count")
		}
		w.clock.advance(time.Millisecond)
		if decided() != nil {
			w.t.Error("the decision is kept for ever")
		}
	})
}
