package salesforce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/simpleforce/simpleforce"

	"inmail/domain"
	"inmail/domain/crmcall"
)

// maxAnswer is how many bytes of an answer are read. A longer answer counts as unreadable. A page of 2,000
// records and the answer to 1,000 rows are far smaller.
const maxAnswer = 64 << 20

// call is one request to the org's REST API.
type call struct {
	method string
	path   string // the part behind the version: composite, query?q=…
	body   []byte
	header http.Header // added to those of simpleforce; Content-Type replaces its own
	limit  int64       // bytes of the answer's body; 0: maxAnswer
}

// answer is the org's answer to a call, with any status.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do makes a call with the session that all workers share, and replaces a session that has ended once. Every
// error is a *Fault.
func (c *Connector) do(ctx context.Context, what call) (answer, error) {
	s, err := c.session(ctx, "")
	if err != nil {
		return answer{}, err
	}
	a, err := c.try(ctx, s, what)
	if f := (*Fault)(nil); errors.As(err, &f) && (f.Class == domain.SessionEnded || c.moved(f)) {
		if s, err = c.session(ctx, s.token); err != nil {
			return answer{}, err
		}
		a, err = c.try(ctx, s, what)
	}
	if f := (*Fault)(nil); errors.As(err, &f) && f.Class == domain.LimitReached && f.Rest > 0 {
		c.budget.park(ctx, f.Class, c.clock.Now().Add(f.Rest))
	}
	return a, err
}

// movedLook is how long after a login for the sake of a moved org no other is made for it.
const movedLook = time.Minute

// moved says that the org's instance, whose address came with the login, may have moved: it redirects, shows
// a page in place of an answer, or has no server. A new login gives the address that is valid now. An org
// that stays silent costs one login a minute.
func (c *Connector) moved(f *Fault) bool {
	gone := f.Status >= 300 && f.Status < 400 || f.Class == domain.Unreachable && f.Status == http.StatusNotFound
	var dial *net.OpError
	if errors.As(f.cause, &dial) && dial.Op == "dial" {
		gone = true
	}
	if !gone {
		return false
	}
	now := c.clock.Now().UnixMilli()
	last := c.lookedForMove.Load()
	return (last == 0 || now-last >= movedLook.Milliseconds()) && c.lookedForMove.CompareAndSwap(last, now)
}

// try makes a call once. Its client of simpleforce lives only as long as the call, because a shared client
// has data races, knows no context and panics at some answers (SALESFORCE.md 1).
func (c *Connector) try(ctx context.Context, s session, what call) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	w := &wire{ctx: ctx, next: c.budget, header: what.header, limit: what.limit, called: c.observer.Called}
	client := simpleforce.NewClient(s.instance, c.config.ClientID, c.config.APIVersion)
	client.SetSidLoc(s.token, s.instance)
	client.SetHttpClient(&http.Client{Transport: w})
	var body io.Reader
	if what.body != nil {
		body = bytes.NewReader(what.body)
	}
	// wire hides the answer from simpleforce, so its result is always empty.
	_, err := client.ApexREST(what.method, strings.TrimPrefix(c.root(), "/")+what.path, body)
	if err != nil { // the request could not be made; an answer of the org never comes as an error
		return answer{}, unanswered(0, errors.New("the request cannot be made"))
	}
	return w.outcome(ofCall)
}

// root is the path of the REST API in the configured version.
func (c *Connector) root() string { return "/services/data/v" + c.config.APIVersion + "/" }

// wire is the transport of one call of simpleforce. It keeps the answer for us and always shows simpleforce
// an empty success. Of any other answer simpleforce writes bodies, queries and user names to the standard
// log, and some error bodies make it panic (SALESFORCE.md 1, STYLE H15).
type wire struct {
	ctx    context.Context
	next   http.RoundTripper
	header http.Header
	limit  int64
	called func(resource string, took time.Duration)
	shown  []byte // the body that simpleforce sees; nil: an empty one

	got answer
	err error
}

// RoundTrip makes the call with the wire's context and returns an empty 200, whatever the org answered.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	w.got, w.err = w.send(req.Clone(w.ctx))
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Request: req,
		Body: io.NopCloser(bytes.NewReader(w.shown)), ContentLength: int64(len(w.shown)),
	}, nil
}

func (w *wire) send(req *http.Request) (answer, error) {
	req.Header.Set("User-Agent", "InMail")
	req.Header.Set("Accept", "application/json")
	for name, values := range w.header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	started := time.Now()
	resp, err := w.next.RoundTrip(req)
	if p := (*crmcall.Parked)(nil); errors.As(err, &p) {
		return answer{}, err // the request did not leave the process, so it counts as no call
	}
	defer func() { w.called(resourceOf(req.URL.Path), time.Since(started)) }()
	if err != nil {
		return answer{}, fmt.Errorf("%s %s: %w", req.Method, resourceOf(req.URL.Path), err)
	}
	defer resp.Body.Close()
	limit := w.limit
	if limit == 0 {
		limit = maxAnswer
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	a := answer{status: resp.StatusCode, header: resp.Header, body: body}
	switch {
	case err != nil:
		return a, fmt.Errorf("read the answer to %s %s: %w", req.Method, resourceOf(req.URL.Path), err)
	case int64(len(body)) > limit:
		return a, fmt.Errorf("the answer to %s %s exceeds %d bytes", req.Method, resourceOf(req.URL.Path), limit)
	}
	return a, nil
}

// outcome returns the answer, or the Fault that it means.
func (w *wire) outcome(where origin) (answer, error) {
	if p := (*crmcall.Parked)(nil); errors.As(w.err, &p) {
		return answer{}, &Fault{Class: domain.LimitReached, cause: p, Known: true}
	}
	if w.err != nil {
		return answer{}, unanswered(w.got.status, w.err)
	}
	if w.got.status < 200 || w.got.status > 299 {
		errs := parseErrors(w.got.body)
		if errs == nil && bytes.HasPrefix(bytes.TrimSpace(w.got.body), []byte("<")) {
			return answer{}, unanswered(w.got.status, errors.New("a page for people in place of an answer"))
		}
		return answer{}, newFault(w.got.status, errs, where)
	}
	return w.got, nil
}

// resourceOf returns the part of the API that a path belongs to. It is one of Resources.
func resourceOf(path string) string {
	switch {
	case strings.HasPrefix(path, "/services/oauth2/"), strings.HasPrefix(path, "/services/Soap/u/"):
		return "login"
	case !strings.HasPrefix(path, "/services/data/"):
		return "other"
	}
	parts := strings.Split(strings.TrimPrefix(path, "/services/data/"), "/")
	if len(parts) < 2 {
		return "other"
	}
	switch parts[1] {
	case "query", "queryAll":
		return "query"
	case "composite":
		if len(parts) > 2 && parts[2] == "sobjects" {
			return "collections"
		}
		return "composite"
	case "jobs":
		return "bulk"
	case "limits":
		return "limits"
	case "sobjects":
		if len(parts) == 2 || parts[len(parts)-1] == "describe" {
			return "describe"
		}
	}
	return "other"
}
