// Package rates defines the published rates (R57–R59, R62): what each rate is, when it may be published, and
// its confidence interval. Its input are counts, never InMails. The API, the metrics and the reports all
// publish its results.
package rates

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"inmail/domain"
)

// The names of the definitions end in a version, which rises when the meaning changes.
const (
	// OpenRate is opened / delivered by ISO week of T0. It is complete when the Window of the
	// week's last InMail is over.
	OpenRate = "open_rate/1"
	// ResponseRate is first replies within the response window / delivered, by ISO week of T0.
	ResponseRate = "response_rate/1"
)

// Rate is a share, 0..1, with its 95 % Wilson score interval.
type Rate struct {
	Value, Low, High float64
}

// z is the 97.5 % quantile of the normal distribution, for a two-sided interval of 95 %.
const z = 1.959963984540054

// Of returns hits / n with its interval; nil if n is 0, because there is no rate of nothing.
func Of(hits, n int) *Rate {
	if n <= 0 {
		return nil
	}
	p, nf := float64(hits)/float64(n), float64(n)
	middle := (p + z*z/(2*nf)) / (1 + z*z/nf)
	half := z / (1 + z*z/nf) * math.Sqrt(p*(1-p)/nf+z*z/(4*nf*nf))
	return &Rate{Value: p, Low: max(0, middle-half), High: min(1, middle+half)}
}

// Row is one line of a report. Opened, Replied, Declined and Retracted overlap: an InMail that was opened,
// replied to and then retracted counts in all three.
type Row struct {
	Key       string
	Delivered int
	Opened    int
	Replied   int
	InTime    int // replied within the response window (R58)
	Expired   int
	Retracted int
	Declined  int   // no responses (R63)
	Pending   int   // unopened and live
	Open      *Rate // of the complete weeks; nil: there is none
	Response  *Rate // of the complete weeks; nil: there is none
	// Complete says that the open rate of every week in the row is complete (OpenComplete, R57).
	Complete bool
	// ResponseComplete says that the response rate of every week in the row is complete (R58).
	ResponseComplete bool
	// OpenOf and ResponseOf are the numbers of deliveries in the complete weeks, of which the two rates are.
	OpenOf, ResponseOf int
}

// Monday returns the start of an ISO week, Monday 00:00 UTC, or an error if c is not an ISO week.
func Monday(c domain.Cohort) (time.Time, error) {
	var year, week int
	if n, err := fmt.Sscanf(string(c), "%4d-W%2d", &year, &week); n != 2 || err != nil {
		return time.Time{}, fmt.Errorf("cohort %q is not an ISO week such as 2026-W47", c)
	}
	fourth := time.Date(year, time.January, 4, 0, 0, 0, 0, time.UTC) // always in week 1
	monday := fourth.AddDate(0, 0, -(int(fourth.Weekday())+6)%7+(week-1)*7)
	if domain.CohortOf(monday) != c {
		return time.Time{}, fmt.Errorf("cohort %q is not a week of its year", c)
	}
	return monday, nil
}

const (
	day     = 24 * time.Hour
	oneWeek = 7 * day
)

// OpenCompleteDays is how many days after its Monday 00:00 the open rate of a week is complete: when the
// Window of the week's last InMail is over (R57).
const OpenCompleteDays = int((oneWeek + domain.Window) / day)

// OpenComplete returns when the open rate of a week is complete (R57), in UTC as its Monday is.
func OpenComplete(monday time.Time) time.Time { return monday.Add(oneWeek + domain.Window) }

// ResponseComplete returns when the response rate of a week is complete: windowDays, the response window,
// after the end of the week (R58).
func ResponseComplete(monday time.Time, windowDays int) time.Time {
	return monday.Add(oneWeek + time.Duration(windowDays)*day)
}

// AgesToOpen returns the histogram buckets, in seconds, of the age of InMails when they are opened. The last
// seven are equal parts of the Window, after which nobody opens (R32).
func AgesToOpen() []float64 {
	ages := []float64{60, 300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600}
	for part := time.Duration(1); part <= 7; part++ {
		ages = append(ages, (domain.Window * part / 7).Seconds())
	}
	return ages
}

// AgesToReply returns the histogram buckets, in seconds, of the age of InMails at their first reply. The last
// one is the default response window (R58).
func AgesToReply() []float64 {
	last := (time.Duration(domain.DefaultPolicy().ResponseWindowDays) * day).Seconds()
	ages := []float64{300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600}
	for _, days := range []time.Duration{1, 2, 4, 7, 14, 21} {
		if age := (days * day).Seconds(); age < last {
			ages = append(ages, age)
		}
	}
	return append(ages, last)
}

// tally contains the counts of one key in one week by outcome.
type tally map[domain.Outcome]int

// sum adds up the outcomes that count selects.
func (t tally) sum(count func(domain.Outcome) bool) (n int) {
	for _, o := range domain.OutcomesThat(count) {
		n += t[o]
	}
	return n
}

func (t tally) opened() int    { return t.sum(domain.Outcome.Opened) }
func (t tally) replied() int   { return t.sum(domain.Outcome.Replied) }
func (t tally) retracted() int { return t.sum(domain.Outcome.Retracted) }
func (t tally) declined() int  { return t.sum(domain.Outcome.Declined) }
func (t tally) delivered() int { return t.sum(func(domain.Outcome) bool { return true }) }

// ByWeek returns a row for each week, oldest first.
func ByWeek(counts []domain.Count, now time.Time, windowDays int) ([]Row, error) {
	return rows(counts, now, windowDays, func(c domain.Count) string { return string(c.Cohort) })
}

// ByKey returns a row for each key of the counted dimension, ordered by key. The rates are those of the
// complete weeks.
func ByKey(counts []domain.Count, now time.Time, windowDays int) ([]Row, error) {
	return rows(counts, now, windowDays, func(c domain.Count) string { return c.Key })
}

func rows(counts []domain.Count, now time.Time, windowDays int, key func(domain.Count) string) ([]Row, error) {
	type cell struct {
		key  string
		week domain.Cohort
	}
	tallies := map[cell]tally{}
	for _, c := range counts {
		at := cell{key(c), c.Cohort}
		if tallies[at] == nil {
			tallies[at] = tally{}
		}
		tallies[at][c.Outcome] += c.N
	}
	byKey := map[string]*sums{}
	for at, t := range tallies {
		if t.delivered() == 0 {
			continue
		}
		monday, err := Monday(at.week)
		if err != nil {
			return nil, err
		}
		s := byKey[at.key]
		if s == nil {
			s = &sums{Row: Row{Key: at.key, Complete: true, ResponseComplete: true}}
			byKey[at.key] = s
		}
		s.add(t, !now.Before(OpenComplete(monday)), !now.Before(ResponseComplete(monday, windowDays)))
	}
	out := make([]Row, 0, len(byKey))
	for _, s := range byKey {
		s.Open, s.Response = Of(s.openHits, s.OpenOf), Of(s.responseHits, s.ResponseOf)
		out = append(out, s.Row)
	}
	slices.SortFunc(out, func(a, b Row) int { return cmp.Compare(a.Key, b.Key) })
	return out, nil
}

// sums is a row while its counts are added up.
type sums struct {
	Row
	openHits, responseHits int
}

func (s *sums) add(t tally, open, response bool) {
	s.Delivered += t.delivered()
	s.Opened += t.opened()
	s.Replied += t.replied()
	s.InTime += t[domain.RepliedInTime]
	s.Expired += t[domain.ExpiredUnopened]
	s.Retracted += t.retracted()
	s.Declined += t.declined()
	s.Pending += t[domain.PendingUnopened]
	s.Complete = s.Complete && open
	s.ResponseComplete = s.ResponseComplete && response
	if open {
		s.OpenOf += t.delivered()
		s.openHits += t.opened()
	}
	if response {
		s.ResponseOf += t.delivered()
		s.responseHits += t[domain.RepliedInTime]
	}
}
