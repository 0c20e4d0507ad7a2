package domain

import (
	"fmt"
	"slices"
	"time"

	"inmail/domain/advice"
)

// Cohort is the ISO week of T0, such as 2026-W47, by which the rates are counted (R57).
type Cohort string

// CohortOf returns the ISO week of t, in UTC.
func CohortOf(t time.Time) Cohort {
	y, w := t.UTC().ISOWeek()
	return Cohort(fmt.Sprintf("%04d-W%02d", y, w))
}

// Outcome is what a delivered InMail counts as in the figures. Outcomes exclude each other and add up to
// delivered (API.md, Metrics).
type Outcome string

// The outcomes.
const (
	PendingUnopened   Outcome = "pending_unopened"
	OutcomeOpened     Outcome = "opened"
	OutcomeReplied    Outcome = "replied"
	ExpiredUnopened   Outcome = "expired_unopened"
	RetractedUnopened Outcome = "retracted_unopened"
	RetractedOpened   Outcome = "retracted_opened"
	RetractedReplied  Outcome = "retracted_replied"
	OutcomeDeclined   Outcome = "declined" // R63
	RetractedDeclined Outcome = "retracted_declined"
)

type outcomeRow struct {
	name      Outcome
	opened    bool // it counts in the open rate (R57)
	replied   bool // it was answered at any time; replies in time are counted as RepliedInTime (R58)
	retracted bool
	declined  bool // it was declined, which is no response (R63)
}

// outcomes lists all outcomes with what they count as. The rates, the PromQL of boards and recording rules
// and the figures of the tests are made from it, so that a new outcome is one line here.
var outcomes = []outcomeRow{
	{name: PendingUnopened},
	{name: OutcomeOpened, opened: true},
	{name: OutcomeReplied, opened: true, replied: true},
	{name: ExpiredUnopened},
	{name: RetractedUnopened, retracted: true},
	{name: RetractedOpened, opened: true, retracted: true},
	{name: RetractedReplied, opened: true, replied: true, retracted: true},
	{name: OutcomeDeclined, opened: true, declined: true},
	{name: RetractedDeclined, opened: true, declined: true, retracted: true},
}

// Outcomes returns all outcomes.
func Outcomes() []Outcome { return OutcomesThat(func(Outcome) bool { return true }) }

// OutcomesThat returns the outcomes that count selects: OutcomesThat(Outcome.Opened).
func OutcomesThat(count func(Outcome) bool) []Outcome {
	var names []Outcome
	for _, o := range outcomes {
		if count(o.name) {
			names = append(names, o.name)
		}
	}
	return names
}

// Opened reports whether the InMail was opened, whatever came later (R57).
func (o Outcome) Opened() bool {
	return slices.ContainsFunc(outcomes, func(row outcomeRow) bool { return row.name == o && row.opened })
}

// Replied reports whether the InMail was answered, whatever came later.
func (o Outcome) Replied() bool {
	return slices.ContainsFunc(outcomes, func(row outcomeRow) bool { return row.name == o && row.replied })
}

// Retracted reports whether the sender retracted the InMail.
func (o Outcome) Retracted() bool {
	return slices.ContainsFunc(outcomes, func(row outcomeRow) bool { return row.name == o && row.retracted })
}

// Declined reports whether the recipient declined the InMail, whatever came later (R63).
func (o Outcome) Declined() bool {
	return slices.ContainsFunc(outcomes, func(row outcomeRow) bool { return row.name == o && row.declined })
}

// RepliedInTime counts first replies within the policy response_window_days (R58). It is counted in addition
// to the outcomes and does not exclude them, and stays whatever happens to the InMail later.
const RepliedInTime Outcome = "replied_in_time"

// Outcome returns the outcome of m; "" if it was not delivered.
func (m *InMail) Outcome() Outcome {
	switch m.Status {
	case Sent:
		return PendingUnopened
	case Opened:
		return OutcomeOpened
	case Replied:
		return OutcomeReplied
	case Declined:
		return OutcomeDeclined
	case Expired:
		return ExpiredUnopened
	case Retracted:
		switch {
		case !m.RepliedAt.IsZero():
			return RetractedReplied
		case !m.DeclinedAt.IsZero():
			return RetractedDeclined
		case !m.OpenedAt.IsZero():
			return RetractedOpened
		}
		return RetractedUnopened
	}
	return ""
}

// Dimension is what counts are divided by (API.md, analytics).
type Dimension string

// The dimensions. ByAll has the single key "". The keys of ByExpiry are the hours (2026-11-30T09) in which
// unopened InMails will expire; "expiring soon" is read from them.
const (
	ByAll         Dimension = "all"
	ByTag         Dimension = "tag"
	ByAccountType Dimension = "account_type"
	ByCategory    Dimension = "category"
	BySender      Dimension = "sender"
	ByLength      Dimension = "length"
	ByAdvice      Dimension = "advice"
	ByExpiry      Dimension = "expiry"
)

// NoKey is the key of an InMail without tag, category or advice.
const NoKey = "none"

// OtherKey is the key of tags that the metrics do not show by name.
const OtherKey = "other"

// The keys of ByLength (R62).
const (
	Under100   = "under_100"
	From100    = "100_and_more"
	ExpiryHour = "2006-01-02T15"
)

// Count adds N, which may be negative, to the figure of one cohort, dimension, key and outcome. Figures
// change in the transaction that changes the InMail, and survive erasure (R59, R60).
type Count struct {
	Cohort    Cohort
	Dimension Dimension
	Key       string
	Outcome   Outcome
	N         int
}

// CountsFor returns the counts that change when a delivered InMail goes from one outcome to another; from is
// "" at delivery. Only this function and cells know in which figures an InMail is counted.
func CountsFor(m *InMail, from, to Outcome) []Count {
	if from == to {
		return nil
	}
	week, cells := CohortOf(m.SentAt), cells(m)
	counts := make([]Count, 0, 2*len(cells)+1)
	for _, cell := range cells {
		if from != "" {
			counts = append(counts, Count{week, cell.Dimension, cell.Key, from, -1})
		}
		if to != "" {
			counts = append(counts, Count{week, cell.Dimension, cell.Key, to, 1})
		}
	}
	hour := m.ExpiresAt.UTC().Format(ExpiryHour)
	if from == PendingUnopened {
		counts = append(counts, Count{week, ByExpiry, hour, PendingUnopened, -1})
	}
	if to == PendingUnopened {
		counts = append(counts, Count{week, ByExpiry, hour, PendingUnopened, 1})
	}
	return counts
}

// RepliedInTimeCounts returns the counts that change when an InMail gets its first reply within the response
// window, or loses it because that was automatic (R58, R64): from and to say whether it has one.
func RepliedInTimeCounts(m *InMail, from, to bool) []Count {
	if from == to {
		return nil
	}
	n := 1
	if from {
		n = -1
	}
	var counts []Count
	for _, cell := range cells(m) {
		counts = append(counts, Count{CohortOf(m.SentAt), cell.Dimension, cell.Key, RepliedInTime, n})
	}
	return counts
}

// RetagCounts returns the counts that change when the tags of a delivered InMail change from old to m.Tags
// (R56).
func RetagCounts(m *InMail, old []string, responseWindow time.Duration) []Count {
	var counts []Count
	outcomes := []Outcome{m.Outcome()}
	if m.Outcome() == "" {
		return nil
	}
	if m.InTime(responseWindow) {
		outcomes = append(outcomes, RepliedInTime)
	}
	for _, o := range outcomes {
		for _, k := range keys(old) {
			counts = append(counts, Count{CohortOf(m.SentAt), ByTag, k, o, -1})
		}
		for _, k := range keys(m.Tags) {
			counts = append(counts, Count{CohortOf(m.SentAt), ByTag, k, o, 1})
		}
	}
	return counts
}

// InTime reports whether the first reply came within the response window (R58).
func (m *InMail) InTime(window time.Duration) bool {
	return !m.RepliedAt.IsZero() && !m.RepliedAt.After(m.SentAt.Add(window))
}

type cell struct {
	Dimension Dimension
	Key       string
}

func cells(m *InMail) []cell {
	length := Under100
	if m.Words >= advice.LongMessageWords {
		length = From100
	}
	cs := []cell{{ByAll, ""}, {ByAccountType, string(m.AccountType)}, {ByCategory, keyOr(m.Category)}, {BySender, string(m.Sender)}, {ByLength, length}}
	for _, k := range keys(m.Tags) {
		cs = append(cs, cell{ByTag, k})
	}
	for _, k := range keys(m.Advice) {
		cs = append(cs, cell{ByAdvice, k})
	}
	return cs
}

func keys(ks []string) []string {
	if len(ks) == 0 {
		return []string{NoKey}
	}
	return ks
}

func keyOr(k string) string {
	if k == "" {
		return NoKey
	}
	return k
}
