package sandbox

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// table stores the records of one object. A record is a row whose key is the number in its id, with a
// column for every field but Id and the formulas.
type table struct {
	object             *object
	name, columns, all string // quoted; all columns; SELECT of all records
	fields             []*field
	lastID             uint64 // guarded, like the next two, by the write transaction
	lastNo             uint64 // of the auto number
	raised             bool   // one of them has risen since the counters were stored
}

func quoted(name string) string { return `"` + name + `"` }

func newTable(o *object) *table {
	t := &table{object: o, name: quoted(o.name), columns: "n, gone"}
	for _, f := range o.fields {
		if f.pos != posID && f.formula == nil {
			t.fields = append(t.fields, f)
			t.columns += ", " + quoted(f.name)
		}
	}
	t.all = "SELECT " + t.columns + " FROM " + t.name
	return t
}

// sqlKey is the SQL expression that an index on the field contains; it equals key of the value.
func (f *field) sqlKey() string {
	if f.exact() || f.kind.number() {
		return quoted(f.name)
	}
	return "fold(" + quoted(f.name) + ")"
}

func (f *field) column() string {
	kind := "TEXT"
	if f.kind.number() {
		kind = "REAL"
	} else if f.kind == kindBoolean || f.kind == kindDateTime { // seconds since 1970
		kind = "INTEGER"
	}
	return quoted(f.name) + " " + kind
}

// migrate creates the table, or adds the columns and indexes of a newer package. Columns of an older
// package stay, but are not visible.
func (t *table) migrate(tx *sql.Tx) error {
	columns, had := "n INTEGER PRIMARY KEY, gone TEXT", ""
	var adding, indexes []string
	if err := tx.QueryRow("SELECT coalesce(group_concat(name, ' '), '') FROM pragma_table_info(?)",
		t.object.name).Scan(&had); err != nil {
		return err
	}
	for _, f := range t.fields {
		columns += ", " + f.column()
		if had != "" && !slices.Contains(strings.Fields(had), f.name) {
			adding = append(adding, "ALTER TABLE "+t.name+" ADD COLUMN "+f.column())
		}
		if f.indexed() { // only of records that are not deleted
			indexes = append(indexes,
				fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s ON %s (%s) WHERE gone IS NULL AND %[3]s IS NOT NULL",
					quoted(t.object.name+" by "+strings.ReplaceAll(f.sqlKey(), `"`, "")), t.name, f.sqlKey()))
		}
	}
	steps := slices.Concat([]string{"CREATE TABLE IF NOT EXISTS " + t.name + " (" + columns + ")"}, adding, indexes)
	for _, step := range append(steps,
		"INSERT OR IGNORE INTO counters (object, last_id, last_no) VALUES ('"+t.object.name+"', 0, 0)") {
		if _, err := tx.Exec(step); err != nil {
			return err
		}
	}
	return tx.QueryRow("SELECT last_id, last_no FROM counters WHERE object = ?", t.object.name).Scan(&t.lastID,
		&t.lastNo)
}

// stored returns a value in the form that the table stores.
func stored(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.Unix()
	case *deletion:
		if v == nil {
			return nil
		}
		text, err := json.Marshal(v)
		if err != nil {
			panic(fmt.Sprintf("sandbox: a deletion: %v", err)) // cannot happen: it consists of texts
		}
		return string(text)
	}
	return v
}

// record makes a record of the cells that t.all selects.
func (t *table) record(cells []any) (*record, error) {
	r := &record{object: t.object, values: make([]any, len(t.object.fields))}
	n, _ := cells[0].(int64)
	r.values[posID] = newID(t.object.prefix, uint64(n))
	if text, ok := cells[1].(string); ok {
		r.gone = &deletion{}
		if err := json.Unmarshal([]byte(text), r.gone); err != nil {
			return nil, fmt.Errorf("record %s: %w", r.id(), err)
		}
	}
	for i, f := range t.fields {
		v := cells[2+i]
		if integer, ok := v.(int64); ok && f.kind == kindBoolean {
			v = integer != 0
		} else if ok {
			v = time.Unix(integer, 0).UTC()
		}
		r.values[f.pos] = v
	}
	return r, nil
}

// change returns the SQL that turns one version of a record into another; nil means no row. The text is
// empty when the two do not differ.
func (t *table) change(old, now *record) (text string, args []any) {
	switch {
	case now == nil:
		return "DELETE FROM " + t.name + " WHERE n = ?", []any{old.number()}
	case old == nil:
		args = append(args, now.number(), stored(now.gone))
		for _, f := range t.fields {
			args = append(args, stored(now.at(f)))
		}
		return "INSERT INTO " + t.name + " (" + t.columns + ") VALUES (?" +
			strings.Repeat(", ?", len(args)-1) + ")", args
	}
	var sets []string
	for _, f := range t.fields {
		if old.at(f) != now.at(f) {
			sets, args = append(sets, quoted(f.name)+" = ?"), append(args, stored(now.at(f)))
		}
	}
	if old.gone != now.gone {
		sets, args = append(sets, "gone = ?"), append(args, stored(now.gone))
	}
	if sets == nil {
		return "", nil
	}
	return "UPDATE " + t.name + " SET " + strings.Join(sets, ", ") + " WHERE n = ?", append(args, now.number())
}

// newNumber returns the next number of an id.
func (t *table) newNumber() uint64 {
	t.lastID, t.raised = t.lastID+1, true
	return t.lastID
}

// autoNumber returns the next number in a display format such as IM-{0000000}.
func (t *table) autoNumber(format string) string {
	t.lastNo, t.raised = t.lastNo+1, true
	before, rest, _ := strings.Cut(format, "{")
	zeros, after, _ := strings.Cut(rest, "}")
	return fmt.Sprintf("%s%0*d%s", before, len(zeros), t.lastNo, after)
}
