package dashboards

import (
	"slices"
	"strings"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/rates"
	"inmail/domain/spam"
)

// Page is where a metric comes from, which decides how instances are combined.
type Page int

// The four origins of metrics.
const (
	// Process is /metrics: each process counts its own part, so figures are summed over instances.
	Process Page = iota
	// Domain is /metrics/domain: the figures of the record, which every replica exports alike. Never sum
	// them over instances: use max without (instance, pod).
	Domain
	// Shared is on /metrics but read from Redis, so that every replica exports the same: combine it like
	// Domain.
	Shared
	// Runtime is what client_golang exports about Go and the process.
	Runtime
)

// Kind is the metric's type, in Prometheus' words.
type Kind string

// The three kinds that the program has.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Metric is one metric of the contract between the program's metrics pages and the dashboards and rules:
// its name and labels.
type Metric struct {
	Name    string
	Kind    Kind
	Page    Page
	Labels  []string  // besides job and instance; a histogram's le is not listed
	Buckets []float64 // upper bounds in seconds, for a histogram; the last one bounds what a quantile can say
	Absent  bool      // may have no sample at all on a good day (by kind or class of trouble, by tag, by week)
}

// Metrics is the contract, in the order of the program's metrics page.
var Metrics = []Metric{
	{Name: "inmail_send_attempts_total", Kind: Counter, Labels: []string{"account_type"}},
	{Name: "inmail_sends_refused_total", Kind: Counter, Labels: []string{"reason"}},
	{Name: "inmail_delivered_total", Kind: Counter, Labels: []string{"account_type"}},
	{Name: "inmail_previewed_total", Kind: Counter},
	{Name: "inmail_opened_total", Kind: Counter},
	{Name: "inmail_replied_total", Kind: Counter},
	{Name: "inmail_declined_total", Kind: Counter},
	{Name: "inmail_automatic_replies_total", Kind: Counter},
	{Name: "inmail_expired_total", Kind: Counter},
	{Name: "inmail_retracted_total", Kind: Counter, Labels: []string{"opened"}},
	{Name: "inmail_reports_total", Kind: Counter},
	{Name: "inmail_delivery_lag_seconds", Kind: Histogram,
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}},
	{Name: "inmail_expiry_lag_seconds", Kind: Histogram,
		Buckets: []float64{.1, .25, .5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600}},
	{Name: "inmail_time_to_open_seconds", Kind: Histogram,
		Buckets: rates.AgesToOpen()},
	{Name: "inmail_time_to_reply_seconds", Kind: Histogram,
		Buckets: rates.AgesToReply()},
	{Name: "inmail_crm_push_records_total", Kind: Counter, Labels: []string{"crm", "object", "result"}},
	{Name: "inmail_crm_api_calls_total", Kind: Counter, Labels: []string{"crm", "resource"}},
	{Name: "inmail_crm_push_duration_seconds", Kind: Histogram, Labels: []string{"crm", "resource"},
		Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 30, 60, 120}},
	{Name: "inmail_crm_api_budget_used_ratio", Kind: Gauge, Page: Shared, Labels: []string{"crm"}},
	{Name: "inmail_webhook_deliveries_total", Kind: Counter, Labels: []string{"result"}},
	{Name: "inmail_http_wrong_keys_total", Kind: Counter},
	{Name: "inmail_http_request_duration_seconds", Kind: Histogram, Labels: []string{"route", "method", "code"},
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}},
	{Name: "inmail_job_duration_seconds", Kind: Histogram, Labels: []string{"type", "result"},
		Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 600}},
	{Name: "inmail_job_success_age_seconds", Kind: Gauge, Labels: []string{"type"}},
	{Name: "inmail_clock_offset_seconds", Kind: Gauge},
	{Name: "inmail_build_info", Kind: Gauge, Labels: []string{"version", "commit", "go"}},
	{Name: "inmail_schedule_beat_age_seconds", Kind: Gauge},
	{Name: "inmail_record_held", Kind: Gauge},

	{Name: "inmail_cohort_messages", Kind: Gauge, Page: Domain, Labels: []string{"cohort_week", "outcome"}},
	{Name: "inmail_cohort_open_complete_timestamp_seconds", Kind: Gauge, Page: Domain, Labels: []string{"cohort_week"}},
	{Name: "inmail_cohort_reply_complete_timestamp_seconds", Kind: Gauge, Page: Domain,
		Labels: []string{"cohort_week"}},
	{Name: "inmail_cohort_replied_in_time_messages", Kind: Gauge, Page: Domain, Labels: []string{"cohort_week"}},
	{Name: "inmail_recent_messages", Kind: Gauge, Page: Domain, Labels: []string{"account_type", "outcome"}},
	{Name: "inmail_tag_messages", Kind: Gauge, Page: Domain, Labels: []string{"tag", "outcome"}},
	{Name: "inmail_tags_folded", Kind: Gauge, Page: Domain},
	{Name: "inmail_pending_unopened", Kind: Gauge, Page: Domain},
	{Name: "inmail_expiring_soon", Kind: Gauge, Page: Domain, Labels: []string{"within"}},
	{Name: "inmail_restricted_senders", Kind: Gauge, Page: Domain, Labels: []string{"trigger"}},
	{Name: "inmail_crm_unsynced_records", Kind: Gauge, Page: Domain, Labels: []string{"crm"}},
	{Name: "inmail_crm_oldest_unsynced_timestamp_seconds", Kind: Gauge, Page: Domain, Labels: []string{"crm"}},
	{Name: "inmail_crm_unreachable_since_timestamp_seconds", Kind: Gauge, Page: Domain, Labels: []string{"crm"}},
	{Name: "inmail_crm_drift_records", Kind: Gauge, Page: Domain, Labels: []string{"crm", "kind"}, Absent: true},
	{Name: "inmail_crm_dead_letters", Kind: Gauge, Page: Domain, Labels: []string{"crm", "class"}, Absent: true},
	{Name: "inmail_webhook_oldest_undelivered_timestamp_seconds", Kind: Gauge, Page: Domain},
	{Name: "inmail_webhooks_switched_off", Kind: Gauge, Page: Domain},
	{Name: "inmail_snapshot_timestamp_seconds", Kind: Gauge, Page: Domain},
	{Name: "inmail_snapshot_duration_seconds", Kind: Gauge, Page: Domain},

	// Asynq's own collector reads Redis, so that every replica exports the same queue.
	// asynq_tasks_enqueued_total is a gauge, despite its name.
	{Name: "asynq_tasks_enqueued_total", Kind: Gauge, Page: Shared, Labels: []string{"queue", "state"}},
	{Name: "asynq_queue_size", Kind: Gauge, Page: Shared, Labels: []string{"queue"}},
	{Name: "asynq_queue_latency_seconds", Kind: Gauge, Page: Shared, Labels: []string{"queue"}},
	{Name: "asynq_tasks_processed_total", Kind: Counter, Page: Shared, Labels: []string{"queue"}},
	{Name: "asynq_tasks_failed_total", Kind: Counter, Page: Shared, Labels: []string{"queue"}},

	{Name: "process_start_time_seconds", Kind: Gauge, Page: Runtime},
	{Name: "process_cpu_seconds_total", Kind: Counter, Page: Runtime},
	{Name: "process_resident_memory_bytes", Kind: Gauge, Page: Runtime},
	{Name: "process_open_fds", Kind: Gauge, Page: Runtime},
	{Name: "process_max_fds", Kind: Gauge, Page: Runtime},
	{Name: "go_goroutines", Kind: Gauge, Page: Runtime},
}

// Find returns the metric to which a series belongs: the metric of that name, or the histogram whose
// _bucket, _sum or _count it is.
func Find(name string) (Metric, bool) {
	i := slices.IndexFunc(Metrics, func(m Metric) bool {
		if m.Kind != Histogram {
			return m.Name == name
		}
		part, found := strings.CutPrefix(name, m.Name)
		return found && slices.Contains([]string{"_bucket", "_sum", "_count"}, part)
	})
	if i < 0 {
		return Metric{}, false
	}
	return Metrics[i], true
}

// Known maps the labels that have only our codes to their values. A metric with one of these labels has
// a series for each value from the start, so that the first increase of a counter is visible.
var Known = map[string][]string{
	"account_type": texts(domain.AccountTypes()),
	"outcome":      texts(domain.Outcomes()),
	"reason":       texts(domain.RefusalCodes()),
	"trigger":      spam.Triggers(),
	"queue":        mailroom.Queues(),
	"state":        {"active", "pending", "scheduled", "retry", "archived", "completed"},
}

func texts[S ~string](values []S) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}
