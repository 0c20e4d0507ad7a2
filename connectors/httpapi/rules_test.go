package httpapi

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"strings"
	"testing"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// sent sends an InMail from jo to maria and delivers it.
func (w *world) sent() domain.ID {
	w.Helper()
	id := domain.ID(w.ask(w.sender, "POST", "/v1/inmails", object{"to": "maria", "subject": "A talk", "body": "Hello **Maria**"}).want(202, "").text("id"))
	w.fakeService.apply(id, domain.EventDeliver, "")
	return id
}

// TestRules proves the rules that the HTTP side decides: who gets what, and what is no valid request.
func TestRules(t *testing.T) {
	testActs(t)
	t.Run("R01_no_email_to_members", func(t *testing.T) {
		w := newWorld(t)
		id := string(w.sent())
		w.ask(w.receiver, "POST", "/v1/inmails/"+id+"/replies", `{"body":"yes"}`).want(201, "")
		for _, key := range []string{w.sender, w.receiver, w.outsider} {
			for _, target := range []string{"/v1/members/jo", "/v1/members/maria", "/v1/inbox", "/v1/sent", "/v1/inmails/" + id,
				"/v1/inmails/" + id + "/replies", "/v1/credits", "/v1/standing", "/v1/analytics?by=sender"} {
				if a := w.ask(key, "GET", target, nil); strings.Contains(string(a.body), "@") {
					t.Errorf("%s shows an address: %s", target, a.body)
				}
			}
		}
		w.ask(w.receiver, "POST", "/v1/inmails/"+id+"/open", nil).want(200, "")
		if strings.Contains(w.log.String(), "@") {
			t.Errorf("the log shows an address: %s", w.log)
		}
	})
	t.Run("R01_public_part", func(t *testing.T) {
		w := newWorld(t)
		w.ask(w.outsider, "GET", "/v1/members/maria", nil).want(200, "").
			has("", object{"id": "maria", "name": "MARIA", "headline": "", "photo_url": "", "company": ""})
		w.ask(w.receiver, "GET", "/v1/members/maria", nil).want(200, "").has("email", nil, "plan", nil)
		w.ask(w.operator, "GET", "/v1/members/maria", nil, "Inmail-Member: jo").want(200, "").has("email", nil, "plan", nil)
		w.ask(w.operator, "GET", "/v1/members/maria", nil).want(200, "").has("email", "maria@example.com", "plan", "premium_business_10", "skills", []any{})
	})
	t.Run("R15_own_flags_alone", func(t *testing.T) {
		w := newWorld(t)
		w.ask(w.receiver, "PATCH", "/v1/members/maria", `{"accepts_inmail":false,"profile_visible":false}`).want(200, "").has("email", nil)
		if m := w.fakeService.members["maria"]; m.AcceptsInMail || m.ProfileVisible {
			t.Errorf("the flags stayed: %+v", m)
		}
		for _, body := range []string{`{"name":"M"}`, `{"plan":"premium_business_10"}`, `{"accepts_inmail":true,"profile_shared":true}`, `{"skills":[]}`, `{"email":"x@example.com"}`,
			`{"headline":"x"}`, `{"photo_url":"x"}`, `{"company":"x"}`, `{"account_type":"basic"}`, `{"anchor_day":3}`, `{"team":"x"}`} {
			w.ask(w.receiver, "PATCH", "/v1/members/maria", body).want(403, "forbidden")
		}
		w.ask(w.receiver, "PATCH", "/v1/members/jo", `{"accepts_inmail":true}`).want(403, "forbidden")
		w.ask(w.receiver, "PATCH", "/v1/members/nobody", `{"accepts_inmail":true}`).want(404, "not_found")
		w.ask(w.operator, "PATCH", "/v1/members/jo", `{"name":"x"}`, "Inmail-Member: maria").want(403, "forbidden")
		if w.fakeService.members["maria"].AcceptsInMail || w.fakeService.members["jo"].Name != "JO" {
			t.Error("what was forbidden was done")
		}
	})
	t.Run("R16_blocks_by_the_member_or_the_operator", func(t *testing.T) {
		w := newWorld(t)
		w.ask(w.receiver, "PUT", "/v1/members/maria/blocks/jo", nil).want(204, "")
		w.ask(w.sender, "POST", "/v1/inmails", object{"to": "maria", "subject": "A talk", "body": "Hello"}).want(422, "recipient_unavailable")
		w.ask(w.receiver, "DELETE", "/v1/members/maria/blocks/jo", nil).want(204, "")
		w.ask(w.operator, "PUT", "/v1/members/maria/blocks/jo", nil).want(204, "")
		w.ask(w.operator, "DELETE", "/v1/members/maria/blocks/jo", nil, "Inmail-Member: maria").want(204, "")
		w.sent()
		for _, method := range []string{"PUT", "DELETE"} {
			w.ask(w.outsider, method, "/v1/members/maria/blocks/jo", nil).want(403, "forbidden")
			w.ask(w.operator, method, "/v1/members/maria/blocks/jo", nil, "Inmail-Member: jo").want(403, "forbidden")
			w.ask(w.outsider, method, "/v1/members/nobody/blocks/jo", nil).want(404, "not_found")
			w.ask(w.receiver, method, "/v1/members/maria/blocks/nobody", nil).want(404, "not_found")
			w.ask(w.receiver, method, "/v1/members/maria/blocks/no%20body", nil).want(400, "bad_request")
			w.ask(w.outsider, method, "/v1/members/maria/blocks/no%20body", nil).want(400, "bad_request")
		}
	})
	t.Run("R18_nothing_leaks", func(t *testing.T) {
		answers := map[string][]byte{}
		for reason, arrange := range map[string]func(*world){
			"opted_out": func(w *world) {
				w.ask(w.receiver, "PATCH", "/v1/members/maria", `{"accepts_inmail":false}`).want(200, "")
			},
			"blocked": func(w *world) { w.ask(w.receiver, "PUT", "/v1/members/maria/blocks/jo", nil).want(204, "") },
			"banned":  func(w *world) { w.ask(w.operator, "PUT", "/v1/banned/member/maria", `{"reason":"hold"}`).want(204, "") },
		} {
			w := newWorld(t)
			late := w.sentQueued()
			arrange(w)
			answers[reason+" send"] = w.ask(w.sender, "POST", "/v1/inmails", object{"to": "maria", "subject": "A talk", "body": "Hello"}).want(422, "recipient_unavailable").body
			answers[reason+" preflight"] = w.ask(w.sender, "POST", "/v1/preflight", object{"to": "maria", "subject": "A talk", "body": "Hello"}).want(200, "").body
			answers[reason+" bulk"] = w.ask(w.sender, "POST", "/v1/preflight", `{"to":["maria"]}`).want(200, "").body
			w.fakeService.apply(late, domain.EventRefuse, domain.Code(reason))
			view := w.ask(w.sender, "GET", "/v1/inmails/"+string(late), nil).want(200, "").has("reason", "recipient_unavailable", "receipts.1.reason", "recipient_unavailable")
			answers[reason+" receipts"] = view.body
			answers[reason+" list"] = w.ask(w.operator, "GET", "/v1/sent", nil, "Inmail-Member: jo").want(200, "").body
			// The operator gets the true reason.
			w.ask(w.operator, "GET", "/v1/inmails/"+string(late), nil).want(200, "").has("reason", reason, "receipts.1.reason", reason, "from.id", "jo")
			w.ask(w.operator, "GET", "/v1/audit", nil).want(200, "").has("items.0.refusals", []any{reason})
			w.ask(w.sender, "GET", "/v1/audit", nil).want(403, "forbidden")
			w.ask(w.sender, "GET", "/v1/banned", nil).want(403, "forbidden")
		}
		for _, way := range []string{" send", " preflight", " bulk", " receipts", " list"} {
			a, b, c := answers["opted_out"+way], answers["blocked"+way], answers["banned"+way]
			if !bytes.Equal(a, b) || !bytes.Equal(b, c) {
				t.Errorf("%s shows which is which:\n%s\n%s\n%s", way, a, b, c)
			}
		}
	})
	t.Run("R19_a_list_is_refused", func(t *testing.T) {
		w := newWorld(t)
		for _, to := range []any{[]string{"maria"}, []string{"maria", "eve"}, []string{}, "maria,eve", object{"id": "maria"}, 7, nil, true, "", "maria eve", strings.Repeat("m", 65), "erased"} {
			w.ask(w.sender, "POST", "/v1/inmails", object{"to": to, "subject": "A talk", "body": "Hello"}).want(400, "bad_request")
		}
		if len(w.fakeService.inmails) > 0 {
			t.Error("something was sent")
		}
	})
	t.Run("R21_texts_are_judged_by_the_rules", func(t *testing.T) {
		w := newWorld(t)
		long := strings.Repeat("a", 20_000)
		// The length of the body is not checked before an earlier rule.
		w.ask(w.sender, "POST", "/v1/inmails", object{"to": "nobody", "subject": long, "body": long}).want(422, "unknown_recipient")
		w.ask(w.sender, "POST", "/v1/inmails", object{"to": "maria", "subject": "", "body": ""}).want(422, "subject_required")
		w.ask(w.sender, "POST", "/v1/inmails", object{"to": "maria", "subject": long, "body": ""}).want(422, "subject_too_long").has("got", 20000, "limit", 200)
		w.ask(w.sender, "POST", "/v1/preflight", object{"to": "jo", "subject": "", "body": long}).want(200, "").
			has("ok", false, "refusals.0.code", "self", "refusals.1.code", "subject_required", "refusals.2.code", "body_too_long", "refusals.2.limit", 12000)
	})
	t.Run("R23_both_numbers", func(t *testing.T) {
		w := newWorld(t)
		a := w.ask(w.sender, "POST", "/v1/inmails", object{"to": "maria", "subject": "A talk", "body": strings.Repeat("ä", 3001)}).
			want(422, "body_too_long").has("got", 3001, "limit", 3000, "status", 422, "title", "Unprocessable Entity", "type", "urn:inmail:body_too_long")
		if detail := a.text("detail"); !strings.Contains(detail, "3001") || !strings.Contains(detail, "3000") {
			t.Errorf("the detail is %q", detail)
		}
		w.ask(w.sender, "POST", "/v1/inmails", object{"to": "maria", "subject": "A talk", "body": strings.Repeat("ä", 3000)}).want(202, "")
	})
	t.Run("R24_source_and_html", func(t *testing.T) {
		w := newWorld(t)
		w.ask(w.receiver, "POST", "/v1/inmails/"+string(w.sent())+"/open", nil).want(200, "").
			has("body", "Hello **Maria**", "body_html", "<p>Hello <strong>Maria</strong></p>", "opened_at", "2026-11-23T09:00:00.000Z", "from.id", "jo", "replies", []any{})
	})
	t.Run("R26_multipart", func(t *testing.T) {
		w := newWorld(t)
		var form bytes.Buffer
		m := multipart.NewWriter(&form)
		m.WriteField("to", "maria")
		part, err := m.CreateFormFile("file", "cv.pdf")
		if err != nil {
			t.Fatal(err)
		}
		part.Write([]byte("PDF"))
		m.Close()
		id := string(w.sent())
		for _, target := range []string{"/v1/inmails", "/v1/preflight", "/v1/inmails/" + id + "/replies"} {
			for _, media := range []string{m.FormDataContentType(), "multipart/mixed; boundary=x", "Multipart/Form-Data"} {
				w.ask(w.sender, "POST", target, form.String(), "Content-Type: -", "Content-Type: "+media).want(422, "attachment_not_supported")
			}
		}
		w.ask("", "POST", "/v1/inmails", form.String(), "Content-Type: -", "Content-Type: "+m.FormDataContentType()).want(401, "unauthorized")
		if len(w.fakeService.inmails) != 1 {
			t.Error("something was sent")
		}
	})
	t.Run("R26_attachment_fields", func(t *testing.T) {
		w := newWorld(t)
		for _, field := range []string{"attachment", "attachments"} {
			for _, value := range []any{"cv.pdf", []any{object{"name": "cv.pdf"}}, object{"deep": []any{object{}}}, nil, 1, true, []any{}} {
				body := object{"to": "maria", "subject": "A talk", "body": "Hello", field: value}
				w.ask(w.sender, "POST", "/v1/inmails", body).want(422, "attachment_not_supported")
				w.ask(w.sender, "POST", "/v1/preflight", body).want(200, "").has("ok", false, "refusals.0.code", "attachment_not_supported")
			}
		}
		if len(w.fakeService.inmails) > 0 {
			t.Error("something was sent")
		}
		// The refusal of an earlier rule comes first (R21).
		w.ask(w.sender, "POST", "/v1/inmails", object{"to": "nobody", "subject": "A talk", "body": "Hello", "attachment": "x"}).want(422, "unknown_recipient")
		id := string(w.sent())
		w.ask(w.receiver, "POST", "/v1/inmails/"+id+"/replies", `{"body":"x","attachment":[]}`).want(422, "attachment_not_supported")
		w.ask(w.outsider, "POST", "/v1/inmails/"+id+"/replies", `{"body":"x","attachment":[]}`).want(404, "not_found")
	})
	t.Run("R27_nothing_is_told_on", func(t *testing.T) {
		const mark = "zebrafinch"
		w := newWorld(t)
		id := string(w.sent())
		w.ask(w.sender, "POST", "/v1/inmails", `{"to":"maria","subject":"zebrafinch","body":"zebrafinch"}`, "Idempotency-Key: zebrafinch").want(202, "")
		w.ask(w.receiver, "POST", "/v1/inmails/"+id+"/open", nil).want(200, "")
		bodies := []string{
			`{"to":"maria","subject":"zebrafinch","body":"zebrafinch zebrafinch","zebrafinch":1}`, `{"to":"zebrafinch","to":"zebrafinch"}`, `{"to":["zebrafinch"]}`,
			`{"to":"zebrafinch","subject":"zebrafinch","body":"zebrafinch"}`, `{"to":"maria","subject":"zebrafinch","body":""}`, `zebrafinch`, `{"zebrafinch`, `"zebrafinch"`,
			`{"to":"maria","subject":"zebrafinch","body":"![zebrafinch](https://zebrafinch.example)"}`, `{"to":"maria","subject":"zebrafinch","body":"[x](zebrafinch:x)"}`,
			`{"to":"maria","subject":"zebrafinch","body":"x","tags":["zebrafinch\u0000"]}`, `{"to":"maria","subject":"zebrafinch","body":"x","crm":{"lead_id":"zebrafinch"}}`,
			`{"body":"zebrafinch","reason":"zebrafinch"}`, `{"reason":"zebrafinch"}`, `{"confirm":"zebrafinch"}`, `{"tags":["zebrafinch","zebrafinch zebrafinch zebrafinch zebrafinch zebrafinch"]}`,
			`{"role":"zebrafinch"}`, `{"advance":"zebrafinch"}`, `{"class":"zebrafinch"}`, `{"name":"zebrafinch","plan":"zebrafinch"}`, `{"name":"zebrafinch","account_type":"zebrafinch"}`,
		}
		for _, s := range w.samples() {
			for _, body := range bodies {
				if s.method == "GET" || !s.keyed() || s.access == operatorPage || s.takesMedia != "" {
					continue
				}
				key, _ := s.as(w)
				if a := w.ask(key, s.method, s.target, body); a.status >= 400 && strings.Contains(strings.ToLower(string(a.body)), mark) {
					t.Errorf("%s shows what was sent: %s", s.name(), a.body)
				}
			}
		}
		for _, target := range []string{"/v1/zebrafinch", "/v1/inmails/zebrafinch", "/v1/members/zebrafinch", "/v1/members/zebra%20finch", "/v1/inbox?zebrafinch=1", "/v1/inbox?tag=zebrafinch",
			"/v1/inbox?status=zebrafinch", "/v1/inbox?cursor=zebrafinch", "/v1/analytics?by=zebrafinch", "/v1/analytics?from=zebrafinch", "/v1/crm/failures?class=zebrafinch"} {
			if a := w.ask(w.operator, "GET", target, nil, "Inmail-Member: jo"); a.status >= 400 && strings.Contains(string(a.body), mark) {
				t.Errorf("%s shows what was sent: %s", target, a.body)
			}
		}
		w.ask("zebrafinch", "ZEBRAFINCH", "/v1/inbox", nil).want(405, "method_not_allowed")
		w.ask("zebrafinch", "GET", "/v1/inbox", nil).want(401, "unauthorized")
		if strings.Contains(strings.ToLower(w.log.String()), mark) || strings.Contains(w.log.String(), id) {
			t.Errorf("the log shows what was sent:\n%s", w.log)
		}
		families, err := w.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if strings.Contains(strings.ToLower(f.String()), mark) {
				t.Errorf("a metric shows what was sent: %s", f)
			}
		}
	})
	t.Run("R28_key_header", func(t *testing.T) {
		w := newWorld(t)
		body := object{"to": "maria", "subject": "A talk", "body": "Hello"}
		post := func(body any, headers ...string) answer {
			return w.ask(w.sender, "POST", "/v1/inmails", body, headers...)
		}
		first := post(body, "Idempotency-Key: a key").want(202, "")
		again := post(body, "Idempotency-Key: a key").want(202, "")
		if !bytes.Equal(first.body, again.body) || len(w.fakeService.inmails) != 1 {
			t.Errorf("first %s, again %s, %d sent", first.body, again.body, len(w.fakeService.inmails))
		}
		body["body"] = "Hello!"
		post(body, "Idempotency-Key: a key").want(409, "idempotency_conflict")
		post(body, "Idempotency-Key: "+strings.Repeat("k", mailroom.MaxKey)).want(202, "")
		for _, invalid := range [][]string{{"Idempotency-Key: "}, {"Idempotency-Key: " + strings.Repeat("k", mailroom.MaxKey+1)}, {"Idempotency-Key: schlüssel"}, {"Idempotency-Key: a\tb"},
			{"Idempotency-Key: \x7f"}, {"Idempotency-Key: a", "Idempotency-Key: b"}} {
			post(body, invalid...).want(400, "bad_request")
		}
	})
	t.Run("R29_R30_inbox_entry", func(t *testing.T) {
		w := newWorld(t)
		id := w.sent()
		entry := object{"id": id, "kind": "inmail", "from": object{"id": "jo", "name": "JO", "photo_url": ""}, "subject": "A talk", "preview": "Hello Maria",
			"unread": true, "status": "sent", "sent_at": "2026-11-23T09:00:00.000Z", "expires_at": expiry()}
		w.ask(w.receiver, "GET", "/v1/inbox", nil).want(200, "").has("", object{"items": []any{entry}, "next_cursor": nil, "unread_count": 1})
		w.ask(w.receiver, "GET", "/v1/inmails/"+string(id), nil).want(200, "").has("", entry)
		w.ask(w.operator, "GET", "/v1/inmails/"+string(id), nil, "Inmail-Member: maria").want(200, "").has("", entry)
		if w.fakeService.inmails[id].Status != domain.Sent {
			t.Error("looking opened it")
		}
	})
	t.Run("R31_only_the_recipient_opens", func(t *testing.T) {
		w := newWorld(t)
		id := w.sent()
		open := "/v1/inmails/" + string(id) + "/open"
		w.ask(w.sender, "POST", open, nil).want(403, "forbidden")
		w.ask(w.operator, "POST", open, nil, "Inmail-Member: jo").want(403, "forbidden")
		w.ask(w.outsider, "POST", open, nil).want(404, "not_found")
		w.ask(w.operator, "POST", open, nil).want(400, "bad_request")
		if w.fakeService.inmails[id].Status != domain.Sent {
			t.Error("somebody else opened it")
		}
		w.ask(w.receiver, "POST", open, "{}").want(200, "")
	})
	t.Run("R32_gone_when_expired", func(t *testing.T) {
		w := newWorld(t)
		id := string(w.sent())
		w.ask(w.operator, "POST", "/v1/clock", fmt.Sprintf(`{"advance":"%dh"}`, domain.WindowHours)).want(200, "").has("now", expiry())
		w.ask(w.receiver, "POST", "/v1/inmails/"+id+"/open", nil).want(410, "expired")
		w.ask(w.receiver, "POST", "/v1/inmails/"+id+"/replies", `{"body":"x"}`).want(410, "expired")
		w.ask(w.receiver, "GET", "/v1/inmails/"+id, nil).want(410, "expired")
		w.ask(w.receiver, "GET", "/v1/inbox", nil).want(200, "").has("items", []any{}, "unread_count", 0)
		w.ask(w.sender, "GET", "/v1/inmails/"+id, nil).want(200, "").has("status", "expired", "receipts.2.status", "expired", "receipts.2.at", expiry(), "receipts.2.seq", 3)
		w.ask(w.sender, "POST", "/v1/inmails/"+id+"/retract", "{}").want(409, "too_late")
	})
	t.Run("R35_two_steps", func(t *testing.T) {
		w := newWorld(t)
		id := string(w.sent())
		retract := "/v1/inmails/" + id + "/retract"
		offer := w.ask(w.sender, "POST", retract, "{}").want(200, "").has("expires_at", "2026-11-23T09:15:00.000Z", "undone_if_confirmed_now", true)
		w.ask(w.sender, "POST", retract, nil).want(200, "").has("confirm", offer.text("confirm"))
		confirm := object{"confirm": offer.text("confirm")}
		w.ask(w.receiver, "POST", retract, confirm).want(403, "forbidden")
		w.ask(w.outsider, "POST", retract, confirm).want(404, "not_found")
		w.ask(w.sender, "POST", retract, `{"confirm":""}`).want(409, "conflict")
		w.ask(w.sender, "POST", retract, `{"confirm":"nonsense"}`).want(409, "conflict")
		for range 2 {
			w.ask(w.sender, "POST", retract, confirm).want(200, "").has("", object{"status": "retracted", "undone": true})
		}
		w.ask(w.receiver, "POST", "/v1/inmails/"+id+"/open", nil).want(410, "retracted")
		w.ask(w.sender, "GET", "/v1/inmails/"+id, nil).want(200, "").has("status", "retracted", "undone", true)
		w.fakeService.now = epoch.Add(16 * time.Minute)
		w.ask(w.sender, "POST", retract, confirm).want(409, "conflict")
	})
	t.Run("R37_opened_refused", func(t *testing.T) {
		w := newWorld(t)
		w.fakeService.policy = domain.RefuseOpened
		id := w.sent()
		w.fakeService.apply(id, domain.EventOpen, "")
		w.ask(w.sender, "POST", "/v1/inmails/"+string(id)+"/retract", "{}").want(409, "already_opened")
	})
	t.Run("R63_declining", func(t *testing.T) {
		w := newWorld(t)
		id := string(w.sent())
		path := "/v1/inmails/" + id + "/decline"
		w.ask(w.sender, "POST", path, nil).want(403, "forbidden")
		w.ask(w.outsider, "POST", path, nil).want(404, "not_found")
		for _, body := range []any{object{"reason": strings.Repeat("x", 201)}, object{"reason": 1}, object{"why": "x"}, object{"reason": "a\u0007b"}} {
			w.ask(w.receiver, "POST", path, body).want(400, "bad_request")
		}
		w.ask(w.receiver, "POST", path, object{"reason": strings.Repeat("ü", 200)}).want(200, "").has("", object{"status": "declined"})
		w.ask(w.receiver, "POST", path, nil).want(200, "").has("", object{"status": "declined"})
		w.ask(w.sender, "GET", "/v1/inmails/"+id, nil).want(200, "").has("status", "declined", "decline_reason", strings.Repeat("ü", 200),
			"receipts.2.status", "opened", "receipts.3.status", "declined", "receipts.3.seq", 4)
		w.ask(w.operator, "GET", "/v1/inmails/"+id, nil).want(200, "").has("decline_reason", strings.Repeat("ü", 200))
		w.ask(w.receiver, "GET", "/v1/inmails/"+id, nil).want(200, "").has("status", "declined", "decline_reason", nil)
		w.ask(w.sender, "GET", "/v1/sent?status=declined", nil).want(200, "").has("items.0.id", id)
		w.ask(w.sender, "POST", "/v1/inmails/"+id+"/replies", object{"body": "And now?"}).want(409, "conflict")

		answered := string(w.sent())
		w.ask(w.receiver, "POST", "/v1/inmails/"+answered+"/replies", object{"body": "Gladly."}).want(201, "")
		w.ask(w.receiver, "POST", "/v1/inmails/"+answered+"/decline", nil).want(409, "conflict")
		gone := string(w.sent())
		w.fakeService.now = w.fakeService.now.Add(domain.Window)
		w.ask(w.receiver, "POST", "/v1/inmails/"+gone+"/decline", nil).want(410, "expired")
	})
	t.Run("R64_automatic_replies", func(t *testing.T) {
		w := newWorld(t)
		id := string(w.sent())
		path := "/v1/inmails/" + id + "/replies"
		w.ask(w.receiver, "POST", path, object{"body": "Away.", "automatic": "yes"}).want(400, "bad_request")
		reply := w.ask(w.receiver, "POST", path, object{"body": "Away.", "automatic": true}).want(201, "").text("id")
		w.ask(w.sender, "GET", path, nil).want(200, "").has("items.0.automatic", true)
		w.ask(w.sender, "GET", "/v1/inmails/"+id, nil).want(200, "").has("status", "sent")
		mark := path + "/" + reply
		w.ask(w.receiver, "PATCH", mark, object{"automatic": false}).want(403, "forbidden")
		w.ask(w.outsider, "PATCH", mark, object{"automatic": false}).want(404, "not_found")
		w.ask(w.sender, "PATCH", path+"/"+id, object{"automatic": false}).want(404, "not_found")
		w.ask(w.sender, "PATCH", path+"/none", object{"automatic": false}).want(404, "not_found")
		w.ask(w.sender, "PATCH", mark, object{}).want(400, "bad_request")
		w.ask(w.sender, "PATCH", mark, object{"automatic": false}).want(200, "").has("", object{"automatic": false})
		w.ask(w.sender, "GET", "/v1/inmails/"+id, nil).want(200, "").has("status", "replied")
		w.ask(w.operator, "PATCH", mark, object{"automatic": true}).want(200, "")
		w.ask(w.sender, "GET", "/v1/inmails/"+id, nil).want(200, "").has("status", "opened")

		late, declined := string(w.sent()), string(w.sent())
		for _, id := range []string{late, declined} {
			reply := w.ask(w.receiver, "POST", "/v1/inmails/"+id+"/replies", object{"body": "Away.", "automatic": true}).want(201, "").text("id")
			code, status := "expired", 410
			if id == declined {
				w.ask(w.receiver, "POST", "/v1/inmails/"+id+"/decline", nil).want(200, "")
				code, status = "conflict", 409
			}
			now := w.fakeService.now
			w.fakeService.now = now.Add(domain.Window)
			w.ask(w.sender, "PATCH", "/v1/inmails/"+id+"/replies/"+reply, object{"automatic": false}).want(status, code)
			w.fakeService.now = now
		}
	})
	t.Run("R65_a_members_own_number", func(t *testing.T) {
		w := newWorld(t)
		w.ask(w.receiver, "PATCH", "/v1/members/maria", `{"max_week":3}`).want(200, "").has("max_week", nil)
		w.ask(w.operator, "GET", "/v1/members/maria", nil).want(200, "").has("max_week", 3)
		w.ask(w.receiver, "PATCH", "/v1/members/jo", `{"max_week":3}`).want(403, "forbidden")
		for _, invalid := range []string{`{"max_week":-1}`, `{"max_week":1001}`, `{"max_week":"3"}`, `{"max_week":1.5}`} {
			w.ask(w.receiver, "PATCH", "/v1/members/maria", invalid).want(400, "bad_request")
		}
		w.ask(w.receiver, "PATCH", "/v1/members/maria", `{"max_week":0}`).want(200, "")
		if m := w.fakeService.members["maria"]; m.MaxWeek != 0 {
			t.Errorf("max_week stays %d", m.MaxWeek)
		}
	})
	t.Run("R40_conversation", func(t *testing.T) {
		w := newWorld(t)
		id := string(w.sent())
		replies := "/v1/inmails/" + id + "/replies"
		w.ask(w.sender, "POST", replies, `{"body":"and another thing"}`).want(409, "conflict")
		w.ask(w.receiver, "POST", replies, `{"body":"  "}`).want(422, "body_required")
		first := w.ask(w.receiver, "POST", replies, `{"body":"yes"}`).want(201, "").text("id")
		w.ask(w.sender, "GET", "/v1/inbox", nil).want(200, "").has("items.0.kind", "reply", "items.0.id", first, "items.0.inmail_id", id, "items.0.expires_at", nil)
		w.ask(w.sender, "POST", replies, `{"body":"good"}`).want(201, "")
		w.ask(w.receiver, "GET", replies, nil).want(200, "").has("items.0.body", "yes", "items.0.from.id", "maria", "items.1.body", "good", "next_cursor", nil)
		w.ask(w.outsider, "GET", replies, nil).want(404, "not_found")
		w.ask(w.operator, "GET", replies, nil).want(200, "")
		w.ask(w.operator, "POST", replies, `{"body":"me too"}`).want(400, "bad_request")
		w.ask(w.receiver, "PUT", "/v1/members/maria/blocks/jo", nil).want(204, "")
		w.fakeService.pairs["block{jo maria}"] = mailroom.Pair{From: "jo", To: "maria"}
		w.ask(w.receiver, "POST", replies, `{"body":"hm"}`).want(422, "recipient_unavailable")
	})
	t.Run("R42_until", func(t *testing.T) {
		w := newWorld(t)
		w.restrict("jo")
		w.ask(w.sender, "POST", "/v1/inmails", object{"to": "maria", "subject": "A talk", "body": "Hello"}).want(422, "restricted").has("until", "2026-11-24T09:00:00.000Z")
		w.ask(w.sender, "POST", "/v1/preflight", `{"to":["maria"]}`).want(200, "").has("items.0.refusals.0.until", "2026-11-24T09:00:00.000Z")
	})
	t.Run("R43_standing", func(t *testing.T) {
		w := newWorld(t)
		w.ask(w.sender, "GET", "/v1/standing", nil).want(200, "").has("restricted", nil, "triggers.0.trigger", "volume_hour", "triggers.0.value", 1, "triggers.0.limit", 20)
		w.restrict("jo")
		w.ask(w.sender, "GET", "/v1/standing", nil).want(200, "").has("restricted", object{"trigger": "volume_hour", "until": "2026-11-24T09:00:00.000Z"})
		w.ask(w.operator, "GET", "/v1/standing", nil, "Inmail-Member: nobody").want(404, "not_found")
	})
	t.Run("R44_report_once", func(t *testing.T) {
		w := newWorld(t)
		report := "/v1/inmails/" + string(w.sent()) + "/report"
		w.ask(w.sender, "POST", report, `{"reason":"x"}`).want(403, "forbidden")
		w.ask(w.outsider, "POST", report, `{"reason":"x"}`).want(404, "not_found")
		w.ask(w.receiver, "POST", report, `{}`).want(400, "bad_request")
		w.ask(w.receiver, "POST", report, `{"reason":"x"}`).want(204, "")
		w.ask(w.receiver, "POST", report, `{"reason":"x"}`).want(409, "conflict")
	})
	t.Run("R56_tags", func(t *testing.T) {
		w := newWorld(t)
		id := string(w.sent())
		tags := "/v1/inmails/" + id + "/tags"
		w.ask(w.sender, "PUT", tags, `{"tags":["  Hamburg\u00a0 FAIR ","hamburg fair","a"]}`).want(200, "").has("tags", []any{"a", "hamburg fair"})
		w.ask(w.sender, "GET", "/v1/sent?tag=HAMBURG++fair", nil).want(200, "").has("items.0.id", id)
		w.ask(w.sender, "GET", "/v1/sent?tag=other", nil).want(200, "").has("items", []any{})
		for _, invalid := range []string{`{"tags":[""]}`, `{"tags":["` + strings.Repeat("t", 41) + `"]}`, `{"tags":["1","2","3","4","5","6","7","8","9","10","11"]}`, `{"tags":"a"}`, `{"tags":[1]}`, `{}`, `{"tags":null}`} {
			w.ask(w.sender, "PUT", tags, invalid).want(400, "bad_request")
			w.ask(w.sender, "PUT", "/v1/inmails/no-uuid/tags", invalid).want(400, "bad_request")
		}
		w.ask(w.sender, "GET", "/v1/sent?tag=+", nil).want(400, "bad_request")
		w.ask(w.receiver, "PUT", tags, `{"tags":[]}`).want(403, "forbidden")
		w.ask(w.sender, "PUT", tags, `{"tags":[]}`).want(200, "").has("tags", []any{})
	})
	t.Run("R60_export", func(t *testing.T) {
		w := newWorld(t)
		id := string(w.sent())
		w.ask(w.receiver, "GET", "/v1/members/maria/export", nil).want(403, "forbidden")
		w.ask(w.operator, "GET", "/v1/members/nobody/export", nil).want(404, "not_found")
		a := w.ask(w.operator, "GET", "/v1/members/maria/export", nil).want(200, "").has("member.id", "maria", "connections", []any{"kim"},
			"blocks", []any{"sam"}, "banned.0.value", "maria", "keys.0.id", "k1", "strikes", []any{"2026-11-23T09:00:00.000Z"},
			"periods.0.used", 1, "reports.0.reason", "x", "inmails.0.id", id, "inmails.0.to.id", "maria", "inmails.0.receipts.1.status", "sent",
			"inmails.0.replies.0.body", "a reply", "restrictions", []any{})
		if strings.Contains(string(a.body), "hash") {
			t.Errorf("it shows the hash of a key: %s", a.body)
		}
	})
	t.Run("R60_keys_are_dead_at_once", func(t *testing.T) {
		w := newWorld(t)
		w.ask(w.receiver, "GET", "/v1/inbox", nil).want(200, "")
		w.ask(w.operator, "DELETE", "/v1/members/maria", nil).want(202, "")
		w.ask(w.receiver, "GET", "/v1/inbox", nil).want(401, "unauthorized")
		w.ask(w.operator, "GET", "/v1/members/maria", nil).want(404, "not_found")
		w.ask(w.operator, "DELETE", "/v1/members/maria", nil).want(404, "not_found")
	})
}

// sentQueued sends an InMail that is not delivered yet.
func (w *world) sentQueued() domain.ID {
	w.Helper()
	return domain.ID(w.ask(w.sender, "POST", "/v1/inmails", object{"to": "maria", "subject": "A talk", "body": "Hello"}).want(202, "").text("id"))
}

// restrict restricts a member for a day.
func (w *world) restrict(member domain.MemberID) {
	row := mailroom.RestrictionRow{ID: string(w.fakeService.id()), Member: member}
	row.Trigger, row.Value, row.Limit, row.Step, row.StartedAt, row.Until = "volume_hour", 21, 20, 1, epoch, epoch.Add(24*time.Hour)
	w.fakeService.penalty = append(w.fakeService.penalty, row)
}
