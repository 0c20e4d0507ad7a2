// Package trace makes traces for OpenTelemetry, by the standard OTEL_* settings. Without them it does nothing
// and costs next to nothing.
//
// The trace of an InMail has its id: the 16 bytes of the UUID are the id of the trace, and the last 8 of them
// that of its first span. So every process that works on an InMail continues its trace, whatever time has
// passed, and nothing has to be stored or carried for that. A span that is about many InMails continues the
// trace of the first and has links to those of the others. No span holds a text, a name or an address of
// anybody.
package trace

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"inmail/domain"
)

// scope is the name under which all spans are made.
const scope = "inmail"

// maxLinks is how many traces a span of many InMails is linked to.
const maxLinks = 128

// Wanted reports whether the settings ask for traces: an end point is named, and nothing switches them off.
func Wanted(getenv func(string) string) bool {
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") || getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// Start begins to export spans when the settings ask for it. stop sends what is left and ends it; it is never
// nil. version is that of the program.
func Start(ctx context.Context, version string, log *slog.Logger) (stop func(context.Context) error, err error) {
	stop = func(context.Context) error { return nil }
	if !Wanted(os.Getenv) {
		return stop, nil
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if protocol := os.Getenv(name); protocol != "" && protocol != "http/protobuf" {
			return stop, fmt.Errorf("%s is %q, and this program speaks http/protobuf; set that, or leave it out",
				name, protocol)
		}
	}
	keep, err := newSampler(os.Getenv)
	if err != nil {
		return stop, err
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return stop, fmt.Errorf("export traces: %w", err)
	}
	of, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", scope),
		attribute.String("service.version", version)), resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		return stop, fmt.Errorf("describe this process to the receiver of traces: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {
		log.Warn("traces could not be sent; see OTEL_EXPORTER_OTLP_ENDPOINT") // its error may quote the address
	}))
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(of), sdk.WithIDGenerator(ids{}),
		sdk.WithSampler(keep))
	otel.SetTracerProvider(provider)
	return provider.Shutdown, nil
}

// carrier reads and writes the header traceparent.
var carrier = propagation.TraceContext{}

func tracer() trace.Tracer { return otel.Tracer(scope) }

// Serve begins the span of a request that this process answers. When the request brings no trace, and inmail
// is not empty, the span is the first of the trace of that InMail, which the request may make.
func Serve(r *http.Request, inmail domain.ID) (context.Context, trace.Span) {
	ctx := carrier.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}
	if root, ok := rootOf(inmail); ok {
		if trace.SpanContextFromContext(ctx).IsValid() {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: root}))
		} else {
			ctx = context.WithValue(ctx, firstKey{}, root)
			options = append(options, trace.WithNewRoot())
		}
	}
	return tracer().Start(ctx, r.Method, options...)
}

// Served completes and ends the span of a request.
func Served(span trace.Span, method, route string, status int) {
	span.SetName(method + " " + route)
	span.SetAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route),
		attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// Work begins a span of work on InMails, and returns what ends it.
func Work(ctx context.Context, name string, inmails []domain.ID) (_ context.Context, end func(error)) {
	var links []trace.Link
	if len(inmails) > 0 {
		parent := trace.SpanContextFromContext(ctx)
		if root, ok := rootOf(inmails[0]); ok && parent.TraceID() != root.TraceID() {
			if parent.IsValid() {
				links = append(links, trace.Link{SpanContext: parent})
			}
			ctx = trace.ContextWithRemoteSpanContext(ctx, root)
		}
		inmails = inmails[1:]
	}
	for _, id := range inmails[:min(len(inmails), maxLinks)] {
		if root, ok := rootOf(id); ok {
			links = append(links, trace.Link{SpanContext: root})
		}
	}
	ctx, span := tracer().Start(ctx, name, trace.WithLinks(links...))
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, "") // the error may quote what a span must not hold
		}
		span.End()
	}
}

// Transport makes a span of every call that leaves the process by next. system is who is called: salesforce.
func Transport(system string, next http.RoundTripper) http.RoundTripper {
	return &transport{system, next}
}

type transport struct {
	system string
	next   http.RoundTripper
}

// RoundTrip sends a request. Its span names the method and the system, not the address, which may hold ids
// and queries.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, span := tracer().Start(r.Context(), r.Method+" "+t.system, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("http.request.method", r.Method), attribute.String("peer.service", t.system)))
	defer span.End()
	resp, err := t.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		span.SetStatus(codes.Error, "")
		return resp, err
	}
	span.SetAttributes(attribute.Int("http.response.status_code", resp.StatusCode))
	if resp.StatusCode >= http.StatusBadRequest {
		span.SetStatus(codes.Error, "")
	}
	return resp, nil
}

// IDOf returns the id of the trace of a context, in hexadecimal; empty when there is none or it is not kept.
func IDOf(ctx context.Context) string {
	if s := trace.SpanContextFromContext(ctx); s.IsSampled() {
		return s.TraceID().String()
	}
	return ""
}

// rootOf returns the first span of the trace of an InMail. Whether that trace is kept is left to the sampler.
func rootOf(id domain.ID) (trace.SpanContext, bool) {
	raw, err := hex.DecodeString(strings.ReplaceAll(string(id), "-", ""))
	if err != nil || len(raw) != 16 {
		return trace.SpanContext{}, false
	}
	config := trace.SpanContextConfig{TraceFlags: trace.FlagsSampled, Remote: true}
	copy(config.TraceID[:], raw)
	copy(config.SpanID[:], raw[8:])
	return trace.NewSpanContext(config), true
}

type firstKey struct{}

// ids gives the first span of an InMail's trace the ids that follow from the InMail, and others new ones.
type ids struct{}

// NewIDs returns the ids of a new trace and its first span.
func (ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if root, ok := ctx.Value(firstKey{}).(trace.SpanContext); ok {
		return root.TraceID(), root.SpanID()
	}
	var t trace.TraceID
	fill(t[:])
	return t, newSpanID()
}

// NewSpanID returns the id of a further span.
func (ids) NewSpanID(context.Context, trace.TraceID) trace.SpanID { return newSpanID() }

func newSpanID() (s trace.SpanID) {
	fill(s[:])
	return s
}

// fill fills b, of 8 or 16 bytes, with random bytes that are not all zero, as the ids must not be.
func fill(b []byte) {
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rand.Uint64N(math.MaxUint64)+1)
	}
}
