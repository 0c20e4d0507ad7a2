package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"inmail/connectors/httpapi/contracttest"
	"inmail/domain/mailroom"
)

// sample is a valid request to one of the endpoints; its body is the example of the document.
type sample struct {
	*endpoint
	target string
	body   any
	header []string
}

var sampleParts = strings.NewReplacer("{id}", "019abf5e-8c00-7000-8000-000000000001", "{inmail}", "019abf5e-8c00-7000-8000-000000000001",
	"{a}", "jo", "{b}", "maria", "{tag}", "spring", "{against}", "fair", "{other}", "maria", "{kind}", "member", "{reply}", "019abf5e-8c00-7000-8000-000000000001", "{value}", "maria")

func (w *world) samples() []sample {
	var all []sample
	for i := range w.api.endpoints {
		e := &w.api.endpoints[i]
		if e.undocumented {
			continue
		}
		path := e.path
		if strings.HasPrefix(path, "/v1/members/") {
			path = strings.Replace(path, "{id}", "jo", 1)
		}
		s := sample{endpoint: e, target: sampleParts.Replace(path)}
		i := slices.IndexFunc(theContract().Operations(), func(o contracttest.Operation) bool { return o.Method == e.method && o.Path == e.path })
		operation := theContract().Operations()[i]
		switch {
		case e.takes != nil:
			s.body = operation.Example("application/json")
		case e.takesMedia != "":
			s.body = operation.Example(e.takesMedia)
			s.header = []string{"Content-Type: -", "Content-Type: " + e.takesMedia}
		}
		all = append(all, s)
	}
	return all
}

func (s sample) name() string { return s.method + " " + s.path }

func (s sample) keyed() bool { return s.access != anyone && s.access != metricsKey }

// as returns a key with which the request passes, and the headers that go with it.
func (s sample) as(w *world) (key string, headers []string) {
	if s.access == memberOnly {
		return w.sender, s.header
	}
	return w.operator, s.header
}

// TestEveryCall sends each call of the document in the ways that have the same answer for all.
func TestEveryCall(t *testing.T) {
	w := newWorld(t)
	for _, s := range w.samples() {
		t.Run(s.name(), func(t *testing.T) {
			w := newWorld(t)
			if !s.keyed() {
				t.Run("without a key", func(t *testing.T) { w.T = t; w.ask("", s.method, s.target, nil).want(200, "") })
				return
			}
			t.Run("without a key", func(t *testing.T) {
				w.T = t
				a := w.ask("", s.method, s.target, s.body, s.header...).want(401, "unauthorized")
				if got, want := a.header.Get("WWW-Authenticate"), map[bool]string{true: "Basic", false: "Bearer"}[s.access == operatorPage]; !strings.HasPrefix(got, want) {
					t.Errorf("WWW-Authenticate is %q", got)
				}
			})
			t.Run("with a key that is not known", func(t *testing.T) {
				w.T = t
				w.ask("inm_nobody", s.method, s.target, s.body, s.header...).want(401, "unauthorized")
			})
			t.Run("with too many requests", func(t *testing.T) {
				w := newWorld(t, func(p *Parts) { p.Config.RateLimit, p.Config.RateBurst = 1, 1 })
				key, headers := s.as(w)
				w.ask(key, "GET", "/v1/analytics", nil)
				a := w.ask(key, s.method, s.target, s.body, headers...).want(429, "rate_limited")
				if a.header.Get("Retry-After") != "1" {
					t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
				}
			})
			t.Run("in the wrong role", func(t *testing.T) {
				w.T = t
				headers := s.header
				if s.access == anyKey || s.access == memberOnly {
					headers = append(headers, "Inmail-Member: jo")
				}
				w.ask(w.sender, s.method, s.target, s.body, headers...).want(403, "forbidden")
			})
			t.Run("for a member who cannot be one", func(t *testing.T) {
				w.T = t
				w.ask(w.operator, s.method, s.target, s.body, append(s.header, "Inmail-Member: not a member")...).want(400, "bad_request")
			})
			t.Run("for nobody where a member is needed", func(t *testing.T) {
				w.T = t
				if s.access == memberOnly {
					w.ask(w.operator, s.method, s.target, s.body, s.header...).want(400, "bad_request")
				}
			})
			if s.access != operatorPage {
				s.faults(t)
			}
			t.Run("while keys cannot be looked up", func(t *testing.T) {
				w := newWorld(t)
				key, headers := s.as(w)
				w.fakeService.fault = fmt.Errorf("look up a key: %w", mailroom.ErrUnavailable)
				w.ask(key, s.method, s.target, s.body, headers...).want(503, "unavailable")
				w.fakeService.fault = errors.New("look up a key: disk on fire")
				w.ask(key, s.method, s.target, s.body, headers...).want(500, "internal")
			})
		})
	}
}

// faults sends the request while the use cases fail, and with a query and bodies that no call takes.
func (s sample) faults(t *testing.T) {
	t.Run("while the record is down", func(t *testing.T) {
		w, key, headers := s.warm(t)
		w.fakeService.fault = fmt.Errorf("accept 3 sends: %w", mailroom.ErrUnavailable)
		a := w.ask(key, s.method, s.target, s.body, headers...).want(503, "unavailable")
		if a.header.Get("Retry-After") == "" || !strings.Contains(w.log.String(), "request failed") {
			t.Errorf("Retry-After %q, log %s", a.header.Get("Retry-After"), w.log)
		}
	})
	t.Run("while somebody else changes the same", func(t *testing.T) {
		w, key, headers := s.warm(t)
		w.fakeService.fault = fmt.Errorf("save an InMail: %w", mailroom.ErrConflict)
		w.ask(key, s.method, s.target, s.body, headers...).want(503, "unavailable")
	})
	t.Run("while it takes too long", func(t *testing.T) {
		w, key, headers := s.warm(t)
		w.fakeService.fault = fmt.Errorf("accept 3 sends: %w", context.DeadlineExceeded)
		w.ask(key, s.method, s.target, s.body, headers...).want(503, "unavailable")
	})
	t.Run("with a fault", func(t *testing.T) {
		w, key, headers := s.warm(t)
		w.fakeService.fault = errors.New("insert 3 rows: secret place")
		a := w.ask(key, s.method, s.target, s.body, headers...).want(500, "internal")
		if strings.Contains(string(a.body), "secret") || !strings.Contains(w.log.String(), "secret place") {
			t.Errorf("the fault belongs into the log and nowhere else: %s, log %s", a.body, w.log)
		}
	})
	t.Run("with a panic", func(t *testing.T) {
		w, key, headers := s.warm(t)
		w.fakeService.panics = "secret text"
		a := w.ask(key, s.method, s.target, s.body, headers...).want(500, "internal")
		if strings.Contains(string(a.body)+w.log.String(), "secret") || !strings.Contains(w.log.String(), "request panicked") {
			t.Errorf("a panic's text stays inside: %s, log %s", a.body, w.log)
		}
	})
	t.Run("with a query that it does not have", func(t *testing.T) {
		w, key, headers := s.warm(t)
		sep := map[bool]string{true: "&", false: "?"}[strings.Contains(s.target, "?")]
		w.ask(key, s.method, s.target+sep+"nonsense=1", s.body, headers...).want(400, "bad_request")
		w.ask(key, s.method, s.target+sep+"%zz", s.body, headers...).want(400, "bad_request")
	})
	if s.method == "GET" {
		return
	}
	t.Run("with a body of another type", func(t *testing.T) {
		w, key, _ := s.warm(t)
		w.ask(key, s.method, s.target, "<to>maria</to>", "Content-Type: -", "Content-Type: application/xml").want(415, "unsupported_media_type")
		w.ask(key, s.method, s.target, "{}", "Content-Encoding: gzip").want(415, "unsupported_media_type")
	})
	if s.takesMedia != "" {
		return
	}
	t.Run("with a body that is too large", func(t *testing.T) {
		w, key, _ := s.warm(t)
		w.ask(key, s.method, s.target, `{"x":"`+strings.Repeat("x", maxBody)+`"}`).want(413, "too_large")
	})
	t.Run("with a field that it does not have", func(t *testing.T) {
		w, key, _ := s.warm(t)
		w.ask(key, s.method, s.target, `{"nonsense":1}`).want(400, "bad_request")
	})
}

// warm is a world whose keyring has the key in its cache, so that a fault of the service meets the use case.
func (s sample) warm(t *testing.T) (*world, string, []string) {
	w := newWorld(t)
	key, headers := s.as(w)
	if _, err := w.api.keys.find(t.Context(), key, w.fakeService.Now()); err != nil {
		t.Fatal(err)
	}
	return w, key, headers
}

// TestEndlessBody sends a body without Content-Length: that it is too large is found while it is read.
func TestEndlessBody(t *testing.T) {
	w := newWorld(t)
	body := io.MultiReader(strings.NewReader(`{"to":"maria","subject":"s","body":"`), strings.NewReader(strings.Repeat("x", maxBody)))
	r, err := http.NewRequestWithContext(t.Context(), "POST", "/v1/inmails", body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = -1
	w.askRaw(w.sender, r).want(413, "too_large")
}

// TestUnknownPaths checks that a path outside the document is answered with a problem, never with a redirect.
func TestUnknownPaths(t *testing.T) {
	w := newWorld(t)
	for _, target := range []string{"/", "/v1", "/v1/", "/v2/inbox", "/v1/inbox/", "/v1//inbox", "/v1/../v1/inbox", "/v1/inmails/x/y/z", "/favicon.ico", "/livez/", "//livez", "/metrics/other"} {
		t.Run(target, func(t *testing.T) {
			w.T = t
			w.ask(w.operator, "GET", "http://localhost"+target, nil).want(404, "not_found")
			w.ask("", "POST", "http://localhost"+target, "{}").want(404, "not_found")
		})
	}
	for target, allow := range map[string]string{"/v1/inbox": "GET, HEAD", "/v1/inmails": "POST", "/v1/members/jo": "DELETE, GET, HEAD, PATCH, PUT", "/livez": "GET, HEAD"} {
		for _, method := range []string{"OPTIONS", "TRACE", "BREW"} {
			t.Run(method+" "+target, func(t *testing.T) {
				w.T = t
				if got := w.ask(w.operator, method, target, nil).want(405, "method_not_allowed").header.Get("Allow"); got != allow {
					t.Errorf("Allow is %q, want %q", got, allow)
				}
			})
		}
	}
	w.T = t
	if a := w.ask(w.receiver, "HEAD", "/v1/inbox", nil); a.status != 200 {
		t.Errorf("HEAD of a list is %d", a.status)
	}
}

// TestRequestTimeout checks that request_timeout ends the work of a request, but not that of an import.
func TestRequestTimeout(t *testing.T) {
	w := newWorld(t, func(p *Parts) {
		p.Config.RequestTimeout = time.Second
		p.Advance = func(ctx context.Context, _ time.Duration) (time.Time, error) {
			<-ctx.Done()
			return time.Time{}, ctx.Err()
		}
	})
	w.ask(w.operator, "POST", "/v1/clock", `{"advance":"1h"}`).want(503, "unavailable")
	w.ask(w.operator, "POST", "/v1/import", "{}\n{}\n", "Content-Type: -", "Content-Type: application/x-ndjson").want(200, "")
}

// methodName is how an operationId reads as a method of a client: a verb, or a verb and what it is about.
var methodName = regexp.MustCompile(`^[a-z]+([A-Z]+[a-z]*)*$`)

// TestDocument checks that every example of the document fits its schema, that every call is named and
// described, and that what generators of clients name after its place has a name of its own.
func TestDocument(t *testing.T) {
	w := newWorld(t)
	ids := map[string]bool{}
	for i := range w.api.endpoints {
		e := &w.api.endpoints[i]
		if e.undocumented {
			continue
		}
		if ids[e.name] || !methodName.MatchString(e.name) {
			t.Errorf("%s %s: %q is no name of its own that makes a method", e.method, e.path, e.name)
		}
		ids[e.name] = true
		if e.does == "" || e.more == "" || !slices.ContainsFunc(groups, func(g group) bool { return g.name == e.group }) {
			t.Errorf("%s %s lacks what it does, more about it, or a group of the list", e.method, e.path)
		}
		for _, p := range slices.Concat(e.query, e.headers) {
			if p.doc == "" {
				t.Errorf("%s %s does not describe %s", e.method, e.path, p.name)
			}
		}
	}
	var document map[string]any
	if err := json.Unmarshal(w.ask("", "GET", "/openapi.json", nil).want(200, "").body, &document); err != nil {
		t.Fatal(err)
	}
	anonymous(t, document, "")
	if n, err := theContract().CheckExamples(); err != nil || n < 300 {
		t.Errorf("after %d examples: %v", n, err)
	}
	a := w.ask("", "GET", "/openapi.json", nil).want(200, "").has("openapi", "3.1.0", "components.securitySchemes.key.scheme", "bearer")
	if again := newWorld(t).ask("", "GET", "/openapi.json", nil); !bytes.Equal(a.body, again.body) {
		t.Error("two servers give two documents")
	}
}

// anonymous finds unions and objects of the document that stand outside its named schemas. What may be null
// is no union for that, and what an allOf adds to a named schema is no object of its own.
func anonymous(t *testing.T, part any, at string) {
	t.Helper()
	named := path.Dir(at) == "/components/schemas" || strings.Contains(at, "/allOf/")
	switch x := part.(type) {
	case []any:
		for i, v := range x {
			anonymous(t, v, fmt.Sprintf("%s/%d", at, i))
		}
	case object:
		if _, fields := x["properties"].(object); fields && !named {
			t.Errorf("%s is an object without a name", at)
		}
		for _, word := range []string{"anyOf", "oneOf"} {
			shapes, _ := x[word].([]any)
			orNull := len(shapes) == 2 && shapes[1].(object)["type"] == "null"
			if len(shapes) > 0 && !named && !orNull {
				t.Errorf("%s is a union without a name", at)
			}
		}
		for name, v := range x {
			if name != "example" && name != "examples" {
				anonymous(t, v, at+"/"+strings.ReplaceAll(name, "/", "~1"))
			}
		}
	}
}
