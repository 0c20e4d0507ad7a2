package sandbox

import (
	"container/list"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Pages of a query (SALESFORCE.md 2.7), and how long and how many the org keeps for a user.
const (
	pageSize      = 2000
	minPageSize   = 200
	maxCursors    = 10
	cursorLife    = 48 * time.Hour
	cursorPrefix  = "0r8"
	maxGroupedRow = 2000
)

// matches returns the records of a plan in its order, before offset and limit are applied
// to grouped rows.
func (p *plan) matches(st *store) []*record {
	var found []*record
	consider := func(r *record) {
		if r == nil || r.deleted() && !p.deleted {
			return
		}
		if p.match == nil || p.match(st, r) {
			found = append(found, r)
		}
	}
	t := st.tables[p.object]
	switch {
	case p.lookup == nil:
		for _, s := range t.slots {
			consider(s.record)
		}
	case p.lookup.field.pos == posID:
		seen := map[any]bool{}
		for _, id := range p.lookup.values {
			if s := t.byID[id.(string)]; s != nil && !seen[id] {
				consider(s.record)
			}
			seen[id] = true
		}
		byID(found)
	default:
		seen := map[string]bool{}
		for _, v := range p.lookup.values {
			if key := p.lookup.field.key(v); !seen[key] {
				seen[key] = true
				for _, r := range st.holding(p.object, p.lookup.field, v) {
					consider(r)
				}
			}
		}
		byID(found)
	}
	return found
}

func byID(records []*record) {
	slices.SortFunc(records, func(a, b *record) int { return strings.Compare(a.id(), b.id()) })
}

// sortRecords orders records by the plan's keys; equal ones stay in the order of their making.
func (p *plan) sortRecords(st *store, records []*record) {
	if len(p.orderBy) == 0 {
		return
	}
	keys := make(map[*record][]any, len(records))
	for _, r := range records {
		row := make([]any, len(p.orderBy))
		for i, k := range p.orderBy {
			row[i] = k.path.value(st, r, p.now)
		}
		keys[r] = row
	}
	slices.SortStableFunc(records, func(a, b *record) int { return p.order(keys[a], keys[b]) })
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
	return c.reading(func(st *store) reply {
		p, refused := newPlan(st.schema, text, parsed, c.who, c.at, deleted)
		if refused != nil {
			return refuse(refused)
		}
		return c.run(st, p, size)
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
		return 0, &apiError{Code: "INVALID_QUERY_OPTIONS", Message: fmt.Sprintf("batchSize must be from %d to %d", minPageSize, pageSize)}
	}
	return n, nil
}

func (c *call) run(st *store, p *plan, size int) reply {
	records := p.matches(st)
	if p.count {
		n := len(cut(records, p.offset, p.limit))
		return jsonReply(http.StatusOK, fmt.Appendf(nil, `{"totalSize":%d,"done":true,"records":[]}`, n))
	}
	if p.isGrouped() {
		return p.groupedReply(st, records)
	}
	p.sortRecords(st, records)
	records = cut(records, p.offset, p.limit)
	cursor := &cursor{plan: p, records: records, size: size, version: c.version, user: c.who.user, at: c.at}
	if len(records) > size {
		c.sandbox.cursors.keep(cursor)
	}
	return cursor.page(st, 0)
}

func (p *plan) groupedReply(st *store, records []*record) reply {
	groups := p.groups(st, records)
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
		return refuse(&apiError{Code: "EXCEEDED_ID_LIMIT", Message: "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch"})
	}
	out := fmt.Appendf(nil, `{"totalSize":%d,"done":true,"records":[`, len(groups))
	for i, g := range groups {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, `{"attributes":{"type":"AggregateResult"}`...)
		for j, c := range p.columns {
			label := c.label
			if c.function == "" {
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

// cursor is the result of a query that is read page by page.
type cursor struct {
	id      string
	plan    *plan
	records []*record
	size    int
	version string
	user    string
	at      time.Time
}

// page answers the records from a position on.
func (q *cursor) page(st *store, from int) reply {
	to := min(from+q.size, len(q.records))
	done := to == len(q.records)
	out := fmt.Appendf(nil, `{"totalSize":%d,"done":%t`, len(q.records), done)
	if !done {
		out = fmt.Appendf(out, `,"nextRecordsUrl":"/services/data/v%s/query/%s-%d"`, q.version, q.id, to)
	}
	out = append(out, `,"records":[`...)
	for i, r := range q.records[from:to] {
		if i > 0 {
			out = append(out, ',')
		}
		out = q.plan.appendRecord(out, st, r, q.version)
	}
	return jsonReply(http.StatusOK, append(out, `]}`...))
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
func (p *plan) appendRecord(out []byte, st *store, r *record, version string) []byte {
	out = appendAttributes(out, r, version)
	written := map[string]bool{}
	for i, c := range p.columns {
		if len(c.path.hops) == 0 {
			out = append(append(append(out, ',', '"'), c.path.field.name...), '"', ':')
			out = c.path.field.appendJSON(out, r.value(c.path.field, p.now))
			continue
		}
		relation := c.path.hops[0].relationship
		if !written[relation] {
			written[relation] = true
			out = append(append(append(out, ',', '"'), relation...), '"', ':')
			out = p.appendParent(out, st, r, p.columns[i:], 0, version)
		}
	}
	return append(out, '}')
}

// appendParent writes the parent that the first column's path reaches at a depth, with the
// fields that all columns ask of it.
func (p *plan) appendParent(out []byte, st *store, child *record, columns []column, depth int, version string) []byte {
	hop := columns[0].path.hops[depth]
	parent := columns[0].path.follow(st, child, depth+1)
	if parent == nil {
		return append(out, "null"...)
	}
	if len(hop.refersTo) > 1 {
		out = fmt.Appendf(out, `{"attributes":{"type":"Name","url":"/services/data/v%s/sobjects/%s/%s"}`, version, parent.object.name, parent.id())
	} else {
		out = appendAttributes(out, parent, version)
	}
	written := map[string]bool{}
	for i, c := range columns {
		if !sameHops(c.path, columns[0].path, depth+1) {
			continue
		}
		if len(c.path.hops) == depth+1 {
			label := c.path.leaf().name
			out = append(append(append(out, ',', '"'), label...), '"', ':')
			out = c.path.leaf().appendJSON(out, c.path.value(st, child, p.now))
			continue
		}
		relation := c.path.hops[depth+1].relationship
		if !written[relation] {
			written[relation] = true
			out = append(append(append(out, ',', '"'), relation...), '"', ':')
			out = p.appendParent(out, st, child, columns[i:], depth+1, version)
		}
	}
	return append(out, '}')
}

func sameHops(a, b *path, n int) bool {
	return len(a.hops) >= n && slices.Equal(a.hops[:n], b.hops[:n])
}

// cursors keeps the open results of each user, the newest ten.
type cursors struct {
	mu   sync.Mutex
	next uint64
	byID map[string]*list.Element
	used map[string]*list.List // by user, most recently used first
}

func (cs *cursors) keep(q *cursor) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.byID == nil {
		cs.byID, cs.used = map[string]*list.Element{}, map[string]*list.List{}
	}
	cs.next++
	q.id = newID(cursorPrefix, cs.next)
	mine := cs.used[q.user]
	if mine == nil {
		mine = list.New()
		cs.used[q.user] = mine
	}
	cs.byID[q.id] = mine.PushFront(q)
	if mine.Len() > maxCursors {
		oldest := mine.Remove(mine.Back()).(*cursor)
		delete(cs.byID, oldest.id)
	}
}

func (cs *cursors) find(id, user string, now time.Time) *cursor {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	e := cs.byID[id]
	if e == nil {
		return nil
	}
	q := e.Value.(*cursor)
	if q.user != user || now.Sub(q.at) > cursorLife {
		return nil
	}
	cs.used[user].MoveToFront(e)
	return q
}

// nextPage answers a nextRecordsUrl: the cursor, a dash, and where to go on.
func (c *call) nextPage(locator string) reply {
	bad := &apiError{Code: "INVALID_QUERY_LOCATOR", Message: "invalid query locator"}
	id, text, _ := strings.Cut(locator, "-")
	from, err := strconv.Atoi(text)
	full, ok := canonicalID(id)
	if err != nil || !ok {
		return refuse(bad)
	}
	q := c.sandbox.cursors.find(full, c.who.user, c.at)
	if q == nil || from < 0 || from > len(q.records) {
		return refuse(bad)
	}
	return c.reading(func(st *store) reply { return q.page(st, from) })
}
