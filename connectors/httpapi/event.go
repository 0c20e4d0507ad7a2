package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// eventFeed returns what happened, for those who poll (R68).
type eventFeed interface {
	Feed(ctx context.Context, v mailroom.Viewer, after string, limit int) (mailroom.EventsPage, error)
}

func (a *API) eventEndpoints() []endpoint {
	return []endpoint{
		gives(endpoint{method: "GET", path: "/v1/events", name: "listEvents", group: "Events", access: anyKey, held: true,
			status: http.StatusOK,
			does:   "Read what happened, oldest first (R68)",
			more: "The events of the webhooks, with the same ids, as long as they are kept (policy events_keep_days). " +
				"Begin without after; then give after the last answer's. Nothing comes in later before an event that " +
				"was answered, so who goes on from there misses none. An operator gets all events, a member those of " +
				"the InMails that it sent and of its own restrictions; its page may have fewer items than limit, also " +
				"none, while more is true. 410: events after this one are kept no more.",
			query: []parameter{pageParameters()[0], {name: "after", doc: "after of the last answer, or the id of an event",
				schema: schema{"type": "string", "maxLength": 64, "examples": []any{"evt_0000000000003e8_019aaf6db1a0"}}}},
			refuses: []domain.Code{domain.ExpiredCode}}, (*call).events),
	}
}

// eventView is one event of the feed.
type eventView struct{ mailroom.EventView }

// MarshalJSON writes the body of the webhook with the id, which a webhook has in a header.
func (e eventView) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ID        string             `json:"id"`
		Type      mailroom.EventKind `json:"type"`
		Timestamp stamp              `json:"timestamp"`
		Data      any                `json:"data"`
	}{e.ID(), e.Kind, stamp(e.Timestamp), e.Data})
}

func (eventView) schema(c *components) schema {
	ref := schema{"$ref": "#/components/schemas/Event"}
	if _, done := c.schemas["Event"]; done {
		return ref
	}
	kind := c.enum(listName("event"), lists["event"])
	kind["examples"] = []any{"inmail.opened"}
	s := eventSchema(c, kind, c.union("EventData", c.of(reflect.TypeFor[mailroom.EventInMail](), ""),
		c.of(reflect.TypeFor[mailroom.EventRestriction](), "")))
	s["properties"].(schema)["id"] = schema{"type": "string", "examples": []any{"evt_0000000000003e8_019aaf6db1a0"},
		"description": "the webhook-id of the same event"}
	s["required"] = []string{"id", "type", "timestamp", "data"}
	c.schemas["Event"] = s
	return ref
}

// eventSchema describes type, timestamp and data of an event.
func eventSchema(c *components, kind, data schema) schema {
	return schema{"type": "object", "required": []string{"type", "timestamp", "data"}, "properties": schema{
		"type": kind, "timestamp": stamp{}.schema(c), "data": data}}
}

type eventsAnswer struct {
	Items []eventView `json:"items"`
	After *string     `json:"after" doc:"to be given with the next call; null: there was no event yet"`
	More  bool        `json:"more" doc:"there are further events now"`
}

func (c *call) events() (eventsAnswer, error) {
	limit, err := limitIn(c.query)
	if err != nil {
		return eventsAnswer{}, err
	}
	after := c.query.Get("after")
	page, err := c.api.Service.Feed(c.ctx, c.viewer, after, limit)
	if err != nil {
		return eventsAnswer{}, err
	}
	answer := eventsAnswer{Items: make([]eventView, len(page.Items)), More: page.More}
	for i, e := range page.Items {
		answer.Items[i] = eventView{e}
	}
	if page.Last != nil {
		after = page.Last.ID()
	}
	if after != "" {
		answer.After = &after
	}
	return answer, nil
}

// eventDoes says in one line what each kind of event is about.
var eventDoes = map[mailroom.EventKind]string{
	mailroom.InMailSent:       "An InMail was delivered",
	mailroom.InMailRefused:    "A rule refused an InMail at delivery (R21)",
	mailroom.InMailFailed:     "An InMail could not be delivered (R61)",
	mailroom.InMailOpened:     "The recipient opened it (R31)",
	mailroom.InMailReplied:    "The recipient answered for the first time (R39)",
	mailroom.InMailReply:      "A message of the conversation, by either side, automatic ones too (R40, R64)",
	mailroom.InMailDeclined:   "The recipient declined it (R63)",
	mailroom.InMailExpiring:   "Nobody has opened it, and it expires within 24 h (R32)",
	mailroom.InMailExpired:    "Nobody opened it in its time (R32)",
	mailroom.InMailRetracted:  "The sender took it back (R34)",
	mailroom.InMailTagged:     "Its tags were changed (R56)",
	mailroom.MemberRestricted: "A sender was restricted for a time (R41)",
	mailroom.CRMDeadLetter:    "A CRM refuses the InMail for good; it waits for a person (R53)",
	mailroom.WebhookTest:      "An operator tests the end point",
}

// webhooks describes what end points get, by kind of event (R68).
func (c *components) webhooks() schema {
	all := schema{}
	header := func(name, doc, example string) schema {
		return schema{"name": name, "in": "header", "required": true, "description": doc,
			"schema": schema{"type": "string", "examples": []any{example}}}
	}
	for _, kind := range mailroom.EventKinds() {
		s := eventSchema(c, schema{"type": "string", "const": string(kind), "examples": []any{string(kind)}},
			c.of(reflect.TypeOf(kind.EventSample()), ""))
		name := pascal(string(kind)) + "Event"
		example := c.example(s)
		c.schemas[name] = s
		all[string(kind)] = schema{"post": schema{
			"operationId": "on" + pascal(string(kind)), "security": []any{}, "tags": []string{"Events"}, "summary": eventDoes[kind],
			"description": "Signed as Standard Webhooks says, and sent until it is answered with a 2xx. The same event may " +
				"come twice, with the same webhook-id; those of one InMail come in their order.",
			"parameters": []any{
				header("webhook-id", "the event's id, the same at every try", "evt_0000000000003e8_019aaf6db1a0"),
				header("webhook-timestamp", "of this try, in seconds since 1970", "1795424400"),
				header("webhook-signature", "v1, and base64 of HMAC-SHA256 over id.timestamp.body; one for each secret "+
					"that holds, with blanks between", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
			},
			"requestBody": schema{"required": true,
				"content": schema{"application/json": schema{"example": example,
					"schema": schema{"$ref": "#/components/schemas/" + name}}}},
			"responses": schema{"2XX": schema{"description": "it was taken"},
				"410": schema{"description": "the end point is gone, and is switched off"}},
		}}
	}
	return all
}
