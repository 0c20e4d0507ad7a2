package domain

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Policy contains what an operator may set: every value that RULES.md calls a policy, set by
// INMAIL_POLICY_<NAME>. The zero value is not valid: start from DefaultPolicy.
type Policy struct {
	AnchorDay             int           `koanf:"anchor_day"`                // R08: 1..31, of members without their own
	RolloverPeriods       int           `koanf:"rollover_periods"`          // R09: 0..12, 0 lets unused credits lapse
	CreditBackOnReplyDays int           `koanf:"credit_back_on_reply_days"` // R11: 0..365, 0 is off
	AllowSecondInMail     bool          `koanf:"allow_second_inmail"`       // R20
	RetractOpened         RetractOpened `koanf:"retract_opened"`            // R37: hide or refuse
	QueueMaxAge           time.Duration `koanf:"queue_max_age"`             // R61: 1m..720h
	CreditBackOnDecline   bool          `koanf:"credit_back_on_decline"`    // R63
	DeclinedDays          int           `koanf:"declined_days"`             // R63: 0..3650, 0 is off
	DetectAutomatic       bool          `koanf:"detect_automatic"`          // R64
	RecipientWeek         int           `koanf:"recipient_week"`            // R65: 0..1000, 0 is no limit
	KeyDays               int           `koanf:"key_days"`                  // R28: 1..3650
	ResponseWindowDays    int           `koanf:"response_window_days"`      // R58: 1..365
	RetainDays            int           `koanf:"retain_days"`               // older texts are deleted; 0 keeps all
	CRMText               CRMText       `koanf:"crm_text"`                  // texts that CRMs get
	CRMKeepDays           int           `koanf:"crm_keep_days"`             // CRMs need keep no older ones; 0: they keep all
	WebhookText           WebhookText   `koanf:"webhook_text"`              // R68: texts that events have, at most
	EventsKeepDays        int           `koanf:"events_keep_days"`          // R68: 1..3650
	AuditDays             int           `koanf:"audit_days"`                // R70: 1..3650, the entries of the audit
	ReadingEase           float64       `koanf:"reading_ease"`              // R47: 0..100
	VolumeHour            int           `koanf:"volume_hour"`               // R41 (a)
	VolumeDay             int           `koanf:"volume_day"`                // R41 (a)
	Strikes               int           `koanf:"strikes"`                   // R41 (b)
	SimilarDay            int           `koanf:"similar_day"`               // R41 (d)
	RegularGaps           int           `koanf:"regular_gaps"`              // R41 (d)
	BurstMinute           int           `koanf:"burst_minute"`              // R41 (d)
}

// RetractOpened is what retracting does to an InMail that was opened (R37).
type RetractOpened string

// The values of the policy retract_opened: hide it from the recipient, or refuse to retract it.
const (
	HideOpened   RetractOpened = "hide"
	RefuseOpened RetractOpened = "refuse"
)

// CRMText is which texts of an InMail CRMs get.
type CRMText string

// The values of the policy crm_text: no text; subject and preview; these and the body.
const (
	CRMTextNone    CRMText = "none"
	CRMTextPreview CRMText = "preview"
	CRMTextFull    CRMText = "full"
)

// WebhookText is which texts of an InMail events have, of which the subject is one (R68).
type WebhookText string

// The values of the policy webhook_text: no text; subject and preview; these and the body.
const (
	WebhookTextNone    WebhookText = "none"
	WebhookTextPreview WebhookText = "preview"
	WebhookTextFull    WebhookText = "full"
)

// webhookTexts are the values of WebhookText, each with all that the one before has.
var webhookTexts = []WebhookText{WebhookTextNone, WebhookTextPreview, WebhookTextFull}

// WebhookTexts returns the values of the policy webhook_text.
func WebhookTexts() []WebhookText { return slices.Clone(webhookTexts) }

// AtMost returns t, or limit where t has more (R68).
func (t WebhookText) AtMost(limit WebhookText) WebhookText {
	return webhookTexts[min(slices.Index(webhookTexts, t), slices.Index(webhookTexts, limit))]
}

// DefaultPolicy returns the defaults of RULES.md.
func DefaultPolicy() Policy {
	return Policy{
		AnchorDay: 1, RetractOpened: HideOpened, QueueMaxAge: 24 * time.Hour, ResponseWindowDays: 30,
		CRMText: CRMTextPreview, ReadingEase: 50, DeclinedDays: 90, DetectAutomatic: true, KeyDays: 30,
		WebhookText: WebhookTextNone, EventsKeepDays: 30, AuditDays: 400,
		VolumeHour: 20, VolumeDay: 40, Strikes: 3, SimilarDay: 12, RegularGaps: 10, BurstMinute: 10,
	}
}

// Validate reports all policies that are out of bounds, each with its name, value and bounds.
func (p Policy) Validate() error {
	var faults []error
	within := func(name string, got, low, high int) {
		if got < low || got > high {
			faults = append(faults, fmt.Errorf("policy %s: %d is outside %d..%d", name, got, low, high))
		}
	}
	within("anchor_day", p.AnchorDay, 1, 31)
	within("rollover_periods", p.RolloverPeriods, 0, 12)
	within("credit_back_on_reply_days", p.CreditBackOnReplyDays, 0, 365)
	within("declined_days", p.DeclinedDays, 0, 3650)
	within("recipient_week", p.RecipientWeek, 0, MaxWeek)
	within("key_days", p.KeyDays, 1, 3650)
	within("response_window_days", p.ResponseWindowDays, 1, 365)
	within("retain_days", p.RetainDays, 0, 36500)
	within("crm_keep_days", p.CRMKeepDays, 0, 36500)
	within("events_keep_days", p.EventsKeepDays, 1, 3650)
	within("audit_days", p.AuditDays, 1, 3650)
	within("volume_hour", p.VolumeHour, 1, 1_000_000)
	within("volume_day", p.VolumeDay, 1, 1_000_000)
	within("strikes", p.Strikes, 1, 1000)
	within("similar_day", p.SimilarDay, 1, 1_000_000)
	within("regular_gaps", p.RegularGaps, 2, 1_000_000)
	within("burst_minute", p.BurstMinute, 1, 1_000_000)
	if p.QueueMaxAge < time.Minute || p.QueueMaxAge > 720*time.Hour {
		faults = append(faults, fmt.Errorf("policy queue_max_age: %s is outside 1m..720h", p.QueueMaxAge))
	}
	if p.ReadingEase < 0 || p.ReadingEase > 100 {
		faults = append(faults, fmt.Errorf("policy reading_ease: %g is outside 0..100", p.ReadingEase))
	}
	if p.RetractOpened != HideOpened && p.RetractOpened != RefuseOpened {
		faults = append(faults, fmt.Errorf("policy retract_opened: %q is not one of hide, refuse", p.RetractOpened))
	}
	if !slices.Contains(webhookTexts, p.WebhookText) {
		faults = append(faults, fmt.Errorf("policy webhook_text: %q is not one of none, preview, full", p.WebhookText))
	}
	if p.CRMText != CRMTextNone && p.CRMText != CRMTextPreview && p.CRMText != CRMTextFull {
		faults = append(faults, fmt.Errorf("policy crm_text: %q is not one of none, preview, full", p.CRMText))
	}
	return errors.Join(faults...)
}
