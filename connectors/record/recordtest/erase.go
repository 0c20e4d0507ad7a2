package recordtest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/spam"
)

// Marks are texts and ids that a test stores in every table, to search for them after an erasure.
type Marks struct {
	Member domain.MemberID
	Texts  []string // prefixes of the stored texts
}

// Populate fills every table of a record with data of one member and of others around it. It returns what
// must be found nowhere after the member is erased.
func Populate(t *testing.T, rec Record, now time.Time) Marks {
	w := &world{t: t, rec: rec, clock: &clock{now: now}}
	return w.populate()
}

// Erase erases a member in steps until nothing is left, and returns the InMails that changed.
func Erase(t *testing.T, rec Record, id domain.MemberID) (touched []domain.ID) {
	w := &world{t: t, rec: rec}
	for done := false; !done; {
		w.update(func(tx mailroom.Tx) (err error) {
			var some []domain.ID
			some, done, err = tx.EraseMember(id, 10)
			touched = append(touched, some...)
			return err
		})
	}
	return touched
}

func (w *world) populate() Marks {
	marks := Marks{Member: "zq-mark-id", Texts: []string{"zq-mark-name", "zq-mark-text", "zq-mark-key"}}
	mark := marks.Member
	w.members("ada", "bob", "cy")
	w.update(func(tx mailroom.Tx) error {
		m := domain.Member{ID: mark, Name: "zq-mark-name", Headline: "zq-mark-text headline", PhotoURL: "https://x/zq-mark-text",
			Company: "zq-mark-text company", Email: "zq-mark-name@example.com", AccountType: domain.Recruiter, Plan: "recruiter_25",
			Team: "zq-mark-text team", Skills: []string{"zq-mark-text skill"}, AcceptsInMail: true}
		if err := tx.PutMembers([]*domain.Member{&m}, 1, plan(25)); err != nil {
			return err
		}
		for _, do := range []func() error{
			func() error { return tx.Connect([]mailroom.Pair{{From: mark, To: "cy"}, {From: "bob", To: mark}}) },
			func() error { return tx.Block([]mailroom.Pair{{From: mark, To: "bob"}, {From: "bob", To: mark}}) },
			func() error {
				return tx.PutBans([]domain.Ban{{Kind: domain.BanMember, Value: string(mark), Reason: "zq-mark-text reason", At: tx.Now()}})
			},
			func() error {
				return tx.Spend([]mailroom.CreditMove{{Member: mark, PeriodStart: domain.PeriodStart(tx.Now(), 1), Used: 3}})
			},
			func() error {
				return tx.PutKey(mailroom.Key{ID: "k1", Hash: [32]byte{7}, Role: mailroom.RoleMember, Member: mark})
			},
			func() error {
				return tx.PutSession(mailroom.SessionRow{Hash: [32]byte{8}, KeyHash: [32]byte{7}, Member: mark, EndsAt: tx.Now().Add(time.Hour)})
			},
			func() error {
				return tx.PutAnswers([]mailroom.Answer{{AnswerKey: mailroom.AnswerKey{Sender: mark, Key: mailroom.Digest([]byte("zq-mark-key-16-b"))}, Body: []byte("zq-mark-text")}})
			},
			func() error { return tx.Strike([]mailroom.Strike{{Member: mark, At: tx.Now()}}) },
			func() error {
				return tx.PutRestriction(mark, string(newID()), spam.Restriction{Trigger: "strikes", StartedAt: tx.Now(), Until: tx.Now().Add(time.Hour)})
			},
			func() error {
				return tx.AppendAudit([]mailroom.AuditEntry{
					{ID: string(newID()), At: tx.Now(), Kind: "send", Sender: mark, Recipient: "bob", Detail: []byte("zq-mark-text")},
					{ID: string(newID()), At: tx.Now(), Kind: "send", Sender: "bob", Recipient: mark, Refusals: []domain.Code{domain.Blocked}}})
			},
			func() error { return tx.PutSnapshot([]byte(`{"by_sender":{"zq-mark-id":1}}`)) },
		} {
			if err := do(); err != nil {
				return err
			}
		}
		return nil
	})
	w.converse(mark, "bob")
	w.converse("ada", mark)
	w.update(func(tx mailroom.Tx) error { _, err := tx.ClaimUnsynced(crm, 5, time.Minute); return err })
	return marks
}

// converse stores InMails from one member to another in every state, with replies and reports.
func (w *world) converse(from, to domain.MemberID) {
	for round := range 12 {
		m, receipt := domain.New(domain.InMail{ID: newID(), Sender: from, Recipient: to, Subject: "zq-mark-text subject",
			Body: "zq-mark-text body", Preview: "zq-mark-text preview", AccountType: domain.Recruiter, Tags: []string{"hot"}}, w.Now())
		w.update(func(tx mailroom.Tx) error { return tx.Insert([]*domain.InMail{m}, []domain.Receipt{receipt}) })
		events := [][]domain.Event{{}, {domain.EventDeliver}, {domain.EventDeliver, domain.EventOpen}, {domain.EventDeliver, domain.EventReply},
			{domain.EventDeliver, domain.EventRetract}, {domain.EventRefuse}}[round%6]
		if round == 10 {
			events = []domain.Event{domain.EventDeliver, domain.EventDecline}
		}
		for _, e := range events {
			w.apply(m.ID, e)
		}
		if round%6 != 3 {
			continue
		}
		w.update(func(tx mailroom.Tx) error {
			if err := tx.Report(m.ID, from, to, "zq-mark-text report"); err != nil {
				return err
			}
			return tx.InsertReplies([]*domain.Reply{
				{ID: newID(), InMail: m.ID, From: to, To: from, Body: "zq-mark-text reply", At: tx.Now()},
				{ID: newID(), InMail: m.ID, From: from, To: to, Body: "zq-mark-text again", At: tx.Now()}})
		})
	}
}

func erased(t *testing.T, w *world) {
	marks := w.populate()
	id := marks.Member
	sentBefore, inboxBefore := len(sentBy(w, id, mailroom.Filter{})), len(inbox(w, "bob", mailroom.Filter{}))
	touched := Erase(t, w.rec, id)
	if len(touched) != 24 {
		t.Errorf("touched %d InMails, want 24", len(touched))
	}
	one := []domain.MemberID{id}
	if got := read(w, func(tx mailroom.Tx) (map[domain.MemberID]*domain.Member, error) { return tx.Members(one) }); len(got) != 0 {
		t.Error("still a member")
	}
	if got := read(w, func(tx mailroom.Tx) (*mailroom.Key, error) { return tx.KeyByHash([32]byte{7}) }); got != nil {
		t.Error("its key is alive")
	}
	if got := read(w, func(tx mailroom.Tx) (map[domain.MemberID]domain.Account, error) {
		return tx.Accounts(one, 1, true, plan(1))
	}); len(got) != 0 {
		t.Error("it has an account")
	}
	if b := between(w, "bob", id); b != (mailroom.Between{}) {
		t.Errorf("something stands between: %+v", b)
	}
	if got := read(w, func(tx mailroom.Tx) ([]domain.Ban, error) { return tx.Bans(page(10)) }); len(got) != 0 {
		t.Errorf("bans: %v", got)
	}
	if got := read(w, func(tx mailroom.Tx) (map[domain.MemberID]spam.Signals, error) {
		return tx.Signals(one, spam.DefaultLimits())
	}); !cmp.Equal(got[id], spam.Signals{}) {
		t.Errorf("signals: %+v", got[id])
	}
	if got := read(w, func(tx mailroom.Tx) (map[string]int, error) { return tx.RestrictedByTrigger() }); len(got) != 0 {
		t.Errorf("restrictions: %v", got)
	}
	for _, e := range read(w, func(tx mailroom.Tx) ([]mailroom.AuditEntry, error) { return tx.Audit(mailroom.AuditFilter{}, page(10)) }) {
		if e.Sender == id || e.Recipient == id || len(e.Detail) > 0 {
			t.Errorf("audit: %+v", e)
		}
	}
	if len(sentBy(w, id, mailroom.Filter{})) != 0 || len(sentBy(w, domain.Erased, mailroom.Filter{})) != sentBefore {
		t.Error("what it sent goes on as sent by the erased")
	}
	entries := inbox(w, "bob", mailroom.Filter{})
	if len(entries) != inboxBefore {
		t.Errorf("bob's inbox had %d entries and has %d", inboxBefore, len(entries))
	}
	for _, e := range entries {
		if e.InMail.Sender != domain.Erased || e.InMail.Subject+e.InMail.Preview != "" || e.Reply != nil && (e.Reply.Body != "" || e.Reply.From != domain.Erased) {
			t.Errorf("entry: %+v %+v", e.InMail, e.Reply)
		}
	}
	for _, m := range w.load([]*domain.InMail{{ID: touched[0]}, {ID: touched[23]}}) {
		if m.Body != "" || m.Sender == id || m.Recipient == id {
			t.Errorf("InMail: %+v", m)
		}
	}
	w.advance(time.Hour)
	pushed := map[domain.ID]bool{}
	for _, p := range claim(w, 100) {
		pushed[p.InMail.ID] = true
		if p.Email != "" || p.InMail.Sender == domain.Erased && p.SenderName != "" {
			t.Errorf("push: %+v", p)
		}
	}
	for _, id := range touched {
		if !pushed[id] {
			t.Errorf("InMail %s is not due for the CRM", id)
		}
	}
	if again := Erase(t, w.rec, id); len(again) != 0 {
		t.Errorf("erasing again touches %d", len(again))
	}
}

func erasedCounts(t *testing.T, w *world) {
	w.members("ada", "bob")
	ids := idsOf(w.sent("ada", "bob", 3))
	w.apply(ids[0], domain.EventOpen)
	all := sum(w, domain.ByAll)
	pushed := claim(w, 3)
	Erase(t, w.rec, "ada")
	if diff := cmp.Diff(all, sum(w, domain.ByAll)); diff != "" {
		t.Errorf("figures changed (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"erased/pending_unopened": 2, "erased/opened": 1}, sum(w, domain.BySender)); diff != "" {
		t.Errorf("by sender (-want +got):\n%s", diff)
	}
	w.apply(ids[1], domain.EventOpen)
	if diff := cmp.Diff(map[string]int{"erased/pending_unopened": 1, "erased/opened": 2}, sum(w, domain.BySender)); diff != "" {
		t.Errorf("opened after the erasure (-want +got):\n%s", diff)
	}
	var answers []domain.PushAnswer
	for _, p := range pushed { // the answer to a push from before the erasure must not count as an erasure in the org
		answers = append(answers, taken(p))
	}
	store(w, time.Time{}, answers...)
	if b := backlog(w); b.Unsynced != 3 {
		t.Errorf("%d wait for the CRM, want 3", b.Unsynced)
	}
}

func erasedInSteps(t *testing.T, w *world) {
	w.members("ada", "bob", "cy")
	want := append(idsOf(w.sent("ada", "bob", 5)), idsOf(w.queued("cy", "ada", 4))...)
	var got []domain.ID
	steps := 0
	for done := false; !done; steps++ {
		w.update(func(tx mailroom.Tx) (err error) {
			var some []domain.ID
			some, done, err = tx.EraseMember("ada", 3)
			if len(some) > 6 {
				t.Errorf("%d in one step", len(some))
			}
			got = append(got, some...)
			return err
		})
		if m := read(w, func(tx mailroom.Tx) (map[domain.MemberID]*domain.Member, error) {
			return tx.Members([]domain.MemberID{"ada"})
		}); len(m) != 0 {
			t.Errorf("known after step %d", steps+1)
		}
	}
	if steps < 2 {
		t.Errorf("all in %d step", steps)
	}
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(func(a, b domain.ID) bool { return a < b })); diff != "" {
		t.Errorf("touched (-want +got):\n%s", diff)
	}
}
