package main

import (
	"encoding/csv"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/connectors/salesforce"
	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// failed makes the last push of InMails fail, in the form in which the workers store it.
func (r *running) failed(class domain.FailureClass, detail string, dead bool, ids ...string) {
	r.t.Helper()
	claim, err := r.service.ClaimPushes(r.t.Context(), salesforce.Name, r.service.NewHolder(), 100, time.Minute)
	if err != nil {
		r.t.Fatal(err)
	}
	var answers []domain.PushAnswer
	var again []time.Time
	for _, p := range claim.Pushes {
		p.Link.InMail = p.InMail.ID
		for _, id := range ids {
			if string(p.InMail.ID) == id {
				p.Link.Class, p.Link.Detail, p.Link.Dead, p.Link.Attempts, p.Link.FailedAt = class, detail, dead, p.Link.Attempts+1, r.clock.Now()
				answers = append(answers, domain.PushAnswer{Link: p.Link, Class: class})
				at := time.Time{} // not by itself
				if !dead {
					at = r.clock.Now().Add(time.Minute)
				}
				again = append(again, at)
			}
		}
	}
	if len(answers) != len(ids) {
		r.t.Fatalf("%d of %d InMails could be claimed", len(answers), len(ids))
	}
	if err := r.service.StorePushes(r.t.Context(), salesforce.Name, answers, again, mailroom.Budget{Used: 1200, Max: 15000, Share: 0.2, Ours: 300}); err != nil {
		r.t.Fatal(err)
	}
	r.pass(2 * time.Minute) // the other claims end
}

func TestCRM(t *testing.T) {
	r := newRunning(t)
	r.people()
	screen(t, `
unsynced      everything is in Salesforce
dead letters  none
paused        no
budget        not known before the first call
drift         not compared yet
`, must(t, exitDone, "crm", "status"))
	screen(t, "everything got through\n", must(t, exitDone, "crm", "failures"))
	first, second, third := r.delivered("r1", "A question about Tuesday"), r.delivered("r2", "A question about Tuesday"), r.delivered("r3", "A question about Tuesday")
	r.failed(domain.BadData, "FIELD_CUSTOM_VALIDATION_EXCEPTION Subject__c", true, first)
	r.failed(domain.BadData, "FIELD_CUSTOM_VALIDATION_EXCEPTION Subject__c", true, second)
	r.failed(domain.Locked, "UNABLE_TO_LOCK_ROW", false, third)

	t.Run("status", func(t *testing.T) {
		screen(t, `
unsynced      1, the oldest since 23 Nov 2026 09:00 UTC: 6 min 0 s behind
dead letters  bad_data 2; inmail crm failures
paused        no
budget        300 of 3000 calls that may be ours in 24 h; the org has used 1200 of 15000
drift         not compared yet
`, must(t, exitDone, "crm", "status"))
		sameJSON(t, r.api("GET", "/v1/crm/status", ""), must(t, exitDone, "crm", "status", "--json"))
	})
	t.Run("failures by what Salesforce says", func(t *testing.T) {
		got := must(t, exitDone, "crm", "failures")
		want := `
INMAILS  CLASS     SALESFORCE ANSWERED                           REMEDY
      2  bad_data  FIELD_CUSTOM_VALIDATION_EXCEPTION Subject__c  have the CRM's admin change the rule or the record, then inmail crm retry --class bad_data
      1  locked    UNABLE_TO_LOCK_ROW                            nothing: it is tried again by itself

   INMAIL                                CLASS     TRIES  LAST
   id..................................  locked        1  23 Nov 2026 09:04
†  id..................................  bad_data      1  23 Nov 2026 09:02
†  id..................................  bad_data      1  23 Nov 2026 09:00
`
		screen(t, want, got)
		if places := []int{strings.Index(got.out, third), strings.Index(got.out, second), strings.Index(got.out, first)}; !(0 < places[0] && places[0] < places[1] && places[1] < places[2]) {
			t.Errorf("the newest is not the first:\n%s", got.out)
		}
		if got := must(t, exitDone, "crm", "failures", "--show", "1"); !strings.HasSuffix(got.out, "\nand 2 older: --show 3, or --csv\n") {
			t.Errorf("printed\n%s", got.out)
		}
		if got := must(t, exitDone, "crm", "failures", "--class", "locked", "--show", "0"); strings.Count(got.out, "\n") != 2 || strings.Contains(got.out, "bad_data") {
			t.Errorf("printed\n%s", got.out)
		}
		sameJSON(t, r.api("GET", "/v1/crm/failures", ""), must(t, exitDone, "crm", "failures", "--json"))
		must(t, exitUsage, "crm", "failures", "--class", "bad_luck")
	})
	t.Run("failures as CSV", func(t *testing.T) {
		rows, err := csv.NewReader(strings.NewReader(must(t, exitDone, "crm", "failures", "--csv").out)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		want := [][]string{
			{"inmail", "class", "detail", "attempts", "at", "dead", "part", "object"},
			{third, "locked", "UNABLE_TO_LOCK_ROW", "1", "2026-11-23T09:04:00Z", "false", "record", ""},
			{second, "bad_data", "FIELD_CUSTOM_VALIDATION_EXCEPTION Subject__c", "1", "2026-11-23T09:02:00Z", "true", "record", ""},
			{first, "bad_data", "FIELD_CUSTOM_VALIDATION_EXCEPTION Subject__c", "1", "2026-11-23T09:00:00Z", "true", "record", ""},
		}
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("retry", func(t *testing.T) {
		screen(t, "0 to be tried again\n", must(t, exitDone, "crm", "retry", "--class", "configuration"))
		screen(t, "1 to be tried again\n", must(t, exitDone, "crm", "retry", first))
		if got := read[retryAnswer](t, must(t, exitDone, "crm", "retry", "--json", "--class", "bad_data")); got.Retried != 1 {
			t.Errorf("retried %+v", got)
		}
		if got := must(t, exitFailed, "crm", "retry", third, "nothing"); !strings.Contains(got.err, "retry nothing: not_found: ") {
			t.Errorf("said %q", got.err)
		}
		must(t, exitUsage, "crm", "retry", "--class", "bad_luck")
		screen(t, "0 to be tried again\n", must(t, exitDone, "crm", "retry", "--class", "bad_data"))
	})
	t.Run("pause and resume", func(t *testing.T) {
		paused := func() string {
			t.Helper()
			for line := range strings.SplitSeq(must(t, exitDone, "crm", "status").out, "\n") {
				if rest, ok := strings.CutPrefix(line, "paused"); ok {
					return strings.TrimSpace(rest)
				}
			}
			return ""
		}
		screen(t, "the sync is paused for 1 h 30 min\n", must(t, exitDone, "crm", "pause", "--for", "90m"))
		if got, want := paused(), "operator, since 23 Nov 2026 09:06 UTC, until 23 Nov 2026 10:36 UTC"; got != want {
			t.Errorf("paused: %q, want %q", got, want)
		}
		screen(t, "the sync is paused until inmail crm resume\n", must(t, exitDone, "crm", "pause"))
		if got, want := paused(), "operator, since 23 Nov 2026 09:06 UTC, until inmail crm resume"; got != want {
			t.Errorf("paused: %q, want %q", got, want)
		}
		if got := read[map[string]string](t, must(t, exitDone, "crm", "resume", "--json")); got["status"] != "running" {
			t.Errorf("resume answered %v", got)
		}
		if got := paused(); got != "no" {
			t.Errorf("paused: %q", got)
		}
		must(t, exitUsage, "crm", "pause", "--for", "-1h")
	})
	t.Run("reconcile and backfill", func(t *testing.T) {
		for _, name := range []string{"reconcile", "backfill"} {
			if got := must(t, exitDone, "crm", name); !strings.HasPrefix(got.out, "the run is requested; ") {
				t.Errorf("%s printed %q", name, got.out)
			}
			if got := read[map[string]string](t, must(t, exitDone, "crm", name, "--json")); got["status"] != "asked" {
				t.Errorf("%s answered %v", name, got)
			}
		}
	})
}

func TestEveryClassOfFailureHasARemedy(t *testing.T) {
	for _, class := range []domain.FailureClass{domain.Locked, domain.LimitReached, domain.SessionEnded, domain.LoginFailed, domain.LostReference, domain.BadData, domain.Configuration} {
		if remedies[class] == "" {
			t.Errorf("%s has none", class)
		}
	}
}

// TestCRMErased checks that a proof is asked for page by page, shown whole, and fails unless nothing is left.
func TestCRMErased(t *testing.T) {
	r := newRunning(t)
	r.people()
	screen(t, "asked salesforce for the id on Leads, Contacts and InMails, and for 0 InMails of erased members with their Tasks,\n"+
		"archive and recycle bin included: nothing is left\n", must(t, exitDone, "crm", "erased", "--prove", "nobody"))
	if got := must(t, exitFailed, "crm", "erased", "--prove", "r1"); !strings.HasPrefix(got.out, "r1 is a member here, and not erased: ") {
		t.Errorf("of a member: %+v", got)
	}
	must(t, exitUsage, "crm", "erased")

	var bodies []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		bodies = append(bodies, string(body))
		w.Header().Set("Content-Type", "application/json")
		if len(bodies) == 1 {
			io.WriteString(w, `{"crm":"salesforce","known":false,"waits":"","inmails":1000,"left":[{"object":"Task","record":"00T1","fields":"Subject","where":"recycle_bin","why":"wait for it"}],"next":"id1"}`)
			return
		}
		io.WriteString(w, `{"crm":"salesforce","known":false,"waits":"","inmails":2,"left":[{"object":"Lead","record":"00Q1","fields":"InMail_Member_Id__c","where":"live","why":"converted"}],"next":""}`)
	}))
	defer s.Close()
	t.Setenv("INMAIL_URL", s.URL)
	got := must(t, exitFailed, "crm", "erased", "--prove", "maria")
	screen(t, `
asked salesforce for the id on Leads, Contacts and InMails, and for 1002 InMails of erased members with their Tasks,
archive and recycle bin included: 2 records left

OBJECT  RECORD  WHERE        FIELDS               WHY
Task    00T1    recycle_bin  Subject              wait for it
Lead    00Q1    live         InMail_Member_Id__c  converted
`, got)
	if diff := cmp.Diff([]string{`{"member":"maria"}`, `{"after":"id1","member":"maria"}`}, bodies); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// TestCRMCheck checks that the server is asked for the org that it uses, whatever the settings of the shell
// are.
func TestCRMCheck(t *testing.T) {
	r := newRunning(t)
	org := r.service.Connector(salesforce.Name).(mailroom.Checker).Address()
	t.Setenv("INMAIL_SALESFORCE_URL", "https://another.my.salesforce.com")
	shown := must(t, exitDone, "crm", "check")
	if want := "The server at http://" + r.apiAddress + " checked " + org + ".\n\n"; org == "" || !strings.HasPrefix(shown.out, want) || !strings.Contains(shown.out, "InMail__c.Never_Backwards") {
		t.Errorf("printed\n%s", shown.out)
	}
	answer := must(t, exitDone, "crm", "check", "--json")
	if all := read[checkReport](t, answer); !all.OK || all.Local || all.Org != org || all.CRM != "salesforce" || len(all.Findings) < 10 {
		t.Errorf("JSON is %+v", all)
	}
	if got := must(t, exitUsage, "crm", "check", "--crm", "nobody"); !strings.Contains(got.err, "salesforce") {
		t.Errorf("said %q", got.err)
	}
	answering(t, 200, "application/json", `{"crm":"salesforce","org":"","ok":false,"failed":1,"findings":[{"what":"connection","ok":false,"detail":"no org","remedy":"set one"}]}`)
	failed := must(t, exitFailed, "crm", "check")
	if !strings.Contains(failed.out, " checked no org.\n") || !strings.Contains(failed.out, "FAILED  connection  no org  set one") || !strings.Contains(failed.err, "1 of 1 check failed") {
		t.Errorf("printed %q and %q", failed.out, failed.err)
	}
	t.Setenv("INMAIL_URL", closedAddress(t))
	if got := must(t, exitFailed, "crm", "check"); !strings.Contains(got.err, "no server answers at ") || !strings.Contains(got.err, "inmail crm check --local") || got.out != "" {
		t.Errorf("without a server: %+v", got)
	}
}

func TestCRMCheckLocal(t *testing.T) {
	noSettings(t)
	if all := read[checkReport](t, must(t, exitDone, "crm", "check", "--local", "--json")); !all.OK || !all.Local || len(all.Findings) < 10 {
		t.Errorf("embedded mode's own sandbox: %+v", all)
	}
	if first, _, _ := strings.Cut(must(t, exitDone, "crm", "check", "--local").out, "\n"); first != "The settings of this shell name no org; this is a temporary sandbox. No server was asked." {
		t.Errorf("the first line is %q", first)
	}
	const secret = "a-secret-of-the-test"
	org, err := sandbox.New(sandbox.Options{DailyLimit: 1000, Credentials: sandbox.Credentials{ClientID: "inmail", ClientSecret: secret,
		Users: []sandbox.User{{Username: "inmail@sandbox.invalid", FirstName: "InMail", LastName: "Integration", Integration: true}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer org.Close()
	server := httptest.NewServer(org.Handler())
	defer server.Close()
	t.Setenv("INMAIL_SALESFORCE_URL", server.URL)
	t.Setenv("INMAIL_SALESFORCE_CLIENT_ID", "inmail")
	t.Setenv("INMAIL_SALESFORCE_CLIENT_SECRET", secret)
	t.Setenv("INMAIL_LOG_LEVEL", "error")

	shown := must(t, exitDone, "crm", "check", "--local")
	if want := "The settings of this shell name " + server.URL + ". No server was asked.\n\n"; !strings.HasPrefix(shown.out, want) {
		t.Errorf("it begins %q", shown.out[:min(len(shown.out), 120)])
	}
	for _, line := range []string{"ok  version  ", "ok  login  ", "ok  InMail__c  "} {
		if !strings.Contains(strings.Join(strings.Fields(shown.out), "  "), line) {
			t.Errorf("no %q in\n%s", line, shown.out)
		}
	}
	if all := read[checkReport](t, must(t, exitDone, "crm", "check", "--local", "--json")); !all.OK || all.Failed != 0 || len(all.Findings) < 10 {
		t.Errorf("JSON is %+v", all)
	}
	t.Setenv("INMAIL_SALESFORCE_CLIENT_SECRET", "not-"+secret)
	wrong := inmail(t, "crm", "check", "--local")
	if wrong.code != exitFailed || !strings.Contains(wrong.out, "FAILED  login") || !strings.Contains(wrong.out, "salesforce.client_secret") || strings.Contains(wrong.out+wrong.err, secret) {
		t.Errorf("with a wrong secret: %+v", wrong)
	}
	if all := read[checkReport](t, inmail(t, "crm", "check", "--local", "--json")); all.OK || all.Failed != 1 {
		t.Errorf("JSON is %+v", all)
	}
}
