package queue_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"inmail/connectors/porttest"
	"inmail/connectors/queue"
	"inmail/connectors/queue/queuetest"
)

func TestMain(m *testing.M) { os.Exit(queuetest.Main(m)) }

func TestQueue(t *testing.T) { queuetest.Exercise(t, engines(t)) }

func TestRules(t *testing.T) { queuetest.ExerciseRules(t, engines(t)) }

// engines are the brokers under test: Redis, a Redis Cluster and the broker inside the process.
func engines(t *testing.T) queuetest.Engines {
	cluster := sync.OnceValue(func() string { return startCluster(t) })
	return queuetest.Engines{
		"embedded": func(t *testing.T, cfg queue.Config, log *slog.Logger) queuetest.Instance {
			return open(t, cfg, log)
		},
		"redis": func(t *testing.T, cfg queue.Config, log *slog.Logger) queuetest.Instance {
			cfg.URL = testRedis(t)
			return open(t, cfg, log)
		},
		"cluster": func(t *testing.T, cfg queue.Config, log *slog.Logger) queuetest.Instance {
			cfg.URL = cluster()
			return open(t, cfg, log)
		},
	}
}

// database is this package's database number among the tests that share a Redis.
const database = 11

// testRedis returns the URL of this package's database on the tests' Redis, after emptying it.
func testRedis(t testing.TB) string {
	t.Helper()
	url := os.Getenv("INMAIL_TEST_REDIS_URL")
	if url == "" {
		t.Fatal("INMAIL_TEST_REDIS_URL is not set: run the tests with .ci/services run -- go test ./...")
	}
	return fmt.Sprintf("%s/%d", strings.TrimSuffix(url, "/"), database)
}

// open opens an empty queue for a test.
func open(t testing.TB, cfg queue.Config, log *slog.Logger) queuetest.Instance {
	t.Helper()
	b, err := queue.Open(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	empty := func(ctx context.Context, node *redis.Client) error { return node.FlushDB(ctx).Err() }
	switch client := b.Redis().(type) {
	case *redis.ClusterClient:
		err = client.ForEachMaster(context.Background(), empty)
	case *redis.Client:
		err = empty(context.Background(), client)
	}
	if err != nil {
		t.Fatal(err)
	}
	return queuetest.Instance{Broker: b, Redis: b.Redis(), URL: b.URL()}
}

// startServer starts a redis-server at address, which the test has reserved. It is killed when the test ends.
func startServer(t testing.TB, address string, args ...string) *porttest.Server {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is not on the PATH: run the tests with .ci/services run -- go test ./...")
	}
	_, number, _ := net.SplitHostPort(address)
	port, _ := strconv.Atoi(number)
	return porttest.StartAt(t, port, exec.Command(program,
		append(args, "--port", number, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "")...))
}

func writeFile(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// startCluster starts a Redis Cluster of three nodes and returns its URL.
func startCluster(t testing.TB) string {
	t.Helper()
	var addresses []string
	for range 3 {
		address := porttest.Address(t)
		_, port, _ := net.SplitHostPort(address)
		bus := porttest.Address(t)
		_, busPort, _ := net.SplitHostPort(bus)
		startServer(t, address, "--cluster-enabled", "yes", "--cluster-node-timeout", "15000", "--cluster-port", busPort, "--cluster-config-file", port+".conf")
		addresses = append(addresses, address)
	}
	create := exec.Command("redis-cli", append([]string{"--cluster-yes", "--cluster", "create"}, addresses...)...)
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("create a cluster: %v\n%s", err, out)
	}
	for _, address := range addresses {
		node := redis.NewClient(&redis.Options{Addr: address})
		within(t, "the cluster is ready at "+address, func() bool {
			info, err := node.ClusterInfo(context.Background()).Result()
			return err == nil && strings.Contains(info, "cluster_state:ok")
		})
		node.Close()
	}
	return "redis-cluster://" + strings.Join(addresses, ",")
}

// patience bounds every wait of a test. Nothing here needs a hundredth of it.
const patience = 10 * time.Minute

// within waits until condition holds.
func within(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %v until %s", patience, what)
		}
	}
}
