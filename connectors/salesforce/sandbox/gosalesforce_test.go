package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/csv"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	salesforce "github.com/k-capehart/go-salesforce/v3"
)

// newRSA makes a key pair. It returns the private key as PEM too, the form that clients take.
func newRSA(t testing.TB) (*rsa.PrivateKey, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

// goClient logs go-salesforce in to an org. That client needs the real clock.
func goClient(t *testing.T) (*org, *salesforce.Salesforce) {
	t.Helper()
	g := newOrg(t, func(o *Options) { o.Clock = time.Now })
	client, err := salesforce.Init(salesforce.Creds{Domain: g.server.URL, ConsumerKey: "app", ConsumerSecret: "app secret"})
	if err != nil {
		t.Fatal(err)
	}
	return g, client
}

func TestGoSalesforceLogins(t *testing.T) {
	key, keyPEM := newRSA(t)
	g := newOrg(t, func(o *Options) {
		o.Clock = time.Now
		o.Credentials.JWTKeys = []*rsa.PublicKey{&key.PublicKey}
	})
	flows := map[string]salesforce.Creds{
		"client_credentials": {ConsumerKey: "app", ConsumerSecret: "app secret"},
		"password":           {ConsumerKey: "app", ConsumerSecret: "app secret", Username: "integration@example.com", Password: "pass", SecurityToken: "token"},
		"jwt":                {ConsumerKey: "app", Username: "integration@example.com", ConsumerRSAPem: keyPEM},
		"access_token":       {AccessToken: g.token},
	}
	for name, creds := range flows {
		t.Run(name, func(t *testing.T) {
			creds.Domain = g.server.URL
			client, err := salesforce.Init(creds)
			if err != nil {
				t.Fatal(err)
			}
			var users []struct{ Username string }
			if err := client.Query("SELECT Username FROM User WHERE Username = 'integration@example.com'", &users); err != nil || len(users) != 1 {
				t.Errorf("query: %v, %d users", err, len(users))
			}
		})
		t.Run(name+"_refused", func(t *testing.T) {
			creds.Domain = g.server.URL
			creds.ConsumerSecret += "x"
			creds.ConsumerKey, creds.AccessToken = creds.ConsumerKey+"x", creds.AccessToken+"x"
			if name == "access_token" {
				creds.ConsumerKey, creds.ConsumerSecret = "", ""
			}
			if name == "jwt" {
				creds.ConsumerSecret = ""
			}
			if _, err := salesforce.Init(creds); err == nil {
				t.Error("logged in with wrong credentials")
			}
		})
	}
}

func TestGoSalesforceRefreshesItsSession(t *testing.T) {
	g, client := goClient(t)
	g.ExpireSessions()
	var users []struct{ Id string }
	if err := client.Query("SELECT Id FROM User", &users); err != nil || len(users) == 0 {
		t.Errorf("after the session ended: %v, %d users", err, len(users))
	}
}

func TestGoSalesforceRows(t *testing.T) {
	_, client := goClient(t)
	made, err := client.InsertOne("Lead", map[string]any{"LastName": "Doe", "Company": "ACME", "Email": "doe@example.com"})
	if err != nil || !made.Success {
		t.Fatalf("insert: %v %+v", err, made)
	}
	if err := client.UpdateOne("Lead", map[string]any{"Id": made.Id, "Title": "CTO"}); err != nil {
		t.Errorf("update: %v", err)
	}
	type lead struct{ Id, LastName, Title, Name string }
	var got []lead
	if err := client.Query("SELECT Id, LastName, Title, Name FROM Lead WHERE Email = 'DOE@example.com'", &got); err != nil {
		t.Errorf("query: %v", err)
	}
	if diff := cmp.Diff([]lead{{made.Id, "Doe", "CTO", "Doe"}}, got); diff != "" {
		t.Errorf("lead (-want +got):\n%s", diff)
	}
	up := map[string]any{"InMail_Id__c": "one", "Status__c": "Queued"}
	first, err := client.UpsertOne("InMail__c", "InMail_Id__c", up)
	if err != nil || !first.Success {
		t.Fatalf("upsert: %v %+v", err, first)
	}
	second, err := client.UpsertOne("InMail__c", "InMail_Id__c", map[string]any{"InMail_Id__c": "ONE", "Status__c": "Sent"})
	if err != nil || second.Id != first.Id {
		t.Errorf("upsert again: %v, id %s, want %s", err, second.Id, first.Id)
	}
	if err := client.DeleteOne("Lead", map[string]any{"Id": made.Id}); err != nil {
		t.Errorf("delete: %v", err)
	}
	if err := client.DeleteOne("Lead", map[string]any{"Id": made.Id}); err == nil || !strings.Contains(err.Error(), "ENTITY_IS_DELETED") {
		t.Errorf("delete again: %v", err)
	}
}

func inMails(n int) []map[string]any {
	var rows []map[string]any
	for i := range n {
		rows = append(rows, map[string]any{"InMail_Id__c": fmt.Sprintf("id-%05d", i), "Status__c": "Queued", "Status_Sequence__c": 1})
	}
	return rows
}

func TestGoSalesforceCollections(t *testing.T) {
	g, client := goClient(t)
	results, err := client.UpsertCollection("InMail__c", "InMail_Id__c", inMails(450), 200)
	if err != nil || results.HasSalesforceErrors || len(results.Results) != 450 {
		t.Fatalf("upsert: %v, %d rows, failures %t", err, len(results.Results), results.HasSalesforceErrors)
	}
	if got := g.Calls()["composite/sobjects"]; got != 3 {
		t.Errorf("450 rows took %d calls, want 3", got)
	}
	var rows []map[string]any
	for _, r := range results.Results[:3] {
		rows = append(rows, map[string]any{"Id": r.Id, "Status__c": "Sent"})
	}
	rows[1]["Status__c"] = "Gone"
	results, err = client.UpdateCollection("InMail__c", rows, 200)
	if err != nil || !results.HasSalesforceErrors || results.Results[0].Success != true || results.Results[1].Errors[0].StatusCode != "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST" {
		t.Errorf("update with an invalid row: %v %+v", err, results)
	}
	inserted, err := client.InsertCollection("Account", []map[string]any{{"Name": "A"}, {"Name": "B"}}, 200)
	if err != nil || inserted.HasSalesforceErrors {
		t.Fatalf("insert: %v %+v", err, inserted)
	}
	var doomed []map[string]any
	for _, r := range inserted.Results {
		doomed = append(doomed, map[string]any{"Id": r.Id})
	}
	if deleted, err := client.DeleteCollection("Account", doomed, 200); err != nil || deleted.HasSalesforceErrors {
		t.Errorf("delete: %v %+v", err, deleted)
	}
}

func TestGoSalesforceComposite(t *testing.T) {
	g, client := goClient(t)
	results, err := client.UpsertComposite("InMail__c", "InMail_Id__c", inMails(1000), 200, false)
	if err != nil || results.HasSalesforceErrors || len(results.Results) != 1000 {
		t.Fatalf("upsert of 1,000: %v, %d rows", err, len(results.Results))
	}
	if got := g.Calls()["composite"]; got != 1 {
		t.Errorf("1,000 rows took %d calls, want 1", got)
	}
	// The client would send 25 collections; the org takes five.
	if _, err := client.UpsertComposite("InMail__c", "InMail_Id__c", inMails(1200), 200, false); err == nil || !strings.Contains(err.Error(), "LIMIT_EXCEEDED") {
		t.Errorf("six collections in a composite: %v", err)
	}
	var doomed []map[string]any
	for _, r := range results.Results[:300] {
		doomed = append(doomed, map[string]any{"Id": r.Id})
	}
	if deleted, err := client.DeleteComposite("InMail__c", doomed, 200, true); err != nil || deleted.HasSalesforceErrors || len(deleted.Results) != 300 {
		t.Errorf("delete: %v, %d rows", err, len(deleted.Results))
	}
}

func TestGoSalesforceQueryPages(t *testing.T) {
	_, client := goClient(t)
	if _, err := client.UpsertComposite("InMail__c", "InMail_Id__c", inMails(1000), 200, false); err != nil {
		t.Fatal(err)
	}
	for from := range 4 {
		var rows []map[string]any
		for i := range 1000 {
			rows = append(rows, map[string]any{"InMail_Id__c": fmt.Sprintf("more-%d-%d", from, i)})
		}
		if _, err := client.UpsertComposite("InMail__c", "InMail_Id__c", rows, 200, false); err != nil {
			t.Fatal(err)
		}
	}
	// The client asks for the next page under the version it was written for.
	var got []struct{ InMail_Id__c string }
	if err := client.Query("SELECT InMail_Id__c FROM InMail__c ORDER BY InMail_Id__c", &got); err != nil || len(got) != 5000 {
		t.Fatalf("query: %v, %d rows, want 5,000", err, len(got))
	}
	if !slices.IsSortedFunc(got, func(a, b struct{ InMail_Id__c string }) int { return strings.Compare(a.InMail_Id__c, b.InMail_Id__c) }) {
		t.Error("pages are not in order")
	}
}

func TestGoSalesforceBulk(t *testing.T) {
	g, client := goClient(t)
	rows := inMails(500)
	rows[7]["Status__c"] = "Gone"
	jobs, err := client.UpsertBulk("InMail__c", "InMail_Id__c", rows, 10_000, true)
	if err != nil || len(jobs) != 1 {
		t.Fatalf("upsert: %v, %d jobs", err, len(jobs))
	}
	results, err := client.GetJobResults(jobs[0])
	if err != nil || results.State != "JobComplete" || results.NumberRecordsFailed != 1 || len(results.SuccessfulRecords) != 499 || len(results.FailedRecords) != 1 {
		t.Errorf("results: %v, state %s, %d failed, %d stored", err, results.State, results.NumberRecordsFailed, len(results.SuccessfulRecords))
	}
	if got := results.FailedRecords[0]["sf__Error"].(string); !strings.HasPrefix(got, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST:") {
		t.Errorf("sf__Error is %q", got)
	}
	file := filepath.Join(t.TempDir(), "out.csv")
	if err := client.QueryBulkExport("SELECT InMail_Id__c, Status_Sequence__c FROM InMail__c ORDER BY InMail_Id__c", file); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(strings.NewReader(string(data))).ReadAll()
	if err != nil || len(lines) != 500 || lines[1][0] != "id-00000" || lines[1][1] != "1.0" {
		t.Errorf("export: %v, %d lines, first %v", err, len(lines), lines[1])
	}
	if got := len(g.Records("InMail__c")); got != 499 {
		t.Errorf("the org has %d records, want 499", got)
	}
}
