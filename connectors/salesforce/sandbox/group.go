package sandbox

import (
	"strconv"
	"strings"
)

// group is one row of a grouped query: its first record, and all of them.
type group struct {
	values  []any // by column
	records []*record
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
		named := have.path != nil && strings.EqualFold(strings.Join(have.path.names, "."), c.field.text)
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

// leaf is the field that says how the column's values look.
func (c column) leaf() *field {
	switch c.function {
	case "COUNT", "COUNT_DISTINCT":
		return &field{name: c.label, kind: kindInt}
	case "AVG", "SUM":
		return &field{name: c.label, kind: kindDouble}
	}
	return c.path.leaf()
}

// groups makes the rows of an aggregate query, in the order in which they first occur.
func (p *plan) groups(st *store, records []*record) []*group {
	byKey := map[string]*group{}
	var order []*group
	if len(p.groupBy) == 0 {
		all := &group{}
		byKey[""] = all
		order = append(order, all)
	}
	for _, r := range records {
		var key strings.Builder
		for _, g := range p.groupBy {
			v := g.value(st, r, p.now)
			if v != nil {
				key.WriteString(strconv.Quote(comparable(g.leaf(), v)))
			}
			key.WriteByte(0)
		}
		g := byKey[key.String()]
		if g == nil {
			g = &group{}
			byKey[key.String()] = g
			order = append(order, g)
		}
		g.records = append(g.records, r)
	}
	var kept []*group
	for _, g := range order {
		for _, c := range p.columns {
			g.values = append(g.values, p.aggregate(st, c, g.records))
		}
		if p.having == nil || p.having(g) {
			kept = append(kept, g)
		}
	}
	return kept
}

func (p *plan) aggregate(st *store, c column, records []*record) any {
	if c.function == "" {
		return c.path.value(st, records[0], p.now)
	}
	var values []any
	for _, r := range records {
		if v := c.path.value(st, r, p.now); v != nil {
			values = append(values, v)
		}
	}
	f := c.path.leaf()
	switch c.function {
	case "COUNT":
		return float64(len(values))
	case "COUNT_DISTINCT":
		seen := map[string]bool{}
		for _, v := range values {
			seen[comparable(f, v)] = true
		}
		return float64(len(seen))
	}
	if len(values) == 0 {
		return nil
	}
	switch c.function {
	case "SUM", "AVG":
		sum := 0.0
		for _, v := range values {
			sum += v.(float64)
		}
		if c.function == "AVG" {
			sum /= float64(len(values))
		}
		return sum
	}
	best := values[0]
	for _, v := range values[1:] {
		if order := compareValues(f, v, best); c.function == "MIN" && order < 0 || c.function == "MAX" && order > 0 {
			best = v
		}
	}
	return best
}
