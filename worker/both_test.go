package worker_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"inmail/connectors/hubspot"
	hubspotsandbox "inmail/connectors/hubspot/sandbox"
	"inmail/connectors/salesforce"
	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/worker"
)

// cable is a transport that can be cut.
type cable struct{ cut atomic.Bool }

func (c *cable) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.cut.Load() {
		return nil, errors.New("no route to host")
	}
	return http.DefaultTransport.RoundTrip(r)
}

// both is a company with Salesforce and HubSpot, each behind a cable of its own.
type both struct {
	*company
	jobs   *worker.Jobs
	portal *hubspotsandbox.Sandbox
	cables map[domain.CRM]*cable
	ids    []string
}

// bothInMails is how many InMails a test of both CRMs has.
const bothInMails = 10

func newBoth(t *testing.T) *both {
	t.Helper()
	b := &both{company: newCompany(t), cables: map[domain.CRM]*cable{salesforce.Name: {}, hubspot.Name: {}}}
	wait := func(ctx context.Context, d time.Duration) error { b.wall.pass(d); return ctx.Err() }
	org, err := salesforce.New(b.config, salesforce.Deps{Clock: b.wall, Transport: b.cables[salesforce.Name], Wait: wait})
	if err != nil {
		t.Fatal(err)
	}
	if b.portal, err = hubspotsandbox.New(hubspotsandbox.Options{Token: "pat-both", Clock: b.wall.Now}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(b.portal.Handler())
	t.Cleanup(server.Close)
	config := hubspot.Default()
	config.Token, config.URL = "pat-both", server.URL
	portal, err := hubspot.New(config, hubspot.Deps{Clock: b.wall, Transport: b.cables[hubspot.Name], Wait: wait})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := portal.Setup(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	for i := range bothInMails {
		member := fmt.Sprintf("r%d", i)
		_, err := b.portal.Make("contacts", map[string]string{"lastname": member, "inmail_member_id": member})
		if err == nil {
			_, err = b.org.Insert("Lead", sandbox.Fields{"LastName": member, "Company": "Acme", "InMail_Member_Id__c": member})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b.jobs = b.process(org, portal)
	b.svc = b.jobs.Service
	b.record.locked = map[domain.ID]int{}
	b.ids = b.accept(bothInMails)
	return b
}

// hour lets an hour pass in which something happens each minute and both CRMs are pushed to. It returns the
// longest lag of each CRM after its push.
func (b *both) hour() map[domain.CRM]time.Duration {
	b.t.Helper()
	lag := map[domain.CRM]time.Duration{}
	for minute := range 60 {
		var err error
		switch id := domain.ID(b.ids[minute%len(b.ids)]); minute / len(b.ids) {
		case 0:
			_, err = b.svc.Deliver(b.t.Context(), []domain.ID{id})
		case 1:
			recipient := mailroom.Viewer{Member: domain.MemberID(fmt.Sprintf("r%d", minute%len(b.ids)))}
			_, err = b.svc.Open(b.t.Context(), recipient, id)
		default:
			_, err = b.svc.Tag(b.t.Context(), mailroom.Viewer{Member: "s"}, id, []string{fmt.Sprint("tag ", minute)})
		}
		if err != nil {
			b.t.Fatal(err)
		}
		b.push()
		for crm := range b.cables {
			if s := b.waiting(crm); s.Unsynced > 0 {
				lag[crm] = max(lag[crm], b.wall.Now().Sub(s.OldestUnsynced))
			}
		}
		b.wall.pass(time.Minute)
	}
	return lag
}

func (b *both) push() {
	b.t.Helper()
	for crm := range b.cables {
		if err := b.jobs.Handlers()[mailroom.TaskCRMPush](b.t.Context(), []string{string(crm)}); err != nil {
			b.t.Fatal(err)
		}
	}
}

// converge pushes until both CRMs have everything, and checks that each has every InMail once and as it is.
func (b *both) converge() {
	b.t.Helper()
	for range 60 {
		b.push()
		if b.waiting(salesforce.Name).Unsynced+b.waiting(hubspot.Name).Unsynced == 0 {
			break
		}
		b.wall.pass(5 * time.Minute)
	}
	org, portal := map[string]string{}, map[string]string{}
	for _, r := range b.org.Records("InMail__c") {
		org[r["InMail_Id__c"].(string)] = fmt.Sprint(r["Status__c"], " ", r["Tags__c"])
	}
	for _, r := range b.portal.Records("communications") {
		portal[r.Properties["inmail_id"]] = r.Properties["inmail_status"] + " " + r.Properties["inmail_tags"]
	}
	for i, id := range b.ids {
		tag := fmt.Sprint("tag ", 60-len(b.ids)+i)
		if portal[id] != "opened "+tag || org[id] != "Opened "+tag {
			b.t.Errorf("%s is opened, with %s, %q in Salesforce and %q in HubSpot", id, tag, org[id], portal[id])
		}
	}
	if n, m := len(b.org.Records("InMail__c")), len(b.portal.Records("communications")); n != len(b.ids) || m != len(b.ids) {
		b.t.Errorf("%d records and %d messages of %d InMails", n, m, len(b.ids))
	}
	for crm := range b.cables {
		if s := b.waiting(crm); s.Unsynced > 0 || len(s.Dead) > 0 || s.Pause != nil || !s.UnreachableSince.IsZero() {
			b.t.Errorf("%s: %+v", crm, s)
		}
	}
}

// testBothCRMs connects both CRMs at once. One that is dead for an hour delays nothing of the other; then
// both converge (R67).
func testBothCRMs(t *testing.T) {
	t.Run("R67_both_CRMs_at_once", func(t *testing.T) {
		b := newBoth(t)
		for crm, lag := range b.hour() {
			t.Errorf("%s was %s behind", crm, lag)
		}
		b.converge()
	})
	for _, dead := range []domain.CRM{salesforce.Name, hubspot.Name} {
		t.Run("R67_one_that_is_dead_for_an_hour_delays_no_other/"+string(dead), func(t *testing.T) {
			b := newBoth(t)
			b.cables[dead].cut.Store(true)
			lag := b.hour()
			if lag[dead] < 50*time.Minute || b.waiting(dead).UnreachableSince.IsZero() {
				t.Errorf("the dead one was %s behind: %+v", lag[dead], b.waiting(dead))
			}
			delete(lag, dead)
			for crm, lag := range lag {
				t.Errorf("%s lives and was %s behind", crm, lag)
			}
			b.cables[dead].cut.Store(false)
			b.converge()
		})
	}
}
