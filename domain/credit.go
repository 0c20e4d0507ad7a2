package domain

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"
)

// AccountType is what a member pays for. It decides which plans an account can have.
type AccountType string

// The account types of R02–R06.
const (
	Basic              AccountType = "basic"
	PremiumBusiness    AccountType = "premium_business"
	SalesNavigatorTeam AccountType = "sales_navigator_team"
	Recruiter          AccountType = "recruiter"
	JobSeeker          AccountType = "job_seeker"
)

type accountType struct {
	name      AccountType
	low, high int
	shipped   []int
}

// accountTypes lists the account types in the order of the rules, each with the lowest and highest allowance
// that its plans may have, and the allowances of its shipped plans. Everything that needs the list takes it
// from here.
var accountTypes = []accountType{
	{Basic, 0, 0, []int{0}},                         // R02
	{PremiumBusiness, 10, 10, []int{10}},            // R03
	{SalesNavigatorTeam, 10, 25, []int{10, 15, 25}}, // R04
	{Recruiter, 25, 50, []int{25, 35, 50}},          // R05
	{JobSeeker, 5, 5, []int{5}},                     // R06
}

// AccountTypes returns all account types in the order of the rules.
func AccountTypes() []AccountType {
	var names []AccountType
	for _, t := range accountTypes {
		names = append(names, t.name)
	}
	return names
}

// AllowanceBounds are the lowest and the highest allowance that a plan of a type may have.
func AllowanceBounds(t AccountType) (low, high int) {
	for _, row := range accountTypes {
		if row.name == t {
			return row.low, row.high
		}
	}
	return 0, 0
}

// Plan is how many InMails an account may send in a period.
type Plan struct {
	AccountType AccountType `koanf:"account_type" json:"account_type"`
	Allowance   int         `koanf:"allowance" json:"allowance"`
}

// Plans are the available plans by name.
type Plans map[string]Plan

// ShippedPlans returns the plans that exist without configuration (R02–R06), each named by type and
// allowance.
func ShippedPlans() Plans {
	plans := Plans{}
	for _, t := range accountTypes {
		for _, allowance := range t.shipped {
			plans[fmt.Sprintf("%s_%d", t.name, allowance)] = Plan{t.name, allowance}
		}
	}
	return plans
}

// Validate reports every plan whose allowance is out of the bounds of its type, with plan and bounds (R04,
// R05), and every type without a plan. It is called when the configuration is loaded.
func (ps Plans) Validate() error {
	var faults []error
	for _, name := range ps.names() {
		p := ps[name]
		i := slices.IndexFunc(accountTypes, func(t accountType) bool { return t.name == p.AccountType })
		if i < 0 {
			faults = append(faults, fmt.Errorf("plan %s: account_type %q is not one of %v", name, p.AccountType, AccountTypes()))
			continue
		}
		if b := accountTypes[i]; p.Allowance < b.low || p.Allowance > b.high {
			faults = append(faults, fmt.Errorf("plan %s: allowance %d is outside %d..%d, the bounds of %s; choose a number within them",
				name, p.Allowance, b.low, b.high, p.AccountType))
		}
	}
	for _, t := range AccountTypes() {
		if len(ps.Of(t)) == 0 {
			faults = append(faults, fmt.Errorf("plans: account type %s has no plan; add one", t))
		}
	}
	return errors.Join(faults...)
}

// Of returns the names of the plans of a type, smallest allowance first.
func (ps Plans) Of(t AccountType) []string {
	names := slices.DeleteFunc(ps.names(), func(n string) bool { return ps[n].AccountType != t })
	sort.SliceStable(names, func(i, j int) bool { return ps[names[i]].Allowance < ps[names[j]].Allowance })
	return names
}

// Smallest returns the plan that a member of the type gets without naming one; "" if the type has no plan.
func (ps Plans) Smallest(t AccountType) string {
	of := ps.Of(t)
	if len(of) == 0 {
		return ""
	}
	return of[0]
}

func (ps Plans) names() []string {
	names := make([]string, 0, len(ps))
	for n := range ps {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// PeriodStart returns the start of the credit period that contains now: 00:00 UTC on the anchor day (1..31),
// or on the month's last day in shorter months (R08).
func PeriodStart(now time.Time, anchorDay int) time.Time {
	now = now.UTC()
	start := anchorIn(now.Year(), now.Month(), anchorDay)
	if now.Before(start) {
		start = anchorIn(now.Year(), now.Month()-1, anchorDay)
	}
	return start
}

// PeriodEnd returns the end of the credit period that contains now, an instant that already belongs to the
// next period (R08).
func PeriodEnd(now time.Time, anchorDay int) time.Time {
	start := PeriodStart(now, anchorDay)
	return anchorIn(start.Year(), start.Month()+1, anchorDay)
}

// anchorIn returns the start of the period in a month; months below 1 and above 12 are in the years before
// and after.
func anchorIn(year int, month time.Month, anchorDay int) time.Time {
	last := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC)
	return time.Date(last.Year(), last.Month(), min(max(anchorDay, 1), last.Day()), 0, 0, 0, 0, time.UTC)
}

// Usage counts the credits of one account in one period, as the record stores it.
type Usage struct {
	PeriodStart time.Time
	Used        int // credits that deliveries of this period took, minus those given back for them
	Returned    int // credits that replies in this period gave back for deliveries of an earlier one (R11)
}

// PlanChange is the allowance that an account had from an instant on.
type PlanChange struct {
	Since     time.Time
	Allowance int
}

// Account is the input from which the credits of a member are computed.
type Account struct {
	CreatedAt time.Time
	AnchorDay int
	Allowance int          // of the current plan
	Plans     []PlanChange // oldest first; needed only with rollover
	Usage     []Usage      // in any order: of the current period, with rollover of all periods
	InFlight  int          // InMails accepted and not yet delivered: their credits are reserved, not used
}

// Credits says how many credits are left in the current period.
type Credits struct {
	PeriodStart time.Time
	PeriodEnd   time.Time
	Allowance   int
	Carried     int // from earlier periods, by rollover (R09) or by late replies (R11)
	Used        int
	Remaining   int // allowance + carried − used, never below 0 (R07, R09)
	InFlight    int
}

// CreditsAt computes the credits of an account at now. The period is computed from now, so no job has to run
// when a period begins (R08). rolloverPeriods is the policy of R09; 0 is off.
func CreditsAt(now time.Time, a Account, rolloverPeriods int) Credits {
	start := PeriodStart(now, a.AnchorDay)
	c := Credits{PeriodStart: start, PeriodEnd: PeriodEnd(now, a.AnchorDay), Allowance: a.Allowance, InFlight: a.InFlight}
	byPeriod := make(map[int64]Usage, len(a.Usage))
	for _, u := range a.Usage {
		byPeriod[u.PeriodStart.UnixMilli()] = u
	}
	current := byPeriod[start.UnixMilli()]
	c.Used = current.Used
	c.Carried = current.Returned
	if rolloverPeriods > 0 {
		c.Carried += carried(start, a, byPeriod, rolloverPeriods)
	}
	c.Remaining = max(0, c.Allowance+c.Carried-c.Used)
	return c
}

// Available returns how many more sends may be accepted: the remaining credits minus those reserved by
// InMails in flight. A delivery needs Remaining only (R10).
func (c Credits) Available() int { return max(0, c.Remaining-c.InFlight) }

// EnoughAt returns when the account will have had credits for n more sends, if it keeps its plan and spends
// all credits as they come, so that none lapse: now, or the start of a later period. Its periods start on
// anchorDay. It returns false if that never happens, because the allowance is 0.
func (c Credits) EnoughAt(now time.Time, n, anchorDay int) (time.Time, bool) {
	missing := n - c.Available()
	if missing <= 0 {
		return now, true
	}
	if c.Allowance <= 0 {
		return time.Time{}, false
	}
	at := c.PeriodEnd
	for missing -= c.Allowance; missing > 0; missing -= c.Allowance {
		at = PeriodEnd(at, anchorDay)
	}
	return at, true
}

// CreditsAhead foresees the credits of an account whose next sends are planned (R08, R10, R66). Make it with
// NewCreditsAhead.
type CreditsAhead struct {
	account  Account
	rollover int
	credits  Credits // of the period that was asked for last
}

// NewCreditsAhead foresees the credits of an account from now on. InMails in flight count as used.
func NewCreditsAhead(now time.Time, a Account, rolloverPeriods int) *CreditsAhead {
	c := &CreditsAhead{account: a, rollover: rolloverPeriods}
	c.account.Usage = slices.Clone(a.Usage)
	c.account.InFlight = 0
	c.credits = CreditsAt(now, c.account, rolloverPeriods)
	c.use(a.InFlight)
	return c
}

// Next returns the earliest time from a time on at which a credit is left; false: never with this plan. The
// times that it is asked for never go back.
func (c *CreditsAhead) Next(from time.Time) (at time.Time, ever bool) {
	for {
		if !from.Before(c.credits.PeriodEnd) {
			if c.rollover == 0 {
				c.account.Usage = c.account.Usage[:0] // of periods that no longer count
			}
			c.credits = CreditsAt(from, c.account, c.rollover)
		}
		if c.credits.Remaining > 0 {
			return from, true
		}
		if c.credits.Allowance <= 0 {
			return time.Time{}, false
		}
		from = c.credits.PeriodEnd
	}
}

// Spend takes one credit of the period that Next returned last.
func (c *CreditsAhead) Spend() { c.use(1) }

func (c *CreditsAhead) use(n int) {
	c.credits.Used += n
	c.credits.Remaining = max(0, c.credits.Allowance+c.credits.Carried-c.credits.Used)
	for i := len(c.account.Usage) - 1; i >= 0; i-- {
		if u := &c.account.Usage[i]; u.PeriodStart.Equal(c.credits.PeriodStart) {
			u.Used += n
			return
		}
	}
	c.account.Usage = append(c.account.Usage, Usage{PeriodStart: c.credits.PeriodStart, Used: n})
}

// carried returns the credits carried into the period current. It replays all periods from the one in which
// the account was created: the unused credits of a period may be spent in the n periods after it, oldest
// first (R09).
func carried(current time.Time, a Account, usage map[int64]Usage, n int) int {
	var left []int // the unused credits of the last n periods, oldest first
	for p := PeriodStart(a.CreatedAt, a.AnchorDay); p.Before(current); p = PeriodEnd(p, a.AnchorDay) {
		u := usage[p.UnixMilli()]
		spend := u.Used - u.Returned
		for i := range left {
			take := min(left[i], max(0, spend))
			left[i] -= take
			spend -= take
		}
		left = append(left, max(0, allowanceAt(PeriodEnd(p, a.AnchorDay), a)-spend))
		left = left[max(0, len(left)-n):]
	}
	sum := 0
	for _, l := range left {
		sum += l
	}
	return sum
}

// allowanceAt returns the allowance just before t.
func allowanceAt(t time.Time, a Account) int {
	allowance := a.Allowance
	for i := len(a.Plans) - 1; i >= 0; i-- {
		allowance = a.Plans[i].Allowance
		if a.Plans[i].Since.Before(t) {
			break
		}
	}
	return allowance
}

// ReturnsCredit reports whether a first reply at repliedAt gives back the credit of an InMail sent at sentAt
// (R11). days is the policy credit_back_on_reply_days; 0 is off.
func ReturnsCredit(sentAt, repliedAt time.Time, days int) bool {
	return days > 0 && !repliedAt.After(sentAt.Add(time.Duration(days)*24*time.Hour))
}

// noCredits returns the refusal of a send without credits (R02, R10).
func noCredits(c Credits) *Refusal {
	r := &Refusal{Code: NoCredits, Got: c.Used + c.InFlight, Limit: c.Allowance + c.Carried}
	if c.Allowance+c.Carried == 0 {
		r.Detail = "this account's plan has 0 InMails a period; change the plan to send InMails"
		return r
	}
	r.Detail = fmt.Sprintf("%d of %d InMails of this period are used and %d are on their way; the next period begins %s",
		c.Used, c.Allowance+c.Carried, c.InFlight, c.PeriodEnd.Format(time.RFC3339))
	return r
}
