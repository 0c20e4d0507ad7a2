package strictjson

import (
	"errors"
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"inmail/domain"
)

// A Shape reads JSON objects into one Go type. It is made once, when the program starts, from the same fields
// and tags that the OpenAPI document is made from, so that the two cannot drift. A field is required unless
// its json tag says omitempty; null is no value; a name given twice is refused.
//
// Tags: json (name and omitempty), enum (the values a text may have, by commas), list (the same, as
// one of lists), min and max (bounds of a
// number, or of the length of a list), doc and example (for the document).
type Shape struct {
	fields   []boundField
	byName   map[string]int
	required uint64
	names    string // all of them, for people
	itself   bool   // the type reads itself, and has no fields here
}

type boundField struct {
	name  string
	index int
	read  func(*Reader, reflect.Value) error
}

// readable is a type that reads itself.
type readable interface{ ReadJSON(*Reader) error }

// validated is a type that knows its bounds, as domain.MemberID does.
type validated interface{ Validate() error }

// listed is a text type that may have these values alone. It wins over the tag enum.
type listed interface{ Values() []string }

var (
	readableType  = reflect.TypeFor[readable]()
	validatedType = reflect.TypeFor[validated]()
)

// ShapeOf plans how a struct type, or one that reads itself, is read. It panics on a type that it cannot
// read: a fault of the program that shows when it starts.
func ShapeOf(t reflect.Type) *Shape {
	b := &Shape{byName: map[string]int{}, names: "none", itself: reflect.PointerTo(t).Implements(readableType)}
	if b.itself {
		b.names = "an object"
		return b
	}
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, optional := Name(f)
		b.byName[name] = len(b.fields)
		if !optional {
			b.required |= 1 << len(b.fields)
		}
		b.fields = append(b.fields, boundField{name: name, index: i, read: readerOf(f.Type, f.Tag)})
		names = append(names, name)
	}
	if len(b.fields) > 64 {
		panic(fmt.Sprintf("strictjson: %s has more than 64 fields", t))
	}
	if b.names = strings.Join(names, ", "); b.names == "" {
		b.names = "none"
	}
	return b
}

// Name returns the name of a field in JSON and whether it may be left out.
func Name(f reflect.StructField) (name string, optional bool) {
	name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "" {
		panic(fmt.Sprintf("strictjson: field %s has no json tag", f.Name))
	}
	return name, rest == "omitempty"
}

// Names returns the names of all fields for people; none where there is none.
func (b *Shape) Names() string { return b.names }

// Read reads one whole JSON text into v, a pointer to a struct of the type that b was made for. what is what
// people call the text in refusals: body or line.
func (b *Shape) Read(what string, in []byte, v any) error {
	r := Reader{what: what, in: in}
	if err := b.read(&r, reflect.ValueOf(v).Elem()); err != nil {
		return err
	}
	return r.end()
}

func (b *Shape) read(r *Reader, v reflect.Value) error {
	if b.itself {
		return v.Addr().Interface().(readable).ReadJSON(r)
	}
	var visited uint64
	err := r.Object(func(name []byte) error {
		i, known := b.byName[string(name)]
		if !known {
			return domain.Refuse(domain.BadRequest, "unknown field before byte %d; known are: %s", r.at, b.names)
		}
		f := &b.fields[i]
		if visited&(1<<i) != 0 {
			return domain.Refuse(domain.BadRequest, "%s: given twice", f.name)
		}
		visited |= 1 << i
		return Under(f.name, f.read(r, v.Field(f.index)))
	})
	if err != nil {
		return err
	}
	if missing := b.required &^ visited; missing != 0 {
		return domain.Refuse(domain.BadRequest, "%s: required", b.fields[bits.TrailingZeros64(missing)].name)
	}
	return nil
}

// Under says in which field something was wrong.
func Under(field string, err error) error {
	var r *domain.Refusal
	if !errors.As(err, &r) {
		return err
	}
	named := *r
	named.Detail = field + ": " + r.Detail
	return &named
}

// readerOf returns how a value of type t is read.
func readerOf(t reflect.Type, tag reflect.StructTag) func(*Reader, reflect.Value) error {
	if reflect.PointerTo(t).Implements(readableType) {
		return func(r *Reader, v reflect.Value) error { return v.Addr().Interface().(readable).ReadJSON(r) }
	}
	switch t.Kind() {
	case reflect.String:
		return textReader(t, tag)
	case reflect.Bool:
		return func(r *Reader, v reflect.Value) error {
			b, err := r.boolean()
			v.SetBool(b)
			return err
		}
	case reflect.Int:
		low, high := Bounds(tag)
		return func(r *Reader, v reflect.Value) error {
			n, err := r.integer()
			if err == nil && (n < low || n > high) {
				err = &domain.Refusal{Code: domain.BadRequest, Got: n, Limit: high, Detail: fmt.Sprintf("a number of %d to %d", low, high)}
			}
			v.SetInt(int64(n))
			return err
		}
	case reflect.Float64:
		low, high := Bounds(tag)
		return func(r *Reader, v reflect.Value) error {
			f, err := r.float()
			if err == nil && (f < float64(low) || f > float64(high)) {
				err = domain.Refuse(domain.BadRequest, "a number of %d to %d", low, high)
			}
			v.SetFloat(f)
			return err
		}
	case reflect.Pointer:
		read := readerOf(t.Elem(), tag)
		return func(r *Reader, v reflect.Value) error {
			v.Set(reflect.New(t.Elem()))
			return read(r, v.Elem())
		}
	case reflect.Slice:
		return listReader(t, tag)
	case reflect.Struct:
		return ShapeOf(t).read
	}
	panic(fmt.Sprintf("strictjson: cannot read a %s from JSON", t))
}

func textReader(t reflect.Type, tag reflect.StructTag) func(*Reader, reflect.Value) error {
	values := Values(t, tag)
	checks := t.Implements(validatedType)
	return func(r *Reader, v reflect.Value) error {
		s, err := r.Text()
		if err != nil {
			return err
		}
		if values != nil && !slices.Contains(values, s) {
			return domain.Refuse(domain.BadRequest, "one of %s", strings.Join(values, ", "))
		}
		v.SetString(s)
		if checks {
			return v.Interface().(validated).Validate()
		}
		return nil
	}
}

func listReader(t reflect.Type, tag reflect.StructTag) func(*Reader, reflect.Value) error {
	read := readerOf(t.Elem(), "")
	_, high := Bounds(tag)
	return func(r *Reader, v reflect.Value) error {
		v.Set(reflect.MakeSlice(t, 0, 0))
		return r.List(func(i int) error {
			if i >= high {
				return &domain.Refusal{Code: domain.BadRequest, Got: i + 1, Limit: high, Detail: fmt.Sprintf("at most %d", high)}
			}
			v.Grow(1)
			v.SetLen(i + 1)
			return read(r, v.Index(i))
		})
	}
}

// Values returns the values that a text of type t may have; nil: any.
func Values(t reflect.Type, tag reflect.StructTag) []string {
	if l, ok := reflect.Zero(t).Interface().(listed); ok {
		return l.Values()
	}
	if values := tag.Get("enum"); values != "" {
		return strings.Split(values, ",")
	}
	name := tag.Get("list")
	if name == "" {
		return nil
	}
	values, ok := lists.Load(name)
	if !ok {
		panic("strictjson: there is no list " + name)
	}
	return values.([]string)
}

// lists are the closed lists that were declared, by name: []string each.
var lists sync.Map

// Declare names closed lists, so that the tag list of a field can mean one: `list:"account_type"`. A field
// whose tag names a list that nobody declared panics when it is first read or described.
// It returns named.
func Declare(named map[string][]string) map[string][]string {
	for name, values := range named {
		lists.Store(name, values)
	}
	return named
}

// Unbounded is the bound of what has none.
const Unbounded = 1 << 52

// Bounds returns the tags min and max.
func Bounds(tag reflect.StructTag) (low, high int) {
	low, high = -Unbounded, Unbounded
	if s := tag.Get("min"); s != "" {
		low = mustInt(s)
	}
	if s := tag.Get("max"); s != "" {
		high = mustInt(s)
	}
	return low, high
}

func mustInt(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic("strictjson: a bound is no number: " + s)
	}
	return n
}

// Anything notes that a field was given, whatever is in it.
type Anything bool

// ReadJSON steps over the value.
func (a *Anything) ReadJSON(r *Reader) error {
	*a = true
	return r.Skip()
}
