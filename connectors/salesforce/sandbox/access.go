package sandbox

import (
	"fmt"
	"strings"
	"time"

	sfpackage "inmail/connectors/salesforce/package"
)

// access is what a user may do: object permissions and field-level security.
type access struct {
	all      bool // an administrator: everything that is deployed and visible
	packaged bool // a permission set of the package is assigned
	objects  map[*object]sfpackage.ObjectAccess
	fields   map[*field]sfpackage.FieldAccess
}

// caller is who a transaction acts for.
type caller struct {
	user        string // id of the User
	viewAllData bool
	zone        *time.Location // of the user; nil: UTC
	role        string         // place in the role hierarchy; empty: none
	org         *Sandbox       // whose sharing applies; nil: everything is shared
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

// administrator returns the rights to everything; the package is part of that once a permission set of it is
// assigned.
func administrator(assigned bool) *access { return &access{all: true, packaged: assigned} }

// standardUser returns the rights of the profile Standard User: records of people, accounts and activities,
// with all fields that are not the package's, as far as they are shared with the user.
func (s *schema) standardUser() *access {
	a := s.minimal()
	for _, name := range []string{"Account", "Contact", "Lead", "Task"} {
		o := s.object(name)
		a.objects[o] = sfpackage.ObjectAccess{Create: true, Read: true, Edit: true, Delete: true}
		for _, f := range o.fields {
			if !f.packaged {
				a.fields[f] = sfpackage.FieldAccess{Read: true, Edit: true}
			}
		}
	}
	a.objects[s.object("Campaign")] = sfpackage.ObjectAccess{Read: true}
	return a
}

// minimal returns the rights of the profile Minimum Access - API Only Integrations: it sees nothing but
// users, roles and the org itself.
func (s *schema) minimal() *access {
	a := &access{objects: map[*object]sfpackage.ObjectAccess{}, fields: map[*field]sfpackage.FieldAccess{}}
	for _, name := range []string{"User", "UserRole", "Organization"} {
		a.objects[s.object(name)] = sfpackage.ObjectAccess{Read: true}
	}
	return a
}

// add joins the rights of a permission set to those of a profile.
func (a *access) add(s *schema, set sfpackage.PermissionSet) error {
	a.packaged = true
	grant := func(o *object, more sfpackage.ObjectAccess) {
		had := a.objects[o]
		a.objects[o] = sfpackage.ObjectAccess{Create: had.Create || more.Create, Read: had.Read || more.Read,
			Edit: had.Edit || more.Edit, Delete: had.Delete || more.Delete, ViewAll: had.ViewAll || more.ViewAll,
			ModifyAll: had.ModifyAll || more.ModifyAll}
	}
	for name, granted := range set.Objects {
		o := s.object(name)
		if o == nil {
			return fmt.Errorf("sandbox: permission set %s names %s, which the sandbox does not have", set.Name, name)
		}
		if !a.all {
			grant(o, granted)
		}
		if o.name == "Campaign" && granted.Edit && !a.all { // members follow the permission on their campaign
			grant(s.object("CampaignMember"), sfpackage.ObjectAccess{Create: true, Read: true, Edit: true, Delete: true,
				ViewAll: true})
			grant(s.object("CampaignMemberStatus"), sfpackage.ObjectAccess{Read: true, ViewAll: true})
		}
	}
	for _, permission := range set.System {
		if permission == "EditTask" && !a.all {
			grant(s.object("Task"), sfpackage.ObjectAccess{Create: true, Read: true, Edit: true, Delete: true})
		}
	}
	for name, granted := range set.Fields {
		objectName, fieldName, _ := strings.Cut(name, ".")
		if objectName == "Event" { // the org has one permission for Task and Event; the sandbox has no events
			continue
		}
		o := s.object(objectName)
		if o == nil || o.field(fieldName) == nil {
			return fmt.Errorf("sandbox: permission set %s names %s, which the sandbox does not have", set.Name,
				name)
		}
		f := o.field(fieldName)
		if f.required {
			return fmt.Errorf("sandbox: permission set %s cannot be deployed to the required field %s", set.Name,
				name)
		}
		if !a.all {
			had := a.fields[f]
			a.fields[f] = sfpackage.FieldAccess{Read: had.Read || granted.Read, Edit: had.Edit || granted.Edit}
		}
	}
	return nil
}
