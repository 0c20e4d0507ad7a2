package domain

import (
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/cases"

	"inmail/domain/richtext"
)

// MemberID identifies a member: 1..64 characters of A-Z a-z 0-9 . _ : - (API.md). Members are addressed only
// by it, never by an e-mail address (R01).
type MemberID string

// Erased replaces the id of a member who was erased (R60). No member can have this id: Validate refuses it.
const Erased MemberID = "erased"

// MaxMemberID is the longest member id, in bytes.
const MaxMemberID = 64

// Validate refuses an invalid id with bad_request.
func (id MemberID) Validate() error {
	if id == Erased {
		return Refuse(BadRequest, "member id %q is kept for members who were erased; choose another", Erased)
	}
	if id == "." || id == ".." {
		return Refuse(BadRequest, "member id %q is a step in a path, no name; choose another", string(id))
	}
	if len(id) < 1 || len(id) > MaxMemberID {
		return &Refusal{Code: BadRequest, Got: len(id), Limit: MaxMemberID,
			Detail: "a member id has 1 to 64 of A-Z a-z 0-9 . _ : -"}
	}
	for _, c := range []byte(id) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("._:-", c) >= 0) {
			return Refuse(BadRequest, "a member id has only A-Z a-z 0-9 . _ : -")
		}
	}
	return nil
}

// Email is a member's e-mail address. It prints as a placeholder, so that no log, error, answer or task
// contains an address by accident (R01). Reveal returns the address.
type Email string

// String hides the address.
func (Email) String() string { return "[e-mail]" }

// GoString hides the address from %#v.
func (Email) GoString() string { return "[e-mail]" }

// MarshalText hides the address from JSON, logs and other encodings as text.
func (Email) MarshalText() ([]byte, error) { return []byte("[e-mail]"), nil }

// Reveal returns the address. It is called only by the record, which stores it, by the operator's view of a
// member, and by the matching of a CRM.
func (e Email) Reveal() string { return string(e) }

// Member is a person of the network with the account that pays for InMails.
type Member struct {
	ID             MemberID
	Name           string
	Headline       string
	PhotoURL       string
	Company        string
	Email          Email
	ProfileShared  bool // R14
	ProfileVisible bool // R14
	AcceptsInMail  bool // R15
	AccountType    AccountType
	Plan           string // a name of Plans, for instance sales_navigator_team_15
	AnchorDay      int    // day of the month on which the credit period begins, 1..31; 0: the policy's (R08)
	Team           string
	Skills         []string
	MaxWeek        int       // InMails in 7 days that it wants at most; 0: the policy's (R65)
	CreatedAt      time.Time // when the account was created: no credit is carried from before (R09)
}

// NewMember returns a member with the defaults of API.md.
func NewMember(id MemberID, name string) Member {
	return Member{ID: id, Name: name, ProfileShared: true, ProfileVisible: true, AcceptsInMail: true, AccountType: Basic}
}

// The limits of a member's texts, in bytes, and of the number of its skills. People stay far below them.
const (
	maxName     = 200
	maxText     = 1000
	maxSkills   = 100
	maxEmailLen = 254
)

// CheckPhotoURL refuses a photo that readers should not fetch: it is an https URL with a host and without a
// user, or empty.
func CheckPhotoURL(photo string) error {
	if photo == "" {
		return nil
	}
	if u, err := url.Parse(photo); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return Refuse(BadRequest, "photo_url is an https URL, such as https://example.com/maria.jpg, or empty")
	}
	return nil
}

// Validate checks a member and sets its plan: without a plan the smallest one of the account type; a plan of
// another type is refused (API.md).
func (m *Member) Validate(plans Plans) error {
	if err := m.ID.Validate(); err != nil {
		return err
	}
	if strings.TrimSpace(richtext.Line(m.Name)) == "" {
		return Refuse(BadRequest, "name is required")
	}
	for _, f := range []struct {
		name, value string
		limit       int
	}{{"name", m.Name, maxName}, {"headline", m.Headline, maxText}, {"photo_url", m.PhotoURL, maxText},
		{"company", m.Company, maxText}, {"team", m.Team, maxText}, {"email", m.Email.Reveal(), maxEmailLen}} {
		if len(f.value) > f.limit {
			return &Refusal{Code: BadRequest, Got: len(f.value), Limit: f.limit,
				Detail: f.name + " is too long; shorten it"}
		}
	}
	if len(m.Skills) > maxSkills {
		return &Refusal{Code: BadRequest, Got: len(m.Skills), Limit: maxSkills, Detail: "too many skills"}
	}
	for _, s := range m.Skills {
		if len(s) > maxName {
			return &Refusal{Code: BadRequest, Got: len(s), Limit: maxName, Detail: "a skill is too long"}
		}
	}
	if m.AnchorDay < 0 || m.AnchorDay > 31 {
		return &Refusal{Code: BadRequest, Got: m.AnchorDay, Limit: 31, Detail: "anchor_day is a day of the month, 1 to 31"}
	}
	if m.MaxWeek < 0 || m.MaxWeek > MaxWeek {
		return &Refusal{Code: BadRequest, Got: m.MaxWeek, Limit: MaxWeek,
			Detail: "max_week is a number of InMails in 7 days, 1 to 1000, or 0 for none of its own"}
	}
	if !slices.Contains(AccountTypes(), m.AccountType) {
		return Refuse(BadRequest, "account_type is one of %s", OneOf(AccountTypes()))
	}
	if m.Plan == "" {
		m.Plan = plans.Smallest(m.AccountType)
		return nil
	}
	p, ok := plans[m.Plan]
	if !ok {
		return Refuse(BadRequest, "plan is not known; an account of type %s has one of: %s", m.AccountType, strings.Join(plans.Of(m.AccountType), ", "))
	}
	if p.AccountType != m.AccountType {
		return Refuse(BadRequest, "plan %s is of type %s; an account of type %s has one of: %s",
			m.Plan, p.AccountType, m.AccountType, strings.Join(plans.Of(m.AccountType), ", "))
	}
	return nil
}

// CheckName refuses, with bad_request, a member's name with a control character (F38). It is apart from
// Validate, so that a member who was stored with one before can still be changed.
func CheckName(name string) error {
	for _, r := range name {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return Refuse(BadRequest, "name has the control character %U; remove it", r)
		}
	}
	return nil
}

// BanKind is what an entry of the banned list names: a member or a company (R17).
type BanKind string

// The kinds of entries in the banned list.
const (
	BanMember  BanKind = "member"
	BanCompany BanKind = "company"
)

// BanKinds returns all kinds.
func BanKinds() []BanKind { return []BanKind{BanMember, BanCompany} }

// Ban is an entry of the platform's banned list: nobody may send InMails to that member or company (R17).
type Ban struct {
	Kind   BanKind
	Value  string // a member id, or a company's name as it was given
	Reason string
	By     string // the id of the API key that made the entry
	At     time.Time
}

// FoldCompany returns a company's name as the banned list compares it: case-folded, with single blanks (R17).
func FoldCompany(name string) string {
	return cases.Fold().String(strings.Join(strings.Fields(name), " "))
}
