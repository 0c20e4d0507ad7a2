package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"inmail/config"
	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/worker"
)

// machines are the machines of one installation, each with a process. The test sets their clocks: that of the
// one process with SQLite, which is the record's, and that of the database with PostgreSQL.
type machines struct {
	t      *testing.T
	s      config.Settings
	redis  *redisServer // nil: the queue is inside the process
	offset atomic.Int64 // of the process's clock from the true one
	apps   []*app
	next   int // recipient
}

// machineDeployments are the deployments of TestFieldClock, with the number of processes that schedule.
var machineDeployments = []struct {
	name      string
	processes int
	setup     func(m *machines)
}{
	{"sqlite", 1, func(*machines) {}},
	{"postgres_redis", 3, func(m *machines) {
		m.redis = newRedis(m.t)
		m.s.Record.URL, m.s.Queue.URL = database(m.t), m.redis.url()
	}},
}

// onMachines runs a test in both deployments.
func onMachines(t *testing.T, name string, test func(m *machines, processes int)) {
	t.Run(name, func(t *testing.T) {
		for _, d := range machineDeployments {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				m := &machines{t: t, s: patient(t, map[string]string{"data": t.TempDir(), "listen": "127.0.0.1:0"})}
				m.s.Program.OperatorKey, m.s.Program.CRMPushEvery, m.s.Program.SnapshotEvery = operatorKey, time.Second, time.Second
				m.s.Policy.BurstMinute, m.s.Policy.VolumeHour, m.s.Policy.RegularGaps, m.s.Policy.SimilarDay = 1e6, 1e6, 1e6, 1e6
				d.setup(m)
				test(m, d.processes)
			})
		}
	})
}

// start starts a process with these roles; all where none is given.
func (m *machines) start(roles ...config.Role) *app {
	m.t.Helper()
	s := m.s
	if len(roles) > 0 {
		s.Program.Roles = roles
	}
	c := &clock{machine: func() time.Time { return time.Now().Add(time.Duration(m.offset.Load())) }}
	a, err := buildOn(m.t.Context(), s, c, slog.New(slog.DiscardHandler))
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { m.stop(a) })
	if err := a.Start(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
	m.apps = append(m.apps, a)
	return a
}

func (m *machines) stop(a *app) {
	if err := a.Stop(context.Background()); err != nil {
		m.t.Error(err)
	}
}

// step sets the record's source of time by d. PostgreSQL's clock cannot be set by a test: the record believes
// that it gave out times as far ahead as the clock would be behind.
func (m *machines) step(d time.Duration) {
	m.t.Helper()
	if m.redis == nil {
		m.offset.Add(int64(d))
		return
	}
	if d > 0 {
		return
	}
	db, err := sql.Open("pgx", m.s.Record.URL)
	if err != nil {
		m.t.Fatal(err)
	}
	defer db.Close()
	ahead := time.Now().Add(-d).UnixMilli()
	if _, err := db.Exec("UPDATE clock SET seen = $1::bigint, reserved = $1::bigint + 3000", ahead); err != nil {
		m.t.Fatal(err)
	}
}

// people are a sender and recipients.
func (m *machines) people(recipients int) {
	m.t.Helper()
	sender := domain.NewMember("s", "Sender")
	sender.Plan, sender.AccountType = "recruiter_50", domain.ShippedPlans()["recruiter_50"].AccountType
	members := []domain.Member{sender}
	for i := range recipients {
		members = append(members, domain.NewMember(domain.MemberID(fmt.Sprintf("r%d", i)), "Recipient"))
	}
	errs, err := m.apps[0].service.PutMembers(m.t.Context(), members)
	for _, err := range append(errs, err) {
		if err != nil {
			m.t.Fatal(err)
		}
	}
}

// accept accepts n InMails by a process and returns their ids. lost: nobody is asked to deliver them.
func (m *machines) accept(a *app, n int, lost bool) (ids []domain.ID) {
	m.t.Helper()
	for range n {
		to := fmt.Sprintf("r%d", m.next)
		m.next++
		send := mailroom.Send{From: "s", To: domain.MemberID(to), Subject: "A question for " + to,
			Body: "What you wrote on queues, " + to + ", stayed with me. How do you test yours?"}
		answers, queued, err := a.service.AcceptRead(m.t.Context(), []*mailroom.Letter{a.service.Read(send)})
		if err == nil && answers[0].Err != nil {
			err = answers[0].Err
		}
		if err == nil && !lost {
			err = a.service.Announce(m.t.Context(), queued)
		}
		if err != nil {
			m.t.Fatal(err)
		}
		ids = append(ids, answers[0].ID)
	}
	return ids
}

// decided waits until InMails are delivered, each once.
func (m *machines) decided(a *app, ids []domain.ID) {
	m.t.Helper()
	r := &running{m.t, a}
	for _, id := range ids {
		eventually(m.t, "it is delivered", func() error {
			if got := r.api("GET", "/v1/inmails/"+string(id), "s"); !strings.Contains(got, `"status":"sent"`) {
				return fmt.Errorf("%s", got)
			}
			return nil
		})
	}
}

// ran returns how often jobs of a type succeeded, by all processes.
func (m *machines) ran(taskType string) (n uint64) {
	m.t.Helper()
	for _, a := range m.apps {
		families, err := a.registry.Gather()
		if err != nil {
			m.t.Fatal(err)
		}
		for _, f := range families {
			for _, metric := range f.GetMetric() {
				labels := map[string]string{}
				for _, l := range metric.GetLabel() {
					labels[l.GetName()] = l.GetValue()
				}
				if f.GetName() == "inmail_job_duration_seconds" && labels["type"] == taskType && labels["result"] == "done" {
					n += metric.GetHistogram().GetSampleCount()
				}
			}
		}
	}
	return n
}

// often are the periodic jobs that recur soon, with their intervals.
func (m *machines) often() map[string]time.Duration {
	all := map[string]time.Duration{}
	for _, p := range worker.Schedule(m.s.Program.Every(), []domain.CRM{"salesforce"}) {
		if p.Every <= mailroom.RecursSoon {
			all[p.Type] = p.Every
		}
	}
	return all
}

// stillness measures the longest time in which the schedule did not beat, and in which this process itself
// was not run by its machine.
type stillness struct {
	still, stalled time.Duration
	stop           func()
}

func watchBeat(a *app) *stillness {
	var s stillness
	done := make(chan struct{})
	var all sync.WaitGroup
	s.stop = func() { close(done); all.Wait() }
	all.Go(func() {
		const every = 50 * time.Millisecond
		tick := time.NewTicker(every)
		defer tick.Stop()
		for last := time.Now(); ; last = time.Now() {
			select {
			case <-tick.C:
				s.stalled += max(time.Since(last)-2*every, 0)
				s.still = max(s.still, a.beat.Age())
			case <-done:
				return
			}
		}
	})
	return &s
}

// TestFieldClock sets clocks back under the whole program.
func TestFieldClock(t *testing.T) {
	t.Parallel() // it mostly waits
	onMachines(t, "F43_set_back_at_a_restart_with_an_empty_queue", func(m *machines, processes int) {
		m.step(time.Hour) // the clock is an hour fast while it accepts
		api := m.start(config.RoleAPI)
		m.people(20)
		ids := m.accept(api, 5, true)
		if m.redis != nil {
			m.step(-time.Hour)
			ids = append(ids, m.accept(api, 5, true)...)
		}
		m.stop(api)
		m.apps = nil
		if m.redis != nil {
			m.redis.stop()
			m.redis.start()
		} else {
			m.step(-time.Hour)
		}
		began := time.Now()
		for range processes {
			m.start()
		}
		eventually(m.t, "/readyz answers 200", func() error {
			resp, err := http.Get("http://" + m.apps[0].apiAddress + "/readyz")
			if err != nil {
				return err
			}
			if resp.Body.Close(); resp.StatusCode != http.StatusOK {
				return fmt.Errorf("it answers %s", resp.Status)
			}
			return nil
		})
		m.decided(m.apps[0], ids)
		m.t.Logf("all decided %.1f s after the start", time.Since(began).Seconds())
	})
	onMachines(t, "F43_set_back_live", func(m *machines, processes int) {
		for range processes {
			m.start()
		}
		m.people(40)
		first := m.apps[0]
		m.decided(first, m.accept(first, 3, false))
		for _, back := range []time.Duration{-time.Minute, -time.Hour} {
			before := m.accept(first, 3, true)
			m.step(back)
			beat := watchBeat(first)
			began := time.Now()
			ids := append(before, append(m.accept(first, 3, true), m.accept(first, 3, false)...)...)
			had := map[string]uint64{}
			for job := range m.often() {
				had[job] = m.ran(job)
			}
			m.decided(first, ids)
			m.t.Logf("%s: all decided after %.1f s", back, time.Since(began).Seconds())
			for job, every := range m.often() {
				eventually(m.t, job+" goes on", func() error {
					if n := m.ran(job) - had[job]; n < uint64(6*time.Second/every) {
						return fmt.Errorf("%d runs", n)
					}
					return nil
				})
			}
			beat.stop()
			if beat.still-beat.stalled >= worker.StandsStill {
				m.t.Errorf("%s: the schedule paused for %s, of which the machine took %s", back, beat.still, beat.stalled)
			}
			if err := first.beat.Check(m.t.Context()); err != nil {
				m.t.Errorf("%s: %v", back, err)
			}
		}
		// One that recurs late ran once, however many processes schedule.
		if n := m.ran(mailroom.TaskRetain); n != 1 {
			m.t.Errorf("%s ran %d times, want once", mailroom.TaskRetain, n)
		}
	})
}
