package sandbox

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// object is a kind of record: its properties and records.
type object struct {
	name, typeID string
	properties   map[string]*Property
	archived     map[string]*Property // archived ones, which a new one of the name restores
	groups       map[string]string    // labels by name
	records      map[int64]*record
	unique       map[string]map[string]int64 // property → value in lower case → record
}

// Property is a property of an object.
type Property struct {
	Name           string   `json:"name"`
	Label          string   `json:"label"`
	Type           string   `json:"type"`
	FieldType      string   `json:"fieldType"`
	GroupName      string   `json:"groupName"`
	Description    string   `json:"description"`
	Options        []Option `json:"options"`
	HasUniqueValue bool     `json:"hasUniqueValue"`
	FormField      bool     `json:"formField"`
	HubSpotDefined bool     `json:"hubspotDefined"`
	readOnly       bool
}

// Option is a value of an enumeration.
type Option struct {
	Label        string `json:"label"`
	Value        string `json:"value"`
	DisplayOrder int    `json:"displayOrder"`
	Hidden       bool   `json:"hidden"`
	Description  string `json:"description,omitempty"`
}

// standardObjects returns the objects that every portal has, with a few of their properties.
func standardObjects() map[string]*object {
	objects := map[string]*object{}
	add := func(name, id, group string, properties ...Property) {
		o := &object{name: name, typeID: id, properties: map[string]*Property{}, archived: map[string]*Property{},
			groups: map[string]string{group: name}, records: map[int64]*record{}, unique: map[string]map[string]int64{}}
		properties = append(properties,
			Property{Name: "hs_object_id", Type: "number", FieldType: "number", readOnly: true},
			Property{Name: "hs_createdate", Type: "datetime", FieldType: "date", readOnly: true},
			Property{Name: "hs_lastmodifieddate", Type: "datetime", FieldType: "date", readOnly: true},
			Property{Name: "hs_merged_object_ids", Type: "string", FieldType: "text", readOnly: true},
			Property{Name: "hs_unique_creation_key", Type: "string", FieldType: "text", readOnly: true},
			Property{Name: "hubspot_owner_id", Type: "enumeration", FieldType: "select"})
		for _, p := range properties {
			p.GroupName, p.Label, p.HubSpotDefined = group, p.Name, true
			o.properties[p.Name] = &p
			if p.HasUniqueValue {
				o.unique[p.Name] = map[string]int64{}
			}
		}
		objects[name] = o
	}
	text := func(name string) Property { return Property{Name: name, Type: "string", FieldType: "text"} }
	add("contacts", "0-1", "contactinformation", Property{Name: "email", Type: "string", FieldType: "text", HasUniqueValue: true},
		Property{Name: "hs_additional_emails", Type: "string", FieldType: "text", readOnly: true},
		text("firstname"), text("lastname"), text("hs_linkedin_url"))
	add("companies", "0-2", "companyinformation", text("name"), text("domain"))
	add("leads", "0-136", "lead_information", text("hs_lead_name"),
		Property{Name: "hs_lead_is_open", Type: "bool", FieldType: "booleancheckbox", readOnly: true})
	add("communications", "0-18", "communication",
		Property{Name: "hs_communication_channel_type", Type: "enumeration", FieldType: "select",
			Options: []Option{{Label: "LinkedIn", Value: "LINKEDIN_MESSAGE"}, {Label: "SMS", Value: "SMS"}, {Label: "WhatsApp", Value: "WHATS_APP"}}},
		Property{Name: "hs_communication_logged_from", Type: "enumeration", FieldType: "select", Options: []Option{{Label: "CRM", Value: "CRM"}}},
		Property{Name: "hs_communication_body", Type: "string", FieldType: "html"},
		Property{Name: "hs_timestamp", Type: "datetime", FieldType: "date"})
	return objects
}

// object returns the object of a name or type id; nil when there is none.
func (s *Sandbox) object(name string) *object {
	for _, o := range s.objects {
		if o.name == name || o.typeID == name {
			return o
		}
	}
	return nil
}

// fieldTypes are the field types that each type may have.
var fieldTypes = map[string][]string{
	"string": {"text", "textarea", "html", "phonenumber", "file"}, "number": {"number"},
	"enumeration": {"select", "radio", "checkbox", "booleancheckbox"}, "datetime": {"date"}, "date": {"date"}, "bool": {"booleancheckbox"},
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)

// These limits hold for properties.
const (
	maxText    = 65_536
	maxOptions = 5_000
	maxUnique  = 10
)

// own counts the properties that are not HubSpot's.
func (o *object) own(unique bool) (n int) {
	for _, p := range o.properties {
		if !p.HubSpotDefined && (!unique || p.HasUniqueValue) {
			n++
		}
	}
	return n
}

// addProperty makes a property. One that was archived is restored as it was.
func (s *Sandbox) addProperty(o *object, p Property) *refusal {
	switch {
	case o.properties[p.Name] != nil:
		return &refusal{Status: http.StatusConflict, Category: "OBJECT_ALREADY_EXISTS",
			Message: "A property named '" + p.Name + "' already exists."}
	case o.archived[p.Name] != nil:
		o.properties[p.Name] = o.archived[p.Name]
		delete(o.archived, p.Name)
		return nil
	case !nameForm.MatchString(p.Name) || strings.HasPrefix(p.Name, "hs_"):
		return invalid("'%s' is not a valid property name", p.Name)
	case p.Label == "":
		return invalid("a property needs a label")
	case o.groups[p.GroupName] == "":
		return &refusal{Status: http.StatusBadRequest, Category: "VALIDATION_ERROR", Sub: "PropertyGroupError.GROUP_NOT_FOUND",
			Message: "Property group '" + p.GroupName + "' does not exist."}
	case !slices.Contains(fieldTypes[p.Type], p.FieldType):
		return invalid("a property of the type '%s' cannot have the field type '%s'", p.Type, p.FieldType)
	case p.HasUniqueValue && p.Type != "string" && p.Type != "number":
		return invalid("a property of the type '%s' cannot be unique", p.Type)
	case p.HasUniqueValue && o.own(true) >= maxUnique:
		return invalid("an object has at most %d unique properties", maxUnique)
	case s.options.NoOwn && o.name == "communications":
		return invalid("custom properties are not supported for %s", o.typeID)
	case p.HasUniqueValue && s.options.PlainKeys && o.name == "communications":
		return invalid("unique properties are not supported for %s", o.typeID)
	case (p.Type == "enumeration") != (len(p.Options) > 0):
		return invalid("an enumeration has options, and nothing else has")
	}
	if f := validOptions(p.Options); f != nil {
		return f
	}
	limit, n := limitsOf[s.options.Tier].properties, o.own(false)
	if s.options.Tier == Free { // of all objects together
		n = 0
		for _, other := range s.objects {
			n += other.own(false)
		}
	}
	if n >= limit {
		return &refusal{Status: http.StatusBadRequest, Category: "VALIDATION_ERROR", Sub: "PropertyError.LIMIT_EXCEEDED",
			Message: "The portal has reached its limit of custom properties."}
	}
	o.properties[p.Name] = &p
	if p.HasUniqueValue {
		o.unique[p.Name] = map[string]int64{}
	}
	return nil
}

func validOptions(options []Option) *refusal {
	if len(options) > maxOptions {
		return invalid("%d options are more than %d", len(options), maxOptions)
	}
	values, labels := map[string]bool{}, map[string]bool{}
	for _, o := range options {
		switch {
		case o.Value == "" || o.Label == "" || len(o.Value) > 3000:
			return invalid("an option needs a label and a value of at most 3000 characters")
		case strings.Contains(o.Value, ";"):
			return invalid("the value of an option cannot have a semicolon")
		case values[o.Value] || labels[o.Label]:
			return invalid("two options are the same: %q", o.Value)
		}
		values[o.Value], labels[o.Label] = true, true
	}
	return nil
}

// propertyInput is a property as it is made.
type propertyInput struct {
	Name                 string   `json:"name"`
	Label                string   `json:"label"`
	Type                 string   `json:"type"`
	FieldType            string   `json:"fieldType"`
	GroupName            string   `json:"groupName"`
	Description          string   `json:"description"`
	Options              []Option `json:"options"`
	HasUniqueValue       bool     `json:"hasUniqueValue"`
	Hidden               bool     `json:"hidden"`
	FormField            bool     `json:"formField"`
	DisplayOrder         int      `json:"displayOrder"`
	CalculationFormula   *string  `json:"calculationFormula"`
	ReferencedObjectType *string  `json:"referencedObjectType"`
	ExternalOptions      *bool    `json:"externalOptions"`
	DataSensitivity      *string  `json:"dataSensitivity"`
	NumberDisplayHint    *string  `json:"numberDisplayHint"`
	ShowCurrencySymbol   *bool    `json:"showCurrencySymbol"`
	CurrencyPropertyName *string  `json:"currencyPropertyName"`
}

func (in propertyInput) property() Property {
	return Property{Name: in.Name, Label: in.Label, Type: in.Type, FieldType: in.FieldType, GroupName: in.GroupName,
		Description: in.Description, Options: in.Options, HasUniqueValue: in.HasUniqueValue, FormField: in.FormField}
}

// view returns a property as HubSpot answers.
func (s *Sandbox) view(p *Property) map[string]any {
	options := p.Options
	if options == nil {
		options = []Option{}
	}
	return map[string]any{"name": p.Name, "label": p.Label, "type": p.Type, "fieldType": p.FieldType, "groupName": p.GroupName,
		"description": p.Description, "options": options, "displayOrder": -1, "calculated": false, "externalOptions": false,
		"hasUniqueValue": p.HasUniqueValue, "hidden": false, "hubspotDefined": p.HubSpotDefined, "formField": p.FormField,
		"archived": false, "createdAt": stamp(s.now()), "updatedAt": stamp(s.now()),
		"modificationMetadata": map[string]any{"archivable": !p.HubSpotDefined, "readOnlyDefinition": p.HubSpotDefined,
			"readOnlyValue": p.readOnly, "readOnlyOptions": false}}
}

// routeProperties finds what answers a call about properties.
func (s *Sandbox) routeProperties(c *request) (do func() (int, any), scopes []string, kind string) {
	if len(c.path) == 0 {
		return nil, nil, ""
	}
	o := s.object(c.path[0])
	if o == nil {
		return nil, nil, ""
	}
	readable, writable := mayRead(o.name), []string{"crm.schemas.contacts.write"}
	switch {
	case c.is(http.MethodGet, "*", "groups"):
		return func() (int, any) { return s.listGroups(o) }, readable, "properties"
	case c.is(http.MethodPost, "*", "groups"):
		return func() (int, any) { return s.createGroup(c, o) }, writable, "schema"
	case c.is(http.MethodPost, "*", "batch", "read"):
		return func() (int, any) { return s.readProperties(c, o) }, readable, "properties"
	case c.is(http.MethodPost, "*", "batch", "create"):
		return func() (int, any) { return s.createProperties(c, o) }, writable, "schema"
	case c.is(http.MethodGet, "*"):
		return func() (int, any) { return s.listProperties(o) }, readable, "properties"
	case c.is(http.MethodPost, "*"):
		return func() (int, any) {
			var in propertyInput
			if f := c.decode(&in); f != nil {
				return f.Status, f
			}
			if f := s.addProperty(o, in.property()); f != nil {
				return f.Status, f
			}
			return http.StatusCreated, s.view(o.properties[in.Name])
		}, writable, "schema"
	case c.is(http.MethodGet, "*", "*"), c.is(http.MethodPatch, "*", "*"), c.is(http.MethodDelete, "*", "*"):
		return func() (int, any) { return s.oneProperty(c, o) }, either(c.method == http.MethodGet, readable, writable), "properties"
	}
	return nil, nil, ""
}

func either[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}

func (s *Sandbox) listGroups(o *object) (int, any) {
	results := []any{}
	for _, name := range slices.Sorted(maps.Keys(o.groups)) {
		results = append(results, map[string]any{"name": name, "label": o.groups[name], "displayOrder": -1, "archived": false})
	}
	return http.StatusOK, map[string]any{"results": results}
}

func (s *Sandbox) createGroup(c *request, o *object) (int, any) {
	var in struct {
		Name         string `json:"name"`
		Label        string `json:"label"`
		DisplayOrder int    `json:"displayOrder"`
	}
	if f := c.decode(&in); f != nil {
		return f.Status, f
	}
	if o.groups[in.Name] != "" {
		f := &refusal{Status: http.StatusConflict, Category: "OBJECT_ALREADY_EXISTS", Message: "The group exists."}
		return f.Status, f
	}
	if !nameForm.MatchString(in.Name) || in.Label == "" {
		f := invalid("a group needs a name and a label")
		return f.Status, f
	}
	o.groups[in.Name] = in.Label
	return http.StatusCreated, map[string]any{"name": in.Name, "label": in.Label, "displayOrder": in.DisplayOrder, "archived": false}
}

func (s *Sandbox) listProperties(o *object) (int, any) {
	results := []any{}
	for _, name := range slices.Sorted(maps.Keys(o.properties)) {
		results = append(results, s.view(o.properties[name]))
	}
	return http.StatusOK, map[string]any{"results": results}
}

func (s *Sandbox) readProperties(c *request, o *object) (int, any) {
	var in struct {
		Archived        bool    `json:"archived"`
		DataSensitivity *string `json:"dataSensitivity"`
		Inputs          []struct {
			Name string `json:"name"`
		} `json:"inputs"`
	}
	if f := c.decode(&in); f != nil {
		return f.Status, f
	}
	var results []any
	var errs []*refusal
	for _, i := range in.Inputs {
		if p := o.properties[i.Name]; p != nil && !in.Archived {
			results = append(results, s.view(p))
		} else {
			errs = append(errs, &refusal{Category: "OBJECT_NOT_FOUND", Message: "The property does not exist.",
				Context: map[string][]string{"name": {i.Name}}})
		}
	}
	return s.batchAnswer(c, http.StatusOK, results, errs)
}

func (s *Sandbox) createProperties(c *request, o *object) (int, any) {
	var in struct {
		Inputs []propertyInput `json:"inputs"`
	}
	if f := c.decode(&in); f != nil {
		return f.Status, f
	}
	var results []any
	var errs []*refusal
	for _, i := range in.Inputs {
		if f := s.addProperty(o, i.property()); f != nil {
			f.Context = map[string][]string{"name": {i.Name}}
			errs = append(errs, f)
		} else {
			results = append(results, s.view(o.properties[i.Name]))
		}
	}
	return s.batchAnswer(c, http.StatusCreated, results, errs)
}

func (s *Sandbox) oneProperty(c *request, o *object) (int, any) {
	p := o.properties[c.path[1]]
	if p == nil {
		f := missingObject("The property " + c.path[1])
		return f.Status, f
	}
	switch c.method {
	case http.MethodGet:
		return http.StatusOK, s.view(p)
	case http.MethodDelete:
		if p.HubSpotDefined {
			f := invalid("a property of HubSpot cannot be archived")
			return f.Status, f
		}
		o.archived[p.Name] = p
		delete(o.properties, p.Name)
		return http.StatusNoContent, nil
	}
	var in struct {
		Label       *string  `json:"label"`
		Description *string  `json:"description"`
		GroupName   *string  `json:"groupName"`
		Options     []Option `json:"options"`
	}
	if f := c.decode(&in); f != nil {
		return f.Status, f
	}
	if in.Options != nil {
		if p.Type != "enumeration" {
			f := invalid("only an enumeration has options")
			return f.Status, f
		}
		if f := validOptions(in.Options); f != nil {
			return f.Status, f
		}
		p.Options = in.Options // the whole list is replaced
	}
	if in.Label != nil {
		p.Label = *in.Label
	}
	if in.Description != nil {
		p.Description = *in.Description
	}
	return http.StatusOK, s.view(p)
}

func (s *Sandbox) propertyLimits() (int, any) {
	limit := limitsOf[s.options.Tier].properties
	var by []any
	total := 0
	for _, name := range slices.Sorted(maps.Keys(s.objects)) {
		o := s.objects[name]
		total += o.own(false)
		by = append(by, map[string]any{"objectTypeId": o.typeID, "usage": o.own(false), "limit": limit,
			"percentage": float64(100*o.own(false)) / float64(limit), "singularLabel": name, "pluralLabel": name})
	}
	body := map[string]any{"byObjectType": by, "overallUsage": total, "overallLimit": limit * len(s.objects), "overallPercentage": 0.0}
	if s.options.Tier == Free {
		body["overallLimit"] = limit
	}
	return http.StatusOK, body
}

// check refuses a value that a property cannot have.
func (s *Sandbox) check(p *Property, value string) *refusal {
	if p.readOnly {
		return invalidValue("READ_ONLY_VALUE", p.Name, "'%s' is a read only property", p.Name)
	}
	if value == "" {
		return nil
	}
	switch p.Type {
	case "number":
		if _, err := strconv.ParseFloat(value, 64); err != nil {
			return invalidValue("INVALID_NUMBER", p.Name, "'%s' was not a valid number", p.Name)
		}
	case "datetime":
		if _, err := time.Parse(time.RFC3339, value); err != nil {
			if _, err := strconv.ParseInt(value, 10, 64); err != nil {
				return invalidValue("INVALID_LONG", p.Name, "'%s' was not a valid time", p.Name)
			}
		}
	case "enumeration":
		if p.Name == "hubspot_owner_id" {
			if !slices.ContainsFunc(s.owners, func(o Owner) bool { return o.ID == value && !o.Archived }) {
				return invalidValue("INVALID_OWNER_ID", p.Name, "'%s' is no owner", p.Name)
			}
			return nil
		}
		values := []string{value}
		if p.FieldType == "checkbox" {
			values = strings.Split(strings.TrimPrefix(value, ";"), ";")
		}
		for _, v := range values {
			if !slices.ContainsFunc(p.Options, func(o Option) bool { return o.Value == v }) {
				return invalidValue("INVALID_OPTION", p.Name, "a value of '%s' was not one of the allowed options", p.Name)
			}
		}
	default:
		if n := len(utf16.Encode([]rune(value))); n > maxText {
			return invalidValue("PROPERTY_VALUE_TOO_LONG", p.Name, "'%s' has %d characters, more than %d", p.Name, n, maxText)
		}
	}
	return nil
}
