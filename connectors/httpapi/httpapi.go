// Package httpapi is the HTTP side of the product: the routes, keys, errors and lists that other programs
// are written against, and the OpenAPI 3.1 document of all that at /openapi.json. It decides nothing that the
// use cases of inmail/domain/mailroom decide: it reads a request strictly, calls one use case and writes its
// answer.
//
// It uses net/http without a framework. huma would make the document with less code, but it does not do what
// the contract asks: a fault of a body is 400 and comes after 401 and 403 and before 404, names match by
// case, a text has no NUL, a name stands once, and an error never quotes what was sent. huma also reads every
// body twice, once to check it and once to store it. So one table of endpoints (endpoint.go) makes the
// routes, the reading of bodies (strictjson) and the document (openapi.go), all from the same Go types. The
// tests compare every request and answer with the document that is served.
package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// Sender accepts one InMail. It is the group commit in front of mailroom.Service.Accept.
type Sender interface {
	Accept(ctx context.Context, send mailroom.Send) (mailroom.Accepted, error)
}

// Pages are the pages for people.
type Pages interface {
	http.Handler
	// Route returns the pattern of the page that a request asks for; empty when it asks for none.
	Route(r *http.Request) string
}

// Parts is what an API is built of.
type Parts struct {
	Config         Config
	Service        UseCases
	Sender         Sender
	Probes         []Probe               // what /readyz asks
	Metrics        http.Handler          // /metrics
	Domain         http.Handler          // /metrics/domain
	Queues         http.Handler          // /queues, for operators; nil: 404
	Advance        Advance               // /v1/clock; nil: 404
	QueueInspector QueueInspector        // /v1/queue; nil: 404
	Pages          Pages                 // the pages for people; nil: there are none
	Registry       prometheus.Registerer // where the request metrics go
	NewID          func() domain.ID      // of the InMail that a request may make, for its trace; nil: no traces
	PagesOnly      bool                  // serves health and metrics alone, in a process without the role api
	Log            *slog.Logger
	AnchorDay      int              // the policy's, shown for members without their own (R08), 1..31; 0: 1
	Now            func() time.Time // the wall clock, for key cache and rate limit; nil: time.Now
}

// API answers HTTP requests. It is an http.Handler; Server runs it.
type API struct {
	Parts
	keys          *keyring
	uses          uses
	proxies       proxies
	byKey         *limiter
	byAddress     *limiter
	wrongKeys     *limiter // by address: each try that was wrong spends one
	wrongKeysSent prometheus.Counter
	durations     durations
	mux           *http.ServeMux
	endpoints     []endpoint
	document      func() ([]byte, error) // is made at the first call
	stopping      atomic.Bool
	large         chan struct{} // the place of large answers: see call.enterLarge
}

// New builds the API and its document.
func New(p Parts) (*API, error) {
	if err := p.Config.Validate(); err != nil {
		return nil, err
	}
	if err := p.Service.check(); err != nil {
		return nil, err
	}
	if p.Sender == nil || p.Metrics == nil || p.Domain == nil || p.Registry == nil || p.Log == nil {
		return nil, errors.New("httpapi: Sender, Metrics, Domain, Registry and Log are needed")
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.AnchorDay == 0 {
		p.AnchorDay = 1
	}
	a := &API{Parts: p, mux: http.NewServeMux(), large: make(chan struct{}, 1),
		keys:      newKeyring(p.Service, p.Config.KeyCache),
		uses:      uses{service: p.Service},
		byKey:     newLimiter("key", p.Config.RateLimit, p.Config.RateBurst),
		byAddress: newLimiter("address", p.Config.RateAddress, p.Config.RateBurst),
		wrongKeys: newLimiter("wrong keys", float64(p.Config.WrongKeys)/60, p.Config.WrongKeys)}
	var err error
	if a.proxies, err = parseProxies(p.Config.TrustedProxies); err != nil {
		return nil, err
	}
	if a.wrongKeysSent, err = newWrongKeys(p.Registry); err != nil {
		return nil, err
	}
	if a.durations, err = newDurations(p.Registry); err != nil {
		return nil, err
	}
	a.endpoints = slices.Concat(a.inmailEndpoints(), a.inboxEndpoints(), a.replyEndpoints(), a.declineEndpoints(), a.retractionEndpoints(),
		a.memberEndpoints(), a.exportEndpoints(), a.relationEndpoints(), a.accountEndpoints(), a.analyticsEndpoints(),
		a.bannedEndpoints(), a.restrictionEndpoints(), a.eventEndpoints(), a.webhookEndpoints(),
		a.keyEndpoints(), a.importEndpoints(), a.signInEndpoints(), a.crmEndpoints(), a.auditEndpoints(), a.clockEndpoints(),
		a.resumeEndpoints(), a.healthEndpoints(), a.queueEndpoints(), a.queuePageEndpoints(), a.profileEndpoints())
	if p.PagesOnly {
		a.endpoints = a.healthEndpoints()
	}
	a.document = sync.OnceValues(func() ([]byte, error) { return document(a.endpoints, a.Service.Connectors()) })
	a.route()
	return a, nil
}

// route puts the endpoints under their paths.
func (a *API) route() {
	a.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.(*call).refuse(noSuchPath()) })
	paths := map[string]*resource{}
	for i := range a.endpoints {
		e := &a.endpoints[i]
		s := paths[e.path]
		if s == nil {
			s = &resource{pattern: e.path, methods: map[string]*endpoint{}}
			paths[e.path] = s
			a.mux.Handle(e.path, s)
		}
		s.methods[e.method] = e
	}
	for _, s := range paths {
		var allow []string
		for m := range s.methods {
			allow = append(allow, m)
		}
		if s.methods[http.MethodGet] != nil && s.methods[http.MethodHead] == nil {
			allow = append(allow, http.MethodHead)
		}
		slices.Sort(allow)
		s.allow = strings.Join(allow, ", ")
	}
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{ResponseWriter: w, api: a, r: r, ctx: r.Context(), began: time.Now(),
		route: other, method: methodLabel(r.Method), challenge: `Bearer realm="inmail"`,
		id: requestID(r), client: a.proxies.client(r)}
	defer c.finish()
	defer c.leaveLarge()
	c.beginTrace()
	c.ctx = mailroom.WithOrigin(c.ctx, mailroom.Origin{Address: c.client.String(), Request: c.id})
	h := w.Header()
	h.Set(requestHeader, c.id)
	h.Set("X-Content-Type-Options", "nosniff")
	if a.Config.Scheme() == "https" {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	h.Set("Cache-Control", "no-store")
	if !canonical(r.URL.EscapedPath()) {
		c.refuse(noSuchPath())
		return
	}
	if a.Pages != nil && !a.PagesOnly {
		if route := a.Pages.Route(r); route != "" {
			c.servePage(route)
			return
		}
	}
	if c.crossOrigin() {
		return
	}
	a.mux.ServeHTTP(c, r)
}

// servePage lets the pages answer. An address that sends many requests, or many wrong keys to the sign-in, is
// slowed down as it is by the API.
func (c *call) servePage(route string) {
	c.route = route
	from, now := network(c.client), c.api.Now()
	if err := c.limitRate(c.api.byAddress, from, "this address"); err != nil {
		c.refuse(err)
		return
	}
	if wait, ok := c.api.wrongKeys.has(from, now); !ok && route == signInRoute && c.r.Method == http.MethodPost {
		c.refuse(c.tooMany("this address has sent too many wrong keys", wait))
		return
	}
	c.api.Pages.ServeHTTP(c, c.r.WithContext(c.ctx))
	if c.status == http.StatusUnauthorized {
		c.wrongKey(from, now)
	}
}

// signInRoute is the page that takes a key; it answers 401 to one that is not known.
const signInRoute = "/sign-in"

// canonical is true for a path in its normal form. ServeMux would answer any other path with a redirect,
// which the contract does not have.
func canonical(p string) bool {
	return strings.HasPrefix(p, "/") && (path.Clean(p) == p || path.Clean(p)+"/" == p)
}

func noSuchPath() error {
	return domain.Refuse(domain.NotFound, "there is no such path; GET /openapi.json lists them all")
}

// serve answers a call to one of the endpoints.
func (c *call) serve(e *endpoint) {
	if !e.streams {
		ctx, cancel := context.WithTimeout(c.ctx, c.api.Config.RequestTimeout)
		defer cancel()
		c.ctx = ctx
	}
	if e.access == operatorPage {
		c.challenge = `Basic realm="inmail operator", charset="UTF-8"`
	}
	if err := c.admit(e.access); err != nil {
		c.refuse(err)
		return
	}
	if err := c.readQuery(e); err != nil {
		c.refuse(err)
		return
	}
	if err := c.noteAct(e); err != nil {
		c.refuse(err)
		return
	}
	if err := e.serve(c); err != nil {
		c.refuse(err)
	}
}
