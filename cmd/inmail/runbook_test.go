package main

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"inmail/dashboards"
	"inmail/dashboards/paneltest"
)

// trouble is what an alert calls for, brought about under running processes.
type trouble struct {
	alert  string
	at     func(r *rehearsal) *server // the process whose settings the commands have; nil: the API
	begins func(r *rehearsal)         // brings it about, and waits until the program shows it
	hands  func(r *rehearsal)         // what the runbook asks of people, before the last block; nil: nothing
	gone   func(r *rehearsal) error   // nil once the trouble is over
}

// rehearsal runs the commands of the runbook against an installation as in production.
type rehearsal struct {
	t          *testing.T
	in         *installation
	held       *server // works on a record of its own, which is held
	prometheus string
	runbook    map[string][][]dashboards.Command
	folder     string // where the commands are run

	letters  int
	sent     string  // the InMail that was sent in the trouble
	sender   string  // its sender
	snapshot float64 // when the figures were made, before the repair
	hook     atomic.Int64
	hookURL  string
	pasted   []*pasted // blocks of the alert that started processes
}

// pasted is a block of commands in a shell, which waits for the processes that it started.
type pasted struct {
	cmd  *exec.Cmd
	out  *lockedBuffer
	done chan struct{}
}

// looksBack are the alerts whose trouble takes hours or days, or another clock: their commands are run while
// all is well.
var looksBack = []string{"InMailDeliveryLateSlowly", "InMailExpiryLateSlowly", "InMailHTTPErrorsSlowly",
	"InMailSalesforceLateSlowly", "InMailSalesforceBudgetLow", "InMailClockApart", dashboards.Recovering}

// troubles are in an order in which each begins as the one before has ended.
var troubles = []trouble{
	{alert: "InMailFiguresMissing", at: theScheduler, // the scheduler has not been started yet
		begins: func(r *rehearsal) { r.scraped() },
		gone: func(r *rehearsal) error {
			if at := r.in.api.samples("/metrics/domain")["inmail_snapshot_timestamp_seconds"]; at == 0 {
				return fmt.Errorf("there is no snapshot")
			}
			return nil
		}},
	{alert: "InMailScheduleStandsStill", at: theScheduler, begins: (*rehearsal).standsStill, gone: (*rehearsal).ready},
	{alert: "InMailExpiryLate", at: theScheduler, begins: (*rehearsal).standsStill, gone: (*rehearsal).ready},

	{alert: "InMailDeliveryStalled", at: theWorker, begins: (*rehearsal).noWorker, gone: (*rehearsal).arrived},
	{alert: "InMailSendsWaiting", at: theWorker, begins: (*rehearsal).noWorker, gone: (*rehearsal).arrived},
	{alert: "InMailDeliveryLate", at: theWorker, begins: (*rehearsal).noWorker, gone: (*rehearsal).arrived},
	{alert: "InMailQueueGrows", at: theWorker, begins: (*rehearsal).noWorker, gone: (*rehearsal).arrived},
	{alert: "InMailFiguresOld", at: theWorker, begins: func(r *rehearsal) {
		r.noWorker()
		r.snapshot = r.in.api.samples("/metrics/domain")["inmail_snapshot_timestamp_seconds"]
	}, gone: func(r *rehearsal) error {
		if at := r.in.api.samples("/metrics/domain")["inmail_snapshot_timestamp_seconds"]; at <= r.snapshot {
			return fmt.Errorf("the snapshot is that of %v", at)
		}
		return nil
	}},
	{alert: "InMailProcessDown", at: theWorker, begins: func(r *rehearsal) {
		r.noWorker()
		r.eventually("Prometheus knows that it is down", func() error {
			down, err := promValues(r.prometheus, `up{job="inmail"} == 0`, "instance")
			if err != nil || len(down) == 0 {
				return fmt.Errorf("down: %v %v", down, err)
			}
			return nil
		})
	}, gone: func(r *rehearsal) error { return answersWith(r.in.worker.url+"/readyz", http.StatusOK) }},

	{alert: "InMailQueueUnseen", begins: func(r *rehearsal) {
		r.in.redis.stop()
		r.send()
		r.says(`"queue":"down"`)
	}, hands: func(r *rehearsal) { r.in.redis.start() }, gone: (*rehearsal).arrived},

	{alert: "InMailWrongKeys", begins: func(r *rehearsal) {
		for range 10 { // more of them are 429, whatever the key
			req, err := http.NewRequest(http.MethodGet, r.in.api.url+"/v1/keys", nil)
			if err != nil {
				r.t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer inm_of_nobody_at_all_0123456789")
			resp, err := client.Do(req)
			if err != nil {
				r.t.Fatal(err)
			}
			resp.Body.Close()
		}
	}, gone: func(r *rehearsal) error {
		if out := r.in.api.inmail(exitDone, "key", "list"); !strings.Contains(out, "in place of an expired one") {
			return fmt.Errorf("the keys are\n%s", out)
		}
		return nil
	}},

	{alert: "InMailJobsFail", begins: func(r *rehearsal) {
		r.administer(`CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''broken''; END'`,
			`CREATE TRIGGER broken BEFORE INSERT OR UPDATE ON inmails FOR EACH ROW EXECUTE FUNCTION broken()`)
		r.send()
		r.eventually("the job fails", func() error {
			if out := r.in.api.inmail(exitDone, "queue", "failures"); !strings.Contains(out, "inmail:send") {
				return fmt.Errorf("the failures are\n%s", out)
			}
			return nil
		})
	}, hands: func(r *rehearsal) { r.administer(`DROP FUNCTION broken CASCADE`) }, gone: (*rehearsal).arrived},

	{alert: "InMailHTTPErrors", begins: func(r *rehearsal) {
		r.administer("ALTER DATABASE " + r.database() + " SET default_transaction_read_only = on")
		r.reconnect()
		r.says("only reads")
	}, hands: func(r *rehearsal) {
		r.administer("SET default_transaction_read_only = off", "ALTER DATABASE "+r.database()+" RESET default_transaction_read_only")
		r.reconnect()
	}, gone: func(r *rehearsal) error {
		r.send()
		return r.ready()
	}},

	{alert: "InMailSalesforceLate", begins: func(r *rehearsal) {
		r.in.api.must(http.StatusOK, "POST", "/v1/crm/pause", "", map[string]any{})
		r.send()
		r.eventually("it waits", r.waits)
	}, gone: (*rehearsal).synced},
	{alert: "InMailSalesforceUnreachable", begins: func(r *rehearsal) {
		r.in.org.stop()
		r.send()
		r.eventually("it waits", r.waits)
	}, hands: func(r *rehearsal) { r.in.org.start() }, gone: (*rehearsal).synced},
	{alert: "InMailSalesforceDeadLetters", begins: func(r *rehearsal) {
		r.in.org.shorten(r.t, "Subject__c", 5)
		r.send()
		r.eventually("there is a dead letter", r.dead)
	}, hands: func(r *rehearsal) { r.in.org.shorten(r.t, "Subject__c", 200) },
		gone: (*rehearsal).alive},
	{alert: "InMailSalesforceDrift", begins: func(r *rehearsal) {
		r.send()
		r.eventually("it is in the org", r.inTheOrg)
		for id, row := range r.in.org.mustLive("InMail__c", "InMail_Id__c") {
			if id == r.sent {
				r.in.org.control("DELETE", "records/"+row["Id"].(string), nil, nil)
			}
		}
	}, gone: (*rehearsal).inTheOrg},

	{alert: "InMailAbuseReportsHigh", begins: func(r *rehearsal) {
		for i := range 3 {
			id := r.in.api.must(http.StatusAccepted, "POST", "/v1/inmails", "s0", letter(recipients-1-i))["id"].(string)
			r.sent, r.sender = id, "s0"
			r.eventually("it is delivered", r.arrived)
			r.in.api.must(http.StatusNoContent, "POST", "/v1/inmails/"+id+"/report", fmt.Sprintf("r%d", recipients-1-i), map[string]any{"reason": "not wanted"})
		}
	}, gone: func(r *rehearsal) error { // nothing is to be repaired: the restriction is there
		if out := r.in.api.inmail(exitDone, "member", "find", "--restricted"); !strings.Contains(out, "s0") {
			return fmt.Errorf("restricted are\n%s", out)
		}
		return nil
	}},

	{alert: "InMailWebhooksBehind", begins: func(r *rehearsal) {
		r.hook.Store(http.StatusServiceUnavailable)
		r.in.api.inmail(exitDone, "webhook", "add", r.hookURL, "--name", "warehouse")
		r.send()
		r.eventually("the event waits", func() error {
			hook, err := r.webhook()
			if last, _ := hook["last"].(map[string]any); err == nil && (last["status"] != 503.0 || hook["oldest_undelivered_at"] == nil) {
				err = fmt.Errorf("the end point is %v", hook)
			}
			return err
		})
	}, hands: func(r *rehearsal) { r.hook.Store(http.StatusNoContent) }, gone: func(r *rehearsal) error {
		hook, err := r.webhook()
		if err == nil && hook["oldest_undelivered_at"] != nil {
			err = fmt.Errorf("the end point is %v", hook)
		}
		return err
	}},
	{alert: "InMailWebhookSwitchedOff", begins: func(r *rehearsal) {
		r.hook.Store(http.StatusGone)
		r.send()
		r.eventually("the end point is off", func() error { return r.hookIs("off") })
	}, hands: func(r *rehearsal) { r.hook.Store(http.StatusNoContent) },
		gone: func(r *rehearsal) error { return r.hookIs("on") }},

	{alert: "InMailRecordHeld", at: func(r *rehearsal) *server { return r.held }, begins: func(r *rehearsal) {
		r.held.Start()
		r.held.Stop()
		r.held.inmail(exitDone, "hold")
		r.held.launch()
		r.eventually("it is held", func() error { return answersWith(r.held.url+"/readyz", http.StatusServiceUnavailable) })
	}, gone: func(r *rehearsal) error { return answersWith(r.held.url+"/readyz", http.StatusOK) }},

	{alert: "InMailDown", begins: func(r *rehearsal) { r.in.api.Kill() },
		gone: func(r *rehearsal) error { return answersWith(r.in.api.url+"/livez", http.StatusOK) }},
}

func theWorker(r *rehearsal) *server    { return r.in.worker }
func theScheduler(r *rehearsal) *server { return r.in.scheduler }

// TestRunbook runs the commands of the runbook as they are written, each block pasted into a shell on the
// machine of the process concerned. For each alert the trouble is brought about before, and over after; the
// commands show what the runbook says that they show. Where nothing can be broken within a test, they are run
// while all is well.
func TestRunbook(t *testing.T) {
	t.Parallel() // it mostly waits
	r := &rehearsal{t: t, in: prepareInstallation(t, "inmail", "INMAIL_WEBHOOK_ALLOW_PRIVATE=1"), folder: t.TempDir()}
	var err error
	if r.runbook, err = dashboards.Runbook(); err != nil {
		t.Fatal(err)
	}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(r.hook.Load())) }))
	t.Cleanup(hook.Close)
	r.hookURL = hook.URL
	r.held = newServer(t, []string{"--data", filepath.Join(r.folder, "held")}, "INMAIL_DATA="+filepath.Join(r.folder, "held"))
	r.in.api.Start()
	r.in.worker.Start()
	r.in.api.network(senders, "recruiter_50", recipients)
	r.prometheus = paneltest.TimeLapse(t, lapse, "", map[string][]string{r.in.name: r.in.pages()})

	left := map[string]bool{}
	files, err := dashboards.RuleFiles()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		for _, group := range file.Groups {
			for _, rule := range group.Rules {
				if rule.Alert != "" {
					left[rule.Alert] = true
				}
			}
		}
	}
	for _, x := range troubles {
		delete(left, x.alert)
		t.Run(x.alert, func(t *testing.T) { r.under(t, x) })
	}
	for _, alert := range append([]string{""}, looksBack...) {
		delete(left, alert)
		name := alert
		if name == "" {
			name = "begin_with"
		}
		t.Run(name, func(t *testing.T) {
			defer r.of(r.t)
			r.of(t)
			for n := range r.blocks(alert) {
				r.paste(r.in.api, alert, n, false)
			}
		})
	}
	for alert := range left {
		t.Errorf("nobody runs the commands of %s", alert)
	}
}

// under brings one trouble about, runs the commands of its alert, and looks whether it is gone.
func (r *rehearsal) under(t *testing.T, x trouble) {
	defer r.of(r.t)
	r.of(t)
	defer r.takeOver()
	at := r.in.api
	if x.at != nil {
		at = x.at(r)
	}
	blocks := r.blocks(x.alert)
	x.begins(r)
	for n := range blocks {
		if n == len(blocks)-1 && x.hands != nil {
			x.hands(r)
		}
		r.paste(at, x.alert, n, true)
	}
	r.eventually("the trouble is gone", func() error { return x.gone(r) })
}

// of makes t the test that fails with what it uses.
func (r *rehearsal) of(t *testing.T) {
	r.t, r.in.org.t, r.in.redis.t = t, t, t
	for _, s := range []*server{r.in.api, r.in.worker, r.in.scheduler, r.held} {
		s.t = t
	}
}

// blocks returns the commands of an alert: it must have some.
func (r *rehearsal) blocks(alert string) [][]dashboards.Command {
	r.t.Helper()
	blocks := r.runbook[alert]
	if len(blocks) == 0 {
		r.t.Fatalf("the runbook has no command for %s", alert)
	}
	return blocks
}

// marked is printed behind each command, with its exit code.
var marked = regexp.MustCompile(`(?m)^@@@ (\d+)$`)

// paste runs a block in a shell with the settings of a process. Exit codes and what is shown are those of the
// trouble; while all is well every command ends with 0.
func (r *rehearsal) paste(at *server, alert string, n int, trouble bool) {
	r.t.Helper()
	block := r.runbook[alert][n]
	var script strings.Builder
	script.WriteString("trap : TERM\n") // the processes that it starts end by it, and are waited for
	if alert != "" {
		for _, c := range r.runbook[""][0] {
			if strings.HasPrefix(c.Text, "export ") {
				script.WriteString(c.Text + "\n")
			}
		}
	}
	for _, c := range block {
		script.WriteString(c.Text + "\nprintf '\\n@@@ %d\\n' $?\n")
	}
	script.WriteString("until wait; do :; done\n")
	p := &pasted{cmd: exec.Command("bash", "-c", script.String()), out: &lockedBuffer{}, done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = r.folder, p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	role := "api,worker,scheduler"
	if i := slices.Index(at.args, "--roles"); i >= 0 {
		role = at.args[i+1]
	}
	api := r.in.api
	if at == r.held {
		api = at
	}
	p.cmd.Env = append(slices.Clone(at.env), "PATH="+filepath.Dir(program(r.t))+":"+searchPath(at.env), "INMAIL_ROLES="+role,
		"INMAIL_LISTEN="+strings.TrimPrefix(at.url, "http://"), "INMAIL_URL="+api.url, "PROMETHEUS_URL="+r.prometheus)
	if err := p.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() { _ = p.cmd.Wait(); close(p.done) }()
	r.pasted = append(r.pasted, p)
	r.t.Cleanup(func() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL); <-p.done })

	var codes [][]int
	r.eventually("the commands are done", func() error {
		codes = marked.FindAllStringSubmatchIndex(p.out.String(), -1)
		if len(codes) < len(block) {
			return fmt.Errorf("%d of %d:\n%s", len(codes), len(block), p.out.String())
		}
		return nil
	})
	out, from := p.out.String(), 0
	for i, c := range block {
		said := out[from:codes[i][0]]
		code, err := strconv.Atoi(out[codes[i][2]:codes[i][3]])
		if err != nil {
			r.t.Fatal(err)
		}
		from = codes[i][1]
		want := c.Exits
		if !trouble {
			want = 0
		}
		if code != want {
			r.t.Errorf("%s: %s\nexits with %d, want %d:\n%s", alert, c.Text, code, want, said)
		}
		for _, shown := range c.Shows {
			if trouble && !strings.Contains(said, shown) {
				r.t.Errorf("%s: %s\ndoes not show %q:\n%s", alert, c.Text, shown, said)
			}
		}
	}
}

// searchPath returns the PATH of an environment.
func searchPath(env []string) (path string) {
	for _, entry := range env {
		if value, found := strings.CutPrefix(entry, "PATH="); found {
			path = value
		}
	}
	return path
}

// takeOver ends the processes that commands have started, and starts those of the installation that do not
// run.
func (r *rehearsal) takeOver() {
	r.t.Helper()
	for _, p := range r.pasted {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM) // a shell that has started none has ended
		<-p.done
	}
	r.pasted = nil
	running := r.in.running()
	for i, s := range []*server{r.in.api, r.in.worker, r.in.scheduler} {
		if !running[r.in.pages()[i]] {
			s.Start()
		}
	}
}

func (r *rehearsal) eventually(what string, check func() error) {
	r.t.Helper()
	eventually(r.t, what, check)
}

// send sends an InMail; r.arrived says whether it is delivered.
func (r *rehearsal) send() {
	r.t.Helper()
	r.letters++
	r.sender = fmt.Sprintf("s%d", 1+r.letters%(senders-1))
	out, err := r.in.api.insist(r.t.Context(), "POST", "/v1/inmails", r.sender, letter(r.letters), http.StatusAccepted)
	if err != nil {
		r.t.Fatal(err)
	}
	r.sent = out["id"].(string)
}

func (r *rehearsal) arrived() error {
	_, out, err := r.in.api.call("GET", "/v1/inmails/"+r.sent, r.sender, nil)
	if err != nil || out["status"] != "sent" {
		return fmt.Errorf("%v %v", out["status"], err)
	}
	return nil
}

// standsStill ends the scheduler.
func (r *rehearsal) standsStill() {
	r.t.Helper()
	r.in.scheduler.Kill()
	r.says("stands still")
}

// noWorker ends the worker, and sends an InMail that waits for one.
func (r *rehearsal) noWorker() {
	r.t.Helper()
	r.in.worker.Stop()
	r.send()
	r.eventually("no worker is known any more", func() error {
		_, out, err := r.in.api.call("GET", "/v1/queue/status", "", nil)
		if err != nil || out["servers"] != 0.0 {
			return fmt.Errorf("%v servers, %v", out["servers"], err)
		}
		return nil
	})
}

// says waits until /readyz says so.
func (r *rehearsal) says(words string) {
	r.t.Helper()
	r.eventually("/readyz says "+words, func() error {
		resp, err := http.Get(r.in.api.url + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err == nil && !strings.Contains(string(text), words) {
			err = fmt.Errorf("it says %s", text)
		}
		return err
	})
}

// ready returns nil when all parts are well.
func (r *rehearsal) ready() error {
	status, out, err := r.in.api.call("GET", "/readyz", "", nil)
	if err != nil || status != http.StatusOK || out["status"] != "ok" {
		return fmt.Errorf("%d %v %v", status, out, err)
	}
	return nil
}

// scraped waits until Prometheus has scraped the API.
func (r *rehearsal) scraped() {
	r.t.Helper()
	r.eventually("Prometheus has scraped the API", func() error {
		up, err := promValues(r.prometheus, fmt.Sprintf(`up{job="inmail",instance=%q} == 1`, r.in.pages()[0]), "")
		if err != nil || len(up) == 0 {
			return fmt.Errorf("up: %v %v", up, err)
		}
		return nil
	})
}

func answersWith(address string, want int) error {
	resp, err := http.Get(address)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != want {
		return fmt.Errorf("%s answers %d", address, resp.StatusCode)
	}
	return nil
}

// waits returns nil when a change waits for the CRM, synced when none does.
func (r *rehearsal) waits() error {
	status, err := r.in.api.crmStatus()
	if err == nil && status.Unsynced == 0 {
		err = errors.New("nothing waits for the CRM")
	}
	return err
}

func (r *rehearsal) synced() error {
	status, err := r.in.api.crmStatus()
	if err == nil && status.Unsynced > 0 {
		err = fmt.Errorf("%d wait for the CRM", status.Unsynced)
	}
	return err
}

// dead returns nil when there is a dead letter, alive when there is none.
func (r *rehearsal) dead() error {
	if r.alive() == nil {
		return errors.New("there is no dead letter")
	}
	return nil
}

func (r *rehearsal) alive() error {
	_, out, err := r.in.api.call("GET", "/v1/crm/status", "", nil)
	if letters, _ := out["dead_letters"].(map[string]any); err == nil && letters["bad_data"] != nil {
		err = fmt.Errorf("dead letters: %v", letters)
	}
	return err
}

func (r *rehearsal) inTheOrg() error {
	rows, err := r.in.org.live("InMail__c", "InMail_Id__c")
	if err == nil && rows[r.sent] == nil {
		err = fmt.Errorf("the org has %d InMails, not this one", len(rows))
	}
	return err
}

// webhook returns the end point.
func (r *rehearsal) webhook() (map[string]any, error) {
	_, out, err := r.in.api.call("GET", "/v1/webhooks", "", nil)
	items, _ := out["items"].([]any)
	if err != nil || len(items) != 1 {
		return nil, fmt.Errorf("%v %v", items, err)
	}
	return items[0].(map[string]any), nil
}

func (r *rehearsal) hookIs(state string) error {
	hook, err := r.webhook()
	if err == nil && hook["state"] != state {
		err = fmt.Errorf("the end point is %v", hook)
	}
	return err
}

// databaseURL is where the installation's record is.
func (r *rehearsal) databaseURL() string {
	for _, entry := range r.in.api.env {
		if address, found := strings.CutPrefix(entry, "INMAIL_DATABASE_URL="); found {
			return address
		}
	}
	return ""
}

// database is the name of the installation's database.
func (r *rehearsal) database() string {
	r.t.Helper()
	u, err := url.Parse(r.databaseURL())
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}

// administer runs statements in the installation's database.
func (r *rehearsal) administer(statements ...string) {
	r.t.Helper()
	db, err := sql.Open("pgx", r.databaseURL())
	if err != nil {
		r.t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // what a statement sets holds for those after it
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			r.t.Fatal(err)
		}
	}
}

// reconnect ends all connections to the database but its own.
func (r *rehearsal) reconnect() {
	r.t.Helper()
	r.administer("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + r.database() + "' AND pid <> pg_backend_pid()")
}
