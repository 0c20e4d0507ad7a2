package queue_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"inmail/connectors/porttest"
	"inmail/connectors/queue"
	"inmail/connectors/queue/queuetest"
	"inmail/domain/mailroom"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// dial opens a queue on url without emptying it.
func dial(t *testing.T, url string, log *slog.Logger) *queue.Broker {
	t.Helper()
	cfg := queue.Default()
	cfg.URL = url
	b, err := queue.Open(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// startWorker starts a worker that logs into log, and returns the tasks that it runs, and what stops it.
func startWorker(t *testing.T, url string, log *syncBuffer) (b *queue.Broker, ran chan []string, stop func()) {
	t.Helper()
	b, ran = dial(t, url, slog.New(slog.NewTextHandler(log, nil))), make(chan []string, 10)
	server, err := b.Start(queuetest.Only(mailroom.TaskSend, func(_ context.Context, ids []string) error {
		ran <- ids
		return nil
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	return b, ran, func() { server.Stop(context.Background()) }
}

var task = mailroom.Task{Type: mailroom.TaskSend, IDs: []string{"a"}}

// TestRedisComesLate starts a process while Redis is down: Enqueue fails at once, the log says so once, and
// the process goes on by itself when Redis is there.
func TestRedisComesLate(t *testing.T) {
	address := porttest.Address(t)
	var log syncBuffer
	b, ran, stop := startWorker(t, "redis://:secret@"+address, &log)
	defer stop()

	err := b.Ping(t.Context())
	for _, want := range []string{"redis_url: redis://:***@" + address, "connection refused", "start Redis there"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ping: %v does not say %q", err, want)
		}
	}
	if err := b.Enqueue(t.Context(), task); err == nil || errors.Is(err, queue.ErrDown) {
		t.Errorf("the first call: got %v, want what Redis said", err)
	}
	if err := b.Enqueue(t.Context(), task); !errors.Is(err, queue.ErrDown) {
		t.Errorf("the next call: got %v, want %v at once", err, queue.ErrDown)
	}
	if _, err := b.Shared().Add(t.Context(), "calls", 1, time.Hour); !errors.Is(err, queue.ErrDown) {
		t.Errorf("a shared value: got %v, want %v at once", err, queue.ErrDown)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(b.Collector())
	if families, err := registry.Gather(); err != nil || len(families) > 0 {
		t.Errorf("metrics while Redis is down: %d, %v", len(families), err)
	}
	within(t, "the log says that the queue is down", func() bool { return strings.Contains(log.String(), "the queue is down") })

	startServer(t, address, "--requirepass", "secret", "--maxmemory-policy", "noeviction")
	within(t, "the task can be enqueued", func() bool { return b.Enqueue(t.Context(), task) == nil })
	select {
	case <-ran:
	case <-time.After(patience):
		t.Fatal("the task did not run")
	}
	if err := b.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the password is in the log:\n%s", log.String())
	}
}

// TestMessagesRefused checks that workers poll, and the log says why once, where Redis lets its user use no
// channels, and that tasks of another process still run.
func TestMessagesRefused(t *testing.T) {
	address := porttest.Address(t)
	startServer(t, address, "--user", "some", "on", ">secret", "~*", "+@all", "resetchannels")
	var log syncBuffer
	_, ran, stop := startWorker(t, "redis://some:secret@"+address, &log)
	defer stop()
	said := func() bool { return strings.Contains(log.String(), "Redis refuses messages about new tasks") }
	within(t, "the log says that messages are refused", said)
	asking := dial(t, "redis://some:secret@"+address, discard())
	for range 3 {
		if err := asking.Enqueue(t.Context(), task); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ran:
		case <-time.After(patience):
			t.Fatal("the task did not run")
		}
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the password is in the log:\n%s", log.String())
	}
}

// TestDownByTheClockThatIsNeverSet checks that a machine whose clock is set back does not take Redis for down
// until that clock has caught up: the pause ends by the reading of time that only goes forward.
func TestDownByTheClockThatIsNeverSet(t *testing.T) {
	b := dial(t, "redis://"+porttest.Address(t), discard())
	if err := b.Enqueue(t.Context(), task); err == nil {
		t.Fatal("there is a Redis where none was started")
	}
	if until := b.DownUntil(); !strings.Contains(until.String(), " m=") {
		t.Errorf("down until %v, which is a wall clock's time", until)
	}
}

// TestPingNamesTheRemedy checks the errors that an operator reads when redis_url is wrong.
func TestPingNamesTheRemedy(t *testing.T) {
	locked, open := porttest.Address(t), porttest.Address(t)
	startServer(t, locked, "--requirepass", "right")
	startServer(t, open)
	for _, row := range []struct{ name, url, want string }{
		{"wrong_password", "redis://:secret@" + locked, "correct user and password"},
		{"no_password", "redis://" + locked, "correct user and password"},
		{"no_such_database", "redis://" + open + "/99", "correct the database number"},
		{"no_sentinel", "redis-sentinel://:secret@" + open + "?master=main", "correct the sentinels and master="},
		{"nobody_there", "redis-cluster://:secret@" + porttest.Address(t), "start Redis there"},
		{"no_tls", "rediss://:secret@" + open, "redis_url: rediss://:***@" + open},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := dial(t, row.url, discard()).Ping(t.Context())
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%v does not say %q", err, row.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%v repeats the password", err)
			}
		})
	}
}

// TestTLSIsVerified checks that a server whose certificate is not trusted is refused.
func TestTLSIsVerified(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	server := miniredis.NewMiniRedis()
	if err := server.StartTLS(&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}}); err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	err = dial(t, "rediss://"+server.Addr(), discard()).Ping(t.Context())
	if err == nil || !strings.Contains(err.Error(), "certificate") || !strings.Contains(err.Error(), "SSL_CERT_FILE") {
		t.Errorf("got %v, want a refused certificate and the remedy", err)
	}
}

// TestWarnsOfEviction checks the warning about a Redis that evicts keys, and with them tasks, when it is
// full.
func TestWarnsOfEviction(t *testing.T) {
	address := porttest.Address(t)
	startServer(t, address, "--maxmemory-policy", "allkeys-lru")
	var log syncBuffer
	b := dial(t, "redis://"+address, slog.New(slog.NewTextHandler(&log, nil)))
	warnings, err := b.Warnings(t.Context())
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "allkeys-lru") || !strings.Contains(warnings[0], "set it to noeviction") {
		t.Errorf("warnings %q, %v", warnings, err)
	}
	status, err := b.Status(t.Context())
	if err != nil || len(status.Warnings) != 1 {
		t.Errorf("status %+v, %v", status, err)
	}
	server, err := b.Start(queuetest.Only(mailroom.TaskSend, func(context.Context, []string) error { return nil }), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop(context.Background())
	within(t, "the log warns", func() bool { return strings.Contains(log.String(), "set it to noeviction") })

	if err := b.Redis().ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err(); err != nil {
		t.Fatal(err)
	}
	if warnings, err := b.Warnings(t.Context()); err != nil || len(warnings) > 0 {
		t.Errorf("with noeviction: warnings %q, %v", warnings, err)
	}
}

// TestSentinelFailsOver stops the master: the sentinels promote the replica, and the queue goes on there.
func TestSentinelFailsOver(t *testing.T) {
	master, replica, sentinel := porttest.Address(t), porttest.Address(t), porttest.Address(t)
	masterHost, masterPort, _ := net.SplitHostPort(master)
	first := startServer(t, master)
	startServer(t, replica, "--replicaof", masterHost+" "+masterPort)
	file := t.TempDir() + "/sentinel.conf"
	writeFile(t, file, "sentinel monitor main "+masterHost+" "+masterPort+" 1\n"+
		"sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 5000\n")
	startServer(t, sentinel, file, "--sentinel")
	watcher := redis.NewSentinelClient(&redis.Options{Addr: sentinel})
	defer watcher.Close()
	within(t, "the sentinel knows the replica", func() bool {
		replicas, err := watcher.Replicas(context.Background(), "main").Result()
		return err == nil && len(replicas) == 1 && replicas[0]["master-link-status"] == "ok"
	})

	b := dial(t, "redis-sentinel://"+sentinel+"/0?master=main", discard())
	ran := make(chan []string, 10)
	server, err := b.Start(queuetest.Only(mailroom.TaskSend, func(_ context.Context, ids []string) error {
		ran <- ids
		return nil
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop(context.Background())
	run := func(when string) {
		t.Helper()
		within(t, "the task can be enqueued "+when, func() bool { return b.Enqueue(t.Context(), task) == nil })
		select {
		case <-ran:
		case <-time.After(patience):
			t.Fatalf("the task did not run %s", when)
		}
	}
	run("before the failover")
	first.Kill()
	run("after the failover")
	if _, err := b.Status(t.Context()); err != nil {
		t.Error(err)
	}
}

// syncBuffer is a log that several goroutines write.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
