package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const someGood = `{"member":{"id":"a","name":"Ann","account_type":"job_seeker"}}
{"member":{"id":"b","name":"Bob"}}
{"nonsense":1}

{"connection":["a","nobody"]}
{"inmail":{"from":"a","to":"b","subject":"A question about Tuesday","body":"Would Tuesday suit you, Bob?","key":"k"}}
{"inmail":{"from":"b","to":"a","subject":"A question about Tuesday","body":"Would Tuesday suit you, Ann?"}}
`

const someGoodReport = `
7 lines, 3 accepted, 3 rejected

LINE  CODE         DETAIL
   3  bad_request  unknown field before byte 12; known are: member, connection, block, inmail
   5  not_found    there is no member with one of these ids
   7  no_credits   this account's plan has 0 InMails a period; change the plan to send InMails
`

func TestImport(t *testing.T) {
	newRunning(t)
	file := write(t, someGood)
	got := must(t, exitFailed, "import", file)
	screen(t, someGoodReport, got)
	if want := "inmail: 3 of 7 lines were rejected; correct them and import them again\n"; got.err != want {
		t.Errorf("said %q, want %q", got.err, want)
	}
	again := read[importReport](t, must(t, exitFailed, "import", file, "--json"))
	if again.Lines != 7 || again.Accepted != 3 || len(again.Rejected) != 3 || again.Rejected[0].Line != 3 || again.Rejected[0].Code != "bad_request" {
		t.Errorf("JSON is %+v", again)
	}
	if items := read[sentAnswer](t, must(t, exitDone, "sent", "--member", "a", "--json")).Items; len(items) != 1 {
		t.Errorf("what was imported twice under a key was sent %d times", len(items))
	}
	piped := inmailReading(t, strings.NewReader(`{"member":{"id":"c","name":"Cy"}}`), "import", "-")
	if piped.code != exitDone || piped.out != "1 line, 1 accepted, 0 rejected\n" {
		t.Errorf("from the standard input: %+v", piped)
	}
	empty := read[importReport](t, must(t, exitDone, "import", write(t, ""), "--json"))
	if empty.Lines != 0 || empty.Rejected == nil {
		t.Errorf("nothing is %+v", empty)
	}
	must(t, exitFailed, "import", file+".gone")
	if got := must(t, exitFailed, "import", file, "--direct"); !strings.Contains(got.err, "another inmail works on this folder") {
		t.Errorf("directly beside a server: %q", got.err)
	}
	t.Setenv("INMAIL_KEY", "inm_0123456789abcdef")
	must(t, exitFailed, "import", write(t, strings.Repeat(`{"member":{"id":"c","name":"Cy"}}`+"\n", 100_000)))
}

func TestImportDirectly(t *testing.T) {
	noSettings(t)
	t.Setenv("INMAIL_LOG", "json")
	folder := filepath.Join(t.TempDir(), "data")
	file := write(t, someGood)
	screen(t, someGoodReport, must(t, exitFailed, "import", file, "--direct", "--data", folder))
	again := read[importReport](t, must(t, exitFailed, "import", file, "--direct", "--data", folder, "--json"))
	if again.Accepted != 3 || len(again.Rejected) != 3 || again.Rejected[2].Code != "no_credits" {
		t.Errorf("JSON is %+v", again)
	}
	if _, err := os.Stat(filepath.Join(folder, "operator.key")); err == nil {
		t.Error("an import has made an operator key")
	}
	t.Setenv("INMAIL_POLICY_ANCHOR_DAY", "32")
	if got := inmail(t, "import", file, "--direct", "--data", folder); got.code != exitUsage || !strings.Contains(got.err, "anchor_day") {
		t.Errorf("with wrong settings: %+v", got)
	}
}
