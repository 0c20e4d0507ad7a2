package mailroom

import (
	"context"
	"errors"
	"fmt"
	"time"

	"inmail/domain"
	"inmail/domain/richtext"
)

// Person is what one member sees of another (R01, R29), its name as a line (F38). An erased member has no id
// (R60).
type Person struct {
	ID       domain.MemberID
	Name     string
	PhotoURL string
}

// View is an InMail as its sender or a bare operator sees it. An operator sees true reasons (R18).
type View struct {
	InMail   *domain.InMail
	Status   domain.Status // as the clock gives it (R33)
	Reason   domain.Code   // why it was refused or failed; else empty
	Receipts []domain.Receipt
	From, To Person
	Links    map[domain.CRM]domain.Link // by CRM; absent: the CRM is not connected
	Entry    *InboxItem                 // set for the recipient, who sees nothing else
	BodyHTML string                     // of one InMail, for its sender; safe to show
}

// InboxItem is one line of an inbox: an InMail, or a reply with the InMail it belongs to.
type InboxItem struct {
	ID        domain.ID
	Kind      string // inmail or reply
	InMail    domain.ID
	From      Person
	Subject   string
	Preview   string
	Unread    bool
	Status    domain.Status
	Automatic bool // a reply that is automatic (R64)
	SentAt    time.Time
	ExpiresAt time.Time // zero once opened and for replies, which never expire
}

// InboxPage is a part of an inbox.
type InboxPage struct {
	Items  []InboxItem
	Unread int  // in the whole inbox
	More   bool // there are older items
}

// The kinds of an InboxItem.
const (
	KindInMail = "inmail"
	KindReply  = "reply"
)

// side returns on which side of an InMail a viewer is. For anyone else it is not_found (API.md), and so it is
// for the recipient before delivery.
func (v Viewer) side(m *domain.InMail) (sender, recipient bool, err error) {
	if m == nil {
		return false, false, notFound()
	}
	if v.Operator {
		return false, false, nil
	}
	if v.Member == m.Sender {
		return true, false, nil
	}
	if v.Member == m.Recipient && !m.SentAt.IsZero() {
		return false, true, nil
	}
	return false, false, notFound()
}

// asRecipient refuses everyone but the recipient (R31): the sender with forbidden, others with not_found.
func (v Viewer) asRecipient(m *domain.InMail) error {
	_, recipient, err := v.side(m)
	if err != nil || recipient {
		return err
	}
	return refuse(domain.Forbidden, "only the recipient of this InMail may do this")
}

// asSender refuses everyone but the sender.
func (v Viewer) asSender(m *domain.InMail) error {
	sender, _, err := v.side(m)
	if err != nil || sender {
		return err
	}
	return refuse(domain.Forbidden, "only the sender of this InMail may do this")
}

// View returns one InMail: to its sender with receipts and its text, to its recipient as the inbox entry (410
// when that is gone), to a bare operator with true reasons. It opens nothing (R31).
func (svc *Service) View(ctx context.Context, v Viewer, id domain.ID) (View, error) {
	var view View
	err := svc.record.View(ctx, func(tx Tx) error {
		m, err := one(tx.InMails, id)
		if err != nil {
			return err
		}
		sender, recipient, err := v.side(m)
		if err != nil {
			return err
		}
		if recipient {
			if err := m.Gone(tx.Now()); err != nil {
				return err
			}
		}
		receipts, err := tx.Receipts(id)
		if err != nil {
			return err
		}
		views, err := svc.views(tx, []*domain.InMail{m}, v)
		if err != nil {
			return err
		}
		view = views[0]
		view.Receipts = m.Path(receipts, tx.Now())
		if sender {
			view.BodyHTML = domain.ReadText("", m.Body, false).Body.HTML()
		}
		for i := range view.Receipts {
			view.Receipts[i].Reason = v.reason(view.Receipts[i].Reason)
		}
		if recipient {
			entry := inboxItem(Entry{InMail: m}, view.From, tx.Now())
			view = View{InMail: m, Entry: &entry}
		}
		return nil
	})
	if err != nil {
		return View{}, wrap("view an InMail", err)
	}
	return view, nil
}

// reason returns a reason as the viewer may see it: only a bare operator sees the true one (R18).
func (v Viewer) reason(c domain.Code) domain.Code {
	if v.Operator {
		return c
	}
	return c.ForSender()
}

// Sent lists what a member sent, newest first by (AcceptedAt, ID), without receipts.
func (svc *Service) Sent(ctx context.Context, member domain.MemberID, f Filter, p Page) ([]View, error) {
	var views []View
	err := svc.record.View(ctx, func(tx Tx) error {
		if err := exists(tx, member); err != nil {
			return err
		}
		ms, err := tx.SentBy(member, f, p)
		if err != nil {
			return err
		}
		for _, m := range ms {
			m.Subject = richtext.Line(m.Subject) // a row, which quotes nothing whole (F38)
		}
		views, err = svc.views(tx, ms, Viewer{Member: member})
		return err
	})
	return views, wrap("list what was sent", err)
}

// SentCounted is how many of the newest InMails of a sender are counted by state.
const SentCounted = 1000

// CountSent counts by state what a member sent, of the newest SentCounted (R33); tag narrows it.
func (svc *Service) CountSent(ctx context.Context, member domain.MemberID,
	tag string) (counts map[domain.Status]int, err error) {
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		counts, err = tx.CountSent(member, tag, SentCounted)
		return err
	})
	return counts, wrap("count what was sent", err)
}

// Inbox lists the live entries of a member's inbox, newest first by (SentAt, ID), and counts the unread ones.
// The first listing of an InMail sets previewed_at and opens nothing (R30).
func (svc *Service) Inbox(ctx context.Context, member domain.MemberID, f Filter, p Page) (InboxPage, error) {
	var page InboxPage
	if f.Tag != "" {
		return page, refuse(domain.BadRequest, "an inbox has no filter by tag: tags are the senders' own (R69)")
	}
	var fresh []domain.ID
	err := svc.record.View(ctx, func(tx Tx) error {
		page, fresh = InboxPage{}, nil
		if err := exists(tx, member); err != nil {
			return err
		}
		entries, err := tx.InboxOf(member, f, Page{Limit: p.Limit + 1, After: p.After})
		if err != nil {
			return err
		}
		if page.More = len(entries) > p.Limit; page.More {
			entries = entries[:p.Limit] // what is not shown is not previewed (R30)
		}
		people, err := svc.people(tx, senders(entries))
		if err != nil {
			return err
		}
		for _, e := range entries {
			page.Items = append(page.Items, inboxItem(e, people[from(e)], tx.Now()))
			if e.Reply == nil && e.InMail.PreviewedAt.IsZero() {
				fresh = append(fresh, e.InMail.ID)
			}
		}
		page.Unread, err = tx.Unread(member)
		return err
	})
	if err == nil && len(fresh) > 0 {
		// A record that can be read but not written is no fault: the next listing stores the preview.
		if err = svc.preview(ctx, fresh); errors.Is(err, ErrUnavailable) {
			err = nil
		}
	}
	return page, wrap("list an inbox", err)
}

// Unread counts the live unopened InMails and the unread replies of a member. Nothing is listed by it.
func (svc *Service) Unread(ctx context.Context, member domain.MemberID) (n int, err error) {
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		n, err = tx.Unread(member)
		return err
	})
	return n, wrap("count what is unread", err)
}

// preview stores first listings, in a transaction of its own so that lists only read.
func (svc *Service) preview(ctx context.Context, ids []domain.ID) error {
	var n int
	err := svc.record.Update(ctx, func(tx Tx) (err error) {
		n, err = tx.SetPreviewed(ids)
		return err
	})
	if err == nil && n > 0 {
		svc.observer.Notify(Previewed{n})
	}
	return wrap("store first listings", err)
}

// views returns InMails with the people and links that their senders see.
func (svc *Service) views(tx Tx, ms []*domain.InMail, v Viewer) ([]View, error) {
	var people []domain.MemberID
	ids := make([]domain.ID, len(ms))
	for i, m := range ms {
		people = append(people, m.Sender, m.Recipient)
		ids[i] = m.ID
	}
	known, err := svc.people(tx, people)
	if err != nil {
		return nil, err
	}
	links, err := tx.Links(ids)
	if err != nil {
		return nil, err
	}
	views := make([]View, len(ms))
	for i, m := range ms {
		views[i] = View{
			InMail: m, Status: m.StatusAt(tx.Now()), Reason: v.reason(m.Reason),
			From: known[m.Sender], To: known[m.Recipient], Links: links[m.ID],
		}
	}
	return views, nil
}

// people returns what others see of members. An erased or unknown member has no id and the name "erased".
func (svc *Service) people(tx Tx, ids []domain.MemberID) (map[domain.MemberID]Person, error) {
	members, err := tx.Members(unique(ids))
	if err != nil {
		return nil, err
	}
	people := make(map[domain.MemberID]Person, len(ids))
	for _, id := range ids {
		if m := members[id]; m != nil {
			people[id] = Person{ID: m.ID, Name: richtext.Line(m.Name), PhotoURL: m.PhotoURL}
			continue
		}
		people[id] = Person{ID: domain.Erased, Name: string(domain.Erased)}
	}
	return people, nil
}

func inboxItem(e Entry, p Person, now time.Time) InboxItem {
	m := e.InMail
	item := InboxItem{ID: m.ID, Kind: KindInMail, InMail: m.ID, From: p,
		Subject: richtext.Line(m.Subject), Preview: richtext.Line(m.Preview),
		Unread: m.OpenedAt.IsZero(), Status: m.StatusAt(now), SentAt: m.SentAt}
	if m.OpenedAt.IsZero() {
		item.ExpiresAt = m.ExpiresAt
	}
	if e.Reply != nil {
		text := domain.ReadText("", e.Reply.Body, false)
		item.ID, item.Kind, item.Preview = e.Reply.ID, KindReply, text.Preview()
		item.Automatic = e.Reply.Automatic
		item.Unread, item.SentAt, item.ExpiresAt = e.Reply.ReadAt.IsZero(), e.Reply.At, time.Time{}
	}
	return item
}

func from(e Entry) domain.MemberID {
	if e.Reply != nil {
		return e.Reply.From
	}
	return e.InMail.Sender
}

func senders(entries []Entry) []domain.MemberID {
	ids := make([]domain.MemberID, len(entries))
	for i, e := range entries {
		ids[i] = from(e)
	}
	return ids
}

// one calls a batch method for a single InMail; nil when there is none.
func one(ask func([]domain.ID) (map[domain.ID]*domain.InMail, error), id domain.ID) (*domain.InMail, error) {
	found, err := ask([]domain.ID{id})
	return found[id], err
}

// exists refuses, with not_found, a member who does not exist.
func exists(tx Tx, id domain.MemberID) error {
	found, err := tx.Members([]domain.MemberID{id})
	if err == nil && found[id] == nil {
		return refuse(domain.NotFound, "there is no member with this id")
	}
	return err
}

// wrap adds to an error what was tried, so that errors.Is and errors.As still find the error; nil stays nil.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
