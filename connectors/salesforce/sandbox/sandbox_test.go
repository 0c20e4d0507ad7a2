package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// org is a sandbox behind a test server, with a clock that stands still.
type org struct {
	*Sandbox
	t      testing.TB
	server *httptest.Server
	token  string
	now    time.Time
}

var testNow = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

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

func TestThin(t *testing.T) {
	g := newOrg(t)
	show := func(status int, body []byte) { t.Logf("%d %s", status, body) }
	show(g.do("POST", "sobjects/Lead/", map[string]any{"LastName": "Doe", "Company": "ACME", "Email": "a@example.com"}))
	var rows []map[string]any
	for i := range 3 {
		rows = append(rows, map[string]any{"attributes": map[string]string{"type": "InMail__c"}, "InMail_Id__c": fmt.Sprint("id-", i), "Status__c": "Sent", "Status_Sequence__c": 2})
	}
	show(g.do("PATCH", "composite/sobjects/InMail__c/InMail_Id__c", map[string]any{"records": rows}))
	show(g.do("PATCH", "composite/sobjects/InMail__c/InMail_Id__c", map[string]any{"records": rows}))
	show(g.do("GET", "query?q="+url.QueryEscape("SELECT Id, Name, InMail_Id__c, Status_Sequence__c, Owner.Name, Sender__c, Hours_Left__c, CreatedDate FROM InMail__c WHERE Status__c IN ('Sent') AND InMail_Id__c > 'id-0' ORDER BY InMail_Id__c DESC LIMIT 10"), nil))
	show(g.do("GET", "limits", nil))
	show(g.do("POST", "composite", map[string]any{"compositeRequest": []any{
		map[string]any{"method": "POST", "url": "/services/data/v67.0/sobjects/Account", "referenceId": "acc", "body": map[string]any{"Name": "X"}},
		map[string]any{"method": "POST", "url": "/services/data/v67.0/sobjects/Contact", "referenceId": "con", "body": map[string]any{"LastName": "Y", "AccountId": "@{acc.id}"}},
	}}))
	show(g.do("GET", "sobjects/InMail__c/describe", nil))
}
