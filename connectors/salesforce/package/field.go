package sfpackage

import (
	"encoding/xml"
	"fmt"
	"io/fs"
)

// FieldType is the type of a field, in the words of the metadata.
type FieldType string

// The types that the package uses. A formula field has the type of its result.
const (
	Text                FieldType = "Text"
	LongTextArea        FieldType = "LongTextArea"
	Number              FieldType = "Number"
	Date                FieldType = "Date"
	DateTime            FieldType = "DateTime"
	Picklist            FieldType = "Picklist"
	MultiselectPicklist FieldType = "MultiselectPicklist"
	Lookup              FieldType = "Lookup"
	URL                 FieldType = "Url"
)

// Field is a custom field.
type Field struct {
	Name, Label string
	Type        FieldType
	Description string // for administrators
	Help        string // the text that users see beside the field

	Length           int // Text, LongTextArea: characters; 0 for others and for formulas
	Precision, Scale int // Number: digits in all, digits after the point
	// Required fields are required by the API too, and must not be listed in a permission set.
	Required      bool
	ExternalID    bool // indexed, and usable as the key of an upsert
	Unique        bool
	CaseSensitive bool   // of a Unique text
	Default       string // a formula; empty: none

	ReferenceTo      string // Lookup: the object
	RelationshipName string // Lookup: the parent's list of children, without __r
	DeleteConstraint string // Lookup: SetNull clears the field when the parent is deleted

	// Restricted picklists refuse a value that is not in Values; others keep it.
	Restricted bool
	Values     []string // of a picklist, in their order, from ValueSet where it names one
	ValueSet   string   // the global value set

	// Formula computes the field, which is then read-only. Empty: a stored field.
	Formula string
}

// Computed reports whether the field is a formula.
func (f Field) Computed() bool { return f.Formula != "" }

type xmlChoice struct {
	Name string `xml:"fullName"`
}

func choices(values []xmlChoice) []string {
	var names []string
	for _, v := range values {
		names = append(names, v.Name)
	}
	return names
}

func loadFields(files fs.FS, dir string, sets []ValueSet) ([]Field, error) {
	const suffix = ".field-meta.xml"
	paths, err := list(files, dir, suffix)
	if err != nil {
		return nil, err
	}
	var fields []Field
	for _, p := range paths {
		var x struct {
			XMLName          xml.Name    `xml:"CustomField"`
			Label            string      `xml:"label"`
			Type             FieldType   `xml:"type"`
			Description      string      `xml:"description"`
			Help             string      `xml:"inlineHelpText"`
			Length           int         `xml:"length"`
			Precision        int         `xml:"precision"`
			Scale            int         `xml:"scale"`
			Required         bool        `xml:"required"`
			ExternalID       bool        `xml:"externalId"`
			Unique           bool        `xml:"unique"`
			CaseSensitive    bool        `xml:"caseSensitive"`
			Default          string      `xml:"defaultValue"`
			ReferenceTo      string      `xml:"referenceTo"`
			RelationshipName string      `xml:"relationshipName"`
			DeleteConstraint string      `xml:"deleteConstraint"`
			Restricted       bool        `xml:"valueSet>restricted"`
			ValueSet         string      `xml:"valueSet>valueSetName"`
			Values           []xmlChoice `xml:"valueSet>valueSetDefinition>value"`
			Formula          string      `xml:"formula"`
		}
		if err := readXML(files, p, &x); err != nil {
			return nil, err
		}
		f := Field{
			Name: nameOf(p, suffix), Label: x.Label, Type: x.Type, Description: x.Description, Help: x.Help,
			Length: x.Length, Precision: x.Precision, Scale: x.Scale,
			Required: x.Required, ExternalID: x.ExternalID, Unique: x.Unique, CaseSensitive: x.CaseSensitive,
			Default:     x.Default,
			ReferenceTo: x.ReferenceTo, RelationshipName: x.RelationshipName, DeleteConstraint: x.DeleteConstraint,
			Restricted: x.Restricted, Values: choices(x.Values), ValueSet: x.ValueSet,
			Formula: x.Formula,
		}
		if f.ValueSet != "" {
			if f.Values, err = valuesOf(f.ValueSet, sets); err != nil {
				return nil, fmt.Errorf("read the Salesforce package: %s: %w", p, err)
			}
		}
		fields = append(fields, f)
	}
	return fields, nil
}

func valuesOf(name string, sets []ValueSet) ([]string, error) {
	for _, s := range sets {
		if s.Name == name {
			return s.Values, nil
		}
	}
	return nil, fmt.Errorf("no global value set %s", name)
}
