package dashboards

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"

	"inmail/domain"
)

// Delivery shows whether InMails arrive: the way from accepting to the inbox and to expiry, with its
// objectives, the queue, the jobs, HTTP and the resources of the machines.
func Delivery() (Dashboard, error) {
	failing := "sum by (type) (rate(" + selector("inmail_job_duration_seconds_count",
		`result="failed"`) + "[$__rate_interval]))"
	jobs := perSecond("type", "inmail_job_duration_seconds_count")
	requests := perSecond("", "inmail_http_request_duration_seconds_count")
	failures := perSecond("", "inmail_http_request_duration_seconds_count", `code=~"5.."`)
	answers := `sum by (answer) (label_replace(rate(` + selector("inmail_http_request_duration_seconds_count") +
		`[$__rate_interval]), "answer", "$1", "code", "([1-5]).*"))`
	tasks := "job_queue_state:asynq_tasks:max{" + recorded

	const undelivered = "inmail_webhook_oldest_undelivered_timestamp_seconds"
	b := newBoard("delivery", "Delivery",
		"Whether InMails arrive, and expire, in time: accepting, queue, delivery, expiry, jobs, HTTP and what "+
			"capacity is left.", `{__name__="inmail_delivered_total"}`).
		WithRow(dashboard.NewRowBuilder("Are the objectives kept?")).
		WithPanel(lateNow(DeliveryObjective, "Delivered late, last hour",
			"What share of the InMails delivered in the last hour took longer than 5 s from being accepted?")).
		WithPanel(lateNow(ExpiryObjective, "Expired late, last hour",
			fmt.Sprintf("What share of the InMails expired in the last hour was persisted more than 60 s after its "+
				"%d h were over?", domain.WindowHours))).
		WithPanel(lateNow(HTTPObjective, "HTTP failures, last hour",
			"What share of the HTTP answers of the last hour was a failure of ours (5xx)?")).
		WithPanel(number("Oldest send waiting",
			"How long has the oldest send waited for a worker? Past a minute nobody is working.",
			units.Seconds, latest(`max(`+selector("asynq_queue_latency_seconds", `queue=~"sends.*"`)+`)`, "")).
			Thresholds(limits(waitingLimit.Seconds()/2, waitingLimit.Seconds()))).
		WithPanel(burning(DeliveryObjective, "Delivered late",
			"Is the delivery objective at risk? Above the lower line the month's allowance is used too fast, above "+
				"the upper one somebody is called.")).
		WithPanel(burning(ExpiryObjective, "Expired late",
			"Is the expiry objective at risk? Readers see the expiry in time all the same; figures and Salesforce "+
				"are late.")).
		WithPanel(burning(HTTPObjective, "HTTP failures",
			"Is the HTTP objective at risk? Probes and metrics are not counted.")).
		WithRow(dashboard.NewRowBuilder("Accept")).
		WithPanel(paint(stacked("Attempts", "Who tries to send how much, by account type?",
			units.CountsPerSecond,
			series(perSecond("account_type", "inmail_send_attempts_total"), "{{account_type}}")), "account_type")).
		WithPanel(paint(stacked("Refused",
			"Why are sends refused? The rules' own words; nobody has to act, unless one of them jumps.",
			units.CountsPerSecond, series(perSecond("reason", "inmail_sends_refused_total"), "{{reason}}")).
			Links(linkTo("reputation", "Refusals in detail")), "reason")).
		WithPanel(paint(lines("Attempted and decided",
			"Is every attempt decided? The two lines lie on each other; a gap that stays is InMails that wait.",
			units.CountsPerSecond, series(perSecond("", "inmail_send_attempts_total"), "Attempted"),
			series(perSecond("", "inmail_delivered_total")+" + "+perSecond("", "inmail_sends_refused_total"),
				"Decided")), "Attempted", "Decided")).
		WithRow(dashboard.NewRowBuilder("Queue")).
		WithPanel(paint(limited(lines("Oldest task waiting",
			"Which queue is behind, and since when? The line is where InMailSendsWaiting calls.",
			units.Seconds, series("max by (queue) ("+selector("asynq_queue_latency_seconds")+")", "{{queue}}")),
			limits(waitingLimit.Seconds()/2, waitingLimit.Seconds())), "queue")).
		WithPanel(paint(stacked("Tasks by state",
			"Are tasks waiting, being tried again, or given up (archived)? One task carries up to 500 InMails.",
			units.Short, series("sum by (state) ("+tasks+`, state!="completed"})`, "{{state}}")), "state")).
		WithPanel(paint(lines("Tasks done", "How much does each queue get done?",
			units.OpsPerSecond,
			series("max by (queue) (rate("+selector("asynq_tasks_processed_total")+"[$__rate_interval]))",
				"{{queue}}")), "queue")).
		WithPanel(paint(lines("Tasks pending", "How long is each queue, and does it get longer?",
			units.Short, series("sum by (queue) ("+tasks+`, state="pending"})`, "{{queue}}")).Span(12), "queue")).
		WithPanel(paint(lines("Tasks failed", "Whose tasks fail, to be tried again?",
			units.OpsPerSecond,
			series("max by (queue) (rate("+selector("asynq_tasks_failed_total")+"[$__rate_interval]))",
				"{{queue}}")).Span(12), "queue")).
		WithRow(dashboard.NewRowBuilder("Deliver")).
		WithPanel(paint(stacked("Delivered", "How many InMails reach an inbox, by account type?",
			units.CountsPerSecond, series(perSecond("account_type", "inmail_delivered_total"), "{{account_type}}")),
			"account_type")).
		WithPanel(paint(limited(lines("Delivery lag",
			"How long from accepted to the inbox? The line is the objective's 5 s.",
			units.Seconds, quantiles("inmail_delivery_lag_seconds")...),
			limits(DeliveryObjective.Within/5, DeliveryObjective.Within)), "p50", "p95", "p99")).
		WithPanel(heat("Delivery lag, spread", "Are all deliveries slow, or is there a second group that is?",
			"inmail_delivery_lag_seconds")).
		WithRow(dashboard.NewRowBuilder("Expire")).
		WithPanel(paint(lines("Expired per hour", "How many InMails run out unopened, and in what bursts?",
			units.Short, series(perHour("", "inmail_expired_total"), "Expiries")).Span(12), "Expiries")).
		WithPanel(paint(limited(lines("Expiry lag",
			fmt.Sprintf("How long after its %d h is an expiry persisted and counted? Quantiles of the last hour; "+
				"the line is the objective's 60 s.", domain.WindowHours),
			units.Seconds,
			quantilesOf("sum by (le) (job_le:inmail_expiry_lag_seconds_bucket:rate1h{"+recorded+"})")...),
			limits(ExpiryObjective.Within/2, ExpiryObjective.Within)).Span(12), "p50", "p95", "p99")).
		WithRow(dashboard.NewRowBuilder("Jobs")).
		WithPanel(lines("Jobs", "What kinds of job run, and how often?", units.OpsPerSecond, series(jobs, "{{type}}"))).
		WithPanel(limited(lines("Jobs that fail",
			"Which kind of job fails, and what share of its runs? Failed jobs come again; the line is where "+
				"InMailJobsFail calls.",
			units.PercentUnit, series(failing+" / ("+jobs+" > 0) or 0 * "+jobs, "{{type}}")).AxisSoftMax(2*jobsLimit),
			limits(jobsLimit/2, jobsLimit))).
		WithPanel(lines("Job duration, p95",
			"Which kind of job is slow? A task is taken from a worker that is silent for 30 s.",
			units.Seconds,
			series("histogram_quantile(0.95, "+perSecond("le, type", "inmail_job_duration_seconds_bucket")+")",
				"{{type}}"))).
		WithPanel(limited(lines("Schedule", "Does the schedule go on? It takes a slot a second; the line is where "+
			"InMailScheduleStandsStill calls.",
			units.Seconds, series("min by (job) ("+selector("inmail_schedule_beat_age_seconds")+")", "{{job}}")).
			AxisSoftMax(1.2*stillLimit.Seconds()), limits(stillLimit.Seconds()/2, stillLimit.Seconds())).Span(12)).
		WithPanel(lines("Last success", "When did each periodic job last succeed? A line that rises past its "+
			"interval is a job that fails, or that no worker runs.",
			units.Seconds, series("min by (type) ("+selector("inmail_job_success_age_seconds")+")", "{{type}}")).
			Span(12)).
		WithRow(dashboard.NewRowBuilder("Webhooks")).
		WithPanel(limited(lines("Oldest undelivered event",
			"How far is the slowest end point behind? 0 means that nothing waits; the line is where "+
				"InMailWebhooksBehind calls.",
			units.Seconds, series("max(time() - ("+once(undelivered)+" > 0)) or 0 * max("+once(undelivered)+")", "Oldest")).
			AxisSoftMax(1.2*webhookLimit), limits(webhookLimit/4, webhookLimit)).Span(12)).
		WithPanel(lines("Webhook tries",
			"Do end points take their events? A failed one is tried again for 5 days.",
			units.CountsPerSecond, series(perSecond("result", "inmail_webhook_deliveries_total"), "{{result}}")).Span(6)).
		WithPanel(number("End points off",
			"How many end points get no events any more, until somebody enables them?",
			units.Short, latest("max("+once("inmail_webhooks_switched_off")+")", "")).Span(6).Thresholds(limits(1, 1))).
		WithRow(dashboard.NewRowBuilder("HTTP")).
		WithPanel(lines("Requests by route", "Which calls are made, and how often?",
			units.RequestsPerSecond,
			series(perSecond("route", "inmail_http_request_duration_seconds_count"), "{{route}}"))).
		WithPanel(paint(stacked("Answers",
			"How are requests answered? 4xx is the caller's mistake or a rule's refusal, 5xx is ours.",
			units.RequestsPerSecond, series(answers, "{{answer}}xx")), "answer")).
		WithPanel(paint(lines("Failures", "Do we fail callers now? 0 on a good day.",
			units.PercentUnit,
			series(over(failures+" or 0 * "+requests, requests), "Failed share")).AxisSoftMax(0.05),
			"Failed share")).
		WithPanel(paint(lines("Latency", "How long do callers wait?",
			units.Seconds, quantiles("inmail_http_request_duration_seconds")...).Span(12), "p50", "p95", "p99")).
		WithPanel(lines("Latency by route, p99", "Which call is the slow one?",
			units.Seconds,
			series("histogram_quantile(0.99, "+perSecond("le, route",
				"inmail_http_request_duration_seconds_bucket")+")", "{{route}}")).Span(12)).
		WithPanel(limited(lines("Wrong keys",
			"How many requests come with a key that is not known? The line is where InMailWrongKeys calls.",
			units.RequestsPerSecond, series(perSecond("", "inmail_http_wrong_keys_total"), "Wrong keys")).
			AxisSoftMax(2*wrongKeysLimit), limits(wrongKeysLimit/2, wrongKeysLimit)).Span(12)).
		WithRow(dashboard.NewRowBuilder("Capacity")).
		WithPanel(lines("Workers busy",
			"How many workers does each kind of job keep busy on average? Near the configured concurrency the "+
				"queue begins to grow.",
			units.Short, series(perSecond("type", "inmail_job_duration_seconds_sum"), "{{type}}"))).
		WithPanel(lines("CPU", "How many cores does each process use?", units.Short,
			series(ours("rate("+selector("process_cpu_seconds_total")+"[$__rate_interval])"), "{{instance}}"))).
		WithPanel(lines("Memory", "How much memory does each process hold, and does it only ever rise?", units.BytesIEC,
			series(ours(selector("process_resident_memory_bytes")), "{{instance}}"))).
		WithPanel(lines("Goroutines", "Does something wait for ever? A line that only rises is a leak.", units.Short,
			series(ours(selector("go_goroutines")), "{{instance}}"))).
		WithPanel(limited(lines("Open files", "How near is each process to its limit of open files and connections?",
			units.PercentUnit,
			series(ours(selector("process_open_fds")+" / "+selector("process_max_fds")),
				"{{instance}}")).Max(1), limits(0.7, 0.9))).
		WithPanel(limited(lines("Clocks", "How far is each machine's clock from the record's time? Beyond 2 s it should be set; the record's "+
			"time decides meanwhile.", units.Seconds,
			series(ours("abs("+selector("inmail_clock_offset_seconds")+")"), "{{instance}}")).AxisSoftMax(3), limits(1, apartLimit.Seconds()))).
		WithPanel(lines("Versions", "Which versions run, and on how many processes? Two for longer than a release takes is "+
			"a process that was forgotten.", units.Short,
			series(`count by (version) (`+selector("inmail_build_info")+`)`, "{{version}}")))
	return finish(b)
}

// lateNow shows the share of the last hour that missed o, coloured by how fast it uses up the allowance.
func lateNow(o Objective, title, question string) *stat.PanelBuilder {
	return number(title, question, units.PercentUnit, latest(fmt.Sprintf("max(%s{%s})", o.ratio("1h"), recorded), "")).
		Decimals(2).Thresholds(limits(o.burn(1), o.burn(14.4)))
}

// burning shows the windows of o's alerts, with two lines: using up exactly the allowance, and using it up
// in two days.
func burning(o Objective, title, question string) *timeseries.PanelBuilder {
	return limited(paint(lines(title, question, units.PercentUnit,
		series(fmt.Sprintf("max(%s{%s})", o.ratio("5m"), recorded), "5 minutes"),
		series(fmt.Sprintf("max(%s{%s})", o.ratio("1h"), recorded), "1 hour"),
		series(fmt.Sprintf("max(%s{%s})", o.ratio("6h"), recorded), "6 hours"),
		series(fmt.Sprintf("max(%s{%s})", o.ratio("3d"), recorded), "3 days")).AxisSoftMax(1.2*o.burn(14.4)),
		"5 minutes", "1 hour", "6 hours", "3 days"), limits(o.burn(1), o.burn(14.4)))
}
