package main

import (
	"strings"
	"testing"
)

func TestMember(t *testing.T) {
	r := newRunning(t)
	r.people()
	r.delivered("r1", "A question about Tuesday")
	answered := r.api("GET", "/v1/members/lena.hart/export", "")
	if !strings.Contains(answered, "A question about Tuesday") {
		t.Errorf("the export is %s", answered)
	}
	// At another moment the same is exported, but for the moment.
	got := must(t, exitDone, "member", "export", "lena.hart")
	member := read[struct {
		Member  struct{ ID string }
		InMails []struct {
			Subject, Body string
			Receipts      []struct{ Status string }
		} `json:"inmails"`
	}](t, got)
	if member.Member.ID != "lena.hart" || len(member.InMails) != 1 || member.InMails[0].Body == "" || len(member.InMails[0].Receipts) != 2 {
		t.Errorf("printed %s", got.out)
	}
	must(t, exitFailed, "member", "export", "nobody")
	must(t, exitUsage, "member", "export")
}
