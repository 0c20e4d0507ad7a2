package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// The operator of the sandbox stands for a person at the org's screen: an administrator whose writes are
// checked like any other, and whose name appears in LastModifiedById.

// operatorName is the user name of the operator. It cannot log in.
const operatorName = "operator@sandbox.invalid"

// operatorNumber is the number in the operator's id, far from those of the credentials' users.
const operatorNumber = 100_000

// Fields are the values of a record by field name. On input a value is nil, string, bool, any number or
// time.Time; on output it has the form of the REST API.
type Fields map[string]any

func (s *Sandbox) operator() caller {
	return caller{user: newID("005", operatorNumber), viewAllData: true, access: administrator(s.deployed.Load())}
}

// act runs a change in a transaction of the operator.
func (s *Sandbox) act(change func(*txn) []*apiError) error {
	tx := s.store.begin(s.now, s.operator())
	defer tx.rollback()
	if errs := change(tx); len(errs) > 0 && tx.err == nil {
		return fmt.Errorf("sandbox: %w", errs[0])
	}
	return tx.commit()
}

// rowOf turns fields into a row, as if they came in a JSON body.
func rowOf(in Fields) (row, error) {
	var out row
	for _, name := range slices.Sorted(maps.Keys(in)) {
		switch v := in[name].(type) {
		case nil, string, bool, json.Number:
			out = append(out, assignment{name, v})
		case time.Time:
			out = append(out, assignment{name, v.UTC().Format(time.RFC3339)})
		case int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
			out = append(out, assignment{name, json.Number(fmt.Sprint(v))})
		case float32:
			out = append(out, assignment{name, json.Number(strconv.FormatFloat(float64(v), 'f', -1, 32))})
		case float64:
			out = append(out, assignment{name, json.Number(strconv.FormatFloat(v, 'f', -1, 64))})
		default:
			return nil, fmt.Errorf("sandbox: field %s has a %T", name, v)
		}
	}
	return out, nil
}

// Insert makes a record, as a person would at the screen, and returns its 18-character id.
func (s *Sandbox) Insert(object string, in Fields) (id string, err error) {
	o := s.schema.object(object)
	if o == nil {
		return "", fmt.Errorf("sandbox: there is no object %s", object)
	}
	r, err := rowOf(in)
	if err != nil {
		return "", err
	}
	err = s.act(func(tx *txn) (errs []*apiError) {
		id, errs = tx.insert(o, r, readJSONValue)
		return errs
	})
	return id, err
}

// Edit changes a record. Fields that are nil are cleared.
func (s *Sandbox) Edit(id string, in Fields) error {
	r, err := rowOf(in)
	if err != nil {
		return err
	}
	return s.act(func(tx *txn) []*apiError {
		o, full, refused := tx.ofID(id)
		if refused != nil {
			return one(refused)
		}
		return tx.update(o, full, r, readJSONValue)
	})
}

// ChangeUser changes a User, as an administrator does in Setup.
func (s *Sandbox) ChangeUser(id string, in Fields) error {
	r, err := rowOf(in)
	if err != nil {
		return err
	}
	who := s.operator()
	who.system = true
	tx := s.store.begin(s.now, who)
	defer tx.rollback()
	if errs := tx.update(s.schema.object("User"), id, r, readJSONValue); len(errs) > 0 {
		return fmt.Errorf("sandbox: %w", errs[0])
	}
	return tx.commit()
}

// ofID returns the object and the 18-character form of an id.
func (tx *txn) ofID(id string) (*object, string, *apiError) {
	full, ok := canonicalID(id)
	o := tx.schema.objectOf(full)
	if !ok || o == nil {
		return nil, "", &apiError{Code: "MALFORMED_ID", Message: "bad id " + id}
	}
	return o, full, nil
}

// Delete moves a record to the recycle bin, with all consequences for its children.
func (s *Sandbox) Delete(id string) error {
	return s.act(func(tx *txn) []*apiError {
		o, full, refused := tx.ofID(id)
		if refused != nil {
			return one(refused)
		}
		return errorList(tx.remove(o, full))
	})
}

// Undelete takes a record out of the recycle bin.
func (s *Sandbox) Undelete(id string) error {
	return s.act(func(tx *txn) []*apiError {
		_, full, refused := tx.ofID(id)
		if refused != nil {
			return one(refused)
		}
		return errorList(tx.undelete(full))
	})
}

// Purge removes a record from the recycle bin.
func (s *Sandbox) Purge(id string) error {
	return s.act(func(tx *txn) []*apiError {
		_, full, refused := tx.ofID(id)
		if refused != nil {
			return one(refused)
		}
		return errorList(tx.purge(full))
	})
}

// errorList makes a list of an error that may be nil.
func errorList(e *apiError) []*apiError {
	if e == nil {
		return nil
	}
	return one(e)
}

// Convert converts a lead.
func (s *Sandbox) Convert(leadID string, to Conversion) (out Converted, err error) {
	err = s.act(func(tx *txn) (errs []*apiError) {
		out, errs = tx.convert(leadID, to)
		return errs
	})
	return out, err
}

// Merge merges one or two leads, contacts or accounts into the winner.
func (s *Sandbox) Merge(winner string, losers ...string) error {
	return s.act(func(tx *txn) []*apiError { return errorList(tx.merge(winner, losers)) })
}

// Record returns all fields of a record, also of a deleted one; false when there is none.
func (s *Sandbox) Record(id string) (fields Fields, found bool) {
	full, _ := canonicalID(id)
	s.snapshot(func(v *view) {
		if r := v.find(full); r != nil {
			fields, found = r.fields(s.now()), true
		}
	})
	return fields, found
}

// Records returns all records of an object in the order of their creation, deleted ones too.
func (s *Sandbox) Records(object string) []Fields {
	o, out := s.schema.object(object), []Fields{}
	if o == nil {
		return nil
	}
	s.snapshot(func(v *view) {
		v.query(v.tables[o], func(r *record) bool { out = append(out, r.fields(s.now())); return true },
			v.tables[o].all+" ORDER BY n")
	})
	return out
}

// snapshot reads for callers that return no error: it logs when the database fails.
func (s *Sandbox) snapshot(do func(*view)) {
	if err := s.store.snapshot(do); err != nil {
		s.options.Log.Error("sandbox not read", "error", err)
	}
}

// fields returns a record's values: times as time.Time, numbers as float64.
func (r *record) fields(now time.Time) Fields {
	out := Fields{}
	for _, f := range r.object.fields {
		out[f.name] = r.value(f, now)
	}
	return out
}

// SetDailyLimit changes how many API calls the org takes in 24 hours.
func (s *Sandbox) SetDailyLimit(calls int) { s.usage.limit(calls) }
