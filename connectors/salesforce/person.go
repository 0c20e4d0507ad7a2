package salesforce

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"inmail/domain"
)

// These are the objects of people.
const (
	leadObject    = "Lead"
	contactObject = "Contact"
)

// besideObjects are the objects beside InMail__c to which rows are written. Each may rest alone.
var besideObjects = []string{taskObject, leadObject, contactObject, memberObject}

// objectOf returns the object of a Lead's or Contact's id.
func objectOf(id string) string {
	if strings.HasPrefix(id, contactPrefix) {
		return contactObject
	}
	return leadObject
}

// objectOf returns the object of a part beside the record.
func (w *work) objectOf(part string) string {
	if part == personPart {
		return objectOf(w.want.person())
	}
	if strings.HasPrefix(part, memberPart) {
		return memberObject
	}
	return taskObject
}

// person returns the id of the Contact or Lead; empty when there is none.
func (p parents) person() string {
	if p.ContactID != "" {
		return p.ContactID
	}
	return p.LeadID
}

// personColumn is a field of Lead and Contact that is kept at what is known of the InMails to the person.
type personColumn struct {
	name  string
	value func(domain.Correspondence) any
}

// personColumns are the fields of InMail on Leads and Contacts. A test compares them with the package. They
// hold no text and no name.
var personColumns = []personColumn{
	{"InMail_Last_At__c", func(c domain.Correspondence) any { return datetime(c.LastSentAt) }},
	{"InMail_Last_Status__c", func(c domain.Correspondence) any { return orNull(statusNames[c.LastStatus], 0) }},
	{"InMails_Sent__c", func(c domain.Correspondence) any { return c.Sent }},
	{"InMail_Answered_At__c", func(c domain.Correspondence) any { return datetime(c.LastReplyAt) }},
}

// personRow returns the fields of a Lead or Contact.
func personRow(id string, is domain.Correspondence) map[string]any {
	row := map[string]any{"id": id}
	for _, c := range personColumns {
		row[c.name] = c.value(is)
	}
	return row
}

// withoutPersonFields empties the fields of a Lead or Contact.
func withoutPersonFields(id string) change {
	fields := map[string]any{}
	for _, c := range personColumns {
		fields[c.name] = nil
	}
	return change{objectOf(id), id, fields}
}

// joined sums up what reached several members whose InMails are shown under one person.
func joined(a, b domain.Correspondence) domain.Correspondence {
	if b.LastSentAt.After(a.LastSentAt) {
		a.LastSentAt, a.LastStatus = b.LastSentAt, b.LastStatus
	}
	if b.LastReplyAt.After(a.LastReplyAt) {
		a.LastReplyAt = b.LastReplyAt
	}
	a.Sent += b.Sent
	return a
}

// persons sums up what reached each Lead and Contact of works, by its id. first has a work of each.
func (c *Connector) persons(works []*work) (ids []string, is map[string]domain.Correspondence, first map[string]*work) {
	is, first = map[string]domain.Correspondence{}, map[string]*work{}
	counted := map[string]bool{}
	for _, w := range works {
		id, m := w.want.person(), &w.push.InMail
		if !c.config.PersonFields || w.want.Match != domain.Matched || id == "" || m.Recipient == domain.Erased ||
			w.push.Correspondence.Sent == 0 {
			continue
		}
		if first[id] == nil {
			first[id] = w
			ids = append(ids, id)
		}
		if key := id + " " + string(m.Recipient); !counted[key] {
			counted[key] = true
			is[id] = joined(is[id], w.push.Correspondence)
		}
	}
	return ids, is, first
}

// personItems returns one row for each Lead and Contact of works.
func (c *Connector) personItems(works []*work) (items []item) {
	ids, is, first := c.persons(works)
	for _, id := range ids {
		items = append(items, item{work: first[id], person: true, row: personRow(id, is[id])})
	}
	return items
}

// erasePersonFields empties the fields of Leads and Contacts to whose person nothing leads any more, because
// the recipient of an InMail was erased (R60). The org still says whose they are, until the record is written
// without parents. An InMail whose person could not be emptied for now waits.
func (c *Connector) erasePersonFields(ctx context.Context, works []*work) {
	if !c.config.PersonFields {
		return
	}
	erased := map[string]*work{}
	var ids []string
	for _, w := range works {
		if !w.settled && w.push.InMail.Recipient == domain.Erased && w.push.Link.RecordID == "" {
			ids = append(ids, string(w.push.InMail.ID))
			erased[ids[len(ids)-1]] = w
		}
	}
	if len(ids) == 0 {
		return
	}
	var rows []change
	err := c.ask(ctx, &query{n: len(ids), soql: func(part []int) string {
		return "SELECT InMail_Id__c, Lead__c, Contact__c FROM InMail__c WHERE InMail_Id__c IN " + in(pick(ids, part))
	}, read: func(record []byte) error {
		var r orgRow
		err := json.Unmarshal(record, &r)
		id := adoptedParents(r).person()
		if id != "" && !slices.ContainsFunc(rows, func(row change) bool { return row.id == id }) {
			rows = append(rows, withoutPersonFields(id))
		}
		return err
	}})
	if err == nil {
		err = c.emptyPeople(ctx, rows)
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
