package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// TestField repeats faults that happened in other programs, and once in this one (FIELD.md).
func TestField(t *testing.T) {
	t.Run("F31_a_refusal_binds_no_key", testKeyAfterRefusal)
	t.Run("F32_texts_that_are_not_UTF8", testNotUTF8)
	t.Run("F32_a_letter_has_one_meaning", testLetter)
	t.Run("F34_the_answer_tells_where_to_go_on", testImportBreaks)
	t.Run("F34_the_command_line_goes_on", testImportGoesOn)
	t.Run("F39_one_reader", testOneReader)
}

// testNotUTF8 gives a text in another encoding to every command that reads one.
func testNotUTF8(t *testing.T) {
	r := newRunning(t)
	r.people()
	id := r.delivered("r1", "A question about Tuesday")
	t.Setenv("INMAIL_MEMBER", "lena.hart")
	const windows = "Hello Maria,\n\nyou wrote \x93queues\x94 and more.\n" // curly quotes of Windows-1252
	const utf16 = "\xff\xfeH\x00e\x00l\x00l\x00o\x00"
	const bare16 = "H\x00e\x00l\x00l\x00o\x00"
	people := `{"member":{"id":"new","name":"New"}}` + "\n" + `{"member":{"id":"caf`
	before, credits := r.api("GET", "/v1/audit?kind=decided", ""), r.api("GET", "/v1/credits", "lena.hart")

	for name, row := range map[string]struct {
		args  []string // FILE is replaced by the file's path
		file  string
		place string
	}{
		"send":                    {[]string{"send", "--to", "r2", "--subject", "A question about Tuesday", "--body-file", "FILE"}, windows, "0x93 at byte 24, in line 3; if it is Windows-1252"},
		"send, UTF-16":            {[]string{"send", "--to", "r2", "--subject", "A question about Tuesday", "--body-file", "FILE"}, utf16, "0xFF at byte 0, in line 1; if it is UTF-16"},
		"send, UTF-16 unmarked":   {[]string{"send", "--to", "r2", "--subject", "A question about Tuesday", "--body-file", "FILE"}, bare16, "0x00 at byte 1, in line 1; if it is UTF-16"},
		"send, cut off":           {[]string{"send", "--to", "r2", "--subject", "A question about Tuesday", "--body-file", "FILE"}, "caf\xc3", "0xC3 at byte 3, in line 1"},
		"reply":                   {[]string{"reply", id, "--member", "r1", "--body-file", "FILE"}, windows, "0x93 at byte 24, in line 3"},
		"advise":                  {[]string{"advise", "FILE"}, windows, "0x93 at byte 24, in line 3"},
		"advise, asking a server": {[]string{"advise", "FILE", "--to", "r2"}, utf16, "0xFF at byte 0, in line 1"},
		"preflight":               {[]string{"preflight", "FILE"}, "r2\nm\xfcller\n", "0xFC at byte 4, in line 2"},
		"preflight, the letter":   {[]string{"preflight", write(t, "r2\n"), "--letter", "FILE"}, windows, "0x93 at byte 24, in line 3"},
		"import":                  {[]string{"import", "FILE"}, people + "\xe9\",\"name\":\"x\"}}\n", "0xE9 at byte 57, in line 2"},
		"import, directly":        {[]string{"import", "FILE", "--direct", "--data", filepath.Join(t.TempDir(), "data")}, people + "\xe9\",\"name\":\"x\"}}\n", "0xE9 at byte 57, in line 2"},
		"import, UTF-16":          {[]string{"import", "FILE"}, utf16, "0xFF at byte 0, in line 1"},
		"import, cut off":         {[]string{"import", "FILE"}, people + "\xc3", "0xC3 at byte 57, in line 2"},
	} {
		for _, piped := range []bool{false, true} {
			path, in := write(t, row.file), ""
			if piped {
				path, in = "-", row.file
			}
			args := make([]string, len(row.args))
			for i, a := range row.args {
				args[i] = strings.ReplaceAll(a, "FILE", path)
			}
			got := inmailReading(t, strings.NewReader(in), args...)
			want := inputName(path) + " is not UTF-8: " + row.place
			if got.code != exitUsage || got.out != "" || !strings.HasPrefix(got.err, "inmail: "+want) {
				t.Errorf("%s: exit code %d, %q, printed %q; want %q", name, got.code, got.err, got.out, want)
			}
		}
	}
	for flag, args := range map[string][]string{
		"--subject is not UTF-8: 0xFC at byte 1":  {"send", "--to", "r2", "--subject", "f\xfcr Maria", "--body", "b"},
		"--body is not UTF-8: 0xFC at byte 1":     {"reply", id, "--member", "r1", "--body", "f\xfcr"},
		"--tag is not UTF-8: 0xE9 at byte 3":      {"send", "--to", "r2", "--subject", "s", "--body", "b", "--tag", "good", "--tag", "caf\xe9"},
		"--category is not UTF-8: 0xE9 at byte 3": {"advise", write(t, "Hello\n\nb"), "--category", "caf\xe9"},
	} {
		if got := must(t, exitUsage, args...); !strings.HasPrefix(got.err, "inmail: "+flag) {
			t.Errorf("said %q, want %s", got.err, flag)
		}
	}
	for path, was := range map[string]string{"/v1/audit?kind=decided": before, "/v1/credits": credits} {
		member := map[string]string{"/v1/credits": "lena.hart"}[path]
		if now := r.api("GET", path, member); now != was {
			t.Errorf("%s was %s and is %s", path, was, now)
		}
	}
	if got := r.api("GET", "/v1/members/new", ""); !strings.Contains(got, "not_found") {
		t.Errorf("a line of a refused import was kept: %s", got)
	}

	// An input that cannot be read twice, and is longer than readAhead, is imported up to the line with the
	// invalid byte.
	long := strings.NewReader(`{"member":{"id":"new","name":"New"}}` + "\n" + strings.Repeat(strings.Repeat(" ", 1<<15)+"\n", readAhead>>15) + "\xe9\n")
	got := inmailReading(t, long, "import", "-")
	want := fmt.Sprintf("in line %d; if it is Windows-1252, convert it with iconv -f WINDOWS-1252 -t UTF-8; %d lines decided, 1 accepted, 0 rejected; continue with --from-line %d\n",
		readAhead>>15+2, readAhead>>15+1, readAhead>>15+2)
	if got.code != exitUsage || !strings.HasSuffix(got.err, want) {
		t.Errorf("a long input: exit code %d, %q; want %q", got.code, got.err, want)
	}
}

// testLetter gives one letter to every command that reads one, and compares what each takes for its subject
// and its text.
func testLetter(t *testing.T) {
	r := newRunning(t)
	r.people()
	t.Setenv("INMAIL_MEMBER", "lena.hart")
	const body = "Hello Maria.\n\nHow do you test your queues?"
	for i, row := range []struct {
		file    string
		args    []string
		subject string
		body    string
	}{
		{"Subject: A question about Tuesday\n\n" + body + "\n", nil, "A question about Tuesday", body},
		{"\ufeffSUBJECT :A question about Tuesday\r\n\r\n" + body, nil, "A question about Tuesday", body},
		{"A question about Tuesday\n" + body, nil, "A question about Tuesday", body},
		{"Subject: Another\n" + body, []string{"--subject", "A question about Tuesday"}, "A question about Tuesday", body},
		{body, []string{"--subject", "A question about Tuesday"}, "A question about Tuesday", body},
		{"Subject: A question: about Tuesday\n" + body, nil, "A question: about Tuesday", body},
	} {
		file, to := write(t, row.file), fmt.Sprintf("r%d", i+1)
		list := write(t, to+"\n")
		sent := read[struct{ ID string }](t, must(t, exitDone, append([]string{"send", "--json", "--to", to, "--body-file", file}, row.args...)...))
		got := read[struct{ Subject, Body string }](t, result{out: r.api("GET", "/v1/inmails/"+sent.ID, "lena.hart")})
		if got.Subject != row.subject || got.Body != row.body {
			t.Errorf("%q is sent as %q, %q", row.file, got.Subject, got.Body)
		}
		alone := read[verdict](t, inmail(t, append([]string{"advise", "--json", file}, row.args...)...))
		if want := judge(newInMail{Subject: row.subject, Body: row.body}, domain.DefaultPolicy().ReadingEase); alone.Letter == nil || *alone.Letter != *want.Letter || len(alone.Advice) != len(want.Advice) {
			t.Errorf("%q is advised on as %+v, want %+v", row.file, alone, want)
		}
		asked, err := json.Marshal(map[string]any{"to": []string{to}, "subject": row.subject, "body": row.body})
		if err != nil {
			t.Fatal(err)
		}
		want := read[campaignAnswer](t, result{out: r.api("POST", "/v1/preflight", "lena.hart", string(asked))})
		judged := read[campaignAnswer](t, must(t, exitDone, append([]string{"preflight", list, "--json", "--letter", file}, row.args...)...))
		if diff := cmp.Diff(want, judged); diff != "" {
			t.Errorf("%q in a preflight (-want +got):\n%s", row.file, diff)
		}
		r.deliver(sent.ID)
		if len(row.args) == 0 && i != 2 {
			must(t, exitDone, "reply", sent.ID, "--member", to, "--body-file", file)
			if replies := r.api("GET", "/v1/inmails/"+sent.ID+"/replies", "lena.hart"); strings.Contains(replies, "ubject") || strings.Contains(replies, "UBJECT") || !strings.Contains(replies, `"body":"Hello Maria.`) {
				t.Errorf("%q is the reply %s", row.file, replies)
			}
		}
	}
	must(t, exitUsage, "send", "--to", "r9", "--body", body)
	must(t, exitUsage, "member", "find", "M\xfcller")
}

// numbered returns n lines that each make a member.
func numbered(n int) string {
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, `{"member":{"id":"n%d","name":"Number %d"}}`+"\n", i+1, i+1)
	}
	return lines.String()
}

// testImportBreaks closes the sending half of a connection after 1,199 complete lines.
func testImportBreaks(t *testing.T) {
	r := newRunning(t)
	conn, err := net.Dial("tcp", r.apiAddress)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := numbered(1199) + `{"member":{"id":"cut`
	fmt.Fprintf(conn, "POST /v1/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", r.operatorKey, len(body)+100_000, body)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"HTTP/1.1 400 ", `"code":"bad_request"`, `"import":{"lines":1199,"accepted":1199,"rejected_count":0,"rejected":[],"next_line":1200}`} {
		if !strings.Contains(string(answer), want) {
			t.Errorf("no %s in the answer\n%s", want, answer)
		}
	}
	if got := r.api("GET", "/v1/members/n1199", ""); !strings.Contains(got, "Number 1199") {
		t.Errorf("line 1199 is not there: %s", got)
	}
}

// testImportGoesOn imports through a connection that breaks, and then continues from the line that was
// printed.
func testImportGoesOn(t *testing.T) {
	r := newRunning(t)
	file := write(t, "\ufeff"+strings.Replace(numbered(1300), `"Number 7"`, `null`, 1)+"\ufeff"+numbered(1))
	proxy := &breaking{to: r.apiAddress, after: 1199}
	server := proxy.start(t)

	cut := must(t, exitFailed, "import", file, "--server", server)
	if want := "; 1000 lines decided, 999 accepted, 1 rejected; continue with --from-line 1001 (some of the next 500 lines may be imported already)\n"; !strings.HasSuffix(cut.err, want) {
		t.Errorf("said %q, want %q", cut.err, want)
	}
	if !strings.HasPrefix(cut.out, "1000 lines, 999 accepted, 1 rejected\n\nLINE  CODE") {
		t.Errorf("printed %q", cut.out)
	}
	if got := r.eventually("/v1/members/n1199", "Number 1199"); got != "" {
		t.Errorf("line 1199 is not there: %s", got)
	}
	rest := must(t, exitFailed, "import", file, "--from-line", "1001")
	screen(t, `
301 lines, 300 accepted, 1 rejected

LINE  CODE         DETAIL
1301  bad_request  the line is not valid JSON at byte 0
`, rest)
	if got := must(t, exitUsage, "import", file, "--from-line", "1302"); !strings.Contains(got.err, "--from-line: "+file+" has 1301 lines") {
		t.Errorf("said %q", got.err)
	}
	must(t, exitUsage, "import", file, "--from-line", "0")

	direct := must(t, exitFailed, "import", file, "--from-line", "1301", "--direct", "--data", filepath.Join(t.TempDir(), "data"), "--json")
	if got := read[importReport](t, direct); got.Lines != 1 || got.RejectedCount != 1 || got.Rejected[0].Line != 1301 {
		t.Errorf("directly: %+v", got)
	}
}

// breaking is a proxy to a server whose connection breaks for good after a number of lines.
type breaking struct {
	to    string
	after int
	mu    sync.Mutex
}

func (b *breaking) start(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go b.carry(near)
		}
	}()
	return "http://" + l.Addr().String()
}

func (b *breaking) carry(near net.Conn) {
	defer near.Close()
	progressText, err := net.Dial("tcp", b.to)
	if err != nil {
		return
	}
	defer progressText.Close()
	go io.Copy(near, progressText)
	buffer := make([]byte, 1) // a connection breaks anywhere
	last := []byte{}
	for {
		if _, err := near.Read(buffer); err != nil {
			return
		}
		if _, err := progressText.Write(buffer); err != nil {
			return
		}
		if last = append(last, buffer[0]); buffer[0] == '\n' {
			b.mu.Lock()
			if bytes.HasPrefix(bytes.TrimLeft(last, "\ufeff"), []byte(`{"member"`)) {
				b.after--
			}
			over := b.after <= 0
			b.mu.Unlock()
			if last = last[:0]; over {
				return
			}
		}
	}
}

// eventually polls the API until its answer contains a text. It returns the last answer if that never
// happens, else nothing.
func (r *running) eventually(path, want string) (got string) {
	for range 1000 {
		if got = r.api("GET", path, ""); strings.Contains(got, want) {
			return ""
		}
	}
	return got
}

// awkward are inputs that different JSON readers read differently. { and } stand for the braces of the body:
// in an import the object is inside another. @ stands for a new recipient of each reader, for inputs that are
// accepted.
var awkward = []string{
	// a send that is accepted
	`«"to":"@","subject":"A question about Tuesday","body":"One \u00e4\ud83d\ude00 \/ b"»`,
	// and its neighbours
	`«»`, `«"to":"@"»`,
	`«"to":"@","subject":"s","body":"b",»`,
	`«"to":"@" "subject":"s","body":"b"»`,
	`«"to":"@","subject":"s","body":"b"`,
	`«"to":"@","subject":"s","body":"b`,
	`«"to":"@","subject":"s","body":"b\u00`,
	`«"to":"@","subject":"s","body":"b"» x`,
	`«"to":"@","subject":"s","body":"b"»»`,
	`«"to":"@","subject":"s","body":"b"»{}`,
	`«"To":"@","subject":"s","body":"b"»`,
	`«"to":"@","SUBJECT":"s","body":"b"»`,
	`«"to":"@","subject":"s","body":"b","Tags":["t"]»`,
	`«"to":"@","subject":"s","body":"b","draft":true»`,
	`«"to":"@","subject":"s","body":"b","crm":{"lead":"x"}»`,
	`«"to":"@","to":"@","subject":"s","body":"b"»`,
	`«"to":"@","subject":"s","body":"b","\u0062ody":"c"»`,
	`«"to":"@","subject":"s","body":"b","crm":{"lead_id":"","lead_id":""}»`,
	`«"to":"@","subject":"\ud83d","body":"b"»`,
	`«"to":"@","subject":"\ude00\ud83d","body":"b"»`,
	`«"to":"@","subject":"s","body":"b","tags":["\ud800"]»`,
	`«"to":"@","subject":"s\u0000","body":"b"»`,
	`«"to\u0000":"@","subject":"s","body":"b"»`,
	`«"to":"@","subject":"s","body":"b","attachment":{"a\u0000":1}»`,
	`«"to":null,"subject":"s","body":"b"»`,
	`«"to":"@","subject":null,"body":"b"»`,
	`«"to":"@","subject":"s","body":null»`,
	`«"to":"@","subject":"s","body":"b","tags":null»`,
	`«"to":"@","subject":"s","body":"b","crm":null»`,
	`«"to":"@","subject":"s","body":"b","category":null»`,
	`«"to":"@","subject":"s","body":"b","attachment":null»`,
	`«"to":"@","subject":7,"body":"b"»`,
	`«"to":["@"],"subject":"s","body":"b"»`,
	`«"to":"@","subject":"s","body":"b","tags":"t"»`,
	`«"to":"@","subject":"s","body":"b","tags":[1]»`,
	`«"to":"@","subject":"s","body":"b","attachment":01»`,
	`«"to":"@","subject":"s","body":NaN»`,
	`«"to":"@","subject":"\x41","body":"b"»`,
	`«'to':'@'»`,
	`«"to":"@","subject":"s","body":"b","attachment":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `»`,
	`«"to":"a b","subject":"s","body":"b"»`,
	`«"to":"@","subject":"s","body":"b","crm":{"lead_id":"short"}»`,
	`«"to":"@","subject":"","body":"b"»`,
	`«"to":"@","subject":"s","body":"b","attachments":{"a":1,"a":2}»`,
	// not UTF-8
	"«\"to\":\"@\",\"subject\":\"s\xff\",\"body\":\"b\"»",
	"«\"to\":\"@\",\"subject\":\"\\n\xc3\",\"body\":\"b\"»",
	"«\"to\":\"@\",\"subject\":\"\xed\xa0\x80\",\"body\":\"b\"»",
	"«\"to\":\"@\",\"subject\":\"a\x00b\",\"body\":\"b\"»",
	"\x93«\"to\":\"@\",\"subject\":\"s\",\"body\":\"b\"»",
}

// awkwardMembers are the same for a member.
var awkwardMembers = []string{
	`«"name":"X","anchor_day":15.0»`, `«"name":"X","anchor_day":1.5e1»`, `«"name":"X","anchor_day":15.5»`, `«"name":"X","anchor_day":"15"»`,
	`«"name":"X","anchor_day":0»`, `«"name":"X","anchor_day":32»`, `«"name":"X","anchor_day":1e400»`, `«"name":"X","anchor_day":+1»`, `«"name":"X","anchor_day":null»`,
	`«"name":null»`, `«"name":" "»`, `«"NAME":"X"»`, `«"name":"X","profile_shared":"true"»`, `«"name":"X","profile_shared":null»`, `«"name":"X","profile_shared":True»`,
	`«"name":"X","account_type":"Recruiter"»`, `«"name":"X","account_type":""»`, `«"name":"X","account_type":null»`, `«"name":"X","plan":"recruiter_25"»`, `«"name":"X","plan":"gold"»`,
	`«"name":"X","skills":null»`, `«"name":"X","skills":[null]»`, `«"name":"X","skills":["\udc00"]»`, `«"name":"X","skills":["a"` + strings.Repeat(`,"a"`, 100) + `]»`,
	`«"name":"X","created_at":"2026-01-01T00:00:00Z"»`, `«"name":"` + strings.Repeat("x", 201) + `"»`,
}

// judged is the answer to an input: done, or code and detail.
type judged string

// testOneReader gives the same inputs to every reader of JSON: the API, the import and the command line.
func testOneReader(t *testing.T) {
	r := newRunning(t)
	r.people()
	folder := filepath.Join(t.TempDir(), "direct")
	people := `{"member":{"id":"lena.hart","name":"Lena Hart","account_type":"sales_navigator_team","plan":"sales_navigator_team_25"}}` + "\n" + `{"member":{"id":"r4","name":"R"}}`
	must(t, exitDone, "import", write(t, people), "--direct", "--data", folder)

	type input struct {
		text             string
		method, path, as string
		before           string // the part of a line before the first field
	}
	var inputs []input
	for _, text := range awkward {
		inputs = append(inputs, input{text, "POST", "/v1/inmails", "lena.hart", `{"inmail":{"from":"lena.hart",`})
	}
	for _, text := range awkwardMembers {
		inputs = append(inputs, input{text, "PUT", "/v1/members/x", "", `{"member":{"id":"x",`})
	}
	line := func(in input, to string) string {
		before := in.before
		if strings.Contains(in.text, "«»") {
			before = strings.TrimSuffix(before, ",")
		}
		return strings.NewReplacer("«", before, "»", "}}", "@", to).Replace(in.text)
	}
	if len(inputs) < 40 {
		t.Fatalf("%d inputs are too few", len(inputs))
	}
	want := make([]judged, len(inputs))
	for i, in := range inputs {
		want[i] = r.judge(in.method, in.path, in.as, strings.NewReplacer("«", "{", "»", "}", "@", "r1").Replace(in.text))
	}
	if want[0] != "done" || want[1] == "done" {
		t.Fatalf("the API says %q and %q of the first two", want[0], want[1])
	}

	// Over HTTP every input is a line of one stream. A file has only those that are UTF-8, since a file that
	// is not is refused as a whole.
	var all, text bytes.Buffer
	var inText []int
	for i, in := range inputs {
		fmt.Fprintln(&all, line(in, "r2"))
		if utf8.ValidString(in.text) && !strings.Contains(in.text, "\x00") {
			fmt.Fprintln(&text, line(in, "r3"))
			inText = append(inText, i)
			continue
		}
		file := write(t, line(in, "r3"))
		for _, args := range [][]string{{"import", file}, {"import", file, "--direct", "--data", folder}} {
			if got := must(t, exitUsage, args...); !strings.Contains(got.err, file+" is not UTF-8: ") {
				t.Errorf("%q: said %q", in.text, got.err)
			}
		}
	}
	check := func(door, answer string, lines []int) {
		t.Helper()
		got := make([]judged, len(inputs))
		for _, i := range lines {
			got[i] = "done"
		}
		var report importReport
		if err := json.Unmarshal([]byte(answer), &report); err != nil {
			t.Fatalf("%s: %v in %q", door, err, answer)
		}
		for _, invalid := range report.Rejected {
			in := inputs[lines[invalid.Line-1]]
			got[lines[invalid.Line-1]] = judged(invalid.Code + ": " + asInBody(invalid.Detail, in.text, line(in, "r0")))
		}
		for _, i := range lines {
			if got[i] != want[i] {
				t.Errorf("%s: %q:\n got %s\nthe API %s", door, inputs[i].text, got[i], want[i])
			}
		}
	}
	every := make([]int, len(inputs))
	for i := range every {
		every[i] = i
	}
	check("import over HTTP", r.post("POST", "/v1/import", "", "application/x-ndjson", all.String()), every)
	check("inmail import", must(t, exitFailed, "import", write(t, text.String()), "--json").out, inText)
	direct := strings.ReplaceAll(text.String(), `"r3"`, `"r4"`)
	check("inmail import --direct", must(t, exitFailed, "import", write(t, direct), "--json", "--direct", "--data", folder).out, inText)
	if n := len(inputs); n > mailroom.MaxRejected {
		t.Fatal("the list of a report is too short for this test")
	}
}

// judge calls the API once and returns its answer to one input.
func (r *running) judge(method, path, member, body string) judged {
	r.t.Helper()
	answer := r.post(method, path, member, "application/json", body)
	var p struct{ Code, Detail string }
	if err := json.Unmarshal([]byte(answer), &p); err != nil {
		r.t.Fatalf("%v in %q", err, answer)
	}
	if p.Code == "" {
		return "done"
	}
	detail, _, _ := strings.Cut(p.Detail, "; known are")
	return judged(p.Code + ": " + detail)
}

// post posts a body to the API.
func (r *running) post(method, path, member, media, body string) string {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.apiAddress+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.operatorKey)
	req.Header.Set("Content-Type", media)
	if member != "" {
		req.Header.Set("Inmail-Member", member)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(answer)
}

var placeForm = regexp.MustCompile(`byte (\d+)`)

// asInBody translates an answer about a line into the wording and byte offsets of the body in that line.
func asInBody(detail, text, line string) string {
	detail, _, _ = strings.Cut(detail, "; known are")
	detail = strings.TrimPrefix(strings.TrimPrefix(detail, "inmail: "), "member: ")
	detail = strings.ReplaceAll(detail, "the line ", "the body ")
	return placeForm.ReplaceAllStringFunc(detail, func(place string) string {
		at, _ := strconv.Atoi(strings.TrimPrefix(place, "byte "))
		// places[i] is the offset in the body of byte i of the line.
		places := []int{}
		n := 0
		rest := line
		for _, c := range strings.SplitAfter(strings.NewReplacer("@", "r0").Replace(text), "") {
			in := map[string]string{"«": line[strings.Index(line, "{"):prefixEnd(line)], "»": "}}"}[c]
			if in == "" {
				in = c
			}
			for range len(in) {
				places = append(places, n)
			}
			if rest = rest[len(in):]; c == "«" || c == "»" {
				n++
			} else {
				n += len(c)
			}
		}
		places = append(places, n)
		return fmt.Sprintf("byte %d", places[at])
	})
}

// prefixEnd is the offset at which a line's own fields begin.
func prefixEnd(line string) int {
	for _, own := range []string{`"from":"lena.hart",`, `"from":"lena.hart"`, `"id":"x",`} {
		if i := strings.Index(line, own); i >= 0 {
			return i + len(own)
		}
	}
	return 0
}
