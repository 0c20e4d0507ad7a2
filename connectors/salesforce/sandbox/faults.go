package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// FaultKind names what goes wrong. The string is also its name under /sandbox/faults.
type FaultKind string

// The kinds of fault. Those that refuse do so before anything is stored, unless their comment says
// otherwise.
const (
	RowLock         FaultKind = "row_lock"           // rows fail with UNABLE_TO_LOCK_ROW
	RowDuplicate    FaultKind = "row_duplicate"      // rows fail with DUPLICATE_VALUE, as in a race of two inserts
	RowRefused      FaultKind = "row_refused"        // rows of Object fail with Code, as by a trigger or flow of the org
	SessionExpired  FaultKind = "session_expired"    // 401, and the session has ended
	LimitTotal      FaultKind = "limit_total"        // 403 REQUEST_LIMIT_EXCEEDED, TotalRequests
	LimitConcurrent FaultKind = "limit_concurrent"   // 403 REQUEST_LIMIT_EXCEEDED, ConcurrentRequests
	UnavailableHTML FaultKind = "unavailable_html"   // 503 with an HTML page
	ServerError     FaultKind = "server_error"       // 500 UNKNOWN_EXCEPTION
	BadGateway      FaultKind = "bad_gateway"        // 502 with an HTML page
	GatewayTimeout  FaultKind = "gateway_timeout"    // 504 with an HTML page
	TimeoutAfter    FaultKind = "timeout_after"      // 504 after the commit
	QueryTimeout    FaultKind = "query_timeout"      // 400 QUERY_TIMEOUT
	InMaintenance   FaultKind = "org_in_maintenance" // 503 ORG_IN_MAINTENANCE
	APIDisabled     FaultKind = "api_disabled"       // 403 API_CURRENTLY_DISABLED
	SlowBefore      FaultKind = "slow_before"        // waits Delay, then does the work
	SlowAfter       FaultKind = "slow_after"         // does the work, then waits Delay before the answer
	DropBefore      FaultKind = "drop_before"        // the connection ends without an answer
	DropAfter       FaultKind = "drop_after"         // the connection ends after the commit, without an answer
	TruncatedBody   FaultKind = "truncated_body"     // after the commit, half of the answer
	EmptyBody       FaultKind = "empty_body"         // after the commit, the status without a body
	EmptyErrorList  FaultKind = "empty_error_list"   // 500 whose body is []
	InvalidGrant    FaultKind = "invalid_grant"      // token: 400
	InvalidClient   FaultKind = "invalid_client"     // token: 400
	LoginRefused    FaultKind = "login_refused"      // token: 400 with Code and Message as error and error_description
	InvalidLogin    FaultKind = "invalid_login"      // soap: the fault INVALID_LOGIN
	BulkJobFails    FaultKind = "bulk_job_fails"     // the next job that is closed ends as Failed
)

// Fault is an injected fault: its kind, the calls that it hits, and how often.
type Fault struct {
	Kind FaultKind `json:"kind"`
	// Resource limits it to one resource, such as composite, query, sobjects, token or
	// jobs/ingest; empty means every call of the REST API.
	Resource string `json:"resource,omitempty"`
	// Rate is the share of calls that the fault hits, 0 to 1; for the row kinds it is the share of rows. 0
	// hits all of them.
	Rate float64 `json:"rate,omitempty"`
	// Skip is the number of calls (rows) that pass before the first hit.
	Skip int `json:"skip,omitempty"`
	// Next is the number of hits after which the fault ends; 0: it stays until it is cleared.
	Next int `json:"next,omitempty"`
	// Delay is how long the slow kinds wait, by Options.Sleep.
	Delay time.Duration `json:"delay,omitempty"`
	// Object, Code, Message and Fields are the answer of row_refused to rows of an object; Code and Message
	// are also that of login_refused.
	Object  string   `json:"object,omitempty"`
	Code    string   `json:"code,omitempty"`
	Message string   `json:"message,omitempty"`
	Fields  []string `json:"fields,omitempty"`
	// Above limits row_refused to requests that have more rows of the object than this, as a trigger does
	// that meets a limit of its transaction.
	Above int `json:"above,omitempty"`
	// Where limits row_refused to rows that have these values, by the names of their fields: a record that
	// the org's automation refuses each time.
	Where map[string]string `json:"where,omitempty"`
}

// Validate returns what is wrong with a fault, or nil.
func (f Fault) Validate() error {
	switch {
	case !slices.Contains(faultKinds, f.Kind):
		return fmt.Errorf("sandbox: fault kind %q is not known", f.Kind)
	case f.Rate < 0 || f.Rate > 1:
		return fmt.Errorf("sandbox: fault rate %v is not from 0 to 1", f.Rate)
	case f.Skip < 0 || f.Next < 0 || f.Delay < 0:
		return fmt.Errorf("sandbox: skip, next and delay of a fault are 0 or more")
	case (f.Kind == SlowBefore || f.Kind == SlowAfter) && f.Delay == 0:
		return fmt.Errorf("sandbox: fault %s needs a delay", f.Kind)
	case f.Kind == RowRefused && (f.Object == "" || f.Code == ""):
		return fmt.Errorf("sandbox: fault %s needs an object and a code", f.Kind)
	case f.Kind == LoginRefused && (f.Code == "" || f.Resource != "token"):
		return fmt.Errorf("sandbox: fault %s needs a code, and belongs to the resource token", f.Kind)
	case f.Kind != RowRefused && f.Kind != LoginRefused && (f.Object != "" || f.Code != "" || f.Message != "" || f.Fields != nil || f.Above != 0 || f.Where != nil):
		return fmt.Errorf("sandbox: object, code, message, fields, above and where belong to the fault %s", RowRefused)
	case f.Resource != "" && !slices.Contains(resources, f.Resource):
		return fmt.Errorf("sandbox: resource %q is not known", f.Resource)
	case (f.Kind == InvalidGrant || f.Kind == InvalidClient) && f.Resource != "token":
		return fmt.Errorf("sandbox: fault %s belongs to the resource token", f.Kind)
	case f.Kind == InvalidLogin && f.Resource != "soap":
		return fmt.Errorf("sandbox: fault %s belongs to the resource soap", f.Kind)
	}
	return nil
}

var faultKinds = []FaultKind{
	RowLock, RowDuplicate, RowRefused, SessionExpired, LimitTotal, LimitConcurrent, UnavailableHTML, ServerError, BadGateway,
	GatewayTimeout, TimeoutAfter, QueryTimeout, InMaintenance, APIDisabled, SlowBefore, SlowAfter, DropBefore,
	DropAfter, TruncatedBody, EmptyBody, EmptyErrorList, InvalidGrant, InvalidClient, LoginRefused, InvalidLogin, BulkJobFails,
}

// resources are the names by which calls are counted and to which faults are limited.
var resources = []string{
	"token", "soap", "versions", "resources", "query", "queryAll", "limits", "describe", "sobjects", "composite",
	"composite/sobjects", "composite/graph", "composite/tree", "jobs/ingest", "jobs/query", "metadata", "other",
}

// faults are the faults that are active, and how often each kind has struck.
type faults struct {
	mu     sync.Mutex
	random *rand.Rand
	list   []*Fault
	struck map[FaultKind]int
}

func newFaults(seed uint64) *faults {
	return &faults{random: rand.New(rand.NewPCG(seed, seed)), struck: map[FaultKind]int{}}
}

// add activates faults. When one is not valid it activates none.
func (fs *faults) add(added ...Fault) error {
	for _, f := range added {
		if err := f.Validate(); err != nil {
			return err
		}
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range added {
		fs.list = append(fs.list, &f)
	}
	return nil
}

func (fs *faults) clear() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = nil
}

func (fs *faults) active() []Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	out := []Fault{}
	for _, f := range fs.list {
		out = append(out, *f)
	}
	return out
}

func (fs *faults) counts() map[FaultKind]int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return maps.Clone(fs.struck)
}

// strikes reports whether a fault hits now, and counts the hit.
func (fs *faults) strikes(f *Fault) bool {
	if f.Skip > 0 {
		f.Skip--
		return false
	}
	if f.Rate > 0 && fs.random.Float64() >= f.Rate {
		return false
	}
	fs.struck[f.Kind]++
	if f.Next > 0 {
		if f.Next--; f.Next == 0 {
			fs.list = slices.DeleteFunc(fs.list, func(other *Fault) bool { return other == f })
		}
	}
	return true
}

func rowKind(k FaultKind) bool { return k == RowLock || k == RowDuplicate || k == RowRefused }

// hit is the fault that strikes one request.
type hit struct {
	kind      FaultKind // empty: no fault
	delay     time.Duration
	rows      rowFault
	bulkFails bool
	fault     Fault // as it was asked for
}

// pick returns the first fault that hits a request of the resource.
func (fs *faults) pick(resource string) hit {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	h := hit{rows: rowFault{faults: fs, resource: resource}}
	for _, f := range slices.Clone(fs.list) {
		login := resource == "token" || resource == "soap"
		if rowKind(f.Kind) || f.Resource != resource && (f.Resource != "" || login) {
			continue
		}
		if fs.strikes(f) {
			if f.Kind == BulkJobFails {
				h.bulkFails = true
				continue
			}
			h.kind, h.delay, h.fault = f.Kind, f.Delay, *f
			return h
		}
	}
	return h
}

// rowFault decides for each row of a request whether a fault hits it.
type rowFault struct {
	faults   *faults
	resource string
	within   string // the resource of a subrequest; empty outside of composites
}

// strike returns the error with which the next row fails, or nil.
func (rf rowFault) strike() *apiError {
	if rf.faults == nil {
		return nil
	}
	fs := rf.faults
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range slices.Clone(fs.list) {
		aimed := f.Resource == "" || f.Resource == rf.resource || f.Resource == rf.within
		if !rowKind(f.Kind) || f.Kind == RowRefused || !aimed || !fs.strikes(f) {
			continue
		}
		if f.Kind == RowLock {
			return &apiError{Code: "UNABLE_TO_LOCK_ROW", Message: "unable to obtain exclusive access to this record"}
		}
		return &apiError{Code: "DUPLICATE_VALUE",
			Message: "duplicate value found: <unknown> duplicates value on record with id: <unknown>"}
	}
	return nil
}

// refuse returns the error with which the org's automation refuses a row of an object that is about to be
// stored, or nil. chunk is how many rows of the object the request has.
func (rf rowFault) refuse(d *draft, chunk int) *apiError {
	if rf.faults == nil {
		return nil
	}
	fs := rf.faults
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range slices.Clone(fs.list) {
		if f.Kind == RowRefused && f.Object == d.object.name && chunk > f.Above && d.has(f.Where) && fs.strikes(f) {
			return &apiError{Code: f.Code, Message: f.Message, Fields: f.Fields}
		}
	}
	return nil
}

// has reports whether a draft has values, by the names of their fields.
func (d *draft) has(values map[string]string) bool {
	for name, want := range values {
		f := d.object.field(name)
		if f == nil || f.text(d.at(f)) != want {
			return false
		}
	}
	return true
}

func page(status int, text string) reply {
	return reply{status: status, mimeType: "text/html",
		body: []byte("<!DOCTYPE html>\n<html><head><title>" + text + "</title></head><body><h1>" + text +
			"</h1><p>InMail Salesforce sandbox</p></body></html>\n")}
}

// refusal returns the answer of a kind that refuses before the work; ok is false for the other kinds.
func (k FaultKind) refusal() (a reply, ok bool) {
	switch k {
	case LimitTotal:
		return refuse(totalLimit), true
	case LimitConcurrent:
		return refuse(concurrentLimit), true
	case UnavailableHTML:
		return page(http.StatusServiceUnavailable, "We are down for maintenance."), true
	case ServerError:
		return refuse(&apiError{Code: "UNKNOWN_EXCEPTION",
			Message: "An unexpected error occurred. Please include this ErrorId if you contact support: " +
				"0000000000-00000"}), true
	case BadGateway:
		return page(http.StatusBadGateway, "Bad Gateway"), true
	case GatewayTimeout:
		return page(http.StatusGatewayTimeout, "Gateway Timeout"), true
	case QueryTimeout:
		return refuse(&apiError{Code: "QUERY_TIMEOUT", Message: "Your query request was running for too long."}), true
	case InMaintenance:
		return refuse(&apiError{Code: "ORG_IN_MAINTENANCE", Message: "The organization is in maintenance"}), true
	case APIDisabled:
		return refuse(&apiError{Code: "API_CURRENTLY_DISABLED",
			Message: "API is currently disabled for this organization"}), true
	case EmptyErrorList:
		return jsonReply(http.StatusInternalServerError, []byte("[]")), true
	case SessionExpired:
		return refuse(&apiError{Code: "INVALID_SESSION_ID", Message: "Session expired or invalid"}), true
	case InvalidGrant:
		return jsonReply(http.StatusBadRequest,
			[]byte(`{"error":"invalid_grant","error_description":"authentication failure"}`)), true
	case InvalidClient:
		return jsonReply(http.StatusBadRequest,
			[]byte(`{"error":"invalid_client","error_description":"invalid client credentials"}`)), true
	case InvalidLogin:
		return soapFault(invalidLogin), true
	}
	return reply{}, false
}

// before applies a fault that strikes before the work. It reports whether the work is still to be done.
func (h hit) before(s *Sandbox, w http.ResponseWriter, r *http.Request) bool {
	switch h.kind {
	case DropBefore:
		panic(http.ErrAbortHandler)
	case SlowBefore:
		bufferRequest(w, r)
		s.wait(r, h.delay)
		return true
	case SessionExpired:
		if token, refused := bearer(r); refused == nil {
			s.sessions.end(token)
		}
	}
	if h.kind == LoginRefused {
		s.oauthError(w, r, http.StatusBadRequest, h.fault.Code, h.fault.Message)
		return false
	}
	if a, ok := h.kind.refusal(); ok {
		s.write(w, r, a)
		return false
	}
	return true
}

// after applies a fault that strikes after the work. It reports whether the answer is still to be sent.
func (h hit) after(s *Sandbox, w http.ResponseWriter, r *http.Request, a reply) bool {
	switch h.kind {
	case DropAfter:
		panic(http.ErrAbortHandler)
	case SlowAfter:
		s.wait(r, h.delay)
		return true
	case TimeoutAfter:
		s.write(w, r, page(http.StatusGatewayTimeout, "Gateway Timeout"))
		return false
	case EmptyBody:
		s.write(w, r, reply{status: a.status, body: []byte{}})
		return false
	case TruncatedBody:
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		w.Header().Set("Content-Length", fmt.Sprint(len(a.body)+1))
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body[:len(a.body)/2])
		panic(http.ErrAbortHandler)
	}
	return true
}

// wait blocks a call for d. It ignores that the client disconnects: an org that has received a request
// completes it.
func (s *Sandbox) wait(r *http.Request, d time.Duration) {
	if s.options.Sleep(context.WithoutCancel(r.Context()), d) != nil {
		panic(http.ErrAbortHandler)
	}
}

// bufferRequest reads the request to its end, so that a client which disconnects later does not cancel it.
func bufferRequest(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCSVBody+1))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
}
