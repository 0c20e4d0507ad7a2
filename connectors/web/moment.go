package web

import (
	"fmt"
	"time"
)

// moment is a time as a page shows it: in words, with the exact time in the title. The script writes the
// exact one in the viewer's zone; without it the title is in UTC.
type moment struct {
	ISO, Exact, Words string
	Day               bool // Words is a date, which the script writes in the viewer's zone
}

func momentOf(t, now time.Time) moment {
	m := moment{ISO: t.UTC().Format(time.RFC3339), Exact: t.UTC().Format("Monday 2 January 2006, 15:04 UTC")}
	m.Words, m.Day = relative(t, now)
	return m
}

// relative says how far t is from now, in the largest unit that fits; further than a week it is a date.
func relative(t, now time.Time) (words string, isDay bool) {
	d := now.Sub(t)
	if d < 0 {
		return say("in %s", span(-d)), false
	}
	switch {
	case d < time.Minute:
		return say("just now"), false
	case d < 7*24*time.Hour:
		return say("%s ago", span(d)), false
	}
	return dateOf(t, now), true
}

// dateOf is a date, with the year only when it is another one.
func dateOf(t, now time.Time) string {
	if t.UTC().Year() == now.UTC().Year() {
		return t.UTC().Format("2 Jan")
	}
	return t.UTC().Format("2 Jan 2006")
}

// dayAndTime is a date and a time within a sentence.
func dayAndTime(t, now time.Time) string {
	if t.UTC().Hour() == 0 && t.UTC().Minute() == 0 {
		return t.UTC().Format("2 January")
	}
	return dateOf(t, now) + t.UTC().Format(", 15:04 UTC")
}

// span is a duration in its largest unit, cut and not rounded: a thing that is due in 119 minutes is due in 1
// h.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return say("%d s", int(d/time.Second))
	case d < time.Hour:
		return say("%d min", int(d/time.Minute))
	case d < 48*time.Hour:
		return say("%d h", int(d/time.Hour))
	}
	return say("%d days", int(d/(24*time.Hour)))
}

// lapse says when an unopened InMail is gone: in words under a day, in days before.
func lapse(expires, now time.Time) (words string, soon bool) {
	left := expires.Sub(now)
	switch {
	case expires.IsZero():
		return "", false
	case left <= 0:
		return say("lapsed"), false
	case left < 24*time.Hour:
		return say("lapses in %s", span(left)), true
	}
	return say("lapses in %s", span(left)), false
}

// many is a count with its noun.
func many(n int, one, more string) string {
	if n == 1 {
		return fmt.Sprintf("1 %s", one)
	}
	return fmt.Sprintf("%s %s", thousands(n), more)
}

// thousands writes a number with a comma before each three digits.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
