package mailroom_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/spam"
)

// TestRules proves on every record the rules that need one.
func TestRules(t *testing.T) {
	testActs(t)
	testAudit(t)
	reputationRules(t)
	eraseRules(t)
	preflightRules(t)
	privacyRules(t)
	keyRules(t)
	declineRules(t)
	automaticRules(t)
	peaceRules(t)
	compares(t)
	eventRules(t)
	webhookRules(t)
	on(t, "R02_basic_sends_nothing", func(w *world) {
		w.member("a", "basic_0")
		w.member("b", "basic_0")
		_, err := w.accept(text("a", "b"))
		w.want(err, domain.NoCredits)
	})
	for rule, plan := range map[string]string{"R03_ten": "premium_business_10", "R06_five": "job_seeker_5", "R05_twenty_five": "recruiter_25"} {
		on(t, rule, func(w *world) {
			allowance := domain.ShippedPlans()[plan].Allowance
			w.member("a", plan)
			w.members(allowance + 1)
			for i := range allowance {
				w.sent("a", recipient(i))
			}
			if got := w.left("a"); got != 0 {
				w.t.Errorf("%d left, want 0", got)
			}
			_, err := w.accept(text("a", recipient(allowance)))
			w.want(err, domain.NoCredits)
		})
	}
	on(t, "R07_a_new_plan_holds_at_once", func(w *world) {
		w.member("a", "job_seeker_5")
		w.members(6)
		for i := range 5 {
			w.sent("a", recipient(i))
		}
		set := func(at domain.AccountType, plan string) {
			_, err := w.svc.ChangeMember(w.ctx, "a", func(m *domain.Member) error {
				m.AccountType, m.Plan = at, plan
				return nil
			})
			w.ok(err)
		}
		set(domain.PremiumBusiness, "")
		if got := w.left("a"); got != 5 {
			w.t.Errorf("%d left, want 10 − 5", got)
		}
		set(domain.Basic, "")
		if got := w.left("a"); got != 0 {
			w.t.Errorf("%d left, want 0", got)
		}
		if items, _ := w.inbox(recipient(0)); len(items) != 1 {
			w.t.Error("what was sent was recalled")
		}
	})
	on(t, "R08_T0_decides_the_period", func(w *world) {
		w.member("a", "job_seeker_5")
		w.members(7)
		boundary := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
		w.clock.set(boundary.Add(-time.Millisecond))
		for i := range 5 {
			w.sent("a", recipient(i))
		}
		_, err := w.accept(text("a", recipient(5)))
		w.want(err, domain.NoCredits)
		w.clock.set(boundary)
		if got := w.left("a"); got != 5 {
			w.t.Errorf("%d left at the boundary, want 5", got)
		}
		w.sent("a", recipient(5))
	})
	on(t, "R08_accepted_before_delivered_after", func(w *world) {
		w.member("a", "job_seeker_5")
		w.members(1)
		boundary := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
		w.clock.set(boundary.Add(-time.Millisecond))
		w.queued("a", recipient(0))
		w.clock.set(boundary)
		w.work()
		if got := w.left("a"); got != 4 {
			w.t.Errorf("%d left in the new period, want 4: T0 decides", got)
		}
	})
	on(t, "R08_a_new_anchor_day_forgets_nothing", func(w *world) {
		w.member("a", "job_seeker_5")
		w.members(3)
		for i := range 3 {
			w.sent("a", recipient(i))
		}
		_, err := w.svc.ChangeMember(w.ctx, "a", func(m *domain.Member) error { m.AnchorDay = 20; return nil })
		w.ok(err)
		if got := w.left("a"); got != 2 {
			w.t.Errorf("%d left, want 2", got)
		}
	})
	on(t, "R08_a_new_anchor_day_of_the_policy_forgets_nothing", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("own", "job_seeker_5", func(m *domain.Member) { m.AnchorDay = 10 })
		w.members(4)
		w.sent("a", recipient(3)) // on 23 November: in the period that began on the 22nd
		w.clock.set(time.Date(2026, 12, 21, 9, 0, 0, 0, time.UTC))
		for i := range 3 {
			w.sent("a", recipient(i))
		}
		w.sent("own", recipient(0))
		restart := func(anchor int) {
			policy := w.svc.Policy()
			policy.AnchorDay = anchor
			var err error
			w.svc, err = mailroom.New(w.ctx, mailroom.Config{Plans: domain.ShippedPlans(), Policy: policy, CRMs: []mailroom.CRM{w.first, w.second}}, w.record, w.queue, w.clock, uuids{}, w.observer)
			w.ok(err)
		}
		for _, c := range []struct{ anchor, left int }{{20, 2}, {22, 1}, {1, 2}, {1, 2}, {21, 2}} {
			restart(c.anchor)
			if a, own := w.left("a"), w.left("own"); a != c.left || own != 4 {
				w.t.Errorf("from the %dth: %d and %d left, want %d, and 4 of who has a day of its own", c.anchor, a, own, c.left)
			}
		}
		w.sent("a", recipient(3)) // it still counts
		if got := w.left("a"); got != 1 {
			w.t.Errorf("%d left after one more, want 1", got)
		}
		restart(22) // the period since 22 November has all five
		if got := w.left("a"); got != 0 {
			w.t.Errorf("from the 22nd: %d left, want 0", got)
		}
	})
	on(t, "R10_what_a_campaign_takes", func(w *world) {
		w.member("a", "job_seeker_5")
		w.members(12)
		w.member("shut", "basic_0", func(m *domain.Member) { m.AcceptsInMail = false })
		for i := range 4 {
			w.sent("a", recipient(i))
		}
		var to []domain.MemberID
		for i := range 12 {
			to = append(to, recipient(i))
		}
		to = append(to, "shut", "nobody", "a", recipient(11))
		total := func() mailroom.Totals {
			campaign, err := w.svc.Preflight(w.ctx, "a", to, nil)
			w.ok(err)
			return campaign.Totals
		}
		// Four await an answer, three cannot be reached. Eight remain, with one credit now and seven later.
		december, january := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
		want := mailroom.Totals{Recipients: 15, Doubles: 1, OK: 8, OKNow: 1, Needed: 8, Available: 1,
			Timetable: []mailroom.Departure{{At: december, Recipients: 5, Limit: "no_credits"}, {At: january, Recipients: 2, Limit: "no_credits"}},
			EnoughAt:  time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
			Refused:   map[domain.Code]int{domain.AwaitingReply: 4, domain.RecipientUnavailable: 1, domain.UnknownRecipient: 1, domain.Self: 1}}
		if diff := cmp.Diff(want, total()); diff != "" {
			w.t.Errorf("totals (-want +got):\n%s", diff)
		}
		w.sent("a", recipient(4)) // the last credit
		want.OK, want.OKNow, want.Needed, want.Available = 0, 0, 7, 0
		want.Refused = map[domain.Code]int{domain.NoCredits: 15}
		if diff := cmp.Diff(want, total()); diff != "" {
			w.t.Errorf("totals with no credit left (-want +got):\n%s", diff)
		}
		if got := w.observer.delivered; got != 5 || w.left("a") != 0 {
			w.t.Errorf("%d delivered, %d left: a preflight spends nothing", got, w.left("a"))
		}
	})
	with(t, "R09_rollover", func(p *domain.Policy) { p.RolloverPeriods = 1 }, func(w *world) {
		w.member("a", "job_seeker_5")
		w.members(3)
		for i := range 3 {
			w.sent("a", recipient(i))
		}
		w.clock.set(time.Date(2026, 12, 5, 0, 0, 0, 0, time.UTC))
		if got := w.left("a"); got != 7 {
			w.t.Errorf("%d left in December, want 5 + 2", got)
		}
		w.clock.set(time.Date(2027, 1, 5, 0, 0, 0, 0, time.UTC))
		if got := w.left("a"); got != 10 {
			w.t.Errorf("%d left in January, want 5 + December's 5", got)
		}
	})
	on(t, "R10_concurrent_sends_never_overspend", func(w *world) {
		w.member("a", "premium_business_10")
		w.members(30)
		var sends []func() error
		for i := range 30 {
			sends = append(sends, func() error {
				answers, err := w.svc.Accept(w.ctx, []mailroom.Send{text("a", recipient(i))})
				if err != nil {
					return err
				}
				return answers[0].Err
			})
		}
		if got := winners(together(sends...)); got != 10 {
			w.t.Errorf("%d accepted, want 10", got)
		}
		w.work()
		if w.observer.delivered != 10 || w.left("a") != 0 {
			w.t.Errorf("%d delivered, %d left; want 10 and 0", w.observer.delivered, w.left("a"))
		}
	})
	on(t, "R10_delivery_itself_never_overspends", func(w *world) {
		// The plan shrinks between accept and delivery, and five workers deliver at once.
		w.member("a", "premium_business_10")
		w.members(10)
		var ids []domain.ID
		for i := range 10 {
			ids = append(ids, w.queued("a", recipient(i)))
		}
		w.member("a", "job_seeker_5")
		var workers []func() error
		for i := range 5 {
			workers = append(workers, func() error { _, err := w.svc.Deliver(w.ctx, ids[2*i:2*i+2]); return err })
		}
		w.ok(errors.Join(together(workers...)...))
		if w.observer.delivered != 5 || w.observer.refused[domain.NoCredits] != 5 {
			w.t.Errorf("%d delivered, refused %v; want 5 and 5", w.observer.delivered, w.observer.refused)
		}
	})
	on(t, "R10_a_refusal_takes_none", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.queued("a", "b")
		w.member("b", "basic_0", func(m *domain.Member) { m.AcceptsInMail = false })
		w.work()
		if m := w.inmail(id); m.Status != domain.Refused || w.left("a") != 5 {
			w.t.Errorf("%s with %d left, want refused with 5", m.Status, w.left("a"))
		}
	})
	with(t, "R11_a_reply_gives_back_once", func(p *domain.Policy) { p.CreditBackOnReplyDays = 3 }, func(w *world) {
		w.member("a", "job_seeker_5")
		w.members(3)
		first, second, late := w.sent("a", recipient(0)), w.sent("a", recipient(1)), w.sent("a", recipient(2))
		for range 2 {
			_, err := w.svc.Reply(w.ctx, as(recipient(0)), first, "Gladly.")
			w.ok(err)
		}
		if got := w.left("a"); got != 3 {
			w.t.Errorf("%d left after one reply, want 3", got)
		}
		_, err := w.retract(second, "a")
		w.ok(err)
		if got := w.left("a"); got != 3 {
			w.t.Errorf("%d left after a retraction, want 3: it gives nothing back", got)
		}
		w.clock.advance(72*time.Hour + time.Millisecond)
		_, err = w.svc.Reply(w.ctx, as(recipient(2)), late, "Gladly.")
		w.ok(err)
		if got := w.left("a"); got != 3 {
			w.t.Errorf("%d left after a late reply, want 3", got)
		}
	})
	on(t, "R12_not_to_a_connection", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		errs, err := w.svc.Connect(w.ctx, []mailroom.Pair{{From: "b", To: "a"}})
		w.ok(errors.Join(append(errs, err)...))
		if items, _ := w.inbox("b"); len(items) != 1 || items[0].ID != id {
			w.t.Error("a connection made later removed the InMail")
		}
		w.clock.advance(domain.Window)
		_, err = w.accept(text("a", "b"))
		w.want(err, domain.Connected)
		errs, err = w.svc.Disconnect(w.ctx, []mailroom.Pair{{From: "a", To: "b"}})
		w.ok(errors.Join(append(errs, err)...))
		w.sent("a", "b")
	})
	on(t, "R13_nobody", func(w *world) {
		w.member("a", "job_seeker_5")
		_, err := w.accept(text("a", "a"))
		w.want(err, domain.Self)
		_, err = w.accept(text("a", "nobody"))
		w.want(err, domain.UnknownRecipient)
		_, err = w.accept(text("nobody", "a"))
		w.want(err, domain.UnknownSender)
	})
	on(t, "R15_joined_conversations_go_on", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		_, err := w.svc.Reply(w.ctx, as("b"), id, "Gladly.")
		w.ok(err)
		w.member("b", "basic_0", func(m *domain.Member) { m.AcceptsInMail = false })
		for _, who := range []domain.MemberID{"a", "b"} {
			_, err := w.svc.Reply(w.ctx, as(who), id, "And more.")
			w.ok(err)
		}
		_, err = w.accept(text("a", "b"))
		w.want(err, domain.RecipientUnavailable)
	})
	on(t, "R16_a_block_ends_and_restores", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		_, err := w.svc.Reply(w.ctx, as("b"), id, "Gladly.")
		w.ok(err)
		pair := []mailroom.Pair{{From: "b", To: "a"}}
		errs, err := w.svc.Block(w.ctx, pair)
		w.ok(errors.Join(append(errs, err)...))
		for _, who := range []domain.MemberID{"a", "b"} {
			_, err := w.svc.Reply(w.ctx, as(who), id, "And more.")
			w.want(err, domain.RecipientUnavailable)
		}
		_, err = w.accept(text("a", "b"))
		w.want(err, domain.RecipientUnavailable)
		errs, err = w.svc.Unblock(w.ctx, pair)
		w.ok(errors.Join(append(errs, err)...))
		_, err = w.svc.Reply(w.ctx, as("a"), id, "Here again.")
		w.ok(err)
		w.sent("a", "b")
	})
	on(t, "R17_the_list_acts_at_once", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0", func(m *domain.Member) { m.Company = "ACME  Corp" })
		id := w.queued("a", "b") // accepted before, delivered after
		w.ok(w.svc.Ban(w.ctx, mailroom.Viewer{Operator: true, KeyID: "op"}, domain.Ban{Kind: domain.BanCompany, Value: "acme corp", Reason: "asked us"}))
		w.work()
		if m := w.inmail(id); m.Reason != domain.Banned {
			w.t.Errorf("%s for %q, want refused for banned", m.Status, m.Reason)
		}
		bans, err := w.svc.Bans(w.ctx, mailroom.Page{Limit: 10})
		w.ok(err)
		if len(bans) != 1 || bans[0].By != "op" || bans[0].Reason != "asked us" || !bans[0].At.Equal(t0) {
			w.t.Errorf("the list holds %+v", bans)
		}
		w.ok(w.svc.Unban(w.ctx, operator, domain.BanCompany, "Acme Corp"))
		w.sent("a", "b")
	})
	on(t, "R18_the_sender_cannot_tell", func(w *world) {
		w.member("a", "recruiter_25")
		w.member("op", "basic_0", func(m *domain.Member) { m.AcceptsInMail = false })
		w.member("bl", "basic_0")
		w.member("bn", "basic_0")
		w.ok(w.svc.Ban(w.ctx, operator, domain.Ban{Kind: domain.BanMember, Value: "bn"}))
		_, err := w.svc.Block(w.ctx, []mailroom.Pair{{From: "bl", To: "a"}})
		w.ok(err)
		for who, reason := range map[domain.MemberID]domain.Code{"op": domain.OptedOut, "bl": domain.Blocked, "bn": domain.Banned} {
			_, err := w.accept(text("a", who))
			var forSender *domain.Refusal
			if !errors.As(err, &forSender) || forSender.Code != domain.RecipientUnavailable || strings.Contains(err.Error(), string(reason)) {
				w.t.Errorf("to %s the sender gets %v", who, err)
			}
			campaign, err := w.svc.Preflight(w.ctx, "a", []domain.MemberID{who}, nil)
			w.ok(err)
			checks := campaign.Checks
			if len(checks[0].Refusals) != 1 || checks[0].Refusals[0].Code != domain.RecipientUnavailable {
				w.t.Errorf("preflight to %s returns %v", who, checks[0].Refusals)
			}
			audit, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{}, mailroom.Page{Limit: 1})
			w.ok(err)
			if diff := cmp.Diff([]domain.Code{reason}, audit[0].Refusals); diff != "" {
				w.t.Errorf("the audit of %s (-want +got):\n%s", who, diff)
			}
		}
	})
	on(t, "R18_receipts_hide_the_reason", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.queued("a", "b")
		_, err := w.svc.Block(w.ctx, []mailroom.Pair{{From: "b", To: "a"}})
		w.ok(err)
		w.work()
		if got := w.path(as("a"), id); got != "queued refused(recipient_unavailable)" {
			w.t.Errorf("the sender sees %q", got)
		}
		if got := w.path(operator, id); got != "queued refused(blocked)" {
			w.t.Errorf("the operator sees %q", got)
		}
	})
	on(t, "R20_no_second_knock", func(w *world) {
		w.member("a", "recruiter_25")
		w.member("b", "basic_0")
		first := w.queued("a", "b")
		_, err := w.accept(text("a", "b"))
		w.want(err, domain.AwaitingReply)
		w.work()
		_, err = w.accept(text("a", "b"))
		w.want(err, domain.AwaitingReply)
		_, err = w.svc.Open(w.ctx, as("b"), first)
		w.ok(err)
		w.clock.advance(2 * domain.Window) // opened and unanswered: still waiting
		_, err = w.accept(text("a", "b"))
		w.want(err, domain.AwaitingReply)
		_, err = w.svc.Reply(w.ctx, as("b"), first, "Gladly.")
		w.ok(err)
		second := w.sent("a", "b") // answered
		_, err = w.retract(second, "a")
		w.ok(err)
		w.sent("a", "b") // retracted
		w.clock.advance(domain.Window)
		w.sent("a", "b") // expired by the clock, no job has run
	})
	on(t, "R21_all_codes_reach_the_audit", func(w *world) {
		w.member("a", "basic_0")
		w.member("b", "basic_0", func(m *domain.Member) { m.AcceptsInMail, m.ProfileVisible = false, false })
		_, err := w.accept(mailroom.Send{From: "a", To: "b", Subject: "", Body: "[x](ftp://x.example)", Attachments: true})
		w.want(err, domain.NoCredits)
		audit, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{}, mailroom.Page{Limit: 10})
		w.ok(err)
		want := []domain.Code{domain.NoCredits, domain.ProfileNotVisible, domain.OptedOut, domain.SubjectRequired, domain.LinkNotAllowed, domain.AttachmentUnsupported}
		if diff := cmp.Diff(want, audit[0].Refusals); diff != "" {
			w.t.Errorf("audit (-want +got):\n%s", diff)
		}
	})
	with(t, "R21_judged_again_by_what_was_learnt_since", func(p *domain.Policy) { p.AllowSecondInMail = true }, func(w *world) {
		w.member("a", "recruiter_50")
		w.member("b", "basic_0")
		before, after := w.queued("a", "b"), w.queued("a", "b") // the same text, accepted as good
		deliver := func(id domain.ID) domain.Status {
			outcomes, err := w.svc.Deliver(w.ctx, []domain.ID{id})
			w.ok(err)
			return outcomes[0].Status
		}
		if got := deliver(before); got != domain.Sent {
			w.t.Fatalf("before: %s", got)
		}
		m, text := spam.NewModel(), w.inmail(after)
		for _, e := range spam.Sample(4) {
			m.Observe(e.Subject, e.Body, e.Spam)
		}
		for range 50 {
			m.Observe(text.Subject, text.Body, true)
		}
		learnt, err := m.MarshalBinary()
		w.ok(err)
		w.ok(w.record.Update(w.ctx, func(tx mailroom.Tx) error {
			return errors.Join(tx.PutModel(learnt), tx.SetState("model_version", []byte("another")))
		}))
		if got := deliver(after); got != domain.Refused {
			w.t.Errorf("after: %s, want refused", got)
		}
		if got := w.inmail(after).Reason; got != domain.SpamContent {
			w.t.Errorf("for %s, want %s", got, domain.SpamContent)
		}
	})
	on(t, "R21_judged_again_at_delivery", func(w *world) {
		changes := map[domain.Code]func(id domain.MemberID){
			domain.Connected: func(id domain.MemberID) { w.svc.Connect(w.ctx, []mailroom.Pair{{From: "a", To: id}}) },
			domain.Blocked:   func(id domain.MemberID) { w.svc.Block(w.ctx, []mailroom.Pair{{From: id, To: "a"}}) },
			domain.OptedOut: func(id domain.MemberID) {
				w.member(id, "basic_0", func(m *domain.Member) { m.AcceptsInMail = false })
			},
			domain.ProfileNotVisible: func(id domain.MemberID) {
				w.member(id, "basic_0", func(m *domain.Member) { m.ProfileShared = false })
			},
			domain.Banned: func(id domain.MemberID) {
				w.ok(w.svc.Ban(w.ctx, operator, domain.Ban{Kind: domain.BanMember, Value: string(id)}))
			},
		}
		w.member("a", "recruiter_50")
		for code, change := range changes {
			to := domain.MemberID("to_" + string(code))
			w.member(to, "basic_0")
			id := w.queued("a", to)
			change(to)
			w.work()
			if m := w.inmail(id); m.Status != domain.Refused || m.Reason != code {
				w.t.Errorf("%s for %q, want refused for %s", m.Status, m.Reason, code)
			}
		}
	})
	on(t, "R27_what_is_refused_is_not_stored", func(w *world) {
		w.member("a", "basic_0")
		w.member("b", "basic_0")
		_, err := w.accept(text("a", "b"))
		w.want(err, domain.NoCredits)
		sent, err := w.svc.Sent(w.ctx, "a", mailroom.Filter{}, mailroom.Page{Limit: 10})
		w.ok(err)
		if len(sent) != 0 || len(w.queue.take()) != 0 {
			w.t.Errorf("%d InMails are stored", len(sent))
		}
	})
	on(t, "R28_the_first_answer_again", func(w *world) {
		w.member("a", "recruiter_25")
		w.member("b", "basic_0")
		send := text("a", "b")
		send.Key = "k1"
		first, err := w.svc.Accept(w.ctx, []mailroom.Send{send})
		w.ok(err)
		w.work()
		again, err := w.svc.Accept(w.ctx, []mailroom.Send{send, send})
		w.ok(err)
		if diff := cmp.Diff([]mailroom.Accepted{first[0], first[0]}, again); diff != "" {
			w.t.Errorf("answers (-first +again):\n%s", diff)
		}
		other := send
		other.Body += " And when?"
		_, err = w.accept(other)
		w.want(err, domain.IdempotencyConflict)
		w.work()
		if items, _ := w.inbox("b"); len(items) != 1 {
			w.t.Errorf("%d in the inbox, want 1", len(items))
		}
	})
	on(t, "R28_the_same_key_at_once", func(w *world) {
		w.member("a", "recruiter_25")
		w.member("b", "basic_0")
		send := text("a", "b")
		send.Key = "k1"
		var mu sync.Mutex
		ids := map[domain.ID]bool{}
		var fs []func() error
		for range 8 {
			fs = append(fs, func() error {
				answers, err := w.svc.Accept(w.ctx, []mailroom.Send{send})
				if err == nil && answers[0].Err == nil {
					mu.Lock()
					ids[answers[0].ID] = true
					mu.Unlock()
				}
				return err
			})
		}
		w.ok(errors.Join(together(fs...)...))
		w.work()
		if items, _ := w.inbox("b"); len(ids) != 1 || len(items) != 1 {
			w.t.Errorf("%d ids and %d in the inbox, want 1 of each", len(ids), len(items))
		}
	})
	on(t, "R29_once_however_often_the_job_runs", func(w *world) {
		w.member("a", "recruiter_25", func(m *domain.Member) { m.PhotoURL = "https://example.org/a.png" })
		w.members(10)
		var ids []domain.ID
		for i := range 10 {
			ids = append(ids, w.queued("a", recipient(i)))
		}
		var fs []func() error
		for range 6 {
			fs = append(fs, func() error { _, err := w.svc.Deliver(w.ctx, ids); return err })
		}
		w.ok(errors.Join(together(fs...)...))
		w.work()
		if w.observer.delivered != 10 || w.left("a") != 15 {
			w.t.Errorf("%d delivered, %d left; want 10 and 15", w.observer.delivered, w.left("a"))
		}
		items, unread := w.inbox(recipient(0))
		if len(items) != 1 || unread != 1 || items[0].From != (mailroom.Person{ID: "a", Name: "Member A", PhotoURL: "https://example.org/a.png"}) {
			w.t.Errorf("%d unread of %+v", unread, items)
		}
	})
	on(t, "R29_newest_first_in_pages", func(w *world) {
		w.member("b", "basic_0")
		var want []domain.ID
		for i := range 7 {
			from := domain.MemberID(fmt.Sprintf("s%d", i))
			w.member(from, "job_seeker_5")
			if i != 3 { // two of them at the same instant
				w.clock.advance(time.Minute)
			}
			want = append(want, w.sent(from, "b"))
		}
		var got []domain.ID
		page := mailroom.Page{Limit: 2}
		for {
			part, err := w.svc.Inbox(w.ctx, "b", mailroom.Filter{}, page)
			w.ok(err)
			if part.Unread != 7 {
				w.t.Errorf("unread %d, want 7", part.Unread)
			}
			for _, item := range part.Items {
				got = append(got, item.ID)
			}
			if !part.More {
				break
			}
			last := part.Items[len(part.Items)-1]
			page.After = mailroom.Cursor{At: last.SentAt, ID: string(last.ID)}
		}
		slices.Reverse(want)
		if diff := cmp.Diff(want, got); diff != "" {
			w.t.Errorf("order (-want +got):\n%s", diff)
		}
	})
	on(t, "R30_listing_previews_once_and_opens_nothing", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		w.clock.advance(time.Hour)
		w.inbox("b")
		first := w.inmail(id).PreviewedAt
		w.clock.advance(time.Hour)
		items, _ := w.inbox("b")
		m := w.inmail(id)
		if !first.Equal(t0.Add(time.Hour)) || !m.PreviewedAt.Equal(first) || w.observer.previewed != 1 {
			w.t.Errorf("previewed at %s, then %s, %d times", first, m.PreviewedAt, w.observer.previewed)
		}
		if m.Status != domain.Sent || !items[0].Unread || items[0].Preview == "" || strings.Contains(items[0].Preview, "\n") {
			w.t.Errorf("%s, item %+v", m.Status, items[0])
		}
	})
	on(t, "R31_only_the_recipient_opens", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		w.member("c", "basic_0")
		id := w.sent("a", "b")
		_, err := w.svc.Open(w.ctx, as("a"), id)
		w.want(err, domain.Forbidden)
		_, err = w.svc.Open(w.ctx, as("c"), id)
		w.want(err, domain.NotFound)
		_, err = w.svc.Open(w.ctx, operator, id)
		w.want(err, domain.Forbidden)
		for _, v := range []mailroom.Viewer{as("a"), as("b"), operator} {
			_, err := w.svc.View(w.ctx, v, id)
			w.ok(err)
		}
		if m := w.inmail(id); m.Status != domain.Sent {
			w.t.Fatalf("a reader opened it: %s", m.Status)
		}
		opened, err := w.svc.Open(w.ctx, as("b"), id)
		w.ok(err)
		if opened.Body != text("a", "b").Body || !opened.OpenedAt.Equal(t0) {
			w.t.Errorf("opened %+v", opened)
		}
		if _, unread := w.inbox("b"); unread != 0 {
			w.t.Errorf("unread %d after opening", unread)
		}
	})
	on(t, "R32_gone_at_168_hours", func(w *world) {
		w.member("a", "job_seeker_5")
		w.members(3)
		opened, dead := w.sent("a", recipient(0)), w.sent("a", recipient(1))
		w.clock.advance(domain.Window - time.Millisecond)
		_, err := w.svc.Open(w.ctx, as(recipient(0)), opened)
		w.ok(err)
		if items, unread := w.inbox(recipient(1)); len(items) != 1 || unread != 1 {
			w.t.Errorf("a millisecond before: %d items, %d unread", len(items), unread)
		}
		w.clock.advance(time.Millisecond)
		if items, unread := w.inbox(recipient(1)); len(items) != 0 || unread != 0 {
			w.t.Errorf("at the end of the window: %d items, %d unread", len(items), unread)
		}
		_, err = w.svc.Open(w.ctx, as(recipient(1)), dead)
		w.want(err, domain.ExpiredCode)
		_, err = w.svc.Reply(w.ctx, as(recipient(1)), dead, "Late.")
		w.want(err, domain.ExpiredCode)
		_, err = w.svc.View(w.ctx, as(recipient(1)), dead)
		w.want(err, domain.ExpiredCode)
		if items, _ := w.inbox(recipient(0)); len(items) != 1 {
			w.t.Error("an opened InMail expired")
		}
	})
	on(t, "R33_read_before_persisted_once_after", func(w *world) {
		w.member("a", "recruiter_25")
		w.members(20)
		var ids []domain.ID
		for i := range 20 {
			ids = append(ids, w.sent("a", recipient(i)))
		}
		w.clock.advance(domain.Window)
		if got := w.path(as("a"), ids[0]); got != "queued sent expired" { // no job has run
			w.t.Errorf("the sender sees %q", got)
		}
		expired, err := w.svc.Sent(w.ctx, "a", mailroom.Filter{Status: domain.Expired}, mailroom.Page{Limit: 200})
		w.ok(err)
		if len(expired) != 20 {
			w.t.Errorf("%d are listed as expired, want 20", len(expired))
		}
		w.clock.advance(time.Hour)
		var sweeps []func() error
		for range 4 {
			sweeps = append(sweeps, func() error {
				for {
					n, err := w.svc.Expire(w.ctx, 3)
					if err != nil || n == 0 {
						return err
					}
				}
			})
		}
		w.ok(errors.Join(together(sweeps...)...))
		if w.observer.expired != 20 {
			w.t.Errorf("%d persisted, want 20 once each", w.observer.expired)
		}
		if got := w.path(as("a"), ids[0]); got != "queued sent expired" {
			w.t.Errorf("the sender sees %q", got)
		}
		if m := w.inmail(ids[0]); !m.EndedAt.Equal(t0.Add(domain.Window)) {
			w.t.Errorf("expired at %s, want T0 + Window", m.EndedAt)
		}
		if diff := cmp.Diff(map[string]int{"expired_unopened": 20}, w.outcomes(domain.ByAll)); diff != "" {
			w.t.Errorf("counts (-want +got):\n%s", diff)
		}
	})
	on(t, "R34_by_the_sender_in_time", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		w.member("c", "basic_0")
		id := w.sent("a", "b")
		_, err := w.retract(id, "b")
		w.want(err, domain.Forbidden)
		_, err = w.retract(id, "c")
		w.want(err, domain.NotFound)
		w.clock.advance(domain.Window)
		_, err = w.retract(id, "a")
		w.want(err, domain.TooLate)
	})
	on(t, "R35_the_window_is_judged_at_confirmation", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		w.clock.advance(domain.Window - time.Minute)
		token, expires, undone, err := w.svc.AskRetraction(w.ctx, as("a"), id)
		w.ok(err)
		if !undone || !expires.Equal(w.clock.Now().Add(15*time.Minute)) {
			w.t.Errorf("undone %v, token until %s", undone, expires)
		}
		w.clock.advance(time.Minute)
		_, err = w.svc.ConfirmRetraction(w.ctx, as("a"), id, token)
		w.want(err, domain.TooLate)
		w.clock.advance(time.Hour) // the token has ended too: asking for another would not help
		_, err = w.svc.ConfirmRetraction(w.ctx, as("a"), id, token)
		w.want(err, domain.TooLate)
	})
	on(t, "R35_both_steps_repeat_safely", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		first, _, _, err := w.svc.AskRetraction(w.ctx, as("a"), id)
		w.ok(err)
		_, _, _, err = w.svc.AskRetraction(w.ctx, as("a"), id)
		w.ok(err)
		for range 3 {
			undone, err := w.svc.ConfirmRetraction(w.ctx, as("a"), id, first)
			w.ok(err)
			if !undone {
				w.t.Error("undone false, want true every time")
			}
		}
		if got := w.path(as("a"), id); got != "queued sent retracted" {
			w.t.Errorf("path %q", got)
		}
		w.clock.advance(15 * time.Minute)
		_, err = w.svc.ConfirmRetraction(w.ctx, as("a"), id, first)
		w.want(err, domain.Conflict)
	})
	on(t, "R35_processes_that_start_together_take_each_others_tokens", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		w.ok(w.record.Update(w.ctx, func(tx mailroom.Tx) error { return tx.SetState("confirm_key", nil) })) // as before the first start
		services := make([]*mailroom.Service, 3)
		var starts []func() error
		for i := range services {
			starts = append(starts, func() (err error) {
				services[i], err = mailroom.New(w.ctx, mailroom.Config{Plans: domain.ShippedPlans(), Policy: w.policy}, w.record, w.queue,
					w.clock, slowSecrets{}, w.observer)
				return err
			})
		}
		w.ok(errors.Join(together(starts...)...))
		for i, service := range services {
			token, _, _, err := service.AskRetraction(w.ctx, as("a"), id)
			w.ok(err)
			_, err = services[(i+1)%len(services)].ConfirmRetraction(w.ctx, as("a"), id, token)
			w.ok(err)
		}
	})
	on(t, "R36_unopened_is_undone", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		undone, err := w.retract(id, "a")
		w.ok(err)
		items, unread := w.inbox("b")
		if !undone || len(items) != 0 || unread != 0 {
			w.t.Errorf("undone %v, %d items, %d unread", undone, len(items), unread)
		}
		_, err = w.svc.Open(w.ctx, as("b"), id)
		w.want(err, domain.RetractedCode)
		_, err = w.svc.Reply(w.ctx, as("b"), id, "Hm.")
		w.want(err, domain.RetractedCode)
	})
	on(t, "R37_opened_is_hidden_and_the_talk_goes_on", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		_, err := w.svc.Reply(w.ctx, as("b"), id, "Gladly.")
		w.ok(err)
		undone, err := w.retract(id, "a")
		w.ok(err)
		items, _ := w.inbox("b")
		if undone || len(items) != 0 {
			w.t.Errorf("undone %v, %d items", undone, len(items))
		}
		_, err = w.svc.Open(w.ctx, as("b"), id)
		w.want(err, domain.RetractedCode)
		_, err = w.svc.Reply(w.ctx, as("b"), id, "Still here.")
		w.ok(err)
		replies, err := w.svc.Replies(w.ctx, as("a"), id, mailroom.Page{Limit: 10})
		w.ok(err)
		if len(replies) != 2 {
			w.t.Errorf("%d replies, want 2", len(replies))
		}
		if diff := cmp.Diff(map[string]int{"retracted_replied": 1, "replied_in_time": 1}, w.outcomes(domain.ByAll)); diff != "" {
			w.t.Errorf("counts (-want +got):\n%s", diff)
		}
	})
	with(t, "R37_refuse", func(p *domain.Policy) { p.RetractOpened = domain.RefuseOpened }, func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		_, err := w.svc.Open(w.ctx, as("b"), id)
		w.ok(err)
		_, err = w.retract(id, "a")
		w.want(err, domain.AlreadyOpened)
	})
	on(t, "R38_one_winner_in_every_race", func(w *world) {
		w.member("a", "recruiter_50")
		w.members(40)
		for i := range 20 {
			to := recipient(i)
			id := w.sent("a", to)
			token, _, _, err := w.svc.AskRetraction(w.ctx, as("a"), id)
			w.ok(err)
			errs := together(
				func() error { _, err := w.svc.Open(w.ctx, as(to), id); return err },
				func() error { _, err := w.svc.Open(w.ctx, as(to), id); return err },
				func() error { _, err := w.svc.ConfirmRetraction(w.ctx, as("a"), id, token); return err },
				func() error { _, err := w.svc.ConfirmRetraction(w.ctx, as("a"), id, token); return err },
			)
			m := w.inmail(id)
			openFirst := errs[0] == nil || errs[1] == nil
			if m.Status != domain.Retracted || m.Undone == openFirst || m.OpenedAt.IsZero() == openFirst {
				w.t.Errorf("opens %v and %v; stored %s undone %v opened at %s", errs[0], errs[1], m.Status, m.Undone, m.OpenedAt)
			}
			want := "queued sent retracted"
			if openFirst {
				want = "queued sent opened retracted"
			}
			if got := w.path(as("a"), id); got != want {
				w.t.Errorf("path %q, want %q", got, want)
			}
		}
	})
	on(t, "R38_open_against_expiry", func(w *world) {
		w.member("a", "recruiter_50")
		w.members(20)
		var ids []domain.ID
		for i := range 20 {
			ids = append(ids, w.sent("a", recipient(i)))
		}
		w.clock.advance(domain.Window - time.Millisecond)
		fs := []func() error{func() error { w.clock.advance(time.Millisecond); _, err := w.svc.Expire(w.ctx, 100); return err }}
		for i, id := range ids {
			fs = append(fs, func() error { _, err := w.svc.Open(w.ctx, as(recipient(i)), id); return err })
		}
		errs := together(fs...)
		_, err := w.svc.Expire(w.ctx, 100)
		w.ok(errors.Join(errs[0], err))
		for i, id := range ids {
			m := w.inmail(id)
			if opened := errs[i+1] == nil; opened != (m.Status == domain.Opened) || !opened != (m.Status == domain.Expired) {
				w.t.Errorf("open said %v, stored %s", errs[i+1], m.Status)
			}
		}
		sum := 0
		for _, n := range w.outcomes(domain.ByAll) {
			sum += n
		}
		if sum != 20 {
			w.t.Errorf("the outcomes add up to %d, want 20", sum)
		}
	})
	on(t, "R39_the_first_reply", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		w.clock.advance(time.Hour)
		reply, err := w.svc.Reply(w.ctx, as("b"), id, "**Gladly.**")
		w.ok(err)
		if got := w.path(as("a"), id); got != "queued sent opened replied" {
			w.t.Errorf("path %q", got)
		}
		items, unread := w.inbox("a")
		if len(items) != 1 || unread != 1 || items[0].ID != reply || items[0].Kind != mailroom.KindReply || items[0].InMail != id || items[0].Preview != "Gladly." {
			w.t.Errorf("the sender's inbox: %d unread of %+v", unread, items)
		}
		if w.left("b") != 0 {
			w.t.Error("a reply moved credits")
		}
	})
	on(t, "R40_then_both_write_in_order", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		_, err := w.svc.Reply(w.ctx, as("a"), id, "One more thing.")
		w.want(err, domain.Conflict)
		for i, who := range []domain.MemberID{"b", "a", "a", "b"} {
			w.clock.advance(time.Duration(i) * domain.Window) // replies never expire
			_, err := w.svc.Reply(w.ctx, as(who), id, fmt.Sprintf("%d", i))
			w.ok(err)
		}
		_, err = w.svc.Reply(w.ctx, as("a"), id, strings.Repeat("x", 3001))
		w.want(err, domain.BodyTooLong)
		_, err = w.svc.Reply(w.ctx, as("a"), id, "![x](https://example.org/x.png)")
		w.want(err, domain.ImageNotSupported)
		replies, err := w.svc.Replies(w.ctx, as("a"), id, mailroom.Page{Limit: 10})
		w.ok(err)
		var order string
		for _, r := range replies {
			order += r.Body
		}
		if order != "0123" {
			w.t.Errorf("order %q", order)
		}
		if _, unread := w.inbox("a"); unread != 0 {
			w.t.Errorf("unread %d after reading", unread)
		}
	})
	on(t, "R44_once", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		w.want(w.svc.Report(w.ctx, as("a"), id, "x"), domain.Forbidden)
		w.ok(w.svc.Report(w.ctx, as("b"), id, "I never asked for this"))
		w.want(w.svc.Report(w.ctx, as("b"), id, "again"), domain.Conflict)
	})
	on(t, "R56_tags_move_the_figures", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		tags, err := w.svc.Tag(w.ctx, as("a"), id, []string{" Q4 ", "Pipeline", "q4"})
		w.ok(err)
		if diff := cmp.Diff([]string{"pipeline", "q4"}, tags); diff != "" {
			w.t.Errorf("tags (-want +got):\n%s", diff)
		}
		_, err = w.svc.Tag(w.ctx, as("b"), id, nil)
		w.want(err, domain.Forbidden)
		_, err = w.svc.Open(w.ctx, as("b"), id)
		w.ok(err)
		_, err = w.svc.Tag(w.ctx, as("a"), id, []string{"q4"})
		w.ok(err)
		if diff := cmp.Diff(map[string]int{"q4 opened": 1}, w.outcomes(domain.ByTag)); diff != "" {
			w.t.Errorf("counts (-want +got):\n%s", diff)
		}
		listed, err := w.svc.Sent(w.ctx, "a", mailroom.Filter{Tag: "q4"}, mailroom.Page{Limit: 10})
		w.ok(err)
		none, err := w.svc.Sent(w.ctx, "a", mailroom.Filter{Tag: "pipeline"}, mailroom.Page{Limit: 10})
		w.ok(err)
		if len(listed) != 1 || len(none) != 0 {
			w.t.Errorf("%d with q4, %d with pipeline", len(listed), len(none))
		}
	})
	on(t, "R61_too_old_to_send", func(w *world) {
		w.member("a", "job_seeker_5")
		w.members(2)
		old := w.queued("a", recipient(0))
		w.clock.advance(time.Millisecond)
		young := w.queued("a", recipient(1))
		w.clock.advance(24*time.Hour - time.Millisecond)
		w.work()
		if m := w.inmail(old); m.Status != domain.Failed || m.Reason != domain.TooOld {
			w.t.Errorf("%s for %q, want failed for too_old", m.Status, m.Reason)
		}
		if m := w.inmail(young); m.Status != domain.Sent {
			w.t.Errorf("%s, want sent", m.Status)
		}
		if got := w.left("a"); got != 4 {
			w.t.Errorf("%d left, want 4", got)
		}
	})
	for queued, want := range map[mailroom.Queued]domain.Status{mailroom.QueuedFail: domain.Failed, mailroom.QueuedSend: domain.Sent} {
		on(t, "R61_held_until_resumed_then_queued_"+string(queued), func(w *world) {
			w.member("a", "job_seeker_5")
			w.members(3)
			sent := w.queued("a", recipient(0))
			w.work()
			waiting := w.queued("a", recipient(1))
			w.ok(w.record.HoldNext(w.ctx))
			held := func(what string, err error) {
				w.t.Helper()
				if !errors.Is(err, mailroom.ErrUnavailable) || mailroom.CauseOf(err) != mailroom.CauseHeld {
					w.t.Errorf("%s a held record: %v", what, err)
				}
			}
			_, err := w.svc.Accept(w.ctx, []mailroom.Send{{From: "a", To: recipient(2), Subject: "s", Body: "b"}})
			held("sending from", err)
			_, err = w.svc.Deliver(w.ctx, []domain.ID{waiting})
			held("delivering from", err)
			_, err = w.svc.Expire(w.ctx, 10)
			held("expiring in", err)
			held("probing", w.svc.Ready(w.ctx))
			w.serve() // a program that starts on it
			w.ok(w.svc.InstallKeys(w.ctx, "the key that ends it", ""))
			w.ok(w.svc.ConnectCRMs(w.ctx))
			if m := w.inmail(waiting); m.Status != domain.Queued {
				w.t.Errorf("held, it is %s", m.Status)
			}
			done, err := w.svc.Resume(w.ctx, mailroom.Viewer{Operator: true, KeyID: "k"}, queued)
			w.ok(err)
			if want := map[mailroom.Queued]mailroom.Resumed{mailroom.QueuedFail: {WasHeld: true, Failed: 1}, mailroom.QueuedSend: {WasHeld: true, Queued: 1}}[queued]; done != want {
				w.t.Errorf("resumed: %+v, want %+v", done, want)
			}
			if again, err := w.svc.Resume(w.ctx, mailroom.Viewer{Operator: true}, queued); err != nil || again != (mailroom.Resumed{}) {
				w.t.Errorf("resumed again: %+v, %v", again, err)
			}
			_, err = w.svc.Redrive(w.ctx, 0, 10)
			w.ok(err)
			w.clock.advance(time.Second)
			w.work()
			left := 4
			if want == domain.Sent {
				left = 3
			}
			if m := w.inmail(waiting); m.Status != want || want == domain.Failed && m.Reason != domain.Restored || w.left("a") != left {
				w.t.Errorf("it is %s for %q, and %d credits are left", m.Status, m.Reason, w.left("a"))
			}
			if m := w.inmail(sent); m.Status != domain.Sent {
				w.t.Errorf("what was sent before is %s", m.Status)
			}
			log, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{}, mailroom.Page{Limit: 10})
			w.ok(err)
			if len(log) == 0 || log[0].Kind != mailroom.DecidedResume || log[0].By != "k" {
				w.t.Errorf("the audit has %+v", log)
			}
			if later := w.queued("a", recipient(2)); later == "" {
				w.t.Error("nothing is accepted afterwards")
			}
		})
	}
	on(t, "R54_what_a_lost_queue_forgot_is_asked_for_again", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		w.queue.down = true
		id := w.queued("a", "b")
		w.queue.down = false
		w.clock.advance(5 * time.Second)
		n, err := w.svc.Redrive(w.ctx, 3*time.Second, 100)
		w.ok(err)
		w.work()
		if m := w.inmail(id); n != 1 || m.Status != domain.Sent {
			w.t.Errorf("%d asked for, %s", n, m.Status)
		}
	})
}
