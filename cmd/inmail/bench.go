package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/hibiken/asynq"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver of bareSweep
	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"inmail/config"
	"inmail/connectors/queue"
	"inmail/connectors/salesforce"
	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
	"inmail/domain/mailroom"
)

func benchCommand(o *options) *cobra.Command {
	var sizes benchSizes
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure accept, deliver, expire and push beside their neighbours, in one run",
		Long: `Measure accept, deliver, expire and push beside their neighbours, in one run.

A neighbour is a simpler program, measured in the same run on the same machine: bare Asynq on the same Redis,
the bare SQL statement, one Salesforce record a call. Compare the ratios only, since machines differ.

The load comes from a process of its own, whose processor time is the unit L: what a send costs the program,
PostgreSQL and Redis is measured in it.

It works on a record of its own: a temporary SQLite file, or the database of INMAIL_DATABASE_URL, which must be
empty. The queue is INMAIL_REDIS_URL, which it flushes, or the broker inside the process.`,
		Example: "  inmail bench --sends 20000 --expiries 100000",
		Args:    exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return bench(cmd.Context(), o, sizes, cmd.OutOrStdout())
		},
	}
	cmd.Flags().IntVar(&sizes.sends, "sends", 20_000, "InMails to accept and deliver, and again to do both at once")
	cmd.Flags().IntVar(&sizes.runs, "runs", 5, "how often each is measured, beside its neighbour; the median counts")
	cmd.Flags().StringVar(&sizes.river, "river", "", "the program of .ci/river, which serves River as a neighbour; PostgreSQL only")
	cmd.Flags().IntVar(&sizes.expiries, "expiries", 20_000, "InMails to expire")
	cmd.Flags().IntVar(&sizes.pushes, "pushes", 1000, "InMails to push")
	cmd.Flags().IntVar(&sizes.alone, "alone", 200, "sends one after the other, for the latency")
	cmd.Flags().StringVar(&sizes.profiles, "profiles", "",
		"a folder for a CPU and an allocation profile of each measurement")
	cmd.AddCommand(benchSpamCommand(o), benchLoadCommand())
	return cmd
}

type benchSizes struct {
	sends, expiries, pushes, alone, runs int
	profiles, river                      string
}

// benchRow is one line of the table: our figure beside the neighbour's.
type benchRow struct {
	Work      string  `json:"work"`
	Ours      float64 `json:"ours"`
	Neighbour float64 `json:"neighbour"`
	Unit      string  `json:"unit"`
	Against   string  `json:"against"`
	Ratio     float64 `json:"ratio"`
	Bar       string  `json:"bar"`
	OwnCPU    float64 `json:"cpu_us"`           // processor time an item, in microseconds; 0: not measured
	TheirCPU  float64 `json:"neighbour_cpu_us"` // the neighbour's, measured in this process too
}

// cpuEach returns the processor time per item since began (of processorTime), in microseconds.
func cpuEach(began time.Duration, items int) float64 {
	return float64((processorTime() - began).Nanoseconds()) / 1000 / float64(max(items, 1))
}

// bencher runs the measurements: the whole program, and the neighbours beside it.
type bencher struct {
	*app
	sizes  benchSizes
	rows   []benchRow
	redis  asynq.RedisConnOpt // nil: no Redis, so Asynq is not measured
	client *http.Client
	sent   int // letters that were accepted
}

// bench runs all measurements and prints the table.
func bench(ctx context.Context, o *options, sizes benchSizes, out io.Writer) (err error) {
	s, err := benchSettings(o)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "inmail-bench")
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer os.RemoveAll(temp)
	s.Record.Data = temp
	a, err := build(ctx, s, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return err
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		err = errors.Join(err, a.Stop(ending))
	}()
	a.ownSandbox = true
	b := &bencher{app: a, sizes: sizes, client: benchClient()}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	for _, measure := range []func(context.Context) error{b.throughput, b.underLoad, b.alone, b.longTexts, b.preflight,
		b.preflightsAtOnce, b.expire, b.pushAll, b.atRest, b.jump} {
		if err := measure(ctx); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return b.print(out, o)
}

// benchSettings returns the settings of the environment, but with triggers that never restrict, a free
// loopback port and no schedule: the bench itself starts what it measures.
func benchSettings(o *options) (config.Settings, error) {
	if o.flags["redis_url"] == "" && os.Getenv("INMAIL_REDIS_URL") == "" {
		if url := os.Getenv("INMAIL_TEST_REDIS_URL"); url != "" { // make bench has started one
			o.flags["redis_url"] = url
		}
	}
	s, err := o.load()
	if err != nil {
		return s, err
	}
	const never = 1_000_000
	s.Policy.VolumeHour, s.Policy.VolumeDay, s.Policy.SimilarDay = never, never, never
	s.Policy.RegularGaps, s.Policy.BurstMinute = never, never
	s.Policy.AllowSecondInMail = true
	s.HTTP.Listen = "127.0.0.1:0"
	s.Program.Roles = []config.Role{config.RoleAPI, config.RoleWorker}
	s.Program.OperatorKey, s.Program.TimeTravel = benchKey, true
	s.Salesforce.URL = ""
	return s, nil
}

// benchRecipients is the number of recipients, as many as a preflight takes; InMails go to them in turn.
const benchRecipients = mailroom.MaxPreflight

// prepare flushes Redis, makes as many recruiters as the sends need and the recipients, and starts the API.
func (b *bencher) prepare(ctx context.Context) error {
	if b.settings.Queue.URL != "" {
		opt, err := asynq.ParseRedisURI(b.settings.Queue.URL)
		if err != nil {
			return fmt.Errorf("bench: the neighbours need one Redis server: %w", err)
		}
		client := opt.MakeRedisClient().(redis.UniversalClient)
		defer client.Close()
		if err := client.FlushDB(ctx).Err(); err != nil {
			return fmt.Errorf("bench: flush %s: %w", b.settings.Queue.Masked(), err)
		}
		b.redis = opt
	}
	b.sizes.runs = max(b.sizes.runs, 1)
	senders := (2*b.sizes.sends+b.sizes.expiries+b.sizes.pushes+b.sizes.alone+jumping+20*b.sizes.runs)/45 + 1
	var ms []domain.Member
	for i := range senders {
		m := domain.NewMember(domain.MemberID(fmt.Sprintf("s%d", i)), fmt.Sprintf("Sender %d", i))
		m.AccountType, m.Plan = domain.Recruiter, "recruiter_50"
		ms = append(ms, m)
	}
	for i := range benchRecipients {
		m := domain.NewMember(domain.MemberID(fmt.Sprintf("r%d", i)), fmt.Sprintf("Recipient %d", i))
		ms = append(ms, m)
	}
	for chunk := range slices.Chunk(ms, 500) {
		errs, err := b.service.PutMembers(ctx, chunk)
		if err := errors.Join(append(errs, err)...); err != nil {
			return fmt.Errorf("bench: make members: %w", err)
		}
	}
	err := b.record.Update(ctx, func(tx mailroom.Tx) error {
		var errs []error
		for _, m := range ms[:senders+benchRecipients/100] { // with some of the recipients
			errs = append(errs, tx.PutKey(mailroom.Key{ID: "bench-" + string(m.ID), Hash: sha256.Sum256([]byte(memberKey(m.ID))),
				Role: mailroom.RoleMember, Member: m.ID}))
		}
		return errors.Join(errs...)
	})
	if err != nil {
		return fmt.Errorf("bench: make keys: %w", err)
	}
	if err := b.installOperatorKey(ctx); err != nil {
		return err
	}
	if err := b.startCRMs(ctx); err != nil { // an InMail is accepted with its link
		return err
	}
	return b.startAPI()
}

// next returns the number of the first of n letters that were not sent yet.
func (b *bencher) next(n int) (from int) {
	b.sent += n
	return b.sent - n
}

// url returns the address of a path of the API.
func (b *bencher) url(path string) string { return "http://" + b.apiAddress + path }

// work starts the workers until stop.
func (b *bencher) work() (stop func(context.Context) error, err error) {
	if b.jobs == nil {
		b.jobs = newJobs(b.app)
	}
	handlers := map[string]queue.Handler{}
	for taskType, h := range b.jobs.Handlers() {
		handlers[taskType] = queue.Handler(h)
	}
	server, err := b.queue.Start(handlers, nil)
	if err != nil {
		return nil, err
	}
	return server.Stop, nil
}

// throughput measures POST /v1/inmails, durable and checked by every rule, beside a handler that only
// enqueues an Asynq task; and then the way from accepted to delivered, with all rules, beside no-op tasks of
// one Asynq server. The requests come from outside the process.
func (b *bencher) throughput(ctx context.Context) error {
	n := max(b.sizes.sends/b.sizes.runs, 1)
	var neighbour string
	if b.redis != nil {
		url, stop, err := b.startEnqueuer()
		if err != nil {
			return err
		}
		defer stop()
		neighbour = url
	}
	var accept, deliver samples
	for range b.sizes.runs {
		end, err := b.profile("accept")
		if err != nil {
			return err
		}
		used := processorTime()
		rate, _, err := b.load(ctx, b.url("/v1/inmails"), b.next(n), n)
		if err := errors.Join(err, end()); err != nil {
			return err
		}
		accept.ours(rate, cpuEach(used, n))
		if neighbour != "" {
			used = processorTime()
			if rate, _, err = b.load(ctx, neighbour, 0, n); err != nil {
				return err
			}
			accept.theirs(rate, cpuEach(used, n))
		}
		if err := b.deliverAlone(ctx, n, &deliver); err != nil {
			return err
		}
	}
	b.row(accept.row(benchRow{Work: "accept: POST /v1/inmails, 64 clients outside", Unit: "/s", Bar: "≥ 0.35",
		Against: "a handler that only enqueues an Asynq task"}))
	b.row(deliver.row(benchRow{Work: "deliver: accepted → delivered", Unit: "/s", Bar: "≥ 2",
		Against: "Asynq's no-op tasks, one server"}))
	return nil
}

func (b *bencher) deliverAlone(ctx context.Context, n int, deliver *samples) error {
	end, err := b.profile("deliver")
	if err != nil {
		return err
	}
	began, used := time.Now(), processorTime()
	stop, err := b.work()
	if err != nil {
		return err
	}
	err = errors.Join(b.untilDelivered(ctx), end())
	deliver.ours(float64(n)/time.Since(began).Seconds(), cpuEach(used, n))
	if err := errors.Join(err, stop(ctx)); err != nil || b.redis == nil {
		return err
	}
	used = processorTime()
	took, err := asynqServer(ctx, b.redis, "bench", n, asynq.Config{Concurrency: runtime.NumCPU() * 4})
	deliver.theirs(float64(n)/took.Seconds(), cpuEach(used, n))
	return err
}

// startEnqueuer starts the neighbour of accept.
func (b *bencher) startEnqueuer() (url string, stop func(), err error) {
	client := asynq.NewClient(b.redis)
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err == nil {
				_, err = client.EnqueueContext(r.Context(), asynq.NewTask("bench:noop", body), asynq.Queue("bench"))
			}
			if err != nil {
				http.Error(w, "enqueue", http.StatusInternalServerError)
				return
			}
			w.WriteHeader(http.StatusAccepted)
		})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("bench: %w", err)
	}
	go func() { _ = server.Serve(listener) }()
	return "http://" + listener.Addr().String() + "/", func() { _ = server.Close(); _ = client.Close() }, nil
}

// underLoad measures accept and deliver at once, beside River where --river names it, and what a send costs
// each part of the program and the disk.
func (b *bencher) underLoad(ctx context.Context) error {
	n := max(b.sizes.sends/b.sizes.runs, 1)
	river := ""
	if b.sizes.river != "" && b.settings.Record.Postgres() {
		url, stop, err := b.startRiver(ctx)
		if err != nil {
			return err
		}
		defer stop()
		river = url
	}
	stop, err := b.work()
	if err != nil {
		return err
	}
	tables, err := b.tableBytes(ctx)
	if err != nil {
		return err
	}
	var both samples
	var product, postgres, redis, all, wal, trips []float64
	for run := range b.sizes.runs {
		before, err := b.spent(ctx)
		if err != nil {
			return err
		}
		began := time.Now()
		_, load, err := b.load(ctx, b.url("/v1/inmails"), b.next(n), n)
		if err := errors.Join(err, b.untilDelivered(ctx)); err != nil {
			return err
		}
		took := time.Since(began)
		after, err := b.spent(ctx)
		if err != nil {
			return err
		}
		used := after.since(before)
		both.ours(float64(n)/took.Seconds(), float64(used.all().Microseconds())/float64(n))
		in := func(d time.Duration) float64 { return d.Seconds() / max(load.Seconds(), 0.001) }
		product, postgres, redis = append(product, in(used.product)), append(postgres, in(used.postgres)), append(redis, in(used.redis))
		all = append(all, in(used.all()))
		wal, trips = append(wal, float64(used.wal)/float64(n)), append(trips, float64(used.trips)/float64(n))
		if river == "" {
			continue
		}
		began = time.Now()
		if _, _, err := b.load(ctx, river, 0, n); err != nil {
			return err
		}
		if err := b.until(ctx, "River has worked all",
			func() (bool, error) { done, err := b.worked(river); return done >= (run+1)*n, err }); err != nil {
			return err
		}
		both.theirs(float64(n)/time.Since(began).Seconds(), 0)
	}
	against := "no --river: no neighbour"
	if river != "" {
		against = "River's HTTP insert and work"
	}
	b.row(both.row(benchRow{Work: "accept and deliver at once", Unit: "/s", Bar: "≥ 3.5", Against: against}))
	b.row(benchRow{Work: "processor time a send, of all parts", Ours: median(all), Unit: "L", Bar: "≤ 9", Against: fmt.Sprintf(
		"product %.1f, PostgreSQL %.1f, Redis %.1f L", median(product), median(postgres), median(redis))})
	if b.settings.Record.Postgres() {
		b.row(benchRow{Work: "write-ahead log a send", Ours: median(wal), Unit: "bytes", Bar: "≤ 2000",
			Against: fmt.Sprintf("%.3f round trips a send", median(trips))})
	}
	grown, err := b.tableBytes(ctx)
	if err != nil {
		return err
	}
	line, sum := largest(tables, grown, b.sizes.runs*n)
	b.row(benchRow{Work: "bytes an InMail, with indexes", Ours: sum, Unit: "bytes", Bar: "≤ 1600", Against: line})
	return stop(ctx)
}

// samples are the runs of one measurement and of its neighbour.
type samples struct{ rates, cpu, theirRates, theirCPU, ratios []float64 }

func (s *samples) ours(rate, cpu float64) {
	s.rates, s.cpu = append(s.rates, rate), append(s.cpu, cpu)
}

// theirs adds a run of the neighbour, to be compared with the last of ours.
func (s *samples) theirs(rate, cpu float64) {
	s.ratios = append(s.ratios, s.rates[len(s.rates)-1]/rate)
	s.theirRates, s.theirCPU = append(s.theirRates, rate), append(s.theirCPU, cpu)
}

// row fills in a row with the medians.
func (s *samples) row(r benchRow) benchRow {
	if len(s.ratios) == 0 && !strings.HasPrefix(r.Against, "no ") {
		r.Against = "no Redis: no neighbour"
	}
	r.Ratio = median(s.ratios)
	r.Ours, r.Neighbour, r.OwnCPU, r.TheirCPU = median(s.rates), median(s.theirRates), median(s.cpu), median(s.theirCPU)
	return r
}

// untilDelivered waits until all letters are delivered.
func (b *bencher) untilDelivered(ctx context.Context) error {
	return b.until(ctx, "all is delivered", func() (bool, error) { n, err := b.delivered(ctx); return n >= b.sent, err })
}

// delivered counts all InMails that were ever delivered.
func (b *bencher) delivered(ctx context.Context) (int, error) {
	report, err := b.service.Analytics(ctx, mailroom.Viewer{Operator: true}, "week", time.Time{}, time.Time{})
	n := 0
	for _, row := range report.Rows {
		n += row.Delivered
	}
	return n, err
}

// until polls every 5 ms until is returns true, for at most 5 minutes; what names it in the error.
func (b *bencher) until(ctx context.Context, what string, is func() (bool, error)) error {
	for deadline := time.Now().Add(5 * time.Minute); ; {
		ok, err := is()
		if err != nil || ok {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("bench: waited too long until %s", what)
		}
		pause := time.NewTimer(5 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// alone measures one send at a time on an otherwise idle machine: from the answer to its request until it is
// in the inbox. It looks as the sender, whose look changes nothing; the first one of a recipient is stored
// (R30), which would be measured too.
func (b *bencher) alone(ctx context.Context) error {
	if err := b.startWorkers(); err != nil {
		return err
	}
	var request, took []float64
	for range b.sizes.alone {
		s := benchLetter(b.next(1))
		began := time.Now()
		answer, err := postLetter(b.client, b.url("/v1/inmails"), s)
		if err != nil {
			return err
		}
		answered := time.Now()
		request = append(request, ms(answered.Sub(began)))
		var accepted struct{ ID domain.ID }
		if err := json.Unmarshal([]byte(answer), &accepted); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		for there := false; !there && ctx.Err() == nil; time.Sleep(aloneLook) {
			v, err := b.service.View(ctx, mailroom.Viewer{Member: s.From}, accepted.ID)
			if err != nil {
				return err
			}
			there = v.Status == domain.Sent
		}
		took = append(took, ms(time.Since(answered)))
		time.Sleep(10 * time.Millisecond) // the queue is idle again
	}
	if len(took) == 0 {
		return nil
	}
	slices.Sort(took)
	b.row(benchRow{Work: "alone: accepted → in the inbox, median", Ours: median(took), Neighbour: took[len(took)*99/100],
		Unit: "ms", Against: fmt.Sprintf("its own p99; the request before it takes %.3g ms", median(request)), Bar: "≤ 5"})
	return nil
}

// aloneLook is the pause between two looks of alone.
const aloneLook = 300 * time.Microsecond

// longTexts measures the processor time of a request with a subject or a body of 1 MiB, which is refused,
// beside a send of usual length.
func (b *bencher) longTexts(context.Context) error {
	const each, size = 10, 1<<20 - 1000
	long, marks := strings.Repeat("word of mouth ", size/14), strings.Repeat("e\u0301", size/3)
	texts := []struct {
		what, subject, body string
		took                []float64
	}{
		{what: "a subject of 1 MiB", subject: long, body: "Dear Recipient"},
		{what: "a subject of 1 MiB of combining marks", subject: marks, body: "Dear Recipient"},
		{what: "a body of 1 MiB", subject: "A question", body: long},
		{what: "a body of 1 MiB of combining marks", subject: "A question", body: marks},
	}
	var usual []float64
	for range b.sizes.runs {
		used := processorTime()
		for range each {
			if _, err := postLetter(b.client, b.url("/v1/inmails"), benchLetter(b.next(1))); err != nil {
				return err
			}
		}
		usual = append(usual, cpuEach(used, each))
		for i, m := range texts {
			request, err := json.Marshal(map[string]string{"to": "r1", "subject": m.subject, "body": m.body})
			if err != nil {
				return fmt.Errorf("bench: %w", err)
			}
			used := processorTime()
			for range each {
				if _, err := benchPost(b.client, b.url("/v1/inmails"), memberKey("s0"), string(request),
					http.StatusUnprocessableEntity); err != nil {
					return err
				}
			}
			texts[i].took = append(texts[i].took, cpuEach(used, each))
		}
	}
	for _, m := range texts {
		b.row(benchRow{Work: m.what + ", processor time", Ours: median(m.took), Neighbour: median(usual), Unit: "µs",
			Against: "a usual send, alone", Bar: "≤ 5"})
	}
	return nil
}

// preflightsAtOnce measures the reads of one member while others have four preflights of 10,000 at once.
func (b *bencher) preflightsAtOnce(ctx context.Context) error {
	read := func() (float64, error) {
		began := time.Now()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url("/v1/inbox"), nil)
		if err != nil {
			return 0, fmt.Errorf("bench: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+memberKey("r7"))
		resp, err := b.client.Do(req)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return ms(time.Since(began)), err
	}
	reads := func(until func(n int) bool) (float64, error) {
		var took []float64
		for !until(len(took)) && ctx.Err() == nil {
			t, err := read()
			if err != nil {
				return 0, err
			}
			took = append(took, t)
			time.Sleep(2 * time.Millisecond)
		}
		return median(took), ctx.Err()
	}
	idle, err := reads(func(n int) bool { return n >= 200 })
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	var over atomic.Bool
	go func() {
		_, _, err := b.load(ctx, b.url("/v1/preflight"), 0, 4*b.sizes.runs)
		over.Store(true)
		ended <- err
	}()
	busy, err := reads(func(int) bool { return over.Load() })
	if err := errors.Join(err, <-ended); err != nil {
		return err
	}
	b.row(benchRow{Work: "a read beside 4 preflights of 10,000, median", Ours: busy, Neighbour: idle, Unit: "ms",
		Against: "the same on an idle server", Bar: "≤ 5"})
	return nil
}

// atRest measures the processor time of a server to which nobody comes: the least of some windows, since the
// schedule begins with every task, the rare and heavy ones too. What PostgreSQL cleans up after the load is
// done before.
func (b *bencher) atRest(ctx context.Context) error {
	const windows, window = 5, 4 * time.Second
	if b.settings.Record.Postgres() {
		db, err := b.openRecord()
		if err != nil {
			return err
		}
		_, err = db.ExecContext(ctx, "VACUUM (ANALYZE)")
		if err := errors.Join(err, db.Close()); err != nil {
			return fmt.Errorf("bench: clean up after the load: %w", err)
		}
	}
	b.startSchedule()
	var least spent
	for n := range windows {
		before, err := b.spent(ctx)
		if err != nil {
			return err
		}
		time.Sleep(window)
		after, err := b.spent(ctx)
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if used := after.since(before); n == 0 || used.all() < least.all() {
			least = used
		}
	}
	share := func(d time.Duration) float64 { return 100 * d.Seconds() / window.Seconds() }
	b.row(benchRow{Work: "at rest, of a core", Ours: share(least.all()), Unit: "%", Bar: "≤ 1", Against: fmt.Sprintf(
		"product %.1f, PostgreSQL %.1f, Redis %.1f %%", share(least.product), share(least.postgres), share(least.redis))})
	return nil
}

// jumping is how many InMails come due with a jump of the clock.
const jumping = 300

// jump measures how long after a jump of the clock everything that came due is persisted.
func (b *bencher) jump(ctx context.Context) error {
	from := b.next(jumping)
	for n := from; n < from+jumping; n++ {
		if _, err := postLetter(b.client, b.url("/v1/inmails"), benchLetter(n)); err != nil {
			return err
		}
	}
	if err := b.untilDelivered(ctx); err != nil {
		return err
	}
	if _, err := benchPost(b.client, b.url("/v1/clock"), benchKey, `{"advance":"168h"}`, http.StatusOK); err != nil {
		return err
	}
	began := time.Now()
	err := b.until(ctx, "all is expired", func() (bool, error) {
		n, err := b.unopened(ctx)
		return n == 0, err
	})
	b.row(benchRow{Work: fmt.Sprintf("%d due InMails persisted after a jump", jumping), Ours: ms(time.Since(began)), Unit: "ms",
		Bar: "≤ 200", Against: "–"})
	return err
}

// preflight measures one request about 10,000 recipients beside the same checks one by one, extrapolated from
// a sample.
func (b *bencher) preflight(context.Context) error {
	const singles = 200
	to := make([]string, mailroom.MaxPreflight)
	for i := range to {
		to[i] = fmt.Sprintf("r%d", i)
	}
	letter := benchLetter(0)
	check := func(to any) (time.Duration, error) {
		body, err := json.Marshal(map[string]any{"to": to, "subject": letter.Subject, "body": letter.Body})
		if err != nil {
			return 0, err
		}
		began := time.Now()
		_, err = benchPost(b.client, b.url("/v1/preflight"), memberKey(letter.From), string(body), http.StatusOK)
		return time.Since(began), err
	}
	end, err := b.profile("preflight")
	if err != nil {
		return err
	}
	used := processorTime()
	together, err := check(to)
	if err := errors.Join(err, end()); err != nil {
		return err
	}
	ownCPU := cpuEach(used, len(to))
	used = processorTime()
	var alone time.Duration
	for _, id := range to[:singles] {
		took, err := check(id)
		if err != nil {
			return err
		}
		alone += took
	}
	b.row(benchRow{Work: fmt.Sprintf("preflight: %d recipients in one request", len(to)), Ours: ms(together),
		Neighbour: ms(alone) * float64(len(to)) / singles, Unit: "ms",
		Against: "the same checks one by one", Bar: "under 2 s", OwnCPU: ownCPU, TheirCPU: cpuEach(used, singles)})
	return nil
}

// profile starts the profiles of our part of a measurement; end writes them. Without a folder for them it
// does nothing.
func (b *bencher) profile(work string) (end func() error, err error) {
	if b.sizes.profiles == "" {
		return func() error { return nil }, nil
	}
	cpu, err := os.Create(filepath.Join(b.sizes.profiles, work+".cpu"))
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return func() error {
		pprof.StopCPUProfile()
		allocations, err := os.Create(filepath.Join(b.sizes.profiles, work+".allocs"))
		if err == nil {
			err = errors.Join(pprof.Lookup("allocs").WriteTo(allocations, 0), allocations.Close())
		}
		return errors.Join(err, cpu.Close())
	}, nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// expire measures the sweep beside the bare SQL statement over the same rows, and beside Asynq's scheduled
// tasks, of which the alternative would need one per InMail.
func (b *bencher) expire(ctx context.Context) error {
	for left := b.sizes.expiries; left > 0; left -= 500 {
		n := min(left, 500)
		from := b.next(n)
		var sends []mailroom.Send
		for k := from; k < from+n; k++ {
			sends = append(sends, benchLetter(k))
		}
		answers, err := b.service.Accept(ctx, sends)
		if err != nil {
			return err
		}
		for _, a := range answers {
			if a.Err != nil {
				return fmt.Errorf("bench: %w", a.Err)
			}
		}
	}
	if err := b.untilDelivered(ctx); err != nil {
		return err
	}
	if _, err := b.clock.Advance(domain.Window); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	var sweep samples
	part := max(b.sizes.expiries/(2*b.sizes.runs)/sweepBatch, 1) // transactions of a run
	for range b.sizes.runs {
		end, err := b.profile("expire")
		if err != nil {
			return err
		}
		began, used := time.Now(), processorTime()
		ours, err := b.sweep(ctx, part)
		if err != nil {
			return err
		}
		sweep.ours(float64(ours)/time.Since(began).Seconds(), cpuEach(used, ours))
		if err := end(); err != nil {
			return err
		}
		used = processorTime()
		n, took, err := b.bareSweep(ctx, part)
		if err != nil {
			return err
		}
		sweep.theirs(float64(n)/took.Seconds(), cpuEach(used, n))
	}
	row := sweep.row(benchRow{Work: fmt.Sprintf("expire: %d at a time", sweepBatch), Unit: "/s", Bar: "≥ 0.8",
		Against: "the bare UPDATE of the same rows, one at a time"})
	b.row(row)
	for { // what is left
		n, err := b.service.Expire(ctx, sweepBatch)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	theirs, err := b.scheduled(ctx, min(b.sizes.expiries, 5000))
	if err != nil || theirs == 0 {
		return err
	}
	b.row(benchRow{Work: fmt.Sprintf("expire: %d at a time", sweepBatch), Ours: row.Ours, Neighbour: theirs, Unit: "/s",
		Against: "Asynq's scheduled tasks, one an InMail", Bar: "≥ 10"})
	return nil
}

// sweep expires the rows of batches transactions, with as many at once as the job has (worker.Jobs).
func (b *bencher) sweep(ctx context.Context, batches int) (int, error) {
	var left, expired atomic.Int64
	left.Store(int64(batches))
	var group errgroup.Group
	for range b.writers() {
		group.Go(func() error {
			for left.Add(-1) >= 0 {
				n, err := b.service.Expire(ctx, sweepBatch)
				if err != nil {
					return err
				}
				expired.Add(int64(n))
			}
			return nil
		})
	}
	err := group.Wait()
	return int(expired.Load()), err
}

// sweepBatch is how many rows a sweep changes in one transaction.
const sweepBatch = 1000

// bareUpdate expires the oldest rows that are due, and does nothing else of what an expiry does.
const bareUpdate = `UPDATE inmails SET status = 'expired', in_inbox = FALSE, ended_at = expires_at, seq = seq + 1,
	version = version + 1 WHERE id IN (SELECT id FROM inmails WHERE status = 'sent' AND expires_at <= $1
	ORDER BY expires_at LIMIT $2)`

// bareSweep runs bareUpdate in so many transactions, and returns how many rows it changed and how long it
// took.
func (b *bencher) bareSweep(ctx context.Context, transactions int) (n int, took time.Duration, err error) {
	db, err := b.openRecord()
	if err != nil {
		return 0, 0, err
	}
	defer db.Close()
	if err := db.PingContext(ctx); err != nil {
		return 0, 0, fmt.Errorf("bench: %w", err)
	}
	began := time.Now()
	for range transactions {
		result, err := db.ExecContext(ctx, bareUpdate, b.record.Now().UnixMilli(), sweepBatch)
		if err != nil {
			return 0, 0, fmt.Errorf("bench: the bare sweep: %w", err)
		}
		changed, err := result.RowsAffected()
		if err != nil {
			return 0, 0, fmt.Errorf("bench: the bare sweep: %w", err)
		}
		n += int(changed)
	}
	return n, time.Since(began), nil
}

// unopened counts the InMails that are stored as sent.
func (b *bencher) unopened(ctx context.Context) (n int, err error) {
	db, err := b.openRecord()
	if err != nil {
		return 0, err
	}
	defer db.Close()
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM inmails WHERE status = 'sent'").Scan(&n); err != nil {
		return 0, fmt.Errorf("bench: %w", err)
	}
	return n, nil
}

// openRecord opens the record beside the program, as durable as the program does.
func (b *bencher) openRecord() (*sql.DB, error) {
	driver, dsn := "pgx", b.settings.Record.URL
	if !b.settings.Record.Postgres() {
		driver = "sqlite"
		dsn = "file:" + b.settings.Record.File() + "?_pragma=busy_timeout(10000)&_pragma=synchronous(FULL)"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// scheduled measures n scheduled tasks of Asynq, enqueued, forwarded and processed, a second; 0: no Redis.
func (b *bencher) scheduled(ctx context.Context, n int) (float64, error) {
	if b.redis == nil {
		return 0, nil
	}
	client := asynq.NewClient(b.redis)
	defer client.Close()
	began := time.Now()
	if _, err := flood(ctx, benchClients, 0, n, func(int) error {
		_, err := client.EnqueueContext(ctx, asynq.NewTask("bench:noop", nil), asynq.Queue("scheduled"),
			asynq.ProcessIn(time.Second))
		return err
	}); err != nil {
		return 0, err
	}
	if _, err := asynqServer(ctx, b.redis, "scheduled", n, asynq.Config{Concurrency: runtime.NumCPU() * 4,
		DelayedTaskCheckInterval: 100 * time.Millisecond}); err != nil {
		return 0, err
	}
	return float64(n) / time.Since(began).Seconds(), ctx.Err()
}

// pushAll measures how many API calls push InMails of matched leads to the org, and their later changes,
// beside one record a call.
func (b *bencher) pushAll(ctx context.Context) error {
	for i := range benchRecipients {
		if _, err := b.sandbox.Insert("Lead", sandbox.Fields{"LastName": fmt.Sprintf("Recipient %d", i),
			"Company": "Bench", "InMail_Member_Id__c": fmt.Sprintf("r%d", i)}); err != nil {
			return fmt.Errorf("bench: seed the sandbox: %w", err)
		}
	}
	if err := b.drain(ctx); err != nil { // what earlier measurements left to push
		return err
	}
	from := b.next(b.sizes.pushes)
	var sends []mailroom.Send
	for n := from; n < from+b.sizes.pushes; n++ {
		sends = append(sends, benchLetter(n))
	}
	answers, err := b.service.Accept(ctx, sends)
	if err != nil {
		return err
	}
	if err := b.untilDelivered(ctx); err != nil {
		return err
	}
	before := b.calls()
	if err := b.drain(ctx); err != nil {
		return err
	}
	first := b.calls() - before
	for i, a := range answers {
		if a.Err != nil {
			return fmt.Errorf("bench: %w", a.Err)
		}
		if _, err := b.service.Open(ctx, mailroom.Viewer{Member: sends[i].To}, a.ID); err != nil {
			return err
		}
	}
	before = b.calls()
	if err := b.drain(ctx); err != nil {
		return err
	}
	b.row(benchRow{Work: fmt.Sprintf("push: %d delivered InMails with their Tasks", b.sizes.pushes),
		Ours: float64(first), Neighbour: float64(2 * b.sizes.pushes), Unit: "API calls",
		Against: "one record a call", Bar: "≤ 6"})
	b.row(benchRow{Work: fmt.Sprintf("push: %d later updates", b.sizes.pushes), Ours: float64(b.calls() - before),
		Neighbour: float64(b.sizes.pushes), Unit: "API calls",
		Against: "one record a call", Bar: "≤ 3"})
	return nil
}

// drain pushes until Salesforce has all InMails.
func (b *bencher) drain(ctx context.Context) error {
	push := b.jobs.Handlers()[mailroom.TaskCRMPush]
	return b.until(ctx, "Salesforce has everything", func() (bool, error) {
		if err := push(ctx, []string{string(salesforce.Name)}); err != nil {
			return false, err
		}
		status, err := b.service.CRMStatus(ctx, salesforce.Name)
		return status.Unsynced == 0, err
	})
}

// calls returns how many API calls the sandbox has answered, without logins.
func (b *bencher) calls() int {
	n := 0
	for resource, count := range b.sandbox.Calls() {
		if !strings.Contains(resource, "token") && !strings.Contains(resource, "login") {
			n += count
		}
	}
	return n
}

func (b *bencher) row(r benchRow) {
	if r.Ratio == 0 && r.Neighbour > 0 {
		r.Ratio = r.Ours / r.Neighbour
	}
	b.rows = append(b.rows, r)
}

func (b *bencher) print(out io.Writer, o *options) error {
	engine := "SQLite"
	if b.settings.Record.Postgres() {
		engine = "PostgreSQL"
	}
	if o.json {
		return o.print(out, map[string]any{"record": engine, "queue": b.queue.Where(), "cores": runtime.NumCPU(),
			"rows": b.rows}, "")
	}
	fmt.Fprintf(out, "record: %s; queue: %s; %d cores\n\n", engine, b.queue.Where(), runtime.NumCPU())
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "WORK\tOURS\tNEIGHBOUR\tRATIO\tCPU AN ITEM\tBAR\tAGAINST")
	for _, r := range b.rows {
		neighbour, ratio, cpu := "–", "–", "–"
		switch {
		case r.TheirCPU > 0:
			cpu = fmt.Sprintf("%.0f : %.0f µs", r.OwnCPU, r.TheirCPU)
		case r.OwnCPU > 0:
			cpu = fmt.Sprintf("%.0f µs", r.OwnCPU)
		}
		if r.Neighbour > 0 {
			neighbour, ratio = fmt.Sprintf("%.4g %s", r.Neighbour, r.Unit), fmt.Sprintf("%.3g", r.Ratio)
		}
		fmt.Fprintf(t, "%s\t%.4g %s\t%s\t%s\t%s\t%s\t%s\n", r.Work, r.Ours, r.Unit, neighbour, ratio, cpu, r.Bar,
			r.Against)
	}
	return t.Flush()
}
