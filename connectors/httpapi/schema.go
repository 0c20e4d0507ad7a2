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

// components gathers the schemas of struct types, and the errors, by name.
type components struct {
	schemas   map[string]schema
	responses map[string]schema
	crms      []mailroom.CRM
	strict    bool // what is being described is taken: unknown fields are refused
}

// known are the schemas of types of other packages, which cannot have the method schema.
var known = map[reflect.Type]func() schema{
	reflect.TypeFor[domain.MemberID](): memberIDSchema,
	reflect.TypeFor[domain.ID]():       func() schema { return schema{"type": "string", "format": "uuid"} },
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
	case reflect.TypeFor[domain.Status]():
		return c.enum("Status", statusNames())
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
			if list := tag.Get("list"); list != "" {
				return c.enum(listName(list), values)
			}
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
		s := schema{"type": "number", "format": "double"}
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

// enum describes a closed list of values under a name.
func (c *components) enum(name string, values []string) schema {
	s := schema{"type": "string", "enum": values}
	if before, done := c.schemas[name]; done && !reflect.DeepEqual(before, s) {
		panic(fmt.Sprintf("httpapi: two schemas are called %s", name))
	}
	c.schemas[name] = s
	return schema{"$ref": "#/components/schemas/" + name}
}

// listName is the name of the schema of a closed list.
func listName(list string) string {
	switch list {
	case "event":
		return "EventKind"
	case "verdict", "pace", "match":
		return pascal(list) + "Kind"
	case "role":
		return "KeyRole"
	case "advice":
		return "AdviceCode"
	case "webhook_off":
		return "WebhookOffReason"
	}
	return pascal(list)
}

// pascal writes words that are joined by _, . or in camel case as PascalCase.
func pascal(s string) (name string) {
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return r == '_' || r == '.' }) {
		switch word {
		case "inmail":
			name += "InMail"
		case "crm":
			name += "CRM"
		default:
			name += strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return name
}

// nameOf is the name of a struct type in the document. A list is named after its items.
func (c *components) nameOf(t reflect.Type) string {
	if l, ok := reflect.Zero(t).Interface().(interface{ itemType() reflect.Type }); ok {
		item := c.of(l.itemType(), "")["$ref"].(string)
		return strings.TrimSuffix(strings.TrimPrefix(item, "#/components/schemas/"), "View") + "List"
	}
	return strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
}

// object describes a struct as a component, and returns the reference to it.
func (c *components) object(t reflect.Type) schema {
	name := c.nameOf(t)
	ref := schema{"$ref": "#/components/schemas/" + name}
	if _, done := c.schemas[name]; done {
		return ref
	}
	s := schema{"type": "object"}
	c.schemas[name] = s
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
	return ref
}

// property describes one field. A pointer that is not optional may be null.
func (c *components) property(f reflect.StructField, optional bool) schema {
	s := c.of(f.Type, f.Tag)
	if f.Type.Kind() == reflect.Pointer && !optional {
		s = orNull(s)
	}
	if text := f.Tag.Get("doc"); text != "" {
		s["description"] = withLimits(text)
	}
	if e, ok := exampleIn(f); ok {
		s["examples"] = []any{e}
	}
	return s
}

// orNull allows null beside what a schema describes.
func orNull(s schema) schema {
	if kind, ok := s["type"].(string); ok && s["enum"] == nil {
		s["type"] = []string{kind, "null"}
		return s
	}
	return schema{"anyOf": []any{s, schema{"type": "null"}}}
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
	kind := s["type"]
	if kinds, ok := kind.([]string); ok {
		kind = kinds[0]
	}
	switch kind {
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
