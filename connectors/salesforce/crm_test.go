package salesforce

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"inmail/connectors/porttest/crmtest"
	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// TestEveryCRM runs the suite of all CRMs against the sandbox.
func TestEveryCRM(t *testing.T) {
	crmtest.Run(t, func(t testing.TB) *crmtest.World { return newOrg(t).suite() })
}

// suite returns the org as the suite of all CRMs sees it.
func (o *org) suite() *crmtest.World {
	clock := crmtest.NewClock(crmtest.Start())
	o.clock.follow = clock
	recordID := func(id domain.ID) string { return o.inmails()[id]["Id"].(string) }
	must := func(err error) {
		o.t.Helper()
		if err != nil {
			o.t.Fatal(err)
		}
	}
	return &crmtest.World{
		Clock: clock,
		Connect: func(wrap func(http.RoundTripper) http.RoundTripper) mailroom.CRM {
			return o.connect(func(_ *Config, d *Deps) {
				d.Wait = clock.Wait
				if wrap != nil {
					d.Transport = wrap(http.DefaultTransport)
				}
			})
		},
		Person: func(member domain.MemberID) string {
			return o.lead(sandbox.Fields{"InMail_Member_Id__c": string(member)})
		},
		Move: func(person string) {
			_, err := o.Convert(person, sandbox.Conversion{MapMemberID: true})
			must(err)
		},
		MemberOf: func(person string) string {
			fields, _ := o.Record(person)
			member, _ := fields["InMail_Member_Id__c"].(string)
			return member
		},
		Records: func() map[domain.ID]crmtest.Record {
			all := map[domain.ID]crmtest.Record{}
			add := func(r *crmtest.Record, fields sandbox.Fields) {
				for _, value := range fields {
					if text, ok := value.(string); ok {
						r.Words += " " + text
					}
				}
			}
			for id, fields := range o.inmails() {
				seq, _ := fields["Status_Sequence__c"].(float64)
				r := crmtest.Record{Status: domain.Status(strings.ToLower(fmt.Sprint(fields["Status__c"]))), Order: int64(seq)}
				add(&r, fields)
				all[id] = r
			}
			for key, fields := range o.tasks() {
				id, _, _ := strings.Cut(key, ":")
				r := all[domain.ID(id)]
				add(&r, fields)
				all[domain.ID(id)] = r
			}
			return all
		},
		Writes: func() (all []crmtest.Write) {
			for _, h := range o.History() {
				if h.Object == inMailObject && h.NewSequence != nil && slices.Contains([]string{"insert", "update"}, h.Kind) {
					all = append(all, crmtest.Write{InMail: domain.ID(h.Key), Order: int64(*h.NewSequence)})
				}
			}
			return all
		},
		Edit:   func(id domain.ID) { must(o.Edit(recordID(id), sandbox.Fields{"Status__c": "Failed"})) },
		Remove: func(id domain.ID) { must(o.Delete(recordID(id))) },
		Break: func(rate float64) {
			kinds := []sandbox.FaultKind{sandbox.DropBefore, sandbox.DropAfter, sandbox.TruncatedBody, sandbox.EmptyBody,
				sandbox.TimeoutAfter, sandbox.UnavailableHTML, sandbox.ServerError, sandbox.EmptyErrorList, sandbox.LimitConcurrent,
				sandbox.SessionExpired}
			for _, kind := range kinds {
				o.inject(sandbox.Fault{Kind: kind, Rate: rate / float64(len(kinds))})
			}
			o.inject(sandbox.Fault{Kind: sandbox.RowLock, Rate: 0.02}, sandbox.Fault{Kind: sandbox.RowDuplicate, Rate: 0.01})
		},
		Clear:   o.ClearFaults,
		Limit:   func() { o.inject(sandbox.Fault{Kind: sandbox.LimitTotal}) },
		Order:   func(m *domain.InMail) int64 { return int64(m.Seq) },
		Expects: func(domain.Push) bool { return true },
		Remakes: true,
		Late:    func() int { return 0 },
	}
}
