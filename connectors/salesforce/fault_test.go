package salesforce

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
)

// rowErrors replaces the answer to each row of an object by an error.
func rowErrors(ref, code, message string, fields ...string) *tamper {
	return &tamper{after: func(req *http.Request, status int, body []byte) (int, []byte) {
		if !isComposite(req) {
			return status, body
		}
		return status, compositeSteps(body, func(r string, status int, body any) (int, any) {
			rows, isRows := body.([]any)
			if r != ref || !isRows {
				return status, body
			}
			for i := range rows {
				rows[i] = map[string]any{"success": false, "errors": []any{map[string]any{"statusCode": code, "message": message, "fields": fields}}}
			}
			return status, rows
		})
	}}
}

// TestClassesOfRows checks the class of every code of SALESFORCE.md 2.5 that rows can get.
func TestClassesOfRows(t *testing.T) {
	const limitMessage = "TotalRequests Limit exceeded."
	for class, codes := range map[domain.FailureClass][]string{
		domain.Locked: {"UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "QUERY_TIMEOUT", "REQUEST_RUNNING_TOO_LONG", "UNKNOWN_EXCEPTION", "INTERNAL_ERROR",
			"TXN_SECURITY_METERING_ERROR", "TXN_SECURITY_RUNTIME_ERROR", "PROCESSING_HALTED", "ALL_OR_NONE_OPERATION_ROLLED_BACK",
			"TOO_MANY_APEX_REQUESTS", "DUPLICATE_VALUE", "ENTITY_IS_LOCKED"},
		domain.LimitReached: {"REQUEST_LIMIT_EXCEEDED", "ORG_IN_MAINTENANCE", "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE",
			"API_CURRENTLY_DISABLED", "STORAGE_LIMIT_EXCEEDED"},
		domain.SessionEnded: {"INVALID_SESSION_ID", "INVALID_AUTH_HEADER"},
		domain.LoginFailed: {"INVALID_LOGIN", "LOGIN_MUST_USE_SECURITY_TOKEN", "PASSWORD_LOCKOUT", "API_DISABLED_FOR_ORG",
			"TXN_SECURITY_NO_ACCESS"},
		domain.LostReference: {"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "CANNOT_UPDATE_CONVERTED_LEAD",
			"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "NOT_FOUND", "MALFORMED_ID"},
		domain.BadData: {"STRING_TOO_LONG", "REQUIRED_FIELD_MISSING", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "FIELD_INTEGRITY_EXCEPTION",
			"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "INVALID_EMAIL_ADDRESS", "NUMBER_OUTSIDE_VALID_RANGE", "JSON_PARSER_ERROR",
			"DUPLICATES_DETECTED", "DUPLICATE_EXTERNAL_ID", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET",
			"A_CODE_THAT_NOBODY_KNOWS"},
		domain.Configuration: {"INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE", "INVALID_TYPE", "INSUFFICIENT_ACCESS",
			"INSUFFICIENT_ACCESS_OR_READONLY", "INACTIVE_OWNER_OR_USER", "UNSUPPORTED_API_VERSION"},
	} {
		for _, code := range codes {
			t.Run(code, func(t *testing.T) {
				o := newOrg(t)
				o.through(rowErrors("c0", code, limitMessage, "Subject__c"))
				a := o.push(plain(0))[0]
				attempts := 1
				if class == domain.LimitReached { // a limit is no fault of the row
					attempts = 0
				}
				if a.Class != class || a.Link.Class != class || a.Link.Detail != code+" (Subject__c)" || a.Link.Attempts != attempts || a.Link.FailedAt != testNow || a.OfCall {
					t.Errorf("%+v", a)
				}
				if a.Link.RecordID != "" || a.Link.PushedVersion != 0 || a.Link.PushedSeq != 0 {
					t.Errorf("counts as pushed: %+v", a.Link)
				}
				if (class == domain.LimitReached) != a.Until.After(testNow) {
					t.Errorf("until %v", a.Until)
				}
			})
		}
	}
}

func TestClassesByMessage(t *testing.T) {
	for _, row := range []struct {
		code, message string
		want          domain.FailureClass
	}{
		{"FIELD_CUSTOM_VALIDATION_EXCEPTION", "InMail: older than what is stored", domain.Stale},
		{"FIELD_CUSTOM_VALIDATION_EXCEPTION", "Subject must not be blank", domain.BadData},
		{"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "theirTrigger: execution of AfterInsert caused by: UNABLE_TO_LOCK_ROW", domain.Locked},
		{"REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.", domain.Locked},
		{"REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", domain.LimitReached},
	} {
		o := newOrg(t)
		o.through(rowErrors("c0", row.code, row.message))
		if a := o.push(plain(0))[0]; a.Class != row.want {
			t.Errorf("%s %q: %+v, want %s", row.code, row.message, a, row.want)
		}
	}
}

// TestUnclearAnswersEnd checks that a code which temporary faults have too is tried again, but not for ever.
func TestUnclearAnswersEnd(t *testing.T) {
	o := newOrg(t)
	o.through(rowErrors("c0", "UNKNOWN_EXCEPTION", "An unexpected error occurred."))
	p := plain(0)
	for i := range unclearTries {
		a := o.push(p)[0]
		want := domain.Locked
		if i == unclearTries-1 {
			want = domain.BadData
		}
		if a.Class != want || a.Link.Attempts != i+1 {
			t.Errorf("try %d: %+v", i+1, a)
		}
		p.Link = a.Link
	}
}

// TestTriesOfAnOutageCountForNothingElse checks that earlier outages and locks do not count against a row, so
// that the first answer of another class does not make it a dead letter.
func TestTriesOfAnOutageCountForNothingElse(t *testing.T) {
	for code, class := range map[string]domain.FailureClass{"UNKNOWN_EXCEPTION": domain.Locked, "DUPLICATE_VALUE": domain.Locked, "ENTITY_IS_DELETED": domain.LostReference} {
		for _, before := range []string{"HTTP 503", "no answer", "UNABLE_TO_LOCK_ROW"} {
			t.Run(code+" after "+before, func(t *testing.T) {
				o := newOrg(t)
				o.through(rowErrors("c0", code, ""))
				p := plain(0)
				p.Link.Class, p.Link.Detail, p.Link.Attempts = domain.Locked, before, unclearTries+3
				for i := range 2 {
					a := o.push(p)[0]
					if a.Class != class || a.Link.Attempts != i+1 {
						t.Errorf("try %d: %+v", i+1, a)
					}
					p.Link = a.Link
				}
			})
		}
	}
}

// TestClassesOfCalls checks the faults of whole calls, in the forms of the org, its gateways and its pages
// for people.
func TestClassesOfCalls(t *testing.T) {
	list := func(code, message string) string {
		return fmt.Sprintf(`[{"errorCode":%q,"message":%q}]`, code, message)
	}
	for _, row := range []struct {
		name   string
		status int
		body   string
		class  domain.FailureClass
		detail string
	}{
		{"503 page", 503, "<!DOCTYPE html><html><body>We are down</body></html>", domain.Unreachable, "HTTP 503"},
		{"500 empty list", 500, "[]", domain.Unreachable, "HTTP 500"},
		{"500 null", 500, "null", domain.Unreachable, "HTTP 500"},
		{"500 nothing", 500, "", domain.Unreachable, "HTTP 500"},
		{"502", 502, "Bad Gateway", domain.Unreachable, "HTTP 502"},
		{"504", 504, "", domain.Unreachable, "HTTP 504"},
		{"420", 420, "", domain.Locked, "HTTP 420"},
		{"429", 429, "", domain.Locked, "HTTP 429"},
		{"406", 406, "", domain.Locked, "HTTP 406"},
		{"200 that is no JSON", 200, "<html>", domain.Unreachable, "HTTP 200"},
		{"200 without the steps", 200, `{"compositeResponse":[]}`, domain.Unreachable, "HTTP 200"},
		{"200 with a step too few rows", 200, `{"compositeResponse":[{"body":[],"httpStatusCode":200,"referenceId":"c0"}]}`, domain.Unreachable, "HTTP 200"},
		{"limit", 403, list("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), domain.LimitReached, "REQUEST_LIMIT_EXCEEDED"},
		{"concurrent", 403, list("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded."), domain.Locked, "REQUEST_LIMIT_EXCEEDED"},
		{"maintenance", 503, list("ORG_IN_MAINTENANCE", ""), domain.LimitReached, "ORG_IN_MAINTENANCE"},
		{"disabled", 403, list("API_CURRENTLY_DISABLED", ""), domain.LimitReached, "API_CURRENTLY_DISABLED"},
		{"API off", 403, list("API_DISABLED_FOR_ORG", ""), domain.LoginFailed, "API_DISABLED_FOR_ORG"},
		{"session", 401, list("INVALID_SESSION_ID", ""), domain.SessionEnded, "INVALID_SESSION_ID"},
		{"401 without a word", 401, "", domain.SessionEnded, "HTTP 401"},
		{"410", 410, list("UNSUPPORTED_API_VERSION", ""), domain.Configuration, "UNSUPPORTED_API_VERSION"},
		{"410 without a word", 410, "gone", domain.Configuration, "HTTP 410"},
		{"404", 404, list("NOT_FOUND", "The requested resource does not exist"), domain.Configuration, "NOT_FOUND"},
		{"403 without a word", 403, "", domain.Configuration, "HTTP 403"},
		{"302", 302, "", domain.Unreachable, "HTTP 302"},
		{"400 of one row", 400, list("JSON_PARSER_ERROR", "at [line:1]"), domain.BadData, "JSON_PARSER_ERROR"},
		{"object", 400, `{"errorCode":"INVALID_FIELD","message":"x","fields":["A__c"]}`, domain.Configuration, "INVALID_FIELD (A__c)"},
		{"several", 400, `[{"errorCode":"STRING_TOO_LONG","fields":["A__c"]},{"errorCode":"INVALID_FIELD","fields":["B__c"]}]`, domain.Configuration, "STRING_TOO_LONG (A__c), INVALID_FIELD (B__c)"},
		{"a text for a code", 400, `[{"errorCode":"robin@private.example said no","message":"x"}]`, domain.BadData, "UNREADABLE_CODE"},
		{"too large for one row", 413, "", domain.BadData, "HTTP 413"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newOrg(t)
			o.through(&tamper{before: func(req *http.Request) *http.Response {
				if !isComposite(req) {
					return nil
				}
				return respond(row.status, row.body)
			}})
			a := o.push(plain(0))[0]
			// A call that is refused because of its rows is halved until each fault is the row's own.
			if a.Class != row.class || a.Link.Detail != row.detail || a.OfCall != (row.class != domain.BadData) {
				t.Errorf("%+v", a)
			}
		})
	}
}

// TestTooLargeIsHalved checks that a call which is too large is halved until it passes.
func TestTooLargeIsHalved(t *testing.T) {
	for name, refusal := range map[string]struct {
		status int
		body   string
	}{
		"EXCEEDED_ID_LIMIT":         {400, `[{"errorCode":"EXCEEDED_ID_LIMIT","message":"too many"}]`},
		"EXCEEDED_MAX_SIZE_REQUEST": {400, `[{"errorCode":"EXCEEDED_MAX_SIZE_REQUEST","message":"too many"}]`},
		"413":                       {413, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrg(t)
			o.through(&tamper{before: func(req *http.Request) *http.Response {
				if !isComposite(req) || req.ContentLength < 60_000 {
					return nil
				}
				return respond(refusal.status, refusal.body)
			}})
			var pushes []domain.Push
			for i := range 300 {
				pushes = append(pushes, plain(i))
			}
			for i, a := range o.push(pushes...) {
				if a.Class != domain.Taken {
					t.Fatalf("%d: %+v", i, a)
				}
			}
		})
	}
}

// TestSpoiledCollectionIsTakenApart checks that a row for which its whole collection is refused is found, and
// that the other rows pass in the same push.
func TestSpoiledCollectionIsTakenApart(t *testing.T) {
	o := newOrg(t)
	o.through(&tamper{})
	spoils := newID(137)
	tampered := o.crm.budget.next.(*tamper)
	spoilt := map[string]bool{}
	tampered.before = func(req *http.Request) *http.Response {
		if !isComposite(req) {
			return nil
		}
		spoilt = stepsWith(req, string(spoils))
		return nil
	}
	tampered.after = func(req *http.Request, status int, body []byte) (int, []byte) {
		if !isComposite(req) {
			return status, body
		}
		return status, compositeSteps(body, func(ref string, status int, body any) (int, any) {
			if spoilt[ref] {
				return 400, []any{map[string]any{"errorCode": "JSON_PARSER_ERROR", "message": "unexpected"}}
			}
			return status, body
		})
	}
	var pushes []domain.Push
	for i := range 400 {
		pushes = append(pushes, plain(i))
	}
	var answers []domain.PushAnswer
	calls := o.calls(func() { answers = o.push(pushes...) })
	for _, a := range answers {
		want := domain.Taken
		if a.Link.InMail == spoils {
			want = domain.BadData
		}
		if a.Class != want {
			t.Errorf("%+v, want %q", a, want)
		}
	}
	if calls > isolations {
		t.Errorf("%d calls", calls)
	}
	t.Run("not at any price", func(t *testing.T) {
		spoils = "0" // every row is faulty
		calls := o.calls(func() { answers = o.push(pushes...) })
		if calls > 2*isolations {
			t.Errorf("%d calls", calls)
		}
		for _, a := range answers {
			if a.Class != domain.Locked && a.Class != domain.BadData {
				t.Errorf("%+v", a)
			}
		}
	})
}

// stepsWith returns the steps of a Composite call whose bodies contain a text.
func stepsWith(req *http.Request, text string) map[string]bool {
	var body bytes.Buffer
	if _, err := body.ReadFrom(req.Body); err != nil {
		panic(err)
	}
	data := body.Bytes()
	req.Body = readCloser{bytes.NewReader(data)}
	var in struct {
		Steps []struct {
			Ref  string          `json:"referenceId"`
			Body json.RawMessage `json:"body"`
		} `json:"compositeRequest"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		panic(err)
	}
	with := map[string]bool{}
	for _, s := range in.Steps {
		with[s.Ref] = bytes.Contains(s.Body, []byte(text))
	}
	return with
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// TestRowsFailAlone checks that rows which the org refuses do not affect other rows.
func TestRowsFailAlone(t *testing.T) {
	o := newOrg(t)
	o.inject(sandbox.Fault{Kind: sandbox.RowLock, Skip: 100, Next: 50})
	var pushes []domain.Push
	for i := range 500 {
		pushes = append(pushes, plain(i))
	}
	counts := map[domain.FailureClass]int{}
	for i, a := range o.push(pushes...) {
		counts[a.Class]++
		pushes[i].Link = a.Link
	}
	if counts[domain.Taken] != 450 || counts[domain.Locked] != 50 || o.tally.pushed["InMail__c locked"] != 50 || o.tally.pushed["InMail__c created"] != 450 {
		t.Errorf("%v, observed %v", counts, o.tally.pushed)
	}
	for _, a := range o.push(pushes...) {
		if a.Class != domain.Taken {
			t.Fatalf("%+v", a)
		}
	}
	if o.tally.pushed["InMail__c unchanged"] != 450 || o.tally.pushed["InMail__c created"] != 500 {
		t.Errorf("observed %v", o.tally.pushed)
	}
}

// TestFailuresAreCountedByClass checks that the observer counts every failed row by its class, whether the
// org refused the row, its collection or the call. The panel of errors by class is made from these counts.
// Rows that did not leave the process are not counted.
func TestFailuresAreCountedByClass(t *testing.T) {
	counted := func(o *org) map[string]int {
		o.tally.mu.Lock()
		defer o.tally.mu.Unlock()
		return maps.Clone(o.tally.pushed)
	}
	matched := func(o *org) domain.Push {
		o.lead(sandbox.Fields{"InMail_Member_Id__c": "robin"})
		return sent(0, "robin")
	}
	for name, row := range map[string]struct {
		make func(*org) domain.Push
		set  func(*org)
		want map[string]int
	}{
		"a row of the record": {matched, func(o *org) { o.through(rowErrors("c0", "STRING_TOO_LONG", "", "Subject__c")) },
			map[string]int{"InMail__c bad_data": 1, "Task created": 1}},
		"a row of a Task": {matched, func(o *org) { o.through(rowErrors("c1", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "", "Subject")) },
			map[string]int{"InMail__c created": 1, "Task bad_data": 1}},
		"a lost reference": {matched, func(o *org) { o.through(rowErrors("c0", "ENTITY_IS_DELETED", "")) },
			map[string]int{"InMail__c lost_reference": 1, "Task created": 1}},
		"the call that writes": {matched, func(o *org) {
			o.through(&tamper{before: func(req *http.Request) *http.Response {
				if isComposite(req) && stepsWith(req, string(newID(0)))["c0"] {
					return respond(http.StatusServiceUnavailable, "")
				}
				return nil
			}})
		}, map[string]int{"InMail__c unreachable": 1, "Task unreachable": 1}},
		"the org's limit": {matched, func(o *org) {
			o.through(&tamper{before: func(req *http.Request) *http.Response {
				if isComposite(req) && stepsWith(req, string(newID(0)))["c0"] {
					return respond(http.StatusForbidden, `[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]`)
				}
				return nil
			}})
		}, map[string]int{"InMail__c limit": 1, "Task limit": 1}},
		"the call that matches": {matched, func(o *org) { o.inject(sandbox.Fault{Kind: sandbox.UnavailableHTML, Resource: "composite"}) },
			map[string]int{"InMail__c unreachable": 1}},
		"the login": {matched, func(o *org) { o.crm = o.connect(func(c *Config, _ *Deps) { c.ClientSecret = "another" }) },
			map[string]int{"InMail__c login": 1}},
		"an older state": {func(*org) domain.Push { return sent(0, "robin") }, func(o *org) {
			later := o.event(sent(0, "robin"), domain.PushAnswer{}, domain.EventOpen)
			o.push(later)
			o.tally.pushed = map[string]int{}
		}, map[string]int{"InMail__c unchanged": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrg(t)
			p := row.make(o)
			row.set(o)
			o.push(p)
			if diff := cmp.Diff(row.want, counted(o)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	t.Run("a spent budget sends none", func(t *testing.T) {
		o := newOrg(t, allowing(10, 0.1))
		o.push(sent(0, "robin")) // spends the only call that is allowed
		o.tally.pushed = map[string]int{}
		if a := o.push(sent(1, "robin"))[0]; a.Class != domain.LimitReached || a.Link.Attempts != 0 || len(counted(o)) != 0 {
			t.Errorf("%+v, observed %v", a, counted(o))
		}
	})
}

// TestNoCallFollowsOneThatAnsweredForAll checks that a fault of a whole call ends the push, because the next
// call would fail in the same way.
func TestNoCallFollowsOneThatAnsweredForAll(t *testing.T) {
	o := newOrg(t)
	o.push(plain(0))
	o.inject(sandbox.Fault{Kind: sandbox.LimitTotal})
	var pushes []domain.Push
	for i := range 1500 {
		pushes = append(pushes, plain(i))
	}
	var answers []domain.PushAnswer
	if n := o.calls(func() { answers = o.push(pushes...) }); n != 1 {
		t.Errorf("%d calls", n)
	}
	for _, a := range answers {
		if a.Class != domain.LimitReached || a.Until != testNow.Add(restLimit) || a.Link.Attempts != 0 {
			t.Fatalf("%+v", a)
		}
	}
	if b := o.crm.Budget(); b.ParkedUntil != testNow.Add(restLimit) || b.Why != string(domain.LimitReached) {
		t.Errorf("%+v", b)
	}
}

// TestNothingLeaks checks that the log, the standard log and the answers contain no text, name or secret,
// whatever fails.
func TestNothingLeaks(t *testing.T) {
	standard := captureStandardLog(t)
	kinds := []sandbox.FaultKind{"", sandbox.RowLock, sandbox.RowDuplicate, sandbox.SessionExpired, sandbox.LimitTotal, sandbox.LimitConcurrent,
		sandbox.UnavailableHTML, sandbox.ServerError, sandbox.BadGateway, sandbox.GatewayTimeout, sandbox.TimeoutAfter, sandbox.QueryTimeout,
		sandbox.InMaintenance, sandbox.APIDisabled, sandbox.DropBefore, sandbox.DropAfter, sandbox.TruncatedBody, sandbox.EmptyBody, sandbox.EmptyErrorList}
	for _, kind := range kinds {
		out := &safeBuffer{}
		o := newOrg(t, func(_ *sandbox.Options, _ *Config, d *Deps) {
			d.Log = slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
			d.Text = domain.CRMTextFull
		})
		o.lead(sandbox.Fields{"Email": "mark@mark.example"})
		if kind != "" {
			o.inject(sandbox.Fault{Kind: kind})
		}
		p := marked(0)
		p.Email = "mark@mark.example"
		answers := o.push(p, marked(1))
		notify := out.String() + fmt.Sprintf("%+v %#v", answers, answers)
		for _, mark := range []string{"MARK", "mark@", testSecret, "SELECT"} {
			if strings.Contains(notify, mark) {
				t.Errorf("%s: %q in %s", kind, mark, notify)
			}
		}
	}
	o := newOrg(t, func(_ *sandbox.Options, c *Config, _ *Deps) { c.ClientSecret = "MARK secret" })
	o.push(marked(0))
	o = newOrg(t)
	o.through(rowErrors("c0", "STRING_TOO_LONG", "data value too large: MARK", "Subject__c", "MARK is no field"))
	if a := o.push(plain(0))[0]; strings.Contains(fmt.Sprint(a), "MARK") {
		t.Errorf("%+v", a)
	}
	if text := standard.String(); text != "" {
		t.Errorf("the standard log has %q", text)
	}
}

func TestEveryVerdictHasAClass(t *testing.T) {
	for code, v := range verdicts {
		if v.class == "" || !codeForm.MatchString(code) {
			t.Errorf("%s: %+v", code, v)
		}
		if (v.class == domain.LimitReached) != (v.rest > 0) {
			t.Errorf("%s rests %v", code, v.rest)
		}
	}
	if restMaintenance < time.Minute {
		t.Error("maintenance is asked about all the time")
	}
}

func FuzzParseErrors(f *testing.F) {
	for _, seed := range []string{"", "[]", "null", "{}", "[null]", "[[]]", `[{"errorCode":1}]`, `{"error":"invalid_grant","error_description":"x"}`,
		`[{"statusCode":"A","fields":null,"message":{}}]`, "<html></html>", `<a:Envelope xmlns:a="x"><a:Body><a:Fault><faultcode>sf:X</faultcode></a:Fault></a:Body></a:Envelope>`,
		`[{"errorCode":"A","fields":["B",1,{}]}]`, "\xff\xfe", `{"errorCode":"A\nB"}`} {
		f.Add([]byte(seed), 400)
		f.Add([]byte(seed), 500)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		for _, where := range []origin{ofCall, ofRow, ofLogin} {
			fault := newFault(status, parseErrors(body), where)
			if fault.Class == domain.Taken {
				t.Errorf("%d %q counts as taken", status, body)
			}
			for _, r := range fault.Detail() {
				if r < ' ' || r > '~' {
					t.Errorf("the detail %q has what the org's names cannot have", fault.Detail())
				}
			}
		}
	})
}

func FuzzBulkResults(f *testing.F) {
	f.Add([]byte("\"sf__Id\",\"sf__Error\",\"K\"\n\"\",\"A:b:C --\",\"k\"\n"))
	f.Add([]byte("sf__Id,K\n1,2"))
	f.Add([]byte("a\n\"b"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		// Any input must be read or refused, without a panic.
		_ = readResults(data, "K", map[string]bulkRow{})
	})
}

// TestEveryClassIsJudgedAndDocumented checks that every class has a rank in severity and a line in the
// README.
func TestEveryClassIsJudgedAndDocumented(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, class := range append(domain.FailureClasses(), domain.Stale) {
		if !slices.Contains(severity, class) {
			t.Errorf("%s has no place in severity", class)
		}
		if !strings.Contains(string(readme), "\n| `"+string(class)+"` |") {
			t.Errorf("README.md does not say what follows %s", class)
		}
	}
}
