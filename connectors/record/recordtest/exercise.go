package recordtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/spam"
)

// Exercise runs the tests of what the port promises besides the rules.
func Exercise(t *testing.T, engines Engines) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, w *world)
	}{
		{"Update/StoresNothingWhenItsFunctionFails", failedFunction},
		{"Update/StoresNothingWhenTheCallerGivesUp", cancelledUpdate},
		{"Update/StoresNothingAfterAPanic", panickingUpdate},
		{"Update/CannotCommitAroundAFailedStatement", aroundFailure},
		{"Update/ReturnsARefusalAsItIs", refusalAsItIs},
		{"Update/RunsAgainAfterADeadlock", deadlock},
		{"Update/HasOneTime", oneTime},
		{"View/SeesOneSnapshot", snapshotView},
		{"View/DoesNotWrite", readOnlyView},
		{"View/GivesUpWithItsCaller", cancelledView},
		{"Open/FindsWhatWasStored", reopened},
		{"Values/ComeBackAsTheyWere", roundTrips},
		{"Batches/EmptyInEmptyOut", emptyBatches},
		{"Batches/AnswerInTheOrderAsked", orderKept},
		{"Batches/OfFiveThousand", largeBatch},
		{"IDs/ThatAreNoneAreUnknown", garbageIDs},
		{"Facts/AreWhatTheirPartsAnswer", factsAreParts},
		{"Members/TheIDErasedIsRefused", erasedIsRefused},
		{"Members/TheLastOfOneIDCounts", lastMemberCounts},
		{"Members/AreFoundByTheirWords", foundByWords},
		{"Members/OfOneNameAreListedOnce", manyNames},
		{"Lists/AreWalkedWhileTheyGrow", growingLists},
		{"Lists/PageThroughEqualTimes", equalTimes},
		{"Filter/StatusAsTheClockGivesIt", statusFilter},
		{"Filter/ExpiresBefore", expiresBefore},
		{"Keys/AreFoundByHashAndDeleted", keys},
		{"State/IsKeptByName", states},
		{"Snapshots/TheLastIsKept", snapshots},
		{"Lessons/AreTakenOnce", lessons},
		{"Pushes/ThatFail", failedPushes},
		{"Pushes/F05_PartsFailApart", failedParts},
		{"Pushes/AreKeptByAHeartbeat", extendedLeases},
		{"Pushes/AreWalkedByID", pagePushes},
		{"Pushes/OfErasedMembersByID", pageErased},
		{"Pushes/KnowTheirRecipient", pushesKnowTheRecipient},
		{"CRMs/AreEachTheirOwn", eachItsOwn},
		{"CRMs/AreLinkedToWhatWasThere", linkedLater},
		{"CRMs/AreConnectedWhileInMailsArrive", connectedUnderLoad},
		{"Texts/AreDroppedByAge", dropTexts},
		{"Texts/AreNotDroppedPastWhatWaits", dropTextsWaits},
		{"InMails/AreNeverMissingWhileTheyAreDecided", decidedWhileRead},
		{"Scrub/LeavesEverythingInPlace", scrubbed},
	} {
		engines.each(t, test.name, test.run)
	}
}

var errMine = errors.New("mine")

func nothingStored(w *world, what string) {
	w.t.Helper()
	if got := read(w, func(tx mailroom.Tx) ([]byte, error) { return tx.State("s") }); got != nil {
		w.t.Errorf("%s, and %q was stored", what, got)
	}
	w.update(func(tx mailroom.Tx) error { return tx.SetState("t", []byte("the record goes on")) })
}

func failedFunction(t *testing.T, w *world) {
	err := w.rec.Update(t.Context(), func(tx mailroom.Tx) error {
		if err := tx.SetState("s", []byte("x")); err != nil {
			return err
		}
		return errMine
	})
	if err != errMine {
		t.Errorf("the error is %v, want the function's own", err)
	}
	nothingStored(w, "the function failed")
}

func cancelledUpdate(t *testing.T, w *world) {
	ctx, cancel := context.WithCancel(t.Context())
	err := w.rec.Update(ctx, func(tx mailroom.Tx) error {
		if err := tx.SetState("s", []byte("x")); err != nil {
			return err
		}
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	nothingStored(w, "the caller gave up before the commit")
	if err := w.rec.Update(ctx, func(tx mailroom.Tx) error { t.Error("run for a caller who had gone"); return nil }); err == nil {
		t.Error("no error for a caller who had gone")
	}
}

func panickingUpdate(t *testing.T, w *world) {
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = w.rec.Update(t.Context(), func(tx mailroom.Tx) error {
			if err := tx.SetState("s", []byte("x")); err != nil {
				return err
			}
			panic("a mistake in a use case")
		})
	}()
	nothingStored(w, "the function panicked")
}

func aroundFailure(t *testing.T, w *world) {
	id := newID()
	m, receipt := domain.New(domain.InMail{ID: id, Sender: "ada", Recipient: "bob"}, w.Now())
	insert := func(tx mailroom.Tx) error { return tx.Insert([]*domain.InMail{m}, []domain.Receipt{receipt}) }
	w.update(insert)
	var inner error
	err := w.rec.Update(t.Context(), func(tx mailroom.Tx) error {
		if err := tx.SetState("s", []byte("x")); err != nil {
			return err
		}
		inner = insert(tx) // the id exists already
		_, next := tx.State("s")
		inner = errors.Join(inner, next)
		return nil
	})
	if inner == nil || err == nil {
		t.Errorf("a second InMail with one id and the next read answer %v, and the transaction %v", inner, err)
	}
	nothingStored(w, "a statement failed")
	err = w.rec.Update(t.Context(), func(tx mailroom.Tx) error {
		if err := tx.SetState("s", []byte("x")); err != nil {
			return err
		}
		_ = insert(tx) // its error is ignored, and nothing is read after it
		return nil
	})
	if err == nil {
		t.Error("a transaction that ends with a second InMail with one id is committed")
	}
	nothingStored(w, "the last statement failed")
}

func refusalAsItIs(t *testing.T, w *world) {
	refusal := domain.Refuse(domain.Blocked, "no")
	if err := w.rec.Update(t.Context(), func(tx mailroom.Tx) error { return refusal }); err != error(refusal) {
		t.Errorf("Update returns %v", err)
	}
	if err := w.rec.View(t.Context(), func(tx mailroom.Tx) error { return refusal }); err != error(refusal) {
		t.Errorf("View returns %v", err)
	}
}

// deadlock runs two transactions that lock the same two members one by one in opposite order. Where the
// record lets them wait for each other, it ends one and runs it again; both must succeed.
func deadlock(t *testing.T, w *world) {
	w.members("ada", "bob")
	errs := race(2, func(i int) error {
		order := []domain.MemberID{"ada", "bob"}
		if i == 1 {
			slices.Reverse(order)
		}
		return w.rec.Update(t.Context(), func(tx mailroom.Tx) error {
			for _, id := range order {
				if err := tx.LockMembers([]domain.MemberID{id}); err != nil {
					return err
				}
				if err := tx.Spend([]mailroom.CreditMove{{Member: id, PeriodStart: domain.PeriodStart(start, 1), Used: 1}}); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	for _, id := range []domain.MemberID{"ada", "bob"} {
		if used := account(w, id, false, 10).Usage[0].Used; used != 2 {
			t.Errorf("%s used %d, want 2", id, used)
		}
	}
}

func oneTime(t *testing.T, w *world) {
	w.set(start.Add(1234567 * time.Nanosecond).In(time.FixedZone("", 3600)))
	w.update(func(tx mailroom.Tx) error {
		first := tx.Now()
		w.advance(time.Hour)
		if tx.Now() != first || !first.Equal(start.Add(time.Millisecond)) || first.Location() != time.UTC {
			t.Errorf("now is %v and then %v, want %v twice, in UTC", first, tx.Now(), start.Add(time.Millisecond))
		}
		return nil
	})
}

func snapshotView(t *testing.T, w *world) {
	w.members("ada", "bob")
	w.queued("ada", "bob", 1)
	w.view(func(tx mailroom.Tx) error {
		for range 2 {
			sent, err := tx.SentBy("ada", mailroom.Filter{}, page(10))
			if err != nil {
				return err
			}
			if len(sent) != 1 {
				t.Errorf("the snapshot has %d, want 1", len(sent))
			}
			w.queued("ada", "bob", 1)
		}
		return nil
	})
}

func readOnlyView(t *testing.T, w *world) {
	for name, write := range map[string]func(tx mailroom.Tx) error{
		"SetState": func(tx mailroom.Tx) error { return tx.SetState("s", []byte("x")) },
		"Count": func(tx mailroom.Tx) error {
			return tx.Count([]domain.Count{{Cohort: "2026-W01", Dimension: domain.ByAll, Outcome: domain.OutcomeOpened, N: 1}})
		},
	} {
		if err := w.rec.View(t.Context(), write); err == nil {
			t.Errorf("%s in a View succeeds", name)
		}
	}
	nothingStored(w, "it was a View")
}

func cancelledView(t *testing.T, w *world) {
	ctx, cancel := context.WithCancel(t.Context())
	err := w.rec.View(ctx, func(tx mailroom.Tx) error {
		cancel()
		_, err := tx.State("s")
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	nothingStored(w, "it was a View")
}

func reopened(t *testing.T, w *world) {
	w.members("ada", "bob")
	id := w.sentOne("ada", "bob")
	before := w.inmail(id)
	w.rec.Close()
	if err := w.rec.Update(t.Context(), func(tx mailroom.Tx) error { return nil }); err == nil {
		t.Error("a closed record goes on")
	}
	w.reopen()
	if diff := gocmp.Diff(before, w.inmail(id)); diff != "" {
		t.Errorf("after reopening (-before +after):\n%s", diff)
	}
	w.apply(id, domain.EventOpen)
}

// odd is a text of characters that databases may refuse or change.
const odd = "Zoë 'quoted' \"double\" \\back\\ %_ ; -- /* */ $1 ?1 {} \t\r\n \u200b \u202e 👩‍👩‍👧 é \U0010ffff "

func roundTrips(t *testing.T, w *world) {
	at := func(n int) time.Time { return start.Add(time.Duration(n)*time.Hour + time.Millisecond) }
	member := &domain.Member{ID: "A.b_c:d-9", Name: odd, Headline: odd, PhotoURL: odd, Company: odd, Email: "zoe@example.com", ProfileShared: true,
		AcceptsInMail: true, AccountType: domain.SalesNavigatorTeam, Plan: "sales_navigator_team_15", AnchorDay: 31, Team: odd,
		Skills: []string{odd, ""}, MaxWeek: 7, CreatedAt: at(0)}
	plain := &domain.Member{ID: "p", ProfileVisible: true, CreatedAt: at(1)}
	w.update(func(tx mailroom.Tx) error { return tx.PutMembers([]*domain.Member{member, plain}, 1, plan(15)) })
	got := read(w, func(tx mailroom.Tx) (map[domain.MemberID]*domain.Member, error) {
		return tx.Members([]domain.MemberID{"p", member.ID, "unknown", "P"})
	})
	if diff := gocmp.Diff(map[domain.MemberID]*domain.Member{"p": plain, member.ID: member}, got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}

	full := &domain.InMail{ID: newID(), Sender: member.ID, Recipient: "p", Subject: odd, Body: strings.Repeat(odd, 100), Preview: odd, Category: odd,
		Tags: []string{"a", "b c"}, Status: domain.Queued, Seq: 1, Version: 1 << 40, AcceptedAt: at(1), AccountType: domain.Recruiter, Words: 100, Advice: []string{"no_name", "weak_subject"},
		CRM: domain.CRMIDs{crm: {"lead": odd, "account": "001000000000001AAA"}, other: {"contact_id": "7"}}}
	derived := *full // with a preview that follows from its body
	derived.ID, derived.Body, derived.Preview = newID(), "Hello, this\n\nis plain.", "Hello, this is plain."
	none := *full // without a preview, though its body has text
	none.ID, none.Body, none.Preview = newID(), "Hello", ""
	bare := &domain.InMail{ID: newID(), Sender: "p", Recipient: member.ID, Status: domain.Queued, Seq: 1, Version: 1, AcceptedAt: at(1)}
	w.update(func(tx mailroom.Tx) error { return tx.Insert([]*domain.InMail{full, bare, &derived, &none}, nil) })
	listed := map[domain.ID]*domain.InMail{}
	for _, m := range append(sentBy(w, member.ID, mailroom.Filter{}), sentBy(w, "p", mailroom.Filter{})...) {
		listed[m.ID] = m
	}
	for _, want := range []*domain.InMail{full, bare, &derived, &none} {
		if diff := gocmp.Diff(want, w.inmail(want.ID)); diff != "" {
			t.Errorf("InMail (-want +got):\n%s", diff)
		}
		listing := *want
		listing.Body = ""
		if diff := gocmp.Diff(&listing, listed[want.ID]); diff != "" {
			t.Errorf("InMail in a list (-want +got):\n%s", diff)
		}
	}

	retagged := *full // while it waits
	retagged.Version, retagged.Tags, retagged.CRM = 1<<40+1, []string{"c"}, domain.CRMIDs{crm: {"lead": "L"}}
	decided := retagged
	decided.Status, decided.Seq, decided.Version, decided.Reason, decided.Words = domain.Sent, 2, 1<<40+2, domain.Blocked, 101
	decided.SentAt, decided.ExpiresAt, decided.EndedAt, decided.Advice = at(2), at(3), at(7), []string{"no_name"}
	before := full
	for _, next := range []*domain.InMail{&retagged, &decided} {
		w.update(func(tx mailroom.Tx) error {
			return tx.Save([]mailroom.Change{{InMail: next, FromStatus: before.Status, FromVersion: before.Version, Retagged: true}})
		})
		if diff := gocmp.Diff(next, w.inmail(full.ID)); diff != "" {
			t.Errorf("saved as %s (-want +got):\n%s", next.Status, diff)
		}
		before = next
	}

	changed := decided // with every field that Save stores changed
	changed.Status, changed.Seq, changed.Version, changed.Reason, changed.Undone, changed.Replies = domain.Failed, 6, 2, "", true, 4
	changed.DeclinedAt, changed.CreditedAt, changed.Automatic = at(12), at(13), 2
	changed.SentAt, changed.ExpiresAt, changed.OpenedAt, changed.RepliedAt, changed.EndedAt = at(8), at(9), time.Time{}, at(10), at(11)
	changed.AccountType, changed.Words, changed.Advice, changed.Tags, changed.CRM = domain.Basic, 7, nil, []string{"z"}, domain.CRMIDs{other: {"l": "L"}}
	w.update(func(tx mailroom.Tx) error {
		return tx.Save([]mailroom.Change{{InMail: &changed, FromStatus: decided.Status, FromVersion: decided.Version, Retagged: true}})
	})
	if diff := gocmp.Diff(&changed, w.inmail(full.ID)); diff != "" {
		t.Errorf("saved (-want +got):\n%s", diff)
	}

	link := domain.Link{InMail: bare.ID, CRM: crm, RecordID: "a01", Match: domain.Ambiguous, Parents: domain.ForeignIDs{"lead": odd, "b": "c"},
		Notes: map[string]string{"done": odd}, PushedVersion: 1, PushedSeq: 1, Attempts: 4, Class: domain.BadData, Detail: odd, FailedAt: at(1), Dead: true}
	w.set(at(100))
	claim(w, 10)
	w.update(func(tx mailroom.Tx) error {
		return tx.StoreAnswers(crm, []domain.PushAnswer{{Link: link, Class: domain.BadData}}, []time.Time{{}})
	})
	links := read(w, func(tx mailroom.Tx) (map[domain.ID]map[domain.CRM]domain.Link, error) {
		return tx.Links([]domain.ID{bare.ID, newID()})
	})
	if diff := gocmp.Diff(map[domain.ID]map[domain.CRM]domain.Link{bare.ID: {crm: link}}, links); diff != "" {
		t.Errorf("link (-want +got):\n%s", diff)
	}
}

func emptyBatches(t *testing.T, w *world) {
	w.update(func(tx mailroom.Tx) error {
		_, members := tx.Members(nil)
		_, accounts := tx.Accounts(nil, 1, true, plan(1))
		pairs, between := tx.Pairs(nil)
		_, banned := tx.BannedAmong(nil)
		inmails, read := tx.InMails(nil)
		_, locked := tx.LockInMails(nil)
		claimed, claim := tx.ClaimQueued(nil)
		due, dueErr := tx.ExpireDue(0)
		_, inFlight := tx.InFlight(nil)
		previewed, preview := tx.SetPreviewed(nil)
		answers, first := tx.FirstAnswers(nil, keyKept)
		_, signals := tx.Signals(nil, spam.DefaultLimits())
		_, restricted := tx.Restricted(nil)
		_, links := tx.Links(nil)
		_, events := tx.EventsAt(nil)
		if len(pairs)+len(inmails)+len(claimed)+len(due)+previewed+len(answers) != 0 {
			t.Error("something came out of nothing")
		}
		return errors.Join(members, accounts, between, banned, read, locked, claim, dueErr, inFlight, preview, first, signals, restricted, links, events, tx.AppendEvents(nil),
			tx.LockMembers(nil), tx.PutMembers(nil, 1, plan(1)), tx.Spend(nil), tx.Connect(nil), tx.Disconnect(nil), tx.Block(nil), tx.Unblock(nil),
			tx.PutBans(nil), tx.Insert(nil, nil), tx.Save(nil), tx.PutAnswers(nil), tx.InsertReplies(nil), tx.Strike(nil),
			tx.AppendAudit(nil), tx.AppendLessons(nil), tx.StoreAnswers(crm, nil, nil), tx.Resync(crm, nil), tx.Resync("", nil), tx.Postpone(crm, nil, start), tx.ExtendLeases(crm, nil, leaseFor), tx.Count(nil))
	})
}

// factsAreParts checks that Facts returns what the single methods return, with and without locks.
func factsAreParts(t *testing.T, w *world) {
	w.members("ada", "bob", "cy", "dora", "eve")
	cy := domain.NewMember("cy", "Cy")
	cy.MaxWeek, cy.Company = 2, "Zebra & Söhne"
	w.update(func(tx mailroom.Tx) error { return tx.PutMembers([]*domain.Member{&cy}, 1, plan(10)) })
	w.sent("ada", "bob", 3)
	w.queued("ada", "cy", 2)
	reported := w.sentOne("cy", "bob")
	pairs := []mailroom.Pair{{From: "ada", To: "bob"}, {From: "cy", To: "bob"}, {From: "ada", To: "cy"}, {From: "dora", To: "nobody"}, {From: "ada", To: "bob"}}
	answer := mailroom.Answer{AnswerKey: mailroom.NewAnswerKey("ada", "k"), Body: []byte("{}"), At: w.Now()}
	w.update(func(tx mailroom.Tx) error {
		return errors.Join(
			tx.Connect([]mailroom.Pair{{From: "ada", To: "eve"}, {From: "bob", To: "eve"}, {From: "ada", To: "cy"}}),
			tx.Block([]mailroom.Pair{{From: "bob", To: "cy"}}),
			tx.PutBans([]domain.Ban{{Kind: domain.BanMember, Value: "bob", At: w.Now()}}),
			tx.Spend([]mailroom.CreditMove{{Member: "ada", PeriodStart: domain.PeriodStart(w.Now(), 1), Used: 3}}),
			tx.Strike([]mailroom.Strike{{Member: "ada", At: w.Now()}}),
			tx.Report(reported, "cy", "bob", "spam"),
			tx.PutRestriction("cy", "r1", spam.Restriction{Trigger: spam.VolumeDay, StartedAt: w.Now(), Until: w.Now().Add(time.Hour)}),
			tx.PutRestriction("ada", "r2", spam.Restriction{Trigger: spam.VolumeHour, StartedAt: w.Now(), Until: w.Now().Add(time.Hour)}),
			tx.UndoRestriction("r2"),
			tx.PutAnswers([]mailroom.Answer{answer}),
			tx.SetState("model", []byte("7")))
	})
	limits := spam.DefaultLimits()
	senders, recipients := []domain.MemberID{"ada", "cy", "dora"}, []domain.MemberID{"bob", "cy", "nobody"}
	keys := []mailroom.AnswerKey{mailroom.NewAnswerKey("ada", "other"), answer.AnswerKey}
	for _, all := range []bool{false, true} {
		companies := []domain.Ban{{Kind: domain.BanCompany, Value: "ZEBRA & SÖHNE", At: w.Now()}}
		for i := 0; all && i < 200; i++ { // more than are read with the facts
			companies = append(companies, domain.Ban{Kind: domain.BanCompany, Value: fmt.Sprintf("Company %d", i), At: w.Now()})
		}
		w.update(func(tx mailroom.Tx) error { return tx.PutBans(companies) })
		want := read(w, func(tx mailroom.Tx) (f mailroom.Facts, err error) {
			errs := make([]error, 10)
			f.Members, errs[0] = tx.Members(slices.Concat(senders, recipients))
			f.Accounts, errs[1] = tx.Accounts(senders, 1, all, plan(10))
			inFlight, err := tx.InFlight(senders)
			for id, n := range inFlight {
				a := f.Accounts[id]
				a.InFlight = n
				f.Accounts[id] = a
			}
			f.Restricted, errs[2] = tx.Restricted(senders)
			var found []*domain.Member
			for _, id := range recipients {
				if m := f.Members[id]; m != nil {
					found = append(found, m)
				}
			}
			f.Banned, errs[3] = tx.BannedAmong(found)
			f.Between, errs[4] = tx.Pairs(pairs)
			f.Signals, errs[5] = tx.Signals(senders, limits)
			f.Common, errs[6] = tx.CommonConnections(pairs)
			f.Answers, errs[7] = tx.FirstAnswers(keys, keyKept)
			f.State, errs[8] = tx.State("model")
			f.Received, errs[9] = tx.Received(map[domain.MemberID]int{"bob": 3, "cy": 2})
			return f, errors.Join(append(errs, err)...)
		})
		if len(want.Members) != 4 || want.Accounts["ada"].InFlight != 2 || !want.Banned["bob"] || !want.Banned["cy"] || want.Signals["cy"].Deliveries != 1 || len(want.Common[0]) != 1 {
			t.Fatalf("the world is not what the test takes it for: %+v", want)
		}
		ask := mailroom.Ask{Pairs: pairs, AnchorDay: 1, AllPeriods: all, Allowance: plan(10), Signals: &limits, Common: true, Keys: keys, KeepKeys: keyKept, RecipientWeek: 3, State: "model"}
		got := read(w, func(tx mailroom.Tx) (mailroom.Facts, error) { return tx.Facts(ask) })
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("together (-parts +facts):\n%s", diff)
		}
		ask.Lock = true
		w.update(func(tx mailroom.Tx) (err error) { got, err = tx.Facts(ask); return err })
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("together and locked (-parts +facts):\n%s", diff)
		}
	}
	none := read(w, func(tx mailroom.Tx) (mailroom.Facts, error) {
		return tx.Facts(mailroom.Ask{Pairs: pairs[:1], AnchorDay: 1, Allowance: plan(10)})
	})
	if none.Signals != nil || none.Common != nil || len(none.Answers) != 0 || none.State != nil || len(none.Members) != 2 {
		t.Errorf("what was not asked for came too: %+v", none)
	}
}

func orderKept(t *testing.T, w *world) {
	w.members("ada", "bob", "cy")
	w.update(func(tx mailroom.Tx) error {
		return errors.Join(tx.Connect([]mailroom.Pair{{From: "ada", To: "cy"}}), tx.Block([]mailroom.Pair{{From: "bob", To: "cy"}}))
	})
	got := read(w, func(tx mailroom.Tx) ([]mailroom.Between, error) {
		return tx.Pairs([]mailroom.Pair{{From: "cy", To: "bob"}, {From: "ada", To: "bob"}, {From: "ada", To: "cy"}, {From: "ada", To: "cy"}})
	})
	want := []mailroom.Between{{Blocked: true}, {}, {Connected: true}, {Connected: true}}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("pairs (-want +got):\n%s", diff)
	}
	ids := idsOf(w.queued("ada", "bob", 5))
	ids[1], ids[3] = ids[3], ids[1]
	w.update(func(tx mailroom.Tx) error {
		claimed, err := tx.ClaimQueued([]domain.ID{ids[0], ids[1], newID(), ids[2], ids[0], ids[3], ids[4]})
		if diff := gocmp.Diff(ids, idsOf(claimed)); diff != "" {
			t.Errorf("claimed (-want +got):\n%s", diff)
		}
		return err
	})
}

func largeBatch(t *testing.T, w *world) {
	w.members("ada", "bob")
	ms := w.queued("ada", "bob", 5000)
	w.update(func(tx mailroom.Tx) error {
		claimed, err := tx.ClaimQueued(idsOf(ms))
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
		}
		if len(changes) != len(ms) {
			t.Errorf("claimed %d of %d", len(changes), len(ms))
		}
		return tx.Save(changes)
	})
	if n := unread(w, "bob"); n != len(ms) {
		t.Errorf("unread %d, want %d", n, len(ms))
	}
}

func garbageIDs(t *testing.T, w *world) {
	w.members("ada", "bob")
	real := w.queued("ada", "bob", 1)[0].ID
	for _, id := range []domain.ID{"", "x", "'; DROP TABLE inmails; --", domain.ID(strings.ToUpper(string(real))), "{" + real + "}", real[:35], real + "0",
		domain.ID(strings.ReplaceAll(string(real), "-", "")), "g" + real[1:], "-" + real[1:], "00000000-0000-0000-0000-00000000000\x01"} {
		w.update(func(tx mailroom.Tx) error {
			found, err := tx.InMails([]domain.ID{id, real})
			if len(found) != 1 || found[real] == nil {
				t.Errorf("id %q: found %d", id, len(found))
			}
			receipts, err2 := tx.Receipts(id)
			replies, err3 := tx.Replies(id, page(1))
			n, err4 := tx.SetPreviewed([]domain.ID{id})
			links, err5 := tx.Links([]domain.ID{id})
			dead, err6 := 0, error(nil)
			if id != "" {
				dead, err6 = tx.RetryDead(crm, id, "")
			}
			if len(receipts)+len(replies)+n+len(links)+dead != 0 {
				t.Errorf("id %q finds something", id)
			}
			_, err7 := tx.SentBy("ada", mailroom.Filter{}, mailroom.Page{Limit: 1, After: mailroom.Cursor{At: start, ID: string(id)}})
			return errors.Join(err, err2, err3, err4, err5, err6, err7)
		})
	}
}

func erasedIsRefused(t *testing.T, w *world) {
	m := domain.NewMember(domain.Erased, "Nobody")
	err := w.rec.Update(t.Context(), func(tx mailroom.Tx) error { return tx.PutMembers([]*domain.Member{&m}, 1, plan(1)) })
	if !errors.Is(err, domain.BadRequest) {
		t.Errorf("error %v, want bad_request", err)
	}
}

func lastMemberCounts(t *testing.T, w *world) {
	first, last := domain.NewMember("ada", "First"), domain.NewMember("ada", "Last")
	w.update(func(tx mailroom.Tx) error { return tx.PutMembers([]*domain.Member{&first, &last}, 1, plan(1)) })
	w.advance(time.Hour)
	last.CreatedAt = w.Now()
	w.update(func(tx mailroom.Tx) error { return tx.PutMembers([]*domain.Member{&last}, 1, plan(1)) })
	got := read(w, func(tx mailroom.Tx) (map[domain.MemberID]*domain.Member, error) {
		return tx.Members([]domain.MemberID{"ada"})
	})["ada"]
	if got.Name != "Last" || !got.CreatedAt.Equal(start) {
		t.Errorf("name %q, made %v; want Last, made %v", got.Name, got.CreatedAt, start)
	}
}

// list is a list that the use cases read page by page.
type list struct {
	name string
	page func(tx mailroom.Tx, p mailroom.Page) ([]mailroom.Cursor, error) // the cursors of the rows of a page
	grow func(w *world, n int)                                            // adds n rows in the current millisecond
	up   bool                                                             // it is sorted oldest first
}

func lists() []list {
	var conversation domain.ID
	return []list{
		{name: "sent", grow: func(w *world, n int) { w.sent("ada", "bob", n) },
			page: func(tx mailroom.Tx, p mailroom.Page) (places []mailroom.Cursor, err error) {
				ms, err := tx.SentBy("ada", mailroom.Filter{}, p)
				for _, m := range ms {
					places = append(places, mailroom.Cursor{At: m.AcceptedAt, ID: string(m.ID)})
				}
				return places, err
			}},
		{name: "inbox", grow: func(w *world, n int) {
			ms := w.sent("cy", "dan", (n+1)/2)
			w.update(func(tx mailroom.Tx) error {
				for range n / 2 {
					err := tx.InsertReplies([]*domain.Reply{{ID: newID(), InMail: ms[0].ID, From: "cy", To: "dan", At: tx.Now()}})
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
			page: func(tx mailroom.Tx, p mailroom.Page) (places []mailroom.Cursor, err error) {
				es, err := tx.InboxOf("dan", mailroom.Filter{}, p)
				for _, e := range es {
					if e.Reply != nil {
						places = append(places, mailroom.Cursor{At: e.Reply.At, ID: string(e.Reply.ID)})
						continue
					}
					places = append(places, mailroom.Cursor{At: e.InMail.SentAt, ID: string(e.InMail.ID)})
				}
				return places, err
			}},
		{name: "conversation", up: true, grow: func(w *world, n int) {
			if conversation == "" {
				conversation = newID()
			}
			w.update(func(tx mailroom.Tx) error {
				for range n {
					if err := tx.InsertReplies([]*domain.Reply{{ID: newID(), InMail: conversation, From: "x", To: "y", At: tx.Now()}}); err != nil {
						return err
					}
				}
				return nil
			})
		},
			page: func(tx mailroom.Tx, p mailroom.Page) (places []mailroom.Cursor, err error) {
				rs, err := tx.Replies(conversation, p)
				for _, r := range rs {
					places = append(places, mailroom.Cursor{At: r.At, ID: string(r.ID)})
				}
				return places, err
			}},
		{name: "audit", grow: func(w *world, n int) {
			w.update(func(tx mailroom.Tx) error {
				var es []mailroom.AuditEntry
				for range n {
					es = append(es, mailroom.AuditEntry{ID: string(newID()), At: tx.Now(), Kind: "send"})
				}
				return tx.AppendAudit(es)
			})
		},
			page: func(tx mailroom.Tx, p mailroom.Page) (places []mailroom.Cursor, err error) {
				es, err := tx.Audit(mailroom.AuditFilter{}, p)
				for _, e := range es {
					places = append(places, mailroom.Cursor{At: e.At, ID: e.ID})
				}
				return places, err
			}},
		{name: "bans", grow: func(w *world, n int) {
			w.update(func(tx mailroom.Tx) error {
				var bans []domain.Ban
				for range n {
					bans = append(bans, domain.Ban{Kind: domain.BanMember, Value: string(newID()), At: tx.Now()})
				}
				return tx.PutBans(bans)
			})
		},
			page: func(tx mailroom.Tx, p mailroom.Page) (places []mailroom.Cursor, err error) {
				bans, err := tx.Bans(p)
				for _, b := range bans {
					places = append(places, mailroom.Cursor{At: b.At, ID: string(b.Kind) + ":" + b.Value})
				}
				return places, err
			}},
		{name: "keys", grow: func(w *world, n int) {
			w.update(func(tx mailroom.Tx) error {
				for range n {
					id := newID()
					k := mailroom.Key{ID: string(id), Role: mailroom.RoleOperator, CreatedAt: tx.Now()}
					copy(k.Hash[:], id)
					if err := tx.PutKey(k); err != nil {
						return err
					}
				}
				return nil
			})
		},
			page: func(tx mailroom.Tx, p mailroom.Page) (places []mailroom.Cursor, err error) {
				ks, err := tx.ListKeys(p)
				for _, k := range ks {
					places = append(places, mailroom.Cursor{At: k.CreatedAt, ID: k.ID})
				}
				return places, err
			}},
		{name: "failures", grow: func(w *world, n int) {
			w.queued("eve", "fay", n)
			for len(claim(w, 100)) > 0 {
			}
			w.update(func(tx mailroom.Tx) error {
				sent, err := tx.SentBy("eve", mailroom.Filter{}, page(200))
				if err != nil {
					return err
				}
				links, err := tx.Links(idsOf(sent))
				if err != nil {
					return err
				}
				var answers []domain.PushAnswer
				for _, byCRM := range links {
					l := byCRM[crm]
					if l.FailedAt.IsZero() {
						l.FailedAt, l.Class, l.Dead = tx.Now(), domain.BadData, true
						answers = append(answers, domain.PushAnswer{Link: l, Class: l.Class})
					}
				}
				return tx.StoreAnswers(crm, answers, make([]time.Time, len(answers)))
			})
		},
			page: func(tx mailroom.Tx, p mailroom.Page) (places []mailroom.Cursor, err error) {
				ls, err := tx.Failures(crm, p)
				for _, l := range ls {
					places = append(places, mailroom.Cursor{At: l.FailedAt, ID: string(l.InMail)})
				}
				return places, err
			}},
	}
}

// pages reads a list to its end in pages of size; between is called after each page.
func (l list) pages(w *world, size int, between func(i int)) (places []mailroom.Cursor) {
	w.t.Helper()
	var after mailroom.Cursor
	for i := 0; ; i++ {
		some := read(w, func(tx mailroom.Tx) ([]mailroom.Cursor, error) {
			return l.page(tx, mailroom.Page{Limit: size, After: after})
		})
		if len(some) == 0 {
			return places
		}
		if len(some) > size {
			w.t.Errorf("%s: a page of %d has %d", l.name, size, len(some))
		}
		places = append(places, some...)
		after = some[len(some)-1]
		between(i)
	}
}

func (l list) sorted(w *world, places []mailroom.Cursor) {
	w.t.Helper()
	for i := 1; i < len(places); i++ {
		order := cmp.Or(places[i].At.Compare(places[i-1].At), cmp.Compare(places[i].ID, places[i-1].ID))
		if l.up && order <= 0 || !l.up && order >= 0 {
			w.t.Errorf("%s: out of order, or twice, at %d: %v, %v", l.name, i, places[i-1], places[i])
		}
	}
}

func growingLists(t *testing.T, w *world) {
	for _, l := range lists() {
		const n = 23
		for range n {
			l.grow(w, 1)
			w.advance(time.Millisecond)
		}
		before := l.pages(w, 200, func(int) {})
		places := l.pages(w, 5, func(i int) {
			if i < 3 { // rows are added while the list is read
				l.grow(w, 2)
				w.advance(time.Millisecond)
			}
		})
		l.sorted(w, places)
		listed := map[mailroom.Cursor]int{}
		for _, p := range places {
			listed[p]++
		}
		for _, p := range before {
			if listed[p] != 1 {
				t.Errorf("%s: a row that existed at the beginning was listed %d times", l.name, listed[p])
			}
		}
		if len(before) != n {
			t.Errorf("%s: %d listed, want %d", l.name, len(before), n)
		}
	}
}

func equalTimes(t *testing.T, w *world) {
	for _, l := range lists() {
		l.grow(w, 12)
		w.advance(time.Millisecond)
		l.grow(w, 12)
		for _, size := range []int{1, 5, 24} {
			places := l.pages(w, size, func(int) {})
			l.sorted(w, places)
			if len(places) != 24 {
				t.Errorf("%s by %d: %d listed, want 24", l.name, size, len(places))
			}
		}
	}
}

func statusFilter(t *testing.T, w *world) {
	w.members("ada", "bob")
	ids := map[domain.Status]domain.ID{}
	for status, events := range map[domain.Status][]domain.Event{
		domain.Queued: {}, domain.Refused: {domain.EventRefuse}, domain.Failed: {domain.EventFail}, domain.Sent: {domain.EventDeliver},
		domain.Opened: {domain.EventDeliver, domain.EventOpen}, domain.Replied: {domain.EventDeliver, domain.EventReply},
		domain.Retracted: {domain.EventDeliver, domain.EventRetract},
	} {
		id := w.queued("ada", "bob", 1)[0].ID
		for _, e := range events {
			w.apply(id, e)
		}
		ids[status] = id
	}
	for _, status := range domain.Statuses() {
		var want []domain.ID
		if id, ok := ids[status]; ok {
			want = []domain.ID{id}
		}
		if diff := gocmp.Diff(want, idsOf(sentBy(w, "ada", mailroom.Filter{Status: status})), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("sent, %s (-want +got):\n%s", status, diff)
		}
		if status != domain.Sent && status != domain.Opened && status != domain.Replied {
			want = nil
		}
		var listed []domain.ID
		for _, e := range inbox(w, "bob", mailroom.Filter{Status: status}) {
			listed = append(listed, e.InMail.ID)
		}
		if diff := gocmp.Diff(want, listed, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("inbox, %s (-want +got):\n%s", status, diff)
		}
	}
	if got := sentBy(w, "ada", mailroom.Filter{Status: "no such"}); len(got) != 0 {
		t.Errorf("an unknown status lists %d", len(got))
	}
}

func expiresBefore(t *testing.T, w *world) {
	w.members("ada", "bob")
	first := w.sentOne("ada", "bob")
	w.advance(time.Hour)
	w.sentOne("ada", "bob")
	w.queued("ada", "bob", 1)
	got := idsOf(sentBy(w, "ada", mailroom.Filter{ExpiresBefore: start.Add(domain.Window + time.Millisecond)}))
	if diff := gocmp.Diff([]domain.ID{first}, got); diff != "" {
		t.Errorf("expires before (-want +got):\n%s", diff)
	}
	if got := sentBy(w, "ada", mailroom.Filter{ExpiresBefore: start.Add(domain.Window)}); len(got) != 0 {
		t.Errorf("the bound itself is not before: %d", len(got))
	}
}

func keys(t *testing.T, w *world) {
	operator := mailroom.Key{ID: "k1", Hash: [32]byte{1}, Role: mailroom.RoleOperator, CreatedAt: start}
	member := mailroom.Key{ID: "k2", Hash: [32]byte{2}, Role: mailroom.RoleMember, Member: "ada", CreatedAt: start.Add(time.Second),
		Name: "laptop", ExpiresAt: start.Add(time.Hour), ReadOnly: true, CreatedBy: "k1", LastUsedAt: start.Add(time.Minute)}
	w.update(func(tx mailroom.Tx) error { return errors.Join(tx.PutKey(operator), tx.PutKey(member)) })
	byHash := func(hash byte) *mailroom.Key {
		return read(w, func(tx mailroom.Tx) (*mailroom.Key, error) { return tx.KeyByHash([32]byte{hash}) })
	}
	if diff := gocmp.Diff([]*mailroom.Key{&operator, &member, nil}, []*mailroom.Key{byHash(1), byHash(2), byHash(3)}); diff != "" {
		t.Errorf("by hash (-want +got):\n%s", diff)
	}
	listed := read(w, func(tx mailroom.Tx) ([]mailroom.Key, error) { return tx.ListKeys(page(10)) })
	if diff := gocmp.Diff([]mailroom.Key{member, operator}, listed); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	w.update(func(tx mailroom.Tx) error {
		for _, at := range []time.Duration{2 * time.Minute, time.Minute} { // never back
			if err := tx.UseKey("k2", start.Add(at)); err != nil {
				return err
			}
		}
		return tx.UseKey("k9", start)
	})
	if got := byHash(2).LastUsedAt; !got.Equal(start.Add(2 * time.Minute)) {
		t.Errorf("last used at %s", got)
	}
	reader := mailroom.Key{ID: "k3", Hash: [32]byte{3}, Role: mailroom.RoleOperator, CreatedAt: start, ReadOnly: true}
	ended := mailroom.Key{ID: "k4", Hash: [32]byte{4}, Role: mailroom.RoleOperator, CreatedAt: start, ExpiresAt: start}
	w.update(func(tx mailroom.Tx) error {
		err := errors.Join(tx.PutKey(reader), tx.PutKey(ended))
		operators, lockErr := tx.LockOperatorKeys()
		if diff := gocmp.Diff([]string{"k1"}, operators); diff != "" {
			t.Errorf("operator keys that may change something (-want +got):\n%s", diff)
		}
		for _, id := range []string{"k3", "k4"} {
			_, deleteErr := tx.DeleteKey(id)
			err = errors.Join(err, deleteErr)
		}
		return errors.Join(err, lockErr)
	})
	for _, want := range []bool{true, false} {
		w.update(func(tx mailroom.Tx) error {
			was, err := tx.DeleteKey("k1")
			if was != want {
				t.Errorf("deleted %v, want %v", was, want)
			}
			return err
		})
	}
	if byHash(1) != nil {
		t.Error("a deleted key is found")
	}
	operator.Hash = [32]byte{4} // the operator's key in the settings changes, its id does not
	w.update(func(tx mailroom.Tx) error { return tx.PutKey(operator) })
	operator.Hash = [32]byte{5}
	w.update(func(tx mailroom.Tx) error { return tx.PutKey(operator) })
	if byHash(4) != nil || byHash(5) == nil {
		t.Error("a key is replaced by its id")
	}
}

func states(t *testing.T, w *world) {
	get := func(name string) []byte {
		return read(w, func(tx mailroom.Tx) ([]byte, error) { return tx.State(name) })
	}
	set := func(name string, value []byte) {
		w.update(func(tx mailroom.Tx) error { return tx.SetState(name, value) })
	}
	set("a", []byte{0, 255})
	set("b", []byte{})
	if got := get("a"); !slices.Equal(got, []byte{0, 255}) {
		t.Errorf("a is %v", got)
	}
	if got := get("c"); got != nil {
		t.Errorf("c is %v, want nil", got)
	}
	set("a", []byte("new"))
	if got := get("a"); string(got) != "new" {
		t.Errorf("a is %q", got)
	}
	set("a", nil)
	if got := get("a"); got != nil {
		t.Errorf("a is %v after it was removed", got)
	}
}

func snapshots(t *testing.T, w *world) {
	last := func() (blob []byte, at time.Time) {
		w.view(func(tx mailroom.Tx) (err error) {
			blob, at, err = tx.Snapshot()
			return err
		})
		return blob, at
	}
	if blob, at := last(); blob != nil || !at.IsZero() {
		t.Errorf("before the first: %v, %v", blob, at)
	}
	for _, blob := range []string{"one", "two"} {
		w.advance(time.Second)
		w.update(func(tx mailroom.Tx) error { return tx.PutSnapshot([]byte(blob)) })
	}
	if blob, at := last(); string(blob) != "two" || !at.Equal(start.Add(2*time.Second)) {
		t.Errorf("the last is %q of %v", blob, at)
	}
	learnt := func() []byte { return read(w, func(tx mailroom.Tx) ([]byte, error) { return tx.Model() }) }
	if learnt() != nil {
		t.Error("learnt before it was taught")
	}
	large := []byte(strings.Repeat("\x00\xff", 1<<20))
	w.update(func(tx mailroom.Tx) error { return errors.Join(tx.PutModel([]byte("x")), tx.PutModel(large)) })
	if !slices.Equal(learnt(), large) {
		t.Error("the filter came back different")
	}
}

func lessons(t *testing.T, w *world) {
	var want []mailroom.Lesson
	for i := range 30 {
		l := mailroom.Lesson{InMail: newID(), Spam: i%2 == 0}
		want = append(want, l)
		w.update(func(tx mailroom.Tx) error { return tx.AppendLessons([]mailroom.Lesson{l, l}) })
		w.advance(time.Millisecond)
	}
	taken := make([][]mailroom.Lesson, 3)
	errs := race(len(taken), func(i int) error {
		for {
			var some []mailroom.Lesson
			err := w.rec.Update(t.Context(), func(tx mailroom.Tx) (err error) {
				some, err = tx.TakeLessons(4)
				return err
			})
			if err != nil || len(some) == 0 {
				return err
			}
			taken[i] = append(taken[i], some...)
		}
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	w.update(func(tx mailroom.Tx) error { // lessons that a taker skipped because another had locked them
		rest, err := tx.TakeLessons(100)
		taken = append(taken, rest)
		return err
	})
	less := cmpopts.SortSlices(func(a, b mailroom.Lesson) bool { return a.InMail < b.InMail })
	if diff := gocmp.Diff(want, slices.Concat(taken...), less); diff != "" {
		t.Errorf("taken (-want +got):\n%s", diff)
	}
}

func dropTexts(t *testing.T, w *world) {
	w.members("ada", "bob")
	old := w.sent("ada", "bob", 7)
	refused := w.queued("ada", "bob", 1)[0]
	w.apply(refused.ID, domain.EventRefuse)
	w.update(func(tx mailroom.Tx) error {
		return tx.InsertReplies([]*domain.Reply{{ID: newID(), InMail: old[0].ID, From: "bob", To: "ada", Body: "old", At: tx.Now()}})
	})
	w.advance(48 * time.Hour)
	w.update(func(tx mailroom.Tx) error {
		return tx.InsertReplies([]*domain.Reply{{ID: newID(), InMail: old[0].ID, From: "ada", To: "bob", Body: "young", At: tx.Now()}})
	})
	young := w.sentOne("ada", "bob")
	before := w.inmail(old[0].ID)
	drop := func(age time.Duration) (n int) {
		for {
			some := 0
			w.update(func(tx mailroom.Tx) (err error) {
				some, err = tx.DropTexts(tx.Now().Add(-age), 3)
				return err
			})
			if n += some; some == 0 {
				return n
			}
		}
	}
	for _, p := range claim(w, 20) {
		store(w, time.Time{}, taken(p))
	}
	if n := drop(48 * time.Hour); n != 0 {
		t.Errorf("dropped %d at the bound itself", n)
	}
	if n := drop(24 * time.Hour); n != 9 {
		t.Errorf("dropped %d, want 8 InMails and a reply", n)
	}
	if n := drop(24 * time.Hour); n != 0 {
		t.Errorf("dropped %d again", n)
	}
	due := claim(w, 20)
	for _, p := range due {
		if p.InMail.Body != "" || p.InMail.ID == young || p.Link.RecordID == "" {
			t.Errorf("due in the CRM: %+v", p)
		}
	}
	if len(due) != 8 {
		t.Errorf("%d are due in the CRM, want the 8 whose texts were dropped", len(due))
	}
	want := *before
	want.Subject, want.Body, want.Preview = "", "", ""
	want.Version++ // so that the texts leave every CRM (F19)
	if diff := gocmp.Diff(&want, w.inmail(old[0].ID)); diff != "" {
		t.Errorf("an old one (-want +got):\n%s", diff)
	}
	if m := w.inmail(refused.ID); m.Body+m.Subject != "" {
		t.Errorf("an old refused one keeps %q", m.Body)
	}
	if m := w.inmail(young); m.Body == "" {
		t.Error("a young one lost its body")
	}
	rs := read(w, func(tx mailroom.Tx) ([]*domain.Reply, error) { return tx.Replies(old[0].ID, page(10)) })
	if len(rs) != 2 || rs[0].Body != "" || rs[1].Body != "young" {
		t.Errorf("replies %+v", rs)
	}
	w.advance(72 * time.Hour)
	if n := drop(24 * time.Hour); n != 2 || w.inmail(young).Body != "" {
		t.Errorf("later: dropped %d, want 2", n)
	}
}

func scrubbed(t *testing.T, w *world) {
	w.members("ada", "bob")
	ids := idsOf(w.sent("ada", "bob", 50))
	before := w.inmail(ids[7])
	if err := w.rec.Scrub(t.Context()); err != nil {
		t.Fatalf("scrub: %v", err)
	}
	if diff := gocmp.Diff(before, w.inmail(ids[7])); diff != "" {
		t.Errorf("after scrubbing (-before +after):\n%s", diff)
	}
	w.apply(ids[7], domain.EventOpen)
	errs := race(4, func(i int) error { // at the same time others read and write
		if i == 0 {
			return w.rec.Scrub(t.Context())
		}
		for n := range 10 {
			if err := w.try(ids[10*i+n], domain.EventOpen); err != nil {
				return fmt.Errorf("open: %w", err)
			}
			if err := w.rec.View(t.Context(), func(tx mailroom.Tx) error { _, err := tx.Unread("bob"); return err }); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

// dropTextsWaits checks that retention does not pass by an InMail that waits for its delivery longer than
// those after it.
func dropTextsWaits(t *testing.T, w *world) {
	w.members("ada", "bob")
	drop := func() (n int) {
		w.update(func(tx mailroom.Tx) (err error) {
			n, err = tx.DropTexts(tx.Now().Add(-24*time.Hour), 10)
			return err
		})
		return n
	}
	first := w.sentOne("ada", "bob")
	late := w.queued("ada", "bob", 1)[0].ID
	w.sent("ada", "bob", 3)
	w.advance(48 * time.Hour)
	if n := drop(); n != 1 || w.inmail(first).Body != "" {
		t.Errorf("dropped %d, want the one before that waits", n)
	}
	w.apply(late, domain.EventDeliver)
	if n := drop(); n != 0 || w.inmail(late).Body == "" {
		t.Errorf("dropped %d, want none: the next by its id has just been sent", n)
	}
	w.advance(48 * time.Hour)
	if n := drop(); n != 4 || w.inmail(late).Body != "" {
		t.Errorf("dropped %d, want the four that are left", n)
	}
}

// decidedWhileRead delivers InMails while others read, lock, tag and list them: each is there every time,
// once, and what a lock was held for is not lost (R29, R38).
func decidedWhileRead(t *testing.T, w *world) {
	w.members("ada", "bob")
	ids := idsOf(w.queued("ada", "bob", 24))
	tagged := map[domain.ID]bool{}
	errs := race(4, func(i int) error {
		for k, id := range ids {
			err := w.rec.Update(t.Context(), func(tx mailroom.Tx) error {
				switch i {
				case 0:
					claimed, err := tx.ClaimQueued([]domain.ID{id})
					if err != nil || len(claimed) == 0 {
						return err // the tagger has it; it is delivered below
					}
					return move(tx, claimed[0], domain.EventDeliver)
				case 1:
					found, err := tx.LockInMails([]domain.ID{id})
					if err != nil || found[id] == nil {
						return errors.Join(err, fmt.Errorf("InMail %d is locked by nobody and not found", k))
					}
					c := mailroom.Change{InMail: found[id], FromStatus: found[id].Status, FromVersion: found[id].Version, Retagged: true}
					c.InMail.Tags, c.InMail.Version = []string{"kept"}, c.InMail.Version+1
					return tx.Save([]mailroom.Change{c})
				case 2:
					found, err := tx.InMails(ids)
					if len(found) != len(ids) {
						err = errors.Join(err, fmt.Errorf("%d of %d InMails are found", len(found), len(ids)))
					}
					return err
				}
				sent, err := tx.SentBy("ada", mailroom.Filter{}, page(200))
				if len(sent) != len(ids) {
					err = errors.Join(err, fmt.Errorf("%d of %d InMails are listed", len(sent), len(ids)))
				}
				return err
			})
			if err != nil {
				return err
			}
			if i == 1 {
				tagged[id] = true
			}
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	w.update(func(tx mailroom.Tx) error {
		rest, err := tx.ClaimQueued(ids)
		for _, m := range rest {
			err = errors.Join(err, move(tx, m, domain.EventDeliver))
		}
		return err
	})
	if sent := sentBy(w, "ada", mailroom.Filter{Status: domain.Sent, Tag: "kept"}); len(sent) != len(ids) || len(tagged) != len(ids) {
		t.Errorf("%d are sent with the tag that %d got, want %d", len(sent), len(tagged), len(ids))
	}
	if got := sum(w, domain.ByAll)["/"+string(domain.PendingUnopened)]; got != len(ids) {
		t.Errorf("counted %d, want %d", got, len(ids))
	}
}
