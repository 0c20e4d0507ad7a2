package sandbox

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Record is a record as tests see it.
type Record struct {
	ID         string
	Properties map[string]string
	Archived   bool
	Linked     map[string][]string // ids by object
}

// Make makes a record, as a user does in the portal.
func (s *Sandbox) Make(objectName string, properties map[string]string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.object(objectName)
	if o == nil {
		return "", fmt.Errorf("there is no object %s", objectName)
	}
	if f := s.values(o, nil, properties); f != nil {
		return "", f
	}
	return strconv.FormatInt(s.store(o, nil, properties).id, 10), nil
}

// Edit changes a record, as a user does in the portal.
func (s *Sandbox) Edit(objectName, id string, properties map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.object(objectName)
	r, f := s.find(o, id, "", false)
	if f == nil && r == nil {
		f = missingObject(id)
	}
	if f == nil {
		f = s.values(o, r, properties)
	}
	if f != nil {
		return f
	}
	s.store(o, r, properties)
	return nil
}

// Delete moves a record to the recycle bin, as a user does in the portal.
func (s *Sandbox) Delete(objectName, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, _ := s.find(s.object(objectName), id, "", false)
	if r == nil {
		return missingObject(id)
	}
	s.archive(r)
	return nil
}

// Associate associates a contact with a company, as its primary one or another.
func (s *Sandbox) Associate(contact, company string, primary bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	from, to := s.objects["contacts"], s.objects["companies"]
	r, _ := s.find(from, contact, "", false)
	other, _ := s.find(to, company, "", false)
	if r == nil || other == nil {
		return missingObject(contact + " or " + company)
	}
	link(from, r, to, other, 279)
	if primary {
		link(from, r, to, other, 1)
	}
	return nil
}

// MakeLead makes an open lead of a contact, as a user does in the portal, and returns its id.
func (s *Sandbox) MakeLead(contact, name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from, to := s.objects["leads"], s.objects["contacts"]
	other, _ := s.find(to, contact, "", false)
	if from == nil || other == nil {
		return "", missingObject("leads, or " + contact)
	}
	r := s.store(from, nil, map[string]string{"hs_lead_name": name, "hs_lead_is_open": "true"})
	link(from, r, to, other, 578)
	return strconv.FormatInt(r.id, 10), nil
}

// CloseLead disqualifies a lead, as a user does in the portal.
func (s *Sandbox) CloseLead(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.objects["leads"]
	if r, _ := s.find(o, id, "", false); r != nil {
		s.store(o, r, map[string]string{"hs_lead_is_open": "false"})
	}
}

// AddEmail gives a contact another address.
func (s *Sandbox) AddEmail(contact, email string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.objects["contacts"]
	r, _ := s.find(o, contact, "", false)
	if r == nil {
		return missingObject(contact)
	}
	s.addEmail(o, r, email)
	return nil
}

func (s *Sandbox) addEmail(o *object, r *record, email string) {
	more := strings.Split(r.properties["hs_additional_emails"], ";")
	r.properties["hs_additional_emails"] = strings.Trim(strings.Join(append(more, email), ";"), ";")
	o.unique["email"][strings.ToLower(email)] = r.id
}

// Merge merges two contacts or companies into a new record, whose id it returns. Both old ids go on
// answering with it.
func (s *Sandbox) Merge(objectName, primary, other string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, f := s.merge(s.object(objectName), primary, other)
	if f != nil {
		return "", f
	}
	return strconv.FormatInt(r.id, 10), nil
}

func (s *Sandbox) merge(o *object, primary, other string) (*record, *refusal) {
	a, _ := s.find(o, primary, "", false)
	b, _ := s.find(o, other, "", false)
	if a == nil || b == nil || a == b {
		return nil, missingObject(primary + " or " + other)
	}
	s.nextID++
	now := s.now()
	won := &record{id: s.nextID, properties: maps.Clone(b.properties), createdAt: now, updatedAt: now,
		shownAt: now.Add(s.options.IndexDelay), linked: map[string]map[int64][]int{}}
	maps.Copy(won.properties, a.properties)
	merged := []string{primary, other}
	for _, old := range []*record{a, b} {
		if more := old.properties["hs_merged_object_ids"]; more != "" {
			merged = append(merged, more)
		}
	}
	if won.properties["hs_merged_object_ids"] = strings.Join(merged, ";"); s.options.HideMerged {
		delete(won.properties, "hs_merged_object_ids")
	}
	o.records[won.id] = won
	for name, byValue := range o.unique {
		for value, id := range byValue {
			if id == a.id || id == b.id {
				if name != "email" && value != strings.ToLower(won.properties[name]) {
					delete(byValue, value)
				} else {
					byValue[value] = won.id
				}
			}
		}
	}
	if o.name == "contacts" && b.properties["email"] != "" && b.properties["email"] != won.properties["email"] {
		s.addEmail(o, won, b.properties["email"])
	}
	for _, old := range []*record{a, b} {
		old.mergedInto = won.id
		for name, links := range old.linked {
			to := s.objects[name]
			for id, types := range links {
				for _, t := range types {
					link(o, won, to, to.records[id], t)
				}
				delete(to.records[id].linked[o.name], old.id)
			}
		}
	}
	return won, nil
}

func (s *Sandbox) mergeCall(c *request, o *object) (int, any) {
	var in struct {
		Primary string `json:"primaryObjectId"`
		Other   string `json:"objectIdToMerge"`
	}
	if f := c.decode(&in); f != nil {
		return f.Status, f
	}
	if o.name == "communications" {
		f := invalid("communications cannot be merged")
		return f.Status, f
	}
	r, f := s.merge(o, in.Primary, in.Other)
	if f != nil {
		return f.Status, f
	}
	return http.StatusOK, s.record(c, r, nil)
}

// gdprDelete removes a contact for ever, and the communications that belong to it alone.
func (s *Sandbox) gdprDelete(c *request, o *object) (int, any) {
	var in struct {
		ObjectID   string  `json:"objectId"`
		IDProperty *string `json:"idProperty"`
	}
	if f := c.decode(&in); f != nil {
		return f.Status, f
	}
	property := ""
	if in.IDProperty != nil {
		property = *in.IDProperty
	}
	r, f := s.find(o, in.ObjectID, property, false)
	if f != nil {
		return f.Status, f
	}
	if r == nil {
		return http.StatusNoContent, nil
	}
	for id := range r.linked["communications"] {
		if other := s.objects["communications"].records[id]; len(other.linked["contacts"]) == 1 {
			s.purge(s.objects["communications"], other)
		}
	}
	s.purge(o, r)
	return http.StatusNoContent, nil
}

// purge removes a record for ever.
func (s *Sandbox) purge(o *object, r *record) {
	delete(o.records, r.id)
	for _, byValue := range o.unique {
		maps.DeleteFunc(byValue, func(_ string, id int64) bool { return id == r.id })
	}
	for _, other := range s.objects {
		for _, each := range other.records {
			delete(each.linked[o.name], r.id)
		}
	}
}

// Records returns the records of an object by their ids, archived ones too; merged ones are left out.
func (s *Sandbox) Records(objectName string) []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.object(objectName)
	var out []Record
	for _, id := range slices.Sorted(maps.Keys(o.records)) {
		r := o.records[id]
		if r.mergedInto != 0 {
			continue
		}
		linked := map[string][]string{}
		for name, links := range r.linked {
			for _, to := range slices.Sorted(maps.Keys(links)) {
				linked[name] = append(linked[name], strconv.FormatInt(to, 10))
			}
		}
		out = append(out, Record{strconv.FormatInt(id, 10), maps.Clone(r.properties), r.archived, linked})
	}
	return out
}

// AddProperty makes a property, as an administrator does in the portal.
func (s *Sandbox) AddProperty(objectName string, p Property) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.object(objectName)
	if p.GroupName == "" {
		p.GroupName = "own"
		o.groups["own"] = "Own"
	}
	if f := s.addProperty(o, p); f != nil {
		return f
	}
	return nil
}

// RemoveProperty removes a property for ever, as an administrator does in the portal.
func (s *Sandbox) RemoveProperty(objectName, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.object(objectName)
	delete(o.properties, name)
	delete(o.unique, name)
}

// RemoveOption removes a value of an enumeration, as an administrator does in the portal.
func (s *Sandbox) RemoveOption(objectName, name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.object(objectName).properties[name]
	p.Options = slices.DeleteFunc(p.Options, func(o Option) bool { return o.Value == value })
}
