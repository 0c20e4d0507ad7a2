package record

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// CRMs returns the CRMs that were ever connected, the earliest first.
func (t *tx) CRMs() (crms []mailroom.ConnectedCRM, err error) {
	err = t.query("read which CRMs are connected", `SELECT name, since, linked FROM crms ORDER BY since, name`,
		func(r row) error {
			var c mailroom.ConnectedCRM
			var since int64
			err := r.Scan((*string)(&c.Name), &since, &c.Linked)
			c.Since = instant(since)
			crms = append(crms, c)
			return err
		})
	return crms, err
}

// A CRM is stored while no transaction stores InMails: those before it have committed, so that
// LinkInMails finds their InMails, and those after it make the links of theirs. SQLite needs no
// lock, as it has one writer.
const (
	lockOutWriters = `LOCK TABLE waiting IN SHARE ROW EXCLUSIVE MODE`
	connectCRM     = `INSERT INTO crms (name, since, linked, code)
		SELECT $1, $2, FALSE, (SELECT count(*) + 1 FROM crms c)::text WHERE TRUE ON CONFLICT (name) DO NOTHING`
)

// ConnectCRM stores that a CRM is connected: from then on every new InMail has a link to it.
func (t *tx) ConnectCRM(crm domain.CRM) error {
	if _, err := t.exec("note that a CRM is connected", lockOutWriters); err != nil {
		return err
	}
	_, err := t.exec("note that a CRM is connected", connectCRM, string(crm), t.at(0))
	return err
}

// newLink makes a link of which nothing is known yet, due at $1. What is not known is NULL on PostgreSQL,
// which takes no space there; on SQLite 0 and the empty text take none.
const newLink = `INSERT INTO crm_links (inmail, crm, unsynced_at, push_at /*sqlite , leased_until, wanted_version,
		pushed_version, pushed_seq, attempts, dead, record_id, match_state, parents, notes, class, detail, failures, chosen*/)
	SELECT n.id, c.code, $1, $1 /*sqlite , 0, 0, 0, 0, 0, FALSE, '', '', '', '', '', '', '', FALSE*/ `

// insertLinks makes the links of new InMails to every CRM that is connected, in one statement. A process
// that is connected to no CRM makes them too.
const insertLinks = `WITH n(id) AS (SELECT unnest($2::uuid[])) ` + newLink + `FROM n CROSS JOIN crms c`

const (
	linkedUpTo  = `SELECT coalesce(linked_to, $2) FROM crms WHERE name = $1 AND linked = FALSE FOR UPDATE`
	nextToLink  = ` WHERE i.id > $1 ORDER BY i.id LIMIT $2`
	linkInMails = `WITH n(id) AS (SELECT unnest($2::uuid[])) ` + newLink + `FROM n JOIN crms c ON c.name = $3 WHERE TRUE
	ON CONFLICT (inmail, crm) DO NOTHING`
	linkedSoFar = `UPDATE crms SET linked_to = coalesce($2, linked_to), linked = $3 WHERE name = $1`

	firstID domain.ID = "00000000-0000-0000-0000-000000000000"
)

// LinkInMails makes the links of up to limit InMails that were stored before the CRM was connected, by id
// and due at once; more says that some may be left. It continues where the last call stopped. It waits for
// the lock of an InMail that changes meanwhile, so that the change is not lost.
func (t *tx) LinkInMails(crm domain.CRM, limit int) (more bool, err error) {
	if limit <= 0 {
		return true, nil
	}
	after, err := t.ids("read how far a CRM is linked", linkedUpTo, string(crm), firstID)
	if err != nil || len(after) == 0 {
		return false, err
	}
	var ids []domain.ID
	each := func(r row) error {
		var id domain.ID
		err := r.Scan((*string)(&id))
		ids = append(ids, id)
		return err
	}
	err = t.together(func() error { // one that is decided in between is found twice
		return errors.Join(t.query("find InMails to link", `SELECT i.id FROM waiting i`+nextToLink, each, after[0], limit),
			t.query("find InMails to link", `SELECT i.id FROM inmails i`+nextToLink, each, after[0], limit))
	})
	if err != nil {
		return false, err
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	ids = ids[:min(len(ids), limit)]
	if len(ids) > 0 {
		if err := t.lockIDs(ids); err != nil {
			return false, err
		}
		if _, err := t.exec("link InMails to a CRM", linkInMails, t.at(0), ids, string(crm)); err != nil {
			return false, err
		}
	}
	more = len(ids) == limit
	var last domain.ID
	if len(ids) > 0 {
		last = ids[len(ids)-1]
	}
	_, err = t.exec("note how far a CRM is linked", linkedSoFar, string(crm), last, !more)
	return more, err
}

// markChanged makes changed InMails due for each CRM: unsynced since now if the link was in sync, and
// due now unless it waits already. Whoever changes an InMail has locked it, which puts this and
// StoreAnswers in an order.
const markChanged = `UPDATE crm_links SET unsynced_at = coalesce(unsynced_at, $1), push_at = $1
	WHERE inmail IN (SELECT unnest($2::uuid[])) AND push_at IS NULL`

// markLater runs markChanged together with the next statement whose answer is waited for.
func (t *tx) markLater(ids []domain.ID) error {
	if len(ids) == 0 {
		return nil
	}
	return t.later("make changed InMails due", markChanged, &batch{args: []any{t.at(0), ids}}, anyNumber)
}

// A link has the code of its CRM, which is short: a number in the order in which they were connected, or the
// name of one that was connected before there were codes. These are the codes of the CRMs $1 and $3.
const (
	crm1 = `(SELECT c.code FROM crms c WHERE c.name = $1)`
	crm3 = `(SELECT c.code FROM crms c WHERE c.name = $3)`
)

// linkColumns are the columns that linkScan reads.
const linkColumns = `l.inmail, (SELECT c.name FROM crms c WHERE c.code = l.crm), ` + linkState

const linkState = `coalesce(l.record_id, ''), coalesce(l.match_state, ''),
		coalesce(l.parents, ''), coalesce(l.notes, ''), coalesce(l.pushed_version, 0), coalesce(l.pushed_seq, 0),
		coalesce(l.attempts, 0), coalesce(l.class, ''), coalesce(l.detail, ''), coalesce(l.failed_at, 0),
		coalesce(l.dead, FALSE), coalesce(l.failures, ''), coalesce(l.chosen, FALSE)`

type linkScan struct {
	link                     domain.Link
	parents, notes, failures string
	failed                   int64
}

func (s *linkScan) columns() []any {
	l := &s.link
	return []any{(*string)(&l.InMail), (*string)(&l.CRM), &l.RecordID, (*string)(&l.Match), &s.parents, &s.notes,
		&l.PushedVersion, &l.PushedSeq, &l.Attempts, (*string)(&l.Class), &l.Detail, &s.failed, &l.Dead,
		&s.failures, &l.Chosen}
}

func (s *linkScan) value() (domain.Link, error) {
	s.link.FailedAt = instant(s.failed)
	err := errors.Join(readMap(s.parents, &s.link.Parents), readMap(s.notes, &s.link.Notes),
		readMap(s.failures, &s.link.Failures))
	return s.link, err
}

// writeMap returns a small map as JSON, and an empty one as "".
func writeMap[M ~map[K]V, K comparable, V any](m M) string {
	if len(m) == 0 {
		return ""
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // texts always marshal
	}
	return string(b)
}

func readMap[M ~map[K]V, K comparable, V any](stored string, m *M) error {
	if stored == "" {
		return nil
	}
	return json.Unmarshal([]byte(stored), m)
}

// dueToPush reads the index of due links of a CRM, the oldest first, and locks them.
const dueToPush = `SELECT l.inmail FROM crm_links l WHERE l.crm = ` + crm1 + ` AND l.push_at <= $2 AND coalesce(l.leased_until, 0) <= $2
	ORDER BY l.push_at LIMIT $3 FOR UPDATE SKIP LOCKED`

// versionOf is the version of the InMail of a link.
const versionOf = `coalesce((SELECT i.version FROM inmails i WHERE i.id = crm_links.inmail),
	(SELECT w.version FROM waiting w WHERE w.id = crm_links.inmail))`

// lease takes the leases of locked links. It keeps the version of the InMail: when a push fails, postpone
// sees by it whether the InMail has changed since. A dead letter that has changed is no longer one.
const lease = `UPDATE crm_links SET leased_until = $3, dead = FALSE, wanted_version = ` + versionOf + `
	WHERE crm = ` + crm1 + ` AND inmail IN (SELECT unnest($2::uuid[]))`

// selectPushes and queuedPushes read InMails with their links to the CRM $1, and the names and addresses
// that matching needs.
const (
	selectPushes = `SELECT ` + inmailColumns + pushColumns + lastAnswer + ` FROM inmails i ` + pushTables
	queuedPushes = `SELECT ` + waitingColumns + pushColumns + `'' FROM waiting i ` + pushTables

	pushColumns = withTexts + `,
		i.id, $1::text, ` + linkState + `, coalesce(s.name, ''), coalesce(p.name, ''), coalesce(p.email, ''),
		coalesce(s.email, ''), coalesce(s.team, ''), coalesce(p.company, ''), coalesce(p.headline, ''), `
	lastAnswer = `CASE WHEN i.replied_at IS NULL THEN '' ELSE coalesce((SELECT q.body FROM replies q WHERE q.inmail = i.id
			AND q.from_member = i.recipient AND q.automatic = FALSE ORDER BY q.at DESC, q.id DESC LIMIT 1), '') END`
	pushTables = `LEFT JOIN ` + textsOf + `LEFT JOIN crm_links l ON l.inmail = i.id AND l.crm = ` + crm1 + `
		LEFT JOIN members s ON s.id = i.sender LEFT JOIN members p ON p.id = i.recipient `
)

func scanPush(r row) (domain.Push, error) {
	var p domain.Push
	var s linkScan
	m, err := scanInMail(r, append(s.columns(), &p.SenderName, &p.RecipientName, (*string)(&p.Email),
		(*string)(&p.SenderEmail), &p.SenderTeam, &p.Company, &p.Headline, &p.Answer)...)
	if err != nil {
		return p, err
	}
	p.InMail = *m
	p.Link, err = s.value()
	return p, err
}

// These read what concerns the recipients of pushes beyond their InMails. Erased members have neither.
const (
	correspondences = `WITH f AS (SELECT i.recipient, count(*) AS sent, max(i.sent_at) AS last, coalesce(max(i.replied_at), 0) AS answered
			FROM inmails i WHERE i.recipient IN (SELECT unnest($1::text[])) AND i.sent_at IS NOT NULL GROUP BY i.recipient)
		SELECT f.recipient, f.sent, f.last, (SELECT max(i.status) FROM inmails i
			WHERE i.recipient = f.recipient AND i.sent_at = f.last), f.answered FROM f`
	chosenParents = `SELECT i.recipient, i.id, l.parents FROM crm_links l JOIN inmails i ON i.id = l.inmail ` + chosen
	chosenWaiting = `SELECT i.recipient, i.id, l.parents FROM crm_links l JOIN waiting i ON i.id = l.inmail ` + chosen
	chosen        = `WHERE l.crm = ` + crm1 + ` AND l.chosen = TRUE AND l.parents <> '' AND i.recipient IN (SELECT unnest($2::text[]))`
)

// addRecipients adds to pushes what concerns their recipients: all that reached them, and whom a person chose
// for them in the CRM.
func (t *tx) addRecipients(crm domain.CRM, pushes []domain.Push) error {
	of := map[domain.MemberID][]*domain.Push{}
	for i := range pushes {
		if id := pushes[i].InMail.Recipient; id != domain.Erased {
			of[id] = append(of[id], &pushes[i])
		}
	}
	if len(of) == 0 {
		return nil
	}
	ids := slices.Sorted(maps.Keys(of))
	err := t.query("sum up what reached members", correspondences, func(r row) error {
		var id domain.MemberID
		var c domain.Correspondence
		var last, answered int64
		err := r.Scan((*string)(&id), &c.Sent, &last, (*string)(&c.LastStatus), &answered)
		c.LastSentAt, c.LastReplyAt = instant(last), instant(answered)
		for _, p := range of[id] {
			p.Correspondence = c
		}
		return err
	}, ids)
	if err != nil {
		return err
	}
	newest := map[domain.MemberID]domain.ID{}
	each := func(r row) error {
		var id domain.MemberID
		var inmail domain.ID
		var parents string
		if err := r.Scan((*string)(&id), (*string)(&inmail), &parents); err != nil || inmail < newest[id] {
			return err
		}
		newest[id] = inmail
		var chosen domain.ForeignIDs
		err := readMap(parents, &chosen)
		for _, p := range of[id] {
			p.Chosen = chosen
		}
		return err
	}
	return t.together(func() error {
		return errors.Join(t.query("read whom people chose in a CRM", chosenWaiting, each, string(crm), ids),
			t.query("read whom people chose in a CRM", chosenParents, each, string(crm), ids))
	})
}

// ClaimUnsynced takes up to limit InMails that are due to be pushed to a CRM and leases them until Now
// + leaseFor, so that nobody else pushes them. The longest due come first; those that another
// transaction has locked are skipped.
func (t *tx) ClaimUnsynced(crm domain.CRM, limit int, leaseFor time.Duration) ([]domain.Push, error) {
	if limit <= 0 {
		return nil, nil
	}
	now := t.at(0)
	ids, err := t.ids("find what a CRM lacks", dueToPush, string(crm), now, limit)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	err = t.later("lease unsynced InMails", lease, &batch{args: []any{string(crm), ids, t.at(leaseFor)}}, len(ids))
	if err != nil {
		return nil, err
	}
	byID := make(map[domain.ID]domain.Push, len(ids))
	each := func(r row) error {
		p, err := scanPush(r)
		byID[p.InMail.ID] = p
		return err
	}
	const ofThem = `WHERE i.id IN (SELECT unnest($2::uuid[]))`
	err = t.together(func() error {
		return errors.Join(t.query("read unsynced InMails", queuedPushes+ofThem, each, string(crm), ids),
			t.query("read unsynced InMails", selectPushes+ofThem, each, string(crm), ids))
	})
	if err != nil {
		return nil, err
	}
	pushes := make([]domain.Push, 0, len(byID))
	for _, id := range ids {
		if p, ok := byID[id]; ok {
			pushes = append(pushes, p)
		}
	}
	return pushes, t.addRecipients(crm, pushes)
}

const postponePushes = `UPDATE crm_links SET push_at = $3, leased_until = 0 WHERE crm = ` + crm1 + ` AND inmail IN (SELECT unnest($2::uuid[]))`

// Postpone gives back InMails that this transaction has claimed and still locks. They are due again at
// until; none has failed.
func (t *tx) Postpone(crm domain.CRM, ids []domain.ID, until time.Time) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := t.exec("postpone pushes", postponePushes, string(crm), ids, millis(until))
	return err
}

// ids reads a list of ids.
func (t *tx) ids(what, sql string, args ...any) (ids []domain.ID, err error) {
	err = t.query(what, sql, func(r row) error {
		var id domain.ID
		err := r.Scan((*string)(&id))
		ids = append(ids, id)
		return err
	}, args...)
	return ids, err
}

// storeLinks stores links and ends their leases. The pushed version never goes back (R53): a late answer,
// after that of a newer push was stored, changes nothing.
const storeLinks = `UPDATE crm_links SET leased_until = 0, record_id = r.record_id, match_state = r.match_state,
		parents = r.parents, notes = r.notes, pushed_version = greatest(crm_links.pushed_version, r.pushed_version),
		pushed_seq = greatest(crm_links.pushed_seq, r.pushed_seq),
		attempts = r.attempts, class = r.class, detail = r.detail, failed_at = nullif(r.failed_at, 0), dead = r.dead,
		failures = r.failures, chosen = r.chosen
	FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::int[], $9::int[],
			$10::text[], $11::text[], $12::bigint[], $13::bool[], $14::text[], $15::bool[])
		AS r(inmail, record_id, match_state, parents, notes, pushed_version, pushed_seq, attempts, class, detail,
			failed_at, dead, failures, chosen)
	WHERE crm_links.crm = ` + crm1 + ` AND crm_links.inmail = r.inmail AND r.pushed_version >= coalesce(crm_links.pushed_version, 0)`

// markSynced marks links as in sync, unless the InMail has changed since it was
// pushed: then the link stays due.
const markSynced = `UPDATE crm_links SET unsynced_at = NULL, push_at = NULL
	FROM unnest($2::uuid[], $3::bigint[]) AS r(id, pushed_version) WHERE crm_links.crm = ` + crm1 + ` AND crm_links.inmail = r.id
		AND r.pushed_version = ` + versionOf

// postpone sets when a failed push is tried again: at retry_at; when that is 0, at once if the InMail has
// changed since it was claimed, else not by itself. A link that was in sync is unsynced from then on.
const postpone = `UPDATE crm_links SET push_at = CASE WHEN r.retry_at > 0 THEN r.retry_at
		WHEN coalesce(crm_links.wanted_version, 0) <> ` + versionOf + ` THEN $2 END,
		unsynced_at = coalesce(unsynced_at, $2)
	FROM unnest($3::uuid[], $4::bigint[]) AS r(id, retry_at) WHERE crm_links.crm = ` + crm1 + ` AND crm_links.inmail = r.id
		AND (crm_links.unsynced_at IS NOT NULL OR r.retry_at > 0)`

// StoreAnswers stores the answers to pushes and ends their leases. An InMail counts as synced only
// when its version is still the pushed one; pushed_seq and pushed_version never go back. retryAt[i]
// is when a failed push is tried again; zero: not by itself. An InMail that changed after it was
// claimed stays due in either case.
func (t *tx) StoreAnswers(crm domain.CRM, answers []domain.PushAnswer, retryAt []time.Time) error {
	if len(answers) == 0 {
		return nil
	}
	if len(retryAt) != len(answers) {
		return t.fail("store the answers of a CRM", ownf("%d answers and %d times", len(answers), len(retryAt)))
	}
	links, synced, failed := batch{args: []any{string(crm)}}, batch{args: []any{string(crm)}},
		batch{args: []any{string(crm), t.at(0)}}
	ids := make([]domain.ID, len(answers))
	order := make([]int, len(answers)) // indexes of answers by id, the order in which links are locked
	for i := range answers {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(answers[a].Link.InMail, answers[b].Link.InMail) })
	for _, i := range order {
		a, l := answers[i], answers[i].Link
		ids[i] = l.InMail
		links.add(l.InMail, l.RecordID, string(l.Match), writeMap(l.Parents), writeMap(l.Notes), l.PushedVersion,
			l.PushedSeq, l.Attempts, string(l.Class), l.Detail, millis(l.FailedAt), l.Dead,
			writeMap(l.Failures), l.Chosen)
		if a.Class == domain.Taken || a.Class == domain.Stale {
			synced.add(l.InMail, l.PushedVersion)
		} else {
			failed.add(l.InMail, millis(retryAt[i]))
		}
	}
	// Every transaction locks InMails before links, each in the order of the ids, so
	// that none waits in a circle.
	if err := t.lockIDs(ids); err != nil {
		return err
	}
	if err := t.laterBatch("mark what a CRM has", markSynced, &synced, anyNumber); err != nil {
		return err
	}
	if err := t.laterBatch("postpone pushes", postpone, &failed, anyNumber); err != nil {
		return err
	}
	_, err := t.execBatch("store the answers of a CRM", storeLinks, &links)
	return err
}

// lockIDs locks InMails in the order of their ids, the queued ones first.
func (t *tx) lockIDs(ids []domain.ID) error {
	each := func(r row) error { var id string; return r.Scan(&id) }
	return t.together(func() error {
		return errors.Join(t.query("lock InMails", `SELECT i.id FROM waiting i `+ofIDs+` ORDER BY i.id FOR UPDATE`, each, ids),
			t.query("lock InMails", `SELECT i.id FROM inmails i `+ofIDs+` ORDER BY i.id FOR UPDATE`, each, ids))
	})
}

const (
	findDead   = `SELECT l.inmail FROM crm_links l WHERE l.crm = ` + crm1 + ` AND l.dead = TRUE`
	findFailed = `SELECT l.inmail FROM crm_links l WHERE l.crm = ` + crm1 + ` AND l.failed_at IS NOT NULL AND l.inmail = $2`
	makeDue    = `UPDATE crm_links SET push_at = $2, unsynced_at = coalesce(unsynced_at, $2), dead = FALSE
	WHERE inmail IN (SELECT unnest($1::uuid[])) AND crm = ` + crm3
)

// RetryDead makes dead letters of a CRM due again and returns how many. With an id it is this InMail
// alone, if its last push failed, dead letter or not; with a class the dead letters with a part of that
// class; with neither all dead letters.
func (t *tx) RetryDead(crm domain.CRM, id domain.ID, class domain.FailureClass) (int, error) {
	var ids []domain.ID
	var err error
	switch {
	case id != "":
		ids, err = t.ids("find a failed push", findFailed, string(crm), id)
	case class != "":
		ids, err = t.ids("find dead letters", findDead+` AND (l.class = $2 OR strpos(l.failures, $3) > 0)`,
			string(crm), string(class), `"class":"`+string(class)+`"`)
	default:
		ids, err = t.ids("find dead letters", findDead, string(crm))
	}
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	if err := t.lockIDs(ids); err != nil {
		return 0, err
	}
	_, err = t.exec("make dead letters due", makeDue, ids, t.at(0), string(crm))
	return len(ids), err
}

const findWaiting = `SELECT l.inmail FROM crm_links l
	WHERE l.crm = ` + crm1 + ` AND l.failed_at IS NOT NULL AND l.dead = FALSE AND l.push_at > $2`

// RetryWaiting makes failed pushes to a CRM that wait for their time due at once.
func (t *tx) RetryWaiting(crm domain.CRM) error {
	ids, err := t.ids("find failed pushes", findWaiting, string(crm), t.at(0))
	if err != nil || len(ids) == 0 {
		return err
	}
	if err := t.lockIDs(ids); err != nil {
		return err
	}
	_, err = t.exec("make failed pushes due", makeDue, ids, t.at(0), string(crm))
	return err
}

// recipientOf is the recipient of the InMail of a link.
const recipientOf = `coalesce((SELECT i.recipient FROM inmails i WHERE i.id = crm_links.inmail),
	(SELECT w.recipient FROM waiting w WHERE w.id = crm_links.inmail), 'erased')`

// fromScratch resets links as if nothing had been pushed, and makes them due. What a person chose stays
// known, unless the recipient is erased (R60).
const fromScratch = `UPDATE crm_links SET push_at = $2, unsynced_at = coalesce(unsynced_at, $2), record_id = '',
		match_state = '', notes = '',
		parents = CASE WHEN chosen = TRUE AND ` + recipientOf + ` <> 'erased' THEN parents ELSE '' END,
		chosen = CASE WHEN chosen = TRUE AND ` + recipientOf + ` <> 'erased' THEN TRUE ELSE FALSE END, pushed_version = 0, pushed_seq = 0, attempts = 0, class = '',
		detail = '', failed_at = NULL, dead = FALSE, failures = ''
	WHERE inmail IN (SELECT unnest($1::uuid[]))`

// Resync makes InMails due to be pushed again from scratch: their links are reset as if nothing had been
// pushed. An empty crm stands for all CRMs.
func (t *tx) Resync(crm domain.CRM, ids []domain.ID) error {
	if len(ids) == 0 {
		return nil
	}
	if err := t.lockIDs(ids); err != nil {
		return err
	}
	sql, args := fromScratch, []any{ids, t.at(0)}
	if crm != "" {
		sql, args = fromScratch+` AND crm = `+crm3, append(args, string(crm))
	}
	_, err := t.exec("push again from scratch", sql, args...)
	return err
}

// Links returns the links of ids, by CRM.
func (t *tx) Links(ids []domain.ID) (map[domain.ID]map[domain.CRM]domain.Link, error) {
	links := make(map[domain.ID]map[domain.CRM]domain.Link, len(ids))
	if len(ids) == 0 {
		return links, nil
	}
	err := t.query("read links",
		`SELECT `+linkColumns+` FROM crm_links l WHERE l.inmail IN (SELECT unnest($1::uuid[]))`, func(r row) error {
			l, err := scanLink(r)
			if links[l.InMail] == nil {
				links[l.InMail] = map[domain.CRM]domain.Link{}
			}
			links[l.InMail][l.CRM] = l
			return err
		}, ids)
	return links, err
}

func scanLink(r row) (domain.Link, error) {
	var s linkScan
	if err := r.Scan(s.columns()...); err != nil {
		return domain.Link{}, err
	}
	return s.value()
}

// PushesAfter returns up to limit InMails after an id, by id and with names, for the runs that reconcile or
// backfill a CRM. An empty id starts at the first.
func (t *tx) PushesAfter(crm domain.CRM, after domain.ID, limit int) ([]domain.Push, error) {
	if limit <= 0 {
		return nil, nil
	}
	var c conditions
	c.arg(string(crm))
	c.and("TRUE")
	if after != "" {
		c.and("i.id > " + c.arg(after))
	}
	rest := `WHERE ` + c.sql + ` ORDER BY i.id LIMIT ` + c.arg(limit)
	pushes, err := t.pagePushes("read InMails for a run", queuedPushes+rest, selectPushes+rest, limit, c.args...)
	if err != nil {
		return nil, err
	}
	return pushes, t.addRecipients(crm, pushes)
}

// pagePushes reads a page by id, of what waits and of the other InMails.
func (t *tx) pagePushes(what, waiting, decided string, limit int, args ...any) ([]domain.Push, error) {
	found := map[domain.ID]domain.Push{}
	each := func(r row) error {
		p, err := scanPush(r)
		found[p.InMail.ID] = p
		return err
	}
	err := t.together(func() error {
		return errors.Join(t.query(what, waiting, each, args...), t.query(what, decided, each, args...))
	})
	pushes := slices.SortedFunc(maps.Values(found), func(a, b domain.Push) int { return cmp.Compare(a.InMail.ID, b.InMail.ID) })
	return pushes[:min(len(pushes), limit)], err
}

// erasedAfter and erasedWaiting read a page of the InMails of which a side is erased; each half reads one
// index.
const (
	erasedAfter = selectPushes + `WHERE i.id IN (
		SELECT a.id FROM (SELECT e.id FROM inmails e WHERE e.sender = $2 AND e.id > $3 ORDER BY e.id LIMIT $4) AS a
		UNION SELECT b.id FROM (SELECT e.id FROM inmails e WHERE e.recipient = $2 AND e.id > $3 ORDER BY e.id LIMIT $4) AS b)
	ORDER BY i.id LIMIT $4`
	erasedWaiting = queuedPushes + `WHERE i.id IN (
		SELECT a.id FROM waiting a WHERE a.sender = $2 AND a.id > $3
		UNION SELECT b.id FROM waiting b WHERE b.recipient = $2 AND b.id > $3)
	ORDER BY i.id LIMIT $4`
)

// noID is before every id.
const noID domain.ID = "00000000-0000-0000-0000-000000000000"

// ErasedAfter returns up to limit InMails after an id whose sender or recipient is erased (R60), by id. An
// empty id starts at the first.
func (t *tx) ErasedAfter(crm domain.CRM, after domain.ID, limit int) ([]domain.Push, error) {
	if limit <= 0 {
		return nil, nil
	}
	return t.pagePushes("read erased InMails", erasedWaiting, erasedAfter, limit, string(crm), domain.Erased,
		cmp.Or(after, noID), limit)
}

// Failures lists the links to a CRM whose last push failed, newest first by (FailedAt, InMail).
func (t *tx) Failures(crm domain.CRM, page mailroom.Page) (links []domain.Link, err error) {
	var c conditions
	c.and("l.crm = (SELECT c.code FROM crms c WHERE c.name = " + c.arg(string(crm)) + ") AND l.failed_at IS NOT NULL")
	c.after("l.failed_at", "l.inmail", page.After, domain.ID(page.After.ID))
	sql := `SELECT ` + linkColumns + ` FROM crm_links l WHERE ` + c.sql +
		` ORDER BY l.failed_at DESC, l.inmail DESC LIMIT ` + c.arg(limit(page))
	err = t.query("list failed pushes", sql, func(r row) error {
		l, err := scanLink(r)
		links = append(links, l)
		return err
	}, c.args...)
	return links, err
}

const (
	// backlog reads one partial index, which has the waiting links alone.
	backlog     = `SELECT count(*), coalesce(min(unsynced_at), 0) FROM crm_links WHERE crm = ` + crm1 + ` AND push_at IS NOT NULL`
	deadByClass = `SELECT class, count(*) FROM crm_links WHERE crm = ` + crm1 + ` AND dead = TRUE GROUP BY class`
	heldByMatch = `SELECT match_state, count(*) FROM crm_links WHERE crm = ` + crm1 + ` AND record_id = ''
		AND match_state IN ('Unmatched', 'Ambiguous') AND push_at IS NULL AND dead = FALSE GROUP BY match_state`
)

// Backlog returns how far a CRM is behind: how many InMails wait to be pushed, since
// when, and the dead letters.
func (t *tx) Backlog(crm domain.CRM) (b mailroom.Backlog, err error) {
	var oldest int64
	each, _ := one(&b.Unsynced, &oldest)
	if err := t.query("count what a CRM lacks", backlog, each, string(crm)); err != nil {
		return b, err
	}
	b.OldestUnsynced = instant(oldest)
	b.Dead = map[domain.FailureClass]int{}
	err = t.query("count dead letters", deadByClass, func(r row) error {
		var class domain.FailureClass
		var n int
		err := r.Scan((*string)(&class), &n)
		b.Dead[class] = n
		return err
	}, string(crm))
	if err != nil {
		return b, err
	}
	err = t.query("count what a CRM holds back", heldByMatch, func(r row) error {
		var match domain.Match
		var n int
		err := r.Scan((*string)(&match), &n)
		if b.Held == nil {
			b.Held = map[domain.Match]int{}
		}
		b.Held[match] = n
		return err
	}, string(crm))
	return b, err
}
