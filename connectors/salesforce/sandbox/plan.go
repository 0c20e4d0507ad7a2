package sandbox

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxOffset is the largest OFFSET.
const maxOffset = 2000

// maxHops is how many relationships a field path may follow.
const maxHops = 5

// plan is a query whose names are resolved, for one caller at one time.
type plan struct {
	source  string
	object  *object
	who     caller
	now     time.Time
	columns []column
	count   bool
	match   func(*view, *record) bool
	narrow  narrowing // the part that indexes can answer
	groupBy []*path
	having  func(*group) bool
	orderBy []sortKey
	limit   int
	offset  int
	deleted bool // queryAll
	joins   int  // semi-joins and anti-joins
}

// column is one item of the answer.
type column struct {
	label    string // the heading in a CSV, and the name of an aggregate
	path     *path  // nil: a sub-query
	function string
	children *childQuery
}

// sortKey is one item of ORDER BY: a path, or an aggregate by its column.
type sortKey struct {
	path      *path
	column    int // position of the column, in a grouped query
	desc      bool
	nullsLast bool
}

// path is a resolved field path: the references to follow, then a field. A polymorphic reference (Who,
// What) can only be followed to one of the fields in polymorphic.
type path struct {
	names []string // as written in the query; the last is the field
	hops  []*field
	field *field
	poly  string // Name, Type, Id, …: the field of a polymorphic parent

	function string         // a date function of the field; empty: none
	zone     *time.Location // in which the function reads a datetime
}

// polymorphic lists the fields that a query may ask of any target of Who or What.
var polymorphic = map[string]string{"id": "Id", "name": "Name", "type": "Type", "firstname": "FirstName",
	"lastname": "LastName", "email": "Email", "phone": "Phone", "title": "Title"}

// planner resolves names for one query.
type planner struct {
	*plan
	schema *schema
}

// newPlan resolves a parsed query.
func newPlan(s *schema, source string, q *soql, who caller, now time.Time, deleted bool) (*plan, *apiError) {
	o := s.object(q.from)
	if o == nil || !who.sees(o) {
		return nil, &apiError{Code: "INVALID_TYPE",
			Message: fmt.Sprintf("sObject type '%s' is not supported. If you are attempting to use a custom "+
				"object, be sure to append the '__c' after the entity name. Please reference your WSDL or the "+
				"describe call for the appropriate names.", q.from)}
	}
	p := planner{&plan{source: source, object: o, who: who, now: now, count: q.count, limit: q.limit,
		offset: q.offset, deleted: deleted}, s}
	if q.offset > maxOffset {
		return nil, &apiError{Code: "NUMBER_OUTSIDE_VALID_RANGE",
			Message: fmt.Sprintf("Maximum SOQL offset allowed is %d", maxOffset)}
	}
	for _, step := range []func(*soql) *apiError{p.resolveGroups, p.resolveColumns, p.resolveWhere, p.resolveHaving,
		p.resolveOrder} {
		if refused := step(q); refused != nil {
			return nil, refused
		}
	}
	return p.plan, nil
}

func (p planner) invalid(at int, format string, args ...any) *apiError {
	return &apiError{Code: "INVALID_FIELD", Message: pointAt(p.source, at) + fmt.Sprintf(format, args...)}
}

// path resolves a field path from the query's object, with its date function.
func (p planner) path(n name) (*path, *apiError) {
	found, refused := p.fieldPath(n)
	if refused != nil || n.function == "" {
		return found, refused
	}
	k := found.leaf().kind
	if k != kindDateTime && (k != kindDate || n.local || timeOfDay[n.function]) {
		return nil, p.malformed(n.at, "field %s does not support function %s", n.text, n.function)
	}
	found.function, found.zone = n.function, time.UTC
	if n.local && p.who.zone != nil {
		found.zone = p.who.zone
	}
	return found, nil
}

// same reports whether two paths read the same value.
func (pt *path) same(o *path) bool {
	return pt.function == o.function && pt.zone == o.zone &&
		strings.EqualFold(strings.Join(pt.names, "."), strings.Join(o.names, "."))
}

func (p planner) fieldPath(n name) (*path, *apiError) {
	names := strings.Split(n.text, ".")
	if strings.EqualFold(names[0], p.object.name) && len(names) > 1 {
		names = names[1:]
	}
	if len(names) > maxHops+1 {
		return nil, p.invalid(n.at, "a field path may follow at most %d relationships", maxHops)
	}
	o, found := p.object, &path{names: names}
	for i, text := range names[:len(names)-1] {
		hop := o.byRelationship[strings.ToLower(text)]
		if hop == nil || !p.who.reads(hop) {
			return nil, p.invalid(n.at,
				"Didn't understand relationship '%s' in field path. If you are attempting to use a custom "+
					"relationship, be sure to append the '__r' after the custom relationship name. Please reference "+
					"your WSDL or the describe call for the appropriate names.", text)
		}
		found.hops = append(found.hops, hop)
		if len(hop.refersTo) == 1 {
			o = p.schema.object(hop.refersTo[0])
			continue
		}
		poly := polymorphic[strings.ToLower(names[i+1])]
		if i != len(names)-2 || poly == "" {
			return nil, p.invalid(n.at, "No such column '%s' on entity 'Name'", names[i+1])
		}
		found.poly = poly
		return found, nil
	}
	last := names[len(names)-1]
	found.field = p.who.visible(o, last)
	if found.field == nil || !p.who.sees(o) {
		return nil, p.invalid(n.at,
			"No such column '%s' on entity '%s'. If you are attempting to use a custom field, be sure to append "+
				"the '__c' after the custom field name. Please reference your WSDL or the describe call for the "+
				"appropriate names.", last, o.name)
	}
	return found, nil
}

// value follows the path from a record; nil where a parent is missing.
func (pt *path) value(v *view, r *record, now time.Time) any {
	value := pt.plain(v, r, now)
	if pt.function == "" || value == nil {
		return value
	}
	return dateFunctions[pt.function](dayOf(value).In(pt.zone))
}

// plain is value without the date function.
func (pt *path) plain(v *view, r *record, now time.Time) any {
	parent := pt.follow(v, r, len(pt.hops))
	switch {
	case parent == nil:
		return nil
	case pt.poly == "Type":
		return parent.object.name
	case pt.poly != "":
		f := parent.object.field(pt.poly)
		if f == nil {
			return nil
		}
		return parent.value(f, now)
	}
	return parent.value(pt.field, now)
}

// follow returns the record at the end of n references. A deleted parent is visible, as in the org.
func (pt *path) follow(v *view, r *record, n int) *record {
	for _, hop := range pt.hops[:n] {
		id, _ := r.at(hop).(string)
		if id == "" {
			return nil
		}
		if r = v.find(id); r == nil {
			return nil
		}
	}
	return r
}

// leaf returns the field that determines how the path's values are written.
func (pt *path) leaf() *field {
	switch {
	case pt.function == "DAY_ONLY":
		return &field{name: pt.names[len(pt.names)-1], kind: kindDate}
	case pt.function != "":
		return &field{name: pt.names[len(pt.names)-1], kind: kindInt}
	}
	if pt.field != nil {
		return pt.field
	}
	return &field{name: pt.poly, kind: kindString, length: 255}
}

func (p planner) resolveGroups(q *soql) *apiError {
	for _, n := range q.groupBy {
		g, refused := p.path(n)
		if refused != nil {
			return refused
		}
		if g.function == "" && !g.leaf().groupable() {
			return p.malformed(n.at, "field '%s' can not be grouped in a query call", n.text)
		}
		p.groupBy = append(p.groupBy, g)
	}
	return nil
}

func (p planner) malformed(at int, format string, args ...any) *apiError {
	return malformed(p.source, at, format, args...)
}

func (p planner) resolveColumns(q *soql) *apiError {
	visited := map[string]bool{}
	unnamed := 0
	for _, s := range q.fields {
		if s.function == "FIELDS" {
			if refused := p.allFields(q, s); refused != nil {
				return refused
			}
			continue
		}
		if s.children != nil {
			if refused := p.addChildren(q, s); refused != nil {
				return refused
			}
			continue
		}
		pt, refused := p.path(s.name)
		if refused != nil {
			return refused
		}
		c := column{label: strings.Join(pt.names, "."), path: pt, function: s.function}
		if pt.function != "" {
			if !p.grouped(pt) {
				return p.malformed(s.at, "Field must be grouped or aggregated: %s", s.text)
			}
			if c.label = s.alias; c.label == "" {
				c.label = "expr" + strconv.Itoa(unnamed)
				unnamed++
			}
		} else if s.function == "" {
			if visited[strings.ToLower(c.label)] {
				return p.invalid(s.at, "duplicate field selected: %s", c.label)
			}
			visited[strings.ToLower(c.label)] = true
			if len(p.groupBy) > 0 && !p.grouped(pt) {
				return p.malformed(s.at, "Field must be grouped or aggregated: %s", s.text)
			}
		} else {
			if refused := p.checkAggregate(s, pt); refused != nil {
				return refused
			}
			c.label = s.alias
			if c.label == "" {
				c.label = "expr" + strconv.Itoa(unnamed)
				unnamed++
			}
		}
		p.columns = append(p.columns, c)
	}
	if p.count && len(p.groupBy) > 0 {
		return p.malformed(0, "COUNT() cannot be used with GROUP BY")
	}
	return p.checkMixed(q)
}

// checkMixed refuses plain fields beside aggregates unless they are grouped.
func (p planner) checkMixed(q *soql) *apiError {
	plain, computed := -1, false
	for i, c := range p.columns {
		if c.function == "" {
			plain = i
		} else {
			computed = true
		}
	}
	if computed && plain >= 0 && len(p.groupBy) == 0 {
		return p.malformed(0, "Field must be grouped or aggregated: %s", p.columns[plain].label)
	}
	return nil
}

func (p planner) grouped(pt *path) bool {
	for _, g := range p.groupBy {
		if g.same(pt) {
			return true
		}
	}
	return false
}

func (p planner) checkAggregate(s selected, pt *path) *apiError {
	f := pt.leaf()
	fits := f.filterable() && f.kind != kindMultiselect
	switch s.function {
	case "SUM", "AVG":
		fits = f.kind.number()
	case "MIN", "MAX":
		fits = fits && f.kind != kindBoolean && f.kind != kindReference && f.kind != kindID
	}
	if !fits {
		return p.malformed(s.at, "field %s does not support aggregate operator %s", s.text, s.function)
	}
	return nil
}

// allFields resolves FIELDS(ALL), FIELDS(STANDARD) and FIELDS(CUSTOM).
func (p planner) allFields(q *soql, s selected) *apiError {
	set := strings.ToUpper(s.text)
	if set != "ALL" && set != "STANDARD" && set != "CUSTOM" {
		return p.malformed(s.at, "unexpected token: '%s'", s.text)
	}
	if set != "STANDARD" && (q.limit < 0 || q.limit > 200) {
		return p.malformed(s.at, "The SOQL FIELDS function must have a LIMIT of at most 200")
	}
	for _, f := range p.object.fields {
		if p.who.reads(f) && (set == "ALL" || f.custom() == (set == "CUSTOM")) {
			p.columns = append(p.columns, column{label: f.name, path: &path{names: []string{f.name}, field: f}})
		}
	}
	return nil
}

func (p planner) resolveOrder(q *soql) *apiError {
	for _, o := range q.orderBy {
		key := sortKey{desc: o.desc, nullsLast: o.nullsLast, column: -1}
		if o.function == "" && len(q.groupBy) > 0 {
			for i, c := range p.columns {
				if c.function != "" && strings.EqualFold(c.label, o.text) {
					key.column = i
				}
			}
		}
		if key.column < 0 {
			pt, refused := p.path(o.name)
			if refused != nil {
				return refused
			}
			if pt.function == "" && !pt.leaf().sortable() {
				return p.malformed(o.at, "field '%s' can not be sorted in a query call", o.text)
			}
			key.path = pt
			if len(p.groupBy) > 0 || o.function != "" {
				key.column = p.columnOf(o, pt)
				if key.column < 0 {
					return p.malformed(o.at, "Ordered field must be grouped or aggregated, and selected here: %s",
						o.text)
				}
			}
		}
		p.orderBy = append(p.orderBy, key)
	}
	return nil
}

// columnOf finds the column of a grouped query that an ORDER BY item stands for.
func (p planner) columnOf(o ordering, pt *path) int {
	for i, c := range p.columns {
		if c.function == o.function && c.path != nil && c.path.same(pt) {
			return i
		}
	}
	return -1
}
