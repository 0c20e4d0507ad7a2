package httpapi

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestMetrics checks that the label route is the pattern of a path, and other for an unknown path or method.
func TestMetrics(t *testing.T) {
	w := newWorld(t)
	if n := testutil.CollectAndCount(w.registry, "inmail_http_request_duration_seconds"); n != 1 {
		t.Errorf("%d series before anyone has called, want 1", n)
	}
	id := w.sent()
	w.ask(w.sender, "GET", "/v1/inmails/"+string(id), nil).want(200, "")
	w.ask(w.sender, "GET", "/v1/inmails/nothing", nil).want(404, "not_found")
	w.ask(w.sender, "HEAD", "/v1/sent", nil)
	w.ask("", "GET", "/v1/nothing/here", nil).want(404, "not_found")
	w.ask("", "BREW", "/v1/nothing/else", nil).want(404, "not_found")
	w.ask("", "BREW", "/v1/sent", nil).want(405, "method_not_allowed")
	w.ask(w.operator, "GET", "/queues/static/js/main.js", nil).want(200, "")
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, m := range families[0].GetMetric() {
		label := map[string]string{}
		for _, l := range m.GetLabel() {
			label[l.GetName()] = l.GetValue()
		}
		got[label["method"]+" "+label["route"]+" "+label["code"]] = m.GetHistogram().GetSampleCount()
	}
	want := map[string]uint64{"POST /v1/inmails 202": 1, "GET /v1/inmails/{id} 200": 1, "GET /v1/inmails/{id} 404": 1, "HEAD /v1/sent 200": 1, "GET other 404": 1, "other other 404": 1,
		"other /v1/sent 405": 1, "GET /queues/{rest...} 200": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
}

// TestMetricsOnce checks that a second API on the same registry is an error, not a panic.
func TestMetricsOnce(t *testing.T) {
	w := newWorld(t)
	if _, err := newDurations(w.registry); err == nil {
		t.Error("registered twice")
	}
}

// TestAccessLog checks that each request has a line with the pattern and the key's id, and that the requests
// of machines are logged at level debug.
func TestAccessLog(t *testing.T) {
	w := newWorld(t)
	w.ask(w.sender, "GET", "/v1/sent?tag=secret", nil).want(200, "")
	line := w.log.String()
	for _, part := range []string{"level=INFO", "msg=request", "route=/v1/sent", "method=GET", "code=200", "took=", "request_id=", "client=", "key=019abf5e"} {
		if !strings.Contains(line, part) {
			t.Errorf("%s is missing in %s", part, line)
		}
	}
	if strings.Contains(line, "secret") || strings.Contains(line, w.sender) {
		t.Errorf("the log has too much: %s", line)
	}
	w.log.Reset()
	w.ask("", "GET", "/livez", nil).want(200, "")
	if !strings.Contains(w.log.String(), "level=DEBUG") {
		t.Errorf("a probe is logged as %s", w.log)
	}
}

// TestPanicAfterTheAnswerBegan checks that the connection is broken off, so that half an answer does not look
// like a whole one.
func TestPanicAfterTheAnswerBegan(t *testing.T) {
	w := newWorld(t, func(p *Parts) {
		p.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte("half"))
			var none []int
			_ = none[3]
		})
	})
	func() {
		defer func() {
			if thrown := recover(); thrown != http.ErrAbortHandler {
				t.Errorf("thrown: %v", thrown)
			}
		}()
		w.api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil))
	}()
	if log := w.log.String(); !strings.Contains(log, "index out of range") || !strings.Contains(log, "code=500") {
		t.Errorf("the log is %s", log)
	}
}

// TestQuietLogger checks that a logger with a higher level leaves out the line of a request and nothing else.
func TestQuietLogger(t *testing.T) {
	w := newWorld(t, func(p *Parts) { p.Log = slog.New(slog.DiscardHandler) })
	w.ask("", "GET", "/livez", nil).want(200, "")
	if n := testutil.CollectAndCount(w.registry, "inmail_http_request_duration_seconds"); n != 2 {
		t.Errorf("%d series, want 2", n)
	}
}
