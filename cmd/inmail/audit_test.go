package main

import (
	"strings"
	"testing"
	"time"
)

// TestAuditCounts checks what API and command line say of like refusals and of polls of the feed: one entry
// with a count, which keeps its place in the list while it grows (R43, R70).
func TestAuditCounts(t *testing.T) {
	r := newRunning(t)
	r.people()
	for _, to := range []string{"lena.hart", "lena.hart", "friend"} {
		must(t, exitRefused, "send", "--member", "lena.hart", "--to", to, "--subject", "Tuesday", "--body", "A note.")
		r.pass(time.Second)
	}
	screen(t, `
ID                                    AT                 KIND  TO         CODES      COUNT             WHY
id..................................  23 Nov 2026 09:00  send  friend     connected  1
id..................................  23 Nov 2026 09:00  send  lena.hart  self       2, last 09:00:01
`, must(t, exitDone, "restriction", "decisions", "lena.hart"))

	type list struct {
		Items []struct {
			ID     string
			Count  int
			At     time.Time
			LastAt time.Time `json:"last_at"`
			Detail struct{ Call string }
		}
		NextCursor string `json:"next_cursor"`
	}
	acts := func(query string) list {
		t.Helper()
		return read[list](t, result{out: r.api("GET", "/v1/audit?kind=act"+query, "")})
	}
	poll := func(n int) {
		t.Helper()
		for range n {
			if got := r.api("GET", "/v1/events", ""); !strings.Contains(got, `"items"`) {
				t.Fatal(got)
			}
			r.pass(time.Second)
		}
	}
	poll(5)
	began := r.clock.Now()
	first := acts("&limit=1") // this call itself, which comes last
	poll(2)
	rest := acts("&cursor=" + first.NextCursor)
	if len(first.Items) != 1 || first.Items[0].Detail.Call != "GET /v1/audit" || len(rest.Items) == 0 {
		t.Fatalf("%+v, then %+v", first, rest)
	}
	feed := rest.Items[0]
	if feed.Detail.Call != "GET /v1/events" || feed.Count != 7 || !feed.At.Equal(began.Add(-5*time.Second)) || !feed.LastAt.Equal(began.Add(time.Second)) {
		t.Errorf("the feed was read seven times: %+v", feed)
	}
	for _, e := range rest.Items[1:] {
		if e.Detail.Call == "GET /v1/events" || e.ID == first.Items[0].ID {
			t.Errorf("listed again: %+v", e)
		}
	}
}
