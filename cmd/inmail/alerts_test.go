package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"inmail/config"
	"inmail/dashboards"
	"inmail/dashboards/paneltest"
)

// lapse is by which factor time passes faster for the Prometheus of TestAlerts: a minute of the rules takes
// two seconds. In that time the slowest machine computes the figures that the rules need.
const lapse = 30

// late is by how much, in real time, an alert may be later than the runbook states: two scrapes and
// evaluations, and the work of the programs between them. It counts from the last time at which the machine
// did not run Prometheus or the programs in time (undisturbed).
const late = 4 * time.Second

// TestAlerts runs two installations as in production: an API, a worker and a scheduler in processes of their
// own, with PostgreSQL, Redis and the Salesforce sandbox. A real Prometheus scrapes both, with the committed
// rules; only its time passes faster. It notifies a real Alertmanager with the committed example. While both
// are healthy no alert fires. Then one installation loses its worker to kill -9, later gets records that the
// org refuses, and at last loses all its processes; the other loses Salesforce. The alerts that the runbook
// names fire within the time that it states, no other page fires, and they end after the repair. Each time
// somebody is notified of one page.
func TestAlerts(t *testing.T) {
	t.Parallel() // it mostly waits
	north, south := newInstallation(t, "inmail-north"), newInstallation(t, "inmail-south")
	p := &watcher{t: t, called: paneltest.NewReceiver(t)}
	p.url = paneltest.TimeLapse(t, lapse, paneltest.Alertmanager(t, lapse, p.called.URL),
		map[string][]string{north.name: north.pages(), south.name: south.pages()})
	var err error
	if p.stated, err = dashboards.Delays(); err != nil {
		t.Fatal(err)
	}
	stop := north.goOnSending(t)
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
			p.notified(t, north, "InMailSendsWaiting")
			stop()
			north.killAll(t, p)
			p.notified(t, north, "InMailSendsWaiting", "InMailDown")
		})
		t.Run("salesforce_stopped", func(t *testing.T) {
			t.Parallel()
			south.stopSalesforce(t, p)
			p.paged(t, south, "InMailSalesforceLate")
			p.notified(t, south, "InMailSalesforceLate")
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
	redis                  *redisServer
}

func newInstallation(t *testing.T, name string) *installation {
	t.Helper()
	in := prepareInstallation(t, name)
	in.api.Start()
	in.worker.Start()
	in.scheduler.Start()
	in.api.network(senders, "recruiter_50", recipients)
	return in
}

// prepareInstallation prepares the processes of an installation and starts what they need.
func prepareInstallation(t *testing.T, name string, settings ...string) *installation {
	t.Helper()
	in := &installation{name: name, org: newOrg(t, "--file", filepath.Join(t.TempDir(), "org.db")), redis: newRedis(t)}
	env := slices.Concat(in.org.env(), calmEnv, []string{"INMAIL_DATABASE_URL=" + database(t), "INMAIL_REDIS_URL=" + in.redis.url(),
		"INMAIL_SNAPSHOT_EVERY=" + (config.Defaults().Program.SnapshotEvery / lapse).String()}, settings)
	for role, process := range map[string]**server{"api": &in.api, "worker": &in.worker, "scheduler": &in.scheduler} {
		*process = newServer(t, []string{"--roles", role}, env...)
	}
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

// goOnSending sends four InMails a second until stop is called, or t ends.
func (in *installation) goOnSending(t *testing.T) (stop func()) {
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
	stop = sync.OnceFunc(func() { close(done); wg.Wait() })
	t.Cleanup(stop)
	return stop
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

// killAll kills all processes of the installation, and waits for what calls because of it.
func (in *installation) killAll(t *testing.T, p *watcher) {
	for _, s := range []*server{in.scheduler, in.worker, in.api} {
		s.Kill()
	}
	since := time.Now()
	for _, alert := range []string{"InMailDown", "InMailFiguresMissing", "InMailProcessDown"} {
		p.calls(t, in, alert, since)
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
	called *paneltest.Receiver // what its Alertmanager notifies
}

// sampleSeries is one series: its labels and the times of its samples.
type sampleSeries struct {
	labels map[string]string
	at     []time.Time
	values []float64
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
			value, err := strconv.ParseFloat(v[1].(string), 64)
			if err != nil {
				return nil, err
			}
			s.at, s.values = append(s.at, time.UnixMilli(int64(v[0].(float64)*1000))), append(s.values, value)
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
// alert may fire. A machine that is late looks to the rules like a program that is: the quarter of an hour is
// one in which it was not.
func (p *watcher) quiet(t *testing.T, all ...*installation) {
	t.Helper()
	const quarter = 15 * time.Minute / lapse
	var since, until time.Time
	eventually(t, "the machine ran everything in time for a quarter of an hour", func() error {
		until = time.Now()
		since = until.Add(-quarter)
		for _, in := range all {
			from, err := p.undisturbed(in, since, until)
			if err != nil {
				return err
			}
			if from.After(since) {
				return fmt.Errorf("%s was disturbed %s ago", in.name, until.Sub(from))
			}
			if late := p.lateDeliveries(in); late > 0 {
				return fmt.Errorf("%s delivered %g InMails late", in.name, late)
			}
		}
		return nil
	})
	for _, in := range all {
		firing, err := p.series(called(in, ""))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range firing {
			if slices.ContainsFunc(s.at, func(at time.Time) bool { return at.After(since.Add(quarter/2)) && at.Before(until) }) {
				t.Errorf("all is well, and %s calls: %v", s.labels["alertname"], s.labels)
			}
		}
		delivered, err := promValues(p.url, fmt.Sprintf(`sum(increase(inmail_delivered_total{job=%q}[1h]))`, in.name), "")
		if err != nil || delivered[""] < 10 {
			t.Errorf("%s: Prometheus saw %v deliveries (%v): its silence says nothing", in.name, delivered, err)
		}
	}
}

// lateDeliveries counts the InMails that an installation delivered later than promised within the longest
// window of the fast alert.
func (p *watcher) lateDeliveries(in *installation) float64 {
	window := model.Duration(6 * time.Hour / lapse).String()
	late, err := promValues(p.url, fmt.Sprintf(`sum(increase(inmail_delivery_lag_seconds_count{job=%[1]q}[%[2]s])) - sum(increase(inmail_delivery_lag_seconds_bucket{job=%[1]q,le=~"5(\\.0)?"}[%[2]s]))`,
		in.name, window), "")
	if err != nil {
		return 0
	}
	return late[""]
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
				from, err := p.undisturbed(in, since, at)
				if err != nil {
					return err
				}
				t.Logf("%s called after %s (%.2f s here, %.2f s of it undisturbed); stated: %s",
					alert, (lapse * took).Round(time.Second), took.Seconds(), at.Sub(from).Seconds(), stated.Total)
				if at.Sub(from) > stated.Total/lapse+late {
					t.Errorf("%s called after %s, which is %s; the runbook says %s", alert, took, lapse*took, stated.Total)
				}
				return nil
			}
		}
		return fmt.Errorf("it does not call")
	})
}

// undisturbed returns since when, between two times, the machine ran Prometheus and the programs in time:
// after that a condition is observed from scrape to scrape. Before it a scrape was missing, late or failed
// although its process ran, or the rules were not evaluated; each of them also makes an alert begin its wait
// anew. A worker that runs must make its figures in time as well.
func (p *watcher) undisturbed(in *installation, from, to time.Time) (time.Time, error) {
	const due = 2 * 15 * time.Second / lapse // two of prometheus.yml's scrapes
	last := from
	// gaps moves last to the end of each time without a sample, which are in order.
	gaps := func(sampled []time.Time, within time.Duration) {
		before := from
		for _, at := range append(slices.Clone(sampled), to) {
			if at.Before(from) || at.After(to) {
				continue
			}
			if at.Sub(before) > within && at.After(last) {
				last = at
			}
			before = at
		}
	}
	scrapes, err := p.series(fmt.Sprintf(`up{job=~"%s(-domain)?"}`, in.name))
	if err != nil {
		return last, err
	}
	running := in.running()
	if len(scrapes) < 2*len(running) {
		gaps(nil, 0) // some were never scraped
	}
	for _, s := range scrapes {
		gaps(s.at, due)
		for i, at := range s.at {
			if s.values[i] == 0 && running[s.labels["instance"]] && at.After(last) && !at.After(to) {
				last = at
			}
		}
	}
	evaluated, err := p.series(fmt.Sprintf(`job_queue_state:asynq_tasks:max{job=%q,queue="sends",state="pending"}`, in.name))
	if err != nil {
		return last, err
	}
	if running[in.pages()[0]] { // Redis's figures come from any process
		if len(evaluated) == 0 {
			gaps(nil, 0)
		}
		for _, s := range evaluated {
			gaps(s.at, due)
		}
	}
	if !running[in.pages()[1]] || !running[in.pages()[2]] {
		return last, nil
	}
	figures, err := p.series(fmt.Sprintf(`inmail_snapshot_timestamp_seconds{job="%s-domain",instance=%q}`, in.name, in.pages()[0]))
	if err != nil {
		return last, err
	}
	if len(figures) == 0 {
		gaps(nil, 0)
	}
	for _, s := range figures {
		var made []time.Time
		for i, at := range s.at {
			if i == 0 || s.values[i] != s.values[i-1] {
				made = append(made, at)
			}
		}
		gaps(made, 2*due)
	}
	return last, nil
}

// running returns which processes of the installation run, by their instance.
func (in *installation) running() map[string]bool {
	all := map[string]bool{}
	for i, s := range []*server{in.api, in.worker, in.scheduler} {
		s.mu.Lock()
		all[in.pages()[i]] = s.process != nil
		s.mu.Unlock()
	}
	return all
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

// paged compares the pages that fired with those that are expected. What the machine ran too late is late
// indeed: those pages are right.
func (p *watcher) paged(t *testing.T, in *installation, due ...string) {
	t.Helper()
	firing, err := p.series(called(in, ""))
	if err != nil {
		t.Fatal(err)
	}
	due = append(due, p.ofTheMachine(t, in)...)
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

// ofTheMachine returns the pages for which the machine gave a reason.
func (p *watcher) ofTheMachine(t *testing.T, in *installation) (names []string) {
	t.Helper()
	lost, err := promValues(p.url, fmt.Sprintf(`count(count_over_time((up{job=%q,instance=%q} == 0)[1h:]))`, in.name, in.pages()[0]), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(lost) > 0 && in.running()[in.pages()[0]] { // the API was not ended: the machine did not run it in time
		names = append(names, "InMailDown", "InMailFiguresMissing", "InMailQueueUnseen")
	}
	if p.lateDeliveries(in) > 0 {
		names = append(names, "InMailDeliveryLate", "InMailSendsWaiting")
	}
	return names
}

// notified compares the pages of which somebody was notified with those that are due. Each is notified once
// for each time that it began to fire, which is once when the machine runs everything in time.
func (p *watcher) notified(t *testing.T, in *installation, due ...string) {
	t.Helper()
	began := map[string]int{}
	for _, name := range due {
		began[name] = p.began(t, in, name)
	}
	times := map[string]int{}
	eventually(t, fmt.Sprintf("somebody is notified of %v", due), func() error {
		clear(times)
		for _, n := range p.called.Notifications() {
			if n.Receiver != "page" || n.Status != "firing" || n.Alerts[0].Labels["installation"] != in.name {
				continue
			}
			times[n.Alerts[0].Labels["alertname"]]++
		}
		for _, name := range due {
			if times[name] == 0 {
				return fmt.Errorf("nobody was notified of %s, but of %v", name, times)
			}
		}
		return nil
	})
	excused := p.ofTheMachine(t, in)
	for name, n := range times {
		switch {
		case slices.Contains(due, name):
			if n > began[name] {
				t.Errorf("somebody was notified of %s %d times; it began to fire %d times", name, n, began[name])
			}
		case !slices.Contains(excused, name):
			t.Errorf("somebody was notified of %s, which follows from %v", name, due)
		}
	}
	t.Logf("%s: notifications by page: %v", in.name, times)
}

// began returns how often an alert began to fire.
func (p *watcher) began(t *testing.T, in *installation, alert string) (times int) {
	t.Helper()
	firing, err := p.series(called(in, fmt.Sprintf(`,alertname=%q`, alert)))
	if err != nil {
		t.Fatal(err)
	}
	var all []time.Time
	for _, s := range firing {
		all = append(all, s.at...)
	}
	slices.SortFunc(all, time.Time.Compare)
	for i, at := range all {
		if i == 0 || at.Sub(all[i-1]) > 2*15*time.Second/lapse {
			times++
		}
	}
	return times
}
