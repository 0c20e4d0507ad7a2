package httpapi

import (
	"context"
	"net/http"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// webhookService keeps the end points that get events (R68).
type webhookService interface {
	CreateWebhook(ctx context.Context, v mailroom.Viewer, c mailroom.WebhookChange) (mailroom.Webhook, string, error)
	Webhooks(ctx context.Context) ([]mailroom.Webhook, error)
	Webhook(ctx context.Context, id string) (mailroom.Webhook, error)
	ChangeWebhook(ctx context.Context, v mailroom.Viewer, id string, c mailroom.WebhookChange) (mailroom.Webhook, error)
	DeleteWebhook(ctx context.Context, id string) error
	TestWebhook(ctx context.Context, id string) (event string, err error)
	RotateWebhook(ctx context.Context, id string) (secret string, until time.Time, err error)
	ReplayWebhook(ctx context.Context, id string, from time.Time) error
	EnableWebhook(ctx context.Context, id string) error
	Deliveries(ctx context.Context, id string, p mailroom.Page) ([]mailroom.ListedDelivery, error)
}

func (a *API) webhookEndpoints() []endpoint {
	one := func(e endpoint) endpoint {
		e.path, e.group, e.access = "/v1/webhooks/{id}"+e.path, "Events", operatorOnly
		e.refuses = append(e.refuses, domain.NotFound)
		return e
	}
	return []endpoint{
		takes(endpoint{method: "POST", path: "/v1/webhooks", name: "createWebhook", group: "Events", access: operatorOnly,
			status: http.StatusCreated, does: "Make an end point that gets events from now on (R68)",
			more: "The secret is shown once; each event is signed by it as Standard Webhooks says. An event is sent until " +
				"it is taken with a 2xx within 10 s, those of one InMail in their order: again after 5 s, 30 s, 2 min, 10 " +
				"min, 30 min, 2 h, 6 h, then every 12 h. An end point that answers 410, or takes nothing for 5 days, is " +
				"switched off. Only https to public addresses, and no redirects.",
			refuses: []domain.Code{domain.Conflict}}, (*call).createWebhook),
		gives(endpoint{method: "GET", path: "/v1/webhooks", name: "listWebhooks", group: "Events", access: operatorOnly,
			status: http.StatusOK, does: "List the end points, oldest first",
			more: "All on one page, each with its state, its last try and what waits for it; never a secret."}, (*call).webhooks),
		gives(one(endpoint{method: "GET", name: "viewWebhook", status: http.StatusOK, does: "Show an end point",
			more: "Its state, its last try, since when it is down or off and why; never its secret."}),
			(*call).webhook),
		takes(one(endpoint{method: "PATCH", name: "changeWebhook", status: http.StatusOK,
			does: "Change an end point, or switch it off or on",
			more: "What is left out stays. Other kinds of event hold for the events from now on."}), (*call).changeWebhook),
		gives(one(endpoint{method: "DELETE", name: "deleteWebhook", status: http.StatusNoContent,
			does: "Delete an end point with what waits for it",
			more: "Nothing more is sent to it. To stop it for a while, set active to false instead."}), (*call).deleteWebhook),
		gives(one(endpoint{method: "POST", path: "/test", name: "testWebhook", status: http.StatusAccepted,
			does: "Send the event webhook.test, once, also to an end point that is off",
			more: "How it ended stands in the deliveries."}), (*call).testWebhook),
		gives(one(endpoint{method: "POST", path: "/rotate", name: "rotateWebhook", status: http.StatusOK,
			does: "Give an end point a new secret; the one before signs along for 24 h",
			more: "The new secret is shown this once. While both sign, a receiver that knows either of them verifies " +
				"each event."}), (*call).rotateWebhook),
		takes(one(endpoint{method: "POST", path: "/replay", name: "replayWebhook", status: http.StatusAccepted,
			does: "Send the events since a time once more, as far as they are kept",
			more: "Each event has the webhook-id of its first delivery, so a receiver can skip what " +
				"it has."}), (*call).replayWebhook),
		gives(one(endpoint{method: "POST", path: "/enable", name: "enableWebhook", status: http.StatusNoContent,
			does: "Switch an end point on; what waits is sent at once",
			more: "For an end point that an operator switched off, or that was because it took " +
				"nothing or answered 410."}), (*call).enableWebhook),
		gives(one(endpoint{method: "GET", path: "/deliveries", name: "listDeliveries", status: http.StatusOK,
			does: "List the deliveries to an end point, newest first",
			more: "A page may be shorter than limit while next_cursor is given.", query: pageParameters()}),
			(*call).deliveries),
	}
}

type webhookBody struct {
	URL    string              `json:"url" doc:"https, to a public address" example:"https://hooks.example.com/inmail"`
	Events []string            `json:"events" doc:"kinds of event, or *, inmail.*, member.*, crm.*" example:"[\"inmail.*\"]"`
	Name   *string             `json:"name,omitempty" doc:"for people; at most {MaxWebhookName} characters" example:"warehouse"`
	Text   *domain.WebhookText `json:"text,omitempty" doc:"texts of the InMail, at most as the policy webhook_text says; left out: as it says" list:"webhook_text" example:"none"`
}

type webhookChange struct {
	URL    *string             `json:"url,omitempty" example:"https://hooks.example.com/inmail"`
	Events []string            `json:"events,omitempty" example:"[\"inmail.*\"]"`
	Name   *string             `json:"name,omitempty" example:"warehouse"`
	Text   *domain.WebhookText `json:"text,omitempty" list:"webhook_text" example:"none"`
	Active *bool               `json:"active,omitempty" doc:"false switches it off, true on" example:"true"`
}

type newWebhook struct {
	ID     string `json:"id" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	Secret string `json:"secret" doc:"shown this once" example:"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"`
}

func (c *call) createWebhook(in *webhookBody) (newWebhook, error) {
	w, secret, err := c.api.Service.CreateWebhook(c.ctx, c.viewer,
		mailroom.WebhookChange{URL: &in.URL, Kinds: in.Events, Name: in.Name, Text: in.Text})
	return newWebhook{ID: w.ID, Secret: secret}, err
}

type lastTry struct {
	At      stamp  `json:"at"`
	Status  int    `json:"status" doc:"of HTTP; 0: there was no answer" example:"200"`
	Problem string `json:"problem,omitempty" doc:"left out: it was taken" list:"webhook_problem"`
}

func lastTryOf(at time.Time, status int, problem string) *lastTry {
	if at.IsZero() {
		return nil
	}
	return &lastTry{stamp(at), status, problem}
}

type webhookView struct {
	ID                  string   `json:"id" example:"019abf5e-8c00-7a31-9c55-0d6a3f6b7e21"`
	URL                 string   `json:"url" example:"https://hooks.example.com/inmail"`
	Name                string   `json:"name" example:"warehouse"`
	Events              []string `json:"events" example:"[\"inmail.*\"]"`
	Text                string   `json:"text,omitempty" doc:"left out: as the policy says" list:"webhook_text"`
	State               string   `json:"state" enum:"on,down,off" doc:"down: no try succeeds now" example:"on"`
	OffAt               *stamp   `json:"off_at"`
	OffReason           string   `json:"off_reason,omitempty" list:"webhook_off"`
	DownSince           *stamp   `json:"down_since"`
	RetryAt             *stamp   `json:"retry_at" doc:"when a down one is tried again"`
	OldestUndeliveredAt *stamp   `json:"oldest_undelivered_at"`
	Last                *lastTry `json:"last"`
	EarlierSecretUntil  *stamp   `json:"earlier_secret_until" doc:"until then the secret before signs along"`
	CreatedAt           stamp    `json:"created_at"`
	CreatedBy           string   `json:"created_by" doc:"the id of the key that made it" example:"operator"`
}

func webhookViewOf(w mailroom.Webhook) webhookView {
	v := webhookView{ID: w.ID, URL: w.URL, Name: w.Name, Events: w.Kinds, Text: string(w.Text), State: w.State(),
		OffAt: stampOrNull(w.OffAt), OffReason: w.OffReason, DownSince: stampOrNull(w.DownSince),
		OldestUndeliveredAt: stampOrNull(w.OldestWaiting), Last: lastTryOf(w.LastAt, w.LastStatus, w.LastReason),
		EarlierSecretUntil: stampOrNull(w.EarlierUntil), CreatedAt: stamp(w.CreatedAt), CreatedBy: w.CreatedBy}
	if w.State() == mailroom.WebhookDown {
		v.RetryAt = stampOrNull(w.RetryAt)
	}
	return v
}

type webhookList struct {
	Items      []webhookView `json:"items"`
	NextCursor *string       `json:"next_cursor" doc:"always null: there is one page"`
}

func (c *call) webhooks() (webhookList, error) {
	all, err := c.api.Service.Webhooks(c.ctx)
	list := webhookList{Items: make([]webhookView, len(all))}
	for i, w := range all {
		list.Items[i] = webhookViewOf(w)
	}
	return list, err
}

func (c *call) webhookID() (string, error) {
	id := c.r.PathValue("id")
	if mailroom.CheckText(id) != nil {
		return "", domain.Refuse(domain.NotFound, "there is no such end point")
	}
	return id, nil
}

// onWebhook calls do with the id of the path.
func onWebhook[A any](c *call, do func(id string) (A, error)) (answer A, err error) {
	id, err := c.webhookID()
	if err != nil {
		return answer, err
	}
	return do(id)
}

func (c *call) webhook() (webhookView, error) {
	return onWebhook(c, func(id string) (webhookView, error) {
		w, err := c.api.Service.Webhook(c.ctx, id)
		return webhookViewOf(w), err
	})
}

func (c *call) changeWebhook(in *webhookChange) (webhookView, error) {
	return onWebhook(c, func(id string) (webhookView, error) {
		w, err := c.api.Service.ChangeWebhook(c.ctx, c.viewer, id,
			mailroom.WebhookChange{URL: in.URL, Kinds: in.Events, Name: in.Name, Text: in.Text, Active: in.Active})
		return webhookViewOf(w), err
	})
}

func (c *call) deleteWebhook() (nothing, error) {
	return onWebhook(c, func(id string) (nothing, error) { return nothing{}, c.api.Service.DeleteWebhook(c.ctx, id) })
}

func (c *call) enableWebhook() (nothing, error) {
	return onWebhook(c, func(id string) (nothing, error) { return nothing{}, c.api.Service.EnableWebhook(c.ctx, id) })
}

type testedWebhook struct {
	Event string `json:"event" doc:"the webhook-id of the test" example:"evt_test_019aaf6db1a0"`
}

func (c *call) testWebhook() (testedWebhook, error) {
	return onWebhook(c, func(id string) (testedWebhook, error) {
		event, err := c.api.Service.TestWebhook(c.ctx, id)
		return testedWebhook{event}, err
	})
}

type rotatedWebhook struct {
	Secret             string `json:"secret" doc:"shown this once" example:"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"`
	EarlierSecretUntil stamp  `json:"earlier_secret_until" doc:"until then the secret before signs along"`
}

func (c *call) rotateWebhook() (rotatedWebhook, error) {
	return onWebhook(c, func(id string) (rotatedWebhook, error) {
		secret, until, err := c.api.Service.RotateWebhook(c.ctx, id)
		return rotatedWebhook{secret, stamp(until)}, err
	})
}

type replayBody struct {
	From string `json:"from" doc:"RFC 3339" example:"2026-11-23T09:00:00Z"`
}

// replayed is the answer to a replay that begins.
type replayed struct {
	From stamp `json:"from"`
}

func (c *call) replayWebhook(in *replayBody) (replayed, error) {
	from, err := time.Parse(time.RFC3339, in.From)
	if err != nil {
		return replayed{}, domain.Refuse(domain.BadRequest, "from: it is no RFC 3339 time; for instance 2026-11-23T09:00:00Z")
	}
	return onWebhook(c, func(id string) (replayed, error) {
		return replayed{stamp(from)}, c.api.Service.ReplayWebhook(c.ctx, id, from.UTC())
	})
}

type deliveryView struct {
	Event       string    `json:"event" example:"evt_0000000000003e8_019aaf6db1a0"`
	Type        string    `json:"type" list:"event" example:"inmail.opened"`
	At          stamp     `json:"at" doc:"of the event"`
	InMail      domain.ID `json:"inmail,omitempty"`
	State       string    `json:"state" enum:"delivered,waiting,failed" doc:"failed: a test, which is tried once" example:"waiting"`
	Tries       int       `json:"tries" example:"2"`
	Last        *lastTry  `json:"last" doc:"null: it was not tried, or was taken at once"`
	NextAt      *stamp    `json:"next_at" doc:"of the next try; null: it is over, or waits behind another of its InMail"`
	DeliveredAt *stamp    `json:"delivered_at" doc:"null where it was taken at once"`
}

func deliveryViewOf(d mailroom.ListedDelivery) deliveryView {
	return deliveryView{Event: d.ID(), Type: string(d.Kind), At: stamp(d.At), InMail: d.Event.InMail, State: d.State,
		Tries: d.Tries, Last: lastTryOf(d.LastAt, d.LastStatus, d.LastReason), NextAt: stampOrNull(d.NextAt),
		DeliveredAt: stampOrNull(d.DeliveredAt)}
}

func (c *call) deliveries() (items[deliveryView], error) {
	return onWebhook(c, func(id string) (none items[deliveryView], err error) {
		p, err := deliveryList.page(c.query)
		if err != nil {
			return none, err
		}
		found, err := c.api.Service.Deliveries(c.ctx, id, oneMore(p))
		if err != nil {
			return none, err
		}
		return listOf(deliveryList, p, found, deliveryViewOf, func(d mailroom.ListedDelivery) mailroom.Cursor {
			return mailroom.Cursor{At: d.At, ID: d.ID()}
		}), nil
	})
}
