package salesforce

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/idna"

	"inmail/domain"
)

// parents are the records to which an InMail's record refers (R55): a Lead, or a Contact and its Account.
type parents struct {
	Match     domain.Match
	LeadID    string
	ContactID string
	AccountID string
	// Candidates are the addresses of those among whom an ambiguous match could not decide, with blanks
	// between.
	Candidates string
}

// candidatesNote is the note of a link with the candidates.
const candidatesNote = "candidates"

func parentsOf(l domain.Link) parents {
	at := parents{Match: l.Match,
		LeadID: l.Parents[leadID], ContactID: l.Parents[contactID], AccountID: l.Parents[accountID]}
	if l.Match == domain.Ambiguous {
		at.Candidates = l.Notes[candidatesNote]
	}
	if l.Match == domain.NoMatch { // what a person chose is known, but it was not pushed
		at.LeadID, at.ContactID, at.AccountID = "", "", ""
	}
	return at
}

// named returns the candidates, each in a line with its object and its address.
func (p parents) named() string {
	var lines []string
	for _, address := range strings.Fields(p.Candidates) {
		lines = append(lines, objectOf(address[strings.LastIndexByte(address, '/')+1:])+": "+address)
	}
	return strings.Join(lines, "\n")
}

// candidatesOf returns the candidates of an ambiguous match.
func (c *Connector) candidatesOf(people []person) string {
	var addresses []string
	for _, p := range people {
		addresses = append(addresses, strings.TrimRight(c.config.URL, "/")+"/"+p.ID)
	}
	slices.Sort(addresses)
	return strings.Join(addresses[:min(len(addresses), candidates)], " ")
}

// keep stores the parents in a link.
func (p parents) keep(l *domain.Link) {
	l.Match, l.Parents = p.Match, nil
	if p.Candidates != l.Notes[candidatesNote] {
		l.Notes = maps.Clone(l.Notes)
		if p.Candidates == "" {
			delete(l.Notes, candidatesNote)
		} else if l.Notes == nil {
			l.Notes = map[string]string{candidatesNote: p.Candidates}
		} else {
			l.Notes[candidatesNote] = p.Candidates
		}
	}
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

// moves remembers the successors of records, which never change: the Contact into which a Lead was converted,
// and the record that won a merge. So an InMail that names an old id costs no second query. moves is emptied
// when it is full.
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

// end returns the id of a record's last known successor, or its own id when no move is known.
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

// given returns the ids that came with an InMail, with 18 characters. Ids of other objects are left out.
func given(m *domain.InMail) (ids parents) {
	named := m.CRM[Name]
	ids.LeadID, _ = canonicalID(named[leadID], leadPrefix)
	ids.ContactID, _ = canonicalID(named[contactID], contactPrefix)
	ids.AccountID, _ = canonicalID(named[accountID], accountPrefix)
	return ids
}

// mustMatch says whether an InMail's parents must be looked for: it was never matched, its reference was
// lost, or other ids were given since. Otherwise a match stays as it is (R55).
func (c *Connector) mustMatch(p *domain.Push) bool {
	at, ids := parentsOf(p.Link), given(&p.InMail)
	switch {
	case at.Match == domain.NoMatch || lost(p.Link, domain.RecordPart):
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

// person is a Lead, Contact or Account of the org.
type person struct {
	ID        string `json:"Id"`
	Deleted   bool   `json:"IsDeleted"`
	Master    string `json:"MasterRecordId"` // the record that won the merge
	Converted bool   `json:"IsConverted"`    // only Leads can be converted
	ContactID string `json:"ConvertedContactId"`
	AccountID string `json:"AccountId"` // the Account of a Contact
	Member    string `json:"InMail_Member_Id__c"`
	Email     string `json:"Email"`
}

// match finds the parents of each of works. The levels are, best first: given ids and then lost ids,
// InMail_Member_Id__c on Contacts and then on unconverted Leads, the e-mail address on Contacts and then on
// unconverted Leads. All levels are queried together, and their answers are judged here. beside are other
// questions that go in the same calls. Every error is a *Fault.
func (c *Connector) match(ctx context.Context, works []*work, beside ...*query) error {
	m := newMatching(c, works)
	for { // a second time when the org does not answer some of the questions, which are left out then
		err := m.search(ctx, works, beside)
		if err == nil {
			break
		}
		if err := c.closeWays(ctx, m.ways(), err); err != nil {
			return err
		}
		m = newMatching(c, works)
	}
	for _, w := range works {
		w.want = m.answer(w)
		if w.link.Chosen && m.known(w) == (parents{}) && m.account(w) == "" { // whom a person chose is gone
			w.link.Chosen = false
		}
	}
	return nil
}

// ways returns the ways that were asked.
func (m *matching) ways() []way {
	if m.askedIDs {
		return append(slices.Clone(personWays), idWays...)
	}
	return personWays
}

// search asks all questions.
func (m *matching) search(ctx context.Context, works []*work, beside []*query) error {
	if err := m.c.ask(ctx, slices.Concat(m.byID(), m.byPerson(), beside)...); err != nil {
		return err
	}
	// A converted Lead leads to its Contact and a merged record to the one that won, which may itself have
	// moved on.
	for range maxMoves {
		queries := m.byID()
		if len(queries) == 0 {
			break
		}
		if err := m.c.ask(ctx, queries...); err != nil {
			return err
		}
	}
	var late []*work
	for _, w := range works {
		if len(m.hints(w)) > 0 && m.known(w) == (parents{}) && !m.keeps(w) {
			late = append(late, w) // its ids lead to no record, so the person is looked for
		}
	}
	if len(late) == 0 {
		return nil
	}
	m.seek(late)
	return m.c.ask(ctx, m.byPerson()...)
}

// maxMoves bounds how many moves of one record are followed.
const maxMoves = 5

// matching is what was asked and answered while a batch is matched.
type matching struct {
	c       *Connector
	people  map[string]person // by id, as queryAll answered; empty for an id that does not exist
	unknown map[string]bool   // ids that are still to be asked about

	askedIDs bool // some ids were asked about

	members, emails   []string // what is still to be asked about
	askedFor          map[string]bool
	byMember, byEmail [2]map[string][]person // Contacts, unconverted Leads
}

func newMatching(c *Connector, works []*work) *matching {
	m := &matching{c: c, people: map[string]person{}, unknown: map[string]bool{}, askedFor: map[string]bool{}}
	for i := range 2 {
		m.byMember[i], m.byEmail[i] = map[string][]person{}, map[string][]person{}
	}
	var direct []*work
	for _, w := range works {
		hints := m.hints(w)
		for _, id := range hints {
			m.unknown[id] = true
		}
		if id := accountOf(w.push); id != "" {
			m.unknown[id] = true
		}
		if len(hints) == 0 {
			direct = append(direct, w)
		}
	}
	m.seek(direct)
	return m
}

// hints returns the ids that may lead to an InMail's person, best first: those that came with it, those that
// a person chose in the org, and those that it had.
func (m *matching) hints(w *work) []string {
	ids := given(&w.push.InMail)
	hints := []string{ids.ContactID, ids.LeadID}
	if ids.ContactID+ids.LeadID == "" { // whom a person chose for an InMail to this member
		hints = append(hints, w.push.Chosen[contactID], w.push.Chosen[leadID])
	}
	if w.moved || lost(w.push.Link, domain.RecordPart) || w.taskLost() {
		at := parentsOf(w.push.Link)
		hints = append(hints, at.ContactID, at.LeadID)
	}
	return slices.DeleteFunc(hints, func(id string) bool { return id == "" })
}

// seek notes the member ids and e-mail addresses that are to be looked for.
func (m *matching) seek(works []*work) {
	for _, w := range works {
		member, email := string(w.push.InMail.Recipient), address(w.push)
		if key := "m" + member; !m.askedFor[key] {
			m.askedFor[key] = true
			m.members = append(m.members, member)
		}
		if key := "e" + email; email != "" && !m.askedFor[key] {
			m.askedFor[key] = true
			m.emails = append(m.emails, forms(email)...)
		}
	}
}

// accountOf returns the account that came with an InMail, or that a person chose for another InMail to the
// recipient, without a person.
func accountOf(p *domain.Push) string {
	ids := given(&p.InMail)
	if ids == (parents{}) && p.Chosen[contactID]+p.Chosen[leadID] == "" {
		return p.Chosen[accountID]
	}
	return ids.AccountID
}

// address returns the recipient's e-mail address in lower case. It is empty when there is no address that the
// org could store. The address is used for matching and nowhere else (R01).
func address(p *domain.Push) string {
	email := sameAddress(strings.TrimSpace(p.Email.Reveal()))
	if len(email) > 80 || !strings.Contains(email, "@") ||
		strings.ContainsFunc(email, func(r rune) bool { return r < ' ' }) {
		return ""
	}
	return email
}

// hosts writes hosts of addresses in one form. It refuses nothing that a mail server may have as its name.
var hosts = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false))

// sameAddress writes an address in lower case and its host in ASCII, so that addresses are equal when they
// reach one mailbox. A host that has no such form stays as it is.
func sameAddress(address string) string {
	address = strings.ToLower(address)
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address
	}
	host, err := hosts.ToASCII(address[at+1:])
	if err != nil {
		return address
	}
	return address[:at+1] + host
}

// forms returns the forms in which the org may have an address: its host in ASCII, and as people write it.
func forms(address string) []string {
	at := strings.LastIndexByte(address, '@')
	if !strings.Contains(address, "xn--") || at < 0 {
		return []string{address}
	}
	host, err := hosts.ToUnicode(address[at+1:])
	if err != nil || host == address[at+1:] {
		return []string{address}
	}
	return []string{address, address[:at+1] + host}
}

// byID returns queries about the ids that are not known yet. They find deleted records too.
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
		if m.c.ways.closed(idWays[i], m.c.clock.Now()) {
			continue
		}
		m.askedIDs = true
		queries = append(queries, &query{
			deleted: true, n: len(list), read: m.readID,
			soql: func(part []int) string { return selects[i] + in(pick(list, part)) },
		})
	}
	return queries
}

func pick[T any](list []T, at []int) []T {
	out := make([]T, len(at))
	for i, n := range at {
		out[i] = list[n]
	}
	return out
}

// readID stores a record, and notes the ids that it leads to.
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

// byPerson returns queries for member ids and e-mail addresses, on Contacts and on unconverted Leads.
func (m *matching) byPerson() []*query {
	members, emails := m.members, m.emails
	m.members, m.emails = nil, nil
	if len(members)+len(emails) == 0 {
		return nil
	}
	// asked returns the query about an object by the ways that it answers, or nil when it answers by none.
	asked := func(kind int, object, columns, first string) *query {
		var by [2]bool // member ids, addresses
		fields := [2]string{"InMail_Member_Id__c", "Email"}
		for i, field := range fields {
			if by[i] = !m.c.ways.closed(way{object, field}, m.c.clock.Now()); by[i] {
				columns += ", " + field
			}
		}
		var values [2][]string
		if by[0] {
			values[0] = members
		}
		if by[1] {
			values[1] = emails
		}
		n := len(values[0]) + len(values[1])
		if n == 0 {
			return nil
		}
		return &query{n: n, read: m.reader(kind), soql: func(part []int) string {
			var wanted [2][]string
			for _, i := range part {
				if i < len(values[0]) {
					wanted[0] = append(wanted[0], values[0][i])
				} else {
					wanted[1] = append(wanted[1], values[1][i-len(values[0])])
				}
			}
			var terms []string
			for i, field := range fields {
				if len(wanted[i]) > 0 {
					terms = append(terms, field+" IN "+in(wanted[i]))
				}
			}
			condition := strings.Join(terms, " OR ")
			if first != "" {
				condition = first + " AND (" + condition + ")"
			}
			return "SELECT " + columns + " FROM " + object + " WHERE " + condition
		}}
	}
	// Leads come first, so a Lead that is converted between the two queries is found twice and not missed.
	queries := []*query{asked(1, "Lead", "Id", "IsConverted = false"), asked(0, "Contact", "Id, AccountId", "")}
	return slices.DeleteFunc(queries, func(q *query) bool { return q == nil })
}

// reader returns a function that stores Contacts (kind 0) or Leads (kind 1) by member id and address. A
// record that two queries answer is stored once.
func (m *matching) reader(kind int) func([]byte) error {
	return func(record []byte) error {
		var p person
		if err := json.Unmarshal(record, &p); err != nil {
			return err
		}
		p.Email = sameAddress(p.Email)
		note := func(by map[string][]person, key string) {
			if key != "" && !slices.ContainsFunc(by[key], func(other person) bool { return other.ID == p.ID }) {
				by[key] = append(by[key], p)
			}
		}
		note(m.byMember[kind], p.Member) // exact, because member ids differ by case and the org ignores it
		note(m.byEmail[kind], p.Email)
		return nil
	}
}

// keeps says that the parents of an InMail are followed for the sake of a Task alone. The record keeps them
// unless the org shows that they were converted, merged or deleted; that the Task may not refer to them is no
// such proof.
func (m *matching) keeps(w *work) bool {
	if w.moved || m.c.mustMatch(w.push) || !w.taskLost() {
		return false
	}
	for _, id := range m.hints(w) {
		if p := m.people[id]; p.Deleted && p.Master == "" {
			return false
		}
	}
	return true
}

// known follows the first id that leads to an existing Contact or Lead. Without one it returns no parents.
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

// account returns the given account or the one into which it was merged. It is empty when there is none.
func (m *matching) account(w *work) string {
	id := accountOf(w.push)
	for range maxMoves + 1 {
		p := m.people[id]
		if id == "" || p.ID == "" || !p.Deleted {
			return p.ID
		}
		id = p.Master
	}
	return ""
}

// answer returns the parents that were found for one InMail.
func (m *matching) answer(w *work) parents {
	found := m.known(w)
	if m.keeps(w) {
		at := parentsOf(w.push.Link)
		if found == (parents{}) || found.ContactID == at.ContactID && found.LeadID == at.LeadID {
			return at
		}
		return found
	}
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

// first returns the match of the first level that has a hit. One hit is the match, and several are ambiguous,
// because nothing is guessed.
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
			return parents{Match: domain.Ambiguous, Candidates: m.c.candidatesOf(level.hits)}
		case len(level.hits) == 1 && level.lead:
			return parents{Match: domain.Matched, LeadID: level.hits[0].ID}
		case len(level.hits) == 1:
			return parents{Match: domain.Matched, ContactID: level.hits[0].ID, AccountID: level.hits[0].AccountID}
		}
	}
	return parents{Match: domain.Unmatched}
}
