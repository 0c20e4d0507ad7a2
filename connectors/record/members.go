package record

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// memberColumns are the columns of members m that scanMember reads.
const memberColumns = `m.id, m.name, m.headline, m.photo_url, m.company, m.email, m.profile_shared,
	m.profile_visible, m.accepts_inmail, m.account_type, m.plan, m.anchor_day, m.team, m.skills, m.created_at,
	m.max_week`

const selectMembers = `SELECT ` + memberColumns + ` FROM members m WHERE m.id IN (SELECT unnest($1::text[]))`

// Members returns the members of ids who exist; erased and unknown ones are absent.
func (t *tx) Members(ids []domain.MemberID) (map[domain.MemberID]*domain.Member, error) {
	members := make(map[domain.MemberID]*domain.Member, len(ids))
	if len(ids) == 0 {
		return members, nil
	}
	err := t.query("read members", selectMembers, func(r row) error {
		m, err := scanMember(r)
		members[m.ID] = m
		return err
	}, ids)
	return members, err
}

func scanMember(r row) (*domain.Member, error) {
	var m domain.Member
	var skills string
	var created int64
	if err := r.Scan((*string)(&m.ID), &m.Name, &m.Headline, &m.PhotoURL, &m.Company, (*string)(&m.Email),
		&m.ProfileShared, &m.ProfileVisible, &m.AcceptsInMail, (*string)(&m.AccountType), &m.Plan, &m.AnchorDay,
		&m.Team, &skills, &created, &m.MaxWeek); err != nil {
		return &m, err
	}
	m.CreatedAt = instant(created)
	return &m, readSkills(skills, &m)
}

// writeSkills returns skills as JSON. Most members have none, which is stored as the empty text.
func writeSkills(skills []string) (string, error) {
	if len(skills) == 0 {
		return "", nil
	}
	b, err := json.Marshal(skills)
	return string(b), err
}

func readSkills(stored string, m *domain.Member) error {
	if stored == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(stored), &m.Skills); err != nil {
		return ownf("the skills of member %s are not as they were stored", m.ID)
	}
	return nil
}

// lockMembers locks in the order of the ids, so that two batches cannot wait for each other. SQLite needs no
// locks: a transaction that writes is alone there.
const lockMembers = `SELECT id FROM members WHERE id IN (SELECT unnest($1::text[])) ORDER BY id FOR UPDATE`

// LockMembers locks senders: until this transaction ends, no other decides for them (R10).
func (t *tx) LockMembers(ids []domain.MemberID) error {
	if len(ids) == 0 {
		return nil
	}
	return t.lock("lock members", lockMembers, func(r row) error { var id string; return r.Scan(&id) }, ids)
}

// lockSides locks senders, and those of recipients for whom a limit of InMails a week holds, so that two who
// write to one of them at once are counted one after the other (R65). All are locked in the order of the ids.
const lockSides = `SELECT m.id FROM members m WHERE m.id IN (SELECT unnest($1::text[]) UNION ALL
		SELECT q.id FROM members q WHERE q.id IN (SELECT unnest($2::text[])) AND (q.max_week > 0 OR $3::int > 0))
	ORDER BY m.id FOR UPDATE OF m`

// lockSides locks the senders of pairs, and their recipients as far as a limit holds for them.
func (t *tx) lockSides(senders, recipients []domain.MemberID, recipientWeek int) error {
	if len(senders) == 0 {
		return nil
	}
	return t.lock("lock members", lockSides, func(r row) error { var id string; return r.Scan(&id) },
		senders, recipients, recipientWeek)
}

// received finds the newest InMails that were delivered to a member since $1, as many as its limit, and
// counts those that are queued. It reads the index of the recipient in two parts, one for each value of
// in_inbox.
const (
	received = `SELECT r.n, got.sent_at FROM unnest($2::int[], $3::text[], $4::int[]) AS r(n, id, most)
		JOIN LATERAL (SELECT i.sent_at FROM inmails i
			WHERE i.recipient = r.id AND i.in_inbox IN (TRUE, FALSE) AND i.sent_at > $1
			ORDER BY i.sent_at DESC LIMIT r.most) AS got ON TRUE ORDER BY r.n, got.sent_at DESC`
	receiving = `SELECT r.n, (SELECT count(*) FROM waiting w WHERE w.recipient = r.id)
		FROM unnest($1::int[], $2::text[]) AS r(n, id)`
)

// Received returns what reached members within the PeaceWindow: for each the newest InMails, as many as its
// limit, and the number of those that are queued (R65).
func (t *tx) Received(limits map[domain.MemberID]int) (map[domain.MemberID]domain.Received, error) {
	found := make(map[domain.MemberID]domain.Received, len(limits))
	ids := slices.Sorted(maps.Keys(limits))
	asked, queued := batch{args: []any{t.at(-domain.PeaceWindow)}}, batch{}
	for i, id := range ids {
		asked.add(i, id, limits[id])
		queued.add(i, id)
	}
	err := t.queryBatch("read what members received", received, &asked, func(r row) error {
		var n int
		var at int64
		err := r.Scan(&n, &at)
		if err == nil {
			got := found[ids[n]]
			got.At = append(got.At, instant(at))
			found[ids[n]] = got
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = t.queryBatch("count what is on its way to members", receiving, &queued, func(r row) error {
		var n, waiting int
		err := r.Scan(&n, &waiting)
		if err == nil && waiting > 0 {
			got := found[ids[n]]
			got.OnItsWay = waiting
			found[ids[n]] = got
		}
		return err
	})
	return found, err
}

// insertMembers inserts or replaces members; a member who is replaced keeps created_at.
const insertMembers = `INSERT INTO members (id, name, headline, photo_url, company, email, profile_shared,
		profile_visible, accepts_inmail, account_type, plan, anchor_day, team, skills, created_at, max_week)
	SELECT r.id, r.name, r.headline, r.photo_url, r.company, r.email, r.shared, r.visible, r.accepts,
		r.account_type, r.plan, r.anchor_day, r.team, r.skills, r.created_at, r.max_week
	FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bool[], $8::bool[],
		$9::bool[], $10::text[], $11::text[], $12::bigint[], $13::text[], $14::text[], $15::bigint[],
		$16::bigint[])
		AS r(id, name, headline, photo_url, company, email, shared, visible, accepts, account_type, plan,
			anchor_day, team, skills, created_at, max_week)
	WHERE TRUE
	ON CONFLICT (id) DO UPDATE SET name = excluded.name, headline = excluded.headline, photo_url = excluded.photo_url,
		company = excluded.company, email = excluded.email, profile_shared = excluded.profile_shared,
		profile_visible = excluded.profile_visible, accepts_inmail = excluded.accepts_inmail,
		account_type = excluded.account_type, plan = excluded.plan, anchor_day = excluded.anchor_day,
		team = excluded.team, skills = excluded.skills, max_week = excluded.max_week`

// PutMembers inserts or replaces members; of several with one id the last counts. A new allowance is stored
// with its time (R07, R09). When the anchor day changes, the usage of the present period is counted anew
// (R08). The id "erased" is refused (R60).
func (t *tx) PutMembers(ms []*domain.Member, anchorDay int, allowance func(plan string) int) error {
	last := make(map[domain.MemberID]*domain.Member, len(ms))
	ids := make([]domain.MemberID, 0, len(ms))
	for _, m := range ms {
		if m.ID == domain.Erased {
			return domain.Refuse(domain.BadRequest,
				"member id %q is kept for members who were erased; choose another", m.ID)
		}
		if last[m.ID] == nil {
			ids = append(ids, m.ID)
		}
		last[m.ID] = m
	}
	if err := t.LockMembers(ids); err != nil {
		return err
	}
	before, err := t.Members(ids)
	if err != nil {
		return err
	}
	var rows batch
	for _, id := range ids {
		m := last[id]
		skills, err := writeSkills(m.Skills)
		if err != nil {
			return fmt.Errorf("write the skills of member %s: %w", id, err)
		}
		created := m.CreatedAt
		if created.IsZero() {
			created = t.Now()
		}
		rows.add(m.ID, m.Name, m.Headline, m.PhotoURL, m.Company, m.Email.Reveal(), m.ProfileShared, m.ProfileVisible,
			m.AcceptsInMail, string(m.AccountType), m.Plan, m.AnchorDay, m.Team, skills, millis(created), m.MaxWeek)
	}
	if _, err := t.execBatch("store members", insertMembers, &rows); err != nil {
		return err
	}
	var named []*domain.Member
	for _, id := range ids {
		if renamed(before[id], last[id]) {
			named = append(named, last[id])
		}
	}
	if err := t.indexNames(named); err != nil {
		return err
	}
	if err := t.noteAllowances(ids, last, allowance); err != nil {
		return err
	}
	for _, id := range ids {
		if old := before[id]; old != nil &&
			orPolicy(old.AnchorDay, anchorDay) != orPolicy(last[id].AnchorDay, anchorDay) {
			if err := t.recount(id, domain.PeriodStart(t.Now(), orPolicy(last[id].AnchorDay, anchorDay))); err != nil {
				return err
			}
		}
	}
	return nil
}

// orPolicy returns the anchor day of a member: its own, or the policy's when it has none (0) (R08).
func orPolicy(own, policy int) int {
	if own == 0 {
		return policy
	}
	return own
}

// pairs returns for each pair the relations of the two. Each subquery reads one entry of an index; none is an
// EXISTS, for which PostgreSQL may hash a whole table when it believes it to be small. The last column adds 2
// when an InMail awaits its reply and 1 when one is queued.
const pairs = `SELECT r.n,
	(SELECT count(*) FROM connections c WHERE c.a = r.a AND c.b = r.b) > 0,
	(SELECT count(*) FROM blocks k WHERE k.who = r.a AND k.whom = r.b)
		+ (SELECT count(*) FROM blocks k WHERE k.who = r.b AND k.whom = r.a) > 0,
	coalesce((SELECT max(CASE WHEN i.status = 'opened' OR i.expires_at > $1 THEN 2 ELSE 0 END)
		FROM inmails i WHERE i.sender = r.a AND i.recipient = r.b AND i.status IN ('sent', 'opened')), 0)
		+ (SELECT CASE WHEN count(*) > 0 THEN 1 ELSE 0 END FROM waiting w WHERE w.sender = r.a AND w.recipient = r.b),
	coalesce((SELECT max(i.declined_at) FROM inmails i
		WHERE i.sender = r.a AND i.recipient = r.b AND i.declined_at IS NOT NULL), 0)
	FROM unnest($2::int[], $3::text[], $4::text[]) AS r(n, a, b)`

// Pairs returns for each pair whether the two are connected or blocked, whether an InMail awaits its answer
// or is queued, and when the last was declined (R12, R16, R20, R63). The time decides whether an InMail is
// live, whether or not its expiry was stored (R33).
func (t *tx) Pairs(ps []mailroom.Pair) ([]mailroom.Between, error) {
	answers := make([]mailroom.Between, len(ps))
	asked := batch{args: []any{t.at(0)}}
	for i, p := range ps {
		asked.add(i, p.From, p.To)
	}
	err := t.queryBatch("read the relations of two members", pairs, &asked, func(r row) error {
		var n, live int
		var declined int64
		var b mailroom.Between
		if err := r.Scan(&n, &b.Connected, &b.Blocked, &live, &declined); err != nil {
			return err
		}
		b.DeclinedAt = instant(declined)
		b.Awaiting, b.OnItsWay = live&2 != 0, live&1 != 0
		answers[n] = b
		return nil
	})
	return answers, err
}

// commonConnections reads the connections of each recipient and looks each up among the sender's, until it
// has three. It starts from the recipient because the sender usually has more connections.
const commonConnections = `SELECT r.n, m.name FROM unnest($1::int[], $2::text[], $3::text[]) AS r(n, a, b)
	JOIN LATERAL (SELECT x.b FROM connections x
		WHERE x.a = r.b AND (SELECT count(*) FROM connections y WHERE y.a = r.a AND y.b = x.b) > 0
		ORDER BY x.b LIMIT 3) AS shared ON TRUE
	JOIN members m ON m.id = shared.b ORDER BY r.n, shared.b`

// CommonConnections returns, for each pair, up to three names of people whom both are connected to (R48).
func (t *tx) CommonConnections(ps []mailroom.Pair) ([][]string, error) {
	names := make([][]string, len(ps))
	var asked batch
	for i, p := range ps {
		asked.add(i, p.From, p.To)
	}
	err := t.queryBatch("find common connections", commonConnections, &asked, func(r row) error {
		var n int
		var name string
		err := r.Scan(&n, &name)
		if err == nil {
			names[n] = append(names[n], name)
		}
		return err
	})
	return names, err
}

const (
	connect = `INSERT INTO connections (a, b) SELECT r.a, r.b FROM unnest($1::text[], $2::text[]) AS r(a, b)
		WHERE TRUE ON CONFLICT (a, b) DO NOTHING`
	disconnect = `DELETE FROM connections WHERE (a, b) IN (SELECT r.a, r.b FROM unnest($1::text[], $2::text[])
		AS r(a, b))`
	block = `INSERT INTO blocks (who, whom) SELECT r.who, r.whom FROM unnest($1::text[], $2::text[])
		AS r(who, whom)
		WHERE TRUE ON CONFLICT (who, whom) DO NOTHING`
	unblock = `DELETE FROM blocks WHERE (who, whom) IN (SELECT r.who, r.whom FROM unnest($1::text[], $2::text[])
		AS r(who, whom))`
)

// Connect makes 1st-degree connections, in both directions; an existing one is no error (R12).
func (t *tx) Connect(ps []mailroom.Pair) error {
	_, err := t.execBatch("connect members", connect, bothWays(ps))
	return err
}

// Disconnect ends connections, in both directions.
func (t *tx) Disconnect(ps []mailroom.Pair) error {
	_, err := t.execBatch("disconnect members", disconnect, bothWays(ps))
	return err
}

// Block lets From block To (R16).
func (t *tx) Block(ps []mailroom.Pair) error {
	_, err := t.execBatch("block members", block, oneWay(ps))
	return err
}

// Unblock ends the block of To by From.
func (t *tx) Unblock(ps []mailroom.Pair) error {
	_, err := t.execBatch("unblock members", unblock, oneWay(ps))
	return err
}

func oneWay(ps []mailroom.Pair) *batch {
	var b batch
	for _, p := range ps {
		b.add(p.From, p.To)
	}
	return &b
}

func bothWays(ps []mailroom.Pair) *batch {
	b := oneWay(ps)
	for _, p := range ps {
		b.add(p.To, p.From)
	}
	return b
}
