package sandbox

import "time"

// record is one version of a row. It never changes: an update stores a new version.
type record struct {
	object *object
	values []any
	gone   *deletion // nil unless the record is in the recycle bin
}

// deletion lists the effects of a deletion, so that undeleting the record can undo them.
type deletion struct {
	By      string       `json:"by,omitempty"`      // the User who deleted it
	With    []string     `json:"with,omitempty"`    // records deleted along with it
	Cleared []clearedRef `json:"cleared,omitempty"` // lookups that were set to null
}

// clearedRef is a lookup that pointed at the deleted record.
type clearedRef struct {
	ID    string `json:"id"`
	Field string `json:"field"`
}

func (r *record) id() string          { return r.values[posID].(string) }
func (r *record) deleted() bool       { return r.values[posDeleted] == true }
func (r *record) at(f *field) any     { return r.values[f.pos] }
func (r *record) flag(f *field) bool  { return r.values[f.pos] == true }
func (r *record) get(name string) any { return r.values[r.object.must(name).pos] }

// number is the number in the record's id: the row's key.
func (r *record) number() uint64 { n, _ := idNumber(r.id()); return n }

// value returns a field's value at now: formula fields are computed on reading. A formula that fails is
// null, where the org shows #Error!.
func (r *record) value(f *field, now time.Time) any {
	if f.name == "IsArchived" {
		return r.archived(now)
	}
	if f.formula == nil {
		return r.values[f.pos]
	}
	v, err := f.formula.evaluate(&scope{object: r.object, now: now, row: r.at})
	if err != nil {
		return nil
	}
	return v
}

// archiveAfter is how long the org shows an activity in ordinary queries.
const archiveAfter = 365 * 24 * time.Hour

// archived reports whether the org has archived a Task: it is closed, and its day is older than a year. Such
// a Task is shown by its id and by queryAll alone.
func (r *record) archived(now time.Time) bool {
	if r.object.name != "Task" || !r.flag(r.object.must("IsClosed")) {
		return false
	}
	day, ok := r.get("ActivityDate").(time.Time)
	if !ok {
		day, _ = r.values[posCreatedDate].(time.Time)
	}
	return now.Sub(day) > archiveAfter
}

func (r *record) modified() time.Time { t, _ := r.values[posModifiedDate].(time.Time); return t }
