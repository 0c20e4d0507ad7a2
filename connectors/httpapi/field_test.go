package httpapi

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/strictjson"
)

// TestField repeats faults that other products had in the field, and this one had once (FIELD.md).
func TestField(t *testing.T) {
	t.Run("F39_lines_of_an_import_have_the_fields_of_bodies", func(t *testing.T) {
		for _, pair := range []struct {
			line, body any
			own        []string // fields that stand elsewhere in a request: in the path or in a header
		}{
			{mailroom.ImportMember{}, memberBody{}, []string{"id"}},
			{mailroom.ImportInMail{}, sendBody{}, []string{"from", "key"}},
		} {
			line, body := fieldsOf(reflect.TypeOf(pair.line), ""), fieldsOf(reflect.TypeOf(pair.body), "")
			for _, name := range pair.own {
				if line[name] == "" {
					t.Errorf("a %T has no %s", pair.line, name)
				}
				delete(line, name)
			}
			if diff := cmp.Diff(body, line); diff != "" {
				t.Errorf("%T and %T (-body +line):\n%s", pair.body, pair.line, diff)
			}
		}
	})

	t.Run("F38_members_are_shown_as_lines", func(t *testing.T) {
		got := publicOf(domain.Member{ID: "eve", Name: "Eve\u202e", Headline: "Head\x1b[31m of\u2066 IT", Company: "Acme\x07", PhotoURL: "https://a.example/b"})
		want := publicMember{ID: "eve", Name: "Eve", Headline: "Head[31m of IT", Company: "Acme", PhotoURL: "https://a.example/b"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("public part (-want +got):\n%s", diff)
		}
	})
}

// fieldsOf returns for each field of a struct, and of the structs in it, how it is read.
func fieldsOf(t reflect.Type, at string) map[string]string {
	fields := map[string]string{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, optional := strictjson.Name(f)
		name = at + name
		kind := f.Type
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		itself := reflect.PointerTo(kind).Implements(reflect.TypeFor[interface {
			ReadJSON(*strictjson.Reader) error
		}]())
		if kind.Kind() == reflect.Struct && !itself { // ids of CRMs are read by one ReadJSON in both
			for inner, how := range fieldsOf(kind, name+".") {
				fields[inner] = how
			}
		}
		low, high := strictjson.Bounds(f.Tag)
		fields[name] = fmt.Sprintf("%s, optional %v, %d to %d, one of %q", kind.Kind(), optional, low, high, strictjson.Values(kind, f.Tag))
	}
	return fields
}
