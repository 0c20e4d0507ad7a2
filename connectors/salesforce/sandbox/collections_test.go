package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCollectionUpsert(t *testing.T) {
	g := newOrg(t)
	g.upsert(Fields{"InMail_Id__c": "old"})
	t.Run("answers_row_by_row_in_order", func(t *testing.T) {
		status, body := g.do("PATCH", "composite/sobjects/InMail__c/InMail_Id__c/", map[string]any{"allOrNone": false, "records": typed("inmail__c", []Fields{
			{"InMail_Id__c": "new"}, {"InMail_Id__c": "bad", "Status__c": "x"}, {"InMail_Id__c": "old", "Status__c": "Sent"}, {"Status__c": "Sent"},
			{"InMail_Id__c": "twice"}, {"InMail_Id__c": "TWICE"}, {"InMail_Id__c": nil}, {"InMail_Id__c": "id", "Id": newID("a00", 1)},
		})})
		var rows []struct {
			Success, Created bool
			Errors           []struct{ StatusCode string }
		}
		if err := json.Unmarshal(body, &rows); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		var got []string
		for _, r := range rows {
			if r.Success {
				got = append(got, fmt.Sprintf("created %t", r.Created))
			} else {
				got = append(got, r.Errors[0].StatusCode)
			}
		}
		want := []string{"created true", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "created false", "MISSING_ARGUMENT", "DUPLICATE_VALUE", "DUPLICATE_VALUE", "MISSING_ARGUMENT", "INVALID_FIELD"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	})
	t.Run("all_or_none", func(t *testing.T) {
		before := len(g.History())
		_, body := g.do("PATCH", "composite/sobjects/InMail__c/InMail_Id__c", map[string]any{"allOrNone": true, "records": typed("InMail__c", []Fields{
			{"InMail_Id__c": "x1"}, {"InMail_Id__c": "x2", "Status__c": "x"}, {"InMail_Id__c": "old", "Status__c": "Opened"},
		})})
		want := []string{"ALL_OR_NONE_OPERATION_ROLLED_BACK", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "ALL_OR_NONE_OPERATION_ROLLED_BACK"}
		if diff := cmp.Diff(want, codes(t, body)); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
		if got := g.query("SELECT Status__c FROM InMail__c WHERE InMail_Id__c IN ('x1', 'old')"); len(got) != 1 || got[0]["Status__c"] != "Sent" {
			t.Errorf("it was not rolled back: %v", got)
		}
		if after := len(g.History()); after != before {
			t.Errorf("the history has %d changes of what was rolled back", after-before)
		}
	})
	t.Run("more_than_200", func(t *testing.T) {
		var rows []Fields
		for i := range 201 {
			rows = append(rows, Fields{"InMail_Id__c": fmt.Sprint("many-", i)})
		}
		g.refused(400, "EXCEEDED_ID_LIMIT", "PATCH", "composite/sobjects/InMail__c/InMail_Id__c", map[string]any{"records": typed("InMail__c", rows)})
		if got := g.query("SELECT Id FROM InMail__c WHERE InMail_Id__c LIKE 'many%'"); len(got) != 0 {
			t.Errorf("%d rows were stored", len(got))
		}
	})
	path := "composite/sobjects/InMail__c/InMail_Id__c"
	refused := map[string]struct {
		status int
		code   string
		path   string
		body   any
	}{
		"no_rows":         {400, "REQUIRED_FIELD_MISSING", path, map[string]any{"records": []any{}}},
		"no_type":         {400, "INVALID_TYPE", path, map[string]any{"records": []any{Fields{"InMail_Id__c": "z"}}}},
		"unknown_type":    {400, "INVALID_TYPE", path, map[string]any{"records": typed("Nope__c", []Fields{{"InMail_Id__c": "z"}})}},
		"mixed_types":     {400, "INVALID_TYPE", path, map[string]any{"records": typed("Lead", []Fields{{"LastName": "z"}})}},
		"unknown_member":  {400, "JSON_PARSER_ERROR", path, map[string]any{"records": typed("InMail__c", []Fields{{"InMail_Id__c": "z"}}), "x": 1}},
		"member_as_text":  {400, "JSON_PARSER_ERROR", path, map[string]any{"records": typed("InMail__c", []Fields{{"InMail_Id__c": "z"}}), "allOrNone": "true"}},
		"row_is_no_row":   {400, "JSON_PARSER_ERROR", path, map[string]any{"records": []any{1}}},
		"records_no_list": {400, "JSON_PARSER_ERROR", path, map[string]any{"records": 1}},
		"no_key":          {404, "NOT_FOUND", "composite/sobjects/InMail__c/Subject__c", map[string]any{"records": typed("InMail__c", []Fields{{"Subject__c": "z"}})}},
		"before_46":       {404, "NOT_FOUND", "/services/data/v45.0/" + path, map[string]any{"records": typed("InMail__c", []Fields{{"InMail_Id__c": "z"}})}},
	}
	for name, c := range refused {
		t.Run(name, func(t *testing.T) {
			g.t = t
			g.refused(c.status, c.code, "PATCH", c.path, c.body)
		})
	}
}

func TestCollectionInsertUpdateDelete(t *testing.T) {
	g := newOrg(t)
	mixed := append(typed("Account", []Fields{{"Name": "A"}}), typed("Lead", []Fields{{"LastName": "L", "Company": "A"}, {"LastName": "L"}})...)
	_, body := g.do("POST", "composite/sobjects/", map[string]any{"records": mixed})
	if diff := cmp.Diff([]string{"stored", "stored", "REQUIRED_FIELD_MISSING"}, codes(t, body)); diff != "" {
		t.Errorf("insert (-want +got):\n%s", diff)
	}
	account, lead := g.Records("Account")[0]["Id"].(string), g.Records("Lead")[0]["Id"].(string)
	t.Run("update_with_either_spelling_of_id", func(t *testing.T) {
		rows := append(typed("Account", []Fields{{"id": account, "Name": "B"}}), typed("Lead", []Fields{{"Id": lead[:15], "Title": "T"}, {"Title": "T"}, {"Id": newID("00Q", 99)}, {"Id": account}, {"Id": "x"}})...)
		_, body := g.do("PATCH", "composite/sobjects", map[string]any{"records": rows})
		want := []string{"stored", "stored", "MISSING_ARGUMENT", "INVALID_CROSS_REFERENCE_KEY", "INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID"}
		if diff := cmp.Diff(want, codes(t, body)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("chunks_of_mixed_types", func(t *testing.T) {
		var rows []Fields
		for i := range 11 {
			if i%2 == 0 {
				rows = append(rows, typed("Account", []Fields{{"Name": "A"}})...)
			} else {
				rows = append(rows, typed("Lead", []Fields{{"LastName": "L", "Company": "A"}})...)
			}
		}
		g.refused(400, "LIMIT_EXCEEDED", "POST", "composite/sobjects", map[string]any{"records": rows})
	})
	t.Run("retrieve", func(t *testing.T) {
		for _, send := range []func() (int, []byte){
			func() (int, []byte) {
				return g.do("POST", "composite/sobjects/Lead", map[string]any{"ids": []string{newID("00Q", 99), lead}, "fields": []string{"Title"}})
			},
			func() (int, []byte) {
				return g.do("GET", "composite/sobjects/Lead?ids="+newID("00Q", 99)+","+lead+"&fields=Title", nil)
			},
		} {
			status, body := send()
			var got []map[string]any
			if err := json.Unmarshal(body, &got); err != nil || status != http.StatusOK || len(got) != 2 || got[0] != nil || got[1]["Title"] != "T" || got[1]["Id"] != lead {
				t.Errorf("%d %s", status, body)
			}
		}
		g.refused(400, "INVALID_FIELD", "POST", "composite/sobjects/Lead", map[string]any{"ids": []string{lead}, "fields": []string{"Nope"}})
		g.refused(400, "MISSING_ARGUMENT", "POST", "composite/sobjects/Lead", map[string]any{"ids": []string{lead}})
		g.refused(400, "EXCEEDED_ID_LIMIT", "POST", "composite/sobjects/Lead", map[string]any{"ids": slices.Repeat([]string{lead}, 2001), "fields": []string{"Id"}})
	})
	t.Run("delete", func(t *testing.T) {
		_, body := g.do("DELETE", "composite/sobjects?ids="+strings.Join([]string{lead, newID("00Q", 99), "x"}, ","), nil)
		if diff := cmp.Diff([]string{"stored", "INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID"}, codes(t, body)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		_, body = g.do("DELETE", "composite/sobjects/?allOrNone=true&ids="+account+","+lead, nil)
		if diff := cmp.Diff([]string{"ALL_OR_NONE_OPERATION_ROLLED_BACK", "ENTITY_IS_DELETED"}, codes(t, body)); diff != "" {
			t.Errorf("all or none (-want +got):\n%s", diff)
		}
		g.refused(400, "MISSING_ARGUMENT", "DELETE", "composite/sobjects", nil)
		g.refused(400, "EXCEEDED_ID_LIMIT", "DELETE", "composite/sobjects?ids="+strings.Repeat(account+",", 200)+account, nil)
	})
}
