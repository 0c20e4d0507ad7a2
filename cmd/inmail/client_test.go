package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"inmail/config"
	"inmail/connectors/porttest"
	"inmail/connectors/record/recordtest"
	"inmail/domain"
	"inmail/domain/mailroom"
)

func init() { time.Local = time.UTC } // tables show local times

// monday is the time at which the tests of the command line begin, in W48 of 2026.
var monday = time.Date(2026, time.November, 23, 9, 0, 0, 0, time.UTC)

// running is the program in this process, with its own record, a clock that does not advance by itself, and
// no workers: a test delivers InMails itself.
type running struct {
	t *testing.T
	*app
}

// newRunning starts the program at monday. The command line finds it, with its operator key, in its data
// folder. more are settings beside those of all tests.
func newRunning(t *testing.T, more ...map[string]string) *running {
	t.Helper()
	return newRunningAs(t, []config.Role{config.RoleAPI}, more...)
}

// newRunningAs is newRunning with other roles.
func newRunningAs(t *testing.T, roles []config.Role, more ...map[string]string) *running {
	t.Helper()
	noSettings(t)
	folder := t.TempDir()
	flags := map[string]string{"data": folder, "listen": "127.0.0.1:0"}
	for _, settings := range more {
		maps.Copy(flags, settings)
	}
	s := patient(t, flags)
	s.Program.Roles = roles
	if !s.Record.Postgres() {
		recordtest.SQLiteAt(t, s.Record.Data)
	}
	a, err := build(t.Context(), s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	a.clock.Pin(monday)
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Setenv("INMAIL_URL", "http://"+a.apiAddress)
	t.Setenv("INMAIL_DATA", folder)
	return &running{t, a}
}

// noSettings unsets every variable that the command line reads.
func noSettings(t *testing.T) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "INMAIL_") && !strings.HasPrefix(name, "INMAIL_TEST_") {
			unset(t, name)
		}
	}
	for _, name := range []string{"INMAIL_URL", "INMAIL_DATA", "INMAIL_MEMBER", "INMAIL_KEY", "INMAIL_KEY_FILE", "INMAIL_OPERATOR_KEY", "INMAIL_OPERATOR_KEY_FILE"} {
		unset(t, name)
	}
}

// unset unsets a variable until the test ends.
func unset(t *testing.T, name string) {
	t.Helper()
	t.Setenv(name, "")
	if err := os.Unsetenv(name); err != nil {
		t.Fatal(err)
	}
}

// result is the exit code and the output of a command.
type result struct {
	out, err string
	code     int
}

// inmail executes one command as main does.
func inmail(t *testing.T, args ...string) result {
	t.Helper()
	return inmailReading(t, strings.NewReader(""), args...)
}

func inmailReading(t *testing.T, in io.Reader, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	root := newRoot()
	root.SetIn(in)
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetArgs(args)
	code := run(t.Context(), root)
	return result{out.String(), errs.String(), code}
}

// must executes a command and fails the test unless it exits with code.
func (r *running) must(code int, args ...string) result {
	r.t.Helper()
	return must(r.t, code, args...)
}

func must(t *testing.T, code int, args ...string) result {
	t.Helper()
	got := inmail(t, args...)
	if got.code != code {
		t.Fatalf("inmail %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got.code, code, got.out, got.err)
	}
	if code == exitDone && got.err != "" {
		t.Errorf("inmail %s: said %q on the error output", strings.Join(args, " "), got.err)
	}
	if code != exitDone && (!strings.HasPrefix(got.err, "inmail: ") || strings.Count(got.err, "\n") != 1) {
		t.Errorf("inmail %s: said %q on the error output, want one line", strings.Join(args, " "), got.err)
	}
	return got
}

// read decodes JSON that a command printed.
func read[T any](t *testing.T, r result) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.out), &v); err != nil {
		t.Fatalf("%v in %q", err, r.out)
	}
	return v
}

// people imports members: senders with 25 InMails a month, and recipients.
func (r *running) people() {
	r.t.Helper()
	path := filepath.Join(r.t.TempDir(), "people.ndjson")
	lines := `{"member":{"id":"lena.hart","name":"Lena Hart","account_type":"sales_navigator_team","plan":"sales_navigator_team_25"}}
{"member":{"id":"basic.bo","name":"Bo Basic"}}
{"member":{"id":"friend","name":"Fred Friend"}}
{"connection":["lena.hart","friend"]}
`
	for i, name := range []string{"Maria López", "Jonas Weiß", "Ada Park", "Kim Moss", "Lee Ash", "Sam Ito", "Ian Gray", "Eva Lund", "Noor Aziz"} {
		lines += fmt.Sprintf(`{"member":{"id":"r%d","name":"%s","company":"Nordhafen"}}`+"\n", i+1, name)
	}
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.must(exitDone, "import", path)
}

// send sends an InMail by the command line and returns its id.
func (r *running) send(to, subject string, args ...string) string {
	r.t.Helper()
	sent := r.must(exitDone, append([]string{"send", "--json", "--member", "lena.hart", "--to", to, "--subject", subject, "--body", "What you wrote on queues stayed with me. How do you test yours?"}, args...)...)
	return read[struct{ ID string }](r.t, sent).ID
}

// deliver delivers InMails as a worker does.
func (r *running) deliver(ids ...string) {
	r.t.Helper()
	asked := make([]domain.ID, len(ids))
	for i, id := range ids {
		asked[i] = domain.ID(id)
	}
	outcomes, err := r.service.Deliver(r.t.Context(), asked)
	if err != nil {
		r.t.Fatal(err)
	}
	for i, o := range outcomes {
		if o.Status != domain.Sent {
			r.t.Fatalf("%s is %s: %v", ids[i], o.Status, o)
		}
	}
}

// delivered sends an InMail and delivers it.
func (r *running) delivered(to, subject string, args ...string) string {
	r.t.Helper()
	id := r.send(to, subject, args...)
	r.deliver(id)
	return id
}

// pass sets the clock forward.
func (r *running) pass(d time.Duration) { r.clock.Pin(r.clock.Now().Add(d)) }

// api calls the API directly.
func (r *running) api(method, path, member string, body ...string) string {
	r.t.Helper()
	req, err := http.NewRequest(method, "http://"+r.apiAddress+path, strings.NewReader(strings.Join(body, "")))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.operatorKey)
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

// sameJSON checks that a command printed the API's answer, indented.
func sameJSON(t *testing.T, answered string, got result) {
	t.Helper()
	var laidOut bytes.Buffer
	if err := json.Indent(&laidOut, []byte(strings.TrimSpace(answered)), "", "  "); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(laidOut.String()+"\n", got.out); diff != "" {
		t.Errorf("--json (-the API's answer +printed):\n%s", diff)
	}
}

var (
	uuidForm   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	cursorForm = regexp.MustCompile(`--cursor [A-Za-z0-9_-]+`)
)

// screen compares what a command printed with want; want has the same text for every id and cursor.
func screen(t *testing.T, want string, got result) {
	t.Helper()
	out := uuidForm.ReplaceAllString(got.out, "id..................................")
	out = cursorForm.ReplaceAllString(out, "--cursor CURSOR")
	if diff := gocmp.Diff(strings.TrimPrefix(want, "\n"), out); diff != "" {
		t.Errorf("screen (-want +got):\n%s", diff)
	}
}

// expiring returns, for an InMail that is delivered so long after monday, the column of the expiry as screens
// show it: its head, the time at which the InMail expires (R32), and the blanks of one that does not.
func expiring(after time.Duration) (head, expires, none string) {
	expires = monday.Add(after + domain.Window).Format("2 Jan 2006 15:04")
	return fmt.Sprintf("%-*s", len(expires), "EXPIRES"), expires, strings.Repeat(" ", len(expires))
}

// closedAddress is the URL of a port on which nothing listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	return "http://" + porttest.Address(t)
}

func TestNoServer(t *testing.T) {
	noSettings(t)
	address := closedAddress(t)
	t.Setenv("INMAIL_URL", address)
	t.Setenv("INMAIL_DATA", t.TempDir())
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("A subject of four\n\ntext"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"send", "--to", "a", "--subject", "s", "--body", "b"}, {"inbox"}, {"sent"}, {"open", "x"}, {"reply", "x", "--body", "b"}, {"retract", "x", "--yes"},
		{"credits"}, {"standing"}, {"advise", file, "--to", "a"}, {"report"}, {"import", file},
		{"crm", "status"}, {"crm", "failures"}, {"crm", "retry"}, {"crm", "retry", "x"}, {"crm", "pause"}, {"crm", "resume"}, {"crm", "reconcile"}, {"crm", "backfill"}, {"crm", "check"}, {"crm", "erased", "--prove", "x"}, {"crm", "setup"},
		{"queue", "status"}, {"queue", "failures"}, {"queue", "retry"},
	} {
		got := must(t, exitFailed, args...)
		for _, part := range []string{address, "connection refused", "inmail serve", "--server"} {
			if !strings.Contains(got.err, part) {
				t.Errorf("inmail %v: %q does not say %q", args, got.err, part)
			}
		}
		if got.out != "" {
			t.Errorf("inmail %v printed %q", args, got.out)
		}
	}
}

// answering makes the command line find a server that gives the same answer to every request.
func answering(t *testing.T, status int, media, body string) {
	t.Helper()
	noSettings(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		w.Header().Set("Location", "https://elsewhere.example.com/")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	t.Setenv("INMAIL_URL", s.URL+"/") // an extra slash does not matter
	t.Setenv("INMAIL_DATA", t.TempDir())
}

func TestExitCodeFollowsTheStatus(t *testing.T) {
	for status, code := range map[int]int{
		400: exitUsage, 401: exitFailed, 403: exitFailed, 404: exitFailed, 405: exitFailed, 409: exitRefused, 410: exitRefused,
		413: exitUsage, 415: exitUsage, 422: exitRefused, 429: exitFailed, 500: exitFailed, 503: exitFailed,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			problem := fmt.Sprintf(`{"type":"urn:inmail:some_code","title":"T","status":%d,"detail":"what was wrong\u001b[2J","code":"some_code"}`, status)
			answering(t, status, "application/problem+json", problem)
			got := must(t, code, "credits", "--member", "a")
			if !strings.HasPrefix(got.err, "inmail: some_code: what was wrong[2J") {
				t.Errorf("said %q", got.err)
			}
			if got.out != "" {
				t.Errorf("printed %q", got.out)
			}
			sameJSON(t, problem, must(t, code, "credits", "--member", "a", "--json"))
		})
	}
}

func TestForeignServer(t *testing.T) {
	for name, answer := range map[string]struct {
		status int
		media  string
		body   string
	}{
		"a page":                 {200, "text/html", "<h1>Welcome</h1>"},
		"a page that is missing": {404, "text/html; charset=utf-8", "<h1>Not Found</h1>"},
		"a redirect":             {302, "text/html", ""},
		"a gateway":              {502, "text/html", "<h1>Bad Gateway</h1>"},
		"half of an answer":      {200, "application/json", `{"items":[`},
		"no media type":          {200, "", "{}"},
		"a problem of others":    {422, "application/problem+json", `{"title":"Unprocessable"}`},
	} {
		t.Run(name, func(t *testing.T) {
			answering(t, answer.status, answer.media, answer.body)
			got := must(t, exitFailed, "report")
			if !strings.Contains(got.err, "does not answer like an inmail server") || !strings.Contains(got.err, "INMAIL_URL") {
				t.Errorf("said %q", got.err)
			}
		})
	}
}

// TestWaitingHasALimit checks that a command gives up on a server that accepts a request and never answers.
func TestWaitingHasALimit(t *testing.T) {
	noSettings(t)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // so that the server notices a client that hung up
		<-r.Context().Done()
	}))
	defer s.Close()
	c, err := (&options{}).newRemote(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c.patience, c.stall = 20*time.Millisecond, 20*time.Millisecond
	if _, err := c.get(t.Context(), "/v1/credits", nil); err == nil || !strings.Contains(err.Error(), s.URL+": no answer within 20ms") {
		t.Errorf("a call: %v", err)
	}
	if _, err := c.upload(t.Context(), "/v1/import", "application/x-ndjson", strings.NewReader("{}\n")); err == nil || !strings.Contains(err.Error(), s.URL+": nothing has moved for 20ms") {
		t.Errorf("an upload: %v", err)
	}
	c.patience = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.get(ctx, "/v1/credits", nil); err == nil || !strings.Contains(err.Error(), "stopped before") {
		t.Errorf("a call of a command that was stopped: %v", err)
	}
}

func TestKey(t *testing.T) {
	r := newRunning(t)
	r.people()
	memberKey := read[struct{ Key string }](t, result{out: r.newMemberKey("lena.hart")}).Key
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(memberKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	t.Run("the operator's of the data folder needs a member", func(t *testing.T) {
		got := must(t, exitUsage, "credits")
		if !strings.Contains(got.err, "--member") {
			t.Errorf("said %q", got.err)
		}
		t.Setenv("INMAIL_MEMBER", "lena.hart")
		must(t, exitDone, "credits")
		must(t, exitFailed, "credits", "--member", "nobody")
	})
	t.Run("data folder of the settings file", func(t *testing.T) {
		settings := filepath.Join(t.TempDir(), "inmail.yaml")
		if err := os.WriteFile(settings, []byte("data: "+os.Getenv("INMAIL_DATA")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		unset(t, "INMAIL_DATA")
		must(t, exitDone, "credits", "--member", "lena.hart", "--config", settings)
	})
	t.Run("none", func(t *testing.T) {
		got := must(t, exitFailed, "credits", "--data", t.TempDir())
		if !strings.Contains(got.err, "unauthorized") || !strings.Contains(got.err, "INMAIL_KEY_FILE") {
			t.Errorf("said %q", got.err)
		}
	})
	t.Run("unknown", func(t *testing.T) {
		t.Setenv("INMAIL_KEY", "inm_0123456789abcdef")
		if got := must(t, exitFailed, "credits"); !strings.Contains(got.err, "it came from INMAIL_KEY") {
			t.Errorf("said %q", got.err)
		}
	})
	t.Run("of a member from a file", func(t *testing.T) {
		t.Setenv("INMAIL_KEY_FILE", file)
		must(t, exitDone, "credits")
		if got := must(t, exitFailed, "credits", "--member", "lena.hart"); !strings.Contains(got.err, "--member") {
			t.Errorf("said %q", got.err)
		}
		must(t, exitFailed, "crm", "status")
	})
	t.Run("of the server's settings", func(t *testing.T) {
		t.Setenv("INMAIL_DATA", t.TempDir())
		t.Setenv("INMAIL_OPERATOR_KEY", r.operatorKey)
		must(t, exitDone, "credits", "--member", "lena.hart")
	})
	t.Run("file that holds something else", func(t *testing.T) {
		t.Setenv("INMAIL_KEY_FILE", write(t, "a letter\nof two lines"))
		if got := must(t, exitUsage, "credits"); !strings.Contains(got.err, "INMAIL_KEY_FILE: ") || strings.Contains(got.err, "letter") {
			t.Errorf("said %q", got.err)
		}
	})
	t.Run("file that is not there", func(t *testing.T) {
		t.Setenv("INMAIL_KEY_FILE", file+".gone")
		if got := must(t, exitFailed, "credits"); !strings.Contains(got.err, "INMAIL_KEY_FILE: ") {
			t.Errorf("said %q", got.err)
		}
	})
	t.Run("a server elsewhere gets no key of this machine's server", func(t *testing.T) {
		t.Setenv("INMAIL_OPERATOR_KEY", r.operatorKey)
		for host, want := range map[string]string{"inmail.example.com": "", "10.0.0.1": "", "127.0.0.1": r.operatorKey, "localhost": r.operatorKey, "::1": r.operatorKey} {
			if key, _, err := (&options{}).findKey(host); err != nil || key != want {
				t.Errorf("%s gets %q, %v", host, key, err)
			}
		}
	})
}

// newMemberKey makes a key and returns the answer.
func (r *running) newMemberKey(member domain.MemberID) string {
	r.t.Helper()
	_, key, err := r.service.CreateKey(r.t.Context(), mailroom.Viewer{}, mailroom.NewKey{Role: "member", Member: member})
	if err != nil {
		r.t.Fatal(err)
	}
	return fmt.Sprintf(`{"key":%q}`, key)
}

func TestWrongUse(t *testing.T) {
	noSettings(t)
	t.Setenv("INMAIL_URL", closedAddress(t)) // no server is called
	for _, args := range [][]string{
		{"nonsense"}, {"crm", "nonsense"}, {"queue", "nonsense"}, {"inbox", "--nonsense"}, {"inbox", "more"}, {"inbox", "--limit", "many"},
		{"send", "--subject", "s", "--body", "b"}, {"send", "--to", "a", "--body", "b"}, {"send", "--to", "a", "--subject", "s"},
		{"send", "--to", "a", "--subject", "s", "--body", "b", "-"}, {"send", "--to", "a", "--subject", "s", "--body", "b", "--body-file", "f"}, {"send", "letter.txt"},
		{"open"}, {"open", "a", "b"}, {"reply", "--body", "b"}, {"reply", "x"}, {"retract"}, {"retract", "x", "--yes", "--confirm", "token"},
		{"advise"}, {"import"}, {"import", "a", "b"}, {"crm", "retry", "x", "--class", "locked"}, {"crm", "failures", "--csv", "--json"}, {"crm", "pause", "--for", "soon"},
		{"send", "--to", "a", "--subject", "s", "--body", "b", "--key", "Grüße"}, {"credits", "--member", "no/body"}, {"credits", "--member", "two\nlines"},
		{"credits", "--server", "127.0.0.1:8080"}, {"credits", "--server", "ftp://a"}, {"credits", "--server", "http://user:secret@a"}, {"credits", "--server", "http://a/?b"},
	} {
		if got := must(t, exitUsage, args...); got.out != "" {
			t.Errorf("inmail %v printed %q", args, got.out)
		}
	}
}

// TestHelp checks the help of each command: it has a one-line summary and an example with its name, and it
// needs neither settings nor a server.
func TestHelp(t *testing.T) {
	noSettings(t)
	var each func(cmd *cobra.Command)
	visited := 0
	each = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			if cmd.HasParent() || sub.GroupID != "" {
				visited++
				path := sub.CommandPath()
				if sub.Short == "" || strings.ContainsAny(sub.Short, "\n") || strings.HasSuffix(sub.Short, ".") || len(sub.Short) > 90 {
					t.Errorf("%s: its one line is %q", path, sub.Short)
				}
				if !strings.HasPrefix(sub.Example, "  inmail ") || !strings.Contains(sub.Example, path) {
					t.Errorf("%s: its example is %q", path, sub.Example)
				}
				args := append(strings.Fields(path)[1:], "--help")
				if got := must(t, exitDone, args...); !strings.HasPrefix(got.out, cmp.Or(sub.Long, sub.Short)) || !strings.Contains(got.out, "Usage:") {
					t.Errorf("%v: %s", args, got.out)
				}
				for line := range strings.SplitSeq(sub.Long, "\n") {
					if len([]rune(line)) > 130 {
						t.Errorf("%s: a line of its help is too long: %s", path, line)
					}
				}
			}
			each(sub)
		}
	}
	root := newRoot()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "crm" || cmd.Name() == "queue" || cmd.GroupID != "" {
			continue
		}
		root.RemoveCommand(cmd) // no command of an operator or a member
	}
	each(root)
	if visited < 20 {
		t.Errorf("only %d commands were looked at", visited)
	}
	if got := must(t, exitDone); !strings.Contains(got.out, "A member's work:") || !strings.Contains(got.out, "Exit codes:") {
		t.Errorf("inmail alone printed %s", got.out)
	}
}

func TestOwnServer(t *testing.T) {
	for listen, want := range map[string]string{
		"": "", "nonsense": "", ":9000": "http://127.0.0.1:9000", "0.0.0.0:8080": "http://127.0.0.1:8080", "[::]:8080": "http://127.0.0.1:8080",
		"10.0.0.5:8080": "http://10.0.0.5:8080", "[::1]:8080": "http://[::1]:8080", "inmail.internal:80": "http://inmail.internal:80",
	} {
		if got := ownServer(listen); got != want {
			t.Errorf("a server that listens on %q answers at %q, want %q", listen, got, want)
		}
	}
}
