package salesforce

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sfpackage "inmail/connectors/salesforce/package"
	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// newBareOrg is an org without the package, with an administrator, and with kim and lee of the sales team.
// kim is named as the User of a sender, lee has the Federation ID of another.
func newBareOrg(t *testing.T) (o *org, record *ledger) {
	o = newOrg(t, func(s *sandbox.Options, c *Config, d *Deps) {
		s.Undeployed = true
		s.Credentials.Users = append(s.Credentials.Users, sandbox.User{Username: "kim@example.com", FirstName: "Kim", Standard: true},
			sandbox.User{Username: "lee@example.com", FirstName: "Lee", Federation: "lee", Standard: true}, sandbox.User{Username: "admin@example.com", FirstName: "Ada"})
		c.FindOwners = true
		d.Wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	})
	ids := map[any]string{}
	for _, u := range o.Records("User") {
		ids[u["Username"]] = u["Id"].(string)
	}
	o.config.Owners = []string{"kim=" + ids["kim@example.com"]}
	o.crm = o.connect()
	record = newLedger()
	for i, sender := range []domain.MemberID{"kim", "lee", "nobody"} {
		p := sent(i, "rita")
		p.InMail.Sender = sender
		record.put(p)
	}
	return o, record
}

func (o *org) sessionOf(username string) string {
	o.t.Helper()
	token, err := o.OpenSession(username)
	if err != nil {
		o.t.Fatal(err)
	}
	return token
}

func (o *org) prepare(record *ledger, p mailroom.Preparation) mailroom.Prepared {
	o.t.Helper()
	got, err := o.crm.Prepare(context.Background(), record, p)
	if err != nil {
		o.t.Fatal(err)
	}
	return got
}

// states are the states of steps by what they are about.
func states(steps []mailroom.SetupStep) map[string]string {
	out := map[string]string{}
	for _, s := range steps {
		out[s.What] = s.State
	}
	return out
}

// steps of an org, all of them in one state but for the users.
func allSteps(state string) map[string]string {
	out := map[string]string{"users": mailroom.StepThere}
	for _, what := range []string{"package", "permission set InMail_Integration", "permission set InMail_People", "permission set InMail_Reader", "layout Lead-Lead Layout",
		"layout Lead-Lead %28Marketing%29 Layout", "layout Contact-Contact Layout", "layout Account-Account Layout"} {
		out[what] = state
	}
	return out
}

// TestSetup prepares an org without the package: first it only looks, then it makes everything, then
// nothing is left to be made, and the layouts go back as they were.
func TestSetup(t *testing.T) {
	o, record := newBareOrg(t)
	session := o.sessionOf("admin@example.com")
	look := func() mailroom.Prepared { return o.prepare(record, mailroom.Preparation{Session: session}) }
	found := look()
	if diff := cmp.Diff(allSteps(mailroom.StepMissing), states(found.Steps)); diff != "" {
		t.Errorf("of a bare org (-want +got):\n%s", diff)
	}
	if found.Undo != nil || found.Findings != nil || !strings.Contains(found.Steps[0].Detail, "a trial deployment passes") || len(o.Records("PermissionSet")) != 0 {
		t.Errorf("looking changed the org: %+v", found)
	}
	if !strings.HasPrefix(found.Steps[1].Detail, "2 of 3 senders") {
		t.Errorf("users: %s", found.Steps[1].Detail)
	}
	made := o.prepare(record, mailroom.Preparation{Session: session, Apply: true})
	if diff := cmp.Diff(allSteps(mailroom.StepMade), states(made.Steps)); diff != "" {
		t.Errorf("made (-want +got):\n%s\n%+v", diff, made.Steps)
	}
	if faults := faultsOf(made.Findings); len(faults) > 0 || len(made.Findings) < 10 {
		t.Errorf("the check afterwards: %+v", faults)
	}
	if n := len(o.Records("PermissionSetAssignment")); n != 4 { // two of the integration user, kim's and lee's
		t.Errorf("%d assignments", n)
	}
	if again := look(); !cmp.Equal(allSteps(mailroom.StepThere), states(again.Steps)) || again.Undo != nil || len(again.Findings) < 10 {
		t.Errorf("again: %+v", again.Steps)
	}
	for i, class := range classes(o.push(record.claim(3)...)) {
		if class != "" {
			t.Errorf("push %d: %s", i, class)
		}
	}
	owners := map[any]int{}
	for _, r := range o.inmails() {
		owners[r["OwnerId"]]++
	}
	if len(owners) != 3 {
		t.Errorf("owners: %v", owners)
	}
	back := o.prepare(record, mailroom.Preparation{Session: session, Undo: made.Undo})
	if diff := cmp.Diff(map[string]string{"layouts": mailroom.StepMade}, states(back.Steps)); diff != "" {
		t.Errorf("undo (-want +got):\n%s", diff)
	}
	want := allSteps(mailroom.StepThere)
	for what := range want {
		if strings.HasPrefix(what, "layout ") {
			want[what] = mailroom.StepMissing
		}
	}
	if diff := cmp.Diff(want, states(look().Steps)); diff != "" {
		t.Errorf("after the undo (-want +got):\n%s", diff)
	}
}

// TestSetupRefused checks the words for whom the org refuses, and that nothing is made then.
func TestSetupRefused(t *testing.T) {
	for _, row := range []struct {
		name           string
		session        func(*org) string
		fault          []sandbox.Fault
		detail, remedy string
	}{
		{"the integration user", func(*org) string { return "" }, nil, "the integration user may not", "give the session of an administrator"},
		{"a sales person", func(o *org) string { return o.sessionOf("kim@example.com") }, nil, "INSUFFICIENT_ACCESS", "Customize Application"},
		{"a session that has ended", func(*org) string { return "00DSB0000000001!ended" }, nil, "INVALID_SESSION_ID", "give a new one"},
		{"an org that is down", func(o *org) string { return o.sessionOf("") }, []sandbox.Fault{{Kind: sandbox.UnavailableHTML, Resource: "metadata"}}, "", "try again"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o, record := newBareOrg(t)
			o.inject(row.fault...)
			session := row.session(o)
			got := o.prepare(record, mailroom.Preparation{Session: session, Apply: true})
			if len(got.Steps) != 1 || got.Steps[0].State != mailroom.StepFailed || !strings.Contains(got.Steps[0].Detail, row.detail) || !strings.Contains(got.Steps[0].Remedy, row.remedy) {
				t.Errorf("%+v", got.Steps)
			}
			if session != "" && strings.Contains(fmt.Sprint(got), session) || len(o.Records("PermissionSet")) != 0 || got.Undo != nil {
				t.Errorf("something was made, or a secret is shown: %+v", got)
			}
		})
	}
	t.Run("an undo that is none", func(t *testing.T) {
		o, record := newBareOrg(t)
		for _, undo := range [][]byte{[]byte("no zip"), zipOf(t, map[string][]byte{"package.xml": []byte("<a/>"), "tabs/A.tab": nil})} {
			got := o.prepare(record, mailroom.Preparation{Session: o.sessionOf(""), Undo: undo})
			if len(got.Steps) != 1 || got.Steps[0].State != mailroom.StepFailed {
				t.Errorf("%+v", got.Steps)
			}
		}
	})
	t.Run("an org that refuses the package", func(t *testing.T) {
		o, record := newBareOrg(t)
		session := o.sessionOf("")
		if err := o.RefuseDeployments("Dashboard", "Dynamic dashboards exceed the limit of this org"); err != nil {
			t.Fatal(err)
		}
		got := o.prepare(record, mailroom.Preparation{Session: session, Apply: true})
		if s := got.Steps[0]; s.State != mailroom.StepFailed || !strings.Contains(s.Detail, "Dynamic dashboards") || !strings.Contains(s.Remedy, "If the org says no") {
			t.Errorf("%+v", got.Steps)
		}
	})
	t.Run("a deployment that takes long", func(t *testing.T) {
		o, record := newBareOrg(t)
		p := mailroom.Preparation{Session: o.sessionOf(""), Apply: true}
		o.SlowDeployments(10)
		got := o.prepare(record, p)
		if len(got.Steps) != 1 || got.Steps[0].State != mailroom.StepMissing || got.Waiting == "" {
			t.Fatalf("%+v", got)
		}
		p.Waiting = got.Waiting
		o.SlowDeployments(0)
		if got = o.prepare(record, p); got.Waiting != "" || states(got.Steps)["package"] == mailroom.StepFailed || states(got.Steps)["layout Lead-Lead Layout"] != mailroom.StepMade {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a wrong login", func(t *testing.T) {
		o, record := newBareOrg(t)
		o.crm = o.connect(func(c *Config, _ *Deps) { c.ClientSecret = "wrong" })
		if got := o.prepare(record, mailroom.Preparation{}); states(got.Steps)["login"] != mailroom.StepFailed || !strings.Contains(got.Steps[0].Remedy, "client_secret") {
			t.Errorf("%+v", got.Steps)
		}
	})
}

func zipOf(t *testing.T, files map[string][]byte) []byte {
	zipped, err := sfpackage.Zip(files)
	if err != nil {
		t.Fatal(err)
	}
	return zipped
}
