package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"inmail/connectors/httpapi/contracttest"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// TestMain runs the tests. If all of them ran, it then checks that every call and every status of the
// document occurred, because a line of the document that no test met may be wrong.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	filtered := false
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz"} {
		filtered = filtered || flag.Lookup(name).Value.String() != ""
	}
	if code == 0 && !filtered {
		if missing := theContract().Uncovered(); len(missing) > 0 {
			fmt.Printf("documented and never called in a test:\n  %s\nFAIL\n", strings.Join(missing, "\n  "))
			code = 1
		}
	}
	os.Exit(code)
}

// world is an API over fake use cases in memory, with its log and its metrics.
type world struct {
	*testing.T
	fakeService *fakeService
	api         *API
	log         *bytes.Buffer
	registry    *prometheus.Registry
	document    func() *contracttest.Document // answers are compared with it
	operator    string                        // keys
	sender      string
	receiver    string
	outsider    string
}

// useCases are the use cases of the tests' APIs: those of fake. A new use case that fake does not need
// gets a fake of its own here.
func useCases(fake *fakeService) UseCases { return NewUseCases(fake) }

// newWorld has an operator and three members: jo writes, maria reads, eve is neither.
func newWorld(t *testing.T, change ...func(*Parts)) *world {
	t.Helper()
	w := &world{T: t, document: theContract, fakeService: newFakeService(), log: new(bytes.Buffer), registry: prometheus.NewRegistry()}
	p := Parts{Config: Default(), Service: useCases(w.fakeService), Sender: w.fakeService,
		Registry: w.registry, Advance: w.fakeService.advance,
		Metrics: text("metrics"), Domain: text("domain metrics"), Queues: page("<html>queues</html>"), QueueInspector: inspectorOf(w.fakeService),
		Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: w.fakeService.Now}
	for _, c := range change {
		c(&p)
	}
	var err error
	if w.api, err = New(p); err != nil {
		t.Fatal(err)
	}
	// The uses of keys are stored when they are listed, and not beside a test that sets the service's time.
	w.api.uses.stored = w.fakeService.now.AddDate(1000, 0, 0)
	for _, id := range []domain.MemberID{"jo", "maria", "eve"} {
		m := domain.NewMember(id, strings.ToUpper(string(id)))
		m.Email, m.AccountType, m.Plan = domain.Email(id+"@example.com"), domain.PremiumBusiness, "premium_business_10"
		w.fakeService.members[id] = m
	}
	w.operator, w.sender, w.receiver, w.outsider = w.key("operator", ""), w.key("member", "jo"), w.key("member", "maria"), w.key("member", "eve")
	return w
}

func (w *world) key(role mailroom.Role, member domain.MemberID) string {
	_, key, err := w.fakeService.CreateKey(w.Context(), mailroom.Viewer{}, mailroom.NewKey{Role: role, Member: member})
	if err != nil {
		w.Fatal(err)
	}
	return key
}

// idOf returns the id of a key.
func (w *world) idOf(key string) string { return w.fakeService.keys[sha256.Sum256([]byte(key))].ID }

func text(s string) http.Handler { return of("text/plain; charset=utf-8", s) }
func page(s string) http.Handler { return of("text/html; charset=utf-8", s) }

func of(media, s string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		io.WriteString(w, s)
	})
}

// answer is the answer to one request.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// json reads a part of the answer by a path as items.0.id; a number is a float64.
func (a answer) json(path string) any {
	a.t.Helper()
	var v any
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.t.Fatalf("the answer %q is not JSON: %v", a.body, err)
	}
	if path == "" {
		return v
	}
	for _, part := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

func (a answer) text(path string) string { s, _ := a.json(path).(string); return s }

// want checks status and code; code "" is for what went well.
func (a answer) want(status int, code string) answer {
	a.t.Helper()
	got := ""
	if a.status >= 400 {
		got = a.text("code")
	}
	if a.status != status || got != code {
		a.t.Errorf("answer %d %s, want %d %s: %s", a.status, got, status, code, a.body)
	}
	return a
}

// has compares parts of the answer: path, value, path, value …
func (a answer) has(pairs ...any) answer {
	a.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		path := pairs[i].(string)
		want, err := json.Marshal(pairs[i+1])
		if err != nil {
			a.t.Fatal(err)
		}
		if got, _ := json.Marshal(a.json(path)); string(got) != string(want) {
			a.t.Errorf("%s is %s, want %s, in %s", path, got, want, a.body)
		}
	}
	return a
}

// ask sends a request with key (empty: none) and compares it and its answer with the document. body is a text
// that is sent as it is, nil, or a value that is sent as JSON; headers are "name: value".
func (w *world) ask(key, method, target string, body any, headers ...string) answer {
	w.Helper()
	var in []byte
	switch b := body.(type) {
	case nil:
	case string:
		in = []byte(b)
	default:
		var err error
		if in, err = json.Marshal(b); err != nil {
			w.Fatal(err)
		}
	}
	r := httptest.NewRequestWithContext(w.Context(), method, target, bytes.NewReader(in))
	if len(in) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if value == "-" {
			r.Header.Del(name)
			continue
		}
		r.Header.Add(name, value)
	}
	return w.send(key, r, in)
}

// askRaw is ask for a request that the test made.
func (w *world) askRaw(key string, r *http.Request) answer {
	w.Helper()
	return w.send(key, r, nil)
}

func (w *world) send(key string, r *http.Request, in []byte) answer {
	w.Helper()
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, r)
	a := answer{t: w.T, status: rec.Code, header: rec.Header(), body: rec.Body.Bytes()}
	if h := a.header; h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") == "" {
		w.Errorf("%s %s: headers are missing: %v", r.Method, r.URL, h)
	}
	if r.Method == http.MethodOptions && a.status == http.StatusNoContent {
		return a // a browser's question, which is in no document
	}
	if strings.HasPrefix(r.URL.Path, "/queues/") {
		return a // the parts of the queue's page are not in the document
	}
	if err := w.document().Check(r, in, contracttest.Answer{Status: a.status, Header: a.header, Body: a.body}); err != nil {
		w.Errorf("%s: %v", r.URL, err)
	}
	return a
}

type object = map[string]any

// theContract is the document that an API with all its parts serves.
var theContract = sync.OnceValue(func() *contracttest.Document {
	api, err := New(Parts{Config: Default(), Service: useCases(newFakeService()), Sender: newFakeService(),
		Registry: prometheus.NewRegistry(), Advance: newFakeService().advance,
		Metrics: text(""), Domain: text(""), Queues: page(""), QueueInspector: inspectorOf(newFakeService()), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	return documentOf(api)
})

func documentOf(api *API) *contracttest.Document {
	rec := httptest.NewRecorder()
	api.ServeHTTP(rec, httptest.NewRequest("GET", "/openapi.json", nil))
	d, err := contracttest.Read(rec.Body.Bytes())
	if err != nil {
		panic(err)
	}
	return d
}

// ownDocument makes w compare its answers with its own document, for a world that lacks a part.
func (w *world) ownDocument() *world {
	w.document = sync.OnceValue(func() *contracttest.Document { return documentOf(w.api) })
	return w
}
