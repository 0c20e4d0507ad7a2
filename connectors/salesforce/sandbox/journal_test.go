package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// state is all that an org holds, for comparing two.
type state struct {
	Records map[string][]Fields
	History []Change
}

func (s *Sandbox) state() state {
	out := state{Records: map[string][]Fields{}, History: s.History()}
	for _, o := range s.schema.objects {
		if !unjournaled(o) {
			out.Records[o.name] = s.Records(o.name)
		}
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

// reopen makes an org from a journal, without letting the one before end in order.
func reopen(t *testing.T, path string) *org {
	t.Helper()
	return newOrg(t, func(o *Options) { o.Journal = path })
}

func TestJournalOutlivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	first := newOrg(t, func(o *Options) { o.Journal = path })
	busy(t, first)
	want := first.state()
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

func TestJournalCutShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	g := newOrg(t, func(o *Options) { o.Journal = path })
	g.upsert(Fields{"InMail_Id__c": "a"})
	want := g.state()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	g.upsert(Fields{"InMail_Id__c": "b"})
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := len(whole); cut < len(data); cut += 37 {
		if err := os.WriteFile(path, data[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		again := reopen(t, path)
		if diff := cmp.Diff(want, again.state()); diff != "" {
			t.Fatalf("cut at %d of %d (-want +got):\n%s", cut, len(data), diff)
		}
		again.upsert(Fields{"InMail_Id__c": "c"})
		if got := len(reopen(t, path).Records("InMail__c")); got != 2 {
			t.Fatalf("cut at %d: %d records after going on", cut, got)
		}
	}
	t.Run("broken_in_the_middle", func(t *testing.T) {
		lines := bytes.SplitAfter(data, []byte("\n"))
		for name, content := range map[string][]byte{
			"no_json":     append([]byte("{\"header\":{\"format\":1}}\nx\n"), lines[len(lines)-2]...),
			"no_header":   lines[len(lines)-2],
			"two_headers": append(append([]byte{}, lines[0]...), lines[0]...),
			"format":      []byte("{\"header\":{\"format\":2}}\n"),
			"foreign_id":  []byte("{\"header\":{\"format\":1}}\n{\"record\":{\"object\":\"Lead\",\"id\":\"003SB0000000001YAA\"}}\n"),
			"wrong_value": []byte("{\"header\":{\"format\":1}}\n{\"record\":{\"object\":\"Lead\",\"id\":\"00QSB00000000012AA\",\"values\":{\"LastName\":5}}}\n"),
		} {
			bad := filepath.Join(t.TempDir(), "journal")
			if err := os.WriteFile(bad, content, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := New(Options{Journal: bad}); err == nil || !strings.Contains(err.Error(), "line") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestJournalThatCannotBeWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	g := newOrg(t, func(o *Options) { o.Journal = path })
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

// TestOverwrittenTextLeavesTheJournal holds R60's promise for the sandbox's own file: what an
// erasure has overwritten is soon in no file.
func TestOverwrittenTextLeavesTheJournal(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "journal")
	asleep := make(chan struct{})
	wake := make(chan struct{})
	g := newOrg(t, func(o *Options) {
		o.Journal = path
		o.Sleep = func(ctx context.Context, _ time.Duration) error {
			select {
			case asleep <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case <-wake:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	found := func() bool {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			data, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err == nil && bytes.Contains(data, []byte("secret words")) {
				return true
			}
		}
		return false
	}
	g.upsert(Fields{"InMail_Id__c": "a", "Subject__c": "secret words", "Status__c": "Sent"})
	g.upsert(Fields{"InMail_Id__c": "a", "Status__c": "Opened"})
	select {
	case <-asleep:
		t.Fatal("a change of status scrubbed the journal")
	default:
	}
	g.upsert(Fields{"InMail_Id__c": "a", "Subject__c": nil})
	if !found() {
		t.Fatal("the journal never held the text")
	}
	<-asleep
	g.upsert(Fields{"InMail_Id__c": "b", "Subject__c": "committed while it waits"})
	wake <- struct{}{}
	deadline := time.Now().Add(10 * time.Second)
	for found() {
		if time.Now().After(deadline) {
			t.Fatal("the text is still in a file")
		}
	}
	want := g.state()
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, reopen(t, path).state()); diff != "" {
		t.Errorf("after scrubbing (-want +got):\n%s", diff)
	}
	t.Run("at_the_end_at_the_latest", func(t *testing.T) {
		h := newOrg(t, func(o *Options) {
			o.Journal = path
			o.Sleep = func(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() }
		})
		h.upsert(Fields{"InMail_Id__c": "b", "Subject__c": "secret words"})
		h.upsert(Fields{"InMail_Id__c": "b", "Subject__c": "other"})
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		if found() {
			t.Error("the text is still in the file")
		}
	})
}

func TestJournalIsCompactedAtTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	g := newOrg(t, func(o *Options) { o.Journal = path })
	for i := range 1100 {
		g.upsert(Fields{"InMail_Id__c": "a", "Status_Sequence__c": i})
	}
	want := g.state()
	if err := os.WriteFile(path+compacted, []byte("left by a compaction that was killed"), 0o600); err != nil {
		t.Fatal(err)
	}
	again := reopen(t, path)
	if diff := cmp.Diff(want, again.state()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	data, err := os.ReadFile(path)
	if err != nil || bytes.Contains(data, []byte(`{"commit"`)) {
		t.Errorf("the journal still holds commits: %v", err)
	}
	if _, err := os.Stat(path + compacted); !os.IsNotExist(err) {
		t.Errorf("the left-over file: %v", err)
	}
}

func TestSnapshotAndRestore(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "snapshot")
	g := newOrg(t)
	busy(t, g)
	want := g.state()
	if err := g.Snapshot(file); err != nil {
		t.Fatal(err)
	}
	g.upsert(Fields{"InMail_Id__c": "later"})
	if err := g.Restore(file); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, g.state()); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
	t.Run("into_another_org_with_a_journal", func(t *testing.T) {
		path := filepath.Join(dir, "journal")
		h := newOrg(t, func(o *Options) { o.Journal = path })
		h.upsert(Fields{"InMail_Id__c": "before"})
		if err := h.Restore(file); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, reopen(t, path).state()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("cut_short", func(t *testing.T) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range [][]byte{nil, data[:len(data)-10]} {
			if err := os.WriteFile(file, part, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := g.Restore(file); err == nil {
				t.Error("it was restored")
			}
		}
		if diff := cmp.Diff(want, g.state()); diff != "" {
			t.Errorf("the org changed (-want +got):\n%s", diff)
		}
	})
	if err := g.Snapshot(filepath.Join(dir, "no", "such", "folder")); err == nil {
		t.Error("written into a folder that is not there")
	}
	if err := g.Restore(filepath.Join(dir, "none")); err == nil {
		t.Error("restored from a file that is not there")
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
