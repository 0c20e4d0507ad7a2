package sandbox

import (
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"

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
	d := deployed{s: s, files: files, components: components}
	for _, c := range components {
		m := deployMessage{Component: c, created: !s.inOrg(c)}
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

// inOrg reports whether a component is in the org already.
func (s *Sandbox) inOrg(c sfpackage.Component) bool {
	return slices.ContainsFunc(s.components(c.Type), func(p fileProperty) bool { return p.Name == c.Name })
}

// deployed is a deployment that is checked.
type deployed struct {
	s          *Sandbox
	files      map[string][]byte
	components []sfpackage.Component
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
	root, elements, err := sfpackage.Elements(d.files[c.File])
	if err != nil {
		return "the file cannot be read: " + err.Error()
	}
	want := c.Type
	if slices.Contains(slices.Collect(maps.Values(sfpackage.Parts())), c.Type) {
		want = "CustomObject"
	} else if strings.HasSuffix(c.File, "-meta.xml") {
		want += "Folder"
	}
	if root != want {
		return fmt.Sprintf("the root element is %s, not %s", root, want)
	}
	if c.Type == "Layout" {
		return d.s.checkLayout(c.Name, elements, d.has)
	}
	if !d.has("InMail__c", "") && strings.Contains(string(d.files[c.File]), "InMail__c") && want != "CustomObject" {
		return "no CustomObject named InMail__c found"
	}
	object, part, _ := strings.Cut(c.Name, ".")
	if want == "CustomObject" && part != "" && strings.HasSuffix(object, "__c") && !d.has(object, "") {
		return "no CustomObject named " + object + " found"
	}
	own, err := sfpackage.Deployable()
	if err != nil {
		return err.Error()
	}
	mine, err := sfpackage.Components(own)
	if err != nil {
		return err.Error()
	}
	at := slices.IndexFunc(mine, func(m sfpackage.Component) bool { return m.Type == c.Type && m.Name == c.Name })
	if at < 0 {
		return fmt.Sprintf("this sandbox takes no %s but those of the InMail package", c.Type)
	}
	if content(own[mine[at].File], mine[at]) != content(d.files[c.File], c) {
		return fmt.Sprintf("this sandbox takes a %s as it is in the InMail package only", c.Type)
	}
	return ""
}

// content is what a component holds, in a form in which two that mean the same are equal.
func content(file []byte, c sfpackage.Component) string {
	_, elements, err := sfpackage.Elements(file)
	if err != nil {
		return ""
	}
	var kept []string
	_, part, inFile := strings.Cut(c.Name, ".")
	for _, e := range elements {
		element := sfpackage.Parts()[e.Name]
		switch {
		case element == "" && !(inFile && c.Type != "CustomObject" && strings.HasPrefix(c.File, "objects/")),
			element == c.Type && e.Child("fullName") == part:
			kept = append(kept, canonical(e.XML))
		}
	}
	slices.Sort(kept)
	return strings.Join(kept, "\n")
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
