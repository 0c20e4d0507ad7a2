package domain

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t
}

// t0 is when the InMails of these tests were sent.
var t0 = at("2026-11-23T09:00:00.000Z")

const ms = time.Millisecond

// sent returns a delivered InMail.
func sent(t *testing.T) *InMail {
	t.Helper()
	m, _ := New(InMail{ID: "m1", Sender: "ann", Recipient: "bob", Subject: "s", Body: "b"}, t0)
	if _, err := m.Apply(EventDeliver, t0, ""); err != nil {
		t.Fatal(err)
	}
	return m
}

// after applies events in order and fails the test on a refusal.
func after(t *testing.T, m *InMail, now time.Time, events ...Event) *InMail {
	t.Helper()
	for _, e := range events {
		if _, err := m.Apply(e, now, ""); err != nil {
			t.Fatalf("%s at %s: %v", e, now, err)
		}
	}
	return m
}

// want fails the test unless err has the code.
func want(t *testing.T, err error, code Code) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Errorf("got %v, want %s", err, code)
	}
}

// openCase returns a case that no rule refuses.
func openCase() Case {
	ann, bob := NewMember("ann", "Ann"), NewMember("bob", "Bob")
	return Case{Now: t0, From: "ann", To: "bob", Sender: &ann, Recipient: &bob, Left: 1}
}

func codes(rs []*Refusal) []Code {
	var cs []Code
	for _, r := range rs {
		cs = append(cs, r.Code)
	}
	return cs
}

// left returns the remaining credits of a plan after so many deliveries in the period of t0.
func left(plan string, used int) int {
	a := Account{CreatedAt: t0.AddDate(-1, 0, 0), AnchorDay: 1, Allowance: ShippedPlans()[plan].Allowance,
		Usage: []Usage{{PeriodStart: PeriodStart(t0, 1), Used: used}}}
	return CreditsAt(t0, a, 0).Remaining
}

// TestEnoughAt checks from when on a campaign can have been sent (R08, R10).
func TestEnoughAt(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		allowance, used, inFlight, n, anchor int
		at                                   time.Time
	}{
		{10, 3, 1, 6, 1, now}, {10, 3, 1, 7, 1, day(2026, 12, 1)}, {10, 3, 1, 16, 1, day(2026, 12, 1)}, {10, 3, 1, 17, 1, day(2027, 1, 1)},
		{10, 3, 1, 7, 31, day(2026, 11, 30)}, {10, 3, 1, 17, 31, day(2026, 12, 31)}, {5, 5, 0, 10_000, 1, day(2193, 7, 1)},
		{10, 12, 0, 0, 1, now}, {0, 0, 0, 0, 1, now}, {0, 0, 0, 1, 1, time.Time{}},
	} {
		a := Account{AnchorDay: c.anchor, Allowance: c.allowance, InFlight: c.inFlight, Usage: []Usage{{PeriodStart: PeriodStart(now, c.anchor), Used: c.used}}}
		at, ever := CreditsAt(now, a, 0).EnoughAt(now, c.n, c.anchor)
		if !at.Equal(c.at) || ever == c.at.IsZero() {
			t.Errorf("%+v: %s, %v", c, at, ever)
		}
	}
}

// TestRules proves the rules that need no store.
func TestRules(t *testing.T) {
	mannersRules(t)
	t.Run("R01_an_address_never_prints", func(t *testing.T) {
		e := Email("ann@example.org")
		text, _ := e.MarshalText()
		for _, s := range []string{fmt.Sprint(e), fmt.Sprintf("%s %v %q %#v", e, e, e, e), string(text), fmt.Sprintf("%+v", NewMember("ann", "Ann")), fmt.Sprintf("%+v", Member{Email: e})} {
			if strings.Contains(s, "@") {
				t.Errorf("an address shows in %q", s)
			}
		}
		if e.Reveal() != "ann@example.org" {
			t.Error("Reveal does not give the address")
		}
	})
	t.Run("R01_a_member_is_an_id", func(t *testing.T) {
		for _, id := range []MemberID{"a", "A-b_c.d:9", MemberID(strings.Repeat("x", 64))} {
			if err := id.Validate(); err != nil {
				t.Errorf("%q: %v", id, err)
			}
		}
		for _, id := range []MemberID{"", "a b", "a@b.example", "é", "erased", ".", "..", MemberID(strings.Repeat("x", 65))} {
			want(t, id.Validate(), BadRequest)
		}
	})

	for _, c := range []struct {
		rule, plan string
		allowance  int
	}{
		{"R02_basic_0", "basic_0", 0}, {"R03_premium_business_10", "premium_business_10", 10},
		{"R04_sales_navigator_team_10", "sales_navigator_team_10", 10}, {"R04_sales_navigator_team_15", "sales_navigator_team_15", 15},
		{"R04_sales_navigator_team_25", "sales_navigator_team_25", 25}, {"R05_recruiter_25", "recruiter_25", 25},
		{"R05_recruiter_35", "recruiter_35", 35}, {"R05_recruiter_50", "recruiter_50", 50}, {"R06_job_seeker_5", "job_seeker_5", 5},
	} {
		t.Run(c.rule, func(t *testing.T) {
			for used := range c.allowance + 1 {
				judged := openCase()
				judged.Left = left(c.plan, used)
				refused := slices.Contains(codes(judged.Refusals()), NoCredits)
				if refused != (used == c.allowance) {
					t.Errorf("%d used of %d: refused %v", used, c.allowance, refused)
				}
			}
		})
	}
	for _, c := range []struct {
		rule        string
		accountType AccountType
		low, high   int
	}{{"R04_bounds", SalesNavigatorTeam, 10, 25}, {"R05_bounds", Recruiter, 25, 50}} {
		t.Run(c.rule, func(t *testing.T) {
			for allowance := c.low - 1; allowance <= c.high+1; allowance++ {
				plans := ShippedPlans()
				plans["own"] = Plan{c.accountType, allowance}
				err := plans.Validate()
				if inside := c.low <= allowance && allowance <= c.high; inside != (err == nil) {
					t.Errorf("allowance %d: %v", allowance, err)
				}
				if err != nil && (!strings.Contains(err.Error(), "own") || !strings.Contains(err.Error(), fmt.Sprintf("%d..%d", c.low, c.high))) {
					t.Errorf("%q names not the plan and its bounds", err)
				}
			}
		})
	}
	t.Run("R07_a_new_allowance_holds_at_once", func(t *testing.T) {
		a := Account{CreatedAt: t0, AnchorDay: 1, Allowance: 50, Usage: []Usage{{PeriodStart: PeriodStart(t0, 1), Used: 30}}}
		if got := CreditsAt(t0, a, 0).Remaining; got != 20 {
			t.Errorf("remaining %d, want 20", got)
		}
		a.Allowance = 25
		if got := CreditsAt(t0, a, 0).Remaining; got != 0 {
			t.Errorf("remaining %d, want 0: never below", got)
		}
	})
	t.Run("R07_a_plan_fits_its_type", func(t *testing.T) {
		m := NewMember("ann", "Ann")
		m.AccountType = Recruiter
		if err := m.Validate(ShippedPlans()); err != nil || m.Plan != "recruiter_25" {
			t.Errorf("plan %q, %v; want the smallest of the type", m.Plan, err)
		}
		m.Plan = "job_seeker_5"
		want(t, m.Validate(ShippedPlans()), BadRequest)
	})
	t.Run("R08_period_boundary", func(t *testing.T) {
		for _, c := range []struct {
			now, start, end string
			anchor          int
		}{
			{"2026-11-30T23:59:59.999Z", "2026-11-01", "2026-12-01", 1},
			{"2026-12-01T00:00:00.000Z", "2026-12-01", "2027-01-01", 1},
			{"2027-02-27T23:59:59.999Z", "2027-01-31", "2027-02-28", 31},
			{"2027-02-28T00:00:00.000Z", "2027-02-28", "2027-03-31", 31},
			{"2028-02-28T12:00:00.000Z", "2028-01-30", "2028-02-29", 30},
			{"2028-02-29T00:00:00.000Z", "2028-02-29", "2028-03-30", 30},
			{"2026-01-14T00:00:00.000Z", "2025-12-15", "2026-01-15", 15},
			{"2026-12-31T00:00:00.000Z", "2026-12-29", "2027-01-29", 29},
		} {
			start, end := PeriodStart(at(c.now), c.anchor), PeriodEnd(at(c.now), c.anchor)
			if got := start.Format(time.DateOnly) + " " + end.Format(time.DateOnly); got != c.start+" "+c.end {
				t.Errorf("anchor %d at %s: %s, want %s %s", c.anchor, c.now, got, c.start, c.end)
			}
		}
	})
	t.Run("R08_periods_follow_each_other", func(t *testing.T) {
		for anchor := 1; anchor <= 31; anchor++ {
			now := at("2023-12-31T23:59:59.999Z")
			for range 60 {
				end := PeriodEnd(now, anchor)
				if !PeriodStart(end, anchor).Equal(end) || !PeriodStart(end.Add(-ms), anchor).Equal(PeriodStart(now, anchor)) {
					t.Fatalf("anchor %d: the period of %s does not end where the next begins", anchor, now)
				}
				now = end.Add(17 * time.Hour)
			}
		}
	})
	t.Run("R09_unused_credits_lapse", func(t *testing.T) {
		a := Account{CreatedAt: t0.AddDate(0, -6, 0), AnchorDay: 1, Allowance: 10}
		if got := CreditsAt(t0, a, 0); got.Remaining != 10 || got.Carried != 0 {
			t.Errorf("remaining %d, carried %d; want 10 and 0", got.Remaining, got.Carried)
		}
	})
	t.Run("R09_rollover_carries_for_n_periods", func(t *testing.T) {
		month := func(m, used int) Usage {
			return Usage{PeriodStart: time.Date(2026, time.Month(m), 1, 0, 0, 0, 0, time.UTC), Used: used}
		}
		for _, c := range []struct {
			name    string
			created string
			n       int
			usage   []Usage
			carried int
		}{
			{"October spends September's 10 first", "2026-09-01T00:00:00Z", 1, []Usage{month(10, 4)}, 10},
			{"what September left and October did not need", "2026-09-01T00:00:00Z", 2, []Usage{month(9, 3), month(10, 5)}, 2 + 10},
			{"September's rest lapses after one", "2026-09-01T00:00:00Z", 1, []Usage{month(9, 3), month(10, 5)}, 10},
			{"all spent", "2026-09-01T00:00:00Z", 2, []Usage{month(9, 10), month(10, 10)}, 0},
			{"nothing from before the account", "2026-11-02T00:00:00Z", 3, nil, 0},
			{"the period in which it was made counts", "2026-10-20T00:00:00Z", 3, nil, 10},
			{"untouched, two of them", "2026-01-01T00:00:00Z", 2, nil, 20},
		} {
			a := Account{CreatedAt: at(c.created), AnchorDay: 1, Allowance: 10, Usage: c.usage}
			got := CreditsAt(t0, a, c.n)
			if got.Carried != c.carried || got.Remaining != 10+c.carried {
				t.Errorf("%s: carried %d remaining %d, want %d and %d", c.name, got.Carried, got.Remaining, c.carried, 10+c.carried)
			}
		}
	})
	t.Run("R09_carries_what_the_plan_then_allowed", func(t *testing.T) {
		a := Account{CreatedAt: at("2026-10-01T00:00:00Z"), AnchorDay: 1, Allowance: 25, Plans: []PlanChange{{at("2026-10-01T00:00:00Z"), 10}, {at("2026-11-01T00:00:00Z"), 25}}}
		if got := CreditsAt(t0, a, 1).Carried; got != 10 {
			t.Errorf("carried %d, want October's 10", got)
		}
	})
	t.Run("R10_what_is_on_its_way_is_spoken_for", func(t *testing.T) {
		a := Account{CreatedAt: t0, AnchorDay: 1, Allowance: 10, InFlight: 4, Usage: []Usage{{PeriodStart: PeriodStart(t0, 1), Used: 6}}}
		c := CreditsAt(t0, a, 0)
		if c.Remaining != 4 || c.Available() != 0 {
			t.Errorf("remaining %d, available %d; want 4 and 0", c.Remaining, c.Available())
		}
	})
	t.Run("R11_a_reply_in_time_returns_the_credit", func(t *testing.T) {
		day := 24 * time.Hour
		for _, c := range []struct {
			days  int
			after time.Duration
			want  bool
		}{{0, day, false}, {3, 3 * day, true}, {3, 3*day + ms, false}} {
			if got := ReturnsCredit(t0, t0.Add(c.after), c.days); got != c.want {
				t.Errorf("policy %d, after %s: %v", c.days, c.after, got)
			}
		}
		a := Account{CreatedAt: t0, AnchorDay: 1, Allowance: 5, Usage: []Usage{{PeriodStart: PeriodStart(t0, 1), Used: 2, Returned: 1}}}
		if got := CreditsAt(t0, a, 0).Remaining; got != 4 {
			t.Errorf("remaining %d, want 4: one came back from an earlier period", got)
		}
	})

	reach := func(rule string, code Code, change func(*Case)) {
		t.Run(rule, func(t *testing.T) {
			c := openCase()
			if got := c.Refusals(); len(got) != 0 {
				t.Fatalf("the open case is refused: %v", codes(got))
			}
			change(&c)
			if diff := cmp.Diff([]Code{code}, codes(c.Refusals())); diff != "" {
				t.Errorf("refusals (-want +got):\n%s", diff)
			}
		})
	}
	reach("R12_connected", Connected, func(c *Case) { c.Connected = true })
	reach("R13_self", Self, func(c *Case) { c.To, c.Recipient = c.From, c.Sender })
	reach("R13_unknown_recipient", UnknownRecipient, func(c *Case) { c.Recipient = nil })
	reach("R13_unknown_sender", UnknownSender, func(c *Case) { c.Sender = nil })
	reach("R14_not_shared", ProfileNotVisible, func(c *Case) { c.Recipient.ProfileShared = false })
	reach("R14_not_visible", ProfileNotVisible, func(c *Case) { c.Recipient.ProfileVisible = false })
	reach("R15_opted_out", OptedOut, func(c *Case) { c.Recipient.AcceptsInMail = false })
	reach("R16_blocked", Blocked, func(c *Case) { c.Blocked = true })
	reach("R17_banned", Banned, func(c *Case) { c.Banned = true })
	reach("R20_awaiting", AwaitingReply, func(c *Case) { c.Awaiting = true })
	reach("R42_restricted", Restricted, func(c *Case) { c.Restricted = t0.Add(ms) })
	t.Run("R12_the_hint_names_regular_messaging", func(t *testing.T) {
		c := openCase()
		c.Connected = true
		if d := c.Refusals()[0].Detail; !strings.Contains(d, "regular messaging") {
			t.Errorf("the hint is %q", d)
		}
	})
	t.Run("R17_companies_compare_without_case", func(t *testing.T) {
		if FoldCompany(" ACME  Straße ") != FoldCompany("acme STRASSE") {
			t.Error("the same company in another case is another")
		}
		if FoldCompany("Acme") == FoldCompany("Acme Inc") {
			t.Error("another company is the same")
		}
	})
	t.Run("R18_hidden_reasons_look_the_same", func(t *testing.T) {
		var refusals []*Refusal
		for _, code := range []Code{Blocked, OptedOut, Banned, DeclinedCode, RecipientBusy} {
			refusals = append(refusals, (&Refusal{Code: code, Detail: "the true reason of " + string(code)}).ForSender())
		}
		for _, r := range refusals {
			if diff := cmp.Diff(refusals[0], r); diff != "" || r.Code != RecipientUnavailable {
				t.Errorf("not all alike:\n%s", diff)
			}
		}
		for _, code := range RefusalCodes() {
			if !slices.Contains([]Code{Blocked, OptedOut, Banned, DeclinedCode, RecipientBusy}, code) && code.ForSender() != code {
				t.Errorf("%s is hidden from the sender", code)
			}
		}
	})
	t.Run("R20_allowed_by_policy", func(t *testing.T) {
		c := openCase()
		c.Awaiting, c.AllowTwice = true, true
		if got := codes(c.Refusals()); got != nil {
			t.Errorf("refused %v", got)
		}
	})
	t.Run("R21_all_are_recorded_in_order", func(t *testing.T) {
		c := openCase()
		c.Left, c.Restricted, c.Connected, c.Blocked, c.Banned, c.Awaiting = 0, t0.Add(time.Hour), true, true, true, true
		c.DeclinedAt, c.DeclinedDays, c.Received, c.WeekLimit = t0, 90, Received{OnItsWay: 1}, 1
		c.To = c.From
		c.Recipient.ProfileVisible, c.Recipient.AcceptsInMail = false, false
		c.Content = append(ReadText("", "![x](http://x.example/y.png) [t](ftp://x.example) "+strings.Repeat("x", MaxBody+1), true).Refusals(), Refuse(SpamContent, "x"))
		wanted := []Code{Restricted, NoCredits, Self, Connected, ProfileNotVisible, OptedOut, Blocked, Banned, DeclinedCode, RecipientBusy, AwaitingReply,
			SubjectRequired, BodyTooLong, LinkNotAllowed, ImageNotSupported, AttachmentUnsupported, SpamContent}
		if diff := cmp.Diff(wanted, codes(c.Refusals())); diff != "" {
			t.Errorf("refusals (-want +got):\n%s", diff)
		}
		if !slices.IsSortedFunc(codes(c.Refusals()), func(a, b Code) int { return slices.Index(RefusalCodes(), a) - slices.Index(RefusalCodes(), b) }) {
			t.Error("not in the order of the rule")
		}
	})
	t.Run("R21_any_mixture_is_in_order", func(t *testing.T) {
		r := rand.New(rand.NewPCG(21, 21))
		for range 2000 {
			c := openCase()
			coin := func() bool { return r.IntN(2) == 0 }
			c.Left = r.IntN(2)
			c.Connected, c.Blocked, c.Banned, c.Awaiting = coin(), coin(), coin(), coin()
			c.Recipient.ProfileShared, c.Recipient.AcceptsInMail = coin(), coin()
			if coin() {
				c.Restricted = t0.Add(time.Hour)
			}
			if coin() {
				c.DeclinedAt, c.DeclinedDays = t0, 1
			}
			if coin() {
				c.Received, c.WeekLimit = Received{At: []time.Time{t0}}, 1
			}
			if coin() {
				c.Recipient = nil
			}
			got := codes(c.Refusals())
			if !slices.IsSortedFunc(got, func(a, b Code) int { return slices.Index(RefusalCodes(), a) - slices.Index(RefusalCodes(), b) }) {
				t.Fatalf("%v is not in the order of the rule", got)
			}
			if len(got) != len(slices.Compact(slices.Clone(got))) {
				t.Fatalf("%v names one twice", got)
			}
		}
	})

	content := func(rule, subject, body string, wanted ...Code) {
		t.Run(rule, func(t *testing.T) {
			if diff := cmp.Diff(wanted, codes(ReadText(subject, body, false).Refusals())); diff != "" {
				t.Errorf("refusals (-want +got):\n%s", diff)
			}
		})
	}
	content("R22_required", " \r\n\t", "b", SubjectRequired)
	content("R22_the_longest_passes", strings.Repeat("ü", MaxSubject), "b")
	content("R22_one_more_does_not", strings.Repeat("ü", MaxSubject+1), "b", SubjectTooLong)
	content("R23_required", "s", " \n ", BodyRequired)
	content("R23_the_longest_passes", "s", strings.Repeat("ü", MaxBody))
	content("R23_one_more_does_not", "s", strings.Repeat("ü", MaxBody+1), BodyTooLong)
	content("R23_markup_does_not_count", "s", "**"+strings.Repeat("x", MaxBody)+"**")
	content("R23_a_line_break_is_one", "s", strings.Repeat("x\r\n", 1499)+"xy")
	content("R23_the_source_is_capped", "s", strings.Repeat("[x](https://example.org/"+strings.Repeat("y", 100)+") ", 100), BodyTooLong)
	content("R25_https_and_mailto_pass", "s", "[a](https://example.org) [b](mailto:a@example.org) [c](http://example.org)")
	content("R25_javascript", "s", "[a](javascript:alert(1))", LinkNotAllowed)
	content("R26_image", "s", "![a](https://example.org/a.png)", ImageNotSupported)
	content("R26_img_tag", "s", "see <IMG src=x>", ImageNotSupported)
	content("R26_data_image", "s", "data:image/png;base64,xyz", ImageNotSupported)
	t.Run("R22_a_line_break_is_a_space", func(t *testing.T) {
		if got := ReadText(" a\r\nb ", "b", false).Subject; got != "a b" {
			t.Errorf("subject %q, want %q", got, "a b")
		}
	})
	t.Run("R23_both_numbers_are_told", func(t *testing.T) {
		r := ReadText("s", strings.Repeat("x", MaxBody+1), false).Refusals()[0]
		if r.Got != MaxBody+1 || r.Limit != MaxBody || !strings.Contains(r.Detail, fmt.Sprint(MaxBody+1)) || !strings.Contains(r.Detail, fmt.Sprint(MaxBody)) {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("R26_attachments", func(t *testing.T) {
		if diff := cmp.Diff([]Code{AttachmentUnsupported}, codes(ReadText("s", "b", true).Refusals())); diff != "" {
			t.Errorf("refusals (-want +got):\n%s", diff)
		}
	})

	t.Run("R31_opens_once", func(t *testing.T) {
		m := after(t, sent(t), t0.Add(time.Hour), EventOpen)
		receipts, err := m.Apply(EventOpen, t0.Add(2*time.Hour), "")
		if err != nil || receipts != nil || !m.OpenedAt.Equal(t0.Add(time.Hour)) {
			t.Errorf("second open: %v %v, opened at %s", receipts, err, m.OpenedAt)
		}
	})
	t.Run("R32_the_last_millisecond", func(t *testing.T) {
		for _, e := range []Event{EventOpen, EventReply, EventRetract} {
			after(t, sent(t), t0.Add(Window-ms), e)
		}
		for _, e := range []Event{EventOpen, EventReply} {
			_, err := sent(t).Apply(e, t0.Add(Window), "")
			want(t, err, ExpiredCode)
		}
	})
	t.Run("R32_an_opened_one_never_expires", func(t *testing.T) {
		m := after(t, sent(t), t0.Add(time.Hour), EventOpen)
		if !m.Live(t0.AddDate(10, 0, 0)) {
			t.Error("an opened InMail expired")
		}
		if _, err := m.Apply(EventExpire, t0.AddDate(10, 0, 0), ""); !errors.Is(err, Conflict) {
			t.Errorf("expired all the same: %v", err)
		}
	})
	t.Run("R33_the_clock_decides", func(t *testing.T) {
		m := sent(t)
		if m.StatusAt(t0.Add(Window-ms)) != Sent || m.StatusAt(t0.Add(Window)) != Expired {
			t.Error("the clock does not decide at T0 + Window")
		}
		path := m.Path([]Receipt{{Seq: 1, Status: Queued}, {Seq: 2, Status: Sent}}, t0.Add(Window+time.Hour))
		receipts, err := m.Apply(EventExpire, t0.Add(Window+5*time.Hour), "")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(path[2:], receipts); diff != "" {
			t.Errorf("the receipt that the job writes is not the one that reads return (-returned +written):\n%s", diff)
		}
		if _, err := m.Apply(EventExpire, t0.Add(Window+6*time.Hour), ""); !errors.Is(err, Conflict) {
			t.Errorf("expired twice: %v", err)
		}
	})
	t.Run("R34_the_window", func(t *testing.T) {
		for _, events := range [][]Event{nil, {EventOpen}, {EventReply}} {
			m := after(t, sent(t), t0, events...)
			if _, err := m.AskRetraction(t0.Add(Window-ms), HideOpened); err != nil {
				t.Errorf("%v: refused in time: %v", events, err)
			}
			for _, p := range []RetractOpened{HideOpened, RefuseOpened} {
				_, err := m.AskRetraction(t0.Add(Window), p)
				want(t, err, TooLate)
			}
		}
		queued, _ := New(InMail{ID: "q"}, t0)
		_, err := queued.AskRetraction(t0, HideOpened)
		want(t, err, Conflict)
	})
	t.Run("R35_the_token", func(t *testing.T) {
		key, other := []byte(strings.Repeat("k", 32)), []byte(strings.Repeat("o", 32))
		expires := t0.Add(ConfirmFor)
		token := ConfirmToken(key, "m1", expires)
		if err := CheckToken(key, "m1", token, expires.Add(-ms)); err != nil {
			t.Errorf("refused in time: %v", err)
		}
		want(t, CheckToken(key, "m1", token, expires), Conflict)
		want(t, CheckToken(key, "m2", token, t0), Conflict)
		want(t, CheckToken(other, "m1", token, t0), Conflict)
		for _, invalid := range []string{"", "x", token + "x", token[:10], strings.ToUpper(token)} {
			want(t, CheckToken(key, "m1", invalid, t0), Conflict)
		}
	})
	t.Run("R35_asking_changes_nothing", func(t *testing.T) {
		m := sent(t)
		before := *m
		if undone, err := m.AskRetraction(t0, HideOpened); err != nil || !undone {
			t.Fatalf("%v %v", undone, err)
		}
		if diff := cmp.Diff(before, *m); diff != "" {
			t.Errorf("asking changed (-before +after):\n%s", diff)
		}
	})
	t.Run("R36_unopened", func(t *testing.T) {
		m := after(t, sent(t), t0.Add(time.Hour), EventRetract)
		if m.Status != Retracted || !m.Undone || m.Live(t0.Add(time.Hour)) {
			t.Errorf("got %s, undone %v, live %v", m.Status, m.Undone, m.Live(t0.Add(time.Hour)))
		}
		for _, e := range []Event{EventOpen, EventReply} {
			_, err := m.Apply(e, t0.Add(2*time.Hour), "")
			want(t, err, RetractedCode)
		}
	})
	t.Run("R37_opened_is_hidden", func(t *testing.T) {
		m := after(t, sent(t), t0, EventOpen, EventRetract)
		if m.Undone || m.OpenedAt.IsZero() || m.Outcome() != RetractedOpened {
			t.Errorf("got undone %v, opened at %s, outcome %s", m.Undone, m.OpenedAt, m.Outcome())
		}
		_, err := m.Apply(EventOpen, t0.Add(time.Hour), "")
		want(t, err, RetractedCode)
		want(t, m.MayReply("bob", t0.Add(time.Hour)), RetractedCode)
	})
	t.Run("R37_a_conversation_goes_on", func(t *testing.T) {
		m := after(t, sent(t), t0, EventReply, EventRetract)
		for _, who := range []MemberID{"ann", "bob"} {
			if err := m.MayReply(who, t0.Add(time.Hour)); err != nil {
				t.Errorf("%s may not reply: %v", who, err)
			}
		}
		if receipts, err := m.Apply(EventReply, t0.Add(time.Hour), ""); err != nil || receipts != nil || m.Status != Retracted {
			t.Errorf("a later reply: %v %v, status %s", receipts, err, m.Status)
		}
		if m.Outcome() != RetractedReplied {
			t.Errorf("outcome %s", m.Outcome())
		}
	})
	t.Run("R37_refuse", func(t *testing.T) {
		_, err := after(t, sent(t), t0, EventOpen).AskRetraction(t0.Add(time.Hour), RefuseOpened)
		want(t, err, AlreadyOpened)
	})
	t.Run("R38_the_first_wins", func(t *testing.T) {
		for _, c := range []struct {
			first, second Event
			code          Code
		}{{EventOpen, EventExpire, Conflict}, {EventRetract, EventOpen, RetractedCode}, {EventRetract, EventReply, RetractedCode}} {
			m := after(t, sent(t), t0.Add(time.Hour), c.first)
			_, err := m.Apply(c.second, t0.Add(Window+time.Hour), "")
			want(t, err, c.code)
		}
		m := after(t, sent(t), t0.Add(Window), EventExpire)
		_, err := m.Apply(EventRetract, t0.Add(Window), "")
		want(t, err, TooLate)
	})
	t.Run("R39_replying_opens", func(t *testing.T) {
		m := sent(t)
		receipts, err := m.Apply(EventReply, t0.Add(time.Hour), "")
		wanted := []Receipt{{InMail: "m1", Seq: 3, Status: Opened, At: t0.Add(time.Hour)}, {InMail: "m1", Seq: 4, Status: Replied, At: t0.Add(time.Hour)}}
		if diff := cmp.Diff(wanted, receipts); err != nil || diff != "" {
			t.Errorf("%v, receipts (-want +got):\n%s", err, diff)
		}
		if m.OpenedAt.IsZero() || m.RepliedAt.IsZero() {
			t.Error("not opened and replied")
		}
	})
	t.Run("R40_who_may_write", func(t *testing.T) {
		m := sent(t)
		want(t, m.MayReply("ann", t0), Conflict)
		if err := m.MayReply("bob", t0); err != nil {
			t.Errorf("the recipient may not reply: %v", err)
		}
		after(t, m, t0, EventReply)
		for _, who := range []MemberID{"ann", "bob"} {
			if err := m.MayReply(who, t0.AddDate(5, 0, 0)); err != nil {
				t.Errorf("%s may not write five years later: %v", who, err)
			}
		}
	})
	t.Run("R54_what_an_InMail_implies_is_not_stored", func(t *testing.T) { rapid.Check(t, impliedReceipts) })
	t.Run("R54_receipts_without_gaps", func(t *testing.T) {
		m, first := New(InMail{ID: "m1"}, t0)
		receipts := []Receipt{first}
		for _, e := range []Event{EventDeliver, EventOpen, EventOpen, EventReply, EventReply, EventRetract, EventRetract} {
			more, err := m.Apply(e, t0, "")
			if err != nil {
				t.Fatal(err)
			}
			receipts = append(receipts, more...)
		}
		var path []string
		for i, r := range receipts {
			if r.Seq != i+1 {
				t.Errorf("receipt %d has the number %d", i+1, r.Seq)
			}
			path = append(path, string(r.Status))
		}
		if got := strings.Join(path, " "); got != "queued sent opened replied retracted" {
			t.Errorf("path %q", got)
		}
	})
	t.Run("R54_refused_and_failed_end", func(t *testing.T) {
		for _, c := range []struct {
			e      Event
			status Status
			reason Code
		}{{EventRefuse, Refused, Blocked}, {EventFail, Failed, TooOld}} {
			m, _ := New(InMail{ID: "m1"}, t0)
			receipts, err := m.Apply(c.e, t0, c.reason)
			if diff := cmp.Diff([]Receipt{{InMail: "m1", Seq: 2, Status: c.status, At: t0, Reason: c.reason}}, receipts); err != nil || diff != "" {
				t.Errorf("%v, receipts (-want +got):\n%s", err, diff)
			}
			for _, e := range []Event{EventDeliver, EventOpen, EventExpire, EventRetract} {
				if _, err := m.Apply(e, t0, ""); err == nil {
					t.Errorf("%s took %s", c.status, e)
				}
			}
		}
	})
	t.Run("R56_one_form", func(t *testing.T) {
		got, err := NormalTags([]string{"  Q4   Pipeline ", "q4 pipeline", "É", "e\u0301", "b"})
		if diff := cmp.Diff([]string{"b", "q4 pipeline", "é"}, got); err != nil || diff != "" {
			t.Errorf("%v, tags (-want +got):\n%s", err, diff)
		}
	})
	t.Run("R56_bounds", func(t *testing.T) {
		for _, good := range []string{"x", strings.Repeat("ü", MaxTag)} {
			if _, err := NormalTag(good); err != nil {
				t.Errorf("%q: %v", good, err)
			}
		}
		for _, invalid := range []string{"", "  ", strings.Repeat("ü", MaxTag+1), "a\x00b"} {
			_, err := NormalTag(invalid)
			want(t, err, BadRequest)
		}
		eleven := strings.Split("a b c d e f g h i j k", " ")
		if _, err := NormalTags(eleven[:10]); err != nil {
			t.Errorf("10 tags: %v", err)
		}
		_, err := NormalTags(eleven)
		want(t, err, BadRequest)
	})
	t.Run("R59_outcomes_add_up", func(t *testing.T) {
		m := sent(t)
		m.Tags, m.Advice = []string{"a", "b"}, nil
		sums := map[string]int{}
		count := func(cs []Count) {
			for _, c := range cs {
				sums[fmt.Sprint(c.Dimension, "/", c.Key)] += c.N
			}
		}
		count(CountsFor(m, "", m.Outcome()))
		for _, e := range []Event{EventOpen, EventReply, EventRetract} {
			before := m.Outcome()
			after(t, m, t0, e)
			count(CountsFor(m, before, m.Outcome()))
		}
		wanted := map[string]int{"all/": 1, "tag/a": 1, "tag/b": 1, "account_type/": 1, "category/none": 1, "sender/ann": 1,
			"length/under_100": 1, "advice/none": 1, "expiry/" + t0.Add(Window).Format(ExpiryHour): 0}
		if diff := cmp.Diff(wanted, sums); diff != "" {
			t.Errorf("sums (-want +got):\n%s", diff)
		}
	})
}
