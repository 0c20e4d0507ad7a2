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
		"a row without id":   {"id,name\n,Nobody\na\n", "2:Nobody/ 3:a"},
		"names":              {"Company,Name\nNord,\"Park, Petra\"\nOne\n", "2:Park, Petra/Nord 3:/One"},
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
			one := fmt.Sprintf("%d:%s", r.line, r.id)
			if r.id == "" {
				one += r.name + "/" + r.company
			}
			got = append(got, one)
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

// TestMembersByName finds members, sends to one by name, and looks the names of a list up.
func TestMembersByName(t *testing.T) {
	r := newRunning(t)
	r.people()
	more := write(t, `{"member":{"id":"petra","name":"Petra Park","company":"Südhafen","headline":"Head of Logistics"}}
{"member":{"id":"petra2","name":"Petra Parker","company":"Nordhafen"}}
{"member":{"id":"twin.a","name":"Tom Twin","company":"Alpha"}}
{"member":{"id":"twin.b","name":"Tom Twin","company":"Beta"}}
{"member":{"id":"hidden","name":"Hilda Hidden","profile_visible":false}}
`)
	r.must(exitDone, "import", more)
	got := must(t, exitDone, "member", "find", "petra", "park", "--json")
	var ids []string
	for _, m := range read[foundMembers](t, got).Items {
		ids = append(ids, m.ID)
	}
	if diff := cmp.Diff([]string{"petra", "petra2"}, ids); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	if got := must(t, exitDone, "member", "find", "--company", "sudh"); !strings.Contains(got.out, "petra  Petra Park") || strings.Contains(got.out, "petra2") {
		t.Errorf("by company:\n%s", got.out)
	}
	must(t, exitUsage, "member", "find", "p")

	t.Setenv("INMAIL_MEMBER", "lena.hart")
	letter := []string{"--subject", "A question about Tuesday", "--body", "Hello. How do you test your queues?"}
	sent := must(t, exitDone, append([]string{"send", "--to", "petra  PARK"}, letter...)...)
	if !strings.HasPrefix(sent.out, "queued ") || !strings.Contains(sent.out, " to Petra Park (petra)\n") {
		t.Errorf("printed %q", sent.out)
	}
	for to, said := range map[string]string{
		"Tom Twin":     `--to: several members fit "Tom Twin": twin.a (Tom Twin, Alpha); twin.b (Tom Twin, Beta); write the id of one`,
		"Hilda Hidden": `--to: no member whose profile you see fits "Hilda Hidden"`,
		"!!":           `--to: no member whose profile you see fits "!!"`,
	} {
		if got := must(t, exitUsage, append([]string{"send", "--to", to}, letter...)...); !strings.Contains(got.err, said) {
			t.Errorf("to %s: %q, want %q", to, got.err, said)
		}
	}
	must(t, exitDone, "advise", write(t, "A question about Tuesday\n\nHello Kim. How do you test your queues?"), "--to", "Kim Moss")

	file := write(t, "id;name;company\nr1;;\n;Kim Moss;\n;Tom Twin;Beta\n;Tom Twin;\n;Nobody;\n;Ada Park;Nordhafen\n;;x\n")
	campaign := read[campaignAnswer](t, must(t, exitDone, "preflight", file, "--json"))
	var to []string
	for _, item := range campaign.Items {
		to = append(to, item.To)
	}
	if diff := cmp.Diff([]string{"r1", "r4", "twin.b", "Tom Twin,", "Nobody,", "r3", ""}, to); diff != "" {
		t.Errorf("recipients (-want +got):\n%s", diff)
	}
	if campaign.Totals.OKNow != 4 || campaign.Totals.Refused["bad_request"] != 3 || !strings.Contains(campaign.Items[3].Refusals[0].Detail, "twin.a (Tom Twin, Alpha)") {
		t.Errorf("%+v", campaign)
	}
	if got := must(t, exitDone, "preflight", file); !strings.Contains(got.out, `   5  Tom Twin,  bad_request  several members fit "Tom Twin"`) {
		t.Errorf("printed\n%s", got.out)
	}
}
