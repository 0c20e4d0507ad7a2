package sandbox

import (
	"fmt"
	"net/http"
	"strings"
)

// Limits of the collections resource (SALESFORCE.md 2.2).
const (
	maxCollection = 200
	maxRetrieve   = 2000
	maxChunks     = 10
)

// saveResult is the answer for one row of a collection.
type saveResult struct {
	id      string
	created bool
	errs    []*apiError
}

// collections answers /composite/sobjects….
func (c *call) collections(path []string) reply {
	switch {
	case len(path) == 0 && c.method == http.MethodPost:
		return c.saveRows(func(tx *txn, o *object, in row) saveResult {
			id, errs := tx.insert(o, in, readJSONValue)
			return saveResult{id: id, errs: errs}
		})
	case len(path) == 0 && c.method == http.MethodPatch:
		return c.saveRows(func(tx *txn, o *object, in row) saveResult {
			id, _ := in.lookup("Id")
			text, _ := id.(string)
			if text == "" {
				return saveResult{errs: one(&apiError{Code: "MISSING_ARGUMENT",
					Message: "Id not specified in an update call"})}
			}
			errs := tx.update(o, text, in, readJSONValue)
			full, _ := canonicalID(text)
			return saveResult{id: full, errs: errs}
		})
	case len(path) == 0 && c.method == http.MethodDelete:
		return c.deleteRows()
	case len(path) == 0:
		return methodNotAllowed(c.method, "DELETE", "PATCH", "POST")
	case len(path) == 1:
		return c.retrieve(path[0])
	case len(path) == 2:
		if c.method != http.MethodPatch {
			return methodNotAllowed(c.method, "PATCH")
		}
		return c.upsertRows(path[0], path[1])
	}
	return notFound()
}

// rowsBody reads {"allOrNone": …, "records": […]}.
func (c *call) rowsBody() (rows []row, allOrNone bool, refused *apiError) {
	body, refused := c.object()
	if refused != nil {
		return nil, false, refused
	}
	for _, a := range body {
		switch a.name {
		case "allOrNone":
			b, ok := a.value.(bool)
			if !ok {
				return nil, false, &apiError{Code: "JSON_PARSER_ERROR",
					Message: "Cannot deserialize instance of boolean: allOrNone"}
			}
			allOrNone = b
		case "records":
			list, ok := a.value.([]any)
			if !ok {
				return nil, false, &apiError{Code: "JSON_PARSER_ERROR", Message: "records must be an array"}
			}
			for _, item := range list {
				r, ok := item.(row)
				if !ok {
					return nil, false, &apiError{Code: "JSON_PARSER_ERROR", Message: "a record must be an object"}
				}
				rows = append(rows, r)
			}
		default:
			return nil, false, &apiError{Code: "JSON_PARSER_ERROR",
				Message: fmt.Sprintf("Unrecognized field %q", a.name)}
		}
	}
	switch {
	case len(rows) == 0:
		return nil, false, &apiError{Code: "REQUIRED_FIELD_MISSING", Message: "records is missing or empty"}
	case len(rows) > maxCollection:
		return nil, false, &apiError{Code: "EXCEEDED_ID_LIMIT",
			Message: fmt.Sprintf("record limit reached. cannot submit more than %d records into this call",
				maxCollection)}
	}
	return rows, allOrNone, nil
}

// typedRows reads the rows of the body and finds the object of each.
func (c *call) typedRows() (rows []row, objects []*object, allOrNone bool, refused *apiError) {
	if rows, allOrNone, refused = c.rowsBody(); refused == nil {
		objects, refused = c.rowTypes(rows)
	}
	return rows, objects, allOrNone, refused
}

// rowTypes finds the object of each row. Rows of mixed types are processed in chunks, one for each run of
// the same type, at most ten.
func (c *call) rowTypes(rows []row) ([]*object, *apiError) {
	objects := make([]*object, len(rows))
	chunks := 0
	for i, r := range rows {
		name := r.sobjectType()
		if name == "" {
			return nil, &apiError{Code: "INVALID_TYPE",
				Message: fmt.Sprintf("attributes.type is missing in record %d", i)}
		}
		o := c.sandbox.schema.object(name)
		if o == nil || !c.who.sees(o) {
			return nil, &apiError{Code: "INVALID_TYPE",
				Message: fmt.Sprintf("sObject type '%s' is not supported.", name)}
		}
		if i == 0 || o != objects[i-1] {
			chunks++
		}
		objects[i] = o
	}
	if chunks > maxChunks {
		return nil, &apiError{Code: "LIMIT_EXCEEDED",
			Message: fmt.Sprintf("records of mixed types make %d chunks, at most %d are allowed", chunks, maxChunks)}
	}
	return objects, nil
}

// saveRows answers an insert or update of up to 200 rows.
func (c *call) saveRows(save func(*txn, *object, row) saveResult) reply {
	rows, objects, allOrNone, refused := c.typedRows()
	if refused != nil {
		return refuse(refused)
	}
	return c.write(func(tx *txn) reply {
		results := c.eachRow(tx, len(rows), allOrNone, func(i int) saveResult { return save(tx, objects[i], rows[i]) })
		return resultsReply(results, false)
	})
}

// eachRow saves rows in order. With allOrNone one failure rolls all of them back.
func (c *call) eachRow(tx *txn, n int, allOrNone bool, save func(int) saveResult) []saveResult {
	results := make([]saveResult, n)
	tx.chunk = n
	mark, failed := tx.mark(), false
	for i := range results {
		if e := c.rows.strike(); e != nil {
			results[i] = saveResult{errs: one(e)}
		} else {
			before := tx.mark()
			if results[i] = save(i); results[i].errs != nil {
				tx.rollbackTo(before)
			}
		}
		failed = failed || results[i].errs != nil
	}
	if failed && allOrNone {
		tx.rollbackTo(mark)
		for i := range results {
			if results[i].errs == nil {
				results[i].errs = one(&apiError{Code: "ALL_OR_NONE_OPERATION_ROLLED_BACK",
					Message: "Record rolled back because not all records were valid and the request was using " +
						"AllOrNone header"})
			}
		}
	}
	return results
}

// resultsReply answers rows in order, with status 200 even when all of them failed.
func resultsReply(results []saveResult, upsert bool) reply {
	out := []byte{'['}
	for i, r := range results {
		if i > 0 {
			out = append(out, ',')
		}
		if r.errs != nil {
			out = append(out, `{"success":false,"errors":`...)
			out = append(appendErrors(out, r.errs, "statusCode"), '}')
			continue
		}
		out = fmt.Appendf(out, `{"id":"%s","success":true,"errors":[]`, r.id)
		if upsert {
			out = fmt.Appendf(out, `,"created":%t`, r.created)
		}
		out = append(out, '}')
	}
	return jsonReply(http.StatusOK, append(out, ']'))
}

// upsertRows answers PATCH /composite/sobjects/T/Key__c.
func (c *call) upsertRows(objectName, keyName string) reply {
	if c.version < "46.0" {
		return notFound()
	}
	o := c.sandbox.schema.object(objectName)
	if o == nil || !c.who.sees(o) {
		return notFound()
	}
	key, refused := c.who.externalKey(o, keyName)
	if refused != nil {
		return refuse(refused)
	}
	rows, objects, allOrNone, refused := c.typedRows()
	if refused != nil {
		return refuse(refused)
	}
	for _, other := range objects {
		if other != o {
			return refuse(&apiError{Code: "INVALID_TYPE",
				Message: "all records of an upsert must be of type " + o.name})
		}
	}
	keys := upsertKeys(key, rows)
	return c.write(func(tx *txn) reply {
		results := c.eachRow(tx, len(rows), allOrNone, func(i int) saveResult {
			if keys[i].errs != nil {
				return saveResult{errs: keys[i].errs}
			}
			id, created, errs := tx.upsert(o, key, keys[i].value, rows[i], readJSONValue)
			return saveResult{id, created, errs}
		})
		return resultsReply(results, true)
	})
}

// rowKey is the external id of one row, or the errors that make it unusable.
type rowKey struct {
	value any
	errs  []*apiError
}

// upsertKeys reads the external id of each row. A key that occurs twice in one request fails every row that
// has it: the org does not let the last one win (SALESFORCE.md 2.2).
func upsertKeys(key *field, rows []row) []rowKey {
	texts := make([]any, len(rows))
	for i, r := range rows {
		texts[i], _ = r.lookup(key.name)
	}
	keys := readKeys(key, texts, readJSONValue)
	for i, r := range rows {
		if _, named := r.lookup("Id"); named {
			keys[i] = rowKey{errs: one(&apiError{Code: "INVALID_FIELD",
				Message: "The Id field should not be specified in the sobject data.", Fields: []string{"Id"}})}
		}
	}
	return keys
}

func readKeys(key *field, in []any, read reader) []rowKey {
	keys := make([]rowKey, len(in))
	count := map[string]int{}
	for i := range in {
		value, refused := read(key, in[i])
		switch {
		case refused != nil:
			keys[i].errs = one(refused)
		case value == nil:
			keys[i].errs = one(&apiError{Code: "MISSING_ARGUMENT", Message: key.name + " not specified",
				Fields: []string{key.name}})
		default:
			keys[i].value = value
			count[key.key(value)]++
		}
	}
	for i := range keys {
		if v := keys[i].value; v != nil && count[key.key(v)] > 1 {
			keys[i].errs = one(&apiError{Code: "DUPLICATE_VALUE", Fields: []string{key.name},
				Message: fmt.Sprintf("Duplicate external id specified: %s", key.text(v))})
		}
	}
	return keys
}

// deleteRows answers DELETE /composite/sobjects?ids=a,b&allOrNone=….
func (c *call) deleteRows() reply {
	ids := strings.Split(c.query.Get("ids"), ",")
	if len(ids) == 1 && ids[0] == "" {
		return refuse(&apiError{Code: "MISSING_ARGUMENT", Message: "ids is missing"})
	}
	if len(ids) > maxCollection {
		return refuse(&apiError{Code: "EXCEEDED_ID_LIMIT",
			Message: fmt.Sprintf("record limit reached. cannot submit more than %d records into this call",
				maxCollection)})
	}
	return c.write(func(tx *txn) reply {
		results := c.eachRow(tx, len(ids), c.query.Get("allOrNone") == "true", func(i int) saveResult {
			full, ok := canonicalID(ids[i])
			o := c.sandbox.schema.objectOf(full)
			if !ok || o == nil || !c.who.sees(o) {
				return saveResult{errs: one(&apiError{Code: "MALFORMED_ID", Message: "bad id " + ids[i]})}
			}
			if _, refused := tx.target(o, full); refused != nil {
				return saveResult{errs: one(refused)}
			}
			if refused := tx.remove(o, full); refused != nil {
				return saveResult{errs: one(refused)}
			}
			return saveResult{id: full}
		})
		return resultsReply(results, false)
	})
}

// retrieve answers POST and GET of /composite/sobjects/T: up to 2,000 records in the order of their ids,
// null for an unknown id.
func (c *call) retrieve(objectName string) reply {
	o := c.sandbox.schema.object(objectName)
	if o == nil || !c.who.sees(o) {
		return notFound()
	}
	ids, names, refused := c.retrieveBody()
	if refused != nil {
		return refuse(refused)
	}
	if len(ids) > maxRetrieve {
		return refuse(&apiError{Code: "EXCEEDED_ID_LIMIT",
			Message: fmt.Sprintf("record limit reached. cannot submit more than %d records into this call",
				maxRetrieve)})
	}
	var fields []*field
	for _, name := range names {
		f := c.who.visible(o, name)
		if f == nil {
			return refuse(&apiError{Code: "INVALID_FIELD",
				Message: fmt.Sprintf("No such column '%s' on sobject of type %s", name, o.name)})
		}
		fields = append(fields, f)
	}
	return c.reading(func(v *view) reply {
		out := []byte{'['}
		for i, id := range ids {
			if i > 0 {
				out = append(out, ',')
			}
			full, ok := canonicalID(id)
			if !ok {
				return refuse(&apiError{Code: "MALFORMED_ID", Message: "bad id " + id})
			}
			r := v.live(full)
			if r == nil || r.object != o {
				out = append(out, "null"...)
				continue
			}
			out = appendFields(out, r, fields, c.who, c.version, c.at)
		}
		return jsonReply(http.StatusOK, append(out, ']'))
	})
}

func (c *call) retrieveBody() (ids, fields []string, refused *apiError) {
	switch c.method {
	case http.MethodGet:
		ids, fields = strings.Split(c.query.Get("ids"), ","), strings.Split(c.query.Get("fields"), ",")
	case http.MethodPost:
		body, refused := c.object()
		if refused != nil {
			return nil, nil, refused
		}
		idList, _ := body.lookup("ids")
		fieldList, _ := body.lookup("fields")
		if ids, refused = textList("ids", idList); refused != nil {
			return nil, nil, refused
		}
		if fields, refused = textList("fields", fieldList); refused != nil {
			return nil, nil, refused
		}
	default:
		return nil, nil, &apiError{Code: "METHOD_NOT_ALLOWED",
			Message: fmt.Sprintf("HTTP Method '%s' not allowed. Allowed are GET,HEAD,POST", c.method)}
	}
	if len(ids) == 0 || ids[0] == "" || len(fields) == 0 || fields[0] == "" {
		return nil, nil, &apiError{Code: "MISSING_ARGUMENT", Message: "ids and fields are both required"}
	}
	return ids, fields, nil
}

func textList(what string, in any) ([]string, *apiError) {
	list, ok := in.([]any)
	ok = ok || in == nil
	var texts []string
	for _, item := range list {
		text, isText := item.(string)
		ok = ok && isText
		texts = append(texts, text)
	}
	if !ok {
		return nil, &apiError{Code: "JSON_PARSER_ERROR", Message: what + " must be an array of strings"}
	}
	return texts, nil
}
