package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// record is one version of a row. It never changes: an update puts a new version into the
// row's slot, so that readers may keep what they have found and a rollback puts back what
// was there.
type record struct {
	object *object
	values []any
	gone   *deletion // set while the record is in the recycle bin
}

// deletion remembers what a deletion did, so that undeleting the record undoes it.
type deletion struct {
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

// value is a field's value at now: formula fields are computed when they are asked for. A
// formula that fails there is null, where the org shows #Error!.
func (r *record) value(f *field, now time.Time) any {
	if f.formula == nil {
		return r.values[f.pos]
	}
	v, err := f.formula.evaluate(&scope{object: r.object, now: now, row: r.at})
	if err != nil {
		return nil
	}
	return v
}

func (r *record) modified() time.Time { t, _ := r.values[posModifiedDate].(time.Time); return t }

// slot holds the current version of a row; indexes and pages point at slots.
type slot struct{ record *record }

// table holds the rows of one object in the order in which they were made.
type table struct {
	object  *object
	slots   []*slot
	byID    map[string]*slot
	indexes map[int]map[string][]*slot // by field position, then by key; rows not deleted only
	lastID  uint64
	lastNo  uint64 // of the auto number
}

// store is the org's data. Readers hold the lock for reading, a transaction for writing.
type store struct {
	mu      sync.RWMutex
	schema  *schema
	tables  map[*object]*table
	journal *journal
	history history
}

func newStore(s *schema) *store {
	st := &store{schema: s, tables: map[*object]*table{}}
	for _, o := range s.objects {
		t := &table{object: o, byID: map[string]*slot{}, indexes: map[int]map[string][]*slot{}}
		for _, f := range o.fields {
			if f.indexed() {
				t.indexes[f.pos] = map[string][]*slot{}
			}
		}
		st.tables[o] = t
	}
	return st
}

// find returns the record of an 18-character id, deleted or not, or nil.
func (st *store) find(id string) *record {
	o := st.schema.objectOf(id)
	if o == nil {
		return nil
	}
	s := st.tables[o].byID[id]
	if s == nil {
		return nil
	}
	return s.record
}

// live returns the record of an id unless it is deleted or unknown.
func (st *store) live(id string) *record {
	r := st.find(id)
	if r == nil || r.deleted() {
		return nil
	}
	return r
}

// holding returns the records that are not deleted whose indexed field has that value.
func (st *store) holding(o *object, f *field, value any) []*record {
	slots := st.tables[o].indexes[f.pos][f.key(value)]
	found := make([]*record, len(slots))
	for i, s := range slots {
		found[i] = s.record
	}
	return found
}

func (t *table) index(s *slot, r *record) {
	if r == nil || r.deleted() {
		return
	}
	for pos, index := range t.indexes {
		if v := r.values[pos]; v != nil {
			key := t.object.fields[pos].key(v)
			index[key] = append(index[key], s)
		}
	}
}

func (t *table) unindex(s *slot, r *record) {
	if r == nil || r.deleted() {
		return
	}
	for pos, index := range t.indexes {
		v := r.values[pos]
		if v == nil {
			continue
		}
		key := t.object.fields[pos].key(v)
		slots := index[key]
		if len(slots) == 1 {
			delete(index, key)
			continue
		}
		for i, other := range slots {
			if other == s {
				index[key] = slices.Delete(slots, i, i+1)
				break
			}
		}
	}
}

// put makes r the current version of its row; nil takes the row away.
func (t *table) put(id string, r *record) {
	s := t.byID[id]
	if s == nil {
		s = &slot{}
		t.byID[id] = s
		t.slots = append(t.slots, s)
		if n, ok := idNumber(id); ok && n > t.lastID {
			t.lastID = n
		}
	}
	t.unindex(s, s.record)
	s.record = r
	if r == nil {
		delete(t.byID, id)
		for i := len(t.slots) - 1; i >= 0; i-- {
			if t.slots[i] == s {
				t.slots = slices.Delete(t.slots, i, i+1)
				break
			}
		}
		return
	}
	t.index(s, r)
}

// txn is one transaction: it holds the store's lock until it ends, and undoes what it did
// when it is rolled back, in whole or to a mark.
type txn struct {
	store *store
	at    time.Time // whole seconds, UTC: the audit fields of all it writes
	who   caller
	log   []change
}

// change is one step of a transaction.
type change struct {
	table    *table
	id       string
	old, new *record // nil: the row was not there, or was purged
}

// begin starts a transaction for a caller. The clock is asked when the lock is held, so that
// times rise with the commits.
func (st *store) begin(clock func() time.Time, who caller) *txn {
	st.mu.Lock()
	return &txn{store: st, at: clock().UTC().Truncate(time.Second), who: who}
}

func (tx *txn) put(o *object, id string, r *record) {
	t := tx.store.tables[o]
	var old *record
	if s := t.byID[id]; s != nil {
		old = s.record
	}
	tx.log = append(tx.log, change{t, id, old, r})
	t.put(id, r)
}

// mark is a point that the transaction can be rolled back to.
func (tx *txn) mark() int { return len(tx.log) }

func (tx *txn) rollbackTo(mark int) {
	for i := len(tx.log) - 1; i >= mark; i-- {
		tx.log[i].table.put(tx.log[i].id, tx.log[i].old)
	}
	tx.log = tx.log[:mark]
}

// rollback undoes everything and ends the transaction.
func (tx *txn) rollback() {
	tx.rollbackTo(0)
	tx.store.mu.Unlock()
}

// commit writes the journal, adds to the history and ends the transaction. When the journal
// cannot be written nothing of it happened.
func (tx *txn) commit() error {
	defer tx.store.mu.Unlock()
	if len(tx.log) == 0 {
		return nil
	}
	if err := tx.store.journal.append(tx); err != nil {
		tx.rollbackTo(0)
		return fmt.Errorf("sandbox: write the journal: %w", err)
	}
	tx.store.history.note(tx)
	return nil
}

// autoNumber gives the next number in a display format, IM-{0000000}.
func (t *table) autoNumber(format string) string {
	t.lastNo++
	before, rest, _ := strings.Cut(format, "{")
	zeros, after, _ := strings.Cut(rest, "}")
	return fmt.Sprintf("%s%0*d%s", before, len(zeros), t.lastNo, after)
}

// autoNumberOf reads the number back out of a name.
func autoNumberOf(format, name string) (uint64, bool) {
	before, rest, _ := strings.Cut(format, "{")
	_, after, _ := strings.Cut(rest, "}")
	var n uint64
	digits := strings.TrimSuffix(strings.TrimPrefix(name, before), after)
	if _, err := fmt.Sscanf(digits, "%d", &n); err != nil {
		return 0, false
	}
	return n, true
}

// keep forgets how to undo what the transaction did, so that a rollback keeps it. It is for
// what is made anew at each start and belongs in no journal.
func (tx *txn) keep() { tx.log = nil }
