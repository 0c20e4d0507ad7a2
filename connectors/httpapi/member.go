package httpapi

import (
	"context"
	"errors"
	"net/http"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/richtext"
)

// memberService creates, changes, reads and erases members.
type memberService interface {
	PutMembers(ctx context.Context, ms []domain.Member) (errs []error, err error)
	ChangeMember(ctx context.Context, id domain.MemberID, change func(*domain.Member) error) (domain.Member, error)
	Member(ctx context.Context, id domain.MemberID) (domain.Member, error)
	Erase(ctx context.Context, v mailroom.Viewer, id domain.MemberID) error
}

func (a *API) memberEndpoints() []endpoint {
	const path = "/v1/members/{id}"
	return []endpoint{
		findMembersEndpoint(),
		takes(endpoint{
			method: "PUT", path: path, name: "putMember", group: "Members", access: operatorOnly, status: http.StatusOK,
			headers: []parameter{ifMatchParameter()}, refuses: []domain.Code{preconditionFailed},
			does: "Create or replace a member", more: "Only the name is needed; left out, the three flags are " +
				"true, the type is basic and texts are empty. A type without a plan gets its smallest.",
		}, (*call).putMember),
		gives(endpoint{
			method: "GET", path: path, name: "getMember", held: true, group: "Members", access: anyKey, status: http.StatusOK,
			does: "Show a member", more: "An operator gets all; a member, and an operator who acts for one, gets " +
				"the public part, which has no e-mail address (R01).",
			refuses: []domain.Code{domain.NotFound},
		}, (*call).getMember),
		takes(endpoint{
			method: "PATCH", path: path, name: "changeMember", group: "Members", access: anyKey, status: http.StatusOK,
			headers: []parameter{ifMatchParameter()},
			does:    "Change a part of a member", more: "A member may change its own accepts_inmail (R15), " +
				"profile_visible (R14) and max_week (R65). What is left out stays.",
			refuses: []domain.Code{domain.NotFound, domain.Forbidden, preconditionFailed},
		}, (*call).changeMember),
		gives(endpoint{
			method: "DELETE", path: path, name: "eraseMember", group: "Members", access: operatorOnly,
			status: http.StatusAccepted,
			does:   "Erase a member (R60)", more: "The member and its keys are unknown at once; every text, name " +
				"and id of it leaves the record, the queue and Salesforce soon after. Counts stay.",
			refuses: []domain.Code{domain.NotFound},
		}, (*call).eraseMember),
	}
}

// memberBody is a member as an operator stores it.
type memberBody struct {
	Name           string   `json:"name" example:"Maria López"`
	Headline       string   `json:"headline,omitempty" example:"Head of Procurement"`
	PhotoURL       string   `json:"photo_url,omitempty" example:"https://example.com/maria.jpg"`
	Company        string   `json:"company,omitempty" example:"Nordhafen Logistik"`
	Email          string   `json:"email,omitempty" doc:"used to find a Lead or Contact, shown to operators alone (R01)" example:"maria@example.com"`
	ProfileShared  *bool    `json:"profile_shared,omitempty" example:"true"`
	ProfileVisible *bool    `json:"profile_visible,omitempty" example:"true"`
	AcceptsInMail  *bool    `json:"accepts_inmail,omitempty" example:"true"`
	AccountType    string   `json:"account_type,omitempty" list:"account_type" example:"sales_navigator_team"`
	Plan           string   `json:"plan,omitempty" example:"sales_navigator_team_15"`
	AnchorDay      int      `json:"anchor_day,omitempty" min:"1" max:"31" doc:"day of the month on which the credit period begins (R08)" example:"15"`
	Team           string   `json:"team,omitempty" example:"North"`
	Skills         []string `json:"skills,omitempty" max:"100" example:"[\"Logistics\"]"`
	MaxWeek        int      `json:"max_week,omitempty" min:"0" max:"1000" doc:"InMails in 7 days that reach the member at most, where that is lower than the policy; 0: no own number (R65)" example:"5"`
}

func (b *memberBody) member(id domain.MemberID) domain.Member {
	m := domain.NewMember(id, b.Name)
	m.Headline, m.PhotoURL, m.Company, m.Email = b.Headline, b.PhotoURL, b.Company, domain.Email(b.Email)
	m.Plan, m.AnchorDay, m.Team, m.Skills, m.MaxWeek = b.Plan, b.AnchorDay, b.Team, b.Skills, b.MaxWeek
	if b.AccountType != "" {
		m.AccountType = domain.AccountType(b.AccountType)
	}
	set(&m.ProfileShared, b.ProfileShared)
	set(&m.ProfileVisible, b.ProfileVisible)
	set(&m.AcceptsInMail, b.AcceptsInMail)
	return m
}

// set changes a field to the given value; nil leaves it.
func set[T any](field *T, given *T) {
	if given != nil {
		*field = *given
	}
}

// memberView is a member as operators get it.
type memberView struct {
	ID             domain.MemberID `json:"id" example:"maria-lopez"`
	Name           string          `json:"name" example:"Maria López"`
	Headline       string          `json:"headline" example:"Head of Procurement"`
	PhotoURL       string          `json:"photo_url" example:"https://example.com/maria.jpg"`
	Company        string          `json:"company" example:"Nordhafen Logistik"`
	Email          string          `json:"email" example:"maria@example.com"`
	ProfileShared  bool            `json:"profile_shared" example:"true"`
	ProfileVisible bool            `json:"profile_visible" example:"true"`
	AcceptsInMail  bool            `json:"accepts_inmail" example:"true"`
	AccountType    string          `json:"account_type" list:"account_type" example:"sales_navigator_team"`
	Plan           string          `json:"plan" example:"sales_navigator_team_15"`
	AnchorDay      int             `json:"anchor_day" doc:"the member's own, or the policy's" example:"15"`
	Team           string          `json:"team" example:"North"`
	Skills         []string        `json:"skills" example:"[\"Logistics\"]"`
	MaxWeek        int             `json:"max_week" doc:"0: no own number (R65)" example:"5"`
}

// memberView shows all of a member; one without an anchor day has the policy's (R08).
func (c *call) memberView(m domain.Member) memberView { return memberViewOf(m, c.api.AnchorDay) }

// memberViewOf shows a member; anchorDay is the policy's, for one who has none of its own.
func memberViewOf(m domain.Member, anchorDay int) memberView {
	v := memberView{ID: m.ID, Name: m.Name, Headline: m.Headline, PhotoURL: m.PhotoURL, Company: m.Company,
		Email: m.Email.Reveal(), ProfileShared: m.ProfileShared, ProfileVisible: m.ProfileVisible,
		AcceptsInMail: m.AcceptsInMail,
		AccountType:   string(m.AccountType), Plan: m.Plan, AnchorDay: m.AnchorDay, Team: m.Team, Skills: m.Skills,
		MaxWeek: m.MaxWeek}
	if v.AnchorDay == 0 {
		v.AnchorDay = anchorDay
	}
	if v.Skills == nil {
		v.Skills = []string{}
	}
	return v
}

// publicMember is all that one member gets of another: no e-mail address, no account (R01).
type publicMember struct {
	ID       domain.MemberID `json:"id" example:"maria-lopez"`
	Name     string          `json:"name" example:"Maria López"`
	Headline string          `json:"headline" example:"Head of Procurement"`
	PhotoURL string          `json:"photo_url" example:"https://example.com/maria.jpg"`
	Company  string          `json:"company" example:"Nordhafen Logistik"`
}

// publicOf returns the public part of a member, its texts as lines (F38).
func publicOf(m domain.Member) publicMember {
	return publicMember{ID: m.ID, Name: richtext.Line(m.Name), Headline: richtext.Line(m.Headline),
		PhotoURL: m.PhotoURL, Company: richtext.Line(m.Company)}
}

// memberFor returns all of a member for an operator, and the public part for anybody else (R01).
func (c *call) memberFor(m domain.Member) either[memberView, publicMember] {
	if c.viewer.Operator {
		return first[memberView, publicMember](c.memberView(m))
	}
	return second[memberView](
		publicOf(m))
}

func (c *call) putMember(in *memberBody) (memberView, error) {
	id, err := c.memberIn("id")
	if err != nil {
		return memberView{}, err
	}
	if len(c.ifMatch()) > 0 {
		return c.replaceMember(id, in)
	}
	members := []domain.Member{in.member(id)}
	errs, err := c.api.Service.PutMembers(c.ctx, members)
	if err == nil {
		err = errs[0]
	}
	if err == nil {
		c.showVersion(members[0])
	}
	return c.memberView(members[0]), err
}

// replaceMember replaces a member that has the version which the caller read.
func (c *call) replaceMember(id domain.MemberID, in *memberBody) (memberView, error) {
	m, err := c.api.Service.ChangeMember(c.ctx, id, func(m *domain.Member) error {
		if err := c.unchanged(*m); err != nil {
			return err
		}
		made := m.CreatedAt
		*m = in.member(id)
		m.CreatedAt = made
		return nil
	})
	if errors.Is(err, domain.NotFound) {
		return memberView{}, domain.Refuse(preconditionFailed, "there is no such member; leave If-Match out to create it")
	}
	if err != nil {
		return memberView{}, err
	}
	c.showVersion(m)
	return c.memberView(m), nil
}

func (c *call) getMember() (either[memberView, publicMember], error) {
	id, err := c.memberIn("id")
	if err != nil {
		return either[memberView, publicMember]{}, err
	}
	m, err := c.api.Service.Member(c.ctx, id)
	if err == nil {
		c.showVersion(m)
	}
	return c.memberFor(m), err
}

// memberChange is a part of a member; what is left out stays.
type memberChange struct {
	Name           *string   `json:"name,omitempty" example:"Maria López"`
	Headline       *string   `json:"headline,omitempty" example:"Head of Procurement"`
	PhotoURL       *string   `json:"photo_url,omitempty" example:"https://example.com/maria.jpg"`
	Company        *string   `json:"company,omitempty" example:"Nordhafen Logistik"`
	Email          *string   `json:"email,omitempty" example:"maria@example.com"`
	ProfileShared  *bool     `json:"profile_shared,omitempty" example:"true"`
	ProfileVisible *bool     `json:"profile_visible,omitempty" doc:"a member may change its own" example:"true"`
	AcceptsInMail  *bool     `json:"accepts_inmail,omitempty" doc:"a member may change its own" example:"false"`
	AccountType    *string   `json:"account_type,omitempty" list:"account_type" example:"recruiter"`
	Plan           *string   `json:"plan,omitempty" example:"recruiter_35"`
	AnchorDay      *int      `json:"anchor_day,omitempty" min:"1" max:"31" example:"15"`
	Team           *string   `json:"team,omitempty" example:"North"`
	Skills         *[]string `json:"skills,omitempty" max:"100" example:"[\"Logistics\"]"`
	MaxWeek        *int      `json:"max_week,omitempty" min:"0" max:"1000" doc:"a member may change its own (R65)" example:"5"`
}

// ownOnly is true when the change has only fields that a member may change of itself (R14, R15, R65).
func (b memberChange) ownOnly() bool {
	return b.Name == nil && b.Headline == nil && b.PhotoURL == nil && b.Company == nil && b.Email == nil &&
		b.ProfileShared == nil &&
		b.AccountType == nil && b.Plan == nil && b.AnchorDay == nil && b.Team == nil && b.Skills == nil
}

func (b memberChange) apply(m *domain.Member) error {
	set(&m.Name, b.Name)
	set(&m.Headline, b.Headline)
	set(&m.PhotoURL, b.PhotoURL)
	set(&m.Company, b.Company)
	set(&m.Email, (*domain.Email)(b.Email))
	set(&m.ProfileShared, b.ProfileShared)
	set(&m.ProfileVisible, b.ProfileVisible)
	set(&m.AcceptsInMail, b.AcceptsInMail)
	set(&m.AccountType, (*domain.AccountType)(b.AccountType))
	set(&m.Plan, b.Plan)
	set(&m.AnchorDay, b.AnchorDay)
	set(&m.Team, b.Team)
	set(&m.Skills, b.Skills)
	set(&m.MaxWeek, b.MaxWeek)
	return nil
}

func (c *call) changeMember(in *memberChange) (either[memberView, publicMember], error) {
	var none either[memberView, publicMember]
	id, err := c.memberIn("id")
	if err != nil {
		return none, err
	}
	m, err := c.api.Service.ChangeMember(c.ctx, id, func(m *domain.Member) error {
		if !c.viewer.Operator && (c.viewer.Member != m.ID || !in.ownOnly()) {
			return domain.Refuse(domain.Forbidden, "a member may change its own accepts_inmail, "+
				"profile_visible and max_week; the rest is an operator's")
		}
		if err := c.unchanged(*m); err != nil {
			return err
		}
		return in.apply(m)
	})
	if err != nil {
		return none, err
	}
	c.showVersion(m)
	return c.memberFor(m), nil
}

type erasure struct {
	Status string `json:"status" enum:"erasing" example:"erasing"`
}

// eraseMember forgets the member's keys in this process at once (R60).
func (c *call) eraseMember() (erasure, error) {
	id, err := c.memberIn("id")
	if err != nil {
		return erasure{}, err
	}
	err = c.api.Service.Erase(c.ctx, c.viewer, id)
	c.api.keys.forget(func(k mailroom.Key) bool { return k.Member == id })
	return erasure{"erasing"}, err
}
