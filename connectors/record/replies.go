package record

import (
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

const insertReplies = `INSERT INTO replies (id, inmail, from_member, to_member, body, at, read_at, automatic)
	SELECT r.id, r.inmail, r.from_member, r.to_member, r.body, r.at, nullif(r.read_at, 0), r.automatic
	FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
			$8::bool[])
		AS r(id, inmail, from_member, to_member, body, at, read_at, automatic)`

// InsertReplies stores replies (R39, R40).
func (t *tx) InsertReplies(rs []*domain.Reply) error {
	var rows batch
	for _, r := range rs {
		rows.add(r.ID, r.InMail, r.From, r.To, r.Body, millis(r.At), millis(r.ReadAt), r.Automatic)
	}
	_, err := t.execBatch("insert replies", insertReplies, &rows)
	return err
}

const replyColumns = `p.id, p.inmail, p.from_member, p.to_member, p.body, p.at, coalesce(p.read_at, 0), p.automatic`

// replyScan reads replyColumns.
type replyScan struct {
	r        domain.Reply
	at, read int64
}

func (s *replyScan) columns() []any {
	return []any{(*string)(&s.r.ID), (*string)(&s.r.InMail), (*string)(&s.r.From), (*string)(&s.r.To), &s.r.Body,
		&s.at, &s.read, &s.r.Automatic}
}

func (s *replyScan) reply() *domain.Reply {
	s.r.At, s.r.ReadAt = instant(s.at), instant(s.read)
	return &s.r
}

// Replies returns a page of the conversation of an InMail, oldest first by (At, ID).
func (t *tx) Replies(id domain.ID, page mailroom.Page) (replies []*domain.Reply, err error) {
	var c conditions
	c.and("p.inmail = " + c.arg(id))
	if page.After != (mailroom.Cursor{}) {
		at := c.arg(millis(page.After.At))
		c.and("p.at >= " + at + " AND NOT (p.at = " + at + " AND p.id <= " + c.arg(domain.ID(page.After.ID)) + ")")
	}
	sql := `SELECT ` + replyColumns + ` FROM replies p WHERE ` + c.sql + ` ORDER BY p.at, p.id LIMIT ` +
		c.arg(limit(page))
	err = t.query("read a conversation", sql, func(r row) error {
		var s replyScan
		err := r.Scan(s.columns()...)
		replies = append(replies, s.reply())
		return err
	}, c.args...)
	return replies, err
}

const oneReply = `SELECT p.id, p.inmail, p.from_member, p.to_member, '', p.at, coalesce(p.read_at, 0), p.automatic
	FROM replies p WHERE p.id = $2 AND p.inmail = $1`

// Reply returns one reply of an InMail, without its text; nil when there is none.
func (t *tx) Reply(inmail, reply domain.ID) (*domain.Reply, error) {
	var s replyScan
	each, found := one(s.columns()...)
	if err := t.query("read a reply", oneReply, each, inmail, reply); err != nil || !*found {
		return nil, err
	}
	return s.reply(), nil
}

const markAutomatic = `UPDATE replies SET automatic = $2 WHERE id = $1`

// MarkAutomatic stores whether a reply is automatic (R64).
func (t *tx) MarkAutomatic(reply domain.ID, automatic bool) error {
	_, err := t.exec("mark a reply as automatic", markAutomatic, reply, automatic)
	return err
}

const firstReply = `SELECT p.at FROM replies p WHERE p.inmail = $1 AND p.from_member = $2 AND p.automatic = FALSE
	ORDER BY p.at, p.id LIMIT 1`

// FirstReply returns when a member first wrote in a conversation, automatic replies left out; the zero time:
// never (R64).
func (t *tx) FirstReply(inmail domain.ID, from domain.MemberID) (time.Time, error) {
	var at int64
	each, _ := one(&at)
	err := t.query("find the first reply", firstReply, each, inmail, from)
	return instant(at), err
}

const markRead = `UPDATE replies SET read_at = $3 WHERE inmail = $1 AND to_member = $2 AND read_at IS NULL`

// MarkRead marks the replies to a member in one conversation as read.
func (t *tx) MarkRead(id domain.ID, reader domain.MemberID) error {
	_, err := t.exec("mark replies as read", markRead, id, reader, t.at(0))
	return err
}
