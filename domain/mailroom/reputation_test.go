package mailroom_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"inmail/domain"
	"inmail/domain/advice"
	"inmail/domain/mailroom"
	"inmail/domain/spam"
)

// words returns a different text for every n, so that no two bodies are similar.
func words(n int) string {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	all := []string{"river", "ledger", "orchard", "signal", "harbour", "window", "meadow", "copper", "lantern", "garden", "summit", "thread", "canvas",
		"anchor", "bridge", "cellar", "dialect", "ember", "falcon", "glacier", "hollow", "island", "jasmine", "kernel", "lattice", "marble", "novel"}
	text := "Dear colleague,"
	for range 24 {
		text += " " + all[r.IntN(len(all))]
	}
	return text + ". Would you tell me what you think?"
}

// own returns the n-th InMail of a sender, with a text of its own.
func own(from domain.MemberID, n int) mailroom.Send {
	return mailroom.Send{From: from, To: recipient(n), Subject: fmt.Sprintf("Question %d about your work", n), Body: words(n)}
}

// until returns when the restriction in err ends, and fails when err is another.
func (w *world) until(err error) time.Time {
	w.t.Helper()
	var r *domain.Refusal
	if !errors.As(err, &r) || r.Code != domain.Restricted {
		w.t.Fatalf("got %v, want restricted", err)
	}
	return r.Until
}

// reputationRules proves R41 to R43 through accept, on every record, under the shipped limits.
func reputationRules(t *testing.T) {
	shipped := func(p *domain.Policy) {
		d := domain.DefaultPolicy()
		p.VolumeHour, p.VolumeDay, p.SimilarDay, p.RegularGaps, p.BurstMinute = d.VolumeHour, d.VolumeDay, d.SimilarDay, d.RegularGaps, d.BurstMinute
	}
	// pass sends n InMails with own texts that must pass, about gap apart but unevenly.
	pass := func(w *world, from, n int, gap time.Duration, send func(int) mailroom.Send) {
		w.t.Helper()
		for i := from; i < from+n; i++ {
			_, err := w.accept(send(i))
			if err != nil {
				w.t.Fatalf("send %d: %v", i+1, err)
			}
			w.clock.advance(gap + time.Duration(i%7*i%11)*3*time.Second)
		}
		w.work()
	}
	with(t, "R41_twenty_in_an_hour", shipped, func(w *world) {
		w.member("a", "recruiter_50")
		w.members(60)
		mine := func(i int) mailroom.Send { return own("a", i) }
		pass(w, 0, 20, 2*time.Minute, mine)
		text := mailroom.Send{Subject: mine(20).Subject, Body: mine(20).Body}
		// A preflight predicts the send, and triggers nothing.
		for _, text := range []*mailroom.Send{&text, nil} {
			campaign, err := w.svc.Preflight(w.ctx, "a", []domain.MemberID{recipient(20), recipient(0)}, text)
			w.ok(err)
			checks := campaign.Checks
			if refused := checks[0].Refusals; len(refused) != 1 || !refused[0].Until.Equal(w.clock.Now().Add(24*time.Hour)) {
				w.t.Errorf("preflight with text %v: %v, want restricted for 24 h", text != nil, refused)
			}
			if refused := checks[1].Refusals; len(refused) != 1 || refused[0].Code != domain.AwaitingReply {
				w.t.Errorf("preflight to who has not answered: %v, want awaiting_reply alone", refused)
			}
		}
		_, err := w.accept(mine(20))
		until := w.until(err)
		if !until.Equal(w.clock.Now().Add(24 * time.Hour)) {
			w.t.Errorf("restricted until %s, want 24 h from now", until)
		}
		if got := w.observer.delivered; got != 20 {
			w.t.Errorf("%d delivered, want the 20 within the limit", got)
		}
		w.clock.set(until.Add(-time.Millisecond))
		_, err = w.accept(mine(21))
		w.want(err, domain.Restricted)
		w.clock.set(until) // it ends by itself, to the millisecond (R42)
		_, err = w.accept(mine(21))
		w.ok(err)
	})
	with(t, "R41_forty_in_a_day", shipped, func(w *world) {
		w.member("a", "recruiter_50")
		w.members(60)
		mine := func(i int) mailroom.Send { return own("a", i) }
		pass(w, 0, 40, 30*time.Minute, mine)
		_, err := w.accept(mine(40))
		w.until(err)
	})
	with(t, "R41_ten_in_a_minute", shipped, func(w *world) {
		w.member("a", "recruiter_50")
		w.members(20)
		for i := range 10 {
			w.clock.advance(time.Duration(1+i*i%5) * 900 * time.Millisecond)
			_, err := w.accept(own("a", i))
			w.ok(err)
		}
		_, err := w.accept(own("a", 10))
		w.until(err)
	})
	with(t, "R41_what_a_batch_accepted_before_its_trigger_is_sent", shipped, func(w *world) {
		w.member("a", "recruiter_50")
		w.members(20)
		batch := make([]mailroom.Send, 12) // one transaction, one millisecond
		for i := range batch {
			batch[i] = own("a", i)
		}
		answers, err := w.svc.Accept(w.ctx, batch)
		w.ok(err)
		for i, a := range answers[:10] {
			if a.Err != nil {
				w.t.Fatalf("send %d: %v", i+1, a.Err)
			}
		}
		w.until(answers[10].Err)
		w.until(answers[11].Err)
		w.work()
		for i, a := range answers[:10] {
			if m := w.inmail(a.ID); m.Status != domain.Sent {
				w.t.Errorf("send %d is %s (%s), want sent: it was within the limit", i+1, m.Status, m.Reason)
			}
		}
	})
	with(t, "R41_near_identical_bodies", shipped, func(w *world) {
		w.member("a", "recruiter_50")
		w.members(30)
		same := func(i int) mailroom.Send {
			s := own("a", i)
			s.Body = fmt.Sprintf("Dear Member %d, %s", i, words(1))
			return s
		}
		pass(w, 0, 12, 6*time.Minute, same)
		_, err := w.accept(same(12))
		w.until(err)
	})
	with(t, "R41_a_refused_send_triggers_nothing", shipped, func(w *world) {
		w.member("a", "job_seeker_5")
		w.members(40)
		for i := range 5 {
			_, err := w.accept(own("a", i))
			w.ok(err)
		}
		for i := range 20 {
			_, err := w.accept(own("a", 5+i))
			w.want(err, domain.NoCredits)
		}
	})
	with(t, "R41_the_third_reporter", shipped, func(w *world) {
		w.member("a", "recruiter_50")
		w.members(10)
		var ids []domain.ID
		for i := range 4 {
			id, err := w.accept(own("a", i))
			w.ok(err)
			ids = append(ids, id)
			w.clock.advance(time.Duration(5+i) * time.Minute)
		}
		w.work()
		for i := range 2 {
			w.ok(w.svc.Report(w.ctx, as(recipient(i)), ids[i], "not asked for"))
		}
		_, err := w.accept(own("a", 5))
		w.ok(err)
		w.ok(w.svc.Report(w.ctx, as(recipient(2)), ids[2], "not asked for"))
		_, err = w.accept(own("a", 6))
		w.until(err)
		audit, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{}, mailroom.Page{Limit: 5})
		w.ok(err)
		found := false
		for _, e := range audit {
			found = found || e.Kind == "restrict" && len(e.Detail) > 0 && e.Sender == "a"
		}
		if !found {
			w.t.Errorf("the decision is not in the audit: %+v", audit)
		}
	})
	with(t, "R42_three_strikes", shipped, func(w *world) {
		w.member("a", "recruiter_50")
		w.members(10)
		spammy := mailroom.Send{From: "a", To: recipient(0), Subject: "WINNER!!! CLAIM YOUR FREE CASH PRIZE NOW",
			Body: "CONGRATULATIONS!!! You have WON a FREE $5000 cash prize!!! 100% guaranteed, no risk, act now: [claim](http://bit.ly/cl4im) before it expires!!! Earn money fast!!!"}
		for range 3 {
			_, err := w.accept(spammy)
			w.want(err, domain.SpamContent)
			w.clock.advance(time.Hour)
		}
		_, err := w.accept(own("a", 1))
		until := w.until(err)
		if want := w.clock.Now().Add(23 * time.Hour); !until.Equal(want) {
			w.t.Errorf("restricted until %s, want %s: it began with the third strike", until, want)
		}
	})
	with(t, "R42_the_ladder", shipped, func(w *world) {
		w.member("a", "recruiter_50")
		w.members(60)
		n := 0
		for _, want := range []time.Duration{24 * time.Hour, 72 * time.Hour, 7 * 24 * time.Hour, 7 * 24 * time.Hour} {
			for i := range 10 {
				w.clock.advance(time.Duration(1+i*i%5) * 900 * time.Millisecond)
				_, err := w.accept(own("a", n))
				w.ok(err)
				n++
			}
			w.work()
			_, err := w.accept(own("a", n))
			until := w.until(err)
			if got := until.Sub(w.clock.Now()); got != want {
				w.t.Errorf("restricted for %s, want %s", got, want)
			}
			w.clock.set(until)
			w.member("a", "recruiter_50") // with enough credits, which are not judged here
			w.clock.set(time.Date(until.Year(), until.Month()+1, 1, 8, 0, 0, 0, time.UTC))
		}
	})
	with(t, "R42_reading_replying_and_retracting_go_on", shipped, func(w *world) {
		w.member("a", "recruiter_50")
		w.members(20)
		var first domain.ID
		for i := range 10 {
			w.clock.advance(time.Duration(1+i*i%5) * 900 * time.Millisecond)
			id, err := w.accept(own("a", i))
			w.ok(err)
			if i == 0 {
				first = id
			}
		}
		w.work()
		_, err := w.accept(own("a", 10))
		w.until(err)
		_, err = w.svc.Reply(w.ctx, as(recipient(0)), first, "Gladly.")
		w.ok(err)
		_, err = w.svc.Reply(w.ctx, as("a"), first, "Thank you.")
		w.ok(err)
		_, err = w.retract(first, "a")
		w.ok(err)
		w.inbox("a")
	})
	with(t, "R43_the_standing_tells_how_near", shipped, func(w *world) {
		w.member("a", "recruiter_50")
		w.members(20)
		for i := range 5 {
			_, err := w.accept(own("a", i))
			w.ok(err)
			w.clock.advance(time.Duration(60+i*7) * time.Second)
		}
		s, err := w.svc.Standing(w.ctx, "a")
		w.ok(err)
		visited := map[string]bool{}
		for _, n := range s.Triggers {
			visited[n.Trigger] = true
			if n.Trigger == "volume_hour" && (n.Value != 5 || n.Limit != 20 || n.Headroom != 15 || !n.EasesAt.Equal(t0.Add(time.Hour))) {
				w.t.Errorf("volume_hour: %+v", n)
			}
		}
		for _, name := range []string{"volume_hour", "volume_day", "strikes", "reports", "similar_day", "regular_gaps", "burst_minute"} {
			if !visited[name] {
				w.t.Errorf("no row for %s", name)
			}
		}
	})
	with(t, "R41_near_identical_bodies_are_counted_exactly", func(p *domain.Policy) {
		*p = calm()
		p.SimilarDay = 6
	}, countedExactly)
	with(t, "R41_a_template_is_warned_of_before_it_restricts", func(p *domain.Policy) {
		*p = calm()
		p.SimilarDay = domain.DefaultPolicy().SimilarDay
	}, func(w *world) {
		w.member("a", "recruiter_50")
		w.members(30)
		template := func(i int, own string) mailroom.Send {
			s := offer(1)
			s.To, s.Body = recipient(i), own+" "+s.Body
			return s
		}
		varied := func(s mailroom.Send) *advice.Hit {
			w.t.Helper()
			answers, err := w.svc.Accept(w.ctx, []mailroom.Send{s})
			w.ok(err)
			w.ok(answers[0].Err)
			for _, hit := range answers[0].Advice {
				if hit.Code == advice.VaryText {
					return &hit
				}
			}
			return nil
		}
		warned := func() (codes []string) {
			s, err := w.svc.Standing(w.ctx, "a")
			w.ok(err)
			for _, warning := range s.Warnings {
				codes = append(codes, warning.Code)
			}
			for _, n := range s.Triggers {
				if n.Trigger == spam.SimilarDay && (n.Limit != 12 || n.Headroom != 12-n.Value || n.EasesAt.IsZero()) {
					w.t.Errorf("similar_day: %+v", n)
				}
			}
			return codes
		}
		for i := range 12 {
			w.clock.advance(time.Duration(70+i*i) * time.Second)
			hit := varied(template(i, fmt.Sprintf("Greetings to house number%d.", i)))
			near := i+1 >= 9 // three more pass, then one restricts
			if (hit != nil) != near || slices.Contains(warned(), "similar_bodies") != near {
				w.t.Errorf("letter %d: advice %v, warnings %v", i+1, hit, warned())
			}
			if hit != nil && (!strings.Contains(hit.Detail, fmt.Sprintf("number %d ", i+1)) || !strings.Contains(hit.Detail, "“A short plan for each role") ||
				strings.Contains(hit.Detail, "Greetings") || !strings.Contains(hit.Detail, "12 may go out")) {
				w.t.Errorf("letter %d: %s", i+1, hit.Detail)
			}
		}
		check, err := w.svc.Preflight(w.ctx, "a", []domain.MemberID{recipient(12)}, &mailroom.Send{Subject: offer(1).Subject, Body: offer(1).Body})
		w.ok(err)
		if len(check.Checks[0].Refusals) == 0 {
			w.t.Error("the thirteenth passes a preflight")
		}
		// Who follows the advice goes on.
		for i := range 3 {
			if hit := varied(template(12+i, words(20+i))); hit != nil {
				w.t.Errorf("a letter of other words: %s", hit.Detail)
			}
		}
		_, err = w.accept(template(16, "Greetings to house number16."))
		w.until(err)
	})
	// burst sends until burst_minute restricts the sender, and returns the restriction.
	burst := func(w *world) mailroom.DecidedRestriction {
		w.t.Helper()
		w.member("a", "recruiter_50")
		w.members(40)
		for i := range 10 {
			w.clock.advance(100 * time.Millisecond)
			_, err := w.accept(own("a", i))
			w.ok(err)
		}
		_, err := w.accept(own("a", 10))
		w.until(err)
		list, err := w.svc.Restrictions(w.ctx, "a")
		w.ok(err)
		return list[0]
	}
	with(t, "R43_an_operator_undoes", shipped, func(w *world) {
		r := burst(w)
		w.want(w.svc.UndoRestriction(w.ctx, operator, r.ID, strings.Repeat("ä", domain.MaxDeclineReason+1)), domain.BadRequest)
		w.ok(w.svc.UndoRestriction(w.ctx, operator, r.ID, " one  event "))
		list, err := w.svc.Restrictions(w.ctx, "a")
		w.ok(err)
		if u := list[0].Undo; u == nil || u.Reason != "one event" || u.By != operator.KeyID {
			w.t.Errorf("the undo is %+v, want its reason in one line", u)
		}
		// The sends of the burst do not count again, as a burst or as even gaps.
		w.clock.advance(time.Millisecond)
		for i := range 10 {
			_, err := w.accept(own("a", 10+i))
			w.ok(err)
		}
		_, err = w.accept(own("a", 20)) // but as many new ones do
		w.until(err)
		s, err := w.svc.Standing(w.ctx, "a")
		w.ok(err)
		for _, n := range s.Triggers {
			if n.Trigger == "burst_minute" && n.Value != 10 {
				w.t.Errorf("the standing counts %g sends in the minute, want the 10 after the undo", n.Value)
			}
		}
		w.want(w.svc.UndoRestriction(w.ctx, operator, r.ID, ""), domain.NotFound)
		w.want(w.svc.UndoRestriction(w.ctx, operator, "nothing", ""), domain.NotFound)
		audit, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{Sender: "a"}, mailroom.Page{Limit: 10})
		w.ok(err)
		undone := 0
		for _, e := range audit {
			if e.Sender != "a" {
				w.t.Errorf("the audit of one sender has %+v", e)
			}
			if e.Kind == "undo" && strings.Contains(string(e.Detail), r.ID) {
				undone++
			}
		}
		if undone != 1 {
			w.t.Errorf("the audit has %d undos, want 1", undone)
		}
	})
	with(t, "R43_undone_reports_count_no_more", shipped, func(w *world) {
		w.member("a", "recruiter_50")
		w.members(10)
		var ids []domain.ID
		for i := range 6 {
			ids = append(ids, w.queued("a", recipient(i)))
			w.clock.advance(time.Duration(5+i) * time.Minute)
		}
		w.work()
		report := func(i int) { w.ok(w.svc.Report(w.ctx, as(recipient(i)), ids[i], "no")) }
		for i := range 3 {
			report(i)
		}
		list, err := w.svc.Restrictions(w.ctx, "a")
		w.ok(err)
		w.ok(w.svc.UndoRestriction(w.ctx, operator, list[0].ID, ""))
		w.clock.advance(time.Minute)
		for i := 3; i < 5; i++ {
			report(i)
			_, err := w.accept(own("a", 7+i-3))
			w.ok(err)
		}
		report(5) // the third after the undo
		_, err = w.accept(own("a", 9))
		w.until(err)
	})
	with(t, "R43_a_restriction_is_replayed", shipped, func(w *world) {
		r := burst(w)
		if d := r.Decision; d == nil || d.Version == "" || d.Trigger.Value != 11 || len(d.Signals.Sends) != 10 {
			w.t.Fatalf("the decision is %+v", d)
		}
		for limit, would := range map[int]bool{10: true, 11: false} {
			gaps := 100 // a burst has even gaps, too
			got, err := w.svc.Replay(w.ctx, r.ID, mailroom.OtherSettings{BurstMinute: &limit, RegularGaps: &gaps})
			w.ok(err)
			if (got.Would != nil) != would || !got.Whole || got.Was.Value != 11 || got.Limits.VolumeHour != 20 || got.Sender != "a" {
				w.t.Errorf("under a limit of %d: %+v, would %+v", limit, got, got.Would)
			}
		}
		zero, half := 0, 0.5
		_, err := w.svc.Replay(w.ctx, r.ID, mailroom.OtherSettings{VolumeHour: &zero})
		w.want(err, domain.BadRequest)
		_, err = w.svc.Replay(w.ctx, r.ID, mailroom.OtherSettings{RefuseScore: &half})
		w.want(err, domain.BadRequest)
		_, err = w.svc.Replay(w.ctx, "nothing", mailroom.OtherSettings{})
		w.want(err, domain.NotFound)
	})
	with(t, "R43_a_refused_text_is_replayed_by_its_score", shipped, func(w *world) {
		w.member("a", "recruiter_50")
		w.members(2)
		_, err := w.accept(mailroom.Send{From: "a", To: recipient(0), Subject: "You have won", Body: "Claim your prize now: https://bit.ly/x1 before it is too late!!!"})
		w.want(err, domain.SpamContent)
		_, err = w.accept(mailroom.Send{From: "a", To: "a", Subject: "To myself", Body: "A note."})
		w.want(err, domain.Self)
		audit, err := w.svc.Audit(w.ctx, mailroom.AuditFilter{Sender: "a"}, mailroom.Page{Limit: 10})
		w.ok(err)
		if strings.Contains(string(audit[1].Detail), "prize now") {
			w.t.Errorf("the audit keeps the text: %s", audit[1].Detail)
		}
		bar := 0.999
		got, err := w.svc.Replay(w.ctx, audit[1].ID, mailroom.OtherSettings{})
		w.ok(err)
		if got.Was.Name != "spam_content" || got.Would == nil || got.Was.Value < 0.5 || !strings.HasPrefix(got.Version, "content/") {
			w.t.Errorf("as it was: %+v, would %+v", got, got.Would)
		}
		got, err = w.svc.Replay(w.ctx, audit[1].ID, mailroom.OtherSettings{RefuseScore: &bar})
		w.ok(err)
		if got.Would != nil {
			w.t.Errorf("under a bar of %g it scored %g: %+v", bar, got.Was.Value, got.Would)
		}
		_, err = w.svc.Replay(w.ctx, audit[0].ID, mailroom.OtherSettings{})
		w.want(err, domain.Conflict)
	})
	twice := func(p *domain.Policy) { shipped(p); p.AllowSecondInMail = true }
	with(t, "R41_erased_reporters_stay_distinct", twice, func(w *world) {
		w.member("a", "recruiter_50")
		w.members(6)
		var ids []domain.ID
		for i := range 4 {
			ids = append(ids, w.queued("a", recipient(i)))
			w.clock.advance(time.Duration(5+i) * time.Minute)
		}
		ids = append(ids, w.queued("a", recipient(0)))
		w.work()
		for _, r := range []struct{ by, of int }{{0, 0}, {0, 4}, {1, 1}} { // two reporters, one of them twice
			w.ok(w.svc.Report(w.ctx, as(recipient(r.by)), ids[r.of], "no"))
		}
		for i := range 2 {
			w.ok(w.svc.Erase(w.ctx, operator, recipient(i)))
			_, err := w.svc.FinishErasures(w.ctx)
			w.ok(err)
		}
		_, err := w.accept(own("a", 4))
		w.ok(err)
		w.ok(w.svc.Report(w.ctx, as(recipient(2)), ids[2], "no"))
		_, err = w.accept(own("a", 5))
		w.until(err)
	})
	readers := func(p *domain.Policy) { p.AllowSecondInMail = true }
	with(t, "R42_two_readers_teach_the_filter_nothing", readers, func(w *world) { w.reportedLetters(2, false) })
	with(t, "R42_three_readers_teach_the_filter", readers, func(w *world) { w.reportedLetters(3, true) })
	with(t, "R42_lessons_fade", readers, func(w *world) {
		w.reportedLetters(3, true)
		for month := range 24 { // nobody reports or answers any more
			w.clock.advance(spam.FadeEvery)
			_, err := w.svc.Learn(w.ctx, 100)
			w.ok(err)
			verdict := spam.Judge(w.model(), offer(0).Subject, offer(0).Body)
			if month == 23 && verdict.Score != verdict.Cold {
				w.t.Errorf("after two years the reports still count: %+v", verdict)
			}
		}
	})
}

// offer returns the n-th of similar InMails that the untrained filter finds good.
func offer(n int) mailroom.Send {
	return mailroom.Send{From: "a", Subject: "An hour for your onboarding", Body: fmt.Sprintf("Hello, we help teams of your size to shorten the first weeks of new colleagues. "+
		"A short plan for each role, a person to ask, and a look back after thirty days: that is all. Would a call in week %d suit you, or shall I send two pages first? Kind regards", n)}
}

// reportedLetters lets readers recipients report eight offers each, in an installation whose filter has
// learned much, and checks whether the next offer is refused.
func (w *world) reportedLetters(readers int, refused bool) {
	w.t.Helper()
	w.teach(spam.Sample(12))
	w.clock.set(time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC))
	w.member("a", "recruiter_50")
	w.members(40)
	if v := spam.Judge(w.model(), offer(99).Subject, offer(99).Body); v.Spam {
		w.t.Fatalf("the letter is no clean one: %+v", v)
	}
	var ids []domain.ID
	for n := range 40 {
		s := offer(n)
		s.To = recipient(n % readers)
		if n >= 8*readers {
			s.To = recipient(readers + n%8) // recipients who neither report nor answer
		}
		id, err := w.accept(s)
		w.ok(err)
		ids = append(ids, id)
		w.clock.advance(time.Minute)
	}
	w.work()
	for n := range 8 * readers {
		w.ok(w.svc.Report(w.ctx, as(recipient(n%readers)), ids[n], "not asked for"))
		if n%3 == 0 {
			_, err := w.svc.Learn(w.ctx, 100)
			w.ok(err)
		}
	}
	_, err := w.svc.Learn(w.ctx, 100)
	w.ok(err)
	w.member("b", "recruiter_50") // another sender of offers, whom nobody has reported
	next := offer(99)
	next.From, next.To = "b", recipient(39)
	_, err = w.accept(next)
	if refused {
		w.want(err, domain.SpamContent)
	} else {
		w.ok(err)
	}
}

// teach stores a model that has learned from examples.
func (w *world) teach(examples []spam.Example) {
	w.t.Helper()
	m := spam.NewModel()
	for _, e := range examples {
		m.Observe(e.Subject, e.Body, e.Spam)
	}
	blob, err := m.MarshalBinary()
	w.ok(err)
	w.ok(w.record.Update(w.ctx, func(tx mailroom.Tx) error {
		return errors.Join(tx.PutModel(blob), tx.SetState("model_version", []byte("taught")))
	}))
}

// model reads the filter's model as it is stored.
func (w *world) model() *spam.Model {
	w.t.Helper()
	m := spam.NewModel()
	w.ok(w.record.View(w.ctx, func(tx mailroom.Tx) error {
		blob, err := tx.Model()
		if err != nil || len(blob) == 0 {
			return err
		}
		return m.UnmarshalBinary(blob)
	}))
	return m
}

// countedExactly sends templates and own texts at random, alone and in batches, through processes that
// remember other fingerprints, and compares each answer with fingerprints that were kept when the body was
// sent (R41 d).
func countedExactly(w *world) {
	w.member("a", "recruiter_50")
	w.members(200)
	r := rand.New(rand.NewPCG(41, 6))
	var kept []spam.SentPrint
	restricted, passed := 0, 0
	for n := 0; n < 150; {
		if r.IntN(3) == 0 {
			w.serve() // a process that has made no fingerprint yet
		}
		w.clock.advance(time.Duration(r.IntN(5*60)) * time.Minute)
		var batch []mailroom.Send
		for range 1 + r.IntN(4)/3*3 {
			s := own("a", n)
			if r.IntN(3) > 0 {
				s.Body = offer(r.IntN(2) + 1).Body
			}
			if r.IntN(2) == 0 {
				s.Body = fmt.Sprintf("Dear Member %d, %s", n, s.Body)
			}
			batch = append(batch, s)
			n++
		}
		answers, err := w.svc.Accept(w.ctx, batch)
		w.ok(err)
		now, ends := w.clock.Now(), time.Time{}
		for i, s := range batch {
			m, err := w.svc.Member(w.ctx, s.To)
			w.ok(err)
			print := spam.NewFingerprint(domain.ReadText(s.Subject, s.Body, false).Body.Text(), append([]string{m.Name, m.Headline, m.Company}, m.Skills...)...)
			like := 1
			for _, k := range kept {
				if !k.At.Before(now.Add(-spam.SimilarWindow)) && spam.Similar(print, k.Fingerprint) {
					like++
				}
			}
			var refusal *domain.Refusal
			switch errors.As(answers[i].Err, &refusal); {
			case ends.IsZero() && (refusal != nil) != (like > 6):
				w.t.Fatalf("send %d: %d alike, and the answer is %v", n-len(batch)+i, like, answers[i].Err)
			case refusal == nil:
				passed++
				kept = append(kept, spam.SentPrint{At: now, Fingerprint: print})
			case ends.IsZero():
				restricted++
				ends = refusal.Until
			}
		}
		w.work()
		if !ends.IsZero() {
			w.clock.set(ends)
		}
	}
	if restricted < 3 || passed < 50 {
		w.t.Errorf("%d restrictions and %d passed: the draw proves little", restricted, passed)
	}
}
