package sandbox

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Pages of a bulk query's results.
const (
	defaultResultRows = 10_000
	maxResultRows     = 100_000
)

// newQueryJob answers POST /jobs/query.
func (c *call) newQueryJob(js *jobs) reply {
	in, refused := c.texts("operation", "query", "contentType", "lineEnding", "columnDelimiter")
	if refused != nil {
		return refuse(refused)
	}
	j := &job{version: c.version, user: c.who.user, made: c.at, state: jobUploadComplete, outcome: jobComplete, operation: in["operation"], query: in["query"]}
	if j.operation != "query" && j.operation != "queryAll" {
		return jobError("INVALIDJOB", "InvalidJob : operation %q is not known", j.operation)
	}
	if refused := j.readFormat(in); refused != nil {
		return refuse(refused)
	}
	parsed, refused := parseSOQL(j.query)
	if refused != nil {
		return refuse(refused)
	}
	c.sandbox.store.mu.RLock()
	defer c.sandbox.store.mu.RUnlock()
	p, refused := newPlan(c.sandbox.schema, j.query, parsed, c.who, c.at, j.operation == "queryAll")
	if refused != nil {
		return refuse(refused)
	}
	if p.count || p.isGrouped() || p.offset > 0 {
		return jobError("API_ERROR", "COUNT, GROUP BY and OFFSET are not supported in a bulk query")
	}
	if !js.queries.add(c.at, 1, maxQueryJobsPerDay) {
		return jobError("LIMIT_EXCEEDED", "DailyBulkV2QueryJobs limit exceeded")
	}
	j.rows = p.table(c.sandbox.store, j)
	js.add(j)
	return jsonReply(http.StatusOK, j.appendInfo(nil))
}

// table runs a plan and gives its rows as cells. Null is an empty cell.
func (p *plan) table(st *store, j *job) [][]string {
	for _, c := range p.columns {
		j.header = append(j.header, c.label)
	}
	records := p.matches(st)
	p.sortRecords(st, records)
	records = cut(records, 0, p.limit)
	rows := make([][]string, len(records))
	for i, r := range records {
		for _, c := range p.columns {
			rows[i] = append(rows[i], c.path.leaf().text(c.path.value(st, r, p.now)))
		}
	}
	return rows
}

// queryResults answers GET /jobs/query/{id}/results?maxRecords=&locator=.
func (c *call) queryResults(j *job) reply {
	if j.state != jobComplete {
		return jobError("INVALIDJOBSTATE", "Job has not completed: %s", j.state)
	}
	from, size := 0, defaultResultRows
	if text := c.query.Get("maxRecords"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxResultRows {
			return jobError("INVALIDJOB", "maxRecords must be from 1 to %d", maxResultRows)
		}
		size = n
	}
	if locator := c.query.Get("locator"); locator != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(locator, "MT"))
		if err != nil || !strings.HasPrefix(locator, "MT") || n < 1 || n >= len(j.rows) {
			return jobError("INVALIDJOB", "locator %q is not known", locator)
		}
		from = n
	}
	to := min(from+size, len(j.rows))
	out := appendCSV(nil, j.format, j.header...)
	for _, r := range j.rows[from:to] {
		out = appendCSV(out, j.format, r...)
	}
	next := "null"
	if to < len(j.rows) {
		next = "MT" + strconv.Itoa(to)
	}
	header := http.Header{}
	header.Set("Sforce-Locator", next)
	header.Set("Sforce-NumberOfRecords", fmt.Sprint(to-from))
	return reply{status: http.StatusOK, mimeType: "text/csv", header: header, body: out}
}
