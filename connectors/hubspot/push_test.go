package hubspot

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
)

// TestPush checks what a portal has of InMails after pushes.
func TestPush(t *testing.T) {
	t.Run("a_sent_one_is_on_the_timeline_of_contact_and_company", func(t *testing.T) {
		w := newWorld(t)
		contact, company := w.contact("robin"), w.make(companies, map[string]string{"name": "Acme"})
		w.must(w.Associate(contact, company, true))
		p := sent(1, "robin")
		a := w.push(p)[0]
		if a.Class != domain.Taken || a.Link.Match != domain.Matched || a.Link.RecordID == "" || a.Link.PushedVersion != p.InMail.Version {
			t.Fatalf("%+v", a)
		}
		r := w.messages()[eventID(p.InMail.ID, sentEvent)]
		if diff := cmp.Diff(map[string][]string{contacts: {contact}, companies: {company}}, r.Linked); diff != "" {
			t.Errorf("associations (-want +got):\n%s", diff)
		}
		for name, want := range map[string]string{"hs_communication_channel_type": "LINKEDIN_MESSAGE", "hs_communication_logged_from": "CRM",
			"hs_timestamp": "2026-11-23T08:00:01.000Z", statusProperty: "sent", sequenceProperty: "2", tagsProperty: "demo",
			"inmail_subject": "A plan for the spring", "inmail_opened": "0", "inmail_cohort": "2026-W48",
			bodyProperty: "<p><b>InMail</b> to Robin Reader · <b>Sent</b> 23 Nov 2026 08:00 UTC · tags: demo</p>" +
				"<p><b>A plan for the spring</b></p><p>Dear reader, this is the body.</p>"} {
			if r.Properties[name] != want {
				t.Errorf("%s is %q, not %q", name, r.Properties[name], want)
			}
		}
		for _, c := range w.Records(contacts) {
			if c.Properties[lastStatusProperty] != "sent" || c.Properties[lastSentProperty] != "2026-11-23T08:00:01.000Z" {
				t.Errorf("the contact has %v", c.Properties)
			}
		}

		p = then(p, a, domain.EventOpen, domain.EventReply)
		a = w.push(p)[0]
		if a.Class != domain.Taken || a.Link.Notes[repliedNote] == "" {
			t.Fatalf("%+v", a)
		}
		all := w.messages()
		r = all[eventID(p.InMail.ID, sentEvent)]
		if len(all) != 2 || r.Properties[statusProperty] != "replied" || r.Properties["inmail_opened"] != "1" ||
			!strings.Contains(r.Properties[bodyProperty], "<b>Replied</b> 23 Nov 2026 09:01 UTC") {
			t.Errorf("%d messages; %v", len(all), r.Properties)
		}
		reply := all[eventID(p.InMail.ID, repliedEvent)]
		if reply.Properties["hs_timestamp"] != "2026-11-23T09:01:00.000Z" || len(reply.Linked[contacts]) != 1 {
			t.Errorf("the reply is %+v", reply)
		}
	})
	t.Run("an_older_state_is_not_sent", func(t *testing.T) {
		w := newWorld(t)
		w.contact("robin")
		old := sent(1, "robin")
		newer := then(old, domain.PushAnswer{}, domain.EventOpen)
		answers := w.push(newer, old) // the newest of two in one push
		status := func() string { return w.messages()[eventID(old.InMail.ID, sentEvent)].Properties[statusProperty] }
		if answers[0].Class != domain.Taken || answers[1].Link.PushedVersion != newer.InMail.Version || status() != "opened" {
			t.Fatalf("%s: %+v", status(), answers)
		}
		old.Link = answers[0].Link
		if n := w.calls(func() { answers = w.push(old) }); n != 0 || answers[0].Class != domain.Stale || answers[0].Link.PushedVersion != newer.InMail.Version {
			t.Errorf("%d calls: %+v", n, answers)
		}
		if status() != "opened" {
			t.Errorf("%s", status())
		}
	})
	t.Run("an_answer_that_leaves_a_record_out_removes_nothing", func(t *testing.T) {
		w := newWorld(t)
		w.contact("robin")
		p := sent(1, "robin")
		a := w.push(p)[0]
		blind := w.connect(func(_ *Config, d *Deps) { d.Transport = emptyReads{} })
		p = then(p, a, domain.EventOpen)
		late := p
		late.Link.Notes = map[string]string{portalNote: "4711", lateNote: w.clock.Now().Add(time.Minute).Format(time.RFC3339Nano)}
		if a := pushBy(t, blind, late)[0]; a.Link.RecordID == "" || a.Link.Notes[sentNote] == removed {
			t.Errorf("%+v", a)
		}
		found, err := blind.compare(t.Context(), blind.portal, []domain.Push{p})
		if err != nil || len(found.kinds) != 0 || found.waiting != 1 {
			t.Errorf("%+v, %v", found, err)
		}
	})
	t.Run("who_is_unknown_is_held_back", func(t *testing.T) {
		w := newWorld(t)
		p := sent(1, "nobody")
		a := w.push(p)[0]
		if a.Class != domain.Taken || a.Link.Match != domain.Unmatched || a.Link.RecordID != "" || a.Link.PushedVersion != p.InMail.Version {
			t.Errorf("%+v", a)
		}
		if n := len(w.Records(communications)); n != 0 {
			t.Errorf("%d records", n)
		}
	})
}

// emptyReads answers reads of messages as if nothing had been asked.
type emptyReads struct{}

func (emptyReads) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && strings.HasSuffix(r.URL.Path, "communications/batch/read") {
		_ = resp.Body.Close()
		resp.StatusCode = http.StatusOK
		resp.Body = io.NopCloser(strings.NewReader(`{"status":"COMPLETE","results":[]}`))
	}
	return resp, err
}
