package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sfpackage "inmail/connectors/salesforce/package"
)

// team is an org with two sales people, their manager, and somebody of another team. as is who the next
// call is made by.
func team(t testing.TB) (g *org, as func(name string)) {
	user := func(name, role string) User {
		return User{Username: name + "@example.com", Password: "pass", FirstName: name, Standard: true, Role: role}
	}
	g = newOrg(t, func(o *Options) {
		o.Credentials.Users = append(o.Credentials.Users, user("kim", "CEO/Sales/West"), user("lee", "CEO/Sales/East"), user("max", "CEO/Sales"),
			user("pat", "CEO/Support"), User{Username: "api@example.com", Password: "pass", Integration: true})
	})
	return g, func(name string) {
		t.Helper()
		resp, err := http.PostForm(g.server.URL+"/services/oauth2/token", url.Values{"grant_type": {"password"}, "client_id": {"app"},
			"client_secret": {"app secret"}, "username": {name + "@example.com"}, "password": {"pass"}})
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var got struct {
			Token string `json:"access_token"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.Token == "" {
			t.Fatalf("login of %s: %d, %v", name, resp.StatusCode, err)
		}
		g.token = got.Token
	}
}

func (g *org) idOf(name string) string {
	return g.query("SELECT Id FROM User WHERE Username = '" + name + "@example.com'")[0]["Id"].(string)
}

// TestSharing checks whom each org-wide default lets read, edit and delete a Lead of kim's.
func TestSharing(t *testing.T) {
	g, as := team(t)
	kim := g.idOf("kim")
	// What each may do: r, e, d for read, edit and delete.
	for def, want := range map[OrgWide]map[string]string{
		Private:         {"kim": "red", "lee": "", "max": "red", "pat": "", "api": "r"},
		PublicRead:      {"kim": "red", "lee": "r", "max": "red", "pat": "r", "api": "r"},
		PublicReadWrite: {"kim": "red", "lee": "re", "max": "red", "pat": "re", "api": "re"},
	} {
		if g.control("PUT", "sharing", Fields{"object": "Lead", "default": def}, nil) != http.StatusOK {
			t.Fatal(def)
		}
		for name, may := range want {
			lead := g.insert("Lead", Fields{"LastName": "Doe", "Company": "ACME", "OwnerId": kim})
			as(name)
			got := ""
			if rows := g.query("SELECT Id FROM Lead WHERE Id = '" + lead + "'"); len(rows) == 1 {
				got += "r"
			}
			if status, _ := g.do("GET", "sobjects/Lead/"+lead, nil); (status == 200) != strings.Contains(got, "r") {
				t.Errorf("%s %s: the record itself is answered %d", def, name, status)
			}
			change := Fields{"InMail_Member_Id__c": "m"}
			if status, body := g.do("PATCH", "sobjects/Lead/"+lead, change); status == http.StatusNoContent {
				got += "e"
			} else if codes(t, body)[0] != "INSUFFICIENT_ACCESS_OR_READONLY" {
				t.Errorf("%s %s: %s", def, name, body)
			}
			if status, _ := g.do("DELETE", "sobjects/Lead/"+lead, nil); status == http.StatusNoContent {
				got += "d"
			}
			if got != may {
				t.Errorf("%s: %s may %q, want %q", def, name, got, may)
			}
		}
	}
	for _, wrong := range []Fields{{"object": "User", "default": Private}, {"object": "Lead", "default": "Secret"}} {
		if g.control("PUT", "sharing", wrong, nil) != http.StatusBadRequest {
			t.Errorf("%v was taken", wrong)
		}
	}
}

// TestSharingOfTasks checks activities, lookups and owners in a private org.
func TestSharingOfTasks(t *testing.T) {
	g, as := team(t)
	kim, lee := g.idOf("kim"), g.idOf("lee")
	for _, object := range []string{"Lead", "Task", "InMail__c"} {
		if err := g.ShareByDefault(object, Private); err != nil {
			t.Fatal(err)
		}
	}
	lead := g.insert("Lead", Fields{"LastName": "Doe", "Company": "ACME", "OwnerId": kim})
	task := g.insert("Task", Fields{"Subject": "InMail sent", "WhoId": lead, "OwnerId": lee})
	inmail := g.insert("InMail__c", Fields{"InMail_Id__c": "a", "Status__c": "Sent", "OwnerId": kim})
	visible := func(object string) int { return len(g.query("SELECT Id FROM " + object)) }
	for name, want := range map[string][3]int{"kim": {1, 1, 1}, "lee": {0, 1, 0}, "max": {1, 1, 1}, "pat": {0, 0, 0}, "api": {1, 1, 1}} {
		as(name)
		if got := [3]int{visible("Lead"), visible("Task"), visible("InMail__c")}; got != want {
			t.Errorf("%s sees %v, want %v", name, got, want)
		}
		if got := int(g.total("SELECT COUNT() FROM Task")); got != want[1] {
			t.Errorf("%s counts %d Tasks", name, got)
		}
	}
	as("kim") // reads the Task of her Lead, and may not change it
	g.refused(403, "INSUFFICIENT_ACCESS_OR_READONLY", "PATCH", "sobjects/Task/"+task, Fields{"Subject": "x"})
	as("pat")
	g.refused(400, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "POST", "sobjects/Task", Fields{"Subject": "x", "WhoId": lead})
	as("api")
	if status, body := g.do("PATCH", "sobjects/InMail__c/"+inmail, Fields{"OwnerId": lee}); status != http.StatusNoContent {
		t.Errorf("Modify All: %d %s", status, body)
	}
	g.login()
	set := g.query("SELECT Id FROM PermissionSetAssignment WHERE AssigneeId = '" + lee + "' AND PermissionSet.Name = 'InMail_Reader'")[0]["Id"].(string)
	if status, body := g.do("DELETE", "sobjects/PermissionSetAssignment/"+set, nil); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, body)
	}
	matching := g.query("SELECT Id FROM PermissionSetAssignment WHERE AssigneeId = '" + lee + "'")[0]["Id"].(string)
	if status, body := g.do("DELETE", "sobjects/PermissionSetAssignment/"+matching, nil); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, body)
	}
	as("api") // lee may not read InMails any more
	g.refused(400, "TRANSFER_REQUIRES_READ", "PATCH", "sobjects/InMail__c/"+inmail, Fields{"OwnerId": lee})
	as("kim")
	if got := g.query("SELECT UserRole.Name FROM User WHERE Id = '" + kim + "'"); got[0]["UserRole"].(map[string]any)["Name"] != "West" {
		t.Errorf("role: %v", got)
	}
}

func (g *org) total(q string) (n float64) {
	_, body := g.do("GET", "query?q="+url.QueryEscape(q), nil)
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		g.t.Fatal(err)
	}
	n, _ = got["totalSize"].(float64)
	return n
}

// TestPermissionSets checks that the rights of a user are those of its profile and of the sets assigned to
// it.
func TestPermissionSets(t *testing.T) {
	g, as := team(t)
	names := []string{}
	for _, r := range g.query("SELECT Name FROM PermissionSet ORDER BY Name") {
		names = append(names, r["Name"].(string))
	}
	want := []string{}
	for _, set := range g.model.PermissionSets {
		want = append(want, set.Name)
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	g.refused(400, "INVALID_FIELD_FOR_INSERT_UPDATE", "PATCH", "sobjects/PermissionSetAssignment/"+g.query("SELECT Id FROM PermissionSetAssignment")[0]["Id"].(string),
		Fields{"AssigneeId": g.idOf("kim")})
	as("kim")
	g.refused(400, "INVALID_TYPE", "GET", "query?q=SELECT+Id+FROM+PermissionSetAssignment", nil)
	g.refused(403, "INSUFFICIENT_ACCESS_OR_READONLY", "POST", "sobjects/InMail__c", Fields{"InMail_Id__c": "x"})
	if got := g.query("SELECT InMail_Id__c FROM InMail__c"); len(got) != 0 {
		t.Error(got)
	}
	as("api")
	g.refused(400, "INVALID_TYPE", "GET", "query?q=SELECT+Id+FROM+PermissionSet", nil)
	if _, ok := g.model.PermissionSet(sfpackage.ReaderSet); !ok {
		t.Error("the package has no set for readers")
	}
}

// TestReplicate checks getUpdated and getDeleted.
func TestReplicate(t *testing.T) {
	g := newOrg(t)
	lead := func(name string) string {
		return g.insert("Lead", Fields{"LastName": name, "Company": "ACME"})
	}
	a, b, c := lead("a"), lead("b"), lead("c")
	g.now = g.now.Add(2 * time.Hour)
	g.login()
	if err := g.Edit(b, Fields{"Title": "CTO"}); err != nil {
		t.Fatal(err)
	}
	if err := g.Delete(c); err != nil {
		t.Fatal(err)
	}
	g.now = g.now.Add(10 * time.Minute)
	ask := func(what string, from, to time.Duration) string {
		_, body := g.do("GET", fmt.Sprintf("sobjects/Lead/%s/?start=%s&end=%s", what, url.QueryEscape(testNow.Add(from).Format(time.RFC3339)), url.QueryEscape(testNow.Add(to).Format(time.RFC3339))), nil)
		return string(body)
	}
	want := fmt.Sprintf(`{"ids":[%q,%q],"latestDateCovered":"2026-11-23T11:10:00.000+0000"}`, a, b)
	if got := ask("updated", 0, 4*time.Hour); got != want {
		t.Errorf("updated: %s", got)
	}
	if got := ask("updated", time.Hour, 3*time.Hour); !strings.Contains(got, b) || strings.Contains(got, a) {
		t.Errorf("updated of an hour: %s", got)
	}
	want = fmt.Sprintf(`{"deletedRecords":[{"deletedDate":"2026-11-23T11:00:00.000+0000","id":%q}],"earliestDateAvailable":"2026-10-24T11:10:00.000+0000","latestDateCovered":"2026-11-23T11:10:00.000+0000"}`, c)
	if got := ask("deleted", 0, 4*time.Hour); got != want {
		t.Errorf("deleted: %s", got)
	}
	for _, path := range []string{"updated/?start=2026-11-23T09:00:00Z", "updated/?start=x&end=y"} {
		g.refused(400, "MISSING_ARGUMENT", "GET", "sobjects/Lead/"+path, nil)
	}
	for _, path := range []string{"updated/?start=2026-11-23T09:00:00Z&end=2026-11-23T09:00:30Z", "deleted/?start=2026-10-01T09:00:00Z&end=2026-11-23T09:00:30Z"} {
		g.refused(400, "INVALID_REPLICATION_DATE", "GET", "sobjects/Lead/"+path, nil)
	}
}
