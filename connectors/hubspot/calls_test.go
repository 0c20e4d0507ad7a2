package hubspot

import (
	"fmt"
	"testing"

	"inmail/connectors/hubspot/sandbox"
	"inmail/domain"
)

// TestCallsOfAThousand counts the calls of a thousand InMails beside the floor: ten batches of a hundred
// to match by member id, one read of companies, ten creations, and ten updates. Keeping the contacts'
// status takes ten writes more, and for InMails that were matched before ten reads, because an older
// InMail must not overwrite a newer one. What a portal says of itself is asked once a day and not counted.
func TestCallsOfAThousand(t *testing.T) {
	for _, row := range []struct {
		name         string
		status       string
		new, changed int
	}{{"floor", off, 21, 10}, {"with_contacts", on, 31, 30}} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, func(o *sandbox.Options, c *Config, _ *Deps) { c.ContactStatus = row.status })
			var pushes []domain.Push
			for i := range 1000 {
				member := domain.MemberID(fmt.Sprintf("member%d", i))
				w.contact(member)
				pushes = append(pushes, sent(i, member))
			}
			if _, err := w.crm.learn(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.contact("first")
			w.push(sent(2000, "first")) // the tag becomes an option
			made := w.calls(func() {
				for i, a := range w.push(pushes...) {
					if a.Class != domain.Taken || a.Link.RecordID == "" {
						t.Fatalf("%+v", a)
					}
					pushes[i] = then(pushes[i], a, domain.EventOpen)
				}
			})
			changed := w.calls(func() {
				for _, a := range w.push(pushes...) {
					if a.Class != domain.Taken {
						t.Fatalf("%+v", a)
					}
				}
			})
			t.Logf("1,000 new: %d calls; 1,000 changed: %d", made, changed)
			if made != row.new || changed != row.changed {
				t.Errorf("%d and %d calls, not %d and %d", made, changed, row.new, row.changed)
			}
			if n := len(w.messages()); n != 1001 {
				t.Errorf("%d messages", n)
			}
		})
	}
}
