// Command translate writes the translations of the Salesforce package from labels.csv: one folder for each
// object and language, with a file for each field, and one file a language for the report types. It runs in
// the folder of the package.
package main

import (
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	sfpackage "inmail/connectors/salesforce/package"
)

// root is the folder of the translations, which is a package directory of its own: an org without these
// languages refuses them.
const root = "translations/main/default"

func main() {
	if err := write(); err != nil {
		fmt.Fprintln(os.Stderr, "translate:", err)
		os.Exit(1)
	}
}

func write() error {
	model, err := sfpackage.Load()
	if err != nil {
		return err
	}
	file, err := os.Open("labels.csv")
	if err != nil {
		return err
	}
	rows, err := csv.NewReader(file).ReadAll()
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("labels.csv: %w", err)
	}
	labels := map[string][]string{} // by object and part
	for _, row := range rows[1:] {
		labels[row[0]+"."+row[1]] = row[2:]
	}
	if err := complete(model, labels); err != nil {
		return err
	}
	if err := os.RemoveAll(root); err != nil {
		return err
	}
	for i, language := range rows[0][2:] {
		if language == "en" { // the labels of the package itself
			continue
		}
		for _, object := range model.Objects {
			if err := writeObject(object, language, i, labels); err != nil {
				return err
			}
		}
		if err := writeReportTypes(rows, language, i); err != nil {
			return err
		}
	}
	return nil
}

// complete reports the fields that have no labels, before anything is written.
func complete(model sfpackage.Model, labels map[string][]string) error {
	var missing []error
	for _, object := range model.Objects {
		for _, f := range object.Fields {
			if labels[object.Name+"."+f.Name] == nil {
				missing = append(missing, fmt.Errorf("labels.csv has no row %s,%s,%s with its translations", object.Name, f.Name, f.Label))
			}
		}
	}
	return errors.Join(missing...)
}

// writeObject writes the translations of an object's fields into one language, the i-th of the labels.
func writeObject(object sfpackage.Object, language string, i int, labels map[string][]string) error {
	name := object.Name + "-" + language
	dir := filepath.Join(root, "objectTranslations", name)
	if err := put(filepath.Join(dir, name+".objectTranslation-meta.xml"), "CustomObjectTranslation", ""); err != nil {
		return err
	}
	for _, f := range object.Fields {
		label := labels[object.Name+"."+f.Name]
		body := element("label", label[i]) + element("name", f.Name)
		for _, v := range f.Values {
			if value := labels[object.Name+"."+f.Name+"="+v]; f.Restricted && value != nil {
				body += "    <picklistValues>\n    " + element("masterLabel", v) + "    " + element("translation", value[i]) + "    </picklistValues>\n"
			}
		}
		if err := put(filepath.Join(dir, f.Name+".fieldTranslation-meta.xml"), "CustomFieldTranslation", body); err != nil {
			return err
		}
	}
	return nil
}

func writeReportTypes(rows [][]string, language string, i int) error {
	body := ""
	for _, row := range rows {
		if row[0] == "ReportType" {
			body += "    <reportTypes>\n    " + element("label", row[2+i]) + "    " + element("name", row[1]) + "    </reportTypes>\n"
		}
	}
	return put(filepath.Join(root, "translations", language+".translation-meta.xml"), "Translations", body)
}

func element(name, text string) string {
	var escaped strings.Builder
	_ = xml.EscapeText(&escaped, []byte(text)) // a strings.Builder does not fail
	return "    <" + name + ">" + escaped.String() + "</" + name + ">\n"
}

func put(file, kind, body string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	text := xml.Header + "<" + kind + " xmlns=\"" + sfpackage.Namespace + "\">\n" + body + "</" + kind + ">\n"
	return os.WriteFile(file, []byte(text), 0o644)
}
