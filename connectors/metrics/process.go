// Package metrics contains the Prometheus metrics of this process and of the record. Label values come only
// from closed lists of ours. Every series that can be known exists from the start at 0, so that the first
// event of a kind is an increase.
package metrics

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/rates"
)

// Process counts the events of this process. Make it with NewProcess.
type Process struct {
	attempts    *prometheus.CounterVec
	refused     *prometheus.CounterVec
	delivered   *prometheus.CounterVec
	previewed   prometheus.Counter
	opened      prometheus.Counter
	replied     prometheus.Counter
	declined    prometheus.Counter
	automatic   prometheus.Counter
	expired     prometheus.Counter
	retracted   *prometheus.CounterVec
	reports     prometheus.Counter
	deliveryLag prometheus.Histogram
	expiryLag   prometheus.Histogram
	timeToOpen  prometheus.Histogram
	timeToReply prometheus.Histogram
	pushed      *prometheus.CounterVec
	calls       *prometheus.CounterVec
	pushTook    *prometheus.HistogramVec
	budget      *prometheus.GaugeVec
	jobs        *prometheus.HistogramVec
	webhooks    *prometheus.CounterVec
	succeeded   map[string]*atomic.Pointer[time.Time] // by type of periodic job: when one last succeeded
}

// The bounds of the buckets, in seconds. The objective is one of the bounds, and the last bound lies beyond
// it, so that a quantile in the last bucket means "broken". dashboards/README.md names the objectives.
var (
	LagBuckets      = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}
	ExpiryBuckets   = []float64{.1, .25, .5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600}
	ToOpenBuckets   = rates.AgesToOpen()
	ToReplyBuckets  = rates.AgesToReply()
	JobBuckets      = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 600}
	PushTookBuckets = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 30, 60, 120}
)

// The closed lists of label values that are not the domain's own.
var (
	// Results are the outcomes of a pushed row: what the CRM did with it, or the class of its failure.
	// failed stays at 0, because every failure has a class; it exists for programs that read it.
	Results = append([]string{"created", "updated", "unchanged", "failed", string(domain.Stale)}, classes()...)
	// JobResults are the outcomes of a job.
	JobResults = []string{"done", "failed"}
	// WebhookResults are the outcomes of a try to deliver an event; switched_off is an end point that gets no
	// further ones, until a person enables it.
	WebhookResults = []string{"delivered", "failed", "switched_off"}
)

// classes returns the classes of failure as label values.
func classes() (names []string) {
	for _, c := range domain.FailureClasses() {
		names = append(names, string(c))
	}
	return names
}

// NewProcess registers the process's metrics.
func NewProcess(reg prometheus.Registerer) *Process {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		reg.MustRegister(c)
		return c
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
		reg.MustRegister(h)
		return h
	}
	histograms := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		reg.MustRegister(h)
		return h
	}
	p := &Process{
		attempts: counters("inmail_send_attempts_total",
			"Sends that were judged by the rules, by the sender's account type.", "account_type"),
		refused: counters("inmail_sends_refused_total",
			"Sends refused by a rule, at accept or at delivery, by the first true reason.", "reason"),
		delivered: counters("inmail_delivered_total", "InMails delivered, by the sender's account type.",
			"account_type"),
		previewed: counter("inmail_previewed_total", "InMails listed in an inbox for the first time."),
		opened:    counter("inmail_opened_total", "InMails opened for the first time."),
		replied:   counter("inmail_replied_total", "InMails replied to for the first time."),
		declined:  counter("inmail_declined_total", "InMails declined by their recipients."),
		automatic: counter("inmail_automatic_replies_total", "Replies that were found to be automatic, or marked so."),
		expired:   counter("inmail_expired_total", "Expiries persisted."),
		retracted: counters("inmail_retracted_total", "InMails retracted, by whether they had been opened.",
			"opened"),
		reports:     counter("inmail_reports_total", "Abuse reports."),
		deliveryLag: histogram("inmail_delivery_lag_seconds", "From accepted to delivered.", LagBuckets),
		expiryLag:   histogram("inmail_expiry_lag_seconds", "From the end of the window to persisted.", ExpiryBuckets),
		timeToOpen:  histogram("inmail_time_to_open_seconds", "From delivered to first opened.", ToOpenBuckets),
		timeToReply: histogram("inmail_time_to_reply_seconds", "From delivered to the first reply.", ToReplyBuckets),
		pushed: counters("inmail_crm_push_records_total",
			"Rows that went to a CRM, by object and outcome.", "crm", "object", "result"),
		calls: counters("inmail_crm_api_calls_total", "API calls to a CRM.", "crm", "resource"),
		pushTook: histograms("inmail_crm_push_duration_seconds", "How long a call to a CRM took.",
			PushTookBuckets, "crm", "resource"),
		budget: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "inmail_crm_api_budget_used_ratio",
			Help: "Share of the calls we may make to a CRM that is used; 1 is all."}, []string{"crm"}),
		jobs: histograms("inmail_job_duration_seconds", "How long a job took, by task type and how it ended.",
			JobBuckets, "type", "result"),
		webhooks: counters("inmail_webhook_deliveries_total",
			"Tries to deliver an event to an end point, and end points that were switched off, by result.", "result"),
		succeeded: map[string]*atomic.Pointer[time.Time]{},
	}
	reg.MustRegister(p.budget)
	p.makeSeries()
	for _, kind := range mailroom.TaskKinds() {
		if kind.Every > 0 {
			p.succeeded[kind.Type] = &atomic.Pointer[time.Time]{}
			reg.MustRegister(sinceSuccess(kind.Type, p.succeeded[kind.Type]))
		}
	}
	return p
}

// sinceSuccess is how long ago a job last succeeded at at, or the process started. It does not depend on a
// clock that can be set.
func sinceSuccess(taskType string, at *atomic.Pointer[time.Time]) prometheus.Collector {
	start := time.Now()
	at.Store(&start)
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "inmail_job_success_age_seconds",
		Help:        "How long ago a periodic job last succeeded in this process, or the process started, by task type.",
		ConstLabels: prometheus.Labels{"type": taskType}},
		func() float64 { return time.Since(*at.Load()).Seconds() })
}

// makeSeries creates every series that can be known, at 0.
func (p *Process) makeSeries() {
	for _, t := range domain.AccountTypes() {
		p.attempts.WithLabelValues(string(t))
		p.delivered.WithLabelValues(string(t))
	}
	for _, c := range domain.RefusalCodes() {
		p.refused.WithLabelValues(string(c))
	}
	for _, r := range WebhookResults {
		p.webhooks.WithLabelValues(r)
	}
	for _, opened := range []string{"true", "false"} {
		p.retracted.WithLabelValues(opened)
	}
	for _, kind := range mailroom.TaskKinds() {
		for _, r := range JobResults {
			p.jobs.WithLabelValues(kind.Type, r)
		}
	}
}

// Notify counts an event of the mailroom. It implements mailroom.Observer.
func (p *Process) Notify(n mailroom.Notice) {
	switch n := n.(type) {
	case mailroom.SendAttempted:
		p.attempts.WithLabelValues(string(n.AccountType)).Inc()
	case mailroom.SendRefused:
		p.refused.WithLabelValues(string(n.Code)).Inc()
	case mailroom.Delivered:
		p.delivered.WithLabelValues(string(n.AccountType)).Inc()
		p.deliveryLag.Observe(n.Lag.Seconds())
	case mailroom.Previewed:
		p.previewed.Add(float64(n.N))
	case mailroom.Opened:
		p.opened.Inc()
		p.timeToOpen.Observe(n.After.Seconds())
	case mailroom.Replied:
		p.replied.Inc()
		p.timeToReply.Observe(n.After.Seconds())
	case mailroom.Declined:
		p.declined.Inc()
	case mailroom.AutomaticReply:
		p.automatic.Inc()
	case mailroom.Expired:
		p.expired.Inc()
		p.expiryLag.Observe(n.Lag.Seconds())
	case mailroom.Retracted:
		p.retracted.WithLabelValues(strconv.FormatBool(n.WasOpened)).Inc()
	case mailroom.Reported:
		p.reports.Inc()
	case mailroom.WebhookTried:
		result := "failed"
		if n.Delivered {
			result = "delivered"
		}
		p.webhooks.WithLabelValues(result).Inc()
	case mailroom.WebhookOff:
		p.webhooks.WithLabelValues("switched_off").Inc()
	}
}

// CRM counts what this process did with one CRM. It is its connector's observer (mailroom.CRMObserver).
type CRM struct {
	process *Process
	name    string
}

// CRM makes the series of a CRM. objects and resources are its connector's closed lists: what rows are pushed
// to, and the parts of its API that calls are counted by.
func (p *Process) CRM(name domain.CRM, objects, resources []string) *CRM {
	c := &CRM{p, string(name)}
	for _, o := range objects {
		for _, r := range Results {
			p.pushed.WithLabelValues(c.name, o, r)
		}
	}
	for _, r := range resources {
		p.calls.WithLabelValues(c.name, r)
		p.pushTook.WithLabelValues(c.name, r)
	}
	p.budget.WithLabelValues(c.name)
	return c
}

// Pushed counts rows that went to the CRM. result is one of Results.
func (c *CRM) Pushed(object, result string, n int) {
	c.process.pushed.WithLabelValues(c.name, object, result).Add(float64(n))
}

// Called counts a call to the CRM and how long it took.
func (c *CRM) Called(resource string, took time.Duration) {
	c.process.calls.WithLabelValues(c.name, resource).Inc()
	c.process.pushTook.WithLabelValues(c.name, resource).Observe(took.Seconds())
}

// BudgetUsed reports which share of what may be ours is spent.
func (c *CRM) BudgetUsed(ratio float64) { c.process.budget.WithLabelValues(c.name).Set(ratio) }

// Ran counts a job; done is false when it failed and will be tried again.
func (p *Process) Ran(taskType string, took time.Duration, done bool) {
	result := "failed"
	if done {
		result = "done"
		if at := p.succeeded[taskType]; at != nil {
			now := time.Now()
			at.Store(&now)
		}
	}
	p.jobs.WithLabelValues(taskType, result).Observe(took.Seconds())
}

// RecordHeld is whether the record is held, as it is a copy or was restored from a backup.
func RecordHeld(held func() bool) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "inmail_record_held",
		Help: "1 while the record is held, as it is a copy or was restored from a backup: nothing is accepted or sent until an operator resumes it."},
		func() float64 {
			if held() {
				return 1
			}
			return 0
		})
}

// BuildInfo is inmail_build_info: always 1, with what the program was built from as labels.
func BuildInfo(version, commit, goVersion string) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "inmail_build_info", Help: "Always 1: what the program was built from.",
		ConstLabels: prometheus.Labels{"version": version, "commit": commit, "go": goVersion}})
	g.Set(1)
	return g
}

// ClockOffset is how far the record's time is ahead of this machine's clock.
func ClockOffset(offset func() time.Duration) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "inmail_clock_offset_seconds",
		Help: "How far the record's time is ahead of this machine's clock; negative: behind. More than 2 s either way: set the clock."},
		func() float64 { return offset().Seconds() })
}

// ScheduleBeat is how long ago the schedule beat last, as this process knows.
func ScheduleBeat(age func() time.Duration) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "inmail_schedule_beat_age_seconds",
		Help: "How long ago the schedule of all processes took a slot, as this process knows. It takes one a second; from 10 s on it stands still."},
		func() float64 { return age().Seconds() })
}
