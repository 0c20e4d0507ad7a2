package httpapi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/strictjson"
)

// A schema is a JSON Schema 2020-12, as OpenAPI 3.1 embeds it.
type schema = map[string]any

// described is a type that gives its own schema.
type described interface{ schema(*components) schema }

// components gathers the schemas of struct types by name.
type components struct {
	schemas map[string]schema
	crms    []mailroom.CRM
	strict  bool // what is being described is taken: unknown fields are refused
}

// known are the schemas of types of other packages, which cannot have the method schema.
var known = map[reflect.Type]func() schema{
	reflect.TypeFor[domain.MemberID](): memberIDSchema,
	reflect.TypeFor[domain.ID]():       func() schema { return schema{"type": "string", "format": "uuid"} },
	reflect.TypeFor[domain.Status]():   func() schema { return schema{"type": "string", "enum": statusNames()} },
	reflect.TypeFor[json.RawMessage](): func() schema { return schema{} },
	reflect.TypeFor[anything]():        func() schema { return schema{} },
	reflect.TypeFor[bool]():            func() schema { return schema{"type": "boolean"} },
	reflect.TypeFor[map[string]int](): func() schema {
		return schema{"type": "object", "additionalProperties": schema{"type": "integer"}}
	},
	reflect.TypeFor[map[string]string](): func() schema {
		return schema{"type": "object", "additionalProperties": schema{"type": "string"}}
	},
}

func memberIDSchema() schema {
	return schema{"type": "string", "minLength": 1, "maxLength": domain.MaxMemberID, "pattern": "^[A-Za-z0-9._:-]+$",
		"not": schema{"const": string(domain.Erased)}}
}

// memberOrErasedSchema is the schema of member ids in answers, where a member who was
// erased is "erased" (R60).
func memberOrErasedSchema() schema {
	s := memberIDSchema()
	delete(s, "not")
	return s
}

func schemaFor[T any](c *components) schema { return c.of(reflect.TypeFor[T](), "") }

// of returns the schema of a type; tag is that of the field that has the type, "" elsewhere.
func (c *components) of(t reflect.Type, tag reflect.StructTag) schema {
	if d, ok := reflect.Zero(t).Interface().(described); ok && t.Kind() != reflect.Pointer {
		return d.schema(c)
	}
	if t == reflect.TypeFor[domain.MemberID]() && !c.strict {
		return memberOrErasedSchema()
	}
	switch t {
	case reflect.TypeFor[mailroom.CRMView]():
		return crmView(nil).schema(c)
	case reflect.TypeFor[mailroom.Stamp]():
		return stamp{}.schema(c)
	}
	if s := known[t]; s != nil {
		return s()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return c.of(t.Elem(), tag)
	case reflect.String:
		s := schema{"type": "string"}
		if values := strictjson.Values(t, tag); values != nil {
			s["enum"] = values
		}
		return s
	case reflect.Int, reflect.Int64:
		s := schema{"type": "integer"}
		if low, high := strictjson.Bounds(tag); high != strictjson.Unbounded {
			s["minimum"], s["maximum"] = low, high
		}
		return s
	case reflect.Float64:
		s := schema{"type": "number"}
		if low, high := strictjson.Bounds(tag); high != strictjson.Unbounded {
			s["minimum"], s["maximum"] = low, high
		}
		return s
	case reflect.Slice:
		s := schema{"type": "array", "items": c.of(t.Elem(), "")}
		if _, high := strictjson.Bounds(tag); high != strictjson.Unbounded {
			s["maxItems"] = high
		}
		return s
	case reflect.Struct:
		return c.object(t)
	}
	panic(fmt.Sprintf("httpapi: no schema for a %s", t))
}

// object describes a struct. A named type becomes a component and is referred to; an instance of a generic
// type is described in place.
func (c *components) object(t reflect.Type) schema {
	name := t.Name()
	generic := strings.Contains(name, "[")
	ref := schema{"$ref": "#/components/schemas/" + componentName(name)}
	if _, done := c.schemas[componentName(name)]; done && !generic {
		return ref
	}
	s := schema{"type": "object"}
	if !generic {
		c.schemas[componentName(name)] = s
	}
	properties, required := schema{}, []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		field, optional := strictjson.Name(f)
		properties[field] = c.property(f, optional)
		if !optional {
			required = append(required, field)
		}
	}
	s["properties"] = properties
	if len(required) > 0 {
		s["required"] = required
	}
	if c.strict {
		s["additionalProperties"] = false
	}
	if generic {
		return s
	}
	return ref
}

func componentName(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// property describes one field. A pointer that is not optional may be null.
func (c *components) property(f reflect.StructField, optional bool) schema {
	s := c.of(f.Type, f.Tag)
	if f.Type.Kind() == reflect.Pointer && !optional {
		s = schema{"anyOf": []any{s, schema{"type": "null"}}}
	}
	if text := f.Tag.Get("doc"); text != "" {
		s["description"] = withLimits(text)
	}
	if e, ok := exampleIn(f); ok {
		s["examples"] = []any{e}
	}
	return s
}

// exampleIn reads the example in the tag of a field; ok is false when there is none.
func exampleIn(f reflect.StructField) (any, bool) {
	text := f.Tag.Get("example")
	if text == "" {
		return nil, false
	}
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.String {
		return text, true
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		panic(fmt.Sprintf("httpapi: the example of %s is not JSON: %v", f.Name, err))
	}
	return v, true
}

// example makes a whole example of a schema from those of its parts.
func (c *components) example(s schema) any {
	if ref, ok := s["$ref"].(string); ok && s["examples"] == nil {
		return c.example(c.schemas[strings.TrimPrefix(ref, "#/components/schemas/")])
	}
	if examples, ok := s["examples"].([]any); ok {
		return examples[0]
	}
	for _, word := range []string{"anyOf", "oneOf"} {
		if some, ok := s[word].([]any); ok {
			return c.example(some[0].(schema))
		}
	}
	if values, ok := s["enum"].([]string); ok {
		return values[0]
	}
	switch s["type"] {
	case "object":
		return c.exampleObject(s)
	case "array":
		return []any{c.example(s["items"].(schema))}
	case "boolean":
		return true
	case "integer", "number":
		return 0
	case "string":
		if s["format"] == "uuid" {
			return "019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"
		}
		return "text"
	}
	return schema{}
}

// exampleObject fills the required fields, and of the others those that have an example of their own.
func (c *components) exampleObject(s schema) any {
	o := schema{}
	properties, _ := s["properties"].(schema)
	required, _ := s["required"].([]string)
	for _, name := range required {
		o[name] = c.example(properties[name].(schema))
	}
	for name, p := range properties {
		if examples, ok := p.(schema)["examples"].([]any); ok {
			o[name] = examples[0]
		}
	}
	return o
}
