package trace

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"inmail/domain"
)

// recorded makes the spans of this test and returns them.
func recorded(t *testing.T, keep sampler) *tracetest.SpanRecorder {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(sdk.NewTracerProvider(sdk.WithSpanProcessor(spans), sdk.WithIDGenerator(ids{}), sdk.WithSampler(keep)))
	t.Cleanup(func() { otel.SetTracerProvider(before) })
	return spans
}

const (
	inmail = domain.ID("019abf5e-8c00-7a31-9c55-0d6a3f6b7e21")
	traced = "019abf5e8c007a319c550d6a3f6b7e21"
)

func TestServe(t *testing.T) {
	spans := recorded(t, sampler{1})
	r := httptest.NewRequest(http.MethodPost, "/v1/inmails", nil)
	ctx, span := Serve(r, inmail)
	if got := span.SpanContext(); got.TraceID().String() != traced || got.SpanID().String() != traced[16:] || IDOf(ctx) != traced {
		t.Errorf("the first span is %s of %s", got.SpanID(), got.TraceID())
	}
	Served(span, "POST", "/v1/inmails", 202)

	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	_, span = Serve(r, inmail)
	Served(span, "POST", "/v1/inmails", 503)
	client := spans.Ended()[1]
	if client.SpanContext().TraceID().String() != "0af7651916cd43dd8448eb211c80319c" || len(client.Links()) != 1 ||
		client.Links()[0].SpanContext.TraceID().String() != traced {
		t.Errorf("a client's trace: %s with %v", client.SpanContext().TraceID(), client.Links())
	}
	_, span = Serve(httptest.NewRequest(http.MethodGet, "/v1/inbox", nil), "")
	if got := span.SpanContext(); !got.IsValid() || got.TraceID().String() == traced {
		t.Errorf("another request is in the trace %s", got.TraceID())
	}
}

func TestWork(t *testing.T) {
	spans := recorded(t, sampler{1})
	task, endTask := Work(t.Context(), "task", nil)
	_, end := Work(task, "push", []domain.ID{inmail, domain.ID(uuid.NewString()), "no id"})
	end(nil)
	endTask(nil)
	push := spans.Ended()[0]
	if push.SpanContext().TraceID().String() != traced || push.Parent().SpanID().String() != traced[16:] || len(push.Links()) != 2 {
		t.Errorf("%s below %s with %d links, want the trace of the first and links to the task and the second",
			push.SpanContext().TraceID(), push.Parent().SpanID(), len(push.Links()))
	}
}

func TestSampler(t *testing.T) {
	for name, row := range map[string]struct {
		sampler, arg string
		share        float64
		fails        bool
	}{
		"all without settings": {share: 1},
		"none":                 {sampler: "always_off", share: 0},
		"a share":              {sampler: "parentbased_traceidratio", arg: "0.25", share: .25},
		"no share":             {sampler: "traceidratio", arg: "lots", fails: true},
		"more than all":        {sampler: "traceidratio", arg: "2", fails: true},
		"unknown":              {sampler: "jaeger_remote", fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := newSampler(func(name string) string {
				return map[string]string{"OTEL_TRACES_SAMPLER": row.sampler, "OTEL_TRACES_SAMPLER_ARG": row.arg}[name]
			})
			if (err != nil) != row.fails || s.share != row.share {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
	t.Run("keeps its share of InMails", func(t *testing.T) {
		const n = 20_000
		kept := 0
		for range n {
			var id trace.TraceID
			_, _ = rand.Read(id[:])
			copy(id[:7], traced) // all of the same time
			id[8] = id[8]&0x3f | 0x80
			if (sampler{.1}).keeps(id) {
				kept++
			}
		}
		if share := float64(kept) / n; share < .08 || share > .12 {
			t.Errorf("of a tenth %g was kept", share)
		}
	})
	t.Run("alike for every span of an InMail", func(t *testing.T) {
		spans := recorded(t, sampler{0})
		_, end := Work(t.Context(), "deliver", []domain.ID{inmail})
		end(nil)
		if len(spans.Ended()) != 0 {
			t.Error("a span of a trace that is not kept was kept")
		}
	})
}

func TestWanted(t *testing.T) {
	env := map[string]string{}
	wanted := func() bool { return Wanted(func(name string) string { return env[name] }) }
	if wanted() {
		t.Error("traces are made without settings")
	}
	env["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:4318"
	if !wanted() {
		t.Error("no traces are made for an end point")
	}
	env["OTEL_SDK_DISABLED"] = "true"
	if wanted() {
		t.Error("traces are made though they are switched off")
	}
}
