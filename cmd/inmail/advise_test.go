package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
	"inmail/domain/advice"
)

// write makes a file in a folder of the test's own.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAdviseWithoutServer(t *testing.T) {
	noSettings(t)
	t.Setenv("INMAIL_URL", closedAddress(t))
	good := "A question about your queues\n\nYou wrote that your team tests its queues by killing workers. Would you show me how, on Tuesday?\n"

	t.Run("nothing to say", func(t *testing.T) {
		screen(t, `
no rule refuses it, and there is nothing to advise

18 words, 96 of 3000 characters
preview: You wrote that your team tests its queues by killing workers. Would you show me how, on Tuesday?
`, must(t, exitDone, "advise", write(t, good), "--category", "follow_up"))
	})
	t.Run("a subject by its name", func(t *testing.T) {
		plain, named := must(t, exitDone, "advise", write(t, good)), must(t, exitDone, "advise", write(t, "Subject: "+good))
		if diff := cmp.Diff(plain.out, named.out); diff != "" {
			t.Errorf("with the name of the field (-without +with):\n%s", diff)
		}
	})
	t.Run("advice refuses nothing", func(t *testing.T) {
		got := must(t, exitDone, "advise", write(t, "Hello\n\nI sell things. I sold many. We are great."))
		for _, code := range []string{"advice:\n  weak_subject: ", "\n  no_value_statement: "} {
			if !strings.Contains(got.out, code) {
				t.Errorf("no %q in\n%s", code, got.out)
			}
		}
	})
	t.Run("what the rules of the text refuse", func(t *testing.T) {
		got := must(t, exitRefused, "advise", write(t, "\n\n[a](ftp://b) ![c](https://d)"), "--json")
		v := read[verdict](t, got)
		var codes []string
		for _, r := range v.Refusals {
			codes = append(codes, r.Code)
		}
		if diff := cmp.Diff([]string{"subject_required", "link_not_allowed", "image_not_supported"}, codes); diff != "" || v.OK {
			t.Errorf("refusals (-want +got):\n%s", diff)
		}
		if !strings.HasPrefix(got.err, "inmail: it would be refused: subject_required: ") {
			t.Errorf("said %q", got.err)
		}
		spam := must(t, exitRefused, "advise", write(t, "You have WON\n\nCongratulations, you have won a cash prize! Act now, limited time offer, 100% risk free: make money fast, click here to claim your free gift."))
		if !strings.Contains(spam.out, "would be refused:\n  spam_content: ") {
			t.Errorf("printed\n%s", spam.out)
		}
	})
	t.Run("the subject from a flag, the text from the standard input", func(t *testing.T) {
		got := inmailReading(t, strings.NewReader("One line.\nAnother.\n"), "advise", "-", "--subject", "A subject of some words", "--json")
		if v := read[verdict](t, got); v.Letter.Words != 3 || v.Letter.Characters != len("One line.\nAnother.") {
			t.Errorf("measured %+v", v.Letter)
		}
	})
	t.Run("the policies of the settings", func(t *testing.T) {
		hard := write(t, "A question about your queues\n\n"+strings.Repeat("You undoubtedly characterise organisational idiosyncrasies of asynchronous infrastructural communication. ", 3))
		if got := must(t, exitDone, "advise", hard); !strings.Contains(got.out, advice.HardToRead) {
			t.Errorf("printed\n%s", got.out)
		}
		t.Setenv("INMAIL_POLICY_READING_EASE", "101")
		if got := must(t, exitUsage, "advise", hard); !strings.Contains(got.err, "reading_ease") {
			t.Errorf("said %q", got.err)
		}
	})
	t.Run("file that is not there", func(t *testing.T) {
		must(t, exitFailed, "advise", filepath.Join(t.TempDir(), "gone"))
	})
}

// TestAdviseAsTheServerDoes compares the advice of the command alone with that of the server, for texts where
// neither the recipient nor learning matters.
func TestAdviseAsTheServerDoes(t *testing.T) {
	r := newRunning(t)
	r.people()
	before := r.api("GET", "/v1/audit?kind=decided", "")
	for _, text := range []string{
		"Hello\n\nI sell things. I sold many. We are great.",
		"HELLO THERE YOU\n\n" + strings.Repeat("word ", 120),
		"A long one\n\n" + strings.Repeat("x", domain.MaxBody+1),
		"A subject of words\n\n[a](javascript:b) <img src=x>",
		strings.Repeat("s", 201) + "\n\nYou see **" + strings.Repeat("bold ", 60) + "**.",
	} {
		file := write(t, text)
		alone := read[verdict](t, inmail(t, "advise", file, "--json"))
		got := inmail(t, "advise", file, "--json", "--to", "r1", "--member", "lena.hart")
		asked := read[verdict](t, got)
		aboutText := []hint{}
		for _, h := range asked.Advice {
			switch h.Code {
			case advice.NoName, advice.NoSpecifics, advice.MentionCommonConnection:
			default:
				aboutText = append(aboutText, h)
			}
		}
		if diff := cmp.Diff(aboutText, alone.Advice); diff != "" {
			t.Errorf("%.20s: advice (-server +alone):\n%s", text, diff)
		}
		if diff := cmp.Diff(asked.Refusals, alone.Refusals); diff != "" {
			t.Errorf("%.20s: refusals (-server +alone):\n%s", text, diff)
		}
		if want := map[bool]int{true: exitDone, false: exitRefused}[asked.OK]; got.code != want {
			t.Errorf("%.20s: exit code %d, want %d", text, got.code, want)
		}
	}
	if got := must(t, exitRefused, "advise", write(t, "A question about Tuesday\n\nHello Fred."), "--to", "friend", "--member", "lena.hart"); !strings.Contains(got.out, "would be refused:\n  connected: ") {
		t.Errorf("printed\n%s", got.out)
	}
	must(t, exitUsage, "advise", write(t, "A question\n\nHello."), "--to", "r1")
	if after := r.api("GET", "/v1/audit?kind=decided", ""); after != before {
		t.Errorf("advice left something in the audit: %s", after)
	}
}
