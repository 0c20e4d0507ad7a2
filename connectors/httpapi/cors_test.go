package httpapi

import (
	"net/http"
	"strings"
	"testing"
)

func TestCORS(t *testing.T) {
	const ours, others = "https://app.example.com", "https://evil.example"
	w := newWorld(t, func(p *Parts) { p.Config.CORSOrigins = []string{ours} })
	preflight := []string{"Origin: " + ours, "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: authorization"}
	a := w.ask("", "OPTIONS", "/v1/members/jo", nil, preflight...)
	if h := a.header; a.status != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != ours ||
		!strings.Contains(h.Get("Access-Control-Allow-Methods"), "PUT") || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("preflight: %d %v", a.status, h)
	}
	a = w.ask(w.sender, "GET", "/v1/credits", nil, "Origin: "+ours).want(200, "")
	if h := a.header; h.Get("Access-Control-Allow-Origin") != ours || h.Get("Vary") != "Origin" || h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("a call: %v", h)
	}
	a = w.ask(w.sender, "GET", "/v1/credits", nil, "Origin: "+others).want(200, "")
	if h := a.header; h.Get("Access-Control-Allow-Origin") != "" || h.Get("Vary") != "Origin" {
		t.Errorf("a call from elsewhere: %v", h)
	}
	w.ask("", "OPTIONS", "/v1/members/jo", nil, "Origin: "+others, "Access-Control-Request-Method: PUT").want(405, "method_not_allowed")
	without := newWorld(t)
	if a := without.ask("", "OPTIONS", "/v1/members/jo", nil, preflight...); a.status != http.StatusMethodNotAllowed || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("without the setting: %d %v", a.status, a.header)
	}
	for origin, good := range map[string]bool{ours: true, "http://localhost:3000": true, "*": false, "null": false, "app.example.com": false,
		ours + "/": false, ours + "/path": false, "ftp://app.example.com": false, "https://u:p@app.example.com": false} {
		c := Default()
		c.CORSOrigins = []string{origin}
		if err := c.Validate(); (err == nil) != good {
			t.Errorf("%s: %v", origin, err)
		}
	}
}

func TestIfMatch(t *testing.T) {
	w := newWorld(t)
	const path = "/v1/members/maria"
	read := w.ask(w.operator, "GET", path, nil).want(200, "").header.Get("ETag")
	if read == "" {
		t.Fatal("an operator gets no ETag")
	}
	if tag := w.ask(w.sender, "GET", path, nil).want(200, "").header.Get("ETag"); tag != "" {
		t.Errorf("another member gets the ETag %s, from which the e-mail address could be guessed", tag)
	}
	changed := w.ask(w.operator, "PATCH", path, `{"company":"Nordlicht"}`, "If-Match: "+read).want(200, "").header.Get("ETag")
	if changed == "" || changed == read {
		t.Errorf("the version after a change is %q, before %q", changed, read)
	}
	w.ask(w.operator, "PATCH", path, `{"company":"Late"}`, "If-Match: "+read).want(412, "precondition_failed")
	w.ask(w.operator, "PUT", path, `{"name":"Late"}`, "If-Match: "+read).want(412, "precondition_failed")
	w.ask(w.operator, "PUT", "/v1/members/nobody", `{"name":"New"}`, "If-Match: *").want(412, "precondition_failed")
	w.ask(w.operator, "GET", path, nil).want(200, "").has("company", "Nordlicht")
	w.ask(w.operator, "PUT", path, `{"name":"Maria L."}`, "If-Match: \"other\", "+changed).want(200, "").has("name", "Maria L.", "company", "")
	w.ask(w.operator, "PATCH", path, `{"company":"Any"}`, "If-Match: *").want(200, "")
}
