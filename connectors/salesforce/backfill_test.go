package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// manyMembers is the number of members to whom many writes.
const manyMembers = 600

// many returns pushes of InMails. Every third member is a Lead of the org, and every second one replied.
func many(n int) (pushes []domain.Push) {
	for i := range n {
		p := sent(i, domain.MemberID(fmt.Sprintf("member%d", i%manyMembers)))
		if i%2 == 0 {
			apply(&p.InMail, domain.EventReply, testNow)
		}
		pushes = append(pushes, p)
	}
	return pushes
}

// leadsOfMany creates the Leads of the members to whom many(n) writes.
func (o *org) leadsOfMany(n int) {
	for i := 0; i < min(n, manyMembers); i += 3 {
		o.lead(sandbox.Fields{"InMail_Member_Id__c": fmt.Sprintf("member%d", i)})
	}
}

// checkFilled compares the org with the record that was brought to it.
func checkFilled(t *testing.T, o *org, l *ledger) {
	t.Helper()
	checkHistory(t, o)
	there, tasks := o.inmails(), o.tasks()
	if len(there) != len(l.pushes) {
		t.Errorf("%d records of %d InMails", len(there), len(l.pushes))
	}
	wantTasks := 0
	for id, p := range l.pushes {
		r := there[id]
		if r["Status__c"] != statusNames[p.InMail.Status] || p.Link.RecordID != r["Id"] || l.due[id] {
			t.Fatalf("%s is %v in the org; %+v, due %v", id, r["Status__c"], p.Link, l.due[id])
		}
		lead, _ := r["Lead__c"].(string)
		if lead != parentsOf(p.Link).LeadID || (lead != "") != (r["Match__c"] == "Matched") {
			t.Fatalf("%s has the parent %v: %+v", id, lead, p.Link)
		}
		if lead != "" {
			wantTasks++
			if !p.InMail.RepliedAt.IsZero() {
				wantTasks++
			}
		}
	}
	if len(tasks) != wantTasks {
		t.Errorf("%d Tasks, want %d", len(tasks), wantTasks)
	}
}

func TestBackfillInBulk(t *testing.T) {
	const n = 5300
	l := newLedger(many(n)...)
	o := newOrg(t)
	o.record = l
	o.leadsOfMany(n)
	for _, id := range []int{7, 8} { // these links belong to another org
		l.pushes[newID(id)].Link = linked(domain.Link{InMail: newID(id), RecordID: "a0X000000000001AAA",
			PushedVersion: 9, PushedSeq: 9, Notes: map[string]string{"sent_task": there}}, parents{Match: domain.Matched, LeadID: "00Q000000000001AAA"})
	}
	plan, err := o.crm.PlanBackfill(context.Background(), o.record)
	if err != nil || plan.InMails != n || plan.Jobs != 2 || plan.Beside != n+n/2 || plan.Bytes == 0 || o.Calls()["jobs/ingest"] != 0 {
		t.Errorf("%+v, %v", plan, err)
	}
	var notify []Progress
	var so Progress
	calls := o.calls(func() {
		so, err = o.crm.Backfill(context.Background(), o.record, func(p Progress) { notify = append(notify, p) })
	})
	// The login is one call more.
	if err != nil || !so.Done || so.InMails != n || so.Records != n || so.Jobs != 2 || so.Pushed != 0 || so.Failed != 0 || so.Calls != calls+1 {
		t.Fatalf("%+v, %v in %d calls", so, err, calls)
	}
	for i, p := range notify { // the progress never goes back
		if !p.Bulk || p.Total != n || i > 0 && (p.Prepared < notify[i-1].Prepared || p.Calls < notify[i-1].Calls || p.InMails < notify[i-1].InMails) {
			t.Errorf("reported %+v", notify)
			break
		}
	}
	if len(notify) < 8 {
		t.Errorf("reported %d times", len(notify))
	}
	checkFilled(t, o, l)
	t.Logf("%d InMails with %d Tasks in %d calls, planned %d: %v", n, so.Beside, calls, plan.Calls, o.Calls())
	if calls > plan.Calls {
		t.Errorf("%d calls, planned %d", calls, plan.Calls)
	}
	if l.state[backfillState] != nil {
		t.Errorf("a state is left: %s", l.state[backfillState])
	}
	t.Run("again", func(t *testing.T) {
		before := len(o.tasks())
		if so, err := o.crm.Backfill(context.Background(), o.record, nil); err != nil || so.Records != n || len(o.tasks()) != before {
			t.Errorf("%+v, %v", so, err)
		}
		checkFilled(t, o, l)
	})
}

// TestBackfillOfFew checks that few InMails go by ordinary pushes, because a job would cost more calls.
func TestBackfillOfFew(t *testing.T) {
	l := newLedger(many(bulkAbove)...)
	o := newOrg(t)
	o.record = l
	o.leadsOfMany(bulkAbove)
	so, err := o.crm.Backfill(context.Background(), o.record, nil)
	if err != nil || so.Pushed != bulkAbove || so.Jobs != 0 || o.Calls()["jobs/ingest"] != 0 {
		t.Fatalf("%+v, %v", so, err)
	}
	l.sync(o, o.crm, 5)
	checkFilled(t, o, l)
}

// inSmallJobs limits a connector's jobs to thirty rows, and lets it run jobs from eleven rows on.
func inSmallJobs(c *Connector) *Connector {
	c.jobRows, c.bulkAbove = 30, 10
	return c
}

// TestBackfillKilledAtEveryStep kills a backfill before and after its calls and at its stores. Its end must
// be that of a backfill that was not killed. The backfill has two jobs and is killed at every third step; in
// the long form it has three jobs and is killed at every step.
func TestBackfillKilledAtEveryStep(t *testing.T) {
	n := sized(45, 75)
	killed := errors.New("killed")
	for step := 1; ; step += sized(3, 1) {
		l := newLedger(many(n)...)
		o := newOrg(t)
		o.record = l
		o.leadsOfMany(n)
		count, dead := 0, false
		at := func() bool {
			count++
			dead = dead || count == step
			return dead
		}
		l.fail = func(string) error {
			if at() {
				return killed
			}
			return nil
		}
		tampered := o.through(&tamper{})
		tampered.before = func(*http.Request) *http.Response {
			if at() {
				return respond(http.StatusServiceUnavailable, "")
			}
			return nil
		}
		tampered.after = func(_ *http.Request, status int, body []byte) (int, []byte) {
			if at() {
				return http.StatusGatewayTimeout, nil
			}
			return status, body
		}
		_, err := inSmallJobs(o.crm).Backfill(context.Background(), o.record, nil)
		if err == nil {
			if count >= step {
				t.Fatalf("step %d of %d was survived", step, count)
			}
			t.Logf("%d steps", count)
			break
		}
		// A new process begins where the killed one ended.
		l.fail, dead = nil, false
		tampered.before, tampered.after = nil, nil
		o.crm = inSmallJobs(o.connect())
		so, err := o.crm.Backfill(context.Background(), o.record, nil)
		if err != nil || !so.Done {
			t.Fatalf("step %d: %+v, %v", step, so, err)
		}
		l.sync(o, o.crm, 5)
		checkFilled(t, o, l)
	}
}

// TestBackfillAbortsTheJobItLeft checks that a job which was left open is aborted before anything else is
// done.
func TestBackfillAbortsTheJobItLeft(t *testing.T) {
	l := newLedger(many(20)...)
	o := newOrg(t)
	o.record = l
	tampered := o.through(&tamper{before: func(req *http.Request) *http.Response {
		if req.Method == http.MethodPut {
			return respond(http.StatusServiceUnavailable, "")
		}
		return nil
	}})
	if _, err := inSmallJobs(o.crm).Backfill(context.Background(), o.record, nil); err == nil {
		t.Fatal("the upload went through")
	}
	tampered.before, tampered.requests = nil, nil
	if so, err := o.crm.Backfill(context.Background(), o.record, nil); err != nil || so.Records != 20 {
		t.Fatalf("%+v, %v", so, err)
	}
	if first := tampered.requests[0]; !strings.HasPrefix(first, "PATCH ") || !strings.Contains(first, "/jobs/ingest/750") {
		t.Errorf("the first call was %s", first)
	}
}

func TestBackfillWhoseJobsFail(t *testing.T) {
	for name, faults := range map[string][]sandbox.Fault{
		"rows":      {{Kind: sandbox.RowLock, Resource: "jobs/ingest", Rate: 0.1}},
		"first job": {{Kind: sandbox.BulkJobFails, Resource: "jobs/ingest", Next: 1}},
		"every job": {{Kind: sandbox.BulkJobFails, Resource: "jobs/ingest"}},
		"polls":     {{Kind: sandbox.UnavailableHTML, Resource: "jobs/ingest", Skip: 3, Next: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			few, more := sized(200, bulkAbove), sized(100, 500)
			n := few + more
			l := newLedger(many(n)...)
			o := newOrg(t)
			o.record = l
			o.crm.bulkAbove = few
			o.leadsOfMany(n)
			o.inject(faults...)
			so, err := o.crm.Backfill(context.Background(), o.record, nil)
			if err != nil || !so.Done || so.InMails != n {
				t.Fatalf("%+v, %v", so, err)
			}
			if notify := o.tally.pushed["InMail__c locked"]; name != "polls" && (notify == 0 || o.tally.pushed["InMail__c failed"] != 0) {
				t.Errorf("%d left to ordinary pushes, observed %v", so.Pushed, o.tally.pushed)
			}
			if name != "polls" && so.Pushed == 0 {
				t.Errorf("nothing was left to ordinary pushes: %+v", so)
			}
			o.ClearFaults()
			l.sync(o, o.crm, 5)
			checkFilled(t, o, l)
		})
	}
}

// TestBackfillWaitsForTheBudget checks that a spent budget stops a backfill and that the next run goes on.
func TestBackfillWaitsForTheBudget(t *testing.T) {
	const n = 100
	l := newLedger(many(n)...)
	o := newOrg(t, allowing(400, 0.1), func(s *sandbox.Options, _ *Config, _ *Deps) {
		s.SessionLife = 1000 * time.Hour
	})
	o.record = l
	o.leadsOfMany(n)
	inSmallJobs(o.crm)
	days := 1
	for ; days < 10; days++ {
		var waits *mailroom.Waits
		if _, err := o.crm.Backfill(context.Background(), o.record, nil); err != nil && !errors.As(err, &waits) {
			t.Fatal(err)
		}
		// Background calls may take four fifths of the 40 calls.
		if all := o.Calls(); all["token"]+all["composite"]+all["jobs/ingest"]+all["query"] > days*32 {
			t.Errorf("%v on day %d", all, days)
		}
		if l.state[backfillState] == nil {
			break
		}
		o.clock.move(26 * time.Hour)
	}
	if days < 2 || days == 10 {
		t.Errorf("%d days: %v", days, o.Calls())
	}
	l.sync(o, o.connect(func(c *Config, _ *Deps) { c.Budget = 1 }), 5)
	checkFilled(t, o, l)
}

// TestBulkFaults checks that the error of a row of a job gets the same class as the error of any other row.
func TestBulkFaults(t *testing.T) {
	for notify, want := range map[string]struct {
		class  domain.FailureClass
		detail string
	}{
		"UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--":                    {domain.Locked, "UNABLE_TO_LOCK_ROW"},
		"STRING_TOO_LONG:Subject: data value too large: a:b:Subject__c --":                          {domain.BadData, "STRING_TOO_LONG (Subject__c)"},
		"FIELD_CUSTOM_VALIDATION_EXCEPTION:InMail: older than what is stored:Status_Sequence__c --": {domain.Stale, "FIELD_CUSTOM_VALIDATION_EXCEPTION (Status_Sequence__c)"},
		"something else": {domain.BadData, "UNREADABLE_CODE"},
		"":               {domain.BadData, "UNREADABLE_CODE"},
	} {
		f := bulkFault(notify)
		if f.Class != want.class || f.Detail() != want.detail {
			t.Errorf("%q: %s, %s", notify, f.Class, f.Detail())
		}
	}
	f := bulkFault("DUPLICATE_VALUE:duplicate value found: InMail_Event_Id__c duplicates value on record with id: 00T000000000001:--")
	if !f.alreadyLogged() {
		t.Error("a Task that is there counts as missing")
	}
}

// TestSheet checks that a sheet takes any text, and keeps or empties a field as a row of a Composite call
// does.
func TestSheet(t *testing.T) {
	s := newSheet(inMailObject, "upsert", inMailKey, inMailKey, "Subject__c", "Body__c", "Replies__c")
	s.add(map[string]any{inMailKey: "a", "Subject__c": nil, "Body__c": "line\r\nwith \"quotes\", commas; and #N/A", "Replies__c": 3})
	s.add(map[string]any{inMailKey: "b", "Subject__c": "#N/A"})
	want := "InMail_Id__c,Subject__c,Body__c,Replies__c\n" + "a,#N/A,\"line\r\nwith \"\"quotes\"\", commas; and #N/A\",3\n" + "b,# N/A,,\n"
	if got := s.data.String(); got != want || s.rows != 2 {
		t.Errorf("%q\n%q", got, want)
	}
	if strings.Contains(newSheet(taskObject, "insert", taskKey, "X").data.String(), "N/A") {
		t.Error("an insert empties nothing")
	}
}
