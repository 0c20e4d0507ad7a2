package hubspot

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/connectors/hubspot/sandbox"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// pages is a record of InMails, by id.
type pages struct {
	pushes []domain.Push
	state  map[string][]byte
}

var _ mailroom.CRMRecord = (*pages)(nil)

func (r *pages) PushesAfter(_ context.Context, after domain.ID, limit int) (out []domain.Push, err error) {
	for _, p := range r.pushes {
		if p.InMail.ID > after && len(out) < limit {
			out = append(out, p)
		}
	}
	return out, nil
}

func (r *pages) StorePushes(_ context.Context, answers []domain.PushAnswer, _ []time.Time, _ mailroom.Budget) error {
	for _, a := range answers {
		for i := range r.pushes {
			if r.pushes[i].InMail.ID == a.Link.InMail {
				r.pushes[i].Link = a.Link
			}
		}
	}
	return nil
}

func (r *pages) State(_ context.Context, name string) ([]byte, error) { return r.state[name], nil }

func (r *pages) SetState(_ context.Context, name string, value []byte) error {
	r.state[name] = slices.Clone(value)
	return nil
}

func (r *pages) Resync(context.Context, []domain.ID) error      { return nil }
func (r *pages) SetDrift(context.Context, mailroom.Drift) error { return nil }
func (r *pages) Alone(ctx context.Context, write func(context.Context) error) error {
	return write(ctx)
}

// filled pushes InMails, the i-th sent i seconds after the first, and returns the record that has them.
func (w *world) filled(n int, to func(i int) domain.MemberID) *pages {
	w.t.Helper()
	r := &pages{state: map[string][]byte{}}
	for i := range n {
		p := sent(i, to(i))
		p.InMail.SentAt = p.InMail.SentAt.Add(time.Duration(i) * time.Second)
		r.pushes = append(r.pushes, p)
	}
	for part := range slices.Chunk(r.pushes, 1000) {
		w.must(r.StorePushes(w.t.Context(), w.push(part...), nil, mailroom.Budget{}))
	}
	return r
}

// drift compares without repairs, then with them, which must find the same, and then once more, which must
// find only what is left.
func (w *world) drift(r *pages, want, left map[string]int) {
	w.t.Helper()
	for i, repairs := range []bool{false, true, true} {
		if i == 2 {
			want = left
		}
		all := map[string]int{missing: 0, extra: 0, stale: 0, edited: 0}
		for kind, n := range want {
			all[kind] = n
		}
		w.clock.move(time.Minute)
		found, err := w.crm.Compare(w.t.Context(), r, repairs, nil)
		if diff := cmp.Diff(all, found.Drift); err != nil || diff != "" || !found.Done {
			w.t.Errorf("run %d, repairs %v: %v (-want +got):\n%s", i+1, repairs, err, diff)
		}
	}
}

// TestExtra checks that a reconcile finds the portal's records that the record does not have (R53).
func TestExtra(t *testing.T) {
	message := func(w *world, key string) string {
		row := map[string]string{"hs_communication_channel_type": "LINKEDIN_MESSAGE", "hs_communication_logged_from": "CRM",
			"hs_timestamp": datetime(testNow)}
		if w.config.KeyIn == keyInBody {
			row[bodyProperty] = "<p>x</p><p>InMail " + key + " 3</p>"
		} else if key != "" {
			row[eventKey] = key
		}
		return w.make(communications, row)
	}
	archived := func(w *world, id string) bool {
		return slices.ContainsFunc(w.Records(communications), func(r sandbox.Record) bool { return r.ID == id && r.Archived })
	}
	t.Run("unknown_ones_are_counted_and_left", func(t *testing.T) {
		w := newWorld(t)
		w.contact("robin")
		r := w.filled(250, func(int) domain.MemberID { return "robin" })
		unknown := []string{message(w, eventID(newID(7777), sentEvent)), message(w, eventID(newID(7777), repliedEvent)), message(w, "typed by hand")}
		w.make(communications, map[string]string{"hs_communication_channel_type": "SMS", "hs_timestamp": datetime(testNow)})
		w.drift(r, map[string]int{extra: 3}, map[string]int{extra: 3})
		for _, id := range unknown {
			if archived(w, id) {
				t.Errorf("%s was removed", id)
			}
		}
	})
	for name, set := range map[string]func(*sandbox.Options, *Config, *Deps){"plain_keys": plainKeys, "keys_in_the_text": keysInText} {
		t.Run("a_second_one_is_archived/"+name, func(t *testing.T) {
			w := newWorld(t, set)
			w.contact("robin")
			r := w.filled(3, func(int) domain.MemberID { return "robin" })
			second := message(w, eventID(r.pushes[1].InMail.ID, sentEvent))
			w.drift(r, map[string]int{extra: 1}, nil)
			if first := r.pushes[1].Link.RecordID; !archived(w, second) || archived(w, first) || len(w.messages()) != 3 {
				t.Errorf("archived: the first %v, the second %v", archived(w, first), archived(w, second))
			}
		})
	}
	t.Run("one_that_waits_is_none", func(t *testing.T) {
		w := newWorld(t)
		w.contact("robin")
		r := w.filled(3, func(int) domain.MemberID { return "robin" })
		r.pushes[1].Link = domain.Link{InMail: r.pushes[1].InMail.ID} // of a process that was killed
		w.drift(r, nil, nil)
	})
	t.Run("ids_before", func(t *testing.T) {
		for id, want := range map[domain.ID]domain.ID{
			"01935b00-0000-7000-8000-000000000010": "01935b00-0000-7000-8000-00000000000f",
			"01935b00-0000-7000-8000-000000000000": "01935b00-0000-7000-7fff-ffffffffffff",
			"01935b00-0000-7000-8000-0000000000a0": "01935b00-0000-7000-8000-00000000009f",
			"00000000-0000-0000-0000-000000000000": "",
		} {
			if got := before(id); got != want {
				t.Errorf("before %s is %s, not %s", id, got, want)
			}
		}
	})
}

func plainKeys(o *sandbox.Options, _ *Config, _ *Deps) { o.PlainKeys = true }

func keysInText(o *sandbox.Options, c *Config, _ *Deps) { o.NoOwn, c.KeyIn = true, keyInBody }

// TestWrongContacts checks that a reconcile finds contacts that show another InMail than their last one.
func TestWrongContacts(t *testing.T) {
	w := newWorld(t)
	people := map[string]string{}
	for i := range 40 {
		people[fmt.Sprint("m", i)] = w.contact(domain.MemberID(fmt.Sprint("m", i)))
	}
	// 2,200 InMails are three pages: most people have InMails on each, m0 only on the first.
	r := w.filled(2200, func(i int) domain.MemberID {
		if i%40 == 0 && i > 500 {
			return "m1"
		}
		return domain.MemberID(fmt.Sprint("m", i%40))
	})
	w.drift(r, nil, nil)
	last := func(member string) [2]string {
		for _, c := range w.Records(contacts) {
			if c.ID == people[member] {
				return [2]string{c.Properties[lastStatusProperty], c.Properties[lastSentProperty]}
			}
		}
		return [2]string{}
	}
	right := map[string][2]string{}
	for member := range people {
		right[member] = last(member)
	}
	edit := func(member, status, at string) {
		w.must(w.Edit(contacts, people[member], map[string]string{lastStatusProperty: status, lastSentProperty: at}))
	}
	edit("m0", "", "")                                        // emptied
	edit("m2", "replied", right["m2"][1])                     // another status
	edit("m3", "sent", datetime(testNow.Add(-time.Hour)))     // an older one
	edit("m4", "sent", "2027-01-01T00:00:00.000Z")            // one in the future
	edit("m5", "opened", datetime(testNow.Add(-time.Second))) // one between, which was never sent
	w.drift(r, map[string]int{stale: 2, edited: 3}, nil)
	for member := range people {
		if got := last(member); got != right[member] {
			t.Errorf("%s has %v, not %v", member, got, right[member])
		}
	}
	t.Run("a_merged_one_has_the_InMails_of_both", func(t *testing.T) {
		w := newWorld(t)
		first, second := w.contact("m0"), w.contact("m1")
		r := w.filled(2200, func(i int) domain.MemberID { return domain.MemberID(fmt.Sprint("m", i/1100)) })
		_, err := w.Merge(contacts, second, first) // it keeps the later one
		w.must(err)
		found, err := w.crm.Compare(t.Context(), r, false, nil)
		if err != nil || found.Drift[edited]+found.Drift[stale] > 0 {
			t.Errorf("%+v, %v", found.Drift, err)
		}
	})
	t.Run("off_leaves_them_alone", func(t *testing.T) {
		edit("m2", "replied", right["m2"][1])
		w.crm = w.connect(func(c *Config, _ *Deps) { c.ContactStatus = off })
		w.drift(r, nil, nil)
	})
}

// TestLeads checks that the open leads of a contact get its messages, where the portal has leads.
func TestLeads(t *testing.T) {
	withLeads := func(o *sandbox.Options, _ *Config, _ *Deps) { o.Leads = true }
	on := func(w *world, id domain.ID, event string) []string {
		return w.messages()[eventID(id, event)].Linked[leads]
	}
	lead := func(w *world, contact string) string {
		id, err := w.MakeLead(contact, "a lead")
		w.must(err)
		return id
	}
	t.Run("those_that_are_open", func(t *testing.T) {
		w := newWorld(t, withLeads)
		robin, kim := w.contact("robin"), w.contact("kim")
		first, second, closed, other := lead(w, robin), lead(w, robin), lead(w, robin), lead(w, kim)
		w.CloseLead(closed)
		p := sent(1, "robin")
		p = then(p, w.push(p, sent(2, "kim"))[0], domain.EventReply)
		w.CloseLead(second)
		p = then(p, w.push(p)[0])
		for event, want := range map[string][]string{sentEvent: {first, second}, repliedEvent: {first}} {
			if diff := cmp.Diff(want, on(w, p.InMail.ID, event)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", event, diff)
			}
		}
		p.InMail.CRM, p.InMail.Version = domain.CRMIDs{Name: {contactID: kim}}, p.InMail.Version+1 // it was to another contact
		p = then(p, w.push(p)[0])
		for _, event := range []string{sentEvent, repliedEvent} {
			if diff := cmp.Diff([]string{other}, on(w, p.InMail.ID, event)); diff != "" {
				t.Errorf("moved, %s (-want +got):\n%s", event, diff)
			}
		}
		firm := w.make(companies, map[string]string{"name": "Acme"})
		p.InMail.CRM, p.InMail.Version = domain.CRMIDs{Name: {contactID: kim, companyID: firm}}, p.InMail.Version+1
		p = then(p, w.push(p)[0])
		p.InMail.Recipient, p.RecipientName, p.InMail.Version = domain.Erased, "", p.InMail.Version+1
		w.push(p)
		for _, event := range []string{sentEvent, repliedEvent} {
			if got := on(w, p.InMail.ID, event); got != nil {
				t.Errorf("after the erasure of the recipient, %s is on the leads %v", event, got)
			}
		}
	})
	t.Run("where_the_key_may_not_write_them", func(t *testing.T) {
		w := newWorld(t, withLeads, func(o *sandbox.Options, _ *Config, _ *Deps) {
			o.Scopes = append(slices.Clone(sandbox.AllScopes), "crm.objects.leads.read")
		})
		lead(w, w.contact("robin"))
		if a := w.push(sent(1, "robin"))[0]; a.Class != domain.Taken || a.Link.RecordID == "" {
			t.Errorf("%+v", a)
		}
	})
	t.Run("said_by_the_set_up", func(t *testing.T) {
		for want, set := range map[string]func(*sandbox.Options, *Config, *Deps){"yes": withLeads, "no": func(*sandbox.Options, *Config, *Deps) {}} {
			steps, err := newWorld(t, set).crm.Setup(t.Context(), false)
			i := slices.IndexFunc(steps, func(s mailroom.SetupStep) bool { return s.What == leads })
			if err != nil || i < 0 || !strings.HasPrefix(steps[i].Detail, want) {
				t.Errorf("%s: %+v, %v", want, steps, err)
			}
		}
	})
}
