package dashboards

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"

	"inmail/domain"
)

// The routes of the HTTP interface by who calls them. People's pages are all that is neither the API nor for
// machines.
const (
	pageRoutes = `route!~"/v1/.*|/livez|/readyz|/metrics.*|/openapi.json|/queues.*|/assets/.*|other"`
	signIns    = `method="POST", route=~"/sign-in.*"`
)

// Delivery shows whether InMails arrive. Its first row is what to look at when an alert calls; three more
// unfold: the way of an InMail, the people and programs that call, and the machines.
func Delivery() (Dashboard, error) {
	b := newBoard("delivery", "Delivery",
		"Whether InMails arrive, and expire, in time. The first row is for the night; the others unfold: the way of an "+
			"InMail, who calls, and what runs.", `{__name__="inmail_delivered_total"}`)
	b = b.WithRow(dashboard.NewRowBuilder("Is something wrong now?"))
	for _, p := range wrongNow() {
		b = b.WithPanel(p)
	}
	return finish(b.WithRow(folding("The way of an InMail: accepted, queued, delivered, expired", theWay()...)).
		WithRow(folding("Who calls: recipients, pages, API", callers()...)).
		WithRow(folding("What runs: jobs, webhooks, machines", works()...)))
}

// folding is a row that is folded when the board is opened.
func folding(title string, panels ...cog.Builder[dashboard.Panel]) *dashboard.RowBuilder {
	row := dashboard.NewRowBuilder(title)
	for _, p := range panels {
		row = row.WithPanel(p)
	}
	return row
}

// The HTTP requests of all callers, probes and scrapes too.
const requestCount = "inmail_http_request_duration_seconds_count"

// wrongNow are the panels of the first row: each number leads to an alert that wakes somebody.
func wrongNow() []cog.Builder[dashboard.Panel] {
	const targets = `job=~"inmail.*"`
	calling := "count(job_alertname_severity:alerts_calling:max{" + recorded + "}) or 0 * max(" +
		DeliveryObjective.total("5m") + "{" + recorded + "})"
	attempted := inHour("", "inmail_send_attempts_total")
	decided := "(" + inHour("", "inmail_delivered_total") + ") + (" + inHour("", "inmail_sends_refused_total") + ")"
	return []cog.Builder[dashboard.Panel]{
		number("Alerts calling", "How many alerts call now? The red marks on the charts say which, and the README what to do.",
			units.Short, latest(calling, "")).Span(4).Thresholds(limits(1, 1)),
		number("Targets down", "How many of our processes does Prometheus not reach, on either of their metrics pages?",
			units.Short, latest("count("+selector("up", targets)+" == 0) or 0 * count("+selector("up", targets)+")", "")).
			Span(4).Thresholds(limits(1, 1)),
		lateNow(DeliveryObjective, "Delivered late, last hour",
			"What share of the InMails delivered in the last hour took longer than 5 s from being accepted?"),
		lateNow(HTTPObjective, "HTTP failures, last hour",
			"What share of the HTTP answers of the last hour was a failure of ours (5xx)?"),
		number("Oldest send waiting", "How long has the oldest send waited for a worker? Past a minute nobody is working.",
			units.Seconds, latest(`max(`+selector("asynq_queue_latency_seconds", `queue=~"sends.*"`)+`)`, "")).Span(4).
			Thresholds(limits(waitingLimit.Seconds()/2, waitingLimit.Seconds())),
		number("CRM behind", "How long has the oldest change waited to reach a CRM? 0 means that nothing waits.",
			units.Seconds, latest(crmLag(""), "")).Span(4).
			Thresholds(limits(SalesforceObjective.Within/3, SalesforceObjective.Within)).
			Links(linkTo("salesforce", "Which CRM, and why")),
		paint(lines("Attempted and decided",
			"Is every attempt decided? Counts of the hour before each moment. The two lines lie on each other; a gap that "+
				"stays is InMails that wait.",
			units.Short, series(attempted, "Attempted"), series(decided, "Decided")), "Attempted", "Decided"),
		paint(limited(lines("Oldest task waiting",
			"Which queue is behind, and since when? The line is where InMailSendsWaiting calls.",
			units.Seconds, series("max by (of) ("+wholeQueue(selector("asynq_queue_latency_seconds"))+")", "{{of}}")),
			limits(waitingLimit.Seconds()/2, waitingLimit.Seconds())), "queue"),
		paint(limited(lines("Delivery lag",
			"How long from accepted to the inbox? 0 where nothing was delivered; the line is the objective's 5 s.",
			units.Seconds, quantiles("inmail_delivery_lag_seconds")...),
			limits(DeliveryObjective.Within/5, DeliveryObjective.Within)), "p50", "p95", "p99"),
		burning(DeliveryObjective, "Delivered late",
			"Is the delivery objective at risk? Above the lower line the month's allowance is used too fast, above "+
				"the upper one somebody is called."),
		burning(HTTPObjective, "HTTP failures", "Is the HTTP objective at risk? Probes and metrics are not counted."),
		limited(lines("Jobs that fail",
			"Which kind of job fails, and what share of its runs? Failed jobs come again; the line is where "+
				"InMailJobsFail calls. Other is the highest of the kinds that fail least.",
			units.PercentUnit, series(folded(named, "max", "type",
				over(perSecond("type", "inmail_job_duration_seconds_count", `result="failed"`),
					perSecond("type", "inmail_job_duration_seconds_count")),
				most("type", "inmail_job_duration_seconds_count", `result="failed"`)), "{{type}}")).AxisSoftMax(2*jobsLimit),
			limits(jobsLimit/2, jobsLimit)),
	}
}

// wholeQueue adds the label of, with the name of the queue, which the parts of one that is split on a cluster
// have in common.
func wholeQueue(expr string) string {
	return `label_replace(` + expr + `, "of", "$1", "queue", "([^:]*).*")`
}

// theWay are the panels about InMails from being accepted to their end.
func theWay() []cog.Builder[dashboard.Panel] {
	tasks := "job_queue_state:asynq_tasks:max{" + recorded
	perQueue := func(metric string) string {
		each := wholeQueue("max by (queue) (rate(" + selector(metric) + "[$__rate_interval])) or 0 * max by (queue) (" +
			selector(metric) + ")")
		return "60 * sum by (of) (" + each + ")"
	}
	return []cog.Builder[dashboard.Panel]{
		paint(stacked("Attempts", "Who tries to send how much, by account type? Counts of the hour before each moment.",
			units.Short, series(inHour("account_type", "inmail_send_attempts_total"), "{{account_type}}")), "account_type"),
		paint(stacked("Refused", "Why are sends refused? Counts of the hour before each moment, by the rules' own words; "+
			"nobody has to act, unless one of them jumps.",
			units.Short, series(refusals(), "{{reason}}")).
			Links(linkTo("reputation", "Refusals in detail")), "reason"),
		paint(stacked("Delivered", "How many InMails reach an inbox, by account type? Counts of the hour before each moment.",
			units.Short, series(inHour("account_type", "inmail_delivered_total"), "{{account_type}}")), "account_type"),
		paint(stacked("Tasks by state",
			"Are tasks waiting, being tried again, or given up (archived)? One task carries up to 500 InMails.",
			units.Short, series("sum by (state) ("+tasks+`, state!="completed"})`, "{{state}}")).Span(6), "state"),
		paint(lines("Tasks pending", "How long is each queue, and does it get longer?",
			units.Short, series("sum by (of) ("+wholeQueue(tasks+`, state="pending"}`)+")", "{{of}}")).Span(6), "queue"),
		paint(lines("Tasks done", "How much does each queue get done, per minute?",
			units.OpsPerMinute, series(perQueue("asynq_tasks_processed_total"), "{{of}}")).Span(6), "queue"),
		paint(lines("Tasks failed", "Whose tasks fail, to be tried again? Per minute.",
			units.OpsPerMinute, series(perQueue("asynq_tasks_failed_total"), "{{of}}")).Span(6), "queue"),
		heat("Delivery lag, spread", "Are all deliveries slow, or is there a second group that is?",
			"inmail_delivery_lag_seconds").Span(12),
		paint(lines("Expired per hour",
			"How many InMails run out unopened, and in what bursts? Counts of the hour before each moment.",
			units.Short, series(inHour("", "inmail_expired_total"), "Expiries")).Span(12), "Expiries"),
		burning(ExpiryObjective, "Expired late",
			"Is the expiry objective at risk? Readers see the expiry in time all the same; figures and CRMs "+
				"are late.").Span(12),
		paint(limited(lines("Expiry lag",
			fmt.Sprintf("How long after its %d h is an expiry persisted and counted? Quantiles of the last hour, 0 where "+
				"nothing expired; the line is the objective's 60 s.", domain.WindowHours),
			units.Seconds, quantilesOf("inmail_expiry_lag_seconds",
				"sum by (le) (job_le:inmail_expiry_lag_seconds_bucket:rate1h{"+recorded+"})")...),
			limits(ExpiryObjective.Within/2, ExpiryObjective.Within)).Span(12), "p50", "p95", "p99"),
	}
}

// refusals counts refusals by reason; the rarer reasons are together.
func refusals() string {
	return folded(named, "sum", "reason", inHour("reason", "inmail_sends_refused_total"),
		most("reason", "inmail_sends_refused_total"))
}

// callers are the panels about recipients, and about who calls the pages and the API.
func callers() []cog.Builder[dashboard.Panel] {
	all := selector(requestCount)
	reads := func(route string) string {
		return inHour("", requestCount, `method="GET"`, `route="`+route+`"`) + " or 0 * sum(" + all + ")"
	}
	signedIn := func(code string) string {
		return inHour("", requestCount, signIns, `code=~"`+code+`"`) + " or 0 * sum(" + all + ")"
	}
	first := func(expr string) string { // the first part of a page's path is its name
		return `label_replace(` + expr + `, "page", "/$1", "route", "/([^/{]*).*")`
	}
	pages := selector(requestCount, pageRoutes)
	perPage := "sum by (page) (" + first("increase("+pages+"[1h])") + ") or 0 * sum by (page) (" + first(pages) + ")"
	answered := func(code string) string {
		return inHour("", requestCount, pageRoutes, `code=~"`+code+`"`) + " or 0 * sum(" + all + ")"
	}
	answer := func(expr string) string { // the first digit of the code
		return `sum by (answer) (label_replace(` + expr + `, "answer", "$1", "code", "([1-5]).*"))`
	}
	answers := "60 * " + answer("rate("+all+"[$__rate_interval])") + " or 0 * " + answer(all)
	requests := perSecond("", requestCount)
	failures := perSecond("", requestCount, `code=~"5.."`)
	buckets := "sum by (le, route) (rate(" + selector("inmail_http_request_duration_seconds_bucket") +
		"[$__rate_interval]))"
	return []cog.Builder[dashboard.Panel]{
		paint(lines("What recipients do",
			"Do recipients read, open, answer, decline and report? Counts of the hour before each moment.",
			units.Short,
			series(inHour("", "inmail_previewed_total"), "Previews"), series(inHour("", "inmail_opened_total"), "Openings"),
			series(inHour("", "inmail_replied_total"), "Replies"), series(inHour("", "inmail_declined_total"), "Declines"),
			series(inHour("", "inmail_reports_total"), "Reports")), "Previews", "Openings", "Replies", "Declines", "Reports"),
		paint(lines("Inbox reads", "Do recipients come, and by which way? Counts of the hour before each moment.",
			units.Short, series(reads("/v1/inbox"), "By the API"), series(reads("/inbox"), "On the page")),
			"By the API", "On the page"),
		paint(lines("Sign-ins",
			"Do people get into the pages? Refused are keys that are not known and links that are used up. Counts of "+
				"the hour before each moment.",
			units.Short, series(signedIn("3.."), "Signed in"), series(signedIn("[45].."), "Refused")), "Signed in", "Refused"),
		stacked("Page requests",
			"Which pages are used? Counts of the hour before each moment, by the first part of the path.",
			units.Short, series(orZero(folded(named, "sum", "page", perPage, "sum by (page) ("+first(pages+" @ end()")+")"),
				"page", "other", all), "{{page}}")).Span(12),
		paint(lines("Page errors",
			"Do pages fail their readers? 4xx is a page that is not there or not theirs, 5xx is ours. Counts of the "+
				"hour before each moment.",
			units.Short, series(answered("4.."), "4xx"), series(answered("5.."), "5xx")).Span(12), "4xx", "5xx"),
		lines("Requests by route", "Which calls are made, and how often, per minute?",
			units.RequestsPerMinute, series(folded(named, "sum", "route", perMinute("route", requestCount),
				most("route", requestCount)), "{{route}}")),
		paint(stacked("Answers",
			"How are requests answered, per minute? 4xx is the caller's mistake or a rule's refusal, 5xx is ours.",
			units.RequestsPerMinute, series(answers, "{{answer}}xx")), "answer"),
		paint(lines("Failures", "Do we fail callers now? 0 on a good day.",
			units.PercentUnit, series(over("("+failures+") or 0 * ("+requests+")", requests), "Failed share")).AxisSoftMax(0.05),
			"Failed share"),
		paint(lines("Latency", "How long do callers wait?",
			units.Seconds, quantiles("inmail_http_request_duration_seconds")...), "p50", "p95", "p99"),
		lines("Latency by route, p99",
			"Which call is the slow one? The routes that are called most; other is all others together.",
			units.Seconds, series(orZero(quantile("0.99", foldedBuckets("route", buckets, most("route", requestCount))),
				"route", "other", all), "{{route}}")),
		limited(lines("Wrong keys",
			"How many requests a second come with a key that is not known? The line is where InMailWrongKeys calls.",
			units.RequestsPerSecond, series(perSecond("", "inmail_http_wrong_keys_total"), "Wrong keys")).
			AxisSoftMax(2*wrongKeysLimit), limits(wrongKeysLimit/2, wrongKeysLimit)),
	}
}

// foldedBuckets is folded for the buckets of a histogram by le and label.
func foldedBuckets(label, buckets, rank string) string {
	return folded(named, "sum by (le) ", label, buckets, rank)
}

// works are the panels about jobs, events for others, and the machines.
func works() []cog.Builder[dashboard.Panel] {
	const jobs = "inmail_job_duration_seconds"
	const undelivered = "inmail_webhook_oldest_undelivered_timestamp_seconds"
	buckets := "sum by (le, type) (rate(" + selector(jobs+"_bucket") + "[$__rate_interval]))"
	byType := func(expr, rank string) string { return folded(named, "sum", "type", expr, rank) }
	cpu, memory := selector("process_cpu_seconds_total"), selector("process_resident_memory_bytes")
	goroutines, files := selector("go_goroutines"), selector("process_open_fds")
	offset := selector("inmail_clock_offset_seconds")
	return []cog.Builder[dashboard.Panel]{
		lines("Jobs", "What kinds of job run, and how often, per minute?", units.OpsPerMinute,
			series(byType(perMinute("type", jobs+"_count"), most("type", jobs+"_count")), "{{type}}")),
		lines("Job duration, p95",
			"Which kind of job is slow? The kinds that run longest in all; other is all others together. A task is taken "+
				"from a worker that is silent for 30 s.",
			units.Seconds, series(orZero(quantile("0.95", foldedBuckets("type", buckets, most("type", jobs+"_sum"))),
				"type", "other", selector(jobs+"_count")), "{{type}}")),
		lines("Workers busy",
			"How many workers does each kind of job keep busy on average? Near the configured concurrency the "+
				"queue begins to grow.",
			units.Short, series(byType(perSecond("type", jobs+"_sum"), most("type", jobs+"_sum")), "{{type}}")),
		limited(lines("Schedule", "Does the schedule go on? It takes a slot a second; the line is where "+
			"InMailScheduleStandsStill calls.",
			units.Seconds, series("min("+selector("inmail_schedule_beat_age_seconds")+")", "Since a slot")).
			AxisSoftMax(1.2*stillLimit.Seconds()), limits(stillLimit.Seconds()/2, stillLimit.Seconds())).Span(12),
		lines("Last success", "When did each periodic job last succeed? A line that rises past its "+
			"interval is a job that fails, or that no worker runs.",
			units.Seconds, series(folded(named, "max", "type", "min by (type) ("+selector("inmail_job_success_age_seconds")+")",
				"min by (type) ("+selector("inmail_job_success_age_seconds", `type!="other"`)+" @ end())"), "{{type}}")).
			Span(12),
		limited(lines("Oldest undelivered event",
			"How far is the slowest end point behind? 0 means that nothing waits; the line is where "+
				"InMailWebhooksBehind calls.",
			units.Seconds, series("max(time() - ("+once(undelivered)+" > 0)) or 0 * max("+once(undelivered)+")", "Oldest")).
			AxisSoftMax(1.2*webhookLimit), limits(webhookLimit/4, webhookLimit)).Span(12),
		lines("Webhook tries",
			"Do end points take their events? Counts of the hour before each moment; a failed one is tried again for 5 days.",
			units.Short, series(inHour("result", "inmail_webhook_deliveries_total"), "{{result}}")).Span(6),
		number("End points off",
			"How many end points get no events any more, until somebody enables them?",
			units.Short, latest("max("+once("inmail_webhooks_switched_off")+")", "")).Span(6).Height(8).Thresholds(limits(1, 1)),
		lines("CPU", "How many cores does each process use? Other is the busiest of the others.", units.Short,
			series(eachProcess("rate("+cpu+"[$__rate_interval]) or 0 * "+cpu, cpu+" @ end()"), "{{instance}}")),
		lines("Memory",
			"How much memory does each process hold, and does it only ever rise? Other is the largest of the others.",
			units.BytesIEC, series(eachProcess(memory, memory+" @ end()"), "{{instance}}")),
		lines("Goroutines",
			"Does something wait for ever? A line that only rises is a leak. Other is the highest of the others.",
			units.Short, series(eachProcess(goroutines, goroutines+" @ end()"), "{{instance}}")),
		limited(lines("Open files",
			"How near is each process to its limit of open files and connections? Other is the nearest of the others.",
			units.PercentUnit, series(eachProcess(files+" / "+selector("process_max_fds"), files+" @ end()"),
				"{{instance}}")).Max(1), limits(0.7, 0.9)),
		limited(lines("Clocks",
			"How far is each machine's clock from the record's time? Beyond 2 s it should be set; the record's time "+
				"decides meanwhile. Other is the farthest of the others.",
			units.Seconds, series(eachProcess("abs("+offset+")", "abs("+offset+" @ end())"), "{{instance}}")).
			AxisSoftMax(3), limits(1, apartLimit.Seconds())),
		lines("Versions", "Which versions run, and on how many processes? Two for longer than a release takes is "+
			"a process that was forgotten.", units.Short,
			series(folded(named, "sum", "version", `count by (version) (`+selector("inmail_build_info")+`)`,
				`count by (version) (`+selector("inmail_build_info", `version!="other"`)+` @ end())`), "{{version}}")),
	}
}

// eachProcess shows expr, a figure of our processes, for those that rank highest at the end of the time
// shown, and the highest of the others.
func eachProcess(expr, rank string) string {
	ranked := "max by (instance) (" + ours(rank) + " @ end())"
	return folded(named, "max", "instance", "max by (instance) ("+ours(expr)+")", ranked)
}

// lateNow shows the share of the last hour that missed o, coloured by how fast it uses up the allowance.
func lateNow(o Objective, title, question string) *stat.PanelBuilder {
	return number(title, question, units.PercentUnit, latest(fmt.Sprintf("max(%s{%s})", o.ratio("1h"), recorded), "")).
		Span(4).Decimals(2).Thresholds(limits(o.burn(1), o.burn(14.4)))
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
