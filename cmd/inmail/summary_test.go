package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestSampleInAShell starts the sample in a folder and gives commands to a shell in it, as they stand and
// without any setting: they find the server, which has another port than the usual one, and its key.
func TestSampleInAShell(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := newServer(t, []string{"--sample"})
	s.dir, s.env = folder, slices.DeleteFunc(s.env, func(e string) bool { return strings.HasPrefix(e, "INMAIL_OPERATOR_KEY=") })
	s.Start()
	shell := func(line string) (string, error) {
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir = folder
		cmd.Env = []string{"PATH=" + filepath.Dir(program(t)) + ":" + os.Getenv("PATH"), "HOME=" + folder}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	const begin, end = "try, in another terminal in this folder\n", "Ctrl-C ends it."
	var commands string
	s.eventually("the summary is printed", func() error {
		_, rest, _ := strings.Cut(s.log.String(), begin)
		var whole bool
		if commands, _, whole = strings.Cut(rest, end); !whole {
			return errors.New("it is not")
		}
		return nil
	})
	lines := strings.Split(strings.TrimSpace(commands), "\n")
	t.Run("summary", func(t *testing.T) {
		if len(lines) != 4 {
			t.Errorf("the summary has the commands %q", lines)
		}
		for _, line := range lines {
			if out, err := shell(line); err != nil || strings.Count(out, "\n") < 3 {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
		}
	})
	t.Run("examples of the help", func(t *testing.T) {
		key, err := os.ReadFile(filepath.Join(folder, defaultData, "operator.key"))
		if err != nil {
			t.Fatal(err)
		}
		e := examples{t, s, strings.TrimSpace(string(key)), shell}
		e.files(folder)
		n := e.run(newRoot(), folder)
		t.Logf("%d examples", n)
		if n < 60 {
			t.Errorf("only %d examples ran", n)
		}
	})
	s.Stop()
	if _, err := os.Stat(filepath.Join(folder, defaultData, addressFile)); !os.IsNotExist(err) {
		t.Errorf("the address is noted after the end: %v", err)
	}
}

// elsewhere are examples that a sample cannot show, by a part of each, and what they need.
var elsewhere = map[string]string{
	"inmail serve":          "is the server",
	"inmail sandbox":        "serves until it is ended",
	"inmail bench":          "loads the machine for a minute",
	"inmail webhook listen": "listens until it is ended",
	"inmail webhook test":   "needs an end point that answers",
	"inmail restore":        "needs a server that is stopped",
	"inmail hold":           "needs a server that is stopped",
	"inmail resume":         "needs a record that is held",
	"--direct":              "needs a server that is stopped",
	"inmail migrate":        "needs a PostgreSQL",
	"--crm hubspot":         "needs a HubSpot",
	"--local":               "needs the settings of an org",
	"crm setup --session":   "needs the session of a person in an org",
	"crm erased":            "needs a member who was erased",
	"man inmail":            "is the command of the manual",
	"webhook add https://":  "needs a name that resolves",
	"docker exec":           "needs a container",
	"key revoke sso:":       "needs somebody who is signed in by single sign-on",
}

// examples runs the examples of the help.
type examples struct {
	*testing.T
	server *server
	key    string
	shell  func(line string) (string, error)
}

// files makes the files that the examples name.
func (e examples) files(folder string) {
	var people strings.Builder
	for i := range 1250 {
		fmt.Fprintf(&people, `{"member":{"id":"imported.%d","name":"Imported %d"}}`+"\n", i, i)
	}
	for name, text := range map[string]string{
		"letter.txt": "Subject: Your talk on supplier audits\n\nHello Cora, your talk on supplier audits in Hamburg stayed with me. " +
			"Which of the checks do you run yourselves, and which do you leave to others? Would Tuesday suit you for ten minutes?\n",
		"recipients.txt": "Dora Dahl\n", "people.ndjson": people.String(), "inmail.yaml": "log_level: info\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			e.Fatal(err)
		}
	}
}

// call makes a request as an operator, for a member if one is given, and returns the answer.
func (e examples) call(method, path, member string, body any) map[string]any {
	e.Helper()
	status, answer, err := request(client, e.server.url, method, path, member, body, "Authorization", "Bearer "+e.key)
	if err != nil || status >= 300 {
		e.Fatalf("%s %s answered %d: %v, %v", method, path, status, answer, err)
	}
	return answer
}

// text reads a text of an answer by the names of the fields that lead to it; the first of a list.
func text(answer any, names ...string) string {
	for _, name := range names {
		if list, ok := answer.([]any); ok && len(list) > 0 {
			answer = list[0]
		}
		fields, _ := answer.(map[string]any)
		answer = fields[name]
	}
	s, _ := answer.(string)
	return s
}

// sent sends an InMail and returns its id when it is delivered.
func (e examples) sent(from, to string) string {
	e.Helper()
	id := text(e.call(http.MethodPost, "/v1/inmails", from, map[string]any{"to": to, "subject": "A question about your audits",
		"body": "Hello, which of the checks that you named do you run yourselves, and which do you leave to others?"}), "id")
	e.server.eventually("an InMail is delivered", func() error {
		if got := text(e.call(http.MethodGet, "/v1/inmails/"+id, from, nil), "status"); got != "sent" {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
	return id
}

// exampleID stands in examples for the id of a thing.
const exampleID = "019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"

// idFor returns the id of a thing that an example can be about.
func (e examples) idFor(line string) string {
	e.Helper()
	switch word := strings.Fields(line); {
	case word[1] == "decline":
		return e.sent("omar.said", "patient.park")
	case word[1] == "reply":
		return e.sent("clara.voss", "patient.park")
	case word[1] == "open":
		return e.sent("sofia.lind", "patient.park")
	case word[1] == "retract":
		return e.sent("lena.hart", "declining.doyle")
	case word[1] == "key":
		return text(e.call(http.MethodPost, "/v1/keys", "", map[string]any{"role": "operator"}), "id")
	case word[1] == "webhook":
		hook := map[string]any{"url": "https://hooks.example.com/" + word[2], "events": []string{"inmail.*"}}
		return text(e.call(http.MethodPost, "/v1/webhooks", "", hook), "id")
	case word[1] == "restriction":
		return text(e.call(http.MethodGet, "/v1/restrictions?member=max.loud", "", nil), "items", "id")
	case word[1] == "crm":
		return text(e.call(http.MethodGet, "/v1/sent", "lena.hart", nil), "items", "id")
	}
	e.Fatalf("%s: what has its id?", line)
	return ""
}

// inCRM returns the id of a Lead or a Contact that an InMail of lena.hart is logged on.
func (e examples) inCRM(kind string) string {
	e.Helper()
	list, _ := e.call(http.MethodGet, "/v1/sent?limit=200", "lena.hart", nil)["items"].([]any)
	for _, item := range list {
		if id := text(e.call(http.MethodGet, "/v1/inmails/"+text(item, "id"), "lena.hart", nil), "crm", kind); id != "" {
			return id
		}
	}
	e.Fatalf("no InMail has a %s", kind)
	return ""
}

// run runs the examples of a command and of those below it, and returns how many.
func (e examples) run(cmd *cobra.Command, folder string) (n int) {
	for line := range strings.Lines(cmd.Example) {
		line = strings.TrimSpace(line)
		needs := ""
		for part, what := range elsewhere {
			if strings.Contains(line, part) {
				needs = what
			}
		}
		if needs != "" || strings.Contains(line+" ", " ID ") { // with an id of their own in the help of the command itself
			continue
		}
		asked := strings.ReplaceAll(line, "/backup/", folder+"/")
		if strings.Contains(line, exampleID) {
			asked = strings.ReplaceAll(asked, exampleID, e.idFor(line))
		}
		for kind, id := range map[string]string{"lead_id": "00Q5g00000AbCdEEAV", "contact_id": "0035g00000AbCdEAAV"} {
			if strings.Contains(asked, id) {
				asked = strings.ReplaceAll(asked, id, e.inCRM(kind))
			}
		}
		if strings.HasPrefix(line, "inmail retract") {
			asked += " --yes" // there is no terminal to ask at
		}
		n++
		if out, err := e.shell(asked); err != nil {
			e.Errorf("the help of %s: %s: %v\n%.500s", cmd.CommandPath(), asked, err, out)
		}
	}
	for _, sub := range cmd.Commands() {
		n += e.run(sub, folder)
	}
	return n
}
