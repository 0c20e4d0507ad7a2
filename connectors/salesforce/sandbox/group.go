package sandbox

import (
	"strconv"
	"strings"
)

// group is one row of a grouped query.
type group struct {
	sums   []sum // by column
	values []any
}

// sum accumulates the values of one column in one group.
type sum struct {
	count    int
	total    float64
	value    any // least for MIN, greatest for MAX, else that of the first record
	distinct map[string]bool
}

// resolveHaving compiles HAVING: comparisons of aggregates and of grouped fields.
func (p planner) resolveHaving(q *soql) *apiError {
	if q.having == nil {
		return nil
	}
	having, refused := p.compileHaving(q.having)
	p.having = having
	return refused
}

func (p planner) compileHaving(c *condition) (func(*group) bool, *apiError) {
	switch c.op {
	case "AND", "OR", "NOT":
		var parts []func(*group) bool
		for _, part := range c.parts {
			compiled, refused := p.compileHaving(part)
			if refused != nil {
				return nil, refused
			}
			parts = append(parts, compiled)
		}
		if c.op == "NOT" {
			return func(g *group) bool { return !parts[0](g) }, nil
		}
		or := c.op == "OR"
		return func(g *group) bool {
			for _, part := range parts {
				if part(g) == or {
					return or
				}
			}
			return !or
		}, nil
	}
	column := -1
	for i, have := range p.columns {
		named := have.path != nil && have.path.function == c.field.function &&
			strings.EqualFold(strings.Join(have.path.names, "."), c.field.text)
		if have.function == c.function && (named || c.field.text == "" && c.function == "COUNT") {
			column = i
		}
	}
	if column < 0 {
		return nil, p.malformed(c.field.at, "HAVING compares what is selected here only: %s", c.field.text)
	}
	t, refused := p.test(c, p.columns[column].leaf())
	if refused != nil {
		return nil, refused
	}
	return func(g *group) bool { return t(g.values[column]) }, nil
}

// leaf returns the field that determines how the column's values are written.
func (c column) leaf() *field {
	switch c.function {
	case "COUNT", "COUNT_DISTINCT":
		return &field{name: c.label, kind: kindInt}
	case "AVG", "SUM":
		return &field{name: c.label, kind: kindDouble}
	}
	return c.path.leaf()
}

// groups returns the rows of an aggregate query, in the order in which their keys first occur.
func (p *plan) groups(v *view) []*group {
	byKey := map[string]*group{}
	var order []*group
	of := func(key string) *group {
		g := byKey[key]
		if g == nil {
			g = &group{sums: make([]sum, len(p.columns))}
			byKey[key] = g
			order = append(order, g)
		}
		return g
	}
	if len(p.groupBy) == 0 {
		of("")
	}
	p.matches(v, naturalOrder, func(r *record) bool {
		var key strings.Builder
		for _, g := range p.groupBy {
			value := g.value(v, r, p.now)
			if value != nil {
				key.WriteString(strconv.Quote(g.leaf().key(value)))
			}
			key.WriteByte(0)
		}
		g := of(key.String())
		for i, c := range p.columns {
			g.sums[i].add(c, c.path.value(v, r, p.now))
		}
		return true
	})
	var kept []*group
	for _, g := range order {
		for i, c := range p.columns {
			g.values = append(g.values, g.sums[i].result(c))
		}
		if p.having == nil || p.having(g) {
			kept = append(kept, g)
		}
	}
	return kept
}

// add includes the value of one more record.
func (s *sum) add(c column, v any) {
	if v == nil {
		return
	}
	f := c.path.leaf()
	s.count++
	switch c.function {
	case "COUNT_DISTINCT":
		if s.distinct == nil {
			s.distinct = map[string]bool{}
		}
		s.distinct[f.key(v)] = true
	case "SUM", "AVG":
		s.total += v.(float64)
	case "MIN", "MAX":
		if s.value == nil {
			s.value = v
		} else if order := compareValues(f, v, s.value); c.function == "MIN" && order < 0 ||
			c.function == "MAX" && order > 0 {
			s.value = v
		}
	default:
		if s.value == nil {
			s.value = v
		}
	}
}

func (s *sum) result(c column) any {
	switch c.function {
	case "COUNT":
		return float64(s.count)
	case "COUNT_DISTINCT":
		return float64(len(s.distinct))
	case "SUM", "AVG":
		switch {
		case s.count == 0:
			return nil
		case c.function == "AVG":
			return s.total / float64(s.count)
		}
		return s.total
	}
	return s.value
}
