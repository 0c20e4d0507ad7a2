package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"inmail/config"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// outagesReadme is the file with the table of outages; the table is between the two marks.
const (
	outagesReadme = "../../worker/README.md"
	outagesBegin  = "<!-- outages: held by TestFieldOutages -->\n"
	outagesEnd    = "<!-- /outages -->\n"
)

// outageRow is a row of the table: the outage, and what is answered meanwhile.
type outageRow struct {
	Name  string
	Cells answers
}

// answers are what the program says during an outage: a status or exit code, and the reason where one is
// given.
type answers struct{ Ready, Send, Inbox, Queue string }

// outageRows reads the table of worker/README.md.
func outageRows(t *testing.T) (rows []outageRow) {
	t.Helper()
	readme, err := os.ReadFile(outagesReadme)
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(readme), outagesBegin)
	table, _, closed := strings.Cut(table, outagesEnd)
	if !found || !closed {
		t.Fatal("worker/README.md has no table of outages: its two marks are missing")
	}
	for _, line := range strings.Split(strings.TrimSpace(table), "\n")[2:] {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if len(cells) != 5 {
			t.Fatalf("%d cells in %q, want 5", len(cells), line)
		}
		rows = append(rows, outageRow{cells[0], answers{cells[1], cells[2], cells[3], cells[4]}})
	}
	return rows
}

// outage brings about one outage under a whole program, and what it needs before.
type outage struct {
	strict  bool                                       // the time limits that ship: what hangs is given up
	engine  func(t *testing.T, s *config.Settings) any // prepares the servers, and returns what begin needs
	between func(t *testing.T, s config.Settings)      // is done while the program is stopped; nil: it is not
	begin   func(o *outaged, with any)                 // begins the outage while the program runs; may be nil
	// elsewhere says that this machine cannot bring the outage about; its words are then held by a test of
	// the record alone. nil: every machine can.
	elsewhere func() bool
}

// outages are the outages of the table, by name.
var outages = map[string]outage{
	"PostgreSQL only reads": {engine: onPostgres, begin: func(o *outaged, _ any) {
		o.administer("ALTER DATABASE %s SET default_transaction_read_only = on",
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s' AND pid <> pg_backend_pid()")
	}},
	// Every statement that writes is answered as by a server whose disk is full.
	"PostgreSQL's disk is full": {engine: onPostgres, begin: func(o *outaged, _ any) {
		db, err := sql.Open("pgx", o.s.Record.URL)
		if err != nil {
			o.t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec(fullDisk); err != nil {
			o.t.Fatal(err)
		}
	}},
	"PostgreSQL hangs": {strict: true, engine: func(t *testing.T, s *config.Settings) any {
		onPostgres(t, s)
		u, err := url.Parse(s.Record.URL)
		if err != nil {
			t.Fatal(err)
		}
		r := startHanging(t, u.Host)
		u.Host = r.address
		s.Record.URL = u.String()
		return r
	}, begin: func(_ *outaged, with any) { with.(*hanging).hang() }},
	"SQLite's file is full": {engine: func(_ *testing.T, s *config.Settings) any {
		s.Record.MaxBytes = 2 << 20
		return nil
	}, begin: func(o *outaged, _ any) {
		for n := 0; ; n++ {
			if err := o.accept(strings.Repeat("How do you test yours? ", 100)); err != nil {
				return
			}
			if n > inmailsAtMost {
				o.t.Fatal("it is never full")
			}
		}
	}},
	"SQLite's disk turns read-only": {engine: func(t *testing.T, s *config.Settings) any {
		s.Record.Data = mountDisk(t)
		return nil
	}, begin: func(o *outaged, _ any) { // what the kernel does after an error of the disk
		if out, err := exec.Command("mount", "-o", "remount,abort", o.s.Record.Data).CombinedOutput(); err != nil {
			o.t.Fatalf("%v: %s", err, out)
		}
	}, elsewhere: func() bool {
		return os.Getuid() != 0 || exec.Command("losetup", "--find").Run() != nil
	}},
	"SQLite has damaged pages": {between: func(t *testing.T, s config.Settings) {
		db, err := sql.Open("sqlite", s.Record.File())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		rows, err := db.Query("SELECT rootpage FROM sqlite_master WHERE tbl_name = 'inmails' AND rootpage > 0")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		file, err := os.OpenFile(s.Record.File(), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for rows.Next() {
			var page int64
			if err := rows.Scan(&page); err != nil {
				t.Fatal(err)
			}
			if _, err := file.WriteAt([]byte(strings.Repeat("\xff", 64)), (page-1)*4096); err != nil {
				t.Fatal(err)
			}
		}
	}},
	"Redis is full": {engine: onRedis, begin: func(_ *outaged, with any) {
		with.(*redisServer).command("CONFIG", "SET", "maxmemory", "1")
	}},
	"Redis is a replica": {engine: onRedis, begin: func(_ *outaged, with any) {
		with.(*redisServer).command("REPLICAOF", "127.0.0.1", "1")
	}},
	"Redis hangs": {strict: true, engine: onRedis, begin: func(_ *outaged, with any) {
		with.(*redisServer).command("CLIENT", "PAUSE", "600000", "ALL")
	}},
	"No process schedules": {engine: onRedis, begin: func(o *outaged, _ any) { o.a.stopPart(o.t, "schedule") }},
	"Redis is gone":        {engine: onRedis, begin: func(_ *outaged, with any) { with.(*redisServer).stop() }},
}

// mountDisk mounts a small disk of its own and returns its folder.
func mountDisk(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	image := filepath.Join(t.TempDir(), "image")
	for _, args := range [][]string{
		{"truncate", "-s", "64M", image}, {"mkfs.ext4", "-q", image}, {"mount", "-o", "loop", image, folder},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", args[0], err, out)
		}
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", folder).Run() })
	return folder
}

// fullDisk makes every table refuse to be written as on a full disk.
const fullDisk = `
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
DO $$ DECLARE t record; BEGIN
	FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
		EXECUTE format('CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON %I EXECUTE FUNCTION full_disk()', t.tablename);
	END LOOP;
END $$;`

func onPostgres(t *testing.T, s *config.Settings) any {
	s.Record.URL = database(t)
	return nil
}

func onRedis(t *testing.T, s *config.Settings) any {
	onPostgres(t, s)
	r := newRedis(t)
	s.Queue.URL = r.url()
	return r
}

// command sends one command to Redis.
func (r *redisServer) command(args ...any) {
	r.t.Helper()
	admin := redis.NewClient(&redis.Options{Addr: r.address()})
	defer admin.Close()
	if err := admin.Do(r.t.Context(), args...).Err(); err != nil {
		r.t.Fatal(err)
	}
}

// outaged is a program with a part that is out.
type outaged struct {
	t       *testing.T
	s       config.Settings
	a       *app
	folder  string // has the operator's key, for the command line
	letters int
}

func (o *outaged) start() {
	o.t.Helper()
	var err error
	if o.a, err = build(o.t.Context(), o.s, slog.New(slog.DiscardHandler)); err != nil {
		o.t.Fatal(err)
	}
	if err := o.a.Start(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
}

// The members of an outaged program: enough for all that is sent.
const (
	outagedSenders = 40
	inmailsAtMost  = 1000
)

// sender is the next sender; each has credits for 50.
func (o *outaged) sender() domain.MemberID {
	return domain.MemberID(fmt.Sprintf("s%d", o.letters%outagedSenders))
}

// administer runs statements about the program's database by another connection to its server.
func (o *outaged) administer(statements ...string) {
	o.t.Helper()
	db, err := sql.Open("pgx", os.Getenv("INMAIL_TEST_POSTGRES_URL"))
	if err != nil {
		o.t.Fatal(err)
	}
	defer db.Close()
	name := o.s.Record.URL[strings.LastIndexByte(o.s.Record.URL, '/')+1:]
	name, _, _ = strings.Cut(name, "?")
	for _, s := range statements {
		if _, err := db.Exec(fmt.Sprintf(s, name)); err != nil {
			o.t.Fatal(err)
		}
	}
}

// accept sends an InMail by the service.
func (o *outaged) accept(body string) error {
	o.letters++
	to := domain.MemberID(fmt.Sprintf("r%d", o.letters))
	answers, err := o.a.service.Accept(o.t.Context(), []mailroom.Send{{From: o.sender(), To: to, Subject: "A question", Body: body}})
	if err == nil {
		err = answers[0].Err
	}
	return err
}

// ask makes one request as a member; an empty one is nobody.
func (o *outaged) ask(method, path, member string, body any) (status int, header http.Header, answer string) {
	o.t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		o.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(o.t.Context(), method, "http://"+o.a.apiAddress+path, strings.NewReader(string(encoded)))
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if member != "" {
		req.Header.Set("Authorization", "Bearer "+operatorKey)
		req.Header.Set("Inmail-Member", member)
	}
	resp, err := client.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

// reason returns what an answer says, in a cell's form: its status, and of an error the part of the detail
// before what to do. A 503 must say when to come again.
func (o *outaged) reason(status int, header http.Header, answer string) string {
	var p struct{ Detail string }
	_ = json.Unmarshal([]byte(answer), &p) // one without a detail has none
	if status == http.StatusServiceUnavailable && header.Get("Retry-After") == "" {
		return "503 without Retry-After"
	}
	if status < 300 {
		return fmt.Sprint(status)
	}
	detail, _, _ := strings.Cut(p.Detail, ";")
	return fmt.Sprintf("%d: %s", status, detail)
}

// ready returns what /readyz says, in a cell's form.
func (o *outaged) ready() string {
	status, header, answer := o.ask("GET", "/readyz", "", nil)
	if status != http.StatusOK {
		return o.reason(status, header, answer)
	}
	var h struct {
		Status string
		Causes map[string]string
	}
	if err := json.Unmarshal([]byte(answer), &h); err != nil {
		o.t.Fatal(err)
	}
	var causes []string
	for part, cause := range h.Causes {
		causes = append(causes, part+" "+cause)
	}
	slices.Sort(causes)
	return strings.Join(append([]string{"200: " + h.Status}, causes...), ", ")
}

// answers asks everything once.
func (o *outaged) answers() answers {
	o.t.Helper()
	var got answers
	o.letters++
	send := map[string]any{"to": fmt.Sprintf("r%d", o.letters), "subject": "A question", "body": "What you wrote on queues stayed with me."}
	got.Send = o.reason(o.ask("POST", "/v1/inmails", string(o.sender()), send))
	got.Inbox = o.reason(o.ask("GET", "/v1/inbox", "r0", nil))
	got.Ready = o.ready()
	shown := inmail(o.t, "queue", "status", "--server", "http://"+o.a.apiAddress, "--data", o.folder)
	got.Queue = fmt.Sprintf("exit %d", shown.code)
	if shown.code != exitDone {
		said, _, _ := strings.Cut(strings.TrimPrefix(shown.err, "inmail: "), ";")
		got.Queue += ": " + strings.TrimPrefix(strings.TrimSpace(said), "unavailable: ")
	}
	for line := range strings.Lines(shown.out) {
		if warning, found := strings.CutPrefix(line, "warning: "); found {
			said, _, _ := strings.Cut(warning, ":")
			got.Queue += ", warning: " + said
		}
	}
	return got
}

// TestFieldOutages holds every cell of the table of outages in worker/README.md (F35).
func TestFieldOutages(t *testing.T) {
	t.Parallel() // it mostly waits
	rows := outageRows(t)
	if len(rows) != len(outages) {
		t.Errorf("%d rows in the table, and %d outages that are tried", len(rows), len(outages))
	}
	for _, row := range rows {
		name := strings.NewReplacer(" ", "_", "'", "").Replace(strings.ToLower(row.Name))
		t.Run("F35_"+name, func(t *testing.T) {
			t.Parallel()
			c, known := outages[row.Name]
			if !known {
				t.Fatalf("the table has %q, which nobody tries", row.Name)
			}
			if c.elsewhere != nil && c.elsewhere() {
				t.Log("no disk may be mounted here: TestDiskTurnsReadOnly of the record holds the words")
				return
			}
			o := &outaged{t: t, folder: t.TempDir()}
			o.s = patient(t, map[string]string{"data": t.TempDir(), "listen": "127.0.0.1:0"})
			if c.strict {
				var err error
				if o.s, err = config.Load(config.Sources{Flags: map[string]string{"data": t.TempDir(), "listen": "127.0.0.1:0"}}); err != nil {
					t.Fatal(err)
				}
			}
			o.s.Program.OperatorKey = operatorKey
			o.s.Policy.BurstMinute, o.s.Policy.VolumeHour, o.s.Policy.VolumeDay = 1e6, 1e6, 1e6
			o.s.Policy.RegularGaps, o.s.Policy.SimilarDay = 1e6, 1e6
			if err := os.WriteFile(filepath.Join(o.folder, "operator.key"), []byte(operatorKey), 0o600); err != nil {
				t.Fatal(err)
			}
			var with any
			if c.engine != nil {
				with = c.engine(t, &o.s)
			}
			o.start()
			t.Cleanup(func() { // what hangs is not waited for
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
				defer cancel()
				_ = o.a.Stop(ctx)
			})
			o.people()
			well := answers{Ready: "200: ok", Send: "202", Inbox: "200", Queue: "exit 0"}
			o.becomes("before", well)
			if c.between != nil {
				if err := o.a.Stop(t.Context()); err != nil {
					t.Fatal(err)
				}
				c.between(t, o.s)
				o.start()
			}
			if c.begin != nil {
				c.begin(o, with)
			}
			o.becomes("in the outage", row.Cells)
			if row.Cells.Queue == "exit 0" {
				o.leavesNoSlots()
			}
			if long && strings.HasPrefix(row.Cells.Send, "503") {
				o.measure()
			}
		})
	}
}

// leavesNoSlots checks that of the slots that failed in the outage none is to be tried again, or archived.
func (o *outaged) leavesNoSlots() {
	o.t.Helper()
	failures, err := o.a.queue.Failures(o.t.Context(), 1000)
	if err != nil {
		o.t.Fatal(err)
	}
	for _, f := range failures {
		if kind, known := mailroom.TaskKindOf(f.Type); !known || kind.Retries == 0 {
			o.t.Errorf("left: %+v", f)
		}
	}
}

// becomes waits until all answers are those that are wanted.
func (o *outaged) becomes(when string, want answers) {
	o.t.Helper()
	eventually(o.t, when, func() error {
		if diff := cmp.Diff(want, o.answers()); diff != "" {
			return fmt.Errorf("answers (-table +program):\n%s", diff)
		}
		return nil
	})
}

// stopPart stops one part of a program.
func (a *app) stopPart(t *testing.T, name string) {
	t.Helper()
	i := slices.IndexFunc(a.stops, func(s stop) bool { return s.name == name })
	if i < 0 {
		t.Fatalf("no part %q runs", name)
	}
	if err := a.stops[i].do(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.stops = slices.Delete(a.stops, i, i+1)
}

// TestReadyByRole runs a process of each role without Redis, and without a scheduler: only a process that can
// do nothing is not ready, and each says why.
func TestReadyByRole(t *testing.T) {
	t.Parallel() // it mostly waits
	common := outaged{t: t}
	common.s = patient(t, map[string]string{"listen": "127.0.0.1:0"})
	common.s.Program.OperatorKey = operatorKey
	server := onRedis(t, &common.s).(*redisServer)
	roles := [][]config.Role{{config.RoleAPI}, {config.RoleWorker}, {config.RoleScheduler}, {config.RoleAPI, config.RoleScheduler}}
	processes := make([]*outaged, len(roles))
	for i := range roles {
		o := common
		o.s.Program.Roles = roles[i]
		o.start()
		t.Cleanup(func() { _ = o.a.Stop(context.Background()) })
		processes[i] = &o
	}
	say := func(when string, want ...string) {
		t.Helper()
		eventually(t, when, func() error {
			for i, o := range processes {
				if got := o.ready(); got != want[i] {
					return fmt.Errorf("%v says %q, want %q", roles[i], got, want[i])
				}
			}
			return nil
		})
	}
	say("all is well", "200: ok", "200: ok", "200: ok", "200: ok")
	for _, scheduler := range []int{2, 3} {
		processes[scheduler].a.stopPart(t, "schedule")
	}
	const still = "200: degraded, schedule stands still"
	say("nobody schedules", still, still, "503: the schedule stands still", still)
	server.stop()
	const gone = "200: degraded, queue cannot be reached, schedule cannot be reached"
	say("Redis is gone", gone, "503: the queue cannot be reached", "503: the queue cannot be reached", gone)
}

// people are senders with credits and recipients.
func (o *outaged) people() {
	o.t.Helper()
	members := make([]domain.Member, 0, outagedSenders+inmailsAtMost)
	for i := range outagedSenders {
		sender := domain.NewMember(domain.MemberID(fmt.Sprintf("s%d", i)), "Sender")
		sender.Plan, sender.AccountType = "recruiter_50", domain.ShippedPlans()["recruiter_50"].AccountType
		members = append(members, sender)
	}
	for i := range inmailsAtMost {
		members = append(members, domain.NewMember(domain.MemberID(fmt.Sprintf("r%d", i)), "Recipient"))
	}
	errs, err := o.a.service.PutMembers(o.t.Context(), members)
	for _, err := range append(errs, err) {
		if err != nil {
			o.t.Fatal(err)
		}
	}
}

// measure prints how fast a 503 is answered once the outage is known.
func (o *outaged) measure() {
	const calls = 500
	send := map[string]any{"to": "r1", "subject": "A question", "body": "What you wrote on queues stayed with me."}
	var mu sync.Mutex
	var took []time.Duration
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for range calls / 10 {
				began := time.Now()
				if status, _, _ := o.ask("POST", "/v1/inmails", "s0", send); status != http.StatusServiceUnavailable {
					o.t.Errorf("status %d", status)
				}
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
			}
		})
	}
	all.Wait()
	slices.Sort(took)
	o.t.Logf("%d answers of 503: p50 %s, p99 %s, the slowest %s", len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
}

// hanging passes connections on to a server until it hangs: then it takes bytes and passes on none.
type hanging struct {
	address string
	mu      sync.Mutex
	gate    chan struct{} // closed while bytes pass
}

func startHanging(t *testing.T, to string) *hanging {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hanging{address: listener.Addr().String(), gate: make(chan struct{})}
	close(h.gate)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			ended, end := context.WithCancel(context.Background())
			t.Cleanup(func() { end(); in.Close(); out.Close() })
			for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
				go func() {
					defer way[0].Close()
					defer way[1].Close()
					_, _ = io.Copy(passing{way[1], h, ended}, way[0])
				}()
			}
		}
	}()
	return h
}

func (h *hanging) hang() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gate = make(chan struct{})
}

// passing writes while nothing hangs.
type passing struct {
	io.Writer
	h     *hanging
	ended context.Context
}

func (p passing) Write(b []byte) (int, error) {
	p.h.mu.Lock()
	gate := p.h.gate
	p.h.mu.Unlock()
	select {
	case <-gate:
		return p.Writer.Write(b)
	case <-p.ended.Done():
		return 0, net.ErrClosed
	}
}
