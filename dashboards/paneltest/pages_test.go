package paneltest_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"inmail/connectors/metrics"
	"inmail/dashboards/paneltest"
	"inmail/domain/mailroom"
)

// The collectors of the program keep the contract, even before anything is done or stored.
func TestPagesOfTheCollectors(t *testing.T) {
	process, domain := prometheus.NewRegistry(), prometheus.NewRegistry()
	metrics.NewProcess(process).CRM("salesforce", []string{"InMail__c"}, []string{"query"})
	process.MustRegister(metrics.ClockOffset(func() time.Duration { return 0 }))
	process.MustRegister(metrics.BuildInfo("v1.0.0", "", "go1"))
	process.MustRegister(metrics.ScheduleBeat(func() time.Duration { return 0 }))
	process.MustRegister(metrics.RecordHeld(func() bool { return false }))
	domain.MustRegister(metrics.NewDomain(
		func(context.Context) (*mailroom.Snapshot, error) { return nil, nil }, "salesforce", slog.New(slog.DiscardHandler)))
	pages := http.NewServeMux()
	pages.Handle("GET /metrics", metrics.Handler(process))
	pages.Handle("GET /metrics/domain", metrics.Handler(domain))
	server := httptest.NewServer(pages)
	defer server.Close()

	faults, err := paneltest.Pages(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	// Metrics that other parts register, and those that have no series before there is a week or a tag.
	elsewhere := []string{"asynq_", "process_", "go_", "inmail_http_", "inmail_cohort_", "inmail_tag_messages"}
	faults = slices.DeleteFunc(faults, func(fault string) bool {
		return slices.ContainsFunc(elsewhere, func(prefix string) bool { return strings.HasPrefix(fault, prefix) })
	})
	if len(faults) > 0 {
		t.Errorf("differs from the contract:\n%s", strings.Join(faults, "\n"))
	}
}

func TestPagesFindsWhatDiffers(t *testing.T) {
	source := &exporter{without: "inmail_reports_total", shifted: "inmail_expiry_lag_seconds"}
	faults, err := paneltest.Pages(t.Context(), "http://"+source.start(t))
	if err != nil {
		t.Fatal(err)
	}
	for i, fault := range faults {
		faults[i], _, _ = strings.Cut(fault, " [")
	}
	want := []string{"inmail_reports_total: missing", "inmail_expiry_lag_seconds: has the buckets"}
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(faults))); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}
