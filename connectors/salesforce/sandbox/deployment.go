package sandbox

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	sfpackage "inmail/connectors/salesforce/package"
)

// checkDeployment checks the files of a deployment as the org does, one outcome for each component. The
// sandbox takes the components of the InMail package, as they are in it, and layouts.
func (s *Sandbox) checkDeployment(files map[string][]byte) []deployMessage {
	manifest := sfpackage.Component{Name: "package.xml", File: "package.xml"}
	var named struct {
		XMLName xml.Name `xml:"http://soap.sforce.com/2006/04/metadata Package"`
		Version string   `xml:"version"`
		Types   []struct {
			Name    string   `xml:"name"`
			Members []string `xml:"members"`
		} `xml:"types"`
	}
	if err := xml.Unmarshal(files["package.xml"], &named); err != nil {
		return []deployMessage{{Component: manifest, problem: "package.xml cannot be read: " + err.Error()}}
	}
	if !metadataVersion(named.Version) {
		return []deployMessage{{Component: manifest, problem: fmt.Sprintf("Invalid version specified: %s", named.Version)}}
	}
	for name := range files {
		if strings.HasPrefix(name, "destructiveChanges") {
			return []deployMessage{{Component: manifest, problem: "destructive changes are not supported by this sandbox"}}
		}
	}
	components, err := sfpackage.Components(files)
	if err != nil {
		return []deployMessage{{Component: manifest, problem: err.Error()}}
	}
	out := []deployMessage{{Component: manifest}}
	wanted := map[string]bool{}
	for _, t := range named.Types {
		if !knownType(t.Name) {
			out = append(out, deployMessage{Component: manifest,
				problem: fmt.Sprintf("Unknown type name '%s' specified in package.xml", t.Name)})
			continue
		}
		for _, member := range t.Members {
			member = strings.TrimSuffix(member, "/") // as a folder is named, too
			wanted[t.Name+" "+member] = true
			if member != "*" && !slices.ContainsFunc(components, func(c sfpackage.Component) bool {
				return c.Type == t.Name && c.Name == member
			}) {
				out = append(out, deployMessage{Component: sfpackage.Component{Type: t.Name, Name: member, File: "package.xml"},
					problem: fmt.Sprintf("An object '%s' of type %s was named in package.xml, but was not found in "+
						"zipped directory", member, t.Name)})
			}
		}
	}
	d := deployed{s: s, components: components, files: parse(files)}
	d.contents = contents(d.files)
	inOrg := map[string]map[string]bool{}
	for _, c := range components {
		if inOrg[c.Type] == nil {
			inOrg[c.Type] = map[string]bool{}
			for _, p := range s.components(c.Type) {
				inOrg[c.Type][p.Name] = true
			}
		}
		m := deployMessage{Component: c, created: !inOrg[c.Type][c.Name]}
		whole := "CustomObject " + strings.TrimSuffix(strings.TrimPrefix(c.File, "objects/"), ".object")
		if !wanted[c.Type+" "+c.Name] && !wanted[c.Type+" *"] && !wanted[whole] && !wanted["CustomObject *"] {
			m.problem = "Not in package.xml"
		} else {
			m.problem = d.check(c)
		}
		if problem := s.metadata.refusal(c.Type); problem != "" {
			m.problem = problem
		}
		out = append(out, m)
	}
	return out
}

// refusal is what the org has against every component of a type; empty: nothing.
func (m *metadata) refusal(typeName string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refused[typeName]
}

// knownType reports whether a package.xml may name the type.
func knownType(name string) bool {
	return slices.ContainsFunc(sfpackage.MetadataTypes(), func(t sfpackage.MetadataType) bool { return t.Name == name }) ||
		slices.Contains(slices.Collect(maps.Values(sfpackage.Parts())), name)
}

// deployed is a deployment that is checked.
type deployed struct {
	s          *Sandbox
	files      map[string]parsed
	components []sfpackage.Component
	contents   map[string]string
}

// parsed is a metadata file.
type parsed struct {
	data     []byte
	root     string
	elements []sfpackage.Element
	err      error
}

func parse(files map[string][]byte) map[string]parsed {
	out := make(map[string]parsed, len(files))
	for name, data := range files {
		p := parsed{data: data}
		p.root, p.elements, p.err = sfpackage.Elements(data)
		out[name] = p
	}
	return out
}

// has reports whether an object (field empty), or a field of one, is in the org or comes with the deployment.
func (d deployed) has(object, field string) bool {
	o := d.s.schema.object(object)
	if o == nil || field != "" && o.field(field) == nil {
		return false
	}
	packaged := o.packaged
	name, kind := object, "CustomObject"
	if field != "" {
		packaged, name, kind = o.field(field).packaged, object+"."+field, "CustomField"
	}
	if !packaged || d.s.deployed.Load() {
		return true
	}
	return slices.ContainsFunc(d.components, func(c sfpackage.Component) bool {
		return c.Type == kind && (c.Name == name || object == "Task" && c.Name == activity+"."+field)
	})
}

// check returns why the org refuses a component; empty: it takes it.
func (d deployed) check(c sfpackage.Component) string {
	file := d.files[c.File]
	if file.err != nil {
		return "the file cannot be read: " + file.err.Error()
	}
	want := c.Type
	if slices.Contains(slices.Collect(maps.Values(sfpackage.Parts())), c.Type) {
		want = "CustomObject"
	} else if strings.HasSuffix(c.File, "-meta.xml") {
		want += "Folder"
	}
	if file.root != want {
		return fmt.Sprintf("the root element is %s, not %s", file.root, want)
	}
	if c.Type == "Layout" {
		return d.s.checkLayout(c.Name, file.elements, d.has)
	}
	if !d.has("InMail__c", "") && bytes.Contains(file.data, []byte("InMail__c")) && want != "CustomObject" {
		return "no CustomObject named InMail__c found"
	}
	object, part, _ := strings.Cut(c.Name, ".")
	if want == "CustomObject" && part != "" && strings.HasSuffix(object, "__c") && !d.has(object, "") {
		return "no CustomObject named " + object + " found"
	}
	own, err := packageContents()
	if err != nil {
		return err.Error()
	}
	switch ours, ok := own[c.Type+" "+c.Name]; {
	case !ok:
		return fmt.Sprintf("this sandbox takes no %s but those of the InMail package", c.Type)
	case ours != d.contents[c.Type+" "+c.Name]:
		return fmt.Sprintf("this sandbox takes a %s as it is in the InMail package only", c.Type)
	}
	return ""
}

// packageContents are the contents of the components of the InMail package.
var packageContents = sync.OnceValues(func() (map[string]string, error) {
	files, err := sfpackage.Deployable()
	return contents(parse(files)), err
})

// contents is what components hold, by type and name, in a form in which two that mean the same are equal.
func contents(files map[string]parsed) map[string]string {
	kept := map[string][]string{}
	for name, file := range files {
		folder, rest, _ := strings.Cut(name, "/")
		for _, t := range sfpackage.MetadataTypes() {
			if t.Folder != folder {
				continue
			}
			whole := strings.TrimSuffix(strings.TrimSuffix(rest, "-meta.xml"), "."+t.Suffix)
			for _, e := range file.elements {
				key := t.Name + " " + whole
				if part := sfpackage.Parts()[e.Name]; part != "" && t.Name == "CustomObject" {
					key = part + " " + whole + "." + e.Child("fullName")
				}
				kept[key] = append(kept[key], canonical(e.XML))
			}
		}
	}
	out := make(map[string]string, len(kept))
	for key, elements := range kept {
		slices.Sort(elements)
		out[key] = strings.Join(elements, "\n")
	}
	return out
}

// canonical writes an element by its names and texts alone: entities, comments and indentation do not matter.
func canonical(element string) string {
	var out strings.Builder
	d := xml.NewDecoder(strings.NewReader(element))
	for {
		token, err := d.Token()
		if err != nil {
			return out.String()
		}
		switch token := token.(type) {
		case xml.StartElement:
			out.WriteString("<" + token.Name.Local + ">")
		case xml.EndElement:
			out.WriteString("</>")
		case xml.CharData:
			out.WriteString(strings.TrimSpace(string(token)))
		}
	}
}

// storeDeployment stores those components of a deployment that were not refused.
func (s *Sandbox) storeDeployment(files map[string][]byte, parts []deployMessage) error {
	arrived := false
	for _, p := range parts {
		if p.problem != "" || p.Name == "package.xml" {
			continue
		}
		if p.Type == "Layout" {
			_, elements, err := sfpackage.Elements(files[p.File])
			if err != nil {
				return err
			}
			s.layouts.put(p.Name, elements)
			continue
		}
		arrived = arrived || p.Type == "CustomObject" && p.Name == "InMail__c"
		s.metadata.mu.Lock()
		s.metadata.files[p.File] = files[p.File]
		s.metadata.mu.Unlock()
	}
	if !arrived {
		return nil
	}
	s.deployed.Store(true)
	tx := s.store.begin(s.now, caller{user: newID("005", operatorNumber), system: true})
	defer tx.rollback()
	s.storePermissionSets(tx)
	return tx.commit()
}
