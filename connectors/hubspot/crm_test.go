package hubspot

import (
	"net/http"
	"regexp"
	"slices"
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
	t.Run("R67_only_matched_InMails_that_were_sent", func(t *testing.T) {
		w := newWorld(t)
		w.contact("robin")
		queued, _ := domain.New(domain.InMail{ID: newID(1), Sender: "sally", Recipient: "robin", Subject: "s", Body: "b"}, testNow)
		refused := *queued
		refused.ID = newID(2)
		apply(&refused, domain.EventRefuse, testNow)
		late := sent(3, "robin")
		apply(&late.InMail, domain.EventExpire, late.InMail.ExpiresAt)
		pushes := []domain.Push{{InMail: *queued}, {InMail: refused}, late, sent(4, "nobody")}
		for i, a := range w.push(pushes...) {
			there := i == 2
			if a.Class != domain.Taken || a.Link.PushedVersion != pushes[i].InMail.Version || (a.Link.RecordID != "") != there {
				t.Errorf("%s to %s: %+v", pushes[i].InMail.Status, pushes[i].InMail.Recipient, a)
			}
		}
		if all := w.messages(); len(all) != 1 || all[eventID(newID(3), sentEvent)].Properties[statusProperty] != "expired" {
			t.Errorf("%+v", all)
		}
		delivered := pushes[0]
		apply(&delivered.InMail, domain.EventDeliver, testNow) // from then on it is there
		if a := w.push(delivered)[0]; a.Link.RecordID == "" {
			t.Errorf("%+v", a)
		}
	})
	t.Run("R56_tags_are_options_before_they_are_values", func(t *testing.T) {
		w := newWorld(t)
		w.contact("robin")
		p := sent(1, "robin")
		p.InMail.Tags = []string{"a;b", "two"}
		a := w.push(p)[0]
		tags := func() string { return w.messages()[eventID(p.InMail.ID, sentEvent)].Properties[tagsProperty] }
		if a.Class != domain.Taken || tags() != "a,b;two" {
			t.Fatalf("%q; %+v", tags(), a)
		}
		w.RemoveOption(communications, tagsProperty, "two") // as an administrator does
		p = then(p, a)
		p.InMail.Tags, p.InMail.Version = []string{"three", "two"}, p.InMail.Version+1
		for range 3 {
			p.Link = w.push(p)[0].Link
			w.clock.move(time.Minute)
		}
		if len(p.Link.Failures) > 0 || tags() != "three;two" {
			t.Errorf("%q; %+v", tags(), p.Link)
		}
	})
}

// TestPlainKeys runs the suite in a portal whose communications take no unique property: what may be there
// is looked for on the contact's timeline.
func TestPlainKeys(t *testing.T) {
	crmtest.Run(t, func(t testing.TB) *crmtest.World {
		w := newWorld(t, func(o *sandbox.Options, _ *Config, _ *Deps) { o.PlainKeys = true })
		return w.suite()
	})
}

// TestKeysInText runs the suite in a portal whose communications take no own properties: key and sequence are
// at the end of their text.
func TestKeysInText(t *testing.T) {
	crmtest.Run(t, func(t testing.TB) *crmtest.World { return newWorld(t, keysInText).suite() })
	t.Run("the_set_up_says_so", func(t *testing.T) {
		w := newBareWorld(t, func(o *sandbox.Options, _ *Config, _ *Deps) { o.NoOwn = true })
		steps, err := w.crm.Setup(t.Context(), true)
		i := slices.IndexFunc(steps, func(s mailroom.SetupStep) bool { return s.What == communications+"."+eventKey })
		if err != nil || i < 0 || steps[i].State != mailroom.StepFailed || !strings.Contains(steps[i].Remedy, "INMAIL_HUBSPOT_KEY_IN=body") {
			t.Errorf("%v: %+v", err, steps)
		}
		w.crm = w.connect(func(c *Config, _ *Deps) { c.KeyIn = keyInBody })
		for _, f := range w.crm.Check(t.Context()) {
			if !f.OK && f.What != "limits" {
				t.Errorf("%+v", f)
			}
		}
	})
	t.Run("what_looks_like_a_mark_is_none", func(t *testing.T) {
		w := newWorld(t, keysInText, func(_ *sandbox.Options, _ *Config, d *Deps) { d.Text = domain.CRMTextFull })
		w.contact("robin")
		p := sent(1, "robin")
		p.InMail.Subject = "InMail " + eventID(newID(2), sentEvent) + " 99"
		p.InMail.Body = p.InMail.Subject
		w.push(p)
		if _, there := w.messages()[eventID(p.InMail.ID, sentEvent)]; !there || len(w.messages()) != 1 {
			t.Errorf("%+v", w.messages())
		}
	})
}

// bodyStatus is the status in the first line of a communication's text.
var bodyStatus = regexp.MustCompile(`· <b>([A-Z][a-z]+)</b> `)

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
					if w.config.KeyIn == keyInBody {
						_, each.Order = markIn(r.Properties[bodyProperty])
						if m := bodyStatus.FindStringSubmatch(r.Properties[bodyProperty]); m != nil {
							each.Status = domain.Status(strings.ToLower(m[1]))
						}
					}
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
				if w.config.KeyIn == keyInBody {
					var k string
					k, order = markIn(h.Body)
					id, event, _ = strings.Cut(k, ":")
				}
				if event == sentEvent {
					all = append(all, crmtest.Write{InMail: domain.ID(id), Order: order})
				}
			}
			return all
		},
		Edit: func(id domain.ID) {
			row := map[string]string{statusProperty: "failed"}
			if w.config.KeyIn == keyInBody { // nothing else of ours is there to edit
				row = map[string]string{"hs_timestamp": datetime(testNow.Add(-24 * time.Hour))}
			}
			w.must(w.Edit(communications, w.messages()[eventID(id, sentEvent)].ID, row))
		},
		Remove: func(id domain.ID) { w.must(w.Delete(communications, w.messages()[eventID(id, sentEvent)].ID)) },
		Break: func(rate float64) {
			kinds := sandbox.FaultKinds()
			for _, kind := range kinds {
				w.Inject(sandbox.Fault{Kind: kind, Rate: rate / float64(len(kinds)), Delay: 90 * time.Second})
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
