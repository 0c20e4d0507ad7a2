package main

import (
	"strings"
	"testing"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/spam"
)

// The tables of the command line have a text for every value of the domain's lists, and for no other.
func TestTablesHoldEveryValue(t *testing.T) {
	if len(remedies) != len(domain.FailureClasses()) {
		t.Errorf("%d remedies for %d classes of failure", len(remedies), len(domain.FailureClasses()))
	}
	for _, class := range domain.FailureClasses() {
		if remedies[class] == "" {
			t.Errorf("there is no remedy for %s", class)
		}
	}
	if len(triggerTexts) != len(spam.Triggers()) {
		t.Errorf("%d words on what is counted for %d triggers", len(triggerTexts), len(spam.Triggers()))
	}
	for _, trigger := range spam.Triggers() {
		if triggerTexts[trigger] == "" {
			t.Errorf("nothing says what %s counts", trigger)
		}
	}
}

// The help names every value that a flag takes.
func TestHelpNamesEveryValue(t *testing.T) {
	for _, row := range []struct {
		command []string
		flag    string
		values  []string
	}{
		{[]string{"report"}, "by", mailroom.Cuts()},
		{[]string{"crm", "failures"}, "class", strings.Split(domain.OneOf(domain.FailureClasses()), ", ")},
		{[]string{"inbox"}, "status", strings.Split(domain.OneOf(domain.Statuses()), ", ")},
	} {
		cmd, _, err := newRoot().Find(row.command)
		if err != nil {
			t.Fatal(err)
		}
		flag := cmd.Flags().Lookup(row.flag)
		for _, value := range row.values {
			if !strings.Contains(flag.Usage, value) {
				t.Errorf("inmail %s --%s does not name %s: %s", strings.Join(row.command, " "), row.flag, value, flag.Usage)
			}
		}
	}
}
