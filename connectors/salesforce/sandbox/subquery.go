package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxJoins is how many semi-joins and anti-joins one query may have.
const maxJoins = 2

// childQuery is a sub-query over a child relationship: SELECT Name, (SELECT Id FROM Contacts) FROM Account.
type childQuery struct {
	relation string
	field    *field // the lookup that points at the parent
	plan     *plan
}

// addChildren resolves a sub-query of the SELECT list.
func (p planner) addChildren(q *soql, s selected) *apiError {
	in := s.children
	if len(q.groupBy) > 0 {
		return p.malformed(s.at, "a sub-query cannot be used with GROUP BY")
	}
	for _, relation := range p.schema.children[p.object] {
		if relation.field.children == "" || !strings.EqualFold(relation.field.children, in.from) ||
			!p.who.sees(relation.object) || !p.who.reads(relation.field) {
			continue
		}
		named := *in
		named.from = relation.object.name
		child, refused := newPlan(p.schema, p.source, &named, p.who, p.now, p.deleted)
		if refused != nil {
			return refused
		}
		if child.count || child.isGrouped() {
			return p.malformed(s.at, "an aggregate cannot be used in a sub-query over a relationship")
		}
		p.columns = append(p.columns, column{label: relation.field.children,
			children: &childQuery{relation: relation.field.children, field: relation.field, plan: child}})
		return nil
	}
	return &apiError{Code: "INVALID_TYPE", Message: pointAt(p.source, s.at) + fmt.Sprintf(
		"Didn't understand relationship '%s' in FROM part of query call. If you are attempting to use a custom "+
			"relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL "+
			"or the describe call for the appropriate names.", in.from)}
}

func (p *plan) hasChildren() bool {
	return slices.ContainsFunc(p.columns, func(c column) bool { return c.children != nil })
}

// of returns the plan of the sub-query for one parent.
func (c *childQuery) of(parent string) *plan {
	q := *c.plan
	inner := q.match
	q.match = func(v *view, r *record) bool { return r.at(c.field) == parent && (inner == nil || inner(v, r)) }
	if c.field.indexed() && !q.deleted { // the index lacks deleted records
		n := &q.narrow
		n.conditions = append(slices.Clone(n.conditions), c.field.sqlKey()+" = ?")
		n.args = append(slices.Clone(n.args), parent)
		if !n.keyed {
			n.keyed, n.field = true, c.field
		} else if n.field != c.field {
			n.field = nil
		}
	}
	return &q
}

// append writes the children of a record; null: it has none. All of them are in one page.
func (c *childQuery) append(out []byte, v *view, parent *record, version string) []byte {
	out = append(append(append(out, ',', '"'), c.relation...), '"', ':')
	q := c.of(parent.id())
	var numbers []uint64
	q.each(v, func(n uint64, _ *record) { numbers = append(numbers, n) })
	if len(numbers) == 0 {
		return append(out, "null"...)
	}
	out = fmt.Appendf(out, `{"totalSize":%d,"done":true,"records":[`, len(numbers))
	for i, n := range numbers {
		if i > 0 {
			out = append(out, ',')
		}
		if r := v.find(newID(q.object.prefix, n)); r != nil {
			out = q.appendRecord(out, v, r, version)
		}
	}
	return append(out, `]}`...)
}

// checkJoins refuses semi-joins and anti-joins where the org does: more than two, or within NOT or OR.
func (p planner) checkJoins(c *condition, inside bool) *apiError {
	for _, part := range c.parts {
		if refused := p.checkJoins(part, inside || c.op != "AND"); refused != nil {
			return refused
		}
	}
	if c.sub == nil {
		return nil
	}
	if inside {
		return p.malformed(c.field.at, "Semi join sub-selects are only allowed at the top level WHERE expressions and "+
			"not in nested WHERE expressions")
	}
	if p.joins++; p.joins > maxJoins {
		return p.malformed(c.field.at, "at most %d semi join sub-selects are allowed", maxJoins)
	}
	return nil
}

// join compiles IN (SELECT …) and NOT IN (SELECT …): a comparison of ids with those that another query finds.
func (p planner) join(c *condition, pt *path) (func(*view, *record) bool, *apiError) {
	in := c.sub
	if len(in.fields) != 1 || in.count || in.groupBy != nil || in.having != nil || in.orderBy != nil || in.limit >= 0 ||
		in.offset > 0 || in.fields[0].function != "" || in.fields[0].children != nil {
		return nil, p.malformed(c.field.at,
			"a semi join sub-select selects one field, without an aggregate, ORDER BY, LIMIT or OFFSET")
	}
	inner, refused := newPlan(p.schema, p.source, in, p.who, p.now, p.deleted)
	if refused != nil {
		return nil, refused
	}
	outerTargets, outerIs := p.targets(pt, p.object)
	innerTargets, innerIs := p.targets(inner.columns[0].path, inner.object)
	switch {
	case !outerIs || !innerIs:
		return nil, p.malformed(c.field.at, "a semi join compares ids and lookups only")
	case inner.object == p.object:
		return nil, p.malformed(c.field.at, "The inner and outer selects should not be on the same object type")
	case !slices.ContainsFunc(outerTargets, func(name string) bool { return slices.Contains(innerTargets, name) }):
		return nil, p.malformed(c.field.at, "%s and %s do not refer to the same object", c.field.text, in.fields[0].text)
	}
	var found map[string]bool
	wanted := c.op == "IN"
	return func(v *view, r *record) bool {
		if found == nil {
			found = map[string]bool{}
			inner.matches(v, naturalOrder, func(r *record) bool {
				if id, ok := inner.columns[0].path.value(v, r, p.now).(string); ok {
					found[id] = true
				}
				return true
			})
		}
		id, _ := pt.value(v, r, p.now).(string)
		return found[id] == wanted
	}, nil
}

// targets are the objects whose ids a path may have; ok is false when it has no ids.
func (p planner) targets(pt *path, o *object) (names []string, ok bool) {
	if pt.field == nil {
		return nil, false
	}
	switch pt.field.kind {
	case kindReference:
		return pt.field.refersTo, true
	case kindID:
		for _, hop := range pt.hops {
			o = p.schema.object(hop.refersTo[0])
		}
		return []string{o.name}, true
	}
	return nil, false
}

// dateFunctions are SOQL's functions of a date. The fiscal year is the calendar year; weeks of a month and of
// a year are runs of seven days from its first, as in the org.
var dateFunctions = map[string]func(time.Time) any{
	"CALENDAR_MONTH":   func(t time.Time) any { return float64(t.Month()) },
	"CALENDAR_QUARTER": func(t time.Time) any { return float64((t.Month() + 2) / 3) },
	"CALENDAR_YEAR":    func(t time.Time) any { return float64(t.Year()) },
	"FISCAL_MONTH":     func(t time.Time) any { return float64(t.Month()) },
	"FISCAL_QUARTER":   func(t time.Time) any { return float64((t.Month() + 2) / 3) },
	"FISCAL_YEAR":      func(t time.Time) any { return float64(t.Year()) },
	"DAY_IN_MONTH":     func(t time.Time) any { return float64(t.Day()) },
	"DAY_IN_WEEK":      func(t time.Time) any { return float64(t.Weekday()) + 1 },
	"DAY_IN_YEAR":      func(t time.Time) any { return float64(t.YearDay()) },
	"DAY_ONLY":         func(t time.Time) any { return t.Format(time.DateOnly) },
	"HOUR_IN_DAY":      func(t time.Time) any { return float64(t.Hour()) },
	"WEEK_IN_MONTH":    func(t time.Time) any { return float64((t.Day()-1)/7 + 1) },
	"WEEK_IN_YEAR":     func(t time.Time) any { return float64((t.YearDay()-1)/7 + 1) },
}

// timeOfDay are the functions that need a datetime.
var timeOfDay = map[string]bool{"DAY_ONLY": true, "HOUR_IN_DAY": true}

// dayOf reads a value of a date or of a datetime.
func dayOf(value any) time.Time {
	switch v := value.(type) {
	case time.Time:
		return v
	case string:
		day, _ := time.Parse(time.DateOnly, v) // it was checked when it was stored
		return day
	}
	panic(fmt.Sprintf("sandbox: a date is a %T", value))
}

// columnMetadata describes one column of a query, as tools ask for it with columns=true.
type columnMetadata struct {
	Aggregate   bool             `json:"aggregate"`
	ApexType    string           `json:"apexType"`
	BooleanType bool             `json:"booleanType"`
	ColumnName  string           `json:"columnName"`
	Custom      bool             `json:"custom"`
	DisplayName string           `json:"displayName"`
	ForeignKey  *string          `json:"foreignKeyName"`
	Insertable  bool             `json:"insertable"`
	JoinColumns []columnMetadata `json:"joinColumns"`
	NumberType  bool             `json:"numberType"`
	TextType    bool             `json:"textType"`
	Updatable   bool             `json:"updatable"`
}

var apexTypes = map[kind]string{kindID: "Id", kindReference: "Id", kindBoolean: "Boolean", kindInt: "Integer",
	kindDouble: "Double", kindCurrency: "Decimal", kindDate: "Date", kindDateTime: "Datetime"}

// columnsReply answers what the columns of a query are, in place of its rows.
func (p *plan) columnsReply() reply {
	idSelected := slices.ContainsFunc(p.columns, func(c column) bool {
		return c.path != nil && c.function == "" && len(c.path.hops) == 0 && c.path.field.pos == posID
	})
	return jsonBody(http.StatusOK, map[string]any{"columnMetadata": p.describeColumns(), "entityName": p.object.name,
		"groupBy": len(p.groupBy) > 0, "idSelected": idSelected, "keyPrefix": p.object.prefix})
}

func (p *plan) describeColumns() []columnMetadata {
	out := []columnMetadata{}
	for _, c := range p.columns {
		if c.children != nil {
			out = append(out, columnMetadata{Aggregate: true, ApexType: "List", ColumnName: c.label, DisplayName: c.label,
				JoinColumns: c.children.plan.describeColumns()})
			continue
		}
		leaf := c.leaf()
		apex := apexTypes[leaf.kind]
		if apex == "" {
			apex = "String"
		}
		top := &out
		for i, hop := range c.path.hops { // a parent is a column with columns
			at := slices.IndexFunc(*top, func(m columnMetadata) bool { return m.ColumnName == hop.relationship })
			if at < 0 {
				key := c.path.hops[i].name
				*top = append(*top, columnMetadata{ApexType: "SObject", ColumnName: hop.relationship,
					DisplayName: hop.relationship, ForeignKey: &key, JoinColumns: []columnMetadata{}})
				at = len(*top) - 1
			}
			top = &(*top)[at].JoinColumns
		}
		name := leaf.name
		if c.function != "" || c.path.function != "" {
			name = c.label
		}
		plain := c.function == "" && c.path.function == "" && len(c.path.hops) == 0
		*top = append(*top, columnMetadata{Aggregate: c.function != "", ApexType: apex, ColumnName: name,
			BooleanType: leaf.kind == kindBoolean, Custom: leaf.custom(), DisplayName: name, JoinColumns: []columnMetadata{},
			Insertable: plain && leaf.createable, Updatable: plain && leaf.updateable, NumberType: leaf.kind.number(),
			TextType: leaf.kind.text() || leaf.kind == kindPicklist || leaf.kind == kindMultiselect})
	}
	return out
}
