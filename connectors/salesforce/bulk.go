package salesforce

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"inmail/domain"
)

// These constants bound a bulk job. The org takes 100 MB in an upload. We send a third of that to keep our
// memory small, and it still has fifty times the rows of a Composite call.
const (
	maxUpload  = 32 << 20
	maxJobRows = 50_000
	maxResults = 4 * maxUpload
	bulkAbove  = 2_000 // up to so many rows go in Composite calls, Salesforce's own rule (SALESFORCE.md 2.3)
)

// These constants bound the waiting for a job. A pause grows from a few seconds to a minute, and the waiting
// ends when the org no longer keeps a job open.
const (
	firstPoll = 3 * time.Second
	lastPoll  = time.Minute
	maxPolls  = 24 * 60
)

// sheet is the data of a job: a CSV with a header. An empty cell leaves its field unchanged, and #N/A empties
// it.
type sheet struct {
	object, operation, key string
	columns                []string
	data                   bytes.Buffer
	out                    *csv.Writer
	rows                   int
}

const nullCell = "#N/A"

func newSheet(object, operation, key string, columns ...string) *sheet {
	s := &sheet{object: object, operation: operation, key: key, columns: columns}
	s.out = csv.NewWriter(&s.data)
	s.write(columns)
	return s
}

func (s *sheet) write(cells []string) {
	// A bytes.Buffer returns no error.
	_ = s.out.Write(cells)
	s.out.Flush()
}

// add appends a row with the same values as a row of a Composite call.
func (s *sheet) add(row map[string]any) {
	cells := make([]string, len(s.columns))
	for i, name := range s.columns {
		switch v, there := row[name]; v := v.(type) {
		case nil:
			if there && s.operation == "upsert" {
				cells[i] = nullCell
			}
		case string:
			cells[i] = cmp.Or(plainNull(v), v)
		case bool:
			cells[i] = strconv.FormatBool(v)
		case int:
			cells[i] = strconv.Itoa(v)
		}
	}
	s.write(cells)
	s.rows++
}

// plainNull returns what stands for a text that would empty its field in a job; empty for every other text.
func plainNull(text string) string {
	if text == nullCell {
		return "# N/A"
	}
	return ""
}

// jobInfo is the org's description of a job.
type jobInfo struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Failed int    `json:"numberRecordsFailed"`
}

func (j jobInfo) ended() bool {
	return j.State == "JobComplete" || j.State == "Failed" || j.State == "Aborted"
}

// bulkRow is the result of one row: its record's id, or its fault.
type bulkRow struct {
	id    string
	fault *Fault
}

// class returns the class of a row that failed. A row that the job did not reach has no fault, and is classed
// like a call without an answer.
func (r bulkRow) class() string {
	if r.fault == nil {
		return string(domain.Locked)
	}
	return string(r.fault.Class)
}

// openJob creates a job for a sheet.
func (c *Connector) openJob(ctx context.Context, s *sheet) (jobInfo, error) {
	body := map[string]string{"object": s.object, "operation": s.operation,
		"contentType": "CSV", "lineEnding": "LF", "columnDelimiter": "COMMA"}
	if s.operation == "upsert" {
		body["externalIdFieldName"] = s.key
	}
	j, err := c.job(ctx, http.MethodPost, "jobs/ingest", body)
	if err == nil && j.ID == "" {
		err = unanswered(http.StatusOK, errors.New("a job has no id"))
	}
	return j, err
}

// fillJob uploads the sheet once and closes the job, after which the org begins to work on it.
func (c *Connector) fillJob(ctx context.Context, id string, s *sheet) error {
	_, err := c.do(ctx, call{method: http.MethodPut, path: "jobs/ingest/" + id + "/batches", body: s.data.Bytes(),
		header: http.Header{"Content-Type": {"text/csv; charset=UTF-8"}}})
	if err != nil {
		return err
	}
	_, err = c.job(ctx, http.MethodPatch, "jobs/ingest/"+id, map[string]string{"state": "UploadComplete"})
	return err
}

// abortJob ends a job whose result nobody needs.
func (c *Connector) abortJob(ctx context.Context, id string) error {
	_, err := c.job(ctx, http.MethodPatch, "jobs/ingest/"+id, map[string]string{"state": "Aborted"})
	return err
}

func (c *Connector) job(ctx context.Context, method, path string, body any) (j jobInfo, err error) {
	var in []byte
	if body != nil {
		if in, err = encodeJSON(body); err != nil {
			return j, unanswered(0, errors.New("a job cannot be asked for"))
		}
	}
	a, err := c.do(ctx, call{method: method, path: path, body: in})
	if err != nil {
		return j, err
	}
	if err := json.Unmarshal(a.body, &j); err != nil {
		return j, unanswered(a.status, errors.New("the description of a job cannot be read"))
	}
	return j, nil
}

// awaitJob waits until a job has ended. It pauses a little longer after each poll and calls notify after
// each.
func (c *Connector) awaitJob(ctx context.Context, id string, notify func()) (jobInfo, error) {
	pause := firstPoll
	for range maxPolls {
		j, err := c.job(ctx, http.MethodGet, "jobs/ingest/"+id, nil)
		notify()
		if err != nil && asFault(err).Class != domain.Locked && asFault(err).Class != domain.Unreachable {
			return j, err
		}
		if err == nil && j.ended() {
			return j, nil
		}
		if err := c.wait(ctx, pause); err != nil {
			return j, unanswered(0, fmt.Errorf("wait for a bulk job: %w", err))
		}
		pause = min(pause*3/2, lastPoll)
	}
	return jobInfo{}, unanswered(0, errors.New("a bulk job has no end"))
}

// results reads the results of an ended job, by the rows' keys. JobComplete does not mean that all rows were
// taken. A row that is in neither list was not reached.
func (c *Connector) results(ctx context.Context, id string, s *sheet) (map[string]bulkRow, error) {
	rows := make(map[string]bulkRow, s.rows)
	for _, list := range []string{"successfulResults", "failedResults"} {
		a, err := c.do(ctx, call{method: http.MethodGet, path: "jobs/ingest/" + id + "/" + list, limit: maxResults,
			header: http.Header{"Accept": {"text/csv"}}})
		if err != nil {
			return nil, err
		}
		if err := readResults(a.body, s.key, rows); err != nil {
			return nil, unanswered(a.status, fmt.Errorf("read the results of a bulk job: %w", err))
		}
	}
	return rows, nil
}

func readResults(data []byte, key string, rows map[string]bulkRow) error {
	r := csv.NewReader(bytes.NewReader(data))
	r.ReuseRecord, r.FieldsPerRecord = true, -1
	header, err := r.Read()
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return errors.New("the header cannot be read")
	}
	header = slices.Clone(header)
	idAt, errorAt, keyAt := slices.Index(header, "sf__Id"), slices.Index(header, "sf__Error"), slices.Index(header, key)
	for {
		cells, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil || len(cells) != len(header) || idAt < 0 || keyAt < 0 {
			return errors.New("a row cannot be read, or has no key")
		}
		row := bulkRow{id: strings.Clone(cells[idAt])}
		if errorAt >= 0 {
			row.fault = bulkFault(cells[errorAt])
		}
		rows[strings.Clone(cells[keyAt])] = row
	}
}

// bulkFault reads an error of the form CODE:message:fields -- and returns its Fault.
func bulkFault(text string) *Fault {
	code, rest, _ := strings.Cut(text, ":")
	e := orgError{Code: code, message: strings.Clone(rest)}
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		for _, f := range strings.Split(strings.TrimSuffix(rest[i+1:], "--"), ",") {
			if f = strings.TrimSpace(f); fieldForm.MatchString(f) {
				e.Fields = append(e.Fields, strings.Clone(f))
			}
		}
	}
	e.Code = strings.Clone(e.Code)
	return newFault(http.StatusOK, []orgError{e}, ofRow)
}
