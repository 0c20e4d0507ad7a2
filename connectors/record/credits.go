package record

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

const (
	selectAllowances = `SELECT member, since, allowance FROM allowances WHERE member IN (SELECT unnest($1::text[]))
		ORDER BY member, since`
	insertAllowances = `INSERT INTO allowances (member, since, allowance)
		SELECT r.member, r.since, r.allowance FROM unnest($1::text[], $2::bigint[], $3::bigint[])
			AS r(member, since, allowance)
		WHERE TRUE ON CONFLICT (member, since) DO UPDATE SET allowance = excluded.allowance`
)

// noteAllowances stores the allowance of each plan that differs from the last one stored, with its time (R07,
// R09). For a new member that is the time at which the account was created.
func (t *tx) noteAllowances(ids []domain.MemberID, members map[domain.MemberID]*domain.Member,
	allowance func(plan string) int) error {
	noted := map[domain.MemberID][]domain.PlanChange{}
	err := t.allowances(ids, func(id domain.MemberID, p domain.PlanChange) { noted[id] = append(noted[id], p) })
	if err != nil {
		return err
	}
	var rows batch
	for _, id := range ids {
		now, plans := allowance(members[id].Plan), noted[id]
		since := t.Now()
		if len(plans) == 0 && !members[id].CreatedAt.IsZero() {
			since = members[id].CreatedAt
		}
		if len(plans) == 0 || plans[len(plans)-1].Allowance != now {
			rows.add(id, millis(since), now)
		}
	}
	_, err = t.execBatch("note allowances", insertAllowances, &rows)
	return err
}

// allowances calls each for every plan change of ids, by member and time.
func (t *tx) allowances(ids []domain.MemberID, each func(id domain.MemberID, p domain.PlanChange)) error {
	if len(ids) == 0 {
		return nil
	}
	return t.query("read allowances", selectAllowances, func(r row) error {
		var id domain.MemberID
		var since int64
		var p domain.PlanChange
		err := r.Scan((*string)(&id), &since, &p.Allowance)
		p.Since = instant(since)
		each(id, p)
		return err
	}, ids)
}

const (
	selectAccounts = `SELECT id, plan, anchor_day, created_at FROM members WHERE id IN (SELECT unnest($1::text[]))`
	selectUsage    = `SELECT member, period_start, used, returned FROM credits
		WHERE member IN (SELECT unnest($1::text[])) AND period_start >= $2
		ORDER BY member, period_start`
)

// longestPeriod is a month of 31 days: the period that is now did not begin earlier.
const longestPeriod = 31 * 24 * time.Hour

// Accounts returns what credits are computed from, for each of ids that exists (R07 to R11). Their field
// InFlight is 0: the method InFlight counts it.
func (t *tx) Accounts(ids []domain.MemberID, anchorDay int, allPeriods bool,
	allowance func(plan string) int) (map[domain.MemberID]domain.Account, error) {
	accounts := make(map[domain.MemberID]domain.Account, len(ids))
	if len(ids) == 0 {
		return accounts, nil
	}
	err := t.query("read accounts", selectAccounts, func(r row) error {
		var id domain.MemberID
		var plan string
		var anchor int
		var created int64
		if err := r.Scan((*string)(&id), &plan, &anchor, &created); err != nil {
			return err
		}
		accounts[id] = domain.Account{CreatedAt: instant(created), AnchorDay: orPolicy(anchor, anchorDay),
			Allowance: allowance(plan)}
		return nil
	}, ids)
	if err != nil {
		return nil, err
	}
	var from any = int64(0)
	if !allPeriods {
		from = t.at(-longestPeriod)
	}
	err = t.query("read credits", selectUsage, func(r row) error {
		var id domain.MemberID
		var start int64
		var u domain.Usage
		if err := r.Scan((*string)(&id), &start, &u.Used, &u.Returned); err != nil {
			return err
		}
		u.PeriodStart = instant(start)
		a, known := accounts[id]
		if known && (allPeriods || u.PeriodStart.Equal(domain.PeriodStart(t.now, a.AnchorDay))) {
			a.Usage = append(a.Usage, u)
			accounts[id] = a
		}
		return nil
	}, ids, from)
	if err != nil || !allPeriods {
		return accounts, err
	}
	return accounts, t.allowances(ids, func(id domain.MemberID, p domain.PlanChange) {
		if a, known := accounts[id]; known {
			a.Plans = append(a.Plans, p)
			accounts[id] = a
		}
	})
}

// spend adds to credits. The member is locked (LockMembers), so that nothing has
// changed since it was read (R10).
const spend = `INSERT INTO credits (member, period_start, used, returned)
	SELECT r.member, r.period_start, r.used, r.returned
	FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS r(member, period_start, used, returned)
	WHERE TRUE
	ON CONFLICT (member, period_start) DO UPDATE SET used = credits.used + excluded.used,
		returned = credits.returned + excluded.returned`

// Spend adds to the usage of periods; it makes rows that are missing.
func (t *tx) Spend(moves []mailroom.CreditMove) error {
	type period struct {
		member domain.MemberID
		start  int64
	}
	sums := make(map[period][2]int, len(moves))
	for _, m := range moves {
		k := period{m.Member, millis(m.PeriodStart)}
		sums[k] = [2]int{sums[k][0] + m.Used, sums[k][1] + m.Returned}
	}
	periods := slices.SortedFunc(maps.Keys(sums), func(a, b period) int {
		return cmp.Or(cmp.Compare(a.member, b.member), cmp.Compare(a.start, b.start))
	})
	var rows batch
	for _, k := range periods {
		rows.add(k.member, k.start, sums[k][0], sums[k][1])
	}
	return t.laterBatch("move credits", spend, &rows, anyNumber)
}

// recount counts what was delivered since $2. An InMail is delivered at most longestQueue after it was
// accepted (R61), so the part of the index from $3 on is enough.
const recount = `INSERT INTO credits (member, period_start, used, returned)
	SELECT $1, $2, count(*), 0 FROM inmails WHERE sender = $1 AND accepted_at >= $3 AND sent_at >= $2
	ON CONFLICT (member, period_start) DO UPDATE SET used = excluded.used`

// longestQueue is the highest value of the policy queue_max_age.
const longestQueue = 720 * time.Hour

// recount counts the usage of a member's period anew from what was sent in it, after its
// anchor day changed (R08).
func (t *tx) recount(id domain.MemberID, start time.Time) error {
	_, err := t.exec("count the usage anew", recount, id, millis(start), millis(start.Add(-longestQueue)))
	return err
}

// recountAll reads all InMails once. It runs only at a start after an operator has changed the policy.
const recountAll = `INSERT INTO credits (member, period_start, used, returned)
	SELECT i.sender, $1, count(*), 0 FROM inmails i JOIN members m ON m.id = i.sender AND m.anchor_day = 0
		WHERE i.sent_at >= $1 GROUP BY i.sender
	ON CONFLICT (member, period_start) DO UPDATE SET used = excluded.used`

// RecountUsage counts the usage of the present period anew for all members without an anchor day of their
// own, after the policy's anchor day has changed (R08).
func (t *tx) RecountUsage(anchorDay int) error {
	_, err := t.exec("count the usage anew", recountAll, millis(domain.PeriodStart(t.Now(), anchorDay)))
	return err
}

const inFlight = `SELECT r.sender, (SELECT count(*) FROM waiting w WHERE w.sender = r.sender)
	FROM unnest($1::text[]) AS r(sender)`

// InFlight counts the queued InMails of each sender.
func (t *tx) InFlight(senders []domain.MemberID) (map[domain.MemberID]int, error) {
	counts := map[domain.MemberID]int{}
	var asked batch
	for _, id := range distinct(senders) {
		asked.add(id)
	}
	err := t.queryBatch("count queued InMails", inFlight, &asked, func(r row) error {
		var id domain.MemberID
		var n int
		err := r.Scan((*string)(&id), &n)
		if n > 0 {
			counts[id] = n
		}
		return err
	})
	return counts, err
}
