package metrics

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/rates"
	"inmail/domain/spam"
)

// Domain collects /metrics/domain from the stored snapshot and never queries the tables. It is the same on
// every replica, and costs the same with ten million InMails as with none.
type Domain struct {
	stored func(context.Context) (*mailroom.Snapshot, error)
	first  domain.CRM
	log    *slog.Logger
}

// NewDomain returns the collector. first is the CRM that is meant where none is named. stored reads the
// stored snapshot; nil means that there is none.
func NewDomain(stored func(context.Context) (*mailroom.Snapshot, error), first domain.CRM, log *slog.Logger) *Domain {
	return &Domain{stored: stored, first: first, log: log}
}

// scrapeTimeout bounds the read of the snapshot in a scrape.
const scrapeTimeout = 5 * time.Second

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	cohortMessages = describe("inmail_cohort_messages",
		"InMails delivered in an ISO week by outcome; outcomes exclude each other and add up to delivered.",
		"cohort_week", "outcome")
	openComplete = describe("inmail_cohort_open_complete_timestamp_seconds",
		fmt.Sprintf("When the open rate of a week is complete: %d days after its Monday.", rates.OpenCompleteDays),
		"cohort_week")
	replyComplete = describe("inmail_cohort_reply_complete_timestamp_seconds",
		"When the response rate of a week is complete: its end and the response window.", "cohort_week")
	inTime = describe("inmail_cohort_replied_in_time_messages",
		"InMails of a week whose first reply came within the response window, whatever became of them later.",
		"cohort_week")
	recentMessages = describe("inmail_recent_messages",
		"InMails delivered in this ISO week and the three before, by account type and outcome.", "account_type",
		"outcome")
	tagMessages = describe("inmail_tag_messages",
		"InMails delivered in the last 13 ISO weeks by tag and outcome; tags outside the allow-list are other.",
		"tag", "outcome")
	tagsFolded   = describe("inmail_tags_folded", "Different tags that are counted under other.")
	pending      = describe("inmail_pending_unopened", "Delivered, neither opened, expired nor retracted.")
	expiringSoon = describe("inmail_expiring_soon",
		"Unopened InMails that expire within so long, counted by the hour.", "within")
	restricted = describe("inmail_restricted_senders", "Senders whose sending is restricted now, by trigger.",
		"trigger")
	unsynced = describe("inmail_crm_unsynced_records",
		"InMails that a CRM does not have, or not in their newest state.", "crm")
	oldestUnsynced = describe("inmail_crm_oldest_unsynced_timestamp_seconds",
		"Since when the oldest of them waits; 0 when none does.", "crm")
	drift = describe("inmail_crm_drift_records",
		"What the last reconcile found different in a CRM, by kind.", "crm", "kind")
	unreachable = describe("inmail_crm_unreachable_since_timestamp_seconds",
		"Since when a CRM does not answer at all; 0 when it does.", "crm")
	deadLetters = describe("inmail_crm_dead_letters", "Pushes that wait for a person, by class.", "crm", "class")
	undelivered = describe("inmail_webhook_oldest_undelivered_timestamp_seconds",
		"When the oldest event happened that an end point which is on has not taken; 0: there is none.")
	webhooksOff = describe("inmail_webhooks_switched_off", "End points that are switched off.")
	snapshotAt  = describe("inmail_snapshot_timestamp_seconds",
		"When these figures were computed; 0 when they never were.")
	snapshotTook = describe("inmail_snapshot_duration_seconds", "How long computing these figures took.")
)

// Describe sends the descriptions.
func (d *Domain) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{cohortMessages, openComplete, replyComplete, inTime, recentMessages,
		tagMessages, tagsFolded,
		pending, expiringSoon, restricted, unsynced, oldestUnsynced, drift, unreachable, deadLetters, undelivered, webhooksOff, snapshotAt, snapshotTook} {
		ch <- desc
	}
}

// Collect sends the figures of the stored snapshot. When none is stored it sends the zeros of an empty
// record and the timestamp 0. When the record does not answer the scrape fails, which Prometheus shows as
// up 0.
func (d *Domain) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	s, err := d.stored(ctx)
	if err != nil {
		d.log.ErrorContext(ctx, "read the snapshot for a scrape", "error", err)
		ch <- prometheus.NewInvalidMetric(snapshotAt, err)
		return
	}
	if s == nil {
		s = &mailroom.Snapshot{}
	}
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	for _, w := range s.Weeks {
		for _, o := range domain.Outcomes() {
			gauge(cohortMessages, float64(w.Outcomes[o]), string(w.Cohort), string(o))
		}
		gauge(inTime, float64(w.RepliedInTime), string(w.Cohort))
		gauge(openComplete, seconds(w.OpenComplete), string(w.Cohort))
		gauge(replyComplete, seconds(w.ResponseComplete), string(w.Cohort))
	}
	for _, t := range domain.AccountTypes() {
		for _, o := range domain.Outcomes() {
			gauge(recentMessages, float64(s.Recent[t][o]), string(t), string(o))
		}
	}
	for tag, outcomes := range s.Tags {
		for _, o := range domain.Outcomes() {
			gauge(tagMessages, float64(outcomes[o]), tag, string(o))
		}
	}
	gauge(tagsFolded, float64(s.TagsFolded))
	gauge(pending, float64(s.Pending))
	for _, within := range mailroom.Horizons() {
		gauge(expiringSoon, float64(s.ExpiringSoon[within]), within)
	}
	for _, t := range spam.Triggers() {
		gauge(restricted, float64(s.Restricted[t]), t)
	}
	for crm, f := range d.crms(s) {
		gauge(unsynced, float64(f.Unsynced), string(crm))
		gauge(oldestUnsynced, seconds(f.OldestUnsynced), string(crm))
		gauge(unreachable, seconds(f.Unreachable), string(crm))
		for kind, n := range f.Drift {
			gauge(drift, float64(n), string(crm), kind)
		}
		for class, n := range f.Dead {
			gauge(deadLetters, float64(n), string(crm), string(class))
		}
	}
	gauge(undelivered, seconds(s.OldestUndelivered))
	gauge(webhooksOff, float64(s.WebhooksOff))
	gauge(snapshotAt, seconds(s.At))
	gauge(snapshotTook, s.Took.Seconds())
}

// crms returns the figures of the CRMs that the record serves; of a record that serves none, zeros of the
// first, so that every name has a sample.
func (d *Domain) crms(s *mailroom.Snapshot) map[domain.CRM]mailroom.CRMFigures {
	if len(s.CRMs) > 0 {
		return s.CRMs
	}
	return map[domain.CRM]mailroom.CRMFigures{d.first: {}}
}

// seconds returns a time in seconds since 1970, as Prometheus counts; 0 for the zero time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
