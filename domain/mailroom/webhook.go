package mailroom

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"inmail/domain"
)

// Webhook is an end point that gets events, signed and at least once (R68). Its secrets are stored readable,
// because they sign; nothing but the answer that makes one shows them.
type Webhook struct {
	ID            string
	URL           string
	Name          string
	Kinds         []string           // kinds of event, or inmail.*, member.*, crm.*, *
	Text          domain.WebhookText // at most as the policy says; empty: as the policy says
	Secret        []byte
	EarlierSecret []byte // signs along until EarlierUntil
	EarlierUntil  time.Time
	CreatedAt     time.Time
	CreatedBy     string    // the id of the key that made it
	OffAt         time.Time // when it was switched off; zero: it is on
	OffReason     string    // one of WebhookOffReasons

	Position   int64     // every event up to here is delivered, or is a Delivery that waits
	ListedFrom int64     // deliveries are listed from behind here
	DownSince  time.Time // since when every try has failed; zero: it is not down
	Tries      int       // since then
	RetryAt    time.Time // when a down one is tried again
	LastAt     time.Time // of the last try
	LastStatus int       // HTTP status; 0: there was no answer
	LastReason string    // one of WebhookProblems; empty: it took the event

	Holder      domain.ID // the worker that delivers to it
	LeasedUntil time.Time

	OldestWaiting time.Time // time of the oldest event that is not delivered; zero: none. Only Webhooks sets it
}

// Delivery is an event on its way to one end point that failed, or that waits behind another of its InMail
// which failed. Deliveries that succeeded at once have none.
type Delivery struct {
	Webhook     string
	Position    int64 // of the event; negative: a test
	InMail      domain.ID
	Tries       int
	FirstAt     time.Time // of the first try; zero: there was none
	LastAt      time.Time
	LastStatus  int
	LastReason  string
	NextAt      time.Time // zero: it waits behind another, or is over
	DeliveredAt time.Time
}

// Why an end point is switched off.
const (
	OffGone     = "gone"      // it answered 410
	OffTooLong  = "too_long"  // it failed for WebhookGiveUp
	OffOperator = "by_person" // an operator said so
)

// WebhookOffReasons returns why an end point can be off.
func WebhookOffReasons() []string { return []string{OffGone, OffTooLong, OffOperator} }

// The bounds of end points.
const (
	MaxWebhooks    = 100
	MaxWebhookURL  = 2048 // bytes
	MaxWebhookName = 80   // characters
	WebhookGiveUp  = 5 * 24 * time.Hour
	SecretOverlap  = 24 * time.Hour // how long the secret before signs along after a rotation
	WebhookSecret  = "whsec_"       // begins every secret, followed by base64
)

// webhookRetries are the pauses after the first, the second, … failed try; the last one repeats.
var webhookRetries = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute,
	30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour}

// WebhookRetry returns the pause after so many failed tries in a row, a tenth longer or shorter by spread,
// which is 0..1.
func WebhookRetry(tries int, spread float64) time.Duration {
	pause := webhookRetries[min(max(tries, 1), len(webhookRetries))-1]
	return time.Duration(float64(pause) * (0.9 + 0.2*spread)).Truncate(time.Millisecond)
}

// WebhookMessage is one try to deliver an event.
type WebhookMessage struct {
	URL     string
	ID      string // of the event, the same at every try
	Body    []byte
	Secrets [][]byte // each signs
}

// WebhookAnswer says how a try ended.
type WebhookAnswer struct {
	Status int    // HTTP status; 0: there was no answer
	Reason string // why it failed, one of WebhookProblems; empty: it was taken
}

// WebhookProblems are the reasons why a try fails.
func WebhookProblems() []string {
	return []string{"status", "redirect", "time_out", "unreachable", "tls", "private_address", "unknown_host"}
}

// WebhookSender reaches end points. It tries once; the waiting is left to the record. It is safe for
// concurrent use.
type WebhookSender interface {
	// Judge refuses, with bad_request, a URL that Send would never reach.
	Judge(u *url.URL) error
	Send(ctx context.Context, m WebhookMessage) WebhookAnswer
}

// WebhookOff says that an end point was switched off because of what it answered.
type WebhookOff struct{}

// WebhookTried says how a try to deliver ended.
type WebhookTried struct{ Delivered bool }

func (WebhookOff) notice()   {}
func (WebhookTried) notice() {}

// WebhookChange is what an operator gives of an end point; nil keeps what is there.
type WebhookChange struct {
	URL    *string
	Kinds  []string
	Name   *string
	Text   *domain.WebhookText
	Active *bool
}

// CreateWebhook makes an end point, which gets the events from now on, and returns it with its secret.
func (svc *Service) CreateWebhook(ctx context.Context, v Viewer, c WebhookChange) (w Webhook, secret string, err error) {
	w = Webhook{ID: string(svc.ids.NewID()), CreatedBy: v.KeyID, Secret: svc.webhookSecret()}
	if err := svc.change(&w, c); err != nil {
		return w, "", err
	}
	settled, err := svc.record.Settled(ctx)
	if err != nil {
		return w, "", wrap("make an end point", err)
	}
	err = svc.record.Update(ctx, func(tx Tx) error {
		all, err := tx.Webhooks()
		if err != nil {
			return err
		}
		if len(all) >= MaxWebhooks {
			return &domain.Refusal{Code: domain.Conflict, Got: len(all) + 1, Limit: MaxWebhooks,
				Detail: fmt.Sprintf("there are %d end points already; delete one", MaxWebhooks)}
		}
		newest, err := tx.NewestEvent()
		if err != nil {
			return err
		}
		w.CreatedAt, w.Position = tx.Now(), min(newest, settled)
		w.ListedFrom = w.Position
		return tx.PutWebhook(w)
	})
	return w, ShowSecret(w.Secret), wrap("make an end point", err)
}

func (svc *Service) webhookSecret() []byte {
	secret := svc.ids.NewSecret()
	return secret[:]
}

// ShowSecret returns a secret in the form of Standard Webhooks.
func ShowSecret(secret []byte) string {
	return WebhookSecret + base64.StdEncoding.EncodeToString(secret)
}

// change applies what an operator gives to an end point, and refuses what it cannot be.
func (svc *Service) change(w *Webhook, c WebhookChange) error {
	if c.URL != nil {
		w.URL = *c.URL
	}
	if c.Kinds != nil {
		w.Kinds = slices.Clone(c.Kinds)
		slices.Sort(w.Kinds)
		w.Kinds = slices.Compact(w.Kinds)
	}
	if c.Name != nil {
		w.Name = *c.Name
	}
	if c.Text != nil {
		w.Text = *c.Text
	}
	if err := svc.judgeURL(w.URL); err != nil {
		return err
	}
	if len(w.Kinds) == 0 {
		return refuse(domain.BadRequest, "events: name at least one, for instance inmail.*")
	}
	for _, kind := range w.Kinds {
		if !slices.Contains(WebhookKinds(), kind) {
			return refuse(domain.BadRequest, "events: one of %s", strings.Join(WebhookKinds(), ", "))
		}
	}
	if n := utf8.RuneCountInString(w.Name); n > MaxWebhookName || strings.ContainsFunc(w.Name, unicode.IsControl) {
		return &domain.Refusal{Code: domain.BadRequest, Got: n, Limit: MaxWebhookName,
			Detail: fmt.Sprintf("name: at most %d characters, without control characters", MaxWebhookName)}
	}
	if w.Text == "" {
		return nil
	}
	if !slices.Contains(domain.WebhookTexts(), w.Text) {
		return refuse(domain.BadRequest, "text: one of none, preview, full")
	}
	if w.Text.AtMost(svc.policy.WebhookText) != w.Text {
		return refuse(domain.BadRequest, "text: %s is more than the policy webhook_text allows, which is %s", w.Text,
			svc.policy.WebhookText)
	}
	return nil
}

func (svc *Service) judgeURL(text string) error {
	if len(text) > MaxWebhookURL {
		return &domain.Refusal{Code: domain.BadRequest, Got: len(text), Limit: MaxWebhookURL,
			Detail: fmt.Sprintf("url: it has %d bytes of at most %d", len(text), MaxWebhookURL)}
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || CheckText(text) != nil {
		return refuse(domain.BadRequest, "url: give https://, a host and a path, without a password and without a #")
	}
	if svc.webhooks == nil {
		return nil
	}
	return svc.webhooks.Judge(u)
}

// WebhookKinds returns what an end point may ask for: every kind of event but the test, which each gets, and
// groups of kinds.
func WebhookKinds() []string {
	names := []string{"*", "crm.*", "inmail.*", "member.*"}
	for _, kind := range EventKinds() {
		if kind != WebhookTest {
			names = append(names, string(kind))
		}
	}
	slices.Sort(names)
	return names
}

// Wants reports whether an end point asks for events of a kind.
func (w Webhook) Wants(kind EventKind) bool {
	group, _, _ := strings.Cut(string(kind), ".")
	return slices.ContainsFunc(w.Kinds, func(k string) bool {
		return k == string(kind) || k == "*" || k == group+".*"
	})
}

func noWebhook() error { return refuse(domain.NotFound, "there is no such end point") }

// Webhooks returns all end points, oldest first, without secrets.
func (svc *Service) Webhooks(ctx context.Context) (all []Webhook, err error) {
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		all, err = tx.Webhooks()
		for i := range all {
			all[i].Secret, all[i].EarlierSecret = nil, nil
		}
		return err
	})
	return all, wrap("list the end points", err)
}

// Webhook returns one end point, without secrets.
func (svc *Service) Webhook(ctx context.Context, id string) (Webhook, error) {
	all, err := svc.Webhooks(ctx)
	if err != nil {
		return Webhook{}, err
	}
	i := slices.IndexFunc(all, func(w Webhook) bool { return w.ID == id })
	if i < 0 {
		return Webhook{}, noWebhook()
	}
	return all[i], nil
}

// update changes one end point under its lock.
func (svc *Service) update(ctx context.Context, id string, change func(tx Tx, w *Webhook) error) (w *Webhook, err error) {
	err = svc.record.Update(ctx, func(tx Tx) (err error) {
		if w, err = tx.LockWebhook(id); err != nil {
			return err
		}
		if w == nil {
			return noWebhook()
		}
		if err := change(tx, w); err != nil {
			return err
		}
		return tx.PutWebhook(*w)
	})
	return w, wrap("change an end point", err)
}

// ChangeWebhook changes what an operator gives. Other kinds hold for the events from now on.
func (svc *Service) ChangeWebhook(ctx context.Context, v Viewer, id string, c WebhookChange) (Webhook, error) {
	_, err := svc.update(ctx, id, func(tx Tx, w *Webhook) error {
		kinds := w.Kinds
		if err := svc.change(w, c); err != nil {
			return err
		}
		if !slices.Equal(kinds, w.Kinds) {
			w.ListedFrom = w.Position
		}
		switch {
		case c.Active == nil:
		case *c.Active && !w.OffAt.IsZero():
			return enable(tx, w)
		case !*c.Active && w.OffAt.IsZero():
			return svc.switchOff(tx, w, OffOperator, v.KeyID)
		}
		return nil
	})
	if err != nil {
		return Webhook{}, err
	}
	return svc.Webhook(ctx, id)
}

// enable switches an end point on; what waited is due at once.
func enable(tx Tx, w *Webhook) error {
	w.OffAt, w.OffReason = time.Time{}, ""
	w.DownSince, w.Tries, w.RetryAt = time.Time{}, 0, time.Time{}
	return tx.RetryDeliveries(w.ID)
}

// switchOff switches an end point off, with an entry in the audit.
func (svc *Service) switchOff(tx Tx, w *Webhook, why, by string) error {
	w.OffAt, w.OffReason = tx.Now(), why
	detail, err := json.Marshal(map[string]string{"webhook": w.ID, "off": why})
	if err != nil {
		return fmt.Errorf("keep why an end point is off: %w", err)
	}
	return tx.AppendAudit([]AuditEntry{{ID: string(svc.ids.NewID()), At: tx.Now(), Kind: DecidedWebhookOff, By: by, Detail: detail}})
}

// EnableWebhook switches an end point on again.
func (svc *Service) EnableWebhook(ctx context.Context, id string) error {
	_, err := svc.update(ctx, id, enable)
	return err
}

// DeleteWebhook deletes an end point with its deliveries.
func (svc *Service) DeleteWebhook(ctx context.Context, id string) error {
	err := svc.record.Update(ctx, func(tx Tx) error {
		there, err := tx.DeleteWebhook(id)
		if err == nil && !there {
			return noWebhook()
		}
		return err
	})
	return wrap("delete an end point", err)
}

// RotateWebhook gives an end point a new secret and returns it. The one before signs along until
// SecretOverlap is over.
func (svc *Service) RotateWebhook(ctx context.Context, id string) (secret string, until time.Time, err error) {
	w, err := svc.update(ctx, id, func(tx Tx, w *Webhook) error {
		w.EarlierSecret, w.EarlierUntil = w.Secret, tx.Now().Add(SecretOverlap)
		w.Secret = svc.webhookSecret()
		return nil
	})
	if err != nil {
		return "", until, err
	}
	return ShowSecret(w.Secret), w.EarlierUntil, nil
}

// ReplayWebhook delivers the events since a time once more.
func (svc *Service) ReplayWebhook(ctx context.Context, id string, from time.Time) error {
	_, err := svc.update(ctx, id, func(tx Tx, w *Webhook) error {
		if from.After(tx.Now()) {
			return refuse(domain.BadRequest, "from: %s is in the future", from.Format(time.RFC3339))
		}
		position, err := tx.EventsSince(from)
		if err != nil || position >= w.Position {
			return err
		}
		w.Position, w.ListedFrom = position, min(w.ListedFrom, position)
		return tx.DropDeliveries(id, position)
	})
	if err == nil {
		svc.askDelivery(ctx, id)
	}
	return err
}

// TestWebhook sends the event webhook.test to an end point, once and also when it is off or down, and returns
// the event's id.
func (svc *Service) TestWebhook(ctx context.Context, id string) (event string, err error) {
	_, err = svc.update(ctx, id, func(tx Tx, w *Webhook) error {
		e := testEvent(id, tx.Now())
		for { // the next millisecond, where two are asked for in one
			earlier, err := tx.DeliveriesAt(id, []int64{e.Position})
			if err != nil {
				return err
			}
			if len(earlier) == 0 {
				break
			}
			e = testEvent(id, e.At.Add(time.Millisecond))
		}
		event = e.ID()
		return tx.PutDeliveries([]Delivery{{Webhook: id, Position: e.Position, NextAt: tx.Now()}})
	})
	if err == nil {
		svc.askDelivery(ctx, id)
	}
	return event, err
}

// testEvent returns the event of a test that was asked for at a time. It is no event of the record.
func testEvent(webhook string, at time.Time) Event {
	return Event{Position: -at.UnixMilli(), At: at, Kind: WebhookTest, About: webhook}
}

// askDelivery asks for a delivery at once; when that is lost, the schedule finds it.
func (svc *Service) askDelivery(ctx context.Context, id string) {
	_ = svc.queue.Enqueue(ctx, Task{Type: TaskWebhookDeliver, IDs: []string{id}})
}

// The states of a ListedDelivery.
const (
	DeliveryDelivered = "delivered"
	DeliveryWaiting   = "waiting"
	DeliveryFailed    = "failed" // a test that failed; others go on waiting
)

// ListedDelivery is one event of the list of deliveries.
type ListedDelivery struct {
	Event
	State string
	Delivery
}

// Deliveries lists the deliveries to an end point, newest first, by the cursor (At, event id). Of those that
// succeeded at once only that is known.
func (svc *Service) Deliveries(ctx context.Context, id string, p Page) (list []ListedDelivery, err error) {
	err = svc.record.View(ctx, func(tx Tx) error {
		list = nil
		w, err := tx.LockWebhook(id)
		if err != nil {
			return err
		}
		if w == nil {
			return noWebhook()
		}
		before := int64(1 << 62)
		if p.After.ID != "" {
			if before, _, _ = ParseEventID(p.After.ID); before < 0 {
				before = 1 << 62
			}
		}
		for scanned := 0; scanned < feedScan && len(list) < p.Limit; {
			events, err := tx.EventsBefore(before, w.ListedFrom, MaxPage)
			if err != nil {
				return err
			}
			if len(events) == 0 {
				break
			}
			positions := make([]int64, len(events))
			for i, e := range events {
				positions[i] = e.Position
			}
			rows, err := tx.DeliveriesAt(id, positions)
			if err != nil {
				return err
			}
			for _, e := range events {
				if w.Wants(e.Kind) || rows[e.Position].Position != 0 {
					list = append(list, w.listed(e, rows[e.Position]))
				}
			}
			before, scanned = events[len(events)-1].Position, scanned+len(events)
		}
		tests, err := tx.TestDeliveries(id)
		for _, d := range tests {
			e := testEvent(id, time.UnixMilli(-d.Position).UTC())
			if p.After.At.IsZero() || e.At.Before(p.After.At) {
				list = append(list, w.listed(e, d))
			}
		}
		slices.SortStableFunc(list, func(a, b ListedDelivery) int { return b.At.Compare(a.At) })
		list = list[:min(len(list), p.Limit)]
		return err
	})
	return list, wrap("list the deliveries", err)
}

// listed returns the state of one event for this end point.
func (w Webhook) listed(e Event, d Delivery) ListedDelivery {
	l := ListedDelivery{Event: e, Delivery: d, State: DeliveryWaiting}
	switch {
	case d.Position == 0 && e.Position <= w.Position:
		l.State, l.Tries = DeliveryDelivered, 1
	case !d.DeliveredAt.IsZero():
		l.State = DeliveryDelivered
	case d.Position < 0 && d.NextAt.IsZero():
		l.State = DeliveryFailed
	case d.NextAt.Before(w.RetryAt):
		l.NextAt = w.RetryAt
	}
	return l
}

// The states of an end point.
const (
	WebhookOn    = "on"
	WebhookDown  = "down" // no try succeeds now
	WebhookIsOff = "off"
)

// State returns the state of an end point.
func (w Webhook) State() string {
	switch {
	case !w.OffAt.IsZero():
		return WebhookIsOff
	case !w.DownSince.IsZero():
		return WebhookDown
	}
	return WebhookOn
}
