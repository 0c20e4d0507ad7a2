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
