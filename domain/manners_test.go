package domain

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// mannersRules proves what needs no store of declining, automatic replies and a recipient's peace.
func mannersRules(t *testing.T) {
	t.Run("R63_declining_opens_and_is_final", func(t *testing.T) {
		m := sent(t)
		receipts, err := m.Apply(EventDecline, t0.Add(time.Hour), "")
		wanted := []Receipt{{InMail: "m1", Seq: 3, Status: Opened, At: t0.Add(time.Hour)}, {InMail: "m1", Seq: 4, Status: Declined, At: t0.Add(time.Hour)}}
		if diff := cmp.Diff(wanted, receipts); err != nil || diff != "" {
			t.Errorf("%v, receipts (-want +got):\n%s", err, diff)
		}
		if !m.OpenedAt.Equal(m.DeclinedAt) || m.Outcome() != OutcomeDeclined || !m.Outcome().Opened() || m.Outcome().Replied() {
			t.Errorf("opened %s, declined %s, outcome %s", m.OpenedAt, m.DeclinedAt, m.Outcome())
		}
		if again, err := m.Apply(EventDecline, t0.Add(2*time.Hour), ""); err != nil || again != nil || !m.DeclinedAt.Equal(t0.Add(time.Hour)) {
			t.Errorf("a second decline: %v, %v, at %s", again, err, m.DeclinedAt)
		}
		for _, who := range []MemberID{"ann", "bob"} {
			want(t, m.MayReply(who, t0.Add(time.Hour)), Conflict)
		}
		_, err = m.Apply(EventReply, t0.Add(time.Hour), "")
		want(t, err, Conflict)
		if later := t0.AddDate(5, 0, 0); m.StatusAt(later) != Declined || !m.Live(later) {
			t.Errorf("five years later it is %s", m.StatusAt(later))
		}
	})
	t.Run("R63_only_a_live_and_unanswered_one", func(t *testing.T) {
		_, err := after(t, sent(t), t0, EventReply).Apply(EventDecline, t0, "")
		want(t, err, Conflict)
		_, err = sent(t).Apply(EventDecline, t0.Add(Window), "")
		want(t, err, ExpiredCode)
		_, err = after(t, sent(t), t0, EventRetract).Apply(EventDecline, t0, "")
		want(t, err, RetractedCode)
		queued, _ := New(InMail{ID: "m1"}, t0)
		_, err = queued.Apply(EventDecline, t0, "")
		want(t, err, NotFound)
		if _, err := sent(t).Apply(EventDecline, t0.Add(Window-ms), ""); err != nil {
			t.Errorf("a millisecond before it expires: %v", err)
		}
	})
	t.Run("R63_retracted_from_view", func(t *testing.T) {
		m := after(t, after(t, sent(t), t0, EventDecline), t0, EventRetract)
		if m.Undone || m.Outcome() != RetractedDeclined || !m.Outcome().Declined() || !m.Outcome().Retracted() {
			t.Errorf("undone %v, outcome %s", m.Undone, m.Outcome())
		}
		_, err := m.Apply(EventDecline, t0, "")
		want(t, err, RetractedCode)
	})
	t.Run("R63_refused_for_the_days_of_the_policy", func(t *testing.T) {
		for _, c := range []struct {
			days    int
			since   time.Duration
			refused bool
		}{{90, 0, true}, {90, 90*24*time.Hour - ms, true}, {90, 90 * 24 * time.Hour, false}, {0, 0, false}} {
			in := openCase()
			in.DeclinedAt, in.DeclinedDays = t0.Add(-c.since), c.days
			refusals := in.Refusals()
			if refused := len(refusals) == 1 && refusals[0].Code == DeclinedCode; refused != c.refused || len(refusals) > 1 {
				t.Errorf("%d days, %s ago: %v", c.days, c.since, codes(refusals))
			}
			if c.refused {
				if got := refusals[0]; !got.Until.Equal(in.DeclinedAt.AddDate(0, 0, 90)) {
					t.Errorf("until %s", got.Until)
				}
			}
		}
	})
	t.Run("R63_a_reason_is_one_short_line", func(t *testing.T) {
		for given, wanted := range map[string]string{"": "", "  no \n thanks ": "no thanks", strings.Repeat("ü", 200): strings.Repeat("ü", 200)} {
			if got, err := DeclineReason(given); err != nil || got != wanted {
				t.Errorf("%q became %q, %v", given, got, err)
			}
		}
		for _, invalid := range []string{strings.Repeat("ü", 201), "a\x1bb"} {
			_, err := DeclineReason(invalid)
			want(t, err, BadRequest)
		}
	})

	t.Run("R64_marked_true_it_counts_at_its_time", func(t *testing.T) {
		m := sent(t)
		at := t0.Add(time.Hour)
		receipts, err := m.Correct(at, t0.Add(3*time.Hour))
		wanted := []Receipt{{InMail: "m1", Seq: 3, Status: Opened, At: at}, {InMail: "m1", Seq: 4, Status: Replied, At: at}}
		if diff := cmp.Diff(wanted, receipts); err != nil || diff != "" {
			t.Errorf("%v, receipts (-want +got):\n%s", err, diff)
		}
		if m.Status != Replied || !m.OpenedAt.Equal(at) || !m.RepliedAt.Equal(at) {
			t.Errorf("%s, opened %s, replied %s", m.Status, m.OpenedAt, m.RepliedAt)
		}
	})
	t.Run("R64_marked_true_too_late", func(t *testing.T) {
		_, err := sent(t).Correct(t0.Add(time.Hour), t0.Add(Window))
		want(t, err, ExpiredCode)
		if _, err := sent(t).Correct(t0.Add(time.Hour), t0.Add(Window-ms)); err != nil {
			t.Errorf("a millisecond before it expires: %v", err)
		}
		_, err = after(t, sent(t), t0, EventRetract).Correct(t0, t0)
		want(t, err, RetractedCode)
		_, err = after(t, sent(t), t0, EventDecline).Correct(t0, t0)
		want(t, err, Conflict)
		if _, err := after(t, sent(t), t0, EventOpen).Correct(t0, t0.AddDate(1, 0, 0)); err != nil {
			t.Errorf("an opened one never expires: %v", err)
		}
	})
	t.Run("R64_marked_automatic_what_was_opened_stays_opened", func(t *testing.T) {
		m := after(t, sent(t), t0.Add(time.Hour), EventReply)
		receipts, err := m.Correct(time.Time{}, t0.Add(2*time.Hour))
		wanted := []Receipt{{InMail: "m1", Seq: 5, Status: Opened, At: t0.Add(2 * time.Hour)}}
		if diff := cmp.Diff(wanted, receipts); err != nil || diff != "" {
			t.Errorf("%v, receipts (-want +got):\n%s", err, diff)
		}
		if m.Status != Opened || !m.OpenedAt.Equal(t0.Add(time.Hour)) || !m.RepliedAt.IsZero() {
			t.Errorf("%s, opened %s, replied %s", m.Status, m.OpenedAt, m.RepliedAt)
		}
		want(t, m.MayReply("ann", t0), Conflict)
	})
	t.Run("R64_marked_automatic_after_it_was_retracted", func(t *testing.T) {
		m := after(t, after(t, sent(t), t0, EventReply), t0, EventRetract)
		receipts, err := m.Correct(time.Time{}, t0)
		if err != nil || receipts != nil || m.Status != Retracted || m.Outcome() != RetractedOpened {
			t.Errorf("%v %v, %s, outcome %s", receipts, err, m.Status, m.Outcome())
		}
	})
	t.Run("R64_another_reply_becomes_the_first", func(t *testing.T) {
		m := after(t, sent(t), t0.Add(time.Hour), EventReply)
		version := m.Version
		if receipts, err := m.Correct(t0.Add(2*time.Hour), t0.Add(3*time.Hour)); err != nil || receipts != nil {
			t.Errorf("%v, %v", receipts, err)
		}
		if m.Status != Replied || !m.RepliedAt.Equal(t0.Add(2*time.Hour)) || m.Version != version+1 {
			t.Errorf("%s, replied %s, version %d", m.Status, m.RepliedAt, m.Version)
		}
	})

	t.Run("R65_the_lower_number_holds", func(t *testing.T) {
		for _, c := range []struct{ policy, own, wanted int }{{0, 0, 0}, {5, 0, 5}, {0, 3, 3}, {5, 3, 3}, {5, 9, 5}} {
			if got := WeekLimit(c.policy, c.own); got != c.wanted {
				t.Errorf("policy %d, own %d: %d, want %d", c.policy, c.own, got, c.wanted)
			}
		}
	})
	t.Run("R65_room_to_the_millisecond", func(t *testing.T) {
		ago := func(ds ...time.Duration) (at []time.Time) {
			for _, d := range ds {
				at = append(at, t0.Add(-d))
			}
			return at
		}
		const day = 24 * time.Hour
		for _, c := range []struct {
			r     Received
			limit int
			next  time.Time
		}{
			{Received{At: ago(0, ms, day), OnItsWay: 7}, 0, t0}, // no limit
			{Received{}, 1, t0},                                                                      // nothing yet
			{Received{At: ago(day)}, 2, t0},                                                          // one of two
			{Received{At: ago(day, 2*day)}, 2, t0.Add(5 * day)},                                      // the older one leaves first
			{Received{At: ago(day, 7*day-ms)}, 2, t0.Add(ms)},                                        // in a millisecond
			{Received{At: ago(day, 7*day)}, 2, t0},                                                   // it has just left
			{Received{At: ago(day, 2*day, 3*day)}, 2, t0.Add(5 * day)},                               // one more than the limit
			{Received{At: ago(day), OnItsWay: 1}, 2, t0.Add(6 * day)},                                // what is on its way counts
			{Received{OnItsWay: 2}, 2, t0.Add(7 * day)}, {Received{OnItsWay: 3}, 2, t0.Add(7 * day)}, // and leaves last
		} {
			if got := c.r.Next(t0, c.limit); !got.Equal(c.next) {
				t.Errorf("%+v, at most %d: %s, want %s", c.r, c.limit, got, c.next)
			}
			in := openCase()
			in.Received, in.WeekLimit = c.r, c.limit
			refusals := in.Refusals()
			if busy := len(refusals) > 0; busy != c.next.After(t0) {
				t.Errorf("%+v, at most %d: %v", c.r, c.limit, codes(refusals))
			} else if busy && (refusals[0].Code != RecipientBusy || !refusals[0].Until.Equal(c.next) || refusals[0].Limit != c.limit) {
				t.Errorf("refused %+v", refusals[0])
			}
		}
	})
	t.Run("R65_the_sender_reads_no_time", func(t *testing.T) {
		for _, code := range []Code{RecipientBusy, DeclinedCode} {
			shown := (&Refusal{Code: code, Got: 3, Limit: 2, Until: t0, Detail: "the true reason"}).ForSender()
			if diff := cmp.Diff((&Refusal{Code: Blocked}).ForSender(), shown); diff != "" {
				t.Errorf("%s differs from blocked:\n%s", code, diff)
			}
		}
	})
}
