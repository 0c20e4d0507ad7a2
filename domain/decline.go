package domain

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxDeclineReason is the longest reason of a decline, in code points (R63).
const MaxDeclineReason = 200

// DeclineReason returns the reason of a decline in its normal form: one line, NFC, without blanks around it.
// One that is too long or has a control character is refused with bad_request (R63).
func DeclineReason(reason string) (string, error) {
	reason = norm.NFC.String(strings.Join(strings.Fields(reason), " "))
	if n := utf8.RuneCountInString(reason); n > MaxDeclineReason {
		return "", &Refusal{Code: BadRequest, Got: n, Limit: MaxDeclineReason,
			Detail: "the reason is too long; shorten it, or leave it out"}
	}
	if strings.ContainsFunc(reason, unicode.IsControl) {
		return "", Refuse(BadRequest, "the reason has a control character; remove it")
	}
	return reason, nil
}

// decline moves a live, unanswered InMail to Declined; declining opens (R63). A second decline changes
// nothing. The caller stores the reason.
func (m *InMail) decline(now time.Time) ([]Receipt, error) {
	if m.Status == Declined {
		return nil, nil
	}
	if err := m.Gone(now); err != nil {
		return nil, err
	}
	if m.Status == Replied {
		return nil, Refuse(Conflict, "you have answered this InMail already; an answered InMail cannot be declined")
	}
	var receipts []Receipt
	if m.Status == Sent {
		m.OpenedAt = now
		receipts = m.reach(now, "", Opened)
	}
	m.DeclinedAt = now
	return append(receipts, m.reach(now, "", Declined)...), nil
}

// declined refuses an InMail to a member who declined one of the same sender at declinedAt less than days
// days before now; nil lets it pass. The zero time is no decline, and with 0 days none counts (R63).
func declined(now, declinedAt time.Time, days int) *Refusal {
	until := declinedAt.Add(time.Duration(days) * 24 * time.Hour)
	if declinedAt.IsZero() || !now.Before(until) {
		return nil
	}
	r := Refuse(DeclinedCode, "this member declined an earlier InMail of this sender; a new one may be sent from %s on",
		until.Format(time.RFC3339))
	r.Until = until
	return r
}
