package record

import (
	"strings"

	"inmail/domain"
	"inmail/domain/mailroom"
)

const (
	dropWords = `DELETE FROM member_words WHERE member IN (SELECT unnest($1::text[]))`
	putWords  = `INSERT INTO member_words (member, word, in_company) SELECT r.member, r.word, r.in_company
		FROM unnest($1::text[], $2::text[], $3::bool[]) AS r(member, word, in_company)
		WHERE TRUE ON CONFLICT (member, word) DO NOTHING`
	putNames = `INSERT INTO names (member, folded) SELECT r.member, r.folded
		FROM unnest($1::text[], $2::text[]) AS r(member, folded)
		WHERE TRUE ON CONFLICT (member) DO UPDATE SET folded = excluded.folded`
)

// indexNames stores the words by which members are found, in place of those that they had.
func (t *tx) indexNames(ms []*domain.Member) error {
	if len(ms) == 0 {
		return nil
	}
	ids := make([]domain.MemberID, len(ms))
	var words, names batch
	for i, m := range ms {
		ids[i] = m.ID
		names.add(m.ID, domain.NameKey(m.Name))
		for _, w := range domain.SearchWords(m) {
			words.add(m.ID, w.Word, w.InCompany)
		}
	}
	if err := t.later("drop words of members", dropWords, &batch{args: []any{ids}}, anyNumber); err != nil {
		return err
	}
	if err := t.laterBatch("store words of members", putWords, &words, anyNumber); err != nil {
		return err
	}
	return t.laterBatch("store names of members", putNames, &names, anyNumber)
}

// renamed reports whether other words find a member than before.
func renamed(before, now *domain.Member) bool {
	return before == nil || before.Name != now.Name || before.Company != now.Company || before.Headline != now.Headline
}

const unindexed = `SELECT m.id FROM members m WHERE m.id > $1
	AND (SELECT count(*) FROM names n WHERE n.member = m.id) = 0 ORDER BY m.id LIMIT $2`

// IndexNames stores the words of up to limit members after an id who have none, by id.
func (t *tx) IndexNames(after domain.MemberID, limit int) (last domain.MemberID, err error) {
	var ids []domain.MemberID
	err = t.query("find members without words", unindexed, func(r row) error {
		var id domain.MemberID
		err := r.Scan((*string)(&id))
		ids = append(ids, id)
		return err
	}, after, limit)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	last = ids[len(ids)-1]
	if err := t.LockMembers(ids); err != nil {
		return "", err
	}
	found, err := t.Members(ids) // under the locks: one may be erased or renamed since
	if err != nil {
		return "", err
	}
	members := make([]*domain.Member, 0, len(found))
	for _, id := range ids {
		if m := found[id]; m != nil {
			members = append(members, m)
		}
	}
	return last, t.indexNames(members)
}

// lastCharacter is greater than the last character of any word.
const lastCharacter = "\U0010FFFF"

// beginsSo adds the condition that a word of a member begins with prefix.
func (c *conditions) beginsSo(prefix string, inCompany, drives bool) {
	word := "w.word >= " + c.arg(prefix) + " AND w.word < " + c.arg(prefix+lastCharacter)
	if inCompany {
		word += " AND w.in_company = TRUE"
	}
	if drives {
		c.and("n.member IN (SELECT w.member FROM member_words w WHERE " + word + ")")
		return
	}
	c.and("(SELECT count(*) FROM member_words w WHERE w.member = n.member AND " + word + ") > 0")
}

// FindMembers lists members by (name, id). The longest word of the query is looked up, the others are
// compared for each member that has it.
func (t *tx) FindMembers(f mailroom.MemberFilter, page mailroom.Page) (found []*domain.Member, err error) {
	var c conditions
	order := "n.folded, n.member"
	for i, word := range f.Words {
		c.beginsSo(word, false, i == 0)
	}
	for i, word := range f.Company {
		c.beginsSo(word, true, i == 0 && len(f.Words) == 0)
	}
	if len(f.Words)+len(f.Company) > 0 {
		order = "/*sqlite +*/n.folded, n.member" // SQLite sorts what it found, and does not read all names in order
	}
	if f.Visible {
		c.and("m.profile_shared = TRUE AND m.profile_visible = TRUE")
	}
	if f.Restricted {
		c.and("n.member IN (SELECT x.member FROM restrictions x WHERE x.latest = TRUE AND x.until > " +
			c.arg(t.at(0)) + ")")
	}
	if name, id, _ := strings.Cut(page.After.ID, mailroom.NameCursor); page.After.ID != "" {
		last := c.arg(name)
		c.and("n.folded >= " + last + " AND NOT (n.folded = " + last + " AND n.member <= " + c.arg(id) + ")")
	}
	if c.sql == "" {
		c.and("TRUE")
	}
	sql := `SELECT ` + memberColumns + ` FROM names n /*sqlite CROSS*/ JOIN members m ON m.id = n.member WHERE ` +
		c.sql +
		` ORDER BY ` + order + ` LIMIT ` + c.arg(limit(page))
	err = t.query("find members", sql, func(r row) error {
		m, err := scanMember(r)
		found = append(found, m)
		return err
	}, c.args...)
	return found, err
}
