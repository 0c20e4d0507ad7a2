package salesforce

import (
	"fmt"
	"testing"

	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
)

// The bar: 1,000 delivered InMails of matched Leads in at most 3 API calls without Tasks and 6 with them; 1,000 later
// changes likewise (DESIGN.md, How fast).
func TestCallsOfAThousand(t *testing.T) {
	for _, tasks := range []bool{false, true} {
		t.Run(fmt.Sprintf("tasks_%v", tasks), func(t *testing.T) {
			o := newOrg(t, func(_ *sandbox.Options, c *Config, _ *Deps) { c.Tasks = tasks })
			var pushes []domain.Push
			for i := range 1000 {
				id := domain.MemberID(fmt.Sprintf("member-%032d", i))
				o.lead(sandbox.Fields{"InMail_Member_Id__c": string(id)})
				pushes = append(pushes, sent(i, id))
			}
			most := 3
			if tasks {
				most = 6
			}
			var answers []domain.PushAnswer
			first := o.calls(func() { answers = o.push(pushes...) })
			for i, a := range answers {
				if a.Class != domain.Taken || a.Link.LeadID == "" || a.Link.RecordID == "" || a.Link.SentTask != tasks {
					t.Fatalf("answer %d: %+v", i, a)
				}
				pushes[i] = o.event(pushes[i], a, domain.EventReply)
			}
			later := o.calls(func() { answers = o.push(pushes...) })
			for i, a := range answers {
				if a.Class != domain.Taken || a.Link.RepliedTask != tasks {
					t.Fatalf("answer %d: %+v", i, a)
				}
			}
			t.Logf("1,000 new: %d calls; 1,000 changed: %d calls", first, later)
			if first > most || later > most {
				t.Errorf("%d calls for new ones and %d for changed ones, at most %d", first, later, most)
			}
			if n := len(o.inmails()); n != 1000 {
				t.Errorf("%d records", n)
			}
			want := 0
			if tasks {
				want = 2000
			}
			if n := len(o.tasks()); n != want {
				t.Errorf("%d Tasks, want %d", n, want)
			}
		})
	}
}
