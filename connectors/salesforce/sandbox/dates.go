package sandbox

import (
	"strconv"
	"strings"
	"time"
)

var unixEpoch = time.Unix(0, 0).UTC()

// dateLiterals maps the names of SOQL's date ranges to the first day and the day after the last, as read
// from a day. n is the number after the colon of those that take one. Weeks start on Sunday, as in an org
// with a US locale; days are UTC.
var dateLiterals = map[string]func(day time.Time, n int) (from, to time.Time){
	"TODAY":        func(d time.Time, _ int) (time.Time, time.Time) { return d, d.AddDate(0, 0, 1) },
	"YESTERDAY":    func(d time.Time, _ int) (time.Time, time.Time) { return d.AddDate(0, 0, -1), d },
	"TOMORROW":     func(d time.Time, _ int) (time.Time, time.Time) { return d.AddDate(0, 0, 1), d.AddDate(0, 0, 2) },
	"THIS_WEEK":    func(d time.Time, _ int) (time.Time, time.Time) { return week(d, 0) },
	"LAST_WEEK":    func(d time.Time, _ int) (time.Time, time.Time) { return week(d, -1) },
	"NEXT_WEEK":    func(d time.Time, _ int) (time.Time, time.Time) { return week(d, 1) },
	"THIS_MONTH":   func(d time.Time, _ int) (time.Time, time.Time) { return month(d, 0) },
	"LAST_MONTH":   func(d time.Time, _ int) (time.Time, time.Time) { return month(d, -1) },
	"NEXT_MONTH":   func(d time.Time, _ int) (time.Time, time.Time) { return month(d, 1) },
	"THIS_YEAR":    func(d time.Time, _ int) (time.Time, time.Time) { return year(d, 0) },
	"LAST_YEAR":    func(d time.Time, _ int) (time.Time, time.Time) { return year(d, -1) },
	"THIS_QUARTER": func(d time.Time, _ int) (time.Time, time.Time) { return quarters(d, 0, 1) },
	"LAST_QUARTER": func(d time.Time, _ int) (time.Time, time.Time) { return quarters(d, -1, 1) },
	"NEXT_QUARTER": func(d time.Time, _ int) (time.Time, time.Time) { return quarters(d, 1, 1) },
	"NEXT_YEAR":    func(d time.Time, _ int) (time.Time, time.Time) { return year(d, 1) },
	"LAST_90_DAYS": func(d time.Time, _ int) (time.Time, time.Time) { return d.AddDate(0, 0, -90), d.AddDate(0, 0, 1) },
	"NEXT_90_DAYS": func(d time.Time, _ int) (time.Time, time.Time) { return d.AddDate(0, 0, 1), d.AddDate(0, 0, 91) },
	// The N weeks, months, quarters and years before (after) the current one, without it.
	"LAST_N_WEEKS": func(d time.Time, n int) (time.Time, time.Time) {
		from, _ := week(d, -n)
		to, _ := week(d, 0)
		return from, to
	},
	"NEXT_N_WEEKS": func(d time.Time, n int) (time.Time, time.Time) {
		from, _ := week(d, 1)
		return from, from.AddDate(0, 0, 7*n)
	},
	"LAST_N_MONTHS": func(d time.Time, n int) (time.Time, time.Time) {
		from, _ := month(d, -n)
		return from, from.AddDate(0, n, 0)
	},
	"NEXT_N_MONTHS": func(d time.Time, n int) (time.Time, time.Time) {
		from, _ := month(d, 1)
		return from, from.AddDate(0, n, 0)
	},
	"LAST_N_QUARTERS": func(d time.Time, n int) (time.Time, time.Time) { return quarters(d, -n, n) },
	"NEXT_N_QUARTERS": func(d time.Time, n int) (time.Time, time.Time) { return quarters(d, 1, n) },
	"LAST_N_YEARS": func(d time.Time, n int) (time.Time, time.Time) {
		from, _ := year(d, -n)
		return from, from.AddDate(n, 0, 0)
	},
	"NEXT_N_YEARS": func(d time.Time, n int) (time.Time, time.Time) {
		from, _ := year(d, 1)
		return from, from.AddDate(n, 0, 0)
	},
	"N_DAYS_AGO":   func(d time.Time, n int) (time.Time, time.Time) { return d.AddDate(0, 0, -n), d.AddDate(0, 0, 1-n) },
	"N_WEEKS_AGO":  func(d time.Time, n int) (time.Time, time.Time) { return week(d, -n) },
	"N_MONTHS_AGO": func(d time.Time, n int) (time.Time, time.Time) { return month(d, -n) },
	"N_YEARS_AGO":  func(d time.Time, n int) (time.Time, time.Time) { return year(d, -n) },
	"LAST_N_DAYS":  func(d time.Time, n int) (time.Time, time.Time) { return d.AddDate(0, 0, -n), d.AddDate(0, 0, 1) },
	"NEXT_N_DAYS":  func(d time.Time, n int) (time.Time, time.Time) { return d.AddDate(0, 0, 1), d.AddDate(0, 0, n+1) },
}

func week(d time.Time, n int) (from, to time.Time) {
	from = d.AddDate(0, 0, 7*n-int(d.Weekday()))
	return from, from.AddDate(0, 0, 7)
}

func month(d time.Time, n int) (from, to time.Time) {
	from = time.Date(d.Year(), d.Month()+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
	return from, from.AddDate(0, 1, 0)
}

// quarters are n quarters from the first-th after the current one on.
func quarters(d time.Time, first, n int) (from, to time.Time) {
	from = time.Date(d.Year(), (d.Month()-1)/3*3+1+time.Month(3*first), 1, 0, 0, 0, 0, time.UTC)
	return from, from.AddDate(0, 3*n, 0)
}

func year(d time.Time, n int) (from, to time.Time) {
	from = time.Date(d.Year()+n, 1, 1, 0, 0, 0, 0, time.UTC)
	return from, from.AddDate(1, 0, 0)
}

// span is a range of time; to is the instant after its end.
type span struct{ from, to time.Time }

// dateRange resolves a date literal such as LAST_N_DAYS:7 at now.
func dateRange(text string, now time.Time) (span, bool) {
	word, number, numbered := strings.Cut(text, ":")
	resolve := dateLiterals[word]
	if resolve == nil || numbered != (strings.Contains(word, "_N_") || strings.HasPrefix(word, "N_")) {
		return span{}, false
	}
	n, err := strconv.Atoi(number)
	if numbered && (err != nil || n < 1 || n > 10_000) {
		return span{}, false
	}
	day := now.UTC().Truncate(24 * time.Hour)
	from, to := resolve(day, n)
	return span{from, to}, true
}
