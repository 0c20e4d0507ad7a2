package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"inmail/domain"
	"inmail/domain/mailroom"
)

var _ mailroom.Prover = (*Connector)(nil)

// These say why something of an erased member is still in the org, and what to do.
const (
	whyBin       = "nothing in the recycle bin can be changed: delete it there for good, or wait until the org does"
	whyConverted = "a converted Lead: only a user with View and Edit Converted Leads can empty the field"
	whyPerson    = "the org did not let InMail empty it: assign InMail People to the integration user, or empty it by hand"
	whyWaits     = "its push waits: inmail crm status and inmail crm failures say why"
	whyDiffers   = "somebody put it there, or the org kept it: inmail crm reconcile writes it again, then ask once more"
	whyTask      = "the org kept it although it was emptied: change it by hand"
)

// placeOf names the place of a record.
func placeOf(deleted, archived bool) string {
	switch {
	case deleted:
		return mailroom.PlaceBin
	case archived:
		return mailroom.PlaceArchive
	}
	return mailroom.PlaceLive
}

// LeftOf returns the Leads, Contacts and InMails that have a member's id, those in the recycle bin included.
func (c *Connector) LeftOf(ctx context.Context, id domain.MemberID) (left []mailroom.Remain, err error) {
	if !c.Configured() {
		return nil, mailroom.ErrNotConfigured
	}
	ask := func(object, field, more string) *query {
		return &query{deleted: true, n: 1, soql: func([]int) string {
			return "SELECT Id, IsDeleted, " + field + more + " FROM " + object + " WHERE " + field + " = " + quote(string(id))
		}, read: func(record []byte) error {
			var r orgRow
			if err := json.Unmarshal(record, &r); err != nil {
				return err
			}
			if r.text(field) != string(id) { // the org ignores case when it compares
				return nil
			}
			deleted := r["IsDeleted"] == true
			is := mailroom.Remain{Object: object, Record: r.text("Id"), Fields: field, Where: placeOf(deleted, false)}
			switch {
			case deleted:
				is.Why = whyBin
			case r["IsConverted"] == true:
				is.Why = whyConverted
			case object == inMailObject:
				is.Why = whyDiffers
			default:
				is.Why = whyPerson
			}
			left = append(left, is)
			return nil
		}}
	}
	err = c.ask(ctx, ask("Lead", "InMail_Member_Id__c", ", IsConverted"), ask("Contact", "InMail_Member_Id__c", ""),
		ask(inMailObject, "Sender_Member__c", ""), ask(inMailObject, "Recipient_Member__c", ""))
	if err != nil {
		return nil, fmt.Errorf("ask Salesforce for a member: %w", err)
	}
	return left, nil
}

// LeftIn returns what records and Tasks of erased InMails have that they should not have: a value in a field
// that is empty for the InMail, or a text in a Task. It looks at live records, archived Tasks and the recycle
// bin.
func (c *Connector) LeftIn(ctx context.Context, erased []domain.Push) (left []mailroom.Remain, err error) {
	if !c.Configured() {
		return nil, mailroom.ErrNotConfigured
	}
	pushes := map[domain.ID]*domain.Push{}
	var ids []domain.ID
	for i := range erased {
		ids = append(ids, erased[i].InMail.ID)
		pushes[erased[i].InMail.ID] = &erased[i]
	}
	records := &query{deleted: true, n: len(ids), soql: func(part []int) string {
		texts := make([]string, len(part))
		for i, at := range part {
			texts[i] = string(ids[at])
		}
		return "SELECT Id, IsDeleted, OwnerId, " + strings.Join(columnNames(nil), ", ") + " FROM " + inMailObject + " WHERE " + inMailKey + " IN " + in(texts)
	}, read: func(record []byte) error {
		var r orgRow
		if err := json.Unmarshal(record, &r); err != nil {
			return err
		}
		p := pushes[domain.ID(r.text(inMailKey))]
		if p == nil {
			return nil
		}
		if fields := c.beyond(p, r); fields != nil {
			deleted := r["IsDeleted"] == true
			is := mailroom.Remain{Object: inMailObject, Record: r.text("Id"), Fields: strings.Join(fields, ", "),
				Where: placeOf(deleted, false), Why: whyDiffers}
			switch {
			case deleted:
				is.Why = whyBin
			case p.Link.PushedVersion < p.InMail.Version:
				is.Why = whyWaits
			}
			left = append(left, is)
		}
		return nil
	}}
	tasks := tasksOf(ids, func(t taskCopy) {
		event := eventOf(t.Key)
		p := pushes[domain.ID(strings.TrimSuffix(t.Key, ":"+event))]
		var fields []string
		if !isPlain(event, t.Subject, t.Description) {
			fields = append(fields, "Subject", "Description")
		}
		if c.ownedBySender(p, t.Owner) {
			fields = append(fields, ownerColumn)
		}
		if fields == nil {
			return
		}
		is := mailroom.Remain{Object: taskObject, Record: t.ID, Fields: strings.Join(fields, ", "),
			Where: placeOf(t.Deleted, t.Archived), Why: whyTask}
		switch {
		case t.Deleted:
			is.Why = whyBin
		case p != nil && (p.Link.PushedVersion < p.InMail.Version || p.Link.Failures != nil):
			is.Why = whyWaits
		}
		left = append(left, is)
	})
	if err := c.ask(ctx, records, tasks); err != nil {
		return nil, fmt.Errorf("ask Salesforce for erased InMails: %w", err)
	}
	slices.SortFunc(left, func(a, b mailroom.Remain) int { return strings.Compare(a.Object+a.Record, b.Object+b.Record) })
	return left, nil
}

// ownedBySender says that something of an erased sender belongs to a User who may be the sender, because it
// is not the integration user.
func (c *Connector) ownedBySender(p *domain.Push, owner string) bool {
	s := c.current.Load()
	return p != nil && p.InMail.Sender == domain.Erased && s != nil && s.user != "" && owner != s.user
}

// beyond returns the fields in which a record has a value although they are empty for its InMail. Parents
// count when the recipient is erased.
func (c *Connector) beyond(p *domain.Push, r orgRow) (fields []string) {
	want := c.about(p).fields()
	if p.InMail.Recipient == domain.Erased {
		setParents(want, parents{Match: domain.Unmatched})
	}
	for _, name := range columnNames(nil) {
		if value, compared := want[name]; compared && value == nil && r[name] != nil {
			fields = append(fields, name)
		}
	}
	if c.ownedBySender(p, r.text(ownerColumn)) {
		fields = append(fields, ownerColumn)
	}
	return fields
}
