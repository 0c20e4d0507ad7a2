package record

import (
	"cmp"
	"slices"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// linkColumns are what linkScan reads.
const linkColumns = `l.inmail, l.record_id, l.match_state, l.lead_id, l.contact_id, l.account_id, l.pushed_version, l.pushed_seq,
	l.sent_task, l.replied_task, l.attempts, l.class, l.detail, coalesce(l.failed_at, 0), l.dead`

type linkScan struct {
	link   domain.Link
	failed int64
}

func (s *linkScan) columns() []any {
	l := &s.link
	return []any{(*string)(&l.InMail), &l.RecordID, (*string)(&l.Match), &l.LeadID, &l.ContactID, &l.AccountID, &l.PushedVersion,
		&l.PushedSeq, &l.SentTask, &l.RepliedTask, &l.Attempts, (*string)(&l.Class), &l.Detail, &s.failed, &l.Dead}
}

func (s *linkScan) value() domain.Link {
	s.link.FailedAt = instant(s.failed)
	return s.link
}

// dueToPush walks the index of what is due from its oldest end. What somebody leased a moment ago may still be seen
// here: lease decides, under the row locks that are taken here.
const dueToPush = `SELECT i.id FROM inmails i WHERE i.push_at <= $1
		AND coalesce((SELECT l.leased_until FROM crm_links l WHERE l.inmail = i.id), 0) <= $1
	ORDER BY i.push_at LIMIT $2 FOR UPDATE OF i SKIP LOCKED`

// lease makes the link of each InMail, or takes the lease of one that nobody holds. The version that is taken
// is kept: a push that fails in vain is told from one that was overtaken. A dead letter that has changed is none any more.
const lease = `INSERT INTO crm_links (inmail, leased_until, wanted_version, pushed_version, pushed_seq, attempts, sent_task, replied_task,
		dead, record_id, match_state, lead_id, contact_id, account_id, class, detail)
	SELECT i.id, $2, i.version, 0, 0, 0, FALSE, FALSE, FALSE, '', '', '', '', '', '', '' FROM inmails i WHERE i.id IN (SELECT unnest($1::uuid[])) ORDER BY i.id
	ON CONFLICT (inmail) DO UPDATE SET leased_until = excluded.leased_until, wanted_version = excluded.wanted_version, dead = FALSE
	WHERE crm_links.leased_until <= $3
	RETURNING inmail`

// selectPushes reads InMails with what is known of their links, and what matching needs.
const selectPushes = `SELECT ` + inmailColumns + withTexts + `, i.id, coalesce(l.record_id, ''), coalesce(l.match_state, ''), coalesce(l.lead_id, ''),
		coalesce(l.contact_id, ''), coalesce(l.account_id, ''), coalesce(l.pushed_version, 0), coalesce(l.pushed_seq, 0),
		coalesce(l.sent_task, FALSE), coalesce(l.replied_task, FALSE), coalesce(l.attempts, 0), coalesce(l.class, ''),
		coalesce(l.detail, ''), coalesce(l.failed_at, 0), coalesce(l.dead, FALSE),
		coalesce(s.name, ''), coalesce(p.name, ''), coalesce(p.email, '')
	FROM inmails i JOIN texts x ON x.inmail = i.id LEFT JOIN crm_links l ON l.inmail = i.id
		LEFT JOIN members s ON s.id = i.sender LEFT JOIN members p ON p.id = i.recipient `

func scanPush(r row) (domain.Push, error) {
	var p domain.Push
	var s linkScan
	m, err := scanInMail(r, append(s.columns(), &p.SenderName, &p.RecipientName, (*string)(&p.Email))...)
	if err != nil {
		return p, err
	}
	p.InMail, p.Link = *m, s.value()
	return p, nil
}

// ClaimUnsynced takes up to limit InMails that are due to be pushed and leases them until Now + lease, so that
// nobody else pushes them; the oldest due first, skipping what another transaction holds.
func (t *tx) ClaimUnsynced(limit int, leaseFor time.Duration) ([]domain.Push, error) {
	if limit <= 0 {
		return nil, nil
	}
	now := millis(t.now)
	ids, err := t.ids("find what Salesforce lacks", dueToPush, now, limit)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	leased, err := t.ids("lease unsynced InMails", lease, ids, millis(t.now.Add(leaseFor)), now)
	if err != nil || len(leased) == 0 {
		return nil, err
	}
	byID := make(map[domain.ID]domain.Push, len(leased))
	err = t.query("read unsynced InMails", selectPushes+`WHERE i.id IN (SELECT unnest($1::uuid[]))`, func(r row) error {
		p, err := scanPush(r)
		byID[p.InMail.ID] = p
		return err
	}, leased)
	pushes := make([]domain.Push, 0, len(byID))
	for _, id := range ids {
		if p, ok := byID[id]; ok {
			pushes = append(pushes, p)
		}
	}
	return pushes, err
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

// storeLinks stores links and ends their leases. What the org holds never goes back (R53): the answer of one who comes late,
// after a newer push was stored, changes nothing.
const storeLinks = `UPDATE crm_links SET leased_until = 0, record_id = r.record_id, match_state = r.match_state, lead_id = r.lead_id,
		contact_id = r.contact_id, account_id = r.account_id, pushed_version = greatest(crm_links.pushed_version, r.pushed_version),
		pushed_seq = greatest(crm_links.pushed_seq, r.pushed_seq), sent_task = r.sent_task, replied_task = r.replied_task,
		attempts = r.attempts, class = r.class, detail = r.detail, failed_at = nullif(r.failed_at, 0), dead = r.dead
	FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::int[], $9::bool[],
			$10::bool[], $11::int[], $12::text[], $13::text[], $14::bigint[], $15::bool[])
		AS r(inmail, record_id, match_state, lead_id, contact_id, account_id, pushed_version, pushed_seq, sent_task,
			replied_task, attempts, class, detail, failed_at, dead)
	WHERE crm_links.inmail = r.inmail AND r.pushed_version >= crm_links.pushed_version`

// markSynced marks what the org now has, unless it has changed since it was pushed: then it stays due.
const markSynced = `UPDATE inmails SET unsynced_at = NULL, push_at = NULL
	FROM unnest($1::uuid[], $2::bigint[]) AS r(id, pushed_version) WHERE inmails.id = r.id AND inmails.version = r.pushed_version`

// postpone says when what the org did not take goes again; never by itself when its data is at fault, unless it
// has changed since it was claimed: then at once.
const postpone = `UPDATE inmails SET push_at = CASE WHEN r.retry_at > 0 THEN r.retry_at
		WHEN inmails.version <> (SELECT l.wanted_version FROM crm_links l WHERE l.inmail = r.id) THEN $1 END
	FROM unnest($2::uuid[], $3::bigint[]) AS r(id, retry_at) WHERE inmails.id = r.id AND inmails.unsynced_at IS NOT NULL`

// StoreAnswers stores what became of pushes and ends their leases. An InMail counts as synced only when its
// version is still the pushed one; pushed_seq and pushed_version never go back. retryAt[i] is when a failed one goes
// again; zero: not by itself. One that changed after it was claimed stays due in either case.
func (t *tx) StoreAnswers(answers []domain.PushAnswer, retryAt []time.Time) error {
	if len(answers) == 0 {
		return nil
	}
	if len(retryAt) != len(answers) {
		return t.fail("store Salesforce's answers", ownf("%d answers and %d times", len(answers), len(retryAt)))
	}
	var links, synced, failed batch
	failed.args = []any{millis(t.now)}
	ids := make([]domain.ID, len(answers))
	order := make([]int, len(answers)) // of the ids, in which links are locked
	for i := range answers {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(answers[a].Link.InMail, answers[b].Link.InMail) })
	for _, i := range order {
		a, l := answers[i], answers[i].Link
		ids[i] = l.InMail
		links.add(l.InMail, l.RecordID, string(l.Match), l.LeadID, l.ContactID, l.AccountID, l.PushedVersion, l.PushedSeq,
			l.SentTask, l.RepliedTask, l.Attempts, string(l.Class), l.Detail, millis(l.FailedAt), l.Dead)
		if a.Class == domain.Taken || a.Class == domain.Stale {
			synced.add(l.InMail, l.PushedVersion)
		} else {
			failed.add(l.InMail, millis(retryAt[i]))
		}
	}
	// InMails before links, each in the order of the ids: the order in which everything locks.
	if err := t.lockIDs(ids); err != nil {
		return err
	}
	if _, err := t.execBatch("mark what Salesforce has", markSynced, &synced); err != nil {
		return err
	}
	if _, err := t.execBatch("postpone pushes", postpone, &failed); err != nil {
		return err
	}
	_, err := t.execBatch("store Salesforce's answers", storeLinks, &links)
	return err
}

// lockIDs locks InMails in the order of their ids.
func (t *tx) lockIDs(ids []domain.ID) error {
	_, err := t.ids("lock InMails", `SELECT i.id FROM inmails i WHERE i.id IN (SELECT unnest($1::uuid[])) ORDER BY i.id FOR UPDATE`, ids)
	return err
}

const (
	findDead   = `SELECT l.inmail FROM crm_links l WHERE l.dead = TRUE`
	findFailed = `SELECT l.inmail FROM crm_links l WHERE l.failed_at IS NOT NULL AND l.inmail = $1`
	makeDue    = `UPDATE inmails SET push_at = $2, unsynced_at = coalesce(unsynced_at, $2) WHERE id IN (SELECT unnest($1::uuid[]))`
	revive     = `UPDATE crm_links SET dead = FALSE WHERE inmail IN (SELECT unnest($1::uuid[]))`
)

// RetryDead makes dead letters due again and returns how many: all of them, or those of a class; or the one InMail
// whose last push failed, dead or not.
func (t *tx) RetryDead(id domain.ID, class domain.FailureClass) (int, error) {
	var ids []domain.ID
	var err error
	switch {
	case id != "":
		ids, err = t.ids("find a failed push", findFailed, id)
	case class != "":
		ids, err = t.ids("find dead letters", findDead+` AND l.class = $1`, string(class))
	default:
		ids, err = t.ids("find dead letters", findDead)
	}
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	if err := t.lockIDs(ids); err != nil {
		return 0, err
	}
	if _, err := t.exec("make dead letters due", makeDue, ids, millis(t.now)); err != nil {
		return 0, err
	}
	_, err = t.exec("make dead letters due", revive, ids)
	return len(ids), err
}

const forget = `UPDATE crm_links SET record_id = '', match_state = '', lead_id = '', contact_id = '', account_id = '', pushed_version = 0,
	pushed_seq = 0, sent_task = FALSE, replied_task = FALSE, attempts = 0, class = '', detail = '', failed_at = NULL, dead = FALSE
	WHERE inmail IN (SELECT unnest($1::uuid[]))`

// Resync makes InMails due to be pushed again from scratch: what was known of the org's records is forgotten.
func (t *tx) Resync(ids []domain.ID) error {
	if len(ids) == 0 {
		return nil
	}
	if err := t.lockIDs(ids); err != nil {
		return err
	}
	if _, err := t.exec("push again from scratch", makeDue, ids, millis(t.now)); err != nil {
		return err
	}
	_, err := t.exec("push again from scratch", forget, ids)
	return err
}

// Links returns the links of ids that have one.
func (t *tx) Links(ids []domain.ID) (map[domain.ID]domain.Link, error) {
	links := make(map[domain.ID]domain.Link, len(ids))
	if len(ids) == 0 {
		return links, nil
	}
	err := t.query("read links", `SELECT `+linkColumns+` FROM crm_links l WHERE l.inmail IN (SELECT unnest($1::uuid[]))`, func(r row) error {
		var s linkScan
		err := r.Scan(s.columns()...)
		links[s.link.InMail] = s.value()
		return err
	}, ids)
	return links, err
}

// PushesAfter walks all InMails by id for reconcile and backfill: up to limit after an id, with names.
func (t *tx) PushesAfter(after domain.ID, limit int) (pushes []domain.Push, err error) {
	if limit <= 0 {
		return nil, nil
	}
	var c conditions
	c.and("TRUE")
	if after != "" {
		c.and("i.id > " + c.arg(after))
	}
	sql := selectPushes + `WHERE ` + c.sql + ` ORDER BY i.id LIMIT ` + c.arg(limit)
	err = t.query("walk the InMails", sql, func(r row) error {
		p, err := scanPush(r)
		pushes = append(pushes, p)
		return err
	}, c.args...)
	return pushes, err
}

// Failures lists the links whose last push failed, newest first by (FailedAt, InMail).
func (t *tx) Failures(page mailroom.Page) (links []domain.Link, err error) {
	var c conditions
	c.and("l.failed_at IS NOT NULL")
	c.after("l.failed_at", "l.inmail", page.After, domain.ID(page.After.ID))
	sql := `SELECT ` + linkColumns + ` FROM crm_links l WHERE ` + c.sql + ` ORDER BY l.failed_at DESC, l.inmail DESC LIMIT ` + c.arg(limit(page))
	err = t.query("list failed pushes", sql, func(r row) error {
		var s linkScan
		err := r.Scan(s.columns()...)
		links = append(links, s.value())
		return err
	}, c.args...)
	return links, err
}

const (
	// backlog reads one partial index, which holds what waits and nothing else.
	backlog     = `SELECT count(*), coalesce(min(unsynced_at), 0) FROM inmails WHERE push_at IS NOT NULL`
	deadByClass = `SELECT class, count(*) FROM crm_links WHERE dead = TRUE GROUP BY class`
)

// Backlog is how far Salesforce is behind: what waits to be pushed, since when, and beside it the dead letters.
func (t *tx) Backlog() (b mailroom.Backlog, err error) {
	var oldest int64
	each, _ := one(&b.Unsynced, &oldest)
	if err := t.query("count what Salesforce lacks", backlog, each); err != nil {
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
	})
	return b, err
}
