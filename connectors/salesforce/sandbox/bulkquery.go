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
	j := &job{version: c.version, user: c.who.user, made: c.at, state: jobUploadComplete, outcome: jobComplete,
		operation: in["operation"], query: in["query"]}
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
	return c.reading(func(v *view) reply {
		p, refused := newPlan(v.schema, j.query, parsed, c.who, c.at, j.operation == "queryAll")
		if refused != nil {
			return refuse(refused)
		}
		if p.count || p.isGrouped() || p.offset > 0 || p.hasChildren() {
			return jobError("API_ERROR", "COUNT, GROUP BY, OFFSET and sub-queries are not supported in a bulk query")
		}
		if !js.queries.add(c.at, 1, maxQueryJobsPerDay) {
			return jobError("LIMIT_EXCEEDED", "DailyBulkV2QueryJobs limit exceeded")
		}
		if err := j.run(v, p); err != nil {
			return c.failed(err)
		}
		js.add(j)
		return jsonReply(http.StatusOK, j.appendInfo(nil))
	})
}

// run writes the rows of a plan to the job's result. Null is an empty cell.
func (j *job) run(v *view, p *plan) (err error) {
	if j.result, err = newSpool(v.folder); err != nil {
		return err
	}
	for _, c := range p.columns {
		j.header = append(j.header, c.label)
	}
	cells := make([]string, len(p.columns))
	p.each(v, func(n uint64, r *record) {
		if r == nil {
			r = v.find(newID(p.object.prefix, n))
		}
		if r == nil {
			return // the database failed
		}
		for i, c := range p.columns {
			cells[i] = c.path.leaf().text(c.path.value(v, r, p.now))
		}
		j.starts = append(j.starts, j.result.size)
		_, _ = j.result.Write(appendCSV(nil, j.format, cells...)) // Flush returns the error
	})
	j.numRows, j.starts = len(j.starts), append(j.starts, j.result.size)
	return j.result.Flush()
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
		if err != nil || !strings.HasPrefix(locator, "MT") || n < 1 || n >= j.numRows {
			return jobError("INVALIDJOB", "locator %q is not known", locator)
		}
		from = n
	}
	to := min(from+size, j.numRows)
	next := "null"
	if to < j.numRows {
		next = "MT" + strconv.Itoa(to)
	}
	r := csvReply(appendCSV(nil, j.format, j.header...), j.result.part(j.starts[from], j.starts[to]))
	r.header = http.Header{}
	r.header.Set("Sforce-Locator", next)
	r.header.Set("Sforce-NumberOfRecords", fmt.Sprint(to-from))
	return r
}
