package sandbox

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
)

// packageModel is what the sandbox needs to know of the package.
type packageModel struct {
	Objects []packageObject
}

type packageObject struct {
	Name, Label, Plural string
	AutoNumber          string
	NameLabel           string
	Activities          bool
	Fields              []xmlField
	Rules               []xmlRule
}

type xmlValue struct {
	FullName string `xml:"fullName"`
}

type xmlField struct {
	FullName         string     `xml:"fullName"`
	Label            string     `xml:"label"`
	Type             string     `xml:"type"`
	Length           int        `xml:"length"`
	Precision        int        `xml:"precision"`
	Scale            int        `xml:"scale"`
	Required         bool       `xml:"required"`
	Unique           bool       `xml:"unique"`
	ExternalID       bool       `xml:"externalId"`
	CaseSensitive    bool       `xml:"caseSensitive"`
	ReferenceTo      []string   `xml:"referenceTo"`
	RelationshipName string     `xml:"relationshipName"`
	DeleteConstraint string     `xml:"deleteConstraint"`
	Formula          string     `xml:"formula"`
	Restricted       bool       `xml:"valueSet>restricted"`
	ValueSetName     string     `xml:"valueSet>valueSetName"`
	Values           []xmlValue `xml:"valueSet>valueSetDefinition>value"`
}

type xmlRule struct {
	FullName string `xml:"fullName"`
	Active   bool   `xml:"active"`
	Formula  string `xml:"errorConditionFormula"`
	Message  string `xml:"errorMessage"`
	Field    string `xml:"errorDisplayField"`
}

// loadPackage reads the SFDX source beside this folder.
func loadPackage() (packageModel, error) {
	_, here, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(here), "..", "package", "force-app", "main", "default")
	sets := map[string][]xmlValue{}
	paths, _ := filepath.Glob(filepath.Join(root, "globalValueSets", "*.xml"))
	for _, p := range paths {
		var set struct {
			Values []xmlValue `xml:"customValue"`
		}
		if err := readXML(p, &set); err != nil {
			return packageModel{}, err
		}
		sets[strings.TrimSuffix(filepath.Base(p), ".globalValueSet-meta.xml")] = set.Values
	}
	var model packageModel
	dirs, _ := filepath.Glob(filepath.Join(root, "objects", "*"))
	for _, dir := range dirs {
		o := packageObject{Name: filepath.Base(dir)}
		if strings.HasSuffix(o.Name, "__c") {
			var meta struct {
				Label      string `xml:"label"`
				Plural     string `xml:"pluralLabel"`
				Activities bool   `xml:"enableActivities"`
				Format     string `xml:"nameField>displayFormat"`
				NameLabel  string `xml:"nameField>label"`
			}
			if err := readXML(filepath.Join(dir, o.Name+".object-meta.xml"), &meta); err != nil {
				return packageModel{}, err
			}
			o.Label, o.Plural, o.Activities, o.AutoNumber, o.NameLabel = meta.Label, meta.Plural, meta.Activities, meta.Format, meta.NameLabel
		}
		files, _ := filepath.Glob(filepath.Join(dir, "fields", "*.xml"))
		sort.Strings(files)
		for _, p := range files {
			var f xmlField
			if err := readXML(p, &f); err != nil {
				return packageModel{}, err
			}
			if f.ValueSetName != "" {
				f.Values = sets[f.ValueSetName]
			}
			o.Fields = append(o.Fields, f)
		}
		files, _ = filepath.Glob(filepath.Join(dir, "validationRules", "*.xml"))
		for _, p := range files {
			var r xmlRule
			if err := readXML(p, &r); err != nil {
				return packageModel{}, err
			}
			o.Rules = append(o.Rules, r)
		}
		model.Objects = append(model.Objects, o)
	}
	if len(model.Objects) == 0 {
		return model, fmt.Errorf("sandbox: no package under %s", root)
	}
	return model, nil
}

func readXML(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("sandbox: read the package: %w", err)
	}
	if err := xml.Unmarshal(data, into); err != nil {
		return fmt.Errorf("sandbox: read %s: %w", path, err)
	}
	return nil
}
