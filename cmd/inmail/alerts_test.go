package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"inmail/config"
	"inmail/dashboards"
	"inmail/dashboards/paneltest"
)

// lapse is by which factor time passes faster for the Prometheus of TestAlerts: a minute of the rules takes
// two seconds. In that time the slowest machine computes the figures that the rules need.
const lapse = 30

// late is by how much, in real time, an alert may be later than the runbook states: two scrapes and
// evaluations, and the work of the programs between them. Times in which the machine did not run Prometheus
// or the programs are not counted (stalledFor).
const late = 4 * time.Second

// TestAlerts runs two installations as in production: an API, a worker and a scheduler in processes of their
// own, with PostgreSQL, Redis and the Salesforce sandbox. A real Prometheus scrapes both, with the committed
// rules; only its time passes faster. While both are healthy no alert fires. Then one installation loses its
// worker to kill -9 and later gets records that the org refuses, and the other loses Salesforce. The alerts
// that the runbook names fire within the time that it states, no other page fires, and they end after the
// repair.
func TestAlerts(t *testing.T) {
	t.Parallel() // it mostly waits
	north, south := newInstallation(t, "inmail-north"), newInstallation(t, "inmail-south")
	p := &watcher{t: t, url: paneltest.TimeLapse(t, lapse, map[string][]string{north.name: north.pages(), south.name: south.pages()})}
	var err error
	if p.stated, err = dashboards.Delays(); err != nil {
		t.Fatal(err)
	}
	north.goOnSending(t)
	south.goOnSending(t)
	t.Run("quiet_while_healthy", func(t *testing.T) { p.quiet(t, north, south) })
	t.Run("in_trouble", func(t *testing.T) {
		t.Run("worker_killed", func(t *testing.T) {
			t.Parallel()
			north.killWorker(t, p)
			north.fillDeadLetters(t, p)
			p.paged(t, north, "InMailSendsWaiting", "InMailDeliveryStalled",
				"InMailDeliveryLate", // what waited for the worker was delivered late
				// A worker that is killed while it writes keeps its lease for 30 s, a quarter of an hour of
				// the rules.
				"InMailSalesforceLate")
		})
		t.Run("salesforce_stopped", func(t *testing.T) {
			t.Parallel()
			south.stopSalesforce(t, p)
			p.paged(t, south, "InMailSalesforceLate")
		})
	})
}

// InMailFiguresOld fires when three snapshots are missing, at the default interval of snapshots.
func TestFiguresOldFitsTheSnapshot(t *testing.T) {
	files, err := dashboards.RuleFiles()
	if err != nil {
		t.Fatal(err)
	}
	var limits []time.Duration
	for _, file := range files {
		for _, group := range file.Groups {
			for _, rule := range group.Rules {
				if rule.Alert != "InMailFiguresOld" {
					continue
				}
				if _, err := paneltest.Retimed(rule.Expr, func(d time.Duration) time.Duration { limits = append(limits, d); return d }); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if want := []time.Duration{3 * config.Defaults().Program.SnapshotEvery}; !slices.Equal(limits, want) {
		t.Errorf("InMailFiguresOld looks at %v, want %v", limits, want)
	}
}

// installation is the program in three processes, and the servers that it needs.
type installation struct {
	name                   string // of its job in Prometheus
	api, worker, scheduler *server
	org                    *org
}

func newInstallation(t *testing.T, name string) *installation {
	t.Helper()
	o := newOrg(t, "--file", filepath.Join(t.TempDir(), "org.db"))
	env := slices.Concat(o.env(), calmEnv, []string{"INMAIL_DATABASE_URL=" + database(t), "INMAIL_REDIS_URL=" + newRedis(t).url(),
		"INMAIL_SNAPSHOT_EVERY=" + (config.Defaults().Program.SnapshotEvery / lapse).String()})
	in := &installation{name: name, org: o}
	for role, process := range map[string]**server{"api": &in.api, "worker": &in.worker, "scheduler": &in.scheduler} {
		*process = newServer(t, []string{"--roles", role}, env...)
	}
	in.api.Start()
	in.worker.Start()
	in.scheduler.Start()
	in.api.network(senders, "recruiter_50", recipients)
	return in
}

// A pair cannot be used again before it is answered (R20). There are enough pairs and credits for a longer
// time than patience.
const senders, recipients = 181, 400

// pages are the addresses at which Prometheus scrapes the processes.
func (in *installation) pages() (addresses []string) {
	for _, s := range []*server{in.api, in.worker, in.scheduler} {
		addresses = append(addresses, strings.TrimPrefix(s.url, "http://"))
	}
	return addresses
}

// goOnSending sends four InMails a second until t ends.
func (in *installation) goOnSending(t *testing.T) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		pace := time.NewTicker(250 * time.Millisecond)
		defer pace.Stop()
		for i := 0; ; i++ {
			status, out, err := in.api.call("POST", "/v1/inmails", fmt.Sprintf("s%d", i%senders), letter(i%recipients))
			if err != nil || status != http.StatusAccepted {
				t.Errorf("%s: InMail %d: %d %v %v", in.name, i, status, out, err)
				return
			}
			select {
			case <-done:
				return
			case <-pace.C:
			}
		}
	})
	t.Cleanup(func() { close(done); wg.Wait() })
}

// killWorker kills the worker as kill -9 does, and starts another once all expected alerts fire.
func (in *installation) killWorker(t *testing.T, p *watcher) {
	since := time.Now()
	in.worker.Kill()
	for _, alert := range []string{"InMailSendsWaiting", "InMailDeliveryStalled", "InMailFiguresOld", "InMailProcessDown"} {
		p.calls(t, in, alert, since)
	}
	in.worker.Start()
	for _, alert := range []string{"InMailSendsWaiting", "InMailDeliveryStalled", "InMailFiguresOld", "InMailProcessDown"} {
		p.ends(t, in, alert)
	}
}

// fillDeadLetters shortens a field of the org, so that no record fits. After it is restored, the records are
// retried by hand.
func (in *installation) fillDeadLetters(t *testing.T, p *watcher) {
	in.org.shorten(t, "Subject__c", 5)
	eventually(t, "there are ten dead letters", func() error {
		_, out, err := in.api.call("GET", "/v1/crm/status", "", nil)
		if dead, _ := out["dead_letters"].(map[string]any); err != nil || dead["bad_data"] == nil || dead["bad_data"].(float64) < 10 {
			return fmt.Errorf("%v %v", dead, err)
		}
		return nil
	})
	p.calls(t, in, "InMailSalesforceDeadLetters", time.Now())
	in.org.shorten(t, "Subject__c", 200)
	in.api.must(http.StatusAccepted, "POST", "/v1/crm/failures/retry", "", map[string]any{"class": "bad_data"})
	p.ends(t, in, "InMailSalesforceDeadLetters")
}

// stopSalesforce kills the org's process, and starts it again with the data that it had stored.
func (in *installation) stopSalesforce(t *testing.T, p *watcher) {
	since := time.Now()
	in.org.stop()
	p.calls(t, in, "InMailSalesforceLate", since)
	in.org.start()
	p.ends(t, in, "InMailSalesforceLate")
}

// shorten changes the length of a text field of the InMail records.
func (o *org) shorten(t *testing.T, field string, length int) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"object": "InMail__c", "field": field, "length": length})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, o.url+"/sandbox/field", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("make %s %d long: %d", field, length, resp.StatusCode)
	}
}

// watcher is a Prometheus server.
type watcher struct {
	t      *testing.T
	url    string
	stated map[string]dashboards.Delay
}

// sampleSeries is one series: its labels and the times of its samples.
type sampleSeries struct {
	labels map[string]string
	at     []time.Time
}

// series returns the series that match a selector, with all their samples.
func (p *watcher) series(selector string) ([]sampleSeries, error) {
	var result []struct {
		Metric map[string]string
		Values [][2]any
	}
	if err := promQuery(p.url, selector+"[1h]", &result); err != nil {
		return nil, err
	}
	var all []sampleSeries
	for _, r := range result {
		s := sampleSeries{labels: r.Metric}
		for _, v := range r.Values {
			s.at = append(s.at, time.UnixMilli(int64(v[0].(float64)*1000)))
		}
		all = append(all, s)
	}
	return all, nil
}

// called selects the firing alerts of an installation.
func called(in *installation, more string) string {
	return fmt.Sprintf(`ALERTS{alertstate="firing",job=~"%s(-domain)?"%s}`, in.name, more)
}

// quiet lets the rules evaluate a healthy installation for a quarter of an hour of their time, in which no
// alert may fire. A scrape that the machine did not run in time looks to the rules like a process that is
// down; after one the rules go on until none is left in that quarter of an hour.
func (p *watcher) quiet(t *testing.T, all ...*installation) {
	t.Helper()
	const scrapes = 60
	window := fmt.Sprintf("%dms", (scrapes * 15 * time.Second / lapse).Milliseconds())
	eventually(t, "Prometheus has scraped a quarter of an hour in which it came to every process", func() error {
		visited, err := promValues(p.url, fmt.Sprintf(`min(count_over_time(up[%s])) - scalar(sum(count_over_time((up == 0)[%s:])) or vector(0)) * %d`, window, window, scrapes), "")
		if err != nil || visited[""] < scrapes*9/10 || len(visited) == 0 {
			return fmt.Errorf("%v scrapes, %v", visited, err)
		}
		return nil
	})
	since := time.Now().Add(-scrapes / 3 * 15 * time.Second / lapse) // by then, earlier alerts have ended
	for _, in := range all {
		firing, err := p.series(called(in, ""))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range firing {
			if slices.ContainsFunc(s.at, since.Before) {
				t.Errorf("all is well, and %s calls: %v", s.labels["alertname"], s.labels)
			}
		}
		delivered, err := promValues(p.url, fmt.Sprintf(`sum(increase(inmail_delivered_total{job=%q}[1h]))`, in.name), "")
		if err != nil || delivered[""] < 10 {
			t.Errorf("%s: Prometheus saw %v deliveries (%v): its silence says nothing", in.name, delivered, err)
		}
	}
}

// calls waits until an alert fires, which must be within the time that the runbook states.
func (p *watcher) calls(t *testing.T, in *installation, alert string, since time.Time) {
	t.Helper()
	stated, ok := p.stated[alert]
	if !ok {
		t.Fatalf("the runbook does not explain %s", alert)
	}
	eventually(t, alert+" calls", func() error {
		firing, err := p.series(called(in, fmt.Sprintf(`,alertname=%q`, alert)))
		if err != nil {
			return err
		}
		for _, s := range firing {
			for _, at := range s.at {
				if at.Before(since) {
					continue
				}
				took := at.Sub(since)
				stalledFor, err := p.stalledFor(in, since, at)
				if err != nil {
					return err
				}
				t.Logf("%s called after %s (%.2f s here, %.2f s of it lost to the machine); stated: %s",
					alert, (lapse * took).Round(time.Second), took.Seconds(), stalledFor.Seconds(), stated.Total)
				if took > stated.Total/lapse+late+stalledFor {
					t.Errorf("%s called after %s, which is %s; the runbook says %s", alert, took, lapse*took, stated.Total)
				}
				return nil
			}
		}
		return fmt.Errorf("it does not call")
	})
}

// stalledFor returns for how long, between two times, the machine did not run the programs: Prometheus made
// none of the scrapes of a process that were due, or waited for their answer. On a slow or busy machine both
// grow, like the times of everything that the programs do.
func (p *watcher) stalledFor(in *installation, from, to time.Time) (most time.Duration, err error) {
	const due = 2 * 15 * time.Second / lapse // two of prometheus.yml's scrapes
	all, err := p.series(fmt.Sprintf(`up{job=%q}`, in.name))
	if err != nil {
		return 0, err
	}
	for _, s := range all {
		var sum time.Duration
		last := from
		for _, at := range append(s.at, to) {
			if at.After(from) && !at.After(to) {
				sum += max(at.Sub(last)-due, 0)
				last = at
			}
		}
		most = max(most, sum)
	}
	waited, err := promValues(p.url, fmt.Sprintf(`max(sum_over_time(scrape_duration_seconds{job=~"%s(-domain)?"}[%dms] @ %.3f))`, in.name,
		max(to.Sub(from).Milliseconds(), 1), float64(to.UnixMilli())/1000), "")
	return most + time.Duration(waited[""]*float64(time.Second)), err
}

// ends waits until an alert neither fires nor is pending.
func (p *watcher) ends(t *testing.T, in *installation, alert string) {
	t.Helper()
	began := time.Now()
	eventually(t, alert+" ends", func() error {
		active, err := promValues(p.url, fmt.Sprintf(`count(ALERTS{alertname=%q,job=~"%s(-domain)?"})`, alert, in.name), "")
		if err == nil && len(active) > 0 {
			err = fmt.Errorf("%v are active", active)
		}
		return err
	})
	t.Logf("%s ended within %s", alert, lapse*time.Since(began).Round(time.Second))
}

// paged compares the pages that fired with those that are expected.
func (p *watcher) paged(t *testing.T, in *installation, due ...string) {
	t.Helper()
	firing, err := p.series(called(in, ""))
	if err != nil {
		t.Fatal(err)
	}
	if lost, err := promValues(p.url, fmt.Sprintf(`count(count_over_time((up{job=%q,instance=%q} == 0)[1h:]))`, in.name, in.pages()[0]), ""); err != nil {
		t.Fatal(err)
	} else if len(lost) > 0 { // the API was not ended: the machine did not run it in time
		due = append(due, "InMailDown")
	}
	others := map[string]bool{}
	for _, s := range firing {
		name := s.labels["alertname"]
		if s.labels["severity"] == "page" && !slices.Contains(due, name) {
			t.Errorf("%s paged somebody: %v", name, s.labels)
		}
		others[name] = true
	}
	t.Logf("%s: called in all: %v", in.name, slices.Sorted(maps.Keys(others)))
}
