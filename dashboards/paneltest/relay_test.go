package paneltest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/dashboards/paneltest"
)

func TestRelayMovesTimestampsBack(t *testing.T) {
	const samples = `# TYPE inmail_snapshot_timestamp_seconds gauge
inmail_snapshot_timestamp_seconds 1.8e+09
inmail_cohort_open_complete_timestamp_seconds{cohort_week="2027-W03"} 1800000600.25
inmail_crm_oldest_unsynced_timestamp_seconds{crm="salesforce"} 0
inmail_pending_unopened 1.8e+09
`
	const moved = `# TYPE inmail_snapshot_timestamp_seconds gauge
inmail_snapshot_timestamp_seconds 1799395200
inmail_cohort_open_complete_timestamp_seconds{cohort_week="2027-W03"} 1799395800.25
inmail_crm_oldest_unsynced_timestamp_seconds{crm="salesforce"} 0
inmail_pending_unopened 1.8e+09
`
	program := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics/domain" || r.Header.Get("Authorization") != "Bearer key" {
			http.Error(w, "not asked as Prometheus asks", http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, samples)
	}))
	defer program.Close()
	relay := httptest.NewServer(paneltest.Relay(program.URL, func() time.Duration { return 168 * time.Hour }))
	defer relay.Close()

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, relay.URL+"/metrics/domain", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer key")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(moved, string(got)); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
}
