package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// row is one record of a request: its members in their order.
type row []assignment

// assignment is one member of a row. A value is nil, string, bool, json.Number, row or []any.
type assignment struct {
	name  string
	value any
}

// lookup returns the value of a field, in any case of its name.
func (r row) lookup(name string) (any, bool) {
	for _, a := range r {
		if strings.EqualFold(a.name, name) {
			return a.value, true
		}
	}
	return nil, false
}

// sobjectType is the type that a row's attributes name, empty when they name none.
func (r row) sobjectType() string {
	attributes, _ := r.lookup("attributes")
	inner, _ := attributes.(row)
	name, _ := inner.lookup("type")
	text, _ := name.(string)
	return text
}

// maxJSONDepth bounds how deep a body may nest.
const maxJSONDepth = 32

// parseJSON reads one JSON value and nothing after it. Objects become rows, which keep the order of their
// members. A name that occurs twice is refused, since it is not known which of the two the org would take.
func parseJSON(body []byte) (any, *apiError) {
	if !utf8.Valid(body) || loneSurrogate(body) {
		return nil, &apiError{Code: "JSON_PARSER_ERROR",
			Message: "The body is not UTF-8, or escapes half of a character"}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	v, err := readJSON(d, 0)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("unexpected content after the value")
		}
	}
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("unexpected end of the body")
		}
		line, column := position(body, d.InputOffset())
		return nil, &apiError{Code: "JSON_PARSER_ERROR",
			Message: fmt.Sprintf("%v at [line:%d, column:%d]", err, line, column)}
	}
	return v, nil
}

// loneSurrogate reports whether a text escapes one half of a surrogate pair without the other. Go's decoder
// would silently replace it.
func loneSurrogate(body []byte) bool {
	high := false // the preceding escape was the first half of a pair
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' || i+1 == len(body) {
			if high {
				return true
			}
			continue
		}
		i++
		half := 0
		if body[i] == 'u' && i+4 < len(body) {
			n, err := strconv.ParseUint(string(body[i+1:i+5]), 16, 16)
			if err == nil && n >= 0xD800 && n < 0xE000 {
				half = 1 + int(n-0xD800)/0x400
			}
		}
		if high != (half == 2) {
			return true
		}
		if high = half == 1; half > 0 {
			i += 4
		}
	}
	return high
}

func position(body []byte, offset int64) (line, column int) {
	before := body[:min(int(offset), len(body))]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}

func readJSON(d *json.Decoder, depth int) (any, error) {
	if depth > maxJSONDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxJSONDepth)
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if delim == '[' {
		list := []any{}
		for d.More() {
			v, err := readJSON(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	}
	object := row{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		if _, twice := object.lookup(name.(string)); twice {
			return nil, fmt.Errorf("duplicate field %q", name)
		}
		v, err := readJSON(d, depth+1)
		if err != nil {
			return nil, err
		}
		object = append(object, assignment{name.(string), v})
	}
	_, err = d.Token()
	return object, err
}
