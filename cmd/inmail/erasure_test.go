package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
)

// scene is a whole program in which a member is erased, with all places where it stores data.
type scene struct {
	*server
	folders  []string // no file in them may contain a mark
	database string   // of PostgreSQL; empty: the record is a file in a folder
	redis    *redisServer
	org      string // address of the Salesforce sandbox
}

// scenes are the ways in which the program is deployed: alone, with all data in its data folder; and with
// PostgreSQL, Redis and an org of its own. The queue inside the process is in memory, uses the same protocol,
// and accepts no connections.
var scenes = []struct {
	name  string
	setup func(t *testing.T, env ...string) *scene
}{
	{"embedded", func(t *testing.T, env ...string) *scene {
		folder := t.TempDir()
		return &scene{server: newServer(t, []string{"--data", folder}, env...), folders: []string{folder}}
	}},
	{"postgres_redis", func(t *testing.T, env ...string) *scene {
		folder := t.TempDir()
		o := newOrg(t, "--file", filepath.Join(folder, "org.db"))
		s := &scene{folders: []string{folder}, database: database(t), redis: newRedis(t), org: o.url}
		s.server = newServer(t, nil, slices.Concat(env, o.env(), []string{"INMAIL_DATABASE_URL=" + s.database, "INMAIL_REDIS_URL=" + s.redis.url()})...)
		return s
	}},
}

var orgAddress = regexp.MustCompile(`\(not Salesforce\) at (http://\S+)`)

// open starts the program and finds its org.
func (s *scene) open() {
	s.t.Helper()
	s.Start()
	if s.database == "" {
		s.eventually("the address of the sandbox is printed", func() error {
			all := orgAddress.FindAllStringSubmatch(s.log.String(), -1)
			if all == nil {
				return fmt.Errorf("it is not in the output")
			}
			s.org = all[len(all)-1][1]
			return nil
		})
	}
}

// control calls the sandbox's control paths.
func (s *scene) control(method, path string, body any) map[string]any {
	s.t.Helper()
	at := &server{t: s.t, url: s.org}
	return at.must(http.StatusOK, method, "/sandbox/"+path, "", body)
}

// marks are the texts by which an erased member was known. They are in lower case; the search ignores case.
type marks []string

// in lists the marks that content contains, plain or in a JSON encoding.
func (m marks) in(content []byte) (found []string) {
	content = bytes.ToLower(content)
	for _, mark := range m {
		escaped := []byte{}
		for _, r := range mark {
			if r < 0x80 {
				escaped = append(escaped, byte(r))
			} else {
				escaped = fmt.Appendf(escaped, `\u%04x`, r)
			}
		}
		if bytes.Contains(content, []byte(mark)) || bytes.Contains(content, escaped) || bytes.Contains(content, []byte(hex.EncodeToString([]byte(mark)))) {
			found = append(found, mark)
		}
	}
	return found
}

// left lists the places in which the program still stores a mark.
func (s *scene) left(m marks) (places []string) {
	s.t.Helper()
	note := func(where string, content []byte) {
		if found := m.in(content); found != nil {
			places = append(places, fmt.Sprintf("%s: %v", where, found))
		}
	}
	for _, folder := range s.folders {
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			if os.IsNotExist(err) {
				return nil // replaced meanwhile
			}
			note(d.Name(), content)
			return err
		})
		if err != nil && !os.IsNotExist(err) {
			s.t.Fatal(err)
		}
	}
	if s.database != "" {
		s.rows(note)
	}
	if s.redis != nil {
		s.keys(note)
	}
	for _, object := range []string{"InMail__c", "Task", "Lead", "Contact"} {
		raw, err := json.Marshal(s.control("GET", "records?type="+object, nil)["items"])
		if err != nil {
			s.t.Fatal(err)
		}
		note("Salesforce's "+object, raw)
	}
	for _, path := range []string{"/v1/audit", "/v1/keys", "/v1/banned", "/v1/analytics?by=sender", "/v1/crm/failures", "/metrics/domain", "/metrics"} {
		note(path, s.page(path))
	}
	return places
}

// rows passes every row of every table of PostgreSQL to a function.
func (s *scene) rows(note func(string, []byte)) {
	db, err := sql.Open("pgx", s.database)
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	var names string
	if err := db.QueryRow(`SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = 'public'`).Scan(&names); err != nil {
		s.t.Fatal(err)
	}
	for _, name := range strings.Fields(names) {
		var all string
		if err := db.QueryRow(`SELECT coalesce(string_agg(r::text, ' '), '') FROM ` + name + ` r`).Scan(&all); err != nil {
			s.t.Fatal(err)
		}
		note("the table "+name, []byte(all))
	}
}

// keys passes every key of Redis to a function, in the form in which Redis would save it.
func (s *scene) keys(note func(string, []byte)) {
	ctx := context.Background()
	o, err := redis.ParseURL(s.redis.url())
	if err != nil {
		s.t.Fatal(err)
	}
	c := redis.NewClient(o)
	defer c.Close()
	if err := c.ConfigSet(ctx, "rdbcompression", "no").Err(); err != nil {
		s.t.Fatal(err)
	}
	each := c.Scan(ctx, 0, "*", 1000).Iterator()
	for each.Next(ctx) {
		content, err := c.Dump(ctx, each.Val()).Result()
		if err == redis.Nil {
			continue // it has ended
		}
		if err != nil {
			s.t.Fatal(err)
		}
		note("Redis' "+each.Val(), []byte(content))
	}
	if err := each.Err(); err != nil {
		s.t.Fatal(err)
	}
}

// page reads the body of an answer.
func (s *scene) page(path string) []byte {
	s.t.Helper()
	req, err := http.NewRequest("GET", s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+operatorKey)
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("GET %s: %d %v", path, resp.StatusCode, err)
	}
	return raw
}

// figureLines are the lines of /metrics/domain with figures.
var figureLines = regexp.MustCompile(`(?m)^inmail_(cohort|recent|tag)_?[a-z_]*\{.*|^inmail_(pending_unopened|tags_folded|expiring_soon).*`)

var snapshotAt = regexp.MustCompile(`(?m)^inmail_snapshot_timestamp_seconds (\S+)`)

// figures reads every figure by every cut, from the API, the metrics and Salesforce, once all of them are up
// to date. The rows of senders are identified by their counts, since the key of one of them will change.
func (s *scene) figures(erased ...string) map[string]any {
	s.t.Helper()
	var stamp string
	first := true
	s.eventually("the figures have caught up", func() error {
		metrics := s.page("/metrics/domain")
		at := snapshotAt.FindSubmatch(metrics)
		if at == nil || first {
			if first = false; at != nil {
				stamp = string(at[1])
			}
			return fmt.Errorf("no snapshot since")
		}
		if string(at[1]) == stamp || !bytes.Contains(metrics, []byte("\ninmail_crm_unsynced_records{crm=\"salesforce\"} 0\n")) {
			return fmt.Errorf("the snapshot is old, or Salesforce lacks something")
		}
		return nil
	})
	all := map[string]any{}
	for _, cut := range []string{"week", "tag", "account_type", "category", "length", "advice", "sender"} {
		rows := s.must(http.StatusOK, "GET", "/v1/analytics?by="+cut, "", nil)["rows"].([]any)
		for _, row := range rows {
			fields := row.(map[string]any)
			if key := fields["key"].(string); cut == "sender" && slices.Contains(erased, key) {
				fields["key"] = "erased"
			}
			all[cut+" "+fields["key"].(string)] = fields
		}
	}
	for _, line := range figureLines.FindAllString(string(s.page("/metrics/domain")), -1) {
		name, value, _ := strings.Cut(line, " ")
		all[name] = value
	}
	for _, item := range s.control("GET", "records?type=InMail__c", nil)["items"].([]any) {
		record := item.(map[string]any)
		key := fmt.Sprintf("Salesforce %v %v", record["Open_Rate_Cohort__c"], record["Status__c"])
		n, _ := all[key].(int)
		all[key] = n + 1
	}
	return all
}

// importLines imports NDJSON lines, all of which must be accepted.
func (s *scene) importLines(lines ...any) {
	s.t.Helper()
	var in bytes.Buffer
	for _, line := range lines {
		raw, err := json.Marshal(line)
		if err != nil {
			s.t.Fatal(err)
		}
		in.Write(append(raw, '\n'))
	}
	out := s.must(http.StatusOK, "POST", "/v1/import", "", in.Bytes(), "Content-Type", "application/x-ndjson")
	if out["accepted"] != float64(len(lines)) {
		s.t.Fatalf("import: %v", out)
	}
}

type object = map[string]any

// send sends an InMail and waits until it is delivered.
func (s *scene) send(from, to, subject, body string, more object) (id string) {
	s.t.Helper()
	letter := object{"to": to, "subject": subject, "body": body}
	for k, v := range more {
		letter[k] = v
	}
	id = s.must(http.StatusAccepted, "POST", "/v1/inmails", from, letter, "Idempotency-Key", "zqkey-"+from+"-"+to)["id"].(string)
	s.eventually("it has arrived", func() error {
		if status := s.must(http.StatusOK, "GET", "/v1/inmails/"+id, from, nil)["status"]; status == "queued" {
			return fmt.Errorf("it is %v", status)
		}
		return nil
	})
	return id
}

// TestRules checks whole programs against rules that concern all of their parts.
func TestRules(t *testing.T) {
	t.Parallel() // it mostly waits
	for _, d := range scenes {
		t.Run("R60_nothing_is_left/"+d.name, func(t *testing.T) {
			t.Parallel()
			s := d.setup(t, append(calmEnv, "INMAIL_LOG_LEVEL=debug", "INMAIL_METRICS_TAGS=hamburg fair", "INMAIL_POLICY_CRM_TEXT=full")...)
			nothingIsLeft(s)
		})
		t.Run("R60_killed_in_the_middle/"+d.name, func(t *testing.T) {
			t.Parallel()
			killedInTheMiddle(d.setup(t, calmEnv...))
		})
	}
}

const gone = "zqid.7f3a"

// everyMark are the marks of nothingIsLeft.
var everyMark = marks{gone, "zqname", "überläufer", "zqmail", "zqheadline", "zqcompany", "zqteam", "zqskill", "zqphoto", "zqtext", "zqreport", "zqban", "zqkey-" + gone}

func nothingIsLeft(s *scene) {
	t := s.t
	s.open()
	s.importLines(
		object{"member": object{"id": gone, "name": `Zqname "Überläufer" <Zqname>`, "headline": "Zqheadline", "company": "Zqcompany", "email": "zqmail@example.com",
			"photo_url": "https://example.com/zqphoto.jpg", "team": "Zqteam", "skills": []string{"Zqskill"}, "account_type": "recruiter", "plan": "recruiter_50"}},
		object{"member": object{"id": "ada", "name": "Ada Berg", "account_type": "recruiter", "plan": "recruiter_50"}},
		object{"member": object{"id": "bo", "name": "Bo Lind", "account_type": "job_seeker", "plan": "job_seeker_5"}},
		object{"member": object{"id": "cy", "name": "Cy Roth"}}, object{"member": object{"id": "di", "name": "Di Voss"}},
		object{"member": object{"id": "ed", "name": "Ed Hahn"}}, object{"member": object{"id": "fay", "name": "Fay Kern"}},
		object{"connection": []string{gone, "bo"}}, object{"connection": []string{gone, "cy"}},
	)
	seeded := s.control("POST", "records", []object{
		{"type": "Lead", "fields": object{"LastName": "Person", "Company": "Firm", "InMail_Member_Id__c": gone}},
		{"type": "Lead", "fields": object{"LastName": "Else", "Company": "Firm", "InMail_Member_Id__c": "cy"}}})["ids"].([]any)
	key := s.must(http.StatusCreated, "POST", "/v1/keys", "", object{"role": "member", "member": gone})["key"].(string)

	// The member's own InMails, in several states, those that it received, and what others have stored about
	// it.
	tagged := object{"tags": []string{"hamburg fair"}, "category": "follow_up"}
	opened := s.send(gone, "ada", "Zqtext for Ada", "Zqtext: **your** talk on queues, Ada, was a pleasure. How do you test yours?", tagged)
	s.must(http.StatusOK, "POST", "/v1/inmails/"+opened+"/open", "ada", nil)
	answered := s.send(gone, "di", "Zqtext for Di", "Zqtext: your talk on queues, Di, was a pleasure. How do you test yours?", nil)
	s.must(http.StatusCreated, "POST", "/v1/inmails/"+answered+"/replies", "di", object{"body": "Zqtext in an answer"})
	s.must(http.StatusCreated, "POST", "/v1/inmails/"+answered+"/replies", gone, object{"body": "Zqtext once more"})
	s.must(http.StatusNoContent, "POST", "/v1/inmails/"+answered+"/report", "di", object{"reason": "zqreport by di"})
	pending := s.send(gone, "ed", "Zqtext for Ed", "Zqtext: your talk on queues, Ed, was a pleasure. "+strings.Repeat("Zqtext goes on and on. ", 40), nil)
	back := s.send(gone, "fay", "Zqtext for Fay", "Zqtext: Fay will not see this.", nil)
	s.must(http.StatusNoContent, "PUT", "/v1/members/"+gone+"/blocks/fay", "", nil)
	received := s.send("ada", gone, "Zqtext for you", "Zqname, I heard Zqtext of you. How do you test yours?", object{"crm": object{"lead_id": seeded[0]}})
	s.must(http.StatusCreated, "POST", "/v1/inmails/"+received+"/replies", gone, object{"body": "Zqtext from the other side"})
	s.must(http.StatusNoContent, "POST", "/v1/inmails/"+received+"/report", gone, object{"reason": "zqreport by itself"})
	// Bo and Cy both know Zqname: the advice to Bo names it, and so would the idempotent answer.
	common := object{"to": "cy", "subject": "Your talk on queues", "body": "Your talk was a pleasure, Cy Roth. How do you test your queues?"}
	first := s.must(http.StatusAccepted, "POST", "/v1/inmails", "bo", common, "Idempotency-Key", "bo-1")
	if m := everyMark.in(fmt.Append(nil, first["advice"])); m == nil {
		t.Errorf("the advice names no common connection: %v", first["advice"])
	}
	again := s.must(http.StatusAccepted, "POST", "/v1/inmails", "bo", common, "Idempotency-Key", "bo-1")
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the first answer again (-first +again):\n%s", diff)
	}
	s.must(http.StatusUnprocessableEntity, "POST", "/v1/inmails", gone, object{"to": "bo", "subject": "Zqtext", "body": "Zqtext to a connection"}, "Idempotency-Key", "zqkey-"+gone)
	s.must(http.StatusNoContent, "PUT", "/v1/banned/member/"+gone, "", object{"reason": "zqban"})
	s.must(http.StatusUnprocessableEntity, "POST", "/v1/inmails", "bo", object{"to": gone, "subject": "Zqtext to a connection", "body": "Zqtext"})

	before := s.figures(gone)
	if before["Salesforce <nil> Refused"] != nil || before["sender erased"] == nil {
		t.Fatalf("the figures before are %v", before)
	}
	if r := s.control("GET", fmt.Sprint("records/", seeded[0]), nil); r["InMail_Member_Id__c"] != gone {
		t.Fatalf("the Lead is %v", r)
	}
	if places := s.left(everyMark); len(places) < 5 {
		t.Fatalf("the search finds too little before: %v", places)
	}

	began := time.Now()
	s.must(http.StatusAccepted, "DELETE", "/v1/members/"+gone, "", nil)
	s.must(http.StatusNotFound, "GET", "/v1/members/"+gone, "", nil)
	s.must(http.StatusNotFound, "DELETE", "/v1/members/"+gone, "", nil)
	if status, _, err := s.withKey(key, "GET", "/v1/inbox"); err != nil || status != http.StatusUnauthorized {
		t.Errorf("its key answers %d, %v", status, err)
	}
	for from, code := range map[string]string{"ada": "unknown_recipient", gone: "unknown_sender"} {
		to := map[string]string{"ada": gone, gone: "ada"}[from]
		out := s.must(http.StatusUnprocessableEntity, "POST", "/v1/inmails", from,
			object{"to": to, "subject": "Another question", "body": "How do you test your queues?"}, "Idempotency-Key", "after-"+code)
		if out["code"] != code {
			t.Errorf("a send from %s is refused %v, want %s", from, out["code"], code)
		}
	}
	for _, path := range []string{"/v1/inbox", "/v1/sent", "/v1/credits", "/v1/standing"} {
		s.must(http.StatusNotFound, "GET", path, gone, nil)
	}
	s.eventually("nothing of it is left", func() error {
		if places := s.left(everyMark); places != nil {
			return fmt.Errorf("left in %s", strings.Join(places, "; "))
		}
		return nil
	})
	t.Logf("nothing was left after %v", time.Since(began).Round(10*time.Millisecond))

	if diff := cmp.Diff(before, s.figures(gone)); diff != "" {
		t.Errorf("figures (-before +after):\n%s", diff)
	}
	s.otherSides(opened, answered, pending, back, received)
	if again := s.must(http.StatusAccepted, "POST", "/v1/inmails", "bo", common, "Idempotency-Key", "bo-1"); again["id"] != first["id"] {
		t.Errorf("the first answer is lost: %v", again)
	}
	if r := s.control("GET", fmt.Sprint("records/", seeded[1]), nil); r["InMail_Member_Id__c"] != "cy" {
		t.Errorf("another's Lead is %v", r)
	}
	if found := everyMark.in([]byte(s.log.String())); found != nil {
		t.Errorf("the log holds %v", found)
	}
	if code := s.Stop(); code != 0 {
		t.Errorf("the program ended with %d", code)
	}
	s.open()
	if places := s.left(everyMark); places != nil {
		t.Errorf("after a restart left in %s", strings.Join(places, "; "))
	}
}

// otherSides compares what the other members see of InMails with an erased member.
func (s *scene) otherSides(opened, answered, pending, back, received string) {
	t := s.t
	t.Helper()
	for reader, id := range map[string]string{"ada": opened, "di": answered, "ed": pending, "fay": back} {
		out := s.must(http.StatusOK, "POST", "/v1/inmails/"+id+"/open", reader, nil)
		from := out["from"].(object)
		if out["subject"] != "" || out["body"] != "" || from["id"] != "erased" || from["name"] != "erased" {
			t.Errorf("%s opens %v", reader, out)
		}
		items := s.must(http.StatusOK, "GET", "/v1/inbox", reader, nil)["items"].([]any)
		if len(items) == 0 || items[0].(object)["from"].(object)["name"] != "erased" || items[0].(object)["preview"] != "" {
			t.Errorf("%s lists %v", reader, items)
		}
	}
	sent := s.must(http.StatusOK, "GET", "/v1/inmails/"+received, "ada", nil)
	if to := sent["to"].(object); to["id"] != "erased" || sent["subject"] != "" || sent["status"] != "replied" || sent["crm"].(object)["lead_id"] != nil {
		t.Errorf("ada sees %v", sent)
	}
	for reader, id := range map[string]string{"ada": received, "di": answered} {
		for _, item := range s.must(http.StatusOK, "GET", "/v1/inmails/"+id+"/replies", reader, nil)["items"].([]any) {
			reply := item.(object)
			if from := reply["from"].(object)["id"]; reply["body"] != "" || from != "erased" && from != reader {
				t.Errorf("%s reads %v", reader, reply)
			}
		}
	}
	s.must(http.StatusUnprocessableEntity, "POST", "/v1/inmails/"+answered+"/replies", "di", object{"body": "Are you there?"})
}

// withKey makes a request with the key of its own.
func (s *scene) withKey(key, method, path string) (int, string, error) {
	req, err := http.NewRequest(method, s.url+path, nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw), err
}

// killedInTheMiddle erases a member with thousands of InMails and kills the process at once: the next process
// completes the erasure.
func killedInTheMiddle(s *scene) {
	n := sized(1500, 4000)
	t := s.t
	s.open()
	lines := []any{object{"member": object{"id": gone, "name": "Zqname"}}}
	for i := range n {
		lines = append(lines, object{"member": object{"id": fmt.Sprintf("s%d", i), "name": fmt.Sprintf("Sender %d", i), "account_type": "job_seeker", "plan": "job_seeker_5"}})
	}
	for i := range n {
		lines = append(lines, object{"inmail": object{"from": fmt.Sprintf("s%d", i), "to": gone, "subject": fmt.Sprintf("Zqtext %d", i),
			"body": fmt.Sprintf("Zqtext %d: what you wrote on queues stayed with me. How do you test yours?", i), "key": fmt.Sprintf("k%d", i)}})
	}
	for part := range slices.Chunk(lines, 1000) {
		s.importLines(part...)
	}
	s.eventually("all has arrived", func() error {
		rows := s.must(http.StatusOK, "GET", "/v1/analytics?by=week", "", nil)["rows"].([]any)
		if len(rows) == 0 || rows[0].(object)["delivered"] != float64(n) {
			return fmt.Errorf("%v", rows)
		}
		return nil
	})
	before := s.figures()
	s.must(http.StatusAccepted, "DELETE", "/v1/members/"+gone, "", nil)
	s.Kill()
	s.open()
	s.must(http.StatusNotFound, "GET", "/v1/members/"+gone, "", nil)
	began := time.Now()
	all := marks{gone, "zqname", "zqtext"}
	s.eventually("the erasure is finished", func() error {
		if places := s.left(all); places != nil {
			return fmt.Errorf("left in %s", strings.Join(places, "; "))
		}
		return nil
	})
	t.Logf("nothing was left %v after the restart", time.Since(began).Round(10*time.Millisecond))
	if diff := cmp.Diff(before, s.figures()); diff != "" {
		t.Errorf("figures (-before +after):\n%s", diff)
	}
}
