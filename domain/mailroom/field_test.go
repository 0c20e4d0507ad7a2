package mailroom_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// TestField checks what went wrong in other products, and once here (FIELD.md).
func TestField(t *testing.T) {
	clockFields(t)
	crmFields(t)
	mannersFields(t)
	on(t, "F34_what_was_read_is_kept", func(w *world) {
		const whole = 1199
		ctx, hangUp := context.WithCancel(w.ctx)
		gone := errors.New("connection reset by peer")
		report, err := w.svc.Import(ctx, io.MultiReader(strings.NewReader(memberLines(0, whole)+`{"member":{"id":"cut`), failing(func() error {
			hangUp() // a server may see the disconnect before it has read to the end
			return gone
		})), nil)
		if !errors.Is(err, gone) || !strings.Contains(err.Error(), "read line 1200") {
			t.Errorf("the fault is %v", err)
		}
		if diff := cmp.Diff(mailroom.ImportReport{Lines: whole, Accepted: whole}, report); diff != "" {
			t.Errorf("report (-want +got):\n%s", diff)
		}
		for _, id := range []domain.MemberID{recipient(0), recipient(999), recipient(whole - 1)} {
			_, err := w.svc.Member(w.ctx, id)
			w.ok(err)
		}
		rest, err := w.svc.Import(w.ctx, strings.NewReader(memberLines(whole, 1)), nil)
		w.ok(err)
		if rest.Accepted != 1 {
			t.Errorf("the rest: %+v", rest)
		}
	})
	on(t, "F34_what_could_not_be_kept_is_not_told_as_kept", func(w *world) {
		// The record fails after the first batch. There are unreadable lines before and after the batch that
		// fails.
		ctx, stop := context.WithCancel(w.ctx)
		stream := io.MultiReader(strings.NewReader("nonsense\n"+memberLines(0, 501)+"nonsense\n"), failing(func() error {
			stop()
			return io.EOF
		}), strings.NewReader(memberLines(501, 1)))
		report, err := w.svc.Import(ctx, stream, nil)
		if err == nil {
			t.Error("a record that is away was no fault")
		}
		if report.Lines != 501 || report.Accepted != 500 || report.RejectedCount != 1 || len(report.Rejected) != 1 {
			t.Errorf("report %+v, want 501 lines: 1 rejected and 500 accepted", report)
		}
		again, err := w.svc.Import(w.ctx, strings.NewReader(memberLines(report.Lines-1, 1)+"nonsense\n"), nil)
		w.ok(err)
		if again.Accepted != 1 || again.RejectedCount != 1 {
			t.Errorf("from line %d on: %+v", report.Lines+1, again)
		}
	})

	t.Run("F38_rows_leave_out_what_turns_or_hides", func(t *testing.T) {
		w := newWorld(t, sqliteConfig(t), calm())
		const name, subject, body = "Nora\u202e Eve\u2066", "A \u202equestion\u200b about Tuesday\u2067", "Hello \u202eRobin, \x1b[31mhow are you?"
		w.member("nora", "recruiter_25", func(m *domain.Member) { m.Name = name })
		w.member("robin", "recruiter_25")
		id, err := w.accept(mailroom.Send{From: "nora", To: "robin", Subject: subject, Body: body, Category: "a\u202eb"})
		w.ok(err)
		w.work()

		items, _ := w.inbox("robin")
		if len(items) != 1 || items[0].From.Name != "Nora Eve" || items[0].Subject != "A question about Tuesday" ||
			items[0].Preview != "Hello Robin, \ufffd[31mhow are you?" {
			t.Errorf("inbox %+v", items)
		}
		rows, err := w.svc.Sent(w.ctx, "nora", mailroom.Filter{}, mailroom.Page{Limit: 10})
		w.ok(err)
		if len(rows) != 1 || rows[0].InMail.Subject != "A question about Tuesday" || rows[0].From.Name != "Nora Eve" || rows[0].InMail.Category != "ab" {
			t.Errorf("sent %+v", rows)
		}
		// What is quoted whole is as it was typed.
		opened, err := w.svc.Open(w.ctx, mailroom.Viewer{Member: "robin"}, id)
		w.ok(err)
		if opened.Subject != subject || opened.Body != body {
			t.Errorf("opened %+v", opened)
		}
		m, err := w.svc.Member(w.ctx, "nora")
		w.ok(err)
		if m.Name != name {
			t.Errorf("the member is %q", m.Name)
		}

		errs, err := w.svc.PutMembers(w.ctx, []domain.Member{domain.NewMember("eve", "Eve\x1b[2J"), domain.NewMember("ann", "Ann")})
		w.ok(err)
		w.want(errs[0], domain.BadRequest)
		w.ok(errs[1])
		_, err = w.svc.ChangeMember(w.ctx, "ann", func(m *domain.Member) error { m.Name = "Ann\x07"; return nil })
		w.want(err, domain.BadRequest)
	})

	t.Run("F39_lines_are_read_as_bodies", func(t *testing.T) {
		w := newWorld(t, sqliteConfig(t), calm())
		w.members(3)
		inmail := func(more string) string {
			return `{"inmail":{"from":"r0","to":"r1","subject":"A question about Tuesday","body":"b"` + more + `}}`
		}
		for line, want := range map[string]string{
			`{}`:   "bad_request: a line holds exactly one of member, connection, block, inmail",
			`[]`:   "bad_request: expected an object, found a list",
			`null`: "bad_request: expected an object, found null",
			`{"connection":["r0","r1"],"block":["r0","r1"]}`:                    "bad_request: a line holds exactly one of member, connection, block, inmail",
			`{"connection":["r0","r1"]} {}`:                                     "bad_request: the line goes on after its end at byte 27",
			`{"connection":["r0","r1"]`:                                         "bad_request: the line is not valid JSON at byte 25",
			`{"connection":["r0","r1"],"connection":["r0","r2"]}`:               "bad_request: connection: given twice",
			`{"connection":["r0"]}`:                                             "bad_request: connection: exactly two members",
			`{"connection":["r0","r1","r2"]}`:                                   "bad_request: connection: exactly two members",
			`{"connection":[]}`:                                                 "bad_request: connection: exactly two members",
			`{"connection":["r0",null]}`:                                        "bad_request: connection: expected a text, found null",
			`{"connection":["r0","no id"]}`:                                     "bad_request: connection: a member id has only A-Z a-z 0-9 . _ : -",
			`{"Connection":["r0","r1"]}`:                                        "bad_request: unknown field before byte 14; known are: member, connection, block, inmail",
			`{"block":null}`:                                                    "bad_request: block: expected a list, found null",
			`{"block":{"0":"r0","1":"r1"}}`:                                     "bad_request: block: expected a list, found an object",
			`{"member":{"name":"X"}}`:                                           "bad_request: member: id: required",
			`{"member":{"id":"x"}}`:                                             "bad_request: member: name: required",
			`{"member":{"id":"x","name":"X","account_type":"Recruiter"}}`:       "bad_request: member: account_type: one of " + domain.OneOf(domain.AccountTypes()),
			`{"member":{"id":"x","name":"X","anchor_day":32}}`:                  "bad_request: member: anchor_day: a number of 1 to 31",
			`{"member":{"id":"x","name":"X","anchor_day":15.5}}`:                "bad_request: member: anchor_day: expected a whole number",
			`{"member":{"id":"x","name":"X","anchor_day":15.0}}`:                "",
			`{"member":{"id":"x","name":"X","skills":null}}`:                    "bad_request: member: skills: expected a list, found null",
			"{\"member\":{\"id\":\"x\",\"name\":\"X\x93\"}}":                    "bad_request: member: name: the line is not valid UTF-8 in the text at byte 27",
			`{"member":{"id":"x","name":"\ud800"}}`:                             "bad_request: member: name: half a surrogate pair stands alone at byte 34",
			`{"inmail":{"from":"r0","to":"r1","subject":"s"}}`:                  "bad_request: inmail: body: required",
			inmail(`,"key":""`):                                                 "bad_request: inmail: key: an idempotency key has 1 to 255 printable ASCII characters",
			inmail(`,"key":"ä"`):                                                "bad_request: inmail: key: an idempotency key has 1 to 255 printable ASCII characters",
			inmail(`,"crm":{"lead_id":"x"}`):                                    "bad_request: crm: lead_id is none of first",
			inmail(`,"crm":{"lead_id":7}`):                                      "bad_request: inmail: crm: expected a text, found a number",
			inmail(`,"attachment":` + strings.Repeat(`[`, 31) + `]`):            "bad_request: inmail: attachment: the line nests deeper than 32 levels",
			inmail(`,"attachment":null,"attachments":{"a":1,"a":[2.5e1,true]}`): "no_credits: this account's plan has 0 InMails a period; change the plan to send InMails",
		} {
			report, err := w.svc.Import(w.ctx, strings.NewReader(line), nil)
			w.ok(err)
			got := ""
			for _, r := range report.Rejected {
				got += string(r.Code) + ": " + r.Detail
			}
			if got != want || report.Lines != 1 || report.Accepted+report.RejectedCount != 1 {
				t.Errorf("%s:\n got %s\nwant %s (%+v)", line, got, want, report)
			}
		}
	})
	t.Run("F39_byte_order_mark", func(t *testing.T) {
		w := newWorld(t, sqliteConfig(t), calm())
		for stream, want := range map[string]string{
			"\ufeff" + memberLines(0, 2):                     "2 accepted",
			memberLines(0, 1) + "\ufeff" + memberLines(1, 1): "1 accepted; 2 bad_request",
			"\ufeff\ufeff" + memberLines(0, 1):               "0 accepted; 1 bad_request",
			"\xff\xfe{\x00\n\x00":                            "0 accepted; 1 bad_request; 2 bad_request",
			"\ufeff":                                         "0 accepted",
			"\xef\xbb":                                       "0 accepted; 1 bad_request",
			"":                                               "0 accepted",
		} {
			for _, in := range []io.Reader{strings.NewReader(stream), iotest.OneByteReader(strings.NewReader(stream))} {
				report, err := w.svc.Import(w.ctx, in, nil)
				w.ok(err)
				if got := short(report); got != want {
					t.Errorf("%q: %s, want %s", stream, got, want)
				}
			}
		}
	})
	t.Run("F39_the_bound_is_without_the_line_end", func(t *testing.T) {
		w := newWorld(t, sqliteConfig(t), calm())
		long := func(n int) string {
			line := strings.TrimSpace(memberLines(0, 1))
			return line + strings.Repeat(" ", n-len(line))
		}
		next := memberLines(1, 1)
		for _, end := range []string{"\n", "\r\n", ""} {
			for _, start := range []string{"", "\ufeff"} {
				for n, want := range map[int]string{mailroom.MaxImportLine - 1: "2 accepted", mailroom.MaxImportLine: "2 accepted",
					mailroom.MaxImportLine + 1: "1 accepted; %d too_large", mailroom.MaxImportLine + 2: "1 accepted; %d too_large", 3 * mailroom.MaxImportLine: "1 accepted; %d too_large"} {
					stream, place := start+long(n)+end+next, 1
					if end == "" {
						if start != "" {
							continue
						}
						stream, place = next+long(n), 2
					}
					if strings.Contains(want, "%d") {
						want = fmt.Sprintf(want, place)
					}
					report, err := w.svc.Import(w.ctx, strings.NewReader(stream), nil)
					w.ok(err)
					if got := short(report); got != want || report.Lines != 2 {
						t.Errorf("%q, a line of %d, %q: %s, want %s", start, n, end, got, want)
					}
				}
			}
		}
	})
	t.Run("F39_all_bad_lines_are_counted", func(t *testing.T) {
		w := newWorld(t, sqliteConfig(t), calm())
		w.members(1)
		// Refused lines are known when their batch is stored, after lines that could not be read.
		const unreadable, refused = 10_050, 7
		stream := strings.Repeat(`{"connection":["r0","nobody"]}`+"\n", refused) + strings.Repeat("nonsense\n", unreadable) + "\n" + memberLines(0, 1)
		report, err := w.svc.Import(w.ctx, strings.NewReader(stream), nil)
		w.ok(err)
		if report.Lines != refused+unreadable+2 || report.Accepted != 1 || report.RejectedCount != refused+unreadable || len(report.Rejected) != mailroom.MaxRejected {
			t.Errorf("%d lines, %d accepted, %d rejected, %d of them listed", report.Lines, report.Accepted, report.RejectedCount, len(report.Rejected))
		}
		for i, r := range report.Rejected {
			want := domain.BadRequest
			if i < refused {
				want = domain.NotFound
			}
			if r.Line != i+1 || r.Code != want {
				t.Fatalf("entry %d is line %d, %s", i+1, r.Line, r.Code)
			}
		}
	})
}

// failing is a reader that does nothing but fail.
type failing func() error

func (f failing) Read([]byte) (int, error) { return 0, f() }

// memberLines returns n lines with the members r<first> and so on.
func memberLines(first, n int) string {
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, `{"member":{"id":%q,"name":"Member %d"}}`+"\n", recipient(first+i), first+i)
	}
	return lines.String()
}

// short returns a report in one line.
func short(r mailroom.ImportReport) string {
	text := fmt.Sprintf("%d accepted", r.Accepted)
	for _, line := range r.Rejected {
		text += fmt.Sprintf("; %d %s", line.Line, line.Code)
	}
	return text
}
