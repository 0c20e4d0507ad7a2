package sandbox

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// formula is a compiled formula, of a formula field or of a validation rule (where true refuses the row).
// An unknown function or field is an error when the org is made, so that no rule passes because it was not
// understood.
type formula struct {
	source string
	root   expr
}

// rule is an active validation rule.
type rule struct {
	name    string
	refuses *formula
	message string
	field   string // the field beside which the org shows the message; empty: on top of the page
}

// scope is the input of a formula: the row after the write and before it (nil: an insert).
type scope struct {
	object *object
	now    time.Time
	row    func(*field) any
	old    func(*field) any
}

// expr is one node. A value is nil (blank), string, float64, bool, time.Time or date.
type expr func(*scope) (any, error)

// date is a day, as days since 1970-01-01; adding a number adds days.
type date float64

func dateOf(t time.Time) date { return date(math.Floor(float64(t.Unix()) / 86400)) }

func (d date) time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// evaluate computes the formula and returns the value in the form that records use.
func (f *formula) evaluate(s *scope) (any, error) {
	v, err := f.root(s)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case date:
		return v.time().Format(time.DateOnly), nil
	case string:
		if v == "" {
			return nil, nil
		}
	}
	return v, nil
}

// compileFormula parses a formula over an object's fields.
func compileFormula(source string, o *object) (*formula, error) {
	p := &formulaParser{source: source, object: o}
	if err := p.next(); err != nil {
		return nil, err
	}
	root, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.token != "" {
		return nil, fmt.Errorf("unexpected %q", p.token)
	}
	return &formula{source, root}, nil
}

type formulaParser struct {
	source string
	at     int
	token  string // the current token; texts keep their opening quote, empty at the end
	object *object
	depth  int
}

func (p *formulaParser) next() error {
	for p.at < len(p.source) && unicode.IsSpace(rune(p.source[p.at])) {
		p.at++
	}
	start := p.at
	if p.at == len(p.source) {
		p.token = ""
		return nil
	}
	c := p.source[p.at]
	switch {
	case c == '"' || c == '\'':
		var text strings.Builder
		text.WriteByte('"')
		for p.at++; ; p.at++ {
			if p.at >= len(p.source) {
				return fmt.Errorf("text without an end")
			}
			if p.source[p.at] == '\\' && p.at+1 < len(p.source) {
				p.at++
			} else if p.source[p.at] == c {
				p.at++
				p.token = text.String()
				return nil
			}
			text.WriteByte(p.source[p.at])
		}
	case c >= '0' && c <= '9' || c == '.':
		for p.at < len(p.source) && strings.IndexByte("0123456789.", p.source[p.at]) >= 0 {
			p.at++
		}
	case c == '_' || c == '$' || unicode.IsLetter(rune(c)):
		for p.at < len(p.source) && (p.source[p.at] == '_' || p.source[p.at] == '$' || p.source[p.at] == '.' ||
			unicode.IsLetter(rune(p.source[p.at])) || unicode.IsDigit(rune(p.source[p.at]))) {
			p.at++
		}
	default:
		p.at++
		if two := p.source[start:min(start+2, len(p.source))]; strings.Contains(" <= >= <> != == && || ", " "+two+" ") {
			p.at++
		} else if !strings.ContainsRune("+-*/&(),<>=!", rune(c)) {
			return fmt.Errorf("unexpected character %q", c)
		}
	}
	p.token = p.source[start:p.at]
	return nil
}

func (p *formulaParser) accept(tokens ...string) (string, error) {
	for _, t := range tokens {
		if p.token == t {
			return t, p.next()
		}
	}
	return "", nil
}

// binary parses operands joined by operators of one rank.
func (p *formulaParser) binary(operand func() (expr, error), join func(op string, a, b expr) expr,
	operators ...string) (expr, error) {
	left, err := operand()
	if err != nil {
		return nil, err
	}
	for {
		op, err := p.accept(operators...)
		if err != nil {
			return nil, err
		}
		if op == "" {
			return left, nil
		}
		right, err := operand()
		if err != nil {
			return nil, err
		}
		left = join(op, left, right)
	}
}

func (p *formulaParser) or() (expr, error) {
	return p.binary(p.and, func(_ string, a, b expr) expr { return anyOf([]expr{a, b}) }, "||")
}

func (p *formulaParser) and() (expr, error) {
	return p.binary(p.equality, func(_ string, a, b expr) expr { return allOf([]expr{a, b}) }, "&&")
}

func (p *formulaParser) equality() (expr, error) {
	return p.binary(p.relation, compare, "=", "==", "<>", "!=")
}

func (p *formulaParser) relation() (expr, error) {
	return p.binary(p.concat, compare, "<=", ">=", "<", ">")
}

func (p *formulaParser) concat() (expr, error) {
	return p.binary(p.sum, func(_ string, a, b expr) expr {
		return func(s *scope) (any, error) {
			left, right, err := both(s, a, b)
			return asText(left) + asText(right), err
		}
	}, "&")
}

func (p *formulaParser) sum() (expr, error) { return p.binary(p.product, arithmetic, "+", "-") }

func (p *formulaParser) product() (expr, error) { return p.binary(p.unary, arithmetic, "*", "/") }

// maxFormulaDepth bounds how deep a formula may nest.
const maxFormulaDepth = 100

func (p *formulaParser) unary() (expr, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxFormulaDepth {
		return nil, fmt.Errorf("nested too deep")
	}
	op, err := p.accept("-", "!")
	if err != nil {
		return nil, err
	}
	if op == "" {
		return p.primary()
	}
	operand, err := p.unary()
	if err != nil {
		return nil, err
	}
	if op == "!" {
		return negate(operand), nil
	}
	return arithmetic("-", constant(0.0), operand), nil
}

func (p *formulaParser) primary() (expr, error) {
	token := p.token
	switch {
	case token == "":
		return nil, fmt.Errorf("ends too early")
	case token == "(":
		if err := p.next(); err != nil {
			return nil, err
		}
		inner, err := p.or()
		if err != nil {
			return nil, err
		}
		return inner, p.expect(")")
	case token[0] == '"':
		return constant(token[1:]), p.next()
	case token[0] >= '0' && token[0] <= '9' || token[0] == '.':
		n, err := strconv.ParseFloat(token, 64)
		if err != nil {
			return nil, fmt.Errorf("number %q: %w", token, err)
		}
		return constant(n), p.next()
	case token[0] == '_' || unicode.IsLetter(rune(token[0])):
		if err := p.next(); err != nil {
			return nil, err
		}
		if p.token == "(" {
			return p.call(strings.ToUpper(token))
		}
		return p.name(token)
	}
	return nil, fmt.Errorf("unexpected %q", token)
}

func (p *formulaParser) expect(token string) error {
	if p.token != token {
		return fmt.Errorf("expected %q, found %q", token, p.token)
	}
	return p.next()
}

func (p *formulaParser) name(token string) (expr, error) {
	switch strings.ToUpper(token) {
	case "TRUE":
		return constant(true), nil
	case "FALSE":
		return constant(false), nil
	case "NULL":
		return constant(nil), nil
	}
	f := p.object.field(token)
	if f == nil {
		return nil, fmt.Errorf("%s has no field %s", p.object.name, token)
	}
	return func(s *scope) (any, error) { return operand(f, s, s.row) }, nil
}

// operand is a field's value as formulas see it: dates are days.
func operand(f *field, s *scope, row func(*field) any) (any, error) {
	if f.formula != nil {
		return f.formula.root(s)
	}
	v := row(f)
	if text, ok := v.(string); ok && f.kind == kindDate {
		t, err := time.Parse(time.DateOnly, text)
		return dateOf(t), err
	}
	return v, nil
}

// call parses the arguments of a function. PRIORVALUE, ISCHANGED and ISNEW read the old row; they take the
// name of a field and are compiled here.
func (p *formulaParser) call(function string) (expr, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if function == "PRIORVALUE" || function == "ISCHANGED" {
		f := p.object.field(p.token)
		if f == nil {
			return nil, fmt.Errorf("%s of %q, which is no field of %s", function, p.token, p.object.name)
		}
		if err := p.next(); err != nil {
			return nil, err
		}
		return prior(function, f), p.expect(")")
	}
	var args []expr
	for p.token != ")" {
		if len(args) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		arg, err := p.or()
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	return makeCall(function, args)
}

// prior compiles PRIORVALUE, which on a new row is the value itself, and ISCHANGED.
func prior(function string, f *field) expr {
	return func(s *scope) (any, error) {
		now, err := operand(f, s, s.row)
		if err != nil || s.old == nil {
			if function == "ISCHANGED" {
				return false, err
			}
			return now, err
		}
		was, err := operand(f, s, s.old)
		if function == "ISCHANGED" {
			return was != now, err
		}
		return was, err
	}
}

func constant(v any) expr { return func(*scope) (any, error) { return v, nil } }

func both(s *scope, a, b expr) (any, any, error) {
	left, err := a(s)
	if err != nil {
		return nil, nil, err
	}
	right, err := b(s)
	return left, right, err
}

func truth(s *scope, e expr) (bool, error) {
	v, err := e(s)
	if err != nil || v == nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, fmt.Errorf("%v is not true or false", v)
	}
	return b, nil
}

func anyOf(args []expr) expr {
	return func(s *scope) (any, error) {
		for _, a := range args {
			if ok, err := truth(s, a); ok || err != nil {
				return ok, err
			}
		}
		return false, nil
	}
}

func allOf(args []expr) expr {
	return func(s *scope) (any, error) {
		for _, a := range args {
			if ok, err := truth(s, a); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	}
}

func negate(e expr) expr {
	return func(s *scope) (any, error) {
		ok, err := truth(s, e)
		return !ok, err
	}
}

func blank(v any) bool { return v == nil || v == "" }

// compare joins two operands by a comparison. With a blank on either side only = and <> can be true.
func compare(op string, a, b expr) expr {
	return func(s *scope) (any, error) {
		left, right, err := both(s, a, b)
		if err != nil {
			return nil, err
		}
		if blank(left) || blank(right) {
			same := blank(left) && blank(right)
			switch op {
			case "=", "==":
				return same, nil
			case "<>", "!=":
				return !same, nil
			}
			return false, nil
		}
		order, err := formulaOrder(left, right)
		if err != nil {
			return nil, err
		}
		switch op {
		case "=", "==":
			return order == 0, nil
		case "<>", "!=":
			return order != 0, nil
		case "<":
			return order < 0, nil
		case "<=":
			return order <= 0, nil
		case ">":
			return order > 0, nil
		}
		return order >= 0, nil
	}
}

func formulaOrder(left, right any) (int, error) {
	switch l := left.(type) {
	case string:
		if r, ok := right.(string); ok {
			return strings.Compare(l, r), nil
		}
	case bool:
		if r, ok := right.(bool); ok {
			if l == r {
				return 0, nil
			}
			return 1, nil
		}
	case float64:
		if r, ok := right.(float64); ok {
			return orderOf(l, r), nil
		}
	case date:
		if r, ok := right.(date); ok {
			return orderOf(float64(l), float64(r)), nil
		}
	case time.Time:
		if r, ok := right.(time.Time); ok {
			return l.Compare(r), nil
		}
	}
	return 0, fmt.Errorf("cannot compare %T and %T", left, right)
}

func orderOf(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// arithmetic joins two operands: numbers, or a date or time and a number of days; the difference of two
// dates or times is in days. With a blank on either side the result is blank.
func arithmetic(op string, a, b expr) expr {
	return func(s *scope) (any, error) {
		left, right, err := both(s, a, b)
		if err != nil || left == nil || right == nil {
			return nil, err
		}
		switch l := left.(type) {
		case float64:
			switch r := right.(type) {
			case float64:
				return calculate(op, l, r)
			case date:
				if op == "+" {
					return r + date(l), nil
				}
			}
		case date:
			switch r := right.(type) {
			case float64:
				if n, err := calculate(op, float64(l), r); err == nil && (op == "+" || op == "-") {
					return date(math.Floor(n.(float64))), nil
				}
			case date:
				if op == "-" {
					return float64(l - r), nil
				}
			}
		case time.Time:
			switch r := right.(type) {
			case float64:
				days := time.Duration(r * 24 * float64(time.Hour))
				switch op {
				case "+":
					return l.Add(days), nil
				case "-":
					return l.Add(-days), nil
				}
			case time.Time:
				if op == "-" {
					return l.Sub(r).Hours() / 24, nil
				}
			}
		}
		return nil, fmt.Errorf("cannot compute %T %s %T", left, op, right)
	}
}

func calculate(op string, l, r float64) (any, error) {
	switch op {
	case "+":
		return l + r, nil
	case "-":
		return l - r, nil
	case "*":
		return l * r, nil
	}
	if r == 0 {
		return nil, fmt.Errorf("division by zero")
	}
	return l / r, nil
}

func asText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case date:
		return v.time().Format(time.DateOnly)
	case time.Time:
		return v.Format("2006-01-02 15:04:05Z")
	}
	return fmt.Sprint(v)
}
