package domain_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/richtext"
	"inmail/domain/spam"
)

// TestNumbersOfTheRules fixes the numbers that the rules give. Every other test takes them from the constants, so that
// a number which changes fails here and nowhere else, but for what must change with it and did not.
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
		{"R66", mailroom.MaxPreflight, 10_000},
		{"policies", domain.DefaultPolicy(), domain.Policy{AnchorDay: 1, RetractOpened: "hide", QueueMaxAge: 24 * time.Hour,
			ResponseWindowDays: 30, CRMText: "preview", ReadingEase: 50, VolumeHour: 20, VolumeDay: 40, Strikes: 3, SimilarDay: 12,
			RegularGaps: 10, BurstMinute: 10}},
	} {
		if diff := cmp.Diff(row.want, row.got); diff != "" {
			t.Errorf("%s (-rule +constant):\n%s", row.rule, diff)
		}
	}
}

// TestPoliciesAreTheLimits holds the policies of the filter against its own limits: both have the defaults of R41.
func TestPoliciesAreTheLimits(t *testing.T) {
	p, l := domain.DefaultPolicy(), spam.DefaultLimits()
	got := []int{p.VolumeHour, p.VolumeDay, p.Strikes, p.SimilarDay, p.RegularGaps, p.BurstMinute}
	want := []int{l.VolumeHour, l.VolumeDay, l.Strikes, l.SimilarDay, l.RegularGaps, l.BurstMinute}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("policies (-limits +policies):\n%s", diff)
	}
}
