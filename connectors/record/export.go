package record

import (
	"inmail/domain"
	"inmail/domain/mailroom"
)

// inMailsOf finds the InMails that a member sent and those that were delivered to it, each by one index.
const inMailsOf = `SELECT o.id FROM (SELECT w.id FROM waiting w WHERE w.sender = $1
		UNION SELECT s.id FROM inmails s WHERE s.sender = $1
		UNION SELECT r.id FROM inmails r WHERE r.recipient = $1 AND r.sent_at IS NOT NULL) AS o ORDER BY o.id`

// InMailsOf returns the ids of all InMails that a member sent, and of those that were
// delivered to it, oldest first.
func (t *tx) InMailsOf(member domain.MemberID) ([]domain.ID, error) {
	return t.ids("find the InMails of a member", inMailsOf, member)
}

const (
	selectConnections = `SELECT b FROM connections WHERE a = $1 ORDER BY b`
	selectBlocks      = `SELECT whom FROM blocks WHERE who = $1 ORDER BY whom`
	selectPeriods     = `SELECT period_start, used, returned FROM credits WHERE member = $1 ORDER BY period_start`
	selectStrikes     = `SELECT at FROM strikes WHERE member = $1 ORDER BY at`
	selectReports     = `SELECT inmail, at, reason FROM reports WHERE reporter = $1 ORDER BY at, inmail`
	selectKeys        = `SELECT id, created_at FROM keys WHERE member = $1 AND member <> '' ORDER BY created_at, id`
	selectBans        = `SELECT value, reason, made_by, at FROM banned WHERE kind = 'member' AND folded = $1`
)

// Holdings returns what is stored under a member's id beside InMails, for an export.
func (t *tx) Holdings(member domain.MemberID) (h mailroom.Holdings, err error) {
	for _, list := range []struct {
		sql  string
		each func(row) error
	}{
		{selectConnections, func(r row) error {
			id, err := scanMemberID(r)
			h.Connections = append(h.Connections, id)
			return err
		}},
		{selectBlocks, func(r row) error {
			id, err := scanMemberID(r)
			h.Blocks = append(h.Blocks, id)
			return err
		}},
		{selectPeriods, func(r row) error {
			var p mailroom.ExportedPeriod
			var start int64
			err := r.Scan(&start, &p.Used, &p.Returned)
			p.Start = instant(start)
			h.Periods = append(h.Periods, p)
			return err
		}},
		{selectStrikes, func(r row) error {
			var at int64
			err := r.Scan(&at)
			h.Strikes = append(h.Strikes, instant(at))
			return err
		}},
		{selectReports, func(r row) error {
			var report mailroom.ExportedReport
			var at int64
			err := r.Scan((*string)(&report.InMail), &at, &report.Reason)
			report.At = instant(at)
			h.Reports = append(h.Reports, report)
			return err
		}},
		{selectKeys, func(r row) error {
			k := mailroom.Key{Role: mailroom.RoleMember, Member: member}
			var at int64
			err := r.Scan(&k.ID, &at)
			k.CreatedAt = instant(at)
			h.Keys = append(h.Keys, k)
			return err
		}},
		{selectBans, func(r row) error {
			b := domain.Ban{Kind: domain.BanMember}
			var at int64
			err := r.Scan(&b.Value, &b.Reason, &b.By, &at)
			b.At = instant(at)
			h.Bans = append(h.Bans, b)
			return err
		}},
	} {
		if err := t.query("read what is stored on a member", list.sql, list.each, member); err != nil {
			return mailroom.Holdings{}, err
		}
	}
	return h, nil
}

func scanMemberID(r row) (id domain.MemberID, err error) {
	err = r.Scan((*string)(&id))
	return id, err
}
