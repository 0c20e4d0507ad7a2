package sandbox

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestConvert(t *testing.T) {
	g := newOrg(t)
	lead := g.insert("Lead", Fields{"LastName": "Doe", "FirstName": "Jo", "Company": "ACME", "Email": "doe@example.com", "InMail_Member_Id__c": "jo"})
	g.upsert(Fields{"InMail_Id__c": "a", "Lead__c": lead, "Status__c": "Sent"})
	task := g.insert("Task", Fields{"WhoId": lead, "InMail_Event_Id__c": "a:sent", "Status": "Completed"})
	to, err := g.Convert(lead, Conversion{})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("contact_and_account", func(t *testing.T) {
		got := g.query("SELECT Id, Name, Email, InMail_Member_Id__c, Account.Name, AccountId FROM Contact")
		want := []map[string]any{{"Id": to.ContactID, "Name": "Jo Doe", "Email": "doe@example.com", "InMail_Member_Id__c": nil, "AccountId": to.AccountID, "Account": got[0]["Account"]}}
		if diff := cmp.Diff(want, got); diff != "" || got[0]["Account"].(map[string]any)["Name"] != "ACME" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("lead", func(t *testing.T) {
		got := g.query("SELECT IsConverted, ConvertedDate, ConvertedContactId, ConvertedAccountId, Status FROM Lead")
		want := []map[string]any{{"IsConverted": true, "ConvertedDate": "2026-11-23", "ConvertedContactId": to.ContactID, "ConvertedAccountId": to.AccountID, "Status": leadConverted}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("tasks_move", func(t *testing.T) {
		if g.value(task, "WhoId") != to.ContactID || g.value(task, "AccountId") != to.AccountID {
			t.Errorf("WhoId %v, AccountId %v", g.value(task, "WhoId"), g.value(task, "AccountId"))
		}
	})
	t.Run("custom_lookups_stay", func(t *testing.T) {
		if got := g.query("SELECT Lead__c FROM InMail__c")[0]["Lead__c"]; got != lead {
			t.Errorf("Lead__c is %v", got)
		}
	})
	t.Run("the_lead_can_no_longer_be_referenced", func(t *testing.T) {
		const code = "CANNOT_UPDATE_CONVERTED_LEAD"
		if got := g.upsert(Fields{"InMail_Id__c": "b", "Lead__c": lead}); got[0] != code {
			t.Errorf("a new record: %v", got)
		}
		if got := g.upsert(Fields{"InMail_Id__c": "a", "Lead__c": lead, "Status__c": "Opened"}); got[0] != code {
			t.Errorf("the old lookup sent again: %v", got)
		}
		if got := g.upsert(Fields{"InMail_Id__c": "a", "Status__c": "Opened"}); got[0] != "stored" {
			t.Errorf("without the lookup: %v", got)
		}
		if got := g.upsert(Fields{"InMail_Id__c": "a", "Lead__c": nil, "Contact__c": to.ContactID, "Account__c": to.AccountID}); got[0] != "stored" {
			t.Errorf("moved: %v", got)
		}
		g.refused(400, code, "POST", "sobjects/Task", Fields{"WhoId": lead})
		g.refused(400, code, "PATCH", "sobjects/Lead/"+lead, Fields{"Title": "x"})
	})
	t.Run("again", func(t *testing.T) {
		if _, err := g.Convert(lead, Conversion{}); err == nil {
			t.Error("it was converted twice")
		}
	})
	t.Run("into_what_is_there", func(t *testing.T) {
		other := g.insert("Lead", Fields{"LastName": "Roe", "Company": "ACME", "Email": "roe@example.com", "Title": "CTO", "InMail_Member_Id__c": "roe"})
		accounts := len(g.Records("Account"))
		got, err := g.Convert(other, Conversion{ContactID: to.ContactID, MapMemberID: true})
		if err != nil || got != to || len(g.Records("Account")) != accounts {
			t.Errorf("%+v, %v", got, err)
		}
		if g.value(to.ContactID, "Email") != "doe@example.com" || g.value(to.ContactID, "Title") != "CTO" || g.value(to.ContactID, "InMail_Member_Id__c") != "roe" {
			t.Errorf("the contact: %v %v", g.value(to.ContactID, "Email"), g.value(to.ContactID, "Title"))
		}
	})
	t.Run("into_nothing", func(t *testing.T) {
		other := g.insert("Lead", Fields{"LastName": "Poe", "Company": "ACME"})
		for _, c := range []Conversion{{AccountID: newID("001", 99)}, {ContactID: newID("003", 99)}, {AccountID: "x"}} {
			if _, err := g.Convert(other, c); err == nil {
				t.Errorf("%+v", c)
			}
		}
		if g.value(other, "IsConverted") != false {
			t.Error("a failed conversion left its mark")
		}
	})
}

func TestMerge(t *testing.T) {
	g := newOrg(t)
	a := g.insert("Lead", Fields{"LastName": "A", "Company": "ACME"})
	b := g.insert("Lead", Fields{"LastName": "B", "Company": "ACME"})
	c := g.insert("Lead", Fields{"LastName": "C", "Company": "ACME"})
	g.upsert(Fields{"InMail_Id__c": "a", "Lead__c": b})
	task := g.insert("Task", Fields{"WhoId": b})
	if err := g.Merge(a, b, c); err != nil {
		t.Fatal(err)
	}
	for _, loser := range []string{b, c} {
		if g.value(loser, "IsDeleted") != true || g.value(loser, "MasterRecordId") != a {
			t.Errorf("loser: deleted %v, master %v", g.value(loser, "IsDeleted"), g.value(loser, "MasterRecordId"))
		}
	}
	if got := g.query("SELECT Lead__c FROM InMail__c")[0]["Lead__c"]; got != a || g.value(task, "WhoId") != a {
		t.Errorf("the lookups of the loser point at %v and %v", got, g.value(task, "WhoId"))
	}
	if got := g.upsert(Fields{"InMail_Id__c": "a", "Lead__c": b}); got[0] != "ENTITY_IS_DELETED" {
		t.Errorf("a lookup to the loser: %v", got)
	}
	contact := g.insert("Contact", Fields{"LastName": "X"})
	converted := g.insert("Lead", Fields{"LastName": "D", "Company": "ACME"})
	if _, err := g.Convert(converted, Conversion{}); err != nil {
		t.Fatal(err)
	}
	for name, ids := range map[string][]string{
		"itself": {a, a}, "a_deleted_one": {a, b}, "another_type": {a, contact}, "unknown": {a, newID("00Q", 99)}, "none": {a}, "a_converted_one": {a, converted},
		"three": {a, newID("00Q", 9), newID("00Q", 8), newID("00Q", 7)}, "a_task": {task, task}, "no_id": {"x", "y"},
	} {
		if err := g.Merge(ids[0], ids[1:]...); err == nil {
			t.Errorf("%s was merged", name)
		}
	}
}

func TestDeletions(t *testing.T) {
	g := newOrg(t)
	account := g.insert("Account", Fields{"Name": "ACME"})
	contact := g.insert("Contact", Fields{"LastName": "C", "AccountId": account})
	lead := g.insert("Lead", Fields{"LastName": "L", "Company": "ACME"})
	task := g.insert("Task", Fields{"WhoId": contact})
	g.upsert(Fields{"InMail_Id__c": "a", "Contact__c": contact, "Account__c": account}, Fields{"InMail_Id__c": "b", "Lead__c": lead})
	lookups := func() (out []any) {
		for _, r := range g.query("SELECT Contact__c, Account__c, Lead__c FROM InMail__c ORDER BY InMail_Id__c") {
			out = append(out, r["Contact__c"], r["Account__c"], r["Lead__c"])
		}
		return out
	}
	before := lookups()
	modified := g.value(g.Records("InMail__c")[0]["Id"].(string), "LastModifiedDate")
	g.now = g.now.Add(time.Minute)
	for _, err := range []error{g.Delete(account), g.Delete(lead)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]any{nil, nil, nil, nil, nil, nil}, lookups()); diff != "" {
		t.Errorf("lookups are cleared (-want +got):\n%s", diff)
	}
	if got := g.value(g.Records("InMail__c")[0]["Id"].(string), "LastModifiedDate"); got != modified {
		t.Errorf("clearing changed LastModifiedDate to %v", got)
	}
	for name, id := range map[string]string{"contact": contact, "task": task} {
		if g.value(id, "IsDeleted") != true {
			t.Errorf("the %s did not go along", name)
		}
	}
	if got := g.upsert(Fields{"InMail_Id__c": "b", "Lead__c": lead}); got[0] != "ENTITY_IS_DELETED" {
		t.Errorf("a lookup to a deleted lead: %v", got)
	}
	for _, err := range []error{g.Undelete(account), g.Undelete(lead)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(before, lookups()); diff != "" {
		t.Errorf("lookups come back (-want +got):\n%s", diff)
	}
	if g.value(task, "IsDeleted") != false || g.value(task, "WhoId") != contact {
		t.Error("the task did not come back")
	}
	t.Run("a_new_value_is_not_overwritten", func(t *testing.T) {
		other := g.insert("Lead", Fields{"LastName": "M", "Company": "ACME"})
		if err := g.Delete(lead); err != nil {
			t.Fatal(err)
		}
		g.upsert(Fields{"InMail_Id__c": "b", "Lead__c": other})
		if err := g.Undelete(lead); err != nil {
			t.Fatal(err)
		}
		if got := lookups()[5]; got != other {
			t.Errorf("the lookup is %v", got)
		}
	})
	for name, err := range map[string]error{
		"undelete_a_live_one": g.Undelete(lead), "purge_a_live_one": g.Purge(lead), "delete_nobody": g.Delete(newID("00Q", 99)), "no_id": g.Delete("x"),
		"undelete_nobody": g.Undelete(newID("00Q", 99)), "delete_a_user": g.Delete(newID("005", 1)),
	} {
		if err == nil {
			t.Errorf("%s passed", name)
		}
	}
}

func TestOperatorIsCheckedLikeAnybody(t *testing.T) {
	g := newOrg(t)
	g.upsert(Fields{"InMail_Id__c": "a", "Status_Sequence__c": 5})
	id := g.Records("InMail__c")[0]["Id"].(string)
	for name, err := range map[string]error{
		"rule":  g.Edit(id, Fields{"Status_Sequence__c": 4}),
		"value": g.Edit(id, Fields{"Status__c": "x"}),
		"field": g.Edit(id, Fields{"Nope__c": "x"}),
		"type":  g.Edit(id, Fields{"Status__c": []string{"x"}}),
		"no_id": g.Edit("x", Fields{"Status__c": "Sent"}),
	} {
		if err == nil {
			t.Errorf("%s passed", name)
		}
	}
	if _, err := g.Insert("Nope__c", nil); err == nil {
		t.Error("an object that is not there")
	}
	if err := g.Edit(id, Fields{"Status__c": "Sent", "Replies__c": uint8(3), "Sent_At__c": testNow}); err != nil {
		t.Errorf("a good edit: %v", err)
	}
	if g.value(id, "Replies__c") != 3.0 || g.value(id, "Sent_At__c") != testNow {
		t.Errorf("Replies__c %v, Sent_At__c %v", g.value(id, "Replies__c"), g.value(id, "Sent_At__c"))
	}
}

// control calls a control path and decodes the answer.
func (g *org) control(method, path string, body any, into any) int {
	g.t.Helper()
	resp, answer := g.send(method, "/sandbox/"+path, body, http.Header{"Authorization": {"Bearer control key"}})
	if resp.Header.Get("X-Sandbox") == "" {
		g.t.Errorf("%s %s does not say that it is a sandbox", method, path)
	}
	if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			g.t.Fatalf("%s %s: %v: %s", method, path, err, answer)
		}
	}
	return resp.StatusCode
}

func TestControlPaths(t *testing.T) {
	g := newOrg(t, func(o *Options) { o.ControlKey = "control key" })
	if resp, _ := g.send("GET", "/sandbox/", nil, nil); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without the key: %d", resp.StatusCode)
	}
	var about map[string]any
	if status := g.control("GET", "", nil, &about); status != http.StatusOK || !strings.Contains(about["sandbox"].(string), "not Salesforce") {
		t.Errorf("%d %v", status, about)
	}
	var seeded struct{ IDs []string }
	g.control("POST", "records", []any{
		Fields{"type": "Lead", "fields": Fields{"LastName": "A", "Company": "ACME"}}, Fields{"type": "Lead", "fields": Fields{"LastName": "B", "Company": "ACME"}},
		Fields{"type": "Lead", "fields": Fields{"LastName": "C", "Company": "ACME"}},
	}, &seeded)
	if len(seeded.IDs) != 3 {
		t.Fatalf("seeded %v", seeded)
	}
	a, b, c := seeded.IDs[0], seeded.IDs[1], seeded.IDs[2]
	if status := g.control("POST", "records", []any{Fields{"type": "Lead", "fields": Fields{"LastName": "D", "Company": "X"}}, Fields{"type": "Lead", "fields": Fields{}}}, nil); status != http.StatusBadRequest || len(g.Records("Lead")) != 3 {
		t.Errorf("one invalid record: %d, %d leads", status, len(g.Records("Lead")))
	}
	var converted Converted
	for _, step := range []struct {
		method, path string
		body, into   any
	}{
		{"PATCH", "records/" + a, Fields{"Title": "CTO", "NumberOfEmployees": 5}, nil},
		{"POST", "merge", map[string]any{"winner": a, "losers": []string{b}}, nil},
		{"DELETE", "records/" + c, nil, nil},
		{"POST", "records/" + c + "/undelete", nil, nil},
		{"DELETE", "records/" + c, nil, nil},
		{"POST", "records/" + c + "/purge", nil, nil},
		{"POST", "leads/" + a + "/convert", Fields{"map_member_id": true}, &converted},
		{"POST", "faults", []Fault{{Kind: ServerError, Resource: "limits", Next: 1}}, nil},
		{"POST", "limits", Fields{"daily": 5000, "spend": 100}, nil},
		{"PUT", "permission-set", Fields{"assigned": false}, nil},
	} {
		if status := g.control(step.method, step.path, step.body, step.into); status != http.StatusOK {
			t.Errorf("%s %s: %d", step.method, step.path, status)
		}
	}
	if g.value(a, "Title") != "CTO" || g.value(b, "MasterRecordId") != a || g.value(a, "ConvertedContactId") != converted.ContactID {
		t.Errorf("title %v, master %v, contact %v", g.value(a, "Title"), g.value(b, "MasterRecordId"), converted)
	}
	if _, there := g.Record(c); there {
		t.Error("the purged record is there")
	}
	if status, _ := g.do("GET", "limits", nil); status != http.StatusInternalServerError {
		t.Errorf("the fault: %d", status)
	}
	if used, limit := g.CallsToday(); used != 101 || limit != 5000 {
		t.Errorf("%d of %d calls", used, limit)
	}
	g.refused(400, "INVALID_TYPE", "GET", "query?q=SELECT+Id+FROM+InMail__c", nil)
	g.control("PUT", "permission-set", Fields{"assigned": true}, nil)
	g.upsert(Fields{"InMail_Id__c": "x"}, Fields{"InMail_Id__c": "y"})
	var items struct{ Items []map[string]any }
	for path, want := range map[string]int{"history": 2, "history?key=x": 1, "history?object=Task": 0, "records?type=InMail__c": 2, "faults": 0} {
		if g.control("GET", path, nil, &items); len(items.Items) != want {
			t.Errorf("%s has %d, want %d", path, len(items.Items), want)
		}
	}
	var calls struct{ Requests map[string]int }
	if g.control("GET", "calls", nil, &calls); calls.Requests["limits"] != 1 || calls.Requests["composite/sobjects"] != 1 {
		t.Errorf("calls %v", calls)
	}
	var record map[string]any
	if g.control("GET", "records/"+a, nil, &record); record["LastName"] != "A" {
		t.Errorf("record %v", record)
	}
	g.control("DELETE", "sessions", nil, nil)
	g.refused(401, "INVALID_SESSION_ID", "GET", "limits", nil)
	g.control("DELETE", "faults", nil, nil)
	for path, want := range map[string]int{"GET nope": 404, "GET records?type=Nope": 400, "GET records/x": 400, "PATCH records/x": 400, "POST faults": 200, "PUT faults": 404} {
		method, rest, _ := strings.Cut(path, " ")
		if status := g.control(method, rest, nil, nil); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	if status := g.control("POST", "limits", Fields{"daily": -1}, nil); status != http.StatusBadRequest {
		t.Errorf("a negative limit: %d", status)
	}
	if status := g.control("POST", "limits", Fields{"dayly": 1}, nil); status != http.StatusBadRequest {
		t.Errorf("an unknown member: %d", status)
	}
	if resp, body := g.send("GET", "/", nil, nil); resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "not Salesforce") {
		t.Errorf("the root: %s", body)
	}
}
