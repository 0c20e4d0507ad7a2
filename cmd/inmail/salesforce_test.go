package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"inmail/connectors/salesforce/sandbox"
)

// control calls one of the sandbox's control paths, and fails the test on an error.
func (o *org) control(method, path string, body, out any) {
	o.t.Helper()
	if err := o.tryControl(method, path, body, out); err != nil {
		o.t.Fatal(err)
	}
}

func (o *org) tryControl(method, path string, body, out any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, o.url+"/sandbox/"+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s /sandbox/%s: %d %s", method, path, resp.StatusCode, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// history lists the committed changes of an object.
func (o *org) history(object string) []sandbox.Change {
	o.t.Helper()
	var out struct{ Items []sandbox.Change }
	o.control("GET", "history?object="+object, nil, &out)
	return out.Items
}

// requests returns how many requests the org has answered, by resource.
func (o *org) requests() map[string]int {
	o.t.Helper()
	var out struct{ Requests map[string]int }
	o.control("GET", "calls", nil, &out)
	return out.Requests
}

// leads inserts a Lead for each recipient of a range of numbers, and returns their ids.
func (o *org) leads(from, to int) (ids []string) {
	o.t.Helper()
	type record struct {
		Type   string         `json:"type"`
		Fields map[string]any `json:"fields"`
	}
	var all []record
	for i := from; i < to; i++ {
		all = append(all, record{"Lead", map[string]any{"LastName": fmt.Sprintf("Recipient %d", i), "Company": fmt.Sprintf("Company %d", i),
			"InMail_Member_Id__c": fmt.Sprintf("r%d", i)}})
	}
	for part := range slices.Chunk(all, 200) {
		var out struct{ IDs []string }
		o.control("POST", "records", part, &out)
		ids = append(ids, out.IDs...)
	}
	return ids
}

// live lists the records that are not in the recycle bin, by a field whose values must be unique.
func (o *org) live(object, key string) (map[string]map[string]any, error) {
	rows, err := o.records(object)
	if err != nil {
		return nil, err
	}
	live := map[string]map[string]any{}
	for _, row := range rows {
		if row["IsDeleted"] == true {
			continue
		}
		k, _ := row[key].(string)
		if k == "" {
			continue
		}
		if live[k] != nil {
			return nil, fmt.Errorf("%s %s is there twice", object, k)
		}
		live[k] = row
	}
	return live, nil
}

func (o *org) mustLive(object, key string) map[string]map[string]any {
	o.t.Helper()
	rows, err := o.live(object, key)
	if err != nil {
		o.t.Fatal(err)
	}
	return rows
}

// neverBack checks the org's own history: every key was inserted once, and no state or sequence number
// decreased. It returns the number of keys of each object.
func (o *org) neverBack() (inmails, tasks, changes int) {
	o.t.Helper()
	rank := map[string]int{"Queued": 1, "Sent": 2, "Opened": 3, "Replied": 4}
	made, last := map[string]int{}, map[string]int{}
	for _, c := range o.history("InMail__c") {
		changes++
		if c.Kind == "insert" {
			made[c.Key]++
		}
		if c.Kind != "insert" && c.Kind != "update" || rank[c.NewStatus] == 0 || c.NewSequence == nil {
			o.t.Fatalf("the org's history shows %+v", c)
		}
		if c.OldSequence != nil && *c.NewSequence < *c.OldSequence || rank[c.NewStatus] < max(rank[c.OldStatus], last[c.Key]) {
			o.t.Errorf("%s went back: %+v", c.Key, c)
		}
		last[c.Key] = rank[c.NewStatus]
	}
	logged := map[string]int{}
	for _, c := range o.history("Task") {
		changes++
		if c.Kind != "insert" {
			o.t.Errorf("a Task was not only inserted: %+v", c)
		}
		logged[c.Key]++
	}
	for what, times := range map[string]map[string]int{"InMail__c": made, "Task": logged} {
		for key, n := range times {
			if n != 1 {
				o.t.Errorf("%s %s was inserted %d times", what, key, n)
			}
		}
	}
	return len(made), len(logged), changes
}

// crmStatus reads /v1/crm/status.
func (s *server) crmStatus() (crmStatus, error) {
	var out crmStatus
	code, answer, err := s.call("GET", "/v1/crm/status", "", nil)
	if err != nil || code != http.StatusOK {
		return out, fmt.Errorf("/v1/crm/status: %d %w", code, err)
	}
	raw, err := json.Marshal(answer)
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(raw, &out)
}

// insist repeats a call until the answer has one of the statuses.
func (s *server) insist(ctx context.Context, method, path, member string, body any, want ...int) (map[string]any, error) {
	var last error
	for ctx.Err() == nil {
		status, out, err := s.call(method, path, member, body)
		switch {
		case err == nil && slices.Contains(want, status):
			return out, nil
		case err == nil && status != http.StatusNotFound && status < 500: // not found: not delivered yet
			return nil, fmt.Errorf("%s %s: %d %v", method, path, status, out)
		}
		last = fmt.Errorf("%s %s: %d %w", method, path, status, err)
		pause := time.NewTimer(50 * time.Millisecond)
		<-pause.C
	}
	return nil, fmt.Errorf("%w: %w", ctx.Err(), last)
}

// liveOn opens, answers and tags InMail i of a load. The server may be killed meanwhile.
func (s *server) liveOn(ctx context.Context, i, senders int, id string) error {
	from, to := fmt.Sprintf("s%d", i%senders), fmt.Sprintf("r%d", i)
	if _, err := s.insist(ctx, "POST", "/v1/inmails/"+id+"/open", to, nil, http.StatusOK); err != nil {
		return err
	}
	if _, err := s.insist(ctx, "PUT", "/v1/inmails/"+id+"/tags", from, map[string]any{"tags": []string{"queues", fmt.Sprintf("wave %d", i%7)}}, http.StatusOK); err != nil {
		return err
	}
	for ctx.Err() == nil { // a reply has no key: without an answer, look for the reply
		status, out, err := s.call("POST", "/v1/inmails/"+id+"/replies", to, map[string]any{"body": "Gladly. We test ours by storms."})
		if err == nil && status == http.StatusCreated {
			return nil
		}
		if err == nil && status < 500 {
			return fmt.Errorf("reply: %d %v", status, out)
		}
		there, err := s.insist(ctx, "GET", "/v1/inmails/"+id+"/replies", to, nil, http.StatusOK)
		if err != nil {
			return err
		}
		if len(there["items"].([]any)) > 0 {
			return nil
		}
	}
	return ctx.Err()
}

// inTurns calls a function for n numbers from 16 clients, and reports the first errors.
func inParallel(t *testing.T, n int, do func(i int) error) {
	t.Helper()
	work := make(chan int)
	var wg sync.WaitGroup
	var faults atomic.Int64
	for range 16 {
		wg.Go(func() {
			for i := range work {
				if err := do(i); err != nil && faults.Add(1) < 5 {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
}

// storm is a fault for three of ten answers: each kind of refusal, and of lost or spoiled answers, with the
// same probability, drawn from the org's seed. In addition some logins fail, some rows are locked or
// duplicated, and two answers take three times the client's time limit: the org executes their calls when
// nobody waits for them any more.
func storm(timeout time.Duration) (faults []sandbox.Fault) {
	kinds := []sandbox.FaultKind{sandbox.UnavailableHTML, sandbox.ServerError, sandbox.BadGateway, sandbox.GatewayTimeout, sandbox.EmptyErrorList,
		sandbox.QueryTimeout, sandbox.SessionExpired, sandbox.LimitConcurrent, sandbox.LimitTotal, sandbox.InMaintenance, sandbox.APIDisabled,
		sandbox.DropBefore, sandbox.DropAfter, sandbox.TruncatedBody, sandbox.EmptyBody, sandbox.TimeoutAfter}
	each := 0.3 / float64(len(kinds))
	for i, kind := range kinds { // the org tries them in order: a later one gets what the earlier ones spare
		faults = append(faults, sandbox.Fault{Kind: kind, Rate: each / (1 - float64(i)*each)})
	}
	for _, kind := range []sandbox.FaultKind{sandbox.SlowBefore, sandbox.SlowAfter} {
		faults = append(faults, sandbox.Fault{Kind: kind, Rate: 0.2, Next: 1, Delay: 3 * timeout})
	}
	return append(faults, sandbox.Fault{Kind: sandbox.BadGateway, Resource: "token", Rate: 0.3},
		sandbox.Fault{Kind: sandbox.LoginRefused, Resource: "token", Code: "unknown_error", Message: "retry your request", Rate: 0.2},
		sandbox.Fault{Kind: sandbox.RowLock, Rate: 0.01}, sandbox.Fault{Kind: sandbox.RowDuplicate, Rate: 0.005},
		sandbox.Fault{Kind: sandbox.RowRefused, Object: "InMail__c", Code: "CANNOT_EXECUTE_FLOW_TRIGGER", Message: "Roll up: UNABLE_TO_LOCK_ROW", Rate: 0.01},
		sandbox.Fault{Kind: sandbox.RowRefused, Object: "Task", Code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
			Message: "TaskTrigger: System.LimitException: Apex CPU time limit exceeded", Above: 20})
}

// A storm's org refuses the Tasks of two Leads, and the record of one InMail, for ever.
const (
	refusedLeads   = 2
	refusedInMails = 1
)

// refusals are the rows that the org of a storm refuses for ever: the Tasks of its first Leads, and the
// record of the InMail to a recipient who is nobody's Lead.
func refusals(leads []string, recipient string) (faults []sandbox.Fault) {
	refuse := func(object, field, value string) {
		faults = append(faults, sandbox.Fault{Kind: sandbox.RowRefused, Object: object, Code: "FIELD_CUSTOM_VALIDATION_EXCEPTION",
			Message: "not in this org", Where: map[string]string{field: value}})
	}
	for _, lead := range leads[:refusedLeads] {
		refuse("Task", "WhoId", lead)
	}
	refuse("InMail__c", "Recipient_Member__c", recipient)
	return faults
}

// refusedForEver checks that crm failures has what the org of a storm refuses for ever, part by part, and
// nothing else.
func (s *server) refusedForEver() error {
	var answer struct{ Items []crmFailure }
	status, raw, err := s.call("GET", "/v1/crm/failures?limit=100", "", nil)
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("failures: %d, %w", status, err)
	}
	data, err := json.Marshal(raw)
	if err == nil {
		err = json.Unmarshal(data, &answer)
	}
	if err != nil {
		return err
	}
	parts := map[string]int{}
	for _, f := range answer.Items {
		for _, p := range f.parts() {
			if p.Detail != "FIELD_CUSTOM_VALIDATION_EXCEPTION" || !p.Dead {
				return fmt.Errorf("%s: %+v", f.InMail, p)
			}
			parts[p.Object]++
		}
	}
	if len(answer.Items) != refusedLeads+refusedInMails || parts["Task"] != 2*refusedLeads || parts["InMail__c"] != refusedInMails {
		return fmt.Errorf("failures of %d InMails: %v", len(answer.Items), parts)
	}
	return nil
}

// struck returns how often each kind of fault of a storm occurred, and the kinds that have not occurred yet.
func (o *org) struck(faults []sandbox.Fault) (times map[sandbox.FaultKind]int, spared []sandbox.FaultKind) {
	o.t.Helper()
	var answer struct{ Struck map[sandbox.FaultKind]int }
	o.control("GET", "faults", nil, &answer)
	for _, f := range faults {
		if answer.Struck[f.Kind] == 0 && !slices.Contains(spared, f.Kind) {
			spared = append(spared, f.Kind)
		}
	}
	return answer.Struck, spared
}

// underWay returns how many calls the org is executing.
func (o *org) underWay() int {
	o.t.Helper()
	var answer struct {
		UnderWay int `json:"under_way"`
	}
	o.control("GET", "calls", nil, &answer)
	return answer.UnderWay
}

// mover sets the clock of a storm forward: past the time until which the sync is parked, and past the pauses
// between tries, which grow to minutes. A new process gets the clock's position, so that time does not go
// back.
type mover struct {
	s      *server
	parked map[time.Time]bool
	came   time.Duration
	last   time.Time
	kills  int
}

func (m *mover) advance(d time.Duration) {
	m.s.must(http.StatusOK, "POST", "/v1/clock", "", map[string]any{"advance": d.String()})
	m.last = time.Now()
}

func (m *mover) kill() {
	m.s.Kill()
	m.kills++
	m.s.Start()
	m.advance(m.came)
}

// unpark sets the clock forward once for each time until which the sync is parked.
func (m *mover) unpark() error {
	st, err := m.s.crmStatus()
	if err != nil || st.Budget.ParkedUntil.IsZero() || m.parked[st.Budget.ParkedUntil] {
		return err
	}
	m.parked[st.Budget.ParkedUntil] = true
	m.came += 61 * time.Minute
	m.advance(61 * time.Minute)
	return nil
}

// hurry makes tries that wait due sooner.
func (m *mover) hurry() {
	if time.Since(m.last) > 2*time.Second {
		m.came += time.Minute
		m.advance(time.Minute)
	}
}

// seedOf draws a seed, or takes that of INMAIL_TEST_SEED, and logs it: the same seed draws the same faults
// again.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if given := os.Getenv("INMAIL_TEST_SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("INMAIL_TEST_SEED is %q, want a number", given)
		}
	}
	t.Logf("the faults are drawn by INMAIL_TEST_SEED=%d", seed)
	return seed
}

// lived is the final state of InMail i of a load: what its record must contain.
func lived(row map[string]any, tags []string) error {
	got, _ := row["Tags__c"].(string)
	is := strings.Split(got, ";")
	slices.Sort(is)
	slices.Sort(tags)
	if row["Status__c"] != "Replied" || row["Status_Sequence__c"] != 4.0 || row["Replies__c"] != 1.0 || !slices.Equal(is, tags) {
		return fmt.Errorf("%v %v, %v replies, tags %q, want Replied 4, 1 reply, tags %q", row["Status__c"], row["Status_Sequence__c"], row["Replies__c"], is, tags)
	}
	return nil
}

// TestSalesforceStorm makes 1,600 changes (400 InMails sent, opened, answered, tagged), in the long form
// 10,000, against an org in which three of ten answers fail in every way, and again while the server is
// killed every five seconds. The org is private, its flows lock, its triggers take 20 Tasks at most, it
// encrypts addresses, and moves to another address. In the end the org agrees with the record, each record
// and each Task exists once, the org's own history never went back (R53), and what it refuses for ever is
// in the failures.
func TestSalesforceStorm(t *testing.T) {
	t.Parallel() // it mostly waits
	// least is the least number of kills.
	n, senders, matched, least := sized(400, 2500), sized(8, 50), sized(160, 1000), sized(2, 5)
	timeout := sized(4*time.Second, 8*time.Second)
	for i, kills := range []bool{false, true} {
		d := deployments[i]
		t.Run(map[bool]string{false: "", true: "killed_"}[kills]+d.name, func(t *testing.T) {
			t.Parallel()
			args, env, o := d.setup(t, "--seed", fmt.Sprint(seedOf(t)))
			lasting := refusals(o.leads(0, matched), fmt.Sprintf("r%d", n-1))
			faults := storm(timeout)
			o.control("POST", "faults", append(slices.Clone(lasting), faults...), nil)
			for _, object := range []string{"InMail__c", "Task"} {
				o.control("PUT", "sharing", map[string]any{"object": object, "default": "Private"}, nil)
			}
			for _, object := range []string{"Lead", "Contact"} {
				o.control("PUT", "field", map[string]any{"object": object, "field": "Email", "encrypted": true}, nil)
			}
			s := newServer(t, args, append(append(env, "INMAIL_TIME_TRAVEL=1", "INMAIL_CRM_PUSH_EVERY=100ms", "INMAIL_SALESFORCE_TIMEOUT="+timeout.String()), calmEnv...)...)
			s.Start()
			s.network(senders, "recruiter_50", n)

			var sent atomic.Int64
			var ids map[string]string
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				ids = s.load(n, senders, &sent)
				ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
				defer cancel()
				inParallel(t, n, func(i int) error { return s.liveOn(ctx, i, senders, ids[fmt.Sprintf("k%d", i)]) })
			}()
			m := &mover{s: s, parked: map[time.Time]bool{}, last: time.Now()}
			look, beat := time.NewTicker(100*time.Millisecond), time.NewTicker(5*time.Second)
			defer look.Stop()
			defer beat.Stop()
			for working, moved := true, false; working || kills && m.kills < least; {
				if !moved && int(sent.Load()) > n/2 {
					o.control("PUT", "instance", map[string]any{"origin": strings.Replace(o.url, "127.0.0.1", "localhost", 1)}, nil)
					moved = true
				}
				select {
				case <-ended:
					working, ended = false, nil
				case <-beat.C:
					if kills {
						m.kill()
					}
				case <-look.C:
				}
				if err := m.unpark(); err != nil {
					t.Fatal(err)
				}
			}
			if t.Failed() {
				return
			}

			var ordered []sandbox.Fault
			_, spared := o.struck(faults)
			for _, kind := range spared { // kinds that were not drawn yet come with the next calls
				f := faults[slices.IndexFunc(faults, func(f sandbox.Fault) bool { return f.Kind == kind })]
				f.Rate, f.Next = 0, 1
				ordered = append(ordered, f)
			}
			o.control("POST", "faults", ordered, nil)
			tags := map[string][]string{}
			for i := range n {
				tags[ids[fmt.Sprintf("k%d", i)]] = []string{"queues", fmt.Sprintf("wave %d", i%7)}
			}
			touched := 0
			s.eventually("every fault has struck, and the org is at rest", func() error {
				if err := m.unpark(); err != nil {
					return err
				}
				m.hurry()
				if _, spared := o.struck(faults); len(spared) > 0 { // until they have occurred
					id := ids[fmt.Sprintf("k%d", touched%n)]
					touched++
					tags[id] = []string{"queues", fmt.Sprintf("touch %d", touched)}
					s.must(http.StatusOK, "PUT", "/v1/inmails/"+id+"/tags", fmt.Sprintf("s%d", (touched-1)%n%senders), map[string]any{"tags": tags[id]})
					return fmt.Errorf("%v have not struck", spared)
				}
				st, err := s.crmStatus()
				if err != nil || st.Unsynced > 0 {
					return fmt.Errorf("%d unsynced, dead letters %v, %w", st.Unsynced, st.DeadLetters, err)
				}
				if err := s.refusedForEver(); err != nil {
					return err
				}
				if n := o.underWay(); n > 0 { // no client waits, but the org executes them
					return fmt.Errorf("the org is at work on %d calls", n)
				}
				return nil
			})
			// A call that was carried out long after its client had given up may have put older tags back,
			// which have no sequence number to refuse them by; a reconcile finds those. Nothing else may be
			// wrong before it.
			older := 0
			for id, row := range o.mustLive("InMail__c", "InMail_Id__c") {
				now := tags[id]
				if err := lived(row, now); err == nil {
					continue
				}
				older++
				if err := lived(row, strings.Split(fmt.Sprint(row["Tags__c"]), ";")); err != nil || now == nil {
					t.Errorf("%s: %v", id, err)
				}
			}
			o.control("DELETE", "faults", nil, nil)
			o.control("POST", "faults", lasting, nil)
			s.must(http.StatusAccepted, "POST", "/v1/crm/reconcile", "", nil)
			s.eventually("every record is as it must be", func() error {
				m.hurry()
				rows := o.mustLive("InMail__c", "InMail_Id__c")
				for id, want := range tags {
					if id == ids[fmt.Sprintf("k%d", n-1)] {
						continue // the org refuses it for ever
					}
					if err := lived(rows[id], want); err != nil {
						return fmt.Errorf("%s: %w", id, err)
					}
				}
				if tasks := o.mustLive("Task", "InMail_Event_Id__c"); len(rows) != n-refusedInMails || len(tasks) != 2*(matched-refusedLeads) {
					t.Fatalf("%d records and %d Tasks of %d InMails", len(rows), len(tasks), n)
				}
				return s.refusedForEver()
			})
			inmails, logged, changes := o.neverBack()
			if inmails != n-refusedInMails || logged != 2*(matched-refusedLeads) {
				t.Errorf("%d InMails and %d Tasks in the history of %d", inmails, logged, n)
			}
			times, _ := o.struck(faults)
			requests := o.requests()
			asked, failed := 0, 0
			for _, n := range requests {
				asked += n
			}
			for kind, n := range times {
				if kind != sandbox.RowLock && kind != sandbox.RowDuplicate && kind != sandbox.RowRefused {
					failed += n
				}
			}
			if 5*failed < asked {
				t.Errorf("%d of %d answers were faults: no storm", failed, asked)
			}
			t.Logf("%d changes of %d InMails became %d commits in the org; %d Tasks, each once; %d of %d answers were faults: %v; parked %d times, killed %d times; %d records with older tags were repaired",
				4*n+touched, n, changes, logged, failed, asked, times, len(m.parked), m.kills, older)
		})
	}
}

// TestSalesforceOneBadRow pushes 200 InMails to an org whose administrator has made the subject shorter than
// that of one of them. The other 199 are stored by the same call, the one becomes a dead letter that names
// the field, and a retry pushes it once the field is long enough again.
func TestSalesforceOneBadRow(t *testing.T) {
	t.Parallel() // it mostly waits
	const n, short = 200, 120
	o := newOrg(t)
	o.control("PUT", "field", map[string]any{"object": "InMail__c", "field": "Subject__c", "length": short}, nil)
	s := newServer(t, []string{"--data", t.TempDir()}, append(o.env(), calmEnv...)...)
	s.Start()
	s.network(4, "recruiter_50", n)
	s.must(http.StatusOK, "POST", "/v1/crm/pause", "", nil)
	ids := map[string]string{}
	var invalid string
	for i := range n {
		l := letter(i)
		switch i {
		case 7:
			l["subject"] = strings.Repeat("🙂", short/2) // two units each in the org: it fits exactly
		case 137:
			l["subject"] = strings.Repeat("x", short+1)
		}
		id := s.must(http.StatusAccepted, "POST", "/v1/inmails", fmt.Sprintf("s%d", i%4), l)["id"].(string)
		if i == 137 {
			invalid = id
		} else {
			ids[fmt.Sprint(i)] = id
		}
	}
	eventually(t, "all are delivered", func() error {
		for i := range n {
			id := ids[fmt.Sprint(i)]
			if id == "" {
				id = invalid
			}
			if _, out, err := s.call("GET", "/v1/inmails/"+id, fmt.Sprintf("s%d", i%4), nil); err != nil || out["status"] != "sent" {
				return fmt.Errorf("%v %v", out["status"], err)
			}
		}
		return nil
	})
	before := o.requests()["composite"]
	s.must(http.StatusOK, "POST", "/v1/crm/resume", "", nil)
	o.hasAll(ids, "Sent")
	at := map[time.Time]int{}
	for _, c := range o.history("InMail__c") {
		at[c.At]++
	}
	if len(at) != 1 {
		t.Errorf("the %d neighbours went in %d transactions, want one: %v", n-1, len(at), at)
	}
	var failure map[string]any
	eventually(t, "the invalid row is a dead letter", func() error {
		items := s.must(http.StatusOK, "GET", "/v1/crm/failures", "", nil)["items"].([]any)
		if len(items) != 1 {
			return fmt.Errorf("failures %v", items)
		}
		failure = items[0].(map[string]any)
		return nil
	})
	if failure["inmail"] != invalid || failure["class"] != "bad_data" || failure["detail"] != "STRING_TOO_LONG (Subject__c)" || failure["dead"] != true || failure["attempts"] != 1.0 {
		t.Errorf("the failure is %v", failure)
	}
	calls := o.requests()["composite"] - before
	if calls > 3 {
		t.Errorf("%d calls for 200 rows of which one is invalid", calls)
	}
	o.control("PUT", "field", map[string]any{"object": "InMail__c", "field": "Subject__c", "length": 200}, nil)
	if out := s.must(http.StatusAccepted, "POST", "/v1/crm/failures/"+invalid+"/retry", "", nil); out["retried"] != 1.0 {
		t.Errorf("retry: %v", out)
	}
	ids["137"] = invalid
	o.hasAll(ids, "Sent")
	s.eventually("no failure is left", func() error {
		if items := s.must(http.StatusOK, "GET", "/v1/crm/failures", "", nil)["items"].([]any); len(items) > 0 {
			return fmt.Errorf("%v", items)
		}
		return nil
	})
	t.Logf("199 of 200 in one transaction, %d calls; the one: %v", calls, failure)
}

// TestSalesforceDailyLimit uses up the org's calls, and then our share of them. The sync is parked and
// reports until when, sends and opens go on, and the sync resumes by itself.
func TestSalesforceDailyLimit(t *testing.T) {
	t.Parallel() // it mostly waits
	const n, senders = 200, 4
	o := newOrg(t)
	s := newServer(t, []string{"--data", t.TempDir()}, append(append(o.env(), "INMAIL_TIME_TRAVEL=1"), calmEnv...)...)
	s.Start()
	s.network(senders, "recruiter_50", n)
	ids := map[string]string{}
	send := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			ids[fmt.Sprint(i)] = s.must(http.StatusAccepted, "POST", "/v1/inmails", fmt.Sprintf("s%d", i%senders), letter(i))["id"].(string)
		}
	}
	open := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			if _, err := s.insist(t.Context(), "POST", "/v1/inmails/"+ids[fmt.Sprint(i)]+"/open", fmt.Sprintf("r%d", i), nil, http.StatusOK); err != nil {
				t.Fatal(err)
			}
		}
	}
	parked := func(unsynced int, least, most time.Duration) time.Duration {
		t.Helper()
		var left time.Duration
		s.eventually("the sync is parked and says until when", func() error {
			now := s.must(http.StatusOK, "POST", "/v1/clock", "", map[string]any{"advance": "0s"})["now"].(string)
			at, err := time.Parse(time.RFC3339, now)
			if err != nil {
				return err
			}
			st, err := s.crmStatus()
			if err != nil {
				return err
			}
			left = st.Budget.ParkedUntil.Sub(at)
			if st.Budget.ParkedUntil.IsZero() || st.Budget.Why != "limit" || st.Unsynced != unsynced || left < least || left > most {
				return fmt.Errorf("parked for %v until %v (%s), %d unsynced, want %d", left, st.Budget.ParkedUntil, st.Budget.Why, st.Unsynced, unsynced)
			}
			return nil
		})
		return left
	}
	send(0, 50)
	o.hasAll(ids, "Sent")

	var limits struct{ Used, Limit int }
	o.control("GET", "limits", nil, &limits)
	o.control("POST", "limits", map[string]any{"spend": limits.Limit - limits.Used}, nil)
	send(50, 100)
	open(0, 100)
	changes := len(o.history("InMail__c"))
	left := parked(100, 55*time.Minute, time.Hour)
	calls := o.requests()["composite"]
	send(100, 150) // also while it is parked
	open(100, 150)
	parked(150, 50*time.Minute, time.Hour)
	if got := o.requests()["composite"]; got != calls || len(o.history("InMail__c")) != changes {
		t.Errorf("%d calls left the process while the sync was parked", got-calls)
	}
	o.control("POST", "limits", map[string]any{"daily": 10 * limits.Limit}, nil) // the window rolled on
	s.must(http.StatusOK, "POST", "/v1/clock", "", map[string]any{"advance": "61m"})
	o.hasAll(ids, "Opened")

	// What we used is now all that may be ours: a fifth of the limit. The org's own count would allow many
	// more calls.
	st, err := s.crmStatus()
	if err != nil {
		t.Fatal(err)
	}
	ours := st.Budget.Ours
	s.Stop()
	share := fmt.Sprintf("INMAIL_SALESFORCE_BUDGET=%.9f", 3.5/float64(10*limits.Limit))
	s.env = append(s.env, share) // three calls
	s.Start()
	s.eventually("our share is spent", func() error { // each open is a push of its own
		i := len(ids)
		send(i, i+1)
		st, err := s.crmStatus()
		if err != nil || st.Budget.ParkedUntil.IsZero() {
			return fmt.Errorf("ours %d of %d: %w", st.Budget.Ours, st.Budget.Max, err)
		}
		return nil
	})
	st, err = s.crmStatus()
	if err != nil || st.Budget.Why != "limit" || time.Until(st.Budget.ParkedUntil) < 23*time.Hour {
		t.Errorf("parked until %v (%s), %v", st.Budget.ParkedUntil, st.Budget.Why, err)
	}
	open(150, len(ids))
	s.must(http.StatusOK, "POST", "/v1/clock", "", map[string]any{"advance": "26h"})
	o.hasAll(ids, "Opened")
	t.Logf("the org's limit parked the sync for %v, our share of three calls until %v; %d calls before; %d InMails arrived", left.Round(time.Second), st.Budget.ParkedUntil, ours, len(ids))
}

// drift reads inmail_crm_drift_records from /metrics/domain, by kind.
func (s *server) drift() (map[string]int, error) {
	req, err := http.NewRequest("GET", s.url+"/metrics/domain", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+operatorKey)
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	kinds := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^inmail_crm_drift_records\{crm="salesforce",kind="([a-z]+)"\} (\d+)$`).FindAllStringSubmatch(string(raw), -1) {
		n, _ := strconv.Atoi(m[2]) // of digits
		kinds[m[1]] = n
	}
	return kinds, nil
}

// TestSalesforceDrift converts 20 Leads, merges 5, deletes 10 records and edits 10 in the org. One reconcile
// repairs them all; the metric goes up with it, and back to 0 with the next (R55).
func TestSalesforceDrift(t *testing.T) {
	t.Parallel() // it mostly waits
	const n, senders = 60, 4
	o := newOrg(t)
	leads := o.leads(0, n)
	// The org is private, encrypts addresses, and refuses the Task of one Lead for ever.
	for _, object := range []string{"InMail__c", "Task"} {
		o.control("PUT", "sharing", map[string]any{"object": object, "default": "Private"}, nil)
	}
	for _, object := range []string{"Lead", "Contact"} {
		o.control("PUT", "field", map[string]any{"object": object, "field": "Email", "encrypted": true}, nil)
	}
	o.control("POST", "faults", []sandbox.Fault{{Kind: sandbox.RowRefused, Object: "Task", Code: "FIELD_CUSTOM_VALIDATION_EXCEPTION", Where: map[string]string{"WhoId": leads[50]}}}, nil)
	s := newServer(t, []string{"--data", t.TempDir()}, append(o.env(), calmEnv...)...)
	s.Start()
	s.network(senders, "recruiter_50", n)
	var sent atomic.Int64
	byKey := s.load(n, senders, &sent)
	o.hasAll(byKey, "Sent")
	id := func(i int) string { return byKey[fmt.Sprintf("k%d", i)] }
	s.eventually("all is synced", func() error {
		st, err := s.crmStatus()
		if err != nil || st.Unsynced > 0 {
			return fmt.Errorf("%d unsynced %w", st.Unsynced, err)
		}
		return nil
	})
	rows := o.mustLive("InMail__c", "InMail_Id__c")
	for i := range n {
		if rows[id(i)]["Lead__c"] != leads[i] {
			t.Fatalf("InMail %d hangs on %v, want %s", i, rows[id(i)]["Lead__c"], leads[i])
		}
	}

	converted := map[int]sandbox.Converted{}
	for i := range 20 {
		var to sandbox.Converted
		o.control("POST", "leads/"+leads[i]+"/convert", sandbox.Conversion{MapMemberID: i%2 == 0}, &to)
		converted[i] = to
	}
	winners := map[int]string{}
	for i := 20; i < 25; i++ {
		var out struct{ IDs []string }
		o.control("POST", "records", []map[string]any{{"type": "Lead", "fields": map[string]any{"LastName": "Winner", "Company": "Acme"}}}, &out)
		winners[i] = out.IDs[0]
		o.control("POST", "merge", map[string]any{"winner": winners[i], "losers": []string{leads[i]}}, nil)
	}
	for i := 25; i < 35; i++ {
		o.control("DELETE", "records/"+rows[id(i)]["Id"].(string), nil, nil)
	}
	edits := []map[string]any{{"Status__c": "Failed"}, {"Subject__c": "Changed by hand"}, {"Match__c": "Unmatched", "Lead__c": nil}, {"Replies__c": 9}, {"Tags__c": "by hand"}}
	for i := 35; i < 45; i++ {
		o.control("PATCH", "records/"+rows[id(i)]["Id"].(string), edits[i%len(edits)], nil)
	}

	o.control("PUT", "instance", map[string]any{"origin": strings.Replace(o.url, "127.0.0.1", "localhost", 1)}, nil)
	before := o.requests()
	s.must(http.StatusAccepted, "POST", "/v1/crm/reconcile", "", nil)
	eventually(t, "one reconcile has repaired all", func() error {
		now := o.mustLive("InMail__c", "InMail_Id__c")
		if len(now) != n {
			return fmt.Errorf("%d records of %d", len(now), n)
		}
		for i := range n {
			was, is := rows[id(i)], now[id(i)]
			lead, contact, account := any(leads[i]), any(nil), any(nil)
			if to, ok := converted[i]; ok {
				lead, contact, account = nil, to.ContactID, to.AccountID
			} else if winner, ok := winners[i]; ok {
				lead = winner
			}
			if is["Lead__c"] != lead || is["Contact__c"] != contact || is["Account__c"] != account {
				return fmt.Errorf("InMail %d hangs on %v, %v, %v; want %v, %v, %v", i, is["Lead__c"], is["Contact__c"], is["Account__c"], lead, contact, account)
			}
			for _, field := range []string{"Status__c", "Status_Sequence__c", "Subject__c", "Preview__c", "Match__c", "Replies__c", "Tags__c", "Sent_At__c"} {
				if is[field] != was[field] {
					return fmt.Errorf("InMail %d: %s is %v, was %v", i, field, is[field], was[field])
				}
			}
		}
		return nil
	})
	up := map[string]int{}
	s.eventually("the metric shows the drift", func() error {
		var err error
		up, err = s.drift()
		if err != nil || up["missing"] != 10 || up["stale"]+up["edited"] != 35 || up["extra"] != 0 {
			return fmt.Errorf("drift %v %w", up, err)
		}
		return nil
	})
	calls := o.requests()["composite"] - before["composite"]
	s.must(http.StatusAccepted, "POST", "/v1/crm/reconcile", "", nil)
	s.eventually("the metric is back at 0", func() error {
		down, err := s.drift()
		if err != nil || len(down) == 0 || down["missing"]+down["stale"]+down["edited"]+down["extra"] != 0 {
			return fmt.Errorf("drift %v %w", down, err)
		}
		return nil
	})
	tasks := map[string]int{}
	for _, c := range o.history("Task") {
		if c.Kind == "insert" {
			tasks[c.Key]++
		}
	}
	for key, times := range tasks {
		if times > 1 {
			t.Errorf("Task %s was inserted %d times", key, times)
		}
	}
	if len(tasks) != n-1 {
		t.Errorf("%d Tasks of %d InMails", len(tasks), n)
	}
	failures, _ := s.must(http.StatusOK, "GET", "/v1/crm/failures", "", nil)["items"].([]any)
	if len(failures) != 1 || failures[0].(map[string]any)["inmail"] != id(50) {
		t.Errorf("failures: %v", failures)
	}
	t.Logf("drift %v, repaired by one reconcile in %d calls, then 0", up, calls)
}

// TestSalesforceBackfill pushes a whole record to a new org by Bulk, with two kills meanwhile: the org is
// complete and exact. INMAIL_TEST_BACKFILL sets the number of InMails; the default is 4,000, in the long form
// 20,000.
func TestSalesforceBackfill(t *testing.T) {
	t.Parallel() // it mostly waits
	n, each, recipients, matched := sized(4000, 20_000), 40, 2000, 100
	if more := os.Getenv("INMAIL_TEST_BACKFILL"); more != "" {
		var err error
		if n, err = strconv.Atoi(more); err != nil || n%recipients != 0 {
			t.Fatalf("INMAIL_TEST_BACKFILL is %q, want a number of thousands, even", more)
		}
	}
	env := append([]string{"INMAIL_DATABASE_URL=" + database(t), "INMAIL_REDIS_URL=" + newRedis(t).url(), "INMAIL_SNAPSHOT_EVERY=2s"}, calmEnv...)
	s := newServer(t, nil, env...)
	s.Start()
	s.must(http.StatusOK, "POST", "/v1/crm/pause", "", nil)
	s.network(n/each, "recruiter_50", recipients)
	for from := 0; from < n; from += 5000 {
		var lines bytes.Buffer
		for i := from; i < min(from+5000, n); i++ {
			fmt.Fprintf(&lines, `{"inmail":{"from":"s%d","to":"r%d","subject":"A question about queues","body":"What you wrote on queues, number %d, stayed with me. How do you test yours?","key":"k%d"}}`+"\n",
				i/each, i%recipients, i, i)
		}
		if out := s.must(http.StatusOK, "POST", "/v1/import", "", lines.Bytes(), "Content-Type", "application/x-ndjson"); len(out["rejected"].([]any)) > 0 {
			t.Fatalf("import: %v", out["rejected"])
		}
	}
	s.eventually("all is delivered", func() error {
		delivered := 0
		for _, row := range s.must(http.StatusOK, "GET", "/v1/analytics?by=week", "", nil)["rows"].([]any) {
			delivered += int(row.(map[string]any)["delivered"].(float64))
		}
		if delivered != n {
			return fmt.Errorf("%d delivered of %d", delivered, n)
		}
		return nil
	})
	s.Stop()

	o := newOrg(t)
	o.leads(0, matched)
	s.env = append(s.env, o.env()...)
	s.Start()
	ask := func() { s.must(http.StatusAccepted, "POST", "/v1/crm/backfill", "", nil) }
	ask()
	killed := []int{}
	for _, at := range []func() int{
		func() int { return o.requests()["jobs/ingest"] },
		func() int { return len(o.history("InMail__c")) },
	} {
		eventually(t, "the backfill is under way", func() error {
			if at() == 0 {
				return fmt.Errorf("nothing of it shows")
			}
			return nil
		})
		s.Kill()
		killed = append(killed, len(o.history("InMail__c")))
		s.Start()
		ask()
	}
	eventually(t, "the org has all", func() error {
		st, err := s.crmStatus()
		if err != nil || st.Unsynced > 0 {
			return fmt.Errorf("%d unsynced, %d commits %w", st.Unsynced, len(o.history("InMail__c")), err)
		}
		return nil
	})
	s.must(http.StatusOK, "POST", "/v1/crm/resume", "", nil)
	inmails, tasks, _ := o.neverBack()
	rows := o.mustLive("InMail__c", "InMail_Id__c")
	sent := 0
	for _, row := range rows {
		if row["Status__c"] == "Sent" {
			sent++
		}
	}
	if want := matched * (n / recipients); inmails != n || len(rows) != n || sent != n || tasks != want {
		t.Errorf("%d InMails made, %d there, %d of them Sent, %d Tasks; want %d and %d Tasks", inmails, len(rows), sent, tasks, n, want)
	}
	// A reconcile compares every field of every record with ours.
	s.must(http.StatusAccepted, "POST", "/v1/crm/reconcile", "", nil)
	s.eventually("a reconcile compared all", func() error {
		st, err := s.crmStatus()
		if err != nil || st.Drift.At.IsZero() {
			return fmt.Errorf("not compared: %w", err)
		}
		if countsText(st.Drift.Kinds) != "" {
			t.Fatalf("drift %v", st.Drift.Kinds)
		}
		return nil
	})
	t.Logf("%d InMails and %d Tasks; killed when the org had %v; no drift; requests %v", n, tasks, killed, o.requests())
}

// TestSalesforceCheck sets up five orgs that cannot be used. For each, inmail crm check names the fault and
// its remedy, and a server on such an org still delivers and reports why pushes wait. After the repair and a
// resume it pushes again.
func TestSalesforceCheck(t *testing.T) {
	t.Parallel() // it mostly waits
	set := func(path string, body map[string]any) func(o *org) {
		return func(o *org) { o.control("PUT", path, body, nil) }
	}
	subject := func(shown bool) func(o *org) {
		return set("field", map[string]any{"object": "InMail__c", "field": "Subject__c", "shown": shown})
	}
	for _, row := range []struct {
		name          string
		spoil, repair func(o *org)
		env           []string
		what, remedy  string
		paused        string
	}{
		{name: "wrong secret", env: []string{"INMAIL_SALESFORCE_CLIENT_SECRET=another"}, what: "login", remedy: "salesforce.client_secret is wrong", paused: "login"},
		{name: "missing permission set", spoil: set("permission-set", map[string]any{"assigned": false}), repair: set("permission-set", map[string]any{"assigned": true}),
			what: "permission set", remedy: "assign the permission set InMail_Integration", paused: "configuration"},
		{name: "missing field", spoil: subject(false), repair: subject(true), what: "InMail__c.Subject__c", remedy: "deploy connectors/salesforce/package", paused: "configuration"},
		{name: "SOAP disabled", spoil: set("soap-login", map[string]any{"allowed": false}), repair: set("soap-login", map[string]any{"allowed": true}),
			env: []string{"INMAIL_SALESFORCE_CLIENT_ID=", "INMAIL_SALESFORCE_CLIENT_SECRET=", "INMAIL_SALESFORCE_USERNAME=" + orgUser,
				"INMAIL_SALESFORCE_PASSWORD=" + orgPassword}, what: "login", remedy: "SOAP login is disabled", paused: "login"},
		{name: "retired version", spoil: set("versions", map[string]any{"oldest": 68}), repair: set("versions", map[string]any{"oldest": 31}),
			what: "version", remedy: "set salesforce.api_version", paused: "configuration"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := newOrg(t)
			if row.spoil != nil {
				row.spoil(o)
			}
			s := newServer(t, []string{"--data", t.TempDir()}, append(append(o.env(), row.env...), calmEnv...)...)
			s.Start()
			if named := s.check(row.what, row.remedy); named == "" {
				t.Errorf("%s is not named", row.what)
			}

			s.network(1, "recruiter_50", 1)
			id := s.must(http.StatusAccepted, "POST", "/v1/inmails", "s0", letter(0))["id"].(string)
			if _, err := s.insist(t.Context(), "POST", "/v1/inmails/"+id+"/open", "r0", nil, http.StatusOK); err != nil {
				t.Error(err)
			}
			s.eventually("the sync says why it waits", func() error {
				st, err := s.crmStatus()
				if err != nil || st.Paused == nil || st.Paused.Why != row.paused || st.Unsynced != 1 {
					return fmt.Errorf("%+v %w", st, err)
				}
				return nil
			})
			s.ready()

			if row.repair != nil {
				row.repair(o)
			} else { // the setting is at fault
				s.Stop()
				s.env = append(s.env, o.env()...)
				s.Start()
			}
			if named := s.check("", ""); named != "" {
				t.Errorf("repaired, it is still named: %s", named)
			}
			s.must(http.StatusOK, "POST", "/v1/crm/resume", "", nil)
			o.hasAll(map[string]string{"": id}, "Opened")
		})
	}
}

// check executes inmail crm check against the server. It returns the finding with this name and
// remedy; with an empty name it looks at all findings. It also checks that the output contains no secret.
func (s *server) check(what, remedy string) string {
	s.t.Helper()
	check := exec.Command(program(s.t), "crm", "check", "--json")
	check.Env = append(slices.Clone(s.env), "INMAIL_URL="+s.url)
	var errs bytes.Buffer
	check.Stderr = &errs
	raw, err := check.Output()
	var found struct {
		OK       bool
		Findings []struct {
			What, Detail, Remedy string
			OK                   bool
		}
	}
	if json.Unmarshal(raw, &found) != nil || len(found.Findings) == 0 || found.OK != (check.ProcessState.ExitCode() == 0) || !found.OK && check.ProcessState.ExitCode() != 1 {
		s.t.Fatalf("inmail crm check: %v\n%s\n%s", err, raw, &errs)
	}
	if text := string(raw) + errs.String(); strings.Contains(text, orgPassword) || strings.Contains(text, orgSecret) {
		s.t.Error("a secret is printed")
	}
	for _, f := range found.Findings {
		if !f.OK && (what == "" || f.What == what && strings.Contains(f.Remedy, remedy)) {
			return f.What + ": " + f.Detail
		}
	}
	return ""
}
