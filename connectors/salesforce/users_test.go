package salesforce

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
)

// reps are Users of a sandbox beside its integration user.
func reps(users ...sandbox.User) set {
	return func(s *sandbox.Options, _ *Config, _ *Deps) {
		s.Credentials.Users = append(s.Credentials.Users, users...)
	}
}

// finding lets the connector look for Users.
func finding(_ *sandbox.Options, c *Config, d *Deps) {
	c.FindOwners = true
	d.Wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() } // of a bulk job
}

// userNamed returns the id of a User.
func (o *org) userNamed(name string) string {
	for _, r := range o.Records("User") {
		if r["Username"] == name {
			return r["Id"].(string)
		}
	}
	return ""
}

// TestOwners checks who owns the record and the Task of an InMail, and who is its sender's User.
func TestOwners(t *testing.T) {
	const us, fallback = "integration@example.com", "lead@example.com"
	sally := sandbox.User{Username: "sally@crm.example", Federation: "sally", Email: "other@example.com", TimeZone: "Asia/Tokyo"}
	byAddress := sandbox.User{Username: "address@crm.example", Email: "Sally@Example.com"}
	idle := sandbox.User{Username: "idle@crm.example", Federation: "sally", Inactive: true}
	for name, row := range map[string]struct {
		users       []sandbox.User
		mapped      string // a User of the setting owners
		team        string // of the sender
		erased      bool
		owner, user string // names of Users; user "": none
	}{
		"by the setting before all":                {users: []sandbox.User{sally, {Username: "boss@crm.example"}}, mapped: "boss@crm.example", owner: "boss@crm.example", user: "boss@crm.example"},
		"by the Federation ID before the address":  {users: []sandbox.User{byAddress, sally}, owner: "sally@crm.example", user: "sally@crm.example"},
		"by the address":                           {users: []sandbox.User{byAddress}, owner: "address@crm.example", user: "address@crm.example"},
		"an inactive one owns nothing":             {users: []sandbox.User{idle}, owner: us, user: "idle@crm.example"},
		"an active one before an inactive one":     {users: []sandbox.User{idle, sally}, owner: "sally@crm.example", user: "sally@crm.example"},
		"an inactive one of the setting":           {users: []sandbox.User{idle}, mapped: "idle@crm.example", team: "emea", owner: fallback, user: "idle@crm.example"},
		"nobody is guessed among several":          {users: []sandbox.User{byAddress, {Username: "twin@crm.example", Email: "sally@example.com"}}, owner: us},
		"the fallback of the team":                 {team: "emea", owner: fallback},
		"no fallback for another team":             {team: "apac", owner: us},
		"the fallback of the team for an idle one": {users: []sandbox.User{idle}, team: "emea", owner: fallback, user: "idle@crm.example"},
		"nobody for an erased sender":              {users: []sandbox.User{sally}, team: "emea", erased: true, owner: us},
	} {
		for _, bulk := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/bulk_%v", name, bulk), func(t *testing.T) {
				o := newOrg(t, finding, reps(append(row.users, sandbox.User{Username: fallback})...))
				o.crm = o.connect(func(c *Config, _ *Deps) {
					c.TeamOwners = []string{"emea=" + o.userNamed(fallback)}
					if row.mapped != "" {
						c.Owners = []string{"sally=" + o.userNamed(row.mapped)}
					}
				})
				p := o.several(1)[0]
				p.SenderEmail, p.SenderTeam = "sally@example.com", row.team
				if row.erased {
					p.InMail.Sender = domain.Erased
				}
				if bulk {
					o.crm.bulkAbove = 0
					if _, err := o.crm.Backfill(t.Context(), newLedger(p), nil); err != nil {
						t.Fatal(err)
					}
				} else if a := o.push(p)[0]; a.Class != domain.Taken {
					t.Fatalf("%+v", a)
				}
				var want any
				if row.user != "" {
					want = o.userNamed(row.user)
				}
				r := o.inmails()[p.InMail.ID]
				if r["OwnerId"] != o.userNamed(row.owner) || r[userColumn] != want {
					t.Errorf("the owner is %v, the sender's User %v; want %s, %v", r["OwnerId"], r[userColumn], o.userNamed(row.owner), want)
				}
				for _, task := range o.tasks() {
					if task["OwnerId"] != o.userNamed(row.owner) {
						t.Errorf("the owner of the Task is %v", task["OwnerId"])
					}
				}
				if n := len(o.tasks()); n != 1 && !row.erased || n > 0 && row.erased {
					t.Errorf("%d Tasks", n)
				}
			})
		}
	}
}

// TestUsersAreAskedOnce checks that the question for Users goes along with that for people, once a day for
// each sender, and that the org is asked by other ways where it hides one.
func TestUsersAreAskedOnce(t *testing.T) {
	o := newOrg(t, finding, reps(sandbox.User{Username: "sally@crm.example", Email: "sally@example.com"}),
		func(s *sandbox.Options, _ *Config, _ *Deps) { s.SessionLife = 1000 * time.Hour })
	pushes := o.several(4)
	for i := range pushes {
		pushes[i].SenderEmail = "sally@example.com"
	}
	for i, want := range []int{2, 2} {
		if calls := o.calls(func() { o.push(pushes[i]) }); calls != want {
			t.Errorf("push %d: %d calls", i, calls)
		}
	}
	if err := o.ChangeUser(o.userNamed("sally@crm.example"), sandbox.Fields{"IsActive": false}); err != nil {
		t.Fatal(err)
	}
	o.clock.move(usersKept)
	o.push(pushes[2])
	if got := o.inmails()[newID(2)]["OwnerId"]; got != o.userNamed(testUsername) {
		t.Errorf("a day later the owner is %v", got)
	}
	if got := o.inmails()[newID(1)]["OwnerId"]; got != o.userNamed("sally@crm.example") {
		t.Errorf("an earlier record moved to %v", got)
	}
	if err := o.ChangeUser(o.userNamed("sally@crm.example"), sandbox.Fields{"IsActive": true}); err != nil {
		t.Fatal(err)
	}
	if err := o.EncryptField("User", "FederationIdentifier", true); err != nil {
		t.Fatal(err)
	}
	o.clock.move(usersKept)
	for range 2 { // the first push finds out which way is refused
		if a := o.push(pushes[3])[0]; a.Class != domain.Taken {
			t.Errorf("a refused question for Users stops a push: %+v", a)
		}
	}
	if is, asked := o.crm.users.of("sally"); !asked || is.ID != o.userNamed("sally@crm.example") || !is.Active {
		t.Errorf("by the ways that are left: %+v, %v", is, asked)
	}
}

// TestOwnerOfTheOrgStays checks that a record which somebody gave to another owner in the org stays there,
// and that a User who is found later gets the records of the sender, which is no drift.
func TestOwnerOfTheOrgStays(t *testing.T) {
	o := newOrg(t, finding, reps(sandbox.User{Username: "boss@crm.example"}, sandbox.User{Username: "sally@crm.example", Federation: "later"}),
		func(s *sandbox.Options, _ *Config, _ *Deps) { s.SessionLife = 1000 * time.Hour })
	boss, sally := o.userNamed("boss@crm.example"), o.userNamed("sally@crm.example")
	l := newLedger(o.several(2)...)
	o.record = l
	l.sync(o, o.crm, 1)
	if err := o.Edit(l.get(newID(0)).Link.RecordID, sandbox.Fields{"OwnerId": boss}); err != nil {
		t.Fatal(err)
	}
	open := func(i int) {
		l.change(newID(i), func(p *domain.Push) { apply(&p.InMail, domain.EventOpen, testNow) })
		l.sync(o, o.crm, 1)
	}
	open(0)
	if got := o.inmails()[newID(0)]["OwnerId"]; got != boss {
		t.Errorf("the next state gives the record to %v", got)
	}
	if err := o.ChangeUser(sally, sandbox.Fields{"FederationIdentifier": "sally"}); err != nil {
		t.Fatal(err)
	}
	o.clock.move(usersKept)
	found := o.reconcile()
	if found.Owned != 2 || found.Drift[edited] != 0 || found.Resynced != 0 {
		t.Errorf("%+v", found)
	}
	for i := range 2 {
		if r := o.inmails()[newID(i)]; r["OwnerId"] != sally || r[userColumn] != sally {
			t.Errorf("%d: %v, %v", i, r["OwnerId"], r[userColumn])
		}
	}
	if err := o.Edit(l.get(newID(1)).Link.RecordID, sandbox.Fields{"OwnerId": boss}); err != nil {
		t.Fatal(err)
	}
	open(1)
	if found := o.reconcile(); found.Owned != 0 || found.Drift[edited] != 0 || o.inmails()[newID(1)]["OwnerId"] != boss {
		t.Errorf("%+v, the owner is %v", found, o.inmails()[newID(1)]["OwnerId"])
	}
}

// testOwnersInOrder checks that what the org refuses one owner goes to the next in the order, records and
// Tasks alike, and that the log names the owner once.
func testOwnersInOrder(t *testing.T) {
	var logged bytes.Buffer
	o := newOrg(t, finding, reps(sandbox.User{Username: "sally@crm.example", Federation: "sally"}, sandbox.User{Username: "lead@crm.example"}))
	sally, lead := o.userNamed("sally@crm.example"), o.userNamed("lead@crm.example")
	o.crm = o.connect(func(c *Config, d *Deps) {
		c.TeamOwners = []string{"*=" + lead}
		d.Log = slog.New(slog.NewTextHandler(&logged, nil))
	})
	for _, object := range []string{inMailObject, taskObject} {
		o.inject(sandbox.Fault{Kind: sandbox.RowRefused, Object: object, Code: "TRANSFER_REQUIRES_READ",
			Message: "The new owner must have read permission", Next: 2})
	}
	for _, a := range o.push(o.several(2)...) {
		if a.Class != domain.Taken || a.Link.Notes[ownerNote] != lead {
			t.Errorf("%+v", a)
		}
	}
	for _, r := range append(o.Records("Task"), o.Records(inMailObject)...) {
		if r["OwnerId"] != lead {
			t.Errorf("the owner is %v", r["OwnerId"])
		}
	}
	if len(o.tasks()) != 2 || strings.Count(logged.String(), sally) != 2 { // once for each object
		t.Errorf("%d Tasks; %s", len(o.tasks()), &logged)
	}
}

// testErasedOwner checks that nothing in the org leads to an erased sender: the record and its Tasks belong
// to the integration user, and no User is named.
func testErasedOwner(t *testing.T) {
	o := newOrg(t, finding, reps(sandbox.User{Username: "sally@crm.example", Federation: "sally"}))
	p := o.several(1)[0]
	a := o.push(p)[0]
	if o.inmails()[p.InMail.ID]["OwnerId"] != o.userNamed("sally@crm.example") {
		t.Fatal("the sender does not own the record")
	}
	if err := o.crm.Forget(context.Background(), []domain.MemberID{"sally"}); err != nil {
		t.Fatal(err)
	}
	if len(o.crm.users.senders) != 0 {
		t.Errorf("kept: %v", o.crm.users.senders)
	}
	p.InMail.Sender, p.SenderName, p.SenderEmail = domain.Erased, "", ""
	p.InMail.Subject, p.InMail.Preview, p.InMail.Body = "", "", ""
	p.InMail.Version++
	p.Link = domain.Link{InMail: p.InMail.ID}
	if a = o.push(p)[0]; a.Class != domain.Taken || a.Link.Notes[ownerNote] == o.userNamed("sally@crm.example") {
		t.Errorf("%+v", a)
	}
	for _, r := range append(o.Records("Task"), o.Records(inMailObject)...) {
		if r["OwnerId"] != o.userNamed(testUsername) || r[userColumn] != nil {
			t.Errorf("%v: %v, %v", r["Id"], r["OwnerId"], r[userColumn])
		}
	}
}

// TestTeamOwnersAreChecked checks that the setting of the teams' Users names its faults.
func TestTeamOwnersAreChecked(t *testing.T) {
	c := Default()
	c.TeamOwners = []string{"emea=005SB0000000002", "a=b=005SB0000000002YAA"}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	for _, pairs := range [][]string{{"emea"}, {"=005SB0000000002"}, {"emea=00QSB0000000002"}, {"a=005SB0000000002", "a=005SB0000000003"}} {
		c.TeamOwners = pairs
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "salesforce.team_owners") {
			t.Errorf("%v: %v", slices.Collect(slices.Values(pairs)), err)
		}
	}
}
