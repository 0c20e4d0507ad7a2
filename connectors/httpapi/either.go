package httpapi

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// either is an answer that has one of two shapes.
type either[A, B any] struct {
	a *A
	b *B
}

func first[A, B any](a A) either[A, B]  { return either[A, B]{a: &a} }
func second[A, B any](b B) either[A, B] { return either[A, B]{b: &b} }

// MarshalJSON writes whichever of the two is set.
func (e either[A, B]) MarshalJSON() ([]byte, error) {
	if e.a != nil {
		return json.Marshal(e.a)
	}
	return json.Marshal(e.b)
}

// unions are the names of the answers that have one of two shapes.
var unions = map[reflect.Type]string{
	reflect.TypeFor[either[sentView, inboxEntry]]():     "InMail",
	reflect.TypeFor[either[memberView, publicMember]](): "Member",
	reflect.TypeFor[either[verdict, verdicts]]():        "PreflightAnswer",
	reflect.TypeFor[either[retractOffer, retracted]]():  "RetractAnswer",
}

func (e either[A, B]) schema(c *components) schema {
	name := unions[reflect.TypeOf(e)]
	if name == "" {
		panic(fmt.Sprintf("httpapi: unions lacks the name of %T", e))
	}
	return c.union(name, schemaFor[A](c), schemaFor[B](c))
}

// union describes what has one of several shapes, under a name.
func (c *components) union(name string, shapes ...any) schema {
	c.schemas[name] = schema{"anyOf": shapes}
	return schema{"$ref": "#/components/schemas/" + name}
}
