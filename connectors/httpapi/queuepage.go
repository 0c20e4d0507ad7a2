package httpapi

import (
	"net/http"
	"net/http/pprof"

	"inmail/domain"
)

// queuePageEndpoints serve the queue's own page to operators, under /queues and below. A browser sends the
// password of Basic authentication, which is the operator's key, also with requests that other sites make. So
// any request that changes something must come from the page itself.
func (a *API) queuePageEndpoints() []endpoint {
	if a.Queues == nil {
		return nil
	}
	guard := http.NewCrossOriginProtection()
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := w.(*call)
		if err := guard.Check(r); err != nil {
			c.refuse(domain.Refuse(domain.Forbidden, "the queue is changed from its own page alone"))
			return
		}
		c.Header().Set("Content-Security-Policy", "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "+
			"img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'")
		a.Queues.ServeHTTP(c, r)
	})
	var es []endpoint
	for _, path := range []string{"/queues", "/queues/{rest...}"} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			e := endpoint{method: method, path: path, name: "getQueues", group: "Operations", access: operatorPage,
				status: http.StatusOK, media: "text/html",
				does: "Show the job queue in a browser", more: "The page asks for a password: an operator key, " +
					"under any name. What the page is made of lies below this path.",
				refuses: []domain.Code{domain.Forbidden}, undocumented: method != "GET" || path != "/queues"}
			es = append(es, passes(e, page))
		}
	}
	return es
}

// profiles are the profiles of the running process, by name; those of no name here are pprof's stored ones.
var profiles = map[string]http.Handler{
	"profile": http.HandlerFunc(pprof.Profile), "trace": http.HandlerFunc(pprof.Trace),
	"heap": pprof.Handler("heap"), "allocs": pprof.Handler("allocs"), "goroutine": pprof.Handler("goroutine"),
	"mutex": pprof.Handler("mutex"), "block": pprof.Handler("block"), "threadcreate": pprof.Handler("threadcreate"),
}

// profileEndpoints serve profiles to operators, for go tool pprof: they hold names of functions, no text and
// no key.
func (a *API) profileEndpoints() []endpoint {
	return []endpoint{{method: "GET", path: "/debug/pprof/{profile}", name: "getProfile", group: "Operations",
		access: operatorPage, status: http.StatusOK, media: "application/octet-stream", streams: true,
		does: "Profile the process: heap, allocs, goroutine, mutex, block, threadcreate, profile or trace",
		more: "For go tool pprof; profile and trace take ?seconds=.", refuses: []domain.Code{domain.NotFound},
		serve: func(c *call) error {
			h := profiles[c.r.PathValue("profile")]
			if h == nil {
				return noSuchPath()
			}
			h.ServeHTTP(c, c.r)
			return nil
		}}}
}
