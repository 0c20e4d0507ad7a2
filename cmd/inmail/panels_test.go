package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/connectors/metrics"
	"inmail/connectors/salesforce"
	"inmail/dashboards/paneltest"
	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/spam"
)

// TestPanels has a real Prometheus scrape the sample while six weeks pass, one between two scrapes, until
// every panel, every recorded series and each part of every alert shows something, for all jobs and for a
// reader's choice of them. People write meanwhile, since a rate needs events of the last half minute.
func TestPanels(t *testing.T) {
	t.Parallel() // it mostly waits
	s := newServer(t, []string{"--sample", "--data", t.TempDir()}, slices.Concat(calmEnv, travelling)...)
	s.Start()
	w := &weeks{server: s}
	s.network(w.senders(), "recruiter_50", w.recipients())

	relay, scraped := paneltest.Relay(s.url, w.ahead), make(chan struct{}, 1)
	target := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		relay.ServeHTTP(rw, r)
		select {
		case scraped <- struct{}{}:
		default:
		}
	}))
	t.Cleanup(target.Close)
	address := strings.TrimPrefix(target.URL, "http://")
	prometheus := paneltest.Prometheus(t, address)
	chosen := paneltest.Everything() // as Grafana inserts a reader's choice
	chosen["job"], chosen["instance"] = "(inmail|inmail-domain)", "("+strings.ReplaceAll(regexp.QuoteMeta(address), `\`, `\\`)+")"
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		paneltest.Await(t, prometheus, paneltest.Everything(), patience)
		paneltest.Await(t, prometheus, chosen, patience)
	}()
	t.Cleanup(func() { <-shown })
	for waiting := true; waiting; {
		if w.past < 6 {
			w.pass()
		} else {
			w.send(2)
		}
		select {
		case <-shown:
			waiting = false
		case <-scraped:
		}
	}

	faults, err := paneltest.Pages(t.Context(), s.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		t.Error(fault)
	}
}

// travelling allows the clock to be set.
var travelling = []string{"INMAIL_TIME_TRAVEL=1"}

// weeks is the activity on a server: each week some people write, and every outcome occurs.
type weeks struct {
	*server
	past     int          // weeks that have passed
	sent     int          // InMails in all of them
	advanced atomic.Int64 // nanoseconds
}

// A pair cannot be used again before it is answered (R20). There are enough pairs and credits for a longer
// time than patience.
func (w *weeks) senders() int    { return 181 }
func (w *weeks) recipients() int { return 400 }

// ahead is by how much the server's clock was set forward.
func (w *weeks) ahead() time.Duration { return time.Duration(w.advanced.Load()) }

// advance sets the server's clock forward.
func (w *weeks) advance(d time.Duration) {
	w.t.Helper()
	w.must(http.StatusOK, "POST", "/v1/clock", "", map[string]any{"advance": d.String()})
	w.advanced.Add(int64(d))
}

// note is the content of one of the test's InMails.
type note struct{ id, from, to string }

// send sends InMails of this week and waits until they are in the inboxes, since those that are still queued
// when the clock is set forward are too old (R61).
func (w *weeks) send(n int) []note {
	w.t.Helper()
	notes := make([]note, n)
	for k := range notes {
		i := w.sent
		w.sent++
		body := letter(i % w.recipients())
		body["tags"] = []string{"hiring", fmt.Sprintf("week %d", w.past%3)}
		from := fmt.Sprintf("s%d", i%w.senders())
		out := w.must(http.StatusAccepted, "POST", "/v1/inmails", from, body)
		notes[k] = note{out["id"].(string), from, body["to"].(string)}
	}
	for _, m := range notes {
		w.eventually("an InMail is delivered", func() error {
			switch out := w.must(http.StatusOK, "GET", "/v1/inmails/"+m.id, "", nil); out["status"] {
			case "sent":
				return nil
			case "queued":
				return fmt.Errorf("it is queued")
			default:
				w.t.Fatalf("in week %d an InMail is %v: %v", w.past, out["status"], out["receipts"])
				return nil
			}
		})
	}
	return notes
}

func (w *weeks) preview(m note) { w.must(http.StatusOK, "GET", "/v1/inbox", m.to, nil) }
func (w *weeks) open(m note)    { w.must(http.StatusOK, "POST", "/v1/inmails/"+m.id+"/open", m.to, nil) }

func (w *weeks) reply(m note) {
	w.t.Helper()
	w.must(http.StatusCreated, "POST", "/v1/inmails/"+m.id+"/replies", m.to, map[string]any{"body": "Thursday is fine."})
}

func (w *weeks) absent(m note) {
	w.t.Helper()
	w.must(http.StatusCreated, "POST", "/v1/inmails/"+m.id+"/replies", m.to, map[string]any{"body": "Away.", "automatic": true})
}

func (w *weeks) decline(m note) {
	w.t.Helper()
	w.must(http.StatusOK, "POST", "/v1/inmails/"+m.id+"/decline", m.to, map[string]any{})
}

func (w *weeks) report(m note) {
	w.t.Helper()
	w.must(http.StatusNoContent, "POST", "/v1/inmails/"+m.id+"/report", m.to, map[string]any{"reason": "I did not ask for this"})
}

func (w *weeks) retract(m note) {
	w.t.Helper()
	out := w.must(http.StatusOK, "POST", "/v1/inmails/"+m.id+"/retract", m.from, map[string]any{})
	w.must(http.StatusOK, "POST", "/v1/inmails/"+m.id+"/retract", m.from, map[string]any{"confirm": out["confirm"]})
}

// pass lets a week go by: of six InMails one is opened, one answered, one reported, two retracted, and one
// expires.
func (w *weeks) pass() {
	w.t.Helper()
	m := w.send(6)
	// An InMail to the sender itself, who has no credits, is refused.
	w.must(http.StatusUnprocessableEntity, "POST", "/v1/inmails", "r0", letter(0))
	w.advance(20 * time.Hour)
	for _, each := range m[:4] {
		w.preview(each)
		w.open(each)
	}
	w.report(m[2])
	w.advance(26 * time.Hour)
	w.reply(m[1])
	w.retract(m[3])
	w.retract(m[4])
	w.advance(domain.Window - 46*time.Hour)
	w.past++
}

// samples reads a metrics page: the value of each sample by its name and labels, as they are written on the
// page.
func (s *server) samples(page string) map[string]float64 {
	s.t.Helper()
	return samplesOf(s.t, s.page(page))
}

// samplesOf is samples for the text of a page.
func samplesOf(t *testing.T, page string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		values[line[:at]] = value
	}
	return values
}

// page returns the body of a path.
func (s *server) page(path string) string {
	s.t.Helper()
	resp, err := client.Get(s.url + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %d %v", path, resp.StatusCode, err)
	}
	return string(text)
}

// sum adds up the samples of a metric that have all the labels, each written as name="value".
func sum(samples map[string]float64, name string, labels ...string) (total float64) {
	for sample, value := range samples {
		metric, has, _ := strings.Cut(sample, "{")
		if metric == name && !slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(has, l) }) {
			total += value
		}
	}
	return total
}

// TestMetricsPages compares the two pages with the contract: for an empty program, after every possible
// outcome of an InMail, and after requests that try to add labels of their own.
func TestMetricsPages(t *testing.T) {
	t.Parallel() // it mostly waits
	s := newServer(t, []string{"--data", t.TempDir()}, slices.Concat(calmEnv, travelling, []string{"INMAIL_METRICS_TAGS=renewals"})...)
	s.Start()
	t.Run("empty", func(t *testing.T) { emptyPages(t, s) })
	t.Run("outcomes_add_up", func(t *testing.T) { outcomesAddUp(t, s) })
	t.Run("no_label_from_a_request", func(t *testing.T) { noLabelFromARequest(t, s) })
	t.Run("twenty_tags_by_name", func(t *testing.T) { twentyTags(t, s) })
}

// each writes a label with each of its values.
func each[T ~string](label string, values ...T) (written []string) {
	for _, v := range values {
		written = append(written, fmt.Sprintf("%s=%q", label, string(v)))
	}
	return written
}

// product writes every combination of labels, in the order of the page: by name.
func product(labels ...[]string) []string {
	all := []string{""}
	for i, values := range labels {
		var longer []string
		for _, start := range all {
			for _, v := range values {
				if i > 0 {
					v = start + "," + v
				}
				longer = append(longer, v)
			}
		}
		all = longer
	}
	return all
}

// emptyPages checks that a program without any data has every name of the contract, with a sample of 0 for
// each value that a label can have. Only series by week, tag, kind or class may be absent.
func emptyPages(t *testing.T, s *server) {
	types := each("account_type", domain.AccountTypes()...)
	outcomes := each("outcome", domain.Outcomes()...)
	crm := each("crm", salesforce.Name)
	resources := product(crm, each("resource", salesforce.Resources...))
	want := map[string]map[string][]string{
		"/metrics": {
			"inmail_send_attempts_total":             types,
			"inmail_sends_refused_total":             each("reason", domain.RefusalCodes()...),
			"inmail_delivered_total":                 types,
			"inmail_previewed_total":                 nil,
			"inmail_opened_total":                    nil,
			"inmail_replied_total":                   nil,
			"inmail_declined_total":                  nil,
			"inmail_automatic_replies_total":         nil,
			"inmail_expired_total":                   nil,
			"inmail_retracted_total":                 each("opened", "true", "false"),
			"inmail_reports_total":                   nil,
			"inmail_delivery_lag_seconds_count":      nil,
			"inmail_expiry_lag_seconds_count":        nil,
			"inmail_time_to_open_seconds_count":      nil,
			"inmail_time_to_reply_seconds_count":     nil,
			"inmail_crm_push_records_total":          product(product(crm, each("object", salesforce.Objects...)), each("result", metrics.Results...)),
			"inmail_crm_api_calls_total":             resources,
			"inmail_crm_push_duration_seconds_count": resources,
			"inmail_crm_api_budget_used_ratio":       crm,
		},
		"/metrics/domain": {
			"inmail_recent_messages":                       product(types, outcomes),
			"inmail_tags_folded":                           nil,
			"inmail_pending_unopened":                      nil,
			"inmail_expiring_soon":                         each("within", mailroom.Horizons()...),
			"inmail_restricted_senders":                    each("trigger", spam.Triggers()...),
			"inmail_crm_unsynced_records":                  crm,
			"inmail_crm_oldest_unsynced_timestamp_seconds": crm,
		},
	}
	for page, names := range want {
		got := s.samples(page)
		for name, labels := range names {
			if labels == nil {
				labels = []string{""}
			}
			for _, l := range labels {
				sample := name
				if l != "" {
					sample += "{" + l + "}"
				}
				// The first push logs in, whether or not there is anything to push.
				greeting := strings.HasPrefix(name, "inmail_crm_api_") || strings.HasPrefix(name, "inmail_crm_push_duration_")
				if value, ok := got[sample]; !ok || value != 0 && !greeting {
					t.Errorf("%s: %s is %v (there: %v), want 0", page, sample, value, ok)
				}
			}
		}
	}
	process := s.samples("/metrics")
	for _, job := range mailroom.TaskKinds() {
		for _, l := range product(each("result", metrics.JobResults...), each("type", job.Type)) {
			if _, ok := process["inmail_job_duration_seconds_count{"+l+"}"]; !ok {
				t.Errorf("no series for the jobs with %s", l)
			}
		}
	}
	for _, name := range []string{"inmail_http_request_duration_seconds_count", "asynq_queue_size", "go_goroutines", "process_start_time_seconds"} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(process)), func(sample string) bool { return sample == name || strings.HasPrefix(sample, name+"{") }) {
			t.Errorf("/metrics: %s has no sample", name)
		}
	}
	s.eventually("the first figures are there", func() error {
		got := s.samples("/metrics/domain")
		for _, name := range []string{"inmail_snapshot_timestamp_seconds", "inmail_snapshot_duration_seconds"} {
			if got[name] <= 0 {
				return fmt.Errorf("%s is %v", name, got[name])
			}
		}
		return nil
	})
}

// outcomesAddUp makes every possible outcome of an InMail happen: the first once, the second twice, and so
// on. The pages show exactly that, and the outcomes add up to the number delivered.
func outcomesAddUp(t *testing.T, s *server) {
	w := &weeks{server: s}
	s.network(w.senders(), "recruiter_50", w.recipients())
	counts := map[domain.Outcome]int{}
	groups := map[domain.Outcome][]note{}
	for i, o := range domain.Outcomes() {
		counts[o] = i + 1
		if o != domain.PendingUnopened {
			groups[o] = w.send(i + 1)
		}
	}
	for _, o := range []domain.Outcome{domain.OutcomeOpened, domain.OutcomeReplied, domain.RetractedOpened, domain.RetractedReplied} {
		for _, m := range groups[o] {
			w.preview(m)
			w.open(m)
		}
	}
	for _, m := range slices.Concat(groups[domain.OutcomeReplied], groups[domain.RetractedReplied]) {
		w.reply(m)
	}
	for _, m := range slices.Concat(groups[domain.OutcomeDeclined], groups[domain.RetractedDeclined]) {
		w.decline(m)
	}
	w.absent(groups[domain.ExpiredUnopened][0]) // changes none of the figures but its own
	for _, m := range slices.Concat(groups[domain.RetractedUnopened], groups[domain.RetractedOpened], groups[domain.RetractedReplied],
		groups[domain.RetractedDeclined]) {
		w.retract(m)
	}
	w.report(groups[domain.OutcomeOpened][0])
	w.advance(domain.Window)
	w.past++
	w.send(counts[domain.PendingUnopened])
	number := func(outcomes ...domain.Outcome) (n float64) {
		for _, o := range outcomes {
			n += float64(counts[o])
		}
		return n
	}
	all := number(domain.Outcomes()...)
	previewed := number(domain.OutcomeOpened, domain.OutcomeReplied, domain.RetractedOpened, domain.RetractedReplied)
	declined := number(domain.OutcomeDeclined, domain.RetractedDeclined)
	opened := previewed + declined
	replied := number(domain.OutcomeReplied, domain.RetractedReplied)
	expired := number(domain.ExpiredUnopened)
	retracted := number(domain.RetractedUnopened, domain.RetractedOpened, domain.RetractedReplied, domain.RetractedDeclined)
	s.eventually("every outcome is counted as often as it happened", func() error {
		got, want := map[string]float64{}, map[string]float64{}
		figures := s.samples("/metrics/domain")
		for _, o := range domain.Outcomes() {
			for _, metric := range []string{"inmail_cohort_messages", "inmail_recent_messages"} {
				got[metric+" "+string(o)], want[metric+" "+string(o)] = sum(figures, metric, each("outcome", o)...), number(o)
			}
			for _, tag := range []string{"hiring", "week 0", "week 1"} {
				got[tag+" "+string(o)] = sum(figures, "inmail_tag_messages", append(each("outcome", o), each("tag", tag)...)...)
				if tag == "hiring" || (tag == "week 1") == (o == domain.PendingUnopened) {
					want[tag+" "+string(o)] = number(o)
				} else {
					want[tag+" "+string(o)] = 0
				}
			}
		}
		process := s.samples("/metrics")
		for name, n := range map[string]float64{
			"inmail_send_attempts_total": all, "inmail_delivered_total": all, "inmail_delivery_lag_seconds_count": all, "inmail_sends_refused_total": 0,
			"inmail_previewed_total": previewed, "inmail_opened_total": opened, "inmail_time_to_open_seconds_count": opened,
			"inmail_replied_total": replied, "inmail_time_to_reply_seconds_count": replied,
			"inmail_declined_total": declined, "inmail_automatic_replies_total": 1,
			"inmail_expired_total": expired, "inmail_expiry_lag_seconds_count": expired,
			"inmail_retracted_total": retracted, "inmail_reports_total": 1,
		} {
			got[name], want[name] = sum(process, name), n
		}
		got["retracted unopened"], want["retracted unopened"] = sum(process, "inmail_retracted_total", each("opened", "false")...), number(domain.RetractedUnopened)
		got["pending"], want["pending"] = figures["inmail_pending_unopened"], number(domain.PendingUnopened)
		got["tags folded"], want["tags folded"] = figures["inmail_tags_folded"], 0
		got["delivered"], want["delivered"] = sum(figures, "inmail_cohort_messages"), sum(process, "inmail_delivered_total")
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("(-want +got):\n%s", diff)
		}
		return nil
	})
}

// noLabelFromARequest puts a word into every part of a request but the tags, of which twenty are named, and
// checks that neither page contains it. The only routes are those of the API's document, and the only methods
// those that it knows.
func noLabelFromARequest(t *testing.T, s *server) {
	const word = "Zyzzyva"
	messages := sum(s.samples("/metrics/domain"), "inmail_cohort_messages")
	body := letter(1)
	body["category"] = word
	id := s.must(http.StatusAccepted, "POST", "/v1/inmails", "s28", body, "Idempotency-Key", word)["id"].(string)
	s.must(http.StatusOK, "PUT", "/v1/members/"+word, "", map[string]any{"name": word, "company": word, "team": word})
	s.must(http.StatusNoContent, "PUT", "/v1/banned/member/"+word, "", map[string]any{"reason": word})
	s.must(http.StatusUnprocessableEntity, "POST", "/v1/inmails", "s28", map[string]any{"to": word, "subject": word, "body": word})
	for _, method := range []string{"GET", "DELETE", "TRACE", strings.ToUpper(word)} {
		for _, path := range []string{"/" + word, "/v1/" + word, "/v1/inmails/" + word, "/v1/inmails/" + id + "/" + word, "/v1/members/" + word + "/blocks/" + word,
			"/v1/inbox?tag=" + word, "/v1/analytics?by=" + word, "/metrics/" + word, "/queues/" + word, "/v1/../" + word, "//" + word, "/%5a" + word} {
			if _, _, err := s.call(method, path, word, nil, "User-Agent", word, "Idempotency-Key", word); err != nil {
				t.Fatalf("%s %s: %v", method, path, err)
			}
		}
	}
	before := s.samples("/metrics/domain")["inmail_snapshot_timestamp_seconds"]
	s.eventually("figures are there that know of it", func() error {
		figures := s.samples("/metrics/domain")
		if at := figures["inmail_snapshot_timestamp_seconds"]; at < before+2 || sum(figures, "inmail_cohort_messages") != messages+1 {
			return fmt.Errorf("they are of %v", at)
		}
		return nil
	})
	for _, page := range []string{"/metrics", "/metrics/domain"} {
		for line := range strings.Lines(s.page(page)) {
			if strings.Contains(strings.ToLower(line), strings.ToLower(word)) {
				t.Errorf("%s: a request made %s", page, line)
				break // a histogram has many series like it
			}
		}
	}

	var document struct{ Paths map[string]any }
	if err := json.Unmarshal([]byte(s.page("/openapi.json")), &document); err != nil {
		t.Fatal(err)
	}
	routes := slices.Concat(slices.Collect(maps.Keys(document.Paths)), []string{"other", "/queues", "/queues/{rest...}"})
	methods := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"}
	unknown := 0.0
	for sample, n := range s.samples("/metrics") {
		match := requests.FindStringSubmatch(sample)
		if match == nil {
			continue
		}
		method, route := match[1], match[2]
		if !slices.Contains(methods, method) || !slices.Contains(routes, route) {
			t.Errorf("%s is not of the API's document", sample)
		}
		if method == "other" && route == "other" {
			unknown += n
		}
	}
	if unknown == 0 {
		t.Error("unknown methods on unknown routes were not counted as other")
	}
}

// twentyTags sends InMails with more tags than are named: those of the settings and of most InMails are, by
// their names as they are written, and the others are counted together.
func twentyTags(t *testing.T, s *server) {
	const odd = "a \"quoted\" tag, with = and ü"
	tags := []string{"renewals", odd}
	for i := range 22 {
		tags = append(tags, fmt.Sprintf("new %02d", i))
	}
	for i, tag := range tags {
		for _, to := range []int{100 + i, 200 + i}[:2-min(1, i%2)] { // every other tag has one InMail more
			body := letter(to)
			body["tags"] = []string{tag}
			s.must(http.StatusAccepted, "POST", "/v1/inmails", fmt.Sprintf("s%d", 100+i), body)
		}
	}
	s.eventually("twenty tags are named", func() error {
		page := s.page("/metrics/domain")
		samples := samplesOf(t, page)
		named := tagsOf(samples)
		// hiring, week 0 and week 1 are there from before.
		if sum(samples, "inmail_tag_messages", each("tag", "other")...) == 0 || samples["inmail_tags_folded"] != float64(len(tags)+3-mailroom.MostTags) {
			return fmt.Errorf("%v tags are folded, and %q named", samples["inmail_tags_folded"], named)
		}
		if len(named) != mailroom.MostTags+1 || !slices.Contains(named, "renewals") || !strings.Contains(page, `tag="a \"quoted\" tag, with = and ü"`) {
			return fmt.Errorf("%d are named: %q", len(named), named)
		}
		return nil
	})
}

var requests = regexp.MustCompile(`^inmail_http_request_duration_seconds_count\{code="[1-5][0-9][0-9]",method="(.*)",route="(.*)"\}$`)

// TestTwoProcesses sends requests to one process while another does the work: each counts what it did itself,
// and both show the same figures of the record.
func TestTwoProcesses(t *testing.T) {
	t.Parallel() // it mostly waits
	const n, senders = 40, 4
	o := newOrg(t)
	env := slices.Concat(o.env(), calmEnv, []string{"INMAIL_DATABASE_URL=" + database(t), "INMAIL_REDIS_URL=" + newRedis(t).url()})
	api := newServer(t, []string{"--roles", "api,scheduler"}, env...)
	api.Start()
	work := newServer(t, []string{"--roles", "worker"}, env...)
	work.Start()
	api.network(senders, "recruiter_50", n)
	var sent atomic.Int64
	ids := api.load(n, senders, &sent)
	api.deliveredOnce(ids, n, senders)
	o.hasAll(ids, "Sent")

	eventually(t, "each process counts what it did", func() error {
		asked, did := api.samples("/metrics"), work.samples("/metrics")
		got, want := map[string]float64{}, map[string]float64{}
		for name, count := range map[string]struct{ api, work float64 }{
			"inmail_send_attempts_total":        {n, 0},
			"inmail_previewed_total":            {n, 0}, // deliveredOnce looks into each inbox
			"inmail_delivered_total":            {0, n},
			"inmail_delivery_lag_seconds_count": {0, n},
			"inmail_sends_refused_total":        {0, 0},
		} {
			got["api "+name], want["api "+name] = sum(asked, name), count.api
			got["worker "+name], want["worker "+name] = sum(did, name), count.work
		}
		created := each("result", "created")
		got["api pushed"], want["api pushed"] = sum(asked, "inmail_crm_push_records_total", created...), 0
		got["worker pushed"], want["worker pushed"] = sum(did, "inmail_crm_push_records_total", created...), n
		got["api jobs"], want["api jobs"] = sum(asked, "inmail_job_duration_seconds_count"), 0
		accepted := each("route", "/v1/inmails")
		got["api accepts"], want["api accepts"] = sum(asked, "inmail_http_request_duration_seconds_count", append(accepted, each("code", "202")...)...), n
		got["worker accepts"], want["worker accepts"] = sum(did, "inmail_http_request_duration_seconds_count", append(accepted, each("code", "202")...)...), 0
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("(-want +got):\n%s", diff)
		}
		if jobs := sum(did, "inmail_job_duration_seconds_count", each("result", "done")...); jobs == 0 {
			return fmt.Errorf("the worker counted no jobs")
		}
		return nil
	})
	eventually(t, "both show the same of the record", func() error { // not while they are stored
		if diff := cmp.Diff(api.page("/metrics/domain"), work.page("/metrics/domain")); diff != "" {
			return fmt.Errorf("(-api +worker):\n%s", diff)
		}
		if pending := work.samples("/metrics/domain")["inmail_pending_unopened"]; pending != n {
			return fmt.Errorf("%v are shown as unopened, not %d", pending, n)
		}
		return nil
	})
}
