package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/rates"
)

// analyticsService computes the open and response rates (R57, R58).
type analyticsService interface {
	Analytics(ctx context.Context, v mailroom.Viewer, by string, from, to time.Time) (mailroom.Report, error)
	Compare(ctx context.Context, v mailroom.Viewer, by string, keys [2]string,
		from, to time.Time) (mailroom.RateComparison, error)
}

func (a *API) analyticsEndpoints() []endpoint {
	weeks := []parameter{
		{name: "from", doc: "the first week: the whole ISO week that holds this time or date, in UTC",
			schema: schema{"type": "string", "examples": []any{"2026-11-01"}}},
		{name: "to", doc: "the last week: the whole ISO week that holds this time or date, in UTC",
			schema: schema{"type": "string", "examples": []any{"2026-11-30T00:00:00Z"}}},
	}
	return []endpoint{gives(endpoint{
		method: "GET", path: "/v1/analytics", name: "getAnalytics", group: "Analytics", access: anyKey,
		status: http.StatusOK,
		does:   "Report open and response rates by one cut (R57 to R59, R62)",
		more: "Rates are null until complete; in cuts other than week they are over the complete weeks. opened, " +
			"replied, declined and retracted count every InMail that ever was, so they overlap. Cut by tag, category " +
			"or sender, a member gets the figures of its own sends alone (R69); the other cuts are the " +
			"platform's. Counts are kept by ISO week of sending (UTC): a from or to inside a week takes the " +
			"whole week, its first days or its last too.",
		query: append([]parameter{{name: "by", doc: "the cut",
			schema: schema{"type": "string", "enum": mailroom.Cuts(), "default": mailroom.CutByWeek}}}, weeks...),
	}, (*call).analytics), gives(endpoint{
		method: "GET", path: "/v1/analytics/tags/{tag}/{against}", name: "compareTags", group: "Analytics", access: anyKey,
		status: http.StatusOK,
		does:   "Compare the open and response rates of two tags",
		more: "Over the complete weeks in which InMails of both were sent, week by week. The intervals are anytime-valid: " +
			"looking every day until there is a winner finds a false one in at most 5 of 100 comparisons of equal tags. " +
			"A difference is null while there is no such week. An InMail with both tags counts for both. A member " +
			"compares its own sends alone (R69).",
		query: weeks,
	}, (*call).compareTags)}
}

// difference is how much higher a rate is here than there.
type difference struct {
	Value   float64       `json:"value" doc:"in parts of 1: 0.08 is eight points of a hundred" example:"0.08"`
	Low     float64       `json:"low" doc:"of the anytime-valid 95 % interval" example:"-0.031"`
	High    float64       `json:"high" example:"0.191"`
	Verdict rates.Verdict `json:"verdict" list:"verdict" doc:"cannot_tell: with this many the two cannot be told apart" example:"cannot_tell"`
	Of      []int         `json:"of" doc:"the deliveries that are compared: here and there" example:"[140, 152]"`
}

func differenceOrNull(d *rates.Difference) *difference {
	if d == nil {
		return nil
	}
	return &difference{Value: d.Value, Low: d.Low, High: d.High, Verdict: d.Verdict(), Of: d.Of[:]}
}

type comparison struct {
	Definition         string      `json:"definition" example:"open_rate/1"`
	ResponseDefinition string      `json:"response_definition" example:"response_rate/1"`
	ResponseWindowDays int         `json:"response_window_days" example:"30"`
	Tags               []string    `json:"tags" doc:"normalised (R56); the differences are of the first to the second" example:"[\"spring\", \"fair\"]"`
	Open               *difference `json:"open_difference"`
	Response           *difference `json:"response_difference"`
}

func (c *call) compareTags() (comparison, error) {
	from, err := timeIn(c.query, "from")
	if err != nil {
		return comparison{}, err
	}
	to, err := timeIn(c.query, "to")
	if err != nil {
		return comparison{}, err
	}
	found, err := c.api.Service.Compare(c.ctx, c.viewer, "tag", [2]string{c.r.PathValue("tag"), c.r.PathValue("against")}, from, to)
	if err != nil {
		return comparison{}, err
	}
	return comparison{Definition: found.Open, ResponseDefinition: found.Response, ResponseWindowDays: found.WindowDays,
		Tags: found.Keys[:], Open: differenceOrNull(found.Differences.Open), Response: differenceOrNull(found.Differences.Response)}, nil
}

type analyticsAnswer struct {
	Definition         string    `json:"definition" example:"open_rate/1"`
	ResponseDefinition string    `json:"response_definition" example:"response_rate/1"`
	ResponseWindowDays int       `json:"response_window_days" example:"30"`
	By                 string    `json:"by" example:"week"`
	Rows               []rateRow `json:"rows"`
}

type rateRow struct {
	Key              string   `json:"key" example:"2026-W47"`
	Delivered        int      `json:"delivered" example:"40"`
	Opened           int      `json:"opened" example:"22"`
	Replied          int      `json:"replied" example:"9"`
	RepliedInTime    int      `json:"replied_in_time" doc:"first replies within the response window (R58)" example:"9"`
	Expired          int      `json:"expired" example:"15"`
	Retracted        int      `json:"retracted" example:"3"`
	Declined         int      `json:"declined" doc:"no responses (R63)" example:"1"`
	Pending          int      `json:"pending" doc:"unopened and live" example:"0"`
	OpenRate         *float64 `json:"open_rate" example:"0.55"`
	OpenRateLow      *float64 `json:"open_rate_low" doc:"of the 95 % Wilson interval" example:"0.3983"`
	OpenRateHigh     *float64 `json:"open_rate_high" example:"0.6929"`
	OpenOf           int      `json:"open_of" doc:"deliveries that the rate is of" example:"40"`
	ResponseRate     *float64 `json:"response_rate" example:"0.225"`
	ResponseRateLow  *float64 `json:"response_rate_low" example:"0.1232"`
	ResponseRateHigh *float64 `json:"response_rate_high" example:"0.3751"`
	ResponseOf       int      `json:"response_of" example:"40"`
	Complete         bool     `json:"complete" doc:"the open rate is final" example:"true"`
	ResponseComplete bool     `json:"response_complete" doc:"the response rate is final" example:"true"`

	OpenDifference     *difference `json:"open_difference,omitempty" doc:"by length and advice: to all InMails without it (R62); left out while there are no complete weeks with both"`
	ResponseDifference *difference `json:"response_difference,omitempty" doc:"as open_difference"`
}

func rateRowOf(r rates.Row) rateRow {
	row := rateRow{Key: r.Key, Delivered: r.Delivered, Opened: r.Opened, Replied: r.Replied, RepliedInTime: r.InTime,
		Expired: r.Expired, Retracted: r.Retracted, Declined: r.Declined, Pending: r.Pending, OpenOf: r.OpenOf, ResponseOf: r.ResponseOf,
		Complete: r.Complete, ResponseComplete: r.ResponseComplete}
	if r.Open != nil {
		row.OpenRate, row.OpenRateLow, row.OpenRateHigh = &r.Open.Value, &r.Open.Low, &r.Open.High
	}
	if r.Response != nil {
		row.ResponseRate = &r.Response.Value
		row.ResponseRateLow, row.ResponseRateHigh = &r.Response.Low, &r.Response.High
	}
	return row
}

func (c *call) analytics() (analyticsAnswer, error) {
	by := c.query.Get("by")
	if !c.query.Has("by") {
		by = mailroom.CutByWeek
	}
	if !slices.Contains(mailroom.Cuts(), by) {
		return analyticsAnswer{}, domain.Refuse(domain.BadRequest, "by: one of %s", domain.OneOf(mailroom.Cuts()))
	}
	from, err := timeIn(c.query, "from")
	if err != nil {
		return analyticsAnswer{}, err
	}
	to, err := timeIn(c.query, "to")
	if err != nil {
		return analyticsAnswer{}, err
	}
	report, err := c.api.Service.Analytics(c.ctx, c.viewer, by, from, to)
	if err != nil {
		return analyticsAnswer{}, err
	}
	answer := analyticsAnswer{Definition: report.Open, ResponseDefinition: report.Response,
		ResponseWindowDays: report.WindowDays, By: by, Rows: []rateRow{}}
	for _, r := range report.Rows {
		row := rateRowOf(r)
		to := report.ToOthers[r.Key]
		row.OpenDifference, row.ResponseDifference = differenceOrNull(to.Open), differenceOrNull(to.Response)
		answer.Rows = append(answer.Rows, row)
	}
	return answer, nil
}
