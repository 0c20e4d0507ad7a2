package sfpackage

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"inmail/domain"
	"inmail/domain/rates"
)

// node is an XML element of any kind.
type node struct {
	XMLName  xml.Name
	Text     string `xml:",chardata"`
	Children []node `xml:",any"`
}

func (n node) all(name string) []node {
	var found []node
	for _, c := range n.Children {
		if c.XMLName.Local == name {
			found = append(found, c)
		}
	}
	return found
}

// at follows a path of single children. A missing element is empty.
func (n node) at(names ...string) node {
	for _, name := range names {
		found := n.all(name)
		if len(found) == 0 {
			return node{}
		}
		n = found[0]
	}
	return n
}

func (n node) get(name string) string { return strings.TrimSpace(n.at(name).Text) }

func (n node) texts(name string) []string {
	var texts []string
	for _, c := range n.all(name) {
		texts = append(texts, strings.TrimSpace(c.Text))
	}
	return texts
}

// descendants returns every descendant of that name.
func (n node) descendants(name string) []node {
	var found []node
	for _, c := range n.Children {
		if c.XMLName.Local == name {
			found = append(found, c)
		}
		found = append(found, c.descendants(name)...)
	}
	return found
}

// component is one metadata file.
type component struct {
	file, kind, name string
	folder           string // the name of its folder; for a report, the report folder
	root             node
}

// roots maps the suffixes of the files that the package may contain to their root elements. Other kinds
// would change what belongs to the org (profiles, standard value sets, settings) or run code in it.
var roots = map[string]string{
	"object": "CustomObject", "field": "CustomField", "listView": "ListView", "compactLayout": "CompactLayout",
	"validationRule": "ValidationRule", "layout": "Layout", "permissionset": "PermissionSet", "tab": "CustomTab",
	"globalValueSet": "GlobalValueSet", "reportType": "ReportType", "report": "Report", "reportFolder": "ReportFolder",
	"dashboard": "Dashboard", "app": "CustomApplication", "flexipage": "FlexiPage", "dashboardFolder": "DashboardFolder",
}

const xmlNamespace = "http://soap.sforce.com/2006/04/metadata"

// components reads every file of the package. A file that cannot be read fails the test.
func components(t *testing.T) map[string][]component {
	t.Helper()
	found := map[string][]component{}
	err := fs.WalkDir(Files(), metadata, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, ok := strings.CutSuffix(path.Base(p), "-meta.xml")
		if !ok {
			t.Errorf("%s is not named …-meta.xml: it would not be deployed", p)
			return nil
		}
		suffix := strings.TrimPrefix(path.Ext(name), ".")
		c := component{file: p, kind: roots[suffix], name: strings.TrimSuffix(name, "."+suffix), folder: path.Base(path.Dir(p))}
		if c.kind == "" {
			t.Errorf("%s: the package may not contain files of this kind", p)
			return nil
		}
		data, err := fs.ReadFile(Files(), p)
		if err != nil {
			return err
		}
		if err := xml.Unmarshal(data, &c.root); err != nil {
			t.Errorf("%s: %v", p, err)
			return nil
		}
		if c.root.XMLName != (xml.Name{Space: xmlNamespace, Local: c.kind}) {
			t.Errorf("%s: the root is %v, not %s", p, c.root.XMLName, c.kind)
		}
		if full := c.root.get("fullName"); full != "" && full != c.name {
			t.Errorf("%s: fullName is %s", p, full)
		}
		found[c.kind] = append(found[c.kind], c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// listViewTokens, reportTokens and layoutFields are the standard fields that the files use, in the spelling
// of each kind of file.
var (
	listViewTokens = []string{"NAME", "CREATED_DATE"}
	reportTokens   = []string{"CUST_NAME", "CUST_CREATED_DATE", "RowCount"}
	layoutFields   = []string{"Name", "OwnerId", "CreatedById", "LastModifiedById"}
	typeFields     = []string{"Name", "Owner", "CreatedDate", "LastModifiedDate"}
	// parentFields are the fields of Lead, Contact and Account that the report type reaches over a lookup.
	parentFields = map[string][]string{
		"Lead":    {"Company", "Title", "LeadSource", "Status", "Industry"},
		"Contact": {"Title", "Department"},
		"Account": {"Industry", "Type"},
	}
	// standardGrants are the fields of standard objects that a permission set grants.
	standardGrants = []string{
		"Lead.Email", "Contact.Email", "Contact.AccountId", "Task.ActivityDate", "Task.Description", "Task.Type", "Task.WhatId", "Task.WhoId",
		"Event.Description", "Event.Type", "Event.WhatId", "Event.WhoId",
	}
)

func TestSource(t *testing.T) {
	m := mustLoad(t)
	inMail := mustObject(t, m, "InMail__c")
	all := components(t)
	field := func(name string) (Field, bool) {
		f, ok := inMail.Field(name)
		return f, ok && f.Name == name // files spell it exactly
	}
	// own reports whether column, such as InMail__c.Status__c, is a field of InMail__c.
	own := func(column string) bool {
		name, ok := strings.CutPrefix(column, "InMail__c.")
		_, known := field(name)
		return ok && known
	}

	t.Run("every kind is there", func(t *testing.T) {
		for _, kind := range roots {
			if len(all[kind]) == 0 {
				t.Errorf("there is no %s", kind)
			}
		}
	})

	t.Run("project", func(t *testing.T) {
		version, err := strconv.ParseFloat(m.APIVersion, 64)
		if err != nil || version > 67 || !strings.HasSuffix(m.APIVersion, ".0") {
			t.Errorf("sourceApiVersion is %q: not a version up to 67.0, which every org knows", m.APIVersion)
		}
		data, err := fs.ReadFile(Files(), projectFile)
		if err != nil {
			t.Fatal(err)
		}
		var project struct {
			PackageDirectories []struct{ Path string }
		}
		if err := json.Unmarshal(data, &project); err != nil || len(project.PackageDirectories) != 2 || !strings.HasPrefix(metadata, project.PackageDirectories[0].Path+"/") ||
			project.PackageDirectories[1].Path != "translations" {
			t.Errorf("package directories are %v (%v), the files are under %s", project.PackageDirectories, err, metadata)
		}
	})

	t.Run("nothing replaces what belongs to the org", func(t *testing.T) {
		for _, l := range all["Layout"] {
			if !strings.HasPrefix(l.name, "InMail__c-") {
				t.Errorf("%s would replace an entire layout of the org", l.file)
			}
		}
		for _, o := range all["CustomObject"] {
			if o.name != "InMail__c" {
				t.Errorf("%s would change an object of the org", o.file)
			}
		}
		for _, o := range m.Objects {
			if !o.Custom && len(o.Rules) > 0 {
				t.Errorf("a validation rule on %s would block other work", o.Name)
			}
			for _, f := range o.Fields {
				if !o.Custom && f.Required {
					t.Errorf("%s.%s is required: nobody could save a %s without it", o.Name, f.Name, o.Name)
				}
			}
		}
	})

	t.Run("limits", func(t *testing.T) {
		limit := func(c component, what, text string, most int) {
			if n := utf8.RuneCountInString(text); n > most {
				t.Errorf("%s: %s has %d characters, at most %d", c.file, what, n, most)
			}
		}
		name := regexp.MustCompile(`^[A-Za-z](_?[A-Za-z0-9])*(__c)?$`)
		descriptions := map[string]int{"CustomField": 1000, "CustomObject": 1000, "ReportType": 255, "Report": 255, "PermissionSet": 255, "ValidationRule": 255, "Dashboard": 255, "CustomTab": 1000, "GlobalValueSet": 255}
		for kind, list := range all {
			for _, c := range list {
				if kind != "Layout" {
					limit(c, "the API name", strings.TrimSuffix(c.name, "__c"), 40)
					if !name.MatchString(c.name) {
						t.Errorf("%s: %s is no API name", c.file, c.name)
					}
				}
				for _, label := range []string{"label", "masterLabel", "pluralLabel", "name", "title"} {
					limit(c, label, c.root.get(label), 40)
				}
				if kind != "ValidationRule" { // these have no label
					if c.root.get("label")+c.root.get("masterLabel")+c.root.get("name")+c.root.get("title") == "" && kind != "CustomTab" && kind != "Layout" {
						t.Errorf("%s has no label", c.file)
					}
				}
				limit(c, "help text", c.root.get("inlineHelpText"), 510)
				limit(c, "error message", c.root.get("errorMessage"), 255)
				if most, ok := descriptions[kind]; ok {
					limit(c, "description", c.root.get("description"), most)
					if c.root.get("description") == "" {
						t.Errorf("%s has no description", c.file)
					}
				}
				if kind == "CustomField" && c.root.get("inlineHelpText") == "" {
					t.Errorf("%s has no help text", c.file)
				}
				if kind == "CustomField" && c.root.at("formula").Text != "" && utf8.RuneCountInString(c.root.at("formula").Text) > 3900 {
					t.Errorf("%s: the formula is longer than 3,900 characters", c.file)
				}
			}
		}
	})

	t.Run("R01_no_email_field", func(t *testing.T) {
		for _, o := range m.Objects {
			for _, f := range o.Fields {
				if f.Type == "Email" || strings.Contains(strings.ToLower(f.Name), "mail_address") || strings.Contains(strings.ToLower(f.Label), "e-mail") {
					t.Errorf("%s.%s would store an e-mail address", o.Name, f.Name)
				}
			}
		}
	})

	t.Run("lookups", func(t *testing.T) {
		visited := map[string]string{}
		for _, f := range inMail.Fields {
			if f.Type != Lookup {
				continue
			}
			key := strings.ToLower(f.ReferenceTo + "." + f.RelationshipName)
			if other, taken := visited[key]; taken || f.RelationshipName == "" {
				t.Errorf("%s: relationshipName %q of %s is that of %q too", f.Name, f.RelationshipName, f.ReferenceTo, other)
			}
			visited[key] = f.Name
		}
	})

	t.Run("rules and formulas name fields that exist", func(t *testing.T) {
		quoted := regexp.MustCompile(`"[^"]*"`)
		custom := regexp.MustCompile(`\b\w+__[cr]\b`)
		look := func(where, formula string) {
			for _, name := range custom.FindAllString(quoted.ReplaceAllString(formula, ""), -1) {
				if _, ok := field(name); !ok {
					t.Errorf("%s: %s does not exist", where, name)
				}
			}
		}
		for _, r := range inMail.Rules {
			look(r.Name, r.Formula)
		}
		for _, f := range inMail.Fields {
			look(f.Name, f.Formula)
		}
	})

	t.Run("permission sets name fields and tabs that exist", func(t *testing.T) {
		for _, c := range all["PermissionSet"] {
			if c.root.get("license") != "" {
				t.Errorf("%s is bound to a licence: it could not be given to others", c.file)
			}
			visited := map[string]bool{}
			for _, name := range childTexts(c.root.all("fieldPermissions"), "field") {
				o, f, _ := strings.Cut(name, ".")
				if o == "Task" || o == "Event" {
					o = "Activity"
				}
				object, _ := m.Object(o)
				if known, ok := object.Field(f); (!ok || known.Name != f) && !slices.Contains(standardGrants, name) {
					t.Errorf("%s: %s does not exist", c.file, name)
				} else if known.Required {
					t.Errorf("%s: %s is required and cannot be granted", c.file, name)
				}
				if visited[name] {
					t.Errorf("%s: %s twice", c.file, name)
				}
				visited[name] = true
			}
			for _, tab := range childTexts(c.root.all("tabSettings"), "tab") {
				if !slices.ContainsFunc(all["CustomTab"], func(t component) bool { return t.name == tab }) {
					t.Errorf("%s: tab %s does not exist", c.file, tab)
				}
			}
		}
		for _, o := range m.Objects {
			for _, f := range o.Fields {
				as := o.Name
				if as == "Activity" {
					as = "Task"
				}
				if p, _ := m.PermissionSet(IntegrationSet); !f.Required && !p.Fields[as+"."+f.Name].Read {
					t.Errorf("%s.%s is not granted to the integration user: writes would fail with INVALID_FIELD", as, f.Name)
				}
			}
		}
	})

	t.Run("tabs", func(t *testing.T) {
		for _, c := range all["CustomTab"] {
			if _, ok := m.Object(c.name); !ok || c.root.get("customObject") != "true" || c.root.get("motif") == "" {
				t.Errorf("%s: a tab needs an object of the package, customObject and a motif", c.file)
			}
		}
	})

	t.Run("list views name fields and values that exist", func(t *testing.T) {
		labels := map[string]bool{}
		for _, c := range all["ListView"] {
			ok := func(name string) bool {
				_, known := field(name)
				return known || slices.Contains(listViewTokens, name)
			}
			if labels[c.root.get("label")] {
				t.Errorf("%s: another list view has this label", c.file)
			}
			labels[c.root.get("label")] = true
			if len(c.root.all("columns")) == 0 || c.root.get("filterScope") == "" {
				t.Errorf("%s has no columns or no filterScope", c.file)
			}
			for _, column := range c.root.texts("columns") {
				if !ok(column) {
					t.Errorf("%s: column %s does not exist", c.file, column)
				}
			}
			for _, filter := range c.root.all("filters") {
				if !ok(filter.get("field")) {
					t.Errorf("%s: filter on %s, which does not exist", c.file, filter.get("field"))
				}
				checkValues(t, c, inMail, filter.get("field"), filter.get("value"))
			}
		}
		for _, wanted := range []string{"Unopened_a_Day_Left", "Replied_Not_Answered", "Unmatched"} {
			if !slices.ContainsFunc(all["ListView"], func(c component) bool { return c.name == wanted }) {
				t.Errorf("there is no list view %s", wanted)
			}
		}
	})

	t.Run("layout, compact layout and search layouts name fields that exist", func(t *testing.T) {
		for _, c := range all["Layout"] {
			visited := map[string]bool{}
			for _, item := range c.root.descendants("layoutItems") {
				name, behavior := item.get("field"), item.get("behavior")
				f, known := field(name)
				if !known && !slices.Contains(layoutFields, name) {
					t.Errorf("%s: %s does not exist", c.file, name)
				}
				if visited[name] {
					t.Errorf("%s: %s twice", c.file, name)
				}
				visited[name] = true
				// The fields are read-only, because InMails are changed where they are sent.
				want := "Readonly"
				if f.Required {
					want = "Required" // the org accepts nothing else
				} else if name == "OwnerId" {
					want = "Edit"
				}
				if behavior != want {
					t.Errorf("%s: %s is %s, not %s", c.file, name, behavior, want)
				}
			}
			for _, f := range inMail.Fields {
				if !visited[f.Name] {
					t.Errorf("%s: %s is not on it", c.file, f.Name)
				}
			}
		}
		notCompact := []FieldType{LongTextArea, MultiselectPicklist}
		for _, c := range all["CompactLayout"] {
			fields := c.root.texts("fields")
			if len(fields) == 0 || len(fields) > 10 {
				t.Errorf("%s has %d fields, not 1 to 10", c.file, len(fields))
			}
			for _, name := range fields {
				if f, ok := field(name); !ok || slices.Contains(notCompact, f.Type) {
					t.Errorf("%s: %s does not exist or is not allowed there", c.file, name)
				}
			}
		}
		for _, c := range all["CustomObject"] {
			if assigned := c.root.get("compactLayoutAssignment"); !slices.ContainsFunc(all["CompactLayout"], func(l component) bool { return l.name == assigned }) {
				t.Errorf("%s: compact layout %s does not exist", c.file, assigned)
			}
			for _, n := range c.root.at("searchLayouts").Children {
				if _, ok := field(strings.TrimSpace(n.Text)); !ok {
					t.Errorf("%s: %s names %s, which does not exist", c.file, n.XMLName.Local, n.Text)
				}
			}
			for _, on := range []string{"enableActivities", "enableReports", "enableSearch", "enableHistory"} {
				if c.root.get(on) != "true" {
					t.Errorf("%s: %s is %q", c.file, on, c.root.get(on))
				}
			}
			// An org refuses an object that has only some of the three.
			for _, on := range []string{"enableBulkApi", "enableSharing", "enableStreamingApi"} {
				if c.root.get(on) != "true" {
					t.Errorf("%s: %s is %q", c.file, on, c.root.get(on))
				}
			}
		}
	})

	t.Run("report types name fields that exist", func(t *testing.T) {
		for _, c := range all["ReportType"] {
			if c.name == "Leads_and_InMails" {
				continue // below
			}
			if c.root.get("baseObject") != "InMail__c" || c.root.get("deployed") != "true" || len(c.root.all("sections")) == 0 {
				t.Errorf("%s: not a deployed report type of InMail__c with sections", c.file)
			}
			visited := map[string]bool{}
			for _, column := range c.root.descendants("columns") {
				name := column.get("field")
				lookup, of, over := strings.Cut(name, ".")
				f, known := field(lookup)
				switch {
				case column.get("table") != "InMail__c":
					t.Errorf("%s: table %s is not in it", c.file, column.get("table"))
				case over && !slices.Contains(parentFields[f.ReferenceTo], of):
					t.Errorf("%s: %s does not exist", c.file, name)
				case !known && !slices.Contains(typeFields, name):
					t.Errorf("%s: %s does not exist", c.file, name)
				case visited[name]:
					t.Errorf("%s: %s twice", c.file, name)
				}
				visited[name] = true
			}
			for _, f := range inMail.Fields {
				if !visited[f.Name] && f.Type != LongTextArea {
					t.Errorf("%s: %s is missing: nobody could report on it", c.file, f.Name)
				}
			}
		}
	})

	t.Run("the report type of Leads reaches those without InMails", func(t *testing.T) {
		at := slices.IndexFunc(all["ReportType"], func(c component) bool { return c.name == "Leads_and_InMails" })
		if at < 0 {
			t.Fatal("it is not there")
		}
		r := all["ReportType"][at].root
		lead, _ := field("Lead__c")
		if r.get("baseObject") != "Lead" || r.get("deployed") != "true" || r.at("join").get("outerJoin") != "true" || r.at("join").get("relationship") != lead.RelationshipName+"__r" {
			t.Errorf("of %s, joined by %v", r.get("baseObject"), r.at("join"))
		}
		for _, column := range r.descendants("columns") {
			name := column.get("field")
			if _, known := field(name); column.get("table") == "Lead.InMails__r" && !known || column.get("table") == "Lead" && strings.HasSuffix(name, "__c") {
				t.Errorf("%s does not exist", name)
			}
		}
	})

	t.Run("reports name fields and values that exist", func(t *testing.T) {
		ok := func(column string) bool { return own(column) || slices.Contains(reportTokens, column) }
		names := map[string]bool{}
		for _, c := range all["Report"] {
			r := c.root
			// An org refuses a report on a custom report type that is created by the same deployment.
			if r.get("reportType") != "CustomEntity$InMail__c" {
				t.Errorf("%s: reportType is %s", c.file, r.get("reportType"))
			}
			if names[r.get("name")] {
				t.Errorf("%s: another report has this name", c.file)
			}
			names[r.get("name")] = true
			if !slices.ContainsFunc(all["ReportFolder"], func(f component) bool { return f.name == c.folder }) {
				t.Errorf("%s: there is no report folder %s", c.file, c.folder)
			}
			groups := childTexts(r.all("groupingsDown"), "field")
			if (r.get("format") == "Summary") != (len(groups) > 0) || len(groups) > 3 || len(r.all("groupingsAcross")) > 0 {
				t.Errorf("%s: %s with %d groupings", c.file, r.get("format"), len(groups))
			}
			for _, column := range append(childTexts(r.all("columns"), "field"), append(groups, r.at("timeFrameFilter").get("dateColumn"))...) {
				if !ok(column) {
					t.Errorf("%s: %s does not exist", c.file, column)
				}
			}
			for _, column := range r.all("columns") {
				if slices.Contains(groups, column.get("field")) {
					t.Errorf("%s: %s is a column and a grouping", c.file, column.get("field"))
				}
				if f, _ := field(strings.TrimPrefix(column.get("field"), "InMail__c.")); column.get("aggregateTypes") == "Sum" && f.Type != Number {
					t.Errorf("%s: a sum over %s, a %s", c.file, column.get("field"), f.Type)
				}
			}
			if sort := r.get("sortColumn"); sort != "" && !slices.Contains(childTexts(r.all("columns"), "field"), sort) {
				t.Errorf("%s: sorted by %s, which it does not show", c.file, sort)
			}
			for _, filter := range r.at("filter").all("criteriaItems") {
				if !ok(filter.get("column")) {
					t.Errorf("%s: filter on %s, which does not exist", c.file, filter.get("column"))
				}
				checkValues(t, c, inMail, strings.TrimPrefix(filter.get("column"), "InMail__c."), filter.get("value"))
			}
			formulas := childTexts(r.all("aggregates"), "developerName")
			for _, a := range r.all("aggregates") {
				for _, name := range regexp.MustCompile(`InMail__c\.\w+`).FindAllString(a.get("calculatedFormula"), -1) {
					if !own(name) || !slices.Contains(childTexts(r.all("columns"), "field"), name) {
						t.Errorf("%s: its formula adds up %s, which it does not show", c.file, name)
					}
				}
			}
			if chart := r.at("chart"); len(chart.Children) > 0 {
				if !slices.Contains(groups, chart.get("groupingColumn")) || chart.get("summaryAxisRange") == "" {
					t.Errorf("%s: the chart groups by %s, or has no summaryAxisRange", c.file, chart.get("groupingColumn"))
				}
				for _, s := range childTexts(chart.all("chartSummaries"), "column") {
					if !slices.Contains(append(formulas, "RowCount"), s) {
						t.Errorf("%s: the chart shows %s, the report does not", c.file, s)
					}
				}
			}
		}
	})

	t.Run("dashboard shows what its reports have", func(t *testing.T) {
		reports := map[string]node{}
		for _, c := range all["Report"] {
			reports[c.folder+"/"+c.name] = c.root
		}
		for _, c := range all["Dashboard"] {
			// A named running user exists in one org only.
			if c.root.get("dashboardType") != "LoggedInUser" || c.root.get("runningUser") != "" {
				t.Errorf("%s runs as %s %s", c.file, c.root.get("dashboardType"), c.root.get("runningUser"))
			}
			if !slices.ContainsFunc(all["DashboardFolder"], func(f component) bool { return f.name == c.folder }) {
				t.Errorf("%s: there is no dashboard folder %s", c.file, c.folder)
			}
			grid := c.root.at("dashboardGridLayout")
			width, _ := strconv.Atoi(grid.get("numberOfColumns"))
			taken := map[[2]int]string{}
			for _, cell := range grid.all("dashboardGridComponents") {
				d := cell.at("dashboardComponent")
				title := d.get("title")
				if n := utf8.RuneCountInString(title); n == 0 || n > 40 || utf8.RuneCountInString(d.get("footer")) > 80 {
					t.Errorf("%s: title %q or its footer is missing or too long", c.file, title)
				}
				r, ok := reports[d.get("report")]
				if !ok {
					t.Errorf("%s: %s: report %s does not exist", c.file, title, d.get("report"))
					continue
				}
				for _, s := range childTexts(d.all("chartSummary"), "column") {
					if !slices.Contains(append(childTexts(r.all("aggregates"), "developerName"), "RowCount"), s) {
						t.Errorf("%s: %s: shows %s, which %s does not have", c.file, title, s, d.get("report"))
					}
				}
				if d.get("componentType") != "Metric" {
					if groups := childTexts(r.all("groupingsDown"), "field"); len(groups) != 1 || groups[0] != d.get("groupingColumn") {
						t.Errorf("%s: %s: groups by %s, %s by %v", c.file, title, d.get("groupingColumn"), d.get("report"), groups)
					}
					// An org requires both of every chart, though its guide does not say so.
					if d.get("sortBy") == "" || d.get("chartAxisRange") == "" {
						t.Errorf("%s: %s: a chart needs sortBy and chartAxisRange", c.file, title)
					}
				}
				number := func(name string) int { n, _ := strconv.Atoi(cell.get(name)); return n }
				if number("columnIndex")+number("colSpan") > width || number("colSpan") < 1 || number("rowSpan") < 1 {
					t.Errorf("%s: %s does not fit the grid of %d columns", c.file, title, width)
				}
				for x := number("columnIndex"); x < number("columnIndex")+number("colSpan"); x++ {
					for y := number("rowIndex"); y < number("rowIndex")+number("rowSpan"); y++ {
						if other := taken[[2]int{x, y}]; other != "" {
							t.Fatalf("%s: %s overlaps %s", c.file, title, other)
						}
						taken[[2]int{x, y}] = title
					}
				}
			}
			if n := len(grid.all("dashboardGridComponents")); n == 0 || n > 20 {
				t.Errorf("%s has %d components, not 1 to 20", c.file, n)
			}
		}
	})
}

// checkValues checks that a filter on a restricted picklist uses values of the picklist.
func checkValues(t *testing.T, c component, o Object, name, value string) {
	t.Helper()
	f, _ := o.Field(name)
	if !f.Restricted {
		return
	}
	for _, v := range strings.Split(value, ",") {
		if !slices.Contains(f.Values, v) {
			t.Errorf("%s: filter on %s: no value %q", c.file, name, v)
		}
	}
}

func childTexts(nodes []node, name string) []string {
	var texts []string
	for _, n := range nodes {
		texts = append(texts, n.get(name))
	}
	return texts
}

// TestNumbersAreTheRules compares every number of days and hours in the texts of the package and its README
// with the rules, and names the file of each text whose number has changed.
func TestNumbersAreTheRules(t *testing.T) {
	numbers := regexp.MustCompile(`\b(\d+)[ -](days?|hours?|h)\b`)
	reply := strconv.Itoa(domain.DefaultPolicy().ResponseWindowDays)
	allowed := []string{reply + " days", "90 days", "14 days", "24 hours", "1 day"} // 90, 14: how far reports and list views look back
	check := func(name string, text []byte) {
		for _, found := range numbers.FindAllString(string(text), -1) {
			if !slices.Contains(allowed, found) {
				t.Errorf("%s says %q; the response window is %s days, and Expires At gives the time to open", name, found, reply)
			}
		}
	}
	err := fs.WalkDir(Files(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(Files(), name)
		check(name, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	m := mustLoad(t)
	for _, name := range []string{"Response_Rate_State__c", "Replied_In_Time__c"} {
		f, _ := mustObject(t, m, "InMail__c").Field(name)
		if !strings.Contains(f.Description, "is not "+reply+", change the "+reply) || !strings.Contains(f.Formula, "+ "+reply) {
			t.Errorf("%s is not for a response window of %s days: %s", name, reply, f.Formula)
		}
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := "`response_window_days` than " + reply + ", change the " + reply; !strings.Contains(string(readme), want) {
		t.Errorf("README.md does not say %q", want)
	}
}

// TestREADME compares the administrator's guide with the package: what it names exists, and what an
// administrator must know of is named.
func TestREADME(t *testing.T) {
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	m := mustLoad(t)
	for _, o := range m.Objects {
		for _, f := range o.Fields {
			if !strings.Contains(text, "`"+f.Name+"`") {
				t.Errorf("README.md does not name the field %s", f.Name)
			}
		}
		for _, r := range o.Rules {
			if !strings.Contains(text, r.Name) || !strings.Contains(text, r.Message) {
				t.Errorf("README.md does not explain the rule %s: %s", r.Name, r.Message)
			}
		}
	}
	for _, p := range m.PermissionSets {
		if !strings.Contains(text, p.Name) || !strings.Contains(text, p.Label) {
			t.Errorf("README.md does not name the permission set %s, %s", p.Name, p.Label)
		}
	}
	for kind, list := range components(t) {
		for _, c := range list {
			if label := c.root.get("label") + c.root.get("name"); (kind == "ListView" || kind == "Report" || kind == "ReportType") && !strings.Contains(text, label) {
				t.Errorf("README.md does not name the %s %q", kind, label)
			}
		}
	}
	for _, name := range regexp.MustCompile("`([A-Za-z_]+__c)`").FindAllStringSubmatch(text, -1) {
		if !slices.ContainsFunc(m.Objects, func(o Object) bool {
			_, ok := o.Field(name[1])
			return ok || o.Name == name[1]
		}) {
			t.Errorf("README.md names %s, which does not exist", name[1])
		}
	}
	for _, p := range regexp.MustCompile("`(force-app/[^` ]+)`").FindAllStringSubmatch(text, -1) {
		if _, err := fs.Stat(Files(), strings.TrimSuffix(p[1], "/")); err != nil {
			t.Error(fmt.Errorf("README.md: %w", err))
		}
	}
}

// bounds are the indexed fields that may bound a report or list view, by their names in the files.
var bounds = map[string]string{"CREATED_DATE": "CreatedDate", "CUST_CREATED_DATE": "CreatedDate",
	"Cohort_Monday__c": "Cohort_Monday__c", "InMail__c.Cohort_Monday__c": "Cohort_Monday__c"}

// boundOf returns the indexed field that bounds a report or list view, and the days that it lets through.
func boundOf(c component) (field, days string) {
	if c.kind == "Report" {
		frame := c.root.at("timeFrameFilter")
		if days, ok := strings.CutPrefix(frame.get("interval"), "INTERVAL_LAST"); ok {
			return bounds[frame.get("dateColumn")], days
		}
		return "", ""
	}
	for _, f := range c.root.all("filters") {
		days, ok := strings.CutPrefix(f.get("value"), "LAST_N_DAYS:")
		if ok && f.get("operation") == "greaterOrEqual" && bounds[f.get("field")] != "" {
			return bounds[f.get("field")], days
		}
	}
	return "", ""
}

// TestEveryReportAndListViewIsBounded checks that an indexed field bounds every report and list view, so that
// it runs over millions of records, that README.md lists each with its field, and that the bound leaves out
// no InMail that can still be opened where these are asked for.
func TestEveryReportAndListViewIsBounded(t *testing.T) {
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(data), "\n## At five million records\n")
	if section, _, _ = strings.Cut(section, "\n## "); !ok {
		t.Fatal("README.md has no section of them")
	}
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (.+) \\| (report|list view) \\| `(\\w+)` \\| (\\d+) \\|$").FindAllString(section, -1) {
		listed[row] = true
	}
	all := components(t)
	for kind, named := range map[string]string{"Report": "report", "ListView": "list view"} {
		for _, c := range all[kind] {
			field, days := boundOf(c)
			if field == "" {
				t.Errorf("%s is bounded by no indexed field", c.file)
				continue
			}
			open := slices.ContainsFunc(c.root.all("filters"), func(f node) bool { return f.get("field") == "Hours_Left__c" })
			if n, err := strconv.Atoi(days); err != nil || open && n < rates.OpenCompleteDays {
				t.Errorf("%s is bounded by %s days, and shows what can be opened until %d days after its Monday", c.file, days, rates.OpenCompleteDays)
			}
			row := fmt.Sprintf("| %s | %s | `%s` | %s |", c.root.get("label")+c.root.get("name"), named, field, days)
			if !listed[row] {
				t.Errorf("README.md lacks the row\n%s", row)
			}
			delete(listed, row)
		}
	}
	for row := range listed {
		t.Errorf("README.md lists what is not there: %s", row)
	}
}

// TestTranslations checks that every label of the package has a translation into each language, that none is
// longer than an org takes, and that the table of labels says what the package says.
func TestTranslations(t *testing.T) {
	file, err := os.ReadFile("labels.csv")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	languages := rows[0][3:]
	if want := []string{"de", "fr", "es", "ja", "pt_BR"}; !slices.Equal(languages, want) {
		t.Errorf("languages are %v, not %v", languages, want)
	}
	english := map[string]string{}
	for _, row := range rows[1:] {
		english[row[0]+"."+row[1]] = row[2]
	}
	read := func(name string) (n node) {
		data, err := os.ReadFile(name)
		if err == nil {
			err = xml.Unmarshal(data, &n)
		}
		if err != nil {
			t.Errorf("no translation: %v", err)
		}
		return n
	}
	label := func(where, text string) {
		if n := utf8.RuneCountInString(text); n == 0 || n > 40 {
			t.Errorf("%s: %q has %d characters, not 1 to 40", where, text, n)
		}
	}
	m := mustLoad(t)
	for _, language := range languages {
		for _, o := range m.Objects {
			dir := path.Join("translations/main/default/objectTranslations", o.Name+"-"+language)
			for _, f := range o.Fields {
				name := path.Join(dir, f.Name+".fieldTranslation-meta.xml")
				n := read(name)
				label(name, n.get("label"))
				if english[o.Name+"."+f.Name] != f.Label {
					t.Errorf("labels.csv: %s of %s is %q in English, not %q", f.Name, o.Name, english[o.Name+"."+f.Name], f.Label)
				}
				if !f.Restricted {
					continue
				}
				if values := childTexts(n.all("picklistValues"), "masterLabel"); !slices.Equal(values, f.Values) {
					t.Errorf("%s: values %v, not %v", name, values, f.Values)
				}
				for _, value := range childTexts(n.all("picklistValues"), "translation") {
					label(name, value)
				}
			}
		}
		reportTypes := read(path.Join("translations/main/default/translations", language+".translation-meta.xml")).all("reportTypes")
		for _, c := range components(t)["ReportType"] {
			at := slices.IndexFunc(reportTypes, func(n node) bool { return n.get("name") == c.name })
			if at < 0 || english["ReportType."+c.name] != c.root.get("label") {
				t.Errorf("%s: no translation of %s, or of another label", language, c.name)
				continue
			}
			label(c.name, reportTypes[at].get("label"))
		}
	}
}
