package sandbox

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sfpackage "inmail/connectors/salesforce/package"
)

// formulaObject has a field of each kind that formulas read.
func formulaObject() *object {
	m := newObject("F__c", "F", "Fs", "a99")
	m.text("T__c", "T", 255)
	m.number("N__c", "N", kindDouble, 18, 2)
	m.number("M__c", "M", kindDouble, 18, 2)
	m.flag("B__c", "B")
	m.field("D__c", "D", kindDate, 0)
	m.field("At__c", "At", kindDateTime, 0)
	m.picklist("P__c", "P", 255, "a", "b")
	return m.object
}

func TestFormulas(t *testing.T) {
	o := formulaObject()
	values := map[string]any{"T__c": "Hello", "N__c": 5.0, "B__c": true, "D__c": "2026-11-23", "At__c": testNow.Add(-36 * time.Hour), "P__c": "a"}
	old := map[string]any{"N__c": 4.0, "T__c": "Hello"}
	lookIn := func(in map[string]any) func(*field) any { return func(f *field) any { return in[f.name] } }
	for source, want := range map[string]any{
		`1 + 2 * 3 - 4 / 2`:                   5.0,
		`-(1 + 2) * 3`:                        -9.0,
		`N__c >= 5 && NOT(N__c > 5) || FALSE`: true,
		`!(N__c = 5)`:                         false,
		`N__c <> 4`:                           true,
		`N__c == 5`:                           true,
		`N__c != 5`:                           false,
		`M__c < 5`:                            false, // blank
		`M__c = NULL`:                         true,
		`M__c <> 1`:                           true,
		`M__c + 1`:                            nil,
		`ISBLANK(M__c)`:                       true,
		`ISNULL(N__c)`:                        false,
		`BLANKVALUE(M__c, 7)`:                 7.0,
		`IF(B__c, "y", "n") & T__c & '!'`:     "yHello!",
		`IF(M__c > 1, 1, 0)`:                  0.0,
		`T__c & M__c & 1.50`:                  "Hello1.5",
		`"a\"b"`:                              `a"b`,
		`LEFT(T__c, 2) & RIGHT(T__c, 3)`:      "Hello",
		`LEFT(T__c, 99)`:                      "Hello",
		`LEN(T__c) + VALUE("12")`:             17.0,
		`UPPER(LOWER(TRIM(" aB ")))`:          "AB",
		`CONTAINS(T__c, "ell") && BEGINS(T__c, "He")`: true,
		`ISPICKVAL(P__c, "a")`:                        true,
		`TEXT(N__c)`:                                  "5",
		`D__c + 7`:                                    "2026-11-30",
		`7 + D__c`:                                    "2026-11-30",
		`D__c - DATE(2026, 11, 1)`:                    22.0,
		`D__c < TODAY()`:                              false,
		`WEEKDAY(D__c)`:                               2.0, // a Monday
		`MOD(-1, 7) + MOD(8, 7)`:                      7.0,
		`YEAR(D__c) * 10000 + MONTH(D__c) * 100 + DAY(D__c)`: 20261123.0,
		`(NOW() - At__c) * 24`:                               36.0,
		`At__c + 1.5 = NOW()`:                                true,
		`At__c - 0.5 < NOW()`:                                true,
		`DATETIMEVALUE(D__c) <= NOW()`:                       true,
		`DATETIMEVALUE("2026-11-24") > NOW()`:                true,
		`DATEVALUE(At__c)`:                                   "2026-11-21",
		`ABS(-2) + FLOOR(2.7) + CEILING(2.1)`:                7.0,
		`ISNEW()`:                                            false,
		`PRIORVALUE(N__c)`:                                   4.0,
		`ISCHANGED(N__c)`:                                    true,
		`ISCHANGED(T__c)`:                                    false,
		`""`:                                                 nil,
	} {
		f, err := compileFormula(source, o)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		got, err := f.evaluate(&scope{object: o, now: testNow, row: lookIn(values), old: lookIn(old)})
		if err != nil {
			t.Errorf("%s: %v", source, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", source, diff)
		}
	}
	t.Run("new_record", func(t *testing.T) {
		for source, want := range map[string]any{`ISNEW()`: true, `ISCHANGED(N__c)`: false, `PRIORVALUE(N__c)`: 5.0} {
			f, err := compileFormula(source, o)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := f.evaluate(&scope{object: o, now: testNow, row: lookIn(values)}); err != nil || got != want {
				t.Errorf("%s is %v, %v", source, got, err)
			}
		}
	})
	t.Run("errors_when_computed", func(t *testing.T) {
		for _, source := range []string{`1 / 0`, `VALUE("x")`, `DATE(2026, 2, 30)`, `T__c < 1`, `T__c + 1`, `IF(N__c, 1, 2)`, `MOD(1, 0)`, `DATEVALUE("x")`, `LEFT(T__c, T__c)`} {
			f, err := compileFormula(source, o)
			if err != nil {
				t.Errorf("%s: %v", source, err)
				continue
			}
			if v, err := f.evaluate(&scope{object: o, now: testNow, row: lookIn(values)}); err == nil {
				t.Errorf("%s is %v", source, v)
			}
		}
	})
}

func TestFormulasRefusedAtTheStart(t *testing.T) {
	o := formulaObject()
	for _, source := range []string{``, `1 +`, `(1`, `1)`, `"a`, `1 ~ 2`, `Nope__c`, `NOPE(1)`, `VLOOKUP(1, 2, 3)`, `IF(1, 2)`, `NOT()`, `LEFT("a")`, `PRIORVALUE(1)`, `PRIORVALUE(Nope__c)`, `$User.Id`, `1..2`, `a.b`} {
		if _, err := compileFormula(source, o); err == nil {
			t.Errorf("%s was accepted", source)
		}
	}
	model, err := sfpackage.Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*sfpackage.Object){
		"rule":    func(o *sfpackage.Object) { o.Rules[0].Formula = "REGEX(Subject__c, 'x')" },
		"formula": func(o *sfpackage.Object) { o.Fields[0].Formula = "HYPERLINK('x')" },
		"type":    func(o *sfpackage.Object) { o.Fields[0].Type = "Geolocation" },
		"default": func(o *sfpackage.Object) { o.Fields[0].Default = "NOW()" },
	} {
		changed := model
		changed.Objects = append([]sfpackage.Object{}, model.Objects...)
		for i, o := range changed.Objects {
			if o.Custom {
				o.Fields = append([]sfpackage.Field{}, o.Fields...)
				o.Rules = append([]sfpackage.ValidationRule{}, o.Rules...)
				change(&o)
				changed.Objects[i] = o
			}
		}
		if _, err := newSchema(changed); err == nil {
			t.Errorf("a package with an unknown %s was accepted", name)
		}
	}
}
