package sandbox

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// org is a sandbox behind a test server, with a clock that moves only on demand.
type org struct {
	*Sandbox
	t      testing.TB
	server *httptest.Server
	token  string
	now    time.Time
}

var testNow = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func testClock() time.Time { return testNow }

func testCredentials() Credentials {
	return Credentials{
		ClientID: "app", ClientSecret: "app secret",
		Users: []User{{Username: "integration@example.com", Password: "pass", Token: "token", FirstName: "Integration"}},
	}
}

// newOrg starts an org and logs in.
func newOrg(t testing.TB, change ...func(*Options)) *org {
	t.Helper()
	g := &org{t: t, now: testNow}
	o := Options{Credentials: testCredentials(), Clock: func() time.Time { return g.now }, DailyLimit: 1_000_000}
	for _, c := range change {
		c(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	g.Sandbox = s
	// A second Close is harmless: a test may have closed it already.
	t.Cleanup(func() { _ = s.Close() })
	g.server = httptest.NewServer(s.Handler())
	t.Cleanup(g.server.Close)
	g.login()
	return g
}

func (g *org) login() {
	g.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {"app secret"}}
	resp, err := http.PostForm(g.server.URL+"/services/oauth2/token", form)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || resp.StatusCode != 200 {
		g.t.Fatalf("login: status %d, %v", resp.StatusCode, err)
	}
	g.token = got.Token
}

// do sends a call and returns status and body. A path without a leading slash is under v67.0.
func (g *org) do(method, path string, body any) (int, []byte) {
	g.t.Helper()
	resp, answer := g.send(method, path, body, nil)
	return resp.StatusCode, answer
}

func (g *org) send(method, path string, body any, header http.Header) (*http.Response, []byte) {
	g.t.Helper()
	var in io.Reader
	kind := "application/json"
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
		if strings.HasSuffix(path, "/batches") {
			kind = "text/csv"
		}
	default:
		data, err := json.Marshal(b)
		if err != nil {
			g.t.Fatal(err)
		}
		in = bytes.NewReader(data)
	}
	if !strings.HasPrefix(path, "/") {
		path = "/services/data/v67.0/" + path
	}
	req, err := http.NewRequest(method, g.server.URL+path, in)
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+g.token)
	if in != nil {
		req.Header.Set("Content-Type", kind)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := g.server.Client().Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return resp, answer
}

func rowsReader(body any) (io.Reader, error) {
	data, err := json.Marshal(body)
	return bytes.NewReader(data), err
}

// codes returns the error codes of an answer: of a list of errors, of rows, or of a tree.
func codes(t testing.TB, body []byte) []string {
	t.Helper()
	type failure struct{ ErrorCode, StatusCode string }
	var list []struct {
		failure
		Success *bool
		Errors  []failure
	}
	if err := json.Unmarshal(body, &list); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	var out []string
	for _, item := range list {
		switch {
		case item.ErrorCode != "":
			out = append(out, item.ErrorCode)
		case len(item.Errors) > 0:
			out = append(out, item.Errors[0].StatusCode)
		case item.Success != nil && *item.Success:
			out = append(out, "stored")
		}
	}
	return out
}

// refused checks that a call is refused with a status and a code.
func (g *org) refused(status int, code, method, path string, body any) {
	g.t.Helper()
	got, answer := g.do(method, path, body)
	if got != status {
		g.t.Fatalf("status %d, want %d: %s", got, status, answer)
	}
	if found := codes(g.t, answer); len(found) == 0 || found[0] != code {
		g.t.Errorf("codes %v, want %s: %s", found, code, answer)
	}
}

// insert creates a record as the operator.
func (g *org) insert(object string, in Fields) string {
	g.t.Helper()
	id, err := g.Insert(object, in)
	if err != nil {
		g.t.Fatal(err)
	}
	return id
}

// value returns a field of a stored record.
func (g *org) value(id, field string) any {
	g.t.Helper()
	record, ok := g.Record(id)
	if !ok {
		g.t.Fatalf("there is no record %s", id)
	}
	v, ok := record[field]
	if !ok {
		g.t.Fatalf("%s has no field %s", id, field)
	}
	return v
}

// upsert sends rows of InMail__c as one collection and returns the outcome of each.
func (g *org) upsert(rows ...Fields) []string {
	g.t.Helper()
	status, body := g.do("PATCH", "composite/sobjects/InMail__c/InMail_Id__c", map[string]any{"records": typed("InMail__c", rows)})
	if status != http.StatusOK {
		g.t.Fatalf("status %d: %s", status, body)
	}
	return codes(g.t, body)
}

func typed(object string, rows []Fields) []Fields {
	out := make([]Fields, len(rows))
	for i, r := range rows {
		out[i] = Fields{"attributes": Fields{"type": object}}
		for name, v := range r {
			out[i][name] = v
		}
	}
	return out
}

// query runs a query and returns the records.
func (g *org) query(soql string) []map[string]any {
	g.t.Helper()
	status, body := g.do("GET", "query?q="+url.QueryEscape(soql), nil)
	var got struct{ Records []map[string]any }
	if err := json.Unmarshal(body, &got); err != nil || status != http.StatusOK {
		g.t.Fatalf("%s: status %d: %s", soql, status, body)
	}
	for _, r := range got.Records {
		delete(r, "attributes")
	}
	return got.Records
}

func TestServe(t *testing.T) {
	asleep, wake := make(chan struct{}), make(chan struct{})
	s, err := New(Options{Credentials: testCredentials(), Clock: testClock, Sleep: func(context.Context, time.Duration) error {
		close(asleep)
		<-wake
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	g := &org{Sandbox: s, t: t, server: &httptest.Server{URL: "http://" + l.Addr().String(), Config: &http.Server{}}}
	g.login()
	g.inject(Fault{Kind: SlowAfter, Delay: time.Second, Next: 1})
	answered := make(chan int)
	go func() {
		req, _ := http.NewRequest("GET", g.server.URL+"/services/data/v67.0/limits", nil)
		req.Header.Set("Authorization", "Bearer "+g.token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			answered <- 0
			return
		}
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	<-asleep
	stop()
	close(wake)
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the call under way ended with %d", status)
	}
	if err := <-ended; err != nil {
		t.Errorf("serve ended with %v", err)
	}
	if err := s.Serve(t.Context(), l); err == nil {
		t.Error("a closed listener was served")
	}
}

func TestGzip(t *testing.T) {
	g := newOrg(t)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(`{"LastName":"L","Company":"A"}`)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	resp, body := g.send("POST", "sobjects/Lead", packed.String(), http.Header{"Content-Encoding": {"gzip"}})
	if resp.StatusCode != http.StatusCreated {
		t.Errorf("a gzipped body: %d %s", resp.StatusCode, body)
	}
	for encoding, want := range map[string]int{"gzip": 400, "br": 415} {
		if resp, _ := g.send("POST", "sobjects/Lead", `{"LastName":"L"}`, http.Header{"Content-Encoding": {encoding}}); resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", encoding, resp.StatusCode, want)
		}
	}
	resp, body = g.send("GET", "sobjects/Lead/describe", nil, http.Header{"Accept-Encoding": {"gzip"}})
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil || resp.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("a long answer is not gzipped: %v", err)
	}
	if plain, err := io.ReadAll(r); err != nil || !json.Valid(plain) {
		t.Errorf("unpacked: %v", err)
	}
}
