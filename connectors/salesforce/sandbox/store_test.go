package sandbox

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// state is all data of an org, to compare two orgs.
type state struct {
	Records map[string][]Fields
	History []Change
}

func (s *Sandbox) state() state {
	out := state{Records: map[string][]Fields{}, History: s.History()}
	for _, o := range s.schema.objects {
		out.Records[o.name] = s.Records(o.name)
	}
	return out
}

// busy makes changes of every kind.
func busy(t *testing.T, g *org) {
	t.Helper()
	account := g.insert("Account", Fields{"Name": "ACME", "NumberOfEmployees": 5, "AnnualRevenue": 1.5e8})
	lead := g.insert("Lead", Fields{"LastName": "Doe", "Company": "ACME", "DoNotCall": true})
	other := g.insert("Lead", Fields{"LastName": "Roe", "Company": "ACME"})
	g.upsert(Fields{"InMail_Id__c": "a", "Lead__c": lead, "Status__c": "Sent", "Status_Sequence__c": 2, "Sent_At__c": testNow, "Tags__c": "x;y", "Subject__c": "\u2028 \" \\"})
	g.upsert(Fields{"InMail_Id__c": "a", "Status__c": "Opened", "Status_Sequence__c": 3}, Fields{"InMail_Id__c": "bad", "Status__c": "x"})
	g.insert("Task", Fields{"WhoId": lead, "InMail_Event_Id__c": "a:sent", "Status": "Completed", "ActivityDate": "2026-11-23"})
	if err := g.Merge(lead, other); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Convert(lead, Conversion{AccountID: account}); err != nil {
		t.Fatal(err)
	}
	doomed := g.insert("Lead", Fields{"LastName": "Gone", "Company": "ACME"})
	g.upsert(Fields{"InMail_Id__c": "b", "Lead__c": doomed})
	if err := g.Delete(doomed); err != nil {
		t.Fatal(err)
	}
	purged := g.insert("Lead", Fields{"LastName": "Purged", "Company": "ACME"})
	for _, err := range []error{g.Delete(purged), g.Purge(purged)} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// reopen makes an org from a file, without closing the previous one.
func reopen(t *testing.T, path string) *org {
	t.Helper()
	return newOrg(t, func(o *Options) { o.File = path })
}

// openRaw opens an org's file beside the sandbox.
func openRaw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // a test may have closed it
	return db
}

func TestFileOutlivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "org.db")
	first := newOrg(t, func(o *Options) { o.File = path })
	busy(t, first)
	want := first.state()
	for _, name := range []string{path, path + "-wal"} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want it for its owner only", name, info, err)
		}
	}
	second := reopen(t, path)
	if diff := cmp.Diff(want, second.state()); diff != "" {
		t.Fatalf("after a restart (-want +got):\n%s", diff)
	}
	t.Run("numbers_go_on", func(t *testing.T) {
		lead := second.insert("Lead", Fields{"LastName": "Next", "Company": "ACME"})
		if n, _ := idNumber(lead); n != 5 {
			t.Errorf("the next lead is number %d, want 5: a purged id comes never again", n)
		}
		second.upsert(Fields{"InMail_Id__c": "c"})
		if got := second.query("SELECT Name FROM InMail__c WHERE InMail_Id__c = 'c'")[0]["Name"]; got != "IM-0000003" {
			t.Errorf("the next InMail is %v", got)
		}
	})
	t.Run("deleted_ones_can_still_be_undeleted", func(t *testing.T) {
		third := reopen(t, path)
		doomed := third.Records("Lead")[2]["Id"].(string)
		if err := third.Undelete(doomed); err != nil {
			t.Fatal(err)
		}
		if got := third.query("SELECT Lead__c FROM InMail__c WHERE InMail_Id__c = 'b'")[0]["Lead__c"]; got != doomed {
			t.Errorf("the lookup that was cleared is %v", got)
		}
	})
}

func TestFileThatCannotBeWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "org.db")
	g := newOrg(t, func(o *Options) { o.File = path })
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	g.refused(500, "UNKNOWN_EXCEPTION", "POST", "sobjects/Lead", Fields{"LastName": "L", "Company": "A"})
	if n := len(g.Records("Lead")); n != 0 {
		t.Errorf("%d leads are stored", n)
	}
	if _, err := g.Insert("Lead", Fields{"LastName": "L", "Company": "A"}); err == nil {
		t.Error("an insert by the operator passed")
	}
}

// TestOverwrittenTextLeavesTheFiles checks R60 for the sandbox's own files: text that an erasure has
// overwritten is in none of them when the erasure is acknowledged. Texts of many lengths are stored and
// overwritten, so that pages are split, joined and left with gaps.
func TestOverwrittenTextLeavesTheFiles(t *testing.T) {
	dir := t.TempDir()
	g := newOrg(t, func(o *Options) { o.File = filepath.Join(dir, "org.db") })
	found := func() (n int) {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			data, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			n += bytes.Count(bytes.ToLower(data), []byte("secret words"))
		}
		return n
	}
	const records = 1000
	write := func(change func(i int) Fields) {
		t.Helper()
		for from := 0; from < records; from += 200 {
			var rows []Fields
			for i := from; i < from+200; i++ {
				f := change(i * 7919 % records) // not in the order of the keys
				f["InMail_Id__c"] = fmt.Sprintf("%05d", i*7919%records)
				rows = append(rows, f)
			}
			for i, outcome := range g.upsert(rows...) {
				if outcome != "stored" {
					t.Fatalf("row %d: %s", from+i, outcome)
				}
			}
		}
	}
	secret := func(n int) string { return strings.Repeat("Secret words ", n) }
	write(func(i int) Fields { return Fields{"Subject__c": secret(1 + i%9), "Body__c": secret(1 + i%40)} })
	write(func(i int) Fields { return Fields{"Body__c": secret(1 + i*31%500), "Status__c": "Sent"} })
	if found() < 2*records {
		t.Fatalf("the text is in the files %d times", found())
	}
	write(func(i int) Fields {
		return Fields{"Subject__c": nil, "Body__c": nil, "Preview__c": strings.Repeat("x", i%140)}
	})
	if n := found(); n > 0 {
		t.Errorf("the text is still in the files %d times", n)
	}
	lead := g.insert("Lead", Fields{"LastName": "Secret words", "Company": "C", "InMail_Member_Id__c": "secret words"})
	for _, err := range []error{g.Delete(lead), g.Purge(lead)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := found(); n > 0 {
		t.Errorf("what was purged is still in the files %d times", n)
	}
	want := g.state()
	if diff := cmp.Diff(want, reopen(t, filepath.Join(dir, "org.db")).state()); diff != "" {
		t.Errorf("after scrubbing (-want +got):\n%s", diff)
	}
}

// TestFileRefused checks that a file which is not a sandbox's org is neither opened nor changed.
func TestFileRefused(t *testing.T) {
	for _, content := range []string{"{\"header\":{\"sandbox\":\"InMail Salesforce sandbox\",\"format\":1,\"counters\":{}}}\n", "dear diary"} {
		path := filepath.Join(t.TempDir(), "org.db")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Options{File: path}); err == nil || !strings.Contains(err.Error(), "journal of a version before the first release, move it away") || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", content, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != content {
			t.Errorf("the file contains %q, %v", after, err)
		}
	}
	path := filepath.Join(t.TempDir(), "org.db")
	if _, err := openRaw(t, path).Exec("CREATE TABLE other (x)"); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{File: path}); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("another program's database: %v", err)
	}
}

// TestPackageChanged opens an org that was made when the package lacked a field and an index.
func TestPackageChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "org.db")
	g := newOrg(t, func(o *Options) { o.File = path })
	busy(t, g)
	g.upsert(Fields{"InMail_Id__c": "c", "Subject__c": "kept", "Replies__c": 3})
	want := g.state()
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	db := openRaw(t, path)
	for _, statement := range []string{`DROP INDEX "InMail__c by Lead__c"`, `ALTER TABLE InMail__c DROP COLUMN Replies__c`, `ALTER TABLE InMail__c ADD COLUMN Former__c TEXT`} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, r := range want.Records["InMail__c"] {
		r["Replies__c"] = nil
	}
	again := reopen(t, path)
	if diff := cmp.Diff(want, again.state()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again.upsert(Fields{"InMail_Id__c": "c", "Replies__c": 4}, Fields{"InMail_Id__c": "d", "Replies__c": 5})
	lead := want.Records["InMail__c"][0]["Lead__c"].(string)
	if got := again.query("SELECT InMail_Id__c FROM InMail__c WHERE Replies__c >= 4 OR Lead__c = '" + lead + "'"); len(got) != 3 {
		t.Errorf("by the new field and the new index: %v", got)
	}
}

// TestMemoryIsBounded stores five times as many records and compares the heap: what grows with the org is
// on disk.
func TestMemoryIsBounded(t *testing.T) {
	const mostGrowth = 1 << 20 // a quarter of what the added records take on the disk, in the short form
	few := sized(600, 2000)
	g := newOrg(t, func(o *Options) { o.File = filepath.Join(t.TempDir(), "org.db") })
	body := strings.Repeat("words ", 300)
	fill := func(from, to int) uint64 {
		for ; from < to; from += 200 {
			var rows []Fields
			for i := range 200 {
				rows = append(rows, Fields{"InMail_Id__c": fmt.Sprint(from + i), "Subject__c": "A subject", "Body__c": body, "Status__c": "Sent"})
			}
			g.upsert(rows...)
		}
		g.query("SELECT Id, Body__c FROM InMail__c ORDER BY Subject__c")
		if got := g.query("SELECT COUNT(Id) n FROM InMail__c WHERE Status__c = 'Sent'")[0]["n"]; got != float64(to) {
			t.Fatalf("%v of %d records are stored", got, to)
		}
		g.server.CloseClientConnections()
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	small := fill(0, few)
	large := fill(few, 5*few)
	if large > small+mostGrowth {
		t.Errorf("the heap is %d KiB with %d records and %d KiB with %d", small>>10, few, large>>10, 5*few)
	}
}

func TestHistory(t *testing.T) {
	g := newOrg(t)
	number := func(n float64) *float64 { return &n }
	g.upsert(Fields{"InMail_Id__c": "a", "Status__c": "Queued", "Status_Sequence__c": 1})
	g.now = g.now.Add(time.Minute)
	g.upsert(Fields{"InMail_Id__c": "a", "Status__c": "Sent", "Status_Sequence__c": 2})
	id := g.Records("InMail__c")[0]["Id"].(string)
	task := g.insert("Task", Fields{"InMail_Event_Id__c": "a:sent", "Status": "Completed"})
	g.insert("Task", Fields{"Subject": "not ours"})
	for _, err := range []error{g.Delete(id), g.Undelete(id)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	later := testNow.Add(time.Minute)
	want := []Change{
		{At: testNow, Object: "InMail__c", ID: id, Key: "a", Kind: "insert", NewStatus: "Queued", NewSequence: number(1)},
		{At: later, Object: "InMail__c", ID: id, Key: "a", Kind: "update", OldStatus: "Queued", NewStatus: "Sent", OldSequence: number(1), NewSequence: number(2)},
		{At: later, Object: "Task", ID: task, Key: "a:sent", Kind: "insert"},
		{At: later, Object: "InMail__c", ID: id, Key: "a", Kind: "delete", OldStatus: "Sent", NewStatus: "Sent", OldSequence: number(2), NewSequence: number(2)},
		{At: later, Object: "InMail__c", ID: id, Key: "a", Kind: "undelete", OldStatus: "Sent", NewStatus: "Sent", OldSequence: number(2), NewSequence: number(2)},
	}
	if diff := cmp.Diff(want, g.History()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := fmt.Sprint(len(g.History())); got != "5" {
		t.Errorf("%s changes", got)
	}
}
