package sandbox

import (
	"fmt"
	"net/http"
	"strings"
)

// Limits of an sObject tree (SALESFORCE.md 2.2).
const (
	maxTreeRecords = 200
	maxTreeLevels  = 5
)

// treeNode is one record of a tree; its children follow it.
type treeNode struct {
	object *object
	ref    string
	row    row
	parent int    // index of the parent, -1 at the top
	lookup *field // the reference to the parent
	level  int
}

// tree answers POST /composite/tree/T: records with their children, all or none of them.
func (c *call) tree(objectName string) reply {
	o := c.sandbox.schema.object(objectName)
	if o == nil || !c.who.sees(o) {
		return notFound()
	}
	if c.method != http.MethodPost {
		return methodNotAllowed(c.method, "POST")
	}
	body, refused := c.object()
	if refused != nil {
		return refuse(refused)
	}
	list, _ := body.lookup("records")
	var nodes []treeNode
	if len(body) != 1 {
		return refuse(&apiError{Code: "JSON_PARSER_ERROR", Message: "records must be the only member of the body"})
	}
	if refused := c.readTree(&nodes, list, o, -1, nil, 1); refused != nil {
		return refuse(refused)
	}
	return c.write(func(tx *txn) reply { return c.saveTree(tx, nodes) })
}

// readTree flattens the records, parents first.
func (c *call) readTree(nodes *[]treeNode, list any, o *object, parent int, lookup *field, level int) *apiError {
	invalid := func(format string, args ...any) *apiError {
		return &apiError{Code: "JSON_PARSER_ERROR", Message: fmt.Sprintf(format, args...)}
	}
	items, ok := list.([]any)
	if !ok || len(items) == 0 {
		return invalid("records must be a list that is not empty")
	}
	if level > maxTreeLevels {
		return &apiError{Code: "LIMIT_EXCEEDED",
			Message: fmt.Sprintf("a tree may be at most %d levels deep", maxTreeLevels)}
	}
	for _, item := range items {
		in, ok := item.(row)
		if !ok {
			return invalid("a record must be an object")
		}
		attributes, _ := in.lookup("attributes")
		inner, _ := attributes.(row)
		ref, _ := inner.lookup("referenceId")
		name, _ := ref.(string)
		if !strings.EqualFold(in.sobjectType(), o.name) || name == "" {
			return invalid("attributes must name the type %s and a referenceId", o.name)
		}
		for _, other := range *nodes {
			if other.ref == name {
				return invalid("referenceId %q is not unique", name)
			}
		}
		if len(*nodes) == maxTreeRecords {
			return &apiError{Code: "LIMIT_EXCEEDED",
				Message: fmt.Sprintf("a tree may have at most %d records", maxTreeRecords)}
		}
		at := len(*nodes)
		*nodes = append(*nodes, treeNode{object: o, ref: name, parent: parent, lookup: lookup, level: level})
		for _, a := range in {
			child := c.child(o, a.name)
			if child == nil {
				(*nodes)[at].row = append((*nodes)[at].row, a)
				continue
			}
			below, _ := a.value.(row)
			records, _ := below.lookup("records")
			if refused := c.readTree(nodes, records, child.object, at, child.field, level+1); refused != nil {
				return refused
			}
		}
	}
	return nil
}

// child returns the child relationship of that name on the parent.
func (c *call) child(o *object, name string) *childRelation {
	for i, child := range c.sandbox.schema.children[o] {
		if child.field.children != "" && strings.EqualFold(child.field.children, name) && c.who.sees(child.object) &&
			c.who.reads(child.field) {
			return &c.sandbox.schema.children[o][i]
		}
	}
	return nil
}

func (c *call) saveTree(tx *txn, nodes []treeNode) reply {
	mark := tx.mark()
	ids := make([]string, len(nodes))
	for i, n := range nodes {
		in := n.row
		if n.parent >= 0 {
			in = append(row{{n.lookup.name, ids[n.parent]}}, in...)
		}
		var errs []*apiError
		if e := c.rows.strike(); e != nil {
			errs = one(e)
		} else {
			ids[i], errs = tx.insert(n.object, in, readJSONValue)
		}
		if errs != nil {
			tx.rollbackTo(mark)
			out := []byte(`{"hasErrors":true,"results":[{"referenceId":`)
			out = append(appendString(out, n.ref), `,"errors":`...)
			return jsonReply(http.StatusBadRequest, append(appendErrors(out, errs, "statusCode"), `}]}`...))
		}
	}
	out := []byte(`{"hasErrors":false,"results":[`)
	for i, n := range nodes {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, `{"referenceId":`...)
		out = fmt.Appendf(appendString(out, n.ref), `,"id":"%s"}`, ids[i])
	}
	return jsonReply(http.StatusCreated, append(out, `]}`...))
}
