package record

import (
	"inmail/domain"
	"inmail/domain/mailroom"
)

const insertReplies = `INSERT INTO replies (id, inmail, from_member, to_member, body, at, read_at)
	SELECT r.id, r.inmail, r.from_member, r.to_member, r.body, r.at, nullif(r.read_at, 0)
	FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[])
		AS r(id, inmail, from_member, to_member, body, at, read_at)`

// InsertReplies stores replies (R39, R40).
func (t *tx) InsertReplies(rs []*domain.Reply) error {
	var rows batch
	for _, r := range rs {
		rows.add(r.ID, r.InMail, r.From, r.To, r.Body, millis(r.At), millis(r.ReadAt))
	}
	_, err := t.execBatch("insert replies", insertReplies, &rows)
	return err
}

const replyColumns = `p.id, p.inmail, p.from_member, p.to_member, p.body, p.at, coalesce(p.read_at, 0)`

// replyScan reads replyColumns.
type replyScan struct {
	r        domain.Reply
	at, read int64
}

func (s *replyScan) columns() []any {
	return []any{(*string)(&s.r.ID), (*string)(&s.r.InMail), (*string)(&s.r.From), (*string)(&s.r.To), &s.r.Body,
		&s.at, &s.read}
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

const markRead = `UPDATE replies SET read_at = $3 WHERE inmail = $1 AND to_member = $2 AND read_at IS NULL`

// MarkRead marks the replies to a member in one conversation as read.
func (t *tx) MarkRead(id domain.ID, reader domain.MemberID) error {
	_, err := t.exec("mark replies as read", markRead, id, reader, t.at(0))
	return err
}
