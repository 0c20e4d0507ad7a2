package httpapi

import "encoding/json"

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

func (either[A, B]) schema(c *components) schema {
	return schema{"anyOf": []any{schemaFor[A](c), schemaFor[B](c)}}
}
