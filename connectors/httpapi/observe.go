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

	"inmail/domain"
)

// other stands for routes and methods that are none of ours: no label value comes from a request.
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
	// The page has this name before anyone has called.
	vec.WithLabelValues("/v1/inmails", http.MethodPost, strconv.Itoa(http.StatusAccepted))
	return durations{vec}, nil
}

func (d durations) observe(c *call, took time.Duration) {
	d.vec.WithLabelValues(c.route, c.method, strconv.Itoa(c.status)).Observe(took.Seconds())
}

// methodLabel keeps methods to the closed list.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return other
}

// finish is deferred around every call: it catches what panicked, and tells log and metrics what became of
// the request. Both hear of the pattern, never of the path, the query or a body.
func (c *call) finish() {
	thrown := recover()
	aborted := thrown == http.ErrAbortHandler
	if thrown != nil && !aborted {
		c.api.Log.ErrorContext(c.r.Context(), "request panicked", "route", c.route, "method", c.method,
			"panic", panicText(thrown), "stack", string(debug.Stack()))
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
	if c.fault != nil {
		c.api.Log.ErrorContext(c.r.Context(), "request failed", "route", c.route, "method", c.method, "code", c.status,
			"key", c.key.ID, "error", c.fault.Error())
	}
	level := slog.LevelInfo
	if c.quiet() {
		level = slog.LevelDebug
	}
	if c.api.Log.Enabled(c.r.Context(), level) {
		c.api.Log.LogAttrs(c.r.Context(), level, "request", slog.String("route", c.route), slog.String("method", c.method),
			slog.Int("code", c.status), slog.Float64("seconds", took.Seconds()), slog.String("key", c.key.ID))
	}
	if aborted {
		panic(http.ErrAbortHandler) // an answer had begun: the client must not take it for a whole one
	}
}

// quiet says that a request is one of the many that machines make.
func (c *call) quiet() bool {
	switch c.route {
	case "/livez", "/readyz", "/metrics", "/metrics/domain":
		return c.status < http.StatusBadRequest
	}
	return false
}

// panicText tells a panic of the runtime; of any other only its type, as it may hold a text.
func panicText(thrown any) string {
	if err, ok := thrown.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", thrown)
}
