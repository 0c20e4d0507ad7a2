package salesforce

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// tamper is a transport that may change the org's answer or answer itself.
type tamper struct {
	next http.RoundTripper
	// before may answer a request; the org answers when it returns nil.
	before func(*http.Request) *http.Response
	// after may change an answer.
	after func(req *http.Request, status int, body []byte) (int, []byte)

	mu       sync.Mutex
	requests []string // method and path of every request
}

func (t *tamper) RoundTrip(req *http.Request) (*http.Response, error) {
	t.mu.Lock()
	t.requests = append(t.requests, req.Method+" "+req.URL.Path)
	t.mu.Unlock()
	if t.before != nil {
		if resp := t.before(req); resp != nil {
			return resp, nil
		}
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil || t.after == nil {
		return resp, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.StatusCode, body = t.after(req, resp.StatusCode, body)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, nil
}

// respond returns a response with a status and a body.
func respond(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}
}

// through puts a tamper between the connector and the org.
func (o *org) through(t *tamper) *tamper {
	o.t.Helper()
	t.next = newTransport(o.config)
	o.crm = o.connect(func(_ *Config, d *Deps) { d.Transport = t })
	return t
}

func isComposite(req *http.Request) bool { return strings.HasSuffix(req.URL.Path, "/composite") }

// compositeSteps changes each step of a Composite answer: its status and body.
func compositeSteps(body []byte, change func(ref string, status int, body any) (int, any)) []byte {
	var out map[string][]map[string]any
	if json.Unmarshal(body, &out) != nil {
		return body
	}
	for _, s := range out["compositeResponse"] {
		s["httpStatusCode"], s["body"] = change(s["referenceId"].(string), int(s["httpStatusCode"].(float64)), s["body"])
	}
	changed, err := json.Marshal(out)
	if err != nil {
		panic(err)
	}
	return changed
}

// longQueries refuses with 431 each query of a Composite call whose address is longer than limit.
func longQueries(limit int, refused *int) *tamper {
	long := map[string]bool{}
	t := &tamper{}
	t.before = func(req *http.Request) *http.Response {
		if !isComposite(req) {
			return nil
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			panic(err)
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		var in struct {
			Steps []subrequest `json:"compositeRequest"`
		}
		if err := json.Unmarshal(body, &in); err != nil {
			panic(err)
		}
		long = map[string]bool{}
		for _, s := range in.Steps {
			long[s.Ref] = len(s.URL) > limit
		}
		return nil
	}
	t.after = func(req *http.Request, status int, body []byte) (int, []byte) {
		if !isComposite(req) {
			return status, body
		}
		return status, compositeSteps(body, func(ref string, status int, body any) (int, any) {
			if long[ref] {
				*refused++
				return http.StatusRequestHeaderFieldsTooLarge, nil
			}
			return status, body
		})
	}
	return t
}

// TestNoRedirectIsFollowed checks that a redirect is a fault, so that the token is sent only to the org.
func TestNoRedirectIsFollowed(t *testing.T) {
	o := newOrg(t)
	tampered := o.through(&tamper{before: func(req *http.Request) *http.Response {
		if !isComposite(req) {
			return nil
		}
		resp := respond(http.StatusFound, "")
		resp.Header.Set("Location", "https://elsewhere.example/services/data/v67.0/composite")
		return resp
	}})
	p := sent(0, "robin")
	p.Link.Match = "Unmatched"
	if a := o.push(p)[0]; a.Class == "" {
		t.Errorf("%+v", a)
	}
	for _, call := range tampered.requests {
		if strings.Contains(call, "elsewhere") {
			t.Error(call)
		}
	}
	if len(tampered.requests) != 4 { // a login and a call, and both again, because the org may have moved
		t.Errorf("%v", tampered.requests)
	}
}

// TestAnswersAreCapped checks that an endless answer is read only up to its limit.
func TestAnswersAreCapped(t *testing.T) {
	o := newOrg(t)
	o.through(&tamper{before: func(req *http.Request) *http.Response {
		if !isComposite(req) {
			return nil
		}
		resp := respond(http.StatusOK, "")
		resp.Body = io.NopCloser(endless{})
		return resp
	}})
	p := sent(0, "robin")
	p.Link.Match = "Unmatched"
	if a := o.push(p)[0]; a.Class != "unreachable" {
		t.Errorf("%+v", a)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestResources(t *testing.T) {
	for path, want := range map[string]string{
		"/services/oauth2/token": "login", "/services/Soap/u/64.0": "login", "/services/data": "other",
		"/services/data/v67.0/query": "query", "/services/data/v67.0/queryAll": "query", "/services/data/v67.0/query/0r8-2000": "query",
		"/services/data/v67.0/composite": "composite", "/services/data/v67.0/composite/sobjects": "collections",
		"/services/data/v67.0/jobs/ingest/750/batches": "bulk", "/services/data/v67.0/limits": "limits",
		"/services/data/v67.0/sobjects/Lead/describe": "describe", "/services/data/v67.0/sobjects/Lead/00Q": "other", "/": "other",
	} {
		if got := resourceOf(path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}
