package httpapi

import (
	"context"
	"encoding/json"
	"net/http"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// exporter gathers all data about a member.
type exporter interface {
	Export(ctx context.Context, id domain.MemberID) (mailroom.Export, error)
}

func (a *API) exportEndpoints() []endpoint {
	return []endpoint{gives(endpoint{
		method: "GET", path: "/v1/members/{id}/export", name: "exportMember", held: true, group: "Members", access: operatorOnly,
		status: http.StatusOK,
		does:   "Export all data about a member as one document",
		more: "Nothing is opened by it (R31). Keys are without their secrets, refusals as the member may know them " +
			"(R18), and an InMail that was taken back unread is without its text (R36).",
		refuses: []domain.Code{domain.NotFound},
	}, (*call).exportMember)}
}

type exportView struct {
	ExportedAt   stamp             `json:"exported_at"`
	Member       memberView        `json:"member"`
	CreatedAt    stamp             `json:"created_at" doc:"when the member was made"`
	Credits      *credits          `json:"credits"`
	Periods      []exportedPeriod  `json:"periods" doc:"use of credits, oldest first"`
	Connections  []domain.MemberID `json:"connections" example:"[\"jo-berg\"]"`
	Blocks       []domain.MemberID `json:"blocks" doc:"whom it blocks (R16)" example:"[\"kim-falk\"]"`
	Banned       []banView         `json:"banned" doc:"entries of its id on the platform's list (R17)"`
	Keys         []keyView         `json:"keys"`
	Strikes      []stamp           `json:"strikes" doc:"R42, oldest first"`
	Restrictions []restrictionView `json:"restrictions" doc:"newest first"`
	Reports      []exportedReport  `json:"reports" doc:"of abuse, that it made (R44)"`
	InMails      []exportedInMail  `json:"inmails" doc:"sent and received, oldest first"`
}

type exportedPeriod struct {
	PeriodStart stamp `json:"period_start"`
	Used        int   `json:"used" example:"3"`
	Returned    int   `json:"returned" doc:"R11" example:"0"`
}

type exportedReport struct {
	InMail domain.ID `json:"inmail" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	At     stamp     `json:"at"`
	Reason string    `json:"reason" example:"Not a message, an advertisement"`
}

type exportedInMail struct {
	ID            domain.ID       `json:"id" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	From          person          `json:"from"`
	To            person          `json:"to"`
	Subject       string          `json:"subject" example:"Our talk at the fair in Hamburg"`
	Body          string          `json:"body" doc:"as it was sent" example:"Your question about **slots** stayed with me."`
	Status        domain.Status   `json:"status" example:"replied"`
	Reason        domain.Code     `json:"reason,omitempty" doc:"of refused and failed" example:"no_credits"`
	Tags          []string        `json:"tags" example:"[\"hamburg fair\"]"`
	Category      string          `json:"category" example:"follow_up"`
	AcceptedAt    stamp           `json:"accepted_at"`
	SentAt        *stamp          `json:"sent_at"`
	ExpiresAt     *stamp          `json:"expires_at"`
	PreviewedAt   *stamp          `json:"previewed_at"`
	OpenedAt      *stamp          `json:"opened_at"`
	RepliedAt     *stamp          `json:"replied_at"`
	DeclinedAt    *stamp          `json:"declined_at" doc:"R63"`
	DeclineReason string          `json:"decline_reason,omitempty" example:"We have chosen a supplier already."`
	EndedAt       *stamp          `json:"ended_at" doc:"when it was refused, failed, expired or retracted"`
	Receipts      []receipt       `json:"receipts" doc:"of what the member sent"`
	Replies       []exportedReply `json:"replies" doc:"oldest first"`
}

type exportedReply struct {
	ID        domain.ID       `json:"id" example:"019abf60-0000-7a31-9c55-0d6a3f6b7e21"`
	From      domain.MemberID `json:"from" example:"maria-lopez"`
	Body      string          `json:"body" example:"Tuesday at ten suits me."`
	Automatic bool            `json:"automatic" doc:"R64" example:"false"`
	At        stamp           `json:"at"`
}

func (c *call) exportMember() (exportView, error) {
	id, err := c.memberIn("id")
	if err != nil {
		return exportView{}, err
	}
	e, err := c.api.Service.Export(c.ctx, id)
	if err != nil {
		return exportView{}, err
	}
	return exportViewOf(e, c.api.AnchorDay), nil
}

// ExportDocument returns an export as the document that GET /v1/members/{id}/export answers, laid out for
// people. anchorDay is of members who have none of their own.
func ExportDocument(e mailroom.Export, anchorDay int) ([]byte, error) {
	return json.MarshalIndent(exportViewOf(e, anchorDay), "", "  ")
}

func exportViewOf(e mailroom.Export, anchorDay int) exportView {
	v := exportView{ExportedAt: stamp(e.At), Member: memberViewOf(e.Member, anchorDay), CreatedAt: stamp(e.Member.CreatedAt),
		Credits: creditsOf(e.Credits), Periods: []exportedPeriod{}, Connections: orEmpty(e.Holdings.Connections),
		Blocks: orEmpty(e.Holdings.Blocks), Banned: []banView{},
		Keys: []keyView{}, Strikes: []stamp{}, Restrictions: []restrictionView{}, Reports: []exportedReport{},
		InMails: []exportedInMail{}}
	v.Credits.AccountType, v.Credits.Plan = string(e.Member.AccountType), e.Member.Plan
	for _, p := range e.Holdings.Periods {
		v.Periods = append(v.Periods, exportedPeriod{stamp(p.Start), p.Used, p.Returned})
	}
	for _, b := range e.Holdings.Bans {
		v.Banned = append(v.Banned, banViewOf(b))
	}
	for _, k := range e.Holdings.Keys {
		v.Keys = append(v.Keys, keyViewOf(k))
	}
	for _, at := range e.Holdings.Strikes {
		v.Strikes = append(v.Strikes, stamp(at))
	}
	for _, r := range e.Restrictions {
		v.Restrictions = append(v.Restrictions, restrictionViewOf(r))
	}
	for _, r := range e.Holdings.Reports {
		v.Reports = append(v.Reports, exportedReport{r.InMail, stamp(r.At), r.Reason})
	}
	for _, x := range e.InMails {
		v.InMails = append(v.InMails, exportedInMailOf(x))
	}
	return v
}

func exportedInMailOf(x mailroom.ExportedInMail) exportedInMail {
	m := x.InMail
	v := exportedInMail{ID: m.ID, From: personOf(x.From), To: personOf(x.To), Subject: m.Subject, Body: m.Body,
		Status: x.Status, Reason: x.Reason, Tags: orEmpty(m.Tags), Category: m.Category,
		AcceptedAt: stamp(m.AcceptedAt), SentAt: stampOrNull(m.SentAt), ExpiresAt: stampOrNull(m.ExpiresAt),
		PreviewedAt: stampOrNull(m.PreviewedAt), OpenedAt: stampOrNull(m.OpenedAt),
		RepliedAt: stampOrNull(m.RepliedAt), DeclinedAt: stampOrNull(m.DeclinedAt), DeclineReason: m.DeclineReason,
		EndedAt:  stampOrNull(m.EndedAt),
		Receipts: []receipt{}, Replies: []exportedReply{}}
	for _, r := range x.Receipts {
		v.Receipts = append(v.Receipts, receipt{Seq: r.Seq, Status: r.Status, At: stamp(r.At), Reason: r.Reason})
	}
	for _, r := range x.Replies {
		v.Replies = append(v.Replies, exportedReply{ID: r.ID, From: r.From, Body: r.Body, Automatic: r.Automatic,
			At: stamp(r.At)})
	}
	return v
}

// orEmpty returns an empty list for nil, so that JSON has [] and not null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
