package sandbox

import "time"

// Conversion names the account and the contact that a lead is converted into.
type Conversion struct {
	AccountID string `json:"account_id,omitempty"` // empty: a new account named after the company
	ContactID string `json:"contact_id,omitempty"` // empty: a new contact
	// MapMemberID copies InMail_Member_Id__c to the contact, as an org does after its administrator has
	// mapped the two fields. A new org does not.
	MapMemberID bool `json:"map_member_id,omitempty"`
}

// Converted names the account and the contact that a lead was converted into.
type Converted struct {
	AccountID string `json:"account_id"`
	ContactID string `json:"contact_id"`
}

// carried lists the fields that a conversion copies from the lead to the contact.
var carried = []string{"FirstName", "LastName", "Salutation", "Title", "Email", "Phone", "MobilePhone", "Fax",
	"LeadSource", "Description", "OwnerId"}

// convert turns a lead into a contact of an account. Its tasks move to the contact; the
// lookups of custom objects stay on the lead (SALESFORCE.md 3.3).
func (tx *txn) convert(leadID string, to Conversion) (Converted, []*apiError) {
	leads := tx.schema.object("Lead")
	lead, refused := tx.target(leads, leadID)
	if refused != nil {
		return Converted{}, one(refused)
	}
	if lead.get("IsConverted") == true {
		return Converted{}, one(&apiError{Code: "CANNOT_UPDATE_CONVERTED_LEAD", Message: "lead is already converted"})
	}
	out, errs := tx.destinations(lead, to)
	if errs != nil {
		return Converted{}, errs
	}
	system := tx.who.system
	tx.who.system = true
	defer func() { tx.who.system = system }()
	d := tx.newDraft(leads, lead)
	d.set("IsConverted", true)
	d.set("ConvertedDate", tx.at.Format(time.DateOnly))
	d.set("ConvertedAccountId", out.AccountID)
	d.set("ConvertedContactId", out.ContactID)
	d.set("Status", leadConverted)
	if _, errs := d.save(); errs != nil {
		return Converted{}, errs
	}
	tasks := tx.schema.object("Task")
	for _, t := range tx.findBy(tasks, tasks.must("WhoId"), lead.id()) {
		d := tx.newDraft(tasks, t)
		d.set("WhoId", out.ContactID)
		if d.get("WhatId") == nil {
			d.set("WhatId", out.AccountID)
		}
		if _, errs := d.save(); errs != nil {
			return Converted{}, errs
		}
	}
	return out, tx.convertMembers(lead.id(), out.ContactID)
}

// convertMembers moves a lead's memberships of campaigns to its contact, which keeps those that it has.
func (tx *txn) convertMembers(lead, contact string) []*apiError {
	members := tx.schema.object("CampaignMember")
	for _, m := range tx.findBy(members, members.must("LeadId"), lead) {
		d := tx.newDraft(members, m)
		d.set("LeadId", nil)
		d.set("ContactId", contact)
		if refused := members.check(tx, d); refused != nil {
			continue
		}
		if _, errs := d.save(); errs != nil {
			return errs
		}
	}
	return nil
}

// destinations finds or creates the account and the contact.
func (tx *txn) destinations(lead *record, to Conversion) (Converted, []*apiError) {
	accounts, contacts := tx.schema.object("Account"), tx.schema.object("Contact")
	out := Converted{AccountID: to.AccountID}
	var existing *record
	if to.ContactID != "" {
		var refused *apiError
		if existing, refused = tx.target(contacts, to.ContactID); refused != nil {
			return out, one(refused)
		}
		out.ContactID = existing.id()
		if of, _ := existing.get("AccountId").(string); to.AccountID == "" && of != "" {
			out.AccountID = of
		}
	}
	if out.AccountID != "" {
		a, refused := tx.target(accounts, out.AccountID)
		if refused != nil {
			return out, one(refused)
		}
		out.AccountID = a.id()
	} else {
		id, errs := tx.insert(accounts, row{{"Name", lead.get("Company")}, {"OwnerId", lead.get("OwnerId")}},
			readJSONValue)
		if errs != nil {
			return out, errs
		}
		out.AccountID = id
	}
	fields := carried
	if to.MapMemberID {
		fields = append(append([]string{}, carried...), "InMail_Member_Id__c")
	}
	if out.ContactID == "" {
		in := row{{"AccountId", out.AccountID}}
		for _, name := range fields {
			in = append(in, assignment{name, lead.get(name)})
		}
		id, errs := tx.insert(contacts, in, readJSONValue)
		out.ContactID = id
		return out, errs
	}
	// An existing contact keeps what it has.
	in := row{}
	if existing.get("AccountId") == nil {
		in = append(in, assignment{"AccountId", out.AccountID})
	}
	for _, name := range fields {
		if existing.get(name) == nil && lead.get(name) != nil {
			in = append(in, assignment{name, lead.get(name)})
		}
	}
	return out, tx.update(contacts, out.ContactID, in, readJSONValue)
}
