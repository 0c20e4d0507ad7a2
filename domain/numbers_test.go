package domain_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
	"inmail/domain/advice"
	"inmail/domain/mailroom"
	"inmail/domain/richtext"
	"inmail/domain/spam"
)

// TestNumbersOfTheRules fixes the numbers of the rules. All other tests take them from the constants, so a
// changed number fails here, and else only where something must change with it and did not.
func TestNumbersOfTheRules(t *testing.T) {
	for _, row := range []struct {
		rule      string
		got, want any
	}{
		{"R02 to R06", domain.ShippedPlans(), domain.Plans{
			"basic_0": {AccountType: domain.Basic}, "premium_business_10": {AccountType: domain.PremiumBusiness, Allowance: 10},
			"sales_navigator_team_10": {AccountType: domain.SalesNavigatorTeam, Allowance: 10},
			"sales_navigator_team_15": {AccountType: domain.SalesNavigatorTeam, Allowance: 15},
			"sales_navigator_team_25": {AccountType: domain.SalesNavigatorTeam, Allowance: 25},
			"recruiter_25":            {AccountType: domain.Recruiter, Allowance: 25}, "recruiter_35": {AccountType: domain.Recruiter, Allowance: 35},
			"recruiter_50": {AccountType: domain.Recruiter, Allowance: 50}, "job_seeker_5": {AccountType: domain.JobSeeker, Allowance: 5}}},
		{"R22", domain.MaxSubject, 200},
		{"R23, as read", domain.MaxBody, 3000},
		{"R23, the source", domain.MaxSource, 12_000},
		{"R28, a key", mailroom.MaxKey, 255},
		{"R30", richtext.MaxPreview, 140},
		{"R32, R34", domain.Window, 168 * time.Hour},
		{"R32, in whole days", domain.Window % (24 * time.Hour), time.Duration(0)},
		{"R35", domain.ConfirmFor, 15 * time.Minute},
		{"R41", spam.DefaultLimits(), spam.Limits{VolumeHour: 20, VolumeDay: 40, Strikes: 3, SimilarDay: 12, RegularGaps: 10,
			BurstMinute: 10, ReportersMin: 3, ReportShare: 0.02}},
		{"R52, a category", mailroom.MaxCategory, 40},
		{"R56, tags", domain.MaxTags, 10},
		{"R56, a tag", domain.MaxTag, 40},
		{"R41, windows", []time.Duration{spam.MinuteWindow, spam.HourWindow, spam.DayWindow, spam.SimilarWindow, spam.RecordWindow},
			[]time.Duration{time.Minute, time.Hour, 24 * time.Hour, 24 * time.Hour, 720 * time.Hour}},
		{"R47, R50, R51", []int{advice.MaxParagraphWords, advice.LongMessageWords, advice.MaxHeavyPercent, advice.MaxHeavyRun},
			[]int{80, 100, 30, 200}},
		{"R62, the keys", []string{domain.Under100, domain.From100},
			[]string{fmt.Sprintf("under_%d", advice.LongMessageWords), fmt.Sprintf("%d_and_more", advice.LongMessageWords)}},
		{"R66", mailroom.MaxPreflight, 10_000},
		{"policies", domain.DefaultPolicy(), domain.Policy{AnchorDay: 1, RetractOpened: "hide", QueueMaxAge: 24 * time.Hour,
			ResponseWindowDays: 30, CRMText: "preview", WebhookText: "none", EventsKeepDays: 30, AuditDays: 400, DeclinedDays: 90, DetectAutomatic: true, KeyDays: 30, ReadingEase: 50, VolumeHour: 20, VolumeDay: 40, Strikes: 3, SimilarDay: 12,
			RegularGaps: 10, BurstMinute: 10}},
	} {
		if diff := cmp.Diff(row.want, row.got); diff != "" {
			t.Errorf("%s (-rule +constant):\n%s", row.rule, diff)
		}
	}
}

// TestPoliciesAreTheLimits compares the policies of the spam filter with its limits: both must have the
// defaults of R41 and the same bounds.
func TestPoliciesAreTheLimits(t *testing.T) {
	p, l := domain.DefaultPolicy(), spam.DefaultLimits()
	got := []int{p.VolumeHour, p.VolumeDay, p.Strikes, p.SimilarDay, p.RegularGaps, p.BurstMinute}
	want := []int{l.VolumeHour, l.VolumeDay, l.Strikes, l.SimilarDay, l.RegularGaps, l.BurstMinute}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("policies (-limits +policies):\n%s", diff)
	}
	for name, set := range map[string]func(*domain.Policy, *spam.Limits, int){
		"volume_hour":  func(p *domain.Policy, l *spam.Limits, n int) { p.VolumeHour, l.VolumeHour = n, n },
		"volume_day":   func(p *domain.Policy, l *spam.Limits, n int) { p.VolumeDay, l.VolumeDay = n, n },
		"strikes":      func(p *domain.Policy, l *spam.Limits, n int) { p.Strikes, l.Strikes = n, n },
		"similar_day":  func(p *domain.Policy, l *spam.Limits, n int) { p.SimilarDay, l.SimilarDay = n, n },
		"regular_gaps": func(p *domain.Policy, l *spam.Limits, n int) { p.RegularGaps, l.RegularGaps = n, n },
		"burst_minute": func(p *domain.Policy, l *spam.Limits, n int) { p.BurstMinute, l.BurstMinute = n, n },
	} {
		for _, n := range []int{0, 1, 2, 1000, 1001, 1_000_000, 1_000_001} {
			p, l := p, l
			set(&p, &l, n)
			if policy, limits := p.Validate(), l.Validate(); (policy == nil) != (limits == nil) {
				t.Errorf("%s of %d: as a policy %v, as a limit %v", name, n, policy, limits)
			}
		}
	}
}
