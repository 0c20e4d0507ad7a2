package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	sfpackage "inmail/connectors/salesforce/package"
)

func permissionSet() *object {
	m := newObject("PermissionSet", "Permission Set", "Permission Sets", "0PS")
	m.readOnly = true
	m.text("Name", "Permission Set Name", 80)
	m.require("Name")
	m.text("Label", "Permission Set Label", 80).nameField = true
	m.nameAt = m.must("Label")
	m.text("Description", "Description", 255)
	m.text("NamespacePrefix", "Namespace Prefix", 15)
	m.text("Type", "Permission Set Type", 40)
	m.flag("IsCustom", "Is Custom")
	m.flag("IsOwnedByProfile", "Is Owned By Profile")
	return m.object
}

// permissionSetAssignment is the assignment of a permission set to a user. Nobody changes one: it is made and
// deleted.
func permissionSetAssignment() *object {
	m := newObject("PermissionSetAssignment", "Permission Set Assignment", "Permission Set Assignments", "0Pa")
	set := m.reference("PermissionSetId", "PermissionSet ID", "PermissionSet", "Assignments", "PermissionSet")
	assignee := m.reference("AssigneeId", "Assignee ID", "Assignee", "PermissionSetAssignments", "User")
	m.require("PermissionSetId", "AssigneeId")
	set.updateable, assignee.updateable, set.onDelete = false, false, cascade
	m.check = func(tx *txn, d *draft) *apiError {
		for _, other := range tx.findBy(d.object, set, d.at(set)) {
			if other.at(assignee) == d.at(assignee) && (d.old == nil || other.id() != d.old.id()) {
				return &apiError{Code: "DUPLICATE_VALUE", Message: fmt.Sprintf("duplicate value found: "+
					"PermissionSetId duplicates value on record with id: %s", other.id())}
			}
		}
		return nil
	}
	return m.object
}

func userRole() *object {
	m := newObject("UserRole", "Role", "Role", "00E")
	m.readOnly = true
	m.text("Name", "Name", 80).nameField = true
	m.require("Name")
	m.nameAt = m.must("Name")
	m.reference("ParentRoleId", "Parent Role ID", "", "", "UserRole")
	m.text("DeveloperName", "Developer Name", 80)
	return m.object
}

// addRole makes the role of a place in the hierarchy and those above it, unless made has them. It returns
// its id.
func (tx *txn) addRole(place string, made map[string]string) string {
	if id := made[place]; id != "" {
		return id
	}
	above, name, below := "", place, strings.LastIndexByte(place, '/')
	d := tx.newDraft(tx.schema.object("UserRole"), nil)
	if below > 0 {
		above, name = place[:below], place[below+1:]
		d.set("ParentRoleId", tx.addRole(above, made))
	}
	d.set("Name", name)
	d.set("DeveloperName", strings.NewReplacer("/", "_", " ", "_").Replace(place))
	made[place] = d.store()
	return made[place]
}

// addPermissionSets replaces the permission sets of the org by those of the package, and assigns each to the
// users that it is for, unless the options say otherwise.
func (s *Sandbox) addPermissionSets() error {
	tx := s.store.begin(s.now, caller{user: newID("005", operatorNumber), system: true})
	defer tx.rollback()
	for _, name := range []string{"PermissionSet", "PermissionSetAssignment"} {
		tx.empty(s.schema.object(name))
		tx.tables[s.schema.object(name)].lastID = 0 // a restart gives them the same ids
	}
	if s.deployed.Load() {
		s.storePermissionSets(tx)
	}
	if err := tx.commit(); err != nil {
		return err
	}
	s.store.granted = s.readRights
	return s.assignAll(s.deployed.Load() && !s.options.PermissionSetUnassigned)
}

// storePermissionSets stores those permission sets of the package that the org does not have yet.
func (s *Sandbox) storePermissionSets(tx *txn) {
	had := tx.permissionSets()
	for _, set := range s.model.PermissionSets {
		if had[set.Name] != "" {
			continue
		}
		d := tx.newDraft(s.schema.object("PermissionSet"), nil)
		for name, v := range map[string]any{"Name": set.Name, "Label": set.Label, "Type": "Regular", "IsCustom": true,
			"IsOwnedByProfile": false} {
			d.set(name, v)
		}
		d.store()
	}
}

// empty purges every record of an object.
func (tx *txn) empty(o *object) {
	var all []*record
	tx.query(tx.tables[o], func(r *record) bool { all = append(all, r); return true }, tx.tables[o].all)
	for _, r := range all {
		tx.put(r, nil)
	}
}

// permissionSets returns the ids of the org's permission sets by name.
func (v *view) permissionSets() map[string]string {
	ids, t := map[string]string{}, v.tables[v.schema.object("PermissionSet")]
	v.query(t, func(r *record) bool { ids[r.get("Name").(string)] = r.id(); return true }, t.all+" WHERE gone IS NULL")
	return ids
}

// isFor reports whether a permission set of the package is for a kind of user.
func (s *Sandbox) isFor(set string, u User) bool {
	if u.Integration {
		return set == sfpackage.IntegrationSet || set == sfpackage.CampaignsSet && s.options.CampaignsSetAssigned ||
			set == sfpackage.PeopleSet && !s.options.PeopleSetUnassigned
	}
	return set == sfpackage.ReaderSet || set == sfpackage.MatchingSet
}

// assignAll deletes every assignment, and assigns the sets anew if asked to.
func (s *Sandbox) assignAll(assigned bool) error {
	tx := s.store.begin(s.now, caller{user: newID("005", operatorNumber), system: true})
	defer tx.rollback()
	o := s.schema.object("PermissionSetAssignment")
	tx.empty(o)
	ids := tx.permissionSets()
	for _, set := range s.model.PermissionSets {
		for _, user := range slices.Sorted(maps.Keys(s.users)) {
			if assigned && ids[set.Name] != "" && s.isFor(set.Name, s.users[user]) {
				d := tx.newDraft(o, nil)
				d.set("PermissionSetId", ids[set.Name])
				d.set("AssigneeId", user)
				d.store()
			}
		}
	}
	if err := tx.commit(); err != nil {
		return err
	}
	return s.readRights()
}

// grants reports whether a change is one of an assignment.
func (c change) grants() bool {
	r := c.now
	if r == nil {
		r = c.old
	}
	return r.object.name == "PermissionSetAssignment"
}

// readRights computes what each user may do, from its profile and the permission sets that are assigned to
// it.
func (s *Sandbox) readRights() error {
	rights := map[string]*access{}
	for id, u := range s.users {
		switch {
		case u.Integration:
			rights[id] = s.schema.minimal()
		case u.Standard:
			rights[id] = s.schema.standardUser()
		default:
			rights[id] = administrator(false)
		}
	}
	var failed error
	err := s.store.snapshot(func(v *view) {
		t := v.tables[s.schema.object("PermissionSetAssignment")]
		byID := map[any]string{}
		for name, id := range v.permissionSets() {
			byID[id] = name
		}
		v.query(t, func(r *record) bool {
			user, _ := r.get("AssigneeId").(string)
			set, ok := s.model.PermissionSet(byID[r.get("PermissionSetId")])
			if ok && rights[user] != nil {
				failed = rights[user].add(s.schema, set)
			}
			return failed == nil
		}, t.all+" WHERE gone IS NULL")
	})
	if err == nil {
		err = failed
	}
	if err == nil {
		s.rights.Store(&rights)
	}
	return err
}
