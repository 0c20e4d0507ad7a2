package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sub(method, path, ref string, body any) Fields {
	out := Fields{"method": method, "url": "/services/data/v67.0/" + path, "referenceId": ref}
	if body != nil {
		out["body"] = body
	}
	return out
}

// composite sends subrequests and returns status and first code of each.
func (g *org) composite(allOrNone bool, subs ...Fields) (outcomes []string, bodies []json.RawMessage) {
	g.t.Helper()
	status, body := g.do("POST", "composite", Fields{"allOrNone": allOrNone, "compositeRequest": subs})
	var got struct {
		CompositeResponse []struct {
			Body           json.RawMessage
			HTTPStatusCode int
			ReferenceID    string
		}
	}
	if err := json.Unmarshal(body, &got); err != nil || status != http.StatusOK {
		g.t.Fatalf("composite: %d %s", status, body)
	}
	for i, r := range got.CompositeResponse {
		if r.ReferenceID != subs[i]["referenceId"] {
			g.t.Errorf("answer %d is of %s", i, r.ReferenceID)
		}
		outcome := fmt.Sprint(r.HTTPStatusCode)
		if r.HTTPStatusCode >= 400 {
			outcome += " " + codes(g.t, r.Body)[0]
		}
		outcomes, bodies = append(outcomes, outcome), append(bodies, r.Body)
	}
	return outcomes, bodies
}

func TestComposite(t *testing.T) {
	g := newOrg(t)
	t.Run("a_thousand_rows_are_one_call", func(t *testing.T) {
		g.t = t
		var subs []Fields
		for i := range 5 {
			var rows []Fields
			for j := range 200 {
				rows = append(rows, Fields{"InMail_Id__c": fmt.Sprint(i, "-", j), "Status__c": "Sent"})
			}
			subs = append(subs, sub("PATCH", "composite/sobjects/InMail__c/InMail_Id__c", fmt.Sprint("c", i), Fields{"records": typed("InMail__c", rows)}))
		}
		before, _ := g.CallsToday()
		got, bodies := g.composite(false, subs...)
		if diff := cmp.Diff([]string{"200", "200", "200", "200", "200"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for _, b := range bodies {
			if n := strings.Count(string(b), `"created":true`); n != 200 {
				t.Errorf("%d rows were created", n)
			}
		}
		if after, _ := g.CallsToday(); after != before+1 {
			t.Errorf("it took %d calls", after-before)
		}
		if n := g.Subrequests()["composite/sobjects"]; n != 5 {
			t.Errorf("%d subrequests were counted", n)
		}
	})
	t.Run("references", func(t *testing.T) {
		g.t = t
		got, bodies := g.composite(false,
			sub("POST", "sobjects/Account", "acc", Fields{"Name": "A"}),
			sub("POST", "sobjects/Contact", "con", Fields{"LastName": "C", "AccountId": "@{acc.id}"}),
			sub("GET", "query?q=SELECT+Account.Name,Id+FROM+Contact+WHERE+Id='@{con.id}'", "found", nil),
			sub("PATCH", "sobjects/Contact/@{found.records[0].Id}", "patched", Fields{"Title": "of @{found.records[0].Account.Name}"}),
			sub("GET", "sobjects/Contact/@{con.id}?fields=Title", "read", nil),
			sub("PATCH", "composite/sobjects/InMail__c/InMail_Id__c", "rows", Fields{"records": typed("InMail__c", []Fields{{"InMail_Id__c": "ref", "Contact__c": "@{con.id}"}})}),
			sub("GET", "sobjects/InMail__c/@{rows[0].id}", "row", nil),
		)
		if diff := cmp.Diff([]string{"201", "201", "200", "204", "200", "200", "200"}, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		if !strings.Contains(string(bodies[4]), `"Title":"of A"`) || string(bodies[3]) != "null" {
			t.Errorf("bodies %s %s", bodies[3], bodies[4])
		}
	})
	t.Run("a_failure_leaves_the_others", func(t *testing.T) {
		g.t = t
		got, _ := g.composite(false,
			sub("POST", "sobjects/Account", "a", Fields{"Name": "keep"}),
			sub("POST", "sobjects/Account", "b", Fields{}),
			sub("POST", "sobjects/Contact", "c", Fields{"LastName": "C", "AccountId": "@{b.id}"}),
			sub("POST", "sobjects/Contact", "d", Fields{"LastName": "C", "AccountId": "@{later.id}"}),
			sub("GET", "chatter/feeds", "e", nil),
		)
		want := []string{"201", "400 REQUIRED_FIELD_MISSING", "400 PROCESSING_HALTED", "400 PROCESSING_HALTED", "404 NOT_FOUND"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("all_or_none", func(t *testing.T) {
		g.t = t
		before := len(g.Records("Account"))
		got, _ := g.composite(true,
			sub("POST", "sobjects/Account", "a", Fields{"Name": "gone"}),
			sub("POST", "sobjects/Account", "b", Fields{}),
			sub("POST", "sobjects/Account", "c", Fields{"Name": "never"}),
		)
		if diff := cmp.Diff([]string{"400 PROCESSING_HALTED", "400 REQUIRED_FIELD_MISSING", "400 PROCESSING_HALTED"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if after := len(g.Records("Account")); after != before {
			t.Errorf("%d accounts were stored", after-before)
		}
		got, _ = g.composite(true,
			sub("POST", "sobjects/Account", "a", Fields{"Name": "stays"}),
			sub("GET", "limits", "l", nil),
			sub("GET", "query?q=SELECT+Id+FROM+Account+WHERE+Name='stays'", "q", nil),
		)
		if diff := cmp.Diff([]string{"201", "200", "200"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("rows_that_fail_are_no_failure_of_the_subrequest", func(t *testing.T) {
		g.t = t
		got, _ := g.composite(true, sub("PATCH", "composite/sobjects/InMail__c/InMail_Id__c", "a",
			Fields{"records": typed("InMail__c", []Fields{{"InMail_Id__c": "good"}, {"InMail_Id__c": "bad", "Status__c": "x"}})}))
		if got[0] != "200" || len(g.query("SELECT Id FROM InMail__c WHERE InMail_Id__c = 'good'")) != 1 {
			t.Errorf("%v", got)
		}
	})
}

func TestCompositeRefused(t *testing.T) {
	g := newOrg(t)
	good := sub("GET", "limits", "a", nil)
	many := func(n int, path string) []Fields {
		var subs []Fields
		for i := range n {
			subs = append(subs, sub("GET", path, fmt.Sprint("r", i), nil))
		}
		return subs
	}
	with := func(name string, v any) Fields {
		out := Fields{}
		for k, old := range good {
			out[k] = old
		}
		out[name] = v
		return out
	}
	cases := map[string]struct {
		code string
		body any
	}{
		"26_subrequests":    {"LIMIT_EXCEEDED", Fields{"compositeRequest": many(26, "limits")}},
		"six_queries":       {"LIMIT_EXCEEDED", Fields{"compositeRequest": many(6, "query?q=SELECT+Id+FROM+Lead")}},
		"queries_and_rows":  {"LIMIT_EXCEEDED", Fields{"compositeRequest": append(many(5, "query?q=SELECT+Id+FROM+Lead"), sub("DELETE", "composite/sobjects?ids=x", "b", nil))}},
		"none":              {"JSON_PARSER_ERROR", Fields{"compositeRequest": []any{}}},
		"same_reference":    {"JSON_PARSER_ERROR", Fields{"compositeRequest": []Fields{good, good}}},
		"bad_reference":     {"JSON_PARSER_ERROR", Fields{"compositeRequest": []Fields{with("referenceId", "1a")}}},
		"no_url":            {"JSON_PARSER_ERROR", Fields{"compositeRequest": []Fields{with("url", "")}}},
		"unknown_member":    {"JSON_PARSER_ERROR", Fields{"compositeRequest": []Fields{with("x", 1)}}},
		"forbidden_header":  {"JSON_PARSER_ERROR", Fields{"compositeRequest": []Fields{with("httpHeaders", Fields{"Content-Type": "text/csv"})}}},
		"unknown_at_top":    {"JSON_PARSER_ERROR", Fields{"compositeRequest": []Fields{good}, "graphId": "1"}},
		"subrequest_a_text": {"JSON_PARSER_ERROR", Fields{"compositeRequest": []any{"x"}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g.t = t
			g.refused(400, c.code, "POST", "composite", c.body)
		})
	}
	t.Run("method", func(t *testing.T) { g.refused(405, "METHOD_NOT_ALLOWED", "GET", "composite", nil) })
	t.Run("not_as_a_subrequest", func(t *testing.T) {
		for _, path := range []string{"composite", "jobs/ingest", "composite/graph"} {
			if got, _ := g.composite(false, sub("POST", path, "a", Fields{})); got[0] != "404 NOT_FOUND" {
				t.Errorf("%s: %v", path, got)
			}
		}
		outside := Fields{"method": "GET", "url": "/services/oauth2/userinfo", "referenceId": "a"}
		if got, _ := g.composite(false, outside); got[0] != "404 NOT_FOUND" {
			t.Errorf("outside of the API: %v", got)
		}
	})
	t.Run("retired_version_inside", func(t *testing.T) {
		old := Fields{"method": "GET", "url": "/services/data/v30.0/limits", "referenceId": "a"}
		if got, _ := g.composite(false, old); got[0] != "404 NOT_FOUND" {
			t.Errorf("%v", got)
		}
	})
}

func TestGraph(t *testing.T) {
	g := newOrg(t)
	graph := func(id string, subs ...Fields) Fields { return Fields{"graphId": id, "compositeRequest": subs} }
	account := func(ref, name string) Fields { return sub("POST", "sobjects/Account", ref, Fields{"Name": name}) }
	send := func(graphs ...Fields) (out []string) {
		status, body := g.do("POST", "composite/graph", Fields{"graphs": graphs})
		var got struct {
			Graphs []struct {
				GraphID       string
				IsSuccessful  bool
				GraphResponse struct {
					CompositeResponse []struct {
						HTTPStatusCode int
						Body           json.RawMessage
					}
				}
			}
		}
		if err := json.Unmarshal(body, &got); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		for _, g := range got.Graphs {
			text := fmt.Sprint(g.GraphID, " ", g.IsSuccessful)
			for _, r := range g.GraphResponse.CompositeResponse {
				text += fmt.Sprint(" ", r.HTTPStatusCode)
			}
			out = append(out, text)
		}
		return out
	}
	t.Run("each_all_or_none", func(t *testing.T) {
		got := send(
			graph("1", account("a", "one"), sub("POST", "sobjects/Contact", "c", Fields{"LastName": "C", "AccountId": "@{a.id}"})),
			graph("2", account("a", "two"), account("b", "")),
		)
		if diff := cmp.Diff([]string{"1 true 201 201", "2 false 400 400"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if n := len(g.query("SELECT Id FROM Account")); n != 1 {
			t.Errorf("%d accounts are stored, want 1", n)
		}
	})
	t.Run("halted_after_14_failures", func(t *testing.T) {
		var graphs []Fields
		for i := range 15 {
			graphs = append(graphs, graph(fmt.Sprint(i), account("a", "")))
		}
		graphs = append(graphs, graph("good", account("a", "never")))
		got := send(graphs...)
		if got[15] != "good false 400" || len(g.query("SELECT Id FROM Account WHERE Name = 'never'")) != 0 {
			t.Errorf("the last: %s", got[15])
		}
	})
	deep := []Fields{account("n0", "A")}
	for i := 1; i < 16; i++ {
		deep = append(deep, sub("POST", "sobjects/Account", fmt.Sprint("n", i), Fields{"Name": "A", "ParentId": fmt.Sprintf("@{n%d.id}", i-1)}))
	}
	var wide, graphs []Fields
	for i := range 501 {
		wide = append(wide, account(fmt.Sprint("n", i), "A"))
	}
	for i := range 76 {
		graphs = append(graphs, graph(fmt.Sprint(i), account("a", "A")))
	}
	cases := map[string]struct {
		code   string
		graphs []Fields
	}{
		"76_graphs":      {"LIMIT_EXCEEDED", graphs},
		"501_nodes":      {"LIMIT_EXCEEDED", []Fields{graph("1", wide...)}},
		"depth_16":       {"LIMIT_EXCEEDED", []Fields{graph("1", deep...)}},
		"same_graph":     {"JSON_PARSER_ERROR", []Fields{graph("1", account("a", "A")), graph("1", account("a", "A"))}},
		"query_in_it":    {"JSON_PARSER_ERROR", []Fields{graph("1", sub("GET", "query?q=SELECT+Id+FROM+Lead", "q", nil))}},
		"all_or_none":    {"JSON_PARSER_ERROR", []Fields{{"graphId": "1", "allOrNone": true, "compositeRequest": []Fields{account("a", "A")}}}},
		"without_graphs": {"JSON_PARSER_ERROR", []Fields{}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g.t = t
			g.refused(400, c.code, "POST", "composite/graph", Fields{"graphs": c.graphs})
		})
	}
	t.Run("before_50", func(t *testing.T) {
		g.refused(404, "NOT_FOUND", "POST", "/services/data/v49.0/composite/graph", Fields{"graphs": graphs[:1]})
	})
}

func TestTree(t *testing.T) {
	g := newOrg(t)
	node := func(object, ref string, fields Fields) Fields {
		fields["attributes"] = Fields{"type": object, "referenceId": ref}
		return fields
	}
	t.Run("parents_and_children", func(t *testing.T) {
		status, body := g.do("POST", "composite/tree/Account/", Fields{"records": []Fields{
			node("Account", "a", Fields{"Name": "A", "Contacts": Fields{"records": []Fields{node("Contact", "c", Fields{"LastName": "C"})}}}),
		}})
		if status != http.StatusCreated || !strings.Contains(string(body), `"hasErrors":false`) {
			t.Fatalf("%d %s", status, body)
		}
		if got := g.query("SELECT Account.Name FROM Contact"); len(got) != 1 || got[0]["Account"].(map[string]any)["Name"] != "A" {
			t.Errorf("%v", got)
		}
	})
	t.Run("all_or_none", func(t *testing.T) {
		status, body := g.do("POST", "composite/tree/Account", Fields{"records": []Fields{
			node("Account", "a", Fields{"Name": "B"}), node("Account", "b", Fields{}),
		}})
		if status != http.StatusBadRequest || !strings.Contains(string(body), `{"hasErrors":true,"results":[{"referenceId":"b","errors":[{"statusCode":"REQUIRED_FIELD_MISSING"`) {
			t.Errorf("%d %s", status, body)
		}
		if n := len(g.query("SELECT Id FROM Account")); n != 1 {
			t.Errorf("%d accounts are stored", n)
		}
	})
	var many []Fields
	for i := range 201 {
		many = append(many, node("Account", fmt.Sprint(i), Fields{"Name": "A"}))
	}
	deep := node("Account", "l6", Fields{"Name": "A"})
	for i := 5; i > 0; i-- {
		deep = node("Account", fmt.Sprint("l", i), Fields{"Name": "A", "ChildAccounts": Fields{"records": []Fields{deep}}})
	}
	cases := map[string]struct {
		code    string
		records []Fields
	}{
		"201_records":    {"LIMIT_EXCEEDED", many},
		"six_levels":     {"LIMIT_EXCEEDED", []Fields{deep}},
		"no_reference":   {"JSON_PARSER_ERROR", []Fields{{"attributes": Fields{"type": "Account"}, "Name": "A"}}},
		"same_reference": {"JSON_PARSER_ERROR", []Fields{node("Account", "a", Fields{"Name": "A"}), node("Account", "a", Fields{"Name": "A"})}},
		"another_type":   {"JSON_PARSER_ERROR", []Fields{node("Lead", "a", Fields{"LastName": "A", "Company": "B"})}},
		"empty":          {"JSON_PARSER_ERROR", []Fields{}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g.t = t
			g.refused(400, c.code, "POST", "composite/tree/Account", Fields{"records": c.records})
		})
	}
}
