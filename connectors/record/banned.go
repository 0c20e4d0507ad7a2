package record

import (
	"inmail/domain"
	"inmail/domain/mailroom"
)

// folded returns the form in which a ban's value is compared: the name of a company
// folded, an id as it is (R17).
func folded(kind domain.BanKind, value string) string {
	if kind == domain.BanCompany {
		return domain.FoldCompany(value)
	}
	return value
}

const putBans = `INSERT INTO banned (kind, folded, value, reason, made_by, at)
	SELECT r.kind, r.folded, r.value, r.reason, r.made_by, r.at
	FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])
		AS r(kind, folded, value, reason, made_by, at)
	WHERE TRUE
	ON CONFLICT (kind, folded) DO UPDATE SET value = excluded.value, reason = excluded.reason,
		made_by = excluded.made_by, at = excluded.at`

// PutBans adds to the banned list; the same kind and value is replaced (R17).
func (t *tx) PutBans(bans []domain.Ban) error {
	var b batch
	place := map[[2]string]int{}
	for _, ban := range bans {
		key := [2]string{string(ban.Kind), folded(ban.Kind, ban.Value)}
		columns := []any{key[0], key[1], ban.Value, ban.Reason, ban.By, millis(ban.At)}
		if i, twice := place[key]; twice {
			b.rows[i] = columns
			continue
		}
		place[key] = len(b.rows)
		b.rows = append(b.rows, columns)
	}
	_, err := t.execBatch("store bans", putBans, &b)
	return err
}

const deleteBan = `DELETE FROM banned WHERE kind = $1 AND folded = $2`

// DeleteBan removes an entry from the list; an entry that is not there is no error.
func (t *tx) DeleteBan(kind domain.BanKind, value string) error {
	_, err := t.exec("delete a ban", deleteBan, string(kind), folded(kind, value))
	return err
}

// Bans lists the banned list newest first; a cursor's ID is kind:value.
func (t *tx) Bans(page mailroom.Page) ([]domain.Ban, error) {
	var c conditions
	c.and("TRUE")
	c.after("at", "kind || ':' || value", page.After, page.After.ID)
	sql := `SELECT kind, value, reason, made_by, at FROM banned WHERE ` + c.sql +
		` ORDER BY at DESC, kind || ':' || value DESC LIMIT ` + c.arg(limit(page))
	var bans []domain.Ban
	err := t.query("list bans", sql, func(r row) error {
		var b domain.Ban
		var at int64
		err := r.Scan((*string)(&b.Kind), &b.Value, &b.Reason, &b.By, &at)
		b.At = instant(at)
		bans = append(bans, b)
		return err
	}, c.args...)
	return bans, err
}

const bannedAmong = `SELECT kind, folded FROM banned WHERE kind = 'member' AND folded IN (SELECT unnest($1::text[]))
	UNION ALL SELECT kind, folded FROM banned WHERE kind = 'company' AND folded IN (SELECT unnest($2::text[]))`

// BannedAmong returns which of the members are on the list, by id or by company (R17).
func (t *tx) BannedAmong(ms []*domain.Member) (map[domain.MemberID]bool, error) {
	banned := map[domain.MemberID]bool{}
	if len(ms) == 0 {
		return banned, nil
	}
	ids := make([]domain.MemberID, 0, len(ms))
	companies := make([]string, 0, len(ms))
	of := map[string][]domain.MemberID{}
	for _, m := range ms {
		ids = append(ids, m.ID)
		if company := domain.FoldCompany(m.Company); company != "" {
			companies = append(companies, company)
			of[company] = append(of[company], m.ID)
		}
	}
	err := t.query("look into the banned list", bannedAmong, func(r row) error {
		var kind, value string
		if err := r.Scan(&kind, &value); err != nil {
			return err
		}
		if kind == string(domain.BanMember) {
			banned[domain.MemberID(value)] = true
			return nil
		}
		for _, id := range of[value] {
			banned[id] = true
		}
		return nil
	}, ids, companies)
	return banned, err
}

// listedCompanies is how many banned companies are read with the facts. Names of companies are compared
// folded, which the database cannot do: where more are banned, they are looked for once the recipients are
// known.
const listedCompanies = 64

// bannedHere reads one company more than listedCompanies, which shows that there are more.
const bannedHere = `SELECT kind, folded FROM banned WHERE kind = 'member' AND folded IN (SELECT unnest($1::text[]))
	UNION ALL SELECT c.kind, c.folded FROM (SELECT kind, folded FROM banned WHERE kind = 'company'
		ORDER BY folded LIMIT $2) AS c`

// bannedRead is the part of the banned list that was read before the recipients were.
type bannedRead struct {
	members   map[domain.MemberID]bool
	companies map[string]bool
}

// readBanned reads who of ids is on the list by id, and the banned companies. Inside together, they are read
// when together returns.
func (t *tx) readBanned(ids []domain.MemberID) (*bannedRead, error) {
	got := &bannedRead{members: map[domain.MemberID]bool{}, companies: map[string]bool{}}
	if len(ids) == 0 {
		return got, nil
	}
	return got, t.query("look into the banned list", bannedHere, func(r row) error {
		var kind, value string
		err := r.Scan(&kind, &value)
		if kind == string(domain.BanMember) {
			got.members[domain.MemberID(value)] = true
		} else {
			got.companies[value] = true
		}
		return err
	}, ids, listedCompanies+1)
}

// bannedOf returns which of the members are on the list. It asks again only where got has not all companies.
func (t *tx) bannedOf(got *bannedRead, ms []*domain.Member) (map[domain.MemberID]bool, error) {
	if len(got.companies) > listedCompanies {
		return t.BannedAmong(ms)
	}
	banned := map[domain.MemberID]bool{}
	for _, m := range ms {
		if got.members[m.ID] || len(got.companies) > 0 && got.companies[domain.FoldCompany(m.Company)] {
			banned[m.ID] = true
		}
	}
	return banned, nil
}
