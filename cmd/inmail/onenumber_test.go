package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inmail/dashboards/paneltest"
)

// figure is what every view shows for one week or tag.
type figure struct{ Delivered, Opened, Replied, Declined int }

// TestOneNumber compares the figures of the sample: the API, the command line, a real Prometheus with the
// committed rules, and the records in Salesforce give the same numbers for every complete week and every tag
// (R57–R59).
func TestOneNumber(t *testing.T) {
	t.Parallel() // it mostly waits
	tags := []string{"q4 pipeline", "fintech", "logistics", "renewals", "hiring", "engineering", "data", "partnerships", "job search"}
	s := newServer(t, []string{"--data", t.TempDir(), "--sample"}) // so few are named by themselves
	s.Start()
	s.eventually("Salesforce has everything", func() error {
		_, out, err := s.call("GET", "/v1/crm/status", "", nil)
		if err != nil || out["unsynced"] != 0.0 {
			return fmt.Errorf("unsynced %v %v", out["unsynced"], err)
		}
		return nil
	})

	byWeek, rates := s.analytics("week")
	byTag, _ := s.analytics("tag")
	delete(byTag, "none")
	sum := 0
	for _, f := range byWeek {
		sum += f.Declined
	}
	if sum < 10 {
		t.Fatalf("%d were declined: the sample has more", sum)
	}
	if len(rates) < 10 || len(byTag) != len(tags) {
		t.Fatalf("%d complete weeks and %d tags: the sample has more", len(rates), len(byTag))
	}

	if diff := cmp.Diff(byWeek, s.report(t, "week")); diff != "" {
		t.Errorf("by week the command line differs from the API (-API +report):\n%s", diff)
	}
	tagReport := s.report(t, "tag")
	delete(tagReport, "none")
	if diff := cmp.Diff(byTag, tagReport); diff != "" {
		t.Errorf("by tag the command line differs from the API (-API +report):\n%s", diff)
	}

	weeks, ofTags := s.inSalesforce(t)
	if diff := cmp.Diff(byWeek, weeks); diff != "" {
		t.Errorf("by week Salesforce differs from the API (-API +Salesforce):\n%s", diff)
	}
	if diff := cmp.Diff(byTag, ofTags); diff != "" {
		t.Errorf("by tag Salesforce differs from the API (-API +Salesforce):\n%s", diff)
	}

	prometheus := paneltest.Prometheus(t, strings.TrimPrefix(s.url, "http://"))
	const opened = `outcome=~"opened|replied|retracted_opened|retracted_replied|declined|retracted_declined"`
	const replied = `outcome=~"replied|retracted_replied"`
	const declined = `outcome=~"declined|retracted_declined"`
	eventually(t, "Prometheus shows the same", func() error {
		got, err := promFigures(prometheus, "cohort_week", "inmail_cohort_messages", opened, replied, declined)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(byWeek, got); diff != "" {
			return fmt.Errorf("by week (-API +Prometheus):\n%s", diff)
		}
		if got, err = promFigures(prometheus, "tag", "inmail_tag_messages", opened, replied, declined); err != nil {
			return err
		}
		if diff := cmp.Diff(byTag, got); diff != "" {
			return fmt.Errorf("by tag (-API +Prometheus):\n%s", diff)
		}
		ratios, err := promValues(prometheus, `max by (cohort_week) (job_cohort_week:inmail_cohort_open:ratio and on (cohort_week) job_cohort_week:inmail_cohort_open_complete:bool == 1)`, "cohort_week")
		if err != nil {
			return err
		}
		if diff := cmp.Diff(rates, ratios); diff != "" {
			return fmt.Errorf("the published rates (-API +Prometheus):\n%s", diff)
		}
		return nil
	})

	t.Run("a burst in the young week moves no published rate", func(t *testing.T) {
		s.network(5, "recruiter_50", 100)
		for i := range 100 {
			s.must(http.StatusAccepted, "POST", "/v1/inmails", fmt.Sprintf("s%d", i%5), letter(i))
			if i%5 == 4 && i >= 40 {
				break // within the limits of a person's pace
			}
		}
		_, after := s.analytics("week")
		if diff := cmp.Diff(rates, after); diff != "" {
			t.Errorf("published rates moved (-before +after):\n%s", diff)
		}
	})
}

// analytics reads the figures of one cut from the API, and the published open rates.
func (s *server) analytics(by string) (map[string]figure, map[string]float64) {
	s.t.Helper()
	figures, rates := map[string]figure{}, map[string]float64{}
	for _, r := range s.must(http.StatusOK, "GET", "/v1/analytics?by="+by, "", nil)["rows"].([]any) {
		row := r.(map[string]any)
		key := row["key"].(string)
		figures[key] = figure{int(row["delivered"].(float64)), int(row["opened"].(float64)), int(row["replied"].(float64)),
			int(row["declined"].(float64))}
		if rate, published := row["open_rate"].(float64); published {
			rates[key] = rate
		}
		if complete := row["complete"].(bool); by == "week" && complete != (row["open_rate"] != nil) {
			s.t.Errorf("week %s is complete %v with the rate %v", key, complete, row["open_rate"])
		}
	}
	return figures, rates
}

// report reads the figures that inmail report prints.
func (s *server) report(t *testing.T, by string) map[string]figure {
	t.Helper()
	cmd := exec.Command(program(t), "report", "--json", "--by", by)
	cmd.Env = append(os.Environ(), "INMAIL_URL="+s.url, "INMAIL_KEY="+operatorKey)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("inmail report: %v", err)
	}
	var answer struct {
		Rows []struct {
			Key                                  string
			Delivered, Opened, Replied, Declined int
		}
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("inmail report: %v in %s", err, tail(string(out), 300))
	}
	figures := map[string]figure{}
	for _, r := range answer.Rows {
		figures[r.Key] = figure{r.Delivered, r.Opened, r.Replied, r.Declined}
	}
	return figures
}

// inSalesforce counts the org's records by the fields that reports in Salesforce use.
func (s *server) inSalesforce(t *testing.T) (byWeek, byTag map[string]figure) {
	t.Helper()
	byWeek, byTag = map[string]figure{}, map[string]figure{}
	rows := s.sandboxRecords(t, "InMail__c")
	for _, r := range rows {
		if r["Sent_At__c"] == nil {
			continue
		}
		f := figure{Delivered: 1}
		if r["Opened_At__c"] != nil {
			f.Opened = 1
		}
		if r["Replied_At__c"] != nil {
			f.Replied = 1
		}
		if r["Declined_At__c"] != nil {
			f.Declined = 1
		}
		add := func(m map[string]figure, key string) {
			have := m[key]
			m[key] = figure{have.Delivered + f.Delivered, have.Opened + f.Opened, have.Replied + f.Replied, have.Declined + f.Declined}
		}
		add(byWeek, r["Open_Rate_Cohort__c"].(string))
		if tags, ok := r["Tags__c"].(string); ok && tags != "" {
			for tag := range strings.SplitSeq(tags, ";") {
				add(byTag, tag)
			}
		}
	}
	return byWeek, byTag
}

// sandboxRecords reads the records of the server's own sandbox, whose address it prints.
func (s *server) sandboxRecords(t *testing.T, object string) []map[string]any {
	t.Helper()
	_, rest, found := strings.Cut(s.log.String(), "Salesforce sandbox (not Salesforce) at ")
	if !found {
		t.Fatal("the server does not say where its sandbox is")
	}
	base, _, _ := strings.Cut(rest, "\n")
	req, err := http.NewRequest(http.MethodGet, base+"/sandbox/records?type="+object, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+operatorKey)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out struct{ Items []map[string]any }
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("the sandbox: %d %v", resp.StatusCode, err)
	}
	return out.Items
}

// promFigures queries Prometheus for the figures of a metric by a label.
func promFigures(base, label, metric, opened, replied, declined string) (map[string]figure, error) {
	ask := func(selector string) (map[string]float64, error) {
		return promValues(base, fmt.Sprintf("sum by (%s) (max without (instance) (%s{%s}))", label, metric, selector), label)
	}
	delivered, err := ask("")
	if err != nil {
		return nil, err
	}
	o, err := ask(opened)
	if err != nil {
		return nil, err
	}
	r, err := ask(replied)
	if err != nil {
		return nil, err
	}
	d, err := ask(declined)
	if err != nil {
		return nil, err
	}
	figures := map[string]figure{}
	for key, n := range delivered {
		if n > 0 {
			figures[key] = figure{int(n), int(o[key]), int(r[key]), int(d[key])}
		}
	}
	return figures, nil
}

// promQuery queries Prometheus and decodes the series of its answer into result.
func promQuery(base, expr string, result any) error {
	resp, err := client.Get(base + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result json.RawMessage }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s: %w", expr, err)
	}
	if answer.Error != "" {
		return fmt.Errorf("%s: %s", expr, answer.Error)
	}
	return json.Unmarshal(answer.Data.Result, result)
}

// promValues queries Prometheus for an instant vector by one label.
func promValues(base, expr, label string) (map[string]float64, error) {
	var result []struct {
		Metric map[string]string
		Value  [2]any
	}
	if err := promQuery(base, expr, &result); err != nil {
		return nil, err
	}
	values := map[string]float64{}
	for _, r := range result {
		v, err := strconv.ParseFloat(r.Value[1].(string), 64)
		if err != nil {
			return nil, err
		}
		values[r.Metric[label]] = v
	}
	return values, nil
}
