package salesforce

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	sfpackage "inmail/connectors/salesforce/package"
	"inmail/domain"
)

// orgError is one error in the org's words. The message only distinguishes faults that share a code, and is
// neither stored nor shown, because it may quote what was sent (STYLE H15).
type orgError struct {
	Code    string
	Fields  []string
	message string
}

// Fault says why a call or a part of it failed.
type Fault struct {
	Class  domain.FailureClass
	Status int           // the HTTP status; 0: there was no answer
	Errors []orgError    // the org's errors, in its order
	Rest   time.Duration // how long to send nothing, for LimitReached
	Split  bool          // the request was too large; its halves may pass
	Chunk  bool          // the rows of the request were too many for one transaction of the org's automation
	Known  bool          // the code is in verdicts; false: judged by the status alone
	OfCall bool          // a whole call or step failed, and no row was judged
	cause  error         // why a call has no answer
	until  time.Time     // when the part may be sent again, where only its object rests; zero: not known
}

// Error returns codes, fields and the status, and never a message of the org.
func (f *Fault) Error() string {
	text := "Salesforce: " + f.Detail()
	if f.cause != nil {
		text += ": " + f.cause.Error()
	}
	return text
}

// Unwrap returns why the call has no answer.
func (f *Fault) Unwrap() error { return f.cause }

// ClassName returns the class as a text.
func (f *Fault) ClassName() string { return string(f.Class) }

// Detail returns what may be stored and shown: the org's codes and field names, or the status.
func (f *Fault) Detail() string {
	var parts []string
	for _, e := range f.Errors {
		if text := e.detail(); !slices.Contains(parts, text) && len(parts) < maxReported {
			parts = append(parts, text)
		}
	}
	switch {
	case parts != nil:
		return strings.Join(parts, ", ")
	case f.Status != 0:
		return fmt.Sprintf("HTTP %d", f.Status)
	case f.Class == domain.LimitReached:
		return "budget spent"
	}
	return "no answer"
}

// maxReported bounds how many errors, and how many fields of each, are reported.
const maxReported = 5

// codeForm and fieldForm are the forms of the org's codes and field names. They match nothing that could be a
// text of an InMail.
var (
	codeForm  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_:]{0,79}$`)
	fieldForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]{0,79}$`)
)

func (e orgError) detail() string {
	code := e.Code
	if !codeForm.MatchString(code) {
		code = "UNREADABLE_CODE"
	}
	var fields []string
	for _, f := range e.Fields {
		if fieldForm.MatchString(f) && len(fields) < maxReported {
			fields = append(fields, f)
		}
	}
	if fields == nil {
		return code
	}
	return code + " (" + strings.Join(fields, ", ") + ")"
}

// origin is where in an answer an error is. The meaning of some codes depends on it.
type origin int

const (
	ofCall  origin = iota // the whole call, or one subrequest
	ofRow                 // one row of a collection
	ofLogin               // the token endpoint or the SOAP login
)

// verdict is what an error means for us.
type verdict struct {
	class domain.FailureClass
	rest  time.Duration
	split bool
	chunk bool
}

// These constants are how long nothing is sent after the org said that it takes nothing.
const (
	restLimit       = time.Hour        // the calls of 24 hours are used up; the window rolls
	restMaintenance = 10 * time.Minute // the org is in maintenance
	restStorage     = time.Hour        // the org's storage is full
)

// verdicts is the only table from a code to its meaning (SALESFORCE.md 2.5). What follows from a class is
// decided in the package worker.
var verdicts = map[string]verdict{
	// These faults pass by themselves.
	"UNABLE_TO_LOCK_ROW":                {class: domain.Locked},
	"SERVER_UNAVAILABLE":                {class: domain.Locked},
	"QUERY_TIMEOUT":                     {class: domain.Locked},
	"REQUEST_RUNNING_TOO_LONG":          {class: domain.Locked},
	"UNKNOWN_EXCEPTION":                 {class: domain.Locked},
	"INTERNAL_ERROR":                    {class: domain.Locked},
	"TXN_SECURITY_METERING_ERROR":       {class: domain.Locked},
	"TXN_SECURITY_RUNTIME_ERROR":        {class: domain.Locked},
	"PROCESSING_HALTED":                 {class: domain.Locked},
	"ALL_OR_NONE_OPERATION_ROLLED_BACK": {class: domain.Locked},
	"TOO_MANY_APEX_REQUESTS":            {class: domain.Locked},
	// An approval locks an entity for long; retries are at most 5 minutes apart.
	"ENTITY_IS_LOCKED": {class: domain.Locked},
	// Another call inserted the key, so the next try updates the record.
	"DUPLICATE_VALUE":       {class: domain.Locked},
	"INVALID_QUERY_LOCATOR": {class: domain.Locked},

	// These faults say that the org takes nothing for a while.
	"REQUEST_LIMIT_EXCEEDED":                              {class: domain.LimitReached, rest: restLimit},
	"ORG_IN_MAINTENANCE":                                  {class: domain.LimitReached, rest: restMaintenance},
	"INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE": {class: domain.LimitReached, rest: restMaintenance},
	"API_CURRENTLY_DISABLED":                              {class: domain.LimitReached, rest: restMaintenance},
	"STORAGE_LIMIT_EXCEEDED":                              {class: domain.LimitReached, rest: restStorage},

	// These faults concern the session or the login.
	"INVALID_SESSION_ID":                      {class: domain.SessionEnded},
	"INVALID_AUTH_HEADER":                     {class: domain.SessionEnded},
	"INVALID_LOGIN":                           {class: domain.LoginFailed},
	"LOGIN_MUST_USE_SECURITY_TOKEN":           {class: domain.LoginFailed},
	"PASSWORD_LOCKOUT":                        {class: domain.LoginFailed},
	"PASSWORD_EXPIRED":                        {class: domain.LoginFailed},
	"API_DISABLED_FOR_ORG":                    {class: domain.LoginFailed},
	"TXN_SECURITY_NO_ACCESS":                  {class: domain.LoginFailed},
	"LOGIN_DURING_RESTRICTED_DOMAIN":          {class: domain.LoginFailed},
	"LOGIN_DURING_RESTRICTED_TIME":            {class: domain.LoginFailed},
	"INVALID_OPERATION_WITH_EXPIRED_PASSWORD": {class: domain.LoginFailed},
	"ORG_LOCKED":                              {class: domain.LoginFailed},

	// These faults say that the Lead, Contact or Account has changed.
	"ENTITY_IS_DELETED":                             {class: domain.LostReference},
	"INVALID_CROSS_REFERENCE_KEY":                   {class: domain.LostReference},
	"CANNOT_UPDATE_CONVERTED_LEAD":                  {class: domain.LostReference},
	"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": {class: domain.LostReference},
	"MALFORMED_ID":                                  {class: domain.LostReference},

	// These faults concern one row.
	"STRING_TOO_LONG":                         {class: domain.BadData},
	"REQUIRED_FIELD_MISSING":                  {class: domain.BadData},
	"FIELD_CUSTOM_VALIDATION_EXCEPTION":       {class: domain.BadData},
	"FIELD_INTEGRITY_EXCEPTION":               {class: domain.BadData},
	"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": {class: domain.BadData},
	"INVALID_EMAIL_ADDRESS":                   {class: domain.BadData},
	"NUMBER_OUTSIDE_VALID_RANGE":              {class: domain.BadData},
	"JSON_PARSER_ERROR":                       {class: domain.BadData},
	"DUPLICATES_DETECTED":                     {class: domain.BadData},
	"DUPLICATE_EXTERNAL_ID":                   {class: domain.BadData},
	"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":    {class: domain.BadData},
	"TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET":     {class: domain.BadData},
	"INVALID_TYPE_ON_FIELD_IN_RECORD":         {class: domain.BadData},
	"MISSING_ARGUMENT":                        {class: domain.BadData},

	// These faults concern every row of the kind.
	"INVALID_FIELD":                   {class: domain.Configuration},
	"INVALID_FIELD_FOR_INSERT_UPDATE": {class: domain.Configuration},
	"INVALID_TYPE":                    {class: domain.Configuration},
	"INSUFFICIENT_ACCESS":             {class: domain.Configuration},
	"INSUFFICIENT_ACCESS_OR_READONLY": {class: domain.Configuration},
	"INACTIVE_OWNER_OR_USER":          {class: domain.Configuration},
	"UNSUPPORTED_API_VERSION":         {class: domain.Configuration},
	"MALFORMED_QUERY":                 {class: domain.Configuration},
	"METHOD_NOT_ALLOWED":              {class: domain.Configuration},
	"FUNCTIONALITY_NOT_ENABLED":       {class: domain.Configuration},
	"API_ERROR":                       {class: domain.Configuration},

	// These faults say that the request is too large.
	"EXCEEDED_ID_LIMIT":         {class: domain.Locked, split: true},
	"EXCEEDED_MAX_SIZE_REQUEST": {class: domain.Locked, split: true},
	"LIMIT_EXCEEDED":            {class: domain.Locked, split: true},
	"QUERY_TOO_COMPLICATED":     {class: domain.Locked, split: true},
}

// judge returns what an error means in its place. known is false when only the status was judged.
func judge(e orgError, status int, where origin) (v verdict, known bool) {
	code := strings.TrimPrefix(e.Code, "sf:") // SOAP
	v, known = verdicts[code]
	if where == ofLogin {
		if passing, ok := judgeLogin(code, e.message); ok {
			return passing, true
		}
	}
	switch {
	case code == "FIELD_CUSTOM_VALIDATION_EXCEPTION" && strings.Contains(e.message, sfpackage.OlderThanStored):
		return verdict{class: domain.Stale}, true
	case within(e.message, lockMessages): // a trigger or flow of the org met a lock or a time-out
		return verdict{class: domain.Locked}, true
	case within(e.message, limitMessages) && where == ofRow:
		return verdict{class: domain.BadData, chunk: true}, true
	case code == "NOT_FOUND" && where == ofRow:
		return verdict{class: domain.LostReference}, true
	case code == "NOT_FOUND": // no such object or field for this user, or no such resource
		return verdict{class: domain.Configuration}, true
	case code == "REQUEST_LIMIT_EXCEEDED" && strings.Contains(strings.ToLower(e.message), "concurrent"):
		return verdict{class: domain.Locked}, true
	case code == "UNSUPPORTED_API_VERSION":
		return v, true
	case known && where == ofLogin && v.class == domain.Configuration:
		return verdict{class: domain.LoginFailed}, true
	case known:
		return v, true
	}
	return judgeStatus(status, where), false
}

// These texts in the message of any code say that the org's own automation met a lock or a time-out, or a
// limit of its transaction, which fewer rows at once may not meet (SALESFORCE.md 2.5). The messages are in
// the words of the platform, whatever the language of the user.
var (
	lockMessages  = []string{"unable_to_lock_row", "record currently unavailable", "query_timeout"}
	limitMessages = []string{"limitexception", "too many soql queries", "too many dml", "apex cpu time limit",
		"too many batch retries", "too many query rows", "apex heap size"}
)

// within says that a message has one of some texts, in any case.
func within(message string, texts []string) bool {
	message = strings.ToLower(message)
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(message, text) })
}

// judgeStatus judges an error by the HTTP status when its code is unknown.
func judgeStatus(status int, where origin) verdict {
	switch {
	case status == 0 || status >= 500 || status >= 300 && status < 400:
		return verdict{class: domain.Unreachable}
	case status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status == 420:
		return verdict{class: domain.Locked}
	case status == http.StatusGone:
		return verdict{class: domain.Configuration}
	case where == ofLogin:
		return verdict{class: domain.LoginFailed}
	case status == http.StatusRequestEntityTooLarge || status == http.StatusRequestURITooLong ||
		status == http.StatusRequestHeaderFieldsTooLarge:
		return verdict{class: domain.Locked, split: true}
	case status == http.StatusUnauthorized:
		return verdict{class: domain.SessionEnded}
	case status == http.StatusNotAcceptable:
		return verdict{class: domain.Locked} // users of other connectors found that it passes
	case where == ofRow || status == http.StatusBadRequest:
		return verdict{class: domain.BadData}
	case status >= 200 && status < 300: // the answer to a success cannot be read
		return verdict{class: domain.Locked}
	}
	return verdict{class: domain.Configuration}
}

// severity orders classes by how much they affect. Of several errors the one with the highest rank decides.
var severity = []domain.FailureClass{
	domain.Taken, domain.Locked, domain.Unreachable, domain.LostReference, domain.BadData, domain.Stale, domain.Configuration,
	domain.SessionEnded, domain.LimitReached, domain.LoginFailed,
}

// newFault returns the Fault that all errors of an answer mean together.
func newFault(status int, errs []orgError, where origin) *Fault {
	f := &Fault{Status: status, Errors: errs, OfCall: where != ofRow}
	if len(errs) == 0 {
		v := judgeStatus(status, where)
		f.Class, f.Rest, f.Split = v.class, v.rest, v.split
		return f
	}
	worst := -1
	for _, e := range errs {
		v, known := judge(e, status, where)
		if rank := slices.Index(severity, v.class); rank > worst {
			worst = rank
			f.Class, f.Rest, f.Split, f.Chunk, f.Known = v.class, v.rest, v.split, v.chunk, known
		}
	}
	return f
}

// unanswered returns the Fault of a call without a readable answer. It is not known whether the org executed
// the call.
func unanswered(status int, cause error) *Fault {
	return &Fault{Class: domain.Unreachable, Status: status, cause: cause, OfCall: true}
}

// asFault returns the Fault in an error. Any other error becomes the Fault of a call without an answer.
func asFault(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return unanswered(0, err)
}

// parseErrors reads the errors in an answer's body. It knows every form that the org, its login and its
// gateways use: a list, one object, an object of the token endpoint, and a SOAP fault. Any other body, such
// as [], null or a page for people, has no errors.
func parseErrors(body []byte) []orgError {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil
	}
	switch body[0] {
	case '[':
		var list []json.RawMessage
		if json.Unmarshal(body, &list) != nil {
			return nil
		}
		var errs []orgError
		for _, item := range list {
			if e, ok := parseError(item); ok {
				errs = append(errs, e)
			}
		}
		return errs
	case '{':
		if e, ok := parseError(body); ok {
			return []orgError{e}
		}
	case '<':
		return parseSOAPFault(body)
	}
	return nil
}

func parseError(item []byte) (orgError, bool) {
	var x struct {
		ErrorCode   text   `json:"errorCode"`
		StatusCode  text   `json:"statusCode"`
		OAuth       text   `json:"error"`
		Message     text   `json:"message"`
		Description text   `json:"error_description"`
		Fields      fields `json:"fields"`
	}
	if json.Unmarshal(item, &x) != nil {
		return orgError{}, false
	}
	e := orgError{Fields: x.Fields, message: string(x.Message)}
	for _, code := range []text{x.ErrorCode, x.StatusCode, x.OAuth} {
		if code != "" {
			e.Code = string(code)
			break
		}
	}
	if x.Description != "" {
		e.message = string(x.Description)
		if reason := loginReason(e.message); reason != "" {
			e.Fields = []string{reason}
		}
	}
	return e, e.Code != ""
}

// text reads a JSON string. Any other value counts as empty.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		*t = text(s)
	}
	return nil
}

// fields reads a list of names. Any other value counts as empty.
type fields []string

func (f *fields) UnmarshalJSON(data []byte) error {
	var list []text
	if json.Unmarshal(data, &list) == nil {
		for _, name := range list {
			*f = append(*f, string(name))
		}
	}
	return nil
}

func parseSOAPFault(body []byte) []orgError {
	var x struct {
		Code    string `xml:"Body>Fault>faultcode"`
		Message string `xml:"Body>Fault>faultstring"`
	}
	if xml.Unmarshal(body, &x) != nil || x.Code == "" {
		return nil
	}
	code := x.Code
	if i := strings.LastIndexByte(code, ':'); i >= 0 {
		code = code[i+1:]
	}
	return []orgError{{Code: code, message: x.Message}}
}
