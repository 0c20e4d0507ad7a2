package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"inmail/domain"
)

// These are the object of the members of Campaigns, and the statuses that our members have.
const (
	memberObject    = "CampaignMember"
	memberSent      = "Sent"
	memberResponded = "Responded"
	campaignPrefix  = "701"
	campaignColumn  = "Campaign__c"
)

// memberPart begins the part of an InMail, and the note of its link, that is a membership; the id of the
// Campaign follows. The note has the id of the CampaignMember and its status.
const memberPart = "campaign_"

// parseCampaigns reads pairs of the form tag=701… and returns the ids of Campaigns with 18 characters by the
// tags in lower case.
func parseCampaigns(pairs []string) (map[string]string, error) {
	campaigns := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		at := strings.LastIndexByte(pair, '=')
		tag := strings.ToLower(strings.TrimSpace(pair[:max(at, 0)]))
		if tag == "" {
			return nil, fmt.Errorf("%q is no pair such as fair=701Ak000001XyZzIAK", pair)
		}
		id, ok := canonicalID(strings.TrimSpace(pair[at+1:]), campaignPrefix)
		if !ok {
			return nil, fmt.Errorf("%s has %q, which is no id of a Campaign (701…)", tag, pair[at+1:])
		}
		if _, twice := campaigns[tag]; twice {
			return nil, fmt.Errorf("%s comes twice", tag)
		}
		campaigns[tag] = id
	}
	return campaigns, nil
}

// campaignsOf returns the Campaigns of an InMail's tags, in their order, each once.
func (c *Connector) campaignsOf(m *domain.InMail) (ids []string) {
	if len(c.campaigns) == 0 {
		return nil
	}
	for _, tag := range m.Tags {
		if id := c.campaigns[strings.ToLower(tag)]; id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// memberNote is what a link remembers of a membership.
func memberNote(id, status string) string { return id + ":" + status }

func readMemberNote(note string) (id, status string) {
	id, status, _ = strings.Cut(note, ":")
	return id, status
}

// memberStatus is the status that the person of an InMail should have in its Campaigns.
func memberStatus(m *domain.InMail) string {
	if !m.RepliedAt.IsZero() {
		return memberResponded
	}
	return memberSent
}

// lackedCampaigns returns the Campaigns in which a person is not known to have the status of an InMail. A
// member who has responded stays so.
func (c *Connector) lackedCampaigns(p *domain.Push, l domain.Link, at parents) (ids []string) {
	m := &p.InMail
	if m.SentAt.IsZero() || m.Recipient == domain.Erased || at.Match != domain.Matched || at.person() == "" {
		return nil
	}
	for _, id := range c.campaignsOf(m) {
		if _, has := readMemberNote(l.Notes[memberPart+id]); has != memberResponded && has != memberStatus(m) {
			ids = append(ids, id)
		}
	}
	return ids
}

// memberItems returns the rows of members that works lack: new ones, and changes of those whose id is known.
// A person is in a Campaign once, whatever number of InMails has its tag.
func (c *Connector) memberItems(works []*work) (added, changed []item) {
	if len(c.campaigns) == 0 {
		return nil, nil
	}
	known := map[string]*item{}
	var order []*item
	for _, w := range works {
		if w.settled {
			continue
		}
		for _, campaign := range c.lackedCampaigns(w.push, w.link, w.want) {
			key, status := campaign+w.want.person(), memberStatus(&w.push.InMail)
			if it := known[key]; it != nil {
				it.also = append(it.also, w)
				if status == memberResponded {
					it.row["Status"] = status
				}
				continue
			}
			row := map[string]any{"Status": status}
			if id, _ := readMemberNote(w.link.Notes[memberPart+campaign]); id != "" {
				row["id"] = id
			} else {
				row["CampaignId"] = campaign
				row[objectOf(w.want.person())+"Id"] = w.want.person()
			}
			known[key] = &item{work: w, campaign: campaign, row: row}
			order = append(order, known[key])
		}
	}
	for _, it := range order {
		if it.row["id"] != nil {
			changed = append(changed, *it)
		} else {
			added = append(added, *it)
		}
	}
	return added, changed
}

// joined notes for each InMail of an item that its person is a member of the Campaign.
func (it item) joined(id, status string) {
	for _, w := range append([]*work{it.work}, it.also...) {
		noteMember(w, it.campaign, id, status)
	}
}

func noteMember(w *work, campaign, id, status string) {
	notes := maps.Clone(w.link.Notes)
	if notes == nil {
		notes = map[string]string{}
	}
	notes[memberPart+campaign] = memberNote(id, status)
	w.link.Notes = notes
	delete(w.tasks, memberPart+campaign)
}

// campaignMember is a CampaignMember as a query returns it.
type campaignMember struct {
	ID        string `json:"Id"`
	Campaign  string `json:"CampaignId"`
	Lead      string `json:"LeadId"`
	Contact   string `json:"ContactId"`
	Responded bool   `json:"HasResponded"`
}

// membersQuery returns the query for the members that people are of Campaigns; more narrows it.
func membersQuery(campaigns, people []string, more string, read func(campaignMember)) *query {
	return &query{n: len(people), soql: func(part []int) string {
		some := in(pick(people, part))
		return "SELECT Id, CampaignId, LeadId, ContactId, HasResponded FROM CampaignMember" +
			" WHERE CampaignId IN " + in(campaigns) + " AND (LeadId IN " + some + " OR ContactId IN " + some + ")" + more
	}, read: func(record []byte) error {
		var m campaignMember
		err := json.Unmarshal(record, &m)
		if err == nil {
			read(m)
		}
		return err
	}}
}

// lookAtMembers asks for the members whom the org refused because they are members already: somebody added
// them, or the answer was lost. One that has yet to respond is changed.
func (c *Connector) lookAtMembers(ctx context.Context, works []*work) {
	asked := map[string][]*work{} // by Campaign and person
	var campaigns, people []string
	for _, w := range works {
		for part, f := range w.tasks {
			campaign, ok := strings.CutPrefix(part, memberPart)
			if !ok || f == nil || !f.has("DUPLICATE_VALUE") {
				continue
			}
			asked[campaign+w.want.person()] = append(asked[campaign+w.want.person()], w)
			campaigns, people = append(campaigns, campaign), append(people, w.want.person())
		}
	}
	if len(asked) == 0 {
		return
	}
	slices.Sort(campaigns)
	slices.Sort(people)
	var rows []change
	var of []campaignMember
	err := c.ask(ctx, membersQuery(slices.Compact(campaigns), slices.Compact(people), "", func(m campaignMember) {
		for _, w := range asked[m.Campaign+m.Lead+m.Contact] {
			status := memberSent
			if m.Responded {
				status = memberResponded
			}
			noteMember(w, m.Campaign, m.ID, status)
			if !m.Responded && memberStatus(&w.push.InMail) == memberResponded {
				rows = append(rows, change{memberObject, m.ID, map[string]any{"Status": memberResponded}})
				of = append(of, m)
			}
		}
	}))
	var faults []*Fault
	if err == nil {
		faults, err = c.update(ctx, rows)
	}
	if err != nil { // the next push, or a reconcile, asks again
		c.log.WarnContext(ctx, "ask for members of Campaigns that are there already", "answer", asFault(err).Detail())
		return
	}
	for i, f := range faults {
		for _, w := range asked[of[i].Campaign+of[i].Lead+of[i].Contact] {
			if f != nil {
				w.note(memberPart+of[i].Campaign, f, true)
			} else {
				noteMember(w, of[i].Campaign, of[i].ID, memberResponded)
			}
		}
	}
}

// eraseMembers removes from the Campaigns of their tags the people of erased recipients whom this integration
// added (R60). The org still says who they are, until the record is written without parents. An InMail whose
// membership could not be removed for now waits.
func (c *Connector) eraseMembers(ctx context.Context, works []*work) {
	erased := map[string]*work{}
	var ids, campaigns []string
	for _, w := range works {
		of, m := c.campaignsOf(&w.push.InMail), &w.push.InMail
		if !w.settled && of != nil && m.Recipient == domain.Erased && w.push.Link.RecordID == "" {
			ids, campaigns = append(ids, string(w.push.InMail.ID)), append(campaigns, of...)
			erased[ids[len(ids)-1]] = w
		}
	}
	if len(ids) == 0 {
		return
	}
	var people, members []string
	err := c.ask(ctx, &query{n: len(ids), soql: func(part []int) string {
		return "SELECT InMail_Id__c, Lead__c, Contact__c FROM InMail__c WHERE InMail_Id__c IN " + in(pick(ids, part))
	}, read: func(record []byte) error {
		var r orgRow
		err := json.Unmarshal(record, &r)
		if id := adoptedParents(r).person(); id != "" {
			people = append(people, id)
		}
		return err
	}})
	if s := c.current.Load(); err == nil && len(people) > 0 && s != nil && s.user != "" {
		slices.Sort(campaigns)
		ours := " AND CreatedById = " + quote(s.user)
		err = c.ask(ctx, membersQuery(slices.Compact(campaigns), people, ours, func(m campaignMember) {
			members = append(members, m.ID)
		}))
	}
	for part := range slices.Chunk(members, collection) {
		if err == nil {
			_, err = c.do(ctx, call{method: http.MethodDelete,
				path: "composite/sobjects?allOrNone=false&ids=" + strings.Join(part, ",")})
		}
	}
	if err == nil {
		return
	}
	f := asFault(err)
	for _, w := range erased {
		w.note(searchPart, f, true)
		w.settled = true
	}
}

// checkCampaigns checks that the Campaigns of the map exist and have the statuses of our members.
func (c *Connector) checkCampaigns(ctx context.Context) Finding {
	f := Finding{What: "campaigns", OK: true,
		Detail: fmt.Sprintf("%d tags have a Campaign, each with the statuses Sent and Responded", len(c.campaigns))}
	lacks := map[string][]string{}
	for _, id := range c.campaigns {
		lacks[id] = []string{"", memberSent, memberResponded}
	}
	ids := slices.Sorted(maps.Keys(lacks))
	find := func(id, what string) {
		lacks[id] = slices.DeleteFunc(lacks[id], func(lacked string) bool { return lacked == what })
	}
	err := c.ask(ctx, &query{n: len(ids), soql: func(part []int) string {
		return "SELECT Id FROM Campaign WHERE Id IN " + in(pick(ids, part))
	}, read: func(record []byte) error {
		var r orgRow
		err := json.Unmarshal(record, &r)
		find(r.text("Id"), "")
		return err
	}}, &query{n: len(ids), soql: func(part []int) string {
		return "SELECT CampaignId, Label FROM CampaignMemberStatus WHERE CampaignId IN " + in(pick(ids, part))
	}, read: func(record []byte) error {
		var r orgRow
		err := json.Unmarshal(record, &r)
		find(r.text("CampaignId"), r.text("Label"))
		return err
	}})
	if err != nil {
		f = faultFinding(f.What, err)
		f.Remedy = "assign the permission set InMail_Campaigns and the Marketing User feature to the integration user"
		return f
	}
	var faults []string
	for _, id := range ids {
		switch {
		case slices.Contains(lacks[id], ""):
			faults = append(faults, id+" is not there, or the integration user does not see it")
		case len(lacks[id]) > 0:
			faults = append(faults, id+" has no status "+strings.Join(lacks[id], ", "))
		}
	}
	if faults != nil {
		f.OK, f.Detail = false, strings.Join(faults, "; ")
		f.Remedy = "correct salesforce.campaigns, or add the statuses to the Campaign " +
			"(Advanced Setup on its Campaign Members)"
	}
	return f
}
