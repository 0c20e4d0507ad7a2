package sandbox

import (
	"encoding/json"
	"fmt"
	"math"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A value of a record is nil, string, float64, bool or time.Time: texts, picklists, ids and dates
// (2006-01-02) are strings, int and double are float64, datetimes are UTC in whole seconds, as the org
// stores them.

// dateTimeLayout is the form of a datetime in answers: milliseconds, and a zone without a colon.
const dateTimeLayout = "2006-01-02T15:04:05.000-0700"

// dateTimeInputs are the forms of a datetime that are accepted. One without a zone is refused.
var dateTimeInputs = []string{
	"2006-01-02T15:04:05.999999999Z07:00",
	"2006-01-02T15:04:05.999999999-0700",
}

// parseDateTime reads a datetime, truncated to whole seconds.
func parseDateTime(text string) (time.Time, bool) {
	return parseIn(text, dateTimeInputs)
}

// parseLiteral reads a datetime of a query, whose zone must have a colon.
func parseLiteral(text string) (time.Time, bool) { return parseIn(text, dateTimeInputs[:1]) }

func parseIn(text string, layouts []string) (time.Time, bool) {
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil && t.Year() >= 1700 && t.Year() <= 4000 {
			return t.UTC().Truncate(time.Second), true
		}
	}
	return time.Time{}, false
}

// parseDate reads a date and returns it in the form that is stored.
func parseDate(text string) (string, bool) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 1700 || t.Year() > 4000 {
		return "", false
	}
	return text, true
}

// convertJSON converts a field's value in a JSON body. A value of another JSON type is refused as by the
// org's parser.
func (f *field) convertJSON(in any) (any, *apiError) {
	if in == nil {
		return nil, nil
	}
	switch {
	case f.kind == kindBoolean:
		if b, ok := in.(bool); ok {
			return b, nil
		}
	case f.kind.number():
		if n, ok := in.(json.Number); ok {
			return f.convertNumber(n.String())
		}
		// The org reads a number that is given as text, as tools do that keep values as they were typed.
		if text, ok := in.(string); ok && jsonNumber(text) {
			return f.convertNumber(text)
		}
	default:
		if text, ok := in.(string); ok {
			return f.convertText(text)
		}
	}
	return nil, f.notDeserialized(in)
}

// convertCSV converts a cell of a bulk upload. The caller has handled empty cells and #N/A.
func (f *field) convertCSV(cell string) (any, *apiError) {
	invalid := func() *apiError {
		return &apiError{Code: "INVALID_TYPE_ON_FIELD_IN_RECORD", Fields: []string{f.name},
			Message: fmt.Sprintf("Failed to deserialize field at col %s. Due to, '%s' is not a valid value for the "+
				"type xsd:%s", f.name, cell, f.kind)}
	}
	switch {
	case f.kind == kindBoolean:
		switch strings.ToLower(cell) {
		case "true", "1":
			return true, nil
		case "false", "0":
			return false, nil
		}
		return nil, invalid()
	case f.kind.number():
		if !jsonNumber(cell) {
			return nil, invalid()
		}
		return f.convertNumber(cell)
	case f.kind == kindDate:
		if _, ok := parseDate(cell); !ok {
			return nil, invalid()
		}
	case f.kind == kindDateTime:
		if _, ok := parseDateTime(cell); !ok {
			return nil, invalid()
		}
	}
	return f.convertText(cell)
}

// jsonNumber reports whether the text is a number as JSON writes it.
func jsonNumber(text string) bool {
	var n json.Number
	return json.Unmarshal([]byte(text), &n) == nil && text != "" && text[0] != '"' && text != "null"
}

func (f *field) notDeserialized(in any) *apiError {
	shape := "VALUE_STRING"
	switch v := in.(type) {
	case json.Number:
		shape = "VALUE_NUMBER_INT"
		if strings.ContainsAny(v.String(), ".eE") {
			shape = "VALUE_NUMBER_FLOAT"
		}
	case bool:
		shape = "VALUE_TRUE"
		if !v {
			shape = "VALUE_FALSE"
		}
	case []any:
		return &apiError{Code: "JSON_PARSER_ERROR",
			Message: fmt.Sprintf("Cannot deserialize instance of %s from START_ARRAY value", f.kind)}
	case row:
		return &apiError{Code: "JSON_PARSER_ERROR",
			Message: fmt.Sprintf("Cannot deserialize instance of %s from START_OBJECT value", f.kind)}
	}
	return &apiError{Code: "JSON_PARSER_ERROR", Message: fmt.Sprintf(
		"Cannot deserialize instance of %s from %s value %v or request may be missing a required field", f.kind,
		shape, in)}
}

func (f *field) refuse(code, format string, args ...any) *apiError {
	return &apiError{Code: code, Message: f.label + ": " + fmt.Sprintf(format, args...), Fields: []string{f.name}}
}

func (f *field) convertNumber(text string) (any, *apiError) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
		return nil, f.refuse("NUMBER_OUTSIDE_VALID_RANGE", "value outside of valid range on numeric field: %s", text)
	}
	limit := math.Pow10(f.precision - f.scale)
	// More digits than the scale are refused: it is not known whether the org rounds them.
	if shifted := n * math.Pow10(f.scale); math.Abs(n) >= limit || math.Abs(shifted-math.Round(shifted)) > 1e-6 {
		return nil, f.refuse("NUMBER_OUTSIDE_VALID_RANGE", "value outside of valid range on numeric field: %s", text)
	}
	return math.Round(n*math.Pow10(f.scale)) / math.Pow10(f.scale), nil
}

// convertText checks a text for its field's kind. Outer white space is trimmed, and an empty text is null,
// as the org stores it.
func (f *field) convertText(text string) (any, *apiError) {
	if refused := f.checkCharacters(text); refused != nil {
		return nil, refused
	}
	switch f.kind {
	case kindDate:
		if text == "" {
			return nil, f.notDeserialized(text)
		}
		if date, ok := parseDate(text); ok {
			return date, nil
		}
		return nil, f.notDeserialized(text)
	case kindDateTime:
		if t, ok := parseDateTime(text); ok {
			return t, nil
		}
		return nil, f.notDeserialized(text)
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil
	}
	switch f.kind {
	case kindReference, kindID:
		id, ok := canonicalID(text)
		if !ok {
			return nil, f.refuse("MALFORMED_ID", "id value of incorrect type: %s", text)
		}
		return id, nil
	case kindPicklist:
		return f.convertPicklist(text)
	case kindMultiselect:
		return f.convertMultiselect(text)
	case kindEmail:
		if !validEmail(text) {
			return nil, f.refuse("INVALID_EMAIL_ADDRESS", "invalid email address: %s", text)
		}
	}
	if utf16Length(text) > f.maxLength() {
		return nil, f.refuse("STRING_TOO_LONG", "data value too large: %s (max length=%d)", text, f.maxLength())
	}
	return text, nil
}

// checkCharacters refuses characters that an XML document cannot contain: the same data is served by the
// SOAP API.
func (f *field) checkCharacters(text string) *apiError {
	for _, r := range text {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return f.refuse("TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET", "character U+%04X is not supported", r)
		}
	}
	return nil
}

func (f *field) convertPicklist(text string) (any, *apiError) {
	if f.restricted {
		if i := slices.IndexFunc(f.choices(), func(v string) bool { return v == text }); i < 0 {
			return nil, f.refuse("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
				"bad value for restricted picklist field: %s", text)
		}
	}
	if utf16Length(text) > f.maxLength() {
		return nil, f.refuse("STRING_TOO_LONG", "data value too large: %s (max length=%d)", text, f.maxLength())
	}
	return text, nil
}

// maxSelected is how many values of a multi-select picklist one record may hold.
const maxSelected = 100

// convertMultiselect keeps the values in their order, without duplicates. An unrestricted field accepts
// values outside of its set.
func (f *field) convertMultiselect(text string) (any, *apiError) {
	var kept []string
	for part := range strings.SplitSeq(text, ";") {
		part = strings.TrimSpace(part)
		if part == "" || slices.Contains(kept, part) {
			continue
		}
		if f.restricted && !slices.Contains(f.choices(), part) {
			return nil, f.refuse("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
				"bad value for restricted picklist field: %s", part)
		}
		if utf16Length(part) > 255 {
			return nil, f.refuse("STRING_TOO_LONG", "data value too large: %s (max length=255)", part)
		}
		kept = append(kept, part)
	}
	if len(kept) > maxSelected {
		return nil, f.refuse("STRING_TOO_LONG", "data value too large: %d values (max selected=%d)", len(kept),
			maxSelected)
	}
	if len(kept) == 0 {
		return nil, nil
	}
	return strings.Join(kept, ";"), nil
}

// utf16Length is a text's length in UTF-16 units: a character outside the basic plane, such as an emoji,
// counts two. It is not known whether the org counts so everywhere; this is the stricter reading.
func utf16Length(text string) int {
	n := 0
	for _, r := range text {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

func validEmail(text string) bool {
	if len(text) > 80 || strings.ContainsAny(text, " <>\"(),;:") {
		return false
	}
	address, err := mail.ParseAddress(text)
	if err != nil || address.Address != text {
		return false
	}
	domain := text[strings.LastIndexByte(text, '@')+1:]
	return strings.Contains(domain, ".") && !strings.HasSuffix(domain, ".")
}

// appendJSON appends a value as the REST API answers it.
func (f *field) appendJSON(out []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(out, "null"...)
	case string:
		return appendString(out, v)
	case bool:
		return strconv.AppendBool(out, v)
	case time.Time:
		return append(append(append(out, '"'), f.text(v)...), '"')
	case float64:
		return append(out, f.text(v)...)
	}
	panic(fmt.Sprintf("sandbox: %s has a %T", f.name, value))
}

// text writes a value as in a CSV cell; numbers and times are the same in JSON.
func (f *field) text(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		return v.Format(dateTimeLayout)
	case float64:
		if f.kind == kindInt {
			return strconv.FormatFloat(v, 'f', 0, 64)
		}
		return javaDouble(v)
	}
	panic(fmt.Sprintf("sandbox: %s has a %T", f.name, value))
}

// javaDouble writes a double as Java does, because the org does: always with a point (5.0), and with an
// exponent from ten million on (1.0E7). A client that reads such a field into an integer fails here as it
// would there.
func javaDouble(v float64) string {
	magnitude := math.Abs(v)
	if v == 0 {
		return "0.0"
	}
	if magnitude >= 1e-3 && magnitude < 1e7 {
		text := strconv.FormatFloat(v, 'f', -1, 64)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		return text
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'E', -1, 64), "E")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	n, _ := strconv.Atoi(exponent)
	return mantissa + "E" + strconv.Itoa(n)
}

// key returns the form of a value that is compared for uniqueness and stored in indexes.
func (f *field) key(value any) string {
	switch v := value.(type) {
	case string:
		if f.exact() {
			return v
		}
		return strings.ToLower(v)
	default:
		return f.text(value)
	}
}

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string.
func appendString(out []byte, s string) []byte {
	out = append(out, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		out = append(out, s[start:i]...)
		switch c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\n':
			out = append(out, '\\', 'n')
		case '\r':
			out = append(out, '\\', 'r')
		case '\t':
			out = append(out, '\\', 't')
		default:
			out = append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		start = i + 1
	}
	return append(append(out, s[start:]...), '"')
}
