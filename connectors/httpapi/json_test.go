package httpapi

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

// TestBadBodies sends what no body may be to a call that takes a whole InMail.
func TestBadBodies(t *testing.T) {
	deep := func(n int) string {
		return `{"to":"maria","subject":"s","body":"b","attachment":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	for name, body := range map[string]string{
		"empty":                       "",
		"blank":                       "  \n",
		"null":                        "null",
		"a list":                      `[{"to":"maria","subject":"s","body":"b"}]`,
		"a text":                      `"maria"`,
		"cut off":                     `{"to":"maria","subject":"s","body":"b"`,
		"cut off in a text":           `{"to":"maria","subject":"s","body":"b`,
		"cut off in an escape":        `{"to":"maria","subject":"s","body":"b\u00`,
		"two values":                  `{"to":"maria","subject":"s","body":"b"}{}`,
		"something behind":            `{"to":"maria","subject":"s","body":"b"} x`,
		"a bracket behind":            `{"to":"maria","subject":"s","body":"b"}]`,
		"a byte order mark":           "\ufeff" + `{"to":"maria","subject":"s","body":"b"}`,
		"a comma too many":            `{"to":"maria","subject":"s","body":"b",}`,
		"a comma too few":             `{"to":"maria" "subject":"s","body":"b"}`,
		"a comment":                   `{"to":"maria",/* s */"subject":"s","body":"b"}`,
		"single quotes":               `{'to':'maria','subject':'s','body':'b'}`,
		"a name without quotes":       `{to:"maria","subject":"s","body":"b"}`,
		"a line break in a text":      "{\"to\":\"maria\",\"subject\":\"s\",\"body\":\"a\nb\"}",
		"NaN":                         `{"to":"maria","subject":"s","body":NaN}`,
		"to missing":                  `{"subject":"s","body":"b"}`,
		"subject missing":             `{"to":"maria","body":"b"}`,
		"body missing":                `{"to":"maria","subject":"s"}`,
		"to null":                     `{"to":null,"subject":"s","body":"b"}`,
		"subject null":                `{"to":"maria","subject":null,"body":"b"}`,
		"tags null":                   `{"to":"maria","subject":"s","body":"b","tags":null}`,
		"subject a number":            `{"to":"maria","subject":7,"body":"b"}`,
		"body a list":                 `{"to":"maria","subject":"s","body":["b"]}`,
		"body an object":              `{"to":"maria","subject":"s","body":{}}`,
		"tags a text":                 `{"to":"maria","subject":"s","body":"b","tags":"t"}`,
		"tags of numbers":             `{"to":"maria","subject":"s","body":"b","tags":[1]}`,
		"crm a text":                  `{"to":"maria","subject":"s","body":"b","crm":"00Q"}`,
		"crm with an unknown field":   `{"to":"maria","subject":"s","body":"b","crm":{"lead":"x"}}`,
		"an unknown field":            `{"to":"maria","subject":"s","body":"b","draft":true}`,
		"from":                        `{"from":"eve","to":"maria","subject":"s","body":"b"}`,
		"another case":                `{"To":"maria","subject":"s","body":"b"}`,
		"a field twice":               `{"to":"maria","to":"eve","subject":"s","body":"b"}`,
		"a field twice, escaped":      `{"to":"maria","\u0074o":"eve","subject":"s","body":"b"}`,
		"wrong UTF-8":                 "{\"to\":\"maria\",\"subject\":\"s\xff\",\"body\":\"b\"}",
		"wrong UTF-8 beside escapes":  "{\"to\":\"maria\",\"subject\":\"\\n\xc3\",\"body\":\"b\"}",
		"UTF-8 of a surrogate":        "{\"to\":\"maria\",\"subject\":\"\xed\xa0\x80\",\"body\":\"b\"}",
		"half a surrogate pair":       `{"to":"maria","subject":"\ud83d","body":"b"}`,
		"the wrong half first":        `{"to":"maria","subject":"\ude00\ud83d","body":"b"}`,
		"NUL escaped":                 `{"to":"maria","subject":"a\u0000b","body":"b"}`,
		"NUL as a byte":               "{\"to\":\"maria\",\"subject\":\"a\x00b\",\"body\":\"b\"}",
		"NUL in a tag":                `{"to":"maria","subject":"s","body":"b","tags":["a\u0000"]}`,
		"NUL in a name":               `{"to\u0000":"maria","subject":"s","body":"b"}`,
		"NUL where nothing is looked": `{"to":"maria","subject":"s","body":"b","attachment":{"a\u0000":["\u0000"]}}`,
		"33 levels":                   deep(32),
		"a thousand levels":           deep(1000),
		"a quarter million levels":    deep(250_000),
		"a bad escape":                `{"to":"maria","subject":"\x41","body":"b"}`,
		"a number that is none":       `{"to":"maria","subject":"s","body":"b","attachment":01}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.ask(w.sender, "POST", "/v1/inmails", body).want(400, "bad_request")
			if len(w.fakeService.inmails)+len(w.fakeService.audit) > 0 {
				t.Error("it reached the use case")
			}
		})
	}
	t.Run("32 levels", func(t *testing.T) {
		w := newWorld(t)
		w.ask(w.sender, "POST", "/v1/inmails", deep(31)).want(422, "attachment_not_supported")
	})
	t.Run("media types", func(t *testing.T) {
		w := newWorld(t)
		body := `{"to":"nobody","subject":"s","body":"b"}`
		for media, want := range map[string]int{"application/json": 422, "application/json; charset=utf-8": 422, "application/json;charset=UTF-8": 422, "Application/JSON": 422, "": 422,
			"application/json; charset=latin1": 415, "text/json": 415, "text/plain": 415, "application/x-www-form-urlencoded": 415, "application/x-ndjson": 415, "application/vnd.api+json": 415, ";": 415, "json": 415} {
			headers := []string{"Content-Type: -"}
			if media != "" {
				headers = append(headers, "Content-Type: "+media)
			}
			if a := w.ask(w.sender, "POST", "/v1/inmails", body, headers...); a.status != want {
				t.Errorf("%q: %d, want %d", media, a.status, want)
			}
		}
	})
	t.Run("1 MiB", func(t *testing.T) {
		w := newWorld(t)
		body := func(n int) string {
			head, tail := `{"to":"maria","subject":"s","body":"`, `"}`
			return head + strings.Repeat("x", n-len(head)-len(tail)) + tail
		}
		w.ask(w.sender, "POST", "/v1/inmails", body(1<<20)).want(422, "body_too_long")
		w.ask(w.sender, "POST", "/v1/inmails", body(1<<20+1)).want(413, "too_large").has("limit", 1<<20)
	})
}

// TestBadJSONIsExplained: the place or the field is told, and what was expected there.
func TestBadJSONIsExplained(t *testing.T) {
	b := bind(reflect.TypeFor[sendBody]())
	for body, want := range map[string]string{
		`{"to":["a"],"subject":"s","body":"b"}`:                          "to: expected a text, found a list",
		`{"to":"a b","subject":"s","body":"b"}`:                          "to: a member id has only A-Z a-z 0-9 . _ : -",
		`{"to":"a","subject":"s"}`:                                       "body: required",
		`{"to":"a","subject":"s","body":"b","crm":{"lead_id":1}}`:        "crm: lead_id: expected a text, found a number",
		`{"to":"a","subject":"s","body":"b","tags":[true]}`:              "tags: expected a text, found a truth value",
		`{"to":"a","subject":"s","body":"b","colour":1}`:                 "unknown field before byte 44; known are: to, subject, body, tags, category, crm, attachment, attachments",
		`{"to":"a","to":"a"}`:                                            "to: given twice",
		`{"to":"a",}`:                                                    "the body is not valid JSON at byte 10",
		`{"to":"a\u0000"}`:                                               "to: a text holds the character NUL (U+0000), which no text may, at byte 14",
		`{"to":"a","subject":"s","body":"b"} {`:                          "the body goes on after its end at byte 36",
		"{\"to\":\"a\",\"subject\":\"\xff\"}":                            "subject: the body is not valid UTF-8 in the text at byte 20",
		`{"to":"a","attachment":` + strings.Repeat(`{"a":`, 32) + `1}}}`: "attachment: the body nests deeper than 32 levels",
	} {
		var in sendBody
		err := b.decode([]byte(body), reflect.ValueOf(&in).Elem())
		var r *domain.Refusal
		if !errors.As(err, &r) || r.Code != domain.BadRequest || r.Detail != want {
			t.Errorf("%s:\n got %v\nwant %s", body, err, want)
		}
	}
}

// everything holds each kind of field that bodies have.
type everything struct {
	Text    string           `json:"text,omitempty"`
	Texts   []string         `json:"texts,omitempty"`
	Flag    *bool            `json:"flag,omitempty"`
	Number  *int             `json:"number,omitempty"`
	Inner   *everythingInner `json:"inner,omitempty"`
	Choice  string           `json:"choice,omitempty" enum:"a,b"`
	Whoever anything         `json:"whoever,omitempty"`
}

type everythingInner struct {
	Text string `json:"text,omitempty"`
}

// FuzzDecode holds the reader against encoding/json: what it takes, the other takes too and reads the same from it; what
// it refuses although the other takes it has one of the reasons for which it is stricter. Its errors quote nothing.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{}`, `{"text":"a\n\u00e4\ud83d\ude00","texts":["x",""],"flag":true,"number":-3.0e0,"inner":{"text":"y"},"choice":"a","whoever":[{"x":null},1.5e-3]}`,
		`{"text":"\u0000"}`, `{"TEXT":"x"}`, `{"text":"a","text":"b"}`, `{"number":1e3}`, `{"number":9007199254740993}`, `{"flag":null}`, "{\"text\":\"\xff\"}", `{"whoever":[[[[]]]]} `, `[]`, `{"number":-0}`, `{"text":"\ud800"}`} {
		f.Add([]byte(seed))
	}
	b := bind(reflect.TypeFor[everything]())
	f.Fuzz(func(t *testing.T, body []byte) {
		var mine everything
		err := b.decode(bytes.Clone(body), reflect.ValueOf(&mine).Elem())
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
		r := reader{in: body}
		err := r.skip()
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
	return deepest > maxDepth || !utf8.Valid(body) || bytes.Contains(lower, []byte(`\u0000`)) || bytes.Contains(lower, []byte(`\ud`))
}
