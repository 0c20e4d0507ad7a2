package record

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/richtext"
)

// inmailColumns are the columns that scanInMail reads first; one of the three constants below must follow.
const inmailColumns = `i.id, i.sender, i.recipient, i.category, i.tags, i.status, i.seq, i.version,
	i.reason, i.undone, coalesce(i.replies, 0), i.accepted_at, coalesce(i.sent_at, 0), coalesce(i.expires_at, 0),
	coalesce(i.previewed_at, 0), coalesce(i.opened_at, 0), coalesce(i.replied_at, 0), coalesce(i.ended_at, 0),
	i.account_type, i.words, i.advice, i.crm_ids, coalesce(i.declined_at, 0), coalesce(i.credited_at, 0),
	coalesce(i.automatic, 0), `

// waitingColumns are the same of a row of the table waiting, which has the queued InMails: what the row does
// not have is not yet.
const waitingColumns = `i.id, i.sender, i.recipient, i.category, i.tags, 'queued', 1, i.version,
	'', FALSE, 0, i.accepted_at, 0, 0, 0, 0, 0, 0, i.account_type, i.words, i.advice, i.crm_ids, 0, 0, 0, `

// The texts of an InMail are a row of the table texts. What waits has it; a decided InMail without one is as
// old as the partition that retention dropped, and its texts are empty (Partition). A list reads no bodies,
// and a sweep no texts.
const (
	withTexts = `coalesce(x.subject, ''), coalesce(x.preview, ''), coalesce(x.body, ''),
		coalesce(x.decline_reason, ''), ''`
	withoutBody = `coalesce(x.subject, ''), coalesce(x.preview, ''), '', coalesce(x.decline_reason, ''),
		CASE WHEN x.preview IN ('', '  ') THEN substr(x.body, 1, 200) ELSE '' END`
	withoutTexts = `'', '', '', '', ''`

	// PostgreSQL looks each text up in the partition of its InMail: a LIMIT keeps it from another plan. It
	// counts a look-up once for each partition, as what the id leaves of them is known only when the plan
	// runs, and would rather read all texts of a record that is not large yet, with a plan that it keeps.
	textsOf = `/*sqlite texts x ON x.inmail = i.id*//*postgres LATERAL (
		SELECT t.subject, t.preview, t.body, t.decline_reason FROM texts t WHERE t.inmail = i.id LIMIT 1) x ON TRUE*/ `

	inmailTables  = ` FROM inmails i LEFT JOIN ` + textsOf
	waitingTables = ` FROM waiting i JOIN ` + textsOf
)

// scanInMail reads inmailColumns, the texts, and then the columns of more.
func scanInMail(r row, more ...any) (*domain.InMail, error) {
	var m domain.InMail
	var tags, advice, crmIDs, start, accountType string
	var accepted, sent, expires, previewed, opened, replied, ended, declined, credited int64
	err := r.Scan(append([]any{(*string)(&m.ID), (*string)(&m.Sender), (*string)(&m.Recipient), &m.Category, &tags,
		(*string)(&m.Status), &m.Seq, &m.Version, (*string)(&m.Reason), &m.Undone, &m.Replies, &accepted, &sent,
		&expires, &previewed, &opened, &replied, &ended, &accountType, &m.Words, &advice, &crmIDs,
		&declined, &credited, &m.Automatic, &m.Subject, &m.Preview, &m.Body, &m.DeclineReason, &start}, more...)...)
	if err != nil {
		return nil, err
	}
	if err := readMap(crmIDs, &m.CRM); err != nil {
		return nil, err
	}
	m.Preview = readPreview(m.Preview, m.Body+start)
	m.Tags, m.Advice, m.AccountType = readTags(tags), readAdvice(advice), readAccountType(accountType)
	m.AcceptedAt, m.SentAt, m.ExpiresAt = instant(accepted), instant(sent), instant(expires)
	m.PreviewedAt = instant(previewed)
	m.OpenedAt, m.RepliedAt, m.EndedAt = instant(opened), instant(replied), instant(ended)
	m.DeclinedAt, m.CreditedAt = instant(declined), instant(credited)
	return &m, nil
}

// previewStart is how many characters of a body its preview may be made of (withoutBody has the number).
const previewStart = 200

// What is stored for a preview that the body says: no preview is one of these texts.
const (
	plainPreview     = ""   // it is made of the start of the body as it stands
	formattedPreview = "  " // it is made of the start of the body, parsed
	noPreview        = " "  // it is empty
)

// writePreview returns what is stored of a preview: as little as readPreview needs to make the same of the
// body.
func writePreview(preview, body string) string {
	switch {
	case readPreview(plainPreview, body) == preview:
		return plainPreview
	case preview == "":
		return noPreview
	case readPreview(formattedPreview, body) == preview:
		return formattedPreview
	}
	return preview
}

// readPreview returns the preview of a body, or of its start, from what is stored of it.
func readPreview(stored, body string) string {
	switch stored {
	case plainPreview:
		return richtext.PlainPreview(start(body), richtext.MaxPreview)
	case formattedPreview:
		return richtext.Parse(start(body)).Preview(richtext.MaxPreview)
	case noPreview:
		return ""
	}
	return stored
}

// start returns the first previewStart characters of a text.
func start(text string) string {
	n := 0
	for i := range text {
		if n == previewStart {
			return text[:i]
		}
		n++
	}
	return text
}

// writeTags puts a line feed before and behind each tag. No tag has a line feed (R56), so a search for a tag
// with both finds whole tags alone.
func writeTags(tags []string) string {
	if len(tags) == 0 {
		return ""
	}
	return "\n" + strings.Join(tags, "\n") + "\n"
}

func readTags(stored string) []string {
	if stored == "" {
		return nil
	}
	return strings.Split(strings.Trim(stored, "\n"), "\n")
}

// readAdvice reads codes of advice, which blanks separate.
func readAdvice(stored string) []string {
	if stored == "" {
		return nil
	}
	return strings.Fields(stored)
}

// accountTypeCodes are what is stored of an InMail's account type, to save bytes. A type without a code is
// stored as its word, as every type was in an earlier version.
var accountTypeCodes = map[domain.AccountType]string{
	domain.Basic: "b", domain.PremiumBusiness: "p", domain.SalesNavigatorTeam: "s", domain.Recruiter: "r", domain.JobSeeker: "j",
}

var accountTypeOf = func() map[string]domain.AccountType {
	of := make(map[string]domain.AccountType, len(accountTypeCodes))
	for t, code := range accountTypeCodes {
		of[code] = t
	}
	return of
}()

func writeAccountType(t domain.AccountType) string { return cmp.Or(accountTypeCodes[t], string(t)) }

func readAccountType(stored string) domain.AccountType {
	return cmp.Or(accountTypeOf[stored], domain.AccountType(stored))
}

// isInInbox is true for a status whose InMails are in the recipient's inbox, as long
// as the window is not over.
func isInInbox(s domain.Status) bool {
	return s == domain.Sent || s == domain.Opened || s == domain.Replied || s == domain.Declined
}

const insertInMails = `INSERT INTO inmails (id, sender, recipient, category, tags, status, seq, version, reason,
		undone, in_inbox, replies, accepted_at, sent_at, expires_at, ended_at, account_type, words, advice, crm_ids)
	SELECT r.id, r.sender, r.recipient, r.category, r.tags, r.status, r.seq, r.version, r.reason,
		FALSE, r.in_inbox, /*sqlite 0*/ /*postgres NULL::int*/, r.accepted_at, nullif(r.sent_at, 0), nullif(r.expires_at, 0), nullif(r.ended_at, 0),
		r.account_type, r.words, r.advice, r.crm_ids
	FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $8::bigint[],
			$9::text[], $10::bool[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::text[],
			$16::int[], $17::text[], $18::text[])
		AS r(id, sender, recipient, category, tags, status, seq, version, reason, in_inbox, accepted_at, sent_at,
			expires_at, ended_at, account_type, words, advice, crm_ids)`

const insertTexts = `INSERT INTO texts (inmail, subject, preview, body) SELECT r.inmail, r.subject, r.preview, r.body
	FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS r(inmail, subject, preview, body)`

const insertWaiting = `INSERT INTO waiting (id, accepted_at, version, words, sender, recipient, account_type,
		category, tags, advice, crm_ids)
	SELECT r.id, r.accepted_at, r.version, r.words, r.sender, r.recipient, r.account_type, r.category, r.tags,
		r.advice, r.crm_ids
	FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[],
			$9::text[], $10::text[], $11::text[])
		AS r(id, accepted_at, version, words, sender, recipient, account_type, category, tags, advice, crm_ids)`

// Insert stores new queued InMails and their links to all CRMs, due at once. receipts[i] is of ms[i]; what an
// InMail implies is not stored.
func (t *tx) Insert(ms []*domain.InMail, receipts []domain.Receipt) error {
	if len(ms) == 0 {
		return t.appendReceipts(receipts)
	}
	var rows, texts batch
	ids := make([]domain.ID, len(ms))
	for i, m := range ms {
		ids[i] = m.ID
		texts.add(m.ID, m.Subject, writePreview(m.Preview, m.Body), m.Body)
		if m.Status != domain.Queued {
			return t.fail("insert InMails", ownf("a new InMail is %s, want queued", m.Status))
		}
		rows.add(m.ID, millis(m.AcceptedAt), m.Version, m.Words, m.Sender, m.Recipient, writeAccountType(m.AccountType), m.Category,
			writeTags(m.Tags), strings.Join(m.Advice, " "), writeMap(m.CRM))
	}
	if err := t.laterBatch("insert InMails", insertWaiting, &rows, len(ms)); err != nil {
		return err
	}
	if err := t.laterBatch("insert the texts of InMails", insertTexts, &texts, len(ms)); err != nil {
		return err
	}
	// After the InMails: who connects a CRM waits for them, so this sees every CRM whose LinkInMails will
	// not.
	if err := t.later("link InMails to the CRMs", insertLinks, &batch{args: []any{t.at(0), ids}}, anyNumber); err != nil {
		return err
	}
	var more []domain.Receipt
	for i, r := range receipts {
		if i >= len(ms) || !ms[i].Implies(r) {
			more = append(more, r)
		}
	}
	return t.appendReceipts(more)
}

const (
	ofIDs         = `WHERE i.id IN (SELECT unnest($1::uuid[]))`
	selectInMails = `SELECT ` + inmailColumns + withTexts + inmailTables + ofIDs
	selectWaiting = `SELECT ` + waitingColumns + withTexts + waitingTables + ofIDs
	forUpdate     = ` ORDER BY i.id FOR UPDATE OF i`
	lockInMails   = selectInMails + forUpdate
	lockWaiting   = selectWaiting + forUpdate
	claimQueued   = lockWaiting + ` SKIP LOCKED`
)

// InMails returns the InMails of ids that exist, with tags. The table waiting is read first: an InMail that
// is decided between the two is found in the second.
func (t *tx) InMails(ids []domain.ID) (map[domain.ID]*domain.InMail, error) {
	found := make(map[domain.ID]*domain.InMail, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	err := t.together(func() error {
		return errors.Join(t.query("read InMails", selectWaiting, into(found), ids),
			t.query("read InMails", selectInMails, into(found), ids))
	})
	return found, err
}

// LockInMails is InMails with locks: no other transaction changes them until this one ends (R38). It waits
// for who decides a queued one, whose row is gone then, and finds it among the decided ones.
func (t *tx) LockInMails(ids []domain.ID) (map[domain.ID]*domain.InMail, error) {
	found := make(map[domain.ID]*domain.InMail, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	t.pending = append(t.pending, step{what: "lock InMails", sql: lockWaiting, args: []any{ids}, each: into(found)})
	return found, t.lock("lock InMails", lockInMails, into(found), ids)
}

// ClaimQueued locks those of ids that are queued and that no other transaction has locked, and returns
// them in the order of ids.
func (t *tx) ClaimQueued(ids []domain.ID) ([]*domain.InMail, error) {
	byID := make(map[domain.ID]*domain.InMail, len(ids))
	if len(ids) == 0 {
		return nil, nil
	}
	if err := t.query("claim queued InMails", claimQueued, into(byID), ids); err != nil {
		return nil, err
	}
	claimed := make([]*domain.InMail, 0, len(byID))
	for _, id := range ids {
		if m := byID[id]; m != nil {
			claimed = append(claimed, m)
			delete(byID, id) // an id that was named twice is claimed once
		}
	}
	return claimed, nil
}

// into returns a function that adds the InMail of a row to found.
func into(found map[domain.ID]*domain.InMail) func(row) error {
	return func(r row) error {
		m, err := scanInMail(r)
		if err == nil {
			found[m.ID] = m
		}
		return err
	}
}

// expireDue changes InMails as Apply changes one, and RETURNING gives back how each was before. It reads the
// index of expiry times from the oldest on, so it costs only what it finds. Its guard is ended_at and not the
// status: when PostgreSQL expects few rows with a status, it starts from the index of the status.
const expireDue = `WITH due AS (SELECT i.id FROM inmails i WHERE i.status = 'sent' AND i.expires_at <= $1
		ORDER BY i.expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)
	UPDATE inmails SET status = 'expired', in_inbox = FALSE, ended_at = expires_at, seq = seq + 1,
		version = version + 1
		WHERE id IN (SELECT d.id FROM due d) AND ended_at IS NULL
		RETURNING id, sender, recipient, category, tags, seq - 1, version - 1, accepted_at, sent_at, expires_at,
			account_type, words, advice`

// ExpireDue expires up to limit unopened InMails whose window is over at Now, as EventExpire does
// (R33). The oldest come first; those that another transaction has locked are skipped. It returns
// them as they were before. The receipts follow from the rows.
func (t *tx) ExpireDue(limit int) (due []*domain.InMail, err error) {
	if limit <= 0 {
		return nil, nil
	}
	var ids []domain.ID
	err = t.change("expire what is due", expireDue, func(r row) error {
		m := &domain.InMail{Status: domain.Sent}
		var tags, advice, accountType string
		var accepted, sent, expires int64
		err := r.Scan((*string)(&m.ID), (*string)(&m.Sender), (*string)(&m.Recipient), &m.Category, &tags, &m.Seq,
			&m.Version, &accepted, &sent, &expires, &accountType, &m.Words, &advice)
		m.Tags, m.Advice, m.AccountType = readTags(tags), readAdvice(advice), readAccountType(accountType)
		m.AcceptedAt, m.SentAt, m.ExpiresAt = instant(accepted), instant(sent), instant(expires)
		due, ids = append(due, m), append(ids, m.ID)
		return err
	}, t.at(0), limit)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(due, func(a, b *domain.InMail) int {
		return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), cmp.Compare(a.ID, b.ID))
	})
	return due, t.markLater(ids)
}

const nextExpiry = `SELECT i.expires_at FROM inmails i WHERE i.status = 'sent' ORDER BY i.expires_at LIMIT 1`

// NextExpiry returns when the window of an unopened InMail is over next, or was over first; zero: never.
func (t *tx) NextExpiry() (next time.Time, err error) {
	err = t.query("find when an InMail expires next", nextExpiry, func(r row) error {
		var at int64
		err := r.Scan(&at)
		next = instant(at)
		return err
	})
	return next, err
}

// queuedBefore reads the table in the order of the ids, which is that of acceptance but for some
// milliseconds. Where much waits for long it finds enough at once; else the table has little more than what
// was accepted in the last moments, which queuedAfter reads too.
const (
	queuedBefore = `SELECT id FROM waiting WHERE accepted_at < $1 ORDER BY id LIMIT $2`
	queuedAfter  = `SELECT id FROM waiting WHERE accepted_at > $1 LIMIT $2`
)

// QueuedBefore returns up to limit queued InMails accepted before then, oldest first, and after them those
// accepted later than Now.
func (t *tx) QueuedBefore(then time.Time, limit int) ([]domain.ID, error) {
	if limit <= 0 {
		return nil, nil
	}
	ids, err := t.ids("find queued InMails", queuedBefore, millis(then), limit)
	if err != nil || len(ids) >= limit {
		return ids, err
	}
	later, err := t.ids("find InMails queued in the future", queuedAfter, t.at(0), limit-len(ids))
	return append(ids, later...), err
}

// saveInMails stores what Apply has changed, where nothing else has changed the InMail
// since it was loaded (R38).
const saveInMails = `UPDATE inmails SET status = r.status, seq = r.seq, version = r.version, reason = r.reason,
		undone = r.undone, in_inbox = r.in_inbox, replies = r.replies,
		sent_at = nullif(r.sent_at, 0), expires_at = nullif(r.expires_at, 0),
		opened_at = nullif(r.opened_at, 0), replied_at = nullif(r.replied_at, 0), ended_at = nullif(r.ended_at, 0),
		account_type = r.account_type, words = r.words, advice = r.advice,
		tags = CASE WHEN r.retagged THEN r.tags ELSE inmails.tags END, crm_ids = r.crm_ids,
		declined_at = nullif(r.declined_at, 0), credited_at = nullif(r.credited_at, 0), automatic = r.automatic
	FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::int[], $6::bigint[], $7::text[], $8::bool[],
			$9::bool[], $10::int[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[],
			$16::text[], $17::int[], $18::text[], $19::bool[], $20::text[], $21::text[], $22::bigint[], $23::bigint[],
			$24::int[])
		AS r(id, from_status, from_version, status, seq, version, reason, undone, in_inbox, replies, sent_at,
			expires_at, opened_at, replied_at, ended_at, account_type, words, advice, retagged, tags, crm_ids,
			declined_at, credited_at, automatic)
	WHERE inmails.id = r.id AND inmails.status = r.from_status AND inmails.version = r.from_version`

// What waits is decided once: its row goes, and the InMail is stored in the state that it has from then on.
// Tags and ids of CRMs may change before.
const (
	endWaiting = `DELETE FROM waiting WHERE (id, version) IN (SELECT r.id, r.version
		FROM unnest($1::uuid[], $2::bigint[]) AS r(id, version))`
	saveWaiting = `UPDATE waiting SET version = r.version, tags = r.tags, crm_ids = r.crm_ids
		FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[])
			AS r(id, from_version, version, tags, crm_ids)
		WHERE waiting.id = r.id AND waiting.version = r.from_version`
)

const saveReasons = `UPDATE texts SET decline_reason = r.reason
	FROM unnest($1::uuid[], $2::text[]) AS r(inmail, reason) WHERE texts.inmail = r.inmail`

// Save stores changed InMails and appends the receipts that they do not imply. The guard is the status and
// version with which each was loaded: an InMail that has changed since, or that is in the batch twice, fails
// the whole transaction with ErrConflict. An InMail with a new version becomes due for every CRM. Of the
// texts Save changes the reason of a decline alone, when the InMail is declined; it does not change sender,
// recipient, and the times of acceptance and first listing.
func (t *tx) Save(changes []mailroom.Change) error {
	var rows, reasons, waiting, ended, decided batch
	var receipts []domain.Receipt
	var changed []domain.ID
	visited := make(map[domain.ID]bool, len(changes))
	for _, c := range changes {
		m := c.InMail
		if visited[m.ID] {
			return t.conflict(fmt.Sprintf("save InMail %s twice in one batch", m.ID))
		}
		visited[m.ID] = true
		switch {
		case c.FromStatus != domain.Queued:
			rows.add(m.ID, string(c.FromStatus), c.FromVersion, string(m.Status), m.Seq, m.Version, string(m.Reason),
				m.Undone, isInInbox(m.Status), m.Replies, millis(m.SentAt), millis(m.ExpiresAt), millis(m.OpenedAt),
				millis(m.RepliedAt), millis(m.EndedAt), writeAccountType(m.AccountType), m.Words, strings.Join(m.Advice, " "),
				c.Retagged, writeTags(m.Tags), writeMap(m.CRM), millis(m.DeclinedAt), millis(m.CreditedAt), m.Automatic)
		case m.Status == domain.Queued:
			waiting.add(m.ID, c.FromVersion, m.Version, writeTags(m.Tags), writeMap(m.CRM))
		default:
			ended.add(m.ID, c.FromVersion)
			decided.add(m.ID, m.Sender, m.Recipient, m.Category, writeTags(m.Tags), string(m.Status), m.Seq, m.Version,
				string(m.Reason), isInInbox(m.Status), millis(m.AcceptedAt), millis(m.SentAt), millis(m.ExpiresAt),
				millis(m.EndedAt), writeAccountType(m.AccountType), m.Words, strings.Join(m.Advice, " "), writeMap(m.CRM))
		}
		if m.Status == domain.Declined && c.FromStatus != domain.Declined && m.DeclineReason != "" {
			reasons.add(m.ID, m.DeclineReason)
		}
		for _, r := range c.Receipts {
			if !m.Implies(r) {
				receipts = append(receipts, r)
			}
		}
		if m.Version != c.FromVersion {
			changed = append(changed, m.ID)
		}
	}
	for _, save := range []struct {
		sql  string
		rows *batch
	}{{saveInMails, &rows}, {saveWaiting, &waiting}, {endWaiting, &ended}, {insertInMails, &decided}} {
		if err := t.laterBatch("save InMails", save.sql, save.rows, len(save.rows.rows)); err != nil {
			return err
		}
	}
	// One whose texts were dropped has no row for a reason.
	if err := t.laterBatch("store why InMails were declined", saveReasons, &reasons, anyNumber); err != nil {
		return err
	}
	if err := t.markLater(changed); err != nil {
		return err
	}
	return t.appendReceipts(receipts)
}

// setPreviewed locks in the order of the ids, as every statement does that locks several InMails.
const setPreviewed = `UPDATE inmails SET previewed_at = $1
	WHERE id IN (SELECT i.id FROM inmails i WHERE i.id IN (SELECT unnest($2::uuid[])) AND i.previewed_at IS NULL
		ORDER BY i.id FOR UPDATE) AND previewed_at IS NULL`

// SetPreviewed stores the time of the first listing of those that were never listed and returns how many
// (R30). It leaves the version as it is, so nothing is pushed to a CRM.
func (t *tx) SetPreviewed(ids []domain.ID) (int, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	n, err := t.exec("note the first listing", setPreviewed, t.at(0), slices.Compact(slices.Sorted(slices.Values(ids))))
	return int(n), err
}
