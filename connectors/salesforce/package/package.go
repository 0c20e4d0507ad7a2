// Package sfpackage contains what is deployed to a Salesforce org, in SFDX source format, and reads it:
// objects, fields, validation rules and permission sets as Go values. The sandbox builds its org from them
// and the connector's check compares a real org with them, so that package, sandbox and connector cannot
// diverge. README.md beside this file is for the administrator of the org.
package sfpackage

import (
	"embed"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"
	"sync"
)

//go:generate go run ./translate

//go:embed sfdx-project.json force-app
var source embed.FS

const (
	projectFile = "sfdx-project.json"
	metadata    = "force-app/main/default"
)

// Files is the SFDX project as it is deployed: sfdx-project.json and force-app.
func Files() fs.FS { return source }

// Model is the part of the package that programs use: no layouts, list views, reports or dashboards.
type Model struct {
	// APIVersion is sourceApiVersion of sfdx-project.json, such as "67.0": the metadata is written for it.
	APIVersion string
	// Objects lists InMail__c and the standard objects that get fields, by name. Fields of Activity are
	// those of both Task and Event; the API and permission sets use these two names.
	Objects []Object
	// ValueSets are the global value sets by name.
	ValueSets []ValueSet
	// PermissionSets are the permission sets by name.
	PermissionSets []PermissionSet
}

// Object is an object of the package, or a standard object with the fields that the package adds.
type Object struct {
	Name string // InMail__c; Lead
	// Custom means that the package creates the object. For a standard object only Fields is set.
	Custom             bool
	Label, PluralLabel string
	NameLabel          string // the label of the field Name
	NameFormat         string // of an auto-numbered Name: IM-{0000000}
	Activities         bool   // tasks and events may be related to its records (WhatId)
	SharingModel       string // the org-wide default: Read
	Fields             []Field
	Rules              []ValidationRule
}

// ValidationRule refuses a write when its formula is true.
type ValidationRule struct {
	Name    string
	Active  bool
	Formula string // errorConditionFormula
	Message string // what the API answers, with FIELD_CUSTOM_VALIDATION_EXCEPTION
	Field   string // errorDisplayField; empty: the error is the record's
}

// OlderThanStored is the message of the rule Never_Backwards of InMail__c, which refuses an update whose
// Status_Sequence__c is lower than the stored one (R53). The caller need not repair anything: the org
// already has a newer state.
const OlderThanStored = "InMail: older than what is stored"

// ValueSet is a global value set.
type ValueSet struct {
	Name   string
	Label  string
	Values []string // in their order
}

// Load reads the package. It fails only when a file of the package is malformed, which the tests of this
// folder find first; the error names the file. It reads once: what it returns is shared, and nobody changes
// it.
func Load() (Model, error) { return loaded() }

var loaded = sync.OnceValues(func() (Model, error) { return load(source) })

func load(files fs.FS) (Model, error) {
	var m Model
	data, err := fs.ReadFile(files, projectFile)
	if err != nil {
		return Model{}, fmt.Errorf("read the Salesforce package: %w", err)
	}
	var project struct {
		SourceAPIVersion string `json:"sourceApiVersion"`
	}
	if err := json.Unmarshal(data, &project); err != nil {
		return Model{}, fmt.Errorf("read the Salesforce package: %s: %w", projectFile, err)
	}
	m.APIVersion = project.SourceAPIVersion
	if m.ValueSets, err = loadValueSets(files); err != nil {
		return Model{}, err
	}
	if m.Objects, err = loadObjects(files, m.ValueSets); err != nil {
		return Model{}, err
	}
	if m.PermissionSets, err = loadPermissionSets(files); err != nil {
		return Model{}, err
	}
	return m, nil
}

// Object finds an object by name, in any case, as the API does.
func (m Model) Object(name string) (Object, bool) {
	for _, o := range m.Objects {
		if strings.EqualFold(o.Name, name) {
			return o, true
		}
	}
	return Object{}, false
}

// PermissionSet finds a permission set by its name.
func (m Model) PermissionSet(name string) (PermissionSet, bool) {
	for _, p := range m.PermissionSets {
		if p.Name == name {
			return p, true
		}
	}
	return PermissionSet{}, false
}

// Field finds a field by name, in any case, as the API does.
func (o Object) Field(name string) (Field, bool) {
	for _, f := range o.Fields {
		if strings.EqualFold(f.Name, name) {
			return f, true
		}
	}
	return Field{}, false
}

func loadValueSets(files fs.FS) ([]ValueSet, error) {
	const suffix = ".globalValueSet-meta.xml"
	paths, err := list(files, path.Join(metadata, "globalValueSets"), suffix)
	if err != nil {
		return nil, err
	}
	var sets []ValueSet
	for _, p := range paths {
		var x struct {
			XMLName xml.Name    `xml:"GlobalValueSet"`
			Label   string      `xml:"masterLabel"`
			Values  []xmlChoice `xml:"customValue"`
		}
		if err := readXML(files, p, &x); err != nil {
			return nil, err
		}
		sets = append(sets, ValueSet{Name: nameOf(p, suffix), Label: x.Label, Values: choices(x.Values)})
	}
	return sets, nil
}

func loadObjects(files fs.FS, sets []ValueSet) ([]Object, error) {
	root := path.Join(metadata, "objects")
	dirs, err := fs.ReadDir(files, root)
	if err != nil {
		return nil, fmt.Errorf("read the Salesforce package: %w", err)
	}
	var objects []Object
	for _, dir := range dirs {
		o := Object{Name: dir.Name(), Custom: strings.HasSuffix(dir.Name(), "__c")}
		if o.Custom {
			if err := loadObject(files, path.Join(root, o.Name, o.Name+".object-meta.xml"), &o); err != nil {
				return nil, err
			}
		}
		if o.Fields, err = loadFields(files, path.Join(root, o.Name, "fields"), sets); err != nil {
			return nil, err
		}
		if o.Rules, err = loadRules(files, path.Join(root, o.Name, "validationRules")); err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	return objects, nil
}

func loadObject(files fs.FS, file string, o *Object) error {
	var x struct {
		XMLName      xml.Name `xml:"CustomObject"`
		Label        string   `xml:"label"`
		PluralLabel  string   `xml:"pluralLabel"`
		NameLabel    string   `xml:"nameField>label"`
		NameFormat   string   `xml:"nameField>displayFormat"`
		Activities   bool     `xml:"enableActivities"`
		SharingModel string   `xml:"sharingModel"`
	}
	if err := readXML(files, file, &x); err != nil {
		return err
	}
	o.Label, o.PluralLabel, o.NameLabel, o.NameFormat = x.Label, x.PluralLabel, x.NameLabel, x.NameFormat
	o.Activities, o.SharingModel = x.Activities, x.SharingModel
	return nil
}

func loadRules(files fs.FS, dir string) ([]ValidationRule, error) {
	const suffix = ".validationRule-meta.xml"
	paths, err := list(files, dir, suffix)
	if err != nil {
		return nil, err
	}
	var rules []ValidationRule
	for _, p := range paths {
		var x struct {
			XMLName xml.Name `xml:"ValidationRule"`
			Active  bool     `xml:"active"`
			Formula string   `xml:"errorConditionFormula"`
			Message string   `xml:"errorMessage"`
			Field   string   `xml:"errorDisplayField"`
		}
		if err := readXML(files, p, &x); err != nil {
			return nil, err
		}
		rules = append(rules, ValidationRule{Name: nameOf(p, suffix), Active: x.Active, Formula: x.Formula,
			Message: x.Message, Field: x.Field})
	}
	return rules, nil
}

// list returns the files of dir that end in suffix, by name. A missing folder is empty.
func list(files fs.FS, dir, suffix string) ([]string, error) {
	paths, err := fs.Glob(files, path.Join(dir, "*"+suffix))
	if err != nil {
		return nil, fmt.Errorf("read the Salesforce package: %s: %w", dir, err)
	}
	sort.Strings(paths)
	return paths, nil
}

func nameOf(file, suffix string) string { return strings.TrimSuffix(path.Base(file), suffix) }

func readXML(files fs.FS, file string, into any) error {
	data, err := fs.ReadFile(files, file)
	if err != nil {
		return fmt.Errorf("read the Salesforce package: %w", err)
	}
	if err := xml.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read the Salesforce package: %s: %w", file, err)
	}
	return nil
}
