package sandbox

import (
	"fmt"
	"strings"

	sfpackage "inmail/connectors/salesforce/package"
)

// activity is the object under which the package declares the fields of Tasks.
const activity = "Activity"

// addPackage adds the package's own objects, and its fields and rules of standard objects.
func (s *schema) addPackage(model sfpackage.Model) error {
	made := 0
	for _, po := range model.Objects {
		o := s.packageTarget(po.Name)
		if o == nil {
			if !po.Custom {
				return fmt.Errorf("sandbox: the package has fields on %s, which is not here", po.Name)
			}
			o = customObject(po, fmt.Sprintf("a%02d", made))
			made++
			s.objects = append(s.objects, o)
			s.byName[strings.ToLower(o.name)] = o
		}
		for _, pf := range po.Fields {
			f, err := customField(pf)
			if err != nil {
				return fmt.Errorf("sandbox: field %s.%s: %w", po.Name, pf.Name, err)
			}
			o.add(f)
		}
	}
	for _, po := range model.Objects {
		if err := s.packageTarget(po.Name).compile(po); err != nil {
			return err
		}
	}
	return nil
}

func (s *schema) packageTarget(name string) *object {
	if name == activity {
		name = "Task"
	}
	return s.object(name)
}

// compile compiles the formulas and validation rules of an object, after all of its fields are known.
func (o *object) compile(po sfpackage.Object) error {
	for _, pf := range po.Fields {
		if !pf.Computed() {
			continue
		}
		compiled, err := compileFormula(pf.Formula, o)
		if err != nil {
			return fmt.Errorf("sandbox: formula of %s.%s: %w", o.name, pf.Name, err)
		}
		o.must(pf.Name).formula = compiled
	}
	for _, pr := range po.Rules {
		if !pr.Active {
			continue
		}
		compiled, err := compileFormula(pr.Formula, o)
		if err != nil {
			return fmt.Errorf("sandbox: validation rule %s.%s: %w", o.name, pr.Name, err)
		}
		o.rules = append(o.rules, &rule{name: pr.Name, refuses: compiled, message: pr.Message, field: pr.Field})
	}
	return nil
}

func customObject(po sfpackage.Object, prefix string) *object {
	m := newObject(po.Name, po.Label, po.PluralLabel, prefix)
	m.packaged, m.activities, m.tab = true, po.Activities, true
	m.owner()
	name := m.readOnlyField("Name", po.NameLabel, kindString, 80)
	name.nameField, name.autoNumber = true, po.NameFormat
	m.nameAt = name
	if po.NameFormat == "" {
		name.createable, name.updateable, name.required = true, true, true
	}
	return m.object
}

// customKinds translates types of the metadata into those of a describe.
var customKinds = map[sfpackage.FieldType]kind{
	sfpackage.Text: kindString, sfpackage.LongTextArea: kindTextArea, sfpackage.Number: kindDouble,
	sfpackage.Date: kindDate, sfpackage.DateTime: kindDateTime, sfpackage.Picklist: kindPicklist,
	sfpackage.MultiselectPicklist: kindMultiselect, sfpackage.Lookup: kindReference, sfpackage.URL: kindURL,
}

// Lengths in a describe of fields whose metadata has no length.
const (
	picklistLength    = 255
	multiselectLength = 4099
	urlLength         = 255
	formulaLength     = 1300
)

// customField translates a field of the metadata into one of a describe.
func customField(pf sfpackage.Field) (*field, error) {
	f := &field{
		name: pf.Name, label: pf.Label, length: pf.Length, precision: pf.Precision, scale: pf.Scale,
		required: pf.Required, unique: pf.Unique, externalID: pf.ExternalID, caseSensitive: pf.CaseSensitive,
		restricted: pf.Restricted, values: pf.Values, createable: true, updateable: true, packaged: true,
		permissionable: !pf.Required,
	}
	var known bool
	if f.kind, known = customKinds[pf.Type]; !known {
		return nil, fmt.Errorf("type %q is not known", pf.Type)
	}
	if pf.Default != "" {
		return nil, fmt.Errorf("a default value (%s) is not supported", pf.Default)
	}
	switch f.kind {
	case kindPicklist:
		f.length = picklistLength
	case kindURL:
		f.length = urlLength
	case kindMultiselect:
		f.length = multiselectLength
	case kindReference:
		f.length = 18
		f.pointTo(strings.TrimSuffix(f.name, "__c")+"__r", "", pf.ReferenceTo)
		if pf.RelationshipName != "" {
			f.children = pf.RelationshipName + "__r"
		}
		if pf.DeleteConstraint != "SetNull" {
			return nil, fmt.Errorf("delete constraint %q is not supported", pf.DeleteConstraint)
		}
	}
	if pf.Computed() {
		f.createable, f.updateable = false, false
		if f.kind == kindString {
			f.length = formulaLength
		}
	}
	return f, nil
}
