package recordtest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/spam"
)

// Rules runs the tests of the rules that the record decides or guards, named by their numbers.
func Rules(t *testing.T, engines Engines) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, w *world)
	}{
		{"R07_new_allowance_is_noted_with_its_time", newAllowanceIsNoted},
		{"R08_usage_is_of_the_period_that_holds_now", usageOfThePeriod},
		{"R08_new_anchor_day_counts_the_period_anew", newAnchorDay},
		{"R09_all_periods_for_rollover", allPeriods},
		{"R10_concurrent_sends_with_k_credits_give_k", spendRace},
		{"R12_connections_are_symmetric", connections},
		{"R16_blocks_stand_in_both_directions", blocks},
		{"R17_banned_by_id_and_by_folded_company", banned},
		{"R20_no_second_knock_while_live_and_unanswered", noSecondKnock},
		{"R28_first_answer_of_a_key", firstAnswer},
		{"R28_one_first_answer_of_two_at_once", firstAnswerRace},
		{"R68_events_by_position", eventsByPosition},
		{"R28_a_key_is_kept_for_a_time", keyIsKept},
		{"R28_old_keys_go_in_passes", oldAnswersGo},
		{"R29_two_claimers_deliver_once", claimRace},
		{"R30_first_listing_is_noted_once", firstListing},
		{"R32_R33_the_clock_expires_every_view", clockExpires},
		{"R33_due_ones_expire_oldest_first_and_once", expireDue},
		{"R33_a_sweep_does_what_the_rule_does", sweepIsApply},
		{"R36_retracted_leaves_the_inbox", retractedLeaves},
		{"R37_retracted_conversation_goes_on", retractedConversation},
		{"R38_two_opens", twoOpens},
		{"R38_two_retracts", twoRetracts},
		{"R38_open_against_retract", openAgainstRetract},
		{"R38_open_against_expiry", openAgainstExpiry},
		{"R38_stale_save_stores_nothing", staleSave},
		{"R39_R40_replies_in_order_in_the_others_inbox", replies},
		{"R41_signals_are_those_of_the_windows", signals},
		{"R41_strikes_that_count_no_more_are_dropped", oldStrikes},
		{"R42_restriction_lifts_by_itself", restriction},
		{"R43_audit_keeps_every_true_code", auditKeeps},
		{"R43_like_entries_are_one_with_a_count", likeEntries},
		{"R43_like_entries_at_once", likeEntriesRace},
		{"R70_old_entries_are_dropped", dropAudit},
		{"R44_one_report_an_inmail", oneReport},
		{"R53_a_push_is_leased_to_one", leaseRace},
		{"R53_synced_only_at_the_pushed_version", syncedAtPushedVersion},
		{"R67_those_held_back_are_counted", heldBack},
		{"R53_what_the_org_holds_never_goes_back", neverBack},
		{"R54_receipts_by_sequence_number", receipts},
		{"R56_tags_are_kept_and_found", tags},
		{"R59_concurrent_counts_add_up", countsAddUp},
		{"R60_erased_member_is_gone_everywhere", erased},
		{"R60_counts_go_on_as_erased", erasedCounts},
		{"R60_erasure_in_steps_of_a_limit", erasedInSteps},
		{"R61_queued_before", queuedBefore},
		{"R63_the_last_decline_of_a_pair", lastDecline},
		{"R63_decline_against_reply", declineAgainstReply},
		{"R63_decline_against_retract", declineAgainstRetract},
		{"R64_the_first_true_reply", firstTrueReply},
		{"R65_what_a_member_received", receivedInAWeek},
		{"R65_two_senders_wait_for_each_other", peaceLock},
	} {
		engines.each(t, test.name, test.run)
	}
}

func account(w *world, id domain.MemberID, allPeriods bool, n int) domain.Account {
	w.t.Helper()
	return read(w, func(tx mailroom.Tx) (map[domain.MemberID]domain.Account, error) {
		return tx.Accounts([]domain.MemberID{id}, 1, allPeriods, plan(n))
	})[id]
}

func newAllowanceIsNoted(t *testing.T, w *world) {
	put := func(n int) {
		m := domain.NewMember("ada", "Ada")
		w.update(func(tx mailroom.Tx) error { return tx.PutMembers([]*domain.Member{&m}, 1, plan(n)) })
	}
	put(10)
	w.advance(time.Hour)
	put(10) // the same allowance is no change
	w.advance(time.Hour)
	put(25)
	want := domain.Account{CreatedAt: start, AnchorDay: 1, Allowance: 25,
		Plans: []domain.PlanChange{{Since: start, Allowance: 10}, {Since: start.Add(2 * time.Hour), Allowance: 25}}}
	if diff := cmp.Diff(want, account(w, "ada", true, 25)); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
}

func usageOfThePeriod(t *testing.T, w *world) {
	w.members("ada")
	boundary := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	november, december := domain.PeriodStart(boundary.Add(-time.Millisecond), 1), domain.PeriodStart(boundary, 1)
	w.update(func(tx mailroom.Tx) error {
		return tx.Spend([]mailroom.CreditMove{
			{Member: "ada", PeriodStart: november, Used: 2}, {Member: "ada", PeriodStart: december, Used: 1},
			{Member: "ada", PeriodStart: november, Used: 1, Returned: 1}})
	})
	for _, at := range []struct {
		now  time.Time
		want []domain.Usage
	}{
		{boundary.Add(-time.Millisecond), []domain.Usage{{PeriodStart: november, Used: 3, Returned: 1}}},
		{boundary, []domain.Usage{{PeriodStart: december, Used: 1}}},
	} {
		w.set(at.now)
		if diff := cmp.Diff(at.want, account(w, "ada", false, 10).Usage); diff != "" {
			t.Errorf("usage at %s (-want +got):\n%s", at.now, diff)
		}
	}
}

func newAnchorDay(t *testing.T, w *world) {
	w.members("ada", "bob")
	deliver := func(at time.Time) { // it spends as a delivery does, with the anchor day 1
		w.set(at)
		w.sentOne("ada", "bob")
		w.update(func(tx mailroom.Tx) error {
			return tx.Spend([]mailroom.CreditMove{{Member: "ada", PeriodStart: domain.PeriodStart(at, 1), Used: 1}})
		})
	}
	deliver(time.Date(2026, 11, 14, 23, 59, 59, 999e6, time.UTC))
	deliver(time.Date(2026, 11, 15, 0, 0, 0, 0, time.UTC))
	deliver(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC))
	w.set(time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC))
	if used := account(w, "ada", false, 10).Usage[0].Used; used != 3 {
		t.Fatalf("used %d before the change, want 3", used)
	}
	m := domain.NewMember("ada", "Ada")
	m.AnchorDay = 15
	w.update(func(tx mailroom.Tx) error { return tx.PutMembers([]*domain.Member{&m}, 1, plan(10)) })
	got := account(w, "ada", false, 10)
	want := []domain.Usage{{PeriodStart: time.Date(2026, 11, 15, 0, 0, 0, 0, time.UTC), Used: 2}}
	if diff := cmp.Diff(want, got.Usage); diff != "" || got.AnchorDay != 15 {
		t.Errorf("anchor day %d, usage (-want +got):\n%s", got.AnchorDay, diff)
	}
	m.AnchorDay = 0 // the policy's anchor day again
	w.update(func(tx mailroom.Tx) error { return tx.PutMembers([]*domain.Member{&m}, 1, plan(10)) })
	if got := account(w, "ada", false, 10); got.AnchorDay != 1 || got.Usage[0].Used != 3 {
		t.Errorf("back on the policy's day: anchor day %d, usage %v; want 1, 3 used", got.AnchorDay, got.Usage)
	}
}

func allPeriods(t *testing.T, w *world) {
	w.members("ada")
	var want []domain.Usage
	for month := time.September; month <= time.November; month++ {
		u := domain.Usage{PeriodStart: time.Date(2026, month, 1, 0, 0, 0, 0, time.UTC), Used: int(month)}
		want = append(want, u)
		w.update(func(tx mailroom.Tx) error {
			return tx.Spend([]mailroom.CreditMove{{Member: "ada", PeriodStart: u.PeriodStart, Used: u.Used}})
		})
	}
	if diff := cmp.Diff(want, account(w, "ada", true, 10).Usage); diff != "" {
		t.Errorf("usage (-want +got):\n%s", diff)
	}
}

func spendRace(t *testing.T, w *world) {
	const credits, senders = 7, 20
	w.members("ada")
	start := domain.PeriodStart(w.Now(), 1)
	errNone := errors.New("no credits")
	errs := race(senders, func(int) error {
		return w.rec.Update(t.Context(), func(tx mailroom.Tx) error {
			one := []domain.MemberID{"ada"}
			if err := tx.LockMembers(one); err != nil {
				return err
			}
			accounts, err := tx.Accounts(one, 1, false, plan(credits))
			if err != nil {
				return err
			}
			if domain.CreditsAt(tx.Now(), accounts["ada"], 0).Remaining < 1 {
				return errNone
			}
			return tx.Spend([]mailroom.CreditMove{{Member: "ada", PeriodStart: start, Used: 1}})
		})
	})
	for _, err := range errs {
		if err != nil && !errors.Is(err, errNone) {
			t.Errorf("a sender failed: %v", err)
		}
	}
	if n := won(errs); n != credits {
		t.Errorf("%d sends with %d credits", n, credits)
	}
	if used := account(w, "ada", false, credits).Usage[0].Used; used != credits {
		t.Errorf("used %d, want %d", used, credits)
	}
}

func between(w *world, from, to domain.MemberID) mailroom.Between {
	w.t.Helper()
	return read(w, func(tx mailroom.Tx) ([]mailroom.Between, error) {
		return tx.Pairs([]mailroom.Pair{{From: from, To: to}})
	})[0]
}

func connections(t *testing.T, w *world) {
	w.members("ada", "bob", "cy", "dan", "eve", "fay")
	pairs := []mailroom.Pair{{From: "ada", To: "bob"}}
	w.update(func(tx mailroom.Tx) error { return tx.Connect(pairs) })
	w.update(func(tx mailroom.Tx) error { return tx.Connect(pairs) }) // a second time changes nothing
	if !between(w, "ada", "bob").Connected || !between(w, "bob", "ada").Connected || between(w, "ada", "cy").Connected {
		t.Error("ada and bob are connected in both directions, ada and cy are not")
	}
	w.update(func(tx mailroom.Tx) error {
		return tx.Connect([]mailroom.Pair{{From: "ada", To: "cy"}, {From: "cy", To: "bob"}, {From: "dan", To: "ada"}, {From: "bob", To: "dan"},
			{From: "eve", To: "ada"}, {From: "eve", To: "bob"}, {From: "fay", To: "ada"}, {From: "fay", To: "bob"}})
	})
	got := read(w, func(tx mailroom.Tx) ([][]string, error) {
		return tx.CommonConnections([]mailroom.Pair{{From: "bob", To: "nobody"}, {From: "ada", To: "bob"}})
	})
	if diff := cmp.Diff([][]string{nil, {"Name of cy", "Name of dan", "Name of eve"}}, got); diff != "" {
		t.Errorf("common connections (-want +got):\n%s", diff)
	}
	w.update(func(tx mailroom.Tx) error { return tx.Disconnect([]mailroom.Pair{{From: "bob", To: "ada"}}) })
	if between(w, "ada", "bob").Connected || between(w, "bob", "ada").Connected {
		t.Error("still connected")
	}
}

func blocks(t *testing.T, w *world) {
	w.members("ada", "bob")
	pair := []mailroom.Pair{{From: "bob", To: "ada"}}
	w.update(func(tx mailroom.Tx) error { return tx.Block(pair) })
	w.update(func(tx mailroom.Tx) error { return tx.Block(pair) })
	if !between(w, "ada", "bob").Blocked || !between(w, "bob", "ada").Blocked {
		t.Error("a block stands between the two whoever made it")
	}
	// ada blocked nobody, so this changes nothing.
	w.update(func(tx mailroom.Tx) error { return tx.Unblock([]mailroom.Pair{{From: "ada", To: "bob"}}) })
	if !between(w, "ada", "bob").Blocked {
		t.Error("the other's unblocking lifted bob's block")
	}
	w.update(func(tx mailroom.Tx) error { return tx.Unblock(pair) })
	if between(w, "ada", "bob").Blocked {
		t.Error("still blocked")
	}
}

func banned(t *testing.T, w *world) {
	member := func(id domain.MemberID, company string) *domain.Member {
		m := domain.NewMember(id, "Name")
		m.Company = company
		return &m
	}
	ms := []*domain.Member{member("ada", "Straße  GmbH"), member("bob", "STRASSE gmbh"), member("cy", "Other"), member("Dan", ""), member("dan", "")}
	w.update(func(tx mailroom.Tx) error {
		return tx.PutBans([]domain.Ban{
			{Kind: domain.BanCompany, Value: "Strasse GMBH", Reason: "first", By: "key", At: start},
			// Folded, this is the same company.
			{Kind: domain.BanCompany, Value: " straße gmbh ", Reason: "second", By: "key", At: start.Add(time.Second)},
			{Kind: domain.BanMember, Value: "Dan", Reason: "asked", By: "key", At: start.Add(time.Minute)},
		})
	})
	among := func() map[domain.MemberID]bool {
		return read(w, func(tx mailroom.Tx) (map[domain.MemberID]bool, error) { return tx.BannedAmong(ms) })
	}
	if diff := cmp.Diff(map[domain.MemberID]bool{"ada": true, "bob": true, "Dan": true}, among()); diff != "" {
		t.Errorf("banned (-want +got):\n%s", diff)
	}
	want := []domain.Ban{{Kind: domain.BanMember, Value: "Dan", Reason: "asked", By: "key", At: start.Add(time.Minute)},
		{Kind: domain.BanCompany, Value: " straße gmbh ", Reason: "second", By: "key", At: start.Add(time.Second)}}
	if diff := cmp.Diff(want, read(w, func(tx mailroom.Tx) ([]domain.Ban, error) { return tx.Bans(page(10)) })); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	w.update(func(tx mailroom.Tx) error { return tx.DeleteBan(domain.BanCompany, "STRAßE GmbH") })
	if diff := cmp.Diff(map[domain.MemberID]bool{"Dan": true}, among()); diff != "" {
		t.Errorf("after unbanning the company (-want +got):\n%s", diff)
	}
}

func noSecondKnock(t *testing.T, w *world) {
	w.members("ada", "bob")
	stands := func(when string, want mailroom.Between) {
		t.Helper()
		if diff := cmp.Diff(want, between(w, "ada", "bob")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
		if other := between(w, "bob", "ada"); other != (mailroom.Between{}) {
			t.Errorf("%s: the other direction is free, got %+v", when, other)
		}
	}
	ids := idsOf(w.queued("ada", "bob", 1))
	stands("queued", mailroom.Between{OnItsWay: true})
	w.apply(ids[0], domain.EventDeliver)
	stands("sent", mailroom.Between{Awaiting: true})
	w.advance(domain.Window - time.Millisecond)
	stands("a millisecond before it expires", mailroom.Between{Awaiting: true})
	w.advance(time.Millisecond)
	stands("expired by the clock alone", mailroom.Between{})

	opened := w.sentOne("ada", "bob")
	w.apply(opened, domain.EventOpen)
	w.advance(30 * 24 * time.Hour)
	stands("opened long ago and not answered", mailroom.Between{Awaiting: true})
	w.apply(opened, domain.EventReply)
	stands("answered", mailroom.Between{})

	w.apply(w.sentOne("ada", "bob"), domain.EventRetract)
	stands("retracted", mailroom.Between{})
}

// keyKept is how long the tests keep an idempotency key.
const keyKept = 30 * 24 * time.Hour

func firstAnswer(t *testing.T, w *world) {
	key := mailroom.NewAnswerKey("ada", "k")
	first := mailroom.Answer{AnswerKey: key, Digest: mailroom.Digest{1, 2}, InMail: newID(), Body: []byte(`{"id":1}`), At: start}
	other := mailroom.Answer{AnswerKey: mailroom.NewAnswerKey("ada", "K"), InMail: newID(), At: start}
	w.update(func(tx mailroom.Tx) error { return tx.PutAnswers([]mailroom.Answer{first, other}) })
	got := read(w, func(tx mailroom.Tx) ([]*mailroom.Answer, error) {
		return tx.FirstAnswers([]mailroom.AnswerKey{mailroom.NewAnswerKey("bob", "k"), key, other.AnswerKey, mailroom.NewAnswerKey("ada", ""), key}, keyKept)
	})
	if diff := cmp.Diff([]*mailroom.Answer{nil, &first, &other, nil, &first}, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("first answers (-want +got):\n%s", diff)
	}
	again := first
	again.Digest[0] = 9
	err := w.rec.Update(t.Context(), func(tx mailroom.Tx) error {
		return tx.PutAnswers([]mailroom.Answer{{AnswerKey: mailroom.NewAnswerKey("cy", "k")}, again})
	})
	if !errors.Is(err, mailroom.ErrConflict) {
		t.Errorf("a second answer under a key: %v, want ErrConflict", err)
	}
	if got := read(w, func(tx mailroom.Tx) ([]*mailroom.Answer, error) {
		return tx.FirstAnswers([]mailroom.AnswerKey{key, mailroom.NewAnswerKey("cy", "k")}, keyKept)
	}); got[0].Digest != first.Digest || got[1] != nil {
		t.Error("the conflict stored something")
	}
}

func keyIsKept(t *testing.T, w *world) {
	key := mailroom.NewAnswerKey("ada", "k")
	answer := mailroom.Answer{AnswerKey: key, Digest: mailroom.Digest{1}, InMail: newID(), Body: []byte("{}"), At: start}
	other := answer
	other.AnswerKey = mailroom.NewAnswerKey("ada", "other")
	w.update(func(tx mailroom.Tx) error { return tx.PutAnswers([]mailroom.Answer{answer, other}) })
	first := func() *mailroom.Answer {
		return read(w, func(tx mailroom.Tx) ([]*mailroom.Answer, error) {
			return tx.FirstAnswers([]mailroom.AnswerKey{key}, keyKept)
		})[0]
	}
	w.advance(keyKept - time.Millisecond)
	if first() == nil {
		t.Error("a millisecond too early the key is forgotten")
	}
	w.advance(time.Millisecond)
	if first() != nil {
		t.Error("the key is kept too long")
	}
	again := mailroom.Answer{AnswerKey: key, Digest: mailroom.Digest{2}, InMail: newID(), Body: []byte("{}"), At: w.Now()}
	put := func(tx mailroom.Tx) error { return tx.PutAnswers([]mailroom.Answer{again}) }
	if err := w.rec.Update(t.Context(), put); !errors.Is(err, mailroom.ErrConflict) {
		t.Errorf("stored in place of one that nobody asked for: %v, want ErrConflict", err)
	}
	w.update(func(tx mailroom.Tx) error {
		if before, err := tx.FirstAnswers([]mailroom.AnswerKey{key}, keyKept); err != nil || before[0] != nil {
			t.Errorf("a key that is free has %v, %v", before, err)
		}
		return put(tx)
	})
	if diff := cmp.Diff(&again, first()); diff != "" {
		t.Errorf("under the key again (-want +got):\n%s", diff)
	}
	if err := w.rec.Update(t.Context(), put); !errors.Is(err, mailroom.ErrConflict) {
		t.Errorf("stored in place of one that is kept: %v, want ErrConflict", err)
	}
}

// oldAnswersGo checks that passes over the answers delete all that are old and no other, a few at a time.
func oldAnswersGo(t *testing.T, w *world) {
	var old, young []mailroom.Answer
	var keys []mailroom.AnswerKey
	for i := range 25 {
		a := mailroom.Answer{AnswerKey: mailroom.NewAnswerKey(domain.MemberID(fmt.Sprint("m", i%4)), fmt.Sprint(i)), At: start}
		keys = append(keys, a.AnswerKey)
		if i%3 == 0 {
			a.At = start.Add(time.Millisecond)
			young = append(young, a)
		} else {
			old = append(old, a)
		}
	}
	drop := func() (n int) {
		w.update(func(tx mailroom.Tx) (err error) { n, err = tx.DropAnswers(keyKept, 10); return err })
		return n
	}
	if n := drop(); n != 0 {
		t.Errorf("%d answers are read of none", n)
	}
	w.update(func(tx mailroom.Tx) error { return tx.PutAnswers(slices.Concat(old, young)) })
	w.advance(keyKept)
	for i, want := range []int{10, 10, 5, 0} {
		if n := drop(); n != want {
			t.Errorf("%d answers are read in call %d, want %d", n, i+1, want)
		}
	}
	found := read(w, func(tx mailroom.Tx) ([]*mailroom.Answer, error) { return tx.FirstAnswers(keys, 2*keyKept) })
	for i, a := range found {
		if kept := i%3 == 0; kept != (a != nil) {
			t.Errorf("answer %d is there: %v, want %v", i, a != nil, kept)
		}
	}
	w.advance(keyKept)
	if n := drop(); n != len(young) {
		t.Errorf("%d answers are read in the next pass, want %d", n, len(young))
	}
	for i, a := range read(w, func(tx mailroom.Tx) ([]*mailroom.Answer, error) { return tx.FirstAnswers(keys, 4*keyKept) }) {
		if a != nil {
			t.Errorf("answer %d is there after two passes", i)
		}
	}
}

func lastDecline(t *testing.T, w *world) {
	w.members("ada", "bob")
	declinedAt := func() time.Time { return between(w, "ada", "bob").DeclinedAt }
	first := w.sentOne("ada", "bob")
	w.apply(first, domain.EventDecline)
	if got := w.inmail(first); got.DeclineReason != "zq-mark-text decline" || !got.DeclinedAt.Equal(w.Now()) {
		t.Errorf("declined at %s with the reason %q", got.DeclinedAt, got.DeclineReason)
	}
	if !declinedAt().Equal(w.Now()) || between(w, "ada", "bob").Awaiting || !between(w, "bob", "ada").DeclinedAt.IsZero() {
		t.Errorf("between them: %+v", between(w, "ada", "bob"))
	}
	if got := inbox(w, "bob", mailroom.Filter{Status: domain.Declined}); len(got) != 1 {
		t.Errorf("%d declined ones in the inbox, want 1", len(got))
	}
	w.advance(time.Hour)
	second := w.sentOne("ada", "bob")
	w.apply(second, domain.EventDecline)
	w.apply(second, domain.EventRetract)
	if !declinedAt().Equal(w.Now()) {
		t.Errorf("after a second, retracted: %s", declinedAt())
	}
	if got := inbox(w, "bob", mailroom.Filter{}); len(got) != 1 {
		t.Errorf("%d in the inbox, want 1", len(got))
	}
	if got := sum(w, domain.ByAll); got["/declined"] != 1 || got["/retracted_declined"] != 1 {
		t.Errorf("counts %v", got)
	}
}

func declineAgainstReply(t *testing.T, w *world) {
	w.members("ada", "bob")
	for range 10 {
		id := w.sentOne("ada", "bob")
		errs := race(2, func(i int) error { return w.try(id, []domain.Event{domain.EventDecline, domain.EventReply}[i]) })
		if won(errs) != 1 {
			t.Fatalf("%d won: %v", won(errs), errs)
		}
		if m := w.inmail(id); m.DeclinedAt.IsZero() == m.RepliedAt.IsZero() {
			t.Fatalf("declined %s, replied %s", m.DeclinedAt, m.RepliedAt)
		}
	}
	if got := sum(w, domain.ByAll); got["/declined"]+got["/replied"] != 10 || len(got) > 3 {
		t.Errorf("counts %v", got)
	}
}

func declineAgainstRetract(t *testing.T, w *world) {
	w.members("ada", "bob")
	for range 10 {
		id := w.sentOne("ada", "bob")
		errs := race(2, func(i int) error { return w.try(id, []domain.Event{domain.EventDecline, domain.EventRetract}[i]) })
		m := w.inmail(id)
		if m.Status != domain.Retracted || errs[1] != nil || m.DeclinedAt.IsZero() != (errs[0] != nil) || m.Undone != (errs[0] != nil) {
			t.Fatalf("%s, undone %v, declined %s: %v", m.Status, m.Undone, m.DeclinedAt, errs)
		}
	}
}

func firstTrueReply(t *testing.T, w *world) {
	w.members("ada", "bob")
	id := w.sentOne("ada", "bob")
	var replies []*domain.Reply
	for i, from := range []domain.MemberID{"bob", "bob", "ada"} {
		to := map[domain.MemberID]domain.MemberID{"bob": "ada", "ada": "bob"}[from]
		replies = append(replies, &domain.Reply{ID: newID(), InMail: id, From: from, To: to, Body: "text", Automatic: i == 0,
			At: w.Now().Add(time.Duration(i) * time.Minute)})
	}
	w.update(func(tx mailroom.Tx) error { return tx.InsertReplies(replies) })
	first := func() time.Time {
		return read(w, func(tx mailroom.Tx) (time.Time, error) { return tx.FirstReply(id, "bob") })
	}
	mark := func(i int, automatic bool) {
		w.update(func(tx mailroom.Tx) error { return tx.MarkAutomatic(replies[i].ID, automatic) })
	}
	if !first().Equal(replies[1].At) {
		t.Errorf("the first is of %s", first())
	}
	got := read(w, func(tx mailroom.Tx) ([]*domain.Reply, error) { return tx.Replies(id, page(10)) })
	if diff := cmp.Diff(replies, got); diff != "" {
		t.Errorf("replies (-want +got):\n%s", diff)
	}
	mark(0, false)
	if !first().Equal(replies[0].At) {
		t.Errorf("after the first was marked true it is of %s", first())
	}
	mark(0, true)
	mark(1, true)
	if !first().IsZero() {
		t.Errorf("after both were marked automatic it is of %s", first())
	}
	one := read(w, func(tx mailroom.Tx) (*domain.Reply, error) { return tx.Reply(id, replies[1].ID) })
	if one == nil || !one.Automatic || one.From != "bob" {
		t.Errorf("one reply is %+v", one)
	}
	for _, pair := range [][2]domain.ID{{id, newID()}, {newID(), replies[1].ID}, {id, "none"}} {
		if one := read(w, func(tx mailroom.Tx) (*domain.Reply, error) { return tx.Reply(pair[0], pair[1]) }); one != nil {
			t.Errorf("there is a reply %v", one)
		}
	}
}

func receivedInAWeek(t *testing.T, w *world) {
	w.members("ada", "bob", "cy")
	var at []time.Time
	for i := range 4 {
		w.advance(24 * time.Hour)
		id := w.sentOne([]domain.MemberID{"ada", "cy"}[i%2], "bob")
		at = append([]time.Time{w.Now()}, at...)
		switch i { // each state was delivered
		case 1:
			w.apply(id, domain.EventRetract)
		case 2:
			w.apply(id, domain.EventReply)
		}
	}
	w.queued("ada", "bob", 2)
	refused := w.queued("ada", "bob", 1)[0].ID
	w.apply(refused, domain.EventRefuse)
	received := func(limit int) domain.Received {
		return read(w, func(tx mailroom.Tx) (map[domain.MemberID]domain.Received, error) {
			return tx.Received(map[domain.MemberID]int{"bob": limit, "cy": limit})
		})["bob"]
	}
	if diff := cmp.Diff(domain.Received{At: at, OnItsWay: 2}, received(9)); diff != "" {
		t.Errorf("received (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(domain.Received{At: at[:2], OnItsWay: 2}, received(2)); diff != "" {
		t.Errorf("as many as the limit (-want +got):\n%s", diff)
	}
	w.set(at[2].Add(domain.PeaceWindow))
	if diff := cmp.Diff(domain.Received{At: at[:2], OnItsWay: 2}, received(9)); diff != "" {
		t.Errorf("when the second is a week old (-want +got):\n%s", diff)
	}
}

// peaceLock checks that two transactions of different senders, each of which delivers to one member with a
// limit when it reads that there is room, deliver one InMail.
func peaceLock(t *testing.T, w *world) {
	w.members("ada", "cy", "dora", "eve")
	bob := domain.NewMember("bob", "Bob")
	bob.MaxWeek = 1
	w.update(func(tx mailroom.Tx) error { return tx.PutMembers([]*domain.Member{&bob}, 1, plan(10)) })
	senders := []domain.MemberID{"ada", "cy", "dora", "eve"}
	queued := make([]*domain.InMail, len(senders))
	for i, sender := range senders {
		queued[i] = w.queued(sender, "bob", 1)[0]
	}
	errs := race(len(senders), func(i int) error {
		return w.rec.Update(t.Context(), func(tx mailroom.Tx) error {
			f, err := tx.Facts(mailroom.Ask{Pairs: []mailroom.Pair{{From: senders[i], To: "bob"}}, Lock: true, AnchorDay: 1, Allowance: plan(10)})
			if err != nil {
				return err
			}
			if len(f.Received["bob"].At) > 0 {
				return errNothing
			}
			m := *queued[i]
			return move(tx, &m, domain.EventDeliver)
		})
	})
	if won(errs) != 1 {
		t.Errorf("%d were delivered, want 1: %v", won(errs), errs)
	}
}

func firstAnswerRace(t *testing.T, w *world) {
	w.members("ada")
	key := mailroom.NewAnswerKey("ada", "k")
	errSecond := errors.New("answered before")
	errs := race(8, func(i int) error {
		return w.rec.Update(t.Context(), func(tx mailroom.Tx) error {
			if err := tx.LockMembers([]domain.MemberID{"ada"}); err != nil {
				return err
			}
			before, err := tx.FirstAnswers([]mailroom.AnswerKey{key}, keyKept)
			if err != nil || before[0] != nil {
				return errors.Join(err, errSecond)
			}
			return tx.PutAnswers([]mailroom.Answer{{AnswerKey: key, Digest: mailroom.Digest{byte(i)}, At: start}})
		})
	})
	for _, err := range errs {
		if err != nil && !errors.Is(err, errSecond) {
			t.Errorf("failed: %v", err)
		}
	}
	if n := won(errs); n != 1 {
		t.Errorf("%d first answers", n)
	}
}

func claimRace(t *testing.T, w *world) {
	w.members("ada", "bob")
	ids := idsOf(w.queued("ada", "bob", 40))
	delivered := make([]int, 4)
	errs := race(len(delivered), func(i int) error {
		order := slices.Clone(ids)
		if i%2 == 1 {
			slices.Reverse(order)
		}
		return w.rec.Update(t.Context(), func(tx mailroom.Tx) error {
			delivered[i] = 0
			claimed, err := tx.ClaimQueued(order)
			if err != nil {
				return err
			}
			var changes []mailroom.Change
			for _, m := range claimed {
				c := mailroom.Change{InMail: m, FromStatus: m.Status, FromVersion: m.Version}
				if c.Receipts, err = m.Apply(domain.EventDeliver, tx.Now(), ""); err != nil {
					return err
				}
				changes = append(changes, c)
				if err := tx.Count(domain.CountsFor(m, "", m.Outcome())); err != nil {
					return err
				}
			}
			delivered[i] = len(changes)
			return tx.Save(changes)
		})
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("a claimer failed: %v", err)
	}
	total := 0
	for _, n := range delivered {
		total += n
	}
	entries := inbox(w, "bob", mailroom.Filter{})
	if total != len(ids) || len(entries) != len(ids) || unread(w, "bob") != len(ids) {
		t.Errorf("delivered %d, in the inbox %d, unread %d; want %d each", total, len(entries), unread(w, "bob"), len(ids))
	}
	for _, id := range ids {
		got := read(w, func(tx mailroom.Tx) ([]domain.Receipt, error) { return tx.Receipts(id) })
		if len(got) != 2 || got[1].Status != domain.Sent || got[1].Seq != 2 {
			t.Fatalf("receipts of %s: %+v", id, got)
		}
	}
	if got := sum(w, domain.ByAll)["/pending_unopened"]; got != len(ids) {
		t.Errorf("counted %d, want %d", got, len(ids))
	}
	w.update(func(tx mailroom.Tx) error {
		claimed, err := tx.ClaimQueued(ids)
		if len(claimed) != 0 {
			t.Errorf("%d were claimed again", len(claimed))
		}
		return err
	})
}

func firstListing(t *testing.T, w *world) {
	w.members("ada", "bob")
	ms := w.sent("ada", "bob", 3)
	ids := idsOf(ms)
	list := func() (n int) {
		w.update(func(tx mailroom.Tx) (err error) {
			n, err = tx.SetPreviewed(append(ids, ids[0], newID()))
			return err
		})
		return n
	}
	w.advance(time.Minute)
	if n := list(); n != 3 {
		t.Errorf("first listing noted %d, want 3", n)
	}
	w.advance(time.Minute)
	if n := list(); n != 0 {
		t.Errorf("second listing noted %d, want 0", n)
	}
	for i, m := range w.load(ms) {
		want := *ms[i]
		want.PreviewedAt = start.Add(time.Minute)
		if diff := cmp.Diff(&want, m); diff != "" {
			t.Errorf("listing changes nothing else (-want +got):\n%s", diff)
		}
	}
	w.apply(ids[0], domain.EventOpen)
	if got := w.inmail(ids[0]).PreviewedAt; !got.Equal(start.Add(time.Minute)) {
		t.Errorf("opening moved the first listing to %v", got)
	}
}

func clockExpires(t *testing.T, w *world) {
	w.members("ada", "bob")
	unopened, opened := w.sentOne("ada", "bob"), w.sentOne("ada", "bob")
	w.apply(opened, domain.EventOpen)
	type view struct {
		Inbox, Sent, Expired, SentOpened []domain.ID
		Unread                           int
	}
	look := func() (v view) {
		for _, e := range inbox(w, "bob", mailroom.Filter{}) {
			v.Inbox = append(v.Inbox, e.InMail.ID)
		}
		v.Sent = idsOf(sentBy(w, "ada", mailroom.Filter{Status: domain.Sent}))
		v.Expired = idsOf(sentBy(w, "ada", mailroom.Filter{Status: domain.Expired}))
		v.SentOpened = idsOf(sentBy(w, "ada", mailroom.Filter{Status: domain.Opened}))
		v.Unread = unread(w, "bob")
		counted := read(w, func(tx mailroom.Tx) (map[domain.Status]int, error) { return tx.CountSent("ada", "", 10) })
		want := map[domain.Status]int{domain.Sent: len(v.Sent), domain.Expired: len(v.Expired), domain.Opened: len(v.SentOpened)}
		maps.DeleteFunc(want, func(_ domain.Status, n int) bool { return n == 0 })
		if diff := cmp.Diff(want, counted); diff != "" {
			t.Errorf("counted by state (-want +got):\n%s", diff)
		}
		return v
	}
	before := view{Inbox: []domain.ID{opened, unopened}, Sent: []domain.ID{unopened}, SentOpened: []domain.ID{opened}, Unread: 1}
	after := view{Inbox: []domain.ID{opened}, Expired: []domain.ID{unopened}, SentOpened: []domain.ID{opened}}
	same := cmp.Options{cmpopts.EquateEmpty(), cmpopts.SortSlices(func(a, b domain.ID) bool { return a < b })}
	w.advance(domain.Window - time.Millisecond)
	if diff := cmp.Diff(before, look(), same); diff != "" {
		t.Errorf("a millisecond before (-want +got):\n%s", diff)
	}
	w.advance(time.Millisecond)
	if diff := cmp.Diff(after, look(), same); diff != "" {
		t.Errorf("at T0 + Window, no job has run (-want +got):\n%s", diff)
	}
	w.apply(unopened, domain.EventExpire)
	if diff := cmp.Diff(after, look(), same); diff != "" {
		t.Errorf("persisted (-want +got):\n%s", diff)
	}
	w.advance(domain.Window)
	if diff := cmp.Diff(after, look(), same); diff != "" {
		t.Errorf("long after (-want +got):\n%s", diff)
	}
}

// sweepIsApply expires one of each pair of twins by Apply and Save, the other by the sweep: the stored rows
// of the two must be the same.
func sweepIsApply(t *testing.T, w *world) {
	w.members("ada", "bob", "cy")
	type twins struct{ applied, swept domain.ID }
	shapes := map[string]func(m *domain.InMail){
		"bare":   func(*domain.InMail) {},
		"long":   func(m *domain.InMail) { m.Words = 150 },
		"tagged": func(m *domain.InMail) { m.Tags, m.Category = []string{"hiring", "spring"}, "follow_up" },
		"advised": func(m *domain.InMail) {
			m.Advice, m.CRM = []string{"no_name", "weak_subject"}, domain.CRMIDs{crm: {"lead_id": "00Q000000000001"}}
		},
		"from another": func(m *domain.InMail) { m.Sender, m.AccountType = "cy", domain.SalesNavigatorTeam },
	}
	sent := func(shape func(*domain.InMail)) domain.ID {
		m, receipt := domain.New(domain.InMail{ID: newID(), Sender: "ada", Recipient: "bob", Subject: "Subject", Body: "Body", Preview: "Body",
			AccountType: domain.Recruiter}, w.Now())
		shape(m)
		w.update(func(tx mailroom.Tx) error { return tx.Insert([]*domain.InMail{m}, []domain.Receipt{receipt}) })
		w.apply(m.ID, domain.EventDeliver)
		return m.ID
	}
	push := func() { // brings the org up to date, so that an expiry must mark the InMails as changed again
		pushes := claim(w, 100)
		answers := []domain.PushAnswer{}
		for _, p := range pushes {
			answers = append(answers, taken(p))
		}
		w.update(func(tx mailroom.Tx) error {
			return tx.StoreAnswers(crm, answers, slices.Repeat([]time.Time{{}}, len(answers)))
		})
	}
	pairs := map[string]twins{}
	for name, shape := range shapes {
		pairs["in sync, "+name] = twins{sent(shape), sent(shape)}
	}
	push()
	for name, shape := range shapes {
		pairs["unsynced, "+name] = twins{sent(shape), sent(shape)}
	}
	opened, young := sent(shapes["bare"]), domain.ID("")
	w.apply(opened, domain.EventOpen)
	w.advance(time.Minute)
	young = sent(shapes["bare"])
	w.advance(domain.Window - time.Minute)
	before := sum(w, domain.ByAll)["/"+string(domain.ExpiredUnopened)]
	for _, p := range pairs {
		w.apply(p.applied, domain.EventExpire)
	}
	var was map[domain.ID]*domain.InMail
	var swept []*domain.InMail
	w.update(func(tx mailroom.Tx) (err error) {
		ids := []domain.ID{}
		for _, p := range pairs {
			ids = append(ids, p.swept)
		}
		if was, err = tx.InMails(ids); err != nil {
			return err
		}
		swept, err = tx.ExpireDue(1000)
		return err
	})
	if len(swept) != len(pairs) {
		t.Fatalf("swept %d, want %d", len(swept), len(pairs))
	}
	for _, m := range swept {
		want := *was[m.ID]
		want.Subject, want.Preview, want.Body, want.CRM = "", "", "", nil
		if diff := cmp.Diff(&want, m); diff != "" {
			t.Errorf("as it was (-want +got):\n%s", diff)
		}
	}
	if got := sum(w, domain.ByAll)["/"+string(domain.ExpiredUnopened)]; got != before+len(pairs) {
		t.Errorf("%d counted as expired, want those that Apply moved: the sweep counts nothing by itself", got)
	}
	type stored struct {
		InMail   domain.InMail
		Receipts []domain.Receipt
	}
	look := func(id domain.ID) stored {
		s := stored{InMail: *w.inmail(id), Receipts: read(w, func(tx mailroom.Tx) ([]domain.Receipt, error) { return tx.Receipts(id) })}
		s.InMail.ID = ""
		for i := range s.Receipts {
			s.Receipts[i].InMail = ""
		}
		return s
	}
	due := map[domain.ID]bool{}
	for _, p := range claim(w, 100) {
		due[p.InMail.ID] = true
	}
	for name, p := range pairs {
		if diff := cmp.Diff(look(p.applied), look(p.swept)); diff != "" {
			t.Errorf("%s: the sweep does otherwise (-Apply +sweep):\n%s", name, diff)
		}
		if !due[p.applied] || !due[p.swept] {
			t.Errorf("%s: due to be pushed: %v by Apply, %v by the sweep", name, due[p.applied], due[p.swept])
		}
	}
	for what, id := range map[string]domain.ID{"opened": opened, "younger": young} {
		if got := w.inmail(id).Status; got == domain.Expired {
			t.Errorf("one that is %s has expired", what)
		}
	}
}

func expireDue(t *testing.T, w *world) {
	w.members("ada", "bob")
	var all []domain.ID
	for range 30 {
		all = append(all, w.sentOne("ada", "bob"))
		w.advance(time.Second)
	}
	next := func(want time.Time) {
		t.Helper()
		if err := w.rec.View(t.Context(), func(tx mailroom.Tx) error {
			got, err := tx.NextExpiry()
			if !got.Equal(want) {
				t.Errorf("the next expires at %v, want %v", got, want)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	next(start.Add(domain.Window))
	w.set(start.Add(domain.Window + 19*time.Second)) // the first twenty are due
	var first []domain.ID
	if err := w.rec.Update(t.Context(), func(tx mailroom.Tx) error {
		due, err := tx.ExpireDue(5)
		first = idsOf(due)
		return errors.Join(err, errNothing)
	}); !errors.Is(err, errNothing) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all[:5], first, cmpopts.SortSlices(func(a, b domain.ID) bool { return a < b })); diff != "" {
		t.Errorf("the oldest (-want +got):\n%s", diff)
	}
	expired := make([]int, 3)
	errs := race(len(expired), func(i int) error {
		for {
			n := 0
			err := w.rec.Update(t.Context(), func(tx mailroom.Tx) error {
				due, err := tx.ExpireDue(7)
				n = len(due)
				return err
			})
			if err != nil || n == 0 {
				return err
			}
			expired[i] += n
		}
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("a sweep failed: %v", err)
	}
	total := 0
	for _, n := range expired {
		total += n
	}
	if total != 20 {
		t.Errorf("expired %d, want 20", total)
	}
	next(start.Add(domain.Window + 20*time.Second))
	for i, id := range all {
		m := w.inmail(id)
		if due := i < 20; due != (m.Status == domain.Expired) || due && !m.EndedAt.Equal(m.ExpiresAt) {
			t.Errorf("InMail %d is %s, ended %v", i, m.Status, m.EndedAt)
		}
	}
}

func retractedLeaves(t *testing.T, w *world) {
	w.members("ada", "bob")
	id := w.sentOne("ada", "bob")
	w.apply(id, domain.EventRetract)
	if n := len(inbox(w, "bob", mailroom.Filter{})); n != 0 || unread(w, "bob") != 0 {
		t.Errorf("in the inbox %d, unread %d; want 0, 0", n, unread(w, "bob"))
	}
	if m := w.inmail(id); m.Status != domain.Retracted || !m.Undone {
		t.Errorf("status %s, undone %v; want retracted, true", m.Status, m.Undone)
	}
	if got := sentBy(w, "ada", mailroom.Filter{Status: domain.Retracted}); len(got) != 1 || got[0].ID != id || !got[0].Undone {
		t.Errorf("the sender sees %v", got)
	}
}

func retractedConversation(t *testing.T, w *world) {
	w.members("ada", "bob")
	id := w.sentOne("ada", "bob")
	w.apply(id, domain.EventReply)
	w.update(func(tx mailroom.Tx) error {
		return tx.InsertReplies([]*domain.Reply{{ID: newID(), InMail: id, From: "bob", To: "ada", Body: "yes", At: tx.Now()}})
	})
	w.apply(id, domain.EventRetract)
	w.advance(time.Second)
	w.update(func(tx mailroom.Tx) error {
		return tx.InsertReplies([]*domain.Reply{{ID: newID(), InMail: id, From: "ada", To: "bob", Body: "good", At: tx.Now()}})
	})
	if got := inbox(w, "bob", mailroom.Filter{}); len(got) != 1 || got[0].Reply == nil || got[0].Reply.Body != "good" || got[0].InMail.ID != id {
		t.Errorf("bob's inbox holds %+v, want the reply alone", got)
	}
	if m := w.inmail(id); m.Undone || m.OpenedAt.IsZero() || m.RepliedAt.IsZero() {
		t.Errorf("what was read and answered stays so: %+v", m)
	}
}

// settled checks that every view shows the status want of an InMail, which is the last of its n receipts.
func settled(w *world, id domain.ID, want domain.Status, n int) {
	w.t.Helper()
	m := w.inmail(id)
	got := read(w, func(tx mailroom.Tx) ([]domain.Receipt, error) { return tx.Receipts(id) })
	for i, r := range got {
		if r.Seq != i+1 {
			w.t.Errorf("receipt %d has the number %d", i+1, r.Seq)
		}
	}
	if m.Status != want || len(got) != n || got[len(got)-1].Status != want || m.Seq != n {
		w.t.Errorf("status %s, number %d, %d receipts, the last of %s; want %s and %d", m.Status, m.Seq, len(got), got[len(got)-1].Status, want, n)
	}
	listed := len(inbox(w, m.Recipient, mailroom.Filter{})) > 0
	if alive := want == domain.Sent || want == domain.Opened || want == domain.Replied; listed != alive {
		w.t.Errorf("%s, and listed in the inbox: %v", want, listed)
	}
	if sent := sentBy(w, m.Sender, mailroom.Filter{Status: want}); len(sent) != 1 {
		w.t.Errorf("the sent list has %d that are %s", len(sent), want)
	}
	total := 0
	for key, count := range sum(w, domain.ByAll) {
		total += count
		if count != 0 && key != "/"+string(m.Outcome()) {
			w.t.Errorf("counted as %s: %d", key, count)
		}
	}
	if total != 1 {
		w.t.Errorf("counted %d times", total)
	}
}

func twoOpens(t *testing.T, w *world) {
	w.members("ada", "bob")
	id := w.sentOne("ada", "bob")
	errs := race(8, func(int) error { return w.try(id, domain.EventOpen) })
	for _, err := range errs {
		if err != nil && !errors.Is(err, errNothing) {
			t.Errorf("an open failed: %v", err)
		}
	}
	if n := won(errs); n != 1 {
		t.Errorf("%d opens won", n)
	}
	settled(w, id, domain.Opened, 3)
}

func twoRetracts(t *testing.T, w *world) {
	w.members("ada", "bob")
	id := w.sentOne("ada", "bob")
	errs := race(8, func(int) error { return w.try(id, domain.EventRetract) })
	for _, err := range errs {
		if err != nil && !errors.Is(err, errNothing) {
			t.Errorf("a retract failed: %v", err)
		}
	}
	if n := won(errs); n != 1 {
		t.Errorf("%d retracts won", n)
	}
	settled(w, id, domain.Retracted, 3)
}

// openAgainstRetract races an open with a retract. After an open the retract may follow (R37); after a
// retract nothing follows.
func openAgainstRetract(t *testing.T, w *world) {
	w.members("ada", "bob")
	for round := range 10 {
		recipient := domain.MemberID(fmt.Sprintf("bob%d", round))
		sender := domain.MemberID(fmt.Sprintf("ada%d", round))
		id := w.sentOne(sender, recipient)
		errs := race(2, func(i int) error { return w.try(id, []domain.Event{domain.EventOpen, domain.EventRetract}[i]) })
		m := w.inmail(id)
		opened := errs[0] == nil
		if errs[1] != nil || m.Status != domain.Retracted {
			t.Fatalf("the retract is legal before and after an open: %v, %s", errs[1], m.Status)
		}
		if !opened && !errors.Is(errs[0], domain.RetractedCode) {
			t.Errorf("the open that lost answers %v, want retracted", errs[0])
		}
		if m.Undone == opened || m.OpenedAt.IsZero() == opened {
			t.Errorf("opened %v, undone %v, opened at %v", opened, m.Undone, m.OpenedAt)
		}
		want := 3
		if opened {
			want = 4
		}
		if got := read(w, func(tx mailroom.Tx) ([]domain.Receipt, error) { return tx.Receipts(id) }); len(got) != want {
			t.Errorf("opened %v, and %d receipts", opened, len(got))
		}
		if len(inbox(w, recipient, mailroom.Filter{})) != 0 {
			t.Error("still in the inbox")
		}
	}
}

func openAgainstExpiry(t *testing.T, w *world) {
	for round := range 10 {
		sender, recipient := domain.MemberID(fmt.Sprintf("ada%d", round)), domain.MemberID(fmt.Sprintf("bob%d", round))
		id := w.sentOne(sender, recipient)
		w.advance(domain.Window - time.Millisecond)
		errs := race(2, func(i int) error {
			if i == 0 {
				return w.try(id, domain.EventOpen)
			}
			w.clock.advance(time.Millisecond) // the window ends while the open is under way
			return w.try(id, domain.EventExpire)
		})
		if n := won(errs); n != 1 {
			t.Fatalf("%d won: %v", n, errs)
		}
		m := w.inmail(id)
		if opened := errs[0] == nil; opened != (m.Status == domain.Opened) || opened == (m.Status == domain.Expired) {
			t.Errorf("open answered %v, expiry %v, and the InMail is %s", errs[0], errs[1], m.Status)
		}
		if got := read(w, func(tx mailroom.Tx) ([]domain.Receipt, error) { return tx.Receipts(id) }); len(got) != 3 {
			t.Errorf("%d receipts", len(got))
		}
	}
}

func staleSave(t *testing.T, w *world) {
	w.members("ada", "bob")
	ms := w.sent("ada", "bob", 2)
	stale := func(tx mailroom.Tx) error { // both were loaded before ms[1] was opened
		var changes []mailroom.Change
		for _, m := range ms {
			copied := *m
			c := mailroom.Change{InMail: &copied, FromStatus: m.Status, FromVersion: m.Version}
			var err error
			if c.Receipts, err = copied.Apply(domain.EventRetract, tx.Now(), ""); err != nil {
				return err
			}
			changes = append(changes, c)
		}
		return tx.Save(changes)
	}
	w.apply(ms[1].ID, domain.EventOpen)
	if err := w.rec.Update(t.Context(), stale); !errors.Is(err, mailroom.ErrConflict) {
		t.Fatalf("a stale save answers %v, want ErrConflict", err)
	}
	err := w.rec.Update(t.Context(), func(tx mailroom.Tx) error {
		err := stale(tx)
		_, next := tx.State("s")
		if err := errors.Join(err, next); !errors.Is(err, mailroom.ErrConflict) {
			t.Errorf("a stale save and the next read answer %v, want ErrConflict", err)
		}
		return nil // the error is ignored, and the transaction tries to commit
	})
	if !errors.Is(err, mailroom.ErrConflict) {
		t.Errorf("a transaction around a stale save answers %v, want ErrConflict", err)
	}
	for i, want := range []domain.Status{domain.Sent, domain.Opened} {
		if m := w.inmail(ms[i].ID); m.Status != want {
			t.Errorf("InMail %d is %s, want %s", i, m.Status, want)
		}
		if got := read(w, func(tx mailroom.Tx) ([]domain.Receipt, error) { return tx.Receipts(ms[i].ID) }); len(got) != 2+i {
			t.Errorf("InMail %d has %d receipts", i, len(got))
		}
	}
}

func replies(t *testing.T, w *world) {
	w.members("ada", "bob")
	id, other := w.sentOne("ada", "bob"), w.sentOne("ada", "bob")
	w.apply(id, domain.EventReply)
	reply := func(from, to domain.MemberID, body string, at time.Time) *domain.Reply {
		return &domain.Reply{ID: newID(), InMail: id, From: from, To: to, Body: body, At: at}
	}
	first := reply("bob", "ada", "one", start.Add(time.Second))
	second := reply("ada", "bob", "two", start.Add(2*time.Second))
	third := reply("bob", "ada", "three", start.Add(2*time.Second)) // in the same millisecond, made later
	elsewhere := &domain.Reply{ID: newID(), InMail: other, From: "bob", To: "ada", Body: "elsewhere", At: start}
	w.update(func(tx mailroom.Tx) error { return tx.InsertReplies([]*domain.Reply{third, elsewhere, first, second}) })
	conversation := func(after mailroom.Cursor, n int) []*domain.Reply {
		return read(w, func(tx mailroom.Tx) ([]*domain.Reply, error) {
			return tx.Replies(id, mailroom.Page{Limit: n, After: after})
		})
	}
	if diff := cmp.Diff([]*domain.Reply{first, second, third}, conversation(mailroom.Cursor{}, 10)); diff != "" {
		t.Errorf("conversation (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]*domain.Reply{third}, conversation(mailroom.Cursor{At: second.At, ID: string(second.ID)}, 10)); diff != "" {
		t.Errorf("second page (-want +got):\n%s", diff)
	}
	var got []string
	for _, e := range inbox(w, "ada", mailroom.Filter{}) {
		got = append(got, e.Reply.Body)
	}
	if diff := cmp.Diff([]string{"three", "one", "elsewhere"}, got); diff != "" {
		t.Errorf("ada's inbox (-want +got):\n%s", diff)
	}
	if n := unread(w, "ada"); n != 3 {
		t.Errorf("ada has %d unread, want 3", n)
	}
	w.advance(time.Minute)
	w.update(func(tx mailroom.Tx) error { return tx.MarkRead(id, "ada") })
	w.advance(time.Minute)
	w.update(func(tx mailroom.Tx) error { return tx.MarkRead(id, "ada") })
	read := conversation(mailroom.Cursor{}, 10)
	if n := unread(w, "ada"); n != 1 || !read[0].ReadAt.Equal(start.Add(time.Minute)) || !read[1].ReadAt.IsZero() {
		t.Errorf("after reading: %d unread; read at %v and %v", n, read[0].ReadAt, read[1].ReadAt)
	}
}

func oldStrikes(t *testing.T, w *world) {
	w.members("ada", "bob")
	strikes := func(since time.Time) (of []mailroom.Strike) {
		for _, id := range []domain.MemberID{"ada", "bob", "ada"} {
			of = append(of, mailroom.Strike{Member: id, At: w.Now()})
		}
		of[0].Since = since
		return of
	}
	want := func(ada, bob []time.Time) {
		t.Helper()
		got := read(w, func(tx mailroom.Tx) (map[domain.MemberID]spam.Signals, error) {
			return tx.Signals([]domain.MemberID{"ada", "bob"}, spam.DefaultLimits())
		})
		if diff := cmp.Diff([][]time.Time{ada, bob}, [][]time.Time{got["ada"].Strikes, got["bob"].Strikes}); diff != "" {
			t.Errorf("strikes (-want +got):\n%s", diff)
		}
	}
	w.update(func(tx mailroom.Tx) error { return tx.Strike(strikes(time.Time{})) })
	w.advance(time.Hour)
	second := w.Now()
	w.update(func(tx mailroom.Tx) error { return tx.Strike(strikes(start)) })
	want([]time.Time{second, second, start, start}, []time.Time{second, start})
	w.advance(time.Hour)
	third := w.Now()
	w.update(func(tx mailroom.Tx) error { return tx.Strike(strikes(second)) })
	want([]time.Time{third, third, second, second}, []time.Time{third, second, start})
}

func signals(t *testing.T, w *world) {
	w.members("ada", "bob", "cy")
	limits := spam.DefaultLimits()
	needed := limits.SendsNeeded()
	w.sentOne("ada", "bob") // it leaves the windows before the others
	w.update(func(tx mailroom.Tx) error {
		return tx.Strike([]mailroom.Strike{{Member: "ada", At: tx.Now()}, {Member: "ada", At: tx.Now()}, {Member: "bob", At: tx.Now()}})
	})
	w.advance(25 * time.Hour)
	var want []time.Time
	for range needed + 5 {
		w.queued("ada", "bob", 1)
		want = append(want, w.Now())
		w.advance(time.Millisecond)
	}
	slices.Reverse(want)
	reported := w.sent("ada", "bob", 3)
	want = append([]time.Time{w.Now(), w.Now(), w.Now()}, want...)
	w.update(func(tx mailroom.Tx) error {
		for i, m := range reported {
			if err := tx.Report(m.ID, "ada", []domain.MemberID{"bob", "cy", "bob"}[i], "no"); err != nil {
				return err
			}
		}
		return tx.Strike([]mailroom.Strike{{Member: "ada", At: tx.Now()}})
	})
	look := func() map[domain.MemberID]spam.Signals {
		return read(w, func(tx mailroom.Tx) (map[domain.MemberID]spam.Signals, error) {
			return tx.Signals([]domain.MemberID{"ada", "cy", "ada"}, limits)
		})
	}
	expected := map[domain.MemberID]spam.Signals{"cy": {},
		"ada": {Sends: want[:needed], Strikes: []time.Time{w.Now(), start, start}, Reporters: 2, ReportedAt: w.Now(), Deliveries: 4}}
	if diff := cmp.Diff(expected, look()); diff != "" {
		t.Errorf("signals (-want +got):\n%s", diff)
	}
	// The first strikes and the first delivery leave the windows.
	w.set(start.Add(spam.RecordWindow + time.Millisecond))
	left := expected["ada"]
	left.Strikes, left.Deliveries = left.Strikes[:1], 3
	expected["ada"] = left
	if diff := cmp.Diff(expected, look()); diff != "" {
		t.Errorf("30 days later (-want +got):\n%s", diff)
	}

	sends := func(since time.Time) (at []time.Time) {
		for _, n := range read(w, func(tx mailroom.Tx) ([]mailroom.SendNote, error) { return tx.Sends("ada", since) }) {
			if m := w.inmail(n.InMail); m.Recipient != n.To || !m.AcceptedAt.Equal(n.At) {
				t.Errorf("%+v is said of %+v", n, m)
			}
			at = append(at, n.At)
		}
		return at
	}
	if diff := cmp.Diff(want[:3], sends(want[2])); diff != "" {
		t.Errorf("sends (-want +got):\n%s", diff)
	}
	if got := sends(want[0].Add(time.Millisecond)); len(got) != 0 {
		t.Errorf("sends later than the last: %v", got)
	}
	if got, all := sends(start), read(w, func(tx mailroom.Tx) ([]domain.ID, error) { return tx.InMailsOf("ada") }); len(got) != len(all) {
		t.Errorf("%d sends, and %d InMails", len(got), len(all))
	}
}

func restriction(t *testing.T, w *world) {
	w.members("ada", "bob")
	r := spam.Restriction{Trigger: "volume_hour", Value: 21, Limit: 20.5, Step: 1, StartedAt: start, Until: start.Add(24 * time.Hour)}
	second := spam.Restriction{Trigger: "strikes", Step: 2, StartedAt: r.Until, Until: r.Until.Add(72 * time.Hour)}
	ids := []string{string(newID()), string(newID())}
	put := func(id string, r spam.Restriction) error {
		return w.rec.Update(t.Context(), func(tx mailroom.Tx) error { return tx.PutRestriction("ada", id, r) })
	}
	holds := func() map[domain.MemberID]spam.Restriction {
		return read(w, func(tx mailroom.Tx) (map[domain.MemberID]spam.Restriction, error) {
			return tx.Restricted([]domain.MemberID{"ada", "bob"})
		})
	}
	byTrigger := func() map[string]int {
		return read(w, func(tx mailroom.Tx) (map[string]int, error) { return tx.RestrictedByTrigger() })
	}
	if err := put(ids[0], r); err != nil {
		t.Fatal(err)
	}
	for _, now := range []time.Time{start.Add(-time.Hour), start, r.Until.Add(-time.Millisecond)} {
		w.set(now)
		if diff := cmp.Diff(map[domain.MemberID]spam.Restriction{"ada": r}, holds()); diff != "" {
			t.Errorf("holds at %s (-want +got):\n%s", now, diff)
		}
		if diff := cmp.Diff(map[string]int{"volume_hour": 1}, byTrigger()); diff != "" {
			t.Errorf("by trigger at %s (-want +got):\n%s", now, diff)
		}
		listed := read(w, func(tx mailroom.Tx) ([]mailroom.RestrictionRow, error) { return tx.HoldingRestrictions(page(1)) })
		if diff := cmp.Diff([]mailroom.RestrictionRow{{ID: ids[0], Member: "ada", Restriction: r}}, listed); diff != "" {
			t.Errorf("listed as holding at %s (-want +got):\n%s", now, diff)
		}
		after := mailroom.Page{Limit: 1, After: mailroom.Cursor{At: r.Until, ID: ids[0]}}
		if next := read(w, func(tx mailroom.Tx) ([]mailroom.RestrictionRow, error) { return tx.HoldingRestrictions(after) }); len(next) > 0 {
			t.Errorf("after the last: %+v", next)
		}
		if err := put(ids[1], second); !errors.Is(err, mailroom.ErrConflict) {
			t.Errorf("a second one while the first holds, at %s: %v, want ErrConflict", now, err)
		}
	}
	w.set(r.Until)
	ended := read(w, func(tx mailroom.Tx) ([]mailroom.RestrictionRow, error) { return tx.HoldingRestrictions(page(1)) })
	if len(holds()) != 0 || len(byTrigger()) != 0 || len(ended) != 0 {
		t.Error("holds at its end")
	}
	if err := put(ids[1], second); err != nil {
		t.Errorf("the next one, at the end of the first: %v", err)
	}
	if diff := cmp.Diff(map[domain.MemberID]spam.Restriction{"ada": second}, holds()); diff != "" {
		t.Errorf("the next one holds (-want +got):\n%s", diff)
	}
	for range 2 { // a second time changes nothing
		w.update(func(tx mailroom.Tx) error { return tx.UndoRestriction(ids[1]) })
		if len(holds()) != 0 || len(byTrigger()) != 0 {
			t.Error("holds though it is undone")
		}
		w.advance(time.Millisecond)
	}
	if got := read(w, func(tx mailroom.Tx) (*mailroom.RestrictionRow, error) { return tx.Restriction(ids[0]) }); got == nil || got.Member != "ada" || !got.UndoneAt.IsZero() {
		t.Errorf("one restriction by its id: %+v", got)
	}
	if got := read(w, func(tx mailroom.Tx) (*mailroom.RestrictionRow, error) { return tx.Restriction(string(newID())) }); got != nil {
		t.Errorf("an unknown restriction: %+v", got)
	}
	want := []mailroom.RestrictionRow{{ID: ids[1], Member: "ada", Restriction: second, UndoneAt: r.Until}, {ID: ids[0], Member: "ada", Restriction: r}}
	got := read(w, func(tx mailroom.Tx) ([]mailroom.RestrictionRow, error) { return tx.Restrictions("ada") })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("restrictions (-want +got):\n%s", diff)
	}
}

func auditKeeps(t *testing.T, w *world) {
	entries := []mailroom.AuditEntry{
		{ID: string(newID()), At: start.Add(time.Second), Kind: "send", Sender: "ada", Recipient: "bob",
			Refusals: []domain.Code{domain.Restricted, domain.Blocked}, Detail: []byte(`{"value":21,"limit":20}`), Count: 1, LastAt: start.Add(time.Second)},
		{ID: string(newID()), At: start, Kind: "restrict", InMail: newID(), Sender: "ada", By: "key-1", Count: 1, LastAt: start},
	}
	w.update(func(tx mailroom.Tx) error { return tx.AppendAudit(entries) })
	w.update(func(tx mailroom.Tx) error {
		return tx.AppendAudit([]mailroom.AuditEntry{{ID: string(newID()), At: start.Add(-time.Second), Kind: "ban"}, {ID: string(newID()), At: start.Add(-time.Hour), Kind: "send", Sender: "bob"}})
	})
	got := read(w, func(tx mailroom.Tx) ([]mailroom.AuditEntry, error) { return tx.Audit(mailroom.AuditFilter{}, page(2)) })
	if diff := cmp.Diff(entries, got); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	got = read(w, func(tx mailroom.Tx) ([]mailroom.AuditEntry, error) {
		return tx.Audit(mailroom.AuditFilter{Sender: "ada"}, page(10))
	})
	if diff := cmp.Diff(entries, got); diff != "" {
		t.Errorf("audit of one sender (-want +got):\n%s", diff)
	}
	byID := read(w, func(tx mailroom.Tx) (map[string]mailroom.AuditEntry, error) {
		return tx.Decisions([]string{entries[1].ID, "nothing"})
	})
	if diff := cmp.Diff(map[string]mailroom.AuditEntry{entries[1].ID: entries[1]}, byID); diff != "" {
		t.Errorf("decisions by id (-want +got):\n%s", diff)
	}
}

// refusalAt is a refused send that may be one entry with those like it.
func refusalAt(at time.Time, same string) mailroom.AuditEntry {
	return mailroom.AuditEntry{ID: string(newID()), At: at, Kind: "send", Sender: "ada", Recipient: "bob",
		Refusals: []domain.Code{domain.OptedOut}, Same: same}
}

// entryOf is an entry as it is read back.
func entryOf(e mailroom.AuditEntry, count int, last time.Time) mailroom.AuditEntry {
	e.Count, e.LastAt, e.Same = count, last, ""
	return e
}

func wholeAudit(w *world) []mailroom.AuditEntry {
	w.t.Helper()
	return read(w, func(tx mailroom.Tx) ([]mailroom.AuditEntry, error) {
		return tx.Audit(mailroom.AuditFilter{}, page(100))
	})
}

func likeEntries(t *testing.T, w *world) {
	first, other, alone := refusalAt(start, "one"), refusalAt(start, "two"), refusalAt(start, "")
	w.update(func(tx mailroom.Tx) error {
		return tx.AppendAudit([]mailroom.AuditEntry{other, first, alone, refusalAt(start.Add(time.Second), "one")})
	})
	w.update(func(tx mailroom.Tx) error {
		return tx.AppendAudit([]mailroom.AuditEntry{refusalAt(start.Add(3*time.Second), "one"), refusalAt(start.Add(2*time.Second), "one")})
	})
	want := []mailroom.AuditEntry{entryOf(alone, 1, start), entryOf(other, 1, start), entryOf(first, 4, start.Add(3*time.Second))}
	if diff := cmp.Diff(want, wholeAudit(w)); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	// An erased sender's entries take none in.
	Erase(t, w.rec, "ada")
	w.update(func(tx mailroom.Tx) error { return tx.AppendAudit([]mailroom.AuditEntry{refusalAt(start, "one")}) })
	if got := wholeAudit(w); len(got) != 4 || got[3].Sender != domain.Erased || got[3].Count != 4 || got[0].Sender != "ada" || got[0].Count != 1 {
		t.Errorf("after an erasure: %+v", got)
	}
}

// likeEntriesRace lets transactions that share rows, in other orders, count at once.
func likeEntriesRace(t *testing.T, w *world) {
	const calls, each = 8, 5
	errs := race(calls, func(i int) error {
		for n := range each {
			entries := []mailroom.AuditEntry{refusalAt(start, "one"), refusalAt(start, "two"), refusalAt(start, "three"), refusalAt(start, "")}
			if (i+n)%2 == 0 {
				slices.Reverse(entries)
			}
			if err := w.rec.Update(t.Context(), func(tx mailroom.Tx) error { return tx.AppendAudit(entries) }); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	counts := map[int]int{}
	for _, e := range wholeAudit(w) {
		counts[e.Count]++
	}
	if diff := cmp.Diff(map[int]int{1: calls * each, calls * each: 3}, counts); diff != "" {
		t.Errorf("entries by their count (-want +got):\n%s", diff)
	}
}

func dropAudit(t *testing.T, w *world) {
	var entries []mailroom.AuditEntry
	for i := range 6 {
		entries = append(entries, refusalAt(start.Add(time.Duration(i)*time.Minute), fmt.Sprint(i)))
	}
	last := refusalAt(start.Add(3*time.Minute), "0")                                  // the first of all was last met then
	entries[1].Kind, entries[2].Kind = mailroom.DecidedRestrict, mailroom.DecidedUndo // the undo is kept longer
	w.update(func(tx mailroom.Tx) error { return tx.AppendAudit(append(entries, last)) })
	drop := func(limit, want int) {
		t.Helper()
		var n int
		w.update(func(tx mailroom.Tx) (err error) {
			n, err = tx.DropAudit(start.Add(3*time.Minute), start.Add(2*time.Minute), limit)
			return err
		})
		if n != want {
			t.Errorf("dropped %d, want %d", n, want)
		}
	}
	drop(0, 0)
	drop(1, 1)
	if got := wholeAudit(w); len(got) != 5 || got[4].ID != entries[0].ID || got[3].ID != entries[2].ID {
		t.Errorf("after the first: %+v", got)
	}
	drop(10, 0)
	if got := wholeAudit(w); len(got) != 5 || got[2].ID != entries[3].ID {
		t.Errorf("what is young: %+v", got)
	}
}

func oneReport(t *testing.T, w *world) {
	id := newID()
	report := func(reason string) func(tx mailroom.Tx) error {
		return func(tx mailroom.Tx) error { return tx.Report(id, "ada", "bob", reason) }
	}
	w.update(report("first"))
	if err := w.rec.Update(t.Context(), report("second")); !errors.Is(err, mailroom.ErrConflict) {
		t.Errorf("a second report answers %v, want ErrConflict", err)
	}
	w.update(func(tx mailroom.Tx) error { // the transaction may continue after the refusal
		if err := report("third")(tx); !errors.Is(err, mailroom.ErrConflict) {
			t.Errorf("a third report answers %v, want ErrConflict", err)
		}
		return tx.SetState("after", []byte("x"))
	})
	if got := read(w, func(tx mailroom.Tx) ([]byte, error) { return tx.State("after") }); string(got) != "x" {
		t.Error("what followed the conflict was not stored")
	}
	other, when := newID(), w.Now()
	w.clock.advance(time.Hour)
	w.update(func(tx mailroom.Tx) error {
		return errors.Join(tx.Report(other, "ada", "carl", "x"), tx.Taught([]domain.ID{id, newID()}), tx.Taught(nil))
	})
	rows := func(since time.Time, limit int) []mailroom.ReportRow {
		return read(w, func(tx mailroom.Tx) ([]mailroom.ReportRow, error) { return tx.Reported(since, limit) })
	}
	first := mailroom.ReportRow{InMail: id, Sender: "ada", Reporter: "bob", At: when, Taught: true}
	second := mailroom.ReportRow{InMail: other, Sender: "ada", Reporter: "carl", At: w.Now()}
	for _, c := range []struct {
		since time.Time
		limit int
		want  []mailroom.ReportRow
	}{{when, 10, []mailroom.ReportRow{first, second}}, {when, 1, []mailroom.ReportRow{second}}, {when.Add(time.Millisecond), 10, []mailroom.ReportRow{second}}} {
		if diff := cmp.Diff(c.want, rows(c.since, c.limit)); diff != "" {
			t.Errorf("the newest %d reports since %s (-want +got):\n%s", c.limit, c.since, diff)
		}
	}
	w.update(func(tx mailroom.Tx) error { _, _, err := tx.EraseMember("bob", 10); return err })
	if got := rows(when, 10)[0].Reporter; got == "bob" || got == "carl" || got == string(domain.Erased) {
		t.Errorf("an erased reporter goes on as %q, want a name of its own", got)
	}
}

func receipts(t *testing.T, w *world) {
	w.members("ada", "bob")
	id := w.sentOne("ada", "bob")
	w.advance(time.Second)
	w.apply(id, domain.EventReply) // opens, and replies
	refused := w.queued("ada", "bob", 1)[0].ID
	w.apply(refused, domain.EventRefuse)
	all := func(id domain.ID) []domain.Receipt {
		return read(w, func(tx mailroom.Tx) ([]domain.Receipt, error) { return tx.Receipts(id) })
	}
	want := []domain.Receipt{
		{InMail: id, Seq: 1, Status: domain.Queued, At: start}, {InMail: id, Seq: 2, Status: domain.Sent, At: start},
		{InMail: id, Seq: 3, Status: domain.Opened, At: start.Add(time.Second)}, {InMail: id, Seq: 4, Status: domain.Replied, At: start.Add(time.Second)}}
	if diff := cmp.Diff(want, all(id)); diff != "" {
		t.Errorf("receipts (-want +got):\n%s", diff)
	}
	if got := all(refused); len(got) != 2 || got[1].Reason != domain.Blocked || got[1].Status != domain.Refused {
		t.Errorf("receipts of a refused one: %+v", got)
	}
	m := w.inmail(id)
	err := w.rec.Update(t.Context(), func(tx mailroom.Tx) error { // with a sequence number that exists
		return tx.Save([]mailroom.Change{{InMail: m, FromStatus: m.Status, FromVersion: m.Version, Receipts: want[3:]}})
	})
	if err == nil || len(all(id)) != 4 {
		t.Errorf("a receipt with a number that is taken answers %v", err)
	}
}

func tags(t *testing.T, w *world) {
	w.members("ada", "bob")
	tagged := func(tags ...string) *domain.InMail {
		m, receipt := domain.New(domain.InMail{ID: newID(), Sender: "ada", Recipient: "bob", Tags: tags}, w.Now())
		w.update(func(tx mailroom.Tx) error { return tx.Insert([]*domain.InMail{m}, []domain.Receipt{receipt}) })
		w.apply(m.ID, domain.EventDeliver)
		w.advance(time.Second)
		return m
	}
	a, b, c := tagged("hot", "hot lead"), tagged("lead", "100%_\\"), tagged()
	find := func(tag string) (ids []domain.ID) {
		ids = idsOf(sentBy(w, "ada", mailroom.Filter{Tag: tag}))
		var listed []domain.ID
		for _, e := range inbox(w, "bob", mailroom.Filter{Tag: tag}) {
			listed = append(listed, e.InMail.ID)
		}
		if diff := cmp.Diff(ids, listed, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("tag %q: sent list and inbox differ:\n%s", tag, diff)
		}
		return ids
	}
	for tag, want := range map[string][]domain.ID{
		"hot": {a.ID}, "hot lead": {a.ID}, "lead": {b.ID}, "100%_\\": {b.ID}, "%": nil, "": {c.ID, b.ID, a.ID}, "h": nil} {
		if diff := cmp.Diff(want, find(tag), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("tag %q (-want +got):\n%s", tag, diff)
		}
	}
	for _, row := range []struct {
		tag          string
		newest, want int
	}{{"hot", 10, 1}, {"", 10, 3}, {"", 2, 2}, {"hot", 2, 0}, {"h", 10, 0}} {
		got := read(w, func(tx mailroom.Tx) (map[domain.Status]int, error) { return tx.CountSent("ada", row.tag, row.newest) })
		if got[domain.Sent] != row.want {
			t.Errorf("of the newest %d %v have the tag %q, want %d", row.newest, got, row.tag, row.want)
		}
	}
	m := w.inmail(a.ID)
	if diff := cmp.Diff([]string{"hot", "hot lead"}, m.Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	save := func(retagged bool, tags ...string) []string {
		m := w.inmail(a.ID)
		c := mailroom.Change{InMail: m, FromStatus: m.Status, FromVersion: m.Version, Retagged: retagged}
		m.Tags, m.Version = tags, m.Version+1
		w.update(func(tx mailroom.Tx) error { return tx.Save([]mailroom.Change{c}) })
		return w.inmail(a.ID).Tags
	}
	if diff := cmp.Diff([]string{"hot", "hot lead"}, save(false, "x")); diff != "" {
		t.Errorf("tags change only when they are said to (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"cold"}, save(true, "cold")); diff != "" {
		t.Errorf("retagged (-want +got):\n%s", diff)
	}
	if got := save(true); got != nil {
		t.Errorf("tags taken away: %v", got)
	}
}

func countsAddUp(t *testing.T, w *world) {
	week := domain.CohortOf(start)
	const movers, moves = 8, 15
	errs := race(movers, func(i int) error {
		for j := range moves {
			err := w.rec.Update(t.Context(), func(tx mailroom.Tx) error {
				cs := []domain.Count{
					{Cohort: week, Dimension: domain.ByAll, Outcome: domain.PendingUnopened, N: 2},
					{Cohort: week, Dimension: domain.ByTag, Key: fmt.Sprint("t", (i+j)%5), Outcome: domain.PendingUnopened, N: 1},
					{Cohort: week, Dimension: domain.BySender, Key: "ada", Outcome: domain.PendingUnopened, N: 1},
					{Cohort: week, Dimension: domain.ByTag, Key: fmt.Sprint("t", (i+j+1)%5), Outcome: domain.PendingUnopened, N: 1},
				}
				if i%2 == 1 {
					slices.Reverse(cs) // counts in another order must be locked in the same order
				}
				if err := tx.Count(cs); err != nil {
					return err
				}
				return tx.Count([]domain.Count{{Cohort: week, Dimension: domain.ByAll, Outcome: domain.PendingUnopened, N: -1}})
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	const n = movers * moves
	if got := sum(w, domain.ByAll); got["/pending_unopened"] != n {
		t.Errorf("all: %v, want %d", got, n)
	}
	if got := sum(w, domain.BySender); got["ada/pending_unopened"] != n {
		t.Errorf("sender: %v, want %d", got, n)
	}
	total := 0
	for _, count := range sum(w, domain.ByTag) {
		total += count
	}
	if total != 2*n {
		t.Errorf("tags: %d, want %d", total, 2*n)
	}
	w.update(func(tx mailroom.Tx) error { // a count back at 0 must not be read
		err := tx.Count([]domain.Count{{Cohort: "2026-W01", Dimension: domain.ByAll, Outcome: domain.OutcomeOpened, N: 3}})
		if err != nil {
			return err
		}
		counts, err := tx.Counts(domain.ByAll, "2026-W01", "2026-W02")
		if len(counts) != 1 || counts[0].N != 3 {
			t.Errorf("a transaction reads what it counted: %v", counts)
		}
		return errors.Join(err, tx.Count([]domain.Count{{Cohort: "2026-W01", Dimension: domain.ByAll, Outcome: domain.OutcomeOpened, N: -3}}))
	})
	if got := read(w, func(tx mailroom.Tx) ([]domain.Count, error) { return tx.Counts(domain.ByAll, "", "2026-W30") }); len(got) != 0 {
		t.Errorf("counts that add up to nothing: %v", got)
	}
}

func queuedBefore(t *testing.T, w *world) {
	w.members("ada", "bob")
	var ids []domain.ID
	for range 4 {
		ids = append(ids, w.queued("ada", "bob", 1)[0].ID)
		w.advance(time.Second)
	}
	w.apply(ids[1], domain.EventDeliver)
	find := func(before time.Time, n int) []domain.ID {
		return read(w, func(tx mailroom.Tx) ([]domain.ID, error) { return tx.QueuedBefore(before, n) })
	}
	if diff := cmp.Diff([]domain.ID{ids[0], ids[2]}, find(start.Add(3*time.Second), 10)); diff != "" {
		t.Errorf("queued before (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]domain.ID{ids[0]}, find(start.Add(time.Hour), 1)); diff != "" {
		t.Errorf("one (-want +got):\n%s", diff)
	}
	w.set(start.Add(2 * time.Second)) // back: the third is of now, the fourth of the future
	if diff := cmp.Diff([]domain.ID{ids[0], ids[3]}, find(start.Add(time.Second), 10)); diff != "" {
		t.Errorf("queued before, and in the future (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]domain.ID{ids[0]}, find(start.Add(time.Second), 1)); diff != "" {
		t.Errorf("one, with another in the future (-want +got):\n%s", diff)
	}
	got := read(w, func(tx mailroom.Tx) (map[domain.MemberID]int, error) {
		return tx.InFlight([]domain.MemberID{"ada", "bob"})
	})
	if diff := cmp.Diff(map[domain.MemberID]int{"ada": 3}, got); diff != "" {
		t.Errorf("in flight (-want +got):\n%s", diff)
	}
}
