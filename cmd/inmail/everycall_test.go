package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// The tests of this file read the document that the program serves and try each of its calls, so that a new
// call is in them as soon as it is documented.

// documented is a call of the document.
type documented struct {
	method, path string

	Security   []map[string][]string
	Parameters []struct {
		Name, In string
		Schema   struct {
			Format   string
			Examples []any
		}
	}
	RequestBody struct {
		Content map[string]struct{ Example any }
	} `json:"requestBody"`
	Responses map[string]any
}

// calls returns the calls of the document, each path's in the order of their methods.
func (r *running) calls() (all []documented) {
	r.t.Helper()
	var document struct {
		Paths map[string]map[string]documented
	}
	if err := json.Unmarshal([]byte(r.api("GET", "/openapi.json", "")), &document); err != nil {
		r.t.Fatal(err)
	}
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(document.Paths[path])) {
			d := document.Paths[path][method]
			d.method, d.path = strings.ToUpper(method), path
			all = append(all, d)
		}
	}
	if len(all) < 70 {
		r.t.Fatalf("the document has %d calls", len(all))
	}
	return all
}

func (d documented) name() string { return d.method + " " + d.path }

// keyed reports whether the call needs a key.
func (d documented) keyed() bool {
	return len(d.Security) > 0 && !slices.ContainsFunc(d.Security, func(s map[string][]string) bool { return len(s) == 0 })
}

// takes reports whether keys of a role may make the call.
func (d documented) takes(role mailroom.Role) bool {
	return slices.ContainsFunc(d.Security, func(s map[string][]string) bool {
		return slices.ContainsFunc(slices.Collect(maps.Values(s)), func(roles []string) bool { return slices.Contains(roles, string(role)) })
	})
}

// changes reports whether a read-only key is refused.
func (d documented) changes() bool { return d.method != "GET" && d.path != "/v1/preflight" }

const (
	absentInMail = "019abf5e-8c00-7000-8000-00000000dead"
	absentMember = "nobody.at.all"
)

// target is the call's path with the parameters that given names, by their kind: inmail (a UUID), member, or
// the parameter's own name; others have the example of the document.
func (d documented) target(t *testing.T, given map[string]string) string {
	t.Helper()
	path := d.path
	for _, p := range d.Parameters {
		if p.In != "path" {
			continue
		}
		kind := p.Name
		switch {
		case p.Schema.Format == "uuid":
			kind = "inmail"
		case strings.HasPrefix(d.path, "/v1/members/") || strings.HasPrefix(d.path, "/v1/connections/"):
			kind = "member"
		}
		value, ok := given[kind]
		if !ok {
			if len(p.Schema.Examples) == 0 {
				t.Fatalf("%s: the parameter %s has no example", d.name(), p.Name)
			}
			value = fmt.Sprint(p.Schema.Examples[0])
		}
		path = strings.Replace(path, "{"+p.Name+"}", url.PathEscape(value), 1)
	}
	return path
}

// example returns the media type of the call's body, and the example of it; empty: it takes none.
func (d documented) example() (media string, example any) {
	for media, content := range d.RequestBody.Content {
		return media, content.Example
	}
	return "", nil
}

// body encodes the example of the call's body.
func (d documented) body(t *testing.T) []byte {
	t.Helper()
	media, example := d.example()
	if text, ok := example.(string); ok && media != "application/json" {
		return []byte(text)
	}
	if media == "" {
		return nil
	}
	b, err := json.Marshal(example)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// caller is somebody who makes calls.
type caller struct{ name, key, member string }

// answered is what a call was answered.
type answered struct {
	status int
	header http.Header
	body   []byte
}

func (a answered) String() string { return fmt.Sprintf("%d %.300s", a.status, a.body) }

// detail returns what a problem says.
func (a answered) detail() string {
	var p struct{ Detail string }
	_ = json.Unmarshal(a.body, &p) // what is no problem has no detail
	return p.Detail
}

// try makes a call.
func (r *running) try(d documented, c caller, target string, body []byte) answered {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), d.method, "http://"+r.apiAddress+target, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	if c.member != "" {
		req.Header.Set("Inmail-Member", c.member)
	}
	if media, _ := d.example(); media != "" {
		req.Header.Set("Content-Type", media)
	}
	resp, err := client.Do(req)
	if err != nil {
		r.t.Fatalf("%s: %v", d.name(), err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatalf("%s: %v", d.name(), err)
	}
	return answered{resp.StatusCode, resp.Header, text}
}

// everyCall starts a program with members and an InMail from lena.hart to r1, and the callers of the tests.
func everyCall(t *testing.T) (r *running, inmail string, callers map[string]caller) {
	t.Helper()
	r = newRunning(t, map[string]string{"wrong_keys": "0", "time_travel": "true"})
	r.people()
	inmail = r.delivered("r1", "A question about Tuesday")
	key := func(role mailroom.Role, member domain.MemberID, readOnly bool) string {
		_, k, err := r.service.CreateKey(t.Context(), mailroom.Viewer{}, mailroom.NewKey{Role: role, Member: member, ReadOnly: readOnly})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	callers = map[string]caller{
		"nobody": {}, "a wrong key": {key: "inm_nobody_has_this_key"},
		"a member":                 {key: key(mailroom.RoleMember, "basic.bo", false)},
		"a read-only member":       {key: key(mailroom.RoleMember, "basic.bo", true)},
		"an operator":              {key: r.operatorKey},
		"a read-only operator":     {key: key(mailroom.RoleOperator, "", true)},
		"an operator for a member": {key: r.operatorKey, member: "basic.bo"},
	}
	for name, c := range callers {
		c.name = name
		callers[name] = c
	}
	return r, inmail, callers
}

// admitted returns who may make a call.
func admitted(d documented, callers map[string]caller) caller {
	if d.takes(mailroom.RoleOperator) {
		return callers["an operator"]
	}
	return callers["a member"]
}

// TestEveryCallIsAuthorized makes each call in the name of everybody. Who has the wrong key or role is
// refused before anything else is looked at.
func TestEveryCallIsAuthorized(t *testing.T) {
	r, _, callers := everyCall(t)
	pairs := 0
	for _, d := range r.calls() {
		target := d.target(t, map[string]string{"inmail": absentInMail, "member": absentMember})
		for _, name := range slices.Sorted(maps.Keys(callers)) {
			c := callers[name]
			pairs++
			got := r.try(d, c, target, d.body(t))
			want := http.StatusOK // any answer but a refusal of the caller
			member, operator := d.takes(mailroom.RoleMember), d.takes(mailroom.RoleOperator)
			switch {
			case !d.keyed():
			case name == "nobody" || name == "a wrong key":
				want = http.StatusUnauthorized
			case strings.HasSuffix(name, "member") && c.member == "" && !member:
				want = http.StatusForbidden
			case strings.Contains(name, "read-only") && d.changes():
				want = http.StatusForbidden
			case strings.HasSuffix(name, "operator") && !operator:
				want = http.StatusBadRequest
			}
			refused := got.status == http.StatusUnauthorized || strings.Contains(got.detail(), "is for operators") ||
				strings.Contains(got.detail(), "is read-only") || strings.Contains(got.detail(), "Inmail-Member")
			if want == http.StatusOK && refused || want != http.StatusOK && (got.status != want || !refused) {
				t.Errorf("%s by %s: %s, want %d", d.name(), name, got, want)
			}
			if got.status >= 500 || d.Responses[fmt.Sprint(got.status)] == nil {
				t.Errorf("%s by %s: %s", d.name(), name, got)
			}
		}
	}
	t.Logf("%d pairs of a call and a caller", pairs)
}

// TestEveryCallHasTheOrderOfStatuses makes each call with several faults at once: of the key (401), the role
// (403), the query and the body (400), and the thing (404), the first is answered.
func TestEveryCallHasTheOrderOfStatuses(t *testing.T) {
	r, _, callers := everyCall(t)
	for _, d := range r.calls() {
		if !d.keyed() {
			continue
		}
		absent := d.target(t, map[string]string{"inmail": absentInMail, "member": absentMember})
		media, _ := d.example()
		rows := []struct {
			fault string
			by    caller
			query string
			body  []byte
			want  int
		}{{"everything", callers["a wrong key"], "?nonsense=1", []byte("{"), http.StatusUnauthorized}}
		if !d.takes(mailroom.RoleMember) {
			rows = append(rows, rows[0])
			rows[1].by, rows[1].want = callers["a member"], http.StatusForbidden
		}
		if strings.HasPrefix(d.path, "/v1/") {
			rows = append(rows, rows[0])
			rows[len(rows)-1].fault, rows[len(rows)-1].by, rows[len(rows)-1].want = "query, body and thing", admitted(d, callers), http.StatusBadRequest
		}
		if media == "application/json" {
			rows = append(rows, rows[len(rows)-1])
			rows[len(rows)-1].fault, rows[len(rows)-1].query = "body and thing", ""
		}
		if strings.Contains(absent, absentInMail) {
			rows = append(rows, rows[0])
			last := &rows[len(rows)-1]
			last.fault, last.by, last.query, last.body, last.want = "the thing", admitted(d, callers), "", d.body(t), http.StatusNotFound
		}
		for _, row := range rows {
			if got := r.try(d, row.by, absent+row.query, row.body); got.status != row.want {
				t.Errorf("%s with a fault of %s: %s, want %d", d.name(), row.fault, got, row.want)
			}
		}
	}
}

// TestNoCallShowsWhatIsThere makes each call that is about an InMail as a member who is on no side of it:
// the answer is the same, byte by byte, whether the InMail is there or not. Members are no secret: anybody
// may look at a profile (R01).
func TestNoCallShowsWhatIsThere(t *testing.T) {
	r, inmail, callers := everyCall(t)
	compared := 0
	for _, d := range r.calls() {
		there := d.target(t, map[string]string{"inmail": inmail, "member": absentMember})
		absent := d.target(t, map[string]string{"inmail": absentInMail, "member": absentMember})
		if there == absent {
			continue
		}
		for _, c := range []caller{callers["a member"], callers["an operator for a member"]} {
			if c.member != "" && !d.takes(mailroom.RoleMember) {
				continue
			}
			a, b := r.try(d, c, there, d.body(t)), r.try(d, c, absent, d.body(t))
			compared++
			if a.status != b.status || !bytes.Equal(a.body, b.body) {
				t.Errorf("%s by %s: %s where it is, %s where it is not", d.name(), c.name, a, b)
			}
		}
	}
	if compared < 20 {
		t.Errorf("only %d answers were compared", compared)
	}
}

// hostile are texts that have broken other programs. All but the one that is not well formed have the mark.
var hostile = []string{"zebrafinch\u0000", "\u202ezebrafinch\u200d\u2066", "<img src=x onerror=zebrafinch()>", "zebrafinch' OR '1'='1; --",
	"../../zebrafinch%00\r\nSet-Cookie: a=b", "zebrafinch" + strings.Repeat("́", 5000), "\ufffe🏴\U000e0067\U000e0062zebrafinch"}

// TestEveryCallTakesHostileText puts hostile texts into each text of each body, into each parameter of each
// query and path, and into headers. No answer is a fault, and no problem quotes what was sent.
func TestEveryCallTakesHostileText(t *testing.T) {
	r, _, callers := everyCall(t)
	tried := 0
	for _, d := range r.calls() {
		if !d.keyed() || !strings.HasPrefix(d.path, "/v1/") {
			continue
		}
		by := admitted(d, callers)
		look := func(what string, got answered) {
			tried++
			media := got.header.Get("Content-Type")
			if got.status >= 500 || d.Responses[fmt.Sprint(got.status)] == nil {
				t.Errorf("%s with a hostile %s: %s", d.name(), what, got)
			}
			if got.status >= 400 && (media != "application/problem+json" || bytes.Contains(got.body, []byte("zebrafinch"))) {
				t.Errorf("%s with a hostile %s answers as %s: %s", d.name(), what, media, got)
			}
			if !utf8.Valid(got.body) || got.header.Get("Set-Cookie") != "" || got.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s with a hostile %s: %v", d.name(), what, got.header)
			}
		}
		plain := d.target(t, map[string]string{"inmail": absentInMail, "member": absentMember})
		_, example := d.example()
		for _, text := range hostile {
			for place, body := range withText(example, text) {
				b, err := json.Marshal(body)
				if err != nil {
					t.Fatal(err)
				}
				look("body"+place, r.try(d, by, plain, b))
			}
			for _, p := range d.Parameters {
				switch p.In {
				case "query":
					look("?"+p.Name, r.try(d, by, plain+"?"+url.Values{p.Name: {text}}.Encode(), d.body(t)))
				case "path":
					if len(text) < 1000 {
						hostile := d.target(t, map[string]string{"inmail": text, "member": text, p.Name: text})
						look("{"+p.Name+"}", r.try(d, by, hostile, d.body(t)))
					}
				}
			}
		}
		if d.method != "GET" && example != nil {
			look("lone surrogate", r.try(d, by, plain, []byte(`{"zebrafinch":"\ud800"}`)))
			look("byte", r.try(d, by, plain, []byte("{\"zebrafinch\":\"\xff\xfe\"}")))
			look("depth", r.try(d, by, plain, []byte(strings.Repeat(`{"a":`, 10_000))))
		}
	}
	t.Logf("%d calls with a hostile text", tried)
	if tried < 1000 {
		t.Errorf("only %d calls were tried", tried)
	}
}

// withText returns copies of a JSON value, in each of which another of its texts is replaced, by their
// places.
func withText(v any, text string) map[string]any {
	all := map[string]any{}
	switch x := v.(type) {
	case string:
		all[""] = text
	case map[string]any:
		for name, part := range x {
			for place, changed := range withText(part, text) {
				whole := maps.Clone(x)
				whole[name] = changed
				all["."+name+place] = whole
			}
		}
	case []any:
		for i, part := range x {
			for place, changed := range withText(part, text) {
				whole := slices.Clone(x)
				whole[i] = changed
				all[fmt.Sprintf("[%d]%s", i, place)] = whole
			}
		}
	}
	return all
}
