package httpapi

import (
	"context"
	"net/http"
	"sync"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// Probe checks whether a part of the system works.
type Probe struct {
	Name     string // record, queue, schedule, clock or a CRM: what /readyz calls it
	Critical bool   // true: this process can do nothing without it, and /readyz is 503; false: 200 and degraded
	Check    func(ctx context.Context) error
}

// probeTimeout is how long a part may take to answer before it counts as down.
const probeTimeout = 2 * time.Second

func (a *API) healthEndpoints() []endpoint {
	page := func(path, name, does, more string, h http.Handler) endpoint {
		return passes(endpoint{method: "GET", path: path, name: name, does: does, more: more, group: "Operations",
			access: metricsKey, status: http.StatusOK, media: "text/plain"}, h)
	}
	return []endpoint{
		gives(endpoint{method: "GET", path: "/livez", name: "live", group: "Operations", access: anyone,
			status: http.StatusOK,
			does:   "Show that the process runs",
			more: "Looks at no part of the system: 200 as long as the process can answer at all. A supervisor that " +
				"gets no answer restarts it."}, func(*call) (health, error) { return health{Status: "ok"}, nil }),
		gives(endpoint{method: "GET", path: "/readyz", name: "ready", group: "Operations", access: anyone,
			status: http.StatusOK,
			does:   "Show whether requests can be answered",
			more: "degraded: a part is down without which it goes on, as the record is what counts. 503 while the " +
				"record is down, and while the process ends; a process without the API also answers 503 without the " +
				"queue, and one that only schedules while the schedule stands still.",
			refuses: []domain.Code{unavailable}}, (*call).ready),
		page("/metrics", "getMetrics", "Metrics of this process",
			"In the text format of Prometheus, or in OpenMetrics where Accept asks for it. Where a metrics key "+
				"is set, it is needed.", a.Metrics),
		page("/metrics/domain", "getDomainMetrics", "Metrics of the record, the same whichever replica answers",
			"What the record holds, as of its last snapshot: scrape one replica alone. Where a metrics key is "+
				"set, it is needed.", a.Domain),
		passes(endpoint{method: "GET", path: "/openapi.json", name: "getDocument", group: "Operations",
			access: anyone, status: http.StatusOK,
			does: "Give this document",
			more: "OpenAPI 3.1 as JSON, without a key. Clients are generated from it.", media: "application/json"}, http.HandlerFunc(a.serveDocument)),
	}
}

type health struct {
	Status string            `json:"status" enum:"ok,degraded" example:"ok"`
	Parts  map[string]string `json:"parts,omitempty" doc:"each part: ok or down"`
	Causes map[string]string `json:"causes,omitempty" doc:"of each part that is down: why"`
}

// ready checks all parts at once. Anybody may ask without a key, so the error of a part goes to the log
// alone, and the answer has only the cause in words for everybody.
func (c *call) ready() (health, error) {
	if c.api.stopping.Load() {
		return health{}, domain.Refuse(unavailable, "this server is about to stop; ask another")
	}
	ctx, cancel := context.WithTimeout(c.ctx, probeTimeout)
	defer cancel()
	probes := c.api.Probes
	errs := make([]error, len(probes))
	var all sync.WaitGroup
	for i, p := range probes {
		all.Go(func() { errs[i] = p.Check(ctx) })
	}
	all.Wait()
	answer := health{Status: "ok", Parts: map[string]string{}}
	var missing string
	causes := map[string]string{}
	for i, p := range probes {
		answer.Parts[p.Name] = "ok"
		if errs[i] == nil {
			continue
		}
		answer.Parts[p.Name], answer.Status = "down", "degraded"
		causes[p.Name] = string(mailroom.CauseOf(errs[i]))
		c.api.Log.WarnContext(ctx, "part is down", "part", p.Name, "error", errs[i].Error())
		if p.Critical && missing == "" {
			missing = p.Name
		}
	}
	if missing != "" {
		return health{}, domain.Refuse(unavailable, "the %s %s; this process serves again when it works",
			missing, causes[missing])
	}
	if len(causes) > 0 {
		answer.Causes = causes
	}
	return answer, nil
}
