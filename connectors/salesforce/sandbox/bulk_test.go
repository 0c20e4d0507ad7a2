package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type jobInfo struct {
	ID, State, Object, Operation, ErrorMessage  string
	NumberRecordsProcessed, NumberRecordsFailed int
}

func (g *org) job(method, path string, body any) jobInfo {
	g.t.Helper()
	status, answer := g.do(method, path, body)
	var info jobInfo
	if err := json.Unmarshal(answer, &info); err != nil || status != http.StatusOK {
		g.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	return info
}

// ingest makes a job, uploads and closes it, waits for its end and returns it.
func (g *org) ingest(job Fields, csv string) jobInfo {
	g.t.Helper()
	info := g.job("POST", "jobs/ingest/", job)
	if info.State != "Open" || len(info.ID) != 18 || !strings.HasPrefix(info.ID, "750") {
		g.t.Fatalf("new job %+v", info)
	}
	path := "jobs/ingest/" + info.ID
	if status, body := g.do("PUT", path+"/batches", csv); status != http.StatusCreated {
		g.t.Fatalf("upload: %d %s", status, body)
	}
	states := []string{g.job("PATCH", path, Fields{"state": "UploadComplete"}).State}
	for len(states) < 10 && !slices.Contains([]string{"JobComplete", "Failed"}, states[len(states)-1]) {
		info = g.job("GET", path, nil)
		states = append(states, info.State)
	}
	if diff := cmp.Diff([]string{"UploadComplete", "InProgress"}, states[:2]); diff != "" || len(states) != 3 {
		g.t.Errorf("states %v", states)
	}
	return info
}

func (g *org) results(id, which string) string {
	g.t.Helper()
	status, body := g.do("GET", "jobs/ingest/"+id+"/"+which+"/", nil)
	if status != http.StatusOK {
		g.t.Fatalf("%s: %d %s", which, status, body)
	}
	return string(body)
}

var upsertJob = Fields{"object": "InMail__c", "operation": "upsert", "externalIdFieldName": "InMail_Id__c", "contentType": "CSV", "lineEnding": "LF"}

func TestBulkIngest(t *testing.T) {
	g := newOrg(t)
	g.upsert(Fields{"InMail_Id__c": "old", "Subject__c": "kept", "Preview__c": "cleared"})
	info := g.ingest(upsertJob, "InMail_Id__c,Subject__c,Preview__c,Status__c\n"+
		"old,,#N/A,Sent\n"+
		"new,\"a, \"\"b\"\"\nc\",p,Queued\n"+
		"bad,s,p,Nope\n"+
		"twice,s,p,\n"+
		"TWICE,s,p,\n"+
		",s,p,Sent\n")
	if info.NumberRecordsProcessed != 6 || info.NumberRecordsFailed != 4 || info.State != "JobComplete" {
		t.Errorf("%+v", info)
	}
	got := g.query("SELECT InMail_Id__c, Subject__c, Preview__c, Status__c FROM InMail__c ORDER BY InMail_Id__c")
	want := []map[string]any{
		{"InMail_Id__c": "new", "Subject__c": "a, \"b\"\nc", "Preview__c": "p", "Status__c": "Queued"},
		{"InMail_Id__c": "old", "Subject__c": "kept", "Preview__c": nil, "Status__c": "Sent"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if ok := g.results(info.ID, "successfulResults"); !strings.HasPrefix(ok, `"sf__Id","sf__Created","InMail_Id__c"`) || !strings.Contains(ok, `,"false","old"`) || !strings.Contains(ok, `,"true","new"`) {
		t.Errorf("successful:\n%s", ok)
	}
	failed := g.results(info.ID, "failedResults")
	for _, part := range []string{`"sf__Id","sf__Error"`, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST:Status: bad value", "DUPLICATE_VALUE:Duplicate external id specified: twice:InMail_Id__c --", "DUPLICATE_VALUE:Duplicate external id specified: TWICE", "MISSING_ARGUMENT:"} {
		if !strings.Contains(failed, part) {
			t.Errorf("no %q in the failed rows:\n%s", part, failed)
		}
	}
	if rest := g.results(info.ID, "unprocessedrecords"); strings.Count(rest, "\n") != 1 {
		t.Errorf("unprocessed:\n%s", rest)
	}
}

func TestBulkOperations(t *testing.T) {
	g := newOrg(t)
	info := g.ingest(Fields{"object": "Lead", "operation": "insert"}, "LastName,Company,DoNotCall,NumberOfEmployees\nA,B,true,5\nC,,false,\n")
	if info.NumberRecordsFailed != 1 {
		t.Errorf("insert %+v", info)
	}
	id := g.Records("Lead")[0]["Id"].(string)
	g.ingest(Fields{"object": "Lead", "operation": "update"}, "Id,Title\n"+id+",CTO\n")
	if g.value(id, "Title") != "CTO" || g.value(id, "NumberOfEmployees") != 5.0 || g.value(id, "DoNotCall") != true {
		t.Errorf("update: %v", g.value(id, "Title"))
	}
	info = g.ingest(Fields{"object": "Lead", "operation": "update"}, "Id,NumberOfEmployees,DoNotCall\n"+id+",many,\n"+id+",,perhaps\n")
	if info.NumberRecordsFailed != 2 || strings.Count(g.results(info.ID, "failedResults"), "INVALID_TYPE_ON_FIELD_IN_RECORD") != 2 {
		t.Errorf("cells of another type: %+v", info)
	}
	g.ingest(Fields{"object": "Lead", "operation": "delete", "lineEnding": "CRLF", "columnDelimiter": "TAB"}, "Id\r\n"+id+"\r\n")
	if g.value(id, "IsDeleted") != true {
		t.Error("it was not deleted")
	}
	other := g.insert("Lead", Fields{"LastName": "A", "Company": "B"})
	g.ingest(Fields{"object": "Lead", "operation": "hardDelete"}, "Id\n"+other)
	if _, there := g.Record(other); there {
		t.Error("it was not deleted for good")
	}
}

func TestBulkJobsThatFail(t *testing.T) {
	g := newOrg(t)
	cases := map[string]struct{ csv, problem string }{
		"unknown_field":       {"InMail_Id__c,Nope\na,b\n", "InvalidBatch : Field name not found : Nope"},
		"duplicate_header":    {"InMail_Id__c,Status__c,inmail_id__c\na,Sent,a\n", "InvalidBatch : Duplicate field name : inmail_id__c"},
		"no_key":              {"Status__c\nSent\n", "InvalidBatch : Field name not found : InMail_Id__c"},
		"too_few_cells":       {"InMail_Id__c,Status__c\na\n", "InvalidBatch : line 2 has 1 cells, the header has 2"},
		"too_many_cells":      {"InMail_Id__c\na,b\n", "InvalidBatch : line 2 has 2 cells, the header has 1"},
		"other_line_ending":   {"InMail_Id__c\r\na\r\n", "ClientInputError : line 1: the line ending is not the one that the job names"},
		"quote_in_a_cell":     {"InMail_Id__c\na\"b\n", "ClientInputError : line 2: a quote inside a cell that is not quoted"},
		"quote_never_closed":  {"InMail_Id__c\n\"a\n", "ClientInputError : line 2: a quote that is not closed"},
		"text_behind_a_quote": {"InMail_Id__c\n\"a\"b\n", "ClientInputError : line 2: text behind a closing quote"},
		"not_utf_8":           {"InMail_Id__c\n\xff\n", "ClientInputError : line 2: the data is not UTF-8"},
		"cell_too_long":       {"InMail_Id__c\n" + strings.Repeat("a", maxCell+1), "InvalidBatch : line 2 has a cell of more than 131072 characters"},
		"row_too_long":        {"InMail_Id__c,Subject__c,Body__c,Preview__c\n" + strings.Repeat(strings.Repeat("a", maxCell)+",", 3) + strings.Repeat("a", maxCell), "InvalidBatch : line 2 has more than 400000 characters"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g.t = t
			info := g.ingest(upsertJob, c.csv)
			if info.State != "Failed" || info.ErrorMessage != c.problem {
				t.Errorf("%s: %q, want %q", info.State, info.ErrorMessage, c.problem)
			}
		})
	}
	if n := len(g.Records("InMail__c")); n != 0 {
		t.Errorf("%d records are stored", n)
	}
	t.Run("on_request", func(t *testing.T) {
		g.t = t
		if err := g.Inject(Fault{Kind: BulkJobFails, Resource: "jobs/ingest", Next: 1}); err != nil {
			t.Fatal(err)
		}
		if info := g.ingest(upsertJob, "InMail_Id__c\na\n"); info.State != "Failed" {
			t.Errorf("%+v", info)
		}
		if info := g.ingest(upsertJob, "InMail_Id__c\na\n"); info.State != "JobComplete" {
			t.Errorf("the next: %+v", info)
		}
	})
}

func TestBulkRefused(t *testing.T) {
	g := newOrg(t)
	for name, job := range map[string]Fields{
		"unknown_object":    {"object": "Nope__c", "operation": "insert"},
		"unknown_operation": {"object": "Lead", "operation": "merge"},
		"no_key":            {"object": "InMail__c", "operation": "upsert"},
		"field_is_no_key":   {"object": "InMail__c", "operation": "upsert", "externalIdFieldName": "Subject__c"},
		"key_of_an_insert":  {"object": "InMail__c", "operation": "insert", "externalIdFieldName": "InMail_Id__c"},
		"content_type":      {"object": "Lead", "operation": "insert", "contentType": "JSON"},
		"line_ending":       {"object": "Lead", "operation": "insert", "lineEnding": "CR"},
		"delimiter":         {"object": "Lead", "operation": "insert", "columnDelimiter": ";"},
		"unknown_member":    {"object": "Lead", "operation": "insert", "concurrency": "Serial"},
	} {
		t.Run(name, func(t *testing.T) {
			g.t = t
			g.refused(400, "INVALIDJOB", "POST", "jobs/ingest", job)
		})
	}
	path := "jobs/ingest/" + g.job("POST", "jobs/ingest", upsertJob).ID
	t.Run("close_without_data", func(t *testing.T) {
		g.refused(400, "INVALIDJOBSTATE", "PATCH", path, Fields{"state": "UploadComplete"})
	})
	t.Run("results_of_an_open_job", func(t *testing.T) {
		g.refused(400, "INVALIDJOBSTATE", "GET", path+"/failedResults", nil)
	})
	t.Run("delete_an_open_job", func(t *testing.T) { g.refused(400, "INVALIDJOBSTATE", "DELETE", path, nil) })
	t.Run("upload_is_no_csv", func(t *testing.T) {
		resp, _ := g.send("PUT", path+"/batches", "x", http.Header{"Content-Type": {"application/json"}})
		if resp.StatusCode != http.StatusUnsupportedMediaType {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
	t.Run("second_upload", func(t *testing.T) {
		if status, body := g.do("PUT", path+"/batches", "InMail_Id__c\na\n"); status != http.StatusCreated {
			t.Fatalf("first: %d %s", status, body)
		}
		g.refused(400, "INVALIDJOBSTATE", "PUT", path+"/batches", "InMail_Id__c\nb\n")
	})
	t.Run("abort_and_go_on", func(t *testing.T) {
		if got := g.job("PATCH", path, Fields{"state": "Aborted"}).State; got != "Aborted" {
			t.Errorf("state %s", got)
		}
		g.refused(400, "INVALIDJOBSTATE", "PATCH", path, Fields{"state": "UploadComplete"})
		g.refused(400, "INVALIDJOBSTATE", "PATCH", path, Fields{"state": "Aborted"})
		g.refused(400, "INVALIDJOBSTATE", "PATCH", path, Fields{"state": "JobComplete"})
		if n := len(g.Records("InMail__c")); n != 0 {
			t.Errorf("%d records are stored", n)
		}
		if status, _ := g.do("DELETE", path, nil); status != http.StatusNoContent {
			t.Errorf("delete: %d", status)
		}
		g.refused(404, "NOT_FOUND", "GET", path, nil)
	})
	t.Run("open_too_long", func(t *testing.T) {
		id := g.job("POST", "jobs/ingest", upsertJob).ID
		g.now = g.now.Add(maxJobOpen + time.Second)
		g.login()
		if got := g.job("GET", "jobs/ingest/"+id, nil).State; got != "Failed" {
			t.Errorf("state %s", got)
		}
	})
	t.Run("batches_of_the_day", func(t *testing.T) {
		g.t = t
		if !g.jobs.batches.add(g.now, maxBatchesPerDay, maxBatchesPerDay) {
			t.Fatal("the day's batches were not there")
		}
		info := g.ingest(upsertJob, "InMail_Id__c\nz\n")
		if info.State != "Failed" || !strings.HasPrefix(info.ErrorMessage, "ExceededQuota") {
			t.Errorf("%+v", info)
		}
		if _, body := g.do("GET", "limits", nil); !strings.Contains(string(body), `"DailyBulkApiBatches":{"Max":15000,"Remaining":0}`) {
			t.Errorf("limits %s", body)
		}
		g.now = g.now.Add(24 * time.Hour)
		g.login()
		if info := g.ingest(upsertJob, "InMail_Id__c\nz\n"); info.State != "JobComplete" {
			t.Errorf("a day later: %+v", info)
		}
	})
	t.Run("empty_upload", func(t *testing.T) {
		path := "jobs/ingest/" + g.job("POST", "jobs/ingest", upsertJob).ID
		g.refused(400, "INVALIDJOB", "PUT", path+"/batches", nil)
		g.refused(405, "METHOD_NOT_ALLOWED", "POST", path+"/batches", nil)
		g.refused(400, "INVALIDJOB", "PATCH", path, Fields{"status": "Aborted"})
		g.refused(405, "METHOD_NOT_ALLOWED", "PUT", path, nil)
	})
	t.Run("job_of_another_user", func(t *testing.T) {
		path := "jobs/ingest/" + g.job("POST", "jobs/ingest", upsertJob).ID
		mine := g.token
		g.token, _ = g.sessions.open(newID("005", operatorNumber), g.now, false)
		g.refused(404, "NOT_FOUND", "GET", path, nil)
		g.token = mine
	})
	t.Run("retired_version", func(t *testing.T) {
		g.refused(410, "UNSUPPORTED_API_VERSION", "POST", "/services/data/v30.0/jobs/ingest", upsertJob)
	})
	t.Run("method", func(t *testing.T) { g.refused(405, "METHOD_NOT_ALLOWED", "GET", "jobs/ingest", nil) })
}

func TestBulkQuery(t *testing.T) {
	g := people(t)
	info := g.job("POST", "jobs/query", Fields{"operation": "query", "query": "SELECT InMail_Id__c, Replies__c, Lead__r.Email, Sent_At__c FROM InMail__c ORDER BY InMail_Id__c"})
	path := "jobs/query/" + info.ID
	g.refused(400, "INVALIDJOBSTATE", "GET", path+"/results", nil)
	for range 5 {
		if info = g.job("GET", path, nil); info.State == "JobComplete" {
			break
		}
	}
	if info.State != "JobComplete" || info.NumberRecordsProcessed != 4 {
		t.Fatalf("%+v", info)
	}
	var lines []string
	locator := ""
	for page := range 2 {
		resp, body := g.send("GET", path+"/results?maxRecords=3"+locator, nil, nil)
		rows := strings.Split(strings.TrimSpace(string(body)), "\n")
		if rows[0] != `"InMail_Id__c","Replies__c","Lead__r.Email","Sent_At__c"` || resp.Header.Get("Sforce-NumberOfRecords") != fmt.Sprint(len(rows)-1) {
			t.Errorf("page %d: %s, %s records", page, rows[0], resp.Header.Get("Sforce-NumberOfRecords"))
		}
		lines = append(lines, rows[1:]...)
		locator = "&locator=" + resp.Header.Get("Sforce-Locator")
	}
	want := []string{`"id-0","0.0","doe@example.com","2026-11-24T09:00:00.000+0000"`, `"id-1","1.0","doe@example.com","2026-11-24T10:00:00.000+0000"`, `"id-2","2.0","",""`, `"id-3","3.0","",""`}
	if diff := cmp.Diff(want, lines); diff != "" || locator != "&locator=null" {
		t.Errorf("locator %s, rows (-want +got):\n%s", locator, diff)
	}
	g.refused(400, "INVALIDJOB", "GET", path+"/results?locator=x", nil)
	g.refused(400, "INVALIDJOB", "GET", path+"/results?maxRecords=0", nil)
	g.refused(400, "INVALIDJOBSTATE", "PATCH", path, Fields{"state": "UploadComplete"})
	for code, query := range map[string]string{
		"MALFORMED_QUERY": "SELECT", "INVALID_FIELD": "SELECT Nope FROM Lead", "INVALID_TYPE": "SELECT Id FROM Nope__c", "API_ERROR": "SELECT COUNT() FROM Lead",
	} {
		g.refused(400, code, "POST", "jobs/query", Fields{"operation": "query", "query": query})
	}
	g.refused(400, "INVALIDJOB", "POST", "jobs/query", Fields{"operation": "insert", "query": "SELECT Id FROM Lead"})
}

func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"a,b\nc,d\n", "\"a\"\"b\",c\r\n", "\"a\nb\"\n,\n", "a\tb", "\"", "a\"b", ""} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, data string, crlf bool) {
		format := csvFormat{',', crlf}
		r := newCSVReader(strings.NewReader(data), format)
		var rows [][]string
		for {
			row, err := r.next()
			if err != nil {
				return
			}
			if row == nil {
				break
			}
			rows = append(rows, row)
		}
		// Rows that were read must survive being written and read again.
		var out []byte
		for _, row := range rows {
			out = appendCSV(out, format, row...)
		}
		again := newCSVReader(bytes.NewReader(out), format)
		for _, want := range rows {
			got, err := again.next()
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("%q came back as %q, %v", want, got, err)
			}
		}
	})
}
