package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"inmail/domain"
)

func TestMan(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "man1")
	must(t, exitDone, "man", folder)
	for page, want := range map[string]string{"inmail.1": "Exit codes: 0 done", "inmail-send.1": "SYNOPSIS", "inmail-crm-status.1": "InMail"} {
		b, err := os.ReadFile(filepath.Join(folder, page))
		if err != nil {
			t.Error(err)
		} else if !strings.Contains(string(b), want) {
			t.Errorf("%s has no %q", page, want)
		}
	}
	must(t, exitUsage, "man")
}

func TestCompletion(t *testing.T) {
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"sent", "--status", ""}, string(domain.Declined)},
		{[]string{"report", "--by", "t"}, "tag"},
		{[]string{"crm", "failures", "--class", "un"}, string(domain.Unreachable)},
		{[]string{"crm", "status", "--crm", "s"}, "salesforce"},
	} {
		got := inmail(t, append([]string{"__complete"}, row.args...)...) // it writes what it did to the error output
		if got.code != exitDone || !strings.Contains(got.out, row.want+"\n") {
			t.Errorf("%q is completed by %q, want %s among them", row.args, got.out, row.want)
		}
	}
}

func TestMisspeltCommand(t *testing.T) {
	for args, want := range map[string]string{"sned": "did you mean send?", "quee status": "did you mean queue?", "crm statu": "did you mean status?", "zebra": "--help lists them"} {
		if got := must(t, exitUsage, strings.Fields(args)...); !strings.Contains(got.err, want) {
			t.Errorf("%s: %q, want %q in it", args, got.err, want)
		}
	}
}
