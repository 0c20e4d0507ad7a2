package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// history sends nine InMails over three weeks and ends in W48 of 2026, when two of the weeks have their open
// rate and one of them also its response rate.
func (r *running) history() {
	r.t.Helper()
	r.people()
	const week = 7 * 24 * time.Hour
	for n, w := range []struct {
		ago, opened, replied int
		tags                 []string
	}{
		{7, 2, 1, []string{"--tag", "fair"}},
		{3, 2, 2, []string{"--tag", "fair"}},
		{1, 1, 0, nil},
	} {
		r.clock.Pin(monday.Add(-time.Duration(w.ago) * week))
		for i := range 3 {
			to := fmt.Sprintf("r%d", 3*n+i+1)
			id := r.delivered(to, "A question about Tuesday", w.tags...)
			if i < w.opened {
				r.must(exitDone, "open", id, "--member", to)
			}
			if w.ago == 1 && i == 2 {
				r.must(exitDone, "decline", id, "--member", to)
			}
			if i < w.replied {
				r.must(exitDone, "reply", id, "--member", to, "--body", "Tuesday suits me.")
			}
		}
	}
	r.clock.Pin(monday)
}

func TestReport(t *testing.T) {
	r := newRunning(t)
	r.history()
	screen(t, `
WEEK      DELIVERED  OPENED                      95 %        RESPONDED                   95 %        DECLINED
2026-W41          3   66.7 % of 3    ██████▋···  21–94 %      33.3 % of 3    ███▍······   6–79 %            0
2026-W45          3   66.7 % of 3    ██████▋···  21–94 %     so far 2 of 3               incomplete         0
2026-W47          3  so far 2 of 3               incomplete  so far 0 of 3               incomplete         1
all               9   66.7 % of 6 +  ██████▋···  30–90 %      33.3 % of 3 +  ███▍······   6–79 %            1

 +  over the complete weeks; younger ones are not in the rate yet
responded: a first reply within 30 days (open_rate/1, response_rate/1)

TAG   DELIVERED  OPENED                     95 %        RESPONDED                   95 %        DECLINED
fair          6   66.7 % of 6   ██████▋···  30–90 %      33.3 % of 3 +  ███▍······   6–79 %            0
none          3  so far 2 of 3              incomplete  so far 0 of 3               incomplete         1

 +  over the complete weeks; younger ones are not in the rate yet
responded: a first reply within 30 days (open_rate/1, response_rate/1)

`, must(t, exitDone, "report"))

	t.Run("JSON is the API's", func(t *testing.T) {
		sameJSON(t, r.api("GET", "/v1/analytics?by=tag&from=2026-10-01", ""), must(t, exitDone, "report", "--by", "tag", "--from", "2026-10-01", "--json"))
		both := read[map[string]json.RawMessage](t, must(t, exitDone, "report", "--json"))
		for _, cut := range []string{"week", "tag"} {
			var want, got any
			if err := json.Unmarshal([]byte(r.api("GET", "/v1/analytics?by="+cut, "")), &want); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(both[cut], &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("by %s (-the API's answer +printed):\n%s", cut, diff)
			}
		}
	})
	t.Run("each cut", func(t *testing.T) {
		for _, cut := range []string{"week", "tag", "account_type", "category", "sender", "length", "advice"} {
			got := must(t, exitDone, "report", "--by", cut)
			if !strings.HasPrefix(got.out, strings.ToUpper(strings.ReplaceAll(cut, "_", " "))) || !strings.Contains(got.out, "responded: a first reply within 30 days") {
				t.Errorf("by %s:\n%s", cut, got.out)
			}
		}
	})
	t.Run("two tags compared", func(t *testing.T) {
		got := must(t, exitDone, "report", "--compare", "fair", "none")
		for _, part := range []string{"FAIR AGAINST NONE", "opened", "responded", "no complete week with both", "the intervals hold however often you look"} {
			if !strings.Contains(strings.ToUpper(got.out), strings.ToUpper(part)) {
				t.Errorf("no %q in\n%s", part, got.out)
			}
		}
		sameJSON(t, r.api("GET", "/v1/analytics/tags/fair/none", ""), must(t, exitDone, "report", "--compare", "Fair", "none", "--json"))
		for _, args := range [][]string{{"--compare", "fair"}, {"--compare", "fair", "a", "b"}, {"fair"}, {"--compare", "fair", "none", "--by", "tag"}, {"--compare", "fair", "FAIR"}} {
			must(t, exitUsage, append([]string{"report"}, args...)...)
		}
	})
	t.Run("against all others", func(t *testing.T) {
		got := must(t, exitDone, "report", "--by", "advice")
		if !strings.Contains(got.out, "AGAINST ALL OTHERS") || strings.Contains(got.out, "higher (") {
			t.Errorf("by advice:\n%s", got.out)
		}
	})
	t.Run("a part of the time", func(t *testing.T) {
		part := read[ratesAnswer](t, must(t, exitDone, "report", "--by", "week", "--json", "--from", "2026-11-02", "--to", "2026-11-08T12:00:00Z"))
		if len(part.Rows) != 1 || part.Rows[0].Key != "2026-W45" {
			t.Errorf("rows are %+v", part.Rows)
		}
		screen(t, "by week: nothing was delivered\n\nby tag: nothing was delivered\n\n", must(t, exitDone, "report", "--from", "2027-01-01"))
	})
	t.Run("wrong words", func(t *testing.T) {
		for _, args := range [][]string{{"--by", "month"}, {"--from", "yesterday"}, {"--from", "2026-11-02", "--to", "2026-11-01"}} {
			must(t, exitUsage, append([]string{"report"}, args...)...)
		}
	})
	t.Run("as a member", func(t *testing.T) {
		own := read[ratesAnswer](t, must(t, exitDone, "report", "--by", "sender", "--member", "r1", "--json"))
		if len(own.Rows) != 0 {
			t.Errorf("a member who sent nothing sees %+v", own.Rows)
		}
	})
}
