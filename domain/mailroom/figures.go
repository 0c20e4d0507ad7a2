package mailroom

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/rates"
)

// Report answers analytics: the rows of one cut, with the definitions of their rates (R57–R59).
type Report struct {
	By         string
	Open       string // the definition of the open rate
	Response   string // the definition of the response rate
	WindowDays int    // the days in which a reply counts for the response rate
	Now        time.Time
	Rows       []rates.Row
	// ToOthers are the differences of each row's rates to those of all other InMails, by key; in the cuts
	// that ask whether the advice works (R62), and nil in others.
	ToOthers map[string]rates.Differences
}

// RateComparison answers whether the rates of two keys of a cut differ, over the complete weeks in which
// both were sent. It holds however often it is asked.
type RateComparison struct {
	By         string
	Keys       [2]string
	Open       string // the definition of the open rate
	Response   string // the definition of the response rate
	WindowDays int
	rates.Differences
}

// CutByWeek is the cut whose rows are weeks. The rows of other cuts are keys of their dimension.
const CutByWeek = "week"

// cuts are the values of ?by= and the dimensions that they read. The keys of an own cut are what senders
// wrote or who they are: a member gets the figures of its own sends alone (R69).
var cuts = []struct {
	word string
	by   domain.Dimension
	own  bool
}{
	{word: CutByWeek, by: domain.ByAll}, {word: "tag", by: domain.ByTag, own: true},
	{word: "account_type", by: domain.ByAccountType}, {word: "category", by: domain.ByCategory, own: true},
	{word: "sender", by: domain.BySender, own: true}, {word: "length", by: domain.ByLength},
	{word: "advice", by: domain.ByAdvice},
}

// Cuts returns the values of ?by=.
func Cuts() []string {
	var words []string
	for _, c := range cuts {
		words = append(words, c.word)
	}
	return words
}

// Analytics reports the rates of one cut from the week that contains from to the week that contains to, both
// included. A zero time is an open end. A bare operator gets the figures of all sends. Others get them in the
// cuts of the platform, and in the own cuts those of their own sends (R69).
func (svc *Service) Analytics(ctx context.Context, v Viewer, by string, from, to time.Time) (Report, error) {
	cut := slices.Index(Cuts(), by)
	if cut < 0 {
		return Report{}, refuse(domain.BadRequest, "by is one of %s", domain.OneOf(Cuts()))
	}
	if !from.IsZero() && !to.IsZero() && to.Before(from) {
		return Report{}, refuse(domain.BadRequest, "to lies before from; exchange them")
	}
	report := Report{
		By: by, Open: rates.OpenRate, Response: rates.ResponseRate, WindowDays: svc.policy.ResponseWindowDays,
	}
	err := svc.record.View(ctx, func(tx Tx) error {
		report.Now = tx.Now()
		counts, err := svc.countsFor(tx, v, cut, cohortOf(from), cohortOf(to))
		if err != nil {
			return err
		}
		make := rates.ByKey
		if by == CutByWeek {
			make = rates.ByWeek
		}
		if report.Rows, err = make(counts, tx.Now(), svc.policy.ResponseWindowDays); err != nil {
			return err
		}
		if dimension := cuts[cut].by; dimension == domain.ByLength || dimension == domain.ByAdvice {
			all, err := tx.Counts(domain.ByAll, cohortOf(from), cohortOf(to))
			if err != nil {
				return err
			}
			report.ToOthers, err = rates.ToOthers(counts, all, tx.Now(), svc.policy.ResponseWindowDays)
			return err
		}
		return nil
	})
	return report, wrap("compute rates", err)
}

// countsFor returns the sums of a cut, given by its place in cuts, that a viewer may see (R69).
func (svc *Service) countsFor(tx Tx, v Viewer, cut int, from, to domain.Cohort) ([]domain.Count, error) {
	if cuts[cut].own && !v.Operator {
		return svc.ownCounts(tx, v.Member, cuts[cut].by, from, to)
	}
	return tx.Counts(cuts[cut].by, from, to)
}

// ownCounts returns the sums of a dimension over what one member sent, as Tx.Counts does over all sends
// (R69). It reads the member's InMails: figures by sender and tag are stored nowhere.
func (svc *Service) ownCounts(tx Tx, member domain.MemberID, d domain.Dimension,
	from, to domain.Cohort) (counts []domain.Count, err error) {
	window := time.Duration(svc.policy.ResponseWindowDays) * 24 * time.Hour
	p := Page{Limit: MaxPage}
	for {
		sent, err := tx.SentBy(member, Filter{}, p)
		if err != nil {
			return nil, err
		}
		for _, m := range sent {
			p.After = Cursor{At: m.AcceptedAt, ID: string(m.ID)}
			if m.Outcome() == "" {
				continue
			}
			of := append(domain.CountsFor(m, "", m.Outcome()), domain.RepliedInTimeCounts(m, false, m.InTime(window))...)
			for _, c := range of {
				if c.Dimension == d && (from == "" || c.Cohort >= from) && (to == "" || c.Cohort <= to) {
					counts = append(counts, c)
				}
			}
		}
		if len(sent) < MaxPage {
			return counts, nil
		}
	}
}

// Compare compares the rates of two keys of a cut, such as two tags, from the week that contains from to the
// week that contains to, both included. A zero time is an open end. Keys that nothing was sent with have no
// differences. In the own cuts only a bare operator compares all sends; others compare their own (R69).
func (svc *Service) Compare(ctx context.Context, v Viewer, by string, keys [2]string,
	from, to time.Time) (RateComparison, error) {
	cut := slices.Index(Cuts(), by)
	if cut < 0 || by == CutByWeek {
		return RateComparison{}, refuse(domain.BadRequest, "weeks are not compared; by is another of %s", domain.OneOf(Cuts()))
	}
	if by == "tag" {
		for i, key := range keys {
			if key == domain.NoKey {
				continue
			}
			var err error
			if keys[i], err = domain.NormalTag(key); err != nil {
				return RateComparison{}, err
			}
		}
	}
	if keys[0] == keys[1] {
		return RateComparison{}, refuse(domain.BadRequest, "both are the same; name two different ones to compare")
	}
	if !from.IsZero() && !to.IsZero() && to.Before(from) {
		return RateComparison{}, refuse(domain.BadRequest, "to lies before from; exchange them")
	}
	c := RateComparison{By: by, Keys: keys, Open: rates.OpenRate, Response: rates.ResponseRate,
		WindowDays: svc.policy.ResponseWindowDays}
	err := svc.record.View(ctx, func(tx Tx) error {
		counts, err := svc.countsFor(tx, v, cut, cohortOf(from), cohortOf(to))
		if err != nil {
			return err
		}
		var sides [2][]domain.Count
		for _, count := range counts {
			if i := slices.Index(keys[:], count.Key); i >= 0 {
				sides[i] = append(sides[i], count)
			}
		}
		c.Differences, err = rates.Compare(sides[0], sides[1], tx.Now(), c.WindowDays)
		return err
	})
	return c, wrap("compare rates", err)
}

func cohortOf(t time.Time) domain.Cohort {
	if t.IsZero() {
		return ""
	}
	return domain.CohortOf(t)
}

// Snapshot is the figures of the record at one moment, as /metrics/domain shows them. Its cost does not grow
// with the number of InMails, because it reads only counts and backlogs.
type Snapshot struct {
	At           time.Time                                     `json:"at"`
	Took         time.Duration                                 `json:"took"`
	Weeks        []WeekFigures                                 `json:"weeks"` // the last 13, oldest first
	Recent       map[domain.AccountType]map[domain.Outcome]int `json:"recent"`
	Tags         map[string]map[domain.Outcome]int             `json:"tags"`
	TagsFolded   int                                           `json:"tags_folded"` // different tags under other
	Pending      int                                           `json:"pending"`
	ExpiringSoon map[string]int                                `json:"expiring_soon"`
	Restricted   map[string]int                                `json:"restricted"`
	CRMs         map[domain.CRM]CRMFigures                     `json:"crms"` // of those that are connected

	OldestUndelivered time.Time `json:"oldest_undelivered"` // of all end points that are on; zero: nothing waits (R68)
	WebhooksOff       int       `json:"webhooks_off"`
}

// CRMFigures are the figures of one CRM.
type CRMFigures struct {
	Unsynced       int                         `json:"unsynced"`
	OldestUnsynced time.Time                   `json:"oldest_unsynced"`
	Dead           map[domain.FailureClass]int `json:"dead"`
	Drift          map[string]int              `json:"drift"`
	Unreachable    time.Time                   `json:"unreachable"` // since when it does not answer; zero: it does
}

// WeekFigures are the outcomes of one cohort, and when its rates are complete (R57, R58).
type WeekFigures struct {
	Cohort           domain.Cohort          `json:"cohort"`
	Outcomes         map[domain.Outcome]int `json:"outcomes"`
	RepliedInTime    int                    `json:"replied_in_time"`
	OpenComplete     time.Time              `json:"open_complete"`
	ResponseComplete time.Time              `json:"response_complete"`
}

// The bounds of a snapshot.
const (
	SnapshotWeeks = 13
	RecentWeeks   = 4 // the weeks of "recent": the current ISO week and the three before
	OtherTag      = domain.OtherKey
	MostTags      = 20 // how many tags are counted by name
)

// withins are the horizons of "expiring soon".
var withins = []struct {
	Name string
	For  time.Duration
}{{"1h", time.Hour}, {"6h", 6 * time.Hour}, {"24h", 24 * time.Hour}}

// TakeSnapshot computes and stores the figures. MostTags tags are counted by name: first those of tags, then
// those that most InMails have. All others are counted as "other". measure returns how long it took, by a
// real clock that tests do not set.
func (svc *Service) TakeSnapshot(ctx context.Context, tags []string, measure func() time.Duration) error {
	var s Snapshot
	err := svc.record.View(ctx, func(tx Tx) (err error) {
		s, err = svc.figures(tx, tags)
		return err
	})
	if err != nil {
		return wrap("compute the snapshot", err)
	}
	s.Took = measure()
	blob, err := json.Marshal(s)
	if err != nil {
		return wrap("keep the snapshot", err)
	}
	return wrap("store the snapshot", svc.record.Update(ctx, func(tx Tx) error { return tx.PutSnapshot(blob) }))
}

// StoredSnapshot returns the figures that were stored last; nil when there are none.
func (svc *Service) StoredSnapshot(ctx context.Context) (*Snapshot, error) {
	var s *Snapshot
	err := svc.record.View(ctx, func(tx Tx) error {
		blob, _, err := tx.Snapshot()
		if err != nil || blob == nil {
			return err
		}
		s = new(Snapshot)
		return json.Unmarshal(blob, s)
	})
	return s, wrap("read the snapshot", err)
}

func (svc *Service) figures(tx Tx, tags []string) (Snapshot, error) {
	now := tx.Now()
	s := Snapshot{At: now}
	first := domain.CohortOf(now.AddDate(0, 0, -7*(SnapshotWeeks-1)))
	recent := domain.CohortOf(now.AddDate(0, 0, -7*(RecentWeeks-1)))
	all, err := tx.Counts(domain.ByAll, first, "")
	if err != nil {
		return s, err
	}
	if s.Weeks, err = svc.weeks(all); err != nil {
		return s, err
	}
	byType, err := tx.Counts(domain.ByAccountType, recent, "")
	if err != nil {
		return s, err
	}
	s.Recent = map[domain.AccountType]map[domain.Outcome]int{}
	for _, c := range byType {
		add(s.Recent, domain.AccountType(c.Key), c)
	}
	byTag, err := tx.Counts(domain.ByTag, first, "")
	if err != nil {
		return s, err
	}
	s.foldTags(byTag, tags)
	expiries, err := tx.Counts(domain.ByExpiry, domain.CohortOf(now.Add(-domain.Window)), "")
	if err != nil {
		return s, err
	}
	s.expiring(expiries, now)
	if s.Restricted, err = tx.RestrictedByTrigger(); err != nil {
		return s, err
	}
	if s.CRMs, err = crmFigures(tx); err != nil {
		return s, err
	}
	hooks, err := tx.Webhooks()
	for _, w := range hooks {
		switch {
		case !w.OffAt.IsZero():
			s.WebhooksOff++
		case s.OldestUndelivered.IsZero() || !w.OldestWaiting.IsZero() && w.OldestWaiting.Before(s.OldestUndelivered):
			s.OldestUndelivered = w.OldestWaiting
		}
	}
	return s, err
}

func crmFigures(tx Tx) (map[domain.CRM]CRMFigures, error) {
	connected, err := connectedIn(tx)
	if err != nil {
		return nil, err
	}
	figures := make(map[domain.CRM]CRMFigures, len(connected))
	for _, crm := range connected {
		backlog, err := tx.Backlog(crm)
		if err != nil {
			return nil, err
		}
		f := CRMFigures{Unsynced: backlog.Unsynced, OldestUnsynced: backlog.OldestUnsynced, Dead: backlog.Dead}
		drift, err := state[Drift](tx, crmState(crm, stateDrift))
		if err != nil {
			return nil, err
		}
		if drift != nil {
			f.Drift = drift.Kinds
		}
		since, err := state[time.Time](tx, crmState(crm, stateReach))
		if err != nil {
			return nil, err
		}
		if since != nil {
			f.Unreachable = *since
		}
		figures[crm] = f
	}
	return figures, nil
}

// weeks groups the counts of all InMails by cohort.
func (svc *Service) weeks(counts []domain.Count) ([]WeekFigures, error) {
	byWeek := map[domain.Cohort]*WeekFigures{}
	for _, c := range counts {
		w := byWeek[c.Cohort]
		if w == nil {
			monday, err := rates.Monday(c.Cohort)
			if err != nil {
				return nil, err
			}
			w = &WeekFigures{
				Cohort: c.Cohort, Outcomes: map[domain.Outcome]int{},
				OpenComplete:     rates.OpenComplete(monday),
				ResponseComplete: rates.ResponseComplete(monday, svc.policy.ResponseWindowDays),
			}
			byWeek[c.Cohort] = w
		}
		if c.Outcome == domain.RepliedInTime {
			w.RepliedInTime += c.N
			continue
		}
		w.Outcomes[c.Outcome] += c.N
	}
	weeks := make([]WeekFigures, 0, len(byWeek))
	for _, w := range byWeek {
		weeks = append(weeks, *w)
	}
	slices.SortFunc(weeks, func(a, b WeekFigures) int { return a.OpenComplete.Compare(b.OpenComplete) })
	return weeks, nil
}

// foldTags counts MostTags tags by name and all others together: first those of chosen, then those that most
// InMails have.
func (s *Snapshot) foldTags(counts []domain.Count, chosen []string) {
	byTag := map[string]map[domain.Outcome]int{}
	for _, c := range counts {
		if c.Key != domain.NoKey && c.N != 0 {
			add(byTag, c.Key, c)
		}
	}
	named := mostUsed(byTag, chosen)
	s.Tags, s.TagsFolded = map[string]map[domain.Outcome]int{}, 0
	for tag, outcomes := range byTag {
		if !named[tag] {
			s.TagsFolded++
			tag = OtherTag
		}
		for outcome, n := range outcomes {
			add(s.Tags, tag, domain.Count{Outcome: outcome, N: n})
		}
	}
}

// mostUsed returns the tags that are counted by name. Of tags that equally many InMails have, the first of
// the alphabet are.
func mostUsed(byTag map[string]map[domain.Outcome]int, chosen []string) map[string]bool {
	rank, delivered := map[string]int{}, map[string]int{}
	for tag, outcomes := range byTag {
		for _, n := range outcomes {
			delivered[tag] += n
		}
		if slices.Contains(chosen, tag) {
			rank[tag] = 1
		}
	}
	delete(delivered, OtherTag) // of records that are older than its reservation
	tags := slices.SortedFunc(maps.Keys(delivered), func(a, b string) int {
		return cmp.Or(rank[b]-rank[a], delivered[b]-delivered[a], strings.Compare(a, b))
	})
	named := map[string]bool{}
	for _, tag := range tags[:min(MostTags, len(tags))] {
		named[tag] = true
	}
	return named
}

// expiring sums the unopened InMails, and those that expire soon, from counts by hour of expiry.
func (s *Snapshot) expiring(counts []domain.Count, now time.Time) {
	s.ExpiringSoon = map[string]int{}
	for _, w := range withins {
		s.ExpiringSoon[w.Name] = 0
	}
	for _, c := range counts {
		s.Pending += c.N
		hour, err := time.Parse(domain.ExpiryHour, c.Key)
		if err != nil {
			continue // keys of another form are never written
		}
		for _, w := range withins {
			if hour.Before(now.Add(w.For)) {
				s.ExpiringSoon[w.Name] += c.N
			}
		}
	}
}

func add[K comparable](m map[K]map[domain.Outcome]int, key K, c domain.Count) {
	if c.Outcome == domain.RepliedInTime {
		return
	}
	if m[key] == nil {
		m[key] = map[domain.Outcome]int{}
	}
	m[key][c.Outcome] += c.N
}

// Explain defines the rates in a sentence for people.
func (r Report) Explain() string {
	return fmt.Sprintf("open rate: opened of delivered, by week of sending, published %d days after the week began "+
		"(%s); response rate: first replies within %d days (%s); intervals are 95 %% Wilson",
		rates.OpenCompleteDays, r.Open, r.WindowDays, r.Response)
}

// Horizons returns the names of the horizons of ExpiringSoon.
func Horizons() []string {
	names := make([]string, len(withins))
	for i, w := range withins {
		names[i] = w.Name
	}
	return names
}
