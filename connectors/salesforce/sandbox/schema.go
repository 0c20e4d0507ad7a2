package sandbox

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync/atomic"

	sfpackage "inmail/connectors/salesforce/package"
)

// kind is a field's type, in the words of a describe.
type kind string

const (
	kindID          kind = "id"
	kindString      kind = "string"
	kindTextArea    kind = "textarea"
	kindEmail       kind = "email"
	kindPhone       kind = "phone"
	kindURL         kind = "url"
	kindPicklist    kind = "picklist"
	kindMultiselect kind = "multipicklist"
	kindReference   kind = "reference"
	kindBoolean     kind = "boolean"
	kindInt         kind = "int"
	kindDouble      kind = "double"
	kindCurrency    kind = "currency"
	kindDate        kind = "date"
	kindDateTime    kind = "datetime"
)

// text reports whether values of the kind are texts of a limited length.
func (k kind) text() bool {
	switch k {
	case kindString, kindTextArea, kindEmail, kindPhone, kindURL:
		return true
	}
	return false
}

// number reports whether values of the kind are numbers.
func (k kind) number() bool { return k == kindInt || k == kindDouble || k == kindCurrency }

// Positions of the fields that every object has, in every record.
const (
	posID = iota
	posDeleted
	posCreatedDate
	posCreatedBy
	posModifiedDate
	posModifiedBy
	posModstamp
)

// field is one field of an object: its type, its limits, and who may write it.
type field struct {
	name, label string
	kind        kind
	pos         int // its place in a record's values

	length           int // texts and picklists: at most so many UTF-16 units; multiselect: in all
	precision, scale int // numbers: digits in all, digits behind the point

	required      bool // refused when missing on insert or set to null later
	unique        bool // among the object's records that are not deleted
	caseSensitive bool // unique and external ids compare exactly
	externalID    bool
	restricted    bool // only the active values of the picklist
	values        []string
	fallback      any // the default of an insert

	refersTo     []string // objects that a reference may point at
	relationship string   // its name in field paths: Account, Lead__r, Who
	children     string   // its name on the parent: InMails__r
	onDelete     deleteRule

	createable, updateable bool
	nameField              bool
	autoNumber             string // display format, such as IM-{0000000}
	formula                *formula
	packaged               bool // comes from the package: hidden without its permission set
	permissionable         bool // under field-level security; other fields are visible with the object

	hidden    atomic.Bool              // field-level security hides it from everybody
	encrypted atomic.Bool              // Platform Encryption: it cannot be filtered by
	revalued  atomic.Pointer[[]string] // the values that an administrator gave it; nil: those that were deployed
	demanded  atomic.Bool              // an administrator made it required
	shortened atomic.Int32             // current length in UTF-16 units; 0: as deployed
}

// deleteRule is what happens to a record when its parent is deleted.
type deleteRule int

const (
	setNull deleteRule = iota
	cascade
	restrict
)

func (f *field) custom() bool { return strings.HasSuffix(f.name, "__c") }

// long reports whether the field is a long text area, which can be neither filtered nor sorted.
func (f *field) long() bool { return f.kind == kindTextArea && f.length > 255 }

// unconditional reports whether the field is under no field-level security: a required field never is.
func (f *field) unconditional() bool { return !f.permissionable || f.demanded.Load() }

// choices are the values of a picklist.
func (f *field) choices() []string {
	if values := f.revalued.Load(); values != nil {
		return *values
	}
	return f.values
}

func (f *field) filterable() bool { return !f.long() && !f.encrypted.Load() }
func (f *field) sortable() bool   { return !f.long() && f.kind != kindMultiselect }
func (f *field) groupable() bool {
	if f.formula != nil || f.kind == kindDateTime || f.kind == kindMultiselect {
		return false
	}
	return !f.long() && f.kind != kindDouble && f.kind != kindCurrency
}

// indexed reports whether the store has an index on the field: on a key, a lookup or an e-mail address.
// Lookups to users (owner, creator, last modifier) are queried too seldom to be worth three indexes.
func (f *field) indexed() bool {
	if f.kind == kindReference {
		return !slices.Equal(f.refersTo, []string{"User"})
	}
	return f.unique || f.externalID || f.kind == kindEmail
}

// object is one sObject: its fields in order and the rules that its records keep.
type object struct {
	name, label, plural, prefix string
	packaged                    bool // comes from the package: hidden without its permission set
	readOnly                    bool // no inserts, updates or deletes through the API
	activities                  bool // Tasks may point at it with WhatId
	tab                         bool // it has a tab
	fields                      []*field
	byName                      map[string]*field
	byRelationship              map[string]*field
	rules                       []*rule
	nameAt                      *field
	derive                      func(*draft)                 // sets the fields that follow from others
	check                       func(*txn, *draft) *apiError // checks conditions across fields
	created                     func(tx *txn, id string)     // adds what comes with a new record
}

func (o *object) custom() bool { return strings.HasSuffix(o.name, "__c") }

// field returns the field of that name, whatever its case, or nil.
func (o *object) field(name string) *field { return o.byName[strings.ToLower(name)] }

// must returns a field of which it is known that the object has it.
func (o *object) must(name string) *field {
	f := o.field(name)
	if f == nil {
		panic(fmt.Sprintf("sandbox: %s has no field %s", o.name, name))
	}
	return f
}

func (o *object) add(f *field) {
	f.pos = len(o.fields)
	o.fields = append(o.fields, f)
	o.byName[strings.ToLower(f.name)] = f
	if f.nameField {
		o.nameAt = f
	}
}

// schema contains every object of the org.
type schema struct {
	objects  []*object
	byName   map[string]*object
	byPrefix map[string]*object
	children map[*object][]childRelation
}

// childRelation is a reference field, indexed by the object that it points at.
type childRelation struct {
	object *object
	field  *field
}

// object returns the object of that name, whatever its case, or nil.
func (s *schema) object(name string) *object { return s.byName[strings.ToLower(name)] }

// objectOf returns the object that an id belongs to, or nil.
func (s *schema) objectOf(id string) *object {
	if len(id) < 3 {
		return nil
	}
	return s.byPrefix[id[:3]]
}

// newSchema joins the standard objects and those of the package. A rule or formula that cannot be evaluated
// is an error, so that nothing passes because it was not understood.
func newSchema(model sfpackage.Model) (*schema, error) {
	s := &schema{
		byName:   map[string]*object{},
		byPrefix: map[string]*object{},
		children: map[*object][]childRelation{},
	}
	for _, o := range standardObjects() {
		s.objects = append(s.objects, o)
		s.byName[strings.ToLower(o.name)] = o
	}
	if err := s.addPackage(model); err != nil {
		return nil, err
	}
	sort.Slice(s.objects, func(i, j int) bool { return s.objects[i].name < s.objects[j].name })
	for _, o := range s.objects {
		s.byPrefix[o.prefix] = o
	}
	if task := s.object("Task"); task != nil {
		what := task.must("WhatId")
		for _, o := range s.objects {
			if o.activities && o.custom() {
				what.refersTo = append(what.refersTo, o.name)
			}
		}
	}
	for _, o := range s.objects {
		for _, f := range o.fields {
			if f.relationship != "" {
				o.byRelationship[strings.ToLower(f.relationship)] = f
			}
			for _, target := range f.refersTo {
				parent := s.object(target)
				if parent == nil {
					return nil, fmt.Errorf("sandbox: %s.%s refers to %s, which the sandbox does not have", o.name,
						f.name, target)
				}
				s.children[parent] = append(s.children[parent], childRelation{o, f})
			}
		}
	}
	return s, nil
}
