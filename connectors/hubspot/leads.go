package hubspot

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"inmail/domain"
)

// leads is the object of HubSpot's Leads, which portals of Sales Hub Professional and above have.
const leads = "leads"

// These concern leads. A contact rarely has more than one that is open.
const (
	openLead    = "hs_lead_is_open" // "true" until the lead is qualified or disqualified
	maxLeads    = 20                // open leads of a contact that get its communications
	leadsScopes = "crm.objects.leads."
)

// learnLeads asks whether communications can be associated with leads, and by which type. A portal without
// leads, or a key without their scopes, is no fault: then leads are left out.
func (c *Connector) learnLeads(ctx context.Context, p *portal) error {
	var labels struct {
		Results []struct {
			Category string `json:"category"`
			ID       int    `json:"typeId"`
		} `json:"results"`
	}
	err := c.call(ctx, associations, http.MethodGet, c.path("associations", communications, leads, "labels"), nil, &labels)
	if err != nil {
		if f := asFault(err); f.Status < 400 || f.Status > 404 || f.Status == http.StatusUnauthorized {
			return err
		}
		return nil
	}
	for _, l := range labels.Results {
		if l.Category == "HUBSPOT_DEFINED" {
			p.setLeads(l.ID)
			return nil
		}
	}
	return nil
}

func (p *portal) setLeads(typeID int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leadType = typeID
}

// leadsBy returns the type by which communications are associated with leads; 0: they are not.
func (p *portal) leadsBy() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.leadType
}

// findLeads finds the open leads of the contacts of works whose communications are to be made or moved.
func (c *Connector) findLeads(ctx context.Context, p *portal, works []*work) error {
	if p.leadsBy() == 0 {
		return nil
	}
	var wanted []*work
	var people []string
	for _, w := range works {
		replies := !w.push.InMail.RepliedAt.IsZero() && w.link.Notes[repliedNote] == ""
		if w.want.ContactID != "" && !w.erased() && (w.link.RecordID == "" || w.moved || replies) {
			wanted = append(wanted, w)
			people = append(people, w.want.ContactID)
		}
	}
	slices.Sort(people)
	of, err := c.linked(ctx, contacts, leads, slices.Compact(people))
	if err == nil {
		err = c.keepOpen(ctx, of)
	}
	if f := asFault(err); err != nil && f.Class == domain.Configuration {
		c.log.WarnContext(ctx, "the leads of HubSpot cannot be read: messages are on contacts and companies alone", "answer", f.Detail())
		p.setLeads(0)
		return nil
	}
	if err != nil {
		return err
	}
	for _, w := range wanted {
		for _, l := range of[w.want.ContactID] {
			w.leads = append(w.leads, string(l.ID))
		}
	}
	return nil
}

// keepOpen removes leads that are not open.
func (c *Connector) keepOpen(ctx context.Context, of map[string][]linkedTo) error {
	var ids []string
	for _, list := range of {
		for _, l := range list {
			ids = append(ids, string(l.ID))
		}
	}
	slices.Sort(ids)
	found, err := c.read(ctx, leads, "", slices.Compact(ids), openLead)
	if err != nil {
		return err
	}
	open := map[string]bool{}
	for _, r := range found {
		open[r.ID] = r.text(openLead) == "true"
	}
	for contact, list := range of {
		list = slices.DeleteFunc(list, func(l linkedTo) bool { return !open[string(l.ID)] })
		of[contact] = list[:min(len(list), maxLeads)]
	}
	return nil
}

// withoutLeads leaves leads out from now on, where the scopes for them lack, and reports whether that may
// help.
func (s *sending) withoutLeads(items []item, f *Fault) bool {
	if s.p.leadsBy() == 0 || !slices.ContainsFunc(f.Names, func(name string) bool { return strings.HasPrefix(name, leadsScopes) }) {
		return false
	}
	s.p.setLeads(0)
	for _, it := range items {
		it.work.leads = nil
	}
	return true
}

// moveLeads takes the communications of works off the leads of another contact, and of an erased recipient,
// and brings them to those of their own.
func (c *Connector) moveLeads(ctx context.Context, p *portal, works []*work) {
	if p.leadsBy() == 0 {
		return
	}
	byRecord := map[string]*work{}
	for _, w := range unsettled(works) {
		erased := w.push.InMail.Recipient == domain.Erased && w.wrote && w.link.Notes[detachedNote] == ""
		if w.link.RecordID == "" || !w.moved && !erased {
			continue
		}
		for _, id := range []string{w.link.RecordID, w.link.Notes[repliedNote]} {
			if id != "" && id != removed {
				byRecord[id] = w
			}
		}
	}
	if len(byRecord) == 0 {
		return
	}
	on, err := c.linked(ctx, communications, leads, sortedKeys(byRecord))
	var add inputs[pairOf]
	var drop inputs[endOf]
	for _, id := range sortedKeys(byRecord) {
		end := endOf{From: key{id}}
		for _, l := range on[id] {
			if !slices.Contains(byRecord[id].leads, string(l.ID)) {
				end.To = append(end.To, key{string(l.ID)})
			}
		}
		if end.To != nil {
			drop.Inputs = append(drop.Inputs, end)
		}
		for _, lead := range byRecord[id].leads {
			if !slices.ContainsFunc(on[id], func(l linkedTo) bool { return string(l.ID) == lead }) {
				add.Inputs = append(add.Inputs, pairOf{key{id}, key{lead}, typed(p.leadsBy())})
			}
		}
	}
	if err == nil {
		err = c.associate(ctx, leads, add.Inputs, drop.Inputs)
	}
	if err != nil {
		for _, w := range byRecord {
			w.note(contactPart, asFault(err), true)
		}
	}
}
