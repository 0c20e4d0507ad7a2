package record_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"inmail/connectors/record"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// BenchmarkInsert measures, as the other benchmarks do, what a group of work costs in the record
// alone, in InMails a second:
//
//	go test -run '^$' -bench . -benchtime 5s ./connectors/record
func BenchmarkInsert(b *testing.B) {
	eachEngine(b, func(b *testing.B, s *stock) {
		for _, group := range []int{1, 100, 500} {
			b.Run(fmt.Sprintf("groups_of_%d", group), func(b *testing.B) {
				for b.Loop() {
					s.insert(group)
				}
				perSecond(b, group)
			})
		}
	})
}

// BenchmarkDeliver is the transaction of a delivery: lock the senders, claim, save, spend,
// count.
func BenchmarkDeliver(b *testing.B) {
	eachEngine(b, func(b *testing.B, s *stock) {
		for _, group := range []int{1, 100, 500} {
			b.Run(fmt.Sprintf("groups_of_%d", group), func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					ids := s.insert(group)
					b.StartTimer()
					s.deliver(ids)
				}
				perSecond(b, group)
			})
		}
	})
}

// BenchmarkExpire is one step of the sweep: a thousand expired InMails and their counts.
func BenchmarkExpire(b *testing.B) {
	eachEngine(b, func(b *testing.B, s *stock) {
		const group = 1000
		for b.Loop() {
			b.StopTimer()
			s.deliver(s.insert(group))
			s.now = s.now.Add(domain.Window)
			b.StartTimer()
			s.expire(group)
		}
		perSecond(b, group)
	})
}

// BenchmarkInbox reads the first page of an inbox of a thousand.
func BenchmarkInbox(b *testing.B) {
	eachEngine(b, func(b *testing.B, s *stock) {
		for range 20 {
			s.deliver(s.insert(500))
		}
		for b.Loop() {
			s.view(func(tx mailroom.Tx) error {
				es, err := tx.InboxOf("r7", mailroom.Filter{}, mailroom.Page{Limit: 50})
				if err == nil && len(es) == 0 {
					err = fmt.Errorf("an empty inbox")
				}
				return err
			})
		}
	})
}

func perSecond(b *testing.B, group int) {
	b.ReportMetric(float64(b.N*group)/b.Elapsed().Seconds(), "inmails/s")
}

func eachEngine(b *testing.B, run func(b *testing.B, s *stock)) {
	for name, cfg := range map[string]func(testing.TB) record.Config{"sqlite": sqliteConfig, "postgres": postgresConfig} {
		b.Run(name, func(b *testing.B) { run(b, newStock(b, cfg(b))) })
	}
}

// stock is a record with members and InMails of an ordinary length.
type stock struct {
	b    testing.TB
	rec  *record.Record
	now  time.Time
	n    int
	body string
}

func (s *stock) Now() time.Time { return s.now }

const (
	stockMembers            = 1000
	stockCRM     domain.CRM = "first"
)

func newStock(b testing.TB, cfg record.Config) *stock {
	s := &stock{b: b, now: time.Date(2026, 11, 18, 9, 0, 0, 0, time.UTC)}
	s.body = strings.Repeat("I read what you wrote about growing teams, and I would like to hear more. ", 6)
	rec, err := record.Open(b.Context(), cfg, s)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(rec.Close)
	s.rec = rec
	s.update(func(tx mailroom.Tx) error {
		if err := tx.ConnectCRM(stockCRM); err != nil {
			return err
		}
		var ms []*domain.Member
		for i := range stockMembers {
			for _, side := range []string{"s", "r"} {
				m := domain.NewMember(domain.MemberID(fmt.Sprintf("%s%d", side, i)), "Name")
				ms = append(ms, &m)
			}
		}
		return tx.PutMembers(ms, 1, func(string) int { return 10 })
	})
	return s
}

func (s *stock) update(fn func(tx mailroom.Tx) error) {
	s.b.Helper()
	if err := s.rec.Update(context.Background(), fn); err != nil {
		s.b.Fatal(err)
	}
}

func (s *stock) view(fn func(tx mailroom.Tx) error) {
	s.b.Helper()
	if err := s.rec.View(context.Background(), fn); err != nil {
		s.b.Fatal(err)
	}
}

func (s *stock) insert(n int) []domain.ID {
	ms := make([]*domain.InMail, n)
	receipts := make([]domain.Receipt, n)
	ids := make([]domain.ID, n)
	for i := range n {
		s.n++
		ids[i] = domain.ID(uuid.Must(uuid.NewV7()).String())
		ms[i], receipts[i] = domain.New(domain.InMail{ID: ids[i],
			Sender:    domain.MemberID(fmt.Sprintf("s%d", s.n%stockMembers)),
			Recipient: domain.MemberID(fmt.Sprintf("r%d", (s.n*7+s.n/stockMembers)%stockMembers)),
			Subject:   "A question about your team", Preview: domain.ReadText("", s.body, false).Preview(), Body: s.body, AccountType: domain.Recruiter, Tags: []string{"hiring"},
			Words: 84, Advice: []string{"no_name"}}, s.now)
	}
	s.now = s.now.Add(time.Millisecond)
	s.update(func(tx mailroom.Tx) error { return tx.Insert(ms, receipts) })
	return ids
}

func (s *stock) deliver(ids []domain.ID) {
	s.update(func(tx mailroom.Tx) error {
		claimed, err := tx.ClaimQueued(ids)
		if err != nil {
			return err
		}
		if len(claimed) != len(ids) {
			return fmt.Errorf("claimed %d of %d", len(claimed), len(ids))
		}
		var senders []domain.MemberID
		var moves []mailroom.CreditMove
		for _, m := range claimed {
			senders = append(senders, m.Sender)
			moves = append(moves, mailroom.CreditMove{Member: m.Sender, PeriodStart: domain.PeriodStart(s.now, 1), Used: 1})
		}
		if err := tx.LockMembers(senders); err != nil {
			return err
		}
		if err := s.move(tx, claimed, domain.EventDeliver); err != nil {
			return err
		}
		return tx.Spend(moves)
	})
}

func (s *stock) expire(n int) {
	s.update(func(tx mailroom.Tx) error {
		due, err := tx.ExpireDue(n)
		if err == nil && len(due) != n {
			err = fmt.Errorf("%d are due", len(due))
		}
		if err != nil {
			return err
		}
		var counts []domain.Count
		for _, m := range due {
			counts = append(counts, domain.CountsFor(m, m.Outcome(), domain.ExpiredUnopened)...)
		}
		return tx.Count(counts)
	})
}

func (s *stock) move(tx mailroom.Tx, ms []*domain.InMail, e domain.Event) error {
	changes := make([]mailroom.Change, len(ms))
	var counts []domain.Count
	for i, m := range ms {
		from := m.Outcome()
		changes[i] = mailroom.Change{InMail: m, FromStatus: m.Status, FromVersion: m.Version}
		var err error
		if changes[i].Receipts, err = m.Apply(e, tx.Now(), ""); err != nil {
			return err
		}
		counts = append(counts, domain.CountsFor(m, from, m.Outcome())...)
	}
	if err := tx.Count(counts); err != nil {
		return err
	}
	return tx.Save(changes)
}

// BenchmarkLife takes InMails through a whole life: accepted, delivered, pushed, listed, opened by two
// of three and pushed again. It reports how many bytes the record keeps for each, with indexes and
// receipts, after a vacuum.
func BenchmarkLife(b *testing.B) {
	for name, config := range map[string]func(testing.TB) record.Config{"sqlite": sqliteConfig, "postgres": postgresConfig} {
		b.Run(name, func(b *testing.B) {
			cfg := config(b)
			s := newStock(b, cfg)
			const group = 500
			before := sizeOf(b, cfg, s.rec)
			n := 0
			for b.Loop() {
				ids := s.insert(group)
				s.deliver(ids)
				s.push(group)
				s.update(func(tx mailroom.Tx) error { _, err := tx.SetPreviewed(ids); return err })
				s.update(func(tx mailroom.Tx) error {
					found, err := tx.LockInMails(ids[:2*group/3])
					if err != nil {
						return err
					}
					var opened []*domain.InMail
					for _, m := range found {
						opened = append(opened, m)
					}
					return s.move(tx, opened, domain.EventOpen)
				})
				s.push(group)
				n += group
			}
			b.StopTimer()
			perSecond(b, group)
			b.ReportMetric(float64(sizeOf(b, cfg, s.rec)-before)/float64(n), "bytes/inmail")
		})
	}
}

// BenchmarkSend accepts and delivers InMails of members without a CRM, in groups as requests that arrive
// together do, and reports how many bytes each takes in the tables after a vacuum, and in PostgreSQL's
// write-ahead log.
func BenchmarkSend(b *testing.B) {
	for name, config := range map[string]func(testing.TB) record.Config{"sqlite": sqliteConfig, "postgres": postgresConfig} {
		b.Run(name, func(b *testing.B) {
			cfg := config(b)
			s := newStock(b, cfg)
			const group = 25
			if cfg.Postgres() {
				execute(b, cfg.URL, "DELETE FROM crms")
			} else if _, err := direct(b, cfg).Exec("DELETE FROM crms"); err != nil {
				b.Fatal(err)
			}
			for range 40 { // the indexes have their first pages, and counts their rows
				s.deliver(s.insert(group))
			}
			before, log, n := sizeOf(b, cfg, s.rec), walOf(b, cfg), 0
			for b.Loop() {
				s.deliver(s.insert(group))
				n += group
			}
			b.StopTimer()
			log = walOf(b, cfg) - log
			perSecond(b, group)
			b.ReportMetric(float64(log)/float64(n), "wal_bytes/inmail")
			b.ReportMetric(float64(sizeOf(b, cfg, s.rec)-before)/float64(n), "bytes/inmail")
		})
	}
}

// walOf returns how many bytes PostgreSQL has written to its log; 0 for SQLite.
func walOf(b testing.TB, cfg record.Config) (bytes int64) {
	if !cfg.Postgres() {
		return 0
	}
	conn, err := pgx.Connect(b.Context(), cfg.URL)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(b.Context(), "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").Scan(&bytes); err != nil {
		b.Fatal(err)
	}
	return bytes
}

func (s *stock) push(n int) {
	var pushes []domain.Push
	s.update(func(tx mailroom.Tx) (err error) {
		pushes, err = tx.ClaimUnsynced(stockCRM, n, time.Minute)
		return err
	})
	var answers []domain.PushAnswer
	for _, p := range pushes {
		a := domain.PushAnswer{Link: p.Link}
		a.Link.RecordID, a.Link.Parents, a.Link.Match = "a01000000000001AAA", domain.ForeignIDs{"lead_id": "00Q000000000001AAA"}, domain.Matched
		a.Link.PushedVersion, a.Link.PushedSeq, a.Link.Notes = p.InMail.Version, p.InMail.Seq, map[string]string{"sent_task": "there"}
		answers = append(answers, a)
	}
	s.update(func(tx mailroom.Tx) error { return tx.StoreAnswers(stockCRM, answers, make([]time.Time, len(answers))) })
}

// sizeOf returns how many bytes the record takes on disk after a vacuum, without the write-ahead log.
func sizeOf(b testing.TB, cfg record.Config, rec *record.Record) (size int64) {
	if err := rec.Scrub(b.Context()); err != nil {
		b.Fatal(err)
	}
	if !cfg.Postgres() {
		info, err := os.Stat(cfg.File())
		if err != nil {
			b.Fatal(err)
		}
		return info.Size()
	}
	conn, err := pgx.Connect(b.Context(), cfg.URL)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(b.Context(), "SELECT pg_database_size(current_database())").Scan(&size); err != nil {
		b.Fatal(err)
	}
	return size
}
