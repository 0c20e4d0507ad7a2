package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"inmail/connectors/salesforce"
	"inmail/connectors/salesforce/sandbox"
	"inmail/domain/mailroom"
)

// works processes the workers' Salesforce tasks until the test ends.
func (r *running) works() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	r.t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			s, err := r.service.CRMStatus(ctx, salesforce.Name)
			for kind, run := range s.Runs {
				taskType := mailroom.TaskCRMReconcile
				if kind == mailroom.Backfill || kind == mailroom.BackfillDry {
					taskType = mailroom.TaskCRMBackfill
				}
				if run.StartedAt.IsZero() {
					err = r.jobs.Handlers()[taskType](ctx, []string{string(salesforce.Name), string(kind), string(run.ID)})
				}
			}
			if err == nil {
				err = r.jobs.Handlers()[mailroom.TaskCRMPush](ctx, []string{string(salesforce.Name)})
			}
			if err != nil && ctx.Err() == nil {
				r.t.Error(err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
}

// inOrg sends InMails and pushes them to the org, and returns their records.
func (r *running) inOrg(n int) []sandbox.Fields {
	r.t.Helper()
	r.people()
	for i := range n {
		r.delivered(fmt.Sprintf("r%d", i+1), "A question about Tuesday")
	}
	if err := r.jobs.Handlers()[mailroom.TaskCRMPush](r.t.Context(), []string{string(salesforce.Name)}); err != nil {
		r.t.Fatal(err)
	}
	there := r.sandbox.Records("InMail__c")
	if len(there) != n {
		r.t.Fatalf("%d records of %d InMails", len(there), n)
	}
	return there
}

func TestReconcileFromATerminal(t *testing.T) {
	r := newRunning(t)
	there := r.inOrg(3)
	id := func(i int) string { return there[i]["Id"].(string) }
	if err := r.sandbox.Delete(id(0)); err != nil {
		t.Fatal(err)
	}
	if err := r.sandbox.Edit(id(1), sandbox.Fields{"Category__c": "theirs"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.sandbox.Insert("InMail__c", sandbox.Fields{"InMail_Id__c": "of nobody's", "Status__c": "Sent", "Status_Sequence__c": 2}); err != nil {
		t.Fatal(err)
	}
	screen(t, "the run is requested; inmail crm status shows its progress\n", must(t, exitDone, "crm", "reconcile", "--wait=false"))
	if got := must(t, exitDone, "crm", "status").out; !strings.Contains(got, "reconcile     requested, no worker has started it\n") {
		t.Errorf("status printed\n%s", got)
	}
	// The run looks as if it had ended.
	if err := r.service.NoteRun(t.Context(), salesforce.Name, mailroom.Reconcile, ended(r, mailroom.Reconcile)); err != nil {
		t.Fatal(err)
	}
	r.works()
	const found = `
compared            3
missing             1
extra               1
stale               0
edited by hand      1
to be pushed again  2
to be moved         0
looked for again    1
calls               2, about 4 more to repair it
`
	screen(t, found, must(t, exitDone, "crm", "reconcile", "--dry-run"))
	if r, _ := r.sandbox.Record(id(1)); r["Category__c"] != "theirs" {
		t.Errorf("a dry run repaired %v", r)
	}
	run := read[crmRun](t, must(t, exitDone, "crm", "reconcile", "--dry-run", "--json"))
	if run.State != "done" || run.Compared == nil || run.Compared.Drift["missing"] != 1 || run.Compared.RepairCalls != 4 {
		t.Errorf("JSON is %+v", run)
	}
	if got := must(t, exitDone, "crm", "reconcile", "--wait").out; !strings.Contains(got, "edited by hand      1\n") || !strings.Contains(got, "calls               3, about 3 more") {
		t.Errorf("printed\n%s", got)
	}
	eventually(t, "all is repaired", func() error {
		if r, _ := r.sandbox.Record(id(1)); r["Category__c"] != nil {
			return fmt.Errorf("the category is %v", r["Category__c"])
		}
		return nil
	})
}

// ended returns the last run of a kind as one that is done.
func ended(r *running, kind mailroom.RunKind) mailroom.Run {
	r.t.Helper()
	s, err := r.service.CRMStatus(r.t.Context(), salesforce.Name)
	if err != nil {
		r.t.Fatal(err)
	}
	run := s.Runs[kind]
	run.EndedAt = r.clock.Now()
	return run
}

func TestBackfillFromATerminal(t *testing.T) {
	r := newRunning(t)
	r.inOrg(3)
	r.works()
	screen(t, "3 InMails with up to 3 Tasks: by ordinary pushes, about 3 calls\n", must(t, exitDone, "crm", "backfill", "--dry-run"))
	screen(t, "3 InMails, too few for a bulk job: left to ordinary pushes\nordinary pushes have sent the rest\n",
		must(t, exitDone, "crm", "backfill", "--wait"))
	if run := read[crmRun](t, must(t, exitDone, "crm", "backfill", "--wait", "--json")); run.State != "done" || run.Backfilled == nil || run.Backfilled.Pushed != 3 {
		t.Errorf("JSON is %+v", run)
	}
	must(t, exitUsage, "crm", "backfill", "all")

	t.Run("on a terminal it is watched, and drawn", func(t *testing.T) {
		person, terminal := newTerminal(t)
		var out bytes.Buffer
		root := newRoot()
		root.SetOut(&out)
		root.SetErr(terminal)
		root.SetArgs([]string{"crm", "backfill"})
		code := run(t.Context(), root)
		terminal.Close()
		drawn, err := io.ReadAll(person) // ends with an error when the terminal is closed
		if code != exitDone || !strings.Contains(out.String(), "too few for a bulk job") {
			t.Errorf("exit code %d, %v: %s", code, err, out.String())
		}
		if !strings.Contains(string(drawn), "requested, no worker") && !strings.Contains(string(drawn), "left to ordinary pushes") && !strings.Contains(string(drawn), "running") {
			t.Errorf("drew %q", drawn)
		}
	})
	t.Run("Ctrl-C only stops watching", func(t *testing.T) {
		if err := r.service.PauseCRM(t.Context(), salesforce.Name, "operator", time.Time{}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		var looks atomic.Int64
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if looks.Add(1) == 3 {
				cancel(fmt.Errorf("signal: %w", context.Canceled))
			}
			fmt.Fprint(&jsonAnswer{w}, []string{`{"status":"asked","run":"1"}`, `{"runs":{"backfill":{"id":"1","state":"running"}}}`}[min(looks.Load()-1, 1)])
		}))
		defer front.Close()
		t.Setenv("INMAIL_URL", front.URL)
		var out, errs bytes.Buffer
		root := newRoot()
		root.SetOut(&out)
		root.SetErr(&errs)
		root.SetArgs([]string{"crm", "backfill", "--wait"})
		if code := run(ctx, root); code != exitFailed || errs.String() != "inmail: "+errStopped.Error()+"\n" {
			t.Errorf("exit code %d: %s%s", code, out.String(), errs.String())
		}
	})
}

// jsonAnswer marks its answers as JSON.
type jsonAnswer struct{ http.ResponseWriter }

func (a *jsonAnswer) Write(b []byte) (int, error) {
	a.Header().Set("Content-Type", "application/json")
	return a.ResponseWriter.Write(b)
}

// TestWatching checks when watching gives up, and with which message.
func TestWatching(t *testing.T) {
	const id = "019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"
	for name, row := range map[string]struct{ run, want string }{
		"no worker comes":    {`{"id":"` + id + `","state":"asked"}`, "no worker has started it for 1ms"},
		"it does not move":   {`{"id":"` + id + `","state":"running","backfilled":{"inmails":100,"total":5000}}`, "there is no progress for 5ms: 100 of 5000, running"},
		"it stopped":         {`{"id":"` + id + `","state":"stopped","fault":"login"}`, "stopped (login): repair that and start again; inmail crm check shows what is wrong"},
		"it stopped a while": {`{"id":"` + id + `","state":"stopped","fault":"locked"}`, "there is no progress for 5ms: stopped (locked), continues by itself"},
		"another has begun":  {`{"id":"019abf5e-8c00-7a31-9c55-ffffffffffff","state":"running"}`, "another backfill has started meanwhile"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprint(&jsonAnswer{w}, `{"runs":{"backfill":`+row.run+`}}`)
			}))
			defer server.Close()
			c := &remote{server: server.URL, patience: time.Minute, stall: time.Millisecond, http: http.DefaultClient}
			_, _, err := c.watch(t.Context(), &progress{}, "backfill", "backfill", id)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("said %v, want %s", err, row.want)
			}
		})
	}
	t.Run("one that waits for the org's calls is watched on", func(t *testing.T) {
		looks := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			state := "waiting"
			if looks++; looks > 2 {
				state = "done"
			}
			fmt.Fprint(&jsonAnswer{w}, `{"runs":{"backfill":{"id":"`+id+`","state":"`+state+`","waits_until":"2026-11-24T09:00:00Z"}}}`)
		}))
		defer server.Close()
		c := &remote{server: server.URL, patience: time.Minute, stall: time.Millisecond, http: http.DefaultClient}
		if run, _, err := c.watch(t.Context(), &progress{}, "backfill", "backfill", id); err != nil || run.State != "done" || looks != 3 {
			t.Errorf("%+v after %d looks, %v", run, looks, err)
		}
	})
	t.Run("ordinary pushes that rest are not waited for", func(t *testing.T) {
		status := `{"unsynced":7,"oldest_unsynced_at":"2026-11-23T09:00:00Z","paused":{"why":"operator"}}`
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(&jsonAnswer{w}, status) }))
		defer server.Close()
		c := &remote{server: server.URL, patience: time.Minute, stall: time.Minute, http: http.DefaultClient}
		if text, err := c.watchPushes(t.Context(), &progress{}, monday); err != nil || text != "7 still wait for ordinary pushes; inmail crm status shows why\n" {
			t.Errorf("said %q, %v", text, err)
		}
		status = `{"unsynced":7,"oldest_unsynced_at":"2026-11-23T09:00:01Z","dead_letters":{"bad_data":2}}`
		if text, err := c.watchPushes(t.Context(), &progress{}, monday); err != nil || text != "ordinary pushes have sent the rest, except dead letters: bad_data 2; inmail crm failures\n" {
			t.Errorf("said %q, %v", text, err)
		}
	})
}

func TestRunsInWords(t *testing.T) {
	parse := func(text string) (r crmRun) {
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	for text, want := range map[string]string{
		`{"backfilled":{"total":5300,"prepared":5300,"inmails":5300,"records":5290,"tasks":2645,"pushed":12,"failed":10,"jobs":2,"calls":21}}`: "5300 InMails: 5290 records and 2645 Tasks went in bulk, 10 failed, in 21 calls\n12 left to ordinary pushes\n",
		`{"backfilled":{"inmails":1,"pushed":1}}`:                                    "1 InMail, too few for a bulk job: left to ordinary pushes\n",
		`{"plan":{"inmails":5300,"tasks":7950,"bytes":2130000,"jobs":2,"calls":30}}`: "5300 InMails with up to 7950 Tasks: 2.1 MB in 2 bulk jobs, about 30 calls\n",
		`{}`: "nothing was sent\n",
	} {
		if got := parse(text).backfilled(); got != want {
			t.Errorf("%s\n got %q\nwant %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		`{"state":"waiting","waits_until":"2026-11-24T09:00:00Z","compared":{"inmails":5000}}`: "5000 compared, waits for the org's calls until 24 Nov 2026 09:00 UTC",
		`{"state":"running","backfilled":{"inmails":50000,"total":120000}}`:                    "50000 of 120000, running",
	} {
		if got := parse(text).progressText(); got != want {
			t.Errorf("%s\n got %q\nwant %q", text, got, want)
		}
	}
}
