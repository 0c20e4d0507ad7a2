package main

import (
	"context"
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
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"inmail/config"
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

It works on a record of its own: a temporary SQLite file, or the database of INMAIL_DATABASE_URL, which must be
empty. The queue is INMAIL_REDIS_URL, which it flushes, or the broker inside the process.`,
		Example: "  inmail bench --sends 20000 --expiries 100000",
		Args:    exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return bench(cmd.Context(), o, sizes, cmd.OutOrStdout())
		},
	}
	cmd.Flags().IntVar(&sizes.sends, "sends", 5000, "InMails to accept and deliver")
	cmd.Flags().IntVar(&sizes.expiries, "expiries", 20_000, "InMails to expire")
	cmd.Flags().IntVar(&sizes.pushes, "pushes", 1000, "InMails to push")
	cmd.Flags().IntVar(&sizes.alone, "alone", 200, "sends one after the other, for the latency")
	cmd.Flags().StringVar(&sizes.profiles, "profiles", "",
		"a folder for a CPU and an allocation profile of each measurement")
	cmd.AddCommand(benchSpamCommand(o))
	return cmd
}

type benchSizes struct {
	sends, expiries, pushes, alone int
	profiles                       string
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

// processorTime returns the processor time that this process has used, without Redis and PostgreSQL. On a
// shared machine it is steadier than a rate. It is 0 when the system does not report it.
func processorTime() time.Duration {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
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
	b := &bencher{app: a, sizes: sizes, client: &http.Client{Timeout: 30 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	for _, measure := range []func(context.Context) error{b.accept, b.deliver, b.alone, b.preflight, b.expire,
		b.pushAll} {
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
	s.Program.OperatorKey = "inm_bench_0123456789abcdef"
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
	senders := (b.sizes.sends+b.sizes.expiries+b.sizes.pushes+b.sizes.alone)/45 + 1
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
	if err := b.installOperatorKey(ctx); err != nil {
		return err
	}
	if err := b.startCRMs(ctx); err != nil { // an InMail is accepted with its link
		return err
	}
	return b.startAPI()
}

// letter returns the n-th InMail.
func (b *bencher) letter(n int) mailroom.Send {
	to := fmt.Sprintf("r%d", n%benchRecipients)
	return mailroom.Send{From: domain.MemberID(fmt.Sprintf("s%d", n/45)), To: domain.MemberID(to),
		Subject: "A question for Recipient",
		Body: fmt.Sprintf("Dear Recipient,\n\nwhat you wrote on **queues** in part %d stayed with me. "+
			"Would you tell me how your team tests its own?\n\n- by hand\n"+
			"- by [a model](https://example.org/model)", n),
		Key: fmt.Sprintf("bench-%d", n)}
}

// clients is how many goroutines make requests at once.
const clients = 64

// flood calls do for each of count numbers from the first on, by all clients at once, and returns the calls a
// second.
func flood(ctx context.Context, from, count int, do func(n int) error) (float64, error) {
	var next atomic.Int64
	next.Store(int64(from))
	var fault atomic.Pointer[error]
	began := time.Now()
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for ctx.Err() == nil && fault.Load() == nil {
				n := int(next.Add(1)) - 1
				if n >= from+count {
					return
				}
				if err := do(n); err != nil {
					fault.Store(&err)
				}
			}
		})
	}
	wg.Wait()
	if err := fault.Load(); err != nil {
		return 0, *err
	}
	return float64(count) / time.Since(began).Seconds(), ctx.Err()
}

// post sends one InMail over HTTP.
func (b *bencher) post(s mailroom.Send) (string, error) {
	body, err := json.Marshal(map[string]string{"to": string(s.To), "subject": s.Subject, "body": s.Body})
	if err != nil {
		return "", err
	}
	return b.ask("http://"+b.apiAddress+"/v1/inmails", string(body), http.StatusAccepted,
		"Inmail-Member", string(s.From), "Idempotency-Key", s.Key)
}

func (b *bencher) ask(url, body string, want int, header ...string) (string, error) {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+b.operatorKey)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		return "", fmt.Errorf("%s: status %d: %w", url, resp.StatusCode,
			errors.Join(err, errors.New(string(raw[:min(len(raw), 200)]))))
	}
	return string(raw), nil
}

// accept measures POST /v1/inmails, durable and checked by every rule, beside a handler that only enqueues an
// Asynq task.
func (b *bencher) accept(ctx context.Context) error {
	end, err := b.profile("accept")
	if err != nil {
		return err
	}
	used := processorTime()
	ours, err := flood(ctx, 0, b.sizes.sends, func(n int) error { _, err := b.post(b.letter(n)); return err })
	ownCPU := cpuEach(used, b.sizes.sends)
	if err := errors.Join(err, end()); err != nil {
		return err
	}
	if b.redis == nil {
		b.row(benchRow{Work: "accept: POST /v1/inmails, 64 clients", Ours: ours, Unit: "/s",
			Against: "no Redis: no neighbour"})
		return nil
	}
	client := asynq.NewClient(b.redis)
	defer client.Close()
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
		return fmt.Errorf("bench: %w", err)
	}
	go server.Serve(listener)
	defer server.Close()
	used = processorTime()
	theirs, err := flood(ctx, 0, b.sizes.sends, func(n int) error {
		s := b.letter(n)
		_, err := b.ask("http://"+listener.Addr().String()+"/", `{"to":"`+string(s.To)+`","subject":"`+s.Subject+`"}`,
			http.StatusAccepted)
		return err
	})
	b.row(benchRow{Work: "accept: POST /v1/inmails, 64 clients", Ours: ours, Neighbour: theirs, Unit: "/s",
		Against: "a handler that only enqueues an Asynq task", Bar: "≥ 1",
		OwnCPU: ownCPU, TheirCPU: cpuEach(used, b.sizes.sends)})
	return err
}

// deliver measures the way from accepted to delivered, with all rules, beside no-op tasks of one Asynq
// server.
func (b *bencher) deliver(ctx context.Context) error {
	b.jobs = newJobs(b.app)
	end, err := b.profile("deliver")
	if err != nil {
		return err
	}
	began, used := time.Now(), processorTime()
	if err := b.startWorkers(); err != nil {
		return err
	}
	if err := b.until(ctx, "all is delivered",
		func() (bool, error) { n, err := b.delivered(ctx); return n >= b.sizes.sends, err }); err != nil {
		return err
	}
	ours, ownCPU := float64(b.sizes.sends)/time.Since(began).Seconds(), cpuEach(used, b.sizes.sends)
	if err := end(); err != nil {
		return err
	}
	if b.redis == nil {
		b.row(benchRow{Work: "deliver: accepted → delivered", Ours: ours, Unit: "/s",
			Against: "no Redis: no neighbour"})
		return nil
	}
	// The neighbour's tasks are in its queue already: the handler of accept enqueued them.
	done := make(chan struct{})
	var n atomic.Int64
	server := asynq.NewServer(b.redis, asynq.Config{Concurrency: runtime.NumCPU() * 4,
		Queues: map[string]int{"bench": 1}, LogLevel: asynq.FatalLevel})
	began, used = time.Now(), processorTime()
	if err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		if n.Add(1) == int64(b.sizes.sends) {
			close(done)
		}
		return nil
	})); err != nil {
		return fmt.Errorf("bench: start Asynq: %w", err)
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
	theirs, theirCPU := float64(n.Load())/time.Since(began).Seconds(), cpuEach(used, int(n.Load()))
	server.Shutdown()
	b.row(benchRow{Work: "deliver: accepted → delivered", Ours: ours, Neighbour: theirs, Unit: "/s",
		Against: "Asynq's no-op tasks, one server", Bar: "≥ 2",
		OwnCPU: ownCPU, TheirCPU: theirCPU})
	return ctx.Err()
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

// alone measures one send at a time, from the request to the inbox, on an otherwise idle machine.
func (b *bencher) alone(ctx context.Context) error {
	var took []time.Duration
	for n := b.sizes.sends; n < b.sizes.sends+b.sizes.alone; n++ {
		s := b.letter(n)
		began := time.Now()
		answer, err := b.post(s)
		if err != nil {
			return err
		}
		var accepted struct{ ID domain.ID }
		if err := json.Unmarshal([]byte(answer), &accepted); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		err = b.until(ctx, "it is in the inbox", func() (bool, error) {
			page, err := b.service.Inbox(ctx, s.To, mailroom.Filter{}, mailroom.Page{Limit: 1})
			return len(page.Items) > 0 && page.Items[0].ID == accepted.ID, err
		})
		if err != nil {
			return err
		}
		took = append(took, time.Since(began))
	}
	if len(took) == 0 {
		return nil
	}
	slices.Sort(took)
	b.row(benchRow{Work: "alone: POST → in the inbox, p99", Ours: ms(took[len(took)*99/100]),
		Neighbour: ms(took[len(took)/2]), Unit: "ms", Against: "its own median", Bar: "p99 under 50 ms"})
	return nil
}

// preflight measures one request about 10,000 recipients beside the same checks one by one, extrapolated from
// a sample.
func (b *bencher) preflight(context.Context) error {
	const singles = 200
	to := make([]string, mailroom.MaxPreflight)
	for i := range to {
		to[i] = fmt.Sprintf("r%d", i)
	}
	letter := b.letter(0)
	check := func(to any) (time.Duration, error) {
		body, err := json.Marshal(map[string]any{"to": to, "subject": letter.Subject, "body": letter.Body})
		if err != nil {
			return 0, err
		}
		began := time.Now()
		_, err = b.ask("http://"+b.apiAddress+"/v1/preflight", string(body), http.StatusOK,
			"Inmail-Member", string(letter.From))
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

// expire measures the sweep beside Asynq's scheduled tasks, of which the alternative would need one per
// InMail.
func (b *bencher) expire(ctx context.Context) error {
	from := b.sizes.sends + b.sizes.alone
	for n := from; n < from+b.sizes.expiries; n += 500 {
		var sends []mailroom.Send
		for k := n; k < min(n+500, from+b.sizes.expiries); k++ {
			sends = append(sends, b.letter(k))
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
	all := b.sizes.sends + b.sizes.alone + b.sizes.expiries
	if err := b.until(ctx, "all is delivered",
		func() (bool, error) { n, err := b.delivered(ctx); return n >= all, err }); err != nil {
		return err
	}
	if _, err := b.clock.Advance(domain.Window); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	end, err := b.profile("expire")
	if err != nil {
		return err
	}
	began, used := time.Now(), processorTime()
	expired := 0
	for {
		n, err := b.service.Expire(ctx, 1000)
		if err != nil {
			return err
		}
		if expired += n; n == 0 {
			break
		}
	}
	ours, ownCPU := float64(expired)/time.Since(began).Seconds(), cpuEach(used, expired)
	if err := end(); err != nil {
		return err
	}
	used = processorTime()
	theirs, err := b.scheduled(ctx, min(b.sizes.expiries, 5000))
	if err != nil {
		return err
	}
	against := "Asynq's scheduled tasks, one an InMail"
	if theirs == 0 {
		against = "no Redis: no neighbour"
	}
	b.row(benchRow{Work: fmt.Sprintf("expire: %d unopened", expired), Ours: ours, Neighbour: theirs, Unit: "/s",
		Against: against, Bar: "≥ 10",
		OwnCPU: ownCPU, TheirCPU: cpuEach(used, min(b.sizes.expiries, 5000))})
	return nil
}

// scheduled measures n scheduled tasks of Asynq, enqueued, forwarded and processed, a second; 0: no Redis.
func (b *bencher) scheduled(ctx context.Context, n int) (float64, error) {
	if b.redis == nil {
		return 0, nil
	}
	client := asynq.NewClient(b.redis)
	defer client.Close()
	began := time.Now()
	if _, err := flood(ctx, 0, n, func(int) error {
		_, err := client.EnqueueContext(ctx, asynq.NewTask("bench:noop", nil), asynq.Queue("scheduled"),
			asynq.ProcessIn(time.Second))
		return err
	}); err != nil {
		return 0, err
	}
	done := make(chan struct{})
	var handled atomic.Int64
	server := asynq.NewServer(b.redis, asynq.Config{Concurrency: runtime.NumCPU() * 4,
		Queues: map[string]int{"scheduled": 1}, LogLevel: asynq.FatalLevel,
		DelayedTaskCheckInterval: 100 * time.Millisecond})
	if err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		if handled.Add(1) == int64(n) {
			close(done)
		}
		return nil
	})); err != nil {
		return 0, fmt.Errorf("bench: start Asynq: %w", err)
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
	took := time.Since(began)
	server.Shutdown()
	return float64(n) / took.Seconds(), ctx.Err()
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
	from := b.sizes.sends + b.sizes.alone + b.sizes.expiries
	var sends []mailroom.Send
	for n := from; n < from+b.sizes.pushes; n++ {
		sends = append(sends, b.letter(n))
	}
	answers, err := b.service.Accept(ctx, sends)
	if err != nil {
		return err
	}
	all := from + b.sizes.pushes
	if err := b.until(ctx, "all is delivered",
		func() (bool, error) { n, err := b.delivered(ctx); return n >= all, err }); err != nil {
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
	if r.Neighbour > 0 {
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
		if r.OwnCPU > 0 {
			cpu = fmt.Sprintf("%.0f : %.0f µs", r.OwnCPU, r.TheirCPU)
		}
		if r.Neighbour > 0 {
			neighbour, ratio = fmt.Sprintf("%.4g %s", r.Neighbour, r.Unit), fmt.Sprintf("%.3g", r.Ratio)
		}
		fmt.Fprintf(t, "%s\t%.4g %s\t%s\t%s\t%s\t%s\t%s\n", r.Work, r.Ours, r.Unit, neighbour, ratio, cpu, r.Bar,
			r.Against)
	}
	return t.Flush()
}
