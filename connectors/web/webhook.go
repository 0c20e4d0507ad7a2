package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"inmail/domain/mailroom"
)

// webhooksPage is the list of the end points that get events, with the deliveries to one of them; of one that
// was made just now, the secret, this once (R68).
type webhooksPage struct {
	Items      []webhookItem
	Shown      *webhookItem // whose deliveries are listed
	Deliveries []deliveryItem
	More       string
	Made       string
	Error      string
	Form       webhookForm
	Kinds      []string
}

type webhookForm struct{ URL, Kinds, Name string }

type webhookItem struct {
	ID, URL, Name, Kinds, State, Why, Last string
	Off, Down                              bool
	Waits, RetryAt                         *moment
}

type deliveryItem struct {
	Kind, InMail, State, Last string
	Tries                     int
	At                        moment
	Next                      *moment
}

// deliveriesShown is how many deliveries a page has.
const deliveriesShown = 50

// webhookStates say how it is with an end point, webhookOffs why it is off, deliveryStates how it is with a
// delivery.
var (
	webhookStates = map[string]string{mailroom.WebhookOn: mark("takes its events"),
		mailroom.WebhookDown: mark("does not take its events"), mailroom.WebhookIsOff: mark("switched off")}
	webhookOffs = map[string]string{mailroom.OffGone: mark("it answered that it is gone (410)"),
		mailroom.OffTooLong: mark("it took nothing for five days"), mailroom.OffOperator: mark("an operator switched it off")}
	deliveryStates = map[string]string{mailroom.DeliveryDelivered: mark("delivered"),
		mailroom.DeliveryWaiting: mark("waits"), mailroom.DeliveryFailed: mark("failed")}
)

func (v *visit) showWebhooks() error {
	return v.showWebhookList(http.StatusOK, webhooksPage{Form: webhookForm{Kinds: "inmail.*"}})
}

func (v *visit) showWebhookList(status int, page webhooksPage) error {
	all, err := v.site.Service.Webhooks(v.ctx)
	if err != nil {
		return err
	}
	page.Kinds = mailroom.WebhookKinds()
	shown := v.r.URL.Query().Get("id")
	for _, w := range all {
		item := v.webhookItemOf(w)
		page.Items = append(page.Items, item)
		if w.ID == shown {
			page.Shown = &item
		}
	}
	if page.Shown == nil {
		return v.show(status, say("Webhooks"), page)
	}
	list, err := v.site.Service.Deliveries(v.ctx, shown, mailroom.Page{Limit: deliveriesShown + 1, After: v.after()})
	if err != nil {
		return err
	}
	for i, d := range list {
		if i == deliveriesShown {
			place := cursorOf(list[i-1].At, list[i-1].ID())
			place.Set("id", shown)
			page.More = "/works/webhooks?" + place.Encode()
			break
		}
		page.Deliveries = append(page.Deliveries, deliveryItem{Kind: string(d.Kind), InMail: string(d.Event.InMail),
			State: say(deliveryStates[d.State]), Last: lastWords(d.LastStatus, d.LastReason, d.LastAt), Tries: d.Tries,
			At: momentOf(d.At, v.now()), Next: momentOrNil(d.NextAt, v.now())})
	}
	return v.show(status, say("Webhooks"), page)
}

func (v *visit) webhookItemOf(w mailroom.Webhook) webhookItem {
	item := webhookItem{ID: w.ID, URL: w.URL, Name: w.Name, Kinds: strings.Join(w.Kinds, ", "),
		State: say(webhookStates[w.State()]), Off: w.State() == mailroom.WebhookIsOff, Down: w.State() == mailroom.WebhookDown,
		Last: lastWords(w.LastStatus, w.LastReason, w.LastAt), Waits: momentOrNil(w.OldestWaiting, v.now())}
	if item.Off {
		item.Why = say(webhookOffs[w.OffReason])
	}
	if item.Down {
		item.RetryAt = momentOrNil(w.RetryAt, v.now())
	}
	return item
}

// lastWords returns the answer to the last try: its HTTP status, or why there was none.
func lastWords(status int, problem string, at time.Time) string {
	switch {
	case at.IsZero():
		return ""
	case status > 0:
		return say("HTTP %d", status)
	}
	return strings.ReplaceAll(problem, "_", " ")
}

func (v *visit) createWebhook() error {
	f := v.r.PostForm
	form := webhookForm{strings.TrimSpace(f.Get("url")), strings.TrimSpace(f.Get("kinds")), strings.TrimSpace(f.Get("name"))}
	kinds := strings.FieldsFunc(form.Kinds, func(r rune) bool { return r == ',' || r == ' ' })
	_, secret, err := v.site.Service.CreateWebhook(v.ctx, v.session.Viewer,
		mailroom.WebhookChange{URL: &form.URL, Kinds: kinds, Name: &form.Name})
	if r := domainRefusal(err); r != nil {
		return v.showWebhookList(http.StatusUnprocessableEntity, webhooksPage{Form: form, Error: refusalWords(r, v.now())})
	}
	if err != nil {
		return err
	}
	return v.showWebhookList(http.StatusCreated, webhooksPage{Made: secret, Form: webhookForm{Kinds: "inmail.*"}})
}

// backToWebhook leads to the deliveries of an end point after an act.
func (v *visit) backToWebhook(id, done string, err error) error {
	if err != nil {
		return err
	}
	return v.goTo("/works/webhooks?" + url.Values{"id": {id}, "done": {done}}.Encode())
}

func (v *visit) testWebhook() error {
	id := v.r.PostForm.Get("id")
	_, err := v.site.Service.TestWebhook(v.ctx, id)
	return v.backToWebhook(id, "webhook-tested", err)
}

func (v *visit) enableWebhook() error {
	id := v.r.PostForm.Get("id")
	return v.backToWebhook(id, "webhook-enabled", v.site.Service.EnableWebhook(v.ctx, id))
}

// replayWebhook sends the events of the last hours once more.
func (v *visit) replayWebhook() error {
	id := v.r.PostForm.Get("id")
	from, err := time.ParseDuration(v.r.PostForm.Get("hours") + "h")
	if err != nil || from <= 0 {
		return v.showWebhookList(http.StatusUnprocessableEntity, webhooksPage{Error: say("The hours are a number above 0.")})
	}
	return v.backToWebhook(id, "webhook-replayed", v.site.Service.ReplayWebhook(v.ctx, id, v.now().Add(-from)))
}

func (v *visit) deleteWebhook() error {
	if err := v.site.Service.DeleteWebhook(v.ctx, v.r.PostForm.Get("id")); err != nil {
		return err
	}
	return v.goTo("/works/webhooks?done=webhook-removed")
}
