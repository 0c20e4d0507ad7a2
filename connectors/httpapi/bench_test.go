package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"inmail/domain/mailroom"
)

// instant accepts at once, so that the benchmark measures the HTTP side alone.
type instant struct{}

func (instant) Accept(context.Context, mailroom.Send) (mailroom.Accepted, error) {
	return mailroom.Accepted{ID: "019abf5e-8c00-7000-8000-000000000001"}, nil
}

// bare is the smallest handler of the same call with net/http and encoding/json: no key, no check, no metric.
func bare(w http.ResponseWriter, r *http.Request) {
	var in struct {
		To      string   `json:"to"`
		Subject string   `json:"subject"`
		Body    string   `json:"body"`
		Tags    []string `json:"tags"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, "invalid", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	json.NewEncoder(w).Encode(map[string]any{"id": "019abf5e-8c00-7000-8000-000000000001", "status": "queued", "advice": []string{}})
}

// BenchmarkPost compares POST /v1/inmails, with key, checks, metrics and log, with the bare handler: called
// directly, and over loopback.
func BenchmarkPost(b *testing.B) {
	fakeService := newFakeService()
	_, key, err := fakeService.CreateKey(b.Context(), mailroom.Viewer{}, mailroom.NewKey{Role: mailroom.RoleOperator})
	if err != nil {
		b.Fatal(err)
	}
	api, err := New(Parts{Config: Default(), Service: useCases(fakeService), Sender: instant{},
		Registry: prometheus.NewRegistry(), Metrics: text(""), Domain: text(""),
		Log: slog.New(slog.NewJSONHandler(io.Discard, nil)), Now: fakeService.Now})
	if err != nil {
		b.Fatal(err)
	}
	body := `{"to":"maria-lopez","subject":"Our talk at the fair in Hamburg","body":"` + strings.Repeat("Hello Maria, thank you for your time. ", 20) + `","tags":["hamburg fair"]}`
	for name, handler := range map[string]http.Handler{"inmail": api, "bare": http.HandlerFunc(bare)} {
		b.Run("handler/"+name, func(b *testing.B) {
			b.ReportAllocs()
			r := httptest.NewRequest("POST", "/v1/inmails", nil)
			dress(r, key)
			r.ContentLength = int64(len(body))
			w := &discard{header: http.Header{}}
			for b.Loop() {
				r.Body = io.NopCloser(strings.NewReader(body))
				clear(w.header)
				handler.ServeHTTP(w, r)
			}
			if w.status != http.StatusAccepted {
				b.Fatalf("status %d", w.status)
			}
		})
		b.Run("loopback/"+name, func(b *testing.B) {
			s := httptest.NewServer(handler)
			defer s.Close()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r, err := http.NewRequestWithContext(b.Context(), "POST", s.URL+"/v1/inmails", strings.NewReader(body))
					if err != nil {
						b.Error(err)
						return
					}
					dress(r, key)
					resp, err := http.DefaultClient.Do(r)
					if err != nil {
						b.Error(err)
						return
					}
					io.Copy(io.Discard, resp.Body)
					if resp.Body.Close(); resp.StatusCode != http.StatusAccepted {
						b.Errorf("status %s", resp.Status)
						return
					}
				}
			})
		})
	}
}

func dress(r *http.Request, key string) {
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Inmail-Member", "jo")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", "order-4711")
}

// discard is a ResponseWriter that keeps nothing but the status.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
