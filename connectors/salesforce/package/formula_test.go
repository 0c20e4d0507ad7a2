package sfpackage

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"strconv"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// record is an InMail__c as an org stores it: texts and picklists are string, numbers float64, times
// time.Time in whole seconds (an org stores no fractions). A field that is nil or missing is blank.
type record map[string]any

// day is a date: days since 1970-01-01.
type day int

func (d day) midnight() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

func dayOf(t time.Time) day { return day(math.Floor(float64(t.Unix()) / 86400)) }

// org evaluates the package's formulas over one record. It follows Salesforce's documentation of the
// functions, independently of all other code that reads them, and implements only the functions that the
// package uses. The formulas are parsed as Go expressions, which they are except for line breaks.
type org struct {
	object Object
	now    time.Time
	prior  record // before an update; nil: the record is new
}

// value returns a field's value; a formula is computed.
func (o org) value(r record, name string) any {
	f, ok := o.object.Field(name)
	if !ok {
		panic("no field " + name)
	}
	if !f.Computed() {
		return r[f.Name]
	}
	return o.compute(r, f.Formula)
}

func (o org) compute(r record, formula string) any {
	e, err := parser.ParseExpr(strings.ReplaceAll(formula, "\n", " "))
	if err != nil {
		panic(fmt.Sprintf("%s: %v", formula, err))
	}
	return o.eval(r, e)
}

func (o org) eval(r record, e ast.Expr) any {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return o.eval(r, e.X)
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, _ := strconv.Unquote(e.Value)
			return text
		}
		n, _ := strconv.ParseFloat(e.Value, 64)
		return n
	case *ast.Ident:
		if e.Name == "NULL" {
			return nil
		}
		return o.value(r, e.Name)
	case *ast.BinaryExpr:
		return operate(e.Op, o.eval(r, e.X), o.eval(r, e.Y))
	case *ast.CallExpr:
		return o.call(r, e.Fun.(*ast.Ident).Name, e.Args)
	}
	panic(fmt.Sprintf("%T in a formula", e))
}

func (o org) call(r record, function string, args []ast.Expr) any {
	arg := func(i int) any { return o.eval(r, args[i]) }
	switch function {
	case "IF":
		if arg(0) == true {
			return arg(1)
		}
		return arg(2)
	case "AND", "OR":
		for i := range args {
			if arg(i) == (function == "OR") {
				return function == "OR"
			}
		}
		return function == "AND"
	case "NOT":
		return arg(0) != true
	case "ISNEW":
		return o.prior == nil
	case "PRIORVALUE":
		return o.value(o.prior, args[0].(*ast.Ident).Name)
	case "ISBLANK":
		return blank(arg(0))
	case "ISPICKVAL":
		return arg(0) == arg(1)
	case "NOW":
		return o.now
	case "DATE":
		return dayOf(time.Date(int(arg(0).(float64)), time.Month(arg(1).(float64)), int(arg(2).(float64)), 0, 0, 0, 0, time.UTC))
	case "DATETIMEVALUE": // "returns a year, month, day, and GMT time value"
		return arg(0).(day).midnight()
	case "WEEKDAY": // "1 for Sunday, 2 for Monday, through 7 for Saturday"
		return float64(arg(0).(day).midnight().Weekday()) + 1
	case "MOD":
		a, b := arg(0).(float64), arg(1).(float64)
		return a - b*math.Floor(a/b)
	case "LEFT":
		return arg(0).(string)[:int(arg(1).(float64))]
	case "RIGHT":
		text := arg(0).(string)
		return text[len(text)-int(arg(1).(float64)):]
	case "VALUE":
		n, err := strconv.ParseFloat(arg(0).(string), 64)
		if err != nil {
			panic(err)
		}
		return n
	}
	panic("function " + function)
}

func blank(v any) bool { return v == nil || v == "" }

func operate(op token.Token, a, b any) any {
	if op == token.AND { // & joins texts
		return fmt.Sprint(a) + fmt.Sprint(b)
	}
	compares := op == token.LSS || op == token.LEQ || op == token.GTR || op == token.GEQ
	if blank(a) || blank(b) {
		if compares {
			return false
		}
		return nil
	}
	if compares {
		var order int
		switch a := a.(type) {
		case float64:
			order = int(math.Copysign(1, a-b.(float64)))
			if a == b.(float64) {
				order = 0
			}
		case time.Time:
			order = a.Compare(b.(time.Time))
		}
		return op == token.LSS && order < 0 || op == token.LEQ && order <= 0 || op == token.GTR && order > 0 || op == token.GEQ && order >= 0
	}
	switch a := a.(type) {
	case day: // whole days only
		n := b.(float64)
		if op == token.SUB {
			n = -n
		}
		return a + day(n)
	case time.Time:
		if t, ok := b.(time.Time); ok && op == token.SUB {
			return a.Sub(t).Hours() / 24
		}
		if op == token.ADD {
			return a.Add(time.Duration(b.(float64) * 24 * float64(time.Hour)))
		}
	case float64:
		n := b.(float64)
		switch op {
		case token.ADD:
			return a + n
		case token.SUB:
			return a - n
		case token.MUL:
			return a * n
		}
	}
	panic(fmt.Sprintf("%T %s %T", a, op, b))
}

// passes reports whether a record passes the filters of a list view or report.
func (o org) passes(t rapid.TB, r record, filters []node, column string) bool {
	t.Helper()
	for _, f := range filters {
		name := strings.TrimPrefix(f.get(column), "InMail__c.")
		v := o.value(r, name)
		want := f.get("value")
		var ok bool
		switch operation := f.get("operation") + f.get("operator"); operation {
		case "equals":
			for _, w := range strings.Split(want, ",") {
				ok = ok || fmt.Sprint(v) == w
			}
		case "includes":
			for _, tag := range strings.Split(fmt.Sprint(v), ";") {
				ok = ok || tag == want
			}
		case "greaterOrEqual":
			days, err := strconv.Atoi(strings.TrimPrefix(want, "LAST_N_DAYS:"))
			if err != nil {
				t.Fatal(err)
			}
			d, dated := v.(day)
			ok = dated && d >= dayOf(o.now)-day(days)
		case "greaterThan", "lessOrEqual":
			limit, err := strconv.ParseFloat(want, 64)
			if err != nil {
				t.Fatal(err)
			}
			n, number := v.(float64)
			ok = number && (operation == "greaterThan") == (n > limit)
		default:
			t.Fatalf("operation %q", operation)
		}
		if !ok {
			return false
		}
	}
	return true
}

// total is a line of a summary report: its sums, and the rate that its formula gives.
type total struct {
	delivered, hits float64
	rate            float64
}

// run returns the lines of a summary report by the values of its groupings, joined by " / ".
func (o org) run(t rapid.TB, report node, records []record) map[string]total {
	t.Helper()
	over, under, ok := strings.Cut(report.at("aggregates").get("calculatedFormula"), " / ")
	if !ok {
		t.Fatalf("%s has no formula that divides", report.get("name"))
	}
	sum := func(r record, term string) float64 {
		name, ok := strings.CutSuffix(strings.TrimPrefix(term, "InMail__c."), ":SUM")
		if !ok {
			t.Fatalf("%s is no sum", term)
		}
		return o.value(r, name).(float64)
	}
	lines := map[string]total{}
	for _, r := range records {
		if !o.passes(t, r, report.at("filter").all("criteriaItems"), "column") || !o.inTimeFrame(t, r, report.at("timeFrameFilter")) {
			continue
		}
		var key []string
		for _, g := range childTexts(report.all("groupingsDown"), "field") {
			v := o.value(r, strings.TrimPrefix(g, "InMail__c."))
			if v == nil {
				v = "-"
			}
			key = append(key, fmt.Sprint(v))
		}
		line := lines[strings.Join(key, " / ")]
		line.hits += sum(r, over)
		line.delivered += sum(r, under)
		lines[strings.Join(key, " / ")] = line
	}
	for key, line := range lines {
		line.rate = line.hits / line.delivered // never 0: the filter leaves only delivered InMails
		lines[key] = line
	}
	return lines
}

// reported is how many days the reports look back.
const reported = 90

func (o org) inTimeFrame(t rapid.TB, r record, frame node) bool {
	t.Helper()
	switch interval := frame.get("interval"); interval {
	case "INTERVAL_LAST90":
		d, ok := o.value(r, strings.TrimPrefix(frame.get("dateColumn"), "InMail__c.")).(day)
		return ok && d <= dayOf(o.now) && d > dayOf(o.now)-reported
	default:
		t.Fatalf("interval %s", interval)
		return false
	}
}
