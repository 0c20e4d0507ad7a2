package sandbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// test decides whether a value meets one comparison.
type test func(value any) bool

func (p planner) resolveWhere(q *soql) *apiError {
	if q.where == nil {
		return nil
	}
	if refused := p.checkJoins(q.where, false); refused != nil {
		return refused
	}
	match, refused := p.compile(q.where)
	if refused != nil {
		return refused
	}
	p.match = match
	p.narrowBy(q.where)
	return nil
}

// compile turns a condition into a predicate on records.
func (p planner) compile(c *condition) (func(*view, *record) bool, *apiError) {
	switch c.op {
	case "AND", "OR", "NOT":
		var parts []func(*view, *record) bool
		for _, part := range c.parts {
			compiled, refused := p.compile(part)
			if refused != nil {
				return nil, refused
			}
			parts = append(parts, compiled)
		}
		if c.op == "NOT" {
			return func(v *view, r *record) bool { return !parts[0](v, r) }, nil
		}
		or := c.op == "OR"
		return func(v *view, r *record) bool {
			for _, part := range parts {
				if part(v, r) == or {
					return or
				}
			}
			return !or
		}, nil
	}
	pt, refused := p.path(c.field)
	if refused != nil {
		return nil, refused
	}
	if !pt.leaf().filterable() {
		return nil, p.invalid(c.field.at, "field '%s' can not be filtered in a query call", c.field.text)
	}
	if c.sub != nil {
		return p.join(c, pt)
	}
	t, refused := p.test(c, pt.leaf())
	if refused != nil {
		return nil, refused
	}
	if len(pt.hops) == 0 && pt.field.formula == nil && pt.function == "" && pt.field.name != "IsArchived" {
		pos := pt.field.pos
		return func(_ *view, r *record) bool { return t(r.values[pos]) }, nil
	}
	return func(v *view, r *record) bool { return t(pt.value(v, r, p.now)) }, nil
}

// narrowing is the part of a condition that every match must meet and that SQL can check with an index.
type narrowing struct {
	conditions []string
	args       []any
	keyed      bool   // there is a condition on an indexed field other than Id
	field      *field // the field of those conditions; nil when there are several
}

// narrowBy adds the parts of a condition that are about indexed fields. Every match must meet the
// condition.
func (p planner) narrowBy(c *condition) {
	if c.op == "AND" {
		for _, part := range c.parts {
			p.narrowBy(part)
		}
		return
	}
	if c.sub != nil {
		return
	}
	pt, refused := p.path(c.field)
	if refused != nil || len(pt.hops) > 0 || pt.function != "" || !slices.Contains([]string{"=", "IN", "<", "<=", ">", ">="}, c.op) {
		return
	}
	f, equal := pt.field, c.op == "=" || c.op == "IN"
	// Only the index of the ids contains deleted records.
	if f.pos != posID && (p.deleted || !f.indexed()) {
		return
	}
	values := []any{}
	for _, literal := range c.values {
		value, refused := p.constant(f, literal)
		text, ok := value.(string)
		if refused != nil || !ok {
			return
		}
		if f.pos != posID {
			values = append(values, f.key(text))
		} else if n, ok := idNumber(text); ok && p.schema.objectOf(text) == p.object {
			values = append(values, n)
		} else if !equal {
			return // match decides how the id of another object compares
		}
	}
	column, n := "n", &p.narrow
	if f.pos != posID {
		column = f.sqlKey()
		if !n.keyed {
			n.keyed, n.field = true, f
		} else if n.field != f {
			n.field = nil
		}
	}
	if !equal {
		n.conditions, n.args = append(n.conditions, column+" "+c.op+" ?"), append(n.args, values[0])
		return
	}
	list, err := json.Marshal(values)
	if err != nil {
		panic(fmt.Sprintf("sandbox: keys: %v", err)) // cannot happen: they are texts and numbers
	}
	n.conditions, n.args = append(n.conditions, column+" IN (SELECT value FROM json_each(?))"),
		append(n.args, string(list))
}

// test compiles a comparison of a field with literals, after checking that the two fit.
func (p planner) test(c *condition, f *field) (test, *apiError) {
	if refused := p.checkOperator(c, f); refused != nil {
		return nil, refused
	}
	switch c.op {
	case "LIKE":
		if c.values[0].kind != "string" {
			return nil, p.mismatch(c, f)
		}
		pattern := likePattern(unescape(c.values[0].text, true))
		return func(v any) bool {
			text, ok := v.(string)
			return ok && like(pattern, []rune(strings.ToLower(text)))
		}, nil
	case "INCLUDES", "EXCLUDES":
		return p.testSelected(c, f)
	case "IN", "NOT IN":
		set := map[string]bool{}
		null := false
		for _, v := range c.values {
			value, refused := p.constant(f, v)
			if refused != nil {
				return nil, refused
			}
			null = null || value == nil
			set[f.key(value)] = value != nil
		}
		in := c.op == "IN"
		return func(v any) bool {
			if v == nil {
				return null == in
			}
			return set[f.key(v)] == in
		}, nil
	}
	if c.values[0].kind == "dateLiteral" {
		return p.testSpan(c, f)
	}
	value, refused := p.constant(f, c.values[0])
	if refused != nil {
		return nil, refused
	}
	// It is not known what < and > select in the org when compared with null (or with '', which is null).
	if value == nil && c.op != "=" && c.op != "!=" {
		return nil, &apiError{Code: "INVALID_QUERY_FILTER_OPERATOR",
			Message: pointAt(p.source, c.values[0].at) + "operator " + c.op +
				" with null or an empty text is not supported by this sandbox"}
	}
	return testOrder(c.op, f, value), nil
}

// testOrder compares with one value. Null equals only null, and is neither less nor greater than any value.
func testOrder(op string, f *field, value any) test {
	return func(v any) bool {
		if v == nil || value == nil {
			return (op == "=" && v == nil && value == nil) || op == "!=" && (v == nil) != (value == nil)
		}
		order := compareValues(f, v, value)
		switch op {
		case "=":
			return order == 0
		case "!=":
			return order != 0
		case "<":
			return order < 0
		case "<=":
			return order <= 0
		case ">":
			return order > 0
		}
		return order >= 0
	}
}

// testSpan compares a day or time with the range that a date literal names.
func (p planner) testSpan(c *condition, f *field) (test, *apiError) {
	if f.kind != kindDate && f.kind != kindDateTime {
		return nil, p.mismatch(c, f)
	}
	s, ok := dateRange(c.values[0].text, p.now)
	if !ok {
		return nil, p.mismatch(c, f)
	}
	return func(v any) bool {
		var t time.Time
		switch v := v.(type) {
		case nil:
			return c.op == "!="
		case time.Time:
			t = v
		case string:
			t, _ = time.Parse(time.DateOnly, v)
		}
		switch c.op {
		case "=":
			return !t.Before(s.from) && t.Before(s.to)
		case "!=":
			return t.Before(s.from) || !t.Before(s.to)
		case "<":
			return t.Before(s.from)
		case "<=":
			return t.Before(s.to)
		case ">":
			return !t.Before(s.to)
		}
		return !t.Before(s.from)
	}, nil
}

// testSelected compiles INCLUDES and EXCLUDES. One of the literals must match; 'a;b' matches when both a
// and b are selected.
func (p planner) testSelected(c *condition, f *field) (test, *apiError) {
	var wanted [][]string
	for _, v := range c.values {
		if v.kind != "string" {
			return nil, p.mismatch(c, f)
		}
		wanted = append(wanted, strings.Split(strings.ToLower(unescape(v.text, false)), ";"))
	}
	return func(v any) bool {
		text, _ := v.(string)
		selected := map[string]bool{}
		for part := range strings.SplitSeq(strings.ToLower(text), ";") {
			selected[part] = true
		}
		for _, values := range wanted {
			all := text != ""
			for _, value := range values {
				all = all && selected[value]
			}
			if all {
				return c.op == "INCLUDES"
			}
		}
		return c.op == "EXCLUDES"
	}, nil
}

func (p planner) checkOperator(c *condition, f *field) *apiError {
	selects := c.op == "INCLUDES" || c.op == "EXCLUDES"
	fits := true
	switch {
	case f.kind == kindMultiselect:
		fits = selects || c.op == "=" || c.op == "!="
	case selects:
		fits = false
	case c.op == "LIKE":
		fits = f.kind.text() || f.kind == kindPicklist
	case f.kind == kindBoolean:
		fits = c.op == "=" || c.op == "!="
	}
	if !fits {
		return p.invalid(c.field.at, "invalid operator on %s field", f.kind)
	}
	return nil
}

func (p planner) mismatch(c *condition, f *field) *apiError {
	return p.wrongType(c.values[0], f)
}

func (p planner) wrongType(v literal, f *field) *apiError {
	hint := ""
	if f.kind.text() || f.kind == kindPicklist || f.kind == kindReference || f.kind == kindID {
		hint = " and should be enclosed in quotes"
	} else if v.kind == "string" {
		hint = " and should not be enclosed in quotes"
	}
	kind := f.kind
	if kind.text() || kind == kindPicklist || kind == kindMultiselect {
		kind = kindString
	}
	return p.invalid(v.at, "value of filter criterion for field '%s' must be of type %s%s", f.name, kind, hint)
}

// constant turns a literal into a value of the field's kind.
func (p planner) constant(f *field, v literal) (any, *apiError) {
	if v.kind == "null" {
		return nil, nil
	}
	switch {
	case f.kind == kindID || f.kind == kindReference:
		if v.kind != "string" {
			return nil, p.wrongType(v, f)
		}
		if v.text == "" {
			return nil, nil
		}
		id, ok := canonicalID(unescape(v.text, false))
		if !ok {
			return nil, &apiError{Code: "INVALID_QUERY_FILTER_OPERATOR",
				Message: pointAt(p.source, v.at) + "invalid ID field: " + v.text}
		}
		return id, nil
	case f.kind.text() || f.kind == kindPicklist || f.kind == kindMultiselect:
		if v.kind != "string" {
			return nil, p.wrongType(v, f)
		}
		if text := unescape(v.text, false); text != "" {
			return text, nil
		}
		return nil, nil
	case f.kind.number():
		n, err := strconv.ParseFloat(v.text, 64)
		if v.kind != "number" || err != nil {
			return nil, p.wrongType(v, f)
		}
		return n, nil
	case f.kind == kindBoolean:
		if v.kind != "boolean" {
			return nil, p.wrongType(v, f)
		}
		return v.text == "true", nil
	case f.kind == kindDate:
		if v.kind != "date" {
			return nil, p.wrongType(v, f)
		}
		return v.text, nil
	}
	t, ok := parseLiteral(v.text)
	if v.kind != "datetime" || !ok {
		return nil, p.wrongType(v, f)
	}
	return t, nil
}

// exact reports whether comparisons of the field are case sensitive.
func (f *field) exact() bool { return f.kind == kindID || f.kind == kindReference || f.caseSensitive }

// compareValues orders two values of a field that are not null. Texts are compared without regard to case.
func compareValues(f *field, a, b any) int {
	switch a := a.(type) {
	case string:
		if f.exact() {
			return strings.Compare(a, b.(string))
		}
		return strings.Compare(strings.ToLower(a), strings.ToLower(b.(string)))
	case float64:
		return cmp.Compare(a, b.(float64))
	case time.Time:
		return a.Compare(b.(time.Time))
	case bool:
		switch {
		case a == b.(bool):
			return 0
		case a:
			return 1
		}
		return -1
	}
	panic(fmt.Sprintf("sandbox: %s has a %T", f.name, a))
}

// wild is one piece of a LIKE pattern: a character, any one (_), or any number (%).
type wild struct {
	r         rune
	one, many bool
}

func likePattern(text string) []wild {
	var pattern []wild
	escaped := false
	for _, r := range strings.ToLower(text) {
		switch {
		case escaped:
			pattern = append(pattern, wild{r: r})
			escaped = false
		case r == '\\':
			escaped = true
		case r == '%':
			if n := len(pattern); n == 0 || !pattern[n-1].many {
				pattern = append(pattern, wild{many: true})
			}
		case r == '_':
			pattern = append(pattern, wild{one: true})
		default:
			pattern = append(pattern, wild{r: r})
		}
	}
	return pattern
}

// like matches without recursion: on a mismatch it backtracks to the last %.
func like(pattern []wild, text []rune) bool {
	p, t, star, from := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p].many:
			star, from = p, t
			p++
		case p < len(pattern) && (pattern[p].one || pattern[p].r == text[t]):
			p, t = p+1, t+1
		case star >= 0:
			from++
			p, t = star+1, from
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p].many {
		p++
	}
	return p == len(pattern)
}
