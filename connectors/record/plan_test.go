package record_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"inmail/connectors/record"
	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/spam"
)

// TestPlans checks that lists and sweeps cost the same at ten thousand InMails and at ten million: they read
// an index in its order, and no statement of a request or a job reads a whole growing table.
func TestPlans(t *testing.T) {
	for name, config := range map[string]func(testing.TB) record.Config{"sqlite": sqliteConfig, "postgres": postgresConfig} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			s := newStock(t, cfg)
			ids := s.fill()
			s.update(func(tx mailroom.Tx) error { return tx.ConnectCRM("second") })
			if cfg.Postgres() {
				execute(t, cfg.URL, "ANALYZE")
			} else if _, err := direct(t, cfg).Exec("ANALYZE"); err != nil {
				t.Fatal(err)
			}
			cursor := mailroom.Cursor{At: s.now, ID: string(ids[0])}
			first, next := mailroom.Page{Limit: 50}, mailroom.Page{Limit: 50, After: cursor}
			for what, run := range map[string]func(tx mailroom.Tx) error{
				"lists": func(tx mailroom.Tx) error {
					var errs []error
					for _, p := range []mailroom.Page{first, next} {
						filters := []mailroom.Filter{{}, {Tag: "hiring"}, {ExpiresBefore: s.now}}
						for _, status := range domain.Statuses() {
							filters = append(filters, mailroom.Filter{Status: status})
						}
						for _, f := range filters {
							_, sent := tx.SentBy("s7", f, p)
							_, inbox := tx.InboxOf("r7", f, p)
							errs = append(errs, sent, inbox)
						}
						_, replies := tx.Replies(ids[0], p)
						_, audit := tx.Audit(mailroom.AuditFilter{}, p)
						_, decisions := tx.Audit(mailroom.AuditFilter{Sender: "s7"}, p)
						_, failures := tx.Failures(stockCRM, p)
						named := p
						if p.After != (mailroom.Cursor{}) {
							named.After = mailroom.Cursor{ID: "name" + mailroom.NameCursor + "r7"}
						}
						_, members := tx.FindMembers(mailroom.MemberFilter{Visible: true}, named)
						errs = append(errs, replies, audit, decisions, failures, members)
					}
					return errors.Join(errs...)
				},
				"sweeps": func(tx mailroom.Tx) error {
					_, next := tx.NextExpiry()
					if next != nil {
						return next
					}
					_, due := tx.ExpireDue(1000)
					_, queued := tx.QueuedBefore(s.now, 500)
					_, after := tx.PushesAfter(stockCRM, ids[0], 500)
					_, texts := tx.DropTexts(s.now.Add(-time.Hour), 500)
					_, link := tx.LinkInMails("second", 500)
					events, read := tx.Events(0, 1<<62, 200)
					_, since := tx.EventsSince(s.now.Add(-time.Hour))
					_, expiring := tx.Expiring(mailroom.ExpiringPlace{ExpiresAt: s.now, ID: ids[0]}, 24*time.Hour, 500, true)
					_, _, dropped := tx.DropEvents(s.now.Add(-time.Hour), 500)
					_, audit := tx.DropAudit(s.now.Add(-time.Hour), s.now.Add(-2*time.Hour), 500)
					_, answers := tx.DropAnswers(time.Hour, 500)
					if len(events) != 200 {
						return fmt.Errorf("%d events: %w", len(events), read)
					}
					return errors.Join(due, queued, after, texts, link, since, expiring, dropped, audit, answers)
				},
				"lookups": func(tx mailroom.Tx) error {
					_, reported := tx.Reported(s.now.Add(-time.Hour), 1000)
					if reported != nil {
						return reported
					}
					some := ids[:20]
					_, inmails := tx.InMails(some)
					locked, lock := tx.LockInMails(some)
					_, claim := tx.ClaimQueued(some)
					_, unread := tx.Unread("r7")
					_, counted := tx.CountSent("s7", "hiring", 100)
					_, receipts := tx.Receipts(ids[0])
					_, links := tx.Links(some)
					_, previewed := tx.SetPreviewed(some)
					_, members := tx.Members([]domain.MemberID{"s7", "r7"})
					_, found := tx.FindMembers(mailroom.MemberFilter{Words: []string{"zzz", "na"}, Visible: true}, first)
					if found != nil {
						return found
					}
					_, accounts := tx.Accounts([]domain.MemberID{"s7", "s8"}, 1, true, func(string) int { return 10 })
					_, flights := tx.InFlight([]domain.MemberID{"s7", "s8"})
					_, between := tx.Pairs([]mailroom.Pair{{From: "s7", To: "r7"}, {From: "s8", To: "r7"}})
					_, signals := tx.Signals([]domain.MemberID{"s7", "s8"}, spam.DefaultLimits())
					_, prints := tx.Sends("s7", s.now.Add(-time.Hour))
					_, answers := tx.FirstAnswers([]mailroom.AnswerKey{mailroom.NewAnswerKey("s7", "k")}, time.Hour)
					_, retry := tx.RetryDead(stockCRM, ids[0], "")
					strike := tx.Strike([]mailroom.Strike{{Member: "s7", At: s.now, Since: s.now.Add(-time.Hour)}})
					if strike != nil {
						return strike
					}
					m := locked[ids[0]]
					before := m.Version
					m.Version++
					return errors.Join(inmails, lock, claim, unread, counted, receipts, links, previewed, members, accounts, flights, between, signals, prints,
						answers, retry, tx.MarkRead(ids[0], "s7"), tx.Resync(stockCRM, some), tx.Resync("", some), tx.ExtendLeases(stockCRM, some, time.Minute),
						tx.Postpone(stockCRM, some, s.now), tx.FreeLeases(),
						tx.Save([]mailroom.Change{{InMail: m, FromStatus: m.Status, FromVersion: before}}))
				},
				"pushes": func(tx mailroom.Tx) error {
					pushes, err := tx.ClaimUnsynced(stockCRM, 20, time.Minute)
					if err != nil || len(pushes) != 20 {
						return errors.Join(err, fmt.Errorf("claimed %d", len(pushes)))
					}
					var answers []domain.PushAnswer
					for i, p := range pushes {
						a := domain.PushAnswer{Link: p.Link}
						if i%2 == 0 {
							a.Class = domain.Locked
						}
						answers = append(answers, a)
					}
					_, backlog := tx.Backlog(stockCRM)
					return errors.Join(backlog, tx.StoreAnswers(stockCRM, answers, make([]time.Time, len(answers))))
				},
				"erasure": func(tx mailroom.Tx) error {
					_, _, err := tx.EraseMember("s7", 500)
					_, after := tx.ErasedAfter(stockCRM, ids[0], 500)
					return errors.Join(err, after)
				},
			} {
				plans, err := record.Plans(t.Context(), s.rec, run)
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				for sql, lines := range plans {
					// The rows of ids that are given are locked in the order of the ids, which no index
					// holds.
					given := strings.HasSuffix(sql, "unnest($1::uuid[])) ORDER BY i.id FOR UPDATE") ||
						strings.Contains(sql, " FROM waiting i JOIN ") // what waits of a sender is bounded by its allowance
					for _, line := range lines {
						if fault := faultOf(line, !given && (what == "lists" || what == "sweeps")); fault != "" {
							t.Errorf("%s: %s:\n%s\n%s", what, fault, sql, strings.Join(lines, "\n"))
							break
						}
					}
				}
			}
		})
	}
}

var (
	growing = `(inmails|texts|replies|receipts|crm_links|audit|answers|names|member_words|events|strikes)`
	// PostgreSQL: Seq Scan on inmails i; SQLite: SCAN i, or SCAN i USING INDEX …, which reads the whole
	// index. A partial index may be read as a whole, since it has only the waiting rows.
	scansAll = regexp.MustCompile(`Seq Scan on ` + growing + `|^SCAN ` + growing + `$|^SCAN [ilpx]$`)
	sortsAll = regexp.MustCompile(`^\s*(->)?\s*Sort  |USE TEMP B-TREE FOR ORDER BY`)
)

// faultOf returns what is wrong with a step of a plan; "" when nothing is. A list or a sweep may sort the
// rows of one millisecond, and no more.
func faultOf(line string, ordered bool) string {
	switch {
	case scansAll.MatchString(line):
		return "reads a whole table"
	case ordered && sortsAll.MatchString(line):
		return "sorts what an index holds in order"
	}
	return ""
}

// fill stores InMails in every state, with their receipts, replies and links, and returns the ids of some.
func (s *stock) fill() (ids []domain.ID) {
	due := s.now.Add(domain.Window + 3*24*time.Hour) // when a third of them has expired
	for round := range 20 {
		some := s.insert(500)
		if round < 18 {
			s.deliver(some)
		}
		ids = append(ids, some...)
		s.now = s.now.Add(12 * time.Hour)
	}
	s.now = due
	s.expire(1000)
	s.update(func(tx mailroom.Tx) error {
		var replies []*domain.Reply
		var entries []mailroom.AuditEntry
		var answers []mailroom.Answer
		for i, id := range ids {
			from, to := domain.MemberID(fmt.Sprintf("r%d", i%stockMembers)), domain.MemberID(fmt.Sprintf("s%d", i%stockMembers))
			replies = append(replies, &domain.Reply{ID: domain.ID(uuid.Must(uuid.NewV7()).String()), InMail: id, From: from, To: to, At: s.now, Body: "yes"})
			entries = append(entries, mailroom.AuditEntry{ID: uuid.NewString(), At: s.now.Add(time.Duration(i) * time.Second), Kind: "send", Sender: to})
			answers = append(answers, mailroom.Answer{AnswerKey: mailroom.NewAnswerKey(to, string(id))})
		}
		return errors.Join(tx.InsertReplies(replies), tx.AppendAudit(entries), tx.PutAnswers(answers))
	})
	s.update(func(tx mailroom.Tx) error {
		pushes, err := tx.ClaimUnsynced(stockCRM, 9000, time.Minute)
		if err != nil {
			return err
		}
		var answered []domain.PushAnswer
		for i, p := range pushes {
			a := domain.PushAnswer{Link: p.Link}
			a.Link.PushedVersion = p.InMail.Version
			if i%10 == 0 {
				a.Class, a.Link.Class, a.Link.FailedAt, a.Link.Dead = domain.BadData, domain.BadData, s.now, true
			}
			answered = append(answered, a)
		}
		events := make([]mailroom.Event, len(ids))
		for i, id := range ids {
			events[i] = mailroom.Event{Kind: mailroom.InMailSent, InMail: id, Seq: 2}
		}
		return errors.Join(tx.AppendEvents(events), tx.StoreAnswers(stockCRM, answered, make([]time.Time, len(answered))))
	})
	return ids
}
