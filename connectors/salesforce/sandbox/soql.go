package sandbox

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSOQL is how long a query may be, in characters.
const maxSOQL = 100_000

// soql is a parsed query; its names are not resolved yet.
type soql struct {
	fields  []selected
	count   bool // SELECT COUNT()
	from    string
	where   *condition
	groupBy []name
	having  *condition
	orderBy []ordering
	limit   int // -1: none
	offset  int
}

// name is a field path as written in the query, with its position for error messages, and the date function
// that is applied to it.
type name struct {
	text     string
	at       int
	function string // CALENDAR_YEAR, DAY_ONLY, …; empty: none
	local    bool   // in the time zone of the user (convertTimezone), not in UTC
}

// selected is one item of the SELECT list.
type selected struct {
	name
	function string // COUNT, COUNT_DISTINCT, MIN, MAX, SUM, AVG, FIELDS or empty
	alias    string
	children *soql // a sub-query over a child relationship; nil: none
}

// ordering is one item of ORDER BY.
type ordering struct {
	name
	function  string
	desc      bool
	nullsLast bool
}

// condition is a node of WHERE: and, or, not over others, or one comparison.
type condition struct {
	op       string // AND, OR, NOT, or the operator of a comparison, in capitals
	parts    []*condition
	field    name
	function string // in HAVING
	values   []literal
	sub      *soql // IN (SELECT …)
}

// literal is a value in a query.
type literal struct {
	kind string // string, number, boolean, null, date, datetime, dateLiteral
	text string
	at   int
}

// soqlParser reads a query token by token.
type soqlParser struct {
	source string
	tokens []token
	at     int
	depth  int
	inside bool // within a sub-query
}

// token is a word, text, number, date or mark of a query.
type token struct {
	kind string // word, string, number, date, datetime, mark, end
	text string
	at   int
}

func malformed(source string, at int, format string, args ...any) *apiError {
	return &apiError{Code: "MALFORMED_QUERY", Message: pointAt(source, at) + fmt.Sprintf(format, args...)}
}

// pointAt marks the position of an error in the query, as the org does.
func pointAt(source string, at int) string {
	at = min(at, len(source))
	from := max(0, at-40)
	for from > 0 && !utf8.RuneStart(source[from]) {
		from--
	}
	to := min(len(source), at+40)
	for to < len(source) && !utf8.RuneStart(source[to]) {
		to++
	}
	line := strings.NewReplacer("\n", " ", "\r", " ").Replace(source[from:to])
	row := strings.Count(source[:at], "\n") + 1
	column := at - strings.LastIndexByte(source[:at], '\n')
	return fmt.Sprintf("\n%s\n%s^\nERROR at Row:%d:Column:%d\n", line, strings.Repeat(" ", at-from), row, column)
}

// parseSOQL parses a query.
func parseSOQL(source string) (*soql, *apiError) {
	if utf8.RuneCountInString(source) > maxSOQL {
		return nil, &apiError{Code: "QUERY_TOO_COMPLICATED",
			Message: fmt.Sprintf("SOQL statement is too long: at most %d characters", maxSOQL)}
	}
	if !utf8.ValidString(source) {
		return nil, &apiError{Code: "MALFORMED_QUERY", Message: "query is not UTF-8"}
	}
	tokens, refused := scanSOQL(source)
	if refused != nil {
		return nil, refused
	}
	p := &soqlParser{source: source, tokens: tokens}
	return p.query()
}

func scanSOQL(source string) ([]token, *apiError) {
	var tokens []token
	for i := 0; i < len(source); {
		c := source[i]
		start := i
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '\'':
			end, refused := stringEnd(source, i)
			if refused != nil {
				return nil, refused
			}
			tokens = append(tokens, token{"string", source[start+1 : end], start})
			i = end + 1
		case c >= '0' && c <= '9' || (c == '-' || c == '+' || c == '.') && i+1 < len(source) &&
			(source[i+1] >= '0' && source[i+1] <= '9' || source[i+1] == '.'):
			for i++; i < len(source) && strings.IndexByte("0123456789.:-+TZtzeE", source[i]) >= 0; i++ {
			}
			kind, ok := numberOrDate(source[start:i])
			if !ok {
				return nil, malformed(source, start, "unexpected token: '%s'", source[start:i])
			}
			tokens = append(tokens, token{kind, source[start:i], start})
		case c == '_' || unicode.IsLetter(rune(c)) && c < utf8.RuneSelf:
			for i++; i < len(source) && (source[i] == '_' || source[i] == '.' || source[i] >= '0' && source[i] <= '9' ||
				source[i] >= 'a' && source[i] <= 'z' || source[i] >= 'A' && source[i] <= 'Z'); i++ {
			}
			tokens = append(tokens, token{"word", source[start:i], start})
		default:
			i++
			if two := source[start:min(start+2, len(source))]; two == "<=" || two == ">=" || two == "!=" ||
				two == "<>" {
				i++
			} else if strings.IndexByte("(),=<>:", c) < 0 {
				return nil, malformed(source, start, "unexpected token: '%c'", c)
			}
			tokens = append(tokens, token{"mark", source[start:i], start})
		}
	}
	return append(tokens, token{"end", "<EOF>", len(source)}), nil
}

// stringEnd returns the position of the closing quote of a text. A backslash is allowed only before a
// character that can be escaped.
func stringEnd(source string, start int) (int, *apiError) {
	for i := start + 1; i < len(source); i++ {
		switch source[i] {
		case '\'':
			return i, nil
		case '\n', '\r':
			return 0, malformed(source, i, "line breaks not allowed in string literals")
		case '\\':
			i++
			if i == len(source) {
				break
			}
			if strings.IndexByte(`nNrRtTbBfF"'\_%`, source[i]) >= 0 {
				continue
			}
			if source[i] == 'u' && i+4 < len(source) {
				if _, err := strconv.ParseUint(source[i+1:i+5], 16, 16); err == nil {
					i += 4
					continue
				}
			}
			return 0, &apiError{Code: "MALFORMED_QUERY",
				Message: pointAt(source, i-1) + "Invalid string literal. Illegal character sequence '\\" +
					string(source[i]) + "' in string literal."}
		}
	}
	return 0, malformed(source, start, "unexpected char: '''")
}

func numberOrDate(text string) (string, bool) {
	if _, ok := parseDate(text); ok {
		return "date", true
	}
	if _, ok := parseLiteral(text); ok {
		return "datetime", true
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil && !strings.ContainsAny(text, "tTzZ:") {
		return "number", true
	}
	return "", false
}

// unescape returns the text that a literal denotes. In a pattern of LIKE, \% and \_ stay escaped, because
// there they mean the characters themselves.
func unescape(text string, pattern bool) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			out.WriteByte(text[i])
			continue
		}
		i++
		switch text[i] {
		case 'n', 'N':
			out.WriteByte('\n')
		case 'r', 'R':
			out.WriteByte('\r')
		case 't', 'T':
			out.WriteByte('\t')
		case 'b', 'B':
			out.WriteByte('\b')
		case 'f', 'F':
			out.WriteByte('\f')
		case 'u':
			n, _ := strconv.ParseUint(text[i+1:i+5], 16, 16)
			out.WriteRune(rune(n))
			i += 4
		case '%', '_':
			if pattern {
				out.WriteByte('\\')
			}
			out.WriteByte(text[i])
		case '\\':
			if pattern {
				out.WriteByte('\\')
			}
			out.WriteByte('\\')
		default:
			out.WriteByte(text[i])
		}
	}
	return out.String()
}

func (p *soqlParser) peek() token { return p.tokens[p.at] }

func (p *soqlParser) take() token {
	t := p.tokens[p.at]
	if t.kind != "end" {
		p.at++
	}
	return t
}

// word consumes the next token if it is that word.
func (p *soqlParser) word(text string) bool {
	if t := p.peek(); t.kind == "word" && strings.EqualFold(t.text, text) {
		p.at++
		return true
	}
	return false
}

func (p *soqlParser) mark(text string) bool {
	if t := p.peek(); t.kind == "mark" && t.text == text {
		p.at++
		return true
	}
	return false
}

func (p *soqlParser) unexpected() *apiError {
	return malformed(p.source, p.peek().at, "unexpected token: '%s'", p.peek().text)
}

func (p *soqlParser) need(ok bool) *apiError {
	if ok {
		return nil
	}
	return p.unexpected()
}

// reserved are the words that cannot be a field or an alias.
var reserved = map[string]bool{
	"AND": true, "ASC": true, "DESC": true, "EXCLUDES": true, "FROM": true, "GROUP": true, "HAVING": true, "IN": true,
	"INCLUDES": true, "LIKE": true, "LIMIT": true, "NOT": true, "NULL": true, "NULLS": true, "OR": true,
	"SELECT": true, "WHERE": true, "WITH": true, "ORDER": true, "OFFSET": true, "FOR": true, "USING": true,
	"ALL": true, "UPDATE": true,
}

func (p *soqlParser) name() (name, *apiError) {
	t := p.peek()
	if t.kind != "word" || reserved[strings.ToUpper(t.text)] || strings.HasSuffix(t.text, ".") ||
		strings.Contains(t.text, "..") {
		return name{}, p.unexpected()
	}
	p.at++
	return name{text: t.text, at: t.at}, nil
}

// dateName consumes the argument of a date function whose name and bracket are consumed already.
func (p *soqlParser) dateName(function string, at int) (name, *apiError) {
	local := strings.EqualFold(p.peek().text, "convertTimezone") && p.functionOf() != ""
	n, refused := p.name()
	for range map[bool]int{false: 1, true: 2}[local] {
		if refused == nil {
			refused = p.need(p.mark(")"))
		}
	}
	n.at, n.function, n.local = at, function, local
	return n, refused
}

var aggregates = map[string]bool{"COUNT": true, "COUNT_DISTINCT": true, "MIN": true, "MAX": true, "SUM": true,
	"AVG": true}

// functionOf consumes "NAME(" and returns the name in capitals; empty: something else follows.
func (p *soqlParser) functionOf() string {
	if p.at+1 < len(p.tokens) && p.peek().kind == "word" && p.tokens[p.at+1].text == "(" &&
		p.tokens[p.at+1].kind == "mark" {
		function := strings.ToUpper(p.peek().text)
		p.at += 2
		return function
	}
	return ""
}

func (p *soqlParser) query() (*soql, *apiError) {
	q, refused := p.selection()
	if refused == nil && p.peek().kind != "end" {
		refused = p.unexpected()
	}
	return q, refused
}

// inner parses a query in brackets. It consumes both of them.
func (p *soqlParser) inner() (*soql, *apiError) {
	at := p.peek().at
	if p.inside {
		return nil, malformed(p.source, at, "a query within a sub-query is not supported by this sandbox")
	}
	p.inside = true
	defer func() { p.inside = false }()
	if refused := p.need(p.mark("(")); refused != nil {
		return nil, refused
	}
	q, refused := p.selection()
	if refused == nil {
		refused = p.need(p.mark(")"))
	}
	return q, refused
}

// selection parses a query up to its end, or to the bracket behind it.
func (p *soqlParser) selection() (*soql, *apiError) {
	q := &soql{limit: -1}
	if refused := p.need(p.word("SELECT")); refused != nil {
		return nil, refused
	}
	if refused := p.selectList(q); refused != nil {
		return nil, refused
	}
	if refused := p.need(p.word("FROM")); refused != nil {
		return nil, refused
	}
	from, refused := p.name()
	if refused != nil {
		return nil, refused
	}
	q.from = from.text
	return q, p.clauses(q)
}

func (p *soqlParser) selectList(q *soql) *apiError {
	for {
		s, refused := p.selectItem(q)
		if refused != nil {
			return refused
		}
		if q.count {
			return nil
		}
		q.fields = append(q.fields, s)
		if !p.mark(",") {
			return nil
		}
	}
}

func (p *soqlParser) selectItem(q *soql) (selected, *apiError) {
	at := p.peek().at
	if p.peek().kind == "mark" && p.peek().text == "(" {
		children, refused := p.inner()
		return selected{name: name{at: at}, children: children}, refused
	}
	function := p.functionOf()
	if function == "" {
		if p.peek().kind == "word" && strings.EqualFold(p.peek().text, "TYPEOF") {
			return selected{}, malformed(p.source, at, "TYPEOF is not supported by this sandbox")
		}
		n, refused := p.name()
		return selected{name: n}, refused
	}
	if dateFunctions[function] != nil {
		n, refused := p.dateName(function, at)
		return selected{name: n, alias: p.alias()}, refused
	}
	if !aggregates[function] && function != "FIELDS" {
		return selected{}, malformed(p.source, at, "function %s is not supported by this sandbox", function)
	}
	if function == "COUNT" && p.mark(")") {
		if len(q.fields) > 0 || p.peek().text == "," {
			return selected{}, malformed(p.source, at, "COUNT() must be the only element of the SELECT list")
		}
		q.count = true
		return selected{}, nil
	}
	if function == "FIELDS" { // ALL is a reserved word elsewhere
		set := p.take()
		return selected{name: name{text: set.text, at: set.at}, function: function}, p.need(p.mark(")"))
	}
	n, refused := p.name()
	if refused != nil {
		return selected{}, refused
	}
	if refused := p.need(p.mark(")")); refused != nil {
		return selected{}, refused
	}
	return selected{name: name{text: n.text, at: at}, function: function, alias: p.alias()}, nil
}

// alias consumes the name that a query gives to an item; empty: none.
func (p *soqlParser) alias() string {
	if t := p.peek(); t.kind == "word" && !reserved[strings.ToUpper(t.text)] && !strings.Contains(t.text, ".") {
		return p.take().text
	}
	return ""
}

func (p *soqlParser) clauses(q *soql) *apiError {
	if t := p.peek(); t.kind == "word" && !reserved[strings.ToUpper(t.text)] {
		return malformed(p.source, t.at, "aliases of objects are not supported by this sandbox")
	}
	for _, unsupported := range []string{"USING", "WITH", "FOR", "UPDATE", "ALL"} {
		if p.peek().kind == "word" && strings.EqualFold(p.peek().text, unsupported) {
			return malformed(p.source, p.peek().at, "%s is not supported by this sandbox", unsupported)
		}
	}
	var refused *apiError
	if p.word("WHERE") {
		if q.where, refused = p.conditions(false); refused != nil {
			return refused
		}
	}
	if p.word("GROUP") {
		if refused := p.groupBy(q); refused != nil {
			return refused
		}
	}
	if p.word("ORDER") {
		if refused := p.orderBy(q); refused != nil {
			return refused
		}
	}
	if p.word("LIMIT") {
		if q.limit, refused = p.integer(); refused != nil {
			return refused
		}
	}
	if p.word("OFFSET") {
		if q.offset, refused = p.integer(); refused != nil {
			return refused
		}
	}
	return nil
}

func (p *soqlParser) integer() (int, *apiError) {
	t := p.peek()
	n, err := strconv.Atoi(t.text)
	if t.kind != "number" || err != nil || n < 0 {
		return 0, p.unexpected()
	}
	p.at++
	return n, nil
}

func (p *soqlParser) groupBy(q *soql) *apiError {
	if refused := p.need(p.word("BY")); refused != nil {
		return refused
	}
	for {
		n, refused := p.dated("in GROUP BY ")
		if refused != nil {
			return refused
		}
		q.groupBy = append(q.groupBy, n)
		if !p.mark(",") {
			break
		}
	}
	if p.word("HAVING") {
		having, refused := p.conditions(true)
		q.having = having
		return refused
	}
	return nil
}

// dated consumes a field, or a date function of one. No other function may stand where.
func (p *soqlParser) dated(where string) (name, *apiError) {
	at := p.peek().at
	function := p.functionOf()
	if function == "" {
		return p.name()
	}
	if dateFunctions[function] == nil {
		return name{}, malformed(p.source, at, "function %s is not supported %sby this sandbox", function, where)
	}
	return p.dateName(function, at)
}

func (p *soqlParser) orderBy(q *soql) *apiError {
	if refused := p.need(p.word("BY")); refused != nil {
		return refused
	}
	for {
		var o ordering
		var refused *apiError
		if function := strings.ToUpper(p.peek().text); aggregates[function] && p.functionOf() != "" {
			o.function = function
			if o.name, refused = p.name(); refused == nil {
				refused = p.need(p.mark(")"))
			}
		} else {
			o.name, refused = p.dated("")
		}
		if refused != nil {
			return refused
		}
		if !p.word("ASC") {
			o.desc = p.word("DESC")
		}
		if p.word("NULLS") {
			o.nullsLast = p.word("LAST")
			if !o.nullsLast {
				if refused := p.need(p.word("FIRST")); refused != nil {
					return refused
				}
			}
		}
		q.orderBy = append(q.orderBy, o)
		if !p.mark(",") {
			return nil
		}
	}
}

// maxConditionDepth bounds how deep conditions may nest.
const maxConditionDepth = 50

// conditions parses a condition, or a list of them joined by AND or by OR. Mixing the two without
// parentheses is refused, as in SOQL.
func (p *soqlParser) conditions(having bool) (*condition, *apiError) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxConditionDepth {
		return nil, malformed(p.source, p.peek().at, "conditions nest too deep")
	}
	left, refused := p.condition(having)
	if refused != nil {
		return nil, refused
	}
	op := strings.ToUpper(p.peek().text)
	if p.peek().kind != "word" || op != "AND" && op != "OR" {
		return left, nil
	}
	joined := &condition{op: op, parts: []*condition{left}}
	for p.word(op) {
		next, refused := p.condition(having)
		if refused != nil {
			return nil, refused
		}
		joined.parts = append(joined.parts, next)
	}
	if t := p.peek(); t.kind == "word" && (strings.EqualFold(t.text, "AND") || strings.EqualFold(t.text, "OR")) {
		return nil, p.unexpected()
	}
	return joined, nil
}

func (p *soqlParser) condition(having bool) (*condition, *apiError) {
	if p.word("NOT") {
		p.depth++
		defer func() { p.depth-- }()
		if p.depth > maxConditionDepth {
			return nil, malformed(p.source, p.peek().at, "conditions nest too deep")
		}
		inner, refused := p.condition(having)
		if refused != nil {
			return nil, refused
		}
		return &condition{op: "NOT", parts: []*condition{inner}}, nil
	}
	if p.mark("(") {
		inner, refused := p.conditions(having)
		if refused != nil {
			return nil, refused
		}
		return inner, p.need(p.mark(")"))
	}
	return p.comparison(having)
}

func (p *soqlParser) comparison(having bool) (*condition, *apiError) {
	c := &condition{}
	at := p.peek().at
	var refused *apiError
	if function := strings.ToUpper(p.peek().text); having && aggregates[function] && p.functionOf() != "" {
		c.function, c.field.at = function, at
		if p.peek().text != ")" {
			c.field, refused = p.name()
		}
		if refused == nil {
			refused = p.need(p.mark(")"))
		}
	} else {
		c.field, refused = p.dated("here ")
	}
	if refused != nil {
		return nil, refused
	}
	t := p.take()
	c.op = strings.ToUpper(t.text)
	switch {
	case t.kind == "mark" && (c.op == "<>" || c.op == "!="):
		c.op = "!="
	case t.kind == "mark" && (c.op == "=" || c.op == "<" || c.op == "<=" || c.op == ">" || c.op == ">="):
	case t.kind == "word" && c.op == "LIKE":
	case t.kind == "word" && (c.op == "IN" || c.op == "INCLUDES" || c.op == "EXCLUDES"):
		return c, p.list(c)
	case t.kind == "word" && c.op == "NOT" && p.word("IN"):
		c.op = "NOT IN"
		return c, p.list(c)
	default:
		p.at--
		if t.kind == "end" {
			p.at++
		}
		return nil, p.unexpected()
	}
	v, refused := p.literal()
	c.values = []literal{v}
	return c, refused
}

func (p *soqlParser) list(c *condition) *apiError {
	if next := p.tokens[min(p.at+1, len(p.tokens)-1)]; next.kind == "word" && strings.EqualFold(next.text, "SELECT") &&
		strings.HasSuffix(c.op, "IN") {
		var refused *apiError
		c.sub, refused = p.inner()
		return refused
	}
	if refused := p.need(p.mark("(")); refused != nil {
		return refused
	}
	for {
		v, refused := p.literal()
		if refused != nil {
			return refused
		}
		c.values = append(c.values, v)
		if !p.mark(",") {
			return p.need(p.mark(")"))
		}
	}
}

func (p *soqlParser) literal() (literal, *apiError) {
	t := p.peek()
	v := literal(t)
	switch t.kind {
	case "string", "number", "date", "datetime":
	case "word":
		switch upper := strings.ToUpper(t.text); {
		case upper == "NULL":
			v.kind = "null"
		case upper == "TRUE" || upper == "FALSE":
			v.kind, v.text = "boolean", strings.ToLower(t.text)
		case dateLiterals[upper] != nil:
			v.kind, v.text = "dateLiteral", upper
			p.at++
			if p.mark(":") {
				n, refused := p.integer()
				if refused != nil {
					return v, refused
				}
				v.text = upper + ":" + strconv.Itoa(n)
			}
			if _, ok := dateRange(v.text, unixEpoch); !ok {
				return v, malformed(p.source, t.at, "unexpected token: '%s'", v.text)
			}
			return v, nil
		default:
			return v, p.unexpected()
		}
	default:
		return v, p.unexpected()
	}
	p.at++
	return v, nil
}
