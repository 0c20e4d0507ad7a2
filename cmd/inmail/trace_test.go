package main

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// exported is a span as the receiver got it.
type exported struct{ name, trace, id, parent string }

// receiver receives traces by OTLP over HTTP.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	spans []exported
	raw   []byte // all that was received
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := r.receive(req); err != nil {
			t.Error(err)
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) receive(req *http.Request) error {
	body, err := io.ReadAll(req.Body)
	if err == nil && req.Header.Get("Content-Encoding") == "gzip" {
		var unpacked *gzip.Reader
		if unpacked, err = gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, err = io.ReadAll(unpacked)
		}
	}
	var export collector.ExportTraceServiceRequest
	if err = errors.Join(err, proto.Unmarshal(body, &export)); err != nil || req.URL.Path != "/v1/traces" {
		return fmt.Errorf("%s: %w", req.URL.Path, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.raw = append(r.raw, body...)
	for _, resource := range export.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				r.spans = append(r.spans, exported{s.Name, hex.EncodeToString(s.TraceId), hex.EncodeToString(s.SpanId), hex.EncodeToString(s.ParentSpanId)})
			}
		}
	}
	return nil
}

// of returns the spans of a trace by name.
func (r *receiver) of(trace string) map[string]exported {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := map[string]exported{}
	for _, s := range r.spans {
		if s.trace == trace {
			found[s.name] = s
		}
	}
	return found
}

// TestTrace follows one send through two processes, from the request to the call to Salesforce.
func TestTrace(t *testing.T) {
	t.Parallel() // it mostly waits
	o, r := newOrg(t), newReceiver(t)
	env := slices.Concat(o.env(), calmEnv, []string{"INMAIL_DATABASE_URL=" + database(t), "INMAIL_REDIS_URL=" + newRedis(t).url(),
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + r.URL, "OTEL_BSP_SCHEDULE_DELAY=100"})
	api := newServer(t, []string{"--roles", "api,scheduler"}, env...)
	api.Start()
	work := newServer(t, []string{"--roles", "worker"}, env...)
	work.Start()
	api.network(1, "recruiter_50", 1)
	var sent atomic.Int64
	ids := api.load(1, 1, &sent)
	api.deliveredOnce(ids, 1, 1)
	o.hasAll(ids, "Sent")
	var id string
	for _, one := range ids {
		id = strings.ReplaceAll(one, "-", "")
	}
	root := id[16:]
	eventually(t, "the trace of the send is whole", func() error {
		got := r.of(id)
		for name, parent := range map[string]string{
			"POST /v1/inmails": "", "accept": root, "task inmail:send": root, "deliver": root, "push to salesforce": root,
		} {
			if s, there := got[name]; !there || s.parent != parent {
				return fmt.Errorf("%s: %+v, want the parent %q", name, s, parent)
			}
		}
		if s := got["POST /v1/inmails"]; s.id != root {
			return fmt.Errorf("the first span is %s, want %s", s.id, root)
		}
		push := got["push to salesforce"]
		for _, s := range got {
			if strings.HasSuffix(s.name, " salesforce") && s.parent == push.id && s.name != push.name {
				return nil
			}
		}
		return fmt.Errorf("no call to Salesforce below %+v in %+v", push, got)
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, private := range []string{"Bearer", operatorKey, "A question about", "stayed with me", "Recipient 0", "/services/"} {
		if bytes.Contains(r.raw, []byte(private)) {
			t.Errorf("the traces hold %q", private)
		}
	}
}
