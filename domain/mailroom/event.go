package mailroom

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"inmail/domain"
)

// EventKind says what happened (R68).
type EventKind string

// The kinds of event of API.md. InMailReply is every message of a conversation, InMailReplied the receipt of
// the first one.
const (
	InMailSent       EventKind = "inmail.sent"
	InMailRefused    EventKind = "inmail.refused"
	InMailFailed     EventKind = "inmail.failed"
	InMailOpened     EventKind = "inmail.opened"
	InMailReplied    EventKind = "inmail.replied"
	InMailReply      EventKind = "inmail.reply"
	InMailDeclined   EventKind = "inmail.declined"
	InMailExpiring   EventKind = "inmail.expiring" // ExpiringBefore the end of its window
	InMailExpired    EventKind = "inmail.expired"
	InMailRetracted  EventKind = "inmail.retracted"
	InMailTagged     EventKind = "inmail.tagged"
	MemberRestricted EventKind = "member.restricted"
	CRMDeadLetter    EventKind = "crm.dead_letter"
	WebhookTest      EventKind = "webhook.test" // for one end point; the feed leaves it out
)

// eventKinds is the table of all kinds. status is that of the receipt which an event is made from; empty: it
// is made from something else.
var eventKinds = []struct {
	kind   EventKind
	status domain.Status
}{
	{InMailSent, domain.Sent}, {InMailRefused, domain.Refused}, {InMailFailed, domain.Failed},
	{InMailOpened, domain.Opened}, {InMailReplied, domain.Replied}, {InMailReply, ""},
	{InMailDeclined, domain.Declined}, {InMailExpiring, ""}, {InMailExpired, domain.Expired},
	{InMailRetracted, domain.Retracted}, {InMailTagged, ""}, {MemberRestricted, ""}, {CRMDeadLetter, ""},
	{WebhookTest, ""},
}

// EventKinds returns all kinds of event.
func EventKinds() []EventKind {
	kinds := make([]EventKind, len(eventKinds))
	for i, k := range eventKinds {
		kinds[i] = k.kind
	}
	return kinds
}

// kindOf returns the kind of the event that a receipt of a status makes; ok is false for queued, of which
// nobody but the sender has heard yet.
func kindOf(s domain.Status) (kind EventKind, ok bool) {
	for _, k := range eventKinds {
		if k.status == s {
			return k.kind, true
		}
	}
	return "", false
}

// status returns the status that an event of this kind brought; empty: none.
func (k EventKind) status() domain.Status {
	for _, e := range eventKinds {
		if e.kind == k {
			return e.status
		}
	}
	return ""
}

// Event is one thing that happened, as the record keeps it: without texts, names and ids of members, which
// are read when somebody asks for them (R60, R68).
type Event struct {
	Position int64     // rises from event to event, with gaps; the record gives it
	At       time.Time // of its transaction; the record gives it
	Kind     EventKind
	InMail   domain.ID // empty: it is about none
	Seq      int       // the sequence number of the last receipt of the InMail
	// About is, by kind, the id of the reply, of the restriction or of the end point, or CRM and failure
	// class with a colon between. Of a receipt it is the receipt's time in milliseconds, where that is not
	// At.
	About string
}

// ID returns the id of the event, the same for ever. It has the time as well, so that an event which takes
// the same position in a record that was restored has another id.
func (e Event) ID() string {
	if e.Position < 0 { // a test
		return fmt.Sprintf("evt_test_%012x", e.At.UnixMilli())
	}
	return fmt.Sprintf("evt_%015x_%012x", e.Position, e.At.UnixMilli())
}

// ParseEventID reads an id that ID returned; ok is false for any other text.
func ParseEventID(id string) (position int64, at time.Time, ok bool) {
	first, second, _ := strings.Cut(strings.TrimPrefix(id, "evt_"), "_")
	position, err1 := strconv.ParseInt(first, 16, 64)
	ms, err2 := strconv.ParseInt(second, 16, 64)
	at = time.UnixMilli(ms).UTC()
	ok = err1 == nil && err2 == nil && Event{Position: position, At: at}.ID() == id
	return position, at, ok
}

// save stores changed InMails with their receipts, and appends an event for each receipt and for each of
// more. Every use case that changes an InMail calls it.
func save(tx Tx, changes []Change, more ...Event) error {
	if err := tx.Save(changes); err != nil {
		return err
	}
	var events []Event
	for _, c := range changes {
		for _, r := range c.Receipts {
			if kind, ok := kindOf(r.Status); ok {
				e := Event{Kind: kind, InMail: r.InMail, Seq: r.Seq}
				if !r.At.Equal(tx.Now()) { // a reply that is true after all counts from when it was written (R64)
					e.About = strconv.FormatInt(r.At.UnixMilli(), 10)
				}
				events = append(events, e)
			}
		}
	}
	return tx.AppendEvents(append(events, more...))
}

// EventsPage is a part of the feed.
type EventsPage struct {
	Items []EventView
	Last  *Event // the last event that was read, shown or not; nil: there was none
	More  bool   // there are further ones
}

// feedScan is how many events one call of the feed reads at most, for a member who may see few of them.
const feedScan = 2000

// Feed returns events after the one with an id, in the order in which they happened; an empty id is the
// beginning. An operator gets all, a member those of the InMails that it sent and of its own restrictions. A
// page may have fewer items than limit, also none, when there are more.
func (svc *Service) Feed(ctx context.Context, v Viewer, after string, limit int) (page EventsPage, err error) {
	settled, err := svc.record.Settled(ctx)
	if err != nil {
		return page, wrap("read the events", err)
	}
	err = svc.record.View(ctx, func(tx Tx) error {
		page = EventsPage{}
		position, err := feedPlace(tx, after)
		if err != nil {
			return err
		}
		for read := 0; read < feedScan && len(page.Items) < limit; {
			ask := limit - len(page.Items)
			if !v.Operator {
				ask = MaxPage
			}
			found, err := tx.Events(position, settled, ask+1)
			if err != nil {
				return err
			}
			if page.More = len(found) > ask; page.More {
				found = found[:ask]
			}
			if len(found) == 0 {
				return nil
			}
			views, err := svc.eventViews(tx, found, svc.policy.WebhookText)
			if err != nil {
				return err
			}
			for _, e := range views {
				if len(page.Items) == limit {
					page.More = true
					return nil
				}
				position, page.Last = e.Position, &e.Event
				if e.Kind != WebhookTest && e.visible(v) {
					page.Items = append(page.Items, e)
				}
			}
			if read += len(found); !page.More {
				return nil
			}
		}
		return nil
	})
	return page, wrap("read the events", err)
}

// visible reports whether a viewer may see an event.
func (e EventView) visible(v Viewer) bool {
	return v.Operator || e.member != "" && e.member == v.Member
}

// stateEventsDropped is the position up to which events are kept no more.
const stateEventsDropped = "events_dropped"

// feedPlace returns the position of an event of this record. It refuses an id after which events were
// dropped already, because who reads on from there would miss them.
func feedPlace(tx Tx, id string) (int64, error) {
	if id == "" {
		return 0, nil
	}
	position, at, ok := ParseEventID(id)
	foreign := refuse(domain.BadRequest, "after: it is no event of this record, which may be a restored backup; "+
		"begin without after, or with the id of an event that the feed has answered since")
	if !ok {
		return 0, foreign
	}
	dropped, err := state[int64](tx, stateEventsDropped)
	if err != nil {
		return 0, err
	}
	if dropped != nil && position <= *dropped {
		if position == *dropped {
			return position, nil // it was dropped, but nothing after it
		}
		return 0, refuse(domain.ExpiredCode, "after: events that came after this one are kept no more (policy "+
			"events_keep_days); begin without after")
	}
	found, err := tx.EventsAt([]int64{position})
	if err != nil {
		return 0, err
	}
	if len(found) == 0 || !found[0].At.Equal(at) {
		return 0, foreign
	}
	return position, nil
}

// ExpiringBefore is how long before the end of its window an unopened InMail is announced (R68).
const ExpiringBefore = 24 * time.Hour

// ExpiringPlace is how far the announcing of InMails that soon expire has come.
type ExpiringPlace struct {
	ExpiresAt time.Time `json:"expires_at"`
	ID        domain.ID `json:"id"`
}

const stateExpiring = "events_expiring"

// AnnounceExpiring appends the event of up to limit InMails that expire within ExpiringBefore, each once, and
// returns how many. What has expired by now is not announced any more.
func (svc *Service) AnnounceExpiring(ctx context.Context, limit int) (n int, err error) {
	due := false
	err = svc.record.View(ctx, func(tx Tx) error {
		place, err := state[ExpiringPlace](tx, stateExpiring)
		if err != nil {
			return err
		}
		found, err := tx.Expiring(placeOr(place), ExpiringBefore, 1, false)
		due = len(found) > 0
		return err
	})
	if err != nil || !due {
		return 0, wrap("look for InMails that soon expire", err)
	}
	err = svc.record.Update(ctx, func(tx Tx) error {
		place, err := state[ExpiringPlace](tx, stateExpiring)
		if err != nil {
			return err
		}
		found, err := tx.Expiring(placeOr(place), ExpiringBefore, limit, true)
		if n = len(found); err != nil || n == 0 {
			return err
		}
		events := make([]Event, n)
		for i, m := range found {
			events[i] = Event{Kind: InMailExpiring, InMail: m.ID, Seq: m.Seq}
		}
		last := found[n-1]
		if err := setState(tx, stateExpiring, ExpiringPlace{ExpiresAt: last.ExpiresAt, ID: last.ID}); err != nil {
			return err
		}
		return tx.AppendEvents(events)
	})
	return n, wrap("announce InMails that soon expire", err)
}

func placeOr(p *ExpiringPlace) ExpiringPlace {
	if p == nil {
		return ExpiringPlace{}
	}
	return *p
}

// DropEvents drops up to limit rows of events that are older than the policy events_keep_days, the oldest
// first, and returns how many. The newest is kept.
func (svc *Service) DropEvents(ctx context.Context, limit int) (n int, err error) {
	err = svc.record.Update(ctx, func(tx Tx) error {
		keep := time.Duration(svc.policy.EventsKeepDays) * 24 * time.Hour
		dropped, last, err := tx.DropEvents(tx.Now().Add(-keep), limit)
		if n = dropped; err != nil || n == 0 {
			return err
		}
		return setState(tx, stateEventsDropped, last)
	})
	return n, wrap("drop old events", err)
}
