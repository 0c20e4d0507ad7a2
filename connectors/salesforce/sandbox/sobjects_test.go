package sandbox

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
)

func TestUpsertOfOne(t *testing.T) {
	g := newOrg(t)
	const path = "sobjects/InMail__c/InMail_Id__c/a%2Fb"
	resp, body := g.send("PATCH", path, Fields{"Status__c": "Sent"}, nil)
	var made struct {
		ID      string
		Success bool
		Errors  []any
		Created bool
	}
	if err := json.Unmarshal(body, &made); err != nil || resp.StatusCode != http.StatusCreated || !made.Success || !made.Created || made.Errors == nil {
		t.Fatalf("first: %d %s", resp.StatusCode, body)
	}
	if got := resp.Header.Get("Location"); got != "/services/data/v67.0/sobjects/InMail__c/"+made.ID {
		t.Errorf("Location %q", got)
	}
	if got := g.value(made.ID, "InMail_Id__c"); got != "a/b" {
		t.Errorf("the key is %q: it is escaped in the address", got)
	}
	if status, body := g.do("PATCH", path, Fields{"Status__c": "Opened"}); status != http.StatusOK || !strings.Contains(string(body), `"created":false`) {
		t.Errorf("second: %d %s", status, body)
	}
	t.Run("before_46_an_update_has_no_content", func(t *testing.T) {
		status, body := g.do("PATCH", "/services/data/v45.0/"+path, Fields{"Status__c": "Opened"})
		if status != http.StatusNoContent || len(body) != 0 {
			t.Errorf("%d %s", status, body)
		}
	})
	t.Run("update_only", func(t *testing.T) {
		g.refused(404, "NOT_FOUND", "PATCH", "sobjects/InMail__c/InMail_Id__c/none?updateOnly=true", Fields{"Status__c": "Sent"})
	})
	t.Run("key_in_the_body", func(t *testing.T) {
		g.refused(400, "INVALID_FIELD", "PATCH", path, Fields{"InMail_Id__c": "a/b"})
	})
	t.Run("field_that_is_no_key", func(t *testing.T) {
		g.refused(404, "NOT_FOUND", "PATCH", "sobjects/InMail__c/Subject__c/x", Fields{})
		g.refused(404, "NOT_FOUND", "PATCH", "sobjects/InMail__c/Nope__c/x", Fields{})
		g.refused(404, "NOT_FOUND", "PATCH", "sobjects/InMail__c/Name/IM-0000001", Fields{})
	})
}

func TestSeveralRecordsWithOneKey(t *testing.T) {
	g := newOrg(t)
	var want []string
	for range 2 {
		id := g.insert("Lead", Fields{"LastName": "L", "Company": "ACME", "InMail_Member_Id__c": "kim"})
		want = append(want, "/services/data/v67.0/sobjects/Lead/"+id)
	}
	for _, method := range []string{"GET", "PATCH"} {
		var in any
		if method == "PATCH" {
			in = Fields{"Title": "CTO"}
		}
		status, body := g.do(method, "sobjects/Lead/InMail_Member_Id__c/Kim", in)
		var got []string
		if err := json.Unmarshal(body, &got); err != nil || status != http.StatusMultipleChoices {
			t.Fatalf("%s: %d %s", method, status, body)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: addresses (-want +got):\n%s", method, diff)
		}
	}
	rows := map[string]any{"records": typed("Lead", []Fields{{"InMail_Member_Id__c": "kim", "Title": "CTO"}})}
	if _, body := g.do("PATCH", "composite/sobjects/Lead/InMail_Member_Id__c", rows); codes(t, body)[0] != "DUPLICATE_EXTERNAL_ID" {
		t.Errorf("in a collection: %s", body)
	}
}

func TestOneRecord(t *testing.T) {
	g := newOrg(t)
	id := g.insert("Lead", Fields{"LastName": "Doe", "Company": "ACME"})
	path := "sobjects/Lead/" + id
	t.Run("both_slash_forms", func(t *testing.T) {
		for _, form := range []string{path, path + "/", "sobjects/lead/" + id} {
			if status, body := g.do("GET", form, nil); status != http.StatusOK || !strings.Contains(string(body), `"attributes":{"type":"Lead"`) {
				t.Errorf("%s: %d %s", form, status, body)
			}
		}
	})
	t.Run("some_fields", func(t *testing.T) {
		_, body := g.do("GET", path+"?fields=LASTNAME,Company", nil)
		var got map[string]any
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		delete(got, "attributes")
		if diff := cmp.Diff(map[string]any{"Id": id, "LastName": "Doe", "Company": "ACME"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("unknown_field", func(t *testing.T) { g.refused(400, "INVALID_FIELD", "GET", path+"?fields=Nope", nil) })
	t.Run("id_of_another_object", func(t *testing.T) { g.refused(404, "NOT_FOUND", "GET", "sobjects/Contact/"+id, nil) })
	t.Run("no_id", func(t *testing.T) { g.refused(404, "NOT_FOUND", "GET", "sobjects/Lead/xyz", nil) })
	t.Run("unknown_id", func(t *testing.T) {
		g.refused(404, "NOT_FOUND", "GET", "sobjects/Lead/"+newID("00Q", 99), nil)
		g.refused(404, "NOT_FOUND", "PATCH", "sobjects/Lead/"+newID("00Q", 99), Fields{"Title": "x"})
	})
	t.Run("unknown_object", func(t *testing.T) { g.refused(404, "NOT_FOUND", "GET", "sobjects/Nope__c/"+id, nil) })
	t.Run("Id_in_the_body", func(t *testing.T) { g.refused(400, "INVALID_FIELD", "PATCH", path, Fields{"Id": id}) })
	t.Run("method", func(t *testing.T) {
		g.refused(405, "METHOD_NOT_ALLOWED", "PUT", path, Fields{})
		g.refused(405, "METHOD_NOT_ALLOWED", "DELETE", "sobjects/Lead", nil)
		g.refused(405, "METHOD_NOT_ALLOWED", "POST", "query", Fields{})
	})
	t.Run("head", func(t *testing.T) {
		resp, body := g.send("HEAD", path, nil, nil)
		if resp.StatusCode != http.StatusOK || len(body) != 0 {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
	})
	t.Run("if_modified_since", func(t *testing.T) {
		if resp, _ := g.send("GET", path, nil, http.Header{"If-Modified-Since": {testNow.Format(http.TimeFormat)}}); resp.StatusCode != http.StatusNotModified {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
	t.Run("if_unmodified_since", func(t *testing.T) {
		before := testNow.Add(-time.Second).Format(http.TimeFormat)
		if resp, _ := g.send("PATCH", path, Fields{"Title": "x"}, http.Header{"If-Unmodified-Since": {before}}); resp.StatusCode != http.StatusPreconditionFailed {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
	t.Run("delete", func(t *testing.T) {
		if status, body := g.do("DELETE", path, nil); status != http.StatusNoContent || len(body) != 0 {
			t.Errorf("%d %s", status, body)
		}
		for _, method := range []string{"GET", "DELETE"} {
			g.refused(404, "ENTITY_IS_DELETED", method, path, nil)
		}
		g.refused(404, "ENTITY_IS_DELETED", "PATCH", path, Fields{"Title": "x"})
	})
}

func TestVersions(t *testing.T) {
	g := newOrg(t)
	for _, v := range []string{"31.0", "63.0", "64.0", "67.0", "68.0"} {
		if status, body := g.do("GET", "/services/data/v"+v+"/limits/", nil); status != http.StatusOK {
			t.Errorf("v%s: %d %s", v, status, body)
		}
	}
	for _, v := range []string{"30.0", "21.0", "1.0"} {
		g.refused(410, "UNSUPPORTED_API_VERSION", "GET", "/services/data/v"+v+"/limits", nil)
	}
	for _, v := range []string{"v69.0", "v67", "67.0", "vv67.0", "v067.0", "v67.1"} {
		g.refused(404, "NOT_FOUND", "GET", "/services/data/"+v+"/limits", nil)
	}
	resp, body := g.send("GET", "/services/data", nil, http.Header{"Authorization": nil})
	var list []struct{ Label, Version string }
	if err := json.Unmarshal(body, &list); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("list: %d %s", resp.StatusCode, body)
	}
	if resp.Header.Get("Sforce-Limit-Info") != "" {
		t.Error("the list of versions counts calls")
	}
	for _, v := range list {
		if v.Version == "67.0" && v.Label != "Summer '26" {
			t.Errorf("67.0 is %s", v.Label)
		}
	}
	if len(list) != 38 || list[0].Version != "31.0" {
		t.Errorf("%d versions from %s", len(list), list[0].Version)
	}
}

func TestRequestLimits(t *testing.T) {
	g := newOrg(t)
	t.Run("address", func(t *testing.T) {
		if status, _ := g.do("GET", "query?q="+strings.Repeat("a", 16_384), nil); status != http.StatusRequestURITooLong {
			t.Errorf("status %d", status)
		}
	})
	t.Run("headers_and_address", func(t *testing.T) {
		if resp, _ := g.send("GET", "limits", nil, http.Header{"X-Filler": {strings.Repeat("a", 16_384)}}); resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
	t.Run("address_below_the_limit", func(t *testing.T) {
		g.query("SELECT Id FROM Lead WHERE Email = '" + strings.Repeat("a", 15_000) + "'")
	})
	t.Run("every_answer_says_how_much_is_used", func(t *testing.T) {
		for _, path := range []string{"limits", "sobjects/Nope", "query?q=x", "/services/data/v30.0/limits"} {
			if resp, _ := g.send("GET", path, nil, nil); !strings.HasPrefix(resp.Header.Get("Sforce-Limit-Info"), "api-usage=") {
				t.Errorf("%s: Sforce-Limit-Info %q", path, resp.Header.Get("Sforce-Limit-Info"))
			}
		}
	})
	t.Run("unknown_resource", func(t *testing.T) {
		for _, path := range []string{"tooling/query?q=x", "search?q=x", "chatter", "composite/batch", "jobs/other", "/services/async/67.0/job", "/services/apexrest/x"} {
			g.refused(404, "NOT_FOUND", "GET", path, nil)
		}
	})
}

func TestDescribe(t *testing.T) {
	g := newOrg(t)
	_, body := g.do("GET", "sobjects/InMail__c/describe", nil)
	var got struct {
		Name   string
		Fields []struct {
			Name, Type                               string
			Length                                   int
			Createable, Unique, ExternalID, Nillable bool
			RelationshipName                         *string
			ReferenceTo                              []string
			RestrictedPicklist                       bool
			PicklistValues                           []struct{ Value string }
		}
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range got.Fields {
		found[f.Name] = true
		switch f.Name {
		case "InMail_Id__c":
			if f.Type != "string" || f.Length != 36 || !f.Unique || !f.ExternalID || f.Nillable {
				t.Errorf("%+v", f)
			}
		case "Status__c":
			if f.Type != "picklist" || !f.RestrictedPicklist || len(f.PicklistValues) != len(domain.Statuses()) {
				t.Errorf("%+v", f)
			}
		case "Lead__c":
			if f.Type != "reference" || *f.RelationshipName != "Lead__r" || f.ReferenceTo[0] != "Lead" {
				t.Errorf("%+v", f)
			}
		case "Delivered__c", "Name", "CreatedDate":
			if f.Createable {
				t.Errorf("%+v", f)
			}
		}
	}
	for _, name := range []string{"Id", "Body__c", "Tags__c", "Contact__c", "Account__c", "Open_Rate_Cohort__c"} {
		if !found[name] {
			t.Errorf("%s is not described", name)
		}
	}
	if status, _ := g.do("GET", "sobjects/Task/describe/", nil); status != http.StatusOK {
		t.Errorf("Task: %d", status)
	}
	if status, body := g.do("GET", "sobjects/", nil); status != http.StatusOK || !strings.Contains(string(body), `"name":"InMail__c"`) {
		t.Errorf("global: %d %s", status, body)
	}
	if status, body := g.do("GET", "/services/data/v67.0", nil); status != http.StatusOK || !strings.Contains(string(body), `"composite":"/services/data/v67.0/composite"`) {
		t.Errorf("resources: %d %s", status, body)
	}
	if status, body := g.do("GET", "sobjects/Lead", nil); status != http.StatusOK || !strings.Contains(string(body), `"objectDescribe"`) {
		t.Errorf("basic info: %d %s", status, body)
	}
	if status, body := g.do("GET", "query?q="+url.QueryEscape("SELECT FIELDS(ALL) FROM Lead LIMIT 200"), nil); status != http.StatusOK {
		t.Errorf("FIELDS(ALL): %d %s", status, body)
	}
}
