package sandbox

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	sfpackage "inmail/connectors/salesforce/package"
)

// layouts are the page layouts of the org by name, such as Lead-Lead Layout. They end with the process.
type layouts struct {
	mu     sync.Mutex
	byName map[string]*layout
}

// layout is a page layout as the Metadata API holds it.
type layout struct {
	id, name string
	elements []sfpackage.Element
}

// object is the name of the object that a layout is of.
func (l *layout) object() string { before, _, _ := strings.Cut(l.name, "-"); return before }

// standardLayouts are the layouts of a new org; the second of Lead is an administrator's.
var standardLayouts = []string{"Account-Account Layout", "Campaign-Campaign Layout", "Contact-Contact Layout",
	"Lead-Lead Layout", "Lead-Lead %28Marketing%29 Layout", "Task-Task Layout"}

// newLayouts makes the layouts of a new org: the required fields, and the related lists of activities.
func (s *schema) newLayouts() *layouts {
	ls := &layouts{byName: map[string]*layout{}}
	for _, name := range standardLayouts {
		object, _, _ := strings.Cut(name, "-")
		var items strings.Builder
		for _, f := range s.object(object).fields {
			if f.required {
				fmt.Fprintf(&items, "<layoutItems><behavior>Required</behavior><field>%s</field></layoutItems>", f.name)
			}
		}
		elements := []sfpackage.Element{{Name: "layoutSections", XML: "<layoutSections><customLabel>false</customLabel>" +
			"<detailHeading>false</detailHeading><editHeading>true</editHeading><label>Information</label>" +
			"<layoutColumns>" + items.String() + "</layoutColumns><style>OneColumn</style></layoutSections>"}}
		if object != "Task" {
			elements = append(elements, sfpackage.Element{Name: "relatedLists",
				XML: "<relatedLists><relatedList>RelatedActivityList</relatedList></relatedLists>"})
		}
		elements = append(elements, sfpackage.Element{Name: "showEmailCheckbox",
			XML: "<showEmailCheckbox>false</showEmailCheckbox>"})
		ls.put(name, elements)
	}
	return ls
}

func (ls *layouts) put(name string, elements []sfpackage.Element) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.byName[name]
	if l == nil {
		l = &layout{id: newID("00h", uint64(len(ls.byName))+1), name: name}
	}
	ls.byName[name] = &layout{id: l.id, name: name, elements: elements}
}

func (ls *layouts) get(name string) *layout {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.byName[name]
}

// of returns the layout of an object that its records are shown with: the first by name.
func (ls *layouts) of(o *object) *layout {
	for _, name := range ls.names() {
		if l := ls.get(name); l.object() == o.name {
			return l
		}
	}
	return nil
}

func (ls *layouts) names() (names []string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for name := range ls.byName {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// layoutElements are the elements that a layout may have.
var layoutElements = []string{"customButtons", "customConsoleComponents", "emailDefault", "excludeButtons",
	"feedLayout", "headers", "layoutSections", "miniLayout", "multilineLayoutFields", "platformActionList",
	"quickActionList", "relatedContent", "relatedLists", "relatedObjects", "runAssignmentRulesDefault",
	"showEmailCheckbox", "showHighlightsPanel", "showInteractionLogPanel", "showKnowledgeComponent",
	"showRunAssignmentRulesCheckbox", "showSolutionSection", "showSubmitAndAttachButton", "summaryLayout"}

// standardLists are the related lists of a layout that belong to no lookup.
var standardLists = []string{"RelatedActivityList", "RelatedHistoryList", "RelatedEntityHistoryList",
	"RelatedNoteList", "RelatedFileList"}

// maxListColumns is how many columns a related list may have.
const maxListColumns = 10

// checkLayout returns what the org refuses of a layout; empty: nothing. has reports whether an object, or a
// field of one, is in the org or comes with the same deployment.
func (s *Sandbox) checkLayout(name string, elements []sfpackage.Element, has func(object, field string) bool) string {
	object, _, named := strings.Cut(name, "-")
	if _, err := url.PathUnescape(name); err != nil || !named {
		return "the name is not that of a layout: Object-Layout Name"
	}
	o := s.schema.object(object)
	if o == nil || !has(object, "") {
		return fmt.Sprintf("Parent entity failed to deploy: no CustomObject named %s found", object)
	}
	lists := map[string]bool{}
	for _, e := range elements {
		switch {
		case !slices.Contains(layoutElements, e.Name):
			return fmt.Sprintf("Element %s invalid at this location in type Layout", e.Name)
		case e.Name == "layoutSections":
			if problem := checkSection(object, e, has); problem != "" {
				return problem
			}
		case e.Name == "relatedLists":
			list := e.Child("relatedList")
			if lists[list] {
				return "Duplicate related list: " + list
			}
			lists[list] = true
			if problem := s.checkList(o, list, e, has); problem != "" {
				return problem
			}
		}
	}
	return ""
}

// checkSection checks that the fields of a section are there.
func checkSection(object string, e sfpackage.Element, has func(object, field string) bool) string {
	for part := range strings.SplitSeq(e.XML, "<field>") {
		name, _, ok := strings.Cut(part, "</field>")
		if ok && !has(object, name) {
			return fmt.Sprintf("In field: field - no CustomField named %s.%s found", object, name)
		}
	}
	return ""
}

// checkList checks a related list of a layout.
func (s *Sandbox) checkList(o *object, list string, e sfpackage.Element, has func(object, field string) bool) string {
	if slices.Contains(standardLists, list) {
		return ""
	}
	child, field, _ := strings.Cut(list, ".")
	from := s.schema.object(child)
	if from == nil || !has(child, field) || from.field(field) == nil || !slices.Contains(from.field(field).refersTo, o.name) {
		return "Cannot find related list:" + list
	}
	columns := e.Children("fields")
	if len(columns) > maxListColumns {
		return fmt.Sprintf("related list %s has %d columns, at most %d are allowed", list, len(columns), maxListColumns)
	}
	for _, column := range append(columns, e.Children("sortField")...) {
		if column != "NAME" && !has(child, column) {
			return fmt.Sprintf("Invalid field:%s in related list:%s", column, list)
		}
	}
	if order := e.Child("sortOrder"); order != "" && order != "Asc" && order != "Desc" {
		return fmt.Sprintf("'%s' is not a valid value for the enum 'SortOrder'", order)
	}
	return ""
}

// describe returns the related lists of a layout as describe/layouts does. Sections are left out: no client
// of this sandbox draws a page.
func (l *layout) describe(c *call, o *object) map[string]any {
	lists := []any{}
	for _, e := range l.elements {
		child, field, ok := strings.Cut(e.Child("relatedList"), ".")
		from := c.sandbox.schema.object(child)
		if e.Name != "relatedLists" || !ok || from == nil || !c.who.sees(from) || c.who.visible(from, field) == nil {
			continue
		}
		columns := []any{}
		for _, name := range e.Children("fields") {
			if name == "NAME" {
				name = from.nameAt.name
			}
			if f := c.who.visible(from, name); f != nil {
				columns = append(columns, map[string]any{"field": from.name + "." + f.name, "fieldApiName": f.name,
					"format": nil, "label": f.label, "lookupId": nil, "name": f.name})
			}
		}
		sort := []any{}
		if by := e.Child("sortField"); by != "" {
			sort = append(sort, map[string]any{"column": by, "ascending": e.Child("sortOrder") != "Desc"})
		}
		lists = append(lists, map[string]any{"accessLevelRequiredForCreate": nil, "buttons": []any{}, "columns": columns,
			"custom": from.custom(), "field": field, "label": from.plural, "limitRows": 6,
			"name": from.field(field).children, "sobject": from.name, "sort": sort})
	}
	return map[string]any{"id": l.id, "buttonLayoutSection": nil, "detailLayoutSections": []any{},
		"editLayoutSections": []any{}, "feedView": nil, "highlightsPanelLayoutSection": nil, "multirowEditLayoutSections": []any{},
		"offlineLinks": []any{}, "quickActionList": nil, "relatedContent": nil, "relatedLists": lists, "saveOptions": []any{}}
}
