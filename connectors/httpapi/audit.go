package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/spam"
	"inmail/domain/strictjson"
)

// auditService reads the append-only list of decisions, and decides one again under other settings (R43).
type auditService interface {
	Audit(ctx context.Context, f mailroom.AuditFilter, p mailroom.Page) ([]mailroom.AuditEntry, error)
	Replay(ctx context.Context, id string, o mailroom.OtherSettings) (mailroom.Replayed, error)
}

func (a *API) auditEndpoints() []endpoint {
	return []endpoint{
		gives(endpoint{
			method: "GET", path: "/v1/audit", name: "listAudit", held: true, group: "Operators", access: operatorOnly,
			status: http.StatusOK,
			does:   "List the decisions, newest first, with all true codes of each attempt in R21's order (R18, R43), and the acts of operators (R70)",
			more: "What is given in the query is joined by and. No entry has a text of an InMail. Refused sends of one " +
				"sender with the same codes, and an operator's reads that are the same call by the same key from the same " +
				"address on the same member or InMail, are one entry for those of one minute: it describes the first, and " +
				"has their count and the time of the last. Of refusals for spam_content, those with the same verdict are. " +
				"Everything else is an entry each. Entries are kept for the days of the policy audit_days.",
			query: append(pageParameters(),
				parameter{name: "sender", doc: "only those on this member's sends, and acts on this member", schema: memberIDSchema()},
				parameter{name: "kind", doc: "only those of this kind; decided: all but acts", schema: schema{"type": "string", "enum": auditFilters()}}),
		}, (*call).audit),
		takes(endpoint{
			method: "POST", path: "/v1/audit/{id}/replay", name: "replayDecision", group: "Operators",
			access: operatorOnly, status: http.StatusOK,
			bodyOptional: true,
			does:         "Decide again under other settings what was decided, and change nothing (R43)",
			more: "Takes the id of a restriction, or of a send or delivery that was refused spam_content. What is " +
				"left out is as it was in force then. A restriction is decided again from what was known of its " +
				"sender; a refusal for spam_content from its score alone: its text is stored nowhere (R27), so no " +
				"other words, phrases or learning can be tried on it. Other decisions, and those on members who " +
				"were erased, keep nothing to decide again from: conflict.",
			refuses: []domain.Code{domain.NotFound, domain.Conflict},
		}, (*call).replayDecision),
	}
}

type auditEntry struct {
	ID        string          `json:"id" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	At        stamp           `json:"at"`
	Kind      string          `json:"kind" list:"audit_kind" example:"send"`
	InMail    domain.ID       `json:"inmail,omitempty" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	Sender    domain.MemberID `json:"sender,omitempty" example:"jo-berg"`
	Recipient domain.MemberID `json:"recipient,omitempty" example:"maria-lopez"`
	Refusals  []domain.Code   `json:"refusals" example:"[\"opted_out\"]"`
	By        string          `json:"by,omitempty" doc:"the key of the operator who acted"`
	Count     int             `json:"count" doc:"how many it stands for: itself and those like it until last_at" example:"1"`
	LastAt    stamp           `json:"last_at" doc:"when the last of them was"`
	Detail    json.RawMessage `json:"detail,omitempty" doc:"of a restriction trigger, signals, limits and version; of a refusal for spam_content its verdict (R43); of declined and recipient_busy when they end (R63, R65); of an act call, key_name, from and request_id (R70)"`
}

// auditFilters returns the kinds that a list can be cut down to.
func auditFilters() []string { return append(mailroom.AuditKinds(), mailroom.Decided) }

func (c *call) audit() (items[auditEntry], error) {
	p, err := auditList.page(c.query)
	if err != nil {
		return items[auditEntry]{}, err
	}
	sender := domain.MemberID(c.query.Get("sender"))
	if c.query.Has("sender") {
		if err := sender.Validate(); err != nil {
			return items[auditEntry]{}, strictjson.Under("sender", err)
		}
	}
	kind := c.query.Get("kind")
	if c.query.Has("kind") && !slices.Contains(auditFilters(), kind) {
		return items[auditEntry]{}, domain.Refuse(domain.BadRequest, "kind: one of %s", domain.OneOf(auditFilters()))
	}
	found, err := c.api.Service.Audit(c.ctx, mailroom.AuditFilter{Sender: sender, Kind: kind}, oneMore(p))
	if err != nil {
		return items[auditEntry]{}, err
	}
	return listOf(auditList, p, found, func(e mailroom.AuditEntry) auditEntry {
		shown := auditEntry{ID: e.ID, At: stamp(e.At), Kind: e.Kind, InMail: e.InMail, Sender: e.Sender,
			Recipient: e.Recipient, Refusals: e.Refusals, By: e.By, Count: e.Count, LastAt: stamp(e.LastAt), Detail: e.Detail}
		if shown.Refusals == nil {
			shown.Refusals = []domain.Code{}
		}
		return shown
	}, func(e mailroom.AuditEntry) mailroom.Cursor { return mailroom.Cursor{At: e.At, ID: e.ID} }), nil
}

// otherSettings are the settings that a decision is replayed under.
type otherSettings struct {
	VolumeHour   *int     `json:"volume_hour,omitempty" min:"1" max:"1000000" example:"30"`
	VolumeDay    *int     `json:"volume_day,omitempty" min:"1" max:"1000000" example:"60"`
	Strikes      *int     `json:"strikes,omitempty" min:"1" max:"1000" example:"3"`
	SimilarDay   *int     `json:"similar_day,omitempty" min:"1" max:"1000000" example:"12"`
	RegularGaps  *int     `json:"regular_gaps,omitempty" min:"2" max:"1000000" example:"10"`
	BurstMinute  *int     `json:"burst_minute,omitempty" min:"1" max:"1000000" example:"10"`
	ReportersMin *int     `json:"reporters_min,omitempty" min:"1" max:"1000" example:"3"`
	ReportShare  *float64 `json:"report_share,omitempty" min:"0" max:"1" example:"0.02"`
	RefuseScore  *float64 `json:"refuse_score,omitempty" min:"0" max:"1" doc:"of a refusal for spam_content alone; the others are of restrictions" example:"0.6"`
}

type replayAnswer struct {
	ID      string          `json:"id" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	At      stamp           `json:"at" doc:"when it was decided"`
	Kind    string          `json:"kind" example:"restrict"`
	Sender  domain.MemberID `json:"sender,omitempty" example:"jo-berg"`
	Version string          `json:"version" example:"behaviour/2"`
	Was     measured        `json:"was"`
	Would   *measured       `json:"would" doc:"null: it would have passed"`
	Limits  *limitsView     `json:"limits" doc:"that it was replayed under; null for a refusal for spam_content"`
	Whole   bool            `json:"whole" doc:"false: a limit counts more sends than were kept, so that one which passes is likely and not certain" example:"true"`
}

// measured is a value against its limit.
type measured struct {
	Trigger string  `json:"trigger" doc:"or spam_content" example:"volume_hour"`
	Value   float64 `json:"value" example:"21"`
	Limit   float64 `json:"limit" example:"20"`
}

// limitsView are the limits of R41.
type limitsView struct {
	VolumeHour   int     `json:"volume_hour" example:"30"`
	VolumeDay    int     `json:"volume_day" example:"40"`
	Strikes      int     `json:"strikes" example:"3"`
	SimilarDay   int     `json:"similar_day" example:"12"`
	RegularGaps  int     `json:"regular_gaps" example:"10"`
	BurstMinute  int     `json:"burst_minute" example:"10"`
	ReportersMin int     `json:"reporters_min" example:"3"`
	ReportShare  float64 `json:"report_share" example:"0.02"`
}

func (c *call) replayDecision(in *otherSettings) (replayAnswer, error) {
	id := c.r.PathValue("id")
	if mailroom.CheckText(id) != nil {
		return replayAnswer{}, domain.Refuse(domain.NotFound, "there is no such decision")
	}
	r, err := c.api.Service.Replay(c.ctx, id, mailroom.OtherSettings(*in))
	if err != nil {
		return replayAnswer{}, err
	}
	answer := replayAnswer{ID: r.ID, At: stamp(r.At), Kind: r.Kind, Sender: r.Sender, Version: r.Version,
		Was: measuredOf(r.Was), Whole: r.Whole}
	if r.Would != nil {
		would := measuredOf(*r.Would)
		answer.Would = &would
	}
	if r.Limits != nil {
		limits := limitsView(*r.Limits)
		answer.Limits = &limits
	}
	return answer, nil
}

func measuredOf(t spam.Trigger) measured {
	return measured{Trigger: t.Name, Value: t.Value, Limit: t.Limit}
}
