package record

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"inmail/domain"
)

// What is known of a member by its id alone and goes with it (R60). $1 is the id.
var eraseOwn = []string{
	`DELETE FROM members WHERE id = $1`,
	`DELETE FROM allowances WHERE member = $1`,
	`DELETE FROM credits WHERE member = $1`,
	`DELETE FROM connections WHERE a IN (SELECT c.b FROM connections c WHERE c.a = $1) AND b = $1`,
	`DELETE FROM connections WHERE a = $1`,
	`DELETE FROM blocks WHERE who = $1`,
	`DELETE FROM blocks WHERE whom = $1`,
	`DELETE FROM banned WHERE kind = 'member' AND folded = $1`,
	`DELETE FROM keys WHERE member = $1 AND member <> ''`,
	`DELETE FROM answers WHERE sender = $1`,
	`DELETE FROM fingerprints WHERE sender = $1`,
	`DELETE FROM strikes WHERE member = $1`,
	`DELETE FROM restrictions WHERE member = $1`,
}

// Where the other side stays, the id becomes "erased" ($2) and what was written goes.
var eraseSides = []string{
	`UPDATE reports SET sender = $2, reason = '' WHERE sender = $1`,
	`UPDATE audit SET sender = $2, detail = $3 WHERE sender = $1 AND sender <> ''`,
	`UPDATE audit SET recipient = $2, detail = $3 WHERE recipient = $1 AND recipient <> ''`,
}

// The counts of a sender go on as those of "erased": what moves them later finds them there (R59).
const (
	mergeCounts = `INSERT INTO counts (dimension, cohort, key, outcome, shard, n)
		SELECT c.dimension, c.cohort, $2, c.outcome, 0, sum(c.n)::bigint FROM counts c WHERE c.dimension = 'sender' AND c.key = $1
		GROUP BY c.dimension, c.cohort, c.outcome ORDER BY c.dimension, c.cohort, c.outcome
		ON CONFLICT (dimension, cohort, key, outcome, shard) DO UPDATE SET n = counts.n + excluded.n`
	dropCounts = `DELETE FROM counts WHERE dimension = 'sender' AND key = $1`
)

// The InMails of a member by either side: each half is one walk along an index, of at most $2 rows.
const findOf = `SELECT i.id FROM inmails i WHERE i.id IN (
		SELECT a.id FROM (SELECT s.id FROM inmails s WHERE s.sender = $1 ORDER BY s.accepted_at LIMIT $2) AS a
		UNION SELECT b.id FROM (SELECT r.id FROM inmails r WHERE r.recipient = $1 ORDER BY r.in_inbox, r.sent_at LIMIT $2) AS b)
	ORDER BY i.id FOR UPDATE OF i`

// eraseInMails takes one side out of InMails; the texts, which the other side wrote or was written, go with it. The version rises:
// a push under way must not count as having brought this to a CRM. Tags and category stay, as the counts are cut by them; the
// ids of CRMs that the sender named for an erased recipient go.
const eraseInMails = `UPDATE inmails SET sender = CASE WHEN sender = $2 THEN $3 ELSE sender END,
		crm_ids = CASE WHEN recipient = $2 THEN '' ELSE crm_ids END,
		recipient = CASE WHEN recipient = $2 THEN $3 ELSE recipient END,
		version = version + 1
	WHERE id IN (SELECT unnest($1::uuid[]))`

const eraseReplies = `UPDATE replies SET from_member = CASE WHEN from_member = $2 THEN $3 ELSE from_member END,
		to_member = CASE WHEN to_member = $2 THEN $3 ELSE to_member END, body = ''
	WHERE inmail IN (SELECT unnest($1::uuid[]))`

const dropDetail = `UPDATE crm_links SET detail = '' WHERE inmail IN (SELECT unnest($1::uuid[]))`

// EraseMember takes name, ids and texts of a member out of every table and keeps the counts under "erased"
// (R59, R60). What the id alone names goes in the first call, so that the member is unknown and its keys are dead from then on;
// of its InMails each call does at most limit. It returns those it touched, which are due for the CRMs; done says
// that nothing is left. Scrub, after the commit, takes the bytes out of the files.
func (t *tx) EraseMember(id domain.MemberID, limit int) (touched []domain.ID, done bool, err error) {
	if err := t.LockMembers([]domain.MemberID{id}); err != nil {
		return nil, false, err
	}
	if err := t.storeCounts(); err != nil { // what this transaction counted for the member, too
		return nil, false, err
	}
	for _, sql := range eraseOwn {
		if _, err := t.exec("erase a member", sql, id); err != nil {
			return nil, false, err
		}
	}
	for i, sql := range eraseSides {
		args := []any{id, domain.Erased}
		if i >= 1 {
			args = append(args, []byte{})
		}
		if _, err := t.exec("erase a member from reports and audit", sql, args...); err != nil {
			return nil, false, err
		}
	}
	if err := t.eraseReporter(id); err != nil {
		return nil, false, err
	}
	if _, err := t.exec("keep the counts of an erased member", mergeCounts, id, string(domain.Erased)); err != nil {
		return nil, false, err
	}
	if _, err := t.exec("keep the counts of an erased member", dropCounts, id); err != nil {
		return nil, false, err
	}
	if err := t.dropSnapshotOf(id); err != nil {
		return nil, false, err
	}
	limit = max(limit, 1)
	touched, err = t.ids("find the InMails of a member", findOf, id, limit)
	if err != nil || len(touched) == 0 {
		return nil, err == nil, err
	}
	if _, err := t.exec("erase InMails", eraseInMails, touched, id, domain.Erased); err != nil {
		return nil, false, err
	}
	if err := t.markLater(touched); err != nil {
		return nil, false, err
	}
	if _, err := t.exec("erase texts", emptyTexts, touched); err != nil {
		return nil, false, err
	}
	if _, err := t.exec("erase replies", eraseReplies, touched, id, domain.Erased); err != nil {
		return nil, false, err
	}
	if _, err := t.exec("erase links", dropDetail, touched); err != nil {
		return nil, false, err
	}
	return touched, len(touched) < limit, nil
}

const (
	reportedBy    = `SELECT sender, min(inmail::text) FROM reports WHERE reporter = $1 GROUP BY sender`
	eraseReporter = `UPDATE reports SET reporter = $3, reason = '' WHERE reporter = $1 AND sender = $2`
)

// eraseReporter takes a reporter out of its reports. Towards each sender it stays one reporter, apart from others who were erased,
// under the first InMail that it reported of that sender (R41 c): a name that no member can have and that leads to nobody.
func (t *tx) eraseReporter(id domain.MemberID) error {
	first := map[domain.MemberID]string{}
	err := t.query("look whom an erased member reported", reportedBy, func(r row) error {
		var sender domain.MemberID
		var inmail string
		err := r.Scan((*string)(&sender), &inmail)
		first[sender] = inmail
		return err
	}, id)
	if err != nil {
		return err
	}
	for _, sender := range slices.Sorted(maps.Keys(first)) {
		if _, err := t.exec("erase a reporter", eraseReporter, id, sender, string(domain.Erased)+" "+first[sender]); err != nil {
			return err
		}
	}
	return nil
}

// dropSnapshotOf removes stored figures that name the member; the next ones are computed within seconds.
func (t *tx) dropSnapshotOf(id domain.MemberID) error {
	figures, _, err := t.Snapshot()
	if err != nil || !bytes.Contains(figures, []byte(id)) {
		return err
	}
	_, err = t.exec("drop figures that name a member", `DELETE FROM snapshots`)
	return err
}

// The places up to which texts were dropped, so that no walk begins at the beginning again.
const (
	stateDroppedInMails = "texts_dropped_inmails"
	stateDroppedReplies = "texts_dropped_replies"
)

const (
	oldInMails  = `SELECT id, coalesce(sent_at, ended_at, 0), subject <> '' OR preview <> '' OR body <> '' FROM inmails JOIN texts ON inmail = id WHERE `
	oldReplies  = `SELECT id, at, body <> '' FROM replies WHERE `
	emptyTexts  = `UPDATE texts SET subject = '', preview = '', body = '' WHERE inmail IN (SELECT unnest($1::uuid[]))`
	emptyBodies = `UPDATE replies SET body = '' WHERE id IN (SELECT unnest($1::uuid[]))`
)

// DropTexts empties the texts of InMails that were sent, or ended unsent, before then, and of replies written before then;
// at most limit of each are looked at. It returns how many were emptied or passed over, 0 when nothing more is due. It walks by
// id, which is the order of making, and keeps its place: an id whose time has not come stops the walk until it has.
func (t *tx) DropTexts(before time.Time, limit int) (int, error) {
	inmails, err := t.dropTexts(stateDroppedInMails, oldInMails, emptyTexts, before, limit)
	if err != nil {
		return 0, err
	}
	replies, err := t.dropTexts(stateDroppedReplies, oldReplies, emptyBodies, before, limit)
	return inmails + replies, err
}

func (t *tx) dropTexts(state, find, empty string, before time.Time, limit int) (int, error) {
	if limit <= 0 {
		return 0, nil
	}
	place, err := t.State(state)
	if err != nil {
		return 0, err
	}
	var c conditions
	c.and("TRUE")
	if len(place) > 0 {
		c.and("id > " + c.arg(domain.ID(place)))
	}
	var passed int
	var due []domain.ID
	waits := false
	var last domain.ID
	err = t.query("find old texts", find+c.sql+` ORDER BY id LIMIT `+c.arg(limit), func(r row) error {
		var id domain.ID
		var at int64
		var written bool
		if err := r.Scan((*string)(&id), &at, &written); err != nil {
			return err
		}
		if waits = waits || at == 0 || at >= millis(before); waits {
			return nil
		}
		passed++
		last = id
		if written {
			due = append(due, id)
		}
		return nil
	}, c.args...)
	if err != nil || passed == 0 {
		return 0, err
	}
	if len(due) > 0 {
		if _, err := t.exec("drop old texts", empty, due); err != nil {
			return 0, err
		}
	}
	return passed, t.SetState(state, []byte(last))
}
