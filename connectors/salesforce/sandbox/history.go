package sandbox

import (
	"encoding/json"
	"time"
)

// Change is one committed change of an InMail__c, or of a Task that has an event id. The org keeps all of
// them, so that a test can check that no state ever went backwards and no Task was stored twice.
type Change struct {
	At     time.Time `json:"at"`     // of the transaction, UTC
	Object string    `json:"object"` // InMail__c or Task
	ID     string    `json:"id"`     // the record's id
	Key    string    `json:"key"`    // InMail_Id__c or InMail_Event_Id__c, as it is after the change
	Kind   string    `json:"kind"`   // insert, update, delete, undelete, purge

	OldStatus   string   `json:"old_status,omitempty"`
	NewStatus   string   `json:"new_status,omitempty"`
	OldSequence *float64 `json:"old_sequence,omitempty"` // nil: the record had none
	NewSequence *float64 `json:"new_sequence,omitempty"`
}

const createHistory = `CREATE TABLE IF NOT EXISTS history
	(n INTEGER PRIMARY KEY, object TEXT NOT NULL, key TEXT NOT NULL, change TEXT NOT NULL)`

// tracked maps the objects that the history follows to the field that identifies their records.
var tracked = map[string]string{"InMail__c": "InMail_Id__c", "Task": "InMail_Event_Id__c"}

// appendHistory stores the changes of a transaction, one entry for each record: several steps on one record
// are one change.
func (tx *txn) appendHistory() {
	changes := map[string]*change{}
	var order []string
	for _, step := range tx.steps {
		r := step.now
		if r == nil {
			r = step.old
		}
		if tracked[r.object.name] == "" {
			continue
		}
		if c := changes[r.id()]; c != nil {
			c.now = step.now
			continue
		}
		changes[r.id()] = &change{step.old, step.now}
		order = append(order, r.id())
	}
	for _, id := range order {
		old, now := changes[id].old, changes[id].now
		if old == nil && now == nil {
			continue
		}
		if c, ok := describeChange(old, now); ok {
			c.At, c.ID = tx.at, id
			text, err := json.Marshal(c)
			if tx.exec("INSERT INTO history (object, key, change) VALUES (?, ?, ?)", c.Object, c.Key,
				string(text)); err != nil {
				tx.err = err
			}
		}
	}
}

// history reads the changes of an object and a key; an empty argument matches all.
func (v *view) history(object, key string) (changes []Change) {
	v.rows(func(cells []any) bool {
		var c Change
		v.err = json.Unmarshal([]byte(cells[0].(string)), &c)
		changes = append(changes, c)
		return true
	}, "SELECT change FROM history WHERE ?1 IN ('', object) AND ?2 IN ('', key) ORDER BY n", object, key)
	return changes
}

func describeChange(old, now *record) (Change, bool) {
	c := Change{Kind: "update"}
	switch {
	case old == nil:
		c.Kind = "insert"
	case now == nil:
		c.Kind = "purge"
	case now.deleted() && !old.deleted():
		c.Kind = "delete"
	case !now.deleted() && old.deleted():
		c.Kind = "undelete"
	}
	last := now
	if last == nil {
		last = old
	}
	c.Object = last.object.name
	key := last.object.field(tracked[c.Object])
	if key == nil {
		return c, false
	}
	c.Key, _ = last.at(key).(string)
	if c.Object == "Task" {
		return c, c.Key != ""
	}
	c.OldStatus, c.OldSequence = statusOf(old)
	c.NewStatus, c.NewSequence = statusOf(now)
	return c, true
}

func statusOf(r *record) (string, *float64) {
	if r == nil {
		return "", nil
	}
	var status string
	if f := r.object.field("Status__c"); f != nil {
		status, _ = r.at(f).(string)
	}
	if f := r.object.field("Status_Sequence__c"); f != nil {
		if n, ok := r.at(f).(float64); ok {
			return status, &n
		}
	}
	return status, nil
}
