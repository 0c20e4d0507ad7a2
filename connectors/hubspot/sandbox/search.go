package sandbox

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

type filter struct {
	PropertyName string   `json:"propertyName"`
	Operator     string   `json:"operator"`
	Value        string   `json:"value"`
	HighValue    *string  `json:"highValue"`
	Values       []string `json:"values"`
}

// maxSearchBody is how many characters the body of a search may have.
const maxSearchBody = 3000

// search answers from an index, which shows late what was written and never shows what is archived.
func (s *Sandbox) search(c *request, o *object) (int, any) {
	var in struct {
		FilterGroups []struct {
			Filters []filter `json:"filters"`
		} `json:"filterGroups"`
		Sorts      []any    `json:"sorts"`
		Query      *string  `json:"query"`
		Properties []string `json:"properties"`
		Limit      int      `json:"limit"`
		After      string   `json:"after"`
	}
	if len(c.body) > maxSearchBody {
		f := invalid("the body has %d characters, more than %d", len(c.body), maxSearchBody)
		return f.Status, f
	}
	if f := c.decode(&in); f != nil {
		return f.Status, f
	}
	if in.Limit == 0 {
		in.Limit = 10
	}
	if in.Limit > 200 || len(in.FilterGroups) > 5 {
		f := invalid("limit is above 200, or there are more than 5 groups")
		return f.Status, f
	}
	after, _ := strconv.Atoi(in.After)
	var found []*record
	for _, id := range slices.Sorted(maps.Keys(o.records)) {
		r := o.records[id]
		if r.archived || r.mergedInto != 0 || s.now().Before(r.shownAt) {
			continue
		}
		matches := len(in.FilterGroups) == 0
		for _, g := range in.FilterGroups {
			all := true
			for _, f := range g.Filters {
				ok, refused := passes(o, r, f)
				if refused != nil {
					return refused.Status, refused
				}
				all = all && ok
			}
			matches = matches || all
		}
		if matches {
			found = append(found, r)
		}
	}
	if after+in.Limit > 10_000 {
		f := invalid("a query answers at most 10000 records")
		return f.Status, f
	}
	results := []any{}
	for _, r := range found[min(after, len(found)):min(after+in.Limit, len(found))] {
		results = append(results, s.record(c, r, in.Properties))
	}
	body := map[string]any{"total": len(found), "results": results}
	if after+in.Limit < len(found) {
		body["paging"] = map[string]any{"next": map[string]any{"after": strconv.Itoa(after + in.Limit)}}
	}
	return http.StatusOK, body
}

// passes reports whether a record passes a filter.
func passes(o *object, r *record, f filter) (bool, *refusal) {
	if o.properties[f.PropertyName] == nil {
		return false, invalidValue("PROPERTY_DOESNT_EXIST", f.PropertyName, "there is no property %s", f.PropertyName)
	}
	value := strings.ToLower(r.properties[f.PropertyName])
	if f.PropertyName == "hs_object_id" {
		value = strconv.FormatInt(r.id, 10)
	}
	switch f.Operator {
	case "EQ":
		return value == strings.ToLower(f.Value), nil
	case "IN":
		for _, v := range f.Values {
			if v != strings.ToLower(v) {
				return false, invalid("the values of IN on texts are in lower case")
			}
		}
		return slices.Contains(f.Values, value), nil
	case "HAS_PROPERTY":
		return value != "", nil
	case "NOT_HAS_PROPERTY":
		return value == "", nil
	}
	return false, invalid("the operator %s is not known", f.Operator)
}
