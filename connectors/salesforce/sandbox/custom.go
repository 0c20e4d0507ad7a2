package sandbox

import (
	"fmt"
	"strings"
)

// firstCustomPrefix is the id prefix of the first custom object; the next have a01, a02, …
const firstCustomPrefix = "a00"

// packagedObjects makes the package's own objects and adds its fields to standard ones.
// Fields on Activity are fields of Task.
func packagedObjects(pkg packageModel, standard map[string]*object) ([]*object, error) {
	var made []*object
	for _, po := range pkg.Objects {
		name := po.Name
		if name == "Activity" {
			name = "Task"
		}
		o := standard[name]
		if o == nil {
			if !strings.HasSuffix(name, "__c") {
				return nil, fmt.Errorf("sandbox: the package has fields on %s, which is not here", name)
			}
			o = customObject(po, fmt.Sprintf("%s%d", firstCustomPrefix[:2], len(made)))
			made = append(made, o)
		}
		for _, pf := range po.Fields {
			f, err := customField(pf)
			if err != nil {
				return nil, fmt.Errorf("sandbox: field %s.%s: %w", po.Name, pf.FullName, err)
			}
			o.add(f)
		}
	}
	for _, po := range pkg.Objects {
		name := po.Name
		if name == "Activity" {
			name = "Task"
		}
		o := standard[name]
		for _, m := range made {
			if m.name == name {
				o = m
			}
		}
		if err := compileObject(o, po); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// compileObject compiles the formulas and validation rules of an object, when all of its
// fields are known.
func compileObject(o *object, po packageObject) error {
	for _, pf := range po.Fields {
		if pf.Formula == "" {
			continue
		}
		compiled, err := compileFormula(pf.Formula, o)
		if err != nil {
			return fmt.Errorf("sandbox: formula of %s.%s: %w", o.name, pf.FullName, err)
		}
		o.must(pf.FullName).formula = compiled
	}
	for _, pr := range po.Rules {
		if !pr.Active {
			continue
		}
		compiled, err := compileFormula(pr.Formula, o)
		if err != nil {
			return fmt.Errorf("sandbox: validation rule %s.%s: %w", o.name, pr.FullName, err)
		}
		o.rules = append(o.rules, &rule{name: pr.FullName, refuses: compiled, message: pr.Message, field: pr.Field})
	}
	return nil
}

func customObject(po packageObject, prefix string) *object {
	m := newObject(po.Name, po.Label, po.Plural, prefix)
	m.packaged, m.activities = true, po.Activities
	m.owner()
	name := m.readOnlyField("Name", po.NameLabel, kindString, 80)
	name.nameField, name.autoNumber = true, po.AutoNumber
	m.nameAt = name
	if po.AutoNumber == "" {
		name.createable, name.updateable, name.required = true, true, true
	}
	return m.object
}

// customField translates a field of the metadata into one of a describe.
func customField(pf xmlField) (*field, error) {
	f := &field{
		name: pf.FullName, label: pf.Label, length: pf.Length, precision: pf.Precision, scale: pf.Scale,
		required: pf.Required, unique: pf.Unique, externalID: pf.ExternalID, caseSensitive: pf.CaseSensitive,
		restricted: pf.Restricted, createable: true, updateable: true, packaged: true, readable: true, editable: true,
	}
	for _, v := range pf.Values {
		f.values = append(f.values, v.FullName)
	}
	switch pf.Type {
	case "Text":
		f.kind = kindString
		if pf.Formula != "" {
			f.length = 1300
		}
	case "TextArea":
		f.kind, f.length = kindTextArea, 255
	case "LongTextArea":
		f.kind = kindTextArea
	case "Number":
		f.kind = kindDouble
	case "Checkbox":
		f.kind, f.fallback = kindBoolean, false
	case "Date":
		f.kind = kindDate
	case "DateTime":
		f.kind = kindDateTime
	case "Email":
		f.kind, f.length = kindEmail, 80
	case "Url":
		f.kind, f.length = kindURL, 255
	case "Picklist":
		f.kind, f.length = kindPicklist, 255
	case "MultiselectPicklist":
		f.kind, f.length = kindMultiselect, 4099
	case "Lookup":
		f.kind, f.length = kindReference, 18
		f.pointTo(strings.TrimSuffix(f.name, "__c")+"__r", "", pf.ReferenceTo...)
		if pf.RelationshipName != "" {
			f.children = pf.RelationshipName + "__r"
		}
		switch pf.DeleteConstraint {
		case "", "SetNull":
		case "Cascade":
			f.onDelete = cascade
		case "Restrict":
			f.onDelete = restrict
		default:
			return nil, fmt.Errorf("delete constraint %q is not known", pf.DeleteConstraint)
		}
	default:
		return nil, fmt.Errorf("type %q is not known", pf.Type)
	}
	if pf.Formula != "" {
		f.createable, f.updateable = false, false
	}
	return f, nil
}
