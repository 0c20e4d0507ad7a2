package hubspot

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"inmail/connectors/hubspot/sandbox"
	"inmail/connectors/porttest/crmtest"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// TestRules checks the rules of every CRM, by the suite that all connectors run, and those of this one
// alone.
func TestRules(t *testing.T) {
	crmtest.Run(t, func(t testing.TB) *crmtest.World { return newWorld(t).suite() })
}

// TestPlainKeys runs the suite in a portal whose communications take no unique property: what may be there
// is looked for on the contact's timeline.
func TestPlainKeys(t *testing.T) {
	crmtest.Run(t, func(t testing.TB) *crmtest.World {
		w := newWorld(t, func(o *sandbox.Options, _ *Config, _ *Deps) { o.PlainKeys = true })
		return w.suite()
	})
}

// suite returns the portal as the suite of all CRMs sees it.
func (w *world) suite() *crmtest.World {
	clock := crmtest.NewClock(crmtest.Start())
	w.clock.follow = clock
	return &crmtest.World{
		Clock: clock,
		Connect: func(wrap func(http.RoundTripper) http.RoundTripper) mailroom.CRM {
			return w.connect(func(_ *Config, d *Deps) {
				if wrap != nil {
					d.Transport = wrap(http.DefaultTransport)
				}
			})
		},
		Person: w.contact,
		Move: func(person string) {
			other := w.make(contacts, map[string]string{"lastname": "Double"})
			if _, err := w.Merge(contacts, person, other); err != nil {
				w.t.Fatal(err)
			}
		},
		MemberOf: func(person string) string {
			for _, r := range w.Records(contacts) {
				if r.ID == person {
					return r.Properties[memberProperty]
				}
			}
			return "(gone)"
		},
		Records: func() map[domain.ID]crmtest.Record {
			all := map[domain.ID]crmtest.Record{}
			for key, r := range w.messages() {
				id, event, _ := strings.Cut(key, ":")
				each := all[domain.ID(id)]
				for name, value := range r.Properties {
					if name != eventKey && name != "inmail_id" {
						each.Words += " " + value
					}
				}
				if event == sentEvent {
					each.Status = domain.Status(r.Properties[statusProperty])
					each.Order, _ = strconv.ParseInt(r.Properties[sequenceProperty], 10, 64)
					if len(r.Linked[contacts])+len(r.Linked[companies]) == 0 {
						w.t.Errorf("%s has no association", key)
					}
				}
				all[domain.ID(id)] = each
			}
			return all
		},
		Writes: func() (all []crmtest.Write) {
			for _, h := range w.History() {
				id, event, _ := strings.Cut(h.Event, ":")
				order, _ := strconv.ParseInt(h.Sequence, 10, 64)
				if event == sentEvent {
					all = append(all, crmtest.Write{InMail: domain.ID(id), Order: order})
				}
			}
			return all
		},
		Edit: func(id domain.ID) {
			w.must(w.Edit(communications, w.messages()[eventID(id, sentEvent)].ID, map[string]string{statusProperty: "failed"}))
		},
		Remove: func(id domain.ID) { w.must(w.Delete(communications, w.messages()[eventID(id, sentEvent)].ID)) },
		Break: func() {
			for _, kind := range sandbox.FaultKinds() {
				w.Inject(sandbox.Fault{Kind: kind, Rate: 0.033, Delay: 90 * time.Second})
			}
		},
		Clear: w.ClearFaults,
		Limit: func() { w.Inject(sandbox.Fault{Kind: sandbox.DailyLimit}) },
		Order: func(m *domain.InMail) int64 { return m.Version },
		Expects: func(p domain.Push) bool {
			return !p.InMail.SentAt.IsZero() && p.Link.Match == domain.Matched && p.Link.Notes[sentNote] != removed
		},
		Late: w.Late,
	}
}
