package mailroom_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// preflightRules proves on every record that a preflight of a list foresees its sending (R66).
func preflightRules(t *testing.T) {
	narrow := func(p *domain.Policy) { // every limit is near after a few sends
		p.VolumeHour, p.VolumeDay, p.SimilarDay, p.RegularGaps, p.BurstMinute = 8, 14, 5, 4, 6
	}
	with(t, "R66_what_can_go_now_is_what_goes", narrow, func(w *world) {
		w.members(20)
		w.member("friend", "basic_0")
		w.member("shut", "basic_0", func(m *domain.Member) { m.AcceptsInMail = false })
		senders := 0
		rapid.Check(w.t, func(rt *rapid.T) {
			senders++
			from := domain.MemberID(fmt.Sprintf("s%d", senders))
			w.member(from, rapid.SampledFrom([]string{"basic_0", "job_seeker_5", "premium_business_10", "recruiter_25"}).Draw(rt, "plan"))
			_, err := w.svc.Connect(w.ctx, []mailroom.Pair{{From: from, To: "friend"}})
			w.ok(err)
			same := rapid.Bool().Draw(rt, "same text")
			letter := func(to domain.MemberID) mailroom.Send {
				s := mailroom.Send{From: from, To: to, Subject: "A question on your work", Body: words(1)}
				if !same {
					senders++
					s.Body = words(senders)
				}
				return s
			}
			var earlier, to []domain.MemberID
			for i, n := range rapid.Permutation([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}).Draw(rt, "order") {
				if to = append(to, recipient(n)); i < 8 {
					earlier = append(earlier, recipient(n))
				}
			}
			for _, id := range earlier[:rapid.IntRange(0, len(earlier)).Draw(rt, "earlier")] {
				_, err := w.accept(letter(id))
				w.clock.advance(time.Duration(rapid.SampledFrom([]int{0, 1, 20, 400, 1200}).Draw(rt, "gap")) * time.Second)
				if err != nil {
					break
				}
			}
			w.work()
			for _, odd := range []domain.MemberID{"friend", "shut", "nobody", "no id", from, to[3]} {
				to = slices.Insert(to, rapid.IntRange(0, len(to)).Draw(rt, "place"), odd)
			}
			var text *mailroom.Send
			if same {
				s := letter("")
				text = &s
			}
			campaign, err := w.svc.Preflight(w.ctx, from, to, text)
			w.ok(err)
			passed := 0
			for _, c := range campaign.Checks {
				if c.To != to[c.Place-1] {
					rt.Fatalf("place %d is of %s", c.Place, c.To)
				}
				_, err := w.accept(letter(c.To))
				if (err == nil) != c.OK {
					rt.Errorf("to %s: %v; the preflight says ok %v, %v, at %s", c.To, err, c.OK, c.Refusals, c.At)
				}
				if err == nil {
					passed++
				}
			}
			t := campaign.Totals
			later, refused := 0, 0
			for _, d := range t.Timetable {
				later += d.Recipients
			}
			for _, n := range t.Refused {
				refused += n
			}
			if passed != t.OKNow || len(campaign.Checks) != t.Recipients || t.Doubles != 1 || t.OK+refused != t.Recipients {
				rt.Errorf("%d pass of %d: %+v", passed, len(campaign.Checks), t)
			}
			if plan := w.left(from); t.OKNow+later != t.Needed && plan > 0 {
				rt.Errorf("%d now and %d later are not the %d that can be reached", t.OKNow, later, t.Needed)
			}
			w.work()
			w.clock.advance(10 * 24 * time.Hour) // the recipients are free again
			w.clock.set(w.clock.Now().Truncate(time.Hour))
		})
	})
	shipped := func(p *domain.Policy) {
		d := domain.DefaultPolicy()
		p.VolumeHour, p.VolumeDay, p.SimilarDay, p.RegularGaps, p.BurstMinute = d.VolumeHour, d.VolumeDay, d.SimilarDay, d.RegularGaps, d.BurstMinute
	}
	for name, same := range map[string]bool{"R66_a_campaign_keeps_its_timetable": false, "R66_one_text_for_all_keeps_its_timetable": true} {
		with(t, name, shipped, func(w *world) {
			const n = 70
			w.member("a", "recruiter_50")
			w.members(n + 1)
			w.sent("a", recipient(n))
			letter := func(i int) mailroom.Send {
				s := own("a", i)
				if same {
					s.Subject, s.Body = "A question on your work", words(1)
				}
				return s
			}
			to := make([]domain.MemberID, n)
			for i := range to {
				to[i] = recipient(i)
			}
			var text *mailroom.Send
			if same {
				s := letter(0)
				text = &s
			}
			campaign, err := w.svc.Preflight(w.ctx, "a", to, text)
			w.ok(err)
			random := rand.New(rand.NewPCG(1, 2))
			next := 0
			send := func(many int) {
				for range many {
					w.clock.advance(time.Duration(random.IntN(3000)) * time.Millisecond)
					if _, err := w.accept(letter(next)); err != nil {
						w.t.Fatalf("InMail %d at %s: %v", next+1, w.clock.Now(), err)
					}
					next++
				}
				w.work()
			}
			send(campaign.Totals.OKNow)
			for _, d := range campaign.Totals.Timetable {
				if !campaign.Checks[next].At.Equal(d.At) || campaign.Checks[next].Limit != d.Limit {
					w.t.Errorf("InMail %d waits for %s until %s, and the timetable says %+v", next+1, campaign.Checks[next].Limit, campaign.Checks[next].At, d)
				}
				w.clock.set(d.At.Add(time.Duration(random.IntN(20)) * time.Second))
				send(d.Recipients)
			}
			if next != n || w.observer.delivered != n+1 {
				w.t.Errorf("%d of %d are sent, %d delivered", next, n, w.observer.delivered)
			}
			var limits []string
			for _, d := range campaign.Totals.Timetable {
				limits = append(limits, fmt.Sprint(d.Recipients, " ", d.Limit))
			}
			// One was sent before: nine more pass in the minute, ten at each hour, forty in the day, and 50
			// in November; of one text twelve in the day.
			want := map[bool][]string{
				false: {"10 burst_minute", "10 burst_minute", "10 burst_minute", "1 volume_day", "9 volume_day", "10 no_credits", "10 burst_minute", "1 burst_minute"},
				true:  {"3 burst_minute", "9 similar_day", "3 similar_day"},
			}[same]
			if diff := cmp.Diff(want, limits[:min(len(limits), len(want))]); diff != "" {
				w.t.Errorf("the timetable (-want +got):\n%s\n%+v", diff, campaign.Totals.Timetable)
			}
		})
	}
	with(t, "R66_after_a_restriction", narrow, func(w *world) {
		w.member("a", "recruiter_25")
		w.members(20)
		for i := range 5 { // the fifth at one time is the fourth even gap
			_, err := w.accept(own("a", i))
			if (err != nil) != (i == 4) {
				w.t.Fatalf("send %d: %v", i+1, err)
			}
		}
		until := w.clock.Now().Add(24 * time.Hour)
		campaign, err := w.svc.Preflight(w.ctx, "a", []domain.MemberID{recipient(10), recipient(0), recipient(11), "nobody"}, nil)
		w.ok(err)
		want := mailroom.Totals{Recipients: 4, Refused: map[domain.Code]int{domain.Restricted: 4}, Needed: 2, Available: 21, EnoughAt: w.clock.Now(),
			Timetable: []mailroom.Departure{{At: until, Recipients: 2, Limit: "restricted"}}}
		if diff := cmp.Diff(want, campaign.Totals); diff != "" {
			w.t.Errorf("totals (-want +got):\n%s", diff)
		}
		w.clock.set(until)
		for _, i := range []int{10, 11} {
			_, err := w.accept(own("a", i))
			w.ok(err)
		}
	})
	with(t, "R66_R65_a_recipient_who_has_had_enough", func(p *domain.Policy) { p.RecipientWeek = 1 }, func(w *world) {
		w.member("a", "recruiter_25")
		w.member("b", "recruiter_25")
		w.members(3)
		w.sent("b", "r1")
		campaign, err := w.svc.Preflight(w.ctx, "a", []domain.MemberID{"r0", "r1", "r2"}, nil)
		w.ok(err)
		busy := campaign.Checks[1]
		if busy.OK || !busy.At.IsZero() || busy.Refusals[0].Code != domain.RecipientUnavailable || !busy.Refusals[0].Until.IsZero() {
			w.t.Errorf("who has had enough: %+v; its time is for operators", busy)
		}
		if campaign.Totals.OKNow != 2 || campaign.Totals.Needed != 2 {
			w.t.Errorf("%+v", campaign.Totals)
		}
		for _, c := range campaign.Checks {
			if _, err := w.accept(text("a", c.To)); (err == nil) != c.OK {
				w.t.Errorf("to %s: %v, the preflight says ok %v", c.To, err, c.OK)
			}
		}
	})
	with(t, "R66_ten_thousand_beside_one_by_one", shipped, func(w *world) {
		n, singles := 1000, 20
		if os.Getenv("INMAIL_TEST_LONG") != "" {
			n = mailroom.MaxPreflight
		}
		w.member("a", "recruiter_50")
		for from := 0; from < n; from += 1000 {
			ms := make([]domain.Member, 1000)
			for i := range ms {
				ms[i] = domain.NewMember(recipient(from+i), fmt.Sprintf("Member Number %d", from+i))
			}
			errs, err := w.svc.PutMembers(w.ctx, ms)
			w.ok(errors.Join(append(errs, err)...))
		}
		to := make([]domain.MemberID, n)
		for i := range to {
			to[i] = recipient(i)
		}
		s := own("a", 1)
		began := time.Now()
		campaign, err := w.svc.Preflight(w.ctx, "a", to, &s)
		w.ok(err)
		took := time.Since(began)
		later := 0
		for _, d := range campaign.Totals.Timetable {
			later += d.Recipients
		}
		if campaign.Totals.OKNow != 10 || later != n-10 {
			w.t.Errorf("%d now and %d later of %d", campaign.Totals.OKNow, later, n)
		}
		began = time.Now()
		for _, id := range to[:singles] {
			alone, err := w.svc.Preflight(w.ctx, "a", []domain.MemberID{id}, &s)
			w.ok(err)
			if !alone.Checks[0].OK {
				w.t.Errorf("%s alone: %v", id, alone.Checks[0].Refusals)
			}
		}
		each := time.Since(began) * time.Duration(n/singles)
		w.t.Logf("%d as a sequence: %s; one by one: %s, %.0f times as long", n, took.Round(time.Millisecond), each.Round(time.Millisecond), each.Seconds()/took.Seconds())
	})
	on(t, "R66_the_line_that_is_no_member_id", func(w *world) {
		w.member("a", "recruiter_25")
		w.members(1)
		campaign, err := w.svc.Preflight(w.ctx, "a", []domain.MemberID{"no id", "r0", "r0", ""}, nil)
		w.ok(err)
		for i, want := range map[int]string{0: "recipient 1 of the list: ", 2: "recipient 4 of the list: "} {
			c := campaign.Checks[i]
			if c.OK || c.Refusals[0].Code != domain.BadRequest || c.Refusals[0].Detail[:len(want)] != want {
				w.t.Errorf("%q: %v", c.To, c.Refusals)
			}
		}
		if !campaign.Checks[1].OK {
			w.t.Errorf("r0: %v", campaign.Checks[1].Refusals)
		}
	})
}
