package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
)

// everything holds each kind of field that bodies have.
type everything struct {
	Text    string           `json:"text,omitempty"`
	Texts   []string         `json:"texts,omitempty"`
	Flag    *bool            `json:"flag,omitempty"`
	Number  *int             `json:"number,omitempty"`
	Inner   *everythingInner `json:"inner,omitempty"`
	Choice  string           `json:"choice,omitempty" enum:"a,b"`
	Whoever Anything         `json:"whoever,omitempty"`
}

type everythingInner struct {
	Text string `json:"text,omitempty"`
}

// FuzzDecode holds the reader against encoding/json: what it takes, the other takes too and reads the same
// from it; what it refuses although the other takes it has one of the reasons for which it is stricter. Its
// errors quote nothing.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{}`, `{"text":"a\n\u00e4\ud83d\ude00","texts":["x",""],"flag":true,"number":-3.0e0,"inner":{"text":"y"},"choice":"a","whoever":[{"x":null},1.5e-3]}`,
		`{"text":"\u0000"}`, `{"TEXT":"x"}`, `{"text":"a","text":"b"}`, `{"number":1e3}`, `{"number":9007199254740993}`, `{"flag":null}`, "{\"text\":\"\xff\"}", `{"whoever":[[[[]]]]} `, `[]`, `{"number":-0}`, `{"text":"\ud800"}`} {
		f.Add([]byte(seed))
	}
	b := ShapeOf(reflect.TypeFor[everything]())
	f.Fuzz(func(t *testing.T, body []byte) {
		var mine everything
		err := b.Read("body", bytes.Clone(body), &mine)
		if err != nil {
			var r *domain.Refusal
			if !errors.As(err, &r) || r.Code != domain.BadRequest {
				t.Fatalf("%q: %v is no refusal", body, err)
			}
			if !utf8.ValidString(r.Detail) || len(r.Detail) > 200 {
				t.Fatalf("%q: the detail is %q", body, r.Detail)
			}
			return
		}
		var theirs struct {
			Text    string           `json:"text"`
			Texts   []string         `json:"texts"`
			Flag    *bool            `json:"flag"`
			Number  *json.Number     `json:"number"`
			Inner   *everythingInner `json:"inner"`
			Choice  string           `json:"choice"`
			Whoever json.RawMessage  `json:"whoever"`
		}
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&theirs); err != nil {
			t.Fatalf("%q was taken, and encoding/json says %v", body, err)
		}
		want := everything{Text: theirs.Text, Texts: theirs.Texts, Flag: theirs.Flag, Inner: theirs.Inner, Choice: theirs.Choice, Whoever: theirs.Whoever != nil}
		if theirs.Number != nil {
			n, err := theirs.Number.Float64()
			if err != nil || n != math.Trunc(n) {
				t.Fatalf("%q: %s was taken for a whole number", body, *theirs.Number)
			}
			i := int(n)
			want.Number = &i
		}
		if diff := cmp.Diff(want, mine); diff != "" {
			t.Errorf("%q (-encoding/json +ours):\n%s", body, diff)
		}
		if strings.ContainsRune(fmt.Sprint(mine.Text, mine.Texts), 0) {
			t.Errorf("%q: NUL got through", body)
		}
	})
}

// FuzzJSON: any JSON value that encoding/json writes can be stepped over, up to the depth limit.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.5e+7,-0,true,false,null,"\u2028\\\/\b"]}`))
	f.Add([]byte(`[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := Reader{what: "body", in: body}
		err := r.Skip()
		if err == nil {
			err = r.end()
		}
		if err == nil && !json.Valid(body) {
			t.Fatalf("%q was taken", body)
		}
		if err != nil && json.Valid(body) && !stricter(body) {
			t.Fatalf("%q was refused: %v", body, err)
		}
	})
}

// stricter says that a text has something that only we refuse.
func stricter(body []byte) bool {
	depth, deepest := 0, 0
	for _, c := range body {
		switch c {
		case '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ']', '}':
			depth--
		}
	}
	lower := bytes.ToLower(body)
	return deepest > MaxDepth || !utf8.Valid(body) || bytes.Contains(lower, []byte(`\u0000`)) || bytes.Contains(lower, []byte(`\ud`))
}
