package record_test

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/connectors/record"
	"inmail/connectors/record/recordtest"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// old is a record of the version before there were several CRMs, with a clock that stands still.
type old struct {
	t   *testing.T
	cfg record.Config
	db  *sql.DB
	now time.Time
}

func (o *old) Now() time.Time { return o.now }

// onOld runs a test on both engines.
func onOld(t *testing.T, test func(t *testing.T, o *old)) {
	for name, place := range map[string]func() record.Config{
		"sqlite":   func() record.Config { return sqliteConfig(t) },
		"postgres": func() record.Config { c := record.Default(); c.URL = recordtest.EmptyDatabase(t, ""); return c },
	} {
		t.Run(name, func(t *testing.T) {
			o := &old{t: t, cfg: place(), now: time.UnixMilli(9000).UTC()}
			var err error
			if o.db, err = record.MigrateTo(t.Context(), o.cfg, 2); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { o.db.Close() })
			test(t, o)
		})
	}
}

// put runs a statement of the earlier version; texts and numbers are written out.
func (o *old) put(statement string) {
	o.t.Helper()
	if _, err := o.db.ExecContext(o.t.Context(), statement); err != nil {
		o.t.Fatalf("%s: %v", statement, err)
	}
}

func oldID(n int) domain.ID {
	return domain.ID(fmt.Sprintf("019abf5e-8c00-7a31-9c55-0000000000%02d", n))
}

// inmail stores an InMail that was sent; unsynced and due are NULL or times.
func (o *old) inmail(n int, version int, unsynced, due, lead, contact, account string) {
	o.t.Helper()
	o.put(fmt.Sprintf(`INSERT INTO inmails (id, accepted_at, sent_at, expires_at, unsynced_at, push_at, version, seq, replies, words, undone, in_inbox,
		sender, recipient, status, reason, account_type, category, tags, advice, lead_id, contact_id, account_id)
		VALUES ('%s', %d, 200, 700, %s, %s, %d, 2, 0, 9, FALSE, TRUE, 'ada', 'bob', 'sent', '', 'recruiter', '', '', '', '%s', '%s', '%s')`,
		oldID(n), 100+n, unsynced, due, version, lead, contact, account))
	o.put(fmt.Sprintf(`INSERT INTO texts (inmail, subject, preview, body) VALUES ('%s', 'Subject', 'Body', 'Body')`, oldID(n)))
}

func (o *old) state(name, value string) {
	o.t.Helper()
	blob := "'" + value + "'"
	if !o.cfg.Postgres() {
		blob = "CAST(" + blob + " AS BLOB)"
	}
	o.put(fmt.Sprintf(`INSERT INTO state (name, value) VALUES ('%s', %s)`, name, blob))
}

// open opens the record with this version.
func (o *old) open() *record.Record {
	o.t.Helper()
	o.db.Close()
	rec, err := record.Open(o.t.Context(), o.cfg, o)
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(rec.Close)
	return rec
}

// TestMigrateToSeveralCRMs makes a record of the version with one CRM, with links in every state, and checks
// that the migration keeps them all.
func TestMigrateToSeveralCRMs(t *testing.T) {
	const crm domain.CRM = "salesforce"
	onOld(t, func(t *testing.T, o *old) {
		const lead, contact, account = "00Q5g00000AbCdEEAV", "0035g00000AbCdEAAV", "0015g00000AbCdE"
		link := func(n int, columns string) {
			o.put(fmt.Sprintf(`INSERT INTO crm_links (inmail, leased_until, wanted_version, pushed_version, pushed_seq, attempts, failed_at,
				sent_task, replied_task, dead, record_id, match_state, lead_id, contact_id, account_id, class, detail) VALUES ('%s', %s)`, oldID(n), columns))
		}
		o.inmail(1, 3, "NULL", "NULL", "", "", "") // pushed and in sync
		link(1, `0, 3, 3, 2, 0, NULL, TRUE, TRUE, FALSE, 'a0X1', 'Matched', '', '`+contact+`', '`+account+`', '', ''`)
		o.inmail(2, 3, "500", "8000", "", "", "") // failed, and goes again
		link(2, `0, 3, 2, 1, 4, 600, TRUE, FALSE, FALSE, 'a0X2', 'Matched', '`+lead+`', '', '', 'locked', 'UNABLE_TO_LOCK_ROW'`)
		o.inmail(3, 3, "500", "NULL", "", "", "") // a dead letter
		link(3, `0, 3, 0, 0, 1, 601, FALSE, FALSE, TRUE, '', 'Unmatched', '', '', '', 'bad_data', 'FIELD_CUSTOM_VALIDATION_EXCEPTION: X__c'`)
		o.inmail(9, 3, "505", "NULL", "", "", "") // its second Task is a dead letter
		link(9, `0, 3, 3, 2, 1, 602, TRUE, FALSE, TRUE, 'a0X9', 'Matched', '`+lead+`', '', '', 'bad_data', 'REQUIRED_FIELD_MISSING (Outcome__c)'`)
		o.inmail(4, 3, "510", "510", "", "", "") // leased by a worker, for a while yet
		link(4, `9500, 2, 0, 0, 0, NULL, FALSE, FALSE, FALSE, '', '', '', '', '', '', ''`)
		o.inmail(5, 2, "520", "520", "", "", "") // never claimed
		o.inmail(6, 2, "530", "530", lead, "", account)
		o.inmail(7, 2, "540", "540", "", contact, "")
		for name, value := range map[string]string{
			"crm_pause": `{"why":"operator","since":"2026-11-23T09:00:00Z","until":"0001-01-01T00:00:00Z"}`, "crm_budget": `{"used":7,"max":100}`,
			"crm_drift": `{"at":"2026-11-22T03:00:00Z","kinds":{"edited":2}}`, "crm_run_backfill": `{"id":"r1","backfilled":{"inmails":3,"tasks":2}}`,
			"crm_run_reconcile_dry_run": `{"id":"r2"}`, "crm_reconcile": `{"after":"a"}`, "crm_backfill": `{"job_id":"750"}`, "forgetting": `[{"salt":"AA=="}]`,
			"lease_crm_write": `{"by":"x"}`, "lease_crm_backfill": `{"by":"x"}`, "leases": `crm_write`, "turn_crm_write": `{"by":"x"}`, "turns": `crm_write`,
			"confirm_key": `0123`, "anchor_day": `1`,
		} {
			o.state(name, value)
		}

		rec := o.open()
		var links map[domain.ID]map[domain.CRM]domain.Link
		var failures []domain.Link
		var backlog mailroom.Backlog
		var crms []mailroom.ConnectedCRM
		var inmails map[domain.ID]*domain.InMail
		states := map[string]string{}
		all := []domain.ID{oldID(1), oldID(2), oldID(3), oldID(4), oldID(5), oldID(6), oldID(7), oldID(9)}
		err := rec.View(t.Context(), func(tx mailroom.Tx) (err error) {
			var errs [5]error
			links, errs[0] = tx.Links(all)
			failures, errs[1] = tx.Failures(crm, mailroom.Page{Limit: 10})
			backlog, errs[2] = tx.Backlog(crm)
			crms, errs[3] = tx.CRMs()
			inmails, errs[4] = tx.InMails(all)
			for _, name := range []string{"pause", "budget", "drift", "run_backfill", "run_reconcile_dry_run", "own_reconcile", "own_backfill", "forgetting"} {
				value, err := tx.State("crm:salesforce:" + name)
				if err != nil {
					return err
				}
				states[name] = string(value)
			}
			return errors.Join(errs[:]...)
		})
		if err != nil {
			t.Fatal(err)
		}
		at := func(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
		want := map[domain.ID]map[domain.CRM]domain.Link{
			oldID(1): {crm: {InMail: oldID(1), CRM: crm, RecordID: "a0X1", Match: domain.Matched, PushedVersion: 3, PushedSeq: 2,
				Parents: domain.ForeignIDs{"contact_id": contact, "account_id": account}, Notes: map[string]string{"sent_task": "there", "replied_task": "there"}}},
			oldID(2): {crm: {InMail: oldID(2), CRM: crm, RecordID: "a0X2", Match: domain.Matched, PushedVersion: 2, PushedSeq: 1, Attempts: 4, Class: domain.Locked,
				Detail: "UNABLE_TO_LOCK_ROW", FailedAt: at(600), Parents: domain.ForeignIDs{"lead_id": lead}, Notes: map[string]string{"sent_task": "there"},
				Failures: map[string]domain.Failure{"record": {Class: domain.Locked, Detail: "UNABLE_TO_LOCK_ROW", Attempts: 4, FailedAt: at(600)}}}},
			oldID(3): {crm: {InMail: oldID(3), CRM: crm, Match: domain.Unmatched, Attempts: 1, Class: domain.BadData,
				Detail: "FIELD_CUSTOM_VALIDATION_EXCEPTION: X__c", FailedAt: at(601), Dead: true,
				Failures: map[string]domain.Failure{"record": {Class: domain.BadData, Detail: "FIELD_CUSTOM_VALIDATION_EXCEPTION: X__c", Attempts: 1, FailedAt: at(601), Dead: true}}}},
			oldID(9): {crm: {InMail: oldID(9), CRM: crm, RecordID: "a0X9", Match: domain.Matched, PushedVersion: 3, PushedSeq: 2, Attempts: 1, Class: domain.BadData,
				Detail: "REQUIRED_FIELD_MISSING (Outcome__c)", FailedAt: at(602), Dead: true, Parents: domain.ForeignIDs{"lead_id": lead}, Notes: map[string]string{"sent_task": "there"},
				Failures: map[string]domain.Failure{"replied_task": {Object: "Task", Class: domain.BadData, Detail: "REQUIRED_FIELD_MISSING (Outcome__c)", Attempts: 1, FailedAt: at(602), Dead: true}}}},
			oldID(4): {crm: {InMail: oldID(4), CRM: crm}}, oldID(5): {crm: {InMail: oldID(5), CRM: crm}},
			oldID(6): {crm: {InMail: oldID(6), CRM: crm}}, oldID(7): {crm: {InMail: oldID(7), CRM: crm}},
		}
		if diff := cmp.Diff(want, links); diff != "" {
			t.Errorf("links (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]domain.Link{want[oldID(9)][crm], want[oldID(3)][crm], want[oldID(2)][crm]}, failures); diff != "" {
			t.Errorf("failures (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(mailroom.Backlog{Unsynced: 5, OldestUnsynced: at(500), Dead: map[domain.FailureClass]int{domain.BadData: 2}}, backlog); diff != "" {
			t.Errorf("backlog (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]mailroom.ConnectedCRM{{Name: crm, Since: at(101), Linked: true}}, crms); diff != "" {
			t.Errorf("CRMs (-want +got):\n%s", diff)
		}
		named := map[domain.ID]domain.CRMIDs{}
		for id, m := range inmails {
			if m.CRM != nil {
				named[id] = m.CRM
			}
		}
		if diff := cmp.Diff(map[domain.ID]domain.CRMIDs{oldID(6): {crm: {"lead_id": lead, "account_id": account}}, oldID(7): {crm: {"contact_id": contact}}}, named); diff != "" {
			t.Errorf("ids that senders named (-want +got):\n%s", diff)
		}
		for name, part := range map[string]string{"pause": "operator", "budget": `"max":100`, "drift": `"edited":2`, "run_backfill": `"tasks":2`,
			"run_reconcile_dry_run": "r2", "own_reconcile": `"after"`, "own_backfill": "750", "forgetting": "salt"} {
			if !strings.Contains(states[name], part) {
				t.Errorf("the state %s is %q", name, states[name])
			}
		}
		if diff := cmp.Diff("anchor_day, confirm_key", o.otherStates()); diff != "" {
			t.Errorf("states beside (-want +got):\n%s", diff)
		}

		// Links that were due or leased still are, and new or changed InMails are due.
		var claimed []domain.ID
		claim := func() {
			claimed = nil
			err := rec.Update(t.Context(), func(tx mailroom.Tx) error {
				pushes, err := tx.ClaimUnsynced(crm, 100, time.Minute)
				for _, p := range pushes {
					claimed = append(claimed, p.InMail.ID)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		claim()
		if diff := cmp.Diff([]domain.ID{oldID(5), oldID(6), oldID(7), oldID(2)}, claimed); diff != "" {
			t.Errorf("due (-want +got):\n%s", diff)
		}
		o.now = at(9500)
		m, receipt := domain.New(domain.InMail{ID: oldID(8), Sender: "ada", Recipient: "bob", AccountType: domain.Recruiter}, o.now)
		err = rec.Update(t.Context(), func(tx mailroom.Tx) error {
			was := inmails[oldID(1)]
			changed := *was
			changed.Version++
			return errors.Join(tx.Insert([]*domain.InMail{m}, []domain.Receipt{receipt}),
				tx.Save([]mailroom.Change{{InMail: &changed, FromStatus: was.Status, FromVersion: was.Version}}))
		})
		if err != nil {
			t.Fatal(err)
		}
		claim()
		if len(claimed) != 3 || claimed[0] != oldID(4) { // its lease is over; the other two are due at once
			t.Errorf("later due: %v", claimed)
		}
	})
}

// otherStates returns the names of the states that belong to no CRM.
func (o *old) otherStates() string {
	o.t.Helper()
	db, err := record.MigrateTo(o.t.Context(), o.cfg, 3) // it is there already
	if err != nil {
		o.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(o.t.Context(), `SELECT name FROM state WHERE substr(name, 1, 4) <> 'crm:' ORDER BY name`)
	if err != nil {
		o.t.Fatal(err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			o.t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		o.t.Fatal(err)
	}
	return strings.Join(names, ", ")
}

// TestMigrateWithoutACRM checks that a record that never had a CRM serves none until one is connected.
func TestMigrateWithoutACRM(t *testing.T) {
	onOld(t, func(t *testing.T, o *old) {
		o.inmail(1, 2, "500", "500", "", "", "")
		o.state("confirm_key", "0123")
		rec := o.open()
		var links map[domain.ID]map[domain.CRM]domain.Link
		err := rec.Update(t.Context(), func(tx mailroom.Tx) error {
			crms, err := tx.CRMs()
			if err != nil || len(crms) != 0 {
				return fmt.Errorf("connected are %v, %w", crms, err)
			}
			if links, err = tx.Links([]domain.ID{oldID(1)}); err != nil || len(links) != 0 {
				return fmt.Errorf("links are %v, %w", links, err)
			}
			if err := tx.ConnectCRM("salesforce"); err != nil {
				return err
			}
			if _, err := tx.LinkInMails("salesforce", 10); err != nil {
				return err
			}
			links, err = tx.Links([]domain.ID{oldID(1)})
			return err
		})
		if err != nil || len(links) != 1 {
			t.Errorf("%v, %v", links, err)
		}
	})
}

// TestMigrateKeys checks that the migration frees the idempotency keys of refused sends and keeps those of
// accepted ones (R28), and that what was there has the new columns empty (R63–R65).
func TestMigrateKeys(t *testing.T) {
	onOld(t, func(t *testing.T, o *old) {
		o.inmail(1, 3, "NULL", "NULL", "", "", "")
		o.put(`INSERT INTO members (id, name, headline, photo_url, company, email, profile_shared, profile_visible, accepts_inmail, account_type,
			plan, anchor_day, team, skills, created_at) VALUES ('ada', 'Ada', '', '', '', '', TRUE, TRUE, TRUE, 'recruiter', 'recruiter_25', 0, '', '', 1)`)
		const digest = `'01234567890123456789012345678901'`
		o.put(fmt.Sprintf(`INSERT INTO answers (sender, key, digest, inmail, body, at) VALUES ('ada', '%x', %s, '%s', '{}', 8000)`, sha256.Sum256([]byte("accepted")), digest, oldID(1)))
		o.put(fmt.Sprintf(`INSERT INTO answers (sender, key, digest, inmail, body, at) VALUES ('ada', '%x', %s, NULL, '{}', 8000)`, sha256.Sum256([]byte("refused")), digest))
		o.put(fmt.Sprintf(`INSERT INTO replies (id, inmail, at, read_at, from_member, to_member, body) VALUES ('%s', '%s', 300, NULL, 'bob', 'ada', 'yes')`,
			oldID(2), oldID(1)))

		rec := o.open()
		err := rec.Update(t.Context(), func(tx mailroom.Tx) error {
			keys := []mailroom.AnswerKey{mailroom.NewAnswerKey("ada", "accepted"), mailroom.NewAnswerKey("ada", "refused")}
			answers, err := tx.FirstAnswers(keys, time.Hour)
			if err != nil {
				return err
			}
			if answers[0] == nil || answers[0].InMail != oldID(1) || answers[1] != nil {
				t.Errorf("under the keys: %+v", answers)
			}
			again := mailroom.Answer{AnswerKey: keys[1], InMail: oldID(3), Body: []byte("{}"), At: o.now}
			if err := tx.PutAnswers([]mailroom.Answer{again}); err != nil {
				return err
			}
			inmails, err := tx.InMails([]domain.ID{oldID(1)})
			if err != nil {
				return err
			}
			if m := inmails[oldID(1)]; !m.DeclinedAt.IsZero() || !m.CreditedAt.IsZero() || m.Automatic != 0 || m.DeclineReason != "" {
				t.Errorf("the InMail is %+v", m)
			}
			reply, err := tx.Reply(oldID(1), oldID(2))
			if err != nil {
				return err
			}
			members, err := tx.Members([]domain.MemberID{"ada"})
			if err != nil {
				return err
			}
			if reply == nil || reply.Automatic || members["ada"].MaxWeek != 0 {
				t.Errorf("the reply is %+v, the member wants %d", reply, members["ada"].MaxWeek)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
