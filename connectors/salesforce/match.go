package salesforce

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"inmail/domain"
)

// parents is what an InMail hangs on in the org (R55): a Lead, or a Contact and its Account.
type parents struct {
	Match     domain.Match
	LeadID    string
	ContactID string
	AccountID string
}

func parentsOf(l domain.Link) parents {
	return parents{Match: l.Match, LeadID: l.Parents[leadID], ContactID: l.Parents[contactID], AccountID: l.Parents[accountID]}
}

// keep notes in a link what its record hangs on.
func (p parents) keep(l *domain.Link) {
	l.Match, l.Parents = p.Match, nil
	for name, id := range map[string]string{leadID: p.LeadID, contactID: p.ContactID, accountID: p.AccountID} {
		if id == "" {
			continue
		}
		if l.Parents == nil {
			l.Parents = domain.ForeignIDs{}
		}
		l.Parents[name] = id
	}
}

// moves remembers where records went, which never changes: into which Contact a Lead was converted, into which record one was
// merged. An InMail that was sent with the id of such a one need not be asked about again. It forgets all when it is full.
type moves struct {
	mu sync.Mutex
	to map[string]string
}

const maxKeptMoves = 10_000

func (ms *moves) learn(from, to string) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if ms.to == nil || len(ms.to) >= maxKeptMoves {
		ms.to = map[string]string{}
	}
	ms.to[from] = to
}

// end is the id that a record has now, as far as is known; its own when it never moved.
func (ms *moves) end(id string) string {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	for range maxMoves {
		next := ms.to[id]
		if next == "" {
			break
		}
		id = next
	}
	return id
}

// given are the ids that came with an InMail, as far as they are ids of the right objects, with 18 characters.
func given(m *domain.InMail) (ids parents) {
	named := m.CRM[Name]
	ids.LeadID, _ = canonicalID(named[leadID], leadPrefix)
	ids.ContactID, _ = canonicalID(named[contactID], contactPrefix)
	ids.AccountID, _ = canonicalID(named[accountID], accountPrefix)
	return ids
}

// mustMatch says whether an InMail's parents are to be looked for: it was never matched, its reference was lost,
// or other ids were given since. Everything else stays as it is (R55).
func (c *Connector) mustMatch(p *domain.Push) bool {
	at, ids := parentsOf(p.Link), given(&p.InMail)
	switch {
	case at.Match == domain.NoMatch || p.Link.Class == domain.LostReference:
		return true
	case ids.AccountID != "" && c.moves.end(ids.AccountID) != at.AccountID:
		return true
	case ids.ContactID != "":
		return c.moves.end(ids.ContactID) != at.ContactID
	case ids.LeadID != "":
		now := c.moves.end(ids.LeadID)
		return now != at.LeadID && now != at.ContactID
	}
	return false
}

// person is a Lead or Contact of the org.
type person struct {
	ID        string `json:"Id"`
	Deleted   bool   `json:"IsDeleted"`
	Master    string `json:"MasterRecordId"` // of a merged one: who won
	Converted bool   `json:"IsConverted"`    // of a Lead
	ContactID string `json:"ConvertedContactId"`
	AccountID string `json:"AccountId"` // of a Contact
	Member    string `json:"InMail_Member_Id__c"`
	Email     string `json:"Email"`
}

// match finds the parents of each of works, best first: ids that were given, then ids that were known and lost;
// InMail_Member_Id__c on Contact, then on unconverted Lead; e-mail on Contact, then on unconverted Lead. All are asked about
// together; what a level answers is judged here. Every error is a *Fault.
func (c *Connector) match(ctx context.Context, works []*work) error {
	m := newMatching(c, works)
	if err := c.ask(ctx, append(m.byID(), m.byPerson()...)...); err != nil {
		return err
	}
	// A converted Lead leads to its Contact, a merged record to the one that won, which may have gone on itself.
	for range maxMoves {
		queries := m.byID()
		if len(queries) == 0 {
			break
		}
		if err := c.ask(ctx, queries...); err != nil {
			return err
		}
	}
	var late []*work
	for _, w := range works {
		if len(m.hints(w)) > 0 && m.known(w) == (parents{}) {
			late = append(late, w) // its ids lead nowhere: it is looked for like any other
		}
	}
	if len(late) > 0 {
		m.seek(late)
		if err := c.ask(ctx, m.byPerson()...); err != nil {
			return err
		}
	}
	for _, w := range works {
		w.want = m.answer(w)
	}
	return nil
}

// maxMoves bounds how often a record is followed to where it went.
const maxMoves = 5

// matching is what is asked and known while a batch is matched.
type matching struct {
	c        *Connector
	people   map[string]person // by id, as queryAll told; an asked one that does not exist is empty
	accounts map[string]string // by id: the account that it is now; empty: gone
	unknown  map[string]bool   // ids still to be asked about

	members, emails   []string // still to be asked about
	askedFor          map[string]bool
	byMember, byEmail [2]map[string][]person // Contacts, unconverted Leads
}

func newMatching(c *Connector, works []*work) *matching {
	m := &matching{c: c, people: map[string]person{}, accounts: map[string]string{}, unknown: map[string]bool{}, askedFor: map[string]bool{}}
	for i := range 2 {
		m.byMember[i], m.byEmail[i] = map[string][]person{}, map[string][]person{}
	}
	var direct []*work
	for _, w := range works {
		hints := m.hints(w)
		for _, id := range hints {
			m.unknown[id] = true
		}
		if id := given(&w.push.InMail).AccountID; id != "" {
			m.unknown[id] = true
		}
		if len(hints) == 0 {
			direct = append(direct, w)
		}
	}
	m.seek(direct)
	return m
}

// hints are the ids from which an InMail's person may be reached, best first.
func (m *matching) hints(w *work) []string {
	ids := given(&w.push.InMail)
	hints := []string{ids.ContactID, ids.LeadID}
	if w.push.Link.Class == domain.LostReference {
		at := parentsOf(w.push.Link)
		hints = append(hints, at.ContactID, at.LeadID)
	}
	return slices.DeleteFunc(hints, func(id string) bool { return id == "" })
}

// seek notes whom to look for by member id and e-mail.
func (m *matching) seek(works []*work) {
	for _, w := range works {
		member, email := string(w.push.InMail.Recipient), address(w.push)
		if key := "m" + member; !m.askedFor[key] {
			m.askedFor[key] = true
			m.members = append(m.members, member)
		}
		if key := "e" + email; email != "" && !m.askedFor[key] {
			m.askedFor[key] = true
			m.emails = append(m.emails, email)
		}
	}
}

// address is the recipient's e-mail address as it is compared: in lower case; empty when there is none that the
// org could hold (R01: it is used here and nowhere else).
func address(p *domain.Push) string {
	email := strings.ToLower(strings.TrimSpace(p.Email.Reveal()))
	if len(email) > 80 || !strings.Contains(email, "@") || strings.ContainsFunc(email, func(r rune) bool { return r < ' ' }) {
		return ""
	}
	return email
}

// byID asks about ids that are not known yet, deleted records too.
func (m *matching) byID() []*query {
	var ids [3][]string
	prefixes := [3]string{contactPrefix, leadPrefix, accountPrefix}
	for id := range m.unknown {
		ids[slices.Index(prefixes[:], id[:3])] = append(ids[slices.Index(prefixes[:], id[:3])], id)
	}
	clear(m.unknown)
	selects := [3]string{
		"SELECT Id, IsDeleted, MasterRecordId, AccountId FROM Contact WHERE Id IN ",
		"SELECT Id, IsDeleted, MasterRecordId, IsConverted, ConvertedContactId FROM Lead WHERE Id IN ",
		"SELECT Id, IsDeleted, MasterRecordId FROM Account WHERE Id IN ",
	}
	var queries []*query
	for i, list := range ids {
		if len(list) == 0 {
			continue
		}
		slices.Sort(list)
		for _, id := range list {
			m.people[id] = person{}
		}
		queries = append(queries, &query{
			deleted: true, n: len(list), read: m.readID,
			soql: func(part []int) string { return selects[i] + in(pick(list, part)) },
		})
	}
	return queries
}

func pick(list []string, at []int) []string {
	out := make([]string, len(at))
	for i, n := range at {
		out[i] = list[n]
	}
	return out
}

// readID notes a record and whom it leads to.
func (m *matching) readID(record []byte) error {
	var p person
	if err := json.Unmarshal(record, &p); err != nil {
		return err
	}
	m.people[p.ID] = p
	for _, next := range []string{p.Master, p.ContactID} {
		if _, asked := m.people[next]; next != "" && !asked {
			m.unknown[next] = true
		}
	}
	switch {
	case p.Deleted && p.Master != "":
		m.c.moves.learn(p.ID, p.Master)
	case p.Converted && p.ContactID != "":
		m.c.moves.learn(p.ID, p.ContactID)
	}
	return nil
}

// byPerson asks about member ids and e-mail addresses, on Contacts and on unconverted Leads.
func (m *matching) byPerson() []*query {
	members, emails := m.members, m.emails
	m.members, m.emails = nil, nil
	if len(members)+len(emails) == 0 {
		return nil
	}
	condition := func(part []int) string {
		var wanted [2][]string
		for _, i := range part {
			if i < len(members) {
				wanted[0] = append(wanted[0], members[i])
			} else {
				wanted[1] = append(wanted[1], emails[i-len(members)])
			}
		}
		var terms []string
		if len(wanted[0]) > 0 {
			terms = append(terms, "InMail_Member_Id__c IN "+in(wanted[0]))
		}
		if len(wanted[1]) > 0 {
			terms = append(terms, "Email IN "+in(wanted[1]))
		}
		return strings.Join(terms, " OR ")
	}
	contacts := &query{n: len(members) + len(emails), read: m.reader(0), soql: func(part []int) string {
		return "SELECT Id, AccountId, InMail_Member_Id__c, Email FROM Contact WHERE " + condition(part)
	}}
	leads := &query{n: len(members) + len(emails), read: m.reader(1), soql: func(part []int) string {
		return "SELECT Id, InMail_Member_Id__c, Email FROM Lead WHERE IsConverted = false AND (" + condition(part) + ")"
	}}
	return []*query{leads, contacts} // in this order one who is converted between the two is found twice, and not missed
}

// reader notes a Contact (0) or Lead (1) under what it may be found by. A record that two queries name is noted once.
func (m *matching) reader(kind int) func([]byte) error {
	return func(record []byte) error {
		var p person
		if err := json.Unmarshal(record, &p); err != nil {
			return err
		}
		p.Email = strings.ToLower(p.Email)
		note := func(by map[string][]person, key string) {
			if key != "" && !slices.ContainsFunc(by[key], func(other person) bool { return other.ID == p.ID }) {
				by[key] = append(by[key], p)
			}
		}
		note(m.byMember[kind], p.Member) // exactly: the org compares without regard to case, member ids differ by it
		note(m.byEmail[kind], p.Email)
		return nil
	}
}

// known follows the first id that leads to a live Contact or Lead.
func (m *matching) known(w *work) parents {
	for _, id := range m.hints(w) {
		for range maxMoves + 1 {
			p := m.people[id]
			switch {
			case p.ID == "" || p.Deleted && p.Master == "":
				id = ""
			case p.Deleted:
				id = p.Master
			case p.Converted:
				id = p.ContactID
			case strings.HasPrefix(id, contactPrefix):
				return parents{Match: domain.Matched, ContactID: id, AccountID: p.AccountID}
			default:
				return parents{Match: domain.Matched, LeadID: id}
			}
			if id == "" {
				break
			}
		}
	}
	return parents{}
}

// account is the account that was given, or the one that it was merged into; empty when there is none.
func (m *matching) account(w *work) string {
	id := given(&w.push.InMail).AccountID
	for range maxMoves + 1 {
		p := m.people[id]
		if id == "" || p.ID == "" || !p.Deleted {
			return p.ID
		}
		id = p.Master
	}
	return ""
}

// answer judges what was found for one InMail.
func (m *matching) answer(w *work) parents {
	found := m.known(w)
	if found == (parents{}) {
		found = m.first(string(w.push.InMail.Recipient), address(w.push))
	}
	if id := m.account(w); id != "" {
		found.AccountID = id
		if found.Match == domain.Unmatched {
			found.Match = domain.Matched
		}
	}
	return found
}

// first takes the first level that has a hit: exactly one is the match, several are never guessed among.
func (m *matching) first(member, email string) parents {
	for _, level := range []struct {
		lead bool
		hits []person
	}{
		{false, m.byMember[0][member]},
		{true, m.byMember[1][member]},
		{false, m.byEmail[0][email]},
		{true, m.byEmail[1][email]},
	} {
		switch {
		case len(level.hits) > 1:
			return parents{Match: domain.Ambiguous}
		case len(level.hits) == 1 && level.lead:
			return parents{Match: domain.Matched, LeadID: level.hits[0].ID}
		case len(level.hits) == 1:
			return parents{Match: domain.Matched, ContactID: level.hits[0].ID, AccountID: level.hits[0].AccountID}
		}
	}
	return parents{Match: domain.Unmatched}
}
