package main

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"inmail/connectors/hubspot"
	"inmail/connectors/hubspot/sandbox"
	"inmail/connectors/salesforce"
	"inmail/domain/mailroom"
)

// TestHubSpot sets up a portal by the command line, and runs the program with it beside Salesforce.
func TestHubSpot(t *testing.T) {
	portal, err := sandbox.New(sandbox.Options{Token: "pat-of-the-portal"})
	if err != nil {
		t.Fatal(err)
	}
	at := httptest.NewServer(portal.Handler())
	t.Cleanup(at.Close)
	r := newRunning(t, map[string]string{"hubspot.token": "pat-of-the-portal", "hubspot.url": at.URL, "hubspot.budget": "1"})
	t.Setenv("INMAIL_HUBSPOT_TOKEN", "pat-of-the-portal")
	t.Setenv("INMAIL_HUBSPOT_URL", at.URL)

	shown := must(t, exitFailed, "crm", "setup", "--crm", "hubspot")
	if !strings.Contains(shown.out, "missing  communications.inmail_event_id") || !strings.Contains(shown.err, "--apply") {
		t.Errorf("shown: %s%s", shown.out, shown.err)
	}
	if checked := must(t, exitFailed, "crm", "check", "--crm", "hubspot"); !strings.Contains(checked.out, "inmail crm setup --crm hubspot --apply") {
		t.Errorf("checked before the set-up: %s", checked.out)
	}
	made := read[setupReport](t, must(t, exitDone, "crm", "setup", "--crm", "hubspot", "--apply", "--json"))
	if !made.Applied || made.Open != 0 || len(made.Steps) < 20 {
		t.Errorf("made: %+v", made)
	}
	must(t, exitDone, "crm", "setup", "--crm", "hubspot")

	r.people()
	contact, err := portal.Make("contacts", map[string]string{"lastname": "López", "inmail_member_id": "r1"})
	if err != nil {
		t.Fatal(err)
	}
	r.delivered("r1", "A question about Tuesday")
	r.delivered("r2", "A question about Tuesday")
	for _, crm := range []string{string(hubspot.Name), string(salesforce.Name)} {
		if err := r.jobs.Handlers()[mailroom.TaskCRMPush](context.Background(), []string{crm}); err != nil {
			t.Fatal(err)
		}
	}
	there := portal.Records("communications")
	if len(there) != 1 || there[0].Linked["contacts"][0] != contact || there[0].Properties["inmail_status"] != "sent" {
		t.Errorf("in the portal: %+v", there)
	}
	if n := len(r.sandbox.Records("InMail__c")); n != 2 {
		t.Errorf("%d records in Salesforce", n)
	}
	status := must(t, exitDone, "crm", "status", "--crm", "hubspot")
	for _, want := range []string{"everything is in HubSpot", "Unmatched 1; each reconcile looks for them again"} {
		if !strings.Contains(status.out, want) {
			t.Errorf("the status lacks %q:\n%s", want, status.out)
		}
	}
	if own := must(t, exitDone, "crm", "status"); !strings.Contains(own.out, "everything is in Salesforce") || strings.Contains(own.out, "held back") {
		t.Errorf("the status of Salesforce:\n%s", own.out)
	}
	if checked := must(t, exitDone, "crm", "check", "--crm", "hubspot"); !strings.Contains(checked.out, "communications are found by inmail_event_id") {
		t.Errorf("checked: %s", checked.out)
	}
	if local := must(t, exitDone, "crm", "check", "--crm", "hubspot", "--local"); !strings.Contains(local.out, "The settings of this shell name "+at.URL) {
		t.Errorf("checked locally: %s", local.out)
	}
	if got := must(t, exitUsage, "crm", "check", "--crm", "nobody", "--local"); !strings.Contains(got.err, "hubspot") {
		t.Errorf("said %q", got.err)
	}
	if got := must(t, exitUsage, "sandbox", "--crm", "nobody"); !strings.Contains(got.err, "hubspot") {
		t.Errorf("said %q", got.err)
	}
}
