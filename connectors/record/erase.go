package record

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"inmail/domain"
)

// eraseOwn deletes the rows that belong to a member alone (R60). $1 is its id.
var eraseOwn = []string{
	`DELETE FROM members WHERE id = $1`,
	`DELETE FROM names WHERE member = $1`,
	`DELETE FROM member_words WHERE member = $1`,
	`DELETE FROM allowances WHERE member = $1`,
	`DELETE FROM credits WHERE member = $1`,
	`DELETE FROM connections WHERE a IN (SELECT c.b FROM connections c WHERE c.a = $1) AND b = $1`,
	`DELETE FROM connections WHERE a = $1`,
	`DELETE FROM blocks WHERE who = $1`,
	`DELETE FROM blocks WHERE whom = $1`,
	`DELETE FROM banned WHERE kind = 'member' AND folded = $1`,
	`DELETE FROM keys WHERE member = $1 AND member <> ''`,
	`DELETE FROM sessions WHERE member = $1 AND member <> ''`,
	`DELETE FROM answers WHERE sender = $1`,
	`DELETE FROM strikes WHERE member = $1`,
	`DELETE FROM restrictions WHERE member = $1`,
}

// eraseSides keeps rows that another member shares: the id becomes "erased" ($2), and texts are emptied.
var eraseSides = []string{
	`UPDATE reports SET sender = $2, reason = '' WHERE sender = $1`,
	`UPDATE audit SET sender = $2, detail = CASE kind WHEN 'act' THEN detail ELSE $3 END, same = ''
		WHERE sender = $1 AND sender <> ''`, // an act's detail is about the operator; same is a digest of the id too
	`UPDATE audit SET recipient = $2, detail = $3 WHERE recipient = $1 AND recipient <> ''`,
}

// The counts of a sender are added to those of "erased", where later changes of them go as well (R59).
const (
	mergeCounts = `INSERT INTO counts (dimension, cohort, key, outcome, shard, n)
		SELECT c.dimension, c.cohort, $2, c.outcome, 0, sum(c.n)::bigint FROM counts c WHERE c.dimension = 'sender'
			AND c.key = $1
		GROUP BY c.dimension, c.cohort, c.outcome ORDER BY c.dimension, c.cohort, c.outcome
		ON CONFLICT (dimension, cohort, key, outcome, shard) DO UPDATE SET n = counts.n + excluded.n`
	dropCounts = `DELETE FROM counts WHERE dimension = 'sender' AND key = $1`
)

// findOf finds and locks the InMails that a member sent or got; each half reads at most $2 rows of one index.
const findOf = `SELECT i.id FROM inmails i WHERE i.id IN (
		SELECT a.id FROM (SELECT s.id FROM inmails s WHERE s.sender = $1 ORDER BY s.accepted_at LIMIT $2) AS a
		UNION SELECT b.id FROM (SELECT r.id FROM inmails r WHERE r.recipient = $1
			ORDER BY r.in_inbox, r.sent_at LIMIT $2) AS b)
	ORDER BY i.id FOR UPDATE OF i`

// findWaitingOf finds and locks those that are queued. It runs before findOf, which finds those that are
// decided in between.
const findWaitingOf = `SELECT i.id FROM waiting i WHERE i.id IN (SELECT s.id FROM waiting s WHERE s.sender = $1
		UNION SELECT r.id FROM waiting r WHERE r.recipient = $1)
	ORDER BY i.id LIMIT $2 FOR UPDATE OF i`

// eraseInMails replaces one side of InMails by "erased" ($3). The version rises, so that a push under way
// does not count as having pushed this. Tags and category stay, as counts are kept by them; the ids of CRMs
// that the sender gave for an erased recipient are emptied.
const eraseInMails = `UPDATE inmails SET ` + eraseSide
const eraseWaiting = `UPDATE waiting SET ` + eraseSide

const eraseSide = `sender = CASE WHEN sender = $2 THEN $3 ELSE sender END,
		crm_ids = CASE WHEN recipient = $2 THEN '' ELSE crm_ids END,
		recipient = CASE WHEN recipient = $2 THEN $3 ELSE recipient END,
		version = version + 1
	WHERE id IN (SELECT unnest($1::uuid[]))`

const eraseReplies = `UPDATE replies SET from_member = CASE WHEN from_member = $2 THEN $3 ELSE from_member END,
		to_member = CASE WHEN to_member = $2 THEN $3 ELSE to_member END, body = ''
	WHERE inmail IN (SELECT unnest($1::uuid[]))`

const dropDetail = `UPDATE crm_links SET detail = '', failures = '' WHERE inmail IN (SELECT unnest($1::uuid[]))`

// EraseMember removes name, ids and texts of a member from every table and keeps the counts under "erased"
// (R59, R60). The first call deletes the member and its keys, which are unknown from then on; each call
// erases at most limit of its InMails. It returns those that it erased, which are due for the CRMs; done says
// that none is left. Scrub, after the commit, removes the bytes from the files.
func (t *tx) EraseMember(id domain.MemberID, limit int) (touched []domain.ID, done bool, err error) {
	if err := t.LockMembers([]domain.MemberID{id}); err != nil {
		return nil, false, err
	}
	if err := t.storeCounts(); err != nil { // counts of this transaction are erased too
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
	waiting, err := t.ids("find the queued InMails of a member", findWaitingOf, id, limit)
	if err != nil {
		return nil, false, err
	}
	decided, err := t.ids("find the InMails of a member", findOf, id, limit)
	touched = slices.Concat(waiting, decided)
	if err != nil || len(touched) == 0 {
		return nil, err == nil, err
	}
	if _, err := t.exec("erase queued InMails", eraseWaiting, waiting, id, domain.Erased); err != nil {
		return nil, false, err
	}
	if _, err := t.exec("erase InMails", eraseInMails, decided, id, domain.Erased); err != nil {
		return nil, false, err
	}
	if err := t.markLater(touched); err != nil {
		return nil, false, err
	}
	if _, err := t.exec("erase texts", emptyTexts, touched, slices.Min(touched), slices.Max(touched)); err != nil {
		return nil, false, err
	}
	if _, err := t.exec("erase replies", eraseReplies, touched, id, domain.Erased); err != nil {
		return nil, false, err
	}
	if _, err := t.exec("erase links", dropDetail, touched); err != nil {
		return nil, false, err
	}
	return touched, len(waiting) < limit && len(decided) < limit, nil
}

const (
	reportedBy    = `SELECT sender, min(inmail::text) FROM reports WHERE reporter = $1 GROUP BY sender`
	eraseReporter = `UPDATE reports SET reporter = $3, reason = '' WHERE reporter = $1 AND sender = $2`
)

// eraseReporter replaces a reporter in its reports by "erased" and the id of the first InMail of that sender
// that it reported. So it still counts as one reporter of each sender, apart from others who were erased (R41
// c). The blank in this name keeps it apart from every member id, and it leads to nobody.
func (t *tx) eraseReporter(id domain.MemberID) error {
	first := map[domain.MemberID]string{}
	err := t.query("read whom an erased member reported", reportedBy, func(r row) error {
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
		if _, err := t.exec("erase a reporter", eraseReporter, id, sender,
			string(domain.Erased)+" "+first[sender]); err != nil {
			return err
		}
	}
	return nil
}

// dropSnapshotOf deletes stored figures that name the member; the next are computed within seconds.
func (t *tx) dropSnapshotOf(id domain.MemberID) error {
	figures, _, err := t.Snapshot()
	if err != nil || !bytes.Contains(figures, []byte(id)) {
		return err
	}
	_, err = t.exec("drop figures that name a member", `DELETE FROM snapshots`)
	return err
}

// The states that keep the last id whose text was dropped, so that the next call continues after it.
const (
	stateDroppedInMails = "texts_dropped_inmails"
	stateDroppedReplies = "texts_dropped_replies"
)

const (
	// An InMail whose texts went with their partition is due for the CRMs, too.
	oldInMails = `SELECT i.id, coalesce(i.sent_at, i.ended_at, 0), coalesce(x.subject <> '' OR x.preview <> ''
			OR x.body <> '' OR x.decline_reason <> '', TRUE)` + inmailTables + `WHERE `
	oldReplies = `SELECT i.id, i.at, i.body <> '' FROM replies i WHERE `
	// The bounds leave the partitions alone that have none of the ids.
	emptyTexts = `UPDATE texts SET subject = '', preview = '', body = '', decline_reason = ''
		WHERE inmail IN (SELECT unnest($1::uuid[])) AND inmail BETWEEN $2 AND $3`
	emptyBodies = `UPDATE replies SET body = '' WHERE id IN (SELECT unnest($1::uuid[]))`
)

// DropTexts empties the texts of InMails that were sent, or ended unsent, before a time, and of replies that
// were written before it. It reads at most limit of each and returns how many it emptied or passed over; 0
// when nothing more is due. It reads by id, which is the order of creation, and keeps the last id; the first
// row whose time has not come ends the call, and the next call begins with it.
func (t *tx) DropTexts(before time.Time, limit int) (int, error) {
	inmails, err := t.dropTexts(stateDroppedInMails, oldInMails, emptyTexts, before, limit)
	if err != nil {
		return 0, err
	}
	replies, err := t.dropTexts(stateDroppedReplies, oldReplies, emptyBodies, before, limit)
	return inmails + replies, err
}

// firstWaiting is the first id that waits. What waits is not among the InMails yet, and has a place among
// them.
const firstWaiting = `coalesce((SELECT w.id FROM waiting w ORDER BY w.id LIMIT 1), '` + string(lastID) + `')`

const lastID domain.ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"

// newVersion makes InMails whose texts were dropped newer than what any CRM has.
const newVersion = `UPDATE inmails SET version = version + 1 WHERE id IN (SELECT unnest($1::uuid[]))`

// copiesFollow makes InMails whose texts were dropped due in every CRM, so that the texts leave there, too.
// Texts of replies are in no CRM.
func (t *tx) copiesFollow(state string, ids []domain.ID) error {
	if state != stateDroppedInMails {
		return nil
	}
	if err := t.lockIDs(ids); err != nil {
		return err
	}
	if _, err := t.exec("make InMails without texts newer", newVersion, ids); err != nil {
		return err
	}
	return t.markLater(ids)
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
		c.and("i.id > " + c.arg(domain.ID(place)))
	}
	if state == stateDroppedInMails {
		c.and("i.id < " + firstWaiting)
	}
	var passed int
	var due []domain.ID
	waits := false
	var last domain.ID
	err = t.query("find old texts", find+c.sql+` ORDER BY i.id LIMIT `+c.arg(limit), func(r row) error {
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
		args := []any{due}
		if state == stateDroppedInMails {
			args = append(args, due[0], due[len(due)-1])
		}
		if _, err := t.exec("drop old texts", empty, args...); err != nil {
			return 0, err
		}
		if err := t.copiesFollow(state, due); err != nil {
			return 0, err
		}
	}
	return passed, t.SetState(state, []byte(last))
}
