package mailroom

import (
	"context"
	"time"

	"inmail/domain"
)

// OpenedInMail is the full message as its recipient reads it.
type OpenedInMail struct {
	ID       domain.ID
	Subject  string
	Body     string // as it was sent (R24)
	BodyHTML string // safe
	From     Person
	OpenedAt time.Time
	Replies  []ReplyView // the first of them, oldest first
}

// MaxRepliesWithOpen is how many replies come with an opened InMail; Replies lists the rest.
const MaxRepliesWithOpen = 200

// Open gives the recipient the full message and sets opened_at once (R31); nobody else ever opens it.
// Opening again gives the same. What is gone answers expired or retracted (R32, R36, R37).
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

// move stores one change with the counts that follow from it.
func (svc *Service) move(tx Tx, c Change, before domain.Outcome) error {
	if err := tx.Save([]Change{c}); err != nil {
		return err
	}
	return tx.Count(domain.CountsFor(c.InMail, before, c.InMail.Outcome()))
}

// opened reads what the recipient of an opened InMail sees; the replies to them are read from then on.
func (svc *Service) opened(tx Tx, m *domain.InMail, reader domain.MemberID) (OpenedInMail, error) {
	people, err := svc.people(tx, []domain.MemberID{m.Sender})
	if err != nil {
		return OpenedInMail{}, err
	}
	o := OpenedInMail{ID: m.ID, Subject: m.Subject, Body: m.Body, From: people[m.Sender], OpenedAt: m.OpenedAt,
		BodyHTML: domain.ReadText("", m.Body, false).Body.HTML()}
	if m.Replies > 0 {
		if o.Replies, err = svc.conversation(tx, m, reader, Page{Limit: MaxRepliesWithOpen}); err != nil {
			return OpenedInMail{}, err
		}
	}
	return o, nil
}
