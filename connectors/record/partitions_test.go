package record_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"inmail/connectors/record"
	"inmail/connectors/record/recordtest"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// parted is a record on PostgreSQL without InMails, whose texts have no partition but DEFAULT.
type parted struct {
	*stock
	cfg record.Config
	db  *sql.DB
}

func newParted(t *testing.T, now time.Time) *parted {
	t.Helper()
	p := &parted{cfg: recordtest.Patient()}
	p.cfg.URL = recordtest.EmptyDatabase(t, "")
	var err error
	if p.db, err = record.MigrateTo(t.Context(), p.cfg, 1<<60); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.db.Close() })
	p.cfg.Migrate = false
	p.stock = newStock(t, p.cfg)
	p.now = now
	return p
}

// idAt returns an id of a time.
func idAt(at time.Time) domain.ID {
	ms := at.UnixMilli()
	return domain.ID(fmt.Sprintf("%08x-%04x-7", ms>>16, ms&0xffff) + uuid.NewString()[15:])
}

// sentAt stores InMails that were sent then, and returns their ids.
func (p *parted) sentAt(at time.Time, n int) (ids []domain.ID) {
	p.b.Helper()
	p.now = at
	ms, receipts := make([]*domain.InMail, n), make([]domain.Receipt, n)
	for i := range n {
		ids = append(ids, idAt(at))
		ms[i], receipts[i] = domain.New(domain.InMail{ID: ids[i], Sender: domain.MemberID(fmt.Sprintf("s%d", i%stockMembers)), Recipient: "r1",
			Subject: "About " + at.Format(time.DateOnly), Body: "Body", Preview: "Body", AccountType: domain.Recruiter}, at)
	}
	p.update(func(tx mailroom.Tx) error { return tx.Insert(ms, receipts) })
	p.deliver(ids)
	return ids
}

// read returns InMails with their texts.
func (p *parted) read(ids []domain.ID) (found map[domain.ID]*domain.InMail) {
	p.b.Helper()
	p.view(func(tx mailroom.Tx) (err error) { found, err = tx.InMails(ids); return err })
	return found
}

// keep keeps the partitions and returns the advice.
func (p *parted) keep(u record.Upkeep) string {
	p.b.Helper()
	advice, err := u.Run(p.b.Context(), p.rec)
	if err != nil {
		p.b.Fatal(err)
	}
	return advice
}

// rows returns how many texts each partition has.
func (p *parted) rows() map[string]int {
	p.b.Helper()
	conn, err := pgx.Connect(p.b.Context(), p.cfg.URL)
	if err != nil {
		p.b.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(p.b.Context(), "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'texts'::regclass")
	if err != nil {
		p.b.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		p.b.Fatal(err)
	}
	found := map[string]int{}
	for _, name := range names {
		var n int
		if err := conn.QueryRow(p.b.Context(), "SELECT count(*) FROM "+name).Scan(&n); err != nil {
			p.b.Fatal(err)
		}
		found[name] = n
	}
	return found
}

func (p *parted) wants(when string, want map[string]int) {
	p.b.Helper()
	if diff := cmp.Diff(want, p.rows()); diff != "" {
		p.b.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

var may = time.Date(2024, 5, 10, 12, 0, 0, 0, time.UTC)

// TestPartitions checks that the texts of InMails are in partitions by month, made ahead, and that no text is
// lost on the way there.
func TestPartitions(t *testing.T) {
	t.Run("of_a_new_record", func(t *testing.T) {
		p := newParted(t, may)
		p.keep(record.Upkeep{Now: may, Months: 3})
		months := map[string]int{"texts_2024_05": 0, "texts_2024_06": 0, "texts_2024_07": 0, "texts_2024_08": 0, "texts_other": 0}
		p.wants("made", months)
		p.sentAt(may, 2)
		p.sentAt(time.Date(2024, 5, 31, 23, 59, 59, 999e6, time.UTC), 1)
		p.sentAt(time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC), 4)
		p.sentAt(time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC), 5) // as of a clock far ahead
		months["texts_2024_05"], months["texts_2024_06"], months["texts_other"] = 3, 4, 5
		p.wants("filled", months)
		p.keep(record.Upkeep{Now: may.AddDate(0, 1, 0), Months: 3, Small: 1 << 30})
		months["texts_2024_09"] = 0
		p.wants("a month later", months)
	})
	t.Run("of_a_record_with_texts", func(t *testing.T) {
		p := newParted(t, may)
		ids := slices.Concat(p.sentAt(may.AddDate(-2, 0, 0), 3), p.sentAt(may, 2), p.sentAt(may.AddDate(0, 3, 0), 2))
		before := p.read(ids)
		p.keep(record.Upkeep{Now: may, Months: 3}) // it is large: left to the job
		p.wants("left", map[string]int{"texts_other": 7})
		p.keep(record.Upkeep{Now: may, Months: 3, Large: true})
		p.wants("converted", map[string]int{"texts_until_2024_09": 7, "texts_other": 0})
		p.keep(record.Upkeep{Now: may.AddDate(0, 1, 0), Months: 3, Large: true})
		p.sentAt(may.AddDate(0, 4, 0), 1)
		p.wants("a month later", map[string]int{"texts_until_2024_09": 7, "texts_2024_09": 1, "texts_other": 0})
		if diff := cmp.Diff(before, p.read(ids)); diff != "" {
			t.Errorf("what was there (-before +after):\n%s", diff)
		}
	})
	t.Run("of_a_month_that_DEFAULT_has", func(t *testing.T) {
		p := newParted(t, may)
		p.keep(record.Upkeep{Now: may, Months: 0})
		ids := slices.Concat(p.sentAt(may.AddDate(0, 1, 0), 3), p.sentAt(may.AddDate(0, 2, 0), 2), p.sentAt(may.AddDate(0, 9, 0), 1))
		before := p.read(ids)
		p.keep(record.Upkeep{Now: may.AddDate(0, 1, 0), Months: 1, Small: 1 << 30})
		p.wants("moved", map[string]int{"texts_2024_05": 0, "texts_2024_06": 3, "texts_2024_07": 2, "texts_other": 1})
		p.keep(record.Upkeep{Now: may.AddDate(0, 9, 0), Months: 0, Large: true}) // DEFAULT counts as large
		p.wants("converted", map[string]int{"texts_2024_05": 0, "texts_2024_06": 3, "texts_2024_07": 2, "texts_until_2025_04": 1, "texts_other": 0})
		if diff := cmp.Diff(before, p.read(ids)); diff != "" {
			t.Errorf("what was there (-before +after):\n%s", diff)
		}
	})
	t.Run("of_years_to_come", func(t *testing.T) {
		p := newParted(t, may)
		ids := slices.Concat(p.sentAt(may.AddDate(7, 0, 0), 1), p.sentAt(may.AddDate(0, -1, 0), 1))
		if advice := p.keep(record.Upkeep{Now: may, Months: 0, Large: true}); !strings.Contains(advice, "texts_other") {
			t.Errorf("a large one: advice %q", advice)
		}
		p.keep(record.Upkeep{Now: may, Months: 0, Small: 1 << 30})
		p.wants("made beside", map[string]int{"texts_2024_05": 0, "texts_other": 2})
		if n := len(p.read(ids)); n != 2 {
			t.Errorf("%d are left, want 2", n)
		}
	})
	t.Run("by_many_at_once_while_others_write", func(t *testing.T) {
		p := newParted(t, may)
		ids := p.sentAt(may, 20)
		var wg sync.WaitGroup
		errs := make([]error, 6)
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = record.Upkeep{Now: may, Months: 6, Large: true}.Run(t.Context(), p.rec)
			})
		}
		for range 20 {
			ids = append(ids, p.sentAt(may.AddDate(0, 3, 0), 5)...)
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		p.keep(record.Upkeep{Now: may, Months: 6, Small: 1 << 30, Large: true}) // whoever came second left it to the first
		for id, m := range p.read(ids) {
			if m.Body != "Body" {
				t.Errorf("%s has the body %q", id, m.Body)
			}
		}
		rows := p.rows()
		sum := 0
		for _, n := range rows {
			sum += n
		}
		if _, made := rows["texts_2024_11"]; len(p.read(ids)) != 120 || sum != 120 || !made {
			t.Errorf("%d InMails, and texts in %v; want 120", len(p.read(ids)), rows)
		}
	})
	t.Run("after_one_that_was_cut_off", func(t *testing.T) {
		p := newParted(t, may)
		p.sentAt(may, 3)
		p.put("ALTER TABLE texts_other ADD CONSTRAINT texts_until CHECK (inmail < '" + string(idAt(may.AddDate(0, 0, 1))) + "') NOT VALID")
		p.keep(record.Upkeep{Now: may, Months: 1, Large: true})
		p.sentAt(may.AddDate(0, 1, 20), 2)
		p.wants("converted", map[string]int{"texts_until_2024_07": 5, "texts_other": 0})
	})
	t.Run("without_the_right", func(t *testing.T) {
		p := newParted(t, may)
		role := "worker_" + uuid.NewString()[:8]
		recordtest.Admin(t, fmt.Sprintf("CREATE ROLE %s LOGIN", role))
		t.Cleanup(func() {
			u, _ := url.Parse(p.cfg.URL)
			recordtest.Admin(t, "DROP DATABASE "+strings.Trim(u.Path, "/")+" WITH (FORCE)")
			recordtest.Admin(t, "DROP ROLE "+role)
		})
		p.put("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO " + role)
		p.put("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO " + role)
		p.sentAt(may, 1)
		cfg := p.cfg
		u, _ := url.Parse(cfg.URL)
		u.User = url.User(role)
		cfg.URL = u.String()
		worker := open(t, cfg)
		advice, err := record.Upkeep{Now: may, Months: 3, Large: true}.Run(t.Context(), worker)
		if err != nil || !strings.Contains(advice, "run: inmail migrate") {
			t.Errorf("advice %q, %v", advice, err)
		}
		p.keep(record.Upkeep{Now: may, Months: 12, Large: true})
		if advice, err := (record.Upkeep{Now: may, Months: 3, Large: true}).Run(t.Context(), worker); err != nil || advice != "" {
			t.Errorf("made by the owner: advice %q, %v", advice, err)
		}
		p.rec = worker // the rights on the table hold for its new partitions
		if ids := p.sentAt(may.AddDate(0, 6, 0), 2); len(p.read(ids)) != 2 {
			t.Error("the worker cannot write into a new partition")
		}
	})
}

// put runs a statement.
func (p *parted) put(statement string) {
	p.b.Helper()
	execute(p.b, p.cfg.URL, statement)
}

// TestMigrateTexts checks that a record whose texts are one table has them in a partition after it was
// migrated, with the rights on the table, and reads the same.
func TestMigrateTexts(t *testing.T) {
	onVersion(t, 25, func(t *testing.T, o *old) {
		ms, _ := histories(t)
		var ids []domain.ID
		for i, m := range ms {
			if m.Status != domain.Queued {
				o.put15(i+1, m, nil)
				ids = append(ids, m.ID)
			}
		}
		o.put(fmt.Sprintf("UPDATE texts SET decline_reason = 'No' WHERE inmail = '%s'", ids[3]))
		if o.cfg.Postgres() {
			o.put("GRANT SELECT ON texts TO PUBLIC")
		}
		var served *pgx.Conn // of an earlier program that goes on meanwhile, with statements that it has prepared
		const read, write = `SELECT body FROM texts WHERE inmail = $1`, `INSERT INTO texts (inmail, subject, preview, body) VALUES ($1, '', '', 'x')`
		if o.cfg.Postgres() {
			var err error
			if served, err = pgx.Connect(t.Context(), o.cfg.URL); err != nil {
				t.Fatal(err)
			}
			defer served.Close(context.Background())
			if _, err := served.Exec(t.Context(), write, oldID(90)); err != nil {
				t.Fatal(err)
			}
		}
		rec := o.open()
		if served != nil {
			var body string
			if err := served.QueryRow(t.Context(), read, ids[0]).Scan(&body); err != nil || body != "Body" {
				t.Errorf("an earlier program reads %q, %v", body, err)
			}
			if _, err := served.Exec(t.Context(), write, oldID(91)); err != nil {
				t.Errorf("an earlier program writes: %v", err)
			}
		}
		var found map[domain.ID]*domain.InMail
		if err := rec.View(t.Context(), func(tx mailroom.Tx) (err error) { found, err = tx.InMails(ids); return err }); err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			if m := found[id]; m == nil || m.Subject != "Subject" || m.Body != "Body" || m.Preview != "Body" || (m.DeclineReason == "No") != (id == ids[3]) {
				t.Errorf("%s reads as %+v", id, m)
			}
		}
		if !o.cfg.Postgres() {
			return
		}
		db, err := record.MigrateTo(t.Context(), o.cfg, 26) // it is there already
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var kind string
		var granted bool
		err = db.QueryRow(`SELECT relkind::text, 'texts'::regclass::oid IN (SELECT c.oid FROM pg_class c, aclexplode(c.relacl) a
			WHERE a.grantee = 0 AND a.privilege_type = 'SELECT') FROM pg_class WHERE oid = 'texts'::regclass`).Scan(&kind, &granted)
		if err != nil || kind != "p" || !granted {
			t.Errorf("texts is %q, everybody may read %v: %v", kind, granted, err)
		}
	})
}

// dropPartitions checks that a month whose texts are all old is dropped as a whole, none too early, and reads
// as one whose texts were emptied row by row.
func dropPartitions(t *testing.T) {
	p := newParted(t, may)
	p.keep(record.Upkeep{Now: may, Months: 3})
	old, late, next := p.sentAt(may, 4), []domain.ID(nil), p.sentAt(may.AddDate(0, 1, 0), 2)
	drop := func(before time.Time) {
		t.Helper()
		p.keep(record.Upkeep{Now: p.now, Months: 0, Before: before})
	}
	june := time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)
	drop(june.Add(-time.Millisecond))
	p.wants("the month is not over", map[string]int{"texts_2024_05": 4, "texts_2024_06": 2, "texts_2024_07": 0, "texts_2024_08": 0, "texts_other": 0})

	// One of May waits, and then is decided in July.
	id := idAt(may)
	p.now = may
	m, receipt := domain.New(domain.InMail{ID: id, Sender: "s1", Recipient: "r1", Subject: "Late", Body: "Body", AccountType: domain.Recruiter}, may)
	p.update(func(tx mailroom.Tx) error { return tx.Insert([]*domain.InMail{m}, []domain.Receipt{receipt}) })
	drop(june)
	if n := p.rows()["texts_2024_05"]; n != 5 {
		t.Errorf("%d texts are left of a month in which one waits", n)
	}
	p.now = may.AddDate(0, 2, 0)
	late = append(late, id)
	p.deliver(late)
	drop(june)
	if n := p.rows()["texts_2024_05"]; n != 5 {
		t.Errorf("%d texts are left of a month of which one is young", n)
	}

	var pushed int
	p.update(func(tx mailroom.Tx) error { // all are in the CRM
		pushes, err := tx.ClaimUnsynced(stockCRM, 100, time.Minute)
		var answers []domain.PushAnswer
		for _, push := range pushes {
			a := domain.PushAnswer{Link: push.Link}
			a.Link.PushedVersion = push.InMail.Version
			answers = append(answers, a)
		}
		pushed = len(pushes)
		return errors.Join(err, tx.StoreAnswers(stockCRM, answers, make([]time.Time, len(answers))))
	})
	before := p.now.Add(domain.Window + 2*24*time.Hour)
	p.now = before.AddDate(0, 0, 1)
	drop(before)
	p.wants("dropped", map[string]int{"texts_2024_07": 0, "texts_2024_08": 0, "texts_other": 0})
	found := p.read(slices.Concat(old, late, next))
	for id, m := range found {
		if m.Subject+m.Body+m.Preview+m.DeclineReason != "" || m.Status != domain.Sent {
			t.Errorf("%s reads as %+v", id, m)
		}
	}
	if len(found) != 7 || pushed != 7 {
		t.Errorf("%d InMails are left, %d were pushed; want 7", len(found), pushed)
	}
	p.view(func(tx mailroom.Tx) error { // lists have them, too
		inbox, err := tx.InboxOf("r1", mailroom.Filter{}, mailroom.Page{Limit: 50})
		if err == nil && len(inbox) != 0 { // their windows are over
			err = fmt.Errorf("the inbox has %d", len(inbox))
		}
		sent, listed := tx.SentBy("s1", mailroom.Filter{}, mailroom.Page{Limit: 50})
		if listed == nil && len(sent) != 3 {
			listed = fmt.Errorf("s1 sent %d", len(sent))
		}
		return errors.Join(err, listed)
	})
	p.update(func(tx mailroom.Tx) error { // the sweep passes them, and the texts leave the CRM
		n, err := tx.DropTexts(before, 100)
		if err == nil && n != 7 {
			err = fmt.Errorf("the sweep passed %d", n)
		}
		return err
	})
	p.update(func(tx mailroom.Tx) error {
		pushes, err := tx.ClaimUnsynced(stockCRM, 100, time.Minute)
		for _, push := range pushes {
			if push.InMail.Subject+push.InMail.Body != "" {
				t.Errorf("%s goes to the CRM with its texts", push.InMail.ID)
			}
		}
		if err == nil && len(pushes) != 7 {
			err = fmt.Errorf("%d are due", len(pushes))
		}
		return err
	})
	young := p.sentAt(may.Add(time.Hour), 1) // of a clock that is late
	if m := p.read(young)[young[0]]; m == nil || m.Body != "Body" {
		t.Errorf("one of a dropped month reads as %+v", m)
	}
}

var ofPartition = regexp.MustCompile(`Scan.* on texts_(\w+)`)

// TestPartitionsOfPlans checks that what is done every second reads and writes the partitions of its InMails
// alone, with plans for any arguments, when there are two years of months.
func TestPartitionsOfPlans(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		p := newParted(t, may)
		p.keep(record.Upkeep{Now: may, Months: 23})
		first, last := p.sentAt(may, 30), p.sentAt(may.AddDate(0, 20, 0), 30)
		p.put("ANALYZE")
		some := slices.Concat(first[:10], last[:10])
		queued, page := idAt(p.now), mailroom.Page{Limit: 20}
		for _, c := range []struct {
			what string
			run  func(tx mailroom.Tx) error
			want []string // the months that are touched
		}{
			{"one", func(tx mailroom.Tx) error { _, err := tx.InMails(first[:1]); return err }, []string{"2024_05"}},
			{"some", func(tx mailroom.Tx) error { _, err := tx.InMails(some); return err }, []string{"2024_05", "2026_01"}},
			{"locked", func(tx mailroom.Tx) error { _, err := tx.LockInMails(some); return err }, []string{"2024_05", "2026_01"}},
			{"inbox", func(tx mailroom.Tx) error { _, err := tx.InboxOf("r1", mailroom.Filter{}, page); return err }, []string{"2026_01"}},
			{"sent", func(tx mailroom.Tx) error { _, err := tx.SentBy("s1", mailroom.Filter{}, page); return err }, []string{"2024_05", "2026_01"}},
			{"a push", func(tx mailroom.Tx) error { _, err := tx.ClaimUnsynced(stockCRM, 20, time.Minute); return err }, []string{"2024_05"}},
			{"retention", func(tx mailroom.Tx) error { _, err := tx.DropTexts(p.now, 20); return err }, []string{"2024_05"}},
			{"a delivery", func(tx mailroom.Tx) error {
				m, receipt := domain.New(domain.InMail{ID: queued, Sender: "s1", Recipient: "r1", Body: "Body", AccountType: domain.Recruiter}, p.now)
				err := tx.Insert([]*domain.InMail{m}, []domain.Receipt{receipt})
				_, claimed := tx.ClaimQueued([]domain.ID{queued})
				return errors.Join(err, claimed)
			}, []string{"2026_01"}},
		} {
			p.now = may.AddDate(0, 20, 1)
			executed, err := record.Executed(t.Context(), p.rec, c.run)
			if err != nil {
				t.Fatalf("%s: %v", c.what, err)
			}
			months := map[string]bool{}
			for _, lines := range executed {
				for _, line := range lines {
					if m := ofPartition.FindStringSubmatch(line); m != nil {
						months[m[1]] = true
					}
				}
			}
			if got := slices.Sorted(maps.Keys(months)); !slices.Equal(got, c.want) || len(executed) == 0 {
				t.Errorf("%s touches %v in %d statements, want %v", c.what, got, len(executed), c.want)
			}
		}
	})
}
