package dashboards_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/dashboards"
	"inmail/dashboards/paneltest"
)

// severities returns the severity of each alert.
func severities(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	eachRule(t, func(r dashboards.Rule) {
		if r.Alert != "" {
			all[r.Alert] = r.Labels["severity"]
		}
	})
	return all
}

// node is an alert in the graph of causes and symptoms, or the part of it that a matcher on the job leaves.
func node(alert, matcher string) string {
	if strings.HasPrefix(matcher, "job") {
		return alert + "{" + matcher + "}"
	}
	return alert
}

// TestInhibitions holds the list of causes and symptoms: each is an alert, no cause is inhibited by what
// follows from it, and nothing but a page takes a page away.
func TestInhibitions(t *testing.T) {
	severity := severities(t)
	follows := map[string][]string{}
	for _, i := range dashboards.Inhibitions() {
		for _, name := range append([]string{i.Cause}, i.Symptoms...) {
			if severity[name] == "" {
				t.Errorf("%s is no alert", name)
			}
		}
		if len(i.Symptoms) == 0 || i.Why == "" {
			t.Errorf("%s: symptoms %v, why %q", i.Cause, i.Symptoms, i.Why)
		}
		for _, symptom := range i.Symptoms {
			if severity[symptom] == "page" && severity[i.Cause] != "page" && i.Cause != dashboards.Recovering {
				t.Errorf("%s, a %s, takes the page %s away", i.Cause, severity[i.Cause], symptom)
			}
			from, to := node(i.Cause, i.Source), node(symptom, i.Target)
			follows[from] = append(follows[from], to)
			if i.Cause == symptom && (i.Source == "" || i.Target == "" || i.Source == i.Target) {
				t.Errorf("%s inhibits itself", i.Cause)
			}
		}
	}
	// An alert for which no matcher is named stands for both of its jobs.
	next := func(name string) (all []string) {
		for from, to := range follows {
			if bare, _, _ := strings.Cut(from, "{"); from == name || bare == name {
				all = append(all, to...)
			}
		}
		return all
	}
	for from := range follows {
		reached, left := map[string]bool{}, next(from)
		for len(left) > 0 {
			name := left[0]
			left = left[1:]
			if name == from {
				t.Errorf("%s is inhibited by what follows from it", from)
				break
			}
			if !reached[name] {
				reached[name] = true
				left = append(left, next(name)...)
			}
		}
	}
	for _, name := range dashboards.RecoversFrom() {
		if severity[name] != "page" {
			t.Errorf("%s is no page, and keeps others away for an hour", name)
		}
		if slices.Contains(next(dashboards.Recovering), name) {
			t.Errorf("%s keeps itself away for an hour", name)
		}
	}
	for name, s := range severity {
		if (s == "none") != (name == dashboards.Recovering) {
			t.Errorf("%s has severity %s", name, s)
		}
	}
}

// TestAlertmanager gives a real Alertmanager the committed example: amtool finds nothing, each severity goes
// to its receiver, and each cause suppresses its symptoms in its own installation and nowhere else.
func TestAlertmanager(t *testing.T) {
	t.Run("amtool", func(t *testing.T) {
		out, warnings := amtool(t, "check-config", "alertmanager.yml")
		if warnings != "" {
			t.Errorf("amtool has a finding: %s", warnings)
		}
		for _, found := range []string{"SUCCESS", fmt.Sprintf("%d inhibit rules", len(dashboards.Inhibitions())), "3 receivers"} {
			if !strings.Contains(out, found) {
				t.Errorf("amtool does not say %q:\n%s", found, out)
			}
		}
		for severity, receiver := range map[string]string{"page": "page", "ticket": "ticket", "none": "nobody"} {
			got, _ := amtool(t, "config", "routes", "test", "--config.file=alertmanager.yml", "severity="+severity, "alertname=InMailDown")
			if got != receiver+"\n" {
				t.Errorf("an alert of severity %s goes to %q, want %q", severity, got, receiver)
			}
		}
	})
	t.Run("suppresses", func(t *testing.T) {
		manager := paneltest.Alertmanager(t, 1, "http://127.0.0.1:1")
		want := map[string]string{}
		var posted []map[string]any
		post := func(installation, state, name, matcher string, more map[string]string) {
			labels := map[string]string{"alertname": name, "severity": "page", "installation": installation, "instance": "a", "crm": "salesforce"}
			maps.Copy(labels, matching(t, matcher))
			maps.Copy(labels, more)
			posted = append(posted, map[string]any{"labels": labels})
			want[keyOf(labels)] = state
		}
		for n, i := range dashboards.Inhibitions() {
			for _, symptom := range i.Symptoms {
				here := fmt.Sprintf("north %d %s", n, symptom)
				post(here, "active", i.Cause, i.Source, nil)
				post(here, "suppressed", symptom, i.Target, nil)
				post("of south "+here, "active", symptom, i.Target, nil)
				for _, label := range i.Equal {
					post(here, "active", symptom, i.Target, map[string]string{label: "another"})
				}
				// A Prometheus that adds no label keeps nothing from anybody.
				post("", "active", i.Cause, i.Source, map[string]string{"pair": here})
				post("", "active", symptom, i.Target, map[string]string{"pair": here})
			}
		}
		// Whatever calls at once, one page is left.
		for name, severity := range severities(t) {
			state := "suppressed"
			if name == "InMailDown" {
				state = "active"
			}
			if severity == "page" {
				post("all at once", state, name, `job!~".*-domain"`, nil)
			}
		}
		post("all at once", "suppressed", "InMailDown", `job=~".*-domain"`, nil)

		body, err := json.Marshal(posted)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(manager+"/api/v2/alerts", "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("the Alertmanager takes no alerts: %s", resp.Status)
		}
		// It looks at new alerts one after the other: the last state is the one that counts.
		var diff string
		for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
			if diff = cmp.Diff(want, statesOf(t, manager)); diff == "" {
				break
			}
		}
		if diff != "" {
			t.Errorf("state by alert (-want +got):\n%s", diff)
		}
	})
}

// patience ends a test that hangs; it is no limit.
const patience = 10 * time.Minute

// matching returns labels that fit a matcher of the inhibition rules.
func matching(t *testing.T, matcher string) map[string]string {
	t.Helper()
	labels, known := map[string]map[string]string{
		"":                      {"job": "north"},
		`job!~".*-domain"`:      {"job": "north"},
		`job=~".*-domain"`:      {"job": "north-domain"},
		`type=~"inmail:send.*"`: {"type": "inmail:send"},
		`type=~"crm:.*"`:        {"type": "crm:push"},
		`queue=~"crm.*"`:        {"queue": "crm"},
	}[matcher]
	if !known {
		t.Fatalf("no labels are known that fit %s", matcher)
	}
	return labels
}

func keyOf(labels map[string]string) string {
	var all []string
	for name, value := range labels {
		if value != "" { // which is no label
			all = append(all, name+"="+value)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// statesOf returns the state of each alert that an Alertmanager has.
func statesOf(t *testing.T, manager string) map[string]string {
	t.Helper()
	resp, err := http.Get(manager + "/api/v2/alerts")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var alerts []struct {
		Labels map[string]string
		Status struct{ State string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&alerts); err != nil {
		t.Fatal(err)
	}
	states := map[string]string{}
	for _, a := range alerts {
		states[keyOf(a.Labels)] = a.Status.State
	}
	return states
}

// amtool runs Alertmanager's own checker and returns what it prints. A missing binary is a failure.
func amtool(t *testing.T, args ...string) (out, warnings string) {
	t.Helper()
	binary, err := exec.LookPath("amtool")
	if err != nil {
		t.Fatal("amtool is not on the PATH; apt-get install -y --no-install-recommends prometheus-alertmanager")
	}
	var printed, warned bytes.Buffer
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr = &printed, &warned
	if err := cmd.Run(); err != nil {
		t.Errorf("amtool %s: %v\n%s%s", strings.Join(args, " "), err, &printed, &warned)
	}
	return printed.String(), warned.String()
}
