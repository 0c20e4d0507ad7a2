package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLargeJobs runs jobs whose upload and results are larger than any buffer. They are returned complete,
// and no file of theirs is ever visible beside the org.
func TestLargeJobs(t *testing.T) {
	const rows = 3000
	path := filepath.Join(t.TempDir(), "org.db")
	g := newOrg(t, func(o *Options) { o.File = path })
	var upload strings.Builder
	upload.WriteString("InMail_Id__c,Status__c,Subject__c\n")
	want := []string{`"InMail_Id__c","Subject__c"`}
	for i := range rows {
		fmt.Fprintf(&upload, "%05d,%s,\"line\n\"\"%d\"\"%s\"\n", i, []string{"Sent", "Nope"}[i/2000], i, strings.Repeat("x", 100))
		if i < 2000 {
			want = append(want, fmt.Sprintf("\"%05d\",\"line\n\"\"%d\"\"%s\"", i, i, strings.Repeat("x", 100)))
		}
	}
	info := g.ingest(upsertJob, upload.String())
	if info.NumberRecordsProcessed != rows || info.NumberRecordsFailed != 1000 {
		t.Errorf("%+v", info)
	}
	stored, refused := g.results(info.ID, "successfulResults"), g.results(info.ID, "failedResults")
	if strings.Count(stored, "xx\"\n") != 2000 || strings.Count(refused, "xx\"\n") != 1000 || !strings.Contains(refused, `"line
""2999""xxx`) {
		t.Errorf("%d bytes of stored rows, %d of refused ones", len(stored), len(refused))
	}
	query := g.job("POST", "jobs/query", Fields{"operation": "query", "query": "SELECT InMail_Id__c, Subject__c FROM InMail__c ORDER BY InMail_Id__c"})
	for query.State != "JobComplete" {
		query = g.job("GET", "jobs/query/"+query.ID, nil)
	}
	g.upsert(Fields{"InMail_Id__c": "00000", "Subject__c": "changed behind the query"})
	got, locator := want[:1], ""
	for locator != "null" {
		resp, body := g.send("GET", "jobs/query/"+query.ID+"/results?maxRecords=777&locator="+locator, nil, nil)
		page := strings.Split(strings.TrimSuffix(string(body), "\"\n"), "\"\n")
		got = append(slices.Clip(got), page[1:]...)
		locator = resp.Header.Get("Sforce-Locator")
	}
	for i := range got[1:] {
		got[1+i] += `"`
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the query's rows (-want +got):\n%s", diff)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasPrefix(f.Name(), "org.db") {
			t.Errorf("there is a file %s", f.Name())
		}
	}
}
