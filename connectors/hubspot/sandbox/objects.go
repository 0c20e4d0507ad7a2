package sandbox

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// record is one record of an object.
type record struct {
	id         int64
	properties map[string]string
	createdAt  time.Time
	updatedAt  time.Time
	shownAt    time.Time // when searches show its last change
	archived   bool
	archivedAt time.Time
	mergedInto int64 // the record that answers in its place; 0: none
	linked     map[string]map[int64][]int
}

// addressForm is what HubSpot takes for an address: the local part in ASCII.
var addressForm = regexp.MustCompile(`^[!-?A-~]+@[^@\s]+\.[^@\s.]+$`)

// batchSize is the number of inputs of a batch.
const batchSize = 100

// routeObjects finds what answers a call about records.
func (s *Sandbox) routeObjects(c *request) (do func() (int, any), scopes []string, kind string) {
	if len(c.path) == 0 {
		return nil, nil, ""
	}
	o := s.object(c.path[0])
	if o == nil {
		return nil, nil, ""
	}
	read, write := mayRead(o.name), mayWrite(o.name)
	batch := func(f func(*request, *object) (int, any)) func() (int, any) {
		return func() (int, any) { return f(c, o) }
	}
	switch {
	case c.is(http.MethodPost, "*", "batch", "read"):
		return batch(s.batchRead), read, "read " + o.name
	case c.is(http.MethodPost, "*", "batch", "create"):
		return batch(s.batchCreate), write, "create " + o.name
	case c.is(http.MethodPost, "*", "batch", "update"):
		return batch(s.batchUpdate), write, "update " + o.name
	case c.is(http.MethodPost, "*", "batch", "upsert"):
		return batch(s.batchUpsert), write, "update " + o.name
	case c.is(http.MethodPost, "*", "batch", "archive"):
		return batch(s.batchArchive), write, "update " + o.name
	case c.is(http.MethodPost, "*", "search"):
		return batch(s.search), read, "search"
	case c.is(http.MethodPost, "contacts", "gdpr-delete"):
		return batch(s.gdprDelete), write, "update " + o.name
	case c.is(http.MethodPost, "*", "merge"):
		return batch(s.mergeCall), write, "update " + o.name
	case c.is(http.MethodGet, "*"):
		return batch(s.list), read, "list " + o.name
	case c.is(http.MethodPost, "*"):
		return batch(s.createOne), write, "create " + o.name
	case c.is(http.MethodGet, "*", "*"):
		return batch(s.readOne), read, "read " + o.name
	case c.is(http.MethodPatch, "*", "*"):
		return batch(s.updateOne), write, "update " + o.name
	case c.is(http.MethodDelete, "*", "*"):
		return batch(s.archiveOne), write, "update " + o.name
	case c.is(http.MethodGet, "*", "*", "associations", "*"): // v4 alone
		return batch(s.listLinked), read, "read associations"
	}
	return nil, nil, ""
}

// view returns a record with the properties that were asked for. One without a value is absent, and null in
// v3.
func (s *Sandbox) record(c *request, r *record, names []string) map[string]any {
	values := map[string]any{"hs_object_id": strconv.FormatInt(r.id, 10), "hs_createdate": stamp(r.createdAt),
		"hs_lastmodifieddate": stamp(r.updatedAt)}
	for _, name := range names {
		if value := r.properties[name]; value != "" {
			values[name] = value
		} else if _, there := values[name]; !there && oldVersion.MatchString(c.version) {
			values[name] = nil
		}
	}
	out := map[string]any{"id": strconv.FormatInt(r.id, 10), "properties": values, "createdAt": stamp(r.createdAt),
		"updatedAt": stamp(r.updatedAt), "archived": r.archived}
	if r.archived {
		out["archivedAt"] = stamp(r.archivedAt)
	}
	return out
}

// find returns the record of an id or, with a property, of its unique value. A merged contact or company
// answers by the record that won; other objects' do not.
func (s *Sandbox) find(o *object, key, property string, archived bool) (*record, *refusal) {
	var id int64
	switch {
	case property == "":
		id, _ = strconv.ParseInt(key, 10, 64)
	default:
		p := o.properties[property]
		if p == nil || !p.HasUniqueValue {
			return nil, invalid("Unable to perform read by non-unique %s property %s in portal ID %d", o.typeID, property, s.options.Portal)
		}
		id = o.unique[property][strings.ToLower(key)]
	}
	r := o.records[id]
	for r != nil && r.mergedInto != 0 && o.name != "communications" {
		r = o.records[r.mergedInto]
	}
	if r == nil || r.archived != archived || r.mergedInto != 0 {
		return nil, nil
	}
	return r, nil
}

// values checks the properties that are to be written to a record; nil stands for a new one.
func (s *Sandbox) values(o *object, r *record, properties map[string]string) *refusal {
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		p := o.properties[name]
		if p == nil {
			return invalidValue("PROPERTY_DOESNT_EXIST", name, "Property \"%s\" does not exist", name)
		}
		if f := s.check(p, properties[name]); f != nil {
			return f
		}
		holder := o.unique[name][strings.ToLower(properties[name])]
		if p.HasUniqueValue && properties[name] != "" && holder != 0 && (r == nil || holder != r.id) {
			if name == "email" {
				return &refusal{Status: http.StatusConflict, Category: "CONFLICT", Message: fmt.Sprintf("Contact already exists. Existing ID: %d", holder)}
			}
			return &refusal{Status: http.StatusConflict, Category: "CONFLICT", Message: fmt.Sprintf(
				"Cannot set PropertyValueCoordinates{portalId=%d, objectTypeId=%s, propertyName=%s, value=%s} on %d. %d already has that value.",
				s.options.Portal, o.typeID, name, properties[name], s.nextID+1, holder)}
		}
	}
	if r == nil && o.name == "communications" {
		for _, name := range []string{"hs_communication_channel_type", "hs_timestamp"} {
			if properties[name] == "" {
				return invalidValue("REQUIRED_PROPERTY_MISSING", name, "'%s' is required", name)
			}
		}
	}
	return nil
}

// store writes checked properties to a record, or to a new one.
func (s *Sandbox) store(o *object, r *record, properties map[string]string) *record {
	now, created := s.now(), r == nil
	if created {
		s.nextID++
		r = &record{id: s.nextID, properties: map[string]string{}, createdAt: now, linked: map[string]map[int64][]int{}}
		o.records[r.id] = r
	}
	r.updatedAt, r.shownAt = now, now.Add(s.options.IndexDelay)
	for name, value := range properties {
		if p := o.properties[name]; p.Type == "enumeration" && p.FieldType == "checkbox" && strings.HasPrefix(value, ";") {
			value = strings.TrimPrefix(r.properties[name]+value, ";")
		}
		if byValue := o.unique[name]; byValue != nil {
			delete(byValue, strings.ToLower(r.properties[name]))
			if value != "" {
				byValue[strings.ToLower(value)] = r.id
			}
		}
		if r.properties[name] = value; value == "" {
			delete(r.properties, name)
		}
	}
	if o.name == "communications" {
		s.history = append(s.history, Change{strconv.FormatInt(r.id, 10), r.properties["inmail_event_id"], r.properties["inmail_sequence"],
			r.properties["hs_communication_body"], created})
	}
	return r
}

// association is what a record is created with.
type association struct {
	To struct {
		ID string `json:"id"`
	} `json:"to"`
	Types []associationType `json:"types"`
}

type associationType struct {
	Category string `json:"associationCategory"`
	TypeID   int    `json:"associationTypeId"`
}

// createInput is a record to be made.
type createInput struct {
	Associations []association     `json:"associations"`
	Trace        *string           `json:"objectWriteTraceId"`
	Properties   map[string]string `json:"properties"`
}

// checkCreate refuses a record that cannot be made, before anything is stored.
func (s *Sandbox) checkCreate(o *object, in createInput) *refusal {
	if f := s.values(o, nil, in.Properties); f != nil {
		return f
	}
	for _, a := range in.Associations {
		if _, _, f := s.target(o, a); f != nil {
			return f
		}
	}
	return nil
}

func (s *Sandbox) create(o *object, in createInput) *record {
	r := s.store(o, nil, in.Properties)
	for _, a := range in.Associations {
		to, other, _ := s.target(o, a)
		for _, t := range a.Types {
			link(o, r, to, other, t.TypeID)
		}
	}
	return r
}

// batchCreate makes records. With a trace id on every input a faulty row fails alone; otherwise all do.
func (s *Sandbox) batchCreate(c *request, o *object) (int, any) {
	var in struct {
		Inputs []createInput `json:"inputs"`
	}
	if f := c.decode(&in); f != nil {
		return f.Status, f
	}
	if f := sizeOf(len(in.Inputs)); f != nil {
		return f.Status, f
	}
	traces, twice := map[string]bool{}, map[string]bool{}
	for _, i := range in.Inputs {
		if i.Associations == nil {
			f := invalid("associations are required; an empty list is one")
			return f.Status, f
		}
		if i.Trace != nil {
			traces[*i.Trace] = true
		}
		for name := range o.unique {
			if v := strings.ToLower(i.Properties[name]); v != "" && twice[name+" "+v] {
				f := invalid("Duplicate IDs found in batch input: [%s]. IDs must be unique", i.Properties[name])
				return f.Status, f
			} else if v != "" {
				twice[name+" "+v] = true
			}
		}
	}
	traced := len(traces) == len(in.Inputs)
	var good []createInput
	var errs []*refusal
	for _, i := range in.Inputs {
		f := s.checkCreate(o, i)
		if f == nil {
			f = s.drawRow(o)
		}
		switch {
		case f == nil:
			good = append(good, i)
		case !traced || f.Status == http.StatusConflict && !s.options.RowConflict:
			return f.Status, f
		default:
			f.Context = map[string][]string{"objectWriteTraceId": {*i.Trace}}
			errs = append(errs, f)
		}
	}
	var results []any
	for _, i := range good {
		r := s.record(c, s.create(o, i), slices.Sorted(maps.Keys(i.Properties)))
		if i.Trace != nil {
			r["objectWriteTraceId"] = *i.Trace
		}
		results = append(results, r)
	}
	return s.batchAnswer(c, http.StatusCreated, results, errs)
}

func sizeOf(n int) *refusal {
	switch {
	case n == 0:
		return invalid("inputs are empty")
	case n > batchSize:
		return invalid("%d inputs are more than the limit of %d", n, batchSize)
	}
	return nil
}

// updateInput is a change of a record.
type updateInput struct {
	ID         string            `json:"id"`
	IDProperty *string           `json:"idProperty"`
	Trace      *string           `json:"objectWriteTraceId"`
	Properties map[string]string `json:"properties"`
}

func (in updateInput) property() string {
	if in.IDProperty == nil {
		return ""
	}
	return *in.IDProperty
}

// batchUpdate changes records. Ids that are gone are answered by row; an invalid value fails the batch.
func (s *Sandbox) batchUpdate(c *request, o *object) (int, any) {
	var in struct {
		Inputs []updateInput `json:"inputs"`
	}
	if f := c.decode(&in); f != nil {
		return f.Status, f
	}
	if f := sizeOf(len(in.Inputs)); f != nil {
		return f.Status, f
	}
	found := make([]*record, len(in.Inputs))
	rows := map[int64]bool{}
	var missing []string
	for i, u := range in.Inputs {
		r, f := s.find(o, u.ID, u.property(), false)
		if f == nil && r != nil && rows[r.id] {
			f = invalid("Duplicate IDs found in batch input: [%s]. IDs must be unique", u.ID)
		}
		if f == nil && r != nil {
			rows[r.id] = true
			f = s.values(o, r, u.Properties)
		}
		if f == nil && r != nil {
			f = s.drawRow(o)
		}
		if f != nil {
			return f.Status, f
		}
		if found[i] = r; r == nil {
			missing = append(missing, u.ID)
		}
	}
	var results []any
	for i, u := range in.Inputs {
		if found[i] != nil {
			results = append(results, s.record(c, s.store(o, found[i], u.Properties), slices.Sorted(maps.Keys(u.Properties))))
		}
	}
	var errs []*refusal
	if missing != nil {
		errs = []*refusal{notFoundRow(missing...)}
	}
	return s.batchAnswer(c, http.StatusOK, results, errs)
}

// batchUpsert changes or makes records. One conflict fails the whole batch.
func (s *Sandbox) batchUpsert(c *request, o *object) (int, any) {
	var in struct {
		Inputs []updateInput `json:"inputs"`
	}
	if f := c.decode(&in); f != nil {
		return f.Status, f
	}
	if f := sizeOf(len(in.Inputs)); f != nil {
		return f.Status, f
	}
	found := make([]*record, len(in.Inputs))
	for i, u := range in.Inputs {
		if u.property() == "email" && o.name == "contacts" {
			f := invalid("partial upserts are not supported when using 'email' as the idProperty")
			return f.Status, f
		}
		r, f := s.find(o, u.ID, u.property(), false)
		if f == nil {
			if u.Properties == nil {
				u.Properties = map[string]string{}
			}
			if u.property() != "" {
				u.Properties[u.property()] = u.ID
			}
			f = s.values(o, r, u.Properties)
		}
		if f != nil {
			return f.Status, f
		}
		found[i] = r
	}
	var results []any
	for i, u := range in.Inputs {
		r := s.record(c, s.store(o, found[i], u.Properties), slices.Sorted(maps.Keys(u.Properties)))
		r["new"] = found[i] == nil
		results = append(results, r)
	}
	return s.batchAnswer(c, http.StatusOK, results, nil)
}

// batchRead reads records by their ids or by a unique property.
func (s *Sandbox) batchRead(c *request, o *object) (int, any) {
	var in struct {
		Properties            []string `json:"properties"`
		PropertiesWithHistory []string `json:"propertiesWithHistory"`
		IDProperty            *string  `json:"idProperty"`
		Inputs                []struct {
			ID string `json:"id"`
		} `json:"inputs"`
	}
	if f := c.decode(&in); f != nil {
		return f.Status, f
	}
	if f := sizeOf(len(in.Inputs)); f != nil {
		return f.Status, f
	}
	property := ""
	if in.IDProperty != nil {
		property = *in.IDProperty
	}
	if property == "hs_object_id" {
		f := invalid("Unable to perform read by hs_object_id")
		return f.Status, f
	}
	archived := c.query.Get("archived") == "true"
	var results []any
	var missing []string
	answered := map[int64]bool{}
	for _, i := range in.Inputs {
		r, f := s.find(o, i.ID, property, archived)
		if property == "email" && !addressForm.MatchString(i.ID) {
			f = invalidValue("INVALID_EMAIL", "email", "an email address is invalid")
		}
		if f != nil {
			return f.Status, f
		}
		switch {
		case r == nil:
			missing = append(missing, i.ID)
		case !answered[r.id]: // two inputs of one record have one answer
			answered[r.id] = true
			results = append(results, s.record(c, r, in.Properties))
		}
	}
	var errs []*refusal
	if missing != nil {
		errs = []*refusal{notFoundRow(missing...)}
	}
	return s.batchAnswer(c, http.StatusOK, results, errs)
}

func (s *Sandbox) batchArchive(c *request, o *object) (int, any) {
	var in struct {
		Inputs []struct {
			ID string `json:"id"`
		} `json:"inputs"`
	}
	if f := c.decode(&in); f != nil {
		return f.Status, f
	}
	if f := sizeOf(len(in.Inputs)); f != nil {
		return f.Status, f
	}
	for _, i := range in.Inputs {
		if r, _ := s.find(o, i.ID, "", false); r != nil {
			s.archive(r)
		}
	}
	return http.StatusNoContent, nil
}

// archive moves a record to the recycle bin, where it keeps its unique values.
func (s *Sandbox) archive(r *record) { r.archived, r.archivedAt = true, s.now() }

// names returns the properties that a call about one record or a list asks for.
func (c *request) names() []string {
	var names []string
	for _, list := range c.query["properties"] {
		names = append(names, strings.Split(list, ",")...)
	}
	return names
}

func (s *Sandbox) list(c *request, o *object) (int, any) {
	limit := 10
	if n, err := strconv.Atoi(c.query.Get("limit")); err == nil {
		limit = n
	}
	if limit < 1 || limit > 100 {
		f := invalid("limit is outside 1..100")
		return f.Status, f
	}
	after, _ := strconv.ParseInt(c.query.Get("after"), 10, 64)
	results, next := []any{}, ""
	for _, id := range slices.Sorted(maps.Keys(o.records)) {
		r := o.records[id]
		if id <= after || r.mergedInto != 0 || r.archived != (c.query.Get("archived") == "true") {
			continue
		}
		if len(results) == limit {
			next = strconv.FormatInt(mustID(results[limit-1]), 10)
			break
		}
		results = append(results, s.record(c, r, c.names()))
	}
	body := map[string]any{"results": results}
	if next != "" {
		body["paging"] = map[string]any{"next": map[string]any{"after": next, "link": "?after=" + next}}
	}
	return http.StatusOK, body
}

func mustID(result any) int64 {
	id, _ := strconv.ParseInt(result.(map[string]any)["id"].(string), 10, 64)
	return id
}

func (s *Sandbox) createOne(c *request, o *object) (int, any) {
	var in createInput
	if f := c.decode(&in); f != nil {
		return f.Status, f
	}
	if f := s.checkCreate(o, in); f != nil {
		return f.Status, f
	}
	return http.StatusCreated, s.record(c, s.create(o, in), slices.Sorted(maps.Keys(in.Properties)))
}

// one returns the record that a path names.
func (s *Sandbox) one(c *request, o *object) (*record, *refusal) {
	r, f := s.find(o, c.path[1], c.query.Get("idProperty"), c.query.Get("archived") == "true")
	if f == nil && r == nil {
		f = missingObject("The record " + c.path[1])
	}
	return r, f
}

func (s *Sandbox) readOne(c *request, o *object) (int, any) {
	r, f := s.one(c, o)
	if f != nil {
		return f.Status, f
	}
	return http.StatusOK, s.record(c, r, c.names())
}

func (s *Sandbox) updateOne(c *request, o *object) (int, any) {
	r, f := s.one(c, o)
	if f != nil {
		return f.Status, f
	}
	var in struct {
		Trace      *string           `json:"objectWriteTraceId"`
		Properties map[string]string `json:"properties"`
	}
	if f := c.decode(&in); f != nil {
		return f.Status, f
	}
	if f := s.values(o, r, in.Properties); f != nil {
		return f.Status, f
	}
	return http.StatusOK, s.record(c, s.store(o, r, in.Properties), slices.Sorted(maps.Keys(in.Properties)))
}

func (s *Sandbox) archiveOne(c *request, o *object) (int, any) {
	if r, _ := s.find(o, c.path[1], "", false); r != nil {
		s.archive(r)
	}
	return http.StatusNoContent, nil
}
