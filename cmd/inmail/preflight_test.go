package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPreflight(t *testing.T) {
	r := newRunning(t)
	r.people()
	r.delivered("r1", "A question about Tuesday")
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	list := write("list", "r1\nr2\n\nr3\nfriend\nnobody\n")
	letter := write("letter", "Subject: Your talk on queues\n\nMaria, your talk at Nordhafen stayed with me. How do you test your queues?\n")

	screen(t, `
recipients       5
may be sent now  2
refused          awaiting_reply 1, connected 1, unknown_recipient 1
credits          2 needed, 24 there now

TO      CODE               DETAIL
r1      awaiting_reply     an earlier InMail to this member is not answered yet; wait for the reply, or until it expires or is retracted
friend  connected          you are connected with this member; use regular messaging, which costs no credit
nobody  unknown_recipient  there is no member with this id; check the recipient
`, must(t, exitDone, "preflight", list, "--member", "lena.hart"))
	if got := must(t, exitDone, "preflight", list, "--member", "lena.hart", "--letter", letter); !strings.Contains(got.out, "\nadvice ") {
		t.Errorf("no advice on the letter in\n%s", got.out)
	}
	if got := must(t, exitDone, "preflight", list, "--member", "basic.bo"); !strings.Contains(got.out, "4 needed, 0 there now; with this plan they never come\n") {
		t.Errorf("of a basic account it says\n%s", got.out)
	}
	many := make([]string, 30)
	for i := range many {
		many[i] = "none" + strings.Repeat("x", i)
	}
	if got := must(t, exitDone, "preflight", write("many", strings.Join(many, "\n")), "--member", "lena.hart"); !strings.HasSuffix(got.out, "\nand 10 more; --json tells all\n") {
		t.Errorf("of thirty unknown ones it says\n%s", got.out)
	}
	most := make([]string, 10_000)
	for i := range most {
		most[i] = fmt.Sprintf("member.with.an.id.that.is.rather.long.%d", i)
	}
	if got := must(t, exitDone, "preflight", write("most", strings.Join(most, "\n")), "--member", "lena.hart"); !strings.HasPrefix(got.out, "recipients       10000\n") {
		t.Errorf("of ten thousand it says\n%s", cut(got.out, 300))
	}
	if out := must(t, exitDone, "sent", "--member", "lena.hart").out; strings.Count(out, "\n") != 2 {
		t.Errorf("something was sent:\n%s", out)
	}
	must(t, exitUsage, "preflight", write("bad", "not an id!"), "--member", "lena.hart")
	must(t, exitFailed, "preflight", filepath.Join(folder, "missing"), "--member", "lena.hart")
}
