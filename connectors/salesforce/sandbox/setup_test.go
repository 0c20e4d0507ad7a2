package sandbox

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// describedLength returns the length of a field in a describe; -1: the caller cannot see the field.
func (g *org) describedLength(object, field string) int {
	g.t.Helper()
	var got struct {
		Fields []struct {
			Name   string
			Length int
		}
	}
	status, body := g.do("GET", "sobjects/"+object+"/describe", nil)
	if err := json.Unmarshal(body, &got); err != nil || status != http.StatusOK {
		g.t.Fatalf("describe %s: %d, %v", object, status, err)
	}
	for _, f := range got.Fields {
		if f.Name == field {
			return f.Length
		}
	}
	return -1
}

func TestSetup(t *testing.T) {
	keyed := func(o *Options) { o.ControlKey = "control key"; o.Credentials.Users[0].Integration = true }
	row := func(id string, subject string) Fields { return Fields{"InMail_Id__c": id, "Subject__c": subject} }
	setup := func(g *org, path string, body Fields, want int) {
		g.t.Helper()
		if status := g.control("PUT", path, body, nil); status != want {
			g.t.Errorf("%s %v: %d, want %d", path, body, status, want)
		}
	}
	t.Run("hidden_field", func(t *testing.T) {
		g := newOrg(t, keyed)
		g.upsert(row("a", "A question"))
		setup(g, "field", Fields{"object": "InMail__c", "field": "Subject__c", "shown": false}, http.StatusOK)
		if n := g.describedLength("InMail__c", "Subject__c"); n != -1 {
			t.Errorf("the describe shows it with length %d", n)
		}
		g.refused(400, "INVALID_FIELD", "GET", "query?q=SELECT+Subject__c+FROM+InMail__c", nil)
		g.refused(400, "INVALID_FIELD", "PATCH", "sobjects/InMail__c/InMail_Id__c/a", Fields{"Subject__c": "Another"})
		if got := g.upsert(row("b", "B"), Fields{"InMail_Id__c": "c"}); got[0] != "INVALID_FIELD" || got[1] != "stored" {
			t.Errorf("rows: %v", got)
		}
		if got := g.ingest(upsertJob, "InMail_Id__c,Subject__c\nd,D\n"); got.State != "Failed" {
			t.Errorf("a bulk job that names it: %s", got.State)
		}
		setup(g, "field", Fields{"object": "InMail__c", "field": "Subject__c", "shown": true}, http.StatusOK)
		if got := g.query("SELECT Subject__c FROM InMail__c WHERE InMail_Id__c = 'a'"); got[0]["Subject__c"] != "A question" {
			t.Errorf("shown again its value is %v", got)
		}
	})
	t.Run("shorter_field", func(t *testing.T) {
		g := newOrg(t, keyed)
		g.upsert(row("a", strings.Repeat("x", 200)))
		setup(g, "field", Fields{"object": "InMail__c", "field": "Subject__c", "length": 10}, http.StatusOK)
		if n := g.describedLength("InMail__c", "Subject__c"); n != 10 {
			t.Errorf("the describe says the length %d", n)
		}
		if got := g.upsert(row("b", "0123456789"), row("c", "0123456789x"), row("d", "🙂🙂🙂🙂🙂🙂")); got[0] != "stored" || got[1] != "STRING_TOO_LONG" || got[2] != "STRING_TOO_LONG" {
			t.Errorf("rows: %v", got)
		}
		if got := g.query("SELECT Subject__c FROM InMail__c WHERE InMail_Id__c = 'a'"); len(got[0]["Subject__c"].(string)) != 200 {
			t.Errorf("what was stored is now %v", got)
		}
		setup(g, "field", Fields{"object": "InMail__c", "field": "Subject__c", "length": 200}, http.StatusOK)
		if got := g.upsert(row("c", "0123456789x")); got[0] != "stored" {
			t.Errorf("as long as before: %v", got)
		}
	})
	t.Run("soap_login", func(t *testing.T) {
		g := newOrg(t, keyed)
		login := func() error { return simpleClient(g).LoginPassword("integration@example.com", "pass", "token") }
		setup(g, "soap-login", Fields{"allowed": false}, http.StatusOK)
		if got := loginCode(t, login()); got != "sf:INVALID_OPERATION" {
			t.Errorf("code %s", got)
		}
		if status, _ := g.do("GET", "limits", nil); status != http.StatusOK {
			t.Errorf("a session that was open: %d", status)
		}
		setup(g, "soap-login", Fields{"allowed": true}, http.StatusOK)
		if err := login(); err != nil {
			t.Error(err)
		}
	})
	t.Run("retired_versions", func(t *testing.T) {
		g := newOrg(t, keyed)
		setup(g, "versions", Fields{"oldest": 41}, http.StatusOK)
		g.refused(410, "UNSUPPORTED_API_VERSION", "GET", "/services/data/v40.0/limits", nil)
		if status, _ := g.do("GET", "/services/data/v41.0/limits", nil); status != http.StatusOK {
			t.Errorf("the oldest that is left: %d", status)
		}
		if _, body := g.do("GET", "/services/data", nil); strings.Contains(string(body), `"40.0"`) || !strings.Contains(string(body), `"41.0"`) {
			t.Errorf("the list of versions is %s", body)
		}
		if got, _ := g.composite(false, Fields{"method": "GET", "url": "/services/data/v40.0/limits", "referenceId": "a"}); strings.HasPrefix(got[0], "200") {
			t.Errorf("a subrequest of a retired version: %v", got)
		}
	})
	t.Run("refused", func(t *testing.T) {
		g := newOrg(t, keyed)
		for _, body := range []Fields{
			{"object": "Nope__c", "field": "Subject__c", "shown": false}, {"object": "InMail__c", "field": "Nope__c", "shown": false},
			{"object": "InMail__c", "field": "InMail_Id__c", "shown": false}, {"object": "Lead", "field": "Id", "shown": false},
			{"object": "InMail__c", "field": "Subject__c"}, {"object": "InMail__c", "field": "Subject__c", "length": 0}, {"object": "InMail__c", "field": "Subject__c", "length": 201},
			{"object": "InMail__c", "field": "Replies__c", "length": 5}, {"object": "InMail__c", "field": "Subject__c", "hidden": true},
		} {
			setup(g, "field", body, http.StatusBadRequest)
		}
		setup(g, "versions", Fields{"oldest": 30}, http.StatusBadRequest)
		setup(g, "versions", Fields{"oldest": 69}, http.StatusBadRequest)
		setup(g, "soap-login", Fields{"enabled": true}, http.StatusBadRequest)
		if n := g.describedLength("InMail__c", "Subject__c"); n != 200 {
			t.Errorf("a refused change left the length %d", n)
		}
	})
}
