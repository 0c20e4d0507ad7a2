package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"inmail/connectors/metrics"
	"inmail/connectors/record"
	"inmail/connectors/salesforce"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// scaled is an engine on which the costs of a small and a large record are compared.
type scaled struct {
	name   string
	url    func(t *testing.T) string // of a new record; empty: SQLite
	driver string
	copied string // the id of the copy k of the InMail whose id is in the column %s
	tidy   string // what a running system does by itself within a minute of such a load
}

var scaledEngines = []scaled{
	{"sqlite", func(*testing.T) string { return "" }, "sqlite", `printf('%%08x', k) || substr(%s, 9)`, `ANALYZE`},
	{"postgres", database, "pgx", `(lpad(to_hex(k), 8, '0') || substr(%s::text, 9))::uuid`, `VACUUM ANALYZE`},
}

// few is how many InMails the use cases make. many is the number after all rows were copied: twenty times as
// many, in the long form forty times. INMAIL_TEST_SCALE asks for another number, such as 1000000.
const few = 1000

func many(t *testing.T) int {
	text := os.Getenv("INMAIL_TEST_SCALE")
	if text == "" {
		return sized(20, 40) * few
	}
	n, err := strconv.Atoi(text)
	if err != nil || n%few != 0 || n < 2*few {
		t.Fatalf("INMAIL_TEST_SCALE=%s: want a multiple of %d", text, few)
	}
	return n
}

// TestFiguresCostTheSame compares a record of 1,000 InMails with one of many times as many, alternating
// between them: a scrape of /metrics/domain and the job that computes its figures read as many rows, take
// as long, and give as many series; and the pages that members begin at cost as much. If anything were
// counted by a scan, the large record would take dozens of times as long. The bound of four allows for a
// busy machine.
func TestFiguresCostTheSame(t *testing.T) {
	const bound = 4
	t.Parallel() // the two records are measured in turns: what else runs slows both
	many := many(t)
	for _, engine := range scaledEngines {
		t.Run(engine.name, func(t *testing.T) {
			t.Parallel()
			small, large := newStand(t, engine), newStand(t, engine)
			small.fill(t)
			large.fill(t)
			began := time.Now()
			large.multiply(t, many/few)
			t.Logf("%d InMails are there after %s", many, time.Since(began).Round(time.Second))
			small.correspond(t)
			large.correspond(t)
			small.exec(t, engine.tidy)
			large.exec(t, engine.tidy)

			if engine.name == "postgres" {
				for what, do := range map[string]func(*testing.T, *app){"figures": figuresOnce, "inbox and sent list": pagesOnce} {
					a, b := small.rows(t, do), large.rows(t, do)
					t.Logf("%s, ten times, read %d rows of %d InMails, and %d of %d", what, a, few, b, many)
					if b > a+a/4 {
						t.Errorf("%s: of %d InMails %d rows are read, of %d InMails %d", what, few, a, many, b)
					}
				}
			}
			one, other := small.open(t), large.open(t)
			snapshot := func(a *app) {
				if err := a.snapshot(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			compare(t, "making the figures", 31, bound, func() { snapshot(one) }, func() { snapshot(other) })
			var pages [2]string
			compare(t, "a scrape", 201, bound, func() { pages[0] = scrape(t, one) }, func() { pages[1] = scrape(t, other) })

			for _, path := range []string{"/inbox", "/sent"} {
				compare(t, "the page "+path, 51, bound, visitor(t, one, path), visitor(t, other, path))
			}

			var series [2]int
			for i, page := range pages {
				values := samplesOf(t, page)
				series[i] = len(values)
				if got, want := sum(values, "inmail_cohort_messages"), []int{few, many}[i]+2*letters; got != float64(want) {
					t.Errorf("the page shows %v InMails of %d", got, want)
				}
				if got, want := sum(values, "inmail_crm_unsynced_records"), 0.0; got != want {
					t.Errorf("%v InMails are unsynced", got)
				}
			}
			if series[0] != series[1] || series[1] >= mostSeries {
				t.Errorf("%d InMails make %d series and %d make %d; want as many, under %d", few, series[0], many, series[1], mostSeries)
			}
		})
	}
}

// mostSeries bounds the number of series of /metrics/domain.
const mostSeries = 1500

// TestSeriesAtTheirMost counts the series of the page when every label has all the values that it can have.
func TestSeriesAtTheirMost(t *testing.T) {
	outcomes := map[domain.Outcome]int{}
	for i, o := range domain.Outcomes() {
		outcomes[o] = i + 1
	}
	s := &mailroom.Snapshot{At: time.Now(), Tags: map[string]map[domain.Outcome]int{mailroom.OtherTag: outcomes}, TagsFolded: 1_000_000,
		CRMs: map[domain.CRM]mailroom.CRMFigures{}}
	for _, crm := range []domain.CRM{salesforce.Name, "second"} {
		s.CRMs[crm] = mailroom.CRMFigures{Dead: map[domain.FailureClass]int{}, Drift: map[string]int{"missing": 1, "extra": 1, "stale": 1, "edited": 1}}
	}
	for i := range mailroom.SnapshotWeeks {
		s.Weeks = append(s.Weeks, mailroom.WeekFigures{Cohort: domain.CohortOf(s.At.AddDate(0, 0, -7*i)), Outcomes: outcomes})
	}
	for i := range mostTags {
		s.Tags[fmt.Sprintf("tag %d", i)] = outcomes
	}
	for _, class := range []domain.FailureClass{domain.Stale, domain.Locked, domain.LimitReached, domain.SessionEnded, domain.LoginFailed,
		domain.LostReference, domain.BadData, domain.Configuration} {
		for _, crm := range s.CRMs {
			crm.Dead[class] = 1
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics.NewDomain(func(context.Context) (*mailroom.Snapshot, error) { return s, nil }, salesforce.Name, slog.New(slog.DiscardHandler)))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range families {
		n += len(f.GetMetric())
	}
	t.Logf("%d series at most", n)
	if n >= mostSeries {
		t.Errorf("%d series; want under %d", n, mostSeries)
	}
}

// mostTags is the most tags that appear by name.
const mostTags = 20

// stand is one record, with the engine and the place where the program runs on it.
type stand struct {
	scaled
	url, data string
}

func newStand(t *testing.T, e scaled) *stand {
	t.Helper()
	return &stand{scaled: e, url: e.url(t), data: t.TempDir()}
}

// open builds the program over the record and serves its API until t ends; no worker and no schedule runs.
func (s *stand) open(t *testing.T) *app {
	t.Helper()
	a, stop := s.start(t)
	t.Cleanup(stop)
	return a
}

func (s *stand) start(t *testing.T) (a *app, stop func()) {
	t.Helper()
	const never = 1_000_000
	c := patient(t, nil)
	c.Record.URL, c.Record.Data = s.url, s.data
	c.HTTP.Listen, c.Program.OperatorKey = "127.0.0.1:0", operatorKey
	c.Policy.VolumeHour, c.Policy.VolumeDay, c.Policy.SimilarDay, c.Policy.RegularGaps, c.Policy.BurstMinute = never, never, never, never, never
	for i := range mostTags {
		c.Program.MetricsTags = append(c.Program.MetricsTags, fmt.Sprintf("tag %d", i))
	}
	a, err := build(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stop = func() {
		if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
	// The CRM is registered as if other processes were connected to it.
	connect := a.record.Update(t.Context(), func(tx mailroom.Tx) error { return tx.ConnectCRM(salesforce.Name) })
	if err := errors.Join(connect, a.installOperatorKey(t.Context()), a.startAPI()); err != nil {
		stop()
		t.Fatal(err)
	}
	return a, stop
}

// fill lets the use cases accept, deliver and push few InMails and expire those whose time is over. They are
// spread over all the weeks of a snapshot, over senders of every account type that may send, and over more
// tags than appear by name.
func (s *stand) fill(t *testing.T) {
	t.Helper()
	const each = 40 // InMails of a sender
	a, stop := s.start(t)
	defer stop()
	ctx := t.Context()
	begin := a.clock.Now().AddDate(0, 0, -7*(mailroom.SnapshotWeeks-1))
	a.clock.Pin(begin)
	var members []domain.Member
	for i := range few / each {
		m := domain.NewMember(domain.MemberID(fmt.Sprintf("s%d", i)), fmt.Sprintf("Sender %d", i))
		m.AccountType, m.Plan = domain.Recruiter, "recruiter_50"
		members = append(members, m)
	}
	for i := range few {
		members = append(members, domain.NewMember(domain.MemberID(fmt.Sprintf("r%d", i)), fmt.Sprintf("Recipient %d", i)))
	}
	errs, err := a.service.PutMembers(ctx, members)
	if err := errors.Join(append(errs, err)...); err != nil {
		t.Fatal(err)
	}
	for week := range mailroom.SnapshotWeeks {
		a.clock.Pin(begin.AddDate(0, 0, 7*week))
		var sends []mailroom.Send
		for i := week; i < few; i += mailroom.SnapshotWeeks {
			sends = append(sends, mailroom.Send{From: domain.MemberID(fmt.Sprintf("s%d", i/each)), To: domain.MemberID(fmt.Sprintf("r%d", i)),
				Subject: "A question about queues", Body: "What you wrote on queues stayed with me. How do you test yours?", Tags: []string{fmt.Sprintf("tag %d", i%37)}})
		}
		answers, err := a.service.Accept(ctx, sends)
		if err != nil {
			t.Fatal(err)
		}
		var ids []domain.ID
		for i, answer := range answers {
			if answer.Err != nil {
				t.Fatalf("week %d, InMail %d: %v", week, i, answer.Err)
			}
			ids = append(ids, answer.ID)
		}
		outcomes, err := a.service.Deliver(ctx, ids)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range outcomes {
			if o.Status != domain.Sent {
				t.Fatalf("week %d: %s %s", week, o.Status, o.Reason)
			}
		}
	}
	a.clock.Unpin()
	if _, err := a.service.Expire(ctx, few); err != nil {
		t.Fatal(err)
	}
	bringToSalesforce(t, a)
}

// bringToSalesforce stores, for every InMail that waits to be pushed, that the org has accepted it.
func bringToSalesforce(t *testing.T, a *app) {
	t.Helper()
	holder := a.service.NewHolder()
	for {
		claim, err := a.service.ClaimPushes(t.Context(), salesforce.Name, holder, few, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if len(claim.Pushes) == 0 {
			return
		}
		answers := make([]domain.PushAnswer, len(claim.Pushes))
		for i, p := range claim.Pushes {
			link := p.Link
			link.RecordID, link.Match = fmt.Sprintf("a0X%015d", i), domain.Unmatched
			link.PushedVersion, link.PushedSeq, link.Notes = p.InMail.Version, p.InMail.Seq, map[string]string{"sent_task": "there"}
			answers[i] = domain.PushAnswer{Link: link}
		}
		if err := a.service.StorePushes(t.Context(), salesforce.Name, answers, make([]time.Time, len(answers)), mailroom.Budget{}); err != nil {
			t.Fatal(err)
		}
	}
}

// multiply copies every InMail until there are many: its rows in all tables under the copy's own id, from
// senders of the copy's own with their credits. Stored counts are multiplied by the same factor.
func (s *stand) multiply(t *testing.T, times int) {
	t.Helper()
	copies := fmt.Sprintf(`WITH RECURSIVE copies(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM copies WHERE k < %d) `, times-1)
	var statements []string
	for _, table := range []struct{ name, columns, changed string }{
		{"inmails", "accepted_at, sent_at, expires_at, previewed_at, opened_at, replied_at, ended_at, version, seq, replies, words, undone, in_inbox, recipient, status, reason, account_type, category, tags, advice, crm_ids", "id, sender"},
		{"texts", "subject, preview, body", "inmail"},
		{"receipts", "at, seq, status, reason", "inmail"},
		{"crm_links", "crm, unsynced_at, push_at, leased_until, wanted_version, pushed_version, pushed_seq, attempts, failed_at, dead, record_id, match_state, parents, notes, class, detail", "inmail"},
		{"members", "name, headline, photo_url, company, email, profile_shared, profile_visible, accepts_inmail, account_type, plan, anchor_day, team, skills, created_at", "member_id"},
		{"credits", "period_start, used, returned", "member"},
	} {
		var into, from []string
		where := "TRUE"
		for column := range strings.SplitSeq(table.changed, ", ") {
			copied := column + ` || '-' || k`
			switch column {
			case "id", "inmail":
				copied = fmt.Sprintf(s.copied, column)
			case "member_id":
				column, copied, where = "id", `id || '-' || k`, "id LIKE 's%'"
			}
			into, from = append(into, column), append(from, copied)
		}
		statements = append(statements, fmt.Sprintf(`%sINSERT INTO %s (%s, %s) SELECT %s, %s FROM copies, %s WHERE %s`,
			"", table.name, strings.Join(into, ", "), table.columns, strings.Join(from, ", "), table.columns, table.name, where))
	}
	statements = append(statements,
		`INSERT INTO counts (dimension, cohort, key, outcome, shard, n) SELECT dimension, cohort, key || '-' || k, outcome, shard, n FROM copies, counts WHERE dimension = 'sender'`,
		fmt.Sprintf(`UPDATE counts SET n = n * %d WHERE dimension <> 'sender'`, times))
	for i, statement := range statements {
		if strings.HasPrefix(statement, "INSERT") {
			statements[i] = copies + statement
		}
	}
	s.exec(t, statements...)
}

// db is the record, opened with its engine's own driver.
func (s *stand) db(t *testing.T) *sql.DB {
	t.Helper()
	name := s.url
	if name == "" {
		name = filepath.Join(s.data, record.FileName)
	}
	db, err := sql.Open(s.driver, name)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	return db
}

func (s *stand) exec(t *testing.T, statements ...string) {
	t.Helper()
	db := s.db(t)
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// rows runs the program, does something ten times, and returns how many rows and index entries PostgreSQL
// read for it, by its own statistics. These are complete only after the program's connections are closed.
func (s *stand) rows(t *testing.T, do func(*testing.T, *app)) int64 {
	t.Helper()
	db := s.db(t)
	defer db.Close()
	read := func() (n, connections int64) {
		row := db.QueryRowContext(t.Context(), `SELECT (SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables)
			+ (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes),
			(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend')`)
		if err := row.Scan(&n, &connections); err != nil {
			t.Fatal(err)
		}
		return n, connections
	}
	before, _ := read()
	a, stop := s.start(t)
	for range 10 {
		do(t, a)
	}
	stop()
	var after int64
	eventually(t, "the program's connections are closed", func() error {
		n, connections := read()
		if connections > 1 {
			return fmt.Errorf("%d connections", connections)
		}
		after = n
		return nil
	})
	return after - before
}

// compare runs a and b alternately, and fails when the median time of b is more than bound times that of a.
func compare(t *testing.T, what string, times int, bound float64, a, b func()) {
	t.Helper()
	took := [2][]time.Duration{}
	for range times {
		for i, do := range []func(){a, b} {
			began := time.Now()
			do()
			took[i] = append(took[i], time.Since(began))
		}
	}
	for i := range took {
		slices.Sort(took[i])
	}
	few, many := took[0][times/2], took[1][times/2]
	ratio := float64(many) / float64(few)
	t.Logf("%s: %.2f times as long (%s and %s)", what, ratio, few.Round(time.Microsecond), many.Round(time.Microsecond))
	if ratio > bound {
		t.Errorf("%s takes %.1f times as long: %s and %s", what, ratio, few, many)
	}
}

func scrape(t *testing.T, a *app) string {
	t.Helper()
	resp, err := client.Get("http://" + a.apiAddress + "/metrics/domain")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("scrape: %d %v", resp.StatusCode, err)
	}
	return string(page)
}
