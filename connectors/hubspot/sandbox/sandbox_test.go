package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// portal is a sandbox that is called over HTTP, at a time that stands still.
type portal struct {
	*Sandbox
	t   *testing.T
	url string
	now time.Time
}

func newPortal(t *testing.T, o Options) *portal {
	t.Helper()
	p := &portal{t: t, now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	o.Clock = func() time.Time { return p.now }
	box, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	p.Sandbox = box
	server := httptest.NewServer(box.Handler())
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// call makes a call and returns its status, its answer and its headers.
func (p *portal) call(method, path, body string) (int, map[string]any, http.Header) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer pat-sandbox")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	var out map[string]any
	_ = json.Unmarshal(data, &out) // a page, or nothing, is no JSON
	return resp.StatusCode, out, resp.Header
}

// TestRefuses checks what is refused, with the status and the code or category.
func TestRefuses(t *testing.T) {
	p := newPortal(t, Options{})
	contact, err := p.Make("contacts", map[string]string{"email": "a@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxUnique {
		err := p.AddProperty("companies", Property{Name: fmt.Sprint("own", i), Label: "x", Type: "string", FieldType: "text", HasUniqueValue: true})
		if err != nil {
			t.Fatal(err)
		}
	}
	message := func(more string) string {
		return `{"properties":{"hs_communication_channel_type":"LINKEDIN_MESSAGE","hs_timestamp":"1"` + more + `},"associations":[]}`
	}
	const create = "/crm/objects/2026-03/communications"
	for name, row := range map[string]struct {
		method, path, body string
		status             int
		code               string
	}{
		"an unknown path":                {"GET", "/crm/nothing/2026-03/x", "", 404, "OBJECT_NOT_FOUND"},
		"an unknown version":             {"GET", "/crm/objects/2025-09/contacts", "", 404, "OBJECT_NOT_FOUND"},
		"an unknown object":              {"GET", "/crm/objects/2026-03/deals", "", 404, "OBJECT_NOT_FOUND"},
		"an unknown field":               {"POST", create, `{"nope":1}`, 400, "VALIDATION_ERROR"},
		"a number as a value":            {"POST", create, `{"properties":{"hs_timestamp":1},"associations":[]}`, 400, "VALIDATION_ERROR"},
		"an unknown property":            {"POST", create, message(`,"nope":"x"`), 400, "PROPERTY_DOESNT_EXIST"},
		"a read-only property":           {"POST", create, message(`,"hs_object_id":"1"`), 400, "READ_ONLY_VALUE"},
		"an unknown option":              {"POST", create, message(`,"hs_communication_logged_from":"API"`), 400, "INVALID_OPTION"},
		"an unknown owner":               {"POST", create, message(`,"hubspot_owner_id":"9"`), 400, "INVALID_OWNER_ID"},
		"too long a text":                {"POST", create, message(`,"hs_communication_body":"` + strings.Repeat("x", maxText+1) + `"`), 400, "PROPERTY_VALUE_TOO_LONG"},
		"no channel":                     {"POST", create, `{"properties":{"hs_timestamp":"1"},"associations":[]}`, 400, "REQUIRED_PROPERTY_MISSING"},
		"a wrong type of association":    {"POST", create, strings.Replace(message(""), "[]", `[{"to":{"id":"`+contact+`"},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":87}]}]`, 1), 400, "OBJECT_NOT_FOUND"},
		"an association without a type":  {"POST", create, strings.Replace(message(""), "[]", `[{"to":{"id":"`+contact+`"},"types":[]}]`, 1), 400, "VALIDATION_ERROR"},
		"an empty batch":                 {"POST", create + "/batch/update", `{"inputs":[]}`, 400, "VALIDATION_ERROR"},
		"a batch without associations":   {"POST", create + "/batch/create", `{"inputs":[{"properties":{}}]}`, 400, "VALIDATION_ERROR"},
		"a key that is the record's id":  {"POST", create + "/batch/read", `{"idProperty":"hs_object_id","inputs":[{"id":"1"}]}`, 400, "VALIDATION_ERROR"},
		"no address":                     {"POST", "/crm/objects/2026-03/contacts/batch/read", `{"idProperty":"email","inputs":[{"id":"nobody"}]}`, 400, "INVALID_EMAIL"},
		"a long search":                  {"POST", create + "/search", `{"query":"` + strings.Repeat("x", maxSearchBody) + `"}`, 400, "VALIDATION_ERROR"},
		"values of IN in capitals":       {"POST", "/crm/objects/2026-03/contacts/search", `{"filterGroups":[{"filters":[{"propertyName":"email","operator":"IN","values":["A"]}]}]}`, 400, "VALIDATION_ERROR"},
		"beyond ten thousand":            {"POST", create + "/search", `{"limit":200,"after":"9900"}`, 400, "VALIDATION_ERROR"},
		"a list of a thousand":           {"GET", create + "?limit=1000", "", 400, "VALIDATION_ERROR"},
		"a merge of messages":            {"POST", create + "/merge", `{"primaryObjectId":"1","objectIdToMerge":"2"}`, 400, "VALIDATION_ERROR"},
		"a unique enumeration":           {"POST", "/crm/properties/2026-03/contacts", `{"name":"a","label":"a","type":"enumeration","fieldType":"select","groupName":"contactinformation","hasUniqueValue":true,"options":[{"label":"a","value":"a"}]}`, 400, "VALIDATION_ERROR"},
		"an eleventh unique property":    {"POST", "/crm/properties/2026-03/companies", `{"name":"a","label":"a","type":"string","fieldType":"text","groupName":"companyinformation","hasUniqueValue":true}`, 400, "VALIDATION_ERROR"},
		"an enumeration without options": {"POST", "/crm/properties/2026-03/contacts", `{"name":"a","label":"a","type":"enumeration","fieldType":"select","groupName":"contactinformation"}`, 400, "VALIDATION_ERROR"},
		"two options that are the same":  {"POST", "/crm/properties/2026-03/contacts", `{"name":"a","label":"a","type":"enumeration","fieldType":"select","groupName":"contactinformation","options":[{"label":"a","value":"a"},{"label":"a","value":"b"}]}`, 400, "VALIDATION_ERROR"},
		"a wrong field type":             {"POST", "/crm/properties/2026-03/contacts", `{"name":"a","label":"a","type":"number","fieldType":"text","groupName":"contactinformation"}`, 400, "VALIDATION_ERROR"},
		"a name with capitals":           {"POST", "/crm/properties/2026-03/contacts", `{"name":"A","label":"a","type":"string","fieldType":"text","groupName":"contactinformation"}`, 400, "VALIDATION_ERROR"},
		"an archived HubSpot property":   {"DELETE", "/crm/properties/2026-03/contacts/email", "", 400, "VALIDATION_ERROR"},
		"a group that is there":          {"POST", "/crm/properties/2026-03/contacts/groups", `{"name":"contactinformation","label":"x"}`, 409, "OBJECT_ALREADY_EXISTS"},
	} {
		status, out, _ := p.call(row.method, row.path, row.body)
		codes := []any{out["category"]}
		for _, e := range asList(out["errors"]) {
			codes = append(codes, e.(map[string]any)["code"])
		}
		if status != row.status || !slices.Contains(codes, any(row.code)) && !strings.Contains(fmt.Sprint(name), "wrong type of association") {
			t.Errorf("%s: %d %v, not %d %s", name, status, codes, row.status, row.code)
		}
	}
	if n := len(p.Records("communications")); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

// TestLimits checks the limits of ten seconds, of a second of searches, and of a day of the portal.
func TestLimits(t *testing.T) {
	p := newPortal(t, Options{Tier: Free, Daily: 210, TimeZone: "America/New_York"})
	policies := func(n int, path string) (last string) {
		for range n {
			method, body := "GET", ""
			if strings.HasSuffix(path, "search") {
				method, body = "POST", "{}"
			}
			_, out, _ := p.call(method, path, body)
			last, _ = out["policyName"].(string)
		}
		return last
	}
	const list, search = "/crm/objects/2026-03/contacts", "/crm/objects/2026-03/contacts/search"
	_, _, h := p.call("GET", list, "")
	if h.Get("X-HubSpot-RateLimit-Max") != "100" || h.Get("X-HubSpot-RateLimit-Remaining") != "99" || h.Get("X-HubSpot-RateLimit-Daily-Remaining") != "209" {
		t.Errorf("%v", h)
	}
	if got := policies(99, list); got != "" {
		t.Errorf("the hundredth: %s", got)
	}
	if got := policies(1, list); got != "TEN_SECONDLY_ROLLING" {
		t.Errorf("the next: %q", got)
	}
	p.now = p.now.Add(10 * time.Second)
	if got := policies(5, search); got != "" {
		t.Errorf("five searches: %s", got)
	}
	if got := policies(1, search); got != "SECONDLY" {
		t.Errorf("the sixth: %q", got)
	}
	p.now = p.now.Add(time.Second)
	if _, _, h := p.call("POST", search, "{}"); h.Get("X-HubSpot-RateLimit-Max") != "" {
		t.Errorf("a search has %v", h)
	}
	p.now = p.now.Add(10 * time.Second)
	policies(90, list)
	p.now = p.now.Add(10 * time.Second)
	if got := policies(20, list); got != "DAILY" {
		t.Errorf("after the day's calls: %q", got)
	}
	p.now = time.Date(2026, 11, 24, 4, 59, 59, 0, time.UTC)
	if got := policies(1, list); got != "DAILY" {
		t.Errorf("a second before midnight in New York: %q", got)
	}
	p.now = p.now.Add(time.Second)
	if got := policies(1, list); got != "" {
		t.Errorf("on the next day: %q", got)
	}
}

// TestIndex checks that searches show late what was written, and never what is archived.
func TestIndex(t *testing.T) {
	p := newPortal(t, Options{IndexDelay: 30 * time.Second})
	id, err := p.Make("contacts", map[string]string{"email": "a@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	total := func() any {
		_, out, _ := p.call("POST", "/crm/objects/2026-03/contacts/search", `{"filterGroups":[{"filters":[{"propertyName":"email","operator":"EQ","value":"A@example.com"}]}]}`)
		return out["total"]
	}
	if status, _, _ := p.call("GET", "/crm/objects/2026-03/contacts/a@example.com?idProperty=email", ""); status != 200 || total() != 0.0 {
		t.Errorf("the store says %d, the index %v", status, total())
	}
	p.now = p.now.Add(30 * time.Second)
	if total() != 1.0 {
		t.Errorf("the index has %v", total())
	}
	if err := p.Delete("contacts", id); err != nil || total() != 0.0 {
		t.Errorf("archived: %v, %v", total(), err)
	}
}

// TestLate checks that a write which was given up is carried out after its delay, once.
func TestLate(t *testing.T) {
	p := newPortal(t, Options{})
	p.Inject(Fault{Kind: CommitLate, Times: 1, Delay: time.Minute})
	if status, _, _ := p.call("POST", "/crm/objects/2026-03/contacts", `{"properties":{"email":"a@example.com"},"associations":[]}`); status != 504 {
		t.Errorf("%d", status)
	}
	for _, row := range []struct {
		pass time.Duration
		want int
	}{{59 * time.Second, 0}, {time.Second, 1}, {time.Hour, 1}} {
		p.now = p.now.Add(row.pass)
		p.CommitLate()
		if n := len(p.Records("contacts")); n != row.want {
			t.Errorf("%d records, not %d", n, row.want)
		}
	}
}
