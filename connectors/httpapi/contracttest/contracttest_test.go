package contracttest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inmail/connectors/httpapi/contracttest"
)

const document = `{"openapi":"3.1.0","paths":{
	"/v1/things/{id}":{"put":{"operationId":"putThing",
		"parameters":[{"name":"id","in":"path","required":true,"schema":{"type":"string","maxLength":3}},{"name":"n","in":"query","schema":{"type":"integer","maximum":9}},{"name":"Key","in":"header","schema":{"type":"string","maxLength":2}}],
		"requestBody":{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Thing"},"example":{"name":"x"}}}},
		"responses":{"200":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Thing"}}}},"204":{},
			"503":{"headers":{"Retry-After":{}},"content":{"application/problem+json":{"schema":{"$ref":"#/components/schemas/Problem"}}}}}}},
	"/v1/things/all":{"put":{"operationId":"putAll","responses":{"204":{},"404":{"$ref":"#/components/responses/NotFound"}}}}},
	"components":{"responses":{"NotFound":{"headers":{"Retry-After":{}},"content":{"application/problem+json":{"schema":{"$ref":"#/components/schemas/Problem"}}}}},
		"schemas":{"Thing":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]},
		"Problem":{"type":"object","properties":{"code":{"type":"string"}},"required":["code"]}}}}`

func TestCheck(t *testing.T) {
	d, err := contracttest.Read([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		method, target, in, key string
		status                  int
		media, out              string
		fault                   string // a part of it; empty: none
	}{
		"as documented":                        {"PUT", "/v1/things/a?n=9", `{"name":"a"}`, "k", 200, "application/json", `{"name":"a"}`, ""},
		"with a charset":                       {"PUT", "/v1/things/a", `{"name":"a"}`, "", 200, "application/json; charset=utf-8", `{"name":"a"}`, ""},
		"without a body":                       {"PUT", "/v1/things/all", "", "", 204, "", "", ""},
		"a refused request may be wrong":       {"PUT", "/v1/things/aaaa", "{", "", 503, "application/problem+json", `{"code":"x"}`, ""},
		"a status that is not documented":      {"PUT", "/v1/things/a", `{"name":"a"}`, "", 201, "application/json", `{"name":"a"}`, "201, which is not documented"},
		"a field of the wrong type":            {"PUT", "/v1/things/a", `{"name":"a"}`, "", 200, "application/json", `{"name":1}`, "want string"},
		"a field that is not documented":       {"PUT", "/v1/things/a", `{"name":"a"}`, "", 200, "application/json", `{"name":"a","email":"x"}`, "email"},
		"a field that is missing":              {"PUT", "/v1/things/a", `{"name":"a"}`, "", 200, "application/json", `{}`, "name"},
		"an answer that is no JSON":            {"PUT", "/v1/things/a", `{"name":"a"}`, "", 200, "application/json", `{`, "EOF"},
		"another media type":                   {"PUT", "/v1/things/a", `{"name":"a"}`, "", 200, "text/html", `{"name":"a"}`, `"text/html" is not documented`},
		"a body where there is none":           {"PUT", "/v1/things/all", "", "", 204, "", "x", "a body that is not documented"},
		"accepted a path part":                 {"PUT", "/v1/things/aaaa", `{"name":"a"}`, "", 200, "application/json", `{"name":"a"}`, "the parameter id"},
		"accepted a query parameter":           {"PUT", "/v1/things/a?n=10", `{"name":"a"}`, "", 200, "application/json", `{"name":"a"}`, "the parameter n"},
		"accepted an unknown parameter":        {"PUT", "/v1/things/a?m=1", `{"name":"a"}`, "", 200, "application/json", `{"name":"a"}`, "not documented"},
		"accepted a header":                    {"PUT", "/v1/things/a", `{"name":"a"}`, "key", 200, "application/json", `{"name":"a"}`, "the parameter Key"},
		"accepted a body":                      {"PUT", "/v1/things/a", `{"name":"a","x":1}`, "", 200, "application/json", `{"name":"a"}`, "a body that the document forbids"},
		"accepted no body":                     {"PUT", "/v1/things/a", "", "", 200, "application/json", `{"name":"a"}`, "without a body"},
		"a header that is missing":             {"PUT", "/v1/things/a", "", "", 503, "application/problem+json", `{"code":"x"}`, "without the header Retry-After"},
		"a named response":                     {"PUT", "/v1/things/all", "", "", 404, "application/problem+json", `{"code":1}`, "want string"},
		"a stranger that is answered":          {"GET", "/v1/things/a", "", "", 200, "application/json", `{"name":"a"}`, "not in the document"},
		"a stranger that is refused":           {"GET", "/v1/nothing", "", "", 404, "application/problem+json", `{"code":"x"}`, ""},
		"a stranger that is refused otherwise": {"GET", "/v1/nothing", "", "", 404, "text/plain", `no`, "text/plain"},
		"a problem that is none":               {"GET", "/v1/nothing", "", "", 405, "application/problem+json", `{}`, "code"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, c.target, nil)
			if c.key != "" {
				r.Header.Set("Key", c.key)
			}
			a := contracttest.Answer{Status: c.status, Header: http.Header{"Content-Type": {c.media}}, Body: []byte(c.out)}
			if c.fault != "without the header Retry-After" {
				a.Header.Set("Retry-After", "1")
			}
			err := d.Check(r, []byte(c.in), a)
			if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
				t.Errorf("fault %v, want %q", err, c.fault)
			}
		})
	}
}

func TestUncovered(t *testing.T) {
	d, err := contracttest.Read([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Write(in)
	}))
	defer s.Close()
	var faults []error
	client := http.Client{Transport: contracttest.Transport{Document: d, Fault: func(err error) { faults = append(faults, err) }}}
	put := func(body string) string {
		r, err := http.NewRequestWithContext(t.Context(), "PUT", s.URL+"/v1/things/a", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(got)
	}
	if got := put(`{"name":"a"}`); got != `{"name":"a"}` || len(faults) > 0 {
		t.Errorf("got %s, faults %v", got, faults)
	}
	if put(`{"nom":"a"}`); len(faults) != 1 {
		t.Errorf("faults %v", faults)
	}
	if diff := cmp.Diff([]string{"PUT /v1/things/all 204", "PUT /v1/things/all 404", "PUT /v1/things/{id} 204", "PUT /v1/things/{id} 503"}, d.Uncovered()); diff != "" {
		t.Errorf("uncovered (-want +got):\n%s", diff)
	}
	if n, err := d.CheckExamples(); n != 1 || err != nil {
		t.Errorf("%d examples, %v", n, err)
	}
	wrong, err := contracttest.Read([]byte(strings.Replace(document, `"example":{"name":"x"}`, `"example":{"name":7}`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wrong.CheckExamples(); err == nil {
		t.Error("an example that is none passed")
	}
	if _, err := contracttest.Read([]byte(`{"openapi":"3.1.0"}`)); err == nil {
		t.Error("a document without paths was read")
	}
}
