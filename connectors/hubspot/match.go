package hubspot

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/idna"

	"inmail/domain"
)

// parents are the records under which an InMail is shown, and how they were found.
type parents struct {
	Match     domain.Match
	ContactID string
	CompanyID string
}

func parentsOf(l domain.Link) parents {
	return parents{Match: l.Match, ContactID: l.Parents[contactID], CompanyID: l.Parents[companyID]}
}

// keep stores the parents in a link.
func (p parents) keep(l *domain.Link) {
	l.Match, l.Parents = p.Match, nil
	for name, id := range map[string]string{contactID: p.ContactID, companyID: p.CompanyID} {
		if id == "" {
			continue
		}
		if l.Parents == nil {
			l.Parents = domain.ForeignIDs{}
		}
		l.Parents[name] = id
	}
}

// moves remembers into which record a merged one went, which never changes. So an InMail that names an old
// id costs no second search. It is emptied when it is full.
type moves struct {
	mu sync.Mutex
	to map[string]string
}

const maxKeptMoves = 10_000

func (ms *moves) learn(from, to string) {
	if from == "" || to == "" || from == to {
		return
	}
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if ms.to == nil || len(ms.to) >= maxKeptMoves {
		ms.to = map[string]string{}
	}
	ms.to[from] = to
}

// end returns the id of a record's last known successor, or its own.
func (ms *moves) end(id string) string {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	for range 5 {
		next := ms.to[id]
		if next == "" {
			break
		}
		id = next
	}
	return id
}

// given returns the ids that came with an InMail.
func given(m *domain.InMail) (ids parents) {
	named := m.CRM[Name]
	if id := named[contactID]; idForm.MatchString(id) {
		ids.ContactID = id
	}
	if id := named[companyID]; idForm.MatchString(id) {
		ids.CompanyID = id
	}
	return ids
}

// mustMatch says whether an InMail's parents must be looked for: it has none yet, its reference was lost,
// or other ids were given since. Otherwise a match stays as it is (R55).
func (c *Connector) mustMatch(w *work) bool {
	at, ids := parentsOf(w.link), given(&w.push.InMail)
	switch {
	case at.Match != domain.Matched || failureOf(w.push.Link, domain.RecordPart).Class == domain.LostReference:
		return true
	case ids.ContactID != "" && c.contactMoves.end(ids.ContactID) != at.ContactID:
		return true
	}
	return ids.CompanyID != "" && c.companyMoves.end(ids.CompanyID) != at.CompanyID
}

// person is a contact as the search for it found it.
type person struct {
	id         string
	lastSent   string
	lastStatus string
}

func personOf(r result) *person {
	return &person{id: r.ID, lastSent: r.text(lastSentProperty), lastStatus: r.text(lastStatusProperty)}
}

// contactProperties are what is read of contacts.
func contactProperties(p *portal) []string {
	names := []string{"email", moreEmails}
	for _, name := range []string{memberProperty, lastSentProperty, lastStatusProperty} {
		if p.contact[name] {
			names = append(names, name)
		}
	}
	return names
}

// match finds the parents of works, best first: a given contact, the contact with the member's id, the
// contact with the address, each in batches and from the store, never by search. A record that was merged
// answers by the one that won. A company that was given wins over that of the contact. Every error is a
// *Fault.
func (c *Connector) match(ctx context.Context, p *portal, works []*work) error {
	left := map[*work]bool{}
	for _, w := range works {
		left[w] = true
	}
	found := map[*work]*person{}
	ask := func(property string, keyOf func(*work) []string, keysOf func(result) []string) error {
		wanted := map[string][]*work{}
		var order []string
		for _, w := range works {
			if !left[w] {
				continue
			}
			for _, k := range keyOf(w) {
				if wanted[k] == nil {
					order = append(order, k)
				}
				wanted[k] = append(wanted[k], w)
			}
		}
		if property == "" {
			byID, err := c.readMerged(ctx, contacts, &c.contactMoves, order, contactProperties(p)...)
			if err != nil {
				return err
			}
			for id, r := range byID {
				for _, w := range wanted[id] {
					delete(left, w)
					found[w] = personOf(r)
				}
			}
			return nil
		}
		results, err := c.read(ctx, contacts, property, order, contactProperties(p)...)
		if err != nil {
			return err
		}
		hits := map[*work]map[string]*person{}
		for _, r := range results {
			for _, k := range keysOf(r) {
				for _, w := range wanted[k] {
					if hits[w] == nil {
						hits[w] = map[string]*person{}
					}
					hits[w][r.ID] = personOf(r)
				}
			}
		}
		for w, people := range hits {
			delete(left, w)
			if len(people) > 1 { // nothing is guessed
				w.want = parents{Match: domain.Ambiguous}
				continue
			}
			for _, each := range people {
				found[w] = each
			}
		}
		return nil
	}
	for _, w := range works {
		w.want = parents{Match: domain.Unmatched}
	}
	ids := func(w *work) []string {
		if id := given(&w.push.InMail).ContactID; id != "" {
			return []string{id}
		}
		if id := parentsOf(w.link).ContactID; id != "" { // a lost contact is followed first
			return []string{id}
		}
		return nil
	}
	if err := ask("", ids, nil); err != nil {
		return err
	}
	if p.byMember {
		err := ask(memberProperty, func(w *work) []string { return []string{string(w.push.InMail.Recipient)} },
			func(r result) []string { return []string{r.text(memberProperty)} })
		if err != nil {
			return err
		}
	}
	if err := ask("email", func(w *work) []string { return forms(address(w.push)) }, addressesOf); err != nil {
		return err
	}
	for w, each := range found {
		w.want = parents{Match: domain.Matched, ContactID: each.id}
		w.person = each
	}
	return c.matchCompanies(ctx, works)
}

// idsOf returns the ids that lead to a record: its own and those that were merged into it.
func (ms *moves) idsOf(r result) []string {
	ids := []string{r.ID}
	for _, old := range strings.FieldsFunc(r.text(mergedProperty), func(r rune) bool { return r == ';' || r == ',' }) {
		if old = strings.TrimSpace(old); old != r.ID {
			ms.learn(old, r.ID)
			ids = append(ids, old)
		}
	}
	return ids
}

func addressesOf(r result) []string {
	var all []string
	for _, a := range append(strings.Split(r.text(moreEmails), ";"), r.text("email")) {
		if a = strings.ToLower(strings.TrimSpace(a)); a != "" {
			all = append(all, a)
		}
	}
	return all
}

// matchCompanies finds the company of each of works: the one that was given, else the primary one of its
// contact, else its only one.
func (c *Connector) matchCompanies(ctx context.Context, works []*work) error {
	var named, people []string
	for _, w := range works {
		if id := given(&w.push.InMail).CompanyID; id != "" && !slices.Contains(named, id) {
			named = append(named, id)
		} else if id == "" && w.want.ContactID != "" {
			people = append(people, w.want.ContactID)
		}
	}
	there, err := c.readMerged(ctx, companies, &c.companyMoves, named)
	if err != nil {
		return err
	}
	slices.Sort(people)
	of, err := c.linked(ctx, contacts, companies, slices.Compact(people))
	if err != nil {
		return err
	}
	for _, w := range works {
		if id := there[given(&w.push.InMail).CompanyID].ID; id != "" && w.want.Match != domain.Ambiguous {
			w.want.Match, w.want.CompanyID = domain.Matched, id
			continue
		}
		if w.want.ContactID != "" {
			w.want.CompanyID = primary(of[w.want.ContactID])
		}
	}
	return nil
}

// maxLinkedRead is how many records a read of associations may ask about.
const maxLinkedRead = 1000

// linkedTo is a record that another is associated with.
type linkedTo struct {
	ID    recordID `json:"toObjectId"`
	Types []struct {
		ID int `json:"typeId"`
	} `json:"associationTypes"`
}

// recordID is the id of a record, which some versions write as a number.
type recordID string

// UnmarshalJSON reads a text or a number.
func (id *recordID) UnmarshalJSON(data []byte) error {
	*id = recordID(bytes.Trim(data, `"`))
	if !idForm.MatchString(string(*id)) {
		return errors.New("no id of a record")
	}
	return nil
}

// linked returns what records of one object are associated with in another.
func (c *Connector) linked(ctx context.Context, from, to string, ids []string) (map[string][]linkedTo, error) {
	all := map[string][]linkedTo{}
	type pageOf struct {
		ID    string `json:"id"`
		After string `json:"after,omitempty"`
	}
	var asked []pageOf
	for _, id := range ids {
		asked = append(asked, pageOf{ID: id})
	}
	for len(asked) > 0 {
		n := min(len(asked), maxLinkedRead)
		in := inputs[pageOf]{asked[:n:n]}
		asked = asked[n:]
		var out struct {
			Results []struct {
				From   key        `json:"from"`
				To     []linkedTo `json:"to"`
				Paging struct {
					Next struct {
						After string `json:"after"`
					} `json:"next"`
				} `json:"paging"`
			} `json:"results"`
		}
		if err := c.call(ctx, associations, http.MethodPost, c.path("associations", from, to, "batch", "read"), in, &out); err != nil {
			return nil, err
		}
		for _, r := range out.Results {
			all[r.From.ID] = append(all[r.From.ID], r.To...)
			if after := r.Paging.Next.After; after != "" { // it has more than one answer holds
				asked = append(asked, pageOf{r.From.ID, after})
			}
		}
	}
	return all, nil
}

// primary returns the primary one of a contact's companies, or its only one; empty: there is none, or
// several and none is the primary one.
func primary(list []linkedTo) string {
	for _, each := range list {
		for _, t := range each.Types {
			if t.ID == primaryCompany {
				return string(each.ID)
			}
		}
	}
	ids := map[string]bool{}
	for _, each := range list {
		ids[string(each.ID)] = true
	}
	if len(ids) != 1 {
		return ""
	}
	return slices.Collect(maps.Keys(ids))[0]
}

// address returns the recipient's e-mail address in lower case, and nothing where there is none that
// HubSpot could store. The address is used for matching and nowhere else (R01).
func address(p *domain.Push) string {
	email := strings.ToLower(strings.TrimSpace(p.Email.Reveal()))
	if len(email) > 254 || !strings.Contains(email, "@") ||
		strings.ContainsFunc(email, func(r rune) bool { return r <= ' ' }) {
		return ""
	}
	return email
}

// hosts writes hosts of addresses in one form. It refuses nothing that a mail server may have as its name.
var hosts = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false))

// forms returns the forms in which HubSpot may have an address: as it is, and with its host in ASCII or as
// people write it.
func forms(address string) []string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return nil
	}
	all := []string{address}
	for _, form := range []func(string) (string, error){hosts.ToASCII, hosts.ToUnicode} {
		if host, err := form(address[at+1:]); err == nil && !slices.Contains(all, address[:at+1]+host) {
			all = append(all, address[:at+1]+host)
		}
	}
	return all
}
