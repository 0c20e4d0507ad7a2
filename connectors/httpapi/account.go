package httpapi

import (
	"context"
	"net/http"

	"inmail/domain"
	"inmail/domain/spam"
)

// account computes what a member may still send: its credits (R08) and its standing (R43).
type account interface {
	Credits(ctx context.Context, member domain.MemberID) (domain.Member, domain.Credits, error)
	Standing(ctx context.Context, member domain.MemberID) (spam.Standing, error)
}

func (a *API) accountEndpoints() []endpoint {
	notThere := []domain.Code{domain.NotFound}
	return []endpoint{
		gives(endpoint{method: "GET", path: "/v1/credits", name: "getCredits", group: "Account", access: memberOnly,
			status: http.StatusOK,
			does:   "Show what is left to send in this period (R02 to R11)",
			more: "Computed for the moment of the call: used are the deliveries of the period, in_flight what was " +
				"accepted and is still on its way.", refuses: notThere}, (*call).credits),
		gives(endpoint{method: "GET", path: "/v1/standing", name: "getStanding", group: "Account", access: memberOnly,
			status: http.StatusOK,
			does:   "Show how near each limit is, and the restriction in force (R43)",
			more: "Each limit on behaviour with its value now, what is left and when it eases; a warning says what is " +
				"not a limit yet.", refuses: notThere},
			(*call).standing),
	}
}

// credits are computed for the moment they are asked for (R08).
type credits struct {
	AccountType string `json:"account_type,omitempty" doc:"not in a preflight" list:"account_type" example:"premium_business"`
	Plan        string `json:"plan,omitempty" doc:"not in a preflight" example:"premium_business_10"`
	Allowance   int    `json:"allowance" example:"10"`
	Carried     int    `json:"carried" doc:"from earlier periods (R09, R11)" example:"0"`
	Used        int    `json:"used" doc:"one for each delivered InMail of the period (R10)" example:"3"`
	InFlight    int    `json:"in_flight" doc:"accepted and not yet delivered" example:"1"`
	Remaining   int    `json:"remaining" doc:"allowance + carried - used, never below 0" example:"7"`
	PeriodStart stamp  `json:"period_start"`
	PeriodEnd   stamp  `json:"period_end" doc:"already belongs to the next period"`
}

func creditsOf(c domain.Credits) *credits {
	return &credits{Allowance: c.Allowance, Carried: c.Carried, Used: c.Used, InFlight: c.InFlight,
		Remaining: c.Remaining, PeriodStart: stamp(c.PeriodStart), PeriodEnd: stamp(c.PeriodEnd)}
}

func (c *call) credits() (*credits, error) {
	m, found, err := c.api.Service.Credits(c.ctx, c.viewer.Member)
	answer := creditsOf(found)
	answer.AccountType, answer.Plan = string(m.AccountType), m.Plan
	return answer, err
}

type standingAnswer struct {
	Restricted *restricted `json:"restricted" doc:"null: no restriction is in force"`
	Triggers   []nearness  `json:"triggers" doc:"one for each limit (R41)"`
	Warnings   []warning   `json:"warnings" doc:"what is not a limit yet"`
}

// restricted is the restriction in force.
type restricted struct {
	Trigger string `json:"trigger" list:"trigger" example:"volume_hour"`
	Until   stamp  `json:"until"`
}

// nearness is how near a member is to one limit.
type nearness struct {
	Trigger  string  `json:"trigger" list:"trigger" example:"volume_hour"`
	Value    float64 `json:"value" example:"12"`
	Limit    float64 `json:"limit" example:"20"`
	Headroom float64 `json:"headroom" doc:"how many more pass before one triggers, at least" example:"8"`
	EasesAt  *stamp  `json:"eases_at" doc:"when it gets better by itself; null: there is nothing to ease"`
}

type warning struct {
	Code   string `json:"code" doc:"even_cadence, similar_bodies" example:"even_cadence"`
	Detail string `json:"detail" example:"the gaps between your sends are almost the same"`
}

func (c *call) standing() (standingAnswer, error) {
	s, err := c.api.Service.Standing(c.ctx, c.viewer.Member)
	if err != nil {
		return standingAnswer{}, err
	}
	answer := standingAnswer{Triggers: make([]nearness, 0, len(s.Triggers)),
		Warnings: make([]warning, 0, len(s.Warnings))}
	if s.Restricted != nil {
		answer.Restricted = &restricted{Trigger: s.Restricted.Trigger, Until: stamp(s.Restricted.Until)}
	}
	for _, n := range s.Triggers {
		answer.Triggers = append(answer.Triggers,
			nearness{Trigger: n.Trigger, Value: n.Value, Limit: n.Limit, Headroom: n.Headroom,
				EasesAt: stampOrNull(n.EasesAt)})
	}
	for _, w := range s.Warnings {
		answer.Warnings = append(answer.Warnings, warning{Code: w.Code, Detail: w.Text})
	}
	return answer, nil
}
