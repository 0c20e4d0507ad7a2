package mailroom

import (
	"context"
	"slices"
	"time"

	"inmail/domain"
)

// Export is everything that the record keeps of a member, as far as the member may know it: refusals are as a
// sender sees them (R18), and an InMail that was retracted unopened has no text (R36).
type Export struct {
	At           time.Time
	Member       domain.Member
	Credits      domain.Credits
	Holdings     Holdings
	Restrictions []RestrictionRow // newest first
	InMails      []ExportedInMail // sent and received, oldest first
}

// Holdings is what the record keeps under a member's id beside InMails.
type Holdings struct {
	Connections []domain.MemberID // sorted
	Blocks      []domain.MemberID // whom the member blocks, sorted
	Periods     []ExportedPeriod  // oldest first
	Strikes     []time.Time       // oldest first
	Reports     []ExportedReport  // that the member made, oldest first
	Keys        []Key             // without their hashes, oldest first
	Bans        []domain.Ban      // of the member's id (R17)
}

// ExportedPeriod is the use of credits in one period.
type ExportedPeriod struct {
	Start          time.Time
	Used, Returned int
}

// ExportedReport is a report of abuse that the member made (R44).
type ExportedReport struct {
	InMail domain.ID
	At     time.Time
	Reason string
}

// ExportedInMail is an InMail that the member sent, or that was delivered to it.
type ExportedInMail struct {
	InMail   *domain.InMail
	Status   domain.Status // as the clock gives it (R33)
	Reason   domain.Code   // as the sender may see it
	From, To Person
	Receipts []domain.Receipt // as its sender sees them; none for a received InMail
	Replies  []*domain.Reply  // oldest first
}

// exportPage is how many InMails, or replies of one, are read at once.
const exportPage = 200

// Export returns everything that the record keeps of a member at one moment. It opens nothing (R31).
func (svc *Service) Export(ctx context.Context, id domain.MemberID) (e Export, err error) {
	err = svc.record.View(ctx, func(tx Tx) error {
		e = Export{At: tx.Now()}
		found, err := tx.Members([]domain.MemberID{id})
		if err != nil {
			return err
		}
		if found[id] == nil {
			return refuse(domain.NotFound, "there is no member with this id")
		}
		e.Member = *found[id]
		accounts, err := svc.accounts(tx, []domain.MemberID{id})
		if err != nil {
			return err
		}
		e.Credits = domain.CreditsAt(tx.Now(), accounts[id], svc.policy.RolloverPeriods)
		if e.Holdings, err = tx.Holdings(id); err != nil {
			return err
		}
		if e.Restrictions, err = tx.Restrictions(id); err != nil {
			return err
		}
		ids, err := tx.InMailsOf(id)
		if err != nil {
			return err
		}
		for part := range slices.Chunk(ids, exportPage) {
			if err := svc.exportSome(tx, &e, part); err != nil {
				return err
			}
		}
		return nil
	})
	return e, wrap("export a member", err)
}

// exportSome adds InMails to an export.
func (svc *Service) exportSome(tx Tx, e *Export, ids []domain.ID) error {
	found, err := tx.InMails(ids)
	if err != nil {
		return err
	}
	var people []domain.MemberID
	for _, m := range found {
		people = append(people, m.Sender, m.Recipient)
	}
	known, err := svc.people(tx, people)
	if err != nil {
		return err
	}
	for _, id := range ids {
		m := found[id]
		x := ExportedInMail{
			InMail: m, Status: m.StatusAt(tx.Now()), Reason: m.Reason.ForSender(),
			From: known[m.Sender], To: known[m.Recipient],
		}
		if m.Sender == e.Member.ID {
			receipts, err := tx.Receipts(id)
			if err != nil {
				return err
			}
			x.Receipts = m.Path(receipts, tx.Now())
			for i := range x.Receipts {
				x.Receipts[i].Reason = x.Receipts[i].Reason.ForSender()
			}
		} else if m.Undone {
			m.Subject, m.Preview, m.Body = "", "", ""
		}
		if m.Replies+m.Automatic > 0 {
			if x.Replies, err = allReplies(tx, id); err != nil {
				return err
			}
		}
		e.InMails = append(e.InMails, x)
	}
	return nil
}

// allReplies reads a whole conversation.
func allReplies(tx Tx, id domain.ID) (all []*domain.Reply, err error) {
	page := Page{Limit: exportPage}
	for {
		some, err := tx.Replies(id, page)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if len(some) < exportPage {
			return all, nil
		}
		last := some[len(some)-1]
		page.After = Cursor{At: last.At, ID: string(last.ID)}
	}
}
