package sfpackage

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
)

// Namespace is the XML namespace of all metadata.
const Namespace = "http://soap.sforce.com/2006/04/metadata"

// MetadataType is a type of component of the Metadata API, with the folder and the file ending of its files.
type MetadataType struct {
	Name, Folder, Suffix string
	InFolder             bool // its components are in folders of their own, which are components too
}

// MetadataTypes are the types that the package may consist of.
func MetadataTypes() []MetadataType {
	return []MetadataType{
		{"CustomObject", "objects", "object", false}, {"CustomTab", "tabs", "tab", false},
		{"CustomApplication", "applications", "app", false}, {"CustomObjectTranslation", "objectTranslations",
			"objectTranslation", false}, {"Dashboard", "dashboards", "dashboard", true},
		{"FlexiPage", "flexipages", "flexipage", false}, {"GlobalValueSet", "globalValueSets", "globalValueSet", false},
		{"GlobalValueSetTranslation", "globalValueSetTranslations", "globalValueSetTranslation", false},
		{"Layout", "layouts", "layout", false}, {"PermissionSet", "permissionsets", "permissionset", false},
		{"Report", "reports", "report", true}, {"ReportType", "reportTypes", "reportType", false},
		{"Translations", "translations", "translation", false},
	}
}

// Parts maps the elements of a CustomObject that are components to their types.
func Parts() map[string]string {
	return map[string]string{"fields": "CustomField", "listViews": "ListView", "compactLayouts": "CompactLayout",
		"validationRules": "ValidationRule", "indexes": "Index", "webLinks": "WebLink", "fieldSets": "FieldSet"}
}

// Deployable returns the package in the format of the Metadata API: its files by their names in a zip,
// among them package.xml. The map is the caller's, the files in it are shared: nobody changes them.
func Deployable() (map[string][]byte, error) {
	files, err := converted()
	return maps.Clone(files), err
}

var converted = sync.OnceValues(func() (map[string][]byte, error) { return deployable(source) })

func deployable(files fs.FS) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, t := range MetadataTypes() {
		dir := path.Join(metadata, t.Folder)
		entries, err := fs.ReadDir(files, dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		for _, e := range entries {
			if err == nil {
				err = convert(files, t, path.Join(dir, e.Name()), e.IsDir(), out)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("convert the Salesforce package: %w", err)
		}
	}
	model, err := load(files)
	if err != nil {
		return nil, err
	}
	manifest, err := Manifest(out, model.APIVersion)
	out["package.xml"] = manifest
	return out, err
}

// convert converts one file or folder of a type.
func convert(files fs.FS, t MetadataType, file string, isDir bool, out map[string][]byte) error {
	base := path.Base(file)
	switch {
	case isDir && t.InFolder:
		entries, err := fs.ReadDir(files, file)
		for _, e := range entries {
			if err == nil {
				err = convert(files, t, path.Join(file, e.Name()), false, out)
			}
		}
		return err
	case isDir:
		data, err := compose(files, t, file)
		out[t.Folder+"/"+base+"."+t.Suffix] = data
		return err
	}
	data, err := fs.ReadFile(files, file)
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(file, metadata+"/")
	if folder, ok := strings.CutSuffix(name, "."+strings.ToLower(t.Name)+"Folder-meta.xml"); ok {
		name = folder + "-meta.xml"
	} else {
		name = strings.TrimSuffix(name, "-meta.xml")
	}
	out[name] = data
	return nil
}

// compose joins the files of an object, or of its translation, in one, with the elements in the order of
// their names.
func compose(files fs.FS, t MetadataType, dir string) ([]byte, error) {
	var parts []Element
	err := fs.WalkDir(files, dir, func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, file)
		if err != nil {
			return err
		}
		root, inner, err := Elements(data)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", file, err)
		case root == t.Name:
			parts = append(parts, inner...)
			return nil
		}
		element := path.Base(path.Dir(file))
		if path.Dir(file) == dir { // a translated field is beside its object
			element = "fields"
		}
		var text strings.Builder
		for _, e := range inner {
			text.WriteString(e.XML)
		}
		parts = append(parts, Element{Name: element, XML: "<" + element + ">" + text.String() + "</" + element + ">"})
		return nil
	})
	slices.SortStableFunc(parts, func(a, b Element) int { return cmp.Compare(a.Name, b.Name) })
	return Document(t.Name, parts), err
}

// Element is an element of a metadata file, right below its root.
type Element struct {
	Name string
	XML  string // with its tags
}

// Child returns the text of a child of the element; empty: it has none.
func (e Element) Child(name string) string {
	all := e.Children(name)
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

// Children returns the texts of all children of a name.
func (e Element) Children(name string) (texts []string) {
	d := xml.NewDecoder(strings.NewReader(e.XML))
	for depth := 0; ; {
		token, err := d.Token()
		if err != nil {
			return texts
		}
		switch token := token.(type) {
		case xml.StartElement:
			if depth++; depth == 2 && token.Name.Local == name {
				var text string
				if d.DecodeElement(&text, &token) != nil {
					return texts
				}
				texts, depth = append(texts, text), depth-1
			}
		case xml.EndElement:
			depth--
		}
	}
}

// Elements splits a metadata file into its root's name and the elements below it.
func Elements(data []byte) (root string, elements []Element, err error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	from, depth := int64(0), 0
	for {
		start := d.InputOffset()
		token, err := d.Token()
		if errors.Is(err, io.EOF) && depth == 0 && root != "" {
			return root, elements, nil
		}
		if err != nil {
			return "", nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			if depth++; depth == 1 {
				root = token.Name.Local
				if token.Name.Space != Namespace {
					return "", nil, fmt.Errorf("%s is not in the namespace %s", root, Namespace)
				}
			}
			if depth == 2 {
				from = start
				elements = append(elements, Element{Name: token.Name.Local})
			}
		case xml.EndElement:
			if depth--; depth == 1 {
				elements[len(elements)-1].XML = string(data[from:d.InputOffset()])
			}
		}
	}
}

// Document writes a metadata file.
func Document(root string, elements []Element) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s<%s xmlns=\"%s\">\n", xml.Header, root, Namespace)
	for _, e := range elements {
		fmt.Fprintf(&out, "    %s\n", e.XML)
	}
	fmt.Fprintf(&out, "</%s>\n", root)
	return out.Bytes()
}

// Component is a component of a deployment: its type, its name and its file.
type Component struct{ Type, Name, File string }

// Components lists what the files of a deployment hold. A file of an unknown type is an error.
func Components(files map[string][]byte) ([]Component, error) {
	var out []Component
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if file == "package.xml" {
			continue
		}
		folder, rest, _ := strings.Cut(file, "/")
		i := slices.IndexFunc(MetadataTypes(), func(t MetadataType) bool { return t.Folder == folder })
		if i < 0 {
			return nil, fmt.Errorf("%s: the folder is of no known type", file)
		}
		t := MetadataTypes()[i]
		name, known := strings.CutSuffix(rest, "."+t.Suffix)
		if !known && t.InFolder {
			name, known = strings.CutSuffix(rest, "-meta.xml")
		}
		if !known {
			return nil, fmt.Errorf("%s: the file does not end in .%s", file, t.Suffix)
		}
		whole := Component{t.Name, name, file}
		if t.Name != "CustomObject" {
			out = append(out, whole)
			continue
		}
		_, elements, err := Elements(files[file])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if slices.ContainsFunc(elements, func(e Element) bool { return Parts()[e.Name] == "" }) {
			out = append(out, whole)
		}
		for _, e := range elements {
			if part := Parts()[e.Name]; part != "" {
				out = append(out, Component{part, name + "." + e.Child("fullName"), file})
			}
		}
	}
	return out, nil
}

// Manifest writes the package.xml of a deployment.
func Manifest(files map[string][]byte, version string) ([]byte, error) {
	components, err := Components(files)
	if err != nil {
		return nil, err
	}
	members := map[string][]string{}
	for _, c := range components {
		members[c.Type] = append(members[c.Type], c.Name)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s<Package xmlns=\"%s\">\n", xml.Header, Namespace)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		out.WriteString("    <types>\n")
		for _, member := range members[name] {
			out.WriteString("        <members>")
			// A bytes.Buffer does not fail.
			_ = xml.EscapeText(&out, []byte(member))
			out.WriteString("</members>\n")
		}
		fmt.Fprintf(&out, "        <name>%s</name>\n    </types>\n", name)
	}
	fmt.Fprintf(&out, "    <version>%s</version>\n</Package>\n", version)
	return out.Bytes(), nil
}

// Zip packs the files of a deployment.
func Zip(files map[string][]byte) ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write(files[name])
		}
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack the deployment: %w", err)
	}
	return out.Bytes(), nil
}

// maxUnpacked is the most that a deployment may be unpacked, in bytes: as the org's limit.
const maxUnpacked = 400 << 20

// Unzip unpacks the files of a deployment. A single folder around all of them is left out.
func Unzip(data []byte) (map[string][]byte, error) {
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("unpack the deployment: %w", err)
	}
	files, left := map[string][]byte{}, int64(maxUnpacked)
	for _, f := range r.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		in, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("unpack %s: %w", f.Name, err)
		}
		body, err := io.ReadAll(io.LimitReader(in, left+1))
		if err := cmp.Or(err, in.Close()); err != nil {
			return nil, fmt.Errorf("unpack %s: %w", f.Name, err)
		}
		if left -= int64(len(body)); left < 0 {
			return nil, fmt.Errorf("unpack the deployment: it is larger than %d bytes", maxUnpacked)
		}
		files[f.Name] = body
	}
	if _, ok := files["package.xml"]; ok {
		return files, nil
	}
	inside := map[string][]byte{}
	for name, body := range files {
		_, rest, _ := strings.Cut(name, "/")
		inside[rest] = body
	}
	if _, ok := inside["package.xml"]; !ok || len(inside) != len(files) {
		return nil, errors.New("no package.xml found")
	}
	return inside, nil
}
