package record

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// filter narrows a list of InMails i. The status is as the clock gives it (R33): an unopened InMail past its
// window is expired, whether or not that was persisted. IS TRUE keeps planners from indexes over a status,
// which do not hold a list in its order.
func (c *conditions) filter(f mailroom.Filter, now any) {
	switch f.Status {
	case "":
	case domain.Sent:
		c.and("(i.status = 'sent') IS TRUE AND i.expires_at > " + c.arg(now))
	case domain.Expired:
		c.and("(i.status = 'expired' OR i.status = 'sent' AND i.expires_at <= " + c.arg(now) + ")")
	default:
		c.and("(i.status = " + c.arg(string(f.Status)) + ") IS TRUE")
	}
	if f.Tag != "" {
		c.and("strpos(i.tags, " + c.arg(writeTags([]string{f.Tag})) + ") > 0")
	}
	if !f.ExpiresBefore.IsZero() {
		c.and("i.expires_at < " + c.arg(millis(f.ExpiresBefore)))
	}
}

// SentBy lists what a member sent (accepted), newest first by (AcceptedAt, ID), without bodies.
func (t *tx) SentBy(sender domain.MemberID, f mailroom.Filter, page mailroom.Page) ([]*domain.InMail, error) {
	found := map[domain.ID]*domain.InMail{}
	list := func(columns, tables string, f mailroom.Filter) error {
		var c conditions
		c.and("i.sender = " + c.arg(sender))
		c.after("i.accepted_at", "i.id", page.After, domain.ID(page.After.ID))
		c.filter(f, t.at(0))
		return t.query("list what was sent", `SELECT `+columns+withoutBody+tables+`WHERE `+c.sql+
			c.newest("i.accepted_at", "i.id", limit(page)), into(found), c.args...)
	}
	err := t.together(func() error {
		var queued, decided error
		if (f.Status == "" || f.Status == domain.Queued) && f.ExpiresBefore.IsZero() {
			queued = list(waitingColumns, waitingTables, mailroom.Filter{Tag: f.Tag})
		}
		if f.Status != domain.Queued {
			decided = list(inmailColumns, inmailTables, f)
		}
		return errors.Join(queued, decided)
	})
	if err != nil {
		return nil, err
	}
	sent := slices.SortedFunc(maps.Values(found), func(a, b *domain.InMail) int {
		return cmp.Or(b.AcceptedAt.Compare(a.AcceptedAt), cmp.Compare(b.ID, a.ID))
	})
	return sent[:min(len(sent), limit(page))], nil
}

// countSent reads the newest rows of one sender by the index that holds them in their order, and no more.
// What waits is new, and counts first.
const (
	countSent = `SELECT CASE WHEN s.status = 'sent' AND s.expires_at <= $2 THEN 'expired' ELSE s.status END, count(*)
	FROM (SELECT n.status, n.expires_at, n.tags
		FROM (SELECT i.accepted_at, i.id, i.status, i.expires_at, i.tags FROM inmails i WHERE i.sender = $1
			ORDER BY i.accepted_at DESC /*sqlite , i.id DESC LIMIT $3*/ /*postgres FETCH FIRST ($3::bigint) ROWS WITH TIES*/) n
		ORDER BY n.accepted_at DESC, n.id DESC
		LIMIT greatest($3::bigint - (SELECT count(*) FROM waiting w WHERE w.sender = $1), 0)) s
	WHERE $4 = '' OR strpos(s.tags, $4) > 0 GROUP BY 1`
	countWaiting = `SELECT count(*) FROM waiting w WHERE w.sender = $1 AND ($2 = '' OR strpos(w.tags, $2) > 0)`
)

// CountSent counts the newest InMails of a sender by state as the clock gives it (R33).
func (t *tx) CountSent(sender domain.MemberID, tag string, newest int) (map[domain.Status]int, error) {
	if tag != "" {
		tag = writeTags([]string{tag})
	}
	counts := map[domain.Status]int{}
	var waiting int
	err := t.together(func() error {
		each, _ := one(&waiting)
		return errors.Join(t.query("count what waits", countWaiting, each, sender, tag),
			t.query("count what was sent", countSent, func(r row) error {
				var status domain.Status
				var n int
				err := r.Scan((*string)(&status), &n)
				counts[status] = n
				return err
			}, sender, t.at(0), newest, tag))
	})
	if waiting > 0 {
		counts[domain.Queued] = min(waiting, newest)
	}
	return counts, err
}

// InboxOf lists the live entries of a member's inbox: InMails by SentAt and replies by At, newest first,
// without the bodies of InMails. A filter applies to the InMail, also when the entry is a reply to it.
func (t *tx) InboxOf(member domain.MemberID, f mailroom.Filter, page mailroom.Page) ([]mailroom.Entry, error) {
	inmails, err := t.inmailsOf(member, f, page)
	if err != nil {
		return nil, err
	}
	replies, err := t.repliesTo(member, f, page)
	if err != nil {
		return nil, err
	}
	entries := append(inmails, replies...)
	slices.SortFunc(entries, func(a, b mailroom.Entry) int {
		x, y := placeOf(a), placeOf(b)
		return cmp.Or(y.At.Compare(x.At), cmp.Compare(y.ID, x.ID))
	})
	return entries[:min(len(entries), limit(page))], nil
}

// placeOf returns the cursor of an entry in its list.
func placeOf(e mailroom.Entry) mailroom.Cursor {
	if e.Reply != nil {
		return mailroom.Cursor{At: e.Reply.At, ID: string(e.Reply.ID)}
	}
	return mailroom.Cursor{At: e.InMail.SentAt, ID: string(e.InMail.ID)}
}

func (t *tx) inmailsOf(member domain.MemberID, f mailroom.Filter,
	page mailroom.Page) (entries []mailroom.Entry, err error) {
	var c conditions
	now := t.at(0)
	c.and("i.recipient = " + c.arg(member) + " AND i.in_inbox = TRUE")
	c.after("i.sent_at", "i.id", page.After, domain.ID(page.After.ID))
	c.and("(i.status <> 'sent' OR i.expires_at > " + c.arg(now) + ")")
	c.filter(f, now)
	sql := `SELECT ` + inmailColumns + withoutBody + inmailTables + `WHERE ` + c.sql +
		c.newest("i.sent_at", "i.id", limit(page))
	err = t.query("list an inbox", sql, func(r row) error {
		m, err := scanInMail(r)
		entries = append(entries, mailroom.Entry{InMail: m})
		return err
	}, c.args...)
	return entries, err
}

func (t *tx) repliesTo(member domain.MemberID, f mailroom.Filter,
	page mailroom.Page) (entries []mailroom.Entry, err error) {
	var c conditions
	c.and("p.to_member = " + c.arg(member))
	c.after("p.at", "p.id", page.After, domain.ID(page.After.ID))
	c.filter(f, t.at(0))
	sql := `SELECT ` + inmailColumns + withoutBody + `, ` + replyColumns + inmailTables +
		`JOIN replies p ON p.inmail = i.id WHERE ` + c.sql +
		` ORDER BY p.at DESC, p.id DESC LIMIT ` + c.arg(limit(page))
	err = t.query("list the replies of an inbox", sql, func(r row) error {
		var s replyScan
		m, err := scanInMail(r, s.columns()...)
		entries = append(entries, mailroom.Entry{InMail: m, Reply: s.reply()})
		return err
	}, c.args...)
	return entries, err
}

// unread counts only InMails that were sent within one window: older ones are expired or opened.
var unread = fmt.Sprintf(`SELECT
	(SELECT count(*) FROM inmails i WHERE i.recipient = $1 AND i.in_inbox = TRUE AND i.sent_at > $2::bigint - %d
		AND i.status = 'sent' AND i.expires_at > $2)
	+ (SELECT count(*) FROM replies p WHERE p.to_member = $1 AND p.read_at IS NULL)`, domain.Window.Milliseconds())

// Unread counts the live unopened InMails and unread replies of a member.
func (t *tx) Unread(member domain.MemberID) (n int, err error) {
	each, _ := one(&n)
	err = t.query("count what is unread", unread, each, member, t.at(0))
	return n, err
}
