package sandbox

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// sobjects answers /sobjects/….
func (c *call) sobjects(path []string) reply {
	if len(path) == 0 {
		if c.method != http.MethodGet {
			return methodNotAllowed(c.method, "GET", "HEAD")
		}
		return c.describeGlobal()
	}
	o := c.sandbox.schema.object(path[0])
	if o == nil || !c.who.sees(o) {
		return notFound()
	}
	switch len(path) {
	case 1:
		switch c.method {
		case http.MethodPost:
			return c.createOne(o)
		case http.MethodGet:
			return c.basicInfo(o)
		}
		return methodNotAllowed(c.method, "GET", "HEAD", "POST")
	case 2:
		switch path[1] {
		case "updated", "deleted":
			return c.replicate(o, path[1] == "deleted")
		case "describe":
			if c.method != http.MethodGet {
				return methodNotAllowed(c.method, "GET", "HEAD")
			}
			return c.describe(o)
		}
		return c.oneByID(o, path[1])
	case 3:
		if path[1] == "describe" {
			return c.describeMore(o, path[2])
		}
		return c.oneByKey(o, path[1], path[2])
	}
	return notFound()
}

// recordPath returns the address of a record under the version of the call.
func (c *call) recordPath(o *object, id string) string {
	return "/services/data/v" + c.version + "/sobjects/" + o.name + "/" + id
}

// createOne answers POST /sobjects/T.
func (c *call) createOne(o *object) reply {
	in, refused := c.rowBody(o)
	if refused != nil {
		return refuse(refused)
	}
	return c.write(func(tx *txn) reply {
		if e := c.rows.strike(); e != nil {
			return refuse(e)
		}
		id, errs := tx.insert(o, in, readJSONValue)
		if errs != nil {
			return refuse(errs...)
		}
		return c.saved(o, id, http.StatusCreated, true)
	})
}

// saved answers a successful write of one record. Answers before 46.0 lack created.
func (c *call) saved(o *object, id string, status int, created bool) reply {
	out := fmt.Appendf(nil, `{"id":"%s","success":true,"errors":[]`, id)
	if c.method == http.MethodPatch {
		if c.version < "46.0" && status == http.StatusOK {
			return reply{status: http.StatusNoContent}
		}
		if c.version >= "46.0" {
			out = fmt.Appendf(out, `,"created":%t`, created)
		}
	}
	r := jsonReply(status, append(out, '}'))
	if status == http.StatusCreated {
		r.header = http.Header{"Location": {c.recordPath(o, id)}}
	}
	return r
}

// rowBody reads a body that is one record.
func (c *call) rowBody(o *object) (row, *apiError) {
	in, refused := c.object()
	if refused != nil {
		return nil, refused
	}
	if name := in.sobjectType(); name != "" && !strings.EqualFold(name, o.name) {
		return nil, &apiError{Code: "INVALID_TYPE",
			Message: fmt.Sprintf("attributes.type is %s, the address says %s", name, o.name)}
	}
	return in, nil
}

// oneByID answers GET, PATCH and DELETE of /sobjects/T/id.
func (c *call) oneByID(o *object, id string) reply {
	full, ok := canonicalID(id)
	if !ok || c.sandbox.schema.objectOf(full) != o {
		return refuse(&apiError{Code: "NOT_FOUND",
			Message: "Provided external ID field does not exist or is not accessible: " + id})
	}
	switch c.method {
	case http.MethodGet:
		return c.reading(func(v *view) reply {
			r, refused := findLive(v, full)
			if refused == nil && !c.who.shared(v, toRead, r) {
				refused = notShared
			}
			if refused != nil {
				return refuse(refused)
			}
			return c.show(r)
		})
	case http.MethodPatch:
		in, refused := c.rowBody(o)
		if refused != nil {
			return refuse(refused)
		}
		if _, named := in.lookup("Id"); named {
			return refuse(&apiError{Code: "INVALID_FIELD",
				Message: "The Id field should not be specified in the sobject data."})
		}
		return c.write(func(tx *txn) reply { return c.updateOne(tx, o, full, in) })
	case http.MethodDelete:
		return c.write(func(tx *txn) reply { return c.deleteOne(tx, o, full) })
	}
	return methodNotAllowed(c.method, "DELETE", "GET", "HEAD", "PATCH")
}

func findLive(v *view, id string) (*record, *apiError) {
	r := v.find(id)
	switch {
	case r == nil:
		return nil, &apiError{Code: "NOT_FOUND", Message: "The requested resource does not exist"}
	case r.deleted():
		return nil, &apiError{Code: "ENTITY_IS_DELETED", Message: "entity is deleted"}
	}
	return r, nil
}

func (c *call) updateOne(tx *txn, o *object, id string, in row) reply {
	if refused := c.beforeWrite(tx, id); refused != nil {
		return refuse(refused)
	}
	if errs := tx.update(o, id, in, readJSONValue); errs != nil {
		return refuse(errs...)
	}
	return reply{status: http.StatusNoContent}
}

func (c *call) deleteOne(tx *txn, o *object, id string) reply {
	if refused := c.beforeWrite(tx, id); refused != nil {
		return refuse(refused)
	}
	if refused := tx.remove(o, id); refused != nil {
		return refuse(refused)
	}
	return reply{status: http.StatusNoContent}
}

// beforeWrite checks the faults and conditions of a write to one existing record.
func (c *call) beforeWrite(tx *txn, id string) *apiError {
	old, refused := findLive(&tx.view, id)
	if refused == nil {
		refused = c.unmodifiedSince(old)
	}
	if refused == nil {
		refused = c.rows.strike()
	}
	return refused
}

// unmodifiedSince checks the condition of If-Unmodified-Since.
func (c *call) unmodifiedSince(r *record) *apiError {
	since, err := http.ParseTime(c.header.Get("If-Unmodified-Since"))
	if err == nil && r.modified().After(since) {
		return &apiError{Code: "PRECONDITION_FAILED", Message: "The record has been modified since the time given"}
	}
	return nil
}

// show answers a record with the fields that are asked for, or with all visible ones.
func (c *call) show(r *record) reply {
	if since, err := http.ParseTime(c.header.Get("If-Modified-Since")); err == nil && !r.modified().After(since) {
		return reply{status: http.StatusNotModified}
	}
	fields := r.object.fields
	if names := c.query.Get("fields"); names != "" {
		fields = nil
		for name := range strings.SplitSeq(names, ",") {
			f := c.who.visible(r.object, strings.TrimSpace(name))
			if f == nil {
				return refuse(&apiError{Code: "INVALID_FIELD",
					Message: fmt.Sprintf("No such column '%s' on sobject of type %s", name, r.object.name)})
			}
			fields = append(fields, f)
		}
	}
	return jsonReply(http.StatusOK, appendFields(nil, r, fields, c.who, c.version, c.at))
}

// appendFields writes a record with those of the fields that the caller may see.
func appendFields(out []byte, r *record, fields []*field, who caller, version string, now time.Time) []byte {
	out = appendAttributes(out, r, version)
	written := make([]bool, len(r.object.fields))
	for _, f := range append([]*field{r.object.fields[posID]}, fields...) {
		if !who.reads(f) || written[f.pos] {
			continue
		}
		written[f.pos] = true
		out = append(append(append(out, ',', '"'), f.name...), '"', ':')
		out = f.appendJSON(out, r.value(f, now))
	}
	return append(out, '}')
}

// oneByKey answers GET, PATCH and DELETE of /sobjects/T/Key__c/value.
func (c *call) oneByKey(o *object, name, text string) reply {
	key, refused := c.who.externalKey(o, name)
	if refused != nil && (c.method == http.MethodPatch || refused.Code == "NOT_FOUND") {
		return refuse(refused)
	}
	if key == nil {
		key = o.field(name)
	}
	value, refused := key.convertCSV(text)
	if refused != nil {
		return refuse(refused)
	}
	switch c.method {
	case http.MethodGet:
		return c.reading(func(v *view) reply {
			r, several := c.findOne(v, o, key, value)
			if r == nil {
				return several
			}
			return c.show(r)
		})
	case http.MethodDelete:
		return c.write(func(tx *txn) reply {
			r, several := c.findOne(&tx.view, o, key, value)
			if r == nil {
				return several
			}
			return c.deleteOne(tx, o, r.id())
		})
	case http.MethodPatch:
		in, refused := c.rowBody(o)
		if refused != nil {
			return refuse(refused)
		}
		for _, named := range []string{key.name, "Id"} {
			if _, there := in.lookup(named); there {
				return refuse(&apiError{Code: "INVALID_FIELD",
					Message: "The " + named + " field should not be specified in the sobject data."})
			}
		}
		return c.write(func(tx *txn) reply { return c.upsertOne(tx, o, key, value, text, in) })
	}
	return methodNotAllowed(c.method, "DELETE", "GET", "HEAD", "PATCH")
}

// findOne returns the record with a key. No record is answered 404; several are answered 300, with the list
// of their addresses.
func (c *call) findOne(v *view, o *object, key *field, value any) (*record, reply) {
	switch found := v.findBy(o, key, value); len(found) {
	case 0:
		return nil, notFound()
	case 1:
		return found[0], reply{}
	default:
		out := []byte{'['}
		for i, r := range found {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendString(out, c.recordPath(o, r.id()))
		}
		return nil, jsonReply(http.StatusMultipleChoices, append(out, ']'))
	}
}

func (c *call) upsertOne(tx *txn, o *object, key *field, value any, text string, in row) reply {
	if len(tx.findBy(o, key, value)) == 0 {
		if e := c.rows.strike(); e != nil {
			return refuse(e)
		}
		if c.query.Get("updateOnly") == "true" {
			return notFound()
		}
		named := append(row{{key.name, text}}, in...)
		if key.kind.number() {
			return refuse(&apiError{Code: "NOT_FOUND", Message: "upsert by a number is not supported by this sandbox"})
		}
		id, errs := tx.insert(o, named, readJSONValue)
		if errs != nil {
			return refuse(errs...)
		}
		return c.saved(o, id, http.StatusCreated, true)
	}
	r, several := c.findOne(&tx.view, o, key, value)
	if r == nil {
		return several
	}
	if a := c.updateOne(tx, o, r.id(), in); a.status >= 300 {
		return a
	}
	return c.saved(o, r.id(), http.StatusOK, false)
}
