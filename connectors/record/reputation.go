package record

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/spam"
)

// Each of these queries reads a bounded part of an index for each sender: the newest sends,
// strikes, reports and deliveries.
const (
	queuedSends = `SELECT w.sender, w.accepted_at FROM waiting w WHERE w.sender IN (SELECT unnest($1::text[]))
		AND w.accepted_at >= $2`
	newestSends = `SELECT r.sender, newest.at FROM unnest($3::text[]) AS r(sender)
		JOIN LATERAL (SELECT s.accepted_at AS at FROM inmails s WHERE s.sender = r.sender AND s.accepted_at >= $1
			ORDER BY s.accepted_at DESC LIMIT $2) AS newest ON TRUE
		ORDER BY r.sender, newest.at DESC`
	recentStrikes = `SELECT member, at FROM strikes WHERE member IN (SELECT unnest($1::text[])) AND at >= $2
		ORDER BY member, at DESC`
	// reporters counts only reports after the start of the last undone restriction by reports.
	reporters = `SELECT n.sender, count(*), min(n.newest) FROM (
			SELECT p.sender, p.reporter, max(p.at) AS newest FROM reports p
				WHERE p.sender IN (SELECT unnest($1::text[])) AND p.at >= $2
				AND p.at > coalesce((SELECT max(u.started_at) FROM restrictions u
					WHERE u.member = p.sender AND u.trigger_name = 'reports' AND u.undone_at IS NOT NULL), 0)
			GROUP BY p.sender, p.reporter) AS n
		GROUP BY n.sender`
	undone = `SELECT member, trigger_name, started_at FROM restrictions
		WHERE member IN (SELECT unnest($1::text[])) AND started_at >= $2 AND undone_at IS NOT NULL`
	deliveries = `SELECT sender, count(*) FROM inmails WHERE sender IN (SELECT unnest($1::text[]))
		AND accepted_at >= $2 AND sent_at >= $3 GROUP BY sender`
)

// Signals returns the signals of each sender until Now, as far back as need says (R41). Deliveries
// are counted only for senders who were reported: without a report they decide nothing. The caller
// sets Similar and SimilarAt.
func (t *tx) Signals(senders []domain.MemberID, need spam.Limits) (map[domain.MemberID]spam.Signals, error) {
	got, err := t.readSignals(senders, need)
	if err != nil {
		return nil, err
	}
	return got.signals, t.leaveOutUndone(got)
}

// signalsRead is the signals of senders as they were read, before leaveOutUndone leaves out what was undone.
type signalsRead struct {
	signals  map[domain.MemberID]spam.Signals
	needed   int // how many sends of each
	reported []domain.MemberID
	undone   map[domain.MemberID]spam.Undone
}

// readSignals asks for all signals that depend on no other answer. Inside together, they are
// read when together returns.
func (t *tx) readSignals(senders []domain.MemberID, need spam.Limits) (*signalsRead, error) {
	signals := make(map[domain.MemberID]spam.Signals, len(senders))
	got := &signalsRead{signals: signals, needed: need.SendsNeeded(), undone: map[domain.MemberID]spam.Undone{}}
	if len(senders) == 0 {
		return got, nil
	}
	asked := distinct(senders)
	var rows batch
	rows.args = []any{t.at(-spam.SendsWindow), need.SendsNeeded()}
	for _, id := range asked {
		signals[id] = spam.Signals{}
		rows.add(id)
	}
	each := func(r row) error {
		id, at, err := scanMemberTime(r)
		s := signals[id]
		s.Sends = append(s.Sends, at)
		signals[id] = s
		return err
	}
	err := t.query("read the queued sends", queuedSends, each, asked, t.at(-spam.SendsWindow))
	if err != nil {
		return nil, err
	}
	if err := t.queryBatch("read the newest sends", newestSends, &rows, each); err != nil {
		return nil, err
	}
	since := t.at(-spam.RecordWindow)
	err = t.query("read strikes", recentStrikes, func(r row) error {
		id, at, err := scanMemberTime(r)
		s := signals[id]
		s.Strikes = append(s.Strikes, at)
		signals[id] = s
		return err
	}, asked, since)
	if err != nil {
		return nil, err
	}
	err = t.query("count reporters", reporters, func(r row) error {
		var id domain.MemberID
		var n int
		var oldest int64
		err := r.Scan((*string)(&id), &n, &oldest)
		s := signals[id]
		s.Reporters, s.ReportedAt = n, instant(oldest)
		signals[id] = s
		got.reported = append(got.reported, id)
		return err
	}, asked, since)
	if err != nil {
		return nil, err
	}
	return got, t.query("read undone restrictions", undone, func(r row) error {
		var id domain.MemberID
		var trigger string
		var started int64
		err := r.Scan((*string)(&id), &trigger, &started)
		got.undone[id] = got.undone[id].Undo(trigger, instant(started))
		return err
	}, asked, since)
}

// leaveOutUndone removes the signals of undone restrictions, and counts the deliveries of senders who were
// reported.
func (t *tx) leaveOutUndone(got *signalsRead) error {
	for id, s := range got.signals {
		slices.SortFunc(s.Sends, func(a, b time.Time) int { return b.Compare(a) })
		if len(s.Sends) > got.needed {
			s.Sends = s.Sends[:got.needed]
			got.signals[id] = s
		}
	}
	for id, u := range got.undone {
		got.signals[id] = got.signals[id].After(u)
	}
	if len(got.reported) == 0 {
		return nil
	}
	return t.query("count deliveries", deliveries, func(r row) error {
		var id domain.MemberID
		var n int
		err := r.Scan((*string)(&id), &n)
		s := got.signals[id]
		s.Deliveries = n
		got.signals[id] = s
		return err
	}, got.reported, t.at(-spam.RecordWindow-longestQueue), t.at(-spam.RecordWindow))
}

func scanMemberTime(r row) (id domain.MemberID, at time.Time, err error) {
	var ms int64
	err = r.Scan((*string)(&id), &ms)
	return id, instant(ms), err
}

const (
	sends = `SELECT s.id, s.recipient, s.accepted_at FROM inmails s WHERE s.sender = $1 AND s.accepted_at >= $2
		ORDER BY s.accepted_at DESC, s.id DESC`
	sendsWaiting = `SELECT w.id, w.recipient, w.accepted_at FROM waiting w WHERE w.sender = $1 AND w.accepted_at >= $2`
)

// Sends returns to whom and when a sender's InMails since a time were accepted, newest first.
func (t *tx) Sends(sender domain.MemberID, since time.Time) (notes []mailroom.SendNote, err error) {
	each := func(r row) error {
		var note mailroom.SendNote
		var at int64
		err := r.Scan((*string)(&note.InMail), (*string)(&note.To), &at)
		note.At = instant(at)
		notes = append(notes, note)
		return err
	}
	err = t.together(func() error {
		return errors.Join(t.query("read what was sent", sendsWaiting, each, sender, millis(since)),
			t.query("read what was sent", sends, each, sender, millis(since)))
	})
	slices.SortFunc(notes, func(a, b mailroom.SendNote) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.InMail, a.InMail))
	})
	return slices.Compact(notes), err
}

const purgeStrikes = `DELETE FROM strikes WHERE (member, at) IN (SELECT o.member, o.at
	FROM unnest($2::text[], $3::bigint[]) AS r(member, since)
	JOIN strikes o ON o.member = r.member AND o.at < greatest(r.since, $1))`

const insertStrikes = `INSERT INTO strikes (member, at) SELECT r.member, r.at FROM unnest($1::text[], $2::bigint[])
	AS r(member, at)`

// Strike stores refused spammy messages (R42), and removes those of the same members that no longer count.
func (t *tx) Strike(strikes []mailroom.Strike) error {
	if len(strikes) == 0 {
		return nil
	}
	var rows batch
	since := map[domain.MemberID]int64{}
	for _, s := range strikes {
		rows.add(s.Member, millis(s.At))
		since[s.Member] = max(since[s.Member], millis(s.Since))
	}
	old := batch{args: []any{t.at(-spam.RecordWindow)}}
	for _, member := range slices.Sorted(maps.Keys(since)) {
		old.add(member, since[member])
	}
	if err := t.later("remove old strikes", purgeStrikes, &old, anyNumber); err != nil {
		return err
	}
	return t.laterBatch("keep strikes", insertStrikes, &rows, len(strikes))
}

const restrictionColumns = `SELECT id, member, trigger_name, value, bound, step, started_at, until,
	coalesce(undone_at, 0) FROM restrictions `

func scanRestriction(r row) (x mailroom.RestrictionRow, err error) {
	var started, until, undone int64
	err = r.Scan(&x.ID, (*string)(&x.Member), &x.Trigger, &x.Value, &x.Limit, &x.Step, &started, &until, &undone)
	x.StartedAt, x.Until, x.UndoneAt = instant(started), instant(until), instant(undone)
	return x, err
}

// Restrictions returns all restrictions of a member, newest first.
func (t *tx) Restrictions(member domain.MemberID) (rows []mailroom.RestrictionRow, err error) {
	err = t.query("read restrictions", restrictionColumns+`WHERE member = $1 ORDER BY started_at DESC, id DESC`,
		func(r row) error {
			x, err := scanRestriction(r)
			rows = append(rows, x)
			return err
		}, member)
	return rows, err
}

const holdingRestrictions = restrictionColumns + `WHERE undone_at IS NULL AND latest = TRUE AND until > $1
	AND (until, id) > ($2, $3) ORDER BY until, id LIMIT $4`

// HoldingRestrictions lists the restrictions that hold at Now, by (Until, ID).
func (t *tx) HoldingRestrictions(page mailroom.Page) (rows []mailroom.RestrictionRow, err error) {
	err = t.query("list restrictions", holdingRestrictions, func(r row) error {
		x, err := scanRestriction(r)
		rows = append(rows, x)
		return err
	}, t.at(0), millis(page.After.At), page.After.ID, limit(page))
	return rows, err
}

const restricted = restrictionColumns + `WHERE member IN (SELECT unnest($1::text[])) AND latest = TRUE AND until > $2`

// Restricted returns the restriction of each sender that holds at Now (R42). One that is stored has begun,
// whatever its stamp says: whoever stored it held the sender's lock before.
func (t *tx) Restricted(senders []domain.MemberID) (map[domain.MemberID]spam.Restriction, error) {
	holding := map[domain.MemberID]spam.Restriction{}
	if len(senders) == 0 {
		return holding, nil
	}
	err := t.query("look for restrictions", restricted, func(r row) error {
		x, err := scanRestriction(r)
		holding[x.Member] = x.Restriction
		return err
	}, senders, t.at(0))
	return holding, err
}

const (
	endRestriction = `UPDATE restrictions SET latest = FALSE WHERE member = $1 AND latest = TRUE AND until <= $2`
	// putRestriction stores one where none holds; restrictions_latest would refuse a second all the same.
	putRestriction = `INSERT INTO restrictions (id, member, trigger_name, value, bound, step, started_at, until, latest)
		SELECT $1::text, $2::text, $3::text, $4::float8, $5::float8, $6::int, $7::bigint, $8::bigint, TRUE
		WHERE (SELECT count(*) FROM restrictions h WHERE h.member = $2 AND h.latest = TRUE) = 0`
)

// PutRestriction restricts a member (R42). While another restriction of the member holds it is ErrConflict: a
// member has one at most.
func (t *tx) PutRestriction(member domain.MemberID, id string, r spam.Restriction) error {
	if _, err := t.exec("end the restriction before", endRestriction, member, t.at(0)); err != nil {
		return err
	}
	n, err := t.exec("store a restriction", putRestriction, id, member, r.Trigger, r.Value, r.Limit, r.Step,
		millis(r.StartedAt), millis(r.Until))
	if err == nil && n == 0 {
		return t.conflict("store a second restriction of one member")
	}
	return err
}

// Restriction returns a restriction by its id; nil when there is none.
func (t *tx) Restriction(id string) (found *mailroom.RestrictionRow, err error) {
	err = t.query("read a restriction", restrictionColumns+`WHERE id = $1`, func(r row) error {
		x, err := scanRestriction(r)
		found = &x
		return err
	}, id)
	return found, err
}

const undoRestriction = `UPDATE restrictions SET undone_at = $2, latest = FALSE WHERE id = $1 AND undone_at IS NULL`

// UndoRestriction ends a restriction now; one that is undone already stays as it was.
func (t *tx) UndoRestriction(id string) error {
	_, err := t.exec("undo a restriction", undoRestriction, id, t.at(0))
	return err
}

const restrictedByTrigger = `SELECT trigger_name, count(*) FROM restrictions
	WHERE until > $1 AND undone_at IS NULL AND latest = TRUE GROUP BY trigger_name`

// RestrictedByTrigger counts the senders restricted at Now.
func (t *tx) RestrictedByTrigger() (map[string]int, error) {
	counts := map[string]int{}
	err := t.query("count restricted senders", restrictedByTrigger, func(r row) error {
		var trigger string
		var n int
		err := r.Scan(&trigger, &n)
		counts[trigger] = n
		return err
	}, t.at(0))
	return counts, err
}

const insertReport = `INSERT INTO reports (inmail, sender, reporter, reason, at, taught) VALUES ($1, $2, $3, $4, $5,
	FALSE) ON CONFLICT (inmail) DO NOTHING`

// Report stores an abuse report, one for each InMail; a second one is ErrConflict,
// and nothing is stored (R44).
func (t *tx) Report(id domain.ID, sender, reporter domain.MemberID, reason string) error {
	n, err := t.exec("keep a report", insertReport, id, sender, reporter, reason, t.at(0))
	if err == nil && n == 0 {
		return explain("keep a report", mailroom.ErrConflict) // nothing failed: the transaction may go on
	}
	return err
}

const (
	putModel = `INSERT INTO model (id, learnt) VALUES (1, $1) ON CONFLICT (id)
		DO UPDATE SET learnt = excluded.learnt`
	appendLessons = `INSERT INTO lessons (inmail, spam, at) SELECT r.inmail, r.spam, $1
		FROM unnest($2::uuid[], $3::bool[]) AS r(inmail, spam)
		WHERE TRUE ON CONFLICT (inmail, spam) DO NOTHING`
	nextLessons = `SELECT inmail, spam FROM lessons ORDER BY at, inmail LIMIT $1 FOR UPDATE SKIP LOCKED`
	dropLessons = `DELETE FROM lessons WHERE (inmail, spam) IN (SELECT r.inmail, r.spam
		FROM unnest($1::uuid[], $2::bool[]) AS r(inmail, spam))`
)

// Model returns the learnt filter as stored; nil when nothing was learnt.
func (t *tx) Model() (learnt []byte, err error) {
	each, _ := one(&learnt)
	err = t.query("read the filter", `SELECT learnt FROM model WHERE id = 1`, each)
	return learnt, err
}

// PutModel replaces the learnt filter.
func (t *tx) PutModel(learnt []byte) error {
	_, err := t.exec("store the filter", putModel, blob(learnt))
	return err
}

// AppendLessons stores what the filter is to learn from; the same lesson is stored once.
func (t *tx) AppendLessons(ls []mailroom.Lesson) error {
	rows := batch{args: []any{t.at(0)}}
	visited := map[mailroom.Lesson]bool{}
	for _, l := range ls {
		if !visited[l] {
			visited[l] = true
			rows.add(l.InMail, l.Spam)
		}
	}
	_, err := t.execBatch("note lessons", appendLessons, &rows)
	return err
}

// TakeLessons returns and removes up to limit lessons, oldest first.
func (t *tx) TakeLessons(limit int) (lessons []mailroom.Lesson, err error) {
	if limit <= 0 {
		return nil, nil
	}
	var rows batch
	err = t.query("take lessons", nextLessons, func(r row) error {
		var l mailroom.Lesson
		err := r.Scan((*string)(&l.InMail), &l.Spam)
		lessons = append(lessons, l)
		rows.add(l.InMail, l.Spam)
		return err
	}, limit)
	if err != nil {
		return nil, err
	}
	_, err = t.execBatch("take lessons", dropLessons, &rows)
	return lessons, err
}

// appendAudit stores entries. One whose same is stored already is counted there; two transactions that do so
// at once come one after the other.
const appendAudit = `INSERT INTO audit (id, at, kind, inmail, sender, recipient, refusals, made_by, detail, count,
		last_at, same)
	SELECT r.id, r.at, r.kind, r.inmail, r.sender, r.recipient, r.refusals, r.made_by, r.detail, r.count, r.last_at,
		r.same
	FROM unnest($1::text[], $2::bigint[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[],
		$9::bytea[], $10::bigint[], $11::bigint[], $12::text[])
		AS r(id, at, kind, inmail, sender, recipient, refusals, made_by, detail, count, last_at, same)
	WHERE TRUE ON CONFLICT (same) WHERE same <> '' DO UPDATE SET count = audit.count + excluded.count,
		last_at = greatest(audit.last_at, excluded.last_at)`

// AppendAudit adds decisions and acts to the audit (R21, R43, R70).
func (t *tx) AppendAudit(entries []mailroom.AuditEntry) error {
	entries = foldAudit(entries)
	var rows batch
	for _, e := range entries {
		codes := make([]string, len(e.Refusals))
		for i, c := range e.Refusals {
			codes[i] = string(c)
		}
		rows.add(e.ID, millis(e.At), e.Kind, e.InMail, e.Sender, e.Recipient, strings.Join(codes, " "), e.By,
			blob(e.Detail), int64(e.Count), millis(e.LastAt), e.Same)
	}
	return t.laterBatch("append to the audit", appendAudit, &rows, len(entries))
}

// foldAudit makes one of the entries that are the same, as one statement stores a row once, and sorts by
// Same, so that transactions take the rows that they share in one order.
func foldAudit(entries []mailroom.AuditEntry) []mailroom.AuditEntry {
	folded := make([]mailroom.AuditEntry, 0, len(entries))
	place := map[string]int{}
	for _, e := range entries {
		e.Count = max(e.Count, 1)
		if e.LastAt.Before(e.At) {
			e.LastAt = e.At
		}
		i, again := place[e.Same]
		if e.Same == "" || !again {
			place[e.Same] = len(folded)
			folded = append(folded, e)
			continue
		}
		folded[i].Count += e.Count
		if folded[i].LastAt.Before(e.LastAt) {
			folded[i].LastAt = e.LastAt
		}
	}
	slices.SortStableFunc(folded, func(a, b mailroom.AuditEntry) int { return strings.Compare(a.Same, b.Same) })
	return folded
}

const dropAudit = `DELETE FROM audit WHERE id IN (SELECT o.id FROM audit o WHERE o.at < $1 AND o.last_at < $1
		AND (o.at < $2 OR o.kind NOT IN ('restrict', 'undo'))
	ORDER BY o.at LIMIT $3)`

// DropAudit deletes up to limit entries of the audit before a time, the oldest first, and returns how many.
// Restrictions and undos are deleted only before another time.
func (t *tx) DropAudit(before, restrictions time.Time, limit int) (int, error) {
	if limit <= 0 {
		return 0, nil
	}
	n, err := t.exec("drop old entries of the audit", dropAudit, millis(before), millis(restrictions), limit)
	return int(n), err
}

const (
	newestReports = `SELECT inmail, sender, reporter, at, taught FROM reports WHERE at >= $1
		ORDER BY at DESC, inmail DESC LIMIT $2`
	markTaught = `UPDATE reports SET taught = TRUE WHERE inmail IN (SELECT unnest($1::uuid[]))`
)

// Reported returns the newest reports since a time, up to limit, in the order of (At, InMail).
func (t *tx) Reported(since time.Time, limit int) (reports []mailroom.ReportRow, err error) {
	err = t.query("read reports", newestReports, func(r row) error {
		var x mailroom.ReportRow
		var at int64
		err := r.Scan((*string)(&x.InMail), (*string)(&x.Sender), &x.Reporter, &at, &x.Taught)
		x.At = instant(at)
		reports = append(reports, x)
		return err
	}, millis(since), limit)
	slices.Reverse(reports)
	return reports, err
}

// Taught marks the reports of these InMails as learnt from.
func (t *tx) Taught(ids []domain.ID) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := t.exec("note what was learned", markTaught, ids)
	return err
}

const auditColumns = `SELECT id, at, kind, inmail, sender, recipient, refusals, made_by, detail, count,
	greatest(at, last_at) FROM audit WHERE `

func scanAudit(r row) (e mailroom.AuditEntry, err error) {
	var at, last int64
	var inmail *string
	var codes string
	if err := r.Scan(&e.ID, &at, &e.Kind, &inmail, (*string)(&e.Sender), (*string)(&e.Recipient), &codes, &e.By,
		&e.Detail, &e.Count, &last); err != nil {
		return e, err
	}
	if inmail != nil {
		e.InMail = domain.ID(*inmail)
	}
	for _, code := range strings.Fields(codes) {
		e.Refusals = append(e.Refusals, domain.Code(code))
	}
	if len(e.Detail) == 0 {
		e.Detail = nil
	}
	e.At, e.LastAt = instant(at), instant(last)
	return e, nil
}

// Audit lists entries that pass a filter, newest first by (At, ID).
func (t *tx) Audit(f mailroom.AuditFilter, page mailroom.Page) (entries []mailroom.AuditEntry, err error) {
	var c conditions
	c.and("TRUE")
	if f.Sender != "" {
		c.and("sender = " + c.arg(f.Sender) + " AND sender <> ''")
	}
	switch f.Kind {
	case "":
	case mailroom.Decided:
		c.and("kind <> " + c.arg(mailroom.DecidedAct))
	default:
		c.and("kind = " + c.arg(f.Kind))
	}
	c.after("at", "id", page.After, page.After.ID)
	err = t.query("read the audit", auditColumns+c.sql+` ORDER BY at DESC, id DESC LIMIT `+c.arg(limit(page)),
		func(r row) error {
			e, err := scanAudit(r)
			entries = append(entries, e)
			return err
		}, c.args...)
	return entries, err
}

// Decisions returns the entries of the audit with these ids; ids that are not there are left out.
func (t *tx) Decisions(ids []string) (map[string]mailroom.AuditEntry, error) {
	found := make(map[string]mailroom.AuditEntry, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	err := t.query("read decisions", auditColumns+`id IN (SELECT unnest($1::text[]))`, func(r row) error {
		e, err := scanAudit(r)
		found[e.ID] = e
		return err
	}, ids)
	return found, err
}
