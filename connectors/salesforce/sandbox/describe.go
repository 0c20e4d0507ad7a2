package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// describeGlobal answers GET /sobjects.
func (c *call) describeGlobal() reply {
	list := []map[string]any{}
	for _, o := range c.sandbox.schema.objects {
		if c.who.sees(o) {
			list = append(list, c.outline(o))
		}
	}
	return c.describeReply(map[string]any{"encoding": "UTF-8", "maxBatchSize": maxCollection, "sobjects": list})
}

func (c *call) describeReply(v any) reply { return jsonBody(http.StatusOK, v) }

// jsonBody answers a value as JSON.
func jsonBody(status int, v any) reply {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("sandbox: an answer: %v", err)) // cannot happen: it consists of maps, lists and texts
	}
	return jsonReply(status, body)
}

// outline returns what both describes contain of an object.
func (c *call) outline(o *object) map[string]any {
	address := "/services/data/v" + c.version + "/sobjects/" + o.name
	return map[string]any{
		"name": o.name, "label": o.label, "labelPlural": o.plural, "keyPrefix": o.prefix, "custom": o.custom(),
		"createable": c.who.may(toCreate, o), "updateable": c.who.may(toEdit, o), "deletable": c.who.may(toRemove, o),
		"undeletable": c.who.may(toRemove, o), "mergeable": o.byRelationship["masterrecord"] != nil,
		"queryable": true, "retrieveable": true, "searchable": true, "layoutable": true, "triggerable": true,
		"replicateable": true, "activateable": false, "customSetting": false, "deprecatedAndHidden": false,
		"feedEnabled": false, "mruEnabled": true,
		"urls": map[string]string{"sobject": address, "describe": address + "/describe",
			"rowTemplate": address + "/{ID}"},
	}
}

// basicInfo answers GET /sobjects/T.
func (c *call) basicInfo(o *object) reply {
	return c.describeReply(map[string]any{"objectDescribe": c.outline(o), "recentItems": []any{}})
}

// describe answers GET /sobjects/T/describe with what the caller may see.
func (c *call) describe(o *object) reply {
	all := c.outline(o)
	fields := []map[string]any{}
	for _, f := range o.fields {
		if c.who.reads(f) {
			fields = append(fields, c.describeField(o, f))
		}
	}
	children := []map[string]any{}
	for _, child := range c.sandbox.schema.children[o] {
		if !c.who.sees(child.object) || !c.who.reads(child.field) {
			continue
		}
		var name any
		if child.field.children != "" {
			name = child.field.children
		}
		children = append(children, map[string]any{
			"childSObject": child.object.name, "field": child.field.name, "relationshipName": name,
			"cascadeDelete": child.field.onDelete == cascade, "restrictedDelete": child.field.onDelete == restrict,
			"deprecatedAndHidden": false,
		})
	}
	all["fields"], all["childRelationships"] = fields, children
	all["recordTypeInfos"] = []any{}
	return c.describeReply(all)
}

func (c *call) describeField(o *object, f *field) map[string]any {
	var relationship any
	if f.relationship != "" {
		relationship = f.relationship
	}
	refersTo := f.refersTo
	if refersTo == nil {
		refersTo = []string{}
	}
	values := []map[string]any{}
	for _, v := range f.choices() {
		values = append(values,
			map[string]any{"value": v, "label": v, "active": true, "defaultValue": v == f.fallback, "validFor": nil})
	}
	var formula any
	if f.formula != nil {
		formula = f.formula.source
	}
	digits, precision := 0, f.precision
	if f.kind == kindInt {
		digits, precision = f.precision, 0
	}
	nillable := !f.required && !f.demanded.Load() && f.kind != kindBoolean && f.pos > posModstamp
	writable := f.formula == nil && c.who.writes(f) && !o.readOnly
	return map[string]any{
		"name": f.name, "label": f.label, "type": f.kind, "length": f.maxLength(), "byteLength": f.maxLength() * 3,
		"precision": precision, "scale": f.scale, "digits": digits, "createable": writable && f.createable,
		"updateable": writable && f.updateable, "nillable": nillable,
		"defaultedOnCreate": f.fallback != nil || f.name == "OwnerId" || f.autoNumber != "", "unique": f.unique,
		"externalId": f.externalID, "idLookup": f.externalID || f.pos == posID, "caseSensitive": f.caseSensitive,
		"restrictedPicklist": f.restricted, "custom": f.custom(), "calculated": f.formula != nil,
		"calculatedFormula": formula, "autoNumber": f.autoNumber != "", "nameField": f.nameField,
		"filterable": f.filterable(), "sortable": f.sortable(), "groupable": f.groupable(),
		"aggregatable": f.filterable() && f.kind != kindMultiselect, "referenceTo": refersTo,
		"relationshipName": relationship, "polymorphicForeignKey": len(f.refersTo) > 1, "picklistValues": values,
		"permissionable": f.permissionable, "soapType": soapType(f.kind), "defaultValue": f.fallback,
		"cascadeDelete": f.onDelete == cascade, "restrictedDelete": f.onDelete == restrict,
		"deprecatedAndHidden": false, "encrypted": false, "htmlFormatted": false,
	}
}

func soapType(k kind) string {
	switch k {
	case kindID, kindReference:
		return "tns:ID"
	case kindBoolean:
		return "xsd:boolean"
	case kindInt:
		return "xsd:int"
	case kindDouble, kindCurrency:
		return "xsd:double"
	case kindDate:
		return "xsd:date"
	case kindDateTime:
		return "xsd:dateTime"
	}
	return "xsd:string"
}
