package sandbox

import "time"

// Change is one committed change of an InMail__c or of a Task that carries an event id. The
// org keeps all of them, so that a test can check that no state ever went backwards and no
// Task came twice.
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

// history is the list of changes in the order in which they were committed.
type history struct{ changes []Change }

// tracked says which objects the history follows, and by which field it names a record.
var tracked = map[string]string{"InMail__c": "InMail_Id__c", "Task": "InMail_Event_Id__c"}

// note adds what a transaction changed, one entry a record: several steps on one record are
// one change.
func (h *history) note(tx *txn) {
	first := map[string]int{}
	last := map[string]int{}
	var order []string
	for i, c := range tx.log {
		if tracked[c.table.object.name] == "" {
			continue
		}
		if _, seen := first[c.id]; !seen {
			first[c.id] = i
			order = append(order, c.id)
		}
		last[c.id] = i
	}
	for _, id := range order {
		old, now := tx.log[first[id]].old, tx.log[last[id]].new
		if old == nil && now == nil {
			continue
		}
		if c, ok := describeChange(old, now); ok {
			c.At, c.ID = tx.at, id
			h.changes = append(h.changes, c)
		}
	}
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
	seen := now
	if seen == nil {
		seen = old
	}
	c.Object = seen.object.name
	key := seen.object.field(tracked[c.Object])
	if key == nil {
		return c, false
	}
	c.Key, _ = seen.at(key).(string)
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
