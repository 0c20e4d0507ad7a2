package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"inmail/config"
	"inmail/connectors/porttest"
)

// The tests of whole programs: the real binary with real Redis, PostgreSQL and Prometheus. They measure no
// time; where they wait, they wait for something to become true, and give up after patience: it is no limit,
// but the end of a test that hangs.
const patience = 15 * time.Minute

// long selects the long form of the tests, as make storm does. The short form makes the same assertions about
// smaller loads.
var long = os.Getenv("INMAIL_TEST_LONG") == "1"

// sized returns the size of a test in its short form, or in its long one.
func sized[T any](short, inFull T) T {
	if long {
		return inFull
	}
	return short
}

// patientEnv sets the program's own time limits to their longest, since times on a busy machine prove
// nothing.
var patientEnv = []string{"INMAIL_DATABASE_CONNECT_TIMEOUT=1m", "INMAIL_DATABASE_LOCK_TIMEOUT=10m", "INMAIL_DATABASE_TIMEOUT=1h", "INMAIL_DATABASE_PATIENCE=10m",
	"INMAIL_REDIS_CONNECT_TIMEOUT=1m", "INMAIL_REDIS_TIMEOUT=1m", "INMAIL_QUEUE_ENQUEUE_TIMEOUT=1m",
	"INMAIL_READ_HEADER_TIMEOUT=1m", "INMAIL_READ_TIMEOUT=10m", "INMAIL_WRITE_TIMEOUT=10m", "INMAIL_REQUEST_TIMEOUT=10m"}

// patient are the settings of a program that a test runs in its own process: the longest time limits.
func patient(t *testing.T, flags map[string]string) config.Settings {
	t.Helper()
	s, err := config.Load(config.Sources{Environment: patientEnv, Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var binary struct {
	once sync.Once
	path string
	err  error
}

// program builds the binary once, like make build: without cgo.
func program(t *testing.T) string {
	t.Helper()
	binary.once.Do(func() {
		dir, err := os.MkdirTemp("", "inmail-e2e")
		if err != nil {
			binary.err = err
			return
		}
		binary.path = filepath.Join(dir, "inmail")
		build := exec.Command("go", "build", "-trimpath", "-o", binary.path, ".") // as make build does, which shares what is compiled
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			binary.err = fmt.Errorf("build: %w\n%s", err, out)
		}
	})
	if binary.err != nil {
		t.Fatal(binary.err)
	}
	return binary.path
}

func TestMain(m *testing.M) {
	for _, entry := range os.Environ() { // the tests' programs inherit no settings
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "INMAIL_") && !strings.HasPrefix(name, "INMAIL_TEST_") {
			os.Unsetenv(name)
		}
	}
	code := m.Run()
	if binary.path != "" {
		os.RemoveAll(filepath.Dir(binary.path))
	}
	os.Exit(code)
}

const operatorKey = "inm_test_operator_key_0123456789"

// server is one process of the program.
type server struct {
	t    *testing.T
	env  []string
	args []string
	dir  string // where it runs; empty: where the tests do
	port int
	url  string
	log  *lockedBuffer

	mu      sync.Mutex
	process *process // nil: not running
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// calmEnv sets the triggers of R41 so high that a load does not reach them.
var calmEnv = []string{"INMAIL_POLICY_VOLUME_HOUR=1000000", "INMAIL_POLICY_VOLUME_DAY=1000000", "INMAIL_POLICY_SIMILAR_DAY=1000000",
	"INMAIL_POLICY_REGULAR_GAPS=1000000", "INMAIL_POLICY_BURST_MINUTE=1000000"}

// newServer prepares a server on a port of its own; Start starts it.
func newServer(t *testing.T, args []string, env ...string) *server {
	t.Helper()
	port := porttest.Port(t)
	s := &server{t: t, port: port, url: fmt.Sprintf("http://127.0.0.1:%d", port), log: &lockedBuffer{}}
	s.args = append([]string{"serve", "--listen", fmt.Sprintf("127.0.0.1:%d", port)}, args...)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "INMAIL_") {
			s.env = append(s.env, e)
		}
	}
	s.env = append(s.env, patientEnv...)
	s.env = append(append(s.env, "INMAIL_OPERATOR_KEY="+operatorKey, "INMAIL_LOG_LEVEL=warn", "INMAIL_CRM_PUSH_EVERY=500ms", "INMAIL_SNAPSHOT_EVERY=500ms"), env...)
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("log of %v:\n%s", s.args, tail(s.log.String(), 4000))
		}
	})
	return s
}

// impatient gives the server the time limits that ship in place of patientEnv: it gives up what hangs.
func (s *server) impatient() {
	s.env = slices.DeleteFunc(s.env, func(entry string) bool { return slices.Contains(patientEnv, entry) })
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// Start starts the process and waits until /readyz answers 200.
func (s *server) Start() {
	s.t.Helper()
	s.launch()
	s.eventually("the server is ready", func() error {
		if err := s.listens(s.port); err != nil {
			return err
		}
		resp, err := http.Get(s.url + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", resp.StatusCode)
		}
		return nil
	})
}

func (s *server) launch() {
	s.t.Helper()
	cmd := exec.Command(program(s.t), s.args...)
	cmd.Env, cmd.Dir = s.env, s.dir
	p := startProcess(s.t, fmt.Sprintf("inmail %v", s.args), s.log, cmd)
	s.mu.Lock()
	s.process = p
	s.mu.Unlock()
}

// Kill ends the process as kill -9 does.
func (s *server) Kill() { s.end(syscall.SIGKILL) }

// Stop ends the process as an operator does, and returns its exit code.
func (s *server) Stop() int { return s.end(syscall.SIGTERM) }

func (s *server) end(sig syscall.Signal) int {
	s.t.Helper()
	s.mu.Lock()
	p := s.process
	s.process = nil
	s.mu.Unlock()
	if p == nil {
		return 0
	}
	return p.end(s.t, sig)
}

// listens returns nil when it is this process that listens on port.
func (s *server) listens(port int) error {
	s.mu.Lock()
	p := s.process
	s.mu.Unlock()
	if p == nil {
		return errors.New("it does not run")
	}
	return porttest.Listening(p.cmd.Process.Pid, port)
}

// died returns how the process ended on its own; empty: it runs, or the test ended it.
func (s *server) died() string {
	s.mu.Lock()
	p := s.process
	s.mu.Unlock()
	if p == nil {
		return ""
	}
	return p.died()
}

// eventually waits until check returns nil, and fails the test when the process ends on its own.
func (s *server) eventually(what string, check func() error) {
	s.t.Helper()
	eventually(s.t, what, func() error {
		if how := s.died(); how != "" {
			s.t.FailNow() // the cleanup reports how it ended
		}
		return check()
	})
}

func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited too long until %s: %v", what, err)
		}
		pause := time.NewTimer(50 * time.Millisecond)
		<-pause.C
	}
}

var client = &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// call makes one request with the operator key on behalf of a member.
func (s *server) call(method, path, member string, body any, header ...string) (int, map[string]any, error) {
	return request(client, s.url, method, path, member, body, header...)
}

// request makes one request to the server at base with the operator key on behalf of a member. An answer that
// is no JSON is under "text".
func request(client *http.Client, base, method, path, member string, body any, header ...string) (int, map[string]any, error) {
	var in io.Reader
	if body != nil {
		raw, ok := body.([]byte)
		if !ok {
			var err error
			if raw, err = json.Marshal(body); err != nil {
				return 0, nil, err
			}
		}
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, base+path, in)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+operatorKey)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if member != "" {
		req.Header.Set("Inmail-Member", member)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, err
	}
	out := map[string]any{}
	if len(raw) > 0 && strings.Contains(resp.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(raw, &out); err != nil {
			return 0, nil, err
		}
	} else {
		out["text"] = string(raw)
	}
	return resp.StatusCode, out, nil
}

// must makes a call and fails the test unless the answer has status.
func (s *server) must(status int, method, path, member string, body any, header ...string) map[string]any {
	s.t.Helper()
	got, out, err := s.call(method, path, member, body, header...)
	if err != nil || got != status {
		s.t.Fatalf("%s %s: %d %v %v, want %d", method, path, got, out, err, status)
	}
	return out
}

// network imports senders with a plan, and recipients.
func (s *server) network(senders int, plan string, recipients int) {
	s.t.Helper()
	var lines bytes.Buffer
	for i := range senders {
		fmt.Fprintf(&lines, `{"member":{"id":"s%d","name":"Sender %d","account_type":"%s","plan":"%s"}}`+"\n", i, i, plan[:strings.LastIndexByte(plan, '_')], plan)
	}
	for i := range recipients {
		fmt.Fprintf(&lines, `{"member":{"id":"r%d","name":"Recipient %d"}}`+"\n", i, i)
	}
	out := s.must(http.StatusOK, "POST", "/v1/import", "", lines.Bytes(), "Content-Type", "application/x-ndjson")
	if out["accepted"] != float64(senders+recipients) {
		s.t.Fatalf("import: %v", out)
	}
}

// post sends one InMail under a key, repeating the request until the server has answered, as a careful client
// does (R28).
func (s *server) post(ctx context.Context, from, to, key string) (id string, err error) {
	body := map[string]any{"to": to, "subject": "A question about " + to, "body": "What you wrote on queues, " + to + ", stayed with me. How do you test yours? " + key}
	for ctx.Err() == nil {
		status, out, err := s.call("POST", "/v1/inmails", from, body, "Idempotency-Key", key)
		switch {
		case err != nil, status == http.StatusServiceUnavailable:
			pause := time.NewTimer(20 * time.Millisecond)
			<-pause.C
		case status == http.StatusAccepted:
			return out["id"].(string), nil
		default:
			return "", fmt.Errorf("%d %v", status, out)
		}
	}
	return "", ctx.Err()
}

// load sends n InMails by 16 clients, from the senders in turn, each to another recipient, and returns the
// ids by key.
func (s *server) load(n, senders int, sent *atomic.Int64) map[string]string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	ids := map[string]string{}
	var mu sync.Mutex
	var faults []error
	work := make(chan int)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := range work {
				key := fmt.Sprintf("k%d", i)
				id, err := s.post(ctx, fmt.Sprintf("s%d", i%senders), fmt.Sprintf("r%d", i), key)
				sent.Add(1)
				mu.Lock()
				if err != nil {
					faults = append(faults, fmt.Errorf("send %d: %w", i, err))
				} else {
					ids[key] = id
				}
				mu.Unlock()
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
	if err := errors.Join(faults...); err != nil {
		s.t.Fatal(err)
	}
	return ids
}

// deliveredOnce checks every InMail of a load: status sent, receipts without a gap, once in the inbox; and
// the credits of its sender.
func (s *server) deliveredOnce(ids map[string]string, n, senders int) {
	s.t.Helper()
	s.eventually("all is delivered", func() error {
		status, out, err := s.call("GET", "/v1/analytics?by=week", "", nil)
		if err != nil || status != http.StatusOK {
			return fmt.Errorf("%d %v", status, err)
		}
		delivered := 0
		for _, row := range out["rows"].([]any) {
			delivered += int(row.(map[string]any)["delivered"].(float64))
		}
		if delivered != n {
			return fmt.Errorf("%d delivered of %d", delivered, n)
		}
		return nil
	})
	visited := map[string]bool{}
	var wg sync.WaitGroup
	work := make(chan int)
	var faults atomic.Int64
	for range 8 {
		wg.Go(func() {
			for i := range work {
				if err := s.once(i, senders, ids[fmt.Sprintf("k%d", i)]); err != nil && faults.Add(1) < 5 {
					s.t.Errorf("InMail %d: %v", i, err)
				}
			}
		})
	}
	for i := range n {
		if id := ids[fmt.Sprintf("k%d", i)]; visited[id] {
			s.t.Errorf("the id %s was given twice", id)
		} else {
			visited[id] = true
		}
		work <- i
	}
	close(work)
	wg.Wait()
	for i := range senders {
		credits := s.must(http.StatusOK, "GET", "/v1/credits", fmt.Sprintf("s%d", i), nil)
		if want := float64(n / senders); credits["used"] != want {
			s.t.Errorf("sender %d used %v credits, want %v", i, credits["used"], want)
		}
	}
}

func (s *server) once(i, senders int, id string) error {
	status, out, err := s.call("GET", "/v1/inmails/"+id, fmt.Sprintf("s%d", i%senders), nil)
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("%d %v %v", status, out, err)
	}
	var path []string
	for k, r := range out["receipts"].([]any) {
		receipt := r.(map[string]any)
		if receipt["seq"] != float64(k+1) {
			return fmt.Errorf("receipts %v", out["receipts"])
		}
		path = append(path, receipt["status"].(string))
	}
	if got := strings.Join(path, " "); got != "queued sent" {
		return fmt.Errorf("path %q", got)
	}
	_, inbox, err := s.call("GET", "/v1/inbox", fmt.Sprintf("r%d", i), nil)
	if err != nil {
		return err
	}
	if items := inbox["items"].([]any); len(items) != 1 || items[0].(map[string]any)["id"] != id {
		return fmt.Errorf("the inbox holds %v", items)
	}
	return nil
}

// database makes a PostgreSQL database of the test's own.
func database(t *testing.T) string {
	t.Helper()
	server := os.Getenv("INMAIL_TEST_POSTGRES_URL")
	if server == "" {
		t.Fatal("no PostgreSQL: run the tests by make test, or set INMAIL_TEST_POSTGRES_URL to a superuser's URL")
	}
	db, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("e2e_%d_%d", os.Getpid(), time.Now().UnixNano())
	if _, err := db.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.Exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
		db.Close()
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// redisServer is a Redis server of the test's own, which it may flush, stop and start again.
type redisServer struct {
	t       *testing.T
	port    int
	dir     string
	args    []string
	process *process // nil: it is stopped
}

// newRedis starts a Redis; args are further arguments of redis-server.
func newRedis(t *testing.T, args ...string) *redisServer {
	t.Helper()
	r := &redisServer{t: t, port: porttest.Port(t), dir: t.TempDir(), args: args}
	r.start()
	t.Cleanup(r.stop)
	return r
}

func (r *redisServer) start() {
	r.t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		r.t.Fatal("no redis-server: install it (apt-get install redis-server), or run the tests by make test")
	}
	r.process = startProcess(r.t, "redis-server", &lockedBuffer{}, exec.Command(path, append(r.args, "--port", fmt.Sprint(r.port), "--bind", "127.0.0.1",
		"--save", "", "--appendonly", "no", "--dir", r.dir, "--maxmemory-policy", "noeviction")...))
	r.process.awaitPort(r.t, r.port)
}

// stop kills Redis; all its data is lost.
func (r *redisServer) stop() {
	if r.process != nil {
		r.process.end(r.t, syscall.SIGKILL)
		r.process = nil
	}
}

func (r *redisServer) address() string { return fmt.Sprintf("127.0.0.1:%d", r.port) }

func (r *redisServer) url() string { return "redis://" + r.address() }

// org is a Salesforce sandbox in a process of its own.
type org struct {
	t       *testing.T
	port    int
	url     string
	args    []string
	process *process // nil: it is stopped
}

// The logins of the sandbox: client credentials, and a user name.
const (
	orgSecret   = "a-secret-of-the-test"
	orgUser     = "inmail@sandbox.invalid"
	orgPassword = "a-password-of-the-test"
)

// newOrg starts a sandbox; args are further flags of inmail sandbox.
func newOrg(t *testing.T, args ...string) *org {
	t.Helper()
	port := porttest.Port(t)
	o := &org{t: t, port: port, url: fmt.Sprintf("http://127.0.0.1:%d", port), args: append([]string{"sandbox", "--listen", fmt.Sprintf("127.0.0.1:%d", port)}, args...)}
	t.Cleanup(o.stop)
	o.start()
	return o
}

// start starts the sandbox; after a stop it has the data of its file.
func (o *org) start() {
	o.t.Helper()
	cmd := exec.Command(program(o.t), o.args...)
	cmd.Env = append(os.Environ(), "INMAIL_SALESFORCE_CLIENT_SECRET="+orgSecret, "INMAIL_SALESFORCE_USERNAME="+orgUser, "INMAIL_SALESFORCE_PASSWORD="+orgPassword)
	o.process = startProcess(o.t, "inmail sandbox", &lockedBuffer{}, cmd)
	o.process.awaitPort(o.t, o.port)
	eventually(o.t, "the sandbox answers", func() error { _, err := o.records("Account"); return err })
}

// stop kills the sandbox as kill -9 does.
func (o *org) stop() {
	if o.process != nil {
		o.process.end(o.t, syscall.SIGKILL)
		o.process = nil
	}
}

func (o *org) env() []string {
	return []string{"INMAIL_SALESFORCE_URL=" + o.url, "INMAIL_SALESFORCE_CLIENT_ID=inmail", "INMAIL_SALESFORCE_CLIENT_SECRET=" + orgSecret}
}

// records lists the org's records of an object.
func (o *org) records(object string) ([]map[string]any, error) {
	resp, err := http.Get(o.url + "/sandbox/records?type=" + object)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var out struct{ Items []map[string]any }
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return nil, err
	}
	return out.Items, nil
}

// hasAll waits until the org has exactly the InMails of ids, each once and with the status.
func (o *org) hasAll(ids map[string]string, status string) {
	o.t.Helper()
	want := map[string]bool{}
	for _, id := range ids {
		want[id] = true
	}
	eventually(o.t, "Salesforce has all", func() error {
		rows, err := o.records("InMail__c")
		if err != nil {
			return err
		}
		visited := map[string]int{}
		right := 0
		for _, row := range rows {
			id, _ := row["InMail_Id__c"].(string)
			visited[id]++
			if visited[id] > 1 || !want[id] {
				o.t.Fatalf("the org holds %s %d times, wanted: %v", id, visited[id], want[id])
			}
			if row["Status__c"] == status {
				right++
			}
		}
		if right != len(want) {
			return fmt.Errorf("%d of %d records are there, %d of them %s", len(rows), len(want), right, status)
		}
		return nil
	})
}
