package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// request is one call: the parts of its path behind the version, and its body.
type request struct {
	method  string
	family  string // objects, properties, associations, owners, limits, account-info
	version string
	path    []string
	query   url.Values
	body    []byte
	raw     string // the path as it came
}

// decode reads the body strictly: an unknown field is refused, as is a value of another type.
func (c *request) decode(into any) *refusal {
	d := json.NewDecoder(bytes.NewReader(c.body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return invalid("Invalid input JSON: %v", err)
	}
	if d.More() {
		return invalid("Invalid input JSON: more than one value")
	}
	return nil
}

var (
	oldVersion = regexp.MustCompile(`^v[34]$`)
	// Versions are the dated versions that the sandbox speaks, beside v3 and v4.
	Versions = []string{"2026-03", "2026-09"}
)

// read takes the path of a call apart. Dated versions stand behind the family, v3 and v4 before it.
func read(r *http.Request, body []byte) (*request, *refusal) {
	segs := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	for i := range segs {
		var err error
		if segs[i], err = url.PathUnescape(segs[i]); err != nil {
			return nil, invalid("the path cannot be read")
		}
	}
	c := &request{method: r.Method, query: r.URL.Query(), body: body, raw: r.URL.Path}
	switch {
	case len(segs) >= 3 && segs[0] == "account-info":
		c.family, c.version, c.path = segs[0], segs[1], segs[2:]
	case len(segs) >= 3 && segs[0] == "crm" && oldVersion.MatchString(segs[1]):
		c.version, c.family, c.path = segs[1], segs[2], segs[3:]
	case len(segs) >= 3 && segs[0] == "crm":
		c.family, c.version, c.path = segs[1], segs[2], segs[3:]
	default:
		return nil, missingObject(r.URL.Path)
	}
	if !oldVersion.MatchString(c.version) && !slices.Contains(Versions, c.version) {
		return nil, missingObject(r.URL.Path)
	}
	return c, nil
}

// is reports whether the method and the path behind the family have a form; * stands for any part.
func (c *request) is(method string, path ...string) bool {
	if c.method != method || len(c.path) != len(path) {
		return false
	}
	for i, p := range path {
		if p != "*" && p != c.path[i] {
			return false
		}
	}
	return true
}

const maxBody = 8 << 20

// Handler serves the portal.
func (s *Sandbox) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		if err != nil || len(body) > maxBody {
			http.Error(w, "the body is too large", http.StatusRequestEntityTooLarge)
			return
		}
		s.mu.Lock()
		status, answer, fault := s.serve(w.Header(), r, body)
		s.correlated++
		correlation := fmt.Sprintf("00000000-0000-4000-8000-%012d", s.correlated)
		s.mu.Unlock()
		if fault != nil && fault.damage(w) {
			return
		}
		if f, refused := answer.(*refusal); refused {
			if f.html {
				w.Header().Set("Content-Type", "text/html")
				w.WriteHeader(f.Status)
				_, _ = io.WriteString(w, "<html><body>Bad gateway</body></html>")
				return
			}
			status, answer = f.Status, f.body(correlation)
		}
		data := write(w, status, answer)
		s.mu.Lock()
		if s.recording {
			s.exchanges = append(s.exchanges, Exchange{r.Method, r.URL.Path, string(body), status, string(data)})
		}
		s.mu.Unlock()
	})
}

// serve answers one call under the lock. fault is what happens to the answer on its way; nil: nothing.
func (s *Sandbox) serve(h http.Header, r *http.Request, body []byte) (status int, answer any, fault *Fault) {
	s.commitLate()
	c, f := read(r, body)
	if f != nil {
		return f.Status, f, nil
	}
	do, scopes, kind := s.route(c)
	if do == nil {
		f := missingObject(c.raw)
		return f.Status, f, nil
	}
	if f := s.allowed(r, scopes); f != nil {
		return f.Status, f, nil
	}
	s.calls[kind]++
	if f := s.limited(h, kind == "search"); f != nil {
		return f.Status, f, nil
	}
	writes := strings.HasPrefix(kind, "create") || strings.HasPrefix(kind, "update") || strings.HasPrefix(kind, "associate")
	fault = s.draw(c, writes)
	if fault != nil {
		if f := fault.before(); f != nil {
			return f.Status, f, fault
		}
		if fault.Kind == CommitLate {
			s.late = append(s.late, lateWrite{s.now().Add(fault.Delay), func() { do() }})
			f := &refusal{Status: http.StatusGatewayTimeout, html: true}
			return f.Status, f, nil
		}
		if !fault.commits() {
			return 0, nil, fault
		}
	}
	status, answer = do()
	return status, answer, fault
}

// route returns what answers a call, the scopes that it needs, and its kind, by which calls are counted.
func (s *Sandbox) route(c *request) (do func() (int, any), scopes []string, kind string) {
	switch c.family {
	case "account-info":
		if c.is(http.MethodGet, "details") {
			return s.account, nil, "account"
		}
	case "owners":
		if c.is(http.MethodGet) {
			return func() (int, any) { return s.listOwners(c) }, []string{"crm.objects.owners.read"}, "owners"
		}
	case "limits":
		if c.is(http.MethodGet, "custom-properties") {
			return s.propertyLimits, []string{"crm.objects.contacts.read"}, "limits"
		}
	case "properties":
		return s.routeProperties(c)
	case "associations":
		return s.routeAssociations(c)
	case "objects":
		return s.routeObjects(c)
	}
	return nil, nil, ""
}

func (s *Sandbox) account() (int, any) {
	return http.StatusOK, map[string]any{"portalId": s.options.Portal, "accountType": "STANDARD", "timeZone": s.zone.String(),
		"companyCurrency": "USD", "additionalCurrencies": []string{}, "utcOffset": "+00:00",
		"utcOffsetMilliseconds": 0, "uiDomain": "app.hubspot.com", "dataHostingLocation": "na1"}
}

func (s *Sandbox) listOwners(c *request) (int, any) {
	results := []any{}
	email, archived := c.query.Get("email"), c.query.Get("archived") == "true"
	for _, o := range s.owners {
		if o.Archived == archived && (email == "" || strings.EqualFold(o.Email, email)) {
			results = append(results, map[string]any{"id": o.ID, "email": o.Email, "type": "PERSON", "archived": o.Archived,
				"createdAt": stamp(s.now()), "updatedAt": stamp(s.now())})
		}
	}
	return http.StatusOK, map[string]any{"results": results}
}

// mayRead and mayWrite are the scopes of an object. Communications come under contacts.
func mayRead(object string) []string { return []string{"crm.objects." + scopedBy(object) + ".read"} }

func mayWrite(object string) []string { return []string{"crm.objects." + scopedBy(object) + ".write"} }

func scopedBy(object string) string {
	if object == "companies" || object == "leads" {
		return object
	}
	return "contacts"
}
