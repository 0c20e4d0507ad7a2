package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"inmail/connectors/porttest"
)

// TestFleet runs two processes of each role on one PostgreSQL and one Redis while members use them, and
// disturbs them at random: it kills and stops them, ends and delays their connections, lets connections hang,
// empties Redis, kills the CRM and, in its long form, sets the clocks of their machines. Then it lets all
// recover, and counts from the outside that everything was decided once. The schedule of what is disturbed
// follows from the seed, which it prints: make fleet SEED=… MINUTES=… runs it again.
func TestFleet(t *testing.T) {
	t.Parallel() // it mostly waits
	seed, length, inFull := fleetSettings(t)
	t.Logf("seed %d, %v", seed, length)
	f := newFleet(t, seed, inFull)
	l := newMembers(f, seed, length)
	l.start()
	f.disturb(length)
	f.recover()
	l.finish()
	l.count()
	t.Logf("\n%s", l.table())
}

// fleetSettings are those of make fleet; without them it is a short run with a new seed.
func fleetSettings(t *testing.T) (seed uint64, length time.Duration, inFull bool) {
	t.Helper()
	seed, length = rand.Uint64N(1_000_000), 10*time.Second
	if text := os.Getenv("INMAIL_TEST_FLEET_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("SEED=%s is no number", text)
		}
	}
	text := os.Getenv("INMAIL_TEST_FLEET_MINUTES")
	if text == "" && !long {
		return seed, length, false
	}
	if text == "" {
		text = "3"
	}
	minutes, err := strconv.ParseFloat(text, 64)
	if err != nil || minutes <= 0 {
		t.Fatalf("MINUTES=%s is no number above 0", text)
	}
	return seed, time.Duration(minutes * float64(time.Minute)), true
}

// fleet is the program on several machines.
type fleet struct {
	t        *testing.T
	random   *rand.Rand // of what is disturbed
	inFull   bool       // clocks are set, and stops are longer than a transaction may be idle
	program  string
	database string
	redis    *redisServer
	org      *org
	proxies  *toxiproxy.ApiServer
	nodes    []*node

	mu     sync.Mutex
	faults map[string]int // how often each kind of disturbance was made
}

// fleetEnv are the settings of all processes: what they do often, they do more often; and limits of R41 that
// only those members reach who are meant to.
var fleetEnv = []string{"INMAIL_OPERATOR_KEY=" + operatorKey, "INMAIL_LOG_LEVEL=warn", "INMAIL_CRM_PUSH_EVERY=1s", "INMAIL_SNAPSHOT_EVERY=1s",
	"INMAIL_METRICS_TAGS=t0,t1,t2", fmt.Sprintf("INMAIL_POLICY_VOLUME_HOUR=%d", volumeLimit), "INMAIL_POLICY_VOLUME_DAY=1000000",
	"INMAIL_POLICY_SIMILAR_DAY=1000000", "INMAIL_POLICY_REGULAR_GAPS=1000000", "INMAIL_POLICY_BURST_MINUTE=1000000"}

func newFleet(t *testing.T, seed uint64, inFull bool) *fleet {
	t.Helper()
	f := &fleet{t: t, random: rand.New(rand.NewPCG(seed, 0)), inFull: inFull, program: program(t), database: database(t), redis: newRedis(t),
		org: newOrg(t, "--file", t.TempDir()+"/org.db"), faults: map[string]int{},
		proxies: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())}
	if inFull {
		f.program = programWithClock(t)
	}
	migrate := exec.Command(f.program, "migrate")
	migrate.Env = append(os.Environ(), "INMAIL_DATABASE_URL="+f.database)
	if out, err := migrate.CombinedOutput(); err != nil {
		t.Fatalf("inmail migrate: %v\n%s", err, out)
	}
	for i, role := range []string{"api", "api", "worker", "worker", "scheduler", "scheduler"} {
		f.nodes = append(f.nodes, newNode(f, role, offsets[i%len(offsets)]))
	}
	for _, n := range f.nodes {
		n.start()
	}
	f.recover()
	return f
}

// offsets are how wrong the clocks of machines are.
var offsets = []time.Duration{0, time.Second, -time.Second, time.Hour, -time.Minute, -time.Hour}

// recover ends every disturbance and waits until all processes are well.
func (f *fleet) recover() {
	f.t.Helper()
	for _, n := range f.nodes {
		n.disturbed.Wait()
		eventually(f.t, n.String()+" is well", func() error {
			status, out, err := request(briefly, n.url(), "GET", "/readyz", "", nil)
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("/readyz: %d %v", status, out)
			}
			return err
		})
	}
}

// settle waits until check returns nil. What is not so minutes after all has recovered never will be.
func (f *fleet) settle(what string, check func() error) {
	f.t.Helper()
	var err error
	for until := time.Now().Add(settleLimit); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	f.failed("waited %v until %s: %v", settleLimit, what, err)
}

const settleLimit = 3 * time.Minute

// failed reports what a process must not do, from any goroutine.
func (f *fleet) failed(format string, args ...any) { f.t.Errorf(format, args...) }

// briefly is a client that gives up soon: many answers are lost.
var briefly = &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// node is one process, on a machine of its own: with its own clock, and its own way to PostgreSQL and Redis.
type node struct {
	f      *fleet
	role   string
	number int
	port   int
	clock  *machineClock // nil: the test's own
	ways   []*toxiproxy.Proxy
	env    []string
	log    *lockedBuffer

	disturbed sync.WaitGroup // by one disturbance at a time
	free      chan struct{}  // holds a value while there is none
	mu        sync.Mutex
	process   *os.Process   // nil: none runs
	asked     bool          // the test ends it
	over      bool          // it is not started again
	pause     time.Duration // before it is started again
	ended     chan struct{} // closed when it is over
}

func newNode(f *fleet, role string, offset time.Duration) *node {
	f.t.Helper()
	n := &node{f: f, role: role, number: len(f.nodes) % 2, port: porttest.Port(f.t), log: &lockedBuffer{}, free: make(chan struct{}, 1), ended: make(chan struct{})}
	n.free <- struct{}{}
	n.env = slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "INMAIL_") })
	n.env = append(append(n.env, fleetEnv...), f.org.env()...)
	n.env = append(n.env, "INMAIL_DATABASE_URL="+n.way(f.database), "INMAIL_REDIS_URL="+n.way(f.redis.url()), anchorDay())
	if f.inFull {
		n.clock = newMachineClock(f.t, offset)
		n.env = append(n.env, n.clock.env())
	}
	return n
}

// anchorDay keeps the boundary of a period (R08) away from the run.
func anchorDay() string {
	return fmt.Sprintf("INMAIL_POLICY_ANCHOR_DAY=%d", (time.Now().UTC().Day()+14)%28+1)
}

// way makes a proxy to the server of a URL, for this process alone, and returns the URL by that way.
func (n *node) way(url string) string {
	n.f.t.Helper()
	host := hostOf(n.f.t, url)
	p := toxiproxy.NewProxy(n.f.proxies, fmt.Sprintf("%v %d", n, len(n.ways)), porttest.Address(n.f.t), host)
	if err := p.Start(); err != nil {
		n.f.t.Fatal(err)
	}
	n.f.t.Cleanup(p.Stop)
	n.ways = append(n.ways, p)
	return strings.Replace(url, host, p.Listen, 1)
}

func hostOf(t *testing.T, url string) string {
	t.Helper()
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest[strings.Index(rest, "@")+1:], "/")
	if host == "" {
		t.Fatal("the URL of a server of the tests names no host")
	}
	return host
}

func (n *node) String() string { return fmt.Sprintf("%s %d", n.role, n.number) }
func (n *node) url() string    { return fmt.Sprintf("http://127.0.0.1:%d", n.port) }

// start runs the process until the test is over. It starts one again that ends, as a service manager does: a
// process that finds its database away when it starts ends by itself. No other may.
func (n *node) start() {
	go func() {
		defer close(n.ended)
		for {
			cmd := exec.Command(n.f.program, "serve", "--listen", fmt.Sprintf("127.0.0.1:%d", n.port), "--roles", n.role)
			cmd.Env, cmd.Stdout, cmd.Stderr = n.env, n.log, n.log
			n.mu.Lock()
			if n.over {
				n.mu.Unlock()
				return
			}
			if err := cmd.Start(); err != nil {
				n.f.failed("%v: %v", n, err)
				n.mu.Unlock()
				return
			}
			n.process, n.asked = cmd.Process, false
			n.mu.Unlock()
			listened := n.wait(cmd)
			n.mu.Lock()
			n.process = nil
			pause := max(n.pause, 100*time.Millisecond)
			if listened && !n.asked {
				n.f.failed("%v ended on its own, %v:\n%s", n, cmd.ProcessState, tail(n.log.String(), 2000))
			}
			n.mu.Unlock()
			time.Sleep(pause)
		}
	}()
	n.f.t.Cleanup(func() {
		n.mu.Lock()
		n.over, n.asked = true, true
		if n.process != nil {
			_ = n.process.Kill()
		}
		n.mu.Unlock()
		<-n.ended
		if n.f.t.Failed() {
			n.f.t.Logf("log of %v:\n%s", n, tail(n.log.String(), 3000))
		}
	})
}

// wait waits for the end of the process and returns whether it had ever listened.
func (n *node) wait(cmd *exec.Cmd) (listened bool) {
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }() // its state has more than the error
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return listened
		case <-tick.C:
			listened = listened || porttest.Listening(cmd.Process.Pid, n.port) == nil
		}
	}
}

// signal sends a signal to the process, if one runs; with ends, it may end by it, and is started again after
// pause.
func (n *node) signal(sig syscall.Signal, ends bool, pause time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil {
		return
	}
	n.asked, n.pause = n.asked || ends, pause
	_ = n.process.Signal(sig)
}

// disturbance is one kind of what happens to a process. lasts is how long at most.
type disturbance struct {
	name  string
	often int // of all
	lasts time.Duration
	do    func(n *node, way *toxiproxy.Proxy, lasts time.Duration)
}

var disturbances = []disturbance{
	{"killed", 4, 1500 * time.Millisecond, func(n *node, _ *toxiproxy.Proxy, lasts time.Duration) { n.signal(syscall.SIGKILL, true, lasts) }},
	{"ended by SIGTERM", 1, time.Second, func(n *node, _ *toxiproxy.Proxy, lasts time.Duration) { n.signal(syscall.SIGTERM, true, lasts) }},
	{"stopped for a while", 3, 4 * time.Second, func(n *node, _ *toxiproxy.Proxy, lasts time.Duration) {
		if n.f.inFull {
			lasts *= 4 // longer than a transaction may be idle
		}
		n.signal(syscall.SIGSTOP, false, 0)
		time.Sleep(lasts)
		n.signal(syscall.SIGCONT, false, 0)
	}},
	{"slow connections", 2, 4 * time.Second, func(n *node, way *toxiproxy.Proxy, lasts time.Duration) {
		n.spoil(way, lasts, `{"name":"down","type":"latency","stream":"downstream","attributes":{"latency":80,"jitter":60}}`)
	}},
	{"cut connections", 2, 3 * time.Second, func(n *node, way *toxiproxy.Proxy, lasts time.Duration) {
		way.Stop()
		time.Sleep(lasts)
		if err := way.Start(); err != nil {
			n.f.failed("%v: %v", n, err)
		}
	}},
	{"hanging connections", 2, 6 * time.Second, func(n *node, way *toxiproxy.Proxy, lasts time.Duration) {
		n.spoil(way, lasts, `{"name":"down","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`,
			`{"name":"up","type":"timeout","stream":"upstream","attributes":{"timeout":0}}`)
	}},
	{"lost answers", 2, time.Second, func(n *node, way *toxiproxy.Proxy, lasts time.Duration) { // what was asked for arrives
		n.spoil(way, lasts, `{"name":"down","type":"timeout","stream":"downstream","attributes":{"timeout":300}}`)
	}},
}

// spoil disturbs a way for a time.
func (n *node) spoil(way *toxiproxy.Proxy, lasts time.Duration, toxics ...string) {
	var names []string
	for _, toxic := range toxics {
		made, err := way.Toxics.AddToxicJson(strings.NewReader(toxic))
		if err != nil {
			n.f.failed("%v: %v", n, err)
			continue
		}
		names = append(names, made.Name)
	}
	time.Sleep(lasts)
	for _, name := range names {
		if err := way.Toxics.RemoveToxic(context.Background(), name); err != nil {
			n.f.failed("%v: %v", n, err)
		}
	}
}

// disturb disturbs the fleet for a time.
func (f *fleet) disturb(length time.Duration) {
	var all []disturbance
	for _, d := range disturbances {
		all = append(all, slices.Repeat([]disturbance{d}, d.often)...)
	}
	for until := time.Now().Add(length); time.Now().Before(until) && !f.t.Failed(); {
		time.Sleep(300*time.Millisecond + f.upTo(900*time.Millisecond))
		n := f.nodes[f.random.IntN(len(f.nodes))]
		d, lasts, way := all[f.random.IntN(len(all))], f.random.Float64(), n.ways[f.random.IntN(len(n.ways))]
		offset, what := offsets[f.random.IntN(len(offsets))], f.random.IntN(20)
		switch {
		case what == 0:
			f.made("Redis emptied")
			f.redis.stop()
			f.redis.start()
		case what == 1:
			f.made("CRM killed")
			f.org.stop()
			time.Sleep(f.upTo(time.Second))
			f.org.start()
		case what < 5 && n.clock != nil:
			f.made("clock set")
			n.clock.set(f.t, offset)
		default:
			n.disturb(d, way, time.Duration(lasts*float64(d.lasts)))
		}
	}
}

func (f *fleet) upTo(d time.Duration) time.Duration { return time.Duration(f.random.Int64N(int64(d))) }

func (f *fleet) made(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[what]++
}

// disturb disturbs the process in the background, unless something disturbs it already.
func (n *node) disturb(d disturbance, way *toxiproxy.Proxy, lasts time.Duration) {
	select {
	case <-n.free:
	default:
		return
	}
	n.f.made(d.name)
	n.disturbed.Go(func() {
		d.do(n, way, lasts)
		n.free <- struct{}{}
	})
}

// disturbed lists what was done to the fleet.
func (f *fleet) disturbed() string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(f.faults)) {
		list = append(list, fmt.Sprintf("%s %d", name, f.faults[name]))
	}
	return strings.Join(list, ", ")
}
