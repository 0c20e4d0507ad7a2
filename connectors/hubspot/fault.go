package hubspot

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/crmcall"
)

// Fault says why a call or a row of it failed.
type Fault struct {
	Class  domain.FailureClass
	Status int           // the HTTP status; 0: there was no answer
	Code   string        // HubSpot's code or category; "": the status alone is known
	Names  []string      // the property, or the scopes that lack
	Rest   time.Duration // how long to send nothing
	Daily  bool          // the limit of the day is reached: nothing is sent until midnight of the portal
	OfCall bool          // a whole call failed, and no row was judged

	unknown  bool      // the call may have been carried out
	conflict bool      // another record has a unique value of a row
	gone     bool      // a record that was named does not exist
	split    bool      // one row spoils the others: its half may pass
	until    time.Time // when the row may be sent again; zero: not known
	cause    error     // why a call has no answer
}

// Error returns codes, names and the status, and never a message of HubSpot, which may quote what was sent.
func (f *Fault) Error() string {
	text := "HubSpot: " + f.Detail()
	if f.cause != nil {
		text += ": " + f.cause.Error()
	}
	return text
}

// Unwrap returns why the call has no answer.
func (f *Fault) Unwrap() error { return f.cause }

// ClassName returns the class as a text.
func (f *Fault) ClassName() string { return string(f.Class) }

// codeForm and nameForm are the forms of HubSpot's codes, properties and scopes. They match nothing that
// could be a text of an InMail.
var (
	codeForm = regexp.MustCompile(`^[A-Z][A-Z0-9_.]{0,79}$`)
	nameForm = regexp.MustCompile(`^[a-z][a-z0-9_.]{0,99}$`)
)

// Detail returns what may be stored and shown: HubSpot's code and names, or the status.
func (f *Fault) Detail() string {
	switch {
	case f.Code != "" && f.Names != nil:
		return f.Code + " (" + strings.Join(f.Names, ", ") + ")"
	case f.Code != "":
		return f.Code
	case f.Status != 0:
		return fmt.Sprintf("HTTP %d", f.Status)
	case f.Class == domain.LimitReached:
		return "budget spent"
	}
	return "no answer"
}

// errorBody is HubSpot's error of a call, or of a row in a batch. Every field may be absent.
type errorBody struct {
	Category    string              `json:"category"`
	Message     string              `json:"message"`
	Correlation string              `json:"correlationId"`
	ErrorType   string              `json:"errorType"`
	Policy      string              `json:"policyName"`
	Context     map[string][]string `json:"context"`
	Errors      []struct {
		Code    string              `json:"code"`
		Message string              `json:"message"`
		Context map[string][]string `json:"context"`
	} `json:"errors"`
}

// maxNames bounds how many names are reported.
const maxNames = 8

// report keeps the codes and names of an error that may be shown.
func (f *Fault) report(e errorBody) {
	f.Code = e.Category
	keep := func(context map[string][]string, keys ...string) {
		for _, key := range keys {
			for _, name := range context[key] {
				if nameForm.MatchString(name) && len(f.Names) < maxNames {
					f.Names = append(f.Names, name)
				}
			}
		}
	}
	keep(e.Context, "propertyName", "requiredGranularScopes")
	for _, each := range e.Errors {
		if each.Code != "" && f.Code == e.Category {
			f.Code = each.Code
		}
		keep(each.Context, "propertyName", "requiredGranularScopes")
	}
	if f.Code != "" && !codeForm.MatchString(f.Code) {
		f.Code = "UNREADABLE_CODE"
	}
}

// These are how long nothing is sent after HubSpot said that it takes nothing.
const (
	restTen    = 10 * time.Second
	restSecond = time.Second
	restLocked = 2 * time.Second
	restMoving = time.Hour // where no Retry-After says otherwise
	maxMoving  = 24 * time.Hour
)

// newFault judges the answer to a call that is not 2xx.
func newFault(status int, header http.Header, body []byte) *Fault {
	f := &Fault{Status: status, OfCall: true}
	var e errorBody
	readable := json.Unmarshal(body, &e) == nil
	if readable {
		f.report(e)
	}
	switch {
	case status == http.StatusTooManyRequests:
		f.Class, f.Rest, f.Code, f.Names = domain.LimitReached, restTen, "RATE_LIMIT", nil
		switch e.Policy {
		case "SECONDLY":
			f.Rest = restSecond
		case "DAILY":
			f.Daily = true
		}
		if codeForm.MatchString(e.Policy) {
			f.Code = "RATE_LIMIT_" + e.Policy
		}
	case status == 477:
		f.Class, f.Rest = domain.LimitReached, restMoving
		if n, err := strconv.Atoi(header.Get("Retry-After")); err == nil && n > 0 {
			f.Rest = min(time.Duration(n)*time.Second, maxMoving)
		}
		f.Code, f.Names = "PORTAL_MOVES", nil
	case status == http.StatusUnauthorized:
		f.Class = domain.LoginFailed
	case status == http.StatusForbidden:
		f.Class = domain.Configuration
	case status == http.StatusLocked:
		f.Class, f.Rest = domain.Locked, restLocked
	case status == http.StatusConflict:
		f.Class, f.conflict, f.split = domain.Locked, true, true
	case status >= 500 || status < 400 || !readable:
		f.Class, f.unknown, f.Code, f.Names = domain.Unreachable, true, "", nil
	case status == http.StatusBadRequest && strings.Contains(e.Message, "already has that value"):
		f.Class, f.conflict, f.split = domain.Locked, true, true
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge, status == http.StatusRequestURITooLong:
		f.Class, f.split = judge(f, e), true
	default:
		f.Class = domain.Configuration
	}
	return f
}

// judge returns the class of an error that concerns what was sent: of one row, or of all rows alike,
// because every row has the same properties.
func judge(f *Fault, e errorBody) domain.FailureClass {
	switch f.Code {
	case "PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE":
		return domain.Configuration
	}
	if f.Code == "OBJECT_NOT_FOUND" || strings.Contains(strings.ToLower(e.Message), "association") {
		f.gone = true
		return domain.LostReference
	}
	return domain.BadData
}

// rowFault judges the error of one row of a batch.
func rowFault(e errorBody) *Fault {
	f := &Fault{Status: http.StatusMultiStatus}
	f.report(e)
	if e.Category == "CONFLICT" || strings.Contains(e.Message, "already has that value") {
		f.Class, f.conflict = domain.Locked, true
		return f
	}
	f.Class = judge(f, e)
	return f
}

// unanswered is the fault of a call without a readable answer, which may have been carried out.
func unanswered(status int, cause error) *Fault {
	return &Fault{Class: domain.Unreachable, Status: status, OfCall: true, unknown: true, cause: cause}
}

// setting is the fault of a portal that lacks what every row needs.
func setting(code string, names ...string) *Fault {
	return &Fault{Class: domain.Configuration, Code: code, Names: names, OfCall: true}
}

// asFault returns the fault of an error.
func asFault(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	if p := (*crmcall.Parked)(nil); errors.As(err, &p) {
		return &Fault{Class: domain.LimitReached, OfCall: true, until: p.Until, cause: err}
	}
	return unanswered(0, err)
}
