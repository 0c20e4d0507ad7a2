package sandbox

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits of Bulk API 2.0 (SALESFORCE.md 2.3).
const (
	maxBatchesPerDay   = 15_000
	maxQueryJobsPerDay = 10_000
	rowsPerBatch       = 10_000
	maxJobRows         = 150_000_000
	maxCell            = 131_072
	maxRowCharacters   = 400_000
	maxColumns         = 5_000
	maxJobOpen         = 24 * time.Hour
	resultsKept        = 7 * 24 * time.Hour
	jobPrefix          = "750"
)

// jobState is the state of a job, in the words of the API.
type jobState string

const (
	jobOpen           jobState = "Open"
	jobUploadComplete jobState = "UploadComplete"
	jobInProgress     jobState = "InProgress"
	jobComplete       jobState = "JobComplete"
	jobFailed         jobState = "Failed"
	jobAborted        jobState = "Aborted"
)

// job is a bulk job, of ingest or of query.
type job struct {
	id, version, user string
	made              time.Time
	state             jobState
	outcome           jobState // the final state, which the job shows after it was polled often enough
	problem           string   // why it failed
	format            csvFormat
	lineEnding        string
	columnDelimiter   string

	// ingest
	object    *object
	operation string
	key       *field
	upload    *spool
	stored    *spool // the result list of the rows that were stored
	refused   *spool // the result list of the rows that were refused
	numFailed int

	// query
	query  string
	result *spool
	starts []int64 // byte offset at which each row of the result begins, then the end of the last row

	header  []string
	numRows int
}

// jobRow is the outcome of one row.
type jobRow struct {
	id      string
	created bool
	err     *apiError // nil: it was stored
}

// jobs are the bulk jobs of the org.
type jobs struct {
	mu      sync.Mutex
	byID    map[string]*job
	next    uint64
	fail    bool // a fault was injected: the next job that is closed fails
	batches tally
	queries tally
}

// tally counts the events of the last 24 hours. It has its own mutex, because limits are read while other
// locks are held.
type tally struct {
	mu    sync.Mutex
	times []time.Time
}

// add counts n more events. It returns false, and counts nothing, when that would exceed the limit.
func (t *tally) add(now time.Time, n, limit int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(now)
	if len(t.times)+n > limit {
		return false
	}
	for range n {
		t.times = append(t.times, now)
	}
	return true
}

func (t *tally) today(now time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(now)
	return len(t.times)
}

func (t *tally) forget(now time.Time) {
	t.times = slices.DeleteFunc(t.times, func(at time.Time) bool { return now.Sub(at) >= 24*time.Hour })
}

// failNext makes the next job that is closed end as Failed.
func (js *jobs) failNext() {
	js.mu.Lock()
	defer js.mu.Unlock()
	js.fail = true
}

// add gives a job its id. The caller holds the lock.
func (js *jobs) add(j *job) {
	if js.byID == nil {
		js.byID = map[string]*job{}
	}
	for id, old := range js.byID {
		if j.made.Sub(old.made) > resultsKept {
			delete(js.byID, id)
		}
	}
	js.next++
	j.id = newID(jobPrefix, js.next)
	js.byID[j.id] = j
}

// bulk answers /jobs/ingest… and /jobs/query….
func (c *call) bulk(path []string) reply {
	if len(path) == 0 || path[0] != "ingest" && path[0] != "query" {
		return notFound()
	}
	js := &c.sandbox.jobs
	js.mu.Lock()
	defer js.mu.Unlock()
	ingest := path[0] == "ingest"
	if len(path) == 1 {
		switch {
		case c.method != http.MethodPost:
			return methodNotAllowed(c.method, "POST")
		case ingest:
			return c.newIngest(js)
		}
		return c.newQueryJob(js)
	}
	full, _ := canonicalID(path[1])
	j := js.byID[full]
	if j == nil || (j.object != nil) != ingest || j.user != c.who.user {
		return refuse(&apiError{Code: "NOT_FOUND", Message: "The requested resource does not exist"})
	}
	switch {
	case len(path) == 2:
		return c.job(js, j)
	case len(path) == 3 && ingest && path[2] == "batches":
		return c.upload(j)
	case len(path) == 3 && c.method != http.MethodGet:
		return methodNotAllowed(c.method, "GET")
	case len(path) == 3 && ingest:
		return j.ingestResults(path[2])
	case len(path) == 3 && path[2] == "results":
		return c.queryResults(j)
	}
	return notFound()
}

func jobError(code, format string, args ...any) reply {
	return refuse(&apiError{Code: code, Message: fmt.Sprintf(format, args...)})
}

// texts reads a JSON object whose members are all strings and have one of the known names.
func (c *call) texts(known ...string) (map[string]string, *apiError) {
	body, refused := c.object()
	if refused != nil {
		return nil, refused
	}
	out := map[string]string{}
	for _, a := range body {
		text, ok := a.value.(string)
		if !ok || !slices.Contains(known, a.name) {
			return nil, &apiError{Code: "INVALIDJOB",
				Message: fmt.Sprintf("Unrecognized or malformed field %q", a.name)}
		}
		out[a.name] = text
	}
	return out, nil
}

// readFormat reads the CSV format of a job's data.
func (j *job) readFormat(in map[string]string) *apiError {
	j.lineEnding, j.columnDelimiter = in["lineEnding"], in["columnDelimiter"]
	if j.lineEnding == "" {
		j.lineEnding = "LF"
	}
	if j.columnDelimiter == "" {
		j.columnDelimiter = "COMMA"
	}
	delimiter, ok := delimiters[j.columnDelimiter]
	if kind := in["contentType"]; !ok || j.lineEnding != "LF" && j.lineEnding != "CRLF" || kind != "" && kind != "CSV" {
		return &apiError{Code: "INVALIDJOB",
			Message: "contentType must be CSV, lineEnding LF or CRLF, columnDelimiter one of BACKQUOTE, CARET, " +
				"COMMA, PIPE, SEMICOLON, TAB"}
	}
	j.format = csvFormat{delimiter, j.lineEnding == "CRLF"}
	return nil
}

// newIngest answers POST /jobs/ingest.
func (c *call) newIngest(js *jobs) reply {
	in, refused := c.texts("object", "operation", "externalIdFieldName", "contentType", "lineEnding", "columnDelimiter")
	if refused != nil {
		return refuse(refused)
	}
	o := c.sandbox.schema.object(in["object"])
	if o == nil || !c.who.sees(o) {
		return jobError("INVALIDJOB", "InvalidJob : Unable to find object: %s", in["object"])
	}
	j := &job{version: c.version, user: c.who.user, made: c.at, state: jobOpen, object: o, operation: in["operation"]}
	switch j.operation {
	case "insert", "update", "delete", "hardDelete":
		if in["externalIdFieldName"] != "" {
			return jobError("INVALIDJOB", "InvalidJob : externalIdFieldName is for upsert only")
		}
	case "upsert":
		key, refused := c.who.externalKey(o, in["externalIdFieldName"])
		if refused != nil {
			return jobError("INVALIDJOB", "InvalidJob : %s", refused.Message)
		}
		j.key = key
	default:
		return jobError("INVALIDJOB", "InvalidJob : operation %q is not known", j.operation)
	}
	if refused := j.readFormat(in); refused != nil {
		return refuse(refused)
	}
	js.add(j)
	return jsonReply(http.StatusOK, j.appendInfo(nil))
}

// job answers GET, PATCH and DELETE of one job.
func (c *call) job(js *jobs, j *job) reply {
	switch c.method {
	case http.MethodGet:
		j.move(c.at)
		return jsonReply(http.StatusOK, j.appendInfo(nil))
	case http.MethodPatch:
		in, refused := c.texts("id", "state")
		if refused != nil {
			return refuse(refused)
		}
		return c.setState(js, j, in["state"])
	case http.MethodDelete:
		if j.state == jobOpen || j.state == jobUploadComplete || j.state == jobInProgress {
			return jobError("INVALIDJOBSTATE", "Job must be in a terminal state to be deleted")
		}
		delete(js.byID, j.id)
		return reply{status: http.StatusNoContent}
	}
	return methodNotAllowed(c.method, "DELETE", "GET", "PATCH")
}

// move advances a job by one state each time it is polled. Its rows are stored when it is closed; the
// states in between are shown so that a client has to poll as it must in the org.
func (j *job) move(now time.Time) {
	switch {
	case j.state == jobOpen && now.Sub(j.made) > maxJobOpen:
		j.state, j.problem = jobFailed, "Job was open for more than 24 hours"
	case j.state == jobUploadComplete:
		j.state = jobInProgress
	case j.state == jobInProgress:
		j.state = j.outcome
	}
}

func (c *call) setState(js *jobs, j *job, state string) reply {
	switch jobState(state) {
	case jobAborted:
		if j.state != jobOpen && j.state != jobUploadComplete {
			return jobError("INVALIDJOBSTATE", "Aborting already %s Job not allowed", j.state)
		}
		j.state = jobAborted
	case jobUploadComplete:
		if j.object == nil {
			return jobError("INVALIDJOBSTATE", "a query job can only be aborted")
		}
		if j.state != jobOpen {
			return jobError("INVALIDJOBSTATE", "Closing already %s Job not allowed", j.state)
		}
		if j.upload == nil {
			return jobError("INVALIDJOBSTATE", "the job has no data")
		}
		j.state, j.outcome = jobUploadComplete, jobComplete
		if js.fail {
			js.fail = false
			j.fail("InternalServerError : failed on request")
			break
		}
		c.process(js, j)
	default:
		return jobError("INVALIDJOBSTATE", "state must be UploadComplete or Aborted")
	}
	return jsonReply(http.StatusOK, j.appendInfo(nil))
}

func (j *job) fail(problem string) {
	j.outcome, j.problem, j.numRows, j.numFailed = jobFailed, problem, 0, 0
	j.stored, j.refused = nil, nil
}

// upload answers PUT /jobs/ingest/{id}/batches: once for each job.
func (c *call) upload(j *job) reply {
	switch {
	case c.method != http.MethodPut:
		return methodNotAllowed(c.method, "PUT")
	case j.state != jobOpen:
		return jobError("INVALIDJOBSTATE", "Job is not in Open state: %s", j.state)
	case j.upload != nil:
		return jobError("INVALIDJOBSTATE", "a job takes one upload")
	case c.csv.size == 0:
		return jobError("INVALIDJOB", "the upload is empty")
	}
	j.upload = c.csv
	return reply{status: http.StatusCreated}
}

// process reads the data twice: once to check it, once to store its rows. A fault of the data as a whole
// fails the job; a fault of one row fails that row.
func (c *call) process(js *jobs, j *job) {
	defer func() { j.upload = &spool{} }() // it was read; its file is no longer needed
	rows, columns, problem := j.parse(c.who)
	if problem != "" {
		j.fail(problem)
		return
	}
	if !js.batches.add(c.at, (rows+rowsPerBatch-1)/rowsPerBatch, maxBatchesPerDay) {
		j.fail("ExceededQuota : ApiBatchItems Limit exceeded.")
		return
	}
	if err := c.processRows(j, columns, rows); err != nil {
		c.failed(err)
		j.fail("InternalServerError : the results are lost")
	}
	c.sandbox.store.scrubDue()
}

func (c *call) processRows(j *job, columns []*field, left int) (err error) {
	for list, second := range map[**spool]string{&j.stored: "sf__Created", &j.refused: "sf__Error"} {
		if *list, err = newSpool(c.sandbox.store.folder); err != nil {
			return err
		}
		columns := append([]string{"sf__Id", second}, j.header...)
		_, _ = (*list).Write(appendCSV(nil, j.format, columns...)) // Flush returns the error
	}
	r := newCSVReader(j.upload.all(), j.format)
	_, err = r.next() // the header
	// Each chunk of 200 rows is one transaction, as in the org.
	for ; left > 0 && err == nil; left -= maxCollection {
		chunk := make([][]string, min(left, maxCollection))
		for i := range chunk {
			if chunk[i], err = r.next(); err != nil {
				return err
			}
		}
		c.processChunk(j, columns, chunk)
	}
	return errors.Join(err, j.stored.Flush(), j.refused.Flush())
}

// processChunk stores rows and writes the outcome of each into the result lists.
func (c *call) processChunk(j *job, columns []*field, chunk [][]string) {
	results := make([]jobRow, len(chunk))
	keys := jobKeys(j, chunk, columns)
	tx := c.sandbox.store.begin(c.sandbox.now, c.who)
	defer tx.rollback()
	tx.rows, tx.chunk = c.rows, min(len(chunk), maxCollection)
	for i, cells := range chunk {
		results[i] = c.processRow(tx, j, columns, cells, keys[i])
	}
	if err := tx.finish(); err != nil {
		c.failed(err)
		for i := range results {
			results[i] = jobRow{err: &apiError{Code: "UNKNOWN_EXCEPTION", Message: "An unexpected error occurred."}}
		}
	}
	for i, r := range results {
		list, says := j.stored, strconv.FormatBool(r.created)
		if j.numRows++; r.err != nil {
			j.numFailed++
			list, says = j.refused, r.err.csv()
		}
		_, _ = list.Write(appendCSV(nil, j.format, append([]string{r.id, says}, chunk[i]...)...))
	}
}

// parse checks the data and counts its rows. problem is empty, or the reason of failure in the org's words.
func (j *job) parse(who caller) (rows int, columns []*field, problem string) {
	refuse := func(format string, args ...any) (int, []*field, string) { return 0, nil, fmt.Sprintf(format, args...) }
	if err := j.upload.Flush(); err != nil {
		return refuse("InternalServerError : %v", err)
	}
	r := newCSVReader(j.upload.all(), j.format)
	header, err := r.next()
	if err != nil {
		return refuse("ClientInputError : %v", err)
	}
	if len(header) > maxColumns {
		return refuse("InvalidBatch : more than %d fields", maxColumns)
	}
	j.header = header
	visited := map[*field]bool{}
	for _, name := range header {
		f := who.visible(j.object, name)
		switch {
		case f == nil:
			return refuse("InvalidBatch : Field name not found : %s", name)
		case visited[f]:
			return refuse("InvalidBatch : Duplicate field name : %s", name)
		}
		visited[f] = true
		columns = append(columns, f)
	}
	id := j.object.fields[posID]
	switch {
	case j.key != nil && !visited[j.key]:
		return refuse("InvalidBatch : Field name not found : %s", j.key.name)
	case (j.operation == "delete" || j.operation == "hardDelete") && (len(columns) != 1 || !visited[id]):
		return refuse("InvalidBatch : a delete takes the field Id and no other")
	case j.operation == "update" && !visited[id]:
		return refuse("InvalidBatch : Field name not found : Id")
	}
	for {
		line := r.line
		row, err := r.next()
		if err != nil {
			return refuse("ClientInputError : %v", err)
		}
		if row == nil {
			return rows, columns, ""
		}
		if problem := checkRow(row, len(columns), line); problem != "" {
			return refuse("%s", problem)
		}
		if rows++; rows > maxJobRows {
			return refuse("InvalidBatch : too many rows")
		}
	}
}

func checkRow(row []string, columns, line int) string {
	if len(row) != columns {
		return fmt.Sprintf("InvalidBatch : line %d has %d cells, the header has %d", line, len(row), columns)
	}
	sum := 0
	for _, cell := range row {
		n := len([]rune(cell))
		if n > maxCell {
			return fmt.Sprintf("InvalidBatch : line %d has a cell of more than %d characters", line, maxCell)
		}
		sum += n
	}
	if sum > maxRowCharacters {
		return fmt.Sprintf("InvalidBatch : line %d has more than %d characters", line, maxRowCharacters)
	}
	return ""
}

// jobKeys reads the external ids of an upsert. A key that occurs twice in one chunk fails both rows.
func jobKeys(j *job, chunk [][]string, columns []*field) []rowKey {
	if j.key == nil {
		return make([]rowKey, len(chunk))
	}
	at := slices.Index(columns, j.key)
	texts := make([]any, len(chunk))
	for i, cells := range chunk {
		if cells[at] != "" && cells[at] != csvNull {
			texts[i] = cells[at]
		}
	}
	return readKeys(j.key, texts, readCSVValue)
}

// csvNull is the cell that sets a field to null; an empty cell leaves it as it is.
const csvNull = "#N/A"

func (c *call) processRow(tx *txn, j *job, columns []*field, cells []string, key rowKey) jobRow {
	var result jobRow
	if e := c.rows.strike(); e != nil {
		result.err = e
		return result
	}
	if key.errs != nil {
		result.err = key.errs[0]
		return result
	}
	var in row
	id := ""
	for i, f := range columns {
		switch {
		case f.pos == posID:
			id = cells[i]
		case cells[i] == csvNull:
			in = append(in, assignment{f.name, nil})
		case cells[i] != "":
			in = append(in, assignment{f.name, cells[i]})
		}
	}
	var errs []*apiError
	before := tx.mark()
	switch j.operation {
	case "insert":
		if id != "" {
			in = append(in, assignment{"Id", id})
		}
		result.created = true
		result.id, errs = tx.insert(j.object, in, readCSVValue)
	case "update":
		result.id, _ = canonicalID(id)
		errs = tx.update(j.object, id, in, readCSVValue)
	case "upsert":
		result.id, result.created, errs = tx.upsert(j.object, j.key, key.value, in, readCSVValue)
	default:
		result.id, errs = tx.deleteRow(j.object, id, j.operation == "hardDelete")
	}
	if result.err = first(errs); result.err != nil {
		tx.rollbackTo(before)
	}
	return result
}

// deleteRow deletes a record of a job; with hard it is purged from the recycle bin too.
func (tx *txn) deleteRow(o *object, id string, hard bool) (string, []*apiError) {
	r, refused := tx.target(o, id)
	if refused != nil {
		return "", one(refused)
	}
	if e := tx.remove(o, r.id()); e != nil {
		return "", one(e)
	}
	if gone := tx.find(r.id()); hard && gone != nil {
		tx.put(gone, nil)
	}
	return r.id(), nil
}

// ingestResults answers one of the three lists of a job that has ended.
func (j *job) ingestResults(which string) reply {
	if j.state != jobComplete && j.state != jobFailed && j.state != jobAborted {
		return jobError("INVALIDJOBSTATE", "Job has not ended: %s", j.state)
	}
	var list *spool
	switch which {
	case "successfulResults":
		list = j.stored
	case "failedResults":
		list = j.refused
	case "unprocessedrecords":
	default:
		return notFound()
	}
	if list == nil {
		columns := map[string][]string{"successfulResults": {"sf__Id", "sf__Created"},
			"failedResults": {"sf__Id", "sf__Error"}}[which]
		return csvReply(appendCSV(nil, j.format, append(columns, j.header...)...), nil)
	}
	return csvReply([]byte{}, list.all())
}

func csvReply(head []byte, rest io.Reader) reply {
	return reply{status: http.StatusOK, mimeType: "text/csv", body: head, rest: rest}
}

// csv writes an error as failedResults shows it.
func (e *apiError) csv() string {
	return fmt.Sprintf("%s:%s:%s --", e.Code, e.Message, strings.Join(e.Fields, ","))
}

// appendInfo writes the description and state of a job.
func (j *job) appendInfo(out []byte) []byte {
	out = fmt.Appendf(out, `{"id":"%s","operation":"%s"`, j.id, j.operation)
	if j.object != nil {
		out = fmt.Appendf(out, `,"object":"%s","contentUrl":"services/data/v%s/jobs/ingest/%s/batches"`,
			j.object.name, j.version, j.id)
		if j.key != nil {
			out = fmt.Appendf(out, `,"externalIdFieldName":"%s"`, j.key.name)
		}
	}
	kind := "V2Ingest"
	if j.object == nil {
		kind = "V2Query"
	}
	out = fmt.Appendf(out, `,"createdById":"%s","createdDate":"%s","systemModstamp":"%s","state":"%s",`+
		`"concurrencyMode":"Parallel","contentType":"CSV","apiVersion":%s,"lineEnding":"%s","columnDelimiter":"%s",`+
		`"jobType":"%s"`,
		j.user, j.made.UTC().Format(dateTimeLayout), j.made.UTC().Format(dateTimeLayout), j.state, j.version,
		j.lineEnding, j.columnDelimiter, kind)
	if j.state == jobComplete || j.state == jobFailed {
		out = fmt.Appendf(out,
			`,"numberRecordsProcessed":%d,"numberRecordsFailed":%d,"retries":0,"totalProcessingTime":1`, j.numRows,
			j.numFailed)
	}
	if j.state == jobFailed {
		out = append(out, `,"errorMessage":`...)
		out = appendString(out, j.problem)
	}
	return append(out, '}')
}
