package sandbox

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// typesOf are the association types between two objects, by from and to. The first is the default.
var typesOf = map[[2]string][]int{
	{"communications", "contacts"}: {81}, {"contacts", "communications"}: {82},
	{"communications", "companies"}: {87}, {"companies", "communications"}: {88},
	{"contacts", "companies"}: {279, 1}, {"companies", "contacts"}: {280, 2},
	{"contacts", "leads"}: {579}, {"leads", "contacts"}: {578},
	{"communications", "leads"}: {1601}, {"leads", "communications"}: {1602}, // of no known number: they must be asked for
}

// inverse returns the type of an association as it is from the other side.
func inverse(from, to string, typeID int) int {
	types := typesOf[[2]string{from, to}]
	back := typesOf[[2]string{to, from}]
	if i := slices.Index(types, typeID); i >= 0 && i < len(back) {
		return back[i]
	}
	return 0
}

// objectOf returns the object to which a type of association leads from another.
func (s *Sandbox) objectOf(from *object, typeID int) *object {
	for pair, types := range typesOf {
		if pair[0] == from.name && slices.Contains(types, typeID) {
			return s.objects[pair[1]]
		}
	}
	return nil
}

// target returns the record that an association leads to. The old id of a merged record is refused.
func (s *Sandbox) target(from *object, a association) (*object, *record, *refusal) {
	if len(a.Types) == 0 {
		return nil, nil, invalid("an association needs a type")
	}
	to := s.objectOf(from, a.Types[0].TypeID)
	for _, t := range a.Types {
		if t.Category != "HUBSPOT_DEFINED" || to == nil || s.objectOf(from, t.TypeID) != to {
			return nil, nil, invalid("%d is no association type from %s", t.TypeID, from.typeID)
		}
	}
	id, _ := strconv.ParseInt(a.To.ID, 10, 64)
	r := to.records[id]
	if r == nil || r.archived || r.mergedInto != 0 {
		return nil, nil, &refusal{Status: http.StatusBadRequest, Category: "OBJECT_NOT_FOUND",
			Message: "No " + to.typeID + " with ID " + a.To.ID + " exists, the association cannot be made"}
	}
	return to, r, nil
}

// maxLinked is how many records one activity may be associated with.
const maxLinked = 1000

// link associates two records, in both directions.
func link(from *object, r *record, to *object, other *record, typeID int) {
	add := func(a *record, object string, b int64, t int) {
		if t == 0 {
			return
		}
		if a.linked[object] == nil {
			a.linked[object] = map[int64][]int{}
		}
		if !slices.Contains(a.linked[object][b], t) {
			a.linked[object][b] = append(a.linked[object][b], t)
		}
	}
	add(r, to.name, other.id, typeID)
	add(other, from.name, r.id, inverse(from.name, to.name, typeID))
}

func unlink(from *object, r *record, to *object, other *record) {
	delete(r.linked[to.name], other.id)
	delete(other.linked[from.name], r.id)
}

// routeAssociations finds what answers a call about associations.
func (s *Sandbox) routeAssociations(c *request) (do func() (int, any), scopes []string, kind string) {
	if len(c.path) < 2 {
		return nil, nil, ""
	}
	from, to := s.object(c.path[0]), s.object(c.path[1])
	if from == nil || to == nil {
		return nil, nil, ""
	}
	read := slices.Concat(mayRead(from.name), mayRead(to.name))
	write := slices.Concat(mayWrite(from.name), mayWrite(to.name))
	switch {
	case c.is(http.MethodPost, "*", "*", "batch", "read"):
		return func() (int, any) { return s.readLinked(c, from, to) }, read, "read associations"
	case c.is(http.MethodPost, "*", "*", "batch", "create"):
		return func() (int, any) { return s.batchLink(c, from, to, false) }, write, "associate"
	case c.is(http.MethodPost, "*", "*", "batch", "archive"):
		return func() (int, any) { return s.batchLink(c, from, to, true) }, write, "associate"
	case c.is(http.MethodGet, "*", "*", "labels"):
		return func() (int, any) {
			results := []any{}
			for _, t := range typesOf[[2]string{from.name, to.name}] {
				results = append(results, map[string]any{"category": "HUBSPOT_DEFINED", "typeId": t, "label": nil})
			}
			return http.StatusOK, map[string]any{"results": results}
		}, read, "read associations"
	}
	return nil, nil, ""
}

// linkedTo lists what a record is associated with, and the types.
func linkedTo(r *record, to *object) []any {
	list := []any{}
	for _, id := range slices.Sorted(maps.Keys(r.linked[to.name])) {
		other := to.records[id]
		if other == nil || other.archived {
			continue
		}
		types := []any{}
		for _, t := range r.linked[to.name][id] {
			var label any
			if t == 1 {
				label = "Primary"
			}
			types = append(types, map[string]any{"category": "HUBSPOT_DEFINED", "typeId": t, "label": label})
		}
		list = append(list, map[string]any{"toObjectId": strconv.FormatInt(id, 10), "associationTypes": types})
	}
	return list
}

// maxLinkedPage is how many associations of one record an answer has.
const maxLinkedPage = 500

func (s *Sandbox) readLinked(c *request, from, to *object) (int, any) {
	var in struct {
		Inputs []struct {
			ID    string  `json:"id"`
			After *string `json:"after"`
		} `json:"inputs"`
	}
	if f := c.decode(&in); f != nil {
		return f.Status, f
	}
	if n := len(in.Inputs); n == 0 || n > 1000 {
		f := invalid("%d inputs are outside 1..1000", n)
		return f.Status, f
	}
	var results []any
	var missing []string
	for _, i := range in.Inputs {
		r, _ := s.find(from, i.ID, "", false)
		var list []any
		if r != nil {
			list = linkedTo(r, to)
		}
		if len(list) == 0 {
			missing = append(missing, i.ID)
			continue
		}
		start := 0
		if i.After != nil {
			start, _ = strconv.Atoi(*i.After)
		}
		end := min(start+maxLinkedPage, len(list))
		one := map[string]any{"from": map[string]any{"id": i.ID}, "to": list[min(start, end):end]}
		if end < len(list) {
			one["paging"] = map[string]any{"next": map[string]any{"after": strconv.Itoa(end)}}
		}
		results = append(results, one)
	}
	var errs []*refusal
	if missing != nil { // HubSpot answers those without any association as errors
		errs = []*refusal{{Category: "OBJECT_NOT_FOUND", Sub: "crm.associations.NO_ASSOCIATIONS_FOUND",
			Message: "No associations found", Context: map[string][]string{"fromObjectId": missing}}}
	}
	return s.batchAnswer(c, http.StatusOK, results, errs)
}

// batchLink makes or removes associations.
func (s *Sandbox) batchLink(c *request, from, to *object, remove bool) (int, any) {
	type end struct {
		ID string `json:"id"`
	}
	type pair struct {
		From  end
		To    []end
		Types []associationType
	}
	var pairs []pair
	limit := 2000
	if remove {
		limit = 100
		var in struct {
			Inputs []struct {
				From end   `json:"from"`
				To   []end `json:"to"`
			} `json:"inputs"`
		}
		if f := c.decode(&in); f != nil {
			return f.Status, f
		}
		for _, i := range in.Inputs {
			pairs = append(pairs, pair{From: i.From, To: i.To})
		}
	} else {
		var in struct {
			Inputs []struct {
				From  end               `json:"from"`
				To    end               `json:"to"`
				Types []associationType `json:"types"`
			} `json:"inputs"`
		}
		if f := c.decode(&in); f != nil {
			return f.Status, f
		}
		for _, i := range in.Inputs {
			pairs = append(pairs, pair{i.From, []end{i.To}, i.Types})
		}
	}
	if n := len(pairs); n == 0 || n > limit {
		f := invalid("%d inputs are outside 1..%d", n, limit)
		return f.Status, f
	}
	var results []any
	var errs []*refusal
	for _, p := range pairs {
		r, _ := s.find(from, p.From.ID, "", false)
		for _, t := range p.To {
			other, _ := s.find(to, t.ID, "", false)
			switch {
			case r == nil || other == nil:
				if !remove {
					errs = append(errs, &refusal{Category: "OBJECT_NOT_FOUND", Message: "One of the objects does not exist.",
						Context: map[string][]string{"fromObjectId": {p.From.ID}, "toObjectId": {t.ID}}})
				}
			case remove:
				unlink(from, r, to, other)
			default:
				a := association{Types: p.Types}
				a.To.ID = t.ID
				if _, _, f := s.target(from, a); f != nil {
					return f.Status, f
				}
				if len(r.linked[to.name]) >= maxLinked {
					f := invalid("an activity has at most %d associations", maxLinked)
					return f.Status, f
				}
				for _, each := range p.Types {
					link(from, r, to, other, each.TypeID)
				}
				results = append(results, map[string]any{"fromObjectTypeId": from.typeID, "fromObjectId": p.From.ID,
					"toObjectTypeId": to.typeID, "toObjectId": t.ID, "labels": []string{}})
			}
		}
	}
	if remove {
		return http.StatusNoContent, nil
	}
	return s.batchAnswer(c, http.StatusCreated, results, errs)
}

// listLinked answers what one record is associated with.
func (s *Sandbox) listLinked(c *request, o *object) (int, any) {
	r, f := s.one(c, o)
	if f != nil {
		return f.Status, f
	}
	to := s.object(c.path[3])
	if to == nil {
		f := missingObject(c.path[3])
		return f.Status, f
	}
	return http.StatusOK, map[string]any{"results": linkedTo(r, to)}
}
