package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"inmail/connectors/porttest"
)

// postgresServer is a PostgreSQL of the test's own, which it may stop, start again and promote.
type postgresServer struct {
	t       *testing.T
	port    int
	dir     string   // of its data
	args    []string // settings that only this server has
	process *process // nil: it is stopped
}

// newPostgres starts a PostgreSQL with the empty database inmail. args are further arguments of postgres.
func newPostgres(t *testing.T, args ...string) *postgresServer {
	t.Helper()
	p := preparePostgres(t, args)
	p.run("initdb", "-D", p.dir, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	p.start()
	p.exec("postgres", "CREATE DATABASE inmail")
	return p
}

// newStandby starts a copy of primary that follows it.
func newStandby(t *testing.T, primary *postgresServer) *postgresServer {
	t.Helper()
	p := preparePostgres(t, nil)
	p.run("pg_basebackup", "-h", "127.0.0.1", "-p", strconv.Itoa(primary.port), "-U", "postgres", "-D", p.dir,
		"-R", "-X", "stream", "-c", "fast", "--no-sync")
	p.start()
	return p
}

func preparePostgres(t *testing.T, args []string) *postgresServer {
	t.Helper()
	folder, err := os.MkdirTemp("", "inmail-postgres") // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	p := &postgresServer{t: t, port: porttest.Port(t), dir: filepath.Join(folder, "data"), args: args}
	t.Cleanup(func() {
		p.stop()
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	if c := credential(t); c != nil {
		if err := os.Chown(folder, int(c.Uid), int(c.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// credential is the user that PostgreSQL runs as, since it refuses to run as root; nil: this process's own.
func credential(t *testing.T) *syscall.Credential {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	t.Fatal("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")
	return nil
}

// command makes a command of one of PostgreSQL's programs, from the PATH or where Debian installs them.
func (p *postgresServer) command(name string, args ...string) *exec.Cmd {
	p.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		installed, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
		if len(installed) == 0 {
			p.t.Fatalf("no %s: install PostgreSQL (apt-get install postgresql), or run the tests by make test", name)
		}
		path = slices.Max(installed)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = "/"
	if c := credential(p.t); c != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c}
	}
	return cmd
}

func (p *postgresServer) run(name string, args ...string) {
	p.t.Helper()
	if out, err := p.command(name, args...).CombinedOutput(); err != nil {
		p.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func (p *postgresServer) start() {
	p.t.Helper()
	p.process = startProcess(p.t, "postgres", &lockedBuffer{}, p.command("postgres", append([]string{"-D", p.dir,
		"-p", strconv.Itoa(p.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "fsync=off", "-c", "max_connections=200"}, p.args...)...))
	p.process.awaitPort(p.t, p.port)
	eventually(p.t, "PostgreSQL answers", func() error {
		db, err := sql.Open("pgx", p.url("postgres"))
		if err != nil {
			return err
		}
		defer db.Close()
		return db.Ping()
	})
}

// stop ends the server at once, as the loss of its machine does: nothing is finished.
func (p *postgresServer) stop() {
	if p.process != nil {
		p.process.end(p.t, syscall.SIGQUIT)
		p.process = nil
	}
}

func (p *postgresServer) url(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", p.port, database)
}

func (p *postgresServer) exec(database, statement string) {
	p.t.Helper()
	db, err := sql.Open("pgx", p.url(database))
	if err != nil {
		p.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		p.t.Fatalf("%s: %v", statement, err)
	}
}

// queryValue reads one value.
func queryValue[T any](p *postgresServer, database, query string) (value T, err error) {
	db, err := sql.Open("pgx", p.url(database))
	if err != nil {
		return value, err
	}
	defer db.Close()
	err = db.QueryRow(query).Scan(&value)
	return value, err
}

// follow lets the primary answer a commit only when its standby has it.
func (p *postgresServer) follow() {
	p.t.Helper()
	p.exec("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
	p.exec("postgres", "SELECT pg_reload_conf()")
	eventually(p.t, "the standby is synchronous", func() error {
		state, err := queryValue[string](p, "postgres", "SELECT coalesce(max(sync_state), 'none') FROM pg_stat_replication")
		if err == nil && state != "sync" {
			err = errors.New(state)
		}
		return err
	})
}

// newSentinels starts a master, a replica of it, and three sentinels that fail over within seconds.
func newSentinels(t *testing.T) (master *redisServer, url string) {
	t.Helper()
	master = newRedis(t)
	newRedis(t, "--replicaof", fmt.Sprintf("127.0.0.1 %d", master.port))
	var addresses []string
	for range 3 {
		file := filepath.Join(t.TempDir(), "sentinel.conf")
		if err := os.WriteFile(file, fmt.Appendf(nil, "sentinel monitor main 127.0.0.1 %d 2\n"+
			"sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 5000\n", master.port), 0o600); err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, newRedis(t, file, "--sentinel").address())
	}
	for _, address := range addresses {
		sentinel := redis.NewSentinelClient(&redis.Options{Addr: address})
		defer sentinel.Close()
		eventually(t, "the sentinel knows the replica and the others", func() error {
			replicas, err := sentinel.Replicas(context.Background(), "main").Result()
			if err != nil {
				return err
			}
			others, err := sentinel.Sentinels(context.Background(), "main").Result()
			if err != nil || len(others) != 2 || len(replicas) != 1 || replicas[0]["master-link-status"] != "ok" {
				return fmt.Errorf("%v %v %v", replicas, others, err)
			}
			return nil
		})
	}
	return master, "redis-sentinel://" + strings.Join(addresses, ",") + "/0?master=main"
}

// newCluster starts a Redis Cluster of three masters, each with a replica.
func newCluster(t *testing.T) (nodes map[string]*redisServer, url string) {
	t.Helper()
	nodes = map[string]*redisServer{}
	var addresses []string
	for range 6 {
		node := newRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000",
			"--cluster-port", strconv.Itoa(porttest.Port(t)), "--cluster-config-file", "nodes.conf")
		nodes[node.address()] = node
		addresses = append(addresses, node.address())
	}
	create := append([]string{"--cluster-yes", "--cluster", "create"}, addresses...)
	if out, err := exec.Command("redis-cli", append(create, "--cluster-replicas", "1")...).CombinedOutput(); err != nil {
		t.Fatalf("create a cluster: %v\n%s", err, out)
	}
	for _, address := range addresses {
		node := redis.NewClient(&redis.Options{Addr: address})
		defer node.Close()
		eventually(t, "the cluster is ready", func() error {
			info, err := node.ClusterInfo(context.Background()).Result()
			if err == nil && !strings.Contains(info, "cluster_state:ok") {
				err = errors.New(info)
			}
			return err
		})
	}
	eventually(t, "every master has its replica", func() error {
		linked := 0
		for _, address := range addresses {
			node := redis.NewClient(&redis.Options{Addr: address})
			info, err := node.Info(context.Background(), "replication").Result()
			node.Close()
			if err != nil {
				return err
			}
			if strings.Contains(info, "master_link_status:up") {
				linked++
			}
		}
		if linked != 3 {
			return fmt.Errorf("%d of 3", linked)
		}
		return nil
	})
	return nodes, "redis-cluster://" + strings.Join(addresses, ",")
}
