package mailroom_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// decline declines an InMail as its recipient.
func (w *world) decline(id domain.ID, by domain.MemberID) error {
	return w.svc.Decline(w.ctx, as(by), id, "No thanks")
}

// reply adds a message to a conversation.
func (w *world) reply(id domain.ID, by domain.MemberID, body string) domain.ID {
	w.t.Helper()
	reply, err := w.svc.Reply(w.ctx, as(by), id, body)
	w.ok(err)
	return reply
}

// figures compares the counts of all InMails.
func (w *world) figures(want map[string]int) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.outcomes(domain.ByAll)); diff != "" {
		w.t.Errorf("figures (-want +got):\n%s", diff)
	}
}

const (
	spamSubject = "WINNER!!! CLAIM YOUR FREE CASH PRIZE NOW"
	spamBody    = "CONGRATULATIONS!!! You have WON a FREE $5000 cash prize!!! 100% guaranteed, no risk, act now: [claim](http://bit.ly/cl4im) before it expires!!! Earn money fast!!!"
)

const absence = "Automatic reply: I am out of the office until Monday, 7 December, and answer after that."

// keyRules proves that a key binds what was accepted and nothing else (R28).
func keyRules(t *testing.T) {
	keyed := func(from, to domain.MemberID) mailroom.Send {
		send := text(from, to)
		send.Key = "k1"
		return send
	}
	on(t, "R28_a_refusal_binds_no_key", func(w *world) {
		w.member("a", "basic_0")
		w.member("b", "basic_0")
		send := keyed("a", "b")
		_, err := w.accept(send)
		w.want(err, domain.NoCredits)
		w.member("a", "job_seeker_5")
		id, err := w.accept(send)
		w.ok(err)
		again, err := w.accept(send)
		w.ok(err)
		if again != id {
			w.t.Errorf("the accepted one is %s, and again %s", id, again)
		}
	})
	on(t, "R28_a_text_may_be_corrected_under_its_key", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		send := keyed("a", "b")
		send.Subject = " "
		good := keyed("a", "b")
		other := good
		other.Body += " And when?"
		answers, err := w.svc.Accept(w.ctx, []mailroom.Send{send, good, other, good})
		w.ok(err)
		w.want(answers[0].Err, domain.SubjectRequired)
		w.ok(answers[1].Err)
		w.want(answers[2].Err, domain.IdempotencyConflict)
		if answers[3].Err != nil || answers[3].ID != answers[1].ID {
			w.t.Errorf("the repeated one is %+v", answers[3])
		}
	})
	with(t, "R28_repeats_at_once_are_judged_once", func(p *domain.Policy) { p.Strikes = 3 }, func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		send := keyed("a", "b")
		send.Subject, send.Body = spamSubject, spamBody
		answers, err := w.svc.Accept(w.ctx, []mailroom.Send{send, send, send, send})
		w.ok(err)
		for _, a := range answers {
			w.want(a.Err, domain.SpamContent)
		}
		entries, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{Sender: "a"}, mailroom.Page{Limit: 10})
		w.ok(err)
		if len(entries) != 1 {
			w.t.Errorf("%d decisions for one request that came four times", len(entries))
		}
	})
	with(t, "R28_a_key_is_kept_for_its_days", func(p *domain.Policy) { p.KeyDays, p.DeclinedDays = 3, 0 }, func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		send := keyed("a", "b")
		first, err := w.accept(send)
		w.ok(err)
		w.work()
		w.ok(w.decline(first, "b")) // so that a second one may go out
		w.clock.advance(3*24*time.Hour - time.Millisecond)
		if again, err := w.accept(send); err != nil || again != first {
			w.t.Errorf("a millisecond before: %s, %v, want %s", again, err, first)
		}
		w.clock.advance(time.Millisecond)
		second, err := w.accept(send)
		w.ok(err)
		if second == first {
			w.t.Error("the key is still bound after its days")
		}
		w.clock.advance(3 * 24 * time.Hour)
		for _, want := range []int{1, 0} {
			if n, err := w.svc.DropKeys(w.ctx, 10); err != nil || n != want {
				w.t.Errorf("dropped %d keys, %v; want %d", n, err, want)
			}
		}
	})
}

// declineRules proves R63.
func declineRules(t *testing.T) {
	on(t, "R63_declined_in_every_view", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		w.want(w.decline(id, "a"), domain.Forbidden)
		w.want(w.decline(id, "c"), domain.NotFound)
		w.want(w.svc.Decline(w.ctx, as("b"), id, strings.Repeat("x", 201)), domain.BadRequest)
		w.ok(w.svc.Decline(w.ctx, as("b"), id, " We have \n a supplier. "))
		w.ok(w.svc.Decline(w.ctx, as("b"), id, "Another reason"))
		for _, v := range []mailroom.Viewer{as("a"), operator} {
			if got := w.path(v, id); got != "queued sent opened declined" {
				w.t.Errorf("receipts %q", got)
			}
			view, err := w.svc.View(w.ctx, v, id)
			w.ok(err)
			if view.Status != domain.Declined || view.InMail.DeclineReason != "We have a supplier." {
				w.t.Errorf("%s, reason %q", view.Status, view.InMail.DeclineReason)
			}
		}
		sent, err := w.svc.Sent(w.ctx, "a", mailroom.Filter{Status: domain.Declined}, mailroom.Page{Limit: 10})
		w.ok(err)
		if len(sent) != 1 || sent[0].InMail.DeclineReason != "We have a supplier." {
			w.t.Errorf("sent, declined: %+v", sent)
		}
		items, unread := w.inbox("b")
		if len(items) != 1 || unread != 0 || items[0].Status != domain.Declined {
			w.t.Errorf("%d unread of %+v", unread, items)
		}
		opened, err := w.svc.Open(w.ctx, as("b"), id)
		w.ok(err)
		if opened.Body == "" || !opened.OpenedAt.Equal(t0) {
			w.t.Errorf("opened %+v", opened)
		}
		w.figures(map[string]int{"declined": 1})
		report, err := w.svc.Analytics(w.ctx, operator, mailroom.CutByWeek, time.Time{}, time.Time{})
		w.ok(err)
		if row := report.Rows[0]; row.Delivered != 1 || row.Opened != 1 || row.Replied != 0 || row.InTime != 0 || row.Declined != 1 {
			w.t.Errorf("the week is %+v", row)
		}
		w.clock.advance(domain.Window)
		if n, err := w.svc.Expire(w.ctx, 10); err != nil || n != 0 {
			w.t.Errorf("%d expired, %v", n, err)
		}
	})
	on(t, "R63_nothing_is_added_after_it", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		w.ok(w.decline(id, "b"))
		for _, who := range []domain.MemberID{"a", "b"} {
			for _, body := range []string{"One more thing.", absence} {
				_, err := w.svc.Reply(w.ctx, as(who), id, body)
				w.want(err, domain.Conflict)
			}
		}
		w.member("c", "basic_0")
		answered := w.sent("a", "c")
		w.reply(answered, "c", "Gladly.")
		w.want(w.decline(answered, "c"), domain.Conflict)
	})
	with(t, "R63_no_new_one_for_some_days", func(p *domain.Policy) { p.DeclinedDays = 90 }, func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("c", "job_seeker_5")
		w.member("b", "basic_0")
		w.ok(w.decline(w.sent("a", "b"), "b"))
		w.clock.advance(90*24*time.Hour - time.Millisecond)
		_, err := w.accept(text("a", "b"))
		w.want(err, domain.RecipientUnavailable)
		campaign, err := w.svc.Preflight(w.ctx, "a", []domain.MemberID{"b"}, nil)
		w.ok(err)
		if len(campaign.Checks[0].Refusals) != 1 || campaign.Checks[0].Refusals[0].Code != domain.RecipientUnavailable {
			w.t.Errorf("preflight %+v", campaign.Checks[0].Refusals)
		}
		entries, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{Sender: "a"}, mailroom.Page{Limit: 1})
		w.ok(err)
		if diff := cmp.Diff([]domain.Code{domain.DeclinedCode}, entries[0].Refusals); diff != "" {
			w.t.Errorf("audit (-want +got):\n%s", diff)
		}
		if ends := endsAt(w, entries[0], domain.DeclinedCode); !ends.Equal(t0.AddDate(0, 0, 90)) {
			w.t.Errorf("it ends at %s", ends)
		}
		w.sent("c", "b") // another sender is free
		w.clock.advance(time.Millisecond)
		w.sent("a", "b")
	})
	on(t, "R63_declined_between_accept_and_delivery", func(w *world) {
		w.policy.AllowSecondInMail = true
		w.serve()
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		first, second := w.sent("a", "b"), w.queued("a", "b")
		w.ok(w.decline(first, "b"))
		w.work()
		if m := w.inmail(second); m.Status != domain.Refused || m.Reason != domain.DeclinedCode {
			w.t.Errorf("the second is %s, reason %s", m.Status, m.Reason)
		}
		if got := w.path(as("a"), second); got != "queued refused(recipient_unavailable)" {
			w.t.Errorf("the sender reads %q", got)
		}
	})
	on(t, "R63_retracted_from_view", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		w.ok(w.decline(id, "b"))
		if undone, err := w.retract(id, "a"); err != nil || undone {
			w.t.Errorf("undone %v, %v", undone, err)
		}
		w.figures(map[string]int{"retracted_declined": 1})
		if items, _ := w.inbox("b"); len(items) != 0 {
			w.t.Errorf("it is still in the inbox: %+v", items)
		}
		w.want(w.decline(id, "b"), domain.RetractedCode)
		_, err := w.accept(text("a", "b"))
		w.want(err, domain.RecipientUnavailable) // the decline holds
	})
	for _, back := range []bool{false, true} {
		with(t, fmt.Sprintf("R63_credit_back_%v", back), func(p *domain.Policy) { p.CreditBackOnDecline = back }, func(w *world) {
			w.member("a", "job_seeker_5")
			w.member("b", "basic_0")
			id := w.sent("a", "b")
			w.ok(w.decline(id, "b"))
			w.ok(w.decline(id, "b"))
			if want := map[bool]int{false: 4, true: 5}[back]; w.left("a") != want {
				w.t.Errorf("%d left, want %d", w.left("a"), want)
			}
		})
	}
	on(t, "R63_two_declines_at_once", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		var fs []func() error
		for range 6 {
			fs = append(fs, func() error { return w.decline(id, "b") })
		}
		w.ok(errors.Join(together(fs...)...))
		w.figures(map[string]int{"declined": 1})
		if got := w.path(as("a"), id); got != "queued sent opened declined" {
			w.t.Errorf("receipts %q", got)
		}
	})
	on(t, "R63_the_reason_is_erased", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		w.ok(w.decline(id, "b"))
		w.ok(w.svc.Erase(w.ctx, operator, "b"))
		_, err := w.svc.FinishErasures(w.ctx)
		w.ok(err)
		if m := w.inmail(id); m.DeclineReason != "" || m.Status != domain.Declined {
			w.t.Errorf("%s with the reason %q", m.Status, m.DeclineReason)
		}
		w.figures(map[string]int{"declined": 1})
	})
	with(t, "R63_the_reason_is_exported_and_dropped_by_age", func(p *domain.Policy) { p.RetainDays = 1 }, func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		w.ok(w.decline(id, "b"))
		for _, who := range []domain.MemberID{"a", "b"} {
			e, err := w.svc.Export(w.ctx, who)
			w.ok(err)
			if m := e.InMails[0].InMail; m.DeclineReason != "No thanks" || !m.DeclinedAt.Equal(t0) {
				w.t.Errorf("the export of %s has %q at %s", who, m.DeclineReason, m.DeclinedAt)
			}
		}
		w.clock.advance(24*time.Hour + time.Millisecond)
		_, err := w.svc.DropTexts(w.ctx, 10)
		w.ok(err)
		if m := w.inmail(id); m.DeclineReason != "" || m.Body != "" {
			w.t.Errorf("the reason is %q", m.DeclineReason)
		}
	})
}

// endsAt returns when a refusal of a decision ends, as operators read it.
func endsAt(w *world, e mailroom.AuditEntry, code domain.Code) time.Time {
	w.t.Helper()
	var kept map[domain.Code]struct {
		EndsAt time.Time `json:"ends_at"`
	}
	w.ok(json.Unmarshal(e.Detail, &kept))
	return kept[code].EndsAt
}

// automaticRules proves R64.
func automaticRules(t *testing.T) {
	on(t, "R64_it_changes_nothing_of_the_InMail", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		version := w.inmail(id).Version
		w.reply(id, "b", absence)
		_, err := w.svc.ReplyWith(w.ctx, as("b"), id, mailroom.Message{Body: "I have left the company.", Automatic: true})
		w.ok(err)
		m := w.inmail(id)
		if m.Status != domain.Sent || m.Version != version || m.Replies != 0 || m.Automatic != 2 || !m.OpenedAt.IsZero() || w.path(as("a"), id) != "queued sent" {
			w.t.Errorf("it is %+v", m)
		}
		w.figures(map[string]int{"pending_unopened": 1})
		replies, err := w.svc.Replies(w.ctx, as("a"), id, mailroom.Page{Limit: 10})
		w.ok(err)
		if len(replies) != 2 || !replies[0].Automatic || !replies[1].Automatic || replies[0].Body != absence {
			w.t.Errorf("the sender reads %+v", replies)
		}
		items, _ := w.inbox("a")
		if len(items) != 2 || !items[0].Automatic || items[0].Kind != mailroom.KindReply {
			w.t.Errorf("the sender's inbox: %+v", items)
		}
		if items, unread := w.inbox("b"); len(items) != 1 || unread != 1 {
			w.t.Errorf("%d unread of %+v", unread, items)
		}
		_, err = w.svc.Reply(w.ctx, as("a"), id, "When are you back?") // it opens no conversation
		w.want(err, domain.Conflict)
		_, err = w.accept(text("a", "b")) // and lifts nothing
		w.want(err, domain.AwaitingReply)
		w.clock.advance(domain.Window)
		if n, err := w.svc.Expire(w.ctx, 10); err != nil || n != 1 {
			w.t.Errorf("%d expired, %v", n, err)
		}
		w.figures(map[string]int{"expired_unopened": 1})
		_, err = w.svc.Reply(w.ctx, as("b"), id, absence)
		w.want(err, domain.ExpiredCode)
	})
	with(t, "R64_detected_unless_the_policy_says_no", func(p *domain.Policy) { p.DetectAutomatic = false }, func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		w.reply(id, "b", absence)
		w.figures(map[string]int{"replied": 1, "replied_in_time": 1})
	})
	on(t, "R64_a_true_answer_may_speak_of_an_absence", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		w.reply(id, "b", "I was out of the office last week, but yes: Tuesday suits me.")
		w.figures(map[string]int{"replied": 1, "replied_in_time": 1})
	})
	with(t, "R64_marked_true", func(p *domain.Policy) { p.CreditBackOnReplyDays = 2 }, func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		w.clock.advance(time.Hour)
		at := w.clock.Now()
		reply := w.reply(id, "b", absence)
		w.clock.advance(72 * time.Hour)
		mark := func(v mailroom.Viewer, automatic bool) error {
			return w.svc.MarkAutomatic(w.ctx, v, id, reply, automatic)
		}
		w.want(mark(as("b"), false), domain.Forbidden)
		w.want(mark(as("c"), false), domain.NotFound)
		w.want(w.svc.MarkAutomatic(w.ctx, as("a"), id, id, false), domain.NotFound)
		w.ok(mark(as("a"), true)) // it is already
		w.figures(map[string]int{"pending_unopened": 1})
		w.ok(mark(as("a"), false))
		w.ok(mark(operator, false))
		m := w.inmail(id)
		if m.Status != domain.Replied || !m.OpenedAt.Equal(at) || !m.RepliedAt.Equal(at) || m.Replies != 1 || m.Automatic != 0 {
			w.t.Errorf("it is %+v", m)
		}
		if got := w.path(as("a"), id); got != "queued sent opened replied" {
			w.t.Errorf("receipts %q", got)
		}
		w.figures(map[string]int{"replied": 1, "replied_in_time": 1})
		if w.left("a") != 5 {
			w.t.Errorf("%d left: the reply came within two days", w.left("a"))
		}
		w.reply(id, "a", "Welcome back.") // the conversation is open
		w.ok(mark(operator, true))        // and back again
		m = w.inmail(id)
		if m.Status != domain.Opened || !m.OpenedAt.Equal(at) || !m.RepliedAt.IsZero() || m.Replies != 1 || m.Automatic != 1 {
			w.t.Errorf("it is %+v", m)
		}
		w.figures(map[string]int{"opened": 1})
		if w.left("a") != 4 {
			w.t.Errorf("%d left: the credit is taken back", w.left("a"))
		}
		if got := w.path(as("a"), id); got != "queued sent opened replied opened" {
			w.t.Errorf("receipts %q", got)
		}
		_, err := w.svc.Reply(w.ctx, as("a"), id, "Hello?")
		w.want(err, domain.Conflict)
	})
	on(t, "R64_marked_true_after_it_expired", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		reply := w.reply(id, "b", absence)
		w.clock.advance(domain.Window)
		w.want(w.svc.MarkAutomatic(w.ctx, as("a"), id, reply, false), domain.ExpiredCode)
		if m := w.inmail(id); m.Automatic != 1 || m.Replies != 0 {
			w.t.Errorf("the refused mark changed %+v", m)
		}
		_, err := w.svc.Expire(w.ctx, 10)
		w.ok(err)
		w.want(w.svc.MarkAutomatic(w.ctx, operator, id, reply, false), domain.ExpiredCode)
		w.figures(map[string]int{"expired_unopened": 1})
	})
	with(t, "R64_the_credit_follows_over_a_period", func(p *domain.Policy) { p.CreditBackOnReplyDays = 30 }, func(w *world) {
		w.member("a", "job_seeker_5", func(m *domain.Member) { m.AnchorDay = 26 })
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		reply := w.reply(id, "b", absence)
		left := func(at time.Time, automatic bool, want int) {
			w.t.Helper()
			w.clock.set(at)
			w.ok(w.svc.MarkAutomatic(w.ctx, as("a"), id, reply, automatic))
			if w.left("a") != want {
				w.t.Errorf("%d left, want %d", w.left("a"), want)
			}
		}
		left(t0.AddDate(0, 0, 4), false, 6) // in the next period: one more than its allowance
		left(t0.AddDate(0, 0, 5), true, 5)
		left(t0.AddDate(0, 0, 6), false, 6)
		left(t0.AddDate(0, 0, 40), true, 5) // another period: the one that had it lost it
	})
	on(t, "R64_marked_by_many_at_once", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		reply := w.reply(id, "b", absence)
		var fs []func() error
		for i := range 8 {
			v := []mailroom.Viewer{as("a"), operator}[i%2]
			fs = append(fs, func() error { return w.svc.MarkAutomatic(w.ctx, v, id, reply, false) })
		}
		w.ok(errors.Join(together(fs...)...))
		w.figures(map[string]int{"replied": 1, "replied_in_time": 1})
	})
	on(t, "R64_the_second_reply_is_the_first_true_one", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("b", "basic_0")
		id := w.sent("a", "b")
		w.reply(id, "b", absence)
		w.clock.advance(time.Hour)
		second := w.reply(id, "b", "I am back: gladly.")
		at := w.clock.Now()
		if m := w.inmail(id); m.Status != domain.Replied || !m.RepliedAt.Equal(at) {
			w.t.Errorf("%s, replied at %s", m.Status, m.RepliedAt)
		}
		w.clock.advance(time.Hour)
		third := w.reply(id, "b", "One more thing.")
		w.ok(w.svc.MarkAutomatic(w.ctx, as("a"), id, second, true))
		if m := w.inmail(id); m.Status != domain.Replied || !m.RepliedAt.Equal(w.clock.Now()) || m.Replies != 1 {
			w.t.Errorf("after the second was marked: %s, replied at %s", m.Status, m.RepliedAt)
		}
		w.ok(w.svc.MarkAutomatic(w.ctx, as("a"), id, third, true))
		w.figures(map[string]int{"opened": 1})
	})
}

// peaceRules proves R65.
func peaceRules(t *testing.T) {
	senders := func(w *world, n int) (ids []domain.MemberID) {
		for i := range n {
			ids = append(ids, domain.MemberID(fmt.Sprintf("s%d", i)))
			w.member(ids[i], "recruiter_25")
		}
		return ids
	}
	with(t, "R65_over_all_senders", func(p *domain.Policy) { p.RecipientWeek = 2 }, func(w *world) {
		s := senders(w, 4)
		w.members(2)
		w.sent(s[0], "r0")
		w.clock.advance(24 * time.Hour)
		w.sent(s[1], "r0")
		_, err := w.accept(text(s[2], "r0"))
		w.want(err, domain.RecipientUnavailable)
		var shown *domain.Refusal
		if errors.As(err, &shown) && (!shown.Until.IsZero() || shown.Limit != 0) {
			w.t.Errorf("the sender reads %+v", shown)
		}
		entries, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{Sender: s[2]}, mailroom.Page{Limit: 1})
		w.ok(err)
		if entries[0].Refusals[0] != domain.RecipientBusy || !endsAt(w, entries[0], domain.RecipientBusy).Equal(t0.Add(domain.PeaceWindow)) {
			w.t.Errorf("audit %v %s", entries[0].Refusals, entries[0].Detail)
		}
		campaign, err := w.svc.Preflight(w.ctx, s[2], []domain.MemberID{"r0", "r1"}, nil)
		w.ok(err)
		if campaign.Checks[0].OK || campaign.Checks[0].Refusals[0].Code != domain.RecipientUnavailable || !campaign.Checks[1].OK {
			w.t.Errorf("preflight %+v", campaign)
		}
		w.sent(s[2], "r1") // another member has room
		w.clock.set(t0.Add(domain.PeaceWindow - time.Millisecond))
		_, err = w.accept(text(s[3], "r0"))
		w.want(err, domain.RecipientUnavailable)
		w.clock.advance(time.Millisecond)
		w.sent(s[3], "r0")
	})
	with(t, "R65_the_members_own_lower_number", func(p *domain.Policy) { p.RecipientWeek = 3 }, func(w *world) {
		s := senders(w, 4)
		w.members(1)
		own := func(n int) {
			_, err := w.svc.ChangeMember(w.ctx, "r0", func(m *domain.Member) error { m.MaxWeek = n; return nil })
			w.ok(err)
		}
		own(1)
		w.sent(s[0], "r0")
		_, err := w.accept(text(s[1], "r0"))
		w.want(err, domain.RecipientUnavailable)
		own(9) // the policy is lower
		w.sent(s[1], "r0")
		w.sent(s[2], "r0")
		_, err = w.accept(text(s[3], "r0"))
		w.want(err, domain.RecipientUnavailable)
		_, err = w.svc.ChangeMember(w.ctx, "r0", func(m *domain.Member) error { m.MaxWeek = -1; return nil })
		w.want(err, domain.BadRequest)
	})
	on(t, "R65_what_is_on_its_way_counts_at_accept", func(w *world) {
		s := senders(w, 2)
		w.member("b", "basic_0", func(m *domain.Member) { m.MaxWeek = 1 })
		answers, err := w.svc.Accept(w.ctx, []mailroom.Send{text(s[0], "b"), text(s[1], "b")})
		w.ok(err)
		w.ok(answers[0].Err)
		w.want(answers[1].Err, domain.RecipientUnavailable)
		w.work()
		if m := w.inmail(answers[0].ID); m.Status != domain.Sent {
			w.t.Errorf("it is %s: it is no obstacle to itself", m.Status)
		}
	})
	on(t, "R65_judged_again_at_delivery", func(w *world) {
		s := senders(w, 6)
		w.member("b", "basic_0")
		var ids []domain.ID
		for _, from := range s {
			ids = append(ids, w.queued(from, "b"))
		}
		w.member("b", "basic_0", func(m *domain.Member) { m.MaxWeek = 2 })
		var fs []func() error
		for _, id := range ids { // at once, one in each transaction
			fs = append(fs, func() error { _, err := w.svc.Deliver(w.ctx, []domain.ID{id}); return err })
		}
		w.ok(errors.Join(together(fs...)...))
		w.work()
		states := map[string]int{}
		for _, id := range ids {
			m := w.inmail(id)
			states[strings.TrimSpace(string(m.Status)+" "+string(m.Reason))]++
		}
		if diff := cmp.Diff(map[string]int{"sent": 2, "refused recipient_busy": 4}, states); diff != "" {
			w.t.Errorf("states (-want +got):\n%s", diff)
		}
	})
}

// mannersFields tries F31 and F40.
func mannersFields(t *testing.T) {
	on(t, "F31_the_same_line_again", func(w *world) {
		w.member("a", "job_seeker_5")
		w.member("poor", "basic_0")
		line := func(from, to, subject, key string) string {
			return fmt.Sprintf(`{"inmail":{"from":%q,"to":%q,"subject":%q,"body":"I liked your talk on queues. May I ask how you test yours?","key":%q}}`+"\n", from, to, subject, key)
		}
		read := func(lines string) (codes []domain.Code) {
			report, err := w.svc.Import(w.ctx, strings.NewReader(lines), nil)
			w.ok(err)
			for _, r := range report.Rejected {
				codes = append(codes, r.Code)
			}
			return codes
		}
		expect := func(lines string, want ...domain.Code) {
			w.t.Helper()
			if diff := cmp.Diff(want, read(lines)); diff != "" {
				w.t.Errorf("rejected (-want +got):\n%s", diff)
			}
		}
		unknown := line("a", "new", "Your talk on queues", "k1")
		expect(unknown, domain.UnknownRecipient)
		expect(unknown+`{"member":{"id":"new","name":"New"}}`+"\n"+unknown, domain.UnknownRecipient)
		expect(unknown) // sent once, whatever is repeated
		expect(line("poor", "new", "Your talk on queues", "k2"), domain.NoCredits)
		w.member("poor", "job_seeker_5")
		expect(line("poor", "new", "Your talk on queues", "k2"))
		w.member("b", "basic_0")
		expect(line("a", "b", " ", "k3"), domain.SubjectRequired)
		expect(line("a", "b", "Your talk on queues", "k3"))
		expect(line("a", "b", "Another subject", "k3"), domain.IdempotencyConflict)
		w.work()
		for who, want := range map[domain.MemberID]int{"new": 2, "b": 1} {
			if items, _ := w.inbox(who); len(items) != want {
				w.t.Errorf("%d in the inbox of %s, want %d", len(items), who, want)
			}
		}
	})
	on(t, "F40_notices_of_absence", func(w *world) {
		w.member("a", "recruiter_25")
		w.members(7)
		for i, notice := range []string{
			"Automatic reply: I am out of the office until Monday and will answer on my return.",
			"Abwesenheitsnotiz: Ich bin bis Montag nicht im Büro. In dringenden Fällen wenden Sie sich bitte an Frau Weiß.",
			"Réponse automatique : je suis absente du bureau jusqu'à lundi. En cas d'urgence, contactez M. Blanc.",
			"Respuesta automática: estoy fuera de la oficina hasta el lunes. Para asuntos urgentes, escriba a Ana Ruiz.",
			"Resposta automática: estou ausente do escritório até segunda-feira. Em caso de urgência, contacte a Rita.",
			"Risposta automatica: sono fuori ufficio fino a lunedì. Per urgenze potete contattare Paolo Neri.",
			"Automatisch antwoord: ik ben tot maandag niet op kantoor. Neem voor dringende zaken contact op met Jan.",
		} {
			id := w.sent("a", recipient(i))
			w.reply(id, recipient(i), notice)
			if m := w.inmail(id); m.Status != domain.Sent || m.Automatic != 1 {
				w.t.Errorf("%q made it %s", notice, m.Status)
			}
		}
	})
}
