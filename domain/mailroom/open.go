package mailroom

import (
	"context"
	"time"

	"inmail/domain"
)

// OpenedInMail is a whole InMail as its recipient reads it.
type OpenedInMail struct {
	ID       domain.ID
	Subject  string
	Body     string // as it was sent (R24)
	BodyHTML string // as HTML that is safe to show
	From     Person
	OpenedAt time.Time
	Replies  []ReplyView // the first ones, oldest first
}

// MaxRepliesWithOpen is how many replies come with an opened InMail; Replies lists the rest.
const MaxRepliesWithOpen = 200

// Open returns the whole InMail to its recipient and sets opened_at once (R31); nobody else can open it.
// Opening it again returns the same. An InMail that is gone is refused as expired or retracted (R32, R36,
// R37).
func (svc *Service) Open(ctx context.Context, v Viewer, id domain.ID) (OpenedInMail, error) {
	var opened OpenedInMail
	var m *domain.InMail
	var first bool
	err := svc.record.Update(ctx, func(tx Tx) (err error) {
		if m, err = one(tx.LockInMails, id); err != nil {
			return err
		}
		if err := v.asRecipient(m); err != nil {
			return err
		}
		change := Change{InMail: m, FromStatus: m.Status, FromVersion: m.Version}
		before := m.Outcome()
		if change.Receipts, err = m.Apply(domain.EventOpen, tx.Now(), ""); err != nil {
			return err
		}
		if first = len(change.Receipts) > 0; first {
			if err := svc.move(tx, change, before); err != nil {
				return err
			}
		}
		opened, err = svc.opened(tx, m, v.Member)
		return err
	})
	if err != nil {
		return OpenedInMail{}, wrap("open", err)
	}
	if first {
		svc.observer.Notify(Opened{m.OpenedAt.Sub(m.SentAt)})
	}
	return opened, nil
}

// move stores one change with its events and moves the counts accordingly.
func (svc *Service) move(tx Tx, c Change, before domain.Outcome, more ...Event) error {
	if err := save(tx, []Change{c}, more...); err != nil {
		return err
	}
	return tx.Count(domain.CountsFor(c.InMail, before, c.InMail.Outcome()))
}

// opened returns an opened InMail as its recipient sees it, and marks the replies to the recipient as read.
func (svc *Service) opened(tx Tx, m *domain.InMail, reader domain.MemberID) (OpenedInMail, error) {
	people, err := svc.people(tx, []domain.MemberID{m.Sender})
	if err != nil {
		return OpenedInMail{}, err
	}
	o := OpenedInMail{ID: m.ID, Subject: m.Subject, Body: m.Body, From: people[m.Sender], OpenedAt: m.OpenedAt,
		BodyHTML: domain.ReadText("", m.Body, false).Body.HTML()}
	if m.Replies+m.Automatic > 0 {
		if o.Replies, err = svc.conversation(tx, m, reader, Page{Limit: MaxRepliesWithOpen}); err != nil {
			return OpenedInMail{}, err
		}
	}
	return o, nil
}
