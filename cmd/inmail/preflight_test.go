package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/domain/mailroom"
)

// TestPreflightOfTenThousand checks 10,000 recipients in one request. The answers are in the order of the
// request and equal those of single requests, and nothing is stored or spent. The log shows its time beside
// that of single requests.
func TestPreflightOfTenThousand(t *testing.T) {
	t.Parallel() // it mostly waits
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			data, url := t.TempDir(), ""
			env := calmEnv
			if engine == "postgres" {
				url = database(t)
				env = append([]string{"INMAIL_DATABASE_URL=" + url}, calmEnv...)
			}
			s := newServer(t, []string{"--data", data}, env...)
			s.Start()
			to := s.importCampaign(engine == "sqlite") // embedded mode has a Salesforce of its own
			ask := map[string]any{"to": to, "subject": "A question about queues", "category": "Recruiting",
				"body": "Dear Recipient 7,\n\nwhat you wrote on queues stayed with me. How does your team test **its own**? We could show you what we do: a model that is held against the real thing, every night."}
			body, err := json.Marshal(ask)
			if err != nil {
				t.Fatal(err)
			}
			if len(body) > 1<<20 {
				t.Fatalf("the request has %d bytes: it would be refused", len(body))
			}
			before, credits := rowsOf(t, data, url), s.must(http.StatusOK, "GET", "/v1/credits", "sender", nil)

			began := time.Now()
			answer := s.must(http.StatusOK, "POST", "/v1/preflight", "sender", body)
			together := time.Since(began)
			items := answer["items"].([]any)
			if len(items) != len(to) {
				t.Fatalf("%d answers for %d recipients", len(items), len(to))
			}
			codes := map[string]int{}
			for i, item := range items {
				item := item.(map[string]any)
				if item["to"] != to[i] {
					t.Fatalf("answer %d is of %v, not of %s", i, item["to"], to[i])
				}
				for _, kind := range []string{"refusals", "advice"} {
					for _, hit := range item[kind].([]any) {
						codes[hit.(map[string]any)["code"].(string)]++
					}
				}
			}
			for _, code := range []string{"self", "unknown_recipient", "connected", "recipient_unavailable", "profile_not_visible", "awaiting_reply", "no_name", "mention_common_connection"} {
				if codes[code] == 0 {
					t.Errorf("nobody is refused %s: %v", code, codes)
				}
			}

			totals := answer["totals"].(map[string]any)
			if totals["ok_now"] != 20.0 || totals["timetable"].([]any)[0].(map[string]any)["recipients"] != 50.0 {
				t.Errorf("%v can go now, and later %v; want the 20 credits of this period and the 50 of the next", totals["ok_now"], totals["timetable"])
			}

			const singles = 100
			began = time.Now()
			for k := range singles {
				i := k*len(to)/singles + k%23 // every kind of recipient is among them
				ask["to"] = to[i]
				alone := s.must(http.StatusOK, "POST", "/v1/preflight", "sender", ask)
				among := items[i].(map[string]any)
				for _, field := range []string{"to", "place", "limit"} {
					delete(among, field)
				}
				if among["at"] != nil { // those before it in the list take the credits (R66)
					delete(among, "at")
					delete(among, "refusals")
					delete(among, "ok")
					delete(alone, "refusals")
					delete(alone, "ok")
				}
				if diff := cmp.Diff(alone, among); diff != "" {
					t.Errorf("%s (-alone +among all):\n%s", to[i], diff)
				}
			}
			oneByOne := time.Since(began) * time.Duration(len(to)/singles)
			t.Logf("%d recipients in one request of %d bytes: %s; one by one, by %d of them: %s, %.0f times as long",
				len(to), len(body), together.Round(time.Millisecond), singles, oneByOne.Round(time.Millisecond), oneByOne.Seconds()/together.Seconds())

			if diff := cmp.Diff(before, rowsOf(t, data, url)); diff != "" {
				t.Errorf("rows (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff(credits, s.must(http.StatusOK, "GET", "/v1/credits", "sender", nil)); diff != "" {
				t.Errorf("credits (-before +after):\n%s", diff)
			}
		})
	}
}

// importCampaign imports a sender and 10,000 recipients, some of whom cannot be reached, waits until no work
// is left, also in Salesforce if there is one, and returns the ids in random order.
func (s *server) importCampaign(salesforce bool) []string {
	s.t.Helper()
	var people, bonds bytes.Buffer
	fmt.Fprintln(&people, `{"member":{"id":"sender","name":"Ada Sender","account_type":"recruiter","plan":"recruiter_50"}}`)
	fmt.Fprintln(&people, `{"member":{"id":"friend","name":"Grace Friend"}}`)
	fmt.Fprintln(&bonds, `{"connection":["sender","friend"]}`)
	to := make([]string, mailroom.MaxPreflight)
	var awaiting []string
	for i := range to {
		to[i] = fmt.Sprintf("r%d", i*7919%len(to))
		more := ""
		switch i % 23 {
		case 1:
			fmt.Fprintf(&bonds, `{"connection":["sender",%q]}`+"\n", to[i])
		case 2:
			fmt.Fprintf(&bonds, `{"connection":["friend",%q]}`+"\n", to[i])
		case 3:
			fmt.Fprintf(&bonds, `{"block":[%q,"sender"]}`+"\n", to[i])
		case 4:
			more = `,"accepts_inmail":false`
		case 5:
			more = `,"profile_visible":false`
		case 6:
			if len(awaiting) < 30 {
				awaiting = append(awaiting, to[i])
			}
		case 7:
			to[i] = fmt.Sprintf("nobody%d", i)
			continue
		}
		fmt.Fprintf(&people, `{"member":{"id":%q,"name":"Recipient %d","headline":"Builds queues","company":"Company %d","skills":["queues","models"]%s}}`+"\n",
			to[i], i, i%100, more)
	}
	to[4711] = "sender"
	for _, lines := range []*bytes.Buffer{&people, &bonds} {
		if out := s.must(http.StatusOK, "POST", "/v1/import", "", lines.Bytes(), "Content-Type", "application/x-ndjson"); out["accepted"] != out["lines"] {
			s.t.Fatalf("import: %v", out)
		}
	}
	for i, id := range awaiting {
		s.must(http.StatusAccepted, "POST", "/v1/inmails", "sender", map[string]any{"to": id, "subject": fmt.Sprintf("The fair, stand %d", i),
			"body": fmt.Sprintf("We met at the fair, at stand %d. Shall we talk on?", i)})
	}
	s.eventually("everything has come to rest", func() error {
		sent := s.must(http.StatusOK, "GET", "/v1/sent?status=sent&limit=50", "sender", nil)["items"].([]any)
		if len(sent) != len(awaiting) {
			return fmt.Errorf("%d of %d are delivered", len(sent), len(awaiting))
		}
		if left := s.must(http.StatusOK, "GET", "/v1/crm/status", "", nil)["unsynced"]; salesforce && left != float64(0) {
			return fmt.Errorf("%v are not in Salesforce", left)
		}
		return nil
	})
	return to
}

// rowsOf counts the rows of every table of the record: of SQLite in the data folder, or of the PostgreSQL at
// url.
func rowsOf(t *testing.T, data, url string) map[string]int {
	t.Helper()
	driver, source, tables := "pgx", url, `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`
	if url == "" {
		driver, source, tables = "sqlite", filepath.Join(data, "inmail.db"), `SELECT name FROM sqlite_master WHERE type = 'table'`
		if _, err := os.Stat(source); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	found, err := db.QueryContext(t.Context(), tables)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	var names []string
	for found.Next() {
		var name string
		if err := found.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, name := range names {
		var n int
		rows := `SELECT count(*) FROM "` + name + `"`
		if name == "audit" { // the calls of this test are an operator's, and each leaves its act (R70)
			rows += ` WHERE kind <> 'act'`
		}
		if err := db.QueryRowContext(t.Context(), rows).Scan(&n); err != nil {
			t.Fatal(err)
		}
		counts[name] = n
	}
	if counts["members"] < 9000 {
		t.Fatalf("the tables are not those of the record: %v", counts)
	}
	return counts
}
