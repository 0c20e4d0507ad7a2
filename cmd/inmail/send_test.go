package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSend(t *testing.T) {
	r := newRunning(t)
	r.people()
	t.Setenv("INMAIL_MEMBER", "lena.hart")
	letter := filepath.Join(t.TempDir(), "letter.txt")
	if err := os.WriteFile(letter, []byte("\xef\xbb\xbfHello Maria,\r\nwould **Tuesday** suit you?\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	t.Run("prints id and advice", func(t *testing.T) {
		args := []string{"send", "--to", "r1", "--subject", "Hello", "--body", "I sell things.", "--key", "first"}
		shown := must(t, exitDone, args...)
		answer := read[queuedAnswer](t, must(t, exitDone, append(args, "--json")...)) // as before (R28)
		if answer.Status != "queued" || len(answer.Advice) == 0 {
			t.Fatalf("answered %+v", answer)
		}
		want := "queued " + answer.ID + "\nadvice:\n"
		for _, h := range answer.Advice {
			want += "  " + h.Code + ": " + h.Detail + "\n"
		}
		if diff := cmp.Diff(want, shown.out); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got := must(t, exitRefused, "send", "--to", "r2", "--subject", "Hello", "--body", "I sell things.", "--key", "first"); !strings.Contains(got.err, "idempotency_conflict") {
			t.Errorf("said %q", got.err)
		}
	})
	for name, way := range map[string]struct {
		to, in string
		args   []string
	}{
		"body":                   {"r2", "", []string{"--body", "Hello Maria,\r\nwould **Tuesday** suit you?"}},
		"file":                   {"r3", "", []string{"--body-file", letter}},
		"standard input":         {"r4", "Hello Maria,\r\nwould **Tuesday** suit you?\n", []string{"-"}},
		"standard input by name": {"basic.bo", "Hello Maria,\r\nwould **Tuesday** suit you?\n", []string{"--body-file", "-"}},
	} {
		t.Run("text from "+name, func(t *testing.T) {
			got := inmailReading(t, strings.NewReader(way.in), append([]string{"send", "--json", "--to", way.to, "--subject", "A question about Tuesday"}, way.args...)...)
			if got.code != exitDone {
				t.Fatalf("exit code %d: %s", got.code, got.err)
			}
			id := read[idAnswer](t, got).ID
			r.deliver(id)
			opened := read[openedInMail](t, must(t, exitDone, "open", id, "--member", way.to, "--json"))
			if want := "Hello Maria,\r\nwould **Tuesday** suit you?"; opened.Body != want {
				t.Errorf("the body is %q, want %q", opened.Body, want)
			}
		})
	}
	t.Run("carries tags, category and Salesforce ids", func(t *testing.T) {
		id := r.send("r5", "Our talk at the fair", "--tag", "Hamburg, fair", "--tag", "Q4", "--category", "follow_up",
			"--lead", "00Q5g00000AbCdEEAV", "--account", "0015g00000AbCdEAAV")
		screen(t, `
From        Lena Hart (lena.hart)
To          Lee Ash (r5)
Subject     Our talk at the fair
Status      queued
Tags        hamburg, fair, q4
Category    follow_up
Salesforce  Lead 00Q5g00000AbCdEEAV, Account 0015g00000AbCdEAAV

   RECEIPT  AT                 REASON
1  queued   23 Nov 2026 09:00
`, must(t, exitDone, "open", id, "--member", ""))
	})
	t.Run("refused by a rule", func(t *testing.T) {
		for code, args := range map[string][]string{
			"connected":         {"--to", "friend", "--subject", "A question about Tuesday", "--body", "b"},
			"no_credits":        {"--member", "basic.bo", "--to", "r3", "--subject", "A question about Tuesday", "--body", "b"},
			"unknown_recipient": {"--to", "nobody", "--subject", "A question about Tuesday", "--body", "b"},
			"subject_required":  {"--to", "r6", "--subject", " ", "--body", "b"},
		} {
			got := must(t, exitRefused, append([]string{"send"}, args...)...)
			if !strings.HasPrefix(got.err, "inmail: "+code+": ") || got.out != "" {
				t.Errorf("%s: said %q and %q", code, got.err, got.out)
			}
		}
	})
	t.Run("text too long to be read", func(t *testing.T) {
		got := inmailReading(t, strings.NewReader(strings.Repeat("x", maxText+1)), "send", "--to", "r1", "--subject", "A question about Tuesday", "-")
		if got.code != exitUsage {
			t.Errorf("exit code %d: %s", got.code, got.err)
		}
	})
	t.Run("file that is not there", func(t *testing.T) {
		must(t, exitFailed, "send", "--to", "r1", "--subject", "A question about Tuesday", "--body-file", letter+".gone")
	})
}
