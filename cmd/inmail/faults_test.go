package main

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"inmail/domain"
)

// deployments are the two ways in which the program is deployed: alone, and with PostgreSQL and Redis.
var deployments = []struct {
	name  string
	setup func(t *testing.T, org ...string) (args, env []string, o *org) // org: sandbox flags
}{
	{"sqlite", func(t *testing.T, org ...string) (args, env []string, o *org) {
		o = newOrg(t, org...)
		return []string{"--data", t.TempDir()}, o.env(), o
	}},
	{"postgres_redis", func(t *testing.T, org ...string) (args, env []string, o *org) {
		o = newOrg(t, org...)
		return nil, append(o.env(), "INMAIL_DATABASE_URL="+database(t), "INMAIL_REDIS_URL="+newRedis(t).url()), o
	}},
}

// TestKilledWhileSending kills the process 4 times with signal 9 while 800 InMails are sent, in the long form
// 20 times during 5,000. All are delivered once, credits and receipts are exact, and Salesforce has each once
// with its state (R10, R28, R29, R53).
func TestKilledWhileSending(t *testing.T) {
	t.Parallel() // it mostly waits
	n, senders, kills := sized(800, 5000), sized(16, 100), sized(4, 20)
	for _, d := range deployments {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			args, env, o := d.setup(t)
			s := newServer(t, args, append(env, calmEnv...)...)
			s.Start()
			s.network(senders, "recruiter_50", n)
			var sent atomic.Int64
			var ids map[string]string
			var wg sync.WaitGroup
			wg.Go(func() { ids = s.load(n, senders, &sent) })
			for k := range kills {
				eventually(t, "some more are sent", func() error {
					if at := int64((k + 1) * n / (kills + 1)); sent.Load() < at {
						return fmt.Errorf("%d of %d", sent.Load(), at)
					}
					return nil
				})
				s.Kill()
				s.Start()
			}
			wg.Wait()
			s.deliveredOnce(ids, n, senders)
			o.hasAll(ids, "Sent")
		})
	}
}

// TestOneCreditLeft sends 200 InMails at once by 100 members with one credit left each, in the long form
// 1,000 by 500: exactly one of each member is delivered (R10).
func TestOneCreditLeft(t *testing.T) {
	t.Parallel() // it mostly waits
	senders := sized(100, 500)
	for _, d := range deployments {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			args, env, _ := d.setup(t)
			s := newServer(t, args, append(env, calmEnv...)...)
			s.Start()
			s.network(senders, "job_seeker_5", 2*senders+4)
			var spent sync.WaitGroup
			for i := range senders { // four of five credits are spent
				spent.Go(func() {
					for k := range 4 {
						s.must(http.StatusAccepted, "POST", "/v1/inmails", fmt.Sprintf("s%d", i), letter(2*senders+k))
					}
				})
			}
			spent.Wait()
			delivered := func(want int) {
				t.Helper()
				eventually(t, "what was accepted is delivered", func() error {
					_, out, err := s.call("GET", "/v1/analytics?by=week", "", nil)
					if err != nil {
						return err
					}
					got := 0
					for _, row := range out["rows"].([]any) {
						got += int(row.(map[string]any)["delivered"].(float64))
					}
					if got != want {
						return fmt.Errorf("%d delivered, want %d", got, want)
					}
					return nil
				})
			}
			delivered(4 * senders)
			gun := make(chan struct{})
			var wg sync.WaitGroup
			var accepted, refused atomic.Int64
			for i := range 2 * senders {
				wg.Go(func() {
					<-gun
					status, out, err := s.call("POST", "/v1/inmails", fmt.Sprintf("s%d", i%senders), letter(i))
					switch {
					case err != nil:
						t.Error(err)
					case status == http.StatusAccepted:
						accepted.Add(1)
					case status == http.StatusUnprocessableEntity && out["code"] == "no_credits":
						refused.Add(1)
					default:
						t.Errorf("%d %v", status, out)
					}
				})
			}
			close(gun)
			wg.Wait()
			delivered(5 * senders)
			if accepted.Load()+refused.Load() != int64(2*senders) {
				t.Errorf("%d accepted, %d refused", accepted.Load(), refused.Load())
			}
			for i := range senders {
				if out := s.must(http.StatusOK, "GET", "/v1/credits", fmt.Sprintf("s%d", i), nil); out["remaining"] != 0.0 || out["used"] != 5.0 {
					t.Errorf("sender %d has %v", i, out)
				}
			}
		})
	}
}

// letter is an InMail to recipient i.
func letter(i int) map[string]any {
	to := fmt.Sprintf("r%d", i)
	return map[string]any{"to": to, "subject": "A question for " + to, "body": "What you wrote on queues, " + to + ", stayed with me. How do you test yours?"}
}

// TestRedisGone flushes Redis and stops it under load, in the long form for at least 30 seconds: the API
// still accepts, and all InMails are delivered afterwards.
func TestRedisGone(t *testing.T) {
	t.Parallel() // it mostly waits
	n, senders := sized(600, 3000), sized(12, 60)
	o, redis := newOrg(t), newRedis(t)
	s := newServer(t, nil, append(append(o.env(), "INMAIL_DATABASE_URL="+database(t), "INMAIL_REDIS_URL="+redis.url()), calmEnv...)...)
	s.Start()
	s.network(senders, "recruiter_50", n)
	var sent atomic.Int64
	var ids map[string]string
	var wg sync.WaitGroup
	wg.Go(func() { ids = s.load(n, senders, &sent) })
	past := func(at int) {
		t.Helper()
		eventually(t, "the API goes on accepting", func() error {
			if sent.Load() < int64(at) {
				return fmt.Errorf("%d of %d", sent.Load(), at)
			}
			return nil
		})
	}
	past(n / 3)
	redis.stop() // all its data is lost: none is on disk
	gone := time.Now()
	past(2 * n / 3) // accepted without Redis
	s.eventually("/readyz is degraded", func() error {
		status, out, err := s.call("GET", "/readyz", "", nil)
		if err != nil || status != http.StatusOK || out["status"] != "degraded" {
			return fmt.Errorf("%d %v %w", status, out, err)
		}
		return nil
	})
	rest := time.NewTimer(sized(5*time.Second, 30*time.Second) - time.Since(gone))
	<-rest.C
	redis.start()
	wg.Wait()
	s.deliveredOnce(ids, n, senders)
	o.hasAll(ids, "Sent")
}

// TestExpiredWithoutWorkers sets the clock past the window while no worker runs: reads return expired at
// once, and workers store it once (R32, R33).
func TestExpiredWithoutWorkers(t *testing.T) {
	t.Parallel() // it mostly waits
	o := newOrg(t)
	env := append(append(o.env(), "INMAIL_DATABASE_URL="+database(t), "INMAIL_REDIS_URL="+newRedis(t).url(), "INMAIL_TIME_TRAVEL=1"), calmEnv...)
	all := newServer(t, nil, env...)
	all.Start()
	all.network(2, "recruiter_50", 20)
	var sent atomic.Int64
	ids := all.load(20, 2, &sent)
	all.deliveredOnce(ids, 20, 2)
	if code := all.Stop(); code != 0 {
		t.Errorf("SIGTERM: exit code %d, want 0", code)
	}

	api := newServer(t, []string{"--roles", "api"}, env...)
	api.Start()
	api.must(http.StatusOK, "POST", "/v1/clock", "", map[string]any{"advance": domain.Window.String()})
	for i := range 20 {
		if out := api.must(http.StatusOK, "GET", "/v1/inmails/"+ids[fmt.Sprintf("k%d", i)], fmt.Sprintf("s%d", i%2), nil); out["status"] != "expired" {
			t.Errorf("the sender reads %v", out["status"])
		}
		if out := api.must(http.StatusOK, "GET", "/v1/inbox", fmt.Sprintf("r%d", i), nil); len(out["items"].([]any)) != 0 || out["unread_count"] != 0.0 {
			t.Errorf("the inbox shows %v", out)
		}
		api.must(http.StatusGone, "POST", "/v1/inmails/"+ids[fmt.Sprintf("k%d", i)]+"/open", fmt.Sprintf("r%d", i), nil)
	}

	workers := newServer(t, nil, env...)
	workers.Start()
	workers.must(http.StatusOK, "POST", "/v1/clock", "", map[string]any{"advance": domain.Window.String()})
	o.hasAll(ids, "Expired")
	for i := range 20 {
		out := workers.must(http.StatusOK, "GET", "/v1/inmails/"+ids[fmt.Sprintf("k%d", i)], fmt.Sprintf("s%d", i%2), nil)
		if receipts := out["receipts"].([]any); len(receipts) != 3 {
			t.Errorf("receipts %v, want three", receipts)
		}
	}
}
