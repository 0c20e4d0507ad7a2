package domain

import (
	"fmt"
	"strings"
	"time"
)

// Code is the reason of a refusal, in the words of the rules. It is itself an error, so errors.Is(err,
// BodyTooLong) is true for every Refusal with that code.
type Code string

// The codes of refused sends, in the order in which they are judged and reported (R21).
const (
	Restricted            Code = "restricted"               // R42
	NoCredits             Code = "no_credits"               // R02, R03, R10
	Self                  Code = "self"                     // R13
	UnknownSender         Code = "unknown_sender"           // R13
	UnknownRecipient      Code = "unknown_recipient"        // R13
	Connected             Code = "connected"                // R12
	ProfileNotVisible     Code = "profile_not_visible"      // R14
	OptedOut              Code = "opted_out"                // R15
	Blocked               Code = "blocked"                  // R16
	Banned                Code = "banned"                   // R17
	DeclinedCode          Code = "declined"                 // R63
	RecipientBusy         Code = "recipient_busy"           // R65
	AwaitingReply         Code = "awaiting_reply"           // R20
	SubjectRequired       Code = "subject_required"         // R22
	SubjectTooLong        Code = "subject_too_long"         // R22
	BodyRequired          Code = "body_required"            // R23
	BodyTooLong           Code = "body_too_long"            // R23
	LinkNotAllowed        Code = "link_not_allowed"         // R25
	ImageNotSupported     Code = "image_not_supported"      // R26
	AttachmentUnsupported Code = "attachment_not_supported" // R26
	SpamContent           Code = "spam_content"             // R42
)

// The other codes with which a use case can refuse.
const (
	RecipientUnavailable Code = "recipient_unavailable" // shown to a sender in place of a hidden code (R18)
	IdempotencyConflict  Code = "idempotency_conflict"  // R28
	TooLate              Code = "too_late"              // R34
	AlreadyOpened        Code = "already_opened"        // R37
	ExpiredCode          Code = "expired"               // R32
	RetractedCode        Code = "retracted"             // R36, R37
	TooOld               Code = "too_old"               // R61: the reason of a failed InMail
	Restored             Code = "restored"              // R61: the reason of one that was queued in a backup
	InvalidTags          Code = "invalid_tags"          // R56
	BadRequest           Code = "bad_request"
	NotFound             Code = "not_found"
	Forbidden            Code = "forbidden"
	Conflict             Code = "conflict"
)

// refusals lists the codes in the order of R21, in which they are judged and reported. A sender is shown
// recipient_unavailable in place of a hidden code (R18).
var refusals = []struct {
	code   Code
	hidden bool
}{
	{code: Restricted}, {code: NoCredits}, {code: Self}, {code: UnknownSender}, {code: UnknownRecipient}, {code: Connected},
	{code: ProfileNotVisible}, {code: OptedOut, hidden: true}, {code: Blocked, hidden: true}, {code: Banned, hidden: true},
	{code: DeclinedCode, hidden: true}, {code: RecipientBusy, hidden: true}, {code: AwaitingReply}, {code: SubjectRequired}, {code: SubjectTooLong}, {code: BodyRequired}, {code: BodyTooLong},
	{code: LinkNotAllowed}, {code: ImageNotSupported}, {code: AttachmentUnsupported}, {code: SpamContent},
}

// RefusalCodes returns every code that a send can be refused with, in the order of R21. The metrics create a
// series for each at start, so that the first refusal of a kind is an increase.
func RefusalCodes() []Code {
	var codes []Code
	for _, r := range refusals {
		codes = append(codes, r.code)
	}
	return codes
}

// OneOf returns the values of a closed list as text: "basic, recruiter".
func OneOf[S ~string](values []S) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}

// Error returns the code itself.
func (c Code) Error() string { return string(c) }

// ForSender returns the code that a sender is shown: recipient_unavailable for a hidden code, so that
// blocked, opted out and banned look the same; else c (R18).
func (c Code) ForSender() Code {
	for _, r := range refusals {
		if r.code == c && r.hidden {
			return RecipientUnavailable
		}
	}
	return c
}

// Refusal is an answer and not a fault: what was wrong, the value, the limit and what to do. It is never
// retried and never logged as an error.
type Refusal struct {
	Code   Code
	Got    int       // the value that passed Limit
	Limit  int       // 0: the rule has none
	Until  time.Time // when a restriction ends (R42), or a decline or busy recipient allows the next, UTC; else zero
	Detail string    // what was wrong and what to do, for people; never quotes a text (R27)
}

// Refuse returns a Refusal with its text for people.
func Refuse(code Code, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Error returns the code and the text for people.
func (r *Refusal) Error() string { return string(r.Code) + ": " + r.Detail }

// Unwrap returns the code, for errors.Is.
func (r *Refusal) Unwrap() error { return r.Code }

// ForSender returns the refusal that a sender is shown (R18): with a hidden code it is recipient_unavailable,
// whatever the reason.
func (r *Refusal) ForSender() *Refusal {
	if r.Code.ForSender() == r.Code {
		return r
	}
	return Refuse(RecipientUnavailable, "this member cannot be reached by InMail; try another member or another way")
}
