package mailroom_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/connectors/record"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// found lists the places of a mark: in SQLite the bytes of all files, in PostgreSQL all rows.
func (w *world) found(c record.Config, mark string) (places []string) {
	w.t.Helper()
	if !c.Postgres() {
		files, err := filepath.Glob(filepath.Join(c.Data, "*"))
		w.ok(err)
		if len(files) == 0 {
			w.t.Fatal("the record has no files")
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			w.ok(err)
			if n := bytes.Count(content, []byte(mark)); n > 0 {
				places = append(places, fmt.Sprintf("%s, %d times", filepath.Base(file), n))
			}
		}
		return places
	}
	db, err := sql.Open("pgx", c.URL)
	w.ok(err)
	defer db.Close()
	var names []string
	w.ok(db.QueryRow(`SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = 'public'`).Scan((*list)(&names)))
	for _, name := range names {
		var n int
		w.ok(db.QueryRow(`SELECT count(*) FROM `+name+` r WHERE strpos(r::text, $1) > 0 OR strpos(r::text, $2) > 0`, mark, hex.EncodeToString([]byte(mark))).Scan(&n))
		if n > 0 {
			places = append(places, fmt.Sprintf("%s, %d rows", name, n))
		}
	}
	return places
}

// list scans words that blanks separate.
type list []string

func (l *list) Scan(v any) error {
	*l = strings.Fields(fmt.Sprint(v))
	return nil
}

// nowhere fails when a mark is found.
func (w *world) nowhere(c record.Config, marks ...string) {
	w.t.Helper()
	for _, mark := range marks {
		if places := w.found(c, mark); places != nil {
			w.t.Errorf("%q is left in %s", mark, strings.Join(places, "; "))
		}
	}
}

// somewhere fails unless each mark is found; without it, nowhere would prove nothing.
func (w *world) somewhere(c record.Config, marks ...string) {
	w.t.Helper()
	for _, mark := range marks {
		if w.found(c, mark) == nil {
			w.t.Errorf("%q is nowhere before", mark)
		}
	}
}

// finish finishes erasures.
func (w *world) finish() int {
	w.t.Helper()
	n, err := w.svc.FinishErasures(w.ctx)
	w.ok(err)
	return n
}

func eraseRules(t *testing.T) {
	each := func(rule string, change func(*domain.Policy), test func(w *world, c record.Config)) {
		t.Run(rule, func(t *testing.T) {
			for _, e := range engines {
				t.Run(e.name, func(t *testing.T) {
					c, policy := e.config(t), calm()
					if change != nil {
						change(&policy)
					}
					test(newWorld(t, c, policy), c)
				})
			}
		})
	}
	each("R60_first_answers_keep_no_text_and_no_name", nil, func(w *world, c record.Config) {
		w.member("a", "recruiter_25")
		w.member("b", "basic_0")
		w.member("zq-gone", "basic_0", func(m *domain.Member) { m.Name = "Zqname Mark" })
		w.pairs(w.svc.Connect, "a", "zq-gone")
		w.pairs(w.svc.Connect, "b", "zq-gone")
		send := mailroom.Send{From: "a", To: "b", Key: "k", Subject: "HELLO ZQTEXT", Body: strings.Repeat("I and we and I want what we said in zqtext. ", 30)}
		first, err := w.svc.Accept(w.ctx, []mailroom.Send{send})
		w.ok(err)
		if len(first[0].Advice) < 3 {
			w.t.Fatalf("the advice is %v", first[0].Advice)
		}
		w.somewhere(c, "zqtext", "Zqname")
		w.ok(w.svc.Erase(w.ctx, operator, "b"))
		w.ok(w.svc.Erase(w.ctx, operator, "zq-gone"))
		w.finish()
		w.nowhere(c, "zqtext", "ZQTEXT", "Zqname", "zq-gone")
		again, err := w.svc.Accept(w.ctx, []mailroom.Send{send})
		w.ok(err)
		codes := func(a mailroom.Accepted) (codes []string) {
			for _, hit := range a.Advice {
				codes = append(codes, hit.Code)
			}
			return codes
		}
		if diff := cmp.Diff(codes(first[0]), codes(again[0])); diff != "" || again[0].ID != first[0].ID || again[0].Err != nil {
			w.t.Errorf("again %v %v, advice (-first +again):\n%s", again[0].ID, again[0].Err, diff)
		}
	})
	each("R60_an_unknown_id_is_kept_nowhere", nil, func(w *world, c record.Config) {
		w.member("a", "recruiter_25")
		w.member("zq-gone", "recruiter_25")
		w.ok(w.svc.Erase(w.ctx, operator, "zq-gone"))
		w.finish()
		for _, s := range []mailroom.Send{text("a", "zq-gone"), text("zq-gone", "a")} {
			s.Key = "k-" + string(s.From)
			_, err := w.accept(s)
			if want := map[domain.MemberID]domain.Code{"a": domain.UnknownRecipient, "zq-gone": domain.UnknownSender}[s.From]; !errors.Is(err, want) {
				w.t.Errorf("from %s: %v, want %s", s.From, err, want)
			}
		}
		w.nowhere(c, "zq-gone")
	})
	each("R60_cut_off_before_the_files_are_scrubbed", nil, func(w *world, c record.Config) {
		w.member("a", "recruiter_50")
		w.member("zq-gone", "recruiter_50")
		w.members(40)
		for i := range 40 {
			w.sent("zq-gone", recipient(i))
		}
		w.ok(w.svc.Erase(w.ctx, operator, "zq-gone"))
		ctx, cancel := context.WithCancel(w.ctx)
		w.first.during = cancel // it dies while the CRM forgets
		if _, err := w.svc.FinishErasures(ctx); err == nil {
			w.t.Fatal("it was not cut off")
		}
		waits, err := w.svc.Erasing(w.ctx)
		w.ok(err)
		if !waits {
			w.t.Fatal("nobody would go on")
		}
		w.finish()
		if waits, err = w.svc.Erasing(w.ctx); err != nil || waits {
			w.t.Errorf("it still waits: %v, %v", waits, err)
		}
		w.nowhere(c, "zq-gone")
	})
	each("R60_what_raced_with_the_erasure", nil, func(w *world, c record.Config) {
		w.member("a", "recruiter_25")
		w.member("zq-gone", "recruiter_25")
		w.ok(w.svc.Erase(w.ctx, operator, "zq-gone"))
		w.finish()
		// A send that was judged before the erasure and stored after it.
		late, receipt := domain.New(domain.InMail{ID: uuids{}.NewID(), Sender: "a", Recipient: "zq-gone", Subject: "zqtext", Body: "zqtext",
			Preview: "zqtext", AccountType: domain.Recruiter}, w.clock.Now())
		w.ok(w.record.Update(w.ctx, func(tx mailroom.Tx) error { return tx.Insert([]*domain.InMail{late}, []domain.Receipt{receipt}) }))
		w.somewhere(c, "zq-gone", "zqtext")
		_, err := w.svc.Deliver(w.ctx, []domain.ID{late.ID})
		w.ok(err)
		w.finish()
		w.nowhere(c, "zq-gone", "zqtext")
		if m := w.inmail(late.ID); m.Status != domain.Refused || m.Reason != domain.UnknownRecipient || m.Recipient != domain.Erased {
			w.t.Errorf("it is %s, %s, to %s", m.Status, m.Reason, m.Recipient)
		}
	})
	each("R60_many_at_once", nil, func(w *world, c record.Config) {
		var erasures, workers []func() error
		for i := range 8 {
			id := domain.MemberID(fmt.Sprintf("zq-gone-%d", i))
			w.member(id, "recruiter_50")
			erasures = append(erasures, func() error { return w.svc.Erase(w.ctx, operator, id) })
		}
		w.members(12)
		for i := range 8 {
			for k := range 12 {
				w.queued(domain.MemberID(fmt.Sprintf("zq-gone-%d", i)), recipient(k))
			}
		}
		w.work()
		w.ok(errors.Join(together(erasures...)...))
		for range 3 {
			workers = append(workers, func() error {
				_, err := w.svc.FinishErasures(w.ctx)
				if errors.Is(err, mailroom.ErrUnavailable) { // another one scrubs: this one is tried again
					err = nil
				}
				return err
			})
		}
		w.ok(errors.Join(together(workers...)...))
		w.finish()
		w.nowhere(c, "zq-gone")
		if got := w.outcomes(domain.BySender); got["erased pending_unopened"] != 96 || len(got) != 1 {
			w.t.Errorf("the counts by sender are %v", got)
		}
	})
	each("R60_the_id_is_free_when_all_is_gone", nil, func(w *world, _ record.Config) {
		w.member("a", "recruiter_25")
		w.ok(w.svc.Erase(w.ctx, operator, "a"))
		errs, err := w.svc.PutMembers(w.ctx, []domain.Member{domain.NewMember("a", "Another"), domain.NewMember("b", "Bo")})
		w.ok(err)
		w.want(errs[0], domain.Conflict)
		w.ok(errs[1])
		w.finish()
		w.member("a", "recruiter_25")
		w.finish()
		if m, err := w.svc.Member(w.ctx, "a"); err != nil || m.Name != "Member A" {
			w.t.Errorf("the new member is %q, %v", m.Name, err)
		}
	})
	each("R60_a_CRM_was_away", nil, func(w *world, c record.Config) {
		w.member("zq-gone", "basic_0")
		w.second.absent = false
		w.ok(w.svc.ConnectCRMs(w.ctx))
		w.second.absent = true // it is connected, and reached by another process
		known := map[domain.MemberID]bool{"zq-gone": true, "other": true}
		w.first.down, w.first.people, w.second.people = true, maps.Clone(known), maps.Clone(known)
		w.ok(w.svc.Erase(w.ctx, operator, "zq-gone"))
		w.finish()
		w.nowhere(c, "zq-gone") // the id leaves the record before the CRM has answered
		if err := w.svc.ForgetInCRM(w.ctx, firstCRM); !errors.Is(err, errDown) {
			w.t.Fatalf("a CRM that is down says %v", err)
		}
		// By the process that reaches it: a CRM that is down delays no other.
		w.ok(w.svc.ForgetInCRM(w.ctx, secondCRM))
		if diff := cmp.Diff(map[domain.MemberID]bool{"other": true}, w.second.people); diff != "" {
			w.t.Errorf("the second knows (-want +got):\n%s", diff)
		}
		w.ok(w.svc.PauseCRM(w.ctx, firstCRM, "operator", time.Time{}))
		w.first.down = false
		w.ok(w.svc.ForgetInCRM(w.ctx, firstCRM))
		if !w.first.people["zq-gone"] {
			w.t.Error("a paused sync spoke to its CRM")
		}
		w.ok(w.svc.ResumeCRM(w.ctx, firstCRM))
		w.ok(w.svc.ForgetInCRM(w.ctx, firstCRM))
		if diff := cmp.Diff(map[domain.MemberID]bool{"other": true}, w.first.people); diff != "" {
			w.t.Errorf("the first knows (-want +got):\n%s", diff)
		}
		w.first.people["zq-gone"] = true // another member gets this id later
		w.ok(w.svc.ForgetInCRM(w.ctx, firstCRM))
		if !w.first.people["zq-gone"] {
			w.t.Error("it was forgotten a second time")
		}
	})
	each("R60_export", nil, func(w *world, _ record.Config) {
		w.member("a", "recruiter_25")
		w.member("b", "recruiter_25")
		w.member("r0-sender", "recruiter_25")
		w.members(2)
		w.pairs(w.svc.Connect, "a", "r0")
		w.pairs(w.svc.Block, "a", "r1")
		w.ok(w.svc.Ban(w.ctx, operator, domain.Ban{Kind: domain.BanMember, Value: "r1"}))
		_, _, err := w.svc.CreateKey(w.ctx, mailroom.Viewer{}, mailroom.NewKey{Role: mailroom.RoleMember, Member: "a"})
		w.ok(err)
		unread, answered := w.sent("a", "b"), w.sent("b", "a")
		_, err = w.svc.Reply(w.ctx, as("a"), answered, "An answer")
		w.ok(err)
		w.ok(w.svc.Report(w.ctx, as("a"), answered, "a reason"))
		back := w.sent("r0-sender", "a")
		_, err = w.retract(back, "r0-sender")
		w.ok(err)
		e, err := w.svc.Export(w.ctx, "a")
		w.ok(err)
		type line struct {
			ID       domain.ID
			Status   domain.Status
			Body     bool
			Receipts int
			Replies  int
		}
		var got []line
		for _, x := range e.InMails {
			got = append(got, line{x.InMail.ID, x.Status, x.InMail.Body != "", len(x.Receipts), len(x.Replies)})
		}
		want := []line{{unread, domain.Sent, true, 2, 0}, {answered, domain.Replied, true, 0, 1}, {back, domain.Retracted, false, 0, 0}}
		if diff := cmp.Diff(want, got); diff != "" {
			w.t.Errorf("InMails (-want +got):\n%s", diff)
		}
		h := e.Holdings
		if len(h.Keys) != 1 || h.Keys[0].Hash != [32]byte{} || len(h.Reports) != 1 || h.Reports[0].Reason != "a reason" || h.Periods[0].Used != 1 {
			w.t.Errorf("holdings are %+v", h)
		}
		if diff := cmp.Diff([][]domain.MemberID{{"r0"}, {"r1"}}, [][]domain.MemberID{h.Connections, h.Blocks}); diff != "" || h.Bans != nil {
			w.t.Errorf("bans %v, connections and blocks (-want +got):\n%s", h.Bans, diff)
		}
		if e.Member.Name != "Member A" || e.Credits.Used != 1 {
			w.t.Errorf("it is %q with %d used", e.Member.Name, e.Credits.Used)
		}
		if w.inmail(unread).Status != domain.Sent {
			w.t.Error("the export opened an InMail")
		}
		_, err = w.svc.Export(w.ctx, "nobody")
		w.want(err, domain.NotFound)
	})
	each("R60_retain_days", func(p *domain.Policy) { p.RetainDays = 30 }, func(w *world, c record.Config) {
		w.member("a", "recruiter_25")
		w.members(3)
		letter := func(to domain.MemberID) domain.ID {
			s := text("a", to)
			s.Subject, s.Body, s.Key = "zqtext "+string(to), "zqtext for "+string(to)+", who spoke about queues. How do you test yours?", "zq-"+string(to)
			id, err := w.accept(s)
			w.ok(err)
			w.work()
			return id
		}
		old, answered := letter("r0"), letter("r1")
		_, err := w.svc.Open(w.ctx, as("r0"), old)
		w.ok(err)
		_, err = w.svc.Reply(w.ctx, as("r1"), answered, "zqtext in a reply")
		w.ok(err)
		w.somewhere(c, "zqtext")
		before := w.outcomes(domain.ByAll)
		retain := func() (n int) {
			n, err := w.svc.DropTexts(w.ctx, 100)
			w.ok(err)
			advice, err := w.svc.Partition(w.ctx)
			w.ok(err)
			if advice != "" {
				w.t.Error(advice)
			}
			w.ok(w.svc.Scrub(w.ctx))
			return n
		}
		w.clock.advance(30 * 24 * time.Hour)
		if n := retain(); n != 0 {
			w.t.Errorf("%d dropped at 30 days", n)
		}
		w.clock.advance(time.Millisecond)
		if n := retain(); n != 3 { // two InMails and a reply
			w.t.Errorf("%d dropped a millisecond later", n)
		}
		w.nowhere(c, "zqtext")
		if diff := cmp.Diff(before, w.outcomes(domain.ByAll)); diff != "" {
			w.t.Errorf("counts (-before +after):\n%s", diff)
		}
		opened, err := w.svc.Open(w.ctx, as("r0"), old)
		if err != nil || opened.Subject != "" || opened.Body != "" || opened.From.Name != "Member A" {
			w.t.Errorf("it opens as %+v, %v", opened, err)
		}
		if opened, err = w.svc.Open(w.ctx, as("r1"), answered); err != nil || len(opened.Replies) != 1 || opened.Replies[0].Body != "" {
			w.t.Errorf("the conversation opens as %+v, %v", opened, err)
		}
		young := letter("r2")
		retain()
		if m := w.inmail(young); m.Subject != "zqtext r2" {
			w.t.Errorf("a young one says %q", m.Subject)
		}
	})
}

// pairs relates two members.
func (w *world) pairs(relate func(context.Context, []mailroom.Pair) ([]error, error), a, b domain.MemberID) {
	w.t.Helper()
	errs, err := relate(w.ctx, []mailroom.Pair{{From: a, To: b}})
	w.ok(errors.Join(append(errs, err)...))
}
