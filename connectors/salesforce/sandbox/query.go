package sandbox

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits of a query's pages and of the cursors that the org keeps for a user (SALESFORCE.md 2.7).
const (
	pageSize      = 2000
	minPageSize   = 200
	maxCursors    = 10
	cursorLife    = 48 * time.Hour
	cursorPrefix  = "0r8"
	maxGroupedRow = 2000
)

// naturalOrder is the order in which the records were created.
const naturalOrder = "ORDER BY n"

// statement returns the SQL that selects, in an order, the records that the indexes do not exclude.
func (p *plan) statement(t *table, order string) string {
	where := slices.Clone(p.narrow.conditions)
	if !p.deleted {
		where = append(where, "gone IS NULL") // the same condition as in the indexes
	}
	if !strings.HasPrefix(order, naturalOrder) {
		where = append(where, p.orderBy[0].path.field.sqlKey()+" IS NOT NULL")
	}
	if len(where) == 0 {
		return t.all + " " + order
	}
	text := strings.Join(where, " AND ")
	if p.narrow.keyed && strings.HasPrefix(order, naturalOrder) {
		text = "n IN (SELECT n FROM " + t.name + " WHERE " + text + ")" // so that numbers are sorted, not records
	}
	return t.all + " WHERE " + text + " " + order
}

// matches calls do with each record that the query finds, in an order of SQL, until it returns false.
// Conditions that no index can check are checked for each record.
func (p *plan) matches(v *view, order string, do func(*record) bool) {
	t := v.tables[p.object]
	v.query(t, func(r *record) bool {
		return !p.deleted && r.archived(p.now) || p.match != nil && !p.match(v, r) || !p.who.shared(v, toRead, r) ||
			do(v.remember(r))
	},
		p.statement(t, order), p.narrow.args...)
}

// sqlOrder returns the order of the query when an index has it, so that nothing needs sorting.
func (p *plan) sqlOrder() (order string, ok bool) {
	if len(p.orderBy) == 0 {
		return naturalOrder, true
	}
	k := p.orderBy[0]
	if len(p.orderBy) > 1 || len(k.path.hops) > 0 || k.path.function != "" {
		return "", false
	}
	f, backwards := k.path.field, map[bool]string{true: " DESC"}[k.desc]
	if f.pos == posID {
		return naturalOrder + backwards, true
	}
	// The index lacks nulls and deleted records. Read backwards, it would reverse equal rows as well.
	complete := f.required && !p.narrow.keyed
	if p.deleted || !f.indexed() || f.kind.number() || k.desc && !f.unique || !complete && p.narrow.field != f {
		return "", false
	}
	return "ORDER BY " + f.sqlKey() + backwards, true
}

// each calls do with the number of each row of the answer, in the order of the query, with offset and limit
// applied. r is nil when the record is not in memory.
func (p *plan) each(v *view, do func(n uint64, r *record)) {
	skip, left := p.offset, p.limit
	if order, ok := p.sqlOrder(); ok {
		if left == 0 {
			return
		}
		p.matches(v, order, func(r *record) bool {
			if skip > 0 {
				skip--
				return true
			}
			do(r.number(), r)
			left--
			return left != 0
		})
		return
	}
	for _, n := range cut(p.sorted(v), skip, left) {
		do(n.number, nil)
	}
}

// sortable is a row to be sorted: its keys and its number.
type sortable struct {
	keys   []any
	number uint64
}

// sorted sorts the rows that the query finds. Equal rows stay in the order of their creation. With a limit
// it keeps at most about twice as many rows in memory.
func (p *plan) sorted(v *view) []sortable {
	var rows []sortable
	sort := func() {
		slices.SortStableFunc(rows, func(a, b sortable) int { return p.order(a.keys, b.keys) })
		if p.limit >= 0 {
			rows = rows[:min(len(rows), p.offset+p.limit)]
		}
	}
	p.matches(v, naturalOrder, func(r *record) bool {
		keys := make([]any, len(p.orderBy))
		for i, k := range p.orderBy {
			keys[i] = k.path.value(v, r, p.now)
		}
		rows = append(rows, sortable{keys, r.number()})
		if p.limit >= 0 && len(rows) >= 2*(p.offset+p.limit)+pageSize {
			sort()
		}
		return true
	})
	sort()
	return rows
}

func (p *plan) order(a, b []any) int {
	for i, k := range p.orderBy {
		if order := k.order(p, a[i], b[i]); order != 0 {
			return order
		}
	}
	return 0
}

// order compares two values by one key. Nulls come first unless the query says otherwise.
func (k sortKey) order(p *plan, a, b any) int {
	if a == nil || b == nil {
		switch {
		case a == nil && b == nil:
			return 0
		case (a == nil) != k.nullsLast:
			return -1
		}
		return 1
	}
	f := k.leaf(p)
	order := compareValues(f, a, b)
	if k.desc {
		return -order
	}
	return order
}

func (k sortKey) leaf(p *plan) *field {
	if k.column >= 0 {
		return p.columns[k.column].leaf()
	}
	return k.path.leaf()
}

func cut[T any](rows []T, offset, limit int) []T {
	rows = rows[min(offset, len(rows)):]
	if limit >= 0 && limit < len(rows) {
		rows = rows[:limit]
	}
	return rows
}

func (p *plan) isGrouped() bool {
	if len(p.groupBy) > 0 {
		return true
	}
	for _, c := range p.columns {
		if c.function != "" {
			return true
		}
	}
	return false
}

// queries answers /query and /queryAll, and the pages behind them.
func (c *call) queries(deleted bool, path []string) reply {
	if c.method != http.MethodGet {
		return methodNotAllowed(c.method, "GET", "HEAD")
	}
	if len(path) == 1 {
		return c.nextPage(path[0])
	}
	text := c.query.Get("q")
	if len(path) > 0 {
		return notFound()
	}
	if text == "" {
		if c.query.Has("explain") {
			return refuse(&apiError{Code: "MALFORMED_QUERY", Message: "explain is not supported by this sandbox"})
		}
		return refuse(&apiError{Code: "MALFORMED_QUERY", Message: "SOQL statements cannot be empty or null"})
	}
	size, refused := c.pageSize()
	if refused != nil {
		return refuse(refused)
	}
	parsed, refused := parseSOQL(text)
	if refused != nil {
		return refuse(refused)
	}
	return c.reading(func(v *view) reply {
		p, refused := newPlan(v.schema, text, parsed, c.who, c.at, deleted)
		if refused != nil {
			return refuse(refused)
		}
		if strings.EqualFold(c.query.Get("columns"), "true") {
			return p.columnsReply()
		}
		return c.run(v, p, size)
	})
}

// pageSize reads Sforce-Query-Options: batchSize=200 to 2000.
func (c *call) pageSize() (int, *apiError) {
	option := c.header.Get("Sforce-Query-Options")
	if option == "" {
		return pageSize, nil
	}
	text, ok := strings.CutPrefix(strings.ReplaceAll(option, " ", ""), "batchSize=")
	n, err := strconv.Atoi(text)
	if !ok || err != nil || n < minPageSize || n > pageSize {
		return 0, &apiError{Code: "INVALID_QUERY_OPTIONS",
			Message: fmt.Sprintf("batchSize must be from %d to %d", minPageSize, pageSize)}
	}
	return n, nil
}

func (c *call) run(v *view, p *plan, size int) reply {
	if p.count {
		return jsonReply(http.StatusOK, fmt.Appendf(nil, `{"totalSize":%d,"done":true,"records":[]}`, p.countAll(v)))
	}
	if p.isGrouped() {
		return p.groupedReply(v)
	}
	q := &cursor{plan: p, size: size, version: c.version, user: c.who.user, at: c.at}
	p.each(v, func(n uint64, _ *record) { q.rows = append(q.rows, n) })
	if len(q.rows) > size {
		c.sandbox.cursors.keep(q)
	}
	return q.page(v, 0)
}

func (p *plan) countAll(v *view) (n int64) {
	if p.match == nil && p.limit < 0 && p.offset == 0 && !p.deleted && p.who.sharedAll(p.object) {
		return v.scalar("SELECT count(*) FROM " + v.tables[p.object].name + " WHERE gone IS NULL")
	}
	p.orderBy = nil
	p.each(v, func(uint64, *record) { n++ })
	return n
}

func (p *plan) groupedReply(v *view) reply {
	groups := p.groups(v)
	if len(p.orderBy) > 0 {
		slices.SortStableFunc(groups, func(a, b *group) int {
			for _, k := range p.orderBy {
				if order := k.order(p, a.values[k.column], b.values[k.column]); order != 0 {
					return order
				}
			}
			return 0
		})
	}
	groups = cut(groups, p.offset, p.limit)
	if len(groups) > maxGroupedRow {
		return refuse(&apiError{Code: "EXCEEDED_ID_LIMIT",
			Message: "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single " +
				"batch"})
	}
	out := fmt.Appendf(nil, `{"totalSize":%d,"done":true,"records":[`, len(groups))
	for i, g := range groups {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, `{"attributes":{"type":"AggregateResult"}`...)
		for j, c := range p.columns {
			label := c.label
			if c.function == "" && c.path.function == "" {
				label = c.path.leaf().name
			}
			out = append(out, ',')
			out = appendString(out, label)
			out = append(out, ':')
			out = c.leaf().appendJSON(out, g.values[j])
		}
		out = append(out, '}')
	}
	return jsonReply(http.StatusOK, append(out, `]}`...))
}

// cursor is the result of a query that is read page by page. Its rows are fixed by the query; their values
// are read with their page.
type cursor struct {
	id      string
	plan    *plan
	rows    []uint64 // their numbers
	size    int
	version string
	user    string
	at      time.Time
}

// page answers the records from a position on. Records that were purged in the meantime are left out.
func (q *cursor) page(v *view, from int) reply {
	to := min(from+q.size, len(q.rows))
	done := to == len(q.rows)
	out := fmt.Appendf(nil, `{"totalSize":%d,"done":%t`, len(q.rows), done)
	if !done {
		out = fmt.Appendf(out, `,"nextRecordsUrl":"/services/data/v%s/query/%s-%d"`, q.version, q.id, to)
	}
	out = append(out, `,"records":[`...)
	for _, n := range q.rows[from:to] {
		if r := v.find(newID(q.plan.object.prefix, n)); r != nil {
			out = append(q.plan.appendRecord(out, v, r, q.version), ',')
		}
	}
	return jsonReply(http.StatusOK, append(bytes.TrimSuffix(out, []byte(",")), `]}`...))
}

// appendAttributes opens a record's object with its type and address.
func appendAttributes(out []byte, r *record, version string) []byte {
	out = append(out, `{"attributes":{"type":"`...)
	out = append(out, r.object.name...)
	out = append(out, `","url":"/services/data/v`...)
	out = append(out, version...)
	out = append(out, `/sobjects/`...)
	out = append(out, r.object.name...)
	out = append(out, '/')
	out = append(out, r.id()...)
	return append(out, `"}`...)
}

// appendRecord writes a record with the columns of the plan; paths become nested objects.
func (p *plan) appendRecord(out []byte, v *view, r *record, version string) []byte {
	out = appendAttributes(out, r, version)
	written := map[string]bool{}
	for i, c := range p.columns {
		if c.children != nil {
			out = c.children.append(out, v, r, version)
			continue
		}
		if len(c.path.hops) == 0 {
			out = append(append(append(out, ',', '"'), c.path.field.name...), '"', ':')
			out = c.path.field.appendJSON(out, r.value(c.path.field, p.now))
			continue
		}
		relation := c.path.hops[0].relationship
		if !written[relation] {
			written[relation] = true
			out = append(append(append(out, ',', '"'), relation...), '"', ':')
			out = p.appendParent(out, v, r, p.columns[i:], 0, version)
		}
	}
	return append(out, '}')
}

// appendParent writes the parent that the first column's path reaches at a depth, with the fields that all
// columns ask of it.
func (p *plan) appendParent(out []byte, v *view, child *record, columns []column, depth int, version string) []byte {
	hop := columns[0].path.hops[depth]
	parent := columns[0].path.follow(v, child, depth+1)
	if parent == nil {
		return append(out, "null"...)
	}
	if len(hop.refersTo) > 1 {
		out = fmt.Appendf(out, `{"attributes":{"type":"Name","url":"/services/data/v%s/sobjects/%s/%s"}`, version,
			parent.object.name, parent.id())
	} else {
		out = appendAttributes(out, parent, version)
	}
	written := map[string]bool{}
	for i, c := range columns {
		if c.path == nil || !sameHops(c.path, columns[0].path, depth+1) {
			continue
		}
		if len(c.path.hops) == depth+1 {
			label := c.path.leaf().name
			out = append(append(append(out, ',', '"'), label...), '"', ':')
			out = c.path.leaf().appendJSON(out, c.path.value(v, child, p.now))
			continue
		}
		relation := c.path.hops[depth+1].relationship
		if !written[relation] {
			written[relation] = true
			out = append(append(append(out, ',', '"'), relation...), '"', ':')
			out = p.appendParent(out, v, child, columns[i:], depth+1, version)
		}
	}
	return append(out, '}')
}

func sameHops(a, b *path, n int) bool {
	return len(a.hops) >= n && slices.Equal(a.hops[:n], b.hops[:n])
}

// cursors keeps the ten most recently used results of each user, the latest at the end.
type cursors struct {
	mu   sync.Mutex
	next uint64
	used map[string][]*cursor
}

func (cs *cursors) keep(q *cursor) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.used == nil {
		cs.used = map[string][]*cursor{}
	}
	cs.next++
	q.id = newID(cursorPrefix, cs.next)
	mine := append(cs.used[q.user], q)
	cs.used[q.user] = slices.Delete(mine, 0, max(0, len(mine)-maxCursors))
}

func (cs *cursors) find(id, user string, now time.Time) *cursor {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	mine := cs.used[user]
	i := slices.IndexFunc(mine, func(q *cursor) bool { return q.id == id && now.Sub(q.at) <= cursorLife })
	if i < 0 {
		return nil
	}
	q := mine[i]
	cs.used[user] = append(slices.Delete(mine, i, i+1), q)
	return q
}

// nextPage answers a nextRecordsUrl: the id of the cursor, a dash, and the position.
func (c *call) nextPage(locator string) reply {
	invalid := &apiError{Code: "INVALID_QUERY_LOCATOR", Message: "invalid query locator"}
	id, text, _ := strings.Cut(locator, "-")
	from, err := strconv.Atoi(text)
	full, ok := canonicalID(id)
	if err != nil || !ok {
		return refuse(invalid)
	}
	q := c.sandbox.cursors.find(full, c.who.user, c.at)
	if q == nil || from < 0 || from > len(q.rows) {
		return refuse(invalid)
	}
	return c.reading(func(v *view) reply { return q.page(v, from) })
}
