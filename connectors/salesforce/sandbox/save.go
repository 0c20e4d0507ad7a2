package sandbox

import (
	"fmt"
	"strings"
)

// draft is a record that is about to be stored.
type draft struct {
	tx      *txn
	object  *object
	old     *record // nil: an insert
	values  []any
	written []bool // by position: whether the request set the field, as opposed to a default
	system  bool
}

func (d *draft) get(name string) any    { return d.values[d.object.must(name).pos] }
func (d *draft) set(name string, v any) { d.values[d.object.must(name).pos] = v }
func (d *draft) at(f *field) any        { return d.values[f.pos] }

func (tx *txn) newDraft(o *object, old *record) *draft {
	d := &draft{tx: tx, object: o, old: old, values: make([]any, len(o.fields)), written: make([]bool, len(o.fields)),
		system: tx.who.system}
	if old != nil {
		copy(d.values, old.values)
		return d
	}
	for _, f := range o.fields {
		d.values[f.pos] = f.fallback
	}
	if f := o.field("OwnerId"); f != nil {
		d.values[f.pos] = tx.who.user
	}
	return d
}

// insert stores a new record, or returns why it is refused.
func (tx *txn) insert(o *object, in row, read reader) (string, []*apiError) {
	if _, named := in.lookup("Id"); named {
		return "", one(&apiError{Code: "INVALID_FIELD_FOR_INSERT_UPDATE",
			Message: "cannot specify Id in an insert call", Fields: []string{"Id"}})
	}
	d := tx.newDraft(o, nil)
	if errs := d.fill(in, read); errs != nil {
		return "", errs
	}
	return d.save()
}

// update changes a record, or returns why that is refused.
func (tx *txn) update(o *object, id string, in row, read reader) []*apiError {
	old, refused := tx.target(o, id)
	if refused != nil {
		return one(refused)
	}
	d := tx.newDraft(o, old)
	if errs := d.fill(in, read); errs != nil {
		return errs
	}
	_, errs := d.save()
	return errs
}

// target finds the record that an id names for a write.
func (tx *txn) target(o *object, id string) (*record, *apiError) {
	full, ok := canonicalID(id)
	if !ok {
		return nil, &apiError{Code: "MALFORMED_ID",
			Message: fmt.Sprintf("%s ID: id value of incorrect type: %s", o.label, id), Fields: []string{"Id"}}
	}
	if tx.schema.objectOf(full) != o {
		return nil, &apiError{Code: "INVALID_CROSS_REFERENCE_KEY", Message: "invalid cross reference id"}
	}
	r := tx.find(full)
	switch {
	case r == nil:
		return nil, &apiError{Code: "INVALID_CROSS_REFERENCE_KEY", Message: "invalid cross reference id"}
	case r.deleted():
		return nil, &apiError{Code: "ENTITY_IS_DELETED", Message: "entity is deleted"}
	}
	return r, nil
}

// externalKey returns the field of that name if rows of the object can be upserted by it.
func (c caller) externalKey(o *object, name string) (*field, *apiError) {
	f := c.visible(o, name)
	if f == nil || !f.externalID || f.autoNumber != "" {
		return nil, &apiError{Code: "NOT_FOUND",
			Message: "Provided external ID field does not exist or is not accessible: " + name}
	}
	// A key that is not unique is searched with the rights of an administrator (SALESFORCE.md 2.2).
	if !f.unique && !c.viewAllData && !c.system {
		return nil, &apiError{Code: "INSUFFICIENT_ACCESS_OR_READONLY", Fields: []string{f.name},
			Message: "upsert by " + f.name + ", which is not unique, needs the permission View All Data"}
	}
	return f, nil
}

// upsert updates the record with the key, or inserts one. created is true for an insert.
func (tx *txn) upsert(o *object, key *field, value any, in row, read reader) (id string, created bool,
	errs []*apiError) {
	switch found := tx.findBy(o, key, value); len(found) {
	case 0:
		id, errs = tx.insert(o, in, read)
		return id, true, errs
	case 1:
		id = found[0].id()
		return id, false, tx.update(o, id, in, read)
	default:
		return "", false, one(&apiError{Code: "DUPLICATE_EXTERNAL_ID", Fields: []string{key.name},
			Message: fmt.Sprintf("external id field found more than one record: %s", key.text(value))})
	}
}

func one(e *apiError) []*apiError { return []*apiError{e} }

// reader converts a field's value of a request to a value of a record.
type reader func(*field, any) (any, *apiError)

func readJSONValue(f *field, in any) (any, *apiError) { return f.convertJSON(in) }

func readCSVValue(f *field, in any) (any, *apiError) {
	if in == nil {
		return nil, nil
	}
	return f.convertCSV(in.(string))
}

// fill sets the row's values in the draft. It returns all errors of the values at once.
func (d *draft) fill(in row, read reader) []*apiError {
	who := d.tx.who
	var errs []*apiError
	var readOnly []string
	for _, a := range in {
		if strings.EqualFold(a.name, "attributes") {
			continue
		}
		if parent := d.object.byRelationship[strings.ToLower(a.name)]; parent != nil && who.reads(parent) {
			if e := d.fillParent(parent, a.value); e != nil {
				errs = append(errs, e)
			}
			continue
		}
		f := who.visible(d.object, a.name)
		if f == nil {
			return one(&apiError{Code: "INVALID_FIELD",
				Message: fmt.Sprintf("No such column '%s' on sobject of type %s", a.name, d.object.name)})
		}
		if f.pos == posID && d.old != nil {
			continue
		}
		if !d.mayWrite(f) {
			readOnly = append(readOnly, f.name)
			continue
		}
		v, e := read(f, a.value)
		if e != nil {
			errs = append(errs, e)
			continue
		}
		errs = append(errs, d.assign(f, v)...)
	}
	if readOnly != nil {
		return one(&apiError{Code: "INVALID_FIELD_FOR_INSERT_UPDATE", Fields: readOnly,
			Message: fmt.Sprintf("Unable to create/update fields: %s. Please check the security settings of this "+
				"field and verify that it is read/write for your profile or permission set.",
				strings.Join(readOnly, ", "))})
	}
	return errs
}

func (d *draft) assign(f *field, v any) []*apiError {
	if d.written[f.pos] {
		return one(&apiError{Code: "INVALID_FIELD", Message: "field specified more than once: " + f.name,
			Fields: []string{f.name}})
	}
	if v == nil && f.kind == kindBoolean {
		return one(f.refuse("INVALID_TYPE_ON_FIELD_IN_RECORD", "a checkbox is true or false"))
	}
	d.written[f.pos] = true
	d.values[f.pos] = v
	return nil
}

func (d *draft) mayWrite(f *field) bool {
	if f.formula != nil || f.pos <= posModstamp {
		return false
	}
	if d.system {
		return true
	}
	if d.old == nil {
		return f.createable && d.tx.who.writes(f)
	}
	return f.updateable && d.tx.who.writes(f)
}

// fillParent resolves a parent that is named by an external id: "Account__r": {"Key__c": "A-1"}.
func (d *draft) fillParent(f *field, in any) *apiError {
	if len(f.refersTo) != 1 {
		return &apiError{Code: "INVALID_FIELD", Fields: []string{f.relationship},
			Message: f.relationship + " can point at several objects: it cannot be set by an external id"}
	}
	if !d.mayWrite(f) {
		return &apiError{Code: "INVALID_FIELD_FOR_INSERT_UPDATE",
			Message: "Unable to create/update fields: " + f.name + ".", Fields: []string{f.name}}
	}
	if in == nil {
		return first(d.assign(f, nil))
	}
	parent := d.tx.schema.object(f.refersTo[0])
	inner, ok := in.(row)
	if !ok {
		return &apiError{Code: "JSON_PARSER_ERROR",
			Message: fmt.Sprintf("Cannot deserialize instance of %s from a value that is no object", parent.name)}
	}
	var named row
	for _, a := range inner {
		if !strings.EqualFold(a.name, "attributes") {
			named = append(named, a)
		}
	}
	if len(named) != 1 {
		return &apiError{Code: "INVALID_FIELD", Fields: []string{f.relationship},
			Message: f.relationship + ": more than one field for a foreign key reference, or none"}
	}
	key := d.tx.who.visible(parent, named[0].name)
	if key == nil || !key.externalID {
		return &apiError{Code: "INVALID_FIELD",
			Message: fmt.Sprintf("Field name provided, %s is not an External ID or indexed field for %s",
				named[0].name, parent.name)}
	}
	value, refused := key.convertJSON(named[0].value)
	if refused != nil {
		return refused
	}
	found := d.tx.findBy(parent, key, value)
	switch {
	case value == nil || len(found) == 0:
		return &apiError{Code: "INVALID_FIELD",
			Message: fmt.Sprintf("Foreign key external ID: %s not found for field %s in entity %s", key.text(value),
				key.name, parent.name)}
	case len(found) > 1:
		return &apiError{Code: "DUPLICATE_EXTERNAL_ID",
			Message: fmt.Sprintf("Foreign key external ID: %s, is not unique", key.text(value)),
			Fields:  []string{key.name}}
	}
	return first(d.assign(f, found[0].id()))
}

func first(errs []*apiError) *apiError {
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}

// save checks the complete draft and stores it.
func (d *draft) save() (string, []*apiError) {
	needed := toCreate
	if d.old != nil {
		needed = toEdit
	}
	if !d.tx.who.may(needed, d.object) {
		return "", one(denied(d.object))
	}
	if d.old != nil && !d.tx.shares(toEdit, d.old) {
		return "", one(notShared)
	}
	if e := d.checkRequired(); e != nil {
		return "", one(e)
	}
	if errs := d.checkReferences(); errs != nil {
		return "", errs
	}
	if d.object.check != nil {
		if e := d.object.check(d.tx, d); e != nil {
			return "", one(e)
		}
	}
	if errs := d.checkRules(); errs != nil {
		return "", errs
	}
	if e := d.checkUnique(); e != nil {
		return "", one(e)
	}
	if e := d.tx.rows.refuse(d, d.tx.chunk); e != nil {
		return "", one(e)
	}
	isNew := d.old == nil
	id := d.store()
	if isNew && d.object.created != nil {
		d.object.created(d.tx, id)
	}
	return id, nil
}

func (d *draft) checkRequired() *apiError {
	var missing []string
	for _, f := range d.object.fields {
		if (f.required || f.demanded.Load() && !d.system) && d.values[f.pos] == nil {
			missing = append(missing, f.name)
		}
	}
	if missing == nil {
		return nil
	}
	return &apiError{Code: "REQUIRED_FIELD_MISSING", Fields: missing,
		Message: fmt.Sprintf("Required fields are missing: [%s]", strings.Join(missing, ", "))}
}

// checkReferences checks every lookup that the request sets, also to its current value: a converted lead
// refuses both.
func (d *draft) checkReferences() []*apiError {
	var errs []*apiError
	for _, f := range d.object.fields {
		if f.kind != kindReference || !d.written[f.pos] || d.values[f.pos] == nil {
			continue
		}
		if e := d.checkReference(f, d.values[f.pos].(string)); e != nil {
			errs = append(errs, e)
		}
	}
	return errs
}

func (d *draft) checkReference(f *field, id string) *apiError {
	target := d.tx.schema.objectOf(id)
	if target == nil {
		return f.refuse("FIELD_INTEGRITY_EXCEPTION", "id value of incorrect type: %s", id)
	}
	fits := false
	for _, name := range f.refersTo {
		fits = fits || name == target.name
	}
	if !fits {
		return f.refuse("FIELD_INTEGRITY_EXCEPTION", "id value of incorrect type: %s", id)
	}
	r := d.tx.find(id)
	switch {
	case r == nil:
		return &apiError{Code: "INVALID_CROSS_REFERENCE_KEY", Message: "invalid cross reference id",
			Fields: []string{f.name}}
	case r.deleted():
		return &apiError{Code: "ENTITY_IS_DELETED", Message: "entity is deleted", Fields: []string{f.name}}
	case f.name == "OwnerId" && !r.flag(target.must("IsActive")):
		return &apiError{Code: "INACTIVE_OWNER_OR_USER",
			Message: fmt.Sprintf("operation performed with inactive user [%s] as owner of %s", id, d.object.name)}
	case f.name == "OwnerId" && d.tx.who.org != nil && id != d.tx.who.user &&
		!d.tx.who.org.callerOf(id).sees(d.object):
		return &apiError{Code: "TRANSFER_REQUIRES_READ", Message: "The new owner must have read permission"}
	case !d.tx.shares(toRead, r):
		return &apiError{Code: "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
			Message: "insufficient access rights on cross-reference id: " + id, Fields: []string{}}
	case target.name == "Lead" && r.flag(target.must("IsConverted")) && !d.system:
		return &apiError{Code: "CANNOT_UPDATE_CONVERTED_LEAD", Message: "cannot reference converted lead",
			Fields: []string{f.name}}
	}
	return nil
}

// checkRules runs the validation rules. A rule that cannot be computed refuses the row.
func (d *draft) checkRules() []*apiError {
	if d.system {
		return nil
	}
	if d.object.derive != nil {
		d.object.derive(d)
	}
	s := &scope{object: d.object, now: d.tx.at, row: d.at}
	if d.old != nil {
		s.old = d.old.at
	}
	var errs []*apiError
	for _, r := range d.object.rules {
		v, err := r.refuses.evaluate(s)
		message := r.message
		if err != nil {
			message = "The validation formula for rule " + r.name + " is in error: " + err.Error()
		} else if v != true {
			continue
		}
		e := &apiError{Code: "FIELD_CUSTOM_VALIDATION_EXCEPTION", Message: message}
		if r.field != "" {
			e.Fields = []string{r.field}
		}
		errs = append(errs, e)
	}
	return errs
}

func (d *draft) checkUnique() *apiError {
	for _, f := range d.object.fields {
		v := d.values[f.pos]
		if !f.unique || v == nil || d.old != nil && !d.old.deleted() && v == d.old.at(f) {
			continue
		}
		for _, other := range d.tx.findBy(d.object, f, v) {
			if d.old == nil || other.id() != d.old.id() {
				return &apiError{Code: "DUPLICATE_VALUE", Fields: []string{},
					Message: fmt.Sprintf("duplicate value found: %s duplicates value on record with id: %s", f.name,
						other.id())}
			}
		}
	}
	return nil
}

// store stores the draft with a new id and creation fields if it is an insert.
func (d *draft) store() string {
	t := d.tx.tables[d.object]
	if d.old == nil {
		d.values[posID] = newID(d.object.prefix, t.newNumber())
		d.values[posCreatedDate], d.values[posCreatedBy] = d.tx.at, d.tx.who.user
		if name := d.object.nameAt; name != nil && name.autoNumber != "" {
			d.values[name.pos] = t.autoNumber(name.autoNumber)
		}
	}
	return d.stamp()
}

// stamp sets the modification fields of a draft that has its id, and stores it.
func (d *draft) stamp() string {
	if d.object.derive != nil {
		d.object.derive(d)
	}
	d.values[posModifiedDate], d.values[posModifiedBy] = d.tx.at, d.tx.who.user
	d.values[posModstamp] = d.tx.at
	r := &record{object: d.object, values: d.values}
	d.tx.put(d.old, r)
	return r.id()
}
