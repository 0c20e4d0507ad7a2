package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// long is whether the tests run in their long form, as under make storm. The short form makes the same
// assertions with smaller numbers.
var long = os.Getenv("INMAIL_TEST_LONG") == "1"

// sized returns the size for the short form, or the one for the long form.
func sized[T any](short, inFull T) T {
	if long {
		return inFull
	}
	return short
}

// TestManyClientsAtOnce has 16 clients upsert 6,000 InMails (50,000 in the long form), each twice and
// overlapping, while others read. Every row is stored once, and no state goes backwards.
func TestManyClientsAtOnce(t *testing.T) {
	const clients, batch = 16, 200
	records := sized(6000, 50_000)
	g := newOrg(t, func(o *Options) { o.Credentials.Users[0].Integration = true })
	batches := make(chan [2]int)
	var wait sync.WaitGroup
	for range clients {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for b := range batches {
				var rows []Fields
				for i := range batch {
					rows = append(rows, Fields{"InMail_Id__c": fmt.Sprintf("id-%05d", b[0]+i), "Status__c": []string{"Queued", "Sent"}[b[1]], "Status_Sequence__c": b[1]})
				}
				for _, code := range g.upsert(rows...) {
					if code != "stored" && code != "FIELD_CUSTOM_VALIDATION_EXCEPTION" {
						t.Errorf("a row: %s", code)
					}
				}
				if b[0]%2000 == 0 {
					if got := g.query(fmt.Sprintf("SELECT Id FROM InMail__c WHERE InMail_Id__c = 'id-%05d'", b[0])); len(got) != 1 {
						t.Errorf("%d records have one id", len(got))
					}
				}
			}
		}()
	}
	for from := 0; from < records; from += batch {
		batches <- [2]int{from, 0}
		batches <- [2]int{from, 1}
	}
	close(batches)
	wait.Wait()
	if n := g.count("InMail__c"); n != int64(records) {
		t.Errorf("%d records are stored, want %d", n, records)
	}
	last := map[string]float64{}
	for _, c := range g.History() {
		if c.NewSequence == nil || *c.NewSequence < last[c.Key] {
			t.Fatalf("backwards: %+v", c)
		}
		last[c.Key] = *c.NewSequence
	}
	// A reconcile reads all records by key, in pages.
	read, where := 0, ""
	for {
		got := g.query("SELECT InMail_Id__c, Status__c FROM InMail__c" + where + " ORDER BY InMail_Id__c LIMIT 2000")
		if len(got) == 0 {
			break
		}
		read += len(got)
		where = " WHERE InMail_Id__c > '" + got[len(got)-1]["InMail_Id__c"].(string) + "'"
	}
	if read != records {
		t.Errorf("the run by key read %d records, want %d", read, records)
	}
}

func BenchmarkUpsertOfAThousand(b *testing.B) {
	g := newOrg(b)
	var subs []Fields
	for i := range 5 {
		var rows []Fields
		for j := range 200 {
			rows = append(rows, Fields{"InMail_Id__c": fmt.Sprintf("%d-%d", i, j), "Status__c": "Sent", "Status_Sequence__c": 2, "Subject__c": "A subject of usual length", "Preview__c": strings.Repeat("preview ", 15), "Sender_Name__c": "Kim", "Sent_At__c": testNow})
		}
		subs = append(subs, sub("PATCH", "composite/sobjects/InMail__c/InMail_Id__c", fmt.Sprint("c", i), Fields{"records": typed("InMail__c", rows)}))
	}
	body, err := json.Marshal(Fields{"compositeRequest": subs})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if status, answer := g.do("POST", "composite", string(body)); status != http.StatusOK {
			b.Fatalf("%d %s", status, answer)
		}
	}
}

// TestAnyOrderOfChanges runs inserts, updates, deletions, conversions, merges and rollbacks in random
// order. After each step the indexes agree with the records, and no lookup of a live record points at a
// deleted one, except through a conversion.
func TestAnyOrderOfChanges(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s, err := New(Options{Clock: testClock})
		if err != nil {
			r.Fatal(err)
		}
		defer s.Close()
		var leads []string
		pick := func() string {
			if len(leads) == 0 {
				return newID("00Q", 99)
			}
			return rapid.SampledFrom(leads).Draw(r, "lead")
		}
		key := func() string { return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "key") }
		// Steps ignore refusals; the check below applies all the same.
		steps := map[string]func(*rapid.T){
			"insert": func(*rapid.T) {
				if id, err := s.Insert("Lead", Fields{"LastName": "L", "Company": "C", "InMail_Member_Id__c": key()}); err == nil {
					leads = append(leads, id)
				}
			},
			"inmail": func(*rapid.T) { _, _ = s.Insert("InMail__c", Fields{"InMail_Id__c": key(), "Lead__c": pick()}) },
			"task":   func(*rapid.T) { _, _ = s.Insert("Task", Fields{"WhoId": pick(), "InMail_Event_Id__c": key()}) },
			"move": func(*rapid.T) {
				if all := s.Records("InMail__c"); len(all) > 0 {
					_ = s.Edit(rapid.SampledFrom(all).Draw(r, "inmail")["Id"].(string), Fields{"Lead__c": pick(), "InMail_Id__c": key()})
				}
			},
			"delete":   func(*rapid.T) { _ = s.Delete(pick()) },
			"undelete": func(*rapid.T) { _ = s.Undelete(pick()) },
			"purge":    func(*rapid.T) { _ = s.Purge(pick()) },
			"convert":  func(*rapid.T) { _, _ = s.Convert(pick(), Conversion{}) },
			"merge":    func(*rapid.T) { _ = s.Merge(pick(), pick()) },
			"rollback": func(*rapid.T) {
				tx := s.store.begin(testClock, s.operator())
				_, _ = tx.insert(s.schema.object("InMail__c"), row{{"InMail_Id__c", key()}, {"Lead__c", pick()}}, readJSONValue)
				_ = tx.remove(s.schema.object("Lead"), pick())
				if rapid.Bool().Draw(r, "to_a_mark") {
					tx.rollbackTo(0)
					_ = tx.commit()
				}
				tx.rollback()
			},
			"": func(r *rapid.T) { s.checkIndexes(r) },
		}
		r.Repeat(steps)
	})
}

// checkIndexes compares the indexes with the records.
func (s *Sandbox) checkIndexes(r *rapid.T) {
	err := s.store.snapshot(func(v *view) {
		for _, t := range v.tables {
			counts := map[*field]int{}
			v.query(t, func(row *record) bool {
				for _, f := range t.fields {
					value := row.values[f.pos]
					if !f.indexed() || row.deleted() || value == nil {
						continue
					}
					counts[f]++
					found := v.findBy(t.object, f, value)
					if f.unique && len(found) != 1 {
						r.Fatalf("%d records have %s %v", len(found), f.name, value)
					}
					if f.kind == kindReference && f.name != "MasterRecordId" && v.live(value.(string)) == nil && f.name != "ConvertedContactId" {
						r.Fatalf("%s of a live %s points at %v, which is not there", f.name, t.object.name, value)
					}
				}
				return true
			}, t.all)
			for f, n := range counts {
				if entries := v.scalar("SELECT count(*) FROM " + t.name + " WHERE gone IS NULL AND " + f.sqlKey() + " IS NOT NULL"); int64(n) != entries {
					r.Fatalf("the index of %s.%s has %d entries for %d records", t.object.name, f.name, entries, n)
				}
			}
		}
	})
	if err != nil {
		r.Fatal(err)
	}
}

// count is how many records of an object are stored.
func (s *Sandbox) count(object string) (n int64) {
	o := s.schema.object(object)
	_ = s.store.snapshot(func(v *view) { n = v.scalar("SELECT count(*) FROM " + v.tables[o].name) })
	return n
}
