package httpapi

import (
	"net/http"

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
		c.Header().Set("Content-Security-Policy", "frame-ancestors 'none'")
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
