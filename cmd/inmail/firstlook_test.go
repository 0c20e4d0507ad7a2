package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"inmail/dashboards/paneltest"
)

// TestBoardsAtFirstLook starts the sample as make run does, and a Prometheus only after it: every panel of
// every board shows something at the first scrape and at the second, an hour later, and beside another
// Prometheus after a restart, when the processes have counted nothing. No value is NaN, and no legend names
// more than eight series. INMAIL_TEST_PANELS names a folder for the tables.
func TestBoardsAtFirstLook(t *testing.T) {
	t.Parallel() // it mostly waits
	s := newServer(t, []string{"--sample", "--data", t.TempDir()}, "INMAIL_TIME_TRAVEL=1")
	s.Start()
	w := &weeks{server: s}
	target := httptest.NewServer(paneltest.Relay(s.url, w.ahead))
	t.Cleanup(target.Close)
	address := strings.TrimPrefix(target.URL, "http://")
	values := paneltest.Everything()
	values["__rate_interval"] = "1m" // of four scrapes

	look := func(prometheus, when string, scrapes int, after time.Time) time.Time {
		t.Helper()
		first, at := paneltest.AwaitScrapes(t, prometheus, scrapes, after)
		shown, err := paneltest.Table(t.Context(), prometheus, values, first, at)
		if err != nil {
			t.Fatal(err)
		}
		table := paneltest.String(shown)
		t.Logf("%s:\n%s", when, table)
		if folder := os.Getenv("INMAIL_TEST_PANELS"); folder != "" {
			if err := os.WriteFile(filepath.Join(folder, when+".txt"), []byte(table), 0o644); err != nil {
				t.Error(err)
			}
		}
		boards := map[string]bool{}
		for _, p := range shown {
			boards[p.Board] = true
			if problem := p.Problem(); problem != "" {
				t.Errorf("%s: %s / %s: %s", when, p.Board, p.Panel, problem)
			}
		}
		if len(boards) != 4 {
			t.Errorf("%s: %d boards show something", when, len(boards))
		}
		return at
	}
	prometheus := paneltest.Fresh(t, address)
	look(prometheus, "at the first scrape", 1, time.Time{})
	at := look(prometheus, "at the second scrape", 2, time.Time{})
	w.advance(time.Hour)
	look(prometheus, "an hour later", 2, at)

	tags := tagsOf(s.samples("/metrics/domain"))
	if !slices.Contains(tags, "q4 pipeline") || slices.Contains(tags, "other") || len(tags) > 20 {
		t.Errorf("the sample's tags are %q, without any setting", tags)
	}
	if status := s.Stop(); status != 0 {
		t.Fatalf("it stopped with %d", status)
	}
	s.Start()
	look(paneltest.Fresh(t, address), "after a restart", 2, time.Time{})
}

// tagsOf returns the tags that the metrics name, in order.
func tagsOf(samples map[string]float64) (tags []string) {
	for sample := range samples {
		if _, rest, found := strings.Cut(sample, `,tag="`); found && strings.HasPrefix(sample, "inmail_tag_messages{") {
			tags = append(tags, strings.TrimSuffix(rest, `"}`))
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}
