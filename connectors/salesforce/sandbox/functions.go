package sandbox

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// function is a formula function over evaluated arguments.
type function struct {
	least, most int // bounds of the number of arguments
	apply       func(s *scope, args []any) (any, error)
}

// makeCall compiles a call. IF, AND, OR and NOT evaluate only what they need.
func makeCall(name string, args []expr) (expr, error) {
	switch name {
	case "AND":
		return allOf(args), nil
	case "OR":
		return anyOf(args), nil
	case "NOT":
		if len(args) != 1 {
			return nil, fmt.Errorf("NOT takes one argument, not %d", len(args))
		}
		return negate(args[0]), nil
	case "IF":
		if len(args) != 3 {
			return nil, fmt.Errorf("IF takes three arguments, not %d", len(args))
		}
		return func(s *scope) (any, error) {
			ok, err := truth(s, args[0])
			if err != nil {
				return nil, err
			}
			if ok {
				return args[1](s)
			}
			return args[2](s)
		}, nil
	}
	f, ok := functions[name]
	if !ok {
		return nil, fmt.Errorf("function %s is not known", name)
	}
	if len(args) < f.least || len(args) > f.most {
		return nil, fmt.Errorf("%s takes %d to %d arguments, not %d", name, f.least, f.most, len(args))
	}
	return func(s *scope) (any, error) {
		values := make([]any, len(args))
		for i, a := range args {
			v, err := a(s)
			if err != nil {
				return nil, err
			}
			values[i] = v
		}
		v, err := f.apply(s, values)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return v, nil
	}, nil
}

// functions are the functions whose arguments are all evaluated first.
var functions = map[string]function{
	"ISNEW":      {0, 0, func(s *scope, _ []any) (any, error) { return s.old == nil, nil }},
	"ISBLANK":    {1, 1, func(_ *scope, a []any) (any, error) { return blank(a[0]), nil }},
	"ISNULL":     {1, 1, func(_ *scope, a []any) (any, error) { return a[0] == nil, nil }},
	"BLANKVALUE": {2, 2, func(_ *scope, a []any) (any, error) { return orElse(a[0], a[1]), nil }},
	"ISPICKVAL":  {2, 2, func(_ *scope, a []any) (any, error) { return asText(a[0]) == asText(a[1]), nil }},
	"TEXT":       {1, 1, func(_ *scope, a []any) (any, error) { return asText(a[0]), nil }},
	"LEN": {1, 1,
		func(_ *scope, a []any) (any, error) { return float64(utf8.RuneCountInString(asText(a[0]))), nil }},
	"LOWER": {1, 1, func(_ *scope, a []any) (any, error) { return strings.ToLower(asText(a[0])), nil }},
	"UPPER": {1, 1, func(_ *scope, a []any) (any, error) { return strings.ToUpper(asText(a[0])), nil }},
	"TRIM":  {1, 1, func(_ *scope, a []any) (any, error) { return strings.TrimSpace(asText(a[0])), nil }},
	"CONTAINS": {2, 2,
		func(_ *scope, a []any) (any, error) { return strings.Contains(asText(a[0]), asText(a[1])), nil }},
	"BEGINS": {2, 2,
		func(_ *scope, a []any) (any, error) { return strings.HasPrefix(asText(a[0]), asText(a[1])), nil }},
	"LEFT":      {2, 2, func(_ *scope, a []any) (any, error) { return part(a[0], a[1], true) }},
	"RIGHT":     {2, 2, func(_ *scope, a []any) (any, error) { return part(a[0], a[1], false) }},
	"VALUE":     {1, 1, func(_ *scope, a []any) (any, error) { return valueOf(a[0]) }},
	"NOW":       {0, 0, func(s *scope, _ []any) (any, error) { return s.now, nil }},
	"TODAY":     {0, 0, func(s *scope, _ []any) (any, error) { return dateOf(s.now), nil }},
	"DATE":      {3, 3, func(_ *scope, a []any) (any, error) { return makeDate(a) }},
	"DATEVALUE": {1, 1, func(_ *scope, a []any) (any, error) { return dateValue(a[0]) }},
	"DATETIMEVALUE": {1, 1, func(_ *scope, a []any) (any, error) {
		d, err := dateValue(a[0])
		if day, ok := d.(date); ok {
			return day.time(), err
		}
		return nil, err
	}},
	"YEAR": {1, 1,
		func(_ *scope, a []any) (any, error) { return ofDay(a[0], func(t time.Time) int { return t.Year() }) }},
	"MONTH": {1, 1, func(_ *scope, a []any) (any, error) {
		return ofDay(a[0], func(t time.Time) int { return int(t.Month()) })
	}},
	"DAY": {1, 1,
		func(_ *scope, a []any) (any, error) { return ofDay(a[0], func(t time.Time) int { return t.Day() }) }},
	"WEEKDAY": {1, 1, func(_ *scope, a []any) (any, error) {
		return ofDay(a[0], func(t time.Time) int { return int(t.Weekday()) + 1 })
	}},
	"ABS":     {1, 1, func(_ *scope, a []any) (any, error) { return ofNumber(a[0], math.Abs) }},
	"FLOOR":   {1, 1, func(_ *scope, a []any) (any, error) { return ofNumber(a[0], math.Floor) }},
	"CEILING": {1, 1, func(_ *scope, a []any) (any, error) { return ofNumber(a[0], math.Ceil) }},
	"MOD":     {2, 2, func(_ *scope, a []any) (any, error) { return modulo(a[0], a[1]) }},
}

func orElse(v, other any) any {
	if blank(v) {
		return other
	}
	return v
}

// part is the first or last n characters of a text.
func part(text, count any, first bool) (any, error) {
	n, ok := count.(float64)
	if !ok {
		return nil, fmt.Errorf("%v is not a number", count)
	}
	runes := []rune(asText(text))
	keep := max(0, min(int(n), len(runes)))
	if first {
		return string(runes[:keep]), nil
	}
	return string(runes[len(runes)-keep:]), nil
}

func valueOf(v any) (any, error) {
	if blank(v) {
		return nil, nil
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(asText(v)), 64)
	if err != nil {
		return nil, fmt.Errorf("%q is not a number", asText(v))
	}
	return n, nil
}

func makeDate(args []any) (any, error) {
	var parts [3]int
	for i, a := range args {
		n, ok := a.(float64)
		if !ok {
			return nil, nil
		}
		parts[i] = int(n)
	}
	t := time.Date(parts[0], time.Month(parts[1]), parts[2], 0, 0, 0, 0, time.UTC)
	if t.Month() != time.Month(parts[1]) || t.Day() != parts[2] {
		return nil, fmt.Errorf("%d-%d-%d is no date", parts[0], parts[1], parts[2])
	}
	return dateOf(t), nil
}

// dateValue is the day of a date, a time (UTC) or a text such as 2026-11-23.
func dateValue(v any) (any, error) {
	switch v := v.(type) {
	case nil, date:
		return v, nil
	case time.Time:
		return dateOf(v), nil
	case string:
		if v == "" {
			return nil, nil
		}
		t, err := time.Parse(time.DateOnly, v)
		return dateOf(t), err
	}
	return nil, fmt.Errorf("%v is no date", v)
}

func ofDay(v any, pick func(time.Time) int) (any, error) {
	d, ok := v.(date)
	if !ok {
		return nil, nil
	}
	return float64(pick(d.time())), nil
}

func ofNumber(v any, apply func(float64) float64) (any, error) {
	n, ok := v.(float64)
	if !ok {
		return nil, nil
	}
	return apply(n), nil
}

// modulo has the sign of the divisor, as in the org.
func modulo(a, b any) (any, error) {
	n, ok := a.(float64)
	d, also := b.(float64)
	if !ok || !also {
		return nil, nil
	}
	if d == 0 {
		return nil, fmt.Errorf("division by zero")
	}
	return n - d*math.Floor(n/d), nil
}
