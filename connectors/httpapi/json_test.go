package httpapi

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"inmail/domain"
	"inmail/domain/strictjson"
)

// TestBadBodies sends bodies that are refused to a call that takes a whole InMail.
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
		"an invalid escape":           `{"to":"maria","subject":"\x41","body":"b"}`,
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

// TestBadJSONIsExplained checks that an error names the place or the field, and what was expected there.
func TestBadJSONIsExplained(t *testing.T) {
	b := strictjson.ShapeOf(reflect.TypeFor[sendBody]())
	for body, want := range map[string]string{
		`{"to":["a"],"subject":"s","body":"b"}`:                          "to: expected a text, found a list",
		`{"to":"a b","subject":"s","body":"b"}`:                          "to: a member id has only A-Z a-z 0-9 . _ : -",
		`{"to":"a","subject":"s"}`:                                       "body: required",
		`{"to":"a","subject":"s","body":"b","crm":{"lead_id":1}}`:        "crm: expected a text, found a number",
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
		err := b.Read("body", []byte(body), &in)
		var r *domain.Refusal
		if !errors.As(err, &r) || r.Code != domain.BadRequest || r.Detail != want {
			t.Errorf("%s:\n got %v\nwant %s", body, err, want)
		}
	}
}
