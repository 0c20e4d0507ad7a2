package record_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"inmail/connectors/record"
	"inmail/connectors/record/recordtest"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// onVersion runs a test on both engines, with a record of an earlier version of the schema.
func onVersion(t *testing.T, version int64, test func(t *testing.T, o *old)) {
	for name, place := range map[string]func() record.Config{
		"sqlite":   func() record.Config { return sqliteConfig(t) },
		"postgres": func() record.Config { c := record.Default(); c.URL = recordtest.EmptyDatabase(t, ""); return c },
	} {
		t.Run(name, func(t *testing.T) {
			o := &old{t: t, cfg: place(), now: time.UnixMilli(9000).UTC()}
			var err error
			if o.db, err = record.MigrateTo(t.Context(), o.cfg, version); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { o.db.Close() })
			test(t, o)
		})
	}
}

// put15 stores an InMail of version 15 with its receipts. Times are NULL or milliseconds.
func (o *old) put15(n int, m domain.InMail, receipts []domain.Receipt) {
	o.t.Helper()
	ms := func(t time.Time) string {
		if t.IsZero() {
			return "NULL"
		}
		return fmt.Sprint(t.UnixMilli())
	}
	live := slices.Contains([]domain.Status{domain.Sent, domain.Opened, domain.Replied, domain.Declined}, m.Status)
	o.put(fmt.Sprintf(`INSERT INTO inmails (id, accepted_at, sent_at, expires_at, opened_at, replied_at, declined_at, ended_at, version, seq,
		replies, words, undone, in_inbox, sender, recipient, status, reason, account_type, category, tags, advice)
		VALUES ('%s', %s, %s, %s, %s, %s, %s, %s, %d, %d, 0, 9, FALSE, %t, 'ada', 'bob', '%s', '%s', 'recruiter', '', '', '')`,
		oldID(n), ms(m.AcceptedAt), ms(m.SentAt), ms(m.ExpiresAt), ms(m.OpenedAt), ms(m.RepliedAt), ms(m.DeclinedAt), ms(m.EndedAt),
		m.Version, m.Seq, live, m.Status, m.Reason))
	o.put(fmt.Sprintf(`INSERT INTO texts (inmail, subject, preview, body) VALUES ('%s', 'Subject', 'Body', 'Body')`, oldID(n)))
	for _, r := range receipts {
		o.put(fmt.Sprintf(`INSERT INTO receipts (inmail, at, seq, status, reason) VALUES ('%s', %d, %d, '%s', '%s')`,
			oldID(n), r.At.UnixMilli(), r.Seq, r.Status, r.Reason))
	}
}

// histories returns InMails in every state, each with all its receipts.
func histories(t *testing.T) (ms []domain.InMail, receipts [][]domain.Receipt) {
	at := func(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
	for i, events := range [][]domain.Event{
		{}, {domain.EventDeliver}, {domain.EventRefuse}, {domain.EventFail}, {domain.EventDeliver, domain.EventOpen},
		{domain.EventDeliver, domain.EventOpen, domain.EventReply}, {domain.EventDeliver, domain.EventReply},
		{domain.EventDeliver, domain.EventDecline}, {domain.EventDeliver, domain.EventRetract},
		{domain.EventDeliver, domain.EventOpen, domain.EventRetract}, {domain.EventDeliver, domain.EventDecline, domain.EventRetract},
		{domain.EventDeliver, domain.EventReply, domain.EventRetract}, {domain.EventDeliver, domain.EventExpire},
		{domain.EventDeliver, domain.EventReply, "withdraw", domain.EventDecline},
	} {
		m, first := domain.New(domain.InMail{ID: oldID(i + 1), Sender: "ada", Recipient: "bob"}, at(100))
		all := []domain.Receipt{first}
		for k, e := range events {
			now := at(int64(200 + 10*k))
			if e == domain.EventExpire {
				now = m.ExpiresAt
			}
			var got []domain.Receipt
			var err error
			if e == "withdraw" {
				got, err = m.Correct(time.Time{}, now)
			} else {
				got, err = m.Apply(e, now, domain.TooOld)
			}
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, got...)
		}
		ms, receipts = append(ms, *m), append(receipts, all)
	}
	return ms, receipts
}

// TestMigrateReceipts checks that a record with every receipt reads the same after what its rows imply was
// removed, and that a receipt which its row does not imply stays, whatever its status (R54).
func TestMigrateReceipts(t *testing.T) {
	onVersion(t, 15, func(t *testing.T, o *old) {
		ms, want := histories(t)
		for i, m := range ms {
			o.put15(i+1, m, want[i])
		}
		// A row that was repaired by hand says another time than its receipt: the receipt stays.
		odd := ms[1]
		moved := slices.Clone(want[1])
		odd.ID = oldID(50)
		for i := range moved {
			moved[i].InMail = odd.ID
			moved[i].At = moved[i].At.Add(time.Millisecond)
		}
		o.put15(50, odd, moved)
		ms, want = append(ms, odd), append(want, moved)
		rec := o.open()
		for i, m := range ms {
			var got []domain.Receipt
			if err := rec.View(t.Context(), func(tx mailroom.Tx) (err error) { got, err = tx.Receipts(m.ID); return err }); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want[i], got); diff != "" {
				t.Errorf("%s (-before +after):\n%s", m.Status, diff)
			}
		}
		db, err := record.MigrateTo(t.Context(), o.cfg, 18) // it is there already
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		stored := map[string]int{}
		rows, err := db.QueryContext(t.Context(), "SELECT status, count(*) FROM receipts GROUP BY status")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var status string
			var n int
			if err := rows.Scan(&status, &n); err != nil {
				t.Fatal(err)
			}
			stored[status] = n
		}
		if diff := cmp.Diff(map[string]int{"queued": 1, "sent": 1, "replied": 4, "opened": 1}, stored); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
	})
}

// TestMigrateWaiting checks that what is queued when a record gets the table of what waits is neither lost
// nor sent twice, and that what was decided stays as it was.
func TestMigrateWaiting(t *testing.T) {
	onVersion(t, 19, func(t *testing.T, o *old) {
		ms, receipts := histories(t)
		var ids, queued []domain.ID
		for i, m := range ms {
			o.put15(i+1, m, nil)
			ids = append(ids, m.ID)
			if m.Status == domain.Queued {
				queued = append(queued, m.ID)
			}
		}
		o.put("UPDATE inmails SET tags = '\nhot\n', version = 3 WHERE status = 'queued'")
		rec := o.open()
		look := func() (found map[domain.ID]*domain.InMail, sent []*domain.InMail, waiting []domain.ID) {
			err := rec.View(t.Context(), func(tx mailroom.Tx) error {
				var errs [3]error
				found, errs[0] = tx.InMails(ids)
				sent, errs[1] = tx.SentBy("ada", mailroom.Filter{}, mailroom.Page{Limit: 100})
				waiting, errs[2] = tx.QueuedBefore(o.now, 100)
				return errors.Join(errs[:]...)
			})
			if err != nil {
				t.Fatal(err)
			}
			return found, sent, waiting
		}
		found, sent, waiting := look()
		if len(found) != len(ms) || len(sent) != len(ms) || !slices.Equal(waiting, queued) {
			t.Fatalf("%d found, %d listed, %v wait; want %d, and %v", len(found), len(sent), waiting, len(ms), queued)
		}
		for _, m := range ms {
			got := found[m.ID]
			if m.Status == domain.Queued {
				m.Tags, m.Version = []string{"hot"}, 3
			}
			m.Undone = false // as put15 stores it
			m.Subject, m.Body, m.Preview, m.Words, m.AccountType = "Subject", "Body", "Body", 9, domain.Recruiter
			if diff := cmp.Diff(&m, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-before +after):\n%s", m.Status, diff)
			}
		}
		if len(queued) != 1 {
			t.Fatalf("%d are queued, want one", len(queued))
		}
		err := rec.Update(t.Context(), func(tx mailroom.Tx) error {
			claimed, err := tx.ClaimQueued(queued)
			if err != nil {
				return err
			}
			c := mailroom.Change{InMail: claimed[0], FromStatus: domain.Queued, FromVersion: 3}
			if c.Receipts, err = c.InMail.Apply(domain.EventDeliver, tx.Now(), ""); err != nil {
				return err
			}
			return tx.Save([]mailroom.Change{c})
		})
		if err != nil {
			t.Fatal(err)
		}
		var got []domain.Receipt
		if err := rec.View(t.Context(), func(tx mailroom.Tx) (err error) { got, err = tx.Receipts(queued[0]); return err }); err != nil {
			t.Fatal(err)
		}
		want := append(receipts[0], domain.Receipt{InMail: queued[0], Seq: 2, Status: domain.Sent, At: o.now})
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("receipts (-want +got):\n%s", diff)
		}
		if _, sent, waiting = look(); len(waiting) != 0 || len(sent) != len(ms) {
			t.Errorf("%d wait and %d are listed after the delivery", len(waiting), len(sent))
		}
	})
}

// TestMigrateAnswers checks that the answers under idempotency keys are the same after their keys became
// bytes, and that what was never a key is left behind (R28).
func TestMigrateAnswers(t *testing.T) {
	onVersion(t, 23, func(t *testing.T, o *old) {
		quoted := func(b []byte) string {
			if o.cfg.Postgres() {
				return `'\x` + hex.EncodeToString(b) + `'`
			}
			return "x'" + hex.EncodeToString(b) + "'"
		}
		var keys []mailroom.AnswerKey
		var want []*mailroom.Answer
		for i := range 30 {
			sender, key := domain.MemberID(fmt.Sprint("m", i%3)), fmt.Sprint("key ", i)
			digest := sha256.Sum256([]byte(fmt.Sprint("request ", i)))
			a := &mailroom.Answer{AnswerKey: mailroom.NewAnswerKey(sender, key), Digest: mailroom.Digest(digest[:]), InMail: oldID(i),
				Body: []byte(`{"advice":["no_name"]}`), At: time.UnixMilli(int64(8000 + i)).UTC()}
			o.put(fmt.Sprintf(`INSERT INTO answers (sender, key, digest, inmail, body, at) VALUES ('%s', '%x', %s, '%s', %s, %d)`,
				sender, sha256.Sum256([]byte(key)), quoted(digest[:]), a.InMail, quoted(a.Body), a.At.UnixMilli()))
			keys, want = append(keys, a.AnswerKey), append(want, a)
		}
		for _, never := range []string{"short", strings.Repeat("x", 64), strings.Repeat("A", 64)} {
			o.put(fmt.Sprintf(`INSERT INTO answers (sender, key, digest, inmail, body, at) VALUES ('m0', '%s', %s, NULL, %s, 8000)`,
				never, quoted([]byte("d")), quoted(nil)))
		}
		rec := o.open()
		var got []*mailroom.Answer
		if err := rec.View(t.Context(), func(tx mailroom.Tx) (err error) { got, err = tx.FirstAnswers(keys, time.Hour); return err }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-before +after):\n%s", diff)
		}
		err := rec.Update(t.Context(), func(tx mailroom.Tx) error {
			n, err := tx.DropAnswers(24*time.Hour, 100)
			if n != len(want) {
				t.Errorf("%d answers are left, want %d", n, len(want))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestMigrateSlim checks that events, links, InMails and what waits are the same after the record writes less
// of each (R54, R67, R68), and that older rows and newer ones are read together.
func TestMigrateSlim(t *testing.T) {
	onVersion(t, 24, func(t *testing.T, o *old) {
		o.now = time.UnixMilli(50_000).UTC()
		o.put(`INSERT INTO crms (name, since, linked) VALUES ('salesforce', 1, TRUE)`)
		o.put(`INSERT INTO crms (name, since, linked) VALUES ('acme', 2, TRUE)`)
		for n := 1; n <= 4; n++ {
			o.put(fmt.Sprintf(`INSERT INTO texts (inmail, subject, preview, body) VALUES ('%s', 'Subject', 'Body', 'Body')`, oldID(n)))
			for i, crm := range []string{"salesforce", "acme"} {
				o.put(fmt.Sprintf(`INSERT INTO crm_links (inmail, crm, unsynced_at, push_at, leased_until, wanted_version, pushed_version, pushed_seq, attempts,
					dead, record_id, match_state, parents, notes, class, detail, failures, chosen)
					VALUES ('%s', '%s', %d, %d, 0, 2, 1, 1, %d, FALSE, 'r%d', 'Matched', '', '', '', '', '', FALSE)`, oldID(n), crm, 100+n, 200+n, i, n))
			}
			if n == 4 { // it waits
				o.put(fmt.Sprintf(`INSERT INTO waiting (id, accepted_at, version, words, sender, recipient, account_type, category, tags, advice, crm_ids)
					VALUES ('%s', %d, 1, 9, 'ada', 'bob', 'job_seeker', '', '', '', '')`, oldID(n), 100))
				continue
			}
			o.put(fmt.Sprintf(`INSERT INTO inmails (id, accepted_at, sent_at, expires_at, version, seq, replies, automatic, words, undone, in_inbox, sender, recipient,
				status, reason, account_type, category, tags, advice)
				VALUES ('%s', 100, 200, 604800200, 2, 2, %d, %d, 9, FALSE, TRUE, 'ada', 'bob', 'sent', '', 'sales_navigator_team', '', '', '')`, oldID(n), n, 10*n))
			o.put(fmt.Sprintf(`INSERT INTO events (position, at, inmail, seq, kind, about) VALUES (%d, %d, '%s', 2, 'inmail.sent', '')`, 10*n, 200+n, oldID(n)))
		}
		if o.cfg.Postgres() {
			o.put("SELECT setval('event_positions', 1001)")
		}
		rec := o.open()

		var found map[domain.ID]*domain.InMail
		var links map[domain.ID]map[domain.CRM]domain.Link
		var sent []*domain.InMail
		var inbox []mailroom.Entry
		var feed []mailroom.Event
		read := func() {
			t.Helper()
			settled := recordtest.Settle(t, rec)
			ids := []domain.ID{oldID(1), oldID(2), oldID(3), oldID(4), oldID(5), oldID(6)}
			err := rec.View(t.Context(), func(tx mailroom.Tx) error {
				var errs [5]error
				found, errs[0] = tx.InMails(ids)
				links, errs[1] = tx.Links(ids)
				sent, errs[2] = tx.SentBy("ada", mailroom.Filter{}, mailroom.Page{Limit: 3})
				inbox, errs[3] = tx.InboxOf("bob", mailroom.Filter{}, mailroom.Page{Limit: 2})
				feed, errs[4] = tx.Events(0, settled, 10)
				return errors.Join(errs[:]...)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		read()
		for n := 1; n <= 3; n++ {
			m := found[oldID(n)]
			if m.AccountType != domain.SalesNavigatorTeam || m.Replies != n || m.Automatic != 10*n {
				t.Errorf("InMail %d: %s, %d replies, %d automatic ones", n, m.AccountType, m.Replies, m.Automatic)
			}
		}
		if m := found[oldID(4)]; m.AccountType != domain.JobSeeker || m.Status != domain.Queued {
			t.Errorf("what waits: %s, %s", m.AccountType, m.Status)
		}
		for n := 1; n <= 4; n++ {
			for i, crm := range []domain.CRM{"salesforce", "acme"} {
				want := domain.Link{InMail: oldID(n), CRM: crm, RecordID: fmt.Sprint("r", n), Match: domain.Matched, PushedVersion: 1, PushedSeq: 1, Attempts: i}
				if diff := cmp.Diff(want, links[oldID(n)][crm]); diff != "" {
					t.Errorf("link %d to %s (-before +after):\n%s", n, crm, diff)
				}
			}
		}
		// All of one millisecond: pages are in the order of the ids.
		if got := []domain.ID{sent[0].ID, sent[1].ID, sent[2].ID}; !slices.Equal(got, []domain.ID{oldID(4), oldID(3), oldID(2)}) {
			t.Errorf("sent are %v", got)
		}
		if len(inbox) != 2 || inbox[0].InMail.ID != oldID(3) || inbox[1].InMail.ID != oldID(2) {
			t.Errorf("the inbox is %v", inbox)
		}
		var want []mailroom.Event
		for n := 1; n <= 3; n++ {
			want = append(want, mailroom.Event{Position: int64(10 * n), At: time.UnixMilli(int64(200 + n)).UTC(), Kind: mailroom.InMailSent, InMail: oldID(n), Seq: 2})
		}
		if diff := cmp.Diff(want, feed); diff != "" {
			t.Errorf("events (-before +after):\n%s", diff)
		}

		// What is written from now on stands beside it.
		err := rec.Update(t.Context(), func(tx mailroom.Tx) error {
			if err := tx.ConnectCRM("second"); err != nil {
				return err
			}
			var ms []*domain.InMail
			var receipts []domain.Receipt
			for n := 5; n <= 6; n++ {
				m, receipt := domain.New(domain.InMail{ID: oldID(n), Sender: "ada", Recipient: "bob", AccountType: domain.PremiumBusiness}, o.now)
				ms, receipts = append(ms, m), append(receipts, receipt)
			}
			return errors.Join(tx.Insert(ms, receipts), tx.AppendEvents([]mailroom.Event{
				{Kind: mailroom.InMailOpened, InMail: oldID(1), Seq: 3}, {Kind: mailroom.MemberRestricted, About: "r1"}}))
		})
		if err != nil {
			t.Fatal(err)
		}
		read()
		for _, crm := range []domain.CRM{"salesforce", "acme", "second"} {
			if l, ok := links[oldID(5)][crm]; !ok || l.CRM != crm || l.PushedVersion != 0 {
				t.Errorf("a new InMail's link to %s: %+v, %v", crm, l, ok)
			}
			pushes := 0
			err := rec.Update(t.Context(), func(tx mailroom.Tx) error {
				claimed, err := tx.ClaimUnsynced(crm, 100, time.Minute)
				pushes = len(claimed)
				return err
			})
			if want := map[domain.CRM]int{"salesforce": 6, "acme": 6, "second": 2}[crm]; pushes != want || err != nil {
				t.Errorf("%d are due for %s, %v; want %d", pushes, crm, err, want)
			}
		}
		if m := found[oldID(5)]; m.AccountType != domain.PremiumBusiness {
			t.Errorf("the account type of a new InMail is %s", m.AccountType)
		}
		if len(feed) != 5 || feed[3].Kind != mailroom.InMailOpened || feed[4].About != "r1" || feed[4].Position != feed[3].Position+1 || feed[3].Position <= 30 {
			t.Errorf("after two more the events are %+v", feed)
		}
	})
}
