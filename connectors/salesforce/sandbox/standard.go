package sandbox

import (
	"strings"
	"time"
)

// maker builds one standard object; each call adds a field.
type maker struct{ *object }

func newObject(name, label, plural, prefix string) maker {
	o := &object{
		name: name, label: label, plural: plural, prefix: prefix,
		byName: map[string]*field{}, byRelationship: map[string]*field{},
	}
	m := maker{o}
	m.readOnlyField("Id", "Record ID", kindID, 18)
	m.readOnlyField("IsDeleted", "Deleted", kindBoolean, 0).fallback = false
	m.readOnlyField("CreatedDate", "Created Date", kindDateTime, 0)
	m.readOnlyField("CreatedById", "Created By ID", kindReference, 18).pointTo("CreatedBy", "", "User")
	m.readOnlyField("LastModifiedDate", "Last Modified Date", kindDateTime, 0)
	m.readOnlyField("LastModifiedById", "Last Modified By ID", kindReference, 18).pointTo("LastModifiedBy", "", "User")
	m.readOnlyField("SystemModstamp", "System Modstamp", kindDateTime, 0)
	return m
}

func (m maker) readOnlyField(name, label string, k kind, length int) *field {
	f := &field{name: name, label: label, kind: k, length: length}
	m.add(f)
	return f
}

func (m maker) field(name, label string, k kind, length int) *field {
	f := m.readOnlyField(name, label, k, length)
	f.createable, f.updateable, f.permissionable = true, true, true
	return f
}

func (m maker) text(name, label string, length int) *field {
	return m.field(name, label, kindString, length)
}

func (m maker) number(name, label string, k kind, precision, scale int) *field {
	f := m.field(name, label, k, 0)
	f.precision, f.scale = precision, scale
	return f
}

func (m maker) picklist(name, label string, length int, values ...string) *field {
	f := m.field(name, label, kindPicklist, length)
	f.values = values
	return f
}

func (m maker) flag(name, label string) *field {
	f := m.field(name, label, kindBoolean, 0)
	f.fallback = false
	return f
}

func (m maker) reference(name, label, relationship, children string, targets ...string) *field {
	f := m.field(name, label, kindReference, 18)
	f.pointTo(relationship, children, targets...)
	return f
}

func (m maker) owner() {
	m.reference("OwnerId", "Owner ID", "Owner", "", "User")
	m.require("OwnerId")
}

// address adds the five parts of an address; the compound field itself is not served.
func (m maker) address(prefix, label string) {
	m.field(prefix+"Street", label+"Street", kindTextArea, 255)
	m.text(prefix+"City", label+"City", 40)
	m.text(prefix+"State", label+"State/Province", 80)
	m.text(prefix+"PostalCode", label+"Zip/Postal Code", 20)
	m.text(prefix+"Country", label+"Country", 80)
}

func (m maker) master(self string) {
	m.readOnlyField("MasterRecordId", "Master Record ID", kindReference, 18).pointTo("MasterRecord", "", self)
}

// require makes fields required. Required fields are not under field-level security.
func (m maker) require(names ...string) {
	for _, name := range names {
		m.must(name).required, m.must(name).permissionable = true, false
	}
}

// person adds a person's name: LastName is required, and Name is derived.
func (m maker) person() {
	m.text("LastName", "Last Name", 80)
	m.require("LastName")
	m.text("FirstName", "First Name", 40).permissionable = false
	m.picklist("Salutation", "Salutation", 40, "Mr.", "Ms.", "Mrs.", "Dr.", "Prof.").permissionable = false
	m.readOnlyField("Name", "Full Name", kindString, 121).nameField = true
	m.nameAt = m.must("Name")
}

func (f *field) pointTo(relationship, children string, targets ...string) {
	f.relationship, f.children, f.refersTo = relationship, children, targets
}

func (f *field) restrictTo(values ...string) *field {
	f.restricted, f.values = true, values
	return f
}

func personName(d *draft) {
	first, _ := d.get("FirstName").(string)
	last, _ := d.get("LastName").(string)
	d.set("Name", strings.TrimSpace(first+" "+last))
}

// standardObjects are the objects that every org has, with the fields that sales teams and
// integrations use. Picklist values are those of a new org.
func standardObjects() []*object {
	return []*object{account(), campaign(), campaignMember(), campaignMemberStatus(),
		contact(), lead(), organization(), permissionSet(), permissionSetAssignment(),
		task(), user(), userRole()}
}

var industries = []string{"Agriculture", "Banking", "Consulting", "Education", "Engineering", "Finance", "Government",
	"Healthcare", "Hospitality", "Insurance", "Manufacturing", "Media", "Retail", "Technology", "Telecommunications",
	"Other"}

var leadSources = []string{"Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"}

func account() *object {
	m := newObject("Account", "Account", "Accounts", "001")
	m.tab = true
	m.activities = true
	m.master("Account")
	m.text("Name", "Account Name", 255).nameField = true
	m.require("Name")
	m.nameAt = m.must("Name")
	m.picklist("Type", "Account Type", 255, "Prospect", "Customer - Direct", "Customer - Channel",
		"Channel Partner / Reseller", "Other")
	m.reference("ParentId", "Parent Account ID", "Parent", "ChildAccounts", "Account")
	m.address("Billing", "Billing ")
	m.address("Shipping", "Shipping ")
	m.field("Phone", "Account Phone", kindPhone, 40)
	m.field("Fax", "Account Fax", kindPhone, 40)
	m.text("AccountNumber", "Account Number", 40)
	m.field("Website", "Website", kindURL, 255)
	m.picklist("Industry", "Industry", 255, industries...)
	m.number("AnnualRevenue", "Annual Revenue", kindCurrency, 18, 0)
	m.number("NumberOfEmployees", "Employees", kindInt, 8, 0)
	m.field("Description", "Account Description", kindTextArea, 32000)
	m.picklist("Rating", "Account Rating", 255, "Hot", "Warm", "Cold")
	m.text("Site", "Account Site", 80)
	m.picklist("AccountSource", "Account Source", 255, leadSources...)
	m.owner()
	return m.object
}

func campaign() *object {
	m := newObject("Campaign", "Campaign", "Campaigns", "701")
	m.tab = true
	m.activities = true
	m.text("Name", "Campaign Name", 80).nameField = true
	m.require("Name")
	m.nameAt = m.must("Name")
	m.picklist("Type", "Type", 255, "Conference", "Webinar", "Trade Show", "Email", "Direct Mail", "Other")
	m.picklist("Status", "Status", 255, "Planned", "In Progress", "Completed", "Aborted").fallback = "Planned"
	m.field("StartDate", "Start Date", kindDate, 0)
	m.field("EndDate", "End Date", kindDate, 0)
	m.flag("IsActive", "Active")
	m.field("Description", "Description", kindTextArea, 32000)
	m.owner()
	m.created = newCampaign
	return m.object
}

func campaignMember() *object {
	m := newObject("CampaignMember", "Campaign Member", "Campaign Members", "00v")
	m.reference("CampaignId", "Campaign ID", "Campaign", "CampaignMembers", "Campaign").onDelete = cascade
	m.reference("LeadId", "Lead ID", "Lead", "CampaignMembers", "Lead").onDelete = cascade
	m.reference("ContactId", "Contact ID", "Contact", "CampaignMembers", "Contact").onDelete = cascade
	m.require("CampaignId")
	for _, name := range []string{"CampaignId", "LeadId", "ContactId"} {
		m.must(name).updateable, m.must(name).permissionable = false, false
	}
	m.picklist("Status", "Status", 40).permissionable = false
	m.readOnlyField("HasResponded", "Responded", kindBoolean, 0).fallback = false
	m.readOnlyField("FirstRespondedDate", "First Responded Date", kindDate, 0)
	m.derive = func(d *draft) {
		statuses := d.tx.schema.object("CampaignMemberStatus")
		for _, s := range d.tx.findBy(statuses, statuses.must("CampaignId"), d.get("CampaignId")) {
			if s.get("Label") == d.get("Status") {
				d.set("HasResponded", s.flag(statuses.must("HasResponded")))
			}
		}
		if d.get("HasResponded") == true && d.get("FirstRespondedDate") == nil {
			d.set("FirstRespondedDate", d.tx.at.Format(time.DateOnly))
		}
	}
	m.check = func(tx *txn, d *draft) *apiError {
		person := "LeadId"
		if d.get("ContactId") != nil {
			person = "ContactId"
		}
		if (d.get("LeadId") == nil) == (d.get("ContactId") == nil) {
			return &apiError{Code: "REQUIRED_FIELD_MISSING", Fields: []string{"LeadId", "ContactId"},
				Message: "a campaign member is a lead or a contact"}
		}
		for _, other := range tx.findBy(d.object, d.object.must(person), d.get(person)) {
			if other.get("CampaignId") == d.get("CampaignId") && (d.old == nil || other.id() != d.old.id()) {
				return &apiError{Code: "DUPLICATE_VALUE", Fields: []string{}, Message: "Already a campaign member."}
			}
		}
		statuses := tx.schema.object("CampaignMemberStatus")
		for _, s := range tx.findBy(statuses, statuses.must("CampaignId"), d.get("CampaignId")) {
			if d.get("Status") == nil && s.flag(statuses.must("IsDefault")) {
				d.set("Status", s.get("Label"))
			}
			if s.get("Label") == d.get("Status") {
				return nil
			}
		}
		return &apiError{Code: "INVALID_STATUS", Fields: []string{"Status"}, Message: "the campaign has no such member status"}
	}
	return m.object
}

func campaignMemberStatus() *object {
	m := newObject("CampaignMemberStatus", "Campaign Member Status", "Campaign Member Statuses", "01Y")
	m.reference("CampaignId", "Campaign ID", "Campaign", "CampaignMemberStatuses", "Campaign").onDelete = cascade
	m.text("Label", "Label", 765)
	m.require("CampaignId", "Label")
	m.flag("HasResponded", "Responded")
	m.flag("IsDefault", "Default")
	for _, f := range m.fields {
		f.permissionable = false
	}
	return m.object
}

// newCampaign gives a campaign the two member statuses that every new one has.
func newCampaign(tx *txn, id string) {
	statuses := tx.schema.object("CampaignMemberStatus")
	for _, label := range []string{"Sent", "Responded"} {
		d := tx.newDraft(statuses, nil)
		d.set("CampaignId", id)
		d.set("Label", label)
		d.set("HasResponded", label == "Responded")
		d.set("IsDefault", label == "Sent")
		d.store()
	}
}

func contact() *object {
	m := newObject("Contact", "Contact", "Contacts", "003")
	m.tab = true
	m.master("Contact")
	m.reference("AccountId", "Account ID", "Account", "Contacts", "Account").onDelete = cascade
	m.person()
	m.address("Mailing", "Mailing ")
	m.address("Other", "Other ")
	m.field("Phone", "Business Phone", kindPhone, 40)
	m.field("Fax", "Business Fax", kindPhone, 40)
	m.field("MobilePhone", "Mobile Phone", kindPhone, 40)
	m.field("HomePhone", "Home Phone", kindPhone, 40)
	m.reference("ReportsToId", "Reports To ID", "ReportsTo", "", "Contact")
	m.field("Email", "Email", kindEmail, 80)
	m.text("Title", "Title", 128)
	m.text("Department", "Department", 80)
	m.picklist("LeadSource", "Lead Source", 255, leadSources...)
	m.field("Birthdate", "Birthdate", kindDate, 0)
	m.field("Description", "Contact Description", kindTextArea, 32000)
	m.owner()
	m.flag("HasOptedOutOfEmail", "Email Opt Out")
	m.flag("DoNotCall", "Do Not Call")
	m.derive = personName
	return m.object
}

// leadConverted is the status that a converted lead has.
const leadConverted = "Closed - Converted"

func lead() *object {
	m := newObject("Lead", "Lead", "Leads", "00Q")
	m.tab = true
	m.master("Lead")
	m.person()
	m.text("Title", "Title", 128)
	m.text("Company", "Company", 255)
	m.address("", "")
	m.field("Phone", "Phone", kindPhone, 40)
	m.field("MobilePhone", "Mobile Phone", kindPhone, 40)
	m.field("Fax", "Fax", kindPhone, 40)
	m.field("Email", "Email", kindEmail, 80)
	m.field("Website", "Website", kindURL, 255)
	m.field("Description", "Description", kindTextArea, 32000)
	m.picklist("LeadSource", "Lead Source", 255, leadSources...)
	status := m.picklist("Status", "Status", 255).restrictTo("Open - Not Contacted", "Working - Contacted",
		leadConverted, "Closed - Not Converted")
	status.fallback = "Open - Not Contacted"
	m.require("Company", "Status")
	m.picklist("Industry", "Industry", 255, industries...)
	m.picklist("Rating", "Rating", 255, "Hot", "Warm", "Cold")
	m.number("AnnualRevenue", "Annual Revenue", kindCurrency, 18, 0)
	m.number("NumberOfEmployees", "Employees", kindInt, 8, 0)
	m.owner()
	m.flag("HasOptedOutOfEmail", "Email Opt Out")
	m.flag("DoNotCall", "Do Not Call")
	m.readOnlyField("IsConverted", "Converted", kindBoolean, 0).fallback = false
	m.readOnlyField("ConvertedDate", "Converted Date", kindDate, 0)
	m.readOnlyField("ConvertedAccountId", "Converted Account ID", kindReference, 18).pointTo("ConvertedAccount", "",
		"Account")
	m.readOnlyField("ConvertedContactId", "Converted Contact ID", kindReference, 18).pointTo("ConvertedContact", "",
		"Contact")
	m.readOnlyField("ConvertedOpportunityId", "Converted Opportunity ID", kindString, 18)
	m.derive = personName
	m.check = func(_ *txn, d *draft) *apiError {
		if d.old != nil && d.old.flag(d.object.must("IsConverted")) && !d.system {
			return &apiError{Code: "CANNOT_UPDATE_CONVERTED_LEAD", Message: "cannot update converted lead"}
		}
		if d.get("Status") == leadConverted && !d.system {
			return &apiError{Code: "FIELD_INTEGRITY_EXCEPTION", Fields: []string{"Status"},
				Message: "Status: a lead takes this status by being converted"}
		}
		return nil
	}
	return m.object
}

func task() *object {
	m := newObject("Task", "Task", "Tasks", "00T")
	m.tab = true
	m.reference("WhoId", "Name ID", "Who", "Tasks", "Contact", "Lead").onDelete = cascade
	m.reference("WhatId", "Related To ID", "What", "Tasks", "Account", "Campaign").onDelete = cascade
	m.text("Subject", "Subject", 255).nameField = true
	m.must("Subject").permissionable = false
	m.nameAt = m.must("Subject")
	m.field("ActivityDate", "Due Date Only", kindDate, 0)
	status := m.picklist("Status", "Status", 255).restrictTo("Not Started", "In Progress", "Completed",
		"Waiting on someone else", "Deferred")
	status.fallback = "Not Started"
	priority := m.picklist("Priority", "Priority", 255).restrictTo("High", "Normal", "Low")
	priority.fallback = "Normal"
	m.require("Status", "Priority")
	m.readOnlyField("IsHighPriority", "High Priority", kindBoolean, 0).fallback = false
	m.owner()
	m.field("Description", "Description", kindTextArea, 32000)
	m.readOnlyField("IsClosed", "Closed", kindBoolean, 0).fallback = false
	m.readOnlyField("IsArchived", "Archived", kindBoolean, 0).fallback = false
	m.readOnlyField("AccountId", "Account ID", kindReference, 18).pointTo("Account", "", "Account")
	// Type is unrestricted: an org accepts a value outside of its list.
	m.picklist("Type", "Type", 40, "Call", "Meeting", "Other", "Email")
	m.number("CallDurationInSeconds", "Call Duration", kindInt, 8, 0)
	m.picklist("CallType", "Call Type", 40).restrictTo("Internal", "Inbound", "Outbound")
	m.text("CallDisposition", "Call Result", 255)
	// Cadence and LinkedIn exist only with Sales Engagement, which this org does not have.
	subtype := m.picklist("TaskSubtype", "Task Subtype", 40).restrictTo("Task", "Email", "ListEmail", "Call")
	subtype.fallback, subtype.updateable = "Task", false
	m.readOnlyField("CompletedDateTime", "Completed Date", kindDateTime, 0)
	m.derive = func(d *draft) {
		closed := d.get("Status") == "Completed"
		d.set("IsClosed", closed)
		d.set("IsHighPriority", d.get("Priority") == "High")
		switch {
		case !closed:
			d.set("CompletedDateTime", nil)
		case d.get("CompletedDateTime") == nil:
			d.set("CompletedDateTime", d.tx.at)
		}
		d.set("AccountId", d.tx.taskAccount(d))
	}
	m.check = func(_ *txn, d *draft) *apiError {
		who, _ := d.get("WhoId").(string)
		if strings.HasPrefix(who, "00Q") && d.get("WhatId") != nil {
			return &apiError{Code: "FIELD_INTEGRITY_EXCEPTION", Fields: []string{"WhatId"},
				Message: "Related To ID: a task whose name is a lead cannot be related to another record"}
		}
		return nil
	}
	return m.object
}

// taskAccount returns the account of a task: that of WhatId, else that of the contact.
func (tx *txn) taskAccount(d *draft) any {
	if what, _ := d.get("WhatId").(string); what != "" {
		if strings.HasPrefix(what, "001") {
			return what
		}
		return nil
	}
	who, _ := d.get("WhoId").(string)
	if !strings.HasPrefix(who, "003") {
		return nil
	}
	contact := tx.live(who)
	if contact == nil {
		return nil
	}
	return contact.get("AccountId")
}

func user() *object {
	m := newObject("User", "User", "Users", "005")
	m.readOnly = true
	m.text("Username", "Username", 80)
	m.require("Username")
	m.person()
	m.field("Email", "Email", kindEmail, 128)
	m.text("Alias", "Alias", 8)
	m.text("Title", "Title", 80)
	m.text("CompanyName", "Company Name", 80)
	m.text("Department", "Department", 80)
	m.text("FederationIdentifier", "SAML Federation ID", 512)
	m.text("EmployeeNumber", "Employee Number", 20)
	m.flag("IsActive", "Active").fallback = true
	m.readOnlyField("TimeZoneSidKey", "Time Zone", kindString, 40)
	m.reference("UserRoleId", "Role ID", "UserRole", "", "UserRole")
	for _, f := range m.fields { // who sees users sees their fields
		f.permissionable = false
	}
	m.derive = personName
	return m.object
}

// organization is the org itself. It has one record.
func organization() *object {
	m := newObject("Organization", "Organization", "Organizations", "00D")
	m.readOnly = true
	m.text("Name", "Name", 80)
	m.must("Name").permissionable = false
	m.readOnlyField("TimeZoneSidKey", "Time Zone", kindString, 40)
	m.readOnlyField("DefaultLocaleSidKey", "Locale", kindString, 40)
	m.flag("IsSandbox", "Is Sandbox").permissionable = false
	for _, name := range []string{"InstanceName", "NamespacePrefix", "OrganizationType", "LanguageLocaleKey"} {
		m.readOnlyField(name, name, kindString, 40)
	}
	m.readOnlyField("TrialExpirationDate", "Trial Expiration Date", kindDateTime, 0)
	return m.object
}
