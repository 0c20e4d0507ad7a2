package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRecipients checks the forms of a list of recipients.
func TestRecipients(t *testing.T) {
	for name, row := range map[string]struct {
		file string
		want string // line:id
	}{
		"one a line":         {"a\n\n  b  \r\nc", "1:a 3:b 4:c"},
		"CSV":                {"name,id,company\n\"Park, Petra\",petra,Nord\n,,\nx,y\n\"two\nlines\",z\n", "2:petra 4:y 5:z"},
		"CSV with semicolon": {"\ufeffID; Name\r\na; A\r\nb; \"B;\"\r\n", "2:a 3:b"},
		"tabs":               {"\n\nid\tname\na\tA\n", "4:a"},
		"a row without id":   {"id,name\n,Nobody\na\n", "2: 3:a"},
		"no header":          {"ids\nid\n", "1:ids 2:id"},
		"a quote in a line":  {"a\nb\"c\n", "1:a 2:b\"c"},
		"nothing":            {"", ""},
	} {
		list, err := readRecipients(memberCommand(&options{}), write(t, row.file))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, r := range list {
			got = append(got, fmt.Sprintf("%d:%s", r.line, r.id))
		}
		if diff := cmp.Diff(row.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if _, err := readRecipients(memberCommand(&options{}), write(t, "id,name\na,\"A\nb,B\n")); err == nil || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("a quote that does not end: %v", err)
	}
}

// TestPreflightCommand checks that the command line and the API give the same numbers, and what is listed.
func TestPreflightCommand(t *testing.T) {
	r := newRunning(t)
	r.people()
	t.Setenv("INMAIL_MEMBER", "lena.hart")
	letter := write(t, "Subject: A question about Tuesday\n\nHello. How do you test your queues?\n")
	file := write(t, "id,name\nr1,One\nno id,None\nfriend,Fred\nr1,Again\nghost,Nobody\nr2,Two\n")
	asked := r.api("POST", "/v1/preflight", "lena.hart", `{"to":["r1","no id","friend","r1","ghost","r2"],"subject":"A question about Tuesday","body":"Hello. How do you test your queues?"}`)
	got := must(t, exitDone, "preflight", file, "--letter", letter, "--json")
	var want, have any
	if err := json.Unmarshal([]byte(asked), &want); err != nil {
		t.Fatalf("%v: %s", err, asked)
	}
	if err := json.Unmarshal([]byte(got.out), &have); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("(-API +command line):\n%s", diff)
	}
	shown := must(t, exitDone, "preflight", file, "--letter", letter).out
	for _, line := range []string{"recipients       5, without 1 double\n", "may be sent now  2\n", "refused          bad_request 1, connected 1, unknown_recipient 1\n",
		"   3  no id   bad_request", "   4  friend  connected", "   6  ghost   unknown_recipient"} {
		if !strings.Contains(shown, line) {
			t.Errorf("no %q in\n%s", line, shown)
		}
	}
}
