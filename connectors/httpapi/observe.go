package httpapi

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"inmail/connectors/trace"
	"inmail/domain"
)

// other is the label of unknown routes and methods: no label value is taken from a request.
const other = "other"

// durations is inmail_http_request_duration_seconds.
type durations struct{ vec *prometheus.HistogramVec }

func newDurations(reg prometheus.Registerer) (durations, error) {
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "inmail_http_request_duration_seconds",
		Help:    "How long requests took, by the pattern of their route.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "method", "code"})
	if err := reg.Register(vec); err != nil {
		return durations{}, fmt.Errorf("register the request metrics: %w", err)
	}
	// With this row /metrics lists the histogram before the first request.
	vec.WithLabelValues("/v1/inmails", http.MethodPost, strconv.Itoa(http.StatusAccepted))
	return durations{vec}, nil
}

// newWrongKeys registers inmail_http_wrong_keys_total.
func newWrongKeys(reg prometheus.Registerer) (prometheus.Counter, error) {
	c := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "inmail_http_wrong_keys_total", Help: "Requests with a key that is not known, has expired or was deleted."})
	if err := reg.Register(c); err != nil {
		return nil, fmt.Errorf("register the count of wrong keys: %w", err)
	}
	return c, nil
}

func (d durations) observe(c *call, took time.Duration) {
	o := d.vec.WithLabelValues(c.route, c.method, strconv.Itoa(c.status))
	if id := trace.IDOf(c.ctx); id != "" {
		o.(prometheus.ExemplarObserver).ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": id})
		return
	}
	o.Observe(took.Seconds())
}

// beginTrace begins the span of a request. The trace of a send is that of the InMail which it may make,
// unless the client has begun one.
func (c *call) beginTrace() {
	if c.r.Method == http.MethodPost && c.r.URL.Path == sendPath && c.api.NewID != nil {
		c.newID = c.api.NewID()
	}
	c.ctx, c.span = trace.Serve(c.r, c.newID)
}

// methodLabel returns a usual method as it is, and other for the rest, so that labels are a closed list.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions:
		return method
	}
	return other
}

// finish is deferred around every call: it recovers from a panic and reports the request to log and metrics.
// Both get the pattern of the route, never the path, the query or a body.
func (c *call) finish() {
	recovered := recover()
	aborted := recovered == http.ErrAbortHandler
	if recovered != nil && !aborted {
		c.api.Log.ErrorContext(c.r.Context(), "request panicked", "route", c.route, "method", c.method,
			"request_id", c.id,
			"panic", panicText(recovered), "stack", string(debug.Stack()))
		if aborted = c.status != 0; !aborted {
			c.writeProblem(domain.Refuse(internal, "a fault of the server; it was noted"))
		}
	}
	if c.status == 0 && !aborted {
		c.status = http.StatusOK // the handler wrote nothing: net/http answers so
	}
	if aborted {
		c.status = http.StatusInternalServerError
	}
	took := time.Since(c.began)
	c.api.durations.observe(c, took)
	trace.Served(c.span, c.method, c.route, c.status)
	if c.fault != nil {
		c.api.Log.ErrorContext(c.r.Context(), "request failed", "route", c.route, "method", c.method, "code", c.status,
			"request_id", c.id, "key", c.key.ID, "error", c.fault.Error())
	}
	level := slog.LevelInfo
	if c.quiet() {
		level = slog.LevelDebug
	}
	if c.api.Log.Enabled(c.r.Context(), level) {
		c.api.Log.LogAttrs(c.r.Context(), level, "request", slog.String("route", c.route),
			slog.String("method", c.method),
			slog.Int("code", c.status), slog.String("took", took.Round(time.Microsecond).String()),
			slog.String("request_id", c.id), slog.String("client", c.client.String()), slog.String("key", c.key.ID))
	}
	if aborted {
		panic(http.ErrAbortHandler) // net/http breaks off the answer that had begun: it must not look whole
	}
}

// quiet is true for the frequent requests of machines that went well; they are logged at level debug.
func (c *call) quiet() bool {
	switch c.route {
	case "/livez", "/readyz", "/metrics", "/metrics/domain":
		return c.status < http.StatusBadRequest
	}
	return false
}

// panicText returns the text of a panic of the runtime, and of any other panic only its type: its value may
// quote what was sent.
func panicText(recovered any) string {
	if err, ok := recovered.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", recovered)
}
