package paneltest_test

import (
	"strings"
	"testing"
	"time"

	"inmail/dashboards/paneltest"
)

// patience bounds the wait for a Prometheus that scrapes every second. The duration itself is not tested.
const patience = 15 * time.Minute

// Every query answers, and a board with one job selected shows the figures of that job only.
func TestEveryQueryAnswers(t *testing.T) {
	t.Parallel() // it mostly waits
	source := &exporter{}
	base := paneltest.Prometheus(t, source.start(t))
	paneltest.Await(t, base, paneltest.Everything(), patience)

	values := paneltest.Everything()
	values["job"] = "inmail|inmail-domain"
	paneltest.Await(t, base, values, patience)
	values["job"] = "elsewhere"
	faults, err := paneltest.Check(t.Context(), base, values)
	if err != nil {
		t.Fatal(err)
	}
	if len(faults) == 0 {
		t.Error("a job that does not exist shows figures")
	}
	for _, f := range faults {
		if !strings.Contains(f.Query, "elsewhere") && !strings.Contains(f.Query, "$job") {
			t.Errorf("not of a board: %s", f)
		}
	}
}

// The check must find what is missing.
func TestCheckFindsWhatIsMissing(t *testing.T) {
	t.Parallel() // it mostly waits
	source := &exporter{without: "inmail_restricted_senders", shifted: "inmail_delivery_lag_seconds"}
	base := paneltest.Prometheus(t, source.start(t))
	want := []string{
		"InMail / Reputation / Restricted senders / A: no rows",
		"InMail / Reputation / Restricted senders by trigger / A: no such series",
		`job:inmail_deliveries_late:rate5m: no such series`, // because no bucket ends at 5 s
	}
	again := time.NewTicker(time.Second)
	defer again.Stop()
	limit := time.After(patience)
	for {
		faults, err := paneltest.Check(t.Context(), base, paneltest.Everything())
		if err != nil {
			t.Fatal(err)
		}
		missing, others := append([]string{}, want...), []string{}
		for _, f := range faults {
			for i, w := range missing {
				if strings.HasPrefix(f.String(), w) {
					missing = append(missing[:i], missing[i+1:]...)
					break
				}
			}
			if !strings.Contains(f.Query, "restricted_senders") && !strings.Contains(f.Query, "delivery_lag") && !strings.Contains(f.Query, "deliveries_late") {
				others = append(others, f.String())
			}
		}
		if len(missing)+len(others) == 0 {
			return
		}
		select {
		case <-again.C:
		case <-limit:
			t.Fatalf("not reported: %q\nreported, and there: %q", missing, others)
		}
	}
}
