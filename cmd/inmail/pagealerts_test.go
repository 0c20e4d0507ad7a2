package main

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"inmail/connectors/web"
	"inmail/dashboards"
)

// overTime are the alerts that look back over rates, or at processes from outside: the operator's page cannot
// judge them by what it knows at the moment.
var overTime = []string{"InMailDeliveryLate", "InMailDeliveryLateSlowly", "InMailDeliveryStalled", "InMailQueueGrows", "InMailWrongKeys", "InMailJobsFail",
	"InMailExpiryLate", "InMailExpiryLateSlowly", "InMailHTTPErrors", "InMailHTTPErrorsSlowly", "InMailSalesforceLateSlowly", "InMailAbuseReportsHigh",
	"InMailDown", "InMailProcessDown", "InMailRecovering"}

// TestAlertsOfThePage holds the alerts that the operator's page judges against the rules: each is a rule with
// this severity and limit, and each rule is judged or listed as one that only Prometheus can judge.
func TestAlertsOfThePage(t *testing.T) {
	rules := ""
	files, err := fs.Glob(dashboards.Committed, "rules/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := fs.ReadFile(dashboards.Committed, name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, ".test.yml") {
			rules += string(text)
		}
	}
	left := map[string]bool{}
	for _, found := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(rules, -1) {
		left[found[1]] = true
	}
	if len(left) < 20 {
		t.Fatalf("only %d rules were found", len(left))
	}
	for _, name := range overTime {
		if !left[name] {
			t.Errorf("%s is no rule any more", name)
		}
		delete(left, name)
	}
	for _, a := range web.Alerts() {
		if !left[a.Name] {
			t.Errorf("the page judges %s, which is no rule", a.Name)
			continue
		}
		delete(left, a.Name)
		_, rule, _ := strings.Cut(rules, "- alert: "+a.Name+"\n")
		rule, _, _ = strings.Cut(rule, "runbook_url")
		if severity := map[bool]string{true: "severity: page", false: "severity: ticket"}[a.Page]; !strings.Contains(rule, severity) {
			t.Errorf("%s is not of %s:\n%s", a.Name, severity, rule)
		}
		expr, _, _ := strings.Cut(rule, "for:")
		if a.Name == "InMailSalesforceLate" { // the limit of 15 minutes is in the recorded series
			expr = rules
		}
		if a.Limit != 0 && !regexp.MustCompile(`[>=]=? (bool )?`+regexp.QuoteMeta(short(a.Limit))+`\b`).MatchString(expr) {
			t.Errorf("%s has no limit of %v:\n%s", a.Name, a.Limit, expr)
		}
	}
	for name := range left {
		t.Errorf("the page neither judges %s nor is it listed as one that looks back", name)
	}
}
