package sandbox

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestQueryPlans checks which queries read only a part of a table, and which need no sort. Others take
// seconds with a million records.
func TestQueryPlans(t *testing.T) {
	g := newOrg(t)
	const byNumber, list, each = "SEARCH InMail__c USING INTEGER PRIMARY KEY (rowid=?)", "LIST SUBQUERY 1", "SCAN json_each VIRTUAL TABLE INDEX 1:"
	byList := func(steps ...string) []string { return append(steps, list, each) }
	for soql, want := range map[string][]string{
		"WHERE Id = 'a00SB0000000001YAA'":                                             byList(byNumber),
		"WHERE Id IN ('a00SB0000000001YAA') ORDER BY Id DESC":                         byList(byNumber),
		"WHERE Id > 'a00SB0000000001YAA' ORDER BY Id LIMIT 10":                        {"SEARCH InMail__c USING INTEGER PRIMARY KEY (rowid>?)"},
		"WHERE InMail_Id__c = 'a'":                                                    byList(byNumber, "LIST SUBQUERY 2", "SEARCH InMail__c USING INDEX InMail__c by fold(InMail_Id__c) (<expr>=?)"),
		"WHERE InMail_Id__c IN ('a','b') AND Status__c = 'New'":                       byList(byNumber, "LIST SUBQUERY 2", "SEARCH InMail__c USING INDEX InMail__c by fold(InMail_Id__c) (<expr>=?)"),
		"WHERE InMail_Id__c IN ('a','b') ORDER BY InMail_Id__c":                       byList("SEARCH InMail__c USING INDEX InMail__c by fold(InMail_Id__c) (<expr>=?)"),
		"WHERE InMail_Id__c > 'a' ORDER BY InMail_Id__c":                              {"SEARCH InMail__c USING INDEX InMail__c by fold(InMail_Id__c) (<expr>>?)"},
		"WHERE InMail_Id__c > 'a' AND InMail_Id__c <= 'b' ORDER BY InMail_Id__c DESC": {"SEARCH InMail__c USING INDEX InMail__c by fold(InMail_Id__c) (<expr>>? AND <expr><?)"},
		"ORDER BY InMail_Id__c":                                                       {"SCAN InMail__c USING INDEX InMail__c by fold(InMail_Id__c)"},
		"ORDER BY InMail_Id__c DESC":                                                  {"SCAN InMail__c USING INDEX InMail__c by fold(InMail_Id__c)"},
		"WHERE Lead__c = '00QSB00000000012AA' ORDER BY Lead__c":                       byList("SEARCH InMail__c USING INDEX InMail__c by Lead__c (Lead__c=?)"),
		"WHERE Lead__c = '00QSB00000000012AA' ORDER BY InMail_Id__c":                  byList(byNumber, "LIST SUBQUERY 2", "SEARCH InMail__c USING INDEX InMail__c by Lead__c (Lead__c=?)"),
		"WHERE Lead__c = null ORDER BY Lead__c":                                       {"SCAN InMail__c"},
		"WHERE InMail_Id__c = 'a' OR Status__c = 'Sent'":                              {"SCAN InMail__c"},
	} {
		source := "SELECT Id FROM InMail__c " + soql
		parsed, refused := parseSOQL(source)
		if refused != nil {
			t.Fatal(refused)
		}
		p, refused := newPlan(g.schema, source, parsed, g.operator(), testNow, false)
		if refused != nil {
			t.Fatal(refused)
		}
		order, ok := p.sqlOrder()
		if !ok {
			order = naturalOrder
		}
		err := g.store.snapshot(func(v *view) {
			text := p.statement(v.tables[p.object], order)
			rows, err := v.sql.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, p.narrow.args...)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			got := []string{}
			for rows.Next() {
				var id, parent, unused int
				var step string
				if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
					t.Fatal(err)
				}
				got = append(got, step)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", soql, strings.TrimPrefix(text, v.tables[p.object].all), diff)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
