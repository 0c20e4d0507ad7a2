package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/rates"
	"inmail/domain/spam"
	"inmail/domain/strictjson"
)

func TestSendInMail(t *testing.T) {
	w := newWorld(t)
	a := w.ask(w.sender, "POST", "/v1/inmails", `{"to":"maria","subject":"A talk","body":"Hello","tags":["B","a"],"category":"follow_up",
		"crm":{"lead_id":"00Q5g00000AbCdEEAV","contact_id":"","account_id":"0015g00000AbCdE"}}`).
		want(202, "").has("status", "queued", "advice.0.code", "no_name")
	id := a.text("id")
	w.ask(w.sender, "GET", "/v1/inmails/"+id, nil).want(200, "").has("status", "queued", "sent_at", nil, "expires_at", nil, "tags", []any{"a", "b"}, "category", "follow_up",
		"crm", object{"lead_id": "00Q5g00000AbCdEEAV", "account_id": "0015g00000AbCdE"}, "to", object{"id": "maria", "name": "MARIA", "photo_url": ""},
		"receipts", []any{object{"seq": 1, "status": "queued", "at": "2026-11-23T09:00:00.000Z"}}, "from", nil)
	// The recipient cannot find the InMail before it is delivered.
	w.ask(w.receiver, "GET", "/v1/inmails/"+id, nil).want(404, "not_found")
	w.ask(w.operator, "POST", "/v1/inmails", object{"to": "jo", "subject": "A talk", "body": "Hello"}, "Inmail-Member: maria").want(202, "")
	w.ask(w.operator, "POST", "/v1/inmails", object{"to": "jo", "subject": "A talk", "body": "Hello"}, "Inmail-Member: ghost").want(422, "unknown_sender")
	w.ask(w.operator, "POST", "/v1/inmails", object{"to": "jo", "subject": "A talk", "body": "Hello"}, "Inmail-Member: maria", "Inmail-Member: jo").want(400, "bad_request")
	w.ask(w.operator, "POST", "/v1/inmails", object{"to": "jo", "subject": "A talk", "body": "Hello"}, "Inmail-Member: ").want(400, "bad_request")
}

func TestPreflight(t *testing.T) {
	w := newWorld(t)
	w.ask(w.sender, "POST", "/v1/preflight", `{"to":"maria","subject":"A talk","body":"Hello"}`).want(200, "").
		has("ok", true, "refusals", []any{}, "advice", []any{}, "to", nil, "credits.allowance", 10, "credits.remaining", 10,
			"credits.period_start", "2026-11-01T00:00:00.000Z", "credits.period_end", "2026-12-01T00:00:00.000Z")
	w.ask(w.sender, "POST", "/v1/preflight", `{"to":["nobody","maria","jo","maria"]}`).want(200, "").
		has("items.0.to", "nobody", "items.0.refusals.0.code", "unknown_recipient", "items.1.ok", true, "items.2.refusals.0.code", "self", "items.2.place", 3, "items.3", nil)
	w.ask(w.sender, "POST", "/v1/preflight", object{"to": []string{"maria", "no good", "", strings.Repeat("ä", 100)}}).want(200, "").
		has("items.0.ok", true, "items.1.to", "no good", "items.1.refusals.0.code", "bad_request", "items.1.place", 2, "items.2.refusals.0.code", "bad_request",
			"items.3.to", strings.Repeat("ä", 64)+"…", "totals.refused", object{"bad_request": 3})
	w.ask(w.sender, "POST", "/v1/preflight", `{"to":["maria"],"subject":"","body":""}`).want(200, "").has("items.0.refusals.0.code", "subject_required")
	w.ask(w.sender, "POST", "/v1/preflight", `{"to":[]}`).want(200, "").has("items", []any{}, "totals",
		object{"recipients": 0, "doubles": 0, "ok": 0, "ok_now": 0, "timetable": []any{}, "refused": object{}, "credits": object{"needed": 0, "available": 1, "missing": 0, "enough_at": nil}})
	w.ask(w.sender, "POST", "/v1/preflight", `{"to":["nobody","maria","jo","maria"]}`).want(200, "").
		has("totals.ok", 1, "totals.doubles", 1, "totals.refused", object{"self": 1, "unknown_recipient": 1}, "totals.credits",
			object{"needed": 1, "available": 1, "missing": 0, "enough_at": "2026-11-23T09:00:00.000Z"})
	w.ask(w.operator, "POST", "/v1/preflight", `{"to":["maria"]}`, "Inmail-Member: ghost").want(200, "").has("items.0.refusals.0.code", "unknown_sender", "items.0.credits", nil)
	for _, invalid := range []string{`{"to":"maria"}`, `{"to":"maria","subject":"x"}`, `{"to":"maria","body":"x"}`, `{"to":["maria"],"subject":"x"}`, `{"to":["maria"],"body":"x"}`,
		`{"to":"no good","subject":"x","body":"x"}`, `{"to":[["maria"]]}`, `{"to":[null]}`, `{"to":null}`, `{"to":{}}`, `{"subject":"x","body":"x"}`} {
		w.ask(w.sender, "POST", "/v1/preflight", invalid).want(400, "bad_request")
	}
	many := func(n int) string { return `{"to":["m` + strings.Repeat(`","m`, n-1) + `"]}` }
	w.ask(w.sender, "POST", "/v1/preflight", many(10_000)).want(200, "").has("items.0.ok", false, "items.1", nil, "totals.doubles", 9_999)
	w.ask(w.sender, "POST", "/v1/preflight", many(mailroom.MaxPreflight+1)).want(400, "bad_request").has("got", mailroom.MaxPreflight+1, "limit", mailroom.MaxPreflight)
	if len(w.fakeService.inmails)+len(w.fakeService.audit) > 0 {
		t.Error("asking left something behind")
	}
}

func TestFindMembers(t *testing.T) {
	w := newWorld(t)
	hidden := domain.NewMember("hilda", "Hilda Hidden")
	hidden.ProfileVisible, hidden.Email = false, "hilda@example.com"
	w.fakeService.members["hilda"] = hidden
	w.ask(w.operator, "GET", "/v1/members?q=hilda", nil).want(200, "").has("items.0.email", "hilda@example.com", "items.1", nil, "next_cursor", nil)
	for _, header := range []string{"Inmail-Member: jo", ""} {
		key, more := w.operator, []string{header}
		if header == "" {
			key, more = w.sender, nil
		}
		w.ask(key, "GET", "/v1/members?q=hilda", nil, more...).want(200, "").has("items", []any{})
		w.ask(key, "GET", "/v1/members?q=maria", nil, more...).want(200, "").has("items.0.id", "maria", "items.0.email", nil, "items.0.plan", nil, "items.1", nil)
		w.ask(key, "GET", "/v1/members?restricted=true", nil, more...).want(403, "forbidden")
	}
	var all []string
	for next := "/v1/members?limit=2"; next != ""; {
		page := w.ask(w.operator, "GET", next, nil).want(200, "")
		for _, item := range page.json("items").([]any) {
			all = append(all, item.(map[string]any)["id"].(string))
		}
		if next = ""; page.json("next_cursor") != nil {
			next = "/v1/members?limit=2&cursor=" + page.text("next_cursor")
		}
	}
	if len(all) != len(w.fakeService.members) || !slices.IsSortedFunc(all, func(a, b string) int {
		return strings.Compare(w.fakeService.members[domain.MemberID(a)].Name, w.fakeService.members[domain.MemberID(b)].Name)
	}) {
		t.Errorf("by pages: %v", all)
	}
	for _, query := range []string{"q=", "q=a", "q=%21%21", "company=", "company=x", "restricted=", "restricted=maybe", "limit=0", "q=maria&q=jo"} {
		w.ask(w.operator, "GET", "/v1/members?"+query, nil).want(400, "bad_request")
	}
	w.ask("", "GET", "/v1/members", nil).want(401, "unauthorized")
}

func TestViewsByWhoAsks(t *testing.T) {
	w := newWorld(t)
	id := w.sent()
	target := "/v1/inmails/" + string(id)
	w.fakeService.links = []domain.Link{{InMail: id, RecordID: "a015g00000AbCdEAAV", Match: domain.Matched, Parents: domain.ForeignIDs{"lead_id": "00Q5g00000AbCdEEAV"}, Class: domain.BadData, FailedAt: epoch}}
	w.ask(w.receiver, "GET", target, nil).want(200, "").has("body", nil)
	w.ask(w.operator, "GET", target, nil).want(200, "").has("body", nil, "body_html", nil)
	w.ask(w.receiver, "GET", "/v1/inbox?tag=anything", nil).want(400, "bad_request")
	w.ask(w.sender, "GET", target, nil).want(200, "").has("body", "Hello **Maria**", "body_html", "<p>Hello <strong>Maria</strong></p>", "status", "sent", "sent_at", "2026-11-23T09:00:00.000Z", "expires_at", expiry(), "undone", nil,
		"crm", object{"lead_id": "00Q5g00000AbCdEEAV", "match": "matched", "record_id": "a015g00000AbCdEAAV"}, "receipts.1.status", "sent")
	w.ask(w.operator, "GET", target, nil, "Inmail-Member: jo").want(200, "").has("from", nil)
	w.ask(w.operator, "GET", target, nil).want(200, "").has("from.id", "jo")
	w.ask(w.outsider, "GET", target, nil).want(404, "not_found")
	w.ask(w.operator, "GET", target, nil, "Inmail-Member: eve").want(404, "not_found")
	w.ask(w.sender, "GET", "/v1/inmails/"+strings.ToUpper(string(id)), nil).want(200, "").has("id", id)
	for _, no := range []string{"x", "019abf5e-8c00-7000-8000-00000000000", "019abf5e-8c00-7000-8000-0000000000012", "019abf5e_8c00-7000-8000-000000000001", "019abf5e-8c00-7000-8000-00000000000g", "%00", "a%2Fb", "nothing%20here"} {
		w.ask(w.sender, "GET", "/v1/inmails/"+no, nil).want(404, "not_found")
		w.ask(w.sender, "POST", "/v1/inmails/"+no+"/open", nil).want(404, "not_found")
		w.ask(w.sender, "POST", "/v1/inmails/"+no+"/retract", nil).want(404, "not_found")
		w.ask(w.sender, "POST", "/v1/inmails/"+no+"/report", `{"reason":"x"}`).want(404, "not_found")
		w.ask(w.sender, "POST", "/v1/inmails/"+no+"/replies", `{"body":"x"}`).want(404, "not_found")
		w.ask(w.sender, "GET", "/v1/inmails/"+no+"/replies", nil).want(404, "not_found")
		w.ask(w.sender, "PUT", "/v1/inmails/"+no+"/tags", `{"tags":[]}`).want(404, "not_found")
		w.ask(w.sender, "PUT", "/v1/inmails/"+no+"/crm", `{}`).want(404, "not_found")
		w.ask(w.operator, "POST", "/v1/crm/failures/"+no+"/retry", nil).want(404, "not_found")
		// A fault of the body (400) is reported before a thing that is not there (404).
		w.ask(w.sender, "POST", "/v1/inmails/"+no+"/replies", `{}`).want(400, "bad_request")
	}
}

func TestSetCRM(t *testing.T) {
	w := newWorld(t)
	target := "/v1/inmails/" + string(w.sent()) + "/crm"
	w.ask(w.sender, "PUT", target, `{"contact_id":"0035g00000AbCdEAAV"}`).want(200, "").has("", object{"contact_id": "0035g00000AbCdEAAV"})
	w.ask(w.sender, "PUT", target, `{}`).want(200, "").has("", object{})
	both := object{"lead_id": "00Q5g00000AbCdEEAV", "other": object{"contact_id": "7", "company_id": "x"}}
	w.ask(w.sender, "PUT", target, `{"lead_id":"00Q5g00000AbCdEEAV","account_id":"","other":{"contact_id":"7","company_id":"x"}}`).want(200, "").has("", both)
	w.ask(w.sender, "GET", strings.TrimSuffix(target, "/crm"), nil).want(200, "").has("crm", both)
	w.ask(w.receiver, "PUT", target, `{}`).want(403, "forbidden")
	for _, invalid := range []string{`{"lead_id":"short"}`, `{"lead_id":"00Q5g00000AbCdE!"}`, `{"lead_id":"00Q5g00000AbCdEEA"}`, `{"lead_id":7}`, `{"lead_id":null}`, `{"task_id":"x"}`, `[]`, ``,
		`{"third":{"contact_id":"7"}}`, `{"other":{"lead_id":"7"}}`, `{"other":{"contact_id":7}}`, `{"other":7}`, `{"other":"7"}`, `{"":{}}`, `{"lead_id":"","lead_id":""}`,
		`{"other":{},"other":{}}`, `{"other":{"contact_id":{"x":"7"}}}`} {
		w.ask(w.sender, "PUT", target, invalid).want(400, "bad_request")
	}
}

// TestLists reads every list page by page: nothing comes twice, nothing is left out,
// next_cursor ends as null.
func TestLists(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.fakeService.now = epoch.Add(time.Duration(i/2) * time.Second) // some share their time
		id := w.sent()
		w.fakeService.links = append(w.fakeService.links, domain.Link{InMail: id, Class: domain.BadData, FailedAt: w.fakeService.now, Dead: true}, domain.Link{InMail: w.fakeService.id(), Class: domain.Locked, FailedAt: w.fakeService.now})
		w.ask(w.receiver, "POST", "/v1/inmails/"+string(id)+"/replies", `{"body":"yes"}`).want(201, "")
		for n := range 6 {
			w.ask(w.sender, "POST", "/v1/inmails/"+string(id)+"/replies", fmt.Sprintf(`{"body":"%d"}`, n)).want(201, "")
		}
		w.ask(w.operator, "PUT", fmt.Sprintf("/v1/banned/company/Company%%20%d%%2F%%C3%%84", i), `{"reason":"x"}`).want(204, "")
		w.ask(w.operator, "POST", "/v1/keys", `{"role":"operator"}`).want(201, "")
		w.ask(w.sender, "POST", "/v1/inmails", object{"to": "nobody", "subject": "A talk", "body": "Hello"}).want(422, "unknown_recipient")
	}
	conversation := "/v1/inmails/" + string(w.fakeService.links[0].InMail) + "/replies"
	for target, list := range map[string]struct {
		key, name string
		n         int
	}{
		"/v1/sent":                        {w.sender, "id", 7},
		"/v1/inbox":                       {w.receiver, "id", 7 + 7*6},
		conversation:                      {w.sender, "id", 7},
		"/v1/banned":                      {w.operator, "value", 7},
		"/v1/keys":                        {w.operator, "id", 11},
		"/v1/audit":                       {w.operator, "id", 7},
		"/v1/crm/failures":                {w.operator, "inmail", 14},
		"/v1/crm/failures?class=bad_data": {w.operator, "inmail", 7},
		"/v1/crm/failures?class=login":    {w.operator, "inmail", 0},
		"/v1/sent?status=replied":         {w.sender, "id", 7},
		"/v1/sent?status=expired":         {w.sender, "id", 0},
		"/v1/inbox?status=sent":           {w.receiver, "id", 42},
	} {
		for _, limit := range []int{1, 2, 7, maxLimit} {
			t.Run(fmt.Sprintf("%s by %d", target, limit), func(t *testing.T) {
				w.T = t
				visited := map[string]bool{}
				sep := map[bool]string{true: "&", false: "?"}[strings.Contains(target, "?")]
				next := fmt.Sprintf("%s%slimit=%d", target, sep, limit)
				for pages := 0; ; pages++ {
					a := w.ask(list.key, "GET", next, nil).want(200, "")
					found := a.json("items").([]any)
					if len(found) > limit || pages > 60 {
						t.Fatalf("%d on page %d", len(found), pages)
					}
					for _, item := range found {
						name := item.(object)[list.name].(string)
						if visited[name] {
							t.Errorf("%s came twice", name)
						}
						visited[name] = true
					}
					cursor := a.text("next_cursor")
					if cursor == "" {
						break
					}
					next = fmt.Sprintf("%s%slimit=%d&cursor=%s", target, sep, limit, cursor)
				}
				if len(visited) != list.n {
					t.Errorf("%d items, want %d", len(visited), list.n)
				}
			})
		}
	}
	w.T = t
	of := func(key, target string) string {
		return w.ask(key, "GET", target+"?limit=1", nil).want(200, "").text("next_cursor")
	}
	own, others := of(w.sender, "/v1/sent"), of(w.receiver, "/v1/inbox")
	for _, invalid := range []string{"limit=0", fmt.Sprint("limit=", maxLimit+1), "limit=-1", "limit=x", "limit=", "limit=1.5", "limit=1&limit=2", "cursor=", "cursor=x", "cursor=" + others, "cursor=" + own[:len(own)-2],
		"cursor=" + own + "A", "cursor=" + own + "==", "cursor=" + strings.Repeat("A", maxCursor+1), "offset=3", "status=open", "status=", "tag=", "tag=%00", "tag=%ff", "expires_before=tomorrow", "expires_before=2026-02-30", "a;b", "%"} {
		t.Run(invalid, func(t *testing.T) {
			w.T = t
			w.ask(w.sender, "GET", "/v1/sent?"+invalid, nil).want(400, "bad_request")
		})
	}
	w.T = t
	w.ask(w.sender, "GET", "/v1/sent?cursor="+own, nil).want(200, "")
	w.ask(w.sender, "GET", "/v1/inbox?expires_before=2026-12-01", nil).want(400, "bad_request")
	w.ask(w.operator, "GET", "/v1/sent", nil, "Inmail-Member: ghost").want(404, "not_found")
	w.ask(w.operator, "GET", "/v1/inbox", nil, "Inmail-Member: ghost").want(404, "not_found")
	w.ask(w.operator, "GET", "/v1/crm/failures?class=nonsense", nil).want(400, "bad_request")
}

// expiry is when what was sent at epoch expires, as answers say it.
func expiry() string { return epoch.Add(domain.Window).Format("2006-01-02T15:04:05.000Z") }

func TestExpiresBefore(t *testing.T) {
	w := newWorld(t)
	id := w.sent()
	end := epoch.Add(domain.Window)
	ahead := end.Add(time.Millisecond).In(time.FixedZone("", 3600)).Format("2006-01-02T15:04:05.000-07:00")
	for when, n := range map[string]int{expiry(): 0, end.Add(time.Millisecond).Format(time.RFC3339Nano): 1, url.QueryEscape(ahead): 1,
		end.AddDate(0, 0, 1).Format(time.DateOnly): 1, end.Format(time.DateOnly): 0} {
		a := w.ask(w.sender, "GET", "/v1/sent?expires_before="+when, nil).want(200, "")
		if got := len(a.json("items").([]any)); got != n {
			t.Errorf("before %s: %d, want %d of %s", when, got, n, id)
		}
	}
}

// TestFailuresOfAClass reads on over pages of the record that have nothing of the class.
func TestFailuresOfAClass(t *testing.T) {
	w := newWorld(t)
	for i := range 450 {
		class := domain.Locked
		if i%100 == 0 {
			class = domain.BadData
		}
		w.fakeService.links = append(w.fakeService.links, domain.Link{InMail: w.fakeService.id(), Class: class, FailedAt: epoch.Add(time.Duration(i) * time.Second)})
	}
	a := w.ask(w.operator, "GET", "/v1/crm/failures?class=bad_data&limit=3", nil).want(200, "").has("items.2.class", "bad_data", "items.3", nil)
	w.ask(w.operator, "GET", "/v1/crm/failures?class=bad_data&limit=3&cursor="+a.text("next_cursor"), nil).want(200, "").has("items.1.class", "bad_data", "items.2", nil, "next_cursor", nil)
}

func TestMembers(t *testing.T) {
	w := newWorld(t)
	w.ask(w.operator, "PUT", "/v1/members/new", `{"name":"New"}`).want(200, "").has("", object{"id": "new", "name": "New", "headline": "", "photo_url": "", "company": "", "email": "",
		"profile_shared": true, "profile_visible": true, "accepts_inmail": true, "account_type": "basic", "plan": "basic_0", "anchor_day": 1, "team": "", "skills": []any{}, "max_week": 0})
	all := object{"name": "New", "headline": "h", "photo_url": "p", "company": "c", "email": "n@example.com", "profile_shared": false, "profile_visible": false, "accepts_inmail": false,
		"account_type": "recruiter", "plan": "recruiter_35", "anchor_day": 31, "team": "t", "skills": []string{"s"}, "max_week": 5}
	a := w.ask(w.operator, "PUT", "/v1/members/new", all).want(200, "")
	all["id"] = "new"
	a.has("", all)
	w.ask(w.operator, "GET", "/v1/members/new", nil).want(200, "").has("", all)
	w.ask(w.operator, "PUT", "/v1/members/new", all).want(400, "bad_request") // id stands in the path
	change := object{"name": "N", "headline": "H", "photo_url": "P", "company": "C", "email": "m@example.com", "profile_shared": true, "profile_visible": true, "accepts_inmail": true,
		"account_type": "job_seeker", "plan": "job_seeker_5", "anchor_day": 1, "team": "T", "skills": []string{}, "max_week": 0}
	a = w.ask(w.operator, "PATCH", "/v1/members/new", change).want(200, "")
	change["id"] = "new"
	a.has("", change)
	w.ask(w.operator, "PATCH", "/v1/members/new", `{}`).want(200, "").has("", change)
	w.ask(w.operator, "GET", "/v1/members/ghost", nil).want(404, "not_found")
	for _, invalid := range []string{`{}`, ``, `{"name":""}`, `{"name":"n","plan":"recruiter_35"}`, `{"name":"n","plan":"gold"}`, `{"name":"n","account_type":"gold"}`, `{"name":"n","account_type":""}`, `{"name":"n","anchor_day":0}`,
		`{"name":"n","anchor_day":32}`, `{"name":"n","anchor_day":1.5}`, `{"name":"n","anchor_day":"1"}`, `{"name":"n","anchor_day":1e99}`, `{"name":"n","profile_shared":1}`, `{"name":"n","profile_shared":"true"}`,
		`{"name":"n","profile_shared":null}`, `{"name":"n","skills":"s"}`, `{"name":"n","skills":[null]}`, `{"name":"n","nickname":"x"}`, `{"Name":"n"}`, `{"name":"n","name":"m"}`, `{"name":["n"]}`, `null`, `"n"`, `[]`} {
		w.ask(w.operator, "PUT", "/v1/members/other", invalid).want(400, "bad_request")
	}
	for _, id := range []string{"not%20good", "erased", strings.Repeat("x", 65), "%C3%A4", "%00", "a%2Fb"} {
		w.ask(w.operator, "PUT", "/v1/members/"+id, `{"name":"n"}`).want(400, "bad_request")
		w.ask(w.operator, "GET", "/v1/members/"+id, nil).want(400, "bad_request")
		w.ask(w.operator, "PATCH", "/v1/members/"+id, `{}`).want(400, "bad_request")
		w.ask(w.operator, "DELETE", "/v1/members/"+id, nil).want(400, "bad_request")
		w.ask(w.operator, "PUT", "/v1/connections/jo/"+id, nil).want(400, "bad_request")
		w.ask(w.operator, "PUT", "/v1/connections/"+id+"/jo", nil).want(400, "bad_request")
		w.ask(w.operator, "PUT", "/v1/members/"+id+"/blocks/jo", nil).want(400, "bad_request")
		w.ask(w.operator, "GET", "/v1/restrictions?member="+id, nil).want(400, "bad_request")
	}
	w.ask(w.operator, "PUT", "/v1/members/A-Z.a:z_0", `{"name":"n"}`).want(200, "").has("id", "A-Z.a:z_0")
	for _, method := range []string{"PUT", "DELETE"} {
		w.ask(w.operator, method, "/v1/connections/jo/maria", nil).want(204, "")
		w.ask(w.operator, method, "/v1/connections/jo/maria", "{}").want(204, "")
		w.ask(w.operator, method, "/v1/connections/jo/ghost", nil).want(404, "not_found")
	}
}

func TestBanned(t *testing.T) {
	w := newWorld(t)
	w.ask(w.operator, "PUT", "/v1/banned/company/A%2FB%20%26%20S%C3%B6hne", `{"reason":"hold"}`).want(204, "")
	a := w.ask(w.operator, "GET", "/v1/banned", nil).want(200, "").has("items.0.kind", "company", "items.0.value", "A/B & Söhne", "items.0.reason", "hold", "items.0.at", "2026-11-23T09:00:00.000Z")
	if a.text("items.0.by") == "" {
		t.Error("nobody did it")
	}
	w.ask(w.operator, "PUT", "/v1/banned/planet/x", `{"reason":"hold"}`).want(400, "bad_request")
	w.ask(w.operator, "PUT", "/v1/banned/member/maria", `{}`).want(400, "bad_request")
	w.ask(w.operator, "DELETE", "/v1/banned/company/A%2FB%20%26%20S%C3%B6hne", nil).want(204, "")
	w.ask(w.operator, "DELETE", "/v1/banned/member/maria", nil).want(404, "not_found")
}

func TestRestrictions(t *testing.T) {
	w := newWorld(t)
	w.restrict("jo")
	id := w.ask(w.operator, "GET", "/v1/restrictions?member=jo", nil).want(200, "").
		has("items.0.trigger", "volume_hour", "items.0.until", "2026-11-24T09:00:00.000Z", "items.0.undone_at", nil, "next_cursor", nil).text("items.0.id")
	w.ask(w.operator, "GET", "/v1/restrictions?member=jo", nil).want(200, "").
		has("items.0.decision.version", spam.BehaviourVersion, "items.0.decision.sends", 20, "items.0.decision.reporters", 1)
	w.restrict("maria")
	a := w.ask(w.operator, "GET", "/v1/restrictions?limit=1", nil).want(200, "").
		has("items.0.member", "jo", "items.0.from", "2026-11-23T09:00:00.000Z", "items.0.until", "2026-11-24T09:00:00.000Z")
	w.ask(w.operator, "GET", "/v1/restrictions?limit=1&cursor="+a.text("next_cursor"), nil).want(200, "").
		has("items.0.member", "maria", "next_cursor", nil)
	replay := "/v1/audit/" + id + "/replay"
	w.ask(w.operator, "POST", replay, nil).want(200, "").has("id", id, "kind", "restrict", "sender", "jo", "was.value", 21, "would.limit", 20, "limits.volume_day", 40, "whole", true)
	w.ask(w.operator, "POST", replay, `{"volume_hour":30}`).want(200, "").has("would", nil, "limits.volume_hour", 30)
	w.ask(w.operator, "POST", replay, `{"volume_hour":"30"}`).want(400, "bad_request")
	w.ask(w.operator, "POST", replay, `{"report_share":0.5,"refuse_score":1e-1}`).want(200, "")
	for _, invalid := range []string{`{"report_share":1.01}`, `{"report_share":-0.5}`, `{"report_share":"0.5"}`, `{"report_share":1e999}`, `{"volume_hour":0}`, `{"volume_hour":1.5}`} {
		w.ask(w.operator, "POST", replay, invalid).want(400, "bad_request")
	}
	w.ask(w.operator, "POST", replay, `{"limit":30}`).want(400, "bad_request")
	w.ask(w.operator, "POST", "/v1/audit/unknown/replay", `{}`).want(404, "not_found")
	w.ask(w.operator, "POST", "/v1/audit/%00/replay", `{}`).want(404, "not_found")
	w.ask(w.sender, "POST", replay, `{}`).want(403, "forbidden")
	w.ask(w.operator, "POST", "/v1/restrictions/"+id+"/undo", `{"reason":"`+strings.Repeat("x", domain.MaxDeclineReason+1)+`"}`).want(400, "bad_request")
	w.ask(w.operator, "POST", "/v1/restrictions/"+id+"/undo", `{"reason":"one event"}`).want(204, "")
	w.ask(w.operator, "POST", "/v1/restrictions/"+id+"/undo", nil).want(404, "not_found")
	w.ask(w.operator, "POST", "/v1/restrictions/%00/undo", nil).want(404, "not_found")
	w.ask(w.operator, "GET", "/v1/restrictions?member=jo", nil).want(200, "").has("items.0.undone_at", "2026-11-23T09:00:00.000Z", "items.0.undo.reason", "one event")
	w.sent()
}

func TestKeys(t *testing.T) {
	w := newWorld(t)
	made := w.ask(w.operator, "POST", "/v1/keys", `{"role":"member","member":"maria"}`).want(201, "")
	id, key := made.text("id"), made.text("key")
	w.ask(key, "GET", "/v1/members/jo", nil).want(200, "")
	a := w.ask(w.operator, "GET", "/v1/keys", nil).want(200, "").has("items.0.id", id, "items.0.role", "member", "items.0.member", "maria", "items.0.created_at", "2026-11-23T09:00:00.000Z")
	if strings.Contains(string(a.body), key) {
		t.Error("the list shows the key")
	}
	w.ask(w.operator, "DELETE", "/v1/keys/"+id, nil).want(204, "")
	w.ask(key, "GET", "/v1/members/jo", nil).want(401, "unauthorized")
	w.ask(w.operator, "DELETE", "/v1/keys/"+id, nil).want(404, "not_found")
	w.ask(w.operator, "DELETE", "/v1/keys/%00", nil).want(404, "not_found")
	w.ask(w.operator, "DELETE", "/v1/keys/"+w.idOf(w.operator), nil).want(409, "conflict")
	w.ask(w.operator, "POST", "/v1/keys", `{"role":"member","member":"ghost"}`).want(404, "not_found")
	for _, invalid := range []string{`{"role":"member"}`, `{"role":"operator","member":"maria"}`, `{"role":"root"}`, `{"member":"maria"}`, `{"role":"member","member":"no good"}`, `{"role":"member","member":null}`} {
		w.ask(w.operator, "POST", "/v1/keys", invalid).want(400, "bad_request")
	}
	for _, shown := range []string{"Basic " + key, "Bearer", "Bearer ", w.operator, "bearer " + w.operator + "x"} {
		w.ask("", "GET", "/v1/keys", nil, "Authorization: "+shown).want(401, "unauthorized")
	}
	w.ask("", "GET", "/v1/keys", nil, "Authorization: bearer "+w.operator).want(200, "")
}

func TestProfiles(t *testing.T) {
	w := newWorld(t)
	for _, profile := range []string{"heap", "goroutine", "allocs"} {
		if a := w.ask(w.operator, "GET", "/debug/pprof/"+profile, nil); a.status != 200 || len(a.body) == 0 {
			t.Errorf("%s: status %d, %d bytes", profile, a.status, len(a.body))
		}
	}
	w.ask(w.sender, "GET", "/debug/pprof/heap", nil).want(403, "forbidden")
	w.ask("", "GET", "/debug/pprof/heap", nil).want(401, "unauthorized")
	for _, path := range []string{"", "/", "/cmdline"} { // the program's flags are not for every operator
		w.ask(w.operator, "GET", "/debug/pprof"+path, nil).want(404, "not_found")
	}
}

// TestKeysOfOnePurpose checks name, end, stamps and the right to change nothing.
func TestKeysOfOnePurpose(t *testing.T) {
	w := newWorld(t)
	in := object{"role": "operator", "name": "weekly report", "read_only": true, "expires_at": "2027-11-23T09:00:00+01:00"}
	reader := w.ask(w.operator, "POST", "/v1/keys", in).want(201, "").text("key")
	asJo := []string{"Inmail-Member: jo"}
	for _, allowed := range []struct {
		method, target, body string
		as                   []string
	}{
		{"GET", "/v1/sent", "", asJo}, {"GET", "/v1/keys", "", nil}, {"POST", "/v1/preflight", `{"to":["maria"]}`, asJo},
	} {
		w.ask(reader, allowed.method, allowed.target, allowed.body, allowed.as...).want(200, "")
	}
	for _, refused := range []struct{ method, target, body string }{
		{"POST", "/v1/inmails", `{"to":"maria","subject":"s","body":"b"}`}, {"DELETE", "/v1/keys/" + w.idOf(reader), ""},
		{"PATCH", "/v1/members/jo", `{"name":"J"}`}, {"POST", "/v1/crm/reconcile", ""},
	} {
		w.ask(reader, refused.method, refused.target, refused.body).want(403, "forbidden")
	}
	w.ask(w.operator, "GET", "/v1/keys", nil).want(200, "").has("items.0.name", "weekly report", "items.0.read_only", true,
		"items.0.expires_at", "2027-11-23T08:00:00.000Z", "items.0.created_by", w.idOf(w.operator),
		"items.0.last_used_at", "2026-11-23T09:00:00.000Z")
	for _, invalid := range []object{{"role": "operator", "expires_at": "next year"}, {"role": "operator", "read_only": "yes"}} {
		w.ask(w.operator, "POST", "/v1/keys", invalid).want(400, "bad_request")
	}
	w.ask("", "GET", "/v1/keys", nil, "Authorization: Bearer "+w.operator, "Authorization: Bearer "+w.operator).want(400, "bad_request")
}

func TestImport(t *testing.T) {
	w := newWorld(t)
	lines := `{"member":{"id":"x","name":"X"}}` + "\n" + `nonsense` + "\n"
	for _, media := range []string{"application/x-ndjson", "application/x-ndjson; charset=utf-8", ""} {
		headers := []string{"Content-Type: -"}
		if media != "" {
			headers = append(headers, "Content-Type: "+media)
		}
		w.ask(w.operator, "POST", "/v1/import", lines, headers...).want(200, "").
			has("", object{"lines": 2, "accepted": 1, "rejected_count": 1, "rejected": []any{object{"line": 2, "code": "bad_request", "detail": "syntax error at byte 3"}}})
	}
	if w.fakeService.imported != lines {
		t.Errorf("imported %q", w.fakeService.imported)
	}
	w.ask(w.operator, "POST", "/v1/import", lines, "Content-Type: -", "Content-Type: application/x-ndjson; charset=latin1").want(415, "unsupported_media_type")
	w.ask(w.operator, "POST", "/v1/import", lines, "Content-Type: -", "Content-Type: multipart/form-data; boundary=x").want(415, "unsupported_media_type")
	// An import may be far longer than 1 MiB.
	w.ask(w.operator, "POST", "/v1/import", strings.Repeat(lines, 100_000), "Content-Type: -", "Content-Type: application/x-ndjson").want(200, "")
	r, err := http.NewRequestWithContext(t.Context(), "POST", "/v1/import", &broken{})
	if err != nil {
		t.Fatal(err)
	}
	w.askRaw(w.operator, r).want(400, "bad_request").has("import.lines", 1, "import.next_line", 2)
	if !strings.Contains(w.log.String(), `msg="import ended early" lines=1 `) {
		t.Errorf("the log says nothing of it:\n%s", w.log)
	}
}

// broken is a body whose connection breaks.
type broken struct{ read bool }

func (b *broken) Read(p []byte) (int, error) {
	if b.read {
		return 0, errors.New("connection reset")
	}
	b.read = true
	return copy(p, "{}\n"), nil
}

func TestBrokenBody(t *testing.T) {
	w := newWorld(t)
	r, err := http.NewRequestWithContext(t.Context(), "POST", "/v1/inmails", &broken{})
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = -1
	w.askRaw(w.sender, r).want(400, "bad_request")
}

func TestCredits(t *testing.T) {
	w := newWorld(t)
	w.ask(w.sender, "GET", "/v1/credits", nil).want(200, "").has("", object{"account_type": "premium_business", "plan": "premium_business_10", "allowance": 10, "carried": 0, "used": 0,
		"in_flight": 0, "remaining": 10, "period_start": "2026-11-01T00:00:00.000Z", "period_end": "2026-12-01T00:00:00.000Z"})
	w.ask(w.operator, "GET", "/v1/credits", nil, "Inmail-Member: ghost").want(404, "not_found")
}

func TestAnalytics(t *testing.T) {
	w := newWorld(t)
	w.fakeService.report = mailroom.Report{Rows: []rates.Row{
		{Key: "jo", Delivered: 4, Opened: 2, Replied: 1, InTime: 1, Expired: 1, Retracted: 1, Open: &rates.Rate{Value: .5, Low: .25, High: .75}, Complete: true, OpenOf: 4},
		{Key: "maria", Delivered: 1, Pending: 1},
	}}
	w.ask(w.operator, "GET", "/v1/analytics", nil).want(200, "").has("by", "week", "definition", "open_rate/1", "rows.0.open_rate", .5, "rows.0.open_rate_low", .25, "rows.0.open_rate_high", .75,
		"rows.0.response_rate", nil, "rows.0.complete", true, "rows.1.open_rate", nil, "rows.1.delivered", 1, "rows.1.complete", false)
	for _, good := range []string{"by=tag", "by=account_type", "by=category", "by=length", "by=advice", "by=week&from=2026-11-01&to=2026-11-30T00:00:00.5Z"} {
		w.ask(w.sender, "GET", "/v1/analytics?"+good, nil).want(200, "").has("rows.1.key", "maria")
	}
	w.ask(w.operator, "GET", "/v1/analytics?by=sender", nil).want(200, "").has("rows.1.key", "maria")
	w.ask(w.sender, "GET", "/v1/analytics?by=sender", nil).want(200, "").has("rows.0.key", "jo", "rows.1", nil)
	w.ask(w.outsider, "GET", "/v1/analytics?by=sender", nil).want(200, "").has("rows", []any{})
	w.fakeService.report.ToOthers = map[string]rates.Differences{"jo": {Open: &rates.Difference{Value: -.25, Low: -.5, High: .125, Of: [2]int{4, 8}}}}
	w.ask(w.sender, "GET", "/v1/analytics?by=advice", nil).want(200, "").has("rows.0.open_difference",
		object{"value": -.25, "low": -.5, "high": .125, "verdict": "cannot_tell", "of": []any{4, 8}}, "rows.0.response_difference", nil, "rows.1.open_difference", nil)
	w.ask(w.operator, "GET", "/v1/analytics/tags/spring%2024/a%2Fb?from=2026-11-01", nil).want(200, "").has("tags", []any{"spring 24", "a/b"}, "definition", "open_rate/1",
		"open_difference", object{"value": .25, "low": .125, "high": .375, "verdict": "higher", "of": []any{200, 300}}, "response_difference", nil)
	w.ask(w.operator, "GET", "/v1/analytics/tags/a/b?from=yesterday", nil).want(400, "bad_request")
	w.ask(w.sender, "GET", "/v1/analytics/tags/a/b", nil).want(200, "")
	for _, invalid := range []string{"by=day", "by=", "by=week&by=tag", "from=yesterday", "to=2026", "from=2026-11-01&from=2026-11-02", "until=2026-11-01"} {
		w.ask(w.operator, "GET", "/v1/analytics?"+invalid, nil).want(400, "bad_request")
	}
}

func TestCRM(t *testing.T) {
	w := newWorld(t)
	id := w.sent()
	w.fakeService.links = []domain.Link{{InMail: id, Class: domain.BadData, Detail: "REQUIRED_FIELD_MISSING", Attempts: 3, FailedAt: epoch, Dead: true}}
	w.ask(w.operator, "GET", "/v1/crm/status", nil).want(200, "").has("unsynced", 1, "lag_seconds", 90, "oldest_unsynced_at", "2026-11-23T08:58:30.000Z", "dead_letters", object{"bad_data": 1},
		"paused", nil, "drift", object{"at": "2026-11-23T09:00:00.000Z", "kinds": object{"missing": 1}}, "budget.parked_until", nil)
	w.ask(w.operator, "GET", "/v1/crm/status?crm=other", nil).want(200, "").has("crm", "other", "unsynced", 0, "dead_letters", object{})
	w.ask(w.operator, "GET", "/v1/crms", nil).want(200, "").has("items.0.crm", "salesforce", "items.0.state", "running", "items.0.dead_letters", object{"bad_data": 1},
		"items.0.oldest_unsynced_at", "2026-11-23T08:58:30.000Z", "items.0.paused", nil, "items.1", object{"crm": "other", "state": "parked", "unsynced": 0,
			"oldest_unsynced_at": nil, "dead_letters": object{}, "paused": nil}, "items.2", nil, "next_cursor", nil)
	for _, call := range []string{"GET /v1/crm/status", "GET /v1/crm/failures", "POST /v1/crm/failures/retry", "POST /v1/crm/reconcile", "POST /v1/crm/backfill",
		"POST /v1/crm/pause", "POST /v1/crm/resume", "POST /v1/crm/check", "POST /v1/crm/setup", "POST /v1/crm/failures/" + string(id) + "/retry"} {
		method, target, _ := strings.Cut(call, " ")
		for _, name := range []string{"third", "", "zebrafinch"} {
			if a := w.ask(w.operator, method, target+"?crm="+name, nil).want(400, "bad_request"); !strings.Contains(a.text("detail"), "salesforce, other") || strings.Contains(a.text("detail"), "zebra") {
				t.Errorf("%s?crm=%s: %s", call, name, a.text("detail"))
			}
		}
	}
	w.ask(w.operator, "GET", "/v1/crm/failures?crm=other", nil).want(200, "").has("items", []any{})
	w.ask(w.operator, "POST", "/v1/crm/failures/retry?crm=other", nil).want(202, "").has("retried", 0)
	w.ask(w.operator, "POST", "/v1/crm/pause?crm=other", nil).want(200, "")
	w.ask(w.operator, "GET", "/v1/crm/failures", nil).want(200, "").has("items.0", object{"inmail": id, "class": "bad_data", "detail": "REQUIRED_FIELD_MISSING", "attempts": 3, "at": "2026-11-23T09:00:00.000Z", "dead": true,
		"parts": []any{object{"part": "record", "object": "", "class": "bad_data", "detail": "REQUIRED_FIELD_MISSING", "attempts": 3, "at": "2026-11-23T09:00:00.000Z", "dead": true}}})
	w.ask(w.operator, "POST", "/v1/crm/repair", nil).want(200, "").has("applied", false, "inmails", []any{"019abf5e-8c00-7000-8000-000000000005"})
	w.ask(w.operator, "POST", "/v1/crm/repair", `{"apply":true}`).want(503, "unavailable")
	w.ask(w.operator, "POST", "/v1/crm/repair?crm=other", `{"apply":true}`).want(200, "").has("applied", true, "inmails", []any{})
	w.ask(w.operator, "POST", "/v1/crm/check", nil).want(200, "").has("crm", "salesforce", "org", "https://acme.my.salesforce.com", "ok", false, "failed", 1,
		"findings", []any{object{"what": "login", "ok": true, "detail": "by client credentials"},
			object{"what": "InMail__c", "ok": false, "detail": "missing", "remedy": "deploy the package"}})
	w.ask(w.operator, "POST", "/v1/crm/check?crm=other", nil).want(404, "not_found")
	w.ask(w.operator, "POST", "/v1/crm/erased", `{"member":"maria"}`).want(200, "").has("crm", "salesforce", "known", false, "waits", "under way", "inmails", 1000,
		"left", []any{object{"object": "Task", "record": "00T5g00000AbCdEEAV", "fields": "Subject, Description", "where": "recycle_bin", "why": "wait"}},
		"next", "019abf5e-8c00-7000-8000-000000000001")
	w.ask(w.operator, "POST", "/v1/crm/erased", `{"member":"maria","after":"019abf5e-8c00-7000-8000-000000000001"}`).want(200, "").has("inmails", 2, "left", []any{}, "next", nil)
	w.ask(w.operator, "POST", "/v1/crm/erased?crm=other", `{"member":"maria"}`).want(404, "not_found")
	w.ask(w.operator, "POST", "/v1/crm/erased", nil).want(400, "bad_request")
	w.ask(w.operator, "POST", "/v1/crm/setup", nil).want(200, "").has("ok", false, "missing", 0, "steps.0.state", "failed", "undo", nil, "org", "https://acme.my.salesforce.com")
	w.ask(w.operator, "POST", "/v1/crm/setup", `{"session":" token "}`).want(200, "").has("ok", true, "missing", 1, "steps.0.state", "missing", "findings", []any{})
	w.ask(w.operator, "POST", "/v1/crm/setup", `{"session":"token","apply":true}`).want(200, "").has("ok", true, "steps.0.detail", "token", "undo", "emlw", "findings.0.ok", true)
	w.ask(w.operator, "POST", "/v1/crm/setup", `{"undo":"emlw"}`).want(200, "").has("steps.0.detail", "zip")
	w.ask(w.operator, "POST", "/v1/crm/setup", `{"session":"token","waiting":"0Af"}`).want(200, "").has("waiting", "0Af")
	w.ask(w.operator, "POST", "/v1/crm/setup", `{"undo":"no base64"}`).want(400, "bad_request")
	w.ask(w.operator, "POST", "/v1/crm/setup?crm=other", nil).want(404, "not_found")
	w.ask(w.operator, "GET", "/v1/crm/page?kind=lead_id&id=00Q", nil).want(200, "").has("crm", "salesforce", "object", "Lead", "record", "00Q",
		"fields", []any{object{"name": "lead_id", "label": "InMails Sent", "value": "3"}}, "activities.0.owner", "Jo",
		"inmails.0.sent_at", "2026-11-23T09:00:00.000Z", "inmails.0.replied_at", nil)
	w.ask(w.operator, "GET", "/v1/crm/page?kind=lead_id&id=silent", nil).want(503, "unavailable")
	w.ask(w.operator, "GET", "/v1/crm/page?kind=lead_id&id=00Q&crm=other", nil).want(404, "not_found")
	for _, query := range []string{"", "?kind=lead_id", "?id=00Q", "?kind=deal&id=00Q"} {
		w.ask(w.operator, "GET", "/v1/crm/page"+query, nil).want(400, "bad_request")
	}
	w.ask(w.operator, "POST", "/v1/crm/failures/"+string(id)+"/retry", nil).want(202, "").has("retried", 1)
	w.ask(w.operator, "POST", "/v1/crm/failures/019abf5e-8c00-7000-8000-ffffffffffff/retry", nil).want(404, "not_found")
	w.ask(w.operator, "POST", "/v1/crm/failures/retry", nil).want(202, "").has("retried", 1)
	w.ask(w.operator, "POST", "/v1/crm/failures/retry", `{"class":"locked"}`).want(202, "").has("retried", 0)
	w.ask(w.operator, "POST", "/v1/crm/failures/retry", `{"class":"nonsense"}`).want(400, "bad_request")
	w.ask(w.operator, "GET", "/v1/crm/status", nil).want(200, "").has("runs", object{"reconcile": nil, "reconcile_dry_run": nil, "backfill": nil, "backfill_dry_run": nil})
	first := w.ask(w.operator, "POST", "/v1/crm/reconcile", nil).want(202, "").has("status", "asked").text("run")
	// The run that was asked for before goes on, so it is answered again.
	w.ask(w.operator, "POST", "/v1/crm/reconcile", `{"dry_run":false}`).want(202, "").has("run", first)
	dry := w.ask(w.operator, "POST", "/v1/crm/reconcile", `{"dry_run":true}`).want(202, "").has("status", "asked").text("run")
	w.ask(w.operator, "POST", "/v1/crm/backfill", "{}").want(202, "").has("status", "asked")
	w.ask(w.operator, "POST", "/v1/crm/backfill", `{"dry_run":true}`).want(202, "").has("status", "asked")
	w.ask(w.operator, "POST", "/v1/crm/backfill", `{"dry_run":"yes"}`).want(400, "bad_request")
	w.ask(w.operator, "POST", "/v1/crm/reconcile", `{"heal":false}`).want(400, "bad_request")
	w.ask(w.operator, "GET", "/v1/crm/status", nil).want(200, "").has("runs.reconcile.id", first, "runs.reconcile.state", "asked", "runs.reconcile_dry_run.id", dry,
		"runs.reconcile.started_at", nil, "runs.backfill.state", "asked", "runs.backfill_dry_run.state", "asked")
	later := epoch.Add(time.Hour)
	for state, run := range map[string]mailroom.Run{
		"running": {ID: "019abf5e-8c00-7000-8000-000000000001", AskedAt: epoch, StartedAt: epoch, MovedAt: epoch},
		"waiting": {ID: "019abf5e-8c00-7000-8000-000000000001", AskedAt: epoch, StartedAt: epoch, MovedAt: epoch, WaitsUntil: later, Fault: "limit"},
		"stopped": {ID: "019abf5e-8c00-7000-8000-000000000001", AskedAt: epoch, StartedAt: epoch, MovedAt: epoch, Fault: "fault"},
		"done":    {ID: "019abf5e-8c00-7000-8000-000000000001", AskedAt: epoch, StartedAt: epoch, MovedAt: epoch, EndedAt: epoch},
	} {
		run.Backfilled = &mailroom.BackfillProgress{Total: 5300, Prepared: 3000, InMails: 2000, Records: 1990, Beside: 900, Pushed: 10, Failed: 8, Jobs: 2, Calls: 21}
		run.Compared = &mailroom.Comparison{Compared: 5300, Calls: 4, RepairCalls: 3}
		run.Plan = &mailroom.BackfillPlan{InMails: 5300, Beside: 7950, Bytes: 1000, Jobs: 2, Calls: 30}
		w.fakeService.runs[mailroom.Backfill] = run
		w.ask(w.operator, "GET", "/v1/crm/status", nil).want(200, "").has("runs.backfill.state", state, "runs.backfill.fault", run.Fault,
			"runs.backfill.backfilled", object{"total": 5300, "prepared": 3000, "inmails": 2000, "records": 1990, "tasks": 900, "pushed": 10, "failed": 8, "jobs": 2, "calls": 21},
			"runs.backfill.compared", object{"inmails": 5300, "waiting": 0, "drift": object{}, "resynced": 0, "moved": 0, "retried": 0, "matched": 0, "adopted": 0, "owned": 0, "calls": 4, "repair_calls": 3},
			"runs.backfill.plan", object{"inmails": 5300, "tasks": 7950, "bytes": 1000, "jobs": 2, "calls": 30})
	}
	w.ask(w.operator, "POST", "/v1/crm/pause", `{"for":"2h"}`).want(200, "")
	w.ask(w.operator, "GET", "/v1/crm/status", nil).want(200, "").has("paused", object{"why": "operator", "since": "2026-11-23T09:00:00.000Z", "until": "2026-11-23T11:00:00.000Z"})
	w.ask(w.operator, "POST", "/v1/crm/pause", nil).want(200, "").has("status", "paused")
	w.ask(w.operator, "GET", "/v1/crm/status", nil).want(200, "").has("paused.until", nil)
	w.ask(w.operator, "POST", "/v1/crm/pause", `{"for":"-2h"}`).want(400, "bad_request")
	w.ask(w.operator, "POST", "/v1/crm/resume", nil).want(200, "").has("status", "running")
	w.ask(w.operator, "GET", "/v1/crm/status", nil).want(200, "").has("paused", nil)
}

func TestAudit(t *testing.T) {
	w := newWorld(t)
	w.fakeService.audit = []mailroom.AuditEntry{{ID: "1", At: epoch, Kind: "restrict", Sender: "jo", Detail: []byte(`{"trigger":"volume_hour","value":21}`), By: "k", Count: 3, LastAt: epoch.Add(time.Second)}}
	w.ask(w.operator, "GET", "/v1/audit", nil).want(200, "").has("items", []any{object{"id": "1", "at": "2026-11-23T09:00:00.000Z", "kind": "restrict", "sender": "jo", "refusals": []any{}, "count": 3.0, "last_at": "2026-11-23T09:00:01.000Z",
		"detail": object{"trigger": "volume_hour", "value": 21}, "by": "k"}})
	w.ask(w.operator, "POST", "/v1/audit/1/replay", `{}`).want(409, "conflict")
	w.ask(w.operator, "GET", "/v1/audit?sender=jo", nil).want(200, "").has("items.0.id", "1")
	w.ask(w.operator, "GET", "/v1/audit?sender=maria", nil).want(200, "").has("items", []any{})
	w.ask(w.operator, "GET", "/v1/audit?sender=", nil).want(400, "bad_request")
	w.ask(w.operator, "GET", "/v1/audit?kind=none", nil).want(400, "bad_request")
	w.ask(w.operator, "GET", "/v1/audit?kind=decided", nil).want(200, "")
}

func TestClock(t *testing.T) {
	w := newWorld(t)
	for advance, now := range map[string]string{"0s": "2026-11-23T09:00:00.000Z", "0": "2026-11-23T09:00:00.000Z", "1h30m": "2026-11-23T10:30:00.000Z", "+1.5h": "2026-11-23T10:30:00.000Z", "1ms": "2026-11-23T09:00:00.001Z"} {
		w.fakeService.now = epoch
		w.ask(w.operator, "POST", "/v1/clock", object{"advance": advance}).want(200, "").has("now", now)
	}
	for _, invalid := range []any{"-1s", "", "1", "1d", "h", 3600, nil, "9999999999h"} {
		w.ask(w.operator, "POST", "/v1/clock", object{"advance": invalid}).want(400, "bad_request")
	}
	without := newWorld(t, func(p *Parts) { p.Advance = nil }).ownDocument()
	a := without.ask(without.operator, "POST", "/v1/clock", `{"advance":"1h"}`).want(404, "not_found")
	if document, err := without.api.document(); err != nil || strings.Contains(string(document), "/v1/clock") || a.header.Get("Allow") != "" {
		t.Error("the path shows")
	}
}

func TestResume(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string]object{"": {"was_held": true, "failed": 2, "queued": 0}, `{"queued":"fail"}`: {"was_held": true, "failed": 2, "queued": 0},
		`{"queued":"send"}`: {"was_held": true, "failed": 0, "queued": 2}} {
		a := w.ask(w.operator, "POST", "/v1/record/resume", body).want(200, "")
		for name, value := range want {
			a.has(name, value)
		}
	}
	w.ask(w.operator, "POST", "/v1/record/resume", `{"queued":"drop"}`).want(400, "bad_request")
}

func TestHealth(t *testing.T) {
	down := map[string]error{}
	probe := func(name string, critical bool) Probe {
		return Probe{Name: name, Critical: critical, Check: func(context.Context) error { return down[name] }}
	}
	w := newWorld(t, func(p *Parts) {
		p.Probes = []Probe{probe("record", true), probe("queue", false), probe("salesforce", false)}
	})
	w.ask("", "GET", "/livez", nil).want(200, "").has("", object{"status": "ok"})
	w.ask("", "GET", "/readyz", nil).want(200, "").has("", object{"status": "ok", "parts": object{"record": "ok", "queue": "ok", "salesforce": "ok"}})
	down["queue"] = errors.New("dial redis.internal:6379")
	a := w.ask("", "GET", "/readyz?verbose=1", nil).want(200, "").has("", object{"status": "degraded", "parts": object{"record": "ok", "queue": "down", "salesforce": "ok"},
		"causes": object{"queue": "cannot be reached"}})
	if strings.Contains(string(a.body), "internal") || !strings.Contains(w.log.String(), "redis.internal") {
		t.Errorf("why is for the log alone: %s, log %s", a.body, w.log)
	}
	down["record"] = mailroom.Because(mailroom.CauseFull, errors.New("write to /secret/place"))
	full := w.ask("", "GET", "/readyz", nil).want(503, "unavailable")
	if !strings.Contains(string(full.body), "the record has no room left") || strings.Contains(string(full.body), "secret") {
		t.Errorf("it does not say why, or says too much: %s", full.body)
	}
	w.ask("", "GET", "/livez", nil).want(200, "")
	down["record"] = nil
	w.api.stopping.Store(true)
	w.ask("", "GET", "/readyz", nil).want(503, "unavailable")
}

func TestMetricsKey(t *testing.T) {
	open := newWorld(t)
	for _, target := range []string{"/metrics", "/metrics/domain"} {
		open.ask("", "GET", target+"?collect[]=x", nil).want(200, "")
		closed := newWorld(t, func(p *Parts) { p.Config.MetricsKey = "sesame" })
		closed.ask("", "GET", target, nil).want(401, "unauthorized")
		closed.ask("sesam", "GET", target, nil).want(401, "unauthorized")
		closed.ask(closed.operator, "GET", target, nil).want(401, "unauthorized")
		closed.ask("sesame", "GET", target, nil).want(200, "")
	}
}

func TestQueues(t *testing.T) {
	w := newWorld(t)
	basic := func(password string) string {
		r, _ := http.NewRequest("GET", "/", nil)
		r.SetBasicAuth("anyone", password)
		return "Authorization: " + r.Header.Get("Authorization")
	}
	w.ask(w.operator, "GET", "/queues", nil).want(200, "")
	w.ask("", "GET", "/queues", nil, basic(w.operator)).want(200, "")
	w.ask("", "GET", "/queues/api/queues?x=1", nil, basic(w.operator)).want(200, "")
	w.ask("", "GET", "/queues/", nil, basic("wrong")).want(401, "unauthorized")
	w.ask("", "GET", "/queues/", nil, basic(w.sender)).want(403, "forbidden")
	w.ask("", "POST", "/queues/api/queues/sends:pause", nil).want(401, "unauthorized")
	w.ask("", "POST", "/queues/api/queues/sends:pause", nil, basic(w.operator)).want(200, "")
	w.ask("", "POST", "/queues/api/queues/sends:pause", nil, basic(w.operator), "Sec-Fetch-Site: same-origin").want(200, "")
	for _, elsewhere := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://evil.example"} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			w.ask("", method, "/queues/api/queues/sends:pause", nil, basic(w.operator), elsewhere).want(403, "forbidden")
		}
	}
	without := newWorld(t, func(p *Parts) { p.Queues = nil }).ownDocument()
	without.ask(without.operator, "GET", "/queues", nil).want(404, "not_found")
	// Basic authentication opens the queue's page alone.
	w.ask("", "GET", "/v1/keys", nil, basic(w.operator)).want(401, "unauthorized")
}

// TestReplayTakesWhatTheFilterTakes compares the bounds of the settings for a replay
// with those of the filter.
func TestReplayTakesWhatTheFilterTakes(t *testing.T) {
	settings := reflect.TypeFor[otherSettings]()
	for i := range settings.NumField() {
		name, _ := strictjson.Name(settings.Field(i))
		low, high := strictjson.Bounds(settings.Field(i).Tag)
		if name == "refuse_score" {
			continue // is no limit of a trigger
		}
		for n, good := range map[int]bool{low - 1: false, low: true, high: true, high + 1: false} {
			l := spam.DefaultLimits()
			if err := json.Unmarshal(fmt.Appendf(nil, `{%q:%d}`, name, n), &l); err != nil {
				t.Fatal(err)
			}
			if err := l.Validate(); (err == nil) != good {
				t.Errorf("%s of %d: taken by the API %v, by the filter %v", name, n, good, err)
			}
		}
	}
}

func TestEvents(t *testing.T) {
	w := newWorld(t)
	w.ask(w.operator, "GET", "/v1/events?limit=2", nil).want(200, "").has("items.0.id", "evt_0000000000003e8_01a207a23280", "items.0.type", "inmail.sent",
		"items.0.timestamp", "2026-11-23T09:00:00.000Z", "items.0.data.status", "sent", "items.1.data.trigger", "volume_hour", "after", "evt_0000000000003e8_01a207a23280", "more", false)
	w.ask(w.sender, "GET", "/v1/events?after=evt_0000000000003e8_01a207a23280", nil).want(200, "")
	w.ask(w.operator, "GET", "/v1/events?limit=0", nil).want(400, "bad_request")
	w.ask(w.operator, "GET", "/v1/events?limit=201", nil).want(400, "bad_request")
	w.fakeService.fault = domain.Refuse(domain.ExpiredCode, "after: kept no more")
	w.ask(w.operator, "GET", "/v1/events?after=evt_0000000000003e8_01a207a23280", nil).want(410, "expired")
}

func TestWebhooks(t *testing.T) {
	w := newWorld(t)
	made := w.ask(w.operator, "POST", "/v1/webhooks", `{"url":"https://hooks.example.com/","events":["inmail.*"]}`).want(201, "").has("secret", "whsec_c2VjcmV0")
	one := "/v1/webhooks/" + made.text("id")
	for _, invalid := range []string{`{"events":["inmail.*"]}`, `{"url":"https://hooks.example.com/","active":true}`, `{"url":"https://hooks.example.com/"}`,
		`{"url":"https://hooks.example.com/","events":["*"],"text":"all"}`} {
		w.ask(w.operator, "POST", "/v1/webhooks", invalid).want(400, "bad_request")
	}
	w.ask(w.operator, "POST", "/v1/webhooks", `{"url":"https://hooks.example.com/","events":["*"],"name":"one too many"}`).want(409, "conflict")
	a := w.ask(w.operator, "GET", "/v1/webhooks", nil).want(200, "").has("items.0.state", "down", "items.0.last.problem", "status", "items.0.retry_at", "2026-11-23T09:01:00.000Z", "next_cursor", nil)
	if strings.Contains(string(a.body), "whsec_") {
		t.Error("the list shows a secret")
	}
	w.ask(w.operator, "GET", one, nil).want(200, "").has("url", "https://hooks.example.com/", "off_at", nil)
	w.ask(w.operator, "PATCH", one, `{"active":false}`).want(200, "")
	w.ask(w.operator, "POST", one+"/test", nil).want(202, "").has("event", "evt_test_01a207a23280")
	w.ask(w.operator, "POST", one+"/rotate", nil).want(200, "").has("secret", "whsec_c2VjcmV0")
	w.ask(w.operator, "POST", one+"/replay", `{"from":"2026-11-23T09:00:00Z"}`).want(202, "")
	w.ask(w.operator, "POST", one+"/replay", `{"from":"yesterday"}`).want(400, "bad_request")
	w.ask(w.operator, "POST", one+"/enable", nil).want(204, "")
	w.ask(w.operator, "GET", one+"/deliveries?limit=1", nil).want(200, "").has("items.0.state", "waiting", "items.0.last.status", 503, "items.0.event", "evt_0000000000003e8_01a207a23280")
	w.ask(w.operator, "DELETE", one, nil).want(204, "")
	for _, method := range []string{"GET", "DELETE"} {
		w.ask(w.operator, method, "/v1/webhooks/unknown", nil).want(404, "not_found")
		w.ask(w.operator, method, "/v1/webhooks/%00", nil).want(404, "not_found")
	}
	w.ask(w.operator, "PATCH", "/v1/webhooks/unknown", `{"active":true}`).want(404, "not_found")
	w.ask(w.operator, "POST", "/v1/webhooks/unknown/replay", `{"from":"2026-11-23T09:00:00Z"}`).want(404, "not_found")
	w.ask(w.operator, "GET", "/v1/webhooks/unknown/deliveries", nil).want(404, "not_found")
	for _, verb := range []string{"test", "rotate", "enable"} {
		w.ask(w.operator, "POST", "/v1/webhooks/unknown/"+verb, nil).want(404, "not_found")
	}
}

// TestDocumentedEvents checks that every kind of event is documented with an example that its own schema
// describes (R68).
func TestDocumentedEvents(t *testing.T) {
	w := newWorld(t)
	var document struct {
		Webhooks map[string]struct {
			Post struct {
				Summary     string
				RequestBody struct {
					Content map[string]struct{ Example map[string]any }
				} `json:"requestBody"`
			}
		}
	}
	if err := json.Unmarshal(w.ask("", "GET", "/openapi.json", nil).want(200, "").body, &document); err != nil {
		t.Fatal(err)
	}
	for _, kind := range mailroom.EventKinds() {
		post := document.Webhooks[string(kind)].Post
		example := post.RequestBody.Content["application/json"].Example
		data, _ := example["data"].(map[string]any)
		if post.Summary == "" || example["type"] != string(kind) || example["timestamp"] == nil || len(data) == 0 {
			t.Errorf("%s: %q, its example is %v", kind, post.Summary, example)
		}
	}
	if n := len(document.Webhooks); n != len(mailroom.EventKinds()) {
		t.Errorf("%d kinds of event are documented", n)
	}
}
