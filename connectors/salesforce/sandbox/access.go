package sandbox

import (
	"fmt"
	"strings"

	sfpackage "inmail/connectors/salesforce/package"
)

// access is what a kind of user may do: object permissions and field-level security.
type access struct {
	all      bool // an administrator: everything that is deployed and visible
	packaged bool // the package's permission set is assigned
	objects  map[*object]sfpackage.ObjectAccess
	fields   map[*field]sfpackage.FieldAccess
}

// caller is who a transaction acts for.
type caller struct {
	user        string // id of the User
	viewAllData bool
	access      *access
	system      bool // the org itself, or the sandbox's operator: may write read-only fields
}

// verb is an action on the records of an object, for which a permission is needed.
type verb int

const (
	toRead verb = iota
	toCreate
	toEdit
	toRemove
)

// may reports whether the caller has the permission on the object.
func (c caller) may(v verb, o *object) bool {
	if c.system {
		return true
	}
	if o.packaged && !c.access.packaged || o.readOnly && v != toRead {
		return false
	}
	if c.access.all {
		return true
	}
	granted := c.access.objects[o]
	switch v {
	case toCreate:
		return granted.Create
	case toEdit:
		return granted.Edit
	case toRemove:
		return granted.Delete
	}
	return granted.Read
}

// sees reports whether the caller may see the object at all.
func (c caller) sees(o *object) bool { return c.may(toRead, o) }

// reads reports whether the caller may see the field, given that it sees the object.
func (c caller) reads(f *field) bool {
	switch {
	case c.system:
		return true
	case f.hidden.Load() || f.packaged && !c.access.packaged:
		return false
	}
	return c.access.all || f.unconditional() || c.access.fields[f].Read
}

// writes reports whether field-level security lets the caller write the field.
func (c caller) writes(f *field) bool {
	return c.system || c.access.all || f.unconditional() || c.access.fields[f].Edit
}

// visible returns the object's field of that name if the caller may see it, or nil.
func (c caller) visible(o *object, name string) *field {
	f := o.field(name)
	if f == nil || !c.reads(f) {
		return nil
	}
	return f
}

// denied is the answer to a caller without the permission.
func denied(o *object) *apiError {
	return &apiError{Code: "INSUFFICIENT_ACCESS_OR_READONLY",
		Message: "insufficient access rights on entity: " + o.name}
}

// administrator returns the rights to everything; the package is part of that once its permission set is
// assigned.
func administrator(assigned bool) *access { return &access{all: true, packaged: assigned} }

// integration returns the rights of the profile Minimum Access - API Only Integrations with permission sets
// of the package. Without any the profile sees nothing but users.
func (s *schema) integration(model sfpackage.Model, sets ...string) (*access, error) {
	a := &access{packaged: len(sets) > 0, objects: map[*object]sfpackage.ObjectAccess{},
		fields: map[*field]sfpackage.FieldAccess{}}
	if u := s.object("User"); u != nil {
		a.objects[u] = sfpackage.ObjectAccess{Read: true}
	}
	if o := s.object("Organization"); o != nil { // every user may read it
		a.objects[o] = sfpackage.ObjectAccess{Read: true}
	}
	for _, name := range sets {
		if err := s.grant(a, model, name); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// grant adds the rights of a permission set.
func (s *schema) grant(a *access, model sfpackage.Model, name string) error {
	set, ok := model.PermissionSet(name)
	if !ok {
		return fmt.Errorf("sandbox: the package has no permission set %s", name)
	}
	for name, granted := range set.Objects {
		o := s.object(name)
		if o == nil {
			return fmt.Errorf("sandbox: permission set %s names %s, which the sandbox does not have", set.Name, name)
		}
		had := a.objects[o]
		a.objects[o] = sfpackage.ObjectAccess{Create: had.Create || granted.Create, Read: had.Read || granted.Read,
			Edit: had.Edit || granted.Edit, Delete: had.Delete || granted.Delete,
			ViewAll: had.ViewAll || granted.ViewAll, ModifyAll: had.ModifyAll || granted.ModifyAll}
	}
	for _, permission := range set.System {
		if permission == "EditTask" {
			a.objects[s.object("Task")] = sfpackage.ObjectAccess{Create: true, Read: true, Edit: true, Delete: true}
		}
	}
	for name, granted := range set.Fields {
		objectName, fieldName, _ := strings.Cut(name, ".")
		if objectName == "Event" { // the org has one permission for Task and Event; the sandbox has no events
			continue
		}
		o := s.object(objectName)
		if o == nil || o.field(fieldName) == nil {
			return fmt.Errorf("sandbox: permission set %s names %s, which the sandbox does not have", set.Name, name)
		}
		f := o.field(fieldName)
		if f.required {
			return fmt.Errorf("sandbox: permission set %s cannot be deployed to the required field %s", set.Name, name)
		}
		had := a.fields[f]
		a.fields[f] = sfpackage.FieldAccess{Read: had.Read || granted.Read, Edit: had.Edit || granted.Edit}
	}
	return nil
}
