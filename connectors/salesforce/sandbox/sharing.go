package sandbox

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
)

// OrgWide is an org-wide default: what users may do with records that they do not own.
type OrgWide string

// The org-wide defaults.
const (
	Private         OrgWide = "Private"
	PublicRead      OrgWide = "Read"
	PublicReadWrite OrgWide = "ReadWrite"
)

// ShareByDefault sets the org-wide default of an object, as an administrator does under Sharing Settings.
// That of Task is about activities: a Task of somebody else can also be read by who may read its Lead,
// Contact or related record.
func (s *Sandbox) ShareByDefault(name string, to OrgWide) error {
	o := s.schema.object(name)
	switch {
	case o == nil || o.field("OwnerId") == nil:
		return fmt.Errorf("sandbox: there is no object %s whose records have owners", name)
	case to != Private && to != PublicRead && to != PublicReadWrite:
		return fmt.Errorf("sandbox: org-wide default %q is none of %s, %s and %s", to, Private, PublicRead, PublicReadWrite)
	}
	changed := maps.Clone(*s.shares.Load())
	changed[o] = to
	s.shares.Store(&changed)
	return nil
}

// changeSharing sets an org-wide default: {"object", "default": "Private"}.
func (s *Sandbox) changeSharing(r *http.Request, _ string) (any, error) {
	in, err := decode[struct {
		Object  string  `json:"object"`
		Default OrgWide `json:"default"`
	}](r)
	if err != nil {
		return nil, err
	}
	return done, s.ShareByDefault(in.Object, in.Default)
}

// orgWide is the org-wide default of an object: that of the package, else Public Read/Write.
func (s *Sandbox) orgWide(o *object) OrgWide {
	if to, ok := (*s.shares.Load())[o]; ok {
		return to
	}
	if po, ok := s.model.Object(o.name); ok && po.SharingModel != "" {
		return OrgWide(po.SharingModel)
	}
	return PublicReadWrite
}

// notShared is the answer to a write to a record that is not shared with the caller.
var notShared = &apiError{Code: "INSUFFICIENT_ACCESS_OR_READONLY",
	Message: "insufficient access rights on object id", Fields: []string{}}

// sharedAll reports whether the caller may read every record of an object, whoever owns it.
func (c caller) sharedAll(o *object) bool {
	if c.system || c.viewAllData || c.org == nil || o.field("OwnerId") == nil {
		return true
	}
	granted := c.access.objects[o]
	return granted.ViewAll || granted.ModifyAll || c.org.orgWide(o) != Private
}

// shared reports whether a record is shared with the caller for an action, given its permission on the
// object.
func (c caller) shared(v *view, to verb, r *record) bool {
	if to == toRead && c.sharedAll(r.object) || c.system || c.viewAllData || c.org == nil {
		return true
	}
	owner := r.object.field("OwnerId")
	if owner == nil || c.access.objects[r.object].ModifyAll {
		return true
	}
	id, _ := r.at(owner).(string)
	role := c.org.users[id].Role
	if id == c.user || c.role != "" && strings.HasPrefix(role, c.role+"/") ||
		to == toEdit && c.org.orgWide(r.object) == PublicReadWrite {
		return true
	}
	if to != toRead || r.object.name != "Task" {
		return false
	}
	for _, name := range []string{"WhoId", "WhatId"} {
		if parent, _ := r.get(name).(string); parent != "" {
			if p := v.find(parent); p != nil && c.sees(p.object) && c.shared(v, toRead, p) {
				return true
			}
		}
	}
	return false
}

// shares is shared for the caller of a transaction.
func (tx *txn) shares(to verb, r *record) bool { return tx.who.shared(&tx.view, to, r) }
