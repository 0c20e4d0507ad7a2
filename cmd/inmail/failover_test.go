package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
)

// failover sends InMails to a process of the deployment, loses a server when a third is sent, and
// checks that what was accepted was delivered once and is in Salesforce once. lose returns when the server is
// lost and another has its place. It returns the process, which goes on.
func failover(t *testing.T, databaseURL, redisURL string, lose func()) *server {
	t.Helper()
	n, senders := sized(400, 3000), sized(8, 60)
	o := newOrg(t)
	s := newServer(t, nil, append(append(o.env(), "INMAIL_DATABASE_URL="+databaseURL, "INMAIL_REDIS_URL="+redisURL), calmEnv...)...)
	s.impatient()
	s.Start()
	s.network(senders, "recruiter_50", n)
	var sent atomic.Int64
	var ids map[string]string
	var wg sync.WaitGroup
	wg.Go(func() { ids = s.load(n, senders, &sent) })
	eventually(t, "a third is sent", func() error {
		if sent.Load() < int64(n/3) {
			return fmt.Errorf("%d of %d", sent.Load(), n)
		}
		return nil
	})
	lose()
	wg.Wait()
	s.deliveredOnce(ids, n, senders)
	o.hasAll(ids, "Sent")
	s.eventually("the process is well", func() error {
		status, out, err := s.call("GET", "/readyz", "", nil)
		if err != nil || status != http.StatusOK || out["status"] != "ok" {
			return fmt.Errorf("/readyz: %d %v %v", status, out, err)
		}
		return nil
	})
	return s
}

// TestPostgresFailsOver loses the primary under load and promotes its synchronous standby. The URL names
// both. The record there is no copy: a program that starts on it afterwards is not held (R61).
func TestPostgresFailsOver(t *testing.T) {
	t.Parallel() // it mostly waits
	primary := newPostgres(t)
	standby := newStandby(t, primary)
	primary.follow()
	both := strings.Replace(primary.url("inmail"), "/inmail", fmt.Sprintf(",127.0.0.1:%d/inmail", standby.port), 1)
	s := failover(t, both+"&target_session_attrs=read-write", newRedis(t).url(), func() {
		primary.stop()
		standby.exec("postgres", "SELECT pg_promote()")
	})
	s.Kill()
	s.Start()
	if standing, err := queryValue[bool](standby, "postgres", "SELECT pg_is_in_recovery()"); err != nil || standing {
		t.Errorf("the standby still follows: %v, %v", standing, err)
	}
}

// TestSentinelUnderLoad loses the Redis that is master under load; the sentinels promote its replica.
func TestSentinelUnderLoad(t *testing.T) {
	t.Parallel() // it mostly waits
	master, url := newSentinels(t)
	failover(t, database(t), url, func() { master.stop() })
}

// TestClusterNodeLost loses the node of a Redis Cluster that has the queue of the schedule under load; its
// replica takes its place.
func TestClusterNodeLost(t *testing.T) {
	t.Parallel() // it mostly waits
	nodes, url := newCluster(t)
	var addresses []string
	for address := range nodes {
		addresses = append(addresses, address)
	}
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addresses})
	defer cluster.Close()
	failover(t, database(t), url, func() {
		node, err := cluster.MasterForKey(context.Background(), "asynq:{upkeep}")
		if err != nil {
			t.Fatal(err)
		}
		nodes[node.Options().Addr].stop()
	})
}
