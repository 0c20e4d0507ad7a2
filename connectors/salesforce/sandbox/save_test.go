package sandbox

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sfpackage "inmail/connectors/salesforce/package"
)

// TestRowsRefused sends each kind of row that the org refuses, and checks that nothing of it is stored.
func TestRowsRefused(t *testing.T) {
	lead := func(more Fields) Fields {
		in := Fields{"LastName": "Doe", "Company": "ACME"}
		for k, v := range more {
			in[k] = v
		}
		return in
	}
	cases := []struct {
		name, object string
		in           Fields
		code         string
	}{
		{"unknown_field", "Lead", lead(Fields{"Nope__c": "x"}), "INVALID_FIELD"},
		{"lead_without_last_name", "Lead", Fields{"Company": "ACME"}, "REQUIRED_FIELD_MISSING"},
		{"lead_without_company", "Lead", Fields{"LastName": "Doe"}, "REQUIRED_FIELD_MISSING"},
		{"blank_is_missing", "Lead", Fields{"LastName": " \t", "Company": "ACME"}, "REQUIRED_FIELD_MISSING"},
		{"contact_without_last_name", "Contact", Fields{"FirstName": "X"}, "REQUIRED_FIELD_MISSING"},
		{"account_without_name", "Account", Fields{"Phone": "1"}, "REQUIRED_FIELD_MISSING"},
		{"inmail_without_key", "InMail__c", Fields{"Status__c": "Sent"}, "REQUIRED_FIELD_MISSING"},
		{"owner_cleared", "Lead", lead(Fields{"OwnerId": nil}), "REQUIRED_FIELD_MISSING"},
		{"text_too_long", "InMail__c", Fields{"InMail_Id__c": strings.Repeat("x", 37)}, "STRING_TOO_LONG"},
		{"emoji_count_two", "InMail__c", Fields{"InMail_Id__c": strings.Repeat("😀", 19)}, "STRING_TOO_LONG"},
		{"control_character", "InMail__c", Fields{"InMail_Id__c": "a\x01"}, "TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET"},
		{"restricted_picklist", "InMail__c", Fields{"InMail_Id__c": "a", "Status__c": "Gone"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"},
		{"restricted_picklist_is_case_sensitive", "InMail__c", Fields{"InMail_Id__c": "a", "Status__c": "sent"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"},
		{"task_status", "Task", Fields{"Status": "Done"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"},
		{"task_subtype_of_a_feature_the_org_lacks", "Task", Fields{"TaskSubtype": "LinkedIn"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"},
		{"selected_value_too_long", "InMail__c", Fields{"InMail_Id__c": "a", "Tags__c": "x;" + strings.Repeat("y", 256)}, "STRING_TOO_LONG"},
		{"too_many_selected", "InMail__c", Fields{"InMail_Id__c": "a", "Tags__c": manyTags(101)}, "STRING_TOO_LONG"},
		{"number_too_large", "InMail__c", Fields{"InMail_Id__c": "a", "Replies__c": 1e9}, "NUMBER_OUTSIDE_VALID_RANGE"},
		{"number_with_a_fraction", "InMail__c", Fields{"InMail_Id__c": "a", "Replies__c": 1.5}, "NUMBER_OUTSIDE_VALID_RANGE"},
		{"word_as_number", "InMail__c", Fields{"InMail_Id__c": "a", "Replies__c": "five"}, "JSON_PARSER_ERROR"},
		{"text_as_number", "InMail__c", Fields{"InMail_Id__c": 5}, "JSON_PARSER_ERROR"},
		{"boolean_as_text", "Lead", lead(Fields{"DoNotCall": "true"}), "JSON_PARSER_ERROR"},
		{"boolean_null", "Lead", lead(Fields{"DoNotCall": nil}), "INVALID_TYPE_ON_FIELD_IN_RECORD"},
		{"datetime_without_zone", "InMail__c", Fields{"InMail_Id__c": "a", "Sent_At__c": "2026-11-23T09:00:00"}, "JSON_PARSER_ERROR"},
		{"datetime_is_only_a_date", "InMail__c", Fields{"InMail_Id__c": "a", "Sent_At__c": "2026-11-23"}, "JSON_PARSER_ERROR"},
		{"datetime_that_is_none", "InMail__c", Fields{"InMail_Id__c": "a", "Sent_At__c": "2026-13-23T09:00:00Z"}, "JSON_PARSER_ERROR"},
		{"date_is_a_datetime", "Task", Fields{"ActivityDate": "2026-11-23T09:00:00Z"}, "JSON_PARSER_ERROR"},
		{"email", "Lead", lead(Fields{"Email": "doe at example.com"}), "INVALID_EMAIL_ADDRESS"},
		{"email_without_a_dot", "Lead", lead(Fields{"Email": "doe@example"}), "INVALID_EMAIL_ADDRESS"},
		{"formula_field", "InMail__c", Fields{"InMail_Id__c": "a", "Delivered__c": 1}, "INVALID_FIELD_FOR_INSERT_UPDATE"},
		{"auto_number", "InMail__c", Fields{"InMail_Id__c": "a", "Name": "IM-1"}, "INVALID_FIELD_FOR_INSERT_UPDATE"},
		{"full_name", "Lead", lead(Fields{"Name": "X"}), "INVALID_FIELD_FOR_INSERT_UPDATE"},
		{"audit_field", "Lead", lead(Fields{"CreatedDate": "2026-11-23T09:00:00Z"}), "INVALID_FIELD_FOR_INSERT_UPDATE"},
		{"converted_by_hand", "Lead", lead(Fields{"IsConverted": true}), "INVALID_FIELD_FOR_INSERT_UPDATE"},
		{"status_of_the_converted", "Lead", lead(Fields{"Status": "Closed - Converted"}), "FIELD_INTEGRITY_EXCEPTION"},
		{"derived_account_of_a_task", "Task", Fields{"AccountId": newID("001", 1)}, "INVALID_FIELD_FOR_INSERT_UPDATE"},
		{"id_on_insert", "Lead", lead(Fields{"Id": newID("00Q", 1)}), "INVALID_FIELD_FOR_INSERT_UPDATE"},
		{"lookup_malformed", "InMail__c", Fields{"InMail_Id__c": "a", "Lead__c": "00Q123"}, "MALFORMED_ID"},
		{"lookup_with_a_wrong_checksum", "InMail__c", Fields{"InMail_Id__c": "a", "Lead__c": newID("00Q", 1)[:15] + "ZZZ"}, "MALFORMED_ID"},
		{"lookup_of_another_type", "InMail__c", Fields{"InMail_Id__c": "a", "Lead__c": newID("003", 1)}, "FIELD_INTEGRITY_EXCEPTION"},
		{"lookup_to_nobody", "InMail__c", Fields{"InMail_Id__c": "a", "Lead__c": newID("00Q", 999)}, "INVALID_CROSS_REFERENCE_KEY"},
		{"parent_of_several_types_by_key", "Task", Fields{"Who": Fields{"InMail_Member_Id__c": "m"}}, "INVALID_FIELD"},
		{"parent_by_an_unknown_key", "InMail__c", Fields{"InMail_Id__c": "a", "Lead__r": Fields{"InMail_Member_Id__c": "m"}}, "INVALID_FIELD"},
		{"parent_by_a_field_that_is_no_key", "InMail__c", Fields{"InMail_Id__c": "a", "Lead__r": Fields{"Email": "a@example.com"}}, "INVALID_FIELD"},
		{"user", "User", Fields{"Username": "x@example.com", "LastName": "X"}, "INSUFFICIENT_ACCESS_OR_READONLY"},
	}
	g := newOrg(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g.t = t
			before := len(g.Records(c.object))
			status, body := g.do("POST", "sobjects/"+c.object, c.in)
			if status < 400 || len(codes(t, body)) == 0 || codes(t, body)[0] != c.code {
				t.Fatalf("status %d, want %s: %s", status, c.code, body)
			}
			// The same row in a collection fails alone, with status 200.
			status, body = g.do("POST", "composite/sobjects", map[string]any{"records": typed(c.object, []Fields{c.in})})
			if status != http.StatusOK || codes(t, body)[0] != c.code {
				t.Errorf("in a collection: status %d: %s", status, body)
			}
			if after := len(g.Records(c.object)); after != before {
				t.Errorf("%d records were stored", after-before)
			}
		})
	}
	if n := len(g.History()); n != 0 {
		t.Errorf("the history has %d changes", n)
	}
}

func manyTags(n int) string {
	var tags []string
	for i := range n {
		tags = append(tags, string(rune('a'+i/26))+string(rune('a'+i%26)))
	}
	return strings.Join(tags, ";")
}

func TestBodiesRefused(t *testing.T) {
	g := newOrg(t)
	cases := map[string]struct {
		status     int
		code, body string
	}{
		"none":              {400, "JSON_PARSER_ERROR", ""},
		"no_json":           {400, "JSON_PARSER_ERROR", `{"LastName":`},
		"list":              {400, "JSON_PARSER_ERROR", `[]`},
		"more_behind":       {400, "JSON_PARSER_ERROR", `{"LastName":"a","Company":"b"} x`},
		"same_name_twice":   {400, "JSON_PARSER_ERROR", `{"LastName":"a","lastname":"b","Company":"c"}`},
		"too_deep":          {400, "JSON_PARSER_ERROR", strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)},
		"type_of_another":   {400, "INVALID_TYPE", `{"attributes":{"type":"Contact"},"LastName":"a","Company":"b"}`},
		"nested_value":      {400, "JSON_PARSER_ERROR", `{"LastName":{"a":1},"Company":"b"}`},
		"list_as_value":     {400, "JSON_PARSER_ERROR", `{"LastName":["a"],"Company":"b"}`},
		"lone_surrogate":    {400, "JSON_PARSER_ERROR", `{"LastName":"\ud800","Company":"b"}`},
		"second_half_alone": {400, "JSON_PARSER_ERROR", `{"LastName":"\udc00","Company":"b"}`},
		"halves_apart":      {400, "JSON_PARSER_ERROR", `{"LastName":"\ud83d \ude00","Company":"b"}`},
		"no_utf_8":          {400, "JSON_PARSER_ERROR", "{\"LastName\":\"\xff\",\"Company\":\"b\"}"},
		"id_of_the_address": {400, "INVALID_FIELD_FOR_INSERT_UPDATE", `{"Id":"00QSB00000000012AA","LastName":"a","Company":"b"}`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g.t = t
			g.refused(c.status, c.code, "POST", "sobjects/Lead", c.body)
		})
	}
	t.Run("content_type", func(t *testing.T) {
		resp, _ := g.send("POST", "sobjects/Lead", `{"LastName":"a","Company":"b"}`, http.Header{"Content-Type": {"text/plain"}})
		if resp.StatusCode != http.StatusUnsupportedMediaType {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
	t.Run("xml_wanted", func(t *testing.T) {
		for method, body := range map[string]any{"POST": `{"LastName":"a","Company":"b"}`, "GET": nil} {
			resp, _ := g.send(method, "sobjects/Lead", body, http.Header{"Accept": {"application/xml"}})
			if resp.StatusCode != http.StatusNotAcceptable {
				t.Errorf("%s: status %d", method, resp.StatusCode)
			}
		}
	})
	if n := len(g.Records("Lead")); n != 0 {
		t.Errorf("%d leads were stored", n)
	}
}

func TestValuesAsStored(t *testing.T) {
	g := newOrg(t)
	if got := g.upsert(Fields{
		"INMAIL_ID__C": " abc ", "status__c": "Sent", "Status_Sequence__c": 12345678, "Replies__c": 3,
		"Sent_At__c": "2026-11-23T10:00:00.987+01:00", "Tags__c": " b ; a;b;new tag", "Subject__c": "a\nb\t\"c\"", "Preview__c": "",
		"Open_Rate_Cohort__c": "2026-W48", "Sender_Member__c": "kim", "Sender_Name__c": "Kim",
	}); got[0] != "stored" {
		t.Fatal(got)
	}
	got := g.query("SELECT Name, InMail_Id__c, Status__c, Status_Sequence__c, Replies__c, Sent_At__c, Tags__c, Subject__c, Preview__c, Delivered__c, Opened__c, Sender__c, Cohort_Starts_On__c, Open_Rate_State__c, Hours_Left__c, CreatedDate, IsDeleted FROM InMail__c")
	want := []map[string]any{{
		"Name": "IM-0000001", "InMail_Id__c": "abc", "Status__c": "Sent", "Status_Sequence__c": 12345678.0, "Replies__c": 3.0,
		"Sent_At__c": "2026-11-23T09:00:00.000+0000", "Tags__c": "b;a;new tag", "Subject__c": "a\nb\t\"c\"", "Preview__c": nil,
		"Delivered__c": 1.0, "Opened__c": 0.0, "Sender__c": "Kim (kim)", "Cohort_Starts_On__c": "2026-11-23", "Open_Rate_State__c": "So far",
		"Hours_Left__c": nil, "CreatedDate": "2026-11-23T09:00:00.000+0000", "IsDeleted": false,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	_, body := g.do("GET", "query?q=SELECT+Status_Sequence__c,Replies__c+FROM+InMail__c", nil)
	for _, text := range []string{`"Status_Sequence__c":1.2345678E7`, `"Replies__c":3.0`} {
		if !strings.Contains(string(body), text) {
			t.Errorf("a number does not look as Java writes it: no %s in %s", text, body)
		}
	}
}

func TestUnique(t *testing.T) {
	g := newOrg(t)
	g.insert("Task", Fields{"InMail_Event_Id__c": "a:sent", "Status": "Completed"})
	g.refused(400, "DUPLICATE_VALUE", "POST", "sobjects/Task", Fields{"InMail_Event_Id__c": "A:SENT", "Status": "Completed"})
	t.Run("not_among_the_deleted", func(t *testing.T) {
		first := g.Records("Task")[0]["Id"].(string)
		if err := g.Delete(first); err != nil {
			t.Fatal(err)
		}
		g.insert("Task", Fields{"InMail_Event_Id__c": "a:sent", "Status": "Completed"})
		if err := g.Undelete(first); err == nil || !strings.Contains(err.Error(), "DUPLICATE_VALUE") {
			t.Errorf("undelete of the other: %v", err)
		}
	})
}

func TestValidationRuleNeverBackwards(t *testing.T) {
	g := newOrg(t)
	steps := []struct {
		sequence any
		want     string
	}{{3, "stored"}, {3, "stored"}, {2, "FIELD_CUSTOM_VALIDATION_EXCEPTION"}, {4, "stored"}, {3, "FIELD_CUSTOM_VALIDATION_EXCEPTION"}}
	for _, s := range steps {
		if got := g.upsert(Fields{"InMail_Id__c": "a", "Status_Sequence__c": s.sequence}); got[0] != s.want {
			t.Errorf("sequence %v: %s, want %s", s.sequence, got[0], s.want)
		}
	}
	if _, body := g.do("PATCH", "sobjects/InMail__c/InMail_Id__c/a", Fields{"Status_Sequence__c": 1}); !strings.Contains(string(body), sfpackage.OlderThanStored) {
		t.Errorf("the answer lacks the rule's message: %s", body)
	}
}

func TestTasks(t *testing.T) {
	g := newOrg(t)
	account := g.insert("Account", Fields{"Name": "ACME"})
	contact := g.insert("Contact", Fields{"LastName": "C", "AccountId": account})
	lead := g.insert("Lead", Fields{"LastName": "L", "Company": "ACME"})
	inmail := g.insert("InMail__c", Fields{"InMail_Id__c": "a"})
	t.Run("lead_with_what_is_refused", func(t *testing.T) {
		for _, what := range []string{account, inmail} {
			g.refused(400, "FIELD_INTEGRITY_EXCEPTION", "POST", "sobjects/Task", Fields{"WhoId": lead, "WhatId": what})
		}
	})
	t.Run("account_is_the_contacts", func(t *testing.T) {
		id := g.insert("Task", Fields{"WhoId": contact, "Status": "Completed"})
		if g.value(id, "AccountId") != account || g.value(id, "IsClosed") != true || g.value(id, "CompletedDateTime") != testNow {
			t.Errorf("AccountId %v, IsClosed %v, CompletedDateTime %v", g.value(id, "AccountId"), g.value(id, "IsClosed"), g.value(id, "CompletedDateTime"))
		}
	})
	t.Run("account_is_what", func(t *testing.T) {
		id := g.insert("Task", Fields{"WhatId": account})
		if g.value(id, "AccountId") != account || g.value(id, "Status") != "Not Started" || g.value(id, "Priority") != "Normal" || g.value(id, "TaskSubtype") != "Task" {
			t.Errorf("task %v", g.value(id, "AccountId"))
		}
	})
	t.Run("what_may_be_an_inmail", func(t *testing.T) { g.insert("Task", Fields{"WhoId": contact, "WhatId": inmail}) })
	t.Run("subtype_never_changes", func(t *testing.T) {
		id := g.insert("Task", Fields{"TaskSubtype": "Email"})
		g.refused(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "PATCH", "sobjects/Task/"+id, Fields{"TaskSubtype": "Call"})
	})
	t.Run("type_is_not_restricted", func(t *testing.T) { g.insert("Task", Fields{"Type": "InMail"}) })
}

func TestInactiveOwner(t *testing.T) {
	g := newOrg(t, func(o *Options) {
		o.Credentials.Users = append(o.Credentials.Users, User{Username: "gone@example.com", Inactive: true})
	})
	users := g.query("SELECT Id FROM User WHERE IsActive = false")
	g.refused(400, "INACTIVE_OWNER_OR_USER", "POST", "sobjects/Task", Fields{"OwnerId": users[0]["Id"]})
}

func TestParentByExternalID(t *testing.T) {
	g := newOrg(t)
	lead := g.insert("Lead", Fields{"LastName": "L", "Company": "ACME", "InMail_Member_Id__c": "kim"})
	if got := g.upsert(Fields{"InMail_Id__c": "a", "Lead__r": Fields{"InMail_Member_Id__c": "KIM"}}); got[0] != "stored" {
		t.Fatal(got)
	}
	if got := g.query("SELECT Lead__c FROM InMail__c")[0]["Lead__c"]; got != lead {
		t.Errorf("Lead__c is %v, want %s", got, lead)
	}
	g.insert("Lead", Fields{"LastName": "L2", "Company": "ACME", "InMail_Member_Id__c": "kim"})
	if got := g.upsert(Fields{"InMail_Id__c": "b", "Lead__r": Fields{"InMail_Member_Id__c": "kim"}}); got[0] != "DUPLICATE_EXTERNAL_ID" {
		t.Errorf("with two leads of the key: %v", got)
	}
}

func TestAccess(t *testing.T) {
	integration := func(o *Options) { o.Credentials.Users[0].Integration = true }
	unassigned := func(o *Options) { o.PermissionSetUnassigned = true }
	t.Run("without_the_permission_set_fields_are_invisible", func(t *testing.T) {
		g := newOrg(t, unassigned)
		g.refused(400, "INVALID_FIELD", "GET", "query?q=SELECT+InMail_Member_Id__c+FROM+Lead", nil)
		g.refused(400, "INVALID_TYPE", "GET", "query?q=SELECT+Id+FROM+InMail__c", nil)
		g.refused(404, "NOT_FOUND", "PATCH", "composite/sobjects/InMail__c/InMail_Id__c", map[string]any{"records": typed("InMail__c", []Fields{{"InMail_Id__c": "a"}})})
		g.refused(404, "NOT_FOUND", "PATCH", "composite/sobjects/Task/InMail_Event_Id__c", map[string]any{"records": typed("Task", []Fields{{"InMail_Event_Id__c": "a"}})})
		g.refused(400, "INVALID_FIELD", "POST", "sobjects/Task", Fields{"InMail_Event_Id__c": "a"})
		g.refused(404, "NOT_FOUND", "GET", "sobjects/InMail__c/describe", nil)
		g.AssignPermissionSet(true)
		if got := g.upsert(Fields{"InMail_Id__c": "a"}); got[0] != "stored" {
			t.Errorf("after it was assigned: %v", got)
		}
	})
	t.Run("integration_user_has_what_the_package_grants", func(t *testing.T) {
		g := newOrg(t, integration)
		lead := g.insert("Lead", Fields{"LastName": "L", "Company": "ACME", "Email": "l@example.com", "Title": "CTO"})
		if got := g.upsert(Fields{"InMail_Id__c": "a", "Lead__c": lead, "Status__c": "Sent"}); got[0] != "stored" {
			t.Errorf("upsert: %v", got)
		}
		if status, body := g.do("PATCH", "sobjects/Task/InMail_Event_Id__c/a:sent", Fields{"Subject": "InMail", "Status": "Completed", "WhoId": lead}); status != http.StatusCreated {
			t.Errorf("task: %d %s", status, body)
		}
		g.query("SELECT Id, Email, InMail_Member_Id__c, IsConverted, ConvertedContactId, MasterRecordId FROM Lead")
		g.refused(400, "INVALID_FIELD", "GET", "query?q=SELECT+Title+FROM+Lead", nil)
		g.refused(400, "INVALID_TYPE", "GET", "query?q=SELECT+Id+FROM+Campaign", nil)
		g.refused(403, "INSUFFICIENT_ACCESS_OR_READONLY", "POST", "sobjects/Lead", Fields{"LastName": "L", "Company": "ACME"})
		g.refused(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "PATCH", "sobjects/Lead/"+lead, Fields{"Email": "m@example.com"})
		account := g.insert("Account", Fields{"Name": "ACME"})
		g.refused(403, "INSUFFICIENT_ACCESS_OR_READONLY", "PATCH", "sobjects/Account/"+account, Fields{"Name": "M"})
		g.refused(403, "INSUFFICIENT_ACCESS_OR_READONLY", "DELETE", "sobjects/Lead/"+lead, nil)
	})
	t.Run("key_that_is_not_unique_needs_View_All_Data", func(t *testing.T) {
		g := newOrg(t, integration)
		g.refused(403, "INSUFFICIENT_ACCESS_OR_READONLY", "PATCH", "sobjects/Lead/InMail_Member_Id__c/kim", Fields{"LastName": "L", "Company": "ACME"})
		g.refused(403, "INSUFFICIENT_ACCESS_OR_READONLY", "PATCH", "composite/sobjects/Contact/InMail_Member_Id__c", map[string]any{"records": typed("Contact", []Fields{{"InMail_Member_Id__c": "kim"}})})
	})
}

func TestIDs(t *testing.T) {
	for id15, sum := range map[string]string{
		"a01M00000062mPg": "IAI", "001M000000qfPyS": "IAU", "a0FE000000D6r3F": "MAR", "0F9E000000092w2": "KAA", "AbCdEfGhIjKlMnO": "VKV", "aBcDEfgHIJKLMNO": "025",
	} {
		if got := checksum(id15); got != sum {
			t.Errorf("checksum of %s is %s, want %s", id15, got, sum)
		}
	}
	for _, n := range []uint64{1, 61, 62, 99_999, 1 << 40} {
		id := newID("a00", n)
		if got, ok := idNumber(id); !ok || got != n {
			t.Errorf("number of %s is %d %t, want %d", id, got, ok, n)
		}
		if full, ok := canonicalID(id[:15]); !ok || full != id {
			t.Errorf("%s makes %s", id[:15], full)
		}
	}
	g := newOrg(t)
	for range 12 { // the eleventh id ends in a letter
		g.insert("Lead", Fields{"LastName": "L", "Company": "ACME"})
	}
	id := g.Records("Lead")[10]["Id"].(string)
	if status, _ := g.do("GET", "sobjects/Lead/"+id[:15], nil); status != http.StatusOK {
		t.Errorf("15 characters: status %d", status)
	}
	g.refused(404, "NOT_FOUND", "GET", "sobjects/Lead/"+strings.ToLower(id[:15]), nil)
}

func TestTimesRiseWithTheClock(t *testing.T) {
	g := newOrg(t)
	id := g.insert("Lead", Fields{"LastName": "L", "Company": "ACME"})
	g.now = g.now.Add(90*time.Second + 700*time.Millisecond)
	if status, body := g.do("PATCH", "sobjects/Lead/"+id, Fields{"Title": "CTO"}); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, body)
	}
	if got := g.value(id, "CreatedDate"); got != testNow {
		t.Errorf("CreatedDate %v", got)
	}
	if got, want := g.value(id, "LastModifiedDate"), testNow.Add(90*time.Second); got != want {
		t.Errorf("LastModifiedDate %v, want whole seconds: %v", got, want)
	}
	if created, modified := g.value(id, "CreatedById"), g.value(id, "LastModifiedById"); created == modified {
		t.Errorf("operator and integration user are both %v", created)
	}
}

func TestUnusualTextsAreKept(t *testing.T) {
	g := newOrg(t)
	for _, body := range []string{
		`{"LastName":"\ud83d\ude00 \\ud800 \u00e9\uFFFD","Company":"b"}`,
		"{\"LastName\":\"\U0001F600 \\\\ud800 \u00e9\uFFFD\",\"Company\":\"b\"}",
	} {
		status, answer := g.do("POST", "sobjects/Lead", body)
		if status != http.StatusCreated {
			t.Fatalf("%d %s", status, answer)
		}
		leads := g.Records("Lead")
		if got, want := leads[len(leads)-1]["LastName"], "\U0001F600 \\ud800 \u00e9\uFFFD"; got != want {
			t.Errorf("stored %q, want %q", got, want)
		}
	}
}
