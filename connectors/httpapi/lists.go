package httpapi

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"inmail/domain"
	"inmail/domain/advice"
	"inmail/domain/mailroom"
	"inmail/domain/rates"
	"inmail/domain/richtext"
	"inmail/domain/spam"
	"inmail/domain/strictjson"
)

// lists are the closed lists of values that a field names in its tag list. They come from the domain: a new
// value there is accepted and documented without a change here.
var lists = strictjson.Declare(map[string][]string{
	"account_type":    texts(domain.AccountTypes()),
	"failure_class":   texts(domain.FailureClasses()),
	"match":           lowered(texts(domain.Matches())),
	"ban_kind":        texts(domain.BanKinds()),
	"role":            texts(mailroom.Roles()),
	"audit_kind":      mailroom.AuditKinds(),
	"trigger":         spam.Triggers(),
	"webhook_event":   mailroom.WebhookKinds(),
	"webhook_text":    texts(domain.WebhookTexts()),
	"webhook_problem": mailroom.WebhookProblems(),
	"webhook_off":     mailroom.WebhookOffReasons(),
	"event":           texts(mailroom.EventKinds()),
	"pace":            paceLimits(),
	"advice":          advice.Codes(),
	"verdict":         texts(rates.Verdicts()),
	"place":           mailroom.Places(),
})

// limits are the numbers that a text of the document names in braces, as in "at most {MaxTags}".
var limits = map[string]int{
	"MaxSubject": domain.MaxSubject, "MaxBody": domain.MaxBody, "MaxPreview": richtext.MaxPreview,
	"MaxTags": domain.MaxTags, "MaxTag": domain.MaxTag, "MaxCategory": mailroom.MaxCategory, "MaxKey": mailroom.MaxKey,
	"MaxPreflight": mailroom.MaxPreflight, "PaceSlack": int(spam.PaceSlack.Seconds()), "MaxRejected": mailroom.MaxRejected,
	"MaxRepliesWithOpen": mailroom.MaxRepliesWithOpen,
	"MaxWebhookName":     mailroom.MaxWebhookName,
	"MaxBan":             mailroom.MaxBan, "MaxKeyName": mailroom.MaxKeyName, "WindowHours": domain.WindowHours,
	"MaxDeclineReason": domain.MaxDeclineReason, "MaxWeek": domain.MaxWeek,
	"RecordDays": int(spam.RecordWindow.Hours()) / 24, "SimilarHours": int(spam.SimilarWindow.Hours()),
}

var limitName = regexp.MustCompile(`\{([A-Z]\w*)\}`)

// withLimits puts the numbers into a text that names limits. It panics on an unknown name: that is a fault of
// the program, and it appears when the routes are made.
func withLimits(text string) string {
	return limitName.ReplaceAllStringFunc(text, func(name string) string {
		n, known := limits[name[1:len(name)-1]]
		if !known {
			panic(fmt.Sprintf("httpapi: %q names the limit %s, which is none", text, name))
		}
		return thousands(n)
	})
}

// thousands writes a number with a comma before each three digits: 10,000.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func texts[S ~string](values []S) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}

func lowered(values []string) []string {
	for i, v := range values {
		values[i] = strings.ToLower(v)
	}
	return values
}
