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
)

// people fills an org with leads, contacts and InMails to query.
func people(t testing.TB) *org {
	g := newOrg(t)
	acme := g.insert("Account", Fields{"Name": "ACME", "NumberOfEmployees": 10, "AnnualRevenue": 139000000})
	g.insert("Account", Fields{"Name": "bolt", "NumberOfEmployees": 30})
	kim := g.insert("Contact", Fields{"LastName": "Kim", "AccountId": acme, "Email": "Kim@Example.com"})
	g.insert("Contact", Fields{"LastName": "Loner"})
	doe := g.insert("Lead", Fields{"LastName": "Doe", "FirstName": "Jo", "Company": "ACME", "Email": "doe@example.com", "Description": "long"})
	g.now = g.now.Add(24 * time.Hour)
	g.login()
	for i, status := range []string{"Sent", "Opened", "Sent", "Expired"} {
		in := Fields{"InMail_Id__c": fmt.Sprint("id-", i), "Status__c": status, "Replies__c": i}
		if i < 2 {
			in["Lead__c"], in["Tags__c"] = doe, "red;green"
			in["Sent_At__c"] = g.now.Add(time.Duration(i) * time.Hour)
		}
		if i == 2 {
			in["Contact__c"], in["Tags__c"] = kim, "green"
		}
		g.insert("InMail__c", in)
	}
	g.insert("Task", Fields{"Subject": "to lead", "WhoId": doe, "Status": "Completed", "ActivityDate": "2026-11-24"})
	g.insert("Task", Fields{"Subject": "to contact", "WhoId": kim})
	return g
}

func TestQueries(t *testing.T) {
	g := people(t)
	// Each query selects one text; the rows are joined by spaces.
	cases := map[string]string{
		"SELECT InMail_Id__c FROM InMail__c":                                                                 "id-0 id-1 id-2 id-3",
		"select inmail_id__c from inmail__c where status__c = 'SENT' order by inmail_id__c desc":             "id-2 id-0",
		"SELECT InMail_Id__c FROM InMail__c WHERE Status__c != 'Sent'":                                       "id-1 id-3",
		"SELECT InMail_Id__c FROM InMail__c WHERE Status__c IN ('Opened', 'Expired')":                        "id-1 id-3",
		"SELECT InMail_Id__c FROM InMail__c WHERE Status__c NOT IN ('Opened', 'Expired')":                    "id-0 id-2",
		"SELECT InMail_Id__c FROM InMail__c WHERE Replies__c >= 1 AND Replies__c < 3":                        "id-1 id-2",
		"SELECT InMail_Id__c FROM InMail__c WHERE Replies__c = 0 OR Replies__c > 2.5":                        "id-0 id-3",
		"SELECT InMail_Id__c FROM InMail__c WHERE NOT (Replies__c = 0 OR Replies__c = 3)":                    "id-1 id-2",
		"SELECT InMail_Id__c FROM InMail__c WHERE NOT Replies__c = 0 ORDER BY Replies__c DESC LIMIT 2":       "id-3 id-2",
		"SELECT InMail_Id__c FROM InMail__c WHERE Replies__c = 0 OR (Replies__c > 1 AND Status__c = 'Sent')": "id-0 id-2",
		"SELECT InMail_Id__c FROM InMail__c ORDER BY InMail_Id__c LIMIT 2 OFFSET 1":                          "id-1 id-2",
		"SELECT InMail_Id__c FROM InMail__c WHERE InMail_Id__c > 'ID-1' ORDER BY InMail_Id__c LIMIT 2000":    "id-2 id-3",
		"SELECT InMail_Id__c FROM InMail__c WHERE Lead__c = null":                                            "id-2 id-3",
		"SELECT InMail_Id__c FROM InMail__c WHERE Lead__c != null":                                           "id-0 id-1",
		"SELECT InMail_Id__c FROM InMail__c WHERE Tags__c INCLUDES ('red')":                                  "id-0 id-1",
		"SELECT InMail_Id__c FROM InMail__c WHERE Tags__c INCLUDES ('GREEN;red', 'blue')":                    "id-0 id-1",
		"SELECT InMail_Id__c FROM InMail__c WHERE Tags__c EXCLUDES ('red')":                                  "id-2 id-3",
		"SELECT InMail_Id__c FROM InMail__c WHERE Tags__c = 'green'":                                         "id-2",
		"SELECT InMail_Id__c FROM InMail__c WHERE InMail_Id__c LIKE 'id%'":                                   "id-0 id-1 id-2 id-3",
		"SELECT InMail_Id__c FROM InMail__c WHERE InMail_Id__c LIKE '__-2'":                                  "id-2",
		`SELECT InMail_Id__c FROM InMail__c WHERE InMail_Id__c LIKE 'id\_%'`:                                 "",
		"SELECT InMail_Id__c FROM InMail__c WHERE Sent_At__c > 2026-11-24T09:00:00Z":                         "id-1",
		"SELECT InMail_Id__c FROM InMail__c WHERE Sent_At__c <= 2026-11-24T10:00:00.000+01:00":               "id-0",
		"SELECT InMail_Id__c FROM InMail__c WHERE Sent_At__c = TODAY":                                        "id-0 id-1",
		"SELECT InMail_Id__c FROM InMail__c WHERE Sent_At__c < LAST_N_DAYS:3":                                "",
		"SELECT InMail_Id__c FROM InMail__c WHERE CreatedDate > YESTERDAY":                                   "id-0 id-1 id-2 id-3",
		"SELECT InMail_Id__c FROM InMail__c WHERE Delivered__c = 1":                                          "id-0 id-1",
		"SELECT InMail_Id__c FROM InMail__c WHERE Lead__r.Email = 'DOE@EXAMPLE.COM'":                         "id-0 id-1",
		"SELECT InMail_Id__c FROM InMail__c WHERE Contact__r.Account.Name = 'acme'":                          "id-2",
		"SELECT InMail__c.InMail_Id__c FROM InMail__c WHERE InMail__c.Status__c = 'Expired'":                 "id-3",
		"SELECT Name FROM Account ORDER BY Name":                                                             "ACME bolt",
		"SELECT Name FROM Account WHERE AnnualRevenue = null":                                                "bolt",
		"SELECT Name FROM Account ORDER BY AnnualRevenue NULLS LAST, Name":                                   "ACME bolt",
		"SELECT Name FROM Account ORDER BY AnnualRevenue":                                                    "bolt ACME",
		"SELECT Email FROM Contact WHERE Email = 'kim@example.com'":                                          "Kim@Example.com",
		"SELECT Name FROM Lead WHERE IsConverted = false":                                                    "Jo Doe",
		"SELECT Subject FROM Task WHERE Who.Type = 'Lead'":                                                   "to lead",
		"SELECT Subject FROM Task WHERE Who.Name = 'Kim' AND IsClosed = FALSE":                               "to contact",
		"SELECT Subject FROM Task WHERE ActivityDate = 2026-11-24":                                           "to lead",
		"SELECT Subject FROM Task WHERE ActivityDate <= TODAY":                                               "to lead",
		"SELECT Subject FROM Task WHERE Account.Name = 'ACME'":                                               "to contact",
		"SELECT COUNT(Id) FROM InMail__c WHERE Status__c = 'Sent'":                                           "2",
		"SELECT COUNT(Lead__c) n FROM InMail__c":                                                             "2",
		"SELECT COUNT_DISTINCT(Status__c) FROM InMail__c":                                                    "3",
		"SELECT MAX(Replies__c) FROM InMail__c":                                                              "3",
		"SELECT MIN(Name) FROM Account":                                                                      "ACME",
		"SELECT SUM(NumberOfEmployees) FROM Account":                                                         "40",
		"SELECT AVG(NumberOfEmployees) FROM Account":                                                         "20",
		"SELECT Status__c FROM InMail__c GROUP BY Status__c HAVING COUNT(Id) > 5":                            "!MALFORMED_QUERY",
		`SELECT Name FROM Account WHERE Name = 'A\CME'`:                                                      "!MALFORMED_QUERY",
		`SELECT Name FROM Account WHERE Name = 'A\'C\\M\n\u0041'`:                                            "",
		"SELECT Name FROM Account WHERE Name = 'ACME":                                                        "!MALFORMED_QUERY",
		"SELECT Name FROM Account WHERE Name = \"ACME\"":                                                     "!MALFORMED_QUERY",
		"SELECT Name FROM":                          "!MALFORMED_QUERY",
		"SELECT FROM Account":                       "!MALFORMED_QUERY",
		"SELECT * FROM Account":                     "!MALFORMED_QUERY",
		"SELECT Name Account":                       "!MALFORMED_QUERY",
		"SELECT Name FROM Account WHERE":            "!MALFORMED_QUERY",
		"SELECT Name FROM Account WHERE Name":       "!MALFORMED_QUERY",
		"SELECT Name FROM Account WHERE Name = ":    "!MALFORMED_QUERY",
		"SELECT Name FROM Account WHERE Name IN ()": "!MALFORMED_QUERY",
		"SELECT Name FROM Account WHERE Name = 'a' AND Name = 'b' OR Name = 'c'": "!MALFORMED_QUERY",
		"SELECT Name FROM Account LIMIT -1":                                      "!MALFORMED_QUERY",
		"SELECT Name FROM Account LIMIT x":                                       "!MALFORMED_QUERY",
		"SELECT Name FROM Account; DELETE":                                       "!MALFORMED_QUERY",
		"SELECT Name FROM Account FOR UPDATE":                                    "!MALFORMED_QUERY",
		"SELECT Name FROM Account WITH SECURITY_ENFORCED":                        "!MALFORMED_QUERY",
		"SELECT Name FROM Account USING SCOPE mine":                              "!MALFORMED_QUERY",
		"SELECT a.Name FROM Account a":                                           "!MALFORMED_QUERY",
		// Semi-joins, anti-joins, sub-queries and functions of dates.
		"SELECT Name FROM Account WHERE Id IN (SELECT AccountId FROM Contact)":                                        "ACME",
		"SELECT Name FROM Account WHERE Id NOT IN (SELECT AccountId FROM Contact)":                                    "bolt",
		"SELECT LastName FROM Contact WHERE Id IN (SELECT WhoId FROM Task WHERE IsClosed = false)":                    "Kim",
		"SELECT InMail_Id__c FROM InMail__c WHERE Contact__c IN (SELECT Id FROM Contact WHERE Account.Name='ACME')":   "id-2",
		"SELECT InMail_Id__c FROM InMail__c WHERE Lead__c IN (SELECT Id FROM Lead) AND Replies__c > 0":                "id-1",
		"SELECT Name FROM Account WHERE Id IN (SELECT ParentId FROM Account)":                                         "!MALFORMED_QUERY",
		"SELECT Name FROM Account WHERE NOT Id IN (SELECT AccountId FROM Contact)":                                    "!MALFORMED_QUERY",
		"SELECT Name FROM Account WHERE Name = 'a' OR Id IN (SELECT AccountId FROM Contact)":                          "!MALFORMED_QUERY",
		"SELECT Name FROM Account WHERE Id IN (SELECT AccountId FROM Contact LIMIT 1)":                                "!MALFORMED_QUERY",
		"SELECT Name FROM Account WHERE Id IN (SELECT Name FROM Contact)":                                             "!MALFORMED_QUERY",
		"SELECT Name FROM Account WHERE Id IN (SELECT ReportsToId FROM Contact)":                                      "!MALFORMED_QUERY",
		"SELECT Name FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE Id IN (SELECT WhoId FROM Task))":   "!MALFORMED_QUERY",
		"SELECT Name, (SELECT COUNT(Id) FROM Contacts) FROM Account":                                                  "!MALFORMED_QUERY",
		"SELECT Name, (SELECT Id FROM Nobodys) FROM Account":                                                          "!INVALID_TYPE",
		"SELECT Name FROM Account WHERE CALENDAR_YEAR(CreatedDate) = 2026 AND DAY_ONLY(CreatedDate) = YESTERDAY":      "ACME bolt",
		"SELECT InMail_Id__c FROM InMail__c WHERE HOUR_IN_DAY(Sent_At__c) = 10":                                       "id-1",
		"SELECT InMail_Id__c FROM InMail__c WHERE HOUR_IN_DAY(convertTimezone(Sent_At__c)) = 2":                       "id-1",
		"SELECT Subject FROM Task WHERE WEEK_IN_MONTH(ActivityDate) = 4 AND DAY_IN_WEEK(ActivityDate) = 3":            "to lead",
		"SELECT Subject FROM Task WHERE HOUR_IN_DAY(ActivityDate) = 4":                                                "!MALFORMED_QUERY",
		"SELECT CALENDAR_YEAR(Sent_At__c) FROM InMail__c":                                                             "!MALFORMED_QUERY",
		"SELECT CALENDAR_YEAR(Sent_At__c) FROM InMail__c WHERE Sent_At__c != null GROUP BY CALENDAR_YEAR(Sent_At__c)": "2026",
		"SELECT COUNT(Id) FROM InMail__c WHERE CreatedDate = THIS_QUARTER AND Sent_At__c = N_DAYS_AGO:1":              "0",
		"SELECT TYPEOF Who WHEN Lead THEN Email END FROM Task":                                                        "!MALFORMED_QUERY",
		"SELECT toLabel(Status__c) FROM InMail__c":                                                                    "!MALFORMED_QUERY",
		"SELECT COUNT(Id) FROM InMail__c WHERE Sent_At__c != TODAY":                                                   "2",
		"SELECT COUNT(Id) FROM InMail__c WHERE Sent_At__c <= YESTERDAY":                                               "0",
		"SELECT COUNT(Id) FROM InMail__c WHERE Sent_At__c >= YESTERDAY":                                               "2",
		"SELECT COUNT(Id) FROM Task WHERE ActivityDate != YESTERDAY":                                                  "2",
		"SELECT COUNT(Id) FROM Lead WHERE LastName > TODAY":                                                           "!INVALID_FIELD",
		"SELECT COUNT(Id) FROM Lead WHERE LastName LIKE 5":                                                            "!INVALID_FIELD",
		"SELECT COUNT(Id) FROM Lead WHERE Id = 5":                                                                     "!INVALID_FIELD",
		"SELECT COUNT(Id) FROM InMail__c WHERE Tags__c INCLUDES (5)":                                                  "!INVALID_FIELD",
		"SELECT COUNT(Id) FROM InMail__c WHERE Lead__c IN ('', null)":                                                 "2",
		"SELECT COUNT(Id) FROM Lead ORDER BY COUNT(LastName)":                                                         "!MALFORMED_QUERY",
		"SELECT Status__c, COUNT(Id) FROM InMail__c GROUP BY Status__c HAVING SUM(Replies__c) > 1":                    "!MALFORMED_QUERY",
		"SELECT COUNT(Id) FROM InMail__c GROUP Status__c":                                                             "!MALFORMED_QUERY",
		"SELECT COUNT(Id) FROM InMail__c ORDER Status__c":                                                             "!MALFORMED_QUERY",
		"SELECT Name FROM Account ORDER BY Name NULLS NONE":                                                           "!MALFORMED_QUERY",
		"SELECT Name FROM Account ORDER BY toLabel(Name)":                                                             "!MALFORMED_QUERY",
		"SELECT COUNT(Id) FROM InMail__c GROUP BY Nope":                                                               "!INVALID_FIELD",
		"SELECT Name, COUNT(Id) FROM Account":                                                                         "!MALFORMED_QUERY",
		"SELECT Name FROM InMail__c GROUP BY Status__c":                                                               "!MALFORMED_QUERY",
		"SELECT COUNT() FROM InMail__c GROUP BY Status__c":                                                            "!MALFORMED_QUERY",
		"SELECT COUNT(), Name FROM InMail__c":                                                                         "!MALFORMED_QUERY",
		"SELECT SUM(Name) FROM Account":                                                                               "!MALFORMED_QUERY",
		"SELECT FIELDS(ALL) FROM Account":                                                                             "!MALFORMED_QUERY",
		"SELECT FIELDS(NONE) FROM Account LIMIT 1":                                                                    "!MALFORMED_QUERY",
		"SELECT Tags__c FROM InMail__c ORDER BY Tags__c":                                                              "!MALFORMED_QUERY",
		"SELECT Body__c FROM InMail__c ORDER BY Body__c":                                                              "!MALFORMED_QUERY",
		"SELECT Tags__c FROM InMail__c GROUP BY Tags__c":                                                              "!MALFORMED_QUERY",
		"SELECT Name FROM Account OFFSET 2001":                                                                        "!NUMBER_OUTSIDE_VALID_RANGE",
		"SELECT Nope FROM Account":                                                                                    "!INVALID_FIELD",
		"SELECT Name, name FROM Account":                                                                              "!INVALID_FIELD",
		"SELECT Nope.Name FROM Account":                                                                               "!INVALID_FIELD",
		"SELECT Lead__c.Name FROM InMail__c":                                                                          "!INVALID_FIELD",
		"SELECT Who.Company FROM Task":                                                                                "!INVALID_FIELD",
		"SELECT Parent.Parent.Parent.Parent.Parent.Parent.Name FROM Account":                                          "!INVALID_FIELD",
		"SELECT Name FROM Account WHERE Nope = 'a'":                                                                   "!INVALID_FIELD",
		"SELECT Name FROM Account ORDER BY Nope":                                                                      "!INVALID_FIELD",
		"SELECT Name FROM Account WHERE Name = 5":                                                                     "!INVALID_FIELD",
		"SELECT Name FROM Account WHERE Name = true":                                                                  "!INVALID_FIELD",
		"SELECT Name FROM Account WHERE NumberOfEmployees = '5'":                                                      "!INVALID_FIELD",
		"SELECT Name FROM Lead WHERE IsConverted = 'false'":                                                           "!INVALID_FIELD",
		"SELECT Name FROM Lead WHERE IsConverted > false":                                                             "!INVALID_FIELD",
		"SELECT Id FROM InMail__c WHERE Sent_At__c > '2026-11-24T09:00:00Z'":                                          "!INVALID_FIELD",
		"SELECT Id FROM InMail__c WHERE Sent_At__c > 2026-11-24":                                                      "!INVALID_FIELD",
		"SELECT Id FROM Task WHERE ActivityDate = 2026-11-24T09:00:00Z":                                               "!INVALID_FIELD",
		"SELECT Id FROM InMail__c WHERE Body__c = 'a'":                                                                "!INVALID_FIELD",
		"SELECT Id FROM Lead WHERE Description LIKE 'a%'":                                                             "!INVALID_FIELD",
		"SELECT Id FROM InMail__c WHERE Replies__c LIKE '1%'":                                                         "!INVALID_FIELD",
		"SELECT Id FROM InMail__c WHERE Tags__c LIKE 'a%'":                                                            "!INVALID_FIELD",
		"SELECT Id FROM InMail__c WHERE Status__c INCLUDES ('a')":                                                     "!INVALID_FIELD",
		"SELECT Id FROM Lead WHERE Id = '00Q123'":                                                                     "!INVALID_QUERY_FILTER_OPERATOR",
		"SELECT Id FROM InMail__c WHERE InMail_Id__c > ''":                                                            "!INVALID_QUERY_FILTER_OPERATOR",
		"SELECT Id FROM InMail__c WHERE Replies__c <= null":                                                           "!INVALID_QUERY_FILTER_OPERATOR",
		"SELECT Id FROM Nope__c":                                                                                      "!INVALID_TYPE",
		"SELECT Id FROM InMail__c WHERE Sent_At__c = LAST_N_DAYS":                                                     "!MALFORMED_QUERY",
		"SELECT Id FROM InMail__c WHERE Sent_At__c = TODAY:3":                                                         "!MALFORMED_QUERY",
		"SELECT Id FROM InMail__c WHERE Sent_At__c > 2026-13-24T09:00:00Z":                                            "!MALFORMED_QUERY",
		"SELECT Id FROM Lead WHERE " + strings.Repeat("(", 60) + "IsConverted = true" + strings.Repeat(")", 60):       "!MALFORMED_QUERY",
		"SELECT Id FROM Lead WHERE " + strings.Repeat("NOT ", 60) + "IsConverted = true":                              "!MALFORMED_QUERY",
		"SELECT Id FROM InMail__c WHERE InMail_Id__c IN ('" + strings.Repeat("a', '", 30) + "id-0') AND Replies__c=9": "",
	}
	for soql, want := range cases {
		t.Run(soql[:min(70, len(soql))], func(t *testing.T) {
			g.t = t
			if code, refused := strings.CutPrefix(want, "!"); refused {
				g.refused(400, code, "GET", "query?q="+url.QueryEscape(soql), nil)
				return
			}
			var texts []string
			for _, r := range g.query(soql) {
				for _, v := range r {
					texts = append(texts, fmt.Sprint(v))
				}
			}
			if got := strings.Join(texts, " "); got != want {
				t.Errorf("%s\n got %q, want %q", soql, got, want)
			}
		})
	}
}

func TestQueryAnswers(t *testing.T) {
	g := people(t)
	doe := g.Records("Lead")[0]["Id"].(string)
	_, body := g.do("GET", "query/?q="+url.QueryEscape("SELECT Subject, Who.Type, Who.Name, Account.Name, Owner.Name FROM Task ORDER BY Subject DESC LIMIT 1"), nil)
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	task, owner := g.Records("Task")[0]["Id"].(string), newID("005", operatorNumber)
	want := map[string]any{"totalSize": 1.0, "done": true, "records": []any{map[string]any{
		"attributes": map[string]any{"type": "Task", "url": "/services/data/v67.0/sobjects/Task/" + task}, "Subject": "to lead",
		"Who":     map[string]any{"attributes": map[string]any{"type": "Name", "url": "/services/data/v67.0/sobjects/Lead/" + doe}, "Type": "Lead", "Name": "Jo Doe"},
		"Account": nil,
		"Owner":   map[string]any{"attributes": map[string]any{"type": "User", "url": "/services/data/v67.0/sobjects/User/" + owner}, "Name": "Sandbox Operator"},
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parents (-want +got):\n%s", diff)
	}
}

// TestSubqueries checks what a sub-query, a column description and a date in a group look like.
func TestSubqueries(t *testing.T) {
	g := people(t)
	answer := func(q string) string {
		_, body := g.do("GET", "query?q="+url.QueryEscape(q), nil)
		return strings.NewReplacer(`"attributes":`, "", `{"type":"Contact","url":"/services/data/v67.0/sobjects/Contact/003SB0000000001YAA"},`, "C ",
			`{"type":"Account","url":"/services/data/v67.0/sobjects/Account/001SB0000000001YAA"},`, "A ",
			`{"type":"Account","url":"/services/data/v67.0/sobjects/Account/001SB0000000002YAA"},`, "B ").Replace(string(body))
	}
	got := answer("SELECT Name, (SELECT LastName FROM Contacts WHERE LastName LIKE 'K%' ORDER BY LastName LIMIT 5) FROM Account")
	want := `{"totalSize":2,"done":true,"records":[{A "Name":"ACME","Contacts":{"totalSize":1,"done":true,"records":[{C "LastName":"Kim"}]}},` +
		`{B "Name":"bolt","Contacts":null}]}`
	if got != want {
		t.Errorf("children:\n%s\nwant\n%s", got, want)
	}
	_, body := g.do("GET", "query?columns=true&q="+url.QueryEscape("SELECT Id, Lead__r.Name, COUNT(Id) n FROM InMail__c GROUP BY Id, Lead__r.Name"), nil)
	var columns struct {
		EntityName string
		IDSelected bool
		GroupBy    bool
		Metadata   []columnMetadata `json:"columnMetadata"`
	}
	if err := json.Unmarshal(body, &columns); err != nil {
		t.Fatal(err)
	}
	if m := columns.Metadata; columns.EntityName != "InMail__c" || !columns.GroupBy || len(m) != 3 || m[0].ApexType != "Id" ||
		m[1].ColumnName != "Lead__r" || len(m[1].JoinColumns) != 1 || m[1].JoinColumns[0].ColumnName != "Name" || !m[2].Aggregate || m[2].ColumnName != "n" {
		t.Errorf("columns: %s", body)
	}
	rows := g.query("SELECT DAY_ONLY(Sent_At__c) day, COUNT(Id) FROM InMail__c WHERE Sent_At__c != null GROUP BY DAY_ONLY(Sent_At__c) ORDER BY DAY_ONLY(Sent_At__c)")
	if diff := cmp.Diff([]map[string]any{{"day": "2026-11-24", "expr0": 2.0}}, rows); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	g.refused(400, "API_ERROR", "POST", "jobs/query", Fields{"operation": "queryAll", "query": "SELECT Id, (SELECT Id FROM Contacts) FROM Account"})
}

func TestGroupedAnswers(t *testing.T) {
	g := people(t)
	got := g.query("SELECT Status__c, COUNT(Id) n, MAX(Replies__c) FROM InMail__c GROUP BY Status__c HAVING COUNT(Id) >= 1 ORDER BY COUNT(Id) DESC, Status__c")
	want := []map[string]any{
		{"Status__c": "Sent", "n": 2.0, "expr0": 2.0}, {"Status__c": "Expired", "n": 1.0, "expr0": 3.0}, {"Status__c": "Opened", "n": 1.0, "expr0": 1.0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for having, want := range map[string]int{
		"COUNT(Id) > 1": 1, "COUNT(Id) > 1 OR MAX(Replies__c) = 3": 2, "COUNT(Id) > 1 AND MAX(Replies__c) = 3": 0, "NOT COUNT(Id) > 1": 2, "Status__c LIKE 's%'": 1,
	} {
		if got := g.query("SELECT Status__c, COUNT(Id), MAX(Replies__c) FROM InMail__c GROUP BY Status__c HAVING " + having); len(got) != want {
			t.Errorf("HAVING %s: %d rows, want %d", having, len(got), want)
		}
	}
	_, body := g.do("GET", "query?q=SELECT+COUNT()+FROM+InMail__c+WHERE+Status__c='Sent'", nil)
	if string(body) != `{"totalSize":2,"done":true,"records":[]}` {
		t.Errorf("COUNT(): %s", body)
	}
}

func TestQueryPages(t *testing.T) {
	g := newOrg(t)
	for page := range 5 {
		var rows []Fields
		for i := range 1000 {
			rows = append(rows, Fields{"LastName": fmt.Sprintf("%04d", page*1000+i), "Company": "A"})
		}
		for len(rows) > 0 {
			g.do("POST", "composite/sobjects", map[string]any{"records": typed("Lead", rows[:200])})
			rows = rows[200:]
		}
	}
	type answer struct {
		TotalSize      int
		Done           bool
		NextRecordsURL string
		Records        []struct{ LastName string }
	}
	read := func(path string, header http.Header) (a answer) {
		t.Helper()
		resp, body := g.send("GET", path, nil, header)
		if err := json.Unmarshal(body, &a); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", resp.StatusCode, body)
		}
		return a
	}
	const soql = "query?q=SELECT+LastName+FROM+Lead+ORDER+BY+LastName"
	var sizes []int
	var last string
	for a := read(soql, nil); ; a = read(a.NextRecordsURL, nil) {
		sizes = append(sizes, len(a.Records))
		for _, r := range a.Records {
			if r.LastName <= last {
				t.Fatalf("%s comes after %s", r.LastName, last)
			}
			last = r.LastName
		}
		if a.TotalSize != 5000 {
			t.Errorf("totalSize %d", a.TotalSize)
		}
		if a.Done {
			break
		}
	}
	if diff := cmp.Diff([]int{2000, 2000, 1000}, sizes); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	t.Run("smaller_on_request", func(t *testing.T) {
		if a := read(soql, http.Header{"Sforce-Query-Options": {"batchSize=200"}}); len(a.Records) != 200 || a.Done {
			t.Errorf("%d records, done %t", len(a.Records), a.Done)
		}
		resp, _ := g.send("GET", soql, nil, http.Header{"Sforce-Query-Options": {"batchSize=100"}})
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("batchSize 100: %d", resp.StatusCode)
		}
	})
	t.Run("eleventh_cursor_closes_the_first", func(t *testing.T) {
		first := read(soql, nil).NextRecordsURL
		for range maxCursors {
			read(soql, nil)
		}
		g.refused(400, "INVALID_QUERY_LOCATOR", "GET", first, nil)
	})
	t.Run("cursor_that_is_old_or_none", func(t *testing.T) {
		next := read(soql, nil).NextRecordsURL
		for _, invalid := range []string{"query/" + newID(cursorPrefix, 999) + "-2000", "query/x", next + "0000"} {
			g.refused(400, "INVALID_QUERY_LOCATOR", "GET", invalid, nil)
		}
		g.now = g.now.Add(cursorLife + time.Second)
		g.login()
		g.refused(400, "INVALID_QUERY_LOCATOR", "GET", next, nil)
	})
	t.Run("too_long", func(t *testing.T) {
		if _, refused := parseSOQL("SELECT Id FROM Lead WHERE Email = '" + strings.Repeat("a", maxSOQL) + "'"); refused == nil || refused.Code != "QUERY_TOO_COMPLICATED" {
			t.Errorf("refused: %v", refused)
		}
	})
	t.Run("empty", func(t *testing.T) { g.refused(400, "MALFORMED_QUERY", "GET", "query?q=", nil) })
}

func TestQueryAll(t *testing.T) {
	g := newOrg(t)
	id := g.insert("Lead", Fields{"LastName": "L", "Company": "A", "Email": "l@example.com"})
	if err := g.Delete(id); err != nil {
		t.Fatal(err)
	}
	for _, soql := range []string{"SELECT IsDeleted FROM Lead WHERE IsDeleted = true", "SELECT IsDeleted FROM Lead WHERE Id = '" + id + "'", "SELECT IsDeleted FROM Lead WHERE Email = 'l@example.com'"} {
		if got := g.query(soql); len(got) != 0 {
			t.Errorf("query: %s gave %v", soql, got)
		}
		if _, body := g.do("GET", "queryAll?q="+url.QueryEscape(soql), nil); !strings.Contains(string(body), `"IsDeleted":true`) {
			t.Errorf("queryAll: %s gave %s", soql, body)
		}
	}
}

func FuzzSOQL(f *testing.F) {
	for _, seed := range []string{
		"SELECT Id, Lead__r.Email FROM InMail__c WHERE (Status__c IN ('Sent') AND NOT Replies__c > 1.5) OR Sent_At__c = LAST_N_DAYS:7 ORDER BY InMail_Id__c DESC NULLS LAST LIMIT 5 OFFSET 1",
		"SELECT Status__c, COUNT(Id) n FROM InMail__c GROUP BY Status__c HAVING COUNT(Id) > 1", "SELECT COUNT() FROM Task WHERE Who.Type = 'Lead'",
		`SELECT Id FROM Lead WHERE Name LIKE '\%a_\'\u00e9%'`, "SELECT FIELDS(ALL) FROM Lead LIMIT 1", "SELECT Id FROM InMail__c WHERE Tags__c INCLUDES ('a;b')",
	} {
		f.Add(seed)
	}
	g := people(f)
	who := g.operator()
	f.Fuzz(func(t *testing.T, source string) {
		parsed, refused := parseSOQL(source)
		if refused != nil {
			if refused.Code == "" || refused.Message == "" {
				t.Errorf("refused without a reason: %+v", refused)
			}
			return
		}
		p, refused := newPlan(g.schema, source, parsed, who, testNow, false)
		if refused != nil {
			return
		}
		// The same records must match with and without an index.
		rows := func() (numbers []uint64) {
			if p.isGrouped() {
				return nil
			}
			if err := g.store.snapshot(func(v *view) { p.each(v, func(n uint64, _ *record) { numbers = append(numbers, n) }) }); err != nil {
				t.Fatal(err)
			}
			return numbers
		}
		found := rows()
		p.narrow = narrowing{}
		if diff := cmp.Diff(rows(), found); diff != "" {
			t.Errorf("%s: the table and the index differ (-table +index):\n%s", source, diff)
		}
		g := g.Sandbox
		c := &call{sandbox: g, method: "GET", version: "67.0", query: url.Values{"q": {source}}, header: http.Header{}, who: who, at: testNow}
		if r := c.queries(false, nil); !json.Valid(r.body) {
			t.Errorf("the answer is no JSON: %s", r.body)
		}
	})
}
